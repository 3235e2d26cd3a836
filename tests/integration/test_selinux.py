# SPDX-License-Identifier: Apache-2.0
"""SELinux labels, where the kernel has none: nothing runs without the label that was asked for."""
import os

import pytest

LABEL = "system_u:system_r:container_t:s0:c1,c2"

pytestmark = pytest.mark.skipif(os.path.exists("/sys/fs/selinux/enforce"),
                                reason="the kernel has SELinux")


def process(label):
    return lambda c: c["process"].update(selinuxLabel=label)


def mounts(label):
    return lambda c: c["linux"].update(mountLabel=label)


@pytest.mark.parametrize("edit, where", [(process, "process.selinuxLabel"),
                                         (mounts, "linux.mountLabel")])
@pytest.mark.differs("crun", "it leaves the mounts' label out")
def test_refused(rt, box, edit, where):
    rt.run(box(["true"], edit(LABEL)),
           check=f'{where}: "{LABEL}", but SELinux is not enabled on this host')


@pytest.mark.parametrize("edit", [process, mounts])
@pytest.mark.differs("crun", "it sets an empty label")
def test_empty_is_none(rt, box, edit):
    rt.run(box(["true"], edit("")), check=True)


@pytest.mark.differs("crun", "an older one takes no notice")
def test_exec(rt, box):
    b = rt.up(box(["sleep", "99"]))
    said = f'process.selinuxLabel: "{LABEL}", but SELinux is not enabled on this host'
    rt.exec(b, "--process-label", LABEL, "--", "touch", "/ran", check=said)
    rt.exec(b, "--process-label", "", "--", "true", check=True)
    assert not os.path.exists(b.rootfs + "/ran")
