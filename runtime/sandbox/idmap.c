/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/idmap.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "base/sys.h"
#include "sandbox/user.h"

static void put_map(struct str *text, const struct spec_id_mapping *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		str_printf(text, "%" PRId64 " %" PRId64 " %" PRId64 "\n", v[i].container_id,
			   v[i].host_id, v[i].size);
}

static int put_file(int proc_fd, const char *name, const char *text)
{
	owned_fd fd = openat(proc_fd, name, O_WRONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	/* The kernel takes a map in one write only. */
	n = write(fd, text, strlen(text));
	return n < 0 ? -errno : 0;
}

static int put_map_file(int proc_fd, const char *name, const struct spec_id_mapping *v, size_t n)
{
	owned_str text = STR_INIT;

	put_map(&text, v, n);
	return put_file(proc_fd, name, str_text(&text));
}

/* In the child: newuidmap PID CONTAINER HOST SIZE ..., with its complaints going to `complaints`. */
static void exec_helper(const char *program, pid_t pid, const struct spec_id_mapping *v, size_t n,
			int complaints)
{
	struct arena a = ARENA_INIT;
	struct strv argv = { 0 };

	strv_add(&a, &argv, program);
	strv_add(&a, &argv, arena_printf(&a, "%d", pid));
	for (size_t i = 0; i < n; i++) {
		strv_add(&a, &argv, arena_printf(&a, "%" PRId64, v[i].container_id));
		strv_add(&a, &argv, arena_printf(&a, "%" PRId64, v[i].host_id));
		strv_add(&a, &argv, arena_printf(&a, "%" PRId64, v[i].size));
	}
	if (dup2(complaints, STDERR_FILENO) >= 0 && dup2(complaints, STDOUT_FILENO) >= 0)
		execvp(program, argv.v);
	dprintf(complaints, "%s: %s", program, err_text(errno));
	_exit(127);
}

/* As fork(2): both have both ends. */
static pid_t fork_with_pipe(int *ret_from, int *ret_to, struct err *e)
{
	int ends[2];
	pid_t child;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_set(e, errno, "pipe");
	*ret_from = ends[0];
	*ret_to = ends[1];
	child = fork();
	return child < 0 ? err_set(e, errno, "fork") : child;
}

static int run_helper(const char *program, pid_t pid, const struct spec_id_mapping *v, size_t n,
		      struct err *e)
{
	enum { MOST_COMPLAINTS = 4096 };
	owned_fd from = -1, to = -1;
	owned_str said = STR_INIT;
	int status = -1, r;
	pid_t child;

	if ((child = fork_with_pipe(&from, &to, e)) < 0)
		return -e->code;
	if (child == 0)
		exec_helper(program, pid, v, n, to);
	fd_close(&to);
	r = fd_read_all(from, MOST_COMPLAINTS, program, &said, e);
	if (r < 0)
		kill(child, SIGKILL);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (r < 0)
		return r;
	if (status != 0)
		return err_say(e, EPERM, "%s failed: %.*s", program,
			       (int)strcspn(str_text(&said), "\n"), str_text(&said));
	return 0;
}

static bool maps_only_self(const struct spec_id_mapping *v, size_t n, int64_t id)
{
	return n == 1 && v[0].size == 1 && v[0].host_id == id;
}

/* Whether the kernel would not let us write the maps ourselves, so that the helpers, which know
 * /etc/subuid and /etc/subgid, have to. */
static bool needs_helpers(int r)
{
	return r == -EPERM || r == -EACCES;
}

int idmap_write(pid_t pid, const struct spec_linux *l, struct err *e)
{
	bool uid_self, gid_self;
	char path[64];
	owned_fd proc = -1;
	int r;

	if (!l || !l->uid_mappings.n || !l->gid_mappings.n)
		return err_say(e, EINVAL, "linux.uidMappings and linux.gidMappings: both are "
			       "needed for a new user namespace");
	snprintf(path, sizeof path, "/proc/%d", pid);
	proc = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (proc < 0)
		return err_set(e, errno, "open %s", path);

	uid_self = maps_only_self(l->uid_mappings.v, l->uid_mappings.n, geteuid());
	gid_self = maps_only_self(l->gid_mappings.v, l->gid_mappings.n, getegid());

	/*
	 * Groups first: a process that may call setgroups could drop a group
	 * that denies it something (CVE-2014-8989), so the kernel wants "deny"
	 * before an unprivileged map of one group.  newgidmap writes it where
	 * it has to.
	 */
	if (geteuid() != 0 && gid_self && (r = put_file(proc, "setgroups", "deny")) < 0)
		return err_set(e, -r, "write deny to %s/setgroups", path);
	r = put_map_file(proc, "gid_map", l->gid_mappings.v, l->gid_mappings.n);
	if (needs_helpers(r) && !gid_self) {
		if ((r = run_helper("newgidmap", pid, l->gid_mappings.v, l->gid_mappings.n, e)) < 0)
			return err_in(e, "linux.gidMappings");
	} else if (r < 0) {
		return err_set(e, -r, "linux.gidMappings: write %s/gid_map", path);
	}

	r = put_map_file(proc, "uid_map", l->uid_mappings.v, l->uid_mappings.n);
	if (needs_helpers(r) && !uid_self) {
		if ((r = run_helper("newuidmap", pid, l->uid_mappings.v, l->uid_mappings.n, e)) < 0)
			return err_in(e, "linux.uidMappings");
	} else if (r < 0) {
		return err_set(e, -r, "linux.uidMappings: write %s/uid_map", path);
	}
	return 0;
}

int64_t idmap_host_id(const struct spec_id_mapping *v, size_t n, int64_t container_id)
{
	if (n == 0)
		return container_id;
	for (size_t i = 0; i < n; i++)
		if (container_id >= v[i].container_id &&
		    container_id - v[i].container_id < v[i].size)
			return v[i].host_id + (container_id - v[i].container_id);
	return -1;
}

/* Life of the process whose user namespace is wanted: says where it is, then waits to be killed. */
static void hold_namespace(pid_t parent, int to)
{
	int self;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)	/* it has ended already */
		_exit(1);
	self = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (self < 0)
		self = -errno;
	if (write(to, &self, sizeof self) == sizeof self)
		for (;;)
			pause();
	_exit(1);
}

/* Its wait status. */
static int await(pid_t child)
{
	int status = -1;

	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

static void end_namespace(pid_t child)
{
	kill(child, SIGKILL);
	await(child);
}

static int fill_namespace(int proc, const struct spec_id_mapping *uid, size_t n_uid,
			  const struct spec_id_mapping *gid, size_t n_gid, int *ret_fd,
			  struct err *e)
{
	int fd, r;

	if ((r = put_map_file(proc, "uid_map", uid, n_uid)) < 0)
		return err_set(e, -r, "write the uid map of an id-mapped mount");
	if ((r = put_map_file(proc, "gid_map", gid, n_gid)) < 0)
		return err_set(e, -r, "write the gid map of an id-mapped mount");
	fd = openat(proc, "ns/user", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_set(e, errno, "open the user namespace of an id-mapped mount");
	*ret_fd = fd;
	return 0;
}

/* What that process says; its end of the pipe is ours, too, and stays open when it dies. */
static int await_proc(int from, int pidfd, int *ret_proc, struct err *e)
{
	struct pollfd p[2] = { { .fd = from, .events = POLLIN }, { .fd = pidfd, .events = POLLIN } };
	int proc;

	while (poll(p, 2, -1) < 0)
		if (errno != EINTR)
			return err_set(e, errno, "wait for a new user namespace");
	if (!p[0].revents || read(from, &proc, sizeof proc) != sizeof proc)
		return err_say(e, EIO, "the process of a new user namespace was killed");
	if (proc < 0)
		return err_set(e, -proc, "open /proc/self in a new user namespace");
	*ret_proc = proc;
	return 0;
}

/*
 * A process in a new user namespace, and its directory in /proc.  CLONE_FILES: the child opens that into our
 * table.  Its pid would not do: the caller may be in a pid namespace that the mounted /proc does not belong
 * to.
 */
static int begin_namespace(pid_t *ret_pid, int *ret_proc, struct err *e)
{
	const pid_t self = getpid();
	owned_fd from = -1, to = -1, pidfd = -1;
	struct clone_args args = {
		.flags = CLONE_NEWUSER | CLONE_FILES | CLONE_PIDFD,
		.pidfd = (uintptr_t)&pidfd,
		.exit_signal = SIGCHLD,
	};
	int ends[2], r;
	pid_t child;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_set(e, errno, "pipe");
	from = ends[0];
	to = ends[1];
	child = sys_clone3(&args, sizeof args);
	if (child < 0)
		return err_set(e, errno, "create a user namespace");
	if (child == 0)
		hold_namespace(self, to);
	r = await_proc(from, pidfd, ret_proc, e);
	if (r < 0)
		end_namespace(child);
	else
		*ret_pid = child;
	return r;
}

int idmap_userns_fd(const struct spec_id_mapping *uid, size_t n_uid,
		    const struct spec_id_mapping *gid, size_t n_gid, int *ret_fd, struct err *e)
{
	owned_fd proc = -1;
	pid_t child;
	int r = begin_namespace(&child, &proc, e);

	if (r < 0)
		return err_in(e, "an id-mapped mount");
	r = fill_namespace(proc, uid, n_uid, gid, n_gid, ret_fd, e);
	end_namespace(child);
	return r;
}

/* ---- the caller's own ids ---- */

enum { MOST_RANGES = 16, MOST_SUBID = 1 << 20 };

/* Itself as 0, then what the file has: lines of NAME-or-number:FIRST:COUNT (subuid(5)). */
static void own_ids(struct arena *a, const char *path, int64_t self, const char *name,
		    spec_id_mappings *ret)
{
	char number[24];
	owned_str text = STR_INIT;
	struct err none;
	char *rest, *line;
	int64_t next = 1;

	ret->v = arena_array(a, struct spec_id_mapping, MOST_RANGES);
	ret->v[0] = (struct spec_id_mapping){ 0, self, 1 };
	ret->n = 1;
	if (file_read(AT_FDCWD, path, MOST_SUBID, &text, &none) < 0 || !text.s)
		return;
	snprintf(number, sizeof number, "%u", geteuid());
	rest = text.s;
	while (ret->n < MOST_RANGES && (line = strsep(&rest, "\n"))) {
		const char *who = strsep(&line, ":");
		int64_t first, count;

		if (!line || (strcmp(who, name) != 0 && strcmp(who, number) != 0) ||
		    sscanf(line, "%" SCNd64 ":%" SCNd64, &first, &count) != 2 || count <= 0)
			continue;
		ret->v[ret->n++] = (struct spec_id_mapping){ next, first, count };
		next += count;
	}
}

static int enter_mapped(pid_t holder, int proc, const struct spec_linux *l, struct err *e)
{
	owned_fd ns = -1;

	if (idmap_write(holder, l, e) < 0)
		return -e->code;
	ns = openat(proc, "ns/user", O_RDONLY | O_CLOEXEC);
	if (ns < 0 || setns(ns, CLONE_NEWUSER) < 0)
		return err_set(e, errno, "enter a user namespace of our own");
	if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		return err_set(e, errno, "become root of a user namespace of our own");
	return 0;
}

static int enter_with(const struct spec_linux *l, struct err *e)
{
	owned_fd proc = -1;
	pid_t holder;
	int r = begin_namespace(&holder, &proc, e);

	if (r < 0)
		return r;
	r = enter_mapped(holder, proc, l, e);
	end_namespace(holder);
	return r;
}

int idmap_enter_own(struct err *e)
{
	struct spec_linux l = { 0 };
	owned_arena a = ARENA_INIT;
	owned_str name = STR_INIT;
	struct err second;
	int r;

	user_name(geteuid(), &name);
	own_ids(&a, "/etc/subuid", geteuid(), name.s, &l.uid_mappings);
	own_ids(&a, "/etc/subgid", getegid(), name.s, &l.gid_mappings);
	r = enter_with(&l, e);
	if (r == 0 || (l.uid_mappings.n == 1 && l.gid_mappings.n == 1))
		return r;
	/* Without the helpers no container of this user had more than the one id, either. */
	l.uid_mappings.n = l.gid_mappings.n = 1;
	if (enter_with(&l, &second) < 0)
		return r;
	*e = (struct err){ 0 };
	return 0;
}

int idmap_call_own(int (*call)(void *argument, struct str *out, struct err *e), void *argument,
		   struct str *ret, struct err *e)
{
	owned_fd from = -1, to = -1;
	owned_str all = STR_INIT;
	struct err said = { 0 };
	pid_t child;
	int r;

	if ((child = fork_with_pipe(&from, &to, e)) < 0)
		return -e->code;
	if (child == 0) {
		if (idmap_enter_own(&said) == 0 && call(argument, &all, &said) == 0)
			said = (struct err){ 0 };
		_exit(fd_write_all(to, &said, sizeof said, "pipe", e) < 0 ||
		      fd_write_all(to, all.s, all.len, "pipe", e) < 0);
	}
	fd_close(&to);
	r = fd_read_all(from, SIZE_MAX, "pipe", &all, e);
	if (await(child) != 0 && r == 0)
		r = err_say(e, EIO, "the process that has the user's own ids was ended");
	if (r < 0)
		return r;
	memcpy(&said, all.s, sizeof said);
	if (said.code) {
		*e = said;
		return -said.code;
	}
	str_append(ret, all.s + sizeof said, all.len - sizeof said);
	return 0;
}
