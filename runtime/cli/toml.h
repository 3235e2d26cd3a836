/* SPDX-License-Identifier: Apache-2.0 */
/*
 * toml: which keys a TOML document has and where their values stand, for
 * `configure`, which adds to files that belong to somebody else.
 *
 * Values are delimited, not understood: their text is kept as written.  What is
 * no TOML is an error with its line.  Must not write a document.
 */
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "base/err.h"

struct toml_entry {
	struct strv path;	/* of the table, and the key: "engine", "runtimes", "crun" */
	bool header;		/* [table] or [[table]] */
	size_t line;
	const char *value;	/* n bytes of the text; NULL for a header */
	size_t n;
};

struct toml {
	struct toml_entry *v;
	size_t n;
};

/* The entries point into text, and live in `a`.  `what` names the text in errors. */
int toml_scan(struct arena *a, const char *text, const char *what, struct toml *ret,
	      struct err *e);
/* The key's last entry, NULL if there is none. */
const struct toml_entry *toml_find(const struct toml *t, const struct strv *path);
/* The first entry that is `path`, lies in it, or is a key that holds it as an inline table. */
const struct toml_entry *toml_touches(const struct toml *t, const struct strv *path);
/* The value as a string, and as an array of strings; -EINVAL without an err if it is none. */
int toml_text(struct arena *a, const struct toml_entry *entry, char **ret);
int toml_texts(struct arena *a, const struct toml_entry *entry, struct strv *ret);
