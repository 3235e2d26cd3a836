/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"

#include <stdint.h>
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
	va_list again;
	int n;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (n < 0)
		abort();
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
	return strncmp(text, prefix, strlen(prefix)) == 0;
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

/* The length of the UTF-8 sequence at p, 0 if it is not one (overlong forms, surrogates and
 * control characters U+0080..U+009F count as invalid: terminals act on the latter). */
static size_t utf8_length(const unsigned char *p)
{
	uint32_t c;

	if (p[0] >= 0xc2 && p[0] <= 0xdf && (p[1] & 0xc0) == 0x80)
		return p[0] == 0xc2 && p[1] < 0xa0 ? 0 : 2;
	if ((p[0] & 0xf0) == 0xe0 && (p[1] & 0xc0) == 0x80 && (p[2] & 0xc0) == 0x80) {
		c = (uint32_t)(p[0] & 15) << 12 | (uint32_t)(p[1] & 63) << 6 | (p[2] & 63);
		/* U+202A..202E and U+2066..2069 reverse what a reader sees */
		if (c < 0x800 || (c >= 0xd800 && c <= 0xdfff) || (c >= 0x202a && c <= 0x202e) ||
		    (c >= 0x2066 && c <= 0x2069))
			return 0;
		return 3;
	}
	if (p[0] >= 0xf0 && p[0] <= 0xf4 && (p[1] & 0xc0) == 0x80 && (p[2] & 0xc0) == 0x80 &&
	    (p[3] & 0xc0) == 0x80) {
		c = (uint32_t)(p[0] & 7) << 18 | (uint32_t)(p[1] & 63) << 12;
		return c >= 0x10000 && c <= 0x10ffff ? 4 : 0;
	}
	return 0;
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
		else if (*p >= 0x80 && (n = utf8_length(p)) > 0)
			str_append(s, p, n);
		else {
			n = 1;
			str_printf(s, "\\x%02x", *p);
		}
	}
	if (!s->s)
		str_puts(s, "");
}
