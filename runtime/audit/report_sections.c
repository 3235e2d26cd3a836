/* SPDX-License-Identifier: Apache-2.0 */
/* What is said of a session, section by section: what it was, what it was allowed, what it did. */
#include "audit/report_parts.h"

#include <string.h>

/* Lines of one kind: a page has room for no more, and the records have all. */
enum {
	LIST_MOST = 9,
	RULES_MOST = 12,
	MOUNTS_MOST = 6,
	CLAIMS_MOST = 5,
	EXECS_MOST = 3,
	DESTINATIONS_MOST = 4,
	HOOKS_MOST = 4,
};

/* ---- how members are said ---- */

/* A text that the writer escaped: whatever else is not safe is escaped, backslashes and quotes are not. */
static void quote_escaped(struct str *out, const char *text)
{
	static const char kept[] = "\\\"";

	if (!text) {
		quote_text(out, NULL);
		return;
	}
	str_puts(out, REPORT_QUOTE);
	for (; *text; text += strcspn(text, kept)) {
		owned_str part = STR_INIT;

		for (; *text && strchr(kept, *text); text++)
			str_append(out, text, 1);
		str_append(&part, text, strcspn(text, kept));
		put_text(out, str_text(&part));
	}
	str_puts(out, REPORT_UNQUOTE);
}

static void quote_names(struct str *out, const struct json *list)
{
	if (!list || list->type != JSON_ARRAY || !list->n) {
		str_puts(out, "none");
		return;
	}
	for (size_t i = 0; i < list->n; i++) {
		str_puts(out, i ? ", " : "");
		quote_text(out, list->items[i]->text);
	}
}

static bool has_name(const struct json *list, const char *name)
{
	for (size_t i = 0; list && list->type == JSON_ARRAY && i < list->n; i++)
		if (str_equal(list->items[i]->text, name))
			return true;
	return false;
}

/* Those of `list` that the other one lacks; how many. */
static size_t quote_beyond(struct str *out, const char *before, const struct json *list,
			   const struct json *other)
{
	size_t n = 0;

	for (size_t i = 0; list && list->type == JSON_ARRAY && i < list->n; i++) {
		if (has_name(other, list->items[i]->text))
			continue;
		str_puts(out, n++ ? ", " : before);
		quote_text(out, list->items[i]->text);
	}
	return n;
}

/* What it has by its profile alone is counted; what it has besides, and what it lacks, is named: true. */
static bool quote_of_profile(struct str *out, const struct json *list, const struct json *profile)
{
	owned_str beyond = STR_INIT, without = STR_INIT;
	const size_t n = list && list->type == JSON_ARRAY ? list->n : 0;
	const size_t own = n - quote_beyond(&beyond, ", and ", list, profile);

	if (own < 2 || quote_beyond(&without, ", without ", profile, list) > own) {
		quote_names(out, list);
		return n > 0;
	}
	str_printf(out, "%zu of the profile's%s%s", own, str_text(&beyond), str_text(&without));
	return beyond.len || without.len;
}

static void row(struct report *r, struct report_lines *to, const char *name,
		const struct json *object, const char *form)
{
	owned_str text = STR_INIT;

	quote_form(&text, object, form);
	report_add(r, to, TONE_PLAIN, name, str_text(&text));
}

static void row_names(struct report *r, struct report_lines *to, const char *name,
		      const struct json *list)
{
	owned_str text = STR_INIT;

	quote_names(&text, list);
	report_add(r, to, TONE_PLAIN, name, str_text(&text));
}

static void list(struct report *r, const char *title, const struct json *texts)
{
	struct report_section *s;

	if (!texts || !texts->n)
		return;
	s = report_section(r, title, true);
	for (size_t i = 0; i < texts->n && i < LIST_MOST; i++) {
		owned_str text = STR_INIT;

		quote_text(&text, texts->items[i]->text);
		report_add(r, &s->lines, TONE_PLAIN, NULL, str_text(&text));
	}
	report_more(r, &s->lines, NULL, texts->n, LIST_MOST);
}

static bool is_true(const struct json *object, const char *key)
{
	const struct json *j = json_get(object, key);

	return j && j->boolean;
}

static bool is_object(const struct json *j)
{
	return j && j->type == JSON_OBJECT;
}

static int64_t time_of(const struct json *record)
{
	return time_ns(json_get_text(record, "time"));
}

static const char identity[] = "uid {process.user.id} gid {process.group.id} in "
			       "{process.working_directory}";

/* ---- what it was ---- */

static void put_day(struct str *out, const struct json *record)
{
	const char *time = json_get_text(record, "time");

	if (time)
		str_printf(out, "%.10s %.12s UTC", time, time + 11);
	else
		str_puts(out, "no record");
}

/* From its start; duration_ns counts the time that it waited for that, too, but by a clock that no one
 * sets. */
static void put_ran(struct str *out, const struct json *start, const struct json *delete)
{
	bool known;
	uint64_t ns = get_number(delete, "duration_ns", &known);
	int64_t began = time_of(start), ended = time_of(delete);

	if (began && ended >= began && (uint64_t)(ended - began) < ns)
		ns = (uint64_t)(ended - began);
	if (known)
		put_span(out, ns);
	else
		str_puts(out, "unknown, or never started");
}

static void head_create(struct report *r, const struct json *create, const struct json *delete)
{
	owned_str command = STR_INIT, runtime = STR_INIT, times = STR_INIT;

	if (create) {
		quote_command(&command, json_get(create, "process.command_args"));
		str_puts(&command, ", ");
		quote_form(&command, create, identity);
		report_add(r, &r->head, TONE_PLAIN, "command", command.s);
	}
	put_day(&times, create);
	if (delete) {
		str_puts(&times, ", deleted ");
		put_day(&times, delete);
	}
	report_add(r, &r->head, TONE_PLAIN, "created", times.s);
	if (!create)
		return;
	if (json_get_text(create, "container.image.name"))	/* most engines do not tell */
		row(r, &r->head, "image", create, "{container.image.name}");
	quote_form(&runtime, create, "{container.runtime.name} {container.runtime.version} on {host.name} "
		   "({sandbox})");
	if (json_get_text(create, "engine"))
		quote_form(&runtime, create, ", engine {engine} (a guess)");
	quote_form(&runtime, create, ", run by uid {caller.uid}");
	if (has_number(create, "caller.login_uid"))
		quote_form(&runtime, create, ", logged in as uid {caller.login_uid}");
	report_add(r, &r->head, TONE_PLAIN, "runtime", runtime.s);
}

/* ---- what it was allowed ---- */

static void allowed_rules(struct report *r, struct report_lines *to, const struct json *egress,
			  bool closed)
{
	const struct json *rules = json_get(egress, "rules");
	const char *mode = json_get_text(egress, "mode");
	const bool open = str_equal(mode, "open");
	const bool none = str_equal(mode, "none") || !rules || !rules->n;

	report_add(r, to, open ? TONE_NOTE : TONE_PLAIN, "network",
		   open ? "everything (egress=open: not restricted)" :
		   !none ? "nothing but" : closed ? "nothing, in or out" : "nothing out");
	for (size_t i = 0; !open && rules && i < rules->n && i < RULES_MOST; i++) {
		const struct json *rule = rules->items[i], *resolved = json_get(rule, "resolved");
		uint64_t first = get_number(rule, "port_first", NULL);
		uint64_t last = get_number(rule, "port_last", NULL);
		const char *reason = json_get_text(rule, "reason");
		owned_str text = STR_INIT;

		quote_form(&text, rule, "{network.transport} {server.address}");
		str_printf(&text, " port %llu", (unsigned long long)first);
		if (last != first)
			str_printf(&text, "-%llu", (unsigned long long)last);
		if (resolved && resolved->n) {
			str_puts(&text, " = ");
			quote_names(&text, resolved);
		}
		str_puts(&text, ": ");
		if (reason)
			quote_text(&text, reason);
		else
			str_puts(&text, "no reason given");
		report_add(r, to, TONE_PLAIN, "", text.s);
	}
	if (!open && rules)
		report_more(r, to, "", rules->n, RULES_MOST);
}

static void allowed_ingress(struct report *r, struct report_lines *to, const struct json *policy)
{
	const struct json *ports = json_get(policy, "ingress");

	if (str_equal(json_get_text(json_get(policy, "egress"), "mode"), "open"))
		report_add(r, to, TONE_NOTE, "open ports", "all (egress=open: not restricted)");
	else if (!ports)	/* a record of a former version */
		report_add(r, to, TONE_PLAIN, "open ports", "unknown");
	else
		row_names(r, to, "open ports", ports);
}

/* The engine's own directory of a container has a number of 64 digits for its name. */
static size_t engine_directory(const char *source)
{
	const char *slash = source ? strrchr(source, '/') : NULL;

	for (const char *p = source; p && p < slash; p++)
		if (strspn(p, "0123456789abcdef") >= 64)
			return (size_t)(slash - source);
	return 0;
}

static bool is_beside(const struct json *a, const struct json *b)
{
	const char *source = json_get_text(a, "source"), *other = json_get_text(b, "source");
	const size_t n = engine_directory(source);

	return n && other && n == engine_directory(other) && strncmp(source, other, n) == 0 &&
	       is_true(a, "writable") == is_true(b, "writable");
}

/* The mount, and those after it of the same directory of the engine's. */
static void put_mounts(struct str *out, const struct json *mounts, size_t i)
{
	const struct json *m = mounts->items[i];
	const char *source = json_get_text(m, "source");
	size_t n = engine_directory(source), others = 0;

	for (size_t k = i + 1; k < mounts->n; k++)
		others += is_beside(m, mounts->items[k]);
	if (others) {
		str_puts(out, REPORT_QUOTE);
		put_short(out, source, n);
		str_puts(out, "/*" REPORT_UNQUOTE);
	} else {
		str_puts(out, source ? REPORT_QUOTE : "");
		put_short(out, source ? source : "unknown", SIZE_MAX);
		str_puts(out, source ? REPORT_UNQUOTE : "");
	}
	quote_form(out, m, " -> {destination}");
	for (size_t k = i + 1; k < mounts->n; k++)
		if (is_beside(m, mounts->items[k]))
			quote_form(out, mounts->items[k], ", {destination}");
	str_puts(out, is_true(m, "writable") ? " (writable)" : " (read-only)");
}

static void allowed_mounts(struct report *r, struct report_lines *to, const struct json *mounts,
			   const char *workspace)
{
	size_t shown = 0;

	for (size_t i = 0; mounts && i < mounts->n; i++) {
		const struct json *m = mounts->items[i];
		owned_str text = STR_INIT;
		bool before = workspace && str_equal(json_get_text(m, "destination"), workspace);

		for (size_t k = 0; k < i && !before; k++)
			before = is_beside(mounts->items[k], m);
		if (before || shown++ >= MOUNTS_MOST)
			continue;
		put_mounts(&text, mounts, i);
		report_add(r, to, TONE_PLAIN, shown == 1 ? "host paths" : "", text.s);
	}
	report_more(r, to, "", shown, MOUNTS_MOST);
	if (!shown && !workspace)
		report_add(r, to, TONE_PLAIN, "host paths", "none");
}

static void allowed(struct reading *in, const struct json *create)
{
	struct report *r = in->r;
	const struct json *policy = json_get(create, "policy"), *workspace, *env, *ports, *profile = NULL;
	struct report_lines *to = &report_section(r, "What it was allowed", false)->lines;
	const struct json *mounts = json_get(create, "mounts");
	const char *name = json_get_text(policy, "profile");
	owned_str text = STR_INIT, kind = STR_INIT, caps = STR_INIT, guard = STR_INIT;
	bool closed, gains, differs;

	if (!is_object(policy)) {
		report_add(r, to, TONE_BAD, NULL, "Plain OCI: no agent policy confined this container; "
			   "its limits were the engine's.");
		allowed_mounts(r, to, json_get(create, "mounts"), NULL);
		return;
	}
	if (name && in->profile_of)
		profile = in->profile_of(&r->a, name);
	quote_form(&kind, policy, "{profile}, audit {audit_mode}, seccomp {seccomp}, ");
	gains = !is_true(policy, "no_new_privileges");
	str_puts(&kind, gains ? "MAY GAIN PRIVILEGES" : "no new privileges");
	report_add(r, to, gains ? TONE_BAD : TONE_PLAIN, "profile", kind.s);
	differs = quote_of_profile(&caps, json_get(policy, "capabilities"), json_get(profile, "caps"));
	report_add(r, to, differs ? TONE_NOTE : TONE_PLAIN, "capabilities", caps.s);
	workspace = json_get(policy, "workspace");
	if (is_object(workspace)) {
		row(r, to, "workspace", workspace, mounts && mounts->n > 1 ?
		    "{source} -> {destination} ({mode})" :
		    "{source} -> {destination} ({mode}), no other path of the host");
		differs = quote_of_profile(&guard, json_get(workspace, "guard"),
					   json_get(profile, "workspace.guard"));
		str_puts(&guard, "; hidden: ");
		differs |= quote_of_profile(&guard, json_get(workspace, "mask"),
					    json_get(profile, "workspace.mask"));
		report_add(r, to, differs ? TONE_NOTE : TONE_PLAIN, "  guarded", guard.s);
	} else {
		report_add(r, to, TONE_PLAIN, "workspace", "none");
	}
	allowed_mounts(r, to, mounts, json_get_text(workspace, "destination"));
	ports = json_get(policy, "ingress");
	closed = ports && !ports->n;
	allowed_rules(r, to, json_get(policy, "egress"), closed);
	if (!closed || !str_equal(to->v[to->n - 1].text, "nothing, in or out"))
		allowed_ingress(r, to, policy);
	env = json_get(policy, "env");
	quote_form(&text, env, "{mode}; dropped: ");
	quote_names(&text, json_get(env, "dropped"));
	str_puts(&text, "; credentials: ");
	quote_names(&text, json_get(policy, "credentials"));
	report_add(r, to, TONE_PLAIN, "environment", text.s);
}

static void claims(struct report *r, const struct json *create)
{
	const struct json *labels = json_get(create, "claims");
	struct report_section *s;

	if (!labels || labels->type != JSON_OBJECT || !labels->n)
		return;
	s = report_section(r, "What the caller claims (not checked)", false);
	for (size_t i = 0; i < labels->n && i < CLAIMS_MOST; i++) {
		owned_str text = STR_INIT;

		quote_text(&text, labels->keys[i]);
		str_puts(&text, ": ");
		quote_text(&text, labels->items[i]->text);
		report_add(r, &s->lines, TONE_PLAIN, NULL, text.s);
	}
	report_more(r, &s->lines, NULL, labels->n, CLAIMS_MOST);
}

/* ---- what it did ---- */

/* Destinations whose verdict is, or is not, "denied"; how many. */
static size_t destinations(struct report *r, struct report_lines *to, const char *name,
			   const struct json *network, bool denied)
{
	const struct json *all = json_get(network, "destinations");
	size_t n = 0;

	for (size_t i = 0; all && i < all->n; i++) {
		const struct json *d = all->items[i];
		const char *verdict = json_get_text(d, "verdict");
		owned_str text = STR_INIT;

		if (str_equal(verdict, "denied") != denied || n++ >= DESTINATIONS_MOST)
			continue;
		quote_form(&text, d, has_number(d, "server.port") ?
			   "{network.transport} {server.address} port {server.port}" :
			   "{network.transport} {server.address}");
		str_puts(&text, ": ");
		put_count(&text, get_number(d, "packets", NULL), "packet");
		str_puts(&text, ", ");
		put_size(&text, get_number(d, "bytes", NULL));
		str_puts(&text, str_equal(verdict, "reply") ? " (replies)" :
				str_equal(verdict, "inbound") ? " (to a published port)" :
				str_equal(verdict, "inbound-reply") ? " (from a published port)" : "");
		report_add(r, to, denied ? TONE_BAD : TONE_PLAIN, n == 1 ? name : "", text.s);
	}
	report_more(r, to, "", n, DESTINATIONS_MOST);
	return n;
}

static bool has_exit(const struct json *record)
{
	return has_number(record, "process.exit.code") || has_number(record, "process.exit.signal");
}

/* As the delete record has it, or else the record of the exit itself. */
static void exited(struct report *r, struct report_lines *to, const struct json *exit,
		   const struct json *delete)
{
	const struct json *told = has_exit(delete) || !has_exit(exit) ? delete : exit;
	const struct json *code = json_get(told, "process.exit.code");
	enum report_tone tone = !has_exit(told) ? TONE_NOTE :
				code && str_equal(code->text, "0") ? TONE_GOOD : TONE_BAD;
	const int64_t at = time_ns(json_get_text(exit, "exit_time"));
	owned_str text = STR_INIT;

	if (!told) {
		report_add(r, &r->facts, TONE_NOTE, "exit", "no delete record");
		report_add(r, to, TONE_NOTE, "exit",
			   "no delete record: it still runs, or the host went down");
		return;
	}
	quote_form(&text, told, has_number(told, "process.exit.code") ? "code {process.exit.code}" :
				has_number(told, "process.exit.signal") ?
					"killed by signal {process.exit.signal}" : "not known");
	report_add(r, &r->facts, tone, "exit", text.s);
	report_mark(r, LANE_CONTAINER, tone == TONE_BAD ? TONE_BAD : TONE_PLAIN, at, at, text.s);
	if (json_get_text(told, "exit_reason"))
		quote_form(&text, told, ": {exit_reason}");
	if (at) {
		str_puts(&text, " at ");
		put_clock(&text, at);
	}
	report_add(r, to, tone, "exit", text.s);
}

/* On the timeline; with a line of its own where it is not what the page begins with. */
static void happened(struct report *r, struct report_lines *to, const struct json *record, size_t *execs)
{
	static const struct {
		const char *event;
		enum report_lane lane;
		bool command;
	} shown[] = {
		{ "create", LANE_CONTAINER, true },
		{ "start", LANE_CONTAINER, false },
		{ "exec", LANE_EXEC, true },
	};
	const struct json *dropped = json_get(record, "env.dropped");
	int64_t at = time_of(record);
	owned_str clock = STR_INIT, text = STR_INIT;
	size_t i = 0;

	while (i < sizeof shown / sizeof *shown &&
	       !str_equal(json_get_text(record, "event"), shown[i].event))
		i++;
	if (i == sizeof shown / sizeof *shown)
		return;
	str_printf(&text, shown[i].command ? "%-8s" : "%s", shown[i].event);
	if (shown[i].command) {
		quote_command(&text, json_get(record, "process.command_args"));
		str_puts(&text, " (");
		quote_form(&text, record, identity);
		str_puts(&text, ")");
	}
	report_mark(r, shown[i].lane, TONE_PLAIN, at, at, text.s);
	if (shown[i].lane != LANE_EXEC || (*execs)++ >= EXECS_MOST)
		return;
	if (dropped && dropped->n) {
		str_puts(&text, "; dropped: ");
		quote_names(&text, dropped);
	}
	put_clock(&clock, at);
	report_add(r, to, TONE_PLAIN, clock.s, text.s);
}

static void did(struct report *r, const struct json *const *records, size_t n,
		const struct json *exit, const struct json *delete)
{
	const struct json *network = json_get(delete, "network");
	struct report_lines *to = &report_section(r, "What it did", false)->lines;
	size_t execs = 0;

	for (size_t i = 0; i < n; i++)
		happened(r, to, records[i], &execs);
	report_more(r, to, "", execs, EXECS_MOST);
	exited(r, to, exit, delete);
	if (!delete)
		return;
	if (!is_object(network))
		row(r, to, "network", delete, "not recorded: {network_reason}");
	else if (!destinations(r, to, "network", network, false))
		report_add(r, to, TONE_PLAIN, "network", "no packet went out or came in");
}

static void denied(struct report *r, const struct json *delete)
{
	static const struct {
		const char *key, *text, *word;
	} totals[] = {
		{ "denied_packets", "out", "out" },
		{ "inbound_denied_packets", "in", "in" },
		{ "forwarded_packets", "to be forwarded", "forwarded" },
		{ "unrecorded_packets", "whose destination could not be recorded", "unrecorded" },
	};
	const struct json *network = json_get(delete, "network");
	struct report_lines *to = &report_section(r, "What was denied", false)->lines;
	owned_str fact = STR_INIT;

	if (!is_object(network)) {
		report_add(r, to, TONE_NOTE, NULL, delete ? "no count of it" : "counted when it is deleted");
		report_add(r, &r->facts, TONE_NOTE, "denied", "not counted");
		return;
	}
	destinations(r, to, "destinations", network, true);
	for (size_t i = 0; i < sizeof totals / sizeof *totals; i++) {
		uint64_t count = get_number(network, totals[i].key, NULL);
		owned_str text = STR_INIT;

		if (!count)
			continue;
		put_count(&text, count, "packet");
		str_printf(&text, " %s", totals[i].text);
		report_add(r, to, TONE_BAD, fact.len ? "" : "in all", text.s);
		str_printf(&fact, "%s%llu %s", fact.len ? ", " : "", (unsigned long long)count,
			   totals[i].word);
	}
	if (is_true(network, "truncated"))
		report_add(r, to, TONE_BAD, "TRUNCATED", "more destinations than could be recorded; the "
			   "list is not complete");
	if (!to->n)
		report_add(r, to, TONE_PLAIN, NULL, "nothing");
	if (!fact.len) {
		report_add(r, &r->facts, TONE_GOOD, "denied", "nothing");
		return;
	}
	report_add(r, &r->facts, TONE_BAD, "packets denied", fact.s);
	str_puts(&fact, ": when is not recorded");
	report_mark(r, LANE_DENIED, TONE_BAD, r->began, r->ended, fact.s);
}

static void cost(struct report *r, const struct json *start, const struct json *delete)
{
	static const struct {
		const char *key, *text;
	} members[] = {
		{ "cpu_usec", "CPU" },
		{ "memory_peak_bytes", "peak memory" },
		{ "io_read_bytes", "read" },
		{ "io_write_bytes", "written" },
	};
	const struct json *costs = json_get(delete, "cost");
	owned_str text = STR_INIT, unknown = STR_INIT, ran = STR_INIT;
	uint64_t kills = get_number(costs, "oom_kills", NULL);
	struct report_lines *to;

	if (!delete)
		return;
	to = &report_section(r, "What it cost", false)->lines;
	put_ran(&ran, start, delete);
	report_add(r, &r->facts, TONE_PLAIN, "ran for", ran.s);
	if (has_number(delete, "duration_ns"))
		str_printf(&text, "ran for %s", ran.s);
	else
		str_puts(&text, "how long it ran is not known, or it was never started");
	for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
		owned_str one = STR_INIT;
		bool known;
		uint64_t v = get_number(costs, members[i].key, &known);

		if (!known) {
			str_printf(&unknown, "%s%s", unknown.len ? ", " : "", members[i].text);
		} else if (i == 0) {
			str_printf(&one, "%.3f s", (double)v / 1e6);
			report_add(r, &r->facts, TONE_PLAIN, "CPU", one.s);
		} else {
			put_size(&one, v);
		}
		if (known)
			str_printf(&text, ", %s %s", members[i].text, one.s);
	}
	if (unknown.len) {
		str_printf(&text, "; not known: %s", unknown.s);
		if (json_get_text(delete, "cost_reason"))
			quote_form(&text, delete, " ({cost_reason})");
	}
	report_add(r, to, TONE_PLAIN, NULL, text.s);
	if (!kills)
		return;
	text.len = 0;
	str_printf(&text, "processes killed for want of memory: %llu", (unsigned long long)kills);
	report_add(r, to, TONE_BAD, NULL, text.s);
}

static void hooks(struct report *r, const struct json *const *records, size_t n)
{
	struct report_section *s = report_section(r, "Audit hooks that did not succeed", false);
	size_t found = 0;

	for (size_t i = 0; i < n; i++) {
		owned_str text = STR_INIT;

		if (!str_equal(json_get_text(records[i], "event"), "hook") || found++ >= HOOKS_MOST)
			continue;
		quote_form(&text, records[i], "{hook.path} at {hook.event}: ");
		quote_escaped(&text, json_get_text(records[i], "hook.detail"));
		report_add(r, &s->lines, TONE_BAD, NULL, text.s);
	}
	report_more(r, &s->lines, NULL, found, HOOKS_MOST);
}

static void unseen(struct report *r, const struct json *texts)
{
	owned_str text = STR_INIT;

	for (size_t i = 0; texts && texts->type == JSON_ARRAY && i < texts->n && i < LIST_MOST; i++) {
		str_puts(&text, i ? "; " : "");
		quote_text(&text, texts->items[i]->text);
	}
	if (text.len)
		report_add(r, &report_section(r, "What this record cannot know", true)->lines, TONE_PLAIN,
			   NULL, text.s);
}

static void evidence(struct report *r, const struct json *const *records, size_t n, size_t of_session)
{
	struct report_section *s = report_section(r, "Evidence", false);
	owned_str text = STR_INIT;

	quote_form(&text, records[0], "records {seq}");
	quote_form(&text, records[n - 1], " to {seq}");
	str_printf(&text, " of the log, %zu of this session; " REPORT_QUOTE "agentrun audit verify"
		   REPORT_UNQUOTE " checks the chain", of_session);
	report_add(r, &s->lines, TONE_PLAIN, NULL, text.s);
}

/* ---- the whole ---- */

/* Which of the sessions of its container id it is, counted from 1. */
static void head_place(struct report *r, const struct sessions *all, const struct session *it)
{
	size_t nth = 0, of = 0;
	owned_str text = STR_INIT;

	for (size_t i = 0; i < all->n; i++) {
		of += str_equal(all->v[i]->container, it->container);
		if (all->v[i] == it)
			nth = of;
	}
	str_printf(&text, "number %zu of %zu of this container id; " REPORT_QUOTE
		   "agentrun audit list" REPORT_UNQUOTE " shows all", nth, of);
	if (of > 1)
		report_add(r, &r->head, TONE_PLAIN, NULL, text.s);
}

static const struct json *event_of(const struct reading *in, const char *event)
{
	for (size_t i = in->n; i-- > 0;)
		if (str_equal(json_get_text(in->records[i], "event"), event))
			return in->records[i];
	return NULL;
}

void session_say(struct reading *in)
{
	struct report *r = in->r;
	const struct json *create = event_of(in, "create"), *start = event_of(in, "start");
	const struct json *delete = event_of(in, "delete"), *exit = event_of(in, "exit");
	int64_t began = time_of(start ? start : create), ended;
	const char *id = json_get_text(in->records[0], "container.id");
	owned_str title = STR_INIT;

	str_puts(&title, "Session ");
	quote_text(&title, in->it->id);
	str_puts(&title, ", container " REPORT_QUOTE);
	put_short(&title, id ? id : "unknown", SIZE_MAX);
	str_puts(&title, REPORT_UNQUOTE);
	r->title = arena_strdup(&r->a, title.s);
	head_place(r, in->all, in->it);
	head_create(r, create, delete);
	if (create)
		allowed(in, create);
	else
		report_add(r, &r->head, TONE_BAD, NULL, "The create record is not in this log: it was "
			   "rotated away, or never written.");
	did(r, in->records, in->n, exit, delete);
	ended = time_ns(json_get_text(exit, "exit_time"));
	ended = ended ? ended : time_of(delete);
	report_mark(r, LANE_CONTAINER, TONE_PLAIN, began, ended ? ended : r->ended,
		    ended ? "from its start to its end" : "from its start to its last record");
	commands_say(&in->commands, r, json_get(delete, "commands"),
		     str_equal(json_get_text(json_get(create, "policy"), "audit_mode"), "required"));
	packages_say(&in->packages, r, delete);
	files_say(r, delete);
	applied_say(r, in->records, in->n);
	denied(r, delete);
	cost(r, start, delete);
	hooks(r, in->records, in->n);
	list(r, "What the policy changed in the request", json_get(json_get(create, "policy"), "changes"));
	claims(r, create);
	for (size_t i = 0; i < in->n; i++)
		list(r, "What was too long to record", json_get(in->records[i], "truncated"));
	unseen(r, json_get(delete, "unseen"));
	evidence(r, in->records, in->n, in->it->records);
}
