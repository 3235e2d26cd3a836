/* SPDX-License-Identifier: Apache-2.0 */
/* Text to a tree; and what is asked of trees, and said of places in them. */
#include "base/json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yajl/yajl_parse.h>

#include "base/fd.h"

const char *const json_type_names[] = {
	[JSON_NULL] = "null",	  [JSON_BOOL] = "a boolean", [JSON_NUMBER] = "a number",
	[JSON_STRING] = "a string", [JSON_ARRAY] = "an array", [JSON_OBJECT] = "an object",
};

/* yajl does not check what its allocator returns. */
static void *must_malloc(void *ctx, size_t size)
{
	(void)ctx;
	return must(malloc(size ? size : 1));
}

static void *must_realloc(void *ctx, void *p, size_t size)
{
	(void)ctx;
	return must(realloc(p, size ? size : 1));
}

static void just_free(void *ctx, void *p)
{
	(void)ctx;
	free(p);
}

static yajl_alloc_funcs alloc_funcs = { must_malloc, must_realloc, just_free, NULL };

/* ---- UTF-8 (yajl's own check lets overlong forms and surrogates pass) ---- */

/* How many bytes at the start are valid. */
static size_t utf8_prefix(const char *text, size_t n)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t i = 0, length;

	while (i < n) {
		uint64_t eight;

		if (n - i >= sizeof eight) {
			memcpy(&eight, p + i, sizeof eight);
			if (!(eight & 0x8080808080808080u)) {
				i += sizeof eight;
				continue;
			}
		}
		length = p[i] < 0x80 ? 1 : utf8_sequence(p + i, n - i);
		if (!length)
			break;
		i += length;
	}
	return i;
}

/* ---- paths ---- */

static bool is_plain(const char *key)
{
	const char *p = key;

	while ((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') ||
	       *p == '_' || *p == '-')
		p++;
	return p > key && !*p && p - key <= 64;
}

static void put_steps(const struct json_path *p, struct str *out)
{
	if (!p)
		return;
	put_steps(p->up, out);
	if (!p->key)
		str_printf(out, "[%zu]", p->index);
	else if (is_plain(p->key))
		str_printf(out, "%s%s", p->up ? "." : "", p->key);
	else {
		str_puts(out, "[\"");
		str_put_safe(out, p->key, 64);
		str_puts(out, "\"]");
	}
}

void json_path_put(const struct json_path *p, struct str *out)
{
	enum { LONGEST = 400 };		/* so that the error's text after it is not cut off */
	owned_str steps = STR_INIT;

	put_steps(p, &steps);
	if (steps.len <= LONGEST)
		str_puts(out, str_text(&steps));
	else
		str_printf(out, "...%s", steps.s + steps.len - LONGEST);
}

int json_say(struct err *e, int code, const char *what, const struct json_path *p,
	     const char *fmt, ...)
{
	owned_str where = STR_INIT;
	va_list ap;

	if (what)
		str_printf(&where, "%s: ", what);
	if (p) {
		json_path_put(p, &where);
		str_puts(&where, ": ");
	}
	va_start(ap, fmt);
	str_vprintf(&where, fmt, ap);
	va_end(ap);
	return err_say(e, code, "%s", where.s);
}

/* ---- reading ---- */

struct entry {			/* a member or an item of a container that is still open */
	const char *key;
	size_t key_end;		/* offset behind the key */
	const struct json *value;
};

struct frame {			/* an open container */
	struct json_path at;	/* the member or item being read */
	bool is_object, in_member;
	size_t first;		/* its first entry */
};

struct parser {
	struct arena *a;
	const char *text, *what;
	size_t size;
	struct err *e;
	yajl_handle yajl;
	struct frame frames[JSON_DEEP];
	size_t depth;
	struct entry *entries;
	size_t n, room, values;
	const struct json *root;
};

/* Offset of the token that ends before `end`. */
static size_t token_start(const struct parser *p, size_t end)
{
	size_t i = end;

	if (!end || p->text[end - 1] != '"')
		return end ? end - 1 : 0;
	for (i = end - 1; i > 0; i--) {
		size_t slashes = 0;

		if (p->text[i - 1] != '"')
			continue;
		while (slashes + 1 < i && p->text[i - 2 - slashes] == '\\')
			slashes++;
		if (slashes % 2 == 0)
			return i - 1;
	}
	return 0;
}

/* Sets the error for the place `offset`; a callback returns its value to yajl. */
__attribute__((format(printf, 4, 5)))
static int fail(struct parser *p, int code, size_t offset, const char *fmt, ...)
{
	const struct json_path *at = p->depth ? &p->frames[p->depth - 1].at : NULL;
	size_t line = 1, column = 1;
	owned_str text = STR_INIT;
	owned_str where = STR_INIT;
	va_list ap;

	/* between two members the object itself is the place */
	if (at && p->frames[p->depth - 1].is_object && !p->frames[p->depth - 1].in_member)
		at = at->up;
	for (size_t i = 0; i < offset && i < p->size; i++) {
		column = p->text[i] == '\n' ? 1 : column + 1;
		line += p->text[i] == '\n';
	}
	str_printf(&where, "%s:%zu:%zu", p->what, line, column);
	va_start(ap, fmt);
	str_vprintf(&text, fmt, ap);
	va_end(ap);
	json_say(p->e, code, where.s, at, "%s", text.s);
	return 0;
}

static size_t offset_now(const struct parser *p)
{
	return yajl_get_bytes_consumed(p->yajl);
}

static struct entry *entry_new(struct parser *p)
{
	if (p->n == p->room) {
		p->room = p->room ? 2 * p->room : 256;
		p->entries = must(realloc(p->entries, p->room * sizeof *p->entries));
	}
	p->entries[p->n] = (struct entry){ 0 };
	return &p->entries[p->n++];
}

static int add(struct parser *p, const struct json *value)
{
	struct frame *f;

	if (++p->values > JSON_MANY)
		return fail(p, E2BIG, offset_now(p), "more than %d values", JSON_MANY);
	if (!p->depth) {
		p->root = value;
		return 1;
	}
	f = &p->frames[p->depth - 1];
	if (f->is_object) {
		p->entries[p->n - 1].value = value;
		f->in_member = false;
	} else {
		entry_new(p)->value = value;
		f->at.index++;
	}
	return 1;
}

/* RFC 8259 section 8.2: a \u escape of half a surrogate pair is no character.  yajl reads a
 * question mark or a wrong character instead of refusing. */
static bool has_half_pair(const char *p, const char *end)
{
	unsigned unit = 0, next = 0;

	for (; p + 1 < end; p += *p == '\\' ? 2 : 1) {
		if (p[0] != '\\' || p[1] != 'u')
			continue;
		if (end - p < 6 || sscanf(p + 2, "%4x", &unit) != 1)
			return true;
		if (unit < 0xd800 || unit > 0xdfff)
			continue;
		if (unit > 0xdbff || end - p < 12 || p[6] != '\\' || p[7] != 'u' ||
		    sscanf(p + 8, "%4x", &next) != 1 || next < 0xdc00 || next > 0xdfff)
			return true;
		p += 6;
	}
	return false;
}

/* The arena's copy; NULL with the error set if the string may not appear. */
static const char *string_copy(struct parser *p, const unsigned char *s, size_t n)
{
	const char *bytes = (const char *)s;
	size_t end = offset_now(p), start;

	if (utf8_prefix(bytes, n) < n) {
		fail(p, EILSEQ, token_start(p, end), "a string that is not valid UTF-8");
		return NULL;
	}
	if (n && memchr(bytes, 0, n)) {
		fail(p, EINVAL, token_start(p, end), "a string with a NUL character");
		return NULL;
	}
	/* yajl decodes escapes into a buffer of its own */
	if (bytes < p->text || bytes >= p->text + p->size) {
		start = token_start(p, end);
		if (has_half_pair(p->text + start, p->text + end)) {
			fail(p, EILSEQ, start, "a string with half a surrogate pair");
			return NULL;
		}
	}
	return arena_strndup(p->a, bytes, n);
}

static int on_null(void *ctx)
{
	static const struct json null = { .type = JSON_NULL };

	return add(ctx, &null);
}

static int on_boolean(void *ctx, int v)
{
	static const struct json booleans[] = {
		{ .type = JSON_BOOL, .boolean = false }, { .type = JSON_BOOL, .boolean = true },
	};

	return add(ctx, &booleans[v != 0]);
}

static int on_number(void *ctx, const char *text, size_t n)
{
	struct parser *p = ctx;
	struct json *j = arena_new(p->a, struct json);

	j->type = JSON_NUMBER;
	j->text = arena_strndup(p->a, text, n);
	return add(p, j);
}

static int on_string(void *ctx, const unsigned char *s, size_t n)
{
	struct parser *p = ctx;
	const char *text = string_copy(p, s, n);
	struct json *j;

	if (!text)
		return 0;
	j = arena_new(p->a, struct json);
	j->type = JSON_STRING;
	j->text = text;
	return add(p, j);
}

static int on_key(void *ctx, const unsigned char *s, size_t n)
{
	struct parser *p = ctx;
	struct frame *f = &p->frames[p->depth - 1];
	const char *key = string_copy(p, s, n);
	struct entry *entry;

	if (!key)
		return 0;
	entry = entry_new(p);
	entry->key = key;
	entry->key_end = offset_now(p);
	f->at.key = key;
	f->in_member = true;
	return 1;
}

static int start(struct parser *p, bool is_object)
{
	struct frame *f = &p->frames[p->depth];

	if (p->depth == JSON_DEEP)
		return fail(p, E2BIG, token_start(p, offset_now(p)), "nested more than %d deep",
			    JSON_DEEP);
	*f = (struct frame){ .is_object = is_object, .first = p->n };
	f->at.up = p->depth ? &p->frames[p->depth - 1].at : NULL;
	p->depth++;
	return 1;
}

static int on_start_map(void *ctx)
{
	return start(ctx, true);
}

static int on_start_array(void *ctx)
{
	return start(ctx, false);
}

static int by_key(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int r = strcmp(x->key, y->key);

	return r ? r : x->key_end < y->key_end ? -1 : x->key_end > y->key_end;
}

/* The first entry whose key stood before, NULL if there is none. */
static const struct entry *duplicate(const struct entry *v, size_t n, struct entry *ret)
{
	const struct entry *found = NULL;
	struct entry *sorted;

	if (n <= 24) {
		for (size_t i = 1; i < n; i++)
			for (size_t k = 0; k < i; k++)
				if (strcmp(v[i].key, v[k].key) == 0)
					return &v[i];
		return NULL;
	}
	sorted = must(malloc(n * sizeof *v));
	memcpy(sorted, v, n * sizeof *v);
	qsort(sorted, n, sizeof *v, by_key);
	for (size_t i = 1; i < n; i++)
		if (strcmp(sorted[i].key, sorted[i - 1].key) == 0 &&
		    (!found || sorted[i].key_end < ret->key_end)) {
			*ret = sorted[i];
			found = ret;
		}
	free(sorted);
	return found;
}

static int end(struct parser *p)
{
	struct frame *f = &p->frames[p->depth - 1];
	size_t n = p->n - f->first;
	const struct entry *v = n ? p->entries + f->first : NULL;
	struct json *j = arena_new(p->a, struct json);
	struct entry copy;

	j->type = f->is_object ? JSON_OBJECT : JSON_ARRAY;
	j->n = n;
	if (n) {
		j->items = arena_array(p->a, const struct json *, n);
		for (size_t i = 0; i < n; i++)
			j->items[i] = v[i].value;
	}
	if (n && f->is_object) {
		const struct entry *twice = duplicate(v, n, &copy);

		if (twice) {
			f->at.key = twice->key;
			f->in_member = true;
			return fail(p, EINVAL, token_start(p, twice->key_end),
				    "the key stands twice in its object");
		}
		j->keys = arena_array(p->a, const char *, n);
		for (size_t i = 0; i < n; i++)
			j->keys[i] = v[i].key;
	}
	p->n = f->first;
	p->depth--;
	return add(p, j);
}

static int on_end(void *ctx)
{
	return end(ctx);
}

static const yajl_callbacks callbacks = {
	.yajl_null = on_null,
	.yajl_boolean = on_boolean,
	.yajl_number = on_number,
	.yajl_string = on_string,
	.yajl_start_map = on_start_map,
	.yajl_map_key = on_key,
	.yajl_end_map = on_end,
	.yajl_start_array = on_start_array,
	.yajl_end_array = on_end,
};

int json_parse(struct arena *a, const char *text, size_t size, const char *what,
	       const struct json **ret, struct err *e)
{
	struct parser p = { .a = a, .text = text, .size = size, .what = what, .e = e };
	yajl_status status;
	bool at_end = false;

	if (size > JSON_MOST)
		return err_say(e, EFBIG, "%s: longer than %d bytes", what, JSON_MOST);
	p.yajl = must(yajl_alloc(&callbacks, &alloc_funcs, &p));
	/* strings are checked by string_copy(), and better */
	yajl_config(p.yajl, yajl_dont_validate_strings, 1);
	e->code = 0;
	status = yajl_parse(p.yajl, (const unsigned char *)text, size);
	if (status == yajl_status_ok) {
		status = yajl_complete_parse(p.yajl);
		at_end = true;
	}
	if (status != yajl_status_ok && !e->code) {
		unsigned char *reason = yajl_get_error(p.yajl, 0, NULL, 0);
		size_t n = strcspn((char *)reason, "\n");

		fail(&p, EINVAL, at_end ? size : offset_now(&p), "not valid JSON: %.*s", (int)n,
		     (char *)reason);
		yajl_free_error(p.yajl, reason);
	}
	yajl_free(p.yajl);
	free(p.entries);
	if (e->code)
		return -e->code;
	*ret = p.root;
	return 0;
}

int json_read_file(struct arena *a, int dirfd, const char *path, const struct json **ret,
		   struct err *e)
{
	owned_str text = STR_INIT;
	int r = file_read(dirfd, path, JSON_MOST, &text, e);

	if (r < 0)
		return r;
	return json_parse(a, str_text(&text), text.len, path, ret, e);
}

const struct json *json_get(const struct json *object, const char *key)
{
	if (!object || object->type != JSON_OBJECT)
		return NULL;
	for (size_t i = 0; i < object->n; i++)
		if (strcmp(object->keys[i], key) == 0)
			return object->items[i];
	return NULL;
}

const char *json_get_text(const struct json *object, const char *key)
{
	const struct json *value = json_get(object, key);

	return value && value->type == JSON_STRING ? value->text : NULL;
}

static int is_integer(const struct json *number)
{
	return number && number->type == JSON_NUMBER && !number->text[strcspn(number->text, ".eE")];
}

int json_i64(const struct json *number, int64_t *ret)
{
	long long v;

	if (!is_integer(number))
		return -EINVAL;
	errno = 0;
	v = strtoll(number->text, NULL, 10);
	if (errno)
		return -ERANGE;
	*ret = v;
	return 0;
}

int json_u64(const struct json *number, uint64_t *ret)
{
	unsigned long long v;

	if (!is_integer(number))
		return -EINVAL;
	errno = 0;
	v = strtoull(number->text, NULL, 10);
	/* strtoull() takes -1 for the largest number */
	if (errno || (number->text[0] == '-' && v != 0))
		return -ERANGE;
	*ret = v;
	return 0;
}
