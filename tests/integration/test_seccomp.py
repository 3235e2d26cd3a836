# SPDX-License-Identifier: Apache-2.0
"""System call filters as engines write them."""
import os

import pytest
from bundle import shell
from runtime import run, status_field


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


def test_a_filter_that_no_cache_has(rt, box, work):
    """Its compiling may take another program than the one that began: what its arguments name is
    found all the same, and a descriptor and what is typed go to the container."""
    number = int.from_bytes(os.urandom(4), "little")
    b = box(shell("cat; readlink /proc/self/fd/3; exec 3<&-; mkdir /x"), filtered([
        rule("SCMP_ACT_ERRNO", "mkdir", "mkdirat"),
        rule("SCMP_ACT_ERRNO", "getpgid", errnoRet=1,  # two that one call meets: for libseccomp
             args=[{"index": 0, "value": number + i, "op": "SCMP_CMP_GT"} for i in (0, 1)])]))
    near = [rt.program, "--root", os.path.relpath(rt.root, work), "--log", "log", "run", "--bundle",
            os.path.relpath(b.path, work), "--preserve-fds", "1", "--pid-file", "pid", b.id]
    r = run(["sh", "-c", 'exec "$@" 3<.', "sh", *near], stdin="typed\n", cwd=work)
    assert r.out.startswith("typed\n" + work) and "Operation not permitted" in r.err
    assert sorted(os.listdir(work)) == ["b", "log", "pid", "state"]


@pytest.mark.parametrize("kw, message", [
    ({}, "Operation not permitted"), ({"errnoRet": 28}, "No space left"),
])
def test_errno(rt, box, kw, message):
    b = box(["mkdir", "/x"], filtered([rule("SCMP_ACT_ERRNO", "mkdir", "mkdirat", **kw)]))
    r = rt.run(b, check=False)
    assert message in r.err


@pytest.mark.differs("runc", "its newest needs more calls behind the filter")
def test_default_errno(rt, box):
    """With no_new_privs, so that of the runtime's own calls only the last come after the filter."""
    names = ("execve arch_prctl set_tid_address exit_group write mprotect brk mmap munmap getuid "
             "rt_sigaction rt_sigprocmask set_robust_list rseq prlimit64 readlink getrandom prctl "
             "newfstatat fstat close openat read poll setuid getgid setgid exit futex stat").split()

    def edit(c):
        filtered([rule("SCMP_ACT_ALLOW", *names)], "SCMP_ACT_ERRNO", defaultErrnoRet=38)(c)
        c["process"]["noNewPrivileges"] = True
    b = box(["mkdir", "/x"], edit)
    r = rt.run(b, check=False)
    assert "mkdir: can't create directory '/x': Function not implemented" in r.err
    assert not os.path.exists(b.rootfs + "/x")


@pytest.mark.differs("crun runc", "crun's create fails; runc's start says that it has stopped")
@pytest.mark.parametrize("filters", [
    {"defaultAction": "SCMP_ACT_ERRNO"}, {"defaultAction": "SCMP_ACT_TRAP"},
    {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        rule("SCMP_ACT_ERRNO", "execve", "execveat", "exit", "exit_group")]},
])
def test_a_filter_that_lets_nothing_through_ends_the_container(rt, box, filters):
    """Not even the call to exit: nothing may wait for it for ever."""
    b = box(["true"], lambda c: c["linux"].update(seccomp=filters))
    rt.create(b)
    rt.start(b, check=None, timeout=10)
    rt.wait(b)


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
    r = rt.run(box(["mkdir", "/tmp/x"], edit), check=False)
    assert "Operation not permitted" in r.err


def test_unknown_syscall_names_are_skipped(rt, box):
    """Docker's list holds calls newer than the library."""
    b = box(["mkdir", "/x"], filtered([rule("SCMP_ACT_ERRNO", "no_such_call", "mkdir",
                                            "mkdirat")]))
    assert "Operation not permitted" in rt.run(b, check=False).err


def test_exec_is_filtered_too(rt, box):
    b = rt.up(box(["sleep", "100"], filtered([rule("SCMP_ACT_ERRNO", "mkdir", "mkdirat")])))
    assert "Operation not permitted" in rt.exec(b, "--", "mkdir", "/x", check=False).err
    out = rt.exec(b, "--", "cat", "/proc/self/status", check=True).out
    assert status_field(out, "Seccomp") == "2"


@pytest.mark.parametrize("edit, where", [
    (filtered([], "SCMP_ACT_NO_SUCH"), "defaultAction: unknown value"),
    (filtered([rule("SCMP_ACT_NO_SUCH", "mkdir")]), "syscalls[0].action: unknown value"),
    (filtered([], architectures=["SCMP_ARCH_NO_SUCH"]), "architectures[0]: unknown value"),
    (filtered([rule("SCMP_ACT_ERRNO", "mkdir", args=[{"index": 9, "value": 0,
                                                      "op": "SCMP_CMP_EQ"}])]),
     "syscalls[0].args[0].index: 9 is out of range"),
    (filtered([rule("SCMP_ACT_ERRNO", "mkdir", args=[{"index": 0, "value": 0, "op": "NO"}])]),
     "syscalls[0].args[0].op: unknown value"),
    (filtered([{"action": "SCMP_ACT_ERRNO", "names": []}]), "syscalls[0].names: must not be empty"),
])
@pytest.mark.differs("runc crun", "some are accepted")
def test_bad_filters(rt, box, edit, where):
    rt.create(box(["true"], edit), check="config.json: linux.seccomp." + where)
    assert rt.ids() == []


@pytest.mark.parametrize("keep", [0, 16, -8], ids=["empty", "head", "short"])
@pytest.mark.differs("runc crun", "looks at agentrun's own files")
def test_a_damaged_file_of_filters_is_no_container_without_any(rt, box, keep):
    b = rt.up(box(["sleep", "100"], filtered([rule("SCMP_ACT_ERRNO", "mkdir", "mkdirat")])))
    path = f"{rt.root}/{b.id}/filters"
    with open(path, "rb+") as f:
        f.truncate(keep if keep >= 0 else f.seek(0, os.SEEK_END) + keep)
    rt.exec(b, "--", "true", check="filters: not the filters of a container")
