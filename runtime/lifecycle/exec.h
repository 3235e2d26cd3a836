/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exec: one more process in a running container.
 *
 * The runtime forks; the child joins the container's cgroup and namespaces
 * (all but the PID namespace: nothing of ours but stage two is ever visible
 * inside) and becomes stage two, which joins the PID namespace and goes on as
 * in create.  What the stored effective specification says of the container's
 * processes (filters, capabilities, environment) holds for this one too.
 */
#pragma once

#include "base/err.h"
#include "lifecycle/create.h"

struct exec_options {
	const char *id;
	struct spec_process *process;	/* NULL: what `choose` makes of the container's own */
	int (*choose)(struct arena *a, const void *arg, struct spec_process *p, struct err *e);
	const void *arg;
	const char *pid_file;
	const char *console_socket;
	const char *pidfd_socket;
	struct strv cgroups;		/* --cgroup: below the container's own, see cgroup.h */
	unsigned preserve_fds;
	bool foreground;		/* a terminal comes back to the caller */
	bool ignore_paused;
};

/* ret->pidfd is that of the process, a child of the caller. */
int lifecycle_exec(struct arena *a, const struct runtime *rt, const struct exec_options *o,
		   struct created *ret, struct err *e);
