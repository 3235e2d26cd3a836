/* SPDX-License-Identifier: Apache-2.0 */
/* exec */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/cli.h"
#include "lifecycle/exec.h"
#include "lifecycle/foreground.h"
#include "sandbox/caps.h"

struct options {
	const char *process, *pid_file, *console_socket, *pidfd_socket, *cwd, *user, *apparmor, *label;
	struct strv env, caps, additional_gids, cgroups;
	bool tty, detach, no_new_privs, ignore_paused;
	unsigned preserve_fds;
};

#define O(member) offsetof(struct options, member)
const struct cli_option cmd_exec_options[] = {
	{ 'p', "process", CLI_TEXT, O(process), "FILE", "the OCI process as JSON, instead of flags" },
	{ 't', "tty", CLI_FLAG, O(tty), NULL, "give the process a terminal" },
	{ 'd', "detach", CLI_FLAG, O(detach), NULL, "do not wait for the process" },
	{ 0, "pid-file", CLI_TEXT, O(pid_file), "FILE", "write its pid there" },
	{ 0, "console-socket", CLI_TEXT, O(console_socket), "SOCKET",
	  "send the terminal's master to this AF_UNIX socket" },
	{ 0, "pidfd-socket", CLI_TEXT, O(pidfd_socket), "SOCKET",
	  "send a pidfd of the process to this AF_UNIX socket" },
	{ 0, "cwd", CLI_TEXT, O(cwd), "DIR", "its working directory" },
	{ 'e', "env", CLI_LIST, O(env), "NAME=VALUE", "set a variable (repeatable)" },
	{ 'u', "user", CLI_TEXT, O(user), "UID[:GID]", "run as this user" },
	{ 'g', "additional-gids", CLI_LIST, O(additional_gids), "GID", "one more group (repeatable)" },
	{ 'c', "cap", CLI_LIST, O(caps), "CAP", "one more capability (repeatable)" },
	{ 0, "no-new-privs", CLI_FLAG, O(no_new_privs), NULL, "set no_new_privs" },
	{ 0, "apparmor", CLI_TEXT, O(apparmor), "PROFILE", "its AppArmor profile" },
	{ 0, "process-label", CLI_TEXT, O(label), "LABEL", "its SELinux label" },
	{ 0, "cgroup", CLI_LIST, O(cgroups), "[CONTROLLER,...:]PATH",
	  "run in this cgroup below the container's, on version 1 for these controllers (repeatable)" },
	{ 0, "ignore-paused", CLI_FLAG, O(ignore_paused), NULL,
	  "also in a paused container; runs once that is resumed" },
	{ 0, "preserve-fds", CLI_UNSIGNED, O(preserve_fds), "N", "pass N descriptors above 2" },
	{ 0, NULL, 0, 0, NULL, NULL },
};

/* Decimal, 0 to 2^32 - 2: -1 means "unchanged" to the kernel's setuid calls (CVE-2026-30892). */
static int parse_id(const char *text, size_t n, int64_t *ret, const char *flag, struct err *e)
{
	uint64_t v = 0;

	if (n == 0 || n > 10 || strspn(text, "0123456789") < n)
		return err_say(e, EINVAL, "--%s %s: expected a number", flag, text);
	for (size_t i = 0; i < n; i++)
		v = v * 10 + (uint64_t)(text[i] - '0');
	if (v >= UINT32_MAX)
		return err_say(e, ERANGE, "--%s %s: out of range", flag, text);
	*ret = (int64_t)v;
	return 0;
}

static int set_user(const char *text, struct spec_user *user, struct err *e)
{
	const char *colon = strchr(text, ':');
	size_t n = colon ? (size_t)(colon - text) : strlen(text);

	if (parse_id(text, n, &user->uid, "user", e) < 0)
		return -e->code;
	return colon ? parse_id(colon + 1, strlen(colon + 1), &user->gid, "user", e) : 0;
}

static void add_capabilities(struct arena *a, const struct strv *names, struct spec_process *p)
{
	struct spec_capabilities *c = arena_new(a, struct spec_capabilities);

	if (!names->n)
		return;
	if (p->capabilities) {
		*c = *p->capabilities;
		c->bounding = strv_copy(a, &c->bounding);
		c->effective = strv_copy(a, &c->effective);
		c->permitted = strv_copy(a, &c->permitted);
	}
	p->capabilities = c;
	for (size_t i = 0; i < names->n; i++) {
		const char *known = caps_name(caps_number(names->v[i]));
		const char *name = known ? known : names->v[i];

		strv_add(a, &c->bounding, name);
		strv_add(a, &c->effective, name);
		strv_add(a, &c->permitted, name);
	}
}

/* What the command line says. */
struct said {
	const struct options *o;
	char **command;
};

static int from_flags(struct arena *a, const void *arg, struct spec_process *p, struct err *e)
{
	const struct said *said = arg;
	const struct options *o = said->o;
	int64_t *gids;

	p->args = (struct strv){ 0 };
	p->env = strv_copy(a, &p->env);
	for (char **word = said->command; *word; word++)
		strv_add(a, &p->args, *word);
	p->terminal = o->tty;
	p->console_size = NULL;
	p->no_new_privileges |= o->no_new_privs;
	if (o->cwd && *o->cwd != '/')
		return err_say(e, EINVAL, "--cwd %s: must be absolute", o->cwd);
	if (o->cwd)
		p->cwd = arena_strdup(a, o->cwd);
	if (o->apparmor)
		p->apparmor_profile = arena_strdup(a, o->apparmor);
	if (o->label)
		p->selinux_label = arena_strdup(a, o->label);
	if (o->user && set_user(o->user, &p->user, e) < 0)
		return -e->code;
	for (size_t i = 0; i < o->env.n; i++) {
		if (!strchr(o->env.v[i], '=') || o->env.v[i][0] == '=')
			return err_say(e, EINVAL, "--env %s: expected NAME=VALUE", o->env.v[i]);
		strv_add(a, &p->env, o->env.v[i]);
	}
	spec_settle_env(&p->env);
	if (o->additional_gids.n) {
		size_t n = p->user.additional_gids.n;

		gids = arena_array(a, int64_t, n + o->additional_gids.n);
		for (size_t i = 0; i < n; i++)
			gids[i] = p->user.additional_gids.v[i];
		for (size_t i = 0; i < o->additional_gids.n; i++)
			if (parse_id(o->additional_gids.v[i], strlen(o->additional_gids.v[i]),
				     &gids[n + i], "additional-gids", e) < 0)
				return -e->code;
		p->user.additional_gids.v = gids;
		p->user.additional_gids.n += o->additional_gids.n;
	}
	add_capabilities(a, &o->caps, p);
	return 0;
}

/* What the file says, the flags must not say as well: one of both would be ignored. */
static int from_file(struct arena *a, const struct options *o, char **command,
		     struct spec_process **ret, struct err *e)
{
	const struct { const char *name; bool given; } others[] = {
		{ "--cwd", o->cwd }, { "--env", o->env.n }, { "--user", o->user },
		{ "--additional-gids", o->additional_gids.n }, { "--cap", o->caps.n },
		{ "--no-new-privs", o->no_new_privs }, { "--apparmor", o->apparmor },
		{ "--process-label", o->label }, { "a command", *command },
	};
	const struct json *tree;
	const char *path = o->process;

	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		if (others[i].given)
			return err_say(e, EINVAL, "exec: --process and %s exclude each other",
				       others[i].name);
	if (json_read_file(a, AT_FDCWD, path, &tree, e) < 0 ||
	    spec_parse_process(a, tree, path, ret, e) < 0)
		return -e->code;
	(*ret)->terminal |= o->tty;
	return 0;
}

int cmd_exec(struct cli *cli, int argc, char **argv, struct err *e)
{
	struct options o = { 0 };
	struct exec_options exec = { 0 };
	owned_created created = CREATED_INIT;
	int first, r, status;

	r = cli_parse(cli, cmd_exec_options, CLI_UNTIL_OPERAND, &o, argc, argv, &first, e);
	if (r < 0)
		return err_in(e, "exec");
	if (first >= argc || (!o.process && first + 1 >= argc))
		return err_say(e, EINVAL, "exec: expected a container id and a command");
	if (cli_check_preserved(o.preserve_fds, e) < 0)
		return -e->code;
	if (o.process && from_file(cli->arena, &o, argv + first + 1, &exec.process, e) < 0)
		return -e->code;
	exec.choose = from_flags;
	exec.arg = &(struct said){ &o, argv + first + 1 };
	exec.id = argv[first];
	exec.pid_file = o.pid_file;
	exec.console_socket = o.console_socket;
	exec.pidfd_socket = o.pidfd_socket;
	exec.cgroups = o.cgroups;
	exec.preserve_fds = o.preserve_fds;
	exec.foreground = !o.detach;
	exec.ignore_paused = o.ignore_paused;
	if (!o.detach) {
		if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
			return err_set(e, errno, "prctl PR_SET_CHILD_SUBREAPER");
		foreground_prepare();
	}
	r = lifecycle_exec(cli->arena, &cli->runtime, &exec, &created, e);
	if (r < 0)
		return r;
	if (!o.detach) {
		r = foreground_wait(&created, &status, e);
		if (r == 0)
			r = foreground_exit_code(status);
	}
	return r;
}
