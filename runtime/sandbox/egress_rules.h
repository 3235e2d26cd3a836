/* SPDX-License-Identifier: Apache-2.0 */
/*
 * egress_rules: the allowed destinations of an agent block as disjoint ranges
 * of addresses and ports, which is what an interval set of nftables holds.
 *
 * The last line of defence behind the policy: refuses what must never be in a
 * table (DNS by address, link-local and multicast destinations).  Must not
 * resolve names and must not talk to the kernel.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "spec/spec.h"

enum { EGRESS_RANGES_MOST = 4096 };	/* per family */

struct egress_range {
	uint8_t first[16], last[16];	/* network order; 4 bytes of it for IPv4 */
	uint8_t protocol;		/* IPPROTO_TCP or IPPROTO_UDP */
	uint16_t port_first, port_last;
	const char *reason;		/* NULL: none was given */
};

struct egress_ranges {
	struct egress_range *v;
	size_t n, room;
};

/*
 * The ranges of every rule, by family.  Where rules overlap the common part keeps the reason of
 * the earlier one: the kernel takes no overlapping elements.  -EPERM: a refusal of three lines.
 */
int egress_rules_expand(struct arena *a, const struct spec_agent *agent,
			struct egress_ranges *ret_v4, struct egress_ranges *ret_v6, struct err *e);
