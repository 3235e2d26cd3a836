/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rootfs_parts: what the files of the rootfs module have of each other; for
 * nobody else.
 */
#pragma once

#include "sandbox/mountopt.h"
#include "sandbox/rootfs.h"

/* Takes back an error that the caller can do without: e is set only when the result is negative. */
static inline void forgive(struct err *e) { *e = (struct err){ 0 }; }

/*
 * As runc and crun do, a bind mount with flags and a read-only root get exactly
 * the flags that were asked for, and lose the host's nosuid, nodev, noexec and
 * ro.  They stay where a user namespace could not have taken them away, and in a
 * container under a policy, which may be stricter than the engine, never looser.
 */
static inline bool rootfs_sets_exactly(const struct rootfs *r, const struct spec *s)
{
	return !r->in_userns && !s->agent;
}

/* cgroupmnt.c: the container's view of its cgroups on top of target_fd; confined: nothing but its
 * own, nothing to be written.  *ret_fd is the mount, for propagation. */
int cgroupmnt_attach(const struct rootfs *r, const char *type, const struct mountopt *o,
		     bool confined, int target_fd, int *ret_fd, struct err *e);

/* copyup.c: what lies in the directory from_fd (O_PATH) also below to_fd, with owners, modes, times
 * and links; sockets and devices are left out. */
int copyup(int from_fd, int to_fd, struct err *e);

/* sysctl.c: linux.sysctl.  Each key has to belong to a namespace of the container's own. */
int sysctl_write(int root_fd, const struct spec *s, struct err *e);

/*
 * workspace.c: guards and masks of agent->workspace, where what they name exists.
 *
 * guard: relative paths, read-only together with all below.  The directories
 * on the way are mount points too, so that none can be renamed away.  A link
 * anywhere on the way is refused: what it points to could change.  Where a
 * component is a file (a worktree's `.git`), that file is guarded.
 *
 * mask: patterns.  One with a slash (also in front: "/.env") names a path from
 * the workspace's top ("**" and "/" before the rest: any directory), one without
 * matches names in any directory; both without case.  They are looked for by
 * a walk that follows no link, goes WORKSPACE_DEEP directories deep, and
 * leaves out `.git` and `node_modules` below their own names, which hold too
 * much to be read at every start; a path without wildcards also as it is
 * written, wherever that is.  What a matching link points to inside the
 * workspace is masked, and so is every other name that a masked file has there,
 * or one below a masked directory: hard links, which a second walk finds by inode
 * where there are any.  A masked file is empty, a masked directory has nothing
 * in it, both are read-only.
 */
enum { WORKSPACE_DEEP = 8 };
int workspace_protect(int root_fd, const struct spec_workspace *w, struct err *e);
