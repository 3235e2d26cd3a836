/* SPDX-License-Identifier: Apache-2.0 */
/*
 * changes: what is read from the upper directory of real overlays, and of forged
 * ones (THREATS D6).
 */
#include <errno.h>
#include <sys/xattr.h>
#include <time.h>

#include "trees.h"

enum { MOST_XATTRS = 4 };

struct xattr {
	const char *path, *name, *value;
};

struct row {
	const char *what;
	const char *host;	/* shell: makes the workspace */
	const char *inside;	/* shell: what the agent does in the mounted overlay */
	const char *forged;	/* shell: what is done to upper/ behind the overlay's back */
	struct xattr xattrs[MOST_XATTRS];	/* set in upper/ */
	const char *meanwhile;	/* shell: what somebody does to the workspace while the agent works */
	const char *expected;	/* a line for each change: kind, path, and how it is marked */
	bool no_hash;
};

static size_t size_of_value(const struct xattr *x)
{
	enum { VFS_CAPABILITY = 20 };	/* struct vfs_cap_data, revision 2 */

	return strcmp(x->name, "security.capability") == 0 ? VFS_CAPABILITY : strlen(x->value);
}

static void wait_a_tick(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 15000000 }, NULL);
}

static void put(const struct changes *c, struct str *out)
{
	for (size_t i = 0; i < c->n; i++) {
		const struct change *x = &c->v[i];

		str_printf(out, "%s ", change_kind_names[x->kind]);
		str_put_safe(out, x->path, 60);
		if (x->refused)
			str_printf(out, " refused: %s", x->refused);
		if (x->conflict)
			str_printf(out, " conflict: %s", x->conflict);
		str_puts(out, "\n");
	}
	str_puts(out, "");
}

/* What is written is what is read back. */
static void check_loading(struct arena *a, const struct changes *c, struct outcome *o)
{
	owned_str json = STR_INIT, before = STR_INIT, after = STR_INIT;
	struct changes again;

	changes_write(c, &json);
	WANT(o, file_replace(AT_FDCWD, REVIEW_CHANGES, json.s, json.len, 0600, &o->e) == 0, "write");
	if (changes_load(a, AT_FDCWD, &again, &o->e) < 0) {
		wrong(o, "load: %s", o->e.text);
		return;
	}
	put(c, &before);
	put(&again, &after);
	WANT(o, strcmp(before.s, after.s) == 0 && strcmp(c->digest, again.digest) == 0,
	     "loaded: %s", after.s);
	json.s[20] ^= 1;
	WANT(o, file_replace(AT_FDCWD, REVIEW_CHANGES, json.s, json.len, 0600, &o->e) == 0 &&
		changes_load(a, AT_FDCWD, &again, &o->e) < 0, "damage goes unnoticed");
}

static void run(const struct row *row, bool user_xattr, struct outcome *o)
{
	struct review_store s = { .user_xattr = user_xattr };
	owned_fd upper = -1, workspace = -1;
	owned_arena a = ARENA_INIT;
	owned_str text = STR_INIT;
	struct changes c;
	struct timespec t;

	umask(0022);
	in(o, ".", "mkdir ws upper work merged");
	in(o, "ws", row->host);
	wait_a_tick();
	clock_gettime(CLOCK_REALTIME, &t);
	s.since = (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
	if (mount("overlay", "merged", "overlay", 0, user_xattr ?
		  "lowerdir=ws,upperdir=upper,workdir=work,userxattr" :
		  "lowerdir=ws,upperdir=upper,workdir=work,"
		  "redirect_dir=nofollow,metacopy=off,index=off") < 0) {
		wrong(o, "mount: %s", strerror(errno));
		return;
	}
	in(o, "merged", row->inside);
	wait_a_tick();
	in(o, "ws", row->meanwhile);
	WANT(o, umount("merged") == 0, "umount");
	in(o, "upper", row->forged);
	for (const struct xattr *x = row->xattrs; x->path; x++) {
		char path[100];

		snprintf(path, sizeof path, "upper/%s", x->path);
		WANT(o, lsetxattr(path, x->name, x->value, size_of_value(x), 0) == 0, "%s: %s",
		     x->name, strerror(errno));
	}
	upper = open("upper", O_PATH | O_CLOEXEC);
	workspace = open("ws", O_PATH | O_CLOEXEC);
	o->r = changes_read(&a, &s, upper, workspace, !row->no_hash, &c, &o->e);
	if (o->r < 0)
		return;
	put(&c, &text);
	WANT(o, strcmp(text.s, row->expected) == 0, "%s", text.s);
	if (!row->no_hash)
		check_loading(&a, &c, o);
	o->e = (struct err){ 0 };
}

static void run_trusted(const void *row, struct outcome *o)
{
	run(row, false, o);
}

static void run_user(const void *row, struct outcome *o)
{
	run(row, true, o);
}

/* Since Linux 6.6. */
static void probe_user_xattrs(const void *row, struct outcome *o)
{
	(void)row;
	o->r = setxattr(".", "user.x", "", 0, 0) == 0;
}

enum { TRUSTED = 1, USER = 2, BOTH = 3 };

static void expect_changes(const struct row *rows, size_t n, unsigned mounts)
{
	bool user = sandboxed(probe_user_xattrs, NULL, 0).r == 1;

	for (size_t i = 0; i < n; i++) {
		if (mounts & TRUSTED)
			expect_sandboxed(rows[i].what, run_trusted, &rows[i], 0, NULL);
		if ((mounts & USER) && user)
			expect_sandboxed(rows[i].what, run_user, &rows[i], 0, NULL);
	}
}

#define TREE "mkdir -p d/e; echo 1 >a; echo 2 >d/b; echo 3 >d/e/c; ln -s a l; chmod 755 d/b"

Test(changes, read)
{
	const struct row rows[] = {
		{ .what = "nothing", .host = TREE, .inside = "cat a >/dev/null", .expected = "" },
		{ .what = "nothing in an empty one", .expected = "" },
		{ .what = "files of each kind", .host = TREE,
		  .inside = "echo 9 >a; echo 8 >new; rm d/e/c; chmod 600 d/b; ln -s d m; ln -sfn d l",
		  .expected = "modified a\nmode d/b\ndeleted d/e/c\nmodified l\nadded m\nadded new\n" },
		{ .what = "copied up, and as it was", .host = TREE,
		  .inside = "touch a; echo 9 >d/b; echo 2 >d/b; chmod 700 d; chmod 755 d; chown 9 a",
		  .expected = "" },
		{ .what = "without hashes contents are compared, too", .host = TREE, .no_hash = true,
		  .inside = "touch a; ln -sfn a l; touch -r d/b ../r; echo 7 >d/b; touch -r ../r d/b; echo 33 >d/e/c",
		  .expected = "modified d/b\nmodified d/e/c\n" },
		{ .what = "a file of the same size and times", .host = TREE,
		  .inside = "touch -r a ../r; echo 7 >a; touch -r ../r a",
		  .expected = "modified a\n" },
		{ .what = "directories", .host = TREE,
		  .inside = "chmod 700 d; mkdir -p n/m; echo >n/m/f; rm -r d/e; chmod 711 .",
		  .expected = "mode .\nmode d\ndeleted d/e\ndeleted d/e/c\nadded n\nadded n/m\n"
			      "added n/m/f\n" },
		{ .what = "a directory removed and made again", .host = TREE,
		  .inside = "rm -r d; mkdir d; echo 2 >d/b; chmod 755 d/b; mkdir d/e",
		  .expected = "deleted d/e/c\n" },
		{ .what = "what is below an opaque directory", .host = "mkdir -p d/e/f; echo >d/e/f/g",
		  .inside = "rm -r d; mkdir -p d/e; echo >d/h",
		  .expected = "deleted d/e/f\ndeleted d/e/f/g\nadded d/h\n" },
		{ .what = "a whiteout in an opaque directory", .host = TREE,
		  .inside = "rm -r d; mkdir d; echo 2 >d/b; rm d/b",
		  .expected = "deleted d/b\ndeleted d/e\ndeleted d/e/c\n" },
		{ .what = "made and removed", .host = TREE,
		  .inside = "echo >x; rm x; mkdir y; rmdir y", .expected = "" },
		{ .what = "other types", .host = TREE,
		  .inside = "rm a; mkdir a; echo >a/x; rm -r d; echo >d; rm l; echo >l",
		  .expected = "type a\nadded a/x\ntype d\ndeleted d/b\ndeleted d/e\ndeleted d/e/c\n"
			      "type l\n" },
		{ .what = "a link in place of a directory", .host = TREE,
		  .inside = "rm -r d/e; ln -s .. d/e; mv d/b t; rm -r d; ln -s t d",
		  .expected = "type d\ndeleted d/b\ndeleted d/e\ndeleted d/e/c\nadded t\n" },
		{ .what = "replaced by rename", .host = TREE,
		  .inside = "echo 9 >t; mv t a; mv d/b f",
		  .expected = "modified a\ndeleted d/b\nadded f\n" },
		{ .what = "a directory renamed", .host = TREE, .inside = "mv d z",
		  .expected = "deleted d\ndeleted d/b\ndeleted d/e\ndeleted d/e/c\nadded z\n"
			      "added z/b\nadded z/e\nadded z/e/c\n" },
		{ .what = "hard links", .host = "echo >a; ln a b", .inside = "echo 1 >>a; ln a c",
		  .expected = "modified a\nadded c\n" },
		{ .what = "names of any bytes", .host = "printf 1 >\"$(printf 'x\\377')\"",
		  .inside = "printf 2 >\"$(printf 'x\\377')\"; echo >'a\nb'; echo >'-q'; echo >' '",
		  .expected = "added  \nadded -q\nadded a\\x0ab\nmodified x\\xff\n" },
		{ .what = "a sparse file", .inside = "truncate -s 100M s; truncate -s 100G h",
		  .expected = "added h refused: a sparse file of more than 256 MiB\nadded s\n" },
		{ .what = "the group's bit is inherited", .host = "mkdir d; chgrp 9 d; chmod g+s d",
		  .inside = "mkdir d/e; echo >d/e/f", .expected = "added d/e\nadded d/e/f\n" },
	};

	expect_changes(rows, ROWS(rows), BOTH);
}

#define SPECIAL " refused: a set-user-id, set-group-id or sticky "
#define TAIL "which may lead out of the workspace"

Test(changes, d6_refused)
{
	const struct row rows[] = {
		{ .what = "files that are none",
		  .inside = "mknod c c 1 3; mknod b b 7 0; mkfifo p",
		  .expected = "added b refused: a device\nadded c refused: a device\n"
			      "added p refused: a named pipe\n" },
		{ .what = "set-id and sticky", .host = "echo >f; mkdir d; echo >k; chmod 4755 k",
		  .inside = "echo >n; chmod 4755 n; chmod 2755 f; chmod +t d; mkdir s; chmod +t s; "
			    "echo >s/x; touch k",
		  .expected = "mode d" SPECIAL "directory\nmode f" SPECIAL "file\nadded n" SPECIAL
			      "file\nadded s" SPECIAL "directory\nadded s/x refused: it is in a "
			      "directory that is refused\n" },
		{ .what = "links", .host = "ln -s /etc/passwd kept",
		  .inside = "ln -s /etc/passwd a; ln -s .. b; mkdir d; ln -s ../b d/c; "
			    "ln -s ../../x d/d; ln -s s/../x e; ln -s ..x f; ln -s x/.. g; "
			    "ln -s ./ h; ln -s .././../x d/i; touch -h kept",
		  .expected = "added a refused: a link with an absolute path\n"
			      "added b refused: a link that leads out of the workspace\n"
			      "added d\nadded d/c\n"
			      "added d/d refused: a link that leads out of the workspace\n"
			      "added d/i refused: a link that leads out of the workspace\n"
			      "added e refused: a link with \"..\" behind a name, " TAIL "\n"
			      "added f\n"
			      "added g refused: a link with \"..\" behind a name, " TAIL "\n"
			      "added h\n" },
	};

	expect_changes(rows, ROWS(rows), BOTH);
}

#define FOREIGN " refused: an extended attribute that the host's does not have: "
#define MARK " refused: a mark that agentrun's overlay does not make: "

Test(changes, d6_forged_under_trusted)
{
	const struct row rows[] = {
		{ .what = "marks of the other kind of mount", .host = TREE,
		  .forged = "mkdir d; echo >x",
		  .xattrs = { { "d", "user.overlay.opaque", "y" },
			      { "x", "user.overlay.whiteout", "y" } },
		  .expected = "mode d" FOREIGN "user.overlay.opaque\n"
			      "added x" FOREIGN "user.overlay.whiteout\n" },
		{ .what = "marks of this one", .host = TREE,
		  .forged = "mkdir -p d/e; echo 1 >a; echo >x",
		  .xattrs = { { "d", "trusted.overlay.redirect", "/etc" },
			      { "a", "trusted.overlay.metacopy", "" },
			      { "d/e", "trusted.overlay.opaque", "x" },
			      { "x", "trusted.overlay.whiteout", "y" } },
		  .expected = "mode a" MARK "trusted.overlay.metacopy\n"
			      "mode d" MARK "trusted.overlay.redirect\n"
			      "mode d/e" MARK "trusted.overlay.opaque\n"
			      "added x" MARK "trusted.overlay.whiteout\n" },
		{ .what = "an opaque file, an opaque top", .forged = "echo >x",
		  .xattrs = { { "x", "trusted.overlay.opaque", "y" },
			      { ".", "trusted.overlay.opaque", "y" } },
		  .expected = "mode ." MARK "trusted.overlay.opaque\n"
			      "added x" MARK "trusted.overlay.opaque\n" },
		{ .what = "others", .host = "echo >h", .forged = "echo >x; echo >h",
		  .xattrs = { { "x", "security.capability",
				"\1\0\0\2\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0" },
			      { "h", "user.mime", "x" } },
		  .expected = "mode h" FOREIGN "user.mime\nadded x" FOREIGN "security.capability\n" },
		{ .what = "whiteouts by hand", .host = TREE,
		  .forged = "mknod a c 0 0; mknod nothing c 0 0; mkdir n; mknod n/x c 0 0",
		  .expected = "deleted a\nadded n\n" },
	};

	expect_changes(rows, ROWS(rows) - 1, TRUSTED);
	expect_changes(rows + ROWS(rows) - 1, 1, BOTH);
}

Test(changes, d6_forged_under_user)
{
	const struct row rows[] = {
		{ .what = "marks of the other kind of mount", .host = TREE,
		  .forged = "mkdir d",
		  .xattrs = { { "d", "trusted.overlay.opaque", "y" } },
		  .expected = "mode d" FOREIGN "trusted.overlay.opaque\n" },
		{ .what = "marks of this one", .host = TREE,
		  .forged = "mkdir d; echo 1 >a",
		  .xattrs = { { "d", "user.overlay.redirect", "/etc" },
			      { "a", "user.overlay.overlay.opaque", "y" } },
		  .expected = "mode a" MARK "user.overlay.overlay.opaque\n"
			      "mode d" MARK "user.overlay.redirect\n" },
		{ .what = "an opaque directory", .host = TREE, .forged = "mkdir d",
		  .xattrs = { { "d", "user.overlay.opaque", "y" } },
		  .expected = "deleted d/b\ndeleted d/e\ndeleted d/e/c\n" },
	};

	expect_changes(rows, ROWS(rows), USER);
}

#define MEANWHILE " conflict: the host's was changed meanwhile\n"
#define BELOW " conflict: something in it was changed on the host meanwhile\n"
#define GONE " conflict: the host's directory was removed meanwhile\n"

Test(changes, d6_conflicts)
{
	const struct row rows[] = {
		{ .what = "changed on both sides", .host = TREE,
		  .inside = "echo 9 >a; rm d/b; chmod 600 d/e/c; ln -sfn d l; echo 1 >n",
		  .meanwhile = "echo 8 >>a; echo 7 >d/b; echo >>d/e/c; ln -sfn d/e l; echo 2 >n",
		  .expected = "modified a" MEANWHILE "deleted d/b" MEANWHILE "modified d/e/c" MEANWHILE
			      "modified l" MEANWHILE "modified n" MEANWHILE },
		{ .what = "changed alike", .host = TREE,
		  .inside = "echo 9 >a; rm d/b; ln -sfn d l; echo 1 >n; mkdir m; rm -r d/e",
		  .meanwhile = "echo 9 >a; rm d/b; ln -sfn d l; echo 1 >n; mkdir m; rm -r d/e",
		  .expected = "" },
		{ .what = "a directory that is gone", .host = TREE, .inside = "echo >d/n; echo 4 >d/e/c",
		  .meanwhile = "rm -r d",
		  .expected = "added d" GONE "added d/e" GONE "added d/e/c" GONE "added d/n" GONE },
		{ .what = "a directory that became a link", .host = TREE, .inside = "echo >d/n",
		  .meanwhile = "mv d z; ln -s z d",
		  .expected = "type d" MEANWHILE "added d/n" MEANWHILE },
		{ .what = "a deleted directory in which is something new", .host = TREE,
		  .inside = "rm -r d; echo >z", .meanwhile = "echo >d/e/new; rm d/b",
		  .expected = "deleted d" BELOW "deleted d/e" BELOW "deleted d/e/c\n"
			      "deleted d/e/new" MEANWHILE "added z\n" },
		{ .what = "a directory that was moved into a deleted one",
		  .host = "mkdir d z; echo >z/f", .inside = "rm -r d", .meanwhile = "mv z d",
		  .expected = "deleted d" BELOW "deleted d/z" MEANWHILE "deleted d/z/f" MEANWHILE },
		{ .what = "made again, and something new in it", .host = TREE,
		  .inside = "rm -r d; mkdir d", .meanwhile = "echo >d/new",
		  .expected = "deleted d/b\ndeleted d/e\ndeleted d/e/c\ndeleted d/new" MEANWHILE },
		{ .what = "replaced by a file, and something new in it", .host = TREE,
		  .inside = "rm -r d; echo >d", .meanwhile = "echo >d/new",
		  .expected = "type d" BELOW "deleted d/b\ndeleted d/e\ndeleted d/e/c\n"
			      "deleted d/new" MEANWHILE },
		{ .what = "another file system", .host = TREE, .inside = "echo 7 >d/b; rm d/e/c; rm a",
		  .meanwhile = "mount -t tmpfs x d/e; mount --bind l a",
		  .expected = "deleted a conflict: another file system is mounted there on the host\n"
			      "modified d/b\n"
			      "added d/e conflict: another file system is mounted there on the host\n" },
	};

	expect_changes(rows, ROWS(rows), BOTH);
}

/* ---- trees that are only made to be read ---- */

/* An agent may make them deeper than any path is long. */
static void run_deep(const void *row, struct outcome *o)
{
	owned_arena a = ARENA_INIT;
	int top = open(".", O_PATH | O_CLOEXEC);
	struct changes c;

	(void)row;
	in(o, ".", "mkdir upper ws");
	WANT(o, chdir("upper") == 0, "chdir");
	for (int i = 0; i < 10000; i++)
		WANT(o, mkdir("d", 0755) == 0 && chdir("d") == 0, "mkdir");
	WANT(o, fchdir(top) == 0, "fchdir");
	c = read_trees(&a, true, o).c;
	WANT(o, c.n == 2049, "%zu changes", c.n);
	for (size_t i = 0; o->r == 0 && i < c.n; i++)
		WANT(o, (c.v[i].refused != NULL) == (strlen(c.v[i].path) == 4095 && i == c.n - 1) ||
			c.v[i].kind == CHANGE_ADDED, "%zu: %s", i, c.v[i].refused);
}

Test(changes, deep)
{
	expect_sandboxed("10,000 levels", run_deep, NULL, 0, NULL);
}

/* What a reviewer saw is told by the digest. */
static void run_digest(const void *row, struct outcome *o)
{
	static const char *const steps[] = {
		"echo 1 >upper/a", "echo 2 >upper/a", "chmod 600 upper/a", "mv upper/a upper/b",
		"echo 3 >ws/b", "echo 4 >ws/b", "echo 44 >ws/b", "rm ws/b; ln -s x ws/b",
	};
	char seen[ROWS(steps)][HASH_HEX];
	owned_arena a = ARENA_INIT;

	(void)row;
	in(o, ".", "mkdir upper ws");
	for (size_t i = 0; i < ROWS(steps); i++) {
		in(o, ".", steps[i]);
		strcpy(seen[i], read_trees(&a, true, o).c.digest);
		WANT(o, strcmp(seen[i], read_trees(&a, true, o).c.digest) == 0, "%zu changes", i);
		for (size_t j = 0; j < i; j++)
			WANT(o, strcmp(seen[i], seen[j]) != 0, "%s", steps[i]);
	}
}

Test(changes, digest)
{
	expect_sandboxed("digest", run_digest, NULL, 0, NULL);
}
