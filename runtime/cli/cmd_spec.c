/* SPDX-License-Identifier: Apache-2.0 */
/* spec */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/cli.h"

struct options {
	const char *bundle;
	bool rootless;
};

const struct cli_option cmd_spec_options[] = {
	{ 'b', "bundle", CLI_TEXT, offsetof(struct options, bundle), "DIR",
	  "write it there (default: the working directory)" },
	{ 0, "rootless", CLI_FLAG, offsetof(struct options, rootless), NULL,
	  "for a user without root" },
	{ 0, NULL, 0, 0, NULL, NULL },
};

/* As crun and runc do where a container may have a cgroup of its own to look at. */
static struct spec *for_this_host(struct arena *a, bool rootless)
{
	struct spec *s = spec_default(a, rootless);
	size_t n = s->linux_->namespaces.n;
	struct spec_namespace *all;

	if (access("/sys/fs/cgroup/cgroup.controllers", F_OK) < 0)
		return s;
	all = arena_array(a, struct spec_namespace, n + 1);
	memcpy(all, s->linux_->namespaces.v, n * sizeof *all);
	all[n].type = arena_strdup(a, "cgroup");
	s->linux_->namespaces.v = all;
	s->linux_->namespaces.n = n + 1;
	return s;
}

int cmd_spec(struct cli *cli, int argc, char **argv, struct err *e)
{
	struct options o = { .bundle = "." };
	struct json_writer *w = json_writer_new(true);
	owned_str text = STR_INIT;
	owned_fd dir = -1, fd = -1;
	int first;

	if (cli_parse(cli, cmd_spec_options, CLI_ANYWHERE, &o, argc, argv, &first, e) < 0)
		return err_in(e, "spec");
	if (first < argc)
		return err_say(e, EINVAL, "spec: takes no operand");
	spec_write(for_this_host(cli->arena, o.rootless), w);
	json_writer_end(w, &text);
	dir = open(o.bundle, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_set(e, errno, "--bundle %s", o.bundle);
	/* Never over one that somebody edited. */
	fd = openat(dir, "config.json", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd < 0)
		return err_set(e, errno, "%s/config.json", o.bundle);
	return fd_write_all(fd, text.s, text.len, "config.json", e);
}
