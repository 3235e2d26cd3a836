/* SPDX-License-Identifier: Apache-2.0 */
/* audit_lines: small records for a log of the test's own, and the lines of that log. */
#pragma once

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "audit_log.h"
#include "base/fd.h"
#include "base/json.h"

static inline struct audit_frame frame_of(const char *session, const char *event)
{
	return (struct audit_frame){ .session = session, .event = event, .container = "c",
				     .once = strcmp(event, "delete") == 0 };
}

static inline int append_text(const char *session, const char *event, const char *text,
			      struct str *ret_line, struct err *e)
{
	const struct audit_frame frame = frame_of(session, event);
	struct json_writer *w = json_writer_new(false);
	owned_str members = STR_INIT;

	json_open(w);
	json_field(w, "text", text);
	json_close(w);
	json_writer_end(w, &members);
	return audit_append(dir, &frame, &members, ret_line, e);
}

static inline int try_append(const char *session, const char *event, struct err *e)
{
	return append_text(session, event, "content", NULL, e);
}

static inline void append(const char *session, const char *event)
{
	struct err e;

	cr_assert(try_append(session, event, &e) == 0, "%s", e.text);
}

/* Eight records of two sessions, as containers that run side by side write them. */
static inline void fill(void)
{
	static const struct {
		const char *session, *event;
	} records[] = {
		{ "a", "create" }, { "b", "create" }, { "a", "exec" },	 { "b", "exec" },
		{ "a", "exec" },   { "a", "delete" }, { "b", "exec" }, { "b", "exec" },
	};

	for (size_t i = 0; i < sizeof records / sizeof *records; i++)
		append(records[i].session, records[i].event);
}

static inline char *slurp(const char *name)
{
	struct str text = STR_INIT;
	struct err e;

	cr_assert(file_read(AT_FDCWD, in_dir(name), 256 << 20, &text, &e) == 0, "%s", e.text);
	return str_take(&text);
}

static inline void spit(const char *name, const char *text, size_t size)
{
	owned_fd fd = open(in_dir(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct err e;

	cr_assert(fd >= 0);
	cr_assert(fd_write_all(fd, text, size, name, &e) == 0);
}

static inline off_t log_size(void)
{
	struct stat st;

	return stat(in_dir(AUDIT_LOG), &st) == 0 ? st.st_size : -1;
}

static inline void rotate_to(const char *name)
{
	cr_assert(rename(in_dir(AUDIT_LOG), in_dir(name)) == 0);
}

static inline struct strv lines_of(const char *name)
{
	char *text = slurp(name);
	struct strv lines = { 0 };

	for (char *line = text, *end; (end = strchr(line, '\n')); line = end + 1)
		strv_add(&arena, &lines, arena_strndup(&arena, line, (size_t)(end - line)));
	free(text);
	return lines;
}

static inline void put_lines(const struct strv *lines)
{
	owned_str text = STR_INIT;

	for (size_t i = 0; i < lines->n; i++)
		str_printf(&text, "%s\n", lines->v[i]);
	spit(AUDIT_LOG, str_text(&text), text.len);
}

static inline unsigned count(const char *name, const char *what)
{
	struct strv lines = lines_of(name);
	unsigned n = 0;

	for (size_t i = 0; i < lines.n; i++)
		n += strstr(lines.v[i], what) != NULL;
	return n;
}
