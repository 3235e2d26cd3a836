/* SPDX-License-Identifier: Apache-2.0 */
/* diff: patches that git takes, and pages that a terminal does not act on. */
#include "review/diff.h"
#include "trees.h"

struct row {
	const char *what;
	const char *host, *upper;	/* shell */
	const char *expected;		/* the patch; NULL: only git looks at it */
	bool terminal;
	bool unlike;			/* git does not keep all of it */
};

static void run_patch(const void *row_, struct outcome *o)
{
	const struct row *row = row_;
	owned_arena a = ARENA_INIT;
	struct trees t;
	int fd;

	umask(0022);
	in(o, ".", "mkdir ws upper");
	in(o, "ws", row->host);
	in(o, "upper", row->upper);
	t = read_trees(&a, true, o);
	fd = open("patch", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	o->r = diff_patch(&(struct diff_view){ &t.s, &t.c, t.upper, t.workspace, row->terminal }, fd,
			  &o->e);
	if (row->expected)
		WANT(o, strcmp(text_of("patch"), row->expected) == 0, "%s", text_of("patch"));
	if (row->terminal || system("command -v git >/dev/null") != 0)
		return;
	/* What git makes of the patch is what the overlay showed. */
	in(o, ".", "mkdir work merged; cp -a ws seen; mount -t overlay overlay merged -o "
		   "lowerdir=ws,upperdir=upper,workdir=work");
	in(o, "seen", "test ! -s ../patch || git apply ../patch 2>../said || { cat ../said; false; }");
	if (!row->unlike)	/* git has no empty directories */
		in(o, ".", "find merged seen -mindepth 1 -type d -empty -delete; "
			   "diff -r --no-dereference merged seen");
}

static void expect_patches(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		expect_sandboxed(rows[i].what, run_patch, &rows[i], 0, NULL);
}

Test(diff, patches)
{
	const struct row rows[] = {
		{ .what = "of each kind", .host = "printf '1\\n2\\n3\\n' >a; echo x >d; echo 1 >m",
		  .upper = "printf '1\\n4\\n3\\n' >a; mknod d c 0 0; echo 1 >m; chmod 755 m; echo n >n",
		  .expected = "diff --git a/a b/a\n--- a/a\n+++ b/a\n@@ -1,3 +1,3 @@\n 1\n-2\n+4\n 3\n"
			"diff --git a/d b/d\ndeleted file mode 100644\n--- a/d\n+++ /dev/null\n"
			"@@ -1 +0,0 @@\n-x\n"
			"diff --git a/m b/m\nold mode 100644\nnew mode 100755\n"
			"diff --git a/n b/n\nnew file mode 100644\n--- /dev/null\n+++ b/n\n"
			"@@ -0,0 +1 @@\n+n\n" },
		{ .what = "empty files, and no newline at the end", .host = ": >e; printf x >p",
		  .upper = ": >n; mknod e c 0 0; printf y >p",
		  .expected = "diff --git a/e b/e\ndeleted file mode 100644\n"
			"diff --git a/n b/n\nnew file mode 100644\n"
			"diff --git a/p b/p\n--- a/p\n+++ b/p\n@@ -1 +1 @@\n-x\n"
			"\\ No newline at end of file\n+y\n\\ No newline at end of file\n" },
		{ .what = "links", .host = "ln -s a l; echo 1 >f; ln -s x g",
		  .upper = "ln -s b l; ln -s f f; echo 2 >g; ln -s c n",
		  .expected = "diff --git a/f b/f\ndeleted file mode 100644\n--- a/f\n+++ /dev/null\n"
			"@@ -1 +0,0 @@\n-1\n"
			"diff --git a/f b/f\nnew file mode 120000\n--- /dev/null\n+++ b/f\n"
			"@@ -0,0 +1 @@\n+f\n\\ No newline at end of file\n"
			"diff --git a/g b/g\ndeleted file mode 120000\n--- a/g\n+++ /dev/null\n"
			"@@ -1 +0,0 @@\n-x\n\\ No newline at end of file\n"
			"diff --git a/g b/g\nnew file mode 100644\n--- /dev/null\n+++ b/g\n"
			"@@ -0,0 +1 @@\n+2\n"
			"diff --git a/l b/l\n--- a/l\n+++ b/l\n@@ -1 +1 @@\n-a\n"
			"\\ No newline at end of file\n+b\n\\ No newline at end of file\n"
			"diff --git a/n b/n\nnew file mode 120000\n--- /dev/null\n+++ b/n\n"
			"@@ -0,0 +1 @@\n+c\n\\ No newline at end of file\n" },
		{ .what = "names", .host = "echo 1 >'a b'; printf 1 >\"$(printf 'x\\377')\"",
		  .upper = "echo 2 >'a b'; printf 2 >\"$(printf 'x\\377')\"; echo 3 >'q\"\\'; echo >'n\n\t'",
		  .expected = NULL },
		{ .what = "a directory in place of a file, and back", .host = "echo >a; mkdir b; echo >b/c",
		  .upper = "mkdir a; echo >a/x; echo >b", .expected = NULL },
		{ .what = "a mode that git does not keep", .host = "echo 1 >a; echo x >d",
		  .expected = "Permissions of a: mode 0644 -> 0600\n"
			"diff --git a/d b/d\ndeleted file mode 100644\n--- a/d\n+++ /dev/null\n"
			"@@ -1 +0,0 @@\n-x\n",
		  .upper = "echo 1 >a; chmod 600 a; mknod d c 0 0" },
		{ .what = "modes that git keeps a part of", .unlike = true,
		  .host = "echo 1 >a; echo 1 >b; echo 1 >c; mkdir d; chmod 777 c",
		  .upper = "echo 1 >a; chmod 777 a; echo 2 >b; chmod 666 b; mkdir -m 777 d w; mkdir u; echo >e; "
			"chmod 0 e; echo >f; chmod 664 f; mknod c c 0 0",
		  .expected = "Permissions of a: mode 0644 -> 0777\n"
			"diff --git a/a b/a\nold mode 100644\nnew mode 100755\n"
			"Permissions of b: mode 0644 -> 0666\n"
			"diff --git a/b b/b\n--- a/b\n+++ b/b\n@@ -1 +1 @@\n-1\n+2\n"
			"diff --git a/c b/c\ndeleted file mode 100755\n--- a/c\n+++ /dev/null\n"
			"@@ -1 +0,0 @@\n-1\n"
			"Permissions of the directory d: mode 0755 -> 0777\n"
			"Permissions of e: mode 0000\n"
			"diff --git a/e b/e\nnew file mode 100644\n--- /dev/null\n+++ b/e\n@@ -0,0 +1 @@\n+\n"
			"diff --git a/f b/f\nnew file mode 100644\n--- /dev/null\n+++ b/f\n@@ -0,0 +1 @@\n+\n"
			"Permissions of the new directory w: mode 0777\n" },
		{ .what = "lines that look like a patch", .host = "printf -- '-- a/x\\n++ b\\n@@ x\\n' >a",
		  .upper = "printf -- '-- a/y\\n++ c\\n@@ y\\ndiff --git a/z b/z\\n' >a",
		  .expected = NULL },
	};

	expect_patches(rows, ROWS(rows));
}

Test(diff, not_shown)
{
	const struct row rows[] = {
		{ .what = "binary", .upper = "printf 'a\\0b' >b", .unlike = true, .terminal = true,
		  .expected = "\033[1mdiff --git a/b b/b\033[m\n\033[1mnew file mode 100644\033[m\n"
			      "\033[1mBinary files /dev/null and b/b differ\033[m\n" },
		{ .what = "what is no file", .upper = "mkfifo p; mknod c c 1 3", .expected = "",
		  .unlike = true },
		{ .what = "control characters", .terminal = true,
		  .upper = "printf '\\033[2Jx\\r\\t\"\\\\ \\303\\251 \\302\\233 \\342\\200\\256\\n' >a",
		  .expected = "\033[1mdiff --git a/a b/a\033[m\n\033[1mnew file mode 100644\033[m\n"
			      "\033[1m--- /dev/null\033[m\n\033[1m+++ b/a\033[m\n"
			      "\033[36m@@ -0,0 +1 @@\033[m\n"
			      "\033[32m+\\x1b[2Jx\\x0d\t\"\\ \xc3\xa9 \\xc2\\x9b \\xe2\\x80\\xae\033[m\n" },
	};

	expect_patches(rows, ROWS(rows));
}

/* A process for each of thousands of files would take minutes. */
static void run_alone(const void *row, struct outcome *o)
{
	owned_arena a = ARENA_INIT;
	struct diff_view v;
	struct trees t;
	struct err e;
	int fd;

	(void)row;
	umask(0022);
	in(o, ".", "mkdir ws upper; printf 'a\nb' >ws/d; mknod upper/d c 0 0; seq 300 >upper/n");
	t = read_trees(&a, true, o);
	v = (struct diff_view){ &t.s, &t.c, t.upper, t.workspace, false };
	in(o, ".", "for d in /bin /usr/bin /usr/local/bin; do test ! -e $d/diff || mount --bind /dev/null $d/diff; done");
	fd = open("patch", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	o->r = diff_patch(&v, fd, &o->e);
	WANT(o, strstr(text_of("patch"), "@@ -1,2 +0,0 @@\n-a\n-b\n\\ No newline at end of file\n") &&
	     strstr(text_of("patch"), "@@ -0,0 +1,300 @@\n+1\n+2\n"), "%s", text_of("patch"));
	in(o, ".", "echo >ws/n");
	t = read_trees(&a, true, o);
	WANT(o, diff_patch(&v, fd, &e) < 0 && strstr(e.text, "diff is not installed"), "compared: %s", e.text);
}

Test(diff, runs_no_program_for_what_is_new_or_gone)
{
	expect_sandboxed("alone", run_alone, NULL, 0, NULL);
}

static void run_pages(const void *row, struct outcome *o)
{
	owned_arena a = ARENA_INIT;
	owned_str summary = STR_INIT, stat = STR_INIT, names = STR_INIT, json = STR_INIT;
	const struct json *tree;
	struct diff_view v;
	struct trees t;

	(void)row;
	umask(0022);
	in(o, ".", "mkdir ws upper; cd ws; printf '1\\n2\\n' >a; echo 9 >z");
	in(o, "upper", "printf '1\\n3\\n4\\n' >a; mkfifo p; ln -s a l; printf '\\0' >b; mkdir d; "
		       "echo >Makefile; echo >\"$(printf 'e\\033')\"; mkdir node_modules; "
		       "for i in $(seq 100); do echo >node_modules/$i; done; echo 9 >z; chmod 666 z; "
		       "mkdir -m 777 w");
	t = read_trees(&a, true, o);
	v = (struct diff_view){ &t.s, &t.c, t.upper, t.workspace, false };
	diff_summary(&v, &summary);
	WANT(o, strstr(summary.s, "Session 1: 110 changes of /ws\n  108 added, 1 modified, 1 with other permissions, 1 binary, "
		       "1 links\n"), "%s", summary.s);
	WANT(o, strstr(summary.s, "May run code on this host:\n  added     Makefile (a build script)\n"),
	     "%s", summary.s);
	WANT(o, strstr(summary.s, "  ... and 81 more: a package that programs load\n"), "%s", summary.s);
	WANT(o, strstr(summary.s, "Refused, and never applied:\n  added     p (a named pipe)\n"), "%s",
	     summary.s);
	WANT(o, strstr(summary.s, "  added     w (anyone on this host may write to it), mode 0777\n"
		       "  mode      z (anyone on this host may write to it), mode 0644 -> 0666\n"), "%s", summary.s);
	WANT(o, strstr(summary.s, "unusual:\n  added     w, mode 0777\n  mode      z, mode 0644 -> 0666\n"), "%s",
	     summary.s);
	WANT(o, strstr(summary.s, t.c.digest) != NULL, "no digest");
	o->r = diff_stat(&v, &stat, &o->e);
	WANT(o, strstr(stat.s, " a | +2 -1\n"), "%s", stat.s);
	WANT(o, strstr(stat.s, " b | binary, 0 -> 1 bytes\n"), "%s", stat.s);
	WANT(o, strstr(stat.s, "106 files changed, 105 insertions(+), 1 deletions(-)\n"), "%s", stat.s);
	WANT(o, strstr(stat.s, " w | directory, mode 0777\n z | +0 -0, mode 0644 -> 0666\n"), "%s", stat.s);
	diff_names(&t.c, false, &names);
	WANT(o, str_has_prefix(names.s, "Makefile\na\nb\nd\n\"e\\033\"\nl\nnode_modules\n"), "%s",
	     names.s);
	diff_json(&v, &json);
	WANT(o, json_parse(&a, json.s, json.len, "json", &tree, &o->e) == 0 &&
		json_get(tree, "changes")->n == t.c.n, "json");
}

Test(diff, pages)
{
	expect_sandboxed("pages", run_pages, NULL, 0, NULL);
}
