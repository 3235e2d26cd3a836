# SPDX-License-Identifier: Apache-2.0
"""A1-A11, A13, A14: attacks on setting a container up.  A15 and A16 are in
integration/test_errors.py."""
import concurrent.futures as cf
import hashlib
import os
import re
import shutil
import signal
import subprocess
import time

import confined
import leaks
import probe
import pytest
from bundle import mount, namespace, shell
from runtime import background, program, run, status_field, until

SLEEP = ["sleep", "100"]


def digest(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


@pytest.fixture(params=["disk", "tmpfs"])
def expendable(rt, work, request):
    """A copy of the program in its place: an attack that works must not break other tests. Every file
    of a tmpfs says that it has a seal."""
    place = work + "/place"
    os.mkdir(place)
    subprocess.run(["mount", *(["--bind", place] if request.param == "disk" else
                               ["-t", "tmpfs", "tmpfs"]), place], check=True, timeout=5)
    copy = place + "/copy"
    shutil.copy(program(), copy)
    subprocess.run(["mount", "--bind", copy, program()], check=True, timeout=5)
    yield copy
    subprocess.run(["umount", "-l", program()], check=True, timeout=5)
    subprocess.run(["umount", "-l", place], check=True, timeout=5)


@pytest.fixture
def overwriter(rt, box, expendable):
    """A container whose process overwrites every program that it can, but its image's tools."""
    del expendable    # it must be there before
    b = box(shell("/bin/probe overwrite 60 >/said 2>&1"))
    confined.put(b, probe.program())
    shutil.copy(confined.tool("insider"), b.rootfs + "/bin/victim")
    b.config["process"]["capabilities"] = {
        k: ["CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE", "CAP_SETUID", "CAP_SETGID", "CAP_KILL"]
        for k in ("bounding", "effective", "permitted")}
    b.save()
    return rt.up(b)


def overwritten(rt, b):
    """What was; last a program that nobody protects, which shows that the attack is one."""
    rt.exec(b, "--", "sh", "-c", "/bin/victim open-keyring & "
            "until grep -q 'held /bin/victim' /said; do sleep 0.01; done; kill $!", check=True)
    until(lambda: "wrote /bin/victim\n" in b.read("/said"))
    rt.kill(b, "KILL", check=True)
    rt.wait(b)
    said = b.read("/said").splitlines()
    if rt.flavour == "agentrun":
        assert "held /memfd:agentrun-init (deleted)" in said
    return {line.partition(" ")[2] for line in said if line.startswith("wrote ")}


def test_a1_overwritten_through_proc_exe(rt, overwriter, expendable):
    """A process of the container waits for the runtime to join by exec."""
    before = digest(expendable)
    end = time.monotonic() + 2
    while time.monotonic() < end:
        rt.exec(overwriter, "--", "true", check=True)
    assert overwritten(rt, overwriter) == {"/bin/victim"}
    assert digest(expendable) == before
    assert digest(program()) == before


def test_a1_overwritten_from_a_shared_pid_namespace(rt, box, overwriter, expendable):
    """Where containers share a PID namespace, one sees the runtime that sets the next one up."""
    before = digest(expendable)
    path = f"/proc/{rt.state(overwriter)['pid']}/ns/pid"
    end = time.monotonic() + 2
    while time.monotonic() < end:
        rt.run(box(["true"], lambda c: namespace(c, "pid", path)), check=True)
    assert overwritten(rt, overwriter) == {"/bin/victim"}
    assert digest(expendable) == before
    assert digest(program()) == before


@pytest.mark.parametrize("entry", ["/proc/self/exe", "/entry"])
def test_a1_entry_point_is_the_runtime_itself(rt, box, expendable, entry):
    """#!/proc/self/exe runs whatever file the runtime's last step was executed from."""
    before = digest(expendable)
    b = box([entry, "--version"])
    b.file("/entry", "#!/proc/self/exe\n", 0o755)
    c = rt.up(box(SLEEP))
    c.file("/entry", "#!/proc/self/exe\n", 0o755)
    for r in (rt.run(b, timeout=10), rt.exec(c, "--", entry, "--version", timeout=10)):
        assert "agentrun" not in r.out and "spec:" not in r.out
        if rt.flavour == "agentrun":    # stage two, which does nothing without a plan
            assert (r.code, r.text) == (125, "")
    assert digest(expendable) == before


# ---- A2


def volume(work, destination, *options):
    source = work + "/volume"
    os.makedirs(source + "/sys/kernel", exist_ok=True)
    for name in ("self/attr/apparmor", "thread-self/attr/apparmor", "1"):
        os.makedirs(f"{source}/{name}", exist_ok=True)
    return confined.bind(source, destination, *options)


@pytest.mark.parametrize("destination", [
    "/proc", "/proc/", "/proc/self", "/proc/sys", "/proc/self/attr", "/proc/thread-self",
    "//proc/../proc", "/sys", "/link", "/linked/self", "/a/../proc", "/linked/../link"])
@pytest.mark.parametrize("position", ["last", "first"])
@pytest.mark.differs("crun runc", "they refuse fewer of these")
def test_a2_volume_over_proc_or_sys(rt, box, work, destination, position):
    """Before procfs is mounted, what is mounted beneath its place is hidden by it."""
    b = box(shell("cat /proc/1/comm /proc/sys/kernel/ostype; test -L /proc/self/ns/pid"))
    os.symlink("/proc", b.rootfs + "/link")
    os.symlink("proc", b.rootfs + "/linked")
    os.mkdir(b.rootfs + "/a")
    mounts = b.config["mounts"]
    mounts.insert(len(mounts) if position == "last" else 0, volume(work, destination))
    b.save()
    r = rt.run(b)
    if position == "first" and r.code == 0:
        assert "self" in destination or "/proc/" in destination
        assert r.out == "sh\nLinux\n"
    else:
        assert "mounts[" in r.err and r.out == ""
    assert rt.ids() == []


def test_a2_proc_that_is_a_link_in_the_image(rt, box, work):
    """The kernel's files must not be mounted where the image says, and never outside."""
    for target in ("/tmp", "../../..", work, "/etc/passwd"):
        b = box(["true"])
        os.rmdir(b.rootfs + "/proc")
        os.symlink(target, b.rootfs + "/proc")
        rt.create(b, check="mounts[0]: must be mounted on ordinary directory: "
                           "/proc is, or leads through, a symbolic link")
    assert rt.ids() == []


@pytest.mark.parametrize("destination", ["/proc/cpuinfo", "/proc/meminfo", "/proc/uptime"])
def test_a2_what_lxcfs_does_works(rt, box, work, destination):
    """Single files that show the container's share are mounted over by some."""
    with open(work + "/file", "w", encoding="ascii") as f:
        f.write("ours\n")
    b = box(["cat", destination])
    b.config["mounts"].append(confined.bind(work + "/file", destination))
    b.save()
    assert rt.run(b, check=True).out == "ours\n"


# ---- A3


RACER = """
import ctypes, os, sys
libc = ctypes.CDLL(None)
os.chdir(sys.argv[1])
while True:    # RENAME_EXCHANGE
    libc.renameat2(-100, b"data", -100, b"link", 2)
"""


# How a mount is refused that leads to the container's own root, or to its own /proc: the machine's
# are others.
LED = {"/": r"mounts\[8\]: destination /vol/data is the root itself\n",
       "/proc": r"mounts\[8\]: /vol/data is /proc: only procfs itself may be mounted there\n|"
                r"mounts\[9\]: create /vol/data/sub in the container's root: No such file"}


@pytest.mark.parametrize("target", ["/", "/proc", "outside"])
def test_a3_destination_swapped_for_a_link(rt, box, work, target):
    """Another container shares the volume and swaps a directory in it all the time.

    What is mounted on VOLUME/data must never land outside of the container's root: where the
    container runs, it has both mounts.
    """
    volume_dir, payload = work + "/shared", work + "/payload"
    outside = work + "/outside"
    for d in (volume_dir + "/data/sub", payload, outside):
        os.makedirs(d)
    with open(payload + "/mark", "w", encoding="ascii") as f:
        f.write("x")
    os.symlink(outside if target == "outside" else target, volume_dir + "/link")
    before = leaks.mounts()
    racer = subprocess.Popen(["/usr/bin/python3", "-c", RACER, volume_dir])
    try:
        for state in (True, False):
            until(lambda state=state: os.path.islink(volume_dir + "/data") == state)
        for _ in range(8):
            b = box(["cat", "/proc/self/mountinfo"])
            b.config["mounts"] += [confined.bind(volume_dir, "/vol"),
                                   confined.bind(payload, "/vol/data"),
                                   confined.bind(payload, "/vol/data/sub")]
            b.save()
            r = rt.run(b)
            if rt.flavour == "agentrun":
                landed = [x for x in r.out.splitlines() if x.split()[3].endswith("/payload")]
                assert len(landed) == 2 if r.code == 0 else re.search(LED.get(target, "^$"), r.err), \
                    r.text
            assert leaks.mounts() == before
            assert os.listdir(outside) == []
        assert racer.poll() is None
    finally:
        racer.kill()
        racer.wait()


# ---- A4


@pytest.mark.parametrize("destination", ["/out", "/out/new", "/up/new", "/chain/new/deeper",
                                         "/new/../../../../OUTSIDE/new", "/magic/new",
                                         "/dangling/new"])
@pytest.mark.parametrize("kind", ["directory", "file", "tmpfs"])
def test_a4_target_made_through_a_link_of_the_image(rt, box, work, destination, kind):
    """Where links lead is looked up within the root: nothing is made or mounted outside."""
    outside = work + "/outside"
    os.mkdir(outside)
    b = box(["true"])
    for name, target in (("out", outside), ("up", "../../../../../../.." + outside),
                         ("chain", "/out"), ("magic", "/proc/self/root"),
                         ("dangling", outside + "/not/there")):
        os.symlink(target, f"{b.rootfs}/{name}")
    source = work + "/source"
    if kind == "file":
        with open(source, "w", encoding="ascii"):
            pass
    else:
        os.mkdir(source)
    destination = destination.replace("/OUTSIDE", outside)
    b.config["mounts"].append(mount(destination, "tmpfs") if kind == "tmpfs" else
                              confined.bind(source, destination))
    b.save()
    if rt.flavour != "agentrun":
        rt.run(b)
    elif destination == "/magic/new":
        rt.run(b, check="mounts[7]: open /magic/new in the container's root: Too many levels of")
    else:
        rt.run(b, check=True)
        assert os.path.exists(b.rootfs + outside)
    assert os.listdir(outside) == [] and sorted(os.listdir(work)) == ["b", "outside", "source",
                                                                      "state"]


@pytest.mark.parametrize("link", ["/var/run", "/var/lock"])
def test_a4_links_within_the_image_work(rt, box, work, link):
    """/var/run -> /run and /var/lock -> ../run/lock are in every image."""
    b = box(["ls", "/run/lock/made/here"])
    if link == "/var/lock":
        os.symlink("/run/lock", b.rootfs + link)
        destination = "/var/lock/made/here"
    else:
        os.unlink(b.rootfs + "/var/run")
        os.symlink("/run", b.rootfs + "/var/run")
        destination = "/var/run/lock/made/here"
    os.mkdir(work + "/source")
    with open(work + "/source/mark", "w", encoding="ascii"):
        pass
    b.config["mounts"].append(confined.bind(work + "/source", destination))
    b.save()
    assert rt.run(b, check=True).out == "mark\n"


@pytest.mark.parametrize("where", ["devices", "maskedPaths", "readonlyPaths", "cwd"])
def test_a4_other_paths_through_a_link_of_the_image(rt, box, work, where):
    outside = work + "/outside"
    os.mkdir(outside)
    with open(outside + "/file", "w", encoding="ascii") as f:
        f.write("mine\n")
    b = box(["true"])
    os.symlink(outside, b.rootfs + "/out")
    if where == "devices":
        b.config["linux"]["devices"] = [{"path": "/out/null", "type": "c", "major": 1, "minor": 3}]
    elif where == "cwd":
        b.config["process"]["cwd"] = "/out/made"
    else:
        b.config["linux"][where] += ["/out/file", "/out"]
    b.save()
    before = leaks.mounts()
    rt.run(b, check=True if rt.flavour == "agentrun" else None)
    assert os.listdir(outside) == ["file"] and leaks.mounts() == before
    with open(outside + "/file", "a", encoding="ascii") as f:
        f.write("still\n")


# ---- A6


@pytest.mark.parametrize("trick", ["echo pwned >dev/null", "ln -s /proc/sys/kernel/ostype dev/null",
                                   "mknod dev/null c 1 5"])
def test_a6_null_device_replaced(rt, box, trick):
    """Between the making of the devices and the masking: here a hook does what a racer would."""
    b = box(["cat", "/proc/keys"])
    b.config["hooks"] = {"createContainer": [{"path": "/bin/sh", "args": [
        "sh", "-ec", f"cd {b.rootfs}; rm dev/null; {trick}"], "env": ["PATH=/usr/bin:/bin"]}]}
    b.save()
    r = rt.run(b, check=False)
    assert "/dev/null" in r.err and r.out == ""
    assert rt.ids() == []


# ---- A7, A8, A9: a racer's moment is a hook's; what an image brings needs none


def racer(b, script):
    b.config["hooks"] = {"createContainer": [{"path": "/bin/sh", "args": [
        "sh", "-ec", f"cd {b.rootfs}; {script}"], "env": ["PATH=/usr/bin:/bin"]}]}
    b.save()


@pytest.mark.parametrize("trick, why", [
    ("ln -s ../victim dev/console", "is no file"), ("ln -s OUTSIDE/victim dev/console", "is no file"),
    ("ln -s /proc/sys/kernel/ostype dev/console", "is no file"), ("mkdir dev/console", "is no file"),
    ("umount dev/pts; cp OUTSIDE/victim dev/pts/ptmx", "process.terminal"),
    ("umount dev/pts dev/mqueue dev/shm dev; rmdir dev; ln -s OUTSIDE dev", "process.terminal"),
])
def test_a7_console_bound_elsewhere(rt, box, work, trick, why):
    """CVE-2025-52565: nothing but /dev/console of the container is covered or written."""
    os.mkdir(work + "/outside")
    b = box(["true"], lambda c: c["process"].update(terminal=True))
    for victim in (b.rootfs + "/victim", work + "/outside/victim"):
        with open(victim, "w", encoding="ascii") as f:
            f.write("mine\n")
    racer(b, trick.replace("OUTSIDE", work + "/outside"))
    before = leaks.mounts()
    r = rt.run(b, check=False if rt.flavour == "agentrun" else None)
    if rt.flavour == "agentrun":
        assert why in r.err, r.err
    for victim in (b.rootfs + "/victim", work + "/outside/victim"):
        with open(victim, encoding="ascii") as f:
            assert f.read() == "mine\n"
    assert os.listdir(work + "/outside") == ["victim"] and leaks.mounts() == before


@pytest.mark.parametrize("trick", [
    "mount --bind OUTSIDE/decoy proc/sys/net/ipv4/ip_forward",
    "mount --bind OUTSIDE proc/sys/net/ipv4", "mount --bind OUTSIDE proc/sys",
    "mount -t tmpfs tmpfs proc; mkdir -p proc/sys/net/ipv4; ln -s OUTSIDE/decoy "
    "proc/sys/net/ipv4/ip_forward",
    "mount --bind proc/sys/net/ipv4/ip_default_ttl proc/sys/net/ipv4/ip_forward"])
def test_a8_sysctl_written_elsewhere(rt, box, work, trick):
    """CVE-2025-52881"""
    outside = work + "/outside"
    os.mkdir(outside)
    for name in ("decoy", "ip_forward"):
        with open(f"{outside}/{name}", "w", encoding="ascii") as f:
            f.write("mine\n")
    b = box(["cat", "/proc/sys/net/ipv4/ip_default_ttl"],
            lambda c: c["linux"].update(sysctl={"net.ipv4.ip_forward": "1"}))
    racer(b, trick.replace("OUTSIDE", outside))
    r = rt.run(b, check=False if rt.flavour == "agentrun" else None)
    if rt.flavour == "agentrun":
        assert "linux.sysctl" in r.err, r.err
    for name in ("decoy", "ip_forward"):
        with open(f"{outside}/{name}", encoding="ascii") as f:
            assert f.read() == "mine\n"


@pytest.mark.parametrize("mounted", [True, False], ids=["mounted", "bare"])
@pytest.mark.parametrize("target", ["OUTSIDE", "../../../../../../..OUTSIDE", "/etc", "/proc/self/root"])
def test_a9_image_whose_dev_is_a_link(rt, box, work, mounted, target):
    outside = work + "/outside"
    os.mkdir(outside)
    b = box(["ls", "/dev/"])
    shutil.rmtree(b.rootfs + "/dev")
    os.symlink(target.replace("OUTSIDE", outside), b.rootfs + "/dev")
    if not mounted:
        b.config["mounts"] = [m for m in b.config["mounts"] if not m["destination"].startswith("/dev")]
    b.save()
    before = leaks.mounts()
    r = rt.run(b)
    if rt.flavour == "agentrun":
        assert r.code != 0 and "/dev" in r.err, r.text
    assert os.listdir(outside) == [] and leaks.mounts() == before


# ---- A11


@pytest.mark.parametrize("user", [
    "root", "0:root", "-1", "0:-1", "4294967295", "4294967296", "18446744073709551616", "0:4294967295",
    "+0", " 0", "0 ", "0x0", "00x", "1e1", "", ":", "0:", ":0", "0:0:0", "0,0", "0\n", "\uff10"])
def test_a11_user_of_exec(rt, box, user):
    """A text that is no number never becomes root, nor any other number."""
    b = rt.up(box(SLEEP))
    r = rt.exec(b, "--user", user, "--", "id", check=False if rt.flavour == "agentrun" else None)
    if rt.flavour == "agentrun":
        assert "uid=" not in r.out and "--user" in r.err, r.text
    assert rt.exec(b, "--user", "1000:50", "--", "sh", "-c", "id -u; id -g").out == "1000\n50\n"


# ---- A5


OUTSIDE = [f"/proc/self/fd/{n}" for n in range(3, 12)] + [
    "/proc/1/fd/7", "/proc/self/fd/7/../../..", "/proc/self/cwd/../../../.."]


def kept_inside(rt, r):
    """What `ls .` made of it: refused for the directory, or in the container's root."""
    if r.code == 0:
        assert set(r.out.split()) == {"bin", "dev", "etc", "home", "proc", "root", "run", "sys",
                                      "tmp", "usr", "var"} | set(re.findall(r"link\d+", r.out))
    elif rt.flavour == "agentrun":
        assert "process.cwd: " in r.err, r.err


@pytest.mark.parametrize("cwd", OUTSIDE)
def test_a5_cwd_through_a_leaked_descriptor(rt, box, cwd):
    kept_inside(rt, rt.run(box(["ls", "."], lambda c: c["process"].update(cwd=cwd))))


@pytest.mark.parametrize("cwd", OUTSIDE)
def test_a5_cwd_of_exec(rt, box, cwd):
    b = rt.up(box(SLEEP))
    kept_inside(rt, rt.exec(b, "--cwd", cwd, "--", "ls", "."))


@pytest.mark.parametrize("preserve", [False, True])
@pytest.mark.parametrize("how", ["run", "exec", "exec-link"])
@pytest.mark.differs("crun runc", "as Debian has them they are open to it")
def test_a5_cwd_through_a_descriptor_of_the_engine(rt, box, work, how, preserve):
    """It leads to a directory of the host: open in the runtime while it sets the process up."""
    os.mkdir(work + "/host")
    with open(work + "/host/mark", "w", encoding="ascii"):
        pass
    fd = os.open(work + "/host", os.O_RDONLY | os.O_DIRECTORY)
    b = box(["ls", "."] if how == "run" else SLEEP)
    os.symlink("/proc/self/fd/3", b.rootfs + "/link")
    b.config["process"]["cwd"] = "/proc/self/fd/3" if how == "run" else "/"
    b.save()
    at_3 = ["bash", "-c", f"exec 3<&{fd}; exec \"$@\"", "bash"] if fd != 3 else []
    flags = ["--preserve-fds", "1"] if preserve else []
    if how == "run":
        argv = rt.argv("run", *flags, "--bundle", b.path, b.id)
    else:
        rt.up(b)
        argv = rt.argv("exec", *flags, "--cwd", "/link" if how == "exec-link" else
                       "/proc/self/fd/3", b.id, "ls", ".")
    r = run(at_3 + argv, pass_fds=[fd])
    os.close(fd)
    assert r.code != 0 and "mark" not in r.out
    assert "process.cwd: " in r.err, r.err


@pytest.mark.parametrize("how", ["run", "exec"])
def test_a5_cwd_is_a_link_in_the_image_to_a_descriptor(rt, box, how):
    b = box(["ls", "."])
    for n in range(3, 12):
        os.symlink(f"/proc/self/fd/{n}", b.rootfs + f"/link{n}")
    for n in range(3, 12):
        b.config["process"]["cwd"] = f"/link{n}" if how == "run" else "/"
        b.config["process"]["args"] = ["ls", "."] if how == "run" else SLEEP
        b.save()
        if how == "run":
            r = rt.run(b)
        else:
            if n == 3:
                rt.up(b)
            r = rt.exec(b, "--cwd", f"/link{n}", "--", "ls", ".")
        kept_inside(rt, r)


@pytest.mark.parametrize("how", ["run", "create", "exec", "exec --detach"])
def test_a5_no_inherited_descriptor(rt, box, work, how):
    """Descriptors that the caller left open end at the container's door."""
    fds = [os.open(work, os.O_RDONLY) for _ in range(8)]
    try:
        b = box(shell("ls -l /proc/self/fd >/fds; touch /done; sleep 100"))
        script = ["sh", "-c", "ls -l /proc/self/fd >/fds; touch /done"]
        if how == "run":
            b.config["process"]["args"] = script
            b.save()
            rt.run(b, pass_fds=fds, check=True)
        elif how == "create":
            rt.create(b, pass_fds=fds)
            held = f"/proc/{rt.state(b)['pid']}/fd/"
            if rt.flavour == "agentrun":  # somebody may wait for the end of a pipe
                assert work not in [os.readlink(held + n) for n in os.listdir(held)]
            rt.start(b, pass_fds=fds)
        else:
            b.config["process"]["args"] = SLEEP
            b.save()
            rt.up(b)
            rt.exec(b, *how.split()[1:], "--", *script, pass_fds=fds, check=True)
        until(lambda: os.path.exists(b.rootfs + "/done"))
    finally:
        for fd in fds:
            os.close(fd)
    seen = re.findall(r"(\d+) -> (\S+)", b.read("/fds"))
    assert {"0", "1", "2"} <= {n for n, _ in seen} <= {"0", "1", "2", "3"}
    assert not any(work in path and int(n) > 2 for n, path in seen)


def test_a10_inheritable_capabilities_are_empty(rt, box):
    """Those that an engine lists come true only if it lists them as inheritable."""
    b = rt.up(box(SLEEP))
    for text in (rt.exec(b, "--", "cat", "/proc/1/status", check=True).out,
                 rt.exec(b, "--", "cat", "/proc/self/status", check=True).out,
                 rt.exec(b, "--cap", "CAP_SYS_TIME", "--", "cat", "/proc/self/status",
                         check=True).out):
        assert int(status_field(text, "CapInh"), 16) == 0
        assert int(status_field(text, "CapAmb"), 16) == 0


@pytest.mark.parametrize("command", ["create", "run"])
@pytest.mark.differs("runc", "its delete --force knows a container only once its state is written")
def test_a13_killed_at_every_step(rt, box, command):
    """Then delete --force leaves nothing; the fixture's leak check sees to the rest."""
    b = box(SLEEP)
    began = time.monotonic()
    rt.create(b)
    length = time.monotonic() - began
    rt.delete(b, "--force", check=True)
    steps = 60
    for i in range(steps):
        b.id = f"kill{command}{i}"
        b.config["linux"]["cgroupsPath"] = f"/box/{b.id}"
        b.save()
        with subprocess.Popen(rt.argv(command, "--bundle", b.path, b.id),
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL) as p:
            time.sleep(length * 1.2 * i / steps)
            p.send_signal(signal.SIGKILL)
            p.wait(10)
        rt.delete(b, "--force", check=True)
        assert rt.ids() == []


# createContainer hooks are children of the init, which a signal from its own namespace cannot kill
@pytest.mark.parametrize("kind", ["prestart", "createRuntime"])
@pytest.mark.differs("runc", "as above")
def test_a13_killed_by_its_own_hook(rt, box, kind):
    b = box(SLEEP, lambda c: c.update(hooks={kind: [{
        "path": "/bin/sh", "args": ["sh", "-c", "kill -9 $PPID; exec sleep 0.2"]}]}))
    assert rt.create(b, check=None).code == -signal.SIGKILL
    rt.delete(b, "--force", check=True)
    assert rt.ids() == []


@pytest.mark.differs("runc crun", "they leave it to delete --force")
def test_a13_nothing_outlives_the_runtime(rt, box, work):
    """Killed while a hook of the container's side runs: all of that ends at once, by itself."""
    b = box(SLEEP, lambda c: c.update(hooks={"createContainer": [{
        "path": "/bin/sh", "args": ["sh", "-c", f"touch {work}/began; sleep 20"]}]}))
    before = leaks.processes()
    with subprocess.Popen(rt.argv("create", "--bundle", b.path, b.id), stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as p:
        until(lambda: os.path.exists(work + "/began"))
        p.send_signal(signal.SIGKILL)
        p.wait(10)
    until(lambda: not set(leaks.processes()) - set(before), 3)
    rt.delete(b, "--force", check=True)


def parallel(*jobs):
    with cf.ThreadPoolExecutor(len(jobs)) as pool:
        return [f.result() for f in [pool.submit(j) for j in jobs]]


@pytest.mark.differs("runc", "1.1 lets both fail over the cgroup")
def test_a14_two_creates_with_one_id(rt, box):
    for i in range(10):
        first, second = box(SLEEP), box(SLEEP)
        first.id = second.id = f"same{i}"
        results = parallel(lambda: rt.create(first, check=None),
                           lambda: rt.create(second, check=None))
        assert sorted(r.code for r in results) == [0, 1]
        assert any("exist" in r.err for r in results)
        assert rt.status(first) == "created"
        rt.start(first)
        rt.delete(first, "--force", check=True)


@pytest.mark.differs("runc", "it has no lock between them")
def test_a14_create_against_delete(rt, box):
    b = box(SLEEP)
    for i in range(20):
        b.id = f"cd{i}"
        b.config["linux"]["cgroupsPath"] = f"/box/{b.id}"
        b.save()

        def force(delay=i * 0.002):
            time.sleep(delay)
            return rt.delete(b, "--force")
        assert all(r.code in (0, 1) for r in parallel(lambda: rt.create(b, check=None), force))
        rt.delete(b, "--force", check=True)
        assert rt.ids() == []


@pytest.mark.differs("runc crun", "they have no lock between them")
def test_a14_create_against_delete_and_create(rt, box, work):
    """Between its first two calls another took the directory away and made a container in its place."""
    if not shutil.which("strace"):
        pytest.skip("strace is not installed")
    b = box(SLEEP)
    place = f"{rt.root}/{b.id}"
    with background(["strace", "-o", work + "/trace", "-P", place, "-e",
                     "inject=mkdir,mkdirat:delay_exit=1500000:when=1",
                     *rt.argv("create", "--bundle", b.path, b.id)]) as slow:
        until(lambda: os.path.isdir(place))
        rt.delete(b, "--force", check=True)
        rt.create(b)
        assert f"container with id exists: {b.id}" in slow.communicate(timeout=30)[1]
    assert slow.returncode == 1
    assert rt.status(b) == "created"


@pytest.mark.parametrize("other", ["kill", "exec", "state", "pause", "start"])
def test_a14_against_delete(rt, box, other):
    """Either one may be first; nobody may hang, and nothing stays."""
    for i in range(8):
        b = box(SLEEP)
        rt.create(b) if other == "start" else rt.up(b)
        job = {
            "kill": lambda: rt.kill(b, "KILL"),
            "exec": lambda: rt.exec(b, "--", "sleep", "5"),
            "state": lambda: rt("state", b.id),
            "pause": lambda: rt("pause", b.id),
            "start": lambda: rt.start(b, check=None),
        }[other]

        def force(delay=i * 0.002):
            time.sleep(delay)
            return rt.delete(b, "--force")
        assert all(r.code >= 0 for r in parallel(job, force))
        rt.delete(b, "--force", check=True)
        assert rt.ids() == []


@pytest.mark.differs("runc crun", "they have no lock between them")
def test_a14_start_against_delete_of_what_was_created(rt, box):
    """Without force delete takes only what has not been started: never do both succeed."""
    outcomes = []
    for i in range(60):
        b = box(SLEEP)
        rt.create(b)

        def delete(delay=i % 12 * 0.0002):
            time.sleep(delay)
            return rt.delete(b)
        codes = [r.code for r in parallel(lambda: rt.start(b, check=None), delete)]
        outcomes.append(tuple(codes))
        assert (codes[0] == 0) == (b.id in rt.ids()), codes
        rt.delete(b, "--force", check=True)
    assert set(outcomes) <= {(0, 1), (1, 0)}


def test_a14_delete_against_delete(rt, box):
    for _ in range(8):
        b = rt.up(box(SLEEP))
        codes = [r.code for r in parallel(*[lambda: rt.delete(b, "--force")] * 4)]
        assert 0 in codes
        rt.delete(b, "--force", check=True)
        assert rt.ids() == []


def test_what_only_the_start_of_the_program_writes_is_read_only(rt, box):
    """PT_GNU_RELRO: a loader protects it, a static program has to do so itself."""
    b = box(["sleep", "100"])
    p = subprocess.Popen(rt.argv("run", "--bundle", b.path, b.id), stdin=subprocess.DEVNULL)
    try:
        until(lambda: b.id in rt.ids() and rt.status(b) == "running")
        with open(f"/proc/{p.pid}/maps", encoding="utf-8") as f:
            ours = [line.split()[1] for line in f if line.rstrip().endswith(rt.program)]
        after_code = ours[ours.index("r-xp") + 1:]
        assert after_code[:3] == ["r--p", "r--p", "rw-p"], ours
    finally:
        rt("kill", b.id, "KILL", check=True)
        p.wait(10)
