# SPDX-License-Identifier: Apache-2.0
"""An audit log of the test's own, written by security/audit_probe.c."""
import functools
import os
import subprocess
import tempfile

import runtime

PROBE = os.path.join(runtime.REPO, "tests", "security", "audit_probe.c")
SOURCES = os.path.join(runtime.REPO, "runtime")


@functools.lru_cache(None)
def probe():
    path = os.path.join(tempfile.gettempdir(), "audit_probe")
    parts = [os.path.join(SOURCES, "audit", f) for f in os.listdir(os.path.join(SOURCES, "audit"))
             if f.endswith(".c")]
    parts += [os.path.join(SOURCES, "base", f"{m}.c")
              for m in ("arena", "dirs", "err", "fd", "hash", "json", "json_write", "secret", "sign", "str")]
    subprocess.run([*os.environ.get("CC", "cc").split(), "-std=gnu11", "-O1", "-D_GNU_SOURCE",
                    f"-I{SOURCES}", "-o", path, PROBE, *parts, "-lyajl", "-lhogweed", "-lnettle"],
                   check=True, timeout=120)
    return path


class Log:
    def __init__(self, path):
        self.probe = probe()
        self.dir = path
        self.path = os.path.join(path, "audit.jsonl")

    def __call__(self, what, *args, check=True, prefix=(), **kw):
        return runtime.run([*prefix, self.probe, what, self.dir, *map(str, args)], check=check, **kw)

    def append(self, session="s", event="exec", count=1, **kw):
        return self("append", session, event, count, **kw)

    def verify(self):
        bad, records, recovered, reason = (self("verify").out.rstrip("\n") + " ").split(" ", 3)
        return int(bad), int(records), int(recovered), reason.strip()

    def lines(self):
        with open(self.path, "rb") as f:
            return f.read().splitlines()

    def put(self, lines):
        with open(self.path, "wb") as f:
            f.write(b"".join(x + b"\n" for x in lines))
