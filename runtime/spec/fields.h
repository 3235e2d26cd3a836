/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fields: the names that a configuration may use, and what the files that make a
 * model of it share.
 *
 * The tables of spec/fields.c say for each object which members it has, of
 * which type and within which range (spec/object.h acts on them).  What
 * concerns more than one member is in spec/check.c.  spec/model.c reads and
 * writes by both.
 */
#pragma once

#include "spec/spec.h"

/* Each list ends with NULL. */
extern const char *const spec_namespace_types[], *const spec_rlimit_types[],
	*const spec_rootfs_propagations[], *const spec_seccomp_actions[],
	*const spec_seccomp_operators[], *const spec_seccomp_archs[], *const spec_seccomp_flags[],
	*const spec_hook_kinds[], *const spec_scheduler_policies[],
	*const spec_scheduler_flags[], *const spec_io_classes[],
	*const spec_memory_modes[], *const spec_memory_flags[];

/* A whole configuration, and its parts that also come alone. */
extern const struct object object_config, object_process, object_resources, object_seccomp;

/* The checks of a process and of a seccomp block; `at` is where it stands. */
int check_process(const struct spec_process *p, const char *what, const struct json_path *at,
		  struct err *e);
int check_resources(const struct spec_resources *r, const char *what, const struct json_path *at,
		    struct err *e);
int check_seccomp(const struct spec_seccomp *s, const char *what, const struct json_path *at,
		  struct err *e);
