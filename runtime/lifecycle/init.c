/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The container's first process, from clone to the point where it becomes
 * stage two (runtime/stage2/main.c goes on).  The other column of the diagram in
 * handshake.h is create.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/sys.h"
#include "lifecycle/activation.h"
#include "lifecycle/commands.h"
#include "lifecycle/create.h"
#include "lifecycle/handshake.h"
#include "lifecycle/hookrun.h"
#include "lifecycle/notify.h"
#include "lifecycle/plan.h"
#include "sandbox/egress.h"
#include "sandbox/rootpath.h"
#include "sandbox/scheduling.h"
#include "sandbox/tty.h"
#include "sandbox/user.h"

struct stage {
	struct init *in;
	int tty_fd;
	bool mapped;	/* the id maps of a new user namespace are written */
};

/* With the runtime dies what it has not finished (THREATS A13); stage two takes this back. */
static int step_bind_to_parent(struct stage *s, struct err *e)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return err_set(e, errno, "prctl PR_SET_PDEATHSIG");
	/*
	 * Neither a core dump nor ptrace by somebody of the same uid may see the runtime's memory.
	 * Not before the id maps are written: /proc/<pid> would belong to the host's root, and a
	 * runtime without privilege could not write them.
	 */
	if ((!s->in->ns->fresh[NS_USER] || s->mapped) && prctl(PR_SET_DUMPABLE, 0) < 0)
		return err_set(e, errno, "prctl PR_SET_DUMPABLE");
	return 0;
}

/* While the ids are still the runtime's: the control files belong to them. */
static int step_cgroup(struct stage *s, struct err *e)
{
	int r;

	if (s->in->state.cgroup.systemd) {
		r = handshake_expect(s->in->sync_fd, MESSAGE_CGROUP, NULL, e);
		if (r == 0)
			r = cgroup_systemd_join(s->in->arena, &s->in->state.cgroup, e);
	} else {
		r = cgroup_join_self(&s->in->state.cgroup, NULL, e);
	}
	if (r < 0)
		return r;
	affinity_reset();
	return 0;
}

static int step_namespaces(struct stage *s, struct err *e)
{
	struct clone_args again = { .flags = CLONE_PARENT, .exit_signal = 0 };
	const struct ns_set *ns = s->in->ns;
	pid_t pid;

	if (ns_enter(ns, e) < 0)
		return -e->code;
	if (!ns_needs_second_clone(ns))
		return 0;
	if (ns->fresh[NS_PID])
		again.flags |= CLONE_NEWPID;
	pid = sys_clone3(&again, sizeof again);
	if (pid < 0)
		return err_set(e, errno, "clone into the pid namespace");
	if (pid > 0) {
		if (handshake_say(s->in->sync_fd, MESSAGE_PID, pid, e) < 0)
			return -e->code;
		_exit(0);
	}
	/* Not a word before the runtime has heard from the one that is gone: they share the socket. */
	if (handshake_expect(s->in->sync_fd, MESSAGE_PID, NULL, e) < 0)
		return -e->code;
	return step_bind_to_parent(s, e);
}

/* With the host's mounts, and with the host's rights: there is no user namespace where it is planned. */
static int step_accounting(struct stage *s, struct err *e)
{
	return commands_account(s->in->acct_fd, s->in->spec, e);
}

static int step_await_maps(struct stage *s, struct err *e)
{
	if (handshake_say(s->in->sync_fd, MESSAGE_NAMESPACES, 0, e) < 0 ||
	    (s->in->await_maps && handshake_expect(s->in->sync_fd, MESSAGE_MAPPED, NULL, e) < 0))
		return -e->code;
	if (!s->in->await_maps &&
	    lifecycle_raise_limits(0, s->in->spec->process, e) < 0)
		return -e->code;
	s->mapped = true;
	/* With the rights of the user namespace, and while our files in /proc are still ours. */
	if (s->in->ns->fresh[NS_TIME] && ns_new_time(s->in->spec, e) < 0)
		return -e->code;
	if (!s->in->ns->fresh[NS_USER] && s->in->ns->join_fd[NS_USER] < 0)
		return 0;
	/* Root of the new namespace, as files and mounts made from here on should belong to it. */
	if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		return err_set(e, errno, "become root of the user namespace");
	return step_bind_to_parent(s, e);	/* a change of ids resets it */
}

static int step_names(struct stage *s, struct err *e)
{
	const struct spec *spec = s->in->spec;

	if (spec->hostname && sethostname(spec->hostname, strlen(spec->hostname)) < 0)
		return err_set(e, errno, "hostname");
	if (spec->domainname && setdomainname(spec->domainname, strlen(spec->domainname)) < 0)
		return err_set(e, errno, "domainname");
	return 0;
}

/* Before any hook can bring an interface or a neighbour in (DESIGN section 5). */
static int step_egress(struct stage *s, struct err *e)
{
	if (s->in->ns->fresh[NS_NETWORK] && egress_loopback_up(e) < 0)
		return -e->code;
	if (!s->in->egress_by_runtime && egress_install(s->in->spec->agent, -1, e) < 0)
		return -e->code;
	return 0;
}

static int step_await_hooks(struct stage *s, struct err *e)
{
	struct message m;

	if (handshake_say(s->in->sync_fd, MESSAGE_NETWORK, 0, e) < 0)
		return -e->code;
	if (!s->in->await_hooks)
		return 0;
	if (handshake_expect(s->in->sync_fd, MESSAGE_HOOKED, &m, e) < 0)
		return -e->code;
	s->in->state.pid = m.pid;
	return 0;
}

static int step_mounts(struct stage *s, struct err *e)
{
	struct rootfs *r = &s->in->rootfs;

	if (rootfs_prepare(r, s->in->spec, e) < 0 || rootfs_mount_all(r, s->in->spec, e) < 0 ||
	    rootfs_devices(r, s->in->spec, e) < 0)
		return -e->code;
	return 0;
}

static int step_container_hooks(struct stage *s, struct err *e)
{
	const struct spec_hooks *hooks = s->in->spec->hooks;
	owned_str state = STR_INIT;

	if (!hooks || !hooks->create_container.n)
		return 0;
	state_write_oci(&s->in->state, STATUS_CREATING, false, &state);
	/* As under runc, in the root to be, which they are there to change. */
	return hooks_run(&hooks->create_container, "createContainer", s->in->spec->agent, state.s,
			 s->in->rootfs.path, e);
}

static int step_enter_root(struct stage *s, struct err *e)
{
	if (rootfs_enter(&s->in->rootfs, s->in->spec, e) < 0)
		return -e->code;
	/* The record takes a while, on a disk most of all: it is made while this goes on. */
	return s->in->spec->agent ? handshake_say(s->in->sync_fd, MESSAGE_ROOT, 0, e) : 0;
}

/* Before the paths are masked and the root may become read-only: /dev/console may have to be made. */
static int step_terminal(struct stage *s, struct err *e)
{
	const struct spec_process *p = s->in->spec->process;
	owned_fd master = -1, slave = -1;

	if (!p->terminal)
		return 0;
	if (tty_open(p, &master, &slave, e) < 0 ||
	    tty_send(s->in->console_fd, master, e) < 0 ||
	    rootfs_console(&s->in->rootfs, slave, e) < 0)
		return -e->code;
	s->tty_fd = fd_take(&slave);
	return 0;
}

/* As runc does: an image need not have its working directory. */
static int make_cwd(const struct spec_process *p, struct err *e)
{
	owned_fd root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), cwd = -1;

	if (root < 0)
		return err_set(e, errno, "open /");
	if (rootpath_ensure(root, p->cwd, ROOTPATH_DIRECTORY, &cwd, e) < 0)
		return err_in(e, "process.cwd");
	return 0;
}

static int step_finish_root(struct stage *s, struct err *e)
{
	if (make_cwd(s->in->spec->process, e) < 0)
		return -e->code;
	return rootfs_finish(&s->in->rootfs, s->in->spec, e);
}

static int step_stdio(struct stage *s, struct err *e)
{
	if (s->tty_fd >= 0)
		return 0;
	return user_owns_stdio((uid_t)s->in->spec->process->user.uid, e);
}

static int step_stage_two(struct stage *s, struct err *e)
{
	owned_str home = STR_INIT, state = STR_INIT, plan = STR_INIT;
	owned_arena a = ARENA_INIT;
	struct spec_process process = *s->in->spec->process;
	struct state inside = s->in->state;
	struct plan_request q = {
		.spec = s->in->spec,
		.process = &process,
		.filter = s->in->filter,
		.n_filters = s->in->n_filters,
		.hooks = s->in->spec->hooks,
		.new_keyring = !s->in->options->no_new_keyring,
		.no_setgroups = s->in->state.rootless && !process.user.additional_gids.n,
		.keep_fds = s->in->options->preserve_fds,
		.sync_fd = s->in->sync_fd,
		.start_fd = s->in->start_fd,
		.tty_fd = s->tty_fd,
		.pdeathsig = SIGKILL,
	};

	process.env = strv_copy(&a, &process.env);
	activation_tell(&a, s->in->options->listen_fds, getpid(), &process.env);
	if (notify_wanted())
		strv_add(&a, &process.env, NOTIFY_ENV);
	spec_settle_env(&process.env);
	user_home((uid_t)process.user.uid, &home);
	q.home = home.s;
	inside.pid = getpid();
	state_write_oci(&inside, STATUS_CREATED, false, &state);
	q.hook_state = state.s;
	if (plan_build(&q, &plan, e) < 0)
		return -e->code;
	return plan_enter_stage2(s->in->stage2_fd, &plan, e);
}

const struct init_step init_steps[] = {
	{ "bind-to-parent", step_bind_to_parent },
	{ "cgroup", step_cgroup },
	{ "namespaces", step_namespaces },
	{ "accounting", step_accounting },
	{ "await-maps", step_await_maps },
	{ "names", step_names },
	{ "egress", step_egress },
	{ "await-hooks", step_await_hooks },
	{ "mounts", step_mounts },
	{ "createContainer-hooks", step_container_hooks },
	{ "enter-root", step_enter_root },
	{ "terminal", step_terminal },
	{ "finish-root", step_finish_root },
	{ "stdio", step_stdio },
	{ "stage-two", step_stage_two },	/* returns only when it fails */
	{ NULL, NULL },
};

_Noreturn void init_run(struct init *in)
{
	struct stage s = { .in = in, .tty_fd = -1 };
	struct err e = { 0 };

	for (size_t i = 0; init_steps[i].name; i++)
		if (init_steps[i].run(&s, &e) < 0)
			break;
	handshake_fail(in->sync_fd, &e);
	_exit(1);
}
