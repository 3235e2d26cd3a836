/* SPDX-License-Identifier: Apache-2.0 */
/*
 * evidence: what the audit log gets at create, start, exec and delete, and
 * the audit hooks that are run with each record (DESIGN section 7).
 *
 * A container without a policy leaves no record.  With audit.mode=required a
 * record that cannot be written, or a required hook that fails, is an error;
 * otherwise it is a warning.
 */
#pragma once

#include "base/err.h"
#include "lifecycle/create.h"
#include "lifecycle/state.h"
#include "lifecycle/workspace.h"
#include "sandbox/egress.h"

int evidence_create(struct arena *a, const struct state *st, const struct spec *asked,
		    const struct spec *s, struct err *e);
int evidence_start(struct arena *a, const struct state *st, const struct spec *s, struct err *e);
int evidence_exec(struct arena *a, const struct state *st, const struct spec *s,
		  const struct spec_process *p, pid_t pid, const struct strv *dropped,
		  struct err *e);
/* The commands, the exit, and the end.  wait_status: what waitpid(2) said, where the runtime waited for it
 * itself (run); else -1.  changes: of the workspace; NULL: none could be made. */
int evidence_delete(struct arena *a, const struct state_dir *d, const struct state *st,
		    const struct spec *s, int wait_status,
		    const struct workspace_changes *changes, struct err *e);
