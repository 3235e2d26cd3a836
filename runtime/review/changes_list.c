/* SPDX-License-Identifier: Apache-2.0 */
/* A list of changes: its order, its digest, one of them, a part of all. */
#include "review/changes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct change *)a)->path, ((const struct change *)b)->path);
}

void changes_sort(struct changes *c)
{
	if (c->n)
		qsort(c->v, c->n, sizeof *c->v, by_path);
}

void changes_digest(struct changes *c)
{
	struct hash *h = hash_new();
	owned_str line = STR_INIT;

	for (size_t i = 0; i < c->n; i++) {
		const struct change *x = &c->v[i];

		hash_add(h, x->path, strlen(x->path) + 1);
		line.len = 0;
		str_printf(&line, "%s %o %o %llu %llu %s %s\n", change_kind_names[x->kind],
			   x->old_mode, x->new_mode, (unsigned long long)x->old_size,
			   (unsigned long long)x->new_size, x->old_hash, x->new_hash);
		hash_add(h, line.s, line.len);
	}
	hash_end(h, c->digest);
}

struct change *changes_find(const struct changes *c, const char *path)
{
	const struct change key = { .path = path };

	return c->n ? bsearch(&key, c->v, c->n, sizeof *c->v, by_path) : NULL;
}

/* "./a//b/" as "a/b"; "" is the top with all in it. */
static char *tidy(struct arena *a, const char *path)
{
	char *tidied = arena_alloc(a, strlen(path) + 1), *out = tidied;

	while (*path) {
		size_t n = strcspn(path, "/");

		if (n && !(n == 1 && *path == '.')) {
			if (out > tidied)
				*out++ = '/';
			memcpy(out, path, n);
			out += n;
		}
		path += n + (path[n] == '/');
	}
	return tidied;
}

static bool is_within(const char *path, const char *top)
{
	size_t n = strlen(top);

	return !n || (strncmp(path, top, n) == 0 && (!path[n] || path[n] == '/'));
}

/* The directories above it that are to be made. */
static void pick_above(const struct changes *all, const char *path, bool *picked)
{
	owned_str above = STR_INIT;

	str_puts(&above, path);
	for (char *slash; (slash = strrchr(above.s, '/'));) {
		struct change *c;

		*slash = '\0';
		c = changes_find(all, above.s);
		if (c && S_ISDIR(c->new_mode) && !S_ISDIR(c->old_mode))
			picked[c - all->v] = true;
	}
}

static struct changes take_picked(struct arena *a, const struct changes *all, const bool *picked)
{
	struct changes some = { .v = arena_array(a, struct change, all->n) };

	for (size_t i = 0; i < all->n; i++)
		if (picked[i])
			some.v[some.n++] = all->v[i];
	strcpy(some.digest, all->digest);
	return some;
}

int changes_select(struct arena *a, const struct changes *all, const struct strv *paths,
		   struct changes *ret, struct err *e)
{
	bool *picked;

	if (!paths->n) {
		*ret = *all;
		return 0;
	}
	picked = arena_array(a, bool, all->n);
	for (size_t i = 0; i < paths->n; i++) {
		const char *top = tidy(a, paths->v[i]);
		bool any = false;

		for (size_t j = 0; j < all->n; j++)
			if (is_within(all->v[j].path, top)) {
				any = picked[j] = true;
				pick_above(all, all->v[j].path, picked);
			}
		if (!any)
			return err_say(e, ENOENT, "%s: nothing is changed there (the path is relative "
				       "to the workspace)", paths->v[i]);
	}
	*ret = take_picked(a, all, picked);
	return 0;
}

static void overwrite(struct change *c)
{
	c->conflict = NULL;
	c->overwritable = false;
}

void changes_overwrite(struct changes *c)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->v[i].overwritable)
			overwrite(&c->v[i]);
}

void changes_settle(struct changes *now, const struct changes *recorded)
{
	for (size_t i = 0; i < now->n; i++) {
		struct change *c = &now->v[i];
		const struct change *then = c->overwritable && *c->old_hash ?
					    changes_find(recorded, c->path) : NULL;

		if (then && !then->conflict && then->old_mode == c->old_mode &&
		    strcmp(then->old_hash, c->old_hash) == 0)
			overwrite(c);
	}
}

bool changes_any_below(const struct changes *c, const char *path)
{
	for (size_t i = 0; i < c->n; i++)
		if (is_within(c->v[i].path, path) && strcmp(c->v[i].path, path) != 0)
			return true;
	return false;
}

/* Directories that go must be empty: not while something in them stays. */
static void keep_above(const struct changes *all, const char *path, bool *picked)
{
	owned_str above = STR_INIT;

	str_puts(&above, path);
	for (char *slash; (slash = strrchr(above.s, '/'));) {
		struct change *c;

		*slash = '\0';
		c = changes_find(all, above.s);
		if (c && S_ISDIR(c->old_mode) && !S_ISDIR(c->new_mode))
			picked[c - all->v] = false;
	}
}

void changes_pick(struct arena *a, const struct changes *all, const struct strv *paths,
		  struct changes *ret)
{
	bool *picked = arena_array(a, bool, all->n);

	for (size_t i = 0; i < paths->n; i++) {
		struct change *c = changes_find(all, paths->v[i]);

		if (!c)
			continue;
		picked[c - all->v] = true;
		pick_above(all, c->path, picked);
	}
	for (size_t i = 0; i < all->n; i++)
		if (!picked[i] && all->v[i].kind == CHANGE_DELETED)
			keep_above(all, all->v[i].path, picked);
	*ret = take_picked(a, all, picked);
}
