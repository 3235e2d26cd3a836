/* SPDX-License-Identifier: Apache-2.0 */
/* cpulist: numbers as the kernel and the OCI specification list them, "0-3,7".  Must not know what for. */
#pragma once

enum { CPULIST_MOST = 8192 };	/* processors of the largest kernel that there is */

/* The next range of *at, which moves on.  1: there is one; 0: the end; -EINVAL: not of that form;
 * -ERANGE: beyond CPULIST_MOST - 1.  Spaces around an element and empty ones are fine. */
int cpulist_next(const char **at, unsigned *ret_first, unsigned *ret_last);
