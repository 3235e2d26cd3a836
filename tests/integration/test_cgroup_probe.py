# SPDX-License-Identifier: Apache-2.0
"""sandbox/cgroup by its own functions: every limit, both versions, both drivers."""
import errno
import itertools
import json
import os
import subprocess
import tempfile

import pytest
import runtime

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCES = os.path.join(runtime.REPO, "runtime")
V2 = os.path.exists("/sys/fs/cgroup/cgroup.controllers")
SYSTEMD = V2 and os.path.isdir("/run/systemd/system")
CAPTION = "version 2 of cgroups" if V2 else "version 1 of cgroups"
MiB = 1 << 20
serial = itertools.count()


def controllers():
    """What limits can be set here."""
    if V2:
        with open("/sys/fs/cgroup/cgroup.controllers", encoding="ascii") as f:
            return set(f.read().split())
    with open("/proc/self/cgroup", encoding="ascii") as f:
        return {c for line in f for c in line.split(":")[1].split(",")}


AVAILABLE = controllers()


@pytest.fixture(scope="session")
def program():
    with tempfile.TemporaryDirectory() as d:
        os.chmod(d, 0o755)
        out = os.path.join(d, "cgroup_probe")
        files = [os.path.join(HERE, "cgroup_probe.c")]
        for layer, names in (("base", "arena cpulist err fd host_dynamic json json_write str sys"), ("spec", "*"), ("sandbox", "")):
            folder = os.path.join(SOURCES, layer)
            for name in sorted(os.listdir(folder)):
                stem, end = os.path.splitext(name)
                if end == ".c" and (names == "*" or stem in names.split() or layer == "sandbox" and
                                    (stem in ("cgroup", "idmap", "user") or stem.startswith("cgroup_"))):
                    files.append(os.path.join(folder, name))
        flags = ["-std=gnu11", "-O1", "-g", "-D_GNU_SOURCE", f"-I{SOURCES}"]
        if os.path.exists("/usr/include/systemd/sd-bus.h"):
            flags.append("-DHAVE_SYSTEMD")
        subprocess.run([os.environ.get("CC", "cc"), *flags, "-o", out, *files, "-lyajl", "-ldl"],
                       check=True, timeout=120)
        yield out


def left():
    """Directories of the tests', in any hierarchy."""
    return sorted(os.path.join(d, n) for d, names, _ in os.walk("/sys/fs/cgroup") for n in names
                  if n.startswith("agentrun-test-"))


def removed(path):
    """The dying stay in their cgroup for a moment."""
    try:
        os.rmdir(path)
    except OSError as e:
        if e.errno != errno.EBUSY:
            raise
        return False
    return True


@pytest.fixture
def probe(program):
    """probe(step, ...): the lines that it prints; nothing may be left afterwards."""
    top = f"/agentrun-test-{os.getpid()}-{next(serial)}"
    before = left()

    def run(*steps, path=None, user=None):
        args = [program, "agentrun-test-id", path or top + "/box", *steps]
        if user:
            args = ["setpriv", "--reuid", str(user), "--regid", str(user), "--clear-groups", *args]
        p = subprocess.run(args, capture_output=True, text=True, timeout=120, check=False)
        lines = [json.loads(line) for line in p.stdout.splitlines()]
        assert p.returncode in (0, 1), (p.returncode, p.stderr, lines)
        return lines

    run.top = top
    yield run
    for d in left():
        if d.endswith(top):
            os.rmdir(d)    # fails if the container's own directory is still in it
    assert left() == before


def values(lines):
    assert "error" not in lines[-1], lines[-1]
    return [line["value"] for line in lines if "value" in line]


def failure(lines):
    assert "error" in lines[-1], lines
    return lines[-1]["error"]


def cat(controller, v1, v2):
    return ("cat", "" if V2 else controller, v2 if V2 else v1)


def need(*names):
    missing = set(names) - AVAILABLE
    if missing:
        pytest.skip(f"no controller {', '.join(missing)} here")


LIMITS = [
    # resources, controller, file and value on version 1, file and value on version 2
    ({"memory": {"limit": 64 * MiB}}, "memory", "memory.limit_in_bytes", str(64 * MiB),
     "memory.max", str(64 * MiB)),
    ({"memory": {"limit": -1}}, "memory", "memory.limit_in_bytes", "9223372036854771712",
     "memory.max", "max"),
    ({"memory": {"limit": 64 * MiB, "swap": 96 * MiB}}, "memory", "memory.memsw.limit_in_bytes",
     str(96 * MiB), "memory.swap.max", str(32 * MiB)),
    ({"memory": {"limit": 64 * MiB, "swap": 64 * MiB}}, "memory", "memory.memsw.limit_in_bytes",
     str(64 * MiB), "memory.swap.max", "0"),
    ({"memory": {"limit": 64 * MiB, "swap": -1}}, "memory", "memory.memsw.limit_in_bytes",
     "9223372036854771712", "memory.swap.max", "max"),
    ({"memory": {"reservation": 32 * MiB}}, "memory", "memory.soft_limit_in_bytes",
     str(32 * MiB), "memory.low", str(32 * MiB)),
    ({"memory": {"kernel": 5, "kernelTCP": 5, "useHierarchy": True}}, "memory",
     "memory.limit_in_bytes", "9223372036854771712", "memory.max", "max"),
    ({"cpu": {"shares": 512}}, "cpu", "cpu.shares", "512", "cpu.weight", "59"),
    ({"cpu": {"shares": 1024}}, "cpu", "cpu.shares", "1024", "cpu.weight", "100"),
    ({"cpu": {"quota": 20000, "period": 50000}}, "cpu", "cpu.cfs_period_us", "50000",
     "cpu.max", "20000 50000"),
    ({"cpu": {"quota": 20000}}, "cpu", "cpu.cfs_quota_us", "20000", "cpu.max", "20000 100000"),
    ({"cpu": {"quota": -1}}, "cpu", "cpu.cfs_quota_us", "-1", "cpu.max", "max 100000"),
    ({"cpu": {"quota": 20000, "burst": 1000}}, "cpu", "cpu.cfs_burst_us", "1000",
     "cpu.max.burst", "1000"),
    ({"cpu": {"idle": 1}}, "cpu", "cpu.idle", "1", "cpu.idle", "1"),
    ({"cpu": {"cpus": "0", "mems": "0"}}, "cpuset", "cpuset.cpus", "0", "cpuset.cpus", "0"),
    ({"pids": {"limit": 20}}, "pids", "pids.max", "20", "pids.max", "20"),
    ({"pids": {"limit": -1}}, "pids", "pids.max", "max", "pids.max", "max"),
    ({"pids": {"limit": 0}}, "pids", "pids.max", "max", "pids.max", "max"),
]


@pytest.mark.parametrize("resources, controller, v1, want1, v2, want2", LIMITS,
                         ids=[json.dumps(row[0]) for row in LIMITS])
def test_limit(probe, resources, controller, v1, want1, v2, want2):
    need(controller)
    got = values(probe("create", json.dumps(resources), "spawn", *cat(controller, v1, v2)))
    assert got == [want2 if V2 else want1]


def test_hugepages(probe):
    need("hugetlb")
    got = values(probe("create", json.dumps({"hugepageLimits": [
        {"pageSize": "2MB", "limit": 4 * MiB}]}), "spawn",
        *cat("hugetlb", "hugetlb.2MB.limit_in_bytes", "hugetlb.2MB.max")))
    assert got == [str(4 * MiB)]


@pytest.mark.skipif(not V2, reason="version 2")
def test_unified(probe):
    need("hugetlb")
    got = values(probe("create", json.dumps({"unified": {
        "hugetlb.2MB.max": str(4 * MiB), "cgroup.max.depth": "9"}}),
        "cat", "", "hugetlb.2MB.max", "cat", "", "cgroup.max.depth"))
    assert got == [str(4 * MiB), "9"]


REFUSED = [
    # resources, the JSON path, on which version it must be refused (0: both)
    ({"memory": {"limit": 64 * MiB, "swap": MiB}}, "linux.resources.memory.swap: ", 0),
    ({"memory": {"swappiness": 10}}, "linux.resources.memory.swappiness: ", 2),
    ({"memory": {"disableOOMKiller": True}}, "linux.resources.memory.disableOOMKiller: ", 2),
    ({"cpu": {"cpus": "900"}}, "linux.resources.cpu.cpus: ", 0),
    ({"cpu": {"realtimeRuntime": 1000}}, "linux.resources.cpu.realtimeRuntime: ", 2),
    ({"network": {"classID": 5}}, "linux.resources.network.classID: ", 2),
    ({"network": {"priorities": [{"name": "lo", "priority": 5}]}},
     "linux.resources.network.priorities: ", 2),
    ({"rdma": {"none": {"hcaHandles": 3}}}, "linux.resources.rdma", 0),
    ({"hugepageLimits": [{"pageSize": "../x", "limit": 1}]}, "hugepageLimits[0].pageSize: ", 0),
    ({"hugepageLimits": [{"pageSize": "3MB", "limit": 1}]}, "linux.resources.hugepageLimits", 0),
    ({"unified": {"pids.max": "5"}}, "linux.resources.unified: ", 1),
    ({"unified": {"../x.y": "5"}}, "../x.y", 2),
    ({"unified": {"cgroup.procs": "1"}}, 'linux.resources.unified["cgroup.procs"]: ', 2),
    ({"unified": {"hugetlb.none": "1"}}, 'linux.resources.unified["hugetlb.none"]: ', 2),
    ({"devices": [{"allow": True, "type": "c", "major": 1}]}, "linux.resources.devices[0]: ", 0),
    ({"devices": [{"allow": False, "access": "rwm"},
                  {"allow": True, "type": "c", "major": 10, "access": "rwm"},
                  {"allow": False, "type": "c", "major": 10, "minor": 229, "access": "rw"}]},
     "linux.resources.devices: version 1 ", 1),
]


@pytest.mark.parametrize("resources, where, version", REFUSED,
                         ids=[json.dumps(row[0]) for row in REFUSED])
def test_refused(probe, resources, where, version):
    if version and version != (2 if V2 else 1):
        pytest.skip(f"says nothing on {CAPTION}")
    if "memory" in resources:
        need("memory")
    assert where in failure(probe("create", json.dumps(resources)))


def test_missing_controller_is_named(probe):
    """A limit that the host cannot set is never left out."""
    for name, resources in (("memory", {"memory": {"limit": MiB}}), ("pids", {"pids": {"limit": 5}}),
                            ("rdma", {"rdma": {"x": {"hcaHandles": 1}}})):
        if name not in AVAILABLE:
            text = failure(probe("create", json.dumps(resources)))
            assert f'the controller "{name}" is not ' in text
            break
    else:
        pytest.skip("all are there")


# ---- update ----

def test_update_swap_and_memory_in_either_direction(probe):
    need("memory")
    files = (*cat("memory", "memory.limit_in_bytes", "memory.max"),
             *cat("memory", "memory.memsw.limit_in_bytes", "memory.swap.max"))
    steps = ["create", json.dumps({"memory": {"limit": 64 * MiB, "swap": 64 * MiB}}), "spawn"]
    for limit, swap in ((256, 512), (32, 64), (300, 300), (16, 16)):
        steps += ["update", json.dumps({"memory": {"limit": limit * MiB, "swap": swap * MiB}}),
                  *files]
    steps += ["update", json.dumps({"memory": {"limit": -1}}), *files]
    got = values(probe(*steps))
    if V2:
        assert got == [str(n * MiB) for n in (256, 256, 32, 32, 300, 0, 16, 0)] + ["max", "max"]
    else:
        assert got == [str(n * MiB) for n in (256, 512, 32, 64, 300, 300, 16, 16)] + \
            ["9223372036854771712"] * 2


def test_update_zero_is_unset(probe):
    need("memory", "pids", "cpu")
    got = values(probe(
        "create", json.dumps({"memory": {"limit": 64 * MiB}, "pids": {"limit": 9},
                              "cpu": {"quota": 5000}}), "spawn",
        "update", json.dumps({"memory": {"limit": 0, "swap": 0, "reservation": 0},
                              "pids": {"limit": 0}, "cpu": {"quota": 0, "period": 0, "shares": 0},
                              "blockIO": {"weight": 0}}),
        *cat("memory", "memory.limit_in_bytes", "memory.max"), *cat("pids", "pids.max", "pids.max"),
        *cat("cpu", "cpu.cfs_quota_us", "cpu.max")))
    assert got == [str(64 * MiB), "9", "5000 100000" if V2 else "5000"]


def test_update_burst_to_zero(probe):
    need("cpu")
    got = values(probe("create", json.dumps({"cpu": {"quota": 20000, "burst": 1000}}),
                       "update", json.dumps({"cpu": {"burst": 0}}),
                       *cat("cpu", "cpu.cfs_burst_us", "cpu.max.burst")))
    assert got == ["0"]


def test_update_period_keeps_quota(probe):
    need("cpu")
    got = values(probe("create", json.dumps({"cpu": {"quota": 20000, "period": 100000}}),
                       "update", json.dumps({"cpu": {"period": 50000}}),
                       *cat("cpu", "cpu.cfs_quota_us", "cpu.max"),
                       "update", json.dumps({"cpu": {"quota": 90000, "period": 200000}}),
                       *cat("cpu", "cpu.cfs_quota_us", "cpu.max"),
                       "update", json.dumps({"cpu": {"quota": 2000, "period": 4000}}),
                       *cat("cpu", "cpu.cfs_quota_us", "cpu.max")))
    assert got == (["20000 50000", "90000 200000", "2000 4000"] if V2 else
                   ["20000", "90000", "2000"])


def test_update_checks_usage_first(probe):
    need("memory")
    text = failure(probe("create", "{}", "spawn", "update", json.dumps(
        {"memory": {"limit": 4096, "checkBeforeUpdate": True}})))
    assert text.startswith("linux.resources.memory.limit: ") and "in use" in text


# ---- device rules ----

def opens(*pairs):
    return [s for device, mode in pairs for s in ("open", device, mode)]


@pytest.fixture
def nodes():
    """Nodes of devices that need no rights of their own."""
    with tempfile.TemporaryDirectory() as d:
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", d], check=True)    # /tmp may be nodev
        made = {}
        for name, major, minor in (("null", 1, 3), ("kmsg", 1, 11), ("tun", 10, 200)):
            made[name] = os.path.join(d, name)
            os.mknod(made[name], 0o600 | 0o020000, os.makedev(major, minor))
        yield made
        subprocess.run(["umount", d], check=True)


def test_devices_by_default(probe, nodes):
    got = values(probe("create", "{}", *opens((nodes["null"], "w"), (nodes["kmsg"], "r"))))
    assert got == ["ok", "EPERM"]


def test_devices_deny_all_and_allow_one(probe, nodes):
    got = values(probe("create", json.dumps({"devices": [
        {"allow": False, "access": "rwm"},
        {"allow": True, "type": "c", "major": 1, "minor": 11, "access": "r"}]}),
        *opens((nodes["null"], "w"), (nodes["kmsg"], "r"), (nodes["kmsg"], "w"))))
    assert got == ["ok", "ok", "EPERM"]


def test_devices_of_the_privileged(probe, nodes):
    got = values(probe("create", json.dumps({"devices": [{"allow": True, "access": "rwm"}]}),
                       *opens((nodes["kmsg"], "r"))))
    assert got == ["ok"]


def test_tun_is_not_for_agents(probe, nodes):
    """THREATS C7: a plain container may open it, one with a policy may not."""
    plain = values(probe("create", "{}", *opens((nodes["tun"], "r"))))
    agent = values(probe("agent", "create", "{}", *opens((nodes["tun"], "r"))))
    assert plain in (["ok"], ["ENODEV"], ["ENXIO"])    # as the machine has it
    assert agent == ["EPERM"]


def test_devices_update_replaces(probe, nodes):
    got = values(probe("create", "{}", *opens((nodes["kmsg"], "r")),
                       "update", json.dumps({"devices": [
                           {"allow": True, "type": "c", "major": 1, "minor": 11, "access": "r"}]}),
                       *opens((nodes["kmsg"], "r")),
                       "update", json.dumps({"devices": [{"allow": False, "access": "rwm"}]}),
                       *opens((nodes["kmsg"], "r"))))
    assert got == ["EPERM", "ok", "EPERM"]


# ---- processes ----

def test_pids_freeze_kill_remove(probe):
    """As another command finds it, from the state file; 40 levels below included."""
    got = values(probe("create", "{}", "spawn", "state", "pids", "nest", "pids", "freeze",
                       "frozen", "thaw", "frozen", "freeze", "kill", "pids", "remove", "remove"))
    assert got[1:] == [1, 2, True, False, 0]


def test_term_reaches_all(probe):
    assert values(probe("create", "{}", "spawn", "nest", "term", "pids", "remove")) == [0]


def test_join_below(probe):
    assert values(probe("create", "{}", "spawn", "nest", "join", "in/d", "pids")) == [3]
    why = "/missing: No such file" if V2 else "--cgroup missing: no such cgroup in the container's"
    assert why in failure(probe("create", "{}", "join", "missing"))
    if not V2:
        assert values(probe("create", "{}", "spawn", "nest", "join", "freezer:in/d", "pids"))[-1] == 3
        assert "/missing/tasks: No such file" in failure(probe("create", "{}", "join", "cpu:missing"))
        assert 'unknown controller "flight"' in failure(
            probe("create", "{}", "join", "cpu,flight:in"))
    for sub in ("..", "../x", "in/../../..", *(() if V2 else ("pids:..",))):
        assert "leaves the container's cgroup" in failure(probe("create", "{}", "join", sub))


def test_in_use_is_refused_and_left_alone(probe, program):
    """What is in it already would be killed with the container."""
    with subprocess.Popen([program, "agentrun-test-id", probe.top + "/box", "create", "{}", "spawn",
                           "wait", "30"], stdout=subprocess.PIPE, text=True) as other:
        for step in ("create", "spawn"):
            assert json.loads(other.stdout.readline()) == {"step": step} | (
                {"without": False} if step == "create" else {})
        assert "container's cgroup is not empty: 1 process" in failure(probe("create", "{}"))
        where = subprocess.run(["pgrep", "-P", str(other.pid)], capture_output=True, text=True,
                               check=True).stdout.split()
        assert len(where) == 1
        other.kill()
        os.kill(int(where[0]), 9)
    for d in left():
        if d.endswith(probe.top):
            runtime.until(lambda path=d + "/box": removed(path))


def test_path_stays_below_the_top(probe):
    top = probe.top.strip("/")
    assert values(probe("create", "{}", "path", path=f"/x/../../../{top}/box")) == [
        probe.top + "/box"]
    assert "root cgroup" in failure(probe("create", "{}", path="/x/.."))


def test_statistics(probe):
    stats, cost = values(probe("create", "{}", "spawn", "stats", "cost"))
    assert set(stats) == {"cpu", "cpuset", "memory", "pids", "blkio", "hugetlb", "intel_rdt",
                          "network_interfaces"}
    assert stats["cpu"]["usage"]["total"] > 0
    assert {"kernel", "user"} <= set(stats["cpu"]["usage"])
    assert set(stats["memory"]) >= {"usage", "swap", "kernel", "kernelTCP"}
    assert cost["cpu_usec"] > 0
    if "memory" in AVAILABLE:
        assert stats["memory"]["usage"]["usage"] > 0
        assert stats["memory"]["raw"]
        assert cost["memory_peak"] > 0 and cost["oom_kills"] == 0
    if "pids" in AVAILABLE:
        assert stats["pids"]["current"] == 1


# ---- without rights ----

def test_rootless_without_rights(probe):
    """No cgroup by permission, but only if nobody asks for a limit or names one."""
    run = ("rootless", "create")
    lines = probe(*run, "{}", "spawn", "pids", "freeze", path="-", user=65534)
    assert lines[1] == {"step": "create", "without": True}
    assert "no cgroup with a freezer" in failure(lines)
    assert failure(probe(*run, '{"pids":{"limit":5}}', path="-", user=65534)).startswith(
        "linux.resources.pids.limit: this user has no right")
    assert "Permission denied" in failure(probe(*run, "{}", user=65534))
    assert "Permission denied" in failure(probe("create", "{}", path="-", user=65534))


# ---- the systemd driver ----

@pytest.mark.skipif(SYSTEMD, reason="systemd runs here")
def test_systemd_where_there_is_none(probe):
    text = failure(probe("systemd", "create", "{}", "spawn", path="a.slice:b:c"))
    assert "D-Bus" in text


@pytest.mark.skipif(not SYSTEMD, reason="needs systemd")
def test_systemd_scope(probe):
    need("hugetlb")
    path = "agentruntest.slice:pre:one"
    limit = json.dumps({"hugepageLimits": [{"pageSize": "2MB", "limit": 4 * MiB}]})
    got = values(probe("systemd", "create", limit, "spawn", "state", "path", "pids", "cat", "",
                       "hugetlb.2MB.max", "open", "/dev/null", "w", "nest", "pids", "kill",
                       "remove", "remove", path=path))
    assert got[0]["scope"] == "pre-one.scope" and got[0]["systemd"]
    assert got[1:] == ["/agentruntest.slice/pre-one.scope", 1, str(4 * MiB), "ok", 2]
    shown = subprocess.run(["systemctl", "list-units", "--all", "--plain", "--no-legend", "pre-*"],
                           capture_output=True, text=True, check=True).stdout
    assert shown == ""


@pytest.mark.skipif(not SYSTEMD, reason="needs systemd")
def test_systemd_is_told_the_limits(probe, program):
    """What systemd does not know, it sets back when it reloads."""
    with subprocess.Popen([program, "agentrun-test-id", "agentruntest.slice:pre:two", "systemd",
                           "create", json.dumps({"pids": {"limit": 0}, "unified": {}}), "spawn",
                           "wait", "3", "kill", "remove"], stdout=subprocess.PIPE,
                          text=True) as other:
        for _ in range(3):
            other.stdout.readline()
        shown = subprocess.run(["systemctl", "show", "pre-two.scope", "-p",
                                "Delegate,Slice,CollectMode"], capture_output=True, text=True,
                               check=True).stdout
        assert set(shown.split()) == {"Delegate=yes", "Slice=agentruntest.slice",
                                      "CollectMode=inactive-or-failed"}


@pytest.mark.skipif(not SYSTEMD, reason="needs systemd")
@pytest.mark.parametrize("path", ["/docker/x", "a.slice:b", "../x.slice:a:b", "a.slice:b:../c"])
def test_systemd_bad_path(probe, path):
    assert failure(probe("systemd", "create", "{}", path=path)).startswith("linux.cgroupsPath: ")
