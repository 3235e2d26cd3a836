/* SPDX-License-Identifier: Apache-2.0 */
/* mounts: what `mounts` makes: attributes, propagation, what each type brings along. */
#include <errno.h>
#include <stdio.h>
#include <sys/statvfs.h>

#include "sandbox/cgroup.h"
#include "sandbox/idmap.h"
#include "mounting.h"

/* ---- attributes ---- */

struct attribute_row {
	const char *what;
	struct spec_mount mounts[MOST_MOUNTS];
	unsigned long is, is_not;	/* ST_* of root/x */
	unsigned long below, not_below;	/* and of root/x/sub, a mount of its own */
};

static unsigned long flags_of(const char *path, struct outcome *o)
{
	struct statvfs fs = { 0 };

	WANT(o, statvfs(path, &fs) == 0, "no %s", path);
	return fs.f_flag;
}

static void run_attributes(const void *row, struct outcome *o)
{
	static const struct thing image[] = {
		{ 'd', "root", NULL }, { 'd', "host", NULL }, { 'd', "host/tree", NULL },
		{ 'm', "host/tree", "nosuid" }, { 'd', "host/tree/sub", NULL },
		{ 'm', "host/tree/sub", "" }, { 'd', "host/ro", NULL },
		{ 'm', "host/ro", "ro" }, { 0 },
	};
	const struct attribute_row *a = row;
	struct rootfs r = { 0 };
	struct spec s = { 0 };
	unsigned long flags;

	build(o, image);
	mount_them(&r, &s, a->mounts, o);
	if (o->r == 0)
		o->r = rootfs_finish(&r, &s, &o->e);
	if (o->r < 0)
		return;
	flags = flags_of("root/x", o);
	WANT(o, (flags & a->is) == a->is && !(flags & a->is_not), "flags %lx", flags);
	WANT(o, (mkdir("root/x/new", 0755) == 0) == !(a->is & ST_RDONLY), "writable: %m");
	if (!a->below && !a->not_below)
		return;
	flags = flags_of("root/x/sub", o);
	WANT(o, (flags & a->below) == a->below && !(flags & a->not_below), "flags below %lx",
	     flags);
	WANT(o, (mkdir("root/x/sub/new", 0755) == 0) == !(a->below & ST_RDONLY),
	     "below writable: %m");
}

Test(mounts, attributes)
{
	const struct attribute_row rows[] = {
		{ "bind keeps the source's", { BIND("host/tree", "/x", "rbind") },
		  ST_NOSUID, ST_RDONLY, 0, ST_RDONLY },
		{ "bind,ro has that alone", { BIND("host/tree", "/x", "bind", "ro") },
		  ST_RDONLY, ST_NOSUID, 0, 0 },
		{ "rbind,ro is not recursive", { BIND("host/tree", "/x", "rbind", "ro") },
		  ST_RDONLY, 0, 0, ST_RDONLY },
		{ "rbind,rro is recursive", { BIND("host/tree", "/x", "rbind", "rro") },
		  ST_RDONLY, 0, ST_RDONLY, 0 },
		{ "rnoexec,rnodev", { BIND("host/tree", "/x", "rbind", "rnoexec", "rnodev") },
		  ST_NOEXEC | ST_NODEV, ST_RDONLY, ST_NOEXEC | ST_NODEV, ST_RDONLY },
		{ "suid clears", { BIND("host/tree", "/x", "rbind", "suid") },
		  0, ST_NOSUID, 0, ST_RDONLY },
		{ "the later wins: ro,rw", { BIND("host/tree", "/x", "rbind", "ro", "rw") },
		  0, ST_RDONLY, 0, 0 },
		{ "the later wins: rw,ro", { BIND("host/tree", "/x", "rbind", "rw", "ro") },
		  ST_RDONLY, 0, 0, 0 },
		{ "rw of a read-only source", { BIND("host/ro", "/x", "rbind", "rw") },
		  0, ST_RDONLY, 0, 0 },
		{ "noatime", { BIND("host/tree", "/x", "rbind", "noatime") },
		  ST_NOATIME, ST_RELATIME, 0, 0 },
		{ "strictatime over noatime", { BIND("host/tree", "/x", "noatime", "rbind",
		  "strictatime") }, 0, ST_NOATIME | ST_RELATIME, 0, 0 },
		{ "nodiratime,relatime", { BIND("host/tree", "/x", "rbind", "nodiratime",
		  "relatime") }, ST_NODIRATIME | ST_RELATIME, 0, 0, 0 },
		{ "tmpfs", { NEW("tmpfs", "/x", "nosuid", "nodev", "noexec", "size=64k") },
		  ST_NOSUID | ST_NODEV | ST_NOEXEC, ST_RDONLY, 0, 0 },
		{ "tmpfs ro", { NEW("tmpfs", "/x", "ro") }, ST_RDONLY, 0, 0, 0 },
		{ "tmpfs ro, with a mount below", { NEW("tmpfs", "/x", "ro"),
		  NEW("tmpfs", "/x/sub", "nosuid") }, ST_RDONLY, 0, ST_NOSUID, ST_RDONLY },
		{ "tmpfs ro,tmpcopyup", { NEW("tmpfs", "/x", "ro", "tmpcopyup") },
		  ST_RDONLY, 0, 0, 0 },
		{ "several in one text", { NEW("tmpfs", "/x", "size=64k,mode=700", "nosuid") },
		  ST_NOSUID, ST_RDONLY, 0, 0 },
		{ "remount,ro of a mount made before", { BIND("host/tree", "/x", "rbind"),
		  { .destination = "/x", .options = STRV("remount", "bind", "ro"),
		    .source_fd = -1 } }, ST_RDONLY | ST_NOSUID, 0, 0, ST_RDONLY },
		{ "defaults of a bind", { BIND("host/tree", "/x", "rbind", "defaults") },
		  ST_NOSUID, ST_RDONLY, 0, 0 },
		{ "sync of a bind", { BIND("host/tree", "/x", "rbind", "sync") },
		  0, ST_RDONLY | ST_NOSUID, 0, 0 },
		{ "loud of a bind", { BIND("host/tree", "/x", "rbind", "loud") },
		  0, ST_RDONLY | ST_NOSUID, 0, 0 },
	};

	for (size_t i = 0; i < ROWS(rows); i++)
		expect_sandboxed(rows[i].what, run_attributes, &rows[i], 0, NULL);
}

/* ---- propagation ---- */

struct propagation_row {
	const char *what;
	const char *option;	/* of the mount, NULL: none */
	const char *rootfs;	/* linux.rootfsPropagation */
	bool shared, unbindable;
};

/* The optional fields of the line of mountinfo whose mount point ends with `point`. */
static const char *optional_fields(const char *point)
{
	static char line[4096], found[4096];
	FILE *f = fopen("/proc/self/mountinfo", "re");

	strcpy(found, "?");
	while (f && fgets(line, sizeof line, f)) {
		char *dash = strstr(line, " - "), at[2048];

		if (!dash || sscanf(line, "%*s %*s %*s %*s %2047s", at) != 1)
			continue;
		*dash = '\0';
		if (str_has_suffix(at, point))
			strcpy(found, line);
	}
	if (f)
		fclose(f);
	return found;
}

static void run_propagation(const void *row, struct outcome *o)
{
	static const struct thing image[] = {
		{ 'd', "root", NULL }, { 'd', "host", NULL }, { 'm', "host", "" },
		{ 'd', "host/dir", NULL }, { 'd', "root/sub", NULL }, { 'm', "root/sub", "" },
		{ 0 },
	};
	const struct propagation_row *p = row;
	struct spec_mount mounts[MOST_MOUNTS] = {
		BIND("host/dir", "/x", "rbind", (char *)(p->option ? p->option : "rbind")),
	};
	struct spec_linux l = { .rootfs_propagation = (char *)p->rootfs };
	struct spec s = { .linux_ = &l };
	struct rootfs r = { 0 };
	const char *fields;

	build(o, image);
	mount_them(&r, &s, mounts, o);
	fields = optional_fields("/root/x");
	WANT(o, !!strstr(fields, "shared:") == p->shared, "x: %s", fields);
	WANT(o, !!strstr(fields, "unbindable") == p->unbindable, "x: %s", fields);
	fields = optional_fields("/root");
	WANT(o, !strstr(fields, "shared:"), "root: %s", fields);
	/* what the root brings along: else a mount over it would show on the host */
	fields = optional_fields("/root/sub");
	WANT(o, !strstr(fields, "shared:"), "sub: %s", fields);
}

Test(mounts, propagation)
{
	const struct propagation_row rows[] = {
		{ "nothing said", NULL, NULL, false, false },
		{ "a shared mount", "shared", NULL, true, false },
		{ "all of it shared", "rshared", NULL, true, false },
		{ "a private mount", "rprivate", NULL, false, false },
		{ "an unbindable mount", "runbindable", NULL, false, true },
		{ "a private root", NULL, "rprivate", false, false },
		{ "a root that is to be shared", NULL, "rshared", false, false },
		{ "a slave of a shared root", "rslave", "rshared", false, false },
	};

	for (size_t i = 0; i < ROWS(rows); i++)
		expect_sandboxed(rows[i].what, run_propagation, &rows[i], 0, NULL);
}

static void run_bad_propagation(const void *row, struct outcome *o)
{
	struct spec_linux l = { .rootfs_propagation = "sideways" };
	struct spec s = { .linux_ = &l };
	struct rootfs r = { 0 };

	(void)row;
	mount_them(&r, &s, NULL, o);
}

Test(mounts, unknown_propagation)
{
	struct outcome o = expect_sandboxed("sideways", run_bad_propagation, NULL, 0,
					    "linux.rootfsPropagation: unknown value \"sideways\"");

	cr_expect(eq(int, o.r, -EINVAL));
}

/* ---- tmpfs over what the image has ---- */

static void run_copyup(const void *row, struct outcome *o)
{
	static const struct thing image[] = {
		{ 'd', "root", NULL }, { 'd', "root/x", NULL }, { 'd', "root/x/sub", NULL },
		{ 'f', "root/x/sub/file", "text" }, { 'p', "root/x/sub/file", "4755" },
		{ 'l', "root/x/link", "/outside" }, { 'p', "root/x", "1777" }, { 0 },
	};
	const bool *copies = row;
	struct spec_mount with[MOST_MOUNTS] = { NEW("tmpfs", "/x", "tmpcopyup") };
	struct spec_mount without[MOST_MOUNTS] = { NEW("tmpfs", "/x", "nosuid") };
	struct rootfs r = { 0 };
	struct spec s = { 0 };
	struct stat st;
	char link[64] = "";

	build(o, image);
	WANT(o, chown("root/x", 12, 34) == 0 && chown("root/x/sub/file", 1234, 5678) == 0 && chmod("root/x/sub/file", 04755) == 0 &&
	     lchown("root/x/link", 12, 34) == 0, "chown");
	mount_them(&r, &s, *copies ? with : without, o);
	WANT(o, stat("root/x", &st) == 0 && (st.st_mode & 07777) == 01777 &&
	     st.st_uid == 0 && st.st_gid == 0, "mode %o, owner %u", st.st_mode, st.st_uid);
	if (!*copies) {
		WANT(o, access("root/x/sub", F_OK) < 0, "copied");
		return;
	}
	WANT(o, stat("root/x/sub/file", &st) == 0 && (st.st_mode & 07777) == 04755 &&
	     st.st_uid == 1234 && st.st_gid == 5678, "file %o %u", st.st_mode, st.st_uid);
	WANT(o, strcmp(text_of("root/x/sub/file"), "text") == 0, "content");
	WANT(o, readlink("root/x/link", link, sizeof link - 1) > 0 &&
	     strcmp(link, "/outside") == 0, "link %s", link);
	WANT(o, lstat("root/x/link", &st) == 0 && st.st_uid == 12 && st.st_gid == 34, "owner");
}

Test(mounts, tmpfs_takes_the_mode_and_tmpcopyup_the_content)
{
	bool yes = true, no = false;

	expect_sandboxed("tmpcopyup", run_copyup, &yes, 0, NULL);
	expect_sandboxed("no tmpcopyup", run_copyup, &no, 0, NULL);
}

/* ---- id maps, long options ---- */

static void run_idmap(const void *row, struct outcome *o)
{
	static const struct thing image[] = {
		{ 'd', "root", NULL }, { 'd', "host", NULL }, { 'm', "host", "" },
		{ 'd', "host/sub", NULL }, { 'm', "host/sub", "" }, { 'f', "host/a", "" },
		{ 'f', "host/sub/b", "" }, { 0 },
	};
	struct spec_mount mounts[MOST_MOUNTS] = { BIND("host", "/x", "rbind", "ridmap") };
	struct spec_id_mapping map = { 0, 1000, 10 };
	const bool *explicit = row;
	struct spec_linux l = { .uid_mappings = { &map, 1 }, .gid_mappings = { &map, 1 } };
	struct spec s = { .linux_ = &l };
	struct rootfs r = { 0 };
	struct stat st;

	build(o, image);
	if (*explicit) {
		mounts[0].uid_mappings = mounts[0].gid_mappings = l.uid_mappings;
		l = (struct spec_linux){ 0 };
	}
	mount_them(&r, &s, mounts, o);
	WANT(o, stat("root/x/a", &st) == 0 && st.st_uid == 1000 && st.st_gid == 1000, "uid %u",
	     st.st_uid);
	WANT(o, stat("root/x/sub/b", &st) == 0 && st.st_uid == 1000, "below uid %u", st.st_uid);
	WANT(o, stat("host/a", &st) == 0 && st.st_uid == 0, "the source's uid %u", st.st_uid);
}

Test(mounts, id_maps)
{
	bool yes = true, no = false;

	expect_sandboxed("the mount's own maps", run_idmap, &yes, 0, NULL);
	expect_sandboxed("the container's maps", run_idmap, &no, 0, NULL);
}

static void run_long(const void *row, struct outcome *o)
{
	static const struct thing image[] = { { 'd', "root", NULL }, { 'd', "host", NULL }, { 0 } };
	struct spec_mount mounts[MOST_MOUNTS] = { NEW("overlay", "/x", "ro", "nosuid", "") };
	owned_str lower = STR_INIT;
	struct rootfs r = { 0 };
	struct spec s = { 0 };
	unsigned long flags;
	char name[80];

	(void)row;
	build(o, image);
	str_puts(&lower, "lowerdir=");
	for (int i = 0; i < 8; i++) {
		snprintf(name, sizeof name, "host/%060d", i);
		WANT(o, mkdir(name, 0755) == 0, "mkdir");
		str_printf(&lower, "%s%s", i ? ":" : "", name);
		strcat(name, "/f");
		WANT(o, mkdir(name, 0755) == 0, "mkdir");
	}
	mounts[0].options.v[2] = lower.s;
	mount_them(&r, &s, mounts, o);
	WANT(o, access("root/x/f", F_OK) == 0, "nothing there");
	flags = flags_of("root/x", o);
	WANT(o, (flags & ST_RDONLY) && (flags & ST_NOSUID), "flags %lx", flags);
}

Test(mounts, options_too_long_for_fsconfig)
{
	expect_sandboxed("options of an overlay", run_long, NULL, 0, NULL);
}

/* ---- cgroups ---- */

static void run_cgroup_v1(const void *row, struct outcome *o)
{
	static const struct thing image[] = {
		{ 'd', "root", NULL }, { 'd', "host", NULL }, { 'd', "host/memory", NULL },
		{ 'f', "host/memory/mine", "" }, { 'd', "host/cpu,cpuacct", NULL },
		{ 'f', "host/cpu,cpuacct/mine", "" }, { 'd', "host/unified", NULL }, { 0 },
	};
	const struct cgroup c = {
		.layout = CGROUP_HYBRID,
		.n = 4,
		.h = {
			{ .controllers = "memory", .mount = "/sys/fs/cgroup/memory",
			  .dir = "host/memory" },
			{ .controllers = "cpu,cpuacct", .mount = "/sys/fs/cgroup/cpu,cpuacct",
			  .dir = "host/cpu,cpuacct" },
			{ .controllers = "", .mount = "/sys/fs/cgroup/unified",
			  .dir = "host/unified" },
			{ .controllers = "pids", .mount = "/sys/fs/cgroup/pids" },
		},
	};
	struct spec_mount mounts[MOST_MOUNTS] = {
		NEW("cgroup", "/cg", "nosuid", "nodev", "noexec", "ro"),
	};
	struct rootfs r = { .cgroup = &c };
	struct spec_agent agent = { 0 };
	struct spec s = { .agent = row ? &agent : NULL };
	char link[32] = "";

	build(o, image);
	mount_them(&r, &s, mounts, o);
	WANT(o, access("root/cg/memory/mine", F_OK) == 0, "memory");
	WANT(o, access("root/cg/cpuacct/mine", F_OK) == 0, "cpuacct");
	WANT(o, readlink("root/cg/cpu", link, sizeof link - 1) > 0 &&
	     strcmp(link, "cpu,cpuacct") == 0, "link %s", link);
	WANT(o, access("root/cg/unified", F_OK) < 0, "unified");
	WANT(o, access("root/cg/pids", F_OK) < 0, "pids");
	WANT(o, (mkdir("root/cg/new", 0755) < 0) == !!s.agent, "writable");
	WANT(o, mkdir("root/cg/memory/new", 0755) < 0 && errno == EROFS, "memory writable");
}

/* In a cgroup namespace of the container's own cgroup2 is mounted: its top is the container's. */
static void run_cgroup_namespace(const void *row, struct outcome *o)
{
	static const struct thing image[] = { { 'd', "root", NULL }, { 0 } };
	const struct cgroup c = {
		.layout = CGROUP_V2, .n = 1,
		.h = { { .controllers = "", .mount = "/none", .dir = "/none" } },
	};
	struct spec_mount mounts[MOST_MOUNTS] = { NEW("cgroup", "/cg", "nosuid", "ro") };
	struct rootfs r = { .cgroup = &c, .cgroup_ns = true };
	struct spec s = { 0 };

	(void)row;
	build(o, image);
	mount_them(&r, &s, mounts, o);
	WANT(o, access("root/cg/cgroup.procs", F_OK) == 0, "no cgroup2");
	WANT(o, mkdir("root/cg/new", 0755) < 0 && errno == EROFS, "writable");
}

struct v2_row {
	const char *what;
	bool made, confined, own;
};

static void run_cgroup_v2(const void *row, struct outcome *o)
{
	static const struct thing image[] = {
		{ 'd', "root", NULL }, { 'd', "host", NULL }, { 'd', "host/mine", NULL },
		{ 'f', "host/mine/cgroup.procs", "" }, { 0 },
	};
	const struct v2_row *v = row;
	const struct cgroup c = {
		.layout = CGROUP_V2,
		.n = 1,
		.h = { { .controllers = "", .mount = "host",
			 .dir = v->made ? "host/mine" : NULL } },
	};
	struct spec_mount mounts[MOST_MOUNTS] = { NEW("cgroup", "/cg", "nosuid") };
	struct rootfs r = { .cgroup = &c };
	struct spec_agent agent = { 0 };
	struct spec s = { .agent = v->confined ? &agent : NULL };

	build(o, image);
	mount_them(&r, &s, mounts, o);
	WANT(o, access(v->own ? "root/cg/cgroup.procs" : "root/cg/mine", F_OK) == 0, "not bound");
	/* without a cgroup of its own, the host's is not to be written */
	WANT(o, (mkdir("root/cg/new", 0755) == 0) == v->made, "writable");
}

Test(mounts, cgroups)
{
	const struct v2_row rows[] = {
		{ "version 2: the host's, whole", true, false, false },
		{ "version 2, none made", false, false, false },
		{ "version 2, confined", true, true, true },
	};
	bool confined = true;

	expect_sandboxed("version 1", run_cgroup_v1, NULL, 0, NULL);
	expect_sandboxed("version 1, confined", run_cgroup_v1, &confined, 0, NULL);
	expect_sandboxed("in a cgroup namespace", run_cgroup_namespace, NULL, CLONE_NEWCGROUP, NULL);
	for (size_t i = 0; i < ROWS(rows); i++)
		expect_sandboxed(rows[i].what, run_cgroup_v2, &rows[i], 0, NULL);
}

/* ---- in a user namespace ---- */

struct userns_row {
	const char *what;
	struct spec_mount mounts[MOST_MOUNTS];
	const char *refused;
	unsigned long is;	/* ST_* of root/x or what the last mount made */
	const char *at;
};

static void run_userns(const void *row, struct outcome *o)
{
	static const struct thing image[] = {
		{ 'd', "root", NULL }, { 'd', "root/sys", NULL }, { 'd', "root/proc", NULL },
		{ 'd', "host", NULL }, { 'm', "host", "nosuid,ro" }, { 0 },
	};
	const struct userns_row *u = row;
	struct spec_id_mapping map = { 0, 100000, 65536 };
	struct spec_linux l = { .uid_mappings = { &map, 1 }, .gid_mappings = { &map, 1 } };
	struct spec s = { .linux_ = &l };
	struct rootfs r = { .in_userns = true };
	int ends[2], back[2];
	unsigned long flags;
	char c = 0;

	build(o, image);
	WANT(o, chown("root", 100000, 100000) == 0 && pipe(ends) == 0 && pipe(back) == 0, "prepare");
	if (fork() == 0) {
		pid_t parent = getppid();

		_exit(read(ends[0], &c, 1) != 1 || idmap_write(parent, &l, &o->e) < 0 ||
		      write(back[1], &c, 1) != 1);
	}
	WANT(o, unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 && write(ends[1], "x", 1) == 1 &&
	     read(back[0], &c, 1) == 1 && setresuid(0, 0, 0) == 0 && setresgid(0, 0, 0) == 0,
	     "user namespace: %m");
	mount_them(&r, &s, u->mounts, o);
	if (o->r < 0)
		return;
	flags = flags_of(u->at, o);
	WANT(o, (flags & u->is) == u->is, "flags %lx", flags);
}

Test(mounts, user_namespace)
{
	const struct userns_row rows[] = {
		{ "locked flags stay", { BIND("host", "/x", "rbind", "noexec") }, NULL,
		  ST_NOSUID | ST_RDONLY | ST_NOEXEC, "root/x" },
		{ "a locked flag can't be cleared", { BIND("host", "/x", "rbind", "rw") },
		  "locked", 0, "root/x" },
		{ "sysfs of a foreign network is bound", { NEW("sysfs", "/sys", "nosuid", "nodev",
		  "noexec", "ro") }, NULL, ST_NOSUID | ST_NODEV | ST_NOEXEC | ST_RDONLY,
		  "root/sys" },
		{ "and all below is read-only too", { NEW("sysfs", "/sys", "ro") }, NULL,
		  ST_RDONLY, "root/sys/fs/cgroup" },
		{ "tmpfs", { NEW("tmpfs", "/x", "nosuid", "mode=755") }, NULL, ST_NOSUID,
		  "root/x" },
	};

	for (size_t i = 0; i < ROWS(rows); i++)
		expect_sandboxed(rows[i].what, run_userns, &rows[i], 0, rows[i].refused);
}
