/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mnt: mount objects held by descriptors (open_tree, fsopen, move_mount,
 * mount_setattr; Linux 5.12).
 *
 * A mount is made detached, gets its attributes while nobody can reach it,
 * and is then attached to a directory or file that is held by a descriptor:
 * it is never writable for a moment that should be read-only, and a target
 * swapped for a link meanwhile is not followed (CVE-2021-30465).  And the
 * table of those that there are.  Knows nothing of the specification.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include <linux/mount.h>

#include "base/err.h"
#include "base/str.h"

/* What is mounted at path (of dirfd; "" is dirfd itself), as a detached copy. */
int mnt_clone(int dirfd, const char *path, bool recursive, int *ret_fd, struct err *e);
/* Attaches it on top of target_fd; mount_fd then is the attached mount's root. */
int mnt_attach(int mount_fd, int target_fd, struct err *e);
/* The same on `name` of a directory that nobody else can change; no link is followed at its end. */
int mnt_attach_at(int mount_fd, int dirfd, const char *name, struct err *e);
/* MOUNT_ATTR_* of one mount, or of all below it too.  Flags not named stay as they are: those that
 * are locked (a user namespace inherits nosuid, nodev, ... of its sources) can't get lost. */
int mnt_set(int mount_fd, bool recursive, uint64_t set, uint64_t clear, struct err *e);
/* As a remount has it: what is not named is cleared, the access time setting apart.  Where that can't
 * be, because it is locked, it stays. */
int mnt_set_exactly(int mount_fd, uint64_t set, uint64_t clear, struct err *e);
/* MS_SHARED, MS_SLAVE, MS_PRIVATE or MS_UNBINDABLE. */
int mnt_propagate(int mount_fd, bool recursive, unsigned long propagation, struct err *e);
/* MOUNT_ATTR_IDMAP; the mount must be detached. */
int mnt_idmap(int mount_fd, bool recursive, int userns_fd, struct err *e);
/* path's copy with the attributes, read-only say, on top of path itself. */
int mnt_bind_over(int fd, bool recursive, uint64_t set, struct err *e);

/* An option of a file system: "size=64k", "newinstance". */
struct mnt_options {
	const char **v;
	size_t n;
};
/* Whether the kernel knows the options, for a mount that is bound instead. */
int mnt_check(const char *type, const struct mnt_options *options, struct err *e);
/* A new file system instance, detached.  An error carries what the kernel's log of this call says.
 * -E2BIG: an option is longer than this API takes (255 bytes): mount(2) has to do it. */
int mnt_new(const char *type, const char *source, const struct mnt_options *options,
	    uint64_t attributes, int *ret_fd, struct err *e);

/* /proc/self/mountinfo. */
int mnt_table(struct str *text, struct err *e);
/* One line of it: id, mount point (unescaped in place), type. */
struct mnt_line {
	unsigned long long id;
	char *point, *type;
};
/* Takes the next line of *text; false at the end. */
bool mnt_next(char **text, struct mnt_line *ret);
