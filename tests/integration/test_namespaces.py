# SPDX-License-Identifier: Apache-2.0
"""Namespaces: new, shared with the caller, joined by path; user namespaces with id maps."""
import fcntl
import os
import subprocess

import pytest
from bundle import drop_namespace, namespace, shell
from runtime import run, until

NS_GET_USERNS = 0xb701
FILES = {"pid": "pid", "network": "net", "ipc": "ipc", "uts": "uts", "mount": "mnt",
         "cgroup": "cgroup", "user": "user"}


def ns_of(rt, b, type_):
    return os.readlink(f"/proc/{rt.state(b)['pid']}/ns/{FILES[type_]}")


def own(type_):
    return os.readlink(f"/proc/self/ns/{FILES[type_]}")


def with_user_namespace(c):
    namespace(c, "user")
    for k in ("uidMappings", "gidMappings"):
        c["linux"][k] = [{"containerID": 0, "hostID": 100000, "size": 1000},
                         {"containerID": 1000, "hostID": 200000, "size": 1}]
    c["linux"].pop("resources")
    c["mounts"] = [m for m in c["mounts"] if m["type"] != "cgroup"]


def mapped(b):
    """The root's owner becomes the container's root."""
    for d, dirs, files in os.walk(b.rootfs):
        for n in dirs + files:
            os.lchown(os.path.join(d, n), 100000, 100000)
    os.chown(b.rootfs, 100000, 100000)
    return b


@pytest.mark.parametrize("type_", ["pid", "network", "ipc", "uts", "mount"])
def test_new(rt, box, type_):
    b = rt.up(box(["sleep", "100"]))
    assert ns_of(rt, b, type_) != own(type_)


def test_new_cgroup_namespace(rt, box):
    b = rt.up(box(["sleep", "100"], lambda c: namespace(c, "cgroup")))
    assert ns_of(rt, b, "cgroup") != own("cgroup")
    out = rt.exec(b, "--", "cat", "/proc/self/cgroup", check=True).out
    assert all(line.endswith(":/") for line in out.split())


@pytest.mark.parametrize("type_", ["pid", "network", "ipc", "uts"])
def test_shared_with_the_caller(rt, box, type_):
    def edit(c):
        drop_namespace(c, type_)
        if type_ == "uts":
            c.pop("hostname")
    b = rt.up(box(["sleep", "100"], edit))
    assert ns_of(rt, b, type_) == own(type_)


@pytest.mark.parametrize("type_", ["network", "ipc", "uts", "pid"])
def test_joined_by_path(rt, box, type_):
    a = rt.up(box(["sleep", "100"]))
    path = f"/proc/{rt.state(a)['pid']}/ns/{FILES[type_]}"

    def edit(c):
        namespace(c, type_, path)
    b = rt.up(box(["sleep", "100"], edit))
    assert ns_of(rt, b, type_) == ns_of(rt, a, type_)
    assert ns_of(rt, b, "mount") != ns_of(rt, a, "mount")


def test_pid_namespace_joined_again_and_again(rt, box):
    """Joining takes a second clone: whichever of the two is faster must not matter."""
    a = rt.up(box(["sleep", "100"]))
    b = box(["true"], lambda c: namespace(c, "pid", f"/proc/{rt.state(a)['pid']}/ns/pid"))
    for _ in range(40):
        rt.run(b, check=True)


@pytest.mark.parametrize("path, why", [
    ("/no/such", "open /no/such: No such file or directory"),
    ("/etc/passwd", "/etc/passwd is not a network namespace"),
    ("/proc/self/ns/uts", "/proc/self/ns/uts is not a network namespace")])
def test_bad_path(rt, box, path, why):
    r = rt.create(box(["true"], lambda c: namespace(c, "network", path)),
                  check="linux.namespaces[4].path: " + why)
    assert path in r.err or rt.flavour == "runc"
    assert rt.ids() == []


def test_network_namespace_has_only_loopback(rt, box):
    """And what the kernel puts into every new one."""
    devices = rt.run(box(["cat", "/proc/net/dev"]), check=True).out
    assert "lo:" in devices
    assert devices == run(["unshare", "--net", "cat", "/proc/net/dev"], check=True).out


def test_loopback_is_up(rt, box):
    out = rt.run(box(["ip", "addr", "show", "lo"]), check=True).out
    assert "UP" in out


def test_user_namespace(rt, box):
    b = mapped(box(shell("id -u; id -g; cat /proc/self/uid_map; touch /made; "
                         "sleep 100"), with_user_namespace))
    rt.up(b)
    until(lambda: os.path.exists(b.rootfs + "/made"))
    assert os.stat(b.rootfs + "/made").st_uid == 100000
    pid = rt.state(b)["pid"]
    with open(f"/proc/{pid}/uid_map", encoding="ascii") as f:
        assert [line.split() for line in f] == [["0", "100000", "1000"], ["1000", "200000", "1"]]
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        assert "Uid:\t100000\t100000" in f.read()


@pytest.mark.differs("runc crun", "Debian 12's know no time namespace")
def test_time_namespace_below_the_user_namespace(rt, box):
    """So it needs no right on the host."""
    def edit(c):
        with_user_namespace(c)
        namespace(c, "time")
        c["linux"]["timeOffsets"] = {"monotonic": {"secs": 7}}
    proc = f"/proc/{rt.state(rt.up(mapped(box(['sleep', '100'], edit))))['pid']}"
    with open(proc + "/timens_offsets", encoding="ascii") as f:
        assert f.readline().split() == ["monotonic", "7", "0"]
    with open(proc + "/ns/time", "rb") as f:
        owner = fcntl.ioctl(f, NS_GET_USERNS)
    assert os.fstat(owner).st_ino == os.stat(proc + "/ns/user").st_ino
    os.close(owner)


def test_user_namespace_with_another_user(rt, box):
    b = mapped(box(shell("id -u; touch /tmp/mine"), with_user_namespace))
    b.config["process"]["user"] = {"uid": 1000, "gid": 1000}
    b.save()
    assert rt.run(b, check=True).out == "1000\n"
    assert os.stat(b.rootfs + "/tmp/mine").st_uid == 200000


IDS = [{"containerID": 0, "hostID": 100000, "size": 1000}]


@pytest.mark.parametrize("mount, owner", [
    ({"type": "bind"}, 100007),
    ({}, 100007),
    pytest.param({"type": "bind", "uidMappings": IDS, "gidMappings": IDS}, 7,
                 marks=pytest.mark.differs("runc", "Debian's does not know them")),
])
@pytest.mark.differs("crun", "Debian's gives the /dev/null of the machine to the container's root")
def test_pod_with_a_user_namespace(rt, box, work, mount, owner):
    """Its root is nobody to the volumes of the host, and cannot map the ids of any."""
    pod = rt.up(mapped(box(["sleep", "100"], with_user_namespace)))
    os.makedirs(work + "/private/volume")
    os.chmod(work + "/private", 0o700)
    os.chown(work + "/private/volume", owner, owner)

    def edit(c):
        with_user_namespace(c)
        for n in ("user", "ipc", "network", "uts"):
            namespace(c, n, f"/proc/{rt.state(pod)['pid']}/ns/{FILES[n]}")
        c.pop("hostname")
        c["mounts"].append({"destination": "/v", "source": work + "/private/volume",
                            "options": ["rbind"], **mount})
    b = mapped(box(["stat", "-c", "%u %g", "/v"], edit))
    # relative: the runtime may have to run anew from a copy of itself
    r = rt("run", "--bundle", os.path.relpath(b.path, work), b.id, cwd=work, check=True)
    assert r.out == "7 7\n"


@pytest.mark.differs("runc crun", "Debian's bind the host's node of that path, or leave the mode out")
def test_devices_in_a_user_namespace(rt, box):
    """Neither path is the host's device of these numbers; one owner is mapped, one is nobody's."""
    def edit(c):
        with_user_namespace(c)
        c["linux"]["devices"] = [
            {"path": path, "type": "c", "major": 1, "minor": 5, "fileMode": 0o646, "uid": owner,
             "gid": 8} for path, owner in (("/dev/full", 7), ("/opt/zero", 70000))]
    b = mapped(box(shell("""for d in /dev/full /opt/zero; do
            stat -c '%t:%T %a %u %g' $d
            head -c 7 $d | wc -c
        done
        awk '$5 == "/"' /proc/self/mountinfo | wc -l"""), edit))
    assert rt.run(b, check=True).out.splitlines() == [
        "1:5 646 7 8", "7", "1:5 646 65534 8", "7", "1"]


def test_user_outside_the_map_is_refused(rt, box):
    b = mapped(box(["true"], with_user_namespace))
    b.config["process"]["user"] = {"uid": 5000, "gid": 0}
    b.save()
    rt.run(b, check="process.user.uid: setresuid 5000: Invalid argument")
    assert rt.ids() == []


def test_user_namespace_without_maps_is_refused(rt, box):
    b = box(["true"], lambda c: namespace(c, "user"))
    rt.create(b, check="linux.uidMappings: required for a new user namespace")
    assert rt.ids() == []


@pytest.mark.differs("runc crun", "left to the kernel, with a bare EINVAL or EPERM")
@pytest.mark.parametrize("maps, why", [
    ([{"containerID": 0, "hostID": 0, "size": 0}], "[0].size: 0 is out of range"),
    ([{"containerID": 0, "hostID": 100000, "size": 10},
      {"containerID": 5, "hostID": 200000, "size": 10}], "[1]: overlaps with the range [0]"),
    ([{"containerID": 0, "hostID": 4294967290, "size": 100}],
     "[0]: the range goes beyond the last id"),
    ([{"containerID": -1, "hostID": 0, "size": 1}], "[0].containerID: -1 is out of range"),
])
def test_bad_maps(rt, box, maps, why):
    def edit(c):
        with_user_namespace(c)
        c["linux"]["uidMappings"] = maps
    rt.create(box(["true"], edit), check="linux.uidMappings" + why)
    assert rt.ids() == []


def test_pinned_network_namespace_survives(rt, box, work):
    """What an engine with a namespace of its own making expects (Podman, CRI)."""
    path = work + "/netns"
    with open(path, "w", encoding="ascii"):
        pass
    subprocess.run(["unshare", f"--net={path}", "ip", "link", "add", "d0", "type", "bridge"],
                   check=True, timeout=10)
    try:
        b = box(["ls", "/sys/class/net"], lambda c: namespace(c, "network", path))
        for _ in range(2):
            assert "d0" in rt.run(b, check=True).out
    finally:
        subprocess.run(["umount", path], check=True, timeout=10)


def test_duplicate_namespace_is_refused(rt, box):
    def edit(c):
        c["linux"]["namespaces"].append({"type": "pid"})
    rt.create(box(["true"], edit), check="linux.namespaces[5]: the type pid stands twice")


@pytest.mark.differs("crun", "it makes one with maps of its own")
def test_without_root_a_user_namespace_is_needed(rt, box):
    def edit(c):
        del c["linux"]["cgroupsPath"], c["linux"]["resources"]
    b = box(["true"], edit)
    os.chown(rt.root, 1000, 1000)
    rt.create(b, user=1000, group=1000,
              check="linux.namespaces: without root a container needs one of type user")
