/* SPDX-License-Identifier: Apache-2.0 */
#include "lifecycle/evidence.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "config.h"

#include "audit/audit.h"
#include "audit/record.h"
#include "base/fd.h"
#include "base/log.h"
#include "lifecycle/commands.h"
#include "lifecycle/deadline.h"
#include "lifecycle/hookrun.h"

enum { HOOK_TIMEOUT = 10 };	/* seconds, where the host policy gives none */

static bool concerns(const struct spec_audit_hook *h, const char *event)
{
	if (h->events.n)
		return strv_find(&h->events, event) >= 0;
	return strcmp(event, "create") == 0 || strcmp(event, "delete") == 0;
}

static void record_failure(const char *directory, const struct audit_frame *about,
			   const struct spec_audit_hook *h, const struct err *failure)
{
	const struct audit_hook hook = { .path = h->path, .event = about->event,
		.outcome = failure->code == ETIMEDOUT ? "timeout" : "failed",
		.detail = failure->text, .required = h->required };
	const struct audit_frame frame = { .session = about->session,
		.container = about->container, .event = "hook" };
	owned_str members = STR_INIT;
	struct err e;

	audit_record_hook(&hook, &members);
	if (directory && audit_append(directory, &frame, &members, NULL, &e) < 0)
		log_warn("no audit record of a failed hook: %s", e.text);
}

/* The programs of the host policy, with the record on stdin and a clean environment.  In an audit mode
 * of any kind a hook marked as required has to succeed.  Without a directory of the log failures are not
 * recorded. */
static int run_hooks(const char *directory, const struct audit_frame *frame,
		     const struct spec_agent *agent, const struct str *line, struct err *e)
{
	static char path_variable[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	char *const envp[] = { path_variable, NULL };

	for (size_t i = 0; i < agent->audit_hooks.n; i++) {
		const struct spec_audit_hook *h = &agent->audit_hooks.v[i];
		owned_arena a = ARENA_INIT;
		struct strv argv = { 0 };
		struct hook_call call = { .path = h->path, .envp = envp, .cwd = "/",
					  .in = line->s, .in_size = line->len,
					  .timeout = h->timeout.set ? h->timeout.v : HOOK_TIMEOUT };

		if (!concerns(h, frame->event))
			continue;
		strv_add(&a, &argv, h->path);
		for (size_t k = 0; k < h->args.n; k++)
			strv_add(&a, &argv, h->args.v[k]);
		call.argv = argv.v;
		if (hook_run(&call, e) == 0)
			continue;
		record_failure(directory, frame, h, e);
		if (h->required)
			return err_in(e, "audit.hooks[%zu]", i);
		log_warn("audit.hooks[%zu]: %s", i, e->text);
	}
	return 0;
}

static int append(struct arena *a, const struct state *st, const struct spec_agent *agent,
		  const struct audit_frame *frame, const struct str *members, struct err *e)
{
	owned_str line = STR_INIT;
	char *directory = st->audit;
	int r = 0;

	if ((!directory && (r = audit_directory(a, st->rootless, &directory, e)) < 0) ||
	    (r = audit_append(directory, frame, members, &line, e)) < 0) {
		if (str_equal(agent->audit_mode, "required"))
			return err_in(e, "audit record of %s (audit.mode=required)", frame->event);
		log_warn("no audit record of %s: %s", frame->event, e->text);
		/* the hooks get it all the same: a required one may be the only witness */
		if (!line.len && (r = audit_unlogged(frame, members, &line, e)) < 0)
			return err_in(e, "audit record of %s", frame->event);
	} else if (r > 0) {	/* written before: see frame.once */
		return 0;
	}
	return run_hooks(directory, frame, agent, &line, e);
}

/*
 * A user of this process's as the host has it: engines without root call us in a user namespace of theirs,
 * where the caller is root.  -1: it has no number out there.
 */
static int64_t outer_uid(int64_t uid)
{
	unsigned long long inside, outside, n;
	owned_str map = STR_INIT;
	struct err ignored;

	if (uid < 0 || file_read(AT_FDCWD, "/proc/self/uid_map", 1 << 16, &map, &ignored) < 0)
		return uid;
	for (const char *p = str_text(&map); sscanf(p, "%llu %llu %llu", &inside, &outside, &n) == 3;) {
		if ((uint64_t)uid >= inside && (uint64_t)uid - inside < n)
			return (int64_t)(outside + ((uint64_t)uid - inside));
		p += strcspn(p, "\n");
		p += *p == '\n';
	}
	return -1;
}

static int64_t login_uid(void)
{
	owned_str text = STR_INIT;
	struct err e;
	unsigned long uid;

	if (file_read(AT_FDCWD, "/proc/self/loginuid", 32, &text, &e) < 0)
		return -1;
	uid = strtoul(str_text(&text), NULL, 10);
	return uid == UINT32_MAX ? -1 : outer_uid((int64_t)uid);
}

static bool read_only(const struct spec_mount *m)
{
	return strv_find(&m->options, "ro") >= 0 || strv_find(&m->options, "rro") >= 0;
}

static struct audit_process process_of(const struct spec_process *p, pid_t pid)
{
	return (struct audit_process){ .args = &p->args, .cwd = p->cwd, .uid = p->user.uid,
				       .gid = p->user.gid, .pid = pid, .terminal = p->terminal };
}

static const struct audit_policy *policy_of(struct arena *a, const struct spec *s)
{
	const struct spec_agent *agent = s->agent;
	const struct spec_workspace *w = agent->workspace;
	struct audit_egress_rule *rules = arena_array(a, struct audit_egress_rule,
						      agent->egress_allow.n + 1);
	struct audit_policy policy = {
		.profile = agent->profile,
		.digest = agent->policy_digest,
		.audit_mode = agent->audit_mode,
		.egress = agent->egress,
		.egress_rules = rules,
		.n_egress_rules = agent->egress_allow.n,
		.ingress = agent->published_ports.v,
		.n_ingress = agent->published_ports.n,
		.env = agent->env,
		.env_dropped = &agent->env_dropped,
		.caps = &agent->caps,
		.seccomp = agent->seccomp,
		.no_new_privileges = s->process->no_new_privileges,
		.changes = &agent->changes,
		.labels = &agent->labels,
	};

	for (size_t i = 0; i < agent->egress_allow.n; i++) {
		const struct spec_egress_rule *r = &agent->egress_allow.v[i];

		rules[i] = (struct audit_egress_rule){ r->host, r->port_first, r->port_last,
						       r->protocol, r->reason, &r->addresses };
	}
	if (w) {
		policy.workspace_source = w->source;
		policy.workspace_destination = w->destination;
		policy.workspace_mode = w->mode;
		policy.workspace_owner = w->owner;
		policy.workspace_guard = &w->guard;
		policy.workspace_mask = &w->mask;
	}
	return arena_memdup(a, &policy, sizeof policy);
}

int evidence_create(struct arena *a, const struct state *st, const struct spec *asked,
		    const struct spec *s, struct err *e)
{
	struct audit_frame frame = { .session = st->session, .container = st->id,
				     .event = "create", .durable = true };
	struct audit_mount *mounts = arena_array(a, struct audit_mount, s->mounts.n + 1);
	struct audit_create c;
	owned_str members = STR_INIT;
	size_t n = 0;

	if (!s->agent)
		return 0;
	for (size_t i = 0; i < s->mounts.n; i++) {
		const struct spec_mount *m = &s->mounts.v[i];

		if (spec_mount_is_bind(m))
			mounts[n++] = (struct audit_mount){ m->source, m->destination,
							    !read_only(m) && !m->store };
	}
	c = (struct audit_create){
		.version = PACKAGE_VERSION,
		.engine = audit_engine_of(&asked->annotations, st->bundle),
		.image = audit_image_of(&asked->annotations),
		.bundle = st->bundle,
		.rootfs = st->rootfs,
		.process = process_of(s->process, st->pid),
		.mounts = mounts,
		.n_mounts = n,
		.caller_uid = outer_uid(getuid()),
		.caller_login_uid = login_uid(),
		.policy = policy_of(a, s),
	};
	audit_record_create(&c, &members);
	return append(a, st, s->agent, &frame, &members, e);
}

int evidence_start(struct arena *a, const struct state *st, const struct spec *s, struct err *e)
{
	struct audit_start start = { .pid = st->pid };
	struct audit_frame frame = { .session = st->session, .container = st->id,
				     .event = "start" };
	owned_str members = STR_INIT;

	if (!s->agent)
		return 0;
	audit_record_start(&start, &members);
	return append(a, st, s->agent, &frame, &members, e);
}

int evidence_exec(struct arena *a, const struct state *st, const struct spec *s,
		  const struct spec_process *p, pid_t pid, const struct strv *dropped,
		  struct err *e)
{
	struct audit_exec x = { .process = process_of(p, pid), .env_dropped = dropped };
	struct audit_frame frame = { .session = st->session, .container = st->id,
				     .event = "exec" };
	owned_str members = STR_INIT;

	if (!s->agent)
		return 0;
	audit_record_exec(&x, &members);
	return append(a, st, s->agent, &frame, &members, e);
}

/* From the pinned namespace, so that it works when every process is gone. */
static int read_network(struct arena *a, const struct state_dir *d, const struct spec_agent *agent,
			struct audit_network *ret, const char **ret_reason)
{
	struct egress_evidence found = { 0 };
	struct audit_destination *list;
	owned_fd netns = -1;
	struct err e;

	if (!egress_wanted(agent)) {
		*ret_reason = "egress is open: there is no table";
		return -ENOENT;
	}
	netns = openat(d->fd, STATE_NETNS, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (netns < 0) {
		*ret_reason = "the network namespace was not pinned";
		return -ENOENT;
	}
	if (egress_read(a, netns, &found, &e) < 0) {
		*ret_reason = arena_strdup(a, e.text);
		return -e.code;
	}
	list = arena_array(a, struct audit_destination, found.destinations.n + 1);
	for (size_t i = 0; i < found.destinations.n; i++) {
		const struct egress_count *c = &found.destinations.v[i];

		list[i] = (struct audit_destination){ egress_verdict_names[c->verdict], c->address,
						      c->protocol, c->port, c->packets, c->bytes };
	}
	*ret = (struct audit_network){ list, found.destinations.n, found.denied_packets,
				       found.unrecorded_packets, found.forwarded_packets,
				       found.inbound_denied_packets, found.truncated };
	return 0;
}

static int64_t known(struct opt_u64 v)
{
	return v.set ? (int64_t)v.v : -1;
}

/* Since its first process began. */
static int64_t duration_ns(const struct state *st)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec -
	       (int64_t)(st->pid_start * (1000000000ULL / (uint64_t)sysconf(_SC_CLK_TCK)));
}

static const struct audit_files *files_of(struct arena *a, const struct workspace_changes *w)
{
	struct audit_change *list;
	struct audit_files files;

	if (!w)
		return NULL;
	list = arena_array(a, struct audit_change, w->changes.n + 1);
	for (size_t i = 0; i < w->changes.n; i++) {
		const struct change *c = &w->changes.v[i];

		list[i] = (struct audit_change){ c->path, change_kind_names[c->kind], c->new_size,
						 c->new_hash, c->runs };
	}
	files = (struct audit_files){ w->source, w->reason,
				      *w->changes.digest ? w->changes.digest : NULL, list,
				      w->changes.n };
	return arena_memdup(a, &files, sizeof files);
}

/* What was asked for on command lines, and by a lock file that was changed. */
static void put_installs(struct arena *a, const struct supplies *asked, const struct workspace_changes *w,
			 struct audit_delete *del)
{
	const size_t most = asked->n + (w ? w->changes.n : 0);
	struct audit_install *list = arena_array(a, struct audit_install, most + 1);

	for (size_t i = 0; i < asked->n; i++)
		list[del->n_installs++] = (struct audit_install){
			asked->v[i].ecosystem, asked->v[i].action, &asked->v[i].packages, "command",
			asked->v[i].path };
	for (size_t i = 0; w && i < w->changes.n; i++) {
		const struct change *c = &w->changes.v[i];
		const char *ecosystem = c->kind == CHANGE_DELETED ? NULL : supply_of_path(c->path);

		if (ecosystem)
			list[del->n_installs++] = (struct audit_install){
				ecosystem, NULL, NULL, "lockfile", c->path };
	}
	del->installs = list;
}

/* The design's order: what the kernel logged, then what was waited for. */
static void exit_of(const struct state_dir *d, const struct commands *c, bool started, int wait_status,
		    struct audit_exit *x)
{
	const int status = c->ended_by ? c->wait_status : wait_status;

	*x = (struct audit_exit){ .exit_code = -1, .exit_signal = -1, .exit_ns = -1 };
	if (!started)
		x->exit_reason = "it was never started";
	else if (faccessat(d->fd, DEADLINE_FILE, F_OK, 0) == 0)
		x->exit_reason = "limits.time was over";
	else if (status < 0)
		x->exit_reason = "the engine waits for the container's process, not the runtime";
	if (!started || status < 0)
		return;
	x->source = c->ended_by ? c->ended_by : "wait";
	x->exit_ns = c->ended_by ? c->end_ns : -1;
	if (WIFEXITED(status))
		x->exit_code = WEXITSTATUS(status);
	else
		x->exit_signal = WTERMSIG(status);
}

static void put_cost(const struct cgroup *cgroup, struct audit_delete *del)
{
	struct cgroup_cost cost = { 0 };
	bool any = false;

	cgroup_read_cost(cgroup, &cost);
	for (size_t i = 0; i < cgroup->n; i++)
		any |= cgroup->h[i].dir != NULL;
	if (!any)
		del->cost_reason = cgroup->rootless_without ?
			"no right to any control group, so that it had none of its own" :
			"it had no control group of its own";
	else if (!cost.cpu_usec.set || !cost.memory_peak.set || !cost.io_read_bytes.set)
		del->cost_reason = "its control group has not all of the controllers cpu, memory and io";
	del->cpu_usec = known(cost.cpu_usec);
	del->memory_peak = known(cost.memory_peak);
	del->io_read_bytes = known(cost.io_read_bytes);
	del->io_write_bytes = known(cost.io_write_bytes);
	del->oom_kills = known(cost.oom_kills);
}

/* What the records of a session's end are made of, and what became of them. */
struct ending {
	struct arena *a;
	const struct state_dir *d;
	const struct state *st;
	const struct spec_agent *agent;
	const struct workspace_changes *changes;	/* NULL: none could be made */
	int wait_status;			/* -1: the runtime did not wait for it */
	bool started;
	const char *unwritten;			/* why they are in no log; NULL: they are put */
	struct str exit, exit_line;		/* members, and as it is in the log */
	struct str delete, delete_line;
};

static void make_delete(struct ending *n, const struct commands *commands, const struct audit_exit *x)
{
	struct audit_delete del = {
		.exit_code = x->exit_code, .exit_signal = x->exit_signal, .exit_reason = x->exit_reason,
		.duration_ns = n->started ? duration_ns(n->st) : -1,
		.commands = &commands->all, .files = files_of(n->a, n->changes),
	};
	struct audit_network network;

	put_cost(&n->st->cgroup, &del);
	put_installs(n->a, &commands->asked, n->changes, &del);
	if (read_network(n->a, n->d, n->agent, &network, &del.network_reason) == 0)
		del.network = &network;
	audit_record_delete(&del, &n->delete);
}

/* The commands, the exit and the end, into one append: if it fails none of them is there.  Where it is killed
 * between two of its writes the next goes on behind the commands of the first. */
static int put_end(void *arg, struct audit_sink *sink, struct err *e)
{
	struct ending *n = arg;
	struct commands *commands = arena_new(n->a, struct commands);
	struct audit_exit x;

	n->exit.len = n->exit_line.len = n->delete.len = n->delete_line.len = 0;
	if (commands_read(n->a, n->d, n->st, n->started, sink, commands, e) < 0)
		return -e->code;
	if (n->unwritten && commands->all.source) {
		commands->all.lost += commands->all.recorded;
		commands->all.recorded = 0;
		commands->all.reason = n->unwritten;
	}
	exit_of(n->d, commands, n->started, n->wait_status, &x);
	audit_record_exit(&x, &n->exit);
	make_delete(n, commands, &x);
	if (!sink)
		return 0;
	if (n->started && audit_put(sink, "exit", &n->exit, &n->exit_line, e) < 0)
		return -e->code;
	return audit_put(sink, "delete", &n->delete, &n->delete_line, e);
}

static int record_end(struct ending *n, const struct audit_frame *of_exit,
		      const struct audit_frame *of_delete, struct err *e)
{
	char *directory = n->st->audit;
	struct err other;
	int r;

	if ((!directory && (r = audit_directory(n->a, n->st->rootless, &directory, e)) < 0) ||
	    (r = audit_append_many(directory, of_delete, put_end, n, e)) < 0) {
		if (str_equal(n->agent->audit_mode, "required"))
			return err_in(e, "audit record of delete (audit.mode=required)");
		log_warn("no audit record of delete: %s", e->text);
		n->unwritten = arena_strdup(n->a, e->text);
		if (put_end(n, NULL, e) < 0 ||
		    audit_unlogged(of_exit, &n->exit, &n->exit_line, e) < 0 ||
		    audit_unlogged(of_delete, &n->delete, &n->delete_line, e) < 0)
			return err_in(e, "audit record of delete");
	} else if (r > 0) {	/* written before: see frame.once */
		return 0;
	}
	/* Both, whatever becomes of the first: they are not run again. */
	r = n->started ? run_hooks(directory, of_exit, n->agent, &n->exit_line, e) : 0;
	if (run_hooks(directory, of_delete, n->agent, &n->delete_line, r < 0 ? &other : e) < 0)
		r = r < 0 ? r : -e->code;
	return r;
}

int evidence_delete(struct arena *a, const struct state_dir *d, const struct state *st,
		    const struct spec *s, int wait_status,
		    const struct workspace_changes *changes, struct err *e)
{
	const struct audit_frame of_exit = { .session = st->session, .container = st->id, .event = "exit" };
	const struct audit_frame of_delete = { .session = st->session, .container = st->id,
					       .event = "delete", .durable = true, .once = true };
	struct ending n = { .a = a, .d = d, .st = st, .agent = s->agent, .changes = changes,
			    .wait_status = wait_status,
			    .started = st->ready && st->pid_start &&
				       faccessat(d->fd, STATE_START, F_OK, 0) < 0 };
	int r;

	if (!s->agent)
		return 0;
	commands_await(st, d);		/* before others wait for the log's lock */
	r = record_end(&n, &of_exit, &of_delete, e);
	str_free(&n.exit);
	str_free(&n.exit_line);
	str_free(&n.delete);
	str_free(&n.delete_line);
	return r;
}
