/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report_parts: what the files that fill a report share.
 *
 *   report.c           reads the session's records
 *   report_lines.c     what a report is made of, how things are said in it
 *   report_sections.c  section by section: what it was, what it was allowed, what it did
 *   report_commands.c  the sections of commands and packages
 *   report_files.c     the section of files
 *
 * Records are read one by one and forgotten, but for the few of which there is one a session: a page
 * must not need the memory of all that an agent ran.
 */
#pragma once

#include "audit/report.h"
#include "audit/supply.h"
#include "base/json.h"

/* ---- the model (report_lines.c) ---- */

/* The texts are copied. */
void report_add(struct report *r, struct report_lines *to, enum report_tone tone, const char *name,
		const char *text);
/* How many of a list are not shown, if any are not. */
void report_more(struct report *r, struct report_lines *to, const char *name, uint64_t of, uint64_t shown);
/* Valid until the next call. */
struct report_section *report_section(struct report *r, const char *title, bool listed);
/* Nothing where `from` is 0: not known. */
void report_mark(struct report *r, enum report_lane lane, enum report_tone tone, int64_t from,
		 int64_t to, const char *text);
/* Room for one more in an array of the arena; what it grew out of stays there until the end. */
void *report_grow(struct arena *a, void *v, size_t n, size_t *room, size_t size);

/* ---- how things are said (report_lines.c) ---- */

/* A text of a record, quoted; "unknown" for NULL. */
void quote_text(struct str *out, const char *text);
void quote_command(struct str *out, const struct json *args);
/* The n bytes of a text of a record, of each number of 64 digits the first of them. */
void put_short(struct str *out, const char *text, size_t n);
/* "1 file", "2 files". */
void put_count(struct str *out, uint64_t n, const char *what);
/* The form with the members that it names in braces: "runs on {host.name}". */
void quote_form(struct str *out, const struct json *object, const char *form);
/* Nanoseconds since 1970 of an RFC 3339 time in UTC; 0: unknown. */
int64_t time_ns(const char *time);
/* The time of the day. */
void put_clock(struct str *out, int64_t ns);

/* ---- commands and packages (report_commands.c) ---- */

enum {
	COMMAND_LAST = 12,	/* as many are shown one by one */
	COMMAND_BAD = 4,
	COMMAND_PROGRAMS = 256,	/* are counted by name */
};

/* The newest of all that were put in: as many as the array is long. */
struct command_ring {
	struct command_shown {
		int64_t at;
		bool failed;
		struct str text;
	} v[COMMAND_LAST];
	size_t n;		/* put in */
};

/* All zeros: none yet. */
struct commands {
	size_t n, failed, claimed;
	int64_t latest;	/* when the last began */
	size_t tries;	/* programs that did not begin, in none of the others */
	struct command_ring last, bad;
	struct command_program {
		char name[64];
		size_t n;
	} programs[COMMAND_PROGRAMS];
	size_t n_programs;
};
void commands_add(struct commands *c, struct report *r, const struct json *command, const char *source);
/* Into the section that is the last.  `summary`: member "commands" of the delete record, NULL: none; `required`:
 * none may run that is not recorded. */
void commands_say(struct commands *c, struct report *r, const struct json *summary, bool required);
void commands_free(struct commands *c);

/* What a command asks for, and when that was. */
void packages_add(struct supplies *found, struct report *r, const struct json *args, int64_t at);
void packages_say(const struct supplies *found, struct report *r, const struct json *delete);

/* ---- files (report_files.c) ---- */

void files_say(struct report *r, const struct json *delete);
/* What the apply records among them tell. */
void applied_say(struct report *r, const struct json *const *records, size_t n);

/* ---- the session (report_sections.c) ---- */

/* What report.c found. */
struct reading {
	struct report *r;		/* what is to be filled */
	const struct sessions *all;
	const struct session *it;
	audit_profile_of *profile_of;	/* may be NULL */
	const struct json **records;	/* one at least; those of commands only pass by */
	size_t n, room;
	struct commands commands;
	struct supplies packages;
};
/* Title, facts, head and all sections, in the order of a reader's questions. */
void session_say(struct reading *in);
