/* SPDX-License-Identifier: Apache-2.0 */
/* A program of rules, by libseccomp. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/host.h"
#include "sandbox/seccomp_fold.h"
#include "sandbox/seccomp_parts.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

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

enum { STUB_MOST = 1 + 7 * RULES_ARCHS_MOST };

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
	const uint32_t native = lib->arch_native();
	const struct arch *list[RULES_ARCHS_MOST] = { arch_of(native) };
	size_t n_list = 1, jumps[RULES_ARCHS_MOST], n_jumps = 0;
	bool x32 = false;

	for (size_t i = 0; i < rules->n_archs; i++) {
		if (rules->archs[i]->token == SCMP_ARCH_X32)
			x32 = true;
		else if (rules->archs[i]->token != native)
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
	if (r == 0 && rules_want_enosys(rules))
		stub_make(lib, rules, &stub);
	if (r == 0)
		r = export_program(a, lib, ctx, &stub, ret, e);
	if (r == 0)
		seccomp_fold(a, ret);
	lib->release(ctx);
	return r;
}

int library_compile(struct arena *a, const struct rules *rules, struct seccomp_program *ret,
		    char *ret_path, size_t path_size, struct err *e)
{
	struct library lib = { 0 };
	int r = library_load(&lib, e);

	if (r == 0)
		r = program_make(a, &lib, rules, ret, e);
	if (r == 0 && strlen(lib.path) < path_size)
		strcpy(ret_path, lib.path);
	return r;
}
