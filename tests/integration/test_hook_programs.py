# SPDX-License-Identifier: Apache-2.0
"""hooks/: the programs that take an audit record, or the state that any OCI runtime gives."""
import hashlib
import json
import os
import re
import shutil
import socket
import stat
import struct
import subprocess
import textwrap
import threading
import time

import pytest
import runtime
from bundle import Bundle

ZEROS = "0" * 64
STATE = {"ociVersion": "1.0.2", "id": "c1", "status": "created", "pid": 7, "bundle": "/b",
         "annotations": {"token": "hunter2"}}
JOURNAL = "/run/systemd/journal/socket"


def record(event="create", **members):
    frame = {"v": 1, "time": "2026-01-02T03:04:05.000000006Z", "seq": 5, "prev": ZEROS,
             "session": "01s", "session_seq": 1, "session_prev": ZEROS, "event": event,
             "container.id": "c1"}
    # with blanks, which a program that wrote it anew would lose
    return json.dumps({**frame, **members}) + "\n"


def hook(name):
    """Built beside the runtime."""
    for d in (os.environ.get("AGENTRUN_HOOKS"), os.path.dirname(runtime.program()), runtime.REPO):
        path = os.path.join(d or "", f"agentrun-hook-{name}")
        if os.path.exists(path):
            return path
    raise AssertionError(f"agentrun-hook-{name} is not built")


def to_file(path, text, check=True):
    return runtime.run([hook("file"), path], stdin=text, check=check)


def to_syslog(text, *args, check=True):
    return runtime.run([hook("syslog"), *args], stdin=text, check=check)


# ---- agentrun-hook-file


def test_file_gets_the_record_byte_for_byte(work):
    path = f"{work}/f"
    before = os.umask(0)
    try:
        to_file(path, record())
        to_file(path, record("delete"))
    finally:
        os.umask(before)
    with open(path, encoding="utf-8") as f:
        assert f.read() == record() + record("delete")
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600


def test_file_gets_a_state_as_one_line(work):
    path = f"{work}/f"
    to_file(path, json.dumps(STATE, indent=2))
    with open(path, encoding="utf-8") as f:
        text = f.read()
    assert text.count("\n") == 1
    line = json.loads(text)
    assert line["container.id"] == "c1" and line["event"] == "created"
    assert line["oci.state"]["bundle"] == "/b"
    assert "hunter2" not in text, "annotations may hold anything"


def test_file_closes_a_torn_line(work):
    path = f"{work}/f"
    with open(path, "w", encoding="utf-8") as f:
        f.write(record() + '{"torn')
    to_file(path, record())
    with open(path, encoding="utf-8") as f:
        assert f.read() == record() + '{"torn\n' + record()


NO_EVENT = [("", "not valid JSON"), ("x", "not valid JSON"), ("[]", "neither an audit record nor"),
            ("{}", "neither an audit record nor"), ('{"v":1}', "neither an audit record nor"),
            (record()[:-20], "not valid JSON"), ("{" * 100000, "not valid JSON"),
            ('{"long":"' + "x" * (2 << 20) + '"}', "larger than 1048576 bytes")]


@pytest.mark.parametrize("text, why", NO_EVENT, ids=[text[:8] for text, _ in NO_EVENT])
def test_file_refuses_what_is_no_event(work, text, why):
    r = to_file(f"{work}/f", text, check=why)
    assert r.code == 1 and r.err.startswith("agentrun-hook-file: standard input")
    assert not os.path.exists(f"{work}/f")


def test_file_follows_no_link_and_waits_for_no_fifo(work):
    os.symlink(f"{work}/elsewhere", f"{work}/link")
    os.mkfifo(f"{work}/fifo")
    for name, why in (("link", "Too many levels of symbolic links"), ("fifo", "not a regular file"),
                      ("no/such", "No such file"), (".", "Is a directory")):
        r = to_file(f"{work}/{name}", record(), check=f"{work}/{name}: {why}")
        assert r.code == 1 and r.seconds < 2, r.err
    assert not os.path.exists(f"{work}/elsewhere")
    to_file("relative", record(), check="an absolute path")


def test_file_that_is_full_stays_as_it_was(work):
    path = f"{work}/f"
    to_file(path, record())
    with open(path, "rb") as f:
        before = f.read()
    limit = len(before) + 100
    r = runtime.run(["/usr/bin/python3", "-c", textwrap.dedent(f"""
        import os, resource, signal
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
        os.execv({hook('file')!r}, ["hook", {path!r}])""")], stdin=record())
    assert r.code == 1 and "append to" in r.err
    with open(path, "rb") as f:
        assert f.read() == before


def test_file_with_many_writers(work):
    path = f"{work}/f"
    lines = [record(n=i, text="x" * 5000) for i in range(50)]
    procs = [subprocess.Popen([hook("file"), path], stdin=subprocess.PIPE) for _ in lines]
    for p, line in zip(procs, lines):
        p.stdin.write(line.encode())
    for p in procs:
        p.stdin.close()
    assert [p.wait(30) for p in procs] == [0] * 50
    with open(path, encoding="utf-8") as f:
        assert sorted(f.readlines()) == sorted(lines)


@pytest.mark.parametrize("program", ["runc", "crun"])
def test_file_as_an_oci_hook_of(work, program):
    if not shutil.which(program):
        pytest.skip(f"no {program}")
    os.mkdir(f"{work}/root")
    path = shutil.which(program)
    if program == "crun" and os.path.isdir("/sys/fs/cgroup/unified"):
        # crun refuses hybrid hierarchies: it gets to see the unified one only
        path = f"{work}/crun"
        with open(path, "w", encoding="utf-8") as f:
            f.write("#!/bin/sh\nexec unshare -m sh -ec 'mount --bind /sys/fs/cgroup/unified "
                    "/sys/fs/cgroup; exec crun --cgroup-manager disabled \"$@\"' crun \"$@\"\n")
        os.chmod(path, 0o755)
    other = runtime.Runtime(f"{work}/root", path, program)
    b = Bundle(f"{work}/b-{program}-{os.getpid()}", ["true"])
    entry = {"path": hook("file"), "args": ["agentrun-hook-file", f"{work}/log"]}
    b.config["mounts"] = [m for m in b.config["mounts"] if m["type"] != "cgroup"]
    b.config["hooks"] = {k: [entry] for k in ("createRuntime", "poststart", "poststop")}
    b.save()
    assert other.run(b, timeout=60).code == 0
    with open(f"{work}/log", encoding="utf-8") as f:
        lines = [json.loads(line) for line in f]
    assert len(lines) == 3
    assert {x["container.id"] for x in lines} == {b.id}
    assert lines[0]["event"] in ("creating", "created") and lines[2]["event"] == "stopped"
    assert [x["time"] for x in lines] == sorted(x["time"] for x in lines)


# ---- agentrun-hook-syslog, to a receiver of our own


class Receiver:
    """A socket such as syslog daemons have, and what came."""

    def __init__(self, path, kind=socket.SOCK_DGRAM):
        self.messages = []
        self.socket = socket.socket(socket.AF_UNIX, kind)
        self.socket.bind(path)
        self.socket.settimeout(10)
        self.kind = kind
        if kind == socket.SOCK_STREAM:
            self.socket.listen()

    def receive(self):
        if self.kind == socket.SOCK_DGRAM:
            return self.socket.recv(1 << 20)
        conn, _ = self.socket.accept()
        with conn:
            data = b""
            while part := conn.recv(65536):
                data += part
        return data

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.socket.close()


def test_syslog_rfc3164(work):
    with Receiver(f"{work}/s") as r:
        to_syslog(record(), "--socket", f"{work}/s")
        got = r.receive().decode()
        m = re.fullmatch(r"<86>[A-Z][a-z]{2} [ 1-3]\d \d\d:\d\d:\d\d agentrun\[\d+\]: (.*)", got)
        assert m and m[1] + "\n" == record()


def test_syslog_rfc5424(work):
    with Receiver(f"{work}/s") as r:
        to_syslog(record("exec"), "--socket", f"{work}/s", "--format", "rfc5424",
                  "--facility", "local3")
        m = re.fullmatch(r"<158>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z [\w.-]+ agentrun \d+ "
                         r"exec - (.*)", r.receive().decode())
        assert m and m[1] + "\n" == record("exec")


def test_syslog_says_what_is_noteworthy(work):
    with Receiver(f"{work}/s") as r:
        for denied, pri in ((0, "<86>"), (3, "<85>")):
            to_syslog(record("delete", network={"denied_packets": denied}), "--socket", f"{work}/s")
            assert r.receive().decode().startswith(pri)


def test_syslog_stream(work):
    with Receiver(f"{work}/s", socket.SOCK_STREAM) as r:
        t = threading.Thread(target=lambda: r.messages.append(r.receive()))
        t.start()
        to_syslog(record(), "--socket", f"{work}/s")
        t.join(10)
        assert r.messages[0].endswith(record().strip().encode() + b"\0")


def test_syslog_cuts_what_is_long_and_names_its_hash(work):
    text = record("exec", **{"process.command_args": ["x" * 60000], "process.pid": 7})
    with Receiver(f"{work}/s") as r:
        to_syslog(text, "--socket", f"{work}/s")
        got = r.receive().decode()
    assert len(got) < 8192
    line = json.loads(got.split(": ", 1)[1])
    assert line["sha256"] == hashlib.sha256(text.strip().encode()).hexdigest()
    assert line["cut_from_bytes"] == len(text) - 1
    assert line["seq"] == 5 and line["process.pid"] == 7 and line["container.id"] == "c1"


def test_syslog_state_of_another_runtime(work):
    with Receiver(f"{work}/s") as r:
        to_syslog(json.dumps(STATE), "--socket", f"{work}/s")
        got = r.receive().decode()
    assert '"oci.state"' in got and "hunter2" not in got and "\n" not in got


def journal_fields(data):
    fields = {}
    while data:
        name, data = data.split(b"\n", 1)
        n = struct.unpack("<Q", data[:8])[0]
        assert data[8 + n:9 + n] == b"\n"
        fields[name.decode()] = data[8:8 + n].decode()
        data = data[9 + n:]
    return fields


def test_journal_fields(work):
    text = record("exec", **{"process.command_args": ["x" * 60000, "a\nPRIORITY=0"]})
    with Receiver(f"{work}/s") as r:
        to_syslog(text, "--socket", f"{work}/s", "--format", "journal")
        fields = journal_fields(r.receive())
    assert fields["AGENTRUN_RECORD"] + "\n" == text
    assert fields["AGENTRUN_SHA256"] == hashlib.sha256(text.strip().encode()).hexdigest()
    assert fields["MESSAGE"] == "container c1: exec"
    assert fields["AGENTRUN_SESSION"] == "01s" and fields["AGENTRUN_SEQ"] == "5"
    assert fields["PRIORITY"] == "6" and fields["SYSLOG_IDENTIFIER"] == "agentrun"


def test_syslog_that_hangs_is_given_up(work):
    with Receiver(f"{work}/s"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.setblocking(False)
            try:
                while True:
                    s.sendto(b"x" * 1000, f"{work}/s")
            except BlockingIOError:
                pass
        began = time.monotonic()
        r = to_syslog(record(), "--socket", f"{work}/s", "--timeout", "300", check=False)
        assert r.code == 1 and "nothing was taken for 300 ms" in r.err
        assert 0.2 < time.monotonic() - began < 3


@pytest.mark.parametrize("args, why", [
    (["--socket", "/no/such"], "connect to /no/such: No such file"),
    (["--format", "x"], "--format x: unknown"), (["--timeout", "0"], "expected 1 to 60000"),
    (["--max-bytes", "1x"], "expected 1024 to 65536"), (["--facility", "kern"], "kern: unknown"),
    (["more"], "usage: "), (["--socket", "/" + "x" * 200], "--socket: path too long")])
def test_syslog_errors(args, why):
    r = to_syslog(record(), *args, check=why)
    assert r.code == 1 and r.err.startswith("agentrun-hook-syslog: ")


# ---- real daemons


RSYSLOG = """
module(load="imuxsock" SysSock.Name="/dev/log" SysSock.RateLimit.Interval="0")
template(name="raw" type="string" string="%syslogtag%|%syslogfacility-text%|%msg%\\n")
*.* action(type="omfile" file="{work}/out" template="raw")
"""


def test_rsyslog(work):
    """With a /dev of its own, where the daemon makes /dev/log."""
    rsyslogd = shutil.which("rsyslogd", path=os.environ["PATH"] + ":/usr/sbin")
    if not rsyslogd:
        pytest.skip("no rsyslogd")
    with open(f"{work}/conf", "w", encoding="utf-8") as f:
        f.write(RSYSLOG.format(work=work))
    with open(f"{work}/record", "w", encoding="utf-8") as f:
        f.write(record("exec", **{"process.command_args": ["ls", "a\"b", "gr\u00fc\u00df"]}))
    with open(f"{work}/state", "w", encoding="utf-8") as f:
        json.dump(STATE, f)
    script = textwrap.dedent(f"""
        mkdir {work}/dev
        mount -t tmpfs tmpfs {work}/dev
        for f in null zero urandom random; do
            touch {work}/dev/$f; mount --bind /dev/$f {work}/dev/$f
        done
        mount --bind {work}/dev /dev
        {rsyslogd} -n -f {work}/conf -i {work}/pid &
        i=0
        while [ ! -S /dev/log ]; do sleep 0.05; i=$((i+1)); [ $i -lt 100 ]; done
        {hook('syslog')} <{work}/record
        {hook('syslog')} --facility daemon <{work}/state
        i=0
        while [ "$(cat {work}/out | grep -c agentrun)" -lt 2 ]; do
            sleep 0.05; i=$((i+1)); [ $i -lt 100 ]
        done
        kill $!
        wait $! || true
        """)
    runtime.run(["unshare", "-m", "-p", "-f", "--kill-child", "--mount-proc",
                 "sh", "-ec", script], check=True)
    with open(f"{work}/out", encoding="utf-8") as f:
        lines = [line.rstrip("\n").split("|", 2) for line in f if line.startswith("agentrun[")]
    assert [x[1] for x in lines] == ["authpriv", "daemon"]
    with open(f"{work}/record", encoding="utf-8") as f:
        # JSON's escapes keep the record ASCII: it arrives byte for byte
        assert lines[0][2].lstrip() == f.read().strip()
    assert json.loads(lines[1][2])["container.id"] == "c1"


@pytest.mark.skipif(not os.path.exists(JOURNAL), reason="no journald")
def test_journald():
    session = f"t{os.getpid()}{time.monotonic_ns()}"
    text = record("exec", **{"process.command_args": ["x" * 40000]}).replace("01s", session)
    to_syslog(text)

    def found():
        out = runtime.run(["journalctl", "-o", "json", "--all", f"AGENTRUN_SESSION={session}"]).out
        return [json.loads(line) for line in out.splitlines() if line.startswith("{")]

    entries = runtime.until(found)
    assert len(entries) == 1
    assert entries[0]["AGENTRUN_RECORD"] + "\n" == text
    assert entries[0]["MESSAGE"] == "container c1: exec"
    assert entries[0]["SYSLOG_IDENTIFIER"] == "agentrun"
