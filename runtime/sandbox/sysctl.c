/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "base/sys.h"
#include "sandbox/rootfs_parts.h"
#include "sandbox/rootpath.h"

/* The model's keys have dots between names, and slashes for dots within one: a path has it the other
 * way round. */
static void put_path(struct str *path, const char *key)
{
	for (; *key; key++)
		str_append(path, *key == '.' ? "/" : *key == '/' ? "." : key, 1);
}

/* net/../kernel/core_pattern is beneath /proc/sys, and not what its prefix says. */
static bool climbs(const char *path)
{
	while (*path) {
		size_t n = strcspn(path, "/");

		if (n == 0 || (n == 1 && path[0] == '.') || (n == 2 && !strncmp(path, "..", 2)))
			return true;
		path += n + (path[n] == '/');
	}
	return false;
}

static int check_owner(const struct spec *s, const char *key, const char *path, struct err *e)
{
	const char *namespace = spec_sysctl_namespace(key);

	if (climbs(path))
		return err_say(e, EINVAL, "is not the name of a sysctl");
	if (!namespace)
		return err_say(e, EPERM, "belongs to no namespace: it would change the host");
	if (!spec_namespace_find(s, namespace))
		return err_say(e, EPERM, "needs a %s namespace of the container's own", namespace);
	return 0;
}

/*
 * Opened beneath a /proc that is known to be procfs's own root, over no link
 * and into no other mount, so that the text lands in this very sysctl
 * (CVE-2025-52881).
 */
static int write_one(int proc, const char *path, const char *value, struct err *e)
{
	owned_str below = STR_INIT;
	owned_fd fd = -1;
	struct statfs fs;

	str_printf(&below, "sys/%s", path);
	fd = sys_openat2(proc, below.s, O_WRONLY | O_CLOEXEC | O_NOCTTY, 0,
			 RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV);
	if (fd < 0)
		return err_set(e, errno, "open /proc/%s", below.s);
	if (fstatfs(fd, &fs) < 0 || fs.f_type != PROC_SUPER_MAGIC)
		return err_say(e, EPERM, "/proc/%s is not in procfs", below.s);
	if (write(fd, value, strlen(value)) < 0)
		return err_set(e, errno, "write \"%s\" to /proc/%s", value, below.s);
	return 0;
}

int sysctl_write(int root_fd, const struct spec *s, struct err *e)
{
	enum { PROC_ROOT_INO = 1 };
	owned_fd proc = -1;
	struct statfs fs;
	struct stat st;
	int r;

	if (!s->linux_ || !s->linux_->sysctl.n)
		return 0;
	if ((r = rootpath_open_plain(root_fd, "/proc", O_PATH | O_DIRECTORY, &proc, e)) < 0)
		return err_in(e, "linux.sysctl");
	if (fstatfs(proc, &fs) < 0 || fstat(proc, &st) < 0)
		return err_set(e, errno, "linux.sysctl: stat /proc");
	if (fs.f_type != PROC_SUPER_MAGIC || st.st_ino != PROC_ROOT_INO)
		return err_say(e, EPERM, "linux.sysctl: no procfs is mounted at /proc");
	for (size_t i = 0; i < s->linux_->sysctl.n; i++) {
		const struct kv *kv = &s->linux_->sysctl.v[i];
		owned_str path = STR_INIT;

		put_path(&path, kv->key);
		if ((r = check_owner(s, kv->key, str_text(&path), e)) < 0 ||
		    (r = write_one(proc, str_text(&path), kv->value, e)) < 0)
			return err_in(e, "linux.sysctl[\"%s\"]", kv->key);
	}
	return 0;
}
