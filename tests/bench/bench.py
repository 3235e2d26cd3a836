#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""How long agentrun takes for what engines ask of it, beside every crun and runc that is found.

All contenders run in one process, one after the other and again, so that what else the machine does
hits them alike. Mount, network, PID, IPC and UTS namespaces, /run, /var/log and /var/cache are the
benchmark's own; a subreaper takes what the runtimes leave behind.

Shapes: spec (what `agentrun spec` writes) and docker (what Docker hands its runtime, see shapes.py);
the policy is the agent profile on the docker shape, with allowed destinations. The floor is the
yardstick, a program that does the kernel's part of a container and nothing else. The layout of
cgroups is the host's. What grows is measured of the last shape.
"""
import argparse
import copy
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import contenders
import costs
import engine
import measures
import picture
import shapes
from report import OURS, POLICY, Report

SOURCE = os.path.dirname(os.path.dirname(shapes.HERE))
SHAPES = ("spec", "docker")
MEASURES = (*measures.TIMED, *costs.COSTS, *measures.GROWTH, "engine")
GROWTH_SAMPLES = 10


# ---- the benchmark's own corner of the machine ---------------------------------------------------

def isolate(args):
    """Run this script again in namespaces of its own, below a subreaper."""
    tini = shutil.which("tini", path=":".join(contenders.PATH))
    if not tini:
        sys.exit("bench: tini is missing (apt-get install tini)")
    if not os.access("/bin/busybox", os.X_OK):
        sys.exit("bench: /bin/busybox is missing (apt-get install busybox-static)")
    if os.geteuid() != 0:
        sys.exit("bench: needs root")
    with tempfile.TemporaryDirectory(prefix="agentrun-bench.") as work:
        group = f"agentrun-bench.{os.getpid()}"
        done = subprocess.run(
            ["unshare", "--mount", "--net", "--pid", "--ipc", "--uts", "--fork", "--kill-child",
             "--mount-proc", "--propagation", "private", "--", tini, "-s", "--",
             sys.executable, "-B", os.path.realpath(__file__), "--inside", work, group, *args],
            check=False)
        for top, below, _ in os.walk("/sys/fs/cgroup"):
            if group in below:
                for d, _, _ in os.walk(os.path.join(top, group), topdown=False):
                    os.rmdir(d)
                below.remove(group)
    return done.returncode


def own_corner(work):
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755,nosuid,nodev", "tmpfs", "/run"],
                   check=True)
    # The log of commands goes with it; a kernel without BPF has none.
    subprocess.run(["mount", "-t", "bpf", "-o", "mode=700", "bpf", "/sys/fs/bpf"], check=False)
    for d in ("log", "cache"):  # on the disk: syncing a record there is part of what it costs
        os.mkdir(f"{work}/{d}")
        subprocess.run(["mount", "--bind", f"{work}/{d}", f"/var/{d}"], check=True)
    # Where the stores of copy-on-write workspaces are; the host gets no directory for it.
    for d in ("over", "scratch", "stores"):
        os.mkdir(f"{work}/{d}")
    subprocess.run(["mount", "-t", "overlay", "-o", f"lowerdir=/var/lib,upperdir={work}/over,"
                    f"workdir={work}/scratch", "overlay", "/var/lib"], check=True)
    os.makedirs("/var/lib/agentrun", exist_ok=True)
    subprocess.run(["mount", "--bind", f"{work}/stores", "/var/lib/agentrun"], check=True)
    # crun refuses a hybrid layout while cgroup2 has a controller left, though it would not use it.
    kept = "/sys/fs/cgroup/unified/cgroup.controllers"
    if os.path.exists(kept):
        with open(f"{work}/controllers", "x", encoding="ascii"):
            pass
        subprocess.run(["mount", "--bind", f"{work}/controllers", kept], check=True)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=False)


# ---- the measurement -----------------------------------------------------------------------------

class Bench:
    def __init__(self, work, group, options):
        self.work, self.group, self.options = work, group, options
        self.program = os.path.realpath(options.runtime)
        self.others = contenders.others()
        self.rootfs, self.project = f"{work}/rootfs", f"{work}/project"
        self.engine = "/run/docker/containers/bench"
        shapes.make_rootfs(self.rootfs)
        shapes.make_project(self.project)
        shapes.make_engine(self.engine)
        self.serial = 0
        self.limit = contenders.build_limit(options.limit, work)
        self.report = Report()
        self.bases = {}  # {shape: configuration}
        if not self.limit:
            self.report.note("not measured: the yardstick: no program, or no C compiler for it")

    def base(self, shape):
        if shape not in self.bases:
            self.bases[shape] = (shapes.spec_config(self.program, self.work) if shape == "spec"
                                 else shapes.docker_config(self.engine, self.project))
        return self.bases[shape]

    def contender(self, shape, name, argv, annotations=None):
        serial = f"{shape}-{self.serial}"
        self.serial += 1
        config = copy.deepcopy(self.base(shape))
        config["ociVersion"] = "1.0.2"  # what the oldest of them takes
        config["root"] = {"path": self.rootfs, "readonly": shape == "spec"}
        config["linux"]["cgroupsPath"] = f"/{self.group}/{serial}"
        if annotations:
            config["annotations"] = dict(annotations)
        return contenders.Contender(name, argv, f"/run/bench-{serial}", config,
                                    f"{self.work}/{serial}")

    def contenders(self, shape):
        field = [self.contender(shape, OURS, [self.program])]
        if shape == "docker":
            field.append(self.contender(shape, POLICY, [self.program, "--profile", "agent"],
                                        shapes.POLICY))
        for name, program in self.others.items():
            c = self.contender(shape, name, [program])
            try:
                c.works()
                field.append(c)
            except RuntimeError as e:
                self.dropped(c, e)
        if self.limit:
            try:
                field.append(contenders.floor(self.limit, shape, self.rootfs, self.engine,
                                              self.work, self.group, self.base(shape)))
            except (OSError, AttributeError) as e:
                self.report.note(f"not measured: the yardstick: no filter for it: {e}")
        return field

    def dropped(self, c, error):
        if c.name in (OURS, POLICY):
            raise error
        self.report.note(f"left out: {c.name}: {error}")

    def of_shape(self, shape, chosen):
        """What is measured of each shape, and on the last of them how it grows."""
        field, o = self.contenders(shape), self.options
        for what in chosen:
            if what in measures.TIMED:
                self.report.add(shape, "ms", measures.measure(field, what, o.n, self.dropped))
            elif what in costs.COSTS:
                samples = costs.measure(field, what, o.n, self.work, self.report.note)
                self.report.add(shape, costs.COSTS[what][0], samples)
            elif what in measures.GROWTH:
                grows, largest, function = measures.GROWTH[what]
                real = [c for c in field if not isinstance(c, contenders.Floor)]
                by_size = function(real, largest, min(o.n, GROWTH_SAMPLES), self.work, self.dropped)
                for size, samples in by_size.items():
                    self.report.add(shape, "ms", samples, size, grows)

    def of_engine(self):
        samples = {}
        runc = next((p for name, p in self.others.items() if name.startswith("runc")), None)
        try:
            if not runc:
                raise engine.NoEngine("runc is not installed")
            self.report.pairs = engine.pairs(self.program, runc, self.rootfs, self.project,
                                             self.work, self.group,
                                             min(self.options.n, engine.PAIRS))
        except engine.NoEngine as e:
            self.report.note(f"not measured: docker run: {e}")
        else:
            for i, name in enumerate((OURS, contenders.version(runc))):
                samples.setdefault(name, {})
                for pair in self.report.pairs:
                    for figure, ms in pair[i].items():
                        samples[name].setdefault(figure, []).append((ms,))
            self.report.add("engine", "ms", samples)

    def all(self):
        self.report.heading()
        chosen = self.options.measure or MEASURES
        wanted = self.options.shape or SHAPES
        for shape in wanted:
            grows = [] if shape == wanted[-1] else list(measures.GROWTH)
            self.of_shape(shape, [what for what in chosen if what not in grows])
        if "engine" in chosen:
            self.of_engine()

    def about(self):
        layout = shapes.cgroup_layout()
        return {"kernel": platform.release(), "machine": platform.machine(),
                "cpus": os.cpu_count(), "cgroup": layout, "load": os.getloadavg(),
                "samples": self.options.n, "fdatasync": round(sync_cost(), 4),
                "runtimes": {contenders.version(self.program): self.program, **self.others}}


def sync_cost(count=30):
    """What the disk takes for one record of the audit log, in ms."""
    times = []
    with tempfile.NamedTemporaryFile(dir="/var/log") as f:
        for _ in range(count):
            os.write(f.fileno(), b"x" * 1500)
            began = time.perf_counter_ns()
            os.fdatasync(f.fileno())
            times.append((time.perf_counter_ns() - began) / 1e6)
    return statistics.median(times)


def inside(work, group, o):
    own_corner(work)
    bench = Bench(work, group, o)
    bench.all()
    about = bench.about()
    print(f"\nLinux {about['kernel']}, {about['cpus']} processors, cgroup {about['cgroup']}; "
          f"an fdatasync of the log takes {about['fdatasync']:.2f} ms, run with a policy does two")
    bench.report.print_targets(about["cgroup"])
    bench.report.write(o.json, about)
    picture.write(o.picture, bench.report.rows, about)


def options(argv):
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--runtime", default="./agentrun", help="the agentrun to measure (./agentrun)")
    p.add_argument("-n", type=int, default=60, help="how often each is measured (60)")
    p.add_argument("--shape", action="append", choices=SHAPES)
    p.add_argument("--measure", action="append", choices=MEASURES, metavar="NAME",
                   help="one of " + ", ".join(MEASURES))
    p.add_argument("--json", default="bench.json", help="where the figures go (bench.json)")
    p.add_argument("--picture", default="bench.svg", help="where the picture goes (bench.svg)")
    p.add_argument("--limit", default=f"{SOURCE}/../shared/yardstick/limit.c",
                   help="the yardstick, its source or the program; left out if missing")
    return p.parse_args(argv)


def main():
    if sys.argv[1:2] != ["--inside"]:
        options(sys.argv[1:])  # a mistake is best told before the namespaces are made
        return isolate(sys.argv[1:])
    inside(sys.argv[2], sys.argv[3], options(sys.argv[4:]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
