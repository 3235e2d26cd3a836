/* SPDX-License-Identifier: Apache-2.0 */
/* str: growth, ownership and text that is safe to print. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

Test(str, appends)
{
	owned_str s = STR_INIT;

	cr_assert_str_eq(str_text(&s), "");
	str_puts(&s, "a");
	str_printf(&s, "%d-%s", 5, "b");
	str_append(&s, "x\0y", 3);
	cr_assert_eq(s.len, 7);
	cr_assert_eq(memcmp(s.s, "a5-bx\0y", 7), 0);
}

Test(str, grows)
{
	owned_str s = STR_INIT;

	for (int i = 0; i < 10000; i++)
		str_printf(&s, "%04d", i);
	cr_assert_eq(s.len, 40000);
	for (int i = 0; i < 10000; i++) {
		char four[5] = "";

		memcpy(four, s.s + i * 4, 4);
		cr_assert_eq(atoi(four), i);
	}
	cr_assert_eq(s.s[s.len], 0);
}

Test(str, reserve_and_commit)
{
	owned_str s = STR_INIT;

	memcpy(str_reserve(&s, 100), "hello", 5);
	str_commit(&s, 5);
	cr_assert_str_eq(s.s, "hello");
	cr_assert_eq(s.len, 5);
}

Test(str, take_moves_the_bytes)
{
	struct str s = STR_INIT;
	char *taken;

	str_puts(&s, "x");
	taken = str_take(&s);
	cr_assert_str_eq(taken, "x");
	cr_assert_null(s.s);
	cr_assert_eq(s.len, 0);
	free(taken);
	taken = str_take(&s);
	cr_assert_str_eq(taken, "");
	free(taken);
}

Test(str, comparisons)
{
	cr_expect(str_has_prefix("abc", "ab"));
	cr_expect(str_has_prefix("abc", ""));
	cr_expect_not(str_has_prefix("ab", "abc"));
	cr_expect(str_has_suffix("abc", "bc"));
	cr_expect_not(str_has_suffix("bc", "abc"));
	cr_expect(str_equal(NULL, NULL));
	cr_expect(str_equal("a", "a"));
	cr_expect_not(str_equal(NULL, ""));
	cr_expect_not(str_equal("a", "b"));
}

Test(str, put_safe)
{
	static const struct { const char *text, *safe; size_t most; } rows[] = {
		{ "", "", 10 },
		{ "plain text", "plain text", 100 },
		{ "a\"b\\c", "a\\x22b\\x5cc", 100 },
		{ "\x1b[31mred\x07\n", "\\x1b[31mred\\x07\\x0a", 100 },
		{ "\x7f", "\\x7f", 100 },
		{ "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80",
		  "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 100 },
		/* no UTF-8: a lone byte, overlong, surrogate, too large, cut off */
		{ "\xff", "\\xff", 100 },
		{ "\xc0\x80", "\\xc0\\x80", 100 },
		{ "\xe0\x80\x80", "\\xe0\\x80\\x80", 100 },
		{ "\xed\xa0\x80", "\\xed\\xa0\\x80", 100 },
		{ "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80", 100 },
		{ "\xe2\x82", "\\xe2\\x82", 100 },
		/* valid, but a terminal acts on it: C1 control, right-to-left override */
		{ "\xc2\x9b", "\\xc2\\x9b", 100 },
		{ "\xe2\x80\xae", "\\xe2\\x80\\xae", 100 },
		{ "abcdef", "abc...", 3 },
		{ "abc", "abc", 3 },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		owned_str s = STR_INIT;

		str_put_safe(&s, rows[i].text, rows[i].most);
		cr_expect_str_eq(str_text(&s), rows[i].safe, "row %zu: %s", i, str_text(&s));
	}
}

Test(str, a_word_of_many)
{
	static const struct {
		const char *words, *word;
		bool found;
	} rows[] = {
		{ "a bc d", "a", true },  { "a bc d", "bc", true },   { " a bc d ", "d", true },
		{ "a bc d", "b", false }, { "a bc d", "c d", false }, { "a bc d", "", false },
		{ "a bc d", "bcd", false }, { "", "a", false },	      { "  ", " ", false },
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		cr_expect(str_has_word(rows[i].words, rows[i].word, strlen(rows[i].word)) == rows[i].found,
			  "%zu", i);
}
