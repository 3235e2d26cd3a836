/* SPDX-License-Identifier: Apache-2.0 */
#include "event.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/fd.h"

enum { INPUT_MOST = 1 << 20, SHORT = 256, SECOND = 1000000000 };

const struct event_field event_fields[] = {
	{ NULL, "event", "agentrun.event", false },
	{ NULL, "container.id", "container.id", false },
	{ NULL, "session", "agentrun.session", false },
	{ NULL, "seq", "agentrun.seq", false },
	{ NULL, "session_seq", "agentrun.session_seq", false },
	{ NULL, "time", "agentrun.time", false },
	{ NULL, "prev", "agentrun.prev", false },
	{ NULL, "session_prev", "agentrun.session_prev", false },
	{ NULL, "host.name", "host.name", false },
	{ NULL, "container.runtime.name", "container.runtime.name", false },
	{ NULL, "container.runtime.version", "container.runtime.version", false },
	{ NULL, "container.image.name", "container.image.name", false },
	{ NULL, "sandbox", "agentrun.sandbox", false },
	{ NULL, "engine", "agentrun.engine", false },
	{ NULL, "bundle", "agentrun.bundle", false },
	{ NULL, "caller.uid", "agentrun.caller.uid", false },
	{ NULL, "caller.login_uid", "agentrun.caller.login_uid", false },
	{ NULL, "claims", "agentrun.claims", false },
	{ "policy", "profile", "agentrun.policy.profile", false },
	{ "policy", "digest", "agentrun.policy.digest", false },
	{ "policy", "audit_mode", "agentrun.policy.audit_mode", false },
	{ NULL, "process.pid", "process.pid", false },
	{ NULL, "process.command_args", "process.command_args", false },
	{ NULL, "process.working_directory", "process.working_directory", false },
	{ NULL, "process.user.id", "process.user.id", false },
	{ NULL, "process.group.id", "agentrun.process.group.id", false },
	{ NULL, "process.interactive", "process.interactive", false },
	{ NULL, "process.exit.code", "process.exit.code", false },
	{ NULL, "process.exit.signal", "agentrun.process.exit.signal", false },
	{ NULL, "exit_reason", "agentrun.exit_reason", false },
	{ NULL, "duration_ns", "agentrun.duration_ns", false },
	{ "cost", "cpu_usec", "agentrun.cost.cpu_usec", false },
	{ "cost", "memory_peak_bytes", "agentrun.cost.memory_peak_bytes", false },
	{ "cost", "oom_kills", "agentrun.cost.oom_kills", true },
	{ "network", "denied_packets", "agentrun.network.denied_packets", true },
	{ "network", "unrecorded_packets", "agentrun.network.unrecorded_packets", true },
	{ "network", "inbound_denied_packets", "agentrun.network.inbound_denied_packets", true },
	{ NULL, "hook.path", "agentrun.hook.path", false },
	{ NULL, "hook.event", "agentrun.hook.event", false },
	{ NULL, "hook.outcome", "agentrun.hook.outcome", true },
	{ NULL, "reason", "agentrun.reason", true },	/* of a log that had to be recovered */
	{ NULL, "truncated", "agentrun.truncated", false },
	/* a container's state */
	{ "oci.state", "pid", "process.pid", false },
	{ "oci.state", "bundle", "agentrun.bundle", false },
};
static_assert(sizeof event_fields / sizeof *event_fields == EVENT_FIELDS, "event_fields");

static void put_now(struct json_writer *w)
{
	struct timespec now;
	struct tm tm;
	char date[32];
	owned_str text = STR_INIT;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &tm);
	str_printf(&text, "%s.%09ldZ", date, now.tv_nsec);
	json_field(w, "time", text.s);
}

/* A state in the form of a record: what identifies the container, and when this was. */
static void take_state(struct event *ev)
{
	static const char *const members[] = { "id", "status", "pid", "bundle", "ociVersion" };
	struct json_writer *w = json_writer_new(false);

	json_open(w);
	put_now(w);
	json_field(w, "event", ev->event);
	json_field(w, "container.id", ev->container);
	json_key(w, "oci.state");
	json_open(w);
	for (size_t i = 0; i < sizeof members / sizeof *members; i++)
		if (json_get(ev->tree, members[i])) {
			json_key(w, members[i]);
			json_put_tree(w, json_get(ev->tree, members[i]));
		}
	json_close(w);
	json_close(w);
	json_writer_end(w, &ev->line);
	ev->line.s[--ev->line.len] = 0;
}

const struct json *event_value(const struct event *ev, const struct event_field *f)
{
	const struct json *holder = f->in ? json_get(ev->tree, f->in) : ev->tree;
	const struct json *value = holder ? json_get(holder, f->member) : NULL;

	return value && value->type != JSON_NULL ? value : NULL;
}

void event_text(const struct json *value, struct str *out)
{
	struct json_writer *w;

	if (value->type == JSON_STRING) {
		str_puts(out, value->text);
		return;
	}
	w = json_writer_new(false);
	json_put_tree(w, value);
	json_writer_end(w, out);
	out->s[--out->len] = 0;
}

static bool is_noteworthy(const struct event *ev)
{
	for (size_t i = 0; i < EVENT_FIELDS; i++) {
		const struct json *value = event_value(ev, &event_fields[i]);

		if (event_fields[i].noteworthy && value &&
		    !(value->type == JSON_NUMBER && strcmp(value->text, "0") == 0))
			return true;
	}
	return false;
}

const struct event_severity *event_severity(const struct event *ev)
{
	static const struct event_severity info = { 6, 9, "INFO" }, notice = { 5, 10, "NOTICE" };

	return ev->noteworthy ? &notice : &info;
}

/* 0 if the text is no time as records have it (RFC 3339, UTC, nanoseconds). */
static uint64_t parse_time(const char *text)
{
	struct tm tm = { 0 };
	const char *rest = text ? strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;
	uint64_t fraction = 0;
	time_t seconds = rest ? timegm(&tm) : -1;

	if (seconds < 0 || strspn(rest, ".") != 1 || strspn(rest + 1, "0123456789") != 9 ||
	    strcmp(rest + 10, "Z") != 0)
		return 0;
	for (int i = 1; i <= 9; i++)
		fraction = fraction * 10 + (uint64_t)(rest[i] - '0');
	return (uint64_t)seconds * SECOND + fraction;
}

int event_read(struct arena *a, int fd, struct event *ret, struct err *e)
{
	static const char what[] = "standard input";
	struct event ev = { 0 };
	owned_str input = STR_INIT;
	const struct json *seq;
	int r;

	if ((r = fd_read_all(fd, INPUT_MOST, what, &input, e)) < 0 ||
	    (r = json_parse(a, str_text(&input), input.len, what, &ev.tree, e)) < 0)
		return r;
	while (input.len && strchr(" \t\r\n", input.s[input.len - 1]))
		input.s[--input.len] = 0;
	ev.container = json_get_text(ev.tree, "container.id");
	ev.event = json_get_text(ev.tree, "event");
	seq = json_get(ev.tree, "seq");
	ev.is_record = json_get(ev.tree, "v") && json_get_text(ev.tree, "session") && ev.event &&
		       seq && seq->type == JSON_NUMBER && !strchr(input.s, '\n');
	if (ev.is_record) {
		ev.line = input;
		input = STR_INIT;
		ev.noteworthy = is_noteworthy(&ev);
	} else {
		ev.container = json_get_text(ev.tree, "id");
		ev.event = json_get_text(ev.tree, "status");
		if (!json_get_text(ev.tree, "ociVersion") || !ev.container || !ev.event)
			return err_say(e, EINVAL, "%s: neither an audit record nor the state of a "
				       "container", what);
		take_state(&ev);
		if ((r = json_parse(a, ev.line.s, ev.line.len, what, &ev.tree, e)) < 0) {
			event_free(&ev);
			return r;
		}
	}
	ev.time = parse_time(json_get_text(ev.tree, "time"));
	hash_hex(ev.hash, ev.line.s, ev.line.len);
	*ret = ev;
	return 0;
}

void event_free(struct event *ev)
{
	str_free(&ev->line);
}

void event_summary(const struct event *ev, size_t most, struct str *out)
{
	struct json_writer *w;
	size_t left = most;

	if (ev->line.len <= most) {
		str_append(out, ev->line.s, ev->line.len);
		return;
	}
	w = json_writer_new(false);
	json_open(w);
	json_field_u64(w, "cut_from_bytes", ev->line.len);
	json_field(w, "sha256", ev->hash);
	left -= left < SHORT ? left : SHORT;
	for (size_t i = 0; i < EVENT_FIELDS; i++) {
		const struct event_field *f = &event_fields[i];
		const struct json *value = event_value(ev, f);
		owned_str name = STR_INIT;
		size_t n;

		if (!value || value->type == JSON_ARRAY || value->type == JSON_OBJECT)
			continue;
		str_printf(&name, "%s%s%s", f->in ? f->in : "", f->in ? "." : "", f->member);
		n = name.len + (value->text ? strlen(value->text) : 5);
		/* escapes make a text up to six times as long */
		if (n > SHORT || 6 * n + 8 > left)
			continue;
		left -= 6 * n + 8;
		json_key(w, name.s);
		json_put_tree(w, value);
	}
	json_close(w);
	json_writer_end(w, out);
	out->s[--out->len] = 0;
}
