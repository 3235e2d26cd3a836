/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sys: system calls and constants that Debian 12's C library lacks, and
 * probes of what the running kernel can do.  Wrappers return -1 and set
 * errno like the C library's own.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <linux/openat2.h>

struct clone_args;
struct mount_attr;

/* The kernel's struct sched_attr (Linux 5.3); its header and the C library's exclude each other. */
struct sys_sched_attr {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;	/* nanoseconds */
	uint32_t util_min, util_max;
};

/* Of an entry itself, be it a link (statx(2), Linux 4.11). */
struct sys_entry {
	unsigned mode;
	uint64_t size;
	int64_t changed, born;	/* ns, of the file system's clock; born: 0 where it does not keep it */
};
int sys_entry_of(int dirfd, const char *name, struct sys_entry *ret);
/* As getdents64(2) has it; not every C library does. */
struct sys_dirent {
	uint64_t inode, offset;
	unsigned short size;	/* to the next one */
	unsigned char type;	/* DT_* */
	char name[];
};
ssize_t sys_getdents(int fd, void *buf, size_t size);
/* Of the mount that a file is on (statx(2); its number is told since Linux 5.8). */
struct sys_mount {
	uint64_t id, ino;	/* the mount's, and the file's own */
	bool root;		/* the file is the mount's root; false if the kernel doesn't say */
};

int sys_mount_of(int dirfd, const char *path, int flags, struct sys_mount *ret);
/* Of a clock that nobody sets (CLOCK_MONOTONIC). */
int64_t sys_now_ms(void);
pid_t sys_clone3(struct clone_args *args, size_t size);
int sys_openat2(int dirfd, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve);
int sys_renameat2(int from_dirfd, const char *from, int to_dirfd, const char *to, unsigned flags);
int sys_open_tree(int dirfd, const char *path, unsigned flags);
int sys_move_mount(int from_dirfd, const char *from, int to_dirfd, const char *to, unsigned flags);
int sys_mount_setattr(int dirfd, const char *path, unsigned flags, struct mount_attr *attr);
int sys_fsopen(const char *fsname, unsigned flags);
int sys_fsconfig(int fd, unsigned cmd, const char *key, const void *value, int aux);
int sys_fsmount(int fd, unsigned flags, unsigned attr_flags);
int sys_pivot_root(const char *new_root, const char *put_old);
int sys_pidfd_open(pid_t pid, unsigned flags);
int sys_pidfd_send_signal(int pidfd, int sig);
int sys_pidfd_getfd(int pidfd, int fd, unsigned flags);
int sys_seccomp(unsigned op, unsigned flags, const void *args);
int sys_close_range(unsigned first, unsigned last, unsigned flags);
int sys_execveat(int dirfd, const char *path, char *const argv[], char *const envp[], int flags);
/* A union bpf_attr is zeroed by memset(3): the kernel refuses what is set where it looks for nothing, and an
 * initializer leaves (GCC 15) what is beyond the member that it names. */
int sys_bpf(int cmd, void *attr, size_t size);
int sys_sched_setattr(pid_t pid, const struct sys_sched_attr *attr);
int sys_ioprio_set(pid_t pid, int value);	/* of one thread */
