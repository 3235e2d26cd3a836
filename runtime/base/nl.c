/* SPDX-License-Identifier: Apache-2.0 */
#include "base/nl.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"

enum {
	REPLY_ROOM = 32768,	/* what the kernel fills at most per read of a dump */
	NEST_MOST = 65535,	/* nla_len has 16 bits */
};

void nl_close(struct nl *n)
{
	fd_close(&n->fd);
}

/* The kernel gives it an address of its own. */
static int bind_socket(int fd, struct err *e)
{
	struct sockaddr_nl any = { .nl_family = AF_NETLINK };

	if (bind(fd, (struct sockaddr *)&any, sizeof any) < 0)
		return err_set(e, errno, "bind a netlink socket");
	return 0;
}

static int open_here(struct nl *n, int protocol, struct err *e)
{
	owned_fd fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);

	if (fd < 0)
		return err_set(e, errno, "open a netlink socket");
	if (bind_socket(fd, e) < 0)
		return -e->code;
	n->fd = fd_take(&fd);
	return 0;
}

/* The child of open_by_child(): enters the namespace, if need be its owner first. */
static int enter_and_send(int protocol, int netns_fd, int channel)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec byte = { "", 1 };
	struct msghdr m = { .msg_iov = &byte, .msg_iovlen = 1,
			    .msg_control = control, .msg_controllen = sizeof control };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	owned_fd userns = -1, fd = -1;

	if (setns(netns_fd, CLONE_NEWNET) < 0) {
		userns = ioctl(netns_fd, NS_GET_USERNS);
		if (userns < 0 || setns(userns, CLONE_NEWUSER) < 0 ||
		    setns(netns_fd, CLONE_NEWNET) < 0)
			return errno;
	}
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
	if (fd < 0)
		return errno;
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &(int){ fd }, sizeof(int));
	return sendmsg(channel, &m, MSG_NOSIGNAL) < 0 ? errno : 0;
}

static int open_by_child(struct nl *n, int protocol, int netns_fd, struct err *e)
{
	char byte, control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec room = { &byte, 1 };
	struct msghdr m = { .msg_iov = &room, .msg_iovlen = 1,
			    .msg_control = control, .msg_controllen = sizeof control };
	owned_fd near = -1, far = -1, got = -1;
	int pair[2], status;
	struct cmsghdr *c;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_set(e, errno, "socketpair");
	near = pair[0];
	far = pair[1];
	pid = fork();
	if (pid < 0)
		return err_set(e, errno, "fork");
	if (pid == 0)
		_exit(enter_and_send(protocol, netns_fd, far));
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_set(e, errno, "wait for the child in the network namespace");
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return err_set(e, WIFEXITED(status) ? WEXITSTATUS(status) : EIO,
			       "enter the network namespace");
	if (recvmsg(near, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT) < 0)
		return err_set(e, errno, "receive the network namespace's socket");
	c = CMSG_FIRSTHDR(&m);
	if (!c || c->cmsg_type != SCM_RIGHTS || c->cmsg_len != CMSG_LEN(sizeof(int)))
		return err_say(e, EIO, "no socket came from the network namespace");
	memcpy(&got, CMSG_DATA(c), sizeof got);
	if (bind_socket(got, e) < 0)
		return -e->code;
	n->fd = fd_take(&got);
	return 0;
}

int nl_open(struct nl *n, int protocol, int netns_fd, struct err *e)
{
	owned_fd home = -1;
	int r;

	if (netns_fd < 0)
		return open_here(n, protocol, e);
	home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (home < 0)
		return err_set(e, errno, "open /proc/thread-self/ns/net");
	/* The root of a user namespace may be able to enter, but not to come back to the host's. */
	if (setns(home, CLONE_NEWNET) < 0 || setns(netns_fd, CLONE_NEWNET) < 0) {
		if (errno == EPERM)
			return open_by_child(n, protocol, netns_fd, e);
		return err_set(e, errno, "enter the network namespace");
	}
	r = open_here(n, protocol, e);
	if (setns(home, CLONE_NEWNET) < 0) {
		r = err_set(e, errno, "return to the own network namespace");
		nl_close(n);
	}
	return r;
}

void nl_batch_free(struct nl_batch *b)
{
	str_free(&b->bytes);
	free(b->what);
	*b = NL_BATCH_INIT;
}

static struct nlmsghdr *current(struct nl_batch *b)
{
	return (struct nlmsghdr *)(void *)(b->bytes.s + b->message);
}

/* Appends it, and what it takes to where the next one may begin. */
static void put_aligned(struct str *bytes, const void *data, size_t size)
{
	static const char zeros[NLMSG_ALIGNTO];

	str_append(bytes, data, size);
	str_append(bytes, zeros, NLMSG_ALIGN(size) - size);
}

static size_t put_header(struct str *bytes, unsigned type, unsigned flags, const void *head,
			 size_t size, unsigned seq)
{
	const struct nlmsghdr h = {
		.nlmsg_len = NLMSG_LENGTH(NLMSG_ALIGN(size)),
		.nlmsg_type = (uint16_t)type,
		.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags),
		.nlmsg_seq = seq,
	};
	size_t start = bytes->len;

	put_aligned(bytes, &h, sizeof h);
	put_aligned(bytes, head, size);
	return start;
}

void nl_message_of(struct nl_batch *b, unsigned type, unsigned flags, const void *head,
		   size_t size, const char *what)
{
	if (b->depth)
		abort();
	if ((b->n & (b->n - 1)) == 0)	/* full at every power of two */
		b->what = must(realloc(b->what, (b->n ? 2 * b->n : 1) * sizeof *b->what));
	b->what[b->n++] = what;
	b->head = NLMSG_ALIGN(size);
	b->message = put_header(&b->bytes, type, flags, head, size, (unsigned)b->n);
}

void nl_message(struct nl_batch *b, unsigned type, unsigned flags, unsigned family,
		const char *what)
{
	const struct nfgenmsg g = { .nfgen_family = (uint8_t)family, .version = NFNETLINK_V0 };

	nl_message_of(b, type, flags, &g, sizeof g, what);
}

void nl_put_bytes(struct nl_batch *b, unsigned attr, const void *data, size_t size)
{
	const struct nlattr a = { .nla_len = (uint16_t)(NLA_HDRLEN + size), .nla_type = (uint16_t)attr };

	if (size > NEST_MOST - NLA_HDRLEN)
		abort();
	put_aligned(&b->bytes, &a, sizeof a);
	put_aligned(&b->bytes, data, size);
	current(b)->nlmsg_len = (uint32_t)(b->bytes.len - b->message);
}

void nl_put_be32(struct nl_batch *b, unsigned attr, uint32_t v)
{
	v = htobe32(v);
	nl_put_bytes(b, attr, &v, sizeof v);
}

void nl_put_be64(struct nl_batch *b, unsigned attr, uint64_t v)
{
	v = htobe64(v);
	nl_put_bytes(b, attr, &v, sizeof v);
}

void nl_put_u8(struct nl_batch *b, unsigned attr, uint8_t v)
{
	nl_put_bytes(b, attr, &v, sizeof v);
}

void nl_put_text(struct nl_batch *b, unsigned attr, const char *text)
{
	nl_put_bytes(b, attr, text, strlen(text) + 1);
}

void nl_nest(struct nl_batch *b, unsigned attr)
{
	if (b->depth == NL_NESTS)
		abort();
	b->nests[b->depth++] = b->bytes.len;
	nl_put_bytes(b, NLA_F_NESTED | attr, NULL, 0);
}

void nl_end(struct nl_batch *b)
{
	size_t start = b->nests[--b->depth];

	if (b->bytes.len - start > NEST_MOST)
		abort();
	((struct nlattr *)(void *)(b->bytes.s + start))->nla_len = (uint16_t)(b->bytes.len - start);
}

static int send_all(struct nl *n, const struct str *bytes, struct err *e)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	int want = (int)bytes->len + 4096, have = 0;
	socklen_t size = sizeof have;

	/* A message larger than the send buffer is EMSGSIZE; the forced form passes wmem_max. */
	if (getsockopt(n->fd, SOL_SOCKET, SO_SNDBUF, &have, &size) == 0 && have < want &&
	    setsockopt(n->fd, SOL_SOCKET, SO_SNDBUFFORCE, &want, sizeof want) < 0)
		(void)setsockopt(n->fd, SOL_SOCKET, SO_SNDBUF, &want, sizeof want);
	if (sendto(n->fd, bytes->s, bytes->len, 0, (struct sockaddr *)&kernel, sizeof kernel) < 0)
		return err_set(e, errno, "send to the kernel");
	return 0;
}

/* One answer, whole and from the kernel: others may send to this socket as well.  reply: REPLY_ROOM. */
static ssize_t receive(struct nl *n, char *reply, int flags)
{
	struct sockaddr_nl from = { 0 };
	socklen_t size = sizeof from;
	ssize_t got;

	do
		got = recvfrom(n->fd, reply, REPLY_ROOM, flags | MSG_TRUNC,
			       (struct sockaddr *)&from, &size);
	while ((got < 0 && errno == EINTR) || (got >= 0 && from.nl_pid != 0));
	if (got > REPLY_ROOM) {
		errno = EMSGSIZE;
		return -1;
	}
	return got;
}

/* The message at `at`, if there is a whole one before the end. */
static const struct nlmsghdr *message_at(const char *at, const char *end)
{
	const struct nlmsghdr *h = (const void *)at;

	return at < end && (size_t)(end - at) >= sizeof *h && h->nlmsg_len >= sizeof *h &&
			       h->nlmsg_len <= (size_t)(end - at) ? h : NULL;
}

/* The error that a reply carries: 0 for an acknowledgement. */
static int reply_error(const struct nlmsghdr *h)
{
	const struct nlmsgerr *body = NLMSG_DATA(h);

	return NLMSG_PAYLOAD(h, 0) >= sizeof *body ? -body->error : EPROTO;
}

/*
 * The kernel has queued every answer by the time that the send returns: one for each message that
 * failed, one with the number of the opening message if the transaction as a whole did, and one
 * for the last message because it asked.  Nothing queued is therefore a failure too.
 */
static int read_verdict(struct nl *n, const struct nl_batch *b, size_t *ret_failed, struct err *e)
{
	owned_str room = STR_INIT;	/* of which few pages are ever touched */
	char *reply = str_reserve(&room, REPLY_ROOM);
	bool acknowledged = false;
	size_t failed = SIZE_MAX;
	int code = 0;

	for (;;) {
		ssize_t got = receive(n, reply, MSG_DONTWAIT);

		if (got < 0 && errno == EAGAIN)
			break;
		if (got < 0)
			return err_set(e, errno, "read netfilter's answer");
		for (const struct nlmsghdr *h = message_at(reply, reply + got); h;
		     h = message_at((const char *)h + NLMSG_ALIGN(h->nlmsg_len), reply + got)) {
			int error = h->nlmsg_type == NLMSG_ERROR ? reply_error(h) : EPROTO;

			if (!error)
				acknowledged |= h->nlmsg_seq == b->n;
			else if (h->nlmsg_seq < failed) {
				failed = h->nlmsg_seq;
				code = error;
			}
		}
	}
	if (!code && acknowledged)
		return 0;
	if (!code)
		return err_say(e, EPROTO, "netfilter did not acknowledge the transaction");
	if (ret_failed)
		*ret_failed = failed;
	return err_set(e, code, "%s",
		       failed && failed <= b->n ? b->what[failed - 1] : "transaction");
}

int nl_commit(struct nl *n, const struct nl_batch *b, unsigned subsystem, size_t *ret_failed,
	      struct err *e)
{
	const struct nfgenmsg g = { .nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0,
				    .res_id = htons((uint16_t)subsystem) };
	owned_str all = STR_INIT;
	size_t last;
	int r;

	if (ret_failed)
		*ret_failed = 0;
	put_header(&all, NFNL_MSG_BATCH_BEGIN, 0, &g, sizeof g, 0);
	last = all.len + b->message;
	str_append(&all, b->bytes.s, b->bytes.len);
	((struct nlmsghdr *)(void *)(all.s + last))->nlmsg_flags |= NLM_F_ACK;
	put_header(&all, NFNL_MSG_BATCH_END, 0, &g, sizeof g, (unsigned)b->n + 1);
	r = send_all(n, &all, e);
	return r < 0 ? r : read_verdict(n, b, ret_failed, e);
}

int nl_get(struct nl *n, const struct nl_batch *b, nl_each *each, void *arg, struct err *e)
{
	owned_str room = STR_INIT;	/* of which few pages are ever touched */
	char *reply = str_reserve(&room, REPLY_ROOM);
	bool changed = false;
	int r = send_all(n, &b->bytes, e);

	while (r >= 0) {
		ssize_t got = receive(n, reply, 0);

		if (got < 0)
			return err_set(e, errno, "read the kernel's answer");
		for (const struct nlmsghdr *h = message_at(reply, reply + got); h;
		     h = message_at((const char *)h + NLMSG_ALIGN(h->nlmsg_len), reply + got)) {
			changed |= (h->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
			if (h->nlmsg_type == NLMSG_ERROR && reply_error(h))
				return err_set(e, reply_error(h), "%s", b->what[0]);
			if (h->nlmsg_type == NLMSG_ERROR || h->nlmsg_type == NLMSG_DONE)
				return changed ? err_set(e, EINTR, "%s", b->what[0]) : 0;
			/* After an error of `each` the rest is read all the same, and passed over:
			 * the next request must not find it in the queue. */
			if (r >= 0 && each && NLMSG_PAYLOAD(h, 0) >= b->head)
				r = each(arg, (const char *)NLMSG_DATA(h) + b->head,
					 NLMSG_PAYLOAD(h, 0) - b->head, e);
		}
	}
	return r;
}

static size_t payload(const struct nlattr *a)
{
	return a->nla_len - (size_t)NLA_HDRLEN;
}

static const void *data_of(const struct nlattr *a)
{
	return (const char *)a + NLA_HDRLEN;
}

/* The attribute at `at`, if there is a whole one before the end. */
static const struct nlattr *attr_at(const char *at, const char *end)
{
	const struct nlattr *a = (const void *)at;

	return at < end && (size_t)(end - at) >= NLA_HDRLEN && a->nla_len >= NLA_HDRLEN &&
			       a->nla_len <= end - at ? a : NULL;
}

static const struct nlattr *attr_after(const struct nlattr *a, const char *end)
{
	return attr_at((const char *)a + NLA_ALIGN(a->nla_len), end);
}

void nl_parse(const void *attrs, size_t size, const struct nlattr **by_type, unsigned max)
{
	const char *end = (const char *)attrs + size;

	memset(by_type, 0, (max + 1) * sizeof *by_type);
	for (const struct nlattr *a = attr_at(attrs, end); a; a = attr_after(a, end))
		if ((a->nla_type & NLA_TYPE_MASK) <= max)
			by_type[a->nla_type & NLA_TYPE_MASK] = a;
}

void nl_parse_nest(const struct nlattr *nest, const struct nlattr **by_type, unsigned max)
{
	if (nest)
		nl_parse(data_of(nest), payload(nest), by_type, max);
	else
		memset(by_type, 0, (max + 1) * sizeof *by_type);
}

const struct nlattr *nl_next(const struct nlattr *nest, const struct nlattr *previous)
{
	const char *end = (const char *)data_of(nest) + payload(nest);

	return previous ? attr_after(previous, end) : attr_at(data_of(nest), end);
}

const void *nl_data(const struct nlattr *a, size_t *ret_size)
{
	*ret_size = a ? payload(a) : 0;
	return a ? data_of(a) : NULL;
}

uint32_t nl_be32(const struct nlattr *a)
{
	uint32_t v = 0;

	if (a && payload(a) == sizeof v)
		memcpy(&v, data_of(a), sizeof v);
	return be32toh(v);
}

uint64_t nl_be64(const struct nlattr *a)
{
	uint64_t v = 0;

	if (a && payload(a) == sizeof v)
		memcpy(&v, data_of(a), sizeof v);
	return be64toh(v);
}

const char *nl_text(const struct nlattr *a)
{
	const char *text = a ? data_of(a) : NULL;

	return text && payload(a) && !text[payload(a) - 1] ? text : "";
}
