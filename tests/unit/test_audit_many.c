/* SPDX-License-Identifier: Apache-2.0 */
/* audit: many records at once, records behind a session's end, and logs in several files. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "audit/chain.h"
#include "audit/head.h"
#include "audit/parts.h"
#include "base/fd.h"
#include "audit_log.h"

TestSuite(audit_many, .init = set_up, .fini = tear_down);

static struct audit_frame frame_of(const char *session, const char *event)
{
	return (struct audit_frame){ .session = session, .event = event, .container = "c",
				     .once = strcmp(event, "delete") == 0 };
}

static int try_append(const char *session, const char *event, struct err *e)
{
	const struct audit_frame frame = frame_of(session, event);
	owned_str members = STR_INIT;

	str_puts(&members, "{\"text\":\"content\"}\n");
	return audit_append(dir, &frame, &members, NULL, e);
}

static void append(const char *session, const char *event)
{
	struct err e;

	cr_assert(try_append(session, event, &e) == 0, "%s", e.text);
}

struct many {
	size_t n, size;
	unsigned calls;
	int (*first)(unsigned call);	/* NULL: nothing is done before they are put */
};

static int put_many(void *arg, struct audit_sink *sink, struct err *e)
{
	struct many *m = arg;
	int r = 0;

	m->calls++;
	for (size_t i = 0; r == 0 && i < m->n; i++) {
		owned_str members = STR_INIT;

		str_printf(&members, "{\"number\":%zu,\"text\":\"%0*d\"}", i, (int)m->size, 0);
		r = audit_put(sink, "commands", &members, NULL, e);
		if (r == 0 && m->first && i == m->n / 2)
			r = m->first(m->calls);
	}
	return r < 0 ? -e->code : 0;
}

static int try_many(const char *session, size_t n, size_t size, struct err *e)
{
	const struct audit_frame frame = frame_of(session, "commands");

	return audit_append_many(dir, &frame, put_many, &(struct many){ n, size, 0, NULL }, e);
}

static void append_many(const char *session, size_t n, size_t size)
{
	struct err e;

	cr_assert(try_many(session, n, size, &e) == 0, "%s", e.text);
}

static void expect_good(unsigned long long records)
{
	struct audit_verdict v = verify();

	cr_expect(v.bad_seq == 0, "%llu: %s", v.bad_seq, v.reason);
	cr_expect(eq(u64, v.records, records));
}

static off_t log_size(void)
{
	struct stat st;

	return stat(in_dir(AUDIT_LOG), &st) == 0 ? st.st_size : -1;
}

static void rotate_to(const char *name)
{
	cr_assert(rename(in_dir(AUDIT_LOG), in_dir(name)) == 0);
}

/* The frames of a session's records with an event, in all parts. */
static size_t count(const char *session, const char *event, struct chain_frame *ret_last)
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
	cr_expect(count("a", "commands", &last) == 3000);
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
	cr_expect(count("a", NULL, &last) == 2 && last.session_seq == 2);
	end.members = "{}";
	cr_assert(audit_append_many(dir, &frame, put_many_and_end, &end, &e) == 0, "%s", e.text);
	cr_expect(count("a", "commands", &last) == 2000);
	cr_expect(count("a", "delete", &last) == 1 && last.session_seq == 2003);
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
		cr_expect(count(session, "delete", &last) == 1, "%d", i);
		cr_expect(verify().bad_seq == 0, "%d: %s", i, verify().reason);
		str_free(&end.line);
	}
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
	cr_expect(count("a", "commands", &last) == 2000);
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
	cr_expect(count("a", NULL, &last) == 3 && last.session_seq == 3);
	/* the end is still the only one, and the session has no head file */
	cr_expect(try_append("a", "delete", &e) == 1);
	cr_expect(access(in_dir("sessions/a"), F_OK) < 0);
	append("a", "apply");
	cr_expect(try_append("a", "delete", &e) == 1);
	expect_good(6);
	cr_expect(count("a", "delete", &last) == 1);
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
	cr_expect(count("b", NULL, &last) == 3 && last.session_seq == 3);
	/* its head file is lost as well */
	unlink(in_dir("sessions/a"));
	append("a", "delete");
	cr_expect(count("a", NULL, &last) == 3 && last.session_seq == 3);
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

/* ---- the log's files ---- */

Test(audit_many, the_order_is_that_of_the_records)
{
	/* as logrotate numbers them, as it dates them, and as nobody does */
	static const char *const names[] = { AUDIT_LOG ".3", AUDIT_LOG "-20260102", AUDIT_LOG ".1",
					     AUDIT_LOG "-20250101-1767225600", AUDIT_LOG ".2" };

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		append("a", "exec");
		append("a", "exec");
		rotate_to(names[i]);
	}
	/* the log itself is not there: no one has written since */
	expect_good(10 + 4);
	append("a", "delete");
	expect_good(10 + 4 + 2);
	cr_expect(verify().recovered == 5);
}

Test(audit_many, what_is_no_part_is_not_read)
{
	static const char *const others[] = { AUDIT_LOG ".1.gz", AUDIT_LOG ".bak", AUDIT_LOG ".", AUDIT_LOG "2",
					      AUDIT_LOG ".7", "old." AUDIT_LOG ".1" };

	append("a", "create");
	for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
		owned_fd fd = open(in_dir(others[i]), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

		cr_assert(fd >= 0 && write(fd, "x\n", 2) == 2);
	}
	cr_assert(symlink(AUDIT_LOG, in_dir(AUDIT_LOG ".8")) == 0);
	cr_assert(mkfifo(in_dir(AUDIT_LOG ".9"), 0600) == 0);
	expect_good(1);
	/* nor is the log's beginning there looked for in vain */
	rotate_to(AUDIT_LOG ".10");
	append("a", "delete");
	expect_good(3);
}

Test(audit_many, a_part_that_was_changed_is_found)
{
	owned_str text = STR_INIT;
	owned_fd fd = -1;
	struct err e;

	append("a", "create");
	append("a", "exec");
	append("a", "exec");
	rotate_to(AUDIT_LOG ".1");
	append("a", "exec");
	expect_good(5);
	cr_assert(file_read(AT_FDCWD, in_dir(AUDIT_LOG ".1"), 1 << 16, &text, &e) == 0);
	memcpy(strstr(strchr(text.s, '\n'), "content"), "CONTENT", 7);
	fd = open(in_dir(AUDIT_LOG ".1"), O_WRONLY | O_CLOEXEC);
	cr_assert(fd_write_all(fd, text.s, text.len, "log", &e) == 0);
	cr_expect(verify().bad_seq == 2, "%llu", verify().bad_seq);
	/* its end */
	cr_assert(ftruncate(fd, (off_t)(strchr(text.s, '\n') - text.s) + 1) == 0);
	cr_expect(verify().bad_seq == 2, "%llu", verify().bad_seq);
	/* all of it */
	cr_assert(ftruncate(fd, 0) == 0);
	cr_expect(verify().bad_seq == 0 && verify().first_seq == 4);
}

/* Rotated after a crash, before anybody wrote again. */
Test(audit_many, what_was_torn_in_the_file_before_is_told)
{
	owned_fd fd = -1;

	append("a", "create");
	fd = open(in_dir(AUDIT_LOG), O_WRONLY | O_APPEND | O_CLOEXEC);
	cr_assert(write(fd, "{\"v\":1", 6) == 6);
	rotate_to(AUDIT_LOG ".1");
	append("a", "exec");
	expect_good(3);
	/* the head was lost, too: the file before has the end of the chain */
	rotate_to(AUDIT_LOG ".2");
	unlink(in_dir(AUDIT_HEAD));
	append("a", "exec");
	expect_good(5);
	cr_expect(verify().last_seq == 5);
}

Test(audit_many, a_newline_that_is_missing_in_the_file_before)
{
	append("a", "create");
	cr_assert(truncate(in_dir(AUDIT_LOG), log_size() - 1) == 0);
	rotate_to(AUDIT_LOG ".1");
	append("a", "exec");
	expect_good(3);
}

Test(audit_many, an_intended_record_is_looked_for_in_the_file_before)
{
	owned_fd head = -1, session = -1;
	struct head host, own;
	struct err e;

	append("a", "create");
	head = open(in_dir(AUDIT_HEAD), O_RDWR | O_CLOEXEC);
	session = open(in_dir("sessions/a"), O_RDWR | O_CLOEXEC);
	cr_assert(head_read(head, &host) == 0 && head_read(session, &own) == 0);
	/* both heads as they were before the record, which is there */
	host.next = host.last;
	own.next = own.last;
	host.last = own.last = chain_start;
	host.next_at = own.next_at = 0;
	cr_assert(head_write(head, &host, AUDIT_HEAD, &e) == 0);
	cr_assert(head_write(session, &own, "a", &e) == 0);
	rotate_to(AUDIT_LOG ".1");
	append("a", "exec");
	expect_good(3);
}

/* A long line of garbage in the place of the first. */
Test(audit_many, a_part_is_one_by_any_record)
{
	owned_str text = STR_INIT;
	struct err e;

	append("a", "create");
	cr_assert(try_many("a", 2, 60000, &e) == 0);
	rotate_to(AUDIT_LOG ".1");
	append("a", "delete");
	cr_assert(file_read(AT_FDCWD, in_dir(AUDIT_LOG ".1"), 1 << 20, &text, &e) == 0);
	text.s[0] = 'x';
	*strchr(text.s, '\n') = ' ';
	cr_assert(file_replace(AT_FDCWD, in_dir(AUDIT_LOG ".1"), text.s, text.len, 0600, &e) == 0);
	cr_expect(verify().bad_seq == 1, "%llu", verify().bad_seq);
}

/* Somebody renames all the time: neither is a record lost, nor is one missed by a reader. */
Test(audit_many, renamed_while_it_is_read_and_written, .timeout = 60)
{
	enum { WRITES = 400 };
	pid_t writer, renamer;
	int status;

	append("a", "create");
	writer = fork();
	if (writer == 0) {
		struct err e;
		int r = 0;

		for (int i = 0; i < WRITES && r == 0; i++)
			r = i % 40 ? try_append("a", "exec", &e) : try_many("a", 20, 2000, &e);
		_exit(r != 0);
	}
	renamer = fork();
	if (renamer == 0) {
		/* as logrotate does: the oldest first */
		for (int files = 0; files < 12; files++) {
			for (int i = files; i > 0; i--)
				rename(in_dir(arena_printf(&arena, AUDIT_LOG ".%d", i)),
				       in_dir(arena_printf(&arena, AUDIT_LOG ".%d", i + 1)));
			rename(in_dir(AUDIT_LOG), in_dir(AUDIT_LOG ".1"));
			usleep(3000);
		}
		_exit(0);
	}
	while (waitpid(writer, &status, WNOHANG) == 0) {
		struct audit_verdict v;
		struct err e;
		int r = audit_verify(dir, NULL, &v, &e);

		cr_expect(r == 0, "%s", e.text);
		cr_expect(r < 0 || v.bad_seq == 0, "%llu: %s", v.bad_seq, v.reason);
	}
	cr_expect(status == 0);
	cr_assert(waitpid(renamer, NULL, 0) == renamer);
	append("a", "delete");
	cr_expect(verify().bad_seq == 0 && verify().recovered > 3, "%s", verify().reason);
	cr_expect(verify().records - verify().recovered == 1 + WRITES - WRITES / 40 + WRITES / 40 * 20 + 1);
}

/* A file has another name each time that the directory is looked at. */
Test(audit_many, a_file_that_is_renamed_is_not_missed, .timeout = 60)
{
	pid_t renamer;

	append("a", "create");
	append("a", "exec");
	rotate_to(AUDIT_LOG ".1");
	append("a", "exec");
	rotate_to(AUDIT_LOG ".9");
	append("a", "delete");
	renamer = fork();
	if (renamer == 0)
		for (int i = 1;; i = i % 8 + 1) {
			rename(in_dir(arena_printf(&arena, AUDIT_LOG ".%d", i)),
			       in_dir(arena_printf(&arena, AUDIT_LOG ".%d", i % 8 + 1)));
			usleep(100);
		}
	for (int i = 0; i < 1000; i++) {
		struct audit_verdict v;
		struct err e;
		int r = audit_verify(dir, NULL, &v, &e);

		cr_expect(r == 0 || r == -EAGAIN, "%s", e.text);
		cr_expect(r < 0 || (v.bad_seq == 0 && v.records == 6), "%llu: %s", v.records, v.reason);
	}
	kill(renamer, SIGKILL);
	waitpid(renamer, NULL, 0);
}

/* ---- audit_rotate() ---- */

static struct audit_rotation rotate(unsigned keep)
{
	struct audit_rotation done;
	struct err e;

	cr_assert(audit_rotate(dir, keep, &done, &e) == 0, "%s", e.text);
	return done;
}

Test(audit_many, rotating_renames_and_the_chain_goes_on)
{
	struct audit_rotation done;

	done = rotate(0);
	cr_expect(done.name[0] == 0 && done.files == 0);
	append("a", "create");
	append("a", "exec");
	done = rotate(0);
	cr_expect(eq(str, done.name, AUDIT_LOG "-00000000000000000002"));
	cr_expect(done.last_seq == 2 && done.files == 1 && done.removed == 0 && !*done.held);
	expect_good(2);
	done = rotate(0);
	cr_expect(done.name[0] == 0 && done.files == 1);
	append("a", "delete");
	expect_good(4);
	done = rotate(0);
	cr_expect(eq(str, done.name, AUDIT_LOG "-00000000000000000004"));
	append("a", "apply");
	expect_good(6);
	cr_expect(verify().first_seq == 1);
}

Test(audit_many, rotating_keeps_what_an_open_session_needs)
{
	struct audit_rotation done;

	append("old", "create");
	append("old", "delete");
	rotate(2);
	append("open", "create");
	rotate(2);
	append("late", "create");
	append("late", "delete");
	done = rotate(2);
	cr_expect(done.removed == 1 && done.files == 2 && !*done.held);
	cr_expect(verify().first_seq == 3 && verify().bad_seq == 0, "%s", verify().reason);
	append("late", "apply");
	done = rotate(1);
	cr_expect(done.removed == 0 && done.files == 3);
	cr_expect(eq(str, done.held, "open"));
	append("open", "delete");
	/* files of others are counted like our own */
	rotate_to(AUDIT_LOG ".1");
	done = rotate(1);
	cr_expect(done.removed == 3 && done.files == 1 && !*done.held);
	cr_expect(access(in_dir(AUDIT_LOG ".1"), F_OK) == 0);
	cr_expect(verify().bad_seq == 0);
}

Test(audit_many, rotating_leaves_a_log_without_a_record)
{
	struct audit_rotation done;
	owned_fd fd = open(in_dir(AUDIT_LOG), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	struct err e;

	cr_assert(write(fd, "x\n", 2) == 2);
	cr_expect(audit_rotate(dir, 1, &done, &e) == -ENODATA, "%s", e.text);
	cr_expect(log_size() == 2);
}
