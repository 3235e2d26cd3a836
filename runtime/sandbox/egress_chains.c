/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of each chain, and the expressions that they are made of. */
#include "sandbox/egress_table_parts.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <string.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tuple_common.h>
#include <linux/netfilter/nf_tables.h>

enum { LOG_GROUP = 5 };

/* R is the first register; a concatenation goes on in the 4-byte ones behind the address. */
enum { R = NFT_REG_1, AFTER_V4 = NFT_REG32_01, AFTER_V6 = NFT_REG32_04 };

enum {
	STATE_NEW = NF_CT_STATE_BIT(IP_CT_NEW),
	STATE_ESTABLISHED = NF_CT_STATE_BIT(IP_CT_ESTABLISHED),
	STATE_RELATED = NF_CT_STATE_BIT(IP_CT_RELATED),
	STATE_INVALID = NF_CT_STATE_INVALID_BIT,
};

/* ---- expressions ---- */

static void rule(struct nl_batch *b, const char *in_chain, const char *text)
{
	egress_message(b, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, text);
	nl_put_text(b, NFTA_RULE_TABLE, EGRESS_TABLE);
	nl_put_text(b, NFTA_RULE_CHAIN, in_chain);
	nl_nest(b, NFTA_RULE_EXPRESSIONS);
}

static void rule_end(struct nl_batch *b)
{
	nl_end(b);
}

static void expr(struct nl_batch *b, const char *name)
{
	nl_nest(b, NFTA_LIST_ELEM);
	nl_put_text(b, NFTA_EXPR_NAME, name);
	nl_nest(b, NFTA_EXPR_DATA);
}

static void expr_end(struct nl_batch *b)
{
	nl_end(b);
	nl_end(b);
}

static void load_meta(struct nl_batch *b, unsigned key, unsigned reg)
{
	expr(b, "meta");
	nl_put_be32(b, NFTA_META_DREG, reg);
	nl_put_be32(b, NFTA_META_KEY, key);
	expr_end(b);
}

static void load_ct(struct nl_batch *b, unsigned key)
{
	expr(b, "ct");
	nl_put_be32(b, NFTA_CT_DREG, R);
	nl_put_be32(b, NFTA_CT_KEY, key);
	expr_end(b);
}

static void load_payload(struct nl_batch *b, unsigned base, unsigned offset, unsigned size,
			 unsigned reg)
{
	expr(b, "payload");
	nl_put_be32(b, NFTA_PAYLOAD_DREG, reg);
	nl_put_be32(b, NFTA_PAYLOAD_BASE, base);
	nl_put_be32(b, NFTA_PAYLOAD_OFFSET, offset);
	nl_put_be32(b, NFTA_PAYLOAD_LEN, size);
	expr_end(b);
}

static void cmp(struct nl_batch *b, unsigned op, const void *data, size_t size)
{
	expr(b, "cmp");
	nl_put_be32(b, NFTA_CMP_SREG, R);
	nl_put_be32(b, NFTA_CMP_OP, op);
	egress_put_key(b, NFTA_CMP_DATA, data, size);
	expr_end(b);
}

static void is_u8(struct nl_batch *b, uint8_t v)
{
	cmp(b, NFT_CMP_EQ, &v, sizeof v);
}

static void mask(struct nl_batch *b, const void *bits, size_t size)
{
	static const uint8_t zero[4];

	expr(b, "bitwise");
	nl_put_be32(b, NFTA_BITWISE_SREG, R);
	nl_put_be32(b, NFTA_BITWISE_DREG, R);
	nl_put_be32(b, NFTA_BITWISE_LEN, (uint32_t)size);
	egress_put_key(b, NFTA_BITWISE_MASK, bits, size);
	egress_put_key(b, NFTA_BITWISE_XOR, zero, size);
	expr_end(b);
}

static void lookup(struct nl_batch *b, const char *name, unsigned id, bool negated)
{
	expr(b, "lookup");
	nl_put_text(b, NFTA_LOOKUP_SET, name);
	nl_put_be32(b, NFTA_LOOKUP_SREG, R);
	if (id)
		nl_put_be32(b, NFTA_LOOKUP_SET_ID, id);
	if (negated)
		nl_put_be32(b, NFTA_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
	expr_end(b);
}

static void in_literal(struct nl_batch *b, unsigned id, bool negated)
{
	lookup(b, "__set%d", id, negated);
}

static unsigned protocols(struct nl_batch *b, uint8_t one, uint8_t other, const char *what)
{
	return egress_literal_set(b, TYPE_PROTOCOL, (uint8_t[]){ one, other }, 2, what);
}

static void update(struct nl_batch *b, const char *name)
{
	expr(b, "dynset");
	nl_put_text(b, NFTA_DYNSET_SET_NAME, name);
	nl_put_be32(b, NFTA_DYNSET_OP, NFT_DYNSET_OP_UPDATE);
	nl_put_be32(b, NFTA_DYNSET_SREG_KEY, R);
	expr_end(b);
}

static void verdict(struct nl_batch *b, int code, const char *to)
{
	expr(b, "immediate");
	nl_put_be32(b, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
	nl_nest(b, NFTA_IMMEDIATE_DATA);
	nl_nest(b, NFTA_DATA_VERDICT);
	nl_put_be32(b, NFTA_VERDICT_CODE, (uint32_t)code);
	if (to)
		nl_put_text(b, NFTA_VERDICT_CHAIN, to);
	nl_end(b);
	nl_end(b);
	expr_end(b);
}

static void go(struct nl_batch *b, const char *to)
{
	verdict(b, NFT_GOTO, to);
}

static void accept_it(struct nl_batch *b)
{
	verdict(b, NF_ACCEPT, NULL);
}

static void count(struct nl_batch *b, const char *name)
{
	expr(b, "objref");
	nl_put_be32(b, NFTA_OBJREF_IMM_TYPE, NFT_OBJECT_COUNTER);
	nl_put_text(b, NFTA_OBJREF_IMM_NAME, name);
	expr_end(b);
}

static void log_it(struct nl_batch *b, const char *prefix)
{
	uint16_t group = htons(LOG_GROUP);

	expr(b, "log");
	nl_put_text(b, NFTA_LOG_PREFIX, prefix);
	nl_put_bytes(b, NFTA_LOG_GROUP, &group, sizeof group);
	expr_end(b);
}

static void reject(struct nl_batch *b, unsigned type, uint8_t code)
{
	expr(b, "reject");
	nl_put_be32(b, NFTA_REJECT_TYPE, type);
	nl_put_u8(b, NFTA_REJECT_ICMP_CODE, code);
	expr_end(b);
}

/* ---- matches made of several expressions ---- */

static void family(struct nl_batch *b, bool v6)
{
	load_meta(b, NFT_META_NFPROTO, R);
	is_u8(b, v6 ? NFPROTO_IPV6 : NFPROTO_IPV4);
}

static void protocol(struct nl_batch *b, uint8_t number)
{
	load_meta(b, NFT_META_L4PROTO, R);
	is_u8(b, number);
}

static void ct_state(struct nl_batch *b, uint32_t states)
{
	static const uint32_t none;

	load_ct(b, NFT_CT_STATE);
	mask(b, &states, sizeof states);
	cmp(b, NFT_CMP_NEQ, &none, sizeof none);
}

static void ct_direction(struct nl_batch *b, uint8_t direction)
{
	load_ct(b, NFT_CT_DIRECTION);
	is_u8(b, direction);
}

static void interface(struct nl_batch *b, unsigned key, const char *name)
{
	char padded[IFNAMSIZ] = "";

	strncpy(padded, name, sizeof padded - 1);
	load_meta(b, key, R);
	cmp(b, NFT_CMP_EQ, padded, sizeof padded);
}

static void header_exists(struct nl_batch *b, uint8_t type)
{
	family(b, true);
	expr(b, "exthdr");
	nl_put_be32(b, NFTA_EXTHDR_DREG, R);
	nl_put_u8(b, NFTA_EXTHDR_TYPE, type);
	nl_put_be32(b, NFTA_EXTHDR_OFFSET, 0);
	nl_put_be32(b, NFTA_EXTHDR_LEN, 1);
	nl_put_be32(b, NFTA_EXTHDR_OP, NFT_EXTHDR_OP_IPV6);
	nl_put_be32(b, NFTA_EXTHDR_FLAGS, NFT_EXTHDR_F_PRESENT);
	expr_end(b);
	is_u8(b, 1);
}

enum side { SOURCE, DESTINATION };

/* "ip daddr . meta l4proto . th dport", with either side of each, as the key in R. */
static void key(struct nl_batch *b, bool v6, enum side address, bool has_port, enum side port)
{
	unsigned after = v6 ? AFTER_V6 : AFTER_V4;

	family(b, v6);
	load_payload(b, NFT_PAYLOAD_NETWORK_HEADER,
		     v6 ? (address == SOURCE ? 8 : 24) : (address == SOURCE ? 12 : 16), v6 ? 16 : 4,
		     R);
	load_meta(b, NFT_META_L4PROTO, after);
	if (has_port)
		load_payload(b, NFT_PAYLOAD_TRANSPORT_HEADER, port == SOURCE ? 0 : 2, 2, after + 1);
}

/* Neighbour discovery by three message types; hop limit 255 proves that it comes from the link. */
static void neighbour_discovery(struct nl_batch *b, const char *in_chain, uint8_t router_type,
				const char *text)
{
	uint8_t types[] = { ND_NEIGHBOR_SOLICIT, ND_NEIGHBOR_ADVERT, router_type };
	unsigned id = egress_literal_set(b, TYPE_ICMPV6, types, sizeof types, text);

	rule(b, in_chain, text);
	family(b, true);
	protocol(b, IPPROTO_ICMPV6);
	load_payload(b, NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1, R);
	in_literal(b, id, false);
	load_payload(b, NFT_PAYLOAD_NETWORK_HEADER, 7, 1, R);
	is_u8(b, 255);
	accept_it(b);
	rule_end(b);
}

/* ---- the chains ---- */

static void destination_in(struct nl_batch *b, bool v6, const char *set_name, const char *text)
{
	rule(b, "out", text);
	key(b, v6, DESTINATION, true, DESTINATION);
	lookup(b, set_name, 0, false);
	go(b, "ok");
	rule_end(b);
}

/* Of the flows that others opened to a published port only the answers may leave. */
static void answers_of_published(struct nl_batch *b)
{
	const char *text = "ct state established ct direction reply meta l4proto { tcp, udp } "
			   "th sport @published goto pubout";
	unsigned tcp_udp = protocols(b, IPPROTO_TCP, IPPROTO_UDP, text);

	rule(b, "out", text);
	ct_state(b, STATE_ESTABLISHED);
	ct_direction(b, IP_CT_DIR_REPLY);
	load_meta(b, NFT_META_L4PROTO, R);
	in_literal(b, tcp_udp, false);
	load_payload(b, NFT_PAYLOAD_TRANSPORT_HEADER, 0, 2, R);
	lookup(b, "published", 0, false);
	go(b, "pubout");
	rule_end(b);
}

/* Outbound flows are judged by their original direction: no blanket "established" (THREATS C8). */
static void chain_out(struct nl_batch *b, bool published)
{
	static const uint8_t embedded_resolver[] = { 127, 0, 0, 11 };	/* Docker's: leaks names */
	static const uint8_t header_length = 0x0f, without_options = 5;
	const char *text;
	unsigned id;

	rule(b, "out", "ip daddr 127.0.0.11 goto deny");
	family(b, false);
	load_payload(b, NFT_PAYLOAD_NETWORK_HEADER, 16, 4, R);
	cmp(b, NFT_CMP_EQ, embedded_resolver, sizeof embedded_resolver);
	go(b, "deny");
	rule_end(b);

	rule(b, "out", "oifname \"lo\" accept");
	interface(b, NFT_META_OIFNAME, "lo");
	accept_it(b);
	rule_end(b);

	neighbour_discovery(b, "out", ND_ROUTER_SOLICIT, "icmpv6 type { nd-neighbor-solicit, "
			    "nd-neighbor-advert, nd-router-solicit } ip6 hoplimit 255 accept");

	rule(b, "out", "exthdr rt exists goto deny");
	header_exists(b, IPPROTO_ROUTING);
	go(b, "deny");
	rule_end(b);

	rule(b, "out", "exthdr hbh exists goto deny");
	header_exists(b, IPPROTO_HOPOPTS);
	go(b, "deny");
	rule_end(b);

	rule(b, "out", "ip hdrlength > 5 goto deny");
	family(b, false);
	load_payload(b, NFT_PAYLOAD_NETWORK_HEADER, 0, 1, R);
	mask(b, &header_length, 1);
	cmp(b, NFT_CMP_GT, &without_options, 1);
	go(b, "deny");
	rule_end(b);

	text = "ip daddr { 169.254.0.0/16, 224.0.0.0/4, 255.255.255.255 } goto deny";
	id = egress_never_routed(b, text);
	rule(b, "out", text);
	family(b, false);
	load_payload(b, NFT_PAYLOAD_NETWORK_HEADER, 16, 4, R);
	in_literal(b, id, false);
	go(b, "deny");
	rule_end(b);

	text = "meta l4proto != { tcp, udp } goto deny";
	id = protocols(b, IPPROTO_TCP, IPPROTO_UDP, text);
	rule(b, "out", text);
	load_meta(b, NFT_META_L4PROTO, R);
	in_literal(b, id, true);
	go(b, "deny");
	rule_end(b);

	rule(b, "out", "ct state invalid goto deny");
	ct_state(b, STATE_INVALID);
	go(b, "deny");
	rule_end(b);

	destination_in(b, false, "allow4", "ip daddr . meta l4proto . th dport @allow4 goto ok");
	destination_in(b, true, "allow6", "ip6 daddr . meta l4proto . th dport @allow6 goto ok");
	destination_in(b, false, "dyn4", "ip daddr . meta l4proto . th dport @dyn4 goto ok");
	destination_in(b, true, "dyn6", "ip6 daddr . meta l4proto . th dport @dyn6 goto ok");

	rule(b, "out", "ct state established ct direction original goto ok");
	ct_state(b, STATE_ESTABLISHED);
	ct_direction(b, IP_CT_DIR_ORIGINAL);
	go(b, "ok");
	rule_end(b);

	if (published)
		answers_of_published(b);

	rule(b, "out", "goto deny");
	go(b, "deny");
	rule_end(b);
}

static void record_or_next(struct nl_batch *b, const char *in_chain, const char *set_name, bool v6,
			   enum side address, enum side port, const char *text)
{
	rule(b, in_chain, text);
	key(b, v6, address, true, port);
	update(b, set_name);
	accept_it(b);
	rule_end(b);
}

/* No record, no packet: where the set is full the update fails and the packet gets here. */
static void drop_unrecorded(struct nl_batch *b, const char *in_chain)
{
	rule(b, in_chain, "counter name unrecorded drop");
	count(b, "unrecorded");
	verdict(b, NF_DROP, NULL);
	rule_end(b);
}

static void chain_ok(struct egress_table *t, struct nl_batch *b)
{
	if (t->log) {
		rule(b, "ok", "ct state new log group 5 prefix \"allow \"");
		t->log_messages[0] = b->n;
		ct_state(b, STATE_NEW);
		log_it(b, "allow ");
		rule_end(b);
	}
	record_or_next(b, "ok", "out4", false, DESTINATION, DESTINATION,
		       "update @out4 { ip daddr . meta l4proto . th dport } accept");
	record_or_next(b, "ok", "out6", true, DESTINATION, DESTINATION,
		       "update @out6 { ip6 daddr . meta l4proto . th dport } accept");
	drop_unrecorded(b, "ok");
}

static void record_denied(struct nl_batch *b, const char *set_name, bool v6, bool has_port,
			  const char *text)
{
	unsigned tcp_udp = protocols(b, IPPROTO_TCP, IPPROTO_UDP, text);

	rule(b, "deny", text);
	load_meta(b, NFT_META_L4PROTO, R);
	in_literal(b, tcp_udp, !has_port);
	key(b, v6, DESTINATION, has_port, DESTINATION);
	update(b, set_name);
	rule_end(b);
}

/* Rejected, not dropped: a denied connect() fails at once, with a clear errno. */
static void chain_deny(struct egress_table *t, struct nl_batch *b)
{
	rule(b, "deny", "counter name denied");
	count(b, "denied");
	rule_end(b);

	if (t->log) {
		rule(b, "deny",
		     "limit rate 20/second burst 50 packets log group 5 prefix \"deny \"");
		t->log_messages[1] = b->n;
		expr(b, "limit");
		nl_put_be64(b, NFTA_LIMIT_RATE, 20);
		nl_put_be64(b, NFTA_LIMIT_UNIT, 1);
		nl_put_be32(b, NFTA_LIMIT_BURST, 50);
		nl_put_be32(b, NFTA_LIMIT_TYPE, NFT_LIMIT_PKTS);
		nl_put_be32(b, NFTA_LIMIT_FLAGS, 0);
		expr_end(b);
		log_it(b, "deny ");
		rule_end(b);
	}
	record_denied(b, "deny4", false, true, "meta l4proto { tcp, udp } "
		      "update @deny4 { ip daddr . meta l4proto . th dport }");
	record_denied(b, "deny6", true, true, "meta l4proto { tcp, udp } "
		      "update @deny6 { ip6 daddr . meta l4proto . th dport }");
	record_denied(b, "deny4x", false, false,
		      "meta l4proto != { tcp, udp } update @deny4x { ip daddr . meta l4proto }");
	record_denied(b, "deny6x", true, false,
		      "meta l4proto != { tcp, udp } update @deny6x { ip6 daddr . meta l4proto }");

	rule(b, "deny", "meta l4proto tcp reject with tcp reset");
	protocol(b, IPPROTO_TCP);
	reject(b, NFT_REJECT_TCP_RST, 0);
	rule_end(b);

	rule(b, "deny", "reject with icmpx admin-prohibited");
	reject(b, NFT_REJECT_ICMPX_UNREACH, NFT_REJECT_ICMPX_ADMIN_PROHIBITED);
	rule_end(b);
}

/*
 * A published port is a rule of its own: what others send in the direction in which they opened
 * the flow.  The container's port is meant: the host's DNAT has happened before.
 */
static void opened_to_published(struct nl_batch *b)
{
	const char *text = "ct state { new, established } ct direction original "
			   "meta l4proto { tcp, udp } th dport @published goto pubin";
	unsigned tcp_udp = protocols(b, IPPROTO_TCP, IPPROTO_UDP, text);

	rule(b, "in", text);
	ct_state(b, STATE_NEW | STATE_ESTABLISHED);
	ct_direction(b, IP_CT_DIR_ORIGINAL);
	load_meta(b, NFT_META_L4PROTO, R);
	in_literal(b, tcp_udp, false);
	load_payload(b, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, R);
	lookup(b, "published", 0, false);
	go(b, "pubin");
	rule_end(b);
}

/* Inbound packets pass by reply direction only. */
static void chain_in(struct nl_batch *b, bool published)
{
	const char *text = "ct state related meta l4proto { icmp, icmpv6 } accept";
	unsigned id;

	rule(b, "in", "iifname \"lo\" accept");
	interface(b, NFT_META_IIFNAME, "lo");
	accept_it(b);
	rule_end(b);

	neighbour_discovery(b, "in", ND_ROUTER_ADVERT, "icmpv6 type { nd-neighbor-solicit, "
			    "nd-neighbor-advert, nd-router-advert } ip6 hoplimit 255 accept");

	id = protocols(b, IPPROTO_ICMP, IPPROTO_ICMPV6, text);
	rule(b, "in", text);
	ct_state(b, STATE_RELATED);
	load_meta(b, NFT_META_L4PROTO, R);
	in_literal(b, id, false);
	accept_it(b);
	rule_end(b);

	rule(b, "in", "ct state established ct direction reply goto inok");
	ct_state(b, STATE_ESTABLISHED);
	ct_direction(b, IP_CT_DIR_REPLY);
	go(b, "inok");
	rule_end(b);

	if (published)
		opened_to_published(b);

	rule(b, "in", "counter name inbound_denied");
	count(b, "inbound_denied");
	rule_end(b);
}

static void chain_inok(struct nl_batch *b)
{
	record_or_next(b, "inok", "in4", false, SOURCE, SOURCE,
		       "update @in4 { ip saddr . meta l4proto . th sport } accept");
	record_or_next(b, "inok", "in6", true, SOURCE, SOURCE,
		       "update @in6 { ip6 saddr . meta l4proto . th sport } accept");
	drop_unrecorded(b, "inok");
}

/* Both directions under the client's address and the published port. */
static void chains_published(struct nl_batch *b)
{
	record_or_next(b, "pubin", "pubin4", false, SOURCE, DESTINATION,
		       "update @pubin4 { ip saddr . meta l4proto . th dport } accept");
	record_or_next(b, "pubin", "pubin6", true, SOURCE, DESTINATION,
		       "update @pubin6 { ip6 saddr . meta l4proto . th dport } accept");
	drop_unrecorded(b, "pubin");
	record_or_next(b, "pubout", "pubout4", false, DESTINATION, SOURCE,
		       "update @pubout4 { ip daddr . meta l4proto . th sport } accept");
	record_or_next(b, "pubout", "pubout6", true, DESTINATION, SOURCE,
		       "update @pubout6 { ip6 daddr . meta l4proto . th sport } accept");
	drop_unrecorded(b, "pubout");
}

void egress_put_chains(struct egress_table *t, struct nl_batch *b)
{
	bool published = t->n_published > 0;

	chain_out(b, published);
	chain_ok(t, b);
	chain_deny(t, b);
	chain_in(b, published);
	chain_inok(b);
	if (published)
		chains_published(b);

	rule(b, "transit", "counter name forwarded");
	count(b, "forwarded");
	rule_end(b);
}
