/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a session's records for its report. */
#include "audit/report_parts.h"

#include <errno.h>
#include <string.h>

static void add_command(struct reading *in, const struct json *command, const char *source)
{
	commands_add(&in->commands, in->r, command, source);
	packages_add(&in->packages, in->r, json_get(command, "process.command_args"),
		     time_ns(json_get_text(command, "start_time")));
}

/* Its tree is gone afterwards. */
static void visit_commands(struct reading *in, const char *line, size_t n)
{
	owned_arena a = ARENA_INIT;
	const struct json *record, *list;
	const char *source;
	struct err ignored;

	if (json_parse(&a, line, n, "record", &record, &ignored) < 0)
		return;
	source = json_get_text(record, "source");
	list = json_get(record, "executions");
	if (!list)
		add_command(in, record, source);
	for (size_t i = 0; list && list->type == JSON_ARRAY && i < list->n; i++)
		add_command(in, list->items[i], source);
}

static void visit(void *ctx, const struct chain_frame *f, const char *line, size_t n)
{
	struct reading *in = ctx;
	const struct json *record;
	struct err ignored;

	if (strcmp(in->it->id, f->session) != 0)
		return;
	/* "command": the first logs had a record of each */
	if (strcmp(f->event, "commands") == 0 || strcmp(f->event, "command") == 0) {
		visit_commands(in, line, n);
		if (in->n)		/* the first record of all is kept */
			return;
	}
	if (json_parse(&in->r->a, line, n, "record", &record, &ignored) < 0)
		return;
	in->records = report_grow(&in->r->a, in->records, in->n, &in->room, sizeof *in->records);
	in->records[in->n++] = record;
	if (strcmp(f->event, "create") == 0 || strcmp(f->event, "exec") == 0)
		packages_add(&in->packages, in->r, json_get(record, "process.command_args"),
			     time_ns(json_get_text(record, "time")));
}

int report_read(const char *directory, const char *name, audit_profile_of *profile_of, struct report *ret,
		struct err *e)
{
	struct sessions all = { 0 };
	struct reading in = { .r = ret, .all = &all, .profile_of = profile_of };
	int r;

	*ret = (struct report){ 0 };
	if ((r = sessions_read(directory, false, &all, e)) < 0 ||
	    (r = sessions_find(&all, name, &in.it, e)) < 0 ||
	    (r = each_record(directory, visit, &in, e)) < 0)
		goto out;
	if (in.n)
		session_say(&in);
	else
		r = err_say(e, EINVAL, "audit: no record of session %s can be read", in.it->id);
out:
	commands_free(&in.commands);
	sessions_free(&all);
	return r;
}
