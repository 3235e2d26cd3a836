# SPDX-License-Identifier: Apache-2.0
"""The container's process: what it runs as, and what it gives back."""
import os
import socket
import threading

import pytest
from bundle import drop_namespace, shell
from runtime import background, run, status_field, until


def test_hello(rt, box):
    r = rt.run(box(["echo", "hello"]), check=True)
    assert (r.out, r.err) == ("hello\n", "")


@pytest.mark.parametrize("script, code", [
    ("exit 0", 0), ("exit 1", 1), ("exit 7", 7), ("exit 255", 255),
    # not $$: the first process of a PID namespace ignores its own signals
    ("sh -c 'kill -9 $$'; exit $?", 137), ("sh -c 'kill -TERM $$'; exit $?", 143),
])
def test_exit_code(rt, box, script, code):
    assert rt.run(box(shell(script))).code == code


def test_killed_from_outside_is_128_plus_signal(rt, box):
    b = box(shell("touch /up; sleep 100"))
    done = {}
    t = threading.Thread(target=lambda: done.update(r=rt.run(b)))
    t.start()
    until(lambda: os.path.exists(b.rootfs + "/up"))
    rt.kill(b, "KILL", check=True)
    t.join(10)
    assert done["r"].code == 137


def status(rt, box, edit):
    return rt.run(box(["cat", "/proc/self/status"], edit), check=True).out


def set_process(**kw):
    return lambda c: c["process"].update(kw)


def test_args_are_not_interpreted(rt, box):
    args = ["printf", "%s|", "a b", "", "*", "$HOME", "\\n", "é\t"]
    assert rt.run(box(args), check=True).out == "a b||*|$HOME|\\n|é\t|"


def test_the_last_value_of_a_variable_counts(rt, box):
    b = box(["cat", "/proc/1/environ"],
            set_process(env=["PATH=/no", "D=1", "HOME=/a", "D=2", "DD=", "PATH=/bin"]))
    assert rt.run(b, check=True).out.split("\0") == ["PATH=/bin", "D=2", "HOME=/a", "DD=", ""]


def test_env_is_exactly_the_configured_one(rt, box):
    b = box(["env"], set_process(env=["PATH=/bin", "HOME=/h", "A=1", "B=x=y", "EMPTY="]))
    got = set(rt.run(b, env={"PATH": "/usr/bin:/bin", "LEAK": "1"}, check=True).out.split("\n"))
    assert got - {""} == {"PATH=/bin", "HOME=/h", "A=1", "B=x=y", "EMPTY="}


def test_home_from_passwd_when_unset(rt, box):
    b = box(shell("echo $HOME"),
            set_process(env=["PATH=/bin"], user={"uid": 1000, "gid": 1000}))
    assert rt.run(b, check=True).out == "/home/agent\n"


@pytest.mark.differs("crun", "it keeps the empty value")
def test_home_from_passwd_when_empty(rt, box):
    b = box(["cat", "/proc/1/environ"], set_process(env=["HOME=/h", "HOME=", "PATH=/bin"]))
    assert rt.run(b, check=True).out.split("\0") == ["HOME=/root", "PATH=/bin", ""]


def test_cwd_is_entered(rt, box):
    assert rt.run(box(["pwd"], set_process(cwd="/usr/bin")), check=True).out == "/usr/bin\n"


def test_cwd_is_made(rt, box):
    assert rt.run(box(["pwd"], set_process(cwd="/new/dir")), check=True).out == "/new/dir\n"


@pytest.mark.differs("crun", "the specification wants an absolute path")
def test_relative_cwd_is_refused(rt, box):
    r = rt.run(box(["pwd"], set_process(cwd="usr")), check=False)
    assert "cwd" in r.err.lower()


def test_user_and_groups(rt, box):
    s = status(rt, box, set_process(
        user={"uid": 1000, "gid": 50, "additionalGids": [5, 100000]}))
    assert status_field(s, "Uid").split() == ["1000"] * 4
    assert status_field(s, "Gid").split() == ["50"] * 4
    assert sorted(status_field(s, "Groups").split()) == ["100000", "5"]


@pytest.mark.differs("runc", "it knows 31 bits only")
def test_highest_ids(rt, box):
    top = 4294967294
    s = status(rt, box, set_process(user={"uid": top, "gid": top, "additionalGids": [top]}))
    for name in ("Uid", "Gid", "Groups"):
        assert set(status_field(s, name).split()) == {str(top)}


@pytest.mark.parametrize("uid, why", [
    (-1, "-1 is out of range"), (4294967295, "4294967295 is out of range"),
    (4294967296, "4294967296 is out of range"), (1 << 64, f"{1 << 64} is out of range"),
    (1.5, "expected an integer, found 1.5"), ("0", "expected a number, found a string")])
@pytest.mark.differs("crun", "it wraps around")
def test_impossible_ids(rt, box, uid, why):
    rt.run(box(["id"], set_process(user={"uid": uid, "gid": 0})), check="process.user.uid: " + why)


@pytest.mark.parametrize("keep, groups", [
    (None, []), ("0", []),
    pytest.param("1", ["7", "8"], marks=pytest.mark.differs("runc", "the annotation is crun's")),
])
def test_groups_of_the_caller(rt, box, keep, groups):
    b = box(["sleep", "100"], lambda c: c.update(
        annotations={"run.oci.keep_original_groups": keep} if keep else {}))
    rt.create(b, extra_groups=[7, 8])
    rt.start(b)
    with open(f"/proc/{rt.state(b)['pid']}/status", encoding="ascii") as f:
        assert status_field(f.read(), "Groups").split() == groups
    r = rt.exec(b, "--", "cat", "/proc/self/status", check=True, extra_groups=[7, 8])
    assert status_field(r.out, "Groups").split() == groups


@pytest.mark.parametrize("umask", [0o22, 0o77, 0, 0o7027])
def test_umask(rt, box, umask):
    b = box(shell("umask"), set_process(user={"uid": 0, "gid": 0, "umask": umask}))
    assert int(rt.run(b, check=True).out, 8) == umask & 0o777


def test_capabilities_are_exactly_those(rt, box):
    caps = ["CAP_KILL", "CAP_CHOWN"]
    s = status(rt, box, set_process(capabilities={
        "bounding": caps, "effective": caps, "permitted": caps, "inheritable": ["CAP_CHOWN"],
        "ambient": ["CAP_CHOWN"]}))
    for name, mask in (("CapBnd", 0x21), ("CapEff", 0x21), ("CapPrm", 0x21), ("CapInh", 1),
                       ("CapAmb", 1)):
        assert int(status_field(s, name), 16) == mask, name


def test_no_capabilities_for_an_ordinary_user(rt, box):
    s = status(rt, box, set_process(user={"uid": 1000, "gid": 1000}))
    assert int(status_field(s, "CapEff"), 16) == 0
    assert int(status_field(s, "CapPrm"), 16) == 0


def test_ambient_capability_for_an_ordinary_user(rt, box):
    caps = ["CAP_NET_BIND_SERVICE"]
    s = status(rt, box, set_process(user={"uid": 1000, "gid": 1000}, capabilities={
        k: caps for k in ("bounding", "effective", "permitted", "inheritable", "ambient")}))
    assert int(status_field(s, "CapEff"), 16) == 1 << 10


@pytest.mark.differs("runc", "its newest keeps all")
def test_absent_capabilities_leave_none(rt, box):
    s = status(rt, box, lambda c: c["process"].pop("capabilities"))
    assert int(status_field(s, "CapEff"), 16) == 0


@pytest.mark.differs("crun", "it says nothing")
def test_unknown_capabilities_are_warned_of_once(rt, box):
    caps = {k: ["CAP_NO_SUCH", "CHOWN", "CAP_KILL"] for k in ("bounding", "effective", "permitted")}
    b = rt.up(box(["sleep", "100"], set_process(capabilities=caps)))
    for args in ((), ("--cap", "NOR_THIS")):
        r = rt.exec(b, *args, "--", "grep", "CapEff", "/proc/self/status", check=True)
        assert int(r.out.split()[1], 16) == 1 << 5
        assert r.err.count("CAP_NO_SUCH CHOWN") == 1
        assert r.err.count("NOR_THIS") == (1 if args else 0)


@pytest.mark.differs("crun", "it says nothing")
def test_ambient_capabilities_that_cannot_be_raised_are_warned_of(rt, box):
    caps = {k: ["CAP_KILL"] for k in ("bounding", "permitted", "ambient")}
    r = rt.run(box(["grep", "CapAmb", "/proc/self/status"], set_process(capabilities=caps)),
               check=True)
    assert int(r.out.split()[1], 16) == 0
    assert "can't raise ambient capability CAP_KILL: " in r.err


def test_no_new_privileges(rt, box):
    for value in (True, False):
        s = status(rt, box, set_process(noNewPrivileges=value))
        assert status_field(s, "NoNewPrivs") == str(int(value))


def test_rlimits(rt, box):
    b = box(["cat", "/proc/self/limits"], set_process(rlimits=[
        {"type": "RLIMIT_NOFILE", "soft": 123, "hard": 456},
        {"type": "RLIMIT_CORE", "soft": 0, "hard": 18446744073709551615}]))
    out = rt.run(b, check=True).out
    limits = {line[:25].strip(): line[25:].split()[:2] for line in out.splitlines()}
    assert limits["Max open files"] == ["123", "456"]
    assert limits["Max core file size"] == ["0", "unlimited"]


@pytest.mark.differs("crun runc", "they open files themselves after it")
@pytest.mark.parametrize("soft, hard", [(0, 0), (1, 4)])
def test_a_process_that_may_open_nothing(rt, box, soft, hard):
    b = box(shell("ulimit -Sn; ulimit -Hn"), set_process(
        rlimits=[{"type": "RLIMIT_NOFILE", "soft": soft, "hard": hard}]))
    assert rt.run(b, check=True).out == f"{soft}\n{hard}\n"
    rt.up(b)
    rt.wait(b)


@pytest.mark.parametrize("bad, why", [
    ([{"type": "RLIMIT_NO_SUCH", "soft": 1, "hard": 1}], "[0].type: unknown value"),
    ([{"type": "RLIMIT_CORE", "soft": 1, "hard": 1}, {"type": "RLIMIT_CORE", "soft": 2, "hard": 2}],
     "[1]: RLIMIT_CORE stands twice"),
])
@pytest.mark.differs("runc crun", "duplicates are an error of the specification")
def test_bad_rlimits(rt, box, bad, why):
    rt.run(box(["true"], set_process(rlimits=bad)), check="process.rlimits" + why)


def test_oom_score_adj(rt, box):
    b = box(["cat", "/proc/self/oom_score_adj"], set_process(oomScoreAdj=321))
    assert rt.run(b, check=True).out == "321\n"


@pytest.mark.differs("runc", "only its newest knows domainname")
def test_hostname_and_domainname(rt, box):
    def edit(c):
        c.update(hostname="some-host", domainname="some.domain")
    out = rt.run(box(shell("hostname; cat /proc/sys/kernel/domainname"), edit), check=True).out
    assert out == "some-host\nsome.domain\n"


@pytest.mark.parametrize("key", ["net.ipv4.ip_unprivileged_port_start",
                                 "net/ipv4/ip_unprivileged_port_start"])
def test_sysctl(rt, box, key):
    def edit(c):
        c["linux"]["sysctl"] = {key: "77"}
    b = box(["cat", "/proc/sys/net/ipv4/ip_unprivileged_port_start"], edit)
    assert rt.run(b, check=True).out == "77\n"


def test_sysctl_of_the_host_is_refused(rt, box):
    def edit(c):
        c["linux"]["sysctl"] = {"kernel.panic": "77"}
    r = rt.run(box(["true"], edit), check=False)
    assert "kernel.panic" in r.err


@pytest.mark.differs("runc", "only its newest knows it")
def test_personality_of_32_bit(rt, box):
    def edit(c):
        c["linux"]["personality"] = {"domain": "LINUX32"}
    assert rt.run(box(["uname", "-m"], edit), check=True).out.strip() in ("i686", "armv8l")


def test_first_process_is_pid_1_and_alone(rt, box):
    out = rt.run(box(shell("echo $$; ls /proc | grep -c '^[0-9]'")), check=True).out.split()
    assert out[0] == "1" and int(out[1]) <= 3


def test_only_standard_descriptors(rt, box):
    out = rt.run(box(["ls", "/proc/self/fd"]), check=True).out.split()
    assert out == ["0", "1", "2", "3"]  # 3: the directory that ls reads


def test_preserved_descriptors(rt, box, work):
    with open(work + "/given", "w+", encoding="ascii") as f:
        f.write("content")
        f.flush()
        os.lseek(f.fileno(), 0, 0)
        with open("/dev/null", "rb") as other:
            b = box(shell("cat <&3; ls /proc/self/fd | wc -l"))
            argv = rt.argv("run", "--preserve-fds", 1, "--bundle", b.path, b.id)
            # 3 is kept; the one above it is not
            r = run(["bash", "-c", 'exec "$@" 3</dev/fd/$0'.replace("$0", str(f.fileno()))
                     + f" 4</dev/fd/{other.fileno()}", "x", *argv], check=True,
                    pass_fds=[f.fileno(), other.fileno()])
    assert r.out == "content5\n"


# For bash, which becomes the runtime.
ACTIVATE = 'exec 3</dev/zero 4</dev/null; export LISTEN_FDS=1 LISTEN_FDNAMES=web LISTEN_PID=%s; exec "$@"'


@pytest.mark.parametrize("edit", [
    pytest.param(lambda c: c["process"]["env"].append("LISTEN_FDS=7"),
                 marks=pytest.mark.differs("crun", "the container's own stays")),
    pytest.param(lambda c: drop_namespace(c, "pid"),
                 marks=pytest.mark.differs("runc crun", "they say 1 in any PID namespace")),
])
def test_sockets_of_systemd_are_handed_on(rt, box, edit):
    b = box(shell("[ $LISTEN_PID = $$ ]; [ ! -e /proc/self/fd/4 ]; echo $LISTEN_FDS $LISTEN_FDNAMES;"
                  "readlink /proc/self/fd/3"), edit)
    r = run(["bash", "-c", ACTIVATE % "$$", "x", *rt.argv("run", "--bundle", b.path, b.id)],
            check=True)
    assert r.out == ("1\n" if rt.flavour == "runc" else "1 web\n") + "/dev/zero\n"


@pytest.mark.differs("crun", "it does not ask for whom they are")
@pytest.mark.parametrize("pid", ["1", "", "x"])
def test_sockets_for_another_process_are_not_ours(rt, box, pid):
    b = box(shell("echo x$LISTEN_FDS; ls /proc/self/fd"))
    r = run(["bash", "-c", ACTIVATE % pid, "x", *rt.argv("run", "--bundle", b.path, b.id)],
            check=True)
    assert r.out.split() == ["x", "0", "1", "2", "3"]


@pytest.mark.differs("runc crun", "they pass what is open")
def test_sockets_that_are_not_there(rt, box):
    b = box()
    run(["bash", "-c", ACTIVATE % "$$ LISTEN_FDS=9", "x", *rt.argv("run", "--bundle", b.path, b.id)],
        check="descriptor 5 is not open")


@pytest.fixture
def systemd(work):
    """A socket such as systemd has for its services; the environment that names it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind(work + "/systemd")
        s.settimeout(5)
        yield s, dict(os.environ, NOTIFY_SOCKET=work + "/systemd")


@pytest.mark.differs("runc crun", "looks at the first line of a message; tells no MAINPID")
@pytest.mark.parametrize("how", ["run", "run --detach", "start"])
def test_systemd_is_told_when_the_container_is_ready(rt, box, systemd, how):
    from_us, env = systemd
    b = box(shell("echo $NOTIFY_SOCKET >/where; exec sleep 100"))
    if how == "start":
        rt.create(b, env=env)
        argv = rt.argv("start", b.id)
    else:
        argv = rt.argv(*how.split(), "--bundle", b.path, b.id)
    with background(argv, env=env) as p, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        until(lambda: os.path.exists(b.rootfs + "/where") and b.read("/where").endswith("\n"))
        pid = rt.state(b)["pid"]
        s.connect(f"/proc/{pid}/root" + b.read("/where").strip())
        s.send(b"STATUS=not yet\nMAINPID=1\n")
        s.send(b"STATUS=now\nREADY=1")
        told = [from_us.recv(100).strip() for _ in range(2)]
        assert told == [b"READY=1", b"MAINPID=%d" % pid]
        if how != "run":
            if rt.flavour == "agentrun":
                assert from_us.recv(100) == b"BARRIER=1"
            assert p.wait(5) == 0
        rt.kill(b, "KILL")
        p.wait(5)


@pytest.mark.differs("runc", "Debian's waits on")
@pytest.mark.parametrize("how", ["run", "run --detach"])
def test_systemd_is_told_nothing_by_a_container_that_ended(rt, box, systemd, how):
    from_us, env = systemd
    b = box()
    rt(*how.split(), "--bundle", b.path, b.id, check=True, env=env, timeout=5)
    from_us.setblocking(False)
    with pytest.raises(BlockingIOError):
        from_us.recv(100)


def test_stdin_is_passed(rt, box):
    assert rt.run(box(["cat"]), stdin="through\n", check=True).out == "through\n"


def test_root_readonly(rt, box):
    def edit(c):
        c["root"]["readonly"] = True
    r = rt.run(box(shell("touch /x"), edit), check=False)
    assert "/x: Read-only file system" in r.err


def test_no_new_keyring(rt, box):
    rt.run(box(), "--no-new-keyring", check=True)


def test_no_pivot(rt, box):
    assert rt.run(box(["ls", "/"]), "--no-pivot", check=True).out.split()[0] == "bin"


@pytest.mark.differs("crun", "the newest accepts it too")
def test_any_1_x_version_is_accepted(rt, box):
    b = box(["echo", "ok"], lambda c: c.update(ociVersion="1.3.0"))
    assert rt.run(b, check=True).out == "ok\n"
