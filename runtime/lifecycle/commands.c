/* SPDX-License-Identifier: Apache-2.0 */
#include "lifecycle/commands.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "base/fd.h"
#include "base/log.h"
#include "lifecycle/plan.h"
#include "sandbox/execlog.h"
#include "sandbox/execlog_acct.h"

/* Why the kernel is not asked at all; NULL: it is. */
static const char *why_not(const struct state *state, const struct spec *s)
{
	const struct spec_namespace *pid = spec_namespace_find(s, "pid");

	if (state->rootless)
		return "without root the kernel lets nobody watch";
	if (!pid || pid->path)
		return "the container has no PID namespace of its own";
	return NULL;
}

static bool is_required(const struct spec *s)
{
	return str_equal(s->agent->audit_mode, "required");
}

int commands_plan(struct arena *a, struct state *state, const struct spec *s, struct err *e)
{
	const char *reason;

	if (!s->agent)
		return 0;
	reason = why_not(state, s);
	if (!reason && execlog_ready(e) == 0)
		return 0;
	if (!reason && is_required(s) && e->code != EOPNOTSUPP)
		return err_in(e, "log of commands (audit.mode=required)");
	/* The right to account is the host's root's, which the root of a user namespace has not. */
	state->acct = !reason && !spec_namespace_find(s, "user");
	if (!reason)
		log_debug("%s", e->text);
	if (!state->acct)
		state->unwatched = arena_strdup(a, reason ? reason : e->text);
	return 0;
}

/* 64 bytes a process; of a size of its own, since any fork adds to it. */
static const char acct_options[] = "size=4m,nr_inodes=4,mode=0700";
#define ACCT_FILE STATE_ACCT "/log"

int commands_make(const struct state *state, const struct state_dir *d, int *ret_fd, struct err *e)
{
	owned_str path = STR_INIT;
	int file;

	if (!state->acct)
		return 0;
	str_printf(&path, "%s/" STATE_ACCT, d->path);
	if (mkdirat(d->fd, STATE_ACCT, 0700) < 0 ||
	    mount("tmpfs", path.s, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, acct_options) < 0)
		return err_set(e, errno, "mount %s", path.s);
	file = openat(d->fd, ACCT_FILE, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (file < 0)
		return err_set(e, errno, "create %s/log", path.s);
	*ret_fd = file;
	return 0;
}

int commands_account(int fd, const struct spec *s, struct err *e)
{
	char path[32];
	int r;

	if (fd < 0)
		return 0;
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	r = execlog_acct_begin(path, e);
	if (r == 0 || is_required(s))
		return r;
	*e = (struct err){ 0 };		/* the file stays empty, and the record says so */
	return 0;
}

int commands_watch(struct arena *a, struct state *state, const struct spec *s, struct err *e)
{
	const struct execlog_place place = { state->pid, state->pid_start };

	if (!s->agent || state->unwatched || state->acct ||
	    execlog_watch(state->session, &place, EXECLOG_MOST, is_required(s), e) == 0)
		return 0;
	if (is_required(s))
		return err_in(e, "log of commands (audit.mode=required)");
	log_warn("no log of commands: %s", e->text);
	state->unwatched = arena_strdup(a, e->text);
	return 0;
}

int commands_forget(const struct state *state, struct err *e)
{
	return state->session && !state->rootless && !state->unwatched && !state->acct ?
	       execlog_free(state->session, e) : 0;
}

/* ---- at delete ---- */

struct reading {
	struct arena *a;
	struct commands *c;
	size_t room;
	int64_t boot_ns;		/* when this host started, since 1970 */
	pid_t first;			/* the container's first process, as the host numbers it; 0: none yet */
	struct { pid_t *v; size_t n, room; } past;	/* processes that are past stage two */
};

static int64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static struct strv arguments(struct arena *a, const struct execlog_command *c)
{
	struct strv args = { 0 };

	for (size_t at = 0; at < c->argv_kept;) {
		const char *arg = arena_strndup(a, c->argv + at, strnlen(c->argv + at, c->argv_kept - at));

		strv_add(a, &args, arg);
		at += strlen(arg) + 1;
	}
	if (c->argv_size > c->argv_kept)
		strv_add(a, &args, arena_printf(a, "[cut after %zu of %llu bytes]", c->argv_kept,
						c->argv_size));
	return args;
}

/*
 * The runtime's own, with which each process begins that comes in from outside.  No process that was born
 * inside has its parent out there, and of one that came in only the first command is stage two: what the
 * container executes by that name is logged.
 */
static bool is_stage_two(struct reading *r, const struct execlog_command *x, const char *name)
{
	if (!x->entered || !x->unlinked || !str_equal(name, PLAN_STAGE2))
		return false;
	for (size_t i = 0; i < r->past.n; i++)
		if (r->past.v[i] == x->pid)
			return false;
	if (r->past.n == r->past.room) {
		pid_t *more = arena_array(r->a, pid_t, 2 * r->past.room + 16);

		if (r->past.n)
			memcpy(more, r->past.v, r->past.n * sizeof *more);
		r->past.v = more;
		r->past.room = 2 * r->past.room + 16;
	}
	r->past.v[r->past.n++] = x->pid;
	return true;
}

static void put(struct reading *r, const struct audit_command *command)
{
	if (r->c->n == r->room) {
		r->room = 2 * r->room + 64;
		r->c->members = must(realloc(r->c->members, r->room * sizeof *r->c->members));
	}
	r->c->members[r->c->n] = STR_INIT;
	audit_record_command(command, &r->c->members[r->c->n++]);
	r->c->all.recorded++;
}

static int add(void *arg, const struct execlog_command *x, struct err *e)
{
	struct reading *r = arg;
	struct strv args = arguments(r->a, x);
	struct audit_command command = {
		.pid = x->pid, .parent_pid = x->parent, .executable = x->path, .args = &args,
		.start_ns = r->boot_ns + (int64_t)x->started,
		.duration_ns = x->end == EXECLOG_UNSEEN ? -1 : (int64_t)(x->ended - x->started),
		.exit_code = -1, .exit_signal = -1, .source = "bpf",
	};

	(void)e;
	if (!r->first)	/* nothing else of the container could run before */
		r->first = x->pid;
	/* Before Linux 5.18 a program could have no arguments at all. */
	if (args.n && is_stage_two(r, x, args.v[0]))
		return 0;
	if (x->end == EXECLOG_EXITED && WIFEXITED(x->status))
		command.exit_code = WEXITSTATUS(x->status);
	else if (x->end == EXECLOG_EXITED)
		command.exit_signal = WTERMSIG(x->status);
	if (x->end == EXECLOG_EXITED && x->pid == r->first) {
		r->c->ended = true;
		r->c->wait_status = x->status;
		r->c->end_ns = r->boot_ns + (int64_t)x->ended;
	}
	supply_of_command(r->a, &args, &r->c->asked);
	put(r, &command);
	return 0;
}

static int add_accounted(void *arg, const struct execlog_acct *x, struct err *e)
{
	struct reading *r = arg;
	struct strv args = { 0 };
	struct audit_command command = {
		.pid = -1, .parent_pid = -1, .args = &args, .start_ns = (int64_t)x->started * 1000000000,
		.duration_ns = (int64_t)x->lasted * 1000000,
		.exit_code = WIFEXITED(x->status) ? WEXITSTATUS(x->status) : -1,
		.exit_signal = WIFSIGNALED(x->status) ? WTERMSIG(x->status) : -1,
		.source = "acct",
	};

	(void)e;
	if (x->pid == 1) {
		r->c->ended = true;
		r->c->wait_status = x->status;
		r->c->end_ns = command.start_ns + command.duration_ns;
	}
	if (!x->executed)
		return 0;
	strv_add(r->a, &args, x->name);
	put(r, &command);
	return 0;
}

void commands_read(struct arena *a, const struct state_dir *d, const struct state *state,
		   struct commands *ret)
{
	struct reading r = { .a = a, .c = ret,
			     .boot_ns = clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_BOOTTIME) };
	struct execlog_total total = { 0 };
	struct err e;
	int x;

	if (state->unwatched) {
		ret->all.reason = state->unwatched;
		return;
	}
	x = state->acct ? execlog_acct_read(d->fd, ACCT_FILE, add_accounted, &r, &e) :
	    execlog_read(state->session, add, &r, &total, &e);
	ret->all.lost = total.lost;
	if (x < 0)
		ret->all.reason = arena_strdup(a, e.text);
	else if (state->acct && !ret->ended)
		ret->all.reason = "the kernel's accounting has not its end";
	else if (total.lost)
		ret->all.reason = "the log was full";
	if (x == 0 && (ret->all.recorded || !state->acct))
		ret->all.source = state->acct ? "acct" : "bpf";
	else
		ret->ended = false;	/* what could not be read to its end vouches for nothing */
}

void commands_close(struct commands *c)
{
	for (size_t i = 0; i < c->n; i++)
		str_free(&c->members[i]);
	free(c->members);
}
