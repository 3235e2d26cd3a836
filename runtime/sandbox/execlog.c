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
struct session {
	int maps[EXECLOG_SEGMENTS + 1];
	int lock;
	uint64_t id;
};

#define owned_session __attribute__((cleanup(session_close))) struct session
#define SESSION_INIT { { -1, -1, -1 }, -1, 0 }
_Static_assert(EXECLOG_SEGMENTS == 2, "SESSION_INIT has them all");

static void session_close(struct session *s)
{
	execlog_close(s->maps);
	fd_close(&s->lock);
}

static int session_open(const char *key, bool load, struct session *s, struct err *e)
{
	char hex[HASH_HEX];

	hash_hex(hex, key, strlen(key));
	hex[16] = '\0';
	s->id = strtoull(hex, NULL, 16);
	return execlog_open(load, &s->lock, s->maps, e);
}

/* Where it logs to, and how far it is; -ENOENT. */
static int find_log(const struct session *s, struct execlog_namespace *ret_space,
		    struct execlog_log *ret)
{
	int r = execlog_lookup(s->maps[EXECLOG_SESSIONS], &s->id, ret_space);

	return r < 0 ? r : execlog_lookup(s->maps[EXECLOG_LOGS], ret_space, ret);
}

/* Bytes in which there may be records. */
static uint64_t used_of(const struct execlog_log *log)
{
	return log->taken < log->most ? log->taken : log->most;
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
static int forget(const struct session *s, struct err *e);

int execlog_watch(const char *key, const struct execlog_place *place, size_t most, bool required,
		  struct err *e)
{
	struct execlog_log log = { .most = most, .required = required };
	struct execlog_namespace space;
	owned_session s = SESSION_INIT;
	int r;

	if ((r = find_namespace(place, &space, e)) < 0 || (r = session_open(key, true, &s, e)) < 0 ||
	    (r = forget(&s, e)) < 0)
		return r;
	log.session = s.id;
	/* The log last: what is in it can be found. */
	r = execlog_add(s.maps[EXECLOG_SESSIONS], &s.id, &space);
	if (r == 0 && (r = execlog_add(s.maps[EXECLOG_LOGS], &space, &log)) < 0)
		execlog_delete(s.maps[EXECLOG_SESSIONS], &s.id);
	return r < 0 ? err_set(e, -r, "begin the log of commands") : 0;
}

/* ---- the records ---- */

/* A segment at a time. */
struct reader {
	const struct session *session;
	uint64_t segment;
	bool have;
	_Alignas(struct execlog_record) char bytes[SEGMENT];
};

/* The record at that place; -ENOENT: there is none. */
static int find_record(struct reader *r, uint64_t at, const struct execlog_record **ret)
{
	struct execlog_where where = { .session = r->session->id, .at = at / STARTS };
	const struct execlog_record *record;
	int result;

	if (!r->have || r->segment != where.at) {
		result = execlog_lookup(r->session->maps[EXECLOG_SEGMENTS], &where, r->bytes);
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

uint64_t execlog_record_size(const struct execlog_record *r)
{
	return (sizeof *r + r->path_kept + r->argv_kept + 7) & ~7ull;
}

struct execlog_command execlog_command_of(const struct execlog_record *r)
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
		.entered = r->entered,
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
	struct execlog_namespace space;
	struct execlog_log log;
	owned_session s = SESSION_INIT;
	struct reader reader = { .session = &s };
	int r;

	if ((r = session_open(key, false, &s, e)) < 0)
		return r;
	if ((r = find_log(&s, &space, &log)) < 0)
		return err_set(e, -r, "the session's log of commands");
	for (uint64_t at = 0; at < used_of(&log); at += execlog_record_size(record)) {
		struct execlog_command c;

		r = find_record(&reader, at, &record);
		if (r == -ENOENT)
			break;
		if (r < 0)
			return err_set(e, -r, "read the log of commands");
		c = execlog_command_of(record);
		if ((r = each(arg, &c, e)) < 0)
			return r;
		total.commands++;
	}
	total.lost = log.lost + (log.logged > total.commands ? log.logged - total.commands : 0);
	*ret = total;
	return 0;
}

/* ---- the end ---- */

static int forget(const struct session *s, struct err *e)
{
	struct execlog_where where = { .session = s->id };
	struct execlog_namespace space;
	struct execlog_log log;
	int r = find_log(s, &space, &log);

	/* From the outside in: until the last it can be done again. */
	if (r == 0 && log.session == s->id) {
		for (; where.at * STARTS < used_of(&log); where.at++)
			execlog_delete(s->maps[EXECLOG_SEGMENTS], &where);
		execlog_delete(s->maps[EXECLOG_LOGS], &space);
	}
	if (r < 0 && r != -ENOENT)
		return err_set(e, -r, "the session's log of commands");
	return execlog_delete(s->maps[EXECLOG_SESSIONS], &s->id) == 0;
}

int execlog_free(const char *key, struct err *e)
{
	owned_session s = SESSION_INIT;
	struct err none;
	int r = session_open(key, false, &s, &none);

	if (r < 0 && r != -ENOENT) {
		*e = none;
		return r;
	}
	if (r == 0 && (r = forget(&s, e)) != 0)
		return r < 0 ? r : 0;
	/* It may have been begun by another version. */
	fd_close(&s.lock);
	return execlog_sweep(s.id, e);
}
