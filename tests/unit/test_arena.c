/* SPDX-License-Identifier: Apache-2.0 */
/* arena: zeroed and aligned memory; clean paths; vectors that grow; copies that share nothing but texts. */
#include <criterion/criterion.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"

Test(arena, memory_is_zeroed_and_aligned)
{
	owned_arena a = ARENA_INIT;

	for (size_t size = 0; size < 3000; size += 7) {
		unsigned char *p = arena_alloc(&a, size);

		cr_assert_eq((uintptr_t)p % alignof(max_align_t), 0);
		for (size_t i = 0; i < size; i++)
			cr_assert_eq(p[i], 0);
		memset(p, 0xff, size);
	}
}

Test(arena, large_blocks)
{
	owned_arena a = ARENA_INIT;
	char *small = arena_strdup(&a, "small"), *large = arena_alloc(&a, 5 << 20);

	memset(large, 'x', 5 << 20);
	cr_assert_str_eq(small, "small");
	cr_assert_str_eq(arena_strdup(&a, "after"), "after");
}

Test(arena, texts)
{
	owned_arena a = ARENA_INIT;

	cr_expect_str_eq(arena_strndup(&a, "abcdef", 3), "abc");
	cr_expect_str_eq(arena_printf(&a, "%s-%d", "x", 7), "x-7");
	cr_expect_eq(memcmp(arena_memdup(&a, "a\0b", 3), "a\0b", 3), 0);
}

Test(arena, a_path_stays_below)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{ "/a/b", "/a/b" },	   { "a", "/a" },	      { "", "/" },
		{ "/", "/" },		   { "//a///b/", "/a/b" },    { "/a/./b", "/a/b" },
		{ "/a/../b", "/b" },	   { "/../../etc", "/etc" },  { "../../../x", "/x" },
		{ "/a/b/../../..", "/" },  { "/...", "/..." },	      { "/a/..b/c..", "/a/..b/c.." },
		{ "/a/../../b/../c", "/c" },
	};
	owned_arena a = ARENA_INIT;

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		cr_expect_str_eq(arena_clean_path(&a, rows[i].in), rows[i].out, "%s", rows[i].in);
}

Test(arena, strv_grows_and_ends_with_null)
{
	owned_arena a = ARENA_INIT;
	struct strv v = { 0 };

	for (size_t i = 0; i < 1000; i++) {
		char text[16];

		snprintf(text, sizeof text, "%zu", i);
		strv_add(&a, &v, text);
		cr_assert_eq(v.n, i + 1);
		cr_assert_null(v.v[v.n]);
	}
	cr_expect_str_eq(v.v[0], "0");
	cr_expect_str_eq(v.v[999], "999");
	cr_expect_eq(strv_find(&v, "500"), 500);
	cr_expect_eq(strv_find(&v, "1000"), -1);
}

/* A copy of any length can grow, and growing it leaves the original alone. */
Test(arena, strv_copy_can_grow)
{
	for (size_t n = 0; n < 70; n++) {
		owned_arena a = ARENA_INIT;
		struct strv v = { 0 }, copy;

		for (size_t i = 0; i < n; i++)
			strv_add(&a, &v, "old");
		copy = strv_copy(&a, &v);
		cr_assert_eq(copy.n, n);
		cr_assert_null(copy.v[n]);
		for (size_t i = 0; i < 70; i++)
			strv_add(&a, &copy, "new");
		cr_assert_eq(copy.n, n + 70);
		cr_assert_eq(v.n, n);
		for (size_t i = 0; i < copy.n; i++)
			cr_assert_str_eq(copy.v[i], i < n ? "old" : "new");
		for (size_t i = 0; i < n; i++)
			cr_assert_eq(copy.v[i], v.v[i]);
	}
}

Test(arena, kvs)
{
	owned_arena a = ARENA_INIT;
	struct kvs k = { 0 };

	cr_assert_null(kvs_get(&k, "x"));
	for (int i = 0; i < 100; i++) {
		char key[16];

		snprintf(key, sizeof key, "k%d", i);
		kvs_add(&a, &k, key, "v");
	}
	kvs_add(&a, &k, "", "empty");
	cr_expect_eq(k.n, 101);
	cr_expect_str_eq(kvs_get(&k, "k99"), "v");
	cr_expect_str_eq(kvs_get(&k, ""), "empty");
	cr_expect_null(kvs_get(&k, "k100"));
}
