/* SPDX-License-Identifier: Apache-2.0 */
/*
 * workspace: guarded paths can't be written, renamed or recreated, masked ones
 * can't be read, and nothing shows on the host (THREATS D3-D5, D7, D8 as far
 * as the paths exist).
 */
#include <errno.h>
#include <limits.h>

#include "base/arena.h"
#include "base/fd.h"
#include "sandboxed.h"

enum { MOST_THINGS = 16, MOST_CHECKS = 10 };

/* What a process in the container tries: 'w' overwrite the file, 'c' create below the directory,
 * 'n' rename it away, 'u' remove it, 'r' read the word "secret" in it, 'l' find an entry in the
 * directory. */
struct check {
	char what;
	const char *path;
	bool works;
};

struct row {
	const char *what;
	struct thing files[MOST_THINGS];	/* below host/ws, which becomes /ws */
	struct strv guard, mask;
	struct check checks[MOST_CHECKS];
	const char *refused;
	bool shared;
};

static bool attempt(const struct check *c)
{
	char path[PATH_MAX], other[PATH_MAX];
	int fd;

	snprintf(path, sizeof path, "/ws/%s", c->path);
	snprintf(other, sizeof other, "/ws/%s.other", c->path);
	switch (c->what) {
	case 'w':
		fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
		if (fd >= 0)
			close(fd);
		return fd >= 0;
	case 'c':
		snprintf(other, sizeof other, "/ws/%s/new", c->path);
		return mkdir(other, 0755) == 0;
	case 'n':
		return rename(path, other) == 0;
	case 'u':
		return unlink(path) == 0 || rmdir(path) == 0;
	case 'r':
		return strstr(text_of(path), "secret") != NULL;
	case 'l':
		return access(path, F_OK) == 0;
	}
	return false;
}

static size_t mounts_below(const char *top)
{
	char line[4096], point[2048];
	FILE *f = fopen("/proc/self/mountinfo", "re");
	size_t n = 0;

	while (f && fgets(line, sizeof line, f))
		n += sscanf(line, "%*s %*s %*s %*s %2047s", point) == 1 &&
		     strstr(point, top) != NULL;
	if (f)
		fclose(f);
	return n;
}

/* The host: shares its mounts with the container's namespace if the row says so. */
static void run_workspace(const void *row_, struct outcome *o)
{
	static const struct thing common[] = {
		{ 'd', "root", NULL }, { 'd', "root/proc", NULL }, { 'd', "host", NULL },
		{ 'm', "host", "" }, { 'd', "host/ws", NULL }, { 'f', "host/secret", "secret" },
		{ 'd', "host/below", NULL }, { 'm', "host/below", "" }, { 0 },
	};
	const struct row *row = row_;
	struct spec_mount mounts[2] = {
		BIND("host/ws", "/ws", "rbind", "shared"), NEW("proc", "/proc", "nosuid"),
	};
	struct spec_workspace workspace = {
		.destination = "/ws", .guard = row->guard, .mask = row->mask,
	};
	struct spec_agent agent = { .workspace = &workspace };
	struct spec_linux l = { .rootfs_propagation = row->shared ? "shared" : NULL };
	struct spec s = { .linux_ = &l, .agent = &agent, .mounts = { mounts, 2 } };
	struct rootfs r = { 0 };
	size_t before;
	int host = -1, ends[2];
	pid_t pid;

	mounts[0].options.n = row->shared ? 2 : 1;
	build(o, common);
	if (row->shared)
		WANT(o, mount(NULL, "host", NULL, MS_SHARED, NULL) == 0, "share");
	host = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	WANT(o, chdir("host/ws") == 0, "chdir");
	build(o, row->files);
	WANT(o, fchdir(host) == 0 && pipe(ends) == 0, "prepare");
	before = mounts_below("/host");

	pid = fork();
	if (pid > 0) {	/* the host goes on here, and looks whether mounts appear */
		close(ends[1]);
		/* its outcome comes first: what is noted here is added to it */
		WANT(o, read(ends[0], o, sizeof *o) == sizeof *o, "no word of the container");
		WANT(o, mounts_below("/host") == before, "mounts of the host changed");
		WANT(o, strcmp(text_of("host/secret"), "secret") == 0, "host changed");
		waitpid(pid, NULL, 0);
		return;
	}
	if (unshare(CLONE_NEWNS) < 0)
		wrong(o, "unshare");
	prepare_root(&r, &s, o);
	if (o->r < 0 || rootfs_enter(&r, &s, &o->e) < 0)
		wrong(o, "setting up failed");
	else if ((o->r = rootfs_finish(&r, &s, &o->e)) == 0)
		for (const struct check *k = row->checks; k->what; k++)
			WANT(o, attempt(k) == k->works, "%c %s", k->what, k->path);
	_exit(write(ends[1], o, sizeof *o) != sizeof *o);
}

#define GIT { 'd', ".git", NULL }, { 'd', ".git/hooks", NULL }, { 'f', ".git/hooks/pre-commit", "" }, \
	{ 'f', ".git/config", "" }, { 'd', ".git/objects", NULL }, { 'd', "src", NULL }, \
	{ 'f', "src/main.c", "" }

static void protect(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		expect_sandboxed(rows[i].what, run_workspace, &rows[i], 0, rows[i].refused);
}

Test(workspace, d3_d4_guards)
{
	const struct row rows[] = {
		{ .what = "D4: guarded directory and file", .files = { GIT },
		  .guard = STRV(".git/hooks", ".git/config", ".envrc"),
		  .checks = { { 'c', ".git/hooks", false }, { 'w', ".git/hooks/pre-commit", false },
			{ 'w', ".git/config", false }, { 'u', ".git/config", false },
			{ 'n', ".git/hooks", false }, { 'c', ".git/objects", true },
			{ 'c', ".git", true }, { 'w', "src/main.c", true }, { 'c', "src", true } } },
		{ .what = "D3: the guarded path's parent is renamed", .files = { GIT },
		  .guard = STRV(".git/hooks"),
		  .checks = { { 'n', ".git", false }, { 'u', ".git", false },
			{ 'n', "src", true } } },
		{ .what = "guard with what is below", .files = { { 'd', ".vscode", NULL },
			{ 'd', ".vscode/sub", NULL } }, .guard = STRV(".vscode"),
		  .checks = { { 'c', ".vscode", false }, { 'c', ".vscode/sub", false } } },
		{ .what = "deep guard twice", .files = { { 'd', "a", NULL }, { 'd', "a/b", NULL },
			{ 'd', "a/b/c", NULL }, { 'd', "a/b/d", NULL } },
		  .guard = STRV("a/b/c", "./a//b/d/"),
		  .checks = { { 'c', "a/b/c", false }, { 'c', "a/b/d", false },
			{ 'c', "a/b", true }, { 'n', "a/b", false }, { 'n', "a", false } } },
		{ .what = "a worktree's .git is a file", .files = { { 'f', ".git", "gitdir: x" } },
		  .guard = STRV(".git/hooks"), .checks = { { 'w', ".git", false },
			{ 'n', ".git", false } } },
		{ .what = "guard through a link", .files = { GIT, { 'l', "l", ".git" } },
		  .guard = STRV("l/hooks"), .refused = "workspace: guard l/hooks: l is a symbolic" },
		{ .what = "guarded link out", .files = { { 'l', ".envrc", "/etc/passwd" } },
		  .guard = STRV(".envrc"), .refused = ".envrc is a symbolic link" },
		{ .what = "guard that climbs", .files = { GIT }, .guard = STRV("src/../../secret"),
		  .refused = "guard src/../../secret" },
		{ .what = "guard of all", .files = { GIT }, .guard = STRV("."),
		  .refused = "names the workspace itself" },
	};

	protect(rows, ROWS(rows));
}

Test(workspace, masks)
{
	const struct row rows[] = {
		{ .what = "mask by name, anywhere", .mask = STRV(".env", "*.pem"),
		  .files = { { 'f', ".env", "secret" }, { 'd', "a", NULL }, { 'd', "a/b", NULL },
			{ 'f', "a/b/.env", "secret" }, { 'f', "a/key.pem", "secret" },
			{ 'f', "a/env", "secret" } },
		  .checks = { { 'r', ".env", false }, { 'r', "a/b/.env", false },
			{ 'r', "a/key.pem", false }, { 'r', "a/env", true }, { 'l', ".env", true },
			{ 'w', ".env", false }, { 'u', ".env", false }, { 'n', "a/b/.env", false },
			{ 'c', "a/b", true } } },
		{ .what = "masks with a slash", .mask = STRV("/.npmrc", "**/.aws/credentials",
			"conf/*.key", "keys/**"),
		  .files = { { 'f', ".npmrc", "secret" }, { 'd', "sub", NULL },
			{ 'f', "sub/.npmrc", "secret" }, { 'd', "sub/.aws", NULL },
			{ 'f', "sub/.aws/credentials", "secret" }, { 'd', "conf", NULL },
			{ 'f', "conf/a.key", "secret" }, { 'd', "conf/d", NULL },
			{ 'f', "conf/d/a.key", "secret" }, { 'd', "keys", NULL },
			{ 'f', "keys/k", "secret" } },
		  .checks = { { 'r', ".npmrc", false }, { 'r', "sub/.npmrc", true },
			{ 'r', "sub/.aws/credentials", false }, { 'r', "conf/a.key", false },
			{ 'r', "conf/d/a.key", true }, { 'r', "keys/k", false },
			{ 'l', "keys/k", false }, { 'c', "keys", false } } },
		{ .what = "masked path without wildcard", .mask = STRV("a/secret", "a/none"),
		  .files = { { 'd', "a", NULL }, { 'f', "a/secret", "secret" } },
		  .checks = { { 'r', "a/secret", false }, { 'c', "a", true } } },
		{ .what = "D7: without case, with a slash, too", .mask = STRV("Conf/secret", ".aws/*", "/top"),
		  .files = { { 'd', "conf", NULL }, { 'f', "conf/SECRET", "secret" }, { 'd', ".AWS", NULL },
			{ 'f', ".AWS/key", "secret" }, { 'f', "TOP", "secret" }, { 'd', "sub", NULL },
			{ 'f', "sub/top", "secret" } },
		  .checks = { { 'r', "conf/SECRET", false }, { 'r', ".AWS/key", false },
			{ 'r', "TOP", false }, { 'r', "sub/top", true } } },
		{ .what = "a path that no walk comes to", .mask = STRV(".git/config", "node_modules/x/.env"),
		  .files = { GIT, { 'd', "node_modules", NULL }, { 'd', "node_modules/x", NULL },
			{ 'f', "node_modules/x/.env", "secret" } },
		  .checks = { { 'w', ".git/config", false }, { 'r', "node_modules/x/.env", false } } },
		{ .what = "the walk follows no link", .mask = STRV(".env"),
		  .files = { { 'd', "a", NULL }, { 'l', "a/loop", "../a" },
			{ 'f', "a/.env", "secret" } },
		  .checks = { { 'r', "a/.env", false } } },
		{ .what = "too deep and pruned", .mask = STRV("s"),
		  .files = { { 'd', "1", NULL }, { 'd', "1/2", NULL }, { 'd', "1/2/3", NULL },
			{ 'd', "1/2/3/4", NULL }, { 'd', "1/2/3/4/5", NULL },
			{ 'd', "1/2/3/4/5/6", NULL }, { 'd', "1/2/3/4/5/6/7", NULL },
			{ 'f', "1/2/3/4/5/6/7/s", "secret" },
			{ 'd', "1/2/3/4/5/6/7/8", NULL }, { 'f', "1/2/3/4/5/6/7/8/s", "secret" },
			{ 'd', "node_modules", NULL }, { 'f', "node_modules/s", "secret" } },
		  .checks = { { 'r', "1/2/3/4/5/6/7/s", false },
			{ 'r', "1/2/3/4/5/6/7/8/s", true }, { 'r', "node_modules/s", true } } },
	};

	protect(rows, ROWS(rows));
}

Test(workspace, d7_links_to_what_is_masked)
{
	const struct row rows[] = {
		{ .what = "D7: a link to the secret", .mask = STRV(".env"),
		  .files = { { 'd', "a", NULL }, { 'f', "a/real", "secret" },
			{ 'l', ".env", "a/real" } },
		  .checks = { { 'r', ".env", false }, { 'r', "a/real", false } } },
		{ .what = "links out, to nowhere and to itself", .mask = STRV(".env", "x", "y"),
		  .files = { { 'l', ".env", "/secret" }, { 'l', "x", "../../host/secret" },
			{ 'l', "y", "y" }, { 'f', "z", "secret" } },
		  .checks = { { 'r', "z", true } } },
		{ .what = "a link back to the top", .mask = STRV("up"),
		  .files = { { 'l', "up", "." } }, .refused = "mask up: that is the workspace" },
	};

	protect(rows, ROWS(rows));
}

Test(workspace, d8_guard_and_mask)
{
	const struct row rows[] = {
		{ .what = "guard and mask in one directory", .files = { GIT,
			{ 'f', ".git/hooks/.env", "secret" } }, .guard = STRV(".git"),
		  .mask = STRV(".git/hooks/.env"),
		  .checks = { { 'r', ".git/hooks/.env", false }, { 'c', ".git/hooks", false } } },
		{ .what = "D8: shared with the host", .shared = true, .guard = STRV("a"),
		  .mask = STRV(".env"), .files = { { 'd', "a", NULL }, { 'f', ".env", "secret" } },
		  .checks = { { 'c', "a", false }, { 'r', ".env", false } } },
	};

	protect(rows, ROWS(rows));
}
