/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nl: netlink, netfilter's and rtnetlink.
 *
 * Builds messages in one growing buffer, sends a batch as one transaction and
 * says which of its messages the kernel refused, and dumps objects.  A socket
 * belongs to the network namespace it was opened in and stays there.  Knows
 * how messages and attributes are laid out; must not know what an nftables
 * table or a device means: that is sandbox/egress and sandbox/netdev.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <linux/netlink.h>

#include "base/err.h"
#include "base/str.h"

struct nl {
	int fd;		/* the socket; owned */
};

#define NL_INIT ((struct nl){ .fd = -1 })
#define owned_nl __attribute__((cleanup(nl_close))) struct nl
void nl_close(struct nl *n);

/*
 * A socket of that protocol (NETLINK_NETFILTER, NETLINK_ROUTE) in the network
 * namespace of netns_fd, or in the caller's own if that is -1.  The calling
 * thread is in its own namespace when this returns 0.  Where it may not enter the
 * other, or not come back (rootless: they belong to different user namespaces), a
 * child process enters and hands the socket back.
 */
int nl_open(struct nl *n, int protocol, int netns_fd, struct err *e);

/* ---- building: messages one after the other, the attributes of each in order ---- */

enum { NL_NESTS = 8 };	/* how deep nests may go */

struct nl_batch {
	struct str bytes;
	size_t message;			/* where the last message starts in bytes */
	size_t head;			/* bytes of its family's header, as aligned */
	size_t nests[NL_NESTS], depth;	/* open nests, as offsets into bytes */
	const char **what;		/* of each message, by its number less one */
	size_t n;			/* messages; the last one's number */
};

#define NL_BATCH_INIT ((struct nl_batch){ 0 })
#define owned_nl_batch __attribute__((cleanup(nl_batch_free))) struct nl_batch
void nl_batch_free(struct nl_batch *b);

/*
 * Starts a message.  type: subsystem << 8 | message; flags: NLM_F_*, REQUEST is added; family:
 * NFPROTO_*.  `what` is shown if the kernel refuses the message, and must outlive the batch.
 */
void nl_message(struct nl_batch *b, unsigned type, unsigned flags, unsigned family,
		const char *what);
/* The same for a family with another header than netfilter's (rtnetlink: struct ifinfomsg). */
void nl_message_of(struct nl_batch *b, unsigned type, unsigned flags, const void *head,
		   size_t size, const char *what);
void nl_put_be32(struct nl_batch *b, unsigned attr, uint32_t v);
void nl_put_be64(struct nl_batch *b, unsigned attr, uint64_t v);
void nl_put_u8(struct nl_batch *b, unsigned attr, uint8_t v);
void nl_put_text(struct nl_batch *b, unsigned attr, const char *text);	/* with its NUL */
void nl_put_bytes(struct nl_batch *b, unsigned attr, const void *data, size_t size);
/* Opens a nest; what is put until the matching nl_end() is inside. */
void nl_nest(struct nl_batch *b, unsigned attr);
void nl_end(struct nl_batch *b);

/* ---- talking ---- */

/*
 * Sends the messages as one transaction of the subsystem (NFNL_SUBSYS_*): all of them take effect,
 * or none.  On failure *ret_failed, if not NULL, is the number of the first message refused, 0 if
 * it was the transaction as a whole, and e names that message.
 */
int nl_commit(struct nl *n, const struct nl_batch *b, unsigned subsystem, size_t *ret_failed,
	      struct err *e);

/* Called with the attributes of one object, right after its family's header; a negative result (with e set)
 * ends the dump. */
typedef int nl_each(void *arg, const void *attrs, size_t size, struct err *e);
/*
 * Sends the batch's only message, a get (with NLM_F_DUMP or NLM_F_ACK) or a single change (with NLM_F_ACK,
 * `each` NULL), and calls `each` for every answer.  -EINTR: the objects changed meanwhile, what was seen
 * may be inconsistent: start anew.
 */
int nl_get(struct nl *n, const struct nl_batch *b, nl_each *each, void *arg, struct err *e);

/* ---- reading attributes ---- */

/* Fills by_type[0..max] with the attributes found, NULL for those absent; passes over others. */
void nl_parse(const void *attrs, size_t size, const struct nlattr **by_type, unsigned max);
void nl_parse_nest(const struct nlattr *nest, const struct nlattr **by_type, unsigned max);
/* Iterates over the members of a nest: NULL gives the first, NULL after the last. */
const struct nlattr *nl_next(const struct nlattr *nest, const struct nlattr *previous);
const void *nl_data(const struct nlattr *a, size_t *ret_size);
/* 0 / "" where the attribute is absent or has another size than the type asked for. */
uint32_t nl_be32(const struct nlattr *a);
uint64_t nl_be64(const struct nlattr *a);
const char *nl_text(const struct nlattr *a);
