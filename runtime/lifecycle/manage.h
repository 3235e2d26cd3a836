/* SPDX-License-Identifier: Apache-2.0 */
/*
 * manage: what is done to a container that exists: signal, pause, delete.
 *
 * signal.c holds kill, pause, resume and the signal table; remove.c delete.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "lifecycle/create.h"

/*
 * Opens and reads a container.  A command that waits for a process inside holds a lock as long as that
 * one likes; what must work meanwhile (kill, state, ps) takes none.
 */
int lifecycle_open(struct arena *a, const struct runtime *rt, const char *id, enum state_lock lock,
		   struct state_dir *dir, struct state *state, struct err *e);
/* "9", "KILL", "SIGKILL", "sigkill", "RTMIN+3" -> number; -1 unknown. */
int signal_number(const char *text);

/* all: every process of its cgroup, which is what SIGKILL is for where the container has no PID
 * namespace of its own.  SIGKILL ends a paused one, too.  A container that is stopped is an error
 * but with `all`. */
int lifecycle_kill(struct arena *a, const struct runtime *rt, const char *id, int sig, bool all,
		   struct err *e);
int lifecycle_pause(struct arena *a, const struct runtime *rt, const char *id, bool pause,
		    struct err *e);
/* rdt: schemata of its resctrl class, NULL for no change; a container without one gets one. */
int lifecycle_update(struct arena *a, const struct runtime *rt, const char *id,
		     struct spec_resources *r, struct spec_intel_rdt *rdt, struct err *e);
/* The container that the caller made and waited for: another one of that id, made meanwhile, stays. */
struct own_container {
	pid_t pid;
	int wait_status;	/* as in evidence.h */
};
/*
 * Deletes a stopped or created container; with force any, and a missing one is no error.  Repeatable:
 * what is gone already is no error, what cannot be removed is.  own: NULL for whatever has that id.
 */
int lifecycle_delete(struct arena *a, const struct runtime *rt, const char *id, bool force,
		     const struct own_container *own, struct err *e);
