/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One session on one page, for people; and its lines as they stand in the log,
 * for programs.
 */
#include "audit/audit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "audit/sessions.h"

/* ---- how things are said ---- */

/* The form with the members that it names in braces: "runs on {host.name}". */
static void say(struct str *out, const struct json *object, const char *form)
{
	for (;;) {
		size_t n = strcspn(form, "{");
		const struct json *j;
		char key[64];

		str_append(out, form, n);
		if (!form[n])
			return;
		form += n + 1;
		n = strcspn(form, "}");
		snprintf(key, sizeof key, "%.*s", (int)n, form);
		form += n + 1;
		j = json_get(object, key);
		put_text(out, j && (j->type == JSON_STRING || j->type == JSON_NUMBER) ? j->text : NULL);
	}
}

static void heading(struct str *out, const char *text)
{
	str_printf(out, "\n%s\n", text);
}

static void label(struct str *out, const char *text)
{
	str_printf(out, "  %-13s", text);
}

static void row(struct str *out, const char *name, const struct json *object, const char *form)
{
	label(out, name);
	say(out, object, form);
	str_puts(out, "\n");
}

static void put_names(struct str *out, const struct json *list)
{
	if (!list || list->type != JSON_ARRAY || !list->n) {
		str_puts(out, "none");
		return;
	}
	for (size_t i = 0; i < list->n; i++) {
		str_puts(out, i ? ", " : "");
		put_text(out, list->items[i]->text);
	}
}

static void row_names(struct str *out, const char *name, const struct json *list)
{
	label(out, name);
	put_names(out, list);
	str_puts(out, "\n");
}

/* A text that the writer escaped: whatever else is not safe is escaped, backslashes and quotes are not. */
static void put_escaped(struct str *out, const char *text)
{
	static const char kept[] = "\\\"";

	if (!text)
		put_text(out, NULL);
	for (; text && *text; text += strcspn(text, kept)) {
		owned_str part = STR_INIT;

		for (; *text && strchr(kept, *text); text++)
			str_append(out, text, 1);
		str_append(&part, text, strcspn(text, kept));
		put_text(out, str_text(&part));
	}
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

static void put_lines(struct str *out, const char *title, const struct json *list)
{
	if (!list || !list->n)
		return;
	heading(out, title);
	for (size_t i = 0; i < list->n; i++) {
		str_puts(out, "  - ");
		put_text(out, list->items[i]->text);
		str_puts(out, "\n");
	}
}

static bool is_true(const struct json *object, const char *key)
{
	const struct json *j = json_get(object, key);

	return j && j->boolean;
}

static const char identity[] = "uid {process.user.id} gid {process.group.id} in "
			       "{process.working_directory}";

/* ---- what it was ---- */

static void page_time(struct str *out, const char *name, const struct json *record)
{
	const char *time = json_get_text(record, "time");
	owned_str text = STR_INIT;

	if (time)
		str_printf(&text, "%.10s %.12s UTC", time, time + 11);
	label(out, name);
	put_text(out, time ? text.s : "no record");
	str_puts(out, "\n");
}

/* Nanoseconds since 1970; 0: unknown. */
static int64_t time_of(const struct json *record)
{
	const char *time = json_get_text(record, "time");
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
	row(out, "sandbox", create, "{sandbox}");
	row(out, "runtime", create, "{container.runtime.name} {container.runtime.version} on "
	    "{host.name}, engine {engine} (a guess), run by uid {caller.uid}, logged in as uid "
	    "{caller.login_uid}");
	row(out, "image", create, "{container.image.name}");
	row(out, "bundle", create, "{bundle}");
	label(out, "command");
	put_command(out, json_get(create, "process.command_args"));
	str_puts(out, "\n");
	row(out, "identity", create, identity);
}

/* ---- what it was allowed ---- */

static void page_rules(struct str *out, const struct json *egress)
{
	const struct json *rules = json_get(egress, "rules");
	const char *mode = json_get_text(egress, "mode");
	const bool open = str_equal(mode, "open");

	row(out, "network", NULL,
	    open ? "everything (egress=open: not restricted)" :
	    str_equal(mode, "none") || !rules || !rules->n ? "nothing" : "nothing but");
	for (size_t i = 0; !open && rules && i < rules->n; i++) {
		const struct json *rule = rules->items[i], *resolved = json_get(rule, "resolved");
		uint64_t first = get_number(rule, "port_first", NULL);
		uint64_t last = get_number(rule, "port_last", NULL);
		const char *reason = json_get_text(rule, "reason");

		say(out, rule, "    {network.transport} {server.address}");
		str_printf(out, " port %llu", (unsigned long long)first);
		if (last != first)
			str_printf(out, "-%llu", (unsigned long long)last);
		if (resolved && resolved->n) {
			str_puts(out, " = ");
			put_names(out, resolved);
		}
		str_puts(out, ": ");
		put_text(out, reason ? reason : "no reason given");
		str_puts(out, "\n");
	}
}

static void page_ingress(struct str *out, const struct json *policy)
{
	const struct json *ports = json_get(policy, "ingress");

	if (str_equal(json_get_text(json_get(policy, "egress"), "mode"), "open"))
		row(out, "open ports", NULL, "all (egress=open: not restricted)");
	else if (!ports)	/* a record of a former version */
		row(out, "open ports", NULL, "unknown");
	else
		row_names(out, "open ports", ports);
}

static void page_mounts(struct str *out, const struct json *mounts, const char *workspace)
{
	bool any = false;

	for (size_t i = 0; mounts && i < mounts->n; i++) {
		const struct json *m = mounts->items[i];

		if (workspace && str_equal(json_get_text(m, "destination"), workspace))
			continue;
		row(out, any ? "" : "host paths", m, is_true(m, "writable") ?
		    "{source} -> {destination} (writable)" : "{source} -> {destination} (read-only)");
		any = true;
	}
	if (!any)
		row(out, "host paths", NULL, workspace ? "none but the workspace" : "none");
}

static void page_allowed(struct str *out, const struct json *create)
{
	const struct json *policy = json_get(create, "policy"), *workspace, *env;

	heading(out, "What it was allowed");
	if (!policy || policy->type != JSON_OBJECT) {
		str_puts(out, "  Plain OCI: no agent policy confined this container; its limits were "
			 "the engine's.\n");
		page_mounts(out, json_get(create, "mounts"), NULL);
		return;
	}
	row(out, "profile", policy, "{profile}, audit {audit_mode}, network policy {digest}");
	workspace = json_get(policy, "workspace");
	if (workspace && workspace->type == JSON_OBJECT) {
		row(out, "workspace", workspace, "{source} -> {destination} ({mode})");
		row_names(out, "  guarded", json_get(workspace, "guard"));
		row_names(out, "  hidden", json_get(workspace, "mask"));
	} else {
		row(out, "workspace", NULL, "none");
	}
	page_mounts(out, json_get(create, "mounts"), json_get_text(workspace, "destination"));
	page_rules(out, json_get(policy, "egress"));
	page_ingress(out, policy);
	env = json_get(policy, "env");
	label(out, "environment");
	say(out, env, "{mode}; dropped: ");
	put_names(out, json_get(env, "dropped"));
	str_puts(out, "\n");
	row_names(out, "credentials", json_get(policy, "credentials"));
	row_names(out, "capabilities", json_get(policy, "capabilities"));
	row(out, "seccomp", policy, is_true(policy, "no_new_privileges") ?
	    "{seccomp}, no new privileges" : "{seccomp}, MAY GAIN PRIVILEGES");
}

static void page_claims(struct str *out, const struct json *claims)
{
	if (!claims || !claims->n)
		return;
	heading(out, "What the caller claims (not checked)");
	for (size_t i = 0; i < claims->n; i++) {
		str_puts(out, "  ");
		put_text(out, claims->keys[i]);
		str_puts(out, ": ");
		put_text(out, claims->items[i]->text);
		str_puts(out, "\n");
	}
}

/* ---- what it did ---- */

/* Destinations whose verdict is, or is not, "denied"; how many. */
static size_t page_destinations(struct str *out, const struct json *network, bool denied)
{
	const struct json *list = json_get(network, "destinations");
	size_t n = 0;

	for (size_t i = 0; list && i < list->n; i++) {
		const struct json *d = list->items[i], *port = json_get(d, "server.port");
		const char *verdict = json_get_text(d, "verdict");

		if (str_equal(verdict, "denied") != denied)
			continue;
		n++;
		say(out, d, port && port->type == JSON_NUMBER ?
		    "  {network.transport} {server.address} port {server.port}" :
		    "  {network.transport} {server.address}");
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
	const struct json *code = json_get(delete, "process.exit.code");
	const struct json *signal = json_get(delete, "process.exit.signal");

	if (!delete) {
		row(out, "exit", NULL, "no delete record: it still runs, or the host went down");
		return;
	}
	label(out, "exit");
	say(out, delete, code && code->type == JSON_NUMBER ? "code {process.exit.code}" :
			 signal && signal->type == JSON_NUMBER ?
				"killed by signal {process.exit.signal}" : "not known");
	if (json_get_text(delete, "exit_reason"))
		say(out, delete, ": {exit_reason}");
	str_puts(out, "\n");
}

static void page_event(struct str *out, const struct json *record)
{
	const char *event = json_get_text(record, "event"), *time = json_get_text(record, "time");
	const struct json *dropped = json_get(record, "env.dropped");

	if (str_equal(event, "delete") || str_equal(event, "hook") || !time)
		return;
	str_printf(out, "  %.8s  ", time + 11);
	put_text(out, event);
	if (str_equal(event, "exec") || str_equal(event, "create")) {
		str_puts(out, str_equal(event, "exec") ? "    " : "  ");
		put_command(out, json_get(record, "process.command_args"));
		str_puts(out, " (");
		say(out, record, identity);
		str_puts(out, ")");
	}
	if (dropped && dropped->n) {
		str_puts(out, "; dropped: ");
		put_names(out, dropped);
	}
	str_puts(out, "\n");
}

static void page_did(struct str *out, const struct json *const *records, size_t n,
		     const struct json *delete)
{
	const struct json *network = json_get(delete, "network");

	heading(out, "What it did");
	for (size_t i = 0; i < n; i++)
		page_event(out, records[i]);
	page_exit(out, delete);
	if (!delete)
		return;
	str_puts(out, "  network traffic:\n");
	if (!network || network->type != JSON_OBJECT)
		say(out, delete, "  not recorded: {network_reason}\n");
	else if (!page_destinations(out, network, false))
		str_puts(out, "  none that was allowed\n");
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
	const struct json *network = json_get(delete, "network");

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
	if (is_true(network, "truncated"))
		str_puts(out, "  TRUNCATED: more destinations than could be recorded; the list is "
			 "not complete\n");
}

static void page_cost(struct str *out, const struct json *delete)
{
	const struct json *cost = json_get(delete, "cost");
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
		if (!str_equal(json_get_text(records[i], "event"), "hook"))
			continue;
		if (!any)
			heading(out, "Audit hooks that did not succeed");
		any = true;
		say(out, records[i], "  {hook.path} at {hook.event}: ");
		put_escaped(out, json_get_text(records[i], "hook.detail"));
		str_puts(out, "\n");
	}
}

static void page_end(struct str *out, const struct json *const *records, size_t n,
		     const struct json *delete)
{
	put_lines(out, "What this record cannot know", json_get(delete, "unseen"));
	for (size_t i = 0; i < n; i++)
		put_lines(out, "What was too long to record", json_get(records[i], "truncated"));
	heading(out, "Evidence");
	say(out, records[0], "  records {seq}");
	say(out, records[n - 1], " to {seq}");
	str_printf(out, " of the log, %zu of this session; `agentrun audit verify` checks the chain\n",
		   n);
}

/* ---- the page ---- */

/* Which of the sessions of its container id it is, counted from 1. */
static void page_place(struct str *out, const struct sessions *all, const struct session *it)
{
	size_t nth = 0, of = 0;

	for (size_t i = 0; i < all->n; i++) {
		of += str_equal(all->v[i]->container, it->container);
		if (all->v[i] == it)
			nth = of;
	}
	if (of > 1)
		str_printf(out, "  number %zu of %zu of this container id; `agentrun audit list` shows "
			   "all\n", nth, of);
}

static void page(const struct sessions *all, const struct session *it,
		 const struct json *const *records, size_t n, struct str *out)
{
	const struct json *create = NULL, *start = NULL, *delete = NULL;

	for (size_t i = 0; i < n; i++) {
		const char *event = json_get_text(records[i], "event");

		if (str_equal(event, "create"))
			create = records[i];
		else if (str_equal(event, "start"))
			start = records[i];
		else if (str_equal(event, "delete"))
			delete = records[i];
	}
	str_printf(out, "Session %s", it->id);
	say(out, records[0], ", container {container.id}\n");
	page_place(out, all, it);
	page_time(out, "created", create);
	page_time(out, "deleted", delete);
	if (create) {
		page_head(out, create);
		if (delete)
			page_ran(out, start, delete);
		page_allowed(out, create);
		put_lines(out, "What the policy changed in the request",
			  json_get(json_get(create, "policy"), "changes"));
		page_claims(out, json_get(create, "claims"));
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

/* ---- the session's lines ---- */

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

/* NULL: of every session; *ret_it is then left as it is. */
static int collect(const char *directory, const char *name, struct sessions *all,
		   const struct session **ret_it, struct str *text, struct err *e)
{
	struct collect c = { .text = text };
	int r;

	if (name) {
		if ((r = sessions_read(directory, false, all, e)) < 0 ||
		    (r = sessions_find(all, name, ret_it, e)) < 0)
			return r;
		c.session = (*ret_it)->id;
	}
	return each_record(directory, visit_collect, &c, e);
}

int audit_show_json(const char *directory, const char *name, struct str *text, struct err *e)
{
	struct sessions all = { 0 };
	const struct session *it;
	int r = collect(directory, name, &all, &it, text, e);

	sessions_free(&all);
	return r;
}

int audit_show(const char *directory, const char *name, struct str *text, struct err *e)
{
	struct sessions all = { 0 };
	const struct session *it;
	owned_str lines = STR_INIT;
	const struct json **records;
	size_t n = 0;
	int r;

	if (!name)
		return audit_list(directory, text, e);
	if ((r = collect(directory, name, &all, &it, &lines, e)) < 0)
		goto out;
	for (size_t i = 0; i < lines.len; i++)
		n += lines.s[i] == '\n';
	records = arena_array(&all.a, const struct json *, n);
	n = 0;
	for (char *line = lines.s, *end; (end = strchr(line, '\n')); line = end + 1) {
		struct err ignored;

		if (json_parse(&all.a, line, (size_t)(end - line), "record", &records[n],
			       &ignored) == 0)
			n++;
	}
	if (n)
		page(&all, it, records, n, text);
	else
		r = err_say(e, EINVAL, "audit: no record of session %s can be read", it->id);
out:
	sessions_free(&all);
	return r;
}
