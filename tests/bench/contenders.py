# SPDX-License-Identifier: Apache-2.0
"""Who is measured: a runtime with its options and a bundle, and the yardstick."""
import contextlib
import copy
import ctypes
import json
import os
import select
import shutil
import subprocess
import time

from shapes import cgroup_layout

PATH = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"]
ISOLATED = 0.1  # seconds before a start that nothing came shortly before


class Contender:
    """Each of its measures yields (name of the figure, wall time, CPU time)."""

    def __init__(self, name, argv, root, config, place):
        self.name, self.root, self.config, self.place = name, root, config, place
        self.argv = [argv[0], "--root", root, *argv[1:]]
        self.caches = ("/var/cache/agentrun", f"{root}/.cache")
        self.count = 0
        os.makedirs(place)
        self.null = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
        self.log = os.open(f"{place}/output", os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC)

    def bundle(self, args, config=None, cgroup=""):
        config = copy.deepcopy(config or self.config)
        config["process"]["args"] = args
        config["linux"]["cgroupsPath"] += cgroup
        with open(f"{self.place}/config.json", "w", encoding="utf-8") as f:
            json.dump(config, f)

    def next_id(self):
        self.count += 1
        return f"bench-{os.path.basename(self.place)}-{self.count}"

    def call(self, *args, before=()):
        """(wall time, CPU time of the command and of what it waited for), in ms"""
        argv = [*before, *self.argv, *args]
        began = time.perf_counter_ns()
        pid = os.posix_spawnp(argv[0], argv, os.environ, file_actions=[
            (os.POSIX_SPAWN_DUP2, self.null, 0), (os.POSIX_SPAWN_DUP2, self.log, 1),
            (os.POSIX_SPAWN_DUP2, self.log, 2)])
        _, status, usage = os.wait4(pid, 0)
        wall = time.perf_counter_ns() - began
        if status != 0:
            raise RuntimeError(f"{' '.join(argv)}: status {status:#x}\n" + self.output())
        return wall / 1e6, (usage.ru_utime + usage.ru_stime) * 1e3

    def output(self, most=500):
        """The end of what it said."""
        size = os.fstat(self.log).st_size
        return os.pread(self.log, most, max(0, size - most)).decode(errors="replace")

    def run_args(self):
        return "run", "--bundle", self.place, self.next_id()

    def create(self, cid):
        """(time of create, pidfd of the container's first process, its pid)"""
        pid_file = f"{self.root}.pid"   # in /run, where engines have it
        took = self.call("create", "--bundle", self.place, "--pid-file", pid_file, cid)
        with open(pid_file, encoding="ascii") as f:
            pid = int(f.read())
        return took, os.pidfd_open(pid), pid

    def works(self):
        """Not every release runs on every layout of cgroups."""
        self.bundle(["true"])
        self.call(*self.run_args())

    # ---- measures

    def run(self):
        yield "run", *self.call(*self.run_args())

    def isolated(self):
        time.sleep(ISOLATED)
        yield "run, isolated", *self.call(*self.run_args())

    def cold(self):
        """without a compiled filter kept from before"""
        for d in self.caches:
            shutil.rmtree(d, ignore_errors=True)
        yield "run, cold", *self.call(*self.run_args())

    def cycle(self):
        """create, start, the process's end, delete: as an engine does it"""
        cid = self.next_id()
        create, pidfd, _ = self.create(cid)
        start = self.call("start", cid)
        self.ended(pidfd)
        delete = self.call("delete", cid)
        yield "create", *create
        yield "start", *start
        yield "delete", *delete
        yield "create+delete", *map(sum, zip(create, delete))
        yield "create+start+delete", *map(sum, zip(create, start, delete))

    def delete(self):
        """of a container that came to its end"""
        cid = self.next_id()
        _, pidfd, _ = self.create(cid)
        self.call("start", cid)
        self.ended(pidfd)
        yield "delete", *self.call("delete", cid)

    def kill(self):
        """create to delete with a process that has to be killed"""
        cid = self.next_id()
        create, pidfd, _ = self.create(cid)
        start = self.call("start", cid)
        state = self.call("state", cid)
        kill = self.call("kill", cid, "KILL")
        self.ended(pidfd)
        delete = self.call("delete", cid)
        yield "state", *state
        yield "kill", *kill
        yield "create+start+kill+delete", *map(sum, zip(create, start, kill, delete))

    def exec(self):
        yield "exec", *self.call("exec", self.running, "true")

    @staticmethod
    def ended(pidfd):
        select.select([pidfd], [], [], 10)
        os.close(pidfd)

    # ---- around a measure

    def begin(self, measure):
        self.bundle(["sleep", "10000"] if measure in ("exec", "kill") else ["true"])
        if measure == "exec":
            self.running = self.up()

    def end(self, measure):
        if measure == "exec":
            self.remove(self.running)

    def up(self):
        """A container that runs."""
        cid = self.next_id()
        _, pidfd, _ = self.create(cid)
        os.close(pidfd)
        self.call("start", cid)
        return cid

    def remove(self, cid):
        with contextlib.suppress(RuntimeError):
            self.call("delete", "--force", cid)


class Floor(Contender):
    """The yardstick: it runs a container of this shape, and does nothing else."""

    def __init__(self, argv, group, place):
        config = {"process": {}, "linux": {"cgroupsPath": f"/{group}/floor"}}
        super().__init__("floor", argv, "", config, place)
        self.argv = argv

    def run_args(self):
        return ()


def version(program):
    out = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10,
                         check=True).stdout.split()
    return f"{out[0]} {out[2]}"


def others():
    """{name: program} of every crun and runc, each file once."""
    found = {}
    for name in ("crun", "runc"):
        for d in (*os.environ.get("PATH", "").split(":"), *PATH):
            program = os.path.realpath(f"{d}/{name}")
            if os.access(program, os.X_OK) and program not in found.values():
                v = version(program)
                found[v if v not in found else f"{v} {program}"] = program
    return found


# ---- the yardstick -------------------------------------------------------------------------------

def build_limit(source, work):
    """The program, or None."""
    if not source.endswith(".c"):
        return os.path.realpath(source) if os.access(source, os.X_OK) else None
    compiler = shutil.which("gcc") or shutil.which("cc")
    if not os.path.exists(source) or not compiler:
        return None
    built = subprocess.run([compiler, "-O2", "-static", "-o", f"{work}/limit", source], check=False)
    return f"{work}/limit" if built.returncode == 0 else None


def raw_filter(profile, path):
    """The profile as the kernel takes it, for the floor, which compiles nothing."""
    lib = ctypes.CDLL("libseccomp.so.2")
    lib.seccomp_init.restype = ctypes.c_void_p
    allow, error = 0x7fff0000, 0x00050001
    ctx = ctypes.c_void_p(lib.seccomp_init(error))
    for arch in (b"x86", b"x32"):
        lib.seccomp_arch_add(ctx, lib.seccomp_arch_resolve_name(arch))
    lib.seccomp_attr_set(ctx, 8, 2)  # SCMP_FLTATR_CTL_OPTIMIZE: a binary tree
    for rule in profile["syscalls"]:
        if rule["action"] == "SCMP_ACT_ALLOW":
            for name in rule["names"]:
                number = lib.seccomp_syscall_resolve_name(name.encode())
                lib.seccomp_rule_add(ctx, allow, number, 0)
    with open(path, "wb") as f:
        lib.seccomp_export_bpf(ctx, f.fileno())
    return path


def floor(limit, shape, rootfs, engine, work, group, config):
    layout = cgroup_layout()
    options = [f"--shape={shape}", f"--etc={engine}",
               f"--cgroup={'v1' if layout == 'hybrid' else layout}"]
    if shape == "docker":
        options += {"v1": ["--limits"], "hybrid": ["--limits"], "v2": ["--devprog"]}.get(layout, [])
        options.append("--seccomp=" + raw_filter(config["linux"]["seccomp"], f"{work}/filter"))
    return Floor([limit, *options, rootfs, "/bin/true"], group, f"{work}/{shape}-floor")
