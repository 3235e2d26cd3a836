/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hostroot: the mounts of a container without a mount namespace, which are
 * the host's.
 *
 * All of them stand on the root's own, so that one unmount takes them away,
 * at delete or when create fails.  What is mounted at the root before is
 * noted first: after a sudden death, too, nothing else is unmounted.
 */
#pragma once

#include "base/err.h"
#include "lifecycle/state.h"

int hostroot_note(const struct state_dir *d, const char *rootfs, struct err *e);
/* Nothing to do where nothing was noted, or is mounted. */
int hostroot_unmount(const struct state_dir *d, const char *rootfs, struct err *e);
