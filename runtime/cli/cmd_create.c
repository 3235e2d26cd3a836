/* SPDX-License-Identifier: Apache-2.0 */
/* create, start, run */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "cli/cli.h"
#include "lifecycle/activation.h"
#include "lifecycle/foreground.h"
#include "lifecycle/manage.h"
#include "lifecycle/start.h"

struct options {
	const char *bundle, *pid_file, *console_socket, *pidfd_socket;
	bool no_pivot, no_new_keyring, detach, keep, no_subreaper;
	unsigned preserve_fds;
};

#define O(member) offsetof(struct options, member)
#define CREATE_OPTIONS \
	{ 'b', "bundle", CLI_TEXT, O(bundle), "DIR", "the bundle (default: the working directory)" }, \
	{ 0, "pid-file", CLI_TEXT, O(pid_file), "FILE", "write the pid of the first process there" }, \
	{ 0, "console-socket", CLI_TEXT, O(console_socket), "SOCKET", \
	  "send the terminal's master to this AF_UNIX socket" }, \
	{ 0, "pidfd-socket", CLI_TEXT, O(pidfd_socket), "SOCKET", \
	  "send a pidfd of the first process to this AF_UNIX socket" }, \
	{ 0, "no-pivot", CLI_FLAG, O(no_pivot), NULL, \
	  "do not use pivot_root (for a root on an initramfs)" }, \
	{ 0, "no-new-keyring", CLI_FLAG, O(no_new_keyring), NULL, \
	  "keep the caller's session keyring" }, \
	{ 0, "preserve-fds", CLI_UNSIGNED, O(preserve_fds), "N", \
	  "pass N descriptors above 2 to the container" }

const struct cli_option cmd_create_options[] = {
	CREATE_OPTIONS,
	{ 0, NULL, 0, 0, NULL, NULL },
};

const struct cli_option cmd_run_options[] = {
	CREATE_OPTIONS,
	{ 'd', "detach", CLI_FLAG, O(detach), NULL, "do not wait for the container" },
	{ 0, "keep", CLI_FLAG, O(keep), NULL, "do not delete the container at its end" },
	{ 0, "no-subreaper", CLI_FLAG, O(no_subreaper), NULL, "leave orphans of a shared PID namespace to others" },
	{ 0, NULL, 0, 0, NULL, NULL },
};

/* The bundle becomes the working directory: what the caller named relative to its own must not follow. */
static const char *absolute(struct arena *a, const char *path)
{
	char *here;

	if (!path || *path == '/')
		return path;
	here = getcwd(NULL, 0);
	if (!here)
		return path;
	path = arena_printf(a, "%s/%s", here, path);
	free(here);
	return path;
}

static int create_options(struct cli *cli, const struct options *o, const char *id, bool start,
			  bool foreground, struct create_options *ret, struct err *e)
{
	unsigned sockets;

	if (activation_sockets(&sockets, e) < 0 ||
	    cli_check_preserved(sockets + o->preserve_fds, e) < 0)
		return -e->code;
	cli->runtime.root = absolute(cli->arena, cli->runtime.root);
	cli->runtime.host_policy = absolute(cli->arena, cli->runtime.host_policy);
	*ret = (struct create_options){
		.id = id,
		.bundle = o->bundle ? o->bundle : ".",
		.pid_file = absolute(cli->arena, o->pid_file),
		.console_socket = absolute(cli->arena, o->console_socket),
		.pidfd_socket = absolute(cli->arena, o->pidfd_socket),
		.no_pivot = o->no_pivot,
		.no_new_keyring = o->no_new_keyring,
		.preserve_fds = sockets + o->preserve_fds,
		.listen_fds = sockets,
		.start = start,
		.foreground = foreground,
	};
	return 0;
}

int cmd_create(struct cli *cli, int argc, char **argv, struct err *e)
{
	struct options o = { 0 };
	struct create_options create;
	owned_created created = CREATED_INIT;
	const char *id;
	int r = cli_parse_id(cli, "create", &o, argc, argv, &id, e);

	if (r < 0 || (r = create_options(cli, &o, id, false, false, &create, e)) < 0)
		return r;
	return lifecycle_create(cli->arena, &cli->runtime, &create, &created, e);
}

int cmd_start(struct cli *cli, int argc, char **argv, struct err *e)
{
	const char *id;
	int r = cli_parse_id(cli, "start", NULL, argc, argv, &id, e);

	return r < 0 ? r : lifecycle_start(cli->arena, &cli->runtime, id, e);
}

int cmd_run(struct cli *cli, int argc, char **argv, struct err *e)
{
	struct options o = { 0 };
	struct create_options create;
	owned_created created = CREATED_INIT;
	struct own_container own;
	struct err second;
	const char *id;
	int r = cli_parse_id(cli, "run", &o, argc, argv, &id, e), status = -1;

	if (r < 0 || (r = create_options(cli, &o, id, true, !o.detach, &create, e)) < 0)
		return r;
	/* So that what the container leaves behind is ours to reap. */
	if (!o.detach && !o.no_subreaper && prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		return err_set(e, errno, "prctl PR_SET_CHILD_SUBREAPER");
	if (!o.detach)
		foreground_prepare();
	r = lifecycle_create(cli->arena, &cli->runtime, &create, &created, e);
	if (r < 0)
		return r;
	r = lifecycle_start_created(cli->arena, &cli->runtime, &created, !o.detach, e);
	if (r == 0)
		r = pid_file_publish(&created.pid_file, e);
	if (r == 0 && !o.detach)
		r = foreground_wait(&created, &status, e);
	created_close(&created);
	if (r == 0 && (o.detach || o.keep))
		return o.detach ? 0 : foreground_exit_code(status);
	own = (struct own_container){ created.pid, status };
	if (lifecycle_delete(cli->arena, &cli->runtime, id, true, &own, r < 0 ? &second : e) < 0) {
		if (r == 0)
			return -e->code;
		log_warn("%s", second.text);
	}
	return r < 0 ? r : foreground_exit_code(status);
}
