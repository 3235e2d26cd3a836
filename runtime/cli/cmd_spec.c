/* SPDX-License-Identifier: Apache-2.0 */
/* spec */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
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

int cmd_spec(struct cli *cli, int argc, char **argv, struct err *e)
{
	struct options o = { .bundle = "." };
	struct json_writer *w = json_writer_new(true);
	owned_str text = STR_INIT;
	owned_fd dir = -1, fd = -1;
	int first;

	if (cli_parse(cli->arena, cmd_spec_options, CLI_ANYWHERE, &o, argc, argv, &first, e) < 0)
		return err_in(e, "spec");
	if (first < argc)
		return err_say(e, EINVAL, "spec: takes no operand");
	spec_write(spec_default(cli->arena, o.rootless), w);
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
