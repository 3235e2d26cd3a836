/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/cgroup_parts.h"

int cgroup_devices_apply(const struct cgroup *c, const struct spec_resources *r, bool plain,
			 enum cgroup_when when, struct err *e)
{
	(void)c;
	(void)r;
	(void)plain;
	(void)when;
	(void)e;
	return 0;
}
