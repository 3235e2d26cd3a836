# SPDX-License-Identifier: Apache-2.0
"""Documents of data/vectors/: what the specification's schemas allow is accepted, what they forbid
is refused where it stands, and what agentrun prints is allowed."""
import json
import os
import re

import pytest
from bundle import default_config
from runtime import REPO, flavour, program, run

pytestmark = pytest.mark.skipif(flavour() != "agentrun",
                                reason="`policy explain` and the paths in refusals are agentrun's")


def vectors(name):
    with open(os.path.join(REPO, "tests/data/vectors", name + ".json"), encoding="utf-8") as f:
        return json.load(f)


# ---- config.json ----

def filled(vector):
    """A configuration that could be created, with the vector's members in place of its own."""
    def fill(into, members):
        for k, v in members.items():
            if isinstance(v, dict) and isinstance(into.get(k), dict):
                fill(into[k], v)
            else:
                into[k] = v
    config = default_config()
    fill(config, vector)
    return config


def read(rt, work, text):
    with open(work + "/config.json", "w", encoding="utf-8") as f:
        f.write(text)
    return rt("--profile", "none", "policy", "explain", "--json", "--bundle", work)


GOOD = vectors("config-good")
BAD = vectors("config-bad")


@pytest.mark.parametrize("name", GOOD)
def test_good_config(rt, work, name):
    r = read(rt, work, json.dumps(filled(GOOD[name])))
    assert (r.code, r.err) == (0, "")


@pytest.mark.parametrize("vector", BAD, ids=[v["at"] for v in BAD])
def test_bad_config(rt, work, vector):
    r = read(rt, work, json.dumps(filled(vector["config"])))
    assert r.code == 1
    assert f"config.json: {vector['at']}: " in r.err and vector["said"] in r.err, r.err


@pytest.mark.parametrize("member", ["ociVersion", "root"])
def test_required_member(rt, work, member):
    config = default_config()
    del config[member]
    r = read(rt, work, json.dumps(config))
    assert r.code == 1 and f"config.json: {member}: required, but absent" in r.err


@pytest.mark.parametrize("text", ["{", '{"ociVersion": "1.0.0",}', "", "[]", '"x"', "{} {}"])
def test_no_json_object(rt, work, text):
    r = read(rt, work, text)
    assert r.code == 1 and re.match(r"agentrun: config.json(:\d+:\d+)?: ", r.err), r.err


# ---- what state and features print ----

class Map:
    """An object whose every member is of one kind."""

    def __init__(self, kind):
        self.kind = kind


def wrong(rule, value, at="$"):
    """Where value is not as the rule says: a type, {enumeration}, pattern, [items], Map(members)
    or {member: rule}, of which those named with "?" may be absent; (a, b): either."""
    if isinstance(rule, tuple):
        found = [wrong(r, value, at) for r in rule]
        return [] if [] in found else found[0]
    if isinstance(rule, set):
        return [] if value in rule else [at]
    if isinstance(rule, re.Pattern):
        return [] if isinstance(value, str) and rule.search(value) else [at]
    if isinstance(rule, list):
        if not isinstance(value, list):
            return [at]
        return [w for i, v in enumerate(value) for w in wrong(rule[0], v, f"{at}[{i}]")]
    if isinstance(rule, Map):
        if not isinstance(value, dict):
            return [at]
        return [w for k, v in value.items() for w in wrong(rule.kind, v, f"{at}.{k}")]
    if isinstance(rule, dict):
        if not isinstance(value, dict):
            return [at]
        known = {k.rstrip("?"): r for k, r in rule.items()}
        return [f"{at}.{k}" for k in rule if not k.endswith("?") and k not in value] + \
            [w for k, v in value.items() if k in known for w in wrong(known[k], v, f"{at}.{k}")]
    if rule is int:
        return [] if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else [at]
    return [] if isinstance(value, rule) else [at]


ANNOTATIONS = (Map(str), type(None))
ENABLED = {"enabled?": bool}
STATE = {
    "ociVersion": str, "id": str, "status": re.compile("^(creating|created|running|stopped)$"),
    "pid?": int, "bundle": str, "annotations?": ANNOTATIONS,
}
FEATURES = {
    "ociVersionMin": str, "ociVersionMax": str, "hooks?": [str], "mountOptions?": [str],
    "annotations?": ANNOTATIONS, "potentiallyUnsafeConfigAnnotations?": [str],
    "linux?": {
        "namespaces?": [re.compile("^(mount|pid|network|uts|ipc|user|cgroup|time)$")],
        "capabilities?": [re.compile("^CAP_[A-Z_]+$")],
        "cgroup?": {"v1?": bool, "v2?": bool, "systemd?": bool, "systemdUser?": bool,
                    "rdma?": bool},
        "seccomp?": {
            "enabled?": bool,
            "actions?": [re.compile("^SCMP_ACT_(KILL|KILL_PROCESS|KILL_THREAD|TRAP|ERRNO|TRACE|"
                                    "ALLOW|LOG|NOTIFY)$")],
            "operators?": [re.compile("^SCMP_CMP_(NE|LT|LE|EQ|GE|GT|MASKED_EQ)$")],
            "archs?": [re.compile("^SCMP_ARCH_[A-Z0-9_]+$")],
            "knownFlags?": [re.compile("^SECCOMP_FILTER_FLAG_[A-Z_]+$")],
            "supportedFlags?": [re.compile("^SECCOMP_FILTER_FLAG_[A-Z_]+$")],
        },
        "apparmor?": ENABLED, "selinux?": ENABLED, "intelRdt?": ENABLED, "netDevices?": ENABLED,
        "memoryPolicy?": {"modes?": [str], "flags?": [str]},
        "mountExtensions?": {"idmap?": ENABLED},
    },
}


@pytest.mark.parametrize("name, rule", [("state", STATE), ("features", FEATURES)])
def test_the_rules_tell_good_from_bad(name, rule):
    v = vectors(name)
    assert {k: w for k, d in v["good"].items() if (w := wrong(rule, d))} == {}
    assert [k for k, d in v["bad"].items() if not wrong(rule, d)] == []


def test_state(rt, box):
    b = box(["sleep", "100"], lambda c: c.update(annotations={"org.example.a": "b"}))
    seen = []

    def look():
        state = rt.state(b)
        assert wrong(STATE, state) == []
        assert state["id"] == b.id and state["bundle"] == b.path
        assert state["annotations"] == {"org.example.a": "b"}
        assert (state.get("pid", 0) > 0) == (state["status"] != "stopped")
        seen.append(state["status"])
    rt.create(b)
    look()
    rt.start(b)
    look()
    rt.kill(b, "KILL", check=True)
    rt.wait(b)
    look()
    assert seen == ["created", "running", "stopped"]


def test_features():
    features = json.loads(run([program(), "features"], check=True).out)
    assert wrong(FEATURES, features) == []
    assert sorted(features["hooks"]) == sorted(GOOD["example"]["hooks"])
