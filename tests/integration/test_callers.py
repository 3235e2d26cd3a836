# SPDX-License-Identifier: Apache-2.0
"""Callers that leave their children descriptors, signals and directories in odd states."""
import os
import signal
import subprocess

import pytest
from bundle import namespace, shell
from test_namespaces import mapped, with_user_namespace

SLEEP = ["sleep", "100"]


def closed(argv):
    """The command, without standard streams."""
    return ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *argv]


def test_no_standard_streams(rt, box):
    script = shell("for i in 0 1 2; do readlink /proc/$$/fd/$i; done >/said")
    b = box(script)
    subprocess.run(closed(rt.argv("create", "--bundle", b.path, b.id)), check=True, timeout=10)
    subprocess.run(closed(rt.argv("start", b.id)), check=True, timeout=10)
    rt.wait(b)
    assert b.read("/said").split() == ["/dev/null", "/said", "/dev/null"]
    b = rt.up(box(SLEEP))
    subprocess.run(closed(rt.argv("exec", b.id, *script)), check=True, timeout=10)
    assert b.read("/said").split() == ["/dev/null", "/said", "/dev/null"]


def test_ignored_sigchld(rt, box):
    r = rt.run(box(shell("exit 7")),
               preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
    assert r.code == 7


@pytest.mark.differs("crun", "takes what there is")
def test_descriptors_that_are_not_there(rt, box):
    b = box(SLEEP)
    said = "--preserve-fds 60: descriptor 3 is not open"
    rt.create(b, "--preserve-fds", "60", check=said, timeout=5)
    rt.up(b)
    rt.exec(b, "--preserve-fds", "60", "--", "true", check=said, timeout=5)


@pytest.mark.parametrize("command", ["run", "exec"])
def test_working_directory_closed_to_the_user(rt, box, command):
    def edit(c):
        c["process"].update(user={"uid": 1000, "gid": 1000}, cwd="/root")
    b = box(["pwd"] if command == "run" else SLEEP, edit)
    os.chmod(b.rootfs + "/root", 0o700)
    if command == "run":
        r = rt.run(b, check=True)
    else:
        rt.up(b)
        r = rt.exec(b, "--", "pwd", check=True)
    assert r.out == "/root\n"


@pytest.mark.differs("runc crun", "runc 1.1 knows no time namespace, crun's hooks enter it")
def test_hooks_keep_the_hosts_time(rt, box, work):
    def edit(c):
        namespace(c, "time")
        c["hooks"] = {"createRuntime": [{"path": "/bin/sh", "args": [
            "sh", "-c", f"readlink /proc/self/ns/time >{work}/said"]}]}
    rt.create(box(SLEEP, edit))
    with open(work + "/said", encoding="ascii") as f:
        assert f.read().strip() == os.readlink("/proc/self/ns/time")


@pytest.fixture
def netns(work):
    """A network namespace of the host's, by path."""
    path = work + "/net"
    with open(path, "w", encoding="ascii"):
        pass
    subprocess.run(["unshare", f"--net={path}", "true"], check=True)
    with open(path, "rb") as f:
        inode = os.fstat(f.fileno()).st_ino
    yield path, f"net:[{inode}]"
    subprocess.run(["umount", path], check=True)


def test_user_namespace_with_a_network_of_the_hosts(rt, box, netns):
    def edit(c):
        with_user_namespace(c)
        namespace(c, "network", netns[0])
        c["mounts"] = [m for m in c["mounts"] if m["type"] != "sysfs"]
    b = rt.up(mapped(box(SLEEP, edit)))
    pid = rt.state(b)["pid"]
    assert os.readlink(f"/proc/{pid}/ns/net") == netns[1]
    for kind in ("user", "pid", "mnt", "ipc", "uts"):
        assert os.readlink(f"/proc/{pid}/ns/{kind}") != os.readlink(f"/proc/self/ns/{kind}")
    r = rt.exec(b, "--", "sh", "-c", "readlink /proc/self/ns/net; id -u; echo $$", check=True)
    assert r.out.split()[:2] == [netns[1], "0"]


@pytest.mark.differs("runc crun", "runc 1.1 knows no time namespace")
def test_exec_in_user_and_time_namespaces(rt, box):
    def edit(c):
        with_user_namespace(c)
        namespace(c, "time")
    b = rt.up(mapped(box(SLEEP, edit)))
    rt.exec(b, "--", "true", check=True)
