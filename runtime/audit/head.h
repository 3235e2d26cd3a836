/* SPDX-License-Identifier: Apache-2.0 */
/*
 * head: the small files that remember where a chain ends: audit.head (which is
 * also the lock) and sessions/<id>.
 *
 * They are written in place and never synchronised: after a power cut they
 * may be older than the log, and whoever reads them must check.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "audit/chain.h"
#include "audit/parts.h"
#include "base/err.h"

enum { HEAD_CONTAINER = 1024 };

/*
 * The last link of a chain, and the one that was about to follow it.  As text:
 *	agentrun-head 1 MACHINE BOOT ENDED
 *	SEQ HASH
 *	OFFSET SEQ HASH ENDED
 *	CONTAINER
 *	MARK MARK (of the last and of the next)
 */
struct head {
	char machine[33], boot[37];
	struct chain_link last;
	bool ended;			/* the session's last record has been written */
	off_t next_at;			/* where in the log `next` was to stand; -1: none was */
	struct chain_link next;
	bool next_ended;
	unsigned long long mark, next_mark;	/* audit_mark() of what was written, and is about to be */
	char container[HEAD_CONTAINER + 1];
};

/* An empty head of this boot of this machine. */
void head_init(struct head *ret);
/* -EINVAL where the file does not hold one (an empty file included). */
int head_read(int fd, struct head *ret);
int head_write(int fd, const struct head *h, const char *name, struct err *e);
/* Notes what is about to be written to the log at offset `at`; `ends`: it ends the session. */
void head_intend(struct head *h, off_t at, unsigned long long seq, const char *hash, bool ends);
/* Drops the intention: it was written, or it was not. */
void head_settle(struct head *h, bool written);

/* The log as it was when no one was writing: its parts, up to their sizes, are whole records. */
struct head_view {
	struct parts parts;
	bool has_head;
	struct head head;
};
/* Opens the log in `directory` for reading; needs no right to write.  -ENOENT: there is none.
 * parts_close(). */
int head_view_open(const char *directory, struct head_view *ret, struct err *e);
