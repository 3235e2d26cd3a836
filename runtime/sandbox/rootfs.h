/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rootfs: the container's file system, from the bundle's directory to the
 * moment where it is "/": mounts, devices, masked and read-only paths.
 *
 * All of it but rootfs_open_sources() runs in the container's init, inside its
 * mount namespace, with every other namespace already entered, the working
 * directory being the bundle's.  Targets are resolved through
 * sandbox/rootpath.h.  Must not decide anything: the effective spec says it all.
 *
 * rootfs.c prepares, enters and finishes; mounts.c makes what `mounts` lists
 * (mountopt.c its options, cgroupmnt.c type cgroup, copyup.c tmpcopyup, mnt.c
 * the system calls); dev.c the devices; sysctl.c linux.sysctl; workspace.c
 * the guards and masks inside the workspace.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "spec/spec.h"

struct rootfs {
	int root_fd;		/* O_PATH, the root after rootfs_prepare() */
	const char *path;	/* absolute host path of the root */
	bool in_userns;		/* no mknod: devices are binds */
	int nodes_fd;		/* of rootfs_make_nodes(); -1: of the host's, then */
	bool no_pivot;		/* --no-pivot: MS_MOVE and chroot */
	bool on_host;		/* no mount namespace: mounted where the root lies, entered by chroot */
	bool cgroup_ns;		/* the container has a cgroup namespace of its own */
	const struct cgroup *cgroup;	/* for mounts of type cgroup; see sandbox/cgroup.h */
	const int *sources;	/* one per mount, -1: none; see rootfs_open_sources(). NULL: none */
	int *late;		/* mounts that rootfs_finish() makes read-only */
	size_t n_late;
};

/*
 * Called by the parent before it clones, with its own privileges and in its
 * own mount namespace, where the container has a user namespace (has_userns): the
 * sources of bind mounts as detached copies with their id maps, since an init
 * whose root is nobody on the host may not reach or map them.  Of a mount with a store, everywhere: the
 * overlay.  Where the
 * parent lacks the right to (rootless without an engine) the entries stay -1
 * and init opens the sources itself.  The array and the descriptors
 * (close-on-exec, inherited by clone) are in the arena and the caller's;
 * rootfs_close_sources() closes them.  It becomes rootfs.sources.
 */
int rootfs_open_sources(struct arena *a, const struct spec *s, bool has_userns, const int **ret,
			struct err *e);
void rootfs_close_sources(const int *sources, const struct spec *s);

/*
 * Called there and then, too: linux.devices on a file system of their own,
 * detached, each by its index, since init cannot make them.  -1 where there
 * are none, or the parent may not make them either.
 */
int rootfs_make_nodes(const struct spec *s, int *ret_fd, struct err *e);

/* Propagation of "/" as linux.rootfsPropagation says (default rslave), then the root bound onto
 * itself; fills root_fd. */
int rootfs_prepare(struct rootfs *r, const struct spec *s, struct err *e);
/* Every entry of `mounts`, in order, with options, data, propagation, recursive attributes,
 * per-mount id maps, tmpcopyup. proc and sysfs are refused anywhere a symlink leads elsewhere. */
int rootfs_mount_all(struct rootfs *r, const struct spec *s, struct err *e);
/* The default devices, links (fd, stdin, ...), /dev/ptmx, and linux.devices, unless the
 * specification binds a /dev of the host's (as in runc). */
int rootfs_devices(struct rootfs *r, const struct spec *s, struct err *e);
/* Makes the root "/": pivot_root, or the --no-pivot way. */
int rootfs_enter(struct rootfs *r, const struct spec *s, struct err *e);
/* Makes it the calling process's "/" only. */
int rootfs_chroot(int root_fd, struct err *e);
/* After entering: sysctl, readonlyPaths, maskedPaths (with a /dev/null that is known to be the
 * device 1:3, CVE-2025-31133), workspace guards and masks, read-only root, final propagation. */
int rootfs_finish(struct rootfs *r, const struct spec *s, struct err *e);

/* Binds the terminal's slave `tty_fd` onto /dev/console inside the entered root, by fd, after
 * checking what is being bound (CVE-2025-52565). */
int rootfs_console(struct rootfs *r, int tty_fd, struct err *e);

/* For `features` and the manual: every mount option known, ends with NULL. */
extern const char *const *rootfs_mount_options(void);
