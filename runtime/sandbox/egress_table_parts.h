/* SPDX-License-Identifier: Apache-2.0 */
/*
 * egress_table_parts: what these files share:
 *
 *   egress_table.c     the table, its chains, counters and sets
 *   egress_chains.c    the rules in the chains
 *
 * Nobody else includes this header.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "sandbox/egress_table.h"

/* nft's numbers of data types; the kernel keeps them with sets, and makes nothing of them. */
enum nft_type { TYPE_IPV4 = 7, TYPE_IPV6 = 8, TYPE_PROTOCOL = 12, TYPE_SERVICE = 13,
		TYPE_ICMPV6 = 29, TYPE_BITS = 6 };

/* ---- egress_table.c ---- */

/* Starts a message of the table: type is NFT_MSG_*, flags and what as nl_message() has them. */
void egress_message(struct nl_batch *b, unsigned type, unsigned flags, const char *what);
/* An element's key, or the data that an expression compares with. */
void egress_put_key(struct nl_batch *b, unsigned attr, const void *key, size_t size);
/* "{ a, b }" inside a rule, of bytes; sent before it.  Returns its id, as the next does. */
unsigned egress_literal_set(struct nl_batch *b, unsigned type, const uint8_t *v, size_t n,
			    const char *what);
/* "{ 169.254.0.0/16, 224.0.0.0/4, 255.255.255.255 }" */
unsigned egress_never_routed(struct nl_batch *b, const char *what);

/* ---- egress_chains.c ---- */

/* All rules; the chains and sets are before them in the batch. */
void egress_put_chains(struct egress_table *t, struct nl_batch *b);
