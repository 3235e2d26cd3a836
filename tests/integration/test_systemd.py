# SPDX-License-Identifier: Apache-2.0
"""The systemd cgroup driver: a scope of systemd's holds the container."""
import os

import pytest
from bundle import shell
from engines import controller
from runtime import run, until

pytestmark = pytest.mark.skipif(not os.path.isdir("/run/systemd/system"),
                                reason="systemd is not process 1 here")
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


def test_scope_holds_the_container(rt, scoped):
    b = rt.up(scoped(SLEEP))
    with open(f"/proc/{rt.state(b)['pid']}/cgroup", encoding="ascii") as f:
        path = [line for line in f.read().splitlines() if line.startswith("0::")][0]
    assert scope(b) in path
    assert systemctl("is-active", scope(b)).out.strip() == "active"
    assert "Delegate=yes" in systemctl("show", scope(b)).out


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
                                     TasksMax="uint64 44", TimeoutStopUSec="uint64 7000000")))
    shown = systemctl("show", scope(b)).out.splitlines()
    for line in ("Description=some box", "SendSIGHUP=yes", "KillSignal=10", "TasksMax=44",
                 "TimeoutStopUSec=7s"):
        assert line in shown


@pytest.mark.differs("runc crun", "they read lists as well")
def test_property_of_an_unknown_type_makes_nothing(rt, scoped):
    b = scoped(SLEEP, annotate(After="['a.service']"))
    r = rt.create(b, check=False)
    assert r.code and 'annotations["org.systemd.property.After"]: [' in r.err
    assert systemctl("is-active", scope(b)).out.strip() != "active"


@pytest.mark.parametrize("name, resources, want", [
    ("pids", {"pids": {"limit": 33}}, "TasksMax=33"),
    ("cpuset", {"cpu": {"cpus": f"0-{LAST}"}}, f"AllowedCPUs=0-{LAST}" if LAST else "AllowedCPUs=0"),
])
def test_limit_is_systemds_as_well(rt, scoped, name, resources, want):
    """Else a `systemctl daemon-reload` would take it back."""
    if not controller(name):
        pytest.skip(f"no {name} controller here")
    b = rt.up(scoped(SLEEP, lambda c: c["linux"].update(resources=resources)))
    assert want in systemctl("show", scope(b)).out.splitlines()
