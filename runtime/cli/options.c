/* SPDX-License-Identifier: Apache-2.0 */
/* The option tables' parser, on top of getopt_long. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "cli/cli.h"

enum { LONG_BASE = 256, OPTIONS_MOST = 40 };

static int store(struct arena *a, const struct cli_option *o, void *values, const char *text,
		 struct err *e)
{
	void *member = (char *)values + o->offset;
	unsigned long n;
	char *end;

	switch (o->kind) {
	case CLI_FLAG:
		if (text && strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
			return err_say(e, EINVAL, "--%s=%s: expected true or false", o->name, text);
		*(bool *)member = !text || *text == 't';
		break;
	case CLI_TEXT:
		*(const char **)member = text;
		break;
	case CLI_LIST:
		strv_add(a, member, text);
		break;
	case CLI_UNSIGNED:
		errno = 0;
		n = strtoul(text, &end, 10);
		if (*text < '0' || *text > '9' || *end || errno || n > 1U << 20)
			return err_say(e, EINVAL, "--%s %s: expected a number", o->name, text);
		*(unsigned *)member = (unsigned)n;
		break;
	}
	return 0;
}

int cli_parse(struct cli *cli, const struct cli_option *options, enum cli_order order, void *values,
	      int argc, char **argv, int *ret_operands, struct err *e)
{
	enum { HELP = 'h' };
	struct option table[OPTIONS_MOST + 2] = { 0 };
	char letters[2 * OPTIONS_MOST + 4], *p = letters;
	int n = 0, c;

	cli->parsing = true;
	*p++ = order == CLI_UNTIL_OPERAND ? '+' : '-';
	if (*letters == '-')
		p--;	/* the default: operands move to the end */
	*p++ = ':';
	for (; options && options[n].name; n++) {
		bool has_value = options[n].kind != CLI_FLAG;

		if (n == OPTIONS_MOST)
			abort();
		/* --flag=false as well, which runc's callers may write */
		table[n] = (struct option){ options[n].name,
					    has_value ? required_argument : optional_argument,
					    NULL, LONG_BASE + n };
		if (options[n].letter) {
			*p++ = options[n].letter;
			if (has_value)
				*p++ = ':';
		}
	}
	if (options != cli_global_options) {
		table[n] = (struct option){ "help", no_argument, NULL, HELP };
		*p++ = HELP;
	}
	*p = 0;
	optind = 0;	/* also resets getopt's own state */
	opterr = 0;
	while ((c = getopt_long(argc, argv, letters, table, NULL)) != -1) {
		int i = c - LONG_BASE;

		if (c == '?' || c == ':') {
			const char *name = optind > 1 ? argv[optind - 1] : argv[optind];

			if (optopt && optopt < LONG_BASE)
				return err_say(e, EINVAL, "option -%c %s", optopt,
					       c == ':' ? "needs a value" : "is unknown");
			return err_say(e, EINVAL, "option %s %s", name,
				       c == ':' ? "needs a value" : "is unknown");
		}
		for (int k = 0; c < LONG_BASE && k < n; k++)
			if (options[k].letter == c)
				i = k;
		if (i < 0) {
			cli->help = true;
			return err_say(e, ECANCELED, "help is asked for");
		}
		if (store(cli->arena, &options[i], values, optarg, e) < 0)
			return -e->code;
	}
	*ret_operands = optind;
	cli->parsing = false;
	return 0;
}

int cli_parse_id(struct cli *cli, const char *command, void *values, int argc, char **argv,
		 const char **ret_id, struct err *e)
{
	int first;

	if (cli_parse(cli, cli_command(command)->options, CLI_ANYWHERE, values, argc, argv,
		      &first, e) < 0)
		return err_in(e, "%s", command);
	if (argc - first != 1)
		return err_say(e, EINVAL, "%s: expected one container id, found %d operands", command,
			       argc - first);
	*ret_id = argv[first];
	return state_check_id(argv[first], e);
}

int cli_check_preserved(unsigned n, struct err *e)
{
	for (unsigned fd = 3; fd < 3 + n; fd++)
		if (fcntl((int)fd, F_GETFD) != 0)
			return err_say(e, EBADF, "--preserve-fds %u: descriptor %u is not open", n,
				       fd);
	return 0;
}

int cli_print(const struct str *text, struct err *e)
{
	return fd_write_all(1, str_text(text), text->len, "standard output", e);
}
