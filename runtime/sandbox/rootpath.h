/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rootpath: paths that a container, an image or a volume controls, resolved
 * beneath the container's root (house rule 7; THREATS A2-A4, A9).
 *
 * Resolution uses openat2 with RESOLVE_IN_ROOT and no magic links, so that
 * `/var/run -> /run` works and no link leaves the root.  What was opened is
 * used by fd from then on: nothing is looked up twice.
 */
#pragma once

#include <sys/types.h>

#include "base/err.h"

/* An O_PATH descriptor of path inside root_fd; -ENOENT etc. with e set. */
int rootpath_open(int root_fd, const char *path, int flags, int *ret_fd, struct err *e);

enum rootpath_kind { ROOTPATH_DIRECTORY, ROOTPATH_FILE };
/* Opens it, creating it (and the directories above, mode 0755, owned by the root's ids) where it
 * does not exist.  An existing one of the wrong kind is an error. */
int rootpath_ensure(int root_fd, const char *path, enum rootpath_kind kind, int *ret_fd,
		    struct err *e);
/* Opens the directory that holds path's last component, and says that component. */
int rootpath_parent(int root_fd, const char *path, int *ret_dirfd, const char **ret_name,
		    struct err *e);
