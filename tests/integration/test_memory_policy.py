# SPDX-License-Identifier: Apache-2.0
"""linux.memoryPolicy: on which NUMA nodes the container's memory comes to lie."""
import os

import pytest
from bundle import shell

SHOW = shell("head -n 1 /proc/self/numa_maps | cut -d ' ' -f 2")
ABSENT = 1023  # a node that no machine has, yet a number that the kernel may know

pytestmark = [pytest.mark.skipif(not os.path.exists("/proc/self/numa_maps"),
                                 reason="a kernel without NUMA"),
              pytest.mark.differs("runc", "known from 1.4 on")]


def policy(**members):
    return lambda c: c["linux"].update(memoryPolicy=members)


@pytest.mark.parametrize("members, shown", [
    ({"mode": "MPOL_DEFAULT"}, "default"),
    ({"mode": "MPOL_LOCAL"}, "local"),
    ({"mode": "MPOL_PREFERRED"}, "local"),
    ({"mode": "MPOL_PREFERRED", "nodes": "0"}, "prefer:0"),
    ({"mode": "MPOL_BIND", "nodes": "0"}, "bind:0"),
    ({"mode": "MPOL_BIND", "nodes": "0-3"}, "bind:0"),
    ({"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES"]}, "bind=static:0"),
    ({"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_RELATIVE_NODES"]}, "bind=relative:0"),
    ({"mode": "MPOL_INTERLEAVE", "nodes": "0"}, "interleave:0"),
    ({"mode": "MPOL_PREFERRED_MANY", "nodes": "0"}, "prefer (many):0"),
])
def test_modes(rt, box, members, shown):
    out = rt.run(box(SHOW, policy(**members)), check=True).out.strip()
    assert out == shown.split()[0]


def test_the_caller_keeps_its_own(rt, box):
    rt.run(box(["true"], policy(mode="MPOL_BIND", nodes="0")), check=True)
    with open("/proc/self/numa_maps", encoding="ascii") as f:
        assert f.readline().split()[1] == "default"


@pytest.mark.differs("crun", "only the first process")
def test_exec_gets_it_too(rt, box):
    b = rt.up(box(["sleep", "100"], policy(mode="MPOL_INTERLEAVE", nodes="0")))
    assert rt.exec(b, "--", *SHOW, check=True).out == "interleave:0\n"


def test_under_a_filter_that_forbids_to_change_it(rt, box):
    def edit(c):
        policy(mode="MPOL_BIND", nodes="0")(c)
        c["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
            {"names": ["set_mempolicy"], "action": "SCMP_ACT_ERRNO"}]}
    assert rt.run(box(SHOW, edit), check=True).out == "bind:0\n"


@pytest.mark.parametrize("members, why", [
    ({"mode": "MPOL_BIND", "nodes": str(ABSENT)},
     "linux.memoryPolicy: set_mempolicy: Invalid argument"),
    ({"mode": "MPOL_LOCAL", "flags": ["MPOL_F_STATIC_NODES"]},
     "linux.memoryPolicy: set_mempolicy: Invalid argument"),
    ({"mode": "MPOL_BIND"}, "linux.memoryPolicy.nodes: MPOL_BIND needs some"),
])
def test_refused(rt, box, members, why):
    rt.create(box(["true"], policy(**members)), check=why)
    assert rt.ids() == []
