# SPDX-License-Identifier: Apache-2.0
"""What callers read: the documents of state, list, ps, events and the log, words and exit codes.

The tables say what the readers expect (containerd's go-runc, Podman, CRI-O); runc, where it is
installed, must agree with the shapes key by key.
"""
import json
import os
import re
import shutil

import pytest
from bundle import drop_namespace, shell
from engines import controller
from runtime import flavour, log_lines, program, until

SLEEP = ["sleep", "100"]
RUNC = shutil.which("runc")
U64 = "u64"

CONTAINER = {"ociVersion": str, "id": str, "pid": U64, "status": str, "bundle": str, "rootfs": str,
             "created": str, "annotations": {"*": str}, "owner": str}
ENTRY = {"limit": U64, "usage?": U64, "max?": U64, "failcnt": U64}
IO = [{"major?": U64, "minor?": U64, "op": str, "value?": U64}]
RATE = {"avg10": float, "avg60": float, "avg300": float, "total": U64}
PSI = {"some": RATE, "full": RATE}
EVENT = {"type": str, "id": str, "data": {
    "cpu": {"usage": {"total?": U64, "percpu?": [U64], "percpu_kernel?": [U64],
                      "percpu_user?": [U64], "kernel": U64, "user": U64},
            "throttling": {"periods?": U64, "throttledPeriods?": U64, "throttledTime?": U64},
            "psi?": PSI},
    "cpuset": {"cpus?": [U64], "mems?": [U64], "cpu_exclusive": U64, "mem_hardwall": U64,
               "mem_exclusive": U64, "memory_migrate": U64, "memory_spread_page": U64,
               "memory_spread_slab": U64, "memory_pressure": U64, "sched_load_balance": U64,
               "sched_relax_domain_level": int},
    "memory": {"cache?": U64, "usage?": ENTRY, "swap?": ENTRY, "kernel?": ENTRY,
               "kernelTCP?": ENTRY, "raw?": {"*": U64}, "psi?": PSI},
    "pids": {"current?": U64, "limit?": U64},
    "blkio": {"ioServiceBytesRecursive?": IO, "ioServicedRecursive?": IO, "psi?": PSI,
              "ioQueueRecursive?": IO, "ioServiceTimeRecursive?": IO, "ioWaitTimeRecursive?": IO,
              "ioMergedRecursive?": IO, "ioTimeRecursive?": IO, "sectorsRecursive?": IO},
    "hugetlb": {"*": {"usage?": U64, "max?": U64, "failcnt": U64}},
    "intel_rdt": {},
    "network_interfaces": None,
}}


def misfits(value, want, at=""):
    """Where a document differs from what its readers decode."""
    if isinstance(want, list):
        return [x for i, v in enumerate(value) for x in misfits(v, want[0], f"{at}[{i}]")] \
            if isinstance(value, list) else [f"{at}: no array"]
    if isinstance(want, dict):
        if not isinstance(value, dict):
            return [f"{at}: no object"]
        keys = {k.rstrip("?") for k in want}
        out = [f"{at}.{k} is not there" for k in want if k not in value and k[-1] not in "?*"]
        out += [f"{at}.{k} is unknown" for k in value if k not in keys and "*" not in keys]
        for k, v in value.items():
            out += misfits(v, want.get(k, want.get(k + "?", want.get("*"))), f"{at}.{k}")
        return out
    if want == U64:
        fits = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 64
    elif want is float:
        fits = isinstance(value, (int, float))
    else:
        fits = value is None if want is None else isinstance(value, want)
    return [] if fits else [f"{at}: {value!r} is not {want}"]


def shape(value, at=""):
    """path -> type; what only counts may be there or not."""
    if isinstance(value, dict):
        return {x for k, v in value.items() for x in shape(v, f"{at}.{k}")} | {at}
    if isinstance(value, list):
        return {x for v in value for x in shape(v, at + "[]")}
    return {f"{at} {'number' if isinstance(value, (int, float)) else type(value).__name__}"}


def limits(config):
    config["annotations"] = {"org.example.a": "b"}
    config["linux"]["resources"].update(
        {k: v for k, v in {"memory": {"limit": 1 << 28}, "pids": {"limit": 50},
                           "cpu": {"quota": 50000, "period": 100000}}.items() if controller(k)})


def documents(rt, b):
    """name -> document of a running container, and of a stopped one"""
    rt.up(b)
    until(lambda: os.path.exists(b.rootfs + "/up"))
    docs = {name: json.loads(rt(*args, check=True).out) for name, args in (
        ("state", ["state", b.id]), ("list", ["list", "--format", "json"]),
        ("ps", ["ps", "--format", "json", b.id]), ("events", ["events", "--stats", b.id]))}
    rt.kill(b, "KILL", check=True)
    rt.wait(b)
    docs["stopped"] = rt.state(b)
    rt.delete(b, check=True)
    return docs


def test_no_annotations(rt, box):
    b = rt.up(box(SLEEP))
    entry, = json.loads(rt("list", "--format", "json", check=True).out)
    assert "annotations" not in {**rt.state(b), **entry}


BUSY = shell("head -c 9000000 /dev/zero | md5sum; touch /up; sleep 100")


@pytest.mark.differs("crun", "it has no events")
def test_documents(rt, box):
    docs = documents(rt, box(BUSY, limits))
    assert misfits(docs["state"], CONTAINER) == misfits(docs["list"], [CONTAINER]) == []
    assert misfits(docs["stopped"], CONTAINER) == [] and docs["stopped"]["pid"] == 0
    assert misfits(docs["ps"], [U64]) == [] and docs["state"]["pid"] in docs["ps"]
    assert misfits(docs["events"], EVENT) == []
    assert {d["status"] for d in (docs["state"], docs["list"][0])} == {"running"}
    cpu = docs["events"]["data"]["cpu"]["usage"]["total"]
    assert 1_000_000 < cpu < 60_000_000_000     # nanoseconds


@pytest.mark.skipif(not RUNC or flavour() != "agentrun", reason="compares agentrun with runc")
def test_shapes_are_runcs(rt, box):
    def shapes(b):    # what is zero is left out, and may be by then
        return {k: {x for x in shape(v) if "major" not in x and "throttling" not in x and
                    ".cache" not in x and ".psi" not in x} for k, v in documents(rt, b).items()}
    ours = shapes(box(BUSY, limits))
    rt.program, rt.flavour = RUNC, "runc"
    theirs = shapes(box(BUSY, limits))
    rt.program, rt.flavour = program(), flavour()
    for name, found in theirs.items():
        assert ours[name] ^ found == set(), name



# what is asked of a container in which state; exit code; what its readers look for
ANSWERS = [
    ("none", ["state", "{id}"], 1, "does not exist"),
    ("none", ["kill", "{id}", "9"], 1, "does not exist"),
    ("none", ["delete", "{id}"], 1, "does not exist"),
    ("none", ["start", "{id}"], 1, "does not exist"),
    ("none", ["delete", "--force", "{id}"], 0, None),
    ("none", ["exec", "{id}", "true"], 255, "does not exist"),
    ("none", ["exec", "--nonsense", "{id}", "true"], 1, "nonsense"),
    ("none", ["exec", "--preserve-fds", "x", "{id}", "true"], 1, "preserve-fds"),
    ("created", ["create", "--bundle", "{path}", "{id}"], 1, "exist"),
    ("running", ["delete", "{id}"], 1, "cannot delete container"),
    ("running", ["start", "{id}"], 1, "cannot start"),
    ("running", ["exec", "{id}", "no-such"], 255,
     'exec: "no-such": executable file not found in $PATH'),
    ("running", ["exec", "{id}", "/etc/passwd"], 255, 'exec: "/etc/passwd": permission denied'),
    ("running", ["exec", "{id}", "sh", "-c", "exit 42"], 42, None),
    ("running", ["exec", "{id}", "sh", "-c", "kill -9 $$"], 137, None),
    ("running", ["exec", "{id}", "sh", "-c", "kill -15 $$"], 143, None),
    ("running", ["exec", "{id}", "sh", "-c", "kill -11 $$"], 139, None),
    ("paused", ["exec", "{id}", "true"], 255, "cannot exec in a paused container"),
    ("stopped", ["kill", "{id}", "9"], 1, "container not running"),
    ("stopped", ["kill", "{id}", "15"], 1, "container not running"),
    ("stopped", ["kill", "--all", "{id}", "9"], 0, None),
    ("stopped", ["events", "--stats", "{id}"], 1, "is not running"),
    ("stopped", ["events", "{id}"], 1, "is not running"),
    ("stopped", ["exec", "{id}", "true"], 255, "stopped"),
    ("stopped", ["delete", "{id}"], 0, None),
]


def bring(rt, b, status):
    if status != "none":
        rt.create(b)
    if status not in ("none", "created"):
        rt.start(b)
    if status == "paused":
        rt("pause", b.id, check=True)
    if status == "stopped":
        rt.kill(b, "KILL", check=True)
        rt.wait(b)


@pytest.mark.parametrize("status, args, code, words", ANSWERS,
                         ids=[f"{s}-{a[0]}-{i}" for i, (s, a, _, _) in enumerate(ANSWERS)])
@pytest.mark.differs("crun", "it has words and exit codes of its own")
def test_answer(rt, box, work, status, args, code, words):
    b = box(SLEEP)
    bring(rt, b, status)
    rt.options = ["--log", work + "/log", "--log-format", "json"]
    r = rt(*(a.format(id=b.id, path=b.path) for a in args))
    rt.options = []
    assert r.code == code, r.text
    lines = [x for x in log_lines(work + "/log") if x["level"] == "error"] if words else []
    assert len(lines) == bool(words)
    for line in lines:
        assert words in line["msg"] and isinstance(line["msg"], str)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", line["time"])


@pytest.mark.parametrize("script, code", [
    ("exit 0", 0), ("exit 7", 7), ("exit 255", 255), ("kill -9 $$", 137), ("kill -15 $$", 143)])
def test_exit_code_of_run(rt, box, script, code):
    # the first process of a PID namespace could not kill itself
    assert rt.run(box(["sh", "-c", script], lambda c: drop_namespace(c, "pid"))).code == code
