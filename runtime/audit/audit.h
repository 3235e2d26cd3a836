/* SPDX-License-Identifier: Apache-2.0 */
/*
 * audit: the append-only log of records and its hash chains (DESIGN section 7;
 * THREATS part F).
 *
 * The directory (/var/log/agentrun; rootless: $XDG_STATE_HOME/agentrun, else
 * ~/.local/state/agentrun) holds
 *
 *   audit.jsonl		the records, one JSON object a line, only ever appended to
 *   audit.jsonl.1 ...	older ones, that were rotated away (audit/parts.h)
 *   audit.head		the lock, and the last link of the host chain
 *   sessions/<id>	the last link of each session that has not ended
 *
 * Each line carries its sequence number and the SHA-256 of the line before
 * (without its newline): the host chain; and the same among the lines of its
 * session: the session chain.  The head files make finding both links O(1); they
 * are a cache that is rebuilt from the log where they are missing, and they
 * notice a log whose end was cut off.  The lock is not on the log itself, so
 * that it may be rotated by renaming: the chain goes on in the new file, and
 * readers read all that is still there in the order of the records.
 *
 * A session ends with its "delete".  What becomes of its files later ("apply")
 * is recorded behind that, days later and after a rotation, in its chain.
 *
 * Includes base/ only: audit/record.h builds the content of a record from plain
 * values, audit/audit.c adds the frame and appends.  Must not print.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/str.h"

enum { AUDIT_LINE_MOST = 65536 };	/* bytes of one record, its newline included */

#define AUDIT_LOG "audit.jsonl"
#define AUDIT_HEAD "audit.head"

/* Where the log is. `rootless`: of a user without root. */
int audit_directory(struct arena *a, bool rootless, char **ret, struct err *e);

struct audit_frame {
	const char *session;	/* the container's session id, unique for ever */
	const char *container;	/* its id; NULL writes none */
	const char *event;	/* "create", "start", "exec", "commands", "exit", "hook", "delete", "apply" */
	bool durable;		/* fdatasync before it returns: create, delete and apply */
	bool once;		/* delete: an equal (session, event) already there is no error and is not
				 * written again; the session has ended */
};

/*
 * Appends one record.  `members` is the text of one JSON object (of a json_writer that is not
 * pretty) whose members follow the frame's own.  What makes the line longer than
 * AUDIT_LINE_MOST is cut, and the record says what was.  *ret_line (may be NULL) gets the line as
 * written, newline included, for the audit hooks; nothing if nothing was written, or may be lost.
 * Creates the directory (0700) and the file (0600) where they are missing.
 *
 * Returns 0, or 1 if `once` found the record there already.  On a negative result the log is as it was
 * (disk full: cut back to its former length), but for -EIO of a failed fdatasync.
 */
int audit_append(const char *directory, const struct audit_frame *frame, const struct str *members,
		 struct str *ret_line, struct err *e);

/*
 * The same for many records of one session, durable only together: one lock, and one write() for many of
 * them.  `produce` makes them, once more where the log was removed meanwhile, and puts each; what it or
 * audit_put() returns below 0 ends it.  All of them, or the log as it was.  With `once` the last of them is
 * of the frame's event, and no other.
 */
struct audit_sink;
int audit_append_many(const char *directory, const struct audit_frame *frame,
		      int (*produce)(void *arg, struct audit_sink *sink, struct err *e), void *arg,
		      struct err *e);
/*
 * Of a session that another call was killed in between of its writes: how far it had come by its own word, the
 * last that it gave before what was written; 0: there was none.  What it put up to there need not be put again.
 */
unsigned long long audit_marked(const struct audit_sink *sink);
/* How far it has come with what was put. */
void audit_mark(struct audit_sink *sink, unsigned long long mark);
/* ret_line (may be NULL) gets the line as it is to be written. */
int audit_put(struct audit_sink *sink, const char *event, const struct str *members,
	      struct str *ret_line, struct err *e);

/* The line, newline included, of a record that is in no log: both of its numbers are 0. */
int audit_unlogged(const struct audit_frame *frame, const struct str *members,
		   struct str *ret_line, struct err *e);

/* A fresh session id: 26 characters [0-9a-z] that sort by time (a ULID in lower case). */
void audit_session_id(char ret[32]);

struct audit_rotation {
	char name[64];		/* what the log is called now; "": it was empty */
	unsigned long long last_seq;	/* its last record */
	size_t files, removed;	/* rotated files that are there, and that were too many */
	char held[64];		/* why more are there than asked for: this session has not ended; "" */
};

/*
 * Renames the log, and removes the oldest of those that were renamed so or by others if there are more
 * than `keep` (0: none is too many).  The chain goes on in a new log with the next record.  What holds a
 * record of a session that has not ended stays, and all that is newer.
 */
int audit_rotate(const char *directory, unsigned keep, struct audit_rotation *ret, struct err *e);

struct audit_verdict {
	unsigned long long records;
	unsigned long long first_seq;	/* above 1: the log goes on from one that was rotated away */
	unsigned long long last_seq;
	unsigned long long bad_seq;	/* the first bad one; 0: none */
	unsigned long long recovered;	/* places where a crash or a removal was noticed and recorded */
	unsigned long long anchor_seq;	/* the record that the anchor witnesses; 0: unanchored */
	bool head_missing;		/* an end that was cut off would not be noticed */
	char reason[256];		/* why bad_seq is bad */
	char head[HASH_HEX];		/* hash of the last line */
};

/*
 * Checks both chains.  `anchor` is the hash of a record as a witness outside of this host has it
 * (a forwarded line's hash), NULL if there is none: then a log that was written anew as a whole
 * cannot be told from the true one, and anchor_seq is 0.  Negative only where the log cannot be read: a
 * fault that was found is no error, see bad_seq.
 */
int audit_verify(const char *directory, const char *anchor, struct audit_verdict *ret,
		 struct err *e);
/* The same without an anchor, and the last record without its newline, if none is bad: what a witness
 * should get, and whose hash ret->head is. */
int audit_head(const char *directory, struct audit_verdict *ret, struct str *ret_line, struct err *e);

/* The page that a person reads: a line for each session in the log, none where there is no log.  Safe to
 * print on a terminal. */
int audit_list(const char *directory, struct str *text, struct err *e);
/* The same, a JSON object a line. */
int audit_list_json(const char *directory, struct str *text, struct err *e);

/* The members of a profile as this host has it, NULL if it has none of that name: a page counts what a
 * session has by its profile alone, and names the rest. */
struct arena;
struct json;
typedef const struct json *audit_profile_of(struct arena *a, const char *name);

/*
 * One session, on one page: what it was allowed, what it did, what was denied, what it cost, and
 * what cannot be known.  `name` is its session id, its container's id (the newest of that id) or an
 * unambiguous beginning of either; NULL: audit_list().  `profile_of` may be NULL.  Safe to print on a terminal.
 * -ENOENT if there is none.
 */
int audit_show(const char *directory, const char *name, audit_profile_of *profile_of, struct str *text,
	       struct err *e);
/* The same for a pull request, and for a browser: one file that loads and runs nothing.  There is no list
 * in these forms: `name` is not NULL. */
int audit_show_markdown(const char *directory, const char *name, audit_profile_of *profile_of,
			    struct str *text, struct err *e);
int audit_show_html(const char *directory, const char *name, audit_profile_of *profile_of,
		    struct str *text, struct err *e);
/* Its records as they stand in the log; all of the log if name is NULL. */
int audit_show_json(const char *directory, const char *name, struct str *text, struct err *e);
