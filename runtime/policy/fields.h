/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fields: the table of a policy's fields (DESIGN section 4), and their values.
 *
 * The table is the one place that says which fields there are, what they may
 * hold, how layers merge and how the host policy bounds them.  Annotations,
 * profile files, the host policy, explain, the JSON Schema and the manual
 * follow it.  Pure: no I/O.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"
#include "policy/grammar.h"

#define ANNOTATION_PREFIX "io.agentrun."

enum field_id {
	FIELD_PROFILE,
	FIELD_WORKSPACE,
	FIELD_WORKSPACE_MODE,
	FIELD_WORKSPACE_OWNER,
	FIELD_WORKSPACE_GUARD,
	FIELD_WORKSPACE_MASK,
	FIELD_MOUNTS,
	FIELD_MOUNTS_ALLOW,
	FIELD_EGRESS,
	FIELD_EGRESS_ALLOW,
	FIELD_INGRESS_ALLOW,
	FIELD_ENV,
	FIELD_ENV_ALLOW,
	FIELD_ENV_DENY,
	FIELD_CREDENTIALS,
	FIELD_SECCOMP,
	FIELD_CAPS,
	FIELD_LIMITS_PIDS,
	FIELD_LIMITS_MEMORY,
	FIELD_LIMITS_CPU,
	FIELD_LIMITS_TIME,
	FIELD_AUDIT_MODE,
	FIELD_LABEL,
	FIELD_COUNT
};

/* How an item is written. */
enum field_kind {
	KIND_NAME,
	KIND_ENUM,		/* one of field.values */
	KIND_CONTAINER_PATH,
	KIND_RELATIVE_PATH,
	KIND_PATTERN,
	KIND_MOUNT,
	KIND_EGRESS,
	KIND_PORT,
	KIND_ENV_NAME,
	KIND_CAP,
	KIND_COUNT,
	KIND_SIZE,
	KIND_CPU,
	KIND_TIME,
	KIND_LABEL,
	KIND_MANY
};

/* What the host policy's `allow` does with it. */
enum field_ceiling {
	CEILING_NONE,		/* it restricts, or says nothing of the host: no ceiling */
	CEILING_LOOSEST,	/* an enum: this value or one before it in field.values */
	CEILING_ONE_OF,		/* a list of the values that may be had */
	CEILING_MOST,		/* a number: at most this */
	CEILING_COVERED,	/* a list: each item lies within one of the ceiling's */
};

struct field {
	const char *name;		/* after "io.agentrun."; FIELD_LABEL: "label.*" */
	enum field_kind kind;
	bool list;			/* several items; a higher layer's are added to a lower's */
	bool replaces;			/* a list, but a higher layer's takes the lower's place */
	enum field_ceiling ceiling;
	const char *values[4];		/* of an enum, strictest first; NULL-terminated */
	const char *fallback;		/* where no layer says anything; NULL: unset */
	const char *syntax;		/* for the manual */
	const char *meaning;
};
extern const struct field fields[FIELD_COUNT];

/* Where a value comes from; a higher layer wins. */
enum layer { LAYER_FALLBACK, LAYER_PROFILE, LAYER_ANNOTATION, LAYER_HOST };
struct origin {
	enum layer layer;
	const char *text;	/* "profile agent", "annotation", "host policy /etc/..." */
	const char *file;	/* NULL for annotations and fallbacks */
};

struct item {
	char *key;		/* of a label; else NULL */
	char *text;		/* canonical */
	const struct origin *from;
};
struct value {
	bool set;
	const struct origin *from;	/* of the highest layer that set it */
	VEC(struct item) items;
};

/* The field of that name ("label.task" finds FIELD_LABEL), or -1. */
int field_find(const char *name);
/* The known name most like it, for errors. */
const char *field_nearest(const char *name);

/* One item to its canonical text.  `key` is the label's. */
int field_parse_item(struct arena *a, enum field_id id, const char *key, const char *text,
		     unsigned flags, char **ret, struct err *e);
/* An annotation's text; lists are parted by commas outside of (reasons). */
int field_parse_text(struct arena *a, enum field_id id, const char *key, const char *text,
		     unsigned flags, const struct origin *from, struct value *ret, struct err *e);
/* A member of a file: strings, arrays of strings, numbers.  In `allow`, arrays for enums too. */
int field_parse_json(struct arena *a, enum field_id id, const char *key, const struct json *tree,
		     unsigned flags, const struct origin *from, struct value *ret, struct err *e);

void value_add(struct arena *a, struct value *v, const char *key, const char *text,
	       const struct origin *from);
/* Puts a higher layer's value upon *base. */
void value_merge(struct arena *a, enum field_id id, struct value *base, const struct value *over);
/* The number that a canonical text of KIND_COUNT, SIZE, CPU or TIME stands for. */
uint64_t value_number(enum field_id id, const char *text);
/* Whether the ceiling lets the item pass. */
bool value_within(struct arena *a, enum field_id id, const struct value *ceiling,
		  const struct item *item);
/* -1: a is stricter than b; enums only. */
int value_order(enum field_id id, const char *a, const char *b);
/* "a, b" */
void value_put(const struct value *v, struct str *out);
