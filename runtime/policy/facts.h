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

struct policy;

struct fact_mount {		/* one for each entry of spec->mounts, same index */
	bool is_bind;
	int error;		/* errno of opening the source, 0: it is open */
	int fd;			/* O_PATH of the source with links followed, -1 if none; owned */
	char *resolved;		/* its real path on the host; lexical where error is set */
	struct stat st;
	bool mount_root;	/* something is mounted at this very place */
	char *socket;		/* an AF_UNIX socket that it is, or that lies beneath it; else NULL */
	const char *same_as;	/* the protected path that it is another name of, else NULL */
};

struct fact_namespace {		/* one for each entry of spec->linux_->namespaces, same index */
	int error;		/* errno of looking at its path, 0: fine or no path */
	bool host;		/* the path leads to the host's own (or the runtime's own) namespace */
};

struct facts {
	VEC(struct fact_mount) mounts;
	VEC(struct fact_namespace) namespaces;
	bool rootless;		/* not root of the initial user namespace */
	bool by_name;		/* explain only: judge by name what may not be opened */
	uid_t euid;
	char *bundle, *rootfs;	/* real paths */
	struct strv published;	/* ports of the container that its engine publishes, decimal */
	struct strv homes;	/* home directories of the host's people */
	struct strv engine_roots;	/* the policy's, resolved; those that exist */
};

/* Relative mount sources are relative to the bundle. */
int facts_gather(struct arena *a, const struct spec *s, const struct policy *p, const char *bundle,
		 struct facts *ret, struct err *e);
void facts_close(struct facts *f);	/* closes what policy_apply() did not take */
