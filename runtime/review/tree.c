/* SPDX-License-Identifier: Apache-2.0 */
#include "review/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <linux/limits.h>

#include "base/fd.h"
#include "base/sys.h"

enum { HASH_CHUNK = 1 << 16 };

void entry_close(struct entry *x)
{
	fd_close(&x->fd);
}

int entry_look(int top, const char *path, struct entry *ret)
{
	owned_fd fd = sys_openat2(top, *path ? path : ".", O_PATH | O_NOFOLLOW | O_CLOEXEC,
				  0, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
				  RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV);
	struct stat st;

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR)) {
		*ret = ENTRY_INIT;
		return 0;
	}
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	*ret = (struct entry){ fd_take(&fd), st };
	return 0;
}

/* Names the file itself, a link, too: a magic link leads there at once, not by a name. */
struct proc_path {
	char s[40];
};

static struct proc_path proc_path(const struct entry *x)
{
	struct proc_path p;

	snprintf(p.s, sizeof p.s, "/proc/self/fd/%d", x->fd);
	return p;
}

int entry_open(const struct entry *x, int flags)
{
	int fd = open(proc_path(x).s, flags | O_CLOEXEC | O_NOCTTY);

	return fd < 0 ? -errno : fd;
}

int entry_chmod(const struct entry *x, mode_t mode)
{
	return chmod(proc_path(x).s, mode) < 0 ? -errno : 0;
}

int entry_target(const struct entry *x, struct str *ret)
{
	char *room = str_reserve(ret, PATH_MAX);
	ssize_t n = readlinkat(x->fd, "", room, PATH_MAX);

	if (n < 0)
		return -errno;
	str_commit(ret, (size_t)n);
	return 0;
}

/* Of the size that was seen: somebody may append as fast as this reads. */
static int hash_file(int fd, off_t size, char ret[HASH_HEX])
{
	owned_str buffer = STR_INIT;
	char *room = str_reserve(&buffer, HASH_CHUNK);
	struct hash *h = hash_new();
	ssize_t n;

	while ((n = read(fd, room, HASH_CHUNK)) > 0 || (n < 0 && errno == EINTR))
		if (n > 0) {
			if (n > size)
				break;
			hash_add(h, room, (size_t)n);
			size -= n;
		}
	n = n < 0 ? -errno : n > 0 ? -ESTALE : 0;
	hash_end(h, ret);
	return (int)n;
}

int entry_hash(const struct entry *x, char ret[HASH_HEX])
{
	owned_str target = STR_INIT;
	owned_fd fd = -1;
	int r;

	if (S_ISLNK(x->st.st_mode)) {
		if ((r = entry_target(x, &target)) < 0)
			return r;
		hash_hex(ret, target.s, target.len);
		return 0;
	}
	fd = entry_open(x, O_RDONLY);
	return fd < 0 ? fd : hash_file(fd, x->st.st_size, ret);
}

int entry_names(const struct entry *x, struct arena *a, struct strv *ret)
{
	owned_fd fd = openat(x->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent *d;
	DIR *dir;
	int r;

	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir)
		return -errno;
	fd = -1;	/* closedir() closes it */
	while (errno = 0, d = readdir(dir))
		if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
			strv_add(a, ret, d->d_name);
	r = -errno;
	closedir(dir);
	return r;
}

int entry_xattrs(const struct entry *x, struct str *ret)
{
	ssize_t n = listxattr(proc_path(x).s, str_reserve(ret, XATTR_LIST_MAX), XATTR_LIST_MAX);

	if (n < 0 && errno != ENOTSUP)
		return -errno;
	str_commit(ret, n > 0 ? (size_t)n : 0);
	return 0;
}

int entry_xattr(const struct entry *x, const char *name, struct str *ret)
{
	ssize_t n = getxattr(proc_path(x).s, name, str_reserve(ret, XATTR_SIZE_MAX), XATTR_SIZE_MAX);

	if (n < 0)
		return errno == ENOTSUP ? -ENODATA : -errno;
	str_commit(ret, (size_t)n);
	return 0;
}

bool tree_down(struct str *path, const char *name)
{
	if (path->len + (path->len > 0) + strlen(name) > TREE_PATH)
		return false;
	str_printf(path, "%s%s", path->len ? "/" : "", name);
	return true;
}

void tree_up(struct str *path, size_t length)
{
	path->len = length;
	path->s[length] = '\0';
}
