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
#include "base/sys.h"
#include "sandbox/execlog_parts.h"

/* The pinned maps, and the lock that keeps them. */
struct log {
	int maps[EXECLOG_CHUNKS + 1];
	int lock;
	uint64_t id;
};

#define owned_log __attribute__((cleanup(log_close))) struct log
#define LOG_INIT { { -1, -1, -1 }, -1, 0 }
_Static_assert(EXECLOG_CHUNKS == 2, "LOG_INIT has them all");

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

/* Numbers of chunks that the session may have. */
static uint64_t chunks_of(const struct execlog_session *s)
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
	struct execlog_session s = { .most = most / CHUNK, .required = required };
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

/* The whole record, and how many chunks it takes; -ENOENT: there is none of that number. */
static int read_record(const struct log *l, uint32_t number, char buffer[RECORD_CHUNKS * CHUNK],
		       struct execlog_command *ret, uint32_t *ret_chunks)
{
	struct execlog_where where = { .session = l->id, .number = number };
	const struct execlog_record *record = (const struct execlog_record *)buffer;
	size_t size, have = CHUNK;
	const char *texts = buffer + sizeof *record;
	int r = execlog_lookup(l->maps[EXECLOG_CHUNKS], &where, buffer);

	if (r == 0 && record->number != number)	/* a later part of one that is being written */
		r = -ENOENT;
	if (r < 0)
		return r;
	size = sizeof *record + record->path_kept + record->argv_kept;
	*ret_chunks = (uint32_t)((size + CHUNK - 1) / CHUNK);
	/* What the kernel had no memory for is missing at the end. */
	for (; have < size && r == 0; have += r == 0 ? CHUNK : 0) {
		where.number++;
		r = execlog_lookup(l->maps[EXECLOG_CHUNKS], &where, buffer + have);
	}
	if (have > size)
		have = size;
	have -= sizeof *record;
	*ret = (struct execlog_command){
		.pid = (pid_t)record->pid,
		.parent = (pid_t)record->parent,
		.end = (enum execlog_end)record->end,
		.status = record->status,
		.started = record->started,
		.ended = record->ended,
		.path = record->path_kept && record->path_kept <= have ? texts : "",
		.path_cut = record->path_kept == EXECLOG_PATH_MOST || record->path_kept > have,
		.unlinked = record->unlinked,
		.argv = texts + record->path_kept,
		.argv_kept = have > record->path_kept ? have - record->path_kept : 0,
		.argv_size = record->argv_size,
	};
	return 0;
}

int execlog_read(const char *key,
		 int (*each)(void *arg, const struct execlog_command *c, struct err *e), void *arg,
		 struct execlog_total *ret, struct err *e)
{
	_Alignas(struct execlog_record) char buffer[RECORD_CHUNKS * CHUNK];
	struct execlog_total total = { 0 };
	struct execlog_session s;
	owned_log l = LOG_INIT;
	uint32_t chunks;
	int r;

	if ((r = log_open(key, false, &l, e)) < 0)
		return r;
	if ((r = execlog_lookup(l.maps[EXECLOG_SESSIONS], &l.id, &s)) < 0)
		return err_set(e, -r, "the session's log of commands");
	for (uint32_t i = 0; i < chunks_of(&s); i += chunks) {
		struct execlog_command c;

		chunks = 1;
		r = read_record(&l, i, buffer, &c, &chunks);
		if (r < 0 && r != -ENOENT)
			return err_set(e, -r, "read the log of commands");
		if (r == 0) {
			total.commands++;
			if ((r = each(arg, &c, e)) < 0)
				return r;
		}
	}
	total.lost = s.lost;
	*ret = total;
	return 0;
}

/* ---- the end ---- */

/* Deletes what there is of these chunks. */
static void delete_all(int map, const struct execlog_where *v, size_t n)
{
	for (size_t done = 0; done < n;) {
		union bpf_attr attr = {
			.batch = {
				.keys = (uintptr_t)(v + done),
				.count = (unsigned)(n - done),
				.map_fd = (unsigned)map,
			},
		};
		int r = sys_bpf(BPF_MAP_DELETE_BATCH, &attr, sizeof attr);

		/* It stops at one that is not there. */
		done += attr.batch.count + (r < 0);
	}
}

static int forget(const struct log *l, struct err *e)
{
	enum { AT_ONCE = 1024 };
	struct execlog_session s;
	struct execlog_where *v;
	int r = execlog_lookup(l->maps[EXECLOG_SESSIONS], &l->id, &s);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return err_set(e, -r, "the session's log of commands");
	/* The session last: until then it can be done again. */
	execlog_delete(l->maps[EXECLOG_PLACES], &s.place);
	v = must(calloc(AT_ONCE, sizeof *v));
	for (uint64_t from = 0; from < chunks_of(&s); from += AT_ONCE) {
		size_t n = 0;

		for (; n < AT_ONCE && from + n < chunks_of(&s); n++)
			v[n] = (struct execlog_where){ .session = l->id, .number = (uint32_t)(from + n) };
		delete_all(l->maps[EXECLOG_CHUNKS], v, n);
	}
	free(v);
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
