/* SPDX-License-Identifier: Apache-2.0 */
/*
 * listing: which files and links a workspace had before a container could write to
 * it (workspace.mode=rw), as a file of the container's state directory keeps it
 * until delete compares (review/since.h).
 *
 * The file: LISTING_MAGIC; a struct listing_top; why there is no list, with its NUL, "" if
 * there is one; then of each entry its kind, for a file or a link its inode (4 bytes, 0: cannot be
 * compared) and its name with its NUL.  What is in a directory comes after it, up to
 * LISTING_UP; LISTING_END is last.  In the byte order of the machine that it never leaves.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

#define LISTING_MAGIC "agentrun list 1\n"

enum {
	/* What create takes the time for, and what is kept in memory until delete. */
	LISTING_ENTRIES = 1 << 16,
	LISTING_MS = 500,
	LISTING_BYTES = 4 << 20,
};

enum listing_kind {
	LISTING_FILE = 'f',
	LISTING_LINK = 'l',
	LISTING_DIRECTORY = 'd',
	LISTING_UNREAD = 'u',	/* a directory in which nobody looked */
	LISTING_UP = '.',
	LISTING_END = 'e',
};

/* Which directory it is the list of. */
struct listing_top {
	uint64_t device, inode;
};

/* Lists what is beneath; where that cannot be, or takes too long, a list that says why. */
void listing_make(int top_fd, struct str *ret);

struct listing_entry {
	const char *name;
	uint32_t in;		/* the index of its directory, which comes before it */
	uint32_t inode;
	enum listing_kind kind;
	/* What since.c makes of it. */
	enum { LISTING_UNSEEN, LISTING_SEEN, LISTING_WHOLE, LISTING_GONE } now;
};

enum { LISTING_TOP = 0 };	/* the index of the top, whose name is "" */

struct listing {
	struct listing_top top;
	const char *why;	/* there are no entries; NULL: there are */
	struct listing_entry *v;
	size_t n;
	uint32_t *table;	/* indices by directory and name; slots of them, 0: none */
	size_t slots;
};

/* text: ends with a NUL that is not counted, and stays where it is as long as the list is used.
 * -EBADMSG: it is not what listing_make() makes. */
int listing_read(struct arena *a, const char *text, size_t size, struct listing *ret, struct err *e);
/* NULL: it was not there. */
struct listing_entry *listing_find(const struct listing *l, uint32_t directory, const char *name);
/* From the top. */
void listing_path(const struct listing *l, const struct listing_entry *x, struct str *out);
