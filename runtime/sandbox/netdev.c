/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/netdev.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"

/* What an address is but for its interface.  No label: it begins with the interface's old name. */
static const unsigned short address_attrs[] = {
	IFA_ADDRESS, IFA_LOCAL, IFA_BROADCAST, IFA_MULTICAST, IFA_RT_PRIORITY,
};
enum { ADDRESS_FLAGS = IFA_F_NODAD | IFA_F_HOMEADDRESS | IFA_F_MANAGETEMPADDR |
		       IFA_F_NOPREFIXROUTE | IFA_F_MCAUTOJOIN };

struct address {
	struct ifaddrmsg head;
	uint32_t flags;
	const void *attrs;
	size_t size;
};

struct link {
	int index;
	unsigned flags;		/* IFF_* */
};

struct netdev {
	const char *from, *to;	/* its names outside and inside; `to` may be a template at first */
	struct link link;	/* as it was outside */
	VEC(struct address) addresses;
	bool moved;
};

void netdev_close(struct netdevs *d)
{
	nl_close(&d->home);
	nl_close(&d->inside);
	fd_close(&d->home_fd);
	fd_close(&d->inside_fd);
}

/* ---- asking ---- */

static int copy_link(void *arg, const void *attrs, size_t size, struct err *e)
{
	const struct ifinfomsg *head = (const struct ifinfomsg *)attrs - 1;
	struct link *ret = arg;

	(void)size, (void)e;
	*ret = (struct link){ head->ifi_index, head->ifi_flags };
	return 0;
}

/* -ENODEV: there is none of that name. */
static int find_link(struct nl *n, const char *name, struct link *ret, struct err *e)
{
	const struct ifinfomsg head = { .ifi_family = AF_UNSPEC };
	owned_nl_batch get = NL_BATCH_INIT;

	nl_message_of(&get, RTM_GETLINK, NLM_F_ACK, &head, sizeof head, name);
	nl_put_text(&get, IFLA_IFNAME, name);
	return nl_get(n, &get, copy_link, ret, e);
}

struct dump {
	struct arena *a;
	struct netdev *d;
	size_t room;
};

static int copy_address(void *arg, const void *attrs, size_t size, struct err *e)
{
	const struct ifaddrmsg *head = (const struct ifaddrmsg *)attrs - 1;
	const struct nlattr *by_type[IFA_RT_PRIORITY + 1];
	struct dump *dump = arg;
	struct netdev *d = dump->d;
	uint32_t flags = head->ifa_flags;
	const void *more;
	size_t n;

	(void)e;
	nl_parse(attrs, size, by_type, IFA_RT_PRIORITY);
	more = nl_data(by_type[IFA_FLAGS], &n);
	if (n == sizeof flags)
		memcpy(&flags, more, n);
	if ((int)head->ifa_index != d->link.index || head->ifa_scope != RT_SCOPE_UNIVERSE ||
	    !(flags & IFA_F_PERMANENT))
		return 0;
	if (d->addresses.n == dump->room) {
		struct address *v = arena_array(dump->a, struct address, dump->room = 2 * dump->room + 4);

		if (d->addresses.n)
			memcpy(v, d->addresses.v, d->addresses.n * sizeof *v);
		d->addresses.v = v;
	}
	d->addresses.v[d->addresses.n++] = (struct address){
		.head = *head, .flags = flags & ADDRESS_FLAGS,
		.attrs = arena_memdup(dump->a, attrs, size), .size = size,
	};
	return 0;
}

static int read_addresses(struct arena *a, struct nl *n, struct netdev *d, struct err *e)
{
	enum { TRIES = 10 };	/* the list may change meanwhile */
	int r = -EINTR;

	for (int i = 0; r == -EINTR && i < TRIES; i++) {
		const struct ifaddrmsg head = { .ifa_family = AF_UNSPEC };
		struct dump dump = { .a = a, .d = d };
		owned_nl_batch get = NL_BATCH_INIT;

		d->addresses.n = 0;
		nl_message_of(&get, RTM_GETADDR, NLM_F_DUMP, &head, sizeof head,
			      "read its addresses");
		r = nl_get(n, &get, copy_address, &dump, e);
	}
	return r;
}

/* ---- changing ---- */

static int change_link(struct nl *n, struct ifinfomsg head, const char *name, int netns_fd,
		       const char *what, struct err *e)
{
	owned_nl_batch set = NL_BATCH_INIT;

	nl_message_of(&set, RTM_NEWLINK, NLM_F_ACK, &head, sizeof head, what);
	if (name) {
		nl_put_text(&set, IFLA_IFNAME, name);
		nl_put_bytes(&set, IFLA_NET_NS_FD, &netns_fd, sizeof netns_fd);
	}
	return nl_get(n, &set, NULL, NULL, e);
}

static int add_address(struct nl *n, const struct address *from, int index, struct err *e)
{
	const struct nlattr *by_type[IFA_RT_PRIORITY + 1];
	struct ifaddrmsg head = from->head;
	owned_nl_batch add = NL_BATCH_INIT;

	head.ifa_index = (uint32_t)index;
	head.ifa_flags = (uint8_t)from->flags;
	nl_message_of(&add, RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, &head, sizeof head,
		      "give it an address back");
	nl_parse(from->attrs, from->size, by_type, IFA_RT_PRIORITY);
	for (size_t i = 0; i < sizeof address_attrs / sizeof *address_attrs; i++) {
		size_t size;
		const void *data = nl_data(by_type[address_attrs[i]], &size);

		if (data)
			nl_put_bytes(&add, address_attrs[i], data, size);
	}
	nl_put_bytes(&add, IFA_FLAGS, &from->flags, sizeof from->flags);
	return nl_get(n, &add, NULL, NULL, e);
}

/* What the kernel took away, at the place where it is now. */
static int settle(struct nl *n, const struct netdev *d, const char *name, bool up, struct err *e)
{
	struct link now;
	int r = find_link(n, name, &now, e);	/* its number may be another */

	for (size_t i = 0; r == 0 && i < d->addresses.n; i++)
		r = add_address(n, &d->addresses.v[i], now.index, e);
	if (r == 0 && up)
		r = change_link(n, (struct ifinfomsg){ .ifi_index = now.index, .ifi_flags = IFF_UP,
						       .ifi_change = IFF_UP },
				NULL, -1, "set it up", e);
	return r;
}

/* ---- all of them ---- */

static int open_namespaces(struct netdevs *all, int netns_fd, struct err *e)
{
	struct stat home, inside;

	all->home_fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (all->home_fd < 0)
		return err_set(e, errno, "open /proc/thread-self/ns/net");
	all->inside_fd = fcntl(netns_fd, F_DUPFD_CLOEXEC, 0);
	if (all->inside_fd < 0 || fstat(all->home_fd, &home) < 0 ||
	    fstat(all->inside_fd, &inside) < 0)
		return err_set(e, errno, "the container's network namespace");
	if (home.st_dev == inside.st_dev && home.st_ino == inside.st_ino)
		return err_say(e, EINVAL, "the container's network namespace is the runtime's own");
	if (nl_open(&all->home, NETLINK_ROUTE, -1, e) < 0 ||
	    nl_open(&all->inside, NETLINK_ROUTE, netns_fd, e) < 0)
		return -e->code;
	return 0;
}

static int look_at(struct arena *a, struct netdevs *all, struct netdev *d, struct err *e)
{
	struct link taken;
	int r = find_link(&all->home, d->from, &d->link, e);

	if (r == -ENODEV)
		return err_say(e, ENODEV, "there is no such network device");
	if (r < 0)
		return r;
	if (!strchr(d->to, '%')) {
		r = find_link(&all->inside, d->to, &taken, e);
		if (r == 0)
			return err_say(e, EEXIST, "the container's network namespace has %s already",
				       d->to);
		if (r != -ENODEV)
			return r;
	}
	return read_addresses(a, &all->home, d, e);
}

/* The first free name, as the kernel would choose it; the kernel would not say which it took. */
static int pick_name(struct arena *a, struct nl *inside, const char *template, const char **ret,
		     struct err *e)
{
	enum { MOST = 32768 };
	const char *percent = strchr(template, '%');

	for (int i = 0; i < MOST; i++) {
		char *name = arena_printf(a, "%.*s%d%s", (int)(percent - template), template, i,
					  percent + 2);
		struct link taken;
		int r;

		if (strlen(name) >= IFNAMSIZ)
			break;
		r = find_link(inside, name, &taken, e);
		if (r == -ENODEV) {
			*ret = name;
			return 0;
		}
		if (r < 0)
			return r;
	}
	return err_say(e, ENFILE, "the container's network namespace has no %s free", template);
}

static int move(struct arena *a, struct netdevs *all, struct netdev *d, struct err *e)
{
	if (strchr(d->to, '%') && pick_name(a, &all->inside, d->to, &d->to, e) < 0)
		return -e->code;
	if (change_link(&all->home, (struct ifinfomsg){ .ifi_index = d->link.index }, d->to,
			all->inside_fd, "move it into the container's network namespace", e) < 0)
		return -e->code;
	d->moved = true;
	return settle(&all->inside, d, d->to, true, e);
}

int netdev_move(struct arena *a, const struct spec_linux *l, int netns_fd, struct netdevs *ret,
		struct err *e)
{
	if (open_namespaces(ret, netns_fd, e) < 0)
		return err_in(e, "linux.netDevices");
	ret->v = arena_array(a, struct netdev, l->net_devices.n);
	ret->n = l->net_devices.n;
	for (size_t i = 0; i < ret->n; i++) {
		ret->v[i].from = l->net_devices.v[i].host_name;
		ret->v[i].to = spec_net_device_name(&l->net_devices.v[i]);
		if (look_at(a, ret, &ret->v[i], e) < 0)
			return err_in(e, "linux.netDevices.%s", ret->v[i].from);
	}
	/* Templates last: what they become must leave the other names free. */
	for (int templates = 0; templates < 2; templates++)
		for (size_t i = 0; i < ret->n; i++)
			if (!ret->v[i].moved && !!strchr(ret->v[i].to, '%') == templates &&
			    move(a, ret, &ret->v[i], e) < 0)
				return err_in(e, "linux.netDevices.%s", ret->v[i].from);
	return 0;
}

int netdev_return(struct netdevs *all, struct err *e)
{
	int result = 0;

	for (size_t i = all->n; i-- > 0;) {
		struct netdev *d = &all->v[i];
		struct link now;
		int r;

		if (!d->moved)
			continue;
		r = find_link(&all->inside, d->to, &now, e);
		if (r == 0)
			r = change_link(&all->inside, (struct ifinfomsg){ .ifi_index = now.index },
					d->from, all->home_fd, "take it back", e);
		if (r == 0)
			r = settle(&all->home, d, d->from, d->link.flags & IFF_UP, e);
		if (r < 0)
			result = err_in(e, "linux.netDevices.%s", d->from);
	}
	all->n = 0;
	return result;
}
