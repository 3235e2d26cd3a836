/* SPDX-License-Identifier: Apache-2.0 */
/* configure: agentrun registered as a runtime of Docker, Podman or containerd */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/configure.h"
#include "policy/policy.h"

struct options {
	const char *profile, *etc;
	bool dry_run, remove;
};

#define O(member) offsetof(struct options, member)
const struct cli_option cmd_configure_options[] = {
	{ 0, "profile", CLI_TEXT, O(profile), "NAME",
	  "profile of containers that name none (default agent; none: plain OCI)" },
	{ 0, "dry-run", CLI_FLAG, O(dry_run), NULL, "print the difference, change nothing" },
	{ 0, "remove", CLI_FLAG, O(remove), NULL, "take the registration away again" },
	{ 0, "etc", CLI_TEXT, O(etc), "DIR",
	  "the directory of configurations (default /etc, without root ~/.config)" },
	{ 0, NULL, 0, 0, NULL, NULL },
};

static const struct engine {
	const char *name;
	int (*plan)(struct arena *a, const struct registration *r, struct change *ret,
		    struct str *say, struct err *e);
	bool needs_link;	/* passes no arguments to a runtime */
} engines[] = {
	{ "docker", configure_docker, false },
	{ "podman", configure_podman, true },
	{ "containerd", configure_containerd, true },
};

static const struct engine *find_engine(const char *name)
{
	for (size_t i = 0; i < sizeof engines / sizeof *engines; i++)
		if (strcmp(engines[i].name, name) == 0)
			return &engines[i];
	return NULL;
}

static int own_path(struct arena *a, const char **ret, struct err *e)
{
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);

	if (n < 0)
		return err_set(e, errno, "readlink /proc/self/exe");
	path[n] = 0;
	if (access(path, X_OK) < 0)
		return err_set(e, errno, "%s", path);
	*ret = arena_strdup(a, path);
	return 0;
}

static int etc_directory(struct arena *a, const char *option, const char **ret, struct err *e)
{
	const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	char *real;

	if (option) {
		real = realpath(option, NULL);
		if (!real)
			return err_set(e, errno, "--etc %s", option);
		*ret = arena_strdup(a, real);
		free(real);
	} else if (geteuid() == 0) {
		*ret = "/etc";
	} else if (config && *config == '/') {
		*ret = arena_strdup(a, config);
	} else if (home && *home == '/') {
		*ret = arena_printf(a, "%s/.config", home);
	} else {
		return err_say(e, ENOENT, "HOME is not set");
	}
	return 0;
}

/* A name that no profile has would refuse every container later on. */
static int check_profile(struct cli *cli, const char *profile, struct err *e)
{
	const struct policy_options options = { profile, cli->runtime.host_policy,
						cli->runtime.rootless };
	struct policy *policy;

	if (strcmp(profile, "none") == 0)
		return 0;
	return policy_load(cli->arena, spec_default(cli->arena, cli->runtime.rootless), &options,
			   &policy, e);
}

/* ---- the link ---- */

static bool link_is_there(struct arena *a, const struct registration *r)
{
	char target[PATH_MAX];
	ssize_t n = readlink(r->link, target, sizeof target);

	return n > 0 && str_equal(arena_strndup(a, target, (size_t)n), r->program);
}

static int make_link(struct arena *a, const struct registration *r, struct err *e)
{
	const char *tmp = arena_printf(a, "%s.%d.tmp", r->link, getpid());

	if (make_parents(r->link, e) < 0)
		return -e->code;
	if (symlink(r->program, tmp) < 0)
		return err_set(e, errno, "symlink %s", tmp);
	if (rename(tmp, r->link) < 0) {
		err_set(e, errno, "rename %s to %s", tmp, r->link);
		unlink(tmp);
		return -e->code;
	}
	return 0;
}

int cmd_configure(struct cli *cli, int argc, char **argv, struct err *e)
{
	struct options o = { 0 };
	struct registration r = { 0 };
	owned_str text = STR_INIT, say = STR_INIT;
	const struct engine *engine;
	struct change c;
	char *backup = NULL;
	bool linked;
	int first;

	if (cli_parse(cli, cmd_configure_options, CLI_ANYWHERE, &o, argc, argv, &first, e) < 0)
		return err_in(e, "configure");
	engine = argc - first == 1 ? find_engine(argv[first]) : NULL;
	if (!engine)
		return err_say(e, EINVAL, "configure: expected docker, podman or containerd");
	r.profile = o.profile ? o.profile : cli->runtime.profile ? cli->runtime.profile : "agent";
	r.remove = o.remove;
	if (!o.remove && check_profile(cli, r.profile, e) < 0)
		return -e->code;
	if (own_path(cli->arena, &r.program, e) < 0 ||
	    etc_directory(cli->arena, o.etc, &r.etc, e) < 0)
		return -e->code;
	r.link = arena_printf(cli->arena, "%s/agentrun/runtimes/agentrun@%s", r.etc, r.profile);
	if (engine->plan(cli->arena, &r, &c, &say, e) < 0)
		return -e->code;

	linked = o.remove || !engine->needs_link || link_is_there(cli->arena, &r);
	if (linked && change_is_none(&c)) {
		str_printf(&text, "%s: nothing to do\n", c.path);
		return cli_print(&text, e);
	}
	if (!linked)
		str_printf(&text, "link %s -> %s\n", r.link, r.program);
	if (!change_is_none(&c))
		change_show(&c, &text);
	if (o.dry_run) {
		str_puts(&text, "Nothing was changed (--dry-run).\n");
		return cli_print(&text, e);
	}
	/* the link first: the file refers to it */
	if (!linked && make_link(cli->arena, &r, e) < 0)
		return -e->code;
	if (!change_is_none(&c) && change_make(cli->arena, &c, &backup, e) < 0)
		return -e->code;
	if (backup)
		str_printf(&text, "The file as it was: %s\n", backup);
	str_puts(&text, say.s);
	return cli_print(&text, e);
}
