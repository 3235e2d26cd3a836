/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parts: the files of the log in the order of their records: those that were
 * rotated away and are still beside it ("audit.jsonl" with a dot or a dash and
 * digits behind it, as logrotate(8) and audit_rotate() name them), then the log
 * itself.
 *
 * Which one is older their first records say, not their names: programs number
 * them upwards, downwards or by dates.  What was compressed is not read.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "audit/chain.h"
#include "base/err.h"

struct part {
	char name[64];
	int fd;
	off_t size;			/* when it was opened */
	ino_t inode;
	bool part;			/* it holds a record, or is the log itself */
	unsigned long long first;	/* number of its first record; the log itself: the highest */
};

struct parts {
	struct part *v;
	size_t n;
};

/* Those of the directory that hold a record, oldest first, and the log itself where it is, empty or not, as
 * the last.  To be opened under the log's lock: no writer is at work then, but somebody may rename. */
int parts_open(int dirfd, struct parts *ret, struct err *e);
void parts_close(struct parts *p);
bool part_is_log(const struct part *p);

/* Reads the lines of all of them from the start. */
struct parts_lines {
	const struct parts *parts;
	size_t next;			/* part */
	struct chain_lines lines;
};
void parts_lines_init(struct parts_lines *l, const struct parts *parts);
void parts_lines_free(struct parts_lines *l);
/* As chain_lines_next(); a line that the end of a file cut counts as ended where another file follows. */
int parts_lines_next(struct parts_lines *l, const char **line, size_t *n, bool *terminated);
