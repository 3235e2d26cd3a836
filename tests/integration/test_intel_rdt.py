# SPDX-License-Identifier: Apache-2.0
"""linux.intelRdt through a container's life, with resctrl_kernel.c in the kernel's place.

Few machines have a resctrl file system; what is written there, tests/unit/test_resctrl.c looks at.
"""
import os
import subprocess

import pytest
import runtime

HERE = os.path.dirname(os.path.abspath(__file__))

pytestmark = pytest.mark.skipif(runtime.flavour() != "agentrun",
                                reason="static programs load no such library")


class Resctrl:
    def __init__(self, work):
        self.top = os.path.join(work, "resctrl")
        library = os.path.join(work, "kernel.so")
        subprocess.run([os.environ.get("CC", "cc"), "-D_GNU_SOURCE", "-shared", "-fPIC", "-o", library,
                        os.path.join(HERE, "resctrl_kernel.c")], check=True, timeout=60)
        os.makedirs(self.top)
        self.env = {**os.environ, "LD_PRELOAD": library, "RESCTRL": self.top}

    def take(self, *path):
        """The pid that was written to a group's tasks; the next one comes to an empty file."""
        with open(os.path.join(self.top, *path, "tasks"), "r+", encoding="ascii") as f:
            pid = f.read()
            f.truncate(0)
        return pid and int(pid)

    def groups(self):
        return sorted(os.listdir(self.top))


@pytest.fixture
def resctrl(work, rt):
    # a static program loads no library either; the build keeps the one that it carries
    if os.path.exists(rt.program + "-dynamic"):
        rt.program += "-dynamic"
    return Resctrl(work)


def asking(**members):
    return lambda c: c["linux"].update(intelRdt=members)


def test_class_of_its_own(rt, box, resctrl):
    b = box(["sleep", "100"], asking(l3CacheSchema="L3:0=f", enableMonitoring=True))
    rt.create(b, env=resctrl.env)
    pid = rt.state(b)["pid"]
    mon = (b.id, "mon_groups", b.id)
    assert resctrl.take(b.id) == resctrl.take(*mon) == pid
    with open(os.path.join(resctrl.top, b.id, "schemata"), encoding="ascii") as f:
        assert f.read() == "L3:0=f\n"
    rt.start(b)
    rt.exec(b, "--detach", "--pid-file", os.path.join(b.path, "pid"), "--", "sleep", "100",
            env=resctrl.env, check=True)
    with open(os.path.join(b.path, "pid"), encoding="ascii") as f:
        second = int(f.read())
    assert resctrl.take(b.id) == resctrl.take(*mon) == second != pid
    rt.delete(b, "--force", env=resctrl.env, check=True)
    assert resctrl.groups() == []


def test_class_that_is_shared(rt, box, resctrl):
    edit = asking(closID="gold", schemata=["L3:0=f"], enableMonitoring=True)
    a, b = box(["sleep", "100"], edit), box(["sleep", "100"], edit)
    for one in a, b:
        rt.create(one, env=resctrl.env)
    rt.delete(a, "--force", env=resctrl.env, check=True)
    assert resctrl.groups() == ["gold"]
    assert resctrl.take("gold", "mon_groups", b.id) == rt.state(b)["pid"]
    rt.delete(b, "--force", env=resctrl.env, check=True)
    assert resctrl.groups() == ["gold"]
    assert os.listdir(os.path.join(resctrl.top, "gold", "mon_groups")) == []


@pytest.mark.parametrize("members", [{}, {"closID": "gold", "schemata": ["L3:0=f"]}],
                         ids=["own", "shared"])
def test_nothing_is_left_of_what_cannot_be_made(rt, box, resctrl, members):
    b = box(["/no/such"], asking(enableMonitoring=True, **members))
    rt.create(b, env=resctrl.env, check='exec: "/no/such"')
    assert resctrl.groups() == []


def test_class_that_nobody_made(rt, box, resctrl):
    rt.create(box(["true"], asking(closID="gold")), env=resctrl.env,
              check=f"linux.intelRdt: closID: {resctrl.top}/gold: No such file or directory")
    assert resctrl.groups() == [] == rt.ids()


def schemata(resctrl, name):
    with open(os.path.join(resctrl.top, name, "schemata"), encoding="ascii") as f:
        return f.read()


@pytest.mark.parametrize("members, name", [({"l3CacheSchema": "L3:0=f"}, None),
                                           ({"closID": "gold", "schemata": ["L3:0=f"]}, "gold")])
def test_update_changes_the_class(rt, box, resctrl, members, name):
    b = rt.up(box(["sleep", "100"], asking(**members)), env=resctrl.env)
    rt("update", "--l3-cache-schema", "L3:0=3", "--mem-bw-schema", "MB:0=50", b.id,
       env=resctrl.env, check=True)
    assert schemata(resctrl, name or b.id) == "L3:0=3\nMB:0=50\n"


def test_update_makes_a_class(rt, box, resctrl, work):
    """For all that is in the container already, for what comes, and for as long as the container."""
    b = rt.up(box(["sleep", "100"]), env=resctrl.env)
    rt.exec(b, "--detach", "--pid-file", work + "/pid", "--", "sleep", "100", check=True)
    with open(work + "/pid", encoding="ascii") as f:
        second = int(f.read())
    rt("update", "--mem-bw-schema", "MB:0=50", b.id, env=resctrl.env, check=True)
    assert schemata(resctrl, b.id) == "MB:0=50\n"
    assert resctrl.take(b.id) == second     # after the first
    assert rt.status(b) == "running"
    rt.exec(b, "--detach", "--pid-file", work + "/pid", "--", "sleep", "100", env=resctrl.env,
            check=True)
    with open(work + "/pid", encoding="ascii") as f:
        assert resctrl.take(b.id) == int(f.read()) != second
    rt.delete(b, "--force", env=resctrl.env, check=True)
    assert resctrl.groups() == []


def test_run_removes_the_class_that_an_update_made(rt, box, resctrl):
    """run deletes the container as it became, not as it was created."""
    b = box(["sleep", "100"])
    p = subprocess.Popen(rt.argv("run", "--bundle", b.path, b.id), env=resctrl.env,
                         stdin=subprocess.DEVNULL)
    try:
        runtime.until(lambda: b.id in rt.ids() and rt.status(b) == "running")
        rt("update", "--mem-bw-schema", "MB:0=50", b.id, env=resctrl.env, check=True)
        assert resctrl.groups() == [b.id]
    finally:
        rt("kill", b.id, "KILL", check=True)
        assert p.wait(10) == 137
    assert resctrl.groups() == []


def test_update_that_fails_leaves_no_class(rt, box, resctrl):
    b = rt.up(box(["sleep", "100"]), env=resctrl.env)
    os.makedirs(os.path.join(resctrl.top, b.id))    # somebody's
    rt("update", "--l3-cache-schema", "L3:0=3", b.id, env=resctrl.env,
       check=f"linux.intelRdt: make {resctrl.top}/{b.id}: File exists")
    rt.delete(b, "--force", env=resctrl.env, check=True)
    assert resctrl.groups() == [b.id]


def test_update_without_resctrl(rt, box):
    b = rt.up(box(["sleep", "100"]))
    rt("update", "--l3-cache-schema", "L3:0=3", b.id,
       check="linux.intelRdt: no resctrl file system is mounted")
