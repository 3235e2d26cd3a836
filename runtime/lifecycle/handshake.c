/* SPDX-License-Identifier: Apache-2.0 */
#include "lifecycle/handshake.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"

static const char *const names[] = {
	[MESSAGE_FAILED] = "failed",	 [MESSAGE_CGROUP] = "cgroup",
	[MESSAGE_NAMESPACES] = "namespaces",
	[MESSAGE_MAPPED] = "mapped",	 [MESSAGE_NETWORK] = "network",
	[MESSAGE_HOOKED] = "hooked",	 [MESSAGE_ROOT] = "root",
	[MESSAGE_PID] = "pid",
	[MESSAGE_READY] = "ready",	 [MESSAGE_LISTENER] = "listener",
	[MESSAGE_GO] = "go",
};
_Static_assert(sizeof names / sizeof *names == MESSAGE_GO + 1, "a name for each message");

/* Directories of containers are deeper than sun_path is long: by descriptor. */
static struct sockaddr_un address_in(int dirfd, const char *name)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };

	snprintf(sun.sun_path, sizeof sun.sun_path, "/proc/self/fd/%d/%s", dirfd, name);
	return sun;
}

int handshake_listen(int dirfd, const char *name, int *ret_fd, struct err *e)
{
	owned_fd fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sockaddr_un sun = address_in(dirfd, name);

	if (fd < 0)
		return err_set(e, errno, "socket");
	if (bind(fd, (struct sockaddr *)&sun, sizeof sun) < 0 || listen(fd, 1) < 0)
		return err_set(e, errno, "make the socket %s of the container", name);
	*ret_fd = fd_take(&fd);
	return 0;
}

int handshake_connect(int dirfd, const char *name, int *ret_fd, struct err *e)
{
	owned_fd fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sockaddr_un sun = address_in(dirfd, name);

	if (fd < 0)
		return err_set(e, errno, "socket");
	if (connect(fd, (struct sockaddr *)&sun, sizeof sun) < 0)
		return err_set(e, errno, "its first process does not answer");
	*ret_fd = fd_take(&fd);
	return 0;
}

int handshake_pair(int ret_fds[2], struct err *e)
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ret_fds) < 0)
		return err_set(e, errno, "socketpair");
	return 0;
}

int handshake_ended(enum message_kind before, struct err *e)
{
	return err_say(e, EPIPE,
		       "the container's process ended before \"%s\" (killed, or out of memory?)",
		       names[before]);
}

int handshake_say(int fd, enum message_kind kind, pid_t pid, struct err *e)
{
	struct message m = { .kind = kind, .pid = pid };
	ssize_t n = send(fd, &m, offsetof(struct message, err), MSG_NOSIGNAL);

	if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
		return handshake_ended(kind, e);
	if (n < 0)
		return err_set(e, errno, "say \"%s\" to the other side", names[kind]);
	return 0;
}

void handshake_fail(int fd, const struct err *why)
{
	struct message m = { .kind = MESSAGE_FAILED, .err = *why };
	ssize_t n = send(fd, &m, sizeof m, MSG_NOSIGNAL);

	(void)n;	/* nobody is left to be told */
}

/* 1: a message, 0: the end. */
static int receive(int fd, int flags, struct message *m, struct err *e)
{
	ssize_t n;

	/* ECONNRESET, once: the peer ended with our message unread.  What it had said comes after that. */
	do
		n = recv(fd, m, sizeof *m, flags);
	while (n < 0 && (errno == EINTR || errno == ECONNRESET));
	if (n == 0)
		return 0;
	if (n < 0)
		return err_set(e, errno, "receive from the container's first process");
	if (n == sizeof *m && m->kind == MESSAGE_FAILED) {
		m->err.text[sizeof m->err.text - 1] = 0;
		*e = m->err;
		return -(e->code > 0 ? e->code : (e->code = EINVAL));
	}
	if (n < (ssize_t)offsetof(struct message, err) || m->kind > MESSAGE_GO)
		return err_say(e, EPROTO, "a garbled message from the container's first process");
	return 1;
}

int handshake_expect(int fd, enum message_kind kind, struct message *m, struct err *e)
{
	struct message local;
	int r;

	if (!m)
		m = &local;
	r = receive(fd, 0, m, e);
	if (r < 0)
		return r;
	if (r == 0)
		return handshake_ended(kind, e);
	if (m->kind != kind)
		return err_say(e, EPROTO, "\"%s\" instead of \"%s\" from the container's first process",
			       names[m->kind], names[kind]);
	return 0;
}

void handshake_reason(int fd, struct err *e)
{
	struct message m = { .kind = MESSAGE_GO };
	struct err why;
	int r;

	/* A refused receive has no bearing: there is nothing (more) to be heard. */
	do
		r = receive(fd, MSG_DONTWAIT, &m, &why);
	while (r > 0);
	if (r < 0 && m.kind == MESSAGE_FAILED)
		*e = why;
}

int handshake_expect_end(int fd, struct err *e)
{
	struct message m;
	int r = receive(fd, 0, &m, e);

	if (r > 0)
		return err_say(e, EPROTO, "\"%s\" instead of the end", names[m.kind]);
	return r;
}
