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


# Fields of the policy, and the reason that the error must give besides naming one.
BAD = [
    # unknown
    ({"egres": "none"}, "the nearest is io.agentrun.egress"),
    ({"": "x"}, "annotation io.agentrun.: there is no such field"),
    ({"Egress": "none"}, "annotation io.agentrun.Egress: there is no such field"),
    ({"workspace_guards": "x"}, "the nearest is io.agentrun.workspace.guard"),
    ({"host_policy": "/x"}, "annotation io.agentrun.host.policy: there is no such field"),
    ({"label_": "x"}, "a label's key is 1 to 63 of"),
    # bad values
    ({"profile": "../../etc/passwd"}, "never a path"),
    ({"profile": "no-such"}, "there is no no-such.json in"),
    ({"profile": ""}, 'io.agentrun.profile: "": must be a name'),
    ({"egress": "yes"}, "must be one of none, allow, open"),
    ({"egress": ""}, "must be one of none, allow, open"),
    ({"egress": "none,open"}, "must be one of none, allow, open"),
    ({"egress_allow": "203.0.113.1:443"}, "a reason is missing"),
    ({"egress_allow": "203.0.113.1:443 ()"}, "the reason is empty"),
    ({"egress_allow": "203.0.113.1 (x)"}, "a port is missing"),
    ({"egress_allow": "203.0.113.1:0 (x)"}, "ports are 1 to 65535"),
    ({"egress_allow": "203.0.113.1:65536 (x)"}, "port: the number is too large"),
    ({"egress_allow": "203.0.113.1:0443 (x)"}, "must not begin with 0"),
    ({"egress_allow": "0x7f000001:443 (x)"}, "numeric spelling"),
    ({"egress_allow": "2130706433:443 (x)"}, "numeric spelling"),
    ({"egress_allow": "010.0.0.1:443 (x)"}, "numeric spelling"),
    ({"egress_allow": "127.0.0.1:443 (x)"}, "it is loopback"),
    ({"egress_allow": "203.0.113.1:443/icmp (x)"}, "HOST-or-CIDR:PORT[-PORT][/udp]"),
    ({"egress_allow": "2001:db8::1:443 (x)"}, "[brackets]"),
    ({"egress_allow": "203.0.113.1/8:443 (x)"}, "bits set beyond its prefix length"),
    ({"egress_allow": "a b:443 (x)"}, "a port is missing"),
    ({"egress_allow": "\x1b]0;x\x07:443 (x)"}, "neither an address nor a host name"),
    ({"workspace": "relative"}, "must be an absolute path"),
    ({"workspace": "/no/such"}, "no bind mount"),
    ({"workspace_mode": "rx"}, "must be one of ro, cow, rw"),
    ({"workspace_guard": "../x"}, "relative to the workspace"),
    ({"workspace_guard": "/etc"}, "relative to the workspace"),
    ({"workspace_mask": "a/../../b"}, "inside the workspace"),
    ({"mounts": "all"}, "must be one of workspace-only, any"),
    ({"mounts_allow": "relative"}, "source: must be an absolute path"),
    ({"mounts_allow": "/a:/b:/c:ro"}, "SOURCE[:DEST][:ro]"),
    ({"env": "drop"}, "must be one of strict, scrub, keep"),
    ({"env_allow": "A=B"}, "variable's name"),
    ({"caps": "CAP_EVERYTHING"}, "is not a capability that agentrun knows"),
    ({"seccomp": "no-such"}, "there is no no-such.json in"),
    ({"seccomp": "/etc/passwd"}, "never a path"),
    ({"limits_pids": "0"}, "a whole number above 0"),
    ({"limits_pids": "-1"}, "a number is missing"),
    ({"limits_memory": "2x"}, "must be a size"),
    ({"limits_memory": "99999999999999999999"}, "the number is too large"),
    ({"limits_cpu": "0"}, "must be at least 0.01"),
    ({"limits_time": "soon"}, "a number is missing"),
    ({"audit_mode": "none"}, "must be one of required, best-effort"),
    ({"credentials": "github"}, "credentials: github is not defined"),
    ({"label_task": "ghp_" + "0123456789" * 4}, "credential"),
    ({"ingress_allow": "http"}, "a number is missing"),
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
    assert any(name.replace("_", ".") in r.err for name in fields)
    assert word in r.err and len(r.err) < 600


@pytest.mark.parametrize("name", ["../agent", "/etc/passwd", "agent.json/../agent", "", "no-such",
                                  "Agent", "a\nb"])
def test_bad_profile_of_the_command_line(rt, box, refused, name):
    rt.options = ["--profile", name]
    r = refused(box(SLEEP))
    assert "(option --profile)" in r.err
    assert ("there is no no-such.json in" if name == "no-such" else "never a path") in r.err


@pytest.mark.parametrize("value", [1, None, True, [], {}])
def test_annotation_that_is_no_text(box, work, refused, value):
    b = confined.confine(box(SLEEP), work)
    b.config["annotations"]["io.agentrun.egress"] = value
    b.save()
    assert 'annotations["io.agentrun.egress"]: expected a string' in refused(b).err


def test_annotation_given_twice(box, work, refused):
    """No parser may take the one and its reader the other."""
    b = confined.confine(box(SLEEP), work, egress="none")
    once, other = '"io.agentrun.egress": "none"', '"io.agentrun.egress": "open"'
    text = json.dumps(b.config).replace(once, f"{once}, {other}")
    with open(b.path + "/config.json", "w", encoding="utf-8") as f:
        f.write(text)
    assert 'annotations["io.agentrun.egress"]: the key stands twice' in refused(b).err


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
    ({"egress.allow": ["203.0.113.0/24:443"]}, {"egress": "open"}, "egress=open"),
    ({"mounts.allow": ["/srv/data"]}, {"mounts": "any"}, "mounts=any"),
    ({"env.allow": ["CI_*"]}, {"env": "keep"}, "env=keep"),
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
    ("", "not valid JSON"), ("[]", "must be an object, not an array"), ("{", "not valid JSON"),
    ('{"alow": {}}', "alow: is not one of"),
    ('{"allow": {"egres": "none"}}', "allow: egres: is not a field of a policy"),
    ('{"allow": {"egress": "maybe"}}', 'allow: egress: "maybe": must be one of'),
    ('{"allow": {"limits.pids": -1}}', 'allow: ["limits.pids"]: "-1": a number is missing'),
    ('{"require": 1}', "require: must be an object, not a number"),
    ('{"exceptions": {"namespaces": ["mnt"]}}', "exceptions.namespaces[0]: must be one of"),
    ('{"exceptions": {"privileged": "yes"}}', "exceptions.privileged: must be a boolean"),
    ('{"audit.hooks": [{"path": "/x", "events": ["deleted"]}]}',
     '["audit.hooks"][0].events[0]: "deleted": must be one of create, start, exec, exit, delete'),
    ('{"audit.hooks": [{"path": "relative"}]}', '["audit.hooks"][0].path: must be an absolute'),
    ('{"default_profile": "../x"}', "default_profile: must be a name"),
    ('{"allow": {}, "allow": {"egress": "open"}}', "allow: the key stands twice in its object"),
]


@pytest.mark.parametrize("text, word", BAD_FILES)
def test_bad_host_policy(box, work, refused, host, text, word):
    """For every container then, also for those that ask for nothing."""
    path = host(text)
    assert word in refused(confined.confine(box(SLEEP), work)).err
    r = refused(box(SLEEP))
    assert path in r.err and word in r.err


@pytest.mark.parametrize("spoil, why", [
    ("world-writable", "must not be writable by group or others (mode 0666)"),
    ("group-writable", "must not be writable by group or others (mode 0664)"),
    ("foreign", "must be owned by root, not by uid 1000"), ("missing", "No such file or directory"),
    ("directory", "is not a regular file"), ("fifo", "is not a regular file"),
    ("link-to-foreign", "must be owned by root, not by uid 1000")])
def test_host_policy_that_others_could_write(box, work, refused, host, spoil, why):
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
    assert f"{path}: {why}" in refused(confined.confine(box(SLEEP), work)).err
