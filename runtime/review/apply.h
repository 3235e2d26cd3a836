/* SPDX-License-Identifier: Apache-2.0 */
/*
 * apply: brings changes from upper/ into the workspace.
 *
 * Everything is checked before the first write.  Each file is replaced by rename
 * and is old or new, never a part of it; interrupted, it can be run again.  Writes
 * nothing but what is given, beneath the workspace's descriptor, over no link and
 * across no mount.
 */
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "base/err.h"
#include "review/changes.h"

/*
 * Whether all of them can be applied: none refused or in conflict, each as in
 * `reviewed` (NULL: the caller compared the digest), none that runs code on the host
 * but with allow_exec.  The error names those that can't, by what hinders them, with what to do.
 */
int apply_check(const struct changes *c, const struct changes *reviewed, bool allow_exec,
		struct err *e);

/* Why one of them can't be applied, whatever is allowed; NULL: it can. */
const char *apply_hindrance(const struct change *c, const struct changes *reviewed);

/*
 * Applies them, deletions first.  SIGINT, SIGTERM and SIGHUP stop it between two of them (-EINTR), and are
 * blocked from then on: what was applied can still be recorded.  *ret_done has those that were applied,
 * also where a later one failed; what they hold is told by new_hash, which was compared while it was
 * copied.
 */
int apply_changes(struct arena *a, const struct review_store *s, const struct changes *c, int upper_fd,
		  int workspace_fd, struct changes *ret_done, struct err *e);

/* Removes what one that was killed left beside their places. */
void apply_clean(struct arena *a, const struct review_store *s, const struct changes *c, int workspace_fd);
