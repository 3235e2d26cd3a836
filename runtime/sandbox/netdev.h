/* SPDX-License-Identifier: Apache-2.0 */
/*
 * netdev: linux.netDevices, interfaces of the runtime's network namespace that
 * become the container's (config-linux.md, "Network Devices").
 *
 * Each is moved, renamed, given back its permanent addresses of global scope
 * (the kernel drops all addresses of what it moves) and set up.  Must not
 * configure anything else, nor look after the interface later: with the
 * container's namespace the kernel deletes what is virtual and gives what is
 * not to its initial namespace.
 */
#pragma once

#include "base/err.h"
#include "base/nl.h"
#include "spec/spec.h"

struct netdev;

/* What was moved: there to be taken back while the container is in the making. */
struct netdevs {
	struct netdev *v;	/* in the arena */
	size_t n;
	struct nl home, inside;
	int home_fd, inside_fd;	/* the namespaces; owned */
};
#define NETDEVS_INIT ((struct netdevs){ .home_fd = -1, .inside_fd = -1, .home = NL_INIT, \
					.inside = NL_INIT })
void netdev_close(struct netdevs *d);

/*
 * Moves them all into the network namespace of netns_fd.  Before the first one moves, each must be
 * there and its new name be free: -ENODEV, -EEXIST; -EINVAL if the namespace is the caller's own.
 * On failure netdev_return() takes back what *ret says was moved.
 */
int netdev_move(struct arena *a, const struct spec_linux *l, int netns_fd, struct netdevs *ret,
		struct err *e);
/* As they were: names, addresses, whether they were up.  Goes on after an error; e is of the last. */
int netdev_return(struct netdevs *d, struct err *e);
