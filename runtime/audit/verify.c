/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every line is hashed and compared with what the line after it, its session's
 * next line and audit.head say of it.  One pass, no JSON parser but for the rare
 * "recovered" records.
 */
#include "audit/audit.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "audit/chain.h"
#include "audit/head.h"
#include "base/json.h"

enum { TORN_MOST = 4 << 20 };

struct check {
	struct audit_verdict *verdict;
	const char *anchor;
	struct chain_link last;		/* of the host chain */
	struct chain_sessions sessions;
	struct str torn;		/* bytes since the last record that are none */
	/* Two neighbours disagree: who is wrong shows when a third speaks. */
	bool disputed;
};

__attribute__((format(printf, 3, 4)))
static void bad(struct check *c, unsigned long long seq, const char *fmt, ...)
{
	va_list ap;

	c->verdict->bad_seq = seq;
	va_start(ap, fmt);
	vsnprintf(c->verdict->reason, sizeof c->verdict->reason, fmt, ap);
	va_end(ap);
}

static bool same(const char *a, const char *b)
{
	return memcmp(a, b, HASH_HEX) == 0;
}

/* A "recovered" record closes what stands before it only if it names just that. */
static bool closes_torn(const struct check *c, const char *line, size_t n)
{
	owned_arena a = ARENA_INIT;
	const struct json *tree, *torn;
	char hash[HASH_HEX];
	uint64_t bytes;
	struct err ignored;

	if (json_parse(&a, line, n, "record", &tree, &ignored) < 0)
		return false;
	torn = json_get(tree, "torn");
	if (!torn || !json_get(torn, "bytes") || json_u64(json_get(torn, "bytes"), &bytes) < 0)
		return false;
	/* the newline that closed the torn bytes is not among them */
	if (bytes != c->torn.len && !(bytes + 1 == c->torn.len && c->torn.s[bytes] == '\n'))
		return false;
	hash_hex(hash, c->torn.s, bytes);
	return str_equal(json_get_text(torn, "sha256"), hash);
}

static void check_session(struct check *c, const struct chain_frame *f, const char *hash)
{
	struct chain_session *at;

	if (strcmp(f->session, CHAIN_HOST) == 0) {
		if (f->session_seq || strcmp(f->event, "recovered") != 0)
			bad(c, f->seq, "record %llu poses as one of the log itself", f->seq);
		return;
	}
	at = chain_session(&c->sessions, f->session);
	/* a session may have begun in the log that was rotated away */
	if (!(at->last.seq == 0 && c->verdict->first_seq > 1 && f->session_seq > 1) &&
	    (f->session_seq != at->last.seq + 1 || !same(f->session_prev, at->last.hash)))
		bad(c, f->seq, "record %llu does not follow the one before of session %s", f->seq,
		    f->session);
	at->last.seq = f->session_seq;
	memcpy(at->last.hash, hash, HASH_HEX);
}

static void settle_dispute(struct check *c, bool second_is_right)
{
	unsigned long long second = c->last.seq;

	c->disputed = false;
	if (second_is_right && second > 1)
		bad(c, second - 1, "record %llu does not have the hash that record %llu names",
		    second - 1, second);
	else
		bad(c, second, "record %llu names another hash than record %llu has", second,
		    second - 1);
}

static void check_first(struct check *c, const struct chain_frame *f)
{
	c->verdict->first_seq = f->seq;
	if (f->seq == 1 ? !same(f->prev, chain_start.hash) : strcmp(f->event, "recovered") != 0)
		bad(c, 1, "the log begins with record %llu and nothing says why", f->seq);
	c->last.seq = f->seq - 1;
	memcpy(c->last.hash, f->prev, HASH_HEX);
}

static void check_record(struct check *c, const struct chain_frame *f, const char *line, size_t n)
{
	unsigned long long expected;
	bool recovered = strcmp(f->event, "recovered") == 0;
	char hash[HASH_HEX];

	hash_hex(hash, line, n);
	if (c->disputed) {
		settle_dispute(c, same(f->prev, c->last.hash));
		return;
	}
	if (!c->verdict->records)
		check_first(c, f);
	expected = c->last.seq + 1;
	if (c->verdict->bad_seq)
		return;
	if (c->torn.len && !(recovered && closes_torn(c, line, n))) {
		bad(c, expected, "the line after record %llu is no record", expected - 1);
		return;
	}
	if (f->seq > expected) {
		bad(c, expected, "records %llu to %llu are missing", expected, f->seq - 1);
		return;
	}
	if (f->seq < expected) {
		bad(c, expected, "record %llu stands where %llu should", f->seq, expected);
		return;
	}
	c->disputed = !same(f->prev, c->last.hash);
	if (!c->disputed)
		check_session(c, f, hash);
	c->torn.len = 0;
	c->last.seq = f->seq;
	memcpy(c->last.hash, hash, HASH_HEX);
	c->verdict->recovered += recovered;
	if (c->anchor && str_equal(c->anchor, hash))
		c->verdict->anchor_seq = f->seq;
}

static void check_line(struct check *c, const char *line, size_t n, bool terminated)
{
	struct chain_frame f;

	if (n < AUDIT_LINE_MOST && chain_read(line, n, &f)) {
		check_record(c, &f, line, n);
		c->verdict->records++;
		/* the next append says so, and goes on */
		if (!terminated && !c->verdict->bad_seq)
			bad(c, f.seq, "record %llu, the last, lacks its newline", f.seq);
		return;
	}
	if (c->disputed) {
		settle_dispute(c, false);
		return;
	}
	str_append(&c->torn, line, n);
	if (terminated)
		str_puts(&c->torn, "\n");
	if (c->torn.len > TORN_MOST)
		bad(c, c->last.seq + 1, "what follows record %llu is no record", c->last.seq);
}

/* audit.head is no outside witness, but it notices an end that was cut off or changed. */
static void check_end(struct check *c, const struct head_view *view)
{
	const struct head *h = &view->head;

	if (c->disputed)
		settle_dispute(c, view->has_head && same(h->last.hash, c->last.hash));
	else if (c->torn.len)
		bad(c, c->last.seq + 1, "what follows record %llu is no record: torn by a crash, or "
		    "added", c->last.seq);
	else if (!view->has_head || (h->next_at >= 0 && same(h->next.hash, c->last.hash)))
		return;
	else if (h->last.seq > c->last.seq)
		bad(c, c->last.seq + 1, "records %llu to %llu are missing at the end, says "
		    AUDIT_HEAD, c->last.seq + 1, h->last.seq);
	else if (h->last.seq == c->last.seq && !same(h->last.hash, c->last.hash))
		bad(c, c->last.seq, "record %llu, the last, is not as it was written, says "
		    AUDIT_HEAD, c->last.seq);
}

static int check_log(const char *directory, const char *anchor, struct audit_verdict *ret,
		     struct str *ret_last, struct err *e)
{
	struct audit_verdict verdict = { 0 };
	struct check c = { .verdict = &verdict, .anchor = anchor, .last = chain_start };
	struct head_view view;
	struct parts_lines lines;
	const char *line;
	bool terminated;
	size_t n;
	int r;

	if ((r = head_view_open(directory, &view, e)) < 0)
		return err_in(e, "audit");
	parts_lines_init(&lines, &view.parts);
	while (!verdict.bad_seq && (r = parts_lines_next(&lines, &line, &n, &terminated)) > 0) {
		check_line(&c, line, n, terminated);
		if (ret_last) {
			ret_last->len = 0;
			str_append(ret_last, line, n);
		}
	}
	if (r >= 0 && !verdict.bad_seq)
		check_end(&c, &view);
	verdict.head_missing = verdict.records && !view.has_head;
	verdict.last_seq = c.last.seq;
	memcpy(verdict.head, c.last.hash, HASH_HEX);
	parts_lines_free(&lines);
	parts_close(&view.parts);
	chain_sessions_free(&c.sessions);
	str_free(&c.torn);
	if (r < 0)
		return err_set(e, -r, "read %s/" AUDIT_LOG, directory);
	*ret = verdict;
	return 0;
}

int audit_verify(const char *directory, const char *anchor, struct audit_verdict *ret,
		 struct err *e)
{
	return check_log(directory, anchor, ret, NULL, e);
}

int audit_head(const char *directory, struct audit_verdict *ret, struct str *ret_line, struct err *e)
{
	return check_log(directory, NULL, ret, ret_line, e);
}
