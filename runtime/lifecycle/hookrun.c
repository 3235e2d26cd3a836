/* SPDX-License-Identifier: Apache-2.0 */
#include "lifecycle/hookrun.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "base/sys.h"

enum { SAID_MOST = 1024 };

static _Noreturn void become(const struct hook_call *h, int in, int out)
{
	char *const argv[] = { (char *)(uintptr_t)h->path, NULL }, *const none[] = { NULL };
	sigset_t empty;

	setpgid(0, 0);
	for (int i = 1; i < NSIG; i++)
		signal(i, SIG_DFL);
	sigemptyset(&empty);
	sigprocmask(SIG_SETMASK, &empty, NULL);
	if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0 ||
	    sys_close_range(3, ~0U, 0) < 0 || (h->cwd && chdir(h->cwd) < 0)) {
		perror("agentrun");
		_exit(127);
	}
	execve(h->path, h->argv ? h->argv : argv, h->envp ? h->envp : none);
	dprintf(2, "execute: %s", err_text(errno));
	_exit(127);
}

/* Feeds stdin and drains the output until the process ends; the pipes may be held open longer by what
 * it left running, so that their end says nothing. */
static int converse(const struct hook_call *h, int pidfd, int *in, int out, struct str *said)
{
	const int64_t end = sys_now_ms() + h->timeout * 1000;
	size_t done = 0;

	for (;;) {
		struct pollfd p[3] = { { .fd = pidfd, .events = POLLIN },
				       { .fd = out, .events = POLLIN },
				       { .fd = *in, .events = POLLOUT } };
		const int64_t left = h->timeout ? end - sys_now_ms() : -1;
		char buf[512];
		ssize_t n;

		if (h->timeout && left <= 0)
			return -ETIMEDOUT;
		if (poll(p, 3, (int)left) < 0 && errno != EINTR)
			return -errno;
		if (p[2].revents) {
			n = write(*in, h->in + done, h->in_size - done);
			done = n < 0 && errno != EAGAIN ? h->in_size : done + (n > 0 ? (size_t)n : 0);
		}
		if (done >= h->in_size)
			fd_close(in);
		if (p[1].revents) {
			n = read(out, buf, sizeof buf);
			if (n > 0 && said->len < SAID_MOST)
				str_append(said, buf, (size_t)n);
			if (n == 0)
				out = -1;	/* the caller owns and closes it */
		} else if (p[0].revents) {
			return 0;
		}
	}
}

int hook_run(const struct hook_call *h, struct err *e)
{
	owned_fd in_read = -1, in_write = -1, out_read = -1, out_write = -1, pidfd = -1;
	owned_str said = STR_INIT, safe = STR_INIT;
	int in[2], out[2], status, r;
	struct sigaction ignore = { .sa_handler = SIG_IGN }, before;
	pid_t pid;

	if (pipe2(in, O_CLOEXEC) < 0)
		return err_set(e, errno, "hook %s: pipe", h->path);
	in_read = in[0];
	in_write = in[1];
	if (pipe2(out, O_CLOEXEC) < 0)
		return err_set(e, errno, "hook %s: pipe", h->path);
	out_read = out[0];
	out_write = out[1];
	pid = fork();
	if (pid < 0)
		return err_set(e, errno, "hook %s: fork", h->path);
	if (pid == 0)
		become(h, in_read, out_write);
	fd_close(&in_read);
	fd_close(&out_write);
	fcntl(in_write, F_SETFL, O_NONBLOCK);
	pidfd = sys_pidfd_open(pid, 0);
	sigaction(SIGPIPE, &ignore, &before);
	r = pidfd < 0 ? -errno : converse(h, pidfd, &in_write, out_read, &said);
	sigaction(SIGPIPE, &before, NULL);
	if (r < 0) {
		kill(-pid, SIGKILL);
		kill(pid, SIGKILL);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (r == -ETIMEDOUT)
		return err_say(e, ETIMEDOUT, "hook %s: not done within %ld s: killed", h->path,
			       h->timeout);
	if (r < 0)
		return err_set(e, -r, "hook %s", h->path);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	while (said.len && said.s[said.len - 1] == '\n')
		said.s[--said.len] = 0;
	str_put_safe(&safe, str_text(&said), 400);
	return err_say(e, ECANCELED, "hook %s: %s %d%s%s", h->path,
		       WIFEXITED(status) ? "exit status" : "killed by signal",
		       WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status),
		       safe.len ? ": " : "", str_text(&safe));
}

int hooks_run(const spec_hooks_list *list, const char *name, bool confined, const char *state_json,
	      const char *cwd, struct err *e)
{
	for (size_t i = 0; i < list->n; i++) {
		const struct spec_hook *h = &list->v[i];
		struct hook_call call = {
			.path = h->path,
			.argv = h->args.n ? h->args.v : NULL,
			.envp = h->env.v || confined ? h->env.v : environ,
			.cwd = cwd,
			.in = state_json,
			.in_size = strlen(state_json),
			.timeout = h->timeout.set ? h->timeout.v : 0,
		};

		if (hook_run(&call, e) < 0)
			return err_in(e, "hooks.%s[%zu]", name, i);
	}
	return 0;
}
