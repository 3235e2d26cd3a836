/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli: the command line: one table of commands, one table of options for each;
 * parsing, --help and the manual's list derive from them.
 *
 * A command returns its exit code (0 or more) or a negative errno with e set;
 * only main.c prints errors and exits.  Must not know how a container is made.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "lifecycle/create.h"

struct cli {
	struct arena *arena;
	struct runtime runtime;	/* the global options */
	bool parsing;		/* the options: an error of theirs is exit code 1 of any command */
	bool help;		/* --help stands among the command's options: nothing else is done */
};

enum cli_kind {
	CLI_FLAG,	/* bool */
	CLI_TEXT,	/* const char * */
	CLI_UNSIGNED,	/* unsigned */
	CLI_LIST,	/* struct strv: may be given more than once */
};

struct cli_option {
	char letter;		/* 0: none */
	const char *name;
	enum cli_kind kind;
	size_t offset;		/* of the member in the command's options */
	const char *value;	/* its name in the help; NULL for flags */
	const char *help;
};

struct command {
	const char *name;
	const char *operands;	/* "ID", "ID [SIGNAL]" */
	const char *help;
	int (*run)(struct cli *cli, int argc, char **argv, struct err *e);
	const struct cli_option *options;	/* ends with a NULL name; NULL: none */
	int error_exit;		/* exit code of a failure; 0 means 1 */
};
extern const struct command cli_commands[];	/* ends with a NULL name */
extern const struct cli_option cli_global_options[];
const struct command *cli_command(const char *name);

enum cli_order {
	CLI_ANYWHERE,		/* options may stand behind operands */
	CLI_UNTIL_OPERAND,	/* the rest belongs to somebody else (exec ID CMD --flag) */
};
/* argv[0] is the command's name.  Fills `values`; *ret_operands is the first operand's index in argv (options were
 * moved before it).  An unknown option is an error that names it; --help is one, too, and sets cli->help. */
int cli_parse(struct cli *cli, const struct cli_option *options, enum cli_order order, void *values,
	      int argc, char **argv, int *ret_operands, struct err *e);
/* Parses a command's options and exactly one operand, the container id. */
int cli_parse_id(struct cli *cli, const char *command, void *values, int argc, char **argv,
		 const char **ret_id, struct err *e);
/* --preserve-fds: the caller must have given all of them.  Descriptors of ours, which are close-on-exec,
 * would take the places of those that are missing. */
int cli_check_preserved(unsigned n, struct err *e);
/* Writes all of it to standard output. */
int cli_print(const struct str *text, struct err *e);

/* The commands, by file. */
int cmd_create(struct cli *cli, int argc, char **argv, struct err *e);	/* cmd_create.c */
int cmd_start(struct cli *cli, int argc, char **argv, struct err *e);
int cmd_run(struct cli *cli, int argc, char **argv, struct err *e);
int cmd_exec(struct cli *cli, int argc, char **argv, struct err *e);	/* cmd_exec.c */
int cmd_kill(struct cli *cli, int argc, char **argv, struct err *e);	/* cmd_manage.c */
int cmd_delete(struct cli *cli, int argc, char **argv, struct err *e);
int cmd_pause(struct cli *cli, int argc, char **argv, struct err *e);
int cmd_resume(struct cli *cli, int argc, char **argv, struct err *e);
int cmd_checkpoint(struct cli *cli, int argc, char **argv, struct err *e);	/* and restore */
int cmd_update(struct cli *cli, int argc, char **argv, struct err *e);
int cmd_state(struct cli *cli, int argc, char **argv, struct err *e);	/* cmd_query.c */
int cmd_list(struct cli *cli, int argc, char **argv, struct err *e);
int cmd_ps(struct cli *cli, int argc, char **argv, struct err *e);
int cmd_events(struct cli *cli, int argc, char **argv, struct err *e);
int cmd_spec(struct cli *cli, int argc, char **argv, struct err *e);	/* cmd_spec.c */
int cmd_features(struct cli *cli, int argc, char **argv, struct err *e);	/* cmd_features.c */
int cmd_policy(struct cli *cli, int argc, char **argv, struct err *e);	/* cmd_policy.c */
int cmd_audit(struct cli *cli, int argc, char **argv, struct err *e);	/* cmd_audit.c */
int cmd_workspace(struct cli *cli, int argc, char **argv, struct err *e);	/* cmd_workspace.c */
int cmd_configure(struct cli *cli, int argc, char **argv, struct err *e);	/* cmd_configure.c */

extern const struct cli_option cmd_audit_options[], cmd_create_options[], cmd_run_options[],
	cmd_exec_options[], cmd_kill_options[], cmd_delete_options[], cmd_update_options[], cmd_list_options[],
	cmd_ps_options[], cmd_events_options[], cmd_spec_options[], cmd_configure_options[],
	cmd_workspace_options[];
