/* SPDX-License-Identifier: Apache-2.0 */
/*
 * companion: a process beside a container that outlives the command that begins
 * it.  It holds nothing of the caller (stdio, descriptors, session, working
 * directory, handlers of signals), is in the runtime's cgroup, and is reaped by
 * whoever reaps the container.
 */
#pragma once

#include <stddef.h>

#include "base/err.h"

struct companion {
	const char *name;	/* as ps(1) shows it; at most 15 bytes */
	const char *purpose;	/* what an error names */
	const int *keep;	/* the descriptors that it has besides stdio, which is /dev/null */
	size_t n_keep;
	int (*run)(void *arg);	/* the exit code */
	void *arg;
};

int companion_start(const struct companion *c, struct err *e);
