/* SPDX-License-Identifier: Apache-2.0 */
/* The runtime's side of create.  The other column of handshake.h is init.c. */
#include "lifecycle/create.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "audit/audit.h"
#include "base/fd.h"
#include "base/host.h"
#include "base/log.h"
#include "base/self.h"
#include "base/sys.h"
#include "lifecycle/commands.h"
#include "lifecycle/evidence.h"
#include "lifecycle/handshake.h"
#include "lifecycle/hookrun.h"
#include "lifecycle/hostroot.h"
#include "lifecycle/listener.h"
#include "lifecycle/names.h"
#include "lifecycle/notify.h"
#include "lifecycle/pidfile.h"
#include "lifecycle/plan.h"
#include "lifecycle/workspace.h"
#include "policy/policy.h"
#include "sandbox/egress.h"
#include "sandbox/idmap.h"
#include "sandbox/selinux.h"
#include "sandbox/netdev.h"
#include "sandbox/resctrl.h"
#include "sandbox/tty.h"
#include "sandbox/user.h"

/* One create in the making: what there is to undo is what is set. */
struct creation {
	struct arena *a;
	const struct runtime *rt;
	const struct create_options *o;
	char *bundle;			/* absolute */
	struct spec *asked, *spec, *kept;	/* as the bundle has it; effective; as later commands have it */
	struct seccomp_program filter[PLAN_FILTERS];
	size_t n_filters;
	struct ns_set ns;
	const int *sources;
	int nodes_fd;
	struct netdevs devices;
	struct resctrl resctrl;		/* its group NULL where linux.intelRdt is not set */
	struct state_dir dir;
	struct state state;
	bool cgroup_made, hooks_began, recorded;
	struct pid_file pid_file;
	int acct_fd, sync_fd, stage2_fd, start_fd, console_fd;
	bool told;		/* run: GO was said */
	int console_ours;	/* our end of the pair when the terminal comes back to us */
	int pidfd;
};

/* ---- before anything exists ---- */

/* The bundle's specification, and what the policy makes of it. */
static int load(struct creation *c, struct err *e)
{
	struct policy_options options = { c->rt->profile, c->rt->host_policy, c->rt->rootless };
	struct policy *policy;
	struct facts facts = { 0 };
	char *absolute = realpath(c->o->bundle, NULL);
	int r;

	if (!absolute)
		return err_set(e, errno, "bundle %s", c->o->bundle);
	c->bundle = arena_strdup(c->a, absolute);
	free(absolute);
	/* Relative paths of the specification are relative to the bundle. */
	if (chdir(c->bundle) < 0)
		return err_set(e, errno, "bundle %s", c->bundle);
	if (spec_read(c->a, AT_FDCWD, "config.json", SPEC_BUNDLE, &c->asked, e) < 0)
		return -e->code;
	c->spec = c->asked;
	if (policy_load(c->a, c->asked, &options, &policy, e) < 0)
		return -e->code;
	if (!policy)
		return 0;
	r = facts_gather(c->a, c->asked, policy, c->bundle, &facts, e);
	if (r == 0)
		r = policy_apply(c->a, c->asked, policy, &facts, &c->spec, e);
	facts_close(&facts);
	if (r == 0)
		r = policy_refuse_descriptors(c->a, c->spec->agent, c->o->listen_fds,
					      c->o->preserve_fds - c->o->listen_fds, e);
	if (r == 0)
		r = names_resolve(c->a, c->spec->agent, e);
	return r;
}

static int check_terminal(const struct creation *c, struct err *e)
{
	bool terminal = c->spec->process->terminal;

	if (terminal && !c->o->console_socket && !c->o->foreground)
		return err_say(e, EINVAL,
			       "process.terminal is true, but nobody takes the terminal: give --console-socket, or run without --detach");
	if (!terminal && c->o->console_socket)
		return err_say(e, EINVAL, "--console-socket is given, but process.terminal is false");
	return 0;
}

/* `again` executes a program with our arguments; from where those are relative to. */
static int execute_again(const struct creation *c, int here, int (*again)(struct err *e),
			 struct err *e)
{
	if (fchdir(here) < 0)
		return err_set(e, errno, "return to the working directory");
	if (again(e) < 0)
		return -e->code;
	if (chdir(c->bundle) < 0)
		return err_set(e, errno, "bundle %s", c->bundle);
	return 0;
}

static int judge(struct creation *c, int here, struct err *e)
{
	char *real;

	if (c->rt->systemd_cgroup && host_check(e) < 0)
		return -e->code;
	if (load(c, e) < 0)
		return -e->code;
	if (check_terminal(c, e) < 0 || ns_from_spec(c->spec, &c->ns, e) < 0)
		return -e->code;
	/* A process of the container could see this one before it became stage two. */
	if (ns_needs_second_clone(&c->ns) && execute_again(c, here, self_execute_sealed, e) < 0)
		return -e->code;
	if (c->spec->linux_->intel_rdt &&
	    resctrl_find(c->a, c->spec->linux_->intel_rdt, c->o->id, &c->resctrl, e) < 0)
		return -e->code;
	if (selinux_check(c->spec->process->selinux_label, "process.selinuxLabel", e) < 0 ||
	    selinux_check(c->spec->linux_->mount_label, "linux.mountLabel", e) < 0 ||
	    listener_check(c->spec->linux_->seccomp, e) < 0 ||
	    plan_filters(c->a, c->spec, c->rt->rootless, c->filter, &c->n_filters, e) < 0)
		return -e->code;
	real = realpath(c->spec->root->path, NULL);
	if (!real)
		return err_set(e, errno, "root.path %s", c->spec->root->path);
	c->state.rootfs = arena_strdup(c->a, real);
	free(real);
	return 0;
}

static int prepare(struct creation *c, struct err *e)
{
	owned_fd here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r = judge(c, here, e);

	/* A driver, a name or a filter that takes the host's libraries. */
	return r == -ELIBACC ? execute_again(c, here, host_become, e) : r;
}

/* ---- what the host can see from here on is undone on failure ---- */

static void describe(struct creation *c)
{
	char now[LOG_TIME], session[32];
	owned_str owner = STR_INIT;
	struct err none;
	struct state *s = &c->state;

	log_time(now);
	s->id = arena_strdup(c->a, c->o->id);
	s->oci_version = arena_strdup(c->a, SPEC_OCI_VERSION);	/* of the state, not of the bundle */
	s->bundle = c->bundle;
	s->created = arena_strdup(c->a, now);
	user_name(geteuid(), &owner);
	s->owner = arena_strdup(c->a, owner.s);
	s->rootless = c->rt->rootless;
	s->new_keyring = !c->o->no_new_keyring;
	s->annotations = c->asked->annotations;
	if (c->spec->agent) {
		audit_session_id(session);
		s->session = arena_strdup(c->a, session);
		/* Podman calls start and delete without HOME. No directory is the records' error. */
		if (audit_directory(c->a, c->rt->rootless, &s->audit, &none) < 0)
			s->audit = NULL;
	}
}

static bool shares_mounts(const struct spec *s)
{
	return !spec_namespace_find(s, "mount");
}

static int reserve(struct creation *c, struct err *e)
{
	char *root;

	if (state_root(c->a, c->rt->root, c->rt->rootless, true, &root, e) < 0 ||
	    state_reserve(c->a, root, c->o->id, &c->dir, e) < 0)
		return -e->code;
	describe(c);
	/* So that a delete --force after our sudden death knows what there may be. */
	if (cgroup_plan(c->a, c->spec, c->o->id, c->rt->systemd_cgroup, c->rt->rootless,
			&c->state.cgroup, e) < 0)
		return err_in(e, "cgroup");
	if (workspace_plan(c->a, c->spec, &c->state, e) < 0 ||
	    commands_plan(c->a, &c->state, c->spec, c->filter, &c->n_filters, e) < 0)
		return -e->code;
	if (state_save(&c->dir, &c->state, e) < 0)
		return -e->code;
	if (shares_mounts(c->spec) && hostroot_note(&c->dir, c->state.rootfs, e) < 0)
		return -e->code;
	if (c->spec->agent && (names_mount_hosts(c->a, c->spec, &c->dir, e) < 0 ||
			       workspace_make(c->a, c->spec, &c->state, &c->dir, e) < 0 ||
			       commands_make(&c->state, c->spec, &c->dir, &c->acct_fd, e) < 0))
		return -e->code;
	if (notify_wanted() && notify_mount(c->a, c->spec, &c->dir, e) < 0)
		return -e->code;
	return c->o->start ? 0 : handshake_listen(c->dir.fd, STATE_START, &c->start_fd, e);
}

static int make_cgroup(struct creation *c, struct err *e)
{
	c->cgroup_made = true;
	if (cgroup_create(c->a, c->spec, c->rt->rootless, &c->state.cgroup, e) < 0)
		return err_in(e, "cgroup");
	return workspace_check_end(c->spec, &c->state, e);
}

/* The other end of the container's terminal. */
static int prepare_console(struct creation *c, struct err *e)
{
	int pair[2];

	if (!c->spec->process->terminal)
		return 0;
	if (c->o->console_socket)
		return fd_connect(c->o->console_socket, "console socket", &c->console_fd, e);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_set(e, errno, "socketpair");
	c->console_fd = pair[0];
	c->console_ours = pair[1];
	return 0;
}

static bool has_hooks(const struct creation *c)
{
	const struct spec_hooks *hooks = c->spec->hooks;

	return hooks && (hooks->prestart.n || hooks->create_runtime.n || hooks->create_container.n);
}

/* linux.netDevices: the container's sysctls may name them, so it waits for them as for hooks. */
static bool has_devices(const struct creation *c)
{
	return c->spec->linux_->net_devices.n > 0;
}

/* A new one, or another container's: the runtime has rights that init has not. */
static bool has_user_namespace(const struct creation *c)
{
	return c->ns.fresh[NS_USER] || c->ns.join_fd[NS_USER] >= 0;
}

/* Stage two sets limits, of which init may raise the hard ones only with the runtime's rights. */
static bool has_maps(const struct creation *c)
{
	return c->ns.fresh[NS_USER] || (has_user_namespace(c) && c->spec->process->rlimits.n);
}

/*
 * The kernel takes a millisecond for the table.  Where nobody else gets to run in the namespace before
 * the container is created - it is new, so nothing reaches it, and there are no hooks - the runtime
 * installs the table while the child mounts.  Everywhere else the child does, before a word is said.
 */
static bool installs_egress(const struct creation *c)
{
	return egress_wanted(c->spec->agent) && c->ns.fresh[NS_NETWORK] && !has_hooks(c) &&
	       !c->rt->rootless && !has_user_namespace(c) && !ns_needs_second_clone(&c->ns);
}

static _Noreturn void child(struct creation *c, int sync_fd)
{
	struct init in = {
		.arena = c->a,
		.spec = c->spec,
		.options = c->o,
		.state = c->state,
		.ns = &c->ns,
		.rootfs = {
			.root_fd = -1,
			.path = c->state.rootfs,
			.in_userns = has_user_namespace(c) || c->rt->rootless,
			.no_pivot = c->o->no_pivot,
			.on_host = shares_mounts(c->spec),
			.cgroup_ns = c->ns.fresh[NS_CGROUP] || c->ns.join_fd[NS_CGROUP] >= 0,
			.cgroup = &in.state.cgroup,	/* as it is once joined */
			.nodes_fd = c->nodes_fd,
			.sources = c->sources,
		},
		.filter = c->filter,
		.n_filters = c->n_filters,
		.egress_by_runtime = installs_egress(c),
		.await_maps = has_maps(c),
		.await_hooks = has_hooks(c) || has_devices(c),
		.acct_fd = c->acct_fd,
		.sync_fd = sync_fd,
		.stage2_fd = c->stage2_fd,
		.start_fd = c->start_fd,
		.console_fd = c->console_fd,
	};

	/* The lock on the state directory is the runtime's alone; a copy would keep it. */
	fd_close(&c->dir.fd);
	init_run(&in);
}

static int clone_child(struct creation *c, struct err *e)
{
	struct clone_args args = { .flags = ns_clone_flags(&c->ns) | CLONE_PIDFD,
				   .pidfd = (uintptr_t)&c->pidfd, .exit_signal = SIGCHLD };
	owned_fd cgroup_fd = -1;
	int pair[2];
	pid_t pid;

	if (plan_stage2(&c->stage2_fd, e) < 0 || prepare_console(c, e) < 0 ||
	    cgroup_clone_fd(&c->state.cgroup, &cgroup_fd, e) < 0)
		return -e->code;
	if ((has_user_namespace(c) || c->state.store) &&
	    rootfs_open_sources(c->a, c->spec, has_user_namespace(c), &c->sources, e) < 0)
		return -e->code;
	if (has_user_namespace(c) && rootfs_make_nodes(c->spec, &c->nodes_fd, e) < 0)
		return -e->code;
	if (handshake_pair(pair, e) < 0)
		return -e->code;
	if (cgroup_fd >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)cgroup_fd;
	}
	pid = sys_clone3(&args, sizeof args);
	if (pid == 0) {
		close(pair[0]);
		child(c, pair[1]);
	}
	close(pair[1]);
	c->sync_fd = pair[0];
	if (pid < 0 && errno == EPERM && c->rt->rootless && !has_user_namespace(c))
		return err_say(e, EPERM, "linux.namespaces: without root a container needs one of "
			       "type user");
	if (pid < 0)
		return err_set(e, errno, "clone the container's first process");
	c->state.pid = pid;
	return 0;
}

/* Once it is where it belongs, its pid is worth remembering. */
static int settle(struct creation *c, struct err *e)
{
	struct message m;

	if (c->state.cgroup.systemd &&
	    (cgroup_systemd_attach(c->a, &c->state.cgroup, c->spec, c->state.pid, e) < 0 ||
	     handshake_say(c->sync_fd, MESSAGE_CGROUP, 0, e) < 0))
		return -e->code;
	if (ns_needs_second_clone(&c->ns)) {
		if (handshake_expect(c->sync_fd, MESSAGE_PID, &m, e) < 0)
			return -e->code;
		waitpid(c->state.pid, NULL, 0);
		fd_close(&c->pidfd);
		c->state.pid = m.pid;
		c->pidfd = sys_pidfd_open(m.pid, 0);
		if (c->pidfd < 0)
			return err_set(e, errno, "pidfd_open");
		if (handshake_say(c->sync_fd, MESSAGE_PID, m.pid, e) < 0)
			return -e->code;
	}
	if (state_start_time(c->state.pid, &c->state.pid_start) < 0)
		return err_say(e, ESRCH, "the container's first process ended at once");
	/* Before it goes on to what it waits for: nothing of the container's own has run. */
	if (commands_watch(c->a, &c->state, c->spec, e) < 0)
		return -e->code;
	return state_save(&c->dir, &c->state, e);
}

static int restrict_devices(struct creation *c, struct err *e)
{
	if (cgroup_restrict_devices(&c->state.cgroup, c->spec, e) < 0)
		return err_in(e, "cgroup");
	return 0;
}

/* Soft limits stay for now: they would hit the set-up itself.  Stage two sets them; only raising the
 * hard ones takes the runtime's privilege. */
int lifecycle_raise_limits(pid_t pid, const struct spec_process *p, struct err *e)
{
	for (size_t i = 0; i < p->rlimits.n; i++) {
		const struct spec_rlimit *want = &p->rlimits.v[i];
		int resource = plan_rlimit(want->type);
		struct rlimit now;

		if (resource < 0)
			return err_say(e, EINVAL, "process.rlimits[%zu]: unknown type \"%s\"", i,
				       want->type);
		if (prlimit(pid, (unsigned)resource, NULL, &now) < 0)
			return err_set(e, errno, "process.rlimits[%zu]: %s", i, want->type);
		if (want->hard <= now.rlim_max)
			continue;
		now.rlim_max = want->hard;
		if (prlimit(pid, (unsigned)resource, &now, NULL) < 0)
			return err_set(e, errno, "process.rlimits[%zu]: raise %s to %llu", i,
				       want->type, (unsigned long long)want->hard);
	}
	return 0;
}

int lifecycle_set_oom_score(pid_t pid, const struct spec_process *p, struct err *e)
{
	char path[64], value[32];

	if (!p->oom_score_adj.set)
		return 0;
	snprintf(path, sizeof path, "/proc/%d/oom_score_adj", pid);
	snprintf(value, sizeof value, "%lld", (long long)p->oom_score_adj.v);
	if (file_put(AT_FDCWD, path, value, e) < 0)
		return err_in(e, "process.oomScoreAdj");
	return 0;
}

static int map_ids(struct creation *c, struct err *e)
{
	if (handshake_expect(c->sync_fd, MESSAGE_NAMESPACES, NULL, e) < 0)
		return -e->code;
	if (c->ns.fresh[NS_USER] && idmap_write(c->state.pid, c->spec->linux_, e) < 0)
		return -e->code;
	if (lifecycle_set_oom_score(c->state.pid, c->spec->process, e) < 0)
		return -e->code;
	if (!has_maps(c))
		return 0;
	if (lifecycle_raise_limits(c->state.pid, c->spec->process, e) < 0)
		return -e->code;
	return handshake_say(c->sync_fd, MESSAGE_MAPPED, 0, e);
}

/* The evidence in the table outlives a SIGKILL of everything inside (DESIGN section 6). */
static int pin_network(const struct creation *c, struct err *e)
{
	owned_str from = STR_INIT, to = STR_INIT;
	owned_fd file = -1;

	if (!egress_wanted(c->spec->agent))
		return 0;
	str_printf(&from, "/proc/%d/ns/net", c->state.pid);
	str_printf(&to, "%s/%s", c->dir.path, STATE_NETNS);
	file = openat(c->dir.fd, STATE_NETNS, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (file < 0)
		return err_set(e, errno, "create %s", to.s);
	if (mount(from.s, to.s, NULL, MS_BIND, NULL) == 0)
		return 0;
	if (errno == ENOENT)
		return handshake_ended(MESSAGE_NETWORK, e);
	err_set(e, errno, "pin the network namespace for the evidence");
	/* A user without an engine's namespaces cannot mount.  The table stands all the same; what it
	 * counted dies with the container, which `required` does not put up with. */
	if (e->code != EPERM || !c->rt->rootless ||
	    str_equal(c->spec->agent->audit_mode, "required"))
		return -e->code;
	log_debug("%s", e->text);
	unlinkat(c->dir.fd, STATE_NETNS, 0);
	return 0;
}

static int move_devices(struct creation *c, struct err *e)
{
	owned_fd fresh = -1;
	int netns_fd = c->ns.join_fd[NS_NETWORK];
	char path[64];

	if (!has_devices(c))
		return 0;
	if (netns_fd < 0) {
		snprintf(path, sizeof path, "/proc/%d/ns/net", c->state.pid);
		netns_fd = fresh = open(path, O_RDONLY | O_CLOEXEC);
		if (fresh < 0)
			return err_set(e, errno, "linux.netDevices: open %s", path);
	}
	return netdev_move(c->a, c->spec->linux_, netns_fd, &c->devices, e);
}

static int run_hooks(struct creation *c, struct err *e)
{
	const struct spec_hooks *hooks = c->spec->hooks;
	owned_str state = STR_INIT;

	if (handshake_expect(c->sync_fd, MESSAGE_NETWORK, NULL, e) < 0 ||
	    (!installs_egress(c) && pin_network(c, e) < 0) || move_devices(c, e) < 0)
		return -e->code;
	if (!has_hooks(c) && !has_devices(c))
		return 0;
	if (has_hooks(c)) {
		c->hooks_began = true;
		state_write_oci(&c->state, STATUS_CREATING, false, &state);
		if (hooks_run(&hooks->prestart, "prestart", c->spec->agent, state.s, c->bundle,
			      e) < 0 ||
		    hooks_run(&hooks->create_runtime, "createRuntime", c->spec->agent, state.s,
			      c->bundle, e) < 0)
			return -e->code;
	}
	return handshake_say(c->sync_fd, MESSAGE_HOOKED, c->state.pid, e);
}

/* By the pin: it holds the very namespace, whatever becomes of the child. */
static int arm(struct creation *c, struct err *e)
{
	owned_fd netns = -1;

	if (!installs_egress(c))
		return 0;
	if (pin_network(c, e) < 0)
		return -e->code;
	netns = openat(c->dir.fd, STATE_NETNS, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (netns < 0)
		return err_set(e, errno, "open the network namespace");
	return egress_install(c->spec->agent, netns, e);
}

/* What later commands read: not before the child has work to do meanwhile, but before any hook. */
static int store(struct creation *c, struct err *e)
{
	c->kept = state_spec(c->a, c->spec);
	if (state_save_spec(&c->dir, c->kept, e) < 0)
		return -e->code;
	return plan_save_filters(c->dir.fd, STATE_FILTERS, c->filter, c->n_filters, e);
}

/* After the specification was stored, by which delete finds the groups of a create that was killed. */
static int join_resctrl(struct creation *c, struct err *e)
{
	if (!c->resctrl.group)
		return 0;
	if (resctrl_make(&c->resctrl, c->spec->linux_->intel_rdt, e) < 0)
		return -e->code;
	return resctrl_join(&c->resctrl, c->state.pid, e);
}

/* Run, where nothing is left for us to do between READY and GO, as the terminal's settings are: that
 * waits in the socket then. */
static bool goes_on_by_itself(const struct creation *c)
{
	const struct spec_process *p = c->spec->process;

	return c->o->start && !c->spec->no_process && !p->scheduler && !p->io_priority &&
	       !(c->spec->agent && c->spec->agent->time_limit.set) && !notify_wanted() &&
	       c->console_ours < 0 && !c->o->pid_file && !c->o->pidfd_socket;
}

/* Not before it is in its root, nor after `created` (DESIGN section 5). */
static int record(struct creation *c, struct err *e)
{
	if (!c->spec->agent)
		return 0;
	/* While the child mounts. */
	workspace_list(c->spec, &c->state, &c->dir);
	if (handshake_expect(c->sync_fd, MESSAGE_ROOT, NULL, e) < 0)
		return -e->code;
	c->recorded = true;
	if (evidence_create(c->a, &c->state, c->asked, c->spec, e) < 0)
		return -e->code;
	return goes_on_by_itself(c) ? evidence_start(c->a, &c->state, c->spec, e) : 0;
}

int lifecycle_hand_pidfd(const char *path, const char *kind, int pidfd, struct err *e)
{
	owned_fd socket = -1;

	if (path && (fd_connect(path, "pidfd socket", &socket, e) < 0 ||
		     fd_send(socket, kind, strlen(kind), pidfd, e) < 0))
		return err_in(e, "--pidfd-socket");
	return 0;
}

/* Everything is built and waits: told, after its record. */
static int conclude(struct creation *c, struct err *e)
{
	struct message m;

	c->told = goes_on_by_itself(c);
	if (c->told && handshake_say(c->sync_fd, MESSAGE_GO, 0, e) < 0)
		return -e->code;
	/* While stage two gets ready. */
	if (pid_file_prepare(&c->pid_file, c->o->pid_file, c->state.pid, e) < 0 ||
	    handshake_expect(c->sync_fd, MESSAGE_READY, &m, e) < 0 ||
	    plan_finish(c->state.pid, c->spec->process, m.undone, e) < 0)
		return -e->code;
	c->state.ready = true;
	/* Run: its GO is start's, and that it is ready is seen when its start is recorded: it counts as started. */
	if (((!c->o->start || c->told) && state_save(&c->dir, &c->state, e) < 0) ||
	    lifecycle_hand_pidfd(c->o->pidfd_socket, "standard", c->pidfd, e) < 0)
		return -e->code;
	if (c->o->start)
		return 0;
	if (handshake_say(c->sync_fd, MESSAGE_GO, 0, e) < 0)
		return -e->code;
	if (handshake_expect(c->sync_fd, MESSAGE_READY, NULL, e) < 0)
		return -e->code;
	return pid_file_publish(&c->pid_file, e);
}

/* Newest first. A failure here is a warning: the error that counts is the first one. */
static void undo(struct creation *c)
{
	owned_str state = STR_INIT;
	struct err e;

	/* Before the container's end takes them along. */
	if (netdev_return(&c->devices, &e) < 0)
		log_warn("%s", e.text);
	if (c->pidfd >= 0) {
		sys_pidfd_send_signal(c->pidfd, SIGKILL);
		waitpid(c->state.pid, NULL, 0);
	}
	if (c->dir.fd >= 0 && hostroot_unmount(&c->dir, c->state.rootfs, &e) < 0)
		log_warn("%s", e.text);
	if (c->recorded && evidence_delete(c->a, &c->dir, &c->state, c->spec, -1, NULL, &e) < 0)
		log_warn("%s", e.text);
	if (c->cgroup_made && (cgroup_signal(&c->state.cgroup, SIGKILL, &e) < 0 ||
			       cgroup_remove(&c->state.cgroup, &e) < 0))
		log_warn("%s", e.text);
	if (workspace_discard(&c->state, &e) < 0)
		log_warn("%s", e.text);
	if (commands_forget(&c->state, &e) < 0)
		log_warn("%s", e.text);
	if (resctrl_unmake(&c->resctrl, &e) < 0)
		log_warn("%s", e.text);
	if (c->hooks_began && c->spec->hooks) {
		state_write_oci(&c->state, STATUS_STOPPED, false, &state);
		if (hooks_run(&c->spec->hooks->poststop, "poststop", c->spec->agent, state.s,
			      c->bundle, &e) < 0)
			log_warn("%s", e.text);
	}
	if (c->dir.fd >= 0 && state_forget(&c->dir, &e) < 0)
		log_warn("%s", e.text);
}

static void release(struct creation *c)
{
	ns_close(&c->ns);
	netdev_close(&c->devices);
	if (c->sources)
		rootfs_close_sources(c->sources, c->spec);
	fd_close(&c->nodes_fd);
	fd_close(&c->acct_fd);
	fd_close(&c->sync_fd);
	fd_close(&c->stage2_fd);
	fd_close(&c->start_fd);
	fd_close(&c->console_fd);
	fd_close(&c->console_ours);
	fd_close(&c->pidfd);
	pid_file_close(&c->pid_file);
	state_dir_close(&c->dir);
}

void created_close(struct created *c)
{
	state_dir_close(&c->dir);
	fd_close(&c->pidfd);
	fd_close(&c->init);
	fd_close(&c->notify);
	fd_close(&c->console);
	pid_file_close(&c->pid_file);
}

int lifecycle_create(struct arena *a, const struct runtime *rt, const struct create_options *o,
		     struct created *ret, struct err *e)
{
	static const struct {
		const char *name;
		int (*run)(struct creation *c, struct err *e);
	} steps[] = {
		{ "prepare", prepare },
		{ "reserve", reserve },
		{ "cgroup", make_cgroup },
		{ "clone", clone_child },
		/* The child goes on meanwhile.  First what keeps the kernel busy longest: what waits for it to
		 * come to rest (umount) comes late in the child. */
		{ "egress", arm },
		{ "settle", settle },
		{ "devices", restrict_devices },
		{ "id maps", map_ids },
		{ "store", store },
		{ "resctrl", join_resctrl },
		{ "hooks", run_hooks },
		{ "record", record },
		{ "conclude", conclude },
	};
	struct creation c = { .a = a, .rt = rt, .o = o, .devices = NETDEVS_INIT,
			      .dir = STATE_DIR_INIT, .acct_fd = -1, .sync_fd = -1, .nodes_fd = -1,
			      .stage2_fd = -1, .start_fd = -1, .console_fd = -1,
			      .console_ours = -1, .pidfd = -1 };
	int r = state_check_id(o->id, e);

	for (int i = 0; i < NS_KINDS; i++)
		c.ns.join_fd[i] = -1;
	for (size_t i = 0; r == 0 && i < sizeof steps / sizeof *steps; i++) {
		r = steps[i].run(&c, e);
		log_debug("create %s: %s: %s", o->id, steps[i].name, r < 0 ? e->text : "done");
	}
	if (r == 0 && c.console_ours >= 0)
		r = tty_receive(c.console_ours, &ret->console, e);
	if (r < 0) {
		if (c.sync_fd >= 0)
			handshake_reason(c.sync_fd, e);
		if (spec_is_place(e->text))
			err_in(e, "config.json");
		undo(&c);
	} else {
		ret->dir = c.dir;
		c.dir = STATE_DIR_INIT;
		ret->state = c.state;
		ret->spec = c.kept;
		ret->pid = c.state.pid;
		ret->pidfd = fd_take(&c.pidfd);
		if (o->start)
			ret->init = fd_take(&c.sync_fd);
		ret->told = c.told;
		ret->pid_file = c.pid_file;
		c.pid_file = PID_FILE_INIT;
	}
	release(&c);
	return r;
}
