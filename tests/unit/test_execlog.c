/* SPDX-License-Identifier: Apache-2.0 */
/*
 * execlog: the programs are really loaded, in a bpffs of the test's own, and commands executed in PID
 * namespaces (THREATS F5 to F7).
 */
#include <errno.h>
#include <linux/sched.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>

#include "sandboxed.h"

#include "base/fd.h"
#include "base/sys.h"
#include "sandbox/execlog.h"
#include "sandbox/execlog_parts.h"

#define NAME "test/of the log"

/* ---- a container: a process that is the first of its PID namespace ---- */

struct box {
	size_t most;
	bool required;
	int (*inside)(void);	/* its exit code */
};

struct seen {
	struct execlog_command c;	/* path and argv are copies */
};

struct log {
	struct seen v[4096];
	size_t n;
	struct execlog_total total;
	pid_t init;
	int init_status;
};

static struct log seen;

static int keep(void *arg, const struct execlog_command *c, struct err *e)
{
	struct log *l = arg;

	if (l->n == ROWS(l->v))
		return err_say(e, E2BIG, "more commands than the test takes");
	l->v[l->n].c = *c;
	l->v[l->n].c.path = strdup(c->path);
	l->v[l->n++].c.argv = memcpy(malloc(c->argv_kept + 1), c->argv, c->argv_kept);
	return 0;
}

static unsigned long long started_at(pid_t pid)
{
	unsigned long long ticks = 0;
	char path[40], *p;

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	p = strrchr(text_of(path), ')');
	for (int field = 2; p && field < 22; field++)
		p = strchr(p + 1, ' ');
	if (p)
		sscanf(p, "%llu", &ticks);
	return ticks;
}

/* The process that waits for a byte, and then is what `inside` says. */
static pid_t begin_box(int (*inside)(void), int *ret_go)
{
	struct clone_args args = { .flags = CLONE_NEWPID, .exit_signal = SIGCHLD };
	int ends[2];
	pid_t pid;
	char c;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	pid = sys_clone3(&args, sizeof args);
	if (pid == 0) {
		close(ends[1]);
		_exit(read(ends[0], &c, 1) == 1 ? inside() : 99);
	}
	close(ends[0]);
	*ret_go = ends[1];
	return pid;
}

static void run_box(const struct box *b, struct outcome *o)
{
	struct execlog_place place;
	int go = -1;

	memset(&seen, 0, sizeof seen);
	seen.init = begin_box(b->inside, &go);
	WANT(o, seen.init > 0, "clone: %m");
	place = (struct execlog_place){ .init = seen.init, .started = started_at(seen.init) };
	o->r = execlog_watch(NAME, &place, b->most ? b->most : EXECLOG_MOST, b->required, &o->e);
	WANT(o, o->r == 0, "watch: %s", o->e.text);
	if (o->r == 0)
		WANT(o, write(go, "", 1) == 1, "write");
	close(go);
	waitpid(seen.init, &seen.init_status, 0);
	if (o->r == 0)
		o->r = execlog_read(NAME, keep, &seen, &seen.total, &o->e);
	WANT(o, o->r == 0, "read: %s", o->e.text);
	WANT(o, seen.total.commands == seen.n, "%llu commands told", seen.total.commands);
}

static void mount_bpffs(struct outcome *o)
{
	WANT(o, mount("test", "/sys/fs/bpf", "bpf", 0, "mode=0700") == 0, "mount a bpffs: %m");
}

/* ---- where it can't be tested ---- */

static int nothing(void)
{
	return 0;
}

static void try_it(const void *row, struct outcome *o)
{
	(void)row;
	mount_bpffs(o);
	run_box(&(struct box){ .inside = nothing }, o);
}

static void skip_unless_it_works(void)
{
	static bool known;
	static struct outcome o;

	if (!known)
		o = sandboxed(try_it, NULL, 0);
	known = true;
	if (o.r == -EOPNOTSUPP || o.r == -EPERM)
		cr_skip_test("%s", o.e.text);
}

/* ---- commands ---- */

static int execute(const char *path, char *const *argv)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		execv(path, argv);
		_exit(127);
	}
	waitpid(pid, &status, 0);
	return status;
}

#define RUN(path, ...) execute((path), (char *[]){ __VA_ARGS__, NULL })
#define SH(text) RUN("/bin/sh", "sh", "-c", text)

/* Is it this command?  The arguments are joined by NULs. */
static bool is(size_t i, const char *path, const char *argv, size_t size)
{
	return i < seen.n && strcmp(seen.v[i].c.path, path) == 0 && seen.v[i].c.argv_size == size &&
	       seen.v[i].c.argv_kept == size && memcmp(seen.v[i].c.argv, argv, size) == 0;
}

#define IS(i, path, argv) is(i, path, argv, sizeof(argv))

static const char *show(void)
{
	static char text[2000];
	owned_str s = STR_INIT;

	for (size_t i = 0; i < seen.n && i < 8; i++) {
		const struct execlog_command *c = &seen.v[i].c;

		str_printf(&s, "[%zu] %d<-%d %d %x %s (%zu of %llu) ", i, c->pid, c->parent, (int)c->end,
			   (unsigned)c->status, c->path, c->argv_kept, c->argv_size);
		for (size_t k = 0; k < c->argv_kept && k < 60; k++)
			str_printf(&s, "%c", c->argv[k] > 31 && c->argv[k] < 127 ? c->argv[k] : '_');
		str_puts(&s, "\n");
	}
	snprintf(text, sizeof text, "%s", str_text(&s));
	return text;
}

static int ordinary(void)
{
	RUN("/bin/true", "a name of its own", "", "two\nlines\t\"'\\", "\xff\xfe", "\033[2J");
	SH("exit 3");
	SH("kill -9 $$");
	SH("exec /bin/false");
	SH("(exit 9); /bin/true 1; /bin/true 2");
	return 0;
}

static void check_ordinary(const void *row, struct outcome *o)
{
	struct timespec now;
	unsigned long long before;

	(void)row;
	mount_bpffs(o);
	clock_gettime(CLOCK_BOOTTIME, &now);
	before = (unsigned long long)now.tv_sec * 1000000000 + (unsigned long long)now.tv_nsec;
	run_box(&(struct box){ .inside = ordinary }, o);
	WANT(o, seen.n == 8 && seen.total.lost == 0, "%zu commands, %llu lost:\n%s", seen.n,
	     seen.total.lost, show());
	if (*o->wrong)
		return;
	WANT(o, IS(0, "/bin/true", "a name of its own\0\0two\nlines\t\"'\\\0\xff\xfe\0\033[2J"), "0");
	WANT(o, IS(1, "/bin/sh", "sh\0-c\0exit 3") && seen.v[1].c.status == 3 << 8, "1");
	WANT(o, IS(2, "/bin/sh", "sh\0-c\0kill -9 $$") && seen.v[2].c.status == SIGKILL, "2");
	WANT(o, seen.v[3].c.end == EXECLOG_REPLACED && seen.v[3].c.pid == seen.v[4].c.pid &&
	     seen.v[3].c.ended <= seen.v[4].c.started, "3");
	WANT(o, IS(4, "/bin/false", "/bin/false") && seen.v[4].c.status == 1 << 8, "4");
	WANT(o, seen.v[6].c.parent == seen.v[5].c.pid && seen.v[7].c.parent == seen.v[5].c.pid, "6, 7");
	for (size_t i = 0; i < seen.n; i++) {
		const struct execlog_command *c = &seen.v[i].c;

		WANT(o, c->started > before && c->ended > c->started &&
		     c->started - before < 50000000000ull, "%zu: times", i);
		WANT(o, i == 3 || c->end == EXECLOG_EXITED, "%zu: end", i);
		WANT(o, !c->unlinked && !c->path_cut, "%zu: flags", i);
		WANT(o, i > 5 || c->parent == seen.init, "%zu: parent %d", i, c->parent);
	}
	if (*o->wrong)
		WANT(o, false, "%s", show());
}

Test(execlog, tells_what_was_executed)
{
	skip_unless_it_works();
	expect_sandboxed("ordinary commands", check_ordinary, NULL, 0, NULL);
}

/* ---- long ones ---- */

enum { LONG = 128 << 10, LONGS = 8 };	/* the kernel's MAX_ARG_STRLEN, with the NUL */

static int long_ones(void)
{
	static char text[LONG], path[5000] = "/";
	char *argv[] = { "true", text, text, text, text, text, text, text, text, NULL };
	int r;

	memset(text, 'x', sizeof text - 1);
	r = execute("/bin/true", argv);
	for (int size = EXECLOG_ARGV_MOST - 8; size < EXECLOG_ARGV_MOST + 8; size++) {
		char *some[] = { "", text + LONG - size, NULL };	/* size + 1 bytes */

		r |= execute("/bin/true", some);
	}
	while (strlen(path) < 3000)
		strcat(path, "./../");
	strcat(path, "bin/true");
	return r | RUN(path, "deep");
}

static void check_long_ones(const void *row, struct outcome *o)
{
	const struct execlog_command *c = &seen.v[0].c;

	(void)row;
	mount_bpffs(o);
	run_box(&(struct box){ .inside = long_ones }, o);
	WANT(o, seen.init_status == 0, "status %x", (unsigned)seen.init_status);
	WANT(o, seen.n == 18 && !seen.total.lost, "%zu commands, %llu lost", seen.n, seen.total.lost);
	if (*o->wrong)
		return;
	WANT(o, c->argv_size == 5 + (unsigned long long)LONG * LONGS, "%llu bytes", c->argv_size);
	WANT(o, c->argv_kept == EXECLOG_ARGV_MOST && memcmp(c->argv, "true\0xxx", 8) == 0, "the first");
	for (size_t k = 5; k < c->argv_kept; k++)
		WANT(o, c->argv[k] == 'x', "byte %zu", k);
	for (size_t i = 1; i < 17; i++) {
		size_t size = EXECLOG_ARGV_MOST - 8 + i;

		c = &seen.v[i].c;
		WANT(o, c->argv_size == size, "%zu: %llu bytes", i, c->argv_size);
		WANT(o, c->argv_kept == (size > EXECLOG_ARGV_MOST ? EXECLOG_ARGV_MOST : size), "%zu", i);
		WANT(o, size > EXECLOG_ARGV_MOST || !c->argv[size - 1], "%zu: the last byte", i);
	}
	c = &seen.v[17].c;
	WANT(o, c->path_cut && strlen(c->path) == EXECLOG_PATH_MOST - 1, "the path");
	WANT(o, c->argv_kept == 5 && strcmp(c->argv, "deep") == 0, "the path's argv");
}

Test(execlog, keeps_the_first_of_long_arguments)
{
	skip_unless_it_works();
	expect_sandboxed("long arguments", check_long_ones, NULL, 0, NULL);
}

/* ---- what hides ---- */

static int copy_to_memfd(void)
{
	owned_str file = STR_INIT;
	struct err e;
	int fd = memfd_create("hidden", MFD_CLOEXEC);

	return file_read(AT_FDCWD, "/bin/true", 64 << 20, &file, &e) < 0 ||
	       fd_write_all(fd, file.s, file.len, "memfd", &e) < 0 ? -1 : fd;
}

static void *execute_from_thread(void *arg)
{
	(void)arg;
	execl("/bin/true", "from a thread", NULL);
	return NULL;
}

/* pid 1 of a namespace in the namespace, and so on. */
static int nested(int depth)
{
	int status = 99;
	pid_t pid;

	if (depth == 0)
		return RUN("/bin/true", "nested");
	if (unshare(CLONE_NEWPID | CLONE_NEWNS) < 0 || (pid = fork()) < 0)
		return 98;
	if (pid == 0)
		_exit(nested(depth - 1));
	waitpid(pid, &status, 0);
	return status;
}

static int hidden(void)
{
	char *argv[] = { "no file", NULL };
	int fd = copy_to_memfd(), status;
	pthread_t thread;
	pid_t pid;

	/* 0: a file without a name */
	if ((pid = fork()) == 0) {
		prctl(PR_SET_NAME, "innocent");
		sys_execveat(fd, "", argv, environ, AT_EMPTY_PATH);
		_exit(127);
	}
	waitpid(pid, &status, 0);
	/* 1: a script: its interpreter's arguments, and the script's path */
	RUN("./script", "./script", "more");
	/* 2: from a thread that isn't the first */
	if ((pid = fork()) == 0) {
		pthread_create(&thread, NULL, execute_from_thread, NULL);
		for (;;)
			pause();
	}
	waitpid(pid, &status, 0);
	/* 3, 4: as many namespaces as can be */
	if ((pid = fork()) == 0)
		_exit(nested(1));
	waitpid(pid, &status, 0);
	if ((pid = fork()) == 0)
		_exit(nested(20));
	waitpid(pid, &status, 0);
	/* 5, 6: orphans, of a user with no rights, in another user namespace */
	if ((pid = fork()) == 0) {
		if (setuid(65534) < 0 || unshare(CLONE_NEWUSER | CLONE_NEWPID) < 0)
			_exit(1);
		if (fork() == 0)
			_exit(RUN("/bin/sh", "sh", "-c", "/bin/true orphan"));
		_exit(0);
	}
	waitpid(pid, &status, 0);
	while (wait(&status) > 0)
		;
	return 0;
}

static void check_hidden(const void *row, struct outcome *o)
{
	(void)row;
	mount_bpffs(o);
	build(o, (struct thing[]){ { 'f', "script", "#!/bin/sh -e\nexit 7\n" },
				   { 'p', "script", "755" }, { 'p', ".", "755" }, { 0 } });
	run_box(&(struct box){ .inside = hidden }, o);
	WANT(o, seen.n == 7 && !seen.total.lost, "%zu commands:\n%s", seen.n, show());
	if (*o->wrong)
		return;
	WANT(o, seen.v[0].c.unlinked && strncmp(seen.v[0].c.path, "/dev/fd/", 8) == 0 &&
	     strcmp(seen.v[0].c.argv, "no file") == 0, "memfd");
	WANT(o, IS(1, "./script", "/bin/sh\0-e\0./script\0more") && seen.v[1].c.status == 7 << 8, "script");
	WANT(o, IS(2, "/bin/true", "from a thread") && seen.v[2].c.end == EXECLOG_EXITED &&
	     seen.v[2].c.status == 0, "thread");
	WANT(o, IS(3, "/bin/true", "nested") && IS(4, "/bin/true", "nested"), "nested");
	WANT(o, IS(6, "/bin/true", "/bin/true\0orphan"), "orphan");
	if (*o->wrong)
		WANT(o, false, "%s", show());
}

Test(execlog, nothing_gets_past_it)
{
	skip_unless_it_works();
	expect_sandboxed("what hides", check_hidden, NULL, 0, NULL);
}

/* ---- arguments that change while they are passed ---- */

static char raced[4000];
static volatile bool stop_racing;

static void *rewrite(void *arg)
{
	(void)arg;
	for (unsigned i = 0; !stop_racing; i++)
		memset(raced, 'a' + (int)(i % 26), sizeof raced - 1);
	return NULL;
}

/* What the program finds itself called with goes to a file. */
static int race(void)
{
	if (unshare(CLONE_NEWNS) < 0 || mount("proc", "/proc", "proc", 0, NULL) < 0)
		return 1;
	for (int i = 0; i < 40; i++) {
		pid_t pid = fork();
		pthread_t thread;
		char name[16];

		snprintf(name, sizeof name, "%d", i);
		if (pid == 0) {
			memset(raced, '-', sizeof raced - 1);
			pthread_create(&thread, NULL, rewrite, NULL);
			usleep(500);
			execl("/bin/sh", "sh", "-c", "cat /proc/$$/cmdline >$0", name, raced, NULL);
			_exit(127);
		}
		waitpid(pid, NULL, 0);
	}
	return 0;
}

static void check_race(const void *row, struct outcome *o)
{
	size_t mixed = 0;

	(void)row;
	mount_bpffs(o);
	run_box(&(struct box){ .inside = race }, o);
	WANT(o, seen.n == 80, "%zu commands", seen.n);
	for (size_t i = 0; i < seen.n && !*o->wrong; i += 2) {
		const struct execlog_command *c = &seen.v[i].c;
		owned_str text = STR_INIT;
		char name[16];

		snprintf(name, sizeof name, "%zu", i / 2);
		WANT(o, file_read(AT_FDCWD, name, 1 << 16, &text, &o->e) == 0, "%s", o->e.text);
		WANT(o, text.len == c->argv_size && memcmp(text.s, c->argv, c->argv_kept) == 0,
		     "%zu: \"%.40s\" ran as something else", i, c->argv + 3);
		mixed += c->argv[c->argv_kept - 2] != '-';
	}
	WANT(o, mixed > 0, "the thread changed nothing");
}

Test(execlog, tells_the_arguments_that_the_program_got)
{
	skip_unless_it_works();
	expect_sandboxed("a race", check_race, NULL, 0, NULL);
}

/* ---- overflow ---- */

enum { FIT = 10, RUNS = 30, TAKES = 96 };	/* bytes of one of them */

static int many(void)
{
	char name[20];

	for (int i = 0; i < RUNS; i++) {
		snprintf(name, sizeof name, "./made%d", i);
		RUN("/bin/sh", "sh", "-c", ">$0", name);
	}
	/* Processes that execute nothing live on. */
	return 42;
}

static void check_overflow(const void *row, struct outcome *o)
{
	const struct box *b = row;

	mount_bpffs(o);
	run_box(b, o);
	WANT(o, seen.n == FIT && seen.total.lost == RUNS - FIT, "%zu commands, %llu lost", seen.n,
	     seen.total.lost);
	WANT(o, seen.init_status == 42 << 8, "status %x", (unsigned)seen.init_status);
	for (int i = 0; i < RUNS; i++) {
		bool want = i < FIT || !b->required;
		char name[20];

		snprintf(name, sizeof name, "./made%d", i);
		WANT(o, (access(name, F_OK) == 0) == want, "%s is%s there", name, want ? " not" : "");
	}
}

Test(execlog, counts_what_overflows)
{
	skip_unless_it_works();
	expect_sandboxed("best-effort", check_overflow,
			 &(struct box){ .inside = many, .most = FIT * TAKES }, 0, NULL);
}

Test(execlog, kills_what_overflows_where_it_is_required)
{
	skip_unless_it_works();
	expect_sandboxed("required", check_overflow,
			 &(struct box){ .inside = many, .most = FIT * TAKES, .required = true }, 0, NULL);
}

/* The container's first process, and what gets in by setns(2) as `exec` does. */
static int first(void)
{
	execl("/bin/true", "the first", NULL);
	return 127;
}

static void check_first(const void *row, struct outcome *o)
{
	(void)row;
	mount_bpffs(o);
	run_box(&(struct box){ .inside = first }, o);
	WANT(o, seen.n == 1 && seen.v[0].c.pid == seen.init && seen.init_status == 0, "%s", show());
	run_box(&(struct box){ .inside = first, .most = 1, .required = true }, o);
	WANT(o, seen.n == 0 && seen.total.lost == 1 && seen.init_status == SIGKILL,
	     "%zu commands, status %x", seen.n, (unsigned)seen.init_status);
}

Test(execlog, knows_the_first_process)
{
	skip_unless_it_works();
	expect_sandboxed("the first", check_first, NULL, 0, NULL);
}

/* Where the runtime itself is in a container: its containers are two namespaces deep. */
static void check_deeper(const void *row, struct outcome *o)
{
	int status = -1;
	pid_t pid;

	mount_bpffs(o);
	pid = fork();
	if (pid == 0) {
		struct outcome inner = { 0 };

		if (mount("proc", "/proc", "proc", 0, NULL) < 0)
			_exit(1);
		run_box(&(struct box){ .inside = first }, &inner);
		_exit(*inner.wrong || seen.n != 1 || seen.init_status != 0 ? 2 : 0);
	}
	waitpid(pid, &status, 0);
	WANT(o, status == 0, "status %x", (unsigned)status);
	(void)row;
}

Test(execlog, works_within_a_container)
{
	skip_unless_it_works();
	expect_sandboxed("deeper", check_deeper, NULL, CLONE_NEWPID, NULL);
}

static int wait_for_byte_of_go(void)
{
	char c;

	return read(STDIN_FILENO, &c, 1) < 0;
}

static void check_others(const void *row, struct outcome *o)
{
	struct execlog_place place;
	struct execlog_total total;
	char path[40];
	int go = -1, other_go = -1, stay[2], ns, others[40];
	pid_t pid, init, other;
	struct err e = { 0 };

	(void)row;
	mount_bpffs(o);
	memset(&seen, 0, sizeof seen);
	WANT(o, pipe2(stay, O_CLOEXEC) == 0 && dup2(stay[0], STDIN_FILENO) == 0, "pipe");
	init = begin_box(wait_for_byte_of_go, &go);
	other = begin_box(first, &other_go);
	place = (struct execlog_place){ .init = init, .started = started_at(init) };
	o->r = execlog_watch(NAME, &place, EXECLOG_MOST, true, &o->e);
	WANT(o, write(go, "", 1) == 1, "write");
	/* The host's commands and another container's are none of it. */
	RUN("/bin/true", "on the host");
	WANT(o, write(other_go, "", 1) == 1, "write");
	waitpid(other, NULL, 0);
	/* What enters is. */
	snprintf(path, sizeof path, "/proc/%d/ns/pid", (int)init);
	ns = open(path, O_RDONLY | O_CLOEXEC);
	if ((pid = fork()) == 0) {
		if (setns(ns, CLONE_NEWPID) < 0)
			_exit(1);
		_exit(RUN("/bin/true", "entered") != 0);
	}
	waitpid(pid, &seen.init_status, 0);
	WANT(o, seen.init_status == 0, "setns");
	close(ns);	/* which would keep the namespace */
	/* Killed by force, all of it: the log is still there. */
	kill(init, SIGKILL);
	waitpid(init, NULL, 0);
	if (o->r == 0)
		o->r = execlog_read(NAME, keep, &seen, &seen.total, &o->e);
	WANT(o, seen.n == 1 && IS(0, "/bin/true", "entered") && seen.v[0].c.end == EXECLOG_EXITED,
	     "%zu commands:\n%s", seen.n, show());

	/* Of some that are begun together one gets the number of this one's namespace, not its log. */
	for (size_t i = 0; i < ROWS(others); i++)
		begin_box(first, &others[i]);
	for (size_t i = 0; i < ROWS(others); i++) {
		WANT(o, write(others[i], "", 1) == 1, "write");
		close(others[i]);
	}
	while (wait(NULL) > 0)
		;
	seen.n = 0;
	WANT(o, execlog_read(NAME, keep, &seen, &total, &e) == 0 && total.commands == 1,
	     "another's commands");

	WANT(o, execlog_free(NAME, &e) == 0, "free: %s", e.text);
	WANT(o, execlog_read(NAME, keep, &seen, &total, &e) == -ENOENT, "it is still there");
	WANT(o, execlog_free(NAME, &e) == 0, "free again: %s", e.text);
	WANT(o, execlog_watch(NAME, &(struct execlog_place){ .init = getpid() }, EXECLOG_MOST, true,
			      &e) == -EOPNOTSUPP, "the host's namespace");
}

Test(execlog, keeps_to_the_container)
{
	skip_unless_it_works();
	expect_sandboxed("others", check_others, NULL, 0, NULL);
}

/* ---- the pinned set ---- */

#define ROOM "/sys/fs/bpf/agentrun"

/* The log of a container of which nothing is executed. */
static int watch_one(const char *name, struct err *e)
{
	struct execlog_place place;
	int go = -1, r;

	place.init = begin_box(nothing, &go);
	place.started = started_at(place.init);
	r = execlog_watch(name, &place, EXECLOG_MOST, false, e);
	close(go);
	waitpid(place.init, NULL, 0);
	return r;
}

static void check_no_bpffs(const void *row, struct outcome *o)
{
	struct execlog_total total;
	struct err e = { 0 };

	(void)row;
	WANT(o, mount("test", "/sys/fs/bpf", "tmpfs", 0, NULL) == 0, "mount");
	WANT(o, watch_one(NAME, &e) == -EOPNOTSUPP && strstr(e.text, "no bpf file system"), "%s", e.text);
	WANT(o, access(ROOM, F_OK) < 0, "a directory was made");
	WANT(o, execlog_read(NAME, keep, &seen, &total, &e) == -ENOENT, "read: %s", e.text);
	WANT(o, execlog_free(NAME, &e) == 0, "free: %s", e.text);
}

Test(execlog, says_that_there_is_no_bpffs)
{
	expect_sandboxed("no bpffs", check_no_bpffs, NULL, 0, NULL);
}

static void check_room(const void *row, struct outcome *o)
{
	struct err e = { 0 };
	struct stat st;

	(void)row;
	mount_bpffs(o);
	WANT(o, mkdir(ROOM, 0700) == 0 && chmod(ROOM, 0755) == 0, "mkdir: %m");
	WANT(o, watch_one(NAME, &e) == -EPERM, "all may read it: %s", e.text);
	WANT(o, chmod(ROOM, 0700) == 0 && chown(ROOM, 1000, 0) == 0, "chown: %m");
	WANT(o, watch_one(NAME, &e) == -EPERM, "another's: %s", e.text);
	WANT(o, rmdir(ROOM) == 0 && symlink("/tmp", ROOM) == 0, "symlink: %m");
	WANT(o, watch_one(NAME, &e) < 0, "a link");
	WANT(o, unlink(ROOM) == 0 && watch_one(NAME, &e) == 0, "%s", e.text);
	WANT(o, stat(ROOM, &st) == 0 && (st.st_mode & 07777) == 0700, "mode %o", st.st_mode);
	WANT(o, stat(ROOM "/execlog-1", &st) == 0 && (st.st_mode & 07777) == 0700, "mode %o", st.st_mode);
}

Test(execlog, keeps_the_set_for_root)
{
	skip_unless_it_works();
	expect_sandboxed("the directory", check_room, NULL, 0, NULL);
}

/* What a version before or after this one may have left: all that is known of it. */
static int pin_old_set(struct outcome *o)
{
	union bpf_attr attr = { .map_type = BPF_MAP_TYPE_HASH, .key_size = 8, .value_size = 4,
				.max_entries = 4 };
	uint64_t key = 1, value = 2;
	int map = sys_bpf(BPF_MAP_CREATE, &attr, sizeof attr);

	WANT(o, map >= 0 && execlog_add(map, &key, &value) == 0, "map: %m");
	WANT(o, mkdir(ROOM "/execlog-0", 0700) == 0, "mkdir: %m");
	memset(&attr, 0, sizeof attr);
	attr.bpf_fd = (unsigned)map;
	attr.pathname = (uintptr_t)ROOM "/execlog-0/sessions";
	WANT(o, sys_bpf(BPF_OBJ_PIN, &attr, sizeof attr) == 0, "pin: %m");
	return map;
}

static void check_versions(const void *row, struct outcome *o)
{
	struct err e = { 0 };
	uint64_t key = 1;
	int map;

	(void)row;
	mount_bpffs(o);
	WANT(o, mkdir(ROOM, 0700) == 0 && mkdir(ROOM "/execlog-new", 0700) == 0, "mkdir: %m");
	map = pin_old_set(o);
	WANT(o, watch_one(NAME, &e) == 0, "%s", e.text);
	WANT(o, access(ROOM "/execlog-new", F_OK) < 0, "what was begun is still there");
	WANT(o, access(ROOM "/execlog-0", F_OK) == 0, "a version went whose session runs");
	WANT(o, execlog_free("another", &e) == 0 && access(ROOM "/execlog-0", F_OK) == 0, "free");
	WANT(o, execlog_delete(map, &key) == 0, "delete");
	WANT(o, execlog_free("another", &e) == 0, "%s", e.text);
	WANT(o, access(ROOM "/execlog-0", F_OK) < 0, "a version without sessions is still there");
	WANT(o, access(ROOM "/execlog-1/exec", F_OK) == 0, "this version went");
}

Test(execlog, replaces_other_versions)
{
	skip_unless_it_works();
	expect_sandboxed("versions", check_versions, NULL, 0, NULL);
}

/* Somebody removed a part of it, or the machine stopped while it was removed. */
static void check_broken(const void *row, struct outcome *o)
{
	static const char *const parts[] = { "sessions", "logs", "segments", "exit", "exec" };
	struct execlog_total total;
	struct err e = { 0 };

	(void)row;
	mount_bpffs(o);
	for (size_t i = 0; i < ROWS(parts); i++) {
		char path[64];

		snprintf(path, sizeof path, ROOM "/execlog-1/%s", parts[i]);
		WANT(o, watch_one(NAME, &e) == 0, "%s: %s", parts[i], e.text);
		WANT(o, execlog_ready(&e) == 0, "%s", e.text);
		WANT(o, execlog_read(NAME, keep, &seen, &total, &e) == 0, "a whole set was replaced: %s", e.text);
		WANT(o, unlink(path) == 0, "unlink %s: %m", path);
		/* It may lack what came after that. */
		WANT(o, execlog_read(NAME, keep, &seen, &total, &e) == -ENOENT && strstr(e.text, parts[i]),
		     "%s: %s", parts[i], e.text);
		WANT(o, execlog_free(NAME, &e) == 0, "%s: %s", parts[i], e.text);
		WANT(o, execlog_ready(&e) == 0 && access(path, F_OK) == 0, "%s: %s", parts[i], e.text);
		WANT(o, unlink(path) == 0, "unlink %s: %m", path);
	}
	WANT(o, watch_one("another", &e) == 0, "%s", e.text);
	WANT(o, execlog_read(NAME, keep, &seen, &total, &e) == -ENOENT, "a session of the old set: %s", e.text);
	WANT(o, execlog_read("another", keep, &seen, &total, &e) == 0, "%s", e.text);
}

Test(execlog, replaces_a_set_that_is_not_whole)
{
	skip_unless_it_works();
	expect_sandboxed("broken", check_broken, NULL, 0, NULL);
}

static void check_at_once(const void *row, struct outcome *o)
{
	enum { TOGETHER = 8 };
	struct execlog_total total;
	struct err e = { 0 };
	int status;

	(void)row;
	mount_bpffs(o);
	for (int i = 0; i < TOGETHER; i++)
		if (fork() == 0) {
			char name[16];

			snprintf(name, sizeof name, "session %d", i);
			_exit(watch_one(name, &e) < 0);
		}
	while (wait(&status) > 0)
		WANT(o, status == 0, "status %x", (unsigned)status);
	for (int i = 0; i < TOGETHER; i++) {
		char name[16];

		snprintf(name, sizeof name, "session %d", i);
		WANT(o, execlog_read(name, keep, &seen, &total, &e) == 0, "%s", e.text);
		WANT(o, execlog_free(name, &e) == 0, "%s", e.text);
	}
}

Test(execlog, is_loaded_once_by_all_together)
{
	skip_unless_it_works();
	expect_sandboxed("at once", check_at_once, NULL, 0, NULL);
}

/* ---- the kernel's type information ---- */

Test(execlog, believes_no_type_information)
{
	owned_str btf = STR_INIT;
	struct execlog_kernel k;
	struct err e;
	unsigned seed = 1;

	if (file_read(AT_FDCWD, "/sys/kernel/btf/vmlinux", 64 << 20, &btf, &e) < 0)
		cr_skip_test("%s", e.text);
	cr_assert(eq(int, execlog_kernel_of(btf.s, btf.len, &k, &e), 0), "%s", e.text);
	for (size_t size = 0; size < btf.len; size = size * 2 + 1)
		cr_expect(eq(int, execlog_kernel_of(btf.s, size, &k, &e), -EOPNOTSUPP));
	/* Anything but a crash will do. */
	for (int i = 0; i < 60; i++) {
		uint32_t word = (uint32_t)rand_r(&seed), old;
		size_t at = i < 24 ? (size_t)i % 6 * 4 : (uint32_t)rand_r(&seed) % (btf.len - 4);

		memcpy(&old, btf.s + at, 4);
		memcpy(btf.s + at, &word, 4);
		execlog_kernel_of(btf.s, btf.len, &k, &e);
		memcpy(btf.s + at, &old, 4);
	}
}
