/* SPDX-License-Identifier: Apache-2.0 */
/*
 * commands: what the container executed, watched by the kernel from before its
 * program begins (sandbox/execlog.h), and recorded when it is deleted.
 */
#pragma once

#include "audit/record.h"
#include "audit/supply.h"
#include "base/err.h"
#include "lifecycle/state.h"

/* Begins the watch.  Where this host or this container can't be watched, state->unwatched says why, and
 * that is no error. */
int commands_watch(struct arena *a, struct state *state, const struct spec *s, struct err *e);

struct commands {
	struct audit_commands all;
	struct str *members;		/* of a record each, `all.recorded` of them */
	bool ended;			/* the first process's end was seen: */
	int wait_status;
	int64_t end_ns;			/* since 1970 */
	struct supplies asked;		/* packages that were asked for */
};
/* Once every process of the container is gone. */
void commands_read(struct arena *a, const struct state *state, struct commands *ret);
void commands_close(struct commands *c);
/* Ends the watch; none there is no error. */
int commands_forget(const struct state *state, struct err *e);
