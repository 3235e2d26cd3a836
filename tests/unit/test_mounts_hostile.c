/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mounts: what is refused, and what hostile images and neighbours can't have
 * `mounts` make (THREATS A2-A4, A8, A9, D2).  `outside` in the working directory
 * is the host's, and must stay as it is.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>

#include "mounting.h"

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

/* ---- images ---- */

enum { MOST_THINGS = 10 };

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

Test(mounts_hostile, a2_a8_proc_and_sys)
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

Test(mounts_hostile, a4_a9_links)
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

Test(mounts_hostile, what_cannot_be_mounted)
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

/* The kernel that runs this has no SELinux, or none that knows the label. */
Test(mounts_hostile, labels)
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

Test(mounts_hostile, a3_destination_swapped_during_set_up, .timeout = 120)
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

Test(mounts_hostile, d2_source_replaced_after_it_was_judged)
{
	bool here = false, elsewhere = true;
	struct outcome o;

	expect_sandboxed("held by the descriptor", run_replaced, &here, 0, NULL);
	o = expect_sandboxed("opened anew", run_replaced, &elsewhere, 0, "replaced");
	cr_expect(eq(int, o.r, -ESTALE));
}
