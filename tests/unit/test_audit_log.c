/* SPDX-License-Identifier: Apache-2.0 */
/* audit: how the log is written: its frame, its files, one end of each session (THREATS F2-F4). */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "audit/chain.h"
#include "audit/head.h"
#include "audit/sessions.h"
#include "audit_lines.h"

TestSuite(audit_log, .init = set_up, .fini = tear_down);

/* ---- the frame ---- */

Test(audit_log, a_record_has_the_frame_and_the_members)
{
	owned_str line = STR_INIT;
	struct chain_frame f;
	struct err e;
	char hash[HASH_HEX];
	char *log;

	cr_assert(append_text("s1", "create", "x\"y", &line, &e) == 0, "%s", e.text);
	log = slurp(AUDIT_LOG);
	cr_expect(eq(str, log, line.s));
	free(log);
	cr_assert(line.s[line.len - 1] == '\n');
	cr_assert(chain_read(line.s, line.len - 1, &f));
	cr_expect(f.seq == 1 && f.session_seq == 1);
	cr_expect(eq(str, f.session, "s1"));
	cr_expect(eq(str, f.event, "create"));
	cr_expect(eq(str, f.prev, (char *)chain_start.hash));
	cr_expect(strstr(line.s, "\"event\":\"create\",\"container.id\":\"c\",\"text\":\"x\\\"y\"}\n") != NULL);
	hash_hex(hash, line.s, line.len - 1);

	line.len = 0;
	cr_assert(append_text("s1", "start", "", &line, &e) == 0, "%s", e.text);
	cr_assert(chain_read(line.s, line.len - 1, &f));
	cr_expect(f.seq == 2 && f.session_seq == 2);
	cr_expect(eq(str, f.prev, hash));
	cr_expect(eq(str, f.session_prev, hash));
}

Test(audit_log, the_files_are_private)
{
	static const struct {
		const char *name;
		mode_t mode;
	} rows[] = { { "new/deep", 0700 }, { "new/deep/" AUDIT_LOG, 0600 },
		     { "new/deep/" AUDIT_HEAD, 0600 }, { "new/deep/sessions", 0700 },
		     { "new/deep/sessions/s", 0600 } };
	const struct audit_frame frame = { .session = "s", .event = "create", .durable = true };
	owned_str members = STR_INIT;
	struct stat st;
	struct err e;

	umask(0);
	str_puts(&members, "{}\n");
	cr_assert(audit_append(in_dir("new/deep"), &frame, &members, NULL, &e) == 0, "%s", e.text);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		cr_assert(stat(in_dir(rows[i].name), &st) == 0, "%s", rows[i].name);
		cr_expect(eq(u32, st.st_mode & 07777, rows[i].mode), "%s", rows[i].name);
	}
}

Test(audit_log, what_is_no_file_of_ours_is_refused)
{
	struct err e;

	/* a directory that others may write to */
	chmod(dir, 0777);
	cr_expect(append_text("s", "create", "", NULL, &e) == -EPERM);
	cr_expect(strstr(e.text, "be writable by no one else") != NULL, "%s", e.text);
	chmod(dir, 0700);
	/* a link in the log's place */
	cr_assert(symlink("elsewhere", in_dir(AUDIT_LOG)) == 0);
	cr_expect(append_text("s", "create", "", NULL, &e) == -ELOOP, "%s", e.text);
	cr_expect(access(in_dir("elsewhere"), F_OK) < 0);
	unlink(in_dir(AUDIT_LOG));
	/* a FIFO must not hang us */
	cr_assert(mkfifo(in_dir(AUDIT_LOG), 0600) == 0);
	cr_expect(append_text("s", "create", "", NULL, &e) == -EPERM, "%s", e.text);
	cr_expect(strstr(e.text, AUDIT_LOG ": not a file of uid") != NULL, "%s", e.text);
}

Test(audit_log, members_and_names_that_would_break_the_line_are_refused)
{
	static const struct {
		const char *session, *event, *members, *why;
	} rows[] = {
		{ "S", "create", "{}", "no session" },
		{ "", "create", "{}", "no session" },
		{ "a/b", "create", "{}", "no session" },
		{ "..", "create", "{}", "no session" },
		{ "host", "create", "{}", "no session" },
		{ "a", "cre\"ate", "{}", "no session and event" },
		{ "a", "create", "", "no object on one line" },
		{ "a", "create", "[]", "no object on one line" },
		{ "a", "create", "{\n}", "no object on one line" },
		{ "a", "create", "{\"a\":1", "no object on one line" },
	};
	struct err e;

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct audit_frame frame = { .session = rows[i].session, .event = rows[i].event };
		owned_str members = STR_INIT;

		str_puts(&members, rows[i].members);
		cr_expect(audit_append(dir, &frame, &members, NULL, &e) == -EINVAL, "%zu", i);
		cr_expect(strstr(e.text, rows[i].why) != NULL, "%zu: %s", i, e.text);
	}
	cr_expect(log_size() <= 0);
}

Test(audit_log, session_ids_sort_by_time_and_differ)
{
	char a[32], b[32], c[32];

	audit_session_id(a);
	audit_session_id(b);
	usleep(2000);
	audit_session_id(c);
	cr_expect(strlen(a) == 26 && chain_is_name(a));
	cr_expect(strcmp(a, b) != 0);
	cr_expect(strcmp(a, c) < 0 && strcmp(b, c) < 0);
}

/* ---- F3: rotated, locked, full ---- */

Test(audit_log, F3_a_rotated_log_goes_on_in_the_new_file)
{
	struct audit_verdict v;

	fill();
	rotate_to(AUDIT_LOG ".1");
	append("b", "exec");
	v = verify();
	cr_expect(v.bad_seq == 0, "%llu %s", v.bad_seq, v.reason);
	cr_expect(v.first_seq == 1 && v.recovered == 1 && v.records == 10);
	/* what is missing between is missing; what is elsewhere from the start on is told */
	cr_assert(unlink(in_dir(AUDIT_LOG)) == 0);
	append("b", "exec");
	v = verify();
	cr_expect(v.bad_seq == 9, "%llu %s", v.bad_seq, v.reason);
	cr_assert(unlink(in_dir(AUDIT_LOG ".1")) == 0);
	v = verify();
	cr_expect(v.bad_seq == 0 && v.first_seq == 11, "%llu %s", v.bad_seq, v.reason);
}

/* Two that hold the lock of two files of one name would write at the same time. */
Test(audit_log, F3_the_lock_is_that_of_the_present_file)
{
	owned_fd fd = -1;
	int status;

	fill();
	fd = open(in_dir(AUDIT_HEAD), O_RDWR | O_CLOEXEC);
	cr_assert(fd >= 0 && flock(fd, LOCK_EX) == 0);
	if (fork() == 0) {
		struct err e;

		close(fd);	/* or it would keep the lock */
		_exit(append_text("b", "exec", "waited", NULL, &e) != 0);
	}
	usleep(100000);
	cr_expect(count(AUDIT_LOG, "waited") == 0);
	cr_assert(unlink(in_dir(AUDIT_HEAD)) == 0);
	spit(AUDIT_HEAD, "", 0);
	fd_close(&fd);
	cr_assert(wait(&status) > 0 && status == 0);
	cr_expect(count(AUDIT_LOG, "waited") == 1);
	cr_expect(count(AUDIT_HEAD, "agentrun-head 1") == 1);
	cr_expect(verify().bad_seq == 0, "%s", verify().reason);
}

Test(audit_log, F3_disk_full_leaves_the_log_as_it_was)
{
	const struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	struct rlimit most;
	struct audit_verdict v;
	struct err e;
	off_t size;

	signal(SIGXFSZ, SIG_IGN);
	fill();
	size = log_size();
	/* 100 bytes of the record fit: write() is short */
	most = (struct rlimit){ (rlim_t)size + 100, RLIM_INFINITY };
	cr_assert(setrlimit(RLIMIT_FSIZE, &most) == 0);
	cr_expect(append_text("b", "exec", "x", NULL, &e) == -ENOSPC, "%s", e.text);
	cr_expect(strstr(e.text, dir) && strstr(e.text, "append to " AUDIT_LOG), "%s", e.text);
	cr_expect(log_size() == size);
	cr_expect(verify().bad_seq == 0, "%s", verify().reason);
	cr_assert(setrlimit(RLIMIT_FSIZE, &all) == 0);
	append("b", "exec");
	v = verify();
	cr_expect(v.bad_seq == 0 && v.records == 9 && v.recovered == 0, "%s", v.reason);
}

/* ---- F2: exactly one delete record ---- */

Test(audit_log, F2_delete_is_recorded_once)
{
	struct err e;

	fill();
	cr_expect(append_text("a", "delete", "again", NULL, &e) == 1);
	append("b", "delete");
	cr_expect(append_text("b", "delete", "again", NULL, &e) == 1);
	/* a late exec does not bring the session back */
	append("b", "exec");
	cr_expect(append_text("b", "delete", "again", NULL, &e) == 1);
	cr_expect(access(in_dir("sessions/a"), F_OK) < 0);
	cr_expect(access(in_dir("sessions/b"), F_OK) < 0);
	cr_expect(count(AUDIT_LOG, "\"event\":\"delete\"") == 2);
	cr_expect(verify().bad_seq == 0, "%s", verify().reason);
	/* a delete without a create is a session of one record */
	append("failed", "delete");
	cr_expect(verify().bad_seq == 0, "%s", verify().reason);
}

Test(audit_log, F2_deletes_at_the_same_time)
{
	unsigned written = 0;

	fill();
	for (int i = 0; i < 20; i++)
		if (fork() == 0) {
			struct err e;

			_exit(append_text("b", "delete", "race", NULL, &e) == 1);
		}
	for (int status; wait(&status) > 0;)
		written += WEXITSTATUS(status) == 0;
	cr_expect(written == 1);
	cr_expect(count(AUDIT_LOG, "race") == 1);
	cr_expect(verify().bad_seq == 0, "%s", verify().reason);
}

/* Writes another boot's id, and maybe another machine's, into a head file. */
static void age(const char *name, const char *machine)
{
	owned_fd fd = open(in_dir(name), O_RDWR | O_CLOEXEC);
	struct head h;
	struct err e;

	cr_assert(head_read(fd, &h) == 0);
	strcpy(h.boot, "00000000-0000-0000-0000-000000000000");
	if (machine)
		strcpy(h.machine, machine);
	cr_assert(head_write(fd, &h, name, &e) == 0);
}

Test(audit_log, F2_a_restart_ends_the_sessions_of_before)
{
	struct strv lines;

	fill();
	append("c", "create");
	append("elsewhere", "create");
	age(AUDIT_HEAD, NULL);
	age("sessions/b", NULL);
	age("sessions/c", NULL);
	age("sessions/elsewhere", "0123456789abcdef0123456789abcdef");
	append("new", "create");
	lines = lines_of(AUDIT_LOG);
	cr_expect(lines.n == 13, "%zu", lines.n);
	cr_expect(count(AUDIT_LOG, "the host was restarted") == 2);
	cr_expect(strstr(lines.v[12], "\"session\":\"new\"") != NULL);
	cr_expect(access(in_dir("sessions/b"), F_OK) < 0);
	cr_expect(access(in_dir("sessions/c"), F_OK) < 0);
	cr_expect(access(in_dir("sessions/elsewhere"), F_OK) == 0);
	cr_expect(verify().bad_seq == 0, "%s", verify().reason);
	append("new", "exec");
	cr_expect(count(AUDIT_LOG, "the host was restarted") == 2);
}

Test(audit_log, F2_the_runtimes_own_delete_wins_after_a_restart)
{
	struct err e;

	fill();
	age(AUDIT_HEAD, NULL);
	age("sessions/b", NULL);
	cr_expect(append_text("b", "delete", "ours", NULL, &e) == 0);
	cr_expect(count(AUDIT_LOG, "ours") == 1);
	cr_expect(count(AUDIT_LOG, "restarted") == 0);
	cr_expect(verify().bad_seq == 0, "%s", verify().reason);
}

/* ---- F4: many at once ---- */

static void many(int processes, int each)
{
	for (int i = 0; i < processes; i++)
		if (fork() == 0) {
			char session[32];
			struct err e;

			audit_session_id(session);
			for (int k = 0; k < each; k++)
				if (append_text(session, k ? "exec" : "create", "many", NULL, &e) != 0)
					_exit(1);
			_exit(append_text(session, "delete", "many", NULL, &e) != 0);
		}
}

static unsigned await(void)
{
	unsigned failed = 0;

	for (int status; wait(&status) > 0;)
		failed += !WIFEXITED(status) || WEXITSTATUS(status);
	return failed;
}

Test(audit_log, F4_fifty_processes_append)
{
	many(50, 100);
	cr_expect(await() == 0);
	cr_expect(verify().bad_seq == 0, "%s", verify().reason);
	cr_expect(verify().records == 50 * 101);
	cr_expect(verify().recovered == 0);
}

Test(audit_log, F3_rotation_under_load_loses_nothing)
{
	owned_str all = STR_INIT;
	int rotations = 0;

	many(10, 200);
	for (; rotations < 20; rotations++) {
		usleep(5000);
		if (rename(in_dir(AUDIT_LOG), in_dir(arena_printf(&arena, "old.%d", rotations))) < 0)
			break;
		while (log_size() < 1000 && waitpid(-1, NULL, WNOHANG) >= 0)
			usleep(500);
	}
	cr_expect(await() == 0);
	cr_expect(rotations > 0);
	/* put together again, it is one chain in which the rotations are recorded */
	for (int i = 0; i < rotations; i++) {
		char *part = slurp(arena_printf(&arena, "old.%d", i));

		str_puts(&all, part);
		free(part);
	}
	if (log_size() > 0) {
		char *part = slurp(AUDIT_LOG);

		str_puts(&all, part);
		free(part);
	}
	spit(AUDIT_LOG, all.s, all.len);
	cr_expect(verify().bad_seq == 0, "%s", verify().reason);
	cr_expect(verify().records - verify().recovered == 10 * 201, "%llu - %llu",
		  verify().records, verify().recovered);
}
