/* SPDX-License-Identifier: Apache-2.0 */
/* audit: what verify makes of a log that was tampered with, or cut by a crash (THREATS F1). */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "audit/chain.h"
#include "audit/head.h"
#include "audit_lines.h"

TestSuite(audit_damage, .init = set_up, .fini = tear_down);

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

Test(audit_damage, F1_verify_names_the_first_bad_record)
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
Test(audit_damage, F1_any_changed_byte_is_found)
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

Test(audit_damage, F1_an_anchor_tells_the_true_log_from_one_written_anew)
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

/* ---- F1: crashes ---- */

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

Test(audit_damage, F1_a_torn_record_is_closed_and_recorded)
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

Test(audit_damage, a_record_that_lacks_its_newline_only_is_kept)
{
	struct audit_verdict v;

	crash_with(1);
	append("b", "exec");
	v = verify();
	cr_expect(v.bad_seq == 0, "%llu %s", v.bad_seq, v.reason);
	cr_expect(v.records == 11 && v.recovered == 1);
}

Test(audit_damage, a_crash_between_the_head_and_the_record)
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

Test(audit_damage, a_missing_end_is_recorded_and_stays_visible)
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

Test(audit_damage, lost_heads_are_rebuilt_from_the_log)
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
