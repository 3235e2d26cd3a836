/* SPDX-License-Identifier: Apache-2.0 */
/*
 * self: programs that this one carries or is, executed from memory.
 *
 * What runs was sealed before: nobody can write to it any more, through
 * /proc/PID/exe of the process least of all (CVE-2019-5736).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* A sealed file in memory (memfd_create(2)), close-on-exec; since Linux 6.3 one that can be executed
 * only if that is asked for. */
int self_seal(const char *name, bool executable, const void *data, size_t size, int *ret_fd,
	      struct err *e);
/* Executes it in our place with our own arguments and environment; returns only an error. */
int self_execute(int fd, struct err *e);
/* Executes a sealed copy of the running program; 0 if it is one already. */
int self_execute_sealed(struct err *e);
