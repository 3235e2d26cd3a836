/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading: the host policy, the profile and the annotations, merged in that
 * order of strength.  All of policy/'s file access but the facts' is here.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "policy/capset.h"
#include "policy/internal.h"

#ifndef PKGDATADIR
#define PKGDATADIR "/usr/share/agentrun"
#endif
#define PROFILE_DIR "/etc/agentrun/profiles"

enum {
	POLICY_MOST = 1 << 20,		/* bytes of a policy file */
};

/* ---- files ---- */

/* Whoever may write the file decides what the container may. */
enum trust {
	TRUST_ROOT,		/* root alone */
	TRUST_ROOT_MAPPED,	/* rootless: in a user namespace the host's root has no id of its own;
				 * the directories named here are root's on any host */
	TRUST_SELF,		/* rootless: the caller as well */
};

static int check_trust(const char *path, const struct stat *st, enum trust trust, struct err *e)
{
	if (!S_ISREG(st->st_mode))
		return err_say(e, EPERM, "%s: is not a regular file", path);
	if (st->st_uid != 0 && !(trust >= TRUST_ROOT_MAPPED && st->st_uid == OVERFLOW_UID) &&
	    !(trust == TRUST_SELF && st->st_uid == geteuid()))
		return err_say(e, EPERM, "%s: must be owned by root, not by uid %u", path,
			       (unsigned)st->st_uid);
	if (st->st_mode & (S_IWGRP | S_IWOTH))
		return err_say(e, EPERM, "%s: must not be writable by group or others (mode %04o)",
			       path, (unsigned)st->st_mode & 07777);
	return 0;
}

/* ret->text stays NULL where the file does not exist. */
static int read_file(struct arena *a, const char *path, enum trust trust, struct json_text *ret,
		     struct err *e)
{
	owned_fd fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	owned_str text = STR_INIT;
	struct stat st;
	int r;

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (fd < 0)
		return err_set(e, errno, "open %s", path);
	if (fstat(fd, &st) < 0)
		return err_set(e, errno, "stat %s", path);
	if ((r = check_trust(path, &st, trust, e)) < 0 ||
	    (r = fd_read_all(fd, POLICY_MOST, path, &text, e)) < 0)
		return r;
	*ret = (struct json_text){ arena_strdup(a, path), arena_memdup(a, str_text(&text), text.len + 1),
				   text.len };
	return 0;
}

/* A profile by name: the administrator's, the distribution's, the built-in copy. */
static int read_by_name(struct arena *a, const char *kind, const char *name, bool rootless,
			struct json_text *ret, struct err *e)
{
	static const char *const dirs[] = { PROFILE_DIR, PKGDATADIR "/profiles" };
	const char *file = arena_printf(a, "%s%s.json", kind, name);

	for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++) {
		const char *path = arena_printf(a, "%s/%s", dirs[i], file);
		int r = read_file(a, path, rootless ? TRUST_SELF : TRUST_ROOT, ret, e);

		if (r < 0 || ret->text)
			return r;
	}
	for (const struct builtin_file *b = builtin_files; b->name; b++)
		if (strcmp(b->name, file) == 0) {
			*ret = (struct json_text){ arena_printf(a, "built-in %s", file), b->text,
						   b->size };
			return 0;
		}
	return err_say(e, ENOENT, "there is no %s.json in %s or %s", name, dirs[0], dirs[1]);
}

/* ---- a profile ---- */

int parse_profile(struct arena *a, const struct json *tree, const char *what, unsigned flags,
		  const struct origin *from, struct value *ret, struct err *e)
{
	int r;

	if (tree->type != JSON_OBJECT)
		return err_say(e, EINVAL, "%s: must be an object, not %s", what,
			       json_type_names[tree->type]);
	for (size_t i = 0; i < tree->n; i++) {
		const struct json *member = tree->items[i];
		const struct json_path at = { .key = tree->keys[i] };
		struct value v = { 0 };
		struct err inner;
		int id = field_find(tree->keys[i]);

		if (strcmp(tree->keys[i], "description") == 0 ||
		    strcmp(tree->keys[i], "$schema") == 0) {
			if (member->type != JSON_STRING)
				return json_say(e, EINVAL, what, &at, "must be a string");
			continue;
		}
		if (id < 0)
			return json_say(e, EINVAL, what, &at,
					"is not a field of a policy (the nearest is %s)",
					field_nearest(tree->keys[i]));
		if (id == FIELD_PROFILE && !(flags & GRAMMAR_CEILING))
			return json_say(e, EINVAL, what, &at, "is chosen elsewhere: by the annotation "
					ANNOTATION_PREFIX "profile, --profile or default_profile");
		if ((flags & GRAMMAR_CEILING) && fields[id].ceiling == CEILING_NONE)
			return json_say(e, EINVAL, what, &at, "has no ceiling: it opens nothing");
		if ((r = field_parse_json(a, (enum field_id)id,
					  id == FIELD_LABEL ? tree->keys[i] + strlen("label.") : NULL,
					  member, flags, from, &v, &inner)) < 0)
			return json_say(e, -r, what, &at, "%s", inner.text);
		value_merge(a, (enum field_id)id, &ret[id], &v);
	}
	return 0;
}

/* ---- selection and merge ---- */

const char *const builtin_engine_roots[] = {
	"/var/lib/docker", "/run/docker", "/var/snap/docker/common/var-lib-docker",
	"/var/lib/containerd", "/run/containerd", "/var/lib/nerdctl",
	"/var/lib/containers/storage", "/run/containers/storage", "/var/lib/kubelet",
	"/run/k3s/containerd", "/var/lib/rancher/k3s/agent/containerd", NULL,
};

static void add_engine_roots(struct arena *a, struct policy *p, bool rootless)
{
	const char *home = getenv("HOME"), *run = getenv("XDG_RUNTIME_DIR");
	unsigned uid = (unsigned)geteuid();

	for (size_t i = 0; builtin_engine_roots[i]; i++)
		strv_add(a, &p->engine_roots, builtin_engine_roots[i]);
	for (size_t i = 0; i < p->host.engine_roots.n; i++)
		strv_add(a, &p->engine_roots, p->host.engine_roots.v[i]);
	if (!rootless)
		return;
	if (home && *home == '/') {
		strv_add(a, &p->engine_roots,
			 arena_printf(a, "%s/.local/share/containers/storage", home));
		strv_add(a, &p->engine_roots, arena_printf(a, "%s/.local/share/docker", home));
		strv_add(a, &p->engine_roots, arena_printf(a, "%s/.local/share/containerd", home));
		strv_add(a, &p->engine_roots, arena_printf(a, "%s/.local/share/nerdctl", home));
	}
	if (run && *run == '/') {
		strv_add(a, &p->engine_roots, arena_printf(a, "%s/containers", run));
		strv_add(a, &p->engine_roots, arena_printf(a, "%s/docker", run));
		strv_add(a, &p->engine_roots, arena_printf(a, "%s/containerd", run));
	}
	strv_add(a, &p->engine_roots, arena_printf(a, "/tmp/containers-user-%u", uid));
	strv_add(a, &p->engine_roots, arena_printf(a, "/tmp/storage-run-%u/containers", uid));
}

/* Every annotation of ours, each parsed once.  *ret_any: there is one. */
static int parse_annotations(struct arena *a, const struct spec *s, const struct host_policy *h,
			     const struct origin *from, struct value *ret, bool *ret_any,
			     struct err *e)
{
	for (size_t i = 0; i < s->annotations.n; i++) {
		const char *key = s->annotations.v[i].key, *name;
		struct value v = { 0 };
		int id, r;

		if (!str_has_prefix(key, ANNOTATION_PREFIX))
			continue;
		*ret_any = true;
		name = key + strlen(ANNOTATION_PREFIX);
		id = field_find(name);
		if (id < 0)
			return err_say(e, EINVAL, "annotation %s: there is no such field; the nearest is "
				       ANNOTATION_PREFIX "%s", safe_text(a, key), field_nearest(name));
		r = field_parse_text(a, (enum field_id)id,
				     id == FIELD_LABEL ? name + strlen("label.") : NULL,
				     s->annotations.v[i].value,
				     h->reasons_optional ? GRAMMAR_NO_REASON : 0, from, &v, e);
		if (r < 0)
			return err_in(e, "annotation %s", safe_text(a, key));
		value_merge(a, (enum field_id)id, &ret[id], &v);
	}
	return 0;
}

static void select_profile(struct policy *p, const struct policy_options *o,
			   const struct value *asked, bool any)
{
	if (asked[FIELD_PROFILE].set) {
		p->profile = asked[FIELD_PROFILE].items.v[0].text;
		p->selected_by = (struct origin){ LAYER_ANNOTATION,
						  "annotation " ANNOTATION_PREFIX "profile", NULL };
	} else if (o->profile) {
		p->profile = o->profile;
		p->selected_by = (struct origin){ LAYER_PROFILE, "option --profile", NULL };
	} else if (p->host.default_profile) {
		p->profile = p->host.default_profile;
		p->selected_by = p->host.origin;
	} else if (any) {
		p->profile = "agent";
		p->selected_by = (struct origin){ LAYER_FALLBACK, "an io.agentrun annotation", NULL };
	} else {
		p->profile = PROFILE_NONE;
		p->selected_by = (struct origin){ LAYER_FALLBACK, "nothing asks for a policy", NULL };
	}
}

/* Plain OCI: only where the administrator does not want more of every container. */
static int check_plain(struct arena *a, const struct policy *p, bool others, struct err *e)
{
	const struct value *allowed = &p->host.allow[FIELD_PROFILE];
	bool required = false, named = false;

	/* registered with --profile none, a runtime takes orders from annotations all the same:
	 * the caller of this function has made `agent` of it then */
	if (others)
		return err_say(e, EINVAL, "annotation " ANNOTATION_PREFIX "profile: none contradicts "
			       "the other " ANNOTATION_PREFIX "* annotations");
	for (int i = 0; i < FIELD_COUNT; i++)
		required |= p->host.require[i].set;
	for (size_t i = 0; i < allowed->items.n; i++)
		named |= strcmp(allowed->items.v[i].text, PROFILE_NONE) == 0;
	if (named || (!allowed->set && !required))
		return 0;
	return refuse(e, arena_printf(a, "%s (%s)", allowed->set ? "allow.profile lists other "
				      "profiles only" : "require asks things of every container",
				      p->host.path),
		      "--annotation io.agentrun.profile=agent, or have the administrator add none "
		      "to allow.profile",
		      "a container without a policy (%s)", p->selected_by.text);
}

static int merge_fallbacks(struct arena *a, struct policy *p, struct err *e)
{
	static const struct origin fallback = { LAYER_FALLBACK, "default", NULL };
	int r;

	for (int i = 0; i < FIELD_COUNT; i++) {
		if (p->v[i].set || !fields[i].fallback)
			continue;
		if ((r = field_parse_text(a, (enum field_id)i, NULL, fields[i].fallback, 0, &fallback,
					  &p->v[i], e)) < 0)
			return r;
	}
	if (!p->v[FIELD_EGRESS].set) {
		p->v[FIELD_EGRESS] = (struct value){ .set = true, .from = &fallback };
		value_add(a, &p->v[FIELD_EGRESS], NULL,
			  p->v[FIELD_EGRESS_ALLOW].items.n ? "allow" : "none", &fallback);
	}
	return 0;
}

/* egress=none and egress=open leave no room for a list.  A list of a lower layer than the mode's
 * gives way to it; one of the same or a higher layer contradicts it. */
static int settle_egress(struct arena *a, struct policy *p, struct err *e)
{
	struct value *mode = &p->v[FIELD_EGRESS], *list = &p->v[FIELD_EGRESS_ALLOW];

	if (!mode->set || strcmp(mode->items.v[0].text, "allow") == 0 || !list->items.n)
		return 0;
	if (list->from->layer >= mode->from->layer)
		return err_say(e, EINVAL, "egress=%s (%s) contradicts egress.allow (%s)",
			       mode->items.v[0].text, mode->from->text, list->from->text);
	if (mode->from->layer == LAYER_HOST && list->from->layer == LAYER_ANNOTATION)
		return refuse(e, policy_say(a, p, FIELD_EGRESS),
			      arena_printf(a, "the administrator changes require.egress in %s",
					   p->host.path),
			      "egress.allow=%s (%s) is more than this host allows",
			      list->items.v[0].text, list->from->text);
	strv_add(a, &p->changes,
		 arena_printf(a, "egress.allow of %s left out: egress=%s", list->from->text,
			      mode->items.v[0].text));
	*list = (struct value){ 0 };
	return 0;
}

/* ---- the host policy's bounds ---- */

static int check_ceiling(struct arena *a, const struct policy *p, enum field_id id, struct err *e)
{
	const struct value *ceiling = &p->host.allow[id];

	for (size_t i = 0; i < p->v[id].items.n; i++) {
		const struct item *item = &p->v[id].items.v[i];
		owned_str most = STR_INIT;

		if (value_within(a, id, ceiling, item))
			continue;
		value_put(ceiling, &most);
		return refuse(e, arena_printf(a, "%s at most %s (%s)", fields[id].name, most.s,
					      p->host.origin.text),
			      arena_printf(a, "the administrator raises allow[\"%s\"] in %s",
					   fields[id].name, p->host.path),
			      "%s=%s (%s) is more than this host allows", fields[id].name,
			      safe_text(a, item->text), item->from->text);
	}
	return 0;
}

/* A ceiling on a list would mean nothing beside the mode in which the list does not count. */
static int check_modes(struct arena *a, const struct policy *p, struct err *e)
{
	static const struct { enum field_id list, mode; const char *free; } rows[] = {
		{ FIELD_MOUNTS_ALLOW, FIELD_MOUNTS, "any" },
		{ FIELD_EGRESS_ALLOW, FIELD_EGRESS, "open" },
		{ FIELD_INGRESS_ALLOW, FIELD_EGRESS, "open" },
		{ FIELD_ENV_ALLOW, FIELD_ENV, "keep" },
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const struct value *most = &p->host.allow[rows[i].list], *mode = &p->v[rows[i].mode];
		const char *name = fields[rows[i].mode].name;
		owned_str text = STR_INIT;

		if (!most->set || p->host.allow[rows[i].mode].set ||
		    strcmp(policy_text(p, rows[i].mode), rows[i].free) != 0)
			continue;
		value_put(most, &text);
		return refuse(e, arena_printf(a, "%s at most %s (%s)", fields[rows[i].list].name, text.s,
					      p->host.origin.text),
			      arena_printf(a, "the administrator adds \"%s\": \"%s\" to allow in %s", name,
					   rows[i].free, p->host.path),
			      "%s=%s (%s) is more than this host allows", name, rows[i].free,
			      mode->from->text);
	}
	return 0;
}

static void note_set(struct arena *a, struct policy *p, enum field_id id, const char *why)
{
	owned_str line = STR_INIT;

	str_printf(&line, "%s set to ", fields[id].name);
	value_put(&p->v[id], &line);
	str_printf(&line, ": %s the %s", why, p->host.origin.text);
	strv_add(a, &p->changes, line.s);
}

/* No number at all would be more than the ceiling. */
static void fill_to_ceiling(struct arena *a, struct policy *p, enum field_id id)
{
	if (fields[id].ceiling != CEILING_MOST || p->v[id].set || !p->host.allow[id].set)
		return;
	p->v[id] = p->host.allow[id];
	note_set(a, p, id, "ceiling of");
}

/* Enums and numbers become at least as strict, lists grow; a capability list only shrinks. */
static int add_required(struct arena *a, struct policy *p, enum field_id id, struct err *e)
{
	const struct value *need = &p->host.require[id];
	struct value *have = &p->v[id];
	const struct field *f = &fields[id];
	const char *want_text = need->items.n ? need->items.v[0].text : NULL;
	size_t before = have->items.n;

	if (!need->set)
		return 0;
	if (id == FIELD_CAPS) {
		struct value kept = { .set = true, .from = have->from };

		for (size_t i = 0; i < have->items.n; i++)
			for (size_t j = 0; j < need->items.n; j++)
				if (strcmp(have->items.v[i].text, need->items.v[j].text) == 0)
					value_add(a, &kept, NULL, have->items.v[i].text,
						  have->items.v[i].from);
		*have = kept;
	} else if (f->list || id == FIELD_LABEL) {
		const struct origin *from = have->from;

		value_merge(a, id, have, need);
		if (from)	/* what the user said stays the user's */
			have->from = from;
	} else if (before && f->ceiling == CEILING_LOOSEST) {
		if (value_order(id, have->items.v[0].text, want_text) <= 0)
			return 0;
		if (have->from->layer == LAYER_ANNOTATION)
			return refuse(e, arena_printf(a, "%s=%s is required (%s)", f->name, want_text,
						      p->host.origin.text),
				      arena_printf(a, "the administrator changes require[\"%s\"] in %s",
						   f->name, p->host.path),
				      "%s=%s (%s) is more than this host allows", f->name,
				      have->items.v[0].text, have->from->text);
		*have = *need;
	} else if (before && f->ceiling == CEILING_MOST) {
		if (value_number(id, have->items.v[0].text) <= value_number(id, want_text))
			return 0;
		*have = *need;
	} else if (before && have->from->layer == LAYER_ANNOTATION &&
		   strcmp(have->items.v[0].text, want_text) != 0) {
		return refuse(e, arena_printf(a, "%s=%s is required (%s)", f->name, want_text,
					      p->host.origin.text),
			      arena_printf(a, "the administrator changes require[\"%s\"] in %s", f->name,
					   p->host.path),
			      "%s=%s (%s) is not what this host requires", f->name,
			      safe_text(a, have->items.v[0].text), have->from->text);
	} else {
		*have = *need;
	}
	if (have->items.n != before || (!f->list && id != FIELD_LABEL))
		note_set(a, p, id, "required by");
	return 0;
}

static int check_credentials(struct arena *a, const struct policy *p, struct err *e)
{
	const struct value *v = &p->v[FIELD_CREDENTIALS];

	for (size_t i = 0; i < v->items.n; i++)
		if (strv_find(&p->host.credentials, v->items.v[i].text) < 0)
			return err_say(e, EINVAL, "credentials: %s is not defined in %s",
				       v->items.v[i].text, policy_host_path(p));
	if (v->items.n)
		return err_say(e, ENOTSUP, "credentials=%s (%s): granting credentials is not supported "
			       "yet", safe_text(a, v->items.v[0].text), v->from->text);
	return 0;
}

static int load_seccomp(struct arena *a, struct policy *p, bool rootless, struct err *e)
{
	const char *name = policy_text(p, FIELD_SECCOMP);
	struct json_text *profile = arena_new(a, struct json_text);

	if (strcmp(name, "engine") == 0)
		return 0;
	if (read_by_name(a, "seccomp/", name, rootless, profile, e) < 0)
		return err_in(e, "seccomp=%s (%s)", name, p->v[FIELD_SECCOMP].from->text);
	p->seccomp = profile;
	return 0;
}

/* ---- what a file alone says to be in vain ---- */

/* A field that names what is not there, or what no container may have. */
static int check_fields(struct arena *a, const struct value *v, const char *what, bool rootless,
			struct err *e)
{
	const struct value *egress = &v[FIELD_EGRESS], *seccomp = &v[FIELD_SECCOMP];
	const struct json_path at_egress = { .key = "egress" }, at_seccomp = { .key = "seccomp" },
			       at_credentials = { .key = "credentials" };
	struct json_text ignored = { 0 };
	struct err inner;

	if (egress->set && v[FIELD_EGRESS_ALLOW].items.n &&
	    strcmp(egress->items.v[0].text, "allow") != 0)
		return json_say(e, EINVAL, what, &at_egress, "\"%s\" contradicts egress.allow",
				egress->items.v[0].text);
	if (seccomp->set && strcmp(seccomp->items.v[0].text, "engine") != 0 &&
	    read_by_name(a, "seccomp/", seccomp->items.v[0].text, rootless, &ignored, &inner) < 0)
		return json_say(e, EINVAL, what, &at_seccomp, "%s", inner.text);
	if (v[FIELD_CREDENTIALS].items.n)
		return json_say(e, EINVAL, what, &at_credentials,
				"granting credentials is not supported yet");
	return 0;
}

int check_profile(struct arena *a, const struct value *v, const char *what, bool rootless,
		  struct err *e)
{
	const struct value *egress = &v[FIELD_EGRESS], *caps = &v[FIELD_CAPS];
	const struct json_path at = { .key = "caps" };

	for (size_t i = 0; i < caps->items.n; i++)
		if (capset_is_network_escape(caps->items.v[i].text) &&
		    !(egress->set && strcmp(egress->items.v[0].text, "open") == 0))
			return json_say(e, EINVAL, what, &at, "%s needs \"egress\": \"open\"",
					caps->items.v[i].text);
	return check_fields(a, v, what, rootless, e);
}

int check_host_policy(struct arena *a, const struct host_policy *h, bool rootless, struct err *e)
{
	const struct json_path at = { .key = "default_profile" };
	const struct item chosen = { .text = h->default_profile };
	struct json_text ignored = { 0 };
	struct err inner;

	if (chosen.text && strcmp(chosen.text, PROFILE_NONE) != 0 &&
	    read_by_name(a, "", chosen.text, rootless, &ignored, &inner) < 0)
		return json_say(e, EINVAL, h->path, &at, "%s", inner.text);
	if (chosen.text && !value_within(a, FIELD_PROFILE, &h->allow[FIELD_PROFILE], &chosen))
		return json_say(e, EINVAL, h->path, &at, "%s is not in allow.profile", chosen.text);
	return check_fields(a, h->require, arena_printf(a, "%s: require", h->path), rootless, e);
}

int policy_profile(struct arena *a, const char *name, bool rootless, const struct json **ret,
		   struct err *e)
{
	struct json_text text = { 0 };
	struct err inner;
	int r;

	if (grammar_name(name, &inner) < 0)
		return err_say(e, EINVAL, "profile \"%s\": %s", safe_text(a, name), inner.text);
	if ((r = read_by_name(a, "", name, rootless, &text, e)) < 0)
		return r;
	return json_parse(a, text.text, text.size, text.what, ret, e);
}

static int load_profile(struct arena *a, struct policy *p, bool rootless, struct err *e)
{
	struct json_text profile = { 0 };
	const struct json *tree;
	struct err inner;
	int r;

	if (grammar_name(p->profile, &inner) < 0)
		return err_say(e, EINVAL, "profile \"%s\" (%s): %s", safe_text(a, p->profile),
			       p->selected_by.text, inner.text);
	if (read_by_name(a, "", p->profile, rootless, &profile, e) < 0)
		return err_in(e, "profile %s (%s)", p->profile, p->selected_by.text);
	if ((r = json_parse(a, profile.text, profile.size, profile.what, &tree, e)) < 0)
		return r;
	p->profile_origin = (struct origin){ LAYER_PROFILE,
					     arena_printf(a, "profile %s", p->profile),
					     profile.what };
	if ((r = parse_profile(a, tree, profile.what, p->host.reasons_optional ? GRAMMAR_NO_REASON : 0,
			       &p->profile_origin, p->v, e)) < 0)
		return r;
	value_add(a, &p->v[FIELD_PROFILE], NULL, p->profile, &p->selected_by);
	p->v[FIELD_PROFILE].set = true;
	p->v[FIELD_PROFILE].from = &p->selected_by;
	return 0;
}

static int load_host_policy(struct arena *a, const struct policy_options *o, struct policy *p,
			    struct err *e)
{
	const char *path = o->host_policy ? o->host_policy : HOST_POLICY;
	/* whoever is bound must not own the bounds; yet a file that the rootless caller names on
	 * purpose may be its own */
	enum trust trust = !o->rootless ? TRUST_ROOT :
			   o->host_policy ? TRUST_SELF : TRUST_ROOT_MAPPED;
	struct json_text file = { 0 };
	const struct json *tree;
	int r;

	if ((r = read_file(a, path, trust, &file, e)) < 0)
		return r;
	if (file.text && (r = json_parse(a, file.text, file.size, file.what, &tree, e)) < 0)
		return r;
	if (file.text)
		return parse_host_policy(a, tree, file.what, &p->host, e);
	if (o->host_policy)
		return err_set(e, ENOENT, "%s", path);
	p->host.origin = (struct origin){ LAYER_HOST, "built-in ceiling", NULL };
	return 0;
}

int policy_load(struct arena *a, const struct spec *s, const struct policy_options *o,
		struct policy **ret, struct err *e)
{
	static const struct origin annotation = { LAYER_ANNOTATION, "annotation", NULL };
	struct policy *p = arena_new(a, struct policy);
	struct value asked[FIELD_COUNT] = { 0 };
	bool any = false, others = false;
	int r;

	p->rootless = o->rootless;
	if ((r = load_host_policy(a, o, p, e)) < 0 ||
	    (r = parse_annotations(a, s, &p->host, &annotation, asked, &any, e)) < 0)
		return r;
	for (int i = 0; i < FIELD_COUNT; i++)
		others |= i != FIELD_PROFILE && asked[i].set;
	select_profile(p, o, asked, any);
	if (strcmp(p->profile, PROFILE_NONE) == 0 && others && !asked[FIELD_PROFILE].set) {
		p->profile = "agent";
		p->selected_by = (struct origin){ LAYER_FALLBACK, "an io.agentrun annotation", NULL };
	}
	if (strcmp(p->profile, PROFILE_NONE) == 0) {
		if ((r = check_plain(a, p, others, e)) < 0)
			return r;
		*ret = NULL;
		return 0;
	}
	if ((r = load_profile(a, p, o->rootless, e)) < 0)
		return r;
	for (int i = 0; i < FIELD_COUNT; i++)
		if (i != FIELD_PROFILE)
			value_merge(a, (enum field_id)i, &p->v[i], &asked[i]);
	if ((r = settle_egress(a, p, e)) < 0 || (r = merge_fallbacks(a, p, e)) < 0)
		return r;
	for (int i = 0; i < FIELD_COUNT; i++)
		if ((r = check_ceiling(a, p, (enum field_id)i, e)) < 0)
			return r;
	if ((r = check_modes(a, p, e)) < 0)
		return r;
	for (int i = 0; i < FIELD_COUNT; i++) {
		if ((r = add_required(a, p, (enum field_id)i, e)) < 0)
			return r;
		fill_to_ceiling(a, p, (enum field_id)i);
	}
	if ((r = settle_egress(a, p, e)) < 0 || (r = check_credentials(a, p, e)) < 0 ||
	    (r = load_seccomp(a, p, o->rootless, e)) < 0)
		return r;
	add_engine_roots(a, p, o->rootless);
	*ret = p;
	return 0;
}
