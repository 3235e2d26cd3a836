/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rootfs: devices, entering, sysctl, masked and read-only paths, the console
 * (THREATS A2, A6-A9).
 */
#include <errno.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <termios.h>

#include "base/arena.h"
#include "base/fd.h"
#include "sandbox/idmap.h"
#include "sandboxed.h"

#define MOUNTS(...) .mounts = { (struct spec_mount[]){ __VA_ARGS__ }, \
	sizeof((struct spec_mount[]){ __VA_ARGS__ }) / sizeof(struct spec_mount) }

enum { MOST_THINGS = 12 };

/* ---- devices ---- */

struct device_row {
	const char *what;
	struct thing image[MOST_THINGS];
	bool dev_mount, in_userns;
	struct spec_device device;	/* .path NULL: none */
	const char *refused;
};

static bool is_device(const char *path, unsigned major_, unsigned minor_, mode_t mode)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISCHR(st.st_mode) &&
	       st.st_rdev == makedev(major_, minor_) && (!mode || (st.st_mode & 07777) == mode);
}

static bool is_link(const char *path, const char *target)
{
	char is[PATH_MAX];
	ssize_t n = readlink(path, is, sizeof is - 1);

	if (n < 0)
		return false;
	is[n] = '\0';
	return strcmp(is, target) == 0;
}

static void run_devices(const void *row, struct outcome *o)
{
	static const struct thing common[] = {
		{ 'd', "root", NULL }, { 'd', "outside", NULL }, { 0 },
	};
	const struct device_row *d = row;
	struct spec_mount dev = NEW("tmpfs", "/dev", "nosuid", "mode=755");
	struct spec_device device = d->device;
	struct spec_linux l = { .devices = { &device, device.path ? 1 : 0 } };
	struct spec s = { .linux_ = &l, .mounts = { &dev, d->dev_mount ? 1 : 0 } };
	struct rootfs r = { .in_userns = d->in_userns, .nodes_fd = -1 };

	umask(077);
	build(o, common);
	build(o, d->image);
	prepare_root(&r, &s, o);
	if (o->r == 0)
		o->r = rootfs_devices(&r, &s, &o->e);
	WANT(o, access("outside/null", F_OK) < 0 && access("outside/ptmx", F_OK) < 0, "outside");
	if (o->r < 0)
		return;
	/* a bind shows the host's mode */
	WANT(o, is_device("root/dev/null", 1, 3, d->in_userns ? 0 : 0666), "null");
	WANT(o, is_device("root/dev/zero", 1, 5, 0), "zero");
	WANT(o, is_device("root/dev/full", 1, 7, 0), "full");
	WANT(o, is_device("root/dev/random", 1, 8, 0), "random");
	WANT(o, is_device("root/dev/urandom", 1, 9, 0), "urandom");
	WANT(o, is_device("root/dev/tty", 5, 0, 0), "tty");
	WANT(o, is_link("root/dev/fd", "/proc/self/fd"), "fd");
	WANT(o, is_link("root/dev/stdin", "/proc/self/fd/0"), "stdin");
	WANT(o, is_link("root/dev/stdout", "/proc/self/fd/1"), "stdout");
	WANT(o, is_link("root/dev/stderr", "/proc/self/fd/2"), "stderr");
	WANT(o, is_link("root/dev/ptmx", "pts/ptmx"), "ptmx");
	WANT(o, is_link("root/dev/core", "/proc/kcore") == (access("/proc/kcore", F_OK) == 0),
	     "core");
	if (device.path) {
		char path[PATH_MAX];
		struct stat st = { 0 };

		snprintf(path, sizeof path, "root%s", device.path);
		WANT(o, lstat(path, &st) == 0, "no device");
		WANT(o, (st.st_mode & 07777) == (device.file_mode.set ? device.file_mode.v : 0666) ||
		     d->in_userns, "mode %o", st.st_mode);
		WANT(o, st.st_uid == (device.uid.set ? device.uid.v : 0), "uid %u", st.st_uid);
	}
}

Test(rootfs, devices)
{
	const struct device_row rows[] = {
		{ .what = "on a tmpfs", .image = { { 'd', "root/dev", NULL } }, .dev_mount = true },
		{ .what = "by bind", .image = { { 'd', "root/dev", NULL } }, .dev_mount = true,
		  .in_userns = true },
		{ .what = "in the image", .image = { { 'd', "root/dev", NULL } } },
		{ .what = "no /dev in the image", .image = { { 0 } } },
		{ .what = "one more, with mode and owner", .dev_mount = true, .image = { { 0 } },
		  .device = { .path = "/dev/net/mine", .type = "c", .major = 10, .minor = 200,
			.file_mode = { true, 0640 }, .uid = { true, 12 } } },
		{ .what = "a pipe", .dev_mount = true, .image = { { 0 } },
		  .device = { .path = "/dev/pipe", .type = "p", .file_mode = { true, 0600 } } },
		{ .what = "a default one given again", .dev_mount = true, .image = { { 0 } },
		  .device = { .path = "/dev/full", .type = "c", .major = 1, .minor = 7,
			.file_mode = { true, 0600 } } },
		{ .what = "outside /dev", .dev_mount = true, .image = { { 0 } },
		  .device = { .path = "/opt/null", .type = "u", .major = 1, .minor = 3 } },
		{ .what = "by bind, and the host has another", .dev_mount = true,
		  .in_userns = true, .image = { { 0 } },
		  .device = { .path = "/dev/null", .type = "c", .major = 1, .minor = 5 },
		  .refused = "linux.devices[0]: /dev/null of the host is not the device 1:5" },
		{ .what = "no such type", .dev_mount = true, .image = { { 0 } },
		  .device = { .path = "/dev/x", .type = "z" }, .refused = "unknown device type" },
		{ .what = "A9: /dev of the image leads out",
		  .image = { { 'l', "root/dev", "../outside" } }, .refused = "symbolic link" },
		{ .what = "A9: /dev of the image leads elsewhere",
		  .image = { { 'd', "root/etc", NULL }, { 'l', "root/dev", "etc" } },
		  .refused = "symbolic link" },
		{ .what = "A6: /dev/null of the image is a file",
		  .image = { { 'd', "root/dev", NULL }, { 'f', "root/dev/null", "" } },
		  .refused = "/dev/null exists and is not the device 1:3" },
		{ .what = "A6: /dev/null of the image is a link",
		  .image = { { 'd', "root/dev", NULL }, { 'l', "root/dev/null", "zero" } },
		  .refused = "/dev/null exists and is not the device 1:3" },
		{ .what = "/dev/ptmx of the image leads out", .image = { { 'd', "root/dev", NULL },
			{ 'l', "root/dev/ptmx", "/outside/ptmx" } } },
	};

	for (size_t i = 0; i < ROWS(rows); i++)
		expect_sandboxed(rows[i].what, run_devices, &rows[i], 0, rows[i].refused);
}

/* ---- entering ---- */

static size_t lines_of(const char *path)
{
	FILE *f = fopen(path, "re");
	size_t n = 0;
	int c;

	while (f && (c = getc(f)) != EOF)
		n += c == '\n';
	if (f)
		fclose(f);
	return n;
}

static void run_enter(const void *row, struct outcome *o)
{
	static const struct thing image[] = {
		{ 'd', "root", NULL }, { 'f', "root/inside", "" }, { 'd', "root/proc", NULL },
		{ 'f', "outside", "" }, { 0 },
	};
	const bool *no_pivot = row;
	struct spec_mount proc = NEW("proc", "/proc", "nosuid");
	struct spec s = { .mounts = { &proc, 1 } };
	struct rootfs r = { .nodes_fd = -1, .no_pivot = *no_pivot };
	char cwd[64] = "";
	struct stat a, b;

	build(o, image);
	prepare_root(&r, &s, o);
	if (o->r == 0)
		o->r = rootfs_enter(&r, &s, &o->e);
	if (o->r < 0)
		return;
	WANT(o, access("/inside", F_OK) == 0, "not inside");
	WANT(o, access("../outside", F_OK) < 0 && access("/usr", F_OK) < 0, "the host is there");
	WANT(o, getcwd(cwd, sizeof cwd) && strcmp(cwd, "/") == 0, "cwd %s", cwd);
	WANT(o, stat("/", &a) == 0 && fstat(r.root_fd, &b) == 0 && a.st_ino == b.st_ino &&
	     a.st_dev == b.st_dev, "root_fd is not the root");
	/* the root and /proc: nothing of the host's is left (pivot), or can be seen (chroot) */
	WANT(o, lines_of("/proc/self/mountinfo") == 2, "%zu mounts",
	     lines_of("/proc/self/mountinfo"));
}

Test(rootfs, enter_leaves_nothing_of_the_host)
{
	bool pivot = false, no_pivot = true;

	expect_sandboxed("pivot", run_enter, &pivot, 0, NULL);
	expect_sandboxed("no pivot", run_enter, &no_pivot, 0, NULL);
}

/* --no-pivot: a process that can mount must not get a full view of procfs back from below. */
static void run_hidden_views(const void *row, struct outcome *o)
{
	static const struct thing image[] = { { 'd', "root", NULL }, { 0 } };
	struct spec s = { 0 };
	struct rootfs r = { .nodes_fd = -1, .no_pivot = true };
	int old_root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	(void)row;
	build(o, image);
	WANT(o, faccessat(old_root, "proc/version", F_OK, 0) == 0, "no /proc to begin with");
	prepare_root(&r, &s, o);
	if (o->r == 0)
		o->r = rootfs_enter(&r, &s, &o->e);
	WANT(o, faccessat(old_root, "proc/version", F_OK, 0) < 0, "/proc of the host");
	WANT(o, faccessat(old_root, "sys/kernel", F_OK, 0) < 0, "/sys of the host");
}

Test(rootfs, no_pivot_hides_procfs_and_sysfs_of_the_host)
{
	expect_sandboxed("no pivot", run_hidden_views, NULL, 0, NULL);
}

/* ---- finishing ---- */

struct finish_row {
	const char *what;
	struct thing image[MOST_THINGS];
	bool no_proc, no_dev, dev_readonly;
	bool readonly;			/* root.readonly */
	bool confined;
	struct strv masked, read_only;
	struct kvs sysctl;
	const char *namespace;		/* of the container's own */
	const char *propagation;
	const char *refused;
	const char *empty[3], *unwritable[3], *writable[3];	/* directories for the latter two */
	const char *present;
};

static bool can_create_in(const char *dir)
{
	char path[PATH_MAX];

	snprintf(path, sizeof path, "%s/new-%d", dir, getpid());
	return mkdir(path, 0755) == 0;
}

static bool is_empty(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return false;
	if (!S_ISDIR(st.st_mode))
		return strcmp(text_of(path), "") == 0;
	return st.st_nlink == 2 && rmdir(path) < 0 && (errno == EBUSY || errno == EROFS) &&
	       !can_create_in(path);
}

static void run_finish(const void *row, struct outcome *o)
{
	static const struct thing common[] = {
		{ 'd', "root", NULL }, { 'd', "root/proc", NULL }, { 'd', "root/data", NULL },
		{ 'd', "root/data/sub", NULL }, { 'f', "root/data/secret", "secret" },
		{ 'd', "root/vol", NULL }, { 'd', "root/vol/in", NULL }, { 'm', "root/vol/in", "" },
		{ 'f', "root/vol/in/file", "" }, { 0 },
	};
	const struct finish_row *f = row;
	struct spec_mount mounts[2] = {
		NEW("tmpfs", "/dev", "nosuid", "mode=755", "ro"),
		NEW("proc", "/proc", "nosuid"),
	};
	struct spec_namespace namespace = { .type = (char *)f->namespace };
	struct spec_linux l = {
		.masked_paths = f->masked, .readonly_paths = f->read_only, .sysctl = f->sysctl,
		.namespaces = { &namespace, f->namespace ? 1 : 0 },
		.rootfs_propagation = (char *)f->propagation,
	};
	struct spec_root root = { .path = "root", .readonly = f->readonly };
	struct spec s = { .linux_ = &l, .root = &root };
	struct rootfs r = { .nodes_fd = -1 };
	struct spec_agent agent = { 0 };

	if (f->confined)
		s.agent = &agent;
	if (!f->dev_readonly)
		mounts[0].options.n--;
	s.mounts.v = mounts + f->no_dev;
	s.mounts.n = 2 - f->no_dev - f->no_proc;
	if (f->no_dev && f->no_proc)
		s.mounts.n = 0;
	build(o, common);
	build(o, f->image);
	prepare_root(&r, &s, o);
	if (o->r == 0 && !f->no_dev)
		o->r = rootfs_devices(&r, &s, &o->e);
	if (o->r == 0)
		o->r = rootfs_enter(&r, &s, &o->e);
	if (o->r < 0)
		wrong(o, "setting up failed");
	else
		o->r = rootfs_finish(&r, &s, &o->e);
	if (o->r < 0)
		return;
	for (size_t i = 0; i < 3; i++) {
		if (f->empty[i])
			WANT(o, is_empty(f->empty[i]), "%s is not empty", f->empty[i]);
		if (f->unwritable[i])
			WANT(o, !can_create_in(f->unwritable[i]) && errno == EROFS, "%s: %m",
			     f->unwritable[i]);
		if (f->writable[i])
			WANT(o, can_create_in(f->writable[i]), "%s: %m", f->writable[i]);
	}
	if (f->present)
		WANT(o, access(f->present, F_OK) == 0, "no %s", f->present);
	if (f->sysctl.n)
		WANT(o, strcmp(text_of("/proc/sys/net/ipv4/ip_default_ttl"), "77\n") == 0, "sysctl");
}

static void run_finishes(const struct finish_row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		expect_sandboxed(rows[i].what, run_finish, &rows[i],
				 CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS, rows[i].refused);
}

Test(rootfs, a6_paths)
{
	const struct finish_row rows[] = {
		{ .what = "masked file and directories", .image = { { 0 } },
		  .masked = STRV("/data/secret", "/proc/kcore", "/data/sub", "/vol", "/none"),
		  .empty = { "/data/secret", "/data/sub", "/vol" }, .writable = { "/data" } },
		{ .what = "masked through a link", .image = { { 'l', "root/l", "/data/secret" } },
		  .masked = STRV("/l"), .empty = { "/data/secret", "/l" } },
		{ .what = "masked path below a file", .image = { { 0 } },
		  .masked = STRV("/data/secret/x"),
		  .refused = "linux.maskedPaths[0]: /data/secret/x: " },
		{ .what = "read-only path below a file", .image = { { 0 } },
		  .read_only = STRV("/none", "/data/secret/x"),
		  .refused = "linux.readonlyPaths[1]: /data/secret/x: " },
		{ .what = "read-only paths, without what is mounted below", .image = { { 0 } },
		  .read_only = STRV("/data", "/vol", "/none", "/proc/sys"),
		  .present = "/vol/in/file",
		  .unwritable = { "/data", "/data/sub", "/vol" }, .writable = { "/", "/vol/in" } },
		{ .what = "read-only paths under a policy", .image = { { 0 } }, .confined = true,
		  .read_only = STRV("/vol"), .unwritable = { "/vol", "/vol/in" } },
		{ .what = "the root as a read-only path", .image = { { 0 } },
		  .read_only = STRV("/data/.."), .unwritable = { "/", "/data" },
		  .writable = { "/vol/in", "/dev" } },
		{ .what = "read-only root", .image = { { 0 } }, .readonly = true,
		  .unwritable = { "/", "/data" }, .writable = { "/vol/in", "/dev" } },
		{ .what = "read-only /dev, with its devices", .image = { { 0 } },
		  .dev_readonly = true, .masked = STRV("/data/secret"),
		  .empty = { "/data/secret" }, .unwritable = { "/dev" }, .writable = { "/" } },
		{ .what = "A6: /dev/null replaced by a file", .no_dev = true,
		  .image = { { 'd', "root/dev", NULL }, { 'f', "root/dev/null", "" } },
		  .masked = STRV("/data/secret"),
		  .refused = "linux.maskedPaths[0]: /data/secret: /dev/null is not the device" },
		{ .what = "A6: /dev/null replaced by a link", .no_dev = true,
		  .image = { { 'd', "root/dev", NULL }, { 'l', "root/dev/null", "/proc/version" } },
		  .masked = STRV("/data/secret"), .refused = "/dev/null is not the device" },
		{ .what = "A6: no /dev/null", .no_dev = true, .image = { { 0 } },
		  .masked = STRV("/data/secret"), .refused = "/dev/null" },
		{ .what = "unbindable root", .image = { { 0 } }, .propagation = "unbindable",
		  .writable = { "/" } },
	};

	run_finishes(rows, ROWS(rows));
}

#define SYSCTL(key, value) { (struct kv[]){ { key, value } }, 1 }

Test(rootfs, a8_sysctl)
{
	const struct finish_row rows[] = {
		{ .what = "sysctl of a namespace", .image = { { 0 } }, .namespace = "network",
		  .sysctl = SYSCTL("net.ipv4.ip_default_ttl", "77"), .read_only = STRV("/proc/sys") },
		{ .what = "sysctl by slashes, which the model has made dots of", .image = { { 0 } },
		  .namespace = "network", .sysctl = SYSCTL("net/ipv4/ip_forward", "1"),
		  .refused = "no namespace" },
		{ .what = "sysctl of a device with a dot", .image = { { 0 } },
		  .namespace = "network", .sysctl = SYSCTL("net.ipv4.conf.lo/1.forwarding", "1"),
		  .refused = "open /proc/sys/net/ipv4/conf/lo.1/forwarding: No such file" },
		{ .what = "sysctl of a namespace that is the host's", .image = { { 0 } },
		  .sysctl = SYSCTL("net.ipv4.ip_forward", "1"),
		  .refused = "linux.sysctl[\"net.ipv4.ip_forward\"]: needs a network namespace" },
		{ .what = "sysctl of the host", .image = { { 0 } }, .namespace = "network",
		  .sysctl = SYSCTL("kernel.hostname", "x"), .refused = "no namespace" },
		{ .what = "sysctl of the host by slashes", .image = { { 0 } }, .namespace = "ipc",
		  .sysctl = SYSCTL("kernel/hostname", "x"), .refused = "no namespace" },
		/* All of these name the host name of the test's own UTS namespace: what gets
		 * through does no harm. */
		{ .what = "sysctl by dots that climb", .image = { { 0 } }, .namespace = "network",
		  .sysctl = SYSCTL("net/../kernel/hostname", "x"), .refused = "not the name" },
		{ .what = "sysctl by slashes that become dots", .image = { { 0 } },
		  .namespace = "network",
		  .sysctl = SYSCTL("net.//.kernel.hostname", "x"), .refused = "not the name" },
		{ .what = "sysctl with nothing in between", .image = { { 0 } },
		  .namespace = "network",
		  .sysctl = SYSCTL("net..ipv4.ip_forward", "1"), .refused = "not the name" },
		{ .what = "sysctl that starts like one", .image = { { 0 } }, .namespace = "ipc",
		  .sysctl = SYSCTL("kernel.semaphore", "1"), .refused = "no namespace" },
		{ .what = "A8: no procfs at /proc", .image = { { 'd', "root/proc/sys", NULL } },
		  .no_proc = true, .namespace = "network",
		  .sysctl = SYSCTL("net.ipv4.ip_forward", "1"), .refused = "no procfs" },
		{ .what = "A8: /proc is a link", .image = { { 'd', "root/p", NULL },
			{ 'l', "root/p/proc", "/data" } }, .no_proc = true, .namespace = "network",
		  .sysctl = SYSCTL("net.ipv4.ip_forward", "1"), .refused = "no procfs" },
	};

	run_finishes(rows, ROWS(rows));
}

/* ---- the console ---- */

struct console_row {
	const char *what;
	struct thing image[MOST_THINGS];
	const char *instead;	/* opened in place of a terminal */
	const char *refused;
};

static void run_console(const void *row, struct outcome *o)
{
	static const struct thing common[] = {
		{ 'd', "root", NULL }, { 'd', "root/dev", NULL }, { 'd', "root/dev/pts", NULL },
		{ 'f', "root/victim", "untouched" }, { 0 },
	};
	const struct console_row *c = row;
	struct spec s = { MOUNTS(NEW("devpts", "/dev/pts", "newinstance", "ptmxmode=0666",
				     "mode=0620")) };
	struct rootfs r = { .nodes_fd = -1 };
	int master, slave, number = -1, unlock = 0;
	char path[64];
	struct stat a, b;

	build(o, common);
	build(o, c->image);
	prepare_root(&r, &s, o);
	if (o->r == 0)
		o->r = rootfs_enter(&r, &s, &o->e);
	if (o->r < 0) {
		wrong(o, "setting up failed");
		return;
	}
	master = open("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	WANT(o, ioctl(master, TIOCGPTN, &number) == 0 && ioctl(master, TIOCSPTLCK, &unlock) == 0,
	     "no terminal: %m");
	snprintf(path, sizeof path, "/dev/pts/%d", number);
	slave = open(c->instead ? c->instead : path, O_PATH | O_CLOEXEC);
	WANT(o, slave >= 0, "no slave: %m");
	o->r = rootfs_console(&r, slave, &o->e);
	WANT(o, strcmp(text_of("/victim"), "untouched") == 0, "victim");
	if (o->r < 0)
		return;
	WANT(o, fstat(slave, &a) == 0 && stat("/dev/console", &b) == 0 && a.st_rdev == b.st_rdev &&
	     a.st_dev == b.st_dev, "not the terminal");
}

Test(rootfs, a7_console)
{
	const struct console_row rows[] = {
		{ "a terminal", { { 0 } }, NULL, NULL },
		{ "over a file of the image", { { 'f', "root/dev/console", "" } }, NULL, NULL },
		{ "over a link", { { 'l', "root/dev/console", "/victim" } }, NULL, "no file" },
		{ "over a directory", { { 'd', "root/dev/console", NULL } }, NULL, "no file" },
		{ "a file in place of the terminal", { { 0 } }, "/victim", "no terminal" },
		{ "a terminal's number outside devpts", { { 't', "root/dev/t", NULL } }, "/dev/t",
		  "no terminal" },
		{ "the multiplexer in place of a terminal", { { 0 } }, "/dev/pts/ptmx",
		  "no terminal" },
	};

	for (size_t i = 0; i < ROWS(rows); i++)
		expect_sandboxed(rows[i].what, run_console, &rows[i], 0, rows[i].refused);
}
