# SPDX-License-Identifier: Apache-2.0
"""Mounts, devices, masked and read-only paths, and the root itself."""
import os
import stat
import subprocess

import leaks
import pytest
from bundle import mount, shell


def add(*mounts):
    return lambda c: c["mounts"].extend(mounts)


def options_of(out, where):
    """The options of the last mount at a place, from /proc/self/mountinfo."""
    found = None
    for line in out.splitlines():
        f = line.split()
        if f[4] == where:
            found = set(f[5].split(",")), f[f.index("-") + 1], set(f[-1].split(",")), f
    assert found, f"{where} is not mounted:\n{out}"
    return found


def mountinfo(rt, box, edit):
    return rt.run(box(["cat", "/proc/self/mountinfo"], edit), check=True).out


@pytest.fixture
def source(work):
    os.makedirs(work + "/src/sub")
    with open(work + "/src/file", "w", encoding="ascii") as f:
        f.write("content\n")
    return work + "/src"


def test_default_mounts(rt, box):
    out = mountinfo(rt, box, None)
    for where, fs in (("/proc", "proc"), ("/dev", "tmpfs"), ("/dev/pts", "devpts"),
                      ("/sys", "sysfs"), ("/dev/shm", "tmpfs"), ("/dev/mqueue", "mqueue")):
        assert options_of(out, where)[1] == fs
    assert {"nosuid", "nodev", "noexec"} <= options_of(out, "/proc")[0]
    assert "ro" in options_of(out, "/sys")[0]


def test_nothing_of_the_host_is_mounted(rt, box):
    out = mountinfo(rt, box, None)
    places = {line.split()[4] for line in out.splitlines()}
    assert all(p == "/" or p.split("/")[1] in ("proc", "dev", "sys") for p in places), places


@pytest.mark.parametrize("options, flags", [
    (["bind"], {"rw"}), (["bind", "ro"], {"ro"}), (["rbind", "ro", "nosuid"], {"ro", "nosuid"}),
    (["bind", "noexec", "nodev"], {"noexec", "nodev", "rw"}), (["bind", "noatime"], {"noatime"}),
    (["rbind", "rprivate"], {"rw"}), (["bind", "rw", "ro"], {"ro"}),
])
def test_bind(rt, box, source, options, flags):
    b = box(shell("cat /mnt/d/file >&2; cat /proc/self/mountinfo"),
            add(mount("/mnt/d", "bind", source, *options)))
    r = rt.run(b, check=True)
    assert r.err == "content\n"
    assert flags <= options_of(r.out, "/mnt/d")[0]


def test_bind_without_type(rt, box, source):
    b = box(["cat", "/d/file"], add({"destination": "/d", "source": source, "options": ["rbind"]}))
    assert rt.run(b, check=True).out == "content\n"


def test_bind_of_a_file(rt, box, source):
    b = box(["cat", "/etc/new/name"],
            add(mount("/etc/new/name", "bind", source + "/file", "bind", "ro")))
    assert rt.run(b, check=True).out == "content\n"


def test_read_only_bind_refuses_writes(rt, box, source):
    b = box(shell("echo x >/d/file"), add(mount("/d", "bind", source, "bind", "ro")))
    r = rt.run(b, check=False)
    assert "Read-only" in r.err


def test_writes_reach_the_source(rt, box, source):
    b = box(shell("echo new >/d/sub/f"), add(mount("/d", "bind", source, "bind")))
    rt.run(b, check=True)
    with open(source + "/sub/f", encoding="ascii") as f:
        assert f.read() == "new\n"


def test_missing_source_is_an_error(rt, box, work):
    r = rt.create(box(["true"], add(mount("/d", "bind", work + "/none", "bind"))), check=False)
    assert work + "/none" in r.err and "no such file or directory" in r.err.lower()
    assert rt.ids() == []


def test_relative_source_is_below_the_bundle(rt, box):
    b = box(["cat", "/d/f"])
    os.mkdir(b.path + "/data")
    with open(b.path + "/data/f", "w", encoding="ascii") as f:
        f.write("here\n")
    b.config["mounts"].append(mount("/d", "bind", "data", "bind"))
    b.save()
    assert rt.run(b, check=True).out == "here\n"


def test_tmpfs_options(rt, box):
    out = mountinfo(rt, box, add(mount("/t", "tmpfs", "tmpfs", "size=1m", "mode=700", "nosuid",
                                       "uid=7")))
    flags, fs, own, _ = options_of(out, "/t")
    assert fs == "tmpfs" and "nosuid" in flags
    assert {"size=1024k", "mode=700", "uid=7"} <= own


def test_tmpcopyup(rt, box):
    b = box(["cat", "/etc/passwd"], add(mount("/etc", "tmpfs", "tmpfs", "tmpcopyup")))
    assert "agent" in rt.run(b, check=True).out


def test_mounts_are_made_in_order(rt, box, source):
    b = box(shell("ls /a/b; ls /a"), add(mount("/a", "tmpfs", "tmpfs"),
                                         mount("/a/b", "bind", source, "bind")))
    assert rt.run(b, check=True).out.split() == ["file", "sub", "b"]


def test_var_run_link_is_followed_within_the_root(rt, box, source):
    """The image's /var/run -> ../run, A4's lawful use."""
    b = box(["ls", "/run/d"], add(mount("/var/run/d", "bind", source, "bind")))
    assert rt.run(b, check=True).out.split() == ["file", "sub"]


def test_absolute_link_is_followed_within_the_root(rt, box, source, work):
    b = box(["ls", "/target/d"])
    os.mkdir(b.rootfs + "/target")
    os.symlink("/target", b.rootfs + "/link")
    b.config["mounts"].append(mount("/link/d", "bind", source, "bind"))
    b.save()
    assert rt.run(b, check=True).out.split() == ["file", "sub"]
    assert not os.path.exists("/target")


@pytest.mark.parametrize("option, want", [
    ("rprivate", None), ("rslave", "master"), ("rshared", "shared"), ("rbind", None),
])
def test_propagation(rt, box, source, option, want):
    def edit(c):
        add(mount("/d", "bind", source, "rbind", option))(c)
        if want:
            c["linux"]["rootfsPropagation"] = option
    subprocess.run(["mount", "--bind", source, source], check=True, timeout=5)
    subprocess.run(["mount", "--make-shared", source], check=True, timeout=5)
    try:
        out = mountinfo(rt, box, edit)
    finally:
        subprocess.run(["umount", source], check=True, timeout=5)
    tags = " ".join(options_of(out, "/d")[3][6:])
    tags = tags[:tags.index(" - ")] if " - " in tags else tags
    if want:
        assert want in tags
    else:
        assert "shared" not in tags and "master" not in tags


def test_a_container_mount_does_not_reach_the_host(rt, box):
    before = leaks.mounts()
    b = rt.up(box(["sleep", "100"]))
    assert leaks.mounts() == before
    rt.kill(b, "KILL")


@pytest.mark.parametrize("node, major, minor", [
    ("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9),
    ("tty", 5, 0),
])
def test_default_devices(rt, box, node, major, minor):
    out = rt.run(box(["stat", "-c", "%t:%T %a %F", f"/dev/{node}"]), check=True).out
    assert out.split()[0] == f"{major:x}:{minor:x}" and "666" in out and "character" in out


@pytest.mark.parametrize("link, target", [
    ("fd", "/proc/self/fd"), ("stdin", "/proc/self/fd/0"), ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"), ("ptmx", "pts/ptmx"),
])
def test_default_links(rt, box, link, target):
    out = rt.run(box(["readlink", f"/dev/{link}"]), check=True).out.strip()
    assert out in (target, "/dev/" + target)


@pytest.mark.parametrize("path", ["/dev/sub/x", "/dev//sub/x/"])
@pytest.mark.differs("crun", "Debian's takes no slash at the end")
def test_configured_device(rt, box, path):
    def edit(c):
        c["linux"]["devices"] = [{"path": path, "type": "c", "major": 1, "minor": 3,
                                  "fileMode": 0o640, "uid": 7, "gid": 8}]
    out = rt.run(box(["stat", "-c", "%t:%T %a %u %g", "/dev/sub/x"], edit), check=True).out
    assert out == "1:3 640 7 8\n"


def test_device_access_is_limited(rt, box):
    """mknod is allowed to Docker's containers; opening an unlisted device is not."""
    def edit(c):
        c["linux"]["resources"]["devices"] += [
            {"allow": True, "type": "c", "access": "m"}, {"allow": True, "type": "b", "access": "m"}]
        c["process"]["capabilities"]["bounding"].append("CAP_SYS_ADMIN")
    b = box(shell("mknod /dev/m c 1 11 && ! cat /dev/m 2>/tmp/e && cat /tmp/e; "
                  "echo x >/dev/null; head -c1 /dev/zero | wc -c"), edit)
    out = rt.run(b, check=True).out
    assert "not permitted" in out and out.endswith("1\n")


def test_masked_paths(rt, box):
    def edit(c):
        c["linux"]["maskedPaths"] += ["/secret", "/secret.d", "/no/such"]
    b = box(shell("cat /secret; ls -A /secret.d; ls -A /sys/firmware; "
                  "! echo x >/secret.d/f"), edit)
    b.file("/secret", "hidden")
    b.file("/secret.d/f", "hidden")
    r = rt.run(b, check=True)
    assert r.out == ""


def test_readonly_paths(rt, box):
    def edit(c):
        c["linux"]["readonlyPaths"] += ["/ro", "/no/such"]
    b = box(shell("for f in /ro/f /proc/sys/kernel/hostname /proc/sysrq-trigger; do "
                  "if (echo x >$f) 2>/dev/null; then echo wrote $f; fi; done; cat /ro/f"), edit)
    b.file("/ro/f", "still")
    assert rt.run(b, check=True).out == "still"


def test_the_root_as_a_readonly_path(rt, box):
    b = box(shell("! echo >/etc/x && ! mkdir /tmp/x && echo >/dev/shm/x && echo so"),
            lambda c: c["linux"].update(readonlyPaths=["/", "/proc/sys"]))
    r = rt.run(b, check=True)
    assert r.out == "so\n" and r.err.count("Read-only file system") == 2


def test_what_a_read_only_tmpfs_holds(rt, box, source):
    """Mount points and devices come before the flag; of a mount that is hidden nothing is seen."""
    def edit(c):
        c["mounts"] += [mount("/t", "tmpfs", None, "ro"), mount("/t/a/b", "tmpfs"),
                        mount("/t/dir", "bind", source, "rbind"),
                        mount("/u", "tmpfs", None, "ro"), mount("/u", "tmpfs")]
        c["linux"]["devices"] = [{"path": "/t/null", "type": "c", "major": 1, "minor": 3}]
    b = box(shell("echo >/t/null; echo >/t/a/b/x; echo >/u/x; ls /t; ! echo >/t/x"), edit)
    r = rt.run(b, check=True)
    assert r.out.split() == ["a", "dir", "null"] and "/t/x: Read-only file system" in r.err


@pytest.mark.skipif(not os.path.exists("/sys/fs/cgroup/cgroup.controllers"),
                    reason="version 1 takes no notice of any")
@pytest.mark.parametrize("own", [False, True])
def test_unknown_option_of_cgroups(rt, box, own):
    def edit(c):
        next(m for m in c["mounts"] if m["type"] == "cgroup")["options"].append("no_such=1")
        if own:
            c["linux"]["namespaces"].append({"type": "cgroup"})
    rt.run(box(["true"], edit), check='mounts[4]: option "no_such=1": ')


def test_rootfs_is_not_the_hosts(rt, box):
    """No way up and no trace of the old root."""
    out = rt.run(box(shell("ls -A /; ls -d /../../etc/passwd; grep -c . /proc/self/mountinfo")),
                 check=True).out.split()
    assert "passwd" not in out[:-2]
    assert set(out[:-2]) <= {"bin", "dev", "etc", "home", "proc", "root", "run", "sys", "tmp",
                             "usr", "var"}


def test_no_leftovers_in_the_rootfs(rt, box):
    b = box(["true"])
    rt.run(b, check=True)
    assert set(os.listdir(b.rootfs)) == {"bin", "dev", "etc", "home", "proc", "root", "run",
                                         "sys", "tmp", "usr", "var"}


def test_root_mode_and_owner_stay(rt, box):
    b = box(["true"])
    os.chmod(b.rootfs, 0o751)
    rt.run(b, check=True)
    assert stat.S_IMODE(os.stat(b.rootfs).st_mode) == 0o751


def test_cgroup_is_shown_read_only(rt, box):
    out = mountinfo(rt, box, None)
    places = [line.split() for line in out.splitlines() if " - cgroup" in line]
    assert places
    for f in places:
        assert "ro" in f[5].split(","), f


def test_root_on_a_shared_mount(rt, box):
    """pivot_root needs a private parent; the host's propagation stays as it is."""
    b = box(["echo", "ok"])
    subprocess.run(["mount", "--bind", b.path, b.path], check=True, timeout=5)
    subprocess.run(["mount", "--make-shared", b.path], check=True, timeout=5)
    try:
        assert rt.run(b, check=True).out == "ok\n"
    finally:
        subprocess.run(["umount", b.path], check=True, timeout=5)


@pytest.fixture
def locked(work):
    """A directory whose mount has every flag that protects."""
    path = work + "/locked"
    os.mkdir(path)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "nosuid,nodev,noexec", "tmpfs", path],
                   check=True, timeout=5)
    yield path
    subprocess.run(["umount", path], check=True, timeout=5)


LOCKED = {"nosuid", "nodev", "noexec"}


@pytest.mark.parametrize("options, kept", [
    (["bind"], LOCKED), (["rbind", "rprivate"], LOCKED), (["bind", "ro"], set()),
    (["bind", "suid"], set()), (["bind", "noexec", "noatime"], {"noexec"}),
    (["rbind", "rro"], LOCKED),
])
def test_bind_with_flags_has_those_alone(rt, box, locked, options, kept):
    out = mountinfo(rt, box, add(mount("/mnt/d", "none", locked, *options)))
    assert options_of(out, "/mnt/d")[0] & LOCKED == kept


def test_bind_keeps_what_a_user_namespace_can_not_take(rt, box, locked):
    def edit(c):
        add(mount("/mnt/d", "none", locked, "bind", "ro"))(c)
        c["linux"]["namespaces"].append({"type": "user"})
        for kind in ("uidMappings", "gidMappings"):
            c["linux"][kind] = [{"containerID": 0, "hostID": 0, "size": 65536}]
    assert LOCKED < options_of(mountinfo(rt, box, edit), "/mnt/d")[0]


def test_bind_passes_over_options_of_a_file_system(rt, box, source):
    out = mountinfo(rt, box, add(mount("/mnt/d", "none", source, "bind", "size=1k", "mode=700")))
    assert "size=1k" not in options_of(out, "/mnt/d")[2]


@pytest.mark.parametrize("readonly, kept", [(False, {"nosuid", "nodev"}), (True, set())])
def test_read_only_root_has_that_flag_alone(rt, box, readonly, kept):
    b = box(["cat", "/proc/self/mountinfo"], lambda c: c["root"].update(readonly=readonly))
    subprocess.run(["mount", "--bind", b.rootfs, b.rootfs], check=True, timeout=5)
    subprocess.run(["mount", "-o", "remount,bind,nosuid,nodev", b.rootfs], check=True, timeout=5)
    try:
        assert options_of(rt.run(b, check=True).out, "/")[0] & LOCKED == kept
    finally:
        subprocess.run(["umount", b.rootfs], check=True, timeout=5)


@pytest.mark.differs("crun", "of late 555")
def test_masked_directory_has_the_mode_of_a_tmpfs(rt, box):
    b = box(["stat", "-c", "%a", "/var/hidden"],
            lambda c: c["linux"]["maskedPaths"].append("/var/hidden"))
    os.mkdir(b.rootfs + "/var/hidden", 0o700)
    assert rt.run(b, check=True).out == "1777\n"


def test_cgroups_are_found_by_their_names(rt, box):
    """Without a cgroup namespace: where /proc/self/cgroup says, below what is mounted."""
    b = box(shell("""
        while IFS=: read -r _ name path; do
            dir=/sys/fs/cgroup/${name#name=}
            [ -n "$name" ] && path=
            case $name in
            "") [ -e /sys/fs/cgroup/cgroup.procs ] ;;
            *) [ ! -e /sys/fs/cgroup/cgroup.procs ] ;;
            esac || continue
            [ -e "$dir$path/cgroup.procs" ] || [ -e "$dir/tasks" ] || echo "none: $dir$path"
        done </proc/self/cgroup; ls -d /sys/fs/cgroup/unified || true"""))
    assert rt.run(b, check=True).out == ""


@pytest.mark.parametrize("bad, why", [
    (mount("/x", "bind", "/etc/passwd"), "type bind needs the option bind or rbind"),
    (mount("/x", "tmpfs", "tmpfs", "size=x"), "option \"size=x\": tmpfs: Bad value for 'size'"),
])
@pytest.mark.differs("runc crun", "some are accepted")
def test_bad_mounts(rt, box, bad, why):
    rt.create(box(["true"], add(bad)), check="config.json: mounts[7]: " + why)
    assert rt.ids() == []
