/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rootfs: the container's file system, from the bundle's directory to the
 * moment where it is "/": mounts, devices, masked and read-only paths.
 *
 * All of it runs in the container's init, inside its mount namespace, with
 * every other namespace already entered.  Targets are resolved through
 * sandbox/rootpath.h.  Must not decide anything: the effective spec says it all.
 */
#pragma once

#include "base/err.h"
#include "spec/spec.h"

struct rootfs {
	int root_fd;		/* O_PATH, the root after rootfs_prepare() */
	const char *path;	/* absolute host path of the root */
	bool in_userns;		/* no mknod: devices are binds of the host's */
	bool no_pivot;		/* --no-pivot: MS_MOVE and chroot */
	bool cgroup_ns;		/* the container has a cgroup namespace of its own */
	const struct cgroup *cgroup;	/* for mounts of type cgroup; see sandbox/cgroup.h */
};

/* Propagation of "/" as linux.rootfsPropagation says (default rslave), then the root bound onto
 * itself; fills root_fd. */
int rootfs_prepare(struct rootfs *r, const struct spec *s, struct err *e);
/* Every entry of `mounts`, in order, with options, data, propagation, recursive attributes,
 * per-mount id maps, tmpcopyup. proc and sysfs are refused anywhere a symlink leads elsewhere. */
int rootfs_mount_all(struct rootfs *r, const struct spec *s, struct err *e);
/* The default devices, links (fd, stdin, ...), /dev/ptmx, and linux.devices, only where the
 * specification mounts a /dev of the container's own. */
int rootfs_devices(struct rootfs *r, const struct spec *s, struct err *e);
/* Makes the root "/": pivot_root, or the --no-pivot way. */
int rootfs_enter(struct rootfs *r, const struct spec *s, struct err *e);
/* After entering: sysctl, readonlyPaths, maskedPaths (with a /dev/null that is known to be the
 * device 1:3, CVE-2025-31133), workspace guards and masks, read-only root, final propagation. */
int rootfs_finish(struct rootfs *r, const struct spec *s, struct err *e);

/* Binds the terminal's slave `tty_fd` onto /dev/console inside the entered root, by fd, after
 * checking what is being bound (CVE-2025-52565). */
int rootfs_console(struct rootfs *r, int tty_fd, struct err *e);

/* For `features` and the manual: every mount option known, ends with NULL. */
extern const char *const *rootfs_mount_options(void);
