/* SPDX-License-Identifier: Apache-2.0 */
/*
 * masked: what the container did not see (workspace.mask), where it may have committed
 * to a git repository: to git inside those files were empty, so that `git commit -a`
 * empties or deletes them in the branch.
 *
 * They are looked for in the workspace as it is now, for a bounded time.
 */
#pragma once

#include "base/str.h"
#include "review/changes.h"

/* A line that names them; nothing where none is there, or where no objects or references of git are among
 * the changes. */
void masked_put(const struct review_store *s, const struct changes *c, int workspace_fd, struct str *out);
