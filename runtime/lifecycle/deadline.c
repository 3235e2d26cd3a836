/* SPDX-License-Identifier: Apache-2.0 */
#include "lifecycle/deadline.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/sys.h"

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

static void let_go_of_the_caller(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	sigset_t none;

	setsid();
	prctl(PR_SET_NAME, "agentrun-limit");
	for (int i = 1; i < NSIG; i++)
		signal(i, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	for (int i = 0; i < 3; i++)
		dup2(null, i);
	if (chdir("/") < 0)
		_exit(1);
}

/* All but these, the lock on the directory included. */
static int close_others(const int *keep, size_t n)
{
	unsigned from = 3;

	for (;;) {
		unsigned next = ~0U;

		for (size_t i = 0; i < n; i++)
			if ((unsigned)keep[i] >= from && (unsigned)keep[i] < next)
				next = (unsigned)keep[i];
		if (next == ~0U)
			return sys_close_range(from, ~0U, 0);
		if (next > from && sys_close_range(from, next - 1, 0) < 0)
			return -1;
		from = next + 1;
	}
}

static _Noreturn void companion(int dir_fd, const struct state *s, int pidfd, int timer)
{
	struct pollfd p[2] = { { .fd = pidfd, .events = POLLIN }, { .fd = timer, .events = POLLIN } };
	struct err e;
	int mark;

	while (poll(p, 2, -1) < 0)
		if (errno != EINTR)
			_exit(1);
	if (p[0].revents)
		_exit(0);
	mark = openat(dir_fd, DEADLINE_FILE, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	(void)mark;	/* only the record suffers */
	sys_pidfd_send_signal(pidfd, SIGKILL);
	_exit(cgroup_signal(&s->cgroup, SIGKILL, &e) < 0);
}

int deadline_watch(const struct state_dir *d, const struct state *s, uint64_t seconds,
		   struct err *e)
{
	owned_fd pidfd = -1, timer = -1, dir = -1;
	pid_t pid;

	if (state_pidfd(s, &pidfd, e) < 0 || make_timer(seconds, &timer, e) < 0)
		return -e->code;
	/* Opened anew: a copy of the caller's would keep its lock. */
	dir = open(d->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_set(e, errno, "open %s", d->path);
	pid = fork();
	if (pid < 0)
		return err_set(e, errno, "limits.time: fork");
	if (pid == 0) {
		pid_t second;

		let_go_of_the_caller();
		if (close_others((const int[]){ dir, pidfd, timer }, 3) < 0)
			_exit(1);
		second = fork();
		if (second == 0)
			companion(dir, s, pidfd, timer);
		_exit(second < 0);
	}
	for (int status;;) {
		pid_t r = waitpid(pid, &status, 0);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
			return err_say(e, ECHILD, "limits.time: the companion process did not start");
		return 0;
	}
}
