/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json: JSON text to a tree (json.c, the only user of yajl), and back (json_write.c).
 *
 * Reading is strict (RFC 8259) and bounded, since configurations come from
 * strangers: at most JSON_MOST bytes, JSON_MANY values and JSON_DEEP levels, no
 * duplicate key, no NUL inside a string, no invalid UTF-8, nothing after the
 * value.  Errors name the file, the line and column, and the JSON path
 * ("process.args[0]").
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

/* The writer goes deeper by 28: a tree that was read fits with what is put around it. */
enum { JSON_MOST = 16 << 20, JSON_MANY = 1 << 20, JSON_DEEP = 100 };

enum json_type { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json {
	enum json_type type;
	bool boolean;
	const char *text;		/* string: its bytes; number: as it was written */
	size_t n;			/* array and object: how many */
	const struct json **items;	/* array and object: the values */
	const char **keys;		/* object: the keys, in the order of the source */
};

extern const char *const json_type_names[];	/* "null", "a boolean", ... by enum json_type */

/* A text that has not been parsed yet: not everybody who holds it needs its tree. */
struct json_text {
	const char *what;		/* names it in errors (a file's path) */
	const char *text;		/* in the arena, or constant */
	size_t size;
};

/* The tree lives in `a`. `what` names the text in errors (a file's path). */
int json_parse(struct arena *a, const char *text, size_t size, const char *what,
	       const struct json **ret, struct err *e);
int json_read_file(struct arena *a, int dirfd, const char *path, const struct json **ret,
		   struct err *e);
/* Where a value stands in its document, innermost first; NULL is the document itself. */
struct json_path {
	const struct json_path *up;
	const char *key;		/* NULL: the item `index` of an array */
	size_t index;
};
/* Appends "process.args[0]", annotations["a.b"], and nothing for NULL: safe to print. */
void json_path_put(const struct json_path *p, struct str *out);
/* err_say() of "WHAT: PATH: TEXT". */
int json_say(struct err *e, int code, const char *what, const struct json_path *p,
	     const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* The member's value, NULL if there is none or `object` is no object. */
const struct json *json_get(const struct json *object, const char *key);
/* The member's text if it is a string, else NULL. */
const char *json_get_text(const struct json *object, const char *key);
/* -ERANGE or -EINVAL (no integer) without an err: the caller knows the path. */
int json_i64(const struct json *number, int64_t *ret);
int json_u64(const struct json *number, uint64_t *ret);

/*
 * Writing.  Calls that do not form JSON abort: they are this program's
 * mistakes, never the input's.  Invalid UTF-8 in a string is written with each
 * offending byte as U+FFFD, so that the output is always valid JSON.
 */
struct json_writer;
struct json_writer *json_writer_new(bool pretty);
/* Appends the text written so far to out, adds a newline, and frees the writer. */
void json_writer_end(struct json_writer *w, struct str *out);
void json_open(struct json_writer *w);			/* { */
void json_close(struct json_writer *w);			/* } */
void json_open_array(struct json_writer *w);
void json_close_array(struct json_writer *w);
void json_key(struct json_writer *w, const char *key);
void json_put_string(struct json_writer *w, const char *text);	/* NULL writes null */
void json_put_i64(struct json_writer *w, int64_t v);
void json_put_u64(struct json_writer *w, uint64_t v);
void json_put_double(struct json_writer *w, double v);
void json_put_bool(struct json_writer *w, bool v);
void json_put_null(struct json_writer *w);
void json_put_tree(struct json_writer *w, const struct json *tree);
/* Appends one text as a string, to what is no writer's. */
void json_quote(struct str *out, const char *text);
/* Key and value in one. */
void json_field(struct json_writer *w, const char *key, const char *text);
void json_field_i64(struct json_writer *w, const char *key, int64_t v);
void json_field_u64(struct json_writer *w, const char *key, uint64_t v);
void json_field_bool(struct json_writer *w, const char *key, bool v);
/* `list` ends with NULL. */
void json_field_list(struct json_writer *w, const char *key, const char *const *list);
void json_field_strv(struct json_writer *w, const char *key, const struct strv *v);
void json_field_kvs(struct json_writer *w, const char *key, const struct kvs *v);
