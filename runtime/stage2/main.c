/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stage two: the container's side of the last steps before the user's program.
 *
 * The parent's child has entered the namespaces and built the root (create:
 * lifecycle/init.c; exec: lifecycle/exec.c) and becomes this program by
 * execveat(2).  What must not happen in a process whose /proc/<pid>/exe is the
 * big program, or needs the last word on identity, happens here.  See plan.h.
 */
#include "stage2/plan.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct stage {
	const struct plan *plan;
	const char *base;	/* the plan's first byte */
	char **argv, **envp;
	const char *program;	/* argv[0], looked up */
	int parent;		/* who listens: create or exec, then start; -1: nobody, use stderr */
	uint64_t late_caps;	/* kept until the filter is loaded */
	uint32_t undone;	/* PLAN_SCHEDULER, PLAN_IO_PRIORITY: the runtime's to do */
	bool in_cwd;
};

static const char *text(const struct stage *s, uint32_t offset)
{
	return offset ? s->base + offset : NULL;
}

/* The offsets become pointers; the plan itself is mapped read-only. */
static char **vector(const struct stage *s, uint32_t offset)
{
	const uint32_t *v = (const uint32_t *)(s->base + offset);
	size_t n = 0;
	char **out;

	while (offset && v[n])
		n++;
	out = must(calloc(n + 1, sizeof *out));
	for (size_t i = 0; i < n; i++)
		out[i] = (char *)(uintptr_t)(s->base + v[i]);
	return out;
}

static void tell(const struct stage *s, enum message_kind kind, pid_t pid)
{
	struct message m = { .kind = kind, .pid = pid, .undone = s->undone };

	/* A parent that died ends us by PR_SET_PDEATHSIG; nothing else can be done here. */
	if (write(s->parent, &m, offsetof(struct message, err)) < 0)
		_exit(1);
}

static int await(const struct stage *s, enum message_kind kind, struct err *e)
{
	struct message m;
	ssize_t n;

	do
		n = read(s->parent, &m, sizeof m);
	while (n < 0 && errno == EINTR);
	if (n < (ssize_t)offsetof(struct message, err) || m.kind != kind)
		return err_say(e, EPIPE, "the runtime went away");
	return 0;
}

/* A filter may refuse even this call, and _exit() would try for ever. */
static _Noreturn void leave(int code)
{
	syscall(SYS_exit_group, code);
	__builtin_trap();
}

static _Noreturn void fail(const struct stage *s, const struct err *e)
{
	if (s->parent >= 0) {
		struct message m = { .kind = MESSAGE_FAILED, .err = *e };

		if (write(s->parent, &m, sizeof m) < 0)
			dprintf(2, "agentrun: %s\n", e->text);
	} else {
		dprintf(2, "agentrun: %s\n", e->text);
	}
	leave(e->code == ENOENT ? 127 : e->code == EACCES ? 126 : 1);
}

/*
 * exec: the PID namespace, joined already, is entered only by a child.  CLONE_PARENT
 * makes that child the runtime's own, so that it can wait for it.
 */
static int step_join(struct stage *s, struct err *e)
{
	pid_t pid;

	if (s->plan->flags & PLAN_CLONE) {
		pid = (pid_t)syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);
		if (pid < 0)
			return err_set(e, errno, "clone into the PID namespace");
		if (pid > 0) {
			tell(s, MESSAGE_PID, pid);
			_exit(0);
		}
		/* Not a word before the parent knows who speaks. */
		return await(s, MESSAGE_MAPPED, e);
	}
	return 0;
}

/* A child does not inherit it. */
static int step_bind_to_parent(struct stage *s, struct err *e)
{
	if (s->plan->pdeathsig && prctl(PR_SET_PDEATHSIG, s->plan->pdeathsig) < 0)
		return err_set(e, errno, "prctl PR_SET_PDEATHSIG");
	return 0;
}

static int step_session(struct stage *s, struct err *e)
{
	const struct plan *p = s->plan;

	/* A session of its own also keeps TIOCSTI away from the caller's terminal (CVE-2017-5226). */
	if (setsid() < 0 && errno != EPERM)
		return err_set(e, errno, "setsid");
	if (!(p->flags & PLAN_TERMINAL))
		return 0;
	if (ioctl(p->tty_fd, TIOCSCTTY, 0) < 0)
		return err_set(e, errno, "make the terminal the controlling one");
	for (int i = 0; i < 3; i++)
		if (dup2(p->tty_fd, i) < 0)
			return err_set(e, errno, "dup2 the terminal to %d", i);
	return 0;
}

/* What is written must reach procfs, not what an image put in its place (CVE-2025-52881). */
static int put_attribute(const char *name, const char *verb, const char *value, const char *what,
			 struct err *e)
{
	enum { PROC_MAGIC = 0x9fa0 };
	char path[64];
	struct statfs fs;
	int fd, r = 0;

	snprintf(path, sizeof path, "/proc/thread-self/attr/%s", name);
	fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return err_set(e, errno, "%s: open %s", what, path);
	if (fstatfs(fd, &fs) < 0 || fs.f_type != PROC_MAGIC)
		r = err_say(e, EPERM, "%s: %s is not in a proc file system", what, path);
	else if (dprintf(fd, "%s%s", verb, value) < 0)
		r = err_set(e, errno, "%s: write \"%s\" to %s", what, value, path);
	close(fd);
	return r;
}

static int step_keyring(struct stage *s, struct err *e)
{
	const char *label = text(s, s->plan->selinux);

	if (!(s->plan->flags & PLAN_NEW_KEYRING))
		return 0;
	/* Or SELinux keeps the container from its own keyring, which would have the runtime's label.
	 * The exec takes this back. */
	if (label && put_attribute("keycreate", "", label, "process.selinuxLabel", e) < 0)
		return -e->code;
	/* Without it the container would hold the caller's session keyring. ENOSYS: no keyrings.
	 * Without a name: a named one is shared with whoever holds one of that name already, and opens
	 * it to others (KEYCTL_SETPERM), be it a container. */
	if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 &&
	    errno != ENOSYS && errno != EDQUOT)
		return err_set(e, errno, "join a new session keyring");
	return 0;
}

/* Nothing above 2 and the preserved ones reaches the container (CVE-2024-21626). */
static int step_fds(struct stage *s, struct err *e)
{
	enum { CLOSE_RANGE_CLOEXEC_ = 4 };
	unsigned a = (unsigned)s->parent, b = (unsigned)s->plan->start_fd, from = 3 + s->plan->keep_fds;
	const unsigned keep[] = { a < b ? a : b, a < b ? b : a };

	if (syscall(SYS_close_range, from, ~0U, CLOSE_RANGE_CLOEXEC_) == 0) {
		/* The rest at once: until start somebody may wait for the end of a pipe of the caller's. */
		for (size_t i = 0; i < 2; i++) {
			if (keep[i] < from || keep[i] == ~0U)
				continue;
			if (keep[i] > from)
				syscall(SYS_close_range, from, keep[i] - 1, 0);
			from = keep[i] + 1;
		}
		syscall(SYS_close_range, from, ~0U, 0);
		return 0;
	}
	if (errno != ENOSYS && errno != EINVAL)
		return err_set(e, errno, "close_range");
	for (int fd = 3 + (int)s->plan->keep_fds; fd < 65536; fd++)
		if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 && errno != EBADF)
			return err_set(e, errno, "fcntl FD_CLOEXEC");
	return 0;
}

static int set_caps(uint64_t effective, uint64_t permitted, uint64_t inheritable, struct err *e)
{
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct d[2];

	for (int i = 0; i < 2; i++) {
		d[i].effective = (uint32_t)(effective >> 32 * i);
		d[i].permitted = (uint32_t)(permitted >> 32 * i);
		d[i].inheritable = (uint32_t)(inheritable >> 32 * i);
	}
	if (syscall(SYS_capset, &h, d) < 0)
		return err_set(e, errno, "capset");
	return 0;
}

/* Start's connection is a descriptor: until it is there that limit waits (create raised the hard one). */
static int set_limits(struct stage *s, bool started, struct err *e)
{
	const struct plan *p = s->plan;

	for (uint32_t i = 0; i < p->n_rlimits; i++) {
		const struct plan_rlimit *l = (const struct plan_rlimit *)(s->base + p->rlimits) + i;
		struct rlimit r = { l->soft, l->hard };

		if ((l->resource == RLIMIT_NOFILE && p->start_fd >= 0) == started &&
		    setrlimit((int)l->resource, &r) < 0)
			return err_set(e, errno, "process.rlimits[%u]: setrlimit", i);
	}
	return 0;
}

/* Limits first: RLIMIT_NICE and RLIMIT_RTPRIO say how far a process may raise itself. */
static int step_limits(struct stage *s, struct err *e)
{
	return set_limits(s, false, e);
}

static int step_descriptor_limit(struct stage *s, struct err *e)
{
	return set_limits(s, true, e);
}

/* While the capabilities are there, and in the process that stays: a clone need not inherit it.  What
 * a user namespace keeps us from, the runtime does before it says GO. */
static int step_scheduling(struct stage *s, struct err *e)
{
	const struct plan *p = s->plan;
	enum { WHO_PROCESS = 1 };

	(void)e;
	if (p->flags & PLAN_SCHEDULER && syscall(SYS_sched_setattr, 0, &p->scheduler, 0) < 0)
		s->undone |= PLAN_SCHEDULER;
	if (p->flags & PLAN_IO_PRIORITY &&
	    syscall(SYS_ioprio_set, WHO_PROCESS, 0, p->io_priority) < 0)
		s->undone |= PLAN_IO_PRIORITY;
	return 0;
}

/* NUMA: for all that the container's processes touch from here on, across exec. */
static int step_memory_policy(struct stage *s, struct err *e)
{
	const struct plan *p = s->plan;

	if (p->memory_policy < 0)
		return 0;
	/* the kernel reads one bit less than it is told */
	if (syscall(SYS_set_mempolicy, p->memory_policy, s->base + p->memory_nodes,
		    p->n_memory_nodes + 1) < 0)
		return err_set(e, errno, "linux.memoryPolicy: set_mempolicy");
	return 0;
}

/*
 * Ids, then capabilities.  Without no_new_privs the filter needs CAP_SYS_ADMIN
 * to load; then that one stays until it is, and step_filter drops it.
 */
static int step_identity(struct stage *s, struct err *e)
{
	const struct plan *p = s->plan;
	const struct plan_caps *c = &p->caps;
	const gid_t *groups = (const gid_t *)(s->base + p->groups);

	if (p->n_filters && !(p->flags & PLAN_NO_NEW_PRIVS))
		s->late_caps = 1ULL << CAP_SYS_ADMIN;
	if (p->personality >= 0 && personality((unsigned long)p->personality) < 0)
		return err_set(e, errno, "personality %d", p->personality);
	umask(p->umask);

	for (uint32_t i = 0; i <= p->last_cap; i++)
		if (!(c->bounding >> i & 1) && prctl(PR_CAPBSET_DROP, i, 0, 0, 0) < 0)
			return err_set(e, errno, "drop capability %u from the bounding set", i);
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return err_set(e, errno, "prctl PR_SET_KEEPCAPS");
	if (!(p->flags & PLAN_KEEP_GROUPS) &&
	    setgroups(p->n_groups, p->n_groups ? groups : NULL) < 0 &&
	    !(errno == EPERM && p->flags & PLAN_NO_SETGROUPS))
		return err_set(e, errno, "process.user.additionalGids: setgroups");
	if (setresgid(p->gid, p->gid, p->gid) < 0)
		return err_set(e, errno, "process.user.gid: setresgid %u", p->gid);
	if (setresuid(p->uid, p->uid, p->uid) < 0)
		return err_set(e, errno, "process.user.uid: setresuid %u", p->uid);
	/* A change of ids resets these. */
	if (p->pdeathsig && prctl(PR_SET_PDEATHSIG, p->pdeathsig) < 0)
		return err_set(e, errno, "prctl PR_SET_PDEATHSIG");
	return 0;
}

/* As runc does: into a directory that is closed to the user (/root) with root's rights, into one that is
 * closed to root (root squash file systems) with the user's. */
static int step_cwd_as_root(struct stage *s, struct err *e)
{
	(void)e;
	s->in_cwd = chdir(text(s, s->plan->cwd)) == 0;
	return 0;
}

static int step_cwd(struct stage *s, struct err *e)
{
	const char *cwd = text(s, s->plan->cwd);
	char buf[4096];
	long n;

	if (!s->in_cwd && chdir(cwd) < 0)
		return err_set(e, errno, "process.cwd: chdir %s", cwd);
	/* A directory outside the root has no path from here (CVE-2024-21626). */
	n = syscall(SYS_getcwd, buf, sizeof buf);
	if (n < 0)
		return err_set(e, errno, "process.cwd: getcwd");
	if (buf[0] != '/')
		return err_say(e, EPERM, "process.cwd: %s is outside the container's root", cwd);
	return 0;
}

static int step_label(struct stage *s, struct err *e)
{
	const char *profile = text(s, s->plan->apparmor), *label = text(s, s->plan->selinux);

	if (profile && put_attribute("apparmor/exec", "exec ", profile,
				     "process.apparmorProfile", e) < 0)
		return -e->code;
	if (label && put_attribute("exec", "", label, "process.selinuxLabel", e) < 0)
		return -e->code;
	return 0;
}

static int step_caps(struct stage *s, struct err *e)
{
	const struct plan *p = s->plan;
	const struct plan_caps *c = &p->caps;
	int r;

	r = set_caps(c->effective | s->late_caps, c->permitted | s->late_caps, c->inheritable, e);
	if (r < 0)
		return r;
	if (prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) < 0)
		return err_set(e, errno, "prctl PR_SET_KEEPCAPS");
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 && errno != EINVAL)
		return err_set(e, errno, "clear the ambient capabilities");
	for (uint32_t i = 0; i <= p->last_cap; i++)
		if (c->ambient >> i & 1 && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, i, 0, 0) < 0)
			return err_set(e, errno, "raise ambient capability %u", i);
	if (p->flags & PLAN_NO_NEW_PRIVS && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_set(e, errno, "prctl PR_SET_NO_NEW_PRIVS");
	return 0;
}

static int executable(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	/* AT_EACCESS: by the effective ids, capabilities counted */
	if (!S_ISREG(st.st_mode) || faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0)
		return -EACCES;
	return 0;
}

/* Before create answers, so that a missing program is create's error.  Docker derives its exit
 * codes 127 and 126 from these very words (ENGINES.md). */
static int step_program(struct stage *s, struct err *e)
{
	const char *name = s->argv[0], *p = text(s, s->plan->path);
	bool denied = false;
	int r;

	if (!name)	/* start refuses it */
		return 0;
	if (strchr(name, '/')) {
		r = executable(name);
		if (r == -EACCES || r == -EISDIR)
			return err_say(e, EACCES, "exec: \"%s\": %s", name,
				       r == -EISDIR ? "is a directory" : "permission denied");
		if (r < 0)
			return err_say(e, -r, "exec: \"%s\": stat %s: %s", name, name,
				       r == -ENOENT ? "no such file or directory" : err_text(-r));
		s->program = name;
		return 0;
	}
	while (p && *name) {
		const char *end = strchr(p, ':');
		int len = end ? (int)(end - p) : (int)strlen(p);
		char *path = NULL;

		if (asprintf(&path, "%.*s%s%s", len, p, len ? "/" : "./", name) < 0)
			abort();
		r = executable(path);
		if (r == 0) {
			s->program = path;
			return 0;
		}
		denied |= r == -EACCES;
		free(path);
		p = end ? end + 1 : NULL;
	}
	if (denied)
		return err_say(e, EACCES, "exec: \"%s\": permission denied", name);
	return err_say(e, ENOENT, "exec: \"%s\": executable file not found in $PATH", name);
}

static void end_unstarted(int sig)
{
	_exit(128 + sig);
}

/* The first process of a PID namespace is spared what it has no handler for. */
static void on_polite_signals(void (*handler)(int))
{
	signal(SIGHUP, handler);
	signal(SIGINT, handler);
	signal(SIGTERM, handler);
}

static int step_ready(struct stage *s, struct err *e)
{
	tell(s, MESSAGE_READY, 0);
	if (await(s, MESSAGE_GO, e) < 0)
		return -e->code;
	/* From here on the process outlives the runtime. */
	if (s->plan->pdeathsig && prctl(PR_SET_PDEATHSIG, 0) < 0)
		return err_set(e, errno, "prctl PR_SET_PDEATHSIG");
	if (s->plan->start_fd >= 0) {
		on_polite_signals(end_unstarted);
		tell(s, MESSAGE_READY, 0);
		close(s->parent);
		s->parent = -1;
	}
	return 0;
}

/* `start` connects, says GO, and listens until the exec closes its end: so that what fails from here on
 * is start's error. */
static int step_await_start(struct stage *s, struct err *e)
{
	struct err gone;

	if (s->plan->start_fd < 0)
		return 0;
	do {
		if (s->parent >= 0)
			close(s->parent);	/* a start that was killed before it said so */
		s->parent = accept4(s->plan->start_fd, NULL, NULL, SOCK_CLOEXEC);
		if (s->parent < 0 && errno != EINTR && errno != ECONNABORTED)
			return err_set(e, errno, "wait for start");
	} while (s->parent < 0 || await(s, MESSAGE_GO, &gone) < 0);
	on_polite_signals(SIG_DFL);
	close(s->plan->start_fd);
	return 0;
}

/* What a hook says: the beginning is kept, safe to print on a terminal. */
struct said {
	size_t n;
	char text[300];
};

static void listen_to(int fd, struct said *said)
{
	char buf[512];
	ssize_t n;

	while ((n = read(fd, buf, sizeof buf)) > 0)
		for (ssize_t i = 0; i < n && said->n < sizeof said->text - 1; i++)
			said->text[said->n++] = buf[i] == '\n' ? ' ' :
						buf[i] < ' ' || buf[i] > '~' ? '?' : buf[i];
}

/* Its output is not the container's. */
static int run_hook(struct stage *s, const struct plan_hook *h, struct err *e)
{
	const char *path = text(s, h->path);
	char **argv = vector(s, h->argv), **envp = h->envp ? vector(s, h->envp) : s->envp;
	struct timespec pause = { 0, 200000 }, now, end;
	struct said said = { 0 };
	int in[2], out[2], status;
	pid_t pid, r;

	if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0)
		return err_set(e, errno, "pipe");
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += h->timeout;
	pid = fork();
	if (pid < 0)
		return err_set(e, errno, "fork");
	if (pid == 0) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		dup2(out[1], 2);
		execve(path, argv, envp);
		dprintf(2, "%s", err_text(errno));
		leave(127);
	}
	close(in[0]);
	close(out[1]);
	fcntl(out[0], F_SETFL, O_NONBLOCK);
	/* The state is smaller than a pipe's buffer; a hook that does not read it is fine. */
	signal(SIGPIPE, SIG_IGN);
	fcntl(in[1], F_SETFL, O_NONBLOCK);
	if (write(in[1], text(s, s->plan->hook_state), s->plan->hook_state_size) < 0)
		errno = 0;
	close(in[1]);
	signal(SIGPIPE, SIG_DFL);
	while ((r = waitpid(pid, &status, WNOHANG)) == 0) {
		listen_to(out[0], &said);
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (h->timeout && (now.tv_sec > end.tv_sec ||
				   (now.tv_sec == end.tv_sec && now.tv_nsec >= end.tv_nsec))) {
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
			return err_say(e, ETIMEDOUT, "hook %s: no answer within %u s", path,
				       h->timeout);
		}
		nanosleep(&pause, NULL);
	}
	if (r < 0)
		return err_set(e, errno, "wait for hook %s", path);
	listen_to(out[0], &said);
	close(out[0]);
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		return err_say(e, ECANCELED, "hook %s: exit status %d%s%s", path,
			       WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
			       said.n ? ": " : "", said.text);
	return 0;
}

static int step_start_hooks(struct stage *s, struct err *e)
{
	const struct plan_hook *h = (const struct plan_hook *)(s->base + s->plan->hooks);

	for (uint32_t i = 0; i < s->plan->n_hooks; i++)
		if (run_hook(s, &h[i], e) < 0)
			return err_in(e, "hooks.startContainer[%u]", i);
	return 0;
}

/*
 * The parent takes the descriptor out of this process (pidfd_getfd(2)): sending it would need more calls
 * that the filter lets through.  The write must not ask the listener, which spec/check.c sees to; the read
 * may, as the parent answers after the listener has the descriptor.  The kernel made it close-on-exec.
 */
static int hand_over(const struct stage *s, int listener, struct err *e)
{
	tell(s, MESSAGE_LISTENER, listener);
	return await(s, MESSAGE_GO, e);
}

/* Behind everything that they might forbid. */
static int step_filter(struct stage *s, struct err *e)
{
	const struct plan *p = s->plan;

	for (uint32_t i = 0; i < p->n_filters; i++) {
		struct sock_fprog prog = {
			.len = (unsigned short)p->filter[i].n,
			.filter = (struct sock_filter *)(uintptr_t)(s->base + p->filter[i].insns),
		};

		int fd = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, p->filter[i].flags, &prog);

		if (fd < 0)
			return err_set(e, errno, "load seccomp filter %u", i);
		if (p->filter[i].flags & SECCOMP_FILTER_FLAG_NEW_LISTENER && hand_over(s, fd, e) < 0)
			return -e->code;
	}
	if (s->late_caps)
		return set_caps(p->caps.effective, p->caps.permitted, p->caps.inheritable, e);
	return 0;
}

static int step_exec(struct stage *s, struct err *e)
{
	execve(s->program, s->argv, s->envp);
	if (errno == ENOENT)
		/* it was there: its interpreter is not */
		return err_say(e, ENOENT, "exec %s: no such file or directory (its interpreter)",
			       s->program);
	if (errno == EACCES)
		return err_say(e, EACCES, "exec: \"%s\": permission denied", s->argv[0]);
	return err_set(e, errno, "exec %s", s->program);
}

static const struct step {
	const char *name;
	int (*run)(struct stage *s, struct err *e);
} steps[] = {
	{ "join", step_join },
	{ "bind-to-parent", step_bind_to_parent },
	{ "session", step_session },
	{ "keyring", step_keyring },
	{ "fds", step_fds },
	{ "label", step_label },	/* as root: our files in /proc are root's while we are not dumpable */
	{ "memory-policy", step_memory_policy },
	{ "cwd-as-root", step_cwd_as_root },
	{ "limits", step_limits },
	{ "scheduling", step_scheduling },
	{ "identity", step_identity },
	{ "cwd", step_cwd },
	{ "caps", step_caps },
	{ "program", step_program },
	{ "ready", step_ready },
	{ "await-start", step_await_start },
	{ "descriptor-limit", step_descriptor_limit },
	{ "filter", step_filter },
	{ "start-hooks", step_start_hooks },	/* programs of the image: as confined as what follows */
	{ "exec", step_exec },		/* returns only when it fails */
};

int main(int argc, char **argv)
{
	struct stage s = { .parent = -1 };
	struct err e;
	struct stat st;
	sigset_t none;
	int fd;

	/* execve made us dumpable: a process of the container with our uid could trace us as soon as we
	 * join it, and take our descriptors (CVE-2016-9962). */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return 125;
	if (argc != 2 || fstat(fd = atoi(argv[1]), &st) < 0 || st.st_size < (off_t)sizeof *s.plan)
		return 125;	/* started by hand */
	s.base = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (s.base == MAP_FAILED)
		return 125;
	close(fd);
	s.plan = (const struct plan *)s.base;
	if (s.plan->magic != PLAN_MAGIC || s.plan->size > (uint64_t)st.st_size)
		return 125;
	s.parent = s.plan->sync_fd;
	s.argv = vector(&s, s.plan->argv);
	s.envp = vector(&s, s.plan->envp);
	for (int i = 1; i < NSIG; i++)	/* what the engine ignores is not the container's to inherit */
		signal(i, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);

	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
		if (steps[i].run(&s, &e) < 0)
			break;
	fail(&s, &e);
}
