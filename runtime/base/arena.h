/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arena: memory that is released all at once.
 *
 * The strings and arrays of a specification and of a policy live in one
 * arena for as long as the command runs.  Memory comes zeroed.  Allocation
 * failure aborts.
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>

struct arena {
	struct arena_block *newest;
};

#define ARENA_INIT ((struct arena){ 0 })
#define owned_arena __attribute__((cleanup(arena_free))) struct arena
void arena_free(struct arena *a);

void *arena_alloc(struct arena *a, size_t size);
char *arena_strdup(struct arena *a, const char *text);
char *arena_strndup(struct arena *a, const char *text, size_t n);
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void *arena_memdup(struct arena *a, const void *data, size_t size);
/* Absolute, without "//", "." and "..", by the text alone: "a/./b//../c" -> "/a/c"; never climbs above "/". */
char *arena_clean_path(struct arena *a, const char *path);

#define arena_new(a, type) ((type *)arena_alloc((a), sizeof(type)))
#define arena_array(a, type, n) ((type *)arena_alloc((a), sizeof(type) * (n)))

/* A vector of strings: v[n] is NULL, so that it serves as argv. */
struct strv {
	char **v;
	size_t n;
};
/* Keys and values in the order of the source. */
struct kv {
	char *key, *value;
};
struct kvs {
	struct kv *v;
	size_t n;
};

/* Vectors are built with these only: they know how much room there is. */
void strv_add(struct arena *a, struct strv *s, const char *text);	/* copies text */
struct strv strv_copy(struct arena *a, const struct strv *s);	/* copies the vector, shares the texts */
long strv_find(const struct strv *s, const char *text);	/* index or -1 */
void kvs_add(struct arena *a, struct kvs *k, const char *key, const char *value);
const char *kvs_get(const struct kvs *k, const char *key);	/* NULL if absent */
