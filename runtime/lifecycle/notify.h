/* SPDX-License-Identifier: Apache-2.0 */
/*
 * notify: sd_notify(3) out of the container.
 *
 * systemd hears only processes of the unit, which a container's are not: the
 * container gets a socket of its own, and whoever started it tells systemd
 * that it is ready, and which process it is, as under runc.  Nothing else of
 * what the container says is passed on.
 */
#pragma once

#include "base/err.h"
#include "lifecycle/state.h"
#include "spec/spec.h"

#define NOTIFY_ENV "NOTIFY_SOCKET=/run/notify/notify.sock"	/* of the container */

/* Whether systemd wants to hear from this process. */
bool notify_wanted(void);
/* create: the place of the socket, and its mount. */
int notify_mount(struct arena *a, struct spec *s, const struct state_dir *d, struct err *e);
/* start: the socket, -1 if nobody wants to hear, or the container was not made for it. */
int notify_listen(const struct state_dir *d, int *ret_fd, struct err *e);
/* Takes one message; true: it was the one, and there is no more to wait for. */
bool notify_relay(int fd, pid_t pid);
/* Until then, or until the process ends. */
void notify_wait(int fd, pid_t pid, int pidfd);
