/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pinned set of programs and maps: /sys/fs/bpf/agentrun/execlog-VERSION/.
 *
 * Each version has its own, so that a new one is loaded beside those whose sessions still run, which
 * go when their last session has ended.  That of the running version stays.  It appears as a
 * whole, by a rename, with its programs at work.  Who loads or removes one holds an exclusive lock of
 * the directory, who begins a session a shared one.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>

#include "base/fd.h"
#include "base/sys.h"
#include "sandbox/execlog_parts.h"

#define BPFFS "/sys/fs/bpf"
#define ROOM BPFFS "/agentrun"
#define PREFIX "execlog-"
#define SET PREFIX "1"		/* the version: another for every change of programs or maps */
#define UNFINISHED PREFIX "new"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

enum { HOST_MOST = 64 << 20 };	/* bytes of all logs */

static const struct {
	const char *name;
	unsigned type, flags, key, value, entries;
} maps_wanted[] = {
	[EXECLOG_SESSIONS] = { "sessions", BPF_MAP_TYPE_HASH, BPF_F_NO_PREALLOC,
			       sizeof(uint64_t), sizeof(struct execlog_namespace), 4096 },
	[EXECLOG_LOGS] = { "logs", BPF_MAP_TYPE_HASH, BPF_F_NO_PREALLOC,
			   sizeof(struct execlog_namespace), sizeof(struct execlog_log), 4096 },
	[EXECLOG_SEGMENTS] = { "segments", BPF_MAP_TYPE_HASH, BPF_F_NO_PREALLOC,
			       sizeof(struct execlog_where), SEGMENT, HOST_MOST / SEGMENT_TAKES },
	/* What comes and goes with each command is allocated once, which saves it microseconds. */
	[EXECLOG_RUNNING] = { "running", BPF_MAP_TYPE_HASH, 0,
			      sizeof(uint32_t), sizeof(struct execlog_where), 8192 },
	[EXECLOG_SCRATCH] = { "scratch", BPF_MAP_TYPE_PERCPU_ARRAY, 0,
			      sizeof(uint32_t), RECORD_MOST, 1 },
	[EXECLOG_BLANK] = { "blank", BPF_MAP_TYPE_ARRAY, BPF_F_RDONLY_PROG,
			    sizeof(uint32_t), SEGMENT, 1 },
};
_Static_assert(COUNT(maps_wanted) == EXECLOG_MAPS, "a row for each map");

enum program { AT_EXIT, AT_EXEC, PROGRAMS };
static const char *const programs[PROGRAMS] = { [AT_EXIT] = "exit", [AT_EXEC] = "exec" };

/* What a whole set has pinned: the first maps, which the runtime looks into, and the programs. */
enum { PINNED = EXECLOG_SEGMENTS + 1 + PROGRAMS };

static const char *pinned(size_t i)
{
	return i <= EXECLOG_SEGMENTS ? maps_wanted[i].name : programs[i - EXECLOG_SEGMENTS - 1];
}

/* ---- the kernel's calls ---- */

/* value: that of the key, or where the next key is written. */
static int in_map(int cmd, int map, const void *key, const void *value, uint64_t flags)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof attr);
	attr.map_fd = (unsigned)map;
	attr.key = (uintptr_t)key;
	attr.value = (uintptr_t)value;
	attr.flags = flags;
	return sys_bpf(cmd, &attr, sizeof attr) < 0 ? -errno : 0;
}

int execlog_lookup(int map, const void *key, void *value)
{
	return in_map(BPF_MAP_LOOKUP_ELEM, map, key, value, 0);
}

int execlog_add(int map, const void *key, const void *value)
{
	return in_map(BPF_MAP_UPDATE_ELEM, map, key, value, BPF_NOEXIST);
}

int execlog_delete(int map, const void *key)
{
	return in_map(BPF_MAP_DELETE_ELEM, map, key, NULL, 0);
}

static bool is_empty(int map)
{
	uint64_t first;

	return in_map(BPF_MAP_GET_NEXT_KEY, map, NULL, &first, 0) == -ENOENT;
}

static int pin(int fd, const char *set, const char *name, struct err *e)
{
	owned_str path = STR_INIT;
	union bpf_attr attr;

	memset(&attr, 0, sizeof attr);
	str_printf(&path, ROOM "/%s/%s", set, name);
	attr.bpf_fd = (unsigned)fd;
	attr.pathname = (uintptr_t)path.s;
	return sys_bpf(BPF_OBJ_PIN, &attr, sizeof attr) < 0 ? err_set(e, errno, "pin %s", path.s) : 0;
}

/* -ENOENT. */
static int open_pinned(const char *set, const char *name, int *ret_fd, struct err *e)
{
	owned_str path = STR_INIT;
	union bpf_attr attr;
	int fd;

	memset(&attr, 0, sizeof attr);
	str_printf(&path, ROOM "/%s/%s", set, name);
	attr.pathname = (uintptr_t)path.s;
	fd = sys_bpf(BPF_OBJ_GET, &attr, sizeof attr);
	if (fd < 0)
		return err_set(e, errno, "open %s", path.s);
	*ret_fd = fd;
	return 0;
}

/* ---- loading ---- */

static int make_map(enum execlog_map which, int *ret_fd, struct err *e)
{
	union bpf_attr attr;
	int fd;

	memset(&attr, 0, sizeof attr);
	attr.map_type = maps_wanted[which].type;
	attr.key_size = maps_wanted[which].key;
	attr.value_size = maps_wanted[which].value;
	attr.max_entries = maps_wanted[which].entries;
	attr.map_flags = maps_wanted[which].flags;
	snprintf(attr.map_name, sizeof attr.map_name, "agentrun_%.6s", maps_wanted[which].name);
	fd = sys_bpf(BPF_MAP_CREATE, &attr, sizeof attr);
	if (fd < 0)
		return err_set(e, errno, "make the map \"%s\"", maps_wanted[which].name);
	*ret_fd = fd;
	return 0;
}

/* What the kernel says of a program that it won't have ends with why. */
static int explain(union bpf_attr *refused, int error, struct err *e)
{
	enum { MOST = 1 << 20, SHOWN = 400 };
	owned_str said = STR_INIT;
	char *log = str_reserve(&said, MOST);
	size_t n;

	*log = '\0';
	refused->log_buf = (uintptr_t)log;
	refused->log_size = MOST;
	refused->log_level = 1;
	sys_bpf(BPF_PROG_LOAD, refused, sizeof *refused);
	n = strnlen(log, MOST);
	str_commit(&said, n);
	return err_set(e, error, "load the program \"%s\": %s", refused->prog_name,
		       str_text(&said) + (n > SHOWN ? n - SHOWN : 0));
}

/* Loads a program and puts it to work, for as long as the link's descriptor or pin. */
static int attach(const char *name, unsigned tracepoint, const struct bpf_insn *code, size_t n,
		  int *ret_link, struct err *e)
{
	union bpf_attr attr;
	owned_fd program = -1;
	int link;

	memset(&attr, 0, sizeof attr);
	attr.prog_type = BPF_PROG_TYPE_TRACING;
	attr.expected_attach_type = BPF_TRACE_RAW_TP;
	attr.attach_btf_id = tracepoint;
	attr.insns = (uintptr_t)code;
	attr.insn_cnt = (unsigned)n;
	attr.license = (uintptr_t)EXECLOG_LICENSE;
	snprintf(attr.prog_name, sizeof attr.prog_name, "agentrun_%.6s", name);
	program = sys_bpf(BPF_PROG_LOAD, &attr, sizeof attr);
	if (program < 0)
		return explain(&attr, errno, e);
	memset(&attr, 0, sizeof attr);
	attr.raw_tracepoint.prog_fd = (unsigned)program;
	link = sys_bpf(BPF_RAW_TRACEPOINT_OPEN, &attr, sizeof attr);
	if (link < 0)
		return err_set(e, errno, "attach the program \"%s\"", name);
	*ret_link = link;
	return 0;
}

static int load_programs(const char *set, const int maps[EXECLOG_MAPS], bool typed, struct err *e)
{
	owned_arena a = ARENA_INIT;
	owned_fd at_exec = -1, at_exit = -1;
	struct execlog_kernel kernel;
	struct bpf_insn *code;
	size_t n;
	int r;

	if ((r = execlog_kernel(&kernel, e)) < 0)
		return r;
	n = execlog_at_exit(&a, &kernel, maps, typed, &code);
	if ((r = attach(programs[AT_EXIT], kernel.exit_id, code, n, &at_exit, e)) < 0)
		return r;
	n = execlog_at_exec(&a, &kernel, maps, typed, &code);
	if ((r = attach(programs[AT_EXEC], kernel.exec_id, code, n, &at_exec, e)) < 0 ||
	    (r = pin(at_exit, set, programs[AT_EXIT], e)) < 0)
		return r;
	return pin(at_exec, set, programs[AT_EXEC], e);
}

static int load_into(const char *set, struct err *e)
{
	int maps[EXECLOG_MAPS], made = 0, r = 0;
	struct err refused;

	for (; made < EXECLOG_MAPS; made++)
		if ((r = make_map((enum execlog_map)made, &maps[made], e)) < 0)
			break;
	for (int i = 0; i <= EXECLOG_SEGMENTS && r == 0; i++)
		r = pin(maps[i], set, maps_wanted[i].name, e);
	if (r == 0 && load_programs(set, maps, true, &refused) < 0)
		r = load_programs(set, maps, false, e);
	while (made > 0)
		close(maps[--made]);
	return r;
}

/* ---- the directory ---- */

/* Opens ROOM with a lock (LOCK_SH, LOCK_EX), and makes it first if `make`; else -ENOENT. */
static int open_room(int lock, bool make, int *ret_fd, struct err *e)
{
	owned_fd fd = -1;
	struct statfs fs;
	struct stat st;

	fd = open(ROOM, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT && make) {
		if (statfs(BPFFS, &fs) < 0 || fs.f_type != BPF_FS_MAGIC)
			return err_say(e, EOPNOTSUPP, "no bpf file system is mounted at " BPFFS);
		if (mkdir(ROOM, 0700) < 0 && errno != EEXIST)
			return err_set(e, errno, "make " ROOM);
		fd = open(ROOM, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	}
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set(e, errno, "open " ROOM);
	/* A bpffs may let everybody make directories. */
	if (st.st_uid != 0 || st.st_mode & 077)
		return err_say(e, EPERM, ROOM " is not root's alone");
	if (flock(fd, lock) < 0)
		return err_set(e, errno, "lock " ROOM);
	*ret_fd = fd_take(&fd);
	return 0;
}

/* A set is a directory of files; what is not there is removed. */
static int remove_set(int room, const char *set, struct err *e)
{
	int fd = openat(room, set, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir)
		return errno == ENOENT ? 0 : err_set(e, errno, "open " ROOM "/%s", set);
	/* The programs first: none may run without its maps, which it keeps anyway. */
	for (struct dirent *d; (d = readdir(dir));)
		if (*d->d_name != '.')
			unlinkat(fd, d->d_name, 0);
	closedir(dir);
	return unlinkat(room, set, AT_REMOVEDIR) < 0 ?
		       err_set(e, errno, "remove " ROOM "/%s", set) : 0;
}

/* Takes the session out of the sets of other versions, and removes those that have none left. */
static int sweep(int room, uint64_t session, struct err *e)
{
	int fd = openat(room, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir)
		return err_set(e, errno, "read " ROOM);
	for (struct dirent *d; r == 0 && (d = readdir(dir));) {
		owned_fd sessions = -1;
		struct err none;

		if (!str_has_prefix(d->d_name, PREFIX) || strcmp(d->d_name, SET) == 0)
			continue;
		/* One that was never finished may lack the map. */
		if (open_pinned(d->d_name, maps_wanted[EXECLOG_SESSIONS].name, &sessions, &none) == 0)
			execlog_delete(sessions, &session);
		if (sessions < 0 || is_empty(sessions))
			r = remove_set(room, d->d_name, e);
	}
	closedir(dir);
	return r;
}

int execlog_sweep(uint64_t session, struct err *e)
{
	owned_fd room = -1;

	if (faccessat(AT_FDCWD, ROOM, F_OK, 0) < 0 && errno == ENOENT)
		return 0;
	return open_room(LOCK_EX, false, &room, e) < 0 ? -e->code : sweep(room, session, e);
}

/* The last that is missing; NULL: the set is whole. */
static const char *missing(void)
{
	const char *found = NULL;

	for (size_t i = 0; i < PINNED; i++) {
		owned_str path = STR_INIT;

		str_printf(&path, ROOM "/" SET "/%s", pinned(i));
		if (access(path.s, F_OK) < 0)
			found = pinned(i);
	}
	return found;
}

static int load_set(struct err *e)
{
	enum { NO_SESSION = 0 };
	owned_fd room = -1;
	struct err ignored;
	int r;

	if ((r = open_room(LOCK_EX, true, &room, e)) < 0)
		return r;
	if (!missing())
		return 0;
	/* Also one that was begun: whoever did so is gone, as its lock is.  And what is left of one that is not
	 * whole any more: nothing vouches for the logs in it. */
	if ((r = sweep(room, NO_SESSION, e)) < 0 || (r = remove_set(room, SET, e)) < 0)
		return r;
	if (mkdirat(room, UNFINISHED, 0700) < 0)
		return err_set(e, errno, "make " ROOM "/" UNFINISHED);
	r = load_into(UNFINISHED, e);
	if (r == 0 && renameat(room, UNFINISHED, room, SET) < 0)
		r = err_set(e, errno, "rename to " ROOM "/" SET);
	if (r < 0)
		remove_set(room, UNFINISHED, &ignored);
	return r;
}

static int open_set(int *ret_lock, int maps[EXECLOG_SEGMENTS + 1], struct err *e)
{
	owned_fd room = -1;
	const char *lacks;
	int r;

	for (int i = 0; i <= EXECLOG_SEGMENTS; i++)
		maps[i] = -1;
	r = open_room(LOCK_SH, false, &room, e);
	if (r == 0 && (lacks = missing()))
		r = err_say(e, ENOENT, ROOM "/" SET " lacks \"%s\"", lacks);
	for (int i = 0; i <= EXECLOG_SEGMENTS && r == 0; i++)
		r = open_pinned(SET, maps_wanted[i].name, &maps[i], e);
	if (r < 0)
		execlog_close(maps);
	else
		*ret_lock = fd_take(&room);
	return r;
}

int execlog_open(bool load, int *ret_lock, int maps[EXECLOG_SEGMENTS + 1], struct err *e)
{
	struct err no_set;
	int r = open_set(ret_lock, maps, load ? &no_set : e);

	if (!load || r == 0)
		return r;
	if (r != -ENOENT) {
		*e = no_set;
		return r;
	}
	r = load_set(e);
	return r == 0 ? open_set(ret_lock, maps, e) : r;
}

int execlog_ready(struct err *e)
{
	int maps[EXECLOG_SEGMENTS + 1], r;
	owned_fd lock = -1;

	if (!missing())
		return 0;
	if ((r = execlog_open(true, &lock, maps, e)) == 0)
		execlog_close(maps);
	return r;
}

void execlog_close(int maps[EXECLOG_SEGMENTS + 1])
{
	for (int i = 0; i <= EXECLOG_SEGMENTS; i++)
		fd_close(&maps[i]);
}
