# SPDX-License-Identifier: Apache-2.0
"""The six kinds of hooks: when, where, with what, and what their failure means."""
import json
import os

import pytest
from bundle import shell
from runtime import until

ORDER = ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"]
BEFORE_START = ["prestart", "createRuntime", "createContainer"]


def hook(script, **kw):
    return {"path": "/bin/sh", "args": ["sh", "-c", script], "env": ["PATH=/usr/bin:/bin"], **kw}


def with_hooks(**kinds):
    return lambda c: c.update(hooks={k: v if isinstance(v, list) else [v]
                                     for k, v in kinds.items()})


def lines(path):
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as f:
        return f.read().splitlines()


@pytest.mark.differs("runc", "1.1 runs poststart in create")
def test_order(rt, box, work):
    """startContainer runs inside, so its trace is in the container's root."""
    trace = work + "/trace"
    os.mkdir(trace)

    def log(kind, n):
        path = "/trace" if kind == "startContainer" else trace + "/host"
        return hook(f"read -r _ t </proc/stat; echo $(cat /proc/uptime) {kind}{n} >>{path}")

    b = box(shell("echo process >>/trace; sleep 100"),
            with_hooks(**{k: [log(k, 1), log(k, 2)] for k in ORDER}))
    rt.create(b)

    def seen():
        return [line.split()[2] for line in lines(trace + "/host")]
    before = [f"{k}{n}" for k in BEFORE_START for n in (1, 2)]
    assert seen() == before
    rt.start(b)
    assert seen() == before + ["poststart1", "poststart2"]
    until(lambda: "process" in lines(b.rootfs + "/trace"))
    inside = [line.split()[-1] for line in lines(b.rootfs + "/trace")]
    assert inside == ["startContainer1", "startContainer2", "process"]
    rt.kill(b, "KILL", check=True)
    rt.wait(b)
    assert "poststop1" not in seen()
    rt.delete(b, check=True)
    assert seen()[-2:] == ["poststop1", "poststop2"]


@pytest.mark.parametrize("kind, status", [
    ("prestart", ("created", "creating")), ("createRuntime", ("creating", "created")),
    ("createContainer", ("creating", "created")),
    ("startContainer", ("created",)), ("poststart", ("running",)), ("poststop", ("stopped",)),
])
def test_state_on_stdin(rt, box, work, kind, status):
    if kind == "poststart" and rt.flavour == "runc":
        pytest.skip("runc 1.1 runs it in create")
    b = box(["true"])
    path = "/out" if kind == "startContainer" else work + "/out"
    b.config["annotations"] = {"org.example.x": "y"}
    with_hooks(**{kind: hook(f"cat >{path}")})(b.config)
    b.save()
    rt.run(b, check=True)
    with open(b.rootfs + path if kind == "startContainer" else path, encoding="utf-8") as f:
        s = json.load(f)
    assert s["id"] == b.id and s["bundle"] == b.path
    assert s["ociVersion"].startswith("1.")
    assert s["annotations"]["org.example.x"] == "y"
    assert s["status"] in status
    if kind != "poststop":
        assert s["pid"] > 0


def test_environment_is_only_the_hooks(rt, box, work):
    h = {"path": "/usr/bin/env", "args": ["env"], "env": ["ONLY=this"]}
    h2 = hook(f"env >{work}/env")
    h2["env"] = ["ONLY=this"]
    b = box(["true"], with_hooks(prestart=[h, h2]))
    rt.run(b, env={"PATH": "/usr/bin:/bin", "LEAK": "1"}, check=True)
    names = {line.split("=")[0] for line in lines(work + "/env")}
    assert names - {"PWD", "OLDPWD", "SHLVL", "_"} == {"ONLY"}  # a shell adds those


@pytest.mark.parametrize("kind", [k for k in ORDER if k != "startContainer"])
def test_an_empty_environment_is_one(rt, box, work, kind):
    """Also where the hook is read from the container's state."""
    h = hook(f"/usr/bin/env >{work}/env")
    h["env"] = []
    rt.run(box(["true"], with_hooks(**{kind: h})), env={"PATH": "/usr/bin:/bin", "LEAK": "1"},
           check=True)
    assert {x.split("=")[0] for x in lines(work + "/env")} <= {"PWD", "OLDPWD", "SHLVL", "_"}


def test_an_empty_environment_of_a_start_container_hook(rt, box):
    b = box(["true"], with_hooks(startContainer={"path": "/bin/sh", "env": [], "args": [
        "sh", "-c", "/bin/busybox env >/out"]}))
    rt.run(b, check=True)
    assert {x.split("=")[0] for x in b.read("/out").split()} <= {"PATH", "PWD", "SHLVL", "_"}


@pytest.mark.differs("crun runc", "crun tells the exit status alone")
def test_the_output_of_a_failing_start_container_hook_is_in_the_error(rt, box):
    b = box(["true"], with_hooks(startContainer=hook(
        "head -c 100000 /dev/zero; printf 'said\\n'; printf '\\033[0mwhy\\n' >&2; exit 3")))
    rt.run(b, check="hooks.startContainer[0]: hook /bin/sh: exit status 3: ????")
    b.config["hooks"] = {"startContainer": [hook(
        "printf 'said\\n'; printf '\\033[0mwhy\\n' >&2; exit 3")]}
    b.save()
    r = rt.run(b, check="hooks.startContainer[0]: hook /bin/sh: exit status 3: said ?[0mwhy")
    assert r.out == ""
    b.config["hooks"] = {"startContainer": [hook("echo not the container; sleep 9 & exit 0")]}
    b.save()
    assert rt.run(b, check=True).out == ""


def test_start_container_hooks_without_env_have_the_process_environment(rt, box):
    b = box(["true"], with_hooks(startContainer={"path": "/bin/sh", "args": [
        "sh", "-c", "echo $ONE $HOME >/out"]}))
    b.config["process"]["env"] = ["ONE=1", "HOME=", "PATH=/bin"]
    b.save()
    rt.run(b, check=True)
    assert b.read("/out").split() == ["1", "/root"] if rt.flavour != "crun" else ["1"]


@pytest.mark.differs("crun", "it runs them in the bundle")
def test_create_container_hooks_run_in_the_root(rt, box):
    """What they mount is there for the process."""
    b = box(["cat", "/tmp/mine/file"], with_hooks(createContainer=hook(
        "mkdir tmp/mine && mount -t tmpfs tmpfs ./tmp/mine && echo hook >tmp/mine/file")))
    assert rt.run(b, check=True).out == "hook\n"
    assert os.listdir(b.rootfs + "/tmp/mine") == []


@pytest.mark.parametrize("kind", ["prestart", "createRuntime", "createContainer", "poststart",
                                  "poststop"])
def test_without_an_environment_it_is_the_runtimes(rt, box, work, kind):
    h = hook(f"/usr/bin/env >{work}/env")
    del h["env"]
    rt.run(box(["true"], with_hooks(**{kind: h})), env={"PATH": "/usr/bin:/bin", "OWN": "1"},
           check=True)
    assert "OWN=1" in lines(work + "/env")


def namespaces_of(kind, rt, box, work):
    path = "/out" if kind == "startContainer" else work + "/out"
    b = box(["true"], with_hooks(**{kind: hook(
        f"for n in mnt net; do readlink /proc/self/ns/$n; done >{path}")}))
    rt.run(b, check=True)
    return lines(b.rootfs + path if kind == "startContainer" else path)


@pytest.mark.parametrize("kind, inside", [
    ("prestart", False), ("createRuntime", False), ("createContainer", True),
    ("startContainer", True), ("poststart", False), ("poststop", False),
])
def test_namespaces(rt, box, work, kind, inside):
    own = [os.readlink(f"/proc/self/ns/{n}") for n in ("mnt", "net")]
    got = namespaces_of(kind, rt, box, work)
    assert [a != b for a, b in zip(got, own, strict=True)] == [inside] * 2


def test_network_can_be_set_up_by_a_prestart_hook(rt, box):
    """What Docker 20.10 does: the hook finds the namespace by the pid in the state."""
    b = box(shell("ip addr show dev veth1 | grep -q 10.99.0.2"), with_hooks(prestart=hook(
        "pid=$(sed 's/.*\"pid\": *\\([0-9]*\\).*/\\1/' | tail -n 1); "
        "ip link add veth0 type veth peer name veth1 netns $pid && "
        "nsenter -t $pid -n ip addr add 10.99.0.2/24 dev veth1") | {
            "env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"]}))
    rt.run(b, check=True)


@pytest.mark.parametrize("kind", BEFORE_START)
def test_failing_before_start_fails_create(rt, box, kind):
    b = box(shell("sleep 100"), with_hooks(**{kind: hook("echo because >&2; exit 3")}))
    r = rt.create(b, check=f"hooks.{kind}[0]: hook /bin/sh: exit status 3: because")
    assert r.code == 1
    assert kind in r.err or "hook" in r.err
    assert rt.ids() == []


@pytest.mark.parametrize("kind", ["prestart", "createRuntime", "createContainer"])
@pytest.mark.differs("crun", "poststop is for what was created")
def test_poststop_follows_a_hook_that_failed(rt, box, work, kind):
    rt.create(box(["true"], with_hooks(**{kind: hook("exit 3"),
                                          "poststop": hook(f"touch {work}/poststop")})), check=False)
    assert os.path.exists(work + "/poststop")


def test_failing_start_container_fails_start(rt, box):
    b = box(shell("touch /ran; sleep 100"), with_hooks(startContainer=hook("exit 3")))
    rt.create(b)
    rt.start(b, check="hooks.startContainer[0]: hook /bin/sh: exit status 3"
             if rt.flavour == "agentrun" else None)
    rt.wait(b)
    assert not os.path.exists(b.rootfs + "/ran")


@pytest.mark.parametrize("nnp", [True, False])
def test_start_container_hooks_are_as_confined_as_the_process(rt, box, nnp):
    """They are programs of the image, and a child of theirs may outlive them."""
    def edit(c):
        with_hooks(startContainer=hook("grep -E '^(Seccomp|CapEff|NoNewPrivs):' /proc/self/status "
                                       ">/hook"))(c)
        c["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
            {"names": ["mkdir"], "action": "SCMP_ACT_ERRNO"}]}
        c["process"]["noNewPrivileges"] = nnp
    b = box(shell("grep -E '^(Seccomp|CapEff|NoNewPrivs):' /proc/self/status >/process"), edit)
    rt.run(b, check=True)
    assert "Seccomp:\t2" in b.read("/process")
    assert b.read("/hook") == b.read("/process")


@pytest.mark.differs("runc", "runs poststart in create")
@pytest.mark.parametrize("start", ["start", "run"])
def test_failing_poststart_ends_the_container(rt, box, work, start):
    b = box(shell("sleep 100"), with_hooks(
        poststart=[hook("exit 3"), hook(f"echo second >>{work}/seen")],
        poststop=[hook(f"echo poststop >>{work}/seen")]))
    if start == "start":
        rt.create(b, check=True)
        rt.start(b, check="hooks.poststart[0]: hook /bin/sh: exit status 3")
    else:
        rt.run(b, check="hooks.poststart[0]: hook /bin/sh: exit status 3")
    assert rt.ids() == []
    assert lines(work + "/seen") == ["poststop"]


@pytest.mark.differs("runc", "its newest fails")
def test_failing_poststop_is_only_a_warning(rt, box):
    b = rt.up(box(["true"], with_hooks(poststop=hook("exit 3"))))
    rt.wait(b)
    r = rt.delete(b, check=True)
    assert "poststop" in r.err or rt.flavour == "crun"
    assert rt.ids() == []


@pytest.mark.parametrize("kind", ["prestart", "createContainer"])
@pytest.mark.differs("runc", "it waits for the hook's children")
def test_timeout(rt, box, kind):
    b = box(["true"], with_hooks(**{kind: hook("sleep 77", timeout=1)}))
    r = rt.create(b, check=f"hooks.{kind}[0]: hook /bin/sh: not done within 1 s: killed")
    assert 0.9 < r.seconds < 5


@pytest.mark.parametrize("bad, why", [
    ({"path": "rel"}, ".path: not an absolute path"),
    ({"path": "/no/such"}, ": hook /no/such: exit status 127: execute: No such file or directory"),
    ({"path": "/etc/passwd"}, ": hook /etc/passwd: exit status 127: execute: Permission denied"),
    ({}, ".path: required, but absent"),
    ({"path": "/bin/true", "timeout": 0}, ".timeout: 0 is out of range"),
    ({"path": "/bin/true", "timeout": -1}, ".timeout: -1 is out of range"),
])
def test_bad_hooks(rt, box, bad, why):
    if rt.flavour != "agentrun" and (not bad or "timeout" in bad or bad["path"] == "rel"):
        pytest.skip("found only later, or accepted")
    rt.create(box(["true"], with_hooks(prestart=bad)), check="hooks.prestart[0]" + why)
    assert rt.ids() == []


def test_hook_that_ignores_its_input(rt, box):
    rt.run(box(["true"], with_hooks(prestart=hook("exec <&-; exit 0"))), check=True)


def test_hooks_inherit_no_descriptor(rt, box, work):
    b = box(["true"], with_hooks(prestart=hook(f"ls /proc/self/fd >{work}/fds")))
    rt.run(b, check=True)
    assert lines(work + "/fds") == ["0", "1", "2", "3"]  # 3: the directory that ls reads
