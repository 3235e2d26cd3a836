# SPDX-License-Identifier: Apache-2.0
"""Errors: their wording where engines read it, --log, and nothing left behind."""
import json
import os
import re
import subprocess

import pytest
from runtime import errors, log_lines, run

RFC3339 = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$"

NOT_STARTED = [
    (["no-such"], 'exec: "no-such": executable file not found in $PATH'),
    (["/no/such"], 'exec: "/no/such": stat /no/such: no such file or directory'),
    (["/etc/passwd"], 'exec: "/etc/passwd": permission denied'),
]


@pytest.mark.parametrize("args, wording", NOT_STARTED)
@pytest.mark.parametrize("command", ["run", "create"])
@pytest.mark.differs("crun", "engines understand its wording separately")
def test_docker_finds_its_exit_code_in_the_message(rt, box, work, command, args, wording):
    """127 and 126 of `docker run` come from these words alone."""
    b = box(args)
    log = work + "/log"
    rt.options = ["--log", log, "--log-format", "json"]
    r = rt(command, "--bundle", b.path, b.id)
    assert r.code == 1
    assert any(wording in e["msg"] for e in errors(log))
    rt.options = []
    assert rt.ids() == []


def test_log_lines_are_json_with_level_msg_and_time(rt, box, work):
    log = work + "/log"
    rt.options = ["--log", log, "--log-format", "json"]
    b = box(['no"such\n'])
    rt.run(b, check=False)
    for line in log_lines(log):
        assert set(line) >= {"level", "msg", "time"}
        assert re.match(RFC3339, line["time"]), line
    assert any("such" in e["msg"] for e in errors(log))


def test_log_is_appended_to(rt, work):
    log = work + "/log"
    rt.options = ["--log", log, "--log-format=json"]
    rt("state", "nobody", check=False)
    rt("state", "nobody", check=False)
    assert len(errors(log)) == 2


@pytest.mark.differs("runc crun", "it repeats the error on stderr in its own form")
def test_error_is_on_stderr_too(rt, work):
    rt.options = ["--log", work + "/log", "--log-format", "json"]
    r = rt("state", "nobody", check=False)
    assert r.err.startswith("agentrun: ") and "nobody" in r.err


def test_text_log(rt, work):
    log = work + "/log"
    rt.options = ["--log", log]
    rt("state", "nobody", check=False)
    with open(log, encoding="utf-8") as f:
        assert "nobody" in f.read() or rt.flavour == "runc"


def test_debug_says_more(rt, box, work):
    for options in (["--log-format", "json"], ["--debug", "--log-format", "json"]):
        log = f"{work}/log{len(options)}"
        rt.options = ["--log", log, *options]
        rt.run(box(), check=True)
    quiet = log_lines(work + "/log2") if os.path.exists(work + "/log2") else []
    assert not quiet
    if rt.flavour != "crun":
        assert "debug" in {x["level"] for x in log_lines(work + "/log3")}


@pytest.mark.differs("crun", "only at its first message")
def test_bad_log_format(rt):
    rt.options = ["--log-format", "xml"]
    rt("list", check="--log-format xml: expected text or json")


def spec(b, text):
    with open(b.path + "/config.json", "wb") as f:
        f.write(text if isinstance(text, bytes) else text.encode())


def edited(**paths):
    """An editor: a__b=1 sets config["a"]["b"] = 1; a value of ... removes it."""
    def edit(c):
        for path, value in paths.items():
            *way, last = path.split("__")
            at = c
            for key in way:
                at = at[int(key) if key.isdigit() else key]
            if value is ...:
                del at[last]
            elif isinstance(at, list):
                at[int(last)] = value
            else:
                at[last] = value
    return edit


# What is changed, and the path in the document that the error must name.
BAD_FIELDS = [
    (edited(root=...), "root"),
    (edited(ociVersion=...), "ociVersion"),
    (edited(ociVersion="2.0.0"), "ociVersion"),
    (edited(ociVersion=1), "ociVersion"),
    (edited(process__args=[]), "process.args"),
    (edited(process__args="true"), "process.args"),
    (edited(process__args=[1]), "process.args[0]"),
    (edited(process__cwd="rel"), "process.cwd"),
    (edited(process__cwd=...), "process.cwd"),
    (edited(process__terminal="yes"), "process.terminal"),
    (edited(process__user__uid=-1), "process.user.uid"),
    (edited(process__user__uid=2 ** 32), "process.user.uid"),
    (edited(process__user__uid=1e400), "process.user.uid"),
    (edited(process__user__uid=1.5), "process.user.uid"),
    (edited(process__user__uid=10 ** 40), "process.user.uid"),
    (edited(process__env=["A=b\0c"]), "process.env[0]"),
    (edited(process__oomScoreAdj=5000), "process.oomScoreAdj"),
    (edited(process__rlimits=[{"type": "RLIMIT_X", "soft": 1, "hard": 1}]),
     "process.rlimits[0].type"),
    (edited(root__path=""), "root.path"),
    (edited(root__path="no-such"), "root.path no-such"),
    (edited(mounts__0=7), "mounts[0]"),
    (edited(mounts__0={"type": "proc"}), "mounts[0].destination"),
    (edited(mounts__1__options=["no-such-option=1"]), 'mounts[1]: option "no-such-option=1"'),
    (edited(mounts__1__type="nosuchfs"), 'mounts[1]: file system type "nosuchfs"'),
    (edited(linux__namespaces__0={"type": "nosuch"}), "linux.namespaces[0].type"),
    (edited(linux__namespaces__1={"type": "pid"}), "linux.namespaces[1]"),
    (edited(linux__resources__pids={"limit": "many"}), "linux.resources.pids.limit"),
    (edited(linux__resources__devices=[{"allow": "no"}]), "linux.resources.devices[0].allow"),
    (edited(linux__seccomp={"defaultAction": "SCMP_ACT_NOSUCH"}), "linux.seccomp.defaultAction"),
    (edited(linux__maskedPaths="x"), "linux.maskedPaths"),
    (edited(hooks={"prestart": [{"path": "rel"}]}), "hooks.prestart[0].path"),
    (edited(hooks={"poststop": [{"args": ["x"]}]}), "hooks.poststop[0].path"),
]

# A16: the text itself.
BAD_TEXTS = {
    "empty": "",
    "truncated": '{"ociVersion": "1.0.2", "process": {"ar',
    "array": "[]",
    "null": "null",
    "number": "1",
    "trailing": '{"ociVersion": "1.0.2"} x',
    "binary": bytes(range(256)),
    "deep": '{"a":' + "[" * 10000 + "]" * 10000 + "}",
    "deep-unclosed": '{"a":' + "[" * 100000,
    "duplicate": None,
    "nul": '{"ociVersion": "1.0.2", "hostname": "a\\u0000b"}',
    "latin1": b'{"ociVersion": "1.0.2", "hostname": "\xe9"}',
    "comment": '{/* no */"ociVersion": "1.0.2"}',
    "large": b"[" + b"1," * (32 << 20) + b"1]",
    "large-string": b'{"ociVersion": "' + b"x" * (64 << 20) + b'"}',
}


def refused(rt, b, work):
    log = work + "/log"
    rt.options = ["--log", log, "--log-format", "json"]
    r = rt("create", "--bundle", b.path, b.id, "--pid-file", work + "/pid") \
        if rt.flavour == "crun" else rt("create", "--bundle", b.path, "--pid-file",
                                        work + "/pid", b.id)
    assert r.code == 1, r.text
    assert errors(log), r.text
    assert not os.path.exists(work + "/pid")
    rt.options = []
    assert rt.ids() == []
    return errors(log)[-1]["msg"]


@pytest.mark.differs("runc crun", "they accept some of these")
@pytest.mark.parametrize("edit, path", BAD_FIELDS, ids=[f"{i}-{p}" for i, (_, p) in
                                                        enumerate(BAD_FIELDS)])
def test_bad_field_is_named(rt, box, work, edit, path):
    msg = refused(rt, box(["true"], edit), work)
    assert path + ": " in msg
    assert len(msg) < 1000


@pytest.mark.differs("runc crun", "they accept some of these, or do not name the file")
@pytest.mark.parametrize("name", BAD_TEXTS)
def test_a16_bad_text(rt, box, work, name):
    b = box()
    text = BAD_TEXTS[name]
    if name == "duplicate":
        text = json.dumps(b.config)[:-1] + ', "ociVersion": "1.0.0"}'
    spec(b, text)
    msg = refused(rt, b, work)
    assert "config.json" in msg
    assert len(msg) < 1000


@pytest.mark.parametrize("cid", [
    "../x", "/", ".", "..", "a/b", "x" * 1025, "a\nb", "", "a b", "-x", "é", "a\x01",
    "../../tmp/x", "%2e%2e", "$(id)",
])
def test_a15_bad_id(rt, box, work, cid):
    if rt.flavour != "agentrun" and cid in ("-x", ".", "..", "x" * 1025, "%2e%2e"):
        pytest.skip("the others accept or read it as an option")
    if rt.flavour == "crun":
        pytest.skip("crun accepts some")
    b = box()
    for command in (["create", "--bundle", b.path], ["run", "--bundle", b.path], ["state"],
                    ["start"], ["delete"]):
        rt(*command, "--", cid, check='container id "')
    assert rt.ids() == []
    assert os.listdir(rt.root) == []
    assert sorted(os.listdir(work)) == ["b", "state"]


@pytest.mark.parametrize("cid", ["a", "A.b-c_d+e", "0", "a" * 64, "box..1"])
def test_good_id(rt, box, cid):
    rt.run(box(["true"], cid=cid), check=True)


def test_missing_bundle(rt, work):
    rt("create", "--bundle", work + "/none", "x",
       check=f"bundle {work}/none: No such file or directory")


def test_bundle_without_configuration(rt, box):
    b = box()
    os.unlink(b.path + "/config.json")
    rt.create(b, check="open config.json: No such file or directory")


@pytest.mark.differs("runc crun", "they wait for a writer")
def test_configuration_that_is_a_fifo(rt, box):
    b = box()
    os.unlink(b.path + "/config.json")
    os.mkfifo(b.path + "/config.json")
    rt.create(b, check="config.json: is not a regular file")


def test_root_that_is_a_file(rt, box):
    b = box()
    with open(b.path + "/file", "w", encoding="ascii"):
        pass
    b.config["root"]["path"] = "file"
    b.save()
    rt.create(b, check=f"root.path: open {b.path}/file: Not a directory")
    assert rt.ids() == []


@pytest.mark.differs("runc crun", "they drop what was written")
def test_output_that_cannot_be_written(rt):
    with open("/dev/full", "w", encoding="ascii") as full:
        r = subprocess.run(rt.argv("--version"), stdout=full, stderr=subprocess.PIPE, timeout=10,
                           text=True, check=False)
    assert r.returncode == 1 and "No space left on device" in r.stderr


@pytest.mark.differs("runc crun", "they leave them closed, and fail over it")
def test_no_stdio_at_all(rt, box):
    """Descriptors 0-2 closed: nothing that is opened later may take their place."""
    b = box(["sh", "-c", "ls -l /proc/self/fd >/fds"])
    run(["sh", "-c", 'exec "$@" <&- >&- 2>&-', "x", *rt.argv("run", "--bundle", b.path, b.id)],
        check=True)
    # without the directory that ls read: it is closed by then, and leads nowhere
    found = re.findall(r" (\d+) -> (\S+)$", b.read("/fds"), re.M)
    assert found == [("0", "/dev/null"), ("1", "/fds"), ("2", "/dev/null")]
