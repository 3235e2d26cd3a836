/* SPDX-License-Identifier: Apache-2.0 */
/* err: texts, codes and what wrapping does to them. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

Test(err, set_adds_the_reason)
{
	struct err e;

	cr_assert_eq(err_set(&e, ENOENT, "open %s", "/x"), -ENOENT);
	cr_assert_eq(e.code, ENOENT);
	cr_assert_str_eq(e.text, "open /x: No such file or directory");
}

/* The test has glibc, whose words are wanted. */
Test(err, reasons_are_in_known_words)
{
	for (int code = 1; code <= EHWPOISON; code++) {
		char text[100];	/* strerror() may use the room of the last one again */

		snprintf(text, sizeof text, "%s", err_text(code));
		cr_expect_str_eq(text, strerror(code));
	}
}

Test(err, say_does_not)
{
	struct err e;

	cr_assert_eq(err_say(&e, EINVAL, "%d%%", 5), -EINVAL);
	cr_assert_eq(e.code, EINVAL);
	cr_assert_str_eq(e.text, "5%");
}

Test(err, in_wraps_and_keeps_the_code)
{
	struct err e;

	err_say(&e, EPERM, "inner");
	cr_assert_eq(err_in(&e, "middle %d", 2), -EPERM);
	cr_assert_eq(err_in(&e, "outer"), -EPERM);
	cr_assert_eq(e.code, EPERM);
	cr_assert_str_eq(e.text, "outer: middle 2: inner");
}

/* A result of 0 would tell the caller that all went well. */
Test(err, never_returns_success)
{
	static const struct { int code, result; } rows[] = {
		{ 0, -EINVAL }, { -ENOENT, -ENOENT }, { ENOENT, -ENOENT },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct err e;

		cr_expect_eq(err_say(&e, rows[i].code, "x"), rows[i].result, "row %zu", i);
		cr_expect_gt(e.code, 0, "row %zu", i);
	}
}

Test(err, long_texts_are_cut)
{
	char x[sizeof(((struct err *)0)->text) * 2];
	struct err e;

	memset(x, 'x', sizeof x - 1);
	x[sizeof x - 1] = 0;
	cr_expect_eq(err_say(&e, EINVAL, "%s", x), -EINVAL);
	cr_expect_eq(strlen(e.text), sizeof e.text - 1);
	cr_expect_eq(err_set(&e, EINVAL, "%s", x), -EINVAL);
	cr_expect_eq(strlen(e.text), sizeof e.text - 1);
	cr_expect_eq(err_in(&e, "%s", x), -EINVAL);
	cr_expect_eq(strlen(e.text), sizeof e.text - 1);
	cr_expect_eq(err_in(&e, "front"), -EINVAL);
	cr_expect_eq(strncmp(e.text, "front: xxx", 10), 0);
	cr_expect_eq(strlen(e.text), sizeof e.text - 1);
}
