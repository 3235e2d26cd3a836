/* SPDX-License-Identifier: Apache-2.0 */
/* The list of sessions: a line for each, for people and for programs. */
#include "audit/audit.h"

#include <errno.h>
#include <string.h>

#include "audit/sessions.h"

static const char *exit_text(struct arena *a, const struct json *code, const struct json *signal,
			     bool deleted)
{
	if (!deleted)
		return "running?";
	if (code && code->type == JSON_NUMBER)
		return arena_strdup(a, code->text);
	if (signal && signal->type == JSON_NUMBER)
		return arena_printf(a, "signal %s", signal->text);
	return "unknown";
}

static void put_column(struct str *out, const char *text, size_t width)
{
	owned_str safe = STR_INIT;

	str_put_safe(&safe, text ? text : "-", width);
	str_printf(out, "%-*s ", (int)width, safe.s);
}

/* Of a text that is safe already. */
static void put_start(struct str *out, const char *text, size_t most)
{
	size_t n = strlen(text);

	if (n > most)
		for (n = most; n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80;)
			n--;			/* not inside a character */
	str_append(out, text, n);
	str_puts(out, text[n] ? "..." : "");
}

/* Before the first session there is no log: no error, there is none to list. */
static int read_list(const char *directory, struct sessions *s, struct err *e)
{
	int r = sessions_read(directory, true, s, e);

	return r == -ENOENT ? 0 : r;
}

int audit_list(const char *directory, struct str *text, struct err *e)
{
	struct sessions all = { 0 };
	int r = read_list(directory, &all, e);

	if (r < 0)
		goto out;
	str_printf(text, "%-26s %-16s %-19s %-10s %-9s %6s  %s\n", "SESSION", "CONTAINER",
		   "CREATED (UTC)", "PROFILE", "EXIT", "DENIED", "COMMAND");
	for (size_t i = 0; i < all.n; i++) {
		const struct session *s = all.v[i];

		put_column(text, s->id, 26);
		put_column(text, s->container ? arena_printf(&all.a, "%.16s", s->container) : NULL, 16);
		put_column(text, s->created, 19);
		put_column(text, s->profile, 10);
		put_column(text, exit_text(&all.a, s->exit_code, s->exit_signal, s->deleted), 9);
		str_printf(text, "%6llu  ", (unsigned long long)s->denied);
		put_start(text, s->command ? s->command : "-", 60);
		str_puts(text, "\n");
	}
	for (size_t i = 0; i < all.notes.n; i++)
		str_printf(text, "%snote: %s\n", i ? "" : "\n", all.notes.v[i]);
out:
	sessions_free(&all);
	return r;
}

int audit_list_json(const char *directory, struct str *text, struct err *e)
{
	struct sessions all = { 0 };
	int r = read_list(directory, &all, e);

	for (size_t i = 0; r == 0 && i < all.n; i++) {
		const struct session *s = all.v[i];
		struct json_writer *w = json_writer_new(false);

		json_open(w);
		json_field(w, "session", s->id);
		json_field(w, "container.id", s->container);
		json_field(w, "created", s->created);
		json_field(w, "deleted", s->deleted);
		json_field(w, "profile", s->profile);
		json_field(w, "command", s->command);
		json_key(w, "process.exit.code");
		if (s->exit_code)
			json_put_tree(w, s->exit_code);
		else
			json_put_null(w);
		json_field_u64(w, "denied_packets", s->denied);
		json_field_u64(w, "execs", s->execs);
		json_field_u64(w, "records", s->records);
		json_close(w);
		json_writer_end(w, text);
	}
	sessions_free(&all);
	return r;
}
