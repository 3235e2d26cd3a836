# SPDX-License-Identifier: Apache-2.0
"""What a policy's author gets wrong, and what a host policy forbids: refused, and nothing left."""
import json
import os

import confined
import leaks
import pytest
import runtime
from runtime import errors

pytestmark = pytest.mark.skipif(runtime.flavour() != "agentrun",
                                reason="policies are agentrun's own")
SLEEP = ["sleep", "100"]


@pytest.fixture
def refused(rt, work):
    """refused(b): the error of create, the same on stderr and in the log, and nothing left."""
    def create(b, command="create"):
        log = f"{work}/log.json"
        options = list(rt.options)
        rt.options += ["--log", log, "--log-format", "json"]
        before = leaks.Snapshot(dirs=("/var/log/agentrun",))
        r = rt(command, "--bundle", b.path, "--pid-file", work + "/pid", b.id)
        rt.options = options
        assert r.code == 1 and r.out == "", r.text
        assert r.err == f"agentrun: {errors(log)[-1]['msg']}\n"
        before.check()
        assert rt.ids() == [] and os.listdir(rt.root) == []
        assert not os.path.exists(work + "/pid")
        assert "\x1b" not in r.err
        return r
    return create


# Fields of the policy, and what the error must name besides the annotation.
BAD = [
    # unknown
    ({"egres": "none"}, "io.agentrun.egress"),
    ({"": "x"}, "io.agentrun."),
    ({"Egress": "none"}, "io.agentrun.Egress"),
    ({"workspace_guards": "x"}, "io.agentrun.workspace.guard"),
    ({"host_policy": "/x"}, "io.agentrun.host.policy"),
    ({"label_": "x"}, "label"),
    # bad values
    ({"profile": "../../etc/passwd"}, "never a path"),
    ({"profile": "no-such"}, "no-such"),
    ({"profile": ""}, "io.agentrun.profile"),
    ({"egress": "yes"}, "must be one of none, allow, open"),
    ({"egress": ""}, "io.agentrun.egress"),
    ({"egress": "none,open"}, "io.agentrun.egress"),
    ({"egress_allow": "203.0.113.1:443"}, "reason"),
    ({"egress_allow": "203.0.113.1:443 ()"}, "reason"),
    ({"egress_allow": "203.0.113.1 (x)"}, "port"),
    ({"egress_allow": "203.0.113.1:0 (x)"}, "port"),
    ({"egress_allow": "203.0.113.1:65536 (x)"}, "io.agentrun.egress.allow"),
    ({"egress_allow": "203.0.113.1:0443 (x)"}, "io.agentrun.egress.allow"),
    ({"egress_allow": "0x7f000001:443 (x)"}, "io.agentrun.egress.allow"),
    ({"egress_allow": "2130706433:443 (x)"}, "io.agentrun.egress.allow"),
    ({"egress_allow": "010.0.0.1:443 (x)"}, "io.agentrun.egress.allow"),
    ({"egress_allow": "127.0.0.1:443 (x)"}, "io.agentrun.egress.allow"),
    ({"egress_allow": "203.0.113.1:443/icmp (x)"}, "io.agentrun.egress.allow"),
    ({"egress_allow": "2001:db8::1:443 (x)"}, "io.agentrun.egress.allow"),
    ({"egress_allow": "203.0.113.1/8:443 (x)"}, "io.agentrun.egress.allow"),
    ({"egress_allow": "a b:443 (x)"}, "io.agentrun.egress.allow"),
    ({"egress_allow": "\x1b]0;x\x07:443 (x)"}, "io.agentrun.egress.allow"),
    ({"workspace": "relative"}, "absolute"),
    ({"workspace": "/no/such"}, "no bind mount"),
    ({"workspace_mode": "rx"}, "must be one of"),
    ({"workspace_mode": "cow"}, "not supported yet"),
    ({"workspace_guard": "../x"}, "relative to the workspace"),
    ({"workspace_guard": "/etc"}, "relative to the workspace"),
    ({"workspace_mask": "a/../../b"}, "inside the workspace"),
    ({"mounts": "all"}, "must be one of"),
    ({"mounts_allow": "relative"}, "absolute"),
    ({"mounts_allow": "/a:/b:/c:ro"}, "SOURCE[:DEST][:ro]"),
    ({"env": "drop"}, "must be one of"),
    ({"env_allow": "A=B"}, "variable's name"),
    ({"caps": "CAP_EVERYTHING"}, "capability"),
    ({"seccomp": "no-such"}, "no-such"),
    ({"seccomp": "/etc/passwd"}, "io.agentrun.seccomp"),
    ({"limits_pids": "0"}, "io.agentrun.limits.pids"),
    ({"limits_pids": "-1"}, "io.agentrun.limits.pids"),
    ({"limits_memory": "2x"}, "io.agentrun.limits.memory"),
    ({"limits_memory": "99999999999999999999"}, "io.agentrun.limits.memory"),
    ({"limits_cpu": "0"}, "io.agentrun.limits.cpu"),
    ({"limits_time": "soon"}, "io.agentrun.limits.time"),
    ({"audit_mode": "none"}, "must be one of"),
    ({"credentials": "github"}, "github"),
    ({"label_task": "ghp_" + "0123456789" * 4}, "credential"),
    ({"ingress_allow": "http"}, "io.agentrun.ingress.allow"),
    # contradictions
    ({"egress": "none", "egress_allow": "203.0.113.1:443 (x)"}, "contradicts"),
    ({"egress": "open", "egress_allow": "203.0.113.1:443 (x)"}, "contradicts"),
    ({"caps": "CAP_NET_ADMIN"}, "contradicts"),
    ({"caps": "CHOWN,NET_RAW", "egress": "none"}, "contradicts"),
    ({"profile": "none", "egress": "none"}, "contradicts"),
]


@pytest.mark.parametrize("command", ["create", "run"])
@pytest.mark.parametrize("fields, word", BAD, ids=[f"{i}-{'-'.join(f)}" for i, (f, _) in
                                                   enumerate(BAD)])
def test_bad_annotation(box, work, refused, fields, word, command):
    b = confined.confine(box(SLEEP), work, **fields)
    r = refused(b, command)
    assert word in r.err and len(r.err) < 600


@pytest.mark.parametrize("name", ["../agent", "/etc/passwd", "agent.json/../agent", "", "no-such",
                                  "Agent", "a\nb"])
def test_bad_profile_of_the_command_line(rt, box, refused, name):
    rt.options = ["--profile", name]
    r = refused(box(SLEEP))
    assert "--profile" in r.err
    if "/" in name:
        assert "never a path" in r.err


@pytest.mark.parametrize("value", [1, None, True, [], {}])
def test_annotation_that_is_no_text(box, work, refused, value):
    b = confined.confine(box(SLEEP), work)
    b.config["annotations"]["io.agentrun.egress"] = value
    b.save()
    assert "annotations" in refused(b).err


def test_annotation_given_twice(box, work, refused):
    """No parser may take the one and its reader the other."""
    b = confined.confine(box(SLEEP), work, egress="none")
    once, other = '"io.agentrun.egress": "none"', '"io.agentrun.egress": "open"'
    text = json.dumps(b.config).replace(once, f"{once}, {other}")
    with open(b.path + "/config.json", "w", encoding="utf-8") as f:
        f.write(text)
    assert "io.agentrun.egress" in refused(b).err


def test_other_peoples_annotations_are_theirs(rt, box, work):
    b = confined.confine(box(["true"]), work)
    b.config["annotations"].update({"io.agentrunner.x": "y", "io.kubernetes.cri": "z", "io": ""})
    b.save()
    rt.run(b, check=True)


# ---- the host policy


@pytest.fixture
def host(rt, work):
    """host(policy): the administrator's file."""
    def put(policy, mode=0o644):
        path = work + "/host.json"
        with open(path, "w", encoding="utf-8") as f:
            f.write(policy if isinstance(policy, str) else json.dumps(policy))
        os.chmod(path, mode)
        rt.options = ["--host-policy", path]
        return path
    return put


CEILINGS = [
    ({"egress": "none"}, {"egress": "open"}, "egress=open"),
    ({"egress": "allow"}, {"egress": "open"}, "egress=open"),
    ({"egress": ["none", "allow"]}, {"egress": "open"}, "egress=open"),
    ({"egress.allow": ["198.51.100.0/24:443"]}, {"egress_allow": "203.0.113.1:443 (x)"},
     "203.0.113.1"),
    ({"egress.allow": ["203.0.113.0/24:443"]}, {"egress_allow": "203.0.113.1:80 (x)"},
     "203.0.113.1:80"),
    ({"egress.allow": ["203.0.113.0/24:443"]}, {"egress_allow": "203.0.0.0/16:443 (x)"},
     "203.0.0.0/16"),
    ({"egress.allow": ["203.0.113.0/24:443"]}, {"egress_allow": "203.0.113.1:443/udp (x)"}, "udp"),
    ({"mounts": "workspace-only"}, {"mounts": "any"}, "mounts=any"),
    ({"mounts.allow": ["/srv/data"]}, {"mounts_allow": "/srv"}, "/srv"),
    ({"mounts.allow": ["/srv/data"]}, {"mounts_allow": "/srv/database"}, "/srv/database"),
    ({"mounts.allow": ["/srv/data:ro"]}, {"mounts_allow": "/srv/data"}, "/srv/data"),
    ({"env": "scrub"}, {"env": "keep"}, "env=keep"),
    ({"env.allow": ["CI_*"]}, {"env_allow": "GITHUB_TOKEN"}, "GITHUB_TOKEN"),
    ({"env.allow": ["CI_*"]}, {"env_allow": "*"}, "env.allow=*"),
    ({"caps": ["CHOWN"]}, {"caps": "CHOWN,SETUID"}, "SETUID"),
    ({"seccomp": ["agent"]}, {"seccomp": "engine"}, "seccomp=engine"),
    ({"seccomp": ["agent"]}, {"seccomp": "agent-debug"}, "seccomp=agent-debug"),
    ({"profile": ["inspect"]}, {"profile": "agent"}, "agent"),
    ({"limits.memory": "1g"}, {"limits_memory": "2g"}, "2g"),
    ({"limits.pids": "100"}, {"limits_pids": "101"}, "101"),
    ({"workspace.mode": "ro"}, {"workspace_mode": "rw"}, "workspace.mode=rw"),
]
DEMANDS = [
    ({"audit.mode": "required"}, {"audit_mode": "best-effort"}, "audit.mode=best-effort"),
    ({"workspace.mode": "ro"}, {"workspace_mode": "rw"}, "workspace.mode=rw"),
    ({"egress": "none"}, {"egress": "open"}, "egress=open"),
    ({"egress": "none"}, {"egress_allow": "203.0.113.1:443 (x)"}, "203.0.113.1"),
    ({"env": "strict"}, {"env": "keep"}, "env=keep"),
    ({"seccomp": "agent"}, {"seccomp": "engine"}, "seccomp=engine"),
]


@pytest.mark.parametrize("kind, limits, fields, word", [
    *(("allow", *row) for row in CEILINGS), *(("require", *row) for row in DEMANDS)])
def test_more_than_the_host_allows(box, work, refused, host, kind, limits, fields, word):
    """Three lines: the field with the asked value, the ceiling, and the file that set it."""
    path = host({kind: limits})
    lines = confined.refusal(refused(confined.confine(box(SLEEP), work, **fields)))
    assert word in lines[0] and "annotation" in lines[0], lines
    assert path in lines[1] + lines[2], lines


@pytest.mark.parametrize("policy, fields", [
    ({"allow": {"profile": ["agent"]}}, {"profile": "none"}),
    ({"require": {"audit.mode": "required"}}, {"profile": "none"}),
])
def test_no_way_around_a_policy(box, work, refused, host, policy, fields):
    host(policy)
    confined.refusal(refused(confined.confine(box(SLEEP), work, **fields)))
    plain = box(SLEEP)
    confined.refusal(refused(plain))


def test_what_the_host_requires_is_added(rt, box, work, host):
    host({"default_profile": "agent", "require": {"env.deny": ["EDITOR"], "workspace.mode": "ro"}})
    b = box(["sh", "-c", "env; touch /workspace/f"])
    confined.confine(b, work)
    b.config["annotations"] = {}
    b.config["process"]["env"].append("EDITOR=vi")
    b.save()
    r = rt.run(b, check=False)
    assert "EDITOR" not in r.out and "Read-only" in r.err


BAD_FILES = [
    ("", "host.json"), ("[]", "host.json"), ("{", "host.json"), ('{"alow": {}}', "alow"),
    ('{"allow": {"egres": "none"}}', "egres"), ('{"allow": {"egress": "maybe"}}', "egress"),
    ('{"allow": {"limits.pids": -1}}', "limits.pids"), ('{"require": 1}', "require"),
    ('{"exceptions": {"namespaces": ["mnt"]}}', "namespaces"),
    ('{"exceptions": {"privileged": "yes"}}', "privileged"),
    ('{"audit.hooks": [{"path": "relative"}]}', '["audit.hooks"][0].path'),
    ('{"default_profile": "../x"}', "default_profile"),
    ('{"allow": {}, "allow": {"egress": "open"}}', "allow"),
]


@pytest.mark.parametrize("text, word", BAD_FILES)
def test_bad_host_policy(box, work, refused, host, text, word):
    """For every container then, also for those that ask for nothing."""
    path = host(text)
    assert word in refused(confined.confine(box(SLEEP), work)).err
    r = refused(box(SLEEP))
    assert path in r.err and word in r.err


@pytest.mark.parametrize("spoil", ["world-writable", "group-writable", "foreign", "missing",
                                   "directory", "fifo", "link-to-foreign"])
def test_host_policy_that_others_could_write(box, work, refused, host, spoil):
    path = host({})
    if spoil.endswith("writable"):
        os.chmod(path, 0o666 if spoil == "world-writable" else 0o664)
    elif spoil == "foreign":
        os.chown(path, 1000, 1000)
    else:
        os.unlink(path)
        if spoil == "directory":
            os.mkdir(path)
        elif spoil == "fifo":
            os.mkfifo(path)
        elif spoil == "link-to-foreign":
            with open(work + "/own", "w", encoding="ascii") as f:
                f.write("{}")
            os.chown(work + "/own", 1000, 1000)
            os.symlink(work + "/own", path)
    assert path in refused(confined.confine(box(SLEEP), work)).err
