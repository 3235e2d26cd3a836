# SPDX-License-Identifier: Apache-2.0
"""Attacks on the audit log's files (THREATS F1-F5), and its records against their schema."""
import hashlib
import json
import os
import re
import signal
import subprocess
import time

import audit_log
import pytest
import runtime

SCHEMA = os.path.join(runtime.REPO, "profiles", "audit-record.schema.json")


@pytest.fixture
def log(work):
    return audit_log.Log(os.path.join(work, "log"))


@pytest.fixture
def session(log):
    """a create, three execs, a delete of one container between the records of another"""
    log.append("a", "create")
    log.append("b", "create")
    log.append("a", "exec", 3)
    log.append("b", "exec")
    log.append("a", "delete")
    log.append("b", "exec", 2)
    assert log.verify()[:2] == (0, 9)
    return log


# ---- F1


@pytest.mark.parametrize("edit, bad, later", [
    (lambda x: x[:3] + [x[3].replace(b"box", b"fox")] + x[4:], 4, 4),
    (lambda x: x[:3] + x[4:], 4, 4),
    (lambda x: x[1:], 1, 1),
    (lambda x: x[:3] + [x[4], x[3]] + x[5:], 4, 4),
    (lambda x: x[:3] + [x[3], x[3]] + x[4:], 5, 5),
    (lambda x: x[:-2], 8, 8),
    # indistinguishable from a rotation by copying: the new log says that it begins with record 10
    (lambda x: [], 1, 0),
    (lambda x: x[:8] + [x[8][:100]], 9, 9),
    (lambda x: x[:4] + [b"\x00\xff"] + x[4:], 5, 5),
], ids=["edited", "removed", "first-removed", "reordered", "repeated", "tail-cut", "emptied", "torn",
        "inserted"])
def test_F1_tampering_is_found(session, edit, bad, later):
    session.put(edit(session.lines()))
    assert session.verify()[0] == bad
    # and stays found when the log goes on
    session.append("c", "create")
    assert session.verify()[0] == later
    if not later:
        first = json.loads(session.lines()[0])
        assert first["seq"] == 10 and first["event"] == "recovered"


def rehash(lines, i):
    """The strongest edit: record i changed, and every hash after it made anew."""
    lines[i] = lines[i].replace(b"box", b"fox")
    last = {}
    for k, line in enumerate(lines):
        record = json.loads(line)
        for key, was in (("prev", lines[k - 1] if k else None),
                         ("session_prev", last.get(record["session"]))):
            digest = hashlib.sha256(was).hexdigest() if was else "0" * 64
            line = re.sub(rf'"{key}":"[0-9a-f]*"'.encode(), f'"{key}":"{digest}"'.encode(), line)
        lines[k] = last[record["session"]] = line
    return lines


def test_F1_a_log_hashed_anew_differs_from_its_head(session):
    session.put(rehash(session.lines(), 3))
    assert session.verify()[0] == 9


def test_F1_a_log_hashed_anew_with_its_head_needs_a_witness(session):
    """What no file on the same host can tell, the words "ok" must not claim."""
    witness = hashlib.sha256(session.lines()[-1]).hexdigest()
    session.put(rehash(session.lines(), 3))
    os.unlink(os.path.join(session.dir, "audit.head"))
    assert session.verify()[0] == 0
    program = [runtime.program(), "audit", "verify", "--directory", session.dir]
    if runtime.flavour() == "agentrun":
        assert runtime.run(program, check=True).out.startswith("unanchored: 9 records")
        r = runtime.run([*program, "--anchor", witness], check=False)
        assert "first bad record: 1" in r.err


def test_F1_a_session_that_was_taken_out_leaves_a_gap(session):
    session.put([x for x in session.lines() if json.loads(x)["session"] != "a"])
    assert session.verify()[0] == 1


# ---- F2


def test_F2_many_deletes_make_one_record(session):
    procs = [subprocess.Popen([session.probe, "append", session.dir, "b", "delete", "3"])
             for _ in range(20)]
    assert [p.wait(30) for p in procs] == [0] * 20
    deletes = [x for x in map(json.loads, session.lines())
               if (x["session"], x["event"]) == ("b", "delete")]
    assert len(deletes) == 1
    assert session.verify()[0] == 0


# ---- F3


def test_F3_disk_full(log):
    os.mkdir(log.dir, 0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k,mode=700", "tmpfs", log.dir], check=True)
    try:
        log.append("s", "create")
        r = log.append(count=100000, check=False)
        assert r.err.startswith(f"audit: {log.dir}: ") and "No space left on device" in r.err
        with open(log.path, "rb") as f:
            assert f.read().endswith(b"}\n"), "no torn record is left"
        bad, records, recovered, _ = log.verify()
        assert bad == 0 and recovered == 0 and records > 50
        log.append("new", "create", check="write sessions/new: No space left on device")
        subprocess.run(["mount", "-o", "remount,size=1m", log.dir], check=True)
        log.append("s", count=3)
        assert log.verify()[:3] == (0, records + 3, 0)
    finally:
        subprocess.run(["umount", log.dir], check=True)


def test_F3_directory_read_only(session):
    subprocess.run(["mount", "--bind", session.dir, session.dir], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", session.dir], check=True)
        session.append(check="Read-only file system")
        assert session.verify()[0] == 0, "it can be read all the same"
        assert session("show", "box").out.startswith("Session ")
    finally:
        subprocess.run(["umount", session.dir], check=True)


@pytest.mark.parametrize("how", ["remove", "rotate"])
def test_F3_the_log_vanishes_while_it_is_written(log, how):
    """Whatever is left is one chain, and says where it goes on from; rotated, nothing is lost."""
    procs = [subprocess.Popen([log.probe, "append", log.dir, f"s{i}", "exec", "2000"])
             for i in range(4)]
    rotated, removed = [], 0
    while any(p.poll() is None for p in procs):
        time.sleep(0.01)
        try:
            if how == "remove":
                os.unlink(log.path)
                removed += 1
            else:
                os.rename(log.path, f"{log.dir}/old.{len(rotated)}")
                rotated.append(f"{log.dir}/old.{len(rotated)}")
        except FileNotFoundError:
            pass
    assert rotated or removed
    assert [p.wait() for p in procs] == [0] * 4
    log.append("last", "create")
    bad, records, recovered, reason = log.verify()
    assert bad == 0, reason
    assert recovered <= 1
    if how == "rotate":
        whole = b""
        for path in [*rotated, log.path]:
            with open(path, "rb") as f:
                whole += f.read()
        with open(log.path, "wb") as f:
            f.write(whole)
        bad, records, recovered, reason = log.verify()
        assert bad == 0, reason
        assert records - recovered == 4 * 2000 + 1


def test_F3_killed_while_appending(log):
    """Killed at any moment: at most one torn line, which is closed and recorded."""
    for i in range(40):
        p = subprocess.Popen([log.probe, "append", log.dir, f"s{i}", "exec", "100000"])
        time.sleep(0.002 + i * 0.0005)
        p.send_signal(signal.SIGKILL)
        p.wait()
    log.append("last", "create")
    bad, records, _, reason = log.verify()
    assert bad == 0, reason
    assert records > 10


FOREIGN = {"link": "open {}: Too many levels of symbolic links",
           "directory": "open {}: Is a directory", "fifo": "{}: not a file of uid 0"}


@pytest.mark.parametrize("name, what, why", [
    *((name, what, why.format(name)) for name in ("audit.jsonl", "audit.head", "sessions/s")
      for what, why in FOREIGN.items() if (name, what) != ("sessions/s", "fifo")),
    ("sessions/s", "fifo", "write sessions/s: Illegal seek"),
    ("sessions", "link", "open sessions/s: No such file"),
    ("sessions", "fifo", "open sessions/s: Not a directory")])
def test_F3_a_foreign_file_in_the_place_of_ours(log, name, what, why, work):
    path = os.path.join(log.dir, name)
    os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
    if what == "link":
        os.symlink(f"{work}/victim", path)
    elif what == "fifo":
        os.mkfifo(path)
    else:
        os.mkdir(path)
    log.append("s", "create", check=f"audit: {log.dir}: {why}", timeout=5)
    assert not os.path.lexists(f"{work}/victim")


def test_F3_a_directory_that_others_may_write_to(log):
    os.mkdir(log.dir)
    os.chmod(log.dir, 0o777)
    said = f"{log.dir}: must belong to uid 0 and be writable by no one else"
    log.append("s", "create", check=said)
    os.chmod(log.dir, 0o700)
    os.chown(log.dir, 1000, 1000)
    log.append("s", "create", check=said)


# ---- F4


def test_F4_fifty_writers_of_a_thousand_records(log):
    procs = [subprocess.Popen([log.probe, "append", log.dir, f"s{i}", "exec", "1000"])
             for i in range(50)]
    assert [p.wait(300) for p in procs] == [0] * 50
    assert log.verify()[:3] == (0, 50000, 0)
    seqs = [json.loads(x)["seq"] for x in log.lines()]
    assert seqs == list(range(1, 50001))


# ---- F5


@pytest.mark.parametrize("args", [
    ["a\"b'c\\d", "two\nlines\r\n", "\x1b]0;title\x07\x1b[2J", "\x9b31m", "\u202etxt.exe"],
    [b"\xff\xfe\xc3(", b"\xed\xa0\x80", b"\xf4\x90\x80\x80"],
    ["\",\"event\":\"delete\",\"x\":\"", "}\n{\"v\":1}"],
    ["x" * 130000, "\n" * 100000, "\x01" * 100000],
    ["a"] * 100000,
    ["\u00e4" * 60000, "\U0001f600" * 30000],
], ids=["control", "utf8", "json", "long", "many", "wide"])
def test_F5_hostile_arguments(log, args):
    log.append("s", "create")
    raw = [a if isinstance(a, bytes) else a.encode() for a in args]
    r = subprocess.run([log.probe.encode(), b"exec", log.dir.encode(), b"s", *raw], check=False,
                       capture_output=True, timeout=60)
    assert r.returncode == 0, r.stderr
    lines = log.lines()
    assert len(lines) == 2 and len(lines[1]) < 65536
    record = json.loads(lines[1].decode("utf-8", errors="strict"))
    assert record["event"] == "exec" and record["session"] == "s"
    got = record["process.command_args"]
    if sum(map(len, raw)) < 1000:
        assert got == [a.decode("utf-8", errors="replace") if len(a) < 3 else got[i]
                       for i, a in enumerate(raw)]
        assert "truncated" not in record
    else:
        assert record["truncated"]
    page = log("show", "s").out
    assert "exec" in page
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", page)
    assert log.verify()[0] == 0


def test_F5_an_argument_of_a_megabyte(log):
    """In parts, as execve() takes none longer than 128 KiB."""
    log("exec", "s", *(["y" * 100000] * 10))
    (line,) = log.lines()
    record = json.loads(line)
    assert len(line) < 65536 and len(record["process.command_args"]) == 10
    assert all("more bytes" in note for note in record["truncated"])


# ---- the records as described


def test_records_follow_their_schema(log):
    jsonschema = pytest.importorskip("jsonschema")
    with open(SCHEMA, encoding="utf-8") as f:
        schema = json.load(f)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    log("session")
    for event in ("create", "start", "exec", "delete"):
        log.append("plain", event)
    os.rename(log.path, log.path + ".1")
    log("exec", "long", *(["z" * 100000] * 2))
    with open(log.path, "ab") as f:
        f.write(b"torn")
    log.append("x", "create")
    lines = log.lines()
    with open(log.path + ".1", "rb") as f:
        records = [json.loads(x) for x in f]
    records += [json.loads(x) for x in lines if x != b"torn"]
    assert {r["event"] for r in records} == {"create", "start", "exec", "commands", "exit", "hook",
                                             "delete", "apply", "recovered"}
    for record in records:
        assert [e.message for e in validator.iter_errors(record)] == []
    # it is strict: a member that no one described is an error
    assert list(validator.iter_errors({**records[0], "surprise": 1}))
    assert list(validator.iter_errors({**records[0], "policy": {"profile": "x"}}))


def test_a_manual_page_names_every_member(log):
    with open(os.path.join(runtime.REPO, "man", "agentrun-audit.5"), encoding="utf-8") as f:
        manual = f.read().replace("\\-", "-")
    log("session")
    for line in log.lines():
        record = json.loads(line)
        for key in record:
            assert re.search(rf"^\.B[A-Z]? {re.escape(key)}\b", manual, re.M), key
        for key in [*(record.get("policy") or ()), *(record.get("commands") or ()),
                    *(record.get("files") or ()), *(record.get("executions") or [()])[0]]:
            assert re.search(rf'^\.B[A-Z]? (.*", " )?{key}( |$)', manual, re.M), key
