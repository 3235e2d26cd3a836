/* SPDX-License-Identifier: Apache-2.0 */
/* audit: the log, its chains, and what verify makes of a log that was tampered with (THREATS F). */
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
#include "audit/record.h"
#include "audit/redact.h"
#include "audit/sessions.h"
#include "base/fd.h"
#include "base/json.h"
#include "audit_log.h"

/* ---- a log of the test's own ---- */

TestSuite(audit, .init = set_up, .fini = tear_down);

static int append_text(const char *session, const char *event, const char *text,
		       struct str *ret_line, struct err *e)
{
	struct audit_frame frame = { .session = session, .event = event, .container = "c",
				     .once = strcmp(event, "delete") == 0 };
	struct json_writer *w = json_writer_new(false);
	owned_str members = STR_INIT;

	json_open(w);
	json_field(w, "text", text);
	json_close(w);
	json_writer_end(w, &members);
	return audit_append(dir, &frame, &members, ret_line, e);
}

static void append(const char *session, const char *event)
{
	struct err e;

	cr_assert(append_text(session, event, "content", NULL, &e) == 0, "%s", e.text);
}

/* Eight records of two sessions, as containers that run side by side write them. */
static void fill(void)
{
	static const struct {
		const char *session, *event;
	} records[] = {
		{ "a", "create" }, { "b", "create" }, { "a", "exec" },	 { "b", "exec" },
		{ "a", "exec" },   { "a", "delete" }, { "b", "exec" }, { "b", "exec" },
	};

	for (size_t i = 0; i < sizeof records / sizeof *records; i++)
		append(records[i].session, records[i].event);
}

static char *slurp(const char *name)
{
	struct str text = STR_INIT;
	struct err e;

	cr_assert(file_read(AT_FDCWD, in_dir(name), 256 << 20, &text, &e) == 0, "%s", e.text);
	return str_take(&text);
}

static void spit(const char *name, const char *text, size_t size)
{
	owned_fd fd = open(in_dir(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct err e;

	cr_assert(fd >= 0);
	cr_assert(fd_write_all(fd, text, size, name, &e) == 0);
}

static off_t log_size(void)
{
	struct stat st;

	return stat(in_dir(AUDIT_LOG), &st) == 0 ? st.st_size : -1;
}

static struct strv lines_of(const char *name)
{
	char *text = slurp(name);
	struct strv lines = { 0 };

	for (char *line = text, *end; (end = strchr(line, '\n')); line = end + 1)
		strv_add(&arena, &lines, arena_strndup(&arena, line, (size_t)(end - line)));
	free(text);
	return lines;
}

static void put_lines(const struct strv *lines)
{
	owned_str text = STR_INIT;

	for (size_t i = 0; i < lines->n; i++)
		str_printf(&text, "%s\n", lines->v[i]);
	spit(AUDIT_LOG, str_text(&text), text.len);
}

static unsigned count(const char *name, const char *what)
{
	struct strv lines = lines_of(name);
	unsigned n = 0;

	for (size_t i = 0; i < lines.n; i++)
		n += strstr(lines.v[i], what) != NULL;
	return n;
}

/* ---- the frame ---- */

Test(audit, a_record_has_the_frame_and_the_members)
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

Test(audit, the_files_are_private)
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

Test(audit, what_is_no_file_of_ours_is_refused)
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

Test(audit, members_and_names_that_would_break_the_line_are_refused)
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

Test(audit, session_ids_sort_by_time_and_differ)
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

/* ---- F1: tampering ---- */

static void change(char *line, const char *key)
{
	char *at = strstr(line, key);

	cr_assert(at != NULL);
	at += strlen(key);
	*at = *at == 'd' ? 'e' : 'd';
}

static void remove_line(struct strv *l, size_t i)
{
	memmove(&l->v[i], &l->v[i + 1], (l->n - i) * sizeof *l->v);
	l->n--;
}

static void edit_third(struct strv *l) { change(l->v[2], "\"text\":\"c"); }
static void edit_first(struct strv *l) { change(l->v[0], "\"text\":\"c"); }
static void edit_last(struct strv *l) { change(l->v[7], "\"text\":\"c"); }
static void edit_prev(struct strv *l) { change(l->v[3], "\"prev\":\""); }
static void edit_prev_of_last(struct strv *l) { change(l->v[7], "\"prev\":\""); }
static void edit_session_prev(struct strv *l) { change(l->v[4], "\"session_prev\":\""); }
static void edit_session(struct strv *l) { change(l->v[4], "\"session\":\""); }
static void edit_event(struct strv *l) { change(l->v[5], "\"event\":\"dele"); }
static void edit_time(struct strv *l) { *strstr(l->v[1], "\"time\":\"2") = ' '; }
static void remove_first(struct strv *l) { remove_line(l, 0); }
static void remove_third(struct strv *l) { remove_line(l, 2); }
static void remove_two(struct strv *l) { remove_line(l, 4); remove_line(l, 4); }
static void remove_last(struct strv *l) { remove_line(l, 7); }
static void cut_tail(struct strv *l) { l->n = 5; }
static void cut_all(struct strv *l) { l->n = 0; }

static void swap(struct strv *l)
{
	char *third = l->v[2];

	l->v[2] = l->v[3];
	l->v[3] = third;
}

static void insert(struct strv *l, size_t i, const char *line)
{
	strv_add(&arena, l, "");
	memmove(&l->v[i + 1], &l->v[i], (l->n - 1 - i) * sizeof *l->v);
	l->v[i] = arena_strdup(&arena, line);
}

static void duplicate(struct strv *l) { insert(l, 4, l->v[3]); }
static void insert_garbage(struct strv *l) { insert(l, 2, "{\"v\":1}"); }
static void insert_empty(struct strv *l) { insert(l, 6, ""); }
static void append_garbage(struct strv *l) { insert(l, 8, "x"); }

/* The strongest edit: every hash after the changed record is made anew. */
static void rehash(struct strv *l)
{
	char prev[HASH_HEX];

	change(l->v[2], "\"text\":\"c");
	for (size_t i = 3; i < l->n; i++) {
		struct chain_frame f;

		hash_hex(prev, l->v[i - 1], strlen(l->v[i - 1]));
		memcpy(strstr(l->v[i], "\"prev\":\"") + 8, prev, HASH_HEX - 1);
		cr_assert(chain_read(l->v[i], strlen(l->v[i]), &f));
		for (size_t k = i; k-- > 0;) {
			struct chain_frame g;

			cr_assert(chain_read(l->v[k], strlen(l->v[k]), &g));
			if (strcmp(f.session, g.session) != 0)
				continue;
			hash_hex(prev, l->v[k], strlen(l->v[k]));
			memcpy(strstr(l->v[i], "\"session_prev\":\"") + 16, prev, HASH_HEX - 1);
			break;
		}
	}
}

/* Without the session's hashes made anew too. */
static void rehash_host_only(struct strv *l)
{
	char prev[HASH_HEX];

	change(l->v[2], "\"text\":\"c");
	for (size_t i = 3; i < l->n; i++) {
		hash_hex(prev, l->v[i - 1], strlen(l->v[i - 1]));
		memcpy(strstr(l->v[i], "\"prev\":\"") + 8, prev, HASH_HEX - 1);
	}
}

Test(audit, F1_verify_names_the_first_bad_record)
{
	static const struct {
		const char *name;
		void (*edit)(struct strv *lines);
		unsigned long long bad, bad_without_head;
	} rows[] = {
		{ "content", edit_third, 3, 3 },
		{ "content of the first", edit_first, 1, 1 },
		{ "content of the last", edit_last, 8, 0 },
		{ "prev", edit_prev, 4, 4 },
		{ "prev of the last", edit_prev_of_last, 8, 8 },
		{ "session_prev", edit_session_prev, 5, 5 },
		{ "session", edit_session, 5, 5 },
		{ "event", edit_event, 6, 6 },
		{ "frame", edit_time, 2, 2 },
		{ "removed first", remove_first, 1, 1 },
		{ "removed", remove_third, 3, 3 },
		{ "removed two", remove_two, 5, 5 },
		{ "removed last", remove_last, 8, 0 },
		{ "tail cut off", cut_tail, 6, 0 },
		{ "all cut off", cut_all, 1, 0 },
		{ "reordered", swap, 3, 3 },
		{ "duplicated", duplicate, 5, 5 },
		{ "garbage inside", insert_garbage, 3, 3 },
		{ "empty line inside", insert_empty, 7, 7 },
		{ "garbage behind", append_garbage, 9, 9 },
		{ "written anew", rehash, 8, 0 },
		{ "written anew but for its session", rehash_host_only, 5, 5 },
	};
	struct strv good;
	char *head;

	fill();
	cr_assert(verify().bad_seq == 0, "%s", verify().reason);
	cr_assert(verify().records == 8);
	good = lines_of(AUDIT_LOG);
	head = slurp(AUDIT_HEAD);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct strv lines = { 0 };
		struct audit_verdict v;

		for (size_t k = 0; k < good.n; k++)
			strv_add(&arena, &lines, good.v[k]);
		rows[i].edit(&lines);
		put_lines(&lines);
		spit(AUDIT_HEAD, head, strlen(head));
		v = verify();
		cr_expect(v.bad_seq == rows[i].bad, "%s: %llu %s", rows[i].name, v.bad_seq, v.reason);
		unlink(in_dir(AUDIT_HEAD));
		v = verify();
		cr_expect(v.bad_seq == rows[i].bad_without_head, "%s, no head: %llu %s",
			  rows[i].name, v.bad_seq, v.reason);
		cr_expect(eq(int, v.bad_seq != 0, *v.reason != 0), "%s", rows[i].name);
	}
	free(head);
}

/* Every byte counts: each single changed byte of the whole log is noticed. */
Test(audit, F1_any_changed_byte_is_found)
{
	char *log, *copy;
	size_t n;

	fill();
	log = slurp(AUDIT_LOG);
	n = strlen(log);
	copy = must(malloc(n));
	for (size_t i = 0; i < n; i++) {
		struct audit_verdict v;
		unsigned long long line = 1;

		memcpy(copy, log, n);
		copy[i] ^= 1;
		spit(AUDIT_LOG, copy, n);
		v = verify();
		for (size_t k = 0; k < i; k++)
			line += log[k] == '\n';
		/* a changed newline joins two records: the second is no more */
		cr_assert(v.bad_seq == line || (log[i] == '\n' && v.bad_seq == line + 1),
			  "byte %zu of record %llu: %llu %s", i, line, v.bad_seq, v.reason);
	}
	free(copy);
	free(log);
}

Test(audit, F1_an_anchor_tells_the_true_log_from_one_written_anew)
{
	struct audit_verdict v;
	struct strv lines;
	char anchor[HASH_HEX];
	struct err e;

	fill();
	lines = lines_of(AUDIT_LOG);
	hash_hex(anchor, lines.v[7], strlen(lines.v[7]));
	cr_assert(audit_verify(dir, anchor, &v, &e) == 0);
	cr_expect(v.bad_seq == 0 && v.anchor_seq == 8);
	cr_expect(eq(str, v.head, anchor));
	rehash(&lines);
	put_lines(&lines);
	unlink(in_dir(AUDIT_HEAD));
	cr_assert(audit_verify(dir, anchor, &v, &e) == 0);
	cr_expect(v.bad_seq == 0 && v.anchor_seq == 0);
}

/* ---- F1, F3: crashes ---- */

static const char *const head_names[] = { AUDIT_HEAD, "sessions/b" };

static void heads_read(struct head heads[2])
{
	for (int i = 0; i < 2; i++) {
		owned_fd fd = open(in_dir(head_names[i]), O_RDONLY | O_CLOEXEC);

		cr_assert(head_read(fd, &heads[i]) == 0);
	}
}

/* One more record of session b, and the heads as a crash before they were settled leaves them. */
static void append_and_crash(void)
{
	struct head before[2], after[2];
	struct err e;
	off_t at = log_size();

	heads_read(before);
	append("b", "exec");
	heads_read(after);
	for (int i = 0; i < 2; i++) {
		owned_fd fd = open(in_dir(head_names[i]), O_RDWR | O_CLOEXEC);

		head_intend(&before[i], at, after[i].last.seq, after[i].last.hash, false);
		cr_assert(head_write(fd, &before[i], head_names[i], &e) == 0);
	}
}

static void crash_with(off_t cut)
{
	fill();
	append_and_crash();
	cr_assert(truncate(in_dir(AUDIT_LOG), log_size() - cut) == 0);
}

Test(audit, F1_a_torn_record_is_closed_and_recorded)
{
	struct audit_verdict v;
	struct strv lines;

	crash_with(100);
	v = verify();
	cr_expect(v.bad_seq == 9, "%llu %s", v.bad_seq, v.reason);
	append("a2", "create");
	append("b", "exec");
	v = verify();
	cr_expect(v.bad_seq == 0, "%llu %s", v.bad_seq, v.reason);
	cr_expect(v.recovered == 1 && v.records == 11);
	lines = lines_of(AUDIT_LOG);
	cr_assert(lines.n == 12);
	cr_expect(strstr(lines.v[9], "\"session\":\"host\"") != NULL);
	cr_expect(strstr(lines.v[9], "\"event\":\"recovered\"") != NULL);
	/* the torn bytes are part of the evidence: changing them is noticed */
	lines.v[8][10] ^= 1;
	put_lines(&lines);
	cr_expect(verify().bad_seq == 9);
}

Test(audit, a_record_that_lacks_its_newline_only_is_kept)
{
	struct audit_verdict v;

	crash_with(1);
	append("b", "exec");
	v = verify();
	cr_expect(v.bad_seq == 0, "%llu %s", v.bad_seq, v.reason);
	cr_expect(v.records == 11 && v.recovered == 1);
}

Test(audit, a_crash_between_the_head_and_the_record)
{
	static const struct {
		const char *name;
		bool written;
	} rows[] = { { "not written", false }, { "written", true } };

	fill();
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct audit_verdict v;
		off_t at = log_size();

		append_and_crash();
		if (!rows[i].written)
			cr_assert(truncate(in_dir(AUDIT_LOG), at) == 0);
		append("b", "exec");
		v = verify();
		cr_expect(v.bad_seq == 0 && v.recovered == 0, "%s: %llu %s", rows[i].name,
			  v.bad_seq, v.reason);
	}
}

Test(audit, a_missing_end_is_recorded_and_stays_visible)
{
	struct audit_verdict v;
	struct strv lines;

	fill();
	lines = lines_of(AUDIT_LOG);
	cut_tail(&lines);
	put_lines(&lines);
	append("a2", "create");
	v = verify();
	cr_expect(v.bad_seq == 6, "%llu %s", v.bad_seq, v.reason);
	lines = lines_of(AUDIT_LOG);
	cr_expect(strstr(lines.v[5], "records 6 to 8 are missing") != NULL, "%s", lines.v[5]);
	append("b", "exec");
	cr_expect(verify().bad_seq == 6);
}

Test(audit, lost_heads_are_rebuilt_from_the_log)
{
	fill();
	unlink(in_dir(AUDIT_HEAD));
	unlink(in_dir("sessions/b"));
	append("b", "exec");
	append("b", "delete");
	cr_expect(verify().bad_seq == 0, "%s", verify().reason);
	spit(AUDIT_HEAD, "garbage", 7);
	append("c", "create");
	cr_expect(verify().bad_seq == 0, "%s", verify().reason);
	cr_expect(verify().records == 11);
}

Test(audit, F3_a_rotated_log_goes_on_in_the_new_file)
{
	struct audit_verdict v;

	fill();
	cr_assert(rename(in_dir(AUDIT_LOG), in_dir(AUDIT_LOG ".1")) == 0);
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
Test(audit, F3_the_lock_is_that_of_the_present_file)
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

Test(audit, F3_disk_full_leaves_the_log_as_it_was)
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

Test(audit, F2_delete_is_recorded_once)
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

Test(audit, F2_deletes_at_the_same_time)
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

Test(audit, F2_a_restart_ends_the_sessions_of_before)
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

Test(audit, F2_the_runtimes_own_delete_wins_after_a_restart)
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

Test(audit, F4_fifty_processes_append)
{
	many(50, 100);
	cr_expect(await() == 0);
	cr_expect(verify().bad_seq == 0, "%s", verify().reason);
	cr_expect(verify().records == 50 * 101);
	cr_expect(verify().recovered == 0);
}

Test(audit, F3_rotation_under_load_loses_nothing)
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

		cr_assert(audit_show(dir, names[i], &text, &e) == 0, "%s", e.text);
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
		{ "mount.cifs", "-Uu%abc" }, { "mysql", "-pabc" }, { "mysqladmin", "-pabc" },
		{ "mysqldump", "-pabc" }, { "rar", "-pabc" }, { "smbclient", "-Uu%abc" },
		{ "sshpass", "-pabc" }, { "unrar", "-pabc" }, { "unzip", "-Pabc" }, { "zip", "-Pabc" },
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

		cr_assert(audit_show(dir, names[n], &text, &e) == 0, "%s", e.text);
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
	owned_str members = STR_INIT;

	strv_add(&arena, &args, "sh");
	strv_add(&arena, &args, "--token=" TOKEN);
	c.args = &args;
	cr_expect(not(audit_record_commands_end(&records, &members)));
	cr_expect(not(audit_record_command(&records, &c, &members)));
	c.start_ns = 0;
	cr_expect(not(audit_record_command(&records, &c, &members)));
	cr_assert(audit_record_commands_end(&records, &members));
	j = tree_of(&members);
	cr_expect(eq(str, (char *)json_get_text(j, "source"), "bpf"));
	list = json_get(j, "executions");
	cr_assert(list->n == 2);
	j = list->items[0];
	cr_expect(eq(str, (char *)json_get_text(j, "start_time"), "2023-11-14T22:13:20.000000042Z"));
	cr_expect(eq(str, (char *)json_get(j, "process.command_args")->items[1]->text,
		     "--token=[redacted]"));
	cr_expect(json_get(j, "process.exit.code")->type == JSON_NULL);
	cr_expect(json_get(j, "duration_ns")->type == JSON_NULL);
	cr_expect(json_get(j, "process.parent_pid")->type == JSON_NULL);
	cr_expect(json_get(j, "process.working_directory") == NULL);
	cr_expect(json_get(list->items[1], "start_time")->type == JSON_NULL);
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
			owned_str members = STR_INIT, line = STR_INIT;
			struct err e;

			put++;
			if (!audit_record_command(&records, &c, &members))
				continue;
			full++;
			cr_assert(audit_unlogged(&frame, &members, &line, &e) == 0, "%s", e.text);
			cr_expect(json_get(tree_of(&line), "truncated") == NULL, "%zu: %zu bytes", i, members.len);
			listed += json_get(tree_of(&members), "executions")->n;
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
	cr_expect(audit_show(dir, "a", &text, &e) == -ENOENT);
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
