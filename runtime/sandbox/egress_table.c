/* SPDX-License-Identifier: Apache-2.0 */
/* What the table holds: chains, counters, sets and their elements.  egress_chains.c has the rules. */
#include "sandbox/egress_table_parts.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "sandbox/egress.h"

/* What nft (the program) stores with objects so that it can print them; opaque to the kernel. */
enum { UDATA_COMMENT = 0, UDATA_SET_BYTEORDER = 0, UDATA_ELEMENT_FLAGS = 1 };
enum { BYTEORDER_NONE = 0, BYTEORDER_NETWORK = 2 };
enum { COMMENT_MOST = 127 };		/* what nft prints, without the NUL */

enum { PRIORITY = 10, ELEMENTS_PER_MESSAGE = 150 };

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

void egress_message(struct nl_batch *b, unsigned type, unsigned flags, const char *what)
{
	nl_message(b, NFNL_SUBSYS_NFTABLES << 8 | type, flags, NFPROTO_INET, what);
}

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
	egress_message(b, NFT_MSG_NEWTABLE, new_object, "table " EGRESS_TABLE);
	nl_put_text(b, NFTA_TABLE_NAME, EGRESS_TABLE);
	nl_put_be32(b, NFTA_TABLE_FLAGS, 0);
	put_comment(b, NFTA_TABLE_USERDATA, comment);
}

static void chain(struct nl_batch *b, const char *name)
{
	egress_message(b, NFT_MSG_NEWCHAIN, new_object, name);
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
	egress_message(b, NFT_MSG_NEWOBJ, new_object, name);
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

	egress_message(b, NFT_MSG_NEWSET, new_object, name);
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
	egress_message(b, NFT_MSG_NEWSETELEM, new_object, name);
	nl_put_text(b, NFTA_SET_ELEM_LIST_TABLE, EGRESS_TABLE);
	nl_put_text(b, NFTA_SET_ELEM_LIST_SET, name);
	nl_put_be32(b, NFTA_SET_ELEM_LIST_SET_ID, id);
	nl_nest(b, NFTA_SET_ELEM_LIST_ELEMENTS);
}

void egress_put_key(struct nl_batch *b, unsigned attr, const void *key, size_t size)
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
	egress_put_key(b, attr, key, address_size + 8);
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
unsigned egress_literal_set(struct nl_batch *b, unsigned type, const uint8_t *v, size_t n,
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
		egress_put_key(b, NFTA_SET_ELEM_KEY, &v[i], 1);
		nl_end(b);
	}
	nl_end(b);
	return id;
}

/* "{ 169.254.0.0/16, 224.0.0.0/4, 255.255.255.255 }", as the edges of its intervals. */
unsigned egress_never_routed(struct nl_batch *b, const char *what)
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
		egress_put_key(b, NFTA_SET_ELEM_KEY, edges[i].key, sizeof edges[i].key);
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
		egress_message(b, NFT_MSG_NEWSETELEM, NLM_F_CREATE, "published");
		nl_put_text(b, NFTA_SET_ELEM_LIST_TABLE, EGRESS_TABLE);
		nl_put_text(b, NFTA_SET_ELEM_LIST_SET, "published");
		nl_put_be32(b, NFTA_SET_ELEM_LIST_SET_ID, id);
		nl_nest(b, NFTA_SET_ELEM_LIST_ELEMENTS);
		nl_nest(b, NFTA_LIST_ELEM);
		egress_put_key(b, NFTA_SET_ELEM_KEY, &port, sizeof port);
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

	egress_put_chains(t, b);
	return 0;
}
