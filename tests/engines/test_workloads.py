# SPDX-License-Identifier: Apache-2.0
"""Ordinary development work under the profile "work", as root and as uid 1000.

The image holds Debian's own tools; the workspace is a directory of the
host's; packages come from a registry of the test's at the allowed address.
"""
import json
import os
import shutil
import subprocess
import time

import pytest
import registry
from confined import snapshot
from conftest import DOCKER_LIKE, get
from runtime import REPO, flavour, program, run, until

IMAGE = "localhost/workload:latest"
HOST, PORT = "203.0.113.5", 8080

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs an address of its own")
PROFILE = "work" if flavour() == "agentrun" else None

# What a developer types, and what must come out.
WORK = {
    "git": ("""
        git config --global user.email a@example.org
        git config --global user.name A
        git init -q -b main origin && cd origin
        echo one >file && git add . && git commit -q -m first
        cd .. && git clone -q origin clone && cd clone
        git worktree add -q ../tree -b topic
        cd ../tree && echo two >>file && git commit -q -a -m second
        git -C ../clone merge -q topic && git gc -q
        git -C ../clone log --oneline | wc -l""", "2"),
    "gcc and make": ("""
        printf '#include <stdio.h>\\nint main(void) { return puts("built") < 0; }\\n' >a.c
        printf 'a: a.c\\n\\t$(CC) -O2 -o $@ $<\\n' >Makefile
        make -s -j4 && ./a""", "built"),
    "threads": ("""
        cat >t.c <<'C'
        #include <pthread.h>
        #include <stdio.h>
        static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
        static long n;
        static void *add(void *x)
        {
            for (int i = 0; i < 1000; i++) {
                pthread_mutex_lock(&m);
                n++;
                pthread_mutex_unlock(&m);
            }
            return x;
        }
        int main(void)
        {
            pthread_t t[32];
            for (int i = 0; i < 32; i++)
                if (pthread_create(&t[i], NULL, add, NULL))
                    return 1;
            for (int i = 0; i < 32; i++)
                pthread_join(t[i], NULL);
            return printf("%ld\\n", n) < 0;
        }
C
        gcc -O1 -pthread -o t t.c && ./t""", "32000"),
    "python venv": ("""
        python3 -m venv v && . v/bin/activate
        cat >t.py <<'P'
import asyncio, concurrent.futures, multiprocessing, sqlite3, subprocess, sys, tempfile
def square(x):
    return x * x
async def say():
    p = await asyncio.create_subprocess_exec("true")
    await p.wait()
if __name__ == "__main__":
    assert sys.prefix.endswith("/v")
    with concurrent.futures.ThreadPoolExecutor(8) as t:
        assert sum(t.map(square, range(100))) == 328350
    with multiprocessing.Pool(2) as p:
        assert p.map(square, [3]) == [9]
    asyncio.run(say())
    sqlite3.connect(tempfile.mkdtemp() + "/db").execute("create table t(x)")
    print("python", subprocess.run(["echo", "ok"], capture_output=True, text=True).stdout)
P
        python t.py && pip --version >/dev/null""", "python ok"),
    "node": ("""
        cat >t.js <<'J'
const { Worker, isMainThread, parentPort } = require("worker_threads");
if (isMainThread) {
    const w = new Worker(__filename);
    w.on("message", m => require("fs").promises.writeFile("out", m).then(() => console.log(m)));
} else {
    parentPort.postMessage("node ok");
}
J
        node t.js""", "node ok"),
    "npm install": (f"""
        npm init -y >/dev/null
        npm install --registry http://{HOST}:{PORT} --no-audit --no-fund --fetch-retries 0 \\
            {registry.NAME} >/dev/null
        node -e 'console.log(require("{registry.NAME}")("side"))'""", "left side"),
    "java": ("""
        cat >Hello.java <<'J'
public class Hello {
    public static void main(String[] a) throws Exception {
        Thread t = new Thread(() -> System.out.println("java ok"));
        t.start();
        t.join();
    }
}
J
        javac Hello.java && java Hello""", "java ok"),
    "tar and rsync": ("""
        mkdir -p a/b && echo x >a/b/f && ln -s f a/b/l && chmod 751 a/b
        tar -czf a.tgz a && mkdir c && tar -C c -xzf a.tgz && rsync -a --delete c/a/ d/
        diff -r a d && stat -c %a d/b""", "751"),
    "files": ("""
        mkfifo p && (echo through >p &) && cat p
        mv a b 2>/dev/null || true; ln p q; touch l; flock l true; mktemp -d >/dev/null
        find . -name q | xargs -n1 basename | tail -1""", "q"),
}
AS_ROOT = {
    "local package": ("""
        mkdir -p p/DEBIAN p/usr/bin && printf '#!/bin/sh\\necho packaged\\n' >p/usr/bin/hi
        chmod 755 p/usr/bin/hi
        printf 'Package: hi\\nVersion: 1\\nArchitecture: all\\nMaintainer: A <a@example.org>\\nDescription: x\\n' >p/DEBIAN/control
        dpkg-deb -b --root-owner-group p hi.deb >/dev/null
        cp hi.deb /tmp && apt-get install -y -qq --no-install-recommends /tmp/hi.deb >/dev/null 2>/tmp/e || cat /tmp/e
        hi""", "packaged"),
    "users": ("""
        useradd -m other && su other -c 'id -un' && chown other /home/other
        runuser -u other -- id -un | sort -u""", "other"),
}


def workload_root():
    """AGENTRUN_WORKLOAD names it where it cannot be built, as in the test bed."""
    return os.environ.get("AGENTRUN_WORKLOAD") or run(
        [os.path.join(REPO, "tests/lib/workload-root"),
         os.environ.get("AGENTRUN_CACHE") or os.path.join(
             os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "agentrun-check")],
        check=True, timeout=1200).out.strip()


@pytest.fixture(scope="module", params=DOCKER_LIKE)
def engine(request):
    e = get(request.param)
    if not getattr(e, "has_workload", False):
        e("import", workload_root(), IMAGE, check=True, timeout=300)
        e.has_workload = True
    yield e
    e.remove_all()


@pytest.fixture(scope="module")
def server():
    run(["ip", "addr", "add", HOST + "/32", "dev", "lo"], check=True)
    s = registry.Server(HOST, PORT)
    yield s
    s.stop()
    run(["ip", "addr", "del", HOST + "/32", "dev", "lo"], check=True)


def work_in(engine, workspace, user, script):
    os.chown(workspace, user, user)
    home = "/root" if user == 0 else "/home/agent"
    return engine.box(PROFILE, ["bash", "-ec", script], image=IMAGE, user=f"{user}:{user}",
                      cwd="/workspace", mounts=[(workspace, "/workspace")], network=True,
                      env={"HOME": home, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}, timeout=180)


@needs_root
@pytest.mark.parametrize("user", [0, 1000])
@pytest.mark.parametrize("name", WORK)
def test_work(engine, server, work, name, user):
    script, last = WORK[name]
    r = work_in(engine, work, user, script)
    assert r.code == 0, r.text
    assert r.out.strip().splitlines()[-1:] == [last], r.text


@needs_root
@pytest.mark.parametrize("name", AS_ROOT)
def test_work_of_root(engine, server, work, name):
    script, last = AS_ROOT[name]
    r = work_in(engine, work, 0, script)
    assert r.code == 0, r.text
    assert r.out.strip().splitlines()[-1:] == [last], r.text


@needs_root
def test_results_are_in_the_workspace(engine, server, work):
    work_in(engine, work, 1000, "echo x >result")
    assert os.stat(work + "/result").st_uid == 1000
    subprocess.run(["grep", "-q", "x", work + "/result"], check=True, timeout=5)


AGENT = """
    git config --global user.email a@example.org && git config --global user.name A
    git config --global --add safe.directory '*'
    git checkout -q -b agent
    sed -i 's/growing/much growing/' runtime/base/str.h && git commit -q -a -m agent
    echo x >>README.md && git stash -q && git stash pop -q
    git mv README.md README.txt
    git worktree add -q /tmp/tree && git -C /tmp/tree log -1 --format=%s
    printf 'str.o: runtime/base/str.c\n\t$(CC) -std=gnu11 -D_GNU_SOURCE -Iruntime -c $<\n' >own.mk
    make -s -f own.mk
    npm init -y >/dev/null
    rm -r tests/data
    ln -s README.txt link
    dd if=/dev/zero of=sparse bs=1 count=0 seek=100M status=none"""
SUMS = "find . -path ./.git -prune -o -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum"


@pytest.mark.skipif(PROFILE is None, reason="only agentrun has policies")
def test_a_repository_is_worked_on_and_reviewed(engine, work):
    """agentrun's own sources: unchanged to the byte and the time until they are applied; then as made."""
    repo = work + "/repo"
    if os.path.exists(REPO + "/.git"):
        run(["git", "clone", "-q", "--no-hardlinks", REPO, repo], check=True, timeout=60)
    else:   # a copy of the files
        shutil.copytree(REPO, repo, symlinks=True)
        for args in ["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "all"]:
            run(["git", "-C", repo, "-c", "user.name=a", "-c", "user.email=a@b", *args], check=True)
    time.sleep(0.02)    # what is made in the tick of the start counts as made after it
    before = snapshot(repo)
    made = engine.box("edit", ["bash", "-ec", AGENT + "; " + SUMS], image=IMAGE, cwd="/workspace",
                      mounts=[(repo, "/workspace")], check=True, timeout=180,
                      env={"HOME": "/root", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}).out
    assert snapshot(repo) == before

    def session():
        listed = json.loads(run([program(), "workspace", "list", "--json"], check=True).out)
        return [x for x in listed if x["workspace"] == repo and not x["inUse"]]
    until(session)
    name = session()[0]["session"]
    diff = run([program(), "workspace", "diff", name, "runtime/base/str.h"], check=True).out
    assert "\n+ * str: a much growing byte string" in diff
    assert "may run code on this host" in run([program(), "workspace", "apply", name], check=False).err
    assert snapshot(repo) == before
    run([program(), "workspace", "apply", "--allow-exec", "--discard", name], check=True)
    sums = run(["bash", "-c", SUMS], check=True, cwd=repo).out
    assert sums.splitlines() == [line for line in made.splitlines() if "  ./" in line]
    assert os.readlink(repo + "/link") == "README.txt" and not os.path.exists(repo + "/tests/data")
    assert os.stat(repo + "/sparse").st_blocks < 100
    assert run(["git", "-C", repo, "branch", "--show-current"], check=True).out == "agent\n"
    run(["git", "-C", repo, "fsck", "--no-progress"], check=True, timeout=60)
    page = run([program(), "audit", "show", name], check=True).out
    assert "runtime/base/str.h" in page
