/* SPDX-License-Identifier: Apache-2.0 */
/* workspace list, discard, prune. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "audit/report.h"
#include "base/fd.h"
#include "base/json.h"
#include "cli/workspace.h"
#include "lifecycle/state.h"
#include "review/intent.h"

/* ---- list ---- */

/* Of RFC 3339 in UTC; 0 if it is not. */
static time_t parse_time(const char *text)
{
	struct tm t = { 0 };

	if (!text || sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d", &t.tm_year, &t.tm_mon, &t.tm_mday,
			    &t.tm_hour, &t.tm_min, &t.tm_sec) != 6)
		return 0;
	t.tm_year -= 1900;
	t.tm_mon -= 1;
	return timegm(&t);
}

static const struct {
	char letter;
	long seconds;
} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 }, { 'w', 7 * 86400 } };
enum { UNITS = sizeof units / sizeof *units };

static int parse_duration(const char *text, long *ret, struct err *e)
{
	long n, unit = 0;
	char *end;

	errno = 0;
	n = strtol(text, &end, 10);
	for (size_t i = 0; i < UNITS; i++)
		if (*end == units[i].letter && !end[1])
			unit = units[i].seconds;
	if (errno || *text < '0' || *text > '9' || !unit || n > LONG_MAX / unit)
		return err_say(e, EINVAL, "--older-than %s: expected a number and s, m, h, d or w", text);
	*ret = n * unit;
	return 0;
}

static void put_age(struct str *out, time_t age)
{
	size_t i = UNITS - 2;	/* days are the largest */

	while (i > 0 && age < 2 * units[i].seconds)
		i--;
	str_printf(out, "%lld%c", (long long)(age > 0 ? age / units[i].seconds : 0), units[i].letter);
}

/* How much there is to review; -1: the error says why that can't be told. */
static int measure(struct cli *cli, const char *directory, const char *session, size_t *ret_changes,
		   uint64_t *ret_bytes, struct err *e)
{
	owned_session s = SESSION_INIT;
	owned_arena a = ARENA_INIT;
	struct changes c;

	if (workspace_session_open(cli, directory, session, false, &s, e) < 0 ||
	    changes_read(&a, &s.r.s, s.upper, s.workspace, false, &c, e) < 0)
		return -1;
	*ret_changes = c.n;
	*ret_bytes = 0;
	for (size_t i = 0; i < c.n; i++)
		*ret_bytes += c.v[i].new_size;
	return 0;
}

/* A session as the list shows it. */
struct row {
	const struct review_entry *x;
	const char *error;
	bool in_use;
	size_t changes;		/* that are still to be taken over, */
	uint64_t bytes;		/* and how much they hold */
};

static void list_json(const struct row *r, struct json_writer *w)
{
	json_open(w);
	json_field(w, "session", r->x->s.session);
	json_field(w, "container", r->x->s.container);
	json_field(w, "workspace", r->x->s.workspace);
	json_field(w, "created", r->x->s.created);
	json_field_bool(w, "inUse", r->in_use);
	json_field_bool(w, "unfinished", r->x->unfinished);
	if (r->error) {
		json_field(w, "error", r->error);
	} else {
		json_field_u64(w, "changes", r->changes);
		json_field_u64(w, "bytes", r->bytes);
	}
	json_close(w);
}

static const char *word_for(const struct row *r)
{
	if (r->in_use)
		return "in use";
	if (r->error)
		return r->x->unfinished ? "unfinished" : "bad";
	/* A session in which nothing was written went with its container. */
	return r->changes ? "" : "applied";
}

static void list_row(const struct row *r, int session, int container, struct str *out)
{
	owned_str age = STR_INIT, changes = STR_INIT, size = STR_INIT, safe = STR_INIT;

	str_put_safe(&safe, r->error ? r->error : r->x->s.workspace, 400);
	if (r->x->s.created)
		put_age(&age, time(NULL) - parse_time(r->x->s.created));
	if (!r->error) {
		str_put_number(&changes, r->changes);
		put_size(&size, r->bytes);
	}
	str_printf(out, "%-*s %-*s %5s %7s %11s %-10s %s\n", session, r->x->s.session, container,
		   r->x->s.container ? r->x->s.container : "-", age.len ? age.s : "-",
		   changes.len ? changes.s : "-", size.len ? size.s : "-", word_for(r), safe.s);
}

static void list_rows(const struct row *v, size_t n, struct str *out)
{
	size_t session = strlen("SESSION"), container = strlen("CONTAINER"), length;

	for (size_t i = 0; i < n; i++) {
		length = strlen(v[i].x->s.session);
		session = session < length ? length : session;
		length = v[i].x->s.container ? strlen(v[i].x->s.container) : 0;
		container = container < length ? length : container;
	}
	if (n)
		str_printf(out, "%-*s %-*s %5s %7s %11s %-10s %s\n", (int)session, "SESSION", (int)container,
			   "CONTAINER", "AGE", "CHANGES", "SIZE", "", "WORKSPACE");
	for (size_t i = 0; i < n; i++)
		list_row(&v[i], (int)session, (int)container, out);
}

int workspace_stores_list(struct cli *cli, const char *directory, const struct workspace_options *o,
			  struct str *out, struct err *e)
{
	struct json_writer *w;
	struct review_entry *v;
	struct row *rows;
	size_t n;

	if (review_list(cli->arena, directory, &v, &n, e) < 0)
		return -e->code;
	rows = arena_array(cli->arena, struct row, n + 1);
	for (size_t i = 0; i < n; i++) {
		struct row *r = &rows[i];
		struct err bad;

		*r = (struct row){ .x = &v[i], .error = v[i].error };
		r->in_use = !r->error && review_in_use(&v[i].s);
		if (!r->error && measure(cli, directory, v[i].s.session, &r->changes, &r->bytes, &bad) < 0)
			r->error = arena_strdup(cli->arena, bad.text);
	}
	if (!o->json) {
		list_rows(rows, n, out);
		return 0;
	}
	w = json_writer_new(false);
	json_open_array(w);
	for (size_t i = 0; i < n; i++)
		list_json(&rows[i], w);
	json_close_array(w);
	json_writer_end(w, out);
	return 0;
}

/* What names its container's state may be lost: then those that agentrun list shows are asked. */
static int check_unused(struct cli *cli, const struct review *r, struct err *e)
{
	char *root;

	if (!r->damaged || r->s.state)
		return 0;
	if (state_root(cli->arena, cli->runtime.root, cli->runtime.rootless, false, &root, e) < 0)
		return -e->code;
	return review_check_states(r->s.session, root, e);
}

int workspace_store_discard(struct cli *cli, const char *directory, const char *name, struct str *out,
			    struct err *e)
{
	owned_review r = REVIEW_INIT;
	owned_fd workspace = -1;
	struct err gone;

	if (review_open_to_remove(cli->arena, directory, name, &r, e) < 0 || review_lock(&r, e) < 0 ||
	    check_unused(cli, &r, e) < 0)
		return -e->code;
	/* One whose store.json is damaged names no workspace. */
	if (r.s.workspace && faccessat(r.fd, REVIEW_INTENT, F_OK, AT_SYMLINK_NOFOLLOW) == 0 &&
	    review_open_workspace(&r.s, &workspace, &gone) == 0)
		workspace_record_earlier(cli, &r, workspace, out);
	if (review_remove(&r, e) < 0)
		return -e->code;
	str_printf(out, "discarded %s\n", r.s.session);
	return 0;
}

int workspace_stores_prune(struct cli *cli, const char *directory, const struct workspace_options *o,
			   struct str *out, struct err *e)
{
	struct review_entry *v;
	long seconds = 0;
	size_t n;

	if (!o->older_than)
		return err_say(e, EINVAL, "expected --older-than DURATION");
	if (parse_duration(o->older_than, &seconds, e) < 0 ||
	    review_list(cli->arena, directory, &v, &n, e) < 0)
		return -e->code;
	for (size_t i = 0; i < n; i++) {
		struct err kept;

		if (v[i].error && !v[i].unfinished)
			str_printf(out, "kept %s: %s\n", v[i].s.session, v[i].error);
		else if (!parse_time(v[i].s.created))
			str_printf(out, "kept %s: it does not say when it was created\n", v[i].s.session);
		else if (time(NULL) - parse_time(v[i].s.created) < seconds)
			continue;
		else if (workspace_store_discard(cli, directory, v[i].s.session, out, &kept) < 0)
			str_printf(out, "kept %s: %s\n", v[i].s.session, kept.text);
	}
	return 0;
}
