/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The systemd driver: a container's cgroup is a transient scope that systemd
 * makes, with Delegate=yes, around a process that exists already.  Limits are
 * told to systemd too, so that it does not set them back when it reloads; the
 * files are written all the same, since systemd knows only some.
 *
 * On version 1 (up to systemd 257), alone or hybrid, the runtime makes the
 * scope's directory in the hierarchies that systemd does not know, and the
 * process joins those itself.
 *
 * libsystemd is loaded when the driver is used, never at start.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "sandbox/cgroup.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifdef HAVE_SYSTEMD
#include <systemd/sd-bus.h>
#endif

#include "base/cpulist.h"
#include "base/fd.h"
#include "sandbox/cgroup_parts.h"

/* ---- names ---- */

static bool is_slice(const char *name)
{
	return str_has_suffix(name, ".slice") && strlen(name) > strlen(".slice") &&
	       !strchr(name, '/');
}

int cgroup_systemd_parse(struct arena *a, const char *cgroups_path, const char *id, bool user,
			 char **ret_slice, char **ret_scope, struct err *e)
{
	const char *slice = user ? "user.slice" : "system.slice", *prefix = "agentrun", *name = id;

	if (cgroups_path && *cgroups_path) {
		char *copy = arena_strdup(a, cgroups_path), *one = strchr(copy, ':');
		char *two = one ? strchr(one + 1, ':') : NULL;

		if (!two || strchr(two + 1, ':'))
			return err_say(e, EINVAL, "linux.cgroupsPath: \"%s\" is not of the form "
				       "slice:prefix:name, which the systemd driver needs",
				       cgroups_path);
		*one = *two = '\0';
		if (*copy)
			slice = copy;
		prefix = one + 1;
		name = two + 1;
	}
	if (!is_slice(slice))
		return err_say(e, EINVAL, "linux.cgroupsPath: \"%s\" is not the name of a slice",
			       slice);
	if (strchr(name, '/') || strchr(prefix, '/'))
		return err_say(e, EINVAL, "linux.cgroupsPath: \"%s\" does not name a scope",
			       cgroups_path);
	if (str_has_suffix(name, ".slice"))
		return err_say(e, EINVAL, "linux.cgroupsPath: \"%s\": systemd puts no process into a "
			       "slice itself", cgroups_path);
	*ret_slice = arena_strdup(a, slice);
	*ret_scope = arena_printf(a, "%s-%s.scope", prefix, name);
	return 0;
}

/* Each dash opens a level: systemd.slice(5). */
int cgroup_systemd_slice_path(struct arena *a, const char *slice, char **ret, struct err *e)
{
	size_t n = strlen(slice) - strlen(".slice");
	owned_str path = STR_INIT;

	if (strcmp(slice, "-.slice") == 0) {
		*ret = arena_strdup(a, "");
		return 0;
	}
	for (size_t i = 0; i < n; i++) {
		if (slice[i] != '-')
			continue;
		if (i == 0 || i == n - 1 || slice[i - 1] == '-')
			return err_say(e, EINVAL, "linux.cgroupsPath: \"%s\" is not the name of a "
				       "slice", slice);
		str_printf(&path, "/%.*s.slice", (int)i, slice);
	}
	str_printf(&path, "/%s", slice);
	*ret = arena_strdup(a, path.s);
	return 0;
}

/* Where the user's manager keeps its units; NULL if this process is not below one. */
static char *user_manager_path(struct arena *a)
{
	owned_str text = STR_INIT;
	struct err ignored;
	char *own, *at, *end;

	if (file_read(AT_FDCWD, "/proc/self/cgroup", 1 << 16, &text, &ignored) < 0)
		return NULL;
	own = cgroup_parse_own(a, str_text(&text), "");
	at = own ? strstr(own, "/user@") : NULL;
	if (!at)
		return NULL;
	end = at + 1 + strcspn(at + 1, "/");
	return arena_strndup(a, own, (size_t)(end - own));
}

/* Below what systemd has its units, on version 1: "" but for a systemd that does not see the whole. */
static char *system_manager_path(struct arena *a)
{
	owned_str text = STR_INIT;
	struct err ignored;
	char *own;

	if (file_read(AT_FDCWD, "/proc/1/cgroup", 1 << 16, &text, &ignored) < 0)
		return arena_strdup(a, "");
	own = cgroup_parse_own(a, str_text(&text), "name=systemd");
	if (!own || strstr(own, "/.."))
		return arena_strdup(a, "");
	if (str_has_suffix(own, "/init.scope"))
		return arena_strndup(a, own, strlen(own) - strlen("/init.scope"));
	return strcmp(own, "/") == 0 ? arena_strdup(a, "") : own;
}

/* Of version 1 not all: cpuset, freezer and others it never touches. */
bool cgroup_systemd_manages(const struct cgroup_hierarchy *h)
{
	static const char *const names[] = {
		"", "name=systemd", "cpu", "blkio", "memory", "devices", "pids",
	};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (cgroup_listed(h->controllers, names[i]))
			return true;
	return false;
}

/* Every hierarchy's directory is where the unit's is. */
static void set_path(struct arena *a, struct cgroup *c, char *path)
{
	c->path = path;
	for (size_t i = 0; i < c->n; i++) {
		c->h[i].dir = arena_printf(a, "%s%s", c->h[i].mount, path);
		c->h[i].created = true;
	}
}

int cgroup_systemd_plan(struct arena *a, const struct spec *s, const char *id, bool user,
			struct cgroup *c, struct err *e)
{
	const char *cgroups_path = s->linux_ ? s->linux_->cgroups_path : NULL;
	bool v2 = c->layout == CGROUP_V2, unified = v2;
	char *above, *below = NULL;
	int r;

	if (user && !v2)
		return err_say(e, EOPNOTSUPP, "on version 1 of cgroups, which this host has, a "
			       "user's systemd has no controllers: use the cgroupfs driver");
	for (size_t i = 0; i < c->n; i++)
		unified |= cgroup_listed(c->h[i].controllers, "name=systemd");
	if (!unified)
		return err_say(e, EOPNOTSUPP, "systemd does not make this host's cgroups: use the "
			       "cgroupfs driver");
	above = user ? user_manager_path(a) : v2 ? arena_strdup(a, "") : system_manager_path(a);
	c->systemd = true;
	c->user = user;
	r = cgroup_systemd_parse(a, cgroups_path, id, user, &c->slice, &c->scope, e);
	if (r < 0)
		return r;
	r = cgroup_systemd_slice_path(a, c->slice, &below, e);
	if (r == 0)
		r = spec_unit_properties(a, s, &c->properties, e);
	if (r < 0)
		return r;
	c->path = arena_printf(a, "%s%s/%s", above ? above : "", below, c->scope);
	if (above)
		set_path(a, c, c->path);
	return 0;
}

#ifdef HAVE_SYSTEMD

/* ---- the library ---- */

#define SYMBOLS(X) \
	X(sd_bus_call) \
	X(sd_bus_call_method) \
	X(sd_bus_error_free) \
	X(sd_bus_error_has_name) \
	X(sd_bus_flush_close_unref) \
	X(sd_bus_get_property_string) \
	X(sd_bus_match_signal) \
	X(sd_bus_message_append) \
	X(sd_bus_message_append_array) \
	X(sd_bus_message_close_container) \
	X(sd_bus_message_new_method_call) \
	X(sd_bus_message_open_container) \
	X(sd_bus_message_read) \
	X(sd_bus_message_unref) \
	X(sd_bus_open_system) \
	X(sd_bus_open_user) \
	X(sd_bus_process) \
	X(sd_bus_wait)

struct library {
#define MEMBER(name) __typeof__(name) *name;
	SYMBOLS(MEMBER)
#undef MEMBER
};

/* One conversation with one manager. */
struct manager {
	struct library l;
	sd_bus *bus;
};

#define SYSTEMD "org.freedesktop.systemd1", "/org/freedesktop/systemd1", \
	"org.freedesktop.systemd1.Manager"

static int load_library(struct library *l, struct err *e)
{
	/* Stays loaded: the process is a short one. */
	void *handle = dlopen("libsystemd.so.0", RTLD_NOW | RTLD_LOCAL);

	if (!handle)
		return err_say(e, ENOENT, "the systemd cgroup driver: %s", dlerror());
#define LOAD(name) \
	*(void **)(void *)&l->name = dlsym(handle, #name); \
	if (!l->name) \
		return err_say(e, ENOENT, "the systemd cgroup driver: libsystemd lacks " #name);
	SYMBOLS(LOAD)
#undef LOAD
	return 0;
}

static int manager_open(struct manager *m, bool user, struct err *e)
{
	int r = load_library(&m->l, e);

	if (r < 0)
		return r;
	r = user ? m->l.sd_bus_open_user(&m->bus) : m->l.sd_bus_open_system(&m->bus);
	if (r < 0)
		return err_set(e, -r, "connect to systemd's %s manager over D-Bus",
			       user ? "user" : "system");
	return 0;
}

static void manager_close(struct manager *m)
{
	if (m->bus)
		m->l.sd_bus_flush_close_unref(m->bus);
}

#define owned_manager __attribute__((cleanup(manager_close))) struct manager

static int bus_failed(int r, const sd_bus_error *why, const char *what, const char *unit,
		      struct err *e)
{
	if (why && why->message)
		return err_say(e, -r, "systemd: %s %s: %s", what, unit, why->message);
	return err_set(e, -r, "systemd: %s %s", what, unit);
}

/* ---- jobs ---- */

enum { JOB_SECONDS = 30 };

struct job {
	const struct library *l;
	const char *path;
	char result[32];
	bool done;
};

static int on_removed(sd_bus_message *m, void *data, sd_bus_error *ignored)
{
	struct job *job = data;
	const char *path, *unit, *result;
	uint32_t id;

	(void)ignored;
	if (job->l->sd_bus_message_read(m, "uoss", &id, &path, &unit, &result) >= 0 &&
	    job->path && strcmp(path, job->path) == 0) {
		snprintf(job->result, sizeof job->result, "%s", result);
		job->done = true;
	}
	return 0;
}

static int job_watch(struct manager *m, struct job *job, struct err *e)
{
	int r = m->l.sd_bus_match_signal(m->bus, NULL, SYSTEMD, "JobRemoved", on_removed, job);

	job->l = &m->l;
	return r < 0 ? err_set(e, -r, "systemd: watch for finished jobs") : 0;
}

static int job_wait(struct manager *m, struct job *job, const char *unit, struct err *e)
{
	struct timespec now;
	time_t end;

	clock_gettime(CLOCK_MONOTONIC, &now);
	end = now.tv_sec + JOB_SECONDS;
	while (!job->done) {
		int r = m->l.sd_bus_process(m->bus, NULL);

		if (r < 0)
			return err_set(e, -r, "systemd: wait for %s", unit);
		if (r > 0)
			continue;
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec >= end)
			return err_say(e, ETIMEDOUT, "systemd: %s: no answer within %d s", unit,
				       JOB_SECONDS);
		r = m->l.sd_bus_wait(m->bus, 1000000);
		if (r < 0 && r != -EINTR)
			return err_set(e, -r, "systemd: wait for %s", unit);
	}
	if (strcmp(job->result, "done") != 0)
		return err_say(e, EIO, "systemd: %s: %s", unit, job->result);
	return 0;
}

/* ---- properties ---- */

/* Collects the first failure of sd-bus, as its own functions do. */
struct message {
	const struct library *l;
	sd_bus_message *m;
	int r;
	bool v1;		/* has names of its own */
	unsigned version;	/* of a systemd with version 1, which may be an old one */
};

static void put_u64(struct message *m, const char *name, uint64_t v)
{
	if (m->r >= 0)
		m->r = m->l->sd_bus_message_append(m->m, "(sv)", name, "t", v);
}

static void put_limit(struct message *m, const char *name, int64_t v)
{
	put_u64(m, name, v < 0 ? UINT64_MAX : (uint64_t)v);
}

static void put_bool(struct message *m, const char *name, bool v)
{
	if (m->r >= 0)
		m->r = m->l->sd_bus_message_append(m->m, "(sv)", name, "b", (int)v);
}

static void put_text(struct message *m, const char *name, const char *v)
{
	if (m->r >= 0)
		m->r = m->l->sd_bus_message_append(m->m, "(sv)", name, "s", v);
}

/* (sv) with an array in the variant. */
static void put_array(struct message *m, const char *name, char type, const void *v, size_t size)
{
	const char array[] = { 'a', type, '\0' };

	if (m->r < 0 || (m->r = m->l->sd_bus_message_open_container(m->m, 'r', "sv")) < 0 ||
	    (m->r = m->l->sd_bus_message_append(m->m, "s", name)) < 0 ||
	    (m->r = m->l->sd_bus_message_open_container(m->m, 'v', array)) < 0 ||
	    (m->r = m->l->sd_bus_message_append_array(m->m, type, v, size)) < 0 ||
	    (m->r = m->l->sd_bus_message_close_container(m->m)) < 0)
		return;
	m->r = m->l->sd_bus_message_close_container(m->m);
}

/* "0-2,7" as a bit for each; text that is none is told by the file's write. */
static void put_cpu_mask(struct message *m, const char *name, const char *list)
{
	unsigned char bits[CPULIST_MOST / 8] = { 0 };
	size_t size = 0;
	unsigned first, last;
	int r;

	while ((r = cpulist_next(&list, &first, &last)) > 0)
		for (unsigned i = first; i <= last; i++) {
			bits[i / 8] = (unsigned char)(bits[i / 8] | 1 << i % 8);
			size = i / 8 + 1 > size ? i / 8 + 1 : size;
		}
	if (r < 0)
		return;
	put_array(m, name, 'y', bits, size);
}

/* What the container has; an update may change one of the two. */
static void read_quota(const struct cgroup *c, int64_t *quota, int64_t *period)
{
	const struct cgroup_hierarchy *h = cgroup_hierarchy_of(c, "cpu");
	owned_str text = STR_INIT;
	struct err ignored;

	if (!h)
		return;
	if (c->layout == CGROUP_V2) {	/* "20000 100000" */
		if (cgroup_get(h->dir, "cpu.max", &text, &ignored) < 0)
			return;
	} else {
		if (cgroup_get(h->dir, "cpu.cfs_quota_us", &text, &ignored) < 0 ||
		    cgroup_get(h->dir, "cpu.cfs_period_us", &text, &ignored) < 0)
			return;
	}
	*quota = str_has_prefix(str_text(&text), "max") ? -1 : strtoll(str_text(&text), NULL, 10);
	*period = strtoll(str_text(&text) + strcspn(str_text(&text), " \n"), NULL, 10);
}

static void put_cpu(struct message *m, const struct spec_cpu *cpu, const struct cgroup *now)
{
	int64_t quota = 0, period = 100000;

	if (cpu->shares.v && m->v1)
		put_u64(m, "CPUShares", cpu->shares.v);
	else if (cpu->shares.v)
		put_u64(m, "CPUWeight", cgroup_cpu_weight(cpu->shares.v));
	if (cpu->period.v && (!m->v1 || m->version >= 242))
		put_u64(m, "CPUQuotaPeriodUSec", cpu->period.v);
	if (now && (cpu->quota.v || cpu->period.v))
		read_quota(now, &quota, &period);
	if (cpu->quota.v)
		quota = cpu->quota.v;
	if (cpu->period.v)
		period = (int64_t)cpu->period.v;
	if (quota > 0 && period > 0) {
		uint64_t per_second = (uint64_t)((__uint128_t)quota * 1000000 / (uint64_t)period);

		/* systemd counts in percent and cuts off: up, so that nobody gets less */
		put_u64(m, "CPUQuotaPerSecUSec", (per_second + 9999) / 10000 * 10000);
	} else if (quota < 0) {
		put_u64(m, "CPUQuotaPerSecUSec", UINT64_MAX);
	}
	if (m->v1)	/* systemd has cpusets on version 2 only */
		return;
	if (cpu->cpus && *cpu->cpus)
		put_cpu_mask(m, "AllowedCPUs", cpu->cpus);
	if (cpu->mems && *cpu->mems)
		put_cpu_mask(m, "AllowedMemoryNodes", cpu->mems);
}

static void put_memory(struct message *m, const struct spec_memory *memory,
		       const struct cgroup *c)
{
	int64_t limit = memory->limit.v, swap;
	struct err ignored;
	uint64_t now;

	if (memory->limit.v)
		put_limit(m, m->v1 ? "MemoryLimit" : "MemoryMax", memory->limit.v);
	if (m->v1)
		return;
	if (memory->reservation.v)
		put_limit(m, "MemoryLow", memory->reservation.v);
	if (!limit && c && cgroup_get_u64(c->h[0].dir, "memory.max", &now))
		limit = now > INT64_MAX ? -1 : (int64_t)now;
	/* what makes no sense is told when the file is written */
	if ((memory->swap.v || memory->limit.v < 0) &&
	    cgroup_swap_v2(memory->swap.v, limit, &swap, &ignored) == 0)
		put_limit(m, "MemorySwapMax", swap);
}

/* The files of linux.resources.unified that systemd has a property for. */
static void put_unified(struct message *m, const struct kvs *unified)
{
	static const char *const names[][2] = {
		{ "cpu.weight", "CPUWeight" }, { "memory.high", "MemoryHigh" },
		{ "memory.low", "MemoryLow" }, { "memory.max", "MemoryMax" },
		{ "memory.min", "MemoryMin" }, { "memory.swap.max", "MemorySwapMax" },
		{ "pids.max", "TasksMax" },
	};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		const char *value = kvs_get(unified, names[i][0]);
		char *end;
		uint64_t v;

		if (!value)
			continue;
		v = strtoull(value, &end, 10);
		if (strcmp(value, "max") == 0)
			put_u64(m, names[i][1], UINT64_MAX);
		else if (end != value && !*end)
			put_u64(m, names[i][1], v);
	}
}

/* now: what is being changed; NULL: it is being made */
static void put_resources(struct message *m, const struct spec_resources *r,
			  const struct cgroup *now)
{
	if (r->cpu)
		put_cpu(m, r->cpu, now);
	if (r->memory)
		put_memory(m, r->memory, now);
	if (r->pids && r->pids->limit.v)
		put_limit(m, "TasksMax", r->pids->limit.v);
	if (r->block_io && r->block_io->weight.v && m->v1)
		put_u64(m, "BlockIOWeight", r->block_io->weight.v);
	else if (r->block_io && r->block_io->weight.v)
		put_u64(m, "IOWeight", cgroup_io_weight(r->block_io->weight.v));
	if (!m->v1)
		put_unified(m, &r->unified);
}

static void put_device(struct message *m, const struct cgroup_device_rules *rules, size_t i)
{
	const struct cgroup_device_rule *rule = &rules->v[i];
	unsigned access = rule->access;
	char node[64], rwm[4];

	for (size_t k = i + 1; k < rules->n; k++)	/* taken back later */
		if (!rules->v[k].allow && rules->v[k].type == rule->type &&
		    rules->v[k].major == rule->major && rules->v[k].minor == rule->minor)
			access &= ~rules->v[k].access;
	/* systemd has no name for a minor of every major */
	if (!rule->allow || !access || (rule->major < 0 && rule->minor >= 0))
		return;
	if (rule->minor >= 0)
		snprintf(node, sizeof node, "/dev/%s/%" PRId64 ":%" PRId64,
			 rule->type == 'b' ? "block" : "char", rule->major, rule->minor);
	else if (rule->major >= 0)
		snprintf(node, sizeof node, "%s-%" PRId64, rule->type == 'b' ? "block" : "char",
			 rule->major);
	else
		snprintf(node, sizeof node, "%s-*", rule->type == 'b' ? "block" : "char");
	cgroup_device_access(access, rwm);
	if (m->r >= 0)
		m->r = m->l->sd_bus_message_append(m->m, "(ss)", node, rwm);
}

/*
 * Version 1 only, where systemd writes the same files, and moves the processes of a unit for which
 * it has nothing to write to the slice's directory.  On version 2 both have a program of their own.
 */
static int put_devices(struct message *m, const struct spec_resources *r, bool plain, struct err *e)
{
	struct cgroup_device_rules rules;
	owned_arena a = ARENA_INIT;
	int result = cgroup_device_rules(&a, r, plain, &rules, e);

	if (result < 0)
		return result;
	/* A list of what is denied, which is what follows "allow all", systemd does not have. */
	put_text(m, "DevicePolicy", rules.allow ? "auto" : "strict");
	if (m->r >= 0)		/* without what was in it */
		m->r = m->l->sd_bus_message_append(m->m, "(sv)", "DeviceAllow", "a(ss)", 0);
	if (rules.allow || m->r < 0 ||
	    (m->r = m->l->sd_bus_message_open_container(m->m, 'r', "sv")) < 0 ||
	    (m->r = m->l->sd_bus_message_append(m->m, "s", "DeviceAllow")) < 0 ||
	    (m->r = m->l->sd_bus_message_open_container(m->m, 'v', "a(ss)")) < 0 ||
	    (m->r = m->l->sd_bus_message_open_container(m->m, 'a', "(ss)")) < 0)
		return 0;
	for (size_t i = 0; i < rules.n; i++)
		put_device(m, &rules, i);
	for (int i = 0; i < 3 && m->r >= 0; i++)
		m->r = m->l->sd_bus_message_close_container(m->m);
	return 0;
}

static void put_texts(struct message *m, const char *name, const struct strv *texts)
{
	if ((m->r = m->l->sd_bus_message_open_container(m->m, 'r', "sv")) < 0 ||
	    (m->r = m->l->sd_bus_message_append(m->m, "s", name)) < 0 ||
	    (m->r = m->l->sd_bus_message_open_container(m->m, 'v', "as")) < 0 ||
	    (m->r = m->l->sd_bus_message_open_container(m->m, 'a', "s")) < 0)
		return;
	for (size_t i = 0; i < texts->n && m->r >= 0; i++)
		m->r = m->l->sd_bus_message_append(m->m, "s", texts->v[i]);
	for (int i = 0; i < 3 && m->r >= 0; i++)
		m->r = m->l->sd_bus_message_close_container(m->m);
}

/* What else the engine asks for: Podman sends KillSignal and TimeoutStopUSec, for a container that
 * runs a service manager. */
static void put_properties(struct message *m, const spec_properties *all)
{
	for (size_t i = 0; i < all->n && m->r >= 0; i++) {
		const struct spec_property *p = &all->v[i];
		const char type[] = { (char)p->type, '\0' };

		switch (p->type) {
		case PROPERTY_TEXT:
			put_text(m, p->name, p->text);
			break;
		case PROPERTY_TEXTS:
			put_texts(m, p->name, &p->texts);
			break;
		case PROPERTY_BOOL:
		case PROPERTY_I32:
		case PROPERTY_U32:
			m->r = m->l->sd_bus_message_append(m->m, "(sv)", p->name, type,
							   (uint32_t)p->number);
			break;
		case PROPERTY_I64:
		case PROPERTY_U64:
			m->r = m->l->sd_bus_message_append(m->m, "(sv)", p->name, type, p->number);
			break;
		}
	}
}

/* ---- the scope ---- */

static int build_start(struct message *m, const struct cgroup *c, const struct spec *s, pid_t pid,
		       struct err *e)
{
	const struct spec_resources *res = s->linux_ ? s->linux_->resources : NULL;
	uint32_t pids[] = { (uint32_t)pid };

	if (m->r < 0 ||
	    (m->r = m->l->sd_bus_message_append(m->m, "ss", c->scope, "replace")) < 0 ||
	    (m->r = m->l->sd_bus_message_open_container(m->m, 'a', "(sv)")) < 0)
		return bus_failed(m->r, NULL, "start", c->scope, e);
	put_text(m, "Description", "agentrun container");
	put_text(m, "Slice", c->slice);
	if (!m->v1 || m->version >= 236)
		put_text(m, "CollectMode", "inactive-or-failed");
	put_bool(m, "Delegate", true);
	put_bool(m, "DefaultDependencies", false);
	put_bool(m, "CPUAccounting", true);
	put_bool(m, m->v1 ? "BlockIOAccounting" : "IOAccounting", true);
	put_bool(m, "MemoryAccounting", true);
	put_bool(m, "TasksAccounting", true);
	put_array(m, "PIDs", 'u', pids, sizeof pids);
	if (res)
		put_resources(m, res, NULL);
	if (m->v1 && put_devices(m, res, !s->agent, e) < 0)
		return -e->code;
	put_properties(m, &c->properties);
	if (m->r >= 0)
		m->r = m->l->sd_bus_message_close_container(m->m);
	if (m->r >= 0)		/* no further units */
		m->r = m->l->sd_bus_message_append(m->m, "a(sa(sv))", 0);
	return m->r < 0 ? bus_failed(m->r, NULL, "start", c->scope, e) : 0;
}

/* "252.39-1", "v245"; 0: it does not say. */
static unsigned version_of(struct manager *m)
{
	char *text = NULL;
	unsigned version = 0;

	if (m->l.sd_bus_get_property_string(m->bus, SYSTEMD, "Version", NULL, &text) >= 0)
		version = (unsigned)strtoul(text + strcspn(text, "0123456789"), NULL, 10);
	free(text);
	return version;
}

/* A scope of that name that failed earlier stays in memory until it is reset. */
static void reset_failed(struct manager *m, const char *scope)
{
	m->l.sd_bus_call_method(m->bus, SYSTEMD, "ResetFailedUnit", NULL, NULL, "s", scope);
}

static int start_scope(struct manager *m, const struct cgroup *c, const struct spec *s, pid_t pid,
		       struct err *e)
{
	struct job job = { 0 };
	sd_bus_message *reply = NULL;
	sd_bus_error why = SD_BUS_ERROR_NULL;
	int r = job_watch(m, &job, e);

	for (int attempt = 0; r == 0; attempt++) {
		struct message start = { .l = &m->l, .v1 = c->layout != CGROUP_V2 };

		if (start.v1)
			start.version = version_of(m);
		start.r = m->l.sd_bus_message_new_method_call(m->bus, &start.m, SYSTEMD,
							      "StartTransientUnit");
		r = build_start(&start, c, s, pid, e);
		if (r == 0) {
			r = m->l.sd_bus_call(m->bus, start.m, 0, &why, &reply);
			if (r < 0 && attempt == 0 &&
			    m->l.sd_bus_error_has_name(&why, "org.freedesktop.systemd1.UnitExists")) {
				reset_failed(m, c->scope);
				m->l.sd_bus_error_free(&why);
				m->l.sd_bus_message_unref(start.m);
				r = 0;
				continue;
			}
			if (r < 0)
				r = bus_failed(r, &why, "start", c->scope, e);
			else
				r = 0;
		}
		m->l.sd_bus_message_unref(start.m);
		break;
	}
	if (r == 0) {
		r = m->l.sd_bus_message_read(reply, "o", &job.path);
		r = r < 0 ? bus_failed(r, NULL, "start", c->scope, e)
			  : job_wait(m, &job, c->scope, e);
	}
	m->l.sd_bus_message_unref(reply);
	m->l.sd_bus_error_free(&why);
	return r;
}

/* Where systemd put it. */
static int find_scope(struct arena *a, struct manager *m, struct cgroup *c, struct err *e)
{
	sd_bus_message *reply = NULL;
	sd_bus_error why = SD_BUS_ERROR_NULL;
	const char *unit;
	char *path = NULL;
	int r = m->l.sd_bus_call_method(m->bus, SYSTEMD, "GetUnit", &why, &reply, "s", c->scope);

	if (r >= 0)
		r = m->l.sd_bus_message_read(reply, "o", &unit);
	if (r >= 0)
		r = m->l.sd_bus_get_property_string(m->bus, "org.freedesktop.systemd1", unit,
						    "org.freedesktop.systemd1.Scope", "ControlGroup",
						    &why, &path);
	if (r < 0)
		r = bus_failed(r, &why, "find", c->scope, e);
	else if (path[0] != '/' || !path[1] || strstr(path, "/.."))
		r = err_say(e, EIO, "systemd: %s has no cgroup", c->scope);
	else if (c->layout != CGROUP_V2 && !str_equal(path, c->path))
		/* the container's process is about to join what was planned */
		r = err_say(e, EIO, "systemd: %s is in %s, not in %s", c->scope, path, c->path);
	else
		r = 0;
	if (r == 0)
		set_path(a, c, arena_strdup(a, path));
	free(path);
	m->l.sd_bus_message_unref(reply);
	m->l.sd_bus_error_free(&why);
	return r;
}

int cgroup_systemd_attach(struct arena *a, struct cgroup *c, const struct spec *s, pid_t pid,
			  struct err *e)
{
	const struct spec_resources *res = s->linux_ ? s->linux_->resources : NULL;
	owned_manager m = { 0 };
	int r;

	r = manager_open(&m, c->user, e);
	if (r == 0)
		r = start_scope(&m, c, s, pid, e);
	if (r == 0)
		r = find_scope(a, &m, c, e);
	if (r == 0 && c->layout != CGROUP_V2)
		r = cgroup_make_rest(a, c, s, e);
	if (r == 0 && res && cgroup_resources_first(res)) {
		/* systemd hands down only what it has properties for */
		if (c->layout == CGROUP_V2)
			cgroup_enable_controllers(&c->h[0]);
		r = cgroup_resources_apply(c, res, CGROUP_AT_CREATE, e);
	}
	if (r == 0)
		r = cgroup_devices_apply(c, res, !s->agent, e);
	if (r == 0)
		r = cgroup_hand_over(c, s, e);
	return r;
}

int cgroup_systemd_update(const struct cgroup *c, const struct spec_resources *r, struct err *e)
{
	owned_manager m = { 0 };
	struct message set = { .l = &m.l, .v1 = c->layout != CGROUP_V2 };
	sd_bus_error why = SD_BUS_ERROR_NULL;
	int result = manager_open(&m, c->user, e);

	if (result < 0)
		return result;
	if (set.v1)
		set.version = version_of(&m);
	set.r = m.l.sd_bus_message_new_method_call(m.bus, &set.m, SYSTEMD, "SetUnitProperties");
	if (set.r >= 0)		/* runtime only: nothing is written to /etc */
		set.r = m.l.sd_bus_message_append(set.m, "sb", c->scope, 1);
	if (set.r >= 0)
		set.r = m.l.sd_bus_message_open_container(set.m, 'a', "(sv)");
	put_resources(&set, r, c);
	if (set.v1 && r->devices.n)
		result = put_devices(&set, r, false, e);
	if (set.r >= 0)
		set.r = m.l.sd_bus_message_close_container(set.m);
	if (set.r >= 0 && result == 0)
		set.r = m.l.sd_bus_call(m.bus, set.m, 0, &why, NULL);
	if (set.r < 0)
		result = bus_failed(set.r, &why, "change", c->scope, e);
	m.l.sd_bus_message_unref(set.m);
	m.l.sd_bus_error_free(&why);
	return result;
}

int cgroup_systemd_stop(const struct cgroup *c, struct err *e)
{
	const struct cgroup_hierarchy *unit = cgroup_hierarchy_of(c, "name=systemd");
	owned_manager m = { 0 };
	struct job job = { 0 };
	sd_bus_message *reply = NULL;
	sd_bus_error why = SD_BUS_ERROR_NULL;
	int r;

	/* A scope ends with its last process. */
	if (unit && access(unit->dir, F_OK) < 0 && errno == ENOENT)
		return 0;
	r = manager_open(&m, c->user, e);
	if (r == 0)
		r = job_watch(&m, &job, e);
	if (r < 0)
		return r;
	r = m.l.sd_bus_call_method(m.bus, SYSTEMD, "StopUnit", &why, &reply, "ss", c->scope,
				   "replace");
	if (r < 0 && m.l.sd_bus_error_has_name(&why, "org.freedesktop.systemd1.NoSuchUnit"))
		r = 0;
	else if (r < 0)
		r = bus_failed(r, &why, "stop", c->scope, e);
	else if ((r = m.l.sd_bus_message_read(reply, "o", &job.path)) < 0)
		r = bus_failed(r, NULL, "stop", c->scope, e);
	else
		r = job_wait(&m, &job, c->scope, e);
	reset_failed(&m, c->scope);
	m.l.sd_bus_message_unref(reply);
	m.l.sd_bus_error_free(&why);
	return r;
}

#else /* !HAVE_SYSTEMD */

static int not_built(struct err *e)
{
	return err_say(e, EOPNOTSUPP, "this agentrun was built without the systemd cgroup driver");
}

int cgroup_systemd_attach(struct arena *a, struct cgroup *c, const struct spec *s, pid_t pid,
			  struct err *e)
{
	(void)a, (void)c, (void)s, (void)pid;
	return not_built(e);
}

int cgroup_systemd_update(const struct cgroup *c, const struct spec_resources *r, struct err *e)
{
	(void)c, (void)r;
	return not_built(e);
}

int cgroup_systemd_stop(const struct cgroup *c, struct err *e)
{
	(void)c;
	return not_built(e);
}

#endif
