/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seccomp: what the compiled programs answer, table by table, from a small
 * interpreter of classic BPF; and what is refused.  The agent's profiles and
 * the cache have tests of their own.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "sandbox/seccomp_numbers.h"
#include "sandbox/seccomp_parts.h"
#include "seccomp_profiles.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

#if defined(__x86_64__)

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
