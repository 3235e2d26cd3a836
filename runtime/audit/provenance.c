/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/provenance.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "audit/sessions.h"

#define STATEMENT "https://in-toto.io/Statement/v1"
#define PREDICATE "https://slsa.dev/provenance/v1"
#define BUILD_TYPE "agentrun:session/v1"
#define BUILDER_HOST "agentrun:builder/host/v1"
#define BUILDER_USER "agentrun:builder/user/v1"
#define PAYLOAD_TYPE "application/vnd.in-toto+json"

/* A file that was applied, or deleted; of several with one path the last counts. */
struct applied {
	const char *path;
	const char *sha256;		/* NULL: it is no file any more */
	size_t order;
};

struct build {
	struct arena a;
	const char *session;
	const struct json *create;	/* the record; NULL: it was rotated away */
	char created[CHAIN_TIME], deleted[CHAIN_TIME];	/* RFC 3339; "": no such record */
	struct chain_link last;		/* of the session's chain */
	unsigned long long last_seq;	/* of that record in the log */
	const struct json **execs, **applies;
	size_t n_execs, n_applies;
	struct applied *applied;
	size_t n_applied;
};

/* ---- reading ---- */

static bool is_digest(const char *text)
{
	return text && strlen(text) == HASH_HEX - 1 &&
	       strspn(text, "0123456789abcdef") == HASH_HEX - 1;
}

static void add_record(const struct json ***list, size_t *n, const struct json *record)
{
	if ((*n & (*n - 1)) == 0)	/* no room beyond a power of two */
		*list = must(realloc(*list, (*n ? 2 * *n : 1) * sizeof **list));
	(*list)[(*n)++] = record;
}

static void visit(void *ctx, const struct chain_frame *f, const char *line, size_t n)
{
	struct build *b = ctx;
	const bool create = strcmp(f->event, "create") == 0, exec = strcmp(f->event, "exec") == 0,
		   apply = strcmp(f->event, "apply") == 0;
	const struct json *record;
	struct err ignored;

	if (strcmp(f->session, b->session) != 0)
		return;
	b->last_seq = f->seq;
	b->last.seq = f->session_seq;
	hash_hex(b->last.hash, line, n);
	if (create)
		memcpy(b->created, f->time, CHAIN_TIME);
	if (strcmp(f->event, "delete") == 0)
		memcpy(b->deleted, f->time, CHAIN_TIME);
	if (!(create || exec || apply) ||
	    json_parse(&b->a, line, n, "record", &record, &ignored) < 0)
		return;
	if (create)
		b->create = record;
	else if (exec)
		add_record(&b->execs, &b->n_execs, record);
	else
		add_record(&b->applies, &b->n_applies, record);
}

static int by_path(const void *a, const void *b)
{
	const struct applied *x = a, *y = b;
	int r = strcmp(x->path, y->path);

	return r ? r : (x->order > y->order) - (x->order < y->order);
}

/* The last state of each path, in the order of the paths. */
static void find_subjects(struct build *b)
{
	size_t n = 0, kept = 0;

	for (size_t i = 0; i < b->n_applies; i++) {
		const struct json *list = json_get(b->applies[i], "applied");

		n += list && list->type == JSON_ARRAY ? list->n : 0;
	}
	b->applied = arena_array(&b->a, struct applied, n + 1);
	n = 0;
	for (size_t i = 0; i < b->n_applies; i++) {
		const struct json *list = json_get(b->applies[i], "applied");

		for (size_t k = 0; list && list->type == JSON_ARRAY && k < list->n; k++) {
			const char *path = json_get_text(list->items[k], "path");
			const char *sha256 = json_get_text(list->items[k], "sha256");

			if (path) {
				b->applied[n] = (struct applied){ path, is_digest(sha256) ? sha256 : NULL, n };
				n++;
			}
		}
	}
	qsort(b->applied, n, sizeof *b->applied, by_path);
	for (size_t i = 0; i < n; i++) {
		const bool last = i + 1 == n || strcmp(b->applied[i].path, b->applied[i + 1].path) != 0;

		if (last && b->applied[i].sha256)
			b->applied[kept++] = b->applied[i];
	}
	b->n_applied = kept;
}

/* ---- writing ---- */

/* Members of the record of "create" under other names: `object` is a member that holds them. */
struct taken {
	const char *name, *object, *member;
};

/* What the caller chose. */
static const struct taken external[] = {
	{ "command", NULL, "process.command_args" },
	{ "workingDirectory", NULL, "process.working_directory" },
	{ "image", NULL, "container.image.name" },
	{ "profile", "policy", "profile" },
	{ "labels", NULL, "claims" },
};

/* What was made of that. */
static const struct taken internal[] = {
	{ "host", NULL, "host.name" },
	{ "sandbox", NULL, "sandbox" },
	{ "engine", NULL, "engine" },
	{ "container", NULL, "container.id" },
	{ "callerUid", NULL, "caller.uid" },
	{ "callerLoginUid", NULL, "caller.login_uid" },
	{ "policyDigest", "policy", "digest" },
	{ "auditMode", "policy", "audit_mode" },
	{ "workspace", "policy", "workspace" },
	{ "egress", "policy", "egress" },
	{ "ingress", "policy", "ingress" },
	{ "env", "policy", "env" },
	{ "credentials", "policy", "credentials" },
	{ "capabilities", "policy", "capabilities" },
	{ "seccomp", "policy", "seccomp" },
	{ "noNewPrivileges", "policy", "no_new_privileges" },
	{ "changes", "policy", "changes" },
};

static void put_taken(struct json_writer *w, const struct json *record, const struct taken *t,
		      size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct json *from = t[i].object ? json_get(record, t[i].object) : record;
		const struct json *value = json_get(from, t[i].member);

		/* the predicate takes what is missing for null */
		if (!value || value->type == JSON_NULL)
			continue;
		json_key(w, t[i].name);
		json_put_tree(w, value);
	}
}

/* A digest of ours has its algorithm before it or not. */
static const char *sha256_of(const char *text)
{
	if (text && str_has_prefix(text, "sha256:"))
		text += strlen("sha256:");
	return is_digest(text) ? text : NULL;
}

static void put_digest(struct json_writer *w, const char *sha256)
{
	json_key(w, "digest");
	json_open(w);
	json_field(w, "sha256", sha256);
	json_close(w);
}

static void put_resource(struct json_writer *w, const char *name, const char *sha256)
{
	json_open(w);
	json_field(w, "name", name);
	put_digest(w, sha256);
	json_close(w);
}

static void put_definition(struct json_writer *w, const struct build *b)
{
	const char *image = json_get_text(b->create, "container.image.name");
	const char *at = image ? strchr(image, '@') : NULL;

	json_open(w);
	json_field(w, "buildType", BUILD_TYPE);
	json_key(w, "externalParameters");
	json_open(w);
	put_taken(w, b->create, external, sizeof external / sizeof *external);
	if (b->n_execs) {	/* commands that were added from outside later on */
		json_key(w, "execs");
		json_open_array(w);
		for (size_t i = 0; i < b->n_execs; i++) {
			const struct json *args = json_get(b->execs[i], "process.command_args");

			if (args)
				json_put_tree(w, args);
		}
		json_close_array(w);
	}
	json_close(w);
	json_key(w, "internalParameters");
	json_open(w);
	put_taken(w, b->create, internal, sizeof internal / sizeof *internal);
	json_close(w);
	json_key(w, "resolvedDependencies");
	json_open_array(w);
	if (at && sha256_of(at + 1))
		put_resource(w, image, sha256_of(at + 1));
	json_close_array(w);
	json_close(w);
}

static void put_byproducts(struct json_writer *w, const struct build *b)
{
	json_key(w, "byproducts");
	json_open_array(w);
	json_open(w);
	json_field(w, "name", "audit record");
	put_digest(w, b->last.hash);
	json_key(w, "annotations");
	json_open(w);
	json_field_u64(w, "seq", b->last_seq);
	json_field_u64(w, "session_seq", b->last.seq);
	json_close(w);
	json_close(w);
	for (size_t i = 0; i < b->n_applies; i++) {
		const char *digest = sha256_of(json_get_text(b->applies[i], "changes.digest"));
		bool before = false;	/* an apply of many files makes many records */

		for (size_t k = 0; digest && k < i && !before; k++)
			before = str_equal(digest, sha256_of(json_get_text(b->applies[k], "changes.digest")));
		if (digest && !before)
			put_resource(w, "changes reviewed", digest);
	}
	json_close_array(w);
}

static void put_run(struct json_writer *w, const struct build *b, bool of_user)
{
	const char *version = json_get_text(b->create, "container.runtime.version");

	json_open(w);
	json_key(w, "builder");
	json_open(w);
	json_field(w, "id", of_user ? BUILDER_USER : BUILDER_HOST);
	json_key(w, "version");
	json_open(w);
	if (version)
		json_field(w, "agentrun", version);
	json_close(w);
	json_close(w);
	json_key(w, "metadata");
	json_open(w);
	json_field(w, "invocationId", b->session);
	if (*b->created)
		json_field(w, "startedOn", b->created);
	if (*b->deleted)
		json_field(w, "finishedOn", b->deleted);
	json_close(w);
	put_byproducts(w, b);
	json_close(w);
}

static void put_statement(struct json_writer *w, const struct build *b, bool of_user)
{
	json_open(w);
	json_field(w, "_type", STATEMENT);
	json_key(w, "subject");
	json_open_array(w);
	for (size_t i = 0; i < b->n_applied; i++)
		put_resource(w, b->applied[i].path, b->applied[i].sha256);
	json_close_array(w);
	json_field(w, "predicateType", PREDICATE);
	json_key(w, "predicate");
	json_open(w);
	json_key(w, "buildDefinition");
	put_definition(w, b);
	json_key(w, "runDetails");
	put_run(w, b, of_user);
	json_close(w);
	json_close(w);
}

/* ---- the whole ---- */

/* Only a list that is whole can be signed as what was applied. */
static int check_build(const struct build *b, struct err *e)
{
	for (size_t i = 0; i < b->n_applies; i++)
		if (json_get(b->applies[i], "truncated"))
			return err_say(e, EMSGSIZE, "audit provenance: an apply record of session %s was cut "
				       "to fit into its line: which files were applied is not known",
				       b->session);
	if (!b->n_applies)
		return err_say(e, ENODATA, "audit provenance: nothing of session %s was applied; "
			       "`agentrun workspace apply` does so, and records it", b->session);
	if (!b->create)
		return err_say(e, ENODATA, "audit provenance: the log does not hold the beginning of session "
			       "%s, what it was allowed: put the rotated file that does beside it",
			       b->session);
	if (!b->n_applied)
		return err_say(e, ENODATA, "audit provenance: what was applied of session %s left no file: "
			       "there is nothing to make a statement of", b->session);
	return 0;
}

int provenance_statement(const char *directory, const char *name, bool of_user, struct str *ret,
			 struct err *e)
{
	struct sessions all = { 0 };
	struct build b = { .last = chain_start };
	const struct session *it;
	int r;

	if ((r = sessions_read(directory, false, &all, e)) < 0 ||
	    (r = sessions_find(&all, name, &it, e)) < 0)
		goto out;
	b.session = it->id;
	if ((r = each_record(directory, visit, &b, e)) < 0)
		goto out;
	find_subjects(&b);
	if ((r = check_build(&b, e)) == 0) {
		struct json_writer *w = json_writer_new(false);

		put_statement(w, &b, of_user);
		json_writer_end(w, ret);
		ret->len--;	/* the newline is no part of what is signed */
	}
out:
	free(b.execs);
	free(b.applies);
	arena_free(&b.a);
	sessions_free(&all);
	return r;
}

void provenance_sign(const struct str *statement, const struct sign_key *key, struct str *ret)
{
	struct json_writer *w = json_writer_new(false);
	unsigned char signature[SIGNATURE_BYTES];
	owned_str signed_text = STR_INIT, payload = STR_INIT, sig = STR_INIT;
	char id[HASH_HEX];

	/* DSSE's pre-authentication encoding: what is signed names its type and its size */
	str_printf(&signed_text, "DSSEv1 %zu %s %zu ", strlen(PAYLOAD_TYPE), PAYLOAD_TYPE,
		   statement->len);
	str_append(&signed_text, statement->s, statement->len);
	sign(key, signed_text.s, signed_text.len, signature);
	base64_put(&payload, statement->s, statement->len);
	base64_put(&sig, signature, sizeof signature);
	sign_key_id(key, id);

	json_open(w);
	json_field(w, "payload", payload.s);
	json_field(w, "payloadType", PAYLOAD_TYPE);
	json_key(w, "signatures");
	json_open_array(w);
	json_open(w);
	json_field(w, "keyid", id);
	json_field(w, "sig", sig.s);
	json_close(w);
	json_close_array(w);
	json_close(w);
	json_writer_end(w, ret);
}
