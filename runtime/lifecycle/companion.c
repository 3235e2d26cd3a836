/* SPDX-License-Identifier: Apache-2.0 */
#include "lifecycle/companion.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sys.h"

static void let_go_of_the_caller(const char *name)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	sigset_t none;

	setsid();
	prctl(PR_SET_NAME, name);
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

int companion_start(const struct companion *c, struct err *e)
{
	pid_t pid = fork();

	if (pid < 0)
		return err_set(e, errno, "%s: fork", c->purpose);
	if (pid == 0) {
		pid_t second;

		let_go_of_the_caller(c->name);
		if (close_others(c->keep, c->n_keep) < 0)
			_exit(1);
		second = fork();
		if (second == 0)
			_exit(c->run(c->arg));
		_exit(second < 0);
	}
	for (int status;;) {
		pid_t r = waitpid(pid, &status, 0);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
			return err_say(e, ECHILD, "%s: the companion process did not start", c->purpose);
		return 0;
	}
}
