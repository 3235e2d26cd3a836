# SPDX-License-Identifier: Apache-2.0
"""Seccomp listeners: system calls that a process outside the container answers."""
import errno
import os
import socket

import pytest
from bundle import namespace, shell
from listener import CONTINUE, listener
from runtime import until


def rule(*names):
    return {"names": list(names), "action": "SCMP_ACT_NOTIFY"}


def asks(path, *rules, **kw):
    def edit(c):
        c["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": path,
                                 "architectures": ["SCMP_ARCH_X86_64"],
                                 "syscalls": list(rules) or [rule("mkdir", "mkdirat")],
                                 **kw}
    return edit


def also(*edits):
    def edit(c):
        for e in edits:
            e(c)
    return edit


def makes(directory, suffix=""):
    """The listener makes the directory itself, under another name."""
    def answer(call):
        os.mkdir(directory + call.text(0 if call.number == 83 else 1) + suffix)
        return 0
    return answer


@pytest.mark.parametrize("nnp, uid", [(True, 0), (False, 0), (True, 1000), (False, 1000)])
def test_answers(rt, box, work, nnp, uid):
    """With and without no_new_privs; the kernel would have refused the user's mkdir."""
    b = box(shell("mkdir /x; [ ! -e /x ]"), also(
        asks(work + "/s", listenerMetadata="-made"),
        lambda c: c["process"].update(noNewPrivileges=nnp, user={"uid": uid, "gid": uid})))
    with listener(work + "/s", makes(b.rootfs, "-made")) as s:
        rt.run(b, check=True)
    assert os.listdir(b.rootfs).count("x-made") == 1
    assert s.states[0]["metadata"] == "-made" and len(s.calls) == 1


def test_error(rt, box, work):
    with listener(work + "/s", lambda call: -errno.ENOMEDIUM) as s:
        rt.run(box(["mkdir", "/x"], asks(work + "/s")), check=False)
        r = rt.run(box(["mkdir", "/x"], asks(work + "/s")), check=False)
    assert "No medium found" in r.err and len(s.calls) == len(s.states) == 2


def test_state_at_start(rt, box, work):
    b = box(["sleep", "99"], also(asks(work + "/s"), lambda c: c.update(annotations={"a": "b"})))
    with listener(work + "/s", lambda call: CONTINUE) as s:
        rt.create(b)
        if rt.flavour == "agentrun":
            assert s.states == []        # the filter comes last
        rt.start(b)
        until(lambda: s.ended == 1)
        state, = s.states
        pid = rt.state(b)["pid"]
        rt.kill(b, "KILL", check=True)
    inner = state.pop("state")
    assert state == {"ociVersion": state["ociVersion"], "fds": ["seccompFd"], "pid": pid}
    assert s.fds == [1]
    if rt.flavour == "agentrun":
        assert inner == {"ociVersion": state["ociVersion"], "id": b.id, "status": "created", "pid": pid,
                         "bundle": b.path, "annotations": {"a": "b"}}


@pytest.mark.differs("crun", "it tells no pid of the container")
def test_exec(rt, box, work):
    """Each exec has a listener of its own, and says of which container it is a process."""
    b = box(["sleep", "99"], asks(work + "/s", listenerMetadata="-of-exec"))
    with listener(work + "/s", makes(b.rootfs, "-of-exec")) as s:
        rt.up(b)
        rt.exec(b, "--pid-file", work + "/pid", "--", "mkdir", "/x", check=True)
        with open(work + "/pid", encoding="ascii") as f:
            pid = int(f.read())
        init = rt.state(b)["pid"]
        rt.kill(b, "KILL", check=True)
    assert os.path.isdir(b.rootfs + "/x-of-exec") and not os.path.exists(b.rootfs + "/x")
    mine = s.states[1]
    assert mine["pid"] == pid != init and mine["fds"] == ["seccompFd"]
    assert mine["metadata"] == "-of-exec"
    assert (mine["state"]["id"], mine["state"]["pid"], mine["state"]["status"]) == \
        (b.id, init, "running")


@pytest.mark.parametrize("call", ["read", "close", "execve", "capset"])
def test_calls_of_the_last_steps(rt, box, work, call):
    """The listener has its descriptor before the runtime's own calls wait for an answer."""
    b = box(["true"], asks(work + "/s", rule(call)))
    with listener(work + "/s", lambda call: CONTINUE) as s:
        rt.run(b, check=True)
    assert s.calls or call == "close" or rt.flavour != "agentrun"


def test_user_namespace(rt, box, work):
    def edit(c):
        asks(work + "/s")(c)
        namespace(c, "user")
        c["linux"].update(uidMappings=[{"containerID": 0, "hostID": 100000, "size": 2000}],
                          gidMappings=[{"containerID": 0, "hostID": 100000, "size": 2000}])
    b = box(["mkdir", "/x"], edit)
    os.chmod(work + "/b", 0o755)
    with listener(work + "/s", lambda call: 0):
        rt.run(b, check=True)
    assert not os.path.exists(b.rootfs + "/x")


def test_listener_that_goes_away(rt, box, work):
    """The kernel answers for it; nothing hangs."""
    b = box(shell("until [ -e /go ]; do sleep 0.01; done; mkdir /x"), asks(work + "/s"))
    with listener(work + "/s", lambda call: 0):
        rt.up(b, "--pid-file", work + "/pid")
    b.file("/go", "")
    rt.wait(b)
    assert not os.path.exists(b.rootfs + "/x")


def test_nothing_leaks_into_the_container(rt, box, work):
    """Neither the descriptor nor the socket, nor to the hooks that run in the container."""
    def edit(c):
        asks(work + "/s")(c)
        c["hooks"] = {"startContainer": [{"path": "/bin/sh", "args": [
            "sh", "-c", "ls -l /proc/self/fd >/hook-fds"]}]}
    b = box(shell("ls -l /proc/self/fd >/fds"), edit)
    with listener(work + "/s", lambda call: CONTINUE):
        rt.run(b, check=True)
    for seen in (b.read("/fds"), b.read("/hook-fds")):
        assert " 0 -> " in seen and " 2 -> " in seen
        assert "seccomp" not in seen and "socket" not in seen, seen


@pytest.mark.differs("runc", "an older one knows no flags")
def test_flag(rt, box, work):
    b = box(["mkdir", "/x"], asks(work + "/s", flags=["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]))
    with listener(work + "/s", lambda call: 0):
        rt.run(b, check=True)
    assert not os.path.exists(b.rootfs + "/x")


@pytest.mark.differs("crun", "it connects all the same")
def test_path_without_notify_is_ignored(rt, box, work):
    rt.run(box(["true"], asks(work + "/none", {"names": ["acct"], "action": "SCMP_ACT_ERRNO"})),
           check=True)


NOBODY = "linux.seccomp.listenerPath: failed to connect with seccomp agent: "


@pytest.mark.parametrize("edit, message", [
    (lambda s: s.pop("listenerPath"),
     "linux.seccomp.listenerPath: required for SCMP_ACT_NOTIFY, but absent"),
    (lambda s: s.update(listenerPath="@abstract"),
     "linux.seccomp.listenerPath: not an absolute path"),
    (lambda s: s.update(listenerPath="/no/such"), NOBODY + "/no/such: No such file or directory"),
    (lambda s: s.update(listenerPath="/dev/null"), NOBODY + "/dev/null is not a socket"),
    (lambda s: s.update(defaultAction="SCMP_ACT_NOTIFY", syscalls=[]),
     "linux.seccomp.defaultAction: SCMP_ACT_NOTIFY cannot be used as default action"),
    (lambda s: s["syscalls"][0]["names"].append("write"),
     "linux.seccomp.syscalls[0].names: SCMP_ACT_NOTIFY cannot be used for the write syscall"),
], ids=["absent", "abstract", "nowhere", "no socket", "default", "write"])
@pytest.mark.differs("crun", "it takes some of them")
def test_refused(rt, box, work, edit, message):
    b = box(["mkdir", "/x"], also(asks(work + "/s"), lambda c: edit(c["linux"]["seccomp"])))
    with listener(work + "/s", lambda call: 0) as s:
        rt.create(b, check=message)
    assert s.states == []


@pytest.mark.differs("runc crun", "they connect in create")
@pytest.mark.parametrize("how", ["start", "exec"])
def test_nobody_listens_any_more(rt, box, work, how):
    """What cannot be handed over does not run."""
    b = box(["touch", "/ran"] if how == "start" else ["sleep", "99"], asks(work + "/s"))
    with listener(work + "/s", lambda call: 0):
        rt.create(b)
        if how == "exec":
            rt.start(b)
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(work + "/s")
    message = NOBODY + f"connect to the socket {work}/s: Connection refused"
    if how == "start":
        rt.start(b, check=message)
        rt.wait(b)
    else:
        rt.exec(b, "--", "touch", "/ran", check=message)
        assert rt.status(b) == "running"
    assert not os.path.exists(b.rootfs + "/ran")
