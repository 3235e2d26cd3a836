/* SPDX-License-Identifier: Apache-2.0 */
/* user: what a container's user needs of its surroundings: a home, and its stdio; and the caller's name. */
#pragma once

#include <sys/types.h>

#include "base/err.h"
#include "base/str.h"

/* The home directory that /etc/passwd of the root that the caller is in gives uid, else "/".  The file is
 * the image's: bounded, and only read if it is a regular file inside the root. */
void user_home(uid_t uid, struct str *ret);
/* The name that the same file gives uid, "root" without asking, else the number. */
void user_name(uid_t uid, struct str *ret);
/* Gives descriptors 0 to 2 to uid, so that /dev/stdout can be opened again: the engine's pipes are root's. */
int user_owns_stdio(uid_t uid, struct err *e);
