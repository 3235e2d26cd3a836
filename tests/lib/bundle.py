# SPDX-License-Identifier: Apache-2.0
"""Bundles: a root file system made from busybox and a configuration such as engines write."""
import functools
import json
import os
import shutil
import subprocess

BUSYBOX = "/bin/busybox"
DEFAULT_CAPS = ["CAP_" + c for c in (
    "AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_BIND_SERVICE NET_RAW SETFCAP "
    "SETGID SETPCAP SETUID SYS_CHROOT").split()]
NAMESPACES = ("pid", "network", "ipc", "uts", "mount")
PASSWD = ("root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1::/:/bin/sh\n"
          "agent:x:1000:1000:agent:/home/agent:/bin/sh\n")
GROUP = "root:x:0:\ndaemon:x:1:\nstaff:x:50:agent\nagent:x:1000:\n"


@functools.lru_cache(None)
def applets():
    out = subprocess.run([BUSYBOX, "--list"], capture_output=True, text=True, check=True,
                         timeout=10).stdout
    return [a for a in out.split() if a != "busybox"]


def make_rootfs(path):
    """A root file system with busybox and /etc/passwd, nothing else."""
    for d in ("bin", "dev", "etc", "home/agent", "proc", "root", "sys", "tmp", "usr/bin", "var"):
        os.makedirs(os.path.join(path, d))
    os.chmod(os.path.join(path, "tmp"), 0o1777)
    os.chown(os.path.join(path, "home/agent"), 1000, 1000)
    os.symlink("../run", os.path.join(path, "var/run"))
    os.mkdir(os.path.join(path, "run"))
    shutil.copy(BUSYBOX, os.path.join(path, "bin/busybox"))
    for a in applets():
        os.symlink("busybox", os.path.join(path, "bin", a))
    for name, text in (("passwd", PASSWD), ("group", GROUP)):
        with open(os.path.join(path, "etc", name), "w", encoding="ascii") as f:
            f.write(text)
    return path


def mount(destination, type_, source=None, *options):
    return {"destination": destination, "type": type_, "source": source or type_,
            "options": list(options)}


def default_config(args=("true",), cid="x"):
    """What an engine asks for by default, without a seccomp filter."""
    return {
        "ociVersion": "1.0.2",
        "hostname": "box",
        "process": {
            "terminal": False,
            "user": {"uid": 0, "gid": 0},
            "args": list(args),
            "env": ["PATH=/usr/bin:/bin", "HOME=/root"],
            "cwd": "/",
            "capabilities": {k: list(DEFAULT_CAPS) for k in ("bounding", "effective", "permitted")},
            "noNewPrivileges": False,
        },
        "root": {"path": "rootfs"},
        "mounts": [
            mount("/proc", "proc", None, "nosuid", "noexec", "nodev"),
            mount("/dev", "tmpfs", None, "nosuid", "strictatime", "mode=755", "size=64k"),
            mount("/dev/pts", "devpts", None, "nosuid", "noexec", "newinstance", "ptmxmode=0666",
                  "mode=0620", "gid=5"),
            mount("/sys", "sysfs", None, "nosuid", "noexec", "nodev", "ro"),
            mount("/sys/fs/cgroup", "cgroup", None, "ro", "nosuid", "noexec", "nodev"),
            mount("/dev/mqueue", "mqueue", None, "nosuid", "noexec", "nodev"),
            mount("/dev/shm", "tmpfs", "shm", "nosuid", "noexec", "nodev", "mode=1777"),
        ],
        "linux": {
            "cgroupsPath": f"/box/{cid}",
            "namespaces": [{"type": t} for t in NAMESPACES],
            "resources": {"devices": [{"allow": False, "access": "rwm"}]},
            "maskedPaths": ["/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware"],
            "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
                              "/proc/sysrq-trigger"],
        },
    }


class Bundle:
    """A bundle directory; .config is written by save()."""

    def __init__(self, path, args=("true",), edit=None, cid=None):
        self.path = path
        self.id = cid or os.path.basename(path)
        self.rootfs = os.path.join(path, "rootfs")
        os.makedirs(path)
        make_rootfs(self.rootfs)
        self.config = default_config(args, self.id)
        if edit:
            edit(self.config)
        self.save()

    def save(self):
        with open(os.path.join(self.path, "config.json"), "w", encoding="utf-8") as f:
            json.dump(self.config, f)

    def file(self, path, text, mode=0o644):
        """Put a file into the root file system."""
        full = os.path.join(self.rootfs, path.lstrip("/"))
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(full, mode)
        return full

    def read(self, path):
        with open(os.path.join(self.rootfs, path.lstrip("/")), encoding="utf-8") as f:
            return f.read()

    def write(self, path, text, mode=0o644):
        path = os.path.join(self.rootfs, path.lstrip("/"))
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(path, mode)


def shell(script):
    return ["sh", "-ec", script]


def namespace(config, type_, path=None):
    """Set a namespace: a new one, or the one at path."""
    drop_namespace(config, type_)
    entry = {"type": type_}
    if path:
        entry["path"] = path
    config["linux"]["namespaces"].append(entry)


def drop_namespace(config, type_):
    ns = config["linux"]["namespaces"]
    ns[:] = [n for n in ns if n["type"] != type_]
