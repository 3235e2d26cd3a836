# SPDX-License-Identifier: Apache-2.0
"""exec: a further process in a running container."""
import json
import os
import shutil

import pytest
from bundle import drop_namespace, namespace, shell
from runtime import run, status_field, until

SLEEP = ["sleep", "100"]


@pytest.fixture
def up(rt, box):
    return rt.up(box(SLEEP))


@pytest.mark.parametrize("script, code", [
    ("exit 0", 0), ("exit 7", 7), ("exit 255", 255), ("kill -9 $$", 137), ("kill -TERM $$", 143),
])
def test_exit_code(rt, up, script, code):
    assert rt.exec(up, "--", "sh", "-c", script).code == code


def test_output_and_input(rt, up):
    r = rt.exec(up, "--", "sh", "-c", "cat; echo bad >&2", stdin="in\n", check=True)
    assert (r.out, r.err) == ("in\n", "bad\n")


def test_same_namespaces_and_cgroup_as_the_first_process(rt, up):
    b = up
    r = rt.exec(b, "--", "sh", "-c", """
        for n in mnt net pid ipc uts cgroup user; do
            test $(readlink /proc/1/ns/$n) = $(readlink /proc/self/ns/$n) || echo ns $n
        done
        cmp /proc/1/cgroup /proc/self/cgroup""", check=True)
    assert r.out == ""
    pid = rt.state(b)["pid"]
    with open(f"/proc/{pid}/cgroup", encoding="ascii") as f:
        first = f.read()
    r = rt.exec(b, "--detach", "--", "sleep", "50", check=True)
    pids = json.loads(rt("ps", "--format", "json", b.id, check=True).out)
    other = next(p for p in pids if p != pid)
    with open(f"/proc/{other}/cgroup", encoding="ascii") as f:
        assert f.read() == first


@pytest.mark.parametrize("flags, script, want", [
    (["--cwd", "/usr"], "pwd", "/usr"),
    (["--env", "A=1", "--env", "B=x y"], "echo $A $B", "1 x y"),
    (["--user", "1000"], "id -u", "1000"),
    (["--user", "1000:50"], "id -u; id -g", "1000 50"),
    (["-u", "1000:50"], "id -u; id -g", "1000 50"),
])
def test_flags(rt, up, flags, script, want):
    if rt.flavour == "crun" and "--env" in flags:
        flags = flags + ["--env", "PATH=/bin"]
    assert rt.exec(up, *flags, "--", "sh", "-c", script, check=True).out.split() == want.split()


def test_cap_adds(rt, up):
    r = rt.exec(up, "--cap", "CAP_SYS_TIME", "--", "cat", "/proc/self/status", check=True)
    assert int(status_field(r.out, "CapEff"), 16) & 1 << 25


def test_capabilities_are_the_containers(rt, up):
    first = rt.exec(up, "--", "cat", "/proc/1/status", check=True).out
    own = rt.exec(up, "--", "cat", "/proc/self/status", check=True).out
    for name in ("CapBnd", "CapEff", "CapPrm", "CapInh", "CapAmb", "NoNewPrivs", "Seccomp"):
        assert status_field(first, name) == status_field(own, name), name
    assert int(status_field(own, "CapInh"), 16) == 0


def test_no_new_privs_flag(rt, up):
    r = rt.exec(up, "--no-new-privs", "--", "cat", "/proc/self/status", check=True)
    assert status_field(r.out, "NoNewPrivs") == "1"


@pytest.mark.differs("crun", "it has no such option")
def test_additional_gids(rt, box):
    """They join those of the configuration."""
    b = rt.up(box(["sleep", "100"], lambda c: c["process"]["user"].update(additionalGids=[5])))
    r = rt.exec(b, "-g", "7", "-g", "8", "--", "id", "-G", check=True)
    assert set(r.out.split()) == {"0", "5", "7", "8"}


@pytest.mark.skipif(not all(os.path.isdir("/sys/fs/cgroup/" + x)
                            for x in ("memory", "pids", "freezer")),
                    reason="for controllers of version 1")
@pytest.mark.differs("runc crun", "crun knows no controllers here, Debian 12's runc no contradiction")
def test_cgroup_of_a_controller(rt, up):
    def of(*flags):
        r = rt.exec(up, *(x for f in flags for x in ("--cgroup", f)), "--", "cat",
                    "/proc/self/cgroup", check=True)
        return {line.split(":")[1]: line.split(":")[2] for line in r.out.splitlines()}
    plain = of()
    for name in ("memory", "pids"):
        os.mkdir(f"/sys/fs/cgroup/{name}{plain[name]}/sub")
    assert of("memory:sub") == {**plain, "memory": plain["memory"] + "/sub"}
    assert of("memory,pids:/sub", "freezer:/") == \
        {**plain, **{x: plain[x] + "/sub" for x in ("memory", "pids")}}
    for flags, why in ((["memory:none"], "/none"), (["none:/"], 'unknown controller "none"'),
                       (["memory:sub", "pids,memory:/"], "after memory:sub for the same")):
        rt.exec(up, *(x for f in flags for x in ("--cgroup", f)), "--", "true", check=why)


@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
@pytest.mark.parametrize("flags, code, said", [
    ([], 0, ""), (["--cgroup", "/"], 255, "clone into the cgroup: Device or resource busy")])
@pytest.mark.differs("runc crun", "strace is told of agentrun's calls")
def test_cgroup_that_takes_no_process(rt, up, work, flags, code, said):
    """As on version 2 that of a service manager, whose children have controllers: its own is taken,
    unless one is asked for."""
    r = run(["strace", "-qq", "-o", work + "/trace", "-e", "inject=clone3:error=EBUSY:when=1",
             *rt.argv("exec", *flags, up.id, "cat", "/proc/self/cgroup")])
    assert (r.code, r.out != "") == (code, code == 0), r.text
    assert said in r.err


def process(**kw):
    p = {"terminal": False, "user": {"uid": 0, "gid": 0}, "args": ["true"],
         "env": ["PATH=/bin"], "cwd": "/"}
    p.update(kw)
    return p


def process_file(path, p):
    with open(path, "w", encoding="utf-8") as f:
        json.dump(p, f)
    return path


@pytest.mark.differs("runc crun", "Debian 12's runc has an umask of its own, crun hands down less")
def test_process_file_that_says_little(rt, box, work):
    """What holds for the container's first process holds for this one."""
    def edit(c):
        p = c["process"]
        p["user"]["umask"] = 0o27
        p["oomScoreAdj"] = 77
        p["capabilities"] = {k: ["CAP_KILL"] for k in ("bounding", "effective", "permitted")}
    b = rt.up(box(["sleep", "100"], edit))

    def seen(**kw):
        p = process(args=["sh", "-c", "umask; cat /proc/self/oom_score_adj /proc/self/status"],
                    **kw)
        umask, oom, status = rt.exec(b, "--process", process_file(work + "/p", p),
                                     check=True).out.split("\n", 2)
        return umask, oom, *(int(status_field(status, "Cap" + k), 16) for k in ("Bnd", "Eff"))
    assert seen() == ("0027", "77", 1 << 5, 1 << 5)
    assert seen(capabilities={})[2:] == (0, 0)


def test_process_file(rt, up, work):
    p = process(args=["sh", "-c", "id -u; id -G; pwd; env; umask; ulimit -n; "
                      "grep CapEff /proc/self/status"],
                user={"uid": 1000, "gid": 50, "additionalGids": [6], "umask": 0o27}, cwd="/usr",
                env=["PATH=/bin", "X=y"], rlimits=[
                    {"type": "RLIMIT_NOFILE", "soft": 77, "hard": 88}],
                capabilities={k: ["CAP_KILL"] for k in
                              ("bounding", "effective", "permitted", "inheritable", "ambient")})
    out = rt.exec(up, "--process", process_file(work + "/p", p), check=True).out
    lines = out.split("\n")
    assert lines[0] == "1000" and "6" in lines[1].split() and lines[2] == "/usr"
    assert {"X=y", "77"} <= set(lines)
    assert "0027" in lines or rt.flavour == "runc"
    assert "CapEff:\t0000000000000020" in lines


def test_process_file_detached_with_pid_file(rt, up, work):
    p = process_file(work + "/p", process(args=["sh", "-c", "echo $$ >/pid; exec sleep 99"]))
    rt.exec(up, "--process", p, "--detach", "--pid-file", work + "/pid", check=True)
    with open(work + "/pid", encoding="ascii") as f:
        pid = int(f.read())
    until(lambda: os.path.exists(up.rootfs + "/pid") and up.read("/pid"))
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        assert status_field(f.read(), "NSpid").split()[-1] == up.read("/pid").strip()
    rt.kill(up, "KILL", check=True)
    until(lambda: not os.path.exists(f"/proc/{pid}"))


@pytest.mark.parametrize("args, wording, code", [
    (["no-such"], 'exec: "no-such": executable file not found in $PATH', 255),
    (["/no/such"], 'exec: "/no/such": stat /no/such: no such file or directory', 255),
    (["/script"], "exec /script: no such file or directory (its interpreter)", 255),
    (["/etc/passwd"], 'exec: "/etc/passwd": permission denied', 255),
    (["/tmp"], 'exec: "/tmp": ', 255),
])
@pytest.mark.differs("crun", "engines understand its wording separately")
def test_command_that_cannot_be_run(rt, up, args, wording, code):
    up.write("/script", "#!/no/such\n", 0o755)
    r = rt.exec(up, "--", *args)
    assert r.code == code and wording in r.err.replace('\\"', '"')


@pytest.mark.parametrize("make, why", [
    (lambda b: None, "exec: expected a container id and a command"),
    (lambda b: ["--process", b.path + "/none"], "/none: No such file or directory"),
    (lambda b: ["--process", process_file(b.path + "/p", {"cwd": "/"})], "/p: args: required"),
    (lambda b: ["--process", process_file(b.path + "/p", process(args=[]))],
     "/p: args: required, but absent or empty"),
    (lambda b: ["--process", process_file(b.path + "/p", process(cwd="rel"))],
     "/p: cwd: not an absolute path"),
    (lambda b: ["--process", process_file(b.path + "/p", process(user="root"))],
     "/p: user: expected an object, found a string"),
    (lambda b: ["--process", process_file(b.path + "/p", [])], "/p: expected an object"),
    (lambda b: ["--user", "1000:", "--", "true"], "--user : expected a number"),
    (lambda b: ["--user", "-1", "--", "true"], "--user -1: expected a number"),
    (lambda b: ["--user", "4294967295", "--", "true"], "--user 4294967295: out of range"),
    (lambda b: ["--user", "4294967296", "--", "true"], "--user 4294967296: out of range"),
    (lambda b: ["--user", "1000:50:7", "--", "true"], "--user 50:7: expected a number"),
    (lambda b: ["--user", "0x0", "--", "true"], "--user 0x0: expected a number"),
    (lambda b: ["--env", "NOVALUE", "--", "true"], "--env NOVALUE: expected NAME=VALUE"),
    (lambda b: ["--cwd", "rel", "--", "true"], "--cwd rel: must be absolute"),
    (lambda b: ["--cgroup", "/", "--cgroup", "/a", "--", "true"],
     "--cgroup /a: after / for the same controller"),
])
@pytest.mark.differs("runc crun", "some are accepted")
def test_bad_input(rt, up, make, why):
    r = rt.exec(up, *(make(up) or []), check=why)
    assert r.code == 255
    assert len(json.loads(rt("ps", "--format", "json", up.id, check=True).out)) == 1


def test_exec_needs_a_running_container(rt, box):
    b = rt.up(box())
    rt.wait(b)
    rt.exec(b, "--", "true", check=f"cannot exec in container {b.id}: it is stopped")


@pytest.mark.differs("crun", "it allows it")
def test_exec_in_a_paused_container_is_refused(rt, up):
    rt("pause", up.id, check=True)
    rt.exec(up, "--", "true", check=f"cannot exec in a paused container: {up.id} (", timeout=5)
    rt("resume", up.id, check=True)


def test_exec_outlives_nothing(rt, up):
    """What exec started ends with the container."""
    rt.exec(up, "--detach", "--", "sleep", "98", check=True)
    pids = json.loads(rt("ps", "--format", "json", up.id, check=True).out)
    assert len(pids) == 2
    rt.delete(up, "--force", check=True)
    until(lambda: not any(os.path.exists(f"/proc/{p}") for p in pids))


@pytest.mark.differs("crun", "its exit code is another")
def test_detached_exec_reports_a_failure_to_start(rt, up):
    r = rt.exec(up, "--detach", "--", "no-such", check=False)
    assert r.code == 255 and "executable file not found in $PATH" in r.err


def test_exec_in_a_user_namespace(rt, box):
    def edit(c):
        namespace(c, "user")
        c["linux"]["uidMappings"] = [{"containerID": 0, "hostID": 100000, "size": 65536}]
        c["linux"]["gidMappings"] = [{"containerID": 0, "hostID": 100000, "size": 65536}]
        c["linux"].pop("resources")
        c["mounts"] = [m for m in c["mounts"] if m["type"] not in ("cgroup", "mqueue")]
    b = box(SLEEP, edit)
    os.chown(b.rootfs, 100000, 100000)
    rt.up(b)
    r = rt.exec(b, "--", "sh", "-c", "id -u; cat /proc/self/uid_map", check=True)
    assert r.out.split() == ["0", "0", "100000", "65536"]


def test_exec_without_a_pid_namespace(rt, box):
    b = rt.up(box(SLEEP, lambda c: drop_namespace(c, "pid")))
    assert rt.exec(b, "--", "sh", "-c", "exit 4").code == 4


def test_many_at_once(rt, up):
    import concurrent.futures as cf
    with cf.ThreadPoolExecutor(10) as pool:
        codes = list(pool.map(lambda i: rt.exec(up, "--", "sh", "-c", f"exit {i}").code, range(20)))
    assert codes == list(range(20))


def test_environment_is_the_containers(rt, box):
    b = rt.up(box(shell("sleep 100"), lambda c: c["process"].update(env=["PATH=/bin", "A=b"])))
    out = rt.exec(b, "--", "env", env={"PATH": "/usr/bin", "LEAK": "1"}, check=True).out
    assert "A=b" in out and "LEAK" not in out
