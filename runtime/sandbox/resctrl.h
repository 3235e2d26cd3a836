/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resctrl: linux.intelRdt, shares of caches and of memory bandwidth by the
 * kernel's resctrl file system (config-linux.md, "IntelRdt").
 *
 * A class of service is a directory there.  Without closID the container gets
 * one of its own, called by its id, which goes with it.  One that closID names
 * may be shared: it is made if need be, never changed, and left there.  What
 * monitors the container alone is a directory within its class.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "spec/spec.h"

struct resctrl {		/* texts in the arena */
	char *root;		/* where the file system is mounted */
	char *group;		/* the class's directory */
	char *monitor;		/* NULL: not monitored */
	bool own;		/* the container's own class */
	bool group_made, monitor_made;	/* by resctrl_make() */
};

/* Where the container's are or will be; -ENOENT: no such file system is mounted. */
int resctrl_find(struct arena *a, const struct spec_intel_rdt *rdt, const char *id,
		 struct resctrl *ret, struct err *e);
/* The same with a root that is known. */
void resctrl_at(struct arena *a, const char *root, const struct spec_intel_rdt *rdt, const char *id,
		struct resctrl *ret);
/*
 * Makes them.  The schemata are written to a new class, and compared with those of one that is there:
 * l3CacheSchema and memBwSchema, then schemata, which overrules them.  On failure resctrl_unmake()
 * takes back what was made.
 */
int resctrl_make(struct resctrl *r, const struct spec_intel_rdt *rdt, struct err *e);
/* When the container's processes are gone. */
int resctrl_unmake(struct resctrl *r, struct err *e);
/* Its children will follow it. */
int resctrl_join(const struct resctrl *r, pid_t pid, struct err *e);
/* Writes l3CacheSchema and memBwSchema to the class, even to one that others share. */
int resctrl_change(const struct resctrl *r, const struct spec_intel_rdt *rdt, struct err *e);
/* At the container's end. */
int resctrl_remove(const struct resctrl *r, struct err *e);
