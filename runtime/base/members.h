/* SPDX-License-Identifier: Apache-2.0 */
/*
 * members: a flat struct as members of a JSON object, written and read by one
 * table.
 */
#pragma once

#include <stddef.h>

#include "base/json.h"

enum member_kind {
	MEMBER_TEXT,		/* char *; NULL is null */
	MEMBER_PID,		/* pid_t */
	MEMBER_I64, MEMBER_U64,
	MEMBER_BOOL,
	MEMBER_LIST,		/* struct strv */
};

struct member {			/* a row of the table, which ends with a key NULL */
	const char *key;
	enum member_kind kind;
	size_t offset;		/* in the struct */
	bool newer;		/* earlier versions did not write it: missing, it stays 0 in the struct */
};

/* The members, in the object that is open. */
void members_write(const struct member *table, const void *object, struct json_writer *w);
/* All that are not `newer` must be there; other members of the tree are not looked at.  `what` begins
 * errors.  Texts live in the arena. */
int members_read(struct arena *a, const struct member *table, const struct json *tree,
		 const char *what, void *ret, struct err *e);
