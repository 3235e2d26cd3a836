/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/seccomp.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/hash.h"
#include "base/host.h"
#include "base/str.h"
#include "sandbox/seccomp_fold.h"

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)	/* Linux 5.19 */
#endif

/* 4094: libseccomp's limit, one below the kernel's. */
enum { ARGS_MOST = 6, ERRNO_MOST = 4094, DATA_MOST = 65535 };

/* ---- The specification's words ------------------------------------------------------------- */

#define NAME(name, ...) name,
#define ROW(...) { __VA_ARGS__ },

/* name, libseccomp's action, the greatest value that may go with it (0: none) */
#define ACTIONS(X)								\
	X("SCMP_ACT_KILL", SCMP_ACT_KILL_THREAD, 0)				\
	X("SCMP_ACT_KILL_PROCESS", SCMP_ACT_KILL_PROCESS, 0)			\
	X("SCMP_ACT_KILL_THREAD", SCMP_ACT_KILL_THREAD, 0)			\
	X("SCMP_ACT_TRAP", SCMP_ACT_TRAP, 0)					\
	X("SCMP_ACT_ERRNO", SCMP_ACT_ERRNO(0), ERRNO_MOST)			\
	X("SCMP_ACT_TRACE", SCMP_ACT_TRACE(0), DATA_MOST)			\
	X("SCMP_ACT_ALLOW", SCMP_ACT_ALLOW, 0)					\
	X("SCMP_ACT_LOG", SCMP_ACT_LOG, 0)					\
	X("SCMP_ACT_NOTIFY", SCMP_ACT_NOTIFY, 0)

#define OPERATORS(X)								\
	X("SCMP_CMP_NE", SCMP_CMP_NE)						\
	X("SCMP_CMP_LT", SCMP_CMP_LT)						\
	X("SCMP_CMP_LE", SCMP_CMP_LE)						\
	X("SCMP_CMP_EQ", SCMP_CMP_EQ)						\
	X("SCMP_CMP_GE", SCMP_CMP_GE)						\
	X("SCMP_CMP_GT", SCMP_CMP_GT)						\
	X("SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ)

/* The kernel reports x32 as x86-64, with a bit in the number. */
#if defined(__x86_64__)
#define ON_X86 true
#define ON_ARM64 false
#elif defined(__aarch64__)
#define ON_X86 false
#define ON_ARM64 true
#else	/* nothing is left out elsewhere */
#define ON_X86 true
#define ON_ARM64 true
#endif
#define ON_OTHER (ON_X86 == ON_ARM64)

#ifndef SCMP_ARCH_LOONGARCH64
#define SCMP_ARCH_LOONGARCH64 0xc0000102u	/* libseccomp 2.6 */
#endif

/* name, libseccomp's token, the kernel's name for it, whether this kernel can report it */
#define ARCHS(X)								\
	X("SCMP_ARCH_X86", SCMP_ARCH_X86, AUDIT_ARCH_I386, ON_X86)		\
	X("SCMP_ARCH_X86_64", SCMP_ARCH_X86_64, AUDIT_ARCH_X86_64, ON_X86)	\
	X("SCMP_ARCH_X32", SCMP_ARCH_X32, AUDIT_ARCH_X86_64, ON_X86)		\
	X("SCMP_ARCH_ARM", SCMP_ARCH_ARM, AUDIT_ARCH_ARM, ON_ARM64)		\
	X("SCMP_ARCH_AARCH64", SCMP_ARCH_AARCH64, AUDIT_ARCH_AARCH64, ON_ARM64)	\
	X("SCMP_ARCH_M68K", AUDIT_ARCH_M68K, AUDIT_ARCH_M68K, ON_OTHER)		\
	X("SCMP_ARCH_MIPS", SCMP_ARCH_MIPS, SCMP_ARCH_MIPS, ON_OTHER)		\
	X("SCMP_ARCH_MIPS64", SCMP_ARCH_MIPS64, SCMP_ARCH_MIPS64, ON_OTHER)	\
	X("SCMP_ARCH_MIPS64N32", SCMP_ARCH_MIPS64N32, SCMP_ARCH_MIPS64N32, ON_OTHER)	\
	X("SCMP_ARCH_MIPSEL", SCMP_ARCH_MIPSEL, SCMP_ARCH_MIPSEL, ON_OTHER)	\
	X("SCMP_ARCH_MIPSEL64", SCMP_ARCH_MIPSEL64, SCMP_ARCH_MIPSEL64, ON_OTHER)	\
	X("SCMP_ARCH_MIPSEL64N32", SCMP_ARCH_MIPSEL64N32, SCMP_ARCH_MIPSEL64N32, ON_OTHER)	\
	X("SCMP_ARCH_PPC", SCMP_ARCH_PPC, SCMP_ARCH_PPC, ON_OTHER)		\
	X("SCMP_ARCH_PPC64", SCMP_ARCH_PPC64, SCMP_ARCH_PPC64, ON_OTHER)	\
	X("SCMP_ARCH_PPC64LE", SCMP_ARCH_PPC64LE, SCMP_ARCH_PPC64LE, ON_OTHER)	\
	X("SCMP_ARCH_S390", SCMP_ARCH_S390, SCMP_ARCH_S390, ON_OTHER)		\
	X("SCMP_ARCH_S390X", SCMP_ARCH_S390X, SCMP_ARCH_S390X, ON_OTHER)	\
	X("SCMP_ARCH_PARISC", SCMP_ARCH_PARISC, SCMP_ARCH_PARISC, ON_OTHER)	\
	X("SCMP_ARCH_PARISC64", SCMP_ARCH_PARISC64, SCMP_ARCH_PARISC64, ON_OTHER)	\
	X("SCMP_ARCH_RISCV64", SCMP_ARCH_RISCV64, SCMP_ARCH_RISCV64, ON_OTHER)	\
	X("SCMP_ARCH_SH", AUDIT_ARCH_SHEL, AUDIT_ARCH_SHEL, ON_OTHER)		\
	X("SCMP_ARCH_SHEB", AUDIT_ARCH_SH, AUDIT_ARCH_SH, ON_OTHER)		\
	X("SCMP_ARCH_LOONGARCH64", SCMP_ARCH_LOONGARCH64, SCMP_ARCH_LOONGARCH64, ON_OTHER)

/*
 * name, what seccomp(2) gets for it.  The first process of the container has
 * one thread, so there is nothing to synchronise.
 */
#define FLAGS(X)								\
	X("SECCOMP_FILTER_FLAG_TSYNC", 0)					\
	X("SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG)			\
	X("SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW)	\
	X("SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV)

const char *const seccomp_actions[] = { ACTIONS(NAME) NULL };
const char *const seccomp_operators[] = { OPERATORS(NAME) NULL };
const char *const seccomp_archs[] = { ARCHS(NAME) NULL };
const char *const seccomp_flags[] = { FLAGS(NAME) NULL };

static const struct {
	const char *name;
	uint32_t action, value_most;
} actions[] = { ACTIONS(ROW) };

static const struct {
	const char *name;
	enum scmp_compare op;
} operators[] = { OPERATORS(ROW) };

static const struct arch {
	const char *name;
	uint32_t token, audit;
	bool possible;
} archs[] = { ARCHS(ROW) };

static const struct {
	const char *name;
	unsigned flag;
} flags[] = { FLAGS(ROW) };

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static long word(const char *const *table, const char *name)
{
	for (long i = 0; name && table[i]; i++)
		if (strcmp(table[i], name) == 0)
			return i;
	return -1;
}

static int unknown(struct err *e, const char *where, const char *kind, const char *name)
{
	if (!name)
		return err_say(e, EINVAL, "%s: missing %s", where, kind);
	return err_say(e, EINVAL, "%s: unknown %s \"%.64s\"", where, kind, name);
}

static int action_of(const char *name, const struct opt_u64 *value, const char *where,
		     uint32_t *ret, struct err *e)
{
	long i = word(seccomp_actions, name);
	uint64_t v = value->set ? value->v : EPERM;	/* the default in config-linux.md */

	if (i < 0)
		return unknown(e, where, "action", name);
	if (!actions[i].value_most && value->set)
		return err_say(e, EINVAL, "%s: %s takes no errno", where, name);
	if (!actions[i].value_most)
		v = 0;
	else if (v > actions[i].value_most)
		return err_say(e, ERANGE, "%s: errno %" PRIu64 " is above %" PRIu32,
			       where, v, actions[i].value_most);
	*ret = actions[i].action | (uint32_t)v;
	return 0;
}

/* ---- The rules, checked and in libseccomp's terms ------------------------------------------ */

struct rule {
	const struct strv *names;
	uint32_t action;
	struct scmp_arg_cmp *args;
	unsigned n;
	bool alternatives;	/* two conditions on one argument: each is a rule of its own */
};

struct rules {
	uint32_t default_action;
	unsigned flags;
	const struct arch *archs[COUNT(archs)];	/* asked for and possible here */
	size_t n_archs;
	struct rule *v;
	size_t n;
};

static int rule_from_spec(struct arena *a, const struct spec_seccomp_rule *s, size_t number,
			  struct rule *ret, struct err *e)
{
	unsigned used = 0;
	char where[64];
	int r;

	snprintf(where, sizeof where, "syscalls[%zu].action", number);
	r = action_of(s->action, &s->errno_ret, where, &ret->action, e);
	if (r < 0)
		return r;
	if (s->names.n == 0)
		return err_say(e, EINVAL, "syscalls[%zu].names: empty", number);
	ret->names = &s->names;
	ret->args = arena_array(a, struct scmp_arg_cmp, s->args.n);
	for (size_t i = 0; i < s->args.n; i++) {
		const struct spec_seccomp_arg *arg = &s->args.v[i];
		long op = word(seccomp_operators, arg->op);

		snprintf(where, sizeof where, "syscalls[%zu].args[%zu]", number, i);
		if (op < 0)
			return unknown(e, where, "operator", arg->op);
		if (arg->index >= ARGS_MOST)
			return err_say(e, EINVAL, "%s.index: %" PRIu64 " is above 5",
				       where, arg->index);
		if (used & 1u << arg->index)
			ret->alternatives = true;
		used |= 1u << arg->index;
		ret->args[i] = (struct scmp_arg_cmp){
			.arg = (unsigned)arg->index,
			.op = operators[op].op,
			.datum_a = arg->value,
			.datum_b = arg->value_two,
		};
	}
	ret->n = (unsigned)s->args.n;
	return 0;
}

/* A rule that asks a listener makes the filter one with a listener. */
static unsigned listener_flags(const struct rules *rules)
{
	for (size_t i = 0; i < rules->n; i++)
		if (rules->v[i].action == SCMP_ACT_NOTIFY)
			return rules->flags | SECCOMP_FILTER_FLAG_NEW_LISTENER;
	/* Without one the kernel refuses a flag that would change nothing. */
	return rules->flags & ~(unsigned)SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
}

static int rules_from_spec(struct arena *a, const struct spec_seccomp *s, struct rules *ret,
			   struct err *e)
{
	char where[64];
	int r;

	r = action_of(s->default_action, &s->default_errno_ret, "defaultAction",
		      &ret->default_action, e);
	if (r < 0)
		return r;

	for (size_t i = 0; i < s->architectures.n; i++) {
		long k = word(seccomp_archs, s->architectures.v[i]);
		bool twice = false;

		snprintf(where, sizeof where, "architectures[%zu]", i);
		if (k < 0)
			return unknown(e, where, "architecture", s->architectures.v[i]);
		for (size_t j = 0; j < ret->n_archs; j++)
			twice |= ret->archs[j] == &archs[k];
		if (!twice && archs[k].possible)
			ret->archs[ret->n_archs++] = &archs[k];
	}

	/* Without any, runc asks for SPEC_ALLOW: on kernels before 5.16 a filter would otherwise
	 * slow the whole container down (speculative store bypass). */
	if (!s->flags.v)
		ret->flags = SECCOMP_FILTER_FLAG_SPEC_ALLOW;
	for (size_t i = 0; i < s->flags.n; i++) {
		long k = word(seccomp_flags, s->flags.v[i]);

		snprintf(where, sizeof where, "flags[%zu]", i);
		if (k < 0)
			return unknown(e, where, "flag", s->flags.v[i]);
		ret->flags |= flags[k].flag;
	}

	ret->v = arena_array(a, struct rule, s->syscalls.n);
	ret->n = s->syscalls.n;
	for (size_t i = 0; i < s->syscalls.n; i++) {
		r = rule_from_spec(a, &s->syscalls.v[i], i, &ret->v[i], e);
		if (r < 0)
			return r;
	}
	ret->flags = listener_flags(ret);
	return 0;
}

/* ---- libseccomp, loaded on demand ---------------------------------------------------------- */

struct library {
	__typeof__(seccomp_init) *init;
	__typeof__(seccomp_release) *release;
	__typeof__(seccomp_arch_add) *arch_add;
	__typeof__(seccomp_arch_native) *arch_native;
	__typeof__(seccomp_attr_set) *attr_set;
	__typeof__(seccomp_rule_add_array) *rule_add;
	__typeof__(seccomp_syscall_resolve_name) *resolve;
	__typeof__(seccomp_syscall_resolve_name_arch) *resolve_arch;
	__typeof__(seccomp_export_bpf) *export_bpf;
	char path[PATH_MAX];
};

static int library_load(struct library *ret, struct err *e)
{
	/* Loading it takes longer than everything else that a cache hit does. */
	void *so = NULL;
	const struct {
		const char *name;
		void *function;
	} wanted[] = {
		{ "seccomp_init", &ret->init },
		{ "seccomp_release", &ret->release },
		{ "seccomp_arch_add", &ret->arch_add },
		{ "seccomp_arch_native", &ret->arch_native },
		{ "seccomp_attr_set", &ret->attr_set },
		{ "seccomp_rule_add_array", &ret->rule_add },
		{ "seccomp_syscall_resolve_name", &ret->resolve },
		{ "seccomp_syscall_resolve_name_arch", &ret->resolve_arch },
		{ "seccomp_export_bpf", &ret->export_bpf },
	};

	if (host_open("libseccomp.so.2", &so, e) < 0)
		return err_in(e, "the specification asks for seccomp");
	for (size_t i = 0; i < COUNT(wanted); i++)
		if (host_function(so, wanted[i].name, wanted[i].function, e) < 0)
			return err_in(e, "libseccomp is too old");
	host_path(so, ret->path, sizeof ret->path);
	return 0;
}

static int add_rule(const struct library *lib, scmp_filter_ctx ctx, const struct rule *rule,
		    const char *name, struct err *e)
{
	int number = lib->resolve(name);
	int r = 0;

	/* A call of another kernel or architecture than libseccomp knows (as in runc): under a
	 * list of what is allowed it stays forbidden. */
	if (number == __NR_SCMP_ERROR)
		return 0;
	if (!rule->alternatives)
		r = lib->rule_add(ctx, rule->action, number, rule->n, rule->args);
	else
		for (unsigned i = 0; i < rule->n && r == 0; i++)
			r = lib->rule_add(ctx, rule->action, number, 1, &rule->args[i]);
	if (r < 0)
		return err_set(e, -r, "libseccomp: rule for %s", name);
	return 0;
}

static int add_rules(const struct library *lib, scmp_filter_ctx ctx, const struct rules *rules,
		     struct err *e)
{
	int r;

	for (size_t i = 0; i < rules->n_archs; i++) {
		r = lib->arch_add(ctx, rules->archs[i]->token);
		if (r < 0 && r != -EEXIST)	/* the native one is there from the start */
			return err_set(e, -r, "libseccomp: architecture %s", rules->archs[i]->name);
	}
	/* A binary tree: loads and runs faster; libseccomp 2.5 and later. */
	lib->attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	for (size_t i = 0; i < rules->n; i++) {
		const struct rule *rule = &rules->v[i];

		/* libseccomp refuses a rule that says what is said already. */
		if (rule->action == rules->default_action)
			continue;
		for (size_t k = 0; k < rule->names->n; k++) {
			r = add_rule(lib, ctx, rule, rule->names->v[k], e);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

/* ---- ENOSYS for calls newer than the profile ----------------------------------------------- */

enum { X32_BIT = 0x40000000, STUB_MOST = 1 + 7 * COUNT(archs) };

struct stub {
	struct sock_filter v[STUB_MOST];
	size_t n;
};

/* The greatest number that the rules name on that architecture, -1 if none. */
static int64_t newest_call(const struct library *lib, const struct rules *rules, uint32_t token)
{
	int64_t newest = -1;

	for (size_t i = 0; i < rules->n; i++)
		for (size_t k = 0; k < rules->v[i].names->n; k++) {
			int n = lib->resolve_arch(token, rules->v[i].names->v[k]);

			/* Negative ones are libseccomp's own, for calls of other architectures. */
			if (n > newest)
				newest = n;
		}
	return newest;
}

static void stub_put(struct stub *stub, struct sock_filter insn)
{
	assert(stub->n < STUB_MOST);
	stub->v[stub->n++] = insn;
}

/*
 * C libraries fall back to an older call when a new one gives ENOSYS, not when
 * it gives EPERM.  A profile cannot have meant to forbid what did not exist
 * when it was written, so runc answers ENOSYS for numbers above the greatest
 * that the profile names; so do we, in instructions ahead of libseccomp's:
 * each architecture's part either returns or jumps to the end.
 */
static void stub_make(const struct library *lib, const struct rules *rules, struct stub *stub)
{
	const uint32_t enosys = SECCOMP_RET_ERRNO | ENOSYS;
	struct arch native = { .token = lib->arch_native() };
	const struct arch *list[COUNT(archs)] = { &native };
	size_t n_list = 1, jumps[COUNT(archs)], n_jumps = 0;
	bool x32 = false;

	for (size_t i = 0; i < COUNT(archs); i++)
		if (archs[i].token == native.token)
			native = archs[i];
	for (size_t i = 0; i < rules->n_archs; i++) {
		if (rules->archs[i]->token == SCMP_ARCH_X32)
			x32 = true;
		else if (rules->archs[i]->token != native.token)
			list[n_list++] = rules->archs[i];
	}

	stub_put(stub, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
						    offsetof(struct seccomp_data, arch)));
	for (size_t i = 0; i < n_list; i++) {
		int64_t newest = newest_call(lib, rules, list[i]->token);
		int64_t newest_x32 = -1;
		size_t head = stub->n;

		if (newest < 0)
			continue;
		if (list[i]->audit == AUDIT_ARCH_X86_64 && x32)
			newest_x32 = newest_call(lib, rules, SCMP_ARCH_X32);
		stub_put(stub, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
							    list[i]->audit, 0, 0));
		stub_put(stub, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
							    offsetof(struct seccomp_data, nr)));
		if (newest_x32 >= 0) {
			stub_put(stub, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K,
								    X32_BIT, 1, 0));
			stub_put(stub, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K,
								    (uint32_t)newest, 1, 2));
			newest = newest_x32;
		} else if (list[i]->audit == AUDIT_ARCH_X86_64) {
			/* libseccomp's part refuses it as a foreign architecture. */
			stub_put(stub, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K,
								    X32_BIT, 2, 0));
		}
		stub_put(stub, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K,
							    (uint32_t)newest, 0, 1));
		stub_put(stub, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, enosys));
		jumps[n_jumps++] = stub->n;
		stub_put(stub, (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, 0));
		stub->v[head].jf = (uint8_t)(stub->n - head - 1);
	}
	for (size_t i = 0; i < n_jumps; i++)
		stub->v[jumps[i]].k = (uint32_t)(stub->n - jumps[i] - 1);
}

/* runc's condition: what the default lets through needs no way out, and a default of ENOSYS is
 * the way out itself. */
static bool stub_wanted(const struct rules *rules)
{
	switch (rules->default_action & SECCOMP_RET_ACTION_FULL) {
	case SCMP_ACT_ALLOW:
	case SCMP_ACT_LOG:
	case SCMP_ACT_TRACE(0):
		return false;
	}
	return rules->default_action != SCMP_ACT_ERRNO(ENOSYS);
}

/* ---- Making a program ---------------------------------------------------------------------- */

static int export_program(struct arena *a, const struct library *lib, scmp_filter_ctx ctx,
			  const struct stub *stub, struct seccomp_program *ret, struct err *e)
{
	owned_fd fd = memfd_create("seccomp", MFD_CLOEXEC);
	struct seccomp_program program = { 0 };
	struct stat st;
	size_t size;
	int r;

	if (fd < 0)
		return err_set(e, errno, "memfd_create");
	r = lib->export_bpf(ctx, fd);
	if (r < 0)
		return err_set(e, -r, "libseccomp: export");
	if (fstat(fd, &st) < 0)
		return err_set(e, errno, "fstat of the exported program");
	size = (size_t)st.st_size;
	program.n = stub->n + size / sizeof *program.insns;
	if (size == 0 || size % sizeof *program.insns)
		return err_say(e, EINVAL, "libseccomp exported %zu bytes", size);
	if (program.n > BPF_MAXINSNS)
		return err_say(e, E2BIG, "%zu instructions, the kernel takes %d",
			       program.n, BPF_MAXINSNS);
	program.insns = arena_array(a, struct sock_filter, program.n);
	memcpy(program.insns, stub->v, stub->n * sizeof *stub->v);
	if (pread(fd, program.insns + stub->n, size, 0) != (ssize_t)size)
		return err_say(e, EIO, "the exported program cannot be read back");
	*ret = program;
	return 0;
}

static int program_make(struct arena *a, const struct library *lib, const struct rules *rules,
			struct seccomp_program *ret, struct err *e)
{
	scmp_filter_ctx ctx = lib->init(rules->default_action);
	struct stub stub = { .n = 0 };
	int r;

	if (!ctx)
		return err_say(e, EINVAL, "libseccomp does not take the default action 0x%" PRIx32,
			       rules->default_action);
	r = add_rules(lib, ctx, rules, e);
	if (r == 0 && stub_wanted(rules))
		stub_make(lib, rules, &stub);
	if (r == 0)
		r = export_program(a, lib, ctx, &stub, ret, e);
	if (r == 0)
		seccomp_fold(a, ret);
	lib->release(ctx);
	return r;
}

/* ---- The cache ----------------------------------------------------------------------------- */

/* The file that made a program. A package upgrade replaces it, and with it every entry. */
struct origin {
	uint64_t dev, ino, size, mtime_sec, mtime_nsec;
	char path[256];
};

struct cache_file {
	char magic[16];
	uint32_t n, flags;	/* as in struct seccomp_program */
	struct origin library;
	char hash[HASH_HEX];	/* of the name, the head from n on, and the instructions */
	char pad[7];
};

/* To be counted up whenever the same rules or the same text come to mean another program. */
static const char cache_magic[16] = "agentrun-bpf-3\n";

static int origin_of(const char *path, struct origin *ret)
{
	struct stat st;

	memset(ret, 0, sizeof *ret);
	if (strlen(path) >= sizeof ret->path || path[0] != '/' || stat(path, &st) < 0)
		return -1;
	strcpy(ret->path, path);
	ret->dev = st.st_dev;
	ret->ino = st.st_ino;
	ret->size = (uint64_t)st.st_size;
	ret->mtime_sec = (uint64_t)st.st_mtim.tv_sec;
	ret->mtime_nsec = (uint64_t)st.st_mtim.tv_nsec;
	return 0;
}

static void add_number(struct hash *h, uint64_t v)
{
	hash_add(h, &v, sizeof v);
}

static void add_text(struct hash *h, const char *text)
{
	size_t n = strlen(text);

	add_number(h, n);
	hash_add(h, text, n);
}

/* Everything that a program depends on, but for the library and what it is made of. */
static struct hash *name_begin(const char *made_of)
{
	struct hash *h = hash_new();
	struct utsname host = { 0 };

	uname(&host);
	add_text(h, cache_magic);
	add_text(h, host.release);
	add_text(h, host.machine);
	add_text(h, made_of);
	return h;
}

/* Lengths go before what they count, so that no two sets of rules look alike. */
static void name_of_rules(const struct rules *rules, char ret[HASH_HEX])
{
	struct hash *h = name_begin("rules");

	add_number(h, rules->default_action);
	add_number(h, rules->flags);
	add_number(h, rules->n_archs);
	for (size_t i = 0; i < rules->n_archs; i++)
		add_number(h, rules->archs[i]->token);
	add_number(h, rules->n);
	for (size_t i = 0; i < rules->n; i++) {
		const struct rule *rule = &rules->v[i];

		add_number(h, rule->action);
		add_number(h, rule->names->n);
		for (size_t k = 0; k < rule->names->n; k++)
			add_text(h, rule->names->v[k]);
		add_number(h, rule->n);
		for (size_t k = 0; k < rule->n; k++) {
			add_number(h, rule->args[k].arg);
			add_number(h, rule->args[k].op);
			add_number(h, rule->args[k].datum_a);
			add_number(h, rule->args[k].datum_b);
		}
	}
	hash_end(h, ret);
}

static void name_of_text(const struct json_text *profile, char ret[HASH_HEX])
{
	struct hash *h = name_begin("text");

	hash_add(h, profile->text, profile->size);
	hash_end(h, ret);
}

static void cache_hash(const char *name, const struct cache_file *head,
		       const struct sock_filter *insns, char ret[HASH_HEX])
{
	struct hash *h = hash_new();

	add_text(h, name);
	hash_add(h, &head->library, sizeof head->library);
	add_number(h, head->n);
	add_number(h, head->flags);
	hash_add(h, insns, head->n * sizeof *insns);
	hash_end(h, ret);
}

/* Who can write here can choose the container's filter. */
static bool trusted(const struct stat *st, mode_t type)
{
	return (st->st_mode & S_IFMT) == type && st->st_uid == geteuid() &&
	       !(st->st_mode & (S_IWGRP | S_IWOTH));
}

/* The directory, -1 if there is none to be trusted. */
static int cache_open(const char *dir)
{
	owned_fd fd = -1;
	struct stat st;

	if (!dir)
		return -1;
	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return -1;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0 || !trusted(&st, S_IFDIR))
		return -1;
	return fd_take(&fd);
}

static bool cache_read(struct arena *a, int dir, const char *name, struct seccomp_program *ret)
{
	owned_fd fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct sock_filter *insns;
	struct cache_file head;
	struct origin now;
	struct stat st;
	char hash[HASH_HEX];
	ssize_t size;

	if (fd < 0 || fstat(fd, &st) < 0 || !trusted(&st, S_IFREG))
		return false;
	if (read(fd, &head, sizeof head) != (ssize_t)sizeof head ||
	    memcmp(head.magic, cache_magic, sizeof cache_magic) != 0 ||
	    head.n == 0 || head.n > BPF_MAXINSNS)
		return false;
	size = (ssize_t)(head.n * sizeof *insns);
	if (st.st_size != (off_t)sizeof head + size)
		return false;
	if (!memchr(head.library.path, '\0', sizeof head.library.path) ||
	    origin_of(head.library.path, &now) < 0 ||
	    memcmp(&now, &head.library, sizeof now) != 0)
		return false;
	insns = arena_array(a, struct sock_filter, head.n);
	if (read(fd, insns, (size_t)size) != size)
		return false;
	cache_hash(name, &head, insns, hash);
	if (memcmp(hash, head.hash, sizeof hash) != 0)
		return false;
	*ret = (struct seccomp_program){ insns, head.n, head.flags };
	return true;
}

/* Failure only costs the next start its time. */
static void cache_write(int dir, const char *name, const struct library *lib,
			const struct seccomp_program *program)
{
	struct cache_file head = { .n = (uint32_t)program->n, .flags = program->flags };
	owned_str file = STR_INIT;
	struct err ignored;

	if (origin_of(lib->path, &head.library) < 0)
		return;
	memcpy(head.magic, cache_magic, sizeof cache_magic);
	cache_hash(name, &head, program->insns, head.hash);
	str_append(&file, &head, sizeof head);
	str_append(&file, program->insns, program->n * sizeof *program->insns);
	file_replace(dir, name, file.s, file.len, 0600, &ignored);
}

/* The way of a miss; cache: -1 if there is none. */
static int make_and_keep(struct arena *a, const struct rules *rules, int cache, const char *name,
			 struct seccomp_program *ret, struct err *e)
{
	struct seccomp_program program = { 0 };
	struct library lib = { 0 };
	int r;

	r = library_load(&lib, e);
	if (r == 0)
		r = program_make(a, &lib, rules, &program, e);
	if (r < 0)
		return r;
	program.flags = rules->flags;
	if (cache >= 0)
		cache_write(cache, name, &lib, &program);
	*ret = program;
	return 0;
}

int seccomp_compile(struct arena *a, const struct spec_seccomp *s, const char *cache_dir,
		    struct seccomp_program *ret, struct err *e)
{
	struct rules rules = { 0 };
	owned_fd cache = -1;
	char name[HASH_HEX];
	int r;

	r = rules_from_spec(a, s, &rules, e);
	if (r < 0)
		return r;
	name_of_rules(&rules, name);
	cache = cache_open(cache_dir);
	if (cache >= 0 && cache_read(a, cache, name, ret))
		return 0;
	return make_and_keep(a, &rules, cache, name, ret, e);
}

int seccomp_compile_text(struct arena *a, const struct json_text *profile, const char *cache_dir,
			 struct seccomp_program *ret, struct err *e)
{
	struct spec_seccomp *s = NULL;
	struct rules rules = { 0 };
	owned_fd cache = -1;
	char name[HASH_HEX];
	int r;

	name_of_text(profile, name);
	cache = cache_open(cache_dir);
	if (cache >= 0 && cache_read(a, cache, name, ret))
		return 0;
	r = spec_parse_seccomp(a, profile, &s, e);
	if (r < 0)
		return r;
	r = rules_from_spec(a, s, &rules, e);
	if (r < 0)
		return err_in(e, "%s", profile->what);
	return make_and_keep(a, &rules, cache, name, ret, e);
}
