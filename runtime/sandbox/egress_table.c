/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/egress_table.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <string.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tuple_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "sandbox/egress.h"

/* What nft (the program) stores with objects so that it can print them; opaque to the kernel. */
enum { UDATA_COMMENT = 0, UDATA_SET_BYTEORDER = 0, UDATA_ELEMENT_FLAGS = 1 };
enum { BYTEORDER_NONE = 0, BYTEORDER_NETWORK = 2 };
enum { COMMENT_MOST = 127 };		/* what nft prints, without the NUL */
enum nft_type { TYPE_IPV4 = 7, TYPE_IPV6 = 8, TYPE_PROTOCOL = 12, TYPE_SERVICE = 13,
		TYPE_ICMPV6 = 29, TYPE_BITS = 6 };

enum { PRIORITY = 10, LOG_GROUP = 5, ELEMENTS_PER_MESSAGE = 150 };

/* R is the first register; a concatenation goes on in the 4-byte ones behind the address. */
enum { R = NFT_REG_1, AFTER_V4 = NFT_REG32_01, AFTER_V6 = NFT_REG32_04 };

enum {
	STATE_NEW = NF_CT_STATE_BIT(IP_CT_NEW),
	STATE_ESTABLISHED = NF_CT_STATE_BIT(IP_CT_ESTABLISHED),
	STATE_RELATED = NF_CT_STATE_BIT(IP_CT_RELATED),
	STATE_INVALID = NF_CT_STATE_INVALID_BIT,
};

const struct egress_set egress_sets[EGRESS_SETS] = {
	{ "out4", false, true, 4096, EGRESS_ALLOWED, false },
	{ "out6", true, true, 4096, EGRESS_ALLOWED, false },
	{ "in4", false, true, 4096, EGRESS_REPLY, false },
	{ "in6", true, true, 4096, EGRESS_REPLY, false },
	{ "deny4", false, true, 4096, EGRESS_DENIED, false },
	{ "deny6", true, true, 4096, EGRESS_DENIED, false },
	{ "deny4x", false, false, 1024, EGRESS_DENIED, false },
	{ "deny6x", true, false, 1024, EGRESS_DENIED, false },
	{ "pubin4", false, true, 4096, EGRESS_INBOUND, true },
	{ "pubin6", true, true, 4096, EGRESS_INBOUND, true },
	{ "pubout4", false, true, 4096, EGRESS_INBOUND_REPLY, true },
	{ "pubout6", true, true, 4096, EGRESS_INBOUND_REPLY, true },
};

static const unsigned new_object = NLM_F_CREATE | NLM_F_EXCL;

static void message(struct nl_batch *b, unsigned type, unsigned flags, const char *what)
{
	nl_message(b, NFNL_SUBSYS_NFTABLES << 8 | type, flags, NFPROTO_INET, what);
}

/* ---- objects ---- */

static size_t put_udata(uint8_t *to, uint8_t type, const void *data, size_t size)
{
	to[0] = type;
	to[1] = (uint8_t)size;
	memcpy(to + 2, data, size);
	return 2 + size;
}

static void put_comment(struct nl_batch *b, unsigned attr, const char *text)
{
	uint8_t udata[2 + COMMENT_MOST + 1];
	char shown[COMMENT_MOST + 1];
	size_t n = strnlen(text, COMMENT_MOST);

	/* Cut between characters, not inside one. */
	while (text[n] && n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
		n--;
	memcpy(shown, text, n);
	shown[n] = 0;
	nl_put_bytes(b, attr, udata, put_udata(udata, UDATA_COMMENT, shown, n + 1));
}

static void table(struct nl_batch *b, const char *comment)
{
	message(b, NFT_MSG_NEWTABLE, new_object, "table " EGRESS_TABLE);
	nl_put_text(b, NFTA_TABLE_NAME, EGRESS_TABLE);
	nl_put_be32(b, NFTA_TABLE_FLAGS, 0);
	put_comment(b, NFTA_TABLE_USERDATA, comment);
}

static void chain(struct nl_batch *b, const char *name)
{
	message(b, NFT_MSG_NEWCHAIN, new_object, name);
	nl_put_text(b, NFTA_CHAIN_TABLE, EGRESS_TABLE);
	nl_put_text(b, NFTA_CHAIN_NAME, name);
}

/* A chain that the kernel calls: what no rule accepts is dropped. */
static void base_chain(struct nl_batch *b, const char *name, unsigned hook)
{
	chain(b, name);
	nl_put_text(b, NFTA_CHAIN_TYPE, "filter");
	nl_put_be32(b, NFTA_CHAIN_POLICY, NF_DROP);
	nl_nest(b, NFTA_CHAIN_HOOK);
	nl_put_be32(b, NFTA_HOOK_HOOKNUM, hook);
	nl_put_be32(b, NFTA_HOOK_PRIORITY, PRIORITY);
	nl_end(b);
}

static void counter(struct nl_batch *b, const char *name)
{
	message(b, NFT_MSG_NEWOBJ, new_object, name);
	nl_put_text(b, NFTA_OBJ_TABLE, EGRESS_TABLE);
	nl_put_text(b, NFTA_OBJ_NAME, name);
	nl_put_be32(b, NFTA_OBJ_TYPE, NFT_OBJECT_COUNTER);
	nl_nest(b, NFTA_OBJ_DATA);
	nl_put_be64(b, NFTA_COUNTER_BYTES, 0);
	nl_put_be64(b, NFTA_COUNTER_PACKETS, 0);
	nl_end(b);
}

/* Starts a set and leaves it open for its description and expressions. Returns its id. */
static unsigned set(struct nl_batch *b, const char *name, unsigned flags, unsigned type,
		    size_t key_size, unsigned byteorder)
{
	uint8_t udata[6];
	unsigned id = (unsigned)b->n + 1;	/* any number that is used once in the batch */

	message(b, NFT_MSG_NEWSET, new_object, name);
	nl_put_text(b, NFTA_SET_TABLE, EGRESS_TABLE);
	nl_put_text(b, NFTA_SET_NAME, name);
	nl_put_be32(b, NFTA_SET_FLAGS, flags);
	nl_put_be32(b, NFTA_SET_KEY_TYPE, type);
	nl_put_be32(b, NFTA_SET_KEY_LEN, (uint32_t)key_size);
	nl_put_be32(b, NFTA_SET_ID, id);
	nl_put_bytes(b, NFTA_SET_USERDATA, udata,
		     put_udata(udata, UDATA_SET_BYTEORDER, &byteorder, sizeof byteorder));
	return id;
}

static unsigned concatenation(bool v6, bool has_port)
{
	unsigned type = (v6 ? TYPE_IPV6 : TYPE_IPV4) << TYPE_BITS | TYPE_PROTOCOL;

	return has_port ? type << TYPE_BITS | TYPE_SERVICE : type;
}

static size_t concatenation_size(bool v6, bool has_port)
{
	return (v6 ? 16 : 4) + 4 + (has_port ? 4 : 0);	/* each field fills whole registers */
}

static void count_each_element(struct nl_batch *b)
{
	nl_nest(b, NFTA_SET_EXPR);
	nl_put_text(b, NFTA_EXPR_NAME, "counter");
	nl_nest(b, NFTA_EXPR_DATA);
	nl_end(b);
	nl_end(b);
}

/* A set that packets (NFT_SET_EVAL) or a resolver (NFT_SET_TIMEOUT) fill. */
static void open_set(struct nl_batch *b, const char *name, unsigned flags, bool v6, bool has_port,
		     unsigned size)
{
	set(b, name, flags, concatenation(v6, has_port), concatenation_size(v6, has_port),
	    BYTEORDER_NONE);
	nl_nest(b, NFTA_SET_DESC);
	nl_put_be32(b, NFTA_SET_DESC_SIZE, size);
	nl_end(b);
	count_each_element(b);
}

static void open_elements(struct nl_batch *b, const char *name, unsigned id)
{
	message(b, NFT_MSG_NEWSETELEM, new_object, name);
	nl_put_text(b, NFTA_SET_ELEM_LIST_TABLE, EGRESS_TABLE);
	nl_put_text(b, NFTA_SET_ELEM_LIST_SET, name);
	nl_put_be32(b, NFTA_SET_ELEM_LIST_SET_ID, id);
	nl_nest(b, NFTA_SET_ELEM_LIST_ELEMENTS);
}

static void put_key(struct nl_batch *b, unsigned attr, const void *key, size_t size)
{
	nl_nest(b, attr);
	nl_put_bytes(b, NFTA_DATA_VALUE, key, size);
	nl_end(b);
}

static void put_range_end(struct nl_batch *b, unsigned attr, size_t address_size,
			  const uint8_t *address, uint8_t protocol, uint16_t port)
{
	uint8_t key[16 + 4 + 4] = { 0 };

	memcpy(key, address, address_size);
	key[address_size] = protocol;
	port = htons(port);
	memcpy(key + address_size + 4, &port, sizeof port);
	put_key(b, attr, key, address_size + 8);
}

/* The allowed destinations: an interval in each field. */
static void allow_set(struct nl_batch *b, const char *name, bool v6,
		      const struct egress_ranges *all)
{
	size_t address_size = v6 ? 16 : 4;
	uint32_t fields[] = { (uint32_t)address_size, 1, 2 };
	unsigned id = set(b, name, NFT_SET_INTERVAL | NFT_SET_CONCAT, concatenation(v6, true),
			  concatenation_size(v6, true), BYTEORDER_NONE);

	nl_nest(b, NFTA_SET_DESC);
	nl_nest(b, NFTA_SET_DESC_CONCAT);
	for (size_t i = 0; i < 3; i++) {
		nl_nest(b, NFTA_LIST_ELEM);
		nl_put_be32(b, NFTA_SET_FIELD_LEN, fields[i]);
		nl_end(b);
	}
	nl_end(b);
	nl_end(b);
	count_each_element(b);
	for (size_t i = 0; i < all->n; i++) {
		const struct egress_range *r = &all->v[i];

		if (i % ELEMENTS_PER_MESSAGE == 0)	/* a nest holds 64 KiB */
			open_elements(b, name, id);
		nl_nest(b, NFTA_LIST_ELEM);
		put_range_end(b, NFTA_SET_ELEM_KEY, address_size, r->first, r->protocol,
			      r->port_first);
		put_range_end(b, NFTA_SET_ELEM_KEY_END, address_size, r->last, r->protocol,
			      r->port_last);
		if (r->reason)
			put_comment(b, NFTA_SET_ELEM_USERDATA, r->reason);
		nl_end(b);
		if (i % ELEMENTS_PER_MESSAGE == ELEMENTS_PER_MESSAGE - 1 || i == all->n - 1)
			nl_end(b);
	}
}

/* "{ a, b }" inside a rule; sent before it. */
static unsigned literal_set(struct nl_batch *b, unsigned type, const uint8_t *v, size_t n,
			    const char *what)
{
	unsigned id = set(b, "__set%d", NFT_SET_ANONYMOUS | NFT_SET_CONSTANT, type, 1,
			  BYTEORDER_NETWORK);

	nl_nest(b, NFTA_SET_DESC);
	nl_put_be32(b, NFTA_SET_DESC_SIZE, (uint32_t)n);
	nl_end(b);
	open_elements(b, "__set%d", id);
	b->what[b->n - 1] = b->what[b->n - 2] = what;
	for (size_t i = 0; i < n; i++) {
		nl_nest(b, NFTA_LIST_ELEM);
		put_key(b, NFTA_SET_ELEM_KEY, &v[i], 1);
		nl_end(b);
	}
	nl_end(b);
	return id;
}

static unsigned protocols(struct nl_batch *b, uint8_t one, uint8_t other, const char *what)
{
	return literal_set(b, TYPE_PROTOCOL, (uint8_t[]){ one, other }, 2, what);
}

/* "{ 169.254.0.0/16, 224.0.0.0/4, 255.255.255.255 }", as the edges of its intervals. */
static unsigned never_routed(struct nl_batch *b, const char *what)
{
	static const struct {
		uint8_t key[4];
		bool end;
	} edges[] = {
		{ { 0, 0, 0, 0 }, true },
		{ { 169, 254, 0, 0 }, false },
		{ { 169, 255, 0, 0 }, true },
		{ { 224, 0, 0, 0 }, false },
		{ { 240, 0, 0, 0 }, true },
		{ { 255, 255, 255, 255 }, false },	/* to the end of the address space */
	};
	enum { N = sizeof edges / sizeof *edges };
	uint8_t open_end[6];
	uint32_t interval_open = 1;
	unsigned id = set(b, "__set%d", NFT_SET_ANONYMOUS | NFT_SET_CONSTANT | NFT_SET_INTERVAL,
			  TYPE_IPV4, 4, BYTEORDER_NETWORK);

	nl_nest(b, NFTA_SET_DESC);
	nl_put_be32(b, NFTA_SET_DESC_SIZE, N + 1);
	nl_end(b);
	open_elements(b, "__set%d", id);
	b->what[b->n - 1] = b->what[b->n - 2] = what;
	for (size_t i = 0; i < N; i++) {
		nl_nest(b, NFTA_LIST_ELEM);
		put_key(b, NFTA_SET_ELEM_KEY, edges[i].key, sizeof edges[i].key);
		if (edges[i].end)
			nl_put_be32(b, NFTA_SET_ELEM_FLAGS, NFT_SET_ELEM_INTERVAL_END);
		if (i == N - 1)
			nl_put_bytes(b, NFTA_SET_ELEM_USERDATA, open_end,
				     put_udata(open_end, UDATA_ELEMENT_FLAGS, &interval_open,
					       sizeof interval_open));
		nl_end(b);
	}
	nl_end(b);
	return id;
}

/* ---- expressions ---- */

static void rule(struct nl_batch *b, const char *in_chain, const char *text)
{
	message(b, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, text);
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
	put_key(b, NFTA_CMP_DATA, data, size);
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
	put_key(b, NFTA_BITWISE_MASK, bits, size);
	put_key(b, NFTA_BITWISE_XOR, zero, size);
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
	unsigned id = literal_set(b, TYPE_ICMPV6, types, sizeof types, text);

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
	id = never_routed(b, text);
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

static int published_set(struct egress_table *t, struct nl_batch *b, struct err *e)
{
	unsigned id;

	for (size_t i = 0; i < t->n_published; i++)
		if (t->published[i] < 1 || t->published[i] > 65535)
			return err_say(e, EINVAL, "egress: published port %llu is none of 1-65535",
				       (unsigned long long)t->published[i]);
	id = set(b, "published", 0, TYPE_SERVICE, 2, BYTEORDER_NETWORK);
	for (size_t i = 0; i < t->n_published; i++) {
		uint16_t port = htons((uint16_t)t->published[i]);

		/* One message each, not exclusive: an engine may name a port for tcp and for udp.
		 */
		message(b, NFT_MSG_NEWSETELEM, NLM_F_CREATE, "published");
		nl_put_text(b, NFTA_SET_ELEM_LIST_TABLE, EGRESS_TABLE);
		nl_put_text(b, NFTA_SET_ELEM_LIST_SET, "published");
		nl_put_be32(b, NFTA_SET_ELEM_LIST_SET_ID, id);
		nl_nest(b, NFTA_SET_ELEM_LIST_ELEMENTS);
		nl_nest(b, NFTA_LIST_ELEM);
		put_key(b, NFTA_SET_ELEM_KEY, &port, sizeof port);
		nl_end(b);
		nl_end(b);
	}
	return 0;
}

int egress_table_build(struct egress_table *t, struct nl_batch *b, struct err *e)
{
	bool published = t->n_published > 0;
	int r;

	table(b, t->comment);
	base_chain(b, "out", NF_INET_LOCAL_OUT);
	chain(b, "ok");
	chain(b, "deny");
	base_chain(b, "in", NF_INET_LOCAL_IN);
	chain(b, "inok");
	base_chain(b, "transit", NF_INET_FORWARD);
	if (published) {
		chain(b, "pubin");
		chain(b, "pubout");
	}
	counter(b, "denied");
	counter(b, "unrecorded");
	counter(b, "forwarded");
	counter(b, "inbound_denied");
	allow_set(b, "allow4", false, &t->allow4);
	allow_set(b, "allow6", true, &t->allow6);
	open_set(b, "dyn4", NFT_SET_TIMEOUT, false, true, 4096);
	open_set(b, "dyn6", NFT_SET_TIMEOUT, true, true, 4096);
	for (size_t i = 0; i < EGRESS_SETS; i++)
		if (published || !egress_sets[i].published)
			open_set(b, egress_sets[i].name, NFT_SET_EVAL, egress_sets[i].v6,
				 egress_sets[i].has_port, egress_sets[i].size);
	if (published && (r = published_set(t, b, e)) < 0)
		return r;

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
	return 0;
}
