/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/chain.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"

#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"

const struct chain_link chain_start = { 0, ZEROS };

bool chain_is_name(const char *text)
{
	size_t n = strspn(text, "0123456789abcdefghijklmnopqrstuvwxyz_-");

	return n > 0 && n < CHAIN_NAME && !text[n];
}

/* Two digits. */
static char *put_pair(char *p, int v)
{
	*p++ = (char)('0' + v / 10);
	*p++ = (char)('0' + v % 10);
	return p;
}

/* Without strftime(3), as chain_put() is without printf(3). */
void chain_time_of(const struct timespec *t, char ret[CHAIN_TIME])
{
	struct tm tm;
	char *p = ret;
	long ns = t->tv_nsec;
	int year;

	gmtime_r(&t->tv_sec, &tm);
	year = tm.tm_year + 1900;
	p = put_pair(put_pair(p, year / 100), year % 100);
	*p++ = '-';
	p = put_pair(p, tm.tm_mon + 1);
	*p++ = '-';
	p = put_pair(p, tm.tm_mday);
	*p++ = 'T';
	p = put_pair(p, tm.tm_hour);
	*p++ = ':';
	p = put_pair(p, tm.tm_min);
	*p++ = ':';
	p = put_pair(p, tm.tm_sec);
	*p++ = '.';
	for (int i = 8; i >= 0; i--, ns /= 10)
		p[i] = (char)('0' + ns % 10);
	strcpy(p + 9, "Z");
}

void chain_time(char ret[CHAIN_TIME])
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	chain_time_of(&now, ret);
}

/* Without printf(3), which would take longer than all else where thousands are written at once. */
void chain_put(struct str *line, const struct chain_frame *f)
{
	char *const start = str_reserve(line, CHAIN_FRAME), *p = start;

	p = STR_PUT(p, "{\"v\":1,\"time\":\"");
	p = mempcpy(p, f->time, CHAIN_TIME - 1);
	p = str_digits(STR_PUT(p, "\",\"seq\":"), f->seq);
	p = mempcpy(STR_PUT(p, ",\"prev\":\""), f->prev, HASH_HEX - 1);
	p = stpcpy(STR_PUT(p, "\",\"session\":\""), f->session);
	p = str_digits(STR_PUT(p, "\",\"session_seq\":"), f->session_seq);
	p = mempcpy(STR_PUT(p, ",\"session_prev\":\""), f->session_prev, HASH_HEX - 1);
	p = stpcpy(STR_PUT(p, "\",\"event\":\""), f->event);
	p = STR_PUT(p, "\"");
	str_commit(line, (size_t)(p - start));
}

/* ---- the scanner: each step consumes its part or fails ---- */

struct scan {
	const char *p, *end;
};

static bool literal(struct scan *s, const char *text)
{
	size_t n = strlen(text);

	if ((size_t)(s->end - s->p) < n || memcmp(s->p, text, n) != 0)
		return false;
	s->p += n;
	return true;
}

/* Digits stand for themselves in `form`: 'd' is any digit. */
static bool time_of_day(struct scan *s, char ret[CHAIN_TIME])
{
	static const char form[CHAIN_TIME] = "dddd-dd-ddTdd:dd:dd.dddddddddZ";

	if ((size_t)(s->end - s->p) < sizeof form - 1)
		return false;
	memcpy(ret, s->p, sizeof form - 1);
	ret[sizeof form - 1] = 0;
	for (const char *f = form; *f; f++, s->p++)
		if (*f == 'd' ? *s->p < '0' || *s->p > '9' : *s->p != *f)
			return false;
	return true;
}

static bool number(struct scan *s, unsigned long long *ret)
{
	const char *first = s->p;
	unsigned long long v = 0;

	for (; s->p < s->end && *s->p >= '0' && *s->p <= '9'; s->p++) {
		if (s->p - first >= 18)
			return false;
		v = v * 10 + (unsigned long long)(*s->p - '0');
	}
	*ret = v;
	return s->p > first && (*first != '0' || s->p - first == 1);
}

static bool digest(struct scan *s, char ret[HASH_HEX])
{
	if (s->end - s->p < HASH_HEX - 1)
		return false;
	for (size_t i = 0; i < HASH_HEX - 1; i++) {
		char c = *s->p++;

		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
			return false;
		ret[i] = c;
	}
	ret[HASH_HEX - 1] = 0;
	return true;
}

static bool name(struct scan *s, char ret[CHAIN_NAME])
{
	const char *quote = memchr(s->p, '"', (size_t)(s->end - s->p));
	size_t n = quote ? (size_t)(quote - s->p) : 0;

	if (!quote || n >= CHAIN_NAME)
		return false;
	memcpy(ret, s->p, n);
	ret[n] = 0;
	s->p = quote;
	return chain_is_name(ret);
}

bool chain_read(const char *line, size_t n, struct chain_frame *ret)
{
	struct scan s = { line, line + n };
	struct chain_frame f;

	if (!literal(&s, "{\"v\":1,\"time\":\"") || !time_of_day(&s, f.time) ||
	    !literal(&s, "\",\"seq\":") || !number(&s, &f.seq) ||
	    !literal(&s, ",\"prev\":\"") || !digest(&s, f.prev) ||
	    !literal(&s, "\",\"session\":\"") || !name(&s, f.session) ||
	    !literal(&s, "\",\"session_seq\":") || !number(&s, &f.session_seq) ||
	    !literal(&s, ",\"session_prev\":\"") || !digest(&s, f.session_prev) ||
	    !literal(&s, "\",\"event\":\"") || !name(&s, f.event) || !literal(&s, "\"") ||
	    s.p == s.end || (*s.p != ',' && *s.p != '}') || line[n - 1] != '}')
		return false;
	*ret = f;
	return true;
}

/* ---- lines from the end ---- */

enum { BLOCK = 16384, PIECE = 1 << 20 };

void chain_back_init(struct chain_back *b, int fd, off_t size)
{
	*b = (struct chain_back){ .fd = fd, .at = size };
}

void chain_back_free(struct chain_back *b)
{
	str_free(&b->block);
}

/* Puts the block of the file that stands before in front of what is left. */
static int earlier(struct chain_back *b)
{
	size_t n = b->at < BLOCK ? (size_t)b->at : BLOCK, got = 0;

	b->block.len = b->left;
	str_reserve(&b->block, n);
	memmove(b->block.s + n, b->block.s, b->left);
	while (got < n) {
		ssize_t k = pread(b->fd, b->block.s + got, n - got, b->at - (off_t)(n - got));

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return -errno;
		if (k == 0)
			return -ESTALE;		/* cut off while it was read */
		got += (size_t)k;
	}
	str_commit(&b->block, n);
	b->left += n;
	b->at -= (off_t)n;
	return 0;
}

int chain_back_next(struct chain_back *b, const char **line, size_t *n, bool *terminated)
{
	size_t end, start;
	int r;

	if (!b->left && !b->at)
		return 0;
	if (!b->left && (r = earlier(b)) < 0)
		return r;
	*terminated = b->block.s[b->left - 1] == '\n';
	for (;;) {
		const char *newline;

		end = b->left - *terminated;
		newline = end ? memrchr(b->block.s, '\n', end) : NULL;
		start = newline ? (size_t)(newline - b->block.s) + 1 : 0;
		if (newline || !b->at || end > PIECE)
			break;
		if ((r = earlier(b)) < 0)
			return r;
	}
	*line = b->block.s + start;
	*n = end - start;
	b->left = start;
	return 1;
}

int chain_find_back(int fd, off_t end, const struct str *what, off_t *ret)
{
	owned_str block = STR_INIT;
	off_t size = BLOCK;

	while (end >= (off_t)what->len) {
		const off_t at = end > size ? end - size : 0;
		const char *last = NULL, *p;
		ssize_t n;

		n = pread(fd, str_reserve(&block, (size_t)size), (size_t)(end - at), at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n != end - at)
			return -ESTALE;		/* cut off while it was read */
		for (p = block.s; (p = memmem(p, (size_t)(block.s + n - p), what->s, what->len)); p++)
			last = p;
		if (last) {
			*ret = at + (last - block.s);
			return 1;
		}
		if (!at)
			break;
		/* it may stand across the border of two blocks */
		end = at + (off_t)what->len - 1;
		size = size < PIECE ? 2 * size : PIECE;
	}
	return 0;
}

/* ---- lines from the start ---- */

void chain_lines_init(struct chain_lines *l, int fd, off_t size)
{
	*l = (struct chain_lines){ .fd = fd, .left = size };
}

void chain_lines_free(struct chain_lines *l)
{
	str_free(&l->block);
}

/* Moves what is not given out yet to the front and reads on behind it. */
static int later(struct chain_lines *l)
{
	enum { READ = 256 << 10 };
	size_t rest = l->block.len - l->used, n = l->left < READ ? (size_t)l->left : READ;
	ssize_t k;

	if (l->used)
		memmove(l->block.s, l->block.s + l->used, rest);
	l->block.len = rest;
	l->used = 0;
	do
		k = read(l->fd, str_reserve(&l->block, n), n);
	while (k < 0 && errno == EINTR);
	if (k < 0)
		return -errno;
	if (k == 0)
		return -ESTALE;			/* cut off while it was read */
	str_commit(&l->block, (size_t)k);
	l->left -= k;
	return 0;
}

int chain_lines_next(struct chain_lines *l, const char **line, size_t *n, bool *terminated)
{
	size_t searched = 0;
	int r;

	for (;;) {
		size_t have = l->block.len - l->used;
		const char *from = have ? l->block.s + l->used : NULL;
		const char *newline = have > searched ?
			memchr(from + searched, '\n', have - searched) : NULL;

		if (newline || (have && (!l->left || have > PIECE))) {
			*terminated = newline;
			*n = newline ? (size_t)(newline - from) : have;
			*line = from;
			l->used += *n + *terminated;
			return 1;
		}
		if (!l->left)
			return 0;
		searched = have;
		if ((r = later(l)) < 0)
			return r;
	}
}

/* ---- sessions ---- */

void chain_sessions_free(struct chain_sessions *s)
{
	free(s->v);
	*s = (struct chain_sessions){ 0 };
}

static struct chain_session *slot(const struct chain_sessions *s, const char *id)
{
	uint64_t h = 14695981039346656037u;	/* FNV-1a */
	size_t i;

	for (const char *p = id; *p; p++)
		h = (h ^ (unsigned char)*p) * 1099511628211u;
	for (i = h & (s->room - 1); *s->v[i].id && strcmp(s->v[i].id, id) != 0;)
		i = (i + 1) & (s->room - 1);
	return &s->v[i];
}

struct chain_session *chain_session(struct chain_sessions *s, const char *id)
{
	struct chain_session *at;

	if (2 * (s->n + 1) > s->room) {
		struct chain_sessions bigger = { .n = s->n, .room = s->room ? 2 * s->room : 256 };

		bigger.v = must(calloc(bigger.room, sizeof *bigger.v));
		for (size_t i = 0; i < s->room; i++)
			if (*s->v[i].id)
				*slot(&bigger, s->v[i].id) = s->v[i];
		free(s->v);
		*s = bigger;
	}
	at = slot(s, id);
	if (!*at->id) {
		snprintf(at->id, sizeof at->id, "%s", id);
		at->last = chain_start;
		s->n++;
	}
	return at;
}
