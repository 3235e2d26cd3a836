/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handshake: the conversation of the runtime and the container's first
 * process, over a SOCK_SEQPACKET pair.  The messages are named in
 * stage2/plan.h; this is who says what when, in create:
 *
 *   runtime (create.c)                        container (init.c, then stage two)
 *   ------------------                        ----------------------------------
 *   reserve the state directory
 *   cgroup
 *   clone ----------------------------------> version 1: joins its cgroup
 *   egress table [1]
 *   systemd driver: scope made,  CGROUP ->    else waits for this
 *                                             joins the given namespaces
 *                        (<- PID              if that took a second clone
 *                            PID ->)           the second one waits for this
 *   device rules, on version 2
 *                          <- NAMESPACES
 *   write id maps, raise limits [2]
 *                             MAPPED ->       waits for this if there are any
 *                                             loopback up, egress table (if not [1])
 *                          <- NETWORK
 *   pin the network namespace
 *   move network devices into it
 *   prestart, createRuntime hooks
 *                             HOOKED ->       waits for this if there are any of both
 *   list a writable workspace                 mounts, devices
 *                                             createContainer hooks
 *                                             enter the root
 *                         (<- ROOT            if there is a policy
 *   record appended)                          mask, terminal
 *   pid file, beside its place                execveat stage two: ids, capabilities, cwd
 *                          <- READY           and what of its scheduling it may not set itself
 *   sets that, state
 *                             GO ->
 *                          <- READY           (outlives the runtime from here)
 *   created, pid file                         listens on its start socket
 *
 *   start (start.c):          GO ->
 *                                             filter
 *                          (<- LISTENER       if a filter has one
 *   send it to listenerPath,
 *   or to a process of ours
 *                             GO ->)
 *                                             startContainer hooks, exec
 *   poststart hooks        <- the end, or FAILED
 *
 * In run, start follows at once, on the same socket: its GO is the only one, and
 * may be there before READY (create.c, goes_on_by_itself).
 *
 * [1] Where the namespace is new and there are no hooks: nobody else runs in it
 *     before READY, which the runtime expects only when the table stands.
 *
 * [2] Without a user namespace the child has the rights to raise them itself.
 *
 * In exec, stage two says PID once it joined the PID namespace, hears MAPPED,
 * and says READY before GO (and LISTENER, as in start), which may be there already
 * as in run; the socket's end means that the exec succeeded.
 */
#pragma once

#include <sys/types.h>

#include "base/err.h"
#include "stage2/plan.h"

/* The place where a created container waits for start: a socket called `name` in a directory. */
int handshake_listen(int dirfd, const char *name, int *ret_fd, struct err *e);
/* -ECONNREFUSED: nobody waits there any more. */
int handshake_connect(int dirfd, const char *name, int *ret_fd, struct err *e);

/* A pair; both ends close-on-exec. */
int handshake_pair(int ret_fds[2], struct err *e);
int handshake_say(int fd, enum message_kind kind, pid_t pid, struct err *e);
/* The child's last word; does not fail. */
void handshake_fail(int fd, const struct err *why);
/* The error that says that the peer is gone. */
int handshake_ended(enum message_kind before, struct err *e);
/* Waits for a message of that kind; MESSAGE_FAILED becomes the error it carries.  The end of the
 * conversation is -EPIPE.  m may be NULL. */
int handshake_expect(int fd, enum message_kind kind, struct message *m, struct err *e);
/* After an error of one's own: what the child said of its failure, from which that may follow (its /proc
 * is gone), is the reason instead. */
void handshake_reason(int fd, struct err *e);
/* Waits for the end: the peer exec'ed (0), or the error it sends. */
int handshake_expect_end(int fd, struct err *e);
