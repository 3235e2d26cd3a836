# SPDX-License-Identifier: Apache-2.0
"""B1-B7, B9: system calls and privileges, attacked from inside an agent's container.

Each attack is made by the container's own process and again through every way
by which exec starts one more (B9).
"""
import json
import os
import struct
import time

import confined
import probe
import pytest
from bundle import DEFAULT_CAPS, shell
from runtime import status_field, until
from terminal import Spawned

SLEEP = ["sleep", "100"]
# What the profile lets a process keep, by number.
ALLOWED_CAPS = sum(1 << n for n in (0, 1, 3, 4, 5, 6, 7, 8, 10, 18, 31))
ALL_SETS = ("bounding", "effective", "permitted", "inheritable", "ambient")

# What the profile makes of each attempt of probe.c; those not named here: EPERM.
PROBE = {
    "vsock": "EAFNOSUPPORT", "alg": "EAFNOSUPPORT", "packet": "EAFNOSUPPORT",
    "packet-dgram": "EAFNOSUPPORT", "xdp": "EAFNOSUPPORT", "netfilter": "EPROTONOSUPPORT",
    "io_uring": "ENOSYS", "clone3-user": "ENOSYS", "personality": "ENOSYS",
    "chroot": "ok",    # CAP_SYS_CHROOT is the profile's: package managers need it
}


def process_file(b, command, **kw):
    """The most that a caller of exec can ask for without being refused."""
    caps = {k: DEFAULT_CAPS for k in ALL_SETS}
    with open(b.path + "/process.json", "w", encoding="utf-8") as f:
        json.dump({"args": command, "cwd": "/", "env": ["PATH=/bin"], "capabilities": caps,
                   "noNewPrivileges": False, "user": {"uid": 0, "gid": 0}, **kw}, f)
    return f.name


def by_first_process(rt, b, command):
    b.config["process"]["args"] = command
    b.save()
    return rt.run(b)


def by_exec(*flags):
    def go(rt, b, command):
        rt.up(b)
        return rt.exec(b, *flags, "--", *command)
    return go


def by_process_file(rt, b, command):
    rt.up(b)
    return rt.exec(b, "--process", process_file(b, command))


def by_user_zero(rt, b, command):
    b.config["process"]["user"] = {"uid": 1000, "gid": 1000}
    b.save()
    return by_exec("--user", "0:0")(rt, b, command)


WAYS = {
    "first": by_first_process,
    "exec": by_exec(),
    "exec-cap": by_exec("--cap", "CAP_NET_RAW", "--cap", "CAP_MKNOD", "--cap", "CAP_SYS_CHROOT"),
    "exec-user-0": by_user_zero,
    "exec-user-1000": by_exec("--user", "1000:1000"),
    "exec-process": by_process_file,
}


@pytest.fixture(params=WAYS)
def inside(request, rt, box, work):
    """inside(command, edit): the command's result inside a fresh agent's container."""
    def run(command, edit=None, **fields):
        b = confined.confine(box(SLEEP, edit), work, **fields)
        for program in (confined.tool("seccomp_probe"), probe.program()):
            confined.put(b, program)
        return WAYS[request.param](rt, b, command)
    run.way = request.param
    return run


def calls(result):
    assert result.code == 0, result.text
    return [x.split() for x in result.out.splitlines()]


def wrong(result, prefix=""):
    lines = [x for x in calls(result) if x[0].startswith(prefix)]
    assert lines
    return [x for x in lines if x[2] != x[3]]


def test_b1_b2_b3_b4_b6_every_forbidden_call_on_every_abi(inside):
    """int 0x80 and x32 as well, where the machine has them."""
    r = inside(["/bin/seccomp_probe", "try"])
    assert wrong(r) == []
    assert len(calls(r)) > 80
    if os.uname().machine == "x86_64":
        assert {x[1] for x in calls(r)} == {"native", "i386", "x32"}


def test_b1_the_calls_work_without_a_policy(rt, box):
    """So it is the profile that refuses them, not the machine."""
    b = box(["/bin/seccomp_probe", "try"])
    confined.put(b, confined.tool("seccomp_probe"))
    got = {x[0]: x[2] for x in calls(rt.run(b)) if x[1] == "native"}
    for name in ("socket-packet", "socket-netfilter", "socket-raw", "unshare-user", "clone-user"):
        assert got[name] == "ok"
    for name, result in (("clone3", "EINVAL"), ("setns", "EBADF"), ("io_uring_enter", "EBADF"),
                         ("ioctl-tiocsti", "EBADF"), ("pidfd_getfd", "EBADF")):
        assert got[name] == result


def test_b3_b4_b6_attempts(inside):
    got = probe.results(inside(["/bin/probe"]).out)
    want = {name: PROBE.get(name, "EPERM") for name in got}
    if inside.way == "exec-user-1000":
        want["chroot"] = "EPERM"
    assert got == want
    assert len(got) > 30


def test_b4_the_host_can_do_what_is_refused(rt, box):
    """With all capabilities and no policy most attempts succeed."""
    def edit(c):
        c["process"]["capabilities"] = {k: DEFAULT_CAPS + [
            "CAP_SYS_ADMIN", "CAP_SYS_PTRACE", "CAP_NET_ADMIN"] for k in
            ("bounding", "effective", "permitted")}
    b = box(["/bin/probe"], edit)
    confined.put(b, probe.program())
    got = probe.results(rt.run(b, check=True).out)
    for name in ("packet", "raw", "netfilter", "unshare-user", "unshare-net", "clone-user",
                 "clone3-user", "mount-tmpfs", "mount-bind", "fsopen", "ptrace", "keyctl",
                 "personality"):
        assert got[name] == "ok", name


def engine_filter(c):
    c["linux"]["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
        "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}]}


def test_b1_stacked_on_the_engines_filter(inside):
    """The stricter of both counts: the engine's own denials stay."""
    r = inside(["sh", "-c", "mkdir /tmp/x; grep -E '^(Seccomp|NoNew)' /proc/self/status; "
                "exec /bin/seccomp_probe try"], engine_filter)
    assert "No space left on device" in r.err
    assert status_field(r.out, "Seccomp_filters") == "2"
    r.out = r.out.partition("Seccomp_filters")[2].partition("\n")[2]
    assert wrong(r) == []


@pytest.mark.parametrize("fields", [{"seccomp": "engine"}])
def test_b1_the_engines_filter_alone_must_be_one(rt, box, work, fields):
    b = confined.confine(box(SLEEP), work, **fields)
    first, _, _ = confined.refusal(rt.create(b, check=False))
    assert "no system call filter at all" in first
    assert rt.ids() == []


# ---- B5


def tty_config(c):
    c["process"]["terminal"] = True
    c["process"]["env"].append("PS1=box> ")


@pytest.fixture(params=["run", "exec"])
def terminal(request, rt, box, work):
    """A shell of the agent's on a terminal of the caller."""
    b = confined.confine(box(["sh"] if request.param == "run" else SLEEP,
                             tty_config if request.param == "run" else None), work)
    confined.put(b, probe.program())
    if request.param == "run":
        argv = rt.argv("run", "--bundle", b.path, b.id)
    else:
        rt.up(b)
        argv = rt.argv("exec", "-t", "-e", "PS1=box> ", b.id, "sh")
    with Spawned(argv) as t:
        t.expect("box> ")
        yield t
        t.write("exit\n")
        t.wait()


@pytest.mark.parametrize("attempt", ["tiocsti", "tioclinux"])
def test_b5_input_is_not_pushed_into_the_terminal(terminal, attempt):
    terminal.write(f"/bin/probe {attempt}\n")
    terminal.expect(f"{attempt} EPERM\r\n")


def test_b5_job_control_and_window_size_work(terminal):
    terminal.write("echo $((20 + 2)); sleep 50\n")
    terminal.expect("22")
    time.sleep(0.3)    # the shell has made it the foreground job by then
    terminal.write("\x1a")
    assert "Stopped" in terminal.expect("box> ")
    terminal.write("bg; jobs; kill %1; wait\n")
    terminal.expect("sleep 50")
    terminal.expect("box> ")
    terminal.resize(44, 99)
    until(lambda: terminal.write("stty size\n") or "44 99" in terminal.expect("box> "))


# ---- B7


def status(inside, edit=None):
    r = inside(["cat", "/proc/self/status"], edit)
    assert r.code == 0, r.text
    return r.out


def test_b7_no_new_privileges_and_capped_capabilities(inside):
    text = status(inside)
    assert status_field(text, "NoNewPrivs") == "1"
    assert status_field(text, "Seccomp") == "2"
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status_field(text, name), 16) & ~ALLOWED_CAPS == 0, name
    if inside.way in ("first", "exec", "exec-cap", "exec-user-0", "exec-process"):
        assert int(status_field(text, "CapEff"), 16) == ALLOWED_CAPS


def every_set(c):
    c["process"]["capabilities"] = {k: DEFAULT_CAPS for k in ALL_SETS}


def test_b7_every_set_is_capped(inside):
    text = status(inside, every_set)
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status_field(text, name), 16) & ~ALLOWED_CAPS == 0, name


def plant(b):
    """/bin/suid is set-user-id root; /bin/capable has file capabilities."""
    source = b.rootfs + confined.put(b, probe.program())
    for name in ("suid", "capable"):
        with open(source, "rb") as f, open(f"{b.rootfs}/bin/{name}", "wb") as out:
            out.write(f.read())
    os.chmod(b.rootfs + "/bin/suid", 0o4755)
    os.chmod(b.rootfs + "/bin/capable", 0o755)
    caps = sum(1 << n for n in (0, 1, 3, 4, 5, 6, 7, 8, 10))    # all in the bounding set
    os.setxattr(b.rootfs + "/bin/capable", "security.capability",
                struct.pack("<5I", 0x02000001, caps, 0, 0, 0))


@pytest.mark.parametrize("how", ["first", "exec", "exec-process"])
@pytest.mark.parametrize("program", ["suid", "capable"])
def test_b7_set_id_and_file_capabilities_give_nothing(rt, box, work, how, program):
    def edit(c):
        c["process"]["user"] = {"uid": 1000, "gid": 1000}
    command = ["sh", "-c", f"/bin/{program} ids; true"]    # the shell holds no capability any more
    b = box(command if how == "first" else SLEEP, edit)
    plant(b)
    plain = rt.run(b) if how == "first" else rt.exec(rt.up(b), "--", *command)
    uid, euid, caps = map(int, plain.out.split())
    assert (euid == 0 or caps > 0) and uid == 1000    # the attack works on an unconfined one
    rt.delete(b, "--force", check=True)

    b.id += "c"
    confined.confine(b, work)
    if how == "first":
        r = rt.run(b)
    elif how == "exec":
        r = rt.exec(rt.up(b), "--", *command)
    else:
        r = rt.exec(rt.up(b), "--process", process_file(b, command, user={"uid": 1000, "gid": 1000},
                                                        capabilities={"bounding": DEFAULT_CAPS}))
    assert r.out == "1000 1000 0\n", r.text


# ---- B9: what is refused instead of capped


@pytest.mark.parametrize("cap", ["CAP_SYS_ADMIN", "CAP_NET_ADMIN", "CAP_SYS_PTRACE", "CAP_BPF",
                                 "CAP_SYS_MODULE", "CAP_PERFMON", "CAP_DAC_READ_SEARCH"])
@pytest.mark.parametrize("how", ["flag", "process", "ambient"])
def test_b9_more_capabilities_are_refused(rt, box, work, cap, how):
    b = rt.up(confined.confine(box(SLEEP), work))
    if how == "flag":
        r = rt.exec(b, "--cap", cap, "--", "touch", "/ran")
    else:
        sets = ALL_SETS if how == "process" else ("ambient",)
        r = rt.exec(b, "--process", process_file(b, ["touch", "/ran"],
                                                 capabilities={k: [cap] for k in sets}))
    first, second, _ = confined.refusal(r)
    assert cap in first and "caps=" in second
    assert not os.path.exists(b.rootfs + "/ran")


@pytest.mark.parametrize("cap", ["CAP_SYS_ADMIN", "CAP_NET_ADMIN", "CAP_SYS_PTRACE"])
def test_b9_create_with_more_capabilities_is_refused(rt, box, work, cap):
    def edit(c):
        c["process"]["capabilities"]["bounding"].append(cap)
    first, _, _ = confined.refusal(rt.create(confined.confine(box(SLEEP, edit), work), check=False))
    assert cap in first
    assert rt.ids() == []


def privileged(c):
    c["linux"]["resources"]["devices"] = [{"allow": True, "access": "rwm"}]


def host_namespace(kind):
    def edit(c):
        c["linux"]["namespaces"] = [n for n in c["linux"]["namespaces"] if n["type"] != kind]
    return edit


def device(c):
    c["linux"]["devices"] = [{"path": "/dev/kmsg", "type": "c", "major": 1, "minor": 11}]


def device_rule(c):
    c["linux"]["resources"]["devices"].append(
        {"allow": True, "type": "b", "major": 8, "minor": 0, "access": "rwm"})


def kernel_parameter(c):
    c["linux"]["sysctl"] = {"net.ipv4.ip_forward": "1"}


@pytest.mark.parametrize("edit, word", [
    (privileged, "--privileged"), (host_namespace("network"), "--network host"),
    (host_namespace("pid"), "--pid host"), (host_namespace("ipc"), "--ipc host"),
    (device, "/dev/kmsg"), (device_rule, "8:0"), (kernel_parameter, "net.ipv4.ip_forward"),
    (lambda c: c["linux"].update(rootfsPropagation="rshared"), "rshared"),
])
def test_b9_what_no_agent_gets_is_refused(rt, box, work, edit, word):
    b = confined.confine(box(SLEEP, edit), work)
    assert any(word in line for line in confined.refusal(rt.create(b, check=False)))
    assert rt.ids() == []


def test_b9_ordinary_shell_works(rt, box, work):
    r = rt.run(confined.confine(box(shell("id -u; pwd; touch f; ls")), work), check=True)
    assert r.out.split() == ["0", "/workspace", "f"]
