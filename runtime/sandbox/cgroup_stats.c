/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "sandbox/cgroup_parts.h"

int cgroup_stats(const struct cgroup *c, struct json_writer *w, struct err *e)
{
	(void)c;
	(void)e;
	json_open(w);
	json_close(w);
	return 0;
}

void cgroup_read_cost(const struct cgroup *c, struct cgroup_cost *ret)
{
	(void)c;
	memset(ret, 0, sizeof *ret);
}
