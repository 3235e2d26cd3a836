/* SPDX-License-Identifier: Apache-2.0 */
/*
 * object: JSON objects as C structs, by tables.
 *
 * A table has a row for each member: its name, its kind, where it is in the
 * struct, and what it may be.  Reading, writing and copying all follow the
 * table, so that they cannot disagree.  What a row cannot say is checked by
 * the table's owner.  Must not know any particular object.
 */
#pragma once

#include <stddef.h>

#include "spec/spec.h"

enum kind {
	STRING, BOOL, I64, U64,			/* char *, bool, int64_t, uint64_t */
	OPT_BOOL, OPT_I64, OPT_U64,		/* struct opt_* */
	STRINGS, PAIRS,				/* struct strv, struct kvs */
	I64S, U64S,				/* VEC(int64_t), VEC(uint64_t) */
	OBJECT, INLINE,				/* struct *, struct */
	OBJECTS, MAP,				/* VEC(struct); a map's key is the first member */
};

struct object;

struct field {
	const char *name;
	enum kind kind;
	bool required;			/* must be there; is written even if false or 0 */
	size_t offset;
	int64_t min;			/* range of a number; none while both are 0 */
	uint64_t max;
	const char *const *names;	/* what a string may be */
	const struct object *object;
};

struct object {
	size_t size, n;
	const struct field *fields;
	void (*finish)(struct arena *a, void *object);	/* after its members were read */
};

/* The offset of a member; fails to compile if its type is not what the kind wants. */
#define OFFSET(type, member, want)                                                                 \
	(offsetof(type, member) +                                                                  \
	 sizeof(char[__builtin_types_compatible_p(__typeof__(((type *)0)->member), want) ? 1       \
											  : -1]) - \
	 1)
/* Any VEC: its first member points to items, its second counts them. */
#define OFFSET_VEC(type, member)                                                                   \
	(OFFSET(type, member.n, size_t) +                                                          \
	 sizeof(char[offsetof(type, member.n) == offsetof(type, member.v) + sizeof(void *) ? 1     \
											   : -1]) -\
	 1 - sizeof(void *))

#define FIELD_STRING(t, json, m, ...)                                                              \
	{ .name = json, .kind = STRING, .offset = OFFSET(t, m, char *), __VA_ARGS__ }
#define FIELD_BOOL(t, json, m, ...)                                                                \
	{ .name = json, .kind = BOOL, .offset = OFFSET(t, m, bool), __VA_ARGS__ }
#define FIELD_I64(t, json, m, ...)                                                                 \
	{ .name = json, .kind = I64, .offset = OFFSET(t, m, int64_t), __VA_ARGS__ }
#define FIELD_U64(t, json, m, ...)                                                                 \
	{ .name = json, .kind = U64, .offset = OFFSET(t, m, uint64_t), __VA_ARGS__ }
#define FIELD_OPT_BOOL(t, json, m)                                                                 \
	{ .name = json, .kind = OPT_BOOL, .offset = OFFSET(t, m, struct opt_bool) }
#define FIELD_OPT_I64(t, json, m, ...)                                                             \
	{ .name = json, .kind = OPT_I64, .offset = OFFSET(t, m, struct opt_i64), __VA_ARGS__ }
#define FIELD_OPT_U64(t, json, m, ...)                                                             \
	{ .name = json, .kind = OPT_U64, .offset = OFFSET(t, m, struct opt_u64), __VA_ARGS__ }
#define FIELD_STRINGS(t, json, m, ...)                                                             \
	{ .name = json, .kind = STRINGS, .offset = OFFSET(t, m, struct strv), __VA_ARGS__ }
#define FIELD_PAIRS(t, json, m)                                                                    \
	{ .name = json, .kind = PAIRS, .offset = OFFSET(t, m, struct kvs) }
#define FIELD_I64S(t, json, m, ...)                                                                \
	{ .name = json, .kind = I64S, .offset = OFFSET_VEC(t, m), __VA_ARGS__ }
#define FIELD_U64S(t, json, m, ...)                                                                \
	{ .name = json, .kind = U64S, .offset = OFFSET_VEC(t, m), __VA_ARGS__ }
#define FIELD_OBJECT(t, json, m, type, ...)                                                        \
	{ .name = json, .kind = OBJECT, .offset = OFFSET(t, m, struct spec_##type *),              \
	  .object = &object_##type, __VA_ARGS__ }
#define FIELD_INLINE(t, json, m, type)                                                             \
	{ .name = json, .kind = INLINE, .offset = OFFSET(t, m, struct spec_##type),                \
	  .object = &object_##type }
#define FIELD_OBJECTS(t, json, m, type)                                                            \
	{ .name = json, .kind = OBJECTS, .object = &object_##type,                                 \
	  .offset = OFFSET_VEC(t, m) + 0 * OFFSET(t, m.v, struct spec_##type *) }
#define FIELD_MAP(t, json, m, type)                                                                \
	{ .name = json, .kind = MAP, .object = &object_##type,                                     \
	  .offset = OFFSET_VEC(t, m) + 0 * OFFSET(t, m.v, struct spec_##type *) }

#define REQUIRED .required = true
#define RANGE(least, most) .min = (least), .max = (most)
#define ONE_OF(list) .names = (list)

#define OBJECT_OF(type, ...)                                                                       \
	const struct object object_##type = {                                                      \
		.size = sizeof(struct spec_##type),                                                \
		.fields = type##_fields,                                                           \
		.n = sizeof type##_fields / sizeof *type##_fields,                                 \
		__VA_ARGS__                                                                        \
	}

/*
 * Fills `base`, which comes zeroed.  Members that the table does not have are
 * ignored (OCI, "Extensibility"); null is absent, as is an empty string.
 * An empty list of strings is told from an absent one by its v.  Errors:
 * -EINVAL for a wrong type or value, and -ERANGE; each names the member's path.
 */
int object_read(struct arena *a, const struct object *o, const struct json *j, const char *what,
		void *base, struct err *e);
/* Writes an object; what is absent is left out. */
void object_write(const struct object *o, const void *base, struct json_writer *w);
/* `base` holds the bytes of another object: its parts become its own, its texts stay shared. */
void object_own_parts(struct arena *a, const struct object *o, void *base);
