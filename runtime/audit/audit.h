/* SPDX-License-Identifier: Apache-2.0 */
/*
 * audit: the append-only log of records and its hash chain (DESIGN section 7).
 *
 * One file of JSON lines, `audit.jsonl` in /var/log/agentrun (rootless:
 * $XDG_STATE_HOME/agentrun, else ~/.local/state/agentrun).  Each line carries its
 * sequence number and the SHA-256 of the line before (the host chain), and
 * the same for its session (the session chain).  Includes base/ only:
 * lifecycle/ builds the content of a record, audit/ adds the frame and
 * appends under a lock.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"
#include "base/str.h"

/* Where the log is. `rootless`: of a user without root. */
int audit_directory(struct arena *a, bool rootless, char **ret, struct err *e);

struct audit_frame {
	const char *session;	/* the container's session id, unique for ever */
	const char *event;	/* "create", "start", "exec", "delete" */
	bool durable;		/* fdatasync before it returns: create and delete */
	bool once;		/* delete: an equal (session, event) already there is no error and is not
				 * written again */
};
/*
 * Appends one record.  `members` is the inside of a JSON object written with a json_writer: the
 * text of an object whose members are added after the frame's own (time, seq, prev, session,
 * event, ...).  *ret_line (may be NULL) gets the line as written, for the audit hooks.
 * Creates the directory (0700) and the file (0600) where they are missing.
 */
int audit_append(const char *directory, const struct audit_frame *frame, const struct str *members,
		 struct str *ret_line, struct err *e);

/* A fresh session id: time-sortable, 26 or so characters [0-9a-z]. */
void audit_session_id(char ret[32]);

struct audit_verdict {
	unsigned long long records;
	unsigned long long bad_seq;	/* the first bad one; 0: none */
	char reason[256];
	char head[65];			/* hash of the last line */
};
/* Checks the chain; negative only where it cannot be read.  A found fault is no error: see bad_seq. */
int audit_verify(const char *directory, struct audit_verdict *ret, struct err *e);

/* The page that a person reads: all sessions (session NULL: a list), or one. */
int audit_show(const char *directory, const char *session, struct str *text, struct err *e);
