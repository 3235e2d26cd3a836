/* SPDX-License-Identifier: Apache-2.0 */
/*
 * activation: sockets that systemd opened for a service (sd_listen_fds(3)),
 * handed on to the container's first process, as runc and crun do: engines
 * leave that to the runtime.
 */
#pragma once

#include <sys/types.h>

#include "base/err.h"
#include "spec/spec.h"

/* How many there are, from descriptor 3 on; 0 if the variables are absent or meant for another
 * process. */
int activation_sockets(unsigned *ret, struct err *e);
/* The variables for a process of this pid, as the container counts, at the end. */
void activation_tell(struct arena *a, unsigned n, pid_t pid, struct strv *env);
