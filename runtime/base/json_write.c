/* SPDX-License-Identifier: Apache-2.0 */
/* Values and trees to text, by an own writer: yajl only reads. */
#include "base/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WRITER_DEEP = JSON_DEEP + 28 };	/* a tree that was read, and what is put around it */

struct json_writer {
	struct str out;
	size_t depth;
	bool is_object[WRITER_DEEP];
	bool pretty;
	bool follows;		/* something stands before in the object or array */
	bool is_value;		/* what comes next is, of the key that was written last */
};

struct json_writer *json_writer_new(bool pretty)
{
	struct json_writer *w = must(calloc(1, sizeof *w));

	w->pretty = pretty;
	str_reserve(&w->out, 512);
	return w;
}

void json_writer_end(struct json_writer *w, struct str *out)
{
	if (w->depth)
		abort();
	str_puts(&w->out, "\n");
	if (out->s) {
		str_append(out, w->out.s, w->out.len);
		str_free(&w->out);
	} else {
		*out = w->out;
	}
	free(w);
}

static void put_char(struct json_writer *w, char c)
{
	struct str *out = &w->out;

	if (out->len + 1 >= out->room)
		str_reserve(out, 1);
	out->s[out->len++] = c;
	out->s[out->len] = 0;
}

static void new_line(struct json_writer *w)
{
	if (!w->pretty)
		return;
	put_char(w, '\n');
	for (size_t i = 0; i < w->depth; i++)
		put_char(w, '\t');
}

/* What parts the next key or value from what is before it. */
static void begin(struct json_writer *w, bool is_key)
{
	if (is_key != (w->depth && w->is_object[w->depth - 1] && !w->is_value))
		abort();
	if (!w->is_value && w->follows)
		put_char(w, ',');
	if (!w->is_value && w->depth)
		new_line(w);
	w->is_value = false;
	w->follows = true;
}

static void open_with(struct json_writer *w, char bracket)
{
	begin(w, false);
	if (w->depth == WRITER_DEEP)
		abort();
	w->is_object[w->depth++] = bracket == '{';
	put_char(w, bracket);
	w->follows = false;
}

static void close_with(struct json_writer *w, char bracket)
{
	if (!w->depth || w->is_value)
		abort();
	w->depth--;
	if (!w->follows && w->pretty)
		put_char(w, '\n');
	new_line(w);
	put_char(w, bracket);
	w->follows = true;
}

void json_open(struct json_writer *w)
{
	open_with(w, '{');
}

void json_close(struct json_writer *w)
{
	close_with(w, '}');
}

void json_open_array(struct json_writer *w)
{
	open_with(w, '[');
}

void json_close_array(struct json_writer *w)
{
	close_with(w, ']');
}

/* Bytes that stand for themselves. */
static const bool plain[256] = {
	[0x20 ... 0x21] = true, [0x23 ... 0x5b] = true, [0x5d ... 0x7f] = true,	/* but for " and \ */
};

/* The first character of the text, which is none that stands for itself.  Its bytes. */
static size_t quote_special(struct str *out, const char *text)
{
	static const char named[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
	const unsigned char *p = (const unsigned char *)text;
	const char *found = strchr(named, *text);
	size_t n;

	if (found) {
		str_append(out, (const char[]){ '\\', letters[found - named] }, 2);
		return 1;
	}
	if (*p < 0x80) {
		str_printf(out, "\\u%04X", *p);
		return 1;
	}
	n = utf8_sequence(p, strnlen(text, 4));
	if (n)
		str_append(out, text, n);
	else
		str_puts(out, "\xef\xbf\xbd");
	return n ? n : 1;
}

void json_quote(struct str *out, const char *text)
{
	size_t n = strlen(text), done;
	char *to = str_reserve(out, n + 2);

	*to++ = '"';
	str_commit(out, 1);
	for (;;) {
		for (done = 0; plain[(unsigned char)text[done]]; done++)
			to[done] = text[done];
		if (done == n)
			break;
		str_commit(out, done);
		done += quote_special(out, text + done);
		text += done;
		n -= done;
		to = str_reserve(out, n + 1);
	}
	to[n] = '"';
	str_commit(out, n + 1);
}

/* A literal or a number. */
static void put_word(struct json_writer *w, const char *word, size_t n)
{
	begin(w, false);
	str_append(&w->out, word, n);
}

void json_key(struct json_writer *w, const char *key)
{
	begin(w, true);
	json_quote(&w->out, key);
	put_char(w, ':');
	if (w->pretty)
		put_char(w, ' ');
	w->is_value = true;
}

void json_put_string(struct json_writer *w, const char *text)
{
	if (!text) {
		json_put_null(w);
		return;
	}
	begin(w, false);
	json_quote(&w->out, text);
}

void json_put_i64(struct json_writer *w, int64_t v)
{
	begin(w, false);
	if (v < 0)
		put_char(w, '-');
	str_put_number(&w->out, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

void json_put_u64(struct json_writer *w, uint64_t v)
{
	begin(w, false);
	str_put_number(&w->out, v);
}

void json_put_double(struct json_writer *w, double v)
{
	char text[40];
	int n = 0;

	if (!isfinite(v)) {
		json_put_null(w);
		return;
	}
	for (int digits = 15; digits <= 17; digits++) {	/* as few as give the same number */
		n = snprintf(text, sizeof text, "%.*g", digits, v);
		if (strtod(text, NULL) == v)
			break;
	}
	put_word(w, text, (size_t)n);
}

void json_put_bool(struct json_writer *w, bool v)
{
	put_word(w, v ? "true" : "false", v ? 4 : 5);
}

void json_put_null(struct json_writer *w)
{
	put_word(w, "null", 4);
}

void json_put_tree(struct json_writer *w, const struct json *tree)
{
	switch (tree->type) {
	case JSON_NULL:
		json_put_null(w);
		break;
	case JSON_BOOL:
		json_put_bool(w, tree->boolean);
		break;
	case JSON_NUMBER:
		put_word(w, tree->text, strlen(tree->text));
		break;
	case JSON_STRING:
		json_put_string(w, tree->text);
		break;
	case JSON_ARRAY:
		json_open_array(w);
		for (size_t i = 0; i < tree->n; i++)
			json_put_tree(w, tree->items[i]);
		json_close_array(w);
		break;
	case JSON_OBJECT:
		json_open(w);
		for (size_t i = 0; i < tree->n; i++) {
			json_key(w, tree->keys[i]);
			json_put_tree(w, tree->items[i]);
		}
		json_close(w);
		break;
	}
}

void json_field(struct json_writer *w, const char *key, const char *text)
{
	json_key(w, key);
	json_put_string(w, text);
}

void json_field_i64(struct json_writer *w, const char *key, int64_t v)
{
	json_key(w, key);
	json_put_i64(w, v);
}

void json_field_u64(struct json_writer *w, const char *key, uint64_t v)
{
	json_key(w, key);
	json_put_u64(w, v);
}

void json_field_bool(struct json_writer *w, const char *key, bool v)
{
	json_key(w, key);
	json_put_bool(w, v);
}

void json_field_list(struct json_writer *w, const char *key, const char *const *list)
{
	json_key(w, key);
	json_open_array(w);
	for (; *list; list++)
		json_put_string(w, *list);
	json_close_array(w);
}

void json_field_strv(struct json_writer *w, const char *key, const struct strv *v)
{
	json_key(w, key);
	json_open_array(w);
	for (size_t i = 0; i < v->n; i++)
		json_put_string(w, v->v[i]);
	json_close_array(w);
}

void json_field_kvs(struct json_writer *w, const char *key, const struct kvs *v)
{
	json_key(w, key);
	json_open(w);
	for (size_t i = 0; i < v->n; i++)
		json_field(w, v->v[i].key, v->v[i].value);
	json_close(w);
}
