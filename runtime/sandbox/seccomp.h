/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seccomp: OCI seccomp rules to a classic BPF program, by libseccomp, with a
 * cache of finished programs.
 *
 * The cache is a directory that only root may write (owner and mode are
 * checked at every use); its files are named by a hash of the rules, the
 * version of libseccomp and the kernel's release, and hold a hash of their
 * content (DESIGN section 5).  A cache that cannot be trusted or written is
 * not used: that costs time, never protection.  libseccomp is loaded only
 * when the cache misses.
 */
#pragma once

#include <linux/filter.h>

#include "base/err.h"
#include "spec/spec.h"

struct seccomp_program {
	struct sock_filter *insns;	/* in the arena */
	size_t n;
	unsigned flags;			/* SECCOMP_FILTER_FLAG_* of the specification */
};

/* cache_dir may be NULL: no cache. */
int seccomp_compile(struct arena *a, const struct spec_seccomp *s, const char *cache_dir,
		    struct seccomp_program *ret, struct err *e);

/* For `features`: known actions, operators, architectures, flags. */
extern const char *const seccomp_actions[], *const seccomp_operators[],
	*const seccomp_archs[], *const seccomp_flags[];	/* each ends with NULL */
