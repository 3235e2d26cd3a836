/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/fd.h"
#include "base/sys.h"
#include "lifecycle/manage.h"
#include "policy/policy.h"
#include "sandbox/resctrl.h"

/* signal(7); C libraries differ in what they know. */
static const struct { const char *name; int number; } names[] = {
#define SIGNAL(name) { #name, SIG##name }
	SIGNAL(HUP), SIGNAL(INT), SIGNAL(QUIT), SIGNAL(ILL), SIGNAL(TRAP), SIGNAL(ABRT),
	SIGNAL(IOT), SIGNAL(BUS), SIGNAL(FPE), SIGNAL(KILL), SIGNAL(USR1), SIGNAL(SEGV),
	SIGNAL(USR2), SIGNAL(PIPE), SIGNAL(ALRM), SIGNAL(TERM), SIGNAL(STKFLT), SIGNAL(CHLD),
	{ "CLD", SIGCHLD }, SIGNAL(CONT), SIGNAL(STOP), SIGNAL(TSTP), SIGNAL(TTIN),
	SIGNAL(TTOU), SIGNAL(URG), SIGNAL(XCPU), SIGNAL(XFSZ), SIGNAL(VTALRM), SIGNAL(PROF),
	SIGNAL(WINCH), SIGNAL(IO), SIGNAL(POLL), SIGNAL(PWR), SIGNAL(SYS),
#undef SIGNAL
};

int signal_number(const char *text)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (isdigit((unsigned char)*text))
		return *end || n < 0 || n >= NSIG ? -1 : (int)n;
	if (strncasecmp(text, "SIG", 3) == 0)
		text += 3;
	if (strncasecmp(text, "RTMIN", 5) == 0 || strncasecmp(text, "RTMAX", 5) == 0) {
		bool from_min = tolower((unsigned char)text[3]) == 'i';

		n = 0;
		if (text[5] == (from_min ? '+' : '-') && isdigit((unsigned char)text[6]))
			n = strtol(text + 6, &end, 10);
		else
			end = (char *)text + 5;
		if (*end || n > SIGRTMAX - SIGRTMIN)
			return -1;
		return from_min ? SIGRTMIN + (int)n : SIGRTMAX - (int)n;
	}
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (strcasecmp(names[i].name, text) == 0)
			return names[i].number;
	return -1;
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
	return r == -ENOENT ? state_torn(id, e) : r;
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

/* Is the end of its init no end to its other processes?  Those may also have outlived it. */
static bool shares_pids(struct arena *a, const struct state_dir *dir, const struct state *state)
{
	const struct spec_namespace *n;
	struct pids left;
	struct spec *s;
	struct err ignored;

	if (state_load_spec(a, dir, &s, &ignored) < 0)
		return false;
	n = spec_namespace_find(s, "pid");
	return (!n || n->path) && cgroup_pids(a, &state->cgroup, &left, &ignored) == 0 && left.n;
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
	if ((all && !cgroup_is_none(&state.cgroup)) ||
	    (sig == SIGKILL && shares_pids(a, &dir, &state)))
		return cgroup_signal(&state.cgroup, sig, e);
	if (r < 0)
		return all && r == -ESRCH ? 0 : r;
	/* runtime.md, kill: neither created nor running is an error.  SIGKILL ends a create that hangs. */
	if (!state.ready && sig != SIGKILL)
		return state_not_running(&state, e);
	if (sys_pidfd_send_signal(pidfd, sig) < 0)
		return errno == ESRCH ? state_not_running(&state, e) :
		       err_set(e, errno, "signal container %s", id);
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

/* resctrl has threads in its classes, not processes. */
static int move_threads(const struct resctrl *group, pid_t pid, struct err *e)
{
	char path[64];
	DIR *d;
	int r = 0;

	snprintf(path, sizeof path, "/proc/%d/task", pid);
	d = opendir(path);
	for (struct dirent *x; d && r == 0 && (x = readdir(d));)
		if (x->d_name[0] != '.')
			r = resctrl_join(group, atoi(x->d_name), e);
	if (d)
		closedir(d);
	return r == -ESRCH ? 0 : r;
}

/* Frozen, so that nobody forks past the list. */
static int move_all(struct arena *a, const struct resctrl *group, const struct state *s, struct err *e)
{
	struct pids pids;
	bool frozen = false;
	struct err none;
	int r = cgroup_frozen(&s->cgroup, &frozen, e);

	if (r == 0 && !frozen && cgroup_freeze(&s->cgroup, true, &none) < 0)
		frozen = true;	/* it has no freezer */
	if (r == 0)
		r = cgroup_pids(a, &s->cgroup, &pids, e);
	if (r == 0)
		r = move_threads(group, s->pid, e);
	for (size_t i = 0; r == 0 && i < pids.n; i++)
		r = move_threads(group, pids.v[i], e);
	if (!frozen)
		cgroup_freeze(&s->cgroup, false, &none);
	return r;
}

static int change_resctrl(struct arena *a, const struct state_dir *dir, const struct state *s,
			  struct spec_intel_rdt *rdt, struct err *e)
{
	struct resctrl group;
	struct spec *spec;
	struct err none;

	if (state_load_spec(a, dir, &spec, e) < 0 ||
	    resctrl_find(a, spec->linux_->intel_rdt ? spec->linux_->intel_rdt : rdt, s->id, &group,
			 e) < 0)
		return -e->code;
	if (spec->linux_->intel_rdt)
		return resctrl_change(&group, rdt, e);
	/* first said, then made: exec and delete go by what the specification says */
	spec->linux_->intel_rdt = rdt;
	if (state_save_spec(dir, spec, e) < 0)
		return -e->code;
	if (resctrl_make(&group, rdt, e) == 0 && move_all(a, &group, s, e) == 0)
		return 0;
	if (resctrl_unmake(&group, &none) == 0) {
		spec->linux_->intel_rdt = NULL;
		state_save_spec(dir, spec, &none);
	}
	return -e->code;
}

int lifecycle_update(struct arena *a, const struct runtime *rt, const char *id,
		     struct spec_resources *r, struct spec_intel_rdt *rdt, struct err *e)
{
	owned_state_dir dir = STATE_DIR_INIT;
	struct state state;
	struct spec *spec;
	enum status status;

	if (lifecycle_open(a, rt, id, rdt ? STATE_EXCLUSIVE : STATE_SHARED, &dir, &state, e) < 0)
		return -e->code;
	status = state_status(&dir, &state);
	if (status == STATUS_STOPPED || status == STATUS_CREATING)
		return err_say(e, EINVAL, "cannot update container %s: it is %s", id,
			       status_names[status]);
	if (state.session && (state_load_spec(a, &dir, &spec, e) < 0 ||
			      policy_apply_resources(a, spec, r, e) < 0))
		return -e->code;
	if (rdt && change_resctrl(a, &dir, &state, rdt, e) < 0)
		return -e->code;
	return cgroup_update(&state.cgroup, r, e);
}
