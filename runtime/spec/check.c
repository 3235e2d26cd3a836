/* SPDX-License-Identifier: Apache-2.0 */
#include "spec/fields.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>

#include "base/cpulist.h"

/* Where a member or an item stands; lives until the end of the enclosing block. */
#define MEMBER(up, key) (&(const struct json_path){ (up), (key), 0 })
#define ITEM(up, index) (&(const struct json_path){ (up), NULL, (index) })

struct check {
	const struct spec *s;
	const char *what;
	struct err *e;
};

/* json_say() for these functions: every refusal is EINVAL unless it says otherwise. */
#define refuse(c, at, ...) json_say((c)->e, EINVAL, (c)->what, (at), __VA_ARGS__)

static int check_absolute(const struct check *c, const struct json_path *at, const char *path)
{
	if (path && path[0] != '/')
		return refuse(c, at, "not an absolute path");
	return 0;
}

/* Names that become part of a file's name or of a line in a cgroup's file. */
static bool is_word(const char *text)
{
	if (!text[0] || !strcmp(text, ".") || !strcmp(text, ".."))
		return false;
	for (; *text; text++)
		if ((unsigned char)*text <= ' ' || *text == '/' || *text == 0x7f)
			return false;
	return true;
}

/* ---- process ---- */

static int check_rlimits(const struct check *c, const struct json_path *at,
			 const struct spec_process *p)
{
	for (size_t i = 0; i < p->rlimits.n; i++) {
		const struct spec_rlimit *limit = &p->rlimits.v[i];

		for (size_t k = 0; k < i; k++)
			if (strcmp(p->rlimits.v[k].type, limit->type) == 0)
				return refuse(c, ITEM(at, i), "%s stands twice", limit->type);
		if (limit->soft > limit->hard)
			return refuse(c, ITEM(at, i), "the soft limit is above the hard one");
	}
	return 0;
}

/* What sched(7) asks of each policy; the rest is the kernel's to refuse. */
static int check_scheduler(const struct check *c, const struct json_path *at,
			   const struct spec_scheduler *s)
{
	bool realtime = str_equal(s->policy, "SCHED_FIFO") || str_equal(s->policy, "SCHED_RR");
	bool fair = str_equal(s->policy, "SCHED_OTHER") || str_equal(s->policy, "SCHED_BATCH");
	const struct { const char *key; const struct opt_u64 *v; } times[] = {
		{ "runtime", &s->runtime }, { "deadline", &s->deadline }, { "period", &s->period },
	};

	if (str_equal(s->policy, "SCHED_ISO"))
		return json_say(c->e, ENOTSUP, c->what, MEMBER(at, "policy"),
				"SCHED_ISO is reserved: Linux does not have it");
	if (fair && (s->nice.v < -20 || s->nice.v > 19))
		return refuse(c, MEMBER(at, "nice"), "must be -20 to 19 for %s", s->policy);
	if (realtime && s->priority.v == 0)
		return refuse(c, MEMBER(at, "priority"), "must be 1 to 99 for %s", s->policy);
	if (!realtime && s->priority.v != 0)
		return refuse(c, MEMBER(at, "priority"), "is for SCHED_FIFO and SCHED_RR only");
	if (str_equal(s->policy, "SCHED_DEADLINE")) {
		uint64_t period = s->period.v ? s->period.v : s->deadline.v;

		if (s->runtime.v == 0 || s->runtime.v > s->deadline.v || s->deadline.v > period)
			return refuse(c, at, "SCHED_DEADLINE needs 0 < runtime <= deadline <= period");
		return 0;
	}
	for (size_t i = 0; i < sizeof times / sizeof *times; i++)
		if (times[i].v->v)
			return refuse(c, MEMBER(at, times[i].key), "is for SCHED_DEADLINE only");
	return 0;
}

/* Numbers below `most`, of what is called a `noun`; list may be NULL. */
static int check_list(const struct check *c, const struct json_path *at, const char *list,
		      unsigned most, const char *noun)
{
	const char *p = list;
	unsigned first, last;
	bool any = false;
	int r;

	while ((r = p ? cpulist_next(&p, &first, &last) : 0) > 0 && last < most)
		any = true;
	if (r > 0 || r == -ERANGE)
		return refuse(c, at, "names a %s beyond %u", noun, most - 1);
	if (r < 0 || (list && !any))
		return refuse(c, at, "not a list of numbers and ranges such as 0-3,7");
	return 0;
}

static int check_affinity(const struct check *c, const struct json_path *at,
			  const struct spec_cpu_affinity *a)
{
	if (check_list(c, MEMBER(at, "initial"), a->initial, CPULIST_MOST, "processor") < 0)
		return -c->e->code;
	return check_list(c, MEMBER(at, "final"), a->final, CPULIST_MOST, "processor");
}

static int check_console_size(const struct check *c, const struct json_path *at,
			      const struct spec_console_size *size)
{
	const struct { const char *key; const struct opt_u64 *v; } sides[] = {
		{ "height", &size->height }, { "width", &size->width },
	};

	for (size_t i = 0; i < sizeof sides / sizeof *sides; i++) {
		if (!sides[i].v->set)
			return refuse(c, MEMBER(at, sides[i].key), "required, but absent");
		if (sides[i].v->v > UINT16_MAX)
			return refuse(c, MEMBER(at, sides[i].key), "is out of range (0 to %d)",
				      UINT16_MAX);
	}
	return 0;
}

int check_process(const struct spec_process *p, const char *what, const struct json_path *at,
		  struct err *e)
{
	const struct check c = { NULL, what, e };
	const struct json_path *env = MEMBER(at, "env");

	if (!p->args.n)
		return refuse(&c, MEMBER(at, "args"), "required, but absent or empty");
	if (!p->cwd)
		return refuse(&c, MEMBER(at, "cwd"), "required, but absent or empty");
	if (check_absolute(&c, MEMBER(at, "cwd"), p->cwd) < 0)
		return -e->code;
	for (size_t i = 0; i < p->env.n; i++) {
		const char *equals = strchr(p->env.v[i], '=');

		/* never the entry itself: it may be a credential */
		if (!equals || equals == p->env.v[i])
			return refuse(&c, ITEM(env, i), "not of the form NAME=VALUE");
	}
	if (p->user.additional_gids.n > 65536)
		return refuse(&c, MEMBER(MEMBER(at, "user"), "additionalGids"),
			      "more than 65536 groups");
	if (p->console_size &&
	    check_console_size(&c, MEMBER(at, "consoleSize"), p->console_size) < 0)
		return -e->code;
	if (p->scheduler && check_scheduler(&c, MEMBER(at, "scheduler"), p->scheduler) < 0)
		return -e->code;
	if (p->exec_cpu_affinity &&
	    check_affinity(&c, MEMBER(at, "execCPUAffinity"), p->exec_cpu_affinity) < 0)
		return -e->code;
	return check_rlimits(&c, MEMBER(at, "rlimits"), p);
}

/* ---- mounts and hooks ---- */

static int check_mounts(const struct check *c)
{
	for (size_t i = 0; i < c->s->mounts.n; i++) {
		const struct spec_mount *m = &c->s->mounts.v[i];
		const struct json_path *at = ITEM(MEMBER(NULL, "mounts"), i);

		if (!m->uid_mappings.n != !m->gid_mappings.n)
			return refuse(c, at, "uidMappings and gidMappings need each other");
	}
	return 0;
}

static int check_hook_list(const struct check *c, const char *kind, const spec_hooks_list *list)
{
	const struct json_path *at = MEMBER(MEMBER(NULL, "hooks"), kind);

	for (size_t i = 0; i < list->n; i++)
		if (check_absolute(c, MEMBER(ITEM(at, i), "path"), list->v[i].path) < 0)
			return -c->e->code;
	return 0;
}

static int check_hooks(const struct check *c)
{
	const struct spec_hooks *h = c->s->hooks;
	const spec_hooks_list *const lists[] = {
		&h->prestart, &h->create_runtime, &h->create_container, &h->start_container,
		&h->poststart, &h->poststop,
	};

	for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
		if (check_hook_list(c, spec_hook_kinds[i], lists[i]) < 0)
			return -c->e->code;
	return 0;
}

/* ---- namespaces and what depends on them ---- */

static bool has_namespace(const struct check *c, const char *type)
{
	return spec_namespace_find(c->s, type) != NULL;
}

static int check_namespaces(const struct check *c, const struct json_path *linux_at)
{
	const struct spec_linux *l = c->s->linux_;
	const struct json_path *at = MEMBER(linux_at, "namespaces");

	for (size_t i = 0; i < l->namespaces.n; i++) {
		const struct spec_namespace *ns = &l->namespaces.v[i];

		for (size_t k = 0; k < i; k++)
			if (strcmp(l->namespaces.v[k].type, ns->type) == 0)
				return refuse(c, ITEM(at, i), "the type %s stands twice", ns->type);
		if (check_absolute(c, MEMBER(ITEM(at, i), "path"), ns->path) < 0)
			return -c->e->code;
	}
	return 0;
}

static int check_id_map(const struct check *c, const struct json_path *at,
			const spec_id_mappings *map)
{
	if (map->n > 340)	/* user_namespaces(7) */
		return refuse(c, at, "more than 340 ranges");
	for (size_t i = 0; i < map->n; i++) {
		const struct spec_id_mapping *m = &map->v[i];

		if (m->container_id + m->size > UINT32_MAX || m->host_id + m->size > UINT32_MAX)
			return refuse(c, ITEM(at, i), "the range goes beyond the last id");
		for (size_t k = 0; k < i; k++) {
			const struct spec_id_mapping *o = &map->v[k];

			if ((m->container_id < o->container_id + o->size &&
			     o->container_id < m->container_id + m->size) ||
			    (m->host_id < o->host_id + o->size &&
			     o->host_id < m->host_id + m->size))
				return refuse(c, ITEM(at, i), "overlaps with the range [%zu]", k);
		}
	}
	return 0;
}

static int check_id_maps(const struct check *c, const struct json_path *at)
{
	const struct spec_linux *l = c->s->linux_;
	const struct spec_namespace *user = spec_namespace_find(c->s, "user");

	if (user && !user->path && (!l->uid_mappings.n || !l->gid_mappings.n))
		return refuse(c, MEMBER(at, l->uid_mappings.n ? "gidMappings" : "uidMappings"),
			      "required for a new user namespace");
	if (check_id_map(c, MEMBER(at, "uidMappings"), &l->uid_mappings) < 0)
		return -c->e->code;
	return check_id_map(c, MEMBER(at, "gidMappings"), &l->gid_mappings);
}

static int check_uts(const struct check *c)
{
	const struct { const char *key, *name; } names[] = {
		{ "hostname", c->s->hostname }, { "domainname", c->s->domainname },
	};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (!names[i].name)
			continue;
		if (!has_namespace(c, "uts"))
			return refuse(c, MEMBER(NULL, names[i].key), "needs a uts namespace");
		if (strlen(names[i].name) > 64)
			return refuse(c, MEMBER(NULL, names[i].key), "longer than 64 bytes");
	}
	return 0;
}

static int check_time(const struct check *c, const struct json_path *linux_at)
{
	const struct spec_namespace *ns = spec_namespace_find(c->s, "time");
	const struct json_path *at = MEMBER(linux_at, "timeOffsets");

	if (!c->s->linux_->time_offsets.n)
		return 0;
	if (!ns)
		return refuse(c, at, "needs a time namespace");
	if (ns->path)
		return refuse(c, at, "the offsets of a time namespace that exists are fixed");
	return 0;
}

static int check_sysctl(const struct check *c, const struct json_path *linux_at)
{
	const struct kvs *all = &c->s->linux_->sysctl;

	for (size_t i = 0; i < all->n; i++) {
		const char *key = all->v[i].key, *p = key;
		const struct json_path *at = MEMBER(MEMBER(linux_at, "sysctl"), key);
		const char *namespace = spec_sysctl_namespace(key);

		/* both '.' and '/' become part of a path: no empty step, so never "..", too */
		for (; *p; p += p[0] && p[1]) {
			size_t n = strcspn(p, "./");

			if (n == 0 || (p[n] && !p[n + 1]))
				return refuse(c, at, "not the name of a sysctl");
			p += n;
			if (!*p)
				break;
		}
		if (strcmp(key, "kernel.hostname") == 0)
			return refuse(c, at, "is set by the member hostname");
		if (!namespace)
			return refuse(c, at, "not of a namespace: it would change the host");
		if (!has_namespace(c, namespace))
			return refuse(c, at, "needs a namespace of type %s", namespace);
	}
	return 0;
}

/* ---- the rest of the linux block ---- */

static int check_paths(const struct check *c, const struct json_path *at, const struct strv *paths)
{
	for (size_t i = 0; i < paths->n; i++)
		if (check_absolute(c, ITEM(at, i), paths->v[i]) < 0)
			return -c->e->code;
	return 0;
}

static int check_devices(const struct check *c, const struct json_path *linux_at)
{
	const struct spec_linux *l = c->s->linux_;
	const struct json_path *at = MEMBER(linux_at, "devices");

	for (size_t i = 0; i < l->devices.n; i++)
		if (check_absolute(c, MEMBER(ITEM(at, i), "path"), l->devices.v[i].path) < 0)
			return -c->e->code;
	return 0;
}

/* What the kernel takes for the name of an interface; %d stands for a number of its choice. */
static bool is_interface(const char *name, bool template)
{
	const char *percent = strchr(name, '%');

	if (!is_word(name) || strlen(name) >= IFNAMSIZ || strchr(name, ':'))
		return false;
	return !percent || (template && percent[1] == 'd' && !strchr(percent + 1, '%'));
}

static int check_net_devices(const struct check *c, const struct json_path *linux_at)
{
	const struct spec_linux *l = c->s->linux_;
	const struct json_path *at = MEMBER(linux_at, "netDevices");

	if (!l->net_devices.n)
		return 0;
	if (!has_namespace(c, "network"))
		return refuse(c, at, "needs a network namespace");
	for (size_t i = 0; i < l->net_devices.n; i++) {
		const struct spec_net_device *d = &l->net_devices.v[i];
		const char *name = spec_net_device_name(d);

		if (!is_interface(d->host_name, false))
			return refuse(c, MEMBER(at, d->host_name), "not the name of an interface");
		if (!is_interface(name, true))
			return refuse(c, MEMBER(MEMBER(at, d->host_name), "name"),
				      "not the name of an interface");
		for (size_t k = 0; k < i; k++)
			if (!strchr(name, '%') &&
			    strcmp(spec_net_device_name(&l->net_devices.v[k]), name) == 0)
				return refuse(c, MEMBER(at, d->host_name),
					      "%s has the same name in the container",
					      l->net_devices.v[k].host_name);
	}
	return 0;
}

static int check_intel_rdt(const struct check *c, const struct json_path *at,
			   const struct spec_intel_rdt *r)
{
	/* it becomes the name of a directory */
	if (r->clos_id && strcmp(r->clos_id, "/") != 0 && !is_word(r->clos_id))
		return refuse(c, MEMBER(at, "closID"), "not the name of a class of service");
	if (r->mem_bw_schema &&
	    (!str_has_prefix(r->mem_bw_schema, "MB:") || strchr(r->mem_bw_schema, '\n')))
		return refuse(c, MEMBER(at, "memBwSchema"), "not one line that begins with MB:");
	for (size_t i = 0; i < r->schemata.n; i++)
		if (!r->schemata.v[i][0] || strchr(r->schemata.v[i], '\n'))
			return refuse(c, ITEM(MEMBER(at, "schemata"), i), "not one line");
	return 0;
}

/* What set_mempolicy(2) says of each; whether a node is there, the kernel does. */
static int check_memory_policy(const struct check *c, const struct json_path *at,
			       const struct spec_memory_policy *m)
{
	bool none = str_equal(m->mode, "MPOL_DEFAULT") || str_equal(m->mode, "MPOL_LOCAL");

	if (check_list(c, MEMBER(at, "nodes"), m->nodes, SPEC_MEMORY_NODES, "node") < 0)
		return -c->e->code;
	if (m->nodes && none)
		return refuse(c, MEMBER(at, "nodes"), "%s takes none", m->mode);
	if (!m->nodes && !none && !str_equal(m->mode, "MPOL_PREFERRED"))
		return refuse(c, MEMBER(at, "nodes"), "%s needs some", m->mode);
	if (strv_find(&m->flags, "MPOL_F_STATIC_NODES") >= 0 &&
	    strv_find(&m->flags, "MPOL_F_RELATIVE_NODES") >= 0)
		return refuse(c, MEMBER(at, "flags"),
			      "MPOL_F_STATIC_NODES and MPOL_F_RELATIVE_NODES exclude each other");
	return 0;
}

/* "2MB": a number and a unit, as in hugetlb.2MB.limit_in_bytes. */
static bool is_page_size(const char *text)
{
	size_t digits = strspn(text, "0123456789");

	return digits && text[digits] && strchr("KMG", text[digits]) &&
	       strcmp(text + digits + 1, "B") == 0;
}

/* A list of numbers and ranges, as in cpuset.cpus. */
static bool is_number_list(const char *text)
{
	return !text[strspn(text, "0123456789,- \n")];
}

static int check_cpu(const struct check *c, const struct json_path *at, const struct spec_cpu *cpu)
{
	if (cpu->cpus && !is_number_list(cpu->cpus))
		return refuse(c, MEMBER(at, "cpus"), "not a list of numbers and ranges");
	if (cpu->mems && !is_number_list(cpu->mems))
		return refuse(c, MEMBER(at, "mems"), "not a list of numbers and ranges");
	return 0;
}

int check_resources(const struct spec_resources *r, const char *what, const struct json_path *at,
		    struct err *e)
{
	const struct check c = { NULL, what, e };

	for (size_t i = 0; i < r->devices.n; i++) {
		const char *access = r->devices.v[i].access;

		if (access && access[strspn(access, "rwm")])
			return refuse(&c, MEMBER(ITEM(MEMBER(at, "devices"), i), "access"),
				      "may contain r, w and m only");
	}
	if (r->cpu && check_cpu(&c, MEMBER(at, "cpu"), r->cpu) < 0)
		return -e->code;
	for (size_t i = 0; i < r->hugepage_limits.n; i++)
		if (!is_page_size(r->hugepage_limits.v[i].page_size))
			return refuse(&c, MEMBER(ITEM(MEMBER(at, "hugepageLimits"), i), "pageSize"),
				      "not a size such as 2MB");
	for (size_t i = 0; r->network && i < r->network->priorities.n; i++)
		if (!is_word(r->network->priorities.v[i].name))
			return refuse(&c, ITEM(MEMBER(MEMBER(at, "network"), "priorities"), i),
				      "not the name of an interface");
	for (size_t i = 0; i < r->rdma.n; i++)
		if (!is_word(r->rdma.v[i].name))
			return refuse(&c, MEMBER(MEMBER(at, "rdma"), r->rdma.v[i].name),
				      "not the name of a device");
	for (size_t i = 0; i < r->unified.n; i++) {
		const char *key = r->unified.v[i].key;

		/* it names a file in the container's cgroup, and must not lead out of it */
		if (!is_word(key) || !strchr(key, '.'))
			return refuse(&c, MEMBER(MEMBER(at, "unified"), key),
				      "not of the form CONTROLLER.FILE");
	}
	return 0;
}

static int check_action(const struct check *c, const struct json_path *at, const char *key,
			const char *action, const struct opt_u64 *errno_ret)
{
	if (errno_ret->set && strcmp(action, "SCMP_ACT_ERRNO") != 0 &&
	    strcmp(action, "SCMP_ACT_TRACE") != 0)
		return refuse(c, MEMBER(at, key), "%s takes no errno", action);
	return 0;
}

static bool is_notify(const char *action)
{
	return str_equal(action, "SCMP_ACT_NOTIFY");
}

bool spec_seccomp_notifies(const struct spec_seccomp *s)
{
	for (size_t i = 0; s && i < s->syscalls.n; i++)
		if (is_notify(s->syscalls.v[i].action))
			return true;
	return false;
}

/* The listener gets its descriptor by a message that is written under the filter. */
static int check_notify(const struct check *c, const struct json_path *item,
			const struct json_path *at, const struct spec_seccomp *s,
			const struct spec_seccomp_rule *rule)
{
	if (!s->listener_path)
		return refuse(c, MEMBER(at, "listenerPath"),
			      "required for SCMP_ACT_NOTIFY, but absent");
	if (strv_find(&rule->names, "write") >= 0)
		return refuse(c, MEMBER(item, "names"),
			      "SCMP_ACT_NOTIFY cannot be used for the write syscall");
	return 0;
}

int check_seccomp(const struct spec_seccomp *s, const char *what, const struct json_path *at,
		  struct err *e)
{
	const struct check c = { NULL, what, e };

	if (s->listener_metadata && !s->listener_path)
		return refuse(&c, MEMBER(at, "listenerMetadata"), "needs a listenerPath");
	if (check_absolute(&c, MEMBER(at, "listenerPath"), s->listener_path) < 0)
		return -e->code;
	if (is_notify(s->default_action))
		return refuse(&c, MEMBER(at, "defaultAction"),
			      "SCMP_ACT_NOTIFY cannot be used as default action: it includes write");
	if (check_action(&c, at, "defaultAction", s->default_action, &s->default_errno_ret) < 0)
		return -e->code;
	for (size_t i = 0; i < s->syscalls.n; i++) {
		const struct spec_seccomp_rule *rule = &s->syscalls.v[i];
		const struct json_path *item = ITEM(MEMBER(at, "syscalls"), i);

		if (!rule->names.n)
			return refuse(&c, MEMBER(item, "names"), "must not be empty");
		if (check_action(&c, item, "action", rule->action, &rule->errno_ret) < 0 ||
		    (is_notify(rule->action) && check_notify(&c, item, at, s, rule) < 0))
			return -e->code;
	}
	return 0;
}

static int check_linux(const struct check *c)
{
	const struct spec_linux *l = c->s->linux_;
	const struct json_path *at = MEMBER(NULL, "linux");

	if (!l)
		return refuse(c, at, "required, but absent");
	if (check_namespaces(c, at) < 0 || check_id_maps(c, at) < 0 || check_time(c, at) < 0 ||
	    check_sysctl(c, at) < 0 || check_devices(c, at) < 0 || check_net_devices(c, at) < 0)
		return -c->e->code;
	if (check_paths(c, MEMBER(at, "maskedPaths"), &l->masked_paths) < 0 ||
	    check_paths(c, MEMBER(at, "readonlyPaths"), &l->readonly_paths) < 0)
		return -c->e->code;
	/* They would be the host's: runc refuses it, too. */
	if (!has_namespace(c, "mount") && (l->masked_paths.n || l->readonly_paths.n))
		return refuse(c, MEMBER(at, l->masked_paths.n ? "maskedPaths" : "readonlyPaths"),
			      "needs a mount namespace");
	if (l->personality && l->personality->flags.n)
		return refuse(c, MEMBER(MEMBER(at, "personality"), "flags"),
			      "the specification knows no flag");
	if (l->intel_rdt && check_intel_rdt(c, MEMBER(at, "intelRdt"), l->intel_rdt) < 0)
		return -c->e->code;
	if (l->memory_policy &&
	    check_memory_policy(c, MEMBER(at, "memoryPolicy"), l->memory_policy) < 0)
		return -c->e->code;
	if (l->resources &&
	    check_resources(l->resources, c->what, MEMBER(at, "resources"), c->e) < 0)
		return -c->e->code;
	if (l->seccomp && check_seccomp(l->seccomp, c->what, MEMBER(at, "seccomp"), c->e) < 0)
		return -c->e->code;
	return 0;
}

/* "1.2.0", "1.0.2-dev": any 1.x, as later minor versions only add members, and what came before. */
static bool is_version(const char *version)
{
	size_t digits;

	if (!str_has_prefix(version, "1.") && !str_has_prefix(version, "0."))
		return false;
	version += 2;
	digits = strspn(version, "0123456789");
	if (!digits)
		return false;
	version += digits;
	return !*version || (strchr(".-+", *version) &&
			     !version[strspn(version, "0123456789abcdefghijklmnopqrstuvwxyz"
						      "ABCDEFGHIJKLMNOPQRSTUVWXYZ.-+")]);
}

int spec_check(const struct spec *s, const char *what, struct err *e)
{
	const struct check c = { s, what, e };

	if (!s->oci_version || !is_version(s->oci_version))
		return refuse(&c, MEMBER(NULL, "ociVersion"), "not a version 0.x or 1.x");
	if (!s->root)
		return refuse(&c, MEMBER(NULL, "root"), "required, but absent");
	if (!s->process)
		return refuse(&c, MEMBER(NULL, "process"), "required, but absent");
	if ((!s->no_process && check_process(s->process, what, MEMBER(NULL, "process"), e) < 0) ||
	    check_mounts(&c) < 0 || (s->hooks && check_hooks(&c) < 0) || check_linux(&c) < 0 ||
	    check_uts(&c) < 0)
		return -e->code;
	return 0;
}
