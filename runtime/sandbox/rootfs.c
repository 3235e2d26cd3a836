/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "base/sys.h"
#include "sandbox/mnt.h"
#include "sandbox/rootfs_parts.h"
#include "sandbox/rootpath.h"
#include "sandbox/selinux.h"

/* ---- preparing ---- */

static int propagation_of(const struct spec *s, struct mountopt_propagation *ret, struct err *e)
{
	const char *name = s->linux_ ? s->linux_->rootfs_propagation : NULL;

	*ret = (struct mountopt_propagation){ MS_SLAVE, true };
	if (name && *name && !mountopt_propagation(name, ret))
		return err_say(e, EINVAL, "linux.rootfsPropagation: unknown value \"%s\"", name);
	return 0;
}

/*
 * Where "/" stays shared with the host, the mount that holds the root must
 * not be: the root's mount would show on the host, and pivot_root refuses.
 */
static int make_parent_private(int dir_fd, struct err *e)
{
	owned_str text = STR_INIT;
	struct sys_mount mount, found;
	struct mnt_line line;
	char *rest;
	int r;

	if (sys_mount_of(dir_fd, "", AT_EMPTY_PATH, &mount) < 0)
		return err_set(e, errno, "stat the root");
	if ((r = mnt_table(&text, e)) < 0)
		return r;
	rest = text.s;
	while (mnt_next(&rest, &line)) {
		owned_fd mount_fd = -1;

		if (line.id != mount.id)
			continue;
		mount_fd = open(line.point, O_PATH | O_CLOEXEC);
		if (mount_fd < 0 ||
		    sys_mount_of(mount_fd, "", AT_EMPTY_PATH, &found) < 0)
			return err_set(e, errno, "open %s", line.point);
		if (found.id != mount.id)
			break;
		return mnt_propagate(mount_fd, false, MS_PRIVATE, e);
	}
	return err_say(e, EINVAL, "linux.rootfsPropagation: the mount that holds the root can't be "
		       "found");
}

/* The host's mounts keep their propagation; one below a shared one is born shared. */
static int bind_on_host(struct rootfs *r, struct err *e)
{
	owned_fd dir = open(r->path, O_PATH | O_DIRECTORY | O_CLOEXEC), tree = -1;
	int x;

	if (dir < 0)
		return err_set(e, errno, "root.path: open %s", r->path);
	if ((x = mnt_clone(dir, "", true, &tree, e)) < 0 || (x = mnt_attach(tree, dir, e)) < 0 ||
	    (x = mnt_propagate(tree, true, MS_PRIVATE, e)) < 0)
		return err_in(e, "root.path %s", r->path);
	r->root_fd = fd_take(&tree);
	return 0;
}

int rootfs_prepare(struct rootfs *r, const struct spec *s, struct err *e)
{
	owned_fd top = -1, dir = -1, tree = -1;
	struct mountopt_propagation p;
	int x;

	if ((x = propagation_of(s, &p, e)) < 0)
		return x;
	if (r->on_host)
		return bind_on_host(r, e);
	top = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (top < 0)
		return err_set(e, errno, "open /");
	/* An unbindable "/" could not be bound from; rootfs_finish() makes the root so. All of
	 * the tree, whatever was asked: what the container mounts must not show on the host. */
	if ((x = mnt_propagate(top, true, p.how == MS_UNBINDABLE ? MS_PRIVATE : p.how, e)) < 0)
		return err_in(e, "/");

	dir = open(r->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_set(e, errno, "root.path: open %s", r->path);
	if (p.how == MS_SHARED && (x = make_parent_private(dir, e)) < 0)
		return x;
	/* pivot_root needs a mount point, and one that is not shared. */
	if ((x = mnt_clone(dir, "", true, &tree, e)) < 0 ||
	    (x = mnt_propagate(tree, true, MS_PRIVATE, e)) < 0 ||
	    (x = mnt_attach(tree, dir, e)) < 0)
		return err_in(e, "root.path %s", r->path);
	r->root_fd = fd_take(&tree);
	return 0;
}

/* ---- entering ---- */

/* The old root is stacked on the new one; as a slave its unmounting can't reach the host. */
static int pivot(int root_fd, struct err *e)
{
	owned_fd old = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (old < 0)
		return err_set(e, errno, "open /");
	if (fchdir(root_fd) < 0)
		return err_set(e, errno, "change to the root");
	if (sys_pivot_root(".", ".") < 0)
		return err_set(e, errno, "pivot_root");
	if (fchdir(old) < 0)
		return err_set(e, errno, "change to the old root");
	if ((r = mnt_propagate(old, true, MS_SLAVE, e)) < 0)
		return err_in(e, "old root");
	if (umount2(".", MNT_DETACH) < 0)
		return err_set(e, errno, "unmount the old root");
	return 0;
}

/*
 * Without pivot_root the host's mounts stay beneath the root and out of reach
 * of anybody who can't leave a chroot.  Full views of procfs and sysfs go, as
 * with them a user namespace could mount such views of its own again.
 */
static int hide_views(const char *root, struct err *e)
{
	owned_str text = STR_INIT;
	struct mnt_line line;
	size_t n = strlen(root);
	char *rest;
	int r;

	if ((r = mnt_table(&text, e)) < 0)
		return r;
	rest = text.s;
	while (mnt_next(&rest, &line)) {
		bool inside = strncmp(line.point, root, n) == 0 &&
			      (line.point[n] == '/' || !line.point[n]);
		owned_fd over = -1, at = -1;

		if (inside || (strcmp(line.type, "proc") != 0 && strcmp(line.type, "sysfs") != 0))
			continue;
		if (umount2(line.point, MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
			continue;
		if (errno != EINVAL && errno != EPERM)
			return err_set(e, errno, "unmount %s", line.point);
		/* Locked to what a user namespace inherited, or gone with its parent. */
		at = open(line.point, O_PATH | O_CLOEXEC);
		if (at < 0)
			continue;
		if ((r = mnt_new("tmpfs", "tmpfs", NULL, MOUNT_ATTR_RDONLY, &over, e)) < 0 ||
		    (r = mnt_attach(over, at, e)) < 0)
			return err_in(e, "cover %s", line.point);
	}
	return 0;
}

static int move_to_root(const struct rootfs *r, struct err *e)
{
	owned_fd top = -1;
	int x;

	if ((x = hide_views(r->path, e)) < 0)
		return x;
	top = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (top < 0)
		return err_set(e, errno, "open /");
	if ((x = mnt_attach(r->root_fd, top, e)) < 0)
		return err_in(e, "move the root to /");
	return rootfs_chroot(r->root_fd, e);
}

int rootfs_chroot(int root_fd, struct err *e)
{
	if (fchdir(root_fd) < 0 || chroot(".") < 0)
		return err_set(e, errno, "change the root");
	return 0;
}

int rootfs_enter(struct rootfs *r, const struct spec *s, struct err *e)
{
	int x = r->on_host ? rootfs_chroot(r->root_fd, e) :
		r->no_pivot ? move_to_root(r, e) : pivot(r->root_fd, e);

	(void)s;
	if (x < 0)
		return x;
	if (chdir("/") < 0)
		return err_set(e, errno, "change to the new root");
	return 0;
}

/* ---- finishing ---- */

/* As under runc and crun, what is mounted below the path stays as it is; not under a policy. */
static int make_path_readonly(int root_fd, const char *path, bool confined, struct err *e)
{
	owned_fd fd = -1, copy = -1;
	struct sys_mount file, top;
	int r = rootpath_open(root_fd, path, O_PATH, &fd, e);

	if (r == -ENOENT)
		forgive(e);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (sys_mount_of(fd, "", AT_EMPTY_PATH, &file) < 0 ||
	    sys_mount_of(root_fd, "", AT_EMPTY_PATH, &top) < 0)
		return err_set(e, errno, "stat");
	/* Nothing can be put over the root that we are in. */
	if (file.id == top.id && file.ino == top.ino)
		return mnt_set(root_fd, false, MOUNT_ATTR_RDONLY, 0, e);
	if ((r = mnt_clone(fd, "", true, &copy, e)) < 0 ||
	    (r = mnt_set(copy, confined, MOUNT_ATTR_RDONLY, 0, e)) < 0)
		return r;
	return mnt_attach(copy, fd, e);
}

static int make_paths_readonly(int root_fd, const struct spec *s, struct err *e)
{
	const struct strv *paths = &s->linux_->readonly_paths;

	for (size_t i = 0; i < paths->n; i++)
		if (make_path_readonly(root_fd, paths->v[i], s->agent, e) < 0)
			return err_in(e, "linux.readonlyPaths[%zu]: %s", i, paths->v[i]);
	return 0;
}

/* The container's /dev/null, held so that it can't be exchanged (CVE-2025-31133). */
static int open_null(int root_fd, int *ret_fd, struct err *e)
{
	owned_fd fd = -1;
	struct stat st;
	int r = rootpath_open(root_fd, "/dev/null", O_PATH | O_NOFOLLOW, &fd, e);

	if (r < 0)
		return r;
	if (fstat(fd, &st) < 0)
		return err_set(e, errno, "stat /dev/null");
	if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3))
		return err_say(e, EPERM, "/dev/null is not the device 1:3");
	*ret_fd = fd_take(&fd);
	return 0;
}

static int make_empty_directory(const char *label, int *ret_fd, struct err *e)
{
	static const char *const options[] = { "nr_blocks=1", "nr_inodes=1" };
	owned_arena a = ARENA_INIT;
	struct mountopt o = { 0 };

	for (size_t i = 0; i < sizeof options / sizeof *options; i++)
		mountopt_add_data(&a, &o, options[i]);
	selinux_mount_option(&a, "tmpfs", label, &o);
	return mnt_new("tmpfs", "tmpfs", &o.data,
		       MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
		       MOUNT_ATTR_NOEXEC, ret_fd, e);
}

struct covers {
	const char *label;
	int null_fd, directory_fd;	/* -1 until needed; the directory is attached once made */
};

static int mask_path(int root_fd, const char *path, struct covers *c, struct err *e)
{
	owned_fd target = -1, cover = -1;
	struct stat st;
	int r = rootpath_open(root_fd, path, O_PATH, &target, e);

	if (r == -ENOENT)
		forgive(e);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (fstat(target, &st) < 0)
		return err_set(e, errno, "stat");
	if (!S_ISDIR(st.st_mode)) {
		if ((c->null_fd < 0 && (r = open_null(root_fd, &c->null_fd, e)) < 0) ||
		    (r = mnt_clone(c->null_fd, "", false, &cover, e)) < 0)
			return r;
		return mnt_attach(cover, target, e);
	}
	if (c->directory_fd < 0) {
		if ((r = make_empty_directory(c->label, &cover, e)) < 0 ||
		    (r = mnt_attach(cover, target, e)) < 0)
			return r;
		c->directory_fd = fd_take(&cover);
		return 0;
	}
	/* One instance serves all: copies of an attached mount are cheap. */
	if ((r = mnt_clone(c->directory_fd, "", false, &cover, e)) < 0)
		return r;
	return mnt_attach(cover, target, e);
}

static int mask_paths(int root_fd, const struct spec_linux *l, struct err *e)
{
	const struct strv *paths = &l->masked_paths;
	struct covers c = { l->mount_label, -1, -1 };
	int r = 0;

	for (size_t i = 0; r == 0 && i < paths->n; i++) {
		r = mask_path(root_fd, paths->v[i], &c, e);
		if (r < 0)
			r = err_in(e, "linux.maskedPaths[%zu]: %s", i, paths->v[i]);
	}
	fd_close(&c.null_fd);
	fd_close(&c.directory_fd);
	return r;
}

/* What was asked for read-only, now that nothing is to be made in it any more. */
static int close_late(struct rootfs *r, struct err *e)
{
	for (; r->n_late; r->n_late--) {
		if (mnt_set(r->late[r->n_late - 1], false, MOUNT_ATTR_RDONLY, 0, e) < 0)
			return err_in(e, "mounts");
		close(r->late[r->n_late - 1]);
	}
	free(r->late);
	r->late = NULL;
	return 0;
}

int rootfs_finish(struct rootfs *r, const struct spec *s, struct err *e)
{
	struct mountopt_propagation p;
	int x;

	/* sysctl first: /proc/sys is usually one of readonlyPaths. */
	if ((x = sysctl_write(r->root_fd, s, e)) < 0 || (x = close_late(r, e)) < 0)
		return x;
	if (s->linux_ && ((x = make_paths_readonly(r->root_fd, s, e)) < 0 ||
			  (x = mask_paths(r->root_fd, s->linux_, e)) < 0))
		return x;
	if (s->agent && s->agent->workspace &&
	    (x = workspace_protect(r->root_fd, s->agent->workspace, e)) < 0)
		return err_in(e, "workspace");
	if (s->root && s->root->readonly) {
		x = rootfs_sets_exactly(r, s) ?
			mnt_set_exactly(r->root_fd, MOUNT_ATTR_RDONLY, 0, e) :
			mnt_set(r->root_fd, false, MOUNT_ATTR_RDONLY, 0, e);
		if (x < 0)
			return err_in(e, "root.readonly");
	}
	/* The root was made private to be entered; private and slave need no more. */
	if ((x = propagation_of(s, &p, e)) < 0)
		return x;
	if ((p.how == MS_SHARED || p.how == MS_UNBINDABLE) &&
	    (x = mnt_propagate(r->root_fd, p.recursive, p.how, e)) < 0)
		return err_in(e, "linux.rootfsPropagation");
	return 0;
}

int rootfs_console(struct rootfs *r, int tty_fd, struct err *e)
{
	enum { PTS_MAJOR_FIRST = 136, PTS_MAJOR_LAST = 143 };	/* devices.txt: UNIX98 slaves */
	owned_fd dev = -1, target = -1, copy = -1;
	struct statfs fs;
	struct stat st;
	mode_t mask;
	int made, x;

	if (fstat(tty_fd, &st) < 0 || fstatfs(tty_fd, &fs) < 0)
		return err_set(e, errno, "stat the terminal");
	if (!S_ISCHR(st.st_mode) || major(st.st_rdev) < PTS_MAJOR_FIRST ||
	    major(st.st_rdev) > PTS_MAJOR_LAST || fs.f_type != DEVPTS_SUPER_MAGIC)
		return err_say(e, EPERM, "what should become /dev/console is no terminal of "
			       "devpts");
	x = rootpath_open_plain(r->root_fd, "/dev", O_PATH | O_DIRECTORY, &dev, e);
	if (x < 0)
		return x;
	mask = umask(0);
	made = openat(dev, "console", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0620);
	umask(mask);
	if (made >= 0)
		close(made);
	else if (errno != EEXIST)
		return err_set(e, errno, "create /dev/console");
	target = openat(dev, "console", O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (target < 0 || fstat(target, &st) < 0)
		return err_set(e, errno, "open /dev/console");
	if (S_ISLNK(st.st_mode) || S_ISDIR(st.st_mode))
		return err_say(e, EPERM, "/dev/console of the image is no file");
	if ((x = mnt_clone(tty_fd, "", false, &copy, e)) < 0 ||
	    (x = mnt_attach(copy, target, e)) < 0)
		return err_in(e, "/dev/console");
	return 0;
}
