/* SPDX-License-Identifier: Apache-2.0 */
/*
 * idmap: user and group id maps of a user namespace.
 *
 * Written from outside by the parent: directly where it has the right to,
 * through newuidmap/newgidmap where not (rootless), with setgroups denied
 * for a single-id map without privilege (CVE-2014-8989).
 */
#pragma once

#include <sys/types.h>

#include "base/err.h"
#include "spec/spec.h"

int idmap_write(pid_t pid, const struct spec_linux *l, struct err *e);
/*
 * Enters a new user namespace in which the caller is root and has the ids that /etc/subuid and
 * /etc/subgid give it: the files of a rootless container belong to them.  For a process with one thread
 * and without privilege.
 */
int idmap_enter_own(struct err *e);
/* Calls it in a child that did so, and waits: 0 and what it has put into its str, or the error of either. */
int idmap_call_own(int (*call)(void *argument, struct str *out, struct err *e), void *argument,
		   struct str *ret, struct err *e);
/* The id on the host of the container's id; -1 if it is not mapped. No maps: the id itself. */
int64_t idmap_host_id(const struct spec_id_mapping *v, size_t n, int64_t container_id);
/* A user namespace with exactly these maps, for id-mapped mounts (mount_setattr(2)). */
int idmap_userns_fd(const struct spec_id_mapping *uid, size_t n_uid,
		    const struct spec_id_mapping *gid, size_t n_gid, int *ret_fd, struct err *e);
