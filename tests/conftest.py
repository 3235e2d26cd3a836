# SPDX-License-Identifier: Apache-2.0
import itertools
import os
import shutil
import tempfile

import isolation
import leaks
import pytest
import runtime
from bundle import Bundle

serial = itertools.count()


def pytest_sessionstart(session):
    isolation.require()


def pytest_collection_modifyitems(config, items):
    """Leave out what agentrun does differently on purpose when a stand-in is tested."""
    name = runtime.flavour()
    for item in items:
        for mark in item.iter_markers("differs"):
            if name in mark.args[0].split():
                item.add_marker(pytest.mark.skip(reason=f"not {name}: {mark.args[1]}"))


def pytest_terminal_summary(terminalreporter):
    """For `bootstrap check`: how many passed, failed and were skipped."""
    path = os.environ.get("AGENTRUN_COUNTS")
    if path:
        n = [len(terminalreporter.stats.get(k, ())) for k in
             ("passed", "xfailed", "failed", "error", "xpassed", "skipped")]
        with open(path, "w", encoding="ascii") as f:
            f.write(f"{n[0] + n[1]} {n[2] + n[3] + n[4]} {n[5]}\n")


@pytest.fixture
def work():
    """A directory of the test's own, on the machine's file system."""
    path = os.path.realpath(tempfile.mkdtemp(prefix="t"))
    os.chmod(path, 0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def rt(work):
    """The runtime, with a state directory of the test's own.

    Whatever the test leaves is deleted by force; after that nothing may be
    left of it in the system.
    """
    root = os.path.join(work, "state")
    os.mkdir(root)
    # The directories that a runtime makes once and keeps are not leaks.
    for d in ("/run/agentrun", "/run/runc", "/run/crun"):
        os.makedirs(d, mode=0o711, exist_ok=True)
    before = leaks.Snapshot()
    r = runtime.Runtime(root)
    yield r
    for cid in os.listdir(root):
        r("delete", "--force", cid)
    before.check(ignore=lambda line: line.endswith("/box"))
    assert os.listdir(root) == []


@pytest.fixture
def box(work):
    """box(args, edit): a bundle with a fresh id and root file system."""
    def make(args=("true",), edit=None, cid=None):
        cid = cid or f"box{next(serial)}"
        return Bundle(os.path.join(work, "b", cid), args, edit, cid)
    return make
