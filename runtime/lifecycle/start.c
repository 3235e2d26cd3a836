/* SPDX-License-Identifier: Apache-2.0 */
#include "lifecycle/start.h"

#include <errno.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "lifecycle/commands.h"
#include "lifecycle/deadline.h"
#include "lifecycle/evidence.h"
#include "lifecycle/handshake.h"
#include "lifecycle/hookrun.h"
#include "lifecycle/listener.h"
#include "lifecycle/manage.h"
#include "lifecycle/notify.h"

static int cannot_start(const char *id, enum status status, struct err *e)
{
	return err_say(e, EINVAL, "cannot start container %s: it is %s, not created", id,
		       status_names[status]);
}

/* Up to the word that makes it run.  *init: of a process that waits for it there, or -1. */
static int say_start(struct arena *a, const struct state_dir *dir, const struct state *state,
		     const struct spec *spec, int *init, struct err *e)
{
	bool waits = *init >= 0;

	if (!waits && handshake_connect(dir->fd, STATE_START, init, e) < 0)
		return err_in(e, "cannot start container %s", state->id);
	if (evidence_start(a, state, spec, e) < 0 || (waits && state_save(dir, state, e) < 0))
		return -e->code;
	if (spec->agent && spec->agent->time_limit.set &&
	    deadline_watch(dir, state, spec->agent->time_limit.v, e) < 0)
		return -e->code;
	if (!waits && unlinkat(dir->fd, STATE_START, 0) < 0)
		return err_set(e, errno, "remove %s/%s", dir->path, STATE_START);
	return handshake_say(*init, MESSAGE_GO, 0, e);
}

/* Whoever opened the container's directory; it is closed.  now: it was created just now, else NULL. */
static int start(struct arena *a, const struct runtime *rt, struct state_dir *dir,
		 const struct state *state, const struct spec *spec, struct created *now,
		 int *ret_notify, struct err *e)
{
	const struct own_container own = { state->pid, -1 };
	owned_fd init = now ? fd_take(&now->init) : -1, pidfd = -1, notify = -1, log = -1;
	owned_str text = STR_INIT;
	struct err second;
	bool ending;
	int r;

	r = spec->no_process ? err_say(e, EINVAL, "cannot start container %s: its configuration has "
				       "no process", state->id) : 0;
	if (r == 0)
		r = notify_listen(dir, &notify, e);
	if (r == 0)
		r = commands_open(state, dir, &log, e);
	if (r == 0 && (spec->linux_->seccomp || notify >= 0 || log >= 0))
		r = state_pidfd(state, &pidfd, e);
	if (r == 0 && !(now && now->told))
		r = say_start(a, dir, state, spec, &init, e);
	ending = r < 0 && state_ending(state);
	/* It runs.  Whatever hook hangs from here on, others can pause, kill and delete it. */
	state_dir_close(dir);
	if (ending)	/* then it failed because of that */
		return cannot_start(state->id, STATUS_STOPPED, e);
	if (r < 0)
		return r;
	if (commands_serve(log, pidfd, init, e) < 0 ||
	    listener_hand_over(spec->linux_->seccomp, state, STATUS_CREATED, state->pid, pidfd, init,
			       e) < 0)
		return -e->code;
	/* Its end is closed by the exec, or it says why there was none. */
	if (handshake_expect_end(init, e) < 0)
		return -e->code;
	if (spec->hooks && spec->hooks->poststart.n) {
		state_write_oci(state, STATUS_RUNNING, false, &text);
		/* As under runc, crun and the specification of late the container ends with it;
		 * 1.0 wanted a warning. */
		if (hooks_run(&spec->hooks->poststart, "poststart", spec->agent, text.s,
			      state->bundle, e) < 0) {
			if (lifecycle_delete(a, rt, state->id, true, &own, &second) < 0)
				log_warn("%s", second.text);
			return -e->code;
		}
	}
	if (ret_notify)
		*ret_notify = fd_take(&notify);
	else if (notify >= 0)
		notify_wait(notify, state->pid, pidfd);
	return 0;
}

int lifecycle_start(struct arena *a, const struct runtime *rt, const char *id, struct err *e)
{
	owned_state_dir dir = STATE_DIR_INIT;
	struct state state;
	struct spec *spec;
	enum status status;

	if (lifecycle_open(a, rt, id, STATE_EXCLUSIVE, &dir, &state, e) < 0)
		return -e->code;
	status = state_status(&dir, &state);
	if (status != STATUS_CREATED)
		return cannot_start(id, status, e);
	if (state_load_spec(a, &dir, &spec, e) < 0)
		return -e->code;
	return start(a, rt, &dir, &state, spec, NULL, NULL, e);
}

int lifecycle_start_created(struct arena *a, const struct runtime *rt, struct created *c,
			    bool foreground, struct err *e)
{
	return start(a, rt, &c->dir, &c->state, c->spec, c, foreground ? &c->notify : NULL, e);
}
