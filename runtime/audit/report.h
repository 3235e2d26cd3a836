/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report: one session as a person should see it, before it has a form.
 *
 * report_read() makes it of the session's records, once; page_text(), page_markdown() and
 * page_html() print it and decide nothing: what is said of a session is the same in each.
 *
 * Its texts are safe to print on a terminal (str_put_safe()), and what comes from a record stands
 * between REPORT_QUOTE and REPORT_UNQUOTE, two bytes that str_put_safe() lets through nowhere: a
 * form that has a syntax of its own (Markdown, HTML) knows by them which words are ours.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "audit/audit.h"
#include "audit/sessions.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

#define REPORT_QUOTE "\x01"
#define REPORT_UNQUOTE "\x02"

enum report_tone {
	TONE_PLAIN,
	TONE_GOOD,
	TONE_NOTE,	/* worth a look */
	TONE_BAD,	/* denied, failed, lost */
};

struct report_line {
	const char *name;	/* what the text is of, or when it was; "": as before; NULL: none */
	const char *text;
	enum report_tone tone;
};

struct report_lines {
	struct report_line *v;
	size_t n, room;
};

struct report_section {
	const char *title;
	bool listed;		/* sentences without names, one below the other */
	struct report_lines lines;
};

/* When what happened, for a timeline: as many lanes as there are kinds. */
enum report_lane { LANE_CONTAINER, LANE_EXEC, LANE_COMMAND, LANE_LOST, LANE_PACKAGE, LANE_DENIED, LANES };

struct report_mark {
	enum report_lane lane;
	enum report_tone tone;
	int64_t from, to;	/* ns since 1970; the same: a moment */
	const char *text;	/* NULL: too many to have one each */
};

struct report {
	struct arena a;
	const char *title;		/* "Session ID, container ID" */
	struct report_lines facts;	/* the answers in a word each: exit, denied, ... */
	struct report_lines head;	/* what it was */
	struct report_section *sections;	/* in the order of a reader's questions; one may have no lines */
	size_t n_sections, room_sections;
	struct report_mark *marks;
	size_t n_marks, room_marks;
	int64_t began, ended;		/* ns since 1970 of the first and the last that is known */
};

/* `name` and `profile_of` as audit_show() has them.  Release with report_free(), whatever was returned. */
int report_read(const char *directory, const char *name, audit_profile_of *profile_of, struct report *ret,
		struct err *e);
void report_free(struct report *r);

void page_text(const struct report *r, struct str *out);
/* For a pull request: one section that a reader unfolds for the details. */
void page_markdown(const struct report *r, struct str *out);
/* One file that loads nothing else and runs nothing. */
void page_html(const struct report *r, struct str *out);

/* ---- for the printers ---- */

void put_size(struct str *out, uint64_t bytes);
void put_span(struct str *out, uint64_t ns);
