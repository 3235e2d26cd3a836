/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nl: netlink over libmnl; the only user of that library.
 *
 * Gives sandbox/egress.c batches of nftables messages and dumps of sets, and
 * link set-up over rtnetlink.  A socket belongs to the network namespace of
 * the caller at nl_open() and stays there.
 */
#pragma once
