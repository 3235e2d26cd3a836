/* SPDX-License-Identifier: Apache-2.0 */
#include "spec/spec.h"

#include <string.h>
#include <unistd.h>

/* Lists of texts end with NULL. */
static struct strv texts(struct arena *a, const char *const *list)
{
	struct strv v = { 0 };

	for (; *list; list++)
		strv_add(a, &v, *list);
	return v;
}
#define TEXTS(a, ...) texts((a), (const char *const[]){ __VA_ARGS__, NULL })

static struct spec_process *default_process(struct arena *a)
{
	struct spec_process *p = arena_new(a, struct spec_process);
	struct spec_capabilities *caps = arena_new(a, struct spec_capabilities);

	p->terminal = true;
	p->args = TEXTS(a, "sh");
	p->env = TEXTS(a, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		       "TERM=xterm");
	p->cwd = arena_strdup(a, "/");
	/* not ambient: a process that leaves uid 0 should lose them */
	caps->bounding = TEXTS(a, "CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE");
	caps->effective = strv_copy(a, &caps->bounding);
	caps->permitted = strv_copy(a, &caps->bounding);
	p->capabilities = caps;
	p->rlimits.v = arena_new(a, struct spec_rlimit);
	p->rlimits.v[0] = (struct spec_rlimit){ arena_strdup(a, "RLIMIT_NOFILE"), 1024, 1024 };
	p->rlimits.n = 1;
	p->no_new_privileges = true;
	return p;
}

struct default_mount {
	const char *destination, *type, *source;
	const char *options[8];
};

static void default_mounts(struct arena *a, struct spec *s, bool rootless)
{
	static const struct default_mount mounts[] = {
		{ "/proc", "proc", "proc", { 0 } },
		{ "/dev", "tmpfs", "tmpfs",
		  { "nosuid", "strictatime", "mode=755", "size=65536k" } },
		{ "/dev/pts", "devpts", "devpts",
		  { "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5" } },
		{ "/dev/shm", "tmpfs", "shm",
		  { "nosuid", "noexec", "nodev", "mode=1777", "size=65536k" } },
		{ "/dev/mqueue", "mqueue", "mqueue", { "nosuid", "noexec", "nodev" } },
		{ "/sys", "sysfs", "sysfs", { "nosuid", "noexec", "nodev", "ro" } },
		{ "/sys/fs/cgroup", "cgroup", "cgroup",
		  { "nosuid", "noexec", "nodev", "relatime", "ro" } },
	};
	/* sysfs belongs to the network namespace, which stays the caller's */
	static const struct default_mount rootless_sys = {
		"/sys", "none", "/sys", { "rbind", "nosuid", "noexec", "nodev", "ro" },
	};
	size_t n = sizeof mounts / sizeof *mounts;

	s->mounts.v = (void *)arena_array(a, struct spec_mount, n);
	s->mounts.n = n;
	for (size_t i = 0; i < n; i++) {
		const struct default_mount *m = &mounts[i];
		struct spec_mount *to = &s->mounts.v[i];

		if (rootless && strcmp(m->destination, "/sys") == 0)
			m = &rootless_sys;
		to->destination = arena_strdup(a, m->destination);
		to->type = arena_strdup(a, m->type);
		to->source = arena_strdup(a, m->source);
		to->source_fd = -1;
		for (size_t k = 0; k < sizeof m->options / sizeof *m->options && m->options[k]; k++)
			/* the group tty is not mapped */
			if (!rootless || !str_has_prefix(m->options[k], "gid="))
				strv_add(a, &to->options, m->options[k]);
	}
}

static void map_one(struct arena *a, spec_id_mappings *map, int64_t host_id)
{
	map->v = arena_new(a, struct spec_id_mapping);
	map->v[0] = (struct spec_id_mapping){ 0, host_id, 1 };
	map->n = 1;
}

static struct spec_linux *default_linux(struct arena *a, bool rootless)
{
	static const char *const rooted_types[] = {
		"pid", "network", "ipc", "uts", "mount", NULL,
	};
	static const char *const rootless_types[] = {
		"pid", "ipc", "uts", "mount", "user", NULL,
	};
	struct strv types = texts(a, rootless ? rootless_types : rooted_types);
	struct spec_linux *l = arena_new(a, struct spec_linux);

	l->namespaces.v = (void *)arena_array(a, struct spec_namespace, types.n);
	l->namespaces.n = types.n;
	for (size_t i = 0; i < types.n; i++)
		l->namespaces.v[i].type = types.v[i];
	l->masked_paths = TEXTS(a, "/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys",
				"/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats",
				"/proc/sched_debug", "/sys/firmware",
				"/sys/devices/virtual/powercap", "/proc/scsi");
	l->readonly_paths = TEXTS(a, "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
				  "/proc/sysrq-trigger");
	if (rootless) {
		map_one(a, &l->uid_mappings, geteuid());
		map_one(a, &l->gid_mappings, getegid());
	} else {
		l->resources = arena_new(a, struct spec_resources);
		l->resources->devices.v = arena_new(a, struct spec_device_rule);
		l->resources->devices.v[0].access = arena_strdup(a, "rwm");
		l->resources->devices.n = 1;
	}
	return l;
}

struct spec *spec_default(struct arena *a, bool rootless)
{
	struct spec *s = arena_new(a, struct spec);

	s->oci_version = arena_strdup(a, SPEC_OCI_VERSION);
	s->process = default_process(a);
	s->root = arena_new(a, struct spec_root);
	s->root->path = arena_strdup(a, "rootfs");
	s->root->readonly = true;
	s->hostname = arena_strdup(a, "agentrun");
	default_mounts(a, s, rootless);
	s->linux_ = default_linux(a, rootless);
	return s;
}
