/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: an upper directory that somebody with root inside made, applied.
 *
 * The bytes are a program that fills upper/ and the workspace, and changes both once
 * more after they were read.  Whatever it does, nothing beside the workspace
 * changes, no temporary file stays, the pages are safe to print, and what was
 * applied undisturbed leaves nothing to apply.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "review/apply.h"
#include "review/diff.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define OURS "/dev/shm/fuzz-apply"

static void check(bool true_always, const char *what)
{
	if (true_always)
		return;
	fprintf(stderr, "fuzz_apply: %s (%s)\n", what, strerror(errno));
	abort();
}
#define CHECK(x) check((x), #x)

static void put_file(const char *path, const char *text)
{
	owned_fd fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
}

/* Root in namespaces of its own, before libFuzzer has threads. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	unsigned uid = geteuid(), gid = getegid();
	char map[64];

	(void)argc;
	(void)argv;
	CHECK(unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0);
	put_file("/proc/self/setgroups", "deny");
	snprintf(map, sizeof map, "0 %u 1", uid);
	put_file("/proc/self/uid_map", map);
	snprintf(map, sizeof map, "0 %u 1", gid);
	put_file("/proc/self/gid_map", map);
	CHECK(mkdir(OURS, 0700) == 0 || errno == EEXIST);
	umask(0022);
	return 0;
}

/* ---- the program ---- */

struct input {
	const uint8_t *p, *end;
};

static unsigned next(struct input *in)
{
	return in->p < in->end ? *in->p++ : 0;
}

static const char *pick(struct input *in, const char *const *list)
{
	size_t n = 0;

	while (list[n])
		n++;
	return list[next(in) % n];
}

static const char *const names[] = { "a", "b", "c d", ".git", "\xff\n", ".agentrun-apply-1", NULL };
static const char *const targets[] = {
	"a", "b", "../outside", "../../outside", "/dev/shm/fuzz-apply/outside", "..", ".", "a/..",
	"a/../../outside", "../ws/a", "outside", "/proc/self/fd/3", NULL,
};
static const char *const contents[] = { "", "1\n", "2\n", "\033[2J\r", "a", NULL };
static const char *const marks[] = {
	"user.overlay.opaque", "user.overlay.redirect", "user.overlay.metacopy", "user.overlay.origin",
	"user.overlay.whiteout", "user.other", "trusted.overlay.opaque", NULL,
};
static const char *const values[] = { "y", "x", "", "/outside", NULL };
static const mode_t modes[] = { 0644, 0755, 0600, 0, 04755, 02755, 01777, 0555 };

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

/* One thing at a path of up to three names; what can't be done is left. */
static void step(struct input *in, const char *top)
{
	unsigned what = next(in), depth = 1 + next(in) % 3;
	char path[PATH_MAX];
	size_t n = (size_t)snprintf(path, sizeof path, "%s", top);
	owned_fd fd = -1;

	while (depth--)
		n += (size_t)snprintf(path + n, sizeof path - n, "/%s", pick(in, names));
	switch (what % 10) {
	case 0:
	case 1:
		mkdir(path, 0755);
		break;
	case 2:
	case 3:
		/* Over no link: what the test itself would do outside is no finding. */
		fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0644);
		if (fd >= 0)
			dprintf(fd, "%s", pick(in, contents));
		break;
	case 4:
		(void)!symlink(pick(in, targets), path);
		break;
	case 5:
		mknod(path, S_IFCHR | 0600, 0);
		break;
	case 6:
		mknod(path, next(in) & 1 ? S_IFIFO | 0644 : S_IFSOCK | 0644, 0);
		break;
	case 7:
		fchmodat(AT_FDCWD, path, modes[next(in) % 8], AT_SYMLINK_NOFOLLOW);
		break;
	case 8:
		lsetxattr(path, pick(in, marks), pick(in, values), 1, 0);
		break;
	case 9:
		nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
		break;
	}
}

static void run(struct input *in, unsigned steps)
{
	static const char *const tops[] = { "upper", "ws", NULL };

	while (steps-- && in->p < in->end)
		step(in, pick(in, tops));
}

/* ---- what must hold ---- */

static struct str seen;		/* nftw() hands nothing on */

static int note(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)type;
	(void)ftw;
	str_printf(&seen, "%s %o %ld %ld.%ld %ld.%ld %ld\n", path, st->st_mode, (long)st->st_size,
		   (long)st->st_mtim.tv_sec, st->st_mtim.tv_nsec, (long)st->st_ctim.tv_sec,
		   st->st_ctim.tv_nsec, (long)st->st_nlink);
	return 0;
}

/* All that stat(2) tells of what is outside; free() it. */
static char *outside(void)
{
	CHECK(nftw("outside", note, 8, FTW_PHYS) == 0);
	return str_take(&seen);
}

static int find_temporary(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	return str_has_prefix(path + ftw->base, ".agentrun-apply-2");
}

static void check_page(const struct str *page)
{
	for (size_t i = 0; i < page->len; i++)
		CHECK(page->s[i] == '\n' || ((unsigned char)page->s[i] >= 0x20 && page->s[i] != 0x7f));
}

static void check_pages(const struct diff_view *v)
{
	owned_str summary = STR_INIT, listed = STR_INIT, json = STR_INIT, written = STR_INIT;

	diff_summary(v, &summary);
	diff_names(v->c, false, &listed);
	check_page(&summary);
	check_page(&listed);
	diff_json(v, &json);
	check_page(&json);
	changes_write(v->c, &written);
	check_page(&written);
}

/* Alike but for what can't be applied. */
static void check_done(struct arena *a, const struct review_store *s, int upper, int workspace)
{
	struct changes c;
	struct err e;

	CHECK(changes_read(a, s, upper, workspace, true, &c, &e) == 0);
	for (size_t i = 0; i < c.n; i++) {
		owned_str left = STR_INIT;

		diff_line(&c.v[i], NULL, &left);
		check(c.v[i].refused || c.v[i].conflict, left.s);
	}
}

static struct changes applicable(struct arena *a, const struct changes *all)
{
	struct strv paths = { 0 };
	struct changes some;

	for (size_t i = 0; i < all->n; i++)
		if (!apply_hindrance(&all->v[i], NULL))
			strv_add(a, &paths, all->v[i].path);
	changes_pick(a, all, &paths, &some);
	return some;
}

static void review(struct input *in)
{
	struct review_store s = { .session = "2", .container = "c", .workspace = "ws",
				  .since = INT64_MAX, .user_xattr = true };
	owned_fd upper = open("upper", O_PATH | O_CLOEXEC), workspace = open("ws", O_PATH | O_CLOEXEC);
	owned_arena a = ARENA_INIT;
	struct changes all, some, done;
	struct stat st;
	struct err e = { 0 };
	bool disturbed;
	char *before, *after;
	int r;

	CHECK(upper >= 0 && fstat(workspace, &st) == 0);
	s.device = st.st_dev;
	s.inode = st.st_ino;
	CHECK(changes_read(&a, &s, upper, workspace, true, &all, &e) == 0);
	check_pages(&(struct diff_view){ &s, &all, upper, workspace, true });
	some = applicable(&a, &all);
	CHECK(apply_check(&some, NULL, true, &e) == 0);

	disturbed = in->p < in->end;
	run(in, 4);
	before = outside();
	r = apply_changes(&a, &s, &some, upper, workspace, &done, &e);
	CHECK(r == -e.code && done.n <= some.n);
	after = outside();
	CHECK(strcmp(before, after) == 0);
	free(before);
	free(after);
	CHECK(nftw("ws", find_temporary, 8, FTW_PHYS) == 0);
	if (!disturbed) {
		CHECK(r == 0 && done.n == some.n);
		check_done(&a, &s, upper, workspace);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, data + size };
	unsigned steps = next(&in) % 32;

	CHECK(mount("fuzz", OURS, "tmpfs", 0, "mode=755") == 0 && chdir(OURS) == 0);
	CHECK(mkdir("upper", 0755) == 0 && mkdir("ws", 0755) == 0 && mkdir("outside", 0755) == 0);
	put_file("outside/a", "secret");
	run(&in, steps);
	review(&in);
	CHECK(chdir("/") == 0 && umount2(OURS, MNT_DETACH) == 0);
	return 0;
}
