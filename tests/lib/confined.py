# SPDX-License-Identifier: Apache-2.0
"""Bundles of confined agents: a workspace and the annotations of a policy."""
import functools
import os
import shutil
import stat
import subprocess
import tempfile

import bundle

PREFIX = "io.agentrun."
LOG = "/var/log/agentrun/audit.jsonl"


@functools.lru_cache(None)
def tool(name):
    """security/NAME.c, compiled statically: it runs in any image."""
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../security", name + ".c")
    out = os.path.join(tempfile.gettempdir(), name)
    subprocess.run([os.environ.get("CC", "cc"), "-std=gnu11", "-O1", "-D_GNU_SOURCE", "-static",
                    "-o", out, source], check=True, timeout=60)
    return out


def annotate(config, **fields):
    """Sets fields of the policy: egress_allow="..." is io.agentrun.egress.allow."""
    notes = config.setdefault("annotations", {})
    for name, value in fields.items():
        notes[PREFIX + name.replace("_", ".")] = value


def bind(source, destination, *options):
    return bundle.mount(destination, "bind", source, "rbind", *options)


def confine(b, work, profile="agent", **fields):
    """Makes it an agent's container, with a workspace of its own."""
    source = os.path.join(work, "ws-" + b.id)
    os.makedirs(source, exist_ok=True)
    os.chown(source, b.config["process"]["user"]["uid"], b.config["process"]["user"]["gid"])
    b.workspace = source
    b.config["mounts"].append(bind(source, "/workspace"))
    b.config["process"]["cwd"] = "/workspace"
    annotate(b.config, profile=profile, **fields)
    b.save()
    return b


def put(b, program):
    """A program of the machine into the image's /bin."""
    shutil.copy(program, b.rootfs + "/bin/")
    return "/bin/" + os.path.basename(program)


def can_watch():
    """BPF can log commands of root's containers: there is a bpffs, and the kernel tells its types."""
    return os.geteuid() == 0 and os.path.ismount("/sys/fs/bpf") and os.path.exists("/sys/kernel/btf/vmlinux")


def refusal(result):
    """The three lines that every refusal is: what, why, what to do."""
    assert result.code > 0, result.text
    lines = result.err.splitlines()
    assert len(lines) == 3, result.err
    assert lines[0].startswith("agentrun: refused: "), result.err
    assert lines[1].startswith("  policy: "), result.err
    assert lines[2].startswith("  to allow it: "), result.err
    return lines


def snapshot(top):
    """Every entry with all that stat(2) and reading tell of it, but for access times."""
    seen = {}
    for here, dirs, files in os.walk(top):
        for name in dirs + files + ["."]:
            path = os.path.join(here, name)
            st = os.lstat(path)
            content = None
            if stat.S_ISREG(st.st_mode):
                with open(path, "rb") as f:
                    content = f.read()
            elif stat.S_ISLNK(st.st_mode):
                content = os.readlink(path)
            seen[os.path.relpath(path, top)] = (
                st.st_mode, st.st_uid, st.st_gid, st.st_nlink, st.st_ino, st.st_mtime_ns,
                st.st_ctime_ns, content)
    return seen
