/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "sandbox/rootfs_parts.h"

static int copy_directory(int from_fd, int to_fd, unsigned depth, struct err *e);

/* Owner, mode, times; in this order, since a change of owner clears set-id bits. */
static int copy_attributes(int fd, const struct stat *st, const char *name, struct err *e)
{
	struct timespec times[2] = { st->st_atim, st->st_mtim };

	if (fchown(fd, st->st_uid, st->st_gid) < 0 || fchmod(fd, st->st_mode & 07777) < 0 ||
	    futimens(fd, times) < 0)
		return err_set(e, errno, "copy the attributes of %s", name);
	return 0;
}

static int copy_file(int from_dir, int to_dir, const char *name, const struct stat *st,
		     struct err *e)
{
	owned_fd from = openat(from_dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	owned_fd to = -1;
	char buffer[65536];
	ssize_t n;
	int r;

	if (from < 0)
		return err_set(e, errno, "open %s", name);
	to = openat(to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (to < 0)
		return err_set(e, errno, "create %s", name);
	while ((n = read(from, buffer, sizeof buffer)) > 0)
		if ((r = fd_write_all(to, buffer, (size_t)n, name, e)) < 0)
			return r;
	if (n < 0)
		return err_set(e, errno, "read %s", name);
	return copy_attributes(to, st, name, e);
}

static int copy_link(int from_dir, int to_dir, const char *name, const struct stat *st,
		     struct err *e)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(from_dir, name, target, sizeof target - 1);

	if (n < 0)
		return err_set(e, errno, "read link %s", name);
	target[n] = '\0';
	if (symlinkat(target, to_dir, name) < 0 ||
	    fchownat(to_dir, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return err_set(e, errno, "create link %s", name);
	return 0;
}

static int copy_subdirectory(int from_dir, int to_dir, const char *name, const struct stat *st,
			     unsigned depth, struct err *e)
{
	owned_fd from = -1, to = -1;
	int r;

	if (mkdirat(to_dir, name, 0700) < 0)
		return err_set(e, errno, "create directory %s", name);
	from = openat(from_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	to = openat(to_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (from < 0 || to < 0)
		return err_set(e, errno, "open directory %s", name);
	if ((r = copy_directory(from, to, depth + 1, e)) < 0)
		return r;
	return copy_attributes(to, st, name, e);
}

static int copy_entry(int from_fd, int to_fd, const char *name, unsigned depth, struct err *e)
{
	struct stat st;

	if (fstatat(from_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_set(e, errno, "stat %s", name);
	if (S_ISREG(st.st_mode))
		return copy_file(from_fd, to_fd, name, &st, e);
	if (S_ISDIR(st.st_mode))
		return copy_subdirectory(from_fd, to_fd, name, &st, depth, e);
	if (S_ISLNK(st.st_mode))
		return copy_link(from_fd, to_fd, name, &st, e);
	return 0;	/* a socket, device or pipe means nothing without its creator */
}

static int copy_directory(int from_fd, int to_fd, unsigned depth, struct err *e)
{
	enum { MOST_DEPTH = 256 };	/* each level holds three descriptors */
	owned_fd again = openat(from_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent *d;
	DIR *dir;
	int r = 0;

	if (depth > MOST_DEPTH)
		return err_set(e, ELOOP, "copy a directory %d levels deep", MOST_DEPTH);
	if (again < 0 || !(dir = fdopendir(again)))
		return err_set(e, errno, "open directory");
	fd_take(&again);
	while (r == 0 && (errno = 0, d = readdir(dir))) {
		if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
			continue;
		r = copy_entry(from_fd, to_fd, d->d_name, depth, e);
		if (r < 0)
			err_in(e, "%s", d->d_name);
	}
	if (r == 0 && errno)
		r = err_set(e, errno, "read directory");
	closedir(dir);
	return r;
}

int copyup(int from_fd, int to_fd, struct err *e)
{
	owned_fd to = openat(to_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (to < 0)
		return err_set(e, errno, "open the new file system");
	/* Its own owner and mode are options of the mount. */
	return copy_directory(from_fd, to, 0, e);
}
