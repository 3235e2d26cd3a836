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
        at = f"2026-03-04T05:06:{self.n % 60:02}.{self.n % 1000:03}000000Z"
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
    log.add("hook", **{"hook.path": text, "hook.event": text, "hook.detail": text})
    log.add("delete", **{
        "process.exit.code": 0, "exit_reason": text, "unseen": HOSTILE, "truncated": HOSTILE,
        "network_reason": text, "network": {"denied_packets": 3, "destinations": [
            {"verdict": v, "server.address": t, "server.port": 5, "network.transport": t,
             "packets": 1, "bytes": 2} for t in HOSTILE for v in ("denied", "allowed")]}})


def test_F5_no_form_moves_a_terminal(log):
    hostile(log)
    for form in FORMS:
        page = log.show(*form)
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", page), form


ALLOWED = {
    "html": {"lang"}, "head": set(), "meta": {"charset", "http-equiv", "content", "name"},
    "title": set(), "style": set(), "body": set(), "h1": set(), "h2": set(), "section": set(),
    "code": set(), "dl": {"class"}, "dt": {"class"}, "dd": {"class"}, "div": {"class"},
    "ul": {"class"}, "li": {"class", "style", "title"}, "span": set(),
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
