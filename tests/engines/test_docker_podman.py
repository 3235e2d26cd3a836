# SPDX-License-Identifier: Apache-2.0
"""What people do with docker and podman, with the runtime below."""
import concurrent.futures as cf
import os
import shutil
import time
import urllib.request

import leaks
import pytest
from conftest import kept
from engines import IMAGE, controller
from runtime import run, status_field, until
from terminal import Spawned

SEQUENCE = int(os.environ.get("AGENTRUN_SEQUENCE", "200"))
PARALLEL = 20
TERM = "trap 'exit 3' TERM; echo up; while :; do sleep 0.05; done"


limits = pytest.mark.skipif(not (controller("memory") and controller("pids")),
                            reason="no cgroup controllers here")


@pytest.fixture
def up(engine):
    return engine.up(IMAGE, "sleep", "100")


def test_hello(engine):
    r = engine.run("--rm", IMAGE, "echo", "hello", check=True)
    assert r.out == "hello\n"


@pytest.mark.parametrize("command, code", [
    (["true"], 0), (["sh", "-c", "exit 7"], 7), (["no-such"], 127), (["/no/such"], 127),
    (["/etc/passwd"], 126), (["sh", "-c", "sh -c 'kill -9 $$'; exit $?"], 137),
])
def test_exit_code(engine, command, code):
    assert engine.run("--rm", IMAGE, *command).code == code


def test_interactive_shell(engine):
    args = engine.run_args("--rm", "-it", "-e", "PS1=box> ", IMAGE, "sh")
    with Spawned(engine.argv(*args), env=engine.environment()) as t:
        t.expect("box> ", 30)
        t.write("tty; echo $((6 * 7)); stty size\n")
        t.expect("/dev/pts/0")
        t.expect("42")
        t.expect("30 90")
        t.resize(44, 99)
        until(lambda: t.write("stty size\n") or "44 99" in t.expect("box> "), 10)
        t.write("exit 5\n")
        assert t.wait(30) == 5


def test_input(engine):
    assert engine.run("--rm", "-i", IMAGE, "cat", stdin="in\n", check=True).out == "in\n"


def test_exec(engine, up):
    assert engine("exec", up, "echo", "inside", check=True).out == "inside\n"
    assert engine("exec", "-i", up, "cat", stdin="in\n", check=True).out == "in\n"
    out = engine("exec", "-u", "1000", "-w", "/tmp", "-e", "A=b", up, "sh", "-c",
                 "id -u; pwd; echo $A", check=True).out
    assert out.split() == ["1000", "/tmp", "b"]


@pytest.mark.parametrize("command, code", [
    (["sh", "-c", "exit 7"], 7), (["no-such"], 127), (["/etc/passwd"], 126),
    (["sh", "-c", "kill -9 $$"], 137),
])
def test_exec_exit_code(engine, up, command, code):
    if command == ["no-such"] and engine.name == "docker" and not engine.annotations:
        code = 126  # what 20.10 made of every failure to start
    assert engine("exec", up, *command).code == code


def test_exec_terminal(engine, up):
    with Spawned(engine.argv("exec", "-it", "-e", "PS1=in> ", up, "sh"),
                 env=engine.environment()) as t:
        t.expect("in> ", 30)
        t.write("tty; exit 4\n")
        t.expect("/dev/pts/")
        assert t.wait(30) == 4


def test_stop_is_term_then_kill(engine):
    polite = engine.up(IMAGE, "sh", "-c", TERM)
    until(lambda: "up" in engine("logs", polite).out)
    engine("stop", "-t", "10", polite, check=True)
    assert engine.inspect(polite, "{{.State.ExitCode}}") == "3"
    deaf = engine.up(IMAGE, "sh", "-c", "trap '' TERM; echo up; while :; do sleep 1; done")
    until(lambda: "up" in engine("logs", deaf).out)
    engine("stop", "-t", "1", deaf, check=True)
    assert engine.inspect(deaf, "{{.State.ExitCode}}") == "137"


@pytest.mark.parametrize("sig, code", [("KILL", "137"), ("TERM", "3")])
def test_kill(engine, sig, code):
    c = engine.up(IMAGE, "sh", "-c", TERM)
    until(lambda: "up" in engine("logs", c).out)
    engine("kill", "-s", sig, c, check=True)
    until(lambda: engine.inspect(c, "{{.State.Running}}") == "false", 10)
    assert engine.inspect(c, "{{.State.ExitCode}}") == code


def test_rm_force(engine, up):
    pid = engine.pid(up)
    engine("rm", "-f", *(["-t", "0"] if engine.name == "podman" else []), up, check=True)
    until(lambda: not os.path.exists(f"/proc/{pid}"))
    assert "no such" in engine("inspect", up, check=False).err.lower()


def test_restart(engine):
    c = engine.up(IMAGE, "sleep", "100")
    engine("restart", "-t", "0", c, check=True)
    assert engine.inspect(c, "{{.State.Running}}") == "true"


def test_create_start_wait(engine):
    c = engine("create", *engine.runtime_args(None), IMAGE, "sh", "-c", "exit 6",
               check=True).out.strip()
    engine("start", c, check=True)
    assert engine("wait", c, check=True).out.strip() == "6"


@limits
def test_stats(engine, up):
    r = engine("stats", "--no-stream", "--format", "{{.PIDs}} {{.MemUsage}}", up, check=True)
    assert r.out.split()[0] == "1"


def test_top(engine, up):
    assert "sleep 100" in engine("top", up, check=True).out


def test_pause(engine):
    c = engine.up(IMAGE, "sh", "-c", "n=0; while :; do n=$((n+1)); echo $n; sleep 0.05; done")
    engine("pause", c, check=True)
    assert engine.inspect(c, "{{.State.Status}}") == "paused"
    before = engine("logs", c).out
    time.sleep(0.3)
    assert engine("logs", c).out == before
    engine("unpause", c, check=True)
    until(lambda: engine("logs", c).out != before)


def cgroup_value(engine, c, v1, v2):
    with open(f"/proc/{engine.pid(c)}/cgroup", encoding="ascii") as f:
        lines = [line.strip().split(":", 2) for line in f]
    for _, names, path in lines:
        for top, file in ((f"/sys/fs/cgroup/{v1.split('.')[0]}", v1), ("/sys/fs/cgroup", v2)):
            full = f"{top}{path}/{file}"
            if (v1.split(".")[0] in names.split(",") or not names) and os.path.exists(full):
                with open(full, encoding="ascii") as f:
                    return f.read().strip()
    raise AssertionError(lines)


@limits
def test_limits_and_update(engine):
    c = engine.up("-m", "64m", "--pids-limit", "50", IMAGE, "sleep", "100")
    assert cgroup_value(engine, c, "memory.limit_in_bytes", "memory.max") == str(64 << 20)
    assert cgroup_value(engine, c, "pids.max", "pids.max") == "50"
    if engine.name == "podman" and engine.version < (5, 0):
        engine("update", "-m", "96m", c, check=True)
    else:
        engine("update", "-m", "96m", "--memory-swap", "200m", c, check=True)
    assert cgroup_value(engine, c, "memory.limit_in_bytes", "memory.max") == str(96 << 20)
    assert cgroup_value(engine, c, "pids.max", "pids.max") == "50"


@pytest.mark.skipif(not os.path.isdir("/run/systemd/system"), reason="no systemd here")
def test_scope(engine, up):
    """Of the user's systemd where the engine is a user's."""
    if engine.name == "docker" and not os.path.exists("/sys/fs/cgroup/cgroup.controllers"):
        pytest.skip("Docker leaves version 1 of cgroups to cgroupfs")
    manager = ["--user"] if os.geteuid() else []
    with open(f"/proc/{engine.pid(up)}/cgroup", encoding="ascii") as f:
        path = [line.strip() for line in f if ".scope" in line][-1]
    scope = [name for name in path.split("/") if name.endswith(".scope")][-1]
    assert up in scope and ("/user@" in path) == bool(manager), path

    def active():
        return run(["systemctl", *manager, "is-active", scope]).out.strip() == "active"
    assert active()
    engine("rm", "-f", *(["-t", "0"] if engine.name == "podman" else []), up, check=True)
    until(lambda: not active())


@limits
def test_out_of_memory(engine):
    r = engine.run("-m", "16m", "--memory-swap", "16m", "--rm", IMAGE, "tail", "/dev/zero")
    assert r.code == 137


def test_healthcheck(engine):
    c = engine.up("--health-cmd", "test -e /healthy", "--health-interval", "1s",
                  "--health-retries", "1", IMAGE, "sh", "-c", "touch /healthy; sleep 100")
    if engine.name == "podman":  # without systemd nobody runs it on time
        engine("healthcheck", "run", c, check=True)
        engine("exec", c, "rm", "/healthy", check=True)
        assert "unhealthy" in engine("healthcheck", "run", c, check=False).text
    else:
        until(lambda: engine.inspect(c, "{{.State.Health.Status}}") == "healthy", 15)
        engine("exec", c, "rm", "/healthy", check=True)
        until(lambda: engine.inspect(c, "{{.State.Health.Status}}") == "unhealthy", 15)


def test_init(engine):
    init = ["--init"]
    if engine.name == "podman":
        init.append("--init-path=" + shutil.which("tini-static"))
    r = engine.run("--rm", *init, IMAGE, "sh", "-c", "echo $$; cat /proc/1/comm", check=True)
    pid, comm = r.out.split()
    assert int(pid) > 1 and "init" in comm


def test_named_volume(engine):
    engine("volume", "create", "v1", check=True)
    try:
        engine.run("--rm", "-v", "v1:/data", IMAGE, "sh", "-c", "echo kept >/data/f", check=True)
        r = engine.run("--rm", "-v", "v1:/data:ro", IMAGE, "cat", "/data/f", check=True)
        assert r.out == "kept\n"
    finally:
        engine("volume", "rm", "v1", check=True)


def test_bind_mount(engine, work):
    engine.run("--rm", "-v", f"{work}:/work", "-w", "/work", IMAGE, "sh", "-c", "echo x >f",
               check=True)
    with open(work + "/f", encoding="ascii") as f:
        assert f.read() == "x\n"


def fetch(port, host="127.0.0.1"):
    with urllib.request.urlopen(f"http://{host}:{port}/index.html", timeout=2) as r:
        return r.read().decode()


def served(port, host="127.0.0.1"):
    def ask():
        try:
            return fetch(port, host)
        except OSError:
            return None
    return until(ask, 10)


def test_published_port(engine):
    engine.up("-p", "18080:80", IMAGE, "httpd", "-f", "-p", "80")
    assert served(18080) == "served\n"


def test_user_defined_network(engine):
    """By name where the engine's resolver runs, by address everywhere."""
    engine("network", "create", "n1", check=True)
    try:
        c = engine.up("--network", "n1", "--name", "server", IMAGE, "httpd", "-f", "-p", "80")
        ip = engine.inspect(c, "{{(index .NetworkSettings.Networks \"n1\").IPAddress}}")
        r = engine.run("--rm", "--network", "n1", IMAGE, "wget", "-qO-",
                       f"http://{ip}/index.html", check=True)
        assert r.out == "served\n"
        if engine.name == "docker":
            r = engine.run("--rm", "--network", "n1", IMAGE, "wget", "-qO-",
                           "http://server/index.html", check=True)
            assert r.out == "served\n"
    finally:
        engine.remove_all()
        engine("network", "rm", "n1", check=True)


def test_no_network(engine):
    out = engine.run("--rm", "--network", "none", IMAGE, "ip", "-o", "link", check=True).out
    assert "eth0" not in out


def test_shared_network_namespace(engine, up):
    r = engine.run("--rm", "--network", f"container:{up}", IMAGE, "readlink", "/proc/self/ns/net",
                   check=True)
    assert r.out.strip() == os.readlink(f"/proc/{engine.pid(up)}/ns/net")


def test_user_and_read_only(engine):
    r = engine.run("--rm", "--read-only", "--user", "1000:1000", "--tmpfs", "/tmp", IMAGE,
                   "sh", "-c", "id -u; touch /tmp/ok && ! touch /no 2>/dev/null", check=True)
    assert r.out == "1000\n"


def test_capabilities_and_security_options(engine):
    r = engine.run("--rm", "--cap-drop", "ALL", "--cap-add", "CHOWN", "--security-opt",
                   "no-new-privileges", IMAGE, "grep", "-E", "CapEff|NoNewPrivs",
                   "/proc/self/status", check=True)
    assert r.out.split() == ["CapEff:", "0000000000000001", "NoNewPrivs:", "1"]


def test_privileged(engine):
    with open("/proc/self/status", encoding="ascii") as f:
        bounding = int(status_field(f.read(), "CapBnd"), 16)
    with open("/proc/sys/kernel/cap_last_cap", encoding="ascii") as f:
        if bounding != (2 << int(f.read())) - 1:
            pytest.skip("this machine's own bounding set is not full")
    r = engine.run("--rm", "--privileged", IMAGE, "sh", "-c",
                   "mount -t tmpfs tmpfs /tmp && echo mounted", check=True)
    assert r.out == "mounted\n"


@pytest.mark.parametrize("kind", ["host"])
def test_host_namespaces(engine, kind):
    r = engine.run("--rm", "--network", kind, "--pid", kind, "--ipc", kind, IMAGE, "sh", "-c",
                   "for n in net pid ipc; do readlink /proc/self/ns/$n; done", check=True)
    host = [os.readlink(f"/proc/self/ns/{n}") for n in ("net", "pid", "ipc")]
    if engine.name == "docker" and os.geteuid():
        # rootless Docker's host network is not the machine's
        assert r.out.split()[1:] == host[1:]
    else:
        assert r.out.split() == host


def test_failed_start_leaves_nothing(engine):
    """The engine calls delete after a failed create."""
    r = engine.run("--rm", IMAGE, "no-such")
    assert r.code == 127 and "no-such" in r.err


def test_container_environment(engine):
    out = engine.run("--rm", "-e", "A=b c", "--hostname", "h1", IMAGE, "sh", "-c",
                     "echo $A; hostname", check=True).out
    assert out == "b c\nh1\n"


def test_logs(engine):
    c = engine.up(IMAGE, "sh", "-c", "echo out; echo err >&2")
    engine("wait", c, check=True)
    r = engine("logs", c, check=True)
    assert r.out == "out\n" and r.err == "err\n"


def test_copy(engine, up, work):
    with open(work + "/f", "w", encoding="ascii") as f:
        f.write("copied\n")
    engine("cp", work + "/f", f"{up}:/tmp/f", check=True)
    assert engine("exec", up, "cat", "/tmp/f", check=True).out == "copied\n"


def test_20_at_once(engine):
    with cf.ThreadPoolExecutor(PARALLEL) as pool:
        codes = list(pool.map(lambda i: engine.run("--rm", IMAGE, "sh", "-c", f"exit {i}",
                                                   timeout=120).code, range(PARALLEL)))
    assert codes == list(range(PARALLEL))


def test_200_in_sequence(engine):
    engine.run("--rm", IMAGE, "true", check=True)
    before = leaks.Snapshot()
    for _ in range(SEQUENCE):
        engine.run("--rm", IMAGE, "true", check=True)
    before.check(ignore=kept, timeout=10)
    assert engine("ps", "-aq", check=True).out == ""
