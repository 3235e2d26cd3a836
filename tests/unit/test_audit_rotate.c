/* SPDX-License-Identifier: Apache-2.0 */
/* audit: a log in several files, whoever rotates it. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "audit/head.h"
#include "audit_many.h"

TestSuite(audit_rotate, .init = set_up, .fini = tear_down);

/* ---- the log's files ---- */

Test(audit_rotate, the_order_is_that_of_the_records)
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

Test(audit_rotate, what_is_no_part_is_not_read)
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

Test(audit_rotate, a_part_that_was_changed_is_found)
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
Test(audit_rotate, what_was_torn_in_the_file_before_is_told)
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

Test(audit_rotate, a_newline_that_is_missing_in_the_file_before)
{
	append("a", "create");
	cr_assert(truncate(in_dir(AUDIT_LOG), log_size() - 1) == 0);
	rotate_to(AUDIT_LOG ".1");
	append("a", "exec");
	expect_good(3);
}

Test(audit_rotate, an_intended_record_is_looked_for_in_the_file_before)
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
Test(audit_rotate, a_part_is_one_by_any_record)
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
Test(audit_rotate, renamed_while_it_is_read_and_written, .timeout = 60)
{
	enum { RENAMES = 10, EACH = 40, WRITES = RENAMES * EACH };
	pid_t writer, renamer;
	int turn[2], status;
	char c;

	append("a", "create");
	cr_assert(socketpair(AF_UNIX, SOCK_STREAM, 0, turn) == 0);
	writer = fork();
	if (writer == 0) {
		struct err e;
		int r = 0;

		close(turn[1]);
		for (int i = 0; i < WRITES && r == 0; i++) {
			/* A rename is begun, and done before half of the writes: each moves a file. */
			if ((i % EACH == 0 && write(turn[0], "", 1) != 1) ||
			    (i % EACH == EACH / 2 && read(turn[0], &c, 1) != 1))
				r = -EPIPE;
			else
				r = i % EACH ? try_append("a", "exec", &e) : try_many("a", 20, 2000, &e);
		}
		_exit(r != 0);
	}
	renamer = fork();
	if (renamer == 0) {
		close(turn[0]);
		/* as logrotate does: the oldest first */
		for (int files = 0; read(turn[1], &c, 1) == 1; files++) {
			for (int i = files; i > 0; i--)
				rename(in_dir(arena_printf(&arena, AUDIT_LOG ".%d", i)),
				       in_dir(arena_printf(&arena, AUDIT_LOG ".%d", i + 1)));
			rename(in_dir(AUDIT_LOG), in_dir(AUDIT_LOG ".1"));
			if (write(turn[1], "", 1) != 1)
				_exit(1);
		}
		_exit(0);
	}
	close(turn[0]);
	close(turn[1]);
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
	cr_expect(verify().bad_seq == 0, "%s", verify().reason);
	cr_expect(verify().recovered == RENAMES, "%llu", verify().recovered);
	cr_expect(verify().records - verify().recovered == 1 + WRITES - RENAMES + RENAMES * 20 + 1);
}

/* A file has another name each time that the directory is looked at. */
Test(audit_rotate, a_file_that_is_renamed_is_not_missed, .timeout = 60)
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

Test(audit_rotate, rotating_renames_and_the_chain_goes_on)
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

Test(audit_rotate, rotating_keeps_what_an_open_session_needs)
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

Test(audit_rotate, rotating_leaves_a_log_without_a_record)
{
	struct audit_rotation done;
	owned_fd fd = open(in_dir(AUDIT_LOG), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	struct err e;

	cr_assert(write(fd, "x\n", 2) == 2);
	cr_expect(audit_rotate(dir, 1, &done, &e) == -ENODATA, "%s", e.text);
	cr_expect(log_size() == 2);
}
