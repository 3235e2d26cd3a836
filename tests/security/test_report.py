# SPDX-License-Identifier: Apache-2.0
"""The report of a session in its forms: what it says, and that it holds nothing of an agent's as syntax
(THREATS F5).  The logs are made here: no container is needed."""
import json
import os
import re
import shutil
import subprocess
from html.parser import HTMLParser

import pytest
import runtime

pytestmark = pytest.mark.skipif(runtime.flavour() != "agentrun", reason="records are agentrun's own")
FORMS = ((), ("--markdown",), ("--html",))


class Log:
    """A log of one session; verify has no part in it, so that the chains are zeros."""

    def __init__(self, path):
        self.path, self.n = path, 0
        os.makedirs(path)

    def add(self, event, **members):
        self.n += 1
        at = f"2026-03-04T05:{6 + self.n // 60 % 50:02}:{self.n % 60:02}.000000000Z"
        record = {"v": 1, "time": at, "seq": self.n, "prev": "0" * 64, "session": "01s",
                  "session_seq": self.n, "session_prev": "0" * 64, "event": event,
                  "container.id": "box", **members}
        with open(f"{self.path}/audit.jsonl", "a", encoding="utf-8") as f:
            f.write(json.dumps(record, separators=(",", ":")) + "\n")

    def show(self, *form, check=True):
        return runtime.run([runtime.program(), "audit", "--directory", self.path, *form, "show",
                            "01s"], check=check).out


@pytest.fixture
def log(work):
    return Log(f"{work}/log{os.getpid()}")


def process(*args):
    return {"process.command_args": args, "process.working_directory": "/w", "process.user.id": 0,
            "process.group.id": 0, "process.pid": 7, "process.interactive": False}


def stamp(ms):
    return f"2026-03-04T05:06:{ms // 1000:02}.{ms % 1000:03}000000Z"


def command(ms, took, *args, code=0, **more):
    return {"process.pid": 100 + ms, "process.parent_pid": 7, "process.command_args": args,
            "process.executable.path": f"/usr/bin/{args[0]}", "start_time": stamp(ms),
            "duration_ns": took * 1000000, "process.exit.code": code, **more}


def change(path, kind="added", runs=None, size=1234):
    return {"path": path, "kind": kind, "sha256": "ab" * 32, "size": size, "runs": runs}


def task(log, commands=(), lost=0, changes=(), source="bpf"):
    """What an agent does in a minute, with every member that a record may have."""
    log.add("create", **process("agent", "--task", "fix issue 7"), **{
        "host.name": "builder", "container.runtime.name": "agentrun",
        "container.runtime.version": "1.2.0", "sandbox": "agentrun: OCI namespaces and seccomp",
        "engine": "docker", "container.image.name": "registry.example/agent:2026-03",
        "bundle": "/run/containerd/io.containerd.runtime.v2.task/moby/3f2a", "rootfs": "/rootfs",
        "caller.uid": 0, "caller.login_uid": 1000,
        "mounts": [{"source": "/srv/project", "destination": "/w", "writable": True},
                   {"source": "/srv/cache", "destination": "/cache", "writable": False}],
        "policy": {
            "profile": "agent", "digest": "5d41402abc4b2a76b9719d911017c592", "audit_mode": "required",
            "workspace": {"source": "/srv/project", "destination": "/w", "mode": "cow", "owner": "keep",
                          "guard": [".git/hooks", ".git/config"], "mask": [".env"]},
            "egress": {"mode": "allow", "rules": [
                {"server.address": "api.example.com", "port_first": 443, "port_last": 443,
                 "network.transport": "tcp", "reason": "the model", "resolved": ["203.0.113.7"]},
                {"server.address": "registry.npmjs.org", "port_first": 443, "port_last": 443,
                 "network.transport": "tcp", "reason": "packages", "resolved": ["203.0.113.8"]}]},
            "ingress": [], "env": {"mode": "scrub", "dropped": ["GITHUB_TOKEN", "AWS_SECRET_KEY"]},
            "credentials": ["model-key"], "capabilities": [], "seccomp": "agent",
            "no_new_privileges": True,
            "changes": ["process.capabilities: dropped CAP_NET_RAW: the profile keeps none"]},
        "claims": {"task": "issue 7", "agent": "coder 3"}})
    log.add("start", **{"process.pid": 4711})
    log.add("exec", **process("git", "status"), **{"env.dropped": ["SSH_AUTH_SOCK"]})
    for i in range(0, len(commands), 4):
        log.add("commands", source=source, executions=commands[i:i + 4])
    log.n = max(log.n, 58)
    log.add("exit", **{"process.exit.code": 0, "process.exit.signal": None, "exit_reason": None,
                       "exit_time": stamp(58000), "source": "bpf"})
    kinds = {k: sum(c["kind"] == k for c in changes)
             for k in ("added", "modified", "deleted", "mode", "type")}
    log.add("delete", **{
        "process.exit.code": 0, "process.exit.signal": None, "exit_reason": None,
        "duration_ns": 57001000000, "cost": {
            "cpu_usec": 21412345, "memory_peak_bytes": 412 << 20, "io_read_bytes": 88 << 20,
            "io_write_bytes": 140 << 20, "oom_kills": 0},
        "network": {"destinations": [
            {"verdict": "allowed", "server.address": "203.0.113.7", "server.port": 443,
             "network.transport": "tcp", "packets": 812, "bytes": 913411},
            {"verdict": "reply", "server.address": "203.0.113.7", "server.port": 443,
             "network.transport": "tcp", "packets": 901, "bytes": 2913411},
            {"verdict": "denied", "server.address": "169.254.169.254", "server.port": 80,
             "network.transport": "tcp", "packets": 3, "bytes": 180}],
            "denied_packets": 3, "unrecorded_packets": 0, "forwarded_packets": 0,
            "inbound_denied_packets": 0, "truncated": False},
        "network_reason": None,
        "commands": {"source": "bpf", "recorded": len(commands), "lost": lost,
                     "reason": "the ring was full" if lost else None},
        "files": {"source": "overlay", "reason": None, "digest": "cd" * 32, **kinds,
                  "changes": changes, "omitted": 0},
        "installs": [{"ecosystem": "npm", "action": "npm install", "packages": ["left-pad@1.3.0"],
                      "evidence": "command", "path": None}],
        "unseen": ["shell built-ins, and forks that executed nothing",
                   "what was read or sent within an allowed connection"]})


COMMANDS = [
    command(3000, 4, "git", "log", "-3"), command(4100, 2600, "npm", "install", "left-pad@1.3.0"),
    command(7000, 9000, "npm", "test", code=1), command(17000, 40, "sed", "-i", "s/a/b/", "src/pad.js"),
    command(18500, 8700, "npm", "test"), command(28000, 30, "curl", "-s", "http://169.254.169.254/", code=7),
    command(30000, 5000, "sh", "-c", "cd tools && pip install -q requests==2.31 -r requirements.txt"),
    command(36000, 12000, "cargo", "build", "--release", code=101), command(50000, 80, "git", "diff"),
]
CHANGES = [
    change(".git/hooks/pre-push", runs="a git hook"), change("tools/run", "mode", "an executable file"),
    change("package.json", "modified"), change("package-lock.json", "modified", size=140000),
    change("src/pad.js", "modified"), change("src/old.js", "deleted", size=0),
]

HOSTILE = [
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "\"><svg/onload=alert(1)>", "' onclick='x",
    "</code></dd></title></style><b>", "<!-- ", "&lt;&#60;", "`", "``` `a` ``", "` <b> `",
    "@somebody #12 owner/repo#3 [x](https://example.com) ![y](z) www.example.com", "$`x`$ $$y$$",
    "a\n\n# heading\n- item\n</details>", "| a | b |", "\x01\x02\x01", "\x1b[2J\x1b]0;t\x07",
    "\u202etxt.exe", "**x** __y__ ~~z~~ \\", " ", "", "=cmd()", "`" * 200, "a" * 5000,
]


def hostile(log):
    """Every member that the page takes from a record, and each of the texts in it."""
    text = HOSTILE[10] + "`" + "".join(HOSTILE[:10])
    log.add("create", **process(*HOSTILE), **{
        "host.name": text, "container.runtime.name": "agentrun", "container.runtime.version": text,
        "sandbox": text, "engine": text, "container.image.name": text, "bundle": text,
        "mounts": [{"source": text, "destination": t, "writable": True} for t in HOSTILE],
        "claims": {t: text for t in HOSTILE},
        "policy": {
            "profile": text, "digest": text, "audit_mode": text, "seccomp": text,
            "workspace": {"source": text, "destination": text, "mode": text, "guard": HOSTILE,
                          "mask": HOSTILE},
            "egress": {"mode": "allow", "rules": [
                {"server.address": t, "port_first": 1, "port_last": 2, "network.transport": text,
                 "reason": t, "resolved": HOSTILE} for t in HOSTILE]},
            "ingress": [80], "env": {"mode": text, "dropped": HOSTILE}, "credentials": HOSTILE,
            "capabilities": HOSTILE, "no_new_privileges": True, "changes": HOSTILE}})
    log.add("start", **{"process.pid": 7})
    log.add("exec", **process(*HOSTILE), **{"env.dropped": HOSTILE})
    for arg in HOSTILE:
        log.add("commands", source=arg, executions=[
            {**command(5000, 10, arg, text, code=1), "process.executable.path": arg},
            command(6000, 10, "sh", "-c", f"npm install '{arg}'; pip install -r '{arg}'")])
    log.add("hook", **{"hook.path": text, "hook.event": text, "hook.detail": text})
    log.add("delete", **{
        "process.exit.code": 0, "exit_reason": text, "unseen": HOSTILE, "truncated": HOSTILE,
        "commands": {"source": "bpf", "recorded": 1, "lost": 2, "reason": text},
        "files": {"source": "overlay", "digest": text, "added": 99,
                  "changes": [change(t, runs=r) for t in HOSTILE for r in (t, None)] +
                             [change(t + "/go.sum") for t in HOSTILE]},
        "installs": [{"ecosystem": t, "action": t, "packages": HOSTILE, "evidence": e, "path": t}
                     for t in HOSTILE for e in ("command", "lockfile")],
        "network_reason": text, "network": {"denied_packets": 3, "destinations": [
            {"verdict": v, "server.address": t, "server.port": 5, "network.transport": t,
             "packets": 1, "bytes": 2} for t in HOSTILE for v in ("denied", "allowed")]}})


    log.add("apply", **{"workspace.source": text, "changes.digest": text, "caller.uid": 0,
                        "applied": [change(t) for t in HOSTILE]})


def test_F5_no_form_moves_a_terminal(log):
    hostile(log)
    for form in FORMS:
        page = log.show(*form)
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", page), form


ALLOWED = {
    "html": {"lang"}, "head": set(), "meta": {"charset", "http-equiv", "content", "name"},
    "title": set(), "style": set(), "body": set(), "h1": set(), "h2": set(), "section": set(),
    "code": set(), "dl": {"class"}, "dt": {"class"}, "dd": {"class"}, "div": {"class"},
    "p": {"class"}, "ul": {"class"}, "li": {"class", "style", "title"}, "span": set(),
}


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.texts, self.policy = [], [], None

    def handle_starttag(self, tag, attrs):
        assert {name for name, _ in attrs} <= ALLOWED[tag], (tag, attrs)
        attrs = dict(attrs)
        assert re.fullmatch(r"[a-z ]*", attrs.get("class", ""))
        assert re.fullmatch(r"(left:min\([\d.]+%,100% - 4px\);width:[\d.]+%)?", attrs.get("style", ""))
        if attrs.get("http-equiv") == "Content-Security-Policy":
            self.policy = attrs["content"]
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    def handle_comment(self, data):
        raise AssertionError(data)


def test_F5_html_holds_our_tags_alone(log):
    hostile(log)
    page = log.show("--html")
    tags = Tags()
    tags.feed(page)
    tags.close()
    assert tags.open == [] and page.count("<style>") == 1
    assert tags.policy == ("default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; "
                           "form-action 'none'")
    assert not re.search(r"url\(|@import|https?:|//", page.partition("<style>")[2].partition("</style>")[0])
    text = "".join(tags.texts)
    for payload in ("<script>alert(1)</script>", "<!-- ", "&lt;&#60;", "' onclick='x"):
        assert payload in text      # shown as it is


def test_F5_markdown_holds_our_syntax_alone(log):
    hostile(log)
    page = log.show("--markdown")
    assert "``" not in page
    rest = re.sub(r"`[^`\n]+`", "", page)     # without code spans
    assert "`" not in rest
    assert page.startswith("## agentrun: Session `01s`, container `box`\n")
    assert re.findall(r"<[^>]*>", rest) == ["<details>", "<summary>", "</summary>", "</details>"]
    assert not re.search(r"[@#$\[\]|~&\\_]|www|alert|http", rest.replace("#", "", 2).replace("\n###", ""))
    for line in rest.splitlines():
        assert not line or re.match(r"( {2})?- |## |### |<|exit: |packets denied: ", line), line


# ---- what it says


def test_the_records_of_these_tests_follow_the_schema(log):
    jsonschema = pytest.importorskip("jsonschema")
    with open(os.path.join(runtime.REPO, "profiles", "audit-record.schema.json"), encoding="utf-8") as f:
        validator = jsonschema.Draft202012Validator(json.load(f))
    task(log, COMMANDS, 3, CHANGES)
    with open(f"{log.path}/audit.jsonl", encoding="utf-8") as f:
        for line in f:
            assert [e.message for e in validator.iter_errors(json.loads(line))] == []


SAID = [
    "commands: 9, 3 failed", "package requests: 3", "packets denied: 3 out",
    "files changed: 6, 2 may run code on the host", "code 0 at 05:06:58",
    "05:06:07  npm test (code 1, 9.000 s)", "npm install: left-pad@1.3.0",
    "pip install: requests==2.31, and what requirements.txt lists",
    "lock file package-lock.json of npm was changed", "added .git/hooks/pre-push: a git hook",
    "mode of tools/run: an executable file", "modified package-lock.json, 136.7 KiB",
    "deleted src/old.js", "1 added, 3 modified, 1 deleted, 1 of another mode",
]


def test_every_form_answers_the_same(log):
    task(log, COMMANDS, changes=CHANGES)
    text, markdown = log.show(), log.show("--markdown")
    tags = Tags()
    tags.feed(log.show("--html"))
    forms = [text, re.sub(r"[`*]", "", markdown), "".join(tags.texts)]
    for part in SAID[4:]:
        for form in forms:
            assert part in form, part
    for part in SAID[:4]:
        assert part in forms[0] and part in forms[1], part
    assert "  destinations tcp 169.254.169.254 port 80: 3 packets, 180 bytes\n  in all       3 packets out\n" in text
    # each request once, whatever shows it
    assert text.count("left-pad") == 2 and text.count("package-lock.json of npm") == 1


def test_thousands_of_commands_make_one_page(log):
    many = [command(3000 + i * 10, 5, ["git", "node", "ls"][i % 3], f"step{i}", code=int(i % 100 == 0))
            for i in range(5000)]
    task(log, many, lost=17, changes=[change(f"src/f{i}") for i in range(500)])
    text = log.show()
    assert len(text.splitlines()) < 100
    for part in ("commands: 5000, 50 failed", "git 1667, node 1667, ls 1666", "17 were LOST: the ring was full",
                 "step4999", "failed       50, the last of them:", "and 492 more"):
        assert part in text, part
    assert "step4990 " not in text and "step4900 " in text     # not of the last five; the last that failed
    html = log.show("--html")
    assert len(html) < 100000 and html.count("<li class=\"span") < 500


@pytest.mark.parametrize("source, said", [
    ("acct", "names without arguments, which a process can change"), ("claimed", "CLAIMS"), (None, "not recorded: no right")])
def test_where_the_commands_come_from(log, source, said):
    task(log, [{**command(5000, 4, "x"), "process.command_args": []}] if source else [], source=source)
    with open(f"{log.path}/audit.jsonl", encoding="utf-8") as f:
        text = f.read()
    with open(f"{log.path}/audit.jsonl", "w", encoding="utf-8") as f:
        f.write(text.replace('"commands":{"source":"bpf"', f'"commands":{{"source":{json.dumps(source)}')
                .replace('"lost":0,"reason":null', '"lost":0,"reason":"no right"'))
    page = log.show()
    assert said in page and (not source or "/usr/bin/x (code 0" in page)


def test_quotes_and_newlines_are_shown_as_a_shell_has_them(log):
    task(log, [command(5000, 4, "sh", "-c", 'printf "a\\n"\nexit\t1')])
    assert r'sh -c "printf \"a\\n\"\nexit\t1" (code 0' in log.show()


@pytest.mark.parametrize("mode, reason, said, why", [
    ("best-effort", "the log was full", "992 more were LOST", "992 were LOST: the log was full"),
    ("required", "the log was full", "992 more were REFUSED",
     "992 more were REFUSED, killed before the first instruction: the log was full"),
    ("required", "no space left", "992 more were LOST", "992 were LOST: no space left")])
def test_what_is_not_recorded_is_said_first(log, mode, reason, said, why):
    """An agent could fill the log, and act afterwards."""
    task(log, COMMANDS, 992)
    with open(f"{log.path}/audit.jsonl", encoding="utf-8") as f:
        text = f.read()
    with open(f"{log.path}/audit.jsonl", "w", encoding="utf-8") as f:
        f.write(text.replace("the ring was full", reason).replace('"audit_mode":"required"',
                                                                  f'"audit_mode":"{mode}"'))
    page, html = log.show(), log.show("--html")
    assert f" | commands: 9, 3 failed, {said} | " in page.splitlines()[1]
    assert f"               {why}\n" in page
    assert f"commands: **9, 3 failed, {said}** · " in log.show("--markdown")
    assert f'<div class="bad"><dt>commands</dt><dd>9, 3 failed, {said}</dd></div>' in html
    lane = re.search(r'<span>unrecorded</span><ul class="track">\n<li class="vague plain" '
                     r'style="left:min\(([\d.]+)%,100% - 4px\);width:([\d.]+)%" title="992 commands (\w+)">', html)
    left, width = float(lane[1]), float(lane[2])
    assert (left > 80 if "full" in reason else left == 0) and left + width > 99.9
    assert lane[3] == said.split()[-1]


def test_one_is_said_as_one(log):
    task(log, COMMANDS[:1], 1, CHANGES[:1])
    with open(f"{log.path}/audit.jsonl", encoding="utf-8") as f:
        text = f.read()
    with open(f"{log.path}/audit.jsonl", "w", encoding="utf-8") as f:
        f.write(text.replace('"packets":3,"bytes":180', '"packets":1,"bytes":1')
                .replace('"denied_packets":3', '"denied_packets":1')
                .replace('"destinations":[', '"destinations":[], "x":['))
    page = log.show()
    for part in ("1 more was LOST", " 1 was LOST: ", "  network      no packet went out or came in\n",
                 "  in all       1 packet out\n"):
        assert part in page, part
    assert not re.search(r"\b1 (files|packets|bytes|commands|calls|were)\b|x22|x0a|unknown", page)


def test_when_all_is_lost(log):
    task(log, lost=3)
    assert " | commands: 0, 3 more were LOST | " in log.show()
    task(log, source=None)
    with open(f"{log.path}/audit.jsonl", encoding="utf-8") as f:
        text = f.read()
    with open(f"{log.path}/audit.jsonl", "w", encoding="utf-8") as f:
        f.write(text.replace('"commands":{"source":"bpf"', '"commands":{"source":null'))
    assert " | commands: not recorded | " in log.show()


@pytest.mark.parametrize("path, args, said", [
    ("/tmp/evil-miner", ["git", "0.2"], '/tmp/evil-miner (as "git") 0.2'),
    ("/dev/fd/3", ["npm", "ci"], '/dev/fd/3 (as "npm") ci'),
    ("/proc/self/exe", ["runc", "init"], '/proc/self/exe (as "runc") init'),
    ("/bin/busybox", ["ls"], '/bin/busybox (as "ls")'),
    ("/tmp/git", ["git", "log"], "/tmp/git log"),           # of the same name, and another program
    ("/tmp/git", ["/usr/bin/git", "log"], '/tmp/git (as "/usr/bin/git") log'),
    ("/tmp/x", ['git" (as "git', "-"], r'/tmp/x (as "git\" (as \"git") -'),
    ('/tmp/git (as "git")', ["git"], r'"/tmp/git (as \"git\")" (as "git")'),
    ("/usr/bin/git", ["git", "log"], "git log"), ("/bin/ls", ["ls", "-l"], "ls -l"),
    ("/bin/sh", ["-sh"], "-sh"), ("/tmp/sh", ["-sh"], "/tmp/sh"),
    ("./configure", ["./configure", "-q"], "./configure -q"),
    ("./configure", ["/bin/sh", "./configure", "-q"], "./configure -q"),    # "#!/bin/sh"
    ("/usr/bin/npm", ["/usr/bin/env", "node", "/usr/bin/npm"],
     '/usr/bin/npm (as "/usr/bin/env") node /usr/bin/npm'),
    ("/w/a", [], "/w/a")])
def test_a_program_is_named_by_what_was_executed(log, path, args, said):
    """The first argument is what a process calls itself."""
    ran = {"process.executable.path": path, "process.command_args": args}
    task(log, [{**command(5000 + i, 4, "x"), **ran} for i in range(2)])
    assert f"  {said} (code 0, 0.004 s)\n" in log.show()
    task(log, [{**command(5000 + i, 4, "x"), **ran} for i in range(30)])
    name = path if path.startswith(("/dev", "/proc")) else os.path.basename(path)
    shown = name.replace('"', r"\x22")
    assert f"  programs     {shown} 32\n" in log.show()
    tags = Tags()
    tags.feed(log.show("--html"))
    for text in (re.sub(r"[`*]", "", log.show("--markdown")), "".join(tags.texts)):
        assert f"  {said} (code 0, 0.004 s)\n" in text


def test_commands_that_the_log_has_no_more(log):
    task(log, COMMANDS)
    with open(f"{log.path}/audit.jsonl", encoding="utf-8") as f:
        lines = f.readlines()
    with open(f"{log.path}/audit.jsonl", "w", encoding="utf-8") as f:
        f.writelines(x for x in lines if "cargo" not in x)
    assert "9 were recorded: the others are not in this log" in log.show()


def test_commands_of_the_first_logs(log):
    """They had a record of each."""
    log.add("create", **process("agent"))
    for i in range(3):
        log.add("command", source="bpf", **command(5000 + i, 4, "npm", "ci", code=i % 2))
    page = log.show()
    assert "commands: 3, 1 failed" in page and "npm ci" in page


def test_a_session_that_still_runs(log):
    log.add("create", **process("agent"))
    log.add("start", **{"process.pid": 7})
    log.add("commands", source="bpf", executions=[command(5000, 4, "npm", "ci")])
    for form in FORMS:
        page = log.show(*form)
        assert "no delete record" in page and "npm ci" in page, form
    log.add("exit", **{"process.exit.code": None, "process.exit.signal": 11, "exit_reason": None,
                       "exit_time": stamp(9000), "source": "bpf"})
    assert "killed by signal 11 at 05:06:09" in log.show()


def test_what_a_person_took_over(log):
    task(log, changes=CHANGES)
    log.add("apply", **{"workspace.source": "/srv/project", "changes.digest": "cd" * 32,
                        "caller.uid": 1000, "omitted": 3,
                        "applied": [{"path": "src/pad.js", "kind": "modified", "sha256": None}]})
    page = log.show()
    assert "4 files into /srv/project by uid 1000" in page and "and 3 more" in page


def apply_record(log, paths, digest="cd" * 32, uid=1000):
    log.add("apply", **{"workspace.source": "/srv/project", "changes.digest": digest, "caller.uid": uid,
                        "omitted": 0, "applied": [change(p) for p in paths]})


def section(page, title):
    return page.partition(f"\n{title}\n")[2].partition("\n\n")[0].splitlines()


def test_one_apply_is_one_entry(log):
    """However many records its files need; and of those the person's own come before git's."""
    task(log)
    for i in range(286):
        apply_record(log, [f".git/objects/{i:02x}/{n:03}" for n in range(170)] + ["README.md"] * (i == 285))
    lines = section(log.show(), "What a person took over")
    assert len(lines) == 3
    assert lines[0].endswith("48621 files into /srv/project by uid 1000, digest cdcdcdcdcdcd...")
    assert lines[1].split()[:2] == ["added", "README.md,"]
    assert lines[2].split() == "and 48620 in .git".split()
    apply_record(log, ["src/a"], "ab" * 32)         # what is left has another digest
    apply_record(log, ["src/b"], "ab" * 32, 1001)   # another person
    lines = section(log.show(), "What a person took over")
    assert [x.split("  ")[-1].strip() for x in lines[1::2]] == [
        f"1 file into /srv/project by uid {uid}, digest abababababab..." for uid in (1000, 1001)]
    for i in range(9):
        apply_record(log, [f"src/{n}" for n in range(99)], f"{i}b" * 32)
    lines = section(log.show(), "What a person took over")
    assert len(lines) == 1 + 2 * 5 and lines[0].split() == "earlier 10 calls before these".split()
    assert lines[-1].split() == "and 96 more".split()


def test_what_git_keeps_comes_last(log):
    task(log, changes=[change(f".git/objects/{i}") for i in range(540)] + [change(".git/hooks/x", runs="a hook")] +
         [change(f"sub/.git/objects/{i}") for i in range(12)] + [change("z/README.md", "modified")])
    assert section(log.show(), "What it changed")[1:] == [
        "  may run code added .git/hooks/x: a hook", "  others       modified z/README.md, 1.2 KiB",
        "               and 552 in .git"]


def test_what_was_there_before_comes_first(log):
    task(log, changes=[change(f"a{i}") for i in range(9)] + [change("z/README.md", "modified")])
    lines = section(log.show(), "What it changed")
    assert lines[1] == "  changes      modified z/README.md, 1.2 KiB" and len(lines) == 2 + 7 + 1
    assert lines[-1].split() == "and 2 more".split()


def policy(**members):
    """As the profile agent makes it, with what differs from it."""
    with open(os.path.join(runtime.REPO, "profiles", "agent.json"), encoding="utf-8") as f:
        profile = json.load(f)
    made = {"profile": "agent", "digest": "5d" * 32, "audit_mode": "required", "seccomp": "agent",
            "workspace": {"source": "/srv/w", "destination": "/w", "mode": "rw", "owner": "keep",
                          "guard": profile["workspace.guard"], "mask": profile["workspace.mask"]},
            "egress": {"mode": "none", "rules": []}, "ingress": [], "env": {"mode": "scrub", "dropped": []},
            "credentials": [], "capabilities": profile["caps"], "no_new_privileges": True, "changes": []}
    for key, (added, removed) in members.items():
        place = made if key in made else made["workspace"]
        place[key] = [x for x in place[key] if x not in removed] + added
    return made


@pytest.mark.parametrize("members, caps, guard", [
    ({}, "11 of the profile's", "18 of the profile's; hidden: 18 of the profile's"),
    ({"capabilities": (["CAP_SYS_ADMIN"], [])}, "11 of the profile's, and CAP_SYS_ADMIN", None),
    ({"capabilities": (["CAP_X"], ["CAP_CHOWN", "CAP_KILL"])},
     "9 of the profile's, and CAP_X, without CAP_CHOWN, CAP_KILL", None),
    ({"guard": ([], [".git/hooks"]), "mask": (["my.key"], [])}, None,
     "17 of the profile's, without .git/hooks; hidden: 18 of the profile's, and my.key"),
    ({"guard": (["x"], set(policy()["workspace"]["guard"]) - {".envrc"})}, None,
     ".envrc, x; hidden: 18 of the profile's")])
def test_what_the_profile_has_is_counted_what_differs_is_named(log, members, caps, guard):
    log.add("create", **process("agent"), policy=policy(**members))
    page = log.show()
    assert f"  capabilities {caps or '11 of the profile' + chr(39) + 's'}\n" in page
    assert f"    guarded    {guard or '18 of the profile' + chr(39) + 's; hidden: 18 of the profile' + chr(39) + 's'}\n" in page
    log.add("create", **process("agent"), policy={**policy(**members), "profile": "nobody-has-it"})
    assert ", CAP_SETGID, " in log.show()


def test_the_engine_s_own_files_are_one_line(log):
    state = "/var/lib/docker/containers/" + "3f2a1b2c" * 8
    log.add("create", **{**process("agent"), "container.id": "3f2a1b2c" * 8}, policy=policy(), mounts=[
        {"source": f"{state}/{name}", "destination": f"/etc/{name}", "writable": True}
        for name in ("resolv.conf", "hostname", "hosts")] + [
        {"source": "/srv/cache", "destination": "/cache", "writable": False},
        {"source": "/var/lib/docker/volumes/" + "ab" * 32 + "/_data", "destination": "/v", "writable": True}])
    page = log.show()
    assert page.startswith("Session 01s, container 3f2a1b2c3f2a...\n")
    assert "  host paths   /var/lib/docker/containers/3f2a1b2c3f2a.../* -> /etc/resolv.conf, /etc/hostname, " \
           "/etc/hosts (writable)\n               /srv/cache -> /cache (read-only)\n" \
           "               /var/lib/docker/volumes/abababababab.../_data -> /v (writable)\n" in page


def test_a_long_session_is_a_page(log):
    """Whatever the agent does most of."""
    many = [command(3000 + i * 10, 5, f"tool{i % 300}", f"step{i}", code=int(i % 100 == 0)) for i in range(5000)]
    task(log, many, 17, [change(f"src/f{i}") for i in range(500)] +
         [change(f"run{i}", runs="an executable file") for i in range(99)] +
         [change(f"{i}/package-lock.json") for i in range(99)] + [change(f".git/objects/{i}") for i in range(99)])
    for i in range(99):
        log.add("exec", **process("git", f"status{i}"), **{"env.dropped": []})
        apply_record(log, [f"src/f{i}-{n}" for n in range(20)], f"{i:02}" * 32)
    with open(f"{log.path}/audit.jsonl", encoding="utf-8") as f:
        text = f.read()
    row = '{"verdict":"denied","server.address":"203.0.113.9","server.port":%d,"network.transport":"tcp",' \
          '"packets":1,"bytes":1},'
    with open(f"{log.path}/audit.jsonl", "w", encoding="utf-8") as f:
        f.write(text.replace('"destinations":[', '"destinations":[' + "".join(
            row % i + (row % i).replace("denied", "allowed") for i in range(1, 99))))
    page = log.show()
    assert len(page.splitlines()) <= 100, len(page.splitlines())
    for part in ("and 95 more", "tcp 203.0.113.9 port 1: 1 packet, 1 byte\n", "17 were LOST", "97 calls before these"):
        assert part in page, part


@pytest.mark.parametrize("args, said", [
    (("show", "--html"), "--html is for show NAME"), (("list", "--markdown"), "--markdown is for show NAME"),
    (("verify", "--html"), "--html is for show NAME"),
    (("show", "01s", "--html", "--json"), "exclude each other"),
    (("show", "01s", "--html", "--markdown"), "exclude each other")])
def test_one_form_of_one_page(log, args, said):
    log.add("start", **{"process.pid": 7})
    runtime.run([runtime.program(), "audit", "--directory", log.path, *args], check=said)


# ---- in a browser

CHROMIUM = shutil.which("chromium")


def browse(work, page, *options):
    """The page in a browser that is let nowhere; standard output."""
    path = f"{work}/page.html"
    with open(path, "w", encoding="utf-8") as f:
        f.write(page)
    return subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
         "--disable-dev-shm-usage", f"--user-data-dir={work}/chromium",
         "--proxy-server=http://127.0.0.1:9", "--proxy-bypass-list=<-loopback>", *options,
         f"file://{path}"],
        capture_output=True, text=True, timeout=120, check=True).stdout


@pytest.mark.skipif(not CHROMIUM, reason="chromium is not installed")
def test_F5_a_browser_finds_nothing_to_run(log, work):
    hostile(log)
    page = log.show("--html")
    dom = browse(work, page, "--dump-dom")
    tags = Tags()
    tags.feed(dom)
    assert tags.policy and "<script" not in dom.lower()
    # The policy is in force: a script that got in all the same would not run.
    probe = page.replace("</h1>", "</h1><script>document.title = 'ran'</script>")
    assert "<title>ran</title>" not in browse(work, probe, "--dump-dom")
    assert "<title>ran</title>" in browse(work, probe.replace("default-src 'none'; ", ""), "--dump-dom")


@pytest.mark.skipif(not CHROMIUM, reason="chromium is not installed")
@pytest.mark.parametrize("width", [400, 1300])
def test_a_browser_shows_all_of_it(log, work, width):
    """Measured by a script that is let in for that: nothing wider than the window, and every mark seen."""
    task(log, COMMANDS, changes=CHANGES)
    measure = """<script>addEventListener("load", () => {
        const seen = e => { const r = e.getBoundingClientRect(); return r.width >= 4 && r.height >= 10; };
        const marks = [...document.querySelectorAll(".track li")];
        const tracks = [...document.querySelectorAll(".track")].map(t => t.getBoundingClientRect());
        const inside = marks.every(m => { const r = m.getBoundingClientRect();
            return tracks.some(t => r.left >= t.left - 1 && r.right <= t.right + 1 && r.top >= t.top - 1); });
        document.title = [innerWidth, document.documentElement.scrollWidth <= innerWidth, marks.length,
                          marks.every(seen), inside].join(" ");
    });</script></body>"""
    page = log.show("--html").replace("default-src 'none'; ", "").replace("</body>", measure)
    title = re.search(r"<title>(.*)</title>", browse(work, page, f"--window-size={width},900", "--dump-dom"))
    got, *rest = title[1].split()
    assert int(got) >= width // 2 and rest == ["true", "17", "true", "true"]
