/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Join a container's cgroups: descriptors for CLONE_INTO_CGROUP and for version 1's `tasks`, and
 * where exec --cgroup leads.
 */
#include "sandbox/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "sandbox/cgroup_parts.h"

enum { FILE_MOST = 4 << 20 };

/* Is h's controller among the names before the colon? */
static bool is_named(const struct cgroup_hierarchy *h, const char *text, const char *colon)
{
	for (const char *p = text; p < colon; p += strcspn(p, ",:") + 1) {
		owned_str name = STR_INIT;

		str_append(&name, p, strcspn(p, ",:"));
		if (name.len && cgroup_listed(h->controllers, name.s))
			return true;
	}
	return false;
}

/* Which of `subs` is for h: the one with its controller, on version 1, or the one without any;
 * NULL for none.  *ret_named: it must exist, then. */
static const char *sub_for(const struct cgroup *c, const struct cgroup_hierarchy *h,
			   const struct strv *subs, bool *ret_named)
{
	const char *plain = NULL;

	*ret_named = false;
	for (size_t i = 0; subs && i < subs->n; i++) {
		const char *text = subs->v[i], *colon = strchr(text, ':');

		if (c->layout == CGROUP_V2 || !colon) {
			plain = text;
			continue;
		}
		*ret_named = is_named(h, text, colon);
		if (*ret_named)
			return colon + 1;
	}
	return plain;
}

static bool both_name(const struct cgroup *c, const char *a, const char *b)
{
	const char *of_a = strchr(a, ':'), *of_b = strchr(b, ':');

	if (c->layout == CGROUP_V2 || !of_a || !of_b)
		return c->layout == CGROUP_V2 || (!of_a && !of_b);
	for (size_t i = 0; i < c->n; i++)
		if (is_named(&c->h[i], a, of_a) && is_named(&c->h[i], b, of_b))
			return true;
	return false;
}

static int check_subs(const struct cgroup *c, const struct strv *subs, struct err *e)
{
	for (size_t i = 0; c->layout != CGROUP_V2 && subs && i < subs->n; i++) {
		const char *colon = strchr(subs->v[i], ':');

		for (const char *p = subs->v[i]; colon && p < colon; p += strcspn(p, ",:") + 1) {
			owned_str name = STR_INIT;

			str_append(&name, p, strcspn(p, ",:"));
			if (!name.len || !cgroup_hierarchy_of(c, name.s))
				return err_say(e, EINVAL, "--cgroup %s: unknown controller \"%s\"",
					       subs->v[i], str_text(&name));
		}
	}
	for (size_t i = 0; subs && i < subs->n; i++)
		for (size_t k = 0; k < i; k++)
			if (both_name(c, subs->v[k], subs->v[i]))
				return err_say(e, EINVAL, "--cgroup %s: after %s for the same controller",
					       subs->v[i], subs->v[k]);
	return 0;
}

/* The directory of `sub` in the container's cgroup; sub may not climb out. */
static int sub_dir(const char *dir, const char *sub, struct str *ret, struct err *e)
{
	str_puts(ret, dir);
	if (!sub)
		return 0;
	for (const char *p = sub; *p; p += strcspn(p, "/")) {
		p += strspn(p, "/");
		if (strcspn(p, "/") == 2 && p[0] == '.' && p[1] == '.')
			return err_say(e, EINVAL, "--cgroup %s: leaves the container's cgroup",
				       sub);
	}
	str_printf(ret, "/%s", sub);
	return 0;
}

static int open_dir(const char *path, int *ret_fd, struct err *e)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return err_set(e, errno, "open cgroup %s", path);
	*ret_fd = fd;
	return 0;
}

int cgroup_clone_fd_sub(const struct cgroup *c, const struct strv *subs, int *ret_fd,
			struct err *e)
{
	const struct cgroup_hierarchy *h = cgroup_hierarchy_of(c, "");
	owned_str path = STR_INIT;
	const char *sub;
	bool named;
	int r = check_subs(c, subs, e);

	if (r < 0)
		return r;
	if (!h) {
		*ret_fd = -1;
		return 0;
	}
	sub = sub_for(c, h, subs, &named);
	r = sub_dir(h->dir, sub, &path, e);
	if (r == 0)
		r = open_dir(path.s, ret_fd, e);
	/* hybrid: the container may have made it for version 1 only; the join tells */
	if (r == -ENOENT && sub && c->layout == CGROUP_HYBRID)
		r = open_dir(h->dir, ret_fd, e);
	return r;
}

int cgroup_clone_fd(const struct cgroup *c, int *ret_fd, struct err *e)
{
	return cgroup_clone_fd_sub(c, NULL, ret_fd, e);
}

int cgroup_clone_fd_beside(const struct cgroup *c, pid_t pid, int *ret_fd, struct err *e)
{
	const struct cgroup_hierarchy *h = cgroup_hierarchy_of(c, "");
	owned_str text = STR_INIT, path = STR_INIT;
	owned_arena a = ARENA_INIT;
	char proc[64], *own, *below;
	int r;

	if (!h) {
		*ret_fd = -1;
		return 0;
	}
	snprintf(proc, sizeof proc, "/proc/%d/cgroup", (int)pid);
	r = file_read(AT_FDCWD, proc, FILE_MOST, &text, e);
	if (r < 0)
		return r;
	own = cgroup_parse_own(&a, str_text(&text), "");
	/* The init moved itself below the container's cgroup, never beside it. */
	below = own && !strstr(own, "/..") ? strstr(own, c->path) : NULL;
	if (below)
		below += strlen(c->path);
	if (!below || (*below && *below != '/'))
		return err_say(e, ENOENT, "%s: not in the container's cgroup %s", proc, c->path);
	r = sub_dir(h->dir, *below ? below : NULL, &path, e);
	return r < 0 ? r : open_dir(path.s, ret_fd, e);
}

int cgroup_join_fds(const struct cgroup *c, const struct strv *subs, int ret_fds[CGROUP_MOST],
		    struct err *e)
{
	int n = 0, r;

	for (size_t i = 0; i < c->n; i++) {
		owned_str path = STR_INIT;
		const char *sub;
		bool named;

		/* the unified hierarchy is joined at clone */
		if (!c->h[i].dir || !*c->h[i].controllers)
			continue;
		sub = sub_for(c, &c->h[i], subs, &named);
		r = sub_dir(c->h[i].dir, sub, &path, e);
		if (r < 0)
			goto undo;
		str_puts(&path, "/tasks");
		ret_fds[n] = open(path.s, O_WRONLY | O_CLOEXEC);
		if (ret_fds[n] < 0) {
			/* a path below may have been made in some hierarchies only */
			if (errno == ENOENT && sub && !named)
				continue;
			r = err_set(e, errno, "open %s", path.s);
			goto undo;
		}
		n++;
	}
	return n;
undo:
	while (n)
		close(ret_fds[--n]);
	return r;
}

int cgroup_join_self(const struct cgroup *c, const struct strv *subs, struct err *e)
{
	int fds[CGROUP_MOST], n, r = 0;

	n = cgroup_join_fds(c, subs, fds, e);
	if (n < 0)
		return n;
	for (int i = 0; i < n; i++) {
		if (r == 0 && write(fds[i], "0", 1) < 0)
			r = err_set(e, errno, "join the container's cgroup %s", c->path);
		close(fds[i]);
	}
	if (r == 0 && subs && subs->n && n == 0 && (c->layout == CGROUP_V1 || c->layout == CGROUP_HYBRID) &&
	    !c->rootless_without)
		r = err_say(e, ENOENT, "--cgroup %s: no such cgroup in the container's",
			    subs->v[0]);
	return r;
}

int cgroup_systemd_join(struct arena *a, struct cgroup *c, struct err *e)
{
	for (size_t i = 0; i < c->n; i++) {
		struct cgroup_hierarchy *h = &c->h[i];
		struct err ignored;
		char *path;

		if (!h->dir && cgroup_own_path(a, h, &path, &ignored) == 0)
			h->dir = arena_printf(a, "%s%s", h->mount, path);
	}
	return cgroup_join_self(c, NULL, e);
}
