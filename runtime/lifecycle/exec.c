/* SPDX-License-Identifier: Apache-2.0 */
#include "lifecycle/exec.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/sys.h"
#include "lifecycle/commands.h"
#include "lifecycle/evidence.h"
#include "lifecycle/handshake.h"
#include "lifecycle/listener.h"
#include "lifecycle/manage.h"
#include "lifecycle/pidfile.h"
#include "lifecycle/plan.h"
#include "policy/policy.h"
#include "sandbox/resctrl.h"
#include "sandbox/rootfs.h"
#include "sandbox/scheduling.h"
#include "sandbox/selinux.h"
#include "sandbox/tty.h"
#include "sandbox/user.h"

struct joining {
	struct arena *a;
	const struct runtime *rt;
	const struct exec_options *o;
	struct spec_process *process;
	struct state_dir dir;
	struct state state;
	struct spec *spec;		/* the effective one, as create stored it */
	struct strv dropped;		/* names of variables */
	struct seccomp_program filter[PLAN_FILTERS];
	size_t n_filters;
	struct ns_set ns;
	int sync_fd, stage2_fd, console_fd, console_ours;
	pid_t pid;
	struct pid_file pid_file;
	bool told;		/* GO was said */
};

static int refuse(const char *id, enum status status, struct err *e)
{
	return err_say(e, ESRCH, "cannot exec in container %s: it is %s", id, status_names[status]);
}

static int open_running(struct joining *j, struct err *e)
{
	enum status status;

	/* Shared: execs go side by side; start, pause and delete wait. */
	if (lifecycle_open(j->a, j->rt, j->o->id, STATE_SHARED, &j->dir, &j->state, e) < 0)
		return -e->code;
	status = state_status(&j->dir, &j->state);
	if (status == STATUS_PAUSED && !j->o->ignore_paused)
		return err_say(e, EBUSY,
			       "cannot exec in a paused container: %s (--ignore-paused waits for resume)",
			       j->o->id);
	if (status == STATUS_STOPPED || status == STATUS_CREATING)
		return refuse(j->o->id, status, e);
	return state_load_spec(j->a, &j->dir, &j->spec, e);
}

static int choose_process(struct joining *j, struct err *e)
{
	j->process = j->o->process;
	if (j->process)
		return 0;
	j->process = arena_memdup(j->a, j->spec->process, sizeof *j->process);
	return j->o->choose(j->a, j->o->arg, j->process, e);
}

/* As runc does: what holds for the container's own process holds for those that say nothing. */
static void inherit(struct joining *j)
{
	const struct spec_process *first = j->spec->process;
	struct spec_process *p = j->process;

	if (!p->capabilities)
		p->capabilities = first->capabilities;
	if (!p->user.umask.set)
		p->user.umask = first->user.umask;
	if (!p->oom_score_adj.set)
		p->oom_score_adj = first->oom_score_adj;
	if (!p->apparmor_profile)
		p->apparmor_profile = first->apparmor_profile;
	if (!p->selinux_label)
		p->selinux_label = first->selinux_label;
	if (!p->scheduler)
		p->scheduler = first->scheduler;
	if (!p->io_priority)
		p->io_priority = first->io_priority;
	if (!p->exec_cpu_affinity)
		p->exec_cpu_affinity = first->exec_cpu_affinity;
}

/* What create decided for the container's processes. */
static int confine(struct joining *j, struct err *e)
{
	inherit(j);
	if (j->spec->agent &&
	    (policy_apply_process(j->a, j->spec->agent, j->process, &j->dropped, e) < 0 ||
	     policy_refuse_descriptors(j->a, j->spec->agent, 0, j->o->preserve_fds, e) < 0))
		return -e->code;
	return plan_load_filters(j->a, j->dir.fd, STATE_FILTERS, j->filter, &j->n_filters, e);
}

static int prepare(struct joining *j, struct err *e)
{
	int pair[2], r;

	if (selinux_check(j->process->selinux_label, "process.selinuxLabel", e) < 0)
		return -e->code;
	r = ns_of_process(j->state.pid, &j->ns, e);
	/* The descriptors are of this very process only if it is still the one we know. */
	if (state_ending(&j->state))
		return refuse(j->o->id, STATUS_STOPPED, e);
	if (r < 0)
		return r;
	if (plan_stage2(&j->stage2_fd, e) < 0)
		return -e->code;
	if (!j->process->terminal)
		return j->o->console_socket
			       ? err_say(e, EINVAL,
					 "--console-socket is given, but process.terminal is false")
			       : 0;
	if (j->o->console_socket)
		return fd_connect(j->o->console_socket, "console socket", &j->console_fd, e);
	if (!j->o->foreground)
		return err_say(e, EINVAL,
			       "a terminal is asked for, but nobody takes it: give --console-socket, or no --detach");
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_set(e, errno, "socketpair");
	j->console_fd = pair[0];
	j->console_ours = pair[1];
	return 0;
}

/* The runtime's own: its child starts there, before it is in the container's cgroup. */
static int bind_runtime(const struct joining *j, struct err *e)
{
	const struct spec_cpu_affinity *a = j->process->exec_cpu_affinity;

	if (a && a->initial && affinity_apply(a->initial, e) < 0)
		return err_in(e, "process.execCPUAffinity.initial");
	return 0;
}

/* ---- the child ---- */

/* In the cgroup.  As with runc and crun the initial one stays where there is no final one; without
 * either it is what the cgroup allows. */
static int bind_child(const struct joining *j, struct err *e)
{
	const struct spec_cpu_affinity *a = j->process->exec_cpu_affinity;

	if (a && a->final && affinity_apply(a->final, e) < 0)
		return err_in(e, "process.execCPUAffinity.final");
	if (!a || (!a->initial && !a->final))
		affinity_reset();
	return 0;
}

/* The mount namespace may be the host's: its root is not the container's then. */
static int enter_root(const struct joining *j, struct err *e)
{
	owned_fd root = -1;

	if (spec_namespace_find(j->spec, "mount"))
		return 0;
	root = open(j->state.rootfs, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (root < 0)
		return err_set(e, errno, "open %s", j->state.rootfs);
	return rootfs_chroot(root, e);
}

static int enter(struct joining *j, int sync_fd, struct err *e)
{
	owned_str home = STR_INIT, plan = STR_INIT;
	owned_fd master = -1, slave = -1;
	struct plan_request q = {
		.spec = j->spec,
		.process = j->process,
		.filter = j->filter,
		.n_filters = j->n_filters,
		.new_keyring = j->state.new_keyring,
		.no_setgroups = j->state.rootless && !j->process->user.additional_gids.n,
		.keep_fds = j->o->preserve_fds,
		.sync_fd = sync_fd,
		.clone = j->ns.join_fd[NS_PID] >= 0,
		.start_fd = -1,
		.tty_fd = -1,
		.pdeathsig = SIGKILL,
	};

	/* By itself: the runtime would come too late, for it or for the clone in stage two.  And first:
	 * what is not dumpable does not own its files in /proc. */
	if (lifecycle_raise_limits(0, j->process, e) < 0 ||
	    lifecycle_set_oom_score(getpid(), j->process, e) < 0)
		return -e->code;
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0)
		return err_set(e, errno, "prctl");
	if (cgroup_join_self(&j->state.cgroup, &j->o->cgroups, e) < 0 || bind_child(j, e) < 0 ||
	    ns_enter(&j->ns, e) < 0 || enter_root(j, e) < 0)
		return -e->code;
	if (j->ns.join_fd[NS_USER] >= 0) {
		if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
			return err_set(e, errno, "become root of the user namespace");
		if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
			return err_set(e, errno, "prctl PR_SET_PDEATHSIG");
	}
	if (j->process->terminal) {
		if (tty_open(j->process, &master, &slave, e) < 0 ||
		    tty_send(j->console_fd, master, e) < 0)
			return -e->code;
		q.tty_fd = slave;
	} else if (user_owns_stdio((uid_t)j->process->user.uid, e) < 0) {
		return -e->code;
	}
	user_home((uid_t)j->process->user.uid, &home);
	q.home = home.s;
	if (plan_build(&q, &plan, e) < 0)
		return -e->code;
	return plan_enter_stage2(j->stage2_fd, &plan, e);
}

static int clone_child(struct joining *j, struct err *e)
{
	struct clone_args args = { .exit_signal = SIGCHLD };
	owned_fd cgroup_fd = -1;
	struct err failed;
	int pair[2];
	pid_t pid;

	if (bind_runtime(j, e) < 0)
		return -e->code;
	if (cgroup_clone_fd_sub(&j->state.cgroup, &j->o->cgroups, &cgroup_fd, e) < 0 ||
	    handshake_pair(pair, e) < 0)
		return -e->code;
	if (cgroup_fd >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)cgroup_fd;
	}
	pid = sys_clone3(&args, sizeof args);
	if (pid < 0 && errno == EBUSY && !j->o->cgroups.n) {
		/* version 2 forbids processes in a cgroup that has children with controllers */
		fd_close(&cgroup_fd);
		if (cgroup_clone_fd_beside(&j->state.cgroup, j->state.pid, &cgroup_fd, e) < 0)
			return -e->code;
		args.cgroup = (uint64_t)cgroup_fd;
		pid = sys_clone3(&args, sizeof args);
	}
	if (pid == 0) {
		close(pair[0]);
		fd_close(&j->dir.fd);
		enter(j, pair[1], &failed);
		handshake_fail(pair[1], &failed);
		_exit(1);
	}
	if (pid < 0)
		err_set(e, errno, "clone into the cgroup");
	close(pair[1]);
	j->sync_fd = pair[0];
	if (pid < 0)
		return -e->code;
	j->pid = pid;
	return 0;
}

/* ---- the runtime ---- */

static int join_resctrl(const struct joining *j, struct err *e)
{
	const struct spec_intel_rdt *rdt = j->spec->linux_->intel_rdt;
	struct resctrl group;

	if (!rdt)
		return 0;
	if (resctrl_find(j->a, rdt, j->o->id, &group, e) < 0)
		return -e->code;
	return resctrl_join(&group, j->pid, e);
}

/* Nothing is left for us to do between READY and GO, as the terminal's settings are: that waits in the
 * socket then. */
static bool goes_on_by_itself(const struct joining *j)
{
	const struct spec_process *p = j->process;

	return !p->scheduler && !p->io_priority && !j->spec->agent && !j->spec->linux_->intel_rdt &&
	       j->console_ours < 0 && !j->o->pid_file && !j->o->pidfd_socket;
}

static int follow(struct joining *j, struct err *e)
{
	struct message m;

	j->told = goes_on_by_itself(j);
	if (j->ns.join_fd[NS_PID] >= 0) {
		if (handshake_expect(j->sync_fd, MESSAGE_PID, &m, e) < 0)
			return -e->code;
		waitpid(j->pid, NULL, 0);
		j->pid = m.pid;
		if (handshake_say(j->sync_fd, MESSAGE_MAPPED, 0, e) < 0)
			return -e->code;
	}
	if (j->told && handshake_say(j->sync_fd, MESSAGE_GO, 0, e) < 0)
		return -e->code;
	if (handshake_expect(j->sync_fd, MESSAGE_READY, &m, e) < 0 || join_resctrl(j, e) < 0)
		return -e->code;
	return plan_finish(j->pid, j->process, m.undone, e);
}

static int release(struct joining *j, struct created *ret, struct err *e)
{
	owned_fd pidfd = sys_pidfd_open(j->pid, 0), console = -1, log = -1;

	if (pidfd < 0)
		return err_set(e, errno, "pidfd_open");
	if (j->console_ours >= 0 && tty_receive(j->console_ours, &console, e) < 0)
		return -e->code;
	if (evidence_exec(j->a, &j->state, j->spec, j->process, j->pid, &j->dropped, e) < 0)
		return -e->code;
	if (pid_file_prepare(&j->pid_file, j->o->pid_file, j->pid, e) < 0 ||
	    lifecycle_hand_pidfd(j->o->pidfd_socket, "setns", pidfd, e) < 0 ||
	    commands_open(&j->state, &j->dir, &log, e) < 0 ||
	    (!j->told && handshake_say(j->sync_fd, MESSAGE_GO, 0, e) < 0) ||
	    commands_serve(log, pidfd, j->sync_fd, e) < 0 ||
	    listener_hand_over(j->spec->linux_->seccomp, &j->state,
			       state_status(&j->dir, &j->state), j->pid, pidfd, j->sync_fd, e) < 0 ||
	    handshake_expect_end(j->sync_fd, e) < 0 || pid_file_publish(&j->pid_file, e) < 0)
		return -e->code;
	ret->pid = j->pid;
	ret->pidfd = fd_take(&pidfd);
	ret->console = fd_take(&console);
	return 0;
}

/*
 * Whether the container's end made it fail.  What is cloned into a cgroup that cgroup.kill was written to does
 * not live (Linux 6.14), while the first process may have its SIGKILL still before it; and for a moment, between
 * taking that and exiting, it shows neither.
 */
static bool failed_by_end(const struct joining *j, const struct err *e)
{
	for (int i = 0; i < 10 && e->code == EPIPE && !state_ending(&j->state); i++)
		usleep(1000);
	return state_ending(&j->state);
}

int lifecycle_exec(struct arena *a, const struct runtime *rt, const struct exec_options *o,
		   struct created *ret, struct err *e)
{
	struct joining j = { .a = a, .rt = rt, .o = o, .dir = STATE_DIR_INIT,
			     .sync_fd = -1, .stage2_fd = -1,
			     .console_fd = -1, .console_ours = -1 };
	int r;

	for (int i = 0; i < NS_KINDS; i++)
		j.ns.join_fd[i] = -1;
	r = open_running(&j, e);
	if (r == 0)
		r = choose_process(&j, e);
	if (r == 0)
		r = confine(&j, e);
	if (r == 0)
		r = prepare(&j, e);
	if (r == 0)
		r = clone_child(&j, e);
	if (r == 0)
		r = follow(&j, e);
	if (r == 0)
		r = release(&j, ret, e);
	if (r < 0 && j.pid > 0) {
		handshake_reason(j.sync_fd, e);
		kill(j.pid, SIGKILL);
		waitpid(j.pid, NULL, 0);
	}
	if (r < 0 && j.pid > 0 && failed_by_end(&j, e))
		r = refuse(o->id, STATUS_STOPPED, e);
	ns_close(&j.ns);
	fd_close(&j.sync_fd);
	fd_close(&j.stage2_fd);
	fd_close(&j.console_fd);
	fd_close(&j.console_ours);
	pid_file_close(&j.pid_file);
	state_dir_close(&j.dir);
	return r;
}
