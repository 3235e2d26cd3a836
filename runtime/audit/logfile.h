/* SPDX-License-Identifier: Apache-2.0 */
/* logfile: the log with its lock and its heads, for who writes to it or moves it (audit.h). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "audit/chain.h"
#include "audit/head.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/str.h"

struct log {
	int dirfd, head_fd, fd;		/* head_fd holds the lock */
	struct head here;		/* an empty head of this boot of this machine */
	struct head head;
	bool has_head, is_new;		/* is_new: the log was created just now */
	off_t size;
};

/* Opens what is in the directory, makes what is missing, and waits for the lock.  Close it also after a
 * failure. */
int logfile_open(struct log *l, const char *directory, struct err *e);
void logfile_close(struct log *l);
/* A file of ours in the directory: never a link, a device or another's file. */
int logfile_entry(int dirfd, const char *name, int flags, int *ret_fd, struct err *e);

struct tail {
	bool any;			/* there is a last whole record: */
	struct chain_link last;
	bool unended;			/* it lacks its newline only */
	size_t torn;			/* bytes behind it that are no record */
	char torn_hash[HASH_HEX];
};

/* The end; of a log that is new: of the one that was rotated away last, if it is still there. */
int logfile_tail(const struct log *l, struct tail *ret, struct err *e);
/*
 * Settles where the host chain stands: l->head.last.  What was noticed goes to `why` (the log does
 * not end with what was written last), empty if all is well.
 */
void logfile_settle(struct log *l, struct tail *t, struct str *why);

/* The path of a session's head in the directory. */
enum { LOGFILE_SESSION = CHAIN_NAME + 16 };
void logfile_session(char ret[LOGFILE_SESSION], const char *id);
