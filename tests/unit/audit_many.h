/* SPDX-License-Identifier: Apache-2.0 */
/* audit_many: many records in one append. */
#pragma once

#include "audit_lines.h"

struct many {
	size_t n, size;
	unsigned calls;
	int (*first)(unsigned call);	/* NULL: nothing is done before they are put */
};

static inline int put_many(void *arg, struct audit_sink *sink, struct err *e)
{
	struct many *m = arg;
	int r = 0;

	m->calls++;
	for (size_t i = 0; r == 0 && i < m->n; i++) {
		owned_str members = STR_INIT;

		str_printf(&members, "{\"number\":%zu,\"text\":\"%0*d\"}", i, (int)m->size, 0);
		r = audit_put(sink, "commands", &members, NULL, e);
		if (r == 0 && m->first && i == m->n / 2)
			r = m->first(m->calls);
	}
	return r < 0 ? -e->code : 0;
}

static inline int try_many(const char *session, size_t n, size_t size, struct err *e)
{
	const struct audit_frame frame = frame_of(session, "commands");

	return audit_append_many(dir, &frame, put_many, &(struct many){ n, size, 0, NULL }, e);
}

static inline void append_many(const char *session, size_t n, size_t size)
{
	struct err e;

	cr_assert(try_many(session, n, size, &e) == 0, "%s", e.text);
}
