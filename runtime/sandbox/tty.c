/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/tty.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <termios.h>
#include <unistd.h>

#include <linux/magic.h>

#include "base/fd.h"
#include "base/sys.h"

#ifndef TIOCGPTPEER	/* Linux 4.13 */
#define TIOCGPTPEER _IO('T', 0x41)
#endif

static int open_ptmx(int *ret_fd, struct err *e)
{
	owned_fd root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	owned_fd fd = -1;
	struct stat st;
	struct statfs fs;

	if (root < 0)
		return err_set(e, errno, "open /");
	fd = sys_openat2(root, "dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC, 0,
			 RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS);
	if (fd < 0)
		return err_set(e, errno, "process.terminal: open /dev/pts/ptmx");
	if (fstat(fd, &st) < 0 || fstatfs(fd, &fs) < 0)
		return err_set(e, errno, "process.terminal: /dev/pts/ptmx");
	if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(5, 2) || fs.f_type != DEVPTS_SUPER_MAGIC)
		return err_say(e, EPERM, "process.terminal: /dev/pts/ptmx is not a devpts multiplexer");
	*ret_fd = fd_take(&fd);
	return 0;
}

int tty_open(const struct spec_process *p, int *ret_master, int *ret_slave, struct err *e)
{
	owned_fd master = -1, slave = -1;
	int unlock = 0;

	if (open_ptmx(&master, e) < 0)
		return -e->code;
	if (ioctl(master, TIOCSPTLCK, &unlock) < 0)
		return err_set(e, errno, "process.terminal: unlock the pty");
	/* By ioctl, not by name: /dev/pts/N could be another's by the time it is opened. */
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		return err_set(e, errno, "process.terminal: open the pty's slave");
	if (p->console_size) {
		struct winsize size = { .ws_row = (unsigned short)p->console_size->height.v,
					.ws_col = (unsigned short)p->console_size->width.v };

		if (ioctl(slave, TIOCSWINSZ, &size) < 0)
			return err_set(e, errno, "process.consoleSize");
	}
	if (fchown(slave, (uid_t)p->user.uid, (gid_t)-1) < 0 && errno != EPERM && errno != EINVAL)
		return err_set(e, errno, "process.terminal: give the terminal to uid %lld",
			       (long long)p->user.uid);
	*ret_master = fd_take(&master);
	*ret_slave = fd_take(&slave);
	return 0;
}

int tty_send(int socket_fd, int master, struct err *e)
{
	static const char name[] = "/dev/ptmx";

	if (fd_send(socket_fd, name, sizeof name - 1, master, e) < 0)
		return err_in(e, "send the terminal to the console socket");
	return 0;
}

/* In the foreground the caller's terminal adds the carriage returns: not both. */
static void no_onlcr(int master)
{
	struct termios t;

	if (tcgetattr(master, &t) < 0)
		return;
	t.c_oflag &= ~(tcflag_t)ONLCR;
	tcsetattr(master, TCSANOW, &t);
}

int tty_receive(int socket_fd, int *ret_master, struct err *e)
{
	if (fd_receive(socket_fd, ret_master, e) < 0)
		return err_in(e, "receive the terminal");
	/* Now, before the process runs: a shell remembers the settings that it finds. */
	tty_copy_size(0, *ret_master);
	no_onlcr(*ret_master);
	return 0;
}

struct tty_saved {
	int fd;
	struct termios before;
};

struct tty_saved *tty_raw(int fd)
{
	struct tty_saved *saved;
	struct termios t;

	if (tcgetattr(fd, &t) < 0)
		return NULL;
	saved = must(malloc(sizeof *saved));
	saved->fd = fd;
	saved->before = t;
	cfmakeraw(&t);
	t.c_oflag |= OPOST | ONLCR;	/* the container's side has ONLCR off: no_onlcr() */
	tcsetattr(fd, TCSADRAIN, &t);
	return saved;
}

void tty_restore(struct tty_saved *saved)
{
	if (!saved)
		return;
	tcsetattr(saved->fd, TCSADRAIN, &saved->before);
	free(saved);
}

void tty_copy_size(int from, int to)
{
	struct winsize size;

	if (ioctl(from, TIOCGWINSZ, &size) == 0)
		ioctl(to, TIOCSWINSZ, &size);
}
