/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The systemd driver: a container's cgroup is a transient scope that systemd
 * makes, with Delegate=yes, around a process that exists already.  Limits are
 * told to systemd too, so that it does not set them back when it reloads; the
 * files are written all the same, since systemd knows only some.
 *
 * On version 1 (up to systemd 257), alone or hybrid, the runtime makes the
 * scope's directory in the hierarchies that systemd does not know, and the
 * process joins those itself.
 *
 * Here: what the scope is called and where it will be.  cgroup_scope.c talks to
 * systemd.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/fd.h"
#include "sandbox/cgroup_parts.h"

static bool is_slice(const char *name)
{
	return str_has_suffix(name, ".slice") && strlen(name) > strlen(".slice") &&
	       !strchr(name, '/');
}

int cgroup_systemd_parse(struct arena *a, const char *cgroups_path, const char *id, bool user,
			 char **ret_slice, char **ret_scope, struct err *e)
{
	const char *slice = user ? "user.slice" : "system.slice", *prefix = "agentrun", *name = id;

	if (cgroups_path && *cgroups_path) {
		char *copy = arena_strdup(a, cgroups_path), *one = strchr(copy, ':');
		char *two = one ? strchr(one + 1, ':') : NULL;

		if (!two || strchr(two + 1, ':'))
			return err_say(e, EINVAL, "linux.cgroupsPath: \"%s\" is not of the form "
				       "slice:prefix:name, which the systemd driver needs",
				       cgroups_path);
		*one = *two = '\0';
		if (*copy)
			slice = copy;
		prefix = one + 1;
		name = two + 1;
	}
	if (!is_slice(slice))
		return err_say(e, EINVAL, "linux.cgroupsPath: \"%s\" is not the name of a slice",
			       slice);
	if (strchr(name, '/') || strchr(prefix, '/'))
		return err_say(e, EINVAL, "linux.cgroupsPath: \"%s\" does not name a scope",
			       cgroups_path);
	if (str_has_suffix(name, ".slice"))
		return err_say(e, EINVAL, "linux.cgroupsPath: \"%s\": systemd puts no process into a "
			       "slice itself", cgroups_path);
	*ret_slice = arena_strdup(a, slice);
	*ret_scope = arena_printf(a, "%s-%s.scope", prefix, name);
	return 0;
}

/* Each dash opens a level: systemd.slice(5). */
int cgroup_systemd_slice_path(struct arena *a, const char *slice, char **ret, struct err *e)
{
	size_t n = strlen(slice) - strlen(".slice");
	owned_str path = STR_INIT;

	if (strcmp(slice, "-.slice") == 0) {
		*ret = arena_strdup(a, "");
		return 0;
	}
	for (size_t i = 0; i < n; i++) {
		if (slice[i] != '-')
			continue;
		if (i == 0 || i == n - 1 || slice[i - 1] == '-')
			return err_say(e, EINVAL, "linux.cgroupsPath: \"%s\" is not the name of a "
				       "slice", slice);
		str_printf(&path, "/%.*s.slice", (int)i, slice);
	}
	str_printf(&path, "/%s", slice);
	*ret = arena_strdup(a, path.s);
	return 0;
}

/* Where the user's manager keeps its units; NULL if this process is not below one. */
static char *user_manager_path(struct arena *a)
{
	owned_str text = STR_INIT;
	struct err ignored;
	char *own, *at, *end;

	if (file_read(AT_FDCWD, "/proc/self/cgroup", 1 << 16, &text, &ignored) < 0)
		return NULL;
	own = cgroup_parse_own(a, str_text(&text), "");
	at = own ? strstr(own, "/user@") : NULL;
	if (!at)
		return NULL;
	end = at + 1 + strcspn(at + 1, "/");
	return arena_strndup(a, own, (size_t)(end - own));
}

/* Below what systemd has its units, on version 1: "" but for a systemd that does not see the whole. */
static char *system_manager_path(struct arena *a)
{
	owned_str text = STR_INIT;
	struct err ignored;
	char *own;

	if (file_read(AT_FDCWD, "/proc/1/cgroup", 1 << 16, &text, &ignored) < 0)
		return arena_strdup(a, "");
	own = cgroup_parse_own(a, str_text(&text), "name=systemd");
	if (!own || strstr(own, "/.."))
		return arena_strdup(a, "");
	if (str_has_suffix(own, "/init.scope"))
		return arena_strndup(a, own, strlen(own) - strlen("/init.scope"));
	return strcmp(own, "/") == 0 ? arena_strdup(a, "") : own;
}

/* Of version 1 not all: cpuset, freezer and others it never touches. */
bool cgroup_systemd_manages(const struct cgroup_hierarchy *h)
{
	static const char *const names[] = {
		"", "name=systemd", "cpu", "blkio", "memory", "devices", "pids",
	};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (cgroup_listed(h->controllers, names[i]))
			return true;
	return false;
}

void cgroup_systemd_set_path(struct arena *a, struct cgroup *c, char *path)
{
	c->path = path;
	for (size_t i = 0; i < c->n; i++) {
		c->h[i].dir = arena_printf(a, "%s%s", c->h[i].mount, path);
		c->h[i].created = true;
	}
}

int cgroup_systemd_plan(struct arena *a, const struct spec *s, const char *id, bool user,
			struct cgroup *c, struct err *e)
{
	const char *cgroups_path = s->linux_ ? s->linux_->cgroups_path : NULL;
	bool v2 = c->layout == CGROUP_V2, unified = v2;
	char *above, *below = NULL;
	int r;

	if (user && !v2)
		return err_say(e, EOPNOTSUPP, "on version 1 of cgroups, which this host has, a "
			       "user's systemd has no controllers: use the cgroupfs driver");
	for (size_t i = 0; i < c->n; i++)
		unified |= cgroup_listed(c->h[i].controllers, "name=systemd");
	if (!unified)
		return err_say(e, EOPNOTSUPP, "systemd does not make this host's cgroups: use the "
			       "cgroupfs driver");
	above = user ? user_manager_path(a) : v2 ? arena_strdup(a, "") : system_manager_path(a);
	c->systemd = true;
	c->user = user;
	r = cgroup_systemd_parse(a, cgroups_path, id, user, &c->slice, &c->scope, e);
	if (r < 0)
		return r;
	r = cgroup_systemd_slice_path(a, c->slice, &below, e);
	if (r == 0)
		r = spec_unit_properties(a, s, &c->properties, e);
	if (r < 0)
		return r;
	c->path = arena_printf(a, "%s%s/%s", above ? above : "", below, c->scope);
	if (above)
		cgroup_systemd_set_path(a, c, c->path);
	return 0;
}
