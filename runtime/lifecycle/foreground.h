/* SPDX-License-Identifier: Apache-2.0 */
/*
 * foreground: the runtime as the parent of a container's process: relays its
 * terminal and the signals that it gets, and waits for its end.
 */
#pragma once

#include "base/err.h"
#include "lifecycle/create.h"

/* Blocks the signals that foreground_wait() relays, so that none is lost while the container is being made;
 * the container itself starts with none blocked. */
void foreground_prepare(void);
/* Until the process ends; ret gets waitpid's status.  c->console may be -1. */
int foreground_wait(const struct created *c, int *ret_status, struct err *e);
/* What a shell would say: the exit status, or 128 + signal. */
int foreground_exit_code(int status);
