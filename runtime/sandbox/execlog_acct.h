/* SPDX-License-Identifier: Apache-2.0 */
/*
 * execlog_acct: what is known of commands where execlog.h can't be: the kernel's
 * process accounting (acct(2)) of the container's own PID namespace, one record for
 * each process when it has ended.
 *
 * It has a name of at most 15 bytes, which the process may change, no arguments, and
 * nothing of what runs still; a process that executed several programs has one
 * record.  The exit codes are right, also that of the container's first process.
 *
 * The file must be on a file system whose size is bounded, since any fork adds to it: the
 * kernel stops writing when only 2% are free (proc(5), kernel.acct), which is not told in
 * the file.  Must not be begun in a namespace that is shared, whose processes it would be
 * of.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

/*
 * Begins it for the PID namespace of the caller, which is the container's first process; the file is
 * there, and empty.  It ends with the namespace, and before that with the mount that the path leads to: not the
 * caller's copy of it, which goes with the host's root, but the host's own, as by a descriptor.  -EPERM:
 * without CAP_SYS_PACCT in the initial user namespace; -ENOSYS: the kernel was built without.
 */
int execlog_acct_begin(const char *path, struct err *e);

struct execlog_acct {
	pid_t pid, parent;		/* as the container numbers them; parent 0: from outside */
	uid_t uid;
	bool executed;			/* a program; else it was only forked */
	int status;			/* as waitpid(2) tells */
	unsigned long long started;	/* seconds since 1970 */
	unsigned long long lasted;	/* milliseconds */
	char name[17];
};

/* Calls `each` for every process in the order in which they ended, until it returns a negative errno
 * with e set.  -EINVAL: there is what is no record of the kind that is known (version 3). */
int execlog_acct_read(int dirfd, const char *path,
		      int (*each)(void *arg, const struct execlog_acct *p, struct err *e), void *arg,
		      struct err *e);
