/* SPDX-License-Identifier: Apache-2.0 */
/* apply: what is brought into the workspace and what never is; nothing is done by halves (THREATS D6). */
#include <errno.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#include "review/apply.h"
#include "trees.h"

struct row {
	const char *what;
	const char *host, *upper;	/* shell: make the trees */
	struct strv paths;
	bool allow_exec;
	const char *meanwhile;		/* shell: between the reading and the writing */
	const char *after;		/* shell: must succeed, in the workspace; nothing else is changed */
	size_t done;
	const char *refused;		/* a part of the error */
};

/* Nothing outside of the workspace is touched: here it would show. */
#define OUTSIDE "{ cat outside/secret; ls -lnR --time-style=full-iso outside; }"

static void run_apply(const void *row_, struct outcome *o)
{
	const struct row *row = row_;
	owned_arena a = ARENA_INIT;
	struct changes chosen, done = { 0 };
	struct trees t;

	umask(0022);
	in(o, ".", "mkdir ws upper outside; echo secret >outside/secret; " OUTSIDE " >before");
	in(o, "ws", row->host);
	in(o, "upper", row->upper);
	t = read_trees(&a, true, o);
	if (o->r < 0)
		return;
	in(o, ".", row->meanwhile);
	o->r = changes_select(&a, &t.c, &row->paths, &chosen, &o->e);
	if (o->r == 0)
		o->r = apply_check(&chosen, NULL, row->allow_exec, &o->e);
	if (o->r == 0)
		o->r = apply_changes(&a, &t.s, &chosen, t.upper, t.workspace, &done, &o->e);
	in(o, "ws", row->after);
	WANT(o, done.n == row->done, "%zu done", done.n);
	in(o, ".", OUTSIDE " | diff before -; ! find ws -name '.agentrun*' | grep .");
	if (o->r < 0 || row->paths.n)
		return;
	/* All of it is there: nothing is left to apply. */
	t = read_trees(&a, true, o);
	WANT(o, t.c.n == 0, "%zu changes are left, the first is %s", t.c.n,
	     t.c.n ? t.c.v[0].path : "");
}

static void expect_applied(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		expect_sandboxed(rows[i].what, run_apply, &rows[i], 0, rows[i].refused);
}

#define TREE "mkdir -p d/e; echo 1 >a; echo 2 >d/b; echo 3 >d/e/c; ln -s a l"

Test(apply, applied)
{
	const struct row rows[] = {
		{ .what = "nothing", .host = TREE, .after = "grep -q 1 a" },
		{ .what = "of each kind", .host = TREE, .allow_exec = true, .done = 8,
		  .upper = "echo 9 >a; mkdir -p d/n/m; echo 5 >d/n/m/f; mknod d/b c 0 0; mkdir d/e; "
			   "echo 3 >d/e/c; chmod 755 d/e/c; ln -s d l; chmod 700 d",
		  .after = "grep -q 9 a; grep -q 5 d/n/m/f; test ! -e d/b; test -x d/e/c; "
			   "test $(readlink l) = d; test $(stat -c %a d) = 700" },
		{ .what = "a directory that goes", .host = TREE, .upper = "mknod d c 0 0", .done = 4,
		  .after = "test ! -e d; test -e a" },
		{ .what = "other types", .host = TREE, .allow_exec = true, .done = 7,
		  .upper = "mkdir a; echo 1 >a/x; echo 2 >d; echo 3 >l",
		  .after = "grep -q 1 a/x; grep -q 2 d; test -f l; grep -q 3 l" },
		{ .what = "a link in place of a directory, and back", .allow_exec = true, .done = 6,
		  .host = TREE "; ln -s a d/e/l", .upper = "ln -s a d; mkdir l",
		  .after = "test $(readlink d) = a; test -d l" },
		{ .what = "the group's bit of a directory stays", .host = "mkdir d; chmod 2755 d",
		  .upper = "mkdir d", .after = "test $(stat -c %a d) = 2755" },
		{ .what = "owner, mode and time", .host = "echo 1 >a; chown 7:8 a; mkdir d; chown 5:6 d",
		  .upper = "echo 2 >a; chmod 640 a; touch -d @1000000000 a; mkdir d; chown 5:6 d; "
			   "echo 3 >d/n; mkdir d/m; ln -s x d/l; chown 9:9 d/n d/m",
		  .allow_exec = true, .done = 4,
		  .after = "test \"$(stat -c %u:%g:%a:%Y a)\" = 7:8:640:1000000000; "
			   "test \"$(stat -c %u:%g d/n d/m d/l | uniq)\" = 5:6" },
		{ .what = "a directory that nobody may write to", .done = 3,
		  .upper = "mkdir -p d/e; echo >d/e/f; chmod 555 d/e d",
		  .after = "test \"$(stat -c %a d d/e | uniq)\" = 555" },
		{ .what = "names", .upper = "echo >'a\nb'; echo >'-x'; echo >\"$(printf '\\377')\"",
		  .done = 3, .after = "test -f ./-x" },
		{ .what = "a sparse file stays one", .upper = "truncate -s 100M s; echo x >>s", .done = 1,
		  .after = "test $(stat -c %s s) = 104857602; test $(stat -c %b s) -lt 2000" },
		{ .what = "files with two names", .host = "echo 1 >a; ln a b; ln a c",
		  .upper = "mknod a c 0 0; mknod b c 0 0; echo 2 >c", .done = 3,
		  .after = "test ! -e a; test ! -e b; grep -q 2 c" },
		{ .what = "paths", .host = TREE, .paths = STRV("./n//m/f", "d/e"), .done = 4,
		  .upper = "mkdir -p n/m n/o; echo >n/m/f; echo >n/m/g; echo 9 >a; mkdir -p d/e; "
			   "echo 4 >d/e/c",
		  .after = "test -e n/m/f; test ! -e n/m/g; test ! -e n/o; grep -q 1 a; grep -q 4 d/e/c" },
	};

	expect_applied(rows, ROWS(rows));
}

Test(apply, d6_nothing_is_applied)
{
	const struct row rows[] = {
		{ .what = "D6: refused", .host = TREE, .upper = "echo 9 >a; mkfifo p",
		  .after = "grep -q 1 a", .refused = "nothing was applied: 1 of 2 changes can never be "
		  "applied:\n  added     p (a named pipe)\n--skip leaves these out" },
		{ .what = "D6: refused, left out", .host = TREE, .upper = "echo 9 >a; mkfifo p",
		  .paths = STRV("a"), .done = 1, .after = "grep -q 9 a; test ! -e p" },
		{ .what = "D6: links that lead out", .host = TREE, .allow_exec = true,
		  .upper = "ln -s /etc x; ln -s ../outside y; echo 9 >a", .after = "grep -q 1 a",
		  .refused = "2 of 3 changes can never be applied" },
		{ .what = "D4: runs code", .upper = "mkdir -p .git/hooks; echo >.git/hooks/pre-commit; "
		  "echo >a", .after = "test ! -e a; test ! -e .git",
		  .refused = ".git/hooks/pre-commit (a git hook)\nlook at them; then --allow-exec" },
		{ .what = "no such path", .upper = "echo >a", .paths = STRV("b"),
		  .refused = "b: nothing is changed there" },
	};

	expect_applied(rows, ROWS(rows));
}

Test(apply, d6_changed_after_review)
{
	const struct row rows[] = {
		{ .what = "D6: upper's file", .host = TREE, .upper = "echo 9 >a",
		  .meanwhile = "echo 8 >upper/a", .after = "grep -q 1 a",
		  .refused = "a: it is not what was reviewed: it changed while it was copied" },
		{ .what = "D6: upper's mode", .host = TREE, .upper = "echo 9 >a",
		  .meanwhile = "chmod 755 upper/a", .after = "grep -q 1 a", .refused = "a: it is not what" },
		{ .what = "D6: upper's link", .upper = "ln -s x l", .allow_exec = true,
		  .meanwhile = "ln -sfn /etc upper/l", .after = "test ! -L l",
		  .refused = "l: it is not what was reviewed" },
		{ .what = "D6: upper's file became a link out", .upper = "echo 9 >n",
		  .meanwhile = "ln -sf ../outside/secret upper/n", .after = "test ! -e n",
		  .refused = "n: it is not what" },
		{ .what = "D6: the host's file", .host = TREE, .upper = "echo 9 >a",
		  .meanwhile = "echo 7 >ws/a", .after = "grep -q 7 a", .refused = "a: the host's was changed" },
		{ .what = "D6: the host's file that goes", .host = TREE, .upper = "mknod a c 0 0",
		  .meanwhile = "echo 7 >ws/a", .after = "grep -q 7 a", .refused = "a: the host's was changed" },
		{ .what = "D6: made on the host", .upper = "echo 9 >n", .meanwhile = "echo 7 >ws/n",
		  .after = "grep -q 7 n", .refused = "n: somebody just made it" },
		{ .what = "D6: made in the host's directory", .host = "mkdir a", .upper = "echo 9 >a",
		  .meanwhile = "echo 7 >ws/a/new", .after = "grep -q 7 a/new",
		  .refused = "a: remove what is in its place: Directory not empty" },
		{ .what = "D6: the host's directory became a link out", .host = TREE,
		  .upper = "mkdir d; echo x >d/secret",
		  .meanwhile = "rm -r ws/d; ln -s ../outside ws/d", .after = "test -L d",
		  .refused = "d/secret: its directory is not there" },
		{ .what = "D6: a directory in it became a link out", .host = TREE,
		  .upper = "mkdir -p d/e; echo x >d/e/secret",
		  .meanwhile = "mv ws/d ws/z; ln -s ../outside ws/d; true",
		  .after = "test -L d", .refused = "d/e/secret: open its directory: Too many levels" },
	};

	expect_applied(rows, ROWS(rows));
}

/* ---- when the disk is full ---- */

static void run_full(const void *row, struct outcome *o)
{
	owned_arena a = ARENA_INIT;
	struct changes done = { 0 };
	struct trees t;

	(void)row;
	in(o, ".", "mkdir ws upper; mount -t tmpfs -o size=64k,mode=755 x ws; echo 1 >ws/b; "
		   "echo 9 >upper/a; head -c 200000 /dev/urandom >upper/b; echo 9 >upper/c");
	t = read_trees(&a, true, o);
	o->r = apply_changes(&a, &t.s, &t.c, t.upper, t.workspace, &done, &o->e);
	in(o, "ws", "grep -q 9 a; grep -q 1 b; test ! -e c; test $(ls -A | wc -l) = 2");
	WANT(o, done.n == 1, "%zu done", done.n);
	/* With room it goes on. */
	WANT(o, mount("x", "ws", NULL, MS_REMOUNT, "size=1m") == 0, "remount");
	t = read_trees(&a, true, o);
	WANT(o, t.c.n == 2, "%zu changes are left", t.c.n);
	WANT(o, apply_changes(&a, &t.s, &t.c, t.upper, t.workspace, &done, &o->e) == 0,
	     "again: %s", o->e.text);
	in(o, ".", "diff -r ws upper; echo 8 >upper/a");
	WANT(o, mount("x", "ws", NULL, MS_REMOUNT | MS_RDONLY, NULL) == 0, "remount");
	t = read_trees(&a, true, o);
	o->r = apply_changes(&a, &t.s, &t.c, t.upper, t.workspace, &done, &o->e);
	WANT(o, strstr(o->e.text, "Read-only file system"), "%s", o->e.text);
}

Test(apply, no_room)
{
	expect_sandboxed("no room, and no writing", run_full, NULL, 0, "a: ");
}

/* ---- many files, which are written to disk together ---- */

#define FILES "for i in $(seq 10 29); do echo "

static void run_no_room_for_two(const void *row, struct outcome *o)
{
	owned_arena a = ARENA_INIT;
	struct changes done = { 0 };
	struct trees t;

	(void)row;
	in(o, ".", "mkdir ws upper; mount -t tmpfs -o size=128k,mode=755 x ws; " FILES "1 >ws/$i; "
		   "echo 2 >upper/$i; done");
	t = read_trees(&a, true, o);
	o->r = apply_changes(&a, &t.s, &t.c, t.upper, t.workspace, &done, &o->e);
	in(o, ".", "diff -r ws upper");
	WANT(o, done.n == 20, "%zu done", done.n);
}

static void run_flushes(const void *row, struct outcome *o)
{
	struct changes done = { 0 };
	int status;

	(void)row;
	in(o, ".", "mkdir ws upper; " FILES "1 >ws/$i; echo 2 >upper/$i; done");
	for (int together = 0; together < 2; together++) {
		owned_arena a = ARENA_INIT;
		struct trees t = read_trees(&a, true, o);
		pid_t pid;

		fflush(NULL);
		pid = fork();
		if (pid == 0) {
			if (!fail_calls(together ? SYS_fsync : SYS_syncfs, -1, SECCOMP_RET_ERRNO | EIO))
				_exit(99);
			_exit(apply_changes(&a, &t.s, &t.c, t.upper, t.workspace, &done, &o->e) < 0 ?
			      done.n == 0 && strstr(o->e.text, "write the files to disk: Input/output") ? 1 : 2 : 0);
		}
		WANT(o, waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
		     WEXITSTATUS(status) == (together ? 0 : 1), "%d: status %x", together, (unsigned)status);
		in(o, ".", "! find ws -name '.agentrun*' | grep .");
		in(o, ".", together ? "diff -r ws upper" : "! grep 2 ws/*");
	}
}

Test(apply, many_files)
{
	const struct row rows[] = {
		{ .what = "all", .host = "mkdir -p 12 14/e; echo >14/e/f; ln -s x 16",
		  .upper = FILES "2 >$i; done; mkdir n; echo 3 >n/f; chmod 500 n", .done = 24,
		  .after = "test $(cat 10 12 14 16 | wc -l) = 4; grep -q 3 n/f" },
		{ .what = "D6: one of them was changed after review", .upper = FILES "2 >$i; done",
		  .meanwhile = "echo 8 >upper/15", .done = 5, .after = "test $(ls | wc -l) = 5",
		  .refused = "15: it is not what was reviewed" },
		{ .what = "D6: one of them was made on the host", .upper = FILES "2 >$i; done",
		  .meanwhile = "echo 7 >ws/15", .done = 5, .after = "test $(ls | wc -l) = 6; grep -q 7 15",
		  .refused = "15: somebody just made it" },
	};

	expect_applied(rows, ROWS(rows));
	expect_sandboxed("room for some at once", run_no_room_for_two, NULL, 0, NULL);
	expect_sandboxed("on disk before they are in place", run_flushes, NULL, 0, NULL);
}

/* ---- when nothing can be renamed, or not in one step ---- */

struct renames {
	const char *what, *host, *upper;
	unsigned exchange, rename;	/* errors of renameat2(2) and of renameat(2); 0: they work */
	const char *after;
	const char *refused;
};

static void run_renames(const void *row_, struct outcome *o)
{
	const struct renames *row = row_;
	owned_arena a = ARENA_INIT;
	struct changes done = { 0 };
	struct trees t;
	int status;
	pid_t pid;

	in(o, ".", "mkdir ws upper");
	in(o, "ws", row->host);
	in(o, "upper", row->upper);
	t = read_trees(&a, true, o);
	fflush(NULL);
	pid = fork();	/* the shell renames, too */
	if (pid == 0) {
		if ((row->exchange && !fail_calls(SYS_renameat2, -1, SECCOMP_RET_ERRNO | row->exchange)) ||
		    (row->rename && !fail_calls(SYS_renameat, -1, SECCOMP_RET_ERRNO | row->rename)))
			_exit(99);
		_exit(apply_changes(&a, &t.s, &t.c, t.upper, t.workspace, &done, &o->e) < 0 ?
		      strstr(o->e.text, row->refused ? row->refused : "?") ? 1 : 2 : 0);
	}
	WANT(o, waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
	     WEXITSTATUS(status) == (row->refused ? 1 : 0), "status %x", (unsigned)status);
	in(o, "ws", row->after);
	in(o, ".", "! find ws -name '.agentrun*' | grep .");
}

/* Old or new at every moment, whatever fails. */
Test(apply, d6_a_directory_in_place_of_a_file_and_back)
{
	static const char file[] = "echo 1 >a; chmod 640 a; chown 5:6 a", directory[] = "mkdir -m 710 a; chown 5:6 a";
	const struct renames rows[] = {
		{ "not at all: file", file, "mkdir a; echo 2 >a/b", EIO, EIO,
		  "grep -q 1 a; test $(stat -c %a:%u:%g a) = 640:5:6", "a: rename it to its place: Input/output" },
		{ "not at all: directory", directory, "echo 2 >a", EIO, EIO,
		  "test -d a; test $(stat -c %a:%u:%g a) = 710:5:6", "a: rename it to its place: Input/output" },
		{ "in two steps: file", file, "mkdir a; echo 2 >a/b", EINVAL, 0, "grep -q 2 a/b", NULL },
		{ "in two steps: directory", directory, "echo 2 >a", EINVAL, 0, "grep -q 2 a", NULL },
		{ "on an overlay: directory", "mkdir -p ../l/a ../u ../k; mount -t overlay -o "
		  "lowerdir=../l,upperdir=../u,workdir=../k overlay .", "echo 2 >a", 0, 0, "grep -q 2 a", NULL },
		{ "the second step fails: directory", directory, "echo 2 >a", EINVAL, EIO,
		  "test -d a; test $(stat -c %a:%u:%g a) = 710:5:6", "a: rename it to its place: Input/output" },
	};

	for (size_t i = 0; i < ROWS(rows); i++)
		expect_sandboxed(rows[i].what, run_renames, &rows[i], 0, NULL);
}

/* ---- when it is killed ---- */

static bool changes_names(unsigned long long call)
{
	static const unsigned long long of[] = { SYS_mkdirat, SYS_renameat, SYS_renameat2, SYS_unlinkat };

	for (size_t i = 0; i < ROWS(of); i++)
		if (call == of[i])
			return true;
	return false;
}

/* Before it begins that one of such calls of its own; false: it came to its end. */
static bool kill_before(pid_t pid, size_t number, struct outcome *o)
{
	struct __ptrace_syscall_info info;
	int status;

	WANT(o, waitpid(pid, &status, 0) == pid && WIFSTOPPED(status) &&
	     ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL) == 0, "not traced");
	while (ptrace(PTRACE_SYSCALL, pid, 0, 0) == 0 && waitpid(pid, &status, 0) == pid && WIFSTOPPED(status))
		if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, &info) > 0 &&
		    info.op == PTRACE_SYSCALL_INFO_ENTRY && changes_names(info.entry.nr) && !number--) {
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
			return true;
		}
	WANT(o, WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %x", (unsigned)status);
	return false;
}

static void run_killed(const void *row_, struct outcome *o)
{
	const struct renames *row = row_;
	struct changes done = { 0 };
	bool killed = true;

	for (size_t number = 0; killed && !*o->wrong; number++) {
		owned_arena a = ARENA_INIT;
		struct trees t;
		pid_t pid;

		in(o, ".", "rm -rf ws upper; mkdir ws upper");
		in(o, "ws", row->host);
		in(o, "upper", row->upper);
		t = read_trees(&a, true, o);
		fflush(NULL);
		pid = fork();
		if (pid == 0) {
			if (row->exchange && !fail_calls(SYS_renameat2, -1, SECCOMP_RET_ERRNO | row->exchange))
				_exit(99);
			ptrace(PTRACE_TRACEME, 0, 0, 0);
			raise(SIGSTOP);
			_exit(apply_changes(&a, &t.s, &t.c, t.upper, t.workspace, &done, &o->e) < 0);
		}
		killed = kill_before(pid, number, o);
		t = read_trees(&a, true, o);
		o->r = apply_changes(&a, &t.s, &t.c, t.upper, t.workspace, &done, &o->e);
		WANT(o, o->r == 0, "again after %zu: %s", number, o->e.text);
		in(o, "ws", row->after);
		in(o, ".", "! find ws -name '.agentrun*' | grep .");
		WANT(o, !*o->wrong, "killed before call %zu", number);
	}
}

/* Run again, it does what is left, and nothing of the first is left. */
Test(apply, killed)
{
	const struct renames rows[] = {
		{ "a file, a directory", "echo 1 >a", "echo 2 >a; mkdir b; echo 2 >b/c", 0, 0,
		  "grep -q 2 a; grep -q 2 b/c", NULL },
		{ "file", "echo 1 >a", "mkdir a; echo 2 >a/b", 0, 0, "grep -q 2 a/b", NULL },
		{ "in two steps: file", "echo 1 >a", "mkdir a; echo 2 >a/b", EINVAL, 0, "grep -q 2 a/b", NULL },
		{ "in two steps: directory", "mkdir a", "echo 2 >a", EINVAL, 0, "grep -q 2 a", NULL },
		{ "many files", "echo 1 >10", FILES "2 >$i; done", 0, 0, "test $(grep -l 2 * | wc -l) = 20", NULL },
	};

	for (size_t i = 0; i < ROWS(rows); i++)
		expect_sandboxed(rows[i].what, run_killed, &rows[i], 0, NULL);
}

/* ---- what was recorded when the container was deleted ---- */

static void run_recorded(const void *row, struct outcome *o)
{
	static const struct {
		const char *step;
		size_t differ;
	} steps[] = {
		{ "true", 0 }, { "echo 8 >upper/a", 1 }, { "echo 9 >upper/a; echo >upper/n", 1 },
		{ "rm upper/n; rm ws/a", 1 }, { "echo 1 >ws/a; echo >ws/d/new", 1 },
		{ "rm ws/d/new ws/d/b", 0 },
	};
	owned_arena a = ARENA_INIT;
	struct changes reviewed;

	(void)row;
	in(o, ".", "mkdir ws upper; cd ws; " TREE "; cd ../upper; echo 9 >a; mknod d c 0 0");
	reviewed = read_trees(&a, true, o).c;
	for (size_t i = 0; i < ROWS(steps); i++) {
		struct changes c;
		size_t n = 0;

		in(o, ".", steps[i].step);
		c = read_trees(&a, true, o).c;
		for (size_t j = 0; j < c.n; j++)
			n += apply_hindrance(&c.v[j], &reviewed) != NULL;
		WANT(o, n == steps[i].differ, "%s: %zu", steps[i].step, n);
	}
}

Test(apply, d6_recorded)
{
	expect_sandboxed("D6: recorded", run_recorded, NULL, 0, NULL);
}

/* ---- a part, as it is chosen one by one ---- */

static void run_pick(const void *row, struct outcome *o)
{
	owned_arena a = ARENA_INIT;
	struct strv paths = STRV("d", "d/b", "d/e", "n/m/f");
	struct changes all, some;
	owned_str text = STR_INIT;

	(void)row;
	in(o, ".", "mkdir ws upper; cd ws; " TREE "; cd ../upper; mknod d c 0 0; mkdir -p n/m n/o; "
		   "echo >n/m/f; echo >n/g");
	all = read_trees(&a, true, o).c;
	changes_pick(&a, &all, &paths, &some);
	for (size_t i = 0; i < some.n; i++)
		str_printf(&text, "%s ", some.v[i].path);
	/* d and d/e hold d/e/c, which stays. */
	WANT(o, strcmp(text.s, "d/b n n/m n/m/f ") == 0, "%s", text.s);
}

Test(apply, pick)
{
	expect_sandboxed("pick", run_pick, NULL, 0, NULL);
}
