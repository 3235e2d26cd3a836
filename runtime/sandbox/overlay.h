/* SPDX-License-Identifier: Apache-2.0 */
/*
 * overlay: the view of a copy-on-write workspace: the host's directory below,
 * the session's store (review/store.h) above.
 *
 * Of the overlay's features none is on that would make upper/ hard to read or to
 * trust: a renamed directory is copied (redirect_dir), a file whose mode changed is copied whole
 * (metacopy), hard links are parted (index).  Its marks are trusted.overlay.*,
 * which the container cannot write; in a user namespace user.overlay.* (userxattr,
 * Linux 5.11), which the kernel keeps from whoever is inside.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* Whether the view would be of all that is there: it does not show what is mounted below the directory.
 * -EXDEV, with the first such place. */
int overlay_check_whole(const char *directory, struct err *e);

/*
 * lower_fd: the directory, on a mount of the caller's mount namespace.  store: path of the directory that
 * holds upper/ and work/.  userns_fd: ids of both are mapped by it (Linux 6.15), -1: they are not.
 * *ret_fd: the mount, detached, with the attributes (nosuid, nodev, noexec) of the one below.
 */
int overlay_new(int lower_fd, const char *store, bool user_xattr, int userns_fd, int *ret_fd,
		struct err *e);
