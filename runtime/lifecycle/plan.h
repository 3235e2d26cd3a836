/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan: builds the block of stage2/plan.h from a process of the effective
 * specification, and the sealed copy of stage two that will read it.
 */
#pragma once

#include "base/err.h"
#include "sandbox/caps.h"
#include "sandbox/seccomp.h"
#include "spec/spec.h"
#include "stage2/plan.h"

#define PLAN_STAGE2 "agentrun-init"	/* its name, and its first argument */

struct plan_request {
	const struct spec *spec;
	const struct spec_process *process;
	const char *home;		/* added as HOME where the environment has none; NULL: none */
	const struct seccomp_program *filter;	/* PLAN_FILTERS of them */
	size_t n_filters;
	const struct spec_hooks *hooks;	/* startContainer; NULL for exec */
	const char *hook_state;
	bool new_keyring;
	bool no_setgroups;
	bool clone;	/* PLAN_CLONE */
	unsigned keep_fds;
	int sync_fd, start_fd, tty_fd;	/* -1: none */
	unsigned pdeathsig;
};

/* Fills filter[] with the engine's and the policy's program, from the cache where that is possible. */
int plan_filters(struct arena *a, const struct spec *s, bool rootless,
		 struct seccomp_program filter[PLAN_FILTERS], size_t *ret_n, struct err *e);
/* A container's programs, kept in a file of its directory: exec loads the very ones that create did, and
 * no later command has to read thousands of names again.  -ENOENT where there is no such file: a
 * container without filters has one that says so. */
int plan_save_filters(int dirfd, const char *name, const struct seccomp_program *filter, size_t n,
		      struct err *e);
int plan_load_filters(struct arena *a, int dirfd, const char *name,
		      struct seccomp_program filter[PLAN_FILTERS], size_t *ret_n, struct err *e);
/* The block, in memory until plan_enter_stage2(): the tty and other descriptors may be filled in before. */
int plan_build(const struct plan_request *q, struct str *ret, struct err *e);
/* What stage two left undone, as its READY says, with the runtime's privileges. */
int plan_finish(pid_t pid, const struct spec_process *process, uint32_t undone, struct err *e);
/* A sealed, executable memfd of stage two. */
int plan_stage2(int *ret_fd, struct err *e);
/* The calling process becomes stage two.  Clears close-on-exec of what the plan names.  Returns only
 * when it fails. */
int plan_enter_stage2(int stage2_fd, const struct str *plan, struct err *e);
/* RLIMIT_* by name, -1 unknown. */
int plan_rlimit(const char *name);
