/* SPDX-License-Identifier: Apache-2.0 */
/* The order of the container's set-up, where a defence depends on it. */
#include <criterion/criterion.h>
#include <string.h>

#include "lifecycle/create.h"

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
