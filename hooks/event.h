/* SPDX-License-Identifier: Apache-2.0 */
/*
 * event: what a hook program finds on its standard input: an audit record of
 * agentrun, or the state of a container as every OCI runtime gives it to hooks
 * (OCI runtime specification, runtime.md, "State").
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/json.h"
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
	uint64_t time;		/* nanoseconds since 1970 in UTC, 0: not known */
	bool noteworthy;	/* something was denied, lost or failed */
	const struct json *tree;	/* of the line */
};

/* A member of the line that every forwarder names apart, beside the whole of it. */
struct event_field {
	const char *in;		/* the line's member that holds it, NULL: the line itself */
	const char *member;
	/* Its name in OpenTelemetry: of the semantic conventions where they have it, else ours. */
	const char *attribute;
	bool noteworthy;	/* it is there, and neither 0 nor false: something was denied, ... */
};
enum { EVENT_FIELDS = 44 };
extern const struct event_field event_fields[EVENT_FIELDS];	/* in the order of writing */
/* NULL: there is none, or it is null. */
const struct json *event_value(const struct event *ev, const struct event_field *f);
/* A value as text: a string's own, else its JSON. */
void event_text(const struct json *value, struct str *out);

/* How loud an event is, in the numbers of those who take it. */
struct event_severity {
	unsigned syslog;	/* RFC 5424 section 6.2.1 */
	unsigned otel;		/* OpenTelemetry's log data model, "Mapping of SeverityNumber" */
	const char *name;
};
const struct event_severity *event_severity(const struct event *ev);

/* Reads fd to its end, at most a megabyte.  Everything lives in `a`, but for the line. */
int event_read(struct arena *a, int fd, struct event *ret, struct err *e);
void event_free(struct event *ev);

/* The line if it has at most `most` bytes; else those of its fields that are short, its length and
 * its hash. */
void event_summary(const struct event *ev, size_t most, struct str *out);
