/* SPDX-License-Identifier: Apache-2.0 */
/*
 * execlog: the programs are really loaded, in a bpffs of the test's own, and commands executed in PID
 * namespaces (THREATS F5 to F7).
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>

#include "execlog_box.h"

#include "base/fd.h"

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

/* The host's number of the first process; where the test is in a container itself, as in the test bed, it cannot know
 * that, and any will do. */
static bool is_first(pid_t pid)
{
	static const ino_t of_host = 0xeffffffc;	/* PROC_PID_INIT_INO, Linux 3.8 */
	struct stat ns;

	return stat("/proc/self/ns/pid", &ns) == 0 && ns.st_ino == of_host ? pid == seen.init : pid > 0;
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
		WANT(o, i > 5 || (is_first(c->parent) && c->parent == seen.v[0].c.parent),
		     "%zu: parent %d", i, c->parent);
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
	WANT(o, seen.n == 1 && is_first(seen.v[0].c.pid) && seen.init_status == 0, "%s", show());
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
