/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dirs: the directories that agentrun keeps things in: where a user's are (XDG
 * Base Directory Specification 0.8), and that they are private.
 */
#pragma once

#include <sys/types.h>

#include "base/arena.h"
#include "base/err.h"

/* "$VARIABLE/agentrun", else "$HOME/BELOW_HOME/agentrun". -ENOENT where neither names a directory; `what`
 * begins the error. */
int dirs_of_user(struct arena *a, const char *what, const char *variable, const char *below_home,
		 char **ret, struct err *e);
/* Opened for reading; what is missing of it is made with that mode.  -EPERM where it belongs to somebody
 * else or others may write to it. */
int dirs_open(const char *path, mode_t mode, int *ret_fd, struct err *e);
