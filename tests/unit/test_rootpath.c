/* SPDX-License-Identifier: Apache-2.0 */
/* rootpath: hostile paths and images stay beneath the root (THREATS A2-A4, A9). */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "sandbox/rootpath.h"

/*
 * A directory with `root` (the container's) and `outside` (the host's, with a
 * file) in it, and an image that uses every trick with links.
 */
static char top[64];
static int root_fd = -1;

static void set_up(void)
{
	static const struct { const char *target, *path; } links[] = {
		{ "/run", "root/var/run" },		/* legitimate, exists */
		{ "/missing/dir", "root/dangling" },	/* legitimate, to be created */
		{ "../../../../outside", "root/up" },
		{ "/../../outside", "root/absolute-up" },
		{ "loop-b", "root/loop-a" },
		{ "loop-a", "root/loop-b" },
		{ "../new-dir/file", "root/etc/dangling-file" },
		{ "/proc/self/root", "root/magic" },
		{ "/etc/passwd", "root/to-file" },
	};
	static const char *const dirs[] = { "root", "outside", "root/etc", "root/run", "root/var" };
	char link[128];

	snprintf(top, sizeof top, "/tmp/rootpath.XXXXXX");
	cr_assert(mkdtemp(top) != NULL);
	cr_assert(chdir(top) == 0);
	for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++)
		cr_assert(mkdir(dirs[i], 0755) == 0);
	close(open("root/etc/passwd", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	close(open("outside/secret", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	for (size_t i = 0; i < sizeof links / sizeof *links; i++)
		cr_assert(symlink(links[i].target, links[i].path) == 0);
	/* the absolute path of something on the host */
	snprintf(link, sizeof link, "%s/outside", top);
	cr_assert(symlink(link, "root/absolute-host") == 0);
	root_fd = open("root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	cr_assert(root_fd >= 0);
}

static void tear_down(void)
{
	char command[128];

	snprintf(command, sizeof command, "rm -rf %s", top);
	cr_assert(system(command) == 0);
}

TestSuite(rootpath, .init = set_up, .fini = tear_down);

/* Where fd is, relative to `top`. */
static const char *where(int fd)
{
	static char path[PATH_MAX];
	char link[64];
	ssize_t n;

	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof path - 1);
	cr_assert(n > 0);
	path[n] = '\0';
	return path + strlen(top) + 1;
}

Test(rootpath, open_stays_beneath)
{
	static const struct { const char *path, *is; int error; } rows[] = {
		{ "/", "root", 0 },
		{ "", "root", 0 },
		{ "/..", "root", 0 },
		{ "/../../../etc", "root/etc", 0 },
		{ "etc/passwd", "root/etc/passwd", 0 },
		{ "/var/run", "root/run", 0 },
		{ "/to-file", "root/etc/passwd", 0 },
		{ "/up", NULL, ENOENT },
		{ "/up/secret", NULL, ENOENT },
		{ "/absolute-up/secret", NULL, ENOENT },
		{ "/absolute-host/secret", NULL, ENOENT },
		{ "/loop-a", NULL, ELOOP },
		{ "/etc/passwd/x", NULL, ENOTDIR },
		{ "/none", NULL, ENOENT },
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		owned_fd fd = -1;
		struct err e = { 0 };
		int r = rootpath_open(root_fd, rows[i].path, O_PATH, &fd, &e);

		cr_expect(eq(int, r, -rows[i].error), "%s: %s", rows[i].path, e.text);
		cr_expect(eq(int, e.code, rows[i].error), "%s", rows[i].path);
		if (rows[i].is && r == 0)
			cr_expect(eq(str, (char *)where(fd), (char *)rows[i].is), "%s",
				  rows[i].path);
		cr_expect(eq(int, r < 0, fd < 0), "%s", rows[i].path);
	}
}

Test(rootpath, open_refuses_magic_links)
{
	owned_fd host = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), fd = -1;
	struct err e = { 0 };

	cr_expect(eq(int, rootpath_open(host, "/proc/self/root", O_PATH, &fd, &e), -ELOOP));
	cr_expect(eq(int, rootpath_open(host, "/proc/self/cwd/root", O_PATH, &fd, &e), -ELOOP));
}

Test(rootpath, open_plain_refuses_every_link)
{
	static const struct { const char *path; int error; } rows[] = {
		{ "/etc", 0 },
		{ "/etc/passwd", 0 },
		{ "/var/run", ELOOP },
		{ "/var/run/x", ELOOP },
		{ "/to-file", ELOOP },
		{ "/none", ENOENT },
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		owned_fd fd = -1;
		struct err e = { 0 };
		int r = rootpath_open_plain(root_fd, rows[i].path, O_PATH, &fd, &e);

		cr_expect(eq(int, r, -rows[i].error), "%s: %s", rows[i].path, e.text);
	}
}

Test(rootpath, ensure)
{
	static const struct {
		const char *path;
		enum rootpath_kind kind;
		const char *is;		/* where it is afterwards */
		int error;
	} rows[] = {
		{ "/", ROOTPATH_DIRECTORY, "root", 0 },
		{ "/etc", ROOTPATH_DIRECTORY, "root/etc", 0 },
		{ "/a/b/c", ROOTPATH_DIRECTORY, "root/a/b/c", 0 },
		{ "/a/b/c/", ROOTPATH_DIRECTORY, "root/a/b/c", 0 },
		{ "//x//y/", ROOTPATH_DIRECTORY, "root/x/y", 0 },
		{ "/f/g/h", ROOTPATH_FILE, "root/f/g/h", 0 },
		{ "/q/../r", ROOTPATH_DIRECTORY, "root/r", 0 },
		{ "/../../../s", ROOTPATH_DIRECTORY, "root/s", 0 },
		{ "/var/run", ROOTPATH_DIRECTORY, "root/run", 0 },
		{ "/var/run/new/sock", ROOTPATH_FILE, "root/run/new/sock", 0 },
		{ "/dangling", ROOTPATH_DIRECTORY, "root/missing/dir", 0 },
		{ "/dangling/more", ROOTPATH_DIRECTORY, "root/missing/dir/more", 0 },
		{ "/etc/dangling-file", ROOTPATH_FILE, "root/new-dir/file", 0 },
		/* "../../../../outside" from / is /outside in the root, not the host's */
		{ "/up/pwned", ROOTPATH_FILE, "root/outside/pwned", 0 },
		{ "/absolute-up/pwned2", ROOTPATH_DIRECTORY, "root/outside/pwned2", 0 },
		{ "/loop-a", ROOTPATH_DIRECTORY, NULL, ELOOP },
		{ "/loop-a/x", ROOTPATH_FILE, NULL, ELOOP },
		{ "/etc/passwd", ROOTPATH_DIRECTORY, NULL, ENOTDIR },
		{ "/etc/passwd/x", ROOTPATH_DIRECTORY, NULL, ENOTDIR },
		{ "/etc", ROOTPATH_FILE, NULL, EISDIR },
		{ "/to-file", ROOTPATH_DIRECTORY, NULL, ENOTDIR },
		{ "/to-file", ROOTPATH_FILE, "root/etc/passwd", 0 },
	};
	mode_t mask = umask(077);

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		owned_fd fd = -1;
		struct err e = { 0 };
		struct stat st;
		int r = rootpath_ensure(root_fd, rows[i].path, rows[i].kind, &fd, &e);

		cr_expect(eq(int, r, -rows[i].error), "%s: %s", rows[i].path, e.text);
		if (r < 0 || !rows[i].is)
			continue;
		cr_expect(eq(str, (char *)where(fd), (char *)rows[i].is), "%s", rows[i].path);
		cr_assert(fstat(fd, &st) == 0);
		cr_expect(eq(int, !S_ISDIR(st.st_mode), rows[i].kind == ROOTPATH_FILE));
	}
	umask(mask);
	cr_expect(access("outside/pwned", F_OK) < 0);
	cr_expect(access("outside/pwned2", F_OK) < 0);
}

/* Whatever the caller's umask: the container's user has to get through. */
Test(rootpath, ensure_modes)
{
	mode_t mask = umask(077);
	owned_fd fd = -1;
	struct err e = { 0 };
	struct stat st;

	cr_assert(rootpath_ensure(root_fd, "/m/n/file", ROOTPATH_FILE, &fd, &e) == 0);
	cr_assert(stat("root/m/n", &st) == 0);
	cr_expect(eq(int, st.st_mode & 07777, 0755));
	cr_assert(stat("root/m/n/file", &st) == 0);
	cr_expect(eq(int, st.st_mode & 07777, 0644));
	cr_expect(eq(int, umask(mask), 077));
}

Test(rootpath, parent)
{
	static const struct { const char *path, *dir, *name; int error; } rows[] = {
		{ "/dev/null", "root/dev", "null", 0 },
		{ "/dev/net/tun", "root/dev/net", "tun", 0 },
		{ "file", "root", "file", 0 },
		{ "/var/run/x", "root/run", "x", 0 },
		{ "/up/x", "root/outside", "x", 0 },
		{ "/", NULL, NULL, EINVAL },
		{ "", NULL, NULL, EINVAL },
		{ "/dev/", NULL, NULL, EINVAL },
		{ "/dev/..", NULL, NULL, EINVAL },
		{ "/dev/.", NULL, NULL, EINVAL },
		{ "/etc/passwd/x", NULL, NULL, ENOTDIR },
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const char *name = NULL;
		owned_fd fd = -1;
		struct err e = { 0 };
		int r = rootpath_parent(root_fd, rows[i].path, &fd, &name, &e);

		cr_expect(eq(int, r, -rows[i].error), "%s: %s", rows[i].path, e.text);
		if (r < 0 || !rows[i].dir)
			continue;
		cr_expect(eq(str, (char *)where(fd), (char *)rows[i].dir), "%s", rows[i].path);
		cr_expect(eq(str, (char *)name, (char *)rows[i].name), "%s", rows[i].path);
	}
}
