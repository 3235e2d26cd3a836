/* SPDX-License-Identifier: Apache-2.0 */
/*
 * workspace: the parts of `agentrun workspace`.
 *
 *	cmd_workspace.c		the command, a session that is opened, diff
 *	workspace_apply.c	apply: what is chosen, and the record of it
 *	workspace_stores.c	list, discard, prune
 *
 * What people read is appended to `out`, also where an error follows.  `directory`: where the stores are.
 */
#pragma once

#include <sys/types.h>

#include "cli/cli.h"
#include "review/changes.h"
#include "review/store.h"

struct workspace_options {
	const char *reviewed, *older_than;
	bool json, stat, name_only, nul, interactive, allow_exec, skip, overwrite, discard;
};

/* ---- a session, opened (cmd_workspace.c) ---- */

struct workspace_session {
	struct review r;
	int upper, workspace;		/* descriptors of the two tops; owned */
};
#define SESSION_INIT ((struct workspace_session){ .r = REVIEW_INIT, .upper = -1, .workspace = -1 })
#define owned_session __attribute__((cleanup(workspace_session_close))) struct workspace_session
void workspace_session_close(struct workspace_session *s);

/* `writing`: nobody else may use it, not even its container. */
int workspace_session_open(struct cli *cli, const char *directory, const char *name, bool writing,
			   struct workspace_session *ret, struct err *e);
/* All that the container changed. */
int workspace_session_changes(struct cli *cli, const struct workspace_session *s, struct changes *ret,
			      struct err *e);

/* ---- workspace_apply.c ---- */

/* caller: uid of who takes it over. */
int workspace_apply(struct cli *cli, uid_t caller, const char *directory, const char *name,
		    const struct strv *paths, const struct workspace_options *o, struct str *out,
		    struct err *e);
/* What an apply did that came to no record of it.  The review is locked; workspace: its top. */
void workspace_record_earlier(struct cli *cli, const struct review *review, int workspace,
			      struct str *out);

/* ---- workspace_stores.c ---- */

int workspace_stores_list(struct cli *cli, const char *directory, const struct workspace_options *o,
			  struct str *out, struct err *e);
int workspace_stores_prune(struct cli *cli, const char *directory, const struct workspace_options *o,
			   struct str *out, struct err *e);
/* Locks and removes it, whatever became of the workspace. */
int workspace_store_discard(struct cli *cli, const char *directory, const char *name, struct str *out,
			    struct err *e);
