/* SPDX-License-Identifier: Apache-2.0 */
/* seccomp_profiles: profiles of the source tree, read, compiled, and asked on each ABI. */
#pragma once

#include <criterion/criterion.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/fd.h"
#include "base/json.h"
#include "sandbox/seccomp.h"
#include "spec/fields.h"

#include "bpf.h"

static inline const char *source_file(struct arena *a, const char *name)
{
	const char *dir = getenv("srcdir");

	return arena_printf(a, "%s/%s", dir ? dir : ".", name);
}

static inline struct json_text read_text(struct arena *a, const char *name)
{
	const char *path = source_file(a, name);
	owned_str text = STR_INIT;
	struct err e;

	cr_assert(file_read(AT_FDCWD, path, 1 << 20, &text, &e) == 0, "%s", e.text);
	return (struct json_text){ path, arena_strdup(a, str_text(&text)), text.len };
}

static inline struct spec_seccomp *read_profile(struct arena *a, const char *name)
{
	struct json_text text = read_text(a, name);
	struct spec_seccomp *s;
	struct err e;

	cr_assert(spec_parse_seccomp(a, &text, &s, &e) == 0, "%s", e.text);
	return s;
}

static inline struct seccomp_program compile(struct arena *a, const struct spec_seccomp *s)
{
	struct seccomp_program p;
	struct err e;

	cr_assert(seccomp_compile(a, s, NULL, &p, &e) == 0, "%s", e.text);
	cr_assert(p.n > 0 && p.n <= BPF_MAXINSNS, "%zu instructions", p.n);
	return p;
}

#if defined(__x86_64__)

#define ALLOW SECCOMP_RET_ALLOW
#define E(code) (SECCOMP_RET_ERRNO | (code))
#define HIGH(v) (UINT64_C(0xdeadbeef) << 32 | (v))	/* the kernel reads the low half only */

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

static inline uint32_t ask_number(const struct seccomp_program *p, enum abi abi, int nr,
				  const uint64_t args[6])
{
	struct seccomp_data data = { .nr = nr, .arch = abis[abi].audit };

	for (int i = 0; i < 6; i++)
		data.args[i] = abi == I386 ? (uint32_t)args[i] : args[i];
	return bpf_run(p, &data);
}

/* -1: that ABI has no such call. */
static inline int number(enum abi abi, const char *name)
{
	int nr = seccomp_syscall_resolve_name_arch(abis[abi].token, name);

	cr_assert(nr != __NR_SCMP_ERROR, "%s", name);
	return nr < 0 ? -1 : nr;
}

struct row {
	const char *call;
	uint64_t args[6];
	uint32_t want;		/* on every ABI that has the call */
	unsigned skip;		/* but not on these: bits 1 << enum abi */
};

static inline void check(const struct seccomp_program *p, const struct row *rows, size_t n,
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

#endif	/* __x86_64__ */
