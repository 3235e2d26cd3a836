/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy_ask: bundles that engines wrote, changed as a test asks, held against
 * policies on a host that is made up, since applying a policy does no I/O.
 */
#pragma once

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"
#include "policy/internal.h"

#define COUNT(rows) (sizeof(rows) / sizeof *(rows))

static inline char *source_path(struct arena *a, const char *path)
{
	const char *dir = getenv("srcdir");

	return arena_printf(a, "%s/%s", dir ? dir : ".", path);
}

static inline char *read_source(struct arena *a, const char *path)
{
	owned_str text = STR_INIT;
	struct err e = { 0 };

	cr_assert_eq(file_read(AT_FDCWD, source_path(a, path), 1 << 20, &text, &e), 0, "%s", e.text);
	return arena_strdup(a, str_text(&text));
}

/* In texts ' stands for ". */
static inline char *quoted(struct arena *a, const char *text)
{
	char *copy = arena_strdup(a, text);

	for (char *p = copy; *p; p++)
		if (*p == '\'')
			*p = '"';
	return copy;
}

/* A file that only its owner can write, removed by the caller. */
static inline char *temporary(struct arena *a, const char *text)
{
	char *path = arena_strdup(a, "/tmp/test-policy-XXXXXX");
	owned_fd fd = mkstemp(path);
	struct err e = { 0 };

	cr_assert(fd >= 0);
	cr_assert_eq(fd_write_all(fd, text, strlen(text), path, &e), 0);
	return path;
}

/* ---- a made-up host ---- */

static const struct host_file {
	const char *path, *resolved, *socket, *same_as;
	mode_t type;
	uid_t uid;
	bool mount_root;
} host_files[] = {
	{ "/usr/bin/docker-init", .type = S_IFREG | 0755 },
	{ "/home/you/bin/init", .type = S_IFREG | 0755, .uid = 1000 },
	{ "/opt/bin/init", .type = S_IFREG | 0775 },
	{ "/var/lib/docker/containers/theirs/hosts", .type = S_IFREG | 0644, .uid = 1000 },
	{ "/run/docker.sock", .socket = "/run/docker.sock", .type = S_IFSOCK | 0660 },
	{ "/home/you/run", .socket = "/home/you/run/agent.sock", .type = S_IFDIR | 0700 },
	{ "/home/you/link", .resolved = "/srv/secret", .type = S_IFDIR | 0755 },
	{ "/home/you/netrc", .type = S_IFREG | 0600, .uid = 1000 },
	{ "/mnt/root", .same_as = "/", .type = S_IFDIR | 0755 },
	{ "/dev/null", .type = S_IFCHR | 0666 },
	{ "/var/lib/docker/volumes/bound/_data", .type = S_IFDIR | 0755, .mount_root = true },
};

static inline struct fact_mount look(struct arena *a, const char *source)
{
	struct fact_mount f = { .is_bind = true, .fd = -1, .resolved = arena_strdup(a, source) };
	const char *base = strrchr(source, '/') + 1;
	const bool file = strcmp(base, "hosts") == 0 || strcmp(base, "hostname") == 0 ||
			  strcmp(base, "resolv.conf") == 0 || strcmp(base, ".containerenv") == 0 ||
			  strcmp(base, "mysec") == 0;

	f.st.st_mode = file ? S_IFREG | 0644 : S_IFDIR | 0755;
	f.st.st_uid = str_has_prefix(source, "/home/you") ? 1000 : 0;
	f.st.st_gid = f.st.st_uid;
	for (size_t i = 0; i < COUNT(host_files); i++) {
		const struct host_file *h = &host_files[i];

		if (strcmp(h->path, source) != 0)
			continue;
		f.st.st_mode = h->type;
		f.st.st_uid = h->uid;
		f.st.st_rdev = S_ISCHR(h->type) ? makedev(1, 3) : 0;
		f.socket = (char *)(uintptr_t)h->socket;
		f.same_as = h->same_as;
		f.mount_root = h->mount_root;
		if (h->resolved)
			f.resolved = arena_strdup(a, h->resolved);
	}
	if (strcmp(source, "/") == 0 || strcmp(source, "/etc") == 0 || strcmp(source, "/home") == 0)
		f.same_as = arena_strdup(a, source);
	return f;
}

/* The first mapped id is the container's root, to which engines give their files. */
static inline struct facts look_around(struct arena *a, const struct spec *s, bool rootless)
{
	struct facts f = { .rootless = rootless, .euid = 0, .bundle = "/b", .rootfs = "/b/rootfs" };
	const struct spec_linux *l = s->linux_;

	f.mounts.n = s->mounts.n;
	f.mounts.v = arena_array(a, struct fact_mount, s->mounts.n + 1);
	for (size_t i = 0; i < s->mounts.n; i++) {
		const struct spec_mount *m = &s->mounts.v[i];

		f.mounts.v[i].fd = -1;
		if (strv_find(&m->options, "bind") < 0 && strv_find(&m->options, "rbind") < 0)
			continue;
		f.mounts.v[i] = look(a, m->source);
		if (rootless)
			f.mounts.v[i].st.st_uid = l->uid_mappings.n ?
				(uid_t)l->uid_mappings.v[0].host_id : 0;
	}
	f.namespaces.n = l->namespaces.n;
	f.namespaces.v = arena_array(a, struct fact_namespace, l->namespaces.n + 1);
	for (size_t i = 0; i < l->namespaces.n; i++)
		f.namespaces.v[i].host = str_equal(l->namespaces.v[i].path,
						   "/run/docker/netns/default");
	strv_add(a, &f.homes, "/root");
	strv_add(a, &f.homes, "/home/you");
	strv_add(a, &f.engine_roots, "/var/lib/docker");
	strv_add(a, &f.engine_roots, "/run/docker");
	strv_add(a, &f.engine_roots, "/var/lib/containers/storage");
	strv_add(a, &f.engine_roots, "/run/containers/storage");
	if (rootless) {
		strv_add(a, &f.engine_roots, "/home/you/.local/share/containers/storage");
		strv_add(a, &f.engine_roots, "/run/user/1000/containers");
	}
	return f;
}

/* ---- a policy and a bundle ---- */

struct ask {
	const char *bundle;		/* in tests/data/bundles */
	const char *annotations;	/* "key=value;key=value", without the prefix */
	const char *profile;		/* --profile */
	const char *host;		/* the host policy's text */
	const char *mounts;		/* more binds: "SOURCE>DEST:opt:opt;..." */
	const char *env, *caps, *cwd, *sysctl, *property, *propagation, *namespace, *listener;
	struct spec_scheduler *scheduler;
	struct spec_io_priority *io_priority;
	struct spec_rlimit *rlimit;
	int64_t pids, memory, swap, quota;	/* the engine's limits, 0: it writes none */
	const char *unified;
	bool rootless, device, device_rule, net_device, keep_groups;
};

static inline void add_mount(struct arena *a, struct spec *s, char *text)
{
	struct spec_mount *v = arena_array(a, struct spec_mount, s->mounts.n + 1);
	struct spec_mount *m = &v[s->mounts.n];
	char *arrow = strchr(text, '>'), *rest, *option;

	memcpy(v, s->mounts.v, s->mounts.n * sizeof *v);
	*arrow = 0;
	rest = arrow + 1;
	*m = (struct spec_mount){ .source = text, .source_fd = -1 };
	m->destination = strsep(&rest, ":");
	m->type = arena_strdup(a, *text == '/' ? "bind" : text);
	if (*text == '/')
		strv_add(a, &m->options, "rbind");
	while ((option = strsep(&rest, ":")))
		strv_add(a, &m->options, option);
	s->mounts.v = v;
	s->mounts.n++;
}

static inline void add_annotations(struct arena *a, struct spec *s, const char *text)
{
	char *rest = arena_strdup(a, text), *one;

	while ((one = strsep(&rest, ";"))) {
		char *value = strchr(one, '=');

		*value++ = 0;
		kvs_add(a, &s->annotations, arena_printf(a, ANNOTATION_PREFIX "%s", one), value);
	}
}

static inline void add_caps(struct arena *a, struct spec *s, const char *text)
{
	char *rest = arena_strdup(a, text), *one;

	while ((one = strsep(&rest, ","))) {
		strv_add(a, &s->process->capabilities->bounding, one);
		strv_add(a, &s->process->capabilities->effective, one);
		strv_add(a, &s->process->capabilities->permitted, one);
	}
}

static inline struct spec *make_spec(struct arena *a, const struct ask *ask)
{
	char *text = read_source(a, arena_printf(a, "tests/data/bundles/%s.json",
						 ask->bundle ? ask->bundle : "docker-28"));
	const struct json *tree;
	struct err e = { 0 };
	struct spec *s;
	char *rest, *one;

	cr_assert_eq(json_parse(a, text, strlen(text), ask->bundle, &tree, &e), 0, "%s", e.text);
	cr_assert_eq(spec_parse(a, tree, "config.json", SPEC_BUNDLE, &s, &e), 0, "%s", e.text);
	if (ask->annotations) {
		s->annotations = (struct kvs){ 0 };
		add_annotations(a, s, ask->annotations);
	}
	rest = ask->mounts ? arena_strdup(a, ask->mounts) : NULL;
	while ((one = strsep(&rest, ";")))
		add_mount(a, s, one);
	rest = ask->env ? arena_strdup(a, ask->env) : NULL;
	while ((one = strsep(&rest, ";")))
		strv_add(a, &s->process->env, one);
	if (ask->caps)
		add_caps(a, s, ask->caps);
	s->process->scheduler = ask->scheduler;
	s->process->io_priority = ask->io_priority;
	if (ask->rlimit) {
		s->process->rlimits.v = ask->rlimit;
		s->process->rlimits.n = 1;
	}
	if (ask->pids) {
		s->linux_->resources->pids = arena_new(a, struct spec_pids);
		s->linux_->resources->pids->limit = (struct opt_i64){ true, ask->pids };
	}
	if (ask->memory) {
		s->linux_->resources->memory = arena_new(a, struct spec_memory);
		s->linux_->resources->memory->limit = (struct opt_i64){ true, ask->memory };
		s->linux_->resources->memory->swap = (struct opt_i64){ ask->swap != 0, ask->swap };
		s->linux_->resources->memory->reservation = (struct opt_i64){ true, ask->memory };
	}
	if (ask->quota) {
		s->linux_->resources->cpu = arena_new(a, struct spec_cpu);
		s->linux_->resources->cpu->quota = (struct opt_i64){ true, ask->quota };
		s->linux_->resources->cpu->period = (struct opt_u64){ true, 50000 };
	}
	if (ask->unified)
		kvs_add(a, &s->linux_->resources->unified, ask->unified, "max");
	if (ask->cwd)
		s->process->cwd = arena_strdup(a, ask->cwd);
	if (ask->sysctl)
		kvs_add(a, &s->linux_->sysctl, ask->sysctl, "1");
	if (ask->property)
		kvs_add(a, &s->annotations, arena_printf(a, "org.systemd.property.%s",
							 ask->property), "1");
	if (ask->listener) {
		struct spec_seccomp_rule *rule = arena_new(a, struct spec_seccomp_rule);

		rule->action = arena_strdup(a, "SCMP_ACT_NOTIFY");
		s->linux_->seccomp->listener_path = arena_strdup(a, ask->listener);
		s->linux_->seccomp->syscalls.v = rule;
		s->linux_->seccomp->syscalls.n = 1;
	}
	if (ask->propagation)
		s->linux_->rootfs_propagation = arena_strdup(a, ask->propagation);
	for (size_t i = 0; ask->namespace && i < s->linux_->namespaces.n; i++)
		if (strcmp(s->linux_->namespaces.v[i].type, ask->namespace) == 0) {
			s->linux_->namespaces.n--;
			memmove(&s->linux_->namespaces.v[i], &s->linux_->namespaces.v[i + 1],
				(s->linux_->namespaces.n - i) * sizeof *s->linux_->namespaces.v);
		}
	if (ask->device_rule) {
		s->linux_->resources->devices.v = arena_new(a, struct spec_device_rule);
		s->linux_->resources->devices.n = 1;
		s->linux_->resources->devices.v[0] = (struct spec_device_rule){ .allow = true,
			.type = arena_strdup(a, "c"), .major = { true, 10 }, .minor = { true, 200 },
			.access = arena_strdup(a, "rw") };
	}
	if (ask->keep_groups)
		kvs_add(a, &s->annotations, "run.oci.keep_original_groups", "1");
	if (ask->net_device) {
		s->linux_->net_devices.v = arena_new(a, struct spec_net_device);
		s->linux_->net_devices.v[0] = (struct spec_net_device){ arena_strdup(a, "eth7"), NULL };
		s->linux_->net_devices.n = 1;
	}
	if (ask->device) {
		s->linux_->devices.v = arena_new(a, struct spec_device);
		s->linux_->devices.v[0] = (struct spec_device){ .path = arena_strdup(a, "/dev/fuse"),
			.type = arena_strdup(a, "c"), .major = 10, .minor = 229 };
		s->linux_->devices.n = 1;
	}
	return s;
}

/* What policy_load and policy_apply make of it. */
static inline int decide(struct arena *a, const struct ask *ask, struct policy **ret_policy,
			 struct spec **ret, struct err *e)
{
	struct spec *s = make_spec(a, ask);
	char *host = ask->host ? temporary(a, quoted(a, ask->host)) : NULL;
	struct policy_options o = { ask->profile, host, ask->rootless };
	struct facts facts;
	int r = policy_load(a, s, &o, ret_policy, e);

	if (host)
		unlink(host);
	if (r < 0 || !*ret_policy)
		return r;
	facts = look_around(a, s, ask->rootless);
	return policy_apply(a, s, *ret_policy, &facts, ret, e);
}
