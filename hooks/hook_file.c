/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agentrun-hook-file FILE: appends the record (or the container's state) on standard
 * input to FILE, one line, and returns when it is on the disk.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "event.h"
#include "program.h"

enum { ATTEMPTS = 5 };

/* Locked, and still what the name stands for: it may be rotated while we wait. */
static int open_locked(const char *path, int *ret_fd, struct stat *st, struct err *e)
{
	for (int i = 0; i < ATTEMPTS; i++) {
		/* O_NONBLOCK: a FIFO in its place must not hang us */
		owned_fd fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK |
				   O_NOCTTY | O_CLOEXEC, 0600);
		struct stat named;

		if (fd < 0)
			return err_set(e, errno, "open %s", path);
		while (flock(fd, LOCK_EX) < 0)
			if (errno != EINTR)
				return err_set(e, errno, "lock %s", path);
		if (fstat(fd, st) < 0)
			return err_set(e, errno, "stat %s", path);
		if (!S_ISREG(st->st_mode))
			return err_say(e, EINVAL, "%s: not a regular file", path);
		if (lstat(path, &named) == 0 && named.st_ino == st->st_ino &&
		    named.st_dev == st->st_dev) {
			*ret_fd = fd_take(&fd);
			return 0;
		}
	}
	return err_say(e, EAGAIN, "%s is replaced again and again", path);
}

static int append(const char *path, const struct str *line, struct err *e)
{
	owned_fd fd = -1;
	owned_str bytes = STR_INIT;
	struct stat st;
	char last = '\n';
	ssize_t n;
	int r;

	if ((r = open_locked(path, &fd, &st, e)) < 0)
		return r;
	/* a line that a crash tore is not to swallow ours */
	if (st.st_size > 0 && pread(fd, &last, 1, st.st_size - 1) == 1 && last != '\n')
		str_puts(&bytes, "\n");
	str_append(&bytes, line->s, line->len);
	str_puts(&bytes, "\n");
	do
		n = write(fd, bytes.s, bytes.len);
	while (n < 0 && errno == EINTR);
	if (n != (ssize_t)bytes.len) {
		r = err_set(e, n < 0 ? errno : ENOSPC, "append to %s", path);
		if (n > 0 && ftruncate(fd, st.st_size) < 0)
			return err_in(e, "and could not cut off what was written");
		return r;
	}
	if (fdatasync(fd) < 0)
		return err_set(e, errno, "flush %s", path);
	return 0;
}

static const char usage[] =
	"usage: agentrun-hook-file FILE\n"
	"Appends the audit record (or the OCI state) on standard input to FILE, an absolute path.";

static int run(int argc, char **argv, struct err *e)
{
	owned_arena a = ARENA_INIT;
	struct event ev;
	int r;

	if (argc != 2 || argv[1][0] != '/')
		return err_say(e, EINVAL, "%s", usage);
	if ((r = event_read(&a, STDIN_FILENO, &ev, e)) < 0)
		return r;
	r = append(argv[1], &ev.line, e);
	event_free(&ev);
	return r;
}

int main(int argc, char **argv)
{
	return program_main("agentrun-hook-file", usage, run, argc, argv);
}
