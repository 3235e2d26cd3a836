/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plays the kernel's resctrl file system in the directory $RESCTRL, for a program that this is
 * preloaded into: the table of mounts names it, a directory that is made comes with its files, one
 * that is removed goes with them, and tasks that ended are none.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *const files[] = { "tasks", "schemata" };

static int is_ours(const char *path)
{
	const char *top = getenv("RESCTRL");

	return top && strncmp(path, top, strlen(top)) == 0;
}

static int mounts(int real)
{
	int fd = (int)syscall(SYS_memfd_create, "mountinfo", MFD_CLOEXEC);
	char buf[4096];
	ssize_t n;

	while ((n = read(real, buf, sizeof buf)) > 0)
		if (write(fd, buf, (size_t)n) != n)
			abort();
	close(real);
	dprintf(fd, "4095 1 0:99 / %s rw,relatime - resctrl resctrl rw\n", getenv("RESCTRL"));
	lseek(fd, 0, SEEK_SET);
	return fd;
}

static void drop_ended(int fd, const char *path)
{
	char pid[16] = "";

	if (pread(fd, pid, sizeof pid - 1, 0) > 0 && kill(atoi(pid), 0) < 0)
		truncate(path, 0);
}

int openat(int dirfd, const char *path, int flags, ...)
{
	unsigned mode = 0;
	va_list ap;
	int fd;

	va_start(ap, flags);
	if (flags & (O_CREAT | __O_TMPFILE))
		mode = va_arg(ap, unsigned);
	va_end(ap);
	fd = (int)syscall(SYS_openat, dirfd, path, flags, mode);
	if (fd >= 0 && is_ours(path) && strstr(path, "/tasks") && !(flags & O_ACCMODE))
		drop_ended(fd, path);
	return fd >= 0 && getenv("RESCTRL") && strcmp(path, "/proc/self/mountinfo") == 0 ? mounts(fd)
											  : fd;
}

int mkdir(const char *path, mode_t mode)
{
	char more[4096];

	if (syscall(SYS_mkdirat, AT_FDCWD, path, mode) < 0)
		return -1;
	for (size_t i = 0; is_ours(path) && i < sizeof files / sizeof *files; i++) {
		snprintf(more, sizeof more, "%s/%s", path, files[i]);
		close((int)syscall(SYS_openat, AT_FDCWD, more, O_CREAT | O_WRONLY, 0644));
	}
	if (is_ours(path)) {
		snprintf(more, sizeof more, "%s/mon_groups", path);
		syscall(SYS_mkdirat, AT_FDCWD, more, 0755);
	}
	return 0;
}

int rmdir(const char *path)
{
	char more[4096];

	for (size_t i = 0; is_ours(path) && i < sizeof files / sizeof *files; i++) {
		snprintf(more, sizeof more, "%s/%s", path, files[i]);
		syscall(SYS_unlinkat, AT_FDCWD, more, 0);
	}
	if (is_ours(path)) {
		snprintf(more, sizeof more, "%s/mon_groups", path);
		syscall(SYS_unlinkat, AT_FDCWD, more, AT_REMOVEDIR);
	}
	return (int)syscall(SYS_unlinkat, AT_FDCWD, path, AT_REMOVEDIR);
}
