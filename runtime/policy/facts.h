/* SPDX-License-Identifier: Apache-2.0 */
/*
 * facts: what a policy decision must know of the host, gathered before it.
 *
 * facts_gather() does all the I/O, so that policy_apply() does none.  The
 * objects that it looked at stay open (fact_mount.fd) and become
 * spec_mount.source_fd of the effective spec: what was judged is what is
 * mounted, nothing can be swapped in between.  Works without privileges.
 */
#pragma once

#include <sys/stat.h>

#include "base/err.h"
#include "spec/spec.h"

struct fact_mount {		/* one for each entry of spec->mounts, same index */
	bool is_bind;
	int error;		/* errno of opening the source, 0: it is open */
	int fd;			/* O_PATH of the source with links followed, -1 if none; owned */
	char *resolved;		/* its real path on the host */
	struct stat st;
	char *socket;		/* an AF_UNIX socket that it is, or that lies beneath it; else NULL */
};

struct facts {
	VEC(struct fact_mount) mounts;
	bool rootless;		/* not root of the initial user namespace */
	uid_t euid;
	char *rootfs;		/* real path of the root */
	struct strv homes;	/* home directories of the host's users, and their parents */
};

int facts_gather(struct arena *a, const struct spec *s, const char *bundle, struct facts *ret,
		 struct err *e);
void facts_close(struct facts *f);	/* closes what policy_apply() did not take */
