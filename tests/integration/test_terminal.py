# SPDX-License-Identifier: Apache-2.0
"""Terminals: handed over a console socket, or run in the foreground on the caller's."""
import json
import os
import subprocess
import time

import pytest
from bundle import shell
from runtime import until
from terminal import ConsoleSocket, Spawned

SHELL = ["sh"]


def with_terminal(c):
    c["process"]["terminal"] = True
    c["process"]["env"].append("PS1=box> ")


@pytest.fixture
def console(work):
    with ConsoleSocket(work + "/c") as c:
        yield c


def test_console_socket(rt, box, console):
    b = box(SHELL, with_terminal)
    rt.create(b, "--console-socket", console.path)
    t, _ = console.receive()
    rt.start(b)
    t.expect("box> ")
    t.write("tty; ls -l /dev/console | cut -c1\n")
    t.expect("/dev/pts/0\r\n")
    t.expect("c\r\n")
    t.write("exit 3\n")
    t.rest()
    rt.wait(b)
    t.close()


@pytest.mark.parametrize("rows, cols", [(41, 123)])
def test_console_size(rt, box, console, rows, cols):
    def edit(c):
        with_terminal(c)
        c["process"]["consoleSize"] = {"height": rows, "width": cols}
    b = box(["stty", "size"], edit)
    rt.create(b, "--console-socket", console.path)
    t, _ = console.receive()
    rt.start(b)
    t.expect(f"{rows} {cols}")
    t.close()
    rt.wait(b)


def test_exec_with_console_socket(rt, box, console):
    b = rt.up(box(["sleep", "100"]))
    rt.exec(b, "--tty", "--detach", "--console-socket", console.path, "--",
            "sh", "-c", "tty && test -t 2 && echo is-tty", check=True)
    t, _ = console.receive()
    t.expect("is-tty")
    t.close()


def test_detached_terminal_without_console_socket_is_an_error(rt, box):
    b = box(SHELL, with_terminal)
    rt.create(b, check="process.terminal is true, but nobody takes the terminal")
    assert rt.ids() == []


@pytest.mark.differs("crun", "it ignores the socket")
def test_console_socket_without_terminal_is_an_error(rt, box, console):
    rt.create(box(), "--console-socket", console.path,
              check="--console-socket is given, but process.terminal is false")
    assert rt.ids() == []


def test_console_socket_that_nobody_listens_on(rt, box, work):
    rt.create(box(SHELL, with_terminal), "--console-socket", work + "/none",
              check=f"console socket {work}/none: No such file or directory")
    assert rt.ids() == []


@pytest.mark.differs("crun", "1.8 does not set the size")
def test_foreground_shell(rt, box):
    b = box(SHELL, with_terminal)
    with Spawned(rt.argv("run", "--bundle", b.path, b.id)) as t:
        t.expect("box> ")
        t.write("stty size; echo $((6*7))\n")
        t.expect("30 90\r\n")
        t.expect("42\r\n")
        t.resize(50, 100)
        t.write("sleep 0.3; stty size\n")
        t.expect("50 100\r\n")
        t.write("exit 7\n")
        assert t.wait() == 7


def test_foreground_interrupt_reaches_the_container(rt, box):
    b = box(shell("trap 'echo got-int; exit 5' INT; echo ready; while :; do sleep 0.05; done"),
            with_terminal)
    with Spawned(rt.argv("run", "--bundle", b.path, b.id)) as t:
        t.expect("ready")
        t.write("\x03")
        t.expect("got-int")
        assert t.wait() == 5


def ps(rt, b):
    """The command lines of the container's processes."""
    found = b""
    for pid in json.loads(rt("ps", "--format", "json", b.id, check=True).out):
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            found += f.read()
    return found


def test_foreground_job_control(rt, box):
    b = box(SHELL, with_terminal)
    with Spawned(rt.argv("run", "--bundle", b.path, b.id)) as t:
        t.expect("box> ")
        t.write("sleep 100\n")
        until(lambda: b"sleep" in ps(rt, b))
        t.write("\x1a")
        t.expect("Stopped")
        t.write("kill -9 %1; wait\n")
        t.write("exit 0\n")
        t.write("exit 0\n")  # a shell that was not told yet of the job's end asks back once
        assert t.wait() == 0


def test_callers_terminal_is_restored(rt, box):
    b = box(["true"], with_terminal)
    with Spawned(["sh", "-c", "stty -a >/dev/null; " + " ".join(
            rt.argv("run", "--bundle", b.path, b.id)) + "; stty -a; echo END"]) as t:
        out = t.expect("END")
    assert " icanon" in out and " echo " in out and "-icanon" not in out


@pytest.mark.differs("crun", "1.8 loses PATH with --env")
def test_foreground_exec(rt, box):
    b = rt.up(box(["sleep", "100"]))
    with Spawned(rt.argv("exec", "--tty", "--env", "PS1=in> ", b.id, "sh")) as t:
        t.expect("in> ")
        t.write("tty; exit 9\n")
        t.expect("/dev/pts/")
        assert t.wait() == 9


@pytest.mark.differs("runc crun", "they take a terminal for stdin only")
@pytest.mark.parametrize("argv, said, code", [
    (["cat"], b"", 0), (["sh", "-c", "read x; exit $x"], b"7\n", 7),
    (["sh", "-c", "read x; exit $x"], b"8", 8),
])
def test_the_end_of_the_input_is_typed(rt, box, argv, said, code):
    """They would wait for ever for what nobody types."""
    b = box(argv, with_terminal)
    r = subprocess.run(rt.argv("run", "--bundle", b.path, b.id), input=said, timeout=10,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    assert r.returncode == code


@pytest.mark.differs("runc crun", "they take a terminal for stdin only")
def test_a_process_that_does_not_read_is_still_heard(rt, box):
    """More than a terminal holds goes in while as much comes out."""
    size = 300000
    b = box(shell("stty raw -echo; echo ready; exec cat"), with_terminal)
    with subprocess.Popen(rt.argv("run", "--bundle", b.path, b.id), stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as p:
        os.set_blocking(p.stdout.fileno(), False)
        os.set_blocking(p.stdin.fileno(), False)
        seen = b""
        sent = 0
        end = time.monotonic() + 15
        while len(seen) < size + 6 and time.monotonic() < end:
            seen += p.stdout.read() or b""
            if b"ready" in seen and sent < size:
                try:
                    sent += os.write(p.stdin.fileno(), b"x" * min(65536, size - sent))
                except BlockingIOError:
                    pass
            time.sleep(0.001)
        rt.kill(b, "KILL", check=True)
        assert p.wait(5) == 137
    assert len(seen.strip()) == size + 6
