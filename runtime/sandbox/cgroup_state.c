/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container's cgroups in the state file.
 */
#include "sandbox/cgroup.h"

#include <errno.h>
#include <string.h>

#include "base/str.h"

static const char *const layout_names[] = {
	[CGROUP_NONE] = "none",
	[CGROUP_V1] = "v1",
	[CGROUP_HYBRID] = "hybrid",
	[CGROUP_V2] = "v2",
};

void cgroup_write(const struct cgroup *c, struct json_writer *w)
{
	json_open(w);
	json_field(w, "layout", layout_names[c->layout]);
	json_field_bool(w, "systemd", c->systemd);
	json_field_bool(w, "user", c->user);
	json_field_bool(w, "rootlessWithout", c->rootless_without);
	if (c->path)
		json_field(w, "path", c->path);
	if (c->scope)
		json_field(w, "scope", c->scope);
	if (c->slice)
		json_field(w, "slice", c->slice);
	json_key(w, "hierarchies");
	json_open_array(w);
	for (size_t i = 0; i < c->n; i++) {
		json_open(w);
		json_field(w, "controllers", c->h[i].controllers);
		json_field(w, "mount", c->h[i].mount);
		if (c->h[i].dir)
			json_field(w, "dir", c->h[i].dir);
		json_field_bool(w, "created", c->h[i].created);
		json_close(w);
	}
	json_close_array(w);
	json_close(w);
}

static bool flag(const struct json *object, const char *key)
{
	const struct json *v = json_get(object, key);

	return v && v->type == JSON_BOOL && v->boolean;
}

static char *text_of(struct arena *a, const struct json *object, const char *key)
{
	const char *text = json_get_text(object, key);

	return text ? arena_strdup(a, text) : NULL;
}

/* It is going to be removed: nothing outside the file system that it claims to be in. */
static bool is_below(const char *dir, const char *mount)
{
	size_t n = strlen(mount);

	return str_has_prefix(dir, mount) && dir[n] == '/' && dir[n + 1] && !strstr(dir, "/../") &&
	       !str_has_suffix(dir, "/..");
}

int cgroup_parse(struct arena *a, const struct json *tree, struct cgroup *ret, struct err *e)
{
	const struct json *list = json_get(tree, "hierarchies");
	const char *layout = json_get_text(tree, "layout");
	struct cgroup c = { 0 };
	size_t k = 0;

	while (layout && k < sizeof layout_names / sizeof *layout_names &&
	       strcmp(layout, layout_names[k]) != 0)
		k++;
	if (!layout || k == sizeof layout_names / sizeof *layout_names)
		return err_say(e, EINVAL, "cgroup.layout: missing or unknown");
	if (!list || list->type != JSON_ARRAY || list->n > CGROUP_MOST)
		return err_say(e, EINVAL, "cgroup.hierarchies: not an array of at most %d",
			       CGROUP_MOST);
	c.layout = (enum cgroup_layout)k;
	c.systemd = flag(tree, "systemd");
	c.user = flag(tree, "user");
	c.rootless_without = flag(tree, "rootlessWithout");
	c.path = text_of(a, tree, "path");
	c.scope = text_of(a, tree, "scope");
	c.slice = text_of(a, tree, "slice");
	c.n = list->n;
	for (size_t i = 0; i < c.n; i++) {
		struct cgroup_hierarchy *h = &c.h[i];

		h->controllers = text_of(a, list->items[i], "controllers");
		h->mount = text_of(a, list->items[i], "mount");
		h->dir = text_of(a, list->items[i], "dir");
		h->created = flag(list->items[i], "created");
		if (!h->controllers || !h->mount)
			return err_say(e, EINVAL, "cgroup.hierarchies[%zu]: incomplete", i);
		if (h->dir && !is_below(h->dir, h->mount))
			return err_say(e, EINVAL, "cgroup.hierarchies[%zu].dir: not below %s", i,
				       h->mount);
	}
	*ret = c;
	return 0;
}
