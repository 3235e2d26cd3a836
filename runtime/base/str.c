/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

void str_free(struct str *s)
{
	free(s->s);
	*s = STR_INIT;
}

char *str_reserve(struct str *s, size_t n)
{
	if (s->room < s->len + n + 1) {
		s->room = s->len + n + 1 > 2 * s->room ? s->len + n + 1 : 2 * s->room;
		s->s = must(realloc(s->s, s->room));
		s->s[s->len] = 0;	/* a text even if nothing is committed */
	}
	return s->s + s->len;
}

void str_commit(struct str *s, size_t n)
{
	s->len += n;
	s->s[s->len] = 0;
}

void str_append(struct str *s, const void *bytes, size_t n)
{
	char *room = str_reserve(s, n);

	if (n)
		memcpy(room, bytes, n);
	str_commit(s, n);
}

void str_puts(struct str *s, const char *text)
{
	str_append(s, text, strlen(text));
}

void str_vprintf(struct str *s, const char *fmt, va_list ap)
{
	enum { MOSTLY = 47 };		/* formatted once if it is no longer */
	va_list again;
	char *to = str_reserve(s, MOSTLY);
	int n;

	va_copy(again, ap);
	n = vsnprintf(to, s->room - s->len, fmt, again);
	va_end(again);
	if (n < 0)
		abort();
	if ((size_t)n >= s->room - s->len)
		vsnprintf(str_reserve(s, (size_t)n), (size_t)n + 1, fmt, ap);
	str_commit(s, (size_t)n);
}

void str_printf(struct str *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	str_vprintf(s, fmt, ap);
	va_end(ap);
}

char *str_digits(char *p, unsigned long long v)
{
	char *end = p + 1;

	for (unsigned long long rest = v; rest >= 10; rest /= 10)
		end++;
	for (p = end; v >= 10; v /= 10)
		*--p = (char)('0' + v % 10);
	*--p = (char)('0' + v);
	return end;
}

void str_put_number(struct str *s, unsigned long long v)
{
	char digits[24];

	str_append(s, digits, (size_t)(str_digits(digits, v) - digits));
}

const char *str_text(const struct str *s)
{
	return s->s ? s->s : "";
}

char *str_take(struct str *s)
{
	char *bytes = s->s;

	if (!bytes)
		bytes = must(calloc(1, 1));
	*s = STR_INIT;
	return bytes;
}

bool str_has_prefix(const char *text, const char *prefix)
{
	while (*prefix && *text == *prefix) {
		text++;
		prefix++;
	}
	return !*prefix;
}

bool str_has_suffix(const char *text, const char *suffix)
{
	size_t n = strlen(text), m = strlen(suffix);

	return n >= m && memcmp(text + n - m, suffix, m) == 0;
}

bool str_equal(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

bool str_has_word(const char *words, const char *word, size_t n)
{
	while (*words) {
		size_t length;

		while (*words == ' ')
			words++;
		for (length = 0; words[length] && words[length] != ' '; length++)
			;
		if (n && length == n && *words == *word && memcmp(words, word, n) == 0)
			return true;
		words += length;
	}
	return false;
}

long str_find(const char *const *list, const char *text)
{
	for (long i = 0; list[i]; i++)
		if (strcmp(list[i], text) == 0)
			return i;
	return -1;
}

size_t utf8_sequence(const unsigned char *p, size_t n)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t more;

	if (n && p[0] < 0x80)
		return 1;
	if (!n || p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	more = p[0] < 0xe0 ? 1 : p[0] < 0xf0 ? 2 : 3;
	if (n <= more)
		return 0;
	if (p[0] == 0xe0)
		low = 0xa0;
	else if (p[0] == 0xed)
		high = 0x9f;
	else if (p[0] == 0xf0)
		low = 0x90;
	else if (p[0] == 0xf4)
		high = 0x8f;
	if (p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i <= more; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return more + 1;
}

/* Of a character that may be shown: terminals act on U+0080..U+009F, and U+202A..202E and
 * U+2066..2069 reverse what a reader sees. */
static size_t shown_length(const unsigned char *p)
{
	size_t n = utf8_sequence(p, strnlen((const char *)p, 4));

	if ((n == 2 && p[0] == 0xc2 && p[1] < 0xa0) ||
	    (n == 3 && p[0] == 0xe2 && ((p[1] == 0x80 && p[2] >= 0xaa && p[2] <= 0xae) ||
					(p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9))))
		return 0;
	return n;
}

void str_put_safe(struct str *s, const char *text, size_t most)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t start = s->len, n;

	for (; *p; p += n) {
		if (s->len - start >= most) {
			str_puts(s, "...");
			return;
		}
		n = 1;
		if (*p >= 0x20 && *p < 0x7f && *p != '\\' && *p != '"')
			str_append(s, p, 1);
		else if (*p >= 0x80 && (n = shown_length(p)) > 0)
			str_append(s, p, n);
		else {
			n = 1;
			str_printf(s, "\\x%02x", *p);
		}
	}
	if (!s->s)
		str_puts(s, "");
}
