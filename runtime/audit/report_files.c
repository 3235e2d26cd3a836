/* SPDX-License-Identifier: Apache-2.0 */
/* What was changed in the workspace, and what of it a person took over. */
#include "audit/report_parts.h"

enum { SHOWN = 16 };	/* of those that may run code, and of the others */

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

/* Those of which `runs` is, or is not, said; how many there are. */
static size_t changes_say(struct report *r, struct report_lines *to, const struct json *changes,
			  bool runs, const char *name)
{
	size_t n = 0;

	for (size_t i = 0; changes && changes->type == JSON_ARRAY && i < changes->n; i++) {
		owned_str text = STR_INIT;

		if (!json_get_text(changes->items[i], "runs") == runs)
			continue;
		if (n++ >= SHOWN)
			continue;
		put_change(&text, changes->items[i]);
		report_add(r, to, runs ? TONE_BAD : TONE_PLAIN, n == 1 ? name : "", text.s);
	}
	return n;
}

static void more_say(struct report *r, struct report_lines *to, uint64_t more)
{
	owned_str text = STR_INIT;

	if (!more)
		return;
	str_printf(&text, "and %llu more", (unsigned long long)more);
	report_add(r, to, TONE_NOTE, "", text.s);
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
	uint64_t total = 0;
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
	report_add(r, to, TONE_PLAIN, "files", text.s);
	text.len = 0;
	quote_form(&text, files, "{digest}");
	if (json_get_text(files, "digest"))
		report_add(r, to, TONE_PLAIN, "digest", text.s);
	runs = changes_say(r, to, changes, true, "may run code");
	more_say(r, to, runs > SHOWN ? runs - SHOWN : 0);
	others = changes_say(r, to, changes, false, runs ? "others" : "changes");
	others = others > SHOWN ? SHOWN : others;
	more_say(r, to, total > runs + others ? total - runs - others : 0);
	str_printf(&fact, "%llu", (unsigned long long)total);
	if (runs)
		str_printf(&fact, ", %zu may run code on the host", runs);
	report_add(r, &r->facts, runs ? TONE_BAD : TONE_PLAIN, "files changed", fact.s);
}

void applied_say(struct report *r, struct report_lines *to, const struct json *record)
{
	const struct json *applied = json_get(record, "applied");
	const size_t n = applied && applied->type == JSON_ARRAY ? applied->n : 0;
	const uint64_t omitted = get_number(record, "omitted", NULL);
	owned_str clock = STR_INIT, text = STR_INIT;

	put_clock(&clock, time_ns(json_get_text(record, "time")));
	str_printf(&text, "%llu files", (unsigned long long)(n + omitted));
	quote_form(&text, record, " into {workspace.source} by uid {caller.uid}, digest {changes.digest}");
	report_add(r, to, TONE_PLAIN, clock.s, text.s);
	for (size_t i = 0; i < n && i < SHOWN; i++) {
		text.len = 0;
		put_change(&text, applied->items[i]);
		report_add(r, to, TONE_PLAIN, "", text.s);
	}
	more_say(r, to, omitted + (n > SHOWN ? n - SHOWN : 0));
}
