/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a container's cgroups have counted: the "data" object of `events
 * --stats` in runc's form (names, units and what is left out when it is zero),
 * and the cost for the record.  A file that the kernel lacks is a number that
 * is not told, never an error.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/fd.h"
#include "sandbox/cgroup_parts.h"

enum { NS_PER_US = 1000 };

/* The directory that holds that controller's files, and whether they are version 2's. */
static const char *dir_of(const struct cgroup *c, const char *controller, bool *ret_v2)
{
	const struct cgroup_hierarchy *h = cgroup_hierarchy_of(c, controller);

	*ret_v2 = c->layout == CGROUP_V2;
	if (h)
		return h->dir;
	/* hybrid: version 1 does not mount it */
	h = cgroup_hierarchy_of(c, "");
	*ret_v2 = true;
	return h ? h->dir : NULL;
}

static uint64_t u64(const char *dir, const char *file)
{
	uint64_t v = 0;

	cgroup_get_u64(dir, file, &v);
	return v;
}

static uint64_t key(const char *dir, const char *file, const char *name)
{
	uint64_t v = 0;

	cgroup_get_key(dir, file, name, &v);
	return v;
}

/* Left out when it is zero. */
static void put_some(struct json_writer *w, const char *name, uint64_t v)
{
	if (v)
		json_field_u64(w, name, v);
}

/* ---- pressure ---- */

static void put_psi(const char *dir, const char *file, struct json_writer *w)
{
	owned_str text = STR_INIT;
	struct err ignored;
	char kind[8];
	double a, b, c;
	uint64_t total;
	bool open = false;

	if (cgroup_get(dir, file, &text, &ignored) < 0)
		return;
	for (const char *p = str_text(&text); *p; p += strcspn(p, "\n"), p += *p == '\n') {
		if (sscanf(p, "%7s avg10=%lf avg60=%lf avg300=%lf total=%" SCNu64, kind, &a, &b, &c,
			   &total) != 5)
			continue;
		if (!open) {
			json_key(w, "psi");
			json_open(w);
			open = true;
		}
		json_key(w, kind);
		json_open(w);
		json_key(w, "avg10");
		json_put_double(w, a);
		json_key(w, "avg60");
		json_put_double(w, b);
		json_key(w, "avg300");
		json_put_double(w, c);
		json_field_u64(w, "total", total);
		json_close(w);
	}
	if (open)
		json_close(w);
}

/* ---- cpu ---- */

static void put_numbers(struct json_writer *w, const char *name, const char *text)
{
	char *end;

	json_key(w, name);
	json_open_array(w);
	for (uint64_t v; v = strtoull(text, &end, 10), end != text; text = end)
		json_put_u64(w, v);
	json_close_array(w);
}

/* cpuacct.usage_all: "cpu user system", a line for each processor. */
static void put_percpu(const char *dir, struct json_writer *w)
{
	owned_str usage = STR_INIT, all = STR_INIT, kernel = STR_INIT, user = STR_INIT;
	struct err ignored;

	if (cgroup_get(dir, "cpuacct.usage_percpu", &usage, &ignored) == 0)
		put_numbers(w, "percpu", str_text(&usage));
	if (cgroup_get(dir, "cpuacct.usage_all", &all, &ignored) < 0)
		return;
	for (const char *p = str_text(&all); *p; p += strcspn(p, "\n"), p += *p == '\n') {
		uint64_t cpu, u, s;

		if (sscanf(p, "%" SCNu64 " %" SCNu64 " %" SCNu64, &cpu, &u, &s) != 3)
			continue;
		str_printf(&user, "%" PRIu64 " ", u);
		str_printf(&kernel, "%" PRIu64 " ", s);
	}
	put_numbers(w, "percpu_kernel", str_text(&kernel));
	put_numbers(w, "percpu_user", str_text(&user));
}

static void put_cpu(const struct cgroup *c, struct json_writer *w)
{
	bool v2, acct_v2;
	const char *dir = dir_of(c, "cpu", &v2), *acct = dir_of(c, "cpuacct", &acct_v2);
	uint64_t tick = 1000000000ull / (uint64_t)sysconf(_SC_CLK_TCK);

	json_key(w, "cpu");
	json_open(w);
	json_key(w, "usage");
	json_open(w);
	if (acct && acct_v2) {
		put_some(w, "total", key(acct, "cpu.stat", "usage_usec") * NS_PER_US);
		json_field_u64(w, "kernel", key(acct, "cpu.stat", "system_usec") * NS_PER_US);
		json_field_u64(w, "user", key(acct, "cpu.stat", "user_usec") * NS_PER_US);
	} else if (acct) {
		put_some(w, "total", u64(acct, "cpuacct.usage"));
		put_percpu(acct, w);
		json_field_u64(w, "kernel", key(acct, "cpuacct.stat", "system") * tick);
		json_field_u64(w, "user", key(acct, "cpuacct.stat", "user") * tick);
	}
	json_close(w);
	json_key(w, "throttling");
	json_open(w);
	if (dir) {
		put_some(w, "periods", key(dir, "cpu.stat", "nr_periods"));
		put_some(w, "throttledPeriods", key(dir, "cpu.stat", "nr_throttled"));
		put_some(w, "throttledTime",
			 v2 ? key(dir, "cpu.stat", "throttled_usec") * NS_PER_US
			    : key(dir, "cpu.stat", "throttled_time"));
	}
	json_close(w);
	if (dir && v2)
		put_psi(dir, "cpu.pressure", w);
	json_close(w);
}

/* "0-3,8" -> [0,1,2,3,8] */
static void put_cpu_list(struct json_writer *w, const char *name, const char *dir, const char *file)
{
	owned_str text = STR_INIT;
	struct err ignored;
	const char *p;
	char *end;

	if (cgroup_get(dir, file, &text, &ignored) < 0 || !isdigit((unsigned char)*str_text(&text)))
		return;
	json_key(w, name);
	json_open_array(w);
	for (p = str_text(&text); isdigit((unsigned char)*p); p = end + (*end == ',')) {
		uint64_t first = strtoull(p, &end, 10), last = first;

		if (*end == '-')
			last = strtoull(end + 1, &end, 10);
		for (uint64_t i = first; i <= last && i < 65536; i++)
			json_put_u64(w, i);
	}
	json_close_array(w);
}

static void put_cpuset(const struct cgroup *c, struct json_writer *w)
{
	static const char *const names[] = {
		"cpu_exclusive", "mem_hardwall", "mem_exclusive", "memory_migrate",
		"memory_spread_page", "memory_spread_slab", "memory_pressure",
		"sched_load_balance", "sched_relax_domain_level",
	};
	const struct cgroup_hierarchy *h =
		c->layout == CGROUP_V2 ? NULL : cgroup_hierarchy_of(c, "cpuset");

	json_key(w, "cpuset");
	json_open(w);
	if (h) {
		put_cpu_list(w, "cpus", h->dir, "cpuset.cpus");
		put_cpu_list(w, "mems", h->dir, "cpuset.mems");
	}
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		char file[64];

		snprintf(file, sizeof file, "cpuset.%s", names[i]);
		/* the last may be -1 */
		json_field_i64(w, names[i], h ? (int64_t)u64(h->dir, file) : 0);
	}
	json_close(w);
}

/* ---- memory ---- */

struct entry {
	uint64_t limit, usage, max, failures;
};

static void put_entry(struct json_writer *w, const char *name, const struct entry *m)
{
	json_key(w, name);
	json_open(w);
	json_field_u64(w, "limit", m->limit);
	put_some(w, "usage", m->usage);
	put_some(w, "max", m->max);
	json_field_u64(w, "failcnt", m->failures);
	json_close(w);
}

/* infix: "", "memsw.", "kmem.", "kmem.tcp." */
static struct entry entry_v1(const char *dir, const char *infix)
{
	static const char *const ends[] = {
		"limit_in_bytes", "usage_in_bytes", "max_usage_in_bytes", "failcnt",
	};
	uint64_t v[4];

	for (size_t i = 0; i < 4; i++) {
		char file[64];

		snprintf(file, sizeof file, "memory.%s%s", infix, ends[i]);
		v[i] = u64(dir, file);
	}
	return (struct entry){ v[0], v[1], v[2], v[3] };
}

static void put_memory_v2(const char *dir, struct json_writer *w)
{
	struct entry none = { 0 };
	struct entry memory = { u64(dir, "memory.max"), u64(dir, "memory.current"),
				u64(dir, "memory.peak"), key(dir, "memory.events", "max") };
	struct entry swap = { u64(dir, "memory.swap.max"), u64(dir, "memory.swap.current"), 0,
			      key(dir, "memory.swap.events", "max") };

	/* Readers know version 1's numbers, of memory and swap together. */
	swap.usage += memory.usage;
	if (swap.limit != UINT64_MAX)
		swap.limit = memory.limit == UINT64_MAX ? UINT64_MAX : swap.limit + memory.limit;
	put_some(w, "cache", key(dir, "memory.stat", "file"));
	put_entry(w, "usage", &memory);
	put_entry(w, "swap", &swap);
	put_entry(w, "kernel", &none);
	put_entry(w, "kernelTCP", &none);
}

static void put_memory_v1(const char *dir, struct json_writer *w)
{
	static const char *const parts[][2] = {
		{ "usage", "" }, { "swap", "memsw." }, { "kernel", "kmem." },
		{ "kernelTCP", "kmem.tcp." },
	};

	put_some(w, "cache", key(dir, "memory.stat", "cache"));
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		struct entry m = entry_v1(dir, parts[i][1]);

		put_entry(w, parts[i][0], &m);
	}
}

static void put_memory(const struct cgroup *c, struct json_writer *w)
{
	bool v2;
	const char *dir = dir_of(c, "memory", &v2);
	owned_str text = STR_INIT;
	struct err ignored;

	json_key(w, "memory");
	json_open(w);
	if (dir && v2)
		put_memory_v2(dir, w);
	else if (dir)
		put_memory_v1(dir, w);
	if (dir && cgroup_get(dir, "memory.stat", &text, &ignored) == 0) {
		json_key(w, "raw");
		json_open(w);
		for (const char *p = str_text(&text); *p; p += strcspn(p, "\n"), p += *p == '\n') {
			char name[64];
			uint64_t v;

			if (sscanf(p, "%63s %" SCNu64, name, &v) == 2)
				json_field_u64(w, name, v);
		}
		json_close(w);
	}
	if (dir && v2)
		put_psi(dir, "memory.pressure", w);
	json_close(w);
}

/* ---- input and output ---- */

static void put_io_entry(struct json_writer *w, unsigned major, unsigned minor, const char *op,
			 uint64_t v)
{
	json_open(w);
	put_some(w, "major", major);
	put_some(w, "minor", minor);
	json_field(w, "op", op);
	put_some(w, "value", v);
	json_close(w);
}

/* Lines "MAJOR:MINOR Read N"; the last, "Total N", is a sum. */
static void put_io_v1(const char *dir, const char *name, const char *suffix, struct json_writer *w)
{
	owned_str text = STR_INIT;
	struct err ignored;
	unsigned major, minor;
	bool open = false;
	char file[80], op[32];
	uint64_t v;

	snprintf(file, sizeof file, "blkio.bfq.%s", suffix);
	if (cgroup_get(dir, file, &text, &ignored) < 0 || !strchr(str_text(&text), ':')) {
		snprintf(file, sizeof file, "blkio.throttle.%s", suffix);
		str_free(&text);
		if (cgroup_get(dir, file, &text, &ignored) < 0)
			return;
	}
	for (const char *p = str_text(&text); *p; p += strcspn(p, "\n"), p += *p == '\n') {
		if (sscanf(p, "%u:%u %31s %" SCNu64, &major, &minor, op, &v) != 4)
			continue;
		if (!open) {
			json_key(w, name);
			json_open_array(w);
			open = true;
		}
		put_io_entry(w, major, minor, op, v);
	}
	if (open)
		json_close_array(w);
}

/* Lines "MAJOR:MINOR rbytes=N wbytes=N rios=N ..." */
static void put_io_v2(const char *dir, const char *name, const char *const keys[3],
		      struct json_writer *w)
{
	static const char *const ops[] = { "Read", "Write", "Discard" };
	owned_str text = STR_INIT;
	struct err ignored;
	unsigned major, minor;
	bool open = false;

	if (cgroup_get(dir, "io.stat", &text, &ignored) < 0)
		return;
	for (char *more = NULL, *line = strtok_r(text.s, "\n", &more); line;
	     line = strtok_r(NULL, "\n", &more)) {
		if (sscanf(line, "%u:%u ", &major, &minor) != 2)
			continue;
		for (size_t i = 0; i < 3; i++) {
			const char *at = strstr(line, keys[i]);

			if (!at)
				continue;
			if (!open) {
				json_key(w, name);
				json_open_array(w);
				open = true;
			}
			put_io_entry(w, major, minor, ops[i],
				     strtoull(at + strlen(keys[i]), NULL, 10));
		}
	}
	if (open)
		json_close_array(w);
}

static const char *const io_bytes[] = { " rbytes=", " wbytes=", " dbytes=" };
static const char *const io_count[] = { " rios=", " wios=", " dios=" };

static void put_blkio(const struct cgroup *c, struct json_writer *w)
{
	bool v2;
	const char *dir = dir_of(c, c->layout == CGROUP_V2 ? "io" : "blkio", &v2);

	json_key(w, "blkio");
	json_open(w);
	if (dir && v2) {
		put_io_v2(dir, "ioServiceBytesRecursive", io_bytes, w);
		put_io_v2(dir, "ioServicedRecursive", io_count, w);
		put_psi(dir, "io.pressure", w);
	} else if (dir) {
		put_io_v1(dir, "ioServiceBytesRecursive", "io_service_bytes_recursive", w);
		put_io_v1(dir, "ioServicedRecursive", "io_serviced_recursive", w);
	}
	json_close(w);
}

/* ---- the rest ---- */

static void put_pids(const struct cgroup *c, struct json_writer *w)
{
	bool v2;
	const char *dir = dir_of(c, "pids", &v2);
	uint64_t limit = 0, current = 0;
	struct err ignored;
	size_t n;

	json_key(w, "pids");
	json_open(w);
	if (dir) {
		/* As runc does: without the controller they are counted. */
		if (!cgroup_get_u64(dir, "pids.current", &current) &&
		    cgroup_count(dir, &n, &ignored) == 0)
			current = n;
		put_some(w, "current", current);
		if (cgroup_get_u64(dir, "pids.max", &limit) && limit != UINT64_MAX)
			put_some(w, "limit", limit);
	}
	json_close(w);
}

/* Page sizes are told by the names of the files: hugetlb.2MB.current, .usage_in_bytes. */
static void put_hugetlb(const struct cgroup *c, struct json_writer *w)
{
	bool v2;
	const char *dir = dir_of(c, "hugetlb", &v2);
	const char *suffix = v2 ? ".current" : ".usage_in_bytes";
	DIR *d = dir ? opendir(dir) : NULL;

	json_key(w, "hugetlb");
	json_open(w);
	for (struct dirent *x; d && (x = readdir(d));) {
		char size[16], file[64];
		uint64_t max;

		if (!str_has_prefix(x->d_name, "hugetlb.") || !str_has_suffix(x->d_name, suffix) ||
		    strstr(x->d_name, ".rsvd."))
			continue;
		snprintf(size, sizeof size, "%.*s", (int)strcspn(x->d_name + 8, "."),
			 x->d_name + 8);
		json_key(w, size);
		json_open(w);
		put_some(w, "usage", u64(dir, x->d_name));
		snprintf(file, sizeof file, "hugetlb.%s.max_usage_in_bytes", size);
		max = v2 ? 0 : u64(dir, file);
		put_some(w, "max", max);
		if (v2) {
			snprintf(file, sizeof file, "hugetlb.%s.events", size);
			json_field_u64(w, "failcnt", key(dir, file, "max"));
		} else {
			snprintf(file, sizeof file, "hugetlb.%s.failcnt", size);
			json_field_u64(w, "failcnt", u64(dir, file));
		}
		json_close(w);
	}
	json_close(w);
	if (d)
		closedir(d);
}

int cgroup_stats(const struct cgroup *c, struct json_writer *w, struct err *e)
{
	bool any = false;

	for (size_t i = 0; i < c->n; i++)
		any |= c->h[i].dir && access(c->h[i].dir, F_OK) == 0;
	if (!any)
		return err_say(e, ENOENT, "the container has no cgroup to read statistics from");
	json_open(w);
	put_cpu(c, w);
	put_cpuset(c, w);
	put_memory(c, w);
	put_pids(c, w);
	put_blkio(c, w);
	put_hugetlb(c, w);
	json_key(w, "intel_rdt");
	json_open(w);
	json_close(w);
	json_key(w, "network_interfaces");
	json_put_null(w);
	json_close(w);
	return 0;
}

/* ---- cost ---- */

static struct opt_u64 told(bool set, uint64_t v)
{
	return (struct opt_u64){ .set = set && v != UINT64_MAX, .v = set ? v : 0 };
}

static void io_cost_v1(const char *dir, struct cgroup_cost *ret)
{
	owned_str text = STR_INIT;
	struct err ignored;
	uint64_t bytes[2] = { 0, 0 };

	if (cgroup_get(dir, "blkio.throttle.io_service_bytes_recursive", &text, &ignored) < 0)
		return;
	for (const char *p = str_text(&text); *p; p += strcspn(p, "\n"), p += *p == '\n') {
		char op[32];
		uint64_t v;

		if (sscanf(p, "%*u:%*u %31s %" SCNu64, op, &v) != 2)
			continue;
		if (strcmp(op, "Read") == 0)
			bytes[0] += v;
		if (strcmp(op, "Write") == 0)
			bytes[1] += v;
	}
	ret->io_read_bytes = told(true, bytes[0]);
	ret->io_write_bytes = told(true, bytes[1]);
}

static void io_cost_v2(const char *dir, struct cgroup_cost *ret)
{
	owned_str text = STR_INIT;
	struct err ignored;
	uint64_t bytes[2] = { 0, 0 };

	if (cgroup_get(dir, "io.stat", &text, &ignored) < 0)
		return;
	for (size_t i = 0; i < 2; i++)
		for (const char *p = str_text(&text); (p = strstr(p, io_bytes[i]));) {
			p += strlen(io_bytes[i]);
			bytes[i] += strtoull(p, NULL, 10);
		}
	ret->io_read_bytes = told(true, bytes[0]);
	ret->io_write_bytes = told(true, bytes[1]);
}

void cgroup_read_cost(const struct cgroup *c, struct cgroup_cost *ret)
{
	bool v2;
	const char *dir;
	uint64_t v = 0;
	bool ok;

	memset(ret, 0, sizeof *ret);
	dir = dir_of(c, "cpuacct", &v2);
	if (dir && v2) {
		ok = cgroup_get_key(dir, "cpu.stat", "usage_usec", &v);
		ret->cpu_usec = told(ok, v);
	} else if (dir) {
		ok = cgroup_get_u64(dir, "cpuacct.usage", &v);
		ret->cpu_usec = told(ok, v / NS_PER_US);
	}
	dir = dir_of(c, "memory", &v2);
	if (dir) {
		ok = cgroup_get_u64(dir, v2 ? "memory.peak" : "memory.max_usage_in_bytes", &v);
		ret->memory_peak = told(ok, v);
		ok = cgroup_get_key(dir, v2 ? "memory.events" : "memory.oom_control", "oom_kill",
				    &v);
		ret->oom_kills = told(ok, v);
	}
	dir = dir_of(c, c->layout == CGROUP_V2 ? "io" : "blkio", &v2);
	if (dir && v2)
		io_cost_v2(dir, ret);
	else if (dir)
		io_cost_v1(dir, ret);
}

/* ---- out of memory ---- */

void cgroup_oom_watch(const struct cgroup *c, struct cgroup_oom *ret)
{
	struct cgroup_oom w = { .fd = -1 };
	owned_fd file = -1, event = -1;
	owned_str path = STR_INIT, control = STR_INIT;
	struct err ignored;

	*ret = w;
	w.dir = dir_of(c, "memory", &w.v2);
	if (!w.dir)
		return;
	str_printf(&path, "%s/%s", w.dir, w.v2 ? "memory.events" : "memory.oom_control");
	file = open(path.s, O_RDONLY | O_CLOEXEC);
	if (file < 0)
		return;
	if (w.v2) {
		w.when = POLLPRI;
		w.fd = fd_take(&file);
		cgroup_oom(&w);
		*ret = w;
		return;
	}
	event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	str_printf(&control, "%d %d", event, file);
	if (event < 0 || cgroup_put(w.dir, "cgroup.event_control", control.s, &ignored) < 0)
		return;
	w.when = POLLIN;
	w.fd = fd_take(&event);
	*ret = w;
}

bool cgroup_oom(struct cgroup_oom *w)
{
	uint64_t n = w->kills;
	char text[512];
	bool risen;

	/* Version 1 also says so when the cgroup is removed. */
	if (!w->v2)
		return read(w->fd, &n, sizeof n) == sizeof n &&
		       cgroup_has(w->dir, "memory.oom_control");
	if (pread(w->fd, text, sizeof text, 0) < 0)	/* for poll(2): seen */
		return false;
	cgroup_get_key(w->dir, "memory.events", "oom_kill", &n);
	risen = n > w->kills;
	w->kills = n;
	return risen;
}
