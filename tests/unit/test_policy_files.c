/* SPDX-License-Identifier: Apache-2.0 */
/* policy: its files: profiles, host policies, and what must say the same as the table of fields. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "policy_ask.h"

Test(policy_files, files_that_others_may_write_are_refused)
{
	owned_arena a = ARENA_INIT;
	struct ask ask = { 0 };
	struct spec *s = make_spec(&a, &ask);
	char *path = temporary(&a, "{}");
	struct policy_options o = { "agent", path, false };
	struct policy *p;
	struct err e = { 0 };

	cr_assert_eq(chmod(path, 0602), 0);
	cr_expect(policy_load(&a, s, &o, &p, &e) < 0);
	cr_expect(strstr(e.text, "must not be writable by group or others (mode 0602)"), "%s", e.text);
	cr_assert_eq(chmod(path, 0620), 0);
	cr_expect(policy_load(&a, s, &o, &p, &e) < 0);
	cr_assert_eq(chmod(path, 0600), 0);
	if (geteuid() == 0) {
		cr_expect_eq(policy_load(&a, s, &o, &p, &e), 0, "%s", e.text);
		cr_assert_eq(chown(path, 1000, 0), 0);
		cr_expect(policy_load(&a, s, &o, &p, &e) < 0);
		cr_expect(strstr(e.text, "must be owned by root, not by uid 1000"), "%s", e.text);
		/* in a user namespace the host's root looks like nobody */
		cr_assert_eq(chown(path, OVERFLOW_UID, 0), 0);
		cr_expect(policy_load(&a, s, &o, &p, &e) < 0);
		o.rootless = true;
		cr_expect_eq(policy_load(&a, s, &o, &p, &e), 0, "%s", e.text);
		cr_assert_eq(chown(path, 1000, 0), 0);
		cr_expect(policy_load(&a, s, &o, &p, &e) < 0);
	}
	unlink(path);
	cr_expect_eq(policy_load(&a, s, &o, &p, &e), -ENOENT);
}

Test(policy_files, shipped_profiles_are_valid_and_built_in)
{
	static const char *const names[] = { "agent", "edit", "inspect", "install" };

	for (size_t i = 0; i < COUNT(names); i++) {
		owned_arena a = ARENA_INIT;
		char *file = arena_printf(&a, "%s.json", names[i]);
		char *path = arena_printf(&a, "profiles/%s", file);
		const char *kind = NULL;
		struct err e = { 0 };
		bool found = false;

		cr_expect_eq(policy_check_file(&a, source_path(&a, path), &kind, &e), 0, "%s", e.text);
		cr_expect(str_equal(kind, "profile"));
		for (const struct builtin_file *b = builtin_files; b->name; b++)
			if (strcmp(b->name, file) == 0) {
				found = true;
				cr_expect_eq(b->size, strlen(b->text));
				cr_expect_str_eq(b->text, read_source(&a, path));
			}
		cr_expect(found, "%s", file);
	}
}

/* `policy check` says what in the file itself would refuse every container. */
Test(policy_files, files_that_would_refuse_everything)
{
	static const struct { const char *text, *error; } rows[] = {
		{ "{'egress':'none','egress.allow':['203.0.113.1:443 (x)']}",
		  ": egress: \"none\" contradicts egress.allow" },
		{ "{'egress':'open','egress.allow':['203.0.113.1:443 (x)']}", "contradicts egress.allow" },
		{ "{'egress':'allow','egress.allow':['203.0.113.1:443 (x)']}", NULL },
		{ "{'egress.allow':['203.0.113.1:443 (x)']}", NULL },
		{ "{'caps':['NET_ADMIN']}", ": caps: CAP_NET_ADMIN needs \"egress\": \"open\"" },
		{ "{'caps':['CHOWN','NET_RAW'],'egress':'allow'}", "CAP_NET_RAW needs" },
		{ "{'caps':['NET_ADMIN'],'egress':'open'}", NULL },
		{ "{'caps':['CHOWN']}", NULL },
		{ "{'seccomp':'nosuch'}", ": seccomp: there is no nosuch.json in" },
		{ "{'seccomp':'agent-debug'}", NULL },
		{ "{'seccomp':'engine'}", NULL },
		{ "{'credentials':['x']}", ": credentials: granting credentials is not supported yet" },
		{ "{'profile':'agent'}", ": profile: is chosen elsewhere: by the annotation "
		  "io.agentrun.profile, --profile or default_profile" },
		{ "{'default_profile':'nosuch'}", ": default_profile: there is no nosuch.json in" },
		{ "{'default_profile':'none'}", NULL },
		{ "{'default_profile':'inspect','allow':{'profile':['agent']}}",
		  ": default_profile: inspect is not in allow.profile" },
		{ "{'default_profile':'inspect','allow':{'profile':['agent','inspect']}}", NULL },
		{ "{'require':{'profile':'agent'}}", ": profile: is chosen elsewhere" },
		{ "{'require':{'seccomp':'nosuch'}}", ": require: seccomp: there is no nosuch.json in" },
		{ "{'require':{'caps':['NET_ADMIN']}}", NULL },	/* it only takes away */
		{ "{'allow':{'label.task':'x'}}", "has no ceiling" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		owned_arena a = ARENA_INIT;
		char *path = temporary(&a, quoted(&a, rows[i].text));
		const char *kind = NULL;
		struct err e = { 0 };
		int r = policy_check_file(&a, path, &kind, &e);

		unlink(path);
		cr_expect_eq(r < 0, rows[i].error != NULL, "row %zu: %s", i, e.text);
		cr_expect(r >= 0 || !rows[i].error || strstr(e.text, rows[i].error), "row %zu: %s", i,
			  e.text);
	}
}

Test(policy_files, the_schema_file_is_the_tables)
{
	owned_arena a = ARENA_INIT;
	struct json_writer *w = json_writer_new(true);
	owned_str text = STR_INIT;

	policy_schema(w);
	json_writer_end(w, &text);
	cr_expect_str_eq(text.s, read_source(&a, "profiles/policy.schema.json"),
			 "agentrun policy schema > profiles/policy.schema.json");
}

/* man/agentrun-policy.5: each field's row, as the table has it. */
Test(policy_files, the_manual_lists_every_field)
{
	owned_arena a = ARENA_INIT;
	const char *page = read_source(&a, "man/agentrun-policy.5");

	for (int i = 0; i < FIELD_COUNT; i++) {
		const char *list = fields[i].list ? fields[i].replaces ? " (list, replaces)" :
							  " (list)" : "";
		char *row = arena_printf(&a, ".TP\n\\fB%s\\fR = \\fI%s\\fR%s\n", fields[i].name,
					 fields[i].syntax, list);
		const char *at = strstr(page, row);

		cr_expect(at, "man/agentrun-policy.5 lacks: %s", row);
		cr_expect(!at || str_has_prefix(at + strlen(row), fields[i].meaning),
			  "man/agentrun-policy.5, %s: should say: %s", fields[i].name,
			  fields[i].meaning);
		if (fields[i].fallback)
			cr_expect(!at || strstr(at, arena_printf(&a, "Default: %s.", fields[i].fallback)),
				  "man/agentrun-policy.5, %s: default %s", fields[i].name,
				  fields[i].fallback);
	}
}
