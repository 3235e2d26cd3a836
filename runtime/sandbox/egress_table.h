/* SPDX-License-Identifier: Apache-2.0 */
/*
 * egress_table: the nftables table "inet agentrun" as one batch of messages.
 *
 * One function per chain, one call per rule, each with the rule's text in nft's
 * own syntax: that text is what an error names, and what a reader compares
 * with `nft list ruleset`.  Must not talk to the kernel: sandbox/egress.c does.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/nl.h"
#include "sandbox/egress_rules.h"

#define EGRESS_TABLE "agentrun"

/* One set of evidence: keys address . protocol [. port], with a counter each. */
struct egress_set {
	const char *name;
	bool v6, has_port;
	unsigned size;		/* elements at most: a full one means truncated evidence */
	int verdict;		/* enum egress_verdict */
	bool published;		/* only in the table if there are published ports */
};
enum { EGRESS_SETS = 12 };
extern const struct egress_set egress_sets[EGRESS_SETS];

struct egress_table {
	const char *comment;		/* of the table: says which policy it enforces */
	struct egress_ranges allow4, allow6;
	const uint64_t *published;	/* ports that others may open flows to */
	size_t n_published;
	bool log;			/* with the two rules that log to group 5 */
	size_t log_messages[2];		/* returned: their numbers in the batch */
};

/* -EINVAL: a published port that is none. */
int egress_table_build(struct egress_table *t, struct nl_batch *b, struct err *e);
