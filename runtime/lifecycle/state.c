/* SPDX-License-Identifier: Apache-2.0 */
#include "lifecycle/state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/members.h"
#include "base/sys.h"

enum { STATE_MOST = 64 << 20 };	/* our own files: as large as a configuration can make them */

const char *const status_names[] = {
	[STATUS_CREATING] = "creating", [STATUS_CREATED] = "created",
	[STATUS_RUNNING] = "running",	[STATUS_PAUSED] = "paused",
	[STATUS_STOPPED] = "stopped",
};

/* ---- directories ---- */

static int make_private(const char *path, struct err *e)
{
	struct stat st;

	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return err_set(e, errno, "create the state directory %s", path);
	if (stat(path, &st) < 0)
		return err_set(e, errno, "state directory %s", path);
	/* Whoever can write here can have the runtime signal and join what they like.  An umask of 002
	 * goes with groups of one person. */
	if (st.st_uid != geteuid() || st.st_mode & 002 ||
	    (st.st_mode & 020 && st.st_gid != getegid()))
		return err_say(e, EPERM,
			       "state directory %s: must belong to uid %u and be writable by nobody else",
			       path, geteuid());
	return 0;
}

int state_root(struct arena *a, const char *option, bool rootless, bool make, char **ret,
	       struct err *e)
{
	const char *runtime_dir = getenv("XDG_RUNTIME_DIR");
	char *path;

	if (option)
		path = arena_strdup(a, option);
	else if (!rootless)
		path = arena_strdup(a, "/run/agentrun");
	else if (runtime_dir && *runtime_dir == '/')
		path = arena_printf(a, "%s/agentrun", runtime_dir);
	else
		return err_say(e, ENOENT, "no state directory: set XDG_RUNTIME_DIR or give --root");
	if (make) {
		char *above = arena_strdup(a, path);

		/* --root may name more than one missing level (Docker does) */
		for (char *p = above + 1; (p = strchr(p, '/')); *p++ = '/') {
			*p = 0;
			if (mkdir(above, 0711) < 0 && errno != EEXIST)
				return err_set(e, errno, "create %s", above);
		}
		if (make_private(path, e) < 0)
			return -e->code;
	}
	*ret = path;
	return 0;
}

int state_check_id(const char *id, struct err *e)
{
	owned_str shown = STR_INIT;
	size_t n = strlen(id);

	if (n >= 1 && n <= 1024 && *id != '-' && strcmp(id, ".") != 0 && strcmp(id, "..") != 0 &&
	    strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-.") == n)
		return 0;
	str_put_safe(&shown, id, 64);
	return err_say(e, EINVAL,
		       "container id \"%s\": must be 1 to 1024 of A-Z a-z 0-9 _ + - . and not . or .. or begin with -",
		       str_text(&shown));
}

void state_dir_close(struct state_dir *d)
{
	fd_close(&d->fd);
}

static bool still_there(int fd, const char *path)
{
	struct stat by_fd, by_path;

	return fstat(fd, &by_fd) == 0 && stat(path, &by_path) == 0 &&
	       by_fd.st_ino == by_path.st_ino && by_fd.st_dev == by_path.st_dev;
}

static int exists(const char *id, struct err *e)
{
	return err_say(e, EEXIST, "container with id exists: %s", id);
}

int state_reserve(struct arena *a, const char *root, const char *id, struct state_dir *ret,
		  struct err *e)
{
	char *path = arena_printf(a, "%s/%s", root, id);
	owned_fd fd = -1;

	if (mkdir(path, 0700) < 0)
		return errno == EEXIST ? exists(id, e) : err_set(e, errno, "create %s", path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && errno != ENOENT) {
		err_set(e, errno, "open %s", path);
		rmdir(path);
		return -e->code;
	}
	/* A delete may have come between and taken the empty directory for a leftover ... */
	if (fd < 0 || flock(fd, LOCK_EX) < 0 || !still_there(fd, path))
		return err_set(e, ENOENT, "container %s was deleted meanwhile", id);
	/* ... and then another create, which made the one that we opened, and a container of it. */
	if (faccessat(fd, STATE_FILE, F_OK, 0) == 0)
		return exists(id, e);
	ret->fd = fd_take(&fd);
	ret->path = path;
	return 0;
}

int state_open(struct arena *a, const char *root, const char *id, enum state_lock lock,
	       struct state_dir *ret, struct err *e)
{
	static const int how[] = { [STATE_SHARED] = LOCK_SH, [STATE_EXCLUSIVE] = LOCK_EX,
				   [STATE_TRY] = LOCK_EX | LOCK_NB };
	char *path = arena_printf(a, "%s/%s", root, id);
	owned_fd fd = -1;

	if (state_check_id(id, e) < 0)
		return -e->code;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && errno == ENOENT)
		return err_say(e, ENOENT, "container \"%s\" does not exist", id);
	if (fd < 0)
		return err_set(e, errno, "open %s", path);
	if (lock != STATE_UNLOCKED) {
		while (flock(fd, how[lock]) < 0)
			if (errno != EINTR)
				return err_set(e, errno == EWOULDBLOCK ? EBUSY : errno, "lock %s",
					       path);
		if (!still_there(fd, path))	/* deleted while we waited */
			return err_say(e, ENOENT, "container \"%s\" does not exist", id);
	}
	ret->fd = fd_take(&fd);
	ret->path = path;
	return 0;
}

static int unmount(const struct state_dir *d, const char *name, struct err *e)
{
	owned_str path = STR_INIT;

	str_printf(&path, "%s/%s", d->path, name);
	return umount2(path.s, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 && errno != EINVAL && errno != ENOENT ?
	       err_set(e, errno, "unmount %s", path.s) : 0;
}

/* The directory is ours alone: whatever is in it, temporary files of a killed writer included, goes. */
int state_forget(const struct state_dir *d, struct err *e)
{
	struct dirent *entry;
	DIR *dir;
	int r = 0, fd;

	if (unmount(d, STATE_NETNS, e) < 0 || unmount(d, STATE_ACCT, e) < 0)
		return -e->code;
	fd = openat(d->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir)
		return err_set(e, errno, "read %s", d->path);
	while (r == 0 && (entry = readdir(dir))) {
		const bool notify = strcmp(entry->d_name, STATE_NOTIFY) == 0;
		const bool directory = notify || strcmp(entry->d_name, STATE_ACCT) == 0;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (notify)
			unlinkat(d->fd, STATE_NOTIFY "/notify.sock", 0);
		if (unlinkat(d->fd, entry->d_name, directory ? AT_REMOVEDIR : 0) < 0 && errno != ENOENT)
			r = err_set(e, errno, "remove %s/%s", d->path, entry->d_name);
	}
	closedir(dir);
	if (r == 0 && rmdir(d->path) < 0 && errno != ENOENT)
		r = err_set(e, errno, "remove %s", d->path);
	return r;
}

/* ---- the state file: one table reads and writes it ---- */

static const struct member members[] = {
#define M(key, kind, member) { key, MEMBER_##kind, offsetof(struct state, member), false }
/* Containers live on while the runtime is replaced. */
#define NEWER(key, kind, member) { key, MEMBER_##kind, offsetof(struct state, member), true }
	M("id", TEXT, id),
	M("ociVersion", TEXT, oci_version),
	M("bundle", TEXT, bundle),
	M("rootfs", TEXT, rootfs),
	M("created", TEXT, created),
	M("owner", TEXT, owner),
	M("session", TEXT, session),
	M("audit", TEXT, audit),
	NEWER("since", U64, since),
	NEWER("unwatched", TEXT, unwatched),
	NEWER("acct", BOOL, acct),
	NEWER("claims", BOOL, claims),
	NEWER("store", TEXT, store),
	M("pid", PID, pid),
	M("pidStart", U64, pid_start),
	M("ready", BOOL, ready),
	M("rootless", BOOL, rootless),
	M("newKeyring", BOOL, new_keyring),
#undef M
#undef NEWER
	{ NULL, 0, 0, false },
};

int state_save(const struct state_dir *d, const struct state *s, struct err *e)
{
	struct json_writer *w = json_writer_new(false);
	owned_str text = STR_INIT;

	json_open(w);
	members_write(members, s, w);
	json_field_kvs(w, "annotations", &s->annotations);
	json_key(w, "cgroup");
	cgroup_write(&s->cgroup, w);
	json_close(w);
	json_writer_end(w, &text);
	return file_replace(d->fd, STATE_FILE, text.s, text.len, 0600, e);
}

int state_load(struct arena *a, const struct state_dir *d, struct state *ret, struct err *e)
{
	const struct json *tree, *annotations;
	struct state s = { 0 };

	if (json_read_file(a, d->fd, STATE_FILE, &tree, e) < 0)
		return err_in(e, "%s", d->path);
	if (members_read(a, members, tree, STATE_FILE, &s, e) < 0)
		return err_in(e, "%s", d->path);
	if (!json_get(tree, "unwatched"))
		s.unwatched = arena_strdup(a, "a version of agentrun that logged none created the container");
	annotations = json_get(tree, "annotations");
	for (size_t i = 0; annotations && i < annotations->n; i++)
		kvs_add(a, &s.annotations, annotations->keys[i], annotations->items[i]->text);
	if (cgroup_parse(a, json_get(tree, "cgroup"), &s.cgroup, e) < 0)
		return err_in(e, "%s/%s: cgroup", d->path, STATE_FILE);
	*ret = s;
	return 0;
}

struct spec *state_spec(struct arena *a, const struct spec *s)
{
	struct spec_linux *linux_ = arena_memdup(a, s->linux_, sizeof *linux_);
	const struct spec_seccomp *rules = linux_->seccomp;
	struct spec *kept = arena_memdup(a, s, sizeof *kept);

	kept->linux_ = linux_;
	linux_->seccomp = NULL;
	if (spec_seccomp_notifies(rules)) {
		linux_->seccomp = arena_alloc(a, sizeof *rules);
		linux_->seccomp->default_action = rules->default_action;
		linux_->seccomp->listener_path = rules->listener_path;
		linux_->seccomp->listener_metadata = rules->listener_metadata;
	}
	return kept;
}

int state_save_spec(const struct state_dir *d, const struct spec *s, struct err *e)
{
	struct json_writer *w = json_writer_new(false);
	owned_str text = STR_INIT;

	spec_write(s, w);
	json_writer_end(w, &text);
	return file_replace(d->fd, STATE_CONFIG, text.s, text.len, 0600, e);
}

int state_load_spec(struct arena *a, const struct state_dir *d, struct spec **ret, struct err *e)
{
	return spec_read(a, d->fd, STATE_CONFIG, SPEC_STATE, ret, e);
}

int state_torn(const char *id, struct err *e)
{
	return err_say(e, ENOENT, "container %s is half-created (delete --force removes it)", id);
}

/* ---- is it alive? ---- */

/* What /proc/PID/stat has (proc_pid_stat(5)). */
struct process {
	char state;
	uint64_t flags, start, pending;		/* PF_*; in ticks since boot; signals */
};

/* "PID (COMM) STATE PPID ...", COMM may hold anything but the last ')' ends it. */
static int process_stat(pid_t pid, struct process *ret)
{
	owned_str text = STR_INIT;
	char path[64], *p;
	struct err e;

	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	if (file_read(AT_FDCWD, path, 4096, &text, &e) < 0)
		return -e.code;
	p = text.s ? strrchr(text.s, ')') : NULL;
	if (!p || strlen(p) < 4)
		return -EINVAL;
	*ret = (struct process){ .state = p[2] };
	p += 2;
	for (int field = 4; field <= 31; field++) {
		p = strchr(p, ' ');
		if (!p++)
			return -EINVAL;
		if (field == 9)
			ret->flags = strtoull(p, NULL, 10);
		else if (field == 22)
			ret->start = strtoull(p, NULL, 10);
		else if (field == 31)
			ret->pending = strtoull(p, NULL, 10);
	}
	return 0;
}

int state_start_time(pid_t pid, uint64_t *ret)
{
	struct process p;
	int r = process_stat(pid, &p);

	if (r == 0)
		*ret = p.start;
	return r;
}

/* A process whose first thread ended is a zombie to /proc/PID/stat while its others run on; its pidfd
 * waits for all of them. */
static bool has_ended(pid_t pid)
{
	owned_fd fd = sys_pidfd_open(pid, 0);
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return fd < 0 || poll(&p, 1, 0) != 0;
}

static bool look_at(const struct state *s, struct process *ret)
{
	return s->pid > 0 && process_stat(s->pid, ret) == 0 && ret->state != 'X' &&
	       (s->pid_start == 0 || ret->start == s->pid_start) &&
	       (ret->state != 'Z' || !has_ended(s->pid));
}

static bool alive(const struct state *s)
{
	struct process p;

	return look_at(s, &p);
}

enum status state_status(const struct state_dir *d, const struct state *s)
{
	bool frozen = false;
	struct err e;

	if (!alive(s))
		return s->ready || s->pid > 0 ? STATUS_STOPPED : STATUS_CREATING;
	if (!s->ready)
		return STATUS_CREATING;
	/* First: what waits for start may be paused, and does not hear it then. */
	if (cgroup_frozen(&s->cgroup, &frozen, &e) == 0 && frozen)
		return STATUS_PAUSED;
	return faccessat(d->fd, STATE_START, F_OK, 0) == 0 ? STATUS_CREATED : STATUS_RUNNING;
}

bool state_ending(const struct state *s)
{
	enum { PF_EXITING = 4 };		/* linux/sched.h */
	struct process p;
	char path[64];
	struct stat st;

	snprintf(path, sizeof path, "/proc/%d/ns/mnt", s->pid);
	return stat(path, &st) < 0 || !look_at(s, &p) || (p.flags & PF_EXITING) ||
	       (p.pending & 1u << (SIGKILL - 1));
}

int state_not_running(const struct state *s, struct err *e)
{
	/* containerd looks for these words, or for ESRCH's, to see that there is nothing to kill */
	return err_set(e, ESRCH, "container not running: %s", s->id);
}

int state_pidfd(const struct state *s, int *ret_fd, struct err *e)
{
	owned_fd fd = s->pid > 0 ? sys_pidfd_open(s->pid, 0) : -1;

	/* Checked after opening: from here on the descriptor cannot change its process. */
	if (fd < 0 || !alive(s))
		return state_not_running(s, e);
	*ret_fd = fd_take(&fd);
	return 0;
}

static void put_oci(struct json_writer *w, const struct state *s, enum status status, bool people)
{
	json_open(w);
	json_field(w, "ociVersion", s->oci_version);
	json_field(w, "id", s->id);
	/* A stopped container has no process: its number may be another's by now. */
	json_field_i64(w, "pid", status == STATUS_STOPPED ? 0 : s->pid);
	json_field(w, "status", status_names[status]);
	json_field(w, "bundle", s->bundle);
	if (people) {
		json_field(w, "rootfs", s->rootfs);
		json_field(w, "created", s->created);
	}
	if (s->annotations.n)
		json_field_kvs(w, "annotations", &s->annotations);
	if (people)
		json_field(w, "owner", s->owner);
	json_close(w);
}

void state_write_oci(const struct state *s, enum status status, bool people, struct str *out)
{
	struct json_writer *w = json_writer_new(people);

	put_oci(w, s, status, people);
	json_writer_end(w, out);
}

void state_write_process(const struct state *s, enum status status, pid_t pid, const char *metadata,
			 struct str *out)
{
	struct json_writer *w = json_writer_new(false);

	json_open(w);
	json_field(w, "ociVersion", s->oci_version);
	json_key(w, "fds");
	json_open_array(w);
	json_put_string(w, "seccompFd");
	json_close_array(w);
	json_field_i64(w, "pid", pid);
	if (metadata)
		json_field(w, "metadata", metadata);
	json_key(w, "state");
	put_oci(w, s, status, false);
	json_close(w);
	json_writer_end(w, out);
}
