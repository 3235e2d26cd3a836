/* SPDX-License-Identifier: Apache-2.0 */
/*
 * str: a growing byte string, and vectors of strings.
 *
 * A struct str owns its bytes (release with str_free, or declare it
 * owned_str); s is always NUL-terminated once anything was added, and may
 * be NULL before.  Must not do I/O.
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct str {
	char *s;
	size_t len;	/* without the final NUL */
	size_t room;
};

#define STR_INIT ((struct str){ 0 })
#define owned_str __attribute__((cleanup(str_free))) struct str
void str_free(struct str *s);

void str_append(struct str *s, const void *bytes, size_t n);
void str_puts(struct str *s, const char *text);
void str_printf(struct str *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void str_vprintf(struct str *s, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
/* The number in decimal, faster than by str_printf(). */
void str_put_number(struct str *s, unsigned long long v);
/* The same into room for 20 bytes, without a NUL; the place behind it. */
char *str_digits(char *p, unsigned long long v);
/* A literal, in the same way (string.h). */
#define STR_PUT(p, literal) mempcpy(p, literal, sizeof literal - 1)
/* Room for n more bytes at the end, to be filled and then committed. */
char *str_reserve(struct str *s, size_t n);
void str_commit(struct str *s, size_t n);
/* A literal at the end, without a call of memcpy(). */
#define STR_ADD(s, literal) \
	((void)STR_PUT(str_reserve(s, sizeof literal - 1), literal), str_commit(s, sizeof literal - 1))
/* The text, "" if nothing was added. */
const char *str_text(const struct str *s);
/* The bytes (free() them); the str becomes empty. */
char *str_take(struct str *s);

bool str_has_prefix(const char *text, const char *prefix);
bool str_has_suffix(const char *text, const char *suffix);
bool str_equal(const char *a, const char *b);	/* either may be NULL */
/* Whether the n bytes are a word of a text of words with blanks between them. */
bool str_has_word(const char *words, const char *word, size_t n);
/* Where the text stands in a list that ends with NULL, -1 if it does not. */
long str_find(const char *const *list, const char *text);

/* Bytes of the character in UTF-8 (RFC 3629) that begins the n bytes, 0 if none does. */
size_t utf8_sequence(const unsigned char *p, size_t n);

/* Appends text with control characters, quotes, backslashes and invalid UTF-8 escaped as \xNN,
 * cut after `most` bytes with "...": safe to print on a terminal. */
void str_put_safe(struct str *s, const char *text, size_t most);
