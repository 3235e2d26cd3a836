/* SPDX-License-Identifier: Apache-2.0 */
/*
 * workspace: the store of a copy-on-write workspace (review/store.h), from the
 * create that makes it to the delete that writes down what is in it; and what was in a
 * writable one before (review/listing.h), until delete compares.
 */
#pragma once

#include "base/err.h"
#include "lifecycle/state.h"
#include "review/changes.h"

/* Where the store is going to be, for state.json, before it is made: state->store.  Stays NULL where the
 * workspace is not copy-on-write. */
int workspace_plan(struct arena *a, const struct spec *s, struct state *state, struct err *e);
/* Whether it can be told later that every process that may write there is gone.  Once the cgroup is made. */
int workspace_check_end(const struct spec *s, const struct state *state, struct err *e);
/* Makes it, and tells the workspace's mount of it; notes the time from which changes count: state->since. */
int workspace_make(struct arena *a, struct spec *s, struct state *state, const struct state_dir *d,
		   struct err *e);
/* Lists what is in a workspace that the container can write to itself, before it can.  What fails is said
 * in a warning, and at delete. */
void workspace_list(const struct spec *s, const struct state *state, const struct state_dir *d);
/* Of a create that failed: the store, if there is one, goes with all in it. */
int workspace_discard(const struct state *state, struct err *e);

/* What was changed in the workspace. */
struct workspace_changes {
	const char *source;	/* "overlay": all of it; "statx": see review/since.h; NULL: not known, */
	const char *reason;	/* because; or what is missing */
	struct changes changes;
};
/*
 * Once every process of the container is gone: reads what was changed, writes changes.json, and removes a
 * store in which nothing is.  NULL where there is no workspace, or one that nobody could write to.  s: NULL
 * if create died before it was stored.  Repeatable; what fails is said in `reason`, and in a warning.
 */
const struct workspace_changes *workspace_conclude(struct arena *a, const struct state_dir *d,
						   const struct state *state, const struct spec *s);
