/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/egress_rules.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

enum { DNS_PORT = 53, V4 = 4, V6 = 16 };	/* address sizes in bytes */

/*
 * No rule may name these, whatever its prefix: for IPv4 the table rejects them before any set is
 * asked, for IPv6 the sets must not hold them.
 */
static const struct {
	uint8_t first[V6], last[V6];
	size_t size;
	const char *what;
} never[] = {
	{ { 169, 254 }, { 169, 254, 255, 255 }, V4, "link-local (metadata services)" },
	{ { 224 }, { 239, 255, 255, 255 }, V4, "multicast" },
	{ { 255, 255, 255, 255 }, { 255, 255, 255, 255 }, V4, "broadcast" },
	{ { 0xfe, 0x80 }, { 0xfe, 0xbf, 255, 255, 255, 255, 255, 255,
			    255, 255, 255, 255, 255, 255, 255, 255 }, V6, "link-local" },
	{ { 0xff }, { 255, 255, 255, 255, 255, 255, 255, 255,
		      255, 255, 255, 255, 255, 255, 255, 255 }, V6, "multicast" },
	/* Sockets turn it into IPv4 before the table sees it: a rule would seem to work and not. */
	{ { [10] = 255, [11] = 255 }, { [10] = 255, [11] = 255, [12] = 255, [13] = 255,
				       [14] = 255, [15] = 255 }, V6, "an IPv4-mapped address" },
};

static bool overlap(const struct egress_range *a, const struct egress_range *b)
{
	return a->protocol == b->protocol &&
	       a->port_first <= b->port_last && b->port_first <= a->port_last &&
	       memcmp(a->first, b->last, V6) <= 0 && memcmp(b->first, a->last, V6) <= 0;
}

/* The neighbouring address; the caller knows that there is one. */
static void step(uint8_t ret[V6], const uint8_t from[V6], size_t size, int by)
{
	memcpy(ret, from, V6);
	while (size-- > 0) {
		ret[size] = (uint8_t)(ret[size] + by);
		if (ret[size] != (by > 0 ? 0 : 255))
			return;
	}
}

static int append(struct arena *a, struct egress_ranges *all, const struct egress_range *r,
		  struct err *e)
{
	if (all->n == EGRESS_RANGES_MOST)
		return err_say(e, E2BIG, "egress: more than %d address and port ranges",
			       EGRESS_RANGES_MOST);
	if (all->n == all->room) {
		size_t room = all->room ? 2 * all->room : 8;
		struct egress_range *v = arena_array(a, struct egress_range, room);

		if (all->n)
			memcpy(v, all->v, all->n * sizeof *v);
		all->v = v;
		all->room = room;
	}
	all->v[all->n++] = *r;
	return 0;
}

static int add_outside(struct arena *a, struct egress_ranges *all, const struct egress_range *r,
		       size_t size, size_t from, struct err *e);

/* What of r lies outside `hole`, which overlaps it: up to two ranges of addresses, two of ports. */
static int add_around(struct arena *a, struct egress_ranges *all, const struct egress_range *r,
		      const struct egress_range *hole, size_t size, size_t from, struct err *e)
{
	struct egress_range rest = *r, piece;
	int ret;

	if (memcmp(rest.first, hole->first, V6) < 0) {
		piece = rest;
		step(piece.last, hole->first, size, -1);
		memcpy(rest.first, hole->first, V6);
		if ((ret = add_outside(a, all, &piece, size, from, e)) < 0)
			return ret;
	}
	if (memcmp(rest.last, hole->last, V6) > 0) {
		piece = rest;
		step(piece.first, hole->last, size, 1);
		memcpy(rest.last, hole->last, V6);
		if ((ret = add_outside(a, all, &piece, size, from, e)) < 0)
			return ret;
	}
	if (rest.port_first < hole->port_first) {
		piece = rest;
		piece.port_last = (uint16_t)(hole->port_first - 1);
		if ((ret = add_outside(a, all, &piece, size, from, e)) < 0)
			return ret;
	}
	if (rest.port_last > hole->port_last) {
		piece = rest;
		piece.port_first = (uint16_t)(hole->port_last + 1);
		if ((ret = add_outside(a, all, &piece, size, from, e)) < 0)
			return ret;
	}
	return 0;
}

/* Adds what of r is in none of the ranges all->v[from...]; the pieces lie outside those before. */
static int add_outside(struct arena *a, struct egress_ranges *all, const struct egress_range *r,
		       size_t size, size_t from, struct err *e)
{
	for (size_t i = from; i < all->n; i++)
		if (overlap(r, &all->v[i])) {
			struct egress_range hole = all->v[i];	/* append() moves the vector */

			return add_around(a, all, r, &hole, size, i + 1, e);
		}
	return append(a, all, r, e);
}

/* The same for the holes that no rule may fill; then for the ranges that are there already. */
static int add_permitted(struct arena *a, struct egress_ranges *all, const struct egress_range *r,
			 size_t size, struct err *e)
{
	struct egress_ranges pieces = { 0 };
	int ret = append(a, &pieces, r, e);

	for (size_t i = 0; ret == 0 && size == V6 && i < sizeof never / sizeof *never; i++) {
		struct egress_ranges next = { 0 };
		struct egress_range hole = { .protocol = r->protocol, .port_last = 65535 };

		if (never[i].size != size)
			continue;
		memcpy(hole.first, never[i].first, V6);
		memcpy(hole.last, never[i].last, V6);
		for (size_t j = 0; ret == 0 && j < pieces.n; j++)
			ret = overlap(&pieces.v[j], &hole) ?
			      add_around(a, &next, &pieces.v[j], &hole, size, 0, e) :
			      append(a, &next, &pieces.v[j], e);
		pieces = next;
	}
	for (size_t j = 0; ret == 0 && j < pieces.n; j++)
		ret = add_outside(a, all, &pieces.v[j], size, 0, e);
	return ret;
}

/* "ADDRESS" or "ADDRESS/BITS" -> first and last; returns an address's size, 0 if it is none. */
static size_t parse_block(const char *text, struct egress_range *r)
{
	const char *slash = strchr(text, '/');
	size_t n = slash ? (size_t)(slash - text) : strlen(text), size = V4;
	char address[INET6_ADDRSTRLEN], *end;
	unsigned long bits;

	if (n >= sizeof address)
		return 0;
	memcpy(address, text, n);
	address[n] = 0;
	if (inet_pton(AF_INET, address, r->first) != 1) {
		size = V6;
		if (inet_pton(AF_INET6, address, r->first) != 1)
			return 0;
	}
	bits = 8 * size;
	if (slash) {
		if (slash[1] < '0' || slash[1] > '9')
			return 0;
		bits = strtoul(slash + 1, &end, 10);
		if (*end || bits > 8 * size)
			return 0;
	}
	memcpy(r->last, r->first, V6);
	for (size_t i = 0; i < size; i++) {
		size_t net = bits > 8 * i ? bits - 8 * i : 0;	/* bits of this byte, or more */
		unsigned host = net < 8 ? 255u >> net : 0;

		if (r->first[i] & host)
			return 0;	/* bits beyond the prefix: which of both was meant? */
		r->last[i] |= (uint8_t)host;
	}
	return size;
}

static int refuse(const struct spec_agent *agent, const struct spec_egress_rule *rule,
		  const char *address, const char *why, const char *instead, struct err *e)
{
	const char *named = rule->is_name ? " (" : "", *end = rule->is_name ? ")" : "";

	return err_say(e, EPERM, "refused: egress to %s%s%s%s:%llu-%llu/%s %s\n"
		       "  policy: egress=%s (profile %s)\n"
		       "  to allow it: %s",
		       rule->host, named, rule->is_name ? address : "", end,
		       (unsigned long long)rule->port_first, (unsigned long long)rule->port_last,
		       rule->protocol, why, agent->egress, agent->profile ? agent->profile : "none",
		       instead);
}

static int add_block(struct arena *a, const struct spec_agent *agent,
		     const struct spec_egress_rule *rule, const char *address,
		     struct egress_ranges *v4, struct egress_ranges *v6, struct err *e)
{
	bool udp = str_equal(rule->protocol, "udp");
	struct egress_range r = { .protocol = udp ? IPPROTO_UDP : IPPROTO_TCP,
				  .port_first = (uint16_t)rule->port_first,
				  .port_last = (uint16_t)rule->port_last,
				  .reason = rule->reason };
	size_t size = parse_block(address, &r);

	if (!size)
		return err_say(e, EINVAL, "egress: \"%s\" is no address and no prefix", address);
	for (size_t i = 0; i < sizeof never / sizeof *never; i++)
		if (never[i].size == size && memcmp(r.first, never[i].first, V6) >= 0 &&
		    memcmp(r.last, never[i].last, V6) <= 0) {
			owned_str why = STR_INIT;

			str_printf(&why, "is %s, which no policy can allow", never[i].what);
			return refuse(agent, rule, address, why.s,
				      "name the destination by a global or private address", e);
		}
	return add_permitted(a, size == V4 ? v4 : v6, &r, size, e);
}

static int add_rule(struct arena *a, const struct spec_agent *agent,
		    const struct spec_egress_rule *rule, struct egress_ranges *v4,
		    struct egress_ranges *v6, struct err *e)
{
	int r;

	if (!rule->host || (!str_equal(rule->protocol, "tcp") && !str_equal(rule->protocol, "udp")))
		return err_say(e, EINVAL, "egress: rule for %s: protocol must be tcp or udp",
			       rule->host ? rule->host : "no host");
	if (rule->port_first < 1 || rule->port_first > rule->port_last || rule->port_last > 65535)
		return err_say(e, EINVAL,
			       "egress: rule for %s: ports %llu-%llu are no range of 1-65535",
			       rule->host, (unsigned long long)rule->port_first,
			       (unsigned long long)rule->port_last);
	if (rule->port_first <= DNS_PORT && rule->port_last >= DNS_PORT)
		return refuse(agent, rule, "any address", "covers port 53: names leak through DNS",
			      "name the hosts in egress.allow: they are resolved at create", e);
	if (!rule->is_name)
		return add_block(a, agent, rule, rule->host, v4, v6, e);
	if (!rule->addresses.n)
		return err_say(e, EINVAL, "egress: %s has not been resolved", rule->host);
	for (size_t i = 0; i < rule->addresses.n; i++)
		if ((r = add_block(a, agent, rule, rule->addresses.v[i], v4, v6, e)) < 0)
			return r;
	return 0;
}

int egress_rules_expand(struct arena *a, const struct spec_agent *agent,
			struct egress_ranges *ret_v4, struct egress_ranges *ret_v6, struct err *e)
{
	struct egress_ranges v4 = { 0 }, v6 = { 0 };
	int r;

	if (str_equal(agent->egress, "allow"))
		for (size_t i = 0; i < agent->egress_allow.n; i++)
			if ((r = add_rule(a, agent, &agent->egress_allow.v[i], &v4, &v6, e)) < 0)
				return r;
	*ret_v4 = v4;
	*ret_v6 = v6;
	return 0;
}
