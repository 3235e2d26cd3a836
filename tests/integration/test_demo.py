# SPDX-License-Identifier: Apache-2.0
"""The demo refuses six things, notices when nothing is refused, and leaves nothing."""
import os
import re

import leaks
import pytest
from runtime import REPO, program, run

DEMO = os.path.join(REPO, "tests/demo")


def demo(profile):
    before = leaks.Snapshot()
    r = run([DEMO], env={**os.environ, "RUNTIME": program(), "DEMO_PROFILE": profile})
    before.check()
    assert not os.path.exists("/run/demo")
    return r


def test_six_refusals_and_a_report():
    r = demo("agent")
    assert r.code == 0, r.text
    assert len(re.findall(r"^refused: ", r.out, re.M)) == 6
    assert "FAILED" not in r.text
    assert "The agent did 2 of 2 things" in r.out
    # the record tells of it, and does not hold the token
    for line in ("dropped: GITHUB_TOKEN", "tcp 203.0.113.10 port 80: the answer",
                 "tcp 203.0.113.66 port 80: 1 packet,", "unanchored: "):
        assert line in r.out, line
    assert "ghp_" not in r.text
    assert "policy: mounts=workspace-only (profile agent)" in r.out


def test_it_would_notice():
    """Without a policy the same agent does all six: the demo can fail."""
    r = demo("none")
    assert r.code == 1
    assert len(re.findall(r"^FAILED TO REFUSE: ", r.out, re.M)) == 6
    assert "0 of 6 forbidden things were refused" in r.out


@pytest.mark.parametrize("profile", ["no-such"])
def test_broken_set_up(profile):
    r = demo(profile)
    assert r.code == 1 and "there is no no-such.json" in r.err
