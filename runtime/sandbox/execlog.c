/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/execlog.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/hash.h"
#include "sandbox/execlog_parts.h"

/* The pinned maps, and the lock that keeps them. */
struct log {
	int maps[EXECLOG_SEGMENTS + 1];
	int lock;
	uint64_t id;
};

#define owned_log __attribute__((cleanup(log_close))) struct log
#define LOG_INIT { { -1, -1, -1 }, -1, 0 }
_Static_assert(EXECLOG_SEGMENTS == 2, "LOG_INIT has them all");

static void log_close(struct log *l)
{
	execlog_close(l->maps);
	fd_close(&l->lock);
}

static int log_open(const char *key, bool load, struct log *l, struct err *e)
{
	char hex[HASH_HEX];

	hash_hex(hex, key, strlen(key));
	hex[16] = '\0';
	l->id = strtoull(hex, NULL, 16);
	return execlog_open(load, &l->lock, l->maps, e);
}

/* Bytes in which there may be records. */
static uint64_t used_of(const struct execlog_session *s)
{
	return s->taken < s->most ? s->taken : s->most;
}

/* ---- the beginning ---- */

static int find_namespace(const struct execlog_place *place, struct execlog_namespace *ret,
			  struct err *e)
{
	char path[40];
	struct stat own, st;

	snprintf(path, sizeof path, "/proc/%d/ns/pid", (int)place->init);
	if (stat("/proc/self/ns/pid", &own) < 0)
		return err_set(e, errno, "stat /proc/self/ns/pid");
	if (stat(path, &st) < 0)
		return err_set(e, errno, "stat %s", path);
	if (st.st_ino == own.st_ino)
		return err_say(e, EOPNOTSUPP, "the container has no PID namespace of its own");
	*ret = (struct execlog_namespace){ .started = place->started, .inode = (uint32_t)st.st_ino };
	return 0;
}

/* 1 if there was something, else 0. */
static int forget(const struct log *l, struct err *e);

int execlog_watch(const char *key, const struct execlog_place *place, size_t most, bool required,
		  struct err *e)
{
	struct execlog_session s = { .most = most, .required = required };
	owned_log l = LOG_INIT;
	int r;

	if ((r = find_namespace(place, &s.place, e)) < 0 || (r = log_open(key, true, &l, e)) < 0 ||
	    (r = forget(&l, e)) < 0)
		return r;
	/* The place last: whoever finds it finds the session. */
	r = execlog_update(l.maps[EXECLOG_SESSIONS], &l.id, &s);
	if (r == 0 && (r = execlog_update(l.maps[EXECLOG_PLACES], &s.place, &l.id)) < 0)
		execlog_delete(l.maps[EXECLOG_SESSIONS], &l.id);
	return r < 0 ? err_set(e, -r, "begin the log of commands") : 0;
}

/* ---- the records ---- */

/* A segment at a time. */
struct reader {
	const struct log *log;
	uint64_t segment;
	bool have;
	_Alignas(struct execlog_record) char bytes[SEGMENT];
};

/* The record at that place; -ENOENT: there is none. */
static int find_record(struct reader *r, uint64_t at, const struct execlog_record **ret)
{
	struct execlog_where where = { .session = r->log->id, .at = at / STARTS };
	const struct execlog_record *record;
	int result;

	if (!r->have || r->segment != where.at) {
		result = execlog_lookup(r->log->maps[EXECLOG_SEGMENTS], &where, r->bytes);
		r->have = result == 0;
		r->segment = where.at;
		if (result < 0)
			return result;
	}
	record = (const struct execlog_record *)(r->bytes + at % STARTS);
	if (record->number != at + 1 || record->path_kept > EXECLOG_PATH_MOST ||
	    record->argv_kept > EXECLOG_ARGV_MOST)
		return -ENOENT;
	*ret = record;
	return 0;
}

static uint64_t size_of(const struct execlog_record *r)
{
	return (sizeof *r + r->path_kept + r->argv_kept + 7) & ~7ull;
}

static struct execlog_command command_of(const struct execlog_record *r)
{
	const char *texts = (const char *)(r + 1);

	return (struct execlog_command){
		.pid = (pid_t)r->pid,
		.parent = (pid_t)r->parent,
		.end = (enum execlog_end)r->end,
		.status = r->status,
		.started = r->started,
		.ended = r->ended,
		.path = r->path_kept ? texts : "",
		.path_cut = r->path_kept == EXECLOG_PATH_MOST,
		.unlinked = r->unlinked,
		.argv = texts + r->path_kept,
		.argv_kept = r->argv_kept,
		.argv_size = r->argv_size,
	};
}

int execlog_read(const char *key,
		 int (*each)(void *arg, const struct execlog_command *c, struct err *e), void *arg,
		 struct execlog_total *ret, struct err *e)
{
	struct execlog_total total = { 0 };
	const struct execlog_record *record;
	struct execlog_session s;
	owned_log l = LOG_INIT;
	struct reader reader = { .log = &l };
	int r;

	if ((r = log_open(key, false, &l, e)) < 0)
		return r;
	if ((r = execlog_lookup(l.maps[EXECLOG_SESSIONS], &l.id, &s)) < 0)
		return err_set(e, -r, "the session's log of commands");
	for (uint64_t at = 0; at < used_of(&s); at += size_of(record)) {
		struct execlog_command c;

		r = find_record(&reader, at, &record);
		if (r == -ENOENT)
			break;
		if (r < 0)
			return err_set(e, -r, "read the log of commands");
		c = command_of(record);
		if ((r = each(arg, &c, e)) < 0)
			return r;
		total.commands++;
	}
	total.lost = s.lost + (s.logged > total.commands ? s.logged - total.commands : 0);
	*ret = total;
	return 0;
}

/* ---- the end ---- */

static int forget(const struct log *l, struct err *e)
{
	struct execlog_where where = { .session = l->id };
	struct execlog_session s;
	int r = execlog_lookup(l->maps[EXECLOG_SESSIONS], &l->id, &s);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return err_set(e, -r, "the session's log of commands");
	/* The session last: until then it can be done again. */
	execlog_delete(l->maps[EXECLOG_PLACES], &s.place);
	for (; where.at * STARTS < used_of(&s); where.at++)
		execlog_delete(l->maps[EXECLOG_SEGMENTS], &where);
	execlog_delete(l->maps[EXECLOG_SESSIONS], &l->id);
	return 1;
}

int execlog_free(const char *key, struct err *e)
{
	owned_log l = LOG_INIT;
	int r = log_open(key, false, &l, e);

	if (r == 0)
		r = forget(&l, e);
	if (r > 0)
		return 0;
	/* It may have been begun by another version. */
	fd_close(&l.lock);
	return r == 0 || r == -ENOENT ? execlog_sweep(l.id, e) : r;
}
