/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What ran: commands, of which a session may have many thousands, in a few lines; and the packages that
 * were asked for.
 */
#include "audit/report_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- one command ---- */

static bool has_failed(const struct json *command)
{
	const struct json *code = json_get(command, "process.exit.code");

	return (code && code->type == JSON_NUMBER && strcmp(code->text, "0") != 0) ||
	       has_number(command, "process.exit.signal");
}

static const char *base_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Whether the name alone says which program it is: in such a directory no other is looked for. */
static bool is_usual(const char *path)
{
	static const char *const directories[] = {
		"/bin/", "/sbin/", "/usr/bin/", "/usr/sbin/", "/usr/local/bin/", "/usr/local/sbin/", NULL,
	};
	const char *base = base_of(path);

	for (size_t i = 0; directories[i]; i++)
		if (strlen(directories[i]) == (size_t)(base - path) && str_has_prefix(path, directories[i]))
			return true;
	return false;
}

/*
 * The program as it was executed, and its arguments.  The first of these is no more than what a process
 * calls it: it stands for the program where it names the same, and else is shown as such a name.
 */
static void put_program(struct str *out, const struct json *command)
{
	const struct json *args = json_get(command, "process.command_args");
	const char *path = json_get_text(command, "process.executable.path");
	const size_t n = args && args->type == JSON_ARRAY ? args->n : 0;
	const char *name = n && args->items[0]->type == JSON_STRING ? args->items[0]->text : "";
	const char *word = *name == '-' ? name + 1 : name;	/* of a login shell */
	const bool alike = n && path && str_equal(word, base_of(path));
	size_t from = 1;

	str_puts(out, REPORT_QUOTE);
	if (!path || !*path || str_equal(path, name) || (alike && is_usual(path))) {
		from = 0;
	} else {
		put_word(out, path, false);
		if (n > 1 && str_equal(path, args->items[1]->text)) {
			from = 2;	/* "#!": the name is its interpreter's */
		} else if (n && !alike) {
			str_puts(out, " (as ");
			put_word(out, name, true);
			str_puts(out, ")");
		}
		str_puts(out, n > from ? " " : "");
	}
	put_command(out, args, from);
	str_puts(out, REPORT_UNQUOTE);
}

static void put_one(struct str *out, const struct json *command)
{
	bool known;
	uint64_t ns = get_number(command, "duration_ns", &known);

	put_program(out, command);
	if (has_number(command, "process.exit.code"))
		quote_form(out, command, " (code {process.exit.code}");
	else if (has_number(command, "process.exit.signal"))
		quote_form(out, command, " (signal {process.exit.signal}");
	else
		str_puts(out, " (end not known");
	if (known) {
		str_puts(out, ", ");
		put_span(out, ns);
	}
	str_puts(out, ")");
}

static const char *program_of(const struct json *command)
{
	const struct json *args = json_get(command, "process.command_args");
	const char *path = json_get_text(command, "process.executable.path");

	if ((!path || !*path) && args && args->type == JSON_ARRAY && args->n)
		path = args->items[0]->text;
	if (!path)
		return "?";
	/* "3" would tell nothing */
	return str_has_prefix(path, "/proc/") || str_has_prefix(path, "/dev/fd/") ? path : base_of(path);
}

/* ---- all of them ---- */

static void remember(struct command_ring *ring, size_t size, int64_t at, bool failed,
		     const struct str *text)
{
	struct command_shown *slot = &ring->v[ring->n++ % size];

	slot->at = at;
	slot->failed = failed;
	slot->text.len = 0;
	str_append(&slot->text, text->s, text->len);
}

static void count_program(struct commands *c, const char *name)
{
	size_t i = 0;

	while (i < c->n_programs && strcmp(c->programs[i].name, name) != 0)
		i++;
	if (i == COMMAND_PROGRAMS)
		return;
	if (i == c->n_programs)
		snprintf(c->programs[c->n_programs++].name, sizeof c->programs->name, "%s", name);
	c->programs[i].n++;
}

void commands_add(struct commands *c, struct report *r, const struct json *command, const char *source)
{
	enum { TEXTS = 400 };	/* of marks; a timeline has no room to show more, either */
	const int64_t at = time_ns(json_get_text(command, "start_time"));
	const bool failed = has_failed(command);
	const struct json *executed = json_get(command, "executed");
	owned_str text = STR_INIT;

	if (executed && executed->type == JSON_BOOL && !executed->boolean) {
		c->tries++;
		return;
	}
	put_one(&text, command);
	c->latest = at > c->latest ? at : c->latest;
	c->claimed += str_equal(source, "claimed");
	c->failed += failed;
	remember(&c->last, COMMAND_LAST, at, failed, &text);
	if (failed)
		remember(&c->bad, COMMAND_BAD, at, failed, &text);
	count_program(c, program_of(command));
	report_mark(r, LANE_COMMAND, failed ? TONE_BAD : TONE_PLAIN, at,
		    at + (int64_t)get_number(command, "duration_ns", NULL),
		    c->n < TEXTS ? text.s : NULL);
	c->n++;
}

void commands_free(struct commands *c)
{
	for (size_t i = 0; i < COMMAND_LAST; i++)
		str_free(&c->last.v[i].text);
	for (size_t i = 0; i < COMMAND_BAD; i++)
		str_free(&c->bad.v[i].text);
}

/* The newest `most` of the ring, oldest first. */
static void say_ring(struct report *r, struct report_lines *to, const struct command_ring *ring,
		     size_t size, size_t most, const char *name)
{
	size_t n = ring->n < most ? ring->n : most;

	for (size_t i = ring->n - n; i < ring->n; i++) {
		const struct command_shown *s = &ring->v[i % size];
		owned_str text = STR_INIT;

		if (s->at)
			put_clock(&text, s->at);
		str_printf(&text, s->at ? "  %s" : "%s", s->text.s);
		report_add(r, to, s->failed ? TONE_BAD : TONE_PLAIN, i == ring->n - n ? name : "",
			   text.s);
	}
}

static int by_count(const void *x, const void *y)
{
	const struct command_program *a = x, *b = y;

	return a->n != b->n ? (a->n < b->n) - (a->n > b->n) : strcmp(a->name, b->name);
}

static void say_programs(struct report *r, struct report_lines *to, struct commands *c)
{
	enum { MOST = 8 };
	owned_str text = STR_INIT;

	qsort(c->programs, c->n_programs, sizeof *c->programs, by_count);
	for (size_t i = 0; i < c->n_programs && i < MOST; i++) {
		str_puts(&text, i ? ", " : "");
		quote_text(&text, c->programs[i].name);
		str_printf(&text, " %zu", c->programs[i].n);
	}
	if (c->n_programs > MOST)
		str_puts(&text, ", and others");
	report_add(r, to, TONE_PLAIN, "programs", text.s);
}

/* How they were recorded, as the delete record has it. */
static void say_source(struct report *r, struct report_lines *to, const struct commands *c,
		       const struct json *summary)
{
	static const struct {
		const char *source, *text;
	} sources[] = {
		{ "bpf", "as the kernel executed them" },
		{ "acct", "from the kernel's accounting: names without arguments, which a process can "
			  "change" },
		{ "claimed", "as the processes showed them: CLAIMS, a process can show others" },
	};
	const char *source = json_get_text(summary, "source");
	bool known;
	uint64_t recorded = get_number(summary, "recorded", &known);
	owned_str text = STR_INIT, missing = STR_INIT;

	if (!source && c->n + c->tries == 0) {
		quote_form(&text, summary, "not recorded: {reason}");
		report_add(r, to, TONE_NOTE, "commands", text.s);
		return;
	}
	str_printf(&text, "%zu", c->n);
	for (size_t i = 0; i < sizeof sources / sizeof *sources; i++)
		if (str_equal(source, sources[i].source))
			str_printf(&text, ", %s", sources[i].text);
	if (!source && c->claimed)
		str_printf(&text, ", %zu of them CLAIMS", c->claimed);
	report_add(r, to, c->claimed ? TONE_NOTE : TONE_PLAIN, "commands", text.s);
	if (c->tries) {
		str_printf(&missing, "%zu more were asked for, but did not begin, as it seems: a search in "
			   "$PATH asks for each place", c->tries);
		report_add(r, to, TONE_NOTE, "", missing.s);
		missing.len = 0;
	}
	if (known && recorded > c->n + c->tries) {
		str_printf(&missing, "%llu were recorded: the others are not in this log",
			   (unsigned long long)recorded);
		report_add(r, to, TONE_BAD, "", missing.s);
	}
}

/*
 * Those that are in no record.  Where the log has to have them they were killed instead of executed, as long
 * as there was one to say that there is no room.
 */
static void say_lost(struct commands *c, struct report *r, struct report_lines *to, const struct json *summary,
		     uint64_t lost, bool refused)
{
	const char *reason = json_get_text(summary, "reason");
	/* what is kept is the first part */
	const bool after = refused || str_equal(reason, "the log was full");
	owned_str text = STR_INIT, mark = STR_INIT;

	put_count(&mark, lost, "command");
	str_puts(&mark, refused ? " REFUSED" : " LOST");
	str_printf(&text, refused ? "%llu more %s REFUSED, killed before the first instruction: " :
		   "%llu %s LOST: ", (unsigned long long)lost, lost == 1 ? "was" : "were");
	quote_text(&text, reason);
	report_add(r, to, TONE_BAD, "", text.s);
	report_mark(r, LANE_LOST, TONE_BAD, after && c->latest ? c->latest : r->began, r->ended, mark.s);
}

void commands_say(struct commands *c, struct report *r, const struct json *summary, bool required)
{
	enum { FEW = 4 };
	const uint64_t lost = get_number(summary, "lost", NULL);
	const bool refused = required && str_equal(json_get_text(summary, "reason"), "the log was full");
	struct report_lines *to;
	owned_str fact = STR_INIT;

	if (c->n + c->tries == 0 && (!summary || summary->type != JSON_OBJECT))
		return;
	to = &r->sections[r->n_sections - 1].lines;	/* what it did */
	say_source(r, to, c, summary);
	if (lost)
		say_lost(c, r, to, summary, lost, refused);
	str_printf(&fact, "%zu", c->n);
	if (c->failed)
		str_printf(&fact, ", %zu failed", c->failed);
	if (lost)
		str_printf(&fact, ", %llu more %s %s", (unsigned long long)lost,
			   lost == 1 ? "was" : "were", refused ? "REFUSED" : "LOST");
	if (c->n || lost)
		report_add(r, &r->facts, lost ? TONE_BAD : c->failed ? TONE_NOTE : TONE_PLAIN, "commands",
			   fact.s);
	else if (!json_get_text(summary, "source"))
		report_add(r, &r->facts, TONE_NOTE, "commands", "not recorded");
	if (c->n == 0)
		return;
	if (c->n <= COMMAND_LAST) {
		say_ring(r, to, &c->last, COMMAND_LAST, COMMAND_LAST, lost ? "the others" : "all of them");
		return;
	}
	say_programs(r, to, c);
	if (c->failed) {
		owned_str text = STR_INIT;

		str_printf(&text, "%zu, the last of them:", c->failed);
		report_add(r, to, TONE_PLAIN, "failed", text.s);
		say_ring(r, to, &c->bad, COMMAND_BAD, COMMAND_BAD, "");
	}
	say_ring(r, to, &c->last, COMMAND_LAST, FEW, "the last");
}

/* ---- packages ---- */

void packages_add(struct supplies *found, struct report *r, const struct json *args, int64_t at)
{
	struct strv list = { 0 };
	owned_arena a = ARENA_INIT;
	const size_t before = found->n;

	for (size_t i = 0; args && args->type == JSON_ARRAY && i < args->n; i++)
		strv_add(&a, &list, args->items[i]->type == JSON_STRING ? args->items[i]->text : "");
	supply_of_command(&r->a, &list, found);
	if (found->n > before) {
		owned_str text = STR_INIT;

		quote_command(&text, args);
		report_mark(r, LANE_PACKAGE, TONE_NOTE, at, at, text.s);
	}
}

static void add_once(struct report *r, struct report_lines *to, const char *text)
{
	for (size_t i = 0; i < to->n; i++)
		if (strcmp(to->v[i].text, text) == 0)
			return;
	report_add(r, to, TONE_NOTE, NULL, text);
}

static void say_request(struct report *r, struct report_lines *to, const char *action,
			const char *path, const char *const *packages, size_t n)
{
	owned_str text = STR_INIT;

	quote_text(&text, action);
	str_puts(&text, ": ");
	for (size_t i = 0; i < n; i++) {
		str_puts(&text, i ? ", " : "");
		quote_text(&text, packages[i]);
	}
	if (path) {
		str_puts(&text, n ? ", and what " : "what ");
		quote_text(&text, path);
		str_puts(&text, " lists");
	} else if (!n) {
		str_puts(&text, "what a file of the project lists");
	}
	add_once(r, to, text.s);
}

static void say_lockfile(struct report *r, struct report_lines *to, const char *ecosystem,
			 const char *path)
{
	owned_str text = STR_INIT;

	str_puts(&text, "lock file ");
	quote_text(&text, path);
	str_puts(&text, " of ");
	quote_text(&text, ecosystem);
	str_puts(&text, " was changed");
	add_once(r, to, text.s);
}

void packages_say(const struct supplies *found, struct report *r, const struct json *delete)
{
	enum { MOST = 4 };
	const struct json *installs = json_get(delete, "installs");
	const struct json *changes = json_get(json_get(delete, "files"), "changes");
	struct report_section *s = report_section(r, "Which packages it asked for", false);
	struct report_lines *to = &s->lines;
	owned_str fact = STR_INIT;

	for (size_t i = 0; i < found->n; i++)
		say_request(r, to, found->v[i].action, found->v[i].path,
			    (const char *const *)found->v[i].packages.v, found->v[i].packages.n);
	for (size_t i = 0; installs && installs->type == JSON_ARRAY && i < installs->n; i++) {
		const struct json *one = installs->items[i], *list = json_get(one, "packages");
		const size_t n = list && list->type == JSON_ARRAY ? list->n : 0;
		const char **names = arena_array(&r->a, const char *, n + 1);

		for (size_t k = 0; k < n; k++)
			names[k] = list->items[k]->text;
		if (str_equal(json_get_text(one, "evidence"), "lockfile"))
			say_lockfile(r, to, json_get_text(one, "ecosystem"), json_get_text(one, "path"));
		else
			say_request(r, to, json_get_text(one, "action"), json_get_text(one, "path"),
				    names, n);
	}
	for (size_t i = 0; changes && changes->type == JSON_ARRAY && i < changes->n; i++) {
		const char *path = json_get_text(changes->items[i], "path");
		const char *ecosystem = path ? supply_of_path(path) : NULL;

		if (ecosystem)
			say_lockfile(r, to, ecosystem, path);
	}
	if (!to->n)
		return;
	str_printf(&fact, "%zu", to->n);
	report_add(r, &r->facts, TONE_NOTE, "package requests", fact.s);
	if (to->n > MOST) {
		fact.len = 0;
		str_printf(&fact, "and %zu more", to->n - MOST);
		to->n = MOST;
		report_add(r, to, TONE_NOTE, NULL, fact.s);
	}
	report_add(r, to, TONE_PLAIN, NULL, "Asked for, as command lines and lock files show it: that they "
		   "were installed, and what came with them, is not known.");
}
