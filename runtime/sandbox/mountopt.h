/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mountopt: the options of one entry of `mounts` (config.md, "Linux mount
 * options"), as one table that parses them and lists them for `features`.
 *
 * An option that is not in the table belongs to the file system and is passed
 * on to it, as in runc; the kernel refuses what it does not know.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "sandbox/mnt.h"

enum { MOUNTOPT_MOST_PROPAGATION = 8 };

struct mountopt {
	bool bind, recursive_bind, remount, tmpcopyup;
	bool idmap, recursive_idmap;
	bool flags;			/* a flag of mount(2), if without effect on a bind mount */
	uint64_t set, clear;				/* MOUNT_ATTR_* of the mount itself */
	uint64_t recursive_set, recursive_clear;	/* and of everything below: rro, ... */
	struct mountopt_propagation {
		unsigned long how;			/* MS_SHARED, ... */
		bool recursive;
	} propagation[MOUNTOPT_MOST_PROPAGATION];	/* in the order given */
	size_t n_propagation;
	struct mnt_options data;	/* flags of the superblock and options of the file system */
};

int mountopt_parse(struct arena *a, const struct strv *options, struct mountopt *ret,
		   struct err *e);
void mountopt_add_data(struct arena *a, struct mountopt *o, const char *option);
/* Whether there is a data option "key" or "key=...". */
bool mountopt_has_data(const struct mountopt *o, const char *key);
/* Every name in the table, ends with NULL. */
const char *const *mountopt_names(void);
/* "rslave" and the like; false if it is none. */
bool mountopt_propagation(const char *name, struct mountopt_propagation *ret);
