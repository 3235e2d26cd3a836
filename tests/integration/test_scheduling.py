# SPDX-License-Identifier: Apache-2.0
"""process.scheduler, ioPriority and execCPUAffinity, of the first process and of exec."""
import json
import os
import re

import pytest
from runtime import flavour, program, run, status_field
from test_namespaces import mapped, with_user_namespace

# without a fork: not every policy is inherited
SCHEDULER = ["awk", "{print $19, $40, $41}", "/proc/self/stat"]  # nice, priority, policy
IO = ["ionice"]
CPUS = ["cat", "/proc/self/status"]
PROCESSORS = sorted(os.sched_getaffinity(0))
OTHER, BATCH, IDLE, DEADLINE = 0, 3, 5, 6
RESET = ["SCHED_FLAG_RESET_ON_FORK"]
TIMES = {"runtime": 1000000, "deadline": 10000000, "period": 10000000}


def scheduler(policy, **kw):
    return {"scheduler": {"policy": policy, **kw}}


def io(class_, **kw):
    return {"ioPriority": {"class": class_, **kw}}


def affinity(**kw):
    return {"execCPUAffinity": {k: str(v) for k, v in kw.items()}}


SCHEDULERS = [
    (scheduler("SCHED_OTHER", nice=7), (7, 0, OTHER)),
    (scheduler("SCHED_BATCH"), (0, 0, BATCH)),
    (scheduler("SCHED_IDLE", nice=20), (0, 0, IDLE)),
    (scheduler("SCHED_OTHER", nice=-5), (-5, 0, OTHER)),
    (scheduler("SCHED_OTHER", nice=-5, flags=RESET), (-5, 0, OTHER)),
    (scheduler("SCHED_DEADLINE", **TIMES), (0, 0, DEADLINE)),
]
IOS = [
    (io("IOPRIO_CLASS_BE", priority=3), "best-effort: prio 3"),
    (io("IOPRIO_CLASS_BE"), "best-effort: prio 0"),
    (io("IOPRIO_CLASS_IDLE", priority=7), "idle"),
    (io("IOPRIO_CLASS_RT", priority=1), "realtime: prio 1"),
]
ROWS = ([(p, SCHEDULER, " ".join(map(str, want))) for p, want in SCHEDULERS]
        + [(p, IO, want) for p, want in IOS])


def version():
    out = run([program(), "--version"], check=True).out.split()
    return tuple(map(int, re.findall(r"\d+", out[2])[:2]))


pytestmark = pytest.mark.skipif(
    {"runc": (1, 3), "crun": (1, 28)}.get(flavour(), (0,)) > version(), reason="not known yet")


def ids(rows):
    return [json.dumps(r[0]) for r in rows]


def settings(p):
    return lambda c: c["process"].update(p)


def execute(rt, b, work, args, p, **kw):
    path = os.path.join(work, "process.json")
    with open(path, "w", encoding="utf-8") as f:
        json.dump({"args": args, "cwd": "/", "env": ["PATH=/bin"],
                   "user": {"uid": 0, "gid": 0}, **p}, f)
    return rt.exec(b, "--process", path, **kw)


@pytest.mark.parametrize("p, args, want", ROWS, ids=ids(ROWS))
def test_of_the_first_process(rt, box, p, args, want):
    assert rt.run(box(args, settings(p)), check=True).out.strip() == want


@pytest.mark.parametrize("p, args, want", ROWS, ids=ids(ROWS))
def test_of_exec(rt, box, work, p, args, want):
    if rt.flavour == "crun" and "DEADLINE" in str(p):
        pytest.skip("crun forks once more, which such a task cannot")
    b = rt.up(box(["sleep", "100"]))
    assert execute(rt, b, work, args, p, check=True).out.strip() == want


@pytest.mark.differs("runc", "it is the namespace's root that asks")
@pytest.mark.parametrize("p, args, want", ROWS, ids=ids(ROWS))
def test_in_a_user_namespace_with_the_runtimes_privileges(rt, box, work, p, args, want):
    def edit(c):
        with_user_namespace(c)
        c["process"].update(p)
    if rt.flavour == "crun" and "DEADLINE" in str(p):
        pytest.skip("crun forks once more, which such a task cannot")
    assert rt.run(mapped(box(args, edit)), check=True).out.strip() == want
    b = rt.up(mapped(box(["sleep", "100"], with_user_namespace)))
    assert execute(rt, b, work, args, p, check=True).out.strip() == want


@pytest.mark.parametrize("p, args, want", [ROWS[0], ROWS[6]], ids=ids([ROWS[0], ROWS[6]]))
def test_lower_needs_no_privilege(rt, box, p, args, want):
    """Not the runtime's either, be the container's user somebody else."""
    b = box(args, settings({**p, "user": {"uid": 1000, "gid": 1000}}))
    r = run(["setpriv", "--inh-caps=-sys_nice", "--bounding-set=-sys_nice",
             *rt.argv("run", "--bundle", b.path, b.id)], check=True)
    assert r.out.strip() == want


@pytest.mark.parametrize("p", [SCHEDULERS[3][0], SCHEDULERS[5][0]], ids=json.dumps)
def test_higher_needs_privilege(rt, box, p):
    b = box(["true"], settings(p))
    r = run(["setpriv", "--inh-caps=-sys_nice", "--bounding-set=-sys_nice",
             *rt.argv("run", "--bundle", b.path, b.id)], check=False)
    assert flavour() != "agentrun" or "process.scheduler: set SCHED_" in r.err
    assert "operation not permitted" in r.err.lower()
    assert rt.ids() == []


def test_the_kernels_refusal_is_creates(rt, box):
    """sched(7): no runtime below 1024 nanoseconds."""
    p = scheduler("SCHED_DEADLINE", runtime=1000, deadline=10 ** 8)
    rt.create(box(["true"], settings(p)), check="process.scheduler: set SCHED_DEADLINE: Invalid argument")
    assert rt.ids() == []


@pytest.mark.parametrize("p, why", [
    (scheduler("SCHED_X"), "scheduler.policy: unknown value \"SCHED_X\""),
    (scheduler("SCHED_OTHER", flags=["X"]), "scheduler.flags[0]: unknown value \"X\""),
    (scheduler("SCHED_FIFO"), "scheduler.priority: must be 1 to 99"),
    (io("IOPRIO_CLASS_NONE"), "ioPriority.class: unknown value"),
    pytest.param(affinity(final="3-1"), "execCPUAffinity.final: not a list",
                 marks=pytest.mark.differs("crun", "it looks at exec")),
])
def test_refused_with_the_path(rt, box, work, p, why):
    rt.create(box(["true"], settings(p)), check="process." + why)
    b = rt.up(box(["sleep", "100"]))
    execute(rt, b, work, ["true"], p, check="process.json: " + why)


@pytest.mark.differs("crun", "exec is as usual with it")
def test_exec_does_as_the_container_unless_it_says_otherwise(rt, box, work):
    b = rt.up(box(["sleep", "100"], settings({**SCHEDULERS[1][0], **IOS[0][0],
                                              **affinity(final=PROCESSORS[-1])})))
    assert rt.exec(b, "--", *SCHEDULER, check=True).out.strip() == "0 0 3"
    assert execute(rt, b, work, SCHEDULER, {}, check=True).out.strip() == "0 0 3"
    assert execute(rt, b, work, IO, {}, check=True).out.strip() == "best-effort: prio 3"
    out = execute(rt, b, work, CPUS, {}, check=True).out
    assert status_field(out, "Cpus_allowed_list") == str(PROCESSORS[-1])
    assert execute(rt, b, work, SCHEDULER, SCHEDULERS[0][0], check=True).out.strip() == "7 0 0"


# ---- processors

needs_two = pytest.mark.skipif(len(PROCESSORS) < 2, reason="there is but one processor")


def allowed(text):
    return status_field(text, "Cpus_allowed_list")


@needs_two
@pytest.mark.parametrize("p, want", [
    ({"final": PROCESSORS[-1]}, str(PROCESSORS[-1])),
    ({"initial": PROCESSORS[0], "final": PROCESSORS[-1]}, str(PROCESSORS[-1])),
    pytest.param({"final": f" {PROCESSORS[0]}, "}, str(PROCESSORS[0]),
                 marks=pytest.mark.differs("crun", "it refuses spaces, which the schema has")),
    # as with runc and crun
    ({"initial": PROCESSORS[-1]}, str(PROCESSORS[-1])),
])
def test_affinity_of_exec(rt, box, work, p, want):
    b = rt.up(box(["sleep", "100"]))
    assert allowed(execute(rt, b, work, CPUS, affinity(**p), check=True).out) == want


@needs_two
@pytest.mark.parametrize("flags", [[], ["exec"]])
def test_what_the_engine_is_bound_to_is_not_inherited(rt, box, flags):
    bound = ["taskset", "-c", str(PROCESSORS[0])]
    b = box(["sleep", "100"] if flags else CPUS, settings(affinity()))
    if flags:
        rt.up(b)
        r = run([*bound, *rt.argv("exec", b.id, *CPUS)], check=True)
    else:
        r = run([*bound, *rt.argv("run", "--bundle", b.path, b.id)], check=True)
    assert allowed(r.out) == allowed(run(CPUS, check=True).out)


@needs_two
def test_affinity_is_for_exec_only(rt, box):
    b = box(CPUS, settings(affinity(initial=PROCESSORS[0], final=PROCESSORS[0])))
    assert allowed(rt.run(b, check=True).out) == allowed(run(CPUS, check=True).out)


@pytest.mark.differs("crun", "it crashes")
@pytest.mark.parametrize("key", ["initial", "final"])
def test_processors_that_are_not_there(rt, box, work, key):
    b = rt.up(box(["sleep", "100"]))
    execute(rt, b, work, ["true"], affinity(**{key: 1023}),
            check=f"process.execCPUAffinity.{key}: run on the processors 1023: Invalid argument")
