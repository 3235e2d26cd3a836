/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log read for people.  Every text that comes from a record goes through
 * str_put_safe(): a container's arguments must not move a reviewer's cursor.
 */
#include "audit/audit.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "audit/chain.h"
#include "audit/head.h"
#include "base/fd.h"
#include "base/json.h"

enum {
	TEXT_MOST = 300,	/* bytes of one text on the page */
	COMMAND_MOST = 1000,
};

/* ---- reading ---- */

/* A session as the list shows it; the texts live in the arena. */
struct entry {
	char id[CHAIN_NAME];
	const char *container;
	const char *created, *deleted;	/* times, NULL: no such record */
	const char *profile;		/* "-": plain OCI */
	const char *command;
	const struct json *exit_code, *exit_signal;
	uint64_t denied, execs, records;
};

struct log_read {
	struct arena a;
	struct entry **sessions;	/* in the order of their first records */
	size_t n, room;
	struct chain_sessions known;
	struct strv notes;		/* of "recovered" records */
};

static const struct json *get(const struct json *object, const char *key)
{
	return object ? json_get(object, key) : NULL;
}

static const char *get_text(const struct json *object, const char *key)
{
	return object ? json_get_text(object, key) : NULL;
}

static uint64_t get_number(const struct json *object, const char *key, bool *known)
{
	const struct json *j = get(object, key);
	uint64_t v = 0;
	bool ok = j && j->type == JSON_NUMBER && json_u64(j, &v) == 0;

	if (known)
		*known = ok;
	return ok ? v : 0;
}

static void put(struct str *out, const char *text)
{
	str_put_safe(out, text ? text : "unknown", TEXT_MOST);
}

/* A text that the writer escaped: whatever else is not safe is escaped, backslashes and quotes are not. */
static void put_escaped(struct str *out, const char *text)
{
	static const char kept[] = "\\\"";

	if (!text)
		put(out, NULL);
	for (; text && *text; text += strcspn(text, kept)) {
		owned_str part = STR_INIT;

		for (; *text && strchr(kept, *text); text++)
			str_append(out, text, 1);
		str_append(&part, text, strcspn(text, kept));
		put(out, str_text(&part));
	}
}

/* Arguments the way a shell would want them. */
static void put_command(struct str *out, const struct json *args)
{
	size_t start = out->len;

	for (size_t i = 0; args && args->type == JSON_ARRAY && i < args->n; i++) {
		const char *arg = args->items[i]->type == JSON_STRING ? args->items[i]->text : "?";
		bool plain = *arg && !strpbrk(arg, " \t\n\"'$&|;<>()*?[]`!#~{}");

		if (out->len - start > COMMAND_MOST) {
			str_printf(out, " ... (%zu more arguments)", args->n - i);
			break;
		}
		str_puts(out, i ? " " : "");
		str_puts(out, plain ? "" : "\"");
		put(out, arg);
		str_puts(out, plain ? "" : "\"");
	}
}

/* "2026-01-02 03:04:05" of an RFC 3339 time; the scanner of the chain has checked its form. */
static const char *short_time(struct arena *a, const char *line)
{
	const char *time = line + strlen("{\"v\":1,\"time\":\"");

	return arena_printf(a, "%.10s %.8s", time, time + 11);
}

static struct entry *entry_of(struct log_read *l, const char *id)
{
	struct chain_session *known = chain_session(&l->known, id);
	struct entry *entry;

	if (known->more)
		return known->more;
	if (l->n == l->room) {
		l->room = l->room ? 2 * l->room : 64;
		l->sessions = must(realloc(l->sessions, l->room * sizeof *l->sessions));
	}
	known->more = entry = l->sessions[l->n++] = arena_new(&l->a, struct entry);
	snprintf(entry->id, CHAIN_NAME, "%s", id);
	return entry;
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

static void read_create(struct log_read *l, struct entry *entry, const struct json *record)
{
	owned_str command = STR_INIT;
	const char *profile = get_text(get(record, "policy"), "profile");

	put_command(&command, get(record, "process.command_args"));
	entry->profile = profile ? arena_strdup(&l->a, profile) : "-";
	entry->command = arena_strdup(&l->a, str_text(&command));
}

static void read_record(struct log_read *l, const struct chain_frame *f, const char *line, size_t n,
			bool content)
{
	const struct json *record = NULL;
	struct entry *entry;
	struct err ignored;

	if (strcmp(f->session, CHAIN_HOST) == 0) {
		if (content && json_parse(&l->a, line, n, "record", &record, &ignored) == 0) {
			owned_str note = STR_INIT;

			str_printf(&note, "record %llu, %s: ", f->seq, short_time(&l->a, line));
			put(&note, get_text(record, "reason"));
			strv_add(&l->a, &l->notes, note.s);
		}
		return;
	}
	entry = entry_of(l, f->session);
	entry->records++;
	if (!entry->container)
		entry->container = container_of(&l->a, line, n);
	if (strcmp(f->event, "exec") == 0)
		entry->execs++;
	if (strcmp(f->event, "create") != 0 && strcmp(f->event, "delete") != 0)
		return;
	if (content && json_parse(&l->a, line, n, "record", &record, &ignored) < 0)
		return;
	if (strcmp(f->event, "create") == 0) {
		entry->created = short_time(&l->a, line);
		if (content)
			read_create(l, entry, record);
	} else {
		entry->deleted = short_time(&l->a, line);
		entry->exit_code = get(record, "process.exit.code");
		entry->exit_signal = get(record, "process.exit.signal");
		entry->denied = get_number(get(record, "network"), "denied_packets", NULL);
	}
}

static void log_free(struct log_read *l)
{
	free(l->sessions);
	chain_sessions_free(&l->known);
	arena_free(&l->a);
}

/* Calls what `visit` is for each whole record.  -ENOENT: there is no log. */
static int each_record(const char *directory,
		       void (*visit)(void *ctx, const struct chain_frame *f, const char *line,
				     size_t n),
		       void *ctx, struct err *e)
{
	struct head_view view = HEAD_VIEW_INIT;
	struct chain_lines lines;
	const char *line;
	bool terminated;
	size_t n;
	int r;

	if ((r = head_view_open(directory, AUDIT_LOG, &view, e)) < 0)
		return err_in(e, "audit");
	chain_lines_init(&lines, view.fd, view.size);
	while ((r = chain_lines_next(&lines, &line, &n, &terminated)) > 0) {
		struct chain_frame f;

		if (chain_read(line, n, &f))
			visit(ctx, &f, line, n);
	}
	chain_lines_free(&lines);
	fd_close(&view.fd);
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

/* ---- the list ---- */

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
static int read_list(const char *directory, struct log_read *l, struct err *e)
{
	int r = each_record(directory, visit_content, l, e);

	return r == -ENOENT ? 0 : r;
}

int audit_list(const char *directory, struct str *text, struct err *e)
{
	struct log_read l = { 0 };
	int r = read_list(directory, &l, e);

	if (r < 0)
		goto out;
	str_printf(text, "%-26s %-16s %-19s %-10s %-9s %6s  %s\n", "SESSION", "CONTAINER",
		   "CREATED (UTC)", "PROFILE", "EXIT", "DENIED", "COMMAND");
	for (size_t i = 0; i < l.n; i++) {
		const struct entry *s = l.sessions[i];

		put_column(text, s->id, 26);
		put_column(text, s->container ? arena_printf(&l.a, "%.16s", s->container) : NULL, 16);
		put_column(text, s->created, 19);
		put_column(text, s->profile, 10);
		put_column(text, exit_text(&l.a, s->exit_code, s->exit_signal, s->deleted), 9);
		str_printf(text, "%6llu  ", (unsigned long long)s->denied);
		put_start(text, s->command ? s->command : "-", 60);
		str_puts(text, "\n");
	}
	for (size_t i = 0; i < l.notes.n; i++)
		str_printf(text, "%snote: %s\n", i ? "" : "\n", l.notes.v[i]);
out:
	log_free(&l);
	return r;
}

int audit_list_json(const char *directory, struct str *text, struct err *e)
{
	struct log_read l = { 0 };
	int r = read_list(directory, &l, e);

	for (size_t i = 0; r == 0 && i < l.n; i++) {
		const struct entry *s = l.sessions[i];
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
	log_free(&l);
	return r;
}

/* ---- which session is meant ---- */

static int find(const struct log_read *l, const char *name, const char **ret, struct err *e)
{
	const struct entry *found = NULL;
	size_t prefixes = 0;

	for (size_t i = l->n; i-- > 0;)
		if (strcmp(l->sessions[i]->id, name) == 0 ||
		    str_equal(l->sessions[i]->container, name)) {
			*ret = l->sessions[i]->id;	/* the newest of that container id */
			return 0;
		}
	for (size_t i = l->n; *name && i-- > 0;) {
		const struct entry *s = l->sessions[i];

		if (!str_has_prefix(s->id, name) &&
		    !(s->container && str_has_prefix(s->container, name)))
			continue;
		if (!found)
			found = s;
		/* sessions of one container id are told apart by their own ids */
		else if (!s->container || !str_equal(s->container, found->container) ||
			 !str_has_prefix(s->container, name))
			prefixes++;
	}
	if (!found)
		return err_say(e, ENOENT, "audit: no session or container \"%s\" in the log; "
			       "`agentrun audit list` shows all", name);
	if (prefixes)
		return err_say(e, EINVAL, "audit: \"%s\" begins the names of %zu sessions", name,
			       prefixes + 1);
	*ret = found->id;
	return 0;
}

/* Which of the sessions of its container id the session is, counted from 1, and how many there are. */
static void place_of(const struct log_read *l, const char *id, size_t *ret_nth, size_t *ret_all)
{
	const char *container = NULL;

	*ret_nth = *ret_all = 0;
	for (size_t i = 0; i < l->n && !container; i++)
		if (strcmp(l->sessions[i]->id, id) == 0)
			container = l->sessions[i]->container;
	for (size_t i = 0; i < l->n; i++) {
		*ret_all += str_equal(l->sessions[i]->container, container);
		if (strcmp(l->sessions[i]->id, id) == 0)
			*ret_nth = *ret_all;
	}
}

/* The lines of one session, or of all. */
struct collect {
	const char *session;	/* NULL: every one */
	struct str *text;
};

static void visit_collect(void *ctx, const struct chain_frame *f, const char *line, size_t n)
{
	const struct collect *c = ctx;

	if (c->session && strcmp(c->session, f->session) != 0)
		return;
	str_append(c->text, line, n);
	str_puts(c->text, "\n");
}

int audit_show_json(const char *directory, const char *name, struct str *text, struct err *e)
{
	struct log_read l = { 0 };
	struct collect c = { .text = text };
	int r = 0;

	if (name && (r = each_record(directory, visit_frame, &l, e)) == 0)
		r = find(&l, name, &c.session, e);
	if (r == 0)
		r = each_record(directory, visit_collect, &c, e);
	log_free(&l);
	return r;
}

/* ---- the page ---- */

static void heading(struct str *out, const char *text)
{
	str_printf(out, "\n%s\n", text);
}

static void label(struct str *out, const char *text)
{
	str_printf(out, "  %-13s", text);
}

static void put_names(struct str *out, const struct json *list)
{
	if (!list || list->type != JSON_ARRAY || !list->n) {
		str_puts(out, "none");
		return;
	}
	for (size_t i = 0; i < list->n; i++) {
		str_puts(out, i ? ", " : "");
		put(out, list->items[i]->text);
	}
}

static void row(struct str *out, const char *name, const char *text)
{
	label(out, name);
	put(out, text);
	str_puts(out, "\n");
}

static void row_names(struct str *out, const char *name, const struct json *list)
{
	label(out, name);
	put_names(out, list);
	str_puts(out, "\n");
}

static void put_size(struct str *out, uint64_t bytes)
{
	static const char *const units[] = { "bytes", "KiB", "MiB", "GiB", "TiB" };
	double v = (double)bytes;
	size_t i = 0;

	for (; v >= 1024 && i < 4; i++)
		v /= 1024;
	str_printf(out, i ? "%.1f %s" : "%.0f %s", v, units[i]);
}

static void put_span(struct str *out, uint64_t ns)
{
	uint64_t s = ns / 1000000000;

	if (s < 60)
		str_printf(out, "%.3f s", (double)ns / 1e9);
	else
		str_printf(out, "%llu h %02llu min %02llu s", (unsigned long long)s / 3600,
			   (unsigned long long)s / 60 % 60, (unsigned long long)s % 60);
}

static void put_member(struct str *out, const struct json *object, const char *key)
{
	const struct json *j = get(object, key);

	put(out, j && (j->type == JSON_STRING || j->type == JSON_NUMBER) ? j->text : NULL);
}

static void put_identity(struct str *out, const struct json *process)
{
	str_puts(out, "uid ");
	put_member(out, process, "process.user.id");
	str_puts(out, " gid ");
	put_member(out, process, "process.group.id");
	str_puts(out, " in ");
	put_member(out, process, "process.working_directory");
}

/* Nanoseconds since 1970; 0: unknown. */
static int64_t time_of(const struct json *record)
{
	const char *time = get_text(record, "time");
	struct tm t = { 0 };
	long ns;

	if (!time || sscanf(time, "%4d-%2d-%2dT%2d:%2d:%2d.%9ldZ", &t.tm_year, &t.tm_mon, &t.tm_mday,
			    &t.tm_hour, &t.tm_min, &t.tm_sec, &ns) != 7)
		return 0;
	t.tm_year -= 1900;
	t.tm_mon--;
	return timegm(&t) * 1000000000LL + ns;
}

/* From its start; duration_ns counts the time that it waited for that, too, but by a clock that no one
 * sets. */
static void page_ran(struct str *out, const struct json *start, const struct json *delete)
{
	bool known;
	uint64_t ns = get_number(delete, "duration_ns", &known);
	int64_t began = time_of(start), ended = time_of(delete);

	label(out, "ran for");
	if (began && ended >= began && (uint64_t)(ended - began) < ns)
		ns = (uint64_t)(ended - began);
	if (known)
		put_span(out, ns);
	else
		str_puts(out, "unknown, or never started");
	str_puts(out, "\n");
}

static void page_head(struct str *out, const struct json *create)
{
	row(out, "sandbox", get_text(create, "sandbox"));
	label(out, "runtime");
	put_member(out, create, "container.runtime.name");
	str_puts(out, " ");
	put_member(out, create, "container.runtime.version");
	str_puts(out, " on ");
	put_member(out, create, "host.name");
	str_puts(out, ", engine ");
	put_member(out, create, "engine");
	str_puts(out, " (a guess), run by uid ");
	put_member(out, create, "caller.uid");
	str_puts(out, ", logged in as uid ");
	put_member(out, create, "caller.login_uid");
	str_puts(out, "\n");
	row(out, "image", get_text(create, "container.image.name"));
	row(out, "bundle", get_text(create, "bundle"));
	label(out, "command");
	put_command(out, get(create, "process.command_args"));
	str_puts(out, "\n");
	label(out, "identity");
	put_identity(out, create);
	str_puts(out, "\n");
}

static void page_rules(struct str *out, const struct json *egress)
{
	const struct json *rules = get(egress, "rules");
	const char *mode = get_text(egress, "mode");

	label(out, "network");
	if (str_equal(mode, "open"))
		str_puts(out, "everything (egress=open: not restricted)\n");
	else if (str_equal(mode, "none") || !rules || !rules->n)
		str_puts(out, "nothing\n");
	else
		str_puts(out, "nothing but\n");
	for (size_t i = 0; !str_equal(mode, "open") && rules && i < rules->n; i++) {
		const struct json *rule = rules->items[i], *resolved = get(rule, "resolved");
		uint64_t first = get_number(rule, "port_first", NULL);
		uint64_t last = get_number(rule, "port_last", NULL);

		str_puts(out, "    ");
		put_member(out, rule, "network.transport");
		str_puts(out, " ");
		put_member(out, rule, "server.address");
		str_printf(out, " port %llu", (unsigned long long)first);
		if (last != first)
			str_printf(out, "-%llu", (unsigned long long)last);
		if (resolved && resolved->n) {
			str_puts(out, " = ");
			put_names(out, resolved);
		}
		str_puts(out, ": ");
		put(out, get_text(rule, "reason") ? get_text(rule, "reason") : "no reason given");
		str_puts(out, "\n");
	}
}

static void page_ingress(struct str *out, const struct json *policy)
{
	const struct json *ports = get(policy, "ingress");

	if (str_equal(get_text(get(policy, "egress"), "mode"), "open"))
		row(out, "open ports", "all (egress=open: not restricted)");
	else if (!ports)	/* a record of a former version */
		row(out, "open ports", NULL);
	else
		row_names(out, "open ports", ports);
}

static void page_mounts(struct str *out, const struct json *mounts, const char *workspace)
{
	bool any = false;

	for (size_t i = 0; mounts && i < mounts->n; i++) {
		const struct json *m = mounts->items[i], *writable = get(m, "writable");

		if (workspace && str_equal(get_text(m, "destination"), workspace))
			continue;
		label(out, any ? "" : "host paths");
		put_member(out, m, "source");
		str_puts(out, " -> ");
		put_member(out, m, "destination");
		str_puts(out, writable && writable->boolean ? " (writable)\n" : " (read-only)\n");
		any = true;
	}
	if (!any)
		row(out, "host paths", workspace ? "none but the workspace" : "none");
}

static void page_allowed(struct str *out, const struct json *create)
{
	const struct json *policy = get(create, "policy"), *workspace, *privileges;

	heading(out, "What it was allowed");
	if (!policy || policy->type != JSON_OBJECT) {
		str_puts(out, "  Plain OCI: no agent policy confined this container; its limits were "
			 "the engine's.\n");
		page_mounts(out, get(create, "mounts"), NULL);
		return;
	}
	label(out, "profile");
	put_member(out, policy, "profile");
	str_puts(out, ", audit ");
	put_member(out, policy, "audit_mode");
	str_puts(out, ", network policy ");
	put_member(out, policy, "digest");
	str_puts(out, "\n");
	workspace = get(policy, "workspace");
	label(out, "workspace");
	if (workspace && workspace->type == JSON_OBJECT) {
		put_member(out, workspace, "source");
		str_puts(out, " -> ");
		put_member(out, workspace, "destination");
		str_puts(out, " (");
		put_member(out, workspace, "mode");
		str_puts(out, ")\n");
		row_names(out, "  guarded", get(workspace, "guard"));
		row_names(out, "  hidden", get(workspace, "mask"));
	} else {
		str_puts(out, "none\n");
	}
	page_mounts(out, get(create, "mounts"), get_text(workspace, "destination"));
	page_rules(out, get(policy, "egress"));
	page_ingress(out, policy);
	label(out, "environment");
	put_member(out, get(policy, "env"), "mode");
	str_puts(out, "; dropped: ");
	put_names(out, get(get(policy, "env"), "dropped"));
	str_puts(out, "\n");
	row_names(out, "credentials", get(policy, "credentials"));
	row_names(out, "capabilities", get(policy, "capabilities"));
	label(out, "seccomp");
	put_member(out, policy, "seccomp");
	privileges = get(policy, "no_new_privileges");
	str_puts(out, privileges && privileges->boolean ? ", no new privileges\n" :
		 ", MAY GAIN PRIVILEGES\n");
}

static void page_lines(struct str *out, const char *title, const struct json *list)
{
	if (!list || !list->n)
		return;
	heading(out, title);
	for (size_t i = 0; i < list->n; i++) {
		str_puts(out, "  - ");
		put(out, list->items[i]->text);
		str_puts(out, "\n");
	}
}

static void page_claims(struct str *out, const struct json *claims)
{
	if (!claims || !claims->n)
		return;
	heading(out, "What the caller claims (not checked)");
	for (size_t i = 0; i < claims->n; i++) {
		str_puts(out, "  ");
		put(out, claims->keys[i]);
		str_puts(out, ": ");
		put(out, claims->items[i]->text);
		str_puts(out, "\n");
	}
}

/* Destinations whose verdict is, or is not, "denied"; how many. */
static size_t page_destinations(struct str *out, const struct json *network, bool denied)
{
	const struct json *list = get(network, "destinations");
	size_t n = 0;

	for (size_t i = 0; list && i < list->n; i++) {
		const struct json *d = list->items[i], *port = get(d, "server.port");
		const char *verdict = get_text(d, "verdict");

		if (str_equal(verdict, "denied") != denied)
			continue;
		n++;
		str_puts(out, "  ");
		put_member(out, d, "network.transport");
		str_puts(out, " ");
		put_member(out, d, "server.address");
		if (port && port->type == JSON_NUMBER) {
			str_puts(out, " port ");
			put(out, port->text);
		}
		str_printf(out, ": %llu packets, ",
			   (unsigned long long)get_number(d, "packets", NULL));
		put_size(out, get_number(d, "bytes", NULL));
		str_puts(out, str_equal(verdict, "reply") ? " (replies)\n" :
			      str_equal(verdict, "inbound") ? " (to a published port)\n" :
			      str_equal(verdict, "inbound-reply") ? " (from a published port)\n" :
			      "\n");
	}
	return n;
}

static void page_exit(struct str *out, const struct json *delete)
{
	const struct json *code = get(delete, "process.exit.code");
	const struct json *signal = get(delete, "process.exit.signal");
	const char *reason = get_text(delete, "exit_reason");

	label(out, "exit");
	if (!delete) {
		str_puts(out, "no delete record: it still runs, or the host went down\n");
		return;
	}
	if (code && code->type == JSON_NUMBER)
		str_printf(out, "code %s", code->text);
	else if (signal && signal->type == JSON_NUMBER)
		str_printf(out, "killed by signal %s", signal->text);
	else
		str_puts(out, "not known");
	if (reason) {
		str_puts(out, ": ");
		put(out, reason);
	}
	str_puts(out, "\n");
}

static void page_did(struct str *out, const struct json *const *records, size_t n,
		     const struct json *delete)
{
	const struct json *network = get(delete, "network");

	heading(out, "What it did");
	for (size_t i = 0; i < n; i++) {
		const char *event = get_text(records[i], "event");
		const char *time = get_text(records[i], "time");
		const struct json *dropped;

		if (str_equal(event, "delete") || str_equal(event, "hook") || !time)
			continue;
		str_printf(out, "  %.8s  ", time + 11);
		put(out, event);
		if (str_equal(event, "exec") || str_equal(event, "create")) {
			str_puts(out, str_equal(event, "exec") ? "    " : "  ");
			put_command(out, get(records[i], "process.command_args"));
			str_puts(out, " (");
			put_identity(out, records[i]);
			str_puts(out, ")");
		}
		dropped = get(records[i], "env.dropped");
		if (dropped && dropped->n) {
			str_puts(out, "; dropped: ");
			put_names(out, dropped);
		}
		str_puts(out, "\n");
	}
	page_exit(out, delete);
	if (!delete)
		return;
	str_puts(out, "  network traffic:\n");
	if (!network || network->type != JSON_OBJECT) {
		str_puts(out, "  not recorded: ");
		put(out, get_text(delete, "network_reason"));
		str_puts(out, "\n");
	} else if (!page_destinations(out, network, false)) {
		str_puts(out, "  none that was allowed\n");
	}
}

static void page_denied(struct str *out, const struct json *delete)
{
	static const struct {
		const char *key, *text;
	} totals[] = {
		{ "denied_packets", "packets out were denied in all" },
		{ "inbound_denied_packets", "packets in were denied" },
		{ "forwarded_packets", "packets were to be forwarded, and were denied" },
		{ "unrecorded_packets", "packets were dropped because their destination could not "
					"be recorded" },
	};
	const struct json *network = get(delete, "network"), *truncated;

	heading(out, "What was denied");
	if (!delete || !network || network->type != JSON_OBJECT) {
		str_puts(out, delete ? "  no count of it\n" : "  counted when it is deleted\n");
		return;
	}
	if (!page_destinations(out, network, true))
		str_puts(out, "  no destination\n");
	for (size_t i = 0; i < sizeof totals / sizeof *totals; i++) {
		uint64_t count = get_number(network, totals[i].key, NULL);

		if (count)
			str_printf(out, "  %llu %s\n", (unsigned long long)count, totals[i].text);
	}
	truncated = get(network, "truncated");
	if (truncated && truncated->boolean)
		str_puts(out, "  TRUNCATED: more destinations than could be recorded; the list is "
			 "not complete\n");
}

static void page_cost(struct str *out, const struct json *delete)
{
	const struct json *cost = get(delete, "cost");
	static const struct {
		const char *key, *text;
	} sizes[] = {
		{ "memory_peak_bytes", "peak memory" },
		{ "io_read_bytes", "read" },
		{ "io_write_bytes", "written" },
	};
	bool known;
	uint64_t v;

	if (!delete)
		return;
	heading(out, "What it cost");
	v = get_number(cost, "cpu_usec", &known);
	label(out, "CPU");
	str_printf(out, known ? "%.3f s\n" : "unknown\n", (double)v / 1e6);
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		v = get_number(cost, sizes[i].key, &known);
		label(out, sizes[i].text);
		if (known)
			put_size(out, v);
		else
			str_puts(out, "unknown");
		str_puts(out, "\n");
	}
	v = get_number(cost, "oom_kills", &known);
	if (known && v)
		str_printf(out, "  processes killed for want of memory: %llu\n",
			   (unsigned long long)v);
}

static void page_hooks(struct str *out, const struct json *const *records, size_t n)
{
	bool any = false;

	for (size_t i = 0; i < n; i++) {
		if (!str_equal(get_text(records[i], "event"), "hook"))
			continue;
		if (!any)
			heading(out, "Audit hooks that did not succeed");
		any = true;
		str_puts(out, "  ");
		put_member(out, records[i], "hook.path");
		str_puts(out, " at ");
		put_member(out, records[i], "hook.event");
		str_puts(out, ": ");
		put_escaped(out, get_text(records[i], "hook.detail"));
		str_puts(out, "\n");
	}
}

static void page_end(struct str *out, const struct json *const *records, size_t n,
		     const struct json *delete)
{
	page_lines(out, "What this record cannot know", get(delete, "unseen"));
	for (size_t i = 0; i < n; i++)
		if (get(records[i], "truncated"))
			page_lines(out, "What was too long to record", get(records[i], "truncated"));
	heading(out, "Evidence");
	str_puts(out, "  records ");
	put_member(out, records[0], "seq");
	str_puts(out, " to ");
	put_member(out, records[n - 1], "seq");
	str_printf(out, " of the log, %zu of this session; `agentrun audit verify` checks the chain\n",
		   n);
}

static void page(struct log_read *l, const char *session, const struct json *const *records, size_t n,
		 struct str *out)
{
	size_t nth, all;
	const struct json *create = NULL, *start = NULL, *delete = NULL;

	for (size_t i = 0; i < n; i++) {
		const char *event = get_text(records[i], "event");

		if (str_equal(event, "create"))
			create = records[i];
		else if (str_equal(event, "start"))
			start = records[i];
		else if (str_equal(event, "delete"))
			delete = records[i];
	}
	str_printf(out, "Session %s, container ", session);
	put_member(out, records[0], "container.id");
	str_puts(out, "\n");
	place_of(l, session, &nth, &all);
	if (all > 1)
		str_printf(out, "  number %zu of %zu of this container id; `agentrun audit list` shows "
			   "all\n", nth, all);
	for (int i = 0; i < 2; i++) {
		const char *time = get_text(i ? delete : create, "time");

		label(out, i ? "deleted" : "created");
		put(out, time ? arena_printf(&l->a, "%.10s %.12s UTC", time, time + 11) : "no record");
		str_puts(out, "\n");
	}
	if (create) {
		page_head(out, create);
		if (delete)
			page_ran(out, start, delete);
		page_allowed(out, create);
		page_lines(out, "What the policy changed in the request",
			   get(get(create, "policy"), "changes"));
		page_claims(out, get(create, "claims"));
	} else {
		str_puts(out, "  The create record is not in this log: it was rotated away, or never "
			 "written.\n");
	}
	page_did(out, records, n, delete);
	page_denied(out, delete);
	page_cost(out, delete);
	page_hooks(out, records, n);
	page_end(out, records, n, delete);
}

int audit_show(const char *directory, const char *name, struct str *text, struct err *e)
{
	struct log_read l = { 0 };
	owned_str lines = STR_INIT;
	struct collect c = { .text = &lines };
	const struct json **records;
	size_t n = 0;
	int r;

	if (!name)
		return audit_list(directory, text, e);
	if ((r = each_record(directory, visit_frame, &l, e)) < 0 ||
	    (r = find(&l, name, &c.session, e)) < 0 ||
	    (r = each_record(directory, visit_collect, &c, e)) < 0)
		goto out;
	for (size_t i = 0; i < lines.len; i++)
		n += lines.s[i] == '\n';
	records = arena_array(&l.a, const struct json *, n);
	n = 0;
	for (char *line = lines.s, *end; (end = strchr(line, '\n')); line = end + 1) {
		struct err ignored;

		if (json_parse(&l.a, line, (size_t)(end - line), "record", &records[n],
			       &ignored) == 0)
			n++;
	}
	if (n)
		page(&l, c.session, records, n, text);
	else
		r = err_say(e, EINVAL, "audit: no record of session %s can be read", c.session);
out:
	log_free(&l);
	return r;
}
