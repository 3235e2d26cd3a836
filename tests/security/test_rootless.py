# SPDX-License-Identifier: Apache-2.0
"""A user without privilege and without an engine: copy-on-write workspaces (D4, D6), commands (F6)."""
import hashlib
import json
import os
import pwd
import shutil
import stat
import subprocess

import bundle
import confined
import pytest
from bundle import shell
from runtime import program, run, until

USER = 1000
SUBORDINATE = 200000    # the first of 65,536: what the container's user 1 is


def add_line(path, line):
    with open(path, "a", encoding="utf-8") as f:
        f.write(line + "\n")


@pytest.fixture
def user(work):
    """user(*arguments): the runtime as an ordinary user with subordinate ids."""
    if not shutil.which("newuidmap") or not shutil.which("newgidmap"):
        pytest.skip("no newuidmap and newgidmap")
    try:
        os.setxattr(work, "user.test", b"")
    except OSError as e:
        pytest.skip(f"no user attributes here, which such an overlay needs: {e}")
    files = "/etc/subuid", "/etc/subgid", "/etc/passwd"
    saved = {}
    for path in files:
        with open(path, "a+", encoding="utf-8") as f:
            f.seek(0)
            saved[path] = f.read()
    try:
        pwd.getpwuid(USER)
    except KeyError:
        add_line("/etc/passwd", f"user{USER}:x:{USER}:{USER}::/:/bin/sh")
    for path in files[:2]:
        add_line(path, f"{USER}:{SUBORDINATE}:65536")
    os.chown(work, USER, USER)
    env = {"HOME": work, "XDG_RUNTIME_DIR": work, "PATH": os.environ["PATH"]}

    setpriv = shutil.which("setpriv")

    def call(*args, check=True, **kw):
        return run([setpriv, f"--reuid={USER}", f"--regid={USER}", "--clear-groups", program(),
                    "--root", work + "/state", *args], check=check, env=env, **kw)
    call.env = env
    yield call
    for path, text in saved.items():
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)


@pytest.fixture
def agent(box, work):
    """agent(script): a bundle of a copy-on-write session of that user over old and dir/file."""
    def make(script, ids=65536, profile="edit"):
        b = confined.confine(box(shell(script)), work, profile=profile)
        os.mkdir(b.workspace + "/dir")
        for name in "old", "dir/file":
            with open(f"{b.workspace}/{name}", "w", encoding="ascii") as f:
                f.write(name + "\n")
        bundle.namespace(b.config, "user")
        for kind in "uidMappings", "gidMappings":
            b.config["linux"][kind] = [{"containerID": 0, "hostID": USER, "size": 1},
                                       {"containerID": 1, "hostID": SUBORDINATE, "size": ids}]
            if not ids:
                b.config["linux"][kind].pop()
        for m in b.config["mounts"]:    # the group of terminals is not among the ids of one
            m["options"] = [o for o in m["options"] if o != "gid=5"]
        del b.config["linux"]["resources"], b.config["linux"]["cgroupsPath"]
        b.save()
        subprocess.run(["chown", "-R", f"{USER}:{USER}", work], check=True)
        return b
    return make


@pytest.fixture
def session(user, agent):
    """session(script): one that ran it, and is gone."""
    def make(*args, **kw):
        b = agent(*args, **kw)
        user("create", "--bundle", b.path, b.id)
        user("start", b.id)
        until(lambda: json.loads(user("state", b.id).out)["status"] == "stopped")
        b.deleted = user("delete", b.id)
        return b
    return make


def stores(work):
    top = work + "/.local/share/agentrun/workspaces"
    return [f"{top}/{x}" for x in os.listdir(top)]


def records(work, event):
    with open(work + "/.local/state/agentrun/audit.jsonl", encoding="utf-8") as f:
        return [x for x in map(json.loads, f) if x["event"] == event]


# What neither the user may read nor anybody who is not it: only with its subordinate ids can it be.
SHUT = ("echo more >>old; echo new >new; mkdir shut; echo in >shut/in; chmod 0 shut; "
        "echo theirs >theirs; chmod 600 theirs; chown 7:7 theirs; rm -r dir")
CHANGES = {"old": ("modified", "old\nmore\n"), "new": ("added", "new\n"), "shut/in": ("added", "in\n"),
           "theirs": ("added", "theirs\n"), "dir/file": ("deleted", None)}


def test_delete_reads_with_subordinate_ids(session, work):
    """The record and what it is reviewed by have all that was changed."""
    b = session(SHUT)
    assert not b.deleted.err
    record, = records(work, "delete")
    found = {x["path"]: x for x in record["files"]["changes"] if x["path"] not in ("dir", "shut")}
    assert record["files"]["reason"] is None
    assert {p: x["kind"] for p, x in found.items()} == {p: kind for p, (kind, _) in CHANGES.items()}
    for path, (_, text) in CHANGES.items():
        if text:
            assert found[path]["sha256"] == hashlib.sha256(text.encode()).hexdigest(), path


def test_diff_and_apply(session, user):
    b = session(SHUT)
    names = user("workspace", "diff", "--name-only", b.id).out.split()
    assert sorted(names) == sorted([*CHANGES, "dir", "shut"])
    assert "+theirs\n" in user("workspace", "diff", b.id).out
    assert f"applied {len(names)} of {len(names)} changes" in user(
        "workspace", "apply", "--discard", b.id).out
    assert sorted(os.listdir(b.workspace)) == ["new", "old", "shut", "theirs"]
    for path, (_, text) in CHANGES.items():
        if text:
            with open(f"{b.workspace}/{path}", encoding="ascii") as f:
                assert f.read() == text
            assert os.stat(f"{b.workspace}/{path}").st_uid == USER
    assert stat.S_IMODE(os.stat(b.workspace + "/shut").st_mode) == 0


def test_without_the_helpers(session, user):
    """Who has subordinate ids and no newuidmap has containers of one id."""
    user.env["PATH"] = "/nowhere"
    b = session("echo more >>old; mkdir shut; echo in >shut/in; chmod 0 shut", ids=0)
    assert not b.deleted.err
    assert user("workspace", "diff", "--name-only", b.id).out.split() == ["old", "shut", "shut/in"]
    assert "applied 3 of 3" in user("workspace", "apply", b.id).out


def test_discard(session, user, work):
    b = session(SHUT)
    user("workspace", "discard", b.id)
    assert stores(work) == []
    assert sorted(os.listdir(b.workspace)) == ["dir", "old"]


def test_nothing_written_leaves_no_store(session, work):
    """Nor what the kernel made in it."""
    session("chmod 0 .; chmod 755 .; cat old")
    assert stores(work) == []


def test_shared_pid_namespace_without_a_cgroup(user, agent, work):
    """Nothing could tell when the last process is gone."""
    first = agent("sleep 100")
    user("create", "--bundle", first.path, first.id)
    pid = json.loads(user("state", first.id).out)["pid"]
    b = agent("true")
    for kind in "user", "pid":
        bundle.namespace(b.config, kind, f"/proc/{pid}/ns/{kind}")
    del b.config["linux"]["uidMappings"], b.config["linux"]["gidMappings"]
    b.save()
    user("create", "--bundle", b.path, b.id, check="shares a PID namespace and has no cgroup")
    user("delete", "--force", first.id)
    assert stores(work) == []


def test_delete_reads_a_writable_workspace(session, work):
    """As with a copy: what is in a directory of somebody else's, and what was removed."""
    session(SHUT, profile="agent")
    files = records(work, "delete")[0]["files"]
    assert files["source"] == "statx" and files["reason"] is None and files["digest"] is None
    found = {x["path"]: x for x in files["changes"]}
    assert {p: x["kind"] for p, x in found.items()} == {p: kind for p, (kind, _) in CHANGES.items()}
    for path, (_, text) in CHANGES.items():
        if text:
            assert found[path]["sha256"] == hashlib.sha256(text.encode()).hexdigest(), path


def test_F6_commands(session, work):
    """Asked for, as nobody may watch; who ends how is known."""
    session("/bin/true 'a b'; sh -c 'kill -9 $$' || chown 7:7 old; exit 3")
    seen = {tuple(x["process.command_args"]): (x["process.exit.code"], x.get("process.exit.signal"))
            for r in records(work, "commands") for x in r["executions"]}
    assert seen["/bin/true", "a b"] == (0, None)
    assert seen["sh", "-c", "kill -9 $$"] == (None, 9)
    delete, = records(work, "delete")
    exit_, = records(work, "exit")
    assert delete["commands"] == {"source": "claimed", "recorded": len(seen), "lost": 0, "reason": None}
    assert exit_["process.exit.code"] == 3 and exit_["source"] == "pidfd"


@pytest.mark.parametrize("inside", [False, True])
def test_who_ran_it_is_who_it_is_outside(user, agent, work, inside):
    """Engines without root call the runtime in a user namespace, as its root."""
    b = agent("true", profile="agent", ids=0)
    if inside:
        b.config["linux"]["namespaces"] = [n for n in b.config["linux"]["namespaces"] if n["type"] != "user"]
        del b.config["linux"]["uidMappings"], b.config["linux"]["gidMappings"]
        b.save()
    run([shutil.which("setpriv"), f"--reuid={USER}", f"--regid={USER}", "--clear-groups",
         *(["unshare", "-Ur"] if inside else []), program(), "--root", work + "/state", "run", "--bundle", b.path,
         b.id], check=True, env=user.env)
    create, = records(work, "create")
    assert create["caller.uid"] == USER
    page = user("audit", "show", b.id).out
    assert f", run by uid {USER}" in page
    delete, = records(work, "delete")
    assert delete["cost"]["cpu_usec"] is None and "control group" in delete["cost_reason"]
    assert f"; not known: CPU, peak memory, read, written ({delete['cost_reason']})\n" in page
