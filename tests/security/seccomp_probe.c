/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seccomp_probe: makes every call that the agent profile forbids, for real, on
 * every ABI that the machine has.  Static, so that it runs in any root.
 *
 *	seccomp_probe load FILE COMMAND...	loads the instructions in FILE, then runs it
 *	seccomp_probe try			one line a call: NAME ABI RESULT WANTED
 *
 * RESULT is ok, an errno's name or a signal's.  WANTED is what the profile
 * makes of the call.  The arguments are such that the call does no harm where
 * nothing forbids it, and fails otherwise than the profile would make it fail:
 * so a run without the profile shows that it is the profile that refuses.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define BAD 1L		/* an address where nothing is */
#define HIGH(v) ((long)(UINT64_C(0x5a5a5a5a) << 32 | (v)))
#define NONE (-1)	/* the ABI has no such call */

#ifndef SYS_memfd_secret
#define SYS_memfd_secret 447
#endif
#if defined(__x86_64__)
#define N(name, i386) SYS_##name, i386
#define OLD(i386) NONE, i386
#else
#define N(name, i386) SYS_##name, NONE
#define OLD(i386) NONE, NONE
#endif

static const struct call {
	const char *name;
	long native, i386;
	long args[5];
	const char *want;
} calls[] = {
	/* B1 */
	{ "socketcall", OLD(102), { 1, BAD }, "EPERM" },
	/* B2 */
	{ "io_uring_setup", N(io_uring_setup, 425), { 1, BAD }, "ENOSYS" },
	{ "io_uring_enter", N(io_uring_enter, 426), { -1 }, "ENOSYS" },
	{ "io_uring_register", N(io_uring_register, 427), { -1, 99 }, "ENOSYS" },
	/* B3 */
	{ "socket-packet", N(socket, 359), { AF_PACKET, SOCK_RAW, 0 }, "EAFNOSUPPORT" },
	{ "socket-packet-high", N(socket, 359), { HIGH(AF_PACKET), SOCK_RAW }, "EAFNOSUPPORT" },
	{ "socket-vsock", N(socket, 359), { AF_VSOCK, SOCK_STREAM }, "EAFNOSUPPORT" },
	{ "socket-alg", N(socket, 359), { AF_ALG, SOCK_SEQPACKET }, "EAFNOSUPPORT" },
	{ "socket-xdp", N(socket, 359), { AF_XDP, SOCK_RAW }, "EAFNOSUPPORT" },
	{ "socket-key", N(socket, 359), { AF_KEY, SOCK_RAW, 2 }, "EAFNOSUPPORT" },
	{ "socket-netfilter", N(socket, 359), { AF_NETLINK, SOCK_RAW, 12 }, "EPROTONOSUPPORT" },
	{ "socket-sock-diag", N(socket, 359), { AF_NETLINK, SOCK_RAW, 4 }, "EPROTONOSUPPORT" },
	{ "socket-raw", N(socket, 359), { AF_INET, SOCK_RAW, 1 }, "EPERM" },
	{ "socket-raw6", N(socket, 359), { AF_INET6, SOCK_RAW, 58 }, "EPERM" },
	{ "socket-old-packet", N(socket, 359), { AF_INET, SOCK_PACKET, 0x300 }, "ENOSYS" },
	{ "socketpair-inet", N(socketpair, 360), { AF_INET, SOCK_STREAM, 0, BAD }, "EAFNOSUPPORT" },
	{ "socket-unix", N(socket, 359), { AF_UNIX, SOCK_STREAM }, "ok" },
	{ "socket-inet", N(socket, 359), { AF_INET, SOCK_STREAM, 6 }, "ok" },
	{ "socket-inet6", N(socket, 359), { AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 17 }, "ok" },
	{ "socket-route", N(socket, 359), { AF_NETLINK, SOCK_RAW, 0 }, "ok" },
	/* B4 */
	{ "unshare-user", N(unshare, 310), { CLONE_NEWUSER }, "EPERM" },
	{ "unshare-user-high", N(unshare, 310), { HIGH(CLONE_NEWUSER) }, "EPERM" },
	{ "unshare-mount", N(unshare, 310), { CLONE_NEWNS }, "EPERM" },
	{ "unshare-net", N(unshare, 310), { CLONE_NEWNET }, "EPERM" },
	{ "unshare-pid", N(unshare, 310), { CLONE_NEWPID }, "EPERM" },
	{ "unshare-ipc", N(unshare, 310), { CLONE_NEWIPC }, "EPERM" },
	{ "unshare-uts", N(unshare, 310), { CLONE_NEWUTS }, "EPERM" },
	{ "unshare-cgroup", N(unshare, 310), { CLONE_NEWCGROUP }, "EPERM" },
	{ "unshare-time", N(unshare, 310), { 0x80 }, "EPERM" },
	{ "unshare-files", N(unshare, 310), { CLONE_FILES | CLONE_FS }, "ok" },
	{ "clone-user", N(clone, 120), { CLONE_NEWUSER | SIGCHLD }, "EPERM" },
	{ "clone-net", N(clone, 120), { CLONE_NEWUSER | CLONE_NEWNET | SIGCHLD }, "EPERM" },
	{ "clone-plain", N(clone, 120), { SIGCHLD }, "ok" },
	{ "clone3", N(clone3, 435), { BAD, 0 }, "ENOSYS" },
	{ "setns", N(setns, 346), { -1 }, "EPERM" },
	/* B5 */
	{ "ioctl-tiocsti", N(ioctl, 54), { -1, 0x5412, BAD }, "EPERM" },
	{ "ioctl-tiocsti-high", N(ioctl, 54), { -1, HIGH(0x5412), BAD }, "EPERM" },
	{ "ioctl-tioclinux", N(ioctl, 54), { -1, 0x541c, BAD }, "EPERM" },
	{ "ioctl-tioclinux-high", N(ioctl, 54), { -1, HIGH(0x541c), BAD }, "EPERM" },
	{ "ioctl-tiocgwinsz", N(ioctl, 54), { -1, 0x5413, BAD }, "EBADF" },
	{ "ioctl-tiocspgrp", N(ioctl, 54), { -1, 0x5410, BAD }, "EBADF" },
	/* B6 */
	{ "ptrace", N(ptrace, 26), { 0 }, "EPERM" },
	{ "process_vm_readv", N(process_vm_readv, 347), { 0, 0, 0, 0, 0 }, "EPERM" },
	{ "process_vm_writev", N(process_vm_writev, 348), { 0, 0, 0, 0, 0 }, "EPERM" },
	{ "process_madvise", N(process_madvise, 440), { -1, BAD, 1, 0, 0 }, "EPERM" },
	{ "pidfd_getfd", N(pidfd_getfd, 438), { -1 }, "EPERM" },
	{ "kcmp", N(kcmp, 349), { -1, -1 }, "EPERM" },
	{ "keyctl", N(keyctl, 288), { -1 }, "EPERM" },
	{ "add_key", N(add_key, 286), { BAD, BAD }, "EPERM" },
	{ "request_key", N(request_key, 287), { BAD, BAD }, "EPERM" },
	{ "bpf", N(bpf, 357), { 0, BAD, 64 }, "EPERM" },
	{ "perf_event_open", N(perf_event_open, 336), { BAD, 0, -1, -1, 0 }, "EPERM" },
	{ "userfaultfd", N(userfaultfd, 374), { -1 }, "EPERM" },
	{ "open_by_handle_at", N(open_by_handle_at, 342), { -1, BAD, 0 }, "EPERM" },
	{ "fanotify_init", N(fanotify_init, 338), { -1, -1 }, "EPERM" },
	{ "kexec_load", N(kexec_load, 283), { 0, 99, BAD, 0 }, "EPERM" },
	{ "init_module", N(init_module, 128), { BAD, 64, BAD }, "EPERM" },
	{ "finit_module", N(finit_module, 350), { -1, BAD, 0 }, "EPERM" },
	{ "delete_module", N(delete_module, 129), { BAD, 0 }, "EPERM" },
	{ "reboot", N(reboot, 88), { 0, 0, 0 }, "EPERM" },
	{ "acct", N(acct, 51), { BAD }, "EPERM" },
	{ "swapon", N(swapon, 87), { BAD, 0 }, "EPERM" },
	{ "swapoff", N(swapoff, 115), { BAD }, "EPERM" },
	{ "quotactl", N(quotactl, 131), { -1, BAD }, "EPERM" },
	{ "settimeofday", N(settimeofday, 79), { BAD, 0 }, "EPERM" },
	{ "clock_settime", N(clock_settime, 264), { 0, BAD }, "EPERM" },
	{ "sethostname", N(sethostname, 74), { BAD, 4 }, "EPERM" },
	{ "syslog", N(syslog, 103), { 3, 0, -1 }, "EPERM" },
	{ "personality", N(personality, 136), { 0x0400000 }, "ENOSYS" },
	{ "personality-query", N(personality, 136), { 0xffffffff }, "ok" },
#if defined(__x86_64__)
	{ "iopl", N(iopl, 110), { 0 }, "EPERM" },
	{ "ioperm", N(ioperm, 101), { -1, 1, 0 }, "EPERM" },
	{ "modify_ldt", N(modify_ldt, 123), { 99 }, "ENOSYS" },
	{ "stime", OLD(25), { BAD }, "EPERM" },
	{ "umount", OLD(22), { BAD }, "EPERM" },
	{ "clock_settime64", OLD(404), { 0, BAD }, "EPERM" },
#endif
	/* B8, and B6's mount calls */
	{ "mount", N(mount, 21), { BAD, BAD, BAD, 0, 0 }, "EPERM" },
	{ "mount-remount", N(mount, 21), { 0, BAD, 0, 4128 /* MS_REMOUNT | MS_BIND */ }, "EPERM" },
	{ "umount2", N(umount2, 52), { BAD, 0 }, "EPERM" },
	{ "pivot_root", N(pivot_root, 217), { BAD, BAD }, "EPERM" },
	{ "mount_setattr", N(mount_setattr, 442), { -1, BAD, 0, BAD, 4 }, "EPERM" },
	{ "move_mount", N(move_mount, 429), { -1, BAD, -1, BAD, 0 }, "EPERM" },
	{ "open_tree", N(open_tree, 428), { -1, BAD, 0 }, "EPERM" },
	{ "fsopen", N(fsopen, 430), { BAD, 0 }, "EPERM" },
	{ "fsconfig", N(fsconfig, 431), { -1, 99 }, "EPERM" },
	{ "fsmount", N(fsmount, 432), { -1, 0, 0 }, "EPERM" },
	{ "fspick", N(fspick, 433), { -1, BAD, 0 }, "EPERM" },
	/* ordinary */
	{ "getpid", N(getpid, 20), { 0 }, "ok" },
	{ "rseq", N(rseq, 386), { BAD, 4 }, "EINVAL" },
	{ "membarrier", N(membarrier, 375), { 0 }, "ok" },
	{ "landlock", N(landlock_create_ruleset, 444), { -1, 0, 2 }, "EINVAL" },
	{ "pidfd_open", N(pidfd_open, 434), { -1 }, "EINVAL" },
	/* a number that no kernel has */
	{ "unknown", 4000, 4000, { 0 }, "ENOSYS" },
};

static long call_native(long nr, const long a[5])
{
	return syscall(nr, a[0], a[1], a[2], a[3], a[4]) < 0 ? -errno : 0;
}

#if defined(__x86_64__)
static long call_i386(long nr, const long a[5])
{
	long r;

	__asm__ volatile("int $0x80"
			 : "=a"(r)
			 : "a"(nr), "b"(a[0]), "c"(a[1]), "d"(a[2]), "S"(a[3]), "D"(a[4])
			 : "memory", "r8", "r9", "r10", "r11");
	return r;
}

static long call_x32(long nr, const long a[5])
{
	return call_native(nr | 0x40000000, a);
}
#endif

/* In a process of its own: the call may be deadly, or leave it changed. */
static void try(const struct call *c, const char *abi, long (*call)(long nr, const long a[5]),
		long nr, const char *want)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0) {
		perror("fork");
		exit(2);
	}
	if (pid == 0) {
		const struct rlimit no_core = { 0, 0 };
		pid_t self = getpid();
		long r;

		setrlimit(RLIMIT_CORE, &no_core);
		r = call(nr, c->args);
		if (getpid() != self)	/* the child of a clone */
			_exit(0);
		printf("%s %s %s %s\n", c->name, abi,
		       r < 0 && r > -4096 ? strerrorname_np((int)-r) : "ok", want);
		fflush(stdout);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	if (WIFSIGNALED(status))
		printf("%s %s SIG%s %s\n", c->name, abi, sigabbrev_np(WTERMSIG(status)), want);
}

static int load(const char *path, char **command)
{
	static struct sock_filter insns[BPF_MAXINSNS + 1];
	FILE *f = fopen(path, "re");
	struct sock_fprog program = { .filter = insns };

	if (!f) {
		perror(path);
		return 2;
	}
	program.len = (unsigned short)fread(insns, sizeof *insns, BPF_MAXINSNS + 1, f);
	fclose(f);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0) {
		perror("seccomp");
		return 2;
	}
	execvp(command[0], command);
	perror(command[0]);
	return 127;
}

int main(int argc, char **argv)
{
	if (argc > 3 && strcmp(argv[1], "load") == 0)
		return load(argv[2], argv + 3);
	if (argc != 2 || strcmp(argv[1], "try") != 0) {
		fprintf(stderr, "seccomp_probe: see the head of its source\n");
		return 2;
	}
	for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
		const struct call *c = &calls[i];

		if (c->native != NONE)
			try(c, "native", call_native, c->native, c->want);
#if defined(__x86_64__)
		if (c->i386 != NONE)
			try(c, "i386", call_i386, c->i386, c->want);
		if (c->native != NONE)
			try(c, "x32", call_x32, c->native, "SIGSYS");
#endif
	}
	return 0;
}
