/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The annotations org.systemd.property.NAME as typed properties of the container's systemd unit.
 * Their values are in GVariant's text form: 'text', ['a', 'b'], true, 5, uint64 5.
 */
#include "spec/spec.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct number_type {
	const char *word;
	enum spec_property_type type;
	int64_t min;
	uint64_t max;
} number_types[] = {
	{ "int32 ", PROPERTY_I32, INT32_MIN, INT32_MAX },
	{ "uint32 ", PROPERTY_U32, 0, UINT32_MAX },
	{ "int64 ", PROPERTY_I64, INT64_MIN, INT64_MAX },
	{ "uint64 ", PROPERTY_U64, 0, UINT64_MAX },
	{ "", PROPERTY_I32, INT32_MIN, INT32_MAX },	/* last: fits all */
};

/* -EINVAL: it is none; -ERANGE: its type does not hold it. */
static int read_number(const char *text, struct spec_property *p)
{
	const struct number_type *t = number_types;
	bool fits;
	char *end;

	while (!str_has_prefix(text, t->word))
		t++;
	text += strlen(t->word);
	text += strspn(text, " ");
	/* strtoull(3) takes "-1", and any white space before it */
	if (!*text || !strchr("+-0123456789", *text))
		return -EINVAL;
	errno = 0;
	if (*text == '-') {
		int64_t n = strtoll(text, &end, 0);

		fits = n >= t->min;
		p->number = (uint64_t)n;
	} else {
		p->number = strtoull(text, &end, 0);
		fits = p->number <= t->max;
	}
	if (*end)
		return -EINVAL;
	p->type = t->type;
	return errno || !fits ? -ERANGE : 0;
}

/* Text in quotes, without escapes; *at is left behind it. */
static char *read_text(struct arena *a, const char **at)
{
	const char *first = *at + 1, *end = **at == '\'' || **at == '"' ? strchr(first, **at) : NULL;

	if (!end || memchr(first, '\\', (size_t)(end - first)))
		return NULL;
	*at = end + 1;
	return arena_strndup(a, first, (size_t)(end - first));
}

/* The type of an empty list nobody could tell. */
static int read_texts(struct arena *a, const char *at, struct spec_property *p)
{
	do {
		char *text;

		at += 1 + strspn(at + 1, " ");
		text = read_text(a, &at);
		if (!text)
			return -EINVAL;
		strv_add(a, &p->texts, text);
		at += strspn(at, " ");
	} while (*at == ',');
	p->type = PROPERTY_TEXTS;
	return strcmp(at, "]") == 0 ? 0 : -EINVAL;
}

static int read_value(struct arena *a, const char *value, struct spec_property *p)
{
	if (strcmp(value, "true") == 0 || strcmp(value, "false") == 0) {
		p->type = PROPERTY_BOOL;
		p->number = value[0] == 't';
		return 0;
	}
	if (value[0] == '[')
		return read_texts(a, value, p);
	if (value[0] != '\'' && value[0] != '"')
		return read_number(value, p);
	p->type = PROPERTY_TEXT;
	p->text = read_text(a, &value);
	return p->text && !*value ? 0 : -EINVAL;
}

/* systemd's unit files count TimeoutStopSec in seconds, its bus knows TimeoutStopUSec only. */
static int from_seconds(struct arena *a, struct spec_property *p)
{
	enum { USEC = 1000000 };
	size_t n = strlen(p->name);
	bool is_signed = p->type == PROPERTY_I32 || p->type == PROPERTY_I64;

	if (n < 4 || !str_has_suffix(p->name, "Sec") || !islower((unsigned char)p->name[n - 4]) ||
	    p->type == PROPERTY_TEXT || p->type == PROPERTY_TEXTS || p->type == PROPERTY_BOOL)
		return 0;
	if (p->number > (is_signed ? INT64_MAX : UINT64_MAX) / USEC)	/* less than 0, too */
		return -ERANGE;
	p->name = arena_printf(a, "%.*sUSec", (int)n - 3, p->name);
	p->type = PROPERTY_U64;
	p->number *= USEC;
	return 0;
}

int spec_unit_properties(struct arena *a, const struct spec *s, spec_properties *ret,
			 struct err *e)
{
	spec_properties all = { arena_array(a, struct spec_property, s->annotations.n), 0 };

	for (size_t i = 0; i < s->annotations.n; i++) {
		const struct kv *kv = &s->annotations.v[i];
		const struct json_path up = { NULL, "annotations", 0 }, at = { &up, kv->key, 0 };
		struct spec_property p = { 0 };
		owned_str found = STR_INIT;
		int r;

		if (!str_has_prefix(kv->key, SPEC_UNIT_PROPERTY))
			continue;
		p.name = kv->key + strlen(SPEC_UNIT_PROPERTY);
		str_put_safe(&found, kv->value, 64);
		if (!*p.name)
			return json_say(e, EINVAL, NULL, &at, "names no property");
		r = read_value(a, kv->value, &p);
		if (r == 0)
			r = from_seconds(a, &p);
		if (r == -ERANGE)
			return json_say(e, ERANGE, NULL, &at, "%s is out of its type's range",
					str_text(&found));
		if (r < 0)
			return json_say(e, ENOTSUP, NULL, &at, "%s is not of a supported type, "
					"which are booleans, integers of 32 and 64 bits, text in "
					"quotes without escapes, and lists of such text", str_text(&found));
		all.v[all.n++] = p;
	}
	*ret = all;
	return 0;
}
