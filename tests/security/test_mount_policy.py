# SPDX-License-Identifier: Apache-2.0
"""D1, D2: an agent's mounts: engine sockets by every name, and sources that lead elsewhere."""
import contextlib
import os
import shutil
import socket
import subprocess
import sys

import confined
import pytest
from bundle import drop_namespace, mount, shell
from runtime import run

SLEEP = ["sleep", "100"]


@contextlib.contextmanager
def listening(path):
    """What an engine has: a socket on which it listens."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(path)
        s.listen()
        yield path
    os.unlink(path)
    with contextlib.suppress(OSError):    # those that were made for it
        os.removedirs(os.path.dirname(path))


@pytest.fixture
def engine():
    """A fake engine in this run's own /run."""
    with listening("/run/docker.sock") as path:
        yield path


def refused(rt, b, *words):
    lines = confined.refusal(rt.create(b, check=False))
    for word in words:
        assert word in lines[0], lines
    assert rt.ids() == []
    return lines


def with_mount(box, work, source, destination="/mnt", *options, **fields):
    b = confined.confine(box(SLEEP), work, **fields)
    b.config["mounts"].append(confined.bind(source, destination, *options))
    b.save()
    return b


ALLOWANCES = [{}, {"mounts": "any"}, {"mounts_allow": None}]


@pytest.mark.parametrize("options", [(), ("ro",)])
@pytest.mark.parametrize("fields", ALLOWANCES, ids=["plain", "any", "allowed"])
@pytest.mark.parametrize("place", ["itself", "parent", "symlink", "link-to-parent", "hard-link",
                                   "elsewhere", "deep", "var-run", "dots"])
def test_d1_engine_socket(rt, box, work, engine, place, fields, options):
    """Named in mounts.allow, with mounts=any, read-only: no annotation lets it in."""
    with contextlib.ExitStack() as stack:
        source = {
            "itself": engine, "parent": "/run", "symlink": work + "/link",
            "link-to-parent": work + "/link", "hard-link": "/run/other.sock",
            "elsewhere": work + "/own", "deep": work + "/own", "var-run": "/var/run/docker.sock",
            "dots": "/run/../run/./docker.sock",
        }[place]
        if place == "symlink":
            os.symlink(engine, source)
        elif place == "link-to-parent":
            os.symlink("/run", source)
        elif place == "hard-link":
            os.link(engine, source)
            stack.callback(os.unlink, source)
        elif place == "elsewhere":
            stack.enter_context(listening(work + "/own/podman.sock"))
        elif place == "deep":    # beyond the search of the directories: it listens
            for i in range(100):
                os.makedirs(f"{work}/own/{i}/x")
            stack.enter_context(listening(work + "/own" + "/d" * 20 + "/agent.sock"))
        if "mounts_allow" in fields:
            fields = {"mounts_allow": os.path.realpath(source)}
        refused(rt, with_mount(box, work, source, "/mnt", *options, **fields), source)


def test_d1_socket_in_the_workspace(rt, box, work, engine):
    """By a hard link to an engine's that nobody listens on by this name, or one that is dead."""
    b = confined.confine(box(SLEEP), work)
    sub = b.workspace + "/a/b"
    os.makedirs(sub)
    with listening(work + "/sock") as path:
        os.link(path, sub + "/x")
        refused(rt, b, "holds the socket", sub + "/x")
    refused(rt, b, "holds the socket")    # dead now: somebody may listen later
    os.unlink(sub + "/x")
    rt.create(b)


def test_d1_socket_and_pipe_beneath_a_copy_on_write_workspace(rt, box, work):
    """Nobody of the host's is reached through an overlay: not as it lies there, nor once it is copied up."""
    script = ("for x in old copied; do\n"
              "  [ $x = old ] || chmod 777 sock pipe\n"
              "  /bin/attacker unix sock\n"
              "  timeout 1 sh -c 'echo secret >pipe' || echo nobody reads\n"
              "done")
    b = confined.confine(box(shell(script)), work, profile="edit")
    confined.put(b, confined.tool("attacker"))
    os.mkfifo(b.workspace + "/pipe")
    reader = os.open(b.workspace + "/pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        with listening(b.workspace + "/sock"):
            r = rt.run(b)
            b.config["mounts"][-1]["options"].append("ro")    # a workspace that is no overlay
            assert b.config["mounts"][-1]["source"] == b.workspace
            b.save()
            refused(rt, b, "holds the socket")
        assert [x.split(" ")[0] for x in r.out.splitlines()] == ["ECONNREFUSED", "nobody"] * 2, r
        assert os.read(reader, 10) == b""
    finally:
        os.close(reader)


def test_d1_sockets_bound_through_a_descriptor(rt, box, work):
    """/proc/self/fd/N is the binder's: not what the runtime that reads it has open by that number.
    Containers that wait for their start are such binders."""
    binder = ("import os, socket, sys\n"
              "dirs = [os.open(sys.argv[1], os.O_PATH) for _ in range(40)]\n"
              "for fd in dirs:\n"
              "    s = socket.socket(socket.AF_UNIX)\n"
              "    s.bind(f'/proc/self/fd/{fd}/{fd}'); s.listen(); s.detach()\n"
              "print(flush=True); sys.stdin.read()\n")
    os.makedirs(work + "/elsewhere")
    with subprocess.Popen([sys.executable, "-c", binder, work + "/elsewhere"],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as p:
        assert p.stdout.readline() == b"\n"
        rt.create(confined.confine(box(SLEEP), work))
        p.stdin.close()


def test_d1_connect_works_where_nothing_confines(rt, box, engine):
    """A read-only mount does not stop connect(): that is why it is refused."""
    b = box(["/bin/attacker", "unix", "/mnt/docker.sock"])
    confined.put(b, confined.tool("attacker"))
    b.config["mounts"].append(confined.bind("/run", "/mnt", "ro"))
    b.save()
    assert rt.run(b, check=True).out.startswith("ok ")


def test_d1_abstract_socket(rt, box, work):
    """It belongs to a network namespace, and the container's is its own."""
    with socket.socket(socket.AF_UNIX) as s:
        s.bind("\0fake-engine")
        s.listen()
        b = confined.confine(box(["/bin/attacker", "unix", "@fake-engine"]), work)
        confined.put(b, confined.tool("attacker"))
        assert rt.run(b, check=True).out.startswith("ECONNREFUSED ")
        with_host = box(["/bin/attacker", "unix", "@fake-engine"])
        drop_namespace(with_host.config, "network")
        with_host.save()
        confined.put(with_host, confined.tool("attacker"))
        assert rt.run(with_host, check=True).out.startswith("ok ")


@pytest.mark.parametrize("name", ["docker.sock", "containerd/containerd.sock",
                                  "podman/podman.sock", "user/0/gnupg/S.gpg-agent",
                                  "ssh-agent.1"])
def test_d1_any_agents_socket(rt, box, work, name):
    with listening("/run/" + name) as path:
        refused(rt, with_mount(box, work, path, "/var/run/x.sock", mounts="any"), path)
        refused(rt, with_mount(box, work, os.path.dirname(path), mounts="any"),
                f"mount {os.path.dirname(path)} -> /mnt")


HOST_DIRECTORIES = ["/", "/etc", "/proc", "/sys", "/dev", "/home", "/root", "/run", "/var/run",
                    "/proc/1", "/proc/self/root", "/dev/kmsg", "/sys/fs/cgroup",
                    "/var/log/agentrun", "/var/lib/docker", "/var", "/etc/../etc", "//"]


@pytest.mark.parametrize("fields", [{}, {"mounts": "any"}, {"mounts_allow": "/"}],
                         ids=["plain", "any", "allowed"])
@pytest.mark.parametrize("source", HOST_DIRECTORIES)
def test_d1_the_hosts_own_directories(rt, box, work, source, fields):
    os.makedirs("/var/log/agentrun", mode=0o700, exist_ok=True)
    lines = refused(rt, with_mount(box, work, source, **fields), f"mount {source} ")
    assert fields == {} or "always refused" in lines[1], lines


# ---- D2


def test_d2_outside_the_workspace(rt, box, work):
    os.makedirs(work + "/home/.ssh")
    lines = refused(rt, with_mount(box, work, work + "/home/.ssh", "/root/.ssh"),
                    f"mount {work}/home/.ssh -> /root/.ssh is outside the workspace")
    assert lines == [
        f"agentrun: refused: mount {work}/home/.ssh -> /root/.ssh is outside the workspace",
        "  policy: mounts=workspace-only (profile agent)",
        f"  to allow it: --annotation io.agentrun.mounts.allow={work}/home/.ssh"]


def test_d2_what_the_refusal_says_helps(rt, box, work):
    os.makedirs(work + "/data")
    with open(work + "/data/f", "w", encoding="ascii") as f:
        f.write("seen\n")
    b = with_mount(box, work, work + "/data")
    note = refused(rt, b)[2].split("--annotation ")[1]
    key, _, value = note.partition("=")
    b.config["annotations"][key] = value
    b.config["process"]["args"] = ["cat", "/mnt/f"]
    b.save()
    assert rt.run(b, check=True).out == "seen\n"


@pytest.fixture
def trees(work):
    """An allowed tree with links that leave it."""
    for d in ("allowed/sub", "secret"):
        os.makedirs(f"{work}/{d}")
    with open(work + "/secret/key", "w", encoding="ascii") as f:
        f.write("planted\n")
    os.symlink(work + "/secret", work + "/allowed/absolute")
    os.symlink("../../secret", work + "/allowed/sub/relative")
    os.symlink("absolute", work + "/allowed/twice")
    os.symlink(work + "/secret/key", work + "/allowed/file")
    return work


@pytest.mark.parametrize("link", ["absolute", "sub/relative", "twice", "file", "sub/../../secret",
                                  "absolute/../secret", "absolute/key"])
def test_d2_link_out_of_the_allowed_tree(rt, box, trees, link):
    b = with_mount(box, trees, f"{trees}/allowed/{link}", mounts_allow=trees + "/allowed")
    refused(rt, b, trees + "/secret", "is outside the workspace")


def test_d2_an_allowed_link_is_what_it_leads_to(rt, box, trees):
    """mounts.allow names what is mounted, not the way there."""
    link = trees + "/allowed/absolute"
    b = with_mount(box, trees, link, mounts_allow=link)
    refused(rt, b, trees + "/secret")


@pytest.mark.parametrize("target", ["/etc", "/root", "/", "/run/docker.sock"])
def test_d2_workspace_that_leads_elsewhere(rt, box, work, engine, target):
    b = confined.confine(box(SLEEP), work)
    os.rmdir(b.workspace)
    os.symlink(target, b.workspace)
    refused(rt, b, target)


@pytest.mark.parametrize("name", [".ssh", ".aws", ".gnupg", ".kube", ".docker"])
def test_d2_credentials_are_no_workspace(rt, box, work, name):
    b = confined.confine(box(SLEEP), work)
    os.rename(b.workspace, f"{work}/{name}")
    b.config["mounts"][-1]["source"] = f"{work}/{name}"
    b.save()
    refused(rt, b, f"{work}/{name}", "is outside the workspace")


def test_d2_source_swapped_after_it_was_judged(rt, box, trees):
    """A hook runs between judging and mounting."""
    def edit(c):
        c["hooks"] = {"createRuntime": [{"path": "/bin/sh", "args": [
            "sh", "-c", "mv \"$1\" \"$1.old\" && ln -s \"$2\" \"$1\"", "sh", trees + "/allowed/sub",
            trees + "/secret"]}]}
    b = confined.confine(box(["ls", "/mnt", "/workspace"], edit), trees,
                         mounts_allow=trees + "/allowed")
    b.config["mounts"].append(confined.bind(trees + "/allowed/sub", "/mnt"))
    b.save()
    r = rt.run(b, check=False)
    assert "was replaced after the policy judged it" in r.err
    assert "key" not in r.out and os.path.islink(trees + "/allowed/sub")


def test_d2_an_image_of_the_engines_is_not_faked(rt, box, work):
    """Engine destinations are the engine's only from its own directories."""
    os.makedirs(work + "/hosts")
    with open(work + "/hosts/hosts", "w", encoding="ascii"):
        pass
    for destination in ("/etc/hosts", "/etc/resolv.conf", "/run/secrets", "/dev/shm"):
        refused(rt, with_mount(box, work, work + "/hosts", destination),
                f"mount {work}/hosts -> {destination} is outside the workspace")


@pytest.mark.parametrize("options", [("rshared",), ("shared",)])
def test_d2_no_shared_propagation(rt, box, work, options):
    b = confined.confine(box(SLEEP), work)
    b.config["mounts"][-1]["options"] += options
    b.save()
    refused(rt, b, "propagation")


def test_d2_host_binds_are_nosuid_nodev(rt, box, work):
    def edit(c):
        c["process"]["args"] = ["grep", " /workspace ", "/proc/self/mountinfo"]
    b = confined.confine(box(SLEEP, edit), work)
    b.config["mounts"][-1]["options"] += ["suid", "dev"]
    b.save()
    flags = rt.run(b, check=True).out.split()[5].split(",")
    assert {"nosuid", "nodev"} <= set(flags)


@pytest.mark.parametrize("kind", ["ext4", "overlay", "nfs", "fuse", "debugfs", "tracefs", "bpf",
                                  "securityfs", "devtmpfs", "binfmt_misc"])
def test_d2_no_other_file_systems(rt, box, work, kind):
    b = confined.confine(box(SLEEP), work)
    b.config["mounts"].append(mount("/mnt", kind))
    b.save()
    refused(rt, b, kind)


@pytest.mark.parametrize("kind, where", [("proc", "/mnt"), ("sysfs", "/mnt"), ("tmpfs", "/proc/x"),
                                         ("tmpfs", "/sys/fs"), ("devpts", "/mnt")])
def test_d2_kernel_file_systems_in_their_places_only(rt, box, work, kind, where):
    b = confined.confine(box(SLEEP), work)
    b.config["mounts"].append(mount(where, kind))
    b.save()
    refused(rt, b, kind)


def test_d2_kernel_files_are_masked_and_read_only(rt, box, work):
    """Even where the engine left the lists out, and made sysfs writable."""
    def edit(c):
        c["linux"].pop("maskedPaths")
        c["linux"].pop("readonlyPaths")
        for m in c["mounts"]:
            if m["destination"] in ("/sys", "/sys/fs/cgroup"):
                m["options"].remove("ro")
    script = shell("for f in /proc/sys/kernel/hostname /proc/sysrq-trigger "
                   "/sys/kernel/uevent_seqnum; do (echo x >$f) 2>/dev/null && echo wrote $f; done; "
                   "cat /proc/timer_list /proc/keys; ls /sys/firmware; "
                   "for d in /sys/fs/cgroup /sys/fs/cgroup/*; do mkdir $d/x 2>/dev/null && echo $d;"
                   " done; echo tried")
    assert rt.run(confined.confine(box(script, edit), work), check=True).out == "tried\n"


@pytest.mark.parametrize("kernel", ["this", "before 6.15"])
def test_d5_masked_files_are_empty(rt, box, work, kernel):
    """Older kernels copy attached mounts only: the first copy of the cover fails, as there."""
    script = "cat .env; ls keys; test -f .env && ls -d */; grep -c ' /workspace ' /proc/mounts"
    b = confined.confine(box(shell("cd /workspace; " + script)), work, workspace_mask=".env, keys")
    os.mkdir(b.workspace + "/keys")
    for name in (".env", "keys/id"):
        with open(f"{b.workspace}/{name}", "w", encoding="ascii") as f:
            f.write("secret")
    argv = rt.argv("run", "--bundle", b.path, b.id)
    if kernel != "this":
        if not shutil.which("strace"):
            pytest.skip("strace is not installed")
        argv = ["strace", "-f", "-qq", "-o", work + "/trace", "-P", "file", "-P", "directory", "-e",
                "inject=open_tree:error=EINVAL:when=1", *argv]
    r = run(argv, check=True)
    assert r.out == "keys/\n1\n"
    if kernel != "this":
        with open(work + "/trace", encoding="ascii") as f:
            assert "INJECTED" in f.read()


# ---- B8: what the host set, an agent's mounts keep ----

PROTECTED = {"nosuid", "nodev"}


def flags_seen(r, where):
    lines = [x.split() for x in r.out.splitlines() if x.split()[4] == where]
    assert lines, r.text
    return set(lines[-1][5].split(","))


def test_b8_flags_of_the_host_stay(rt, box, work):
    """The engine's options name none of them; without a policy they would be gone."""
    b = confined.confine(box(["cat", "/proc/self/mountinfo"],
                             lambda c: c["root"].update(readonly=True)), work)
    b.config["mounts"][-1]["options"] = ["rbind", "rprivate", "noatime"]
    b.save()
    for d in (b.workspace, b.rootfs):
        subprocess.run(["mount", "--bind", d, d], check=True, timeout=5)
        subprocess.run(["mount", "-o", "remount,bind,nosuid,nodev", d], check=True, timeout=5)
    try:
        r = rt.run(b, check=True)
    finally:
        for d in (b.workspace, b.rootfs):
            subprocess.run(["umount", d], check=True, timeout=5)
    assert PROTECTED | {"ro"} <= flags_seen(r, "/")
    assert PROTECTED | {"noatime"} <= flags_seen(r, "/workspace")


def test_b8_no_cgroup_but_its_own(rt, box, work):
    """Nothing of the host's groups, and nothing to be written, at /sys/fs/cgroup."""
    b = confined.confine(box(["sh", "-c", "cat /proc/self/mountinfo; ls /sys/fs/cgroup"]), work)
    os.makedirs(b.rootfs + "/sys", exist_ok=True)
    r = rt.run(b)
    lines = [x.split() for x in r.out.splitlines() if " - " in x]
    places = [x for x in lines if x[4].startswith("/sys/fs/cgroup")]
    assert places, r.text
    for x in places:
        assert "ro" in x[5].split(","), x
        assert x[x.index("-") + 1] == "tmpfs" or x[3].endswith(b.id), x
