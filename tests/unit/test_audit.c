/* SPDX-License-Identifier: Apache-2.0 */
/* audit: hostile texts and secrets in records (THREATS F5), what is not known; and the report. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "audit/record.h"
#include "audit/redact.h"
#include "audit/sessions.h"
#include "base/json.h"
#include "audit_lines.h"

TestSuite(audit, .init = set_up, .fini = tear_down);

/* ---- F5: hostile texts ---- */

static const struct json *record_of(const struct str *line)
{
	const struct json *tree;
	struct err e;

	cr_assert(line->len <= AUDIT_LINE_MOST, "%zu bytes", line->len);
	cr_assert(memchr(line->s, '\n', line->len) == line->s + line->len - 1);
	cr_assert(json_parse(&arena, line->s, line->len, "line", &tree, &e) == 0, "%s", e.text);
	return tree;
}

static const struct json *exec_record(const struct strv *args)
{
	const struct audit_exec x = { .process = { .args = args, .cwd = "/", .pid = 7 } };
	const struct audit_frame frame = { .session = "s", .event = "exec" };
	owned_str members = STR_INIT;
	owned_str line = STR_INIT;
	struct err e;

	audit_record_exec(&x, &members);
	cr_assert(audit_append(dir, &frame, &members, &line, &e) == 0, "%s", e.text);
	return record_of(&line);
}

Test(audit, F5_hostile_arguments_make_one_valid_line)
{
	static const struct {
		const char *arg, *recorded;
	} rows[] = {
		{ "a\"b\\c", "a\"b\\c" },
		{ "two\nlines\r", "two\nlines\r" },
		{ "\x1b[2J\x1b]0;t\a", "\x1b[2J\x1b]0;t\a" },
		{ "\xff\xfe|", "\xef\xbf\xbd\xef\xbf\xbd|" },
		{ "\xc3", "\xef\xbf\xbd" },
		{ "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f" },
		{ "\",\"event\":\"delete\"}\n{", "\",\"event\":\"delete\"}\n{" },
		{ "", "" },
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct strv args = { 0 };
		const struct json *list;

		strv_add(&arena, &args, rows[i].arg);
		list = json_get(exec_record(&args), "process.command_args");
		cr_assert(list && list->n == 1);
		cr_expect(eq(str, (char *)list->items[0]->text, (char *)rows[i].recorded), "%zu", i);
	}
	cr_expect(verify().bad_seq == 0, "%s", verify().reason);
}

Test(audit, F5_what_is_too_long_is_cut_and_said)
{
	char *mega = must(malloc((1 << 20) + 1));
	struct strv one = { 0 }, many_args = { 0 };
	const struct json *record, *args, *notes;

	for (size_t i = 0; i < 1 << 20; i += 2)
		memcpy(mega + i, "\xc3\xa4", 2);
	mega[1 << 20] = 0;
	strv_add(&arena, &one, "sh");
	strv_add(&arena, &one, mega);
	record = exec_record(&one);
	args = json_get(record, "process.command_args");
	notes = json_get(record, "truncated");
	cr_assert(args && args->n == 2 && notes && notes->n == 1);
	cr_expect(eq(str, (char *)args->items[0]->text, "sh"));
	cr_expect(strlen(args->items[1]->text) > 1000);
	cr_expect(str_has_suffix(args->items[1]->text, "\xc3\xa4..."));
	cr_expect(strstr(notes->items[0]->text, "[\"process.command_args\"][1]: ") != NULL, "%s",
		  notes->items[0]->text);

	for (int i = 0; i < 100000; i++)
		strv_add(&arena, &many_args, "argument");
	record = exec_record(&many_args);
	args = json_get(record, "process.command_args");
	notes = json_get(record, "truncated");
	cr_assert(args && args->n > 100 && args->n < 100000 && notes && notes->n == 1);
	cr_expect(strstr(notes->items[0]->text, "more items") != NULL);
	/* the rest is whole */
	cr_expect(eq(str, (char *)json_get_text(record, "process.working_directory"), "/"));
	cr_expect(verify().bad_seq == 0, "%s", verify().reason);
	free(mega);
}

Test(audit, F5_a_page_is_safe_on_a_terminal)
{
	static const char *const names[] = { NULL, "s" };
	struct strv args = { 0 };
	struct err e;

	strv_add(&arena, &args, "\x1b[2J\x1b]0;title\a\xc2\x9b" "31m\r\n\xe2\x80\xaetxt.exe\x7f");
	exec_record(&args);
	cr_assert(append_text("s", "delete", "x", NULL, &e) == 0);
	for (size_t i = 0; i < 2; i++) {
		owned_str text = STR_INIT;

		cr_assert(audit_show(dir, names[i], NULL, &text, &e) == 0, "%s", e.text);
		for (size_t k = 0; k < text.len; k++)
			cr_assert(text.s[k] == '\n' ||
				  ((unsigned char)text.s[k] >= 0x20 && text.s[k] != 0x7f),
				  "%zu: \\x%02x", i, text.s[k]);
		cr_expect(strstr(text.s, "\xc2\x9b") == NULL);
		cr_expect(strstr(text.s, "\xe2\x80\xae") == NULL);
	}
}

/* ---- secrets ---- */

#define TOKEN "ghp_0123456789abcdefghij0123456789abcdef"

Test(audit, secrets_do_not_reach_a_record)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{ TOKEN, "[redacted]" },
		{ "x " TOKEN " y", "x [redacted] y" },
		{ "GITHUB_TOKEN=abc make", "GITHUB_TOKEN=[redacted] make" },
		{ "export DB_PASSWORD='a b c'; ls", "export DB_PASSWORD=[redacted]; ls" },
		{ "--api-key=abc", "--api-key=[redacted]" },
		{ "{\"password\": \"abc\", \"a\": 1}", "{\"password\": [redacted], \"a\": 1}" },
		{ "https://user:pw@host/path", "https://user:[redacted]@host/path" },
		{ "https://" "tok@host", "https://[redacted]@host" },
		{ "Authorization: Bearer abc.def", "Authorization: Bearer [redacted]" },
		{ "-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY----- x",
		  "[redacted] x" },
		{ "AKIAIOSFODNN7EXAMPLE", "[redacted]" },
		{ "xxAKIAIOSFODNN7EXAMPLE", "xxAKIAIOSFODNN7EXAMPLE" },
		{ "PWD=/work", "PWD=/work" },
		{ "https://host:8080/path?a=b", "https://host:8080/path?a=b" },
		{ "git commit -m 'fix the token parser'", "git commit -m 'fix the token parser'" },
		{ "mask-detector sk-1", "mask-detector sk-1" },
		{ "a=b --tokens", "a=b --tokens" },
		{ "curl -u me:abc h", "curl -u me:[redacted] h" },
		{ "curl -ume:abc; id -u me:abc", "curl -ume:[redacted]; id -u me:[redacted]" },
		{ "sudo -u me:abc", "sudo -u me:abc" },
		{ "docker run -u 1000:1000 -p 80:80 x", "docker run -u 1000:1000 -p 80:80 x" },
		{ "docker login -p abc", "docker login -p [redacted]" },
		{ "tool --password 'a b' c", "tool --password [redacted] c" },
		{ "tool --password -v", "tool --password -v" },
		{ "curl -u 'me:a b' h", "curl -u me:[redacted] h" },
		{ "mysql -p'a b' -u x", "mysql -p[redacted] -u x" },
		{ "xoxb-123456789a", "[redacted]" },	/* none is shorter */
		{ "mysql -psecret x", "mysql -p[redacted] [redacted]" },
		{ "mysqldump -ppassword --opt x", "mysqldump -p[redacted] --opt x" },
		{ "sshpass -ptoken ssh x", "sshpass -p[redacted] [redacted] x" },
		{ "bash -c \"sshpass -p abc ssh\"; x", "bash -c \"sshpass -p [redacted] ssh\"; x" },
		{ "TOKEN='a'b c", "TOKEN=[redacted] c" },
		{ "curl -u " TOKEN ":abc h", "curl -u [redacted]:[redacted] h" },
		{ "/usr/bin/mysql -pabc -p x", "/usr/bin/mysql -p[redacted] -p x" },
		{ "aws configure set aws_secret_access_key abc", "aws configure set aws_secret_access_key "
		  "[redacted]" },
		{ "api_key = 'abc'", "api_key = [redacted]" },
		{ "if token == abc", "if token == abc" },
		{ "Cookie: a=b; c=d\nHost: x", "Cookie: [redacted]\nHost: x" },
		{ "https://h/?a=b&key=abc&c=d", "https://h/?a=b&key=[redacted]&c=d" },
		{ "key=abc", "key=abc" },
		{ "", "" },
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		owned_str out = STR_INIT;

		redact_text(rows[i].in, &out);
		cr_expect(eq(str, out.s, (char *)rows[i].out), "\"%s\"", rows[i].in);
	}
}

Test(audit, the_argument_after_a_secret_option_is_hidden)
{
	struct strv args = { 0 }, out;
	static const char *const in[] = { "login", "--password", "hunter2", "--token", "-v", "me",
					  "curl", "-u", "me:hunter2", "-u", "me", "-u", "1:2" };

	for (size_t i = 0; i < sizeof in / sizeof *in; i++)
		strv_add(&arena, &args, in[i]);
	out = redact_args(&arena, &args);
	cr_assert(out.n == sizeof in / sizeof *in);
	cr_expect(eq(str, out.v[8], "me:[redacted]"));
	cr_expect(eq(str, out.v[10], "me"));
	cr_expect(eq(str, out.v[12], "1:2"));
	cr_expect(eq(str, out.v[2], "[redacted]"));
	cr_expect(eq(str, out.v[4], "-v"));
	cr_expect(eq(str, out.v[5], "me"));
}

/* Both are searched in tables that have to be sorted. */
Test(audit, every_program_and_every_kind_of_token_is_known)
{
	static const char *const programs[][2] = {
		{ "7z", "-pabc" }, { "7za", "-pabc" }, { "curl", "-uu:abc" }, { "ldapadd", "-wabc" },
		{ "ldapdelete", "-wabc" }, { "ldapmodify", "-wabc" }, { "ldapsearch", "-wabc" },
		{ "login", "-pabc" }, { "mariadb", "-pabc" }, { "mariadb-dump", "-pabc" },
		{ "mount.cifs", "-Uu%abc" }, { "mysql", "-pabc" }, { "mysql", "-pabcpassword" },
		{ "mysqladmin", "-pabc" }, { "mysqldump", "-pabc" }, { "rar", "-pabc" }, { "smbclient", "-Uu%abc" },
		{ "sshpass", "-pabc" }, { "unrar", "-pabc" }, { "unzip", "-Pabc" }, { "zip", "-Pabc" },
		{ "http", "-au:abc" }, { "https", "-au:abc" }, { "xh", "-au:abc" }, { "ssh-keygen", "-Nabc" },
		{ "mongo", "-pabc" }, { "mongosh", "-pabc" }, { "mongodump", "-pabc" },
		{ "mongorestore", "-pabc" }, { "twine", "-pabc" }, { "sqlcmd", "-Pabc" }, { "mosquitto_pub", "-Pabc" },
		{ "mosquitto_sub", "-Pabc" },
	};
	static const char *const tokens[] = {
		"AGE-SECRET-KEY-1", "AIza", "AKIA", "ASIA", "ATATT3", "LS0tLS1CRUdJTi", "SG.", "ctx7sk-",
		"dckr_pat_", "dop_v1_", "gho_", "ghp_", "ghr_", "ghs_", "ghu_", "github_pat_", "glcbt-",
		"gldt-", "glpat-", "glptt-", "glrt-", "gsk_", "hf_", "hvb.", "hvs.", "lin_api_", "npm_",
		"pplx-", "pypi-", "rk_live_", "secret_", "shpat_", "sk-", "sk_live_", "sk_test_", "xapp-",
		"xoxa-", "xoxb-", "xoxe-", "xoxp-", "xoxr-", "xoxs-", "ya29.",
	};

	for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) {
		struct strv args = { 0 }, out;

		strv_add(&arena, &args, programs[i][0]);
		strv_add(&arena, &args, programs[i][1]);
		out = redact_args(&arena, &args);
		cr_expect(strstr(out.v[1], "abc") == NULL, "%s", programs[i][0]);
	}
	for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++) {
		owned_str out = STR_INIT;

		redact_text(arena_printf(&arena, "/x/%s%048d", tokens[i], 0), &out);
		cr_expect(eq(str, out.s, (char *)"/x/[redacted]"), "%s", tokens[i]);
	}
}

/* ---- the report ---- */

static void record_container(void)
{
	struct strv args = { 0 }, dropped = { 0 }, guard = { 0 };
	struct kvs labels = { 0 };
	const struct audit_egress_rule rule = { .host = "api.example.com", .port_first = 443,
		.port_last = 443, .protocol = "tcp", .reason = "the model" };
	struct audit_policy policy = { .profile = "agent", .digest = "d", .egress = "allow",
		.egress_rules = &rule, .n_egress_rules = 1, .env = "scrub",
		.workspace_source = "/srv/w", .workspace_destination = "/w", .workspace_mode = "rw",
		.no_new_privileges = true, .seccomp = "agent" };
	const struct audit_mount mount = { "/srv/data", "/data", false };
	struct audit_create create = { .version = "1", .process = { .cwd = "/w", .uid = 1000 },
		.mounts = &mount, .n_mounts = 1, .policy = &policy };
	const struct audit_destination denied = { "denied", "169.254.169.254", "tcp", 80, 3, 180 };
	const struct audit_network network = { &denied, 1, .denied_packets = 3, .truncated = true };
	struct audit_delete delete = { .exit_code = 7, .exit_signal = -1, .duration_ns = 1500000000,
		.cpu_usec = 250000, .memory_peak = 1 << 20, .io_read_bytes = -1, .network = &network };
	struct audit_frame frame = { .session = "01s", .container = "web1", .event = "create",
				     .durable = true };
	owned_str members = STR_INIT;
	struct err e;

	strv_add(&arena, &args, "npm");
	strv_add(&arena, &args, "run build");
	strv_add(&arena, &dropped, "GITHUB_TOKEN");
	strv_add(&arena, &guard, ".git/hooks");
	kvs_add(&arena, &labels, "task", "issue 7");
	create.process.args = &args;
	policy.env_dropped = &dropped;
	policy.workspace_guard = &guard;
	policy.labels = &labels;
	audit_record_create(&create, &members);
	cr_assert(audit_append(dir, &frame, &members, NULL, &e) == 0, "%s", e.text);
	members.len = 0;
	audit_record_delete(&delete, &members);
	frame.event = "delete";
	frame.once = true;
	cr_assert(audit_append(dir, &frame, &members, NULL, &e) == 0, "%s", e.text);
	members.len = 0;
	audit_record_hook(&(struct audit_hook){ "/usr/bin/hook", "delete", "failed", "exit 3", false },
			  &members);
	frame.event = "hook";
	frame.once = false;
	cr_assert(audit_append(dir, &frame, &members, NULL, &e) == 0, "%s", e.text);
}

Test(audit, the_page_says_what_a_reviewer_asks)
{
	static const char *const parts[] = {
		"Session 01s, container web1", "npm \"run build\"", "uid 1000",
		"/srv/w -> /w (rw)", ".git/hooks", "/srv/data -> /data (read-only)",
		"tcp api.example.com port 443: the model", "dropped: GITHUB_TOKEN",
		"no new privileges", "task: issue 7", "code 7", "1.500 s",
		"tcp 169.254.169.254 port 80: 3 packets, 180 bytes", "TRUNCATED",
		"0.250 s", "1.0 MiB", "unknown", "shell built-ins",
		"/usr/bin/hook at delete: exit 3",
	};
	static const char *const names[] = { "01s", "web1", "web", "0" };
	struct err e;

	record_container();
	for (size_t n = 0; n < 4; n++) {
		owned_str text = STR_INIT;

		cr_assert(audit_show(dir, names[n], NULL, &text, &e) == 0, "%s", e.text);
		for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
			cr_expect(strstr(text.s, parts[i]) != NULL, "%s in\n%s", parts[i], text.s);
	}
}

/* The members of a record as a tree. */
static const struct json *tree_of(struct str *members)
{
	const struct json *tree;
	struct err e;

	cr_assert(json_parse(&arena, members->s, members->len, "members", &tree, &e) == 0, "%s",
		  e.text);
	str_free(members);
	return tree;
}

Test(audit, a_command_record_says_what_is_not_known)
{
	struct audit_command c = { .pid = 7, .parent_pid = -1, .executable = "/bin/sh",
		.start_ns = 1700000000000000042, .duration_ns = -1, .exit_code = -1, .exit_signal = 9 };
	struct audit_command_records records = { .source = "bpf" };
	struct strv args = { 0 };
	const struct json *j, *list;

	strv_add(&arena, &args, "sh");
	strv_add(&arena, &args, "--token=" TOKEN);
	c.args = &args;
	cr_expect(not(audit_record_commands_end(&records)));
	cr_expect(not(audit_record_command(&records, &c)));
	c.start_ns += 1000000000 - 42 + 100200300;
	cr_expect(not(audit_record_command(&records, &c)));
	c.start_ns--;
	cr_expect(not(audit_record_command(&records, &c)));
	c.start_ns = 0;
	cr_expect(not(audit_record_command(&records, &c)));
	cr_assert(audit_record_commands_end(&records));
	j = tree_of(&records.members);
	cr_expect(eq(str, (char *)json_get_text(j, "source"), "bpf"));
	list = json_get(j, "executions");
	cr_assert(list->n == 4);
	cr_expect(eq(str, (char *)json_get_text(list->items[1], "start_time"),
		     "2023-11-14T22:13:21.100200300Z"));
	cr_expect(eq(str, (char *)json_get_text(list->items[2], "start_time"),
		     "2023-11-14T22:13:21.100200299Z"));
	j = list->items[0];
	cr_expect(eq(str, (char *)json_get_text(j, "start_time"), "2023-11-14T22:13:20.000000042Z"));
	cr_expect(eq(str, (char *)json_get(j, "process.command_args")->items[1]->text,
		     "--token=[redacted]"));
	cr_expect(json_get(j, "process.exit.code")->type == JSON_NULL);
	cr_expect(json_get(j, "duration_ns")->type == JSON_NULL);
	cr_expect(json_get(j, "process.parent_pid")->type == JSON_NULL);
	cr_expect(json_get(j, "process.working_directory") == NULL);
	cr_expect(json_get(list->items[3], "start_time")->type == JSON_NULL);
}

/* The longest commands that a log keeps, in each way to be long, are recorded whole: none makes its record
 * one that is cut. */
Test(audit, F5_no_command_makes_its_record_too_long)
{
	/* n arguments that begin so and go on so, of so many bytes each */
	static const struct { size_t n; const char *first; char more; size_t size; } longest[] = {
		{ 4096, "", 0, 0 }, { 1, "", 1, 4095 }, { 2048, "", 1, 1 }, { 1, "", (char)0xff, 4095 },
		{ 819, "://a@", 0, 5 }, { 1, "token=", 'x', 4095 }, { 512, "token=", 'x', 7 },
	};
	const struct audit_frame frame = { .session = "s", .container = "box", .event = "commands" };
	char path[512] = "", arg[4096];

	memset(path, 1, sizeof path - 1);
	for (size_t i = 0; i < sizeof longest / sizeof *longest; i++) {
		struct audit_command_records records = { .source = "bpf" };
		struct strv args = { 0 };
		size_t put = 0, listed = 0;

		memset(arg, longest[i].more, sizeof arg);
		memcpy(arg, longest[i].first, strlen(longest[i].first));
		arg[longest[i].size] = 0;
		for (size_t k = 0; k < longest[i].n; k++)
			strv_add(&arena, &args, arg);
		for (size_t full = 0; full < 3;) {
			const struct audit_command c = { .executable = path, .args = &args };
			owned_str line = STR_INIT;
			struct err e;

			put++;
			if (!audit_record_command(&records, &c))
				continue;
			full++;
			cr_assert(audit_unlogged(&frame, &records.members, &line, &e) == 0, "%s", e.text);
			cr_expect(json_get(tree_of(&line), "truncated") == NULL, "%zu: %zu bytes", i,
				  records.members.len);
			listed += json_get(tree_of(&records.members), "executions")->n;
		}
		cr_expect(listed == put && put > 3);
	}
}

/* However many files an agent changes, the rest of its delete record stays. */
Test(audit, F5_too_many_changes_leave_the_record_whole)
{
	enum { MANY = 40000 };
	struct audit_change *changes = arena_array(&arena, struct audit_change, MANY);
	const struct audit_files files = { .source = "overlay", .changes = changes, .n = MANY };
	struct audit_frame frame = { .session = "s", .event = "delete" };
	owned_str members = STR_INIT, line = STR_INIT;
	const struct json *record, *listed, *told;
	uint64_t omitted;
	struct err e;

	for (size_t i = 0; i < MANY; i++)
		changes[i] = (struct audit_change){ .path = arena_printf(&arena, "%0*zu", 255, i),
						    .kind = i % 4 ? "added" : "mode", .sha256 = "" };
	changes[MANY - 1].runs = "a git hook";
	audit_record_delete(&(struct audit_delete){ .exit_code = 7, .exit_signal = -1, .files = &files },
			    &members);
	cr_assert(audit_append(dir, &frame, &members, &line, &e) == 0, "%s", e.text);
	cr_expect(line.len <= AUDIT_LINE_MOST);
	record = record_of(&line);
	cr_expect(get_number(record, "process.exit.code", NULL) == 7);
	told = json_get(record, "files");
	listed = json_get(told, "changes");
	omitted = get_number(told, "omitted", NULL);
	cr_expect(get_number(told, "added", NULL) == MANY / 4 * 3);
	cr_expect(get_number(told, "mode", NULL) == MANY / 4);
	cr_assert(listed && listed->n > 50 && omitted > MANY / 2 && omitted < MANY);
	cr_expect(eq(str, (char *)json_get_text(listed->items[0], "runs"), "a git hook"));
	cr_expect(json_get(record, "truncated")->n > 0);
}

Test(audit, what_a_delete_record_cannot_see_depends_on_what_was_watched)
{
	static const struct audit_commands bpf = { .source = "bpf" }, acct = { .source = "acct" },
					   none = { .reason = "no right" };
	static const struct audit_files files = { .source = "overlay" }, in_place = { .source = "statx" };
	static const struct {
		const struct audit_commands *commands;
		const struct audit_files *files;
		const char *said, *not_said;
	} rows[] = {
		{ NULL, NULL, "started themselves", "arguments" },
		{ &none, NULL, "started themselves", "arguments" },
		{ &bpf, NULL, "which files were changed", "started themselves" },
		{ &bpf, &files, "shell built-ins", "which files" },
		{ &acct, &files, "arguments of commands", "started themselves" },
		{ &bpf, &in_place, "who changed the files", "which files" },
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		owned_str members = STR_INIT;

		audit_record_delete(&(struct audit_delete){ .commands = rows[i].commands,
							    .files = rows[i].files }, &members);
		cr_expect(strstr(members.s, rows[i].said) != NULL, "%zu: %s", i, members.s);
		cr_expect(strstr(members.s, rows[i].not_said) == NULL, "%zu: %s", i, members.s);
	}
}

Test(audit, which_session_is_meant)
{
	static const struct {
		const char *name;
		int r;
	} rows[] = { { "a", 0 }, { "c", 0 }, { "b", 0 }, { "z", -ENOENT }, { "", -ENOENT },
		     { "long", -EINVAL }, { "long1", 0 } };

	fill();
	append("long1", "create");
	append("long2", "create");
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		owned_str text = STR_INIT;
		struct err e;

		cr_expect(audit_show_json(dir, rows[i].name, &text, &e) == rows[i].r, "\"%s\"",
			  rows[i].name);
	}
}

Test(audit, the_log_that_is_not_there)
{
	struct audit_verdict v;
	owned_str text = STR_INIT;
	struct err e;

	cr_expect(audit_verify(dir, NULL, &v, &e) == -ENOENT);
	cr_expect(audit_show(dir, "a", NULL, &text, &e) == -ENOENT);
	cr_expect(strstr(e.text, dir) != NULL);
	cr_expect(audit_list_json(dir, &text, &e) == 0 && text.len == 0);
	cr_expect(audit_list(dir, &text, &e) == 0);
	cr_expect(strchr(str_text(&text), '\n') == str_text(&text) + text.len - 1, "its heading only");
}

Test(audit, the_directory_of_each_user)
{
	char *path;
	struct err e;

	cr_assert(audit_directory(&arena, false, &path, &e) == 0);
	cr_expect(eq(str, path, "/var/log/agentrun"));
	setenv("XDG_STATE_HOME", "/x/state", 1);
	setenv("HOME", "/home/u", 1);
	cr_assert(audit_directory(&arena, true, &path, &e) == 0);
	cr_expect(eq(str, path, "/x/state/agentrun"));
	setenv("XDG_STATE_HOME", "relative", 1);
	cr_assert(audit_directory(&arena, true, &path, &e) == 0);
	cr_expect(eq(str, path, "/home/u/.local/state/agentrun"));
	unsetenv("XDG_STATE_HOME");
	unsetenv("HOME");
	cr_expect(audit_directory(&arena, true, &path, &e) == -ENOENT);
}

Test(audit, what_is_in_a_git_directory)
{
	static const char *const inside[] = { ".git/index", "a/.git/index", "x.git/.git/index" };
	static const char *const outside[] = { "x.git/index", ".git", ".github/x", NULL };

	for (size_t i = 0; i < sizeof inside / sizeof *inside; i++)
		cr_expect(audit_is_git(inside[i]), "%s", inside[i]);
	for (size_t i = 0; i < sizeof outside / sizeof *outside; i++)
		cr_expect(audit_is_git(outside[i]) == false, "%s", outside[i] ? outside[i] : "none");
}
