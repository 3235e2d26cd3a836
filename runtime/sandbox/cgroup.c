/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Make a container's cgroups, join them, and keep them in the state file.
 */
#include "sandbox/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "sandbox/cgroup_parts.h"
#include "sandbox/idmap.h"

enum { FILE_MOST = 4 << 20 };

static const char *const layout_names[] = {
	[CGROUP_NONE] = "none",
	[CGROUP_V1] = "v1",
	[CGROUP_HYBRID] = "hybrid",
	[CGROUP_V2] = "v2",
};

/* ---- making directories ---- */

/* Makes the directories above dir that are missing, and notes them in made. */
static int make_parents(struct arena *a, const char *mount, const char *dir, struct strv *made,
			struct err *e)
{
	char *path = arena_strdup(a, dir);

	for (char *slash = strchr(path + strlen(mount) + 1, '/'); slash;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(path, 0755) == 0)
			strv_add(a, made, path);
		else if (errno != EEXIST)
			return err_set(e, errno, "make cgroup %s", path);
		*slash = '/';
	}
	return 0;
}

/* What is in it would be limited, frozen and killed with this container. */
static int refuse_used(const char *dir, struct err *e)
{
	size_t there = 0;
	int r = cgroup_count(dir, &there, e);

	if (r == 0 && there)
		return err_say(e, EBUSY, "container's cgroup is not empty: %zu process%s in %s",
			       there, there == 1 ? " is" : "es are", dir);
	return r;
}

/* The init would never get as far as to say anything, and create would wait for it. */
static int refuse_frozen(const struct cgroup *c, struct err *e)
{
	bool frozen;
	int r = cgroup_frozen(c, &frozen, e);

	if (r == 0 && frozen)
		return err_say(e, EBUSY, "container's cgroup unexpectedly frozen: %s", c->path);
	return r;
}

/* shared: with systemd, which may have made it, and put a process into it */
static int make_dir(struct arena *a, const struct cgroup_hierarchy *h, bool shared,
		    struct strv *made, struct err *e)
{
	int r;

	/* Another command may remove an empty parent between the two calls: again, then. */
	for (int attempt = 0; mkdir(h->dir, 0755) < 0; attempt++) {
		if (errno == EEXIST)
			return shared ? 0 : refuse_used(h->dir, e);
		if (errno != ENOENT || attempt == 10)
			return err_set(e, errno, "make cgroup %s", h->dir);
		r = make_parents(a, h->mount, h->dir, made, e);
		if (r < 0 && r != -ENOENT)
			return r;
	}
	strv_add(a, made, h->dir);
	return 0;
}

static void undo_dirs(struct strv *made)
{
	while (made->n)
		rmdir(made->v[--made->n]);
}

/* Version 1: a new cpuset is empty, and nothing can join it before it has cpus and mems. */
static int cpuset_inherit(struct arena *a, const struct cgroup_hierarchy *h, struct err *e)
{
	static const char *const files[][2] = {
		{ "cpuset.cpus", "cpuset.effective_cpus" },
		{ "cpuset.mems", "cpuset.effective_mems" },
	};
	char *path = arena_strdup(a, h->dir);
	size_t top = strlen(h->mount);
	int r;

	for (char *at = path + top; at;) {
		char *next = strchr(at + 1, '/');
		char *parent = arena_strndup(a, path, (size_t)(at - path));

		if (next)
			*next = '\0';
		for (size_t i = 0; i < 2; i++) {
			owned_str own = STR_INIT, above = STR_INIT;

			r = cgroup_get(path, files[i][0], &own, e);
			if (r < 0)
				return r;
			if (strspn(str_text(&own), " \n") < own.len)
				continue;
			r = cgroup_get(parent, files[i][0], &above, e);
			if (r == 0 && strspn(str_text(&above), " \n") == above.len)
				r = cgroup_get(parent, files[i][1], &above, e);
			if (r < 0)
				return r;
			r = cgroup_put(path, files[i][0], str_text(&above), e);
			if (r < 0)
				return r;
		}
		if (next)
			*next = '/';
		at = next;
	}
	return 0;
}

/* The controllers of version 2 that containers are given. */
static const char *const v2_controllers[] = {
	"cpuset", "cpu", "io", "memory", "hugetlb", "pids", "rdma", "misc",
};

/* Controllers of the whole hierarchy that dir has not.  Opening a file of a cgroup takes as long as
 * twenty other system calls. */
static bool lacks_controllers(const struct cgroup_hierarchy *h)
{
	owned_str all = STR_INIT, has = STR_INIT;
	struct err ignored;

	if (cgroup_get(h->mount, "cgroup.controllers", &all, &ignored) < 0 ||
	    cgroup_get(h->dir, "cgroup.controllers", &has, &ignored) < 0)
		return true;
	for (size_t i = 0; i < sizeof v2_controllers / sizeof *v2_controllers; i++)
		if (cgroup_has_word(str_text(&all), v2_controllers[i]) &&
		    !cgroup_has_word(str_text(&has), v2_controllers[i]))
			return true;
	return false;
}

/* Hands what dir has on to its children.  Which limits then work is told when they are set: a
 * parent with processes of its own (EBUSY) or one without rights is no error for a container
 * without limits. */
static void enable_below(const char *dir)
{
	owned_str has = STR_INIT, given = STR_INIT, all = STR_INIT;
	struct err ignored;

	if (cgroup_get(dir, "cgroup.controllers", &has, &ignored) < 0 ||
	    cgroup_get(dir, "cgroup.subtree_control", &given, &ignored) < 0)
		return;
	for (size_t i = 0; i < sizeof v2_controllers / sizeof *v2_controllers; i++)
		if (cgroup_has_word(str_text(&has), v2_controllers[i]) &&
		    !cgroup_has_word(str_text(&given), v2_controllers[i]))
			str_printf(&all, "%s+%s", all.len ? " " : "", v2_controllers[i]);
	if (!all.len || cgroup_put(dir, "cgroup.subtree_control", all.s, &ignored) == 0)
		return;
	/* All or nothing failed (a real-time process keeps `cpu` back, say): one by one. */
	for (char *more = NULL, *one = strtok_r(all.s, " ", &more); one;
	     one = strtok_r(NULL, " ", &more))
		cgroup_put(dir, "cgroup.subtree_control", one, &ignored);
}

void cgroup_enable_controllers(const struct cgroup_hierarchy *h)
{
	owned_str type = STR_INIT;
	char *path = must(strdup(h->dir));
	struct err ignored;

	for (char *at = lacks_controllers(h) ? path + strlen(h->mount) : NULL; at; at = strchr(at + 1, '/')) {
		*at = '\0';
		enable_below(path);
		*at = '/';
	}
	free(path);
	/* Below a threaded domain a new cgroup takes processes only once it is threaded too. */
	if (cgroup_get(h->dir, "cgroup.type", &type, &ignored) == 0 &&
	    str_has_prefix(str_text(&type), "domain invalid"))
		cgroup_put(h->dir, "cgroup.type", "threaded", &ignored);
}

static bool is_denied(int r)
{
	return r == -EACCES || r == -EPERM || r == -EROFS;
}

/* What the caller wants where the specification does not say. */
struct wish {
	const char *path;
	bool may_lack;	/* rootless and unnamed: what may not be made is left out */
	bool limits_v2;	/* resources that a hybrid layout can only have on its version 2 */
};

static struct wish wish_of(struct arena *a, const struct spec *s, const char *id, bool rootless)
{
	const struct spec_resources *r = s->linux_ ? s->linux_->resources : NULL;
	struct wish wish = { .path = s->linux_ ? s->linux_->cgroups_path : NULL };

	wish.limits_v2 = r && (r->hugepage_limits.n || r->rdma.n || r->unified.n);
	if (wish.path && *wish.path)
		return wish;
	/* nobody but root may make cgroups at the top */
	wish.path = arena_printf(a, rootless ? "%s" : "/%s", id);
	wish.may_lack = rootless;
	return wish;
}

/* Which directories: all, made or not. */
static int plan_dirs(struct arena *a, struct cgroup *c, const struct wish *wish, struct err *e)
{
	for (size_t i = 0; i < c->n; i++) {
		struct cgroup_hierarchy *h = &c->h[i];
		char *path = NULL;
		int r = cgroup_container_path(a, c, h, wish->path, &path, e);

		if (r < 0)
			return r;
		h->dir = arena_printf(a, "%s%s", strcmp(h->mount, "/") == 0 ? "" : h->mount, path);
		h->created = true;
		if (!c->path)
			c->path = path;
	}
	if (!c->path)
		c->path = arena_clean_path(a, wish->path);
	return 0;
}

/* Makes them; c->rootless_without: none could be. */
static int make_dirs(struct arena *a, struct cgroup *c, const struct wish *wish, struct strv *made,
		     struct err *e)
{
	c->rootless_without = true;
	for (size_t i = 0; i < c->n; i++) {
		struct cgroup_hierarchy *h = &c->h[i];
		int r = make_dir(a, h, false, made, e);

		if (r < 0 && wish->may_lack && is_denied(r)) {
			h->dir = NULL;
			h->created = false;
			continue;
		}
		if (r == -EROFS)
			return err_in(e, "%s is mounted read-only", h->mount);
		if (r < 0)
			return r;
		c->rootless_without = false;
		/* In a hybrid layout the host's version 2 stays as it is unless it is needed. */
		if (!*h->controllers && (c->layout == CGROUP_V2 || wish->limits_v2))
			cgroup_enable_controllers(h);
		if (cgroup_listed(h->controllers, "cpuset")) {
			r = cpuset_inherit(a, h, e);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

int cgroup_make_rest(struct arena *a, const struct cgroup *c, const struct spec *s, struct err *e)
{
	const struct wish wish = wish_of(a, s, "", false);
	struct strv made = { 0 };	/* stays: cgroup_remove() takes it with the scope */
	int r = 0;

	for (size_t i = 0; i < c->n && r == 0; i++) {
		const struct cgroup_hierarchy *h = &c->h[i];

		if (!*h->controllers && wish.limits_v2)
			cgroup_enable_controllers(h);
		if (*h->controllers)
			r = make_dir(a, h, true, &made, e);
		if (r == 0 && cgroup_listed(h->controllers, "cpuset"))
			r = cpuset_inherit(a, h, e);
	}
	return r;
}

static int detect_for(struct arena *a, const struct wish *wish, struct cgroup *ret, struct err *e)
{
	int r = cgroup_detect(a, ret, e);

	if (r == 0 && ret->layout == CGROUP_NONE && !wish->may_lack)
		return err_say(e, ENOENT, "no cgroup file system is mounted on this host");
	return r;
}

int cgroup_plan(struct arena *a, const struct spec *s, const char *id, bool systemd,
		bool rootless, struct cgroup *ret, struct err *e)
{
	struct wish wish = wish_of(a, s, id, rootless);
	struct cgroup c = { 0 };
	int r;

	r = detect_for(a, &wish, &c, e);
	if (r < 0)
		return r;
	if (systemd)
		r = cgroup_systemd_plan(a, s, id, rootless, &c, e);
	else
		r = plan_dirs(a, &c, &wish, e);
	if (r < 0)
		return r;
	for (size_t i = 0; i < c.n; i++)
		if (c.h[i].dir && (r = refuse_used(c.h[i].dir, e)) < 0)
			return r;
	r = refuse_frozen(&c, e);
	if (r < 0)
		return r;
	*ret = c;
	return 0;
}

/* config-linux.md, "Cgroup ownership": a writable cgroup of version 2 in a cgroup namespace of its own
 * is the container's to divide, whose user gets the files that the kernel says are for that. */
int cgroup_hand_over(const struct cgroup *c, const struct spec *s, struct err *e)
{
	const struct spec_namespace *ns = spec_namespace_find(s, "cgroup");
	const struct cgroup_hierarchy *h = cgroup_hierarchy_of(c, "");
	owned_str files = STR_INIT;
	owned_fd dir = -1;
	bool writable = false;
	int64_t uid;
	char *rest;

	for (size_t i = 0; i < s->mounts.n; i++) {
		const struct spec_mount *m = &s->mounts.v[i];

		writable |= str_equal(m->source, "cgroup") &&
			    strcmp(m->destination, "/sys/fs/cgroup") == 0 &&
			    strv_find(&m->options, "ro") < 0;
	}
	if (c->layout != CGROUP_V2 || !h || !h->dir || !ns || ns->path || !writable || !s->process)
		return 0;
	ns = spec_namespace_find(s, "user");
	if (ns && ns->path)	/* its map is not known */
		return 0;
	uid = idmap_host_id(s->linux_->uid_mappings.v, s->linux_->uid_mappings.n,
			    s->process->user.uid);
	if (uid <= 0 || uid == geteuid())
		return 0;
	if (file_read(AT_FDCWD, "/sys/kernel/cgroup/delegate", FILE_MOST, &files, e) < 0)
		return -e->code;
	dir = open(h->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || fchown(dir, (uid_t)uid, (gid_t)-1) < 0)
		/* rootless: not to a subordinate user */
		return dir >= 0 && errno == EPERM ? 0 :
		       err_set(e, errno, "hand over cgroup %s", h->dir);
	rest = files.s;
	for (char *name; (name = strsep(&rest, "\n"));)
		if (*name && fchownat(dir, name, (uid_t)uid, (gid_t)-1, AT_SYMLINK_NOFOLLOW) < 0 &&
		    errno != ENOENT)
			return err_set(e, errno, "hand over %s/%s", h->dir, name);
	return 0;
}

static int apply_all(const struct cgroup *c, const struct spec *s, struct err *e)
{
	const struct spec_resources *res = s->linux_ ? s->linux_->resources : NULL;
	const char *limit = res ? cgroup_resources_first(res) : NULL;

	if (c->rootless_without && limit)
		return err_say(e, EPERM, "linux.resources.%s: this user has no right to make a "
			       "cgroup", limit);
	if (c->rootless_without)
		return 0;
	if (res && cgroup_resources_apply(c, res, CGROUP_AT_CREATE, e) < 0)
		return -e->code;
	return cgroup_devices_v1(c) ? cgroup_devices_apply(c, res, !s->agent, e) : 0;
}

int cgroup_restrict_devices(const struct cgroup *c, const struct spec *s, struct err *e)
{
	const struct spec_resources *res = s->linux_ ? s->linux_->resources : NULL;

	return c->rootless_without || cgroup_devices_v1(c) ? 0 :
	       cgroup_devices_apply(c, res, !s->agent, e);
}

int cgroup_create(struct arena *a, const struct spec *s, bool rootless, struct cgroup *c,
		  struct err *e)
{
	const struct wish wish = wish_of(a, s, "", rootless);
	struct strv made = { 0 };
	int r;

	/* Version 2's is there to be cloned into only once systemd had a process for it. */
	for (size_t i = 0; c->systemd && i < c->n; i++)
		if (!*c->h[i].controllers)
			c->h[i].dir = NULL;
	if (c->systemd)
		return 0;
	r = make_dirs(a, c, &wish, &made, e);
	if (r == 0)
		r = apply_all(c, s, e);
	if (r == 0)
		r = cgroup_hand_over(c, s, e);
	if (r < 0) {
		undo_dirs(&made);
		*c = (struct cgroup){ 0 };
	}
	return r;
}

/* ---- joining ---- */

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
	if (!below)
		return err_say(e, ENOENT, "%s: not in the container's cgroup %s", proc, c->path);
	below += strlen(c->path);
	if (*below && *below != '/')
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

/* ---- the state file ---- */

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
