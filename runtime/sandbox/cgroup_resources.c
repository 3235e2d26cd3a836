/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linux.resources -> the files of both versions, by one table, at create and
 * at update.  A limit that cannot be set is an error that names its JSON path;
 * a number that is zero is one that was left out (engines send such), but for
 * the fields where zero is a limit of its own.
 *
 * memory.kernel, memory.kernelTCP and memory.useHierarchy are accepted without
 * effect: Linux 5.16 and 5.11 took their meaning away.
 */
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/cgroup_parts.h"

/* ---- conversions ---- */

/* log2 and 2^x without the mathematics library, which would have to be loaded at every start. */
static double log2_of(double x)
{
	double y = 0, bit = 0.5;

	for (; x >= 2; x /= 2)
		y += 1;
	for (int i = 0; i < 50; i++, bit /= 2) {
		x *= x;
		if (x >= 2) {
			x /= 2;
			y += bit;
		}
	}
	return y;
}

static double exp10_of(double x)
{
	double y = x * 2.302585092994045684, term = 1, sum = 1;

	for (int i = 1; i < 80; i++) {
		term *= y / i;
		sum += term;
	}
	return sum;
}

/*
 * cpu.shares 2..262144 -> cpu.weight 1..10000, through 1024 -> 100 (the two defaults): the parabola
 * in logarithms that runc (1.3.2) and crun (1.23) use.
 */
uint64_t cgroup_cpu_weight(uint64_t shares)
{
	double l, weight;

	if (shares == 0)
		return 0;
	if (shares <= 2)
		return 1;
	if (shares >= 262144)
		return 10000;
	l = log2_of((double)shares);
	weight = exp10_of((l * l + 125 * l) / 612.0 - 7.0 / 34.0);
	/* rounded up, but not where only the arithmetic's last digits are above */
	return (uint64_t)(weight - 1e-7) + 1;
}

/* blkio.weight 10..1000 -> io.weight 1..10000. */
uint64_t cgroup_io_weight(uint64_t w)
{
	if (w == 0)
		return 0;
	if (w <= 10)
		return 1;
	if (w >= 1000)
		return 10000;
	return 1 + (w - 10) * 9999 / 990;
}

int cgroup_swap_v2(int64_t swap, int64_t limit, int64_t *ret, struct err *e)
{
	if (swap < 0 || limit < 0) {
		*ret = swap == 0 ? -1 : swap;
		return 0;
	}
	if (limit == 0)
		return err_say(e, EINVAL, "memory+swap cannot be limited without a limit of "
			       "memory");
	if (swap < limit)
		return err_say(e, EINVAL,
			       "%" PRId64 " is less than the limit of memory, %" PRId64
			       " (it counts memory and swap together)", swap, limit);
	*ret = swap - limit;
	return 0;
}

/* ---- the table ---- */

struct target {
	const char *dir;
	bool v2;
	enum cgroup_when when;
};

enum { ITSELF = 1 };	/* no pointer is there */

struct row {
	const char *name;	/* JSON path below linux.resources */
	const char *v1, *v1_file, *v2, *v2_file;	/* controller and file; NULL: none */
	size_t object;		/* of spec_resources: offset of a pointer to it, or ITSELF */
	size_t member;		/* of the object */
	enum { I64, U64, BOOL, TEXT, VECTOR } type;
	bool zero;		/* zero is a value */
	bool max;		/* negative is written "max" on version 1 too */
	bool again;		/* EINVAL may come from another file's old value */
	const char *key;	/* io.max */
	int (*apply)(const struct target *t, const struct row *row,
		     const struct spec_resources *r, struct err *e);
};

/* The field as a number (or its presence): what is not set is 0. */
static bool value_of(const struct row *row, const struct spec_resources *r, int64_t *ret)
{
	const char *object = (const char *)r, *at;
	int64_t v = 0;
	bool set = false;

	*ret = 0;
	if (row->object != ITSELF)
		object = *(char *const *)(const void *)(object + row->object);
	if (!object)
		return false;
	at = object + row->member;
	switch (row->type) {
	case I64:
		set = ((const struct opt_i64 *)(const void *)at)->set;
		v = ((const struct opt_i64 *)(const void *)at)->v;
		break;
	case U64:
		set = ((const struct opt_u64 *)(const void *)at)->set;
		v = (int64_t)((const struct opt_u64 *)(const void *)at)->v;
		break;
	case BOOL:
		set = ((const struct opt_bool *)(const void *)at)->set;
		v = ((const struct opt_bool *)(const void *)at)->v;
		break;
	case TEXT:
		set = *(char *const *)(const void *)at && **(char *const *)(const void *)at;
		v = set;
		break;
	case VECTOR:
		v = (int64_t)*(const size_t *)(const void *)at;
		set = v != 0;
		break;
	}
	*ret = set ? v : 0;
	return set && (v != 0 || row->zero);
}

static const char *file_of(const struct target *t, const struct row *row)
{
	return t->v2 ? row->v2_file : row->v1_file;
}

static int put_number(const struct target *t, const char *file, int64_t v, bool max, struct err *e)
{
	char text[32];

	if (v < 0 && max)
		return cgroup_put(t->dir, file, "max", e);
	snprintf(text, sizeof text, "%" PRId64, v);
	return cgroup_put(t->dir, file, text, e);
}

static int apply_number(const struct target *t, const struct row *row,
			const struct spec_resources *r, struct err *e)
{
	int64_t v;

	value_of(row, r, &v);
	if (row->type == U64 && v < 0)
		return err_say(e, ERANGE, "%" PRIu64 " is too large", (uint64_t)v);
	return put_number(t, file_of(t, row), v, t->v2 || row->max, e);
}

static int apply_text(const struct target *t, const struct row *row,
		      const struct spec_resources *r, struct err *e)
{
	const char *object = *(char *const *)(const void *)((const char *)r + row->object);

	return cgroup_put(t->dir, file_of(t, row),
			  *(char *const *)(const void *)(object + row->member), e);
}

static int apply_shares(const struct target *t, const struct row *row,
			const struct spec_resources *r, struct err *e)
{
	uint64_t shares = r->cpu->shares.v;

	return put_number(t, file_of(t, row),
			  (int64_t)(t->v2 ? cgroup_cpu_weight(shares) : shares), false, e);
}

/* Version 2 has quota and period in one file: what is not given stays. */
static int apply_cpu_max(const struct target *t, const struct row *row,
			 const struct spec_resources *r, struct err *e)
{
	bool quota = r->cpu->quota.set && r->cpu->quota.v;
	owned_str text = STR_INIT, old = STR_INIT;
	int result;

	if (!t->v2)
		return apply_number(t, row, r, e);
	if (quota && row->type == U64)
		return 0;	/* the row of the quota writes both */
	if (!quota) {
		result = cgroup_get(t->dir, row->v2_file, &old, e);
		if (result < 0)
			return result;
		str_append(&text, str_text(&old), strcspn(str_text(&old), " \n"));
	} else if (r->cpu->quota.v < 0) {
		str_puts(&text, "max");
	} else {
		str_printf(&text, "%" PRId64, r->cpu->quota.v);
	}
	if (r->cpu->period.set && r->cpu->period.v)
		str_printf(&text, " %" PRIu64, r->cpu->period.v);
	return cgroup_put(t->dir, row->v2_file, text.s, e);
}

static int apply_limit(const struct target *t, const struct row *row,
		       const struct spec_resources *r, struct err *e)
{
	const struct spec_memory *m = r->memory;
	struct err ignored;
	uint64_t used;
	int result;

	if (t->when == CGROUP_AT_UPDATE && m->check_before_update.v && m->limit.v > 0 &&
	    cgroup_get_u64(t->dir, t->v2 ? "memory.current" : "memory.usage_in_bytes", &used) &&
	    used > (uint64_t)m->limit.v)
		return err_say(e, EBUSY,
			       "%" PRId64 " is less than the %" PRIu64 " bytes in use",
			       m->limit.v, used);
	/* Unlimited memory with an old limit of both together makes no sense. */
	if (m->limit.v < 0 && !m->swap.v) {
		const char *swap = t->v2 ? "memory.swap.max" : "memory.memsw.limit_in_bytes";

		if (cgroup_has(t->dir, swap))
			put_number(t, swap, -1, t->v2, &ignored);
	}
	result = apply_number(t, row, r, e);
	if (result == -EBUSY &&
	    cgroup_get_u64(t->dir, "memory.usage_in_bytes", &used))
		return err_in(e, "%" PRIu64 " bytes are in use", used);
	return result;
}

static int apply_swap(const struct target *t, const struct row *row,
		      const struct spec_resources *r, struct err *e)
{
	const struct spec_memory *m = r->memory;
	int64_t limit = m->limit.set ? m->limit.v : 0, swap;
	uint64_t now;
	int result;

	if (!t->v2)
		return apply_number(t, row, r, e);
	if (!limit && t->when == CGROUP_AT_UPDATE && cgroup_get_u64(t->dir, "memory.max", &now))
		limit = now > INT64_MAX ? -1 : (int64_t)now;
	result = cgroup_swap_v2(m->swap.v, limit, &swap, e);
	if (result < 0)
		return result;
	/* A kernel without swap has none to limit. */
	if (swap <= 0 && !cgroup_has(t->dir, row->v2_file) && cgroup_has(t->dir, "memory.max"))
		return 0;
	return put_number(t, row->v2_file, swap, true, e);
}

/* One name or several, of which kernels have one: "blkio.weight|blkio.bfq.weight". */
static const char *existing(const struct target *t, const char *names, char *ret, size_t size)
{
	for (const char *p = names; *p; p += strcspn(p, "|"), p += *p == '|') {
		snprintf(ret, size, "%.*s", (int)strcspn(p, "|"), p);
		if (cgroup_has(t->dir, ret))
			break;
	}
	return ret;
}

static uint64_t weight_for(const struct target *t, const char *file, uint64_t weight)
{
	return t->v2 && strcmp(file, "io.weight") == 0 ? cgroup_io_weight(weight) : weight;
}

static int apply_io_weight(const struct target *t, const struct row *row,
			   const struct spec_resources *r, struct err *e)
{
	char file[64];

	existing(t, file_of(t, row), file, sizeof file);
	return put_number(t, file, (int64_t)weight_for(t, file, r->block_io->weight.v), false, e);
}

static int put_device(const struct target *t, const char *file, int64_t major, int64_t minor,
		      const char *key, uint64_t v, struct err *e)
{
	char text[128], number[32];

	snprintf(number, sizeof number, "%" PRIu64, v);
	snprintf(text, sizeof text, "%" PRId64 ":%" PRId64 " %s%s%s", major, minor, key,
		 *key ? "=" : "", *key && !v ? "max" : number);
	return cgroup_put(t->dir, file, text, e);
}

static int apply_weight_devices(const struct target *t, const struct row *row,
				const struct spec_resources *r, struct err *e)
{
	int result = 0;

	for (size_t i = 0; i < r->block_io->weight_device.n && result == 0; i++) {
		const struct spec_weight_device *d = &r->block_io->weight_device.v[i];
		char file[64];

		if (d->weight.v) {
			existing(t, file_of(t, row), file, sizeof file);
			result = put_device(t, file, d->major, d->minor, "",
					    weight_for(t, file, d->weight.v), e);
		}
		if (result == 0 && d->leaf_weight.v)
			result = t->v2 ? err_say(e, EOPNOTSUPP,
						 "leafWeight: version 2 of cgroups has none")
				       : put_device(t, "blkio.leaf_weight_device", d->major,
						    d->minor, "", d->leaf_weight.v, e);
		if (result < 0)
			return err_in(e, "[%zu]", i);
	}
	return result;
}

static int apply_throttle(const struct target *t, const struct row *row,
			  const struct spec_resources *r, struct err *e)
{
	const char *n = (const char *)r->block_io + row->member;
	const spec_throttle_devices *list = (const void *)(n - offsetof(spec_throttle_devices, n));

	for (size_t i = 0; i < list->n; i++)
		if (put_device(t, file_of(t, row), list->v[i].major, list->v[i].minor,
			       t->v2 ? row->key : "", list->v[i].rate, e) < 0)
			return err_in(e, "[%zu]", i);
	return 0;
}

/* "2MB": it becomes a part of a file's name. */
static bool is_page_size(const char *s)
{
	size_t digits = s ? strspn(s, "0123456789") : 0;

	return digits && digits < 12 && strchr("KMG", s[digits]) && s[digits] &&
	       strcmp(s + digits + 1, "B") == 0;
}

static int apply_hugepages(const struct target *t, const struct row *row,
			   const struct spec_resources *r, struct err *e)
{
	(void)row;
	for (size_t i = 0; i < r->hugepage_limits.n; i++) {
		const struct spec_hugepage_limit *l = &r->hugepage_limits.v[i];
		char file[64], text[32];

		if (!is_page_size(l->page_size))
			return err_say(e, EINVAL, "[%zu].pageSize: not of the form \"2MB\"", i);
		snprintf(text, sizeof text, "%" PRIu64, l->limit);
		snprintf(file, sizeof file, "hugetlb.%s.%s", l->page_size,
			 t->v2 ? "max" : "limit_in_bytes");
		if (cgroup_put(t->dir, file, text, e) < 0)
			return err_in(e, "[%zu]", i);
		/* Linux 5.7: pages reserved but not yet touched have a limit of their own. */
		snprintf(file, sizeof file, "hugetlb.%s.rsvd.%s", l->page_size,
			 t->v2 ? "max" : "limit_in_bytes");
		if (cgroup_has(t->dir, file) && cgroup_put(t->dir, file, text, e) < 0)
			return err_in(e, "[%zu]", i);
	}
	return 0;
}

static int apply_priorities(const struct target *t, const struct row *row,
			    const struct spec_resources *r, struct err *e)
{
	for (size_t i = 0; i < r->network->priorities.n; i++) {
		owned_str line = STR_INIT;

		str_printf(&line, "%s %" PRIu64, r->network->priorities.v[i].name,
			   r->network->priorities.v[i].priority);
		if (cgroup_put(t->dir, row->v1_file, line.s, e) < 0)
			return err_in(e, "[%zu]", i);
	}
	return 0;
}

static int apply_rdma(const struct target *t, const struct row *row,
		      const struct spec_resources *r, struct err *e)
{
	for (size_t i = 0; i < r->rdma.n; i++) {
		const struct spec_rdma *d = &r->rdma.v[i];
		owned_str line = STR_INIT;

		str_puts(&line, d->name);
		if (d->hca_handles.set)
			str_printf(&line, " hca_handle=%" PRIu64, d->hca_handles.v);
		if (d->hca_objects.set)
			str_printf(&line, " hca_object=%" PRIu64, d->hca_objects.v);
		if (cgroup_put(t->dir, file_of(t, row), line.s, e) < 0)
			return err_in(e, "[\"%s\"]", d->name);
	}
	return 0;
}

static int put_unified(const struct target *t, const char *key, const char *value, struct err *e)
{
	/* Files that move or end processes are no limits. */
	static const char *const refused[] = {
		"cgroup.procs", "cgroup.threads", "cgroup.kill", "cgroup.subtree_control",
		"cgroup.type", "cgroup.freeze", NULL,
	};
	char *copy, *more = NULL;
	int r = 0;

	if (!*key || strchr(key, '/') || !strchr(key, '.') || key[0] == '.')
		return err_say(e, EINVAL, "not the name of a controller's file");
	if (str_find(refused, key) >= 0)
		return err_say(e, EINVAL, "is the runtime's own");
	if (!cgroup_has(t->dir, key))
		return err_say(e, ENOENT, "the controller \"%.*s\" has no such file in %s",
			       (int)strcspn(key, "."), key, t->dir);
	/* Files of several lines (io.max) take one at a time. */
	copy = must(strdup(value));
	for (char *line = strtok_r(copy, "\n", &more); line && r == 0;
	     line = strtok_r(NULL, "\n", &more))
		r = cgroup_put(t->dir, key, line, e);
	free(copy);
	return r;
}

static int apply_unified(const struct target *t, const struct row *row,
			 const struct spec_resources *r, struct err *e)
{
	(void)row;
	for (size_t i = 0; i < r->unified.n; i++)
		if (put_unified(t, r->unified.v[i].key, r->unified.v[i].value, e) < 0)
			return err_in(e, "[\"%s\"]", r->unified.v[i].key);
	return 0;
}

#define CPU(field) offsetof(struct spec_resources, cpu), offsetof(struct spec_cpu, field)
#define MEMORY(field) offsetof(struct spec_resources, memory), offsetof(struct spec_memory, field)
#define BLOCK_IO(field) \
	offsetof(struct spec_resources, block_io), offsetof(struct spec_block_io, field)
#define NETWORK(field) offsetof(struct spec_resources, network), offsetof(struct spec_net, field)
#define OWN(field) ITSELF, offsetof(struct spec_resources, field)

/* In the order in which they are written. */
static const struct row rows[] = {
	{ "cpu.cpus", "cpuset", "cpuset.cpus", "cpuset", "cpuset.cpus",
	  CPU(cpus), TEXT, .again = true, .apply = apply_text },
	{ "cpu.mems", "cpuset", "cpuset.mems", "cpuset", "cpuset.mems",
	  CPU(mems), TEXT, .again = true, .apply = apply_text },
	/* an idle group takes no weight */
	{ "cpu.shares", "cpu", "cpu.shares", "cpu", "cpu.weight",
	  CPU(shares), U64, .again = true, .apply = apply_shares },
	{ "cpu.idle", "cpu", "cpu.idle", "cpu", "cpu.idle",
	  CPU(idle), I64, .zero = true, .apply = apply_number },
	{ "cpu.burst", "cpu", "cpu.cfs_burst_us", "cpu", "cpu.max.burst",
	  CPU(burst), U64, .zero = true, .again = true, .apply = apply_number },
	{ "cpu.period", "cpu", "cpu.cfs_period_us", "cpu", "cpu.max",
	  CPU(period), U64, .again = true, .apply = apply_cpu_max },
	{ "cpu.quota", "cpu", "cpu.cfs_quota_us", "cpu", "cpu.max",
	  CPU(quota), I64, .again = true, .apply = apply_cpu_max },
	{ "cpu.realtimePeriod", "cpu", "cpu.rt_period_us", NULL, NULL,
	  CPU(realtime_period), U64, .again = true, .apply = apply_number },
	{ "cpu.realtimeRuntime", "cpu", "cpu.rt_runtime_us", NULL, NULL,
	  CPU(realtime_runtime), I64, .again = true, .apply = apply_number },
	{ "memory.limit", "memory", "memory.limit_in_bytes", "memory", "memory.max",
	  MEMORY(limit), I64, .again = true, .apply = apply_limit },
	{ "memory.swap", "memory", "memory.memsw.limit_in_bytes", "memory", "memory.swap.max",
	  MEMORY(swap), I64, .again = true, .apply = apply_swap },
	{ "memory.reservation", "memory", "memory.soft_limit_in_bytes", "memory", "memory.low",
	  MEMORY(reservation), I64, .apply = apply_number },
	{ "memory.swappiness", "memory", "memory.swappiness", NULL, NULL,
	  MEMORY(swappiness), U64, .zero = true, .apply = apply_number },
	{ "memory.disableOOMKiller", "memory", "memory.oom_control", NULL, NULL,
	  MEMORY(disable_oom_killer), BOOL, .apply = apply_number },
	{ "pids.limit", "pids", "pids.max", "pids", "pids.max",
	  offsetof(struct spec_resources, pids), offsetof(struct spec_pids, limit), I64,
	  .max = true, .apply = apply_number },
	{ "blockIO.weight", "blkio", "blkio.weight|blkio.bfq.weight", "io",
	  "io.bfq.weight|io.weight", BLOCK_IO(weight), U64, .apply = apply_io_weight },
	{ "blockIO.leafWeight", "blkio", "blkio.leaf_weight", NULL, NULL,
	  BLOCK_IO(leaf_weight), U64, .apply = apply_number },
	{ "blockIO.weightDevice", "blkio", "blkio.weight_device|blkio.bfq.weight_device", "io",
	  "io.bfq.weight|io.weight", BLOCK_IO(weight_device.n), VECTOR,
	  .apply = apply_weight_devices },
	{ "blockIO.throttleReadBpsDevice", "blkio", "blkio.throttle.read_bps_device", "io",
	  "io.max", BLOCK_IO(read_bps.n), VECTOR, .key = "rbps", .apply = apply_throttle },
	{ "blockIO.throttleWriteBpsDevice", "blkio", "blkio.throttle.write_bps_device", "io",
	  "io.max", BLOCK_IO(write_bps.n), VECTOR, .key = "wbps", .apply = apply_throttle },
	{ "blockIO.throttleReadIOPSDevice", "blkio", "blkio.throttle.read_iops_device", "io",
	  "io.max", BLOCK_IO(read_iops.n), VECTOR, .key = "riops", .apply = apply_throttle },
	{ "blockIO.throttleWriteIOPSDevice", "blkio", "blkio.throttle.write_iops_device", "io",
	  "io.max", BLOCK_IO(write_iops.n), VECTOR, .key = "wiops", .apply = apply_throttle },
	{ "hugepageLimits", "hugetlb", "", "hugetlb", "",
	  OWN(hugepage_limits.n), VECTOR, .apply = apply_hugepages },
	{ "network.classID", "net_cls", "net_cls.classid", NULL, NULL,
	  NETWORK(class_id), U64, .apply = apply_number },
	{ "network.priorities", "net_prio", "net_prio.ifpriomap", NULL, NULL,
	  NETWORK(priorities.n), VECTOR, .apply = apply_priorities },
	{ "rdma", "rdma", "rdma.max", "rdma", "rdma.max",
	  OWN(rdma.n), VECTOR, .apply = apply_rdma },
	{ "unified", NULL, NULL, "", "",
	  OWN(unified.n), VECTOR, .apply = apply_unified },
};
enum { ROWS = sizeof rows / sizeof *rows };

/* ---- where a row is written ---- */

static int find_target(const struct cgroup *c, const struct row *row, struct target *t,
		       struct err *e)
{
	const struct cgroup_hierarchy *h = NULL;
	owned_str has = STR_INIT;
	struct err ignored;

	if (c->layout != CGROUP_V2 && !row->v1)
		return err_say(e, EOPNOTSUPP, "needs version 2 of cgroups; this host has "
			       "version 1");
	if (c->layout != CGROUP_V2)
		h = cgroup_hierarchy_of(c, row->v1);
	t->v2 = !h;
	/* Of hybrid, the unified part can hold controllers that version 1 does not mount. */
	if (!h)
		h = cgroup_hierarchy_of(c, "");
	if (!h)
		return err_say(e, ENOENT, "the controller \"%s\" is not mounted on this host",
			       row->v1);
	t->dir = h->dir;
	if (!t->v2)
		return 0;
	if (c->layout == CGROUP_V2 && !row->v2)
		return err_say(e, EOPNOTSUPP, "version 2 of cgroups, which this host has, "
			       "cannot limit that");
	if (row->v2 && !*row->v2)
		return 0;
	if (row->v2 && cgroup_get(h->dir, "cgroup.controllers", &has, &ignored) == 0 &&
	    cgroup_has_word(str_text(&has), row->v2))
		return 0;
	if (c->layout != CGROUP_V2)
		return err_say(e, ENOENT, "the controller \"%s\" is not mounted on this host",
			       row->v1);
	return err_say(e, ENOENT, "the controller \"%s\" is not available to the container's "
		       "cgroup %s", row->v2, h->dir);
}

static int apply_row(const struct cgroup *c, const struct row *row, const struct spec_resources *r,
		     enum cgroup_when when, struct err *e)
{
	struct target t = { .when = when };
	int result = find_target(c, row, &t, e);

	if (result == 0)
		result = row->apply(&t, row, r, e);
	if (result < 0 && e->text[0] == '[') {	/* the index belongs to the path */
		struct err inner = *e;

		return err_say(e, inner.code, "linux.resources.%s%s", row->name, inner.text);
	}
	return result < 0 ? err_in(e, "linux.resources.%s", row->name) : 0;
}

/*
 * Some values bound one another (memory and memory+swap, quota and period, burst and quota): which
 * of two has to be written first depends on the old ones.  So a value that the kernel finds invalid
 * is tried once more after all others.
 */
int cgroup_resources_apply(const struct cgroup *c, const struct spec_resources *r,
			   enum cgroup_when when, struct err *e)
{
	bool again[ROWS] = { false };
	int64_t v;

	for (size_t i = 0; i < ROWS; i++) {
		int result;

		if (!value_of(&rows[i], r, &v))
			continue;
		result = apply_row(c, &rows[i], r, when, e);
		if (result == -EINVAL && rows[i].again)
			again[i] = true;
		else if (result < 0)
			return result;
	}
	for (size_t i = 0; i < ROWS; i++)
		if (again[i] && apply_row(c, &rows[i], r, when, e) < 0)
			return -e->code;
	return 0;
}

const char *cgroup_resources_first(const struct spec_resources *r)
{
	int64_t v;

	for (size_t i = 0; i < ROWS; i++)
		if (value_of(&rows[i], r, &v))
			return rows[i].name;
	return NULL;
}

int cgroup_update(const struct cgroup *c, const struct spec_resources *r, struct err *e)
{
	const char *first = cgroup_resources_first(r);
	int result;

	if (c->rootless_without && first)
		return err_say(e, EPERM, "linux.resources.%s: the container has no cgroup", first);
	if (c->rootless_without)
		return 0;
	if (c->systemd) {
		result = cgroup_systemd_update(c, r, e);
		if (result < 0)
			return result;
	}
	result = cgroup_resources_apply(c, r, CGROUP_AT_UPDATE, e);
	if (result < 0 || !r->devices.n)
		return result;
	return cgroup_devices_apply(c, r, false, e);
}
