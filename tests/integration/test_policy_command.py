# SPDX-License-Identifier: Apache-2.0
"""agentrun policy: explain, check, schema."""
import json
import os

import confined
import pytest
import runtime

pytestmark = pytest.mark.skipif(runtime.flavour() != "agentrun", reason="policies are agentrun's own")
PROFILES = os.path.join(runtime.REPO, "profiles")


@pytest.fixture
def agent(box, work):
    b = confined.confine(box(), work, egress_allow="203.0.113.9:443 (a service)", label_task="7")
    b.config["process"]["env"].append("GITHUB_TOKEN=x")
    b.save()
    return b


def explain(rt, b, *args, **kw):
    return rt("policy", "explain", "--bundle", b.path, *args, **kw)


def test_explain_says_what_why_and_whence(rt, agent):
    out = explain(rt, agent, check=True).out
    assert "Profile: agent (" in out
    assert "203.0.113.9:443 (a service)  [annotation]" in out
    assert "environment: GITHUB_TOKEN dropped" in out
    assert f"Workspace: /workspace ({agent.workspace}), rw" in out
    assert "capabilities dropped:" in out


def test_explain_json_is_what_create_makes(rt, agent):
    told = json.loads(explain(rt, agent, "--json", check=True).out)
    rt.create(agent)
    with open(os.path.join(rt.root, agent.id, "config.json"), encoding="utf-8") as f:
        made = json.load(f)
    assert told["spec"]["agent"]["policyDigest"] == made["agent"]["policyDigest"]
    for key in ("mounts", "process"):
        assert told["spec"][key] == made[key]
    assert told["fields"]["label.*"] == {"value": {"task": "7"}, "from": ["annotation"]}


def test_explain_refuses_as_create_does(rt, agent, work):
    agent.config["mounts"].append(confined.bind(work, "/x"))
    agent.save()
    r = explain(rt, agent)
    assert r.err == rt.create(agent, check=False).err
    confined.refusal(r)


def test_explain_makes_nothing(rt, agent):
    explain(rt, agent, check=True)
    assert os.listdir(rt.root) == []


def test_explain_without_privileges(rt, agent):
    """a source that the caller may not look at is judged by its name"""
    hidden = os.path.join(agent.path, "hidden")
    os.makedirs(os.path.join(hidden, "data"))
    os.chmod(hidden, 0o700)
    agent.config["mounts"].append(confined.bind(f"{hidden}/data", "/data"))
    confined.annotate(agent.config, mounts_allow=f"{hidden}/data")
    agent.save()
    r = runtime.run(["setpriv", "--reuid=1000", "--regid=1000", "--clear-groups",
                     rt.program, "policy", "explain", "--bundle", agent.path], check=True)
    assert f"{hidden}/data" in r.out


def test_explain_of_a_plain_bundle(rt, box):
    assert "No policy" in explain(rt, box(), check=True).out
    assert json.loads(explain(rt, box(), "--json", check=True).out) == {"profile": None}


def test_the_option_profile(rt, box):
    rt.options = ["--profile", "inspect"]
    assert "Profile: inspect (" in explain(rt, box(), check=True).out


@pytest.mark.parametrize("name", ("agent", "edit", "inspect", "install"))
def test_check_of_a_shipped_profile(rt, name):
    path = os.path.join(PROFILES, f"{name}.json")
    assert rt("policy", "check", path, check=True).out == f"{path}: valid profile\n"


@pytest.mark.parametrize("text, error", (
    ('{"egress": "all"}', 'egress: "all": must be one of none, allow, open'),
    ('{"egres": "none"}', "egres: is not a field of a policy (the nearest is egress)"),
    ('{"allow": {"limits.pids": "many"}}', '["limits.pids"]: "many": a number is missing'),
    ('{"egress.allow": ["127.0.0.1:80 (x)"]}', "loopback"),
    ('{"egress": "none", "egress": "open"}', "egress: the key stands twice in its object"),
    ("[]", "must be an object"),
    ("{", "not valid JSON"),
))
def test_check_finds_what_is_wrong(rt, work, text, error):
    path = os.path.join(work, "p.json")
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    r = rt("policy", "check", path, check=False)
    assert path in r.err and error in r.err


def test_check_of_a_host_policy(rt, work):
    path = os.path.join(work, "p.json")
    with open(path, "w", encoding="utf-8") as f:
        json.dump({"default_profile": "agent", "allow": {"egress": "allow"}}, f)
    assert rt("policy", "check", path, check=True).out == f"{path}: valid host policy\n"


def test_schema_is_the_shipped_one(rt):
    with open(os.path.join(PROFILES, "policy.schema.json"), encoding="utf-8") as f:
        assert rt("policy", "schema", check=True).out == f.read()


def test_host_policy_bounds_a_container(rt, agent, work):
    path = os.path.join(work, "host.json")
    with open(path, "w", encoding="utf-8") as f:
        json.dump({"allow": {"egress": "none"}}, f)
    rt.options = ["--host-policy", path]
    lines = confined.refusal(rt.create(agent, check=False))
    assert "egress=allow" in lines[0] and path in lines[1]
    os.chmod(path, 0o666)
    assert "must not be writable" in rt.create(agent, check=False).err


@pytest.mark.parametrize("args", ((), ("explain", "x"), ("check",), ("schema", "x"), ("other",)))
def test_usage(rt, args):
    rt("policy", *args, check="policy explain takes no operand: x" if args[:1] == ("explain",) else
       "policy: expected explain [--bundle DIR] [--json], check FILE, or schema")
