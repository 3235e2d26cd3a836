/* SPDX-License-Identifier: Apache-2.0 */
#include "lifecycle/foreground.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/sys.h"
#include "lifecycle/notify.h"
#include "sandbox/tty.h"

enum { LAST_OUTPUT_MOST = 1 << 20 };	/* more than the kernel holds for a terminal */

static void relayed(sigset_t *set)
{
	/* Not those that tell of our own state or of our own faults. */
	static const int ours[] = { SIGCHLD, SIGURG, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP,
				    SIGABRT, SIGSYS, SIGTSTP, SIGTTIN, SIGTTOU, SIGCONT, SIGPROF };

	sigfillset(set);
	for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
		sigdelset(set, ours[i]);
}

void foreground_prepare(void)
{
	sigset_t set;

	relayed(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

static void take_signal(int signal_fd, const struct created *c)
{
	struct signalfd_siginfo info;

	if (read(signal_fd, &info, sizeof info) != sizeof info)
		return;
	if (info.ssi_signo == SIGWINCH && c->console >= 0)
		tty_copy_size(0, c->console);
	else if (info.ssi_signo != SIGPIPE)
		sys_pidfd_send_signal(c->pidfd, (int)info.ssi_signo);	/* ESRCH: it is over anyway */
}

/* What was typed and the terminal has no room for yet. */
struct held {
	char bytes[4096];
	size_t at, n;
	bool in_line;	/* the last byte ended no line */
};

static bool try_again(ssize_t n)
{
	return n < 0 && (errno == EINTR || errno == EAGAIN);
}

/* A terminal has no end; whoever types says it by a character, as script(1) does.  On a line that was
 * begun the first one only hands that over; programs with an editor of their own know one. */
static void type_end(struct held *h, int console)
{
	struct termios t;

	if (tcgetattr(console, &t) < 0)
		return;
	h->n = h->in_line && t.c_lflag & ICANON ? 2 : 1;
	h->bytes[0] = h->bytes[1] = (char)t.c_cc[VEOF];
}

/* false: there is no more. */
static bool take_input(struct held *h, int console)
{
	ssize_t n = read(0, h->bytes, sizeof h->bytes);

	h->at = 0;
	h->n = n > 0 ? (size_t)n : 0;
	if (n > 0)
		h->in_line = h->bytes[n - 1] != '\n';
	else if (!try_again(n))
		type_end(h, console);
	return n > 0 || try_again(n);
}

static void give_input(struct held *h, int console)
{
	ssize_t n = write(console, h->bytes + h->at, h->n);

	if (n < 0 && !try_again(n))
		h->n = 0;	/* nobody to read it */
	if (n > 0) {
		h->at += (size_t)n;
		h->n -= (size_t)n;
	}
}

/* Takes what it copied from *left; false at the end. */
static bool copy_output(int console, size_t *left)
{
	char buf[8192];
	ssize_t n = read(console, buf, sizeof buf);
	struct err e;

	if (n <= 0)	/* EIO: the terminal's last user is gone */
		return try_again(n);
	*left -= (size_t)n < *left ? (size_t)n : *left;
	return fd_write_all(1, buf, (size_t)n, "terminal", &e) == 0;
}

static int relay(const struct created *c, int signal_fd, struct err *e)
{
	bool input = c->console >= 0, output = c->console >= 0, ended = false;
	int notify = c->notify;
	size_t last = LAST_OUTPUT_MOST, unlimited = SIZE_MAX;
	struct held held = { .n = 0 };

	/* A process that does not read must not keep us from reading what it says: it may wait for that.
	 * Only the terminal's own side does not block; the caller's is shared with others. */
	if (output && fcntl(c->console, F_SETFL, O_RDWR | O_NONBLOCK) < 0)
		return err_set(e, errno, "fcntl");
	/* After the end of the process its last output is still to be drained; what others say who hold
	 * the terminal open is not. */
	while (!ended || (output && last)) {
		struct pollfd p[5] = {
			{ .fd = ended ? -1 : c->pidfd, .events = POLLIN },
			{ .fd = signal_fd, .events = POLLIN },
			{ .fd = output ? c->console : -1,
			  .events = (short)(POLLIN | (held.n ? POLLOUT : 0)) },
			{ .fd = input && !held.n && !ended ? 0 : -1, .events = POLLIN },
			{ .fd = notify, .events = POLLIN },
		};
		int n = poll(p, 5, ended ? 100 : -1);

		if (n < 0 && errno != EINTR)
			return err_set(e, errno, "poll");
		if (n <= 0) {
			if (ended && n == 0)
				return 0;	/* somebody else holds the terminal open */
			continue;
		}
		if (p[1].revents)
			take_signal(signal_fd, c);
		if (p[2].revents & POLLOUT)
			give_input(&held, c->console);
		if (p[2].revents & ~POLLOUT)
			output = copy_output(c->console, ended ? &last : &unlimited);
		if (p[3].revents)
			input = take_input(&held, c->console);
		if (p[4].revents && notify_relay(notify, c->pid))
			notify = -1;
		if (p[0].revents)
			ended = true;
	}
	return 0;
}

int foreground_wait(const struct created *c, int *ret_status, struct err *e)
{
	struct tty_saved *saved = NULL;
	owned_fd signal_fd = -1;
	sigset_t set;
	int r;

	relayed(&set);
	signal_fd = signalfd(-1, &set, SFD_CLOEXEC);
	if (signal_fd < 0)
		return err_set(e, errno, "signalfd");
	if (c->console >= 0)
		saved = tty_raw(0);
	r = relay(c, signal_fd, e);
	tty_restore(saved);
	if (r < 0)
		return r;
	while (waitpid(c->pid, ret_status, 0) < 0)
		if (errno != EINTR)
			return err_set(e, errno, "wait for process %d", c->pid);
	return 0;
}

int foreground_exit_code(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
