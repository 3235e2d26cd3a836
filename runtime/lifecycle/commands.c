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
#include "lifecycle/companion.h"
#include "lifecycle/handshake.h"
#include "lifecycle/listener.h"
#include "sandbox/execlog.h"
#include "sandbox/execlog_acct.h"
#include "sandbox/execlog_claims.h"

/* Why the kernel can't watch; NULL: it may. */
static const char *why_not(const struct state *state, const struct spec *s)
{
	const struct spec_namespace *pid = spec_namespace_find(s, "pid");

	if (state->rootless)
		return "commands are asked for: without root the kernel lets nobody watch";
	if (!pid || pid->path)
		return "commands are asked for: the container has no PID namespace of its own";
	return NULL;
}

static bool is_required(const struct spec *s)
{
	return str_equal(s->agent->audit_mode, "required");
}

static int cannot(struct arena *a, struct state *state, const struct spec *s, struct err *e)
{
	if (is_required(s))
		return err_in(e, "log of commands (audit.mode=required)");
	log_warn("no log of commands: %s", e->text);
	state->unwatched = arena_strdup(a, e->text);
	return 0;
}

/* The first that is loaded: none of the others can keep stage two from handing its listener over. */
static int plan_claims(struct arena *a, struct seccomp_program filter[PLAN_FILTERS], size_t *n_filters,
		       struct err *e)
{
	struct seccomp_program first;

	if (execlog_claims_filter(a, &first, e) < 0)
		return -e->code;
	memmove(filter + 1, filter, *n_filters * sizeof *filter);
	filter[0] = first;
	++*n_filters;
	return 0;
}

int commands_plan(struct arena *a, struct state *state, const struct spec *s,
		  struct seccomp_program filter[PLAN_FILTERS], size_t *n_filters, struct err *e)
{
	const char *reason;

	if (!s->agent)
		return 0;
	reason = why_not(state, s);
	if (!reason && execlog_ready(e) == 0)
		return 0;
	if (!reason && is_required(s) && e->code != EOPNOTSUPP)
		return err_in(e, "log of commands (audit.mode=required)");
	log_debug("%s", reason ? reason : e->text);
	/* The right to account is the host's root's, which the root of a user namespace has not. */
	state->acct = !reason && !spec_namespace_find(s, "user");
	if (state->acct)
		return 0;
	state->claims = true;
	if (plan_claims(a, filter, n_filters, e) == 0)
		return 0;
	state->claims = false;
	return cannot(a, state, s, e);
}

static bool by_bpf(const struct state *state)
{
	return !state->rootless && !state->unwatched && !state->acct && !state->claims;
}

/* 64 bytes a process; of a size of its own, since any fork adds to it. */
static const char acct_options[] = "size=4m,nr_inodes=4,mode=0700";
#define ACCT_FILE STATE_ACCT "/log"

int commands_make(const struct state *state, const struct spec *s, const struct state_dir *d, int *ret_fd,
		  struct err *e)
{
	owned_str path = STR_INIT;
	int file;

	if (state->claims)
		return execlog_claims_make(d->fd, STATE_CLAIMS, EXECLOG_MOST, is_required(s), e);
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

	if (!s->agent || !by_bpf(state) ||
	    execlog_watch(state->session, &place, EXECLOG_MOST, is_required(s), e) == 0)
		return 0;
	return cannot(a, state, s, e);
}

int commands_open(const struct state *state, const struct state_dir *d, int *ret_fd, struct err *e)
{
	return state->claims ? execlog_claims_open(d->fd, STATE_CLAIMS, ret_fd, e) : 0;
}

struct server {
	int listener, log_fd;
};

static int serve(void *arg)
{
	const struct server *s = arg;

	return execlog_claims_serve(s->listener, s->log_fd);
}

int commands_serve(int log_fd, int pidfd, int sync_fd, struct err *e)
{
	owned_fd listener = -1;

	if (log_fd < 0)
		return 0;
	if (listener_take(pidfd, sync_fd, &listener, e) < 0 ||
	    companion_start(&(struct companion){
		.name = "agentrun-log", .purpose = "log of commands",
		.keep = (const int[]){ listener, log_fd }, .n_keep = 2,
		.run = serve, .arg = &(struct server){ listener, log_fd } }, e) < 0)
		return -e->code;
	return handshake_say(sync_fd, MESSAGE_GO, 0, e);
}

int commands_forget(const struct state *state, struct err *e)
{
	return state->session && by_bpf(state) ? execlog_free(state->session, e) : 0;
}

/* ---- at delete ---- */

struct reading {
	struct arena *a;
	struct commands *c;
	struct audit_sink *sink;	/* NULL: they are not recorded */
	bool sink_failed;
	unsigned long long before;	/* that are in the log: a delete was killed between its writes */
	struct audit_command_records records;
	bool started;			/* the container's program was, at least asked for */
	const char *ends;		/* the source of how they end */
	int64_t boot_ns;		/* when this host started, since 1970 */
	pid_t first;			/* the container's first process, as the host numbers it; 0: none yet */
	struct { pid_t *v; size_t n, room; } past;	/* processes from outside that executed something */
};

static int64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static struct strv arguments(struct arena *a, const struct execlog_command *c)
{
	char *text = arena_strndup(a, c->argv, c->argv_kept), *const end = text + c->argv_kept;
	struct strv args = { 0 };
	size_t n = 0;

	for (const char *p = text; p < end; p += strlen(p) + 1)
		n++;
	args.v = arena_array(a, char *, n + 2);
	for (char *p = text; p < end; p += strlen(p) + 1)
		args.v[args.n++] = p;
	if (c->argv_size > c->argv_kept)
		args.v[args.n++] = arena_printf(a, "[cut after %zu of %llu bytes]", c->argv_kept,
						c->argv_size);
	else if (!c->argv_size && c->argv_kept)
		args.v[args.n++] = arena_printf(a, "[cut after %zu bytes]", c->argv_kept);
	return args;
}

/* Whether this is the first command of a process that came in from outside. */
static bool is_first(struct reading *r, const struct execlog_command *x)
{
	size_t i = 0;

	if (!x->entered)
		return false;
	while (i < r->past.n && r->past.v[i] != x->pid)
		i++;
	if (i < r->past.n) {
		if (x->end == EXECLOG_EXITED)	/* the number may be another's from here on */
			r->past.v[i] = r->past.v[--r->past.n];
		return false;
	}
	if (r->past.n == r->past.room) {
		pid_t *more = arena_array(r->a, pid_t, 2 * r->past.room + 16);

		if (r->past.n)
			memcpy(more, r->past.v, r->past.n * sizeof *more);
		r->past.v = more;
		r->past.room = 2 * r->past.room + 16;
	}
	if (x->end != EXECLOG_EXITED)
		r->past.v[r->past.n++] = x->pid;
	return true;
}

/*
 * The runtime's own, with which each process begins that comes in from outside.  No process that was born
 * inside has its parent out there; that of the container itself may have begun before the log did.  What the
 * container executes by that name is logged.
 */
static bool is_stage_two(struct reading *r, const struct execlog_command *x, const char *name)
{
	return is_first(r, x) && x->unlinked && str_equal(name, PLAN_STAGE2);
}

static int put(struct reading *r, const struct audit_command *command, struct err *e)
{
	r->c->all.recorded++;
	if (!r->sink || r->c->all.recorded <= r->before || !audit_record_command(&r->records, command))
		return 0;
	r->sink_failed = audit_put(r->sink, "commands", &r->records.members, NULL, e) < 0;
	audit_mark(r->sink, r->c->all.recorded);
	r->records.members.len = 0;
	return r->sink_failed ? -e->code : 0;
}

/* The last record, which is not full. */
static int put_rest(struct reading *r, struct err *e)
{
	if (!audit_record_commands_end(&r->records))
		return 0;
	if (audit_put(r->sink, "commands", &r->records.members, NULL, e) < 0)
		return -e->code;
	audit_mark(r->sink, r->c->all.recorded);
	return 0;
}

static int add(void *arg, const struct execlog_command *x, struct err *e)
{
	struct reading *r = arg;
	owned_arena scratch = ARENA_INIT;
	struct strv args = arguments(&scratch, x);
	struct audit_command command = {
		.pid = x->pid, .parent_pid = x->parent, .executable = x->path, .args = &args,
		.failed = x->end == EXECLOG_FAILED,
		.start_ns = r->boot_ns + (int64_t)x->started,
		.duration_ns = x->end == EXECLOG_UNSEEN || x->end == EXECLOG_ENDED ?
			       -1 : (int64_t)(x->ended - x->started),
		.exit_code = -1, .exit_signal = -1,
	};

	if (!r->first)	/* nothing else of the container could run before */
		r->first = x->pid;
	/* Before Linux 5.18 a program could have no arguments at all. */
	if (is_stage_two(r, x, args.n ? args.v[0] : ""))
		return 0;
	if (x->end == EXECLOG_EXITED && WIFEXITED(x->status))
		command.exit_code = WEXITSTATUS(x->status);
	else if (x->end == EXECLOG_EXITED)
		command.exit_signal = WTERMSIG(x->status);
	/* Later the number may be another's. */
	if ((x->end == EXECLOG_EXITED || x->end == EXECLOG_ENDED) && x->pid == r->first &&
	    !r->c->ended_by) {
		r->c->ended_by = r->ends;
		r->c->wait_status = x->status;
		r->c->end_ns = r->boot_ns + (int64_t)x->ended;
	}
	if (!command.failed)
		supply_of_command(r->a, &args, &r->c->asked);
	return put(r, &command, e);
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
	};

	if (x->pid == 1) {
		r->c->ended_by = r->ends;
		r->c->wait_status = x->status;
		r->c->end_ns = command.start_ns + command.duration_ns;
	}
	/* What was never started came no further than to stage two, whose name others may take. */
	if (!x->executed || (x->pid == 1 && !r->started))
		return 0;
	strv_add(r->a, &args, x->name);
	return put(r, &command, e);
}

void commands_await(const struct state *state, const struct state_dir *d)
{
	if (state->claims)
		execlog_claims_await(d->fd, STATE_CLAIMS);
}

int commands_read(struct arena *a, const struct state_dir *d, const struct state *state, bool started,
		  struct audit_sink *sink, struct commands *ret, struct err *e)
{
	struct reading r = { .a = a, .c = ret, .sink = sink, .started = started,
			     .before = sink ? audit_marked(sink) : 0,
			     .records.source = "bpf", .ends = "bpf",
			     .boot_ns = clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_BOOTTIME) };
	struct execlog_total total = { 0 };
	struct err unread;
	int x;

	*ret = (struct commands){ 0 };
	if (state->unwatched) {
		ret->all.reason = state->unwatched;
		return 0;
	}
	if (state->acct) {
		r.records.source = r.ends = "acct";
		x = execlog_acct_read(d->fd, ACCT_FILE, add_accounted, &r, &unread);
	} else if (state->claims) {
		r.records.source = "claimed";
		r.ends = "pidfd";
		r.first = state->pid;	/* hooks of the image may have run before */
		x = execlog_claims_read(d->fd, STATE_CLAIMS, add, &r, &total, &unread);
	} else {
		x = execlog_read(state->session, add, &r, &total, &unread);
	}
	if (r.sink_failed)
		*e = unread;
	else
		r.sink_failed = put_rest(&r, e) < 0;
	str_free(&r.records.members);
	if (r.sink_failed)
		return -e->code;
	ret->all.lost = total.lost;
	if (x < 0)
		ret->all.reason = arena_strdup(a, unread.text);
	else if (state->acct && !ret->ended_by)
		ret->all.reason = "the kernel's accounting has not its end";
	else if (total.unseen)
		ret->all.reason = "processes that asked could not be looked at";
	else if (total.lost)
		ret->all.reason = "the log was full";
	if (x == 0 && (ret->all.recorded || !state->acct))
		ret->all.source = r.records.source;
	else
		ret->ended_by = NULL;	/* what could not be read to its end vouches for nothing */
	return 0;
}
