# SPDX-License-Identifier: Apache-2.0
"""What a container costs but time: memory, system calls, instructions.

Each function takes (contender, work) and returns {figure: value}; it raises NotMeasured where the
machine or the runtime does not allow it.
"""
import contextlib
import copy
import ctypes
import os
import re
import shutil
import signal
import subprocess

from contenders import Floor
from shapes import cgroup_layout, controllers

PR_SET_CHILD_SUBREAPER = 36


class NotMeasured(Exception):
    pass


def needs(program):
    if not shutil.which(program):
        raise NotMeasured(f"{program} is not installed")


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


# ---- memory --------------------------------------------------------------------------------------

def peak_of(argv, log):
    """ru_maxrss in KiB, of a command and of all that it waited for.

    What a process was before execve counts as its own, and this one is large. So a small shell
    starts the command and goes; as the subreaper we inherit it.
    """
    prctl = ctypes.CDLL(None).prctl
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        with subprocess.Popen(["/bin/busybox", "sh", "-c", '"$@" & echo $!', "sh", *argv],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log) as p:
            pid = int(p.stdout.readline())  # the command's own output follows, and is not read
            p.wait()
            _, status, usage = os.wait4(pid, 0)
    finally:
        prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
    if status != 0:
        raise RuntimeError(f"{' '.join(argv)}: status {status:#x}")
    return usage.ru_maxrss


def peak(c, _work):
    c.bundle(["true"])
    return {"peak memory, run": peak_of([*c.argv, *c.run_args()], c.log)}


def memory_controller():
    return "memory" in controllers()


def peak_cgroup(c, _work):
    """What the kernel charges: also page tables, and what the runtime's helpers take together."""
    top = "/sys/fs/cgroup" + ("" if cgroup_layout() == "v2" else "/memory")
    group = f"{top}/{c.config['linux']['cgroupsPath'].split('/')[1]}/peak"
    if not memory_controller():
        raise NotMeasured("no memory controller")
    os.makedirs(group)
    try:
        c.bundle(["true"])
        c.call(*c.run_args(), before=["/bin/busybox", "sh", "-c",
                                      'echo 0 >$0/cgroup.procs && exec "$@"', group])
        (value,) = (read(f"{group}/{name}") for name in ("memory.peak", "memory.max_usage_in_bytes")
                    if os.path.exists(f"{group}/{name}"))
        return {"peak memory, cgroup": int(value) // 1024}
    finally:
        os.rmdir(group)


def waiting(c, _work):
    """The process that waits in `created`."""
    c.bundle(["true"])
    cid = c.next_id()
    _, pidfd, pid = c.create(cid)
    try:
        text = read(f"/proc/{pid}/smaps_rollup")
    finally:
        os.close(pidfd)
        c.remove(cid)
    return {f"waiting init, {name}": int(re.search(rf"^{name}: *(\d+) kB", text, re.M).group(1))
            for name in ("Rss", "Pss")}


def lowest_limit(c, _work):
    """The lowest limit under which a container starts twice."""
    if not memory_controller():
        raise NotMeasured("no memory controller")
    config = copy.deepcopy(c.config)
    memory = config["linux"].setdefault("resources", {})["memory"] = {}

    def starts(kib):
        memory["limit"] = kib * 1024
        c.bundle(["true"], config)
        for _ in range(2):
            args = c.run_args()
            with subprocess.Popen([*c.argv, *args], stdin=subprocess.DEVNULL, stdout=c.log,
                                  stderr=c.log) as p:
                try:
                    p.wait(10)
                except subprocess.TimeoutExpired:
                    p.send_signal(signal.SIGKILL)
            if p.returncode != 0:
                c.remove(args[-1])
                return False
        return True

    low, high = 0, 64 * 1024  # low: it does not
    if not starts(high):
        raise NotMeasured(f"{c.name} does not start with {high} KiB")
    while high - low > 16:
        middle = (low + high) // 2
        low, high = (low, middle) if starts(middle) else (middle, high)
    return {"lowest memory limit": high}


# ---- calls and instructions ----------------------------------------------------------------------

def system_calls(c, work):
    """Of `run` and of all that it starts, the container's command included."""
    needs("strace")
    c.bundle(["true"])
    c.call(*c.run_args(), before=["strace", "-f", "-c", "-o", f"{work}/strace"])
    return {"system calls, run": int(read(f"{work}/strace").splitlines()[-1].split()[3])}


def instructions(c, work):
    """Of `run`, counted by the processor; else by callgrind what it can follow."""
    with contextlib.suppress(NotMeasured):
        return counted_by_perf(c, work)
    needs("valgrind")
    if not c.name.startswith(("agentrun", "crun")):
        raise NotMeasured(f"{c.name}: no perf here, and callgrind does not follow it")
    c.bundle(["sleep", "10000"])
    cid, counts = c.up(), {}
    try:
        counts["instructions, state"] = callgrind(c, work, "state", cid)
    finally:
        c.remove(cid)
    if c.name.startswith("agentrun"):  # crun executes itself again, which valgrind does not allow
        cid = c.next_id()
        counts["instructions, to clone"] = callgrind(c, work, "create", "--bundle", c.place, cid)
        c.remove(cid)
    return counts


def callgrind(c, work, *args):
    """In userland, of this process alone; `create` gets as far as clone3, which valgrind lacks."""
    log = f"{work}/valgrind"
    subprocess.run(["valgrind", "--tool=callgrind", f"--log-file={log}", "--trace-children=no",
                    "--callgrind-out-file=/dev/null", *c.argv, *args],
                   stdin=subprocess.DEVNULL, stdout=c.log, stderr=c.log, check=False, timeout=60)
    found = re.search(r"Collected : (\d+)", read(log))
    if not found:
        raise NotMeasured(f"{c.name} does not run under callgrind")
    return int(found.group(1))


def counted_by_perf(c, work):
    needs("perf")
    c.bundle(["true"])
    events = {"instructions:u": "instructions, userland", "instructions:k": "instructions, kernel"}
    c.call(*c.run_args(), before=["perf", "stat", "-x", ",", "-o", f"{work}/perf",
                                  "-e", ",".join(events)])
    counts = {events[event]: int(n) for n, event in re.findall(
        r"^(\d+),[^,]*,(instructions:[uk])", read(f"{work}/perf"), re.M)}
    if len(counts) < len(events):
        raise NotMeasured("perf counts no instructions here")
    return counts


COSTS = {
    # measure: (unit, most samples, {what: function})
    "memory": ("KiB", 5, {"peak memory": peak, "peak memory of the cgroup": peak_cgroup,
                          "memory of the waiting process": waiting}),
    "limit": ("KiB", 1, {"lowest memory limit": lowest_limit}),
    "syscalls": ("count", 3, {"system calls": system_calls}),
    "instructions": ("count", 3, {"instructions": instructions}),
}
NO_FLOOR = (waiting, lowest_limit)  # what the yardstick cannot do


def measure(contenders, what, count, work, note):
    """{contender's name: {figure: [(value,), ...]}}; note(text): what was not measured, and why"""
    _, most, functions = COSTS[what]
    samples = {c.name: {} for c in contenders}
    todo = [(label, f, c) for label, f in functions.items() for c in contenders
            if not (f in NO_FLOOR and isinstance(c, Floor))]
    for _ in range(min(count, most)):
        for label, f, c in list(todo):
            try:
                for figure, value in f(c, work).items():
                    samples[c.name].setdefault(figure, []).append((value,))
            except (NotMeasured, RuntimeError) as e:
                todo.remove((label, f, c))
                note(f"not measured: {label}: {str(e).splitlines()[0]}")
    return samples
