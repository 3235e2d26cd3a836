/* SPDX-License-Identifier: Apache-2.0 */
/* execlog_acct: the kernel's accounting of a PID namespace of the test's own. */
#include <errno.h>
#include <linux/sched.h>
#include <signal.h>
#include <time.h>

#include "sandboxed.h"

#include "base/fd.h"
#include "base/sys.h"
#include "sandbox/execlog_acct.h"

static struct execlog_acct seen[16];
static size_t n_seen;

static int keep(void *arg, const struct execlog_acct *p, struct err *e)
{
	(void)arg;
	if (n_seen == ROWS(seen))
		return err_say(e, E2BIG, "more processes than the test takes");
	seen[n_seen++] = *p;
	return 0;
}

static void run(const char *path, const char *a, const char *b)
{
	pid_t pid = fork();

	if (pid == 0) {
		if (path)
			execl(path, path, a, b, NULL);
		_exit(9);
	}
	waitpid(pid, NULL, 0);
}

static const struct execlog_acct *find(const char *name, int status)
{
	for (size_t i = 0; i < n_seen; i++)
		if (strcmp(seen[i].name, name) == 0 && seen[i].status == status)
			return &seen[i];
	return NULL;
}

static void check_acct(const void *row, struct outcome *o)
{
	struct clone_args args = { .flags = CLONE_NEWPID, .exit_signal = SIGCHLD };
	unsigned long long now = (unsigned long long)time(NULL);
	const struct execlog_acct *p;
	int status;
	pid_t pid;

	(void)row;
	build(o, (struct thing[]){ { 'f', "acct", "" }, { 0 } });
	pid = sys_clone3(&args, sizeof args);
	if (pid == 0) {
		struct err e;
		int r = execlog_acct_begin("acct", &e);

		if (r < 0)
			_exit(r == -ENOSYS || r == -EPERM ? 77 : 1);
		run("/bin/true", NULL, NULL);
		run("/bin/sh", "-c", "exit 5");
		run("/bin/sh", "-c", "kill -9 $$");
		run(NULL, NULL, NULL);
		usleep(200000);
		_exit(42);
	}
	waitpid(pid, &status, 0);
	if (status == 77 << 8) {
		o->r = -ENOSYS;
		err_say(&o->e, ENOSYS, "no accounting");
		return;
	}
	WANT(o, status == 42 << 8, "status %x", (unsigned)status);
	o->r = execlog_acct_read(AT_FDCWD, "acct", keep, NULL, &o->e);
	WANT(o, n_seen == 5, "%zu processes", n_seen);
	WANT(o, (p = find("true", 0)) && p->executed && p->parent == 1 && p->pid > 1, "true");
	WANT(o, p && p->started >= now && p->started <= now + 60, "begun");
	WANT(o, (p = find("sh", 5 << 8)) && p->executed, "exit 5");
	WANT(o, (p = find("sh", SIGKILL)) && p->executed, "killed");
	WANT(o, n_seen == 5 && !seen[3].executed && seen[3].status == 9 << 8, "only forked");
	p = &seen[4];
	WANT(o, n_seen == 5 && p->pid == 1 && p->parent == 0 && p->status == 42 << 8, "the first");
	WANT(o, p->lasted >= 200 && p->lasted < 60000, "%llu ms", p->lasted);
	/* What is cut or of another kind is told. */
	WANT(o, truncate("acct", 100) == 0, "truncate");
	n_seen = 0;
	WANT(o, execlog_acct_read(AT_FDCWD, "acct", keep, NULL, &o->e) == -EINVAL && n_seen == 1, "cut");
	o->e = (struct err){ 0 };
}

Test(execlog_acct, tells_of_processes)
{
	struct outcome o = sandboxed(check_acct, NULL, 0);

	if (o.r == -ENOSYS)
		cr_skip_test("%s", o.e.text);
	cr_expect(eq(str, o.wrong, ""), "%s", o.e.text);
	cr_expect(eq(int, o.r, 0), "%s", o.e.text);
}
