/* SPDX-License-Identifier: Apache-2.0 */
/*
 * daemon.json: members are put in and taken out in the text, so that the rest
 * stays as it was written.  The text was parsed before: what is scanned here is
 * known to be JSON.
 */
#include <errno.h>
#include <string.h>

#include "base/json.h"
#include "cli/configure.h"

#define NAME "agentrun"

/* Offsets in the text. */
struct member {
	size_t key, value, end;
};

struct object {
	size_t open, close;	/* the braces */
	struct member *v;	/* in the order of the tree's */
	size_t n;
};

static size_t skip_space(const char *text, size_t at)
{
	return at + strspn(text + at, " \t\r\n");
}

static size_t skip_string(const char *text, size_t at)
{
	for (at++; text[at] != '"'; at++)
		if (text[at] == '\\')
			at++;
	return at + 1;
}

static size_t skip_value(const char *text, size_t at)
{
	unsigned depth = 0;

	if (text[at] == '"')
		return skip_string(text, at);
	if (!strchr("[{", text[at]))
		return at + strcspn(text + at, ",]} \t\r\n");
	do {
		if (text[at] == '"') {
			at = skip_string(text, at);
			continue;
		}
		depth += text[at] == '[' || text[at] == '{';
		depth -= text[at] == ']' || text[at] == '}';
		at++;
	} while (depth);
	return at;
}

static struct object scan_object(struct arena *a, const char *text, size_t at,
				 const struct json *tree)
{
	struct object o = { .open = at, .v = arena_array(a, struct member, tree->n), .n = tree->n };

	at = skip_space(text, at + 1);
	for (size_t i = 0; i < o.n; i++) {
		struct member *m = &o.v[i];

		m->key = at;
		at = skip_space(text, skip_string(text, at));
		m->value = skip_space(text, at + 1);
		m->end = skip_value(text, m->value);
		at = skip_space(text, m->end);
		if (text[at] == ',')
			at = skip_space(text, at + 1);
	}
	o.close = at;
	return o;
}

static size_t find(const struct json *tree, const char *key)
{
	size_t i = 0;

	while (i < tree->n && strcmp(tree->keys[i], key) != 0)
		i++;
	return i;
}

/* How the file is laid out. */
struct layout {
	bool lines;		/* a member a line; else all on one */
	const char *unit;	/* of indentation */
};

/* The blanks before the offset, if nothing else stands before it on its line. */
static char *indentation(struct arena *a, const char *text, size_t at)
{
	size_t from = at;

	while (from > 0 && strchr(" \t", text[from - 1]))
		from--;
	if (from > 0 && text[from - 1] != '\n')
		return NULL;
	return arena_strndup(a, text + from, at - from);
}

static struct layout layout_of(struct arena *a, const char *text, const struct object *top)
{
	const char *unit = top->n ? indentation(a, text, top->v[0].key) : "  ";

	return (struct layout){ unit, unit && *unit ? unit : "  " };
}

static const char *quote(struct arena *a, const char *text)
{
	struct json_writer *w = json_writer_new(false);
	owned_str out = STR_INIT;

	json_put_string(w, text);
	json_writer_end(w, &out);
	return arena_strndup(a, out.s, out.len - 1);
}

/* The value of runtimes.agentrun; `indent` is that of its key. */
static char *entry_text(struct arena *a, const struct registration *r, const struct layout *l,
			const char *indent)
{
	const char *path = quote(a, r->program), *profile = quote(a, r->profile);

	if (!l->lines)
		return arena_printf(a, "{\"path\": %s, \"runtimeArgs\": [\"--profile\", %s]}", path,
				    profile);
	return arena_printf(a, "{\n%s%s\"path\": %s,\n%s%s\"runtimeArgs\": [\"--profile\", %s]\n%s}",
			    indent, l->unit, path, indent, l->unit, profile, indent);
}

static char *splice(struct arena *a, const char *text, size_t from, size_t to, const char *middle)
{
	return arena_printf(a, "%.*s%s%s", (int)from, text, middle, text + to);
}

/* Puts "key": value behind the last member. */
static char *add_member(struct arena *a, const char *text, const struct object *o,
			const struct layout *l, const char *indent, const char *outer,
			const char *key, const char *value)
{
	if (o->n)
		return splice(a, text, o->v[o->n - 1].end, o->v[o->n - 1].end,
			      l->lines ? arena_printf(a, ",\n%s\"%s\": %s", indent, key, value)
				       : arena_printf(a, ", \"%s\": %s", key, value));
	return splice(a, text, o->open + 1, o->close,
		      l->lines ? arena_printf(a, "\n%s\"%s\": %s\n%s", indent, key, value, outer)
			       : arena_printf(a, "\"%s\": %s", key, value));
}

static char *remove_member(struct arena *a, const char *text, const struct object *o, size_t i)
{
	if (i > 0)
		return splice(a, text, o->v[i - 1].end, o->v[i].end, "");
	if (o->n > 1)
		return splice(a, text, o->v[0].key, o->v[1].key, "");
	return splice(a, text, o->open + 1, o->close, "");
}

static bool is_wanted(const struct registration *r, const struct json *entry)
{
	const struct json *args = json_get(entry, "runtimeArgs");

	return entry->type == JSON_OBJECT && entry->n == 2 &&
	       str_equal(json_get_text(entry, "path"), r->program) && args &&
	       args->type == JSON_ARRAY && args->n == 2 &&
	       str_equal(args->items[0]->text, "--profile") &&
	       args->items[1]->type == JSON_STRING && str_equal(args->items[1]->text, r->profile);
}

/* What of the file matters here; runtimes is NULL where there is none. */
struct daemon {
	const char *text;
	const struct json *tree, *runtimes;
	struct object top, inner;
	size_t i_runtimes, i_entry;
};

static int read_daemon(struct arena *a, const char *path, const char *text, struct daemon *ret,
		       struct err *e)
{
	struct daemon d = { .text = text };

	/* the daemon, too, takes an empty file for none */
	if (!text[skip_space(text, 0)])
		d.text = text = "{}\n";
	if (json_parse(a, text, strlen(text), path, &d.tree, e) < 0)
		return -e->code;
	if (d.tree->type != JSON_OBJECT)
		return err_say(e, EINVAL, "%s: expected an object, not %s", path,
			       json_type_names[d.tree->type]);
	d.top = scan_object(a, text, skip_space(text, 0), d.tree);
	d.i_runtimes = find(d.tree, "runtimes");
	if (d.i_runtimes < d.tree->n) {
		d.runtimes = d.tree->items[d.i_runtimes];
		if (d.runtimes->type != JSON_OBJECT)
			return err_say(e, EINVAL, "%s: runtimes: expected an object, not %s", path,
				       json_type_names[d.runtimes->type]);
		d.inner = scan_object(a, text, d.top.v[d.i_runtimes].value, d.runtimes);
		d.i_entry = find(d.runtimes, NAME);
	}
	*ret = d;
	return 0;
}

static const char *without(struct arena *a, const struct daemon *d)
{
	if (d->runtimes->n > 1)
		return remove_member(a, d->text, &d->inner, d->i_entry);
	return remove_member(a, d->text, &d->top, d->i_runtimes);
}

static const char *with(struct arena *a, const struct daemon *d, const struct registration *r)
{
	struct layout l = layout_of(a, d->text, &d->top);
	const char *outer = l.unit, *inner = arena_printf(a, "%s%s", outer, l.unit);
	const struct member *old;

	if (!d->runtimes)
		return add_member(a, d->text, &d->top, &l, outer, "", "runtimes",
				  l.lines ? arena_printf(a, "{\n%s\"" NAME "\": %s\n%s}", inner,
							 entry_text(a, r, &l, inner), outer)
					  : arena_printf(a, "{\"" NAME "\": %s}",
							 entry_text(a, r, &l, inner)));
	if (d->inner.n && !indentation(a, d->text, d->inner.v[0].key))
		l.lines = false;
	if (d->i_entry == d->inner.n)
		return add_member(a, d->text, &d->inner, &l, inner, outer, NAME,
				  entry_text(a, r, &l, inner));
	if (is_wanted(r, d->runtimes->items[d->i_entry]))
		return d->text;
	old = &d->inner.v[d->i_entry];
	return splice(a, d->text, old->value, old->end, entry_text(a, r, &l, inner));
}

int configure_docker(struct arena *a, const struct registration *r, struct change *ret,
		     struct str *say, struct err *e)
{
	const char *path = arena_printf(a, "%s/docker/daemon.json", r->etc);
	struct change c;
	struct daemon d;

	if (change_open(a, path, &c, e) < 0 || read_daemon(a, c.path, c.before, &d, e) < 0)
		return -e->code;
	if (!r->remove) {
		c.after = with(a, &d, r);
	} else if (!d.runtimes || d.i_entry == d.inner.n) {
		c.after = c.exists ? c.before : NULL;
	} else if (str_equal(json_get_text(d.tree, "default-runtime"), NAME)) {
		return err_say(e, EBUSY, "%s: default-runtime is agentrun: name another one first",
			       c.path);
	} else {
		c.after = without(a, &d);
	}
	/* what was put together must be JSON again, and hold what was wanted */
	if (c.after && (read_daemon(a, c.path, c.after, &d, e) < 0 ||
			(!r->remove && (!d.runtimes || d.i_entry == d.inner.n ||
					!is_wanted(r, d.runtimes->items[d.i_entry])))))
		return err_say(e, EINVAL, "%s: cannot be edited; add the runtime by hand", c.path);
	str_puts(say, "Have dockerd read it:  systemctl reload docker\n");
	if (!r->remove)
		str_puts(say, "Then:                  docker run --runtime=agentrun ...\n");
	*ret = c;
	return 0;
}
