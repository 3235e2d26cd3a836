# SPDX-License-Identifier: Apache-2.0
"""The log rotated while it is written to: by agentrun, and by logrotate(8)."""
import json
import os
import shutil
import stat
import subprocess
import time

import audit_log
import pytest
import runtime

pytestmark = pytest.mark.skipif(runtime.flavour() != "agentrun", reason="records are agentrun's own")


@pytest.fixture
def log(work):
    one = audit_log.Log(os.path.join(work, "log"))
    one.append("s0", "create")
    return one


def audit(log, *args, **kw):
    return runtime.run([runtime.program(), "audit", args[0], "--directory", log.dir, *args[1:]], **kw)


def writers(log, n=3, count=1500):
    return [subprocess.Popen([log.probe, "append", log.dir, f"w{i}", "exec", str(count)]) for i in range(n)]


def records(log):
    """of all files, as show prints them"""
    return [json.loads(x) for x in audit(log, "show", "--json", check=True).out.splitlines()]


def expect_whole(log, count):
    """nothing is lost, nothing is there twice, and both chains are whole"""
    found = records(log)
    assert [r["seq"] for r in found] == list(range(1, len(found) + 1))
    assert len([r for r in found if r["event"] == "exec"]) == count
    verdict = json.loads(audit(log, "verify", "--json", check=True).out)
    assert (verdict["verdict"], verdict["records"]) == ("unanchored", len(found))
    assert verdict["first_seq"] == 1
    return verdict["recovered"]


def test_rotated_by_logrotate_while_it_is_written_to(log, work):
    """with the lines of agentrun-audit(5)"""
    path = "/usr/sbin" + os.pathsep + os.environ["PATH"]
    logrotate = shutil.which("logrotate", path=path)
    if not logrotate:
        pytest.skip("no logrotate")
    with open(os.path.join(runtime.REPO, "man", "agentrun-audit.5"), encoding="ascii") as f:
        lines = f.read().split("/var/log/agentrun/audit.jsonl {\n")[1].split("}")[0]
    config = os.path.join(work, "logrotate.conf")
    with open(config, "w", encoding="ascii") as f:
        f.write(f"{log.path} {{\n{lines}}}\n")
    os.chmod(config, 0o644)
    procs = writers(log)
    turns = 0
    while any(p.poll() is None for p in procs):
        subprocess.run([logrotate, "--force", "--state", os.path.join(work, "state"), config], check=True,
                       timeout=30)
        turns += 1
        assert json.loads(audit(log, "verify", "--json", check=True).out)["verdict"] == "unanchored"
        time.sleep(0.05)
    assert all(p.returncode == 0 for p in procs)
    assert turns > 1
    assert expect_whole(log, 4500) >= 2
    assert any(name.startswith("audit.jsonl.") for name in os.listdir(log.dir))
    # the file that logrotate made or left is ours alone
    for name in os.listdir(log.dir):
        if name.startswith("audit.jsonl"):
            assert stat.S_IMODE(os.stat(os.path.join(log.dir, name)).st_mode) == 0o600


def test_rotated_by_agentrun_while_it_is_written_to(log):
    procs = writers(log)
    while any(p.poll() is None for p in procs):
        audit(log, "rotate", check=True)
        time.sleep(0.02)
    assert all(p.returncode == 0 for p in procs)
    assert expect_whole(log, 4500) >= 2


def test_the_list_and_a_session_are_of_all_files(log):
    log.append("s0", "exec")
    log.append("s0", "delete")
    assert audit(log, "rotate", check=True).out == "audit.jsonl-00000000000000000003: up to record 3\n"
    # nobody has written since
    assert [x["session"] for x in map(json.loads, audit(log, "list", "--json").out.splitlines())] == ["s0"]
    log.append("s1", "create")
    assert [(x["session"], x["records"]) for x in
            map(json.loads, audit(log, "list", "--json").out.splitlines())] == [("s0", 3), ("s1", 1)]
    log("record", "s0", "apply", '{"applied":[]}')
    shown = [json.loads(x) for x in audit(log, "show", "--json", "s0", check=True).out.splitlines()]
    assert [x["event"] for x in shown] == ["create", "exec", "delete", "apply"]
    assert [x["session_seq"] for x in shown] == [1, 2, 3, 4]


def test_how_many_stay(log):
    log.append("s0", "delete")
    audit(log, "rotate", check=True)
    for i in range(3):
        log.append(f"t{i}", "create")
        log.append(f"t{i}", "delete")
        r = audit(log, "rotate", "--keep", "2", check=True)
    assert "removed the oldest files: 1; left: 2" in r.out
    verdict = audit(log, "verify", check=True).out
    assert "begins with record 6" in verdict
    log.append("open", "create")
    for i in range(3):
        r = audit(log, "rotate", "--keep", "1", check=True)
        log.append(f"u{i}", "create")
        log.append(f"u{i}", "delete")
    assert "files stay: session open has not ended" in r.out
    done = json.loads(audit(log, "rotate", "--keep", "1", "--json", check=True).out)
    assert done["held"] == "open" and done["removed"] == 0 and done["files"] == 4
    log.append("open", "delete")
    assert json.loads(audit(log, "rotate", "--keep", "1", "--json", check=True).out)["files"] == 1
    assert "verify" in audit(log, "verify", "--keep", "1").err


def test_a_copy_that_truncates_loses_records_and_is_told(log):
    log.append("s0", "exec", 3)
    shutil.copy(log.path, log.path + ".1")
    log.append("s0", "exec", 2)  # in neither
    os.truncate(log.path, 0)
    log.append("s0", "exec")
    verdict = json.loads(audit(log, "verify", "--json").out)
    assert verdict["bad_seq"] == 5 and "records 5 to 6 are missing" in verdict["reason"]
