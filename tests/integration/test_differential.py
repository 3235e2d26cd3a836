# SPDX-License-Identifier: Apache-2.0
"""Generated configurations, each run by agentrun and by every crun and runc that is installed.

What a container sees must be what it sees under both where both agree, and what it sees under
one of them where they do not.  DIFFERENCES is the whole list of what differs on purpose.
"""
import copy
import fcntl
import json
import os
import pty
import random
import re
import shutil
import struct
import subprocess
import sys
import termios

import pytest
from bundle import DEFAULT_CAPS, default_config, drop_namespace, make_rootfs, mount, namespace
from runtime import flavour, program, run

COUNT = 240
V2 = os.path.exists("/sys/fs/cgroup/cgroup.controllers")
OTHERS = [p for p in map(shutil.which, ("crun", "runc"))
          if p and os.path.realpath(p) != program()]

pytestmark = [
    pytest.mark.skipif(not OTHERS, reason="neither crun nor runc is installed"),
    pytest.mark.skipif(flavour() != "agentrun", reason="compares agentrun with the others"),
]

# (what: a pattern of "section key"; why; where: {dimension: a pattern of the value})
# Where the others agree with each other, and agentrun does not:
AGAINST_ALL = [
    (r"status CapInh",
     "THREATS A10, CVE-2022-29162: inheritable is only what an ambient capability needs",
     {"caps": "inheritable|ambient"}),
    (r"outcome", "THREATS A2: nothing but sysfs is mounted on /sys",
     {"other-mounts": "bind-on-sys"}),
    (r"outcome", "the specification: a limit that stands twice is an error", {"rlimits": "twice"}),
    (r"outcome", "the specification names these; the others can't bind from such a root",
     {"propagation": "r?unbindable"}),
    (r"outcome", "agentrun opens sources outside of the user namespace, where no flag is locked",
     {"bind": "rbind.*", "namespaces": "user.*"}),
    (r"outcome", "Debian 12's crun and runc know no time namespace", {"namespaces": "time.*"}),
    (r"cgroupfiles cpu/cpu.cfs_burst_us", "nor any burst of the CPU", {"cpu": "burst"}),
    (r"outcome", "-1 means any: crun writes it down; runc can't make the devices with it",
     {"rules": "minus-one"}),
    (r"outcome", "the specification: not of the form that it wants", {
        "odd": "version .*|(masked|read-only) relative|rule execute|errno of allow|"
               "seccomp no names|personality flag|rlimit without a soft"}),
    (r"outcome", "the specification: what is there and is not the device is an error",
     {"odd": "device on a file"}),
    (r"outcome", "agentrun mounts them outside of the user namespace, where the kernel lets it",
     {"odd": "host (ipc|pid) in a user namespace"}),
    (r"peers .*", "what a container mounts never shows on the host, whatever is asked of the root",
     {"propagation": ".+"}),
    (r"peers /m/dir#.*", "the others make private the mount that holds the root, and this source",
     {"bind": ".*slave.*"}),
]
# Where no two agree:
DIFFERENCES = [
    (r"hooks \d+", "to runc a container is created in poststart, to crun in prestart",
     {"hooks": "poststart|all"}),
    (r"mountinfo /m/tmp#0", "of version 1: crun gives it a size, runc flags",
     {"other-mounts": "second-cgroup"}),
    (r"mountinfo /m/file#0", "of the flags below that keep a read-only path",
     {"readonly": "masked"}),
    (r"dev /dev/mqueue", "its owner is the host's root, whom the map does not have",
     {"namespaces": "user-shifted"}),
]

# ---- what the container sees ----

SYSCTLS = ("net/ipv4/ip_forward net/core/somaxconn net/ipv4/ip_unprivileged_port_start "
           "net/ipv4/conf/all/forwarding net/ipv4/ping_group_range kernel/msgmax kernel/shmmax "
           "kernel/sem fs/mqueue/msg_max kernel/shm_rmid_forced net/ipv4/tcp_syncookies "
           "net/ipv6/conf/all/disable_ipv6 kernel/hostname kernel/domainname").split()
CGROUP_FILES = (
    "memory.max memory.low memory.high memory.swap.max cpu.max cpu.weight cpu.idle pids.max "
    "io.weight io.max io.bfq.weight cpuset.cpus cpuset.mems memory.oom.group cgroup.type "
    "cpu.max.burst cgroup.max.descendants cgroup.freeze memory.zswap.max".split()
    if V2 else
    "memory/memory.limit_in_bytes memory/memory.soft_limit_in_bytes "
    "memory/memory.memsw.limit_in_bytes memory/memory.swappiness memory/memory.oom_control "
    "memory/memory.use_hierarchy cpu/cpu.shares cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us "
    "cpu/cpu.cfs_burst_us cpu/cpu.idle "
    "pids/pids.max cpuset/cpuset.cpus cpuset/cpuset.mems devices/devices.list "
    "blkio/blkio.throttle.read_bps_device blkio/blkio.throttle.write_iops_device "
    "blkio/blkio.weight blkio/blkio.bfq.weight freezer/freezer.state "
    "net_cls/net_cls.classid".split())
# type, major, minor of what is tried besides what is there
NODES = ("c 1 3", "c 1 5", "c 1 11", "c 5 1", "c 10 229", "c 10 200", "b 7 0", "c 136 0")
PROBE = f"""
s() {{ echo "== $1"; }}
[ ! -t 2 ] || exec 2>/dev/null
s environ; cat /proc/$$/environ | tr '\\000' '\\n'
s mountinfo; cat /proc/$$/mountinfo
s status; cat /proc/self/status
s limits; cat /proc/$$/limits
s cgroup; cat /proc/$$/cgroup
s maps; grep "" /proc/$$/uid_map /proc/$$/gid_map /proc/$$/setgroups /proc/$$/timens_offsets
s ns; ls -l /proc/$$/ns
s fd; ls -l /proc/$$/fd
s cwd; readlink /proc/$$/cwd
s umask; umask
s stat; cat /proc/$$/stat
s oom; cat /proc/$$/oom_score_adj
s attr; cat /proc/$$/attr/current
s uname; uname -nm
s sysctl; cd /proc/sys; grep "" {' '.join(SYSCTLS)}
s cgroupfiles; cd /sys/fs/cgroup &&
if [ -e cgroup.procs ]; then cd ./$(sed -n "s,^0::,,p" /proc/$$/cgroup); fi &&
grep -s "" {' '.join(CGROUP_FILES)}
s dev; cd /; stat -c '%N|%F|%a|%u:%g|%t:%T' /dev /dev/* /dev/*/* /dev/pts/ptmx
s files; stat -c '%N|%F|%a|%u:%g' / /proc /sys /tmp /m/* /new /new/* /new/*/* /proc/kcore /proc/keys
s content; ls -A /m/* /new* /proc/bus /proc/acpi /sys/firmware
s write; for f in /w /tmp/w /m/dir/w /m/dir/sub/w /proc/sys/kernel/msgmni; do
(echo 8 >$f) && echo ok $f; rm -f $f; done
s nodes; n=0; for d in {' '.join('"%s"' % n for n in NODES)}; do n=$((n+1))
mknod /dev/n$n $d && (: </dev/n$n) && echo read $d && (: >>/dev/n$n) && echo write $d; done
s tty; stty size; tty; stat -c '%F|%a|%u:%g' /dev/console
s calls; mkdir /tmp/calls && echo mkdir; chmod 700 /tmp/calls && echo chmod; rmdir /tmp/calls
hostname box2 && echo hostname
s end
"""
MASKED = ("/proc/kcore /proc/keys /proc/timer_list /proc/acpi /sys/firmware /m/full "
          "/etc/passwd").split()
STATUS = ("Umask Uid Gid Groups NoNewPrivs Seccomp CapInh CapPrm CapEff CapBnd CapAmb SigBlk SigIgn "
          "Speculation_Store_Bypass Cpus_allowed_list Mems_allowed_list").split()


def see_mounts(lines):
    """Without how a tmpfs was told its owner and mode, which `files` and `dev` show, and without
    the name of a file system's source, which is anybody's choice."""
    seen, groups = {}, {}
    for line in lines:
        f = line.split()
        assert "-" in f, f"no line of mountinfo: {line!r} of {lines}"
        dash = f.index("-")
        fs, own = f[dash + 1], set(",".join(f[dash + 3:]).split(","))
        flags = set(f[5].split(","))
        if "ro" in own:
            flags = flags - {"rw"} | {"ro"}
        peers = sorted(re.sub(":.*", "", x) for x in f[6:dash])
        own = sorted(x for x in own if x not in ("ro", "rw", "nr_inodes=1") and
                     not re.match("(mode|uid|gid)=", x))
        n = sum(k.split("#")[0] == f[4] for k in seen)
        value = [f[3], sorted(flags), fs, own]
        if f[4] in MASKED and (f[3] == "/null" or fs == "tmpfs" and "ro" in flags):
            value = "masked"
        seen[f"{f[4]}#{n}"] = value
        groups[f"{f[4]}#{n}"] = peers
    return seen, groups


def see(text, cid):
    """What PROBE printed, as {"section key": value}."""
    sections, now = {}, []
    for line in text.replace(cid, "CID").splitlines():
        if line.startswith("== "):
            now = sections.setdefault(line[3:], [])
        else:
            now.append(line)
    if "end" not in sections:
        return {"outcome": "probe ended early"}
    if not sections["status"]:
        return {"outcome": "ran without procfs"}
    seen = {"outcome": "ran"}
    del sections["end"]  # on a terminal, what the program itself says
    for name, lines in sections.items():
        if name == "mountinfo":
            part, groups = see_mounts(lines)
            seen.update({f"peers {k}": v for k, v in groups.items() if v})
        elif name == "status":
            part = {k: v.split() for k, v in (x.split(":", 1) for x in lines) if k in STATUS}
            part["Groups"] = sorted(part.get("Groups", []))
        elif name == "limits":
            part = {x[:26].strip(): x[26:].split()[:2] for x in lines[1:]}
        elif name in ("sysctl", "cgroupfiles", "maps"):
            part = {}
            for x in lines:
                key, value = x.split(":", 1)
                part.setdefault(re.sub(r"/proc/\d+/", "", key), []).append(value.split())
            part = {k: sorted(x for x in v if x[1:2] not in (["5:1"], ["10:200"]))
                    for k, v in part.items()}
        elif name == "ns":
            part = {}
            for x in lines:
                if " -> " in x:
                    kind, ident = x.split()[-3], x.split()[-1]
                    part[kind] = "shared" if ident == os.readlink(f"/proc/self/ns/{kind}") else \
                        JOINED.get(ident, "own")
        elif name == "fd":  # 0, 1, 2 and the shell's own copy of the script
            part = {x.split(" -> ")[0].split()[-1]: True for x in lines if " -> " in x}
        elif name == "stat":
            f = lines[0].rsplit(")", 1)[1].split()
            part = {"leader": f[2] == f[3], "tty": f[4], "nice": f[16], "policy": f[38]}
        elif name in ("dev", "files"):
            part = {x.split("|")[0]: x.split("|")[1:] for x in lines if "/dev/fd/" not in x}
        else:
            part = {"": [x for x in lines if not x.endswith((" c 5 1", " c 10 200"))]}
        seen.update({f"{name} {k}".strip(): v for k, v in part.items()})
    return seen


# ---- what is asked for ----

def add(where, *items):
    """where: "linux.devices"; a list that grows"""
    def edit(c):
        *path, last = where.split(".")
        for p in path:
            c = c.setdefault(p, {})
        c.setdefault(last, []).extend(copy.deepcopy(items))
    return edit


def put(where, value):
    def edit(c):
        *path, last = where.split(".")
        for p in path:
            c = c.setdefault(p, {})
        c[last] = copy.deepcopy(value)
    return edit


def drop(where):
    def edit(c):
        *path, last = where.split(".")
        for p in path:
            c = c.get(p, {})
        c.pop(last, None)
    return edit


def both(*edits):
    def edit(c):
        for e in edits:
            e(c)
    return edit


def caps(**sets):
    return put("process.capabilities", {k: ["CAP_" + x for x in v.split()]
                                        for k, v in sets.items()})


def tmpfs(*options):
    return add("mounts", mount("/m/tmp", "tmpfs", "tmpfs", *options))


def bind(*options, dest="/m/dir", source="@src"):
    return add("mounts", mount(dest, "bind", source, *options))


def replaced(dest, *options):
    """other options for a mount that is there"""
    def edit(c):
        for m in c["mounts"]:
            if m["destination"] == dest:
                m["options"] = list(options)
    return edit


def without(dest):
    def edit(c):
        c["mounts"] = [m for m in c["mounts"] if m["destination"] != dest]
    return edit


def ns(kind, path=None):
    return lambda c: namespace(c, kind, path)


def no_ns(kind):
    return lambda c: drop_namespace(c, kind)


def user_ns(host, size=65536):
    ids = [{"containerID": 0, "hostID": host, "size": size}]
    return both(ns("user"), put("linux.uidMappings", ids), put("linux.gidMappings", ids))


def device(path, kind="c", major=10, minor=229, **more):
    return add("linux.devices", {"path": path, "type": kind, "major": major, "minor": minor,
                                 **more})


def rule(allow, access, **more):
    return add("linux.resources.devices", {"allow": allow, "access": access, **more})


def rlimit(kind, soft, hard):
    return add("process.rlimits", {"type": "RLIMIT_" + kind, "soft": soft, "hard": hard})


def resource(where, value):
    return put("linux.resources." + where, value)


HOOKS = "prestart createRuntime createContainer startContainer poststart poststop".split()
SAY = ("echo %s; echo $PWD; echo ${HOME-no HOME}; "
       "sed -n 's/.*\"status\": *\"\\([a-z]*\\)\".*/status \\1/p'; echo")


def hook(kind, script=None, args=None, **more):
    """One that notes its kind, its directory and the status that it is told."""
    to = "/hooks" if kind == "startContainer" else ">@hooks"
    script = script or f"({SAY % kind}) >{to}"
    return add("hooks." + kind, {"path": "/bin/sh", "args": args or ["sh", "-c", script],
                                 **more})


def seccomp(default, *rules, **more):
    return put("linux.seccomp", {"defaultAction": "SCMP_ACT_" + default, "syscalls": [
        {"names": names.split(), "action": "SCMP_ACT_" + action, **extra}
        for names, action, extra in rules], **more})


ALL = ["chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap "
       "linux_immutable net_bind_service net_broadcast net_admin net_raw ipc_lock ipc_owner "
       "sys_module sys_rawio sys_chroot sys_ptrace sys_pacct sys_admin sys_boot sys_nice "
       "sys_resource sys_time sys_tty_config mknod lease audit_write audit_control setfcap "
       "mac_override mac_admin syslog wake_alarm block_suspend audit_read".upper()][0]
DEFAULT = " ".join(c[4:] for c in DEFAULT_CAPS)
MB = 1 << 20

# dimension -> its values; the first is what default_config() has
DIMENSIONS = {
    "user": {
        "root": None,
        "1000": put("process.user", {"uid": 1000, "gid": 1000}),
        "unknown": put("process.user", {"uid": 4711, "gid": 815}),
        "groups": put("process.user", {"uid": 1000, "gid": 50, "additionalGids": [5, 10, 4000]}),
        "root-groups": put("process.user", {"uid": 0, "gid": 0, "additionalGids": [0, 1, 100]}),
        "umask-077": put("process.user", {"uid": 0, "gid": 0, "umask": 0o77}),
        "umask-0": put("process.user", {"uid": 1, "gid": 1, "umask": 0}),
        "umask-groups": put("process.user", {"uid": 1000, "gid": 1000, "umask": 0o27,
                                             "additionalGids": [7, 50, 7, 65000]}),
        "gid-alone": put("process.user", {"gid": 50}),
    },
    "caps": {
        "default": None,
        "none": drop("process.capabilities"),
        "empty": put("process.capabilities", {}),
        "all": caps(bounding=ALL, effective=ALL, permitted=ALL),
        "bounding": caps(bounding=DEFAULT),
        "inheritable": caps(bounding=DEFAULT, effective=DEFAULT, permitted=DEFAULT,
                            inheritable="KILL CHOWN"),
        "ambient": caps(bounding="KILL CHOWN NET_RAW", effective="KILL", permitted="KILL CHOWN",
                        inheritable="KILL CHOWN", ambient="KILL"),
        "unknown": caps(bounding=DEFAULT + " NO_SUCH", effective="KILL", permitted="KILL"),
        "beyond-permitted": caps(bounding=DEFAULT, effective="KILL", permitted="CHOWN"),
        "beyond-bounding": caps(bounding="KILL", effective="CHOWN", permitted="CHOWN KILL"),
        "lower-effective": caps(bounding=DEFAULT, permitted=DEFAULT, effective="CHOWN"),
    },
    "privileges": {
        "may": None,
        "nnp": put("process.noNewPrivileges", True),
    },
    "oom": {
        "absent": None, "500": put("process.oomScoreAdj", 500), "0": put("process.oomScoreAdj", 0),
        "-10": put("process.oomScoreAdj", -10), "1000": put("process.oomScoreAdj", 1000),
        "-1000": put("process.oomScoreAdj", -1000), "beyond": put("process.oomScoreAdj", 1001),
    },
    "rlimits": {
        "none": None,
        "nofile": rlimit("NOFILE", 512, 1024),
        "several": both(rlimit("NPROC", 4000, 5000), rlimit("CORE", 0, 0),
                        rlimit("STACK", 8 * MB, 16 * MB), rlimit("RTPRIO", 3, 5)),
        "infinite": both(rlimit("MEMLOCK", 2**64 - 1, 2**64 - 1), rlimit("FSIZE", 4096 * MB,
                                                                         2**64 - 1)),
        "soft-beyond-hard": rlimit("NOFILE", 1024, 512),
        "unknown": rlimit("NO_SUCH", 1, 1),
        "twice": both(rlimit("NOFILE", 512, 1024), rlimit("NOFILE", 512, 1024)),
        "rest": both(rlimit("AS", 2**40, 2**40), rlimit("CPU", 1000, 2000),
                     rlimit("DATA", 2**40, 2**41), rlimit("LOCKS", 9, 10),
                     rlimit("MSGQUEUE", 819200, 819201), rlimit("NICE", 1, 2),
                     rlimit("RSS", 2**40, 2**40), rlimit("RTTIME", 10**7, 10**8),
                     rlimit("SIGPENDING", 1000, 2000)),
    },
    "args": {
        "sh": None,
        "absolute": lambda c: c["process"]["args"].__setitem__(0, "/bin/sh"),
        "relative": lambda c: c["process"]["args"].__setitem__(0, "./bin/../bin/sh"),
        "missing": lambda c: c["process"]["args"].__setitem__(0, "no-such-program"),
        "directory": lambda c: c["process"]["args"].__setitem__(0, "/bin"),
        "not-executable": lambda c: c["process"]["args"].__setitem__(0, "/etc/passwd"),
        "absent": drop("process.args"),
    },
    "terminal": {
        "no": None,
        "yes": put("process.terminal", True),
        "sized": both(put("process.terminal", True),
                      put("process.consoleSize", {"height": 30, "width": 100})),
        "user": both(put("process.terminal", True),
                     put("process.user", {"uid": 1000, "gid": 1000})),
        "size-alone": put("process.consoleSize", {"height": 30, "width": 100}),
    },
    "version": {
        "1.0.2": None, **{v: put("ociVersion", v) for v in (
            "1.0.0", "1.0.0-rc5", "1.0.0-rc2-dev", "1.2.1")},
    },
    "hooks": {
        "none": None,
        **{k: hook(k) for k in HOOKS},
        "all": both(*(hook(k) for k in HOOKS)),
        "order": both(*(hook("createRuntime", f"echo {n} >>@hooks") for n in "cab")),
        "environment": hook("createRuntime", "echo $A $B $HOME >>@hooks",
                            env=["B=2", "A=1"]),
        "arguments": hook("createRuntime", args=["any", "-c", "echo $0 >>@hooks"]),
        "fails": hook("createRuntime", "exit 3"),
        "fails-late": hook("startContainer", "exit 3"),
        "fails-poststop": both(hook("poststop", "exit 3"), hook("poststop")),
        "missing": add("hooks.createRuntime", {"path": "/no/such/hook"}),
        "late": hook("createContainer", "sleep 5", timeout=1),
    },
    "env": {
        "default": None,
        "no-home": put("process.env", ["PATH=/bin", "A=b"]),
        "empty": put("process.env", []),
        "absent": drop("process.env"),
        "strange": put("process.env", ["PATH=/bin:/usr/bin", "HOME=/x", "EMPTY=", "E=a=b=c",
                                       "SPACE=a b", "x.y=1", "TERM=xterm"]),
        "duplicate": put("process.env", ["PATH=/bin", "D=1", "HOME=/a", "D=2"]),
        "empty-home": put("process.env", ["PATH=/bin", "HOME="]),
    },
    "cwd": {
        "/": None, "tmp": put("process.cwd", "/tmp"), "missing": put("process.cwd", "/new/a/b"),
        "home": put("process.cwd", "/home/agent"), "relative-parts": put("process.cwd",
                                                                         "/tmp/../usr//bin/."),
        "link": put("process.cwd", "/m/link"), "file": put("process.cwd", "/m/file"),
        "absent": drop("process.cwd"),
    },
    "namespaces": {
        "default": None,
        "host-net": both(no_ns("network")),
        "host-ipc": no_ns("ipc"),
        "host-uts": both(no_ns("uts"), drop("hostname"), drop("domainname")),
        "host-pid": no_ns("pid"),
        "cgroup": ns("cgroup"),
        "user": user_ns(0),
        "user-shifted": user_ns(100000),
        "user-cgroup": both(user_ns(0, 2000), ns("cgroup")),
        "time": both(ns("time"), put("linux.timeOffsets", {"monotonic": {"secs": 100},
                                                           "boottime": {"secs": 7,
                                                                        "nanosecs": 9}})),
        "time-behind": both(ns("time"), put("linux.timeOffsets",
                                            {"boottime": {"secs": 1000}})),
        "time-alone": ns("time"),
        "join-net": lambda c: namespace(c, "network", f"/proc/{KEEPER[0].pid}/ns/net"),
        "join-uts": both(drop("hostname"), drop("domainname"),
                         lambda c: namespace(c, "uts", f"/proc/{KEEPER[0].pid}/ns/uts")),
        "join-ipc": lambda c: namespace(c, "ipc", f"/proc/{KEEPER[0].pid}/ns/ipc"),
        "join-pid": lambda c: namespace(c, "pid", f"/proc/{KEEPER[0].pid}/ns/pid_for_children"),
    },
    "names": {
        "box": None,
        "none": drop("hostname"),
        "domain": put("domainname", "example.test"),
        "long": put("hostname", "h" * 63), "too-long": put("hostname", "h" * 65),
        "dots": both(put("hostname", "a.b.c"), put("domainname", "d")),
        "no-uts": no_ns("uts"),
    },
    "sysctl": {
        "none": None,
        "net": put("linux.sysctl", {"net.ipv4.ip_forward": "1", "net.core.somaxconn": "256"}),
        "slashes": put("linux.sysctl", {"net/ipv4/ip_unprivileged_port_start": "80"}),
        "ipc": put("linux.sysctl", {"kernel.msgmax": "9000", "kernel.sem": "250 32000 100 129",
                                    "fs.mqueue.msg_max": "12"}),
        "ping": put("linux.sysctl", {"net.ipv4.ping_group_range": "0 100"}),
        "host": put("linux.sysctl", {"vm.swappiness": "10"}),
        "no-such": put("linux.sysctl", {"net.no.such": "1"}),
        "no-value": put("linux.sysctl", {"net.core.somaxconn": "many"}),
        "uts": put("linux.sysctl", {"kernel.domainname": "of.sysctl"}),
        "host-net": both(no_ns("network"), put("linux.sysctl", {"net.core.somaxconn": "300"})),
        "host-ipc": both(no_ns("ipc"), put("linux.sysctl", {"kernel.msgmax": "9000"})),
        "more": put("linux.sysctl", {"net.ipv4.tcp_syncookies": "0", "kernel.shm_rmid_forced": "1",
                                     "net.ipv6.conf.all.disable_ipv6": "1"}),
    },
    "masked": {
        "default": None,
        "none": put("linux.maskedPaths", []),
        "absent": drop("linux.maskedPaths"),
        "more": put("linux.maskedPaths", ["/proc/kcore", "/proc/acpi", "/m/full", "/etc/passwd",
                                          "/no/such", "/sys/firmware"]),
        "link": put("linux.maskedPaths", ["/m/link"]),
        "twice": put("linux.maskedPaths", ["/m/full", "/m/full", "/etc/passwd", "/etc/passwd"]),
    },
    "readonly": {
        "default": None,
        "none": put("linux.readonlyPaths", []),
        "more": put("linux.readonlyPaths", ["/proc/bus", "/proc/sys", "/m/full", "/etc/group",
                                            "/no/such", "/tmp"]),
        "link": put("linux.readonlyPaths", ["/m/link"]),
        "masked": both(put("linux.readonlyPaths", ["/m/full", "/m/file"]),
                       put("linux.maskedPaths", ["/m/full", "/m/file"])),
        "mount": both(tmpfs("nosuid", "noexec"), put("linux.readonlyPaths", ["/m/tmp"])),
    },
    "devices": {
        "none": None,
        "fuse": both(device("/dev/fuse", fileMode=0o666, uid=1, gid=2),
                     rule(True, "rwm", type="c", major=10, minor=229)),
        "no-mode": device("/dev/fuse"),
        "fifo": device("/dev/pipe", "p", 0, 0, fileMode=0o640),
        "block": device("/dev/sub/loop0", "b", 7, 0, fileMode=0o600),
        "u": device("/dev/u", "u", 10, 200, fileMode=0o20666),
        "outside": device("/m/node", "c", 1, 3, fileMode=0o444),
        "two": both(device("/dev/fuse", fileMode=0o600), device("/dev/fuse", fileMode=0o666)),
        "many": both(*(device(f"/dev/d{n}", minor=n, fileMode=0o600 + n, uid=n, gid=n)
                       for n in range(5))),
        "no-kind": device("/dev/x", "z"), "relative": device("dev/relative"),
        "link": device("/m/link/node", fileMode=0o600),
        "special-mode": device("/dev/x", fileMode=0o7777),
        "null-again": device("/dev/null", "c", 1, 3, fileMode=0o600, uid=3),
    },
    "rules": {
        "deny-all": None,
        "absent": drop("linux.resources"),
        "empty": put("linux.resources", {}),
        "allow-all": put("linux.resources.devices", [{"allow": True, "access": "rwm"}]),
        "tun": rule(True, "rw", type="c", major=10, minor=200),
        "wild": both(rule(True, "r", type="b"), rule(True, "rwm", type="c", major=10)),
        "deny-one": both(put("linux.resources.devices", [{"allow": True, "access": "rwm"}]),
                         rule(False, "w", type="c", major=10, minor=229)),
        "minus-one": rule(True, "rwm", type="c", major=10, minor=-1),
    },
    "memory": {
        "none": None,
        "limit": resource("memory", {"limit": 256 * MB}),
        "swap": resource("memory", {"limit": 256 * MB, "swap": 512 * MB}),
        "reservation": resource("memory", {"limit": 256 * MB, "reservation": 128 * MB}),
        "unlimited": resource("memory", {"limit": -1, "swap": -1}),
        "swappiness": resource("memory", {"limit": 512 * MB, "swappiness": 40}),
        "oom-off": resource("memory", {"limit": 512 * MB, "disableOOMKiller": True}),
        "zero": resource("memory", {"limit": 0, "swap": 0, "reservation": 0}),
        "odd": resource("memory", {"limit": 100000001}),
        "swap-alone": resource("memory", {"swap": 512 * MB}),
        "swap-below": resource("memory", {"limit": 512 * MB, "swap": 256 * MB}),
        "no-swap": resource("memory", {"limit": 256 * MB, "swap": -1}),
        "checked": resource("memory", {"limit": 256 * MB, "checkBeforeUpdate": True}),
        "kernel": resource("memory", {"limit": 256 * MB, "kernel": 128 * MB}),
        "small": resource("memory", {"limit": 4096}),
    },
    "cpu": {
        "none": None,
        "shares": resource("cpu", {"shares": 512}),
        "least-shares": resource("cpu", {"shares": 2}),
        "quota": resource("cpu", {"quota": 50000, "period": 100000}),
        "quota-only": resource("cpu", {"quota": 20000}),
        "period-only": resource("cpu", {"period": 50000}),
        "no-quota": resource("cpu", {"quota": -1, "period": 200000}),
        "set": resource("cpu", {"cpus": "0", "mems": "0"}),
        "zero": resource("cpu", {"shares": 0, "quota": 0, "period": 0}),
        "most-shares": resource("cpu", {"shares": 262144}),
        "idle": resource("cpu", {"idle": 1}),
        "burst": resource("cpu", {"quota": 50000, "period": 100000, "burst": 10000}),
        "set-range": resource("cpu", {"cpus": "0-1"}), "no-such-cpu": resource("cpu",
                                                                             {"cpus": "4000"}),
        "period-too-long": resource("cpu", {"period": 10**9}),
    },
    "pids": {
        "none": None, "100": resource("pids", {"limit": 100}),
        "unlimited": resource("pids", {"limit": -1}), "zero": resource("pids", {"limit": 0}),
    },
    "blockio": {
        "none": None,
        "throttle": resource("blockIO", {
            "throttleReadBpsDevice": [{"major": 7, "minor": 0, "rate": 1000000}],
            "throttleWriteIOPSDevice": [{"major": 7, "minor": 0, "rate": 300}]}),
        "empty": resource("blockIO", {}), "weight": resource("blockIO", {"weight": 300}),
        "rest": resource("blockIO", {
            "throttleReadIOPSDevice": [{"major": 7, "minor": 0, "rate": 400}],
            "throttleWriteBpsDevice": [{"major": 7, "minor": 0, "rate": 2000000}]}),
        "no-such": resource("blockIO", {
            "throttleReadBpsDevice": [{"major": 250, "minor": 77, "rate": 1000000}]}),
    },
    "rare": {
        "none": None,
        "hugepages": resource("hugepageLimits", [{"pageSize": "2MB", "limit": 4 * MB}]),
        "no-such-hugepages": resource("hugepageLimits", [{"pageSize": "3MB", "limit": 4 * MB}]),
        "network": resource("network", {"classID": 1048577}),
        "priorities": resource("network", {"priorities": [{"name": "lo", "priority": 3}]}),
        "rdma": resource("rdma", {"mlx5_1": {"hcaHandles": 3}}),
    },
    "cgroup": {
        "absolute": None,
        "relative": lambda c: c["linux"].update(cgroupsPath=c["linux"]["cgroupsPath"].lstrip("/")),
        "unset": drop("linux.cgroupsPath"),
        "deep": lambda c: c["linux"].update(cgroupsPath=c["linux"]["cgroupsPath"] + "/b/c"),
        "dots": lambda c: c["linux"].update(cgroupsPath="/x/.." + c["linux"]["cgroupsPath"]),
        "own-namespace": both(ns("cgroup"), lambda c: c["linux"].update(
            cgroupsPath=c["linux"]["cgroupsPath"] + "/deep")),
    },
    "unified": {
        "none": None,
        "some": resource("unified", {"memory.high": "100000000", "pids.max": "77"}),
        "unknown": resource("unified", {"no.such": "1"}),
        "over": both(resource("pids", {"limit": 100}),
                     resource("unified", {"pids.max": "55", "memory.oom.group": "1"})),
        "bad-value": resource("unified", {"pids.max": "many"}),
        "path": resource("unified", {"../pids.max": "1"}),
    },
    "seccomp": {
        "none": None,
        "allow": seccomp("ALLOW"),
        "errno": seccomp("ALLOW", ("mkdir mkdirat", "ERRNO", {})),
        "errno-ret": seccomp("ALLOW", ("mkdir mkdirat", "ERRNO", {"errnoRet": 38}),
                             architectures=["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"]),
        "args": seccomp("ALLOW", ("chmod fchmodat", "ERRNO", {"args": [
            {"index": 2, "value": 0o700, "op": "SCMP_CMP_EQ"}]})),
        "flags": seccomp("ALLOW", ("mkdir", "ERRNO", {}),
                         flags=["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"]),
        "unknown-call": seccomp("ALLOW", ("no_such_call mkdir", "ERRNO", {})),
        "sethostname": seccomp("ALLOW", ("sethostname", "ERRNO", {"errnoRet": 95})),
    },
    "personality": {
        "none": None, "linux": put("linux.personality", {"domain": "LINUX"}),
        "linux32": put("linux.personality", {"domain": "LINUX32"}),
        "unknown": put("linux.personality", {"domain": "SOLARIS"}),
    },
    "propagation": {
        "absent": None,
        **{p: put("linux.rootfsPropagation", p) for p in
           "private rprivate slave rslave shared rshared unbindable runbindable".split()},
    },
    "root": {
        "rw": None, "ro": put("root.readonly", True),
        "relative": put("root.path", "rootfs"), "dots": put("root.path", "./rootfs/../rootfs/"),
        "missing": put("root.path", "no-such"), "file": put("root.path", "rootfs/etc/passwd"),
    },
    "own-mounts": {
        "default": None,
        "proc-hidepid": replaced("/proc", "hidepid=2", "nosuid"),
        "proc-plain": replaced("/proc"),
        "sys-rw": replaced("/sys", "nosuid", "nodev"),
        "no-sys": both(without("/sys"), without("/sys/fs/cgroup")),
        "cgroup-rw": replaced("/sys/fs/cgroup", "rw", "nosuid", "noexec", "nodev"),
        "cgroup-relatime": replaced("/sys/fs/cgroup", "nosuid", "noexec", "nodev", "relatime",
                                    "ro"),
        "no-cgroup": without("/sys/fs/cgroup"),
        "no-shm": without("/dev/shm"),
        "no-pts": without("/dev/pts"),
        "no-dev": both(without("/dev"), without("/dev/pts"), without("/dev/shm"),
                       without("/dev/mqueue")),
        "dev-ro": replaced("/dev", "nosuid", "strictatime", "mode=755", "size=64k", "ro"),
        "pts-plain": replaced("/dev/pts", "newinstance"),
        "shm-sized": replaced("/dev/shm", "nosuid", "mode=1777", "size=64m"),
        "dev-noexec": replaced("/dev", "nosuid", "noexec", "mode=750"),
    },
    "tmpfs": {
        "none": None,
        **{"+".join(o): tmpfs(*o) for o in (
            [], ["ro"], ["nosuid", "nodev", "noexec"], ["size=1m", "mode=1770", "uid=3", "gid=4"],
            ["noatime"], ["relatime"], ["strictatime"], ["nodiratime"], ["sync"], ["dirsync"],
            ["lazytime"], ["rro"], ["rnosuid", "rnodev"], ["nosymfollow"], ["ro", "rw"],
            ["nosuid", "suid"], ["defaults"], ["mode=0700", "noatime", "ro"], ["nr_inodes=100"],
            ["shared"], ["rslave"], ["private"], ["unbindable"], ["silent"], ["mand"], ["size=5%"],
            ["no_such_option"], ["norelatime"], ["acl"])},
        "copy": add("mounts", mount("/m/full", "tmpfs", "tmpfs", "tmpcopyup", "size=1m")),
        "copy-ro": add("mounts", mount("/m/full", "tmpfs", "tmpfs", "tmpcopyup", "ro")),
        "copy-tree": add("mounts", mount("/m", "tmpfs", "tmpfs", "tmpcopyup", "mode=711")),
        "copy-new": add("mounts", mount("/new/copy", "tmpfs", "tmpfs", "tmpcopyup")),
        "no-source": add("mounts", {"destination": "/m/tmp", "type": "tmpfs"}),
        "new": add("mounts", mount("/new/deep/tmp", "tmpfs", "tmpfs", "mode=711")),
        "link": add("mounts", mount("/m/link", "tmpfs", "tmpfs")),
        "below-link": add("mounts", mount("/m/link/new/dir", "tmpfs", "tmpfs")),
        "absolute-link": add("mounts", mount("/m/absolute", "tmpfs", "tmpfs")),
        "link-to-nothing": add("mounts", mount("/m/nowhere", "tmpfs", "tmpfs")),
        "link-outside": add("mounts", mount("/m/outside/dir", "tmpfs", "tmpfs")),
        "link-loop": add("mounts", mount("/m/loop", "tmpfs", "tmpfs")),
        "below-file": add("mounts", mount("/m/file/dir", "tmpfs", "tmpfs")),
        "on-file": add("mounts", mount("/m/file", "tmpfs", "tmpfs")),
        "root": add("mounts", mount("/", "tmpfs", "tmpfs")),
        "dots": add("mounts", mount("/m/../m/./tmp/", "tmpfs", "tmpfs")),
        "relative": add("mounts", mount("m/tmp", "tmpfs", "tmpfs")),
    },
    "bind": {
        "none": None,
        **{"+".join(o): bind(*o) for o in (
            ["bind"], ["rbind"], ["bind", "ro"], ["rbind", "ro"], ["rbind", "rro"],
            ["rbind", "rnoexec"], ["rbind", "nosuid", "nodev", "noexec"], ["bind", "noatime"],
            ["bind", "strictatime"], ["bind", "nodiratime"], ["rbind", "rprivate"],
            ["rbind", "rslave"], ["rbind", "rshared"], ["bind", "shared"], ["bind", "slave"],
            ["bind", "unbindable"], ["rbind", "rslave", "ro"], ["bind", "ro", "rw"],
            ["bind", "nosymfollow"], ["bind", "relatime"], ["bind", "rro"], ["rbind", "rnoatime"],
            ["rbind", "rstrictatime"], ["rbind", "rnosymfollow"], ["bind", "dev", "suid", "exec"],
            ["rbind", "rro", "rw"], ["rbind", "rnodev", "rnosuid"], ["rbind", "ratime"],
            ["rbind", "rnodiratime"], ["rbind", "rrelatime"], ["rbind", "rsuid", "rdev", "rexec"],
            ["rbind", "rrw"], ["rbind", "rsymfollow"], ["rbind", "rdiratime"], ["bind", "sync"],
            ["bind", "silent"], ["bind", "tmpcopyup"],
            ["bind", "size=1m"], ["bind", "ro", "nodev", "nosuid", "noexec", "noatime"],
            ["ro"], [])},
        "no-type": add("mounts", {"destination": "/m/dir", "source": "@src", "options": ["bind"]}),
        "type-none": add("mounts", mount("/m/dir", "none", "@src", "rbind", "ro")),
        "file": bind("bind", "ro", dest="/m/file", source="@src/file"),
        "new-file": bind("bind", dest="/new/f", source="@src/file"),
        "new-dir": bind("rbind", dest="/new/d/e"),
        "on-file": bind("bind", dest="/m/file"),
        "file-on-dir": bind("bind", dest="/m/dir", source="@src/file"),
        "on-link": bind("bind", "ro", dest="/m/link"),
        "file-on-link": bind("bind", dest="/m/filelink", source="@src/file"),
        "on-link-to-nothing": bind("bind", dest="/m/nowhere"),
        "file-on-link-to-nothing": bind("bind", dest="/m/nowhere", source="@src/file"),
        "below-link-outside": bind("bind", dest="/m/outside/f", source="@src/file"),
        "from-link": bind("bind", source="@src/link"),
        "relative-source": bind("bind", source="rootfs/m/full"),
        "no-source": add("mounts", {"destination": "/m/dir", "type": "none", "options": ["bind"]}),
        "missing": bind("bind", source="@src/none"),
        "from-locked": bind("rbind", source="@locked"),
        "ro-from-locked": bind("bind", "ro", source="@locked"),
        "rw-from-locked": bind("bind", "rw", "exec", "suid", source="@locked"),
        "twice": both(bind("bind", "ro"), bind("bind", source="@locked")),
        "proc-from-host": bind("rbind", dest="/proc/sys/fs", source="@src"),
        "below-dev": bind("bind", dest="/dev/dir"),
    },
    "other-mounts": {
        "none": None,
        "on-proc": add("mounts", mount("/proc", "tmpfs", "tmpfs")),
        "bind-on-proc": bind("bind", dest="/proc"), "bind-on-sys": bind("bind", dest="/sys"),
        "bind-in-proc": bind("bind", dest="/proc/cpuinfo", source="@src/file"),
        "remount": add("mounts", mount("/m", "none", "none", "remount", "bind", "ro")),
        "second-pts": add("mounts", mount("/m/tmp", "devpts", "devpts", "newinstance", "ro")),
        "second-proc": add("mounts", mount("/m/tmp", "proc", "proc", "ro")),
        "second-mqueue": add("mounts", mount("/m/tmp", "mqueue", "mqueue")),
        "second-cgroup": add("mounts", mount("/m/tmp", "cgroup", "cgroup", "ro")),
        "cgroup2": add("mounts", mount("/m/tmp", "cgroup2", "cgroup2", "ro")),
        "no-such": add("mounts", mount("/m/tmp", "no_such_fs", "x")),
        "sysfs": add("mounts", mount("/m/tmp", "sysfs", "sysfs", "ro", "nosuid")),
        "ramfs": add("mounts", mount("/m/tmp", "ramfs", "ramfs", "nodev")),
    },
}

def process(**members):
    return lambda c: c["process"].update(copy.deepcopy(members))


def linux(**members):
    return lambda c: c["linux"].update(copy.deepcopy(members))


IDS = [{"containerID": 0, "hostID": 100000, "size": 65536}]
ENV = "/usr/bin/env | grep -vE '^(_|PWD|OLDPWD|SHLVL)=' | sort >>@hooks"
# What nobody asks for on purpose: each value by itself, nothing else besides
ODD = {
    **{f"no {k}": drop(k) for k in ("process", "linux", "root", "ociVersion")},
    **{f"{k} null": put(k, None) for k in ("hooks", "annotations", "hostname", "windows",
                                           "process.user", "process.env", "process.rlimits",
                                           "process.capabilities", "linux.resources",
                                           "linux.sysctl", "linux.devices", "linux.seccomp",
                                           "linux.maskedPaths", "linux.rootfsPropagation",
                                           "linux.personality", "linux.netDevices")},
    "hooks empty": put("hooks", {k: [] for k in HOOKS}), "no hooks": put("hooks", {}),
    "annotations": put("annotations", {"": "no name", "no value": ""}),
    **{f"platform {k}": put(k, {"x": 1}) for k in ("windows", "solaris", "vm", "zos", "freebsd")},
    **{f"version {v}": put("ociVersion", v) for v in ("1.99.0", "2.0.0", "v1.0.0", "1.0")},
    "umask": process(user={"umask": 0o7027}),
    "argument empty": lambda c: c["process"]["args"].append(""),
    "argument 0 empty": process(args=[""]), "program .": process(args=["."]),
    "program /": process(args=["/"]), "program ..": process(args=["..", "x"]),
    "env no path": process(env=["A=b"]), "env newline": process(env=["PATH=/bin", "A=x\ny"]),
    "caps without prefix": caps(bounding="CHOWN", effective="CHOWN"),
    "caps bare": put("process.capabilities", {k: ["CHOWN", "CAP_KILL"] for k in
                                              ("bounding", "effective", "permitted")}),
    "caps twice": caps(bounding="KILL KILL", effective="KILL KILL", permitted="KILL"),
    "rlimits empty": process(rlimits=[]), "rlimit without a soft": process(
        rlimits=[{"type": "RLIMIT_CORE", "hard": 1}]),
    "rlimit without prefix": process(rlimits=[{"type": "CORE", "soft": 1, "hard": 1}]),
    "console half": process(consoleSize={"height": 20}),
    "console huge": process(consoleSize={"height": 1 << 20, "width": 20}),
    "maps alone": linux(uidMappings=IDS, gidMappings=IDS), "maps empty": linux(uidMappings=[]),
    "map of nothing": both(ns("user"), linux(gidMappings=IDS, uidMappings=[
        {"containerID": 0, "hostID": 1, "size": 0}])),
    "six ranges": both(ns("user"), linux(gidMappings=IDS, uidMappings=[
        {"containerID": i * 100, "hostID": 100000 + i * 100, "size": 100} for i in range(6)]),
        without("/dev/mqueue")),
    "host ipc in a user namespace": both(user_ns(0), no_ns("ipc")),
    "host pid in a user namespace": both(user_ns(0), no_ns("pid")),
    "namespace no type": add("linux.namespaces", {}),
    "namespace alias": add("linux.namespaces", {"type": "net"}),
    "namespace of another type": lambda c: namespace(c, "network",
                                                     f"/proc/{KEEPER[0].pid}/ns/uts"),
    "namespace no file": lambda c: namespace(c, "network", "/no/such"),
    "namespace directory": lambda c: namespace(c, "network", "/tmp"),
    "hostname in a joined namespace": lambda c: namespace(c, "uts",
                                                          f"/proc/{KEEPER[0].pid}/ns/uts"),
    "offsets empty": linux(timeOffsets={}),
    "device negative": device("/dev/x", "c", -1, 3), "device no type": add(
        "linux.devices", {"path": "/dev/x", "major": 1, "minor": 3}),
    "device on a file": device("/m/file"), "device on the root": device("/", "c", 1, 3),
    "device on /dev/fd": device("/dev/fd", "c", 1, 3), "device on ptmx": device("/dev/ptmx"),
    "device in a read-only tmpfs": both(tmpfs("ro"), device("/m/tmp/x")),
    "device twice": both(device("/dev/x"), device("/dev/x")),
    "null denied": both(put("linux.resources.devices", [{"allow": True, "access": "rwm"}]),
                        rule(False, "rwm", type="c", major=1, minor=3)),
    "rule order": both(rule(True, "rwm", type="c", major=10), rule(False, "rwm")),
    "rule minor alone": rule(True, "rw", type="c", minor=229),
    "rule execute": rule(True, "rwx", type="c", major=10, minor=229),
    "sysctl no name": linux(sysctl={"": "1"}), "sysctl directory": linux(sysctl={"net.ipv4": "1"}),
    "sysctl climbs": linux(sysctl={"net/../kernel/panic": "1"}),
    "sysctl trailing": linux(sysctl={"net.ipv4.ip_forward.": "1"}),
    "sysctl of processes": linux(sysctl={"kernel.pid_max": "40000"}),
    "sysctl of users": linux(sysctl={"user.max_user_namespaces": "10"}),
    "masked below a file": linux(maskedPaths=["/m/file/x"]),
    "masked loop": linux(maskedPaths=["/m/loop"]),
    "masked nowhere": linux(maskedPaths=["/m/nowhere"]),
    "masked relative": linux(maskedPaths=["m/full"]),
    "masked device": linux(maskedPaths=["/dev/zero"]),
    "read-only below a file": linux(readonlyPaths=["/m/file/x"]),
    "read-only relative": linux(readonlyPaths=["m/full"]),
    "read-only root": linux(readonlyPaths=["/"]), "read-only /dev": linux(readonlyPaths=["/dev"]),
    "read-only with mounts": both(bind("rbind"), linux(readonlyPaths=["/m/dir"])),
    "below a read-only tmpfs": both(tmpfs("ro"), add("mounts", mount("/m/tmp/a/b", "tmpfs"))),
    "in a read-only tmpfs": both(tmpfs("ro"), bind("bind", dest="/m/tmp/f", source="@src/file")),
    "twice the same place": both(tmpfs("ro"), tmpfs("mode=711")),
    "options empty": add("mounts", mount("/m/tmp", "tmpfs", "tmpfs", "", "size=1m")),
    "options in one": tmpfs("nosuid,size=1m"),
    "hook no path": add("hooks.createRuntime", {"args": ["x"]}),
    "hook relative": add("hooks.createRuntime", {"path": "bin/true"}),
    "hook no arguments": add("hooks.createRuntime", {"path": "/bin/true", "args": []}),
    "hook negative": add("hooks.createRuntime", {"path": "/bin/true", "timeout": -1}),
    "hook unknown kind": put("hooks", {"no_such": [{"path": "/bin/false"}]}),
    "hook no environment": hook("createRuntime", ENV, env=[]),
    "hook at the end without one": hook("poststop", ENV, env=[]),
    "hook environment twice": hook("createRuntime", ENV, env=["B=1", "B=2"]),
    "errno of allow": seccomp("ALLOW", ("mkdir mkdirat", "ALLOW", {"errnoRet": 1})),
    "seccomp no names": seccomp("ALLOW", ("", "ERRNO", {})),
    "seccomp flag": seccomp("ALLOW", flags=["SECCOMP_FILTER_FLAG_NO_SUCH"]),
    "seccomp architectures": seccomp("ALLOW", ("mkdir mkdirat", "ERRNO", {}),
                                     architectures=["SCMP_ARCH_X86_64", "SCMP_ARCH_X86_64"]),
    "listener without a use": seccomp("ALLOW", listenerPath="/no/such"),
    "two rules of a call": seccomp("ALLOW", ("mkdir", "ERRNO", {}),
                                   ("mkdir", "ERRNO", {"errnoRet": 38})),
    "personality flag": linux(personality={"domain": "LINUX", "flags": ["X"]}),
    "hugepages 2048KB": resource("hugepageLimits", [{"pageSize": "2048KB", "limit": 2 * MB}]),
    "pids null": resource("pids", {"limit": None}), "memory -2": resource("memory", {"limit": -2}),
    "memory float": resource("memory", {"limit": 1.5}),
    "unified no name": resource("unified", {"": "1"}),
    "cgroup long": linux(cgroupsPath="/box/" + "x" * 300),
    "cgroup space": linux(cgroupsPath="/box/a b"),
}
# what must be there in the rootfs besides, as directory, file or link
LINKS = {"link": "full", "absolute": "/m/full", "nowhere": "missing/too", "loop": "loop",
         "outside": "../../../../../../tmp", "filelink": "file"}
EDITS = [(d, v) for d, values in DIMENSIONS.items() for v, edit in values.items() if edit]


def draw(i):
    """The values of configuration i: some dimensions each with a value of its own."""
    rng = random.Random(f"configuration {i}")
    # every value comes up: a third of them in each three configurations, in an order of its own
    chosen = {}
    per = -(-len(EDITS) // COUNT)
    order = list(EDITS)
    random.Random("order").shuffle(order)
    for d, v in order[i * per:(i + 1) * per]:
        chosen[d] = v
    for d in rng.sample(sorted(DIMENSIONS), 4):
        chosen.setdefault(d, rng.choice([v for v, e in DIMENSIONS[d].items() if e]))
    return chosen


def configuration(chosen, cid, rootfs, places):
    c = default_config(["sh", "-c", PROBE], cid)
    c["root"]["path"] = rootfs
    for d in DIMENSIONS:  # in the table's order
        if d in chosen:
            DIMENSIONS[d][chosen[d]](c)
    if "odd" in chosen:
        ODD[chosen["odd"]](c)
    for m in c.get("mounts", []):
        source = m.get("source", "")
        for name, path in places.items():
            if source == name or source.startswith(name + "/"):
                m["source"] = path + source[len(name):]
    for hooks in (c.get("hooks") or {}).values():
        for h in hooks:
            h["args"] = [x.replace("@hooks", places["@hooks"]) for x in h.get("args", [])]
    return c


# ---- the comparison ----

KEEPER = []  # the process whose namespaces are joined
JOINED = {}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A root file system and sources of mounts, the same for all."""
    top = str(tmp_path_factory.mktemp("differential"))
    for d in (top, os.path.dirname(top), os.path.dirname(os.path.dirname(top))):
        os.chmod(d, 0o755)
    src, locked = top + "/src", top + "/locked"
    os.makedirs(src + "/sub")
    os.mkdir(locked)
    mounted = []
    for d, o in ((src + "/sub", "mode=755"), (locked, "ro,nosuid,nodev,noexec,mode=755")):
        subprocess.run(["mount", "-t", "tmpfs", "-o", o, "tmpfs", d], check=True, timeout=10)
        mounted.append(d)
    with open(src + "/file", "w", encoding="ascii") as f:
        f.write("content\n")
    os.symlink("file", src + "/link")
    with subprocess.Popen(["unshare", "-n", "-u", "-i", "-p", "--kill-child", "--fork", "sh", "-c",
                           "echo; exec sleep 1000"], stdout=subprocess.PIPE) as keeper:
        keeper.stdout.readline()
        KEEPER.append(keeper)
        for kind in ("net", "uts", "ipc"):
            JOINED[os.readlink(f"/proc/{keeper.pid}/ns/{kind}")] = "joined"
        JOINED[os.readlink(f"/proc/{keeper.pid}/ns/pid_for_children")] = "joined"
        yield top, {"@src": src, "@locked": locked, "@hooks": top + "/hooks"}
        keeper.kill()
    KEEPER.clear()
    for d in reversed(mounted):
        subprocess.run(["umount", d], check=True, timeout=10)


def run_on_terminal(command):
    """What a command prints on a terminal of its own."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 25, 90, 0, 0))
    out = b""
    with subprocess.Popen(["timeout", "20", "setsid", "-cw", *command], stdin=theirs,
                          stdout=theirs, stderr=theirs) as p:
        os.close(theirs)
        while True:
            try:
                data = os.read(ours, 65536)
            except OSError:  # nobody has it open any more
                break
            out += data
        p.wait()
    os.close(ours)
    return out.decode(errors="replace").replace("\r\n", "\n")


def observe(prog, place, chosen, cid):
    top, places = place
    bundle = f"{top}/bundle"
    rootfs = bundle + "/rootfs"
    make_rootfs(rootfs) if not os.path.exists(rootfs) else None
    for d in ("dir", "tmp", "full"):
        os.makedirs(f"{rootfs}/m/{d}", exist_ok=True)
    with open(rootfs + "/m/full/x", "w", encoding="ascii") as f:
        f.write("x\n")
    open(rootfs + "/m/file", "w", encoding="ascii").close()
    for name, to in LINKS.items():
        if not os.path.islink(f"{rootfs}/m/{name}"):
            os.symlink(to, f"{rootfs}/m/{name}")
    open(places["@hooks"], "w", encoding="ascii").close()
    with open(bundle + "/config.json", "w", encoding="utf-8") as f:
        config = configuration(chosen, cid, rootfs, places)
        json.dump(config, f)
    state = f"{top}/state-{os.path.basename(prog)}"
    # a file of its own on stdin: crun gives it to the container's user, and that be not /dev/null
    command = [prog, "--root", state, "run", "--bundle", bundle, cid]
    if config.get("process", {}).get("terminal"):
        out = err = run_on_terminal(command)
    else:
        r = run(command, timeout=20, stdin="")
        out, err = r.out, r.err
    run([prog, "--root", state, "delete", "--force", cid])
    with open(places["@hooks"], encoding="ascii") as f:
        hooks = [x for x in f.read().replace(top, "TOP").splitlines() if x]
    shutil.rmtree(rootfs + "/new", ignore_errors=True)
    for d in ("dev", "m", "proc", "sys"):  # what one made, another must not find
        shutil.rmtree(f"{rootfs}/{d}")
        if d != "m":
            os.mkdir(f"{rootfs}/{d}")
    if "== environ" not in out:
        return {"outcome": "refused"}, err
    return {**see(out, cid), "hooks": len(hooks),
            **{f"hooks {n}": said for n, said in enumerate(hooks)}}, err


def differences(ours, others):
    """(key, ours, what the others have) where agentrun agrees with none, or not with all that
    agree among themselves"""
    found = []
    seen = [s for s, _ in others]
    if all(s["outcome"] == "ran" for s in (ours, *seen)):
        keys = set(ours).union(*seen)
    else:  # what one refuses, two can't agree on
        keys = ["outcome"]
    for k in sorted(keys):
        values = [s.get(k) for s in seen]
        if ours.get(k) not in values:
            found.append((k, ours.get(k), values))
    return found


def excused(key, values, chosen):
    """Against others that agree with each other only what AGAINST_ALL names."""
    agree = len(values) > 1 and all(v == values[0] for v in values)
    return any(re.fullmatch(pattern, key) and
               all(d in chosen and re.fullmatch(v, chosen[d]) for d, v in where.items())
               for pattern, _, where in AGAINST_ALL + ([] if agree else DIFFERENCES))


def compare(place, chosen, cid):
    # what one leaves behind, its cgroup too, is none of the next one's
    ours, *others = [observe(p, place, chosen, f"{cid}{os.path.basename(p)}")
                     for p in (program(), *OTHERS)]
    found = [d for d in differences(ours[0], others) if not excused(d[0], d[2], chosen)]
    said = [f"{chosen}"]
    for key, value, values in found:
        said += [f"{key}:", f"  agentrun {value}",
                 *(f"  {os.path.basename(p)} {v}" for p, v in zip(OTHERS, values))]
    if any(key == "outcome" for key, _, _ in found):
        said += [f"{os.path.basename(p)}: {err[-300:]}"
                 for p, (_, err) in zip([program(), *OTHERS], [ours, *others])]
    assert not found, "\n".join(said)


@pytest.mark.parametrize("i", range(COUNT))
def test_configuration(place, i):
    compare(place, draw(i), f"differ{i}")


@pytest.mark.parametrize("odd", ODD)
def test_odd(place, odd):
    compare(place, {"odd": odd}, "odd")


def test_every_value_is_tried():
    tried = {pair for i in range(COUNT) for pair in draw(i).items()}
    missing = set(EDITS) - tried
    assert len(missing) < len(EDITS) // 10, missing
