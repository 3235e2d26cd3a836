/* SPDX-License-Identifier: Apache-2.0 */
/*
 * walk: the files and links of a workspace that others may write to meanwhile, looked for
 * beneath the descriptor of its top: over no link, onto no other file system, and
 * no longer than its caller can wait.
 *
 * Costs, where the kernel has it all in its caches, 9 us a directory and 0.4 us an entry: what an
 * entry is, and its inode, the directory says.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/str.h"

enum { WALK_DEEP = 128 };	/* directories below each other: so many descriptors */

struct walk;

struct walk_entry {
	int dir;		/* where the name is */
	const char *name;
	mode_t type;		/* S_IFREG or S_IFLNK */
	uint64_t inode;
};

struct walk_visitor {
	int (*found)(struct walk *w, const struct walk_entry *x, struct err *e);
	/* A directory: what is found until it is left is in it.  whole: all of it was read. */
	void (*enter)(struct walk *w, const char *name);
	void (*leave)(struct walk *w, bool whole);
	/* One that is not read.  elsewhere: another file system is mounted there, which is not the workspace's. */
	void (*skip)(struct walk *w, const char *name, bool elsewhere);
};

struct walk {
	const struct walk_visitor *to;
	void *context;
	size_t most;		/* entries that are looked at, */
	unsigned ms;		/* and for so long */
	/* Whether a directory of the one that is read is passed by; NULL: none is. */
	bool (*pass)(struct walk *w, const char *name);
	const char *over;	/* why the rest was not looked at; NULL: all was */
	const char *incomplete;	/* why something was not; constant */
	struct str path;	/* of the directory that is read, from the top, which is "" */
	/* walk.c's own: */
	struct str names;
	size_t looked_at;
	int64_t until;		/* CLOCK_MONOTONIC, ms */
	unsigned depth;
};
#define owned_walk __attribute__((cleanup(walk_free))) struct walk
void walk_free(struct walk *w);

/* top_fd: may be O_PATH.  The top itself is neither entered nor left. */
int walk_tree(struct walk *w, int top_fd, struct err *e);
