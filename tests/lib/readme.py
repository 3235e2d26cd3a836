# SPDX-License-Identifier: Apache-2.0
"""The commands of README.md, run as they stand there."""
import os
import re

from runtime import REPO, program, run

with open(os.path.join(REPO, "README.md"), encoding="utf-8") as _f:
    TEXT = _f.read()
# (what the block is for, its text)
BLOCKS = re.findall(r"^```([^\n]*)\n(.*?)^```$", TEXT, flags=re.M | re.S)


def blocks(tag):
    return [text for t, text in BLOCKS if t == "sh " + tag]


def script(path, text):
    with open(path, "w", encoding="ascii") as f:
        f.write("#!/bin/sh\n" + text)
    os.chmod(path, 0o755)


def shell(text, work, systemctl="exit 1\n", cwd=None, timeout=120, **env):
    """Run a block in a shell that stops at the first failure.

    agentrun is the program under test, sudo runs its arguments, and systemctl is what is given.
    """
    stubs = os.path.join(work, "bin")
    if not os.path.isdir(stubs):
        os.mkdir(stubs)
        script(stubs + "/sudo", 'exec "$@"\n')
        os.symlink(program(), stubs + "/agentrun")
    script(stubs + "/systemctl", systemctl)
    e = {k: v for k, v in os.environ.items() if k != "CONTAINERS_CONF"}
    e.update(env, PATH=f"{stubs}:{os.environ['PATH']}:/usr/sbin:/sbin")
    return run(["sh", "-exc", text], cwd=cwd or work, env=e, timeout=timeout, check=True)
