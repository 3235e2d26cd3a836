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

/* A descriptor of path inside root_fd; -ENOENT etc. with e set.  flags are open(2)'s (0 is a plain
 * O_RDONLY, so give O_PATH); O_CLOEXEC and O_NOCTTY are added. */
int rootpath_open(int root_fd, const char *path, int flags, int *ret_fd, struct err *e);
/* The same where no component may be a symbolic link (-ELOOP): /proc, /sys, /dev, and everything
 * in a workspace. */
int rootpath_open_plain(int root_fd, const char *path, int flags, int *ret_fd, struct err *e);

enum rootpath_kind { ROOTPATH_DIRECTORY, ROOTPATH_FILE };
/* Opens it (O_PATH), creating it (and the directories above, mode 0755, owned by the caller) where
 * it does not exist; a file is created with mode 0644.  A link that points nowhere is followed
 * within the root, so that what it names is created.  An existing one of the wrong kind is an
 * error: -ENOTDIR or -EISDIR. */
int rootpath_ensure(int root_fd, const char *path, enum rootpath_kind kind, int *ret_fd,
		    struct err *e);
/* Opens the directory that holds path's last component, creating it if need be, and says that
 * component: it points into path.  -EINVAL if path ends with "/", "." or "..". */
int rootpath_parent(int root_fd, const char *path, int *ret_dirfd, const char **ret_name,
		    struct err *e);
