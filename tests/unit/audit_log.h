/* SPDX-License-Identifier: Apache-2.0 */
/* audit_log: an audit log of the test's own, which goes with it. */
#pragma once

#include <criterion/criterion.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

#include "audit/audit.h"
#include "base/arena.h"

static char dir[] = "/tmp/test-audit-XXXXXX";
static struct arena arena;

static inline void set_up(void)
{
	cr_assert(mkdtemp(dir) != NULL);
}

static inline int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static inline void tear_down(void)
{
	nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	arena_free(&arena);
}

static inline const char *in_dir(const char *name)
{
	return arena_printf(&arena, "%s/%s", dir, name);
}

static inline struct audit_verdict verify(void)
{
	struct audit_verdict v;
	struct err e;

	cr_assert(audit_verify(dir, NULL, &v, &e) == 0, "%s", e.text);
	return v;
}

static inline void expect_good(unsigned long long records)
{
	struct audit_verdict v = verify();

	cr_expect(v.bad_seq == 0, "%llu: %s", v.bad_seq, v.reason);
	cr_expect(v.records == records, "%llu records, not %llu", v.records, records);
}
