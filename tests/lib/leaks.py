# SPDX-License-Identifier: Apache-2.0
"""What a container could leave behind: a snapshot before and after, compared."""
import os
import time

NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts")
PF_KTHREAD = 0x00200000
STATE_DIRS = ("/run", "/run/agentrun", "/run/runc", "/run/crun", "/dev/shm")


def processes():
    """pid -> name of every process but kernel threads."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as f:
                name, rest = f.read().split(" (", 1)[1].rsplit(") ", 1)
            if not int(rest.split()[6]) & PF_KTHREAD:
                found[int(pid)] = name
        except OSError:
            pass
    return found


def namespaces(pids):
    found = set()
    for pid in pids:
        for name in NAMESPACES:
            try:
                found.add(os.readlink(f"/proc/{pid}/ns/{name}"))
            except OSError:
                pass
    return found


def mounts():
    with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as f:
        return sorted(" ".join(line.split()[3:6]) for line in f)


def cgroups(top="/sys/fs/cgroup"):
    return {d for d, _, _ in os.walk(top)}


def entries(dirs):
    found = set()
    for d in dirs:
        try:
            found |= {os.path.join(d, x) for x in os.listdir(d)}
        except OSError:
            pass
    return found


class Snapshot:
    def __init__(self, dirs=()):
        self.dirs = (*STATE_DIRS, *dirs)
        pids = processes()
        self.parts = {
            "process": {f"{pid} {name}" for pid, name in pids.items()},
            "namespace": namespaces(pids),
            "mount": set(mounts()),
            "cgroup": cgroups(),
            "file": entries(self.dirs),
        }

    def left(self):
        """What is there now and was not at the snapshot."""
        now = Snapshot(self.dirs[len(STATE_DIRS):])
        return [f"{kind}: {x}" for kind, before in self.parts.items()
                for x in sorted(now.parts[kind] - before)]

    def check(self, ignore=lambda line: False, timeout=3):
        """Processes and cgroups may take a moment to go: wait for that moment only."""
        end = time.monotonic() + timeout
        while True:
            left = [x for x in self.left() if not ignore(x)]
            if not left or time.monotonic() > end:
                assert not left, "left behind:\n" + "\n".join(left)
                return
            time.sleep(0.02)
