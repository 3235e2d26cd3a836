# SPDX-License-Identifier: Apache-2.0
"""Control groups: where, with which limits, changed by update, gone after delete."""
import json
import os

import pytest
from bundle import drop_namespace, namespace, shell
from runtime import until

V2 = os.path.exists("/sys/fs/cgroup/cgroup.controllers")
CONTROLLERS = open("/sys/fs/cgroup/cgroup.controllers", encoding="ascii").read().split() \
    if V2 else os.listdir("/sys/fs/cgroup")
SLEEP = ["sleep", "100"]
MiB = 1 << 20


def cgroup_dir(pid, controller):
    with open(f"/proc/{pid}/cgroup", encoding="ascii") as f:
        for line in f:
            _, names, path = line.strip().split(":", 2)
            if V2 and not names:
                return "/sys/fs/cgroup" + path
            if not V2 and controller in names.split(","):
                return f"/sys/fs/cgroup/{controller}" + path
    raise AssertionError(f"no cgroup for {controller}")


def value(rt, b, controller, v1, v2):
    path = os.path.join(cgroup_dir(rt.state(b)["pid"], controller), v2 if V2 else v1)
    with open(path, encoding="ascii") as f:
        return f.read().strip()


LIMITS = [
    ({"pids": {"limit": 77}}, "pids", "pids.max", "pids.max", "77", "77"),
    ({"pids": {"limit": -1}}, "pids", "pids.max", "pids.max", "max", "max"),
    ({"pids": {"limit": -7}}, "pids", "pids.max", "pids.max", "max", "max"),
    ({"memory": {"limit": 64 * MiB}}, "memory", "memory.limit_in_bytes", "memory.max",
     str(64 * MiB), str(64 * MiB)),
    ({"memory": {"limit": 64 * MiB, "reservation": 32 * MiB}}, "memory",
     "memory.soft_limit_in_bytes", "memory.low", str(32 * MiB), str(32 * MiB)),
    ({"memory": {"limit": -1}}, "memory", "memory.limit_in_bytes", "memory.max",
     "9223372036854771712", "max"),
    ({"cpu": {"shares": 512}}, "cpu", "cpu.shares", "cpu.weight", "512", "59"),
    ({"cpu": {"idle": 1, "shares": 512}}, "cpu", "cpu.idle", "cpu.idle", "1", "1"),
    ({"cpu": {"quota": 20000, "period": 50000}}, "cpu", "cpu.cfs_quota_us", "cpu.max",
     "20000", "20000 50000"),
    ({"cpu": {"quota": -7}}, "cpu", "cpu.cfs_quota_us", "cpu.max", "-1", "max 100000"),
    ({"cpu": {"cpus": "0"}}, "cpuset", "cpuset.cpus", "cpuset.cpus", "0", "0"),
]


def needs(*controllers):
    missing = set(controllers) - set(CONTROLLERS)
    return pytest.mark.skipif(bool(missing), reason=f"no controller {missing} here")


def limited(resources):
    return lambda c: c["linux"]["resources"].update(resources)


@pytest.mark.parametrize("resources, controller, v1, v2, want1, want2", LIMITS)
def test_limit(rt, box, resources, controller, v1, v2, want1, want2):
    if controller not in CONTROLLERS:
        pytest.skip(f"no controller {controller} here")
    b = rt.up(box(SLEEP, limited(resources)))
    assert value(rt, b, controller, v1, v2) == (want2 if V2 else want1)


def test_cgroups_path(rt, box):
    b = rt.up(box(SLEEP))
    assert cgroup_dir(rt.state(b)["pid"], "pids").endswith(f"/box/{b.id}")


def test_default_path_without_cgroups_path(rt, box):
    b = rt.up(box(SLEEP, lambda c: c["linux"].pop("cgroupsPath")))
    assert b.id in cgroup_dir(rt.state(b)["pid"], "pids")


@pytest.mark.parametrize("path, below", [("/box/../../x", "/x"), ("/box/a/../../../../y", "/y")])
@pytest.mark.differs("crun", "it fails over what is not there")
def test_path_cannot_leave_the_top(rt, box, path, below):
    """It is resolved within the hierarchy."""
    b = box(SLEEP, lambda c: c["linux"].update(cgroupsPath=path))
    rt.create(b)
    assert cgroup_dir(rt.state(b)["pid"], "pids") == (
        "/sys/fs/cgroup" if V2 else "/sys/fs/cgroup/pids") + below


def test_every_process_is_in_it(rt, box):
    b = rt.up(box(shell("sleep 100 & sleep 100")))
    with open(cgroup_dir(rt.state(b)["pid"], "pids") + "/cgroup.procs", encoding="ascii") as f:
        until(lambda: f.seek(0) or len(f.read().split()) >= 2)


@needs("memory")
def test_out_of_memory_kills_the_container_only(rt, box):
    b = box(["tail", "/dev/zero"], limited({"memory": {"limit": 16 * MiB, "swap": 16 * MiB}}))
    assert rt.run(b, timeout=60).code == 137


@needs("pids")
def test_pids_limit_holds(rt, box):
    b = box(shell("for i in 1 2 3 4 5 6 7 8 9 10; do sleep 1 & done; wait"),
            limited({"pids": {"limit": 5}}))
    r = rt.run(b)
    assert "can't fork" in r.err


@needs("freezer") if not V2 else (lambda test: test)
@pytest.mark.differs("crun", "it waits for ever")
def test_a_frozen_cgroup_is_refused(rt, box):
    first = rt.up(box(SLEEP))
    d = cgroup_dir(rt.state(first)["pid"], "freezer") + "-cold"
    b = box(SLEEP)
    b.config["linux"]["cgroupsPath"] += f"/../{os.path.basename(d)}"
    b.save()
    os.mkdir(d)
    file, frozen, thawed = ("cgroup.freeze", "1", "0") if V2 else ("freezer.state", "FROZEN", "THAWED")
    with open(f"{d}/{file}", "w", encoding="ascii") as f:
        f.write(frozen)
    rt.run(b, check="container's cgroup unexpectedly frozen: ", timeout=5)
    with open(f"{d}/{file}", "w", encoding="ascii") as f:
        f.write(thawed)
    rt.run(box(["true"], lambda c: c["linux"].update(b.config["linux"])), check=True)


@pytest.mark.skipif(not V2, reason="for version 2 of cgroups")
@pytest.mark.parametrize("options, own_namespace, uid, owner", [
    (["rw"], True, 0, 100000), (["rw"], True, 5, 100005), (["ro"], True, 0, 0),
    (["rw"], False, 0, 0),
])
def test_a_writable_cgroup_is_its_users(rt, box, options, own_namespace, uid, owner):
    def edit(c):
        ids = [{"containerID": 0, "hostID": 100000, "size": 65536}]
        c["linux"].update(uidMappings=ids, gidMappings=ids)
        c["linux"]["namespaces"] += [{"type": t} for t in ("user", "cgroup")]
        if not own_namespace:
            drop_namespace(c, "cgroup")
        c["process"]["user"] = {"uid": uid, "gid": 0}
        c["mounts"] = [m for m in c["mounts"] if m["destination"] != "/sys/fs/cgroup"] + [
            {"type": "cgroup", "source": "cgroup", "destination": "/sys/fs/cgroup",
             "options": options}]
    b = rt.up(box(SLEEP, edit))
    d = cgroup_dir(rt.state(b)["pid"], "")
    with open("/sys/kernel/cgroup/delegate", encoding="ascii") as f:
        files = [d, *(f"{d}/{name}" for name in f.read().split())]
    assert {os.stat(f).st_uid for f in files if os.path.exists(f)} == {owner}
    assert os.stat(f"{d}/cgroup.events").st_uid == 0


def update(rt, b, resources, *flags, **kw):
    return rt("update", "--resources", "-", *flags, b.id, stdin=json.dumps(resources), **kw)


@needs("pids")
@pytest.mark.parametrize("form", ["--resources -", "--resources=-", "-r -", "file"])
def test_update_forms(rt, box, work, form):
    """All forms that containerd and Podman use."""
    b = rt.up(box(SLEEP, limited({"pids": {"limit": 50}})))
    text = json.dumps({"pids": {"limit": 60}})
    if form == "file":
        with open(work + "/r", "w", encoding="ascii") as f:
            f.write(text)
        rt("update", f"--resources={work}/r", b.id, check=True)
    else:
        rt("update", *form.split(), b.id, stdin=text, check=True)
    assert value(rt, b, "pids", "pids.max", "pids.max") == "60"


@needs("pids", "memory")
def test_update_changes_only_what_is_given(rt, box):
    b = rt.up(box(SLEEP, limited({"pids": {"limit": 50}, "memory": {"limit": 64 * MiB}})))
    update(rt, b, {"memory": {"limit": 128 * MiB}}, check=True)
    assert value(rt, b, "memory", "memory.limit_in_bytes", "memory.max") == str(128 * MiB)
    assert value(rt, b, "pids", "pids.max", "pids.max") == "50"


@needs("pids", "memory")
def test_update_takes_zero_for_unset(rt, box):
    """Docker 20.10 sends every field, those not asked for as 0."""
    b = rt.up(box(SLEEP, limited({"memory": {"limit": 64 * MiB}})))
    update(rt, b, {"memory": {"limit": 0, "reservation": 0, "swap": 0}, "pids": {"limit": 33},
                   "cpu": {"shares": 0, "quota": 0, "period": 0, "cpus": "", "mems": ""}},
           check=True)
    assert value(rt, b, "memory", "memory.limit_in_bytes", "memory.max") == str(64 * MiB)


@needs("pids", "memory")
@pytest.mark.differs("crun", "only its newest knows these flags")
def test_update_by_flags(rt, box):
    b = rt.up(box(SLEEP, limited({"pids": {"limit": 50}})))
    for size in (str(96 * MiB), "96M", "98304kb", "96mib"):
        rt("update", "--memory", str(64 * MiB), b.id, check=True)
        rt("update", "--pids-limit", "44", "--memory", size, "--cpu-share", "256",
           "--kernel-memory", "1000000", "--kernel-memory-tcp", "1m", b.id, check=True)
        assert value(rt, b, "pids", "pids.max", "pids.max") == "44"
        assert value(rt, b, "memory", "memory.limit_in_bytes", "memory.max") == str(96 * MiB)


@pytest.mark.differs("crun", "only its newest knows these flags")
@pytest.mark.parametrize("flag, text", [
    ("memory", "M"), ("memory", "1Mx"), ("memory", "1Mi"), ("memory", "9999999999t"),
    ("pids-limit", "1k"),
])
def test_update_by_a_flag_that_is_no_number(rt, box, flag, text):
    b = rt.up(box(SLEEP))
    rt("update", "--" + flag, text, b.id, check=f"--{flag} {text}: expected a number")


@needs("pids")
@pytest.mark.parametrize("text, why", [
    ("\n", "not valid JSON"), ("{", "not valid JSON"),
    ("[]", "-: expected an object, found an array"),
    ('{"pids": 3}', "-: pids: expected an object, found a number"),
    ('{"memory": {"limit": "x"}}', "-: memory.limit: expected a number, found a string"),
])
@pytest.mark.differs("runc crun", "they take some for nothing to do")
def test_bad_update(rt, box, text, why):
    b = rt.up(box(SLEEP, limited({"pids": {"limit": 50}})))
    rt("update", "--resources", "-", b.id, stdin=text, check=why)
    assert value(rt, b, "pids", "pids.max", "pids.max") == "50"


def test_nested_cgroups_of_the_container_are_removed(rt, box):
    b = rt.up(box(SLEEP))
    for c in ("pids", "memory"):
        d = cgroup_dir(rt.state(b)["pid"], c)
        os.makedirs(d + "/inner/deeper", exist_ok=True)
    rt.delete(b, "--force", check=True)


def test_processes_in_nested_cgroups_are_killed(rt, box):
    b = rt.up(box(shell("sleep 100 & touch /up; wait"), lambda c: drop_namespace(c, "pid")))
    until(lambda: os.path.exists(b.rootfs + "/up"))
    pid = rt.state(b)["pid"]
    kids = [p for p in json.loads(rt("ps", "-f", "json", b.id, check=True).out) if p != pid]
    for c in ["pids"] if V2 else ["pids", "freezer", "devices"]:
        d = cgroup_dir(pid, c)
        os.mkdir(d + "/inner")
        with open(d + "/inner/cgroup.procs", "w", encoding="ascii") as f:
            f.write(str(kids[0]))
    if rt.flavour == "runc":
        os.kill(kids[0], 9)
    rt.delete(b, "--force", check=True)
    until(lambda: not os.path.exists(f"/proc/{kids[0]}"))


# As for a user without rights to any: whatever is mounted of cgroups is read-only.
WITHOUT = """#!/bin/sh
exec unshare -m sh -ec 'awk "\\$3 ~ /^cgroup/ { print \\$2 }" /proc/mounts | while read -r m; do
mount -o remount,bind,ro "$m"; done; exec %s --rootless true "$@"' sh "$@"
"""


@pytest.mark.differs("runc crun", "some list nothing, or signal nobody")
def test_container_without_a_cgroup(rt, box, work):
    script = work + "/without"
    with open(script, "w", encoding="ascii") as f:
        f.write(WITHOUT % rt.program)
    os.chmod(script, 0o755)
    rt.program = script

    def edit(c):
        del c["linux"]["cgroupsPath"], c["linux"]["resources"]
    b = rt.up(box(shell("trap 'touch /got' USR1; touch /up; while :; do sleep 0.05; done"), edit))
    until(lambda: os.path.exists(b.rootfs + "/up"))
    for args, why in ((["ps", b.id], "has no cgroup to tell its processes"),
                      (["ps", "--format", "json", b.id], "has no cgroup to tell its processes"),
                      (["events", "--stats", b.id], "no cgroup to read statistics from"),
                      (["pause", b.id], "no cgroup with a freezer"),
                      (["update", "--pids-limit", "5", b.id], "the container has no cgroup")):
        rt(*args, check=why)
    rt.kill(b, "--all", "USR1", check=True)
    until(lambda: os.path.exists(b.rootfs + "/got"))
    rt.kill(b, "--all", "KILL", check=True)
    rt.wait(b)
    rt.kill(b, "--all", "KILL", check=True)
    rt.delete(b, check=True)


@pytest.mark.skipif(not V2, reason="for version 2 of cgroups")
@pytest.mark.differs("runc crun", "they lose sight of the processes")
def test_threaded(rt, box):
    """Inside, threaded groups; and below a threaded one, a container."""
    def edit(c):
        namespace(c, "cgroup")
        for m in c["mounts"]:
            if m["destination"] == "/sys/fs/cgroup":
                m["options"].remove("ro")
    b = rt.up(box(shell("cd /sys/fs/cgroup; mkdir a; echo threaded >a/cgroup.type; "
                        "echo $$ >a/cgroup.threads; touch /up; exec sleep 100"), edit))
    until(lambda: os.path.exists(b.rootfs + "/up"))
    top = cgroup_dir(rt.state(b)["pid"], "")
    for flags, where in (([], "0::/"), (["--cgroup", "a"], "0::/a")):
        r = rt.exec(b, *flags, "--", "cat", "/proc/self/cgroup", check=True)
        assert where in r.out.splitlines()
    below = box(SLEEP)
    below.config["linux"]["cgroupsPath"] = f"/box/{b.id}/a/below"
    below.save()
    rt.up(below)
    for each in (below, b):
        pids = json.loads(rt("ps", "--format", "json", each.id, check=True).out)
        assert rt.state(each)["pid"] in pids
        rt("pause", each.id, check=True)
        assert rt.status(each) == "paused"
        rt("resume", each.id, check=True)
        rt.kill(each, "--all", "KILL", check=True)
        rt.wait(each)
        rt.delete(each, check=True)
    assert top and not os.path.exists(top)
