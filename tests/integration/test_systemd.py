# SPDX-License-Identifier: Apache-2.0
"""The systemd cgroup driver: a scope of systemd's holds the container."""
import os

import confined
import pytest
from bundle import shell
from engines import controller
from runtime import run, until

pytestmark = pytest.mark.skipif(not os.path.isdir("/run/systemd/system"),
                                reason="systemd is not process 1 here")
V2 = os.path.exists("/sys/fs/cgroup/cgroup.controllers")
SLEEP = ["sleep", "100"]
LAST = os.cpu_count() - 1
SLICE = "system.slice" if os.geteuid() == 0 else "user.slice"


@pytest.fixture
def scoped(rt, box):
    rt.options = ["--systemd-cgroup"]

    def make(args, edit=None):
        b = box(args, edit)
        b.config["linux"]["cgroupsPath"] = f"{SLICE}:box:{b.id}"
        b.config["linux"].pop("resources", None)
        if edit:
            edit(b.config)
        b.save()
        return b
    return make


def systemctl(*args):
    return run(["systemctl", *([] if os.geteuid() == 0 else ["--user"]), *args])


def scope(b):
    return f"box-{b.id}.scope"


def cgroups(rt, b):
    """Where the container is, in each hierarchy that is mounted."""
    with open(f"/proc/{rt.state(b)['pid']}/cgroup", encoding="ascii") as f:
        lines = [line.strip().split(":", 2) for line in f]
    with_v2 = V2 or os.path.isdir("/sys/fs/cgroup/unified")
    return {names: path for _, names, path in lines if (not V2 if names else with_v2)}


def limits(rt, b):
    """Of those whose controllers are there."""
    found = {}
    for controller, files in (("memory", "memory.limit_in_bytes memory.max"),
                              ("pids", "pids.max"), ("cpu", "cpu.cfs_quota_us cpu.max cpu.shares"),
                              ("cpuset", "cpuset.cpus"), ("devices", "devices.list")):
        for file in files.split():
            path = cgroups(rt, b)["" if V2 else controller] if V2 or \
                os.path.isdir("/sys/fs/cgroup/" + controller) else "/none"
            path = f"/sys/fs/cgroup/{'' if V2 else controller}{path}/{file}"
            if os.path.exists(path):
                with open(path, encoding="ascii") as f:
                    found[file] = set(f.read().splitlines())
    return found


def test_scope_holds_the_container(rt, scoped):
    b = rt.up(scoped(SLEEP))
    for names, path in cgroups(rt, b).items():
        assert scope(b) in path, names
    assert systemctl("is-active", scope(b)).out.strip() == "active"
    assert "Delegate=yes" in systemctl("show", scope(b)).out


def test_confined_container_sees_its_scope_only(rt, scoped, work):
    """Others see the host's cgroups where they have no cgroup namespace, as under runc and crun."""
    b = rt.up(confined.confine(scoped(SLEEP), work, egress="open"))
    assert rt.exec(b, "--", "find", "/sys/fs/cgroup", "-name", "*.slice", check=True).out == ""
    found = rt.exec(b, "--", *shell("cd /sys/fs/cgroup; grep -lx 1 cgroup.procs */cgroup.procs"))
    assert len(found.out.split()) >= len([n for n in cgroups(rt, b) if n or V2]), found.text


def test_scope_goes_with_the_container(rt, scoped):
    b = rt.up(scoped(SLEEP))
    rt.delete(b, "--force", check=True)
    until(lambda: systemctl("is-active", scope(b)).out.strip() != "active")


def test_failed_create_leaves_no_scope(rt, scoped):
    b = scoped(["no-such"])
    rt.create(b, check='exec: "no-such": executable file not found')
    until(lambda: systemctl("is-active", scope(b)).out.strip() != "active")


def test_exec_pause_and_exit_code(rt, scoped):
    b = rt.up(scoped(SLEEP))
    assert rt.exec(b, "--", "sh", "-c", "exit 4").code == 4
    rt("pause", b.id, check=True)
    assert rt.status(b) == "paused"
    rt("resume", b.id, check=True)
    assert rt.run(scoped(shell("exit 7"))).code == 7


def annotate(**properties):
    return lambda c: c.update(annotations={
        f"org.systemd.property.{name}": value for name, value in properties.items()})


@pytest.mark.differs("crun", "its scope keeps the description")
def test_annotations_are_properties_of_the_scope(rt, scoped):
    b = rt.up(scoped(SLEEP, annotate(Description="'some box'", SendSIGHUP="true", KillSignal="10",
                                     TasksMax="uint64 44", TimeoutStopSec="7",
                                     Documentation="['man:a(1)', \"man:b(5)\"]")))
    shown = systemctl("show", scope(b)).out.splitlines()
    for line in ("Description=some box", "SendSIGHUP=yes", "KillSignal=10", "TasksMax=44",
                 "TimeoutStopUSec=7s", 'Documentation="man:a(1)" "man:b(5)"'):
        assert line in shown


@pytest.mark.differs("runc crun", "they have words of their own")
def test_property_of_an_unknown_type_makes_nothing(rt, scoped):
    b = scoped(SLEEP, annotate(After="[5]"))
    r = rt.create(b, check=False)
    assert r.code and 'annotations["org.systemd.property.After"]: [' in r.err
    assert systemctl("is-active", scope(b)).out.strip() != "active"


LIMITS = [
    # controller, resources, property on version 1, on version 2
    ("pids", {"pids": {"limit": 33}}, "TasksMax=33", "TasksMax=33"),
    ("cpu", {"cpu": {"shares": 512}}, "CPUShares=512", "CPUWeight=59"),
    ("cpu", {"cpu": {"quota": 20000, "period": 50000}}, "CPUQuotaPerSecUSec=400ms",
     "CPUQuotaPerSecUSec=400ms"),
    ("memory", {"memory": {"limit": 64 << 20}}, "MemoryLimit=67108864", "MemoryMax=67108864"),
    ("memory", {"memory": {"limit": -1}}, "MemoryLimit=infinity", "MemoryMax=infinity"),
    ("cpuset", {"cpu": {"cpus": f"0-{LAST}"}}, "AllowedCPUs=",
     f"AllowedCPUs=0-{LAST}" if LAST else "AllowedCPUs=0"),
    ("devices", {"devices": [{"allow": False, "access": "rwm"}]}, "DevicePolicy=strict", ""),
    ("devices", {"devices": [{"allow": False, "access": "rwm"},
                             {"allow": True, "type": "c", "major": 7, "access": "rw"}]},
     "DeviceAllow=char-7 rw", ""),
    ("devices", {"devices": [{"allow": True, "access": "rwm"}]}, "DevicePolicy=auto", ""),
]


@pytest.mark.parametrize("name, resources, v1, v2", [row for row in LIMITS if row[3] or not V2])
@pytest.mark.differs("runc crun", "some leave out some")
def test_limit_is_systemds_as_well(rt, scoped, name, resources, v1, v2):
    if not controller(name):
        pytest.skip(f"no {name} controller here")
    b = rt.up(scoped(SLEEP, lambda c: c["linux"].update(resources=resources)))
    assert (v2 if V2 else v1) in systemctl("show", "--all", scope(b)).out.splitlines()


@pytest.mark.differs("runc crun", "they leave some to systemd's own values, or the hierarchy")
def test_reload_takes_nothing_back(rt, scoped):
    """What systemd does not know it sets to what it does, or moves the container out."""
    some = {"pids": {"limit": 33}, "memory": {"limit": 64 << 20},
            "cpu": {"quota": 20000, "period": 50000, "shares": 512}}
    some = {k: v for k, v in some.items() if controller(k)}
    b = rt.up(scoped(SLEEP, lambda c: c["linux"].update(resources=some)))
    if "cpu" in some:
        rt("update", "--cpu-quota", 30000, b.id, check=True)
    before = cgroups(rt, b), limits(rt, b)
    systemctl("daemon-reload")
    systemctl("show", scope(b))     # answered when that is done
    assert (cgroups(rt, b), limits(rt, b)) == before
    rt.exec(b, "--", *shell("echo >/dev/null; ! (mknod /dev/m c 1 11 && : </dev/m)"), check=True)


@pytest.mark.differs("crun", "it takes the list for one that allows all")
def test_reload_allows_no_device(rt, scoped):
    """systemd has no list of what is denied."""
    rules = [{"allow": True, "access": "rwm"},
             {"allow": False, "type": "c", "major": 1, "minor": 11, "access": "rw"}]
    b = rt.up(scoped(SLEEP, lambda c: c["linux"].update(resources={"devices": rules})))
    rt.exec(b, "--", *shell("mknod /dev/kmsg c 1 11"), check=True)
    for _ in range(2):
        rt.exec(b, "--", *shell(": </dev/full; ! (: </dev/kmsg)"), check=True)
        systemctl("daemon-reload")
        systemctl("show", scope(b))


@pytest.mark.differs("runc crun", "they move out what they do not name to systemd")
def test_device_list_changes_with_the_scope(rt, scoped, work):
    if V2:
        pytest.skip("systemd holds no device list of version 2's")
    b = rt.up(scoped(SLEEP))
    with open(work + "/r.json", "w", encoding="ascii") as f:
        f.write('{"devices": [{"allow": false, "access": "rwm"}, {"allow": true, "type": "c", '
                '"major": 1, "minor": 11, "access": "r"}]}')
    rt("update", "--resources", work + "/r.json", b.id, check=True)
    assert "c 1:11 r" in limits(rt, b)["devices.list"]
    assert "DeviceAllow=/dev/char/1:11 r" in systemctl("show", scope(b)).out.splitlines()
