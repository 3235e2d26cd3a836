/* SPDX-License-Identifier: Apache-2.0 */
/* trees: what tests of a review share: trees made by shell scripts, read as changes. */
#pragma once

#include "base/arena.h"
#include "base/fd.h"
#include "review/changes.h"
#include "sandboxed.h"

static inline void in(struct outcome *o, const char *directory, const char *script)
{
	char *command = NULL;

	if (!script)
		return;
	WANT(o, asprintf(&command, "set -e; cd %s; %s", directory, script) > 0 && system(command) == 0,
	     "%s", script);
	free(command);
}

/* upper/ and ws/ of the working directory, as a review has them; never in conflict. */
struct trees {
	struct review_store s;
	int upper, workspace;
	struct changes c;
};

static inline struct trees read_trees(struct arena *a, bool hash, struct outcome *o)
{
	struct trees t = {
		.s = { .session = "1", .container = "c", .workspace = "/ws", .since = INT64_MAX },
		.upper = open("upper", O_PATH | O_CLOEXEC),
		.workspace = open("ws", O_PATH | O_CLOEXEC),
	};
	struct stat st;

	WANT(o, fstat(t.workspace, &st) == 0, "no workspace");
	t.s.device = st.st_dev;
	t.s.inode = st.st_ino;
	o->r = changes_read(a, &t.s, t.upper, t.workspace, hash, &t.c, &o->e);
	return t;
}
