/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deadline: ends a container when its limits.time is over.
 *
 * A companion process (companion.h) waits for the container's first process
 * or for the time, whichever comes first.
 */
#pragma once

#include "base/err.h"
#include "lifecycle/state.h"

/* Leaves a file of this name in the container's directory when it was the time that ended it. */
#define DEADLINE_FILE "deadline"

/* Called by start before the container runs: without a companion it must not. */
int deadline_watch(const struct state_dir *d, const struct state *s, uint64_t seconds,
		   struct err *e);
