# SPDX-License-Identifier: Apache-2.0
"""Commands that meet: one that waits must not hold up another."""
import fcntl
import json
import os
import signal

import pytest
from runtime import background, status_field, until

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


def halted(p):
    os.kill(p.pid, signal.SIGSTOP)
    with open(f"/proc/{p.pid}/status", encoding="ascii") as f:
        until(lambda: f.seek(0) or status_field(f.read(), "State")[0] == "T")


def lock_is_free(rt, b):
    fd = os.open(os.path.join(rt.root, b.id), os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(fd)
    return True


@pytest.mark.differs("runc crun", "each has words of its own")
def test_first_process_that_is_ending(rt, box):
    """It is neither alive nor a zombie while a process of its namespace is not reaped."""
    for start, said in ((False, "cannot start container {}: it is stopped, not created"),
                        (True, "cannot exec in container {}: it is stopped")):
        b = box(SLEEP)
        rt.create(b)
        if start:
            rt.start(b)
        pid = rt.state(b)["pid"]
        with background(rt.argv("exec", b.id, "sleep", "98")) as p:
            until(lambda: len(json.loads(rt("ps", "-f", "json", b.id, check=True).out)) == 2)
            until(lambda: lock_is_free(rt, b))    # before, all would wait for the one that is halted
            halted(p)
            rt.kill(b, "KILL", check=True)
            until(lambda: not os.path.exists(f"/proc/{pid}/ns/mnt"))
            args = ["exec", b.id, "true"] if start else ["start", b.id]
            rt(*args, check=said.format(b.id))
            os.kill(p.pid, signal.SIGCONT)
            p.wait(5)
        rt.wait(b)


@pytest.mark.differs("runc crun", "they remove what has the name by then")
def test_run_deletes_its_own_container_only(rt, box):
    b = box(SLEEP)
    with background(rt.argv("run", "--bundle", b.path, b.id)) as p:
        until(lambda: rt.ids() == [b.id] and rt.status(b) == "running")
        halted(p)
        rt.delete(b, "--force", check=True)
        rt.create(b)
        os.kill(p.pid, signal.SIGCONT)
        assert p.wait(5) == 137
    assert rt.status(b) == "created"


@pytest.mark.differs("runc crun", "their state files have other names")
def test_force_forgets_nothing_that_it_cannot_read(rt, box):
    b = rt.up(box(SLEEP))
    state = os.path.join(rt.root, b.id, "state.json")
    os.rename(state, state + ".kept")
    os.symlink(state, state)
    rt.delete(b, "--force", check="Too many levels of symbolic links")
    os.rename(state + ".kept", state)
    assert rt.status(b) == "running"


@pytest.mark.differs("runc crun", "they signal it, or do not know it yet")
def test_a_container_in_the_making_takes_no_signal_but_the_last(rt, box, work):
    hook = f"touch {work}/began; while [ ! -e {work}/go ]; do sleep 0.02; done"
    b = box(SLEEP, lambda c: c.update(hooks={"createRuntime": [
        {"path": "/bin/sh", "args": ["sh", "-c", hook]}]}))
    with background(rt.argv("create", "--bundle", b.path, b.id)) as p:
        until(lambda: os.path.exists(work + "/began"))
        rt.kill(b, "TERM", check=f"container not running: {b.id}")
        assert rt.status(b) == "creating"
        with open(work + "/go", "x", encoding="ascii"):
            assert p.wait(10) == 0
    rt.kill(b, "TERM", check=True)


@pytest.mark.differs("runc crun", "each has words of its own")
def test_what_a_killed_runtime_leaves(rt, box):
    b = rt.up(box())
    rt.wait(b)
    place = os.path.join(rt.root, b.id)
    with open(place + "/state.json", encoding="utf-8") as f:
        state = json.load(f)

    def save(**changed):
        with open(place + "/state.json", "w", encoding="utf-8") as f:
            json.dump({**state, **changed}, f)
    os.unlink(place + "/config.json")   # create died before it was written, or delete after that
    rt.exec(b, "--", "true", check=f"cannot exec in container {b.id}: it is stopped")
    save(pid=0, ready=False)
    for op in ("start", "pause", "resume", "update", "delete"):
        rt(op, b.id, check=f"cannot {op} container {b.id}: it is creating")
    rt.exec(b, "--", "true", check=f"cannot exec in container {b.id}: it is creating")
    os.unlink(place + "/state.json")
    for op in ("start", "pause", "resume", "update", "delete"):
        rt(op, b.id, check=f"container {b.id} is half-created (delete --force removes it)")
    rt.exec(b, "--", "true", check=f"container {b.id} is half-created (delete --force removes it)")
    for args in (["state", b.id], ["ps", b.id], ["events", b.id], ["kill", b.id, "9"]):
        rt(*args, check=f'container "{b.id}" does not exist')
    rt.create(b, check=f"container with id exists: {b.id}")
    save()
    rt.delete(b, check=True)
