/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cpulist.h"

#include <errno.h>
#include <string.h>

static int number(const char **at, unsigned *ret)
{
	size_t digits = strspn(*at, "0123456789");
	unsigned v = 0;

	if (!digits)
		return -EINVAL;
	for (; digits; digits--, ++*at) {
		v = v * 10 + (unsigned)(**at - '0');
		if (v >= CPULIST_MOST)
			return -ERANGE;
	}
	*ret = v;
	return 0;
}

int cpulist_next(const char **at, unsigned *ret_first, unsigned *ret_last)
{
	unsigned first, last;
	int r;

	*at += strspn(*at, " ,\n");
	if (!**at)
		return 0;
	r = number(at, &first);
	if (r < 0)
		return r;
	last = first;
	if (**at == '-') {
		++*at;
		r = number(at, &last);
		if (r < 0)
			return r;
	}
	*at += strspn(*at, " \n");
	if (last < first || (**at && **at != ','))
		return -EINVAL;
	*ret_first = first;
	*ret_last = last;
	return 1;
}
