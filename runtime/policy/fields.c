/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/fields.h"

#include <assert.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

const struct field fields[] = {
	[FIELD_PROFILE] = {
		.name = "profile", .kind = KIND_NAME, .ceiling = CEILING_ONE_OF,
		.syntax = "NAME",
		.meaning = "base profile, found by name in the profile directories (never a path); "
			   "none: a plain OCI container",
	},
	[FIELD_WORKSPACE] = {
		.name = "workspace", .kind = KIND_CONTAINER_PATH,
		.syntax = "PATH",
		.meaning = "the workspace mount's destination; default: the bind mount that holds "
			   "the working directory, else the only host bind mount",
	},
	[FIELD_WORKSPACE_MODE] = {
		.name = "workspace.mode", .kind = KIND_ENUM, .ceiling = CEILING_LOOSEST,
		.values = { "ro", "cow", "rw" }, .fallback = "rw",
		.syntax = "rw, ro or cow",
		.meaning = "read-write, read-only, or an overlay that keeps the agent's writes "
			   "aside until a person applies them",
	},
	[FIELD_WORKSPACE_OWNER] = {
		.name = "workspace.owner", .kind = KIND_ENUM, .ceiling = CEILING_ONE_OF,
		.values = { "keep", "map" }, .fallback = "keep",
		.syntax = "keep or map",
		.meaning = "map: an id-mapped mount, so that what the container's user writes "
			   "belongs to the workspace's owner on the host",
	},
	[FIELD_WORKSPACE_GUARD] = {
		.name = "workspace.guard", .kind = KIND_RELATIVE_PATH, .list = true,
		.syntax = "PATH, ...",
		.meaning = "read-only inside the workspace: files that run code on the host",
	},
	[FIELD_WORKSPACE_MASK] = {
		.name = "workspace.mask", .kind = KIND_PATTERN, .list = true,
		.syntax = "PATTERN, ...",
		.meaning = "hidden inside the workspace: files that hold credentials; a name without a "
			   "slash is hidden wherever it is, /NAME at the top only",
	},
	[FIELD_MOUNTS] = {
		.name = "mounts", .kind = KIND_ENUM, .ceiling = CEILING_LOOSEST,
		.values = { "workspace-only", "any" }, .fallback = "workspace-only",
		.syntax = "workspace-only or any",
		.meaning = "which of the host's files may be mounted besides the engine's own",
	},
	[FIELD_MOUNTS_ALLOW] = {
		.name = "mounts.allow", .kind = KIND_MOUNT, .list = true,
		.ceiling = CEILING_COVERED,
		.syntax = "SOURCE[:DEST][:ro], ...",
		.meaning = "further host paths that may be mounted",
	},
	[FIELD_EGRESS] = {
		.name = "egress", .kind = KIND_ENUM, .ceiling = CEILING_LOOSEST,
		.values = { "none", "allow", "open" },
		.syntax = "none, allow or open",
		.meaning = "outbound connections: none, those of egress.allow, or all; default: "
			   "allow where egress.allow names some, else none",
	},
	[FIELD_EGRESS_ALLOW] = {
		.name = "egress.allow", .kind = KIND_EGRESS, .list = true,
		.ceiling = CEILING_COVERED,
		.syntax = "HOST-or-CIDR:PORT[-PORT][/udp] (reason), ...",
		.meaning = "allowed destinations; the reason is required unless the host policy "
			   "waives it; IPv6 addresses stand in [brackets]",
	},
	[FIELD_INGRESS_ALLOW] = {
		.name = "ingress.allow", .kind = KIND_PORT, .list = true,
		.ceiling = CEILING_COVERED,
		.syntax = "PORT, ...",
		.meaning = "ports of the container that may be connected to from outside, as "
			   "published ones (-p) are; while egress is open all may be",
	},
	[FIELD_ENV] = {
		.name = "env", .kind = KIND_ENUM, .ceiling = CEILING_LOOSEST,
		.values = { "strict", "scrub", "keep" }, .fallback = "scrub",
		.syntax = "scrub, strict or keep",
		.meaning = "scrub: drop variables that look like credentials by name or by value; "
			   "strict: keep only what env.allow names and a few like PATH",
	},
	[FIELD_ENV_ALLOW] = {
		.name = "env.allow", .kind = KIND_ENV_NAME, .list = true,
		.ceiling = CEILING_COVERED,
		.syntax = "NAME, ...",
		.meaning = "variables that stay, as names or patterns",
	},
	[FIELD_ENV_DENY] = {
		.name = "env.deny", .kind = KIND_ENV_NAME, .list = true,
		.syntax = "NAME, ...",
		.meaning = "variables that are dropped, as names or patterns; wins over env.allow",
	},
	[FIELD_CREDENTIALS] = {
		.name = "credentials", .kind = KIND_NAME, .list = true,
		.ceiling = CEILING_COVERED,
		.syntax = "NAME, ...",
		.meaning = "grants, each defined in the host policy (not supported yet)",
	},
	[FIELD_SECCOMP] = {
		.name = "seccomp", .kind = KIND_NAME, .ceiling = CEILING_ONE_OF, .fallback = "agent",
		.syntax = "NAME or engine",
		.meaning = "system call filter, stacked on the engine's own, so that the stricter "
			   "of both counts; engine: the engine's alone",
	},
	[FIELD_CAPS] = {
		.name = "caps", .kind = KIND_CAP, .list = true, .replaces = true,
		.ceiling = CEILING_COVERED,
		.fallback = "CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, NET_BIND_SERVICE, SETFCAP, "
			    "SETGID, SETPCAP, SETUID, SYS_CHROOT",
		.syntax = "NAME, ... or none",
		.meaning = "the most capabilities that a process may keep; those that lead past "
			   "the egress table never while egress is not open",
	},
	[FIELD_LIMITS_PIDS] = {
		.name = "limits.pids", .kind = KIND_COUNT, .ceiling = CEILING_MOST,
		.syntax = "NUMBER",
		.meaning = "processes and threads, where the engine set no limit",
	},
	[FIELD_LIMITS_MEMORY] = {
		.name = "limits.memory", .kind = KIND_SIZE, .ceiling = CEILING_MOST,
		.syntax = "SIZE",
		.meaning = "memory, as 512m or 2g, where the engine set no limit",
	},
	[FIELD_LIMITS_CPU] = {
		.name = "limits.cpu", .kind = KIND_CPU, .ceiling = CEILING_MOST,
		.syntax = "NUMBER",
		.meaning = "processors, as 2 or 1.5, where the engine set no limit",
	},
	[FIELD_LIMITS_TIME] = {
		.name = "limits.time", .kind = KIND_TIME, .ceiling = CEILING_MOST,
		.syntax = "DURATION",
		.meaning = "wall time, as 90s or 1h30m, after which the container is killed",
	},
	[FIELD_AUDIT_MODE] = {
		.name = "audit.mode", .kind = KIND_ENUM, .ceiling = CEILING_LOOSEST,
		.values = { "required", "best-effort" }, .fallback = "best-effort",
		.syntax = "best-effort or required",
		.meaning = "required: no record, no container",
	},
	[FIELD_LABEL] = {
		.name = "label.*", .kind = KIND_LABEL,
		.syntax = "TEXT",
		.meaning = "who and why: agent, task, issue, branch, cost centre; recorded as a "
			   "claim of the caller",
	},
};
static_assert(sizeof fields / sizeof *fields == FIELD_COUNT, "every field has a row");

/* ---- names ---- */

int field_find(const char *name)
{
	if (str_has_prefix(name, "label."))
		return FIELD_LABEL;
	for (int i = 0; i < FIELD_LABEL; i++)
		if (strcmp(fields[i].name, name) == 0)
			return i;
	return -1;
}

/* Levenshtein's distance, for names of at most 63 characters. */
static unsigned distance(const char *x, const char *y)
{
	unsigned row[64], n = (unsigned)strnlen(y, 63);

	for (unsigned j = 0; j <= n; j++)
		row[j] = j;
	for (unsigned i = 1; x[i - 1]; i++) {
		unsigned before = row[0];

		row[0] = i;
		for (unsigned j = 1; j <= n; j++) {
			unsigned best = before + (x[i - 1] != y[j - 1]);

			before = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[n];
}

const char *field_nearest(const char *name)
{
	unsigned best = ~0u;
	const char *nearest = fields[0].name;

	for (int i = 0; i < FIELD_COUNT; i++) {
		unsigned d = distance(fields[i].name, name);

		if (d < best) {
			best = d;
			nearest = fields[i].name;
		}
	}
	return nearest;
}

/* ---- items ---- */

static int parse_enum(const struct field *f, const char *text, struct err *e)
{
	owned_str all = STR_INIT;

	for (size_t i = 0; f->values[i]; i++) {
		if (strcmp(f->values[i], text) == 0)
			return 0;
		str_printf(&all, "%s%s", i ? ", " : "", f->values[i]);
	}
	return err_say(e, EINVAL, "must be one of %s", all.s);
}

static int parse_number(enum field_kind kind, const char *text, uint64_t *ret, struct err *e)
{
	switch (kind) {
	case KIND_COUNT:
		return grammar_count(text, ret, e);
	case KIND_SIZE:
		return grammar_size(text, ret, e);
	case KIND_CPU:
		return grammar_cpu(text, ret, e);
	case KIND_TIME:
		return grammar_time(text, ret, e);
	case KIND_PORT:
		return grammar_port(text, ret, e);
	default:
		abort();
	}
}

static char *mount_text(struct arena *a, const struct allowed_mount *m)
{
	return arena_printf(a, "%s%s%s%s", m->source, m->destination ? ":" : "",
			    m->destination ? m->destination : "", m->read_only ? ":ro" : "");
}

int field_parse_item(struct arena *a, enum field_id id, const char *key, const char *text,
		     unsigned flags, char **ret, struct err *e)
{
	const struct field *f = &fields[id];
	struct spec_egress_rule rule;
	struct allowed_mount m;
	uint64_t number;
	int r = 0;

	*ret = arena_strdup(a, text);
	switch (f->kind) {
	case KIND_NAME:
		return grammar_name(text, e);
	case KIND_ENUM:
		return parse_enum(f, text, e);
	case KIND_CONTAINER_PATH:
		return grammar_container_path(text, e);
	case KIND_RELATIVE_PATH:
		return grammar_relative_path(text, e);
	case KIND_PATTERN:
		return grammar_pattern(text, e);
	case KIND_ENV_NAME:
		return grammar_env_name(text, e);
	case KIND_LABEL:
		return grammar_label(key, text, e);
	case KIND_CAP:
		return grammar_cap(a, text, ret, e);
	case KIND_MOUNT:
		if ((r = grammar_mount(a, text, &m, e)) == 0)
			*ret = mount_text(a, &m);
		return r;
	case KIND_EGRESS:
		if ((r = grammar_egress(a, text, flags, &rule, e)) == 0)
			*ret = grammar_egress_text(a, &rule, true);
		return r;
	case KIND_COUNT:
	case KIND_SIZE:
	case KIND_CPU:
	case KIND_TIME:
	case KIND_PORT:
		return parse_number(f->kind, text, &number, e);
	case KIND_MANY:
		break;
	}
	abort();
}

uint64_t value_number(enum field_id id, const char *text)
{
	struct err ignored;
	uint64_t n = 0;

	if (parse_number(fields[id].kind, text, &n, &ignored) < 0)
		abort();	/* only canonical texts come here */
	return n;
}

/* ---- values ---- */

void value_add(struct arena *a, struct value *v, const char *key, const char *text,
	       const struct origin *from)
{
	struct item *grown;

	for (size_t i = 0; i < v->items.n; i++)
		if (strcmp(v->items.v[i].text, text) == 0 && str_equal(v->items.v[i].key, key))
			return;
	if ((v->items.n & (v->items.n + 1)) == 0) {	/* n is 0, 1, 3, 7, ...: full */
		grown = arena_array(a, struct item, 2 * v->items.n + 1);
		if (v->items.n)
			memcpy(grown, v->items.v, v->items.n * sizeof *grown);
		v->items.v = grown;
	}
	v->items.v[v->items.n++] = (struct item){
		.key = key ? arena_strdup(a, key) : NULL,
		.text = arena_strdup(a, text),
		.from = from,
	};
}

static int add_item(struct arena *a, enum field_id id, const char *key, const char *text,
		    unsigned flags, const struct origin *from, struct value *v, struct err *e)
{
	char *canonical;
	int r = field_parse_item(a, id, key, text, flags, &canonical, e);

	if (r < 0) {
		owned_str safe = STR_INIT;

		str_put_safe(&safe, text, 200);
		return err_in(e, "\"%s\"", safe.s);
	}
	value_add(a, v, key, canonical, from);
	return 0;
}

/* Cuts at commas outside of parentheses; *p moves on. */
static char *next_item(struct arena *a, const char **p)
{
	const char *start = *p + strspn(*p, " \t"), *end;
	int depth = 0;

	for (*p = start; **p && (**p != ',' || depth > 0); ++*p)
		depth += **p == '(' ? 1 : **p == ')' && depth ? -1 : 0;
	for (end = *p; end > start && (end[-1] == ' ' || end[-1] == '\t'); end--)
		;
	return arena_strndup(a, start, (size_t)(end - start));
}

int field_parse_text(struct arena *a, enum field_id id, const char *key, const char *text,
		     unsigned flags, const struct origin *from, struct value *ret, struct err *e)
{
	struct value v = { .set = true, .from = from };
	const char *p = text;
	int r;

	if (!fields[id].list) {
		if ((r = add_item(a, id, key, text, flags, from, &v, e)) < 0)
			return r;
		*ret = v;
		return 0;
	}
	if (!text[strspn(text, " \t")])
		return err_say(e, EINVAL, "is empty");
	if (id == FIELD_CAPS && strcmp(text, "none") == 0) {
		*ret = v;
		return 0;
	}
	for (;;) {
		char *item = next_item(a, &p);

		if (!*item)
			return err_say(e, EINVAL, "has an empty item");
		if ((r = add_item(a, id, key, item, flags, from, &v, e)) < 0)
			return r;
		if (!*p)
			break;
		p++;
	}
	*ret = v;
	return 0;
}

static int item_of_json(struct arena *a, enum field_id id, const char *key,
			const struct json *tree, unsigned flags, const struct origin *from,
			struct value *v, struct err *e)
{
	bool number = fields[id].kind >= KIND_COUNT && fields[id].kind <= KIND_TIME;

	if (tree->type != JSON_STRING &&
	    !(tree->type == JSON_NUMBER && (number || fields[id].kind == KIND_PORT)))
		return err_say(e, EINVAL, "must be a string, not %s", json_type_names[tree->type]);
	return add_item(a, id, key, tree->text, flags, from, v, e);
}

int field_parse_json(struct arena *a, enum field_id id, const char *key, const struct json *tree,
		     unsigned flags, const struct origin *from, struct value *ret, struct err *e)
{
	struct value v = { .set = true, .from = from };
	bool array = fields[id].list || ((flags & GRAMMAR_CEILING) &&
					 (fields[id].ceiling == CEILING_ONE_OF ||
					  fields[id].ceiling == CEILING_LOOSEST));
	int r;

	if (array && tree->type == JSON_ARRAY) {
		for (size_t i = 0; i < tree->n; i++)
			if ((r = item_of_json(a, id, key, tree->items[i], flags, from, &v, e)) < 0)
				return err_in(e, "[%zu]", i);
	} else if (fields[id].list && tree->type != JSON_STRING) {
		return err_say(e, EINVAL, "must be an array of strings, not %s",
			       json_type_names[tree->type]);
	} else if (fields[id].list) {
		return field_parse_text(a, id, key, tree->text, flags, from, ret, e);
	} else if ((r = item_of_json(a, id, key, tree, flags, from, &v, e)) < 0) {
		return r;
	}
	*ret = v;
	return 0;
}

void value_merge(struct arena *a, enum field_id id, struct value *base, const struct value *over)
{
	struct value merged = { .set = true, .from = over->from };

	if (!over->set)
		return;
	if (id == FIELD_LABEL || (fields[id].list && !fields[id].replaces))
		for (size_t i = 0; i < base->items.n; i++) {
			const struct item *old = &base->items.v[i];
			bool again = false;

			for (size_t j = 0; id == FIELD_LABEL && j < over->items.n; j++)
				again |= str_equal(over->items.v[j].key, old->key);
			if (!again)
				value_add(a, &merged, old->key, old->text, old->from);
		}
	for (size_t i = 0; i < over->items.n; i++)
		value_add(a, &merged, over->items.v[i].key, over->items.v[i].text,
			  over->items.v[i].from);
	*base = merged;
}

int value_order(enum field_id id, const char *x, const char *y)
{
	int at_x = -1, at_y = -1;

	for (int i = 0; fields[id].values[i]; i++) {
		if (strcmp(fields[id].values[i], x) == 0)
			at_x = i;
		if (strcmp(fields[id].values[i], y) == 0)
			at_y = i;
	}
	return at_x < at_y ? -1 : at_x > at_y;
}

/* Whether one item of a ceiling's list covers the item. */
static bool covers(struct arena *a, enum field_kind kind, const char *ceiling, const char *text)
{
	struct spec_egress_rule outer, inner;
	struct allowed_mount wide, narrow;
	struct err ignored;

	switch (kind) {
	case KIND_MOUNT:
		return grammar_mount(a, ceiling, &wide, &ignored) == 0 &&
		       grammar_mount(a, text, &narrow, &ignored) == 0 &&
		       path_is_beneath(narrow.source, wide.source) &&
		       (!wide.read_only || narrow.read_only) &&
		       (!wide.destination || str_equal(wide.destination, narrow.destination));
	case KIND_EGRESS:
		return grammar_egress(a, ceiling, GRAMMAR_CEILING, &outer, &ignored) == 0 &&
		       grammar_egress(a, text, GRAMMAR_NO_REASON, &inner, &ignored) == 0 &&
		       grammar_egress_covers(&outer, &inner);
	case KIND_ENV_NAME:
		/* a pattern is within a ceiling only where it is the same one */
		return strcmp(ceiling, text) == 0 ||
		       (!strpbrk(text, "*?[") && fnmatch(ceiling, text, 0) == 0);
	default:
		return strcmp(ceiling, text) == 0;
	}
}

bool value_within(struct arena *a, enum field_id id, const struct value *ceiling,
		  const struct item *item)
{
	const struct field *f = &fields[id];

	if (f->ceiling == CEILING_NONE || !ceiling->set)
		return true;
	for (size_t i = 0; i < ceiling->items.n; i++) {
		const char *most = ceiling->items.v[i].text;

		if (f->ceiling == CEILING_MOST ?
			value_number(id, item->text) <= value_number(id, most) :
		    f->ceiling == CEILING_LOOSEST && ceiling->items.n == 1 ?
			value_order(id, item->text, most) <= 0 :
			covers(a, f->kind, most, item->text))
			return true;
	}
	return false;
}

void value_put(const struct value *v, struct str *out)
{
	for (size_t i = 0; i < v->items.n; i++) {
		if (i)
			str_puts(out, ", ");
		if (v->items.v[i].key)
			str_printf(out, "%s=", v->items.v[i].key);
		str_put_safe(out, v->items.v[i].text, 400);
	}
	if (!v->items.n)
		str_puts(out, v->set ? "(empty)" : "(unset)");
}
