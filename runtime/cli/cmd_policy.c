/* SPDX-License-Identifier: Apache-2.0 */
/* policy explain, check, schema: what a policy does, and whether a file is one */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/cli.h"
#include "policy/policy.h"

struct explain_options {
	const char *bundle;
	bool json;
};

static const struct cli_option explain_options[] = {
	{ 'b', "bundle", CLI_TEXT, offsetof(struct explain_options, bundle), "DIR",
	  "the bundle (default: the working directory)" },
	{ 0, "json", CLI_FLAG, offsetof(struct explain_options, json), NULL,
	  "print JSON, the effective configuration with it" },
	{ 0, NULL, 0, 0, NULL, NULL },
};

static int explain_plain(bool json, struct err *e)
{
	owned_str text = STR_INIT;

	str_puts(&text, json ? "{\"profile\":null}\n" :
			       "No policy: the container runs as its bundle says.\n");
	return cli_print(&text, e);
}

static int explain(struct cli *cli, const struct explain_options *o, struct err *e)
{
	const char *bundle = o->bundle ? o->bundle : ".";
	const struct policy_options options = { cli->runtime.profile, cli->runtime.host_policy,
						cli->runtime.rootless };
	owned_fd dir = open(bundle, O_PATH | O_DIRECTORY | O_CLOEXEC);
	owned_str text = STR_INIT;
	struct spec_seccomp *profile;
	struct policy *policy;
	struct facts facts;
	struct spec *in, *out;
	int r;

	if (dir < 0)
		return err_set(e, errno, "bundle %s", bundle);
	if (spec_read(cli->arena, dir, "config.json", SPEC_BUNDLE, &in, e) < 0 ||
	    policy_load(cli->arena, in, &options, &policy, e) < 0)
		return -e->code;
	if (!policy)
		return explain_plain(o->json, e);
	if (facts_gather(cli->arena, in, policy, bundle, &facts, e) < 0)
		return -e->code;
	/* nothing is mounted: what this user may not look at is judged by its name */
	facts.by_name = true;
	r = policy_apply(cli->arena, in, policy, &facts, &out, e);
	facts_close(&facts);
	if (r < 0)
		return r;
	/* create reads it to compile it, which is not done here */
	if (out->agent->seccomp_text &&
	    spec_parse_seccomp(cli->arena, out->agent->seccomp_text, &profile, e) < 0)
		return -e->code;
	if (o->json) {
		struct json_writer *w = json_writer_new(true);

		policy_explain_json(policy, out, w);
		json_writer_end(w, &text);
	} else {
		policy_explain(policy, in, out, &text);
	}
	return cli_print(&text, e);
}

static int check(struct cli *cli, const char *path, struct err *e)
{
	owned_str text = STR_INIT;
	const char *kind;
	int r = policy_check_file(cli->arena, path, &kind, e);

	if (r < 0)
		return r;
	str_printf(&text, "%s: valid %s\n", path, kind);
	return cli_print(&text, e);
}

static int schema(struct err *e)
{
	struct json_writer *w = json_writer_new(true);
	owned_str text = STR_INIT;

	policy_schema(w);
	json_writer_end(w, &text);
	return cli_print(&text, e);
}

int cmd_policy(struct cli *cli, int argc, char **argv, struct err *e)
{
	struct explain_options o = { 0 };
	const char *what = argc > 1 ? argv[1] : "";
	int operands;

	if (strcmp(what, "explain") == 0) {
		if (cli_parse(cli, explain_options, CLI_ANYWHERE, &o, argc - 1, argv + 1,
			      &operands, e) < 0)
			return -e->code;
		if (operands < argc - 1)
			return err_say(e, EINVAL, "policy explain takes no operand: %s",
				       argv[1 + operands]);
		return explain(cli, &o, e);
	}
	if (strcmp(what, "check") == 0 && argc == 3)
		return check(cli, argv[2], e);
	if (strcmp(what, "schema") == 0 && argc == 2)
		return schema(e);
	return err_say(e, EINVAL, "policy: expected explain [--bundle DIR] [--json], check FILE, "
		       "or schema");
}
