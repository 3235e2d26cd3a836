/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seccomp: what the compiled programs answer, table by table, from a small
 * interpreter of classic BPF (THREATS B1-B6); and when the cache is believed.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fd.h"
#include "base/hash.h"
#include "base/json.h"
#include "sandbox/seccomp.h"
#include "sandbox/seccomp_numbers.h"
#include "sandbox/seccomp_parts.h"
#include "spec/fields.h"

#include "bpf.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define ALLOW SECCOMP_RET_ALLOW
#define E(code) (SECCOMP_RET_ERRNO | (code))
#define HIGH(v) (UINT64_C(0xdeadbeef) << 32 | (v))	/* the kernel reads the low half only */

#if defined(__x86_64__)

enum abi { X64, I386, X32, ABIS };
enum { NARROW = 1 << I386 | 1 << X32 };	/* those with 32-bit arguments */

static const struct {
	const char *name;
	uint32_t token, audit;
} abis[ABIS] = {
	[X64] = { "x86-64", SCMP_ARCH_X86_64, AUDIT_ARCH_X86_64 },
	[I386] = { "i386", SCMP_ARCH_X86, AUDIT_ARCH_I386 },
	[X32] = { "x32", SCMP_ARCH_X32, AUDIT_ARCH_X86_64 },
};

static uint32_t ask_number(const struct seccomp_program *p, enum abi abi, int nr,
			   const uint64_t args[6])
{
	struct seccomp_data data = { .nr = nr, .arch = abis[abi].audit };

	for (int i = 0; i < 6; i++)
		data.args[i] = abi == I386 ? (uint32_t)args[i] : args[i];
	return bpf_run(p, &data);
}

/* -1: that ABI has no such call. */
static int number(enum abi abi, const char *name)
{
	int nr = seccomp_syscall_resolve_name_arch(abis[abi].token, name);

	cr_assert(nr != __NR_SCMP_ERROR, "%s", name);
	return nr < 0 ? -1 : nr;
}

/* ---- Profiles ------------------------------------------------------------------------------ */

static const char *source_file(struct arena *a, const char *name)
{
	const char *dir = getenv("srcdir");

	return arena_printf(a, "%s/%s", dir ? dir : ".", name);
}

static struct json_text read_text(struct arena *a, const char *name)
{
	const char *path = source_file(a, name);
	owned_str text = STR_INIT;
	struct err e;

	cr_assert(file_read(AT_FDCWD, path, 1 << 20, &text, &e) == 0, "%s", e.text);
	return (struct json_text){ path, arena_strdup(a, str_text(&text)), text.len };
}

static struct spec_seccomp *read_profile(struct arena *a, const char *name)
{
	struct json_text text = read_text(a, name);
	struct spec_seccomp *s;
	struct err e;

	cr_assert(spec_parse_seccomp(a, &text, &s, &e) == 0, "%s", e.text);
	return s;
}

static struct seccomp_program compile(struct arena *a, const struct spec_seccomp *s)
{
	struct seccomp_program p;
	struct err e;

	cr_assert(seccomp_compile(a, s, NULL, &p, &e) == 0, "%s", e.text);
	cr_assert(p.n > 0 && p.n <= BPF_MAXINSNS, "%zu instructions", p.n);
	return p;
}

struct row {
	const char *call;
	uint64_t args[6];
	uint32_t want;		/* on every ABI that has the call */
	unsigned skip;		/* but not on these: bits 1 << enum abi */
};

static void check(const struct seccomp_program *p, const struct row *rows, size_t n,
		  unsigned only)
{
	for (size_t i = 0; i < n; i++)
		for (enum abi abi = 0; abi < ABIS; abi++) {
			int nr = number(abi, rows[i].call);
			uint32_t got;

			if (nr < 0 || !(only & 1u << abi) || rows[i].skip & 1u << abi)
				continue;
			got = ask_number(p, abi, nr, rows[i].args);
			cr_expect(got == rows[i].want,
				  "%s %s(0x%llx, 0x%llx, 0x%llx): 0x%x, not 0x%x", abis[abi].name,
				  rows[i].call, (unsigned long long)rows[i].args[0],
				  (unsigned long long)rows[i].args[1],
				  (unsigned long long)rows[i].args[2], got, rows[i].want);
		}
}

/* ---- An engine's profile ------------------------------------------------------------------- */

Test(seccomp, engine_profile)
{
	static const struct row rows[] = {
		{ "read", { 0 }, ALLOW, 0 },
		{ "openat", { 0 }, ALLOW, 0 },
		{ "faccessat2", { 0 }, ALLOW, 0 },
		{ "ptrace", { 0 }, ALLOW, 0 },
		{ "mount", { 0 }, E(EPERM), 0 },
		{ "bpf", { 0 }, E(EPERM), 0 },
		{ "keyctl", { 0 }, E(EPERM), 0 },
		{ "clone3", { 0 }, E(ENOSYS), 0 },
		{ "reboot", { 0 }, SECCOMP_RET_KILL_PROCESS, 0 },
		{ "acct", { 0 }, SECCOMP_RET_KILL_THREAD, 0 },
		{ "swapon", { 0 }, SECCOMP_RET_TRAP, 0 },
		{ "swapoff", { 0 }, SECCOMP_RET_TRACE | 513, 0 },
		{ "sethostname", { 0 }, SECCOMP_RET_LOG, 0 },
		/* one condition */
		{ "socket", { AF_INET }, ALLOW, 0 },
		{ "socket", { AF_VSOCK }, E(EPERM), 0 },
		{ "socket", { AF_VSOCK + 1 }, ALLOW, 0 },
		{ "clone", { SIGCHLD }, ALLOW, 0 },
		{ "clone", { SIGCHLD | CLONE_NEWUSER }, E(EPERM), 0 },
		{ "clone", { CLONE_VM | CLONE_NEWNS }, E(EPERM), 0 },
		{ "clone", { HIGH(CLONE_NEWPID) }, E(EPERM), 0 },
		{ "fallocate", { 0, 0, 0xffffffff }, ALLOW, NARROW },
		{ "fallocate", { 0, 0, UINT64_C(1) << 32 }, E(EPERM), NARROW },
		/* two rules for one call */
		{ "personality", { 0 }, ALLOW, 0 },
		{ "personality", { 8 }, ALLOW, 0 },
		{ "personality", { 4 }, E(EPERM), 0 },
		{ "personality", { HIGH(8) }, E(EPERM), NARROW },
		/* conditions on different arguments hold together */
		{ "setpriority", { 1, 100, 6 }, ALLOW, 0 },
		{ "setpriority", { 0, 100, 6 }, E(EPERM), 0 },
		{ "setpriority", { 1, 101, 6 }, E(EPERM), 0 },
		{ "setpriority", { 1, 100, 5 }, E(EPERM), 0 },
		/* conditions on one argument are alternatives */
		{ "sched_setscheduler", { 0, 2 }, ALLOW, 0 },
		{ "sched_setscheduler", { 0, 3 }, E(EPERM), 0 },
		{ "sched_setscheduler", { 0, 9 }, ALLOW, 0 },
	};
	owned_arena a = ARENA_INIT;
	struct seccomp_program p = compile(&a, read_profile(&a, "tests/data/seccomp-engine.json"));

	check(&p, rows, COUNT(rows), ~0u);
}

/* The newest call that the engine's profile names is faccessat2, 439 on every ABI. */
Test(seccomp, calls_newer_than_the_profile_give_enosys)
{
	static const uint64_t none[6];
	owned_arena a = ARENA_INIT;
	struct spec_seccomp *s = read_profile(&a, "tests/data/seccomp-engine.json");
	struct seccomp_program p = compile(&a, s);

	for (int nr = 430; nr < 600; nr++) {
		uint32_t want = nr == 435 ? E(ENOSYS) : nr == 437 || nr == 439 ? ALLOW :
				nr < 439 ? E(EPERM) : E(ENOSYS);

		cr_expect(eq(u32, ask_number(&p, X64, nr, none), want), "x86-64 %d", nr);
		cr_expect(eq(u32, ask_number(&p, I386, nr, none), want), "i386 %d", nr);
	}
	/* x32 has numbers of its own up to 547, of which the profile names 520 (execve). */
	cr_expect(eq(u32, ask_number(&p, X32, 519 | 0x40000000, none), E(EPERM)));
	cr_expect(eq(u32, ask_number(&p, X32, 520 | 0x40000000, none), ALLOW));
	cr_expect(eq(u32, ask_number(&p, X32, 548 | 0x40000000, none), E(ENOSYS)));
	cr_expect(eq(u32, ask_number(&p, X64, 0x3fffffff, none), E(ENOSYS)));

	/* A default that lets through needs no such way out. */
	s->default_action = (char *)"SCMP_ACT_LOG";
	s->default_errno_ret.set = false;
	p = compile(&a, s);
	cr_expect(eq(u32, ask_number(&p, X64, 500, none), SECCOMP_RET_LOG));
	s->default_action = (char *)"SCMP_ACT_KILL";
	p = compile(&a, s);
	cr_expect(eq(u32, ask_number(&p, X64, 500, none), E(ENOSYS)));
	cr_expect(eq(u32, ask_number(&p, X64, number(X64, "mount"), none),
		     SECCOMP_RET_KILL_THREAD));
}

/* The kernel kills for an architecture without rules; so must x32 be when x86-64 has some. */
Test(seccomp, an_architecture_that_is_not_listed_is_refused)
{
	static const uint64_t none[6];
	owned_arena a = ARENA_INIT;
	struct spec_seccomp *s = read_profile(&a, "tests/data/seccomp-engine.json");
	struct seccomp_program p;

	s->architectures = (struct strv){ 0 };
	p = compile(&a, s);
	cr_expect(eq(u32, ask_number(&p, X64, number(X64, "read"), none), ALLOW));
	cr_expect(eq(u32, ask_number(&p, I386, number(I386, "read"), none),
		     SECCOMP_RET_KILL_THREAD));
	cr_expect(eq(u32, ask_number(&p, X32, number(X32, "read"), none),
		     SECCOMP_RET_KILL_THREAD));
	cr_expect(eq(u32, ask_number(&p, X32, 600 | 0x40000000, none), SECCOMP_RET_KILL_THREAD));

	/* One that this machine does not have changes nothing. */
	strv_add(&a, &s->architectures, "SCMP_ARCH_X86_64");
	strv_add(&a, &s->architectures, "SCMP_ARCH_AARCH64");
	cr_expect(eq(sz, compile(&a, s).n, p.n));
}

/* ---- The whole of every profile, against the rules read naively ---------------------------- */

/* The 32-bit ABIs have 32-bit arguments, and libseccomp cuts what they are compared with. */
static bool holds(const struct spec_seccomp_arg *c, enum abi abi, uint64_t arg)
{
	static const char *const ops[] = { "NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ" };
	const uint64_t cut = abi == X64 ? UINT64_MAX : UINT32_MAX;
	const uint64_t v = arg & cut, x = c->value & cut, y = c->value_two & cut;
	const bool results[] = { v != x, v < x, v <= x, v == x, v >= x, v > x, (v & x) == y };
	size_t i = 0;

	while (strcmp(c->op + strlen("SCMP_CMP_"), ops[i]) != 0)
		i++;
	return results[i];
}

/* Conditions on one argument are alternatives, on different ones they hold together. */
static bool matches(const struct spec_seccomp_rule *rule, enum abi abi, const uint64_t args[6])
{
	bool all = true, any = false, twice = false;
	unsigned seen = 0;

	for (size_t i = 0; i < rule->args.n; i++) {
		const struct spec_seccomp_arg *c = &rule->args.v[i];
		bool yes = holds(c, abi, args[c->index]);

		twice |= seen >> c->index & 1;
		seen |= 1u << c->index;
		all &= yes;
		any |= yes;
	}
	return twice ? any : all;
}

static uint32_t naive_action(const char *name, const struct opt_u64 *value)
{
	uint32_t v = value->set ? (uint32_t)value->v : EPERM;

	return strcmp(name, "SCMP_ACT_ALLOW") == 0 ? ALLOW :
	       strcmp(name, "SCMP_ACT_ERRNO") == 0 ? E(v) :
	       strcmp(name, "SCMP_ACT_TRACE") == 0 ? SECCOMP_RET_TRACE | v :
	       strcmp(name, "SCMP_ACT_TRAP") == 0 ? SECCOMP_RET_TRAP :
	       strcmp(name, "SCMP_ACT_LOG") == 0 ? SECCOMP_RET_LOG :
	       strcmp(name, "SCMP_ACT_KILL_PROCESS") == 0 ? SECCOMP_RET_KILL_PROCESS :
							     SECCOMP_RET_KILL_THREAD;
}

static bool has_conditions(const struct spec_seccomp *s, const char *name)
{
	for (size_t i = 0; i < s->syscalls.n; i++)
		if (s->syscalls.v[i].args.n && strv_find(&s->syscalls.v[i].names, name) >= 0)
			return true;
	return false;
}

static int newest(const struct spec_seccomp *s, enum abi abi)
{
	int most = -1;

	for (size_t i = 0; i < s->syscalls.n; i++)
		for (size_t k = 0; k < s->syscalls.v[i].names.n; k++) {
			int nr = seccomp_syscall_resolve_name_arch(abis[abi].token,
								   s->syscalls.v[i].names.v[k]);

			most = nr > most ? nr : most;
		}
	return most;
}

/* Two rules that both match and differ would make the answer a matter of libseccomp's order. */
static uint32_t naive_answer(const struct spec_seccomp *s, enum abi abi, const char *name,
			     const uint64_t args[6])
{
	uint32_t answer = naive_action(s->default_action, &s->default_errno_ret);
	bool answered = false, differ = false;

	for (size_t i = 0; i < s->syscalls.n; i++) {
		const struct spec_seccomp_rule *rule = &s->syscalls.v[i];
		uint32_t action = naive_action(rule->action, &rule->errno_ret);

		if (strv_find(&rule->names, name) < 0 || !matches(rule, abi, args))
			continue;
		differ |= answered && action != answer;
		answered = true;
		answer = action;
	}
	cr_expect(not(differ), "%s: two rules that match and differ", name);
	return answer;
}

static bool listed(const struct spec_seccomp *s, enum abi abi)
{
	static const char *const names[ABIS] = {
		"SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"
	};

	return strv_find(&s->architectures, names[abi]) >= 0;
}

static void compare(const struct spec_seccomp *s, const struct seccomp_program *p, enum abi abi,
		    const char *name, int nr)
{
	static const uint64_t samples[] = {
		0, 1, 2, 3, 5, 8, 9, 10, 15, 16, 17, 38, 40, 44, 0x80, 132, 262, 0x5401, 0x5412,
		0x5413, 0x541b, 0x541c, 0x541d, CLONE_NEWUSER, CLONE_NEWNS, CLONE_VM, 0x20008,
		0x40000, 0xffffffff, HIGH(1), HIGH(16), HIGH(0x5412), HIGH(CLONE_NEWNET),
		UINT64_MAX,
	};
	const size_t m = COUNT(samples), n = has_conditions(s, name) ? m * m : m;

	for (size_t i = 0; i < n; i++) {
		const uint64_t args[6] = {
			samples[i % m], samples[i / m], samples[(i * 7 + i / 5) % m],
		};
		uint32_t want = naive_answer(s, abi, name, args);
		uint32_t got = ask_number(p, abi, nr, args);

		cr_expect(eq(u32, got, want), "%s %s(0x%llx, 0x%llx, 0x%llx)", abis[abi].name, name,
			  (unsigned long long)args[0], (unsigned long long)args[1],
			  (unsigned long long)args[2]);
	}
}

/* They have a test of their own. */
static bool multiplexer(const char *name)
{
	return strcmp(name, "socketcall") == 0 || strcmp(name, "ipc") == 0;
}

Test(seccomp, every_call_is_answered_as_the_rules_say)
{
	static const char *const profiles[] = {
		"tests/data/seccomp-engine.json", "profiles/seccomp/agent.json",
		"profiles/seccomp/agent-debug.json",
	};

	for (size_t i = 0; i < COUNT(profiles); i++) {
		owned_arena a = ARENA_INIT;
		struct spec_seccomp *s = read_profile(&a, profiles[i]);
		struct seccomp_program p = compile(&a, s);
		size_t compared = 0;

		for (enum abi abi = 0; abi < ABIS; abi++) {
			const int first = abi == X32 ? 0x40000000 : 0;

			for (int nr = first; listed(s, abi) && nr <= newest(s, abi); nr++) {
				char *name = seccomp_syscall_resolve_num_arch(abis[abi].token, nr);

				if (name && !multiplexer(name)) {
					compare(s, &p, abi, name, nr);
					compared++;
				}
				free(name);
			}
		}
		cr_expect(gt(sz, compared, 750), "%s", profiles[i]);
	}
}

/* ---- The agent profiles -------------------------------------------------------------------- */

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

Test(seccomp, agent_profile)
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

Test(seccomp, agent_debug_profile_adds_what_debuggers_need)
{
	owned_arena a = ARENA_INIT;
	struct spec_seccomp *s = read_profile(&a, "profiles/seccomp/agent-debug.json");
	struct seccomp_program p = compile(&a, s);

	check(&p, agent_rows, COUNT(agent_rows), 1 << X64 | 1 << I386);
	check(&p, debugger_rows, COUNT(debugger_rows), 1 << X64 | 1 << I386);
}

/* ---- our own programs against libseccomp's --------------------------------------------------- */

enum { PROFILES = 400, RULES_MOST = 12, ASKED = 60 };

static uint64_t random_value(unsigned *seed)
{
	static const uint64_t some[] = {
		0, 1, 2, 5, 0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, 0x100000001,
		0x7e020000, 0xffffffff00000000, UINT64_MAX,
	};

	return rand_r(seed) % 4 ? some[(size_t)rand_r(seed) % COUNT(some)]
				: (uint64_t)rand_r(seed) << 32 | (uint32_t)rand_r(seed);
}

static struct spec_seccomp *random_profile(struct arena *a, unsigned *seed)
{
	static const char *const defaults[] = {
		"SCMP_ACT_ERRNO", "SCMP_ACT_ALLOW", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_LOG",
	};
	static const char *const said[] = { "SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_TRAP" };
	/* many of few, so that they meet; with what x86 multiplexes */
	static const char *const some[] = {
		"read", "socket", "socketcall", "accept", "clone", "clone3", "personality", "semop",
		"ipc", "shmget", "mmap2", "arm_fadvise64_64", "no_such_call",
	};
	struct spec_seccomp *s = arena_new(a, struct spec_seccomp);
	const char *usual = said[(size_t)rand_r(seed) % COUNT(said)];

	s->default_action = (char *)defaults[(size_t)rand_r(seed) % COUNT(defaults)];
	if (rand_r(seed) % 4 == 0)
		s->default_errno_ret = (struct opt_u64){ strcmp(s->default_action, "SCMP_ACT_ERRNO") == 0,
							 ENOSYS };
	for (enum abi abi = 0; abi < ABIS; abi++)
		if (rand_r(seed) % 2)
			strv_add(a, &s->architectures, abi == X64 ? "SCMP_ARCH_X86_64" :
						       abi == X32 ? "SCMP_ARCH_X32" : "SCMP_ARCH_X86");
	s->syscalls.n = (size_t)rand_r(seed) % RULES_MOST;
	s->syscalls.v = arena_array(a, struct spec_seccomp_rule, s->syscalls.n);
	for (size_t i = 0; i < s->syscalls.n; i++) {
		struct spec_seccomp_rule *rule = &s->syscalls.v[i];
		size_t names = 1 + (size_t)rand_r(seed) % 6;

		/* one action for most: of others libseccomp alone knows what they come to */
		rule->action = (char *)(rand_r(seed) % 8 ? usual : said[(size_t)rand_r(seed) % COUNT(said)]);
		for (size_t k = 0; k < names; k++)
			strv_add(a, &rule->names, rand_r(seed) % 2 ?
				 some[(size_t)rand_r(seed) % COUNT(some)] :
				 syscall_numbers[(size_t)rand_r(seed) % syscall_numbers_n].name);
		rule->args.n = rand_r(seed) % 2 ? 0 : 1 + (size_t)rand_r(seed) % 3;
		rule->args.v = arena_array(a, struct spec_seccomp_arg, rule->args.n);
		for (size_t k = 0; k < rule->args.n; k++)
			rule->args.v[k] = (struct spec_seccomp_arg){
				.index = (uint64_t)rand_r(seed) % 6,
				.value = random_value(seed), .value_two = random_value(seed),
				.op = (char *)seccomp_operators[rand_r(seed) % 7],
			};
	}
	return s;
}

/* A number that the profile names, or beside it, or any. */
static int random_number(const struct spec_seccomp *s, enum abi abi, unsigned *seed)
{
	static const int edges[] = { 0, -1, 0x40000000, 0x3fffffff, 0x400003ff, 102, 117, 359, 1 << 30 };
	const struct spec_seccomp_rule *rule;
	int nr;

	if (!s->syscalls.n || rand_r(seed) % 4 == 0)
		return rand_r(seed) % 2 ? edges[(size_t)rand_r(seed) % COUNT(edges)] :
					  rand_r(seed) % 600 + (rand_r(seed) % 2 ? 0x40000000 : 0);
	rule = &s->syscalls.v[(size_t)rand_r(seed) % s->syscalls.n];
	nr = seccomp_syscall_resolve_name_arch(abis[abi].token,
					       rule->names.v[(size_t)rand_r(seed) % rule->names.n]);
	return nr + (rand_r(seed) % 8 ? 0 : 1);
}

Test(seccomp, own_programs_answer_as_libseccomps)
{
	unsigned seed = 7, own_ones = 0, calls = 0;

	for (int round = 0; round < PROFILES; round++) {
		owned_arena a = ARENA_INIT;
		struct spec_seccomp *s = random_profile(&a, &seed);
		struct seccomp_program own = { 0 }, library = { 0 };
		struct rules rules = { 0 };
		char path[256] = "";
		struct err e = { 0 };
		int r;

		cr_assert(eq(int, rules_from_spec(&a, s, &rules, &e), 0), "%s", e.text);
		if (rules_compile(&a, &rules, &own) == -ENOTSUP)
			continue;
		own_ones++;
		r = library_compile(&a, &rules, &library, path, sizeof path, &e);
		cr_assert(eq(int, r, 0), "profile %d: %s", round, e.text);
		for (int i = 0; i < ABIS * ASKED * (int)(1 + s->syscalls.n); i++, calls++) {
			enum abi abi = (enum abi)(rand_r(&seed) % ABIS);
			int nr = random_number(s, abi, &seed);
			uint64_t args[6];

			for (size_t k = 0; k < 6; k++)
				args[k] = random_value(&seed);
			for (size_t k = 0; s->syscalls.n && k < 2; k++) {	/* what a rule asks for */
				const struct spec_seccomp_rule *rule =
					&s->syscalls.v[(size_t)rand_r(&seed) % s->syscalls.n];

				if (rule->args.n)
					args[rule->args.v[0].index] =
						rule->args.v[0].value + (uint64_t)(rand_r(&seed) % 3) - 1;
			}
			cr_assert(eq(u32, ask_number(&own, abi, nr, args), ask_number(&library, abi, nr, args)),
				  "profile %d: %s %d(0x%llx, 0x%llx, ...)", round, abis[abi].name, nr,
				  (unsigned long long)args[0], (unsigned long long)args[1]);
		}
	}
	cr_log_info("%u programs, %u calls", own_ones, calls);
	cr_expect(gt(uint, own_ones, PROFILES / 4));
	cr_expect(gt(uint, calls, 50000));
}

Test(seccomp, engines_and_the_shipped_profiles_need_no_library)
{
	static const char *const files[] = {
		"profiles/seccomp/agent.json", "profiles/seccomp/agent-debug.json",
		"tests/data/seccomp-engine.json",
	};
	enum { NUMBERS = 620, TIMES = 20 };
	unsigned seed = 1;

	for (size_t i = 0; i < COUNT(files); i++) {
		owned_arena a = ARENA_INIT;
		struct seccomp_program own = { 0 }, library = { 0 };
		struct rules rules = { 0 };
		char path[256] = "";
		struct err e = { 0 };

		cr_assert(eq(int, rules_from_spec(&a, read_profile(&a, files[i]), &rules, &e), 0));
		cr_assert(eq(int, rules_compile(&a, &rules, &own), 0), "%s", files[i]);
		cr_assert(eq(int, library_compile(&a, &rules, &library, path, sizeof path, &e), 0));
		for (int k = 0; k < ABIS * NUMBERS * TIMES; k++) {
			enum abi abi = (enum abi)(k % ABIS);
			int nr = k / ABIS % NUMBERS + (abi == X32 ? 0x40000000 : 0);
			uint64_t args[6];

			/* small ones, as the rules for sockets and ioctl ask for */
			for (size_t n = 0; n < 6; n++)
				args[n] = rand_r(&seed) % 3 ? (uint64_t)rand_r(&seed) % 20 :
							      random_value(&seed);
			cr_assert(eq(u32, ask_number(&own, abi, nr, args), ask_number(&library, abi, nr, args)),
				  "%s: %s %d(0x%llx, 0x%llx, 0x%llx, ...)", files[i], abis[abi].name, nr,
				  (unsigned long long)args[0], (unsigned long long)args[1],
				  (unsigned long long)args[2]);
		}
	}
}

/* B1: libseccomp turns a rule for socket() with conditions into one for socketcall(SYS_SOCKET)
 * without any, since that call's arguments are in memory. The profile's own rule for socketcall
 * must come first; without it the contradiction is noticed, and nothing is let through. */
Test(seccomp, socketcall_must_be_refused_by_name)
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
Test(seccomp, agent_profile_refuses_x32_and_unknown_numbers)
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

/* ---- What is refused ----------------------------------------------------------------------- */

Test(seccomp, bad_rules_are_named)
{
	static const struct {
		const char *action, *names, *op, *arch, *flag;
		uint64_t errno_ret, index;
		const char *error;	/* NULL: none */
		int code;
	} rows[] = {
		{ .error = NULL },
		{ .action = "SCMP_ACT_NOTIFY", .errno_ret = 1, .code = EINVAL,
		  .error = "syscalls[0].action: SCMP_ACT_NOTIFY takes no errno" },
		{ .action = "SCMP_ACT_DENY", .code = EINVAL,
		  .error = "syscalls[0].action: unknown action \"SCMP_ACT_DENY\"" },
		{ .action = "", .code = EINVAL,
		  .error = "syscalls[0].action: unknown action \"\"" },
		{ .action = "SCMP_ACT_ALLOW", .errno_ret = 1, .code = EINVAL,
		  .error = "syscalls[0].action: SCMP_ACT_ALLOW takes no errno" },
		{ .errno_ret = 4094 },
		{ .errno_ret = 4095, .code = ERANGE,
		  .error = "syscalls[0].action: errno 4095 is above 4094" },
		{ .action = "SCMP_ACT_TRACE", .errno_ret = 65535 },
		{ .action = "SCMP_ACT_TRACE", .errno_ret = 65536, .code = ERANGE,
		  .error = "syscalls[0].action: errno 65536 is above 65535" },
		{ .names = "", .code = EINVAL, .error = "syscalls[0].names: empty" },
		{ .names = "no_such_call" },
		{ .op = "SCMP_CMP_GT", .index = 5 },
		{ .op = "SCMP_CMP_ABOUT", .code = EINVAL,
		  .error = "syscalls[0].args[0]: unknown operator \"SCMP_CMP_ABOUT\"" },
		{ .op = "SCMP_CMP_EQ", .index = 6, .code = EINVAL,
		  .error = "syscalls[0].args[0].index: 6 is above 5" },
		{ .arch = "SCMP_ARCH_ALPHA", .code = EINVAL,
		  .error = "architectures[0]: unknown architecture \"SCMP_ARCH_ALPHA\"" },
		{ .flag = "SECCOMP_FILTER_FLAG_NEW", .code = EINVAL,
		  .error = "flags[0]: unknown flag \"SECCOMP_FILTER_FLAG_NEW\"" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		owned_arena a = ARENA_INIT;
		struct spec_seccomp_arg arg = {
			.index = rows[i].index, .value = 1, .op = (char *)rows[i].op,
		};
		struct spec_seccomp_rule rule = {
			.action = (char *)(rows[i].action ? rows[i].action : "SCMP_ACT_ERRNO"),
			.errno_ret = { rows[i].errno_ret > 0, rows[i].errno_ret },
			.args = { &arg, rows[i].op ? 1 : 0 },
		};
		struct spec_seccomp s = {
			.default_action = (char *)"SCMP_ACT_LOG", .syscalls = { &rule, 1 },
		};
		struct seccomp_program p = { 0 };
		struct err e = { 0 };
		int r;

		if (!rows[i].names || rows[i].names[0])
			strv_add(&a, &rule.names, rows[i].names ? rows[i].names : "acct");
		if (rows[i].arch)
			strv_add(&a, &s.architectures, rows[i].arch);
		if (rows[i].flag)
			strv_add(&a, &s.flags, rows[i].flag);
		r = seccomp_compile(&a, &s, NULL, &p, &e);
		cr_expect(eq(int, r, -rows[i].code), "row %zu: %s", i, e.text);
		if (rows[i].error)
			cr_expect(eq(str, e.text, (char *)rows[i].error));
		cr_expect(eq(int, p.n > 0, !rows[i].error), "row %zu", i);
	}
}

/* Whatever the specification's reader lets through must mean something here. */
Test(seccomp, every_word_of_the_specification_is_known)
{
	static const struct {
		const char *const *spec, *const *here;
	} rows[] = {
		{ spec_seccomp_actions, seccomp_actions },
		{ spec_seccomp_operators, seccomp_operators },
		{ spec_seccomp_archs, seccomp_archs },
		{ spec_seccomp_flags, seccomp_flags },
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		for (const char *const *w = rows[i].spec; *w; w++) {
			const char *const *known = rows[i].here;

			while (*known && strcmp(*known, *w) != 0)
				known++;
			cr_expect(ne(ptr, (void *)*known, NULL), "%s", *w);
		}
}

Test(seccomp, default_action_is_required)
{
	static const struct {
		const char *action, *error;
	} rows[] = {
		{ NULL, "defaultAction: missing action" },
		{ "allow", "defaultAction: unknown action \"allow\"" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		owned_arena a = ARENA_INIT;
		struct spec_seccomp s = { .default_action = (char *)rows[i].action };
		struct seccomp_program p;
		struct err e = { 0 };

		cr_expect(lt(int, seccomp_compile(&a, &s, NULL, &p, &e), 0));
		cr_expect(eq(str, e.text, (char *)rows[i].error));
	}
}

Test(seccomp, flags)
{
	enum { WAIT_KILLABLE_RECV = 1 << 5 };	/* SECCOMP_FILTER_FLAG_..., Linux 5.19 */
	static const struct {
		const char *names[5];
		unsigned want;
		bool notify;
	} rows[] = {
		{ { NULL }, SECCOMP_FILTER_FLAG_SPEC_ALLOW, false },
		{ { NULL }, SECCOMP_FILTER_FLAG_SPEC_ALLOW | SECCOMP_FILTER_FLAG_NEW_LISTENER, true },
		{ { "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV" },
		  WAIT_KILLABLE_RECV | SECCOMP_FILTER_FLAG_NEW_LISTENER, true },
		{ { "SECCOMP_FILTER_FLAG_LOG" }, SECCOMP_FILTER_FLAG_LOG, false },
		{ { "SECCOMP_FILTER_FLAG_TSYNC" }, 0, false },
		{ { "SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
		    "SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV" },
		  SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_SPEC_ALLOW, false },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		owned_arena a = ARENA_INIT;
		struct spec_seccomp_rule rule = { .action = (char *)"SCMP_ACT_NOTIFY" };
		struct spec_seccomp s = {
			.default_action = (char *)"SCMP_ACT_ALLOW",
			.syscalls = { &rule, rows[i].notify },
		};

		strv_add(&a, &rule.names, "acct");
		for (size_t k = 0; rows[i].names[k]; k++)
			strv_add(&a, &s.flags, rows[i].names[k]);
		cr_expect(eq(u32, compile(&a, &s).flags, rows[i].want), "row %zu", i);
	}
}

/* ---- The cache ----------------------------------------------------------------------------- */

/* The layout of an entry, written down a second time so that tests can forge one. */
struct entry {
	char magic[16];
	uint32_t n, flags;
	struct {
		uint64_t dev, ino, size, mtime_sec, mtime_nsec;
		char path[256];
	} library;
	char hash[HASH_HEX];
	char pad[7];
};

static const struct sock_filter forged_insns[] = { BPF_STMT(BPF_RET | BPF_K, 0x7fff1234) };

struct cache {
	char dir[64], file[512];
	struct arena a;
	struct spec_seccomp *s;
	struct seccomp_program fresh;	/* made without a cache */
};

/* How many entries; the last one's path in path, if that is not NULL. */
static size_t entries(const char *dir, char *path, size_t size)
{
	struct dirent *d;
	size_t n = 0;
	DIR *open_dir = opendir(dir);

	cr_assert(open_dir != NULL);
	while ((d = readdir(open_dir))) {
		if (d->d_name[0] == '.')
			continue;
		if (path)
			snprintf(path, size, "%s/%s", dir, d->d_name);
		n++;
	}
	closedir(open_dir);
	return n;
}

static struct seccomp_program ask_cache(struct cache *c)
{
	struct seccomp_program p;
	struct err e;

	cr_assert(seccomp_compile(&c->a, c->s, c->dir, &p, &e) == 0, "%s", e.text);
	return p;
}

/* Who could write the cache could put this there: a complete, correctly hashed entry. */
static void forge(struct cache *c, const struct sock_filter *insns, size_t n, bool other_library)
{
	owned_str old = STR_INIT;
	const char *name = strrchr(c->file, '/') + 1;
	uint64_t name_length = strlen(name), n_and_flags[2] = { n };
	struct entry head;
	struct hash *h = hash_new();
	struct err e;
	int fd;

	cr_assert(file_read(AT_FDCWD, c->file, 1 << 20, &old, &e) == 0, "%s", e.text);
	cr_assert(gt(sz, old.len, sizeof head));
	memcpy(&head, old.s, sizeof head);
	head.n = (uint32_t)n;
	n_and_flags[1] = head.flags;
	if (other_library)
		head.library.mtime_nsec ^= 1;
	hash_add(h, &name_length, sizeof name_length);
	hash_add(h, name, name_length);
	hash_add(h, &head.library, sizeof head.library);
	hash_add(h, n_and_flags, sizeof n_and_flags);
	hash_add(h, insns, n * sizeof *insns);
	hash_end(h, head.hash);
	fd = open(c->file, O_WRONLY | O_TRUNC | O_CLOEXEC);
	cr_assert(ge(int, fd, 0));
	cr_assert(fd_write_all(fd, &head, sizeof head, c->file, &e) == 0);
	cr_assert(fd_write_all(fd, insns, n * sizeof *insns, c->file, &e) == 0);
	close(fd);
}

/* An engine's, with a rule that takes libseccomp. */
static struct spec_seccomp *library_profile(struct arena *a)
{
	struct spec_seccomp *s = read_profile(a, "tests/data/seccomp-engine.json");
	struct spec_seccomp_rule *v = arena_array(a, struct spec_seccomp_rule, s->syscalls.n + 1);
	struct spec_seccomp_arg *args = arena_array(a, struct spec_seccomp_arg, 2);

	for (size_t i = 0; i < 2; i++)
		args[i] = (struct spec_seccomp_arg){ .index = 1, .value = i, .op = (char *)"SCMP_CMP_GT" };
	memcpy(v, s->syscalls.v, s->syscalls.n * sizeof *v);
	v[s->syscalls.n].action = (char *)"SCMP_ACT_ALLOW";
	v[s->syscalls.n].args.v = args;
	v[s->syscalls.n].args.n = 2;
	strv_add(a, &v[s->syscalls.n].names, "personality");
	s->syscalls.v = v;
	s->syscalls.n++;
	return s;
}

/* A cache with one entry, honest as yet. */
static struct cache cache_new(void)
{
	struct cache c = { .dir = "/tmp/seccomp-cache-XXXXXX" };

	cr_assert(mkdtemp(c.dir) != NULL);
	c.s = library_profile(&c.a);
	c.fresh = compile(&c.a, c.s);
	ask_cache(&c);
	cr_assert(eq(sz, entries(c.dir, c.file, sizeof c.file), 1));
	return c;
}

static void cache_drop(struct cache *c)
{
	while (entries(c->dir, c->file, sizeof c->file) > 0)
		cr_assert(unlink(c->file) == 0);
	rmdir(c->dir);
	arena_free(&c->a);
}

static bool fresh(const struct cache *c, const struct seccomp_program *p)
{
	return p->n == c->fresh.n && memcmp(p->insns, c->fresh.insns, p->n * sizeof *p->insns) == 0;
}

static bool forged(const struct seccomp_program *p)
{
	return p->n == COUNT(forged_insns) &&
	       memcmp(p->insns, forged_insns, sizeof forged_insns) == 0;
}

Test(seccomp_cache, an_entry_is_used)
{
	struct cache c = cache_new();
	struct seccomp_program p = ask_cache(&c);
	struct stat st;

	cr_expect(fresh(&c, &p));
	cr_expect(stat(c.file, &st) == 0);
	cr_expect(eq(u32, st.st_mode & 07777, 0600));
	/* Nothing but the entry can have given this. */
	forge(&c, forged_insns, COUNT(forged_insns), false);
	p = ask_cache(&c);
	cr_expect(forged(&p));
	cr_expect(eq(u32, p.flags, c.fresh.flags));
	cache_drop(&c);
}

Test(seccomp_cache, other_rules_have_another_entry)
{
	struct cache c = cache_new();
	struct seccomp_program p;

	forge(&c, forged_insns, COUNT(forged_insns), false);
	c.s->syscalls.v[2].args.v[0].value++;
	p = ask_cache(&c);
	cr_expect(not(forged(&p)));
	cr_expect(eq(sz, entries(c.dir, NULL, 0), 2));
	c.s->default_errno_ret = (struct opt_u64){ true, 2 };
	p = ask_cache(&c);
	cr_expect(not(forged(&p)));
	strv_add(&c.a, &c.s->syscalls.v[0].names, "mount");
	p = ask_cache(&c);
	cr_expect(not(forged(&p)));
	c.s->architectures.n--;
	p = ask_cache(&c);
	cr_expect(not(forged(&p)));
	strv_add(&c.a, &c.s->flags, "SECCOMP_FILTER_FLAG_LOG");
	p = ask_cache(&c);
	cr_expect(not(forged(&p)));
	cr_expect(eq(u32, p.flags, SECCOMP_FILTER_FLAG_LOG));
	cr_expect(eq(sz, entries(c.dir, NULL, 0), 6));
	cache_drop(&c);
}

/* A text is asked for by its bytes; parsed only when no entry has them. */
Test(seccomp_cache, a_text_has_an_entry_of_its_own)
{
	struct cache c = cache_new();
	struct json_text text = read_text(&c.a, "tests/data/seccomp-engine.json");
	struct json_text other = { text.what, arena_printf(&c.a, "%s\n", text.text), text.size + 1 };
	struct json_text broken = { "broken.json", text.text, text.size - 3 };
	struct cache of_text = { .fresh = compile(&c.a, read_profile(&c.a, "tests/data/seccomp-engine.json")) };
	struct seccomp_program p;
	struct err e;

	cr_assert(unlink(c.file) == 0);	/* that of the rules */
	cr_assert(seccomp_compile_text(&c.a, &text, c.dir, &p, &e) == 0, "%s", e.text);
	cr_expect(fresh(&of_text, &p));
	cr_expect(eq(u32, p.flags, c.fresh.flags));
	cr_assert(eq(sz, entries(c.dir, c.file, sizeof c.file), 1));
	forge(&c, forged_insns, COUNT(forged_insns), false);
	cr_assert(seccomp_compile_text(&c.a, &text, c.dir, &p, &e) == 0, "%s", e.text);
	cr_expect(forged(&p));
	cr_expect(eq(u32, p.flags, c.fresh.flags));
	cr_assert(seccomp_compile_text(&c.a, &other, c.dir, &p, &e) == 0, "%s", e.text);
	cr_expect(fresh(&of_text, &p));
	cr_expect(eq(sz, entries(c.dir, NULL, 0), 2));
	p = ask_cache(&c);
	cr_expect(fresh(&c, &p));
	cr_expect(eq(sz, entries(c.dir, NULL, 0), 3));
	cr_expect(lt(int, seccomp_compile_text(&c.a, &broken, c.dir, &p, &e), 0));
	cr_expect(strncmp(e.text, "broken.json:", 12) == 0, "%s", e.text);
	cr_expect(eq(sz, entries(c.dir, NULL, 0), 3));
	cache_drop(&c);
}

static void by_group(struct cache *c)
{
	cr_assert(chmod(c->file, 0660) == 0);
}

static void by_others(struct cache *c)
{
	cr_assert(chmod(c->file, 0602) == 0);
}

static void by_stranger(struct cache *c)
{
	cr_assert(chown(c->file, 65534, 65534) == 0);
}

static void through_link(struct cache *c)
{
	owned_arena a = ARENA_INIT;
	const char *to = arena_printf(&a, "%s/other", c->dir);

	cr_assert(rename(c->file, to) == 0);
	cr_assert(symlink(to, c->file) == 0);
}

static void fifo_in_place(struct cache *c)
{
	cr_assert(unlink(c->file) == 0);
	cr_assert(mkfifo(c->file, 0600) == 0);
}

static void one_byte_changed(struct cache *c)
{
	int fd = open(c->file, O_WRONLY | O_CLOEXEC);
	struct stat st;
	char byte = 0x55;

	cr_assert(fstat(fd, &st) == 0);
	cr_assert(pwrite(fd, &byte, 1, st.st_size - 3) == 1);
	close(fd);
}

static void cut(struct cache *c)
{
	cr_assert(truncate(c->file, (off_t)sizeof(struct entry) + 4) == 0);
}

static void emptied(struct cache *c)
{
	cr_assert(truncate(c->file, 0) == 0);
}

static void longer(struct cache *c)
{
	struct stat st;

	cr_assert(stat(c->file, &st) == 0);
	cr_assert(truncate(c->file, st.st_size + 8) == 0);
}

static void without_instructions(struct cache *c)
{
	forge(c, forged_insns, 0, false);
}

static void with_too_many(struct cache *c)
{
	static struct sock_filter many[BPF_MAXINSNS + 1];

	forge(c, many, COUNT(many), false);
}

static void of_another_library(struct cache *c)
{
	forge(c, forged_insns, COUNT(forged_insns), true);
}

static void of_other_rules(struct cache *c)
{
	owned_arena a = ARENA_INIT;
	char *aside = arena_printf(&a, "%s/aside", c->dir);
	uint64_t *value = &c->s->syscalls.v[2].args.v[0].value;

	/* A correct entry of other rules, under these rules' name. */
	cr_assert(rename(c->file, aside) == 0);
	(*value)++;
	ask_cache(c);
	(*value)--;
	cr_assert(unlink(aside) == 0);
	char other[sizeof c->file];
	cr_assert(eq(sz, entries(c->dir, other, sizeof other), 1));
	cr_assert(rename(other, c->file) == 0);
}

Test(seccomp_cache, an_entry_that_cannot_be_trusted_is_replaced)
{
	static const struct {
		const char *what;
		void (*spoil)(struct cache *c);
	} rows[] = {
		{ "group may write it", by_group },
		{ "others may write it", by_others },
		{ "somebody else's", by_stranger },
		{ "symbolic link", through_link },
		{ "fifo", fifo_in_place },
		{ "one byte changed", one_byte_changed },
		{ "cut", cut },
		{ "empty", emptied },
		{ "longer", longer },
		{ "no instructions", without_instructions },
		{ "too many instructions", with_too_many },
		{ "made by another libseccomp", of_another_library },
		{ "another's entry under this name", of_other_rules },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct cache c = cache_new();
		struct seccomp_program p;
		struct stat st;

		if (rows[i].spoil == by_stranger && geteuid() != 0) {
			cache_drop(&c);
			continue;
		}
		forge(&c, forged_insns, COUNT(forged_insns), false);
		rows[i].spoil(&c);
		p = ask_cache(&c);
		cr_expect(fresh(&c, &p), "%s: used", rows[i].what);
		cr_assert(lstat(c.file, &st) == 0, "%s", rows[i].what);
		cr_expect(eq(u32, st.st_mode, S_IFREG | 0600), "%s: not replaced", rows[i].what);
		cr_expect(eq(u32, st.st_uid, geteuid()), "%s", rows[i].what);
		forge(&c, forged_insns, COUNT(forged_insns), false);
		p = ask_cache(&c);
		cr_expect(forged(&p), "%s: not used after it was replaced", rows[i].what);
		cache_drop(&c);
	}
}

Test(seccomp_cache, a_directory_that_cannot_be_trusted_is_not_used)
{
	static const struct {
		const char *what;
		mode_t mode;
		uid_t owner;
		bool link;
	} rows[] = {
		{ "group may write it", 0770, 0, false },
		{ "others may write it", 0703, 0, false },
		{ "sticky, as /tmp is", 01777, 0, false },
		{ "somebody else's", 0700, 65534, false },
		{ "symbolic link", 0700, 0, true },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct cache c = cache_new();
		char real[sizeof c.dir + 8];
		struct seccomp_program p;

		if (geteuid() != 0 && rows[i].owner)
			continue;
		forge(&c, forged_insns, COUNT(forged_insns), false);
		snprintf(real, sizeof real, "%s-real", c.dir);
		cr_assert(chmod(c.dir, rows[i].mode) == 0);
		if (rows[i].owner)
			cr_assert(chown(c.dir, rows[i].owner, rows[i].owner) == 0);
		if (rows[i].link)
			cr_assert(rename(c.dir, real) == 0 && symlink(real, c.dir) == 0);
		p = ask_cache(&c);
		cr_expect(fresh(&c, &p), "%s: read", rows[i].what);
		cr_assert(unlink(c.file) == 0);
		p = ask_cache(&c);
		cr_expect(fresh(&c, &p), "%s", rows[i].what);
		cr_expect(eq(sz, entries(c.dir, NULL, 0), 0), "%s: written", rows[i].what);
		if (rows[i].link)
			cr_assert(unlink(c.dir) == 0 && rename(real, c.dir) == 0);
		cache_drop(&c);
	}
}

Test(seccomp_cache, it_is_made_and_its_failure_costs_nothing)
{
	struct cache c = cache_new();
	struct seccomp_program p;
	struct stat st;

	cache_drop(&c);
	c.s = library_profile(&c.a);
	c.fresh = compile(&c.a, c.s);
	p = ask_cache(&c);	/* makes the directory */
	cr_expect(fresh(&c, &p));
	cr_expect(stat(c.dir, &st) == 0 && (st.st_mode & 07777) == 0700);
	cr_expect(eq(sz, entries(c.dir, NULL, 0), 1));
	while (entries(c.dir, c.file, sizeof c.file) > 0)
		cr_assert(unlink(c.file) == 0);
	rmdir(c.dir);
	snprintf(c.dir, sizeof c.dir, "/proc/none/of/these");
	p = ask_cache(&c);
	cr_expect(fresh(&c, &p));
	arena_free(&c.a);
}
