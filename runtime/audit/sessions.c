/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/sessions.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/audit.h"
#include "audit/head.h"

enum {
	TEXT_MOST = 300,	/* bytes of one text */
	COMMAND_MOST = 1000,
};

/* ---- members of records ---- */

bool has_number(const struct json *object, const char *key)
{
	const struct json *j = json_get(object, key);

	return j && j->type == JSON_NUMBER;
}

uint64_t get_number(const struct json *object, const char *key, bool *known)
{
	const struct json *j = json_get(object, key);
	uint64_t v = 0;
	bool ok = j && j->type == JSON_NUMBER && json_u64(j, &v) == 0;

	if (known)
		*known = ok;
	return ok ? v : 0;
}

void put_text(struct str *out, const char *text)
{
	str_put_safe(out, text ? text : "unknown", TEXT_MOST);
}

void put_word(struct str *out, const char *word, bool quoted)
{
	static const char special[] = "\"\\\n\t", letters[] = "\"\\nt";
	size_t most = strlen(word), n;
	bool cut = most > TEXT_MOST;

	if (!quoted && *word && !strpbrk(word, " \t\n\"'\\$&|;<>()*?[]`!#~{}")) {
		put_text(out, word);
		return;
	}
	for (most = cut ? TEXT_MOST : most; cut && most && ((unsigned char)word[most] & 0xc0) == 0x80;)
		most--;			/* not inside a character */
	str_puts(out, "\"");
	for (const char *end = word + most; word < end; word += n) {
		owned_str part = STR_INIT;
		const char *found = strchr(special, *word);

		n = found ? 1 : strcspn(word, special);
		n = n > (size_t)(end - word) ? (size_t)(end - word) : n;
		if (found)
			str_printf(out, "\\%c", letters[found - special]);
		str_append(&part, word, found ? 0 : n);
		str_put_safe(out, str_text(&part), SIZE_MAX);
	}
	str_puts(out, cut ? "...\"" : "\"");
}

void put_command(struct str *out, const struct json *args, size_t from)
{
	size_t start = out->len;

	for (size_t i = from; args && args->type == JSON_ARRAY && i < args->n; i++) {
		if (out->len - start > COMMAND_MOST) {
			str_printf(out, " ... (%zu more arguments)", args->n - i);
			break;
		}
		str_puts(out, i > from ? " " : "");
		put_word(out, args->items[i]->type == JSON_STRING ? args->items[i]->text : "?", false);
	}
}

/* ---- reading ---- */

/* "2026-01-02 03:04:05" of an RFC 3339 time; the scanner of the chain has checked its form. */
static const char *short_time(struct arena *a, const char *line)
{
	const char *time = line + strlen("{\"v\":1,\"time\":\"");

	return arena_printf(a, "%.10s %.8s", time, time + 11);
}

static struct session *session_of(struct sessions *s, const char *id)
{
	struct chain_session *known = chain_session(&s->known, id);
	struct session *session;

	if (known->more)
		return known->more;
	if (s->n == s->room) {
		s->room = s->room ? 2 * s->room : 64;
		s->v = must(realloc(s->v, s->room * sizeof *s->v));
	}
	known->more = session = s->v[s->n++] = arena_new(&s->a, struct session);
	snprintf(session->id, CHAIN_NAME, "%s", id);
	return session;
}

/* The writer puts it right behind the frame. */
static const char *container_of(struct arena *a, const char *line, size_t n)
{
	static const char key[] = ",\"container.id\":\"";
	const char *found = memmem(line, n < 512 ? n : 512, key, sizeof key - 1), *end;

	if (!found)
		return NULL;
	found += sizeof key - 1;
	end = memchr(found, '"', n - (size_t)(found - line));
	return end ? arena_strndup(a, found, (size_t)(end - found)) : NULL;
}

static void read_create(struct sessions *s, struct session *session, const struct json *record)
{
	owned_str command = STR_INIT;
	const char *profile = json_get_text(json_get(record, "policy"), "profile");

	put_command(&command, json_get(record, "process.command_args"), 0);
	session->profile = profile ? arena_strdup(&s->a, profile) : "-";
	session->command = arena_strdup(&s->a, str_text(&command));
}

static void read_record(struct sessions *s, const struct chain_frame *f, const char *line, size_t n,
			bool content)
{
	const struct json *record = NULL;
	struct session *session;
	struct err ignored;

	if (strcmp(f->session, CHAIN_HOST) == 0) {
		if (content && json_parse(&s->a, line, n, "record", &record, &ignored) == 0) {
			owned_str note = STR_INIT;

			str_printf(&note, "record %llu, %s: ", f->seq, short_time(&s->a, line));
			put_text(&note, json_get_text(record, "reason"));
			strv_add(&s->a, &s->notes, note.s);
		}
		return;
	}
	session = session_of(s, f->session);
	session->records++;
	if (!session->container)
		session->container = container_of(&s->a, line, n);
	if (strcmp(f->event, "exec") == 0)
		session->execs++;
	if (strcmp(f->event, "create") != 0 && strcmp(f->event, "delete") != 0)
		return;
	if (content && json_parse(&s->a, line, n, "record", &record, &ignored) < 0)
		return;
	if (strcmp(f->event, "create") == 0) {
		session->created = short_time(&s->a, line);
		if (content)
			read_create(s, session, record);
	} else {
		session->deleted = short_time(&s->a, line);
		session->exit_code = json_get(record, "process.exit.code");
		session->exit_signal = json_get(record, "process.exit.signal");
		session->denied = get_number(json_get(record, "network"), "denied_packets", NULL);
	}
}

int each_record(const char *directory,
		void (*visit)(void *ctx, const struct chain_frame *f, const char *line, size_t n),
		void *ctx, struct err *e)
{
	struct head_view view;
	struct parts_lines lines;
	const char *line;
	bool terminated;
	size_t n;
	int r;

	if ((r = head_view_open(directory, &view, e)) < 0)
		return err_in(e, "audit");
	parts_lines_init(&lines, &view.parts);
	while ((r = parts_lines_next(&lines, &line, &n, &terminated)) > 0) {
		struct chain_frame f;

		if (chain_read(line, n, &f))
			visit(ctx, &f, line, n);
	}
	parts_lines_free(&lines);
	parts_close(&view.parts);
	return r < 0 ? err_set(e, -r, "read %s/" AUDIT_LOG, directory) : 0;
}

static void visit_content(void *ctx, const struct chain_frame *f, const char *line, size_t n)
{
	read_record(ctx, f, line, n, true);
}

static void visit_frame(void *ctx, const struct chain_frame *f, const char *line, size_t n)
{
	read_record(ctx, f, line, n, false);
}

int sessions_read(const char *directory, bool content, struct sessions *s, struct err *e)
{
	return each_record(directory, content ? visit_content : visit_frame, s, e);
}

void sessions_free(struct sessions *s)
{
	free(s->v);
	chain_sessions_free(&s->known);
	arena_free(&s->a);
}

/* ---- which one is meant ---- */

int sessions_find(const struct sessions *s, const char *name, const struct session **ret,
		  struct err *e)
{
	const struct session *found = NULL;
	size_t prefixes = 0;

	for (size_t i = s->n; i-- > 0;)
		if (strcmp(s->v[i]->id, name) == 0 || str_equal(s->v[i]->container, name)) {
			*ret = s->v[i];		/* the newest of that container id */
			return 0;
		}
	for (size_t i = s->n; *name && i-- > 0;) {
		const struct session *one = s->v[i];

		if (!str_has_prefix(one->id, name) &&
		    !(one->container && str_has_prefix(one->container, name)))
			continue;
		if (!found)
			found = one;
		/* sessions of one container id are told apart by their own ids */
		else if (!one->container || !str_equal(one->container, found->container) ||
			 !str_has_prefix(one->container, name))
			prefixes++;
	}
	if (!found)
		return err_say(e, ENOENT, "audit: no session or container \"%s\" in the log; "
			       "`agentrun audit list` shows all", name);
	if (prefixes)
		return err_say(e, EINVAL, "audit: \"%s\" begins the names of %zu sessions", name,
			       prefixes + 1);
	*ret = found;
	return 0;
}
