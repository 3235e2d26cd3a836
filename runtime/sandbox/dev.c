/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "sandbox/idmap.h"
#include "sandbox/mnt.h"
#include "sandbox/rootfs_parts.h"
#include "sandbox/rootpath.h"

/* config-linux.md, "Default Devices". */
static const struct {
	const char *path;
	unsigned major, minor;
} defaults[] = {
	{ "/dev/null", 1, 3 },
	{ "/dev/zero", 1, 5 },
	{ "/dev/full", 1, 7 },
	{ "/dev/random", 1, 8 },
	{ "/dev/urandom", 1, 9 },
	{ "/dev/tty", 5, 0 },
};

static const struct {
	const char *name, *target;
	bool replace;		/* what the image has there is in the way */
} links[] = {
	{ "fd", "/proc/self/fd", false },
	{ "stdin", "/proc/self/fd/0", false },
	{ "stdout", "/proc/self/fd/1", false },
	{ "stderr", "/proc/self/fd/2", false },
	{ "core", "/proc/kcore", false },
	/* The container's own terminals, never the host's. */
	{ "ptmx", "pts/ptmx", true },
};

struct node {
	const char *path;
	mode_t type;		/* S_IFCHR, S_IFBLK, S_IFIFO */
	dev_t number;
	mode_t mode;
	uid_t uid;
	gid_t gid;
};

static bool is_node(const struct stat *st, const struct node *n)
{
	return (st->st_mode & S_IFMT) == n->type &&
	       (n->type == S_IFIFO || st->st_rdev == n->number);
}

static int check_node(const struct node *n, const struct stat *st, struct err *e)
{
	if (!is_node(st, n))
		return err_say(e, EEXIST, "%s exists and is not the device %u:%u", n->path,
			       major(n->number), minor(n->number));
	return 0;
}

static bool is_owned(const struct node *n, const struct stat *st)
{
	return st->st_uid == n->uid && st->st_gid == n->gid;
}

/* The umask is 0. */
static int make_node(int dir, const char *name, const struct node *n, struct err *e)
{
	owned_fd made = -1;
	struct stat st;

	if (mknodat(dir, name, n->type | n->mode, n->number) < 0 && errno != EEXIST)
		return err_set(e, errno, "create device %s", n->path);
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_set(e, errno, "stat device %s", n->path);
	if (check_node(n, &st, e) < 0)
		return -e->code;
	if (is_owned(n, &st))
		return 0;
	made = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (made < 0 || fstat(made, &st) < 0)
		return err_set(e, errno, "open device %s", n->path);
	if (check_node(n, &st, e) < 0)
		return -e->code;
	if (fchownat(made, "", n->uid, n->gid, AT_EMPTY_PATH) < 0)
		return err_set(e, errno, "change the owner of device %s", n->path);
	return 0;
}

static int bind_node(int root_fd, int from, const char *name, const struct node *n, struct err *e)
{
	owned_fd made = -1, target = -1;
	int r;

	if ((r = mnt_clone(from, name, false, &made, e)) < 0 ||
	    (r = rootpath_ensure(root_fd, n->path, ROOTPATH_FILE, &target, e)) < 0)
		return r;
	return mnt_attach(made, target, e);
}

/* Where mknod isn't permitted, the host's node of the same path, if it is the same device. */
static int bind_host_node(int root_fd, const struct node *n, struct err *e)
{
	owned_fd host = -1, target = -1;
	struct stat st;
	int r;

	if ((r = mnt_clone(AT_FDCWD, n->path, false, &host, e)) < 0)
		return err_in(e, "device %s of the host", n->path);
	if (fstat(host, &st) < 0)
		return err_set(e, errno, "stat %s of the host", n->path);
	if (!is_node(&st, n))
		return err_say(e, ENODEV, "%s of the host is not the device %u:%u, and creating "
			       "one is not permitted", n->path, major(n->number),
			       minor(n->number));
	if ((r = rootpath_ensure(root_fd, n->path, ROOTPATH_FILE, &target, e)) < 0)
		return r;
	return mnt_attach(host, target, e);
}

/* dev: "/dev", where most of them are. */
static int add_node(const struct rootfs *r, int dev, const struct node *n, struct err *e)
{
	bool in_dev = str_has_prefix(n->path, "/dev/") && !strchr(n->path + strlen("/dev/"), '/');
	const char *name = n->path + strlen("/dev/");
	owned_fd dir = -1;
	int x;

	if (!in_dev && (x = rootpath_parent(r->root_fd, n->path, &dir, &name, e)) < 0)
		return x;
	if (!r->in_userns || n->type == S_IFIFO) {
		x = make_node(in_dev ? dev : dir, name, n, e);
		if (x != -EPERM)
			return x;
		forgive(e);
	}
	return bind_host_node(r->root_fd, n, e);
}

static int add_link(int dev, size_t i, struct err *e)
{
	char is[PATH_MAX];
	ssize_t n;

	if (symlinkat(links[i].target, dev, links[i].name) == 0)
		return 0;
	if (errno != EEXIST)
		return err_set(e, errno, "create link /dev/%s", links[i].name);
	if (!links[i].replace)
		return 0;
	n = readlinkat(dev, links[i].name, is, sizeof is - 1);
	if (n >= 0) {
		is[n] = '\0';
		if (strcmp(is, links[i].target) == 0)
			return 0;
	}
	if (unlinkat(dev, links[i].name, 0) < 0 ||
	    symlinkat(links[i].target, dev, links[i].name) < 0)
		return err_set(e, errno, "replace /dev/%s by a link", links[i].name);
	return 0;
}

static int spec_node(const struct spec_device *d, struct node *ret, struct err *e)
{
	static const struct { const char *type; mode_t mode; } types[] = {
		{ "c", S_IFCHR }, { "u", S_IFCHR }, { "b", S_IFBLK }, { "p", S_IFIFO },
	};
	struct node n = {
		.path = d->path,
		.number = makedev((unsigned)d->major, (unsigned)d->minor),
			/* Set-id bits go when a device gets its owner. */
		.mode = d->file_mode.set ? (mode_t)d->file_mode.v & 01777 : 0666,
		.uid = d->uid.set ? (uid_t)d->uid.v : 0,
		.gid = d->gid.set ? (gid_t)d->gid.v : 0,
	};

	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (str_equal(d->type, types[i].type))
			n.type = types[i].mode;
	if (!n.type)
		return err_say(e, EINVAL, "unknown device type \"%s\"", d->type ? d->type : "");
	*ret = n;
	return 0;
}

/* linux.devices[i], called i. */
static int make_spec_node(const struct spec_linux *l, size_t i, int dir, struct err *e)
{
	struct node n;
	int64_t uid, gid;
	char name[24];

	if (spec_node(&l->devices.v[i], &n, e) < 0)
		return -e->code;
	uid = idmap_host_id(l->uid_mappings.v, l->uid_mappings.n, n.uid);
	gid = idmap_host_id(l->gid_mappings.v, l->gid_mappings.n, n.gid);
	/* Engines give the host's, mapped or not: nobody's, then, as the host's node would be. */
	n.uid = uid < 0 ? 0 : (uid_t)uid;
	n.gid = gid < 0 ? 0 : (gid_t)gid;
	snprintf(name, sizeof name, "%zu", i);
	return make_node(dir, name, &n, e);
}

int rootfs_make_nodes(const struct spec *s, int *ret_fd, struct err *e)
{
	const char *mode = "mode=755";	/* init is not the root who makes it */
	const struct mnt_options options = { &mode, 1 };
	const struct spec_linux *l = s->linux_;
	owned_fd fd = -1;
	mode_t mask;
	int r = 0;

	*ret_fd = -1;
	if (!l->devices.n)
		return 0;
	if (mnt_new("tmpfs", "devices", &options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, &fd, e) < 0)
		return e->code == EPERM ? (forgive(e), 0) : -e->code;
	mask = umask(0);
	for (size_t i = 0; r == 0 && i < l->devices.n; i++)
		if ((r = make_spec_node(l, i, fd, e)) < 0)
			err_in(e, "linux.devices[%zu]", i);
	umask(mask);
	if (r < 0)
		return r == -EPERM ? (forgive(e), 0) : r;
	*ret_fd = fd_take(&fd);
	return 0;
}

static bool in_spec(const struct spec *s, const char *path)
{
	for (size_t i = 0; s->linux_ && i < s->linux_->devices.n; i++)
		if (str_equal(s->linux_->devices.v[i].path, path))
			return true;
	return false;
}

/* A /dev of the host's is to be left as it is. */
static bool binds_dev(const struct spec *s)
{
	for (size_t i = 0; i < s->mounts.n; i++) {
		const struct spec_mount *m = &s->mounts.v[i];
		const char *d = m->destination;

		if (d && (strcmp(d, "/dev") == 0 || strcmp(d, "/dev/") == 0) &&
		    spec_mount_is_bind(m))
			return true;
	}
	return false;
}

static int detach(int mount_fd, struct err *e)
{
	char path[32];

	snprintf(path, sizeof path, "/proc/self/fd/%d", mount_fd);
	if (umount2(path, MNT_DETACH) < 0)
		return err_set(e, errno, "unmount the devices");
	return 0;
}

static int add_nodes(struct rootfs *r, const struct spec *s, int dev, struct err *e)
{
	int x;

	for (size_t i = 0; i < sizeof defaults / sizeof *defaults; i++) {
		struct node n = {
			.path = defaults[i].path,
			.type = S_IFCHR,
			.number = makedev(defaults[i].major, defaults[i].minor),
			.mode = 0666,
		};

		if (!in_spec(s, n.path) && (x = add_node(r, dev, &n, e)) < 0)
			return x;
	}
	/* Only what is attached can be cloned, before Linux 6.15: for that time on the root. */
	if (r->nodes_fd >= 0 && (x = mnt_attach(r->nodes_fd, r->root_fd, e)) < 0)
		return x;
	for (size_t i = 0; s->linux_ && i < s->linux_->devices.n; i++) {
		struct node n;
		char made[24];

		snprintf(made, sizeof made, "%zu", i);
		x = spec_node(&s->linux_->devices.v[i], &n, e);
		if (x == 0)
			x = r->nodes_fd < 0 ? add_node(r, dev, &n, e) :
					      bind_node(r->root_fd, r->nodes_fd, made, &n, e);
		if (x < 0)
			return err_in(e, "linux.devices[%zu]", i);
	}
	return r->nodes_fd >= 0 ? detach(r->nodes_fd, e) : 0;
}

int rootfs_devices(struct rootfs *r, const struct spec *s, struct err *e)
{
	owned_fd dev = -1;
	mode_t mask;
	int x;

	if (binds_dev(s))
		return 0;
	/* An image whose /dev is a link would have the nodes land elsewhere (CVE-2026-47766). */
	x = rootpath_open_plain(r->root_fd, "/dev", O_PATH | O_DIRECTORY, &dev, e);
	if (x == -ENOENT) {
		forgive(e);
		x = rootpath_ensure(r->root_fd, "/dev", ROOTPATH_DIRECTORY, &dev, e);
	}
	if (x < 0)
		return x;
	mask = umask(0);
	x = add_nodes(r, s, dev, e);
	umask(mask);
	if (x < 0)
		return x;
	for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
		if (strcmp(links[i].name, "core") == 0 && access("/proc/kcore", F_OK) < 0)
			continue;
		if ((x = add_link(dev, i, e)) < 0)
			return x;
	}
	return 0;
}
