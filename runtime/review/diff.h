/* SPDX-License-Identifier: Apache-2.0 */
/*
 * diff: changes as a person reads them, and as `git apply` does.
 *
 * Lines are compared by the system's diff(1), which gets the two files as descriptors and a clean
 * environment.  Whatever an agent wrote into names is quoted; contents are as they are in a patch
 * that goes to a file, but for a terminal no control character is left.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"
#include "review/changes.h"

struct diff_view {
	const struct review_store *s;
	const struct changes *c;
	int upper, workspace;	/* descriptors of the two tops */
	bool terminal;		/* with colours, and nothing that a terminal acts on */
};

/* How many of each kind; what runs code on the host, what is refused and what conflicts, by reason;
 * permissions; the digest. */
void diff_summary(const struct diff_view *v, struct str *out);
/* Git's form, written to descriptor `out`, without what git does not keep: directories, and permissions
 * but the owner's to execute, of which a line that git skips tells those that changed or are unusual. */
int diff_patch(const struct diff_view *v, int out, struct err *e);
/* Lines added and removed, by file. */
int diff_stat(const struct diff_view *v, struct str *out, struct err *e);
/* A name a line in git's quoting, or as they are, each with a final NUL. */
void diff_names(const struct changes *c, bool nul, struct str *out);
void diff_json(const struct diff_view *v, struct str *out);

/* "added  PATH (why)": one change as a line of a list, safe to print. */
void diff_line(const struct change *c, const char *why, struct str *out);
