/* SPDX-License-Identifier: Apache-2.0 */
/* What was changed in the workspace, and what of it a person took over. */
#include "audit/record.h"
#include "audit/report_parts.h"

enum {
	SHOWN_RUNS = 6,		/* of those that may run code, */
	SHOWN = 8,		/* and of the others */
	APPLIED = 3,		/* of what was taken over at once, */
	APPLIES = 2,		/* and how often */
	APART = 60,		/* seconds: records further apart are not of one call */
};

static void put_change(struct str *out, const struct json *change)
{
	static const char *const words[][2] = {
		{ "added", "added " },	 { "modified", "modified " }, { "deleted", "deleted " },
		{ "mode", "mode of " },	 { "type", "type of " },
	};
	const char *kind = json_get_text(change, "kind"), *runs = json_get_text(change, "runs");
	bool known;
	uint64_t size = get_number(change, "size", &known);

	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (str_equal(kind, words[i][0]))
			str_puts(out, words[i][1]);
	quote_text(out, json_get_text(change, "path"));
	if (runs) {
		str_puts(out, ": ");
		quote_text(out, runs);
	} else if (known && (str_equal(kind, "added") || str_equal(kind, "modified"))) {
		str_puts(out, ", ");
		put_size(out, size);
	}
}

enum kind { RUNS, MODIFIED, OTHER, GIT };

static enum kind kind_of(const struct json *change)
{
	return json_get_text(change, "runs") ? RUNS :
	       audit_is_git(json_get_text(change, "path")) ? GIT :
	       str_equal(json_get_text(change, "kind"), "modified") ? MODIFIED : OTHER;
}

/* Enough of it to see that it is the same; `agentrun workspace` compares, and shows, all of it. */
static void put_digest(struct str *out, const struct json *object, const char *key)
{
	const char *digest = json_get_text(object, key);

	if (!digest)
		return;
	str_puts(out, ", digest " REPORT_QUOTE);
	put_short(out, digest, SIZE_MAX);
	str_puts(out, REPORT_UNQUOTE);
}

/* Those of a kind; how many there are. */
static size_t changes_say(struct report *r, struct report_lines *to, const struct json *changes,
			  enum kind kind, const char *name, size_t most)
{
	size_t n = 0;

	for (size_t i = 0; changes && changes->type == JSON_ARRAY && i < changes->n; i++) {
		owned_str text = STR_INIT;

		if (kind_of(changes->items[i]) != kind || n++ >= most)
			continue;
		put_change(&text, changes->items[i]);
		report_add(r, to, kind == RUNS ? TONE_BAD : TONE_PLAIN, n == 1 ? name : "", text.s);
	}
	return n;
}

/* What a person would look at, first what was there before; how many are shown. */
static size_t others_say(struct report *r, struct report_lines *to, const struct json *changes,
			 const char *name, size_t most)
{
	size_t n = changes_say(r, to, changes, MODIFIED, name, most);

	n = n < most ? n : most;
	n += changes_say(r, to, changes, OTHER, n ? "" : name, most - n);
	return n < most ? n : most;
}

/* What is not shown of so many; what is within .git is said apart. */
static void more_say(struct report *r, struct report_lines *to, const char *name, uint64_t more,
		     uint64_t git, bool first)
{
	owned_str text = STR_INIT;

	if (!more && !git)
		return;
	str_puts(&text, first ? "" : "and ");
	if (more)
		str_printf(&text, first ? "%llu%s" : "%llu more%s", (unsigned long long)more,
			   git ? ", and " : "");
	if (git)
		str_printf(&text, "%llu in .git", (unsigned long long)git);
	report_add(r, to, TONE_NOTE, first ? name : "", text.s);
}

void files_say(struct report *r, const struct json *delete)
{
	static const char *const kinds[] = { "added", "modified", "deleted", "mode", "type" };
	static const char *const words[] = {
		"added", "modified", "deleted", "of another mode", "of another type",
	};
	const struct json *files = json_get(delete, "files"), *changes = json_get(files, "changes");
	struct report_lines *to;
	size_t runs, others;
	uint64_t total = 0, rest, git;
	bool known;
	const char *name;
	owned_str text = STR_INIT, fact = STR_INIT;

	if (!files || files->type != JSON_OBJECT)
		return;		/* no workspace, or a record of a former version: `unseen` tells */
	to = &report_section(r, "What it changed", false)->lines;
	if (!json_get_text(files, "source")) {
		quote_form(&text, files, "not known: {reason}");
		report_add(r, to, TONE_NOTE, "files", text.s);
		report_add(r, &r->facts, TONE_NOTE, "files changed", "not known");
		return;
	}
	if (json_get_text(files, "reason")) {
		owned_str missing = STR_INIT;

		quote_form(&missing, files, "{reason}");
		report_add(r, to, TONE_NOTE, "not all", missing.s);
	}
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		uint64_t n = get_number(files, kinds[i], NULL);

		if (n)
			str_printf(&text, "%s%llu %s", text.len ? ", " : "", (unsigned long long)n, words[i]);
		total += n;
	}
	if (!total) {
		report_add(r, to, TONE_PLAIN, "files", "none");
		report_add(r, &r->facts, TONE_PLAIN, "files changed", "none");
		return;
	}
	if (str_equal(json_get_text(files, "source"), "statx"))
		str_puts(&text, ", in the workspace itself");
	else
		str_puts(&text, ", kept beside the workspace until a person takes them over");
	put_digest(&text, files, "digest");
	report_add(r, to, TONE_PLAIN, "files", text.s);
	runs = changes_say(r, to, changes, RUNS, "may run code", SHOWN_RUNS);
	report_more(r, to, "", runs, SHOWN_RUNS);
	name = runs ? "others" : "changes";
	others = others_say(r, to, changes, name, SHOWN);
	git = get_number(files, "git", &known);
	if (!known)
		git = changes_say(r, to, changes, GIT, "", 0);
	rest = total > runs + others + git ? total - runs - others - git : 0;
	more_say(r, to, name, rest, git, !others);
	str_printf(&fact, "%llu", (unsigned long long)total);
	if (runs)
		str_printf(&fact, ", %zu may run code on the host", runs);
	report_add(r, &r->facts, runs ? TONE_BAD : TONE_PLAIN, "files changed", fact.s);
}

/* The records of one call: it makes as many as its changes need, one behind the other. */
struct call {
	const struct json *record;	/* the first */
	int64_t at;			/* of the last */
	struct json all;		/* their changes */
	const struct json **v;		/* the same */
	size_t room;
	uint64_t omitted;
};

static bool goes_on(const struct call *c, const struct json *record)
{
	static const char *const same[] = { "workspace.source", "changes.digest" };
	const int64_t at = time_ns(json_get_text(record, "time"));

	for (size_t i = 0; i < sizeof same / sizeof *same; i++)
		if (!str_equal(json_get_text(c->record, same[i]), json_get_text(record, same[i])))
			return false;
	return get_number(c->record, "caller.uid", NULL) == get_number(record, "caller.uid", NULL) &&
	       at - c->at < APART * 1000000000LL;
}

static void call_add(struct report *r, struct call *c, const struct json *record)
{
	const struct json *applied = json_get(record, "applied");
	const size_t n = applied && applied->type == JSON_ARRAY ? applied->n : 0;

	for (size_t i = 0; i < n; i++) {
		c->v = report_grow(&r->a, c->v, c->all.n, &c->room, sizeof *c->v);
		c->v[c->all.n++] = applied->items[i];
	}
	c->all.items = c->v;
	c->omitted += get_number(record, "omitted", NULL);
	c->at = time_ns(json_get_text(record, "time"));
}

static void call_say(struct report *r, struct report_lines *to, const struct call *c)
{
	const size_t git = changes_say(r, to, &c->all, GIT, "", 0);
	const uint64_t total = c->all.n + c->omitted;
	owned_str clock = STR_INIT, text = STR_INIT;
	size_t others;

	put_clock(&clock, time_ns(json_get_text(c->record, "time")));
	put_count(&text, total, "file");
	quote_form(&text, c->record, " into {workspace.source} by uid {caller.uid}");
	put_digest(&text, c->record, "changes.digest");
	report_add(r, to, TONE_PLAIN, clock.s, text.s);
	others = others_say(r, to, &c->all, "", APPLIED);
	more_say(r, to, "", total - git - others, git, !others);
}

void applied_say(struct report *r, const struct json *const *records, size_t n)
{
	struct report_lines *to = &report_section(r, "What a person took over", false)->lines;
	struct call *calls = NULL;
	size_t n_calls = 0, room = 0;

	for (size_t i = 0; i < n; i++) {
		if (!str_equal(json_get_text(records[i], "event"), "apply"))
			continue;
		if (!n_calls || !goes_on(&calls[n_calls - 1], records[i])) {
			calls = report_grow(&r->a, calls, n_calls, &room, sizeof *calls);
			calls[n_calls++] = (struct call){ .record = records[i], .all.type = JSON_ARRAY };
		}
		call_add(r, &calls[n_calls - 1], records[i]);
	}
	if (n_calls > APPLIES) {
		owned_str text = STR_INIT;

		put_count(&text, n_calls - APPLIES, "call");
		str_puts(&text, " before these");
		report_add(r, to, TONE_NOTE, "earlier", text.s);
	}
	for (size_t i = n_calls > APPLIES ? n_calls - APPLIES : 0; i < n_calls; i++)
		call_say(r, to, &calls[i]);
}
