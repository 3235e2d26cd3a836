# SPDX-License-Identifier: Apache-2.0
"""E1-E3: credentials in the environment, by every way in and to every place out.

test_policy.py has the main road; here are the side roads: hooks, the runtime's
own environment, what a created container shows, core dumps, and the tables of
names and values.
"""
import base64
import json
import os

import confined
import pytest
import runtime
from bundle import shell
from runtime import until

pytestmark = pytest.mark.skipif(runtime.flavour() != "agentrun",
                                reason="policies are agentrun's own")
SLEEP = ["sleep", "100"]
MARK = "planted-by-name"
# Made up, and in parts, so that no scanner of repositories takes them for real.
HEX = "0123456789abcdef"
ALNUM = "abcdefghijklmnopqrstuvwxyz0123456789ABCD"
UPPER = "ABCDEFGHIJKLMNOP2345"
JWT = "eyJ" + "hbGciOiJIUzI1NiJ9.eyJ" + "zdWIiOiIxMjM0In0.c2lnbmF0dXJl"
PEM = "-----BEGIN {}PRIVATE " + "KEY-----\nMIIE"

NAMES = """GITHUB_TOKEN GH_TOKEN GITLAB_TOKEN AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
AWS_SESSION_TOKEN AWS_PROFILE AZURE_CLIENT_SECRET GOOGLE_APPLICATION_CREDENTIALS OPENAI_API_KEY
ANTHROPIC_API_KEY NPM_TOKEN npm_config__authToken PGPASSWORD MYSQL_PWD DATABASE_PASSWORD
DB_PASS SSH_AUTH_SOCK GPG_AGENT_INFO DOCKER_HOST DOCKER_CONFIG KUBECONFIG VAULT_TOKEN
TWINE_PASSWORD CARGO_REGISTRY_TOKEN HF_TOKEN SLACK_WEBHOOK STRIPE_SECRET_KEY SECRET_KEY_BASE
JWT_SECRET SESSION_COOKIE BASIC_AUTH MY_PRIVATE_KEY api_key github_token Http_Bearer
XAUTHORITY DBUS_SESSION_BUS_ADDRESS CI_JOB_TOKEN ACTIONS_RUNTIME_URL SENTRY_DSN
REDIS_CONNECTION_STRING KRB5CCNAME NETRC TF_VAR_db_password""".split()
INNOCENT_NAMES = """PATH HOME LANG TERM EDITOR GOPATH NODE_ENV PYTHONPATH CC MAKEFLAGS PWD OLDPWD
AWS_REGION GITHUB_ACTIONS GITHUB_SHA KEYBOARD MONKEY TOKENIZERS_PARALLELISM COMPASS AUTHOR
PATTERN PASSENGER KEYMAP""".split()

VALUES = {
    "aws": "AKIA" + UPPER[:16], "aws-temporary": "ASIA" + UPPER[:16],
    "github-classic": "ghp_" + ALNUM, "github-oauth": "gho_" + ALNUM, "github-app": "ghs_" + ALNUM,
    "github-refresh": "ghr_" + ALNUM, "github-fine": "github_pat_" + "11A_" + ALNUM,
    "gitlab": "glpat-" + ALNUM[:20], "gitlab-runner": "glrt-" + ALNUM[:20],
    "slack-bot": "xoxb-" + "123456789012-abcdefghijkl", "slack-app": "xapp-" + "1-A0123-456-" + HEX,
    "slack-user": "xoxp-" + "123456789012-" + HEX,
    "slack-hook": "https://hooks.slack.com/" + "services/T0/B0/x",
    "openai": "sk-" + ALNUM, "openai-project": "sk-" + "proj-" + ALNUM,
    "anthropic": "sk-ant-" + "api03-" + ALNUM, "npm": "npm_" + ALNUM,
    "pypi": "pypi-" + "AgEIcHlwaS5vcmc" + ALNUM, "google": "AIza" + "SyA" + ALNUM[:34],
    "google-oauth": "ya29." + ALNUM, "stripe": "sk_live_" + ALNUM,
    "stripe-test": "sk_test_" + ALNUM,
    "sendgrid": "SG." + ALNUM + "." + ALNUM, "huggingface": "hf_" + ALNUM,
    "digitalocean": "dop_v1_" + HEX * 4, "docker": "dckr_pat_" + ALNUM[:27],
    "vault": "hvs." + ALNUM, "groq": "gsk_" + ALNUM, "linear": "lin_api_" + ALNUM,
    "shopify": "shpat_" + HEX * 2, "atlassian": "ATATT3" + ALNUM, "age": "AGE-SECRET-KEY-1" + UPPER,
    "jwt": JWT, "bearer": "Bearer " + ALNUM, "basic": "Basic " + ALNUM,
    "pem-rsa": PEM.format("RSA "), "pem-ec": PEM.format("EC "),
    "pem-openssh": PEM.format("OPENSSH "),
    "pem-plain": PEM.format(""), "pem-encoded": base64.b64encode(PEM.format("").encode()).decode(),
    "url": "postgres://app:hunter2@db.example/app", "url-slash": "amqp://u:pa/ss@h/",
    "url-token": "https://" + ALNUM + "@git.example/x.git", "in-a-list": "a,b;ghp_" + ALNUM + ";c",
    "in-json": json.dumps({"auth": "sk-ant-" + "api03-" + ALNUM}),
    "in-an-option": "--header=Authorization: Bearer " + ALNUM, "in-a-line": "x\nAKIA" + UPPER[:16],
}
INNOCENT_VALUES = """sk-learn-and-other-hyphenated-words https://example.com/a/b?c=d
http://[2001:db8::1]:8080/ user@example.com sha256:0123456789abcdef 1.2.3-rc.4+build.5
/usr/local/bin:/usr/bin C:\\Users\\me eyJust-a-word npm_lifecycle ghp_short hf_model
git@github.com:owner/repository.git -Wall,-O2 akia asia AKIAshort""".split()


def listed(out, names):
    have = {line.partition("=")[0] for line in out.splitlines()}
    return [n for n in names if n in have]


def by_bundle(rt, b, env):
    b.config["process"]["env"] += env
    b.config["process"]["args"] = ["env"]
    b.save()
    return rt.run(b, check=True).out


def by_flags(rt, b, env):
    rt.up(b)
    return rt.exec(b, *(x for e in env for x in ("--env", e)), "--", "env", check=True).out


def by_process_file(rt, b, env):
    rt.up(b)
    with open(b.path + "/process.json", "w", encoding="utf-8") as f:
        json.dump({"args": ["env"], "cwd": "/", "env": ["PATH=/bin", *env],
                   "user": {"uid": 0, "gid": 0}}, f)
    return rt.exec(b, "--process", f.name, check=True).out


WAYS = {"bundle": by_bundle, "exec-env": by_flags, "exec-process": by_process_file}


@pytest.fixture(params=WAYS)
def environment(request, rt, box, work):
    """environment(variables): what `env` prints inside."""
    return lambda env, **fields: WAYS[request.param](
        rt, confined.confine(box(SLEEP), work, **fields), env)


def test_e1_e2_credentials_by_name(environment):
    out = environment([f"{n}={MARK}" for n in NAMES])
    assert MARK not in out and listed(out, NAMES) == []


def test_e1_e2_other_names_stay(environment):
    out = environment([f"{n}=/bin:{n}" for n in INNOCENT_NAMES])
    assert sorted(listed(out, INNOCENT_NAMES)) == sorted(INNOCENT_NAMES)


def test_e3_credentials_by_value(environment):
    """Under names that say nothing."""
    out = environment([f"X{i}={v}" for i, v in enumerate(VALUES.values())])
    assert [k for i, k in enumerate(VALUES) if listed(out, [f"X{i}"])] == []
    assert len(VALUES) > 40


def test_e3_other_values_stay(environment):
    out = environment([f"X{i}={v}" for i, v in enumerate(INNOCENT_VALUES)])
    assert [v for i, v in enumerate(INNOCENT_VALUES) if f"X{i}={v}" not in out] == []


def test_e2_tricks(environment):
    """The same name twice, first innocent; no name at all; names of a kilobyte."""
    out = environment([f"X=1\n{MARK}", f"GITHUB_TOKEN={MARK}", f"GITHUB_TOKEN={MARK}2",
                       f"{'A' * 1000}={MARK}3"])
    assert f"{MARK}2" not in out and f"{MARK}3" not in out and out.count(MARK) == 1


def test_e2_deny_wins_over_allow(environment):
    out = environment(["A_1=in", "A_2=out", "B=in"], env_allow="A_*", env_deny="A_2")
    assert listed(out, ["A_1", "A_2", "B"]) == ["A_1", "B"]


# ---- E1: where else it could be


def host_environ(pid):
    with open(f"/proc/{pid}/environ", "rb") as f:
        return f.read()


def memory(pid):
    """All that the process can read."""
    found = b""
    with open(f"/proc/{pid}/maps", encoding="utf-8") as maps, open(f"/proc/{pid}/mem", "rb") as mem:
        for line in maps:
            span, mode, *_ = line.split()
            start, end = (int(x, 16) for x in span.split("-"))
            if "r" in mode and "[v" not in line:
                mem.seek(start)
                found += mem.read(end - start)
    return found


@pytest.mark.parametrize("kept", [False, True])
def test_e1_created_container_shows_nothing(rt, box, work, kept):
    """Between create and start: its environment, arguments, descriptors, memory of the plan.

    kept: where the policy lets the variable in, it is found.
    """
    b = confined.confine(box(SLEEP), work, **({"env": "keep"} if kept else {}))
    b.config["process"]["env"].append(f"GITHUB_TOKEN={MARK}")
    b.save()
    rt.create(b, env={**os.environ, "GH_TOKEN": MARK})
    pid = rt.state(b)["pid"]
    assert MARK.encode() not in host_environ(pid)
    assert (MARK.encode() in memory(pid)) == kept
    rt.start(b)
    until(lambda: b"PATH=" in host_environ(pid))
    assert (MARK.encode() in host_environ(pid)) == kept


def test_e1_the_runtimes_own_environment_stays_outside(rt, box, work):
    """An engine's daemon may have been started with credentials."""
    env = {**os.environ, "GITHUB_TOKEN": MARK, "INNOCENT": MARK}
    script = f"env >{work}/$1; cat >>{work}/$1"

    def edit(c):
        c["hooks"] = {kind: [{"path": "/bin/sh", "args": ["sh", "-c", script, "sh", kind]}]
                      for kind in ("prestart", "createRuntime", "poststart", "poststop")}
    b = confined.confine(box(SLEEP, edit), work)
    rt.create(b, env=env)
    rt.start(b, env=env)
    r = rt.exec(b, "--", "sh", "-c", "cat /proc/[0-9]*/environ", env=env, check=True)
    assert "PATH=" in r.out and MARK not in r.text
    rt.delete(b, "--force", env=env)
    for kind in ("prestart", "createRuntime", "poststart", "poststop"):
        with open(f"{work}/{kind}", encoding="utf-8") as f:
            text = f.read()
        assert b.id in text and MARK not in text


def test_e2_hooks_inside_the_container(rt, box, work):
    """startContainer hooks are processes of the container."""
    def edit(c):
        c["hooks"] = {"startContainer": [{
            "path": "/bin/sh", "args": ["sh", "-c", "env >/hook"],
            "env": ["PATH=/bin", "KEPT=yes", f"GITHUB_TOKEN={MARK}", f"X={VALUES['openai']}"]}]}
    b = confined.confine(box(["true"], edit), work)
    rt.run(b, check=True)
    text = b.read("/hook")
    assert "KEPT=yes" in text
    assert MARK not in text and VALUES["openai"] not in text
    with open(confined.LOG, encoding="utf-8") as f:
        log = f.read()
    assert MARK not in log and VALUES["openai"] not in log


def test_e1_core_dump(rt, box, work):
    """Of a process of the container, and none of the runtime's own."""
    with open("/proc/sys/kernel/core_pattern", encoding="ascii") as f:
        pattern = f.read().strip()
    if pattern not in ("core", "core.%p"):
        pytest.skip(f"this machine puts cores elsewhere ({pattern})")
    b = box(shell("sleep 100 & sleep 0.2; kill -ABRT $!; wait $! || true; ls"))
    confined.confine(b, work)
    b.config["process"]["env"] += [f"GITHUB_TOKEN={MARK}", f"X={VALUES['npm']}", "KEPT=yes"]
    b.config["process"]["rlimits"] = [{"type": "RLIMIT_CORE", "soft": 1 << 30, "hard": 1 << 30}]
    b.save()
    r = rt.run(b, check=True)
    cores = [x for x in r.out.split() if x.startswith("core")]
    assert cores
    for core in cores:
        with open(f"{b.workspace}/{core}", "rb") as f:
            data = f.read()
        assert b"KEPT=yes" in data
        assert MARK.encode() not in data and VALUES["npm"].encode() not in data


def test_e1_nothing_of_it_on_the_disk(rt, box, work):
    """State, log, debug log, audit log and its pages; only names are told."""
    b = confined.confine(box(SLEEP), work, audit_mode="required")
    secrets = [MARK, *VALUES.values()]
    b.config["process"]["env"] += [f"GITHUB_TOKEN={MARK}"] + [
        f"X{i}={v}" for i, v in enumerate(VALUES.values())]
    b.save()
    rt.options = ["--debug", "--log", work + "/log", "--log-format", "json"]
    rt.up(b)
    rt.exec(b, "--env", f"GH_TOKEN={MARK}", "--", "true", check=True)
    rt.exec(b, "--cap", "CAP_SYS_ADMIN", "--env", f"GH_TOKEN={MARK}", "--", "true",
            check="refused: capability CAP_SYS_ADMIN")
    texts = {"log": open(work + "/log", encoding="utf-8").read(),
             "state": rt("state", b.id).text, "list": rt("list", "--format", "json").text}
    for name in os.listdir(f"{rt.root}/{b.id}"):
        path = f"{rt.root}/{b.id}/{name}"
        if os.path.isfile(path) and name != "netns":
            with open(path, encoding="utf-8", errors="replace") as f:
                texts[name] = f.read()
    rt.delete(b, "--force", check=True)
    with open(confined.LOG, encoding="utf-8") as f:
        texts["audit log"] = f.read()
    texts["audit show"] = rt("audit", "show", b.id, check=True).out
    assert len(texts) > 5
    for name, text in texts.items():
        for secret in secrets:
            assert secret not in text and json.dumps(secret)[1:-1] not in text, (name, secret)
    assert "GITHUB_TOKEN" in texts["audit show"]
    assert until(lambda: "X7" in texts["audit log"])
