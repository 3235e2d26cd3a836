/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attacker: one forbidden (or allowed) network action a call, from inside a
 * container.  Static, so that it runs in any root file system.
 *
 *	attacker [--userns] ACTION...
 *
 * Prints "RESULT MILLISECONDS": ok, the errno's name, or silent (sent, and
 * nothing came back).  --userns: from a new child user namespace.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

enum { SILENT = -1, ANSWER_MS = 400 };

struct address {
	struct sockaddr_storage sa;
	socklen_t len;
};

/* "192.0.2.1", "2001:db8::1" or "fe80::1%eth0"; getaddrinfo() would not link statically. */
static struct address address(const char *host, const char *port)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = v4.sin_port };
	char text[64];
	struct address a = { 0 };

	snprintf(text, sizeof text, "%.*s", (int)strcspn(host, "%"), host);
	if (strchr(host, '%'))
		v6.sin6_scope_id = if_nametoindex(strchr(host, '%') + 1);
	if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
		memcpy(&a.sa, &v4, a.len = sizeof v4);
	} else if (inet_pton(AF_INET6, text, &v6.sin6_addr) == 1) {
		memcpy(&a.sa, &v6, a.len = sizeof v6);
	} else {
		fprintf(stderr, "attacker: bad address %s\n", host);
		exit(2);
	}
	return a;
}

/* Waits for data, and reads it: 0, an errno, or SILENT. */
static int answer(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char data[65536];

	if (poll(&p, 1, ms) == 0)
		return SILENT;
	return recv(fd, data, sizeof data, MSG_DONTWAIT) < 0 ? errno : 0;
}

static int bind_port(int fd, int family, const char *port)
{
	struct address a = address(family == AF_INET6 ? "::" : "0.0.0.0", port);
	int on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	return bind(fd, (void *)&a.sa, a.len) < 0 ? errno : 0;
}

/* Connects (a datagram socket too, so that it hears errors), sends and waits for an answer. */
static int talk(int fd, struct address *to, const char *data, size_t size)
{
	struct timeval patience = { .tv_sec = 1 };

	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
	if (connect(fd, (void *)&to->sa, to->len) < 0)
		return errno == EINPROGRESS || errno == EAGAIN ? SILENT : errno;
	if (send(fd, data, size, MSG_NOSIGNAL) < 0)
		return errno;
	return answer(fd, ANSWER_MS);
}

/* tcp|udp ADDRESS PORT [SOURCE-PORT] */
static int do_flow(char **v)
{
	struct address to = address(v[1], v[2]);
	int type = strcmp(v[0], "tcp") ? SOCK_DGRAM : SOCK_STREAM, r = 0;
	int fd = socket(to.sa.ss_family, type, 0);

	if (fd < 0)
		return errno;
	if (v[3])
		r = bind_port(fd, to.sa.ss_family, v[3]);
	return r ? r : talk(fd, &to, "ping", 4);
}

/* A packet with a header of the sender's own making, as IPPROTO_RAW wants it. */
static size_t forge(char *packet, const struct address *to)
{
	struct iphdr v4 = { .version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_UDP };
	struct ip6_hdr v6 = { .ip6_flow = htonl(6u << 28), .ip6_plen = htons(8),
			      .ip6_nxt = IPPROTO_UDP, .ip6_hlim = 64 };

	if (to->sa.ss_family == AF_INET) {
		v4.daddr = ((const struct sockaddr_in *)&to->sa)->sin_addr.s_addr;
		memcpy(packet, &v4, sizeof v4);
		return sizeof v4 + 8;
	}
	v6.ip6_dst = ((const struct sockaddr_in6 *)&to->sa)->sin6_addr;
	memcpy(packet, &v6, sizeof v6);
	return sizeof v6 + 8;
}

/* proto stream|dgram|raw|dccp NUMBER ADDRESS PORT */
static int do_proto(char **v)
{
	struct address to = address(v[3], v[4]);
	int type = !strcmp(v[1], "stream") ? SOCK_STREAM : !strcmp(v[1], "dgram") ? SOCK_DGRAM :
		   !strcmp(v[1], "dccp") ? SOCK_DCCP : SOCK_RAW;
	int fd = socket(to.sa.ss_family, type, atoi(v[2]));
	char data[64] = "pingpingpingping";
	size_t size = type == SOCK_RAW && atoi(v[2]) == IPPROTO_RAW ? forge(data, &to) : 16;

	if (fd >= 0 && type == SOCK_RAW)	/* a port there is the protocol, or 0 */
		((struct sockaddr_in *)&to.sa)->sin_port = 0;
	return fd < 0 ? errno : talk(fd, &to, data, size);
}

/* ping ADDRESS: an unprivileged ping socket */
static int do_ping(char **v)
{
	struct address to = address(v[1], "0");
	bool v6 = to.sa.ss_family == AF_INET6;
	struct icmphdr echo = { .type = v6 ? ICMP6_ECHO_REQUEST : ICMP_ECHO };
	int fd = socket(to.sa.ss_family, SOCK_DGRAM, v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);

	return fd < 0 ? errno : talk(fd, &to, (void *)&echo, sizeof echo);
}

/* broadcast ADDRESS PORT: also multicast */
static int do_broadcast(char **v)
{
	struct address to = address(v[1], v[2]);
	int fd = socket(to.sa.ss_family, SOCK_DGRAM, 0), on = 1;

	setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof on);
	return sendto(fd, "ping", 4, 0, (void *)&to.sa, to.len) < 0 ? errno : answer(fd, ANSWER_MS);
}

/* join GROUP INTERFACE: the kernel announces it by IGMP or MLD */
static int do_join(char **v)
{
	struct address group = address(v[1], "0");
	struct group_req req = { .gr_interface = if_nametoindex(v[2]) };
	bool v6 = group.sa.ss_family == AF_INET6;
	int fd = socket(group.sa.ss_family, SOCK_DGRAM, 0);

	memcpy(&req.gr_group, &group.sa, group.len);
	if (setsockopt(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, MCAST_JOIN_GROUP, &req, sizeof req) < 0)
		return errno;
	usleep(1500 * 1000);	/* reports are delayed and repeated */
	return SILENT;
}

/* lsrr ADDRESS PORT VIA: loose source route */
static int do_lsrr(char **v)
{
	struct address to = address(v[1], v[2]);
	unsigned char option[8] = { 0x83, 7, 4 };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	inet_pton(AF_INET, v[3], option + 3);
	if (setsockopt(fd, IPPROTO_IP, IP_OPTIONS, option, sizeof option) < 0)
		return errno;
	return talk(fd, &to, "ping", 4);
}

/* rthdr ADDRESS PORT VIA: IPv6 segment routing header */
static int do_rthdr(char **v)
{
	struct address to = address(v[1], v[2]);
	struct {
		uint8_t next, length, type, left, last, flags;
		uint16_t tag;
		struct in6_addr segments[2];
	} srh = { .length = 4, .type = 4, .left = 1, .last = 1 };
	int fd = socket(AF_INET6, SOCK_STREAM, 0);

	srh.segments[0] = ((struct sockaddr_in6 *)&to.sa)->sin6_addr;
	inet_pton(AF_INET6, v[3], &srh.segments[1]);
	if (setsockopt(fd, IPPROTO_IPV6, IPV6_RTHDR, &srh, sizeof srh) < 0)
		return errno;
	return talk(fd, &to, "ping", 4);
}

/* hbh ADDRESS PORT: IPv6 hop-by-hop options (padding only); needs NET_RAW */
static int do_hbh(char **v)
{
	struct address to = address(v[1], v[2]);
	unsigned char padding[8] = { 0, 0, 1, 4 };
	int fd = socket(AF_INET6, SOCK_STREAM, 0);

	if (setsockopt(fd, IPPROTO_IPV6, IPV6_HOPOPTS, padding, sizeof padding) < 0)
		return errno;
	return talk(fd, &to, "ping", 4);
}

/* fragments ADDRESS PORT SIZE: one datagram larger than the link's frame */
static int do_fragments(char **v)
{
	struct address to = address(v[1], v[2]);
	int fd = socket(to.sa.ss_family, SOCK_DGRAM, 0);
	size_t size = (size_t)atoi(v[3]);

	return talk(fd, &to, calloc(1, size), size);
}

/* flood ADDRESS FIRST LAST: a datagram to each port; the first error that sending gives */
static int do_flood(char **v)
{
	struct address to = address(v[1], v[2]);
	int fd = socket(to.sa.ss_family, SOCK_DGRAM, 0), r = 0;

	for (int port = atoi(v[2]); port <= atoi(v[3]); port++) {
		((struct sockaddr_in *)&to.sa)->sin_port = htons((uint16_t)port);
		if (sendto(fd, "x", 1, 0, (void *)&to.sa, to.len) < 0 && !r)
			r = errno;
	}
	return r;
}

/* unix PATH | unix @NAME: connects */
static int do_unix(char **v)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(v[1]));
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	if (strlen(v[1]) >= sizeof to.sun_path)
		return ENAMETOOLONG;
	strcpy(to.sun_path, v[1]);
	if (*v[1] == '@')
		to.sun_path[0] = 0;
	return fd < 0 || connect(fd, (void *)&to, len) < 0 ? errno : 0;
}

/* family NUMBER TYPE PROTOCOL: only the socket */
static int do_family(char **v)
{
	return socket(atoi(v[1]), atoi(v[2]), atoi(v[3])) < 0 ? errno : 0;
}

/* serve tcp|udp PORT MILLISECONDS: ok if anything got through; answers it */
static int do_serve(char **v)
{
	int type = strcmp(v[1], "tcp") ? SOCK_DGRAM : SOCK_STREAM;
	int fd = socket(AF_INET6, type, 0), r = bind_port(fd, AF_INET6, v[2]);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct sockaddr_storage from;
	socklen_t len = sizeof from;
	char data[64];

	if (r || (type == SOCK_STREAM && listen(fd, 8) < 0))
		return r ? r : errno;
	fprintf(stderr, "ready\n");
	if (poll(&p, 1, atoi(v[3])) == 0)
		return SILENT;
	if (type == SOCK_DGRAM) {
		recvfrom(fd, data, sizeof data, 0, (void *)&from, &len);
		return sendto(fd, "pong", 4, 0, (void *)&from, len) < 0 ? errno : 0;
	}
	fd = accept(fd, NULL, NULL);
	if (fd < 0)
		return errno;
	answer(fd, ANSWER_MS);
	return send(fd, "pong", 4, MSG_NOSIGNAL) < 0 ? errno : 0;
}

static char *attribute(char *at, uint16_t type, const char *text)
{
	struct nlattr *a = (void *)at;

	a->nla_type = type;
	a->nla_len = (uint16_t)(NLA_HDRLEN + strlen(text) + 1);
	strcpy(at + NLA_HDRLEN, text);
	return at + NLA_ALIGN(a->nla_len);
}

static char *nft_message(char *at, unsigned type, unsigned res_id, unsigned attr, const char *table)
{
	struct nlmsghdr *h = (void *)at;
	struct nfgenmsg *g = NLMSG_DATA(h);
	char *end = (char *)(g + 1);

	h->nlmsg_type = (uint16_t)type;
	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	g->nfgen_family = NFPROTO_INET;
	g->res_id = htons((uint16_t)res_id);
	if (table)
		end = attribute(end, (uint16_t)attr, table);
	h->nlmsg_len = (uint32_t)(end - at);
	return end;
}

/* flush | deltable: all rules of the table, or the table itself */
static int do_nft(char **v)
{
	bool whole = !strcmp(v[0], "deltable");
	char batch[512] = { 0 }, *end = batch;
	int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER);
	struct nlmsghdr *h = (void *)batch;
	ssize_t got;

	if (fd < 0)
		return errno;
	end = nft_message(end, NFNL_MSG_BATCH_BEGIN, NFNL_SUBSYS_NFTABLES, 0, NULL);
	end = nft_message(end,
			  NFNL_SUBSYS_NFTABLES << 8 | (whole ? NFT_MSG_DELTABLE : NFT_MSG_DELRULE),
			  0, whole ? NFTA_TABLE_NAME : NFTA_RULE_TABLE, "agentrun");
	end = nft_message(end, NFNL_MSG_BATCH_END, NFNL_SUBSYS_NFTABLES, 0, NULL);
	if (send(fd, batch, (size_t)(end - batch), 0) < 0)
		return errno;
	got = recv(fd, batch, sizeof batch, MSG_DONTWAIT);
	if (got < (ssize_t)NLMSG_LENGTH(sizeof(struct nlmsgerr)) || h->nlmsg_type != NLMSG_ERROR)
		return EPROTO;
	return -((struct nlmsgerr *)NLMSG_DATA(h))->error;
}

static const struct action {
	const char *name;
	int words;		/* with the name, at least */
	int (*run)(char **v);
} actions[] = {
	{ "tcp", 3, do_flow },
	{ "udp", 3, do_flow },
	{ "proto", 5, do_proto },
	{ "ping", 2, do_ping },
	{ "broadcast", 3, do_broadcast },
	{ "join", 3, do_join },
	{ "lsrr", 4, do_lsrr },
	{ "rthdr", 4, do_rthdr },
	{ "hbh", 3, do_hbh },
	{ "fragments", 4, do_fragments },
	{ "flood", 4, do_flood },
	{ "unix", 2, do_unix },
	{ "family", 4, do_family },
	{ "serve", 4, do_serve },
	{ "flush", 1, do_nft },
	{ "deltable", 1, do_nft },
};

static int act(int argc, char **argv)
{
	for (size_t i = 0; argc > 0 && i < sizeof actions / sizeof *actions; i++)
		if (!strcmp(argv[0], actions[i].name) && argc >= actions[i].words)
			return actions[i].run(argv);
	fprintf(stderr, "attacker: what?\n");
	exit(2);
}

int main(int argc, char **argv)
{
	struct timespec from, to;
	double ms;
	int r = 0;

	argv++, argc--;
	clock_gettime(CLOCK_MONOTONIC, &from);
	if (argc > 0 && !strcmp(*argv, "--userns")) {
		r = unshare(CLONE_NEWUSER) < 0 ? errno : 0;
		argv++, argc--;
	}
	if (!r)
		r = act(argc, argv);
	clock_gettime(CLOCK_MONOTONIC, &to);
	ms = (double)(to.tv_sec - from.tv_sec) * 1e3 + (double)(to.tv_nsec - from.tv_nsec) / 1e6;
	printf("%s %.1f\n", r == 0 ? "ok" : r == SILENT ? "silent" : strerrorname_np(r), ms);
	return 0;
}
