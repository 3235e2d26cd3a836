/* SPDX-License-Identifier: Apache-2.0 */
/*
 * selinux: labels of processes and mounts.
 *
 * The process's is set by stage two; the mounts' go with them as an option, or
 * onto their root where a file system takes none.  Labels are the engine's
 * to choose: nothing here judges them.
 */
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "base/err.h"
#include "sandbox/mountopt.h"

/* -ENOTSUP for a label where the kernel has no SELinux, or no policy; `what` names its member. */
int selinux_check(const char *label, const char *what, struct err *e);
/* Adds context= to a new file system's options; label may be NULL or empty. */
void selinux_mount_option(struct arena *a, const char *type, const char *label, struct mountopt *o);
/* What that leaves to be done on the mounted file system. */
int selinux_label_mount(const char *type, const char *label, int mount_fd, struct err *e);
