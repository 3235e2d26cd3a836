/* SPDX-License-Identifier: Apache-2.0 */
/* seccomp: what the agent's profiles let through and refuse (THREATS B1-B6). */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

#include "seccomp_profiles.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

#if defined(__x86_64__)

/* What must hold on every ABI of the profile, x32 being none of them. */
static const struct row agent_rows[] = {
	/* B3: families, types and protocols */
	{ "socket", { AF_UNIX, SOCK_STREAM }, ALLOW, 0 },
	{ "socket", { AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC }, ALLOW, 0 },
	{ "socket", { AF_INET, SOCK_STREAM }, ALLOW, 0 },
	{ "socket", { AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP }, ALLOW, 0 },
	{ "socket", { AF_INET6, SOCK_STREAM, IPPROTO_MPTCP }, ALLOW, 0 },
	{ "socket", { AF_INET6, SOCK_DGRAM, IPPROTO_UDP }, ALLOW, 0 },
	{ "socket", { AF_INET, SOCK_DGRAM, IPPROTO_ICMP }, ALLOW, 0 },
	{ "socket", { AF_INET, SOCK_DGRAM, IPPROTO_ICMPV6 }, E(ENOSYS), 0 },
	{ "socket", { AF_INET6, SOCK_DGRAM, IPPROTO_ICMPV6 }, ALLOW, 0 },
	{ "socket", { AF_INET, SOCK_STREAM, IPPROTO_SCTP }, E(EPROTONOSUPPORT), 0 },
	{ "socket", { AF_INET6, SOCK_DGRAM, IPPROTO_UDPLITE }, E(EPROTONOSUPPORT), 0 },
	{ "socket", { AF_INET, SOCK_SEQPACKET, IPPROTO_SCTP }, E(ENOSYS), 0 },
	{ "socket", { AF_INET, SOCK_DCCP, IPPROTO_DCCP }, E(ENOSYS), 0 },
	{ "socket", { AF_INET, SOCK_PACKET, 0x0300 }, E(ENOSYS), 0 },
	{ "socket", { AF_INET, SOCK_RAW, IPPROTO_ICMP }, E(EPERM), 0 },
	{ "socket", { AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW }, E(EPERM), 0 },
	{ "socket", { AF_INET, HIGH(SOCK_RAW), IPPROTO_RAW }, E(EPERM), 0 },
	{ "socket", { HIGH(AF_INET), SOCK_RAW, IPPROTO_RAW }, E(EAFNOSUPPORT), NARROW },
	{ "socket", { AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0 }, ALLOW, 0 },
	{ "socket", { AF_NETLINK, SOCK_RAW, 12 /* NETLINK_NETFILTER */ }, E(EPROTONOSUPPORT), 0 },
	{ "socket", { AF_NETLINK, SOCK_RAW, HIGH(12) }, E(EPROTONOSUPPORT), 0 },
	{ "socket", { AF_NETLINK, SOCK_RAW, 6 /* NETLINK_XFRM */ }, E(EPROTONOSUPPORT), 0 },
	{ "socket", { AF_NETLINK, SOCK_RAW, 9 /* NETLINK_AUDIT */ }, E(EPROTONOSUPPORT), 0 },
	{ "socket", { AF_UNSPEC, SOCK_DGRAM }, E(EAFNOSUPPORT), 0 },
	{ "socket", { AF_PACKET, SOCK_RAW }, E(EAFNOSUPPORT), 0 },
	{ "socket", { HIGH(AF_PACKET), SOCK_RAW }, E(EAFNOSUPPORT), 0 },
	{ "socket", { AF_ALG, SOCK_SEQPACKET }, E(EAFNOSUPPORT), 0 },
	{ "socket", { AF_VSOCK, SOCK_STREAM }, E(EAFNOSUPPORT), 0 },
	{ "socket", { AF_XDP, SOCK_RAW }, E(EAFNOSUPPORT), 0 },
	{ "socket", { AF_BLUETOOTH, SOCK_RAW }, E(EAFNOSUPPORT), 0 },
	{ "socket", { AF_KEY, SOCK_RAW }, E(EAFNOSUPPORT), 0 },
	{ "socketpair", { AF_UNIX, SOCK_STREAM }, ALLOW, 0 },
	{ "socketpair", { AF_TIPC, SOCK_STREAM }, E(EAFNOSUPPORT), 0 },
	{ "connect", { 3 }, ALLOW, 0 },
	{ "sendmsg", { 3 }, ALLOW, 0 },
	/* B1: the multiplexer, whatever it is asked for */
	{ "socketcall", { 1 /* SYS_SOCKET */ }, E(EPERM), 0 },
	{ "socketcall", { 3 /* SYS_CONNECT */ }, E(EPERM), 0 },
	{ "socketcall", { 8 /* SYS_SOCKETPAIR */ }, E(EPERM), 0 },
	{ "socketcall", { 18 /* SYS_ACCEPT4 */ }, E(EPERM), 0 },
	{ "ipc", { 1 /* SEMOP */ }, ALLOW, 0 },
	/* B2 */
	{ "io_uring_setup", { 8 }, E(ENOSYS), 0 },
	{ "io_uring_enter", { 3 }, E(ENOSYS), 0 },
	{ "io_uring_register", { 3 }, E(ENOSYS), 0 },
	/* B4 */
	{ "clone", { SIGCHLD }, ALLOW, 0 },
	{ "clone", { CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
		     CLONE_SYSVSEM | CLONE_SETTLS |
		     CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID }, ALLOW, 0 },
	{ "clone", { CLONE_VM | CLONE_VFORK | SIGCHLD }, ALLOW, 0 },
	{ "clone", { CLONE_NEWNS }, E(EPERM), 0 },
	{ "clone", { CLONE_NEWCGROUP | SIGCHLD }, E(EPERM), 0 },
	{ "clone", { CLONE_NEWUTS | SIGCHLD }, E(EPERM), 0 },
	{ "clone", { CLONE_NEWIPC | SIGCHLD }, E(EPERM), 0 },
	{ "clone", { CLONE_NEWUSER | SIGCHLD }, E(EPERM), 0 },
	{ "clone", { HIGH(CLONE_NEWUSER) }, E(EPERM), 0 },
	{ "clone", { CLONE_NEWPID | SIGCHLD }, E(EPERM), 0 },
	{ "clone", { CLONE_NEWNET | SIGCHLD }, E(EPERM), 0 },
	{ "clone3", { 0 }, E(ENOSYS), 0 },
	{ "unshare", { 0 }, ALLOW, 0 },
	{ "unshare", { CLONE_FS | CLONE_FILES }, ALLOW, 0 },
	{ "unshare", { CLONE_NEWUSER }, E(EPERM), 0 },
	{ "unshare", { CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET }, E(EPERM), 0 },
	{ "unshare", { HIGH(CLONE_NEWNET) }, E(EPERM), 0 },
	{ "unshare", { 0x80 /* CLONE_NEWTIME */ }, E(EPERM), 0 },
	{ "unshare", { CLONE_NEWCGROUP }, E(EPERM), 0 },
	{ "setns", { 3 }, E(EPERM), 0 },
	/* B5, also in the high half, where musl's int sign-extends */
	{ "ioctl", { 0, 0x5401 /* TCGETS */ }, ALLOW, 0 },
	{ "ioctl", { 0, 0x5410 /* TIOCSPGRP */ }, ALLOW, 0 },
	{ "ioctl", { 0, 0x5413 /* TIOCGWINSZ */ }, ALLOW, 0 },
	{ "ioctl", { 0, 0x5414 /* TIOCSWINSZ */ }, ALLOW, 0 },
	{ "ioctl", { 0, 0x541b /* FIONREAD */ }, ALLOW, 0 },
	{ "ioctl", { 0, 0x80045430 /* TIOCGPTN */ }, ALLOW, 0 },
	{ "ioctl", { 0, UINT64_C(0xffffffff80045430) }, ALLOW, 0 },
	{ "ioctl", { 0, 0x5412 /* TIOCSTI */ }, E(EPERM), 0 },
	{ "ioctl", { 0, HIGH(0x5412) }, E(EPERM), 0 },
	{ "ioctl", { 0, 0x541c /* TIOCLINUX */ }, E(EPERM), 0 },
	{ "ioctl", { 0, HIGH(0x541c) }, E(EPERM), 0 },
	/* B6 */
	{ "process_madvise", { 0 }, E(EPERM), 0 },
	{ "pidfd_getfd", { 0 }, E(EPERM), 0 },
	{ "keyctl", { 0 }, E(EPERM), 0 },
	{ "add_key", { 0 }, E(EPERM), 0 },
	{ "request_key", { 0 }, E(EPERM), 0 },
	{ "bpf", { 0 }, E(EPERM), 0 },
	{ "perf_event_open", { 0 }, E(EPERM), 0 },
	{ "userfaultfd", { 0 }, E(EPERM), 0 },
	{ "open_by_handle_at", { 0 }, E(EPERM), 0 },
	{ "kexec_load", { 0 }, E(EPERM), 0 },
	{ "kexec_file_load", { 0 }, E(EPERM), 0 },
	{ "init_module", { 0 }, E(EPERM), 0 },
	{ "finit_module", { 0 }, E(EPERM), 0 },
	{ "delete_module", { 0 }, E(EPERM), 0 },
	{ "mount", { 0 }, E(EPERM), 0 },
	{ "umount", { 0 }, E(EPERM), 0 },
	{ "umount2", { 0 }, E(EPERM), 0 },
	{ "mount_setattr", { 0 }, E(EPERM), 0 },
	{ "move_mount", { 0 }, E(EPERM), 0 },
	{ "open_tree", { 0 }, E(EPERM), 0 },
	{ "fsopen", { 0 }, E(EPERM), 0 },
	{ "fsconfig", { 0 }, E(EPERM), 0 },
	{ "fsmount", { 0 }, E(EPERM), 0 },
	{ "fspick", { 0 }, E(EPERM), 0 },
	{ "pivot_root", { 0 }, E(EPERM), 0 },
	{ "fanotify_init", { 0 }, E(EPERM), 0 },
	{ "quotactl", { 0 }, E(EPERM), 0 },
	{ "quotactl_fd", { 0 }, E(EPERM), 0 },
	{ "swapon", { 0 }, E(EPERM), 0 },
	{ "reboot", { 0 }, E(EPERM), 0 },
	{ "settimeofday", { 0 }, E(EPERM), 0 },
	{ "clock_settime", { 0 }, E(EPERM), 0 },
	{ "clock_settime64", { 0 }, E(EPERM), 0 },
	{ "stime", { 0 }, E(EPERM), 0 },
	{ "iopl", { 3 }, E(EPERM), 0 },
	{ "ioperm", { 0 }, E(EPERM), 0 },
	{ "syslog", { 3 }, E(EPERM), 0 },
	{ "modify_ldt", { 1 }, E(ENOSYS), 0 },
	{ "vm86", { 0 }, E(ENOSYS), 0 },
	{ "uselib", { 0 }, E(ENOSYS), 0 },
	{ "personality", { 0 }, ALLOW, 0 },
	{ "personality", { 8 }, ALLOW, 0 },
	{ "personality", { 0xffffffff }, ALLOW, 0 },
	{ "personality", { UINT64_MAX }, ALLOW, 0 },
	{ "personality", { 0x0400000 /* READ_IMPLIES_EXEC */ }, E(ENOSYS), 0 },
	{ "personality", { 0x0100000 /* MMAP_PAGE_ZERO */ }, E(ENOSYS), 0 },
	/* ordinary work */
	{ "execve", { 0 }, ALLOW, 0 },
	{ "chroot", { 0 }, ALLOW, 0 },
	{ "mknod", { 0 }, ALLOW, 0 },
	{ "setuid", { 0 }, ALLOW, 0 },
	{ "rseq", { 0 }, ALLOW, 0 },
	{ "membarrier", { 0 }, ALLOW, 0 },
	{ "landlock_create_ruleset", { 0 }, ALLOW, 0 },
	{ "seccomp", { 0 }, ALLOW, 0 },
	{ "memfd_secret", { 0 }, ALLOW, 0 },
	{ "statx", { 0 }, ALLOW, 0 },
	{ "openat2", { 0 }, ALLOW, 0 },
	{ "close_range", { 0 }, ALLOW, 0 },
	{ "futex_waitv", { 0 }, ALLOW, 0 },
	{ "pidfd_open", { 0 }, ALLOW, 0 },
};

static const struct row debugger_rows[] = {
	{ "ptrace", { 16 }, ALLOW, 0 },
	{ "process_vm_readv", { 1 }, ALLOW, 0 },
	{ "process_vm_writev", { 1 }, ALLOW, 0 },
	{ "kcmp", { 1 }, ALLOW, 0 },
	{ "personality", { 0x0040000 /* ADDR_NO_RANDOMIZE */ }, ALLOW, 0 },
};

Test(seccomp_agent, agent_profile)
{
	owned_arena a = ARENA_INIT;
	struct seccomp_program p = compile(&a, read_profile(&a, "profiles/seccomp/agent.json"));

	check(&p, agent_rows, COUNT(agent_rows), 1 << X64 | 1 << I386);
	for (size_t i = 0; i < COUNT(debugger_rows); i++) {
		struct row row = debugger_rows[i];

		row.want = strcmp(row.call, "personality") == 0 ? E(ENOSYS) : E(EPERM);
		check(&p, &row, 1, 1 << X64 | 1 << I386);
	}
}

Test(seccomp_agent, agent_debug_profile_adds_what_debuggers_need)
{
	owned_arena a = ARENA_INIT;
	struct spec_seccomp *s = read_profile(&a, "profiles/seccomp/agent-debug.json");
	struct seccomp_program p = compile(&a, s);

	check(&p, agent_rows, COUNT(agent_rows), 1 << X64 | 1 << I386);
	check(&p, debugger_rows, COUNT(debugger_rows), 1 << X64 | 1 << I386);
}

/* B1: libseccomp turns a rule for socket() with conditions into one for socketcall(SYS_SOCKET)
 * without any, since that call's arguments are in memory. The profile's own rule for socketcall
 * must come first; without it the contradiction is noticed, and nothing is let through. */
Test(seccomp_agent, socketcall_must_be_refused_by_name)
{
	owned_arena a = ARENA_INIT;
	struct spec_seccomp *s = read_profile(&a, "profiles/seccomp/agent.json");
	struct seccomp_program p = compile(&a, s);
	struct err e = { 0 };
	int nr = number(I386, "socketcall");

	for (uint64_t call = 0; call < 32; call++) {
		const uint64_t args[6] = { call };

		cr_expect(eq(u32, ask_number(&p, I386, nr, args), E(EPERM)));
	}
	for (size_t i = 0; i < s->syscalls.n; i++)
		if (strcmp(s->syscalls.v[i].names.v[0], "socketcall") == 0)
			s->syscalls.v[i].names.v[0] = (char *)"acct";
	cr_expect(eq(int, seccomp_compile(&a, s, NULL, &p, &e), -EEXIST));
	cr_expect(strstr(e.text, "rule for socket") != NULL, "%s", e.text);
}

/* B1: no number with the x32 bit, and none beyond the table, gets through. */
Test(seccomp_agent, agent_profile_refuses_x32_and_unknown_numbers)
{
	static const char *const profiles[] = {
		"profiles/seccomp/agent.json", "profiles/seccomp/agent-debug.json",
	};
	static const uint64_t none[6];

	for (size_t i = 0; i < COUNT(profiles); i++) {
		owned_arena a = ARENA_INIT;
		struct seccomp_program p = compile(&a, read_profile(&a, profiles[i]));

		for (int nr = 0; nr < 1024; nr++)
			cr_expect(eq(u32, ask_number(&p, X32, nr | 0x40000000, none),
				     SECCOMP_RET_KILL_THREAD), "%d", nr);
		for (int nr = 480; nr < 2048; nr++) {
			cr_expect(eq(u32, ask_number(&p, X64, nr, none), E(ENOSYS)), "%d", nr);
			cr_expect(eq(u32, ask_number(&p, I386, nr, none), E(ENOSYS)), "%d", nr);
		}
		cr_expect(eq(u32, ask_number(&p, I386, INT32_MIN, none), E(ENOSYS)));
	}
}

#endif	/* __x86_64__ */
