# SPDX-License-Identifier: Apache-2.0
"""Time: how long each command takes, and how that grows with the work."""
import copy
import os
import shutil
import subprocess

import report
import shapes
from contenders import Floor

WARM_UP = 3
TIMED = ("run", "isolated", "cold", "cycle", "kill", "exec")
FLOOR = ("run", "isolated")  # what the yardstick can do


def alternately(contenders, count, sample, dropped, warm_up=WARM_UP):
    """{contender's name: {figure: [values]}}; sample(contender) yields (figure, *value).

    One after the other and again, so that what else the machine does hits all alike. A contender
    that fails is left out, but for agentrun: dropped(contender, error) raises or takes it.
    """
    samples = {c.name: {} for c in contenders}
    for i in range(count + warm_up):
        k = i % len(contenders)  # nobody always comes after the same one
        for c in contenders[k:] + contenders[:k]:
            if c.name not in samples:
                continue
            try:
                for figure, *value in sample(c):
                    if i >= warm_up:
                        samples[c.name].setdefault(figure, []).append(value)
            except RuntimeError as e:
                dropped(c, e)
                del samples[c.name]
    return samples


def measure(contenders, what, count, dropped):
    """One of TIMED; values are (wall, cpu)."""
    field = [c for c in contenders if what in FLOOR or not isinstance(c, Floor)]
    for c in field:
        c.begin(what)
    try:
        return alternately(field, count, lambda c: getattr(c, what)(), dropped)
    finally:
        for c in field:
            c.end(what)


# ---- growth: sizes double; values are (wall, cpu) of a figure at a size ---------------------------

def sizes(largest):
    return [largest // 8, largest // 4, largest // 2, largest]


def larger_bundle(change, contenders, largest, count, work, dropped):
    """{size: samples}: the time of `run` as a configuration grows"""
    field = [c for c in contenders if change is not shapes.more_destinations or has_policy(c)]
    by_size = {}
    for size in sizes(largest):
        for c in field:
            config = copy.deepcopy(c.config)
            change(config, size, work)
            c.bundle(["true"], config)
        by_size[size] = alternately(field, count, lambda c: c.run(), dropped, warm_up=1)
    return by_size


def host_mounts(contenders, largest, count, work, dropped):
    """{size: samples}: the time of `run` while the host has as many mounts"""
    os.makedirs(f"{work}/mounts", exist_ok=True)
    by_size, there = {}, 0
    for c in contenders:
        c.begin("run")
    try:
        for size in sizes(largest):
            for there in range(there + 1, size + 1):
                os.mkdir(f"{work}/mounts/{there}")
                subprocess.run(["mount", "--bind", work, f"{work}/mounts/{there}"], check=True)
            by_size[size] = alternately(contenders, count, lambda c: c.run(), dropped, warm_up=1)
    finally:
        for i in range(there, 0, -1):
            subprocess.run(["umount", f"{work}/mounts/{i}"], check=False)
    return by_size


def running_containers(contenders, largest, count, _work, dropped):
    """{size: samples}: the time of `run`, `state` and `list` while as many containers run"""
    up = []

    def sample(c):
        yield "run", *c.call(*c.run_args())
        yield "state", *c.call("state", up[0])
        yield "list", *c.call("list")

    by_size = {size: {} for size in sizes(largest)}
    for c in contenders:  # by turns: so many containers of one runtime are enough for a machine
        up.clear()
        try:
            for size, samples in by_size.items():
                while len(up) < size:
                    c.bundle(["sleep", "10000"], cgroup=f"/{len(up)}")
                    up.append(c.up())
                c.bundle(["true"], cgroup="/one-more")
                samples.update(alternately([c], count, sample, dropped, warm_up=1))
        except RuntimeError as e:
            dropped(c, e)
        finally:
            for cid in up:
                c.remove(cid)
    return by_size


def has_policy(c):
    return "annotations" in c.config


def executed_commands(contenders, largest, count, _work, dropped):
    """{size: samples}: the time of `delete` after as many commands, each of which is recorded"""
    field = [c for c in contenders if has_policy(c)]
    by_size = {}
    for size in sizes(largest):
        for c in field:
            c.bundle(["sh", "-c", f"i=0; while [ $i -lt {size} ]; do /bin/true $i; i=$((i+1)); done"])
        by_size[size] = alternately(field, count, lambda c: c.delete(), dropped, warm_up=1)
    return by_size


CHANGES = 500


def copied_files(contenders, largest, count, work, dropped):
    """{size: samples}: the time of `delete` of a copy-on-write workspace of as many files, of which
    CHANGES were changed"""
    field = [c for c in contenders if has_policy(c)]
    by_size = {}
    for size in sizes(largest):
        tree = f"{work}/files-{size}"
        for i in range(size):
            if i % 100 == 0:
                os.makedirs(f"{tree}/{i // 100}")
            with open(f"{tree}/{i // 100}/{i}", "w", encoding="ascii") as f:
                f.write(f"{i}\n")
        for c in field:
            config = copy.deepcopy(c.config)
            config["annotations"]["io.agentrun.workspace.mode"] = "cow"
            next(m for m in config["mounts"] if m["destination"] == "/workspace")["source"] = tree
            c.bundle(["sh", "-c", f"i=0; while [ $i -lt {CHANGES} ]; do echo x >>/workspace/$((i/100))/$i; "
                      "i=$((i+1)); done"], config)
        by_size[size] = alternately(field, count, lambda c: c.delete(), dropped, warm_up=1)
        shutil.rmtree(tree)
    return by_size


GROWTH = {
    # measure: (what grows, largest size, function)
    "mounts": ("bind mounts", shapes.MANY, lambda *a: larger_bundle(shapes.more_mounts, *a)),
    "host-mounts": ("mounts of the host", 1000, host_mounts),
    "egress": ("egress elements", 1000, lambda *a: larger_bundle(shapes.more_destinations, *a)),
    "containers": ("running containers", 200, running_containers),
    "commands": (report.COMMANDS, 4000, executed_commands),
    "files": (report.FILES, 48000, copied_files),
    "environment": ("variables", 5000, lambda *a: larger_bundle(shapes.more_environment, *a)),
}
