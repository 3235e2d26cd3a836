/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/seccomp.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/hash.h"
#include "base/str.h"
#include "sandbox/seccomp_numbers.h"
#include "sandbox/seccomp_parts.h"

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

static const struct arch archs[] = { ARCHS(ROW) };
static_assert(sizeof archs / sizeof *archs <= RULES_ARCHS_MOST, "a place for each");

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

int rules_from_spec(struct arena *a, const struct spec_seccomp *s, struct rules *ret, struct err *e)
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

const struct arch *arch_of(uint32_t token)
{
	for (size_t i = 0; i < COUNT(archs); i++)
		if (archs[i].token == token)
			return &archs[i];
	return NULL;
}

/* runc's condition: what the default lets through needs no way out, and a default of ENOSYS is
 * the way out itself. */
bool rules_want_enosys(const struct rules *rules)
{
	switch (rules->default_action & SECCOMP_RET_ACTION_FULL) {
	case SCMP_ACT_ALLOW:
	case SCMP_ACT_LOG:
	case SCMP_ACT_TRACE(0):
		return false;
	}
	return rules->default_action != SCMP_ACT_ERRNO(ENOSYS);
}

/* ---- The cache ----------------------------------------------------------------------------- */

/* The library's file that made a program: a package upgrade replaces it, and with it every entry.  All
 * zeros: made without. */
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
static const char cache_magic[16] = "agentrun-bpf-4\n";

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
	add_text(h, syscall_numbers_of);
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
	    (origin_of(head.library.path, &now) < 0 && head.library.path[0]) ||
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
static void cache_write(int dir, const char *name, const struct origin *library,
			const struct seccomp_program *program)
{
	struct cache_file head = { .n = (uint32_t)program->n, .flags = program->flags };
	owned_str file = STR_INIT;
	struct err ignored;

	head.library = *library;
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
	struct origin library = { 0 };
	char path[PATH_MAX] = "";
	bool own = rules_compile(a, rules, &program) == 0;
	int r = own ? 0 : library_compile(a, rules, &program, path, sizeof path, e);

	if (r < 0)
		return r;
	program.flags = rules->flags;
	if (cache >= 0 && (own || origin_of(path, &library) == 0))
		cache_write(cache, name, &library, &program);
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
