# SPDX-License-Identifier: Apache-2.0
"""D4, D6: what containers wrote aside is shown, and applied by a person or not at all."""
import hashlib
import json
import os
import re
import stat
import subprocess
import time

import confined
import pytest
import terminal
from bundle import shell
from confined import snapshot
from runtime import program, run

STORES = "/var/lib/agentrun/workspaces"


@pytest.fixture
def session(rt, box, work):
    """session(script, host): a container that ran the script over what `host` made, and is gone."""
    made = []

    def make(script, host="true"):
        b = confined.confine(box(shell("umask 022; " + script)), work, profile="edit")
        subprocess.run(["sh", "-ec", "umask 022; " + host], cwd=b.workspace, check=True, timeout=30)
        time.sleep(0.02)  # what is made in the tick of the start counts as made after it
        rt.run(b, check=True)
        made.append(b.id)
        return b
    yield make
    for cid in made:
        rt("workspace", "discard", cid)


def diff(rt, b, *args, **kw):
    return rt("workspace", "diff", *args, b.id, check=True, **kw).out


def digest(rt, b):
    return json.loads(diff(rt, b, "--json"))["digest"]


def apply(rt, b, *args, check=True):
    """Of what was there now: the test is the reviewer."""
    return rt("workspace", "apply", "--reviewed", digest(rt, b), b.id, *args, check=check)


def read(b, path):
    with open(os.path.join(b.workspace, path), encoding="utf-8") as f:
        return f.read()


HOST = "echo 1 >a; mkdir -p d/e; echo 2 >d/b; echo 3 >d/e/c"
AGENT = "echo 9 >a; rm -r d/e; mkdir -p n/m; echo 5 >n/m/f; chmod 600 d/b"


def test_apply_all(rt, session):
    b = session(AGENT, HOST)
    page = diff(rt, b)
    assert "+9\n" in page and "-1\n" in page and "deleted file mode 100644" in page
    assert rt("workspace", "diff", "--name-only", b.id, check=True).out.split() == [
        "a", "d/b", "d/e", "d/e/c", "n", "n/m", "n/m/f"]
    out = apply(rt, b, "--discard").out
    assert re.match(r"applied 7 of 7 changes to \S+\ndiscarded \S+\n$", out)
    assert read(b, "a") == "9\n" and read(b, "n/m/f") == "5\n"
    assert not os.path.exists(b.workspace + "/d/e")
    assert stat.S_IMODE(os.stat(b.workspace + "/d/b").st_mode) == 0o600
    rt("workspace", "diff", b.id, check="no such session")


def test_apply_paths_then_the_rest(rt, session):
    b = session(AGENT, HOST)
    apply(rt, b, "n/m", "a")
    assert read(b, "a") == "9\n" and read(b, "n/m/f") == "5\n" and read(b, "d/e/c") == "3\n"
    assert "3 changes of" in diff(rt, b)
    apply(rt, b)
    assert "0 changes of" in diff(rt, b)
    apply(rt, b)


def test_git_takes_the_patch(rt, session, work):
    if subprocess.run(["sh", "-c", "command -v git"], check=False, capture_output=True).returncode:
        pytest.skip("no git")
    b = session("echo 9 >a; rm -r d/e; mkdir n; echo 5 >'n/f g'; ln -s a l; chmod 755 d/b", HOST)
    with open(work + "/patch", "w", encoding="utf-8") as f:
        f.write(diff(rt, b))
    subprocess.run(["git", "apply", work + "/patch"], cwd=b.workspace, check=True, timeout=30)
    assert json.loads(diff(rt, b, "--json"))["changes"] == []


def test_d6_digest(rt, session):
    b = session(AGENT, HOST)
    before = snapshot(b.workspace)
    rt("workspace", "apply", "--reviewed", "0" * 64, b.id, check="nothing was applied: the digest")
    assert snapshot(b.workspace) == before


def test_d6_recorded_at_delete(rt, session):
    """Without a digest only what was recorded when the container was deleted is applied."""
    b = session(AGENT, HOST)
    store = json.loads(diff(rt, b, "--json"))["session"]
    if not os.path.exists(f"{STORES}/{store}/changes.json"):
        before = snapshot(b.workspace)
        rt("workspace", "apply", b.id, check="Nothing was applied: what the container left was not")
        assert snapshot(b.workspace) == before
        return
    with open(f"{STORES}/{store}/upper/a", "w", encoding="ascii") as f:
        f.write("8\n")
    rt("workspace", "apply", b.id, check="not as recorded when the container was deleted")
    assert read(b, "a") == "1\n"
    rt("workspace", "apply", b.id, "n", check=True)
    assert read(b, "n/m/f") == "5\n"


def test_d6_conflict(rt, session):
    b = session("echo 9 >a; echo 8 >d/b; rm -r d/e", HOST)
    with open(b.workspace + "/a", "w", encoding="ascii") as f:
        f.write("7\n")
    assert "In conflict with the host:\n  modified  a (the host's was changed" in diff(rt, b)
    before = snapshot(b.workspace)
    r = apply(rt, b, check="nothing was applied: 1 of 4 changes in conflict")
    assert "--skip keeps the host's, --overwrite takes the container's" in r.err
    assert snapshot(b.workspace) == before
    apply(rt, b, "d")
    assert read(b, "a") == "7\n" and read(b, "d/b") == "8\n"


def test_d6_refused(rt, session):
    b = session("mkfifo p; ln -s /etc/passwd l; ln -s ../../x m; echo >x; chmod 4755 x; echo 9 >a",
                HOST)
    before = snapshot(b.workspace)
    apply(rt, b, "--allow-exec", check="nothing was applied: 4 of 5 changes can never be applied")
    assert snapshot(b.workspace) == before
    apply(rt, b, "a")
    assert read(b, "a") == "9\n" and sorted(os.listdir(b.workspace)) == ["a", "d"]


def write(b, path, text):
    with open(os.path.join(b.workspace, path), "w", encoding="ascii") as f:
        f.write(text)


def test_d6_overwrite(rt, session):
    """The container's instead of what the host's became: of the named paths, or of all."""
    b = session("echo 9 >a; echo 8 >d/b; rm d/e/c; mkdir n; echo 6 >n/f", HOST)
    for path in "a", "d/b", "d/e/c":
        write(b, path, "7\n")
    assert "Overwrites:  modified  d/b (the host's was changed" in apply(rt, b, "--overwrite", "d/b").out
    assert read(b, "a") == "7\n" and read(b, "d/b") == "8\n" and read(b, "d/e/c") == "7\n"
    apply(rt, b, check="2 of 4 changes in conflict with the host:")
    out = apply(rt, b, "--overwrite", "--discard").out
    assert "Overwrites:  modified  a" in out and "Overwrites:  deleted   d/e/c" in out and "discarded" in out
    assert read(b, "a") == "9\n" and read(b, "n/f") == "6\n" and os.listdir(b.workspace + "/d/e") == []


def test_d6_overwrite_makes_a_directory_again(rt, session):
    b = session("echo 8 >d/b; echo 7 >d/e/n", HOST)
    subprocess.run(["rm", "-r", b.workspace + "/d"], check=True)
    apply(rt, b, check="in conflict with the host:\n  added     d (the host's directory was removed")
    apply(rt, b, "--overwrite")
    assert read(b, "d/b") == "8\n" and read(b, "d/e/n") == "7\n"


@pytest.mark.parametrize("script, meanwhile, kept", [
    ("rm -r d", "echo 7 >d/new", "d/new"),
    ("rm -r d; echo 8 >d", "echo 7 >d/e/c", "d/e/c"),
    ("rm a", "mkdir old; echo 7 >old/f; rm a; mv old a", "a/f"),
    ("echo 8 >a", "mkdir old; echo 7 >old/f; rm a; mv old a", "a/f"),
])
def test_d6_overwrite_keeps_what_the_container_never_saw(rt, session, script, meanwhile, kept):
    b = session(script, HOST)
    subprocess.run(["sh", "-ec", meanwhile], cwd=b.workspace, check=True)
    before = snapshot(b.workspace)
    r = apply(rt, b, "--overwrite", check="in conflict with the host by more than their own content")
    assert kept in r.err and snapshot(b.workspace) == before
    apply(rt, b, "--overwrite", "--skip", check="left out")
    assert read(b, kept) == "7\n"


def test_d6_overwrite_is_no_yes(rt, session):
    """Whatever else hinders a change still does."""
    b = session("echo 9 >a; chmod 4755 a; echo x >d/b; chmod 755 d/b", HOST)
    write(b, "a", "7\n")
    write(b, "d/b", "7\n")
    before = snapshot(b.workspace)
    r = apply(rt, b, "--overwrite", check="1 of 2 changes can never be applied")
    assert "1 of 2 changes may run code" in r.err
    with open(f"{STORES}/{json.loads(diff(rt, b, '--json'))['session']}/upper/d/b", "w", encoding="ascii") as f:
        f.write("8\n")
    rt("workspace", "apply", "--overwrite", "--allow-exec", b.id, "d", check="not as recorded when")
    assert snapshot(b.workspace) == before


def test_written_as_it_was_is_no_conflict(rt, session):
    """What the host's files held at the beginning is told by their hashes."""
    b = session("echo 9 >a; chmod 600 d/b; echo 8 >d/e/c", HOST)
    subprocess.run(["sh", "-ec", "touch a; chmod 600 d/b; chmod 644 d/b; echo 3 >d/e/c"], cwd=b.workspace,
                   check=True)
    assert "In conflict" not in diff(rt, b)
    rt("workspace", "apply", b.id, check=True)
    assert read(b, "a") == "9\n" and read(b, "d/e/c") == "8\n"
    assert stat.S_IMODE(os.stat(b.workspace + "/d/b").st_mode) == 0o600


def test_d6_skip(rt, session):
    """All but what is refused, or in conflict: both are named at once, and the status tells that it is not all."""
    b = session("mkfifo p; mkdir s; ln -s / s/l; echo 9 >a; echo 8 >d/b; rm -r d/e", HOST)
    for path in "/a", "/d/e/c":
        with open(b.workspace + path, "w", encoding="ascii") as f:
            f.write("7\n")
    before = snapshot(b.workspace)
    r = apply(rt, b, check="nothing was applied: 2 of 7 changes can never be applied:\n")
    assert "--skip leaves these out\n1 of 7 changes in conflict with the host:\n  modified  a (" in r.err
    assert "\n2 of 7 changes in conflict with the host by more than their own content:\n" in r.err
    assert "changes may run code" not in r.err and snapshot(b.workspace) == before
    r = apply(rt, b, "--skip", "--discard", check="5 changes were left out")
    left = re.findall(r"^Left out: +\w+ +(\S+) \(.", r.out, re.M)
    assert left == ["a", "d/e", "d/e/c", "p", "s/l"] and "applied 2 of 7 changes" in r.out
    assert r.code == 1 and "kept the session" in r.out
    assert read(b, "a") == "7\n" and read(b, "d/b") == "8\n" and read(b, "d/e/c") == "7\n"
    assert os.listdir(b.workspace + "/s") == [] and not os.path.exists(b.workspace + "/p")


def test_d6_skip_is_no_yes(rt, session):
    """What runs code, and what was changed since the container was deleted, still stops all of it."""
    b = session("mkfifo p; echo x >Makefile; echo 9 >a", HOST)
    before = snapshot(b.workspace)
    r = apply(rt, b, "--skip", check="nothing was applied: 1 of 2 changes may run code on this host")
    assert "can never" not in r.err and snapshot(b.workspace) == before
    with open(f"{STORES}/{json.loads(diff(rt, b, '--json'))['session']}/upper/a", "w", encoding="ascii") as f:
        f.write("8\n")
    rt("workspace", "apply", "--skip", "--allow-exec", b.id, check="not as recorded when")
    assert snapshot(b.workspace) == before
    assert "applied 2 of 3" in apply(rt, b, "--skip", "--allow-exec", check="1 change was left out").out


def test_d6_marks_of_another_mount(rt, session):
    """root's overlays are marked by trusted.*: what the agent can set means nothing."""
    b = session("mkdir q", HOST)
    store = json.loads(diff(rt, b, "--json"))["session"]
    upper = f"{STORES}/{store}/upper/d"
    os.mkdir(upper)
    try:
        os.setxattr(upper, "user.overlay.opaque", b"y")
    except OSError as e:
        pytest.skip(f"no user attributes here: {e}")
    changes = json.loads(diff(rt, b, "--json"))["changes"]
    assert [c["path"] for c in changes] == ["d", "q"]
    assert "user.overlay.opaque" in changes[0]["refused"]


RUNS_CODE = [".git/hooks/pre-commit", ".git/config", ".envrc", ".vscode/tasks.json",
             ".devcontainer/devcontainer.json", ".github/workflows/x.yml", ".claude/settings.json",
             ".codex/config.toml", "Makefile"]


def test_d4_what_runs_code_is_shown_apart(rt, session):
    b = session("for f in %s; do mkdir -p $(dirname $f); echo x >$f; done; echo x >plain; "
                "echo x >tool; chmod 755 tool" % " ".join(RUNS_CODE), HOST)
    page = diff(rt, b)
    head = page.partition("diff --git")[0].partition("May run code on this host:\n")[2]
    for path in RUNS_CODE + ["tool"]:
        assert f"  added     {path} (" in head, path
    assert "plain" not in head
    before = snapshot(b.workspace)
    apply(rt, b, check="changes may run code on this host")
    assert snapshot(b.workspace) == before
    apply(rt, b, "plain")
    assert read(b, "plain") == "x\n" and not os.path.exists(b.workspace + "/.git")
    apply(rt, b, "--allow-exec")
    assert read(b, ".git/config") == "x\n"


def test_permissions_are_told_and_asked_for(rt, session):
    b = session("chmod 666 a; chmod 777 d/e; mkdir w; chmod 777 w; echo >z; chmod 000 z", HOST)
    page = diff(rt, b)
    for change in ("mode      a", "mode      d/e", "added     w"):
        assert f"  {change} (anyone on this host may write to it), mode 0" in page
    for line in ("Permissions of a: mode 0644 -> 0666", "Permissions of the directory d/e: mode 0755 -> 0777",
                 "Permissions of the new directory w: mode 0777", "Permissions of z: mode 0000"):
        assert f"\n{line}\n" in page
    assert " a | +0 -0, mode 0644 -> 0666\n d/e | directory, mode 0755 -> 0777\n" in diff(rt, b, "--stat")
    before = snapshot(b.workspace)
    apply(rt, b, check="changes may run code on this host")
    assert snapshot(b.workspace) == before
    apply(rt, b, "--allow-exec")
    assert stat.S_IMODE(os.stat(b.workspace + "/a").st_mode) == 0o666


def test_masked_files_of_commits(rt, session):
    """git in the container takes them for empty, and commits them so."""
    says = "Masked in the container, so its commits may have them empty or deleted: .env, d/.npmrc\n"
    commit = "mkdir -p .git/objects/aa; echo 1 >.git/objects/aa/bb; "
    host = HOST + "; echo s >.env; echo t >d/.npmrc; mkdir node_modules; echo u >node_modules/.npmrc"
    b = session(commit + "echo 9 >a; test ! -s .env; test ! -s d/.npmrc", host)
    assert says in diff(rt, b).partition("May run")[0] and says in diff(rt, b, "--stat")
    assert "Masked" not in rt("workspace", "diff", b.id, "a", check=True).out
    assert apply(rt, b, check=False).out == says
    assert "Masked" not in apply(rt, b, "a").out
    assert apply(rt, b, "--allow-exec").out.startswith(says)
    b = session(commit, HOST)
    assert "Masked" not in diff(rt, b)


def test_masked_files_of_an_older_store(rt, session):
    b = session("mkdir -p .git/refs/heads; echo 1 >.git/refs/heads/x", HOST + "; echo s >.env")
    assert ".env" in diff(rt, b)
    path = f"{STORES}/{listed(rt, b)['session']}/store.json"
    with open(path, encoding="utf-8") as f:
        store = json.load(f)
    assert ".env" in store.pop("mask")
    with open(path, "w", encoding="utf-8") as f:
        json.dump(store, f)
    assert ".env" not in diff(rt, b)


def test_interactive(rt, session):
    b = session("echo 9 >a; echo >b; echo >c; echo >d/n; echo x >Makefile; rm -r d/e", HOST)
    args = rt.argv("workspace", "apply", "-i", "--reviewed", digest(rt, b), b.id)
    with terminal.Spawned(args) as t:
        assert "added     Makefile (a build script)" in t.expect("uit: ")
        t.write("d\n")
        assert "\x1b[32m+x" in t.expect("uit: ")
        t.write("n\n")
        assert "modified  a" in t.expect("uit: ")
        t.write("y\n")
        t.expect("uit: ")
        t.write("?\n")
        assert "added     b" in t.expect("uit: ")
        t.write("n\n")
        assert "added     c" in t.expect("uit: ")
        t.write("a\n")
        t.expect("applied 5 of 7 changes")
        assert t.wait() == 0
    assert sorted(os.listdir(b.workspace)) == ["a", "c", "d"]
    assert sorted(os.listdir(b.workspace + "/d")) == ["b", "n"]
    with terminal.Spawned(args[:-3] + ["--reviewed", digest(rt, b), b.id]) as t:
        t.expect("uit: ")
        t.write("q\n")
        assert "nothing was applied" in t.expect("\n") + t.rest()
        assert t.wait() == 1


def test_interactive_asks_first_what_may_do_harm(rt, session):
    """What runs code, then what would overwrite; (a)ll is neither."""
    b = session("mkdir -p env/bin; ln -s / env/bin/l; ln -s /etc env/e; echo 9 >a; echo 8 >d/b; echo 5 >c; "
                "echo 6 >d/e/c; echo x >zz; chmod 755 zz", HOST)
    write(b, "d/b", "7\n")
    write(b, "d/e/c", "7\n")
    with terminal.Spawned(rt.argv("workspace", "apply", "-i", "--reviewed", digest(rt, b), b.id)) as t:
        page = t.expect("uit: ")
        assert page.index("Left out:  added     env/bin/l") < page.index("May run code on this host:\r\n  added     zz")
        assert page.count("added     zz (an executable file)") == 2
        t.write("y\n")
        assert "modified  d/b (the host's was changed meanwhile)" in t.expect("uit: ")
        t.write("a\n")
        assert "modified  d/b" in t.expect("Overwrite what the host has? (y)es, (n)o, (d)iff, (q)uit: ")
        t.write("n\n")
        assert "modified  d/e/c" in t.expect("uit: ")
        t.write("y\n")
        assert "modified  a" in t.expect("uit: ")
        t.write("a\n")
        page = t.expect("applied 4 of 9 changes")
        for path in "env", "env/bin":
            assert f"Left out:  added     {path} (nothing in it is applied)" in page
        assert t.wait() == 0
    assert read(b, "a") == "9\n" and read(b, "d/b") == "7\n" and read(b, "d/e/c") == "6\n"
    assert not os.path.exists(b.workspace + "/env")


def test_interactive_needs_a_terminal(rt, session):
    b = session("echo 9 >a", HOST)
    apply(rt, b, "-i", check="--interactive asks a terminal")
    assert read(b, "a") == "1\n"


def test_a_running_container_is_not_touched(rt, box, work):
    b = confined.confine(box(shell("echo 9 >a; sleep 100")), work, profile="edit")
    rt.up(b)
    try:
        for what in (["apply"], ["discard"]):
            rt("workspace", *what, b.id, check=f"container {b.id} still exists")
        assert "kept" in rt("workspace", "prune", "--older-than", "0s", check=True).out
        rows = [x for x in json.loads(rt("workspace", "list", "--json", check=True).out)
                if x["container"] == b.id]
        assert rows[0]["inUse"] is True
        assert "may go on writing" in diff(rt, b)
    finally:
        rt.delete(b, "--force", check=True)
        rt("workspace", "discard", b.id)
    assert os.listdir(b.workspace) == []


def listed(rt, b):
    row, = [x for x in json.loads(rt("workspace", "list", "--json", check=True).out)
            if x["container"] == b.id]
    return row


def test_list_tells_what_was_applied(rt, session):
    """The number is of what is still to be taken over, not of what is in the store."""
    b = session("echo 9 >a; chmod 600 d/b; rm -r d/e; ln -s a l; mkdir n; echo 5 >n/f; head -c 3000000 /dev/zero >z", HOST)
    first = listed(rt, b)
    assert first["changes"] == 8
    row, = [x for x in rt("workspace", "list", check=True).out.splitlines() if f" {b.id} " in x]
    assert " 2.9 MiB " in row and "applied" not in row
    apply(rt, b, "a", "n")
    assert listed(rt, b)["changes"] == 5
    apply(rt, b, "--allow-exec")
    assert listed(rt, b)["changes"] == 0
    row, = [x for x in rt("workspace", "list", check=True).out.splitlines() if f" {b.id} " in x]
    assert row.split()[3:7] == ["0", "0", "bytes", "applied"]


def test_list_is_aligned(rt, session):
    """Docker's ids have 64 digits."""
    b = session("echo 1 >a")
    store = f"{STORES}/{listed(rt, b)['session']}/store.json"
    session("echo 1 >a")
    with open(store, encoding="utf-8") as f:
        text = f.read()
    with open(store, "w", encoding="utf-8") as f:
        f.write(text.replace(f'"{b.id}"', '"' + "f" * 64 + '"'))
    try:
        head, *rows = rt("workspace", "list", check=True).out.splitlines()
        assert {row.index("/") for row in rows if b.workspace in row} == {head.index("WORKSPACE")}
    finally:
        with open(store, "w", encoding="utf-8") as f:
            f.write(text)


def test_list_and_prune(rt, session):
    b = session("echo 12345 >a; echo >n", HOST)
    row, = [x for x in rt("workspace", "list", check=True).out.splitlines() if f" {b.id} " in x]
    assert row.split()[3] == "2" and row.endswith(b.workspace)
    row = listed(rt, b)
    assert row["changes"] == 2 and row["bytes"] == 7 and row["inUse"] is False
    assert row["session"] not in rt("workspace", "prune", "--older-than", "1h", check=True).out
    apply(rt, b, "n")
    assert listed(rt, b)["changes"] == 1
    out = rt("workspace", "prune", "--older-than", "0s", check=True).out
    assert f"discarded {row['session']}\n" in out
    assert not os.path.exists(f"{STORES}/{row['session']}")


def test_unfinished(rt, session):
    """A host crashed while the container was created: no container, and half a store."""
    b = session("echo 9 >a", HOST)
    name = json.loads(diff(rt, b, "--json"))["session"]
    os.remove(f"{STORES}/{name}/store.json")
    row, = [x for x in rt("workspace", "list", check=True).out.splitlines() if x.startswith(name)]
    assert row.split()[5] == "unfinished"
    row, = [x for x in json.loads(rt("workspace", "list", "--json", check=True).out)
            if x["session"] == name]
    assert row["unfinished"] is True and not row["inUse"]
    for what in "apply", "diff":
        rt("workspace", what, name, check="unfinished: its container was never created")
    assert name not in rt("workspace", "prune", "--older-than", "1h", check=True).out
    assert f"discarded {name}\n" in rt("workspace", "prune", "--older-than", "0s", check=True).out
    assert not os.path.exists(f"{STORES}/{name}") and read(b, "a") == "1\n"


def tear(name, part):
    """As a crash of the host leaves it: the file has its beginning only."""
    path = f"{STORES}/{name}/store.json"
    with open(path, encoding="utf-8") as f:
        text = f.read()
    with open(path, "w", encoding="utf-8") as f:
        f.write(text[:int(len(text) * part)])


@pytest.mark.parametrize("part", [0.01, 0.3, 0.9])
def test_a_damaged_one_can_be_removed(rt, session, part):
    b, other = session("echo 9 >a", HOST), session("echo 8 >x")
    name, second = listed(rt, b)["session"], listed(rt, other)["session"]
    tear(name, part)
    row, = [x for x in rt("workspace", "list", check=True).out.splitlines() if x.startswith(name)]
    assert row.split()[5] == "bad"
    for what in "apply", "diff":
        rt("workspace", what, name, check=f"agentrun workspace discard {name} removes it")
    out = rt("workspace", "prune", "--older-than", "0s", check=True).out
    assert re.search(f"^kept {name}: .*damaged.*agentrun workspace discard {name} removes it", out, re.M)
    assert f"discarded {second}\n" in out
    assert rt("workspace", "discard", name, check=True).out == f"discarded {name}\n"
    assert not os.path.exists(f"{STORES}/{name}") and read(b, "a") == "1\n"


@pytest.mark.parametrize("part", [0.01, 0.9])
def test_a_damaged_one_in_use_stays(rt, box, work, part):
    b = confined.confine(box(shell("echo 9 >a; sleep 100")), work, profile="edit")
    rt.up(b)
    try:
        name = listed(rt, b)["session"]
        tear(name, part)
        rt("workspace", "discard", name, check=f"container {b.id} still exists")
        assert os.path.exists(f"{STORES}/{name}/upper")
    finally:
        rt.delete(b, "--force")
        rt("workspace", "discard", name, check=True)


@pytest.mark.parametrize("duration", ["", "1", "d", "-1d", "1y", "1dd", "99999999999999999999d"])
def test_bad_duration(rt, duration):
    rt("workspace", "prune", "--older-than", duration, check="expected a number and s, m, h, d or w")


@pytest.mark.parametrize("args, says", [
    ([], "expected list, diff, apply, discard or prune"),
    (["discard"], "expected a session or a container"),
    (["nonsense"], 'unknown command "nonsense": expected list, diff, apply, discard or prune'),
    (["nonsense", "x"], 'unknown command "nonsense": expected list, diff, apply, discard or prune'),
    (["discard", "x", "y"], "too many operands"),
    (["list", "x"], "too many operands"),
    (["prune"], "expected --older-than"),
    (["diff", "nothing"], "no such session"),
])
def test_bad_command_line(rt, args, says):
    rt("workspace", *args, check=says)


@pytest.mark.parametrize("what", ["diff", "apply"])
@pytest.mark.parametrize("paths", [[""], ["a", ""]])
def test_an_empty_path_is_not_all_of_it(rt, session, what, paths):
    """What "$UNSET" becomes."""
    b = session("echo 9 >a; echo 8 >d/b", HOST)
    rt("workspace", what, b.id, *paths, check=f"operand {len(paths) + 1} is empty")
    rt("workspace", what, "", check="operand 1 is empty", cwd=b.workspace)
    assert read(b, "a") == "1\n" and read(b, "d/b") == "2\n"


def test_a_workspace_that_is_another_one(rt, session, work):
    b = session("echo 9 >a", HOST)
    os.rename(b.workspace, work + "/old")
    os.mkdir(b.workspace)
    rt("workspace", "apply", b.id, check="is another directory than the one that the container had")
    rt("workspace", "apply", b.id, check=f"workspace discard {listed(rt, b)['session']} removes")
    assert os.listdir(b.workspace) == []
    os.rmdir(b.workspace)
    rt("workspace", "diff", b.id, check="is not there (any more): move that one back there")
    os.rename(work + "/old", b.workspace)
    assert "+9" in diff(rt, b)


def test_the_workspace_is_printed_as_it_may_be_shown(rt, session, work):
    b = session("echo 9 >a", HOST)
    store = f"{STORES}/{json.loads(diff(rt, b, '--json'))['session']}/store.json"
    with open(store, encoding="utf-8") as f:
        about = json.load(f)
    about["workspace"] = work + "/\x1b[31m\nred"
    os.rename(b.workspace, about["workspace"])
    with open(store, "w", encoding="utf-8") as f:
        json.dump(about, f)
    out = rt("workspace", "apply", b.id, check=True).out
    assert out.endswith("/\\x1b[31m\\x0ared\n") and out.count("\n") == 1


def test_a_session_of_one_command_is_forty_lines(rt, session):
    """Of a hundred columns."""
    b = session("echo 9 >README.md")
    page = run([program(), "audit", "show", b.id], check=True).out
    assert sum(-(-max(len(x), 1) // 100) for x in page.splitlines()) <= 40, page


def test_what_git_keeps_does_not_hide_the_rest(rt, session):
    """A record has no room for all of it."""
    b = session("mkdir -p .git/objects; for i in $(seq 1000); do echo $i >.git/objects/$i-a-name-that-is-not-short; "
                "done; echo 9 >README.md")
    page = run([program(), "audit", "show", b.id], check=True).out
    assert "  others       added README.md, 2 bytes\n               and 1001 in .git\n" in page


def test_without_a_name(rt, session, work):
    """The newest session of the current directory."""
    b = session("echo 1 >a", "mkdir d")
    assert "+++ b/a" in rt("workspace", "diff", check=True, cwd=b.workspace).out
    assert "applied 1 of 1" in rt("workspace", "apply", check=True, cwd=b.workspace + "/d").out
    rt("workspace", "diff", check="no session has this directory", cwd=work)
    rt("workspace", "discard", check="expected a session", cwd=b.workspace)


def proven(b):
    """The subjects of the session's provenance; the log is whole."""
    assert run([program(), "audit", "verify"], check=True).out.startswith("unanchored: ")
    statement = json.loads(run([program(), "audit", "provenance", b.id], check=True).out)
    return {s["name"]: s["digest"]["sha256"] for s in statement["subject"]}


def check_proven(b, number):
    subjects = proven(b)
    assert len(subjects) == number
    for name, sha256 in subjects.items():
        with open(os.path.join(b.workspace, name), "rb") as f:
            assert hashlib.sha256(f.read()).hexdigest() == sha256


@pytest.mark.parametrize("script, files, records", [
    ("mkdir many; for i in $(seq 400); do echo $i >many/$i-a-name-that-is-no-short-one; done; echo 9 >a", 401, 1),
    # of some only a few fit into a record, of those behind them hundreds
    ("umask 077; d=$(printf '%0250d' 0); mkdir -p $d/$d/$d/$d; for i in $(seq 99); do echo $i >$d/$d/$d/$d/$i; "
     "done; mkdir m; for i in $(seq 800); do echo $i >m/$i; done", 899, 4),
    ("d=$(printf '\\001%.0s' $(seq 250)); mkdir -p $d/$d/$d; for i in $(seq 20); do echo $i >$d/$d/$d/$i; done", 20, 2),
], ids=["names", "long-names", "escaped-names"])
def test_provenance_of_what_was_applied(rt, session, script, files, records):
    """Whole, however much it is: the subjects are the files as they are in the workspace now."""
    b = session(script, HOST)
    rt("workspace", "apply", b.id, check=True)
    check_proven(b, files)
    page = run([program(), "audit", "show", b.id], check=True).out
    assert len(page.partition("What a person took over\n")[2].partition("\n\n")[0].splitlines()) <= 1 + 3 + 1
    statement = json.loads(run([program(), "audit", "provenance", b.id], check=True).out)
    assert [x["name"] for x in statement["predicate"]["runDetails"]["byproducts"]] == [
        "audit record", "changes reviewed"]
    log = run([program(), "audit", "show", "--json", b.id], check=True).out.splitlines()
    applied = [x for x in map(json.loads, log) if x["event"] == "apply"]
    assert len(applied) <= records and not [x for x in applied if "truncated" in x or x["omitted"]]


MANY = "mkdir many; for i in $(seq 2500); do echo $i >many/$i; done; echo 9 >a; rm d/b"


def there(b):
    many = b.workspace + "/many"
    return [x for x in os.listdir(many) if x.isdecimal()] if os.path.isdir(many) else []


def kill_apply(rt, b, *args):
    """Apply, killed as soon as something more is there."""
    before = len(there(b))
    with subprocess.Popen(rt.argv("workspace", "apply", b.id, *args), stdout=subprocess.DEVNULL) as p:
        while p.poll() is None and len(there(b)) == before:
            time.sleep(0.001)
        p.kill()
    return p.returncode == -9


def unfinished(b):
    return [x for x in os.listdir(b.workspace + "/many") if not x.isdecimal()]


def test_what_a_killed_apply_did_is_recorded(rt, session):
    b = session(MANY, HOST)
    assert any([kill_apply(rt, b) for _ in range(3)])
    out = rt("workspace", "apply", b.id, check=True).out
    assert re.match(r"recorded \d+ changes that an apply which was interrupted had applied\napplied \d+ of", out)
    check_proven(b, 2501)
    assert '"path":"d/b","kind":"deleted"' in run([program(), "audit", "show", "--json", b.id], check=True).out
    assert "recorded" not in rt("workspace", "apply", b.id, check=True).out
    assert not unfinished(b)


def test_what_a_killed_apply_did_is_recorded_before_the_session_goes(rt, session):
    b = session(MANY, HOST)
    assert kill_apply(rt, b)
    assert there(b)
    assert "discarded" in rt("workspace", "discard", b.id, check=True).out
    assert {"many/" + x for x in there(b)} <= set(proven(b)) and not unfinished(b)


def test_what_could_not_be_recorded_is_recorded_by_the_next(rt, session):
    b = session(AGENT, HOST)
    log = "/var/log/agentrun/audit.head"
    os.rename(log, log + ".old")
    os.mkdir(log)
    try:
        assert "no audit record of all that was applied" in rt("workspace", "apply", b.id, check=True).err
    finally:
        os.rmdir(log)
        os.rename(log + ".old", log)
    assert rt("workspace", "apply", b.id, check=True).out.startswith("recorded 7 changes")
    assert set(proven(b)) == {"a", "d/b", "n/m/f"}


@pytest.mark.parametrize("text", ["", "{}\n", '{"caller":0,"reviewed":""}\n{"digest":"","changes":1}\n'])
def test_a_damaged_note_of_what_was_begun(rt, session, text):
    b = session(AGENT, HOST)
    store = json.loads(diff(rt, b, "--json"))["session"]
    with open(f"{STORES}/{store}/applying.json", "w", encoding="ascii") as f:
        f.write(text)
    r = rt("workspace", "apply", b.id, check=True)
    assert "what an earlier apply did is not known: applying.json: damaged" in r.err and "applied 7 of 7" in r.out
    assert not os.path.exists(f"{STORES}/{store}/applying.json") and set(proven(b)) == {"a", "d/b", "n/m/f"}
