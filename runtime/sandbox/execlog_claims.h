/* SPDX-License-Identifier: Apache-2.0 */
/*
 * execlog_claims: the log of commands where the kernel lets nobody watch, as for a
 * user without root: a seccomp filter has execve(2) and execveat(2) ask a process
 * outside of the container, the server, which looks at the caller, writes a record
 * and lets the call go on (SECCOMP_RET_USER_NOTIF, Linux 5.0; _CONTINUE, 5.5).
 *
 *   No command escapes it: a filter stays with all that a process starts, and none that
 *   is added later takes its answer back, but by one that fails the call.
 *
 *   The path and the arguments are CLAIMS: another thread may change them before the
 *   kernel reads them itself.
 *
 *   A call may fail after it was let go on, as when a program is searched for in $PATH: one
 *   whose thread asks again on the same stack, or is gone when another does, is told as
 *   EXECLOG_FAILED.  prctl(PR_SET_MM) fails, by which a process would say what its stack is, and
 *   where stacks are not placed by chance nothing is told to have failed.
 *
 *   Of what two threads ask for at once only one program begins, and which is not seen: the first
 *   is told as EXECLOG_UNSEEN, and the last as EXECLOG_ENDED when the process exits.
 *
 *   Exit codes are the kernel's own word, by a pidfd of each process (PIDFD_GET_INFO,
 *   Linux 6.15; before, only of one that is not reaped at once).
 *
 *   Without its server no program begins: execve(2) fails with ENOSYS.  There can be only
 *   one such filter with a listener; another gives EBUSY, also when the server is gone.
 *
 * It needs no right but that to trace the container's processes, which the owner of its
 * user namespace has.  The records are those of execlog.h, in a file that is bounded as
 * they are, and shared by the server of the container and those of each exec.
 */
#pragma once

#include "sandbox/execlog.h"
#include "sandbox/seccomp.h"

/* For stage two, which hands its listener over (lifecycle/listener.h).  -EOPNOTSUPP: not known for this
 * architecture, or kernel. */
int execlog_claims_filter(struct arena *a, struct seccomp_program *ret, struct err *e);

/* Makes the file, which must not be there yet. */
int execlog_claims_make(int dirfd, const char *name, size_t most, bool required, struct err *e);
/* The file for a server; until that ends, whoever reads it waits. */
int execlog_claims_open(int dirfd, const char *name, int *ret_fd, struct err *e);
/* The server: returns when the last process that has the filter is gone. Owns both.  0, or 1 if it can't serve. */
int execlog_claims_serve(int listener, int log_fd);

/* When every process of the container is gone: waits up to a second for its servers to end. */
void execlog_claims_await(int dirfd, const char *name);
/*
 * As execlog_read(), once they were awaited.
 * -ETIMEDOUT: not all have ended; -ECONNRESET: one was killed: then `each` was called for what there is.
 */
int execlog_claims_read(int dirfd, const char *name,
			int (*each)(void *arg, const struct execlog_command *c, struct err *e), void *arg,
			struct execlog_total *ret, struct err *e);
