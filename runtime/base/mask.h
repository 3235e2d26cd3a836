/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mask: what a pattern of workspace.mask names (agentrun-policy(5)), for who hides
 * it and for who tells of it.
 */
#pragma once

#include <stdbool.h>

#include "base/arena.h"

/* "./x" as "/x", and without a trailing "/" or "/" and two stars, which only say that it is a
 * directory. */
const char *mask_trim(struct arena *a, const char *pattern);
/* path: from the workspace's top.  The pattern is trimmed, here and below. */
bool mask_matches(const char *pattern, const char *path);
/* Of one path only, which a walk may not come to: below what it leaves out, or too deep. */
bool mask_is_plain(const char *pattern);
/* Directories that hold too much to be looked through. */
bool mask_passes_by(const char *name);
