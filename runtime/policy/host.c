/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host policy's text: ceilings, what is required, exceptions, and what
 * else only the administrator says.  Pure: load.c reads the file.
 */
#include <errno.h>
#include <string.h>

#include "policy/internal.h"

const char *const exception_namespaces[] = { "network", "pid", "ipc", "user", NULL };
const char *const audit_events[] = { "create", "start", "exec", "exit", "delete", NULL };

static int want(const struct json *tree, enum json_type type, const char *what,
		const struct json_path *at, struct err *e)
{
	if (tree->type == type)
		return 0;
	return json_say(e, EINVAL, what, at, "must be %s, not %s", json_type_names[type],
			json_type_names[tree->type]);
}

static int read_paths(struct arena *a, const struct json *tree, const char *what,
		      const struct json_path *up, struct strv *ret, struct err *e)
{
	int r;

	if ((r = want(tree, JSON_ARRAY, what, up, e)) < 0)
		return r;
	for (size_t i = 0; i < tree->n; i++) {
		const struct json_path at = { .up = up, .index = i };
		struct err inner;

		if ((r = want(tree->items[i], JSON_STRING, what, &at, e)) < 0)
			return r;
		if (grammar_container_path(tree->items[i]->text, &inner) < 0)
			return json_say(e, EINVAL, what, &at, "%s", inner.text);
		strv_add(a, ret, tree->items[i]->text);
	}
	return 0;
}

static int read_exceptions(struct arena *a, const struct json *tree, const char *what,
			   const struct json_path *up, struct host_policy *h, struct err *e)
{
	int r;

	if ((r = want(tree, JSON_OBJECT, what, up, e)) < 0)
		return r;
	for (size_t i = 0; i < tree->n; i++) {
		const struct json *member = tree->items[i];
		const struct json_path at = { .up = up, .key = tree->keys[i] };

		if (strcmp(tree->keys[i], "privileged") == 0) {
			if ((r = want(member, JSON_BOOL, what, &at, e)) < 0)
				return r;
			h->may_be_privileged = member->boolean;
		} else if (strcmp(tree->keys[i], "devices") == 0) {
			if ((r = read_paths(a, member, what, &at, &h->may_devices, e)) < 0)
				return r;
		} else if (strcmp(tree->keys[i], "sources") == 0) {
			if ((r = read_paths(a, member, what, &at, &h->may_sources, e)) < 0)
				return r;
		} else if (strcmp(tree->keys[i], "namespaces") == 0) {
			if ((r = want(member, JSON_ARRAY, what, &at, e)) < 0)
				return r;
			for (size_t j = 0; j < member->n; j++) {
				const struct json_path item = { .up = &at, .index = j };
				const struct json *type = member->items[j];

				if (type->type != JSON_STRING ||
				    str_find(exception_namespaces, type->text) < 0)
					return json_say(e, EINVAL, what, &item,
							"must be one of network, pid, ipc, user");
				strv_add(a, &h->may_namespaces, type->text);
			}
		} else {
			return json_say(e, EINVAL, what, &at,
					"is not one of privileged, namespaces, devices, sources");
		}
	}
	return 0;
}

/* `known`: each is to be one of them, if it is not NULL. */
static int read_texts(struct arena *a, const struct json *tree, const char *const *known,
		      const char *what, const struct json_path *up, struct strv *ret,
		      struct err *e)
{
	int r;

	if ((r = want(tree, JSON_ARRAY, what, up, e)) < 0)
		return r;
	for (size_t i = 0; i < tree->n; i++) {
		const struct json_path at = { .up = up, .index = i };

		if ((r = want(tree->items[i], JSON_STRING, what, &at, e)) < 0)
			return r;
		if (known && str_find(known, tree->items[i]->text) < 0) {
			owned_str all = STR_INIT;

			for (size_t k = 0; known[k]; k++)
				str_printf(&all, "%s%s", k ? ", " : "", known[k]);
			return json_say(e, EINVAL, what, &at, "\"%s\": must be one of %s",
					safe_text(a, tree->items[i]->text), all.s);
		}
		strv_add(a, ret, tree->items[i]->text);
	}
	return 0;
}

static int read_audit_hook(struct arena *a, const struct json *tree, const char *what,
			   const struct json_path *up, struct spec_audit_hook *ret, struct err *e)
{
	struct spec_audit_hook hook = { 0 };
	struct err inner;
	int r;

	if ((r = want(tree, JSON_OBJECT, what, up, e)) < 0)
		return r;
	for (size_t i = 0; i < tree->n; i++) {
		const struct json *member = tree->items[i];
		const struct json_path at = { .up = up, .key = tree->keys[i] };

		if (strcmp(tree->keys[i], "path") == 0) {
			if ((r = want(member, JSON_STRING, what, &at, e)) < 0)
				return r;
			if (grammar_container_path(member->text, &inner) < 0)
				return json_say(e, EINVAL, what, &at, "%s", inner.text);
			hook.path = arena_strdup(a, member->text);
		} else if (strcmp(tree->keys[i], "args") == 0) {
			if ((r = read_texts(a, member, NULL, what, &at, &hook.args, e)) < 0)
				return r;
		} else if (strcmp(tree->keys[i], "events") == 0) {
			if ((r = read_texts(a, member, audit_events, what, &at, &hook.events, e)) < 0)
				return r;
		} else if (strcmp(tree->keys[i], "timeout") == 0) {
			if (member->type != JSON_NUMBER || json_i64(member, &hook.timeout.v) < 0 ||
			    hook.timeout.v < 1 || hook.timeout.v > 3600)
				return json_say(e, EINVAL, what, &at, "must be 1 to 3600 seconds");
			hook.timeout.set = true;
		} else if (strcmp(tree->keys[i], "required") == 0) {
			if ((r = want(member, JSON_BOOL, what, &at, e)) < 0)
				return r;
			hook.required = member->boolean;
		} else {
			return json_say(e, EINVAL, what, &at,
					"is not one of path, args, events, timeout, required");
		}
	}
	if (!hook.path)
		return json_say(e, EINVAL, what, up, "path is missing");
	/* what section 7 of the design says of hooks that name no event */
	if (!hook.events.n) {
		strv_add(a, &hook.events, "create");
		strv_add(a, &hook.events, "delete");
	}
	*ret = hook;
	return 0;
}

static int read_audit_hooks(struct arena *a, const struct json *tree, const char *what,
			    const struct json_path *up, struct host_policy *h, struct err *e)
{
	int r;

	if ((r = want(tree, JSON_ARRAY, what, up, e)) < 0)
		return r;
	h->audit_hooks.v = arena_array(a, struct spec_audit_hook, tree->n + 1);
	for (size_t i = 0; i < tree->n; i++) {
		const struct json_path at = { .up = up, .index = i };

		if ((r = read_audit_hook(a, tree->items[i], what, &at,
					 &h->audit_hooks.v[i], e)) < 0)
			return r;
		h->audit_hooks.n++;
	}
	return 0;
}

static int read_credentials(struct arena *a, const struct json *tree, const char *what,
			    const struct json_path *up, struct host_policy *h, struct err *e)
{
	int r;

	if ((r = want(tree, JSON_OBJECT, what, up, e)) < 0)
		return r;
	for (size_t i = 0; i < tree->n; i++) {
		const struct json_path at = { .up = up, .key = tree->keys[i] };
		struct err inner;

		if (grammar_name(tree->keys[i], &inner) < 0)
			return json_say(e, EINVAL, what, &at, "%s", inner.text);
		if ((r = want(tree->items[i], JSON_OBJECT, what, &at, e)) < 0)
			return r;
		strv_add(a, &h->credentials, tree->keys[i]);
	}
	return 0;
}

static int read_member(struct arena *a, const char *key, const struct json *tree, const char *what,
		       struct host_policy *h, struct err *e)
{
	const struct json_path at = { .key = key };
	const char *inside;
	struct err inner;
	int r;

	if (strcmp(key, "allow") == 0 || strcmp(key, "require") == 0) {
		bool allow = *key == 'a';

		inside = arena_printf(a, "%s: %s", what, key);
		return parse_profile(a, tree, inside,
				     allow ? GRAMMAR_CEILING | GRAMMAR_NO_REASON : 0, &h->origin,
				     allow ? h->allow : h->require, e);
	}
	if (strcmp(key, "engine_roots") == 0)
		return read_paths(a, tree, what, &at, &h->engine_roots, e);
	if (strcmp(key, "exceptions") == 0)
		return read_exceptions(a, tree, what, &at, h, e);
	if (strcmp(key, "audit.hooks") == 0)
		return read_audit_hooks(a, tree, what, &at, h, e);
	if (strcmp(key, "credentials") == 0)
		return read_credentials(a, tree, what, &at, h, e);
	if (strcmp(key, "default_profile") == 0) {
		if ((r = want(tree, JSON_STRING, what, &at, e)) < 0)
			return r;
		if (grammar_name(tree->text, &inner) < 0)
			return json_say(e, EINVAL, what, &at, "%s", inner.text);
		h->default_profile = arena_strdup(a, tree->text);
		return 0;
	}
	if (strcmp(key, "egress.reasons") == 0) {
		if (tree->type != JSON_STRING || (strcmp(tree->text, "required") != 0 &&
						  strcmp(tree->text, "optional") != 0))
			return json_say(e, EINVAL, what, &at, "must be required or optional");
		h->reasons_optional = *tree->text == 'o';
		return 0;
	}
	if (strcmp(key, "description") == 0 || strcmp(key, "$schema") == 0)
		return want(tree, JSON_STRING, what, &at, e);
	return json_say(e, EINVAL, what, &at,
			"is not one of default_profile, allow, require, exceptions, engine_roots, "
			"egress.reasons, audit.hooks, credentials");
}

int parse_host_policy(struct arena *a, const struct json *tree, const char *what,
		      struct host_policy *ret, struct err *e)
{
	int r;

	ret->path = what;
	ret->origin = (struct origin){ LAYER_HOST, arena_printf(a, "host policy %s", what), what };
	if ((r = want(tree, JSON_OBJECT, what, NULL, e)) < 0)
		return r;
	for (size_t i = 0; i < tree->n; i++)
		if ((r = read_member(a, tree->keys[i], tree->items[i], what, ret, e)) < 0)
			return r;
	return 0;
}
