/* SPDX-License-Identifier: Apache-2.0 */
/*
 * workspace: the store of a copy-on-write workspace (review/store.h), from the
 * create that makes it to the delete that writes down what is in it.
 */
#pragma once

#include "base/err.h"
#include "lifecycle/state.h"
#include "review/changes.h"

/* Where the store is going to be, for state.json, before it is made: state->store.  Stays NULL where the
 * workspace is not copy-on-write. */
int workspace_plan(struct arena *a, const struct spec *s, struct state *state, struct err *e);
/* Makes it, and tells the workspace's mount of it. */
int workspace_make(struct arena *a, struct spec *s, const struct state *state,
		   const struct state_dir *d, struct err *e);

/*
 * Once every process of the container is gone: writes changes.json, and removes a store in which nothing
 * is.  *ret is NULL where there is no store, else what was changed; `reason` why that is not known.
 * Called again after an interruption it finds the same.
 */
struct workspace_evidence {
	struct changes *changes;
	const char *reason;
};
int workspace_conclude(struct arena *a, const struct state *state, struct workspace_evidence *ret,
		       struct err *e);
