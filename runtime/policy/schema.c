/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON Schema of a profile and of the host policy, written from the table
 * of fields, so that editors know what the program knows.
 */
#include <assert.h>
#include <string.h>

#include "policy/internal.h"

/* How an item of each kind is written.  Patterns are looser than the grammar in places: what only
 * the program can tell (a mistyped address) is left to it. */
static const struct { const char *pattern; bool number; } kinds[] = {
	[KIND_NAME] = { "^[a-z0-9][a-z0-9_.-]{0,62}$", false },
	[KIND_ENUM] = { NULL, false },
	[KIND_CONTAINER_PATH] = { "^/", false },
	[KIND_RELATIVE_PATH] = { "^[^/]", false },
	[KIND_PATTERN] = { "^/?[^/]", false },
	[KIND_MOUNT] = { "^/[^:]*(:/[^:]*)?(:ro)?$", false },
	[KIND_EGRESS] = { "^(\\[[0-9a-fA-F:.]+(/[0-9]+)?\\]|[^\\s:\\[\\]()]+):[0-9]+(-[0-9]+)?"
			  "(/(udp|tcp))?\\s*(\\([^()]+\\))?$", false },
	[KIND_PORT] = { "^[1-9][0-9]{0,4}$", true },
	[KIND_ENV_NAME] = { "^[^\\s=\"\\\\/]+$", false },
	[KIND_CAP] = { "^([Cc][Aa][Pp]_)?[A-Za-z_]+$", false },
	[KIND_COUNT] = { "^[1-9][0-9]*$", true },
	[KIND_SIZE] = { "^[1-9][0-9]*[bkmgtBKMGT]?$", true },
	[KIND_CPU] = { "^[0-9]+(\\.[0-9]+)?$", true },
	[KIND_TIME] = { "^([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s?)?$", true },
	[KIND_LABEL] = { NULL, false },
};
static_assert(sizeof kinds / sizeof *kinds == KIND_MANY, "every kind has a row");

static void put_item(struct json_writer *w, const struct field *f)
{
	static const char *const either[] = { "string", "number", NULL };

	json_open(w);
	if (kinds[f->kind].number)
		json_field_list(w, "type", either);
	else
		json_field(w, "type", "string");
	if (f->kind == KIND_ENUM)
		json_field_list(w, "enum", f->values);
	if (kinds[f->kind].pattern)
		json_field(w, "pattern", kinds[f->kind].pattern);
	json_close(w);
}

/* Either an array of items or, as in an annotation, one text with commas. */
static void put_either(struct json_writer *w, const struct field *f, bool item_alone)
{
	json_key(w, "anyOf");
	json_open_array(w);
	json_open(w);
	json_field(w, "type", "array");
	json_key(w, "items");
	put_item(w, f);
	json_close(w);
	if (item_alone) {
		put_item(w, f);
	} else {
		json_open(w);
		json_field(w, "type", "string");
		json_field_u64(w, "minLength", 1);
		json_close(w);
	}
	json_close_array(w);
}

static void put_field(struct json_writer *w, const struct field *f, bool ceiling)
{
	bool one_of = ceiling && (f->ceiling == CEILING_ONE_OF || f->ceiling == CEILING_LOOSEST);

	json_open(w);
	json_field(w, "description", f->meaning);
	if (f->list || one_of) {
		put_either(w, f, !f->list);
	} else {
		json_key(w, "allOf");
		json_open_array(w);
		put_item(w, f);
		json_close_array(w);
	}
	if (f->fallback && !ceiling)
		json_field(w, "default", f->fallback);
	json_close(w);
}

static void put_annotations(struct json_writer *w)
{
	static const char *const texts[] = { "$schema", "description" };

	for (size_t i = 0; i < 2; i++) {
		json_key(w, texts[i]);
		json_open(w);
		json_field(w, "type", "string");
		json_close(w);
	}
}

/* The fields that a profile, `require` or `allow` may name. */
static void put_fields(struct json_writer *w, bool ceiling, bool profile_field)
{
	json_field(w, "type", "object");
	json_key(w, "properties");
	json_open(w);
	put_annotations(w);
	for (int i = 0; i < FIELD_LABEL; i++) {
		if ((i == FIELD_PROFILE && !profile_field) ||
		    (ceiling && fields[i].ceiling == CEILING_NONE))
			continue;
		json_key(w, fields[i].name);
		put_field(w, &fields[i], ceiling);
	}
	json_close(w);
	if (!ceiling) {
		json_key(w, "patternProperties");
		json_open(w);
		json_key(w, "^label\\.[A-Za-z0-9_.-]{1,63}$");
		json_open(w);
		json_field(w, "description", fields[FIELD_LABEL].meaning);
		json_field(w, "type", "string");
		json_field_u64(w, "maxLength", 1024);
		json_close(w);
		json_close(w);
	}
	json_field_bool(w, "additionalProperties", false);
}

static void put_typed(struct json_writer *w, const char *key, const char *type,
		      const char *description)
{
	json_key(w, key);
	json_open(w);
	json_field(w, "type", type);
	if (description)
		json_field(w, "description", description);
	json_close(w);
}

static void put_strings(struct json_writer *w, const char *key, const char *description,
			const char *const *values, const char *pattern)
{
	json_key(w, key);
	json_open(w);
	json_field(w, "description", description);
	json_field(w, "type", "array");
	json_key(w, "items");
	json_open(w);
	json_field(w, "type", "string");
	if (pattern)
		json_field(w, "pattern", pattern);
	if (values)
		json_field_list(w, "enum", values);
	json_close(w);
	json_close(w);
}

static void put_exceptions(struct json_writer *w)
{
	json_key(w, "exceptions");
	json_open(w);
	json_field(w, "description", "what is refused under every policy, and may be had here");
	json_field(w, "type", "object");
	json_key(w, "properties");
	json_open(w);
	put_typed(w, "privileged", "boolean", "--privileged and capabilities beyond caps");
	put_strings(w, "namespaces", "namespaces of the host's", exception_namespaces, NULL);
	put_strings(w, "devices", "paths of devices", NULL, "^/");
	put_strings(w, "sources", "sources of mounts, and sockets", NULL, "^/");
	json_close(w);
	json_field_bool(w, "additionalProperties", false);
	json_close(w);
}

static void put_hooks(struct json_writer *w)
{
	static const char *const required[] = { "path", NULL };

	json_key(w, "audit.hooks");
	json_open(w);
	json_field(w, "description", "programs that get audit records on their standard input");
	json_field(w, "type", "array");
	json_key(w, "items");
	json_open(w);
	json_field(w, "type", "object");
	json_key(w, "properties");
	json_open(w);
	put_typed(w, "path", "string", "absolute path of the program");
	put_strings(w, "args", "its arguments, without its name", NULL, NULL);
	put_strings(w, "events", "which records; default: create and delete", audit_events, NULL);
	json_key(w, "timeout");
	json_open(w);
	json_field(w, "type", "integer");
	json_field_u64(w, "minimum", 1);
	json_field_u64(w, "maximum", 3600);
	json_close(w);
	put_typed(w, "required", "boolean", "where it fails, so does the command (create, start, exec, delete)");
	json_close(w);
	json_field_list(w, "required", required);
	json_field_bool(w, "additionalProperties", false);
	json_close(w);
	json_close(w);
}

static void put_host(struct json_writer *w)
{
	static const char *const reasons[] = { "required", "optional", NULL };

	json_field(w, "type", "object");
	json_key(w, "properties");
	json_open(w);
	put_annotations(w);
	json_key(w, "default_profile");
	json_open(w);
	json_field(w, "description", "profile of containers that name none");
	json_field(w, "type", "string");
	json_field(w, "pattern", kinds[KIND_NAME].pattern);
	json_close(w);
	json_key(w, "allow");
	json_open(w);
	json_field(w, "description", "ceilings: what asks for more is refused");
	put_fields(w, true, true);
	json_close(w);
	json_key(w, "require");
	json_open(w);
	json_field(w, "description", "what is added to every policy");
	put_fields(w, false, false);
	json_close(w);
	put_exceptions(w);
	put_strings(w, "engine_roots", "data directories of engines besides the usual ones", NULL, "^/");
	json_key(w, "egress.reasons");
	json_open(w);
	json_field(w, "description", "whether destinations need a (reason)");
	json_field_list(w, "enum", reasons);
	json_close(w);
	put_hooks(w);
	put_typed(w, "credentials", "object", "grants by name (not supported yet)");
	json_close(w);
	json_field_bool(w, "additionalProperties", false);
}

void policy_schema(struct json_writer *w)
{
	json_open(w);
	json_field(w, "$schema", "https://json-schema.org/draft/2020-12/schema");
	json_field(w, "title", "agentrun policy");
	json_field(w, "description", "a policy profile, or the host policy " HOST_POLICY);
	json_key(w, "anyOf");
	json_open_array(w);
	json_open(w);
	json_field(w, "$ref", "#/$defs/profile");
	json_close(w);
	json_open(w);
	json_field(w, "$ref", "#/$defs/host");
	json_close(w);
	json_close_array(w);
	json_key(w, "$defs");
	json_open(w);
	json_key(w, "profile");
	json_open(w);
	put_fields(w, false, false);
	json_close(w);
	json_key(w, "host");
	json_open(w);
	put_host(w);
	json_close(w);
	json_close(w);
	json_close(w);
}
