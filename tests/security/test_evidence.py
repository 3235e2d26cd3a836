# SPDX-License-Identifier: Apache-2.0
"""What the log holds of real containers, and who may not pass without it (THREATS F, E1)."""
import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import threading
import time
from datetime import datetime

import bundle
import confined
import leaks
import pytest
import runtime
from bundle import Bundle, shell

pytestmark = pytest.mark.skipif(runtime.flavour() != "agentrun", reason="records are agentrun's own")
TOKEN = "ghp_0123456789abcdefghij0123456789abcdef"
DIRECTORY = os.path.dirname(confined.LOG)


@pytest.fixture(autouse=True)
def no_log():
    """Each test has a log of its own (/var/log is the test run's own)."""
    shutil.rmtree(DIRECTORY, ignore_errors=True)
    yield
    shutil.rmtree(DIRECTORY, ignore_errors=True)


@pytest.fixture
def agent(work):
    made = []

    def make(args=("true",), **fields):
        made.append(Bundle(f"{work}/e{os.getpid()}-{len(made)}", args))
        return confined.confine(made[-1], work, **fields)

    return make


@pytest.fixture
def hosted(rt, work):
    """Sets the host policy's audit hooks."""
    path = f"{work}/policy.json"

    def put(**members):
        with open(path, "w", encoding="utf-8") as f:
            json.dump({"audit.hooks": [members]}, f)
        rt.options = ["--host-policy", path]

    return put


def records(b=None, event=None):
    try:
        with open(confined.LOG, encoding="utf-8") as f:
            found = [json.loads(line) for line in f]
    except FileNotFoundError:
        return []
    return [r for r in found if (not b or r.get("container.id") == b.id) and
            (not event or r["event"] == event)]


def audit(*args, check=True):
    return runtime.run([runtime.program(), "audit", *args], check=check)


def script(path, text):
    with open(path, "w", encoding="utf-8") as f:
        f.write("#!/bin/sh\n" + text)
    os.chmod(path, 0o755)
    return path


def test_a_session_from_create_to_delete(rt, agent):
    b = agent(shell("exit 7"), egress="allow", label_task="issue 7",
              egress_allow="203.0.113.1:443 (the model)")
    assert rt.run(b).code == 7
    events = records(b)
    events = [r for r in events if r["event"] != "commands"]
    assert [r["event"] for r in events] == ["create", "start", "exit", "delete"]
    create, _, exit_, delete = events
    assert create["policy"]["workspace"]["source"] == b.workspace
    assert create["policy"]["egress"]["rules"][0]["reason"] == "the model"
    assert create["policy"]["no_new_privileges"] is True
    assert create["claims"] == {"task": "issue 7"}
    assert create["process.command_args"] == shell("exit 7")
    assert delete["process.exit.code"] == exit_["process.exit.code"] == 7
    assert len({r["session"] for r in events}) == 1
    for where in ([], ["--directory", os.path.dirname(confined.LOG)]):
        assert audit("verify", *where).out.startswith(f"unanchored: {len(records())} records")
        assert audit(*where, "verify").out.startswith(f"unanchored: {len(records())} records")
    page = audit("show", b.id).out
    for part in ("code 7", "the model", b.workspace, "task: issue 7", "shell built-ins"):
        assert part in page


def test_a_container_without_policy_leaves_no_record(rt, work):
    assert rt.run(Bundle(f"{work}/plain{os.getpid()}")).code == 0
    assert records() == []


@pytest.mark.parametrize("command", ["list", "show", "verify"])
def test_a_directory_that_is_named_must_be_there(rt, work, command):
    assert audit("list").out.startswith("SESSION")    # nobody wrote to the usual one yet
    audit(command, "--directory", work + "/nowhere", check=work + "/nowhere: No such file")


def test_E1_no_secret_reaches_the_log(rt, agent):
    b = agent(["sleep", "60"])
    b.config["process"]["env"] += [f"GITHUB_TOKEN={TOKEN}", f"INNOCENT={TOKEN}"]
    b.config["process"]["args"] = ["sh", "-c", f"sleep 60; TOKEN={TOKEN} x", "--password", "hunter2"]
    b.save()
    rt.up(b)
    rt.exec(b, "--env", f"DB_PASSWORD={TOKEN}", "--", "true", f"https://u:{TOKEN}@h/", TOKEN,
            f"x={TOKEN},y", check=True)
    rt.delete(b, "--force", check=True)
    with open(confined.LOG, encoding="utf-8") as f:
        text = f.read()
    assert TOKEN not in text and "hunter2" not in text
    create, = records(b, "create")
    assert set(create["policy"]["env"]["dropped"]) == {"GITHUB_TOKEN", "INNOCENT"}
    assert records(b, "exec")[0]["env.dropped"] == ["DB_PASSWORD"]


def secret(n):
    return f"S3cret{n:02}x9Kq7Lw2Zt5Vb8Nm4Rj6Hd1Gf3Ps0Yc"


# One secret each, as arguments; the same in one text for a shell.
PLANTED = [
    lambda s: ["curl", "-u", f"me:{s}", "h"], lambda s: ["curl", f"-ume:{s}", "h"],
    lambda s: ["curl", f"--user=me:{s}", "h"], lambda s: ["curl", "-H", f"X-Api-Key: {s}"],
    lambda s: ["curl", "-H", f"Authorization: Custom {s}"], lambda s: ["curl", "-b", f"session={s}"],
    lambda s: ["curl", "-H", f"Cookie: a=b; session={s}"], lambda s: ["curl", f"https://h/?access_token={s}&x"],
    lambda s: ["curl", f"https://h/?x&key={s}"], lambda s: ["curl", f"https://h/?sig={s}"],
    lambda s: ["curl", "-d", f'{{"password": "{s}"}}'], lambda s: ["curl", "-d", f"a=b&client_secret={s}"],
    lambda s: ["git", "clone", f"https://me:{s}@h/x"], lambda s: ["git", "clone", f"https://{s}@h/x"],
    lambda s: ["git", "-c", f"http.extraheader=AUTHORIZATION: basic {s}"],
    lambda s: ["psql", f"postgres://me:{s}@h/db"], lambda s: ["psql", f"host=h password={s} user=x"],
    lambda s: ["redis-cli", "-a", s], lambda s: ["mysql", f"-p{s}"], lambda s: ["sshpass", "-p", s, "ssh"],
    lambda s: ["docker", "login", "-u", "me", "-p", s], lambda s: ["docker", "login", "--password", s],
    lambda s: ["docker", "run", "-e", f"DB_PASSWORD={s}"], lambda s: ["openssl", "enc", "-pass", f"pass:{s}"],
    lambda s: ["aws", "configure", "set", "aws_secret_access_key", s],
    lambda s: ["npm", "config", "set", "//r.example/:_authToken", s],
    lambda s: ["npm", f"--//r.example/:_authToken={s}"], lambda s: ["kubectl", "--token", s],
    lambda s: ["tool", f"--api-key={s}"], lambda s: ["tool", "-password", s],
    lambda s: ["tool", f"api_key = '{s}'"], lambda s: ["tool", f"token: {s}"],
    lambda s: ["env", f"AWS_SECRET_ACCESS_KEY={s}"], lambda s: ["tool", "Bearer " + s],
    lambda s: ["zip", "-P", s, "x"], lambda s: ["ldapsearch", "-w", s],
    lambda s: ["tool", "ghp_" + s], lambda s: ["tool", f"glpat-{s}"], lambda s: ["tool", "npm_" + s],
    lambda s: ["tool", f"-----BEGIN RSA PRIVATE KEY-----\n{s}\n-----END RSA PRIVATE KEY-----"],
]


def test_E1_forty_secrets_are_in_no_form_of_the_report(rt, agent, hosted, work):
    """In commands, as arguments and in a shell's text; in the environment, a label, a reason, a hook's error."""
    assert len(PLANTED) == 40
    hosted(path=script(f"{work}/hook", f"echo TOKEN={secret(95)} >&2; exit 3"), events=["create"])
    b = agent(["sleep", "60"], label_note=f"password={secret(96)}", egress="allow",
              egress_allow=f"203.0.113.1:443 (token: {secret(97)})")
    b.config["process"]["env"].append(f"INNOCENT=ghp_{secret(98)}")
    b.save()
    rt.up(b)
    for n, plant in enumerate(PLANTED):
        rt.exec(b, "--env", f"DB_PASSWORD={secret(99)}", "--", "true", *plant(secret(n)), check=True)
        text = " ".join(a if re.fullmatch(r"[\w:/=@.-]+", a) else f'"{a}"' for a in plant(secret(n + 40))
                        if '"' not in a)
        rt.exec(b, "--", "sh", "-c", f"true || {text}", check=True)
    rt.delete(b, "--force", check=True)
    with open(confined.LOG, encoding="utf-8") as f:
        forms = {"log": f.read()}
    for form in ("--json", "--markdown", "--html"):
        forms[form] = audit("show", form, b.id).out
    forms["text"], forms["list"] = audit("show", b.id).out, audit("list").out
    assert forms["log"].count('"event":"exec"') == 80
    for where, text in forms.items():
        assert sorted(set(re.findall(r"S3cret(\d\d)", text))) == [], where


def test_E1_the_report_tells_what_exec_dropped(rt, agent):
    b = rt.up(agent(["sleep", "60"]))
    rt.exec(b, "--env", f"GITHUB_TOKEN={TOKEN}", "--env", "A=1", "--", "true", "it", check=True)
    rt.delete(b, "--force", check=True)
    line, = [x for x in audit("show", b.id).out.splitlines() if "exec    true it" in x]
    assert line.endswith("; dropped: GITHUB_TOKEN")


@pytest.mark.parametrize("fields, ports, said", [
    ({}, [], None), ({"ingress_allow": "80, 8443"}, [80, 8443], "80, 8443"),
    ({"egress": "open"}, [], "all (egress=open: not restricted)")],
    ids=["none", "some", "all"])
def test_the_report_tells_which_ports_are_open(rt, agent, fields, ports, said):
    b = agent(**fields)
    rt.run(b, check=True)
    assert records(b, "create")[0]["policy"]["ingress"] == ports
    page = audit("show", b.id).out
    assert (f"  open ports   {said}\n" if said else "  network      nothing, in or out\n") in page


def test_the_report_tells_that_the_time_was_over(rt, agent):
    b = agent(["sleep", "60"], limits_time="1s")
    assert rt.run(b).code == 137
    assert "killed by signal 9: limits.time was over" in audit("show", b.id).out


@pytest.mark.parametrize("late", [lambda p: p.update(args=["/no/such"]),
                                  lambda p: p.update(cwd="/etc/passwd")], ids=["program", "cwd"])
def test_a_create_that_fails_late_has_both_records(rt, agent, late):
    """It was in its root and recorded when it turned out that it cannot run.  Here the kernel is slow
    where the runtime goes on without the child, which then is gone before anything was recorded: its
    own reason is told all the same."""
    b = agent()
    late(b.config["process"])
    b.save()
    said = rt.create(b, check=False).err
    if records(b):    # a busy machine is slow enough by itself
        assert [r["event"] for r in records(b)] == ["create", "delete"]
        assert records(b)[1]["exit_reason"] == "it was never started"
    if not shutil.which("strace"):
        pytest.skip("strace is not installed")
    before = len(records())
    argv = rt.argv("create", "--bundle", b.path, b.id)
    slow = runtime.run(["strace", "-o", "/dev/null", "-e", "inject=mount:delay_enter=300000", *argv],
                       check=False)
    assert said in slow.err and ("/no/such" in said or "cwd" in said)
    assert len(records()) == before


def test_the_report_tells_that_it_never_ran(rt, agent):
    b = agent()
    rt.create(b, check=True)
    rt.delete(b, check=True)
    page = audit("show", b.id).out
    assert " | ran for: unknown, or never started" in page
    assert "What it cost: how long it ran is not known, or it was never started" in page
    assert "  exit         not known: it was never started\n" in page


def test_the_report_tells_how_long_it_ran(rt, agent):
    """Since its start, not since it began to wait for that."""
    b = agent()
    rt.create(b, check=True)
    time.sleep(0.5)
    rt.start(b, check=True)
    rt.wait(b)
    rt.delete(b, check=True)
    create, start, delete = (datetime.fromisoformat(records(b, event)[0]["time"][:26])
                             for event in ("create", "start", "delete"))
    said = float(re.search(r"ran for +([\d.]+) s", audit("show", b.id).out).group(1))
    assert said == pytest.approx((delete - start).total_seconds(), abs=0.002)
    assert said < (delete - create).total_seconds() - 0.4


def test_the_report_tells_of_other_sessions(rt, agent):
    """An engine that restarts a container uses its id again."""
    b = agent()
    rt.run(b, check=True)
    assert "of this container id" not in audit("show", b.id).out
    rt.run(b, check=True)
    first = records(b)[0]["session"]
    assert "number 2 of 2 of this container id" in audit("show", b.id).out
    assert "number 1 of 2 of this container id" in audit("show", first).out


def test_F2_one_delete_whatever_is_repeated(rt, agent):
    b = agent(["sleep", "60"])
    rt.up(b)
    threads = [threading.Thread(target=rt.delete, args=(b, "--force")) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    rt.delete(b, "--force")
    assert len(records(b, "delete")) == 1
    assert audit("verify").code == 0


@pytest.mark.parametrize("flags, why, sessions", [
    ((), "hooks.createContainer[0]: hook /bin/false: exit status 1", 0),
    (("--pid-file", "/no/such/pid"), "/no/such/pid", 1)], ids=["before", "after"])
def test_F2_a_failed_create_ends_the_session_that_it_began(rt, agent, flags, why, sessions):
    b = agent()
    if not flags:
        b.config["hooks"] = {"createContainer": [{"path": "/bin/false"}]}
        b.save()
    rt.create(b, *flags, check=why)
    rt.delete(b, "--force")
    assert len(records(b, "create")) == len(records(b, "delete")) == sessions


def test_F3_no_record_no_container(rt, agent):
    """audit.mode=required; with best-effort it runs all the same."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", "/var/log"], check=True)
    try:
        b = agent(shell("echo ran"), audit_mode="required")
        r = rt.run(b, check="audit record of create (audit.mode=required): audit: "
                   "/var/log/agentrun: create /var/log/agentrun: Read-only file system")
        assert "ran" not in r.out
        assert b.id not in rt.ids()
        b = agent(shell("echo ran"), audit_mode="best-effort")
        r = rt.run(b)
        assert r.code == 0 and "ran" in r.out
    finally:
        subprocess.run(["umount", "/var/log"], check=True)


def test_F5_hostile_arguments_of_exec(rt, agent):
    b = agent(["sleep", "60"])
    rt.up(b)
    args = ["\x1b]0;evil\x07", "a\"b\n\"}\n{\"v\":1", "x" * 100000, "\u202e"]
    rt.exec(b, "--", "true", *args, check=True)
    rt.delete(b, "--force", check=True)
    got = records(b, "exec")[0]
    assert got["process.command_args"][1:3] == args[:2]
    assert got["truncated"]
    for form in ((), ("--markdown",), ("--html",)):
        page = audit("show", *form, b.id).out
        assert "\x1b" not in page and "\x07" not in page and "\u202e" not in page
    assert audit("verify").code == 0


def test_audit_verify_finds_a_changed_byte(rt, agent):
    b = agent()
    rt.run(b, check=True)
    with open(confined.LOG, "r+b") as f:
        text = f.read()
        f.seek(text.index(b'"claims"') + 1)
        f.write(b"C")
    r = audit("verify", check=False)
    assert r.code == 1 and "first bad record: 1" in r.err


# What is done to two sessions of five records each, and the first record that is bad then.
TAMPERING = {
    "edited": lambda x: x[:3] + [x[3].replace(b'"exec"', b'"exit"')] + x[4:],
    "argument edited": lambda x: x[:3] + [x[3].replace(b"step1", b"step9")] + x[4:],
    "removed": lambda x: x[:3] + x[4:],
    "first removed": lambda x: x[1:],
    "reordered": lambda x: x[:2] + [x[3], x[2]] + x[4:],
    "repeated": lambda x: x[:3] + x[2:],
    "tail cut": lambda x: x[:-1],
    "torn": lambda x: x[:-1] + [x[-1][:50]],
    "emptied": lambda x: [],
    "session removed": lambda x: [line for line in x if x[0].partition(b'"session":"')[2][:26]
                                  not in line],
}


@pytest.mark.parametrize("how", TAMPERING)
def test_F1_verify_finds_what_was_done_to_the_log(rt, agent, how):
    """Also after the log went on: two sessions, tampered with, and one more."""
    for _ in range(2):
        b = agent(["sleep", "60"])
        rt.up(b)
        for i in range(2):
            rt.exec(b, "--", "true", f"step{i}", check=True)
        rt.delete(b, "--force", check=True)
    with open(confined.LOG, "rb") as f:
        lines = f.read().splitlines()
    count = len(lines)
    assert count >= 12 and audit("verify").out.startswith(f"unanchored: {count} records")
    with open(confined.LOG, "wb") as f:
        f.write(b"".join(x + b"\n" for x in TAMPERING[how](lines)))
    assert "first bad record" in audit("verify", check=False).err
    rt.run(agent(), check=True)
    if how == "emptied":    # as after a rotation: it says so
        assert f"begins with record {count + 1}:" in audit("verify").out
    else:
        audit("verify", check="first bad record")


def test_F1_a_log_that_was_hashed_anew_needs_a_witness(rt, agent):
    """verify says so: unanchored, not ok; with the hash that a hook forwarded it is told."""
    rt.run(agent(), check=True)
    head = json.loads(audit("verify", "--json").out)["head"]
    assert audit("verify", "--anchor", head).out.startswith("ok: ")
    shutil.rmtree(DIRECTORY)
    rt.run(agent(), check=True)
    assert audit("verify").out.startswith("unanchored: ")
    assert "anchor" in audit("verify", "--anchor", head, check=False).err


def test_F1_what_has_no_witness_is_in_the_verdict(rt, agent):
    rt.run(agent(), check=True)
    with open(confined.LOG, "rb") as f:
        lines = f.read().splitlines()
    hashes = [hashlib.sha256(x).hexdigest() for x in lines]
    n = len(lines)
    said = audit("verify", "--anchor", hashes[1]).out
    assert said.splitlines()[0] == (f"ok up to record 2: {n} records, each follows from the one before; "
                                    f"records 3 to {n} have no witness")
    for anchor, rest in (["--anchor", hashes[1]], n - 2), (["--anchor", hashes[-1]], 0), ([], n):
        assert json.loads(audit("verify", "--json", *anchor).out)["unwitnessed"] == rest


@pytest.mark.parametrize("how", [os.unlink, lambda path: os.truncate(path, 0)])
def test_F1_without_the_head_a_cut_end_is_not_noticed(rt, agent, how):
    rt.run(agent(), check=True)
    assert json.loads(audit("verify", "--json").out)["head_missing"] is False
    assert "audit.head" not in audit("verify").out
    how(f"{DIRECTORY}/audit.head")
    assert "audit.head is not there, or damaged: whether records are missing at the end is not known" in \
        audit("verify").out
    assert json.loads(audit("verify", "--json").out)["head_missing"] is True


def test_F1_anchor_gives_a_witness_the_last_record(rt, agent, work):
    """Printed is its hash; a command gets the record as it stands; neither of a log that is bad."""
    audit("anchor", check="No such file or directory")
    rt.run(agent(), check=True)
    last = records()[-1]
    head = audit("anchor").out.strip()
    assert head == json.loads(audit("verify", "--json").out)["head"]
    assert json.loads(audit("anchor", "--json").out)["head"] == head
    program = os.path.join(os.environ.get("AGENTRUN_HOOKS") or os.path.dirname(runtime.program()),
                           "agentrun-hook-file")
    audit("anchor", "--", program, f"{work}/witness")
    with open(f"{work}/witness", encoding="utf-8") as f:
        kept = f.read()
    assert json.loads(kept) == last and hashlib.sha256(kept[:-1].encode()).hexdigest() == head
    assert audit("verify", "--anchor", head).out.startswith("ok: ")
    audit("anchor", "sh", "--", "-c", "read -r x; echo no >&2; exit 3", check="exit status 3: no")
    audit("anchor", "no-such-program", check="no-such-program: not found in $PATH")
    with open(confined.LOG, "r+b") as f:
        f.seek(20)
        f.write(b"x")
    os.unlink(f"{work}/witness")
    audit("anchor", check="first bad record: 1")
    audit("anchor", "--", program, f"{work}/witness", check="first bad record: 1")
    assert not os.path.exists(f"{work}/witness")


@pytest.mark.parametrize("events", [["exit"], ["delete"], ["exit", "delete"]], ids="-".join)
def test_F2_a_delete_that_failed_after_its_record(rt, agent, hosted, work, events):
    """The hook gets the record and fails: the next delete ends it, and records nothing more.
    The error is the first, both are in the log."""
    hosted(path=script(f"{work}/hook", f"tee -a {work}/got | sed 's/.*\"event\":\"//; s/\".*//' >&2; exit 1"),
           events=events, required=True)
    b = rt.up(agent(["sleep", "60"]))
    rt.delete(b, "--force", check=f"audit.hooks[0]: hook {work}/hook: exit status 1: {events[0]}\n")
    assert [x["hook.event"] for x in records(b, "hook")] == events
    assert b.id in rt.ids()
    rt.delete(b, "--force", check=True)
    assert b.id not in rt.ids()
    with open(f"{work}/got", encoding="utf-8") as f:
        assert [json.loads(x)["event"] for x in f] == events
    for event in ("exit", "delete"):
        assert len(records(b, event)) == 1
    assert len(records(b, "commands")) <= 1


@pytest.fixture
def crash(rt, work):
    """What a power cut makes of containers: no process, nothing in /run, another boot; the log stays."""
    boot_id = "/proc/sys/kernel/random/boot_id"
    with open(f"{work}/boot_id", "w", encoding="ascii") as f:
        f.write("00000000-0000-4000-8000-000000000000\n")

    def down(*bundles):
        for b in bundles:
            os.kill(rt.state(b)["pid"], signal.SIGKILL)
            rt.wait(b)
            subprocess.run(["umount", f"{rt.root}/{b.id}/netns"], check=True)
            shutil.rmtree(f"{rt.root}/{b.id}")
            for d in leaks.cgroups():
                if d.endswith(b.config["linux"]["cgroupsPath"]):
                    os.rmdir(d)
        subprocess.run(["mount", "--bind", f"{work}/boot_id", boot_id], check=True)

    yield down
    subprocess.run(["umount", boot_id], check=True)


def test_F2_after_the_host_crashed(rt, agent, crash):
    """The next record ends what had not ended; no one deletes it again."""
    ended, running, waiting = agent(), agent(["sleep", "60"]), agent()
    rt.run(ended, check=True)
    rt.up(running)
    rt.create(waiting)
    crash(running, waiting)
    assert "no delete record: it still runs, or the host went down" in audit("show", running.id).out
    assert audit("verify").out.startswith(f"unanchored: {len(records())} records")
    rt.run(agent(), check=True)
    for b in (running, waiting):
        delete, = records(b, "delete")
        assert delete["exit_reason"] == "the host was restarted before the container was deleted"
        assert "not known: the host was restarted" in audit("show", b.id).out
        rt.delete(b, "--force", check=True)
    rt.run(agent(), check=True)
    assert [len(records(b, "delete")) for b in (ended, running, waiting)] == [1, 1, 1]
    assert audit("verify").out.startswith(f"unanchored: {len(records())} records")
    assert os.listdir(f"{DIRECTORY}/sessions") == []


@pytest.mark.parametrize("step", range(6))
def test_F2_delete_killed_on_its_way(rt, agent, step):
    b = agent(["sleep", "60"])
    rt.up(b)
    with subprocess.Popen(rt.argv("delete", "--force", b.id), stderr=subprocess.DEVNULL) as p:
        time.sleep(0.002 * step)
        p.kill()
    rt.delete(b, "--force")
    rt.delete(b, "--force")
    assert len(records(b, "delete")) == 1
    assert audit("verify").code == 0


# ---- audit hooks


def test_hooks_get_create_and_delete(rt, agent, hosted, work):
    hook = script(f"{work}/hook", f"env >>{work}/env; cat >>{work}/out; echo \"$@\" >>{work}/args\n")
    hosted(path=hook, args=["one", "two words"])
    b = agent()
    b.config["process"]["env"].append("FROM_BUNDLE=1")
    b.save()
    rt.run(b, check=True, env={**os.environ, "SECRET_OF_CALLER": "x"})
    with open(f"{work}/out", encoding="utf-8") as f:
        given = [json.loads(line) for line in f]
    assert [r["event"] for r in given] == ["create", "delete"]
    assert given == records(b, "create") + records(b, "delete")
    with open(f"{work}/args", encoding="utf-8") as f:
        assert f.read() == "one two words\n" * 2
    with open(f"{work}/env", encoding="utf-8") as f:
        text = f.read()
    assert "SECRET_OF_CALLER" not in text and "FROM_BUNDLE" not in text


@pytest.mark.parametrize("body, outcome", [("echo why >&2; exit 3", "failed"), ("sleep 60", "timeout")])
def test_a_hook_that_fails_is_recorded(rt, agent, hosted, work, body, outcome):
    hosted(path=script(f"{work}/hook", body), events=["create"], timeout=1)
    b = agent(shell("echo ran"))
    r = rt.run(b)
    assert r.code == 0 and "ran" in r.out
    hook, = records(b, "hook")
    assert hook["hook.outcome"] == outcome and hook["hook.event"] == "create"
    assert f"{work}/hook at create" in audit("show", b.id).out
    assert audit("verify").code == 0


def test_what_a_hook_said_is_escaped_once(rt, agent, hosted, work):
    hosted(path=script(f"{work}/hook", "printf 'a\\033[2J\\\\\"b\\nc' >&2; exit 3"), events=["create"])
    b = agent()
    rt.run(b, check=True)
    assert audit("show", b.id).out.count(r": exit status 3: a\x1b[2J\x5c\x22b\x0ac" + "\n") == 1


def test_a_required_hook_that_fails_stops_create(rt, agent, hosted, work):
    hosted(path=script(f"{work}/hook", "exit 3"), events=["create"], required=True)
    b = agent(shell("echo ran"))
    r = rt.run(b, check=f"audit.hooks[0]: hook {work}/hook: exit status 3")
    assert "ran" not in r.out
    assert b.id not in rt.ids()
    assert records(b, "hook")[0]["hook.required"] is True
    assert len(records(b, "delete")) == len(records(b, "create"))


@pytest.mark.parametrize("status", [0, 3])
def test_a_required_hook_is_run_without_a_log(rt, agent, hosted, work, status):
    """audit.mode=best-effort and a log that cannot be written: no way around the hook."""
    with open(DIRECTORY, "w", encoding="ascii"):
        pass
    try:
        hosted(path=script(f"{work}/hook", f"cat >>{work}/got; exit {status}"), required=True)
        b = agent(shell("echo ran"), audit_mode="best-effort")
        r = rt.run(b, check="audit.hooks[0]" if status else True)
        assert ("ran" in r.out) == (status == 0)
        assert rt.ids() == []
    finally:
        os.unlink(DIRECTORY)
    with open(f"{work}/got", encoding="utf-8") as f:
        given = [json.loads(line) for line in f]
    assert [(g["event"], g["seq"], g["container.id"]) for g in given] == [
        ("create", 0, b.id), ("delete", 0, b.id)]


def test_the_file_forwarder_is_a_witness(rt, agent, hosted, work):
    """A log written anew is told from the true one by what was forwarded."""
    program = os.path.join(os.environ.get("AGENTRUN_HOOKS") or os.path.dirname(runtime.program()),
                           "agentrun-hook-file")
    hosted(path=program, args=[f"{work}/witness"], required=True)
    b = agent()
    rt.run(b, check=True)
    anchor = subprocess.run(f"tail -n 1 {work}/witness | tr -d '\\n' | sha256sum | cut -c1-64",
                            shell=True, check=True, capture_output=True, text=True).stdout.strip()
    assert audit("verify", "--anchor", anchor).out.startswith(f"ok: {len(records())} records")
    shutil.rmtree(DIRECTORY)
    rt.run(b, check=True)
    assert audit("verify").out.startswith("unanchored")
    assert "no record has the anchor's hash" in audit("verify", "--anchor", anchor, check=False).err


@pytest.fixture
def tree(agent):
    """A container with a writable workspace in which something is."""
    def make(script):
        b = agent(shell(script))
        os.makedirs(b.workspace + "/dir/below")
        for name in "gone", "old", "new", "dir/one", "dir/below/two", "Makefile", "kept":
            with open(f"{b.workspace}/{name}", "w", encoding="ascii") as f:
                f.write(name)
        time.sleep(0.02)    # the clock of file systems ticks every 4 ms or 10
        return b

    return make


def changed(b):
    """kind of each path, and the whole"""
    last, = records(b, "delete")
    return {x["path"]: x["kind"] for x in last["files"]["changes"]}, last["files"]


DO = "rm gone Makefile; mv new old; mv dir moved"
DONE = {"gone": "deleted", "Makefile": "deleted", "new": "deleted", "old": "modified",
        "dir/one": "deleted", "dir/below/two": "deleted",
        "moved/one": "added", "moved/below/two": "added"}


def test_what_was_removed_renamed_and_replaced(rt, tree):
    b = tree(DO)
    rt.run(b, check=True)
    kinds, files = changed(b)
    assert kinds == DONE and files["reason"] is None and files["source"] == "statx"
    assert (files["added"], files["modified"], files["deleted"]) == (2, 1, 5)
    first = files["changes"][0]
    assert first["path"] == "Makefile" and first["runs"] and first["sha256"] is None


def test_what_exec_removed(rt, tree):
    b = tree("sleep 100")
    rt.up(b)
    rt.exec(b, "--", "sh", "-c", DO, check=True)
    rt.kill(b, "KILL", check=True)
    rt.wait(b)
    rt.delete(b, check=True)
    kinds, files = changed(b)
    assert kinds == DONE and files["reason"] is None


def test_what_a_killed_one_removed(rt, tree):
    """SIGKILL of all of it, and a delete that kills."""
    b = tree(DO + "; touch ready; sleep 100")
    rt.up(b)
    runtime.until(lambda: os.path.exists(b.workspace + "/ready"))
    rt.delete(b, "--force", check=True)
    kinds, files = changed(b)
    assert kinds == {**DONE, "ready": "added"} and files["reason"] is None


@pytest.mark.parametrize("form", [(), ("--markdown",), ("--html",)], ids=["text", "markdown", "html"])
def test_the_report_names_what_was_removed(rt, tree, form):
    b = tree(DO)
    rt.run(b, check=True)
    page = audit(*form, "show", b.id).out
    for path in (p for p, kind in DONE.items() if kind == "deleted"):
        assert re.search(r"deleted \W*(<code>)?" + re.escape(path), page), page
    assert "a build script" in page and "removed are not known" not in page


DAMAGE = {
    "of a former version": (os.unlink, "there is no list"),
    "cut": (lambda path: os.truncate(path, os.path.getsize(path) - 3), "damaged"),
    "empty": (lambda path: os.truncate(path, 0), "not a list of this version"),
}


@pytest.mark.parametrize("how", DAMAGE)
def test_without_a_list_it_is_said(rt, tree, how):
    """Fails closed: nothing is told of what was removed, and why, and the rest as ever."""
    b = tree("sleep 100")
    rt.up(b)
    rt.exec(b, "--", "sh", "-c", "rm gone; echo more >>old; echo x >fresh", check=True)
    damage, why = DAMAGE[how]
    damage(f"{rt.root}/{b.id}/listing")
    rt.delete(b, "--force", check=True)
    kinds, files = changed(b)
    assert kinds == {"old": "modified", "fresh": "added"}
    assert files["reason"].startswith("the names of what was removed are not known: ") and why in files["reason"]
    assert "names of what was removed are not known" in audit("show", b.id).out


def test_another_directory_than_the_one_that_was_listed(rt, tree):
    b = tree("sleep 100")
    rt.up(b)
    os.rename(b.workspace, b.workspace + ".away")
    os.mkdir(b.workspace)
    rt.delete(b, "--force", check=True)
    kinds, files = changed(b)
    assert not kinds and "another directory" in files["reason"]


def test_no_list_without_need(rt, tree, work):
    """Neither without a policy, nor where nobody can write to the workspace itself."""
    plain = Bundle(work + "/plain", ("sleep", "100"))
    modes = [tree("sleep 100") for _ in range(3)]
    for b, mode in zip(modes, ("rw", "ro", "cow")):
        confined.annotate(b.config, workspace_mode=mode)
        b.save()
    for b, listed in zip([plain, *modes], (False, True, False, False)):
        rt.up(b)
        assert os.path.exists(f"{rt.root}/{b.id}/listing") == listed
        rt.delete(b, "--force", check=True)


def executions(b):
    return [x for r in records(b, "commands") for x in r["executions"]]


def commands(b):
    return [(r["process.command_args"], r["process.exit.code"], r.get("process.exit.signal"))
            for r in executions(b)]


@pytest.fixture
def watched():
    if not confined.can_watch():
        pytest.skip("no BPF for the log of commands")


def test_F6_the_commands_that_it_executed(rt, agent, watched):
    """Exact arguments, exit codes and signals, and the exit of the first process; exec's, too."""
    b = agent(["sh", "-c", "/bin/true 'a b' \"$(printf 'x\\ny')\"; /bin/false; sh -c 'exit 7'; sleep 100; :"])
    rt.up(b)
    rt.exec(b, "--", "sh", "-c", "exit 3", check=False)
    runtime.until(lambda: "sleep 100" in rt("ps", b.id).out)
    rt.kill(b, "KILL", check=True)
    rt.wait(b)
    rt.delete(b, check=True)
    seen = commands(b)
    assert seen[0][0][:2] == ["sh", "-c"] and seen[0][2] == 9
    for command in ((["/bin/true", "a b", "x\ny"], 0, None), (["/bin/false"], 1, None),
                    (["sh", "-c", "exit 7"], 7, None), (["sh", "-c", "exit 3"], 3, None),
                    (["sleep", "100"], None, 9)):
        assert command in seen
    exit_, = records(b, "exit")
    delete, = records(b, "delete")
    assert exit_["process.exit.signal"] == delete["process.exit.signal"] == 9
    assert exit_["source"] == "bpf" and delete["commands"]["source"] == "bpf"
    assert delete["commands"]["recorded"] == len(seen) and delete["commands"]["lost"] == 0
    assert not any(x[0][0] == "agentrun-init" for x in seen)


def test_F6_the_page_shows_what_was_executed_not_what_it_calls_itself(rt, agent, watched):
    b = agent(["sh", "-c", "cp /bin/busybox /tmp/evil-miner; (exec -a cat /tmp/evil-miner /dev/null); "
               "printf '#!/bin/sh\n' >/tmp/s; chmod +x /tmp/s; /tmp/s a; /bin/nameless git 3; :"])
    confined.put(b, confined.tool("nameless"))
    rt.run(b, check=True)
    page = audit("show", b.id).out
    for part in (r'/tmp/evil-miner \(as "cat"\) /dev/null \(code 0', r"/tmp/s a \(code 0",
                 r'/(dev|proc/self)/fd/\d+ \(as "git"\) 3 \('):
        assert re.search(f"  {part}", page), (part, page)


@pytest.mark.parametrize("late", [False, True])
def test_F6_a_name_like_the_runtime_s_hides_nothing(rt, agent, watched, late):
    """What calls itself as the runtime's own first step, from a file without a name, is logged; also where the log
    began after that step."""
    b = agent(["/bin/nameless", "agentrun-init", "3"])
    confined.put(b, confined.tool("nameless"))
    argv = rt.argv("run", "--bundle", b.path, b.id)
    if late:
        argv = ["strace", "-qq", "-o", "/dev/null", "-e", "inject=bpf:delay_enter=100000:when=1..3", *argv]
    runtime.run(argv, check=True)
    assert [x[0] for x in commands(b)] == [["/bin/nameless", "agentrun-init", "3"],
                                           ["agentrun-init", "3"], ["agentrun-init", "3"]]


@pytest.fixture
def others(rt, agent):
    """others(b): b is in the PID namespace of another container, and nobody may watch that."""
    made = []

    def share(b):
        made.append(agent(["sleep", "1000"]))
        rt.up(made[-1])
        for n in b.config["linux"]["namespaces"]:
            if n["type"] == "pid":
                n["path"] = f"/proc/{rt.state(made[-1])['pid']}/ns/pid"
        b.save()
        return b

    yield share
    for b in made:
        rt.delete(b, "--force", check=True)


@pytest.fixture(params=["bpf", "claimed"])
def source(request):
    if request.param == "bpf":
        request.getfixturevalue("watched")
        return request.param, lambda b: b
    return request.param, request.getfixturevalue("others")


# Until 8 MiB of arguments are logged; each command is of 4 KiB.
OVERFLOW = "x=$(printf '%04000d' 0); i=0; while [ $i -lt 2500 ]; do /bin/true $x || exit 3; i=$((i+1)); done"


def test_F7_what_overflows_is_counted(rt, agent, source):
    name, prepare = source
    b = prepare(agent(["sh", "-c", OVERFLOW + "; exit 5"]))
    assert rt.run(b, timeout=120).code == 5
    delete, = records(b, "delete")
    assert delete["commands"]["source"] == name
    assert delete["commands"]["lost"] > 100 and delete["commands"]["reason"] == "the log was full"
    assert delete["commands"]["recorded"] == len(commands(b)) > 1500
    assert delete["commands"]["recorded"] + delete["commands"]["lost"] == 2501
    page = audit("show", b.id).out
    assert "were LOST: the log was full" in page and " more were LOST | " in page.splitlines()[1]


def test_F7_what_overflows_dies_where_records_are_required(rt, agent, source):
    """Before its first instruction: no side effect without a record."""
    b = agent(["sh", "-c", OVERFLOW.replace("exit 3", "{ echo $? >/workspace/seen; exit 3; }")],
              audit_mode="required")
    assert rt.run(source[1](b), timeout=120).code == 3
    with open(b.workspace + "/seen", encoding="ascii") as f:
        assert f.read() == "137\n"
    delete, = records(b, "delete")
    assert delete["commands"]["lost"] >= 1
    page = audit("show", b.id).out
    assert " more was REFUSED | " in page.splitlines()[1] and "LOST" not in page


@pytest.mark.parametrize("writes", [1, 2])
def test_F2_a_delete_that_was_killed_goes_on(rt, agent, work, source, writes):
    """Behind the commands of so many writes."""
    b = source[1](agent(["sh", "-c", "i=0; while [ $i -lt 200 ]; do /bin/true $i $(printf '%02000d' 0); "
                         "i=$((i+1)); done"]))
    rt.up(b)
    rt.wait(b)
    runtime.run(["strace", "-qq", "-o", work + "/trace", "-e", "trace=sync_file_range",
                 "-e", f"inject=sync_file_range:signal=KILL:when={writes}", *rt.argv("delete", b.id)])
    found = [x for x, _, _ in commands(b)]
    assert 0 < len(found) < 200 and not records(b, "delete") and b.id in rt.ids()
    rt.delete(b, check=True)
    assert [x[1] for x, _, _ in commands(b) if x[0] == "/bin/true"] == list(map(str, range(200)))
    assert [x["event"] for x in records(b) if x["event"] != "commands"] == ["create", "start", "exit", "delete"]
    delete, = records(b, "delete")
    assert delete["commands"]["recorded"] == len(commands(b))
    assert audit("verify").code == 0


@pytest.fixture
def no_bpf():
    subprocess.run(["umount", "/sys/fs/bpf"], check=True)
    yield
    subprocess.run(["mount", "-t", "bpf", "-o", "mode=700", "bpf", "/sys/fs/bpf"], check=True)


def test_commands_without_bpf(rt, agent, watched, no_bpf):
    """Process accounting tells the names and how they ended, also of the first process."""
    b = agent(["sh", "-c", "/bin/true hidden; sh -c 'exit 7'; exit 5"])
    rt.up(b)
    rt.wait(b)
    rt.delete(b, check=True)
    assert commands(b) == [(["true"], 0, None), (["sh"], 7, None), (["sh"], 5, None)]
    delete, = records(b, "delete")
    exit_, = records(b, "exit")
    assert delete["commands"]["source"] == exit_["source"] == "acct"
    assert delete["process.exit.code"] == exit_["process.exit.code"] == 5


def test_F6_commands_that_are_asked_for(rt, agent, others):
    """In a PID namespace that is not its own: of others nothing is told."""
    b = others(agent(["sh", "-c", "/bin/true 'a b' \"$(printf 'x\\ny')\"; sh -c 'exit 7'; "
                      "/bin/nosuch; exec sleep 100"]))
    rt.up(b)
    rt.exec(b, "--", "sh", "-c", "exit 3", check=False)
    rt.exec(b, "--detach", "--", "sh", "-c", "sleep 50; :", check=True)
    runtime.until(lambda: "sleep 100" in rt("ps", b.id).out and "sleep 50" in rt("ps", b.id).out)
    rt.kill(b, "--all", "KILL", check=True)
    rt.wait(b)
    rt.delete(b, check=True)
    seen = commands(b)
    assert seen[0][0][:2] == ["sh", "-c"] and seen[0][1:] == (None, None)     # went on as sleep
    for command in ((["/bin/true", "a b", "x\ny"], 0, None), (["sh", "-c", "exit 7"], 7, None),
                    (["sh", "-c", "exit 3"], 3, None), (["/bin/nosuch"], 127, None),
                    (["sleep", "100"], None, 9), (["sleep", "50"], None, 9)):
        assert command in seen
    assert ["sleep", "1000"] not in [x[0] for x in seen]
    exit_, = records(b, "exit")
    delete, = records(b, "delete")
    assert exit_["process.exit.signal"] == 9 and exit_["source"] == "pidfd"
    assert delete["commands"] == {"source": "claimed", "recorded": len(seen), "lost": 0, "reason": None}
    assert any("process showed" in x for x in delete["unseen"])
    assert "CLAIMS" in audit("show", b.id).out


def test_F6_a_search_is_no_row_of_commands(rt, agent, others):
    """What did not begin is told apart."""
    b = others(agent(["/bin/search", "a"]))
    confined.put(b, confined.tool("search"))
    rt.run(b, check=True)
    tries = [r for r in executions(b) if "executed" in r]
    assert [r["process.executable.path"] for r in tries] == ["/none/search", "/none/either/search"]
    assert not any(r["executed"] for r in tries)
    shown = audit("show", b.id).out
    assert "2 more were asked for, but did not begin" in shown and "/none" not in shown


def test_F6_an_exit_code_that_is_of_one_of_two(rt, agent, others):
    """Both of them by threads of the first process at once: the container has it, neither program."""
    b = others(agent(["sh", "-c", "exit 5"]))
    rt.up(b)
    rt.wait(b)
    with open(os.path.join(rt.root, b.id, "claims"), "r+b") as f:   # as is told then: execlog_parts.h
        runtime.until(lambda: os.pread(f.fileno(), 4, 4096 + 40) == struct.pack("=I", 1))
        os.pwrite(f.fileno(), struct.pack("=I", 4), 4096 + 40)
    rt.delete(b, check=True)
    one, = executions(b)
    assert [one.get(x) for x in ("process.exit.code", "process.exit.signal", "duration_ns")] == [None] * 3
    exit_, = records(b, "exit")
    assert (exit_["process.exit.code"], exit_["source"]) == (5, "pidfd")


def opened(pid, path):
    with contextlib.suppress(OSError):
        return path in (os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd"))
    return False


def server_of(rt, b):
    """The process that its commands ask: it holds the log."""
    path = os.path.join(rt.root, b.id, "claims")
    return next((int(pid) for pid in os.listdir("/proc") if pid.isdigit() and opened(pid, path)), None)


def test_F6_without_who_is_asked_nothing_begins(rt, agent, others):
    """What asks nobody is not executed, and the record says that it lacks something."""
    b = others(agent(["sh", "-c", "until [ -e /workspace/go ]; do read -t 1 x <>/workspace/none; done; "
                      "/bin/true; echo $? >/workspace/seen"]))
    rt.up(b)
    os.kill(server_of(rt, b), signal.SIGTERM)   # as of a user who logs out: it stays
    rt.exec(b, "--", "true", check=True)
    os.kill(server_of(rt, b), signal.SIGKILL)
    with open(b.workspace + "/go", "w", encoding="ascii"):
        pass
    rt.wait(b)
    with open(b.workspace + "/seen", encoding="ascii") as f:
        assert f.read() not in ("0\n", "")
    rt.delete(b, check=True)
    delete, = records(b, "delete")
    assert "was killed" in delete["commands"]["reason"] and delete["commands"]["source"] is None


def test_who_is_asked_goes_with_the_container(rt, agent, others):
    b = others(agent(["sleep", "100"]))
    rt.up(b)
    server = server_of(rt, b)
    assert os.readlink(f"/proc/{server}/cwd") == "/"
    assert {os.readlink(f"/proc/{server}/fd/{fd}") for fd in "012"} == {"/dev/null"}
    rt.delete(b, "--force", check=True)
    runtime.until(lambda: not os.path.exists(f"/proc/{server}/exe"))


def test_F4_who_waits_for_who_is_asked_keeps_nobody_from_the_log(rt, agent, others):
    """A delete is stopped while it waits: whatever it held then, it would hold for good."""
    b, another = others(agent(["sleep", "100"])), agent(["sleep", "100"])
    rt.up(b)
    server = server_of(rt, b)
    os.kill(server, signal.SIGSTOP)
    rt.kill(b, "KILL", check=True)
    rt.wait(b)
    with subprocess.Popen(rt.argv("delete", b.id)) as delete:
        try:
            runtime.until(lambda: opened(delete.pid, os.path.join(rt.root, b.id, "claims")))
            os.kill(delete.pid, signal.SIGSTOP)
            rt.create(another, check=True, timeout=20)
        finally:
            os.kill(server, signal.SIGCONT)
            os.kill(delete.pid, signal.SIGCONT)
    assert delete.returncode == 0
    assert records(b, "delete")[0]["commands"]["source"] == "claimed"


def test_commands_without_bpf_of_what_never_ran(rt, agent, watched, no_bpf):
    """The runtime's own first step is no command of the container's."""
    b = agent(["true"])
    rt.create(b, check=True)
    rt.delete(b, "--force", check=True)
    assert [r["event"] for r in records(b)] == ["create", "delete"]


def test_commands_without_bpf_in_a_user_namespace(rt, agent, watched, no_bpf):
    b = agent(["sh", "-c", "/bin/true shown; exit 5"])
    bundle.namespace(b.config, "user")
    for kind in "uidMappings", "gidMappings":
        b.config["linux"][kind] = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    b.save()
    subprocess.run(["chown", "-R", "100000:100000", os.path.dirname(b.rootfs)], check=True)
    assert rt.run(b).code == 5
    assert commands(b) == [(["sh", "-c", "/bin/true shown; exit 5"], 5, None),
                           (["/bin/true", "shown"], 0, None)]
    assert records(b, "delete")[0]["commands"]["source"] == "claimed"


@pytest.mark.parametrize("mode", ["best-effort", "required"])
@pytest.mark.skipif(os.path.exists("/sys/fs/cgroup/cgroup.controllers"),
                    reason="version 2 of cgroups needs bpf(2) for devices")
def test_commands_where_the_log_is_full(rt, agent, watched, work, mode):
    """No container for `required`; else the record says why nothing was logged."""
    rt.run(agent(), check=True)     # the programs are there
    b = agent(audit_mode=mode)
    argv = ["strace", "-f", "-qq", "-o", work + "/trace", "-e", "inject=bpf:error=E2BIG",
            *rt.argv("run", "--bundle", b.path, b.id)]
    r = runtime.run(argv, check=True if mode == "best-effort" else "log of commands")
    assert "Argument list too long" in r.err
    if mode == "best-effort":
        delete, = records(b, "delete")
        assert delete["commands"]["source"] is None
        assert "Argument list too long" in delete["commands"]["reason"]
