/* SPDX-License-Identifier: Apache-2.0 */
#include "lifecycle/names.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/host.h"
#include "policy/policy.h"
#include "sandbox/rootpath.h"

enum { HOSTS_MOST = 1 << 20 };

static int resolve(struct arena *a, struct spec_egress_rule *rule, struct err *e)
{
	const char *refused = NULL;
	bool never = false;	/* not by its number either */

	if (host_resolve(a, rule->host, &rule->addresses, e) < 0)
		return err_in(e, "egress rule %s", rule->host);
	for (size_t i = 0; i < rule->addresses.n; i++) {
		const char *text = rule->addresses.v[i], *why = policy_address_refused(text, true);

		if (why) {
			refused = arena_printf(a, "%s, %s", text, why);
			never = policy_address_refused(text, false) != NULL;
		}
	}
	/* One forbidden address among good ones is an answer not to be trusted (DNS rebinding, THREATS C14). */
	if (refused)
		return err_say(e, EPERM,
			       "refused: egress rule %s: the name leads to %s\n"
			       "  policy: egress.allow\n"
			       "  to allow it: %s",
			       rule->host, refused,
			       never ? "leave the rule out: no rule can name that address"
				     : "name the address itself instead of the name");
	return 0;
}

int names_resolve(struct arena *a, struct spec_agent *agent, struct err *e)
{
	for (size_t i = 0; i < agent->egress_allow.n; i++)
		if (agent->egress_allow.v[i].is_name &&
		    resolve(a, &agent->egress_allow.v[i], e) < 0)
			return -e->code;
	return 0;
}

static struct spec_mount *mount_at(struct spec *s, const char *destination)
{
	for (size_t i = s->mounts.n; i-- > 0;)	/* the last one is what the container sees */
		if (strcmp(s->mounts.v[i].destination, destination) == 0)
			return &s->mounts.v[i];
	return NULL;
}

/* What the container would have had: the engine's file, else the image's, else the least. */
static int present_hosts(const struct spec *s, const struct spec_mount *m, struct str *ret,
			 struct err *e)
{
	owned_fd root = -1, path = -1, fd = -1;
	struct stat st;
	char again[64];

	if (m && m->source_fd >= 0)
		path = fcntl(m->source_fd, F_DUPFD_CLOEXEC, 0);
	else if (m)
		path = open(m->source, O_PATH | O_CLOEXEC);
	else if ((root = open(s->root->path, O_PATH | O_DIRECTORY | O_CLOEXEC)) >= 0 &&
		 rootpath_open(root, "/etc/hosts", O_PATH, &path, e) < 0)
		path = -1;
	if (path >= 0 && fstat(path, &st) == 0 && S_ISREG(st.st_mode)) {
		snprintf(again, sizeof again, "/proc/self/fd/%d", path);
		fd = open(again, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			return err_set(e, errno, "open /etc/hosts of the container");
		if (fd_read_all(fd, HOSTS_MOST, "/etc/hosts of the container", ret, e) < 0)
			return -e->code;
		if (ret->len && ret->s[ret->len - 1] != '\n')
			str_puts(ret, "\n");
		return 0;
	}
	str_puts(ret, "127.0.0.1 localhost\n::1 localhost\n");
	return 0;
}

int names_mount_hosts(struct arena *a, struct spec *s, const struct state_dir *d, struct err *e)
{
	struct spec_mount *m = mount_at(s, "/etc/hosts");
	owned_str text = STR_INIT;
	bool any = false;

	for (size_t i = 0; i < s->agent->egress_allow.n; i++)
		any |= s->agent->egress_allow.v[i].is_name;
	if (!any)
		return 0;
	if (present_hosts(s, m, &text, e) < 0)
		return -e->code;
	for (size_t i = 0; i < s->agent->egress_allow.n; i++) {
		const struct spec_egress_rule *rule = &s->agent->egress_allow.v[i];

		for (size_t k = 0; rule->is_name && k < rule->addresses.n; k++)
			str_printf(&text, "%s %s\n", rule->addresses.v[k], rule->host);
	}
	if (file_replace(d->fd, STATE_HOSTS, text.s, text.len, 0644, e) < 0)
		return -e->code;
	if (m && m->source_fd >= 0)
		close(m->source_fd);
	spec_bind_own(a, s, m, "/etc/hosts", arena_printf(a, "%s/%s", d->path, STATE_HOSTS));
	return 0;
}
