/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seccomp: OCI seccomp rules to a classic BPF program.
 *
 * The rules mean what they mean under runc: names that libseccomp does not
 * know are passed over, conditions on one and the same argument are
 * alternatives, and a system call newer than any that the profile names gives
 * ENOSYS in place of the default action.  Architectures that this kernel can
 * never report are left out of the program.  What an engine or a profile
 * usually says is made a program here (seccomp_rules.c), in less than a
 * millisecond; libseccomp, which takes 17, is asked where its way with
 * contradictions counts.
 *
 * The cache is a directory that only its owner, who must be the caller, may
 * write (owner and mode are checked at every use).  Its files are named by a
 * hash of the rules (or of a profile's text, which then need not be parsed),
 * the kernel's release and the machine; each holds a hash of its content and
 * the identity of the libseccomp file that made it, if one did, and is used
 * only while that file is unchanged (DESIGN section 5).  A cache that
 * cannot be trusted or written is not used: that costs time, never
 * protection.
 *
 * Must not load a program into the kernel: that is stage two's last step.
 */
#pragma once

#include <linux/filter.h>

#include "base/err.h"
#include "spec/spec.h"

struct seccomp_program {
	struct sock_filter *insns;	/* in the arena */
	size_t n;			/* at most BPF_MAXINSNS */
	unsigned flags;			/* for seccomp(2): SECCOMP_FILTER_FLAG_*; NEW_LISTENER
					 * where a rule says SCMP_ACT_NOTIFY */
};

/*
 * cache_dir may be NULL: no cache; it is made (mode 0700) if only its last
 * component is missing.  -EINVAL: a word or number that the specification does
 * not know, named with its place in the seccomp object ("syscalls[3].action"):
 * the caller adds whose that is; -ENOENT: libseccomp is not installed.
 */
int seccomp_compile(struct arena *a, const struct spec_seccomp *s, const char *cache_dir,
		    struct seccomp_program *ret, struct err *e);
/* The same for a profile that comes as text, which is parsed only when the cache misses. */
int seccomp_compile_text(struct arena *a, const struct json_text *profile, const char *cache_dir,
			 struct seccomp_program *ret, struct err *e);

/* For `features`: known actions, operators, architectures, flags. */
extern const char *const seccomp_actions[], *const seccomp_operators[],
	*const seccomp_archs[], *const seccomp_flags[];	/* each ends with NULL */
