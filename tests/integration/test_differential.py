# SPDX-License-Identifier: Apache-2.0
"""Generated configurations, each run by agentrun and by every crun and runc that is installed.

What a container sees must be what it sees under both where both agree, and what it sees under
one of them where they do not.  DIFFERENCES is the whole list of what differs on purpose.
"""
import copy
import json
import os
import random
import re
import shutil
import subprocess
import sys

import pytest
from bundle import DEFAULT_CAPS, default_config, drop_namespace, make_rootfs, mount, namespace
from runtime import flavour, program, run

COUNT = 176
V2 = os.path.exists("/sys/fs/cgroup/cgroup.controllers")
OTHERS = [p for p in map(shutil.which, ("crun", "runc"))
          if p and os.path.realpath(p) != program()]

pytestmark = [
    pytest.mark.skipif(not OTHERS, reason="neither crun nor runc is installed"),
    pytest.mark.skipif(flavour() != "agentrun", reason="compares agentrun with the others"),
]

# (what: a pattern of "section key"; why; where: {dimension: a pattern of the value}, "" for unset)
DIFFERENCES = [
    (r"mountinfo /(sys/fs/cgroup|m/tmp)/unified#0",
     "agentrun shows the container's cgroup2 beside its cgroups of version 1", {}),
    (r"mountinfo /sys/fs/cgroup#0", "asked for ro, agentrun makes this tmpfs ro, too", {}),
    (r"dev '/dev/core' -> .*", "crun alone makes it; it is not of the specification", {}),
    (r"mountinfo /proc/(bus|fs|irq|sys)#0", "crun alone drops the flags of the mount below", {}),
    (r"mountinfo /dev/(null|zero|full|tty|u?random)#0",
     "crun alone adds noexec,nosuid",
     {"namespaces": "user.*"}),
    (r"mountinfo /dev/(null|zero|full|tty|u?random)#0",
     "runc refuses itself mknod with such a rule, and binds", {"rules": "minus-one"}),
    (r"files /(m/full|proc/acpi|sys/firmware)", "the mode of what hides a directory",
     {"masked": ".*"}),
    (r"status CapInh",
     "CVE-2022-29162: agentrun keeps as inheritable only what an ambient capability needs",
     {"caps": "inheritable|ambient"}),
    (r"outcome", "Debian 12's crun and runc know no time namespace", {"namespaces": "time"}),
    (r"outcome", "neither can make a root file system unbindable beforehand",
     {"propagation": "r?unbindable"}),
    (r"outcome", "agentrun names an option that a bind mount would ignore",
     {"bind": r"bind\+size=1m"}),
    (r"outcome", "to agentrun the type says what it is without the option", {"bind": "|ro"}),
    (r"outcome|cgroupfiles devices/devices.list", "crun writes -1 where * is meant",
     {"rules": "minus-one"}),
    (r"content|files /m/tmp|mountinfo /m/tmp.*",
     "without a cgroup namespace agentrun shows the container's own cgroups, never the host's",
     {"other-mounts": "second-cgroup|cgroup2"}),
    (r"peers .*", "a root that is not private: to each runtime some mounts are none of the root's",
     {"propagation": "r?(shared|slave|unbindable)"}),
    (r"peers (/sys/fs/cgroup|/dev|/proc)/.*",
     "of what binds of its own show of the host later runc thinks otherwise than crun", {}),
    (r"peers /m/dir/sub#.*", "runc and crun make the bind private, and not what lies below it",
     {"bind": ".+"}),
    (r"peers (/m/dir|/m/tmp)#.*",
     "a slave that is asked for is none under crun; what is no bind: each runtime differs",
     {"bind": ".*(shared|slave|unbindable|rro).*"}),
    (r"mountinfo /#0",
     "of the flags of the file system below, read-only is all that root.readonly changes", {}),
    (r"mountinfo /proc/(keys|timer_list)#0|nodes|dev .*",
     "without a /dev of its own the image's is filled, and its file system may forbid devices",
     {"own-mounts": "no-dev"}),
    (r"mountinfo (/m/dir|/new/[df].*|/dev/dir|/m/file)#0",
     "of the source's flags agentrun changes those that are asked for, and no other",
     {"bind": ".+"}),
    (r"dev /dev/null|files /proc/keys", "crun drops the owner of a device that it makes itself",
     {"devices": "null-again"}),
    (r"dev /dev/mqueue", "its owner is the host's root, whom the map does not have",
     {"namespaces": "user-shifted"}),
    (r"mountinfo /m/tmp#0", "recursive attributes are newer than Debian 12's runc",
     {"tmpfs": "rro|rnosuid.*|rslave"}),
    (r"sysctl kernel/domainname", "Debian 12's runc knows no domain name", {"names": "domain"}),
    (r"files /m/tmp", "tmpfs takes the mode of the directory below, under crun not always",
     {"tmpfs": "relative"}),
    (r"files /m/full", "the same", {"tmpfs": "copy"}),
]

# ---- what the container sees ----

SYSCTLS = ("net/ipv4/ip_forward net/core/somaxconn net/ipv4/ip_unprivileged_port_start "
           "net/ipv4/conf/all/forwarding net/ipv4/ping_group_range kernel/msgmax kernel/shmmax "
           "kernel/sem fs/mqueue/msg_max kernel/hostname kernel/domainname").split()
CGROUP_FILES = (
    "memory.max memory.low memory.high memory.swap.max cpu.max cpu.weight cpu.idle pids.max "
    "io.weight io.max io.bfq.weight cpuset.cpus cpuset.mems memory.oom.group cgroup.type".split()
    if V2 else
    "memory/memory.limit_in_bytes memory/memory.soft_limit_in_bytes "
    "memory/memory.memsw.limit_in_bytes memory/memory.swappiness memory/memory.oom_control "
    "memory/memory.use_hierarchy cpu/cpu.shares cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us "
    "pids/pids.max cpuset/cpuset.cpus cpuset/cpuset.mems devices/devices.list "
    "blkio/blkio.throttle.read_bps_device blkio/blkio.throttle.write_iops_device "
    "blkio/blkio.weight blkio/blkio.bfq.weight freezer/freezer.state "
    "net_cls/net_cls.classid".split())
# type, major, minor of what is tried besides what is there
NODES = ("c 1 3", "c 1 5", "c 1 11", "c 5 1", "c 10 229", "c 10 200", "b 7 0", "c 136 0")
PROBE = f"""
s() {{ echo "== $1"; }}
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
s cgroupfiles; cd /sys/fs/cgroup && grep -s "" {' '.join(CGROUP_FILES)}
s dev; cd /; stat -c '%N|%F|%a|%u:%g|%t:%T' /dev /dev/* /dev/*/* /dev/pts/ptmx
s files; stat -c '%N|%F|%a|%u:%g' / /proc /sys /tmp /m/* /new /new/* /new/*/* /proc/kcore /proc/keys
s content; ls -A /m/* /new* /proc/bus /proc/acpi /sys/firmware
s write; for f in /w /tmp/w /m/dir/w /m/dir/sub/w /proc/sys/kernel/msgmni; do
(echo 8 >$f) && echo ok $f; rm -f $f; done
s nodes; n=0; for d in {' '.join('"%s"' % n for n in NODES)}; do n=$((n+1))
mknod /dev/n$n $d && (: </dev/n$n) && echo read $d && (: >>/dev/n$n) && echo write $d; done
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
    sections = {}
    for line in text.replace(cid, "CID").splitlines():
        if line.startswith("== "):
            now = sections.setdefault(line[3:], [])
        else:
            now.append(line)
    if "end" not in sections:
        return {"outcome": "probe ended early"}
    seen = {"outcome": "ran"}
    for name, lines in sections.items():
        if name == "mountinfo":
            part, groups = see_mounts(lines)
            seen.update({f"peers {k}": v for k, v in groups.items() if v})
        elif name == "status":
            part = {k: v.split() for k, v in (x.split(":", 1) for x in lines) if k in STATUS}
            part["Groups"] = sorted(part["Groups"])
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
        "lower-effective": caps(bounding=DEFAULT, permitted=DEFAULT, effective="CHOWN"),
    },
    "privileges": {
        "may": None,
        "nnp": put("process.noNewPrivileges", True),
    },
    "oom": {
        "absent": None, "500": put("process.oomScoreAdj", 500), "0": put("process.oomScoreAdj", 0),
        "-10": put("process.oomScoreAdj", -10),
    },
    "rlimits": {
        "none": None,
        "nofile": rlimit("NOFILE", 512, 1024),
        "several": both(rlimit("NPROC", 4000, 5000), rlimit("CORE", 0, 0),
                        rlimit("STACK", 8 * MB, 16 * MB), rlimit("RTPRIO", 3, 5)),
        "infinite": both(rlimit("MEMLOCK", 2**64 - 1, 2**64 - 1), rlimit("FSIZE", 4096 * MB,
                                                                         2**64 - 1)),
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
        "long": put("hostname", "h" * 63),
    },
    "sysctl": {
        "none": None,
        "net": put("linux.sysctl", {"net.ipv4.ip_forward": "1", "net.core.somaxconn": "256"}),
        "slashes": put("linux.sysctl", {"net/ipv4/ip_unprivileged_port_start": "80"}),
        "ipc": put("linux.sysctl", {"kernel.msgmax": "9000", "kernel.sem": "250 32000 100 129",
                                    "fs.mqueue.msg_max": "12"}),
        "ping": put("linux.sysctl", {"net.ipv4.ping_group_range": "0 100"}),
        "host": put("linux.sysctl", {"vm.swappiness": "10"}),
    },
    "masked": {
        "default": None,
        "none": put("linux.maskedPaths", []),
        "absent": drop("linux.maskedPaths"),
        "more": put("linux.maskedPaths", ["/proc/kcore", "/proc/acpi", "/m/full", "/etc/passwd",
                                          "/no/such", "/sys/firmware"]),
        "link": put("linux.maskedPaths", ["/m/link"]),
    },
    "readonly": {
        "default": None,
        "none": put("linux.readonlyPaths", []),
        "more": put("linux.readonlyPaths", ["/proc/bus", "/proc/sys", "/m/full", "/etc/group",
                                            "/no/such", "/tmp"]),
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
        "empty": resource("blockIO", {}),
    },
    "unified": {
        "none": None,
        "some": resource("unified", {"memory.high": "100000000", "pids.max": "77"}),
        "unknown": resource("unified", {"no.such": "1"}),
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
    },
    "propagation": {
        "absent": None,
        **{p: put("linux.rootfsPropagation", p) for p in
           "private rprivate slave rslave shared rshared unbindable runbindable".split()},
    },
    "root": {
        "rw": None, "ro": put("root.readonly", True),
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
        "no-source": add("mounts", {"destination": "/m/tmp", "type": "tmpfs"}),
        "new": add("mounts", mount("/new/deep/tmp", "tmpfs", "tmpfs", "mode=711")),
        "link": add("mounts", mount("/m/link", "tmpfs", "tmpfs")),
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
            ["bind", "size=1m"], ["bind", "ro", "nodev", "nosuid", "noexec", "noatime"],
            ["ro"], [])},
        "no-type": add("mounts", {"destination": "/m/dir", "source": "@src", "options": ["bind"]}),
        "type-none": add("mounts", mount("/m/dir", "none", "@src", "rbind", "ro")),
        "file": bind("bind", "ro", dest="/m/file", source="@src/file"),
        "new-file": bind("bind", dest="/new/f", source="@src/file"),
        "new-dir": bind("rbind", dest="/new/d/e"),
        "on-file": bind("bind", dest="/m/file"),
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
        "second-proc": add("mounts", mount("/m/tmp", "proc", "proc", "ro")),
        "second-mqueue": add("mounts", mount("/m/tmp", "mqueue", "mqueue")),
        "second-cgroup": add("mounts", mount("/m/tmp", "cgroup", "cgroup", "ro")),
        "cgroup2": add("mounts", mount("/m/tmp", "cgroup2", "cgroup2", "ro")),
        "no-such": add("mounts", mount("/m/tmp", "no_such_fs", "x")),
        "sysfs": add("mounts", mount("/m/tmp", "sysfs", "sysfs", "ro", "nosuid")),
        "ramfs": add("mounts", mount("/m/tmp", "ramfs", "ramfs", "nodev")),
    },
}
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
    for m in c["mounts"]:
        source = m.get("source", "")
        for name, path in places.items():
            if source == name or source.startswith(name + "/"):
                m["source"] = path + source[len(name):]
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
    with subprocess.Popen(["unshare", "-n", "-u", "-i", "-p", "--kill-child", "--fork", "sh", "-c",
                           "echo; exec sleep 1000"], stdout=subprocess.PIPE) as keeper:
        keeper.stdout.readline()
        KEEPER.append(keeper)
        for kind in ("net", "uts", "ipc"):
            JOINED[os.readlink(f"/proc/{keeper.pid}/ns/{kind}")] = "joined"
        JOINED[os.readlink(f"/proc/{keeper.pid}/ns/pid_for_children")] = "joined"
        yield top, {"@src": src, "@locked": locked}
        keeper.kill()
    KEEPER.clear()
    for d in reversed(mounted):
        subprocess.run(["umount", d], check=True, timeout=10)


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
    if not os.path.islink(rootfs + "/m/link"):
        os.symlink("full", rootfs + "/m/link")
    with open(bundle + "/config.json", "w", encoding="utf-8") as f:
        json.dump(configuration(chosen, cid, rootfs, places), f)
    state = f"{top}/state-{os.path.basename(prog)}"
    # a file of its own on stdin: crun gives it to the container's user, and that be not /dev/null
    r = run([prog, "--root", state, "run", "--bundle", bundle, cid], timeout=20, stdin="")
    run([prog, "--root", state, "delete", "--force", cid])
    shutil.rmtree(rootfs + "/new", ignore_errors=True)
    for d in ("dev", "m", "proc", "sys"):  # what one made, another must not find
        shutil.rmtree(f"{rootfs}/{d}")
        if d != "m":
            os.mkdir(f"{rootfs}/{d}")
    if "== environ" not in r.out:
        return {"outcome": "refused"}, r.err
    return see(r.out, cid), r.err


def differences(ours, others):
    """(key, ours, what the others have) where agentrun agrees with none, or not with all that
    agree among themselves"""
    found = []
    seen = [s for s, _ in others]
    if ours["outcome"] == "ran" and any(s["outcome"] == "ran" for s in seen):
        ran = [s for s in seen if s["outcome"] == "ran"]
        keys = set(ours).union(*ran)
    else:
        keys = ["outcome"]
    for k in sorted(keys):
        values = [s.get(k) if s["outcome"] == "ran" or k == "outcome" else "refused" for s in seen]
        if ours.get(k) not in values:
            found.append((k, ours.get(k), values))
    return found


def excused(key, chosen):
    return any(re.fullmatch(pattern, key) and
               all(d in chosen and re.fullmatch(v, chosen[d]) for d, v in where.items())
               for pattern, _, where in DIFFERENCES)


@pytest.mark.parametrize("i", range(COUNT))
def test_configuration(place, i):
    chosen = draw(i)
    cid = f"differ{i}"
    ours = observe(program(), place, chosen, cid)
    others = [observe(p, place, chosen, cid) for p in OTHERS]
    found = [d for d in differences(ours[0], others) if not excused(d[0], chosen)]
    said = [f"{chosen}"]
    for key, value, values in found:
        said += [f"{key}:", f"  agentrun {value}",
                 *(f"  {os.path.basename(p)} {v}" for p, v in zip(OTHERS, values))]
    if any(key == "outcome" for key, _, _ in found):
        said += [f"{os.path.basename(p)}: {err[-300:]}"
                 for p, (_, err) in zip([program(), *OTHERS], [ours, *others])]
    assert not found, "\n".join(said)


def test_every_value_is_tried():
    tried = {pair for i in range(COUNT) for pair in draw(i).items()}
    missing = set(EDITS) - tried
    assert len(missing) < len(EDITS) // 10, missing
