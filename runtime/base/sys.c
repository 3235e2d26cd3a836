/* SPDX-License-Identifier: Apache-2.0 */
#include "base/sys.h"

#include <fcntl.h>
#include <linux/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef SYS_mount_setattr
#define SYS_mount_setattr 442
#endif

int sys_mount_of(int dirfd, const char *path, int flags, struct sys_mount *ret)
{
	struct statx st;
	int r = (int)syscall(SYS_statx, dirfd, path, flags, STATX_INO | STATX_MNT_ID, &st);

	if (r == 0)
		*ret = (struct sys_mount){
			.id = st.stx_mnt_id, .ino = st.stx_ino,
			.root = (st.stx_attributes_mask & st.stx_attributes) & STATX_ATTR_MOUNT_ROOT,
		};
	return r;
}

static int64_t ns(struct statx_timestamp t)
{
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

int sys_entry_of(int dirfd, const char *name, struct sys_entry *ret)
{
	struct statx st;
	int r = (int)syscall(SYS_statx, dirfd, name, AT_SYMLINK_NOFOLLOW | AT_STATX_DONT_SYNC,
			     STATX_TYPE | STATX_MODE | STATX_SIZE | STATX_CTIME | STATX_BTIME, &st);

	if (r == 0)
		*ret = (struct sys_entry){
			.mode = st.stx_mode, .size = st.stx_size, .changed = ns(st.stx_ctime),
			.born = st.stx_mask & STATX_BTIME ? ns(st.stx_btime) : 0,
		};
	return r;
}

int64_t sys_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

pid_t sys_clone3(struct clone_args *args, size_t size)
{
	return (pid_t)syscall(SYS_clone3, args, size);
}

int sys_openat2(int dirfd, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve)
{
	struct open_how how = { .flags = flags, .mode = mode, .resolve = resolve };

	return (int)syscall(SYS_openat2, dirfd, path, &how, sizeof how);
}

int sys_renameat2(int from_dirfd, const char *from, int to_dirfd, const char *to, unsigned flags)
{
	return (int)syscall(SYS_renameat2, from_dirfd, from, to_dirfd, to, flags);
}

int sys_open_tree(int dirfd, const char *path, unsigned flags)
{
	return (int)syscall(SYS_open_tree, dirfd, path, flags);
}

int sys_move_mount(int from_dirfd, const char *from, int to_dirfd, const char *to, unsigned flags)
{
	return (int)syscall(SYS_move_mount, from_dirfd, from, to_dirfd, to, flags);
}

int sys_mount_setattr(int dirfd, const char *path, unsigned flags, struct mount_attr *attr)
{
	enum { MOUNT_ATTR_SIZE_0 = 32 };	/* Linux 5.12 */

	return (int)syscall(SYS_mount_setattr, dirfd, path, flags, attr, (size_t)MOUNT_ATTR_SIZE_0);
}

int sys_fsopen(const char *fsname, unsigned flags)
{
	return (int)syscall(SYS_fsopen, fsname, flags);
}

int sys_fsconfig(int fd, unsigned cmd, const char *key, const void *value, int aux)
{
	return (int)syscall(SYS_fsconfig, fd, cmd, key, value, aux);
}

int sys_fsmount(int fd, unsigned flags, unsigned attr_flags)
{
	return (int)syscall(SYS_fsmount, fd, flags, attr_flags);
}

int sys_pivot_root(const char *new_root, const char *put_old)
{
	return (int)syscall(SYS_pivot_root, new_root, put_old);
}

int sys_pidfd_open(pid_t pid, unsigned flags)
{
	return (int)syscall(SYS_pidfd_open, pid, flags);
}

int sys_pidfd_send_signal(int pidfd, int sig)
{
	return (int)syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0);
}

int sys_pidfd_getfd(int pidfd, int fd, unsigned flags)
{
	return (int)syscall(SYS_pidfd_getfd, pidfd, fd, flags);
}

int sys_seccomp(unsigned op, unsigned flags, const void *args)
{
	return (int)syscall(SYS_seccomp, op, flags, args);
}

int sys_close_range(unsigned first, unsigned last, unsigned flags)
{
	return (int)syscall(SYS_close_range, first, last, flags);
}

int sys_execveat(int dirfd, const char *path, char *const argv[], char *const envp[], int flags)
{
	return (int)syscall(SYS_execveat, dirfd, path, argv, envp, flags);
}

ssize_t sys_getdents(int fd, void *buf, size_t size)
{
	return syscall(SYS_getdents64, fd, buf, size);
}

int sys_bpf(int cmd, void *attr, size_t size)
{
	return (int)syscall(SYS_bpf, cmd, attr, size);
}

int sys_sched_setattr(pid_t pid, const struct sys_sched_attr *attr)
{
	return (int)syscall(SYS_sched_setattr, pid, attr, 0);
}

int sys_ioprio_set(pid_t pid, int value)
{
	enum { WHO_PROCESS = 1 };	/* linux/ioprio.h */

	return (int)syscall(SYS_ioprio_set, WHO_PROCESS, pid, value);
}
