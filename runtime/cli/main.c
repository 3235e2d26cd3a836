/* SPDX-License-Identifier: Apache-2.0 */
/* The command table; global options; the one place that prints errors and exits. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"

#include "base/log.h"
#include "base/str.h"
#include "cli/cli.h"

const struct command cli_commands[] = {
	{ "create", "ID", "create a container from a bundle", cmd_create, cmd_create_options, 0 },
	{ "start", "ID", "run the process of a created container", cmd_start, NULL, 0 },
	{ "run", "ID", "create and start a container, and wait for it", cmd_run, cmd_run_options, 0 },
	{ "exec", "ID [COMMAND [ARG...]]", "run one more process in a container", cmd_exec,
	  cmd_exec_options, 255 },
	{ "state", "ID", "print the state of a container", cmd_state, NULL, 0 },
	{ "kill", "ID [SIGNAL]", "send a signal (default TERM)", cmd_kill, cmd_kill_options, 0 },
	{ "delete", "ID", "delete a container", cmd_delete, cmd_delete_options, 0 },
	{ "list", "", "list the containers", cmd_list, cmd_list_options, 0 },
	{ "ps", "ID [PS-OPTION...]", "list the processes of a container", cmd_ps, cmd_ps_options, 0 },
	{ "pause", "ID", "freeze all processes of a container", cmd_pause, NULL, 0 },
	{ "resume", "ID", "thaw them", cmd_resume, NULL, 0 },
	{ "checkpoint", "ID", "refused: needs CRIU, which this runtime does not use",
	  cmd_checkpoint, NULL, 0 },
	{ "restore", "ID", "refused: needs CRIU, which this runtime does not use", cmd_checkpoint,
	  NULL, 0 },
	{ "events", "ID", "print statistics", cmd_events, cmd_events_options, 0 },
	{ "update", "ID", "change the limits of a container", cmd_update, cmd_update_options, 0 },
	{ "spec", "", "write a config.json to start from", cmd_spec, cmd_spec_options, 0 },
	{ "policy", "explain [--bundle DIR] [--json] | check FILE | schema",
	  "show what a policy does, or check its file", cmd_policy, NULL, 0 },
	{ "audit", "list | show [NAME] | verify [--anchor HASH] | anchor [-- COMMAND [ARG...]] | "
	  "rotate [--keep N] | keygen | provenance NAME",
	  "read, check, witness and rotate the audit log, and sign what a session made",
	  cmd_audit, cmd_audit_options, 0 },
	{ "workspace", "list | diff [NAME [PATH...]] | apply [NAME [PATH...]] | discard NAME | prune --older-than DURATION",
	  "review and apply what containers wrote aside", cmd_workspace, cmd_workspace_options, 0 },
	{ "features", "", "print what this runtime supports", cmd_features, NULL, 0 },
	{ "configure", "docker|podman|containerd", "register agentrun with an engine", cmd_configure,
	  cmd_configure_options, 0 },
	{ NULL, NULL, NULL, NULL, NULL, 0 },
};

struct globals {
	const char *root, *log, *log_format, *profile, *host_policy, *rootless, *criu;
	bool debug, systemd_cgroup, help, version;
};

#define G(member) offsetof(struct globals, member)
const struct cli_option cli_global_options[] = {
	{ 0, "root", CLI_TEXT, G(root), "DIR", "where state is kept (default /run/agentrun)" },
	{ 0, "log", CLI_TEXT, G(log), "FILE", "append errors and warnings to FILE, too" },
	{ 0, "log-format", CLI_TEXT, G(log_format), "FORMAT", "text (default) or json" },
	{ 0, "debug", CLI_FLAG, G(debug), NULL, "log each step" },
	{ 0, "systemd-cgroup", CLI_FLAG, G(systemd_cgroup), NULL, "have systemd make the cgroups" },
	{ 0, "criu", CLI_TEXT, G(criu), "FILE", "ignored: checkpoint is refused" },
	{ 0, "rootless", CLI_TEXT, G(rootless), "BOOL", "true, false or auto (default)" },
	{ 0, "profile", CLI_TEXT, G(profile), "NAME",
	  "policy profile of containers that name none (none: plain OCI)" },
	{ 0, "host-policy", CLI_TEXT, G(host_policy), "FILE",
	  "the administrator's policy (default /etc/agentrun/policy.json)" },
	{ 'h', "help", CLI_FLAG, G(help), NULL, "print this help, or that of a command" },
	{ 'v', "version", CLI_FLAG, G(version), NULL, "print the version" },
	{ 0, NULL, 0, 0, NULL, NULL },
};

const struct command *cli_command(const char *name)
{
	for (const struct command *c = cli_commands; c->name; c++)
		if (strcmp(c->name, name) == 0)
			return c;
	return NULL;
}

static void put_options(struct str *text, const struct cli_option *o)
{
	for (; o && o->name; o++) {
		owned_str left = STR_INIT;

		if (o->letter)
			str_printf(&left, "-%c, ", o->letter);
		str_printf(&left, "--%s", o->name);
		if (o->value)
			str_printf(&left, " %s", o->value);
		str_printf(text, "  %-32s %s\n", left.s, o->help);
	}
}

static int print_help(const struct command *c, struct err *e)
{
	owned_str text = STR_INIT;

	if (c) {
		str_printf(&text, "Usage: agentrun [OPTION...] %s%s%s%s\n\n%s\n", c->name,
			   c->options ? " [OPTION...]" : "", *c->operands ? " " : "", c->operands,
			   c->help);
		if (c->options)
			str_puts(&text, "\nOptions:\n");
		put_options(&text, c->options);
		return cli_print(&text, e);
	}
	str_puts(&text, "Usage: agentrun [OPTION...] COMMAND [OPTION...] [OPERAND...]\n\n"
			"An OCI container runtime that confines autonomous coding agents.\n\n"
			"Commands:\n");
	for (c = cli_commands; c->name; c++)
		str_printf(&text, "  %-12s %s\n", c->name, c->help);
	str_puts(&text, "\nOptions:\n");
	put_options(&text, cli_global_options);
	return cli_print(&text, e);
}

static int print_version(struct err *e)
{
	owned_str text = STR_INIT;

	str_puts(&text, "agentrun version " PACKAGE_VERSION "\nspec: " SPEC_OCI_VERSION "\n");
	return cli_print(&text, e);
}

/* In a user namespace of somebody else's, root is not the host's root. */
static bool inside_user_namespace(void)
{
	struct stat st;
	unsigned long first, host, count;
	FILE *f = fopen("/proc/self/uid_map", "re");
	bool inside = false;

	if (f) {
		if (fscanf(f, "%lu %lu %lu", &first, &host, &count) == 3)
			inside = first != 0 || host != 0 || count != 4294967295UL;
		fclose(f);
	}
	return inside && stat("/proc/self/ns/user", &st) == 0;
}

static int take_globals(const struct globals *g, struct cli *cli, struct err *e)
{
	enum log_format format = LOG_TEXT;

	if (g->log_format && strcmp(g->log_format, "json") == 0)
		format = LOG_JSON;
	else if (g->log_format && strcmp(g->log_format, "text") != 0)
		return err_say(e, EINVAL, "--log-format %s: expected text or json", g->log_format);
	if (log_open(g->log, format, g->debug, e) < 0)
		return -e->code;
	cli->runtime = (struct runtime){ .root = g->root, .systemd_cgroup = g->systemd_cgroup,
					 .profile = g->profile, .host_policy = g->host_policy };
	if (!g->rootless || strcmp(g->rootless, "auto") == 0)
		cli->runtime.rootless = geteuid() != 0 || inside_user_namespace();
	else if (strcmp(g->rootless, "true") == 0 || strcmp(g->rootless, "false") == 0)
		cli->runtime.rootless = g->rootless[0] == 't';
	else
		return err_say(e, EINVAL, "--rootless %s: expected true, false or auto", g->rootless);
	return 0;
}

/* "agentrun@NAME", as a link to the program is called, stands for --profile NAME: Podman and
 * containerd pass no arguments to a runtime. */
static const char *profile_of_name(const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

	return str_has_prefix(name, "agentrun@") ? name + strlen("agentrun@") : NULL;
}

/* Also of commands that take no options.  One that is not there has no help: Podman takes that for it. */
static bool asks_for_help(const struct command *c, int argc, char **argv)
{
	return c->run != cmd_checkpoint && argc == 2 &&
	       (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0);
}

static int run(struct cli *cli, int argc, char **argv, int *ret_error_exit, struct err *e)
{
	struct globals g = { 0 };
	const struct command *c;
	int first, r;

	if (cli_parse(cli, cli_global_options, CLI_UNTIL_OPERAND, &g, argc, argv, &first, e) < 0)
		return -e->code;
	if (!g.profile)
		g.profile = profile_of_name(argv[0]);
	if (take_globals(&g, cli, e) < 0)
		return -e->code;
	if (g.version)
		return print_version(e);
	if (first >= argc && !g.help)
		return err_say(e, EINVAL, "no command (agentrun --help lists them)");
	if (first < argc && strcmp(argv[first], "help") == 0) {
		g.help = true;
		first++;
	}
	if (first >= argc)
		return print_help(NULL, e);
	c = cli_command(argv[first]);
	if (!c)
		return err_say(e, EINVAL, "unknown command %s (agentrun --help lists them)", argv[first]);
	if (g.help)
		return print_help(c, e);
	if (asks_for_help(c, argc - first, argv + first))
		return print_help(c, e);
	r = c->run(cli, argc - first, argv + first, e);
	if (c->error_exit && !cli->parsing)
		*ret_error_exit = c->error_exit;
	return cli->help ? print_help(c, e) : r;
}

/* What a caller may do to its child that would turn against us. */
static void settle_inheritance(void)
{
	/* Ignored, it would have the kernel reap whom we wait for. */
	signal(SIGCHLD, SIG_DFL);
	/* Else what is opened next becomes somebody's standard stream. */
	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			_exit(1);
}

int main(int argc, char **argv)
{
	owned_arena arena = ARENA_INIT;
	struct cli cli = { .arena = &arena };
	struct err e = { 0 };
	int error_exit = 1, r;

	settle_inheritance();
	umask(0022);	/* what is created here has its mode given */
	r = run(&cli, argc, argv, &error_exit, &e);
	if (r < 0) {
		log_error(e.text);
		return error_exit;
	}
	return r;
}
