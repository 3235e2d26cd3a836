/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records of commands, without a json_writer: a session can have many thousands, and deleting it waits
 * for all of them.
 */
#include "audit/record.h"

#include <string.h>
#include <time.h>

#include "audit/chain.h"
#include "audit/redact.h"
#include "base/json.h"

enum {
	/* Bytes of an object without its texts. */
	PARTS = 512,
	/* Of a record to which no more is added: there is room for one more command with as many arguments,
	 * and as strange ones, as the log keeps. */
	FULL = 28 << 10,
};

static char *put_number(char *p, int64_t v)
{
	return v < 0 ? STR_PUT(p, "null") : str_digits(p, (unsigned long long)v);
}

static char *put_time(struct audit_command_records *r, char *p, int64_t ns)
{
	const int64_t second = ns / 1000000000;

	if (ns <= 0)
		return STR_PUT(p, "null");
	if (second != r->second || !*r->second_text) {
		chain_time_of(&(struct timespec){ .tv_sec = second }, r->second_text);
		r->second = second;
	}
	*p++ = '"';
	p = mempcpy(p, r->second_text, CHAIN_TIME - 1);
	/* it ends with ".000000000Z" */
	for (int64_t rest = ns % 1000000000, i = 2; rest; rest /= 10, i++)
		p[-i] = (char)('0' + rest % 10);
	*p++ = '"';
	return p;
}

static void put_safe(struct str *out, const char *text)
{
	owned_str redacted = STR_INIT;

	if (!text) {
		STR_ADD(out, "null");
		return;
	}
	redact_text(text, &redacted);
	json_quote(out, redacted.s);
}

static void put_command(struct audit_command_records *r, const struct audit_command *c)
{
	struct str *out = &r->members;
	owned_arena a = ARENA_INIT;
	const struct strv args = redact_args(&a, c->args);
	char *start, *p;

	p = start = str_reserve(out, PARTS);
	p = put_number(STR_PUT(p, "{\"process.pid\":"), c->pid);
	p = put_number(STR_PUT(p, ",\"process.parent_pid\":"), c->parent_pid);
	p = STR_PUT(p, ",\"process.executable.path\":");
	str_commit(out, (size_t)(p - start));
	if (args.n && str_equal(c->executable, c->args->v[0]))
		json_quote(out, args.v[0]);
	else
		put_safe(out, c->executable);
	STR_ADD(out, ",\"process.command_args\":[");
	for (size_t i = 0; i < args.n; i++) {
		if (i)
			STR_ADD(out, ",");
		json_quote(out, args.v[i]);
	}
	STR_ADD(out, "]");
	if (c->cwd) {
		STR_ADD(out, ",\"process.working_directory\":");
		put_safe(out, c->cwd);
	}
	p = start = str_reserve(out, PARTS);
	p = put_time(r, STR_PUT(p, ",\"start_time\":"), c->start_ns);
	p = put_number(STR_PUT(p, ",\"duration_ns\":"), c->duration_ns);
	p = put_number(STR_PUT(p, ",\"process.exit.code\":"), c->exit_code);
	if (c->exit_signal >= 0)
		p = put_number(STR_PUT(p, ",\"process.exit.signal\":"), c->exit_signal);
	if (c->failed)
		p = STR_PUT(p, ",\"executed\":false");
	p = STR_PUT(p, "}");
	str_commit(out, (size_t)(p - start));
}

bool audit_record_command(struct audit_command_records *r, const struct audit_command *c)
{
	if (r->members.len) {
		STR_ADD(&r->members, ",");
	} else {
		STR_ADD(&r->members, "{\"source\":");
		json_quote(&r->members, r->source);
		STR_ADD(&r->members, ",\"executions\":[");
	}
	put_command(r, c);
	if (r->members.len < FULL)
		return false;
	return audit_record_commands_end(r);
}

bool audit_record_commands_end(struct audit_command_records *r)
{
	if (!r->members.len)
		return false;
	STR_ADD(&r->members, "]}");
	return true;
}
