/* SPDX-License-Identifier: Apache-2.0 */
/* audit: the log read, checked, witnessed, and what a session made signed. */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/audit.h"
#include "audit/key.h"
#include "audit/provenance.h"
#include "base/json.h"
#include "base/log.h"
#include "cli/cli.h"
#include "lifecycle/hookrun.h"
#include "policy/policy.h"

#define COMMANDS "list, show, verify, anchor, rotate, keygen or provenance"

struct options {
	const char *directory, *anchor;
	unsigned keep;
	bool json, markdown, html;
};

#define O(member) offsetof(struct options, member)
const struct cli_option cmd_audit_options[] = {
	{ 0, "json", CLI_FLAG, O(json), NULL, "print JSON, an object a line" },
	{ 0, "markdown", CLI_FLAG, O(markdown), NULL, "show: print Markdown, for a pull request" },
	{ 0, "html", CLI_FLAG, O(html), NULL, "show: print one HTML file, for a browser" },
	{ 0, "directory", CLI_TEXT, O(directory), "DIR",
	  "read the log in DIR (default /var/log/agentrun, or that of the user)" },
	{ 0, "anchor", CLI_TEXT, O(anchor), "HASH",
	  "verify: the hash of a record, as a witness outside of this host has it" },
	{ 0, "keep", CLI_UNSIGNED, O(keep), "N", "rotate: how many rotated files stay (default all)" },
	{ 0, NULL, 0, 0, NULL, NULL },
};

static int refuse_bad(const struct audit_verdict *v, struct err *e)
{
	return v->bad_seq ? err_say(e, EBADMSG, "audit: first bad record: %llu (%s)", v->bad_seq,
				    v->reason) : 0;
}

/* How many of the last records nothing outside of this host vouches for. */
static unsigned long long unwitnessed(const struct audit_verdict *v)
{
	return v->anchor_seq ? v->last_seq - v->anchor_seq : v->records;
}

static void verdict_json(const struct audit_verdict *v, const char *word, struct str *text)
{
	struct json_writer *w = json_writer_new(false);

	json_open(w);
	json_field(w, "verdict", word);
	json_field_u64(w, "records", v->records);
	json_field_u64(w, "first_seq", v->first_seq);
	json_field_u64(w, "last_seq", v->last_seq);
	json_field_u64(w, "bad_seq", v->bad_seq);
	json_field(w, "reason", *v->reason ? v->reason : NULL);
	json_field_u64(w, "recovered", v->recovered);
	json_field_u64(w, "anchor_seq", v->anchor_seq);
	json_field_u64(w, "unwitnessed", unwitnessed(v));
	json_field(w, "head", v->head);
	json_field_bool(w, "head_missing", v->head_missing);
	json_close(w);
	json_writer_end(w, text);
}

static void verdict_text(const struct audit_verdict *v, const char *word, struct str *text)
{
	const bool partly = v->anchor_seq && unwitnessed(v);

	str_puts(text, word);
	if (partly)
		str_printf(text, " up to record %llu", v->anchor_seq);
	str_printf(text, ": %llu record%s, each follows from the one before", v->records,
		   v->records == 1 ? "" : "s");
	if (partly)
		str_printf(text, "; records %llu to %llu have no witness", v->anchor_seq + 1, v->last_seq);
	str_printf(text, "\n  head %s\n", v->head);
	if (v->first_seq > 1)
		str_printf(text, "  begins with record %llu: the ones before are in a log that was "
			   "rotated away or removed\n", v->first_seq);
	if (v->recovered)
		str_printf(text, "  places where a crash or a rotation was noticed: %llu; see `agentrun "
			   "audit list`\n", v->recovered);
	if (v->anchor_seq)
		str_printf(text, "  record %llu is the one that the anchor names: up to it nothing was "
			   "changed\n", v->anchor_seq);
	if (v->head_missing)
		str_puts(text, "  " AUDIT_HEAD " is not there, or damaged: whether records are missing at "
			 "the end is not known\n");
	if (!v->anchor_seq)
		str_puts(text, "  Nothing outside of this host witnesses the head: whoever can write the "
			 "log could have\n  written all of it anew.  Name the hash of a forwarded "
			 "record with --anchor.\n");
}

static int verify(const char *directory, const struct options *o, struct err *e)
{
	struct audit_verdict v;
	owned_str text = STR_INIT;
	const char *word;
	int r;

	if (o->anchor && (strlen(o->anchor) != 64 || strspn(o->anchor, "0123456789abcdef") != 64))
		return err_say(e, EINVAL, "--anchor %s: expected 64 hexadecimal digits", o->anchor);
	if ((r = audit_verify(directory, o->anchor, &v, e)) < 0)
		return r;
	if (!v.bad_seq && o->anchor && !v.anchor_seq) {
		v.bad_seq = v.first_seq ? v.first_seq : 1;
		strcpy(v.reason, "no record has the anchor's hash: the log was written anew, or is "
		       "not the anchor's");
	}
	word = v.bad_seq ? "bad" : v.anchor_seq ? "ok" : "unanchored";
	if (o->json)
		verdict_json(&v, word, &text);
	else if (!v.bad_seq)
		verdict_text(&v, word, &text);
	if (text.len && (r = cli_print(&text, e)) < 0)
		return r;
	return refuse_bad(&v, e);
}

/* As a shell finds it. */
static const char *find_program(struct arena *a, const char *name)
{
	const char *dirs = getenv("PATH");

	if (strchr(name, '/'))
		return name;
	while (dirs) {
		size_t n = strcspn(dirs, ":");
		const char *path = arena_printf(a, "%.*s%s%s", (int)n, dirs, n ? "/" : "./", name);

		if (access(path, X_OK) == 0)
			return path;
		dirs = dirs[n] ? dirs + n + 1 : NULL;
	}
	return NULL;
}

/* The head, for somebody who keeps it where this host can't reach: printed, or handed to a command. */
static int anchor(struct cli *cli, const char *directory, const struct options *o, char **command,
		  struct err *e)
{
	struct hook_call call = { .argv = command, .envp = environ };
	struct audit_verdict v;
	owned_str line = STR_INIT, text = STR_INIT;
	int r = audit_head(directory, &v, &line, e);

	if (r < 0 || (r = refuse_bad(&v, e)) < 0)
		return r;
	if (!v.records)
		return err_say(e, ENODATA, "audit anchor: %s/" AUDIT_LOG " has no record", directory);
	if (!*command) {
		if (o->json)
			verdict_json(&v, "unanchored", &text);
		else
			str_printf(&text, "%s\n", v.head);
		return cli_print(&text, e);
	}
	str_puts(&line, "\n");
	call.path = find_program(cli->arena, *command);
	call.in = line.s;
	call.in_size = line.len;
	if (!call.path)
		return err_say(e, ENOENT, "audit anchor: %s: not found in $PATH", *command);
	return hook_run(&call, e) < 0 ? err_in(e, "audit anchor") : 0;
}

/* One form, and those of a page only where there is one. */
static int check_form(const struct options *o, const char *what, const char *name, struct err *e)
{
	const char *form = o->markdown ? "--markdown" : o->html ? "--html" : NULL;

	if (o->json + o->markdown + o->html > 1)
		return err_say(e, EINVAL, "audit %s: --json, --markdown and --html exclude each other",
			       what);
	if (form && (strcmp(what, "show") != 0 || !name))
		return err_say(e, EINVAL, "audit %s: %s is for show NAME", what, form);
	return 0;
}

static int rotate(const char *directory, const struct options *o, struct err *e)
{
	struct audit_rotation done;
	owned_str text = STR_INIT;

	if (audit_rotate(directory, o->keep, &done, e) < 0)
		return -e->code;
	if (o->json) {
		struct json_writer *w = json_writer_new(false);

		json_open(w);
		json_field(w, "renamed", *done.name ? done.name : NULL);
		json_field_u64(w, "last_seq", done.last_seq);
		json_field_u64(w, "files", done.files);
		json_field_u64(w, "removed", done.removed);
		json_field(w, "held", *done.held ? done.held : NULL);
		json_close(w);
		json_writer_end(w, &text);
		return cli_print(&text, e);
	}
	if (*done.name)
		str_printf(&text, "%s: up to record %llu\n", done.name, done.last_seq);
	else
		str_puts(&text, "no record since it was rotated last\n");
	if (done.removed)
		str_printf(&text, "removed the oldest files: %zu; left: %zu\n", done.removed, done.files);
	if (*done.held)
		str_printf(&text, "%zu files stay: session %s has not ended\n", done.files, done.held);
	return cli_print(&text, e);
}

/* Of a log that is somebody's, beside it: this host vouches for its own alone. */
static const char *key_directory(const struct cli *cli, const char *directory, const struct options *o)
{
	return o->directory || cli->runtime.rootless ? directory : "/etc/agentrun";
}

static int keygen(const struct cli *cli, const char *directory, const struct options *o, struct err *e)
{
	const char *keys = key_directory(cli, directory, o);
	/* beside the host policy, which everybody may read, or beside the log, which nobody else may */
	const mode_t mode = keys == directory ? 0700 : 0755;
	struct sign_key key;
	char id[HASH_HEX];
	owned_str text = STR_INIT;

	if (audit_key_make(keys, mode, &key, e) < 0)
		return err_in(e, "audit keygen");
	sign_key_id(&key, id);
	sign_key_forget(&key);
	str_printf(&text, "%s\n", id);
	return cli_print(&text, e);
}

static int provenance(const struct cli *cli, const char *directory, const char *name,
		      const struct options *o, struct err *e)
{
	owned_str statement = STR_INIT, text = STR_INIT;
	const char *keys = key_directory(cli, directory, o);
	struct audit_verdict v;
	struct sign_key key;
	struct stat st;
	bool of_user;
	int r;

	if (!name)
		return err_say(e, EINVAL, "audit provenance: expected a session or a container");
	/* What was changed in the log must not get a signature. */
	if ((r = audit_verify(directory, NULL, &v, e)) < 0 || (r = refuse_bad(&v, e)) < 0)
		return r;
	of_user = cli->runtime.rootless || stat(directory, &st) < 0 || st.st_uid != 0;
	if ((r = provenance_statement(directory, name, of_user, &statement, e)) < 0)
		return r;
	r = audit_key_read(keys, &key, e);
	if (r < 0 && r != -ENOENT)
		return err_in(e, "audit provenance");
	if (r == 0) {
		provenance_sign(&statement, &key, &text);
		sign_key_forget(&key);
	} else {
		log_warn("the statement is not signed: there is no key in %s (agentrun audit keygen makes "
			 "one)", keys);
		str_append(&text, statement.s, statement.len);
		str_puts(&text, "\n");
	}
	return cli_print(&text, e);
}

static const struct json *profile_of(struct arena *a, const char *name)
{
	const struct json *profile;
	struct err ignored;	/* nothing is counted then, all is named */

	return policy_profile(a, name, geteuid() != 0, &profile, &ignored) < 0 ? NULL : profile;
}

int cmd_audit(struct cli *cli, int argc, char **argv, struct err *e)
{
	struct options o = { 0 };
	owned_str text = STR_INIT;
	const char *what, *name;
	char *directory;
	int first, r;

	if ((r = cli_parse(cli, cmd_audit_options, CLI_ANYWHERE, &o, argc, argv, &first, e)) < 0)
		return err_in(e, "audit");
	if (first == argc)
		return err_say(e, EINVAL, "audit: expected " COMMANDS);
	what = argv[first];
	name = first + 1 < argc ? argv[first + 1] : NULL;
	/* The usual one is made by the first record; one that is named should be there. */
	if (o.directory && access(o.directory, R_OK | X_OK) < 0)
		return err_set(e, errno, "audit: --directory %s", o.directory);
	if (o.directory)
		directory = arena_strdup(cli->arena, o.directory);
	else if ((r = audit_directory(cli->arena, cli->runtime.rootless, &directory, e)) < 0)
		return r;
	if (argc - first > 1 + (strcmp(what, "show") == 0 || strcmp(what, "provenance") == 0) &&
	    strcmp(what, "anchor") != 0)
		return err_say(e, EINVAL, "audit %s: too many operands", what);
	if (o.anchor && strcmp(what, "verify") != 0)
		return err_say(e, EINVAL, "audit %s: --anchor is for verify", what);
	if ((r = check_form(&o, what, name, e)) < 0)
		return r;
	if (o.keep && strcmp(what, "rotate") != 0)
		return err_say(e, EINVAL, "audit %s: --keep is for rotate", what);

	if (strcmp(what, "verify") == 0)
		return verify(directory, &o, e);
	if (strcmp(what, "anchor") == 0)
		return anchor(cli, directory, &o, argv + first + 1, e);
	if (strcmp(what, "rotate") == 0)
		return rotate(directory, &o, e);
	if (strcmp(what, "keygen") == 0)
		return keygen(cli, directory, &o, e);
	if (strcmp(what, "provenance") == 0)
		return provenance(cli, directory, name, &o, e);
	if (strcmp(what, "list") == 0)
		r = (o.json ? audit_list_json : audit_list)(directory, &text, e);
	else if (strcmp(what, "show") == 0 && o.json)
		r = audit_show_json(directory, name, &text, e);
	else if (strcmp(what, "show") == 0)
		r = (o.markdown ? audit_show_markdown : o.html ? audit_show_html : audit_show)
			(directory, name, profile_of, &text, e);
	else
		return err_say(e, EINVAL, "audit: unknown command \"%s\": expected " COMMANDS, what);
	return r < 0 ? r : cli_print(&text, e);
}
