/* SPDX-License-Identifier: Apache-2.0 */
#include "spec/object.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* ---- members of any type ---- */

struct vec {
	void *v;
	size_t n;
};

/* memcpy: the member's own type is another one than struct vec or void * */
#define LOAD(type, from) ({ type value_; memcpy(&value_, (from), sizeof value_); value_; })

static struct vec load_vec(const void *member)
{
	return LOAD(struct vec, member);
}

static void store(void *member, const void *value, size_t size)
{
	memcpy(member, value, size);
}

/* ---- reading ---- */

struct reader {
	struct arena *a;
	const char *what;
	struct err *e;
};

static int read_object(const struct reader *r, const struct object *o, const struct json_path *at,
		       const struct json *j, void *base);

static int expect(const struct reader *r, const struct json_path *at, const struct json *j,
		  enum json_type type)
{
	if (j->type == type)
		return 0;
	return json_say(r->e, EINVAL, r->what, at, "expected %s, found %s", json_type_names[type],
			json_type_names[j->type]);
}

static int unknown_name(const struct reader *r, const struct json_path *at, const char *text,
			const char *const *names)
{
	owned_str list = STR_INIT;

	str_puts(&list, "unknown value \"");
	str_put_safe(&list, text, 64);
	str_puts(&list, "\"; known are ");
	for (size_t i = 0; names[i]; i++)
		str_printf(&list, "%s%s", i ? ", " : "", names[i]);
	return json_say(r->e, EINVAL, r->what, at, "%s", list.s);
}

static int read_string(const struct reader *r, const struct field *f, const struct json_path *at,
		       const struct json *j, const char **ret)
{
	int error = expect(r, at, j, JSON_STRING);

	if (error < 0)
		return error;
	if (f->names && j->text[0] && str_find(f->names, j->text) < 0)
		return unknown_name(r, at, j->text, f->names);
	*ret = j->text;
	return 0;
}

static int bad_number(const struct reader *r, const struct field *f, const struct json_path *at,
		      const struct json *j, int error)
{
	owned_str found = STR_INIT;

	str_put_safe(&found, j->text, 40);
	if (error == -EINVAL)
		return json_say(r->e, EINVAL, r->what, at, "expected an integer, found %s",
				found.s);
	if (!f->max)
		return json_say(r->e, ERANGE, r->what, at, "%s is out of range", found.s);
	return json_say(r->e, ERANGE, r->what, at, "%s is out of range (%lld to %llu)", found.s,
			(long long)f->min, (unsigned long long)f->max);
}

static int read_i64(const struct reader *r, const struct field *f, const struct json_path *at,
		    const struct json *j, int64_t *ret)
{
	int64_t v = 0;
	int error = expect(r, at, j, JSON_NUMBER);

	if (error < 0)
		return error;
	error = json_i64(j, &v);
	if (!error && f->max && (v < f->min || (v > 0 && (uint64_t)v > f->max)))
		error = -ERANGE;
	if (error < 0)
		return bad_number(r, f, at, j, error);
	*ret = v;
	return 0;
}

static int read_u64(const struct reader *r, const struct field *f, const struct json_path *at,
		    const struct json *j, uint64_t *ret)
{
	uint64_t v = 0;
	int error = expect(r, at, j, JSON_NUMBER);

	if (error < 0)
		return error;
	error = json_u64(j, &v);
	if (!error && f->max && (v < (uint64_t)f->min || v > f->max))
		error = -ERANGE;
	if (error < 0)
		return bad_number(r, f, at, j, error);
	*ret = v;
	return 0;
}

static int read_strings(const struct reader *r, const struct field *f, const struct json_path *at,
			const struct json *j, struct strv *ret)
{
	struct strv v = { 0 };

	if (!j->n)
		v.v = arena_array(r->a, char *, 1);
	for (size_t i = 0; i < j->n; i++) {
		struct json_path item = { at, NULL, i };
		const char *text;
		int error = read_string(r, f, &item, j->items[i], &text);

		if (error < 0)
			return error;
		if (f->names && !text[0])
			return unknown_name(r, &item, text, f->names);
		strv_add(r->a, &v, text);
	}
	*ret = v;
	return 0;
}

static int read_pairs(const struct reader *r, const struct field *f, const struct json_path *at,
		      const struct json *j, struct kvs *ret)
{
	struct kvs pairs = { 0 };

	for (size_t i = 0; i < j->n; i++) {
		struct json_path member = { at, j->keys[i], 0 };
		const char *text;
		int error;

		error = read_string(r, f, &member, j->items[i], &text);
		if (error < 0)
			return error;
		kvs_add(r->a, &pairs, j->keys[i], text);
	}
	*ret = pairs;
	return 0;
}

static int read_numbers(const struct reader *r, const struct field *f, const struct json_path *at,
			const struct json *j, struct vec *ret)
{
	int64_t *i64s = arena_array(r->a, int64_t, j->n);
	uint64_t *u64s = (uint64_t *)i64s;	/* the signed and unsigned type may alias */

	for (size_t i = 0; i < j->n; i++) {
		struct json_path item = { at, NULL, i };
		int error = f->kind == I64S ? read_i64(r, f, &item, j->items[i], &i64s[i])
					    : read_u64(r, f, &item, j->items[i], &u64s[i]);

		if (error < 0)
			return error;
	}
	*ret = (struct vec){ i64s, j->n };
	return 0;
}

static int read_objects(const struct reader *r, const struct field *f, const struct json_path *at,
			const struct json *j, struct vec *ret)
{
	const struct object *o = f->object;
	char *items = arena_alloc(r->a, o->size * j->n);

	for (size_t i = 0; i < j->n; i++) {
		struct json_path item = { at, f->kind == MAP ? j->keys[i] : NULL, i };
		char *base = items + i * o->size;
		int error = read_object(r, o, &item, j->items[i], base);

		if (error < 0)
			return error;
		if (f->kind == MAP) {
			char *key = arena_strdup(r->a, j->keys[i]);

			if (f->names && str_find(f->names, key) < 0)
				return unknown_name(r, &item, key, f->names);
			if (!key[0])
				return json_say(r->e, EINVAL, r->what, &item, "the key is empty");
			store(base, &key, sizeof key);
		}
	}
	*ret = (struct vec){ items, j->n };
	return 0;
}

static const enum json_type json_type_of[] = {
	[STRING] = JSON_STRING,	  [BOOL] = JSON_BOOL,	    [I64] = JSON_NUMBER,
	[U64] = JSON_NUMBER,	  [OPT_BOOL] = JSON_BOOL,   [OPT_I64] = JSON_NUMBER,
	[OPT_U64] = JSON_NUMBER,  [STRINGS] = JSON_ARRAY,   [PAIRS] = JSON_OBJECT,
	[I64S] = JSON_ARRAY,	  [U64S] = JSON_ARRAY,	    [OBJECT] = JSON_OBJECT,
	[INLINE] = JSON_OBJECT,	  [OBJECTS] = JSON_ARRAY,   [MAP] = JSON_OBJECT,
};
static_assert(sizeof json_type_of / sizeof *json_type_of == MAP + 1, "a type for each kind");

static int read_member(const struct reader *r, const struct field *f, const struct json_path *at,
		       const struct json *j, char *member)
{
	struct opt_bool opt_bool = { .set = true };
	struct opt_i64 opt_i64 = { .set = true };
	struct opt_u64 opt_u64 = { .set = true };
	const char *text;
	struct vec vec;
	void *p;
	int error;

	error = expect(r, at, j, json_type_of[f->kind]);
	if (error < 0)
		return error;
	switch (f->kind) {
	case STRING:
		error = read_string(r, f, at, j, &text);
		if (error < 0)
			return error;
		/* empty is absent, as it is to programs that leave empty strings out */
		p = text[0] ? arena_strdup(r->a, text) : NULL;
		if (!p && f->required)
			return json_say(r->e, EINVAL, r->what, at, "must not be empty");
		store(member, &p, sizeof p);
		return 0;
	case BOOL:
		*(bool *)member = j->boolean;
		return 0;
	case I64:
		return read_i64(r, f, at, j, (int64_t *)member);
	case U64:
		return read_u64(r, f, at, j, (uint64_t *)member);
	case OPT_BOOL:
		opt_bool.v = j->boolean;
		store(member, &opt_bool, sizeof opt_bool);
		return 0;
	case OPT_I64:
		error = read_i64(r, f, at, j, &opt_i64.v);
		store(member, &opt_i64, sizeof opt_i64);
		return error;
	case OPT_U64:
		error = read_u64(r, f, at, j, &opt_u64.v);
		store(member, &opt_u64, sizeof opt_u64);
		return error;
	case STRINGS:
		return read_strings(r, f, at, j, (struct strv *)member);
	case PAIRS:
		return read_pairs(r, f, at, j, (struct kvs *)member);
	case I64S:
	case U64S:
		error = read_numbers(r, f, at, j, &vec);
		if (!error)
			store(member, &vec, sizeof vec);
		return error;
	case OBJECT:
		p = arena_alloc(r->a, f->object->size);
		error = read_object(r, f->object, at, j, p);
		store(member, &p, sizeof p);
		return error;
	case INLINE:
		return read_object(r, f->object, at, j, member);
	case OBJECTS:
	case MAP:
		error = read_objects(r, f, at, j, &vec);
		if (!error)
			store(member, &vec, sizeof vec);
		return error;
	}
	return 0;
}

static int read_object(const struct reader *r, const struct object *o, const struct json_path *at,
		       const struct json *j, void *base)
{
	uint64_t seen = 0;
	int error = expect(r, at, j, JSON_OBJECT);

	if (error < 0)
		return error;
	for (size_t i = 0; i < j->n; i++) {
		struct json_path member = { at, j->keys[i], 0 };
		const struct field *f;
		size_t k = 0;

		while (k < o->n && strcmp(o->fields[k].name, j->keys[i]) != 0)
			k++;
		/* OCI, "Extensibility": unknown members are ignored; null is absent as in Go */
		if (k == o->n || j->items[i]->type == JSON_NULL)
			continue;
		f = &o->fields[k];
		seen |= (uint64_t)1 << k;
		error = read_member(r, f, &member, j->items[i], (char *)base + f->offset);
		if (error < 0)
			return error;
	}
	for (size_t k = 0; k < o->n; k++) {
		struct json_path member = { at, o->fields[k].name, 0 };

		if (o->fields[k].required && !(seen >> k & 1))
			return json_say(r->e, EINVAL, r->what, &member, "required, but absent");
	}
	if (o->finish)
		o->finish(r->a, base);
	return 0;
}

int object_read(struct arena *a, const struct object *o, const struct json *j, const char *what,
		void *base, struct err *e)
{
	const struct reader r = { a, what, e };

	return read_object(&r, o, NULL, j, base);
}

/* ---- writing ---- */

static void write_objects(const struct field *f, struct vec vec, struct json_writer *w)
{
	const char *base = vec.v;

	for (size_t i = 0; i < vec.n; i++, base += f->object->size) {
		if (f->kind == MAP)
			json_key(w, LOAD(char *, base));
		object_write(f->object, base, w);
	}
}

static void write_member(const struct field *f, const char *member, struct json_writer *w)
{
	const struct opt_bool *opt_bool = (const void *)member;
	const struct opt_i64 *opt_i64 = (const void *)member;
	const struct opt_u64 *opt_u64 = (const void *)member;
	const void *p;
	struct vec vec;

	switch (f->kind) {
	case STRING:
		p = LOAD(char *, member);
		if (p)
			json_field(w, f->name, p);
		break;
	case BOOL:
		if (*(const bool *)member || f->required)
			json_field_bool(w, f->name, *(const bool *)member);
		break;
	case I64:
		json_field_i64(w, f->name, *(const int64_t *)member);
		break;
	case U64:
		json_field_u64(w, f->name, *(const uint64_t *)member);
		break;
	case OPT_BOOL:
		if (opt_bool->set)
			json_field_bool(w, f->name, opt_bool->v);
		break;
	case OPT_I64:
		if (opt_i64->set)
			json_field_i64(w, f->name, opt_i64->v);
		break;
	case OPT_U64:
		if (opt_u64->set)
			json_field_u64(w, f->name, opt_u64->v);
		break;
	case STRINGS:
		if (((const struct strv *)member)->v || f->required)
			json_field_strv(w, f->name, (const struct strv *)member);
		break;
	case PAIRS:
		if (((const struct kvs *)member)->n)
			json_field_kvs(w, f->name, (const struct kvs *)member);
		break;
	case OBJECT:
		p = LOAD(void *, member);
		if (p) {
			json_key(w, f->name);
			object_write(f->object, p, w);
		}
		break;
	case INLINE:
		json_key(w, f->name);
		object_write(f->object, member, w);
		break;
	case I64S:
	case U64S:
		vec = load_vec(member);
		if (!vec.n)
			break;
		json_key(w, f->name);
		json_open_array(w);
		for (size_t i = 0; i < vec.n; i++)
			if (f->kind == I64S)
				json_put_i64(w, ((const int64_t *)vec.v)[i]);
			else
				json_put_u64(w, ((const uint64_t *)vec.v)[i]);
		json_close_array(w);
		break;
	case OBJECTS:
	case MAP:
		vec = load_vec(member);
		if (!vec.n)
			break;
		json_key(w, f->name);
		if (f->kind == MAP)
			json_open(w);
		else
			json_open_array(w);
		write_objects(f, vec, w);
		if (f->kind == MAP)
			json_close(w);
		else
			json_close_array(w);
		break;
	}
}

void object_write(const struct object *o, const void *base, struct json_writer *w)
{
	json_open(w);
	for (size_t i = 0; i < o->n; i++)
		write_member(&o->fields[i], (const char *)base + o->fields[i].offset, w);
	json_close(w);
}

/* ---- copying ---- */

void object_own_parts(struct arena *a, const struct object *o, void *base)
{
	for (size_t i = 0; i < o->n; i++) {
		const struct field *f = &o->fields[i];
		char *member = (char *)base + f->offset;
		struct kvs pairs = { 0 };
		struct strv strings;
		struct vec vec;
		void *p;

		switch (f->kind) {
		case STRINGS:
			if (!((const struct strv *)member)->v)
				break;
			strings = strv_copy(a, (const struct strv *)member);
			store(member, &strings, sizeof strings);
			break;
		case PAIRS:
			for (size_t k = 0; k < ((const struct kvs *)member)->n; k++) {
				const struct kv *kv = &((const struct kvs *)member)->v[k];

				kvs_add(a, &pairs, kv->key, kv->value);
			}
			store(member, &pairs, sizeof pairs);
			break;
		case I64S:
		case U64S:
			vec = load_vec(member);
			vec.v = arena_memdup(a, vec.v, vec.n * sizeof(int64_t));
			store(member, &vec, sizeof vec);
			break;
		case OBJECT:
			p = LOAD(void *, member);
			if (!p)
				break;
			p = arena_memdup(a, p, f->object->size);
			object_own_parts(a, f->object, p);
			store(member, &p, sizeof p);
			break;
		case INLINE:
			object_own_parts(a, f->object, member);
			break;
		case OBJECTS:
		case MAP:
			vec = load_vec(member);
			vec.v = arena_memdup(a, vec.v, vec.n * f->object->size);
			store(member, &vec, sizeof vec);
			for (size_t k = 0; k < vec.n; k++)
				object_own_parts(a, f->object, (char *)vec.v + k * f->object->size);
			break;
		case STRING:
		case BOOL:
		case I64:
		case U64:
		case OPT_BOOL:
		case OPT_I64:
		case OPT_U64:
			break;
		}
	}
}
