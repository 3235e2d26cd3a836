/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The effective specification: each part of the bundle's configuration held
 * against the merged policy, in the order of the table at the end.  What has
 * rules of some length has a file of its own.  Pure: no I/O, every input an
 * argument.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "policy/internal.h"

bool egress_is_open(const struct policy *p)
{
	return strcmp(policy_text(p, FIELD_EGRESS), "open") == 0;
}

/* An annotation's list would contradict it. */
char *open_egress(const struct apply *x, const char *more)
{
	const struct value *list = &x->p->v[FIELD_EGRESS_ALLOW];

	return arena_printf(x->a, "--annotation " ANNOTATION_PREFIX "egress=open%s%s",
			    list->items.n && list->from->layer == LAYER_ANNOTATION ?
				    " in place of egress.allow" : "", more);
}

/* ---- namespaces ---- */

static int apply_namespaces(struct apply *x, struct err *e)
{
	static const struct { const char *type, *option; bool absent_is_host; } rows[] = {
		{ "network", "--network host", true },
		{ "pid", "--pid host", true },
		{ "ipc", "--ipc host", true },
		/* engines run containers as root without one: only joining the host's by its path
		 * is asking for it */
		{ "user", "--userns host", false },
	};
	const struct spec_linux *l = x->out->linux_;
	const struct spec_namespace *n;

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const struct fact_namespace *fact;

		n = spec_namespace_find(x->out, rows[i].type);
		fact = n ? &x->facts->namespaces.v[n - l->namespaces.v] : NULL;
		if (n && n->path && fact->error && !(x->facts->by_name && fact->error == EACCES))
			return err_set(e, fact->error, "%s namespace %s", n->type, n->path);
		if (n ? !fact->host : !rows[i].absent_is_host)
			continue;
		if (strv_find(&x->p->host.may_namespaces, rows[i].type) < 0)
			return refuse(e, always(x->a, x->agent),
				      exception(x->a, x->p, "\"%s\" to exceptions.namespaces",
						rows[i].type),
				      "the host's %s namespace (%s)", rows[i].type, rows[i].option);
		/* no exception can make the container's egress table the host's own firewall */
		if (strcmp(rows[i].type, "network") == 0 && !egress_is_open(x->p))
			return refuse(e, policy_say(x->a, x->p, FIELD_EGRESS),
				      open_egress(x, ", or give the container a network of its own"),
				      "the host's network namespace (%s) under an egress table, which "
				      "would be the host's own", rows[i].option);
	}
	n = spec_namespace_find(x->out, "mount");
	if (!n || n->path)
		return refuse(e, always(x->a, x->agent),
			      "give the container a mount namespace of its own",
			      "a mount namespace that is not the container's own");
	if (l->rootfs_propagation && strstr(l->rootfs_propagation, "shared"))
		return refuse(e, always(x->a, x->agent),
			      "set linux.rootfsPropagation to private or slave",
			      "root propagation %s: mounts made inside would appear on the host",
			      safe_text(x->a, l->rootfs_propagation));
	return 0;
}

/* ---- what is the caller's or the host's ---- */

static int apply_groups(struct apply *x, struct err *e)
{
	if (!spec_keeps_groups(x->in))
		return 0;
	return refuse(e, always(x->a, x->agent), "leave out --group-add keep-groups",
		      "the groups of the caller (" SPEC_KEEP_GROUPS ")");
}

/* One of the host's could carry what the egress table does not see, and lead to another network. */
static int apply_net_devices(struct apply *x, struct err *e)
{
	const struct spec_linux *l = x->in->linux_;

	if (!l->net_devices.n)
		return 0;
	return refuse(e, always(x->a, x->agent), "leave linux.netDevices out",
		      "network device %s of the host would become the container's",
		      safe_text(x->a, l->net_devices.v[0].host_name));
}

/* ---- the kernel's files ---- */

static void add_missing_paths(struct apply *x, const char *const *paths, struct strv *list,
			      const struct strv *other, const char *what)
{
	struct strv added = { 0 };

	for (size_t i = 0; paths[i]; i++)
		if (strv_find(list, paths[i]) < 0 && strv_find(other, paths[i]) < 0) {
			strv_add(x->a, list, paths[i]);
			strv_add(x->a, &added, paths[i]);
		}
	if (added.n)
		note(x->a, x->agent, "%s: %s", what, safe_list(x->a, &added));
}

static int apply_kernel_files(struct apply *x, struct err *e)
{
	static const char *const masked[] = {
		"/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
		"/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/proc/asound",
		"/sys/firmware", "/sys/devices/virtual/powercap", NULL,
	};
	static const char *const readonly[] = {
		"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger", NULL,
	};
	static const struct strv none;

	(void)e;
	/* some engines have made read-only what others mask */
	add_missing_paths(x, masked, &x->out->linux_->masked_paths, &x->out->linux_->readonly_paths,
			  "paths masked");
	add_missing_paths(x, readonly, &x->out->linux_->readonly_paths, &none,
			  "paths made read-only");
	return 0;
}

static int apply_sysctls(struct apply *x, struct err *e)
{
	static const char *const exact[] = {
		"net.ipv4.ping_group_range", "net.ipv4.ip_unprivileged_port_start",
		"net.ipv4.ip_local_port_range", "net.ipv4.ip_local_reserved_ports",
		"net.core.somaxconn", "net.ipv6.conf.all.disable_ipv6",
		"net.ipv6.conf.default.disable_ipv6", "kernel.domainname", "kernel.hostname", NULL,
	};
	static const char *const prefixes[] = { "net.ipv4.tcp_", "net.unix.", "kernel.shm",
						"kernel.msg", "kernel.sem", "fs.mqueue.", NULL };
	const struct kvs *sysctl = &x->out->linux_->sysctl;

	for (size_t i = 0; i < sysctl->n; i++) {
		const char *key = sysctl->v[i].key;
		bool fine = str_find(exact, key) >= 0 ||
			    (egress_is_open(x->p) && str_has_prefix(key, "net."));

		for (size_t k = 0; prefixes[k]; k++)
			fine |= str_has_prefix(key, prefixes[k]);
		if (!fine)
			return refuse(e, policy_say(x->a, x->p, FIELD_EGRESS),
				      str_has_prefix(key, "net.") ?
					      open_egress(x, ", or leave the sysctl out") :
				      "leave the sysctl out",
				      "sysctl %s=%s is not one that a confined container may set",
				      safe_text(x->a, key), safe_text(x->a, sysctl->v[i].value));
	}
	return 0;
}

/* What the systemd driver sets on the unit behind our limits: it must not take them back. */
static int apply_unit_properties(struct apply *x, struct err *e)
{
	static const char prefix[] = SPEC_UNIT_PROPERTY;
	static const char *const fine[] = { "After", "Before", "CollectMode", "DefaultDependencies",
					    "Description", "KillSignal", "TimeoutStopUSec", NULL };
	const struct kvs *annotations = &x->out->annotations;

	for (size_t i = 0; i < annotations->n; i++) {
		const char *key = annotations->v[i].key, *name = key + strlen(prefix);

		if (str_has_prefix(key, prefix) && str_find(fine, name) < 0)
			return refuse(e, policy_say(x->a, x->p, FIELD_PROFILE),
				      "leave the annotation out; limits have fields of their own "
				      "(limits.memory, limits.pids, limits.cpu)",
				      "systemd property %s=%s is not one that a confined container may set",
				      safe_text(x->a, name), safe_text(x->a, annotations->v[i].value));
	}
	return 0;
}

/* An engine's filter may let anything pass: relying on it is for the administrator to say. */
static bool may_rely_on_engine(const struct policy *p)
{
	const struct value *v = &p->v[FIELD_SECCOMP], *allowed = &p->host.allow[FIELD_SECCOMP];

	for (size_t i = 0; i < allowed->items.n; i++)
		if (strcmp(allowed->items.v[i].text, "engine") == 0)
			return true;
	return v->from->layer == LAYER_HOST;	/* required, even */
}

static int apply_seccomp(struct apply *x, struct err *e)
{
	x->agent->seccomp = arena_strdup(x->a, policy_text(x->p, FIELD_SECCOMP));
	x->agent->seccomp_text = x->p->seccomp;
	/* A listener acts for the container with rights of its own: it opens files and connections
	 * that no mount rule, egress table or record sees. */
	if (spec_seccomp_notifies(x->in->linux_->seccomp))
		return refuse(e, always(x->a, x->agent),
			      "leave SCMP_ACT_NOTIFY out of the engine's seccomp profile",
			      "a seccomp listener (%s) that answers system calls for the container",
			      safe_text(x->a, x->in->linux_->seccomp->listener_path));
	/* AF_VSOCK and others lead past the egress table: some filter there must be */
	if (!x->p->seccomp && !x->out->linux_->seccomp && !egress_is_open(x->p))
		return refuse(e, policy_say(x->a, x->p, FIELD_SECCOMP),
			      "--annotation " ANNOTATION_PREFIX "seccomp=agent, or let the engine set a "
			      "filter", "no system call filter at all (the engine set none)");
	if (!x->p->seccomp && !egress_is_open(x->p) && !may_rely_on_engine(x->p))
		return refuse(e, policy_say(x->a, x->p, FIELD_SECCOMP),
			      arena_printf(x->a, "--annotation " ANNOTATION_PREFIX "seccomp=agent, or the "
					   "administrator adds \"seccomp\": [\"agent\", \"engine\"] to "
					   "allow in %s", policy_host_path(x->p)),
			      "the engine's system call filter alone could lead past egress=%s",
			      policy_text(x->p, FIELD_EGRESS));
	return 0;
}

/* ---- egress ---- */

/* A port that the engine publishes (-p) was asked for by whoever started the container, as with
 * ingress.allow; the host policy bounds both. */
static int add_published(struct apply *x, struct err *e)
{
	const struct value *ceiling = &x->p->host.allow[FIELD_INGRESS_ALLOW];
	const struct strv *ports = &x->facts->published;

	for (size_t i = 0; !egress_is_open(x->p) && i < ports->n; i++) {
		struct item item = { .text = ports->v[i] };
		uint64_t port = value_number(FIELD_INGRESS_ALLOW, ports->v[i]);
		owned_str most = STR_INIT;
		bool known = false;

		for (size_t k = 0; k < x->agent->published_ports.n; k++)
			known |= x->agent->published_ports.v[k] == port;
		if (known)
			continue;
		if (!value_within(x->a, FIELD_INGRESS_ALLOW, ceiling, &item)) {
			value_put(ceiling, &most);
			return refuse(e, arena_printf(x->a, "ingress.allow at most %s (%s)",
						      str_text(&most), x->p->host.origin.text),
				      arena_printf(x->a, "the administrator raises allow[\"ingress.allow\"] in %s",
						   x->p->host.path),
				      "port %s, published by the engine, is more than this host allows",
				      ports->v[i]);
		}
		x->agent->published_ports.v[x->agent->published_ports.n++] = port;
		note(x->a, x->agent, "ingress: port %s, published by the engine", ports->v[i]);
	}
	return 0;
}

static int apply_egress(struct apply *x, struct err *e)
{
	const struct value *v = &x->p->v[FIELD_EGRESS_ALLOW];
	const struct value *in = &x->p->v[FIELD_INGRESS_ALLOW];
	int r;

	x->agent->egress = arena_strdup(x->a, policy_text(x->p, FIELD_EGRESS));
	x->agent->egress_allow.v = arena_array(x->a, struct spec_egress_rule, v->items.n + 1);
	for (size_t i = 0; i < v->items.n; i++) {
		r = grammar_egress(x->a, v->items.v[i].text, GRAMMAR_NO_REASON,
				   &x->agent->egress_allow.v[i], e);
		if (r < 0)
			return r;
		x->agent->egress_allow.n++;
	}
	x->agent->published_ports.v = arena_array(x->a, uint64_t,
						  in->items.n + x->facts->published.n + 1);
	for (size_t i = 0; i < in->items.n; i++)
		x->agent->published_ports.v[x->agent->published_ports.n++] =
			value_number(FIELD_INGRESS_ALLOW, in->items.v[i].text);
	return add_published(x, e);
}

static int compare_texts(const void *x, const void *y)
{
	return strcmp(*(char *const *)x, *(char *const *)y);
}

/* Of what decides about the network, since equal digests may share a network namespace. */
static int apply_digest(struct apply *x, struct err *e)
{
	struct strv lines = { 0 };
	char hex[HASH_HEX];
	struct hash *h = hash_new();

	(void)e;
	for (size_t i = 0; i < x->agent->egress_allow.n; i++)
		strv_add(x->a, &lines, arena_printf(x->a, "egress.allow=%s\n",
			 grammar_egress_text(x->a, &x->agent->egress_allow.v[i], false)));
	for (size_t i = 0; i < x->agent->published_ports.n; i++)
		strv_add(x->a, &lines, arena_printf(x->a, "ingress.allow=%llu\n",
			 (unsigned long long)x->agent->published_ports.v[i]));
	if (lines.n)
		qsort(lines.v, lines.n, sizeof *lines.v, compare_texts);
	/* "allow" with nothing in it is "none" */
	hash_add(h, "agentrun egress 1\n", 18);
	hash_add(h, egress_is_open(x->p) ? "open\n" : "shut\n", 5);
	for (size_t i = 0; i < lines.n; i++)
		hash_add(h, lines.v[i], strlen(lines.v[i]));
	hash_end(h, hex);
	x->agent->policy_digest = arena_strdup(x->a, hex);
	return 0;
}

/* ---- the rest of the agent block ---- */

static int apply_names(struct apply *x, struct err *e)
{
	const struct value *labels = &x->p->v[FIELD_LABEL];

	(void)e;
	x->agent->profile = arena_strdup(x->a, x->p->profile);
	x->agent->audit_mode = arena_strdup(x->a, policy_text(x->p, FIELD_AUDIT_MODE));
	x->agent->audit_hooks.v = x->p->host.audit_hooks.v;
	x->agent->audit_hooks.n = x->p->host.audit_hooks.n;
	for (size_t i = 0; i < labels->items.n; i++)
		kvs_add(x->a, &x->agent->labels, labels->items.v[i].key, labels->items.v[i].text);
	for (size_t i = 0; i < x->p->changes.n; i++)
		strv_add(x->a, &x->agent->changes, x->p->changes.v[i]);
	return 0;
}

/* What is refused whatever the fields say comes first, so that its text is the one that shows. */
static int (*const steps[])(struct apply *x, struct err *e) = {
	apply_names,
	apply_privileged,
	apply_namespaces,
	apply_devices,
	apply_net_devices,
	apply_groups,
	apply_egress,
	apply_digest,
	apply_caps,
	apply_no_new_privs,
	apply_scheduling,
	apply_sysctls,
	apply_kernel_files,
	apply_unit_properties,
	apply_seccomp,
	apply_environment,
	apply_limits,
	apply_mounts,	/* last: it takes the descriptors */
};

int policy_apply(struct arena *a, const struct spec *in, const struct policy *p,
		 struct facts *facts, struct spec **out, struct err *e)
{
	struct apply x = { .a = a, .in = in, .p = p, .facts = facts };
	int r;

	if (!in->linux_)
		return err_say(e, EINVAL, "a policy needs the configuration's linux section");
	x.out = spec_copy(a, in);
	x.agent = x.out->agent = arena_new(a, struct spec_agent);
	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
		if ((r = steps[i](&x, e)) < 0)
			return r;
	*out = x.out;
	return 0;
}
