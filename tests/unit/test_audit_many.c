/* SPDX-License-Identifier: Apache-2.0 */
/* audit: many records at once, and records behind a session's end. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "audit/chain.h"
#include "audit/head.h"
#include "audit/parts.h"
#include "audit_many.h"

TestSuite(audit_many, .init = set_up, .fini = tear_down);

/* The frames of a session's records with an event, in all parts. */
static size_t count_frames(const char *session, const char *event, struct chain_frame *ret_last)
{
	struct head_view view;
	struct parts_lines lines;
	const char *line;
	bool terminated;
	size_t n, found = 0;
	struct err e;

	cr_assert(head_view_open(dir, &view, &e) == 0, "%s", e.text);
	parts_lines_init(&lines, &view.parts);
	while (parts_lines_next(&lines, &line, &n, &terminated) > 0) {
		struct chain_frame f;

		if (chain_read(line, n, &f) && strcmp(f.session, session) == 0 &&
		    (!event || strcmp(f.event, event) == 0)) {
			found++;
			*ret_last = f;
		}
	}
	parts_lines_free(&lines);
	parts_close(&view.parts);
	return found;
}

/* ---- many at once ---- */

Test(audit_many, they_follow_each_other_and_others)
{
	struct chain_frame last;

	append("a", "create");
	append("b", "create");
	append_many("a", 3000, 100);
	append("b", "exec");
	append_many("b", 1, 1);
	append_many("a", 0, 0);
	append("a", "delete");
	append("b", "delete");
	expect_good(3007 - 1);
	cr_expect(count_frames("a", "commands", &last) == 3000);
	cr_expect(last.seq == 3002 && last.session_seq == 3001);
	cr_expect(access(in_dir("sessions/a"), F_OK) < 0);
}

/* Behind more than is written at once. */
static int put_wrong(void *arg, struct audit_sink *sink, struct err *e)
{
	owned_str wrong = STR_INIT;

	(void)arg;
	str_puts(&wrong, "{\n}");
	return put_many(&(struct many){ 2000, 300, 0, NULL }, sink, e) < 0 ? 0 :
		audit_put(sink, "commands", &wrong, NULL, e);
}

Test(audit_many, each_is_cut_to_its_line_and_a_wrong_one_writes_none)
{
	const struct audit_frame frame = frame_of("a", "commands");
	struct err e;
	off_t before;

	append("a", "create");
	append_many("a", 20, 100000);
	expect_good(21);
	cr_expect(log_size() < 21 * (AUDIT_LINE_MOST + 1));
	before = log_size();
	cr_expect(audit_append_many(dir, &frame, put_wrong, NULL, &e) == -EINVAL);
	cr_expect(log_size() == before);
	expect_good(21);
}

/* Several writes, and the record that ends the session in the last of them: *arg of it, and its line. */
struct end {
	const char *members;
	struct str line;
};

static int put_many_and_end(void *arg, struct audit_sink *sink, struct err *e)
{
	struct end *end = arg;
	owned_str members = STR_INIT;

	str_puts(&members, end->members);
	if (put_many(&(struct many){ 2000, 300, 0, NULL }, sink, e) < 0)
		return -e->code;
	end->line.len = 0;
	return audit_put(sink, "delete", &members, &end->line, e);
}

Test(audit_many, the_end_comes_with_the_rest)
{
	const struct audit_frame frame = frame_of("a", "delete");
	struct end end = { "{", STR_INIT };
	struct chain_frame last;
	struct err e;

	append("a", "create");
	cr_expect(audit_append_many(dir, &frame, put_many_and_end, &end, &e) == -EINVAL);
	/* nothing of it is there, and it has not ended */
	cr_expect(access(in_dir("sessions/a"), F_OK) == 0);
	append("a", "exec");
	cr_expect(count_frames("a", NULL, &last) == 2 && last.session_seq == 2);
	end.members = "{}";
	cr_assert(audit_append_many(dir, &frame, put_many_and_end, &end, &e) == 0, "%s", e.text);
	cr_expect(count_frames("a", "commands", &last) == 2000);
	cr_expect(count_frames("a", "delete", &last) == 1 && last.session_seq == 2003);
	cr_assert(end.line.len > 1);
	cr_expect(strstr(end.line.s, "\"session_seq\":2003,") && end.line.s[end.line.len - 1] == '\n');
	cr_expect(access(in_dir("sessions/a"), F_OK) < 0);
	cr_expect(audit_append_many(dir, &frame, put_many_and_end, &end, &e) == 1);
	expect_good(2003);
	str_free(&end.line);
}

/* Killed between two of the writes: it has not ended, and ends once. */
Test(audit_many, killed_before_the_end, .timeout = 60)
{
	for (int i = 0; i < 30; i++) {
		const char *session = arena_printf(&arena, "k%d", i);
		const struct audit_frame frame = frame_of(session, "delete");
		struct end end = { "{}", STR_INIT };
		struct chain_frame last;
		pid_t pid;
		struct err e;

		append(session, "create");
		pid = fork();
		if (pid == 0)
			_exit(audit_append_many(dir, &frame, put_many_and_end, &end, &e) != 0);
		usleep((useconds_t)(200 * i));
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		cr_assert(audit_append_many(dir, &frame, put_many_and_end, &end, &e) >= 0, "%s", e.text);
		cr_expect(count_frames(session, "delete", &last) == 1, "%d", i);
		cr_expect(verify().bad_seq == 0, "%d: %s", i, verify().reason);
		str_free(&end.line);
	}
}

static const struct many more_than_a_write = { 5, 30000, 0, NULL };

/* Killed behind the first of its writes. */
static int put_and_exit(void *arg, struct audit_sink *sink, struct err *e)
{
	const off_t before = log_size();
	struct many many = more_than_a_write;

	(void)arg;
	cr_assert(put_many(&many, sink, e) == 0 && log_size() == before);
	audit_mark(sink, 7);
	many.n = 1;
	cr_assert(put_many(&many, sink, e) == 0);
	audit_mark(sink, 8);
	_exit(log_size() > before ? 0 : 1);
}

static void append_and_be_killed(const char *session)
{
	const struct audit_frame frame = frame_of(session, "delete");
	struct err e;
	pid_t pid = fork();
	int status;

	if (pid == 0)
		audit_append_many(dir, &frame, put_and_exit, NULL, &e);
	cr_assert(waitpid(pid, &status, 0) == pid && status == 0);
}

static int only_look(void *arg, struct audit_sink *sink, struct err *e)
{
	*(unsigned long long *)arg = audit_marked(sink);
	return err_say(e, EINTR, "seen");
}

static unsigned long long marked(const char *session)
{
	const struct audit_frame frame = frame_of(session, "delete");
	unsigned long long mark = 99;
	struct err e;

	cr_assert(audit_append_many(dir, &frame, only_look, &mark, &e) == -EINTR);
	return mark;
}

Test(audit_many, what_was_killed_between_writes_can_go_on)
{
	struct chain_frame last;

	append("a", "create");
	append_and_be_killed("a");
	cr_expect(count_frames("a", "commands", &last) == 5);
	cr_expect(marked("a") == 7);
	cr_expect(marked("a") == 7);
	append("a", "exec");
	cr_expect(marked("a") == 7);
	append("b", "create");
	cr_expect(marked("b") == 0);
	expect_good(8);
}

/* Before it had noted that they were written; and the log is renamed. */
Test(audit_many, what_was_killed_after_a_write_can_go_on)
{
	owned_fd session = -1;
	struct head before, h;
	struct err e;

	append("a", "create");
	session = open(in_dir("sessions/a"), O_RDWR | O_CLOEXEC);
	cr_assert(head_read(session, &before) == 0);
	append_and_be_killed("a");
	cr_assert(head_read(session, &h) == 0 && h.mark == 7);
	before.next = h.last;
	before.next_at = 0;
	before.next_mark = h.mark;
	cr_assert(head_write(session, &before, "a", &e) == 0);
	rotate_to(AUDIT_LOG ".1");
	cr_expect(marked("a") == 7);
}

static int put_and_end(void *arg, struct audit_sink *sink, struct err *e)
{
	const off_t before = log_size();
	struct many many = more_than_a_write;
	owned_str members = STR_INIT;
	int r = put_many(&many, sink, e);

	(void)arg;
	str_puts(&members, "{}");
	if (r == 0)
		r = audit_put(sink, "delete", &members, NULL, e);
	cr_expect(log_size() == before);
	return r;
}

/* Else what was put just before, as the exit, could not be told from what has to be put again. */
Test(audit_many, the_end_is_written_with_what_comes_before)
{
	const struct audit_frame frame = frame_of("a", "delete");
	struct err e;

	append("a", "create");
	cr_assert(audit_append_many(dir, &frame, put_and_end, NULL, &e) == 0, "%s", e.text);
	expect_good(7);
}

static int remove_log(unsigned call)
{
	return call == 1 ? unlink(in_dir(AUDIT_LOG)) : 0;
}

/* Some of them were written: they are made again. */
static int put_wrong_and_more(void *arg, struct audit_sink *sink, struct err *e)
{
	put_wrong(arg, sink, e);
	put_many(&(struct many){ 10, 300, 0, NULL }, sink, e);
	return 0;
}

Test(audit_many, who_does_not_heed_a_failure_puts_nothing)
{
	const struct audit_frame frame = frame_of("a", "commands");
	off_t before;
	struct err e;

	append("a", "create");
	before = log_size();
	cr_expect(audit_append_many(dir, &frame, put_wrong_and_more, NULL, &e) == -EINVAL);
	cr_expect(log_size() == before);
	expect_good(1);
}

Test(audit_many, the_log_is_removed_meanwhile)
{
	const struct audit_frame frame = frame_of("a", "commands");
	struct many m = { 2000, 300, 0, remove_log };
	struct chain_frame last;
	struct err e;

	memset(&e, 0x41, sizeof e);	/* what is not set is not to be looked at */
	append("a", "create");
	cr_assert(audit_append_many(dir, &frame, put_many, &m, &e) == 0, "%s", e.text);
	cr_expect(m.calls == 2);
	cr_expect(count_frames("a", "commands", &last) == 2000);
	cr_expect(verify().bad_seq == 0, "%s", verify().reason);
}

Test(audit_many, disk_full_leaves_the_log_as_it_was)
{
	const struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	struct rlimit most;
	off_t before;
	struct err e;

	append("a", "create");
	append_many("a", 10, 100);
	before = log_size();
	signal(SIGXFSZ, SIG_IGN);
	/* in the first of the writes, and in one behind it */
	for (rlim_t room = 1000; room < 2 << 20; room += 300000) {
		most = (struct rlimit){ (rlim_t)before + room, RLIM_INFINITY };
		cr_assert(setrlimit(RLIMIT_FSIZE, &most) == 0);
		cr_expect(try_many("a", 4000, 300, &e) < 0, "%llu", (unsigned long long)room);
		cr_assert(setrlimit(RLIMIT_FSIZE, &all) == 0);
		cr_expect(log_size() == before);
		expect_good(11);
	}
	append_many("a", 10, 100);
	expect_good(21);
}

/* Killed anywhere, what is there is whole records of both chains, and the next append says what is not. */
Test(audit_many, killed_in_the_middle, .timeout = 60)
{
	unsigned long long torn = 0;

	append("a", "create");
	for (int i = 0; i < 40; i++) {
		struct audit_verdict v;
		pid_t pid = fork();
		struct err e;

		if (pid == 0) {
			for (;;)
				try_many("a", 2000, 300, &e);
		}
		usleep((useconds_t)(500 + 311 * i));
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		append("a", "exec");
		v = verify();
		cr_expect(v.bad_seq == 0, "%d: %llu: %s", i, v.bad_seq, v.reason);
		torn = v.recovered;
	}
	cr_log_info("%llu torn records", torn);
}

/* A crash between the write and the heads: any number of the records may be there. */
Test(audit_many, a_part_of_what_was_intended)
{
	for (size_t kept = 0; kept <= 5; kept++) {
		owned_fd head = open(in_dir(AUDIT_HEAD), O_RDWR | O_CREAT | O_CLOEXEC, 0600), fd = -1;
		owned_fd session = -1;
		owned_str log = STR_INIT;
		struct head host, own;
		struct chain_frame f;
		const char *line;
		off_t before;
		struct err e;

		append("a", "exec");
		before = log_size();
		session = open(in_dir("sessions/a"), O_RDWR | O_CLOEXEC);
		cr_assert(head_read(head, &host) == 0 && head_read(session, &own) == 0);
		append_many("a", 5, 10);
		cr_assert(file_read(AT_FDCWD, in_dir(AUDIT_LOG), 1 << 20, &log, &e) == 0);
		line = log.s + before;
		for (size_t i = 0; i < 4; i++)
			line = strchr(line, '\n') + 1;
		cr_assert(chain_read(line, strlen(line) - 1, &f));
		head_intend(&host, line - log.s, f.seq, f.prev, false);
		head_intend(&own, line - log.s, f.session_seq, f.prev, false);
		hash_hex(host.next.hash, line, strlen(line) - 1);
		memcpy(own.next.hash, host.next.hash, HASH_HEX);
		cr_assert(head_write(head, &host, AUDIT_HEAD, &e) == 0);
		cr_assert(head_write(session, &own, "a", &e) == 0);
		line = log.s + before;
		for (size_t i = 0; i < kept; i++)
			line = strchr(line, '\n') + 1;
		fd = open(in_dir(AUDIT_LOG), O_RDWR | O_CLOEXEC);
		cr_assert(ftruncate(fd, line - log.s) == 0);
		append("a", "exec");
		cr_expect(verify().bad_seq == 0, "%zu: %s", kept, verify().reason);
		cr_expect(verify().recovered == 0);
	}
}

Test(audit_many, writers_side_by_side)
{
	int status;

	for (int i = 0; i < 6; i++) {
		const char *session = arena_printf(&arena, "s%d", i);

		if (fork() == 0) {
			struct err e;
			int r = 0;

			for (int k = 0; k < 10 && r == 0; k++)
				r = i % 2 ? try_many(session, 300, 200, &e) : try_append(session, "exec", &e);
			_exit(r != 0);
		}
	}
	for (int i = 0; i < 6; i++) {
		cr_expect(wait(&status) > 0 && status == 0);
	}
	expect_good(3 * 10 + 3 * 3000);
}

/* ---- behind the end of a session ---- */

Test(audit_many, a_record_behind_the_end_follows_the_session)
{
	struct chain_frame last;
	struct err e;

	append("a", "create");
	append("b", "create");
	append("a", "delete");
	append("b", "exec");
	append("a", "apply");
	cr_expect(count_frames("a", NULL, &last) == 3 && last.session_seq == 3);
	/* the end is still the only one, and the session has no head file */
	cr_expect(try_append("a", "delete", &e) == 1);
	cr_expect(access(in_dir("sessions/a"), F_OK) < 0);
	append("a", "apply");
	cr_expect(try_append("a", "delete", &e) == 1);
	expect_good(6);
	cr_expect(count_frames("a", "delete", &last) == 1);
	append_many("a", 3, 10);
	expect_good(9);
}

Test(audit_many, a_session_goes_on_in_the_next_file)
{
	struct chain_frame last;
	struct err e;

	append("a", "create");
	append("b", "create");
	append("b", "delete");
	rotate_to(AUDIT_LOG ".1");
	append("a", "exec");
	cr_assert(rename(in_dir(AUDIT_LOG ".1"), in_dir(AUDIT_LOG ".2")) == 0);
	rotate_to(AUDIT_LOG ".1");
	append("b", "apply");
	cr_expect(try_append("b", "delete", &e) == 1);
	cr_expect(count_frames("b", NULL, &last) == 3 && last.session_seq == 3);
	/* its head file is lost as well */
	unlink(in_dir("sessions/a"));
	append("a", "delete");
	cr_expect(count_frames("a", NULL, &last) == 3 && last.session_seq == 3);
	cr_expect(verify().first_seq == 1 && verify().recovered == 2);
	expect_good(8);
}

/* Blocks are read from the end: a name may stand across the border of two. */
Test(audit_many, a_name_is_found_wherever_it_stands)
{
	static const size_t around[] = { 20, 16384, 3 * 16384, sizeof(char[70000]) - 14 };
	static char text[70000];
	struct str what = STR_INIT;
	off_t at;

	str_puts(&what, "needle");
	memset(text, 'x', sizeof text);
	for (size_t i = 0; i < sizeof around / sizeof *around * 28; i++) {
		const size_t back = around[i / 28] + i % 28 - 14, place = sizeof text - back;
		owned_fd fd = open(in_dir("haystack"), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

		memcpy(text + place, "needle", 6);
		cr_assert(write(fd, text, sizeof text) == sizeof text);
		memcpy(text + place, "xxxxxx", 6);
		cr_expect(chain_find_back(fd, sizeof text, &what, &at) == 1 && at == (off_t)place, "%zu",
			  back);
		cr_expect(chain_find_back(fd, at + 5, &what, &at) == 0);
		cr_expect(chain_find_back(fd, sizeof text + 1, &what, &at) == -ESTALE);
	}
	str_free(&what);
}
