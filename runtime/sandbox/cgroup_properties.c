/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linux.resources -> properties of a systemd unit: what limits are called there,
 * and in which form it takes them.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#ifdef HAVE_SYSTEMD

#include "sandbox/cgroup_bus.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpulist.h"

static void put_u64(struct bus_message *m, const char *name, uint64_t v)
{
	if (m->r >= 0)
		m->r = m->l->sd_bus_message_append(m->m, "(sv)", name, "t", v);
}

static void put_limit(struct bus_message *m, const char *name, int64_t v)
{
	put_u64(m, name, v < 0 ? UINT64_MAX : (uint64_t)v);
}

static void put_bool(struct bus_message *m, const char *name, bool v)
{
	if (m->r >= 0)
		m->r = m->l->sd_bus_message_append(m->m, "(sv)", name, "b", (int)v);
}

static void put_text(struct bus_message *m, const char *name, const char *v)
{
	if (m->r >= 0)
		m->r = m->l->sd_bus_message_append(m->m, "(sv)", name, "s", v);
}

/* (sv) with an array in the variant. */
static void put_array(struct bus_message *m, const char *name, char type, const void *v, size_t size)
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
static void put_cpu_mask(struct bus_message *m, const char *name, const char *list)
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

static void put_cpu(struct bus_message *m, const struct spec_cpu *cpu, const struct cgroup *now)
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

static void put_memory(struct bus_message *m, const struct spec_memory *memory,
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
static void put_unified(struct bus_message *m, const struct kvs *unified)
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
static void put_resources(struct bus_message *m, const struct spec_resources *r,
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

static void put_device(struct bus_message *m, const struct cgroup_device_rules *rules, size_t i)
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
static int put_devices(struct bus_message *m, const struct spec_resources *r, bool plain, struct err *e)
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

static void put_texts(struct bus_message *m, const char *name, const struct strv *texts)
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
static void put_properties(struct bus_message *m, const spec_properties *all)
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

int cgroup_put_scope(struct bus_message *m, const struct cgroup *c, const struct spec *s, pid_t pid,
		     struct err *e)
{
	const struct spec_resources *res = s->linux_ ? s->linux_->resources : NULL;
	uint32_t pids[] = { (uint32_t)pid };

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
	return 0;
}

int cgroup_put_change(struct bus_message *m, const struct cgroup *c, const struct spec_resources *r,
		      struct err *e)
{
	put_resources(m, r, c);
	return m->v1 && r->devices.n ? put_devices(m, r, false, e) : 0;
}

#endif
