/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The effective specification: each part of the bundle's configuration held
 * against the merged policy, in the order of the table at the end.  Pure: no
 * I/O, every input an argument.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "policy/capset.h"
#include "policy/env.h"
#include "policy/internal.h"

struct apply {
	struct arena *a;
	const struct spec *in;
	const struct policy *p;
	struct facts *facts;
	struct spec *out;
	struct spec_agent *agent;
};

static char *always(const struct apply *x)
{
	return arena_printf(x->a, "always refused under a policy (profile %s)", x->p->profile);
}

static char *exception(const struct apply *x, const char *what)
{
	return arena_printf(x->a, "the administrator adds %s in %s", what,
			    policy_host_path(x->p));
}

static bool egress_is_open(const struct policy *p)
{
	return strcmp(policy_text(p, FIELD_EGRESS), "open") == 0;
}

/* An annotation's list would contradict it. */
static char *open_egress(const struct apply *x, const char *more)
{
	const struct value *list = &x->p->v[FIELD_EGRESS_ALLOW];

	return arena_printf(x->a, "--annotation " ANNOTATION_PREFIX "egress=open%s%s",
			    list->items.n && list->from->layer == LAYER_ANNOTATION ?
				    " in place of egress.allow" : "", more);
}

/* ---- namespaces ---- */

static const struct spec_namespace *find_namespace(const struct apply *x, const char *type,
						   const struct fact_namespace **ret_fact)
{
	for (size_t i = 0; i < x->out->linux_->namespaces.n; i++)
		if (strcmp(x->out->linux_->namespaces.v[i].type, type) == 0) {
			*ret_fact = &x->facts->namespaces.v[i];
			return &x->out->linux_->namespaces.v[i];
		}
	return NULL;
}

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
	const struct fact_namespace *fact;
	const struct spec_namespace *n;

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		n = find_namespace(x, rows[i].type, &fact);
		if (n && n->path && fact->error && !(x->facts->by_name && fact->error == EACCES))
			return err_set(e, fact->error, "%s namespace %s", n->type, n->path);
		if (n ? !fact->host : !rows[i].absent_is_host)
			continue;
		if (strv_find(&x->p->host.may_namespaces, rows[i].type) < 0)
			return refuse(e, always(x),
				      exception(x, arena_printf(x->a, "\"%s\" to exceptions.namespaces",
								rows[i].type)),
				      "the host's %s namespace (%s)", rows[i].type, rows[i].option);
		/* no exception can make the container's egress table the host's own firewall */
		if (strcmp(rows[i].type, "network") == 0 && !egress_is_open(x->p))
			return refuse(e, policy_say(x->a, x->p, FIELD_EGRESS),
				      open_egress(x, ", or give the container a network of its own"),
				      "the host's network namespace (%s) under an egress table, which "
				      "would be the host's own", rows[i].option);
	}
	n = find_namespace(x, "mount", &fact);
	if (!n || n->path)
		return refuse(e, always(x), "give the container a mount namespace of its own",
			      "a mount namespace that is not the container's own");
	if (x->out->linux_->rootfs_propagation &&
	    strstr(x->out->linux_->rootfs_propagation, "shared"))
		return refuse(e, always(x), "set linux.rootfsPropagation to private or slave",
			      "root propagation %s: mounts made inside would appear on the host",
			      safe_text(x->a, x->out->linux_->rootfs_propagation));
	return 0;
}

/* ---- privileges ---- */

static int64_t number_or_any(const struct opt_i64 *n)
{
	return n->set ? n->v : -1;
}

static bool is_write_rule(const struct spec_device_rule *d)
{
	return d->allow && (!d->access || strpbrk(d->access, "rw"));
}

/* null, zero, full, tty, random, urandom, console, ptmx, pts; and mknod of anything, which the
 * missing capability refuses anyway. */
static bool is_default_rule(const struct spec_device_rule *d)
{
	static const struct { int64_t major, minor; } known[] = {
		{ 1, 3 }, { 1, 5 }, { 1, 7 }, { 1, 8 }, { 1, 9 }, { 5, 0 }, { 5, 1 }, { 5, 2 },
		{ 136, -1 },
	};

	if (!is_write_rule(d))
		return true;
	if (!d->type || strcmp(d->type, "c") != 0)
		return false;
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (known[i].major == number_or_any(&d->major) &&
		    (known[i].minor < 0 || known[i].minor == number_or_any(&d->minor)))
			return true;
	return false;
}

static bool is_default_device(const char *path)
{
	static const char *const known[] = { "/dev/null", "/dev/zero", "/dev/full", "/dev/random",
					     "/dev/urandom", "/dev/tty", "/dev/console", "/dev/ptmx",
					     NULL };

	for (size_t i = 0; known[i]; i++)
		if (strcmp(known[i], path) == 0)
			return true;
	return false;
}

/* What engines make of --privileged: every device may be used. */
static bool is_privileged(const struct spec *s)
{
	const struct spec_resources *r = s->linux_->resources;

	for (size_t i = 0; r && i < r->devices.n; i++) {
		const struct spec_device_rule *d = &r->devices.v[i];

		if (is_write_rule(d) && (!d->type || strcmp(d->type, "a") == 0) &&
		    number_or_any(&d->major) < 0 && number_or_any(&d->minor) < 0)
			return true;
	}
	return false;
}

static int apply_privileged(struct apply *x, struct err *e)
{
	if (!is_privileged(x->in) || x->p->host.may_be_privileged)
		return 0;
	return refuse(e, always(x), exception(x, "\"privileged\": true to exceptions"),
		      "all devices of the host (--privileged)");
}

/* The name by which exceptions.devices may let it through. */
static bool is_device_excepted(const struct apply *x, const char *type, int64_t major,
			       int64_t minor)
{
	const struct spec_linux *l = x->in->linux_;

	for (size_t i = 0; i < l->devices.n; i++)
		if (l->devices.v[i].major == major && l->devices.v[i].minor == minor && type &&
		    strcmp(type, strcmp(l->devices.v[i].type, "u") == 0 ? "c" :
					l->devices.v[i].type) == 0 &&
		    strv_find(&x->p->host.may_devices, l->devices.v[i].path) >= 0)
			return true;
	return false;
}

static int apply_devices(struct apply *x, struct err *e)
{
	const struct spec_linux *l = x->in->linux_;
	const struct spec_resources *r = l->resources;

	if (x->p->host.may_be_privileged && is_privileged(x->in))
		return 0;
	for (size_t i = 0; i < l->devices.n; i++) {
		const struct spec_device *d = &l->devices.v[i];

		if (is_default_device(d->path) || strv_find(&x->p->host.may_devices, d->path) >= 0)
			continue;
		return refuse(e, always(x),
			      exception(x, arena_printf(x->a, "\"%s\" to exceptions.devices",
							safe_text(x->a, d->path))),
			      "device %s", safe_text(x->a, d->path));
	}
	for (size_t i = 0; r && i < r->devices.n; i++) {
		const struct spec_device_rule *d = &r->devices.v[i];

		if (is_default_rule(d) ||
		    is_device_excepted(x, d->type, number_or_any(&d->major), number_or_any(&d->minor)))
			continue;
		return refuse(e, always(x),
			      exception(x, "the device to exceptions.devices"),
			      "access to devices %s %lld:%lld", d->type ? safe_text(x->a, d->type) : "a",
			      (long long)number_or_any(&d->major), (long long)number_or_any(&d->minor));
	}
	return 0;
}

static int apply_groups(struct apply *x, struct err *e)
{
	if (!spec_keeps_groups(x->in))
		return 0;
	return refuse(e, always(x), "leave out --group-add keep-groups",
		      "the groups of the caller (" SPEC_KEEP_GROUPS ")");
}

/* One of the host's could carry what the egress table does not see, and lead to another network. */
static int apply_net_devices(struct apply *x, struct err *e)
{
	const struct spec_linux *l = x->in->linux_;

	if (!l->net_devices.n)
		return 0;
	return refuse(e, always(x), "leave linux.netDevices out",
		      "network device %s of the host would become the container's",
		      safe_text(x->a, l->net_devices.v[0].host_name));
}

/* ---- capabilities ---- */

/* One set cut down to the cap; names that went are added to `gone`, one that was asked for beyond
 * both the cap and the engines' default becomes *ret_asked. */
static void cap_set(struct arena *a, const struct strv *most, struct strv *set, struct strv *gone,
		    const char **ret_asked)
{
	struct strv kept = { 0 };

	for (size_t i = 0; i < set->n; i++) {
		if (strv_find(most, set->v[i]) >= 0) {
			strv_add(a, &kept, set->v[i]);
			continue;
		}
		if (!*ret_asked && !capset_is_engine_default(set->v[i]))
			*ret_asked = set->v[i];
		if (strv_find(gone, set->v[i]) < 0)
			strv_add(a, gone, set->v[i]);
	}
	*set = kept;
}

static const char *cap_process(struct arena *a, const struct strv *most, struct spec_process *p,
			       struct strv *gone)
{
	const char *asked = NULL;
	struct spec_capabilities *c;

	if (!p->capabilities)
		return NULL;
	c = arena_memdup(a, p->capabilities, sizeof *c);
	cap_set(a, most, &c->bounding, gone, &asked);
	cap_set(a, most, &c->effective, gone, &asked);
	cap_set(a, most, &c->inheritable, gone, &asked);
	cap_set(a, most, &c->permitted, gone, &asked);
	cap_set(a, most, &c->ambient, gone, &asked);
	p->capabilities = c;
	return asked;
}

static char *join(struct arena *a, const struct strv *list)
{
	owned_str text = STR_INIT;

	for (size_t i = 0; i < list->n; i++) {
		if (i)
			str_puts(&text, ", ");
		str_put_safe(&text, list->v[i], 100);
	}
	return arena_strdup(a, str_text(&text));
}

/* The annotation that keeps what may be kept, and that one as well; without blanks, for a shell. */
static char *caps_with(struct arena *a, const struct strv *caps, const char *name)
{
	owned_str text = STR_INIT;

	str_puts(&text, "--annotation " ANNOTATION_PREFIX "caps=");
	for (size_t i = 0; i < caps->n; i++)
		str_printf(&text, "%s,", caps->v[i]);
	str_puts(&text, name);
	return arena_strdup(a, text.s);
}

static int apply_caps(struct apply *x, struct err *e)
{
	const struct value *v = &x->p->v[FIELD_CAPS];
	struct strv gone = { 0 };
	const char *asked;

	for (size_t i = 0; i < v->items.n; i++) {
		const struct item *item = &v->items.v[i];

		if (!egress_is_open(x->p) && capset_is_network_escape(item->text))
			return err_say(e, EINVAL, "caps=%s (%s) contradicts egress=%s: it would lead past "
				       "the egress table", item->text, item->from->text,
				       policy_text(x->p, FIELD_EGRESS));
		strv_add(x->a, &x->agent->caps, item->text);
	}
	if (!x->out->process)
		return 0;
	asked = cap_process(x->a, &x->agent->caps, x->out->process, &gone);
	if (asked && !x->p->host.may_be_privileged)
		return refuse(e, policy_say(x->a, x->p, FIELD_CAPS),
			      arena_printf(x->a, "%s%s",
					   capset_is_network_escape(asked) && !egress_is_open(x->p) ?
						   open_egress(x, " ") : "",
					   caps_with(x->a, &x->agent->caps, asked)),
			      "capability %s (--cap-add or --privileged)", asked);
	if (gone.n)
		note(x->a, x->agent, "capabilities dropped: %s", join(x->a, &gone));
	return 0;
}

static int apply_no_new_privs(struct apply *x, struct err *e)
{
	(void)e;
	if (x->out->process && !x->out->process->no_new_privileges) {
		x->out->process->no_new_privileges = true;
		note(x->a, x->agent, "no_new_privs set: set-id programs give no privileges");
	}
	return 0;
}

/* ---- scheduling ---- */

/* What puts a process before the host's own, or lets it put itself there; NULL: nothing does.  Lower
 * than usual is everybody's right. */
static const char *rising(struct arena *a, const struct spec_process *p)
{
	/* setrlimit(2): a nice value down to 20 minus the limit, a real-time priority up to it */
	static const struct { const char *type; uint64_t harmless; } rlimits[] = {
		{ "RLIMIT_NICE", 20 }, { "RLIMIT_RTPRIO", 0 },
	};
	static const char *const realtime[] = { "SCHED_FIFO", "SCHED_RR", "SCHED_DEADLINE" };
	const struct spec_scheduler *s = p->scheduler;

	for (size_t i = 0; s && i < sizeof realtime / sizeof *realtime; i++)
		if (strcmp(s->policy, realtime[i]) == 0)
			return arena_printf(a, "process.scheduler.policy %s", s->policy);
	if (s && s->nice.v < 0)
		return arena_printf(a, "process.scheduler.nice %lld", (long long)s->nice.v);
	if (p->io_priority && strcmp(p->io_priority->class, "IOPRIO_CLASS_RT") == 0)
		return "process.ioPriority.class IOPRIO_CLASS_RT";
	for (size_t i = 0; i < p->rlimits.n; i++)
		for (size_t k = 0; k < sizeof rlimits / sizeof *rlimits; k++)
			if (strcmp(p->rlimits.v[i].type, rlimits[k].type) == 0 &&
			    p->rlimits.v[i].hard > rlimits[k].harmless)
				return arena_printf(a, "%s %llu", rlimits[k].type,
						    (unsigned long long)p->rlimits.v[i].hard);
	return NULL;
}

/* The kernel's own name for the right is the policy's, too. */
static int check_scheduling(struct arena *a, const struct spec_agent *agent,
			    const struct spec_process *p, const char *remedy, struct err *e)
{
	const char *asked = rising(a, p);

	if (!asked || strv_find(&agent->caps, "CAP_SYS_NICE") >= 0)
		return 0;
	return refuse(e, arena_printf(a, "caps=%s (profile %s)", join(a, &agent->caps),
				      agent->profile ? agent->profile : "?"), remedy,
		      "%s could keep the host's own programs waiting", asked);
}

static int apply_scheduling(struct apply *x, struct err *e)
{
	if (!x->out->process)
		return 0;
	return check_scheduling(x->a, x->agent, x->out->process,
				caps_with(x->a, &x->agent->caps, "CAP_SYS_NICE"), e);
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
		note(x->a, x->agent, "%s: %s", what, join(x->a, &added));
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
		bool fine = egress_is_open(x->p) && str_has_prefix(key, "net.");

		for (size_t k = 0; exact[k]; k++)
			fine |= strcmp(key, exact[k]) == 0;
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
		bool listed = false;

		if (!str_has_prefix(key, prefix))
			continue;
		for (size_t k = 0; fine[k]; k++)
			listed |= strcmp(name, fine[k]) == 0;
		if (!listed)
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
		return refuse(e, always(x), "leave SCMP_ACT_NOTIFY out of the engine's seccomp profile",
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

/* ---- the process ---- */

/* startContainer hooks are processes of the container: their environments show in its /proc. */
static void scrub_hooks(struct apply *x)
{
	spec_hooks_list *list = x->out->hooks ? &x->out->hooks->start_container : NULL;

	if (!list || !list->n)
		return;
	for (size_t i = 0; i < list->n; i++)
		env_scrub(x->a, x->agent, &list->v[i].env, &x->agent->env_dropped,
			  &x->agent->changes);
}

static int apply_environment(struct apply *x, struct err *e)
{
	(void)e;
	x->agent->env = arena_strdup(x->a, policy_text(x->p, FIELD_ENV));
	x->agent->env_allow = policy_list(x->a, x->p, FIELD_ENV_ALLOW);
	x->agent->env_deny = policy_list(x->a, x->p, FIELD_ENV_DENY);
	if (x->out->process)
		env_scrub(x->a, x->agent, &x->out->process->env, &x->agent->env_dropped,
			  &x->agent->changes);
	scrub_hooks(x);
	return 0;
}

static bool is_unlimited(const struct opt_i64 *n)
{
	return !n->set || n->v <= 0;	/* engines write 0 and -1 where nobody asked */
}

static const struct limit {
	enum field_id id;
	const char *unit, *option;	/* the option: Docker's and Podman's */
	const char *file;		/* which linux.resources.unified could set behind it */
} limits[] = {
	{ FIELD_LIMITS_PIDS, "processes and threads", "--pids-limit", "pids.max" },
	{ FIELD_LIMITS_MEMORY, "of memory", "--memory", "memory.max" },
	{ FIELD_LIMITS_CPU, "processors", "--cpus", "cpu.max" },
};

static const char *unit_of(enum field_id id)
{
	return id == FIELD_LIMITS_CPU ? " thousandths of" : id == FIELD_LIMITS_MEMORY ? " bytes" : "";
}

/* What the engine set, in the field's own unit; 0: nothing. */
static uint64_t limit_of(const struct spec_resources *r, enum field_id id)
{
	uint64_t period, quota;

	if (id == FIELD_LIMITS_PIDS)
		return r->pids && !is_unlimited(&r->pids->limit) ? (uint64_t)r->pids->limit.v : 0;
	if (id == FIELD_LIMITS_MEMORY)
		return r->memory && !is_unlimited(&r->memory->limit) ? (uint64_t)r->memory->limit.v : 0;
	if (!r->cpu || is_unlimited(&r->cpu->quota))
		return 0;
	period = r->cpu->period.set && r->cpu->period.v ? r->cpu->period.v : 100000;
	quota = (uint64_t)r->cpu->quota.v;
	if (quota > UINT64_MAX / 1000)
		return UINT64_MAX;
	return quota * 1000 / period + (quota * 1000 % period != 0);
}

/* memory.swap counts both together: as much swap as before remains. */
static void put_memory(struct spec_memory *m, int64_t limit)
{
	if (!is_unlimited(&m->limit) && m->swap.set && m->swap.v > limit)
		m->swap.v -= m->limit.v - limit;
	if (m->reservation.set && m->reservation.v > limit)
		m->reservation.v = limit;
	m->limit = (struct opt_i64){ true, limit };
}

static void put_limit(struct apply *x, enum field_id id, uint64_t n)
{
	struct spec_resources *r = x->out->linux_->resources;

	if (id == FIELD_LIMITS_PIDS) {
		if (!r->pids)
			r->pids = arena_new(x->a, struct spec_pids);
		r->pids->limit = (struct opt_i64){ true, (int64_t)n };
	} else if (id == FIELD_LIMITS_MEMORY) {
		if (!r->memory)
			r->memory = arena_new(x->a, struct spec_memory);
		put_memory(r->memory, (int64_t)n);
	} else {
		if (!r->cpu)
			r->cpu = arena_new(x->a, struct spec_cpu);
		r->cpu->period = (struct opt_u64){ true, 100000 };
		r->cpu->quota = (struct opt_i64){ true, (int64_t)n * 100 };
		if (r->cpu->burst.set && r->cpu->burst.v > n * 100)
			r->cpu->burst.v = n * 100;
	}
}

/* The specification that is stored holds it: a policy is never evaluated again. */
static void keep_bound(struct apply *x, enum field_id id, const struct value *most)
{
	struct spec_agent *agent = x->agent;
	const char *text = most->items.v[0].text;

	if (!agent->bounds.v)
		agent->bounds.v = arena_array(x->a, struct spec_bound,
					      sizeof limits / sizeof *limits);
	agent->bounds.v[agent->bounds.n++] = (struct spec_bound){
		.field = arena_strdup(x->a, fields[id].name), .most = value_number(id, text),
		.text = arena_strdup(x->a, text),
		.from = arena_strdup(x->a, x->p->host.origin.text),
	};
}

/* A profile's and an annotation's limit is for where the engine set none; the host policy's holds
 * against the engine's as well: what is required is made of it, what is beyond a ceiling is refused. */
static int apply_limit(struct apply *x, const struct limit *l, struct err *e)
{
	const struct value *most = &x->p->host.allow[l->id], *need = &x->p->host.require[l->id];
	const char *name = fields[l->id].name, *text = policy_text(x->p, l->id);
	struct spec_resources *r;
	uint64_t have;

	if (!text)
		return 0;
	if (!x->out->linux_->resources)
		x->out->linux_->resources = arena_new(x->a, struct spec_resources);
	r = x->out->linux_->resources;
	have = limit_of(r, l->id);
	if (most->set || need->set)
		keep_bound(x, l->id, need->set ? need : most);
	if ((most->set || need->set) && kvs_get(&r->unified, l->file))
		return refuse(e, policy_say(x->a, x->p, l->id),
			      arena_printf(x->a, "leave it out; %s sets that limit", l->option),
			      "linux.resources.unified: %s would take back %s", l->file, name);
	if (!have) {
		put_limit(x, l->id, value_number(l->id, text));
		note(x->a, x->agent, "limit set: %s %s", text, l->unit);
	} else if (need->set && have > value_number(l->id, need->items.v[0].text)) {
		put_limit(x, l->id, value_number(l->id, text));
		note(x->a, x->agent, "limit lowered: %s %s, where the engine set more", text, l->unit);
	} else if (most->set && have > value_number(l->id, most->items.v[0].text)) {
		return refuse(e, arena_printf(x->a, "%s at most %s (%s)", name, most->items.v[0].text,
					      x->p->host.origin.text),
			      arena_printf(x->a, "%s %s, or the administrator raises allow[\"%s\"] in %s",
					   l->option, most->items.v[0].text, name, x->p->host.path),
			      "the engine's limit, %llu%s %s, is more than this host allows",
			      (unsigned long long)have, unit_of(l->id), l->unit);
	}
	return 0;
}

static int apply_limits(struct apply *x, struct err *e)
{
	const char *seconds = policy_text(x->p, FIELD_LIMITS_TIME);
	int r;

	if (seconds) {
		x->agent->time_limit.set = true;
		x->agent->time_limit.v = value_number(FIELD_LIMITS_TIME, seconds);
	}
	for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
		if ((r = apply_limit(x, &limits[i], e)) < 0)
			return r;
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

static int apply_all_mounts(struct apply *x, struct err *e)
{
	return apply_mounts(x->a, x->in, x->p, x->facts, x->out, e);
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
	apply_all_mounts,	/* last: it takes the descriptors */
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

int policy_apply_process(struct arena *a, const struct spec_agent *agent,
			 struct spec_process *process, struct strv *dropped, struct err *e)
{
	struct strv gone = { 0 };
	const char *asked;

	env_scrub(a, agent, &process->env, dropped, NULL);
	asked = cap_process(a, &agent->caps, process, &gone);
	if (asked)
		return refuse(e, arena_printf(a, "caps=%s (profile %s)", join(a, &agent->caps),
					      agent->profile ? agent->profile : "?"),
			      capset_is_network_escape(asked) && !str_equal(agent->egress, "open") ?
				      "create the container with egress=open and caps that name it" :
				      "create the container with caps that name it",
			      "capability %s (exec --cap or --privileged)", asked);
	process->no_new_privileges = true;
	return check_scheduling(a, agent, process,
				"create the container with caps that name CAP_SYS_NICE", e);
}

static const char *always_of(struct arena *a, const struct spec_agent *agent)
{
	return arena_printf(a, "always refused under a policy (profile %s)",
			    agent->profile ? agent->profile : "?");
}

static const struct spec_bound *bound_of(const struct spec_agent *agent, enum field_id id)
{
	for (size_t i = 0; i < agent->bounds.n; i++)
		if (strcmp(agent->bounds.v[i].field, fields[id].name) == 0)
			return &agent->bounds.v[i];
	return NULL;
}

/* Whether the change says nothing of the limit, so that it stays. */
static bool leaves(const struct spec_resources *r, enum field_id id)
{
	if (id == FIELD_LIMITS_PIDS)
		return !r->pids || !r->pids->limit.set || !r->pids->limit.v;
	if (id == FIELD_LIMITS_MEMORY)
		return !r->memory || !r->memory->limit.set || !r->memory->limit.v;
	return !r->cpu || ((!r->cpu->quota.set || !r->cpu->quota.v) &&
			   (!r->cpu->period.set || !r->cpu->period.v));
}

static bool same_number(struct opt_i64 a, struct opt_i64 b)
{
	return (a.set ? a.v : -1) == (b.set ? b.v : -1);
}

static bool same_devices(const struct spec_resources *a, const struct spec_resources *b)
{
	if (!b || a->devices.n != b->devices.n)
		return false;
	for (size_t i = 0; i < a->devices.n; i++) {
		const struct spec_device_rule *x = &a->devices.v[i], *y = &b->devices.v[i];

		if (x->allow != y->allow || !same_number(x->major, y->major) ||
		    !same_number(x->minor, y->minor) ||
		    strcmp(x->type ? x->type : "a", y->type ? y->type : "a") != 0 ||
		    strcmp(x->access ? x->access : "", y->access ? y->access : "") != 0)
			return false;
	}
	return true;
}

int policy_apply_resources(struct arena *a, const struct spec *s, struct spec_resources *r,
			   struct err *e)
{
	const struct spec_agent *agent = s->agent;

	for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
		const struct limit *l = &limits[i];
		const struct spec_bound *b = bound_of(agent, l->id);
		uint64_t asked = limit_of(r, l->id);
		char *policy, *remedy;

		if (!b || (leaves(r, l->id) && !kvs_get(&r->unified, l->file)))
			continue;
		/* The kernel has a period of before, which nobody knows here. */
		if (l->id == FIELD_LIMITS_CPU && !(r->cpu && r->cpu->period.set && r->cpu->period.v))
			asked = 0;
		policy = arena_printf(a, "%s at most %s (%s)", b->field, b->text, b->from);
		remedy = arena_printf(a, "%s %s%s", l->option, b->text,
				      l->id == FIELD_LIMITS_CPU ? " (a quota with its period)" : "");
		if (kvs_get(&r->unified, l->file))
			return refuse(e, policy, remedy, "linux.resources.unified: %s would take back %s",
				      l->file, b->field);
		if (!asked)
			return refuse(e, policy, remedy, "an update that takes back %s", b->field);
		if (asked > b->most)
			return refuse(e, policy, remedy,
				      "an update to %llu%s %s, more than this host allows",
				      (unsigned long long)asked, unit_of(l->id), l->unit);
	}
	/* Podman sends those of create along. */
	if (r->devices.n && !same_devices(r, s->linux_->resources))
		return refuse(e, always_of(a, agent), "create the container with these rules",
			      "an update of linux.resources.devices");
	r->devices.n = 0;
	return 0;
}

int policy_refuse_descriptors(struct arena *a, const struct spec_agent *agent, unsigned sockets,
			      unsigned others, struct err *e)
{
	if (!agent)
		return 0;
	if (sockets && !str_equal(agent->egress, "open"))
		return refuse(e, arena_printf(a, "egress=%s (profile %s)",
					      agent->egress ? agent->egress : "none",
					      agent->profile ? agent->profile : "?"),
			      "have no socket unit start it, or let egress be open",
			      "%u sockets of the host's (LISTEN_FDS)", sockets);
	if (others)
		return refuse(e, always_of(a, agent),
			      "leave --preserve-fds out; mounts.allow and egress.allow name what it may "
			      "reach", "%u descriptors of the caller's (--preserve-fds)", others);
	return 0;
}
