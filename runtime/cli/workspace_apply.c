/* SPDX-License-Identifier: Apache-2.0 */
/* workspace apply: what a person takes over of what a container wrote. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/audit.h"
#include "audit/record.h"
#include "base/log.h"
#include "cli/workspace.h"
#include "review/apply.h"
#include "review/diff.h"
#include "review/intent.h"
#include "review/masked.h"

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

void workspace_record_earlier(struct cli *cli, const struct review *review, int workspace,
			      struct str *out)
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

/* ---- what is chosen ---- */

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

static int check_digest(const struct workspace_options *o, const struct workspace_session *s, const struct changes *now,
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

int workspace_apply(struct cli *cli, uid_t caller, const char *directory, const char *name,
		    const struct strv *paths, const struct workspace_options *o, struct str *out,
		    struct err *e)
{
	owned_session s = SESSION_INIT;
	struct changes all, chosen, done, reviewed;
	struct diff_view v = { .s = &s.r.s, .c = &chosen, .terminal = isatty(1) };
	struct intent intended = { .caller = caller };
	owned_str safe = STR_INIT;
	bool recorded = !o->reviewed;
	size_t skipped;
	int r;

	if (workspace_session_open(cli, directory, name, true, &s, e) < 0)
		return -e->code;
	workspace_record_earlier(cli, &s.r, s.workspace, out);
	if (workspace_session_changes(cli, &s, &all, e) < 0 ||
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
