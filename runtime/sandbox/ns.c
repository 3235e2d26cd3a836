/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/ns.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/nsfs.h>

#include "base/fd.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080	/* Linux 5.6 */
#endif

const struct ns_kind_info ns_kinds[NS_KINDS] = {
	[NS_USER] = { "user", "user", CLONE_NEWUSER },
	[NS_MOUNT] = { "mount", "mnt", CLONE_NEWNS },
	[NS_NETWORK] = { "network", "net", CLONE_NEWNET },
	[NS_PID] = { "pid", "pid", CLONE_NEWPID },
	[NS_IPC] = { "ipc", "ipc", CLONE_NEWIPC },
	[NS_UTS] = { "uts", "uts", CLONE_NEWUTS },
	[NS_CGROUP] = { "cgroup", "cgroup", CLONE_NEWCGROUP },
	[NS_TIME] = { "time", "time", CLONE_NEWTIME },
};

static const struct ns_set none = {
	.join_fd = { [0 ... NS_KINDS - 1] = -1 },
};

void ns_close(struct ns_set *set)
{
	for (int i = 0; i < NS_KINDS; i++)
		fd_close(&set->join_fd[i]);
}

static int kind_of(const char *oci)
{
	for (int i = 0; i < NS_KINDS; i++)
		if (strcmp(ns_kinds[i].oci, oci) == 0)
			return i;
	return -1;
}

static int open_namespace(const char *path, int kind, int *ret_fd, struct err *e)
{
	owned_fd fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	int type;

	if (fd < 0)
		return err_set(e, errno, "open %s", path);
	type = ioctl(fd, NS_GET_NSTYPE);
	if (type != ns_kinds[kind].clone_flag)
		return err_say(e, EINVAL, "%s is not a %s namespace", path, ns_kinds[kind].oci);
	*ret_fd = fd_take(&fd);
	return 0;
}

int ns_from_spec(const struct spec *s, struct ns_set *ret, struct err *e)
{
	owned_ns_set set = none;

	for (size_t i = 0; i < s->linux_->namespaces.n; i++) {
		const struct spec_namespace *n = &s->linux_->namespaces.v[i];
		int kind = kind_of(n->type);

		if (kind < 0)
			return err_say(e, EINVAL, "linux.namespaces[%zu].type: unknown \"%s\"", i,
				       n->type);
		if (!n->path || !*n->path)
			set.fresh[kind] = true;
		else if (open_namespace(n->path, kind, &set.join_fd[kind], e) < 0)
			return err_in(e, "linux.namespaces[%zu].path", i);
	}
	*ret = set;
	set = none;
	return 0;
}

int ns_of_process(pid_t pid, struct ns_set *ret, struct err *e)
{
	owned_ns_set set = none;
	char path[64];
	owned_fd theirs = -1, ours = open("/proc/self/ns", O_PATH | O_DIRECTORY | O_CLOEXEC);

	snprintf(path, sizeof path, "/proc/%d/ns", pid);
	theirs = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (ours < 0 || theirs < 0)
		return err_set(e, errno, "namespaces of process %d", pid);
	for (int i = 0; i < NS_KINDS; i++) {
		const char *name = ns_kinds[i].proc;
		struct stat a, b;

		if (fstatat(ours, name, &b, 0) < 0)
			continue;	/* a kind that this kernel does not have */
		if (fstatat(theirs, name, &a, 0) < 0)
			return err_set(e, errno, "%s namespace of process %d", ns_kinds[i].oci, pid);
		if (a.st_ino == b.st_ino && a.st_dev == b.st_dev)
			continue;
		set.join_fd[i] = openat(theirs, name, O_RDONLY | O_CLOEXEC);
		if (set.join_fd[i] < 0)
			return err_set(e, errno, "%s namespace of process %d", ns_kinds[i].oci, pid);
	}
	*ret = set;
	set = none;
	return 0;
}

/* Made by unshare once the process is in its cgroup (a cgroup namespace's root is the cgroup at that
 * moment), or by the parent beforehand (time). */
static bool made_by_clone(const struct ns_set *set, int kind)
{
	return set->fresh[kind] && kind != NS_CGROUP && kind != NS_TIME;
}

/* A namespace of the host's is joined with the host's rights, before the user namespace is entered. */
static bool user_is_late(const struct ns_set *set)
{
	bool joins = false;

	for (int i = 0; i < NS_KINDS; i++)
		joins |= set->join_fd[i] >= 0;
	return joins && (set->join_fd[NS_USER] >= 0 || set->fresh[NS_USER]);
}

uint64_t ns_clone_flags(const struct ns_set *set)
{
	uint64_t flags = 0;

	for (int i = 0; i < NS_KINDS; i++)
		if (made_by_clone(set, i) && !user_is_late(set))
			flags |= (uint64_t)ns_kinds[i].clone_flag;
	return flags;
}

bool ns_needs_second_clone(const struct ns_set *set)
{
	return set->join_fd[NS_PID] >= 0 || (user_is_late(set) && set->fresh[NS_PID]);
}

int ns_enter(const struct ns_set *set, struct err *e)
{
	int flags = set->fresh[NS_CGROUP] ? CLONE_NEWCGROUP : 0;
	bool joined[NS_KINDS] = { false };

	for (int i = NS_USER + 1; i < NS_KINDS; i++) {
		joined[i] = set->join_fd[i] < 0 || setns(set->join_fd[i], 0) == 0;
		/* A caller without rights of its own finds them in the user namespace. */
		if (!joined[i] && (errno != EPERM || set->join_fd[NS_USER] < 0))
			return err_set(e, errno, "join the %s namespace", ns_kinds[i].oci);
		if (user_is_late(set) && made_by_clone(set, i) && i != NS_PID)
			flags |= ns_kinds[i].clone_flag;
	}
	if (user_is_late(set) && set->fresh[NS_USER])
		flags |= CLONE_NEWUSER;
	if (set->join_fd[NS_USER] >= 0 && setns(set->join_fd[NS_USER], 0) < 0)
		return err_set(e, errno, "join the user namespace");
	for (int i = NS_USER + 1; i < NS_KINDS; i++)
		if (!joined[i] && setns(set->join_fd[i], 0) < 0)
			return err_set(e, errno, "join the %s namespace", ns_kinds[i].oci);
	if (flags && unshare(flags) < 0)
		return err_set(e, errno, "create namespaces (flags %#x)", (unsigned)flags);
	return 0;
}

int ns_new_time(const struct spec *s, struct err *e)
{
	owned_str text = STR_INIT;
	owned_fd fd = -1;

	if (unshare(CLONE_NEWTIME) < 0)
		return err_set(e, errno, "linux.namespaces: create a time namespace");
	for (size_t i = 0; i < s->linux_->time_offsets.n; i++) {
		const struct spec_time_offset *o = &s->linux_->time_offsets.v[i];

		str_printf(&text, "%s %" PRId64 " %" PRId64 "\n", o->clock, o->secs, o->nanosecs);
	}
	if (text.len && file_put(AT_FDCWD, "/proc/self/timens_offsets", text.s, e) < 0)
		return err_in(e, "linux.timeOffsets");
	/* unshare(2) moves children only, and from Linux 6.1 on the caller with its next execve(2) */
	fd = open("/proc/self/ns/time_for_children", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWTIME) < 0)
		return err_set(e, errno, "linux.namespaces: enter the time namespace");
	return 0;
}
