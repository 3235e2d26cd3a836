# SPDX-License-Identifier: Apache-2.0
"""What README.md says without an engine; tests/engines/test_quick_starts.py runs the rest."""
import os
import re

import pytest
import readme
from runtime import REPO, flavour, program, run

pytestmark = pytest.mark.skipif(flavour() != "agentrun", reason="it is agentrun's")


def test_every_block_is_run():
    tags = {tag for tag, _ in readme.BLOCKS}
    assert tags == {"", "sh bootstrap", "sh install", "sh elsewhere", "sh docker",
                    "sh docker annotation", "sh docker review", "sh podman", "sh containerd", "sh audit", "sh policy", "sh bench"}


def test_bootstrap():
    """./bootstrap check runs this test; of the others, that they are there."""
    with open(os.path.join(REPO, "bootstrap"), encoding="utf-8") as f:
        text = f.read()
    commands = "".join(readme.blocks("bootstrap")).splitlines()
    assert commands == ["./bootstrap demo", "./bootstrap check", "./bootstrap build"]
    for c in commands:
        assert re.search(rf"^{c.split()[1]}\)$", text, flags=re.M), c


def test_install(work):
    build = os.path.dirname(program())
    if not os.path.exists(build + "/Makefile"):
        pytest.skip("the program under test lies in no build directory")
    (text,) = readme.blocks("install")
    readme.shell(text, work, cwd=build, DESTDIR=work + "/root")
    assert os.path.exists(work + "/root/usr/local/bin/agentrun")


def test_elsewhere(work):
    """From what is tracked and nothing else."""
    if not os.path.exists(REPO + "/.git"):
        pytest.skip("a copy of the sources: nothing is tracked")
    (text,) = readme.blocks("elsewhere")
    tracked = f"git -C {REPO} ls-files | tar -C {REPO} -T - -c | tar -C {work} -x\n"
    readme.shell(tracked + text, work, CFLAGS="-O0", MAKEFLAGS="-j2", DESTDIR=work + "/root")
    assert os.path.exists(work + "/root/usr/local/bin/agentrun")


def test_bench(work):
    """What make would run; test_bench.py runs it."""
    build = os.path.dirname(program())
    if not os.path.exists(build + "/Makefile"):
        pytest.skip("the program under test lies in no build directory")
    (text,) = readme.blocks("bench")
    r = readme.shell(text, work, cwd=build, MAKEFLAGS="n", BENCH="-n 20 --shape docker")
    assert re.search(r"tests/bench/bench\.py --runtime \./agentrun -n 20 --shape docker$", r.out,
                     re.M), r.out


def test_policy(work):
    (text,) = readme.blocks("policy")
    r = readme.shell(text, work)
    assert "Profile: agent" in r.out and '"$schema"' in r.out


def test_audit(rt, work, box):
    (text,) = readme.blocks("audit")
    b = box(["true"])
    rt.options += ["--profile", "agent"]
    rt.run(b, check=True)
    r = readme.shell(text, work)
    assert b.id in r.out and "follows from the one before" in r.out


def test_refusal(rt, work, box):
    """The three lines are those that the program writes."""
    home = work + "/home/you"
    os.makedirs(home + "/.ssh")
    b = box(["true"], lambda c: c["mounts"].append(
        {"destination": "/root/.ssh", "type": "bind", "source": home + "/.ssh",
         "options": ["rbind"]}))
    rt.options += ["--profile", "agent"]
    r = rt.run(b, check=False)
    assert f"```\n{r.err.replace(home, '/home/you')}```\n" in readme.TEXT


def test_table_of_annotations():
    """Every field of the manual's table, in its order, with the values that it takes."""
    with open(os.path.join(REPO, "man/agentrun-policy.5"), encoding="ascii") as f:
        table = f.read().split('.SH "TABLE OF FIELDS"\n')[1].split("\n.SH")[0]
    manual = re.findall(r"^\\fB([\w.*]+)\\fR = \\fI(.*)\\fR", table, flags=re.M)
    rows = re.findall(r"^\| `io\.agentrun\.([\w.*]+)` \| (.*?) \| .+ \|$", readme.TEXT, flags=re.M)
    assert [name for name, _ in rows] == [name for name, _ in manual]
    for (name, values), (_, syntax) in zip(rows, manual):
        words = re.findall(r"[\w-]+", values)
        assert words == [w for w in re.findall(r"[\w-]+", syntax) if w != "or" or w in words], name


def test_values_of_enumerations(work, box):
    """What the table lists in code, and nothing else, is a value of the field."""
    for name, values in re.findall(r"^\| `io\.agentrun\.([\w.]+)` \| ((?:`[\w-]+` ?){2,})\|",
                                   readme.TEXT, flags=re.M):
        for value in re.findall(r"`([\w-]+)`", values) + ["no-such-value"]:
            b = box(["true"], lambda c, n=name, v=value: c.update(
                annotations={"io.agentrun." + n: v}))
            r = run([program(), "policy", "explain", "--bundle", b.path])
            bad = f"io.agentrun.{name}" in r.err and "no-such-value" in r.err
            assert bad == (value == "no-such-value"), f"{name}={value}: {r.err}"
