# SPDX-License-Identifier: Apache-2.0
"""THREATS A and B: what a process inside does to the runtime, the host and its neighbours."""
import contextlib
import ctypes
import os
import subprocess
import time

import pytest
from bundle import shell
from confined import confine, put, tool
from runtime import background, until

SLEEP = ["sleep", "100"]


@pytest.fixture
def insider(box):
    """insider(ACTION): a bundle that does that."""
    def make(*action, edit=None):
        b = box(["insider", *action], edit)
        put(b, tool("insider"))
        return b
    return make


def test_b6_session_keyring_opened_by_a_neighbour(rt, insider):
    a = insider()
    a.config["process"]["args"] = shell("insider open-keyring >/said")
    a.save()
    rt.up(a)
    theirs = until(lambda: os.path.exists(a.rootfs + "/said") and a.read("/said"))
    assert rt.run(insider("keyring"), check=True).out != theirs


@pytest.mark.parametrize("command", [["kill", "ID", "KILL"], ["kill", "--all", "ID", "KILL"],
                                     ["delete", "--force", "ID"], ["state", "ID"],
                                     ["update", "--pids-limit", "50", "ID"]],
                         ids=lambda c: "-".join(c[:2]))
def test_a14_an_exec_stopped_from_inside_holds_up_nobody(rt, insider, command):
    b = rt.up(insider("stop-all"))
    with contextlib.ExitStack() as stack:
        execs = []

        def one_is_stopped():
            execs.append(stack.enter_context(background(rt.argv("exec", b.id, "sleep", "50"))))
            time.sleep(0.1)
            return "agentrun-init" in rt("ps", b.id, check=True).out

        until(one_is_stopped, timeout=10)
        rt(*[b.id if x == "ID" else x for x in command], check=True, timeout=5)
        rt.delete(b, "--force", check=True, timeout=5)
        for p in execs:
            assert p.wait(5) != 0


def test_b7_a_first_thread_that_ended_hides_nothing(rt, insider):
    b = rt.up(insider("hide"))
    pid = rt.state(b)["pid"]

    def state():
        with open(f"/proc/{pid}/stat", encoding="ascii") as f:
            return f.read().rpartition(")")[2].split()[0]

    until(lambda: state() == "Z")
    assert rt.status(b) == "running"
    rt.kill(b, "KILL", check=True)
    rt.wait(b)


@pytest.mark.differs("runc", "1.1 shows its own")
def test_a5_what_waits_for_start_shows_no_descriptor(rt, box):
    """Its ids and capabilities are the container's already (CVE-2016-9962)."""
    b = box(SLEEP)
    rt.create(b)
    look = shell("readlink /proc/1/exe; readlink /proc/1/fd/0")
    assert rt.exec(b, "--", *look, check=False).out == ""
    rt.start(b)
    until(lambda: rt.exec(b, "--", *look).out.startswith("/bin/busybox\n"))


def test_a6_the_hosts_dev_null_stays_the_hosts(rt, box, work):
    """The container's own /dev/null is what it made of it."""
    b = rt.up(box(SLEEP))
    rt.exec(b, "--", "sh", "-c", "rm /dev/null; : >/dev/null", check=True)
    null = work + "/null"
    os.mknod(null, 0o20666, os.makedev(1, 3))
    with open(null, "rb") as f:
        rt.exec(b, "--user", "1000", "--", "true", stdin=f, check=True)
    assert os.stat(null).st_uid == 0


def test_a12_groups_of_the_caller_are_dropped(rt, box, work):
    """As Podman does for a user without root: root of a user namespace starts the runtime."""
    def edit(c):
        for key in ("cgroupsPath", "resources", "maskedPaths", "readonlyPaths"):
            c["linux"].pop(key)
        c["mounts"] = [m for m in c["mounts"] if m["type"] in ("proc", "tmpfs")]
    b = box(["id", "-G"], edit)
    subprocess.run(["chown", "-R", "100000:100000", work], check=True)
    with background(["setpriv", "--reuid", "100000", "--regid", "100000", "--groups", "27,999",
                     "unshare", "--user", "sleep", "100"]) as holder:
        own = os.readlink("/proc/self/ns/user")
        until(lambda: os.readlink(f"/proc/{holder.pid}/ns/user") != own)
        for kind in ("gid", "uid"):
            with open(f"/proc/{holder.pid}/{kind}_map", "w", encoding="ascii") as f:
                f.write("0 100000 65536")
        with open(f"/proc/{holder.pid}/ns/user", "rb") as namespace:
            def enter():
                libc = ctypes.CDLL(None, use_errno=True)
                os.setgroups([27, 999])
                assert libc.setns(namespace.fileno(), 0) == 0
                os.setresgid(0, 0, 0)
                os.setresuid(0, 0, 0)
                assert libc.unshare(0x20000) == 0  # CLONE_NEWNS

            r = rt.run(b, check=True, preexec_fn=enter)
    assert r.out == "0\n"


def test_b7_limits_time_with_the_callers_descriptors(rt, box, work):
    """The companion's own descriptors do not depend on which ones the caller left open."""
    b = confine(box(SLEEP), work, limits_time="1s")
    rt.create(b)
    fds = [os.dup2(0, fd, inheritable=True) for fd in range(100, 103)]
    try:
        rt("start", b.id, check=True, pass_fds=fds)
    finally:
        for fd in fds:
            os.close(fd)
    rt.wait(b, timeout=5)
