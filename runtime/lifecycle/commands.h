/* SPDX-License-Identifier: Apache-2.0 */
/*
 * commands: what the container executed, watched by the kernel from before its
 * program begins, and recorded when it is deleted.
 *
 * sandbox/execlog.h tells of all, with their arguments; where the host has no
 * BPF for it, process accounting tells of names (sandbox/execlog_acct.h); where
 * there is neither, as without root, the container's processes are asked, which
 * may lie (sandbox/execlog_claims.h).
 */
#pragma once

#include "audit/audit.h"
#include "audit/record.h"
#include "audit/supply.h"
#include "base/err.h"
#include "lifecycle/plan.h"
#include "lifecycle/state.h"

/* Before state.json is written: how it is watched, state->acct or ->claims; where that can't be, state->unwatched
 * says why, which is an error if audit.mode is required.  May put a filter before the others. */
int commands_plan(struct arena *a, struct state *state, const struct spec *s,
		  struct seccomp_program filter[PLAN_FILTERS], size_t *n_filters, struct err *e);
/* Before the clone: the file for it; that for accounting is *ret_fd, which else stays as it is. */
int commands_make(const struct state *state, const struct spec *s, const struct state_dir *d, int *ret_fd,
		  struct err *e);
/* In the container's first process, while /proc is the host's: begins accounting to the file, -1: none.  It
 * has to be the runtime's descriptor, on a mount of the host's: accounting ends with the mount.  Where it
 * fails the file stays empty; if audit.mode is required that is an error. */
int commands_account(int fd, const struct spec *s, struct err *e);
/* Once the first process is there: begins the watch by BPF.  Where that fails it is an error if audit.mode is
 * required, else state->unwatched says why. */
int commands_watch(struct arena *a, struct state *state, const struct spec *s, struct err *e);

/* Where the processes are asked: the log for who answers them, else *ret_fd is -1. */
int commands_open(const struct state *state, const struct state_dir *d, int *ret_fd, struct err *e);
/* Stage two, whose pidfd it is, is about to load the filter: begins the process that answers, which has the log
 * then.  -1: nothing to do. */
int commands_serve(int log_fd, int pidfd, int sync_fd, struct err *e);

struct commands {
	struct audit_commands all;
	const char *ended_by;		/* the first process's end was seen, by (audit_exit.source); NULL: it was not */
	int wait_status;
	int64_t end_ns;			/* since 1970 */
	struct supplies asked;		/* packages that were asked for */
};
/* Once every process of the container is gone: until what they executed is logged, a second at most. */
void commands_await(const struct state *state, const struct state_dir *d);
/* Then.  started: by start, or run.  Their records are put into the sink
 * (NULL: into none), of which alone it is an error if that fails: what could not be read, ret->all says. */
int commands_read(struct arena *a, const struct state_dir *d, const struct state *state, bool started,
		  struct audit_sink *sink, struct commands *ret, struct err *e);
/* Ends the watch; none there is no error. */
int commands_forget(const struct state *state, struct err *e);
