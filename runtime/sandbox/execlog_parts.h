/* SPDX-License-Identifier: Apache-2.0 */
/*
 * execlog_parts: what the execlog*.c files share: how the maps are laid out, and
 * what the programs must know of the kernel.
 *
 *   execlog.c          the log of a session: begin, read, free
 *   execlog_set.c      the pinned set: load, find, open, sweep
 *   execlog_btf.c      where the kernel keeps what, from its type information
 *   execlog_program.c  the two programs
 *   execlog_claims.c   the same records in a file, as processes show their commands; with
 *                      execlog_server.c and execlog_peek.c (execlog_claims_parts.h)
 *
 * Nobody else includes this header.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <linux/bpf.h>

#include "base/arena.h"
#include "sandbox/execlog.h"

/* ---- the maps ---- */

enum execlog_map {
	EXECLOG_SESSIONS,	/* a session's id (64 bits, in all versions) -> struct execlog_namespace */
	EXECLOG_LOGS,		/* struct execlog_namespace -> struct execlog_log */
	EXECLOG_SEGMENTS,	/* struct execlog_where -> SEGMENT bytes of a log */
	EXECLOG_RUNNING,	/* a process's number on the host -> where its command's record is */
	EXECLOG_SCRATCH,	/* a record in the making, one on each CPU: it takes more than a stack */
	EXECLOG_BLANK,		/* a new segment */
	EXECLOG_MAPS,
};

/* A PID namespace.  Its inode number alone would soon be another's. */
struct execlog_namespace {
	uint64_t started;	/* its first process, in clock ticks since boot */
	uint32_t inode;
	uint32_t unused;
};

/* A segment of a session's log, or a place in the log. */
struct execlog_where {
	uint64_t session;
	uint64_t at;		/* which, from 0; or in bytes */
};

struct execlog_log {
	uint64_t session;	/* its id */
	uint64_t most, taken;	/* bytes; `taken` may exceed `most` */
	uint64_t logged, lost;	/* commands */
	uint64_t required;
	uint64_t full;		/* the kernel had no memory for a segment */
};

/* What a record begins with; path and arguments follow, and up to seven bytes. */
struct execlog_record {
	uint64_t number;	/* where it is in the log, and 1 */
	uint64_t started, ended;
	uint64_t argv_size;
	uint32_t pid, parent;
	uint32_t end;		/* enum execlog_end */
	int32_t status;
	uint32_t unlinked;
	uint32_t path_kept, argv_kept;
	uint32_t entered;
};

/*
 * A log is a row of records, each at a multiple of 8.  A segment is where STARTS bytes of them begin;
 * the last of these goes on into what a segment has more, so that none is split.
 */
enum {
	RECORD_MOST = sizeof(struct execlog_record) + EXECLOG_PATH_MOST + EXECLOG_ARGV_MOST,
	SEGMENT_TAKES = 16 << 10,
	SEGMENT = SEGMENT_TAKES - 72,	/* the rest is the key and the kernel's */
	STARTS = SEGMENT - RECORD_MOST,
};
_Static_assert(RECORD_MOST % 8 == 0 && STARTS % 8 == 0, "all are multiples of 8");

/* The bytes of one, with what follows it. */
uint64_t execlog_record_size(const struct execlog_record *r);
/* Of a whole one: what follows it is where the texts of the result are. */
struct execlog_command execlog_command_of(const struct execlog_record *r);

/* ---- execlog_btf.c ---- */

/* Offsets in bytes. */
#define EXECLOG_FIELDS(X) \
	X(task_struct, thread_pid) \
	X(task_struct, tgid) \
	X(task_struct, group_leader) \
	X(task_struct, real_parent) \
	X(task_struct, mm) \
	X(task_struct, signal) \
	X(task_struct, start_boottime) \
	X(task_struct, exit_code) \
	X(pid, level) \
	X(pid, numbers) \
	X(upid, ns) \
	X(pid_namespace, child_reaper) \
	X(pid_namespace, ns) \
	X(ns_common, inum) \
	X(signal_struct, live) \
	X(signal_struct, flags) \
	X(signal_struct, group_exit_code) \
	X(mm_struct, arg_start) \
	X(mm_struct, arg_end) \
	X(linux_binprm, filename) \
	X(linux_binprm, file) \
	X(file, f_inode) \
	X(inode, i_nlink)

struct execlog_kernel {
#define MEMBER(type, field) unsigned type##_##field;
	EXECLOG_FIELDS(MEMBER)
#undef MEMBER
	unsigned upid_size;
	unsigned exec_id, exit_id;	/* types of the tracepoints */
};

/* -EOPNOTSUPP: there is no type information, or it lacks something. */
int execlog_kernel(struct execlog_kernel *ret, struct err *e);
/* The same of type information in memory. */
int execlog_kernel_of(const void *btf, size_t size, struct execlog_kernel *ret, struct err *e);

/* ---- execlog_program.c ---- */

#define EXECLOG_LICENSE "GPL"	/* what reads the kernel's memory must have one that fits it */

/* The number of instructions, which are in the arena.  maps: descriptors; typed: the faster form. */
size_t execlog_at_exec(struct arena *a, const struct execlog_kernel *k, const int maps[EXECLOG_MAPS],
		       bool typed, struct bpf_insn **ret);
size_t execlog_at_exit(struct arena *a, const struct execlog_kernel *k, const int maps[EXECLOG_MAPS],
		       bool typed, struct bpf_insn **ret);

/* ---- execlog_set.c ---- */

/*
 * Opens the first maps of the set of this version, as long as whose lock is held it isn't removed;
 * where there is none, loads it if `load`, else -ENOENT.  On failure no map is open.
 */
int execlog_open(bool load, int *ret_lock, int maps[EXECLOG_SEGMENTS + 1], struct err *e);
void execlog_close(int maps[EXECLOG_SEGMENTS + 1]);
/* Takes the session out of the sets of other versions, and removes those that have none left. */
int execlog_sweep(uint64_t session, struct err *e);

/* Negative errno: -ENOENT, -EEXIST. */
int execlog_lookup(int map, const void *key, void *value);
int execlog_add(int map, const void *key, const void *value);
int execlog_delete(int map, const void *key);
