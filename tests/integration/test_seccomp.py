# SPDX-License-Identifier: Apache-2.0
"""System call filters as engines write them."""
import json
import os

import pytest
from bundle import shell
from runtime import status_field


def filtered(syscalls, default="SCMP_ACT_ALLOW", **kw):
    def edit(c):
        c["linux"]["seccomp"] = {"defaultAction": default, "architectures": ["SCMP_ARCH_X86_64"],
                                 "syscalls": syscalls, **kw}
    return edit


def rule(action, *names, **kw):
    return {"names": list(names), "action": action, **kw}


def test_installed(rt, box):
    out = rt.run(box(["cat", "/proc/self/status"], filtered([rule("SCMP_ACT_ERRNO", "mkdir")])),
                 check=True).out
    assert status_field(out, "Seccomp") == "2"


@pytest.mark.parametrize("kw, message", [
    ({}, "Operation not permitted"), ({"errnoRet": 28}, "No space left"),
])
def test_errno(rt, box, kw, message):
    b = box(["mkdir", "/x"], filtered([rule("SCMP_ACT_ERRNO", "mkdir", "mkdirat", **kw)]))
    r = rt.run(b, check=False)
    assert message in r.err


def test_default_errno(rt, box):
    names = ("execve arch_prctl set_tid_address exit_group write mprotect brk mmap munmap getuid "
             "rt_sigaction rt_sigprocmask set_robust_list rseq prlimit64 readlink getrandom prctl "
             "newfstatat fstat close openat read poll setuid getgid setgid exit futex stat").split()
    b = box(["mkdir", "/x"], filtered([rule("SCMP_ACT_ALLOW", *names)], "SCMP_ACT_ERRNO",
                                      defaultErrnoRet=38))
    r = rt.run(b)
    assert "not implemented" in r.err or r.code != 0
    assert not os.path.exists(b.rootfs + "/x")


def test_kill(rt, box):
    b = box(["mkdir", "/x"], filtered([rule("SCMP_ACT_KILL_PROCESS", "mkdir", "mkdirat")]))
    assert rt.run(b).code == 128 + 31


def test_arguments(rt, box):
    """kill(pid, 0) only: the second argument is compared."""
    args = [{"index": 1, "value": 0, "op": "SCMP_CMP_NE"}]
    b = box(shell("sleep 1 & kill -0 $! && echo zero; kill -TERM $! || echo refused"),
            filtered([rule("SCMP_ACT_ERRNO", "kill", args=args)]))
    assert rt.run(b, check=True).out.split() == ["zero", "refused"]


@pytest.mark.parametrize("nnp", [True, False])
def test_with_and_without_no_new_privileges(rt, box, nnp):
    def edit(c):
        filtered([rule("SCMP_ACT_ERRNO", "mkdir", "mkdirat")])(c)
        c["process"].update(noNewPrivileges=nnp, user={"uid": 1000, "gid": 1000})
    assert rt.run(box(["mkdir", "/tmp/x"], edit)).code == 1


def test_unknown_syscall_names_are_skipped(rt, box):
    """Docker's list holds calls newer than the library."""
    b = box(["mkdir", "/x"], filtered([rule("SCMP_ACT_ERRNO", "no_such_call", "mkdir",
                                            "mkdirat")]))
    assert rt.run(b).code == 1


def test_exec_is_filtered_too(rt, box):
    b = rt.up(box(["sleep", "100"], filtered([rule("SCMP_ACT_ERRNO", "mkdir", "mkdirat")])))
    assert rt.exec(b, "--", "mkdir", "/x").code == 1
    out = rt.exec(b, "--", "cat", "/proc/self/status", check=True).out
    assert status_field(out, "Seccomp") == "2"


@pytest.mark.parametrize("edit", [
    filtered([], "SCMP_ACT_NO_SUCH"),
    filtered([rule("SCMP_ACT_NO_SUCH", "mkdir")]),
    filtered([], architectures=["SCMP_ARCH_NO_SUCH"]),
    filtered([rule("SCMP_ACT_ERRNO", "mkdir", args=[{"index": 9, "value": 0,
                                                     "op": "SCMP_CMP_EQ"}])]),
    filtered([rule("SCMP_ACT_ERRNO", "mkdir", args=[{"index": 0, "value": 0, "op": "NO"}])]),
    filtered([{"action": "SCMP_ACT_ERRNO", "names": []}]),
])
def test_bad_filters(rt, box, edit):
    if rt.flavour != "agentrun":
        pytest.skip("some are accepted")
    r = rt.create(box(["true"], edit), check=False)
    assert "linux.seccomp" in r.err
    assert rt.ids() == []


@pytest.mark.parametrize("keep", [0, 16, -8], ids=["empty", "head", "short"])
def test_a_damaged_file_of_filters_is_no_container_without_any(rt, box, keep):
    if rt.flavour != "agentrun":
        pytest.skip("looks at agentrun's own files")
    b = rt.up(box(["sleep", "100"], filtered([rule("SCMP_ACT_ERRNO", "mkdir", "mkdirat")])))
    path = f"{rt.root}/{b.id}/filters"
    with open(path, "rb+") as f:
        f.truncate(keep if keep >= 0 else f.seek(0, os.SEEK_END) + keep)
    r = rt.exec(b, "--", "true")
    assert r.code != 0
    assert "filters: not the filters of a container" in r.err
