/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mounting: the mounts of a test.  The container's root is `root` in the
 * working directory.
 */
#pragma once

#include "sandboxed.h"

enum { MOST_MOUNTS = 4 };

static inline size_t count(const struct spec_mount *m)
{
	size_t n = 0;

	while (n < MOST_MOUNTS && m[n].destination)
		n++;
	return n;
}

static inline void mount_them(struct rootfs *r, struct spec *s, const struct spec_mount *m,
			      struct outcome *o)
{
	s->mounts.n = m ? count(m) : 0;
	s->mounts.v = must(calloc(MOST_MOUNTS, sizeof *s->mounts.v));
	if (m)
		memcpy(s->mounts.v, m, s->mounts.n * sizeof *m);
	prepare_root(r, s, o);
}
