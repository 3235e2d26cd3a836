/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/user.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/sys.h"

enum { PASSWD_MOST = 1 << 20 };

/* NAME:PASSWORD:UID:GID:GECOS:HOME:SHELL */
enum field { NAME = 0, UID = 2, HOME = 5, FIELDS = 7 };

static bool in_line(char *line, uid_t uid, enum field wanted, struct str *ret)
{
	char *field[FIELDS] = { 0 }, *end;

	for (int i = 0; i < FIELDS; i++)
		field[i] = strsep(&line, ":");
	if (!field[HOME] || !*field[UID])
		return false;
	if (strtoul(field[UID], &end, 10) != uid || *end || !*field[wanted] ||
	    (wanted == HOME && *field[HOME] != '/'))
		return false;
	str_puts(ret, field[wanted]);
	return true;
}

static bool find(uid_t uid, enum field wanted, struct str *ret)
{
	owned_fd root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	owned_fd fd = sys_openat2(root, "etc/passwd", O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0,
				  RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
	owned_str text = STR_INIT;
	struct stat st;
	struct err e;
	char *rest, *line;

	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    fd_read_all(fd, PASSWD_MOST, "/etc/passwd", &text, &e) == 0) {
		rest = text.s;
		while ((line = strsep(&rest, "\n")))
			if (in_line(line, uid, wanted, ret))
				return true;
	}
	return false;
}

void user_home(uid_t uid, struct str *ret)
{
	if (!find(uid, HOME, ret))
		str_puts(ret, "/");
}

void user_name(uid_t uid, struct str *ret)
{
	if (uid == 0)
		str_puts(ret, "root");
	else if (!find(uid, NAME, ret))
		str_printf(ret, "%u", uid);
}

int user_owns_stdio(uid_t uid, struct err *e)
{
	struct stat st;

	for (int fd = 0; fd < 3; fd++) {
		/* The host's /dev/null stays the host's.  By number: /dev may be the container's by now. */
		if (fstat(fd, &st) < 0 || st.st_uid == uid ||
		    (S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3)))
			continue;
		/* A socket, a read-only file or an unmapped owner: then it stays as it is. */
		if (fchown(fd, uid, (gid_t)-1) < 0 && errno != EPERM && errno != EINVAL &&
		    errno != EROFS && errno != EACCES && errno != ENOSYS)
			return err_set(e, errno, "give descriptor %d to uid %u", fd, uid);
	}
	return 0;
}
