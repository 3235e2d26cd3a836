/* SPDX-License-Identifier: Apache-2.0 */
/* workspace list, diff, apply, discard, prune: what containers wrote, for a person to take or leave. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "audit/audit.h"
#include "audit/record.h"
#include "audit/report.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/log.h"
#include "cli/cli.h"
#include "lifecycle/state.h"
#include "review/apply.h"
#include "review/changes.h"
#include "review/diff.h"
#include "review/intent.h"
#include "review/masked.h"
#include "review/store.h"
#include "sandbox/idmap.h"

struct options {
	const char *reviewed, *older_than;
	bool json, stat, name_only, nul, interactive, allow_exec, skip, overwrite, discard;
};

#define O(member) offsetof(struct options, member)
const struct cli_option cmd_workspace_options[] = {
	{ 0, "json", CLI_FLAG, O(json), NULL, "list, diff: print JSON" },
	{ 0, "stat", CLI_FLAG, O(stat), NULL, "diff: how many lines of each file, for the patch" },
	{ 0, "name-only", CLI_FLAG, O(name_only), NULL, "diff: only the paths" },
	{ 'z', "null", CLI_FLAG, O(nul), NULL, "diff: the paths as they are, each with a final NUL" },
	{ 'i', "interactive", CLI_FLAG, O(interactive), NULL, "apply: ask for each change" },
	{ 0, "allow-exec", CLI_FLAG, O(allow_exec), NULL,
	  "apply: also what may run code on this host" },
	{ 0, "skip", CLI_FLAG, O(skip), NULL, "apply: leave out what is refused, or in conflict" },
	{ 0, "overwrite", CLI_FLAG, O(overwrite), NULL,
	  "apply: the container's also where the host's was changed meanwhile" },
	{ 0, "reviewed", CLI_TEXT, O(reviewed), "DIGEST",
	  "apply: only if the changes are those with this digest, which diff prints" },
	{ 0, "discard", CLI_FLAG, O(discard), NULL, "apply: if all was applied, discard the session" },
	{ 0, "older-than", CLI_TEXT, O(older_than), "DURATION",
	  "prune: discard what is older than DURATION (30d, 12h)" },
	{ 0, NULL, 0, 0, NULL, NULL },
};

/* ---- a session, opened ---- */

struct opened {
	struct review r;
	int upper, workspace;		/* descriptors of the two tops; owned */
};
#define SESSION_INIT ((struct opened){ .r = REVIEW_INIT, .upper = -1, .workspace = -1 })
#define owned_session __attribute__((cleanup(session_close))) struct opened

static void session_close(struct opened *s)
{
	fd_close(&s->upper);
	fd_close(&s->workspace);
	review_close(&s->r);
}

static int open_trees(struct opened *s, struct err *e)
{
	s->upper = openat(s->r.fd, REVIEW_UPPER, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (s->upper < 0)
		return err_set(e, errno, "open %s/" REVIEW_UPPER, s->r.path);
	return review_open_workspace(&s->r.s, &s->workspace, e);
}

/* `writing`: nobody else may use it, not even its container. */
static int session_open(struct cli *cli, const char *directory, const char *name, bool writing,
			struct opened *ret, struct err *e)
{
	int r = review_open(cli->arena, directory, name, &ret->r, e);

	if (r < 0 || (writing && (r = review_lock(&ret->r, e)) < 0))
		return r;
	return open_trees(ret, e);
}

/* All that the container changed. */
static int read_changes(struct cli *cli, const struct opened *s, struct changes *ret, struct err *e)
{
	struct changes recorded;
	struct err none;
	bool conflict = false;

	if (changes_read(cli->arena, &s->r.s, s->upper, s->workspace, true, ret, e) < 0)
		return -e->code;
	for (size_t i = 0; i < ret->n; i++)
		conflict |= ret->v[i].conflict != NULL;
	if (conflict && changes_load(cli->arena, s->r.fd, &recorded, &none) == 0)
		changes_settle(ret, &recorded);
	return 0;
}

/* What is meant where nothing is named: the newest whose workspace is the current directory, or holds it. */
static int session_here(struct cli *cli, const char *directory, const char **ret, struct err *e)
{
	char *here = getcwd(NULL, 0);
	struct review_entry *v;
	size_t n, length;

	if (!here)
		return err_set(e, errno, "the current directory");
	if (review_list(cli->arena, directory, &v, &n, e) < 0) {
		free(here);
		return -e->code;
	}
	for (size_t i = 0; i < n; i++) {
		length = v[i].error ? 0 : strlen(v[i].s.workspace);
		if (length && strncmp(here, v[i].s.workspace, length) == 0 &&
		    (!here[length] || here[length] == '/'))
			*ret = v[i].s.session;
	}
	free(here);
	return *ret ? 0 : err_say(e, ENOENT, "no session has this directory as its workspace: name one "
				  "(agentrun workspace list)");
}

/* ---- the record of what was applied ---- */

/* Records of what was applied: as many changes in each as its line takes whole. */
static int put_applied(void *arg, struct audit_sink *sink, struct err *e)
{
	enum {
		ROOM = AUDIT_LINE_MOST - 2048,	/* without what every record has */
		MANY = ROOM / 100,		/* more than fit: a hash alone is 64 bytes */
	};
	const struct audit_apply *all = arg;

	for (size_t i = 0, n; i < all->n; i += n) {
		struct audit_apply some = *all;
		owned_str members = STR_INIT;
		int r;

		some.applied += i;
		n = all->n - i < MANY ? all->n - i : MANY;
		for (;;) {
			some.n = n;
			audit_record_apply(&some, &members);
			if (members.len <= ROOM || n == 1)
				break;
			n = n * ROOM / members.len;
			n = n ? n : 1;
			members.len = 0;
		}
		if ((r = audit_put(sink, "apply", &members, NULL, e)) < 0)
			return r;
	}
	return 0;
}

/* Who took what over: what `agentrun audit provenance` vouches for.  That it was to come is forgotten by then. */
static void record(struct cli *cli, const struct review *review, const struct intent *intended,
		   const struct changes *done)
{
	const struct review_store *s = &review->s;
	const struct audit_frame frame = { .session = s->session, .container = s->container,
					   .event = "apply", .durable = true };
	struct audit_change *list = arena_array(cli->arena, struct audit_change, done->n + 1);
	struct audit_apply all = { s->workspace, intended->reviewed, intended->caller, list, done->n };
	char *directory;
	struct err e;
	int r = audit_directory(cli->arena, cli->runtime.rootless, &directory, &e);

	for (size_t i = 0; i < done->n; i++) {
		const struct change *c = &done->v[i];

		list[i] = (struct audit_change){ c->path, change_kind_names[c->kind], c->new_size,
						 c->new_hash, c->runs };
	}
	if (r == 0 && done->n)
		r = audit_append_many(directory, &frame, put_applied, &all, &e);
	if (r == 0)
		intent_remove(review);
	else
		log_warn("no audit record of all that was applied: %s", e.text);
}

/* What an apply did that came to no record of it.  The review is locked. */
static void record_earlier(struct cli *cli, const struct review *review, int workspace, struct str *out)
{
	struct intent before;
	struct changes done;
	struct err e;
	int r = intent_read(cli->arena, review, &before, &e);

	if (r < 0)
		log_warn("what an earlier apply did is not known: %s", e.text);
	if (r <= 0)
		return;
	apply_clean(cli->arena, &review->s, &before.c, workspace);
	intent_done(cli->arena, &before, workspace, &done);
	record(cli, review, &before, &done);
	if (done.n)
		str_printf(out, "recorded %zu changes that an apply which was interrupted had applied\n", done.n);
}

/* ---- list and prune ---- */

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

	if (session_open(cli, directory, session, false, &s, e) < 0 ||
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

static int list(struct cli *cli, const char *directory, const struct options *o, struct str *out,
		struct err *e)
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

/* Locks and removes it, whatever became of the workspace. */
static int discard(struct cli *cli, const char *directory, const char *name, struct str *out,
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
		record_earlier(cli, &r, workspace, out);
	if (review_remove(&r, e) < 0)
		return -e->code;
	str_printf(out, "discarded %s\n", r.s.session);
	return 0;
}

static int prune(struct cli *cli, const char *directory, const struct options *o, struct str *out,
		 struct err *e)
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
		else if (discard(cli, directory, v[i].s.session, out, &kept) < 0)
			str_printf(out, "kept %s: %s\n", v[i].s.session, kept.text);
	}
	return 0;
}

/* ---- diff ---- */

static int diff(struct cli *cli, const char *directory, const char *name, const struct strv *paths,
		const struct options *o, struct str *out, struct err *e)
{
	owned_session s = SESSION_INIT;
	struct changes all, c;
	struct diff_view v = { .s = &s.r.s, .c = &c, .terminal = isatty(1) };

	if (o->json + o->stat + (o->name_only || o->nul) > 1)
		return err_say(e, EINVAL, "--json, --stat and --name-only exclude each other");
	if (session_open(cli, directory, name, false, &s, e) < 0 || read_changes(cli, &s, &all, e) < 0 ||
	    changes_select(cli->arena, &all, paths, &c, e) < 0)
		return -e->code;
	v.upper = s.upper;
	v.workspace = s.workspace;
	if (o->json) {
		diff_json(&v, out);
		return 0;
	}
	if (o->name_only || o->nul) {
		diff_names(&c, o->nul, out);
		return 0;
	}
	if (review_in_use(&s.r.s))
		str_puts(out, "The container still exists, and may go on writing.\n");
	diff_summary(&v, out);
	if (o->stat)
		return diff_stat(&v, out, e);
	str_puts(out, "\n");
	if (cli_print(out, e) < 0)
		return -e->code;
	out->len = 0;
	return diff_patch(&v, 1, e);
}

/* ---- apply ---- */

enum answer { YES, NO, ALL, QUIT };

/* The diff of one change is what 'd' shows. */
static int ask(const struct diff_view *v, const struct change *c, enum answer *ret, struct err *e)
{
	static const char letters[] = "ynaq";
	struct changes one = { (struct change *)(uintptr_t)c, 1, "" };
	struct diff_view view = *v;
	char line[64];

	view.c = &one;
	for (;;) {
		owned_str text = STR_INIT;
		const char *found;

		diff_line(c, c->conflict ? c->conflict : c->runs, &text);
		if (c->conflict && c->runs)
			str_printf(&text, "  and may run code on this host: %s\n", c->runs);
		str_puts(&text, c->conflict ? "Overwrite what the host has? (y)es, (n)o, (d)iff, (q)uit: " :
			 "Apply it? (y)es, (n)o, (a)ll that run no code, (d)iff, (q)uit: ");
		if (cli_print(&text, e) < 0)
			return -e->code;
		if (!fgets(line, sizeof line, stdin))
			return err_say(e, ECANCELED, "nothing was applied: no answer");
		if (*line == 'd' && diff_patch(&view, 1, e) < 0)
			return -e->code;
		found = *line && *line != '\n' ? strchr(letters, *line) : NULL;
		if (found && !(c->conflict && letters[ALL] == *line)) {
			*ret = (enum answer)(found - letters);
			return 0;
		}
	}
}

/* Directories are made and removed as their contents need it. */
static bool is_asked(const struct changes *all, const struct change *c)
{
	if (c->kind == CHANGE_DELETED)
		return !S_ISDIR(c->old_mode);
	return c->kind != CHANGE_ADDED || !S_ISDIR(c->new_mode) || !changes_any_below(all, c->path);
}

static void put_left_out(const struct change *c, const char *why, struct str *out)
{
	str_puts(out, "Left out:");
	diff_line(c, why, out);
}

/* Takes those of the paths.  Says which are not taken although nothing was said of them: directories, as what
 * is in them was left out or stays; `said` has a place for each. */
static void take(struct cli *cli, struct changes *chosen, const struct strv *paths, const bool *said,
		 struct str *out)
{
	const struct changes all = *chosen;
	size_t taken = 0;

	changes_pick(cli->arena, &all, paths, chosen);
	for (size_t i = 0; i < all.n; i++)
		if (taken < chosen->n && strcmp(chosen->v[taken].path, all.v[i].path) == 0)
			taken++;
		else if (!said[i])
			put_left_out(&all.v[i], all.v[i].old_mode ? "something in it stays" :
				     "nothing in it is applied", out);
}

/* What can never be applied, and what is in conflict. */
static void skip(struct cli *cli, struct changes *chosen, struct str *out)
{
	bool *said = arena_array(cli->arena, bool, chosen->n + 1);
	struct strv paths = { 0 };

	for (size_t i = 0; i < chosen->n; i++) {
		const struct change *c = &chosen->v[i];

		said[i] = c->refused || c->conflict;
		if (said[i])
			put_left_out(c, c->refused ? c->refused : c->conflict, out);
		else
			strv_add(cli->arena, &paths, c->path);
	}
	take(cli, chosen, &paths, said, out);
}

static void overwrite(struct changes *chosen, struct str *out)
{
	for (size_t i = 0; i < chosen->n; i++)
		if (chosen->v[i].overwritable && !chosen->v[i].refused) {
			str_puts(out, "Overwrites:");
			diff_line(&chosen->v[i], chosen->v[i].conflict, out);
		}
	changes_overwrite(chosen);
}

/* In this order: what may do harm is not met among a thousand other files. */
enum turn { RUNS, OVERWRITES, OTHER, TURNS };

static enum turn turn_of(const struct change *c)
{
	return c->runs ? RUNS : c->conflict ? OVERWRITES : OTHER;
}

/* Names what can't be applied, even with a yes, then what may run code; said[] has a place for each change. */
static void put_first(const struct changes *c, const struct changes *reviewed, bool *said, struct str *out)
{
	bool any = false;

	for (size_t i = 0; i < c->n; i++) {
		struct change asked = c->v[i];
		const char *why;

		if (asked.overwritable)
			asked.conflict = NULL;
		why = apply_hindrance(&asked, reviewed);
		said[i] = why != NULL;
		if (why)
			put_left_out(&c->v[i], why, out);
	}
	for (size_t i = 0; i < c->n; i++) {
		if (said[i] || !c->v[i].runs)
			continue;
		str_puts(out, any ? "" : "May run code on this host:\n");
		any = true;
		diff_line(&c->v[i], c->v[i].runs, out);
	}
}

/* *chosen becomes what was answered with yes; what can't be applied is named and left out. */
static int choose(struct cli *cli, const struct diff_view *v, const struct changes *reviewed,
		  struct changes *chosen, struct str *out, struct err *e)
{
	bool *said = arena_array(cli->arena, bool, chosen->n + 1), all = false;
	struct strv paths = { 0 };

	if (!isatty(0))
		return err_say(e, ENOTTY, "--interactive asks a terminal, and standard input is none");
	put_first(chosen, reviewed, said, out);
	if (cli_print(out, e) < 0)
		return -e->code;
	out->len = 0;
	for (enum turn turn = 0; turn < TURNS; turn++)
		for (size_t i = 0; i < chosen->n; i++) {
			const struct change *c = &chosen->v[i];
			const bool asked = is_asked(chosen, c);
			enum answer answer = YES;

			if (said[i] || turn_of(c) != turn || (c->kind == CHANGE_ADDED && !asked))
				continue;
			if ((asked || c->conflict) && (turn != OTHER || !all) && ask(v, c, &answer, e) < 0)
				return -e->code;
			if (answer == QUIT)
				return err_say(e, ECANCELED, "nothing was applied");
			all |= answer == ALL;
			said[i] = answer == NO;
			if (answer != NO)
				strv_add(cli->arena, &paths, c->path);
		}
	take(cli, chosen, &paths, said, out);
	changes_overwrite(chosen);
	return 0;
}

static int check_digest(const struct options *o, const struct opened *s, const struct changes *now,
			struct changes *reviewed, struct arena *a, struct err *e)
{
	if (o->reviewed && strcmp(o->reviewed, now->digest) != 0)
		return err_say(e, ESTALE, "nothing was applied: the digest of the changes is now %s: "
			       "review them again", now->digest);
	if (o->reviewed || changes_load(a, s->r.fd, reviewed, e) == 0)
		return 0;
	return err_say(e, e->code, "%s\nNothing was applied: what the container left was not recorded: "
		       "review it, and give the digest that diff prints with --reviewed",
		       arena_strdup(a, e->text));
}

static int apply(struct cli *cli, uid_t caller, const char *directory, const char *name,
		 const struct strv *paths, const struct options *o, struct str *out, struct err *e)
{
	owned_session s = SESSION_INIT;
	struct changes all, chosen, done, reviewed;
	struct diff_view v = { .s = &s.r.s, .c = &chosen, .terminal = isatty(1) };
	struct intent intended = { .caller = caller };
	owned_str safe = STR_INIT;
	bool recorded = !o->reviewed;
	size_t skipped;
	int r;

	if (session_open(cli, directory, name, true, &s, e) < 0)
		return -e->code;
	record_earlier(cli, &s.r, s.workspace, out);
	if (read_changes(cli, &s, &all, e) < 0 ||
	    check_digest(o, &s, &all, &reviewed, cli->arena, e) < 0 ||
	    changes_select(cli->arena, &all, paths, &chosen, e) < 0)
		return -e->code;
	v.upper = s.upper;
	v.workspace = s.workspace;
	skipped = chosen.n;
	/* --interactive asks for each. */
	if (o->overwrite && !o->interactive)
		overwrite(&chosen, out);
	if (o->skip)
		skip(cli, &chosen, out);
	skipped -= chosen.n;
	masked_put(&s.r.s, &chosen, s.workspace, out);
	if (o->interactive && choose(cli, &v, recorded ? &reviewed : NULL, &chosen, out, e) < 0)
		return -e->code;
	if (apply_check(&chosen, recorded ? &reviewed : NULL, o->allow_exec || o->interactive, e) < 0)
		return -e->code;
	intended.c = chosen;
	memcpy(intended.reviewed, all.digest, HASH_HEX);
	if (intent_write(&s.r, &intended, e) < 0)
		return err_in(e, "nothing was applied");
	r = apply_changes(cli->arena, &s.r.s, &chosen, s.upper, s.workspace, &done, e);
	record(cli, &s.r, &intended, &done);
	str_put_safe(&safe, s.r.s.workspace, 400);
	str_printf(out, "applied %zu of %zu changes to %s\n", done.n, all.n, safe.s);
	if (r < 0)
		return err_in(e, "%zu of %zu changes were applied, and it can be run again", done.n,
			      chosen.n);
	if (o->discard && chosen.n < all.n)
		str_puts(out, "kept the session: not all of it was applied\n");
	else if (o->discard && (r = review_remove(&s.r, e)) == 0)
		str_printf(out, "discarded %s\n", s.r.s.session);
	return r == 0 && skipped ? err_say(e, ECANCELED, "%zu change%s left out", skipped,
					     skipped == 1 ? " was" : "s were") : r;
}

/* ---- the command ---- */

static const char *const commands[] = { "list", "diff", "apply", "discard", "prune", NULL };

int cmd_workspace(struct cli *cli, int argc, char **argv, struct err *e)
{
	struct options o = { 0 };
	owned_str out = STR_INIT;
	struct strv rest = { 0 };
	struct err second;
	const uid_t caller = getuid();
	const char *what, *name;
	char *directory;
	int first, r;

	if (cli_parse(cli, cmd_workspace_options, CLI_ANYWHERE, &o, argc, argv, &first, e) < 0)
		return err_in(e, "workspace");
	if (first == argc)
		return err_say(e, EINVAL, "workspace: expected list, diff, apply, discard or prune");
	what = argv[first];
	if (str_find(commands, what) < 0)
		return err_say(e, EINVAL, "workspace: unknown command \"%s\": expected list, diff, apply, discard "
			       "or prune", what);
	name = first + 1 < argc ? argv[first + 1] : NULL;
	for (int i = first + 1; i < argc; i++) {
		/* "$UNSET" would mean all there is. */
		if (!*argv[i])
			return err_say(e, EINVAL, "workspace %s: operand %d is empty (\".\" is the whole "
				       "workspace)", what, i - first);
		if (i > first + 1)
			strv_add(cli->arena, &rest, argv[i]);
	}
	if (review_directory(cli->arena, cli->runtime.rootless, &directory, e) < 0)
		return -e->code;
	/* What a user's container wrote belongs to the user's subordinate ids. */
	if (geteuid() != 0 && idmap_enter_own(e) < 0)
		return err_in(e, "workspace");

	if (strcmp(what, "list") == 0 || strcmp(what, "prune") == 0) {
		if (name)
			return err_say(e, EINVAL, "workspace %s: too many operands", what);
		r = (*what == 'l' ? list : prune)(cli, directory, &o, &out, e);
	} else if (!name && strcmp(what, "diff") != 0 && strcmp(what, "apply") != 0) {
		return err_say(e, EINVAL, "workspace %s: expected a session or a container "
			       "(agentrun workspace list)", what);
	} else if (!name && session_here(cli, directory, &name, e) < 0) {
		r = -e->code;
	} else if (strcmp(what, "diff") == 0) {
		r = diff(cli, directory, name, &rest, &o, &out, e);
	} else if (strcmp(what, "apply") == 0) {
		r = apply(cli, caller, directory, name, &rest, &o, &out, e);
	} else if (strcmp(what, "discard") == 0 && !rest.n) {
		r = discard(cli, directory, name, &out, e);
	} else {
		return err_say(e, EINVAL, "workspace %s: too many operands", what);
	}
	if (r < 0) {
		cli_print(&out, &second);
		return err_in(e, "workspace %s", what);
	}
	return cli_print(&out, e);
}
