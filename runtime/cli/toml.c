/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/toml.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

struct scan {
	struct arena *a;
	const char *what, *p;
	size_t line, room;
	struct strv table;
	struct toml out;
	struct err *e;
};

static int bad(struct scan *s, const char *why)
{
	return err_say(s->e, EINVAL, "%s: line %zu: %s", s->what, s->line, why);
}

static void skip_blanks(struct scan *s)
{
	s->p += strspn(s->p, " \t");
}

static void skip_comment(struct scan *s)
{
	if (*s->p == '#')
		s->p += strcspn(s->p, "\n");
}

/* Blanks, comments and line ends. */
static void skip_space(struct scan *s)
{
	for (;;) {
		skip_blanks(s);
		skip_comment(s);
		if (s->p[0] == '\r' && s->p[1] == '\n')
			s->p++;
		if (*s->p != '\n')
			return;
		s->p++;
		s->line++;
	}
}

static int end_of_line(struct scan *s)
{
	skip_blanks(s);
	skip_comment(s);
	if (s->p[0] == '\r' && s->p[1] == '\n')
		s->p++;
	if (*s->p && *s->p != '\n')
		return bad(s, "expected the end of the line");
	return 0;
}

static void put_utf8(struct str *out, unsigned long c)
{
	char bytes[4];
	size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

	for (size_t i = n; --i > 0; c >>= 6)
		bytes[i] = (char)(0x80 | (c & 0x3f));
	bytes[0] = (char)(n == 1 ? c : (0xf00 >> n & 0xf0) | c);
	str_append(out, bytes, n);
}

/* At the backslash. */
static int escape(struct scan *s, struct str *out)
{
	static const char letters[] = "btnfre\"\\", bytes[] = "\b\t\n\f\r\033\"\\";
	const char *letter = s->p[1] ? strchr(letters, s->p[1]) : NULL;
	size_t n = s->p[1] == 'u' ? 4 : 8;
	char digits[9] = "";

	if (letter) {
		str_append(out, &bytes[letter - letters], 1);
		s->p += 2;
		return 0;
	}
	strncpy(digits, s->p[1] == 'u' || s->p[1] == 'U' ? s->p + 2 : "", n);
	if (strspn(digits, "0123456789abcdefABCDEF") != n || strtoul(digits, NULL, 16) > 0x10ffff)
		return bad(s, "unknown escape in a string");
	put_utf8(out, strtoul(digits, NULL, 16));
	s->p += 2 + n;
	return 0;
}

/* A string on one line, in either quote. */
static int short_string(struct scan *s, struct str *out)
{
	char quote = *s->p++;

	while (*s->p != quote) {
		if (!*s->p || *s->p == '\n')
			return bad(s, "a string does not end");
		if (*s->p == '\\' && quote == '"') {
			if (escape(s, out) < 0)
				return -s->e->code;
			continue;
		}
		str_append(out, s->p++, 1);
	}
	s->p++;
	return 0;
}

/* """...""" or '''...''': delimited only, no key of interest holds one. */
static int long_string(struct scan *s)
{
	char quote = *s->p;

	for (s->p += 3; *s->p; s->p++) {
		if (*s->p == '\n')
			s->line++;
		if (*s->p == '\\' && quote == '"' && s->p[1]) {
			s->p++;
			continue;
		}
		if (s->p[0] == quote && s->p[1] == quote && s->p[2] == quote) {
			s->p += 3;
			while (*s->p == quote)
				s->p++;
			return 0;
		}
	}
	return bad(s, "a string does not end");
}

static bool is_bare(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '-';
}

/* a."b.c".d */
static int key(struct scan *s, struct strv *path)
{
	for (;;) {
		owned_str part = STR_INIT;

		skip_blanks(s);
		if (*s->p == '"' || *s->p == '\'') {
			if (short_string(s, &part) < 0)
				return -s->e->code;
		} else {
			while (is_bare(*s->p))
				str_append(&part, s->p++, 1);
			if (!part.len)
				return bad(s, "expected a key");
		}
		strv_add(s->a, path, str_text(&part));
		skip_blanks(s);
		if (*s->p != '.')
			return 0;
		s->p++;
	}
}

static int value(struct scan *s, unsigned depth);

static int array(struct scan *s, unsigned depth)
{
	for (s->p++;;) {
		skip_space(s);
		if (*s->p == ']')
			break;
		if (value(s, depth) < 0)
			return -s->e->code;
		skip_space(s);
		if (*s->p == ',')
			s->p++;
		else if (*s->p != ']')
			return bad(s, "expected \",\" or \"]\"");
	}
	s->p++;
	return 0;
}

static int inline_table(struct scan *s, unsigned depth)
{
	for (s->p++;;) {
		struct strv path = { 0 };

		skip_space(s);
		if (*s->p == '}')
			break;
		if (key(s, &path) < 0)
			return -s->e->code;
		if (*s->p++ != '=')
			return bad(s, "expected \"=\"");
		skip_blanks(s);
		if (value(s, depth) < 0)
			return -s->e->code;
		skip_space(s);
		if (*s->p == ',')
			s->p++;
		else if (*s->p != '}')
			return bad(s, "expected \",\" or \"}\"");
	}
	s->p++;
	return 0;
}

/* Numbers, dates and truth values by their letters. */
static int bare_value(struct scan *s)
{
	const char *from = s->p;
	size_t n = strspn(from, "0123456789abcdefABCDEFxoinfatrulsTZ+-_.:");

	s->p += n;
	/* a date and a time may be parted by a blank */
	if (n == 10 && from[4] == '-' && s->p[0] == ' ' && isdigit((unsigned char)s->p[1]))
		s->p += 1 + strspn(s->p + 1, "0123456789Z+-.:");
	if (n == 4 && strncmp(from, "true", 4) == 0)
		return 0;
	if (n == 5 && strncmp(from, "false", 5) == 0)
		return 0;
	if (n > 0 && (strchr("+-0123456789", *from) || strncmp(from, "inf", 3) == 0 ||
		      strncmp(from, "nan", 3) == 0))
		return 0;
	return bad(s, "expected a value");
}

static int value(struct scan *s, unsigned depth)
{
	owned_str text = STR_INIT;

	if (depth > 64)
		return bad(s, "nested too deep");
	switch (*s->p) {
	case '"':
	case '\'':
		if (s->p[1] == *s->p && s->p[2] == *s->p)
			return long_string(s);
		return short_string(s, &text);
	case '[':
		return array(s, depth + 1);
	case '{':
		return inline_table(s, depth + 1);
	default:
		return bare_value(s);
	}
}

static struct toml_entry *add(struct scan *s)
{
	struct toml_entry *more;

	if (s->out.n == s->room) {
		s->room = s->room ? 2 * s->room : 32;
		more = arena_array(s->a, struct toml_entry, s->room);
		if (s->out.n)
			memcpy(more, s->out.v, s->out.n * sizeof *more);
		s->out.v = more;
	}
	return &s->out.v[s->out.n++];
}

static int header(struct scan *s)
{
	bool many = s->p[1] == '[';
	struct strv path = { 0 };
	size_t line = s->line;

	s->p += many ? 2 : 1;
	if (key(s, &path) < 0)
		return -s->e->code;
	if (*s->p != ']' || (many && s->p[1] != ']'))
		return bad(s, "expected \"]\"");
	s->p += many ? 2 : 1;
	s->table = path;
	*add(s) = (struct toml_entry){ .path = path, .header = true, .line = line };
	return end_of_line(s);
}

static int pair(struct scan *s)
{
	struct strv path = { 0 };
	size_t line = s->line;
	const char *from;

	for (size_t i = 0; i < s->table.n; i++)
		strv_add(s->a, &path, s->table.v[i]);
	if (key(s, &path) < 0)
		return -s->e->code;
	if (*s->p != '=')
		return bad(s, "expected \"=\"");
	s->p++;
	skip_blanks(s);
	from = s->p;
	if (value(s, 0) < 0)
		return -s->e->code;
	*add(s) = (struct toml_entry){ .path = path, .line = line, .value = from,
				       .n = (size_t)(s->p - from) };
	return end_of_line(s);
}

int toml_scan(struct arena *a, const char *text, const char *what, struct toml *ret, struct err *e)
{
	struct scan s = { .a = a, .what = what, .p = text, .line = 1, .e = e };

	for (skip_space(&s); *s.p; skip_space(&s))
		if ((*s.p == '[' ? header : pair)(&s) < 0)
			return -e->code;
	*ret = s.out;
	return 0;
}

static bool begins(const struct strv *path, const struct strv *with)
{
	if (path->n < with->n)
		return false;
	for (size_t i = 0; i < with->n; i++)
		if (strcmp(path->v[i], with->v[i]) != 0)
			return false;
	return true;
}

const struct toml_entry *toml_find(const struct toml *t, const struct strv *path)
{
	for (size_t i = t->n; i-- > 0;)
		if (!t->v[i].header && t->v[i].path.n == path->n && begins(&t->v[i].path, path))
			return &t->v[i];
	return NULL;
}

const struct toml_entry *toml_touches(const struct toml *t, const struct strv *path)
{
	for (size_t i = 0; i < t->n; i++)
		if (begins(&t->v[i].path, path) ||
		    (!t->v[i].header && begins(path, &t->v[i].path)))
			return &t->v[i];
	return NULL;
}

int toml_text(struct arena *a, const struct toml_entry *entry, char **ret)
{
	owned_str text = STR_INIT;
	struct err ignored;
	struct scan s = { .a = a, .what = "", .p = entry->value, .e = &ignored };

	if ((*s.p != '"' && *s.p != '\'') || (s.p[1] == *s.p && s.p[2] == *s.p) ||
	    short_string(&s, &text) < 0)
		return -EINVAL;
	*ret = arena_strdup(a, str_text(&text));
	return 0;
}

int toml_texts(struct arena *a, const struct toml_entry *entry, struct strv *ret)
{
	struct err ignored;
	struct scan s = { .a = a, .what = "", .p = entry->value, .e = &ignored };
	struct strv texts = { 0 };

	if (*s.p != '[')
		return -EINVAL;
	for (s.p++, skip_space(&s); *s.p != ']'; skip_space(&s)) {
		owned_str text = STR_INIT;

		if ((*s.p != '"' && *s.p != '\'') || short_string(&s, &text) < 0)
			return -EINVAL;
		strv_add(a, &texts, str_text(&text));
		skip_space(&s);
		if (*s.p == ',')
			s.p++;
	}
	*ret = texts;
	return 0;
}
