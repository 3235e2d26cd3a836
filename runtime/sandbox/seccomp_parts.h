/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seccomp_parts: what the files of the seccomp module have of each other; for
 * nobody else.
 *
 * seccomp.c reads the specification's words into rules, and keeps the cache;
 * seccomp_rules.c makes a program of rules itself, and leaves what it does not
 * know to seccomp_library.c, that is libseccomp.
 */
#pragma once

#include <seccomp.h>
#include <stdbool.h>

#include "sandbox/seccomp.h"

struct rule {
	const struct strv *names;
	uint32_t action;		/* as the kernel has it, and libseccomp */
	struct scmp_arg_cmp *args;
	unsigned n;
	bool alternatives;	/* two conditions on one argument: each is a rule of its own */
};

struct arch {
	const char *name;
	uint32_t token, audit;	/* libseccomp's, the kernel's */
	bool possible;		/* whether this kernel can report it */
};

enum { RULES_ARCHS_MOST = 32 };

struct rules {
	uint32_t default_action;
	unsigned flags;
	const struct arch *archs[RULES_ARCHS_MOST];	/* asked for and possible here */
	size_t n_archs;
	struct rule *v;
	size_t n;
};

/* The kernel reports x32 as x86-64, with this bit in the number. */
#define X32_BIT 0x40000000u

/* ret is all zeros before. */
int rules_from_spec(struct arena *a, const struct spec_seccomp *s, struct rules *ret, struct err *e);
/* By libseccomp's token. */
const struct arch *arch_of(uint32_t token);
/* Whether a call newer than all that the profile names gives ENOSYS. */
bool rules_want_enosys(const struct rules *rules);

/* seccomp_rules.c: -ENOTSUP without an error set: only libseccomp knows what is meant. */
int rules_compile(struct arena *a, const struct rules *rules, struct seccomp_program *ret);

/* seccomp_library.c.  ret_path: the library's file, "" if that is not known. */
int library_compile(struct arena *a, const struct rules *rules, struct seccomp_program *ret,
		    char *ret_path, size_t path_size, struct err *e);
