/* SPDX-License-Identifier: Apache-2.0 */
#include "lifecycle/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"

#define SOCKET STATE_NOTIFY "/notify.sock"

bool notify_wanted(void)
{
	const char *path = getenv("NOTIFY_SOCKET");

	return path && (*path == '/' || *path == '@') && path[1] &&
	       strlen(path) < sizeof ((struct sockaddr_un *)0)->sun_path;
}

int notify_mount(struct arena *a, struct spec *s, const struct state_dir *d, struct err *e)
{
	if (mkdirat(d->fd, STATE_NOTIFY, 0755) < 0)
		return err_set(e, errno, "create %s/" STATE_NOTIFY, d->path);
	spec_bind_own(a, s, NULL, "/run/notify", arena_printf(a, "%s/" STATE_NOTIFY, d->path));
	return 0;
}

int notify_listen(const struct state_dir *d, int *ret_fd, struct err *e)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	owned_fd fd = -1;

	*ret_fd = -1;
	if (!notify_wanted() || faccessat(d->fd, STATE_NOTIFY, F_OK, 0) < 0)
		return 0;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	snprintf(sun.sun_path, sizeof sun.sun_path, "/proc/self/fd/%d/" SOCKET, d->fd);
	/* For any user of the container. */
	if (fd < 0 || bind(fd, (struct sockaddr *)&sun, sizeof sun) < 0 ||
	    fchmodat(d->fd, SOCKET, 0777, 0) < 0)
		return err_set(e, errno, "make the socket %s/" SOCKET, d->path);
	*ret_fd = fd_take(&fd);
	return 0;
}

static int connect_systemd(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	size_t n = strlen(path);
	owned_fd fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	memcpy(sun.sun_path, path, n);
	if (*path == '@')
		sun.sun_path[0] = '\0';
	if (connect(fd, (struct sockaddr *)&sun,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)) < 0)
		log_warn("NOTIFY_SOCKET %s: %s", path, err_text(errno));
	return fd_take(&fd);
}

static void tell_ready(pid_t pid)
{
	owned_fd fd = connect_systemd();
	char text[32];
	int n = snprintf(text, sizeof text, "MAINPID=%d", pid);

	if (send(fd, "READY=1", 7, MSG_NOSIGNAL) < 0 || send(fd, text, (size_t)n, MSG_NOSIGNAL) < 0)
		log_debug("NOTIFY_SOCKET: %s", err_text(errno));
}

/* Whose process has ended when it reads a message systemd cannot tell: it is asked to close a pipe. */
static void await_systemd(void)
{
	enum { LONG_ENOUGH = 5000 };	/* milliseconds; sd_notify_barrier(3)'s callers choose that, too */
	owned_fd fd = connect_systemd(), read_end = -1, write_end = -1;
	struct pollfd p = { .events = 0 };
	struct err e;
	int pair[2];

	if (pipe2(pair, O_CLOEXEC) < 0)
		return;
	p.fd = read_end = pair[0];
	write_end = pair[1];
	if (fd_send(fd, "BARRIER=1", 9, write_end, &e) < 0)
		return;
	fd_close(&write_end);
	poll(&p, 1, LONG_ENOUGH);
}

bool notify_relay(int fd, pid_t pid)
{
	char got[4096], *rest = got, *line;
	ssize_t n = recv(fd, got, sizeof got - 1, 0);

	if (n <= 0)
		return false;
	got[n] = '\0';
	while ((line = strsep(&rest, "\n")))
		if (strcmp(line, "READY=1") == 0) {
			tell_ready(pid);
			return true;
		}
	return false;
}

void notify_wait(int fd, pid_t pid, int pidfd)
{
	struct pollfd p[] = { { .fd = fd, .events = POLLIN }, { .fd = pidfd, .events = POLLIN } };

	while (poll(p, 2, -1) >= 0 || errno == EINTR) {
		if (p[0].revents && notify_relay(fd, pid))
			return await_systemd();
		if (!p[0].revents && p[1].revents)
			return;
	}
}
