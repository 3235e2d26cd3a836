# SPDX-License-Identifier: Apache-2.0
"""What a policy lets into a container: mounts (D1, D2), namespaces (C18), variables (E1-E3)."""
import contextlib
import json
import os
import socket

import confined
import pytest
import runtime
from bundle import drop_namespace, namespace, shell
from listener import CONTINUE
from listener import listener as seccomp_listener

pytestmark = pytest.mark.skipif(runtime.flavour() != "agentrun", reason="policies are agentrun's own")
# Made up, and in parts, so that no scanner of repositories takes them for real.
ALNUM36 = "abcdefghijklmnopqrstuvwxyz0123456789"
LOOKALIKES = {
    "aws": "AKIA" + "IOSFODNN7EXAMPLE",
    "github": "ghp_" + ALNUM36,
    "slack": "xoxb-" + "123456789012-abcdefghijkl",
    "openai": "sk-" + "proj-" + ALNUM36,
    "anthropic": "sk-ant-" + "api03-" + ALNUM36,
    "npm": "npm_" + ALNUM36,
    "pypi": "pypi-" + "AgEIcHlwaS5vcmc" + ALNUM36,
    "jwt": "eyJ" + "hbGciOiJIUzI1NiJ9.eyJ" + "zdWIiOiIxMjM0In0.c2lnbmF0dXJl",
    "pem": "-----BEGIN RSA PRIVATE " + "KEY-----\\nMIIE",
    "url": "postgres://app:hunter2@db.example/app",
}


@pytest.fixture
def confine(box, work):
    def make(script="true", **fields):
        return confined.confine(box(shell(script)), work, **fields)
    return make


@contextlib.contextmanager
def listener(path):
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(path)
        s.listen()
        yield path


def directory(*parts):
    path = os.path.join(*parts)
    os.makedirs(path)
    return path


# ---- D: mounts

def refused_mount(rt, b, source, destination="/x", **fields):
    b.config["mounts"].append(confined.bind(source, destination, "ro"))
    confined.annotate(b.config, **fields)
    b.save()
    return confined.refusal(rt.run(b))


def test_D2_outside_the_workspace_as_the_design_says(rt, confine, work):
    keys = directory(work, "you", ".ssh")
    b = confine()
    assert refused_mount(rt, b, keys, "/root/.ssh") == [
        f"agentrun: refused: mount {keys} -> /root/.ssh is outside the workspace",
        "  policy: mounts=workspace-only (profile agent)",
        f"  to allow it: --annotation io.agentrun.mounts.allow={keys}"]


def test_D2_what_the_refusal_says_to_do_works(rt, confine, work):
    keys = directory(work, "you", ".ssh")
    b = confine("test -d /x; ! touch /x/new 2>/dev/null", mounts_allow=f"{keys}:ro")
    b.config["mounts"].append(confined.bind(keys, "/x"))
    b.save()
    rt.run(b, check=True)


def test_D2_credentials_alone_are_no_workspace(rt, box, work):
    """the only host bind is the workspace, but not if it is a store of credentials"""
    keys = directory(work, "you", ".ssh")
    b = box()
    confined.annotate(b.config, profile="agent")
    assert "is outside the workspace" in refused_mount(rt, b, keys, "/root/.ssh")[0]


@pytest.mark.parametrize("fields", ({}, {"mounts": "any"}), ids=("default", "mounts=any"))
@pytest.mark.parametrize("how", ("itself", "parent", "grandparent", "symlink", "hard link"))
def test_D1_sockets(rt, confine, work, how, fields):
    top = directory(work, "top")
    held = directory(top, "held")
    with listener(os.path.join(held, "docker.sock")) as path:
        if how == "parent":
            path = held
        elif how == "grandparent":
            path = top
        elif how == "symlink":
            path = os.path.join(work, "link")
            os.symlink(held, path)
        elif how == "hard link":
            other = directory(work, "other")
            os.link(path, os.path.join(other, "innocent"))
            path = other
        first = refused_mount(rt, confine(), path, **fields)[0]
        assert "socket" in first


def test_D1_socket_in_the_workspace(rt, confine):
    b = confine()
    with listener(os.path.join(b.workspace, "agent.sock")):
        assert "holds the socket" in confined.refusal(rt.run(b))[0]


def test_D1_deep_in_the_workspace(rt, confine):
    b = confine()
    deep = directory(b.workspace, "a/b/c/d")
    for i in range(100):    # more than are searched
        directory(b.workspace, f"dir{i}")
    with listener(os.path.join(deep, "s")):
        assert f"holds the socket {deep}/s" in confined.refusal(rt.run(b))[0]


@pytest.mark.parametrize("source", ("/", "/etc", "/proc", "/proc/sys", "/sys", "/dev", "/home", "/root",
                                    "/run", "/var/run", "/var/lib"))
@pytest.mark.parametrize("fields", ({"mounts": "any"}, {"mounts_allow": "/"}),
                         ids=("any", "allow"))
def test_D2_never(rt, confine, source, fields):
    assert "always refused" in refused_mount(rt, confine(), source, **fields)[1]


@pytest.mark.parametrize("target", ("/", "/etc"))
def test_D2_never_by_another_name(rt, confine, work, target):
    """through a symbolic link, and as a mount of the same directory"""
    link = os.path.join(work, "link")
    os.symlink(target, link)
    assert "always refused" in refused_mount(rt, confine(), link, mounts="any")[1]
    again = directory(work, "again")
    runtime.run(["mount", "--bind", target, again], check=True)
    try:
        text = refused_mount(rt, confine(), again, mounts="any")
        assert f"is {target} by another name" in text[0]
    finally:
        runtime.run(["umount", again], check=True)


def test_D2_symlink_out_of_the_allowed_tree(rt, confine, work):
    allowed = directory(work, "allowed")
    secret = directory(work, "secret")
    os.symlink(secret, os.path.join(allowed, "link"))
    first = refused_mount(rt, confine(), f"{allowed}/link", mounts_allow=allowed)[0]
    assert first == (f"agentrun: refused: mount {allowed}/link ({secret}) -> /x is outside the "
                     "workspace")


def test_D2_home_is_no_workspace(rt, box, work):
    b = box()
    b.config["mounts"].append(confined.bind("/root", "/workspace"))
    b.config["process"]["cwd"] = "/workspace"
    confined.annotate(b.config, profile="agent")
    b.save()
    assert "own directories" in confined.refusal(rt.run(b))[0]


def test_shared_propagation(rt, confine, work):
    b = confine()
    b.config["mounts"][-1]["options"].append("rshared")
    b.save()
    assert "propagation" in confined.refusal(rt.run(b))[0]


def test_workspace_modes(rt, confine):
    for mode, script in (("rw", "touch f"), ("ro", "! touch f 2>/dev/null"), ("cow", "touch f")):
        b = confine(script, workspace_mode=mode)
        rt.run(b, check=True)
        assert os.path.exists(b.workspace + "/f") == (mode == "rw")


def test_workspace_gives_no_devices_and_no_privileges(rt, confine):
    r = rt.run(confine("grep ' /workspace ' /proc/self/mountinfo"), check=True)
    assert "nosuid" in r.out and "nodev" in r.out


# ---- B1: an engine's filter may let anything pass

def test_B1_the_engines_filter_is_not_relied_on(rt, confine):
    b = confine(seccomp="engine")
    b.config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW"}
    b.save()
    lines = confined.refusal(rt.run(b))
    assert "the engine's system call filter alone could lead past egress=none" in lines[0]
    confined.annotate(b.config, seccomp="agent")    # what the third line says
    b.save()
    rt.run(b, check=True)


def test_B1_a_listener_acts_outside_the_policy(rt, confine, work):
    """It opens what it likes on the host and puts it into the container (SECCOMP_IOCTL_NOTIF_ADDFD)."""
    rule = {"names": ["openat"], "action": "SCMP_ACT_NOTIFY"}
    b = confine()
    b.config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule],
                                    "listenerPath": work + "/s"}
    b.save()
    with seccomp_listener(work + "/s", lambda call: CONTINUE) as s:
        assert confined.refusal(rt.run(b)) == [
            f"agentrun: refused: a seccomp listener ({work}/s) that answers system calls for the "
            "container",
            "  policy: always refused under a policy (profile agent)",
            "  to allow it: leave SCMP_ACT_NOTIFY out of the engine's seccomp profile"]
    assert s.states == []


# ---- scheduling

RISING = [
    ({"scheduler": {"policy": "SCHED_RR", "priority": 1}}, "process.scheduler.policy SCHED_RR"),
    ({"scheduler": {"policy": "SCHED_OTHER", "nice": -20}}, "process.scheduler.nice -20"),
    ({"ioPriority": {"class": "IOPRIO_CLASS_RT"}}, "process.ioPriority.class IOPRIO_CLASS_RT"),
    ({"rlimits": [{"type": "RLIMIT_RTPRIO", "soft": 1, "hard": 1}]}, "RLIMIT_RTPRIO 1"),
]


@pytest.mark.parametrize("asked, what", RISING)
def test_nothing_starves_the_host(rt, confine, work, asked, what):
    b = confine("sleep 100")
    rt.up(b)
    path = os.path.join(work, "process.json")
    with open(path, "w", encoding="utf-8") as f:
        json.dump({"args": ["true"], "cwd": "/", **asked}, f)
    said = f"agentrun: refused: {what} could keep the host's own programs waiting"
    assert confined.refusal(rt.exec(b, "--process", path))[0] == said
    b = confine()
    b.config["process"].update(asked)
    b.save()
    lines = confined.refusal(rt.run(b))
    assert lines[0] == said and lines[2].endswith(",CAP_SYS_NICE")


def test_lower_is_everybodys_right(rt, confine):
    b = confine("cut -d ' ' -f 19,41 /proc/self/stat; ionice")
    b.config["process"].update(scheduler={"policy": "SCHED_BATCH", "nice": 19},
                               ioPriority={"class": "IOPRIO_CLASS_IDLE"})
    b.save()
    assert rt.run(b, check=True).out == "19 3\nidle\n"


# ---- C18 and the other namespaces

@pytest.mark.parametrize("kind", ("network", "pid", "ipc"))
def test_C18_host_namespaces(rt, confine, kind):
    b = confine()
    drop_namespace(b.config, kind)
    b.save()
    assert f"the host's {kind} namespace" in confined.refusal(rt.run(b))[0]


@pytest.mark.parametrize("kind, file", (("network", "net"), ("pid", "pid"), ("ipc", "ipc"),
                                        ("user", "user")))
@pytest.mark.parametrize("whose", ("self", "1"))
def test_C18_host_namespaces_by_path(rt, confine, kind, file, whose):
    b = confine()
    namespace(b.config, kind, f"/proc/{whose}/ns/{file}")
    b.save()
    assert f"the host's {kind} namespace" in confined.refusal(rt.run(b))[0]


def test_C18_host_namespace_by_a_bound_path(rt, confine, work):
    path = os.path.join(work, "netns")
    with open(path, "w", encoding="ascii"):
        pass
    runtime.run(["mount", "--bind", "/proc/self/ns/net", path], check=True)
    try:
        b = confine()
        namespace(b.config, "network", path)
        b.save()
        assert "the host's network namespace" in confined.refusal(rt.run(b))[0]
    finally:
        runtime.run(["umount", path], check=True)


def test_C18_a_network_device_of_the_host(rt, confine):
    """It would bring another network along, whatever the egress table says of this one."""
    runtime.run(["ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1"], check=True)
    try:
        b = confine()
        b.config["linux"]["netDevices"] = {"v0": {"name": "eth0"}}
        b.save()
        assert confined.refusal(rt.run(b)) == [
            "agentrun: refused: network device v0 of the host would become the container's",
            "  policy: always refused under a policy (profile agent)",
            "  to allow it: leave linux.netDevices out"]
        runtime.run(["ip", "link", "show", "v0"], check=True)
    finally:
        runtime.run(["ip", "link", "delete", "v0"], check=True)


@pytest.mark.parametrize("edit", (lambda c: namespace(c, "mount", "/proc/1/ns/mnt"),
                                  lambda c: drop_namespace(c, "mount")), ids=("path", "none"))
def test_a_mount_namespace_of_another(rt, confine, edit):
    b = confine()
    edit(b.config)
    del b.config["linux"]["maskedPaths"], b.config["linux"]["readonlyPaths"]
    b.save()
    assert "mount namespace" in confined.refusal(rt.run(b))[0]


# ---- E: variables

ENVIRON = "for p in /proc/[0-9]*; do tr '\\0' '\\n' <$p/environ; done"


def test_E1_dropped_variables_are_in_no_environment(rt, confine):
    b = confine(f"sleep 5 & until grep -q KEPT /proc/$!/environ; do sleep 0.01; done; {ENVIRON}")
    b.config["process"]["env"] += ["GITHUB_TOKEN=planted-by-name", "KEPT=yes"]
    b.save()
    r = rt.run(b, check=True)
    assert "planted" not in r.text
    assert r.out.count("KEPT=yes") >= 2


def test_E1_nor_in_the_state_nor_in_the_log(rt, confine, work):
    b = confine("sleep 30")
    b.config["process"]["env"].append("GITHUB_TOKEN=planted-by-name")
    b.save()
    log = os.path.join(work, "log.json")
    rt.options = ["--log", log, "--log-format", "json", "--debug"]
    rt.up(b)
    found, read = [], []
    for top, _, files in os.walk(os.path.join(rt.root, b.id)):
        for name in files:
            path = os.path.join(top, name)
            with contextlib.suppress(OSError), open(path, "rb") as f:   # a pinned namespace
                found += [path] if b"planted-by-name" in f.read() else []
                read.append(name)
    with open(log, "rb") as f:
        assert b"planted-by-name" not in f.read()
    assert not found and "config.json" in read
    rt.kill(b, "KILL", check=True)


@pytest.mark.parametrize("how", ("--env", "--process"))
def test_E2_exec(rt, confine, work, how):
    b = confine("sleep 30")
    rt.up(b)
    if how == "--env":
        r = rt.exec(b, "--env", "GITHUB_TOKEN=planted", "--env", "FOO=" + LOOKALIKES["github"],
                    "--env", "KEPT=yes", "--", *shell(ENVIRON), check=True)
    else:
        process = dict(b.config["process"], args=shell(ENVIRON))
        process["env"] = ["PATH=/bin", "KEPT=yes", "GITHUB_TOKEN=planted",
                          "FOO=" + LOOKALIKES["github"]]
        path = os.path.join(work, "process.json")
        with open(path, "w", encoding="utf-8") as f:
            json.dump(process, f)
        r = rt.exec(b, "--process", path, check=True)
    assert "KEPT=yes" in r.out
    assert "planted" not in r.text and ALNUM36 not in r.text
    rt.kill(b, "KILL", check=True)


@pytest.mark.parametrize("kind", LOOKALIKES)
def test_E3_innocent_names(rt, confine, kind):
    b = confine("env")
    b.config["process"]["env"] += [f"INNOCENT={LOOKALIKES[kind]}", "KEPT=yes"]
    b.save()
    r = rt.run(b, check=True)
    assert "KEPT=yes" in r.out and "INNOCENT" not in r.out


def test_E3_the_same_values_arrive_where_they_are_allowed(rt, confine):
    b = confine("env", env_allow="INNOCENT")
    b.config["process"]["env"].append(f"INNOCENT={LOOKALIKES['github']}")
    b.save()
    assert f"INNOCENT={LOOKALIKES['github']}" in rt.run(b, check=True).out


def test_strict_environment(rt, confine):
    b = confine("env", env="strict", env_allow="KEPT_*")
    b.config["process"]["env"] += ["KEPT_1=yes", "OTHER=no", "GITHUB_TOKEN=no"]
    b.save()
    r = rt.run(b, check=True)
    assert "KEPT_1=yes" in r.out and "PATH=" in r.out and "=no" not in r.out


# ---- nothing is ignored, nothing is left behind

@pytest.mark.parametrize("fields, text", (
    ({"egres": "none"}, "the nearest is io.agentrun.egress"),
    ({"egress": "maybe"}, "must be one of none, allow, open"),
    ({"egress": "none", "egress_allow": "api.example.com:443 (x)"}, "contradicts"),
    ({"egress_allow": "169.254.169.254:80 (x)"}, "metadata"),
))
def test_bad_annotations_fail_create(rt, confine, fields, text):
    b = confine(**fields)
    r = rt.create(b, check=False)
    assert text in r.err
    assert rt.ids() == []


# ---- limits that are changed later

BOUNDS = {"limits.pids": 100, "limits.memory": "64m", "limits.cpu": "1.5"}
UPDATES = [
    (["--pids-limit", "50"], None),
    (["--pids-limit", "101"], "limits.pids at most 100"),
    (["--pids-limit", "-1"], "takes back limits.pids"),
    (["--memory", "33554432"], None),
    (["--memory", "67108865"], "limits.memory at most 64m"),
    (["--memory", "-1"], "takes back limits.memory"),
    (["--cpu-quota", "150000", "--cpu-period", "100000"], None),
    (["--cpu-quota", "150000", "--cpu-period", "50000"], "limits.cpu at most 1.5"),
    (["--cpu-quota", "-1"], "takes back limits.cpu"),
    (["--cpu-quota", "100000"], "a quota with its period"),
    (["--cpu-period", "1000"], "a quota with its period"),
    (["--cpu-share", "512"], None),
    ({"unified": {"memory.max": "max"}}, "would take back limits.memory"),
    ({"devices": [{"allow": True, "access": "rwm"}]}, "linux.resources.devices"),
    ({"devices": [{"allow": False, "access": "rwm"}]}, None),
    ({"devices": [{"allow": False, "access": "rw"}]}, "linux.resources.devices"),
    ({"devices": [{"allow": False, "access": "rwm"}] * 2}, "linux.resources.devices"),
]


@pytest.mark.parametrize("how", ["allow", "require"])
@pytest.mark.parametrize("asked, why", UPDATES,
                         ids=lambda v: "-".join(v).strip("-") if isinstance(v, list) else None)
def test_update_stays_within_the_host_policy(rt, box, work, how, asked, why):
    path = work + "/host.json"
    with open(path, "w", encoding="ascii") as f:
        json.dump({how: BOUNDS}, f)
    rt.options = ["--host-policy", path]
    b = confined.confine(box(["sleep", "100"]), work)
    rt.create(b)
    rt.options = []    # what was said at create holds
    flags = asked
    if isinstance(asked, dict):
        with open(work + "/r.json", "w", encoding="ascii") as f:
            json.dump(asked, f)
        flags = ["--resources", work + "/r.json"]
    r = rt("update", *flags, b.id)
    if why:
        assert why in " ".join(confined.refusal(r))
    else:
        assert r.code == 0, r.err


def test_no_descriptor_of_the_caller_is_handed_over(rt, box, work):
    """One of a directory leads to all of the host's files, a connected socket past the table."""
    def called(command, *args, check):
        return runtime.run(["sh", "-c", 'exec "$@" 3</', "sh",
                            *rt.argv(command, "--preserve-fds", "1", *args)], check=check)

    plain = box(["ls", "-a", "/proc/self/fd/3" + work])
    assert called("run", "--bundle", plain.path, plain.id, check=True).out.startswith(".\n..\n")
    b = confined.confine(box(["sleep", "100"]), work)
    r = called("create", "--bundle", b.path, b.id, check=False)
    assert "1 descriptors of the caller's" in confined.refusal(r)[0]
    rt.up(b)
    r = called("exec", b.id, "true", check=False)
    assert "1 descriptors of the caller's" in confined.refusal(r)[0]
