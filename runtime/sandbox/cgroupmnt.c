/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mounts of type cgroup and cgroup2.
 *
 * Version 2 is mounted only inside a cgroup namespace of the container's own:
 * from the initial one it would cost an RCU grace period (DESIGN section 5).
 * Without that namespace the host's mount is bound, which shows the same, as
 * the names in /proc/PID/cgroup need it; a confined container sees its own
 * directory alone.  Of version 1 that directory is bound in any case.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "sandbox/cgroup.h"
#include "sandbox/rootfs_parts.h"

static const struct cgroup_hierarchy *unified(const struct cgroup *c)
{
	for (size_t i = 0; i < c->n; i++)
		if (!*c->h[i].controllers)
			return &c->h[i];
	return NULL;
}

/* The mount for a hierarchy of version 2, detached. */
static int open_unified(const struct rootfs *r, const struct mountopt *o, bool confined,
			int *ret_fd, struct err *e)
{
	const struct cgroup_hierarchy *h = r->cgroup ? unified(r->cgroup) : NULL;
	bool own = h && h->dir && (r->cgroup_ns || confined);
	owned_fd fd = -1;
	int x;

	if (r->cgroup_ns && (!r->cgroup || r->cgroup->layout == CGROUP_V2)) {
		x = mnt_new("cgroup2", "cgroup", &o->data, o->set, ret_fd, e);
		if (x != -EPERM && x != -EBUSY)
			return x;
		forgive(e);
	}
	if (!h)
		return err_say(e, ENODEV, "this host mounts no cgroup2");
	if ((x = mnt_check("cgroup2", &o->data, e)) < 0 ||
	    (x = mnt_clone(AT_FDCWD, own ? h->dir : h->mount, false, &fd, e)) < 0 ||
	    (x = mnt_set(fd, false, o->set, 0, e)) < 0)
		return x;
	/* No cgroup was made: what is left to bind is the host's, and not to be written. */
	if (!h->dir && (x = mnt_set(fd, false, MOUNT_ATTR_RDONLY, 0, e)) < 0)
		return x;
	*ret_fd = fd_take(&fd);
	return 0;
}

/* "cpu -> cpu,cpuacct": programs look for each controller by its own name. */
static int link_controllers(int top, const char *controllers, const char *dir, struct err *e)
{
	while (*controllers) {
		size_t n = strcspn(controllers, ",");
		owned_str one = STR_INIT;

		str_append(&one, controllers, n);
		controllers += n + (controllers[n] == ',');
		if (strcmp(one.s, dir) == 0 || str_has_prefix(one.s, "name="))
			continue;
		if (symlinkat(dir, top, one.s) < 0 && errno != EEXIST)
			return err_set(e, errno, "link cgroup %s", one.s);
	}
	return 0;
}

static int add_hierarchy(int top, const struct cgroup_hierarchy *h, uint64_t attributes,
			 struct err *e)
{
	const char *slash = strrchr(h->mount, '/'), *name = slash ? slash + 1 : h->mount;
	owned_fd tree = -1;
	int r;

	if (mkdirat(top, name, 0755) < 0 && errno != EEXIST)
		return err_set(e, errno, "create directory for cgroup %s", name);
	if ((r = mnt_clone(AT_FDCWD, h->dir, false, &tree, e)) < 0 ||
	    (r = mnt_set(tree, false, attributes, 0, e)) < 0 ||
	    (r = mnt_attach_at(tree, top, name, e)) < 0)	/* nobody else has that file system */
		return err_in(e, "cgroup %s", name);
	return link_controllers(top, h->controllers, name, e);
}

/* Version 1 and hybrid: a directory with one mount for each hierarchy of version 1.  As under runc
 * and crun it can be written to whatever was asked. */
static int attach_hierarchies(const struct cgroup *c, const struct mountopt *o, bool confined,
			      int target, int *ret_fd, struct err *e)
{
	const char *mode[] = { "mode=755" };
	const struct mnt_options options = { mode, 1 };
	owned_fd top = -1;
	int r;

	if ((r = mnt_new("tmpfs", "cgroup", &options, o->set & ~(uint64_t)MOUNT_ATTR_RDONLY, &top,
			 e)) < 0 ||
	    (r = mnt_attach(top, target, e)) < 0)
		return r;
	for (size_t i = 0; i < c->n; i++)
		if (*c->h[i].controllers && c->h[i].dir && (r = add_hierarchy(top, &c->h[i], o->set, e)) < 0)
			return r;
	if (confined && (r = mnt_set(top, false, o->set, 0, e)) < 0)
		return r;
	*ret_fd = fd_take(&top);
	return 0;
}

int cgroupmnt_attach(const struct rootfs *r, const char *type, const struct mountopt *o,
		     bool confined, int target_fd, int *ret_fd, struct err *e)
{
	owned_fd fd = -1;
	int x;

	if (r->cgroup && r->cgroup->layout != CGROUP_V2 && strcmp(type, "cgroup") == 0)
		return attach_hierarchies(r->cgroup, o, confined, target_fd, ret_fd, e);
	if ((x = open_unified(r, o, confined, &fd, e)) < 0 || (x = mnt_attach(fd, target_fd, e)) < 0)
		return x;
	*ret_fd = fd_take(&fd);
	return 0;
}
