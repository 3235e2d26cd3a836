/* SPDX-License-Identifier: Apache-2.0 */
#include "lifecycle/listener.h"

#include <errno.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/sys.h"
#include "lifecycle/handshake.h"

/* Some look for these words of runc's. */
#define UNREACHABLE "linux.seccomp.listenerPath: failed to connect with seccomp agent"

int listener_check(const struct spec_seccomp *s, struct err *e)
{
	struct stat st;

	if (!spec_seccomp_notifies(s))
		return 0;
	if (stat(s->listener_path, &st) < 0)
		return err_set(e, errno, UNREACHABLE ": %s", s->listener_path);
	if (!S_ISSOCK(st.st_mode))
		return err_say(e, ENOTSOCK, UNREACHABLE ": %s is not a socket", s->listener_path);
	return 0;
}

int listener_take(int pidfd, int sync_fd, int *ret_fd, struct err *e)
{
	struct message m;

	if (handshake_expect(sync_fd, MESSAGE_LISTENER, &m, e) < 0)
		return -e->code;
	*ret_fd = sys_pidfd_getfd(pidfd, m.pid, 0);
	return *ret_fd < 0 ? err_set(e, errno, "take the listener's descriptor") : 0;
}

int listener_hand_over(const struct spec_seccomp *s, const struct state *state, enum status status,
		       pid_t pid, int pidfd, int sync_fd, struct err *e)
{
	owned_fd listener = -1, socket_fd = -1;
	owned_str text = STR_INIT;

	if (!s)
		return 0;
	if (listener_take(pidfd, sync_fd, &listener, e) < 0)
		return err_in(e, "linux.seccomp");
	if (fd_connect(s->listener_path, "socket", &socket_fd, e) < 0)
		return err_in(e, UNREACHABLE);
	state_write_process(state, status, pid, s->listener_metadata, &text);
	if (fd_send(socket_fd, text.s, text.len, listener, e) < 0)
		return err_in(e, "linux.seccomp.listenerPath");
	return handshake_say(sync_fd, MESSAGE_GO, 0, e);
}
