/* SPDX-License-Identifier: Apache-2.0 */
/*
 * supply: packages that a session asked for, recognised from what it ran and from lock files that
 * it changed.  Pure.
 *
 * It says what was asked ("npm install left-pad"), never that anything was installed: the command may have
 * failed, and what came with a package is not in its name.  What it does not know is no finding:
 * a script that fetches packages itself, for one, unless its commands are recorded, too.
 */
#pragma once

#include <stddef.h>

#include "base/arena.h"

enum {
	SUPPLY_MOST = 256,		/* findings, */
	SUPPLY_PACKAGES = 64,		/* and packages of one: there may be more */
};

struct supply {
	const char *ecosystem;		/* "npm", "pypi", "cargo", "go", "apt", "gem" */
	const char *action;		/* "npm install" */
	struct strv packages;		/* as the command line has them; none: what a file lists */
	const char *path;		/* of that file, where it is named (pip install -r); NULL */
};

/* Each once. */
struct supplies {
	struct supply v[SUPPLY_MOST];
	size_t n;
	const char *passed[64];		/* programs that are no tools, so that each is looked up once */
};

/* Adds what the arguments ask for; also behind sudo, env and their like, and in a shell's `-c`.  The
 * result's texts live in the arena. */
void supply_of_command(struct arena *a, const struct strv *args, struct supplies *ret);
/* The ecosystem whose lock file has this path, NULL if it is none. */
const char *supply_of_path(const char *path);
