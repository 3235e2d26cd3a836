/* SPDX-License-Identifier: Apache-2.0 */
/* execlog_box: a container of the test's own, and what the log of commands tells of it. */
#pragma once

#include <errno.h>
#include <linux/sched.h>
#include <signal.h>
#include <string.h>

#include "sandboxed.h"

#include "base/sys.h"
#include "sandbox/execlog.h"

#define NAME "test/of the log"

/* ---- a container: a process that is the first of its PID namespace ---- */

struct box {
	size_t most;
	bool required;
	int (*inside)(void);	/* its exit code */
};

struct seen {
	struct execlog_command c;	/* path and argv are copies */
};

struct log {
	struct seen v[4096];
	size_t n;
	struct execlog_total total;
	pid_t init;
	int init_status;
};

static struct log seen;

static inline int keep(void *arg, const struct execlog_command *c, struct err *e)
{
	struct log *l = arg;

	if (l->n == ROWS(l->v))
		return err_say(e, E2BIG, "more commands than the test takes");
	l->v[l->n].c = *c;
	l->v[l->n].c.path = strdup(c->path);
	l->v[l->n++].c.argv = memcpy(malloc(c->argv_kept + 1), c->argv, c->argv_kept);
	return 0;
}

static inline unsigned long long started_at(pid_t pid)
{
	unsigned long long ticks = 0;
	const char *p;
	char path[40];

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	p = strrchr(text_of(path), ')');
	for (int field = 2; p && field < 22; field++)
		p = strchr(p + 1, ' ');
	if (p)
		sscanf(p, "%llu", &ticks);
	return ticks;
}

/* The process that waits for a byte, and then is what `inside` says. */
static inline pid_t begin_box(int (*inside)(void), int *ret_go)
{
	struct clone_args args = { .flags = CLONE_NEWPID, .exit_signal = SIGCHLD };
	int ends[2];
	pid_t pid;
	char c;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	pid = sys_clone3(&args, sizeof args);
	if (pid == 0) {
		close(ends[1]);
		_exit(read(ends[0], &c, 1) == 1 ? inside() : 99);
	}
	close(ends[0]);
	*ret_go = ends[1];
	return pid;
}

static inline void run_box(const struct box *b, struct outcome *o)
{
	struct execlog_place place;
	int go = -1;

	memset(&seen, 0, sizeof seen);
	seen.init = begin_box(b->inside, &go);
	WANT(o, seen.init > 0, "clone: %m");
	place = (struct execlog_place){ .init = seen.init, .started = started_at(seen.init) };
	o->r = execlog_watch(NAME, &place, b->most ? b->most : EXECLOG_MOST, b->required, &o->e);
	WANT(o, o->r == 0, "watch: %s", o->e.text);
	if (o->r == 0)
		WANT(o, write(go, "", 1) == 1, "write");
	close(go);
	waitpid(seen.init, &seen.init_status, 0);
	if (o->r == 0)
		o->r = execlog_read(NAME, keep, &seen, &seen.total, &o->e);
	WANT(o, o->r == 0, "read: %s", o->e.text);
	WANT(o, seen.total.commands == seen.n, "%llu commands told", seen.total.commands);
}

static inline void mount_bpffs(struct outcome *o)
{
	WANT(o, mount("test", "/sys/fs/bpf", "bpf", 0, "mode=0700") == 0, "mount a bpffs: %m");
}

/* ---- where it can't be tested ---- */

static inline int nothing(void)
{
	return 0;
}

static inline void try_it(const void *row, struct outcome *o)
{
	(void)row;
	mount_bpffs(o);
	run_box(&(struct box){ .inside = nothing }, o);
}

static inline void skip_unless_it_works(void)
{
	static bool known;
	static struct outcome o;

	if (!known)
		o = sandboxed(try_it, NULL, 0);
	known = true;
	if (o.r == -EOPNOTSUPP || o.r == -EPERM)
		cr_skip_test("%s", o.e.text);
}
