/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The processes of a container's cgroups: list, signal, freeze; and the
 * removal of the directories once they are gone.
 *
 * What is below the container's own directory may have been made by the
 * container: it is walked by descriptors, never by joined paths, and to any
 * depth.
 */
#include "sandbox/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/sys.h"
#include "sandbox/cgroup_parts.h"

enum { PROCS_MOST = 64 << 20 };

static void sleep_us(long us)
{
	nanosleep(&(struct timespec){ .tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000 },
		  NULL);
}

/* ---- the walk ---- */

static bool is_gone(int error)
{
	return error == ENOENT || error == ENODEV;	/* ENODEV: removed while it was open */
}

struct walker {
	/* Before the children of a directory. */
	int (*enter)(int fd, void *arg, struct err *e);
	/* After them; fd is the parent. */
	void (*leave)(int fd, const char *name, void *arg);
	void *arg;
};

struct level {
	char *name;
	struct strv children;
	size_t next;
};

/* Takes fd's position, not fd. */
static int list_children(struct arena *a, int fd, struct strv *ret, struct err *e)
{
	int again = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = again < 0 ? NULL : fdopendir(again);

	if (!d) {
		if (again >= 0)
			close(again);
		return is_gone(errno) ? 0 : err_set(e, errno, "list a cgroup");
	}
	for (struct dirent *x; (x = readdir(d));)
		if (x->d_type == DT_DIR && strcmp(x->d_name, ".") && strcmp(x->d_name, ".."))
			strv_add(a, ret, x->d_name);
	closedir(d);
	return 0;
}

static int enter(struct arena *a, int fd, struct level *l, const struct walker *w, struct err *e)
{
	int r = w->enter ? w->enter(fd, w->arg, e) : 0;

	return r < 0 ? r : list_children(a, fd, &l->children, e);
}

/* One descriptor and no recursion: a container nests as deep as it likes. */
static int walk(const char *top, const struct walker *w, struct err *e)
{
	owned_fd fd = open(top, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	owned_arena a = ARENA_INIT;
	struct level *levels = NULL;
	size_t depth = 0, room = 16;
	int r;

	if (fd < 0)
		return is_gone(errno) ? 0 : err_set(e, errno, "open cgroup %s", top);
	levels = must(calloc(room, sizeof *levels));
	r = enter(&a, fd, &levels[0], w, e);
	while (r == 0) {
		struct level *l = &levels[depth];
		int next;

		if (l->next == l->children.n) {
			if (depth == 0)
				break;
			next = openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
			if (next < 0) {
				r = err_set(e, errno, "walk cgroup %s", top);
				break;
			}
			fd_close(&fd);
			fd = next;
			if (w->leave)
				w->leave(fd, l->name, w->arg);
			depth--;
			continue;
		}
		next = openat(fd, l->children.v[l->next++],
			      O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (next < 0) {
			if (is_gone(errno))
				continue;
			r = err_set(e, errno, "walk cgroup %s", top);
			break;
		}
		if (++depth == room) {
			room *= 2;
			levels = must(reallocarray(levels, room, sizeof *levels));
			l = &levels[depth - 1];
		}
		levels[depth] = (struct level){ .name = l->children.v[l->next - 1] };
		fd_close(&fd);
		fd = next;
		r = enter(&a, fd, &levels[depth], w, e);
	}
	free(levels);
	return r;
}

/* ---- listing ---- */

struct found {
	pid_t *v;
	size_t n, room;
};

static int collect(int fd, void *arg, struct err *e)
{
	struct found *found = arg;
	owned_str text = STR_INIT;
	int r = file_read(fd, "cgroup.procs", PROCS_MOST, &text, e);

	if (r == -EOPNOTSUPP)	/* a threaded cgroup of version 2 */
		r = file_read(fd, "cgroup.threads", PROCS_MOST, &text, e);
	if (r < 0)
		return is_gone(-r) ? 0 : r;
	for (const char *p = str_text(&text); *p; p += strcspn(p, "\n"), p += *p == '\n') {
		long pid = strtol(p, NULL, 10);

		/* 0: a process outside this pid namespace.  kill(0) would be the own group. */
		if (pid <= 0 || pid == getpid())
			continue;
		if (found->n == found->room) {
			found->room = found->room ? 2 * found->room : 64;
			found->v = must(reallocarray(found->v, found->room, sizeof *found->v));
		}
		found->v[found->n++] = (pid_t)pid;
	}
	return 0;
}

static int find_all(const char *dir, struct found *ret, struct err *e)
{
	return walk(dir, &(struct walker){ .enter = collect, .arg = ret }, e);
}

int cgroup_count(const char *dir, size_t *ret, struct err *e)
{
	struct found found = { 0 };
	int r = find_all(dir, &found, e);

	free(found.v);
	if (r == 0)
		*ret = found.n;
	return r;
}

/* The hierarchy whose lists are believed.  On hybrid that is one of version 1: a process joins
 * those itself, and may have been born before. */
static const struct cgroup_hierarchy *for_listing(const struct cgroup *c)
{
	static const char *const order[] = { "freezer", "pids", "devices", "memory", "cpu" };
	const struct cgroup_hierarchy *h = NULL;

	for (size_t i = 0; !h && i < sizeof order / sizeof *order; i++)
		h = cgroup_hierarchy_of(c, order[i]);
	for (size_t i = 0; !h && i < c->n; i++)
		if (c->h[i].dir)
			h = &c->h[i];
	return h;
}

bool cgroup_is_none(const struct cgroup *c)
{
	return !for_listing(c);
}

int cgroup_pids(struct arena *a, const struct cgroup *c, struct pids *ret, struct err *e)
{
	const struct cgroup_hierarchy *h = for_listing(c);
	struct found found = { 0 };
	int r;

	if (!h) {
		*ret = (struct pids){ 0 };
		return 0;
	}
	r = find_all(h->dir, &found, e);
	if (r == 0)
		*ret = (struct pids){ arena_memdup(a, found.v, found.n * sizeof *found.v),
				      found.n };
	free(found.v);
	return r;
}

/* ---- freezing ---- */

enum { FREEZE_MS = 10000, FREEZE_AGAIN_MS = 100 };

static int freeze_v1(const char *dir, bool freeze, struct err *e)
{
	const char *wanted = freeze ? "FROZEN" : "THAWED";
	int64_t end = sys_now_ms() + FREEZE_MS;
	struct err ignored;
	int r;

	for (int round = 1;; round++) {
		owned_str now = STR_INIT;

		r = cgroup_put(dir, "freezer.state", wanted, e);
		if (r < 0)
			return r;
		r = cgroup_get(dir, "freezer.state", &now, e);
		if (r < 0)
			return r;
		if (str_has_prefix(str_text(&now), wanted))
			return 0;
		if (sys_now_ms() > end)
			break;
		/* A process in fork or vfork can keep the state at FREEZING until it may go on. */
		if (round % 25 == 0)
			cgroup_put(dir, "freezer.state", "THAWED", &ignored);
		sleep_us(round < 100 ? 100 : 2000);
	}
	if (freeze)
		cgroup_put(dir, "freezer.state", "THAWED", &ignored);
	return err_say(e, EBUSY, "%s: not %s after %d s", dir, freeze ? "frozen" : "thawed",
		       FREEZE_MS / 1000);
}

static int freeze_v2(const char *dir, bool freeze, struct err *e)
{
	int64_t end = sys_now_ms() + FREEZE_MS, left;
	owned_str path = STR_INIT;
	owned_fd events = -1;
	struct err ignored;
	int r;

	str_printf(&path, "%s/cgroup.events", dir);
	events = open(path.s, O_RDONLY | O_CLOEXEC);
	if (events < 0)
		return err_set(e, errno, "open %s", path.s);
	while ((left = end - sys_now_ms()) > 0) {
		char text[256] = "";

		/* Again and again: a kill, which waits for nobody, thaws. */
		r = cgroup_put(dir, "cgroup.freeze", freeze ? "1" : "0", e);
		if (r < 0)
			return r;
		if (pread(events, text, sizeof text - 1, 0) < 0)
			return err_set(e, errno, "read %s", path.s);
		if (strstr(text, freeze ? "frozen 1" : "frozen 0"))
			return 0;
		poll(&(struct pollfd){ .fd = events, .events = POLLPRI }, 1,
		     left < FREEZE_AGAIN_MS ? (int)left : FREEZE_AGAIN_MS);
	}
	if (freeze)
		cgroup_put(dir, "cgroup.freeze", "0", &ignored);
	return err_say(e, EBUSY, "%s: not %s after %d s", dir, freeze ? "frozen" : "thawed",
		       FREEZE_MS / 1000);
}

/* Version 1's controller where it is mounted, else the unified hierarchy's own file. */
static const struct cgroup_hierarchy *freezer(const struct cgroup *c, bool *ret_v1)
{
	const struct cgroup_hierarchy *h = NULL;

	*ret_v1 = false;
	if (c->layout != CGROUP_V2) {
		h = cgroup_hierarchy_of(c, "freezer");
		*ret_v1 = h != NULL;
	}
	return h ? h : cgroup_hierarchy_of(c, "");
}

int cgroup_freeze(const struct cgroup *c, bool freeze, struct err *e)
{
	bool v1;
	const struct cgroup_hierarchy *h = freezer(c, &v1);

	if (!h)
		return err_say(e, EOPNOTSUPP, "the container has no cgroup with a freezer");
	return v1 ? freeze_v1(h->dir, freeze, e) : freeze_v2(h->dir, freeze, e);
}

int cgroup_frozen(const struct cgroup *c, bool *ret, struct err *e)
{
	bool v1;
	const struct cgroup_hierarchy *h = freezer(c, &v1);
	owned_str text = STR_INIT;
	int r;

	if (!h) {
		*ret = false;
		return 0;
	}
	r = cgroup_get(h->dir, v1 ? "freezer.state" : "cgroup.freeze", &text, e);
	if (r == -ENOENT || r == -ENODEV) {
		*ret = false;
		return 0;
	}
	if (r < 0)
		return r;
	*ret = str_has_prefix(str_text(&text), v1 ? "FR" : "1");	/* FROZEN or FREEZING */
	return 0;
}

/* ---- signals ---- */

/* Sends sig to all; *ret_new says how many were not in `before`. */
static void send_all(const struct found *all, const struct found *before, int sig, size_t *ret_new)
{
	*ret_new = 0;
	for (size_t i = 0; i < all->n; i++) {
		bool known = false;

		for (size_t k = 0; !known && k < before->n; k++)
			known = before->v[k] == all->v[i];
		*ret_new += !known;
		kill(all->v[i], sig);
	}
}

/*
 * SIGKILL: again until a list holds nobody new.  A fork either finished before the list was read,
 * and is in the next one, or sees its own pending SIGKILL and fails.
 */
static int signal_listed(const char *dir, int sig, struct err *e)
{
	struct found before = { 0 };
	int r = 0;

	for (int round = 0; round < 1000; round++) {
		struct found all = { 0 };
		size_t fresh;

		r = find_all(dir, &all, e);
		send_all(&all, &before, sig, &fresh);
		free(before.v);
		before = all;
		if (r < 0 || sig != SIGKILL || !fresh)
			break;
	}
	free(before.v);
	return r;
}

int cgroup_signal(const struct cgroup *c, int sig, struct err *e)
{
	const struct cgroup_hierarchy *list = for_listing(c), *unified = cgroup_hierarchy_of(c, "");
	const struct cgroup_hierarchy *v1 =
		c->layout == CGROUP_V2 ? NULL : cgroup_hierarchy_of(c, "freezer");
	struct err ignored;
	bool killed = false;
	int r = 0;

	if (!list)
		return 0;
	if (sig == SIGKILL && unified)
		killed = cgroup_put(unified->dir, "cgroup.kill", "1", &ignored) == 0;
	if (!killed || list != unified) {
		/* Frozen, a fork bomb cannot outrun the list. */
		if (sig == SIGKILL && v1 && !killed)
			cgroup_put(v1->dir, "freezer.state", "FROZEN", &ignored);
		r = signal_listed(list->dir, sig, e);
		if (sig == SIGKILL && v1)
			cgroup_put(v1->dir, "freezer.state", "THAWED", &ignored);
	}
	if (sig == SIGKILL && !killed && unified)
		cgroup_put(unified->dir, "cgroup.freeze", "0", &ignored);
	return r;
}

/* ---- removal ---- */

enum { REMOVE_MS = 1000 };

static void remove_child(int fd, const char *name, void *arg)
{
	(void)arg;
	unlinkat(fd, name, AT_REMOVEDIR);
}

/* The kernel lets a process's cgroup go a little after the process is reaped. */
static int remove_until(const char *dir, int64_t end, struct err *e)
{
	long us = 500;
	size_t there = 0;

	for (;;) {
		struct err ignored;
		int error;

		if (rmdir(dir) == 0 || is_gone(errno))
			return 0;
		error = errno;
		if (error != EBUSY && error != ENOTEMPTY)
			return err_set(e, error, "remove cgroup %s", dir);
		walk(dir, &(struct walker){ .leave = remove_child }, &ignored);
		if (rmdir(dir) == 0 || is_gone(errno))
			return 0;
		if (sys_now_ms() >= end) {
			if (cgroup_count(dir, &there, &ignored) == 0 && there)
				return err_say(e, error, "remove cgroup %s: %zu processes are in "
					       "it", dir, there);
			return err_set(e, error, "remove cgroup %s", dir);
		}
		sleep_us(us);
		us = us < 50000 ? us * 2 : us;
	}
}

int cgroup_await_end(const struct cgroup *c, struct err *e)
{
	const struct cgroup_hierarchy *h = for_listing(c);
	int64_t end = sys_now_ms() + REMOVE_MS;
	size_t left;
	int r;

	if (!h)
		return 0;
	while ((r = cgroup_count(h->dir, &left, e)) == 0 && left) {
		if (sys_now_ms() >= end)
			return err_say(e, EBUSY, "%s: %zu killed processes do not die", h->dir, left);
		sleep_us(500);
	}
	return r;
}

int cgroup_remove_tree(const char *dir, struct err *e)
{
	return remove_until(dir, sys_now_ms() + REMOVE_MS, e);
}

/* The slices above a scope, where systemd does not know of them: as far as nobody else is in them. */
static void remove_slices(const struct cgroup_hierarchy *h)
{
	char *path = must(strdup(h->dir)), *slash;

	while ((slash = strrchr(path + strlen(h->mount), '/'))) {
		*slash = '\0';
		if (strlen(path) <= strlen(h->mount) || rmdir(path) < 0)
			break;
	}
	free(path);
}

int cgroup_remove(const struct cgroup *c, struct err *e)
{
	int64_t end = sys_now_ms() + REMOVE_MS;
	struct err later;
	int r = 0;

	if (c->systemd) {
		r = cgroup_systemd_stop(c, e);
		end = sys_now_ms() + REMOVE_MS;
	}
	for (size_t i = 0; i < c->n; i++)
		if (c->h[i].dir && c->h[i].created) {
			int one = remove_until(c->h[i].dir, end, r < 0 ? &later : e);

			r = r < 0 ? r : one;
			if (c->systemd && !cgroup_systemd_manages(&c->h[i]))
				remove_slices(&c->h[i]);
		}
	return r;
}
