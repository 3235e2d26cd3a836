/* SPDX-License-Identifier: Apache-2.0 */
#include "lifecycle/deadline.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/sys.h"
#include "lifecycle/companion.h"

/* Not poll's own timeout: that is limited to 24 days, and stops while the machine is suspended. */
static int make_timer(uint64_t seconds, int *ret_fd, struct err *e)
{
	struct itimerspec when = { .it_value.tv_sec = (time_t)seconds };
	owned_fd fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC);

	if (fd < 0 || timerfd_settime(fd, 0, &when, NULL) < 0)
		return err_set(e, errno, "limits.time: timer");
	*ret_fd = fd_take(&fd);
	return 0;
}

struct watch {
	const struct state *state;
	int dir_fd, pidfd, timer;
};

static int watch(void *arg)
{
	const struct watch *w = arg;
	struct pollfd p[2] = { { .fd = w->pidfd, .events = POLLIN },
			       { .fd = w->timer, .events = POLLIN } };
	struct err e;
	int mark;

	while (poll(p, 2, -1) < 0)
		if (errno != EINTR)
			return 1;
	if (p[0].revents)
		return 0;
	mark = openat(w->dir_fd, DEADLINE_FILE, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	(void)mark;	/* only the record suffers */
	sys_pidfd_send_signal(w->pidfd, SIGKILL);
	return cgroup_signal(&w->state->cgroup, SIGKILL, &e) < 0;
}

int deadline_watch(const struct state_dir *d, const struct state *s, uint64_t seconds,
		   struct err *e)
{
	owned_fd pidfd = -1, timer = -1, dir = -1;

	if (state_pidfd(s, &pidfd, e) < 0 || make_timer(seconds, &timer, e) < 0)
		return -e->code;
	/* Opened anew: a copy of the caller's would keep its lock. */
	dir = open(d->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_set(e, errno, "open %s", d->path);
	return companion_start(&(struct companion){
		.name = "agentrun-limit", .purpose = "limits.time",
		.keep = (const int[]){ dir, pidfd, timer }, .n_keep = 3,
		.run = watch, .arg = &(struct watch){ s, dir, pidfd, timer } }, e);
}
