/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

void fd_cleanup(int *fd)
{
	if (*fd >= 0) {
		int saved = errno;

		close(*fd);
		errno = saved;
	}
}

int fd_take(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

void fd_close(int *fd)
{
	fd_cleanup(fd);
	*fd = -1;
}

int fd_read_all(int fd, size_t most, const char *what, struct str *out, struct err *e)
{
	size_t got = 0;

	for (;;) {
		/* The last read, of nothing, does with what room is left. */
		char *room = str_reserve(out, out->room - out->len > 4096 ? 4096 : 16384 - 64);
		ssize_t n = read(fd, room, out->room - out->len - 1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(e, errno, "read %s", what);
		if (n == 0)
			return 0;
		got += (size_t)n;
		if (got > most)
			return err_say(e, EFBIG, "%s: larger than %zu bytes", what, most);
		str_commit(out, (size_t)n);
	}
}

int fd_write_all(int fd, const void *data, size_t size, const char *what, struct err *e)
{
	const char *p = data;

	while (size > 0) {
		ssize_t n = write(fd, p, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(e, errno, "write %s", what);
		p += n;
		size -= (size_t)n;
	}
	return 0;
}

int file_read(int dirfd, const char *path, size_t most, struct str *out, struct err *e)
{
	owned_fd fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return err_set(e, errno, "open %s", path);
	return fd_read_all(fd, most, path, out, e);
}

int file_put(int dirfd, const char *path, const char *text, struct err *e)
{
	owned_fd fd = openat(dirfd, path, O_WRONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return err_set(e, errno, "open %s", path);
	if (write(fd, text, strlen(text)) < 0)
		return err_set(e, errno, "write \"%s\" to %s", text, path);
	return 0;
}

int file_beside(int dirfd, const char *path, const void *data, size_t size, mode_t mode,
		struct str *ret, struct err *e)
{
	owned_str tmp = STR_INIT;
	owned_fd fd = -1;
	int r;

	/* The pid tells apart writers of the same name: two may race, the last rename wins. */
	str_printf(&tmp, "%s.%d.tmp", path, getpid());
	fd = openat(dirfd, tmp.s, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0)
		return err_set(e, errno, "create %s", tmp.s);
	r = fd_write_all(fd, data, size, tmp.s, e);
	if (r < 0) {
		unlinkat(dirfd, tmp.s, 0);
		return r;
	}
	*ret = tmp;
	tmp = STR_INIT;
	return 0;
}

int file_replace(int dirfd, const char *path, const void *data, size_t size, mode_t mode,
		 struct err *e)
{
	owned_str tmp = STR_INIT;
	int r = file_beside(dirfd, path, data, size, mode, &tmp, e);

	if (r < 0)
		return r;
	if (renameat(dirfd, tmp.s, dirfd, path) == 0)
		return 0;
	r = err_set(e, errno, "rename %s to %s", tmp.s, path);
	unlinkat(dirfd, tmp.s, 0);
	return r;
}

int fd_connect(const char *path, const char *what, int *ret_fd, struct err *e)
{
	owned_fd fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	owned_fd at = open(path, O_PATH | O_CLOEXEC);
	struct sockaddr_un sun = { .sun_family = AF_UNIX };

	if (fd < 0)
		return err_set(e, errno, "socket");
	if (at < 0)
		return err_set(e, errno, "%s %s", what, path);
	/* Engines use paths that are longer than sun_path. */
	snprintf(sun.sun_path, sizeof sun.sun_path, "/proc/self/fd/%d", at);
	if (connect(fd, (struct sockaddr *)&sun, sizeof sun) < 0)
		return err_set(e, errno, "connect to the %s %s", what, path);
	*ret_fd = fd_take(&fd);
	return 0;
}

/* One descriptor travels in one message. */
union control {
	char bytes[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

int fd_send(int socket_fd, const void *data, size_t size, int fd, struct err *e)
{
	union control control = { { 0 } };
	struct iovec rest = { (void *)(uintptr_t)data, size };
	struct msghdr m = { .msg_iov = &rest, .msg_iovlen = 1, .msg_control = control.bytes,
			    .msg_controllen = sizeof control.bytes };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof fd);
	while (rest.iov_len > 0) {
		ssize_t n = sendmsg(socket_fd, &m, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(e, errno, "send a descriptor");
		rest.iov_base = (char *)rest.iov_base + n;
		rest.iov_len -= (size_t)n;
		m.msg_control = NULL;
		m.msg_controllen = 0;
	}
	return 0;
}

int fd_receive(int socket_fd, int *ret_fd, struct err *e)
{
	char dropped[64];
	union control control;
	struct iovec data = { dropped, sizeof dropped };
	struct msghdr m = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = control.bytes,
			    .msg_controllen = sizeof control.bytes };
	struct cmsghdr *c;

	if (recvmsg(socket_fd, &m, MSG_CMSG_CLOEXEC) < 0)
		return err_set(e, errno, "receive a descriptor");
	c = CMSG_FIRSTHDR(&m);
	if (!c || c->cmsg_type != SCM_RIGHTS || c->cmsg_len != CMSG_LEN(sizeof(int)))
		return err_say(e, EPROTO, "no descriptor came");
	memcpy(ret_fd, CMSG_DATA(c), sizeof *ret_fd);
	return 0;
}
