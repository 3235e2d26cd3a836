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
 * Installs the table in the network namespace of netns_fd (-1: the caller's
 * own), in one batch; does nothing where none is wanted.  Where a table of the same name is there
 * already (a pod's shared namespace) its comment must carry
 * agent->policy_digest; otherwise -EPERM, a refusal of three lines (THREATS
 * C18).  A kernel without nfnetlink_log gets the table without its two log
 * rules: that loses the live log, never protection or evidence.
 */
int egress_install(const struct spec_agent *agent, int netns_fd, struct err *e);

/* One line of evidence: a destination and what was counted for it. */
struct egress_count {
	enum egress_verdict {
		EGRESS_ALLOWED,		/* sent to it */
		EGRESS_REPLY,		/* received from it, in answer */
		EGRESS_DENIED,		/* rejected on the way to it */
		EGRESS_INBOUND,		/* received from it at a published port, which `port` is */
		EGRESS_INBOUND_REPLY,	/* sent to it in answer to that */
	} verdict;
	char address[64];	/* textual */
	char protocol[16];	/* "tcp", "udp", "icmp", or the number */
	unsigned port;		/* 0 where the protocol has none */
	unsigned long long packets, bytes;
};
extern const char *const egress_verdict_names[];	/* "allowed", "reply", ... */

struct egress_evidence {
	VEC(struct egress_count) destinations;
	unsigned long long denied_packets, unrecorded_packets, forwarded_packets,
		inbound_denied_packets;
	bool truncated;		/* a set was full: the list is not complete */
};
/*
 * Reads the sets of the table in the network namespace of `netns_fd` (of the caller if -1).
 * -ENOENT: there is no such table.
 */
int egress_read(struct arena *a, int netns_fd, struct egress_evidence *ret, struct err *e);

/* Brings the loopback interface up in the caller's network namespace. */
int egress_loopback_up(struct err *e);
