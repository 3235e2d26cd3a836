/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/logfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/audit.h"
#include "audit/parts.h"
#include "base/dirs.h"
#include "base/fd.h"

enum {
	TAIL_MOST = 256 << 10,	/* how far back from the end the last whole record is looked for */
	ATTEMPTS = 5,
};

#define LOG_INIT ((struct log){ .dirfd = -1, .head_fd = -1, .fd = -1 })

int logfile_entry(int dirfd, const char *name, int flags, int *ret_fd, struct err *e)
{
	/* O_NONBLOCK: a FIFO in its place must not hang us */
	owned_fd fd = openat(dirfd, name, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
			     0600);
	struct stat st;

	if (fd < 0)
		return err_set(e, errno, "open %s", name);
	if (fstat(fd, &st) < 0)
		return err_set(e, errno, "stat %s", name);
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid())
		return err_say(e, EPERM, "%s: not a file of uid %u", name, geteuid());
	*ret_fd = fd_take(&fd);
	return 0;
}

void logfile_close(struct log *l)
{
	fd_close(&l->fd);
	fd_close(&l->head_fd);
	fd_close(&l->dirfd);
}

/* Someone may remove audit.head while we wait for its lock: then two would hold "the" lock. */
static int lock(struct log *l, struct err *e)
{
	int r;

	for (int i = 0; i < ATTEMPTS; i++) {
		struct stat ours, named;

		fd_close(&l->head_fd);
		if ((r = logfile_entry(l->dirfd, AUDIT_HEAD, O_RDWR | O_CREAT, &l->head_fd, e)) < 0)
			return r;
		while (flock(l->head_fd, LOCK_EX) < 0)
			if (errno != EINTR)
				return err_set(e, errno, "lock " AUDIT_HEAD);
		if (fstat(l->head_fd, &ours) == 0 &&
		    fstatat(l->dirfd, AUDIT_HEAD, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
		    ours.st_ino == named.st_ino && ours.st_dev == named.st_dev)
			return 0;
	}
	return err_say(e, EAGAIN, AUDIT_HEAD " is replaced again and again");
}

int logfile_open(struct log *l, const char *directory, struct err *e)
{
	struct stat st;
	int r;

	*l = LOG_INIT;
	if ((r = dirs_open(directory, 0700, &l->dirfd, e)) < 0 || (r = lock(l, e)) < 0)
		return r;
	/* Only now: the log may have been renamed (rotated) while we waited. */
	r = logfile_entry(l->dirfd, AUDIT_LOG, O_RDWR | O_APPEND | O_CREAT, &l->fd, e);
	if (r < 0)
		return r;
	if (fstat(l->fd, &st) < 0)
		return err_set(e, errno, "stat " AUDIT_LOG);
	l->size = st.st_size;
	l->is_new = st.st_size == 0;
	head_init(&l->here);
	l->has_head = head_read(l->head_fd, &l->head) == 0;
	if (!l->has_head)
		l->head = l->here;
	return 0;
}

/* ---- the end ---- */

static int torn_hash(int fd, off_t size, struct tail *t, struct err *e)
{
	owned_str bytes = STR_INIT;
	ssize_t n = pread(fd, str_reserve(&bytes, t->torn), t->torn, size - (off_t)t->torn);

	if (n != (ssize_t)t->torn)
		return err_set(e, n < 0 ? errno : EIO, "read the end of " AUDIT_LOG);
	hash_hex(t->torn_hash, bytes.s, t->torn);
	return 0;
}

static int file_tail(int fd, off_t size, struct tail *ret, struct err *e)
{
	struct tail t = { .last = chain_start };
	struct chain_back back;
	const char *line;
	bool terminated;
	size_t n;
	int r = 0;

	chain_back_init(&back, fd, size);
	while (t.torn < TAIL_MOST && (r = chain_back_next(&back, &line, &n, &terminated)) > 0) {
		struct chain_frame f;

		if (chain_read(line, n, &f)) {
			t.any = true;
			t.unended = !terminated;
			t.last.seq = f.seq;
			hash_hex(t.last.hash, line, n);
			break;
		}
		t.torn += n + terminated;
	}
	chain_back_free(&back);
	if (r < 0)
		return err_set(e, -r, "read " AUDIT_LOG);
	if (t.torn && (r = torn_hash(fd, size, &t, e)) < 0)
		return r;
	*ret = t;
	return 0;
}

int logfile_tail(const struct log *l, struct tail *ret, struct err *e)
{
	struct parts parts;
	size_t n;
	int r;

	if (l->size)
		return file_tail(l->fd, l->size, ret, e);
	*ret = (struct tail){ .last = chain_start };
	if ((r = parts_open(l->dirfd, &parts, e)) < 0)
		return l->has_head ? 0 : r;	/* as if it were elsewhere: the head is enough */
	for (n = parts.n; n > 0 && part_is_log(&parts.v[n - 1]); n--)
		;
	if (n)
		r = file_tail(parts.v[n - 1].fd, parts.v[n - 1].size, ret, e);
	parts_close(&parts);
	return r;
}

static bool same_link(const struct chain_link *a, const struct chain_link *b)
{
	return a->seq == b->seq && memcmp(a->hash, b->hash, HASH_HEX) == 0;
}

void logfile_settle(struct log *l, struct tail *t, struct str *why)
{
	struct head *h = &l->head;

	if (!l->has_head) {
		h->last = t->last;
	} else if (same_link(&t->last, &h->last)) {
		head_settle(h, false);
	} else if (h->next_at >= 0 && same_link(&t->last, &h->next)) {
		head_settle(h, true);
	} else if (t->last.seq > h->last.seq) {
		/* a power cut loses the head, which is not synchronised, rather than the log */
		h->last = t->last;
	} else if (!l->size) {
		/* what was rotated away last is elsewhere, or compressed */
		*t = (struct tail){ .last = h->last };
	} else if (t->last.seq < h->last.seq) {
		str_printf(why, "records %llu to %llu are missing", t->last.seq + 1, h->last.seq);
	} else {
		str_printf(why, "record %llu is not as it was written", h->last.seq);
	}
	head_settle(h, false);
	if (!l->size && h->last.seq)
		str_printf(why, "the log is new: record %llu was the last of the one before",
			   h->last.seq);
	if (t->torn)
		str_printf(why, "%s%zu bytes at the end are no record", why->len ? "; " : "",
			   t->torn);
	else if (t->unended && l->size)
		str_printf(why, "%sthe last record lacked its newline", why->len ? "; " : "");
}

void logfile_session(char ret[LOGFILE_SESSION], const char *id)
{
	snprintf(ret, LOGFILE_SESSION, "sessions/%.*s", CHAIN_NAME - 1, id);
}
