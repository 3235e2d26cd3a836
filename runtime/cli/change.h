/* SPDX-License-Identifier: Apache-2.0 */
/*
 * change: a change of a file that belongs to somebody else: shown first, made
 * with a backup beside it, all at once, with the owner and mode kept.
 */
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

struct change {
	char *path;		/* links are followed */
	bool exists;
	const char *before;	/* "" where it does not exist */
	const char *after;	/* NULL: the file goes away */
};

/* Reads path, which may be missing, into before. */
int change_open(struct arena *a, const char *path, struct change *ret, struct err *e);
bool change_is_none(const struct change *c);
/* As diff -u shows it, in one piece. */
void change_show(const struct change *c, struct str *out);
/* Missing directories are made; *ret_backup is NULL where there was no file. */
int change_make(struct arena *a, const struct change *c, char **ret_backup, struct err *e);
/* mkdir -p of the directory that holds path. */
int make_parents(const char *path, struct err *e);
