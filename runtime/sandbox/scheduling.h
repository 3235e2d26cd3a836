/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scheduling: process.scheduler, ioPriority and execCPUAffinity of config.md
 * as the kernel takes them.
 *
 * A process may lower itself; to rise takes CAP_SYS_NICE of the first user
 * namespace, which only the runtime may have.  So stage two tries first, and
 * what it could not the runtime does to it (lifecycle/plan.h).  Either is
 * late, in the very process that becomes the user's: not every policy is
 * inherited (SCHED_FLAG_RESET_ON_FORK), and SCHED_DEADLINE cannot fork.
 */
#pragma once

#include <sys/types.h>

#include "base/err.h"
#include "base/sys.h"
#include "spec/spec.h"

void scheduler_attr(const struct spec_scheduler *s, struct sys_sched_attr *ret);
/* As ioprio_set(2) takes it; never 0. */
int io_priority_value(const struct spec_io_priority *p);

int scheduler_apply(pid_t pid, const struct spec_scheduler *s, struct err *e);
int io_priority_apply(pid_t pid, const struct spec_io_priority *p, struct err *e);

/* The calling thread: on these processors. */
int affinity_apply(const char *list, struct err *e);
/* The calling thread: on all that its cgroup allows, whatever the engine was bound to. */
void affinity_reset(void);
