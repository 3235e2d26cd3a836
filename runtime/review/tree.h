/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tree: entries of the two trees of a review (upper/ and the workspace), looked
 * up beneath the descriptor of their top: over no link, across no mount.
 *
 * No path is longer than TREE_PATH, which bounds how deep a walk goes; no descriptor is held
 * for a level of it.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/str.h"

enum { TREE_PATH = PATH_MAX - 1 };

struct entry {
	int fd;			/* O_PATH; owned; -1: there is no such entry */
	struct stat st;		/* st_mode 0: there is no such entry */
};
#define ENTRY_INIT ((struct entry){ .fd = -1 })
#define owned_entry __attribute__((cleanup(entry_close))) struct entry
void entry_close(struct entry *x);

/* The top itself is "".  0 also where nothing is there.  -ELOOP: a link is on the way; -EXDEV: another
 * file system is mounted on the way, or there; else what openat2(2) says.  Sets no err: the caller knows
 * what it means. */
int entry_look(int top, const char *path, struct entry *ret);

/* Opens what the entry is, and nothing else that may stand at its path by now; negative errno. */
int entry_open(const struct entry *x, int flags);

/* Permissions, not of a link; negative errno. */
int entry_chmod(const struct entry *x, mode_t mode);

/* SHA-256 of the content of a file or of the target of a link; negative errno. */
int entry_hash(const struct entry *x, char ret[HASH_HEX]);
/* The target of a link; negative errno. */
int entry_target(const struct entry *x, struct str *ret);
/* The names in a directory, in no order; negative errno. */
int entry_names(const struct entry *x, struct arena *a, struct strv *ret);
/* The names of extended attributes, each with its final NUL; none where the file system has none. */
int entry_xattrs(const struct entry *x, struct str *ret);
/* The value of one; -ENODATA: there is none. */
int entry_xattr(const struct entry *x, const char *name, struct str *ret);

/* Adds a name to a path; false, and nothing is added, where that is longer than TREE_PATH. */
bool tree_down(struct str *path, const char *name);
void tree_up(struct str *path, size_t length);
