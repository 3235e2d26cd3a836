/* SPDX-License-Identifier: Apache-2.0 */
#include "logsocket.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "program.h"

int logsocket_connect(struct logsocket *s, bool may_stream, struct err *e)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };

	if (strlen(s->path) >= sizeof to.sun_path)
		return err_say(e, ENAMETOOLONG, "%s: path too long for a socket", s->path);
	strcpy(to.sun_path, s->path);
	for (int stream = 0;; stream++) {
		owned_fd fd = socket(AF_UNIX, (stream ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC |
				     SOCK_NONBLOCK, 0);

		if (fd < 0)
			return err_set(e, errno, "socket");
		if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0) {
			s->fd = fd_take(&fd);
			s->stream = stream;
			return 0;
		}
		if (errno != EPROTOTYPE || stream || !may_stream)
			return err_set(e, errno, "connect to %s", s->path);
	}
}

/* Until the socket takes more, or the time is up.  A full datagram queue of the peer does not wake
 * poll() on every kernel: it is looked at again every few milliseconds. */
static int await_room(const struct logsocket *s, int64_t deadline, struct err *e)
{
	struct pollfd p = { .fd = s->fd, .events = POLLOUT };
	int64_t left = deadline - program_clock();

	if (left <= 0)
		return err_say(e, ETIMEDOUT, "%s: nothing was taken for %u ms", s->path, s->timeout);
	poll(&p, 1, left < 10 ? (int)left : 10);
	if (p.revents & POLLOUT)
		usleep(1000);
	return 0;
}

int logsocket_send(const struct logsocket *s, const struct str *message, int pass, struct err *e)
{
	int64_t deadline = program_clock() + s->timeout;
	/* a stream's messages end with a NUL, as syslog(3) does it */
	size_t size = message->len + s->stream, done = 0;
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec data;
	struct msghdr m = { .msg_iov = &data, .msg_iovlen = 1 };
	int r;

	if (pass >= 0) {
		m.msg_control = &control;
		m.msg_controllen = sizeof control;
		*CMSG_FIRSTHDR(&m) = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof pass),
						       .cmsg_level = SOL_SOCKET,
						       .cmsg_type = SCM_RIGHTS };
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&m)), &pass, sizeof pass);
	}
	for (;;) {
		ssize_t n;

		data = (struct iovec){ (char *)str_text(message) + done, size - done };
		n = sendmsg(s->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n >= 0) {
			done += (size_t)n;
			if (!s->stream || done == size)
				return 0;
		} else if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS) {
			if ((r = await_room(s, deadline, e)) < 0)
				return r;
		} else if (errno != EINTR) {
			return err_set(e, errno, "send to %s", s->path);
		}
	}
}
