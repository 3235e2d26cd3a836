/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plan and make a container's cgroups, and hand them over to its user.
 */
#include "sandbox/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "sandbox/cgroup_parts.h"
#include "sandbox/idmap.h"

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

/* ---- planning and creating ---- */

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
	if (cgroup_get("/sys/kernel/cgroup", "delegate", &files, e) < 0)
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
