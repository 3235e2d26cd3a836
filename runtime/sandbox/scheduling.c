/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/scheduling.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

#include "base/cpulist.h"
#include "spec/fields.h"

enum { IOPRIO_CLASS_SHIFT = 13 };	/* linux/ioprio.h, which Debian 12 lacks in part */

/* The lists are in the kernel's order; the reader let nothing else through. */
static unsigned place(const char *const *names, const char *name)
{
	unsigned i = 0;

	while (names[i] && strcmp(names[i], name) != 0)
		i++;
	return i;
}

void scheduler_attr(const struct spec_scheduler *s, struct sys_sched_attr *ret)
{
	*ret = (struct sys_sched_attr){
		.size = sizeof *ret,
		.policy = place(spec_scheduler_policies, s->policy),
		.nice = (int32_t)s->nice.v,
		.priority = (uint32_t)s->priority.v,
		.runtime = s->runtime.v,
		.deadline = s->deadline.v,
		.period = s->period.v,
	};
	for (size_t i = 0; i < s->flags.n; i++)
		ret->flags |= UINT64_C(1) << place(spec_scheduler_flags, s->flags.v[i]);
}

int io_priority_value(const struct spec_io_priority *p)
{
	return (int)(place(spec_io_classes, p->class) + 1) << IOPRIO_CLASS_SHIFT |
	       (int)p->priority.v;
}

int scheduler_apply(pid_t pid, const struct spec_scheduler *s, struct err *e)
{
	struct sys_sched_attr attr;

	scheduler_attr(s, &attr);
	if (sys_sched_setattr(pid, &attr) < 0)
		return err_set(e, errno, "process.scheduler: set %s", s->policy);
	return 0;
}

int io_priority_apply(pid_t pid, const struct spec_io_priority *p, struct err *e)
{
	if (sys_ioprio_set(pid, io_priority_value(p)) < 0)
		return err_set(e, errno, "process.ioPriority: set %s", p->class);
	return 0;
}

/* More than the kernel has room for is cut off by it. */
union processors {
	cpu_set_t set;
	unsigned char bytes[CPULIST_MOST / 8];
};

int affinity_apply(const char *list, struct err *e)
{
	const char *p = list;
	unsigned first, last;
	union processors all;

	memset(&all, 0, sizeof all);
	while (cpulist_next(&p, &first, &last) > 0)
		for (unsigned i = first; i <= last; i++)
			CPU_SET_S(i, sizeof all, &all.set);
	if (sched_setaffinity(0, sizeof all, &all.set) < 0)
		return err_set(e, errno, "run on the processors %s", list);
	return 0;
}

void affinity_reset(void)
{
	union processors all;

	memset(&all, 0xff, sizeof all);
	/* Where the host forbids even this call, it stays with what it has. */
	if (sched_setaffinity(0, sizeof all, &all.set) < 0)
		return;
}
