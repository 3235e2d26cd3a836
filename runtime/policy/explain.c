/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a policy makes of a bundle, for people and for programs; and the check
 * of a policy file.  It shows the results of the code that create runs, and
 * decides nothing itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "policy/internal.h"

/* The field's origin; a list that several layers fill has several. */
static void put_origin(const struct value *v, struct str *out)
{
	const struct origin *last = NULL;
	bool first = true;

	for (size_t i = 0; i < v->items.n; i++) {
		const struct origin *from = v->items.v[i].from;

		if (from == last)
			continue;
		str_printf(out, "%s%s", first ? "" : ", ", from->text);
		first = false;
		last = from;
	}
	if (first && v->from)
		str_puts(out, v->from->text);
}

static void put_fields(const struct policy *p, struct str *out)
{
	for (int i = 0; i < FIELD_COUNT; i++) {
		const struct value *v = &p->v[i];

		if (i == FIELD_PROFILE || (!v->items.n && !v->set))
			continue;
		str_printf(out, "  %-16s ", fields[i].name);
		value_put(v, out);
		str_puts(out, "  [");
		put_origin(v, out);
		str_puts(out, "]\n");
	}
}

static void put_list(const char *title, const struct strv *list, struct str *out)
{
	if (!list->n)
		return;
	str_printf(out, "%s\n", title);
	for (size_t i = 0; i < list->n; i++) {
		str_puts(out, "  ");
		str_put_safe(out, list->v[i], 1000);
		str_puts(out, "\n");
	}
}

static void put_mounts(const struct spec *in, const struct spec *out_spec, struct str *out)
{
	str_puts(out, "Mounts:\n");
	for (size_t i = 0; i < out_spec->mounts.n; i++) {
		const struct spec_mount *m = &out_spec->mounts.v[i];
		bool workspace = out_spec->agent->workspace &&
				 m->destination == out_spec->agent->workspace->destination;

		str_puts(out, "  ");
		str_put_safe(out, m->destination, 300);
		str_puts(out, "  ");
		str_put_safe(out, m->source ? m->source : "-", 300);
		str_puts(out, "  ");
		for (size_t k = 0; k < m->options.n; k++) {
			const char *mark = i < in->mounts.n &&
				strv_find(&in->mounts.v[i].options, m->options.v[k]) < 0 ? "+" : "";

			str_printf(out, "%s%s", k ? "," : "", mark);
			str_put_safe(out, m->options.v[k], 100);
		}
		str_puts(out, workspace ? "  (workspace)\n" : "\n");
	}
}

void policy_explain(const struct policy *p, const struct spec *in, const struct spec *out,
		    struct str *text)
{
	const struct spec_agent *agent = out->agent;

	str_printf(text, "Profile: %s (%s; chosen by %s)\n", p->profile, p->profile_origin.file,
		   p->selected_by.text);
	str_printf(text, "Host policy: %s\n", p->host.path ? p->host.path : "none (built-in ceiling)");
	str_puts(text, "Fields:\n");
	put_fields(p, text);
	str_puts(text, "Workspace: ");
	if (agent->workspace) {
		str_put_safe(text, agent->workspace->destination, 300);
		str_puts(text, " (");
		str_put_safe(text, agent->workspace->source, 300);
		str_printf(text, "), %s\n", agent->workspace->mode);
	} else {
		str_puts(text, "none\n");
	}
	put_mounts(in, out, text);
	put_list("Changes to what the engine asked for:", &agent->changes, text);
	if (!agent->changes.n)
		str_puts(text, "Changes to what the engine asked for: none\n");
	str_printf(text, "Network policy digest: %s\n", agent->policy_digest);
}

static void write_field(const struct policy *p, enum field_id id, struct json_writer *w)
{
	const struct value *v = &p->v[id];

	json_key(w, fields[id].name);
	json_open(w);
	json_key(w, "value");
	if (id == FIELD_LABEL) {
		json_open(w);
		for (size_t i = 0; i < v->items.n; i++)
			json_field(w, v->items.v[i].key, v->items.v[i].text);
		json_close(w);
	} else if (fields[id].list) {
		json_open_array(w);
		for (size_t i = 0; i < v->items.n; i++)
			json_put_string(w, v->items.v[i].text);
		json_close_array(w);
	} else {
		json_put_string(w, v->items.n ? v->items.v[0].text : NULL);
	}
	json_key(w, "from");
	json_open_array(w);
	for (size_t i = 0; i < v->items.n; i++)
		if (i == 0 || v->items.v[i].from != v->items.v[i - 1].from)
			json_put_string(w, v->items.v[i].from->text);
	json_close_array(w);
	json_close(w);
}

void policy_explain_json(const struct policy *p, const struct spec *out, struct json_writer *w)
{
	json_open(w);
	json_field(w, "profile", p->profile);
	json_field(w, "profileFile", p->profile_origin.file);
	json_field(w, "chosenBy", p->selected_by.text);
	json_field(w, "hostPolicy", p->host.path);
	json_key(w, "fields");
	json_open(w);
	for (int i = 0; i < FIELD_COUNT; i++)
		if (p->v[i].set)
			write_field(p, (enum field_id)i, w);
	json_close(w);
	json_field_strv(w, "changes", &out->agent->changes);
	json_key(w, "spec");
	spec_write(out, w);
	json_close(w);
}

/* A member that only a host policy has. */
static bool is_host_policy(const struct json *tree)
{
	static const char *const members[] = { "allow", "require", "exceptions", "engine_roots",
					       "default_profile", "audit.hooks", "egress.reasons" };

	for (size_t i = 0; i < sizeof members / sizeof *members; i++)
		if (json_get(tree, members[i]))
			return true;
	/* "credentials" are a field of a profile (names), and definitions (an object) here */
	return json_get(tree, "credentials") && json_get(tree, "credentials")->type == JSON_OBJECT;
}

int policy_check_file(struct arena *a, const char *path, const char **ret_kind, struct err *e)
{
	const struct origin from = { LAYER_PROFILE, "profile", path };
	struct value values[FIELD_COUNT] = { 0 };
	struct host_policy host = { 0 };
	const bool rootless = geteuid() != 0;
	const struct json *tree;
	int r;

	if ((r = json_read_file(a, AT_FDCWD, path, &tree, e)) < 0)
		return r;
	if (is_host_policy(tree)) {
		if ((r = parse_host_policy(a, tree, path, &host, e)) < 0 ||
		    (r = check_host_policy(a, &host, rootless, e)) < 0)
			return r;
		*ret_kind = "host policy";
		return 0;
	}
	if ((r = parse_profile(a, tree, path, 0, &from, values, e)) < 0 ||
	    (r = check_profile(a, values, path, rootless, e)) < 0)
		return r;
	*ret_kind = "profile";
	return 0;
}
