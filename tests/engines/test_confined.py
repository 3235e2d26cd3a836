# SPDX-License-Identifier: Apache-2.0
"""The main job: a container under the `agent` profile, through each engine."""
import concurrent.futures as cf
import json
import os
import socket
import threading
import urllib.request

import confined
import leaks
import probe
import pytest
from conftest import CHOSEN, clean, kept
from engines import IMAGE, controller
from runtime import flavour, program, run, until
from terminal import Spawned

pytestmark = pytest.mark.skipif(flavour() != "agentrun", reason="only agentrun has policies")

TOKEN = "ghp_" + "A1b2C3d4E5f6G7h8I9j0" + "k1L2m3N4o5P6q7R8"
KEY = "sk-ant-api03-" + "Zz9" * 31 + "AA"
ALLOWED4, ALLOWED6, PORT = "203.0.113.5", "2001:db8:5::1", 8080
DENIED4, DENIED6 = "203.0.113.6", "2001:db8:5::2"
# What the probe must not get; each is "ok" for a privileged process (test_probe_can_succeed).
FORBIDDEN = ("vsock packet packet-dgram xdp raw raw6 netfilter io_uring unshare-user unshare-net "
             "unshare-mount clone-user clone3-user setns mount-tmpfs mount-bind umount remount "
             "fsopen open_tree ptrace vm_write bpf perf userfaultfd keyctl add_key by_handle "
             "module kexec personality mknod").split()

# How a connection is refused by the table, and where the engine has no way for it at all.
REFUSED = ("ECONNREFUSED", "EPERM", "EHOSTUNREACH", "EACCES", "ENETUNREACH")

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs addresses of its own")


@pytest.fixture(params=CHOSEN)
def engine(request):
    yield from clean(request.param)


@pytest.fixture(scope="module")
def server():
    """Two addresses of the host's own, one of them allowed by the profile `work`, and answers."""
    if os.geteuid() != 0:  # an ordinary user cannot give this machine addresses
        yield
        return
    for a in (ALLOWED4 + "/32", DENIED4 + "/32", ALLOWED6 + "/128", DENIED6 + "/128"):
        run(["ip", "addr", "add", a, "dev", "lo", "nodad"] if ":" in a else
            ["ip", "addr", "add", a, "dev", "lo"], check=True)
    sockets = []
    for family, any_ in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
        s = socket.socket(family)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        s.bind((any_, PORT))
        s.listen(64)
        sockets.append(s)

        def serve(s=s):
            while True:
                try:
                    c, _ = s.accept()
                except OSError:
                    return
                with c:
                    try:
                        c.recv(4096)
                        c.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 8\r\n\r\nallowed\n")
                    except OSError:
                        pass
        threading.Thread(target=serve, daemon=True).start()
    yield
    for s in sockets:
        s.shutdown(socket.SHUT_RDWR)
        s.close()
    for a in (ALLOWED4 + "/32", DENIED4 + "/32", ALLOWED6 + "/128", DENIED6 + "/128"):
        run(["ip", "addr", "del", a, "dev", "lo"])


def planted(engine, how):
    """The environment as /proc shows it, of every process."""
    script = "cat /proc/[0-9]*/environ | tr '\\0' '\\n'; true"
    env = {"GITHUB_TOKEN": TOKEN, "HARMLESS": KEY, "EDITOR": "vi"}
    if how == "run":
        return engine.box("agent", ["sh", "-c", script], env=env, check=True).out
    with engine.running("agent", env=env) as c:
        return c.exec(["sh", "-c", script], env=env, check=True).out


@pytest.mark.parametrize("how", ["run", "exec"])
def test_planted_credentials_are_gone(engine, how):
    out = planted(engine, how)
    assert TOKEN not in out and "GITHUB_TOKEN" not in out
    assert KEY not in out
    assert "EDITOR=vi" in out


def test_plain_container_keeps_them(engine):
    """The test above can fail."""
    out = engine.box(None, ["env"], env={"GITHUB_TOKEN": TOKEN}, check=True).out
    assert TOKEN in out


@pytest.fixture
def home(work):
    os.mkdir(work + "/.ssh")
    with open(work + "/.ssh/id_ed25519", "w", encoding="ascii") as f:
        f.write("secret\n")
    os.mkdir(work + "/project")
    with open(work + "/project/file", "w", encoding="ascii") as f:
        f.write("code\n")
    s = socket.socket(socket.AF_UNIX)
    s.bind(work + "/docker.sock")
    s.listen()
    os.chmod(work + "/project", 0o777)
    yield work
    s.close()


@pytest.mark.parametrize("what", ["/.ssh", "/docker.sock"])
def test_mounts_outside_the_workspace_are_refused(engine, home, what):
    r = engine.box("agent", ["cat", "/mnt/x"], check=False, cwd="/workspace",
                   mounts=[(home + "/project", "/workspace"), (home + what, "/mnt/x")])
    text = r.text
    # What, why and what to do, in that order, each on a line of its own.
    lines = text[text.index("refused:"):].replace("\\n", "\n").splitlines()
    assert lines[0].startswith(f"refused: mount {home}{what} -> /mnt/x")
    assert lines[1].startswith("  policy: ") and "(profile agent)" in lines[1]
    assert lines[2].startswith("  to allow it: ") and home + what in lines[2]
    assert "secret" not in text


def test_workspace_is_writable(engine, home):
    engine.box("agent", ["sh", "-c", "cat file && echo new >made"], cwd="/workspace",
               mounts=[(home + "/project", "/workspace")], check=True)
    with open(home + "/project/made", encoding="ascii") as f:
        assert f.read() == "new\n"


def test_writes_stay_aside(engine, home):
    """Under the profile `edit` the host's files are as they were, and exec sees the same as run."""
    mounts = [(home + "/project", "/workspace")]
    before = os.stat(home + "/project/file")
    with engine.running("edit", cwd="/workspace", mounts=mounts) as c:
        out = c.exec(["sh", "-c", "echo more >>/workspace/file && mkdir /workspace/d && "
                                  "mv /workspace/file /workspace/d/ && cat /workspace/d/file"],
                     check=True).out
        assert out == "code\nmore\n"
        assert c.exec(["ls", "/workspace"], check=True).out == "d\n"
        # what belongs to another user inside, and only that one may read
        c.exec(["sh", "-c", "cd /workspace && echo own >own && chmod 600 own && chown 55:55 own"],
               check=True)
    assert os.listdir(home + "/project") == ["file"]
    after = os.stat(home + "/project/file")
    assert (after.st_mtime_ns, after.st_ctime_ns) == (before.st_mtime_ns, before.st_ctime_ns)
    cwd = home + "/project"
    until(lambda: not any(x["inUse"] for x in json.loads(
        run([program(), "workspace", "list", "--json"], check=True).out) if x["workspace"] == cwd))
    diff = run([program(), "workspace", "diff"], check=True, cwd=cwd).out
    assert "+own\n" in diff and "-code\n" in diff
    run([program(), "workspace", "apply", "--discard"], check=True, cwd=cwd)
    assert sorted(os.listdir(cwd)) == ["d", "own"] and os.stat(cwd + "/own").st_uid == os.geteuid()
    with open(cwd + "/d/file", encoding="ascii") as f:
        assert f.read() == "code\nmore\n"


def connect(engine, profile, host, port=PORT):
    out = engine.box(profile, ["probe", "connect", host, str(port)], network=True,
                     check=True).out.split()
    return out[0], float(out[1])


@pytest.mark.parametrize("host", [DENIED4, DENIED6, ALLOWED4, ALLOWED6, "169.254.169.254"])
def test_no_egress_without_a_rule(engine, server, host):
    result, ms = connect(engine, "agent", host)
    assert result in REFUSED and ms < 100


@needs_root
@pytest.mark.parametrize("host, port, ok", [
    (ALLOWED4, PORT, True), (ALLOWED6, PORT, True), (ALLOWED4, PORT + 1, False),
    (DENIED4, PORT, False), (DENIED6, PORT, False),
])
def test_egress_by_rule(engine, server, host, port, ok):
    result, ms = connect(engine, "work", host, port)
    assert result == "ok" if ok else result in REFUSED
    assert ms < 100


@needs_root
@pytest.mark.parametrize("host", [ALLOWED4, ALLOWED6, DENIED4])
def test_plain_container_reaches_all(engine, server, host):
    """The tests above can fail: without a policy the way is there."""
    assert connect(engine, None, host)[0] == "ok"


@needs_root
def test_what_comes_back(engine, server):
    out = engine.box("work", ["wget", "-qO-", f"http://{ALLOWED4}:{PORT}/"], network=True,
                     check=True).out
    assert out == "allowed\n"


@pytest.mark.skipif(os.geteuid() == 0, reason="for rootless engines")
@pytest.mark.parametrize("port, ok", [(PORT, True), (PORT + 1, False)])
def test_rootless_egress_by_rule(engine, port, ok):
    """slirp4netns's address for the host's loopback; both ports are served there."""
    if engine.name == "docker":
        pytest.skip("its slirp4netns is for all containers, without the host's loopback")
    host = "10.0.2.2"
    where = ["--network", "slirp4netns:allow_host_loopback=true"]
    command = [IMAGE, "probe", "connect", host, str(port)]
    rule = f"io.agentrun.egress.allow={host}:{PORT} (the test's server)"
    sockets = [socket.create_server(("127.0.0.1", p)) for p in (PORT, PORT + 1)]
    try:
        assert engine.run("--rm", *where, *command).out.startswith("ok")
        out = engine.run("--rm", *where, "--annotation", "io.agentrun.egress=allow",
                         "--annotation", rule, *command, profile="agent", check=True).out.split()
    finally:
        for s in sockets:
            s.close()
    assert out[0] == "ok" if ok else out[0] in REFUSED
    assert float(out[1]) < 100


@pytest.mark.parametrize("how", ["run", "exec", "exec --privileged", "exec --user 0"])
def test_forbidden_system_calls(engine, how):
    if how == "run":
        out = engine.box("agent", ["probe", *FORBIDDEN], check=True).out
    else:
        flags = how.split()[1:]
        if engine.name == "ctr" and flags:
            pytest.skip("ctr has no such flag")
        with engine.running("agent") as c:
            r = c.exec(["probe", *FORBIDDEN], flags=flags)
        if r.code != 0 and "--privileged" in flags:
            assert "refused: capability CAP_" in r.text
            return
        out = r.out
    got = probe.results(out)
    assert set(got) == set(FORBIDDEN)
    assert [name for name, result in got.items() if result == "ok"] == []


def test_probe_can_succeed(engine):
    """What is forbidden to a confined container works in a plain one, where the machine has it."""
    where = ["c1"] if engine.name == "ctr" else ["--cap-add", "NET_RAW", IMAGE]
    out = engine.run("--rm", *where, "probe", "packet", "raw", check=True).out
    assert "packet ok" in out and "raw ok" in out


def test_no_new_privileges_and_few_capabilities(engine):
    out = engine.box("agent", ["grep", "-E", "NoNewPrivs|Cap|Seccomp:", "/proc/self/status"],
                     check=True).out.split()
    got = dict(zip(out[::2], out[1::2]))
    assert got["NoNewPrivs:"] == "1" and got["Seccomp:"] == "2"
    for bit in (12, 13, 17, 19, 16, 21, 27, 38, 39):  # NET_ADMIN ... MKNOD, PERFMON, BPF
        assert not int(got["CapBnd:"], 16) >> bit & 1
        assert not int(got["CapEff:"], 16) >> bit & 1


def test_host_namespaces_are_refused(engine):
    if engine.name == "ctr":
        r = engine.run("--rm", "--net-host", "c1", "true", profile="agent", check=False)
        assert "refused: the host's network namespace" in r.text
        return
    for kind in ("network", "pid", "ipc"):
        r = engine.run("--rm", f"--{kind}", "host", IMAGE, "true", profile="agent", check=False)
        assert f"refused: the host's {kind} namespace" in r.text


def test_privileged_is_refused(engine):
    r = engine.run("--rm", "--privileged", *(["c1"] if engine.name == "ctr" else [IMAGE]), "true",
                   profile="agent", check=False)
    # rootless Docker gives every device, but has no rule for them
    says = "refused: device /dev/" if engine.name == "docker" and os.geteuid() else "--privileged"
    assert "refused: " in r.text and says in r.text


@needs_root
def test_audit_tells_it(engine, server):
    with engine.running("work", env={"GITHUB_TOKEN": TOKEN}, network=True) as c:
        c.exec(["probe", "connect", ALLOWED4, str(PORT)], check=True)
        c.exec(["probe", "connect", DENIED4, str(PORT)], check=True)
        cid = c.id
    until(lambda: "delete" in run([program(), "audit", "show", "--json", cid]).out, 10)
    text = run([program(), "audit", "show", cid], check=True).out
    assert "GITHUB_TOKEN" in text and TOKEN not in text
    assert ALLOWED4 in text and DENIED4 in text
    r = run([program(), "audit", "verify"])
    assert r.code == 0 and "unanchored" in r.text


def test_audit_tells_commands(engine):
    """All that it executed, and exec; without root as the processes say, without BPF by name."""
    with engine.running("agent") as c:
        c.exec(["sh", "-c", "/bin/true 'a b'; exit 3"])
        cid = c.id
    shown = [program(), "audit", "show", "--json", cid]
    until(lambda: '"delete"' in run(shown).out, 10)
    seen = [json.loads(line) for line in run(shown).out.splitlines()]
    records = [r for r in seen if r["event"] == "commands"]
    ran = {tuple(x["process.command_args"]): x["process.exit.code"] for r in records for x in r["executions"]}
    source = "claimed" if os.geteuid() else "bpf" if confined.can_watch() else "acct"
    assert {r["source"] for r in records} == {source}
    if source == "acct":
        assert ran["true",] == 0 and ran["sh",] == 3
    else:
        assert ran["/bin/true", "a b"] == 0 and ran["sh", "-c", "/bin/true 'a b'; exit 3"] == 3


def test_audit_verify_finds_a_changed_byte(engine, work):
    engine.box("agent", ["true"], check=True)
    source = "/var/log/agentrun" if os.geteuid() == 0 else \
        os.path.expanduser("~/.local/state/agentrun")
    run(["cp", "-a", source, work + "/log"], check=True)
    run([program(), "audit", "verify", "--directory", work + "/log"], check=True)
    changed = False
    for d, _, files in os.walk(work + "/log"):
        for f in files:
            path = os.path.join(d, f)
            with open(path, "rb") as h:
                data = h.read()
            if b'"create"' in data and not changed:
                i = data.index(b'"create"') + 1
                with open(path, "wb") as h:
                    h.write(data[:i] + b"C" + data[i + 1:])
                changed = True
    assert changed
    run([program(), "audit", "verify", "--directory", work + "/log"], check="first bad record: ")


# ---- what people do with a container works under the profile as well

@pytest.mark.parametrize("command, code", [
    (["true"], 0), (["sh", "-c", "exit 7"], 7), (["sh", "-c", "sh -c 'kill -9 $$'; exit $?"], 137),
])
def test_exit_code(engine, command, code):
    assert engine.box("agent", command).code == code


def test_not_found_and_not_executable(engine):
    if engine.name == "ctr":
        pytest.skip("ctr has one exit code for both")
    assert engine.box("agent", ["no-such"]).code == 127
    assert engine.box("agent", ["/etc/passwd"]).code == 126


def test_interactive_shell(engine):
    tail = ["-t", "c1"] if engine.name == "ctr" else ["-it", IMAGE]
    args = engine.run_args("--rm", *tail, "sh", profile="agent")
    with Spawned(engine.argv(*args), env=engine.environment()) as t:
        t.expect("#", 30)
        t.write("echo $((6*7)); exit 5\n")
        t.expect("42")
        assert t.wait(30) == 5


def test_exec_and_pause(engine):
    with engine.running("agent") as c:
        assert c.exec(["echo", "in"], check=True).out == "in\n"
        c.pause()
        c.unpause()
        assert c.exec(["sh", "-c", "exit 3"]).code == 3


def docker_like(engine):
    if engine.name == "ctr":
        pytest.skip("not a thing of ctr's")


def test_stop(engine):
    docker_like(engine)
    c = engine.up(IMAGE, "sh", "-c", "trap 'exit 3' TERM; echo up; while :; do sleep 0.05; done",
                  profile="agent")
    until(lambda: "up" in engine("logs", c).out)
    engine("stop", c, check=True)
    assert engine.inspect(c, "{{.State.ExitCode}}") == "3"


def test_published_port(engine):
    """Of Docker the runtime knows the port; Podman's user names it."""
    docker_like(engine)
    allowed = [] if engine.name == "docker" else ["--annotation", "io.agentrun.ingress.allow=80"]
    engine.up("-p", "18081:80", *allowed, IMAGE, "httpd", "-f", "-p", "80", profile="agent")

    def ask():
        try:
            with urllib.request.urlopen("http://127.0.0.1:18081/index.html", timeout=2) as r:
                return r.read()
        except OSError:
            return None
    assert until(ask, 10) == b"served\n"


def test_named_volume_init_and_healthcheck(engine):
    docker_like(engine)
    engine("volume", "create", "v2", check=True)
    try:
        init = ["--init", "--init-path=/usr/bin/tini-static"] if engine.name == "podman" else \
            ["--init"]
        r = engine.run("--rm", "-v", "v2:/data", *init, IMAGE, "sh", "-c",
                       "echo x >/data/f; cat /data/f; cat /proc/1/comm", profile="agent",
                       check=True)
        assert r.out.startswith("x\n") and "init" in r.out
    finally:
        engine("volume", "rm", "v2", check=True)


def test_20_in_sequence_and_5_at_once(engine):
    """Of a run under a policy a network namespace is pinned, and a table and records are made."""
    docker_like(engine)
    engine.box("agent", ["true"], check=True)
    before = leaks.Snapshot()
    for i in range(20):
        assert engine.box("agent", ["sh", "-c", f"exit {i}"]).code == i
    with cf.ThreadPoolExecutor(5) as pool:
        codes = pool.map(lambda i: engine.box("agent", ["sh", "-c", f"exit {i}"],
                                              timeout=120).code, range(5))
    assert list(codes) == list(range(5))
    before.check(ignore=kept, timeout=10)
    assert engine("ps", "-aq", check=True).out == ""


def test_user_defined_network(engine):
    docker_like(engine)
    engine("network", "create", "n2", check=True)
    try:
        out = engine.run("--rm", "--network", "n2", IMAGE, "ip", "-o", "addr", profile="agent",
                         check=True).out
        assert "eth0" in out
    finally:
        engine("network", "rm", "n2", check=True)


def test_limits_and_update(engine):
    docker_like(engine)
    if not controller("memory"):
        pytest.skip("no memory controller here")
    c = engine.up("-m", "64m", IMAGE, "sleep", "100", profile="agent")
    engine("update", "-m", "96m", *([] if engine.name == "podman" else ["--memory-swap", "200m"]),
           c, check=True)
    engine("stats", "--no-stream", c, check=True)
    assert "sleep" in engine("top", c, check=True).out


@needs_root
def test_annotations(engine, server):
    """Single fields by annotation, where the engine has them."""
    if not engine.annotations:
        pytest.skip("this Docker has no annotations")
    rule = f"{ALLOWED4}:{PORT} (the test's server)"
    for value, why in ((f"io.agentrun.egress.allow={rule}", None),
                       ("io.agentrun.no.such=1", "io.agentrun.no.such: there is no such field"),
                       ("io.agentrun.egress=maybe", "must be one of none, allow, open")):
        r = engine.box(None, ["probe", "connect", ALLOWED4, str(PORT)], network=True,
                       annotations=[value], check=not why)
        assert why in r.text if why else r.out.split()[0] == "ok", r.text
