# SPDX-License-Identifier: Apache-2.0
"""That `make bench` measures and tells what it measured; not how fast anything is."""
import json
import os
import re
import shutil
import sys
import xml.etree.ElementTree as ET

import pytest
from runtime import REPO, flavour, program, run

sys.path.insert(0, REPO + "/tests/bench")
import costs  # noqa: E402
import picture  # noqa: E402
import report  # noqa: E402
import shapes  # noqa: E402

pytestmark = pytest.mark.skipif(flavour() != "agentrun", reason="it is agentrun's")

BENCH = ["/usr/bin/python3", "-B", REPO + "/tests/bench/bench.py", "--runtime", program()]
TEXT = "{http://www.w3.org/2000/svg}text"


def texts(path):
    return ["".join(t.itertext()) for t in ET.parse(path).iter(TEXT)]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_small_selection(work):
    os.mkdir(work + "/bin")
    with open(work + "/bin/crun", "w", encoding="ascii") as f:
        f.write('#!/bin/sh\n[ "$1" = --version ] && exec echo crun version 9.9\necho broken; exit 3\n')
    os.chmod(work + "/bin/crun", 0o755)
    chosen = ("run", "cycle", "memory", "syscalls", "environment")
    r = run([*BENCH, "-n", "2", "--shape", "docker", *(f"--measure={m}" for m in chosen),
             "--json", work + "/bench.json", "--picture", work + "/bench.svg"],
            check=True, timeout=120, env={**os.environ, "PATH": f"{work}/bin:{os.environ['PATH']}"})
    with open(work + "/bench.json", encoding="utf-8") as f:
        found = json.load(f)
    rows = found["rows"]
    figures = {"run", "create", "start", "delete", "create+start+delete", "peak memory, run",
               "waiting init, Rss", "waiting init, Pss"}
    if shutil.which("strace"):
        figures.add("system calls, run")
    for runtime in ("agentrun", "agentrun+policy"):
        assert figures <= {row["figure"] for row in rows if row["runtime"] == runtime}
        growth = [(row["size"], row["growth"]) for row in rows
                  if row["runtime"] == runtime and row.get("grows") == "variables"]
        assert [size for size, _ in growth] == [625, 1250, 2500, 5000]
        assert growth[0][1] is None and all(g > 0 for _, g in growth[1:])
    assert re.search(r"^left out: crun 9\.9: .* status 0x300\nbroken$", r.out, re.M)
    for name in ("crun", "runc"):  # all are there, or it says why not
        if shutil.which(name):
            assert any(row["runtime"].startswith(name + " ") for row in rows) \
                or f"left out: {name} " in r.out, r.out
    assert sum(line.startswith("docker ") for line in r.out.splitlines()) == len(rows)
    for row in rows:
        assert row["n"] == 2 and 0 < row["p10"] <= row["median"] <= row["p90"], row
        assert row["runtime"] != "agentrun" or row["ratio"] == 1
    for t in found["targets"]:
        assert t["what"] in r.out and t["bound"] in r.out
    assert {t["met"] for t in found["targets"] if t["what"] == "exec"} == {None}
    drawn = texts(work + "/bench.svg")
    assert all(any(f"{f} (" in t for t in drawn) for f in figures)
    assert all(row["runtime"] in drawn for row in rows)
    assert not [d for _, below, _ in os.walk("/sys/fs/cgroup") for d in below if "-bench." in d]


def test_unknown_measure():
    r = run([*BENCH, "--measure", "speed"], check=False)
    assert r.code == 2 and "'speed'" in r.err and "isolated" in r.err


def rows(**medians):
    """Rows of the docker shape; "figure/runtime": median"""
    return [dict(zip(("figure", "runtime"), key.split("/")), shape="docker", unit="ms", median=v,
                 p10=v, p90=v, ratio=1) for key, v in medians.items()]


@pytest.mark.parametrize("what, bound, medians, measured, met", [
    ("run", "0.45 x crun 1", {"run/agentrun": 4.4, "run/crun 1": 10}, "0.44 x", True),
    ("run", "0.45 x crun 1", {"run/agentrun": 4.6, "run/crun 1": 10}, "0.46 x", False),
    ("run", "0.45 x crun 2", {"run/agentrun": 4.4, "run/crun 1": 10, "run/crun 2": 8}, "0.55 x",
     False),
    ("run", "1.1 x floor", {"run/agentrun": 4.4, "run/floor": 4}, "1.10 x", True),
    ("run", "1.1 x floor", {"run/agentrun": 4.4}, "", None),
    ("run, agent profile", "agentrun + 1.5 ms", {"run/agentrun": 4, "run/agentrun+policy": 5.5},
     "+1.50 ms", True),
    ("run, agent profile", "agentrun + 1.5 ms", {"run/agentrun": 4, "run/agentrun+policy": 5.6},
     "+1.60 ms", False),
    ("waiting init, Rss", "200 KiB", {"waiting init, Rss/agentrun": 200}, "200 KiB", True),
    ("waiting init, Rss", "200 KiB", {"waiting init, Rss/agentrun": 204}, "204 KiB", False),
])
def test_targets(what, bound, medians, measured, met):
    r = report.Report()
    r.rows = rows(**medians)
    assert (what, measured, bound, met) in [t for t in r.targets("v2") if t[1] or met is None]


def test_isolated_starts_have_a_target_on_version_1_only():
    r = report.Report()
    for layout in ("v1", "hybrid", "v2"):
        named = any("isolated" in what for what, *_ in r.targets(layout))
        assert named == (layout != "v2")


@pytest.mark.parametrize("cpu, met", [((1, 5, 10, 21), True), ((9, 10, 20, 46), False),
                                      ((9, 10, 25, 42), True), ((9, 10, 20, 80), False)])
def test_growth(cpu, met, capsys):
    """The last two doublings decide: there what is constant weighs least."""
    r = report.Report()
    for size, c in zip((1, 2, 4, 8), cpu):
        r.add("docker", "ms", {"agentrun": {"run": [(1, c)]}}, size, "things")
    assert [round(x["growth"], 2) for x in r.rows[1:]] == [round(b / a, 2) for a, b
                                                           in zip(cpu, cpu[1:])]
    (t,) = [t for t in r.targets("v2") if "things" in t[0]]
    assert t[3] is met and t[1] == f"{(cpu[3] / cpu[1]) ** 0.5:.2f} times"
    assert f"{cpu[3] / cpu[2]:.2f} times" in capsys.readouterr().out


@pytest.mark.parametrize("pairs, met", [([(1, 2), (2, 3)], True), ([(1, 2), (3, 2)], False)])
def test_pairs(pairs, met):
    r = report.Report()
    r.pairs = [tuple({"create to delete": x} for x in pair) for pair in pairs]
    assert [t[3] for t in r.targets("v2") if t[0].endswith("docker run")] == [met]


def test_picture_of_odd_names(work):
    """Names are text; the least that can be drawn is one bar."""
    only = rows(**{"a <b> & c/crun <1>": 0.001})
    picture.write(work + "/x.svg", only,
                  {"kernel": "<&>", "cpus": 1, "cgroup": "v1", "samples": 1})
    assert "crun <1>" in texts(work + "/x.svg") and "a <b> & c (ms)" in texts(work + "/x.svg")


def test_missing_programs(work, monkeypatch):
    """They are named; nothing else fails."""
    class Fake:
        name = "agentrun"

        def bundle(self, args):
            pass

    monkeypatch.setenv("PATH", work)
    for what, program_ in (("syscalls", "strace"), ("instructions", "valgrind")):
        notes = []
        assert costs.measure([Fake()], what, 1, work, notes.append) == {"agentrun": {}}
        (note,) = notes
        assert note.startswith("not measured: ") and note.endswith(f"{program_} is not installed")


def test_the_bundle_is_dockers():
    """docker-28.json is used as it was captured, but for paths and what the host lacks."""
    with open(REPO + "/tests/bench/docker-28.json", encoding="utf-8") as f:
        captured = json.load(f)
    used = shapes.docker_config("/engine", "/project")
    assert used["linux"]["seccomp"] == captured["linux"]["seccomp"]
    assert [(m["destination"], m["options"]) for m in used["mounts"]] \
        == [(m["destination"], m["options"]) for m in captured["mounts"]]
    sources = {m["destination"]: m["source"] for m in used["mounts"] if m["type"] == "bind"}
    assert sources == {"/workspace": "/project", "/etc/resolv.conf": "/engine/resolv.conf",
                       "/etc/hostname": "/engine/hostname", "/etc/hosts": "/engine/hosts"}
    for name, value in used["linux"]["resources"].items():
        if name != "memory":
            assert value == captured["linux"]["resources"][name]
