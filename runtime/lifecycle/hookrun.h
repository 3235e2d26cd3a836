/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hookrun: runs a program of the bundle's hooks or of the host policy, with
 * data on its stdin and a time limit.
 */
#pragma once

#include "base/err.h"
#include "spec/spec.h"

struct hook_call {
	const char *path;
	char *const *argv, *const *envp;	/* argv NULL: { path } */
	const char *cwd;		/* NULL: the caller's */
	const char *in;
	size_t in_size;
	long timeout;			/* seconds, 0: none */
};

/* Waits for it.  Not 0: it could not run, did not exit with 0 (what it said on stderr is in the error),
 * or ran out of time (-ETIMEDOUT; it was killed, with its process group). */
int hook_run(const struct hook_call *h, struct err *e);
/* All of a list, until one fails; `name` is the list's in the specification.  As under runc and crun
 * one without an environment gets the runtime's, but for a policy's container, confined: what an
 * engine has in its own may be a credential (THREATS E2). */
int hooks_run(const spec_hooks_list *list, const char *name, bool confined, const char *state_json,
	      const char *cwd, struct err *e);
