/* SPDX-License-Identifier: Apache-2.0 */
/* cgroup: layouts, paths, conversions, systemd's names, the state file, freezing. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/cgroup_parts.h"

#define N(rows) (sizeof(rows) / sizeof((rows)[0]))

static struct arena a;
static struct err e;

/* ---- what is mounted ---- */

Test(cgroup, layout_of_mountinfo)
{
	static const struct {
		const char *text;
		enum cgroup_layout layout;
		const char *controllers, *mount;	/* of a hierarchy that must be there */
	} rows[] = {
		{ "", CGROUP_NONE, NULL, NULL },
		{ "21 1 0:20 / /proc rw - proc proc rw\n", CGROUP_NONE, NULL, NULL },
		{ "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n",
		  CGROUP_V2, "", "/sys/fs/cgroup" },
		{ "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup "
		  "rw,xattr,cpu,cpuacct\n",
		  CGROUP_V1, "cpu,cpuacct", "/sys/fs/cgroup/cpu,cpuacct" },
		{ "40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup systemd "
		  "rw,xattr,release_agent=/lib/agent,name=systemd\n"
		  "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
		  CGROUP_HYBRID, "name=systemd", "/sys/fs/cgroup/systemd" },
		/* a bind mount that a container left is not the host's */
		{ "32 31 0:29 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n"
		  "99 31 0:29 /docker/1 /var/lib/x/pids rw - cgroup cgroup rw,pids\n",
		  CGROUP_V1, "pids", "/sys/fs/cgroup/pids" },
		{ "99 31 0:29 /docker/1 /var/lib/x/pids rw - cgroup cgroup rw,pids\n"
		  "32 31 0:29 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n",
		  CGROUP_V1, "pids", "/sys/fs/cgroup/pids" },
		{ "32 31 0:29 / /mnt/my\\040cgroups/pids rw - cgroup cgroup rw,pids\n",
		  CGROUP_V1, "pids", "/mnt/my cgroups/pids" },
		/* torn lines */
		{ "32 31 0:29 / - cgroup\n32 - cgroup2\n - cgroup x rw,pids\n", CGROUP_NONE, NULL,
		  NULL },
	};

	for (size_t i = 0; i < N(rows); i++) {
		struct cgroup c;
		bool found = !rows[i].controllers;

		cgroup_parse_mountinfo(&a, rows[i].text, &c);
		cr_expect(eq(int, (int)c.layout, (int)rows[i].layout), "row %zu", i);
		for (size_t k = 0; k < c.n; k++)
			found |= rows[i].controllers &&
				 strcmp(c.h[k].controllers, rows[i].controllers) == 0 &&
				 strcmp(c.h[k].mount, rows[i].mount) == 0;
		cr_expect(found, "row %zu: no %s", i, rows[i].mount);
	}
}

Test(cgroup, more_hierarchies_than_room)
{
	owned_str text = STR_INIT;
	struct cgroup c;

	for (int i = 0; i < 100; i++)
		str_printf(&text, "9 1 0:9 / /m/%d rw - cgroup cgroup rw,name=n%d\n", i, i);
	cgroup_parse_mountinfo(&a, text.s, &c);
	cr_expect(eq(sz, c.n, (size_t)CGROUP_MOST));
}

Test(cgroup, hierarchy_of_a_controller)
{
	struct cgroup c = {
		.layout = CGROUP_HYBRID,
		.n = 3,
		.h = {
			{ .controllers = "cpu,cpuacct", .dir = "/x" },
			{ .controllers = "memory" },	/* not made there */
			{ .controllers = "", .dir = "/u" },
		},
	};

	cr_expect(cgroup_hierarchy_of(&c, "cpuacct") == &c.h[0]);
	cr_expect(cgroup_hierarchy_of(&c, "cpu") == &c.h[0]);
	cr_expect(cgroup_hierarchy_of(&c, "cp") == NULL);
	cr_expect(cgroup_hierarchy_of(&c, "memory") == NULL);
	cr_expect(cgroup_hierarchy_of(&c, "") == &c.h[2]);
	c.layout = CGROUP_V2;
	c.h[0].controllers = "";
	cr_expect(cgroup_hierarchy_of(&c, "memory") == &c.h[0]);
}

Test(cgroup, own_path)
{
	static const char text[] =
		"9:name=systemd:/s\n8:cpuacct,cpu:/c:colon\n4:memory:/m/x\n0::/u v\n";
	static const struct {
		const char *controllers, *path;
	} rows[] = {
		{ "", "/u v" },
		{ "memory", "/m/x" },
		{ "cpu,cpuacct", "/c:colon" },
		{ "name=systemd", "/s" },
		{ "mem", NULL },
		{ "pids", NULL },
	};

	for (size_t i = 0; i < N(rows); i++) {
		char *got = cgroup_parse_own(&a, text, rows[i].controllers);

		if (rows[i].path)
			cr_expect(got && strcmp(got, rows[i].path) == 0, "%s: %s",
				  rows[i].controllers, got);
		else
			cr_expect(got == NULL, "%s", rows[i].controllers);
	}
	cr_expect(cgroup_parse_own(&a, "garbage\n:\n::\n", "cpu") == NULL);
}

Test(cgroup, words)
{
	cr_expect(cgroup_has_word("cpuset cpu io\n", "cpu"));
	cr_expect(cgroup_has_word("cpuset cpu io\n", "io"));
	cr_expect(cgroup_has_word("cpu", "cpu"));
	cr_expect(not(cgroup_has_word("cpuset hugetlb\n", "cpu")));
	cr_expect(not(cgroup_has_word("", "cpu")));
}

/* A path for exec --cgroup must not lead out, whatever exists. */
Test(cgroup, join_stays_inside)
{
	static const char *const bad[] = { "..", "../x", "/..", "a/../../b", "a/..", "./.." };
	struct cgroup c = { .layout = CGROUP_V2, .n = 1, .path = "/x",
			    .h[0] = { .controllers = "", .mount = "/", .dir = "/tmp" } };

	for (size_t i = 0; i < N(bad); i++) {
		const struct strv subs = { (char *[]){ (char *)(uintptr_t)bad[i] }, 1 };
		int fds[CGROUP_MOST], fd = -1;

		cr_expect(eq(int, cgroup_clone_fd_sub(&c, &subs, &fd, &e), -EINVAL), "%s", bad[i]);
		cr_expect(strstr(e.text, "leaves the container's cgroup") != NULL, "%s: %s", bad[i],
			  e.text);
		c.layout = CGROUP_V1;
		c.h[0].controllers = "cpu";
		cr_expect(eq(int, cgroup_join_fds(&c, &subs, fds, &e), -EINVAL), "%s", bad[i]);
		cr_expect(strstr(e.text, "leaves the container's cgroup") != NULL, "%s: %s", bad[i],
			  e.text);
		c.layout = CGROUP_V2;
		c.h[0].controllers = "";
	}
}

/* ---- conversions ---- */

Test(cgroup, cpu_weight)
{
	static const struct {
		uint64_t shares, weight;
	} rows[] = {
		{ 0, 0 },	{ 1, 1 },	{ 2, 1 },	{ 512, 59 },
		{ 1024, 100 },	{ 2000, 170 },	{ 2048, 174 },	{ 262144, 10000 },
		{ 262145, 10000 }, { UINT64_MAX, 10000 },
	};
	uint64_t before = 0;

	for (size_t i = 0; i < N(rows); i++)
		cr_expect(eq(u64, cgroup_cpu_weight(rows[i].shares), rows[i].weight), "%lu",
			  (unsigned long)rows[i].shares);
	for (uint64_t shares = 2; shares <= 262144; shares += 37) {
		uint64_t weight = cgroup_cpu_weight(shares);

		cr_assert(weight >= before && weight >= 1 && weight <= 10000);
		before = weight;
	}
}

Test(cgroup, io_weight)
{
	cr_expect(eq(u64, cgroup_io_weight(0), 0));
	cr_expect(eq(u64, cgroup_io_weight(10), 1));
	cr_expect(eq(u64, cgroup_io_weight(1), 1));
	cr_expect(eq(u64, cgroup_io_weight(500), 4950));
	cr_expect(eq(u64, cgroup_io_weight(1000), 10000));
	cr_expect(eq(u64, cgroup_io_weight(2000), 10000));
}

Test(cgroup, swap)
{
	static const struct {
		int64_t swap, limit;
		int r;
		int64_t value;
	} rows[] = {
		{ 200, 100, 0, 100 },
		{ 100, 100, 0, 0 },
		{ -1, 100, 0, -1 },
		{ -1, 0, 0, -1 },
		{ 0, -1, 0, -1 },	/* unlimited memory: of both */
		{ 50, -1, 0, 50 },
		{ 50, 0, -EINVAL, 77 },
		{ 50, 100, -EINVAL, 77 },
	};

	for (size_t i = 0; i < N(rows); i++) {
		int64_t got = 77;

		cr_expect(eq(int, cgroup_swap_v2(rows[i].swap, rows[i].limit, &got, &e), rows[i].r),
			  "row %zu", i);
		cr_expect(eq(i64, got, rows[i].value), "row %zu", i);
	}
}

Test(cgroup, first_limit)
{
	struct spec_memory memory = { .limit = { true, 0 }, .swappiness = { false, 5 } };
	struct spec_cpu cpu = { .cpus = "" };
	struct spec_device_rule rule = { .allow = false };
	struct spec_hugepage_limit page = { "2MB", 0 };
	struct spec_resources r = { .memory = &memory, .cpu = &cpu };

	/* zero is "left out" */
	r.devices.v = &rule;
	r.devices.n = 1;
	cr_expect(cgroup_resources_first(&r) == NULL);
	memory.kernel = (struct opt_i64){ true, 5 };
	memory.disable_oom_killer = (struct opt_bool){ true, false };
	cr_expect(cgroup_resources_first(&r) == NULL);
	r.hugepage_limits.v = &page;
	r.hugepage_limits.n = 1;
	cr_expect(eq(str, (char *)cgroup_resources_first(&r), "hugepageLimits"));
	memory.swappiness = (struct opt_u64){ true, 0 };
	cr_expect(eq(str, (char *)cgroup_resources_first(&r), "memory.swappiness"));
	memory.limit = (struct opt_i64){ true, -1 };
	cr_expect(eq(str, (char *)cgroup_resources_first(&r), "memory.limit"));
	cpu.cpus = "0";
	cr_expect(eq(str, (char *)cgroup_resources_first(&r), "cpu.cpus"));
}

/* ---- systemd's names ---- */

Test(cgroup, systemd_names)
{
	static const struct {
		const char *path;
		bool user;
		const char *slice, *scope;
		const char *refused;	/* part of the error */
	} rows[] = {
		{ NULL, false, "system.slice", "agentrun-id.scope", NULL },
		{ "", true, "user.slice", "agentrun-id.scope", NULL },
		{ "machine.slice:libpod:abc", false, "machine.slice", "libpod-abc.scope", NULL },
		{ ":docker:abc", false, "system.slice", "docker-abc.scope", NULL },
		{ "user.slice::abc", true, "user.slice", "-abc.scope", NULL },
		{ "a.slice:b:", false, "a.slice", "b-.scope", NULL },
		{ "/docker/abc", false, NULL, NULL, "not of the form slice:prefix:name" },
		{ "a.slice:b", false, NULL, NULL, "not of the form slice:prefix:name" },
		{ "a.slice:b:c:d", false, NULL, NULL, "not of the form slice:prefix:name" },
		{ "a:b:c", false, NULL, NULL, "\"a\" is not the name of a slice" },
		{ ".slice:b:c", false, NULL, NULL, "\".slice\" is not the name of a slice" },
		{ "../x.slice:b:c", false, NULL, NULL, "\"../x.slice\" is not the name of a slice" },
		{ "a.slice:b:../c", false, NULL, NULL, "does not name a scope" },
		{ "a.slice:b/..:c", false, NULL, NULL, "does not name a scope" },
		{ "a.slice:b:c.slice", false, NULL, NULL, "puts no process into a slice" },
	};

	for (size_t i = 0; i < N(rows); i++) {
		char *slice = "untouched", *scope = "untouched";
		int r = cgroup_systemd_parse(&a, rows[i].path, "id", rows[i].user, &slice, &scope, &e);

		if (rows[i].slice) {
			cr_assert(eq(int, r, 0), "%s: %s", rows[i].path, e.text);
			cr_expect(eq(str, slice, (char *)rows[i].slice));
			cr_expect(eq(str, scope, (char *)rows[i].scope));
		} else {
			cr_expect(r < 0, "%s", rows[i].path);
			cr_expect(str_has_prefix(e.text, "linux.cgroupsPath: "), "%s", e.text);
			cr_expect(strstr(e.text, rows[i].refused) != NULL, "%s: %s", rows[i].path,
				  e.text);
			cr_expect(eq(str, slice, "untouched"));
		}
	}
}

Test(cgroup, systemd_slice_path)
{
	static const struct {
		const char *slice, *path;
	} rows[] = {
		{ "system.slice", "/system.slice" },
		{ "-.slice", "" },
		{ "a-b-c.slice", "/a.slice/a-b.slice/a-b-c.slice" },
		{ "a--b.slice", NULL },
		{ "-a.slice", NULL },
		{ "a-.slice", NULL },
	};

	for (size_t i = 0; i < N(rows); i++) {
		char *path = NULL;
		int r = cgroup_systemd_slice_path(&a, rows[i].slice, &path, &e);

		if (rows[i].path)
			cr_expect(r == 0 && strcmp(path, rows[i].path) == 0, "%s: %s", rows[i].slice,
				  path);
		else
			cr_expect(r == -EINVAL && strstr(e.text, "not the name of a slice") != NULL,
				  "%s: %s", rows[i].slice, e.text);
	}
}

/* The scope's further properties are known, or refused, before there is anything to undo. */
Test(cgroup, systemd_plan_reads_properties)
{
	static const struct {
		const char *value;
		int r;
	} rows[] = { { "uint64 5", 0 }, { "[5]", -ENOTSUP } };

	for (size_t i = 0; i < N(rows); i++) {
		struct cgroup c = { .layout = CGROUP_V2, .n = 1,
				    .h = { { .controllers = "", .mount = "/m" } } };
		struct spec s = { 0 };

		kvs_add(&a, &s.annotations, "org.systemd.property.TimeoutStopUSec", rows[i].value);
		cr_assert(eq(int, cgroup_systemd_plan(&a, &s, "id", false, &c, &e), rows[i].r), "%s",
			  e.text);
		cr_expect(eq(sz, c.properties.n, rows[i].r == 0));
	}
}

Test(cgroup, systemd_plan_by_layout)
{
	static const struct {
		enum cgroup_layout layout;
		const char *controllers[3];
		bool user;
		const char *dir, *refused;	/* dir: in the last of them */
	} rows[] = {
		{ CGROUP_V2, { "" }, false, "/m0/a.slice/b-c.scope", NULL },
		{ CGROUP_V1, { "name=systemd", "freezer" }, false, "/m1/a.slice/b-c.scope", NULL },
		{ CGROUP_HYBRID, { "cpu", "name=systemd", "" }, false, "/m2/a.slice/b-c.scope", NULL },
		{ CGROUP_V1, { "name=systemd" }, true, NULL, "a user's systemd has no controllers" },
		{ CGROUP_HYBRID, { "memory", "" }, false, NULL, "does not make this host's cgroups" },
		{ CGROUP_V1, { "cpu" }, false, NULL, "does not make this host's cgroups" },
	};

	for (size_t i = 0; i < N(rows); i++) {
		struct cgroup c = { .layout = rows[i].layout };
		struct spec_linux l = { .cgroups_path = "a.slice:b:c" };
		struct spec s = { .linux_ = &l };
		int r;

		for (; c.n < 3 && rows[i].controllers[c.n]; c.n++)
			c.h[c.n] = (struct cgroup_hierarchy){
				.controllers = arena_strdup(&a, rows[i].controllers[c.n]),
				.mount = arena_printf(&a, "/m%zu", c.n),
			};
		r = cgroup_systemd_plan(&a, &s, "id", rows[i].user, &c, &e);
		if (rows[i].refused) {
			cr_expect(r == -EOPNOTSUPP && strstr(e.text, rows[i].refused) != NULL, "%s",
				  e.text);
			continue;
		}
		cr_assert(eq(int, r, 0), "%s", e.text);
		cr_expect(str_has_suffix(c.h[c.n - 1].dir, rows[i].dir), "%s", c.h[c.n - 1].dir);
		cr_expect(c.h[c.n - 1].created);
	}
}

/* ---- the state file ---- */

static int parse(const char *text, struct cgroup *ret)
{
	const struct json *tree;

	cr_assert(eq(int, json_parse(&a, text, strlen(text), "state", &tree, &e), 0), "%s", e.text);
	return cgroup_parse(&a, tree, ret, &e);
}

Test(cgroup, state_round_trip)
{
	const struct cgroup in = {
		.layout = CGROUP_HYBRID, .systemd = true, .user = true, .rootless_without = true,
		.path = "/a/b", .scope = "a-b.scope", .slice = "a.slice", .n = 2,
		.h = {
			{ .controllers = "cpu,cpuacct", .mount = "/sys/c", .dir = "/sys/c/a/b",
			  .created = true },
			{ .controllers = "", .mount = "/sys/u" },
		},
	};
	struct json_writer *w = json_writer_new(false);
	owned_str text = STR_INIT;
	struct cgroup out;

	cgroup_write(&in, w);
	json_writer_end(w, &text);
	cr_assert(eq(int, parse(text.s, &out), 0), "%s", e.text);
	cr_expect(out.layout == in.layout && out.systemd && out.user && out.rootless_without);
	cr_expect(eq(str, out.path, "/a/b"));
	cr_expect(eq(str, out.scope, "a-b.scope"));
	cr_expect(eq(str, out.slice, "a.slice"));
	cr_assert(eq(sz, out.n, 2));
	cr_expect(eq(str, out.h[0].controllers, "cpu,cpuacct"));
	cr_expect(eq(str, out.h[0].mount, "/sys/c"));
	cr_expect(eq(str, out.h[0].dir, "/sys/c/a/b"));
	cr_expect(out.h[0].created && !out.h[1].created && !out.h[1].dir);
}

/* What is read is going to be signalled and removed. */
Test(cgroup, state_refused)
{
	static const struct {
		const char *text, *error;
	} rows[] = {
		{ "{}", "cgroup.layout: missing or unknown" },
		{ "[]", "cgroup.layout: missing or unknown" },
		{ "{\"layout\":\"v3\",\"hierarchies\":[]}", "cgroup.layout: missing or unknown" },
		{ "{\"layout\":\"v2\"}", "cgroup.hierarchies: not an array of at most " },
		{ "{\"layout\":\"v2\",\"hierarchies\":[{}]}", "cgroup.hierarchies[0]: incomplete" },
		{ "{\"layout\":\"v2\",\"hierarchies\":[{\"controllers\":\"\",\"mount\":\"/s\","
			"\"dir\":\"/etc\"}]}",
		  "cgroup.hierarchies[0].dir: not below /s" },
		{ "{\"layout\":\"v2\",\"hierarchies\":[{\"controllers\":\"\",\"mount\":\"/s\","
			"\"dir\":\"/s\"}]}",
		  "cgroup.hierarchies[0].dir: not below /s" },
		{ "{\"layout\":\"v2\",\"hierarchies\":[{\"controllers\":\"\",\"mount\":\"/s\","
			"\"dir\":\"/sx/y\"}]}",
		  "cgroup.hierarchies[0].dir: not below /s" },
		{ "{\"layout\":\"v2\",\"hierarchies\":[{\"controllers\":\"\",\"mount\":\"/s\","
			"\"dir\":\"/s/a/../../etc\"}]}",
		  "cgroup.hierarchies[0].dir: not below /s" },
	};

	for (size_t i = 0; i < N(rows); i++) {
		struct cgroup c;

		cr_expect(eq(int, parse(rows[i].text, &c), -EINVAL), "%s", rows[i].text);
		cr_expect(str_has_prefix(e.text, rows[i].error), "%s: %s", rows[i].text, e.text);
	}
}

/* ---- freezing ---- */

static void write_file(const char *dir, const char *name, const char *text)
{
	owned_str path = STR_INIT;
	FILE *f;

	str_printf(&path, "%s/%s", dir, name);
	f = fopen(path.s, "w");
	cr_assert(ne(ptr, f, NULL));
	fputs(text, f);
	fclose(f);
}

static bool asked_to_freeze(const char *dir)
{
	owned_str text = STR_INIT;

	for (int ms = 0; ms < 5000; ms += 5, str_free(&text)) {
		if (cgroup_get(dir, "cgroup.freeze", &text, &e) == 0 &&
		    str_has_prefix(str_text(&text), "1"))
			return true;
		usleep(5000);
	}
	return false;
}

/* A kill thaws what a pause is about to freeze. */
Test(cgroup, freeze_is_asked_for_again)
{
	char dir[] = "/tmp/agentrun-freeze.XXXXXX";
	struct cgroup c = { .layout = CGROUP_V2, .n = 1 };
	char none[] = "";
	pid_t pid;
	int status;

	cr_assert(ne(ptr, mkdtemp(dir), NULL));
	write_file(dir, "cgroup.events", "frozen 0\n");
	write_file(dir, "cgroup.freeze", "0");
	c.h[0] = (struct cgroup_hierarchy){ .controllers = none, .mount = dir, .dir = dir };
	pid = fork();
	if (pid == 0)
		_exit(cgroup_freeze(&c, true, &e) < 0);
	cr_expect(asked_to_freeze(dir));
	write_file(dir, "cgroup.freeze", "0");
	cr_expect(asked_to_freeze(dir));
	write_file(dir, "cgroup.events", "frozen 1\n");
	cr_assert(eq(int, waitpid(pid, &status, 0), pid));
	cr_expect(eq(int, status, 0));
	for (size_t i = 0; i < 2; i++) {
		owned_str path = STR_INIT;

		str_printf(&path, "%s/%s", dir, i ? "cgroup.events" : "cgroup.freeze");
		unlink(path.s);
	}
	rmdir(dir);
}
