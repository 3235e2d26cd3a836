# SPDX-License-Identifier: Apache-2.0
"""Eight callers at once, on containers of their own and on shared ones, killed in the middle of
what they do: each answer is one that the state allows, and nothing is left at the end.

AGENTRUN_LOAD_SECONDS: how long; AGENTRUN_LOAD_SEED: of the order in which each caller acts.
"""
import collections
import concurrent.futures as cf
import itertools
import json
import multiprocessing
import os
import random
import subprocess
import time

import leaks
import pytest
from bundle import drop_namespace, shell
from confined import LOG, confine
from engines import controller
from runtime import flavour, program, run
from terminal import ConsoleSocket

pytestmark = pytest.mark.skipif(flavour() != "agentrun", reason="knows agentrun's words")

SECONDS = float(os.environ.get("AGENTRUN_LOAD_SECONDS", "20"))
SEED = os.environ.get("AGENTRUN_LOAD_SEED", "1")
CALLERS = 8
SHARED = [f"load-shared{i}" for i in range(3)]

# torn: create died before, or delete after the state was there
STATES = ("none", "torn", "creating", "created", "running", "paused", "stopped")
ALIVE = {"creating", "created", "running", "paused"}
GONE = 'container "{id}" does not exist'
TORN = "container {id} is half-created (delete --force removes it)"
IS = "cannot {op} container {id}: it is {state}"
# What else is said where others may kill and delete it meanwhile.
DIED = ("the container's process ended before", "was deleted meanwhile", "is half-created")
# What is refused in which state, and how; the rest succeeds.
REFUSED = {
    "create": {s: "container with id exists: {id}" for s in STATES[1:]},
    "start": {s: IS for s in STATES[2:] if s != "created"},
    "kill": {s: "container not running: {id}" for s in ("creating", "stopped")},
    "delete": {s: IS for s in ("creating", "running", "paused")},
    "pause": {s: IS for s in ("creating", "paused", "stopped")},
    "resume": {s: IS for s in STATES[2:] if s != "paused"},
    "update": {s: IS for s in ("creating", "stopped")},
    "exec": {"paused": "cannot exec in a paused container: {id}",
             **{s: "cannot exec in container {id}: it is {state}" for s in ("creating", "stopped")}},
    "events": {s: "container with id {id} is not running" for s in ("creating", "stopped")},
    "state": {}, "ps": {},
}
for op, why in REFUSED.items():
    if op != "create":
        unlocked = op in ("state", "ps", "events", "kill")
        REFUSED[op] = {"none": GONE, "torn": GONE if unlocked else TORN, **why}
AFTER = {"create": "created", "start": "running", "pause": "paused", "delete": "none"}


def hook(script):
    return [{"path": "/bin/sh", "args": ["sh", "-c", script]}]


def with_hooks(config):
    config["hooks"] = {k: hook("cat >/dev/null") for k in (
        "prestart", "createRuntime", "poststart", "poststop")}


KINDS = {   # arguments, configuration, policy
    "plain": (["sleep", "1000"], None, None),
    "dies": (shell("sleep 0.0$((RANDOM % 10)); exit 3"), None, None),
    "forks": (shell("while :; do sleep 0.01 & sleep 0.01; done"), None, None),
    "handles": (shell("trap 'exit 5' TERM; while :; do sleep 0.02; done"), None, None),
    "hooks": (["sleep", "1000"], with_hooks, None),
    "shares": (shell("sleep 1000 & sleep 1000"), lambda c: drop_namespace(c, "pid"), None),
    "agent": (["sleep", "1000"], None, {"limits_time": "900s"}),
    "agent-dies": (shell("sleep 0.0$((RANDOM % 10)); exit 3"), None,
                   {"audit_mode": "required", "egress": "open"}),
}


class Surprise(AssertionError):
    pass


class Caller:
    def __init__(self, rt, n, work, bundles):
        self.rt, self.n, self.work, self.bundles = rt, n, work, bundles
        self.random = random.Random(f"{SEED}-{n}")
        self.serial = itertools.count()
        self.log = f"{work}/log{n}"
        rt.options = ["--log", self.log, "--log-format", "json"]
        self.fresh()
        self.done = collections.Counter()
        self.trace = collections.deque(maxlen=30)

    def fresh(self):
        self.own = f"load-{self.n}-{next(self.serial)}"
        self.states = {"none"}      # in which the own container may be
        self.mortal = False         # it may end at any time

    def call(self, cid, op, *args, stdin=None):
        r = self.rt(op, *args, stdin=stdin)
        self.judge(cid, op, r)
        return r

    def judge(self, cid, op, r):
        """The answer fits one of the states, and tells which."""
        states = self.states if cid == self.own else set(STATES)
        if cid == self.own and self.mortal and states & ALIVE:
            states = states | {"stopped"}
        self.trace.append((self.n, r.args[6:], r.code, r.err.strip(),
                           sorted(states) if cid == self.own else cid))
        self.done[op, r.code == 0] += 1

        def fits(state):
            why = REFUSED[op].get(state)
            # once it has a cgroup; and what is left of one without a PID namespace is killed
            if r.code == 0 and ((op, state) == ("events", "creating") or
                                r.args[-1] in ("KILL", "9") and state in ("stopped", "creating")):
                return True
            if r.code == 0 or not why:
                return r.code == 0 and not why
            return why.format(op=op, id=cid, state=state) in r.err
        fitting = {s for s in states if fits(s)}
        # shared, or what a killed runtime began still goes on
        if not fitting and len(states) > len(ALIVE) + 1 and any(w in r.err for w in DIED):
            return
        if not fitting or r.code < 0:
            raise Surprise(f"{op} of {cid} ({' '.join(states)}): {r.code} {r.text}")
        if cid != self.own:
            return
        self.states = fitting
        if fitting == {"stopped"} and op in ("exec", "start"):
            self.states = states    # they see that it ends earlier than others that it ended
        if r.code == 0 and op in AFTER:
            self.states = {AFTER[op]}
        if r.code == 0 and op == "resume":
            self.states = {"created", "running"}
        if op == "kill" and r.code == 0:
            self.killed()

    def killed(self):
        """It may end at any time; SIGKILL resumes it first."""
        self.mortal = True
        if "paused" in self.states:
            self.states = self.states | {"created", "running"}

    # ---- what a caller does

    def create(self, cid):
        kind = self.random.choice(list(KINDS))
        r = self.call(cid, "create", "--bundle", self.bundles[kind], cid)
        if r.code == 0 and cid == self.own:
            self.mortal = "dies" in kind

    def start(self, cid):
        self.call(cid, "start", cid)

    def run(self, cid):
        if cid in SHARED or self.states != {"none"}:
            return
        kind = self.random.choice(("dies", "agent-dies"))
        r = self.rt("run", "--bundle", self.bundles[kind], cid)
        if r.code != 3:
            raise Surprise(f"run {cid}: {r.code} {r.text}")

    def run_detached(self, cid):
        if cid in SHARED or self.states != {"none"}:
            return
        kind = self.random.choice(list(KINDS))
        self.mortal = "dies" in kind
        r = self.rt("run", "-d", "--bundle", self.bundles[kind], cid)
        if r.code != 0:
            raise Surprise(f"run -d {cid}: {r.code} {r.text}")
        self.states = {"running", "stopped"} if self.mortal else {"running"}

    def exec_(self, cid):
        self.call(cid, "exec", "-d", "--pid-file", f"{self.work}/pid{self.n}", cid, "sleep",
                  str(self.random.choice((0, 0.05, 1000))))

    def exec_wait(self, cid):
        if cid == self.own:
            r = self.rt("exec", cid, "sh", "-c", "exit 7")
            if r.code == 7:
                r.code = 0
            elif r.code == 137:     # it ended meanwhile
                return
            self.judge(cid, "exec", r)

    def exec_terminal(self, cid):
        with ConsoleSocket(f"{self.work}/console{self.n}") as console:
            r = self.call(cid, "exec", "-d", "-t", "--console-socket", console.path, cid, "true")
            if r.code == 0:
                console.receive()[0].close()

    def kill(self, cid):
        signal = self.random.choice(("TERM", "KILL", "9", "HUP", "USR1", "RTMIN+3", "CONT", "URG"))
        flags = self.random.choice(((), (), ("--all",)))
        if flags:
            r = self.rt("kill", *flags, cid, signal)
            if r.code == 0:     # also where nothing is left to signal
                if cid == self.own:
                    self.killed()
                return
            self.judge(cid, "kill", r)
        else:
            self.call(cid, "kill", cid, signal)

    def halt(self, cid):
        for signal in ("STOP", "CONT"):
            self.call(cid, "kill", cid, signal)

    def pause(self, cid):
        self.call(cid, "pause", cid)
        if cid != self.own:     # else others wait for long
            self.resume(cid)

    def resume(self, cid):
        self.call(cid, "resume", cid)

    def update(self, cid):
        limits = {"pids": {"limit": self.random.randrange(100, 200)}} if controller("pids") else {}
        self.call(cid, "update", "--resources", "-", cid, stdin=json.dumps(limits))

    def state(self, cid):
        r = self.call(cid, "state", cid)
        if r.code == 0:
            status = json.loads(r.out)["status"]
            if cid == self.own and status not in self.states | {"stopped" if self.mortal else ""}:
                raise Surprise(f"state of {cid}: {status}, not one of {self.states}")

    def ps(self, cid):
        r = self.call(cid, "ps", "--format", "json", cid)
        if r.code == 0:
            json.loads(r.out)

    def events(self, cid):
        r = self.call(cid, "events", "--stats", cid)
        if r.code == 0 and json.loads(r.out)["data"] is None:
            raise Surprise(r.out)

    def list(self, cid):
        ids = [c["id"] for c in json.loads(self.rt("list", "-f", "json", check=True).out)]
        if cid == self.own and not self.states & {"none", "torn"} and cid not in ids:
            raise Surprise(f"list without {cid}: {ids}")

    def delete(self, cid):
        self.call(cid, "delete", cid)

    def delete_force(self, cid):
        r = self.rt("delete", "--force", cid)
        if r.code != 0:
            raise Surprise(f"delete --force {cid}: {r.text}")
        if cid == self.own:
            self.fresh()

    def die(self, cid):
        """The runtime is killed in the middle."""
        ops = [["create", "--bundle", self.bundles[self.random.choice(list(KINDS))], cid],
               ["run", "-d", "--bundle", self.bundles[self.random.choice(list(KINDS))], cid],
               ["start", cid], ["delete", cid], ["delete", "--force", cid], ["exec", cid, "true"],
               ["exec", "-d", cid, "sleep", "1000"], ["pause", cid], ["resume", cid]]
        args = self.random.choice(ops)
        with subprocess.Popen(self.rt.argv(*args), stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              start_new_session=True) as p:
            time.sleep(self.random.random() ** 2 * 0.05)
            p.kill()
        self.trace.append((self.n, "killed", args, p.returncode))
        self.done["killed", p.returncode == -9] += 1
        if cid == self.own:
            self.states = set(STATES)
            self.mortal = True
        if self.random.random() < 0.5:
            self.delete_force(cid)

    ACTIONS = {create: 8, start: 8, run: 2, run_detached: 4, exec_: 4, exec_wait: 4,
               exec_terminal: 2, kill: 4, halt: 1, pause: 2, resume: 2, update: 2, state: 2, ps: 2,
               events: 2, list: 1, delete: 4, delete_force: 3, die: 4}

    def work_until(self, end):
        while time.monotonic() < end:
            action, = self.random.choices(list(self.ACTIONS), list(self.ACTIONS.values()))
            action(self, self.random.choice((self.own, self.own, *SHARED)))
        self.delete_force(self.own)


def caller(*args):
    c = Caller(*args[:-1])
    try:
        c.work_until(args[-1])
    except Exception as e:  # pylint: disable=broad-except
        return c.done, f"{type(e).__name__}: {e}\n" + "\n".join(map(str, c.trace))
    return c.done, None


def check_log(path):
    """Each line is whole, but for what a killed runtime may have left of one in front of the next: the
    kernel ends a write at the end of a page, then."""
    with open(path, encoding="utf-8") as f:
        for line in f:
            try:
                json.loads(line)
            except json.JSONDecodeError:
                if line.endswith("\n"):
                    json.loads(line[line.rindex('{"level":'):])


def check_records():
    """Every session was recorded as created and deleted, once; or create was killed before."""
    sessions = collections.defaultdict(list)
    with open(LOG, encoding="utf-8") as f:
        for line in f:
            r = json.loads(line)
            if r.get("container.id", "").startswith("load-"):
                sessions[r["session"]].append((r["event"], line))
    for records in sessions.values():
        events = [event for event, _ in records]
        assert events[-1] == "delete" and events.count("delete") == 1, records
        assert events[0] == "create" and events.count("create") == 1 or len(events) == 1, records
        # a start that was killed may have been told, and its successor tells it again
        assert "start" in events or "it was never started" in records[-1][1], records
    run([program(), "audit", "verify"], check=True)
    return len(sessions)


def test_load(rt, box, work):
    bundles = {}
    for kind, (args, edit, policy) in KINDS.items():
        b = box(args, edit)
        del b.config["linux"]["cgroupsPath"]    # one below another name for each container
        b.save()
        if policy is not None:
            confine(b, work, **policy)
        bundles[kind] = b.path
    before = leaks.Snapshot([os.path.dirname(LOG)])
    end = time.monotonic() + SECONDS
    with cf.ProcessPoolExecutor(CALLERS, multiprocessing.get_context("fork")) as pool:
        results = [f.result() for f in [
            pool.submit(caller, rt, n, work, bundles, end) for n in range(CALLERS)]]
    done = sum((d for d, _ in results), collections.Counter())
    print(dict(sorted(done.items())))
    for cid in os.listdir(rt.root):
        rt("delete", "--force", cid, check=True)
    assert [w for _, w in results if w] == [], "\n\n".join(w for _, w in results if w)
    for op in REFUSED:
        assert done[op, True] and done[op, False], f"{op} never succeeded, or never failed"
    for n in range(CALLERS):
        check_log(f"{work}/log{n}")
    before.check(ignore=lambda line: line.endswith(("/audit.head", "/audit.jsonl", "/sessions")))
    assert check_records()
