/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tty: the container's terminal.
 *
 * The pair is made inside the container, from its own devpts, by the
 * process that will use it; the other end goes to the engine over the console
 * socket (or to the runtime itself in the foreground).
 */
#pragma once

#include <sys/types.h>

#include "base/err.h"
#include "spec/spec.h"

/* Opens a pair in the devpts at /dev/pts of the root that the caller is in, without following what an image
 * put there: it must be a ptmx (5:2) of a devpts.  The slave is given to the process's user, the size set
 * if there is one. */
int tty_open(const struct spec_process *p, int *ret_master, int *ret_slave, struct err *e);
/* Sends the master with SCM_RIGHTS; the data is the slave's name, as runc sends it. */
int tty_send(int socket_fd, int master, struct err *e);
/* The foreground's end, before the process runs: of the caller's size, and without carriage returns. */
int tty_receive(int socket_fd, int *ret_master, struct err *e);

/* The foreground: raw mode of the caller's own terminal, to be given back. */
struct tty_saved;
struct tty_saved *tty_raw(int fd);		/* NULL: fd is no terminal */
void tty_restore(struct tty_saved *saved);	/* frees it; NULL is fine */
void tty_copy_size(int from, int to);
