/* SPDX-License-Identifier: Apache-2.0 */
/* policy: facts of a real host, and what holds by them: sources of mounts, namespaces. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "policy_ask.h"
#include "sandbox/egress.h"

static void bind_socket(const char *path)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(name.sun_path, sizeof name.sun_path, "%s", path);
	cr_assert_eq(bind(fd, (struct sockaddr *)&name, sizeof name), 0);
	cr_assert_eq(listen(fd, 1), 0);	/* stays open: somebody listens */
}

static struct facts gather(struct arena *a, char *const *sources, size_t n)
{
	struct spec *s = make_spec(a, &(struct ask){ 0 });
	struct policy *p;
	struct policy_options o = { .profile = "agent" };
	struct facts f;
	struct err e = { 0 };

	s->mounts.n = 0;
	for (size_t i = 0; i < n; i++)
		add_mount(a, s, arena_printf(a, "%s>/m%zu", sources[i], i));
	cr_assert_eq(policy_load(a, s, &o, &p, &e), 0, "%s", e.text);
	cr_assert_eq(facts_gather(a, s, p, "/tmp", &f, &e), 0, "%s", e.text);
	return f;
}

Test(policy_facts, facts_find_sockets_and_other_names)
{
	static const char *const dirs[] = { "clean", "direct", "deep", "deep/er", "hard", "real" };
	owned_arena a = ARENA_INIT;
	char dir[] = "/tmp/test-facts-XXXXXX";
	owned_fd here = -1;
	struct facts f;

	cr_assert(mkdtemp(dir));
	here = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	cr_assert(here >= 0);
	for (size_t i = 0; i < COUNT(dirs); i++)
		cr_assert_eq(mkdirat(here, dirs[i], 0700), 0);
	bind_socket(arena_printf(&a, "%s/direct/s", dir));
	bind_socket(arena_printf(&a, "%s/deep/er/s", dir));
	cr_assert_eq(linkat(here, "direct/s", here, "hard/innocent", 0), 0);
	cr_assert_eq(symlinkat("direct/s", here, "link"), 0);
	cr_assert_eq(symlinkat("/", here, "root"), 0);
	cr_assert_eq(symlinkat("real/..", here, "up"), 0);
	{
		char *sources[] = {
			arena_printf(&a, "%s/clean", dir), arena_printf(&a, "%s/direct/s", dir),
			arena_printf(&a, "%s/direct", dir), arena_printf(&a, "%s/deep", dir),
			arena_printf(&a, "%s/hard", dir), arena_printf(&a, "%s/link", dir),
			arena_printf(&a, "%s/root", dir), arena_printf(&a, "%s/up", dir),
			arena_printf(&a, "%s/missing", dir),
		};

		f = gather(&a, sources, COUNT(sources));
	}
	cr_expect_eq(f.mounts.v[0].socket, NULL);
	cr_expect(f.mounts.v[0].fd >= 0);
	cr_expect_str_eq(f.mounts.v[1].socket, f.mounts.v[1].resolved);
	cr_expect_str_eq(f.mounts.v[2].socket, arena_printf(&a, "%s/direct/s", dir));
	cr_expect_str_eq(f.mounts.v[3].socket, arena_printf(&a, "%s/deep/er/s", dir));
	cr_expect_str_eq(f.mounts.v[4].socket, arena_printf(&a, "%s/hard/innocent", dir));
	cr_expect_str_eq(f.mounts.v[5].resolved, arena_printf(&a, "%s/direct/s", dir));
	cr_expect(f.mounts.v[5].socket);
	cr_expect_str_eq(f.mounts.v[6].same_as, "/");
	cr_expect_str_eq(f.mounts.v[7].resolved, dir);
	cr_expect_eq(f.mounts.v[8].error, ENOENT);
	cr_expect_eq(f.mounts.v[8].fd, -1);
	facts_close(&f);
	cr_expect_eq(f.mounts.v[0].fd, -1);
	cr_assert_eq(system(arena_printf(&a, "rm -rf %s", dir)), 0);
}

Test(policy_facts, facts_look_at_the_named_namespaces)
{
	owned_arena a = ARENA_INIT;
	struct spec *s = make_spec(&a, &(struct ask){ 0 });
	struct policy_options o = { .profile = "agent" };
	struct policy *p;
	struct facts f;
	struct err e = { 0 };

	for (size_t i = 0; i < s->linux_->namespaces.n; i++)
		if (strcmp(s->linux_->namespaces.v[i].type, "network") == 0)
			s->linux_->namespaces.v[i].path = arena_strdup(&a, "/proc/self/ns/net");
		else if (strcmp(s->linux_->namespaces.v[i].type, "ipc") == 0)
			s->linux_->namespaces.v[i].path = arena_strdup(&a, "/proc/self/ns/nothing");
	s->mounts.n = 0;
	cr_assert_eq(policy_load(&a, s, &o, &p, &e), 0, "%s", e.text);
	cr_assert_eq(facts_gather(&a, s, p, "/tmp", &f, &e), 0, "%s", e.text);
	for (size_t i = 0; i < f.namespaces.n; i++) {
		const char *type = s->linux_->namespaces.v[i].type;

		cr_expect_eq(f.namespaces.v[i].host, strcmp(type, "network") == 0, "%s", type);
		cr_expect_eq(f.namespaces.v[i].error, strcmp(type, "ipc") == 0 ? ENOENT : 0, "%s", type);
	}
}

/* Behind the policy: as the first process of a PID namespace its network is "the host's" to it. */
static int install_at_home(struct err *e)
{
	struct spec_agent agent = { .egress = (char *)"none", .policy_digest = (char *)"x" };
	struct spec_agent open_agent = { .egress = (char *)"open" };
	owned_fd own = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

	return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       egress_install(&agent, own, e) == -EPERM &&
	       mount("proc", "/proc", "proc", 0, NULL) == 0 &&
	       egress_install(&agent, -1, e) == -EPERM &&
	       egress_install(&open_agent, -1, e) == 0 ? 0 : 1;
}

Test(policy_facts, no_egress_table_for_the_host)
{
	int status = -1;
	pid_t pid, inner;

	if (geteuid() != 0)
		cr_skip_test("needs root");
	pid = fork();
	cr_assert(pid >= 0);
	if (pid == 0) {
		struct err e = { 0 };

		if (unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWPID) < 0 || (inner = fork()) < 0)
			_exit(2);
		if (inner == 0)
			_exit(install_at_home(&e));
		_exit(waitpid(inner, &status, 0) == inner && WIFEXITED(status) ?
		      WEXITSTATUS(status) : 3);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_expect_eq(status, 0, "%x", (unsigned)status);
}

/* What was judged is what is mounted: the very descriptor moves to the effective spec. */
Test(policy_facts, judged_objects_move_to_the_effective_spec)
{
	owned_arena a = ARENA_INIT;
	char dir[] = "/tmp/test-facts-XXXXXX";
	struct spec *s = make_spec(&a, &(struct ask){ 0 }), *out;
	struct policy_options o = { .profile = "agent" };
	struct policy *p;
	struct facts f;
	struct err e = { 0 };
	struct stat judged, taken;

	cr_assert(mkdtemp(dir));
	s->mounts.n = 0;
	add_mount(&a, s, arena_printf(&a, "%s>/workspace", dir));
	cr_assert_eq(policy_load(&a, s, &o, &p, &e), 0, "%s", e.text);
	cr_assert_eq(facts_gather(&a, s, p, "/tmp", &f, &e), 0, "%s", e.text);
	judged = f.mounts.v[0].st;
	cr_assert_eq(policy_apply(&a, s, p, &f, &out, &e), 0, "%s", e.text);
	cr_expect_eq(f.mounts.v[0].fd, -1);
	cr_assert_eq(fstat(out->mounts.v[0].source_fd, &taken), 0);
	cr_expect_eq(judged.st_ino, taken.st_ino);
	cr_expect_eq(s->mounts.v[0].source_fd, -1);
	close(out->mounts.v[0].source_fd);
	rmdir(dir);
}
