/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mounts: what `mounts` makes, and what hostile images can't have it make
 * (THREATS A2-A4, A9, D2).  The container's root is `root` in the working
 * directory; `outside` is the host's and must stay as it is.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/statvfs.h>

#include "base/arena.h"
#include "base/fd.h"
#include "sandbox/cgroup.h"
#include "sandbox/idmap.h"
#include "sandbox/mountopt.h"
#include "sandboxed.h"

enum { MOST_MOUNTS = 4, MOST_THINGS = 10 };

static size_t count(const struct spec_mount *m)
{
	size_t n = 0;

	while (n < MOST_MOUNTS && m[n].destination)
		n++;
	return n;
}

static void mount_them(struct rootfs *r, struct spec *s, const struct spec_mount *m,
		       struct outcome *o)
{
	s->mounts.n = m ? count(m) : 0;
	s->mounts.v = must(calloc(MOST_MOUNTS, sizeof *s->mounts.v));
	if (m)
		memcpy(s->mounts.v, m, s->mounts.n * sizeof *m);
	prepare_root(r, s, o);
}

/* No mount point below the working directory but in `root`. */
static void nothing_outside(struct outcome *o)
{
	char top[PATH_MAX], line[4096], point[4096];
	FILE *f = fopen("/proc/self/mountinfo", "re");
	size_t n;

	WANT(o, f && getcwd(top, sizeof top), "mountinfo");
	n = strlen(top);
	while (f && fgets(line, sizeof line, f)) {
		if (sscanf(line, "%*s %*s %*s %*s %4095s", point) != 1 ||
		    strncmp(point, top, n) != 0 || !point[n])
			continue;
		WANT(o, strncmp(point + n, "/root", 5) == 0 || strncmp(point + n, "/host", 5) == 0,
		     "escaped to %s", point + n);
	}
	if (f)
		fclose(f);
}

/* ---- hostile images ---- */

struct attack {
	const char *what;
	struct thing image[MOST_THINGS];
	struct spec_mount mounts[MOST_MOUNTS];
	const char *refused;	/* part of the error; NULL: it works, and stays inside */
	const char *lands;	/* a mount point then, below the working directory */
	const char *label;	/* linux.mountLabel */
};

static bool is_mount_point(const char *path)
{
	struct statx st;

	return statx(AT_FDCWD, path, 0, STATX_BASIC_STATS, &st) == 0 &&
	       (st.stx_attributes & STATX_ATTR_MOUNT_ROOT);
}

static void run_attack(const void *row, struct outcome *o)
{
	static const struct thing common[] = {
		{ 'd', "root", NULL }, { 'd', "outside", NULL }, { 'd', "host", NULL },
		{ 'f', "host/file", "of the host" }, { 'd', "host/dir", NULL }, { 0 },
	};
	const struct attack *a = row;
	struct spec_linux l = { .mount_label = (char *)a->label };
	struct rootfs r = { 0 };
	struct spec s = { .linux_ = &l };

	build(o, common);
	build(o, a->image);
	mount_them(&r, &s, a->mounts, o);
	nothing_outside(o);
	WANT(o, access("outside/pwned", F_OK) < 0, "written outside");
	if (a->lands && o->r == 0)
		WANT(o, is_mount_point(a->lands), "%s is no mount point", a->lands);
}

static void run_attacks(const struct attack *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		expect_sandboxed(rows[i].what, run_attack, &rows[i], 0, rows[i].refused);
}

Test(mounts, a2_a8_proc_and_sys)
{
	const struct attack rows[] = {
		{ .what = "A2: /proc is a link", .image = { { 'd', "root/etc", NULL },
			{ 'l', "root/proc", "/etc" } },
		  .mounts = { NEW("proc", "/proc", "nosuid") }, .refused = "symbolic link" },
		{ .what = "A2: /proc is a link that leads nowhere",
		  .image = { { 'l', "root/proc", "/nowhere" } },
		  .mounts = { NEW("proc", "/proc", "nosuid") }, .refused = "symbolic link" },
		{ .what = "A2: /sys is a link out", .image = { { 'l', "root/sys", "../outside" } },
		  .mounts = { NEW("sysfs", "/sys", "ro") }, .refused = "symbolic link" },
		{ .what = "A2: a link above procfs", .image = { { 'd', "root/b", NULL },
			{ 'l', "root/a", "b" } },
		  .mounts = { NEW("proc", "/a/proc", "ro") }, .refused = "symbolic link" },
		{ .what = "A2: tmpfs over /proc", .image = { { 'd', "root/proc", NULL } },
		  .mounts = { NEW("tmpfs", "/proc", "ro") }, .refused = "only procfs" },
		{ .what = "A2: volume over /proc", .image = { { 'd', "root/proc", NULL } },
		  .mounts = { BIND("host/dir", "/proc", "rbind") }, .refused = "only procfs" },
		{ .what = "A2: volume over /proc by another name",
		  .image = { { 'd', "root/proc", NULL }, { 'l', "root/x", "/proc" } },
		  .mounts = { BIND("host/dir", "/x", "rbind") }, .refused = "only procfs" },
		{ .what = "A2: volume over a mounted /proc",
		  .image = { { 'd', "root/proc", NULL }, { 'l', "root/x", "/proc" } },
		  .mounts = { NEW("proc", "/proc", "ro"), BIND("host/dir", "/x", "rbind") },
		  .refused = "mounts[1]: " },
		{ .what = "A2: tmpfs over /sys", .image = { { 'd', "root/sys", NULL } },
		  .mounts = { NEW("tmpfs", "/sys", "ro") }, .refused = "only sysfs" },
		{ .what = "A2: a subdirectory of procfs as /proc",
		  .image = { { 'd', "root/proc", NULL } },
		  .mounts = { BIND("/proc/sys", "/proc", "rbind") }, .refused = "only procfs" },
		{ .what = "procfs itself bound to /proc", .image = { { 'd', "root/proc", NULL } },
		  .mounts = { BIND("/proc", "/proc", "rbind") }, .lands = "root/proc" },
		{ .what = "sysfs itself bound to /sys", .image = { { 'd', "root/sys", NULL } },
		  .mounts = { BIND("/sys", "/sys", "rbind", "ro") }, .lands = "root/sys" },
		{ .what = "A8: a file inside /proc", .image = { { 'd', "root/proc", NULL } },
		  .mounts = { NEW("proc", "/proc", "ro"),
			BIND("host/file", "/proc/sys/kernel/core_pattern", "bind") },
		  .refused = "inside /proc" },
		{ .what = "A8: the same through a link", .image = { { 'd', "root/proc", NULL },
			{ 'l', "root/x", "/proc/sys" } },
		  .mounts = { NEW("proc", "/proc", "ro"), NEW("tmpfs", "/x", "ro") },
		  .refused = "inside /proc" },
		{ .what = "LXCFS's file in /proc", .image = { { 'd', "root/proc", NULL } },
		  .mounts = { NEW("proc", "/proc", "ro"),
			BIND("host/file", "/proc/uptime", "bind") },
		  .lands = "root/proc/uptime" },
	};

	run_attacks(rows, ROWS(rows));
}

Test(mounts, a4_a9_links)
{
	const struct attack rows[] = {
		{ .what = "A9: /dev is a link", .image = { { 'd', "root/etc", NULL },
			{ 'l', "root/dev", "/etc" } },
		  .mounts = { NEW("tmpfs", "/dev", "mode=755") }, .refused = "symbolic link" },
		{ .what = "A9: /dev is a link out", .image = { { 'l', "root/dev", "../outside" } },
		  .mounts = { NEW("tmpfs", "/dev", "mode=755") }, .refused = "symbolic link" },
		{ .what = "A4: /var/run -> /run", .image = { { 'd', "root/run", NULL },
			{ 'd', "root/var", NULL }, { 'l', "root/var/run", "/run" } },
		  .mounts = { NEW("tmpfs", "/var/run", "mode=755") }, .lands = "root/run" },
		{ .what = "A4: a link that climbs", .image = { { 'l', "root/x", "../outside" } },
		  .mounts = { BIND("host/dir", "/x", "rbind") }, .lands = "root/outside" },
		{ .what = "A4: a link that climbs to a new file",
		  .image = { { 'l', "root/x", "../../../outside/pwned" } },
		  .mounts = { BIND("host/file", "/x", "bind") }, .lands = "root/outside/pwned" },
		{ .what = "A4: dots in the destination", .image = { { 0 } },
		  .mounts = { BIND("host/dir", "/../../outside", "rbind") },
		  .lands = "root/outside" },
		{ .what = "A4: a link in a volume mounted before",
		  .image = { { 'l', "host/dir/link", "../../../../outside" } },
		  .mounts = { BIND("host/dir", "/v", "rbind"), NEW("tmpfs", "/v/link", "ro") },
		  .lands = "root/outside" },
	};

	run_attacks(rows, ROWS(rows));
}

Test(mounts, what_cannot_be_mounted)
{
	const struct attack rows[] = {
		{ .what = "the root itself", .image = { { 0 } },
		  .mounts = { NEW("tmpfs", "/", "ro") }, .refused = "the root itself" },
		{ .what = "the root itself by dots", .image = { { 0 } },
		  .mounts = { NEW("tmpfs", "/..", "ro") }, .refused = "the root itself" },
		{ .what = "a directory over a file", .image = { { 'f', "root/x", "" } },
		  .mounts = { BIND("host/dir", "/x", "rbind") }, .refused = "not a directory" },
		{ .what = "a file over a directory", .image = { { 'd', "root/x", NULL } },
		  .mounts = { BIND("host/file", "/x", "rbind") }, .refused = "is a directory" },
		{ .what = "no source", .image = { { 0 } },
		  .mounts = { BIND("host/dir", "/x", "rbind"), BIND("/none", "/y", "rbind") },
		  .refused = "mounts[1]: source /none: No such file or directory" },
		{ .what = "an option that tmpfs does not know", .image = { { 0 } },
		  .mounts = { NEW("tmpfs", "/x", "nonsense") },
		  .refused = "mounts[0]: option \"nonsense\"" },
		{ .what = "a value that tmpfs does not take", .image = { { 0 } },
		  .mounts = { NEW("tmpfs", "/x", "size=many") },
		  .refused = "mounts[0]: option \"size=many\"" },
		{ .what = "a bind by its type alone", .image = { { 0 } },
		  .mounts = { NEW("bind", "/x", "ro") },
		  .refused = "mounts[0]: type bind needs the option bind or rbind" },
		{ .what = "no such type", .image = { { 0 } },
		  .mounts = { NEW("nosuchfs", "/x", "ro") },
		  .refused = "mounts[0]: file system type \"nosuchfs\"" },
		{ .what = "tmpcopyup of a bind", .image = { { 0 } },
		  .mounts = { BIND("host/dir", "/x", "rbind", "tmpcopyup") },
		  .refused = "tmpcopyup" },
	};

	run_attacks(rows, ROWS(rows));
}

/* A neighbour that shares a volume exchanges the destination and a link as fast as it can. */
static void run_race(const void *row, struct outcome *o)
{
	static const struct thing image[] = {
		{ 'd', "root", NULL }, { 'd', "outside", NULL }, { 'd', "host", NULL },
		{ 'd', "host/vol", NULL }, { 'd', "host/vol/x", NULL },
		{ 'l', "host/vol/link", "../../outside" }, { 'd', "host/dir", NULL }, { 0 },
	};
	struct spec_mount mounts[MOST_MOUNTS] = {
		BIND("host/vol", "/vol", "rbind"), BIND("host/dir", "/vol/x/new", "rbind"),
		NEW("tmpfs", "/vol/x", "mode=755"),
	};
	size_t landed = 0;
	pid_t neighbour;

	(void)row;
	build(o, image);
	neighbour = fork();
	if (neighbour == 0) {
		alarm(50);
		for (;;)
			renameat2(AT_FDCWD, "host/vol/x", AT_FDCWD, "host/vol/link",
				  RENAME_EXCHANGE);
	}
	for (int i = 0; i < 300; i++) {
		struct rootfs r = { 0 };
		struct spec s = { 0 };
		struct outcome once = { 0 };

		mount_them(&r, &s, mounts, &once);
		nothing_outside(&once);
		WANT(o, access("outside/new", F_OK) < 0, "written outside");
		WANT(o, !*once.wrong, "%s", once.wrong);
		landed += once.r == 0;
		free(s.mounts.v);
		if (r.root_fd >= 0)
			close(r.root_fd);
		umount2("root", MNT_DETACH);
		if (*o->wrong)
			break;
	}
	kill(neighbour, SIGKILL);
	waitpid(neighbour, NULL, 0);
	WANT(o, landed > 0, "never mounted");
}

Test(mounts, a3_destination_swapped_during_set_up, .timeout = 120)
{
	expect_sandboxed("a race", run_race, NULL, 0, NULL);
}

/* ---- sources ---- */

static void run_replaced(const void *row, struct outcome *o)
{
	static const struct thing image[] = {
		{ 'd', "root", NULL }, { 'd', "outside", NULL }, { 'd', "host", NULL },
		{ 'd', "host/dir", NULL }, { 'f', "host/dir/judged", "" },
		{ 'd', "host/evil", NULL }, { 0 },
	};
	const bool *from_elsewhere = row;
	struct spec_mount mounts[MOST_MOUNTS] = { BIND("host/dir", "/x", "rbind") };
	struct rootfs r = { 0 };
	struct spec s = { 0 };

	build(o, image);
	mounts[0].source_fd = open("host/dir", O_PATH | O_CLOEXEC);
	/* the runtime judges in its own mount namespace, before init has one */
	if (*from_elsewhere)
		WANT(o, unshare(CLONE_NEWNS) == 0, "unshare");
	WANT(o, rename("host/dir", "host/moved") == 0 && rename("host/evil", "host/dir") == 0,
	     "rename");
	mount_them(&r, &s, mounts, o);
	if (o->r == 0)
		WANT(o, access("root/x/judged", F_OK) == 0, "not what was judged");
}

Test(mounts, d2_source_replaced_after_it_was_judged)
{
	bool here = false, elsewhere = true;
	struct outcome o;

	expect_sandboxed("held by the descriptor", run_replaced, &here, 0, NULL);
	o = expect_sandboxed("opened anew", run_replaced, &elsewhere, 0, "replaced");
	cr_expect(eq(int, o.r, -ESTALE));
}

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

/* The kernel that runs this has no SELinux, or none that knows the label. */
Test(mounts, labels)
{
#define LABEL "a:b:c:s0:c1,c2"
	const struct attack rows[] = {
		{ .what = "tmpfs", .mounts = { NEW("tmpfs", "/x", "ro") }, .label = LABEL,
		  .refused = "mounts[0]: option \"context=" LABEL "\"" },
		{ .what = "devpts", .mounts = { NEW("devpts", "/x", "newinstance") }, .label = LABEL,
		  .refused = "mounts[0]: option \"context=" LABEL "\"" },
		{ .what = "its own comes first", .mounts = { NEW("tmpfs", "/x", "context=\"own,x\"") },
		  .label = LABEL, .refused = "mounts[0]: option \"context=own,x\"" },
		{ .what = "mqueue", .mounts = { NEW("mqueue", "/x", "nosuid") }, .label = LABEL,
		  .refused = "mounts[0]: linux.mountLabel: label the mqueue" },
		{ .what = "proc", .mounts = { NEW("proc", "/proc", "nosuid") }, .label = LABEL,
		  .lands = "root/proc" },
		{ .what = "sysfs", .mounts = { NEW("sysfs", "/sys", "ro") }, .label = LABEL,
		  .lands = "root/sys" },
		{ .what = "a bind", .mounts = { BIND("host/dir", "/x", "rbind") }, .label = LABEL,
		  .lands = "root/x" },
		{ .what = "no label", .mounts = { NEW("tmpfs", "/x", "ro") }, .label = "",
		  .lands = "root/x" },
	};

	run_attacks(rows, ROWS(rows));
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

/* ---- the option table ---- */

Test(mountopt, every_option_is_known_once_and_parses)
{
	const char *const *names = rootfs_mount_options();
	size_t n = 0;

	for (; names[n]; n++) {
		owned_arena a = ARENA_INIT;
		struct strv one = { 0 };
		struct mountopt m;
		struct err e = { 0 };

		strv_add(&a, &one, names[n]);
		cr_expect(eq(int, mountopt_parse(&a, &one, &m, &e), 0), "%s", names[n]);
		/* what the table knows never reaches a file system as data, unless it is a word
		 * of the kernel for superblocks */
		cr_expect(m.data.n == 0 || strcmp(m.data.v[0], names[n]) == 0, "%s", names[n]);
		for (size_t i = 0; i < n; i++)
			cr_expect(strcmp(names[i], names[n]) != 0, "%s twice", names[n]);
	}
	cr_expect(gt(sz, n, 55));
}

Test(mountopt, data)
{
	static const struct { const char *text, *data; } rows[] = {
		{ "mode=755", "mode=755" },
		{ "size=1m,mode=755,,", "size=1m|mode=755" },
		{ "mpol=bind:0,2", "mpol=bind:0,2" },
		{ "context=\"a:b:c1,c2\",x", "context=a:b:c1,c2|x" },
		{ "nosuid", "" },
		{ "sync", "sync" },
		{ "", "" },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		owned_arena a = ARENA_INIT;
		owned_str got = STR_INIT;
		struct strv one = { 0 };
		struct mountopt m;
		struct err e = { 0 };

		strv_add(&a, &one, rows[i].text);
		cr_assert(eq(int, mountopt_parse(&a, &one, &m, &e), 0));
		for (size_t k = 0; k < m.data.n; k++)
			str_printf(&got, "%s%s", k ? "|" : "", m.data.v[k]);
		cr_expect(eq(str, (char *)str_text(&got), (char *)rows[i].data), "%s",
			  rows[i].text);
	}
}
