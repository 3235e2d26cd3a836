/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/host.h"
#include "base/log.h"
#include "base/sys.h"
#include "lifecycle/commands.h"
#include "lifecycle/evidence.h"
#include "lifecycle/hookrun.h"
#include "lifecycle/hostroot.h"
#include "lifecycle/manage.h"
#include "lifecycle/workspace.h"
#include "sandbox/resctrl.h"

enum { DIE_MS = 10000 };	/* for the kernel to end what was killed */

static int end_process(const struct state *s, struct err *e)
{
	owned_fd pidfd = -1;
	struct pollfd p;

	if (state_pidfd(s, &pidfd, e) < 0)
		return 0;	/* gone already */
	if (sys_pidfd_send_signal(pidfd, SIGKILL) < 0 && errno != ESRCH)
		return err_set(e, errno, "kill container %s", s->id);
	/* A frozen process dies only once it thaws. */
	if (cgroup_signal(&s->cgroup, SIGKILL, e) < 0)
		return -e->code;
	p = (struct pollfd){ .fd = pidfd, .events = POLLIN };
	if (poll(&p, 1, DIE_MS) == 0)
		return err_say(e, EBUSY, "container %s: its process %d does not die", s->id, s->pid);
	return 0;
}

/*
 * Who holds the lock may wait for a process of the container, which may have been stopped inside (exec,
 * start).  What is to die anyway dies first, then.
 */
static void end_unlocked(struct arena *a, const struct runtime *rt, const char *id,
			 const struct own_container *own)
{
	owned_state_dir dir = STATE_DIR_INIT;
	struct state state;
	struct err e;

	if (lifecycle_open(a, rt, id, STATE_UNLOCKED, &dir, &state, &e) < 0 ||
	    (own && own->pid != state.pid))
		return;
	if (end_process(&state, &e) < 0 || cgroup_signal(&state.cgroup, SIGKILL, &e) < 0)
		log_debug("%s", e.text);
}

/* No file system, no group: it went with it. */
static int remove_resctrl(struct arena *a, const struct spec *spec, const char *id, struct err *e)
{
	struct resctrl group;
	int r;

	if (!spec || !spec->linux_->intel_rdt)
		return 0;
	r = resctrl_find(a, spec->linux_->intel_rdt, id, &group, e);
	return r == -ENOENT ? 0 : r < 0 ? r : resctrl_remove(&group, e);
}

int lifecycle_delete(struct arena *a, const struct runtime *rt, const char *id, bool force,
		     const struct own_container *own, struct err *e)
{
	owned_state_dir dir = STATE_DIR_INIT;
	owned_str text = STR_INIT;
	struct state state;
	struct spec *spec = NULL;
	const struct workspace_changes *workspace;
	enum status status;
	char *root;
	int r;

	if (state_root(a, rt->root, rt->rootless, false, &root, e) < 0)
		return -e->code;
	r = state_open(a, root, id, force ? STATE_TRY : STATE_EXCLUSIVE, &dir, e);
	if (r == -EBUSY) {
		end_unlocked(a, rt, id, own);
		r = state_open(a, root, id, STATE_EXCLUSIVE, &dir, e);
	}
	if (r == -ENOENT && force)
		return 0;
	if (r < 0)
		return r;
	/* Without a state file nothing else exists: create died before it wrote one.  One that is spoilt can
	 * name nothing; one that cannot be read now may name what lives. */
	r = state_load(a, &dir, &state, e);
	if (force && (r == -ENOENT || r == -EINVAL))
		return state_forget(&dir, e);
	if (r < 0)
		return r == -ENOENT ? state_torn(id, e) : r;
	if (state.cgroup.systemd && host_check(e) < 0)
		return host_become(e);
	if (own && own->pid != state.pid)
		return 0;
	status = state_status(&dir, &state);
	if (status != STATUS_STOPPED && status != STATUS_CREATED && !force)
		return err_say(e, EBUSY,
			       "cannot delete container %s: it is %s (delete --force kills it first)",
			       id, status_names[status]);
	if (end_process(&state, e) < 0)
		return -e->code;
	/* Others of the container may live on where its PID namespace is shared. */
	if (cgroup_signal(&state.cgroup, SIGKILL, e) < 0)
		log_warn("container %s: %s", id, e->text);
	/* What is told of the container is told when nobody can go on writing. */
	if (cgroup_await_end(&state.cgroup, e) < 0)
		return err_in(e, "container %s", id);
	if (hostroot_unmount(&dir, state.rootfs, e) < 0) {
		if (!force)
			return -e->code;
		log_warn("container %s: %s", id, e->text);
	}
	/* Not stored yet when create was killed, or removed already by a delete that was: nothing to
	 * record then. */
	r = state_load_spec(a, &dir, &spec, e);
	if (r < 0 && r != -ENOENT && !force)
		return r;
	if (r < 0)
		spec = NULL;
	workspace = workspace_conclude(a, &dir, &state, spec);
	/* Before the cgroup goes: the cost is read from it. */
	if (spec && evidence_delete(a, &dir, &state, spec, own ? own->wait_status : -1, workspace, e) < 0)
		return -e->code;
	if (commands_forget(&state, e) < 0)
		log_warn("container %s: %s", id, e->text);
	if (cgroup_remove(&state.cgroup, e) < 0 || remove_resctrl(a, spec, id, e) < 0)
		return -e->code;
	if (spec && spec->hooks && spec->hooks->poststop.n) {
		state_write_oci(&state, STATUS_STOPPED, false, &text);
		/* The specification: log it and go on. */
		if (hooks_run(&spec->hooks->poststop, "poststop", spec->agent, text.s,
			      state.bundle, e) < 0)
			log_warn("%s", e->text);
	}
	return state_forget(&dir, e);
}
