/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/egress.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "base/fd.h"
#include "base/nl.h"
#include "sandbox/egress_rules.h"
#include "sandbox/egress_table.h"

static_assert(EGRESS_INBOUND_REPLY == 4, "name the new verdict");
const char *const egress_verdict_names[] = {
	[EGRESS_ALLOWED] = "allowed",
	[EGRESS_REPLY] = "reply",
	[EGRESS_DENIED] = "denied",
	[EGRESS_INBOUND] = "inbound",
	[EGRESS_INBOUND_REPLY] = "inbound-reply",
};

bool egress_wanted(const struct spec_agent *agent)
{
	return agent && !str_equal(agent->egress, "open");
}

/* ---- a table that is there already ---- */

static int copy_comment(void *arg, const void *attrs, size_t size, struct err *e)
{
	const struct nlattr *by_type[NFTA_TABLE_MAX + 1];
	struct str *out = arg;
	const uint8_t *udata;
	size_t n;

	(void)e;
	nl_parse(attrs, size, by_type, NFTA_TABLE_MAX);
	udata = nl_data(by_type[NFTA_TABLE_USERDATA], &n);
	if (n > 2 && udata[0] == 0 && udata[1] <= n - 2 && udata[1] > 0) /* type comment, length */
		str_append(out, udata + 2, strnlen((const char *)udata + 2, udata[1]));
	return 0;
}

static int accept_same_policy(struct nl *n, const struct spec_agent *agent, const char *comment,
			      struct err *e)
{
	owned_nl_batch get = NL_BATCH_INIT;
	owned_str found = STR_INIT, shown = STR_INIT;
	int r;

	nl_message(&get, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETTABLE, NLM_F_ACK, NFPROTO_INET,
		   "read table " EGRESS_TABLE);
	nl_put_text(&get, NFTA_TABLE_NAME, EGRESS_TABLE);
	r = nl_get(n, &get, copy_comment, &found, e);
	if (r < 0)
		return r;
	if (str_equal(str_text(&found), comment))
		return 0;
	str_put_safe(&shown, str_text(&found), 100);
	return err_say(e, EPERM,
		       "refused: the network namespace is shared with another container's "
		       "egress policy\n"
		       "  policy: egress=%s (profile %s), %s; found there: %s\n"
		       "  to allow it: start both under one policy, or give each its own network",
		       agent->egress ? agent->egress : "none",
		       agent->profile ? agent->profile : "none", comment,
		       shown.len ? shown.s : "no policy");
}

/* ---- install ---- */

/* Whether that is the network namespace of the host's first process, or, where another one was
 * handed in, the runtime's own.  What may not be looked at is owned by a user namespace above. */
static bool is_hosts(int netns_fd)
{
	static const char *const paths[] = { "/proc/1/ns/net", "/proc/thread-self/ns/net" };
	struct stat here, host;

	if (netns_fd < 0 ? stat(paths[1], &here) < 0 : fstat(netns_fd, &here) < 0)
		return false;
	for (size_t i = 0; i < (netns_fd < 0 ? 1 : 2); i++)
		if (stat(paths[i], &host) == 0 && host.st_dev == here.st_dev &&
		    host.st_ino == here.st_ino)
			return true;
	return false;
}

static bool is_log_rule(const struct egress_table *t, size_t message)
{
	return message && (message == t->log_messages[0] || message == t->log_messages[1]);
}

int egress_install(const struct spec_agent *agent, int netns_fd, struct err *e)
{
	owned_arena a = ARENA_INIT;
	owned_nl n = NL_INIT;
	struct egress_table t = { .log = true };
	size_t failed;
	int r;

	if (!egress_wanted(agent))
		return 0;
	if (!agent->policy_digest || !*agent->policy_digest)
		return err_say(e, EINVAL, "egress: the policy has no digest");
	/* the policy has refused that: it would shut off everything on the host, for good */
	if (is_hosts(netns_fd))
		return err_say(e, EPERM, "egress: the network namespace is the host's own");
	t.comment = arena_printf(&a, "policy %s", agent->policy_digest);
	t.published = agent->published_ports.v;
	t.n_published = agent->published_ports.n;
	r = egress_rules_expand(&a, agent, &t.allow4, &t.allow6, e);
	if (r < 0)
		return r;
	r = nl_open(&n, NETLINK_NETFILTER, netns_fd, e);
	if (r < 0)
		return err_in(e, "egress");
	for (;;) {
		owned_nl_batch b = NL_BATCH_INIT;

		r = egress_table_build(&t, &b, e);
		if (r < 0)
			return r;
		r = nl_commit(&n, &b, NFNL_SUBSYS_NFTABLES, &failed, e);
		if (r >= 0)
			return 0;
		if (r == -EEXIST && failed == 1)	/* the first message makes the table */
			return accept_same_policy(&n, agent, t.comment, e);
		if (r != -ENOENT || !t.log || !is_log_rule(&t, failed))
			return err_in(e, "egress");
		t.log = false;	/* no nft_log or nfnetlink_log in this kernel */
	}
}

/* ---- evidence ---- */

struct reading {
	struct arena *a;
	struct egress_evidence *evidence;
	const struct egress_set *set;
	size_t room, seen;	/* seen: elements of this set */
};

static void put_protocol(char *ret, size_t room, uint8_t number)
{
	static const char *const names[256] = {
		[IPPROTO_ICMP] = "icmp", [IPPROTO_IGMP] = "igmp", [IPPROTO_TCP] = "tcp",
		[IPPROTO_UDP] = "udp", [IPPROTO_DCCP] = "dccp", [IPPROTO_ICMPV6] = "icmpv6",
		[IPPROTO_SCTP] = "sctp", [IPPROTO_UDPLITE] = "udplite",
	};

	if (names[number])
		snprintf(ret, room, "%s", names[number]);
	else
		snprintf(ret, room, "%u", number);
}

static struct egress_count *add_count(struct reading *r)
{
	struct egress_evidence *v = r->evidence;

	if (v->destinations.n == r->room) {
		struct egress_count *more;

		r->room = r->room ? 2 * r->room : 32;
		more = arena_array(r->a, struct egress_count, r->room);
		if (v->destinations.n)
			memcpy(more, v->destinations.v, v->destinations.n * sizeof *more);
		v->destinations.v = more;
	}
	return &v->destinations.v[v->destinations.n++];
}

static void read_counter(const struct nlattr *expr, unsigned long long *packets,
			 unsigned long long *bytes)
{
	const struct nlattr *by_type[NFTA_EXPR_MAX + 1], *counter[NFTA_COUNTER_MAX + 1];

	nl_parse_nest(expr, by_type, NFTA_EXPR_MAX);
	nl_parse_nest(by_type[NFTA_EXPR_DATA], counter, NFTA_COUNTER_MAX);
	*packets = nl_be64(counter[NFTA_COUNTER_PACKETS]);
	*bytes = nl_be64(counter[NFTA_COUNTER_BYTES]);
}

static void read_element(struct reading *r, const struct nlattr *element)
{
	const struct nlattr *by_type[NFTA_SET_ELEM_MAX + 1], *value[NFTA_DATA_MAX + 1];
	size_t size, address = r->set->v6 ? 16 : 4;
	struct egress_count *c;
	const uint8_t *key;

	nl_parse_nest(element, by_type, NFTA_SET_ELEM_MAX);
	nl_parse_nest(by_type[NFTA_SET_ELEM_KEY], value, NFTA_DATA_MAX);
	key = nl_data(value[NFTA_DATA_VALUE], &size);
	if (size < address + (r->set->has_port ? 8u : 4u))
		return;
	r->seen++;
	c = add_count(r);
	c->verdict = (enum egress_verdict)r->set->verdict;
	inet_ntop(r->set->v6 ? AF_INET6 : AF_INET, key, c->address, sizeof c->address);
	put_protocol(c->protocol, sizeof c->protocol, key[address]);
	if (r->set->has_port)
		c->port = (unsigned)key[address + 4] << 8 | key[address + 5];
	read_counter(by_type[NFTA_SET_ELEM_EXPR], &c->packets, &c->bytes);
}

static int read_elements(void *arg, const void *attrs, size_t size, struct err *e)
{
	const struct nlattr *by_type[NFTA_SET_ELEM_LIST_MAX + 1], *list, *at = NULL;

	(void)e;
	nl_parse(attrs, size, by_type, NFTA_SET_ELEM_LIST_MAX);
	list = by_type[NFTA_SET_ELEM_LIST_ELEMENTS];
	while (list && (at = nl_next(list, at)))
		read_element(arg, at);
	return 0;
}

#ifndef NFTA_SET_COUNT	/* Linux 6.16 */
#define NFTA_SET_COUNT 20
#endif

enum set_state { SET_ABSENT, SET_EMPTY, SET_FILLED };

static int read_set_state(void *arg, const void *attrs, size_t size, struct err *e)
{
	const struct nlattr *by_type[NFTA_SET_COUNT + 1], *count;
	enum set_state *states = arg;

	(void)e;
	nl_parse(attrs, size, by_type, NFTA_SET_COUNT);
	count = by_type[NFTA_SET_COUNT];
	for (size_t i = 0; i < EGRESS_SETS; i++)
		if (str_equal(nl_text(by_type[NFTA_SET_NAME]), egress_sets[i].name))
			states[i] = count && nl_be32(count) == 0 ? SET_EMPTY : SET_FILLED;
	return 0;
}

/* Most containers fill few of them: one question saves asking for each. */
static int read_set_states(struct nl *n, enum set_state *states, struct err *e)
{
	owned_nl_batch get = NL_BATCH_INIT;

	nl_message(&get, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETSET, NLM_F_DUMP, NFPROTO_INET,
		   "sets of table " EGRESS_TABLE);
	nl_put_text(&get, NFTA_SET_TABLE, EGRESS_TABLE);
	return nl_get(n, &get, read_set_state, states, e);
}

static int read_set(struct nl *n, struct reading *r, struct err *e)
{
	owned_nl_batch get = NL_BATCH_INIT;
	int ret;

	r->seen = 0;
	nl_message(&get, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETSETELEM, NLM_F_DUMP, NFPROTO_INET,
		   r->set->name);
	nl_put_text(&get, NFTA_SET_ELEM_LIST_TABLE, EGRESS_TABLE);
	nl_put_text(&get, NFTA_SET_ELEM_LIST_SET, r->set->name);
	ret = nl_get(n, &get, read_elements, r, e);
	if (r->seen >= r->set->size)
		r->evidence->truncated = true;
	return ret;
}

static int read_object(void *arg, const void *attrs, size_t size, struct err *e)
{
	const struct nlattr *by_type[NFTA_OBJ_MAX + 1], *counter[NFTA_COUNTER_MAX + 1];
	struct egress_evidence *v = arg;
	const struct {
		const char *name;
		unsigned long long *to;
	} counters[] = {
		{ "denied", &v->denied_packets },
		{ "unrecorded", &v->unrecorded_packets },
		{ "forwarded", &v->forwarded_packets },
		{ "inbound_denied", &v->inbound_denied_packets },
	};

	(void)e;
	nl_parse(attrs, size, by_type, NFTA_OBJ_MAX);
	nl_parse_nest(by_type[NFTA_OBJ_DATA], counter, NFTA_COUNTER_MAX);
	for (size_t i = 0; i < sizeof counters / sizeof *counters; i++)
		if (str_equal(nl_text(by_type[NFTA_OBJ_NAME]), counters[i].name))
			*counters[i].to = nl_be64(counter[NFTA_COUNTER_PACKETS]);
	return 0;
}

static int read_counters(struct nl *n, struct egress_evidence *v, struct err *e)
{
	owned_nl_batch get = NL_BATCH_INIT;

	nl_message(&get, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETOBJ, NLM_F_DUMP, NFPROTO_INET,
		   "counters of table " EGRESS_TABLE);
	nl_put_text(&get, NFTA_OBJ_TABLE, EGRESS_TABLE);
	nl_put_be32(&get, NFTA_OBJ_TYPE, NFT_OBJECT_COUNTER);
	return nl_get(n, &get, read_object, v, e);
}

static int read_all(struct arena *a, struct nl *n, struct egress_evidence *ret, struct err *e)
{
	enum set_state states[EGRESS_SETS] = { SET_ABSENT };
	struct reading r = { .a = a, .evidence = ret };
	int result = read_counters(n, ret, e);

	if (result >= 0)
		result = read_set_states(n, states, e);
	for (size_t i = 0; result >= 0 && i < EGRESS_SETS; i++) {
		r.set = &egress_sets[i];
		if (states[i] == SET_FILLED)
			result = read_set(n, &r, e);
		else if (states[i] == SET_ABSENT && !r.set->published)
			result = err_say(e, ENOENT, "set %s is gone", r.set->name);
	}
	if (ret->unrecorded_packets)
		ret->truncated = true;
	return result;
}

int egress_read(struct arena *a, int netns_fd, struct egress_evidence *ret, struct err *e)
{
	enum { TRIES = 10 }; /* a table that changes under us: only while a resolver still runs */
	struct egress_evidence found;
	owned_nl n = NL_INIT;
	int r = nl_open(&n, NETLINK_NETFILTER, netns_fd, e);

	if (r < 0)
		return err_in(e, "egress evidence");
	for (int i = 0; i < TRIES; i++) {
		found = (struct egress_evidence){ 0 };
		r = read_all(a, &n, &found, e);
		if (r != -EINTR)
			break;
	}
	if (r < 0)
		return err_in(e, "egress evidence");
	*ret = found;
	return 0;
}

int egress_loopback_up(struct err *e)
{
	struct ifreq lo = { .ifr_name = "lo" };
	owned_fd fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return err_set(e, errno, "open a socket to bring lo up");
	if (ioctl(fd, SIOCGIFFLAGS, &lo) < 0)
		return err_set(e, errno, "read the flags of lo");
	lo.ifr_flags |= IFF_UP;
	if (ioctl(fd, SIOCSIFFLAGS, &lo) < 0)
		return err_set(e, errno, "bring lo up");
	return 0;
}
