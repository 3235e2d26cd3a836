/* SPDX-License-Identifier: Apache-2.0 */
/*
 * event: what a hook program finds on its standard input: an audit record of
 * agentrun, or the state of a container as every OCI runtime gives it to hooks
 * (OCI runtime specification, runtime.md, "State").
 */
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/str.h"

struct event {
	bool is_record;		/* of agentrun; else a container's state */
	/*
	 * One line without its newline.  A record stands as it was given, byte for byte: its
	 * hash is what witnesses the log.  A state is written anew: the time, its id, status, pid
	 * and bundle; not its annotations, which may hold anything.
	 */
	struct str line;
	char hash[HASH_HEX];	/* SHA-256 of the line */
	const char *event;	/* "create", ..., or the state's status: "creating", "stopped" */
	const char *container;	/* its id, NULL: none */
	const char *session;	/* a record's */
	const char *seq;	/* a record's, as text */
	bool noteworthy;	/* something was denied, lost or failed */
	const struct json *tree;
};

/* Reads fd to its end, at most a megabyte.  Everything lives in `a`, but for the line. */
int event_read(struct arena *a, int fd, struct event *ret, struct err *e);
void event_free(struct event *ev);

/* The line if it has at most `most` bytes; else what is short in it, its length and its hash. */
void event_summary(const struct event *ev, size_t most, struct str *out);
