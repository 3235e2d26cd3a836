/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup_probe: runs the functions of sandbox/cgroup.h one after the other, as
 * its arguments say, and tells of each in one line of JSON.
 *
 *   cgroup_probe ID PATH|- STEP...
 *
 * Steps: systemd | rootless | agent (before create); create RESOURCES; spawn;
 * nest; open DEVICE r|w; cat CONTROLLER FILE; update RESOURCES; freeze; thaw;
 * frozen; pids; stats; cost; state; join SUB; kill; term; remove; path; wait SECONDS.
 * The first that fails ends it, after what was made is removed.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/sched.h>

#include "base/fd.h"
#include "base/sys.h"
#include "sandbox/cgroup.h"

struct probe {
	struct arena a;
	struct spec_linux linux_;
	struct spec_agent agent;
	struct spec spec;
	struct cgroup c;
	const char *id;
	bool systemd, rootless, made, attached;
	pid_t children[32];
	size_t n;
};

static int resources(struct probe *p, const char *text, struct spec_resources **ret, struct err *e)
{
	const struct json *tree;
	int r = json_parse(&p->a, text, strlen(text), "resources", &tree, e);

	return r < 0 ? r : spec_parse_resources(&p->a, tree, "resources", ret, e);
}

/* A child in the container's cgroup; work() is what it does then. */
static int in_cgroup(struct probe *p, const char *sub, int (*work)(const char *), const char *arg,
		     pid_t *ret, struct err *e)
{
	const struct strv subs = { (char *[]){ (char *)(uintptr_t)sub }, sub ? 1 : 0 };
	struct clone_args args = { .exit_signal = SIGCHLD };
	int go[2], said[2], fd = -1, r;
	pid_t pid;
	char c;

	r = cgroup_clone_fd_sub(&p->c, &subs, &fd, e);
	if (r < 0)
		return r;
	if (fd >= 0) {
		args.flags = CLONE_INTO_CGROUP;
		args.cgroup = (unsigned)fd;
	}
	if (pipe2(go, O_CLOEXEC) < 0 || pipe2(said, O_CLOEXEC) < 0)
		return err_set(e, errno, "pipe");
	pid = sys_clone3(&args, sizeof args);
	if (pid < 0)
		return err_set(e, errno, "clone3");
	if (pid == 0) {
		if (read(go[0], &c, 1) != 1)
			_exit(98);
		r = cgroup_join_self(&p->c, &subs, e);
		if (r == 0)
			e->code = 0;
		if (write(said[1], e, sizeof *e) != (ssize_t)sizeof *e || r < 0)
			_exit(99);
		_exit(work(arg));
	}
	fd_close(&fd);
	r = p->systemd && !p->attached ? cgroup_systemd_attach(&p->a, &p->c, &p->spec, pid, e) : 0;
	if (r == 0 && p->systemd && !p->attached)
		r = cgroup_restrict_devices(&p->c, &p->spec, e);
	p->attached = true;
	if (r == 0) {
		struct err theirs = { 0 };

		if (write(go[1], "g", 1) != 1 ||
		    read(said[0], &theirs, sizeof theirs) != (ssize_t)sizeof theirs)
			r = err_set(e, errno, "the child");
		else if (theirs.code) {
			*e = theirs;
			r = -theirs.code;
		}
	}
	close(go[0]), close(go[1]), close(said[0]), close(said[1]);
	if (r < 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		return r;
	}
	*ret = pid;
	return 0;
}

static int __attribute__((noreturn)) work_sleep(const char *arg)
{
	(void)arg;
	for (;;)
		pause();
}

static int work_open(const char *arg)
{
	int fd = open(arg + 1, (arg[0] == 'w' ? O_WRONLY : O_RDONLY) | O_NONBLOCK | O_NOCTTY);

	return fd < 0 ? errno : 0;
}

/* Directories below the container's own, with a process: what a container may do. */
static int nest(struct probe *p, struct err *e)
{
	for (size_t i = 0; i < p->c.n; i++) {
		char path[4096];

		if (!p->c.h[i].dir || !(p->c.layout == CGROUP_V2 ||
					strcmp(p->c.h[i].controllers, "freezer") == 0))
			continue;
		snprintf(path, sizeof path, "%s/in", p->c.h[i].dir);
		if (mkdir(path, 0755) < 0)
			return err_set(e, errno, "mkdir %s", path);
		for (int k = 0; k < 40; k++) {
			strcat(path, "/d");
			if (mkdir(path, 0755) < 0)
				return err_set(e, errno, "mkdir %s", path);
		}
	}
	return in_cgroup(p, "in/d/d/d", work_sleep, NULL, &p->children[p->n++], e);
}

static void reap(struct probe *p)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->children[i] > 0)
			waitpid(p->children[i], NULL, 0);
	p->n = 0;
}

static int cat(struct probe *p, const char *controller, const char *file, struct json_writer *w,
	       struct err *e)
{
	for (size_t i = 0; i < p->c.n; i++) {
		owned_str path = STR_INIT, text = STR_INIT;
		int r;

		if (p->c.layout != CGROUP_V2 && strcmp(p->c.h[i].controllers, controller) != 0)
			continue;
		if (!p->c.h[i].dir)
			continue;
		str_printf(&path, "%s/%s", p->c.h[i].dir, file);
		r = file_read(AT_FDCWD, path.s, 1 << 20, &text, e);
		if (r < 0)
			return r;
		while (text.len && text.s[text.len - 1] == '\n')
			text.s[--text.len] = '\0';
		json_field(w, "value", str_text(&text));
		return 0;
	}
	return err_say(e, ENOENT, "no hierarchy \"%s\"", controller);
}

static int put_cost(struct probe *p, struct json_writer *w)
{
	struct cgroup_cost cost;

	cgroup_read_cost(&p->c, &cost);
	json_key(w, "value");
	json_open(w);
	if (cost.cpu_usec.set)
		json_field_u64(w, "cpu_usec", cost.cpu_usec.v);
	if (cost.memory_peak.set)
		json_field_u64(w, "memory_peak", cost.memory_peak.v);
	if (cost.io_read_bytes.set)
		json_field_u64(w, "io_read_bytes", cost.io_read_bytes.v);
	if (cost.io_write_bytes.set)
		json_field_u64(w, "io_write_bytes", cost.io_write_bytes.v);
	if (cost.oom_kills.set)
		json_field_u64(w, "oom_kills", cost.oom_kills.v);
	json_close(w);
	return 0;
}

/* The container as the next command finds it: from what was written. */
static int state(struct probe *p, struct json_writer *w, struct err *e)
{
	struct json_writer *one = json_writer_new(false);
	owned_str text = STR_INIT;
	const struct json *tree;
	int r;

	cgroup_write(&p->c, one);
	json_writer_end(one, &text);
	r = json_parse(&p->a, text.s, text.len, "state", &tree, e);
	if (r < 0)
		return r;
	json_key(w, "value");
	json_put_tree(w, tree);
	return cgroup_parse(&p->a, tree, &p->c, e);
}

/* As lifecycle/create.c does; with systemd the devices' turn comes with the first process. */
static int create(struct probe *p, struct err *e)
{
	struct err second;
	int r;

	if (cgroup_plan(&p->a, &p->spec, p->id, p->systemd, p->rootless, &p->c, e) < 0 ||
	    cgroup_create(&p->a, &p->spec, p->rootless, &p->c, e) < 0)
		return -e->code;
	r = p->systemd ? 0 : cgroup_restrict_devices(&p->c, &p->spec, e);
	if (r < 0 && cgroup_remove(&p->c, &second) == 0)
		p->c = (struct cgroup){ 0 };
	return r;
}

/* One step; *v is at its name and goes on to its last argument. */
static int step(struct probe *p, char ***v, struct json_writer *w, struct err *e)
{
	const char *name = **v;
	struct spec_resources *res;
	int r, status;
	pid_t pid;
	bool yes;

	if (strcmp(name, "systemd") == 0)
		return p->systemd = true, 0;
	if (strcmp(name, "rootless") == 0)
		return p->rootless = true, 0;
	if (strcmp(name, "agent") == 0)
		return p->spec.agent = &p->agent, 0;
	if (strcmp(name, "create") == 0) {
		r = resources(p, *++*v, &p->linux_.resources, e);
		if (r == 0)
			r = create(p, e);
		p->made = r == 0;
		json_field_bool(w, "without", p->c.rootless_without);
		return r;
	}
	if (strcmp(name, "spawn") == 0)
		return in_cgroup(p, NULL, work_sleep, NULL, &p->children[p->n++], e);
	if (strcmp(name, "nest") == 0)
		return nest(p, e);
	if (strcmp(name, "join") == 0)
		return in_cgroup(p, *++*v, work_sleep, NULL, &p->children[p->n++], e);
	if (strcmp(name, "open") == 0) {
		char arg[256];

		snprintf(arg, sizeof arg, "%c%s", (*v)[2][0], (*v)[1]);
		*v += 2;
		r = in_cgroup(p, NULL, work_open, arg, &pid, e);
		if (r == 0 && waitpid(pid, &status, 0) == pid)
			json_field(w, "value", WEXITSTATUS(status) ?
				   strerrorname_np(WEXITSTATUS(status)) : "ok");
		return r;
	}
	if (strcmp(name, "cat") == 0) {
		*v += 2;
		return cat(p, (*v)[-1], (*v)[0], w, e);
	}
	if (strcmp(name, "update") == 0) {
		r = resources(p, *++*v, &res, e);
		return r < 0 ? r : cgroup_update(&p->c, res, e);
	}
	if (strcmp(name, "freeze") == 0 || strcmp(name, "thaw") == 0)
		return cgroup_freeze(&p->c, name[0] == 'f', e);
	if (strcmp(name, "frozen") == 0) {
		r = cgroup_frozen(&p->c, &yes, e);
		json_field_bool(w, "value", r == 0 && yes);
		return r;
	}
	if (strcmp(name, "pids") == 0) {
		struct pids pids = { 0 };

		r = cgroup_pids(&p->a, &p->c, &pids, e);
		json_field_u64(w, "value", pids.n);
		return r;
	}
	if (strcmp(name, "stats") == 0) {
		json_key(w, "value");
		return cgroup_stats(&p->c, w, e);
	}
	if (strcmp(name, "cost") == 0)
		return put_cost(p, w);
	if (strcmp(name, "state") == 0)
		return state(p, w, e);
	if (strcmp(name, "wait") == 0) {
		sleep((unsigned)atoi(*++*v));
		return 0;
	}
	if (strcmp(name, "path") == 0) {
		json_field(w, "value", p->c.path);
		return 0;
	}
	if (strcmp(name, "kill") == 0 || strcmp(name, "term") == 0) {
		r = cgroup_signal(&p->c, name[0] == 'k' ? SIGKILL : SIGTERM, e);
		if (r == 0)
			reap(p);
		return r;
	}
	if (strcmp(name, "remove") == 0) {
		r = cgroup_remove(&p->c, e);
		p->made = r < 0;
		return r;
	}
	return err_say(e, EINVAL, "unknown step %s", name);
}

int main(int argc, char **argv)
{
	struct probe p = { 0 };
	struct err e = { 0 };
	int r = 0;

	if (argc < 4)
		return 2;
	p.spec.linux_ = &p.linux_;
	p.id = argv[1];
	p.linux_.cgroups_path = strcmp(argv[2], "-") ? argv[2] : NULL;
	for (char **v = argv + 3; *v && r == 0; v++) {
		struct json_writer *w = json_writer_new(false);
		owned_str line = STR_INIT;

		json_open(w);
		json_field(w, "step", *v);
		r = step(&p, &v, w, &e);
		if (r < 0)
			json_field(w, "error", e.text);
		json_close(w);
		json_writer_end(w, &line);
		fputs(line.s, stdout);
		fflush(stdout);
	}
	if (p.made) {
		struct err later;

		cgroup_signal(&p.c, SIGKILL, &later);
		for (size_t i = 0; i < p.n; i++)
			if (p.children[i] > 0)
				kill(p.children[i], SIGKILL);
		reap(&p);
		cgroup_remove(&p.c, &later);
	}
	arena_free(&p.a);
	return r < 0;
}
