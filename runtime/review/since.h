/* SPDX-License-Identifier: Apache-2.0 */
/*
 * since: what was changed in a workspace while a container could write to it
 * (workspace.mode=rw): what is there is compared with the list of what was there
 * before (review/listing.h), and with the change times that its file system keeps and that
 * nobody inside can set.
 *
 * What the host changed meanwhile counts too, and a file that was renamed was removed and
 * added.  Without a list what was removed is not known by name, and what a directory that was
 * moved brought along is not seen.
 */
#pragma once

#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "review/changes.h"
#include "review/listing.h"

enum {
	SINCE_ENTRIES = 200000,		/* looked at, at most, */
	SINCE_MS = 2000,		/* and for so long: a disk that is not cached takes its time */
	SINCE_HASHED = 64 << 20,	/* bytes of changed files that are read */
};

/*
 * workspace_fd: its top.  since: in ns, from the clock of file systems (struct review_store).  before: is
 * written to; NULL: there is no list.  Files and links only, in the order of their paths, with what they
 * are now; no digest, no old hash.  *ret_incomplete: set where something could not be looked at, to what.
 */
int changes_since(struct arena *a, int workspace_fd, int64_t since, struct listing *before,
		  struct changes *ret, const char **ret_incomplete, struct err *e);
