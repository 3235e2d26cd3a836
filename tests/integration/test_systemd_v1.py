# SPDX-License-Identifier: Apache-2.0
"""The systemd cgroup driver on version 1: this machine's systemd, booted for it."""
import os
import re
import shutil
import sys

import pytest
from runtime import REPO, flavour, run

TESTS = os.path.join(REPO, "tests")
SYSTEMD = "/lib/systemd/systemd"


def has_version_1():
    """Is there a systemd that knows it (up to 255), and controllers for it?"""
    if not os.path.isdir("/sys/fs/cgroup/systemd") or not os.path.exists(SYSTEMD) or \
            os.path.isdir("/run/systemd/system") or not shutil.which("dbus-daemon"):
        return False
    return int(re.search(r"systemd (\d+)", run([SYSTEMD, "--version"]).out).group(1)) < 256


@pytest.mark.skipif(not has_version_1(), reason="no systemd with version 1 of cgroups here")
@pytest.mark.parametrize("mode, tests", [
    ("v1", ["integration/test_systemd.py"]),
    ("hybrid", ["integration/test_systemd.py"]),
    ("hybrid", ["engines/test_docker_podman.py", "-k", "scope or stats or limits or pause"]),
], ids=["v1", "hybrid", "podman"])
def test_beside_it(mode, tests):
    if tests[0].startswith("engines") and not shutil.which("podman"):
        pytest.skip("podman is not installed")
    r = run([TESTS + "/lib/systemd-v1", mode, sys.executable, "-B", "-m", "pytest", "-q", "-c",
             TESTS + "/pytest.ini", "-p", "no:cacheprovider", "--rootdir", TESTS, *tests],
            cwd=TESTS, timeout=240, env={**os.environ, "AGENTRUN_ENGINES": "podman"})
    assert r.code == 0 and " passed" in r.out, r.text
    assert " skipped" not in r.out or flavour() != "agentrun", r.text
