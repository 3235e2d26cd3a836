/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/selinux.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>
#include <sys/xattr.h>

#include "base/fd.h"

static bool is_set(const char *label)
{
	return label && *label;
}

/* Before a policy is loaded everything is "kernel". */
static bool is_enabled(void)
{
	owned_str own = STR_INIT;
	struct statfs fs;
	struct err ignored;

	return statfs("/sys/fs/selinux", &fs) == 0 && fs.f_type == SELINUX_MAGIC &&
	       file_read(AT_FDCWD, "/proc/thread-self/attr/current", 4096, &own, &ignored) == 0 &&
	       strcmp(str_text(&own), "kernel") != 0;
}

int selinux_check(const char *label, const char *what, struct err *e)
{
	if (!is_set(label) || is_enabled())
		return 0;
	return err_say(e, ENOTSUP, "%s: \"%s\", but SELinux is not enabled on this host", what, label);
}

enum how { BY_OPTION, BY_XATTR, UNLABELLED };

/* As under runc: the policy labels by itself what belongs to the kernel. */
static enum how how_for(const char *type, const char *label)
{
	static const struct { const char *type; enum how how; } types[] = {
		{ "cgroup", UNLABELLED }, { "cgroup2", UNLABELLED }, { "mqueue", BY_XATTR },
		{ "proc", UNLABELLED }, { "sysfs", UNLABELLED },
	};

	if (!is_set(label))
		return UNLABELLED;
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (strcmp(types[i].type, type) == 0)
			return types[i].how;
	return BY_OPTION;
}

void selinux_mount_option(struct arena *a, const char *type, const char *label, struct mountopt *o)
{
	if (how_for(type, label) == BY_OPTION && !mountopt_has_data(o, "context"))
		mountopt_add_data(a, o, arena_printf(a, "context=%s", label));
}

int selinux_label_mount(const char *type, const char *label, int mount_fd, struct err *e)
{
	char path[64];

	if (how_for(type, label) != BY_XATTR)
		return 0;
	snprintf(path, sizeof path, "/proc/self/fd/%d", mount_fd);
	if (setxattr(path, "security.selinux", label, strlen(label) + 1, 0) < 0)
		return err_set(e, errno, "linux.mountLabel: label the %s", type);
	return 0;
}
