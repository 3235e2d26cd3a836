/* SPDX-License-Identifier: Apache-2.0 */
#include "otlp.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A level of JSON becomes four of AnyValue, and writers have a limit. */
enum { WORDS_MOST = 400, SECOND = 1000000000, LEVELS = 8 };

/* ---- the request ---- */

static void put_value(struct json_writer *w, const struct json *value, int levels);

static void put_text(struct json_writer *w, const char *key, const char *text)
{
	json_open(w);
	json_field(w, "key", key);
	json_key(w, "value");
	json_open(w);
	json_field(w, "stringValue", text);
	json_close(w);
	json_close(w);
}

/* A 64-bit integer is a string in protobuf's JSON: a reader's doubles would round it. */
static void put_number(struct json_writer *w, const struct json *value)
{
	double d = strtod(value->text, NULL);
	int64_t i;

	if (json_i64(value, &i) == 0) {
		owned_str digits = STR_INIT;

		str_printf(&digits, "%lld", (long long)i);
		json_field(w, "intValue", digits.s);
	} else if (isfinite(d)) {
		json_key(w, "doubleValue");
		json_put_double(w, d);
	} else {
		json_field(w, "stringValue", value->text);
	}
}

static void put_values(struct json_writer *w, const struct json *value, int levels)
{
	json_open(w);
	json_key(w, "values");
	json_open_array(w);
	for (size_t i = 0; i < value->n; i++) {
		if (value->type == JSON_OBJECT) {
			json_open(w);
			json_field(w, "key", value->keys[i]);
			json_key(w, "value");
		}
		put_value(w, value->items[i], levels);
		if (value->type == JSON_OBJECT)
			json_close(w);
	}
	json_close_array(w);
	json_close(w);
}

/* An AnyValue (common/v1/common.proto); without a member it stands for null.  What is nested deeper
 * than `levels` is its JSON's text. */
static void put_value(struct json_writer *w, const struct json *value, int levels)
{
	bool nested = value->type == JSON_ARRAY || value->type == JSON_OBJECT;

	json_open(w);
	if (nested && levels > 0) {
		json_key(w, value->type == JSON_ARRAY ? "arrayValue" : "kvlistValue");
		put_values(w, value, levels - 1);
	} else if (value->type == JSON_BOOL) {
		json_field_bool(w, "boolValue", value->boolean);
	} else if (value->type == JSON_NUMBER) {
		put_number(w, value);
	} else if (value->type != JSON_NULL) {
		owned_str text = STR_INIT;

		event_text(value, &text);
		json_field(w, "stringValue", str_text(&text));
	}
	json_close(w);
}

static void put_time(struct json_writer *w, const char *key, uint64_t time)
{
	owned_str digits = STR_INIT;

	str_printf(&digits, "%llu", (unsigned long long)time);
	json_field(w, key, digits.s);
}

static void put_record(struct json_writer *w, const struct event *ev)
{
	const struct event_severity *severity = event_severity(ev);
	owned_str name = STR_INIT;
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	str_printf(&name, "%s.%s", ev->is_record ? "agentrun.audit" : "oci.state", ev->event);
	json_open(w);
	if (ev->time)
		put_time(w, "timeUnixNano", ev->time);
	put_time(w, "observedTimeUnixNano", (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec);
	json_field_u64(w, "severityNumber", severity->otel);
	json_field(w, "severityText", severity->name);
	json_field(w, "eventName", name.s);
	json_key(w, "body");
	json_open(w);
	json_field(w, "stringValue", ev->line.s);
	json_close(w);
	json_key(w, "attributes");
	json_open_array(w);
	put_text(w, "agentrun.sha256", ev->hash);
	for (size_t i = 0; i < EVENT_FIELDS; i++) {
		const struct json *value = event_value(ev, &event_fields[i]);

		if (!value)
			continue;
		json_open(w);
		json_field(w, "key", event_fields[i].attribute);
		json_key(w, "value");
		put_value(w, value, LEVELS);
		json_close(w);
	}
	json_close_array(w);
	json_close(w);
}

void otlp_request(const struct event *ev, const char *host, const char *version, struct str *out)
{
	struct json_writer *w = json_writer_new(false);

	json_open(w);
	json_key(w, "resourceLogs");
	json_open_array(w);
	json_open(w);
	json_key(w, "resource");
	json_open(w);
	json_key(w, "attributes");
	json_open_array(w);
	put_text(w, "service.name", "agentrun");
	put_text(w, "service.version", version);
	put_text(w, "host.name", host);
	json_close_array(w);
	json_close(w);
	json_key(w, "scopeLogs");
	json_open_array(w);
	json_open(w);
	json_key(w, "scope");
	json_open(w);
	json_field(w, "name", "agentrun-hook-otlp");
	json_field(w, "version", version);
	json_close(w);
	json_key(w, "logRecords");
	json_open_array(w);
	put_record(w, ev);
	json_close_array(w);
	json_close(w);
	json_close_array(w);
	json_close(w);
	json_close_array(w);
	json_close(w);
	json_writer_end(w, out);
}

/* ---- the answer ---- */

/* "Retryable Response Codes": all others must not be sent again. */
static bool is_retryable(long status)
{
	return status == 429 || status == 502 || status == 503 || status == 504;
}

/* What the collector says: the message of its Status (google.rpc), else its text as it is. */
static void put_words(const struct str *body, const struct json *tree, struct str *out)
{
	const char *message = tree ? json_get_text(tree, "message") : NULL;

	if (!message)
		message = str_text(body);
	if (*message) {
		str_puts(out, ": ");
		str_put_safe(out, message, WORDS_MOST);
	}
}

/* How many records it did not take, -1: it does not say so in numbers. */
static long long rejected_of(const struct json *partial)
{
	const struct json *rejected = json_get(partial, "rejectedLogRecords");
	char *end = NULL;
	long long n;

	/* proto3: a number or its text; left out, it is 0 */
	if (!rejected || rejected->type == JSON_NULL)
		return 0;
	n = rejected->text ? strtoll(rejected->text, &end, 10) : 0;
	return !end || end == rejected->text || *end ? -1 : n;
}

int otlp_answer(long status, const struct str *body, bool *ret_again, struct str *ret_warning,
		struct err *e)
{
	owned_arena a = ARENA_INIT;
	owned_str words = STR_INIT;
	const struct json *tree = NULL, *partial;
	const char *message;
	struct err ignored;
	int r = body->len ? json_parse(&a, body->s, body->len, "answer", &tree, &ignored) : 0;

	if (r < 0 || (tree && tree->type != JSON_OBJECT))
		tree = NULL;
	if (status < 200 || status > 299) {
		*ret_again = is_retryable(status);
		put_words(body, tree, &words);
		return err_say(e, EIO, "answered %ld%s%s", status,
			       status >= 300 && status <= 399 ? " (redirections are not followed)" : "",
			       str_text(&words));
	}
	*ret_again = false;
	if (body->len && !tree) {
		put_words(body, tree, &words);
		return err_say(e, EIO, "answered %ld, but not as a collector does%s", status,
			       str_text(&words));
	}
	partial = tree ? json_get(tree, "partialSuccess") : NULL;
	message = partial ? json_get_text(partial, "errorMessage") : NULL;
	if (message && *message) {
		str_puts(&words, ": ");
		str_put_safe(&words, message, WORDS_MOST);
	}
	if (partial && rejected_of(partial) != 0)
		return err_say(e, EIO, "rejected the record%s", str_text(&words));
	*ret_warning = words;
	words = STR_INIT;
	return 0;
}
