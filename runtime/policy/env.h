/* SPDX-License-Identifier: Apache-2.0 */
/*
 * env: which variables of a process look like credentials, by name and by
 * value (THREATS E1-E3).  The same code serves create and exec.  Pure: no I/O; values are looked at, never stored.
 */
#pragma once

#include "base/err.h"
#include "spec/spec.h"

bool env_name_is_credential(const char *name);
bool env_value_is_credential(const char *value);
/* The few variables that `strict` keeps without being told to. */
bool env_name_is_basic(const char *name);

/* Replaces *env by what may stay; names of what was dropped are added to `dropped` (once each),
 * and to `why`, where it is not NULL, a line of explanation for each. */
void env_scrub(struct arena *a, const struct spec_agent *agent, struct strv *env,
	       struct strv *dropped, struct strv *why);
