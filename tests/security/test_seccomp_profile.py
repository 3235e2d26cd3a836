# SPDX-License-Identifier: Apache-2.0
"""The agent seccomp profiles, loaded into real processes (THREATS B1-B6, B8).

What they refuse is tried for real on every ABI of the machine, with all of
root's capabilities, since a profile must stand where an engine brings none;
the same calls are tried without a profile, to show that it is the profile
that refuses. What ordinary work needs is done under the profile with the
capabilities that containers have.
"""
import glob
import os
import shutil
import subprocess

import pytest
import runtime

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCES = os.path.join(runtime.REPO, "runtime")
MODULES = [os.path.join(SOURCES, "base", f"{m}.c")
           for m in ("arena", "cpulist", "err", "fd", "hash", "host_dynamic", "json", "json_write", "str")]
CAPS = ",".join(["-all"] + ["+" + c for c in (
    "chown dac_override fowner fsetid kill setgid setuid setpcap net_bind_service sys_chroot "
    "audit_write setfcap").split()])

# What agent-debug allows. The arguments are such that these calls then fail or do nothing.
DEBUGGER = {"ptrace": "ok", "process_vm_readv": "EINVAL", "process_vm_writev": "EINVAL",
            "kcmp": "ESRCH"}
# For what the kernel may lack, a run without the profile says nothing.
OPTIONAL = {"socket-alg", "socket-key", "socket-vsock", "socket-xdp", "socket-packet",
            "socket-packet-high", "socket-netfilter", "socket-sock-diag", "unknown"}


@pytest.fixture(scope="module")
def tools(tmp_path_factory):
    """Compiles the probe and both profiles; returns the directory."""
    d = tmp_path_factory.mktemp("seccomp")
    d.chmod(0o755)
    for parent in d.parents[:2]:
        parent.chmod(0o755)
    cc = [*os.environ.get("CC", "cc").split(), "-std=gnu11", "-O1", "-D_GNU_SOURCE", f"-I{SOURCES}"]
    subprocess.run([*cc, "-o", d / "numbers", os.path.join(SOURCES, "..", "build-aux", "syscall-numbers.c"),
                    "-lseccomp"], check=True, timeout=60)
    with open(d / "numbers.c", "xb") as f:
        subprocess.run([d / "numbers"], check=True, timeout=60, stdout=f)
    sources = [d / "numbers.c", *MODULES, *glob.glob(os.path.join(SOURCES, "sandbox", "seccomp*.c")),
               *glob.glob(os.path.join(SOURCES, "spec", "*.c"))]
    subprocess.run([*cc, "-o", d / "dump", os.path.join(HERE, "seccomp_dump.c"), *sources,
                    "-lyajl", "-lnettle", "-ldl"], check=True, timeout=120)
    subprocess.run([*cc, "-static", "-o", d / "probe", os.path.join(HERE, "seccomp_probe.c")],
                   check=True, timeout=60)
    for name in ("agent", "agent-debug"):
        profile = os.path.join(runtime.REPO, "profiles", "seccomp", f"{name}.json")
        with open(d / f"{name}.bpf", "wb") as out:
            subprocess.run([d / "dump", profile], check=True, timeout=30, stdout=out)
    return d


def attempts(*command):
    """{(name, abi): (result, wanted)} of what the probe tried."""
    out = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    rows = [line.split() for line in out.splitlines()]
    return {(name, abi): (result, wanted) for name, abi, result, wanted in rows}


def under(tools, profile):
    probe = tools / "probe"
    return attempts(probe, "load", tools / f"{profile}.bpf", probe, "try")


def test_B1_to_B8_agent_refuses_every_forbidden_call(tools):
    got = under(tools, "agent")
    assert len(got) > 80
    assert {k: v for k, v in got.items() if v[0] != v[1]} == {}


def test_B6_agent_debug_differs_in_the_debuggers_calls_only(tools):
    got = under(tools, "agent-debug")
    wrong = {}
    for (name, abi), (result, wanted) in got.items():
        if name in DEBUGGER and abi != "x32":
            wanted = DEBUGGER[name]
        if result != wanted:
            wrong[name, abi] = result
    assert wrong == {}


def test_it_is_the_profile_that_refuses(tools):
    """Without it, none of the calls has the outcome that it has under the profile."""
    got = attempts(tools / "probe", "try")
    for (name, abi), (result, wanted) in got.items():
        forbidden = wanted not in ("ok", "EBADF", "EINVAL") and name not in OPTIONAL
        if forbidden and result != "ENOSYS":
            assert result != wanted, (name, abi)
    # The machine lacks some of these calls, not many.
    refused = [k for k, (result, wanted) in got.items() if result != wanted and k[1] == "native"]
    assert len(refused) > 60


WORK = {
    "gcc": """
        cat >a.c <<'E'
        #include <pthread.h>
        static void *add(void *p) { ++*(int *)p; return 0; }
        int main(void)
        {
            pthread_t t[64];
            int v[64] = { 0 }, sum = 0;
            for (int i = 0; i < 64; i++) pthread_create(t + i, 0, add, v + i);
            for (int i = 0; i < 64; i++) { pthread_join(t[i], 0); sum += v[i]; }
            return sum != 64;
        }
E
        printf 'all: a b c\\na: a.c\\n\\tgcc -O2 -flto -pthread -o $@ $<\\nb c:\\n\\tdate >$@\\n' \\
            >Makefile
        make -j4
        ./a""",
    "git": """
        git init -q r
        cd r
        git config user.email a@example.org
        git config user.name a
        date >f
        git add f
        git commit -qm first
        git gc -q
        git worktree add -q ../w
        git clone -q file://$PWD ../c
        git -C ../c log --oneline""",
    "python3": """
        /usr/bin/python3 -m venv --without-pip v
        v/bin/python3 - <<'E'
import asyncio, multiprocessing, os, socket, threading
from multiprocessing import shared_memory
with multiprocessing.Pool(2) as pool:
    assert pool.map(abs, [-1, -2]) == [1, 2]
async def child():
    return await (await asyncio.create_subprocess_exec("true")).wait()
assert asyncio.run(child()) == 0
s = socket.create_server(("127.0.0.1", 0))
socket.create_connection(s.getsockname())
socket.create_server(("::1", 0), family=socket.AF_INET6)
socket.getaddrinfo("localhost", 80)
os.openpty()
m = shared_memory.SharedMemory(create=True, size=100)
m.unlink()
for t in [threading.Thread(target=os.getpid) for _ in range(50)]:
    t.start()
E""",
    "node": """
        node -e '
            const { Worker } = require("worker_threads");
            require("fs").watch(".", () => {}).close();
            const s = require("http").createServer((q, r) => r.end("hi"));
            s.listen(0, "127.0.0.1", () => fetch("http://127.0.0.1:" + s.address().port)
                .then(r => r.text()).then(t => {
                    require("child_process").execSync("ls");
                    new Worker("process.exit(0)", { eval: true })
                        .on("exit", () => process.exit(t == "hi" ? 0 : 1));
                }));'""",
    "npm": """
        mkdir p q
        echo '{ "name": "p", "version": "1.0.0", "scripts": { "postinstall": "date >ran" } }' \\
            >p/package.json
        echo 'module.exports = 7' >p/index.js
        (cd p && npm pack --silent)
        cd q
        npm init -y >/dev/null
        npm install --offline --no-audit --no-fund ../p/p-1.0.0.tgz
        node -e 'process.exit(require("p") == 7 ? 0 : 1)'""",
    "java": """
        cat >H.java <<'E'
public class H {
    public static void main(String[] a) throws Exception {
        long sum = java.util.stream.IntStream.range(0, 100000).parallel().asLongStream().sum();
        try (java.net.ServerSocket s = new java.net.ServerSocket(0)) {
            new java.net.Socket("127.0.0.1", s.getLocalPort()).close();
        }
        System.exit(sum == 4999950000L ? new ProcessBuilder("true").start().waitFor() : 1);
    }
}
E
        java -version
        javac H.java
        java H""",
    "rsync": """
        mkdir one
        mkfifo one/fifo
        date >one/file
        ln -s file one/link
        chmod 4755 one/file
        tar -C one -cpzf t.tgz .
        mkdir two
        tar -C two -xpf t.tgz
        rsync -aHAX two/ three/
        cmp one/file three/file
        test -p three/fifo -a -L three/link -a -u three/file""",
}
# As root only.
ROOT_WORK = {
    "dpkg": """
        mkdir -p d/DEBIAN d/usr/share/x r/var/lib/dpkg/info r/var/lib/dpkg/updates r/bin
        date >d/usr/share/x/file
        cat >d/DEBIAN/control <<E
Package: x
Version: 1
Architecture: all
Maintainer: x <x@x>
Description: x
E
        printf '#!/bin/sh\\necho done >/ran\\n' >d/DEBIAN/postinst
        chmod 755 d/DEBIAN/postinst
        dpkg-deb --root-owner-group -b d x.deb
        touch r/var/lib/dpkg/status r/var/lib/dpkg/available
        cp "$(command -v busybox)" r/bin/sh
        dpkg --root=$PWD/r --force-bad-path -i x.deb
        test -f r/usr/share/x/file -a -f r/ran""",
    "apt-get": """
        mkdir -p l/partial c/archives/partial e/apt.conf.d s
        printf 'Package: x\\nVersion: 1\\nArchitecture: all\\nFilename: ./x.deb\\n' >s/Packages
        chmod 755 .
        echo "deb [trusted=yes] file:$PWD/s ./" >e/sources.list
        touch status
        apt-get -o Dir::Etc=$PWD/e -o Dir::State::lists=$PWD/l -o Dir::Cache=$PWD/c \\
            -o Dir::State::status=$PWD/status -o APT::Sandbox::User=_apt update""",
    "useradd": """
        mkdir -p r/etc
        cp /etc/passwd /etc/group /etc/shadow /etc/gshadow /etc/login.defs r/etc
        useradd -P $PWD/r -M someone
        grep someone r/etc/passwd""",
    "su": "su -s /bin/sh -c 'id -un' nobody | grep nobody",
}


def do_work(tools, work, profile, script, identity):
    os.mkdir(f"{work}/dir")
    os.chmod(f"{work}/dir", 0o777)
    env = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
           "HOME": f"{work}/dir", "LANG": "C"}
    r = subprocess.run(["setpriv", "--inh-caps=-all", *identity, tools / "probe", "load",
                        tools / f"{profile}.bpf", "bash", "-euc", script],
                       cwd=f"{work}/dir", env=env, capture_output=True, text=True, timeout=180)
    assert r.returncode == 0, r.stdout[-2000:] + r.stderr[-2000:]


@pytest.mark.parametrize("who", ["root", "uid1000"])
@pytest.mark.parametrize("tool", WORK)
def test_ordinary_work(tools, work, tool, who):
    if not shutil.which(tool):
        pytest.skip(f"{tool} is not installed")
    identity = [f"--bounding-set={CAPS}"] if who == "root" else [
        "--reuid=1000", "--regid=1000", "--clear-groups", "--bounding-set=-all"]
    do_work(tools, work, "agent", WORK[tool], identity)


@pytest.mark.parametrize("tool", ROOT_WORK)
def test_ordinary_work_of_root(tools, work, tool):
    if not shutil.which(tool):
        pytest.skip(f"{tool} is not installed")
    do_work(tools, work, "agent", ROOT_WORK[tool], [f"--bounding-set={CAPS}"])


def test_a_debugger_works_under_agent_debug(tools, work):
    if not shutil.which("strace"):
        pytest.skip("strace is not installed")
    trace = "strace -o out true && grep -q execve out"
    do_work(tools, work, "agent-debug", trace, [f"--bounding-set={CAPS}"])
    os.rename(f"{work}/dir", f"{work}/before")
    with pytest.raises(AssertionError, match="PTRACE_TRACEME.*: Operation not permitted"):
        do_work(tools, work, "agent", trace, [f"--bounding-set={CAPS}"])
