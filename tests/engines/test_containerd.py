# SPDX-License-Identifier: Apache-2.0
"""What people do with ctr, with the runtime below containerd's shim."""
import concurrent.futures as cf
import os

import leaks
import pytest
from conftest import kept
from runtime import until
from terminal import Spawned

SEQUENCE = int(os.environ.get("AGENTRUN_SEQUENCE", "200"))


@pytest.fixture
def up(ctr):
    ctr.run("-d", "c1", "sleep", "100", check=True)
    return "c1"


def test_hello(ctr):
    assert ctr.run("--rm", "c1", "echo", "hello", check=True).out == "hello\n"


@pytest.mark.parametrize("command, code", [
    (["true"], 0), (["sh", "-c", "exit 7"], 7),
    (["sh", "-c", "sh -c 'kill -9 $$'; exit $?"], 137),
])
def test_exit_code(ctr, command, code):
    assert ctr.run("--rm", "c1", *command).code == code


@pytest.mark.parametrize("command, message", [
    (["no-such"], "executable file not found in $PATH"),
    (["/etc/passwd"], "permission denied"),
])
def test_not_started(ctr, command, message):
    r = ctr.run("--rm", "c1", *command, check=False)
    assert message in r.err


def test_interactive_shell(ctr):
    args = ctr.run_args("--rm", "-t", "--env=PS1=box>", "c1", "sh")
    with Spawned(ctr.argv(*args)) as t:
        t.expect("box>", 30)
        t.write("tty; echo $((6 * 7)); exit 5\n")
        t.expect("42")
        assert t.wait(30) == 5


def test_exec(ctr, up):
    r = ctr("task", "exec", "--exec-id", "e1", up, "echo", "inside", check=True)
    assert r.out == "inside\n"
    assert ctr("task", "exec", "--exec-id", "e2", up, "sh", "-c", "exit 7").code == 7


def test_exec_terminal(ctr, up):
    with Spawned(ctr.argv("task", "exec", "-t", "--exec-id", "e1", up, "sh")) as t:
        t.write("tty; exit 4\n")
        t.expect("/dev/pts/")
        assert t.wait(30) == 4


def test_kill(ctr, up):
    ctr("task", "kill", "-s", "SIGKILL", up, check=True)
    until(lambda: "STOPPED" in ctr("task", "ls", check=True).out)


def test_kill_all(ctr, up):
    ctr("task", "exec", "-d", "--exec-id", "e1", up, "sleep", "99", check=True)
    ctr("task", "kill", "-a", "-s", "SIGKILL", up, check=True)
    until(lambda: "STOPPED" in ctr("task", "ls", check=True).out)


def test_pause(ctr, up):
    ctr("task", "pause", up, check=True)
    assert "PAUSED" in ctr("task", "ls", check=True).out
    ctr("task", "resume", up, check=True)
    assert "RUNNING" in ctr("task", "ls", check=True).out


def test_ps_and_metrics(ctr, up):
    assert len(ctr("task", "ps", up, check=True).out.splitlines()) == 2
    assert "memory" in ctr("task", "metrics", up, check=True).out


def test_20_at_once(ctr):
    with cf.ThreadPoolExecutor(20) as pool:
        codes = list(pool.map(lambda i: ctr.run("--rm", f"p{i}", "sh", "-c", f"exit {i}",
                                                timeout=120).code, range(20)))
    assert codes == list(range(20))


def test_200_in_sequence(ctr):
    ctr.run("--rm", "s", "true", check=True)
    before = leaks.Snapshot()
    for i in range(SEQUENCE):
        ctr.run("--rm", f"s{i}", "true", check=True)
    before.check(ignore=kept, timeout=10)
