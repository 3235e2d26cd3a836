# SPDX-License-Identifier: Apache-2.0
"""create, start, state, kill, delete and the other commands on a container."""
import json
import os
import signal
import socket
import time

import pytest
from bundle import drop_namespace, shell
from runtime import background, status_field, until

SLEEP = ["sleep", "100"]
WAITS_FOR_TERM = shell("trap 'echo term >/log; exit 4' TERM; touch /up; "
                       "while :; do sleep 0.02; done")


def test_created_then_running_then_stopped(rt, box):
    b = box(shell("touch /ran; sleep 100"))
    rt.create(b)
    assert rt.status(b) == "created"
    assert not os.path.exists(b.rootfs + "/ran")
    rt.start(b)
    assert rt.status(b) == "running"
    until(lambda: os.path.exists(b.rootfs + "/ran"))
    rt.kill(b, "KILL", check=True)
    rt.wait(b)
    rt.delete(b, check=True)
    assert rt("state", b.id, check=f'container "{b.id}" does not exist').code == 1


@pytest.mark.differs("runc", "its create wants one")
def test_without_a_process(rt, box):
    """config.md: process is required when start is called."""
    b = box(edit=lambda c: c.pop("process"))
    rt.create(b)
    assert rt.status(b) == "created"
    rt.start(b, check=f"cannot start container {b.id}: its configuration has no process")
    if rt.flavour == "agentrun":
        assert rt.exec(b, "--", "/bin/cat", "/proc/self/cwd/etc/passwd", check=True).out
    rt.delete(b, check=True)
    rt.run(b, check="its configuration has no process")
    assert rt.ids() == []


def test_state_document(rt, box):
    b = rt.up(box(SLEEP, lambda c: c.update(annotations={"org.example.a": "b"})))
    s = rt.state(b)
    assert s["id"] == b.id
    assert s["status"] == "running"
    assert s["bundle"] == b.path
    assert s["rootfs"] == b.rootfs or rt.flavour == "crun"
    assert s["annotations"]["org.example.a"] == "b"
    assert s["ociVersion"].startswith("1.") and s["ociVersion"] != b.config["ociVersion"]
    assert s["owner"] in ("root", "")
    assert time.strptime(s["created"][:19], "%Y-%m-%dT%H:%M:%S")
    with open(f"/proc/{s['pid']}/cmdline", encoding="ascii") as f:
        assert f.read() == "sleep\x00100\x00"


def test_stopped_state_has_no_pid(rt, box):
    b = rt.up(box())
    rt.wait(b)
    assert rt.state(b).get("pid", 0) == 0


def test_pid_file(rt, box, work):
    b = box(SLEEP)
    rt.create(b, "--pid-file", work + "/pid")
    with open(work + "/pid", encoding="ascii") as f:
        text = f.read()
    assert text == str(rt.state(b)["pid"])


@pytest.mark.parametrize("before", [None, "1"], ids=["none", "another's"])
@pytest.mark.parametrize("command", ["create", "exec", pytest.param("run", marks=pytest.mark.differs(
    "runc crun", "their start tells of no program that is none"))])
def test_what_fails_last_leaves_the_pid_file_as_it_was(rt, box, work, command, before):
    b = box(SLEEP)
    os.mkdir(work + "/d")
    if before:
        with open(work + "/d/pid", "w", encoding="ascii") as f:
            f.write(before)
    flags = ["--pid-file", work + "/d/pid"]
    if command == "exec":
        rt.up(b)
        r = rt.exec(b, *flags, "--detach", "--", "/no-such", check=False)
    elif command == "create":
        b.config["process"]["args"] = ["/no-such"]
        b.save()
        r = rt.create(b, *flags, check=False)
    else:   # the kernel is the first to see what it is
        with open(b.rootfs + "/empty", "wb") as f:
            os.fchmod(f.fileno(), 0o755)
        b.config["process"]["args"] = ["/empty"]
        b.save()
        r = rt.run(b, *flags, "--detach")
    assert r.code != 0
    assert os.listdir(work + "/d") == (["pid"] if before else [])
    if before:
        with open(work + "/d/pid", encoding="ascii") as f:
            assert f.read() == before


def test_run_detached(rt, box, work):
    b = box(SLEEP)
    rt.run(b, "--detach", "--pid-file", work + "/pid", check=True)
    assert rt.status(b) == "running"
    with open(work + "/pid", encoding="ascii") as f:
        assert int(f.read()) == rt.state(b)["pid"]


def received_pidfd(server):
    """The word that came with it, and the pid."""
    connection, _ = server.accept()
    with connection:
        data, fds, _, _ = socket.recv_fds(connection, 64, 1)
        with open(f"/proc/self/fdinfo/{fds[0]}", encoding="ascii") as f:
            pid = int(status_field(f.read(), "Pid"))
        os.close(fds[0])
        return data, pid


@pytest.mark.differs("runc crun", "only runc's newest has the option")
def test_pidfd_socket(rt, box, work):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(work + "/s")
        server.listen()
        server.settimeout(10)
        created, ran = box(SLEEP), box(SLEEP)
        rt.create(created, "--pidfd-socket", work + "/s")
        assert received_pidfd(server) == (b"standard", rt.state(created)["pid"])
        rt.run(ran, "--detach", "--pidfd-socket", "s", cwd=work, check=True)
        assert received_pidfd(server) == (b"standard", rt.state(ran)["pid"])
        rt.exec(ran, "--detach", "--pid-file", work + "/pid", "--pidfd-socket", work + "/s", "--",
                *SLEEP, check=True)
        with open(work + "/pid", encoding="ascii") as f:
            assert received_pidfd(server) == (b"setns", int(f.read()))


@pytest.mark.differs("runc crun", "only runc's newest has the option")
def test_pidfd_socket_that_nobody_listens_to(rt, box, work):
    rt.create(box(SLEEP), "--pidfd-socket", work + "/none",
              check="--pidfd-socket: pidfd socket ")
    assert rt.ids() == []
    b = rt.up(box(SLEEP))
    rt.exec(b, "--pidfd-socket", work + "/none", "--", "touch", "/x",
            check="--pidfd-socket: pidfd socket ")
    assert not os.path.exists(b.rootfs + "/x")


def test_run_removes_the_container(rt, box):
    rt.run(box(), check=True)
    assert rt.ids() == []


def test_run_is_the_parent_that_waits(rt, box):
    r = rt.run(box(["sleep", "0.4"]), check=True)
    assert r.seconds >= 0.4


def test_bundle_is_the_working_directory_by_default(rt, box):
    b = box(["echo", "here"])
    assert rt("run", b.id, cwd=b.path, check=True).out == "here\n"


def test_create_refuses_a_name_in_use(rt, box):
    b = box(SLEEP)
    rt.create(b)
    rt.create(b, check=f"container with id exists: {b.id}")
    assert rt.status(b) == "created"


def test_start_twice(rt, box):
    b = rt.up(box(SLEEP))
    rt.start(b, check=f"cannot start container {b.id}: it is running, not created")
    assert rt.status(b) == "running"


def test_start_of_a_stopped_container(rt, box):
    b = rt.up(box())
    rt.wait(b)
    rt.start(b, check=f"cannot start container {b.id}: it is stopped, not created")


@pytest.mark.parametrize("command", [
    ["state"], ["start"], ["kill"], ["delete"], ["pause"], ["resume"], ["ps"],
    ["events", "--stats"], ["exec"],
])
def test_missing_container(rt, command):
    if command[0] == "events" and rt.flavour == "crun":
        pytest.skip("crun has no events")
    tail = {"kill": ["9"], "exec": ["true"]}.get(command[0], [])
    r = rt(*command, "nobody", *tail, check='container "nobody" does not exist')
    assert r.code == (255 if command[0] == "exec" else 1) or rt.flavour == "crun"
    assert "nobody" in r.err or "not exist" in r.err


def test_delete_force_of_a_missing_container(rt):
    assert rt("delete", "--force", "nobody").code == 0


@pytest.mark.parametrize("name, term", [
    ("TERM", True), ("SIGTERM", True), ("15", True), ("term", True), (None, True), ("KILL", False),
    ("9", False), ("SIGKILL", False),
])
def test_kill(rt, box, name, term):
    if name == "term" and rt.flavour == "crun":
        pytest.skip("crun wants capitals")
    b = rt.up(box(WAITS_FOR_TERM))
    until(lambda: os.path.exists(b.rootfs + "/up"))
    rt.kill(b, *([name] if name else []), check=True)
    rt.wait(b)
    assert os.path.exists(b.rootfs + "/log") == term


@pytest.mark.parametrize("name", ["NOSUCH", "SIGNOSUCH", "-1", "999", "9x"])
def test_kill_with_a_bad_signal(rt, box, name):
    if name in ("-1", "999") and rt.flavour != "agentrun":
        pytest.skip("left to the kernel by the others")
    b = rt.up(box(SLEEP))
    rt.kill(b, "--", name, check=f'kill: unknown signal "{name}"')
    assert rt.status(b) == "running"


def test_realtime_signal(rt, box):
    number = int(signal.SIGRTMIN) + 3
    b = rt.up(box(shell(f"trap 'exit 5' {number}; touch /up; while :; do sleep 0.02; done")))
    until(lambda: os.path.exists(b.rootfs + "/up"))
    rt.kill(b, str(number), check=True)
    rt.wait(b)


def test_kill_of_a_created_container(rt, box):
    b = box(SLEEP)
    rt.create(b)
    rt.kill(b, "KILL", check=True)
    rt.wait(b)


@pytest.mark.differs("crun", "it stays created")
@pytest.mark.parametrize("name", ["TERM", "INT", "HUP"])
def test_a_created_container_ends_by_a_polite_signal(rt, box, name):
    b = box(shell("touch /ran"))
    rt.create(b)
    rt.kill(b, name, check=True)
    rt.wait(b)
    assert not os.path.exists(b.rootfs + "/ran")


@pytest.mark.parametrize("name", ["TERM", "INT", "HUP"])
def test_a_started_container_ignores_what_it_does_not_handle(rt, box, name):
    b = rt.up(box(SLEEP))
    until(lambda: "sleep" in open(f"/proc/{rt.state(b)['pid']}/cmdline", encoding="ascii").read())
    with open(f"/proc/{rt.state(b)['pid']}/status", encoding="ascii") as f:
        assert int(status_field(f.read(), "SigCgt"), 16) == 0
    rt.kill(b, name, check=True)
    assert rt.status(b) == "running"


def test_kill_of_a_stopped_container_fails(rt, box):
    b = rt.up(box())
    rt.wait(b)
    rt.kill(b, "TERM", check=f"container not running: {b.id}")


def test_kill_all(rt, box):
    """Without a PID namespace of its own, the processes outlive the first one."""
    def edit(c):
        drop_namespace(c, "pid")
    b = rt.up(box(shell("sleep 100 & sleep 100 & wait"), edit))

    def all_three():
        found = json.loads(rt("ps", "--format", "json", b.id, check=True).out)
        return found if len(found) == 3 else None
    pids = until(all_three)
    rt("kill", "--all", b.id, "KILL", check=True)
    until(lambda: not any(os.path.exists(f"/proc/{p}") for p in pids))


@pytest.mark.differs("crun runc", "of runc only the newest does")
@pytest.mark.parametrize("init_gone", [False, True])
def test_kill_without_a_pid_namespace_ends_all(rt, box, init_gone):
    b = rt.up(box(shell("sleep 100 & sleep 100 & touch /up; wait"),
                  lambda c: drop_namespace(c, "pid")))
    until(lambda: os.path.exists(b.rootfs + "/up"))
    pids = json.loads(rt("ps", "--format", "json", b.id, check=True).out)
    if init_gone:
        os.kill(rt.state(b)["pid"], signal.SIGKILL)
        rt.wait(b)
    rt.kill(b, "KILL", check=True)
    until(lambda: not any(os.path.exists(f"/proc/{p}") for p in pids))
    until(lambda: rt.kill(b, "KILL").err.endswith(f"container not running: {b.id}: "
                                                  "No such process\n"))


def test_delete_of_a_running_container_is_refused(rt, box):
    b = rt.up(box(SLEEP))
    rt.delete(b, check=f"cannot delete container {b.id}: it is running")
    assert rt.status(b) == "running"


def test_delete_of_a_created_container(rt, box):
    b = box(SLEEP)
    rt.create(b)
    pid = rt.state(b)["pid"]
    rt.delete(b, *(["--force"] if rt.flavour == "crun" else []), check=True)
    assert rt.ids() == []
    until(lambda: not os.path.exists(f"/proc/{pid}"))


def test_delete_force_kills(rt, box):
    b = rt.up(box(SLEEP))
    pid = rt.state(b)["pid"]
    rt.delete(b, "--force", check=True)
    until(lambda: not os.path.exists(f"/proc/{pid}"))


def test_delete_force_without_a_pid_namespace_kills_all(rt, box):
    b = rt.up(box(shell("sleep 100 & sleep 100 & touch /up; wait"),
                  lambda c: drop_namespace(c, "pid")))
    until(lambda: os.path.exists(b.rootfs + "/up"))
    rt.delete(b, "--force", check=True)  # the leak check counts the processes


def test_delete_force_of_a_paused_container(rt, box):
    b = rt.up(box(SLEEP))
    rt("pause", b.id, check=True)
    rt.delete(b, "--force", check=True)


def test_the_whole_pid_namespace_ends_with_its_first_process(rt, box):
    b = rt.up(box(shell("sleep 100 & exec sleep 0.2")))
    rt.wait(b)
    rt.delete(b, check=True)


def test_list(rt, box):
    a, b = rt.up(box(SLEEP)), box(SLEEP)
    rt.create(b)
    assert sorted(rt.ids()) == sorted([a.id, b.id])
    got = {x["id"]: x for x in json.loads(rt("list", "--format", "json", check=True).out)}
    assert got[a.id]["status"] == "running" and got[b.id]["status"] == "created"
    assert got[a.id]["pid"] == rt.state(a)["pid"]
    assert got[a.id]["bundle"] == a.path
    if rt.flavour != "crun":
        both = rt("list", "--quiet", "--format", "json", check=True).out
        assert sorted(both.split()) == sorted([a.id, b.id])
    table = rt("list", check=True).out.splitlines()
    assert table[0].split()[1:3] == ["PID", "STATUS"]
    assert {line.split()[0] for line in table[1:]} == {a.id, b.id}


@pytest.mark.parametrize("mode, group, good", [
    (0o755, 0, True), (0o775, 0, True), (0o775, 1000, False), (0o757, 0, False)])
@pytest.mark.differs("runc crun", "they take any")
def test_state_directory_that_others_write_to(rt, box, mode, group, good):
    os.chown(rt.root, 0, group)
    os.chmod(rt.root, mode)
    rt.run(box(), check=good or "must belong to uid 0 and be writable by nobody else")


def test_list_of_none(rt):
    assert json.loads(rt("list", "--format", "json", check=True).out or "null") in (None, [])


def test_ps(rt, box):
    b = rt.up(box(shell("sleep 100 & sleep 100; true")))
    until(lambda: len(json.loads(rt("ps", "--format", "json", b.id, check=True).out)) == 3)
    pids = json.loads(rt("ps", "--format", "json", b.id, check=True).out)
    assert rt.state(b)["pid"] in pids
    if rt.flavour != "crun":
        assert "sleep 100" in rt("ps", b.id, check=True).out


def counter(b):
    try:
        return int(b.read("/n") or 0)
    except (FileNotFoundError, ValueError):
        return 0


def test_pause_and_resume(rt, box):
    b = rt.up(box(shell("n=0; while :; do n=$((n+1)); echo $n >/n; sleep 0.01; done")))
    until(lambda: counter(b) > 2)
    rt("pause", b.id, check=True)
    assert rt.status(b) == "paused"
    before = counter(b)
    time.sleep(0.1)
    assert counter(b) == before
    if rt.flavour == "agentrun":
        rt("pause", b.id, check=f"cannot pause container {b.id}: it is paused")
    rt("resume", b.id, check=True)
    assert rt.status(b) == "running"
    until(lambda: counter(b) > before)


@pytest.mark.differs("crun", "it does not mind")
def test_resume_of_a_running_container_fails(rt, box):
    b = rt.up(box(SLEEP))
    rt("resume", b.id, check=f"cannot resume container {b.id}: it is running")


def test_events_stats(rt, box):
    if rt.flavour == "crun":
        pytest.skip("crun has no events")
    b = rt.up(box(SLEEP))
    e = json.loads(rt("events", "--stats", b.id, check=True).out)
    assert e["type"] == "stats" and e["id"] == b.id
    if os.path.exists("/sys/fs/cgroup/pids") and os.path.exists("/sys/fs/cgroup/memory"):
        assert e["data"]["pids"]["current"] == 1
        assert e["data"]["memory"]["usage"]["usage"] > 0
        assert e["data"]["cpu"]["usage"]["total"] >= 0


@pytest.mark.skipif(not os.path.exists("/sys/fs/cgroup/memory") and "memory" not in open(
    "/sys/fs/cgroup/cgroup.controllers", encoding="ascii").read(), reason="no controller memory")
def test_events_tell_of_exhausted_memory(rt, box):
    if rt.flavour == "crun":
        pytest.skip("crun has no events")
    b = rt.up(box(shell("while [ ! -e /go ]; do sleep 0.01; done; tail /dev/zero || :; sleep 100"),
                  lambda c: c["linux"]["resources"].update(
                      memory={"limit": 16 << 20, "swap": 16 << 20})))
    with background(rt.argv("events", "--interval", "1h", b.id)) as events:
        assert json.loads(events.stdout.readline())["type"] == "stats"
        b.write("/go", "")
        assert json.loads(events.stdout.readline()) == {"type": "oom", "id": b.id}
        rt.kill(b, "KILL", check=True)
        rest = events.stdout.read()  # ends with the container
        assert all(json.loads(line)["type"] == "oom" for line in rest.splitlines())


@pytest.mark.parametrize("text, good", [
    ("100ms", True), ("0.05s", True), ("0m0.05s", True), (".05", True),
    ("", False), ("0", False), ("-1s", False), ("1x", False), ("1s2", False), ("s", False),
    ("1e9h", False), ("nan", False),
])
def test_events_interval(rt, box, text, good):
    if rt.flavour != "agentrun":
        pytest.skip("runc takes 50ms only, crun nothing")
    b = rt.up(box(SLEEP))
    with background(rt.argv("events", "--interval", text, b.id)) as events:
        got = [events.stdout.readline() for _ in range(3)]
        assert all(got) == good
        rt.kill(b, "KILL", check=True)


def test_version(rt):
    out = rt("--version", check=True).out
    assert rt.flavour in out and "spec: 1." in out


@pytest.mark.differs("runc crun", "only their newest have it")
def test_features(rt):
    f = json.loads(rt("features", check=True).out)
    assert f["ociVersionMin"].startswith("1.0") and f["ociVersionMax"].startswith("1.")
    assert "startContainer" in f["hooks"]
    assert "rbind" in f["mountOptions"]
    assert set(f["linux"]["namespaces"]) >= {"pid", "network", "mount", "user", "cgroup"}
    assert "CAP_CHOWN" in f["linux"]["capabilities"]
    assert f["linux"]["seccomp"]["enabled"] is True


def test_spec_makes_a_bundle_that_runs(rt, box, work):
    b = box()
    os.unlink(b.path + "/config.json")
    rt("spec", cwd=b.path, check=True)
    with open(b.path + "/config.json", encoding="utf-8") as f:
        c = json.load(f)
    assert ({"type": "cgroup"} in c["linux"]["namespaces"]) == os.path.exists(
        "/sys/fs/cgroup/cgroup.controllers")
    c["process"].update(terminal=False, args=["echo", "from spec"])
    c["root"]["readonly"] = True
    with open(b.path + "/config.json", "w", encoding="utf-8") as f:
        json.dump(c, f)
    assert rt.run(b, check=True).out == "from spec\n"


def test_spec_does_not_overwrite(rt, box):
    b = box()
    before = b.config
    rt("spec", cwd=b.path, check="config.json: File exists")
    with open(b.path + "/config.json", encoding="utf-8") as f:
        assert json.load(f) == before


@pytest.mark.parametrize("args, why", [
    ([], "no command"), (["nonsense"], "unknown command nonsense"),
    (["--nonsense", "list"], "option --nonsense is unknown"),
    (["state"], "state: expected one container id, found 0 operands"),
    (["state", "--nonsense", "x"], "state: option --nonsense is unknown"),
    (["create"], "create: expected one container id, found 0 operands"),
    (["kill"], "kill: expected a container id and a signal"),
    (["list", "--format", "xml"], "list: --format xml: expected table or json"),
])
def test_bad_usage(rt, args, why):
    if not args and rt.flavour != "agentrun":
        pytest.skip("prints its help")
    assert rt(*args, check=why).err.strip()


@pytest.mark.parametrize("args, why", [
    (["help", "nonsense"], "unknown command nonsense"),
    (["checkpoint", "--image-path", "/tmp/x", "c"], "checkpoint is not supported: it needs CRIU"),
    (["checkpoint", "--help"], "checkpoint is not supported: it needs CRIU"),  # Podman asks so
    (["restore", "c"], "restore is not supported: it needs CRIU"),
    (["--debug=maybe", "list"], "--debug=maybe: expected true or false"),
    (["exec", "--process", "f", "--cwd", "/", "x"], "--process and --cwd exclude each other"),
    (["exec", "--process", "f", "--env", "A=1", "x"], "--process and --env exclude each other"),
    (["exec", "--process", "f", "x", "true"], "--process and a command exclude each other"),
    (["update", "--resources", "f", "--pids-limit", "5", "x"],
     "--resources and --pids-limit exclude each other"),
])
@pytest.mark.differs("runc crun", "they take one of the two, or print their help")
def test_nothing_given_is_ignored(rt, args, why):
    rt(*args, check=why)


@pytest.mark.differs("crun", "its flags take no value")
def test_flags_with_a_value(rt, box):
    """As runc's callers may write them."""
    b = box(["true"])
    rt("--debug=false", "run", "--detach=true", "--bundle", b.path, b.id, check=True)
    assert rt("delete", "--force=false", "none", check=False).code == 1
    rt("delete", "--force=true", "none", check=True)


def test_help(rt):
    out = rt("--help", check=True).text
    for name in ("create", "start", "run", "exec", "kill", "delete", "state"):
        assert name in out


@pytest.mark.parametrize("args", [["state", "--help", "none"], ["exec", "-h", "none", "true"],
                                  ["run", "--bundle", "/none", "--help"], ["kill", "none", "-h"]])
@pytest.mark.differs("crun", "it knows no -h")
def test_help_among_options(rt, args):
    assert f"{rt.flavour} {args[0]}" in rt(*args, check=True).out.replace("[OPTION...] ", "")


def test_help_of_a_command_is_its_own(rt, box):
    b = rt.up(box(SLEEP))
    assert rt.exec(b, "--", "echo", "--help", check=True).out == "--help\n"


@pytest.mark.parametrize("flags, adopted", [([], True), (["--no-subreaper"], False)])
@pytest.mark.differs("crun", "it has no such flag")
def test_orphans_of_a_shared_pid_namespace(rt, box, flags, adopted):
    """The runtime in the foreground is their parent, unless it is told not to be."""
    b = box(shell("(sleep 99 & echo $! >/made); mv /made /orphan; exec sleep 98"),
            lambda c: drop_namespace(c, "pid"))
    with background(rt.argv("run", *flags, "--bundle", b.path, b.id)) as p:
        until(lambda: os.path.exists(b.rootfs + "/orphan"))
        with open(f"/proc/{b.read('/orphan').strip()}/status", encoding="ascii") as f:
            assert (int(status_field(f.read(), "PPid")) == p.pid) == adopted
        rt.delete(b, "--force", check=True)


def test_orphans_are_the_containers(rt, box):
    """A daemonised process is adopted by the container's first process."""
    b = rt.up(box(shell("(sleep 99 &) ; exec sleep 100")))

    def adopted():
        for pid in json.loads(rt("ps", "-f", "json", b.id, check=True).out):
            try:
                with open(f"/proc/{pid}/status", encoding="ascii") as f:
                    s = f.read()
            except (FileNotFoundError, ProcessLookupError):  # the shell in between
                continue
            if status_field(s, "NSpid").split()[-1] != "1":
                return status_field(s, "PPid") == str(rt.state(b)["pid"])
        return False
    until(adopted)
