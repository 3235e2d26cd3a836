/* SPDX-License-Identifier: Apache-2.0 */
/*
 * logsocket: one message to the local socket of a log daemon, within a bounded time.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

struct logsocket {
	int fd;			/* the caller's to close */
	bool stream;		/* else datagrams */
	const char *path;	/* names it in errors */
	unsigned timeout;	/* milliseconds that a message may wait for the daemon */
};

/* Connects to s->path: with datagrams or, where it may be and only that will do, as a stream. */
int logsocket_connect(struct logsocket *s, bool may_stream, struct err *e);
/* The message whole, and with it a copy of `pass` unless that is -1.  -EMSGSIZE: too long for a
 * datagram; -ETIMEDOUT: the daemon took nothing. */
int logsocket_send(const struct logsocket *s, const struct str *message, int pass, struct err *e);
