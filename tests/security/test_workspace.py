# SPDX-License-Identifier: Apache-2.0
"""D4, D6, D8: copy-on-write workspaces: what the agent writes stays aside until a person applies it."""
import hashlib
import json
import os
import stat
import subprocess
import time

import bundle
import confined
import pytest
from bundle import shell
from confined import snapshot
from runtime import until

STORES = "/var/lib/agentrun/workspaces"


def cow(box, work, script, **fields):
    b = confined.confine(box(shell(script)), work, profile="edit", **fields)
    with open(b.workspace + "/old", "w", encoding="ascii") as f:
        f.write("old\n")
    os.mkdir(b.workspace + "/dir")
    with open(b.workspace + "/dir/file", "w", encoding="ascii") as f:
        f.write("file\n")
    return b


def stores():
    return sorted(os.listdir(STORES)) if os.path.isdir(STORES) else []


def test_d4_host_is_unchanged(rt, box, work):
    b = cow(box, work, "echo new >new; echo more >>old; rm -r dir; mkdir dir; echo x >dir/y; "
                       "chmod 755 old; cat old new dir/y; ls dir")
    before, known = snapshot(b.workspace), stores()
    r = rt.run(b, check=True)
    assert r.out == "old\nmore\nnew\nx\ny\n"
    assert snapshot(b.workspace) == before
    store, = set(stores()) - set(known)
    assert sorted(os.listdir(f"{STORES}/{store}/upper")) == ["dir", "new", "old"]
    with open(f"{STORES}/{store}/store.json", encoding="ascii") as f:
        s = json.load(f)
    assert s["session"] == store and s["container"] == b.id and s["workspace"] == b.workspace
    assert stat.S_IMODE(os.stat(f"{STORES}/{store}").st_mode) == 0o700


def test_exec_sees_the_same(rt, box, work):
    b = cow(box, work, "echo new >new; sleep 100")
    rt.up(b)
    r = rt.exec(b, "--", "sh", "-c", "until [ -e new ]; do :; done; cat new; echo more >>old; cat old",
                check=True)
    assert r.out == "new\nold\nmore\n"
    rt.kill(b, "KILL", check=True)


def test_nothing_written_leaves_no_store(rt, box, work):
    b = cow(box, work, "cat old")
    known = stores()
    assert rt.run(b, check=True).out == "old\n"
    assert stores() == known


def test_failed_create_leaves_no_store(rt, box, work):
    b = cow(box, work, "true")
    b.config["process"]["args"] = ["/nowhere"]
    b.save()
    known = stores()
    assert rt.run(b, check=False).code > 0
    assert stores() == known


def test_killed_create_leaves_no_store(rt, box, work):
    """What a create that was killed left, delete --force takes away."""
    b = cow(box, work, "sleep 100")
    known = stores()
    rt.create(b)
    assert len(stores()) == len(known) + 1
    rt("delete", "--force", b.id, check=True)
    assert stores() == known


def test_mapped_owner(rt, box, work):
    """What root writes inside belongs to the workspace's owner in the store."""
    b = cow(box, work, "stat -c '%u %n' old dir; echo x >>old; echo y >new; stat -c '%u %n' old new",
            workspace_owner="map")
    os.chown(b.workspace, 1000, 1000)
    os.chown(b.workspace + "/old", 1000, 1000)
    os.chown(b.workspace + "/dir", 1000, 1000)
    known = stores()
    assert rt.run(b, check=True).out == "0 old\n0 dir\n0 old\n0 new\n"
    store, = set(stores()) - set(known)
    for name in "old", "new":
        assert os.stat(f"{STORES}/{store}/upper/{name}").st_uid == 1000


def in_user_namespace(b, work):
    bundle.namespace(b.config, "user")
    b.config["linux"].update(uidMappings=[{"containerID": 0, "hostID": 100000, "size": 2000}],
                             gidMappings=[{"containerID": 0, "hostID": 100000, "size": 2000}])
    b.save()
    os.makedirs(b.rootfs + "/workspace")
    os.chmod(work + "/b", 0o755)


@pytest.mark.parametrize("inside", ("root", "user", "user namespace"))
@pytest.mark.parametrize("owner", (0, 1000))
def test_mapped_owner_is_not_root_of_the_host(rt, box, work, owner, inside):
    """The kernel works in the layers as root, whom such a map leaves out: it may not become read-only."""
    b = cow(box, work, "stat -c '%u %n' old dir; echo x >>old; echo y >new; stat -c '%u %n' old new; "
                       "rm -r dir; mkdir dir", workspace_owner="map")
    user = 7 if inside == "user" else 0
    b.config["process"]["user"] = {"uid": user, "gid": user}
    if inside == "user namespace":
        in_user_namespace(b, work)
    for top, _, files in os.walk(b.workspace):
        for path in top, *(f"{top}/{name}" for name in files):
            os.chown(path, owner, owner)
    b.save()
    before, known = snapshot(b.workspace), stores()
    r = rt.run(b, check=True)
    assert r.out == f"{user} old\n{user} dir\n{user} old\n{user} new\n" and not r.err
    assert snapshot(b.workspace) == before
    store, = set(stores()) - set(known)
    for name in "old", "new", "dir":
        assert os.stat(f"{STORES}/{store}/upper/{name}").st_uid == owner
    assert "applied" in rt("workspace", "apply", b.id, check=True).out
    assert os.stat(b.workspace + "/new").st_uid == owner


def test_user_namespace(rt, box, work):
    b = cow(box, work, "echo x >>old; echo y >new; cat old new")
    in_user_namespace(b, work)
    for path in b.workspace, b.workspace + "/old":
        os.chown(path, 100000, 100000)
    before, known = snapshot(b.workspace), stores()
    assert rt.run(b, check=True).out == "old\nx\ny\n"
    assert snapshot(b.workspace) == before
    assert len(stores()) == len(known) + 1


def test_read_only_mount_stays_read_only(rt, box, work):
    b = cow(box, work, "touch new || cat old")
    b.config["mounts"][-1]["options"].append("ro")
    b.save()
    known = stores()
    r = rt.run(b, check=True)
    assert "Read-only" in r.err and stores() == known


def test_mount_inside(rt, box, work):
    """A view that is not of all that is there would be a lie."""
    b = cow(box, work, "true")
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", b.workspace + "/dir"], check=True)
    try:
        r = rt.create(b, check=False)
    finally:
        subprocess.run(["umount", b.workspace + "/dir"], check=True)
    assert r.code > 0 and f"mounted inside ({b.workspace}/dir)" in r.err


def test_workspace_on_an_overlay(rt, box, work):
    b = cow(box, work, "cat seen; echo x >new; echo y >>old; cat new old")
    for name in "lower", "up", "wk":
        os.mkdir(f"{work}/{name}")
    with open(work + "/lower/seen", "w", encoding="ascii") as f:
        f.write("seen\n")
    # the test's own directory may lie on a file system that cannot be an upper one
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", work + "/up"], check=True)
    os.mkdir(work + "/up/u")
    os.mkdir(work + "/up/w")
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o",
                    f"lowerdir={b.workspace}:{work}/lower,upperdir={work}/up/u,workdir={work}/up/w",
                    b.workspace], check=True)
    try:
        assert rt.run(b, check=True).out == "seen\nx\nold\ny\n"
        assert os.listdir(work + "/up/u") == []
    finally:
        subprocess.run(["umount", b.workspace], check=True)
        subprocess.run(["umount", work + "/up"], check=True)


def test_store_on_an_overlay(rt, box, work):
    """The kernel refuses it; whoever reads the error knows what to do."""
    b = cow(box, work, "true")
    known = stores()
    for name in "lower", "up":
        os.mkdir(f"{work}/{name}")
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", work + "/up"], check=True)
    os.mkdir(work + "/up/u")
    os.mkdir(work + "/up/w")
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o",
                    f"lowerdir={work}/lower,upperdir={work}/up/u,workdir={work}/up/w",
                    "/var/lib/agentrun"], check=True)
    try:
        r = rt.create(b, check=False)
        assert r.code > 0 and "lies on an overlay" in r.err and stores() == []
    finally:
        subprocess.run(["umount", "/var/lib/agentrun"], check=True)
        subprocess.run(["umount", work + "/up"], check=True)
    assert stores() == known


def changes(store):
    """What delete found: path -> (kind, sha256)."""
    with open(f"{STORES}/{store}/changes.json", encoding="utf-8") as f:
        lines = [json.loads(line) for line in f]
    return {x["path"]: x for x in lines[1:]}


def test_delete_writes_down_what_was_changed(rt, box, work):
    b = cow(box, work, "echo new >new; echo more >>old; rm -r dir; mkdir -p .git/hooks; "
                       "echo x >.git/hooks/pre-commit; ln -s old link")
    known = stores()
    rt.run(b, check=True)
    store, = set(stores()) - set(known)
    found = changes(store)
    assert {p: x["kind"] for p, x in found.items() if p not in (".git", ".git/hooks", "dir")} == {
        "new": "added", "old": "modified", "dir/file": "deleted", "link": "added",
        ".git/hooks/pre-commit": "added"}
    assert found["new"]["new_hash"] == hashlib.sha256(b"new\n").hexdigest()
    assert found["old"]["old_hash"] == hashlib.sha256(b"old\n").hexdigest()
    assert found[".git/hooks/pre-commit"]["runs"]


def freezer(pid):
    """The directory of the process's cgroup in the freezer's hierarchy; None: the host has none."""
    with open(f"/proc/{pid}/cgroup", encoding="ascii") as f:
        paths = [x.rstrip().split(":") for x in f]
    path, = [path for _, controllers, path in paths if controllers == "freezer"] or [None]
    return path and "/sys/fs/cgroup/freezer" + path


def test_d6_concluded_when_the_last_process_is_gone(rt, box, work):
    """In another's PID namespace the first process takes no others with it."""
    first = rt.up(box(["sleep", "100"]))
    b = cow(box, work, "sleep 100 & echo x >grows; exec sleep 100")
    bundle.namespace(b.config, "pid", f"/proc/{rt.state(first)['pid']}/ns/pid")
    b.save()
    known = stores()
    rt.up(b)
    init = rt.state(b)["pid"]
    until(lambda: rt.exec(b, "--", "test", "-e", "grows").code == 0)
    top = freezer(init)
    if not top:
        rt.delete(b, "--force", check=True)
        pytest.skip("version 2 of cgroups kills what is frozen")
    os.mkdir(top + "/undying")
    try:
        with open(top + "/undying/freezer.state", "w", encoding="ascii") as f:
            f.write("FROZEN")
        for pid in json.loads(rt("ps", "-f", "json", b.id, check=True).out):
            if pid != init:
                with open(top + "/undying/cgroup.procs", "w", encoding="ascii") as f:
                    f.write(str(pid))
        os.kill(init, 9)
        rt.wait(b)
        rt.delete(b, check="killed processes do not die")
        store, = set(stores()) - set(known)
        assert not os.path.exists(f"{STORES}/{store}/changes.json")
        assert not events(b, "delete")
        rt("workspace", "apply", b.id, check="still exists, and may write")
    finally:
        with open(top + "/undying/freezer.state", "w", encoding="ascii") as f:
            f.write("THAWED")
    rt.delete(b, check=True)
    with open(f"{STORES}/{store}/upper/grows", "rb") as f:
        assert changes(store)["grows"]["new_hash"] == hashlib.sha256(f.read()).hexdigest()
    assert len(events(b, "delete")) == 1
    rt.kill(first, "KILL", check=True)


def test_a_delete_that_cannot_read_says_so_and_goes_on(rt, box, work):
    """The workspace was replaced meanwhile: what it would be compared with is gone."""
    b = cow(box, work, "echo new >new; sleep 100")
    rt.up(b)
    until(lambda: rt.exec(b, "--", "test", "-e", "new").code == 0)
    os.rename(b.workspace, b.workspace + ".away")
    os.mkdir(b.workspace)
    r = rt("delete", "--force", b.id, check=True)
    assert "is another directory than the one" in r.err


def events(b, event):
    with open(confined.LOG, encoding="utf-8") as f:
        found = [json.loads(line) for line in f]
    return [r for r in found if r["event"] == event and r.get("container.id") == b.id]


def record(b, event):
    r, = events(b, event)
    return r


@pytest.mark.parametrize("mode, source", [("cow", "overlay"), ("rw", "statx"), ("ro", None)])
def test_the_record_tells_what_was_changed(rt, box, work, mode, source):
    script = {"ro": "cat old"}.get(mode, "echo new >new; echo more >>old; mkdir d; echo x >d/package-lock.json; "
                                         "mkdir -p .githooks; cp /bin/sh .githooks/x")
    b = cow(box, work, script, workspace_mode=mode)
    time.sleep(0.02)    # the clock of file systems ticks every 4 ms or 10
    rt.run(b, check=True)
    files = record(b, "delete")["files"]
    if not source:
        assert files is None
        return
    assert files["source"] == source and files["reason"] is None
    found = {x["path"]: x for x in files["changes"] if x["path"] not in ("d", ".githooks")}
    assert {p: x["kind"] for p, x in found.items()} == {
        "new": "added", "old": "modified", "d/package-lock.json": "added", ".githooks/x": "added"}
    assert found["new"]["sha256"] == hashlib.sha256(b"new\n").hexdigest()
    assert found["old"]["sha256"] == hashlib.sha256(b"old\nmore\n").hexdigest()
    assert found[".githooks/x"]["runs"] and not found["new"]["runs"]
    install, = record(b, "delete")["installs"]
    assert (install["ecosystem"], install["evidence"]) == ("npm", "lockfile")


@pytest.mark.parametrize("profile", ["agent", "edit"])
def test_d7_secrets_by_other_names(rt, box, work, profile):
    """Hard links, another case, nested copies, a link, and a link to what a masked directory holds."""
    b = confined.confine(box(shell("cd /workspace; for f in .env .ENV notes deep/er/.env deep/copy to key far "
                                   "node_modules/x .Docker/Config.json .aws/credentials; do cat $f 2>&1 || :; done; ls .aws; cat plain")),
                         work, profile=profile)
    os.makedirs(b.workspace + "/deep/er")
    os.makedirs(b.workspace + "/.aws/sso/cache")
    os.makedirs(b.workspace + "/.Docker")
    os.makedirs(b.workspace + "/node_modules")
    for name in (".env", ".ENV", "deep/er/.env", ".aws/credentials", ".aws/sso/cache/token",
                 ".Docker/Config.json"):
        with open(f"{b.workspace}/{name}", "w", encoding="ascii") as f:
            f.write("SECRET\n")
    with open(b.workspace + "/plain", "w", encoding="ascii") as f:
        f.write("plain\n")
    os.link(b.workspace + "/.env", b.workspace + "/notes")
    os.link(b.workspace + "/.env", b.workspace + "/deep/copy")
    os.link(b.workspace + "/.env", b.workspace + "/node_modules/x")
    os.link(b.workspace + "/.aws/credentials", b.workspace + "/key")
    os.link(b.workspace + "/.aws/sso/cache/token", b.workspace + "/far")
    os.link(b.workspace + "/plain", b.workspace + "/plain2")
    os.symlink(".env", b.workspace + "/to")
    r = rt.run(b, check=True)
    assert "SECRET" not in r.text and r.out.endswith("plain\n")
    assert r.out.count("No such file") == 1      # what was in the masked directory


def test_d5_links_out_of_a_masked_file_cannot_be_made(rt, box, work):
    b = cow(box, work, "! ln .env x 2>/dev/null; ! ln /bin/busybox y 2>/dev/null; ls")
    with open(b.workspace + "/.env", "w", encoding="ascii") as f:
        f.write("SECRET")
    assert rt.run(b, check=True).out == "dir\nold\n"


@pytest.mark.parametrize("profile", ["agent", "edit"])
def test_d8_nothing_is_left_behind(rt, box, work, profile):
    """Guards and masks of what is there and of what is not: the host sees none of it."""
    b = confined.confine(box(shell("ls -a; cat .env")), work, profile=profile)
    os.makedirs(b.workspace + "/.git/hooks")
    with open(b.workspace + "/.env", "w", encoding="ascii") as f:
        f.write("SECRET")
    before = snapshot(b.workspace)
    rt.run(b, check=True)
    assert snapshot(b.workspace) == before


GIT = {
    "a hook where there was none": "mkdir -p .git/hooks; echo x >.git/hooks/post-checkout",
    "hooks elsewhere": "mkdir -p .git; printf '[core]\\n\\thooksPath = /tmp/x\\n' >.git/config",
    "a worktree's file": "echo 'gitdir: /tmp/evil' >.git",
    "a submodule's": "mkdir -p sub; echo 'gitdir: ../../evil' >sub/.git",
    "objects of others": "mkdir -p .git/objects/info; echo /home/you/.git >.git/objects/info/alternates",
    "filters": "echo '* filter=evil' >.gitattributes",
}


@pytest.mark.parametrize("what", GIT)
def test_d3_what_git_would_run_needs_a_yes_of_its_own(rt, box, work, what):
    """Absent at create, so nothing guards it: the review shows it apart, and does not apply it silently."""
    b = cow(box, work, GIT[what])
    before = snapshot(b.workspace)
    rt.run(b, check=True)
    assert "May run code on this host" in rt("workspace", "diff", b.id, check=True).out
    rt("workspace", "apply", b.id, check="may run code on this host")
    assert snapshot(b.workspace) == before


@pytest.mark.parametrize("profile", ["agent", "edit"])
def test_d3_a_guarded_path_stays_where_it_is(rt, box, work, profile):
    """Neither it nor what is above it can be renamed or removed; nothing can be put into it."""
    b = confined.confine(box(shell("! mv .git x; ! mv .git/hooks y; ! rm -rf .git/hooks; "
                                   "! touch .git/hooks/pre-commit; ! mv .git/config z; "
                                   "! sh -c 'echo x >.git/config'; ls .git")), work, profile=profile)
    os.makedirs(b.workspace + "/.git/hooks")
    with open(b.workspace + "/.git/config", "w", encoding="ascii") as f:
        f.write("[core]\n")
    before = snapshot(b.workspace + "/.git")
    assert rt.run(b, check=True).out == "config\nhooks\n"
    assert snapshot(b.workspace + "/.git") == before
