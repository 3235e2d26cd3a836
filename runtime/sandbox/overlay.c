/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/overlay.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "sandbox/mnt.h"

int overlay_check_whole(const char *directory, struct err *e)
{
	owned_str table = STR_INIT, prefix = STR_INIT;
	struct mnt_line line;
	char *rest;

	if (mnt_table(&table, e) < 0)
		return -e->code;
	str_printf(&prefix, "%s/", strcmp(directory, "/") == 0 ? "" : directory);
	rest = table.s;
	while (mnt_next(&rest, &line))
		if (str_has_prefix(line.point, prefix.s) && line.point[prefix.len])
			return err_say(e, EXDEV, "%s has something mounted inside (%s), which a "
				       "copy-on-write view would not show: unmount it, or use "
				       "workspace.mode=rw or ro", directory, line.point);
	return 0;
}

/* What the directory's mount forbids stays forbidden. */
static int attributes_of(int fd, uint64_t *ret, struct err *e)
{
	static const struct { unsigned long flag; uint64_t attribute; } map[] = {
		{ ST_NOSUID, MOUNT_ATTR_NOSUID }, { ST_NODEV, MOUNT_ATTR_NODEV },
		{ ST_NOEXEC, MOUNT_ATTR_NOEXEC }, { ST_NOATIME, MOUNT_ATTR_NOATIME },
		{ ST_NODIRATIME, MOUNT_ATTR_NODIRATIME },
	};
	struct statvfs fs;

	if (fstatvfs(fd, &fs) < 0)
		return err_set(e, errno, "stat the workspace's file system");
	*ret = 0;
	for (size_t i = 0; i < sizeof map / sizeof *map; i++)
		if (fs.f_flag & map[i].flag)
			*ret |= map[i].attribute;
	return 0;
}

static int open_layer(int store, const char *name, int *ret, struct err *e)
{
	*ret = openat(store, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return *ret < 0 ? err_set(e, errno, "open %s of the store", name) : 0;
}

/*
 * Layers on copies of their mounts, whose ids are mapped.  The copy of the store is mapped after its
 * directories were opened: nobody gets through the one above them then.
 */
static int open_mapped(int lower_fd, int store, int userns_fd, int layers[3], int *ret_tree,
		       struct err *e)
{
	int r;

	if ((r = mnt_clone(lower_fd, "", false, &layers[0], e)) < 0 ||
	    (r = mnt_idmap(layers[0], false, userns_fd, e)) < 0 ||
	    (r = mnt_clone(store, "", false, ret_tree, e)) < 0 ||
	    (r = open_layer(*ret_tree, "upper", &layers[1], e)) < 0 ||
	    (r = open_layer(*ret_tree, "work", &layers[2], e)) < 0)
		return r;
	return mnt_idmap(*ret_tree, false, userns_fd, e);
}

static int open_plain(int lower_fd, int store, int layers[3], struct err *e)
{
	int r;

	layers[0] = fcntl(lower_fd, F_DUPFD_CLOEXEC, 0);
	if (layers[0] < 0)
		return err_set(e, errno, "duplicate the workspace's descriptor");
	r = open_layer(store, "upper", &layers[1], e);
	return r < 0 ? r : open_layer(store, "work", &layers[2], e);
}

static int mount_layers(const int layers[3], bool user_xattr, uint64_t attributes, int *ret_fd,
			struct err *e)
{
	static const char *const kinds[3] = { "lowerdir", "upperdir", "workdir" };
	char layer[3][64];
	const char *options[] = {
		layer[0], layer[1], layer[2], "redirect_dir=nofollow", "metacopy=off", "index=off",
		"xino=auto", "userxattr",
	};
	const struct mnt_options o = { options, sizeof options / sizeof *options - !user_xattr };

	/* By descriptor: a path may hold what separates options, and could lead elsewhere by now. */
	for (size_t i = 0; i < 3; i++)
		snprintf(layer[i], sizeof layer[i], "%s=/proc/self/fd/%d", kinds[i], layers[i]);
	return mnt_new("overlay", "agentrun", &o, attributes, ret_fd, e);
}

/* Where it cannot work in workdir, the kernel only says so in its log, and mounts read-only. */
static int check_writable(int *mount_fd, struct err *e)
{
	struct statvfs fs;

	if (fstatvfs(*mount_fd, &fs) == 0 && !(fs.f_flag & ST_RDONLY))
		return 0;
	fd_close(mount_fd);
	return err_say(e, EROFS, "the kernel cannot write to its work directory (its log says why)");
}

int overlay_new(int lower_fd, const char *store, bool user_xattr, int userns_fd, int *ret_fd,
		struct err *e)
{
	owned_fd dir = open(store, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), tree = -1;
	int layers[3] = { -1, -1, -1 }, r;
	struct statfs fs;
	uint64_t attributes = 0;

	if (dir < 0)
		return err_set(e, errno, "store %s", store);
	r = attributes_of(lower_fd, &attributes, e);
	if (r == 0)
		r = userns_fd < 0 ? open_plain(lower_fd, dir, layers, e) :
		    open_mapped(lower_fd, dir, userns_fd, layers, &tree, e);
	if (r == 0)
		r = mount_layers(layers, user_xattr, attributes, ret_fd, e);
	if (r == 0)
		r = check_writable(ret_fd, e);
	for (size_t i = 0; i < 3; i++)
		fd_close(&layers[i]);
	if (r == -EINVAL && userns_fd >= 0)
		return err_in(e, "copy-on-write workspace with mapped owners (workspace.owner=map needs "
			      "Linux 6.15)");
	if (r < 0 && fstatfs(dir, &fs) == 0 && fs.f_type == OVERLAYFS_SUPER_MAGIC)
		return err_say(e, EINVAL, "copy-on-write view of the workspace: its store %s lies on an "
			       "overlay, which the kernel takes no writes of another for: mount a file "
			       "system of another kind there", store);
	return r < 0 ? err_in(e, "copy-on-write view of the workspace (store %s)", store) : 0;
}
