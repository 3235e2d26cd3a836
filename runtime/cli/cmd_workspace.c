/* SPDX-License-Identifier: Apache-2.0 */
/* workspace: what containers wrote, for a person to take or leave. */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/workspace.h"
#include "review/diff.h"
#include "sandbox/idmap.h"

#define O(member) offsetof(struct workspace_options, member)
const struct cli_option cmd_workspace_options[] = {
	{ 0, "json", CLI_FLAG, O(json), NULL, "list, diff: print JSON" },
	{ 0, "stat", CLI_FLAG, O(stat), NULL, "diff: how many lines of each file, for the patch" },
	{ 0, "name-only", CLI_FLAG, O(name_only), NULL, "diff: only the paths" },
	{ 'z', "null", CLI_FLAG, O(nul), NULL, "diff: the paths as they are, each with a final NUL" },
	{ 'i', "interactive", CLI_FLAG, O(interactive), NULL, "apply: ask for each change" },
	{ 0, "allow-exec", CLI_FLAG, O(allow_exec), NULL,
	  "apply: also what may run code on this host" },
	{ 0, "skip", CLI_FLAG, O(skip), NULL, "apply: leave out what is refused, or in conflict" },
	{ 0, "overwrite", CLI_FLAG, O(overwrite), NULL,
	  "apply: the container's also where the host's was changed meanwhile" },
	{ 0, "reviewed", CLI_TEXT, O(reviewed), "DIGEST",
	  "apply: only if the changes are those with this digest, which diff prints" },
	{ 0, "discard", CLI_FLAG, O(discard), NULL, "apply: if all was applied, discard the session" },
	{ 0, "older-than", CLI_TEXT, O(older_than), "DURATION",
	  "prune: discard what is older than DURATION (30d, 12h)" },
	{ 0, NULL, 0, 0, NULL, NULL },
};

/* ---- a session, opened ---- */

void workspace_session_close(struct workspace_session *s)
{
	fd_close(&s->upper);
	fd_close(&s->workspace);
	review_close(&s->r);
}

static int open_trees(struct workspace_session *s, struct err *e)
{
	s->upper = openat(s->r.fd, REVIEW_UPPER, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (s->upper < 0)
		return err_set(e, errno, "open %s/" REVIEW_UPPER, s->r.path);
	return review_open_workspace(&s->r.s, &s->workspace, e);
}

int workspace_session_open(struct cli *cli, const char *directory, const char *name, bool writing,
			   struct workspace_session *ret, struct err *e)
{
	int r = review_open(cli->arena, directory, name, &ret->r, e);

	if (r < 0 || (writing && (r = review_lock(&ret->r, e)) < 0))
		return r;
	return open_trees(ret, e);
}

int workspace_session_changes(struct cli *cli, const struct workspace_session *s, struct changes *ret,
			      struct err *e)
{
	struct changes recorded;
	struct err none;
	bool conflict = false;

	if (changes_read(cli->arena, &s->r.s, s->upper, s->workspace, true, ret, e) < 0)
		return -e->code;
	for (size_t i = 0; i < ret->n; i++)
		conflict |= ret->v[i].conflict != NULL;
	if (conflict && changes_load(cli->arena, s->r.fd, &recorded, &none) == 0)
		changes_settle(ret, &recorded);
	return 0;
}

/* What is meant where nothing is named: the newest whose workspace is the current directory, or holds it. */
static int session_here(struct cli *cli, const char *directory, const char **ret, struct err *e)
{
	char *here = getcwd(NULL, 0);
	struct review_entry *v;
	size_t n, length;

	if (!here)
		return err_set(e, errno, "the current directory");
	if (review_list(cli->arena, directory, &v, &n, e) < 0) {
		free(here);
		return -e->code;
	}
	for (size_t i = 0; i < n; i++) {
		length = v[i].error ? 0 : strlen(v[i].s.workspace);
		if (length && strncmp(here, v[i].s.workspace, length) == 0 &&
		    (!here[length] || here[length] == '/'))
			*ret = v[i].s.session;
	}
	free(here);
	return *ret ? 0 : err_say(e, ENOENT, "no session has this directory as its workspace: name one "
				  "(agentrun workspace list)");
}

/* ---- diff ---- */

static int diff(struct cli *cli, const char *directory, const char *name, const struct strv *paths,
		const struct workspace_options *o, struct str *out, struct err *e)
{
	owned_session s = SESSION_INIT;
	struct changes all, c;
	struct diff_view v = { .s = &s.r.s, .c = &c, .terminal = isatty(1) };

	if (o->json + o->stat + (o->name_only || o->nul) > 1)
		return err_say(e, EINVAL, "--json, --stat and --name-only exclude each other");
	if (workspace_session_open(cli, directory, name, false, &s, e) < 0 || workspace_session_changes(cli, &s, &all, e) < 0 ||
	    changes_select(cli->arena, &all, paths, &c, e) < 0)
		return -e->code;
	v.upper = s.upper;
	v.workspace = s.workspace;
	if (o->json) {
		diff_json(&v, out);
		return 0;
	}
	if (o->name_only || o->nul) {
		diff_names(&c, o->nul, out);
		return 0;
	}
	if (review_in_use(&s.r.s))
		str_puts(out, "The container still exists, and may go on writing.\n");
	diff_summary(&v, out);
	if (o->stat)
		return diff_stat(&v, out, e);
	str_puts(out, "\n");
	if (cli_print(out, e) < 0)
		return -e->code;
	out->len = 0;
	return diff_patch(&v, 1, e);
}

/* ---- the command ---- */

static const char *const commands[] = { "list", "diff", "apply", "discard", "prune", NULL };

int cmd_workspace(struct cli *cli, int argc, char **argv, struct err *e)
{
	struct workspace_options o = { 0 };
	owned_str out = STR_INIT;
	struct strv rest = { 0 };
	struct err second;
	const uid_t caller = getuid();
	const char *what, *name;
	char *directory;
	int first, r;

	if (cli_parse(cli, cmd_workspace_options, CLI_ANYWHERE, &o, argc, argv, &first, e) < 0)
		return err_in(e, "workspace");
	if (first == argc)
		return err_say(e, EINVAL, "workspace: expected list, diff, apply, discard or prune");
	what = argv[first];
	if (str_find(commands, what) < 0)
		return err_say(e, EINVAL, "workspace: unknown command \"%s\": expected list, diff, apply, discard "
			       "or prune", what);
	name = first + 1 < argc ? argv[first + 1] : NULL;
	for (int i = first + 1; i < argc; i++) {
		/* "$UNSET" would mean all there is. */
		if (!*argv[i])
			return err_say(e, EINVAL, "workspace %s: operand %d is empty (\".\" is the whole "
				       "workspace)", what, i - first);
		if (i > first + 1)
			strv_add(cli->arena, &rest, argv[i]);
	}
	if (review_directory(cli->arena, cli->runtime.rootless, &directory, e) < 0)
		return -e->code;
	/* What a user's container wrote belongs to the user's subordinate ids. */
	if (geteuid() != 0 && idmap_enter_own(e) < 0)
		return err_in(e, "workspace");

	if (strcmp(what, "list") == 0 || strcmp(what, "prune") == 0) {
		if (name)
			return err_say(e, EINVAL, "workspace %s: too many operands", what);
		r = (*what == 'l' ? workspace_stores_list : workspace_stores_prune)(cli, directory, &o, &out, e);
	} else if (!name && strcmp(what, "diff") != 0 && strcmp(what, "apply") != 0) {
		return err_say(e, EINVAL, "workspace %s: expected a session or a container "
			       "(agentrun workspace list)", what);
	} else if (!name && session_here(cli, directory, &name, e) < 0) {
		r = -e->code;
	} else if (strcmp(what, "diff") == 0) {
		r = diff(cli, directory, name, &rest, &o, &out, e);
	} else if (strcmp(what, "apply") == 0) {
		r = workspace_apply(cli, caller, directory, name, &rest, &o, &out, e);
	} else if (strcmp(what, "discard") == 0 && !rest.n) {
		r = workspace_store_discard(cli, directory, name, &out, e);
	} else {
		return err_say(e, EINVAL, "workspace %s: too many operands", what);
	}
	if (r < 0) {
		cli_print(&out, &second);
		return err_in(e, "workspace %s", what);
	}
	return cli_print(&out, e);
}
