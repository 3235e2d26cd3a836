/* SPDX-License-Identifier: Apache-2.0 */
/* start: the created container's process becomes its program. */
#pragma once

#include "lifecycle/create.h"

/* Waits for the container to be ready if systemd wants to know (notify.h). */
int lifecycle_start(struct arena *a, const struct runtime *rt, const char *id, struct err *e);
/* The same at once after create; lets go of the container's directory.  foreground: c->notify is for the
 * caller to wait for. */
int lifecycle_start_created(struct arena *a, const struct runtime *rt, struct created *c,
			    bool foreground, struct err *e);
