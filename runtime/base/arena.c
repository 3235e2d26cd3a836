/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/str.h"

struct arena_block {
	struct arena_block *older;
	size_t used, size;
	alignas(max_align_t) unsigned char bytes[];
};

enum { BLOCK = 32768 - 64 };	/* with what the heap puts before it a power of two */

void arena_free(struct arena *a)
{
	while (a->newest) {
		struct arena_block *b = a->newest;

		a->newest = b->older;
		free(b);
	}
}

/* Of any content. */
static void *take(struct arena *a, size_t size)
{
	struct arena_block *b = a->newest;
	size_t need = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
	void *p;

	if (need < size)
		abort();
	if (!b || b->size - b->used < need) {
		size_t room = need > BLOCK ? need : BLOCK;

		b = must(malloc(sizeof *b + room));
		b->used = 0;
		b->size = room;
		b->older = a->newest;
		a->newest = b;
	}
	p = b->bytes + b->used;
	b->used += need;
	return p;
}

void *arena_alloc(struct arena *a, size_t size)
{
	/* not the block: its pages stay untouched until they are needed */
	return memset(take(a, size), 0, size);
}

void *arena_memdup(struct arena *a, const void *data, size_t size)
{
	void *p = take(a, size);

	if (size)
		memcpy(p, data, size);
	return p;
}

char *arena_strndup(struct arena *a, const char *text, size_t n)
{
	char *p = take(a, n + 1);

	memcpy(p, text, n);
	p[n] = '\0';
	return p;
}

char *arena_strdup(struct arena *a, const char *text)
{
	return arena_strndup(a, text, strlen(text));
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	owned_str text = STR_INIT;
	va_list ap;

	va_start(ap, fmt);
	str_vprintf(&text, fmt, ap);
	va_end(ap);
	return arena_strndup(a, text.s, text.len);
}

char *arena_clean_path(struct arena *a, const char *path)
{
	char *clean = arena_alloc(a, strlen(path) + 2), *end = clean;

	while (*path) {
		size_t n = strcspn(path, "/");

		if (n == 2 && path[0] == '.' && path[1] == '.') {
			while (end > clean && *--end != '/')
				;
		} else if (n > 0 && !(n == 1 && path[0] == '.')) {
			*end++ = '/';
			memcpy(end, path, n);
			end += n;
		}
		path += n + (path[n] == '/');
	}
	if (end == clean)
		*end++ = '/';
	*end = '\0';
	return clean;
}

/* Vectors grow at powers of two, so that adding n texts costs O(n). */
static void *grown(struct arena *a, void *old, size_t n, size_t item)
{
	void *bigger;

	if (n & (n + 1))
		return old;
	bigger = arena_alloc(a, (2 * n + 2) * item);
	if (n)
		memcpy(bigger, old, n * item);
	return bigger;
}

void strv_add(struct arena *a, struct strv *s, const char *text)
{
	s->v = grown(a, s->v, s->n, sizeof *s->v);
	s->v[s->n++] = arena_strdup(a, text);
	s->v[s->n] = NULL;
}

struct strv strv_copy(struct arena *a, const struct strv *s)
{
	struct strv copy = { 0 };
	size_t room = 1;

	while (room < s->n + 1)	/* the size that grown() would have reached */
		room *= 2;
	copy.v = arena_array(a, char *, room + 1);
	copy.n = s->n;
	if (s->n)
		memcpy(copy.v, s->v, s->n * sizeof *s->v);
	return copy;
}

long strv_find(const struct strv *s, const char *text)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->v[i], text) == 0)
			return (long)i;
	return -1;
}

void kvs_add(struct arena *a, struct kvs *k, const char *key, const char *value)
{
	k->v = grown(a, k->v, k->n, sizeof *k->v);
	k->v[k->n++] = (struct kv){ arena_strdup(a, key), arena_strdup(a, value) };
}

const char *kvs_get(const struct kvs *k, const char *key)
{
	for (size_t i = 0; i < k->n; i++)
		if (strcmp(k->v[i].key, key) == 0)
			return k->v[i].value;
	return NULL;
}
