/* SPDX-License-Identifier: Apache-2.0 */
/*
 * err: one error value, built where it happens and wrapped as it climbs.
 *
 * A function that can fail returns 0 (or a count) or a negative errno and
 * takes `struct err *e` last; e is set exactly when the result is negative.
 * The value has a fixed size and no pointer, so that the container's init
 * sends it to its parent in one write.  Must not print and must not exit.
 */
#pragma once

struct err {
	int code;		/* errno, always > 0 once set */
	char text[2000];	/* may hold several lines: a refusal has three */
};

/* strerror(3) in glibc's words, which people know and search for, whatever the C library. */
const char *err_text(int code);
/* "TEXT: err_text(code)"; returns -code. */
int err_set(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* TEXT alone, where err_text would add nothing; returns -code. */
int err_say(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Puts "WHERE: " before the text; returns -e->code. */
int err_in(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Allocation failure aborts: no caller can do better (STYLE: Errors). */
void *must(void *allocated);
