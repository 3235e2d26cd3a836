/* SPDX-License-Identifier: Apache-2.0 */
/* egress: rules to disjoint ranges, and the encoding of the table's messages.  What the kernel
 * makes of them is the business of tests/security. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "base/nl.h"
#include "sandbox/egress.h"
#include "sandbox/egress_table.h"

static struct spec_egress_rule rule(const char *host, const char *protocol, uint64_t first,
				    uint64_t last)
{
	return (struct spec_egress_rule){ .host = (char *)(uintptr_t)host,
					  .protocol = (char *)(uintptr_t)protocol,
					  .port_first = first, .port_last = last };
}

static struct spec_agent agent_with(struct spec_egress_rule *rules, size_t n)
{
	static char allow[] = "allow", digest[] = "d";
	struct spec_agent agent = { .egress = allow, .policy_digest = digest };

	agent.egress_allow.v = rules;
	agent.egress_allow.n = n;
	return agent;
}

Test(egress_rules, one_rule)
{
	static const struct {
		const char *host, *protocol;
		uint64_t first, last;
		int code;			/* 0: accepted */
		const char *range;		/* "FIRST-LAST", or a part of the error */
	} rows[] = {
		{ "203.0.113.10", "tcp", 443, 443, 0, "203.0.113.10-203.0.113.10" },
		{ "203.0.113.10/32", "udp", 1, 52, 0, "203.0.113.10-203.0.113.10" },
		{ "10.0.0.0/8", "tcp", 54, 65535, 0, "10.0.0.0-10.255.255.255" },
		{ "10.128.0.0/9", "tcp", 443, 443, 0, "10.128.0.0-10.255.255.255" },
		{ "192.0.2.4/31", "tcp", 443, 443, 0, "192.0.2.4-192.0.2.5" },
		{ "0.0.0.0/0", "tcp", 443, 443, 0, "0.0.0.0-255.255.255.255" },
		{ "2001:db8::10", "tcp", 443, 443, 0, "2001:db8::10-2001:db8::10" },
		{ "2001:db8::/33", "tcp", 443, 443, 0,
		  "2001:db8::-2001:db8:7fff:ffff:ffff:ffff:ffff:ffff" },
		{ "10.0.0.1/8", "tcp", 443, 443, EINVAL, "is no address and no prefix" },
		{ "2001:db8::1/32", "tcp", 443, 443, EINVAL, "is no address and no prefix" },
		{ "10.0.0.0/33", "tcp", 443, 443, EINVAL, "is no address and no prefix" },
		{ "10.0.0.0/-1", "tcp", 443, 443, EINVAL, "is no address and no prefix" },
		{ "10.0.0.0/ 8", "tcp", 443, 443, EINVAL, "is no address and no prefix" },
		{ "10.0.0.0/8x", "tcp", 443, 443, EINVAL, "is no address and no prefix" },
		{ "10.0.0.0/99999999999999999999", "tcp", 443, 443, EINVAL,
		  "is no address and no prefix" },
		{ "::/129", "tcp", 443, 443, EINVAL, "is no address and no prefix" },
		{ "", "tcp", 443, 443, EINVAL, "is no address and no prefix" },
		{ "010.0.0.1", "tcp", 443, 443, EINVAL, "is no address and no prefix" },
		{ "0x0a000001", "tcp", 443, 443, EINVAL, "is no address and no prefix" },
		{ "example.com", "tcp", 443, 443, EINVAL, "is no address and no prefix" },
		{ "fe80::1%eth0", "tcp", 443, 443, EINVAL, "is no address and no prefix" },
		{ "10.0.0.1", "sctp", 443, 443, EINVAL, "protocol must be tcp or udp" },
		{ "10.0.0.1", NULL, 443, 443, EINVAL, "protocol must be tcp or udp" },
		{ NULL, "tcp", 443, 443, EINVAL, "rule for no host" },
		{ "10.0.0.1", "tcp", 0, 443, EINVAL, "no range of 1-65535" },
		{ "10.0.0.1", "tcp", 443, 442, EINVAL, "no range of 1-65535" },
		{ "10.0.0.1", "tcp", 443, 65536, EINVAL, "no range of 1-65535" },
		{ "10.0.0.1", "udp", 53, 53, EPERM, "port 53" },
		{ "10.0.0.1", "tcp", 53, 60, EPERM, "port 53" },
		{ "10.0.0.1", "tcp", 1, 53, EPERM, "port 53" },
		{ "169.254.169.254", "tcp", 80, 80, EPERM, "is link-local (" },
		{ "169.254.0.0/16", "tcp", 80, 80, EPERM, "is link-local (" },
		{ "224.0.0.1", "udp", 80, 80, EPERM, "is multicast" },
		{ "239.255.255.255", "udp", 80, 80, EPERM, "is multicast" },
		{ "255.255.255.255", "udp", 80, 80, EPERM, "is broadcast" },
		{ "fe80::1", "tcp", 80, 80, EPERM, "is link-local," },
		{ "febf::/16", "tcp", 80, 80, EPERM, "is link-local," },
		{ "ff02::1", "udp", 80, 80, EPERM, "is multicast" },
		{ "::ffff:203.0.113.10", "tcp", 443, 443, EPERM, "is an IPv4-mapped address" },
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct spec_egress_rule r =
			rule(rows[i].host, rows[i].protocol, rows[i].first, rows[i].last);
		struct spec_agent agent = agent_with(&r, 1);
		struct egress_ranges v4, v6, *all;
		char first[64], last[64], range[130];
		owned_arena a = ARENA_INIT;
		struct err e = { 0 };
		int got = egress_rules_expand(&a, &agent, &v4, &v6, &e);
		bool six = rows[i].host && strchr(rows[i].host, ':');

		cr_assert_eq(got, -rows[i].code, "row %zu, %s: %d %s", i, rows[i].host, got,
			     e.text);
		cr_assert_eq(e.code, rows[i].code);
		if (rows[i].code == EPERM)	/* three lines */
			cr_assert(strstr(e.text, "\n  policy: ") &&
				  strstr(e.text, "\n  to allow it: "));
		if (rows[i].code) {
			cr_expect(strstr(e.text, rows[i].range), "row %zu, %s: %s", i, rows[i].host,
				  e.text);
			continue;
		}
		all = six ? &v6 : &v4;
		cr_assert_eq(v4.n + v6.n, 1, "row %zu", i);
		inet_ntop(six ? AF_INET6 : AF_INET, all->v[0].first, first, sizeof first);
		inet_ntop(six ? AF_INET6 : AF_INET, all->v[0].last, last, sizeof last);
		snprintf(range, sizeof range, "%s-%s", first, last);
		cr_assert_str_eq(range, rows[i].range);
		cr_assert_eq(all->v[0].port_first, rows[i].first);
		cr_assert_eq(all->v[0].port_last, rows[i].last);
		cr_assert_eq(all->v[0].protocol, strcmp(rows[i].protocol, "udp") ? 6 : 17);
	}
}

Test(egress_rules, only_in_mode_allow)
{
	static char none[] = "none", open_[] = "open", allow[] = "allow";
	struct spec_egress_rule r = rule("10.0.0.1", "tcp", 443, 443);
	struct spec_agent agent = agent_with(&r, 1);
	struct egress_ranges v4, v6;
	owned_arena a = ARENA_INIT;
	struct err e = { 0 };

	agent.egress = none;
	cr_assert_eq(egress_rules_expand(&a, &agent, &v4, &v6, &e), 0);
	cr_assert_eq(v4.n + v6.n, 0);
	cr_assert(egress_wanted(&agent));
	agent.egress = NULL;
	cr_assert(egress_wanted(&agent), "whoever does not say gets the table");
	agent.egress = allow;
	cr_assert(egress_wanted(&agent));
	agent.egress = open_;
	cr_assert(!egress_wanted(&agent));
	cr_assert(!egress_wanted(NULL));
}

Test(egress_rules, names)
{
	struct spec_egress_rule r = rule("api.example.com", "tcp", 443, 443);
	struct spec_agent agent = agent_with(&r, 1);
	struct egress_ranges v4, v6;
	owned_arena a = ARENA_INIT;
	struct err e = { 0 };

	r.is_name = true;
	cr_assert_eq(egress_rules_expand(&a, &agent, &v4, &v6, &e), -EINVAL, "not resolved");
	cr_assert_str_eq(e.text, "egress: api.example.com has not been resolved");
	strv_add(&a, &r.addresses, "203.0.113.1");
	strv_add(&a, &r.addresses, "203.0.113.9");
	strv_add(&a, &r.addresses, "203.0.113.1");
	strv_add(&a, &r.addresses, "2001:db8::1");
	cr_assert_eq(egress_rules_expand(&a, &agent, &v4, &v6, &e), 0, "%s", e.text);
	cr_assert_eq(v4.n, 2);
	cr_assert_eq(v6.n, 1);
	strv_add(&a, &r.addresses, "169.254.169.254"); /* DNS that points at the metadata service */
	cr_assert_eq(egress_rules_expand(&a, &agent, &v4, &v6, &e), -EPERM);
	cr_assert(strstr(e.text, "api.example.com (169.254.169.254)"));
}

static bool holds(const struct egress_ranges *all, const uint8_t *address, size_t size,
		  uint8_t protocol, unsigned port, size_t *ret_times)
{
	*ret_times = 0;
	for (size_t i = 0; i < all->n; i++)
		*ret_times += all->v[i].protocol == protocol && all->v[i].port_first <= port &&
			      port <= all->v[i].port_last &&
			      memcmp(address, all->v[i].first, size) >= 0 &&
			      memcmp(address, all->v[i].last, size) <= 0;
	return *ret_times > 0;
}

struct made {
	unsigned base, bits, first, last;
	bool udp;
};

static bool covers(const struct made *m, bool udp, unsigned host, unsigned port)
{
	return m->udp == udp && m->first <= port && port <= m->last && host >= m->base &&
	       host < m->base + (1u << (32 - m->bits));
}

/* Small random rules that overlap a lot: each point is in at most one range, and in one exactly if
 * a rule covers it. */
Test(egress_rules, overlaps_become_disjoint)
{
	enum { ROUNDS = 200, RULES = 8 };

	srand(1);
	for (int round = 0; round < ROUNDS; round++) {
		struct spec_egress_rule rules[RULES];
		struct spec_agent agent = agent_with(rules, RULES);
		struct made made[RULES];
		struct egress_ranges v4, v6;
		owned_arena a = ARENA_INIT;
		struct err e = { 0 };

		for (int i = 0; i < RULES; i++) {
			made[i].bits = 28 + (unsigned)rand() % 5;
			made[i].base = (unsigned)rand() % 16 & ~0u << (32 - made[i].bits);
			made[i].first = 60 + (unsigned)rand() % 10;
			made[i].last = made[i].first + (unsigned)rand() % 10;
			made[i].udp = rand() % 4 == 0;
			rules[i] =
				rule(arena_printf(&a, "10.0.0.%u/%u", made[i].base, made[i].bits),
				     made[i].udp ? "udp" : "tcp", made[i].first, made[i].last);
		}
		cr_assert_eq(egress_rules_expand(&a, &agent, &v4, &v6, &e), 0, "%s", e.text);
		for (unsigned host = 0; host < 17; host++)
			for (unsigned port = 58; port < 82; port++)
				for (int udp = 0; udp < 2; udp++) {
					uint8_t address[4] = { 10, 0, 0, (uint8_t)host };
					bool want = false, got;
					size_t times;

					for (int i = 0; i < RULES; i++)
						want |= covers(&made[i], udp, host, port);
					got = holds(&v4, address, 4, udp ? 17 : 6, port, &times);
					cr_assert_eq(got, want, "round %d host %u port %u", round,
						     host, port);
					cr_assert_leq(times, 1);
				}
	}
}

Test(egress_rules, ipv6_leaves_out_the_link)
{
	static const struct {
		const char *address;
		bool in;
	} rows[] = {
		{ "::", true },
		{ "2001:db8::1", true },
		{ "fd00::1", true },
		{ "fe7f:ffff:ffff:ffff:ffff:ffff:ffff:ffff", true },
		{ "fe80::", false },
		{ "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", false },
		{ "fec0::", true },
		{ "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", true },
		{ "ff00::", false },
		{ "ff02::1", false },
		{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", false },
		{ "::fffe:ffff:ffff", true },
		{ "::ffff:0.0.0.0", false },
		{ "::ffff:255.255.255.255", false },
		{ "::1:0:0:0", true },
	};
	struct spec_egress_rule r = rule("::/0", "udp", 443, 443);
	struct spec_agent agent = agent_with(&r, 1);
	struct egress_ranges v4, v6;
	owned_arena a = ARENA_INIT;
	struct err e = { 0 };

	cr_assert_eq(egress_rules_expand(&a, &agent, &v4, &v6, &e), 0, "%s", e.text);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		uint8_t address[16];
		size_t times;

		inet_pton(AF_INET6, rows[i].address, address);
		cr_assert_eq(holds(&v6, address, 16, 17, 443, &times), rows[i].in, "%s",
			     rows[i].address);
	}
}

Test(egress_rules, too_many)
{
	enum { N = EGRESS_RANGES_MOST + 1 };
	struct spec_egress_rule *rules = calloc(N, sizeof *rules);
	struct spec_agent agent = agent_with(rules, N);
	struct egress_ranges v4, v6;
	owned_arena a = ARENA_INIT;
	struct err e = { 0 };

	for (unsigned i = 0; i < N; i++)
		rules[i] = rule(arena_printf(&a, "10.0.%u.%u", i / 256, i % 256), "tcp", 443, 443);
	cr_assert_eq(egress_rules_expand(&a, &agent, &v4, &v6, &e), -E2BIG);
	cr_assert(strstr(e.text, "egress: more than "), "%s", e.text);
	agent.egress_allow.n = N - 1;
	cr_assert_eq(egress_rules_expand(&a, &agent, &v4, &v6, &e), 0, "%s", e.text);
	cr_assert_eq(v4.n, EGRESS_RANGES_MOST);
	free(rules);
}

/* ---- netlink ---- */

Test(nl, attributes_come_back)
{
	owned_nl_batch b = NL_BATCH_INIT;
	const struct nlattr *by_type[10], *inner[4], *member;
	const size_t header = NLMSG_HDRLEN + sizeof(struct nfgenmsg);
	struct nlmsghdr *h;
	size_t size;

	nl_message(&b, 0x0a00, NLM_F_CREATE, 1, "first");
	nl_put_text(&b, 1, "agentrun");
	nl_message(&b, 0x0a03, NLM_F_EXCL, 1, "second");
	nl_put_be32(&b, 1, 0x01020304);
	nl_put_be64(&b, 2, 0x0102030405060708);
	nl_put_u8(&b, 3, 9);
	nl_nest(&b, 4);
	nl_put_text(&b, 1, "in");
	nl_nest(&b, 2);
	nl_end(&b);
	nl_end(&b);
	nl_put_bytes(&b, 5, "abc", 3);

	cr_assert_eq(b.n, 2);
	h = (void *)(b.bytes.s + b.message);
	cr_assert_eq(h->nlmsg_seq, 2);
	cr_assert_eq(h->nlmsg_type, 0x0a03);
	cr_assert_eq(h->nlmsg_flags, NLM_F_REQUEST | NLM_F_EXCL);
	cr_assert_eq(b.message + h->nlmsg_len, b.bytes.len);
	cr_assert_eq(memcmp((char *)h + header + 4, "\1\2\3\4", 4), 0, "network order");
	nl_parse((char *)h + header, h->nlmsg_len - header, by_type, 9);
	cr_assert_eq(nl_be32(by_type[1]), 0x01020304);
	cr_assert_eq(nl_be64(by_type[2]), 0x0102030405060708);
	cr_assert_eq(*(const uint8_t *)nl_data(by_type[3], &size), 9);
	cr_assert_eq(size, 1);
	nl_parse_nest(by_type[4], inner, 3);
	cr_assert_str_eq(nl_text(inner[1]), "in");
	cr_assert_not_null(inner[2]);
	cr_assert_null(inner[3]);
	member = nl_next(by_type[4], NULL);
	cr_assert_eq(member, inner[1]);
	cr_assert_eq(nl_next(by_type[4], member), inner[2]);
	cr_assert_null(nl_next(by_type[4], inner[2]));
	cr_assert_eq(memcmp(nl_data(by_type[5], &size), "abc", 3), 0);
	cr_assert_eq(size, 3);
	/* absent, or of another size */
	cr_assert_eq(nl_be32(NULL), 0);
	cr_assert_eq(nl_be32(by_type[2]), 0);
	cr_assert_eq(nl_be64(by_type[1]), 0);
	cr_assert_str_eq(nl_text(by_type[5]), "", "no NUL inside");
	cr_assert_null(nl_data(NULL, &size));
}

Test(nl, torn_attributes_end_the_reading)
{
	owned_nl_batch b = NL_BATCH_INIT;
	const struct nlattr *by_type[3];

	nl_message(&b, 1, 0, 0, "x");
	nl_put_be32(&b, 1, 7);
	nl_put_be32(&b, 2, 8);
	for (size_t cut = 0; cut < 16; cut++) {
		nl_parse(b.bytes.s + b.message + 20, cut, by_type, 2);
		cr_assert_eq(by_type[1] != NULL, cut >= 8, "%zu", cut);
		cr_assert_null(by_type[2]);
	}
}

/* ---- the table ---- */

struct found {
	unsigned tables, chains, rules, sets, elements, objects, not_exclusive;
};

static struct found survey(const struct nl_batch *b)
{
	struct found f = { 0 };
	size_t at = 0;

	for (size_t i = 0; i < b->n; i++) {
		const struct nlmsghdr *h = (const void *)(b->bytes.s + at);
		unsigned type = h->nlmsg_type & 0xff;

		cr_assert_eq(h->nlmsg_seq, i + 1);
		cr_assert_eq(h->nlmsg_type >> 8, NFNL_SUBSYS_NFTABLES);
		f.tables += type == NFT_MSG_NEWTABLE;
		f.chains += type == NFT_MSG_NEWCHAIN;
		f.rules += type == NFT_MSG_NEWRULE;
		f.sets += type == NFT_MSG_NEWSET;
		f.elements += type == NFT_MSG_NEWSETELEM;
		f.objects += type == NFT_MSG_NEWOBJ;
		f.not_exclusive += type != NFT_MSG_NEWRULE && !(h->nlmsg_flags & NLM_F_EXCL);
		at += NLMSG_ALIGN(h->nlmsg_len);
	}
	cr_assert_eq(at, b->bytes.len);
	return f;
}

Test(egress_table, counts)
{
	static const uint64_t ports[] = { 80, 443 };
	static const struct {
		bool log;
		size_t ports;
		struct found want;
	} rows[] = {
		/* log, ports, { tables, chains, rules, sets, elements, objects, not exclusive } */
		{ true, 0, { 1, 6, 36, 21, 9, 4, 0 } },
		{ false, 0, { 1, 6, 34, 21, 9, 4, 0 } },
		{ true, 2, { 1, 8, 44, 28, 13, 4, 2 } },
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct egress_table t = { .comment = "policy d",
					  .log = rows[i].log,
					  .published = ports,
					  .n_published = rows[i].ports };
		owned_nl_batch b = NL_BATCH_INIT;
		struct err e = { 0 };
		struct found f;

		cr_assert_eq(egress_table_build(&t, &b, &e), 0, "%s", e.text);
		f = survey(&b);
		cr_expect_eq(memcmp(&f, &rows[i].want, sizeof f), 0,
			     "row %zu: tables %u chains %u rules %u sets %u elements %u objects %u "
			     "open %u",
			     i, f.tables, f.chains, f.rules, f.sets, f.elements, f.objects,
			     f.not_exclusive);
		for (size_t j = 0; j < 2; j++)
			cr_assert(rows[i].log ? strstr(b.what[t.log_messages[j] - 1],
						       "log group 5") != NULL :
						t.log_messages[j] == 0);
	}
}

Test(egress_table, published_ports_are_ports)
{
	static const uint64_t bad[] = { 0, 65536, UINT64_MAX };

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct egress_table t = { .comment = "policy d",
					  .published = &bad[i],
					  .n_published = 1 };
		owned_nl_batch b = NL_BATCH_INIT;
		struct err e = { 0 };

		cr_assert_eq(egress_table_build(&t, &b, &e), -EINVAL);
		cr_assert(strstr(e.text, "is none of 1-65535"), "%s", e.text);
	}
}

Test(egress_table, many_elements_fit)
{
	struct egress_table t = { .comment = "policy d" };
	char reason[300];
	owned_nl_batch b = NL_BATCH_INIT;
	struct err e = { 0 };

	memset(reason, 'x', sizeof reason);
	reason[sizeof reason - 1] = 0;
	t.allow6.n = EGRESS_RANGES_MOST;
	t.allow6.v = calloc(t.allow6.n, sizeof *t.allow6.v);
	for (size_t i = 0; i < t.allow6.n; i++)
		t.allow6.v[i].reason = reason;
	/* nl_end() aborts beyond 64 KiB */
	cr_assert_eq(egress_table_build(&t, &b, &e), 0, "%s", e.text);
	survey(&b);
	free(t.allow6.v);
}

Test(egress_install, policy_without_digest)
{
	struct spec_agent agent = agent_with(NULL, 0);
	struct err e = { 0 };

	agent.policy_digest = NULL;
	cr_assert_eq(egress_install(&agent, -1, &e), -EINVAL);	/* before anything is opened */
	cr_assert(strstr(e.text, "the policy has no digest"), "%s", e.text);
}
