/* SPDX-License-Identifier: Apache-2.0 */
#include "lifecycle/plan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/dirs.h"
#include "base/fd.h"
#include "base/self.h"
#include "base/sys.h"
#include "sandbox/mempolicy.h"
#include "sandbox/scheduling.h"

/* The bytes of agentrun-init, put into the program by the build. */
extern const char stage2_image[], stage2_image_end[];

static const struct { const char *name; int resource; } rlimits[] = {
	{ "RLIMIT_AS", RLIMIT_AS },
	{ "RLIMIT_CORE", RLIMIT_CORE },
	{ "RLIMIT_CPU", RLIMIT_CPU },
	{ "RLIMIT_DATA", RLIMIT_DATA },
	{ "RLIMIT_FSIZE", RLIMIT_FSIZE },
	{ "RLIMIT_LOCKS", RLIMIT_LOCKS },
	{ "RLIMIT_MEMLOCK", RLIMIT_MEMLOCK },
	{ "RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE },
	{ "RLIMIT_NICE", RLIMIT_NICE },
	{ "RLIMIT_NOFILE", RLIMIT_NOFILE },
	{ "RLIMIT_NPROC", RLIMIT_NPROC },
	{ "RLIMIT_RSS", RLIMIT_RSS },
	{ "RLIMIT_RTPRIO", RLIMIT_RTPRIO },
	{ "RLIMIT_RTTIME", RLIMIT_RTTIME },
	{ "RLIMIT_SIGPENDING", RLIMIT_SIGPENDING },
	{ "RLIMIT_STACK", RLIMIT_STACK },
};
_Static_assert(sizeof rlimits / sizeof *rlimits == RLIM_NLIMITS, "every limit of the kernel");

int plan_rlimit(const char *name)
{
	for (size_t i = 0; i < sizeof rlimits / sizeof *rlimits; i++)
		if (strcmp(rlimits[i].name, name) == 0)
			return rlimits[i].resource;
	return -1;
}

/* Room for n bytes, aligned; the offset.  Offset 0 is the plan's own head. */
static uint32_t put(struct str *b, const void *data, size_t n)
{
	static const char zero[8];
	uint32_t at;

	str_append(b, zero, (8 - b->len % 8) % 8);
	at = (uint32_t)b->len;
	str_append(b, data, n);
	return at;
}

static uint32_t put_text(struct str *b, const char *text)
{
	return text ? put(b, text, strlen(text) + 1) : 0;
}

/* An empty one is none. */
static uint32_t put_label(struct str *b, const char *label)
{
	return label && *label ? put_text(b, label) : 0;
}

/* `extra` (may be NULL) is one more string at the end, or takes the place of an empty HOME. */
static uint32_t put_strv(struct str *b, const struct strv *v, const char *extra)
{
	size_t n = v->n + (extra ? 1 : 0);
	uint32_t *offsets = must(calloc(n + 1, sizeof *offsets)), at;

	for (size_t i = 0; i < v->n; i++) {
		bool empty = extra && strcmp(v->v[i], "HOME=") == 0;

		offsets[i] = put_text(b, empty ? extra : v->v[i]);
		if (empty)
			extra = NULL;
	}
	if (extra)
		offsets[v->n] = put_text(b, extra);
	at = put(b, offsets, (n + 1) * sizeof *offsets);
	free(offsets);
	return at;
}

static const char *environment(const struct strv *env, const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < env->n; i++)
		if (strncmp(env->v[i], name, n) == 0 && env->v[i][n] == '=')
			return env->v[i] + n + 1;
	return NULL;
}

static int put_rlimits(struct plan *p, const struct spec_process *process, struct str *b,
		       struct err *e)
{
	struct plan_rlimit *l = must(calloc(process->rlimits.n + 1, sizeof *l));

	for (size_t i = 0; i < process->rlimits.n; i++) {
		const struct spec_rlimit *from = &process->rlimits.v[i];
		int resource = plan_rlimit(from->type);

		if (resource < 0) {
			free(l);
			return err_say(e, EINVAL, "process.rlimits[%zu]: unknown type \"%s\"", i,
				       from->type);
		}
		l[i] = (struct plan_rlimit){ .resource = (uint32_t)resource, .soft = from->soft,
					     .hard = from->hard };
	}
	p->rlimits = put(b, l, process->rlimits.n * sizeof *l);
	p->n_rlimits = (uint32_t)process->rlimits.n;
	free(l);
	return 0;
}

static void put_hooks(struct plan *p, const struct plan_request *q, struct str *b)
{
	const spec_hooks_list *list = &q->hooks->start_container;
	struct plan_hook *h = must(calloc(list->n + 1, sizeof *h));

	for (size_t i = 0; i < list->n; i++)
		h[i] = (struct plan_hook){
			.path = put_text(b, list->v[i].path),
			.argv = put_strv(b, &list->v[i].args,
					 list->v[i].args.n ? NULL : list->v[i].path),
			.envp = list->v[i].env.v ? put_strv(b, &list->v[i].env, NULL) : 0,
			.timeout = list->v[i].timeout.set ? (uint32_t)list->v[i].timeout.v : 0,
		};
	p->hooks = put(b, h, list->n * sizeof *h);
	p->n_hooks = (uint32_t)list->n;
	free(h);
	p->hook_state = put_text(b, q->hook_state);
	p->hook_state_size = q->hook_state ? (uint32_t)strlen(q->hook_state) : 0;
}

/* NULL: none, which costs time. */
static const char *filter_cache(struct arena *a, bool rootless)
{
	struct err none;
	char *path;

	if (!rootless)
		return "/var/cache/agentrun";
	return dirs_of_user(a, "cache", "XDG_CACHE_HOME", ".cache", &path, &none) < 0 ? NULL : path;
}

int plan_filters(struct arena *a, const struct spec *s, bool rootless,
		 struct seccomp_program filter[PLAN_FILTERS], size_t *ret_n, struct err *e)
{
	const struct spec_seccomp *engine = s->linux_->seccomp;
	const struct json_text *agent = s->agent ? s->agent->seccomp_text : NULL;
	const char *cache = filter_cache(a, rootless);
	size_t n = 0;

	if (engine && seccomp_compile(a, engine, cache, &filter[n++], e) < 0)
		return err_in(e, "linux.seccomp");
	if (agent && seccomp_compile_text(a, agent, cache, &filter[n++], e) < 0)
		return err_in(e, "seccomp profile of the policy");
	*ret_n = n;
	return 0;
}

/* What the file begins with: an empty or a cut one must not pass for a container without filters. */
struct filters_head {
	char magic[12];
	uint32_t n;
};

static const char filters_magic[12] = "agentrun-f1";

/* What goes before the instructions of each. */
struct filter_head {
	uint32_t n, flags;
};

int plan_save_filters(int dirfd, const char *name, const struct seccomp_program *filter, size_t n,
		      struct err *e)
{
	struct filters_head all = { .n = (uint32_t)n };
	owned_str file = STR_INIT;

	memcpy(all.magic, filters_magic, sizeof all.magic);
	str_append(&file, &all, sizeof all);
	for (size_t i = 0; i < n; i++) {
		struct filter_head head = { (uint32_t)filter[i].n, filter[i].flags };

		str_append(&file, &head, sizeof head);
		str_append(&file, filter[i].insns, filter[i].n * sizeof *filter[i].insns);
	}
	return file_replace(dirfd, name, str_text(&file), file.len, 0600, e);
}

int plan_load_filters(struct arena *a, int dirfd, const char *name,
		      struct seccomp_program filter[PLAN_FILTERS], size_t *ret_n, struct err *e)
{
	enum { MOST = sizeof(struct filters_head) +
		      PLAN_FILTERS * (sizeof(struct filter_head) +
				      BPF_MAXINSNS * sizeof(struct sock_filter)) };
	struct filters_head all = { 0 };
	owned_str file = STR_INIT;
	size_t n = 0;

	if (file_read(dirfd, name, MOST, &file, e) < 0)
		return -e->code;
	if (file.len >= sizeof all)
		memcpy(&all, file.s, sizeof all);
	for (size_t at = sizeof all; at < file.len; n++) {
		struct filter_head head = { 0 };
		size_t size = 0;

		if (file.len - at >= sizeof head) {
			memcpy(&head, file.s + at, sizeof head);
			size = head.n * sizeof *filter->insns;
			at += sizeof head;
		}
		if (n == PLAN_FILTERS || head.n == 0 || head.n > BPF_MAXINSNS || size > file.len - at)
			return err_say(e, EINVAL, "%s: not the filters of a container", name);
		filter[n] = (struct seccomp_program){ arena_memdup(a, file.s + at, size), head.n,
						      head.flags };
		at += size;
	}
	if (memcmp(all.magic, filters_magic, sizeof all.magic) != 0 || all.n != n)
		return err_say(e, EINVAL, "%s: not the filters of a container", name);
	*ret_n = n;
	return 0;
}

static uint32_t flags_of(const struct plan_request *q)
{
	const struct spec_process *process = q->process;

	return (process->no_new_privileges ? PLAN_NO_NEW_PRIVS : 0) |
	       (process->terminal && q->tty_fd >= 0 ? PLAN_TERMINAL : 0) |
	       (q->new_keyring ? PLAN_NEW_KEYRING : 0) |
	       (q->clone ? PLAN_CLONE : 0) |
	       (q->no_setgroups ? PLAN_NO_SETGROUPS : 0) |
	       (spec_keeps_groups(q->spec) ? PLAN_KEEP_GROUPS : 0) |
	       (process->scheduler ? PLAN_SCHEDULER : 0) |
	       (process->io_priority ? PLAN_IO_PRIORITY : 0);
}

/* What needs no room behind the head. */
static int fill_head(struct plan *p, const struct plan_request *q, struct err *e)
{
	const struct spec_process *process = q->process;
	const struct spec_linux *l = q->spec->linux_;
	struct caps caps;
	int r = caps_from_spec(process->capabilities, &caps, e);

	if (r < 0)
		return r;
	*p = (struct plan){
		.magic = PLAN_MAGIC,
		.flags = flags_of(q),
		.sync_fd = q->sync_fd,
		.start_fd = q->start_fd,
		.tty_fd = q->tty_fd,
		.keep_fds = q->keep_fds,
		.uid = (uint32_t)process->user.uid,
		.gid = (uint32_t)process->user.gid,
		.umask = process->user.umask.set ? (uint32_t)process->user.umask.v : 0022,
		.personality = !l || !l->personality ? -1 :
			       strcmp(l->personality->domain, "LINUX32") == 0 ? PER_LINUX32 : PER_LINUX,
		.memory_policy = -1,
		.pdeathsig = q->pdeathsig,
		.caps = { caps.bounding, caps.effective, caps.permitted, caps.inheritable,
			  caps.ambient },
		.last_cap = (uint32_t)caps_last(),
	};
	if (process->scheduler)
		scheduler_attr(process->scheduler, &p->scheduler);
	if (process->io_priority)
		p->io_priority = io_priority_value(process->io_priority);
	return 0;
}

static void put_program(struct plan *p, const struct plan_request *q, struct str *b)
{
	const struct spec_process *process = q->process;
	const char *set = environment(&process->env, "HOME");
	owned_str home = STR_INIT;

	if (q->home && !(set && *set))
		str_printf(&home, "HOME=%s", q->home);
	p->argv = put_strv(b, &process->args, NULL);
	p->envp = put_strv(b, &process->env, home.s);
	p->cwd = put_text(b, process->cwd);
	p->path = put_text(b, environment(&process->env, "PATH"));
	p->apparmor = put_label(b, process->apparmor_profile);
	p->selinux = put_label(b, process->selinux_label);
}

static void put_memory_policy(struct plan *p, const struct spec_memory_policy *m, struct str *b)
{
	unsigned long nodes[MEMPOLICY_WORDS];

	p->memory_policy = mempolicy_from_spec(m, nodes);
	p->memory_nodes = put(b, nodes, sizeof nodes);
	p->n_memory_nodes = 8 * sizeof nodes;
}

static void put_groups(struct plan *p, const struct spec_user *user, struct str *b)
{
	uint32_t *groups = must(calloc(user->additional_gids.n + 1, sizeof *groups));

	for (size_t i = 0; i < user->additional_gids.n; i++)
		groups[i] = (uint32_t)user->additional_gids.v[i];
	p->n_groups = (uint32_t)user->additional_gids.n;
	p->groups = put(b, groups, p->n_groups * sizeof *groups);
	free(groups);
}

static void put_filters(struct plan *p, const struct plan_request *q, struct str *b)
{
	for (size_t i = 0; i < q->n_filters; i++)
		p->filter[i] = (struct plan_filter){
			.insns = put(b, q->filter[i].insns,
				     q->filter[i].n * sizeof(struct sock_filter)),
			.n = (uint32_t)q->filter[i].n,
			.flags = q->filter[i].flags,
		};
	p->n_filters = (uint32_t)q->n_filters;
}

int plan_build(const struct plan_request *q, struct str *ret, struct err *e)
{
	const struct spec_linux *l = q->spec->linux_;
	owned_str b = STR_INIT;
	struct plan p;
	int r;

	if ((r = fill_head(&p, q, e)) < 0)
		return r;
	str_append(&b, &p, sizeof p);	/* written again at the end */
	put_program(&p, q, &b);
	if (l && l->memory_policy)
		put_memory_policy(&p, l->memory_policy, &b);
	put_groups(&p, &q->process->user, &b);
	if ((r = put_rlimits(&p, q->process, &b, e)) < 0)
		return r;
	put_filters(&p, q, &b);
	if (q->hooks && q->hooks->start_container.n)
		put_hooks(&p, q, &b);
	if (b.len > UINT32_MAX)
		return err_say(e, E2BIG, "process: arguments and environment are too large");
	p.size = (uint32_t)b.len;
	memcpy(b.s, &p, sizeof p);
	*ret = b;
	b = STR_INIT;
	return 0;
}

int plan_finish(pid_t pid, const struct spec_process *process, uint32_t undone, struct err *e)
{
	if (process->scheduler && undone & PLAN_SCHEDULER &&
	    scheduler_apply(pid, process->scheduler, e) < 0)
		return -e->code;
	if (process->io_priority && undone & PLAN_IO_PRIORITY &&
	    io_priority_apply(pid, process->io_priority, e) < 0)
		return -e->code;
	return 0;
}

int plan_stage2(int *ret_fd, struct err *e)
{
	return self_seal(PLAN_STAGE2, true, stage2_image,
			 (size_t)(stage2_image_end - stage2_image), ret_fd, e);
}

static int keep(int fd, struct err *e)
{
	if (fd >= 0 && fcntl(fd, F_SETFD, 0) < 0)
		return err_set(e, errno, "fcntl F_SETFD");
	return 0;
}

int plan_enter_stage2(int stage2_fd, const struct str *plan, struct err *e)
{
	const struct plan *p = (const struct plan *)plan->s;
	char number[16], *argv[] = { (char *)PLAN_STAGE2, number, NULL }, *envp[] = { NULL };
	owned_fd fd = -1;
	int r = self_seal("agentrun-plan", false, plan->s, plan->len, &fd, e);

	if (r < 0 || (r = keep(fd, e)) < 0 || (r = keep(p->sync_fd, e)) < 0 ||
	    (r = keep(p->start_fd, e)) < 0 || (r = keep(p->tty_fd, e)) < 0)
		return r;
	snprintf(number, sizeof number, "%d", fd);
	sys_execveat(stage2_fd, "", argv, envp, AT_EMPTY_PATH);
	return err_set(e, errno, "execute stage two");
}
