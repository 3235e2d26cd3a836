# SPDX-License-Identifier: Apache-2.0
"""Commands that meet: one that waits must not hold up another."""
import os
import signal

import pytest
from runtime import background, until

SLEEP = ["sleep", "100"]
HANGS = [{"path": "/bin/sleep", "args": ["sleep", "100"]}]


@pytest.mark.differs("runc crun", "no --ignore-paused, or the flag is another")
def test_exec_in_a_paused_container_waits_for_resume(rt, box):
    b = rt.up(box(SLEEP))
    rt("pause", b.id, check=True)
    with background(rt.argv("exec", "--ignore-paused", b.id, "echo", "hi")) as p:
        until(lambda: len(rt("ps", b.id, check=True).out.splitlines()) == 3)
        rt("resume", b.id, check=True, timeout=5)
        assert p.communicate(timeout=5)[0] == "hi\n"


def test_pause_before_start(rt, box):
    b = box(SLEEP)
    rt.create(b)
    rt("pause", b.id, check=True)
    assert rt.status(b) == "paused"
    rt.start(b, check=f"cannot start container {b.id}: it is paused, not created", timeout=5)
    rt("resume", b.id, check=True)
    assert rt.status(b) == "created"
    rt.start(b)
    assert rt.status(b) == "running"


def test_kill_ends_a_paused_container(rt, box):
    b = rt.up(box(SLEEP))
    rt("pause", b.id, check=True)
    rt.kill(b, "KILL", check=True)
    rt.wait(b)


def test_signal_0_asks_whether_it_lives(rt, box):
    b = rt.up(box(SLEEP))
    rt.kill(b, "0", check=True)
    rt.kill(b, "KILL", check=True)
    rt.wait(b)
    rt.kill(b, "0", check=f"container not running: {b.id}")


@pytest.mark.differs("runc crun", "poststart runs within create; no such hook in 1.1")
@pytest.mark.parametrize("hook", ["startContainer", "poststart"])
def test_a_hook_that_hangs_does_not_save_the_container(rt, box, hook):
    b = box(SLEEP, lambda c: c.update(hooks={hook: HANGS}))
    rt.create(b)
    with background(rt.argv("start", b.id)) as p:
        until(lambda: rt.status(b) == "running")
        rt.kill(b, "KILL", check=True, timeout=5)
        rt.delete(b, "--force", check=True, timeout=5)
        with open(f"/proc/{p.pid}/task/{p.pid}/children", encoding="ascii") as f:
            for pid in f.read().split():
                os.kill(int(pid), signal.SIGKILL)
        p.wait(5)
