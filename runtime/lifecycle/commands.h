/* SPDX-License-Identifier: Apache-2.0 */
/*
 * commands: what the container executed, watched by the kernel from before its
 * program begins, and recorded when it is deleted.
 *
 * sandbox/execlog.h tells of all, with their arguments; where the host has no
 * BPF for it, process accounting tells of names (sandbox/execlog_acct.h).
 */
#pragma once

#include "audit/record.h"
#include "audit/supply.h"
#include "base/err.h"
#include "lifecycle/state.h"

/* Before state.json is written: how it is watched, state->acct; where this host or this container can't be
 * watched, state->unwatched says why, and that is no error.  What else fails is one if audit.mode is required. */
int commands_plan(struct arena *a, struct state *state, const struct spec *s, struct err *e);
/* Before the clone: the file for accounting, where that is planned; else *ret_fd stays as it is. */
int commands_make(const struct state *state, const struct state_dir *d, int *ret_fd, struct err *e);
/* In the container's first process, while /proc is the host's: begins accounting to the file, -1: none.  It has
 * to be the runtime's descriptor, on a mount of the host's: accounting ends with the mount.  Where it fails the file stays empty; if
 * audit.mode is required that is an error. */
int commands_account(int fd, const struct spec *s, struct err *e);
/* Once the first process is there: begins the watch by BPF.  Where that fails it is an error if audit.mode is
 * required, else state->unwatched says why. */
int commands_watch(struct arena *a, struct state *state, const struct spec *s, struct err *e);

struct commands {
	struct audit_commands all;
	struct str *members;		/* of a record each */
	size_t n;
	bool ended;			/* the first process's end was seen, by all.source: */
	int wait_status;
	int64_t end_ns;			/* since 1970 */
	struct supplies asked;		/* packages that were asked for */
};
/* Once every process of the container is gone. */
void commands_read(struct arena *a, const struct state_dir *d, const struct state *state,
		   struct commands *ret);
void commands_close(struct commands *c);
/* Ends the watch; none there is no error. */
int commands_forget(const struct state *state, struct err *e);
