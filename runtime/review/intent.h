/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intent: what an apply is about to write, on disk before its first write and until that is recorded in the
 * audit log.
 *
 * An apply that was killed, or whose record could not be written, leaves it in the store: the next command
 * that holds the session looks which of it came to be, since those are no changes any more, and records them
 * as the first would have.  Killed behind the record, they are recorded twice.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/err.h"
#include "review/changes.h"
#include "review/store.h"

#define REVIEW_INTENT "applying.json"

struct intent {
	uid_t caller;
	char reviewed[HASH_HEX];	/* the digest of all that there was to review */
	struct changes c;
};

/* Durable when it returns.  The store is locked by the caller, here and below. */
int intent_write(const struct review *r, const struct intent *x, struct err *e);
void intent_remove(const struct review *r);
/* 1: there is one, else 0; -EBADMSG: it is damaged. */
int intent_read(struct arena *a, const struct review *r, struct intent *ret, struct err *e);

/* Those that are in the workspace now as they were to be. */
void intent_done(struct arena *a, const struct intent *x, int workspace_fd, struct changes *ret);
