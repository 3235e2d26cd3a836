/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The audit log's writer without a container: for attacks on its files.
 *
 *   audit_probe append DIR SESSION EVENT COUNT	that many records (a delete: with `once`)
 *   audit_probe session DIR			one container's whole session, every member filled
 *   audit_probe exec DIR SESSION ARG...	an exec record of those arguments
 *   audit_probe record DIR SESSION EVENT MEMBERS	one record of those members, a JSON object
 *   audit_probe show DIR NAME			the page; list: NAME ""
 *   audit_probe verify DIR			"BAD RECORDS RECOVERED REASON"
 *
 * Exit code 1 with the error on standard error.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/audit.h"
#include "audit/record.h"
#include "base/fd.h"

static int append_some(const char *dir, const char *session, const char *event, int count,
		       struct err *e)
{
	const struct audit_frame frame = {
		.session = session, .container = "box", .event = event,
		.durable = strcmp(event, "delete") == 0, .once = strcmp(event, "delete") == 0,
	};
	owned_str members = STR_INIT;
	int r = 0;

	if (strcmp(event, "exec") == 0)
		audit_record_exec(&(struct audit_exec){ .process.cwd = "/" }, &members);
	else if (strcmp(event, "start") == 0)
		audit_record_start(&(struct audit_start){ .pid = 7 }, &members);
	else if (strcmp(event, "create") == 0)
		audit_record_create(&(struct audit_create){ .process.cwd = "/" }, &members);
	else
		audit_record_delete(&(struct audit_delete){ .exit_code = 0, .exit_signal = -1 }, &members);
	for (int i = 0; r >= 0 && i < count; i++)
		r = audit_append(dir, &frame, &members, NULL, e);
	return r;
}

static int append_one(const char *dir, const char *session, const char *event, struct str *members,
		      struct err *e)
{
	const struct audit_frame frame = {
		.session = session, .container = "box", .event = event, .durable = true,
		.once = strcmp(event, "delete") == 0,
	};
	int r = audit_append(dir, &frame, members, NULL, e);

	members->len = 0;
	return r;
}

static int whole_session(const char *dir, struct err *e)
{
	owned_arena a = ARENA_INIT;
	owned_str m = STR_INIT;
	struct strv list = { 0 };
	struct kvs labels = { 0 };
	const struct audit_egress_rule rules[] = {
		{ "api.example.com", 443, 443, "tcp", "the model", &list },
		{ "2001:db8::/32", 1, 65535, "udp", NULL, NULL },
	};
	const uint64_t ports[] = { 80, 443 };
	const struct audit_policy policy = {
		.profile = "agent", .digest = "0123", .audit_mode = "required",
		.workspace_source = "/srv/w", .workspace_destination = "/w", .workspace_mode = "rw",
		.workspace_owner = "keep", .workspace_guard = &list, .workspace_mask = &list,
		.egress = "allow", .egress_rules = rules, .n_egress_rules = 2,
		.ingress = ports, .n_ingress = 2, .env = "scrub",
		.env_dropped = &list, .credentials = &list, .caps = &list, .seccomp = "agent",
		.no_new_privileges = true, .changes = &list, .labels = &labels,
	};
	const struct audit_mount mounts[] = { { "/srv/w", "/w", true }, { "/a", "/b", false } };
	const struct audit_process process = { &list, "/w", 1000, 1000, 4711, true };
	const struct audit_destination destinations[] = {
		{ "allowed", "203.0.113.1", "tcp", 443, 12, 3456 },
		{ "denied", "2001:db8::1", "icmp", 0, 1, 64 },
		{ "reply", "203.0.113.2", "udp", 53, 1, 64 },
		{ "inbound", "203.0.113.2", "tcp", 80, 1, 64 },
		{ "inbound-reply", "203.0.113.2", "tcp", 80, 1, 64 },
	};
	const struct audit_network network = { destinations, 5, 1, 2, 3, 4, true };
	const struct audit_change changes[] = {
		{ "a", "added", 1, "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", NULL },
		{ "b", "modified", 2, NULL, NULL }, { "c", "deleted", 0, "", NULL },
		{ "d", "mode", 3, NULL, "an executable file" }, { "e", "type", 4, NULL, NULL },
	};
	const struct audit_commands summary = { "bpf", 1, 2, "the ring was full" };
	const struct audit_files files = { "overlay", NULL, "0123", changes, 5 };
	const struct audit_install installs[] = {
		{ "npm", "npm install", &list, "command", NULL },
		{ "go", NULL, NULL, "lockfile", "go.sum" },
	};
	struct audit_command_records commands = { .source = "bpf" };
	char session[32];
	int r;

	strv_add(&a, &list, "one");
	strv_add(&a, &list, "two");
	kvs_add(&a, &labels, "task", "issue 7");
	audit_session_id(session);
	audit_record_create(&(struct audit_create){
		.version = "1", .engine = "docker", .image = "debian", .bundle = "/b",
		.rootfs = "/b/rootfs", .process = process, .mounts = mounts, .n_mounts = 2,
		.caller_uid = 0, .caller_login_uid = -1, .policy = &policy }, &m);
	if ((r = append_one(dir, session, "create", &m, e)) < 0)
		return r;
	audit_record_start(&(struct audit_start){ .pid = 4711 }, &m);
	if ((r = append_one(dir, session, "start", &m, e)) < 0)
		return r;
	audit_record_exec(&(struct audit_exec){ process, &list }, &m);
	if ((r = append_one(dir, session, "exec", &m, e)) < 0)
		return r;
	audit_record_command(&commands, &(struct audit_command){
		.pid = 4712, .parent_pid = 4711, .executable = "/bin/one", .args = &list, .cwd = "/w",
		.start_ns = 1700000000123456789, .duration_ns = 5, .exit_code = 0, .exit_signal = -1 });
	audit_record_command(&commands, &(struct audit_command){
		.pid = -1, .parent_pid = -1, .duration_ns = -1, .exit_code = -1, .exit_signal = -1 });
	audit_record_commands_end(&commands);
	r = append_one(dir, session, "commands", &commands.members, e);
	str_free(&commands.members);
	if (r < 0)
		return r;
	audit_record_exit(&(struct audit_exit){ 0, -1, 1700000001123456789, "pidfd", NULL }, &m);
	if ((r = append_one(dir, session, "exit", &m, e)) < 0)
		return r;
	audit_record_exit(&(struct audit_exit){ -1, -1, 0, NULL, "no one saw it" }, &m);
	if ((r = append_one(dir, session, "exit", &m, e)) < 0)
		return r;
	audit_record_hook(&(struct audit_hook){ "/h", "exec", "timeout", "late", true }, &m);
	if ((r = append_one(dir, session, "hook", &m, e)) < 0)
		return r;
	audit_record_delete(&(struct audit_delete){
		.exit_code = -1, .exit_signal = 9, .duration_ns = 1500000000, .cpu_usec = 250000,
		.memory_peak = 1 << 20, .io_read_bytes = -1, .io_write_bytes = 4096, .oom_kills = 1,
		.network = &network, .commands = &summary, .files = &files, .installs = installs,
		.n_installs = 2 }, &m);
	if ((r = append_one(dir, session, "delete", &m, e)) < 0)
		return r;
	audit_record_apply(&(struct audit_apply){ "/srv/w", "0123", 1000, changes, 5 }, &m);
	return append_one(dir, session, "apply", &m, e);
}

static int exec_record(const char *dir, const char *session, int n, char **args, struct err *e)
{
	const struct strv list = { args, (size_t)n };
	owned_str members = STR_INIT;

	audit_record_exec(&(struct audit_exec){ .process = { .args = &list, .cwd = "/" } }, &members);
	return append_one(dir, session, "exec", &members, e);
}

static int any_record(const char *dir, const char *session, const char *event, const char *text,
		      struct err *e)
{
	owned_str members = STR_INIT;

	str_puts(&members, text);
	return append_one(dir, session, event, &members, e);
}

static int run(int argc, char **argv, struct err *e)
{
	const char *what = argc > 2 ? argv[1] : "";
	struct audit_verdict v;
	owned_str text = STR_INIT;
	int r;

	if (strcmp(what, "append") == 0 && argc == 6)
		return append_some(argv[2], argv[3], argv[4], atoi(argv[5]), e);
	if (strcmp(what, "session") == 0)
		return whole_session(argv[2], e);
	if (strcmp(what, "exec") == 0 && argc > 3)
		return exec_record(argv[2], argv[3], argc - 4, argv + 4, e);
	if (strcmp(what, "record") == 0 && argc == 6)
		return any_record(argv[2], argv[3], argv[4], argv[5], e);
	if (strcmp(what, "show") == 0 && argc == 4) {
		r = audit_show(argv[2], *argv[3] ? argv[3] : NULL, NULL, &text, e);
		return r < 0 ? r : fd_write_all(1, text.s, text.len, "output", e);
	}
	if (strcmp(what, "verify") == 0) {
		if ((r = audit_verify(argv[2], NULL, &v, e)) < 0)
			return r;
		printf("%llu %llu %llu %s\n", v.bad_seq, v.records, v.recovered, v.reason);
		return 0;
	}
	return err_say(e, 22, "unknown: %s", what);
}

int main(int argc, char **argv)
{
	struct err e;

	if (run(argc, argv, &e) >= 0)
		return 0;
	fprintf(stderr, "%s\n", e.text);
	return 1;
}
