/* SPDX-License-Identifier: Apache-2.0 */
#include "review/masked.h"

#include <stdlib.h>
#include <string.h>

#include "base/mask.h"
#include "review/tree.h"
#include "review/walk.h"

enum {
	MASKED_NAMED = 10,
	MASKED_ENTRIES = 1 << 16,	/* looked at, at most, */
	MASKED_MS = 1000,		/* and for so long */
};

/* Where git keeps what was committed. */
static bool is_of_commits(const char *path)
{
	static const char *const kept[] = { "objects/", "refs/", "packed-refs" };

	for (const char *p = path; (p = strstr(p, ".git/")); p++)
		for (size_t i = 0; (p == path || p[-1] == '/') && i < sizeof kept / sizeof *kept; i++)
			if (str_has_prefix(p + strlen(".git/"), kept[i]))
				return true;
	return false;
}

struct search {
	struct arena *a;
	struct strv patterns;	/* trimmed */
	struct strv found;
	size_t plain;		/* of `found`: they were not come upon by a walk */
};

static bool note_match(struct walk *w, const char *name)
{
	struct search *s = w->context;
	const char *above = str_text(&w->path);
	const char *path = *above ? arena_printf(s->a, "%s/%s", above, name) : name;

	for (size_t i = 0; i < s->plain; i++)
		if (strcmp(s->found.v[i], path) == 0)
			return true;
	for (size_t i = 0; i < s->patterns.n; i++)
		if (mask_matches(s->patterns.v[i], path)) {
			strv_add(s->a, &s->found, path);
			return true;
		}
	return false;
}

static int look_at(struct walk *w, const struct walk_entry *x, struct err *e)
{
	(void)e;
	note_match(w, x->name);
	return 0;
}

/* What is in one that is masked is not named besides. */
static bool pass(struct walk *w, const char *name)
{
	return mask_passes_by(name) || note_match(w, name);
}

static void enter(struct walk *w, const char *name)
{
	(void)w;
	(void)name;
}

static void leave(struct walk *w, bool whole)
{
	(void)w;
	(void)whole;
}

static void skip(struct walk *w, const char *name, bool elsewhere)
{
	(void)w;
	(void)name;
	(void)elsewhere;
}

static void find(struct search *s, int workspace_fd)
{
	static const struct walk_visitor to = { look_at, enter, leave, skip };
	owned_walk w = { .to = &to, .context = s, .most = MASKED_ENTRIES, .ms = MASKED_MS, .pass = pass };
	struct err e;

	for (size_t i = 0; i < s->patterns.n; i++) {
		owned_entry x = ENTRY_INIT;
		const char *p = s->patterns.v[i];

		p += *p == '/';
		if (mask_is_plain(s->patterns.v[i]) && entry_look(workspace_fd, p, &x) == 0 && x.fd >= 0)
			strv_add(s->a, &s->found, p);
	}
	s->plain = s->found.n;
	/* What could not be looked at is not named: this is a hint. */
	(void)walk_tree(&w, workspace_fd, &e);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void masked_put(const struct review_store *s, const struct changes *c, int workspace_fd, struct str *out)
{
	owned_arena a = ARENA_INIT;
	struct search search = { .a = &a };
	size_t i = 0;

	while (i < c->n && !is_of_commits(c->v[i].path))
		i++;
	if (i == c->n)
		return;
	for (i = 0; i < s->mask.n; i++) {
		const char *pattern = mask_trim(&a, s->mask.v[i]);

		if (*pattern)
			strv_add(&a, &search.patterns, pattern);
	}
	if (search.patterns.n)
		find(&search, workspace_fd);
	if (!search.found.n)
		return;
	qsort(search.found.v, search.found.n, sizeof *search.found.v, by_name);
	str_puts(out, "Masked in the container, so its commits may have them empty or deleted:");
	for (i = 0; i < search.found.n && i < MASKED_NAMED; i++) {
		str_puts(out, i ? ", " : " ");
		str_put_safe(out, search.found.v[i], 200);
	}
	if (i < search.found.n)
		str_printf(out, ", and %zu more", search.found.n - i);
	str_puts(out, "\n");
}
