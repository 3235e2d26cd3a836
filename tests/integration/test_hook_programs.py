# SPDX-License-Identifier: Apache-2.0
"""hooks/: the programs that take an audit record, or the state that any OCI runtime gives."""
import contextlib
import hashlib
import json
import os
import re
import shutil
import socket
import ssl
import stat
import struct
import subprocess
import textwrap
import threading
import time

import collector
import confined
import pytest
import runtime
from bundle import Bundle
from collector import Answer, Collector, attributes_of, value_of

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


def to_journald(text, *args, check=True):
    return runtime.run([hook("journald"), *args], stdin=text, check=check)


def to_otlp(text, *args, check=True, env=None):
    """With the environment of an audit hook, and what `env` has besides."""
    return runtime.run([hook("otlp"), *args], stdin=text, check=check,
                       env={"PATH": os.environ["PATH"], **(env or {})})


def has_otlp():
    """Built, and its messages can be checked."""
    try:
        return bool(hook("otlp")) and collector.CAN_CHECK
    except AssertionError:
        return False


needs_otlp = pytest.mark.skipif(
    not has_otlp(),
    reason="agentrun-hook-otlp is not built: no libcurl; or nothing here knows the protocol's schema")


FIELD = re.compile(r'^\t\{ (?:NULL|"(\S+)"), "(\S+)", "(\S+)", (true|false) \},', flags=re.M)


def test_the_manual_names_every_field():
    """In agentrun-hook-otlp(8), in the order of the programs' own table."""
    with open(f"{runtime.REPO}/hooks/event.c", encoding="utf-8") as f:
        fields = [x[2] for x in FIELD.findall(f.read())]
    with open(f"{runtime.REPO}/man/agentrun-hook-otlp.8", encoding="utf-8") as f:
        text = f.read().split(".SS Fields\n")[1].split(".SS")[0]
    assert len(fields) > 40
    assert re.findall(r"^\.(?:BR?) (\S+)(?: [,.])?$", text, flags=re.M) == list(dict.fromkeys(fields))


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


def fill(path):
    """Until nobody can send to it any more: the queue is full, not a sender's own buffer."""
    sent = True
    while sent:
        sent = False
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.setblocking(False)
            try:
                while True:
                    s.sendto(b"x", path)
                    sent = True
            except BlockingIOError:
                pass


@pytest.mark.parametrize("send", [to_syslog, to_journald])
@pytest.mark.parametrize("size", [10, 600000], ids=["short", "long"])
def test_a_log_that_hangs_is_given_up(work, send, size):
    with Receiver(f"{work}/s"):
        fill(f"{work}/s")
        began = time.monotonic()
        r = send(record(text="x" * size), "--socket", f"{work}/s", "--timeout", "300", check=False)
        assert r.code == 1 and "nothing was taken for 300 ms" in r.err
        assert 0.2 < time.monotonic() - began < 3


@pytest.mark.parametrize("args, why", [
    (["--socket", "/no/such"], "connect to /no/such: No such file"),
    (["--format", "x"], "--format x: unknown"), (["--timeout", "0"], "expected 1 to 60000"),
    (["--max-bytes", "1x"], "expected 1024 to 65536"), (["--facility", "kern"], "kern: unknown"),
    (["more"], "usage: "), (["--format", "journal"], "--format journal: unknown"),
    (["--socket", "/" + "x" * 200], "path too long for a socket")])
def test_syslog_errors(args, why):
    r = to_syslog(record(), *args, check=why)
    assert r.code == 1 and r.err.startswith("agentrun-hook-syslog: ")


@pytest.mark.parametrize("name", ["file", "journald", "otlp", "syslog"])
def test_help(name):
    try:
        path = hook(name)
    except AssertionError:
        pytest.skip("not built")
    r = runtime.run([path, "--help"], stdin="", check=True)
    assert r.out.startswith(f"usage: agentrun-hook-{name} ") and r.err == ""


# ---- agentrun-hook-journald, to a receiver of our own


def journal_fields(data):
    fields = {}
    while data:
        name, data = data.split(b"\n", 1)
        n = struct.unpack("<Q", data[:8])[0]
        assert data[8 + n:9 + n] == b"\n"
        assert name.decode() not in fields
        fields[name.decode()] = data[8:8 + n].decode()
        data = data[9 + n:]
    return fields


def test_journald_fields(work):
    text = record("exec", **{"process.command_args": ["x" * 60000, "a\nPRIORITY=0"],
                             "process.interactive": False, "process.working_directory": None,
                             "policy": {"profile": "agent", "egress": {"mode": "none"}},
                             "claims": {"task": "7"}})
    with Receiver(f"{work}/s") as r:
        to_journald(text, "--socket", f"{work}/s")
        fields = journal_fields(r.receive())
    assert fields.pop("AGENTRUN_RECORD") + "\n" == text
    assert json.loads(fields.pop("PROCESS_COMMAND_ARGS")) == ["x" * 60000, "a\nPRIORITY=0"]
    assert fields == {
        "MESSAGE": "container c1: exec", "PRIORITY": "6", "SYSLOG_IDENTIFIER": "agentrun",
        "SYSLOG_FACILITY": "10", "AGENTRUN_EVENT": "exec", "CONTAINER_ID": "c1",
        "AGENTRUN_SESSION": "01s", "AGENTRUN_SEQ": "5", "AGENTRUN_SESSION_SEQ": "1",
        "AGENTRUN_TIME": "2026-01-02T03:04:05.000000006Z", "AGENTRUN_PREV": ZEROS,
        "AGENTRUN_SESSION_PREV": ZEROS, "PROCESS_INTERACTIVE": "false",
        "AGENTRUN_POLICY_PROFILE": "agent", "AGENTRUN_CLAIMS": '{"task":"7"}',
        "AGENTRUN_SHA256": hashlib.sha256(text.strip().encode()).hexdigest()}


def test_journald_takes_a_long_message_as_a_sealed_file(work):
    """Longer than a datagram may be."""
    text = record("exec", **{"process.command_args": ["x" * 600000]})
    with Receiver(f"{work}/s") as r:
        to_journald(text, "--socket", f"{work}/s")
        data, fds, _, _ = socket.recv_fds(r.socket, 1 << 20, 4)
    assert data == b"" and len(fds) == 1
    with open(fds[0], "rb") as f:
        f.seek(0)
        fields = journal_fields(f.read())
        with pytest.raises(OSError):
            os.pwrite(f.fileno(), b"x", 0)
        with pytest.raises(OSError):
            os.truncate(f.fileno(), 0)
    assert fields["AGENTRUN_RECORD"] + "\n" == text


NOTEWORTHY = [("delete", {"network": {"denied_packets": 0}}, False),
              ("delete", {"network": {"denied_packets": 3}}, True),
              ("delete", {"network": {"denied_packets": None}}, False),
              ("delete", {"network": {"unrecorded_packets": 1}}, True),
              ("delete", {"cost": {"oom_kills": 1}}, True), ("delete", {"network": None}, False),
              ("hook", {"hook.outcome": "timeout"}, True), ("recovered", {"reason": "torn"}, True)]


@pytest.mark.parametrize("event, members, notice", NOTEWORTHY)
def test_every_forwarder_says_what_is_noteworthy(work, event, members, notice):
    text = record(event, **members)
    with Receiver(f"{work}/s") as r:
        to_syslog(text, "--socket", f"{work}/s")
        assert r.receive().startswith(b"<85>" if notice else b"<86>")
        to_journald(text, "--socket", f"{work}/s")
        assert journal_fields(r.receive())["PRIORITY"] == ("5" if notice else "6")
    if has_otlp():
        with Collector() as c:
            to_otlp(text, "--endpoint", c.url)
            (r, _), = c.records
            assert (r["severityNumber"], r["severityText"]) == (
                (10, "NOTICE") if notice else (9, "INFO"))


@pytest.mark.parametrize("args, why", [
    (["--socket", "/no/such"], "connect to /no/such: No such file"),
    (["--timeout", "60001"], "expected 1 to 60000"), (["more"], "usage: "), (["-x"], "usage: ")])
def test_journald_errors(args, why):
    r = to_journald(record(), *args, check=why)
    assert r.code == 1 and r.err.startswith("agentrun-hook-journald: ")


def test_journald_speaks_datagrams_only(work):
    with Receiver(f"{work}/s", socket.SOCK_STREAM):
        to_journald(record(), "--socket", f"{work}/s", check="wrong type for socket")


# ---- agentrun-hook-otlp


@needs_otlp
def test_otlp_record(work):
    text = record("exec", **{
        "process.command_args": ["ls", "a\"b", "gr\u00fc\u00df", None], "process.pid": 7,
        "process.interactive": True, "process.working_directory": None, "duration_ns": 2**53 + 1,
        "process.exit.code": 1.5, "caller.uid": 2**64, "claims": {"task": "7", "more": {"n": 1}}})
    with Collector() as c:
        before = time.time_ns()
        to_otlp(text, "--endpoint", c.url)
        (r, resource), = c.records
        assert before <= int(r.pop("observedTimeUnixNano")) <= time.time_ns()
        agent, = (h["User-Agent"] for h in c.headers)
    assert value_of(r.pop("body")) + "\n" == text
    assert attributes_of(r.pop("attributes")) == {
        "agentrun.sha256": hashlib.sha256(text.strip().encode()).hexdigest(),
        "agentrun.event": "exec", "container.id": "c1", "agentrun.session": "01s",
        "agentrun.seq": 5, "agentrun.session_seq": 1, "agentrun.prev": ZEROS,
        "agentrun.session_prev": ZEROS, "agentrun.time": "2026-01-02T03:04:05.000000006Z",
        "agentrun.claims": {"task": "7", "more": {"n": 1}}, "agentrun.caller.uid": float(2**64),
        "process.command_args": ["ls", "a\"b", "gr\u00fc\u00df", None], "process.pid": 7,
        "process.interactive": True, "process.exit.code": 1.5, "agentrun.duration_ns": 2**53 + 1}
    assert r == {"timeUnixNano": "1767323045000000006", "severityNumber": 9,
                 "severityText": "INFO", "eventName": "agentrun.audit.exec"}
    assert resource["service.name"] == "agentrun" and resource["host.name"] == socket.gethostname()
    assert agent == f"agentrun-hook-otlp/{resource['service.version']}"


@needs_otlp
def test_otlp_state_of_another_runtime():
    with Collector() as c:
        before = time.time_ns()
        to_otlp(json.dumps(STATE), "--endpoint", c.url)
        (r, _), = c.records
    assert before <= int(r["timeUnixNano"]) <= int(r["observedTimeUnixNano"])
    assert r["eventName"] == "oci.state.created" and "hunter2" not in json.dumps(r)
    found = attributes_of(r["attributes"])
    assert found["container.id"] == "c1" and found["process.pid"] == 7
    assert found["agentrun.bundle"] == "/b" and found["agentrun.event"] == "created"


@needs_otlp
def test_otlp_odd_records():
    """What no record holds, but a stranger may send: it forms a request, or is refused."""
    deep = json.loads("[" * 80 + "]" * 80)
    huge = record("exec").replace('"seq"', '"process.pid": 1e999, "seq"')
    with Collector() as c:
        to_otlp(record("exec", time="yesterday", claims=deep, **{"container.id": 7}),
                "--endpoint", c.url)
        to_otlp(huge, "--endpoint", c.url)
        (first, _), (second, _) = c.records
    assert "timeUnixNano" not in first
    found = attributes_of(first["attributes"])
    assert found["container.id"] == 7 and json.dumps(found["agentrun.claims"]).count("[") >= 8
    assert attributes_of(second["attributes"])["process.pid"] == "1e999"


@needs_otlp
@pytest.mark.parametrize("args, env, path", [
    (["--endpoint", "{url}"], {}, "/v1/logs"), (["--endpoint", "{url}/"], {}, "/v1/logs"),
    (["--endpoint", "{url}/otlp/"], {}, "/otlp/v1/logs"),
    (["--logs-endpoint", "{url}/x?y=z"], {}, "/x?y=z"), (["--logs-endpoint", "{url}"], {}, "/"),
    ([], {"ENDPOINT": "{url}/a"}, "/a/v1/logs"),
    ([], {"ENDPOINT": "http://localhost:1", "LOGS_ENDPOINT": "{url}/b"}, "/b"),
    ([], {"ENDPOINT": "{url}/c", "LOGS_ENDPOINT": ""}, "/c/v1/logs"),
    (["--endpoint", "{url}"], {"LOGS_ENDPOINT": "http://localhost:1/"}, "/v1/logs")])
def test_otlp_endpoint(args, env, path):
    with Collector(path=path) as c:
        to_otlp(record(), *(a.format(url=c.url) for a in args), "--timeout", "1000",
                env={f"OTEL_EXPORTER_OTLP_{k}": v.format(url=c.url) for k, v in env.items()})
        assert len(c.records) == 1


@needs_otlp
def test_otlp_headers(work):
    path = f"{work}/headers"
    with open(path, "w", encoding="utf-8") as f:
        f.write("# the collector's key\n\nAuthorization: Bearer hunter2  \r\nX-Tenant:a b\n")
    os.chmod(path, 0o600)
    with Collector() as c:
        to_otlp(record(), "--endpoint", c.url, "--headers-file", path,
                env={"OTEL_EXPORTER_OTLP_HEADERS": "x-tenant=ignored"})
        to_otlp(record(), "--endpoint", c.url,
                env={"OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20hunter3 , x-b = 2"})
        to_otlp(record(), "--endpoint", c.url,
                env={"OTEL_EXPORTER_OTLP_HEADERS": "x-b=1", "OTEL_EXPORTER_OTLP_LOGS_HEADERS":
                     "x-b=2"})
        got = [{k: v for k, v in h.items() if k.lower() in ("authorization", "x-tenant", "x-b")}
               for h in c.headers]
    assert got == [{"Authorization": "Bearer hunter2", "X-Tenant": "a b"},
                   {"authorization": "Bearer hunter3", "x-b": "2"}, {"x-b": "2"}]


@needs_otlp
@pytest.mark.parametrize("text, mode, why", [
    ("A: hunter2\n", 0o644, "others may read or change it"),
    ("A: hunter2\n", 0o620, "others may read or change it"),
    ("hunter2\n", 0o600, "line 1: no header"), ("A: b\nhunter2:\n", 0o600, "line 2: no header"),
    ("hunter 2: x\n", 0o600, "line 1: no header"),
    ("Content-Length: 3\n", 0o600, "line 1: no header"),
    ("Transfer-Encoding: chunked\n", 0o600, "line 1: no header"),
    ("A: hunter2\x01\n", 0o600, "line 1: a control character"),
    ("A: hunter2\x7f\n", 0o600, "line 1: a control character"),
    ("A: hunter2\rB: c\n", 0o600, "line 1: a control character"),
    ("x" * 70000, 0o600, "larger than 65536 bytes")])
def test_otlp_refuses_headers(work, text, mode, why):
    path = f"{work}/headers"
    with open(path, "w", encoding="utf-8", newline="") as f:
        f.write(text)
    os.chmod(path, mode)
    with Collector() as c:
        r = to_otlp(record(), "--endpoint", c.url, "--headers-file", path, check=why)
        assert r.code == 1 and path in r.err and "hunter" not in r.err and not c.requests


@needs_otlp
def test_otlp_headers_file_is_a_file(work):
    os.mkfifo(f"{work}/fifo", 0o600)
    os.symlink("/etc/hostname", f"{work}/link")
    for name, why in (("fifo", "not a regular file"), ("link", "Too many levels"),
                      ("none", "No such file")):
        r = to_otlp(record(), "--headers-file", f"{work}/{name}", check=why)
        assert r.seconds < 2


@needs_otlp
@pytest.mark.parametrize("args, env, why", [
    (["--endpoint", "localhost"], {}, "endpoint: "),
    (["--endpoint", "ftp://localhost"], {}, "expected http:// or https://"),
    (["--endpoint", "file:///etc/passwd"], {}, "expected http:// or https://"),
    (["--endpoint", "http://me:hunter2@localhost"], {}, "use --headers-file"),
    (["--endpoint", "http://x", "--logs-endpoint", "http://x"], {}, "usage: "),
    (["--timeout", "0"], {}, "expected 1 to 60000"), (["http://x"], {}, "usage: "),
    ([], {"OTEL_EXPORTER_OTLP_TIMEOUT": "soon"}, "timeout soon: expected 1 to 60000"),
    ([], {"OTEL_EXPORTER_OTLP_HEADERS": "hunter2"}, "expected NAME=VALUE"),
    ([], {"OTEL_EXPORTER_OTLP_HEADERS": "a=hunter2%0d%0ab:c"}, "a control character")])
def test_otlp_errors(args, env, why):
    r = to_otlp(record(), *args, env=env, check=why)
    assert r.code == 1 and r.err.startswith("agentrun-hook-otlp: ") and "hunter2" not in r.err


@needs_otlp
@pytest.mark.parametrize("text", [text for text, _ in NO_EVENT], ids=lambda t: t[:8])
def test_otlp_and_journald_refuse_what_is_no_event(work, text):
    with Collector() as c:
        to_otlp(text, "--endpoint", c.url, check="standard input")
        assert not c.requests
    with Receiver(f"{work}/s"):
        to_journald(text, "--socket", f"{work}/s", check="standard input")


STATUS = b'{"code":3,"message":"bad \\u001b[31mdata","details":[]}'
FAILURES = [
    (Answer(400, STATUS), r"answered 400: bad \x1b[31mdata"), (Answer(404, b""), "answered 404"),
    (Answer(401, b"who \x07 are you?"), r"answered 401: who \x07 are you?"),
    (Answer(413, b"x" * 3000), "answered 413: " + "x" * 400 + "..."), (Answer(500), "answered 500"),
    (Answer(200, b"<html>log in</html>"), "answered 200, but not as a collector does: <html>"),
    (Answer(200, b"[]"), "not as a collector does"),
    (Answer(200, b"x" * 70000), "answered 200 with more than 65536 bytes"),
    (Answer(200, b'{"partialSuccess":{"rejectedLogRecords":"1","errorMessage":"no \\u0007 room"}}'),
     r"rejected the record: no \x07 room"),
    (Answer(200, b'{"partialSuccess":{"rejectedLogRecords":1}}'), "rejected the record"),
    (Answer(200, b'{"partialSuccess":{"rejectedLogRecords":"some"}}'), "rejected the record")]


@needs_otlp
@pytest.mark.parametrize("answer, why", FAILURES, ids=[why[:24] for _, why in FAILURES])
def test_otlp_failures_are_told_in_the_collectors_words(answer, why):
    """And are not tried again: the protocol forbids it."""
    with Collector(answer) as c:
        r = to_otlp(record(), "--endpoint", c.url, check=why)
        assert r.code == 1 and c.url + "/v1/logs" in r.err
        assert len(c.requests) == 1


@needs_otlp
@pytest.mark.parametrize("body", [
    b"", b"{}", b'{"partialSuccess":{}}', b'{"partialSuccess":{"rejectedLogRecords":"0"}}',
    b'{"partialSuccess":null}', b'{"something":"new"}'])
def test_otlp_success(body):
    with Collector(Answer(200, body)) as c:
        assert to_otlp(record(), "--endpoint", c.url).err == ""


@needs_otlp
def test_otlp_passes_a_warning_on():
    with Collector(Answer(200, b'{"partialSuccess":{"errorMessage":"use\\ttls"}}')) as c:
        r = to_otlp(record(), "--endpoint", c.url)
        assert r.err == "agentrun-hook-otlp: the collector says: use\\x09tls\n"


def hang_up(handler):
    handler.connection.shutdown(socket.SHUT_RDWR)


@needs_otlp
def test_otlp_tries_again_what_may_be_tried_again():
    answers = [Answer(503), Answer(502), Answer(504), Answer(serve=hang_up),
               Answer(429, b"", {"Retry-After": "1"})]
    with Collector(*answers) as c:
        r = to_otlp(record(), "--endpoint", c.url, "--timeout", "20000")
        assert len(c.requests) == 6 and r.seconds > 1.5
        assert len({r["body"]["stringValue"] for r, _ in c.records}) == 1


@needs_otlp
def test_otlp_gives_up_in_time():
    with Collector(*[Answer(503, b"full")] * 50) as c:
        r = to_otlp(record(), "--endpoint", c.url, "--timeout", "1500",
                    check="attempts: answered 503: full")
        assert 2 <= len(c.requests) <= 5 and r.seconds < 3
    with Collector(Answer(503, b"", {"Retry-After": "3600"})) as c:
        r = to_otlp(record(), "--endpoint", c.url, "--timeout", "1500", check="answered 503")
        assert len(c.requests) == 1 and r.seconds < 1, "it waits for nothing"
    r = to_otlp(record(), "--endpoint", "http://127.0.0.1:1", "--timeout", "700",
                check="attempts: Failed to connect")
    assert r.seconds < 2


def drip(handler):
    """An answer that does not end."""
    try:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            handler.wfile.write(b" ")
            time.sleep(0.05)
    except OSError:
        pass


@needs_otlp
@pytest.mark.parametrize("serve", [drip, lambda handler: time.sleep(4)], ids=["drip", "silence"])
def test_otlp_waits_no_longer_than_it_is_told(serve):
    with Collector(Answer(serve=serve)) as c:
        r = to_otlp(record(), "--endpoint", c.url, "--timeout", "600", check="timed out")
        assert 0.5 < r.seconds < 2 and len(c.requests) == 1


@needs_otlp
def test_otlp_does_not_wait_for_names(work):
    """A name server that says nothing."""
    with open(f"{work}/resolv.conf", "w", encoding="ascii") as f:
        f.write("nameserver 127.0.0.1\noptions timeout:20 attempts:3\n")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 53))
        r = runtime.run(
            ["unshare", "-m", "sh", "-ec", 'mount --bind "$0" /etc/resolv.conf; exec "$@"',
             f"{work}/resolv.conf", hook("otlp"), "--endpoint", "http://collector.example",
             "--timeout", "700"], stdin=record(), check="timed out")
        s.settimeout(5)
        assert b"collector" in s.recv(512)
    assert r.seconds < 2


@needs_otlp
def test_otlp_follows_nobody():
    """No redirection, and no proxy of the environment."""
    with Collector() as other:
        with Collector(Answer(307, b"", {"Location": f"{other.url}/v1/logs"})) as c:
            to_otlp(record(), "--endpoint", c.url,
                    check="answered 307 (redirections are not followed)")
        with Collector() as c:
            to_otlp(record(), "--endpoint", c.url, "--timeout", "1000", env={
                v: other.url for v in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")})
            assert len(c.requests) == 1
        assert not other.requests


@pytest.fixture
def certify(work):
    """certify(name, option...): a certificate that vouches for itself, and a server's context with it."""
    if not shutil.which("openssl"):
        pytest.skip("no openssl")

    def make(name, *options):
        runtime.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                     "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", f"/CN={name}",
                     "-keyout", f"{work}/key", "-out", f"{work}/ca", *options], check=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(f"{work}/ca", f"{work}/key")
        return f"{work}/ca", context
    return make


@needs_otlp
def test_otlp_tls(certify):
    ca, context = certify("localhost", "-addext", "subjectAltName=DNS:localhost")
    with Collector(tls=context) as c:
        to_otlp(record(), "--endpoint", c.url, "--ca-file", ca)
        to_otlp(record(), "--endpoint", c.url, env={"OTEL_EXPORTER_OTLP_CERTIFICATE": ca})
        to_otlp(record(), "--endpoint", c.url, check="certificate")
        to_otlp(record(), "--endpoint", c.url.replace("localhost", "127.0.0.1"), "--ca-file", ca,
                check="certificate")
        to_otlp(record(), "--endpoint", c.url.replace("https", "http"), "--timeout", "500",
                check="agentrun-hook-otlp: http://localhost")
        assert len(c.requests) == 2


@needs_otlp
def test_otlp_shows_a_certificates_name_safely(certify):
    ca, context = certify("a\x1b[31mb")
    with Collector(tls=context) as c:
        r = to_otlp(record(), "--endpoint", c.url, "--ca-file", ca, check="certificate")
        assert "\x1b" not in r.err and not c.requests


# ---- every forwarder, as a hook


class Kept:
    """A forwarder with its arguments, and the lines that it delivered."""

    def __init__(self, name, work):
        self.name, self.work, self.args = name, work, []
        self.receiver = contextlib.nullcontext()
        if name == "file":
            self.args = [f"{work}/log"]
        elif name == "otlp":
            self.receiver = Collector()
            self.args = ["--endpoint", self.receiver.url]
        else:
            self.receiver = Receiver(f"{work}/s")
            self.args = ["--socket", f"{work}/s"]

    def lines(self, n):
        if self.name == "file":
            with open(self.args[0], encoding="utf-8") as f:
                found = f.read().splitlines()
        elif self.name == "otlp":
            found = [value_of(r["body"]) for r, _ in self.receiver.records]
        else:
            found = [self.receiver.receive() for _ in range(n)]
            found = [journal_fields(m)["AGENTRUN_RECORD"] if self.name == "journald" else
                     m.decode().split(": ", 1)[1] for m in found]
        assert len(found) == n
        return [json.loads(x) for x in found]


@pytest.fixture(params=["file", "journald", pytest.param("otlp", marks=needs_otlp), "syslog"])
def kept(work, request):
    k = Kept(request.param, work)
    with k.receiver:
        yield k


@pytest.mark.parametrize("program", ["runc", "crun"])
def test_as_an_oci_hook_of(work, kept, program):
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
    entry = {"path": hook(kept.name), "args": [f"agentrun-hook-{kept.name}", *kept.args]}
    b.config["mounts"] = [m for m in b.config["mounts"] if m["type"] != "cgroup"]
    b.config["hooks"] = {k: [entry] for k in ("createRuntime", "poststart", "poststop")}
    b.save()
    assert other.run(b, timeout=60).code == 0
    lines = kept.lines(3)
    assert {x["container.id"] for x in lines} == {b.id}
    assert lines[0]["event"] in ("creating", "created") and lines[2]["event"] == "stopped"
    assert [x["time"] for x in lines] == sorted(x["time"] for x in lines)


@pytest.mark.skipif(runtime.flavour() != "agentrun", reason="audit hooks are agentrun's")
def test_as_an_audit_hook(work, box, rt, kept):
    """Every record that was written arrives, as it was written."""
    with open(f"{work}/policy.json", "w", encoding="utf-8") as f:
        json.dump({"audit.hooks": [{"path": hook(kept.name), "args": kept.args, "required": True,
                                    "events": ["create", "start", "exit", "delete"]}]}, f)
    rt.options = ["--host-policy", f"{work}/policy.json"]
    b = confined.confine(box(), work)
    rt.run(b, check=True)
    with open(confined.LOG, encoding="utf-8") as f:
        written = [json.loads(x) for x in f]
    # commands are records, too, but not events: there may be thousands
    assert [x for x in written if x["container.id"] == b.id and x["event"] != "commands"][-4:] == \
        kept.lines(4)


@needs_otlp
def test_a_collector_that_refuses_keeps_a_container_from_being_created(work, box, rt):
    """Where the hook is required; the error has the reason."""
    with Collector(Answer(403, b'{"message":"no such tenant"}')) as c:
        with open(f"{work}/policy.json", "w", encoding="utf-8") as f:
            json.dump({"audit.hooks": [{"path": hook("otlp"), "args": ["--endpoint", c.url],
                                        "required": True}]}, f)
        rt.options = ["--host-policy", f"{work}/policy.json"]
        b = confined.confine(box(), work)
        rt.run(b, check="answered 403: no such tenant")
        assert b.id not in rt.ids()


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


OTELCOL = shutil.which(os.environ.get("AGENTRUN_OTELCOL") or "otelcol")
OTELCOL_CONFIG = """
receivers: { otlp: { protocols: { http: { endpoint: "127.0.0.1:4318" } } } }
exporters: { debug: { verbosity: detailed } }
service:
  telemetry: { metrics: { level: none } }
  pipelines: { logs: { receivers: [otlp], exporters: [debug] } }
"""


@needs_otlp
@pytest.mark.skipif(not OTELCOL, reason="no otelcol (see tests/lib/otelcol.go)")
def test_otel_collector(work):
    """The collector of the OpenTelemetry project, at the port where it is by default."""
    text = record("exec", **{"process.command_args": ["ls", "a\"b"], "process.pid": 7,
                             "process.interactive": True, "claims": {"task": "7"}})
    with open(f"{work}/config.yaml", "w", encoding="utf-8") as f:
        f.write(OTELCOL_CONFIG)
    with open(f"{work}/out", "w", encoding="utf-8") as out, \
            subprocess.Popen([OTELCOL, "--config", f"{work}/config.yaml"], stdout=out,
                             stderr=out) as p:
        try:
            to_otlp(text, "--timeout", "20000")    # until it listens
            to_otlp(json.dumps(STATE))
            r = to_otlp(text, "--logs-endpoint", "http://localhost:4318/v1/other", check=False)
        finally:
            p.terminate()
    assert "answered 404" in r.err
    with open(f"{work}/out", encoding="utf-8") as f:
        got = f.read()
    first, second = got.split("LogRecord #0\n")[1:]
    for line in (f"Body: Str({text.strip()})", "SeverityText: INFO", "SeverityNumber: Info(9)",
                 "EventName: agentrun.audit.exec", "Timestamp: 2026-01-02 03:04:05.000000006",
                 "-> container.id: Str(c1)", "-> process.pid: Int(7)", "-> agentrun.seq: Int(5)",
                 "-> process.interactive: Bool(true)", '-> agentrun.claims: Map({"task":"7"})',
                 '-> process.command_args: Slice(["ls","a\\"b"])'):
        assert line in first, f"{line}: {got}"
    assert "EventName: oci.state.created" in second


@pytest.mark.skipif(not os.path.exists(JOURNAL), reason="no journald")
@pytest.mark.parametrize("size", [10, 60000, 600000], ids=["short", "long", "file"])
def test_journald(size):
    session = f"t{os.getpid()}{time.monotonic_ns()}"
    text = record("delete", network={"denied_packets": 2}, **{
        "process.command_args": ["x" * size]}).replace("01s", session)
    to_journald(text)

    def found():
        out = runtime.run(["journalctl", "-o", "json", "--all", "CONTAINER_ID=c1",
                           f"AGENTRUN_SESSION={session}"]).out
        return [json.loads(line) for line in out.splitlines() if line.startswith("{")]

    entry, = runtime.until(found)
    assert entry["AGENTRUN_RECORD"] + "\n" == text
    assert entry["MESSAGE"] == "container c1: delete" and entry["PRIORITY"] == "5"
    assert entry["SYSLOG_IDENTIFIER"] == "agentrun" and entry["_UID"] == "0"
    assert entry["AGENTRUN_NETWORK_DENIED_PACKETS"] == "2"
