/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "sandbox/cgroup_parts.h"

int cgroup_systemd_plan(struct arena *a, const char *cgroups_path, const char *id, bool user,
			struct cgroup *c, struct err *e)
{
	(void)a;
	(void)cgroups_path;
	(void)id;
	(void)user;
	(void)c;
	return err_say(e, EOPNOTSUPP, "built without the systemd cgroup driver");
}

int cgroup_systemd_attach(struct arena *a, struct cgroup *c, const struct spec *s, pid_t pid,
			  struct err *e)
{
	(void)a;
	(void)c;
	(void)s;
	(void)pid;
	return err_say(e, EOPNOTSUPP, "built without the systemd cgroup driver");
}

int cgroup_systemd_stop(const struct cgroup *c, struct err *e)
{
	(void)c;
	return err_say(e, EOPNOTSUPP, "built without the systemd cgroup driver");
}

int cgroup_systemd_update(const struct cgroup *c, const struct spec_resources *r, struct err *e)
{
	(void)c;
	(void)r;
	return err_say(e, EOPNOTSUPP, "built without the systemd cgroup driver");
}
