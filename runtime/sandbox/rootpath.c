/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/rootpath.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "base/sys.h"

enum {
	MOST_RACES = 128,	/* openat2 answers EAGAIN while somebody renames around ".." */
	MOST_LINKS = 40,	/* the kernel's own limit */
};

static int open_in_root(int root_fd, const char *path, int flags, uint64_t resolve)
{
	const char *beneath = path + strspn(path, "/");
	int fd;

	if (!*beneath)
		beneath = ".";
	for (int i = 0; i < MOST_RACES; i++) {
		fd = sys_openat2(root_fd, beneath, (uint64_t)(unsigned)flags | O_CLOEXEC |
				 ((flags & O_PATH) ? 0 : O_NOCTTY), 0,
				 resolve | RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
		if (fd >= 0 || errno != EAGAIN)
			return fd;
	}
	return -1;
}

int rootpath_open(int root_fd, const char *path, int flags, int *ret_fd, struct err *e)
{
	int fd = open_in_root(root_fd, path, flags, 0);

	if (fd < 0)
		return err_set(e, errno, "open %s in the container's root", path);
	*ret_fd = fd;
	return 0;
}

int rootpath_open_plain(int root_fd, const char *path, int flags, int *ret_fd, struct err *e)
{
	int fd = open_in_root(root_fd, path, flags, RESOLVE_NO_SYMLINKS);

	if (fd < 0 && errno == ELOOP)
		return err_say(e, ELOOP, "%s is, or leads through, a symbolic link", path);
	if (fd < 0)
		return err_set(e, errno, "open %s in the container's root", path);
	*ret_fd = fd;
	return 0;
}

/* The length of path up to the end of the component that starts at or after `from`. */
static size_t component_end(const char *path, size_t from)
{
	from += strspn(path + from, "/");
	return from + strcspn(path + from, "/");
}

static bool is_last(const char *path, size_t end)
{
	return path[end + strspn(path + end, "/")] == '\0';
}

/* One component below parent; EEXIST means that another container which shares the volume was
 * faster: the caller looks again. */
static int create(int parent, const char *name, enum rootpath_kind kind)
{
	mode_t mask = umask(0);
	owned_fd file = -1;
	int r = 0;

	if (kind == ROOTPATH_DIRECTORY)
		r = mkdirat(parent, name, 0755) < 0 ? errno : 0;
	else if ((file = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
				0644)) < 0)
		r = errno;
	umask(mask);
	return r == EEXIST ? 0 : r;
}

/*
 * Creates the first component of path that is missing.  If that is a link
 * which points nowhere, path is rewritten to what it points to and 1 returned;
 * resolving the new text is up to openat2 again, so a link cannot lead out.
 */
static int create_first_missing(int root_fd, struct str *path, enum rootpath_kind kind,
				struct err *e)
{
	owned_str name = STR_INIT, pointed = STR_INIT;
	owned_fd opened = -1;
	size_t begin = 0, end;
	char link[PATH_MAX];
	int parent = root_fd, r;
	ssize_t n;

	/* The last one is missing if all above it are there. */
	while ((end = component_end(path->s, begin)) > begin && !is_last(path->s, end)) {
		char kept = path->s[end];
		int here;

		path->s[end] = '\0';
		here = open_in_root(root_fd, path->s, O_PATH, 0);
		r = errno;
		path->s[end] = kept;
		if (here < 0 && r == ENOENT)
			break;
		if (here < 0)
			return err_set(e, r, "open %s in the container's root", path->s);
		fd_close(&opened);
		parent = opened = here;
		begin = end;
	}
	begin += strspn(path->s + begin, "/");
	if (begin >= end)
		return 0;	/* created by somebody else meanwhile */

	str_append(&name, path->s + begin, end - begin);
	n = readlinkat(parent, name.s, link, sizeof link - 1);
	if (n >= 0) {
		link[n] = '\0';
		if (link[0] != '/')
			str_append(&pointed, path->s, begin);
		str_puts(&pointed, link);
		str_puts(&pointed, path->s + end);
		str_free(path);
		*path = pointed;
		pointed = STR_INIT;
		return 1;
	}
	r = create(parent, name.s, is_last(path->s, end) ? kind : ROOTPATH_DIRECTORY);
	return r ? err_set(e, r, "create %s in the container's root", path->s) : 0;
}

int rootpath_ensure(int root_fd, const char *path, enum rootpath_kind kind, int *ret_fd,
		    struct err *e)
{
	owned_str text = STR_INIT;
	int links = 0;

	str_puts(&text, path);
	for (int i = 0; i < PATH_MAX; i++) {
		owned_fd fd = open_in_root(root_fd, text.s, O_PATH, 0);
		struct stat st;
		int r;

		if (fd < 0 && errno != ENOENT)
			return err_set(e, errno, "open %s in the container's root", path);
		if (fd < 0) {
			r = create_first_missing(root_fd, &text, kind, e);
			if (r < 0)
				return r;
			links += r;
			if (links > MOST_LINKS)
				return err_set(e, ELOOP, "open %s in the container's root", path);
			continue;
		}
		if (fstat(fd, &st) < 0)
			return err_set(e, errno, "stat %s", path);
		if (kind == ROOTPATH_DIRECTORY && !S_ISDIR(st.st_mode))
			return err_say(e, ENOTDIR, "%s exists and is not a directory", path);
		if (kind == ROOTPATH_FILE && S_ISDIR(st.st_mode))
			return err_say(e, EISDIR, "%s exists and is a directory", path);
		*ret_fd = fd_take(&fd);
		return 0;
	}
	return err_set(e, EAGAIN, "create %s in the container's root", path);
}

int rootpath_parent(int root_fd, const char *path, int *ret_dirfd, const char **ret_name,
		    struct err *e)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	owned_str parent = STR_INIT;
	int r;

	if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return err_say(e, EINVAL, "%s does not end with a name", path);
	str_append(&parent, path, (size_t)(name - path));
	str_puts(&parent, "/");
	r = rootpath_ensure(root_fd, parent.s, ROOTPATH_DIRECTORY, ret_dirfd, e);
	if (r == 0)
		*ret_name = name;
	return r;
}
