# SPDX-License-Identifier: Apache-2.0
"""Containers without a mount namespace: their mounts are the host's, and go with them."""
import contextlib
import os
import signal

import pytest
from bundle import drop_namespace, mount, shell
from runtime import background, run, until

pytestmark = pytest.mark.differs("runc crun", "they leave the mounts on the host")


def on_host(c):
    drop_namespace(c, "mount")
    del c["linux"]["maskedPaths"], c["linux"]["readonlyPaths"]


def mounts_below(path):
    with open("/proc/self/mountinfo", encoding="utf-8") as f:
        return [p for p in (line.split()[4] for line in f) if p.startswith(path)]


def test_run(rt, box):
    b = box(shell("readlink /proc/self/ns/mnt; ls /; echo pid $$; touch /made"), on_host)
    out = rt.run(b, check=True).out.split("\n")
    assert out[0] == os.readlink("/proc/self/ns/mnt")
    assert sorted(os.listdir(b.rootfs)) == sorted(out[1:out.index("pid 1")] + ["made"])
    assert mounts_below(b.rootfs) == []


def test_exec(rt, box):
    """By the runtime of another mount namespace, too."""
    b = rt.up(box(["sleep", "99"], on_host))
    assert b.rootfs in mounts_below(b.rootfs)
    look = ["--", "sh", "-c", "cat /proc/1/comm; pwd; ls -di / /.."]
    here = rt.exec(b, *look, check=True).out
    there = run(["unshare", "--mount", "--propagation=private",
                 *rt.argv("exec", b.id, *look[1:])], check=True).out
    inode = str(os.stat(b.rootfs).st_ino)
    assert here == there and here.split() == ["sleep", "/", inode, "/", inode, "/.."]
    rt.delete(b, "--force", check=True)
    assert mounts_below(b.rootfs) == []


@pytest.mark.parametrize("edit", [
    lambda c: c["process"].update(args=["no-such"]),
    lambda c: c["mounts"].append(mount("/x", "bind", "/no/such", "rbind")),
    lambda c: c.update(hooks={"createContainer": [{"path": "/bin/false"}]}),
], ids=["program", "mount", "hook"])
def test_create_fails(rt, box, edit):
    b = box(["true"], lambda c: (on_host(c), edit(c)))
    rt.create(b, check=False)
    assert mounts_below(b.rootfs) == []


def test_create_is_killed(rt, box, work):
    """What create could not take back, delete does."""
    def edit(c):
        on_host(c)
        c["hooks"] = {"createContainer": [
            {"path": "/bin/sh", "args": ["sh", "-c", f"touch {work}/there; exec sleep 99"]}]}
    b = box(["true"], edit)
    with background(rt.argv("create", "--bundle", b.path, b.id)) as p:
        until(lambda: os.path.exists(work + "/there"))
        p.send_signal(signal.SIGKILL)
        p.wait()
    assert mounts_below(b.rootfs) != []
    rt.delete(b, "--force", check=True)
    assert mounts_below(b.rootfs) == []


@contextlib.contextmanager
def bound(source, target, how):
    run(["mount", "--bind", source, target], check=True)
    try:
        run(["mount", how, target], check=True)
        yield
    finally:
        run(["umount", target], check=True)


@pytest.mark.parametrize("how", ["--make-private", "--make-shared"])
def test_mounted_root_stays(rt, box, how):
    """An engine's own mount there is not ours to take away, at whatever point the container ends."""
    b = box(["touch", "/made"], on_host)
    # Shared in a group of its own, as an engine's file system is: not with the mount it was copied from.
    with bound(b.rootfs, b.rootfs, "--make-private"):
        run(["mount", how, b.rootfs], check=True)
        rt.run(b, check=True)
        rt.run(b, check=True)
        assert mounts_below(b.rootfs) == [b.rootfs]
        b.config["hooks"] = {"createRuntime": [{"path": "/bin/false"}]}
        b.save()
        rt.create(b, check=False)
        assert mounts_below(b.rootfs) == [b.rootfs]
    assert os.path.exists(b.rootfs + "/made")


def test_propagation(rt, box, work):
    """What the container mounts does not show elsewhere on the host, where that shares the root."""
    b = box(["sleep", "99"], on_host)
    os.mkdir(work + "/peer")
    with bound(work + "/b", work + "/b", "--make-shared"), \
            bound(work + "/b", work + "/peer", "--make-shared"):
        rt.up(b)
        assert len(mounts_below(b.rootfs)) > 5
        assert mounts_below(f"{work}/peer/{b.id}") == [f"{work}/peer/{b.id}/rootfs"]
        rt.delete(b, "--force", check=True)
        assert mounts_below(b.rootfs) + mounts_below(f"{work}/peer/{b.id}") == []


@pytest.mark.parametrize("key", ["maskedPaths", "readonlyPaths"])
def test_masks_need_a_namespace(rt, box, key):
    b = box(["true"], lambda c: (on_host(c), c["linux"].update({key: ["/proc/kcore"]})))
    rt.run(b, check=f"linux.{key}: needs a mount namespace")


def test_root_is_gone(rt, box, work):
    """Engines may take the root away before they delete the container."""
    b = rt.up(box(["sleep", "99"], on_host))
    rt.kill(b, "KILL", check=True)
    rt.wait(b)
    run(["umount", "--lazy", b.rootfs], check=True)
    os.rename(b.rootfs, work + "/elsewhere")
    rt.delete(b, check=True)
