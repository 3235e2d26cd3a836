/* SPDX-License-Identifier: Apache-2.0 */
/* execlog_claims: processes with the filter, the server that they ask, and what it wrote. */
#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "sandboxed.h"

#include "bpf.h"

#include "base/arena.h"
#include "base/fd.h"
#include "base/sys.h"
#include "sandbox/execlog_claims.h"

#define LOG "log"

/* ---- the filter ---- */

#if defined __x86_64__
enum { ASKS = SECCOMP_RET_USER_NOTIF, GOES_ON = SECCOMP_RET_ALLOW, FAILS = SECCOMP_RET_ERRNO };

static const struct {
	uint32_t arch;
	int nr;
	uint32_t answer;
	struct { uint64_t first, second; } args;
	uint64_t flags;		/* the fifth */
} numbers[] = {
	{ AUDIT_ARCH_X86_64, 59, ASKS, { 0, 0 }, 0 },			/* execve */
	{ AUDIT_ARCH_X86_64, 322, ASKS, { 0, 0 }, 0 },			/* execveat */
	{ AUDIT_ARCH_X86_64, 0x40000000 | 520, ASKS, { 0, 0 }, 0 },		/* of x32 */
	{ AUDIT_ARCH_X86_64, 0x40000000 | 545, ASKS, { 0, 0 }, 0 },
	{ AUDIT_ARCH_X86_64, 322, ASKS, { 0, 0 }, AT_EMPTY_PATH },
	{ AUDIT_ARCH_X86_64, 322, GOES_ON, { 0, 0 }, 0x10000 },	/* AT_EXECVE_CHECK */
	{ AUDIT_ARCH_X86_64, 0x40000000 | 545, GOES_ON, { 0, 0 }, 0x10000 | AT_EMPTY_PATH },
	{ AUDIT_ARCH_X86_64, 59, ASKS, { 0, 0 }, 0x10000 },
	{ AUDIT_ARCH_X86_64, 0, GOES_ON, { 0, 0 }, 0 },
	{ AUDIT_ARCH_X86_64, 11, GOES_ON, { 0, 0 }, 0 },
	{ AUDIT_ARCH_X86_64, 58, GOES_ON, { 0, 0 }, 0 },
	{ AUDIT_ARCH_X86_64, 520, GOES_ON, { 0, 0 }, 0 },
	{ AUDIT_ARCH_X86_64, 157, FAILS | EPERM, { PR_SET_MM, 0 }, 0 },
	{ AUDIT_ARCH_X86_64, 157, FAILS | EPERM, { 1ULL << 32 | PR_SET_MM, 0 }, 0 },	/* the kernel takes an int */
	{ AUDIT_ARCH_X86_64, 157, GOES_ON, { PR_SET_NAME, 0 }, 0 },
	{ AUDIT_ARCH_X86_64, 0x40000000 | 157, FAILS | EPERM, { PR_SET_MM, 0 }, 0 },
	{ AUDIT_ARCH_X86_64, 317, FAILS | EBUSY, { 1, SECCOMP_FILTER_FLAG_NEW_LISTENER | 1 }, 0 },
	{ AUDIT_ARCH_X86_64, 317, GOES_ON, { 1, SECCOMP_FILTER_FLAG_TSYNC }, 0 },
	{ AUDIT_ARCH_X86_64, 0x40000000 | 317, FAILS | EBUSY, { 1, SECCOMP_FILTER_FLAG_NEW_LISTENER }, 0 },
	{ AUDIT_ARCH_I386, 11, ASKS, { 0, 0 }, 0 },
	{ AUDIT_ARCH_I386, 358, ASKS, { 0, 0 }, 0 },
	{ AUDIT_ARCH_I386, 59, GOES_ON, { 0, 0 }, 0 },
	{ AUDIT_ARCH_I386, 322, GOES_ON, { 0, 0 }, 0 },
	{ AUDIT_ARCH_I386, 172, FAILS | EPERM, { PR_SET_MM, 0 }, 0 },
	{ AUDIT_ARCH_I386, 354, FAILS | EBUSY, { 1, SECCOMP_FILTER_FLAG_NEW_LISTENER }, 0 },
	{ AUDIT_ARCH_AARCH64, 221, GOES_ON, { 0, 0 }, 0 },			/* the kernel reports none such here */
};

Test(execlog_claims, filter)
{
	struct seccomp_program p;
	struct arena a = ARENA_INIT;
	struct err e;

	cr_assert(eq(int, execlog_claims_filter(&a, &p, &e), 0));
	cr_expect(eq(u32, p.flags & SECCOMP_FILTER_FLAG_NEW_LISTENER, SECCOMP_FILTER_FLAG_NEW_LISTENER));
	for (size_t i = 0; i < ROWS(numbers); i++) {
		const struct seccomp_data data = { .nr = numbers[i].nr, .arch = numbers[i].arch,
						   .args = { numbers[i].args.first,
							     numbers[i].args.second, 0, 0,
							     numbers[i].flags } };

		cr_expect(eq(u32, bpf_run(&p, &data), numbers[i].answer), "row %zu", i);
	}
	arena_free(&a);
}
#endif

/* ---- what was executed ---- */

struct seen {
	struct execlog_command c;
	char path[EXECLOG_PATH_MOST];
	char argv[EXECLOG_ARGV_MOST + 1];
};

static struct seen *seen;
static size_t n_seen;

enum { SEEN_MOST = 64 };

static int keep(void *arg, const struct execlog_command *c, struct err *e)
{
	(void)arg;
	if (n_seen == SEEN_MOST)
		return err_say(e, E2BIG, "more commands than the test takes");
	seen[n_seen].c = *c;
	snprintf(seen[n_seen].path, sizeof seen->path, "%s", c->path);
	memcpy(seen[n_seen].argv, c->argv, c->argv_kept);
	n_seen++;
	return 0;
}

struct session {
	size_t most;
	bool required;
	bool below;		/* the server is in a PID namespace in which there are no others */
	rlim_t files, file_size;	/* limits of the server; 0: as they are */
	pid_t server;
};

static void limit(int what, rlim_t to)
{
	if (to)
		setrlimit(what, &(struct rlimit){ to, to });
}

/* Runs `body` in a process that has the filter, beside a server; its wait status. */
static int run(struct session *s, void (*body)(void), struct outcome *o)
{
	struct seccomp_program p;
	struct arena a = ARENA_INIT;
	int status, log_fd = -1, listener = -1, pidfd, ready[2], go[2];
	pid_t pid;

	WANT(o, execlog_claims_make(AT_FDCWD, LOG, s->most, s->required, &o->e) == 0, "%s", o->e.text);
	WANT(o, execlog_claims_filter(&a, &p, &o->e) == 0, "%s", o->e.text);
	WANT(o, pipe(ready) == 0 && pipe(go) == 0, "pipe");
	pid = fork();
	if (pid == 0) {
		struct sock_fprog prog = { (unsigned short)p.n, p.insns };

		close(ready[0]);
		close(go[1]);
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		listener = sys_seccomp(SECCOMP_SET_MODE_FILTER, p.flags, &prog);
		if (listener < 0 || write(ready[1], &listener, sizeof listener) < 0 ||
		    read(go[0], &status, 1) != 0)
			_exit(99);
		close(listener);
		close(ready[1]);
		body();
		_exit(0);
	}
	close(ready[1]);
	close(go[0]);
	pidfd = sys_pidfd_open(pid, 0);
	if (read(ready[0], &listener, sizeof listener) == sizeof listener)
		listener = sys_pidfd_getfd(pidfd, listener, 0);
	WANT(o, listener >= 0, "no listener: %m");
	WANT(o, execlog_claims_open(AT_FDCWD, LOG, &log_fd, &o->e) == 0, "%s", o->e.text);
	s->server = fork();
	if (s->server == 0) {
		close(go[1]);
		if (s->below && (unshare(CLONE_NEWPID) < 0 || (pid = fork()) != 0)) {
			waitpid(pid, &status, 0);
			_exit(0);
		}
		/* It has no others, as a companion; these may be beyond the limit. */
		dup2(listener, 100);
		dup2(log_fd, 101);
		sys_close_range(STDERR_FILENO + 1, 99, 0);
		sys_close_range(102, ~0U, 0);
		limit(RLIMIT_NOFILE, s->files);
		limit(RLIMIT_FSIZE, s->file_size);
		_exit(execlog_claims_serve(100, 101));
	}
	close(listener);
	close(log_fd);
	close(go[1]);
	close(pidfd);
	close(ready[0]);
	waitpid(pid, &status, 0);
	arena_free(&a);
	return status;
}

static int read_log(struct execlog_total *total, struct outcome *o)
{
	seen = seen ? seen : calloc(SEEN_MOST, sizeof *seen);
	n_seen = 0;
	execlog_claims_await(AT_FDCWD, LOG);
	return execlog_claims_read(AT_FDCWD, LOG, keep, NULL, total, &o->e);
}

static void spawn(const char *path, char *const argv[])
{
	pid_t pid = fork();

	if (pid == 0) {
		execv(path, argv);
		_exit(120);
	}
	waitpid(pid, NULL, 0);
}

#define SPAWN(path, ...) spawn(path, (char *[]){ __VA_ARGS__, NULL })

static const struct seen *find(const char *argv0, const char *argv1)
{
	for (size_t i = 0; i < n_seen; i++)
		if (strcmp(seen[i].argv, argv0) == 0 &&
		    (!argv1 || strcmp(seen[i].argv + strlen(argv0) + 1, argv1) == 0))
			return &seen[i];
	return NULL;
}

static bool exited(const struct seen *s, int status)
{
	return s && s->c.end == EXECLOG_EXITED && s->c.status == status && s->c.ended >= s->c.started;
}

static void *in_thread(void *arg)
{
	(void)arg;
	execl("/bin/sh", "thread", "-c", "exit 6", NULL);
	_exit(120);
}

static void *fail_in_thread(void *arg)
{
	(void)arg;
	execl("/none/true", "of a thread", NULL);
	return NULL;
}

static char long_argument[6000];

static void many_ways(void)
{
	int dir = open("/bin", O_PATH | O_DIRECTORY), file = open("/bin/true", O_PATH);
	char *const alone[] = { (char *)"by-fd", NULL }, *none[] = { NULL };
	int status;
	pid_t pid;

	SPAWN("/bin/true", (char *)"plain", (char *)"a b", (char *)"", (char *)"c\nd");
	SPAWN("/bin/sh", (char *)"sh", (char *)"-c", (char *)"exit 5");
	SPAWN("/bin/sh", (char *)"killed", (char *)"-c", (char *)"kill -9 $$");
	SPAWN("/bin/sh", (char *)"first", (char *)"-c", (char *)"exec /bin/true second");
	memset(long_argument, 'x', sizeof long_argument - 1);
	SPAWN("/bin/true", (char *)"long", long_argument, (char *)"behind");
	if ((pid = fork()) == 0) {	/* as a search in $PATH */
		execv("/none/true", (char *[]){ (char *)"search", NULL });
		execv("/none/also/true", (char *[]){ (char *)"search", NULL });
		execv("/bin/true", (char *[]){ (char *)"search", NULL });
	}
	waitpid(pid, NULL, 0);
	if ((pid = fork()) == 0)
		syscall(SYS_execveat, file, "", alone, environ, AT_EMPTY_PATH);
	waitpid(pid, NULL, 0);
	if ((pid = fork()) == 0)
		syscall(SYS_execveat, dir, "true", (char *[]){ (char *)"at", NULL }, environ, 0);
	waitpid(pid, NULL, 0);
	/* Nothing is executed. */
	syscall(SYS_execveat, AT_FDCWD, "/bin/true", (char *[]){ (char *)"checked", NULL }, environ, 0x10000);
	if ((pid = fork()) == 0) {
		pthread_t t;

		pthread_create(&t, NULL, in_thread, NULL);
		pthread_join(t, NULL);
	}
	waitpid(pid, NULL, 0);
	if ((pid = fork()) == 0) {	/* it is gone when the other one asks */
		pthread_t t;

		pthread_create(&t, NULL, fail_in_thread, NULL);
		pthread_join(t, NULL);
		execl("/bin/true", "behind a thread", NULL);
	}
	waitpid(pid, NULL, 0);
	if ((pid = fork()) == 0) {	/* the stack tells nothing */
		personality(ADDR_NO_RANDOMIZE);
		execl("/bin/sh", "sh", "-c", "PATH=/none:/bin; exec true placed", NULL);
	}
	waitpid(pid, NULL, 0);
	if ((pid = fork()) == 0)	/* that the stack is what it would have */
		_exit(prctl(PR_SET_MM, PR_SET_MM_START_STACK, environ, 0, 0) == 0 || errno != EPERM);
	waitpid(pid, &status, 0);
	if (status)
		_exit(1);
	if ((pid = fork()) == 0) {	/* what cannot be read */
		syscall(SYS_execve, (void *)16, (void *)16, NULL);
		syscall(SYS_execve, "/bin/false", (void *)16, NULL);
		execv("/none/at/all", none);
		_exit(42);
	}
	waitpid(pid, NULL, 0);
}

static void check_many(const void *row, struct outcome *o)
{
	struct session s = { .most = 1 << 20 };
	struct execlog_total total = { 0 };
	const struct seen *x, *y;
	int status;

	(void)row;
	status = run(&s, many_ways, o);
	WANT(o, status == 0, "status %x", (unsigned)status);
	o->r = read_log(&total, o);
	WANT(o, total.commands == n_seen && total.lost == 0, "%llu lost", total.lost);
	x = find("plain", "a b");
	WANT(o, exited(x, 0) && strcmp(x->path, "/bin/true") == 0 && x->c.argv_size == 15 &&
	     memcmp(x->argv, "plain\0a b\0\0c\nd", 15) == 0, "plain");
	WANT(o, exited(find("sh", "-c"), 5 << 8), "exit 5");
	WANT(o, exited(find("killed", "-c"), SIGKILL), "killed");
	x = find("first", "-c");
	y = find("/bin/true", "second");
	WANT(o, x && y && x->c.pid == y->c.pid && x->c.end == EXECLOG_REPLACED && exited(y, 0),
	     "one program after the other");
	x = find("long", NULL);
	WANT(o, x && x->c.argv_kept == EXECLOG_ARGV_MOST && x->c.argv_size == 0, "long");
	x = find("search", NULL);
	WANT(o, x && x[0].c.end == EXECLOG_FAILED && x[1].c.end == EXECLOG_FAILED && exited(&x[2], 0) &&
	     strcmp(x[1].path, "/none/also/true") == 0 && x[0].c.pid == x[2].c.pid, "search");
	x = find("by-fd", NULL);
	WANT(o, exited(x, 0) && strncmp(x->path, "/dev/fd/", 8) == 0 && strlen(x->path) < 12, "by a descriptor");
	x = find("at", NULL);
	WANT(o, exited(x, 0) && strncmp(x->path, "/dev/fd/", 8) == 0 && strstr(x->path, "/true"),
	     "beneath a descriptor");
	WANT(o, !find("checked", NULL), "checked only");
	x = find("thread", "-c");
	WANT(o, exited(x, 6 << 8) && x->c.parent != x->c.pid, "of a thread");
	x = find("of a thread", NULL);
	WANT(o, x && x->c.end == EXECLOG_FAILED && exited(find("behind a thread", NULL), 0), "behind a thread");
	x = find("true", "placed");
	WANT(o, x && x[0].c.end == EXECLOG_REPLACED && strcmp(x[0].path, "/none/true") == 0 && exited(&x[1], 0),
	     "placed");
	x = &seen[n_seen - 3];
	WANT(o, x[0].c.end == EXECLOG_FAILED && !*x[0].path && !x[0].c.argv_kept, "no path");
	WANT(o, x[1].c.end == EXECLOG_FAILED && strcmp(x[1].path, "/bin/false") == 0 && !x[1].c.argv_kept,
	     "no arguments");
	WANT(o, exited(&x[2], 42 << 8) && strcmp(x[2].path, "/none/at/all") == 0, "none at all");
	waitpid(s.server, &status, 0);
	WANT(o, status == 0, "server: %x", (unsigned)status);
}

Test(execlog_claims, tells_of_commands)
{
	struct outcome o = sandboxed(check_many, NULL, 0);

	cr_expect(eq(str, o.wrong, ""), "%s", o.e.text);
	cr_expect(eq(int, o.r, 0), "%s", o.e.text);
}

/* ---- two threads at once ---- */

static char **held;	/* a page that is missing until it is let go */

static int hold(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register page = { .mode = UFFDIO_REGISTER_MODE_MISSING, .range.len = 4096 };
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);

	held = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	page.range.start = (uintptr_t)held;
	return ioctl(fd, UFFDIO_API, &api) == 0 && ioctl(fd, UFFDIO_REGISTER, &page) == 0 ? fd : -1;
}

static void let_go(int fd)
{
	struct uffdio_zeropage page = { .range = { (uintptr_t)held, 4096 } };

	ioctl(fd, UFFDIO_ZEROPAGE, &page);
}

/* In the midst of the call as soon as the kernel looks for its environment. */
static void *begin_held(void *arg)
{
	(void)arg;
	execve("/bin/sh", (char *[]){ (char *)"the first", (char *)"-c", (char *)"exit 6", NULL }, held);
	_exit(120);
}

static void *ask_and_let_go(void *fd)
{
	execl("/none/true", "the other", NULL);
	let_go(*(int *)fd);
	pause();
	return NULL;
}

static void race(void)
{
	struct uffd_msg msg;
	pthread_t t, other;
	int fd = hold();

	if (fd < 0)
		_exit(121);
	pthread_create(&t, NULL, begin_held, NULL);
	if (read(fd, &msg, sizeof msg) != sizeof msg)
		_exit(122);
	/* Its thread does not exit: that would tell it from the first. */
	pthread_create(&other, NULL, ask_and_let_go, &fd);
	pthread_join(other, NULL);
}

static void two_at_once(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		race();
	waitpid(pid, &status, 0);
	_exit(WEXITSTATUS(status));
}

static void check_race(const void *row, struct outcome *o)
{
	struct session s = { .most = 1 << 20 };
	struct execlog_total total = { 0 };
	const struct seen *x, *y;
	int status;

	(void)row;
	status = run(&s, two_at_once, o);
	WANT(o, status == 6 << 8, "status %x", (unsigned)status);
	o->r = read_log(&total, o);
	x = find("the first", NULL);
	y = find("the other", NULL);
	WANT(o, n_seen == 2 && x && y, "%zu seen", n_seen);
	WANT(o, x && x->c.end == EXECLOG_UNSEEN && !x->c.ended, "the first: %d", x ? (int)x->c.end : -1);
	WANT(o, y && y->c.end == EXECLOG_ENDED && y->c.status == 6 << 8, "the other: %d", y ? (int)y->c.end : -1);
	waitpid(s.server, &status, 0);
}

/* The exit code is nobody's, since it is not seen whose it is. */
Test(execlog_claims, two_threads_at_once)
{
	struct outcome o;
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);

	if (fd < 0)
		cr_skip_test("no userfaultfd");
	close(fd);
	o = sandboxed(check_race, NULL, 0);
	cr_expect(eq(str, o.wrong, ""), "%s", o.e.text);
	cr_expect(eq(int, o.r, 0), "%s", o.e.text);
}

/* ---- its bounds ---- */

static void ten(void)
{
	for (int i = 0; i < 10; i++) {
		int status;
		pid_t pid = fork();

		if (pid == 0) {
			execl("/bin/true", "true", "0123456789012345678901234567890123456789", NULL);
			_exit(100);
		}
		waitpid(pid, &status, 0);
		if (status)
			_exit(WIFSIGNALED(status) ? WTERMSIG(status) : 100);
	}
}

/* At the same time. */
static void twenty(void)
{
	int p[2];

	if (pipe(p) < 0)
		_exit(1);
	for (int i = 0; i < 20; i++)
		if (fork() == 0) {
			dup2(p[0], 0);
			close(p[0]);
			close(p[1]);
			execl("/bin/cat", "cat", NULL);
			_exit(100);
		}
	usleep(300000);		/* all are asked for */
	close(p[1]);
	while (wait(NULL) > 0)
		;
}

static const struct bound {
	const char *name;
	size_t most;
	bool required, below;
	int status;
	unsigned kept, lost;
	rlim_t files, file_size;
	void (*body)(void);
} bounds[] = {
	{ "enough", 10 * 128, true, false, 0, 10, 0, 0, 0, ten },
	{ "counted", 4 * 128 + 64, false, false, 0, 4, 6, 0, 0, ten },
	{ "required", 4 * 128 + 64, true, false, SIGKILL << 8, 4, 1, 0, 0, ten },
	{ "not to be seen", 10 * 128, false, true, 0, 0, 10, 0, 0, ten },
	{ "not to be seen, required", 10 * 128, true, true, 100 << 8, 0, 1, 0, 0, ten },
	{ "no file so large", 10 * 128, false, false, 0, 4, 6, 0, 4096 + 4 * 128 + 64, ten },
	{ "more processes than descriptors", 20 * 128, true, false, 0, 20, 0, 16, 0, twenty },
};

static void check_bound(const void *row, struct outcome *o)
{
	const struct bound *b = row;
	struct session s = { .most = b->most, .required = b->required, .below = b->below,
			     .files = b->files, .file_size = b->file_size };
	struct execlog_total total = { 0 };
	int status = run(&s, b->body, o);

	WANT(o, status == b->status, "%s: status %x", b->name, (unsigned)status);
	o->r = read_log(&total, o);
	WANT(o, total.commands == b->kept && total.lost == b->lost, "%s: %llu kept, %llu lost", b->name,
	     total.commands, total.lost);
	WANT(o, total.unseen == (b->below ? b->lost : 0), "%s: %llu unseen", b->name, total.unseen);
	waitpid(s.server, &status, 0);
}

Test(execlog_claims, bounds)
{
	for (size_t i = 0; i < ROWS(bounds); i++) {
		struct outcome o = sandboxed(check_bound, &bounds[i], 0);

		cr_expect(eq(str, o.wrong, ""), "%s", o.e.text);
		cr_expect(eq(int, o.r, 0), "%s", o.e.text);
	}
}

/* ---- what is not whole ---- */

static void one_and_wait(void)
{
	SPAWN("/bin/true", (char *)"true");
	pause();
}

static void without_server(void)
{
	struct sock_filter through = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	const struct sock_fprog prog = { 1, &through };

	SPAWN("/bin/true", (char *)"true");
	kill(getppid(), SIGUSR1);
	usleep(300000);
	/* Nor is there another that could be asked. */
	if (sys_seccomp(SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &prog) >= 0 || errno != EBUSY)
		_exit(2);
	execl("/bin/true", "true", NULL);
	_exit(errno == ENOSYS ? 38 : 1);
}

static struct session killed;

static void kill_server(int sig)
{
	(void)sig;
	kill(killed.server, SIGKILL);
}

static void check_killed(const void *row, struct outcome *o)
{
	struct execlog_total total = { 0 };
	int status;

	(void)row;
	killed = (struct session){ .most = 1 << 20 };
	signal(SIGUSR1, kill_server);
	status = run(&killed, without_server, o);
	WANT(o, status == 38 << 8, "what asks nobody: %x", (unsigned)status);
	waitpid(killed.server, &status, 0);
	o->r = read_log(&total, o);
	WANT(o, o->r == -ECONNRESET && total.commands == 1, "%d, %llu", o->r, total.commands);
}

static void check_running(const void *row, struct outcome *o)
{
	struct session s = { .most = 1 << 20 };
	struct execlog_total total = { 0 };
	pid_t outer = fork();

	(void)row;
	if (outer == 0) {
		setpgid(0, 0);
		run(&s, one_and_wait, o);
		_exit(0);
	}
	for (int i = 0; i < 1000 && (n_seen == 0 || o->r != -ETIMEDOUT); i++) {
		usleep(10000);
		o->r = access(LOG, F_OK) == 0 ? read_log(&total, o) : 0;
	}
	WANT(o, total.commands == 1, "%llu", total.commands);
	kill(-outer, SIGKILL);	/* with those that it has begun */
}

Test(execlog_claims, server_that_is_gone)
{
	struct outcome o = sandboxed(check_killed, NULL, 0);

	cr_expect(eq(str, o.wrong, ""), "%s", o.e.text);
}

Test(execlog_claims, server_that_goes_on)
{
	struct outcome o = sandboxed(check_running, NULL, 0);

	cr_expect(eq(str, o.wrong, ""), "%s", o.e.text);
	cr_expect(eq(int, o.r, -ETIMEDOUT), "%s", o.e.text);
}

/* ---- what is damaged ---- */

static const struct damage {
	const char *name;
	off_t size;		/* -1: as it is */
	off_t at;
	const char *put;
	size_t n;
	int r;
	unsigned kept;
} damages[] = {
	{ "as it is", -1, 0, "", 0, 0, 3 },
	{ "empty", 0, 0, "", 0, -EINVAL, 0 },
	{ "no head", 100, 0, "", 0, -EINVAL, 0 },
	{ "another's", -1, 0, "X", 1, -EINVAL, 0 },
	{ "no records", 4096, 0, "", 0, 0, 0 },
	{ "cut in the second", 4096 + 100, 0, "", 0, 0, 1 },
	{ "of another place", -1, 4096, "\2", 1, 0, 0 },
	{ "a path too long", -1, 4096 + 52, "\1\2", 2, 0, 0 },
	{ "arguments too long", -1, 4096 + 56, "\1\20", 2, 0, 0 },
};

static void three(void)
{
	SPAWN("/bin/true", (char *)"1");
	SPAWN("/bin/true", (char *)"2");
	SPAWN("/bin/true", (char *)"3");
}

static void check_damage(const void *row, struct outcome *o)
{
	const struct damage *d = row;
	struct session s = { .most = 1 << 20 };
	struct execlog_total total = { 0 };
	int status = run(&s, three, o), fd;

	waitpid(s.server, &status, 0);
	WANT(o, d->size < 0 || truncate(LOG, d->size) == 0, "truncate");
	fd = open(LOG, O_WRONLY);
	WANT(o, pwrite(fd, d->put, d->n, d->at) == (ssize_t)d->n, "write");
	o->r = read_log(&total, o);
	WANT(o, o->r == d->r && n_seen == d->kept, "%s: %d, %zu", d->name, o->r, n_seen);
	WANT(o, o->r < 0 || total.lost == 3 - d->kept, "%s: %llu lost", d->name, total.lost);
}

Test(execlog_claims, damaged)
{
	for (size_t i = 0; i < ROWS(damages); i++) {
		struct outcome o = sandboxed(check_damage, &damages[i], 0);

		cr_expect(eq(str, o.wrong, ""), "%s", o.e.text);
	}
}
