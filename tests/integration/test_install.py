# SPDX-License-Identifier: Apache-2.0
"""make install, make uninstall, and what a release holds."""
import json
import os
import stat
import subprocess

import pytest
from runtime import REPO, program, run

BUILD = os.path.dirname(program())
pytestmark = pytest.mark.skipif(not os.path.exists(BUILD + "/Makefile"),
                                reason="the program under test lies in no build directory")
FILES = {
    "bin/agentrun": 0o755,
    "libexec/agentrun/agentrun-hook-file": 0o755,
    "libexec/agentrun/agentrun-hook-journald": 0o755,
    "libexec/agentrun/agentrun-hook-syslog": 0o755,
    # where libcurl is
    **{f"libexec/agentrun/{name}": 0o755 for name in ("agentrun-hook-otlp",)
       if os.path.exists(f"{BUILD}/{name}")},
    **{f"share/agentrun/profiles/{name}.json": 0o644 for name in (
        "agent", "audit-record.schema", "edit", "inspect", "install", "policy.schema",
        "seccomp/agent", "seccomp/agent-debug")},
    **{f"share/man/man{name[-1]}/{name}": 0o644 for name in os.listdir(REPO + "/man")},
}


def make(*args, cwd=BUILD, **env):
    r = subprocess.run(["make", "-s", *args], cwd=cwd, capture_output=True, text=True, timeout=300,
                       env={**os.environ, **env}, check=False)
    assert r.returncode == 0, r.stdout + r.stderr
    return r


def files(root):
    return {os.path.relpath(os.path.join(top, f), root): stat.S_IMODE(
        os.stat(os.path.join(top, f)).st_mode) for top, _, names in os.walk(root) for f in names}


@pytest.mark.parametrize("prefix", ["/usr/local", "/opt/agentrun"])
def test_install_and_uninstall(work, prefix):
    root = os.path.join(work, "root")
    args = [f"DESTDIR={root}", f"prefix={prefix}"]
    make("install", *args)
    assert files(root) == {os.path.join(prefix, f)[1:]: m for f, m in FILES.items()}
    here = root + prefix
    assert run([f"{here}/bin/agentrun", "--version"], check=True).out.startswith("agentrun ")
    for name in FILES:
        if name.endswith(".json"):
            with open(f"{here}/{name}", encoding="utf-8") as f:
                json.load(f)
    make("uninstall", *args)
    assert files(root) == {}


def test_installed_program_is_whole(work, box):
    """Alone, outside of the build directory, it runs a container with a shipped profile."""
    root = os.path.join(work, "root")
    make("install-binPROGRAMS", f"DESTDIR={root}", "bindir=/bin")
    os.mkdir(work + "/state")
    b = box(["echo", "whole"])
    r = run([root + "/bin/agentrun", "--root", work + "/state", "--profile", "agent", "run",
             "--bundle", b.path, b.id], check=True)
    assert r.out == "whole\n"


def test_release(work):
    """A release holds all that it takes to build, install and uninstall from it."""
    source, build, root = (os.path.join(work, d) for d in ("source", "build", "root"))
    make("distdir", "distdir=" + source)
    held = files(source)
    for name in ("LICENSE", "README.md", "bootstrap", "configure", "man/agentrun.1", "tests/run",
                 "tests/demo", ".ci/run", "runtime/stage2/main.c"):
        assert name in held, name
    if os.path.exists(REPO + "/.git"):    # a copy of the sources has nothing to compare with
        tracked = run(["git", "-C", REPO, "ls-files", "runtime", "hooks", "profiles", "man", "tests",
                       "build-aux"], check=True).out.split()
        assert len(tracked) > 100 and set(tracked) <= set(held) | {".gitignore"}
    os.mkdir(build)
    # without Criterion: only tests need it
    pkg_config = os.path.join(work, "pkg-config")
    with open(pkg_config, "w", encoding="ascii") as f:
        f.write('#!/bin/sh\ncase $* in *criterion*) exit 1;; esac\nexec pkg-config "$@"\n')
    os.chmod(pkg_config, 0o755)
    subprocess.run([source + "/configure", "-q", "CFLAGS=-O0", "--prefix=/usr",
                    "PKG_CONFIG=" + pkg_config], cwd=build, check=True, timeout=120,
                   capture_output=True)
    make("-j2", cwd=build)
    make("install", f"DESTDIR={root}", cwd=build)
    assert files(root) == {os.path.join("usr", f): m for f, m in FILES.items()}
    make("distclean", cwd=build)
    assert files(build) == {}
