#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""How long agentrun takes for what engines ask of it, beside every crun and runc that is found.

All contenders run in one process, one after the other and again, so that what else the machine does
hits them alike. Mount, network, PID, IPC and UTS namespaces, /run, /var/log and /var/cache are the
benchmark's own; a subreaper takes what the runtimes leave behind.

  bench.py [--runtime PROGRAM] [-n COUNT] [--shape NAME] [--measure NAME] [--json FILE] [--limit FILE]

Shapes: spec (what `agentrun spec` writes) and docker (what Docker writes for
`docker run -m 512m --pids-limit 256 --cpus 1.5 -v DIR:/workspace`, its seccomp profile's size included);
the policy is the agent profile on the docker shape, with allowed destinations. The floor is the
yardstick, a program that does the kernel's part of a container and nothing else.
"""
import argparse
import ctypes
import json
import os
import platform
import select
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.realpath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
PATH = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"]
MEASURES = ("run", "cycle", "exec")
WARM_UP = 3
CAPS = ["CAP_" + c for c in (
    "CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP "
    "NET_BIND_SERVICE SYS_CHROOT KILL AUDIT_WRITE").split()]
EGRESS = ("192.0.2.10:443 (package mirror), 198.51.100.0/24:22 (git), "
          "203.0.113.7:8080-8090 (model), [2001:db8::10]:443 (package mirror)")


# ---- the benchmark's own corner of the machine ---------------------------------------------------

def isolate(args):
    """Run this script again in namespaces of its own, below a subreaper."""
    tini = shutil.which("tini", path=":".join(PATH))
    if not tini:
        sys.exit("bench: tini is missing (apt-get install tini)")
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
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755,nosuid,nodev", "tmpfs", "/run"], check=True)
    for d in ("log", "cache"):  # on the disk: syncing a record there is part of what it costs
        os.mkdir(f"{work}/{d}")
        subprocess.run(["mount", "--bind", f"{work}/{d}", f"/var/{d}"], check=True)
    # crun refuses a hybrid layout while cgroup2 has a controller left, though it would not use it.
    controllers = "/sys/fs/cgroup/unified/cgroup.controllers"
    if os.path.exists(controllers):
        with open(f"{work}/controllers", "x", encoding="ascii"):
            pass
        subprocess.run(["mount", "--bind", f"{work}/controllers", controllers], check=True)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=False)


# ---- shapes --------------------------------------------------------------------------------------

def make_rootfs(path):
    for d in ("bin", "dev", "etc", "proc", "root", "sys", "tmp", "usr", "var", "workspace"):
        os.makedirs(f"{path}/{d}")
    os.chmod(f"{path}/tmp", 0o1777)
    shutil.copy("/bin/busybox", f"{path}/bin/busybox")
    for name in ("sh", "true", "sleep"):
        os.symlink("busybox", f"{path}/bin/{name}")
    for name, text in (("passwd", "root:x:0:0:root:/root:/bin/sh\n"), ("group", "root:x:0:\n"),
                       ("hosts", ""), ("hostname", ""), ("resolv.conf", "")):
        with open(f"{path}/etc/{name}", "w", encoding="ascii") as f:
            f.write(text)


def make_project(path):
    """A workspace with some of what the agent profile guards and masks."""
    for d in (".git/hooks", ".vscode", "src"):
        os.makedirs(f"{path}/{d}")
    for name in (".git/config", ".env", ".vscode/settings.json", "src/main.c"):
        with open(f"{path}/{name}", "w", encoding="ascii"):
            pass


def seccomp_profile():
    """As long as Docker's: some 380 names for three architectures, and a few arguments."""
    with open(f"{SOURCE}/profiles/seccomp/agent.json", encoding="utf-8") as f:
        names = max((s["names"] for s in json.load(f)["syscalls"]), key=len)
    equal = [{"index": 0, "value": v, "op": "SCMP_CMP_EQ"}
             for v in (0x0, 0x0008, 0x20000, 0x20008, 0xffffffff)]
    masked = {"index": 0, "value": 2114060288, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}
    return {
        "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 1,
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
        "syscalls": [{"names": [n for n in names if n not in ("personality", "clone", "socket")],
                      "action": "SCMP_ACT_ALLOW"},
                     {"names": ["socket"], "action": "SCMP_ACT_ALLOW",
                      "args": [{"index": 0, "value": 40, "op": "SCMP_CMP_NE"}]},
                     {"names": ["clone"], "action": "SCMP_ACT_ALLOW", "args": [masked]},
                     {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38},
                     *({"names": ["personality"], "action": "SCMP_ACT_ALLOW", "args": [e]}
                       for e in equal)],
    }


def mount(destination, type_, source, *options):
    return {"destination": destination, "type": type_, "source": source, "options": list(options)}


def available_limits():
    limits = {"memory": {"limit": 512 << 20}, "pids": {"limit": 256},
              "cpu": {"quota": 150000, "period": 100000}}
    if cgroup_layout() != "v2":
        return limits
    with open("/sys/fs/cgroup/cgroup.controllers", encoding="ascii") as f:
        controllers = f.read().split()
    return {k: v for k, v in limits.items() if k in controllers}


def docker_config(engine, project):
    def device(allow, **kw):
        return {"allow": allow, "access": "rwm", **kw}

    nodes = [device(True, type="c", major=a, minor=b)
             for a, b in ((1, 5), (1, 3), (1, 9), (1, 8), (5, 0), (5, 1))]
    nodes.append(device(False, type="c", major=10, minor=229))
    return {
        "hostname": "bench",
        "process": {
            "user": {"uid": 0, "gid": 0, "additionalGids": [0]},
            "args": ["true"], "cwd": "/workspace", "oomScoreAdj": 0,
            "env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                    "HOSTNAME=bench"],
            "capabilities": {k: CAPS for k in ("bounding", "effective", "permitted")},
        },
        "mounts": [
            mount("/proc", "proc", "proc", "nosuid", "noexec", "nodev"),
            mount("/dev", "tmpfs", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
            mount("/dev/pts", "devpts", "devpts", "nosuid", "noexec", "newinstance",
                  "ptmxmode=0666", "mode=0620", "gid=5"),
            mount("/sys", "sysfs", "sysfs", "nosuid", "noexec", "nodev", "ro"),
            mount("/sys/fs/cgroup", "cgroup", "cgroup", "ro", "nosuid", "noexec", "nodev"),
            mount("/dev/mqueue", "mqueue", "mqueue", "nosuid", "noexec", "nodev"),
            mount("/dev/shm", "tmpfs", "shm", "nosuid", "noexec", "nodev", "mode=1777",
                  "size=67108864"),
            mount("/workspace", "bind", project, "rbind", "rprivate"),
            *(mount(f"/etc/{n}", "bind", f"{engine}/{n}", "rbind", "rprivate")
              for n in ("resolv.conf", "hostname", "hosts")),
        ],
        "linux": {
            "sysctl": {"net.ipv4.ip_unprivileged_port_start": "0",
                       "net.ipv4.ping_group_range": "0 2147483647"},
            "resources": {
                "devices": [device(False), *nodes, device(False), *nodes],
                **available_limits(),
            },
            "namespaces": [{"type": t} for t in ("mount", "network", "uts", "pid", "ipc", "cgroup")],
            "maskedPaths": ["/proc/asound", "/proc/acpi", "/proc/interrupts", "/proc/kcore",
                            "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
                            "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware",
                            "/sys/devices/virtual/powercap"],
            "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
                              "/proc/sysrq-trigger"],
            "seccomp": seccomp_profile(),
        },
    }


def spec_config(program, work):
    d = f"{work}/spec"
    os.mkdir(d)
    subprocess.run([program, "spec", "--bundle", d], check=True)
    with open(f"{d}/config.json", encoding="utf-8") as f:
        config = json.load(f)
    config["process"].update(terminal=False, args=["true"])
    return config


# ---- contenders ----------------------------------------------------------------------------------

class Contender:
    """A runtime with its options and a bundle."""
    floor = False

    def __init__(self, name, argv, config, place):
        self.name, self.argv, self.config, self.place = name, argv, config, place
        self.count = 0
        os.makedirs(place)
        self.null = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
        self.log = os.open(f"{place}/output", os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC)

    def bundle(self, args):
        self.config["process"]["args"] = args
        with open(f"{self.place}/config.json", "w", encoding="utf-8") as f:
            json.dump(self.config, f)

    def next_id(self):
        self.count += 1
        return f"bench-{os.path.basename(self.place)}-{self.count}"

    def call(self, *args):
        """(wall time, CPU time of the command and of what it waited for), in ms"""
        argv = [*self.argv, *args]
        began = time.perf_counter_ns()
        pid = os.posix_spawn(argv[0], argv, os.environ, file_actions=[
            (os.POSIX_SPAWN_DUP2, self.null, 0), (os.POSIX_SPAWN_DUP2, self.log, 1),
            (os.POSIX_SPAWN_DUP2, self.log, 2)])
        _, status, usage = os.wait4(pid, 0)
        wall = time.perf_counter_ns() - began
        if status != 0:
            raise RuntimeError(f"{' '.join(argv)}: status {status:#x}\n"
                               + os.pread(self.log, 1 << 20, 0).decode(errors="replace")[-2000:])
        return wall / 1e6, (usage.ru_utime + usage.ru_stime) * 1e3

    # Each yields (name of the figure, wall, cpu).

    def run(self):
        yield "run", *self.call("run", "--bundle", self.place, self.next_id())

    def cycle(self):
        """create, start, the process's end, delete: as an engine does it"""
        cid, pid_file = self.next_id(), f"{self.place}/pid"
        create = self.call("create", "--bundle", self.place, "--pid-file", pid_file, cid)
        with open(pid_file, encoding="ascii") as f:
            pidfd = os.pidfd_open(int(f.read()))
        start = self.call("start", cid)
        select.select([pidfd], [], [], 10)
        os.close(pidfd)
        delete = self.call("delete", cid)
        yield "create", *create
        yield "start", *start
        yield "delete", *delete
        yield "create+start+delete", *map(sum, zip(create, start, delete))

    def works(self):
        """Not every release runs on every layout of cgroups."""
        self.bundle(["true"])
        try:
            self.call("run", "--bundle", self.place, self.next_id())
        except RuntimeError as e:
            print(f"bench: {self.name} is left out: {e}", file=sys.stderr)
            return False
        return True

    def exec(self):
        yield "exec", *self.call("exec", self.place_id, "true")

    def begin(self, measure):
        self.bundle(["sleep", "10000"] if measure == "exec" else ["true"])
        if measure == "exec":
            self.place_id = self.next_id()
            self.call("create", "--bundle", self.place, self.place_id)
            self.call("start", self.place_id)

    def end(self, measure):
        if measure == "exec":
            self.call("delete", "--force", self.place_id)


class Floor(Contender):
    """The yardstick: `run` only."""
    floor = True

    def __init__(self, argv, place):
        super().__init__("floor", argv, {"process": {}}, place)

    def run(self):
        yield "run", *self.call()


def version(program):
    out = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10,
                         check=True).stdout.split()
    return f"{out[0]} {out[2]}"


def others():
    """Every crun and runc, each file once: (name, program)."""
    seen, found = set(), []
    for name in ("crun", "runc"):
        for d in (*os.environ.get("PATH", "").split(":"), *PATH):
            program = os.path.realpath(f"{d}/{name}")
            if os.access(program, os.X_OK) and program not in seen:
                seen.add(program)
                found.append((version(program), program))
    return found


def cgroup_layout():
    if os.path.exists("/sys/fs/cgroup/cgroup.controllers"):
        return "v2"
    return "v1" if os.path.exists("/sys/fs/cgroup/memory") else "none"


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


def floor(limit, shape, rootfs, engine, work, config):
    layout = cgroup_layout()
    options = [f"--shape={shape}", f"--etc={engine}", f"--cgroup={layout}"]
    if shape == "docker":
        options += ["--limits"] if layout == "v1" else ["--devprog"] if layout == "v2" else []
        try:
            options.append("--seccomp=" + raw_filter(config["linux"]["seccomp"], f"{work}/filter"))
        except (OSError, AttributeError) as e:
            print(f"bench: the floor has no seccomp filter: {e}", file=sys.stderr)
    return Floor([limit, *options, rootfs, "/bin/true"], f"{work}/{shape}-floor")


def build_limit(source, work):
    if not source.endswith(".c"):
        return os.path.realpath(source) if os.access(source, os.X_OK) else None
    compiler = shutil.which("gcc") or shutil.which("cc")
    if not os.path.exists(source) or not compiler:
        return None
    built = subprocess.run([compiler, "-O2", "-static", "-o", f"{work}/limit", source], check=False)
    return f"{work}/limit" if built.returncode == 0 else None


# ---- measuring -----------------------------------------------------------------------------------

def measure(contenders, what, count):
    """{contender: {figure: [(wall, cpu), ...]}}"""
    samples = {c.name: {} for c in contenders}
    for c in contenders:
        c.begin(what)
    try:
        for i in range(count + WARM_UP):
            k = i % len(contenders)  # nobody always comes after the same one
            for c in contenders[k:] + contenders[:k]:
                for figure, wall, cpu in getattr(c, what)():
                    if i >= WARM_UP:
                        samples[c.name].setdefault(figure, []).append((wall, cpu))
    finally:
        for c in contenders:
            c.end(what)
    return samples


def summary(samples):
    wall = sorted(s[0] for s in samples)
    tenth = statistics.quantiles(wall, n=10, method="inclusive")
    return {"n": len(wall), "median": statistics.median(wall), "p10": tenth[0], "p90": tenth[-1],
            "cpu": statistics.median(s[1] for s in samples)}


def report(shape, samples, rows):
    figures = [f for f in next(iter(samples.values()))]
    for figure in figures:
        ours = summary(samples["agentrun"][figure])["median"]
        for name, by_figure in samples.items():
            if figure not in by_figure:
                continue
            s = summary(by_figure[figure])
            row = {"shape": shape, "figure": figure, "runtime": name,
                   **{k: round(v, 4) for k, v in s.items()}, "ratio": round(s["median"] / ours, 4)}
            rows.append(row)
            print(f"{shape:7} {figure:20} {name:18} {s['median']:8.2f} {s['p10']:8.2f} "
                  f"{s['p90']:8.2f} {s['cpu']:8.2f} {row['ratio']:7.2f}", flush=True)


def sync_cost(count=30):
    """What the disk takes for one record of the audit log."""
    times = []
    with tempfile.NamedTemporaryFile(dir="/var/log") as f:
        for _ in range(count):
            os.write(f.fileno(), b"x" * 1500)
            began = time.perf_counter_ns()
            os.fdatasync(f.fileno())
            times.append((time.perf_counter_ns() - began) / 1e6)
    return statistics.median(times)


def verdicts(rows, sync):
    """The two targets of the design. The policy's two records are synced, at create and at delete."""
    syncs = {"create": 1, "delete": 1, "create+start+delete": 2, "run": 2}
    at = {(r["shape"], r["figure"], r["runtime"]): r["median"] for r in rows}
    for (shape, figure, name), median in at.items():
        if name.startswith("crun "):
            ours = at[shape, figure, "agentrun"]
            print(f"{shape} {figure}: agentrun takes {ours / median:.2f} of {name}'s time "
                  f"({ours - median:+.2f} ms)")
    for (shape, figure, name), median in at.items():
        if name == "agentrun+policy":
            print(f"{shape} {figure}: the policy adds {median - at[shape, figure, 'agentrun']:.2f} ms, "
                  f"with {syncs.get(figure, 0)} fdatasync of {sync:.2f} ms")


def inside(work, group, o):
    own_corner(work)
    program = os.path.realpath(o.runtime)
    rootfs, project, engine = f"{work}/rootfs", f"{work}/project", "/run/docker/containers/bench"
    make_rootfs(rootfs)
    make_project(project)
    os.makedirs(engine)
    for name in ("resolv.conf", "hostname", "hosts"):
        with open(f"{engine}/{name}", "w", encoding="ascii") as f:
            f.write("127.0.0.1 localhost\n" if name == "hosts" else "bench\n")
    limit = build_limit(o.limit, work)
    runtimes = [("agentrun", program), *others()]
    rows = []
    print(f"{'shape':7} {'figure':20} {'runtime':18} {'median':>8} {'p10':>8} {'p90':>8} "
          f"{'cpu':>8} {'ratio':>7}   (ms; ratio: to agentrun)")
    for shape in o.shape or ("spec", "docker"):
        base = spec_config(program, work) if shape == "spec" else docker_config(engine, project)
        contenders = []

        def add(name, argv, annotations=None):
            place = f"{work}/{shape}-{len(contenders)}"
            config = json.loads(json.dumps(base))
            config["ociVersion"] = "1.0.2"  # what the oldest of them takes
            config["root"] = {"path": rootfs, "readonly": shape == "spec"}
            config["linux"]["cgroupsPath"] = f"/{group}/{shape}-{len(contenders)}"
            if annotations:
                config["annotations"] = annotations
            contenders.append(Contender(name, [*argv], config, place))

        for name, argv0 in runtimes:
            add(name, [argv0, "--root", f"/run/bench-{len(contenders)}"])
            if name == "agentrun" and shape == "docker":
                add("agentrun+policy", [argv0, "--root", "/run/bench-policy", "--profile", "agent"],
                    {"io.agentrun.egress": "allow", "io.agentrun.egress.allow": EGRESS})
        contenders = [c for c in contenders if c.name.startswith("agentrun") or c.works()]
        for what in o.measure or MEASURES:
            field = list(contenders)
            if what == "run" and limit:
                field.append(floor(limit, shape, rootfs, engine, work, base))
            report(shape, measure(field, what, o.n), rows)
    print()
    sync = sync_cost()
    verdicts(rows, sync)
    if o.json:
        with open(o.json, "w", encoding="utf-8") as f:
            json.dump({
                "kernel": platform.release(), "machine": platform.machine(), "cpus": os.cpu_count(),
                "cgroup": cgroup_layout(), "load": os.getloadavg(),
                "runtimes": {n if n != "agentrun" else version(p): p for n, p in runtimes},
                "fdatasync": round(sync, 4), "unit": "ms", "rows": rows,
            }, f, indent=1)
            f.write("\n")


def main():
    if sys.argv[1:2] != ["--inside"]:
        options(sys.argv[1:])  # a mistake is best told before the namespaces are made
        return isolate(sys.argv[1:])
    inside(sys.argv[2], sys.argv[3], options(sys.argv[4:]))
    return 0


def options(argv):
    p = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    p.add_argument("--runtime", default="./agentrun", help="the agentrun to measure (./agentrun)")
    p.add_argument("-n", type=int, default=60, help="how often each is measured (60)")
    p.add_argument("--shape", action="append", choices=("spec", "docker"))
    p.add_argument("--measure", action="append", choices=MEASURES)
    p.add_argument("--json", default="bench.json", help="where the figures go (bench.json)")
    p.add_argument("--limit", default=f"{SOURCE}/../shared/yardstick/limit.c",
                   help="the yardstick, its source or the program; left out if missing")
    return p.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
