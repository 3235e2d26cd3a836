/* SPDX-License-Identifier: Apache-2.0 */
#include "lifecycle/hostroot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

#include "base/fd.h"
#include "base/sys.h"

static int mounted_at(const char *path, char ret[32], struct err *e)
{
	struct sys_mount mount;

	if (sys_mount_of(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, &mount) < 0)
		return err_set(e, errno, "root.path %s", path);
	snprintf(ret, 32, "%llu", (unsigned long long)mount.id);
	return 0;
}

int hostroot_note(const struct state_dir *d, const char *rootfs, struct err *e)
{
	char id[32];

	if (mounted_at(rootfs, id, e) < 0)
		return -e->code;
	return file_replace(d->fd, STATE_HOSTROOT, id, strlen(id), 0600, e);
}

int hostroot_unmount(const struct state_dir *d, const char *rootfs, struct err *e)
{
	owned_str before = STR_INIT;
	char now[32];
	int r = file_read(d->fd, STATE_HOSTROOT, sizeof now, &before, e);

	if (r == 0)
		r = mounted_at(rootfs, now, e);
	if (r == -ENOENT) {	/* nothing noted; or the root is gone, so nothing is mounted on it */
		*e = (struct err){ 0 };
		return 0;
	}
	if (r < 0)
		return r;
	if (strcmp(str_text(&before), now) == 0)
		return 0;
	/* EINVAL: no mount point, so whoever mounted the root took it away, with all on it. */
	if (umount2(rootfs, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 && errno != EINVAL)
		return err_set(e, errno, "unmount %s", rootfs);
	return 0;
}
