/* SPDX-License-Identifier: Apache-2.0 */
/*
 * egress: the nftables table "inet agentrun" inside the container's network
 * namespace (DESIGN section 6; THREATS part C), and its evidence.
 *
 * The table is created exclusively (no add-delete-add, which would cost an RCU
 * grace period) by the container's init before any hook runs.  Must not
 * resolve names: rules come with addresses.  nft objects are encoded over
 * base/nl.h directly.
 */
#pragma once

#include "base/err.h"
#include "spec/spec.h"

/* Whether this agent block wants a table at all (egress is not "open"). */
bool egress_wanted(const struct spec_agent *agent);

/*
 * Installs the table in the caller's network namespace, in one batch.  Where a
 * table of the same name is there already (a pod's shared namespace) its
 * comment must carry the same policy digest; otherwise it is refused
 * (THREATS C18).  `digest` is agent->policy_digest.
 */
int egress_install(const struct spec_agent *agent, struct err *e);

/* One line of evidence: a destination and what was counted for it. */
struct egress_count {
	enum egress_verdict { EGRESS_ALLOWED, EGRESS_REPLY, EGRESS_DENIED } verdict;
	char address[64];	/* textual */
	char protocol[16];	/* "tcp", "udp", "icmp", or the number */
	unsigned port;		/* 0 where the protocol has none */
	unsigned long long packets, bytes;
};
struct egress_evidence {
	VEC(struct egress_count) destinations;
	unsigned long long denied_packets, unrecorded_packets, forwarded_packets,
		inbound_denied_packets;
	bool truncated;		/* a set was full: the list is not complete */
};
/* Reads the sets of the table in the network namespace of `netns_fd` (of the caller if -1). */
int egress_read(struct arena *a, int netns_fd, struct egress_evidence *ret, struct err *e);

/* Brings the loopback interface up in the caller's network namespace. */
int egress_loopback_up(struct err *e);

