/* SPDX-License-Identifier: Apache-2.0 */
#include "base/dirs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"

int dirs_of_user(struct arena *a, const char *what, const char *variable, const char *below_home,
		 char **ret, struct err *e)
{
	const char *named = getenv(variable), *home = getenv("HOME");

	if (named && *named == '/')	/* the specification: others are to be ignored */
		*ret = arena_printf(a, "%s/agentrun", named);
	else if (home && *home == '/')
		*ret = arena_printf(a, "%s/%s/agentrun", home, below_home);
	else
		return err_say(e, ENOENT, "%s: neither %s nor HOME names a directory", what,
			       variable);
	return 0;
}

int dirs_open(const char *path, mode_t mode, int *ret_fd, struct err *e)
{
	owned_fd fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	owned_str part = STR_INIT;
	struct stat st;

	if (fd < 0 && errno == ENOENT) {
		str_puts(&part, path);
		for (char *slash = part.s + 1; (slash = strchr(slash, '/')); *slash++ = '/') {
			*slash = 0;
			if (mkdir(part.s, mode) < 0 && errno != EEXIST)
				return err_set(e, errno, "create %s", part.s);
		}
		if (mkdir(path, mode) < 0 && errno != EEXIST)
			return err_set(e, errno, "create %s", path);
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	if (fd < 0)
		return err_set(e, errno, "open %s", path);
	if (fstat(fd, &st) < 0)
		return err_set(e, errno, "stat %s", path);
	if (st.st_uid != geteuid() || (st.st_mode & 0022))
		return err_say(e, EPERM, "%s: must belong to uid %u and be writable by no one else",
			       path, geteuid());
	*ret_fd = fd_take(&fd);
	return 0;
}
