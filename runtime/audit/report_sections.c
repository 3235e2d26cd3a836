/* SPDX-License-Identifier: Apache-2.0 */
/* What is said of a session, section by section: what it was, what it was allowed, what it did. */
#include "audit/report_parts.h"

#include <string.h>

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
	for (size_t i = 0; i < texts->n; i++) {
		owned_str text = STR_INIT;

		quote_text(&text, texts->items[i]->text);
		report_add(r, &s->lines, TONE_PLAIN, NULL, str_text(&text));
	}
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

static void head_time(struct report *r, const char *name, const struct json *record)
{
	const char *time = json_get_text(record, "time");
	owned_str text = STR_INIT;

	if (time)
		str_printf(&text, "%.10s %.12s UTC", time, time + 11);
	report_add(r, &r->head, TONE_PLAIN, name, time ? text.s : "no record");
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

static void head_create(struct report *r, const struct json *create, const struct json *start,
			const struct json *delete)
{
	owned_str command = STR_INIT, ran = STR_INIT;

	row(r, &r->head, "sandbox", create, "{sandbox}");
	row(r, &r->head, "runtime", create, "{container.runtime.name} {container.runtime.version} on "
	    "{host.name}, engine {engine} (a guess), run by uid {caller.uid}, logged in as uid "
	    "{caller.login_uid}");
	row(r, &r->head, "image", create, "{container.image.name}");
	row(r, &r->head, "bundle", create, "{bundle}");
	quote_command(&command, json_get(create, "process.command_args"));
	report_add(r, &r->head, TONE_PLAIN, "command", command.s);
	row(r, &r->head, "identity", create, identity);
	if (!delete)
		return;
	put_ran(&ran, start, delete);
	report_add(r, &r->head, TONE_PLAIN, "ran for", ran.s);
}

/* ---- what it was allowed ---- */

static void allowed_rules(struct report *r, struct report_lines *to, const struct json *egress)
{
	const struct json *rules = json_get(egress, "rules");
	const char *mode = json_get_text(egress, "mode");
	const bool open = str_equal(mode, "open");

	report_add(r, to, open ? TONE_NOTE : TONE_PLAIN, "network",
		   open ? "everything (egress=open: not restricted)" :
		   str_equal(mode, "none") || !rules || !rules->n ? "nothing" : "nothing but");
	for (size_t i = 0; !open && rules && i < rules->n; i++) {
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

static void allowed_mounts(struct report *r, struct report_lines *to, const struct json *mounts,
			   const char *workspace)
{
	bool any = false;

	for (size_t i = 0; mounts && i < mounts->n; i++) {
		const struct json *m = mounts->items[i];

		if (workspace && str_equal(json_get_text(m, "destination"), workspace))
			continue;
		row(r, to, any ? "" : "host paths", m, is_true(m, "writable") ?
		    "{source} -> {destination} (writable)" : "{source} -> {destination} (read-only)");
		any = true;
	}
	if (!any)
		report_add(r, to, TONE_PLAIN, "host paths", workspace ? "none but the workspace" : "none");
}

static void allowed(struct report *r, const struct json *create)
{
	const struct json *policy = json_get(create, "policy"), *workspace, *env;
	struct report_lines *to = &report_section(r, "What it was allowed", false)->lines;
	owned_str text = STR_INIT;

	if (!is_object(policy)) {
		report_add(r, to, TONE_BAD, NULL, "Plain OCI: no agent policy confined this container; "
			   "its limits were the engine's.");
		allowed_mounts(r, to, json_get(create, "mounts"), NULL);
		return;
	}
	row(r, to, "profile", policy, "{profile}, audit {audit_mode}, network policy {digest}");
	workspace = json_get(policy, "workspace");
	if (is_object(workspace)) {
		row(r, to, "workspace", workspace, "{source} -> {destination} ({mode})");
		row_names(r, to, "  guarded", json_get(workspace, "guard"));
		row_names(r, to, "  hidden", json_get(workspace, "mask"));
	} else {
		report_add(r, to, TONE_PLAIN, "workspace", "none");
	}
	allowed_mounts(r, to, json_get(create, "mounts"), json_get_text(workspace, "destination"));
	allowed_rules(r, to, json_get(policy, "egress"));
	allowed_ingress(r, to, policy);
	env = json_get(policy, "env");
	quote_form(&text, env, "{mode}; dropped: ");
	quote_names(&text, json_get(env, "dropped"));
	report_add(r, to, TONE_PLAIN, "environment", text.s);
	row_names(r, to, "credentials", json_get(policy, "credentials"));
	row_names(r, to, "capabilities", json_get(policy, "capabilities"));
	if (is_true(policy, "no_new_privileges"))
		row(r, to, "seccomp", policy, "{seccomp}, no new privileges");
	else
		row(r, to, "seccomp", policy, "{seccomp}, MAY GAIN PRIVILEGES");
}

static void claims(struct report *r, const struct json *create)
{
	const struct json *labels = json_get(create, "claims");
	struct report_section *s;

	if (!labels || labels->type != JSON_OBJECT || !labels->n)
		return;
	s = report_section(r, "What the caller claims (not checked)", false);
	for (size_t i = 0; i < labels->n; i++) {
		owned_str text = STR_INIT;

		quote_text(&text, labels->keys[i]);
		str_puts(&text, ": ");
		quote_text(&text, labels->items[i]->text);
		report_add(r, &s->lines, TONE_PLAIN, NULL, text.s);
	}
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

		if (str_equal(verdict, "denied") != denied)
			continue;
		quote_form(&text, d, has_number(d, "server.port") ?
			   "{network.transport} {server.address} port {server.port}" :
			   "{network.transport} {server.address}");
		str_printf(&text, ": %llu packets, ",
			   (unsigned long long)get_number(d, "packets", NULL));
		put_size(&text, get_number(d, "bytes", NULL));
		str_puts(&text, str_equal(verdict, "reply") ? " (replies)" :
				str_equal(verdict, "inbound") ? " (to a published port)" :
				str_equal(verdict, "inbound-reply") ? " (from a published port)" : "");
		report_add(r, to, denied ? TONE_BAD : TONE_PLAIN, n++ ? "" : name, text.s);
	}
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

static void happened(struct report *r, struct report_lines *to, const struct json *record)
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

	for (size_t i = 0; i < n; i++)
		happened(r, to, records[i]);
	exited(r, to, exit, delete);
	if (!delete)
		return;
	if (!is_object(network))
		row(r, to, "network", delete, "not recorded: {network_reason}");
	else if (!destinations(r, to, "network", network, false))
		report_add(r, to, TONE_PLAIN, "network", "no traffic that was allowed");
}

static void denied(struct report *r, const struct json *delete)
{
	static const struct {
		const char *key, *text, *word;
	} totals[] = {
		{ "denied_packets", "packets out were denied in all", "out" },
		{ "inbound_denied_packets", "packets in were denied", "in" },
		{ "forwarded_packets", "packets were to be forwarded, and were denied", "forwarded" },
		{ "unrecorded_packets", "packets were dropped because their destination could not "
					"be recorded", "unrecorded" },
	};
	const struct json *network = json_get(delete, "network");
	struct report_lines *to = &report_section(r, "What was denied", false)->lines;
	owned_str fact = STR_INIT;

	if (!is_object(network)) {
		report_add(r, to, TONE_NOTE, NULL, delete ? "no count of it" : "counted when it is deleted");
		report_add(r, &r->facts, TONE_NOTE, "denied", "not counted");
		return;
	}
	if (!destinations(r, to, NULL, network, true))
		report_add(r, to, TONE_PLAIN, NULL, "no destination");
	for (size_t i = 0; i < sizeof totals / sizeof *totals; i++) {
		uint64_t count = get_number(network, totals[i].key, NULL);
		owned_str text = STR_INIT;

		if (!count)
			continue;
		str_printf(&text, "%llu %s", (unsigned long long)count, totals[i].text);
		report_add(r, to, TONE_BAD, NULL, text.s);
		str_printf(&fact, "%s%llu %s", fact.len ? ", " : "", (unsigned long long)count,
			   totals[i].word);
	}
	if (is_true(network, "truncated"))
		report_add(r, to, TONE_BAD, NULL, "TRUNCATED: more destinations than could be recorded; "
			   "the list is not complete");
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
	} sizes[] = {
		{ "memory_peak_bytes", "peak memory" },
		{ "io_read_bytes", "read" },
		{ "io_write_bytes", "written" },
	};
	const struct json *costs = json_get(delete, "cost");
	struct report_lines *to;
	owned_str cpu = STR_INIT, ran = STR_INIT;
	bool known;
	uint64_t v;

	if (!delete)
		return;
	to = &report_section(r, "What it cost", false)->lines;
	v = get_number(costs, "cpu_usec", &known);
	str_printf(&cpu, known ? "%.3f s" : "unknown", (double)v / 1e6);
	report_add(r, to, TONE_PLAIN, "CPU", cpu.s);
	put_ran(&ran, start, delete);
	report_add(r, &r->facts, TONE_PLAIN, "ran for", ran.s);
	report_add(r, &r->facts, TONE_PLAIN, "CPU", cpu.s);
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		owned_str text = STR_INIT;

		v = get_number(costs, sizes[i].key, &known);
		if (known)
			put_size(&text, v);
		else
			str_puts(&text, "unknown");
		report_add(r, to, TONE_PLAIN, sizes[i].text, text.s);
	}
	v = get_number(costs, "oom_kills", &known);
	if (known && v) {
		owned_str text = STR_INIT;

		str_printf(&text, "processes killed for want of memory: %llu", (unsigned long long)v);
		report_add(r, to, TONE_BAD, NULL, text.s);
	}
}

static void hooks(struct report *r, const struct json *const *records, size_t n)
{
	struct report_section *s = report_section(r, "Audit hooks that did not succeed", false);

	for (size_t i = 0; i < n; i++) {
		owned_str text = STR_INIT;

		if (!str_equal(json_get_text(records[i], "event"), "hook"))
			continue;
		quote_form(&text, records[i], "{hook.path} at {hook.event}: ");
		quote_escaped(&text, json_get_text(records[i], "hook.detail"));
		report_add(r, &s->lines, TONE_BAD, NULL, text.s);
	}
}

static void applied(struct report *r, const struct json *const *records, size_t n)
{
	struct report_section *s = report_section(r, "What a person took over", false);

	for (size_t i = 0; i < n; i++)
		if (str_equal(json_get_text(records[i], "event"), "apply"))
			applied_say(r, &s->lines, records[i]);
}

static void evidence(struct report *r, const struct json *const *records, size_t n,
		     size_t of_session)
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
	owned_str title = STR_INIT;

	str_puts(&title, "Session ");
	quote_text(&title, in->it->id);
	quote_form(&title, in->records[0], ", container {container.id}");
	r->title = arena_strdup(&r->a, title.s);
	head_place(r, in->all, in->it);
	head_time(r, "created", create);
	head_time(r, "deleted", delete);
	if (create) {
		head_create(r, create, start, delete);
		allowed(r, create);
		list(r, "What the policy changed in the request",
		     json_get(json_get(create, "policy"), "changes"));
		claims(r, create);
	} else {
		report_add(r, &r->head, TONE_BAD, NULL, "The create record is not in this log: it was "
			   "rotated away, or never written.");
	}
	did(r, in->records, in->n, exit, delete);
	commands_say(&in->commands, r, json_get(delete, "commands"));
	packages_say(&in->packages, r, delete);
	ended = time_ns(json_get_text(exit, "exit_time"));
	ended = ended ? ended : time_of(delete);
	report_mark(r, LANE_CONTAINER, TONE_PLAIN, began, ended ? ended : r->ended,
		    ended ? "from its start to its end" : "from its start to its last record");
	denied(r, delete);
	files_say(r, delete);
	applied(r, in->records, in->n);
	cost(r, start, delete);
	hooks(r, in->records, in->n);
	list(r, "What this record cannot know", json_get(delete, "unseen"));
	for (size_t i = 0; i < in->n; i++)
		list(r, "What was too long to record", json_get(in->records[i], "truncated"));
	evidence(r, in->records, in->n, in->it->records);
}
