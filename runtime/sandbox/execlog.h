/* SPDX-License-Identifier: Apache-2.0 */
/*
 * execlog: every command that a container executes, with its exact arguments,
 * its parent, its exit code and its times, as the kernel saw them (DESIGN
 * section 7; THREATS F5 to F7).
 *
 * Two BPF programs per host, at the tracepoints sched_process_exec and
 * sched_process_exit, pinned with their maps in /sys/fs/bpf/agentrun: no process
 * stays, and the log outlives a SIGKILL of the runtime and of everything inside.
 *
 *   Which commands: those of the container's PID namespace and of all nested in
 *   it.  The kernel numbers a process in each namespace above it, so that none
 *   gets out by a namespace, a cgroup or setns(2), and what `exec` brings in is in.
 *   A namespace is told by its inode number, which the kernel uses again, and by
 *   when its first process started.  A cgroup would not do: where version 1 has the
 *   controllers a container may have no group of its own in version 2.
 *
 *   Which arguments: those on the new program's stack, after the kernel's copy and
 *   before its first instruction, where no thread of the caller can reach.
 *
 *   Where they go: one behind the other into segments of 16 KiB of a hash map, which
 *   the kernel allocates as commands come: a session that runs nothing costs nothing.
 *   (A ring for each session would be allocated and cleared at create, and putting it
 *   into a map of maps waits for an RCU grace period, some 9 ms.)
 *
 *   Overflow: a session takes `most` bytes, the host 64 MiB.  What comes later is
 *   counted as lost, so that what is kept is always the first part; where the log is
 *   required the program is killed before its first instruction.
 *
 * It needs a bpffs at /sys/fs/bpf, the kernel's type information (BTF), Linux 5.12
 * and root in the initial user namespace.  Must not be used for a container in a PID
 * namespace that was there before it: nothing of it would be logged.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

enum {
	EXECLOG_ARGV_MOST = 4096,	/* bytes of arguments that are kept */
	EXECLOG_PATH_MOST = 512,	/* of the path, with its NUL */
	EXECLOG_MOST = 8 << 20,		/* of a session's records: 20,000 commands of 400 bytes */
};

/* Whether this host can watch: the programs are there, or are loaded now, about 20 ms once per boot.
 * -EOPNOTSUPP: it can't, and why. */
int execlog_ready(struct err *e);

struct execlog_place {
	pid_t init;		/* the container's first process, which the caller has not reaped */
	unsigned long long started;	/* field 22 of its /proc/PID/stat, in the host's time namespace */
};

/*
 * Begins the log of a session, named by `key`: what is executed from now on in the
 * container.  A log of that name which was never freed is freed.  17 system calls, where the
 * programs are there.  Any error means that nothing is logged, and says why; -EOPNOTSUPP: no
 * try on this host can help.  A namespace has one log: -EEXIST.
 */
int execlog_watch(const char *key, const struct execlog_place *place, size_t most, bool required,
		  struct err *e);

/* One command, as long as the call of `each` lasts. */
struct execlog_command {
	pid_t pid, parent;		/* as the host numbers them */
	enum execlog_end {
		EXECLOG_UNSEEN,		/* it runs, or its end was lost */
		EXECLOG_EXITED,
		EXECLOG_REPLACED,	/* the process executed the next program */
		EXECLOG_FAILED,		/* the program did not begin (execlog_claims.h) */
		EXECLOG_ENDED,		/* the process exited, by this program or by one it asked for before */
	} end;
	int status;			/* EXITED, ENDED: as waitpid(2) tells */
	unsigned long long started, ended;	/* CLOCK_BOOTTIME, nanoseconds; ended: 0 if UNSEEN */
	const char *path;		/* what execve(2) was asked for; "/dev/fd/N" of a descriptor */
	bool path_cut;
	bool unlinked;			/* the file had no name left, as in a memfd */
	bool entered;			/* the process's parent is outside of the container */
	const char *argv;		/* one after the other, each with its NUL */
	size_t argv_kept;
	unsigned long long argv_size;	/* of all; if more than kept, those are the first */
};

struct execlog_total {
	unsigned long long commands;	/* passed to `each` */
	unsigned long long lost;	/* executed, but not in the log */
	unsigned long long unseen;	/* of these, as their process could not be looked at (execlog_claims.h) */
};

/*
 * Calls `each` for every command in the order in which they were executed, until it
 * returns a negative errno, with e set.  -ENOENT: there is no log of that name.
 */
int execlog_read(const char *key,
		 int (*each)(void *arg, const struct execlog_command *c, struct err *e), void *arg,
		 struct execlog_total *ret, struct err *e);

/* Ends the log and frees it, also that of another version of the program; none there is no error. */
int execlog_free(const char *key, struct err *e);
