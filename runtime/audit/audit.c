/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Appending, under the lock on audit.head, in this order: find the end of the
 * log and of the session's chain; note in both head files what is about to be
 * written; write the record with one write(); note that it is there.  A crash in
 * between leaves a head with an intended record, which is there or is not: the
 * next append looks.
 */
#include "audit/audit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "audit/chain.h"
#include "audit/logfile.h"
#include "audit/parts.h"
#include "audit/shrink.h"
#include "base/dirs.h"
#include "base/fd.h"
#include "base/json.h"

enum {
	ATTEMPTS = 5,
	BATCH = 128 << 10,		/* bytes of records written at once */
};

/* ---- where ---- */

int audit_directory(struct arena *a, bool rootless, char **ret, struct err *e)
{
	if (rootless)
		return dirs_of_user(a, "audit", "XDG_STATE_HOME", ".local/state", ret, e);
	*ret = arena_strdup(a, "/var/log/agentrun");
	return 0;
}

/* ---- a session's chain ---- */

struct session {
	const char *id;
	char path[LOGFILE_SESSION];
	int fd;			/* its head file, -1 if there is none */
	bool had_file;
	struct head head;
};

/* The line that the byte at `at` stands in, or that begins there, without its newline.  1, 0: it has no
 * newline, or a negative errno. */
static int line_at(int fd, off_t at, struct str *ret)
{
	struct chain_back back;
	owned_str rest = STR_INIT;
	ssize_t n = pread(fd, str_reserve(&rest, AUDIT_LINE_MOST), AUDIT_LINE_MOST, at);
	const char *newline = n > 0 ? memchr(rest.s, '\n', (size_t)n) : NULL;
	const char *line;
	bool terminated;
	size_t size;
	int r;

	if (!newline)
		return n < 0 ? -errno : 0;
	chain_back_init(&back, fd, at + (newline - rest.s) + 1);
	if ((r = chain_back_next(&back, &line, &size, &terminated)) > 0)
		str_append(ret, line, size);
	chain_back_free(&back);
	return r;
}

/* Whether the record that a head intended at next_at is there. */
static bool is_there(const struct log *l, const struct head *h)
{
	owned_str line = STR_INIT;
	char hash[HASH_HEX];

	if (line_at(l->fd, h->next_at, &line) <= 0)
		return false;
	hash_hex(hash, line.s, line.len);
	return memcmp(hash, h->next.hash, HASH_HEX) == 0;
}

/* Goes on with a scan in one more file, older than those before.  1: there is no more to find. */
static int file_scan(int fd, off_t size, const char *id, struct head *ret, struct err *e)
{
	owned_str name = STR_INIT, line = STR_INIT;
	off_t at = size;
	int r;

	str_printf(&name, ",\"session\":\"%s\",", id);
	while ((r = chain_find_back(fd, at, &name, &at)) > 0) {
		struct chain_frame f;

		line.len = 0;
		if ((r = line_at(fd, at, &line)) < 0)
			break;
		/* the name may stand anywhere in what a container says */
		if (!r || !chain_read(line.s, line.len, &f) || strcmp(f.session, id) != 0)
			continue;
		if (!ret->last.seq) {
			ret->last.seq = f.session_seq;
			hash_hex(ret->last.hash, line.s, line.len);
		}
		if (strcmp(f.event, "delete") == 0)
			ret->ended = true;
		if (ret->ended || f.session_seq <= 1)
			break;
	}
	return r < 0 ? err_set(e, -r, "read " AUDIT_LOG) : r;
}

/*
 * Without a head file: the session's last record, and whether it has ended.  A record of what became of
 * its files may follow its end by days, so that all that was rotated away is searched, too.
 */
static int session_scan(const struct log *l, const char *id, struct head *ret, struct err *e)
{
	struct parts parts;
	int r = file_scan(l->fd, l->size, id, ret, e);

	if (r)
		return r < 0 ? r : 0;
	if ((r = parts_open(l->dirfd, &parts, e)) < 0)
		return r;
	for (size_t i = parts.n; r == 0 && i-- > 0;)
		if (!part_is_log(&parts.v[i]))
			r = file_scan(parts.v[i].fd, parts.v[i].size, id, ret, e);
	parts_close(&parts);
	return r < 0 ? r : 0;
}

static void session_path(struct session *s, const char *id)
{
	s->id = id;
	logfile_session(s->path, id);
}

static int session_find(const struct log *l, const struct audit_frame *frame, struct session *s,
			struct err *e)
{
	struct head found;
	int r;

	session_path(s, frame->session);
	s->fd = openat(l->dirfd, s->path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	s->had_file = s->fd >= 0;
	if (s->fd >= 0 && head_read(s->fd, &s->head) == 0 &&
	    strcmp(s->head.boot, l->here.boot) == 0) {
		const bool intended = s->head.next_at >= 0, written = intended && is_there(l, &s->head);
		const struct head before = s->head;

		head_settle(&s->head, written);
		if (written || !intended)
			return 0;
		/* of records that were to be written together some may be there; or all, in a file that
		 * was rotated away since */
		found = s->head;
		found.last = chain_start;
		r = session_scan(l, s->id, &found, e);
		if (found.last.seq >= before.next.seq)
			found.mark = before.next_mark;
		if (found.last.seq > s->head.last.seq)
			s->head = found;
		return r;
	}
	s->head = l->here;
	if (strcmp(frame->event, "create") == 0)
		return 0;
	/* the session has ended, or its head file was lost */
	return session_scan(l, s->id, &s->head, e);
}

static int session_file(const struct log *l, struct session *s, struct err *e)
{
	if (s->fd >= 0)
		return 0;
	if (mkdirat(l->dirfd, "sessions", 0700) < 0 && errno != EEXIST)
		return err_set(e, errno, "create sessions");
	return logfile_entry(l->dirfd, s->path, O_RDWR | O_CREAT, &s->fd, e);
}

/* ---- records ---- */

static int frame_check(const struct audit_frame *frame, struct err *e)
{
	if (!chain_is_name(frame->session) || !chain_is_name(frame->event) ||
	    strcmp(frame->session, CHAIN_HOST) == 0)
		return err_say(e, EINVAL, "audit: \"%s\", \"%s\": no session and event",
			       frame->session, frame->event);
	if (frame->container && strlen(frame->container) > HEAD_CONTAINER)
		return err_say(e, ENAMETOOLONG, "audit: the container's id is too long");
	return 0;
}

static void frame_start(const char *session, const char *event, struct chain_frame *f)
{
	chain_time(f->time);
	snprintf(f->session, sizeof f->session, "%s", session);
	snprintf(f->event, sizeof f->event, "%s", event);
}

/* What all records of a frame have first: ,"container.id":"ID", or nothing. */
static void container_put(const struct audit_frame *frame, struct str *out)
{
	struct json_writer *w;

	if (!frame->container || !*frame->container)
		return;
	w = json_writer_new(false);
	json_open(w);
	json_field(w, "container.id", frame->container);
	json_close(w);
	json_writer_end(w, out);
	out->s[0] = ',';
	out->len -= 2;		/* "}\n" */
}

/* Without its newline. */
static int line_put(struct str *line, const struct chain_frame *f, const struct str *container,
		    const struct str *members, struct err *e)
{
	const size_t room = AUDIT_LINE_MOST - CHAIN_FRAME - container->len;
	size_t n = members->len;
	owned_str shorter = STR_INIT;
	const char *text = str_text(members);

	if (n && text[n - 1] == '\n')
		n--;
	if (n < 2 || text[0] != '{' || text[n - 1] != '}' || memchr(text, '\n', n))
		return err_say(e, EINVAL, "audit: the members are no object on one line");
	if (n > room) {
		shrink(members, room, &shorter);
		text = shorter.s;
		n = shorter.len - 1;
	}
	chain_put(line, f);
	str_append(line, str_text(container), container->len);
	if (n > 2) {
		str_puts(line, ",");
		str_append(line, text + 1, n - 2);
	}
	str_puts(line, "}");
	return 0;
}

/* Lines that are to be written at once, and where both chains stand behind the last of them. */
struct audit_sink {
	struct log *log;
	struct session *session;	/* NULL: they are the log's own */
	const struct audit_frame *frame;
	struct str container;		/* as container_put() has it */
	struct str lines;
	off_t last_at;			/* where in the lines the last begins */
	struct chain_link last, session_last;
	bool ends;			/* the last is the one that ends the session */
	unsigned long long mark;	/* of all that was put */
	int failed;			/* what could not be put, or written: nothing more is; 0 */
};

/* One write(), or the log as it was. */
static int lines_write(struct log *l, const struct str *lines, struct err *e)
{
	ssize_t n;
	int code;

	do
		n = write(l->fd, lines->s, lines->len);
	while (n < 0 && errno == EINTR);
	if (n == (ssize_t)lines->len) {
		/* The disk may begin while the next are made; what has to be durable is flushed in the end. */
		if (n >= BATCH)
			sync_file_range(l->fd, l->size, n, SYNC_FILE_RANGE_WRITE);
		l->size += n;
		return 0;
	}
	code = n < 0 ? errno : ENOSPC;
	/* where this fails too, the next append finds a torn line and says so */
	if (n > 0 && ftruncate(l->fd, l->size) < 0)
		return err_set(e, code, "append to " AUDIT_LOG " (and cut the torn record off)");
	return err_set(e, code, "append to " AUDIT_LOG);
}

static int sink_flush(struct audit_sink *k, struct err *e)
{
	struct log *l = k->log;
	struct session *s = k->session;
	const struct head host_before = l->head, session_before = s ? s->head : l->here;
	const off_t at = l->size + k->last_at;
	struct err ignored;
	struct stat st;
	int r;

	head_intend(&l->head, at, k->last.seq, k->last.hash, false);
	r = head_write(l->head_fd, &l->head, AUDIT_HEAD, e);
	if (r == 0 && s && !s->head.ended && (r = session_file(l, s, e)) == 0) {
		if (k->frame->container)
			snprintf(s->head.container, sizeof s->head.container, "%s",
				 k->frame->container);
		head_intend(&s->head, at, k->session_last.seq, k->last.hash, k->ends);
		s->head.next_mark = k->mark;
		r = head_write(s->fd, &s->head, s->path, e);
	}
	if (r == 0)
		r = lines_write(l, &k->lines, e);
	if (r == 0 && fstat(l->fd, &st) == 0 && st.st_nlink == 0)
		r = err_say(e, ESTALE, AUDIT_LOG " was removed");	/* append_all() tries again */
	if (r == 0) {
		head_settle(&l->head, true);
		if (s && !s->head.ended)
			head_settle(&s->head, true);
		else if (s)
			s->head.last = k->session_last;
	} else {
		l->head = host_before;
		if (s)
			s->head = session_before;
	}
	/* Where this fails, the head still says what was intended: the next append looks. */
	head_write(l->head_fd, &l->head, AUDIT_HEAD, &ignored);
	if (s && s->fd >= 0)
		head_write(s->fd, &s->head, s->path, &ignored);
	k->lines.len = 0;
	return r;
}

/* Continues both chains from where they stand. */
static int put(struct audit_sink *k, const char *event, const struct str *members, struct str *ret_line,
	       struct err *e)
{
	struct chain_frame f = { .seq = k->last.seq + 1 };
	const bool ends = k->frame->once && strcmp(event, k->frame->event) == 0;
	int r;

	if (!chain_is_name(event))
		return err_say(e, EINVAL, "audit: \"%s\": no event", event);
	/* What is put last is written together with what was put just before. */
	if (k->lines.len >= BATCH && !ends && (r = sink_flush(k, e)) < 0)
		return r;
	f.session_seq = k->session ? k->session_last.seq + 1 : 0;
	memcpy(f.prev, k->last.hash, HASH_HEX);
	memcpy(f.session_prev, k->session_last.hash, HASH_HEX);
	frame_start(k->frame->session, event, &f);
	if (k->lines.len)	/* a second one: there may be many */
		str_reserve(&k->lines, BATCH + AUDIT_LINE_MOST - k->lines.len);
	k->last_at = (off_t)k->lines.len;
	if ((r = line_put(&k->lines, &f, &k->container, members, e)) < 0)
		return r;
	k->last.seq = f.seq;
	k->session_last.seq = f.session_seq;
	hash_hex(k->last.hash, k->lines.s + k->last_at, k->lines.len - (size_t)k->last_at);
	memcpy(k->session_last.hash, k->last.hash, HASH_HEX);
	k->ends = ends;
	str_puts(&k->lines, "\n");
	if (ret_line)
		str_append(ret_line, k->lines.s + k->last_at, k->lines.len - (size_t)k->last_at);
	return 0;
}

int audit_put(struct audit_sink *k, const char *event, const struct str *members,
	      struct str *ret_line, struct err *e)
{
	if (k->failed)
		return err_say(e, -k->failed, "audit: a record before could not be put");
	k->failed = put(k, event, members, ret_line, e);
	return k->failed;
}

unsigned long long audit_marked(const struct audit_sink *k)
{
	return k->session->head.mark;
}

void audit_mark(struct audit_sink *k, unsigned long long mark)
{
	k->mark = mark;
}

/* Who puts the records of one call. */
struct source {
	int (*produce)(void *arg, struct audit_sink *sink, struct err *e);
	void *arg;
};

/* All of them, or the log as it was. */
static int records_write(struct log *l, struct session *s, const struct audit_frame *frame,
			 bool newline_first, const struct source *from, struct err *e)
{
	const struct head host_before = l->head, session_before = s ? s->head : l->here;
	const off_t size_before = l->size;
	struct audit_sink k = { .log = l, .session = s, .frame = frame, .last = l->head.last,
				.session_last = s ? s->head.last : chain_start,
				.mark = s ? s->head.mark : 0 };
	int r;

	container_put(frame, &k.container);
	if (newline_first)
		str_puts(&k.lines, "\n");
	r = from->produce(from->arg, &k, e);
	if (r == 0 && k.failed)
		r = err_say(e, -k.failed, "audit: a record could not be put");
	if (r == 0 && k.last.seq > l->head.last.seq)
		r = sink_flush(&k, e);
	str_free(&k.lines);
	str_free(&k.container);
	/* What cannot be cut off stays, and the heads say so. */
	if (r < 0 && l->size > size_before && ftruncate(l->fd, size_before) == 0) {
		struct err ignored;

		l->size = size_before;
		l->head = host_before;
		head_write(l->head_fd, &l->head, AUDIT_HEAD, &ignored);
		if (s) {
			s->head = session_before;
			if (s->fd >= 0)
				head_write(s->fd, &s->head, s->path, &ignored);
		}
	}
	return r;
}

/* The record of a call that has only one, of the frame's event. */
struct one {
	const struct str *members;
	struct str line;
};

static int put_one(void *arg, struct audit_sink *sink, struct err *e)
{
	struct one *one = arg;

	one->line.len = 0;
	return audit_put(sink, sink->frame->event, one->members, &one->line, e);
}

/* One record of the runtime's own making: of a writer that is not pretty, which is freed. */
static int own_record_write(struct log *l, struct session *s, const struct audit_frame *frame,
			    bool newline_first, struct json_writer *w, struct err *e)
{
	owned_str members = STR_INIT;
	struct one one = { &members, STR_INIT };
	int r;

	json_writer_end(w, &members);
	r = records_write(l, s, frame, newline_first, &(struct source){ put_one, &one }, e);
	str_free(&one.line);
	return r;
}

static void session_close(const struct log *l, struct session *s, bool forget)
{
	if (forget && s->fd >= 0)
		unlinkat(l->dirfd, s->path, 0);
	fd_close(&s->fd);
}

/* The log does not end as it should: says so, in a record that closes the gap. */
static int recover(struct log *l, const struct tail *t, const char *why, struct err *e)
{
	const struct audit_frame frame = { .session = CHAIN_HOST, .event = "recovered" };
	struct json_writer *w = json_writer_new(false);
	char last = '\n';

	if (l->size > 0 && pread(l->fd, &last, 1, l->size - 1) != 1)
		last = 0;
	json_open(w);
	json_field(w, "reason", why);
	if (t->torn) {
		json_key(w, "torn");
		json_open(w);
		json_field_u64(w, "bytes", t->torn);
		json_field(w, "sha256", t->torn_hash);
		json_close(w);
	}
	json_close(w);
	return own_record_write(l, NULL, &frame, last != '\n', w, e);
}

/* ---- sessions that a power cut or a reboot ended: exactly one delete record each ---- */

static int end_session(struct log *l, const char *id, const struct head *head, struct err *e)
{
	const struct audit_frame frame = {
		.session = id, .event = "delete", .once = true, .container = head->container,
	};
	struct session s = { .head = *head };
	int r;

	session_path(&s, id);
	s.fd = openat(l->dirfd, s.path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	/* the log may have kept more, or less, than the head file: neither was synchronised */
	s.head.last = chain_start;
	s.head.ended = false;
	r = session_scan(l, id, &s.head, e);
	if (r == 0 && !s.head.ended) {
		struct json_writer *w = json_writer_new(false);

		json_open(w);
		json_key(w, "process.exit.code");
		json_put_null(w);
		json_field(w, "exit_reason",
			   "the host was restarted before the container was deleted");
		json_close(w);
		r = own_record_write(l, &s, &frame, false, w, e);
	}
	session_close(l, &s, r == 0);
	return r;
}

static int end_old_sessions(struct log *l, const char *but, struct err *e)
{
	owned_fd fd = openat(l->dirfd, "sessions", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct dirent *entry;
	int r = 0;
	DIR *dir;

	dir = fd >= 0 ? fdopendir(fd) : NULL;
	if (!dir)
		return 0;
	fd_take(&fd);
	while (r == 0 && (entry = readdir(dir))) {
		struct session s;
		struct head head;
		bool ours = false;

		if (!chain_is_name(entry->d_name) || str_equal(entry->d_name, but))
			continue;
		session_path(&s, entry->d_name);
		s.fd = openat(l->dirfd, s.path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		if (s.fd >= 0)
			ours = head_read(s.fd, &head) == 0 &&
			       strcmp(head.machine, l->here.machine) == 0 &&
			       strcmp(head.boot, l->here.boot) != 0;
		fd_close(&s.fd);
		if (ours)
			r = end_session(l, entry->d_name, &head, e);
	}
	closedir(dir);
	return r;
}

/* A directory that several hosts share holds sessions of all: only our own older ones have ended. */
static bool was_restarted(const struct log *l)
{
	return l->has_head && strcmp(l->head.machine, l->here.machine) == 0 &&
	       strcmp(l->head.boot, l->here.boot) != 0 && strcmp(l->here.boot, "-") != 0;
}

/* ---- the whole ---- */

/* 0, 1 (there already), -ESTALE (removed under our hands, once more) or an error. */
static int append(struct log *l, const struct audit_frame *frame, const struct source *from,
		  struct err *e)
{
	struct session s = { .fd = -1 };
	owned_str why = STR_INIT;
	struct tail tail;
	int r;

	if ((r = logfile_tail(l, &tail, e)) < 0)
		return r;
	logfile_settle(l, &tail, &why);
	if (why.len && (r = recover(l, &tail, why.s, e)) < 0)
		return r;
	if (was_restarted(l) &&
	    (r = end_old_sessions(l, frame->once ? frame->session : NULL, e)) < 0)
		return r;
	memcpy(l->head.machine, l->here.machine, sizeof l->head.machine);
	memcpy(l->head.boot, l->here.boot, sizeof l->head.boot);
	if ((r = session_find(l, frame, &s, e)) == 0) {
		if (frame->once && s.head.ended)
			r = 1;
		else
			r = records_write(l, &s, frame, false, from, e);
	}
	session_close(l, &s, r < 0 ? !s.had_file : s.head.ended);
	return r;
}

static int append_all(const char *directory, const struct audit_frame *frame,
		      const struct source *from, struct err *e)
{
	int r = -ESTALE;

	if (frame_check(frame, e) < 0)
		return -e->code;
	for (int i = 0; i < ATTEMPTS && r == -ESTALE; i++) {
		struct log l;

		r = logfile_open(&l, directory, e);
		if (r == 0)
			r = append(&l, frame, from, e);
		/* Unlocked first: others append while we wait, and share one flush of the disk. */
		fd_close(&l.head_fd);
		if (r == 0 && frame->durable && fdatasync(l.fd) < 0)
			r = err_set(e, EIO, "flush " AUDIT_LOG);
		if (r == 0 && frame->durable && l.is_new)
			fsync(l.dirfd);
		logfile_close(&l);
	}
	if (r == -ESTALE)
		err_say(e, ESTALE, AUDIT_LOG " is removed again and again");
	return r < 0 ? err_in(e, "audit: %s", directory) : r;
}

int audit_append(const char *directory, const struct audit_frame *frame, const struct str *members,
		 struct str *ret_line, struct err *e)
{
	struct one one = { members, STR_INIT };
	int r = append_all(directory, frame, &(struct source){ put_one, &one }, e);

	if (r == 0 && ret_line)
		str_append(ret_line, one.line.s, one.line.len);
	str_free(&one.line);
	return r;
}

int audit_append_many(const char *directory, const struct audit_frame *frame,
		      int (*produce)(void *arg, struct audit_sink *sink, struct err *e), void *arg,
		      struct err *e)
{
	return append_all(directory, frame, &(struct source){ produce, arg }, e);
}

int audit_unlogged(const struct audit_frame *frame, const struct str *members,
		   struct str *ret_line, struct err *e)
{
	struct chain_frame f = { 0 };
	owned_str container = STR_INIT;

	if (frame_check(frame, e) < 0)
		return -e->code;
	memcpy(f.prev, chain_start.hash, HASH_HEX);
	memcpy(f.session_prev, chain_start.hash, HASH_HEX);
	frame_start(frame->session, frame->event, &f);
	container_put(frame, &container);
	if (line_put(ret_line, &f, &container, members, e) < 0)
		return -e->code;
	str_puts(ret_line, "\n");
	return 0;
}

void audit_session_id(char ret[32])
{
	/* Crockford's alphabet: no i, l, o, u */
	static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";
	struct timespec now;
	uint64_t ms;
	unsigned char random[16];

	clock_gettime(CLOCK_REALTIME, &now);
	ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
	if (getrandom(random, sizeof random, 0) != sizeof random)
		abort();
	for (int i = 9; i >= 0; i--, ms >>= 5)
		ret[i] = digits[ms & 31];
	for (int i = 0; i < 16; i++)
		ret[10 + i] = digits[random[i] & 31];
	ret[26] = 0;
}
