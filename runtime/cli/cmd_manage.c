/* SPDX-License-Identifier: Apache-2.0 */
/* kill, delete, pause, resume, update */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/host.h"
#include "cli/cli.h"
#include "lifecycle/manage.h"

struct kill_options {
	bool all;
};

const struct cli_option cmd_kill_options[] = {
	{ 'a', "all", CLI_FLAG, offsetof(struct kill_options, all), NULL,
	  "signal every process of the container" },
	{ 0, NULL, 0, 0, NULL, NULL },
};

int cmd_kill(struct cli *cli, int argc, char **argv, struct err *e)
{
	struct kill_options o = { 0 };
	const char *name;
	int first, sig;

	if (cli_parse(cli, cmd_kill_options, CLI_ANYWHERE, &o, argc, argv, &first, e) < 0)
		return err_in(e, "kill");
	if (argc - first < 1 || argc - first > 2)
		return err_say(e, EINVAL, "kill: expected a container id and a signal");
	name = argc - first == 2 ? argv[first + 1] : "TERM";
	sig = signal_number(name);
	if (sig < 0)
		return err_say(e, EINVAL, "kill: unknown signal \"%s\"", name);
	return lifecycle_kill(cli->arena, &cli->runtime, argv[first], sig, o.all, e);
}

struct delete_options {
	bool force;
};

const struct cli_option cmd_delete_options[] = {
	{ 'f', "force", CLI_FLAG, offsetof(struct delete_options, force), NULL,
	  "kill it first if it runs; a missing container is no error" },
	{ 0, NULL, 0, 0, NULL, NULL },
};

int cmd_delete(struct cli *cli, int argc, char **argv, struct err *e)
{
	struct delete_options o = { 0 };
	const char *id;
	int r = cli_parse_id(cli, "delete", &o, argc, argv, &id, e);

	return r < 0 ? r : lifecycle_delete(cli->arena, &cli->runtime, id, o.force, NULL, e);
}

int cmd_pause(struct cli *cli, int argc, char **argv, struct err *e)
{
	const char *id;
	int r = cli_parse_id(cli, "pause", NULL, argc, argv, &id, e);

	return r < 0 ? r : lifecycle_pause(cli->arena, &cli->runtime, id, true, e);
}

int cmd_resume(struct cli *cli, int argc, char **argv, struct err *e)
{
	const char *id;
	int r = cli_parse_id(cli, "resume", NULL, argc, argv, &id, e);

	return r < 0 ? r : lifecycle_pause(cli->arena, &cli->runtime, id, false, e);
}

/* Engines ask for both (docker checkpoint, podman container restore): whatever else they say, the
 * answer is one. */
int cmd_checkpoint(struct cli *cli, int argc, char **argv, struct err *e)
{
	(void)cli;
	(void)argc;
	return err_say(e, ENOTSUP, "%s is not supported: it needs CRIU, which agentrun does not use; "
		       "run the container with runc or crun for it", argv[0]);
}

/* ---- update: the flags become the JSON that --resources takes ---- */

struct update_options {
	const char *resources;
	const char *value[16];
	char *l3_cache_schema, *mem_bw_schema;
};

#define U(i) offsetof(struct update_options, value[i])
const struct cli_option cmd_update_options[] = {
	{ 'r', "resources", CLI_TEXT, offsetof(struct update_options, resources), "FILE",
	  "linux.resources as JSON; - reads standard input" },
	{ 0, "memory", CLI_TEXT, U(0), "SIZE", "memory limit in bytes, or as 512M; -1: none" },
	{ 0, "memory-reservation", CLI_TEXT, U(1), "SIZE", "soft memory limit" },
	{ 0, "memory-swap", CLI_TEXT, U(2), "SIZE", "memory and swap together, -1: none" },
	{ 0, "kernel-memory", CLI_TEXT, U(3), "SIZE", "without effect since Linux 5.16" },
	{ 0, "kernel-memory-tcp", CLI_TEXT, U(4), "SIZE", "without effect since Linux 5.16" },
	{ 0, "cpu-share", CLI_TEXT, U(5), "N", "relative share of the CPU" },
	{ 0, "cpu-period", CLI_TEXT, U(6), "USEC", "period of the CPU quota" },
	{ 0, "cpu-quota", CLI_TEXT, U(7), "USEC", "CPU time in one period, -1: no limit" },
	{ 0, "cpu-burst", CLI_TEXT, U(8), "USEC", "CPU time that may be saved up" },
	{ 0, "cpu-rt-period", CLI_TEXT, U(9), "USEC", "period of the realtime quota" },
	{ 0, "cpu-rt-runtime", CLI_TEXT, U(10), "USEC", "realtime CPU time in one period" },
	{ 0, "cpu-idle", CLI_TEXT, U(11), "0|1", "run only when nobody else wants to" },
	{ 0, "cpuset-cpus", CLI_TEXT, U(12), "LIST", "CPUs to use" },
	{ 0, "cpuset-mems", CLI_TEXT, U(13), "LIST", "memory nodes to use" },
	{ 0, "pids-limit", CLI_TEXT, U(14), "N", "how many processes, -1: no limit" },
	{ 0, "blkio-weight", CLI_TEXT, U(15), "N", "block I/O weight, 10 to 1000" },
	{ 0, "l3-cache-schema", CLI_TEXT, offsetof(struct update_options, l3_cache_schema), "TEXT",
	  "share of the L3 cache, as resctrl writes it" },
	{ 0, "mem-bw-schema", CLI_TEXT, offsetof(struct update_options, mem_bw_schema), "TEXT",
	  "share of the memory bandwidth, as resctrl writes it" },
	{ 0, NULL, 0, 0, NULL, NULL },
};

enum update_kind { NUMBER, SIZE, TEXT };

static const struct {
	const char *object, *member;
	enum update_kind kind;
} update_members[] = {
	{ "memory", "limit", SIZE },	    { "memory", "reservation", SIZE },
	{ "memory", "swap", SIZE },	    { "memory", "kernel", SIZE },
	{ "memory", "kernelTCP", SIZE },   { "cpu", "shares", NUMBER },
	{ "cpu", "period", NUMBER },	    { "cpu", "quota", NUMBER },
	{ "cpu", "burst", NUMBER },	    { "cpu", "realtimePeriod", NUMBER },
	{ "cpu", "realtimeRuntime", NUMBER }, { "cpu", "idle", NUMBER },
	{ "cpu", "cpus", TEXT },	    { "cpu", "mems", TEXT },
	{ "pids", "limit", NUMBER },	    { "blockIO", "weight", NUMBER },
};
_Static_assert(sizeof update_members / sizeof *update_members ==
	       sizeof((struct update_options){ 0 }).value / sizeof(char *), "a member for each flag");

/* The number with what stands behind it: of a size, "k", "m", "g" or "t" (or "MB", "MiB"). */
static bool parse_amount(const char *text, enum update_kind kind, long long *ret)
{
	static const char units[] = "kmgt";
	const char *unit;
	int shift = 0;
	char *end;

	errno = 0;
	*ret = strtoll(text, &end, 10);
	if (errno || end == text)
		return false;
	unit = *end ? strchr(units, tolower((unsigned char)*end)) : NULL;
	if (kind == SIZE && unit) {
		shift = 10 * (int)(unit - units + 1);
		end++;
		end += tolower((unsigned char)*end) == 'i' && end[1];
	}
	if (kind == SIZE)
		end += tolower((unsigned char)*end) == 'b';
	return !*end && !__builtin_mul_overflow(*ret, 1LL << shift, ret);
}

static int flags_to_json(const struct update_options *o, struct str *ret, struct err *e)
{
	struct json_writer *w = json_writer_new(false);
	const char *open = NULL;
	int r = 0;

	json_open(w);
	for (size_t i = 0; i < sizeof update_members / sizeof *update_members; i++) {
		long long n;

		if (!o->value[i])
			continue;
		if (!str_equal(open, update_members[i].object)) {
			if (open)
				json_close(w);
			open = update_members[i].object;
			json_key(w, open);
			json_open(w);
		}
		json_key(w, update_members[i].member);
		if (update_members[i].kind == TEXT) {
			json_put_string(w, o->value[i]);
			continue;
		}
		if (!parse_amount(o->value[i], update_members[i].kind, &n))
			r = err_say(e, EINVAL, "--%s %s: expected a number",
				    cmd_update_options[i + 1].name, o->value[i]);
		json_put_i64(w, n);
	}
	if (open)
		json_close(w);
	json_close(w);
	json_writer_end(w, ret);
	return r;
}

int cmd_update(struct cli *cli, int argc, char **argv, struct err *e)
{
	struct update_options o = { 0 };
	struct spec_resources *resources;
	struct spec_intel_rdt rdt = { 0 };
	const struct json *tree;
	owned_str text = STR_INIT;
	const char *id, *what;
	int r = cli_parse_id(cli, "update", &o, argc, argv, &id, e);

	if (r < 0)
		return r;
	/* systemd may have to hear of it, and what comes from standard input can be read but once. */
	if (host_check(e) < 0)
		return host_become(e);
	what = o.resources;
	for (size_t i = 0; what && i < sizeof o.value / sizeof *o.value; i++)
		if (o.value[i])
			return err_say(e, EINVAL, "update: --resources and --%s exclude each other",
				       cmd_update_options[i + 1].name);
	if (!what)
		r = flags_to_json(&o, &text, e);
	else if (strcmp(what, "-") == 0)
		r = fd_read_all(0, JSON_MOST, "standard input", &text, e);
	else
		r = file_read(AT_FDCWD, what, JSON_MOST, &text, e);
	if (r < 0)
		return r;
	what = what ? what : "update";
	if (json_parse(cli->arena, str_text(&text), text.len, what, &tree, e) < 0 ||
	    spec_parse_resources(cli->arena, tree, what, &resources, e) < 0)
		return -e->code;
	rdt.l3_cache_schema = o.l3_cache_schema;
	rdt.mem_bw_schema = o.mem_bw_schema;
	return lifecycle_update(cli->arena, &cli->runtime, id, resources,
				o.l3_cache_schema || o.mem_bw_schema ? &rdt : NULL, e);
}
