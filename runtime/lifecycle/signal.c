/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/fd.h"
#include "base/sys.h"
#include "lifecycle/manage.h"

int signal_number(const char *text)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (isdigit((unsigned char)*text))
		return *end || n < 0 || n >= NSIG ? -1 : (int)n;
	if (strncasecmp(text, "SIG", 3) == 0)
		text += 3;
	if (strncasecmp(text, "RTMIN+", 6) == 0 || strncasecmp(text, "RTMAX-", 6) == 0) {
		bool from_min = tolower((unsigned char)text[3]) == 'i';

		n = strtol(text + 6, &end, 10);
		if (!isdigit((unsigned char)text[6]) || *end || n > SIGRTMAX - SIGRTMIN)
			return -1;
		return from_min ? SIGRTMIN + (int)n : SIGRTMAX - (int)n;
	}
	for (int i = 1; i < NSIG; i++) {
		const char *name = sigabbrev_np(i);

		if (name && strcasecmp(name, text) == 0)
			return i;
	}
	/* names that the C library keeps as second ones */
	return strcasecmp(text, "IOT") == 0 ? SIGIOT : strcasecmp(text, "CLD") == 0 ? SIGCHLD : -1;
}

int lifecycle_open(struct arena *a, const struct runtime *rt, const char *id, enum state_lock lock,
		   struct state_dir *dir, struct state *state, struct err *e)
{
	char *root;
	int r;

	if (state_root(a, rt->root, rt->rootless, false, &root, e) < 0 ||
	    state_open(a, root, id, lock, dir, e) < 0)
		return -e->code;
	r = state_load(a, dir, state, e);
	if (r == -ENOENT && lock == STATE_UNLOCKED)	/* not yet, or no longer */
		return err_say(e, ENOENT, "container \"%s\" does not exist", id);
	return r;
}

/* On version 1 a frozen process does not die of SIGKILL. */
static int thaw(const struct cgroup *c, struct err *e)
{
	bool frozen = false;
	int r = cgroup_frozen(c, &frozen, e);

	if (r == 0 && frozen)
		r = cgroup_freeze(c, false, e);
	return r == -ENOENT || r == -ENODEV ? 0 : r;	/* it died, and is deleted already */
}

int lifecycle_kill(struct arena *a, const struct runtime *rt, const char *id, int sig, bool all,
		   struct err *e)
{
	owned_state_dir dir = STATE_DIR_INIT;
	struct state state;
	owned_fd pidfd = -1;
	int r;

	if (lifecycle_open(a, rt, id, STATE_UNLOCKED, &dir, &state, e) < 0)
		return -e->code;
	r = state_pidfd(&state, &pidfd, e);
	if (all)	/* what a dead init left behind in a shared PID namespace counts, too */
		return cgroup_signal(&state.cgroup, sig, e);
	if (r < 0)
		return r;
	if (sys_pidfd_send_signal(pidfd, sig) < 0)
		return err_set(e, errno, "signal container %s", id);
	return sig == SIGKILL ? thaw(&state.cgroup, e) : 0;
}

int lifecycle_pause(struct arena *a, const struct runtime *rt, const char *id, bool pause,
		    struct err *e)
{
	owned_state_dir dir = STATE_DIR_INIT;
	struct state state;
	enum status status;

	/* Resume shares: `exec --ignore-paused` waits for it. */
	if (lifecycle_open(a, rt, id, pause ? STATE_EXCLUSIVE : STATE_SHARED, &dir, &state, e) < 0)
		return -e->code;
	status = state_status(&dir, &state);
	if (pause ? status != STATUS_RUNNING && status != STATUS_CREATED : status != STATUS_PAUSED)
		return err_say(e, EINVAL, "cannot %s container %s: it is %s",
			       pause ? "pause" : "resume", id, status_names[status]);
	return cgroup_freeze(&state.cgroup, pause, e);
}

int lifecycle_update(struct arena *a, const struct runtime *rt, const char *id,
		     const struct spec_resources *r, struct err *e)
{
	owned_state_dir dir = STATE_DIR_INIT;
	struct state state;

	if (lifecycle_open(a, rt, id, STATE_SHARED, &dir, &state, e) < 0)
		return -e->code;
	if (state_status(&dir, &state) == STATUS_STOPPED)
		return err_say(e, EINVAL, "cannot update container %s: it is stopped", id);
	return cgroup_update(&state.cgroup, r, e);
}
