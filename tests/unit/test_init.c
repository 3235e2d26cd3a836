/* SPDX-License-Identifier: Apache-2.0 */
/* The order of the container's set-up, where a defence depends on it; and stage two by itself. */
#include <criterion/criterion.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lifecycle/create.h"
#include "lifecycle/handshake.h"
#include "lifecycle/plan.h"

static int place(const char *name)
{
	for (int i = 0; init_steps[i].name; i++)
		if (strcmp(init_steps[i].name, name) == 0)
			return i;
	cr_assert_fail("no step %s", name);
	return -1;
}

static const struct {
	const char *first, *then, *why;
} order[] = {
	{ "bind-to-parent", "cgroup", "a killed create leaves nothing from its first moment on" },
	{ "cgroup", "namespaces", "the cgroup namespace's root is the cgroup at its birth" },
	{ "namespaces", "egress", "the table is the container's, not the host's" },
	{ "egress", "await-hooks", "no hook brings an interface in before the table is armed" },
	{ "await-hooks", "mounts", "createRuntime hooks see the runtime's mounts" },
	{ "mounts", "createContainer-hooks", "they see the container's mounts" },
	{ "createContainer-hooks", "enter-root", "and the runtime's paths" },
	{ "enter-root", "terminal", "the terminal is of the container's devpts" },
	{ "terminal", "finish-root", "/dev/console is bound before the root may be read-only" },
	{ "finish-root", "stage-two", "nothing is masked after the user's program could run" },
};

Test(init, order)
{
	for (size_t i = 0; i < sizeof order / sizeof *order; i++)
		cr_expect_lt(place(order[i].first), place(order[i].then), "%s before %s: %s",
			     order[i].first, order[i].then, order[i].why);
}

static _Noreturn void become_stage_two(const struct spec_process *p, bool new_keyring, int sync_fd)
{
	struct spec s = { 0 };
	struct plan_request q = { .spec = &s, .process = p, .new_keyring = new_keyring,
				  .sync_fd = sync_fd, .start_fd = -1, .tty_fd = -1 };
	owned_str plan = STR_INIT;
	struct err e;
	int fd;

	if (plan_stage2(&fd, &e) == 0 && plan_build(&q, &plan, &e) == 0)
		plan_enter_stage2(fd, &plan, &e);
	handshake_fail(sync_fd, &e);
	_exit(1);
}

/* No kernel takes these labels, with SELinux or without: that they are refused shows that they were set. */
Test(stage2, labels_are_set)
{
#define WRITE "process.selinuxLabel: write \"no label\" to /proc/thread-self/attr/"
	static const struct {
		const char *apparmor, *selinux, *error;
		bool new_keyring;
	} rows[] = {
		{ NULL, "no label", WRITE "exec: ", false },
		{ NULL, "no label", WRITE "keycreate: ", true },
		{ "no/such", NULL, "process.apparmorProfile: ", false },
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		owned_arena a = ARENA_INIT;
		struct spec_process p = { .cwd = (char *)"/",
					  .apparmor_profile = (char *)rows[i].apparmor,
					  .selinux_label = (char *)rows[i].selinux };
		struct err e = { 0 };
		int pair[2];
		pid_t pid;

		strv_add(&a, &p.args, "true");
		cr_assert_eq(handshake_pair(pair, &e), 0);
		pid = fork();
		if (pid == 0)
			become_stage_two(&p, rows[i].new_keyring, pair[1]);
		close(pair[1]);
		cr_expect_lt(handshake_expect(pair[0], MESSAGE_READY, NULL, &e), 0);
		cr_expect_eq(strncmp(e.text, rows[i].error, strlen(rows[i].error)), 0, "row %zu: %s",
			     i, e.text);
		close(pair[0]);
		waitpid(pid, NULL, 0);
	}
}
