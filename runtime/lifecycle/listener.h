/* SPDX-License-Identifier: Apache-2.0 */
/*
 * listener: who answers for the system calls of SCMP_ACT_NOTIFY.
 *
 * The filter is loaded last, by stage two; so it is start, and exec, that hands the descriptor over.
 * The socket is opened here, outside the container, which never sees it; a container whose listener
 * cannot be reached does not run.
 */
#pragma once

#include <sys/types.h>

#include "base/err.h"
#include "lifecycle/state.h"
#include "spec/spec.h"

/* Early, so that a listener that is not there is create's error: connecting comes with sending only. */
int listener_check(const struct spec_seccomp *s, struct err *e);
/* Awaits LISTENER of stage two, whose pidfd it is; it waits for GO then. */
int listener_take(int pidfd, int sync_fd, int *ret_fd, struct err *e);
/* Awaits LISTENER of stage two, process `pid` of the container, and says GO; nothing to do where the
 * stored configuration (state.h) has no seccomp. */
int listener_hand_over(const struct spec_seccomp *s, const struct state *state, enum status status,
		       pid_t pid, int pidfd, int sync_fd, struct err *e);
