# SPDX-License-Identifier: Apache-2.0
"""The manual pages say what the program's tables say."""
import json
import os
import re
import shutil
import subprocess

import pytest
from runtime import REPO, program, run

PAGES = sorted(os.listdir(os.path.join(REPO, "man")))
OPTION = re.compile(r"^ *(?:-(\w), )?--([\w-]+)(?: (\S+))?(?:  |$)")


def page(name):
    with open(os.path.join(REPO, "man", name), encoding="ascii") as f:
        return f.read()


def plain(text):
    """Without fonts and escapes."""
    text = re.sub(r"\\f[BIR]|\\&|\\\|", "", text)
    return text.replace("\\-", "-").replace("\\(dq", '"').replace("\\(aq", "'").replace("\\e", "\\")


def help_of(*args):
    """Operands, and the options as (letter, name, value)."""
    out = run([program(), "help", *args], check=True).out
    options = out.split("Options:\n")[1].splitlines() if "Options:\n" in out else []
    return out, [OPTION.match(x).groups() for x in options]


def commands():
    out, _ = help_of()
    block = out.split("Commands:\n")[1].split("\n\n")[0]
    return [line.split()[0] for line in block.splitlines()]


def sections(text, mark):
    """Name of each section or subsection to its text."""
    parts = re.split(rf"^\.{mark} (.*)\n", text, flags=re.M)
    return {n.strip('"'): t for n, t in zip(parts[1::2], parts[2::2])}


def options_in(text):
    """The tagged paragraphs whose tag is an option."""
    found = []
    for tag in re.findall(r"^\.TP\n(.*)$", text, flags=re.M):
        m = OPTION.match(plain(tag))
        if m:
            found.append(m.groups())
    return found


MANUAL = sections(page("agentrun.1"), "SH")
BY_COMMAND = sections(MANUAL["COMMANDS"], "SS")


def test_every_command():
    assert list(BY_COMMAND) == commands()


def test_global_options():
    assert options_in(MANUAL["OPTIONS"]) == help_of()[1]


@pytest.mark.parametrize("command", commands())
def test_options(command):
    out, options = help_of(command)
    assert options_in(BY_COMMAND[command]) == options
    usage = plain(BY_COMMAND[command].split(".PP")[0])
    told = out.splitlines()[0].replace("Usage: agentrun [OPTION...] ", "agentrun ")
    for form in told.split(" | "):  # the forms of `policy` and `audit` stand on lines of their own
        assert form.replace(f"agentrun {command} [OPTION...] ", "") in usage, form


def test_mount_options():
    features = json.loads(run([program(), "features"], check=True).out)
    listed = plain(MANUAL["MOUNT OPTIONS"]).split(".PP\n")[1]
    assert re.findall(r"\w+", listed) == features["mountOptions"]


def test_policy_fields():
    """Every field and no other, as the program's own schema has them."""
    schema = json.loads(run([program(), "policy", "schema"], check=True).out)
    text = json.dumps(schema)
    table = sections(page("agentrun-policy.5"), "SH")["TABLE OF FIELDS"]
    fields = re.findall(r"^\.TP\n\\fB([\w.*]+)\\fR = ", table, flags=re.M)
    assert len(fields) == len(set(fields)) > 15
    for f in fields:
        if f not in ("profile", "label.*"):
            assert f'"{f}": {{' in text, f
    known = set(re.findall(r'"((?:workspace|mounts|egress|ingress|env|credentials|seccomp|caps|'
                           r'limits|audit)(?:\.[a-z]+)?)": \{', text))
    known -= {"egress.reasons", "audit.hooks", "limits", "audit", "ingress"}
    assert known <= set(fields), known - set(fields)


def test_audit_members():
    with open(os.path.join(REPO, "profiles/audit-record.schema.json"), encoding="utf-8") as f:
        members = json.load(f)["properties"]
    text = plain(page("agentrun-audit.5"))
    for name in members:
        assert re.search(rf"(?<![\w.]){re.escape(name)}(?![\w])", text), name


@pytest.mark.parametrize("name", PAGES)
def test_form(name):
    text = page(name)
    title, section = name.rsplit(".", 1)
    assert text.startswith('.\\" SPDX-License-Identifier: Apache-2.0\n')
    assert f".TH {title.upper()} {section} " in text
    if not shutil.which("groff"):
        pytest.skip("no groff")
    r = subprocess.run(["groff", "-man", "-ww", "-z", "-Tascii", os.path.join(REPO, "man", name)],
                       capture_output=True, text=True, timeout=30, check=False)
    assert r.returncode == 0 and r.stderr == ""


@pytest.mark.parametrize("name", PAGES)
def test_references(name):
    """Pages of agentrun's that are referred to exist."""
    for title, section in re.findall(r"(agentrun[\w\\-]*)[ \"]*\((\d)\)", page(name)):
        assert f"{plain(title)}.{section}" in PAGES
