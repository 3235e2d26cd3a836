/* SPDX-License-Identifier: Apache-2.0 */
/*
 * since: what was changed in a workspace while a container could write to it
 * (workspace.mode=rw), told by the change times that its file system keeps and
 * that nobody inside can set.
 *
 * One walk afterwards, none before: at 1 us an entry a walk at create would be
 * felt.  So what the host changed meanwhile counts too, a file that was renamed
 * counts as modified, and what was removed is not known by name.
 */
#pragma once

#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "review/changes.h"

enum {
	SINCE_ENTRIES = 200000,		/* looked at, at most, */
	SINCE_MS = 2000,		/* and for so long: a disk that is not cached takes its time */
	SINCE_DEEP = 128,		/* directories below each other: so many descriptors */
	SINCE_HASHED = 64 << 20,	/* bytes of changed files that are read */
};

/*
 * workspace_fd: its top.  since: in ns, from the clock of file systems (struct review_store).  Files and
 * links only, in the order of their paths, with what they are now; no digest.  *ret_incomplete: set where
 * something could not be looked at, to what.
 */
int changes_since(struct arena *a, int workspace_fd, int64_t since, struct changes *ret,
		  const char **ret_incomplete, struct err *e);
