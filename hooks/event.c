/* SPDX-License-Identifier: Apache-2.0 */
#include "event.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/fd.h"
#include "base/json.h"

enum { INPUT_MOST = 1 << 20, SHORT = 256 };

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

static bool is_noteworthy(const struct event *ev)
{
	const struct json *network = json_get(ev->tree, "network");
	const struct json *denied = network ? json_get(network, "denied_packets") : NULL;

	return strcmp(ev->event, "recovered") == 0 ||
	       (denied && denied->type == JSON_NUMBER && strcmp(denied->text, "0") != 0);
}

int event_read(struct arena *a, int fd, struct event *ret, struct err *e)
{
	struct event ev = { 0 };
	owned_str input = STR_INIT;
	int r;

	if ((r = fd_read_all(fd, INPUT_MOST, "standard input", &input, e)) < 0)
		return r;
	r = json_parse(a, str_text(&input), input.len, "standard input", &ev.tree, e);
	if (r < 0)
		return r;
	while (input.len && strchr(" \t\r\n", input.s[input.len - 1]))
		input.s[--input.len] = 0;
	ev.container = json_get_text(ev.tree, "container.id");
	ev.session = json_get_text(ev.tree, "session");
	ev.event = json_get_text(ev.tree, "event");
	ev.seq = json_get(ev.tree, "seq") && json_get(ev.tree, "seq")->type == JSON_NUMBER ?
		json_get(ev.tree, "seq")->text : NULL;
	ev.is_record = json_get(ev.tree, "v") && ev.session && ev.event && ev.seq &&
		       !strchr(input.s, '\n');
	if (ev.is_record) {
		ev.line = input;
		input = STR_INIT;
		ev.noteworthy = is_noteworthy(&ev);
	} else {
		ev.container = json_get_text(ev.tree, "id");
		ev.event = json_get_text(ev.tree, "status");
		if (!json_get_text(ev.tree, "ociVersion") || !ev.container || !ev.event)
			return err_say(e, EINVAL, "standard input: neither an audit record nor the state "
				       "of a container");
		ev.session = ev.seq = NULL;
		take_state(&ev);
	}
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
	for (size_t i = 0; i < ev->tree->n; i++) {
		const struct json *member = ev->tree->items[i];
		size_t n = strlen(ev->tree->keys[i]) + (member->text ? strlen(member->text) : 5);

		/* escapes make a text up to six times as long */
		if (member->type == JSON_ARRAY || member->type == JSON_OBJECT || n > SHORT ||
		    6 * n + 8 > left)
			continue;
		left -= 6 * n + 8;
		json_key(w, ev->tree->keys[i]);
		json_put_tree(w, member);
	}
	json_close(w);
	json_writer_end(w, out);
	out->s[--out->len] = 0;
}
