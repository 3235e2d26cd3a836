/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/mnt.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "base/sys.h"

enum { MOST_OPTION = 255 };	/* fsconfig(2) reads strings of at most 256 bytes with the NUL */

int mnt_clone(int dirfd, const char *path, bool recursive, int *ret_fd, struct err *e)
{
	int fd = sys_open_tree(dirfd, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH |
			       (recursive ? AT_RECURSIVE : 0));

	if (fd < 0)
		return err_set(e, errno, "clone the mount at %s", *path ? path : "a descriptor");
	*ret_fd = fd;
	return 0;
}

int mnt_attach(int mount_fd, int target_fd, struct err *e)
{
	if (sys_move_mount(mount_fd, "", target_fd, "",
			   MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return err_set(e, errno, "attach the mount");
	return 0;
}

int mnt_attach_at(int mount_fd, int dirfd, const char *name, struct err *e)
{
	if (sys_move_mount(mount_fd, "", dirfd, name, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return err_set(e, errno, "attach the mount at %s", name);
	return 0;
}

int mnt_set(int mount_fd, bool recursive, uint64_t set, uint64_t clear, struct err *e)
{
	struct mount_attr attr = { .attr_set = set, .attr_clr = clear };

	if (!set && !clear)
		return 0;
	if (sys_mount_setattr(mount_fd, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0),
			      &attr) < 0)
		return err_set(e, errno, "set the mount's attributes%s",
			       errno == EPERM && clear ?
			       " (one that is to be cleared is locked by the source)" : "");
	return 0;
}

int mnt_set_exactly(int mount_fd, uint64_t set, uint64_t clear, struct err *e)
{
	static const uint64_t flags = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
				      MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOSYMFOLLOW;
	int r = mnt_set(mount_fd, false, set, clear | (flags & ~set), e);

	if (r != -EPERM)
		return r;
	*e = (struct err){ 0 };
	return mnt_set(mount_fd, false, set, clear, e);
}

int mnt_propagate(int mount_fd, bool recursive, unsigned long propagation, struct err *e)
{
	struct mount_attr attr = { .propagation = propagation };

	if (sys_mount_setattr(mount_fd, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0),
			      &attr) < 0)
		return err_set(e, errno, "set the mount's propagation");
	return 0;
}

int mnt_idmap(int mount_fd, bool recursive, int userns_fd, struct err *e)
{
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_IDMAP,
		.userns_fd = (uint64_t)userns_fd,
	};

	if (sys_mount_setattr(mount_fd, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0),
			      &attr) < 0)
		return err_set(e, errno, "map the mount's ids%s", errno == EINVAL ?
			       " (the file system may not support it)" : "");
	return 0;
}

int mnt_bind_over(int fd, bool recursive, uint64_t set, struct err *e)
{
	owned_fd copy = -1;
	int r;

	if ((r = mnt_clone(fd, "", recursive, &copy, e)) < 0 ||
	    (r = mnt_set(copy, recursive, set, 0, e)) < 0)
		return r;
	return mnt_attach(copy, fd, e);
}

/* Adds the kernel's own words ("e tmpfs: Bad value for 'size'") where it has any. */
static int failed(int fs_fd, int code, const char *what, struct err *e)
{
	char line[400];
	ssize_t n = read(fs_fd, line, sizeof line - 1);

	if (n <= 2)
		return err_set(e, code, "%s", what);
	line[n] = '\0';
	line[strcspn(line, "\n")] = '\0';
	return err_set(e, code, "%s: %s", what, line + 2);
}

static int put_option(int fs_fd, const char *option, struct err *e)
{
	const char *equals = strchr(option, '=');
	owned_str what = STR_INIT, key = STR_INIT;

	if (strlen(option) > MOST_OPTION)
		return err_say(e, E2BIG, "option too long for fsconfig");
	str_append(&key, option, equals ? (size_t)(equals - option) : strlen(option));
	if ((equals ? sys_fsconfig(fs_fd, FSCONFIG_SET_STRING, key.s, equals + 1, 0) :
	     sys_fsconfig(fs_fd, FSCONFIG_SET_FLAG, key.s, NULL, 0)) == 0)
		return 0;
	str_printf(&what, "option \"%s\"", option);
	return failed(fs_fd, errno, what.s, e);
}

int mnt_check(const char *type, const struct mnt_options *options, struct err *e)
{
	owned_fd fs = -1;
	int r;

	if (!options->n)
		return 0;
	fs = sys_fsopen(type, FSOPEN_CLOEXEC);
	if (fs < 0)
		return err_set(e, errno, "file system type \"%s\"", type);
	for (size_t i = 0; i < options->n; i++)
		if ((r = put_option(fs, options->v[i], e)) < 0)
			return r;
	return 0;
}

int mnt_new(const char *type, const char *source, const struct mnt_options *options,
	    uint64_t attributes, int *ret_fd, struct err *e)
{
	owned_fd fs = sys_fsopen(type, FSOPEN_CLOEXEC);
	int fd, r;

	if (fs < 0)
		return err_set(e, errno, "file system type \"%s\"", type);
	if (source && strlen(source) > MOST_OPTION)
		return err_say(e, E2BIG, "source too long for fsconfig");
	if (source && sys_fsconfig(fs, FSCONFIG_SET_STRING, "source", source, 0) < 0)
		return failed(fs, errno, "source", e);
	for (size_t i = 0; options && i < options->n; i++)
		if ((r = put_option(fs, options->v[i], e)) < 0)
			return r;
	if (sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return failed(fs, errno, type, e);
	fd = sys_fsmount(fs, FSMOUNT_CLOEXEC, (unsigned)attributes);
	if (fd < 0)
		return failed(fs, errno, type, e);
	*ret_fd = fd;
	return 0;
}

static void unescape(char *text)
{
	char *w = text;

	for (; *text; text++) {
		unsigned octal;

		if (*text == '\\' && sscanf(text + 1, "%3o", &octal) == 1) {
			*w++ = (char)octal;
			text += 3;
		} else {
			*w++ = *text;
		}
	}
	*w = '\0';
}

bool mnt_next(char **text, struct mnt_line *ret)
{
	char *line, *fields[5], *dash;

	while ((line = strsep(text, "\n"))) {
		dash = strstr(line, " - ");
		if (!dash)
			continue;
		ret->type = dash + 3;
		ret->type[strcspn(ret->type, " ")] = '\0';
		for (size_t i = 0; i < 5; i++)
			fields[i] = strsep(&line, " ");
		if (!fields[4])
			continue;
		ret->id = strtoull(fields[0], NULL, 10);
		ret->point = fields[4];
		unescape(ret->point);
		return true;
	}
	return false;
}

int mnt_table(struct str *text, struct err *e)
{
	enum { MOST_MOUNTINFO = 64 << 20 };

	return file_read(AT_FDCWD, "/proc/self/mountinfo", MOST_MOUNTINFO, text, e);
}
