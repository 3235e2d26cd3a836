/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sessions: the log read for people, session by session (list.c, report.c).
 *
 * Every text that comes from a record goes through str_put_safe(): a
 * container's arguments must not move a reviewer's cursor.
 */
#pragma once

#include "audit/chain.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"

/* As the list shows it; the texts live in the arena. */
struct session {
	char id[CHAIN_NAME];
	const char *container;
	const char *created, *deleted;	/* times, NULL: no such record */
	const char *profile;		/* "-": plain OCI */
	const char *command;		/* safe to print */
	const struct json *exit_code, *exit_signal;
	uint64_t denied, execs, records;
};

struct sessions {
	struct arena a;
	struct session **v;		/* in the order of their first records */
	size_t n, room;
	struct chain_sessions known;
	struct strv notes;		/* of "recovered" records; safe to print */
};

/* Calls `visit` for each whole record of the log.  -ENOENT: there is no log. */
int each_record(const char *directory,
		void (*visit)(void *ctx, const struct chain_frame *f, const char *line, size_t n),
		void *ctx, struct err *e);
/* Adds what is in the log; without `content` ids and counts alone, which needs no JSON parser. */
int sessions_read(const char *directory, bool content, struct sessions *s, struct err *e);
void sessions_free(struct sessions *s);
/* The one that audit_show()'s `name` means.  -ENOENT, or -EINVAL where it means several. */
int sessions_find(const struct sessions *s, const char *name, const struct session **ret,
		  struct err *e);

/* ---- members of records ---- */

bool has_number(const struct json *object, const char *key);
/* 0 where there is no such number; *known (may be NULL) says which. */
uint64_t get_number(const struct json *object, const char *key, bool *known);
/* "unknown" for NULL. */
void put_text(struct str *out, const char *text);
/* A word of a command the way a shell would want it, or in quotes in any case. */
void put_word(struct str *out, const char *word, bool quoted);
/* Arguments, from one of them on. */
void put_command(struct str *out, const struct json *args, size_t from);
