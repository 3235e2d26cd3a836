/* SPDX-License-Identifier: Apache-2.0 */
/* spec_texts: configurations as tests write them down, and as they are written back. */
#pragma once

#include <criterion/criterion.h>
#include <string.h>

#include "spec/fields.h"

#define COUNT(rows) (sizeof(rows) / sizeof *(rows))

/* In texts ' stands for ". */
static inline struct json_text quoted(struct arena *a, const char *what, const char *text)
{
	char *copy = arena_strdup(a, text);

	for (char *p = copy; *p; p++)
		if (*p == '\'')
			*p = '"';
	return (struct json_text){ what, copy, strlen(copy) };
}

static inline const struct json *tree(struct arena *a, const char *text)
{
	struct json_text t = quoted(a, "test", text);
	const struct json *j;
	struct err e = { 0 };

	cr_assert_eq(json_parse(a, t.text, t.size, t.what, &j, &e), 0, "%s in %s", e.text, text);
	return j;
}

#define ROOT "{'path':'rootfs'}"
#define PROCESS "{'args':['sh'],'cwd':'/'}"
#define LINUX "{'namespaces':[{'type':'mount'}]}"
#define ALLOW "'defaultAction':'SCMP_ACT_ALLOW'"
#define NOTIFY(names) "{'names':['" names "'],'action':'SCMP_ACT_NOTIFY'}"

/* A configuration, valid where a member is NULL. */
struct config {
	const char *version, *root, *process, *linux_, *more;
};

static inline int parse(struct arena *a, const struct config *c, enum spec_origin origin,
			struct spec **ret, struct err *e)
{
	const char *text = arena_printf(
		a, "{'ociVersion':%s,'root':%s,'process':%s,'linux':%s%s%s}",
		c->version ? c->version : "'1.2.0'", c->root ? c->root : ROOT,
		c->process ? c->process : PROCESS, c->linux_ ? c->linux_ : LINUX,
		c->more ? "," : "", c->more ? c->more : "");

	return spec_parse(a, tree(a, text), "config.json", origin, ret, e);
}

static inline const char *written(struct arena *a, const struct spec *s)
{
	struct json_writer *w = json_writer_new(false);
	owned_str out = STR_INIT;

	spec_write(s, w);
	json_writer_end(w, &out);
	return arena_strdup(a, out.s);
}
