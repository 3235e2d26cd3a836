/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy: configurations that real engines wrote, held against policies.  What
 * the host looks like is made up here, since applying a policy does no I/O.
 * Golden files hold the effective specifications: UPDATE_GOLDEN=1 writes them
 * anew.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "policy/internal.h"
#include "sandbox/egress.h"

#define COUNT(rows) (sizeof(rows) / sizeof *(rows))

static char *source_path(struct arena *a, const char *path)
{
	const char *dir = getenv("srcdir");

	return arena_printf(a, "%s/%s", dir ? dir : ".", path);
}

static char *read_source(struct arena *a, const char *path)
{
	owned_str text = STR_INIT;
	struct err e = { 0 };

	cr_assert_eq(file_read(AT_FDCWD, source_path(a, path), 1 << 20, &text, &e), 0, "%s", e.text);
	return arena_strdup(a, str_text(&text));
}

/* In texts of this file ' stands for ". */
static char *quoted(struct arena *a, const char *text)
{
	char *copy = arena_strdup(a, text);

	for (char *p = copy; *p; p++)
		if (*p == '\'')
			*p = '"';
	return copy;
}

/* A file that only its owner can write, removed by the caller. */
static char *temporary(struct arena *a, const char *text)
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

static struct fact_mount look(struct arena *a, const char *source)
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
static struct facts look_around(struct arena *a, const struct spec *s, bool rootless)
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

#define SCHEDULER(name, least) \
	&(struct spec_scheduler){ .policy = (char *)(name), .nice = { true, (least) } }
#define IO_CLASS(name) &(struct spec_io_priority){ .class = (char *)(name) }
#define RLIMIT(name, most) \
	&(struct spec_rlimit){ .type = (char *)(name), .soft = (most), .hard = (most) }

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

static void add_mount(struct arena *a, struct spec *s, char *text)
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

static void add_annotations(struct arena *a, struct spec *s, const char *text)
{
	char *rest = arena_strdup(a, text), *one;

	while ((one = strsep(&rest, ";"))) {
		char *value = strchr(one, '=');

		*value++ = 0;
		kvs_add(a, &s->annotations, arena_printf(a, ANNOTATION_PREFIX "%s", one), value);
	}
}

static void add_caps(struct arena *a, struct spec *s, const char *text)
{
	char *rest = arena_strdup(a, text), *one;

	while ((one = strsep(&rest, ","))) {
		strv_add(a, &s->process->capabilities->bounding, one);
		strv_add(a, &s->process->capabilities->effective, one);
		strv_add(a, &s->process->capabilities->permitted, one);
	}
}

static struct spec *make_spec(struct arena *a, const struct ask *ask)
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
static int decide(struct arena *a, const struct ask *ask, struct policy **ret_policy,
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

/* ---- what is refused ---- */

#define OUTSIDE "  policy: mounts=workspace-only (profile agent)\n  to allow it: --annotation io.agentrun.mounts.allow="
#define ALWAYS "  policy: always refused under a policy (profile agent)\n  to allow it: "
#define ADMIN "  to allow it: the administrator "

static const struct {
	struct ask ask;
	const char *text;	/* the error holds it, NULL: it is let through */
} refusals[] = {
	/* mounts: D1, D2 and the design's list */
	{ { .mounts = "/home/you/.ssh>/root/.ssh" },
	  "refused: mount /home/you/.ssh -> /root/.ssh is outside the workspace\n" OUTSIDE
	  "/home/you/.ssh" },
	{ { .bundle = "podman-5.8-secret", .profile = "agent", .rootless = true,
	    .mounts = "/home/you/.ssh>/root/.ssh" },
	  "refused: mount /home/you/.ssh -> /root/.ssh is outside the workspace\n" },
	{ { .mounts = "/home/you/.ssh>/root/.ssh",
	    .annotations = "mounts.allow=/home/you/.ssh:ro" }, NULL },
	{ { .mounts = "/home/you/.ssh>/root/.ssh",
	    .annotations = "mounts.allow=/home/you/.ss" }, "is outside the workspace" },
	{ { .mounts = "/home/you/.ssh>/root/.ssh",
	    .annotations = "mounts.allow=/home/you/.ssh:/other" }, "is outside the workspace" },
	{ { .mounts = "/run/docker.sock>/var/run/docker.sock" },
	  "refused: mount /run/docker.sock -> /var/run/docker.sock is a socket\n" ALWAYS
	  "the administrator adds \"/run/docker.sock\" to exceptions.sources in "
	  "/etc/agentrun/policy.json" },
	{ { .mounts = "/run/docker.sock>/var/run/docker.sock",
	    .annotations = "mounts.allow=/run/docker.sock" }, "is a socket" },
	{ { .mounts = "/run/docker.sock>/var/run/docker.sock",
	    .annotations = "mounts=any" }, "is a socket" },
	{ { .mounts = "/run/docker.sock>/s:ro", .annotations = "mounts=any",
	    .host = "{'exceptions':{'sources':['/run/docker.sock']}}" }, NULL },
	{ { .mounts = "/home/you/run>/r", .annotations = "mounts.allow=/home/you/run" },
	  "holds the socket /home/you/run/agent.sock" },
	{ { .mounts = "/home/you/link>/l", .annotations = "mounts.allow=/home/you/link" },
	  "refused: mount /home/you/link (/srv/secret) -> /l is outside the workspace" },
	{ { .mounts = "/home/you/link>/l", .annotations = "mounts.allow=/srv/secret" }, NULL },
	{ { .mounts = "/srv/secret>/l", .annotations = "mounts.allow=/srv/secret",
	    .host = "{'allow':{'mounts.allow':['/srv/public']}}" },
	  "refused: mounts.allow=/srv/secret (annotation) is more than this host allows\n"
	  "  policy: mounts.allow at most /srv/public (host policy /tmp/" },
	{ { .mounts = "/mnt/root>/l", .annotations = "mounts.allow=/mnt" },
	  "refused: mount /mnt/root -> /l is / by another name" },
	{ { .mounts = "/>/host", .annotations = "mounts=any" }, "one of the host's own directories" },
	{ { .mounts = "/etc>/h", .annotations = "mounts=any" }, "one of the host's own directories" },
	{ { .mounts = "/home>/h", .annotations = "mounts=any" }, "one of the host's own directories" },
	{ { .mounts = "/run>/h", .annotations = "mounts=any" }, "one of the host's own directories" },
	{ { .mounts = "/home/you>/h", .annotations = "mounts=any" }, "is a home directory" },
	{ { .mounts = "/home/you>/h", .cwd = "/h" }, "is a home directory" },
	{ { .mounts = "/home/unlisted>/h", .cwd = "/h" }, "is a home directory" },
	{ { .mounts = "/home/unlisted/src>/h", .cwd = "/h" }, "/workspace is outside the workspace" },
	{ { .mounts = "/etc/passwd>/etc/passwd" }, "to allow it: --annotation io.agentrun.mounts.allow="
	  "/etc/passwd" },
	{ { .mounts = "/proc/sys>/h", .annotations = "mounts=any" }, "lies in the host's /proc" },
	{ { .mounts = "/sys/fs>/h", .annotations = "mounts=any" }, "lies in the host's /sys" },
	{ { .mounts = "/dev/sda>/h", .annotations = "mounts=any" }, "lies in the host's /dev" },
	{ { .mounts = "/var/lib>/h", .annotations = "mounts=any" }, "holds the engine's own files" },
	{ { .mounts = "/var/lib/docker/overlay2/x/diff>/h", .annotations = "mounts=any" },
	  "holds the engine's own files" },
	{ { .mounts = "/var/lib/docker>/run/secrets", .annotations = "mounts=any" },
	  "holds the engine's own files" },
	{ { .mounts = "/var/log>/h", .annotations = "mounts=any" }, "holds agentrun's own files" },
	{ { .mounts = "/srv/x>/h", .annotations = "mounts=any" }, NULL },
	{ { .mounts = "/srv/x>/h", .annotations = "mounts=any",
	    .host = "{'allow':{'mounts':'workspace-only'}}" },
	  "refused: mounts=any (annotation) is more than this host allows" },
	{ { .mounts = "/dev/null>/workspace/.secret" }, NULL },
	{ { .mounts = "/srv/hosts>/etc/hosts" }, ADMIN "adds the engine's data directory to "
	  "engine_roots in" },
	{ { .mounts = "/home/you/bin/init>/sbin/docker-init" }, "is outside the workspace" },
	{ { .mounts = "/opt/bin/init>/sbin/docker-init" }, "is outside the workspace" },
	{ { .mounts = "/var/lib/docker/containers/ours/hosts>/etc/hosts" }, NULL },
	{ { .mounts = "/var/lib/docker/containers/theirs/hosts>/etc/hosts" }, "engine's own files" },
	{ { .mounts = "/var/lib/docker/hosts>/etc/hosts" }, "holds the engine's own files" },
	{ { .mounts = "/var/lib/docker/volumes/v2/_data>/v" }, NULL },
	{ { .mounts = "/var/lib/docker/volumes/v2/_data/../x>/v" }, "holds the engine's own files" },
	{ { .mounts = "/var/lib/docker/volumes/bound/_data>/v" }, "holds the engine's own files" },
	{ { .mounts = "/srv/x>/workspace/x:rshared" }, "has rshared propagation" },
	{ { .mounts = "overlay>/o" }, "mount of a overlay file system on /o is not one of those" },
	{ { .mounts = "proc>/other" }, "mount of a proc file system on /other" },
	{ { .mounts = "tmpfs>/proc/scsi" }, "mount of a tmpfs file system on /proc/scsi" },
	{ { .mounts = "tmpfs>/scratch" }, NULL },
	/* which one is the workspace */
	{ { .mounts = "/srv/y>/y", .cwd = "/y/sub" }, "mount /home/you/src/project -> /workspace is "
	  "outside the workspace" },
	{ { .mounts = "/srv/y>/y", .annotations = "workspace=/y" }, "-> /workspace is outside" },
	{ { .annotations = "workspace=/nowhere" }, "workspace=/nowhere (annotation): no bind mount has" },
	{ { .mounts = "/home/you/netrc>/n", .annotations = "workspace=/n" },
	  "mount /home/you/netrc -> /n cannot be the workspace" },
	{ { .mounts = "/usr/lib/x>/n", .annotations = "workspace=/n" }, "cannot be the workspace" },
	{ { .annotations = "workspace.mode=cow" }, NULL },
	{ { .annotations = "profile=edit" }, NULL },
	/* namespaces and privileges: C18 */
	{ { .bundle = "docker-20.10-privileged", .profile = "agent" },
	  "refused: all devices of the host (--privileged)\n" ALWAYS "the administrator adds "
	  "\"privileged\": true to exceptions in /etc/agentrun/policy.json" },
	{ { .bundle = "docker-20.10-hostnet", .profile = "agent" },
	  "refused: the host's network namespace (--network host)\n" ALWAYS },
	{ { .bundle = "podman-5.8-hostnet", .profile = "agent", .rootless = true },
	  "refused: the host's network namespace (--network host)" },
	{ { .namespace = "network" }, "the host's network namespace (--network host)" },
	{ { .namespace = "network", .host = "{'exceptions':{'namespaces':['network']}}" },
	  "refused: the host's network namespace (--network host) under an egress table, which would be "
	  "the host's own\n  policy: egress=none (profile agent)\n  to allow it: --annotation "
	  "io.agentrun.egress=open, or give the container a network of its own" },
	{ { .bundle = "docker-20.10-hostnet", .profile = "agent",
	    .annotations = "egress.allow=203.0.113.1:443 (x)",
	    .host = "{'exceptions':{'namespaces':['network']}}" }, "under an egress table, which" },
	{ { .namespace = "network", .annotations = "egress=open",
	    .host = "{'exceptions':{'namespaces':['network']}}" }, NULL },
	{ { .namespace = "pid" }, "the host's pid namespace (--pid host)" },
	{ { .namespace = "ipc" }, "the host's ipc namespace (--ipc host)" },
	{ { .namespace = "ipc", .host = "{'exceptions':{'namespaces':['ipc']}}" }, NULL },
	{ { .namespace = "mount" }, "a mount namespace that is not the container's own" },
	{ { .namespace = "uts" }, NULL },
	{ { .propagation = "rshared" }, "root propagation rshared" },
	{ { .device = true }, "refused: device /dev/fuse\n" ALWAYS "the administrator adds "
	  "\"/dev/fuse\" to exceptions.devices in" },
	{ { .device = true, .host = "{'exceptions':{'devices':['/dev/fuse']}}" }, NULL },
	{ { .device_rule = true }, "refused: access to devices c 10:200\n" ALWAYS },
	{ { .net_device = true }, "refused: network device eth7 of the host would become the "
	  "container's\n" ALWAYS "leave linux.netDevices out" },
	{ { .net_device = true, .annotations = "egress=open" }, "refused: network device eth7" },
	{ { .keep_groups = true }, "refused: the groups of the caller (run.oci.keep_original_groups)\n"
	  ALWAYS "leave out --group-add keep-groups" },
	{ { .caps = "CAP_SYS_ADMIN" }, "refused: capability CAP_SYS_ADMIN (--cap-add or "
	  "--privileged)\n  policy: caps=CAP_CHOWN" },
	{ { .caps = "CAP_SYS_NICE" }, "  to allow it: --annotation io.agentrun.caps=CAP_CHOWN,"
	  "CAP_DAC_OVERRIDE,CAP_FOWNER,CAP_FSETID,CAP_KILL,CAP_NET_BIND_SERVICE,CAP_SETFCAP,CAP_SETGID,"
	  "CAP_SETPCAP,CAP_SETUID,CAP_SYS_CHROOT,CAP_SYS_NICE" },
	{ { .caps = "CAP_SYS_NICE", .annotations = "caps=none" },
	  "  to allow it: --annotation io.agentrun.caps=CAP_SYS_NICE" },
	{ { .caps = "CAP_NET_ADMIN", .annotations = "caps=CHOWN" }, "  to allow it: --annotation "
	  "io.agentrun.egress=open --annotation io.agentrun.caps=CAP_CHOWN,CAP_NET_ADMIN" },
	{ { .caps = "CAP_NET_ADMIN", .annotations = "caps=CAP_CHOWN,CAP_NET_ADMIN;egress=open" }, NULL },
	{ { .caps = "CAP_NET_ADMIN", .annotations = "egress.allow=203.0.113.1:443 (x)" }, "  to allow "
	  "it: --annotation io.agentrun.egress=open in place of egress.allow --annotation io.agentrun.caps="
	  },
	{ { .sysctl = "net.ipv4.ip_forward", .annotations = "egress.allow=203.0.113.1:443 (x)" },
	  "egress=open in place of egress.allow, or leave the sysctl out" },
	{ { .sysctl = "net.ipv4.ip_forward" }, "egress=open, or leave the sysctl out" },
	{ { .caps = "CAP_SYS_NICE", .annotations = "caps=SYS_NICE" }, NULL },
	{ { .annotations = "caps=CHOWN, NET_ADMIN" },
	  "caps=CAP_NET_ADMIN (annotation) contradicts egress=none" },
	{ { .caps = "CAP_NET_ADMIN", .annotations = "egress=open;caps=NET_ADMIN" }, NULL },
	{ { .annotations = "caps=CAP_FLY" }, "annotation io.agentrun.caps: \"CAP_FLY\": is not a "
	  "capability" },
	{ { .sysctl = "net.ipv4.ip_forward" }, "sysctl net.ipv4.ip_forward=1" },
	{ { .sysctl = "net.ipv4.conf.all.route_localnet" }, "sysctl net.ipv4.conf.all.route_localnet" },
	{ { .sysctl = "kernel.core_pattern" }, "sysctl kernel.core_pattern" },
	{ { .sysctl = "net.core.somaxconn" }, NULL },
	{ { .sysctl = "net.ipv4.ip_forward", .annotations = "egress=open" }, NULL },
	/* what rises above the host's own processes */
	{ { .scheduler = SCHEDULER("SCHED_FIFO", 0) }, "refused: process.scheduler.policy SCHED_FIFO "
	  "could keep the host's own programs waiting\n  policy: caps=CAP_CHOWN" },
	{ { .scheduler = SCHEDULER("SCHED_RR", 0) }, "process.scheduler.policy SCHED_RR" },
	{ { .scheduler = SCHEDULER("SCHED_DEADLINE", 0) }, "process.scheduler.policy SCHED_DEADLINE" },
	{ { .scheduler = SCHEDULER("SCHED_OTHER", -1) }, "process.scheduler.nice -1" },
	{ { .scheduler = SCHEDULER("SCHED_FIFO", 0) }, "CAP_SYS_CHROOT,CAP_SYS_NICE" },
	{ { .scheduler = SCHEDULER("SCHED_FIFO", 0), .annotations = "caps=SYS_NICE" }, NULL },
	{ { .scheduler = SCHEDULER("SCHED_OTHER", 19) }, NULL },
	{ { .scheduler = SCHEDULER("SCHED_BATCH", 0) }, NULL },
	{ { .scheduler = SCHEDULER("SCHED_IDLE", 0) }, NULL },
	{ { .io_priority = IO_CLASS("IOPRIO_CLASS_RT") }, "process.ioPriority.class IOPRIO_CLASS_RT" },
	{ { .io_priority = IO_CLASS("IOPRIO_CLASS_RT"), .annotations = "caps=SYS_NICE" }, NULL },
	{ { .io_priority = IO_CLASS("IOPRIO_CLASS_BE") }, NULL },
	{ { .io_priority = IO_CLASS("IOPRIO_CLASS_IDLE") }, NULL },
	{ { .rlimit = RLIMIT("RLIMIT_RTPRIO", 1) }, "refused: RLIMIT_RTPRIO 1 could" },
	{ { .rlimit = RLIMIT("RLIMIT_RTPRIO", 0) }, NULL },
	{ { .rlimit = RLIMIT("RLIMIT_NICE", 21) }, "refused: RLIMIT_NICE 21 could" },
	{ { .rlimit = RLIMIT("RLIMIT_NICE", 20) }, NULL },
	{ { .rlimit = RLIMIT("RLIMIT_NOFILE", 1048576) }, NULL },
	{ { .property = "MemoryMax" }, "systemd property MemoryMax=1 is not one that" },
	{ { .property = "Delegate" }, "systemd property Delegate=1" },
	{ { .property = "TimeoutStopUSec" }, NULL },
	{ { .bundle = "containerd-1.6", .annotations = "seccomp=engine" }, "no system call filter at "
	  "all" },
	{ { .annotations = "seccomp=engine" }, "refused: the engine's system call filter alone could "
	  "lead past egress=none\n  policy: seccomp=engine (annotation)\n  to allow it: --annotation "
	  "io.agentrun.seccomp=agent, or the administrator adds " },
	{ { .annotations = "seccomp=engine;egress.allow=203.0.113.1:443 (x)",
	    .host = "{'allow':{'egress':'open'}}" }, "could lead past egress=allow" },
	{ { .annotations = "seccomp=engine", .host = "{'allow':{'seccomp':['agent','engine']}}" }, NULL },
	{ { .annotations = "env=scrub", .host = "{'require':{'seccomp':'engine'}}" }, NULL },
	{ { .annotations = "seccomp=engine;egress=open" }, NULL },
	{ { .listener = "/run/agent.sock" },
	  "refused: a seccomp listener (/run/agent.sock) that answers system calls for the "
	  "container\n" ALWAYS "leave SCMP_ACT_NOTIFY out of the engine's seccomp profile" },
	{ { .annotations = "seccomp=nosuch" }, "seccomp=nosuch (annotation): there is no nosuch.json" },
	/* keys and values */
	{ { .annotations = "egres=none" }, "annotation io.agentrun.egres: there is no such field; the "
	  "nearest is io.agentrun.egress" },
	{ { .annotations = "workspace.gard=x" }, "the nearest is io.agentrun.workspace.guard" },
	{ { .annotations = "label=x" }, "there is no such field" },
	{ { .annotations = "egress=maybe" }, "annotation io.agentrun.egress: \"maybe\": must be one of "
	  "none, allow, open" },
	{ { .annotations = "env.allow=" }, "annotation io.agentrun.env.allow: is empty" },
	{ { .annotations = "env.allow=A,,B" }, "has an empty item" },
	{ { .annotations = "profile=../agent" }, "annotation io.agentrun.profile: \"../agent\": must be "
	  "a name" },
	{ { .annotations = "profile=nosuch" }, "profile nosuch (annotation io.agentrun.profile): there "
	  "is no nosuch.json" },
	{ { .profile = "/etc/passwd", .annotations = "env=scrub" }, "profile \"/etc/passwd\" (option "
	  "--profile): must be a name" },
	{ { .annotations = "label.a/b=x" }, "a label's key is" },
	{ { .annotations = "label.task=ghp_abcdefghijklmnopqrstuvwxyz0123456789" },
	  "what looks like a credential" },
	{ { .annotations = "limits.memory=lots" }, "annotation io.agentrun.limits.memory" },
	{ { .annotations = "credentials=github" }, "credentials: github is not defined in" },
	{ { .annotations = "credentials=github", .host = "{'credentials':{'github':{}}}" },
	  "granting credentials is not supported yet" },
	/* contradictions */
	{ { .annotations = "egress=none;egress.allow=api.example.com:443 (x)" },
	  "egress=none (annotation) contradicts egress.allow (annotation)" },
	{ { .annotations = "egress=open;egress.allow=api.example.com:443 (x)" },
	  "egress=open (annotation) contradicts egress.allow (annotation)" },
	{ { .annotations = "profile=inspect;egress.allow=api.example.com:443 (x)" },
	  "egress=none (profile inspect) contradicts egress.allow (annotation)" },
	{ { .annotations = "profile=inspect;egress=allow;egress.allow=api.example.com:443 (x)" },
	  NULL },
	{ { .annotations = "profile=none;env=scrub" }, "none contradicts the other" },
	/* the host policy's bounds */
	{ { .annotations = "egress=open", .host = "{'allow':{'egress':'allow'}}" },
	  "refused: egress=open (annotation) is more than this host allows\n  policy: egress at most "
	  "allow (host policy /tmp/" },
	{ { .annotations = "egress=none", .host = "{'allow':{'egress':'allow'}}" }, NULL },
	/* a list's ceiling holds for its mode as well */
	{ { .annotations = "egress=open", .host = "{'allow':{'egress.allow':['*.example.com:443']}}" },
	  "refused: egress=open (annotation) is more than this host allows\n  policy: egress.allow at "
	  "most *.example.com:443 (host policy /tmp/" },
	{ { .annotations = "egress=open", .host = "{'allow':{'egress.allow':[]}}" },
	  "  to allow it: the administrator adds \"egress\": \"open\" to allow in /tmp/" },
	{ { .annotations = "egress=open", .host = "{'allow':{'egress':'open','egress.allow':[]}}" },
	  NULL },
	{ { .annotations = "egress=allow", .host = "{'allow':{'egress.allow':[]}}" }, NULL },
	{ { .annotations = "egress=open", .host = "{'allow':{'ingress.allow':[80]}}" },
	  "refused: egress=open (annotation)" },
	{ { .annotations = "mounts=any", .host = "{'allow':{'mounts.allow':['/srv']}}" },
	  "refused: mounts=any (annotation)" },
	{ { .annotations = "mounts=any", .host = "{'allow':{'mounts':'any','mounts.allow':['/srv']}}" },
	  NULL },
	{ { .annotations = "env=keep", .host = "{'allow':{'env.allow':['CI_*']}}" },
	  "refused: env=keep (annotation)" },
	{ { .annotations = "env=scrub", .host = "{'allow':{'env.allow':['CI_*']}}" }, NULL },
	{ { .annotations = "env=keep", .host = "{'allow':{'env':['scrub']}}" }, "env=keep" },
	{ { .annotations = "profile=inspect", .host = "{'allow':{'profile':['agent']}}" },
	  "profile=inspect (annotation io.agentrun.profile) is more than this host allows" },
	{ { .annotations = "profile=none", .host = "{'allow':{'profile':['agent']}}" },
	  "refused: a container without a policy" },
	{ { .profile = "none", .annotations = "x=y", .host = "{}" }, "there is no such field" },
	{ { .annotations = "limits.memory=2g", .host = "{'allow':{'limits.memory':'1g'}}" },
	  "limits.memory=2g (annotation) is more than this host allows" },
	{ { .annotations = "limits.memory=512m", .host = "{'allow':{'limits.memory':'1g'}}" }, NULL },
	{ { .annotations = "egress.allow=api.example.com:443 (x)",
	    .host = "{'allow':{'egress.allow':['*.example.com:443']}}" }, NULL },
	{ { .annotations = "egress.allow=example.com:443 (x)",
	    .host = "{'allow':{'egress.allow':['*.example.com:443']}}" }, "more than this host" },
	{ { .annotations = "egress.allow=203.0.113.9:443 (x)",
	    .host = "{'allow':{'egress.allow':['203.0.113.0/24:1-1000']}}" }, NULL },
	{ { .annotations = "egress.allow=203.0.113.0/23:443 (x)",
	    .host = "{'allow':{'egress.allow':['203.0.113.0/24:1-1000']}}" },
	  "has bits set beyond its prefix length" },
	{ { .annotations = "egress.allow=203.0.112.0/23:443 (x)",
	    .host = "{'allow':{'egress.allow':['203.0.113.0/24:1-1000']}}" }, "more than this host" },
	{ { .annotations = "egress.allow=203.0.113.9:443/udp (x)",
	    .host = "{'allow':{'egress.allow':['203.0.113.0/24:1-1000']}}" }, "more than this host" },
	{ { .annotations = "egress.allow=203.0.113.9:443" }, "a reason is missing" },
	{ { .annotations = "egress.allow=203.0.113.9:443", .host = "{'egress.reasons':'optional'}" },
	  NULL },
	{ { .annotations = "env.allow=AWS_PROFILE", .host = "{'allow':{'env.allow':['AWS_P*']}}" },
	  NULL },
	{ { .annotations = "env.allow=AWS_*", .host = "{'allow':{'env.allow':['AWS_P*']}}" },
	  "more than this host" },
	{ { .annotations = "egress.allow=api.example.com:443 (x)",
	    .host = "{'require':{'egress':'none'}}" }, "egress.allow=api.example.com:443 (x) "
	  "(annotation) is more than this host allows" },
	{ { .annotations = "audit.mode=best-effort", .host = "{'require':{'audit.mode':'required'}}" },
	  "audit.mode=best-effort (annotation) is more than this host allows" },
	{ { .annotations = "env=keep", .host = "{'require':{'env':'scrub'}}" },
	  "env=keep (annotation) is more than this host allows" },
	/* ... which bound the engine's own limits */
	{ { .pids = 5000, .host = "{'allow':{'limits.pids':50}}" },
	  "refused: the engine's limit, 5000 processes and threads, is more than this host allows\n"
	  "  policy: limits.pids at most 50 (host policy /tmp/" },
	{ { .pids = 51, .host = "{'allow':{'limits.pids':50}}" },
	  "  to allow it: --pids-limit 50, or the administrator raises allow[\"limits.pids\"] in /tmp/" },
	{ { .memory = 2 << 20, .host = "{'allow':{'limits.memory':'1m'}}" },
	  "the engine's limit, 2097152 bytes of memory, is" },
	{ { .quota = 100001, .host = "{'allow':{'limits.cpu':2}}" },
	  "the engine's limit, 2001 thousandths of processors, is" },
	{ { .quota = 100000, .host = "{'allow':{'limits.cpu':2}}" }, NULL },
	{ { .pids = 5000, .annotations = "limits.pids=50" }, NULL },
	{ { .unified = "pids.max", .host = "{'allow':{'limits.pids':50}}" },
	  "refused: linux.resources.unified: pids.max would take back limits.pids\n" },
	{ { .unified = "cpu.max", .host = "{'require':{'limits.cpu':1}}" }, "cpu.max would take back" },
	{ { .unified = "memory.max", .host = "{'require':{'limits.memory':'1g'}}" },
	  "memory.max would take back limits.memory" },
	{ { .unified = "pids.max", .annotations = "limits.pids=50" }, NULL },
	/* files of the host policy */
	{ { .host = "{'allow':{'env.deny':['X']}}" }, "env.deny\"]: has no ceiling" },
	{ { .host = "{'alow':{}}" }, "alow: is not one of default_profile, allow" },
	{ { .host = "{'allow':{'egress':'all'}}" }, "must be one of none, allow, open" },
	{ { .host = "{'engine_roots':['relative']}" }, "engine_roots[0]: must be an absolute path" },
	{ { .host = "{'exceptions':{'namespaces':['net']}}" }, "must be one of network, pid" },
	{ { .host = "{'audit.hooks':[{'events':['create']}]}" }, "path is missing" },
	{ { .host = "{'audit.hooks':[{'path':'/x','timeout':0}]}" }, "must be 1 to 3600 seconds" },
	{ { .host = "{" }, "test-policy-" },
};

Test(policy, refusals)
{
	for (size_t i = 0; i < COUNT(refusals); i++) {
		owned_arena a = ARENA_INIT;
		struct ask ask = refusals[i].ask;
		struct err e = { 0 };
		struct policy *p = NULL;
		struct spec *out = NULL;
		int r;

		if (!ask.profile && !ask.bundle)
			ask.profile = "agent";
		r = decide(&a, &ask, &p, &out, &e);
		if (!refusals[i].text) {
			cr_expect_eq(r, 0, "row %zu (%s %s): %s", i, ask.annotations ? ask.annotations : "",
				     ask.mounts ? ask.mounts : "", e.text);
			continue;
		}
		cr_expect(r < 0 && e.code == -r, "row %zu (%s %s) passed; expected %s", i,
			  ask.annotations ? ask.annotations : "", ask.mounts ? ask.mounts : "",
			  refusals[i].text);
		cr_expect(r >= 0 || strstr(e.text, refusals[i].text), "row %zu: %s\nexpected: %s", i,
			  e.text, refusals[i].text);
		/* a refusal has three lines, whatever it quotes */
		if (str_has_prefix(e.text, "refused: ")) {
			size_t lines = 1;

			for (const char *c = e.text; *c; c++)
				lines += *c == '\n';
			cr_expect_eq(lines, 3, "row %zu: %s", i, e.text);
		}
	}
}

/* ---- what is made of what is not refused ---- */

static const struct {
	const char *golden;
	struct ask ask;
} effective[] = {
	{ "docker-28-agent", { .annotations = "profile=agent;egress.allow=api.example.com:443 (LLM "
			       "API), [2001:db8::10]:443 (LLM API, IPv6), 203.0.113.0/24:8000-8010/udp "
			       "(telemetry);label.task=42;label.agent=coder;limits.time=2h",
			       .env = "GITHUB_TOKEN=x;LANG=C.UTF-8;FOO=postgres://u:hunter2@db/x" } },
	{ "docker-20.10-inspect", { .bundle = "docker-20.10", .profile = "inspect" } },
	{ "docker-20.10-unconfined", { .bundle = "docker-20.10-unconfined", .profile = "agent" } },
	{ "podman-4.3-limits", { .bundle = "podman-4.3", .annotations = "profile=agent;limits.cpu=1.5;"
				 "limits.memory=1g;limits.pids=10;ingress.allow=8080" } },
	{ "podman-4.3-volume", { .bundle = "podman-4.3-volume", .profile = "agent" } },
	{ "podman-5.8-rootless", { .bundle = "podman-5.8-rootless", .profile = "agent",
				   .rootless = true } },
	{ "podman-5.8-secret", { .bundle = "podman-5.8-secret", .profile = "agent", .rootless = true } },
	{ "podman-5.8-userns", { .bundle = "podman-5.8-userns", .profile = "agent", .rootless = true } },
	{ "containerd-1.6-strict", { .bundle = "containerd-1.6", .annotations = "env=strict;"
				     "env.allow=FOO_*;env.deny=FOO_BAD;mounts=any",
				     .env = "FOO_1=a;FOO_BAD=b;BAR=c;HOME=/root",
				     .mounts = "/srv/data>/data:rw;sysfs>/sys:rw" } },
	{ "docker-28-owner-map", { .annotations = "workspace.owner=map" } },
	{ "docker-28-host-policy", { .annotations = "label.task=1", .host = "{'require':"
		"{'audit.mode':'required','env.deny':['FOO'],'limits.memory':'2g','workspace.guard':"
		"['secret'],'caps':['CAP_CHOWN','CAP_KILL'],'label.host':'ci-7'},'audit.hooks':[{'path':"
		"'/usr/libexec/agentrun/hook-file','args':['hook-file','/var/log/x'],'required':true,"
		"'timeout':5}]}", .env = "FOO=1" } },
};

/* The effective specification as JSON, without the long filter. */
static char *print_spec(struct arena *a, struct spec *s)
{
	struct json_writer *w = json_writer_new(true);
	owned_str text = STR_INIT;

	s->linux_->seccomp = NULL;
	spec_write(s, w);
	json_writer_end(w, &text);
	return arena_strdup(a, text.s);
}

/* It is a temporary file here. */
static void cut_host_policy(char *text)
{
	char *name = strstr(text, "/tmp/test-policy-");

	if (name)
		*name = 0;
}

Test(policy, effective_specifications)
{
	for (size_t i = 0; i < COUNT(effective); i++) {
		owned_arena a = ARENA_INIT;
		char *path = arena_printf(&a, "tests/data/policy/%s.json", effective[i].golden), *text;
		struct policy *p = NULL;
		struct spec *out = NULL;
		struct err e = { 0 };

		cr_assert_eq(decide(&a, &effective[i].ask, &p, &out, &e), 0, "%s: %s",
			     effective[i].golden, e.text);
		cr_assert(p && out);
		for (size_t k = 0; k < out->agent->changes.n; k++)
			cut_host_policy(out->agent->changes.v[k]);
		for (size_t k = 0; k < out->agent->bounds.n; k++)
			cut_host_policy(out->agent->bounds.v[k].from);
		cr_expect_eq(spec_check(out, "effective", &e), 0, "%s: %s", effective[i].golden, e.text);
		text = print_spec(&a, out);
		if (getenv("UPDATE_GOLDEN"))
			cr_assert_eq(file_replace(AT_FDCWD, source_path(&a, path), text, strlen(text),
						  0644, &e), 0, "%s", e.text);
		cr_expect_str_eq(text, read_source(&a, path), "%s differs", path);
	}
}

/* The host policy's limits hold against the engine's; others are for where it set none. */
Test(policy, limits)
{
	static const struct {
		struct ask ask;
		int64_t pids, memory, swap, quota;	/* per 100 ms */
		uint64_t time;
		const char *change;
	} rows[] = {
		{ { .annotations = "limits.pids=5" }, .pids = 5, .change = "limit set: 5 processes" },
		{ { .pids = 9, .annotations = "limits.pids=5" }, .pids = 9 },
		{ { .pids = 9, .host = "{'require':{'limits.pids':5}}" }, .pids = 5,
		  .change = "limit lowered: 5 processes and threads, where the engine set more" },
		{ { .pids = 9, .annotations = "limits.pids=3", .host = "{'require':{'limits.pids':5}}" },
		  .pids = 3, .change = "limit lowered: 3 processes" },
		{ { .pids = 4, .host = "{'require':{'limits.pids':5}}" }, .pids = 4 },
		{ { .pids = -1, .host = "{'require':{'limits.pids':5}}" }, .pids = 5,
		  .change = "limits.pids set to 5: required by the host policy" },
		{ { .pids = 9, .host = "{'allow':{'limits.pids':7},'require':{'limits.pids':5}}" },
		  .pids = 5 },
		{ { .host = "{'allow':{'limits.pids':7}}" }, .pids = 7,
		  .change = "limits.pids set to 7: ceiling of the host policy" },
		{ { .pids = -1, .host = "{'allow':{'limits.pids':7}}" }, .pids = 7 },
		{ { .pids = 4, .host = "{'allow':{'limits.pids':7}}" }, .pids = 4 },
		{ { .annotations = "limits.pids=4", .host = "{'allow':{'limits.pids':7}}" }, .pids = 4 },
		/* memory and swap together: what was swap stays swap */
		{ { .memory = 5 << 20, .swap = 8 << 20, .host = "{'require':{'limits.memory':'1m'}}" },
		  .memory = 1 << 20, .swap = 4 << 20, .change = "limit lowered: 1m of memory" },
		{ { .memory = 5 << 20, .swap = -1, .host = "{'require':{'limits.memory':'1m'}}" },
		  .memory = 1 << 20, .swap = -1 },
		{ { .host = "{'allow':{'limits.memory':'1m'}}" }, .memory = 1 << 20 },
		{ { .quota = 75001, .host = "{'require':{'limits.cpu':1.5}}" }, .quota = 150000,
		  .change = "limit lowered: 1.5 processors" },
		{ { .quota = 75000, .host = "{'require':{'limits.cpu':1.5}}" }, .quota = 150000 },
		{ { .quota = 50000, .host = "{'require':{'limits.cpu':1.5}}" }, .quota = 100000 },
		{ { .host = "{'allow':{'limits.cpu':2}}" }, .quota = 200000 },
		{ { .host = "{'allow':{'limits.time':'1h'}}" }, .time = 3600,
		  .change = "limits.time set to 1h: ceiling of" },
		{ { .annotations = "limits.time=2h", .host = "{'require':{'limits.time':'1h'}}" },
		  .time = 3600, .change = "limits.time set to 1h: required by" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		owned_arena a = ARENA_INIT;
		struct ask ask = rows[i].ask;
		struct policy *p = NULL;
		struct spec *out = NULL;
		struct err e = { 0 };
		const struct spec_resources *r;
		bool found = !rows[i].change;

		ask.profile = "agent";
		cr_assert_eq(decide(&a, &ask, &p, &out, &e), 0, "row %zu: %s", i, e.text);
		r = out->linux_->resources;
		cr_expect_eq(r->pids ? r->pids->limit.v : 0, rows[i].pids, "row %zu", i);
		cr_expect_eq(r->memory ? r->memory->limit.v : 0, rows[i].memory, "row %zu", i);
		cr_expect_eq(r->memory ? r->memory->swap.v : 0, rows[i].swap, "row %zu", i);
		cr_expect(!r->memory || r->memory->reservation.v <= rows[i].memory, "row %zu", i);
		cr_expect_eq(r->cpu && r->cpu->quota.set ? r->cpu->quota.v * 100000 /
			     (int64_t)r->cpu->period.v : 0, rows[i].quota, "row %zu", i);
		cr_expect_eq(out->agent->time_limit.v, rows[i].time, "row %zu", i);
		for (size_t k = 0; k < out->agent->changes.n; k++)
			found |= rows[i].change &&
				 str_has_prefix(out->agent->changes.v[k], rows[i].change);
		cr_expect(found, "row %zu: %s is not recorded", i, rows[i].change);
		if (r->pids && r->pids->limit.v == ask.pids)
			for (size_t k = 0; k < out->agent->changes.n; k++)
				cr_expect(!str_has_prefix(out->agent->changes.v[k], "limit "));
	}
}

Test(policy, leaves_its_input_alone)
{
	owned_arena a = ARENA_INIT;
	struct ask ask = { .profile = "agent", .env = "GITHUB_TOKEN=x" };
	struct spec *s = make_spec(&a, &ask), *out;
	struct policy_options o = { .profile = "agent" };
	struct policy *p;
	struct facts facts;
	struct err e = { 0 };
	owned_str before = STR_INIT, after = STR_INIT;
	struct json_writer *w = json_writer_new(false);

	spec_write(s, w);
	json_writer_end(w, &before);
	cr_assert_eq(policy_load(&a, s, &o, &p, &e), 0, "%s", e.text);
	facts = look_around(&a, s, false);
	cr_assert_eq(policy_apply(&a, s, p, &facts, &out, &e), 0, "%s", e.text);
	w = json_writer_new(false);
	spec_write(s, w);
	json_writer_end(w, &after);
	cr_expect_str_eq(before.s, after.s);
}

/* What selects a profile, strongest first. */
Test(policy, selection)
{
	static const struct { struct ask ask; const char *profile; } rows[] = {
		{ { .bundle = "docker-20.10" }, NULL },
		{ { .bundle = "docker-20.10", .profile = "none" }, NULL },
		{ { .bundle = "docker-20.10", .profile = "agent" }, "agent" },
		{ { .bundle = "docker-20.10", .host = "{'default_profile':'inspect'}" }, "inspect" },
		{ { .bundle = "docker-20.10", .profile = "agent",
		    .host = "{'default_profile':'inspect'}" }, "agent" },
		{ { .bundle = "docker-20.10", .profile = "agent",
		    .annotations = "profile=inspect" }, "inspect" },
		{ { .bundle = "docker-20.10", .annotations = "label.task=1" }, "agent" },
		{ { .bundle = "docker-20.10", .profile = "none", .annotations = "env=strict" }, "agent" },
		{ { .bundle = "docker-20.10", .profile = "agent", .annotations = "profile=none" }, NULL },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		owned_arena a = ARENA_INIT;
		struct policy *p = NULL;
		struct spec *out = NULL;
		struct err e = { 0 };

		cr_assert_eq(decide(&a, &rows[i].ask, &p, &out, &e), 0, "row %zu: %s", i, e.text);
		cr_expect(rows[i].profile ? p && str_equal(out->agent->profile, rows[i].profile) : !p,
			  "row %zu: %s", i, p ? out->agent->profile : "none");
	}
}

/* Equal for what may share a network namespace, different otherwise (C18). */
Test(policy, digest)
{
	static const struct { const char *x, *y; bool equal; } rows[] = {
		{ "env=scrub", "env=strict", true },
		{ "egress=none", "egress=allow", true },
		{ "egress=none", "egress=open", false },
		{ "egress.allow=a.example.com:1 (x)", "egress.allow=a.example.com:1 (y)", true },
		{ "egress.allow=a.example.com:1 (x), b.example.com:2 (x)",
		  "egress.allow=b.example.com:2 (x), A.example.com:1 (x)", true },
		{ "egress.allow=a.example.com:1 (x)", "egress.allow=a.example.com:2 (x)", false },
		{ "egress.allow=a.example.com:1 (x)", "egress.allow=a.example.com:1/udp (x)", false },
		{ "egress.allow=a.example.com:1 (x)", "egress.allow=a.example.com:1-2 (x)", false },
		{ "egress=none", "ingress.allow=80", false },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		owned_arena a = ARENA_INIT;
		struct policy *p;
		struct spec *x, *y;
		struct err e = { 0 };

		cr_assert_eq(decide(&a, &(struct ask){ .annotations = rows[i].x }, &p, &x, &e), 0);
		cr_assert_eq(decide(&a, &(struct ask){ .annotations = rows[i].y }, &p, &y, &e), 0);
		cr_expect_eq(strcmp(x->agent->policy_digest, y->agent->policy_digest) == 0,
			     rows[i].equal, "row %zu", i);
	}
}

Test(policy, files_that_others_may_write_are_refused)
{
	owned_arena a = ARENA_INIT;
	struct ask ask = { 0 };
	struct spec *s = make_spec(&a, &ask);
	char *path = temporary(&a, "{}");
	struct policy_options o = { "agent", path, false };
	struct policy *p;
	struct err e = { 0 };

	cr_assert_eq(chmod(path, 0602), 0);
	cr_expect(policy_load(&a, s, &o, &p, &e) < 0);
	cr_expect(strstr(e.text, "must not be writable by group or others (mode 0602)"), "%s", e.text);
	cr_assert_eq(chmod(path, 0620), 0);
	cr_expect(policy_load(&a, s, &o, &p, &e) < 0);
	cr_assert_eq(chmod(path, 0600), 0);
	if (geteuid() == 0) {
		cr_expect_eq(policy_load(&a, s, &o, &p, &e), 0, "%s", e.text);
		cr_assert_eq(chown(path, 1000, 0), 0);
		cr_expect(policy_load(&a, s, &o, &p, &e) < 0);
		cr_expect(strstr(e.text, "must be owned by root, not by uid 1000"), "%s", e.text);
		/* in a user namespace the host's root looks like nobody */
		cr_assert_eq(chown(path, OVERFLOW_UID, 0), 0);
		cr_expect(policy_load(&a, s, &o, &p, &e) < 0);
		o.rootless = true;
		cr_expect_eq(policy_load(&a, s, &o, &p, &e), 0, "%s", e.text);
		cr_assert_eq(chown(path, 1000, 0), 0);
		cr_expect(policy_load(&a, s, &o, &p, &e) < 0);
	}
	unlink(path);
	cr_expect_eq(policy_load(&a, s, &o, &p, &e), -ENOENT);
}

/* ---- exec ---- */

Test(policy, processes_that_join)
{
	static struct spec_scheduler rr = { .policy = (char *)"SCHED_RR" };
	static const struct {
		const char *cap, *refused;
		struct spec_scheduler *scheduler;
	} rows[] = {
		{ "CAP_CHOWN", NULL, NULL },
		{ "CAP_NET_RAW", NULL, NULL },	/* the engines' default: dropped */
		{ "CAP_SYS_ADMIN", "refused: capability CAP_SYS_ADMIN (exec --cap or --privileged)",
		  NULL },
		{ "CAP_SYS_ADMIN", "create the container with egress=open and caps", NULL },
		{ "CAP_SYSLOG", "create the container with caps that name it", NULL },
		{ "CAP_CHOWN", "refused: process.scheduler.policy SCHED_RR could", &rr },
	};
	owned_arena a = ARENA_INIT;
	struct ask ask = { .profile = "agent", .annotations = "env.allow=GITHUB_ORG" };
	struct policy *p;
	struct spec *out;
	struct err e = { 0 };

	cr_assert_eq(decide(&a, &ask, &p, &out, &e), 0, "%s", e.text);
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct spec_capabilities caps = { 0 };
		struct spec_process process = { .capabilities = &caps,
						.scheduler = rows[i].scheduler };
		struct strv dropped = { 0 };
		int r;

		strv_add(&a, &caps.bounding, rows[i].cap);
		strv_add(&a, &caps.ambient, rows[i].cap);
		strv_add(&a, &caps.inheritable, rows[i].cap);
		strv_add(&a, &process.env, "GITHUB_TOKEN=x");
		strv_add(&a, &process.env, "GITHUB_ORG=y");
		strv_add(&a, &process.env, "X=npm_abcdefghijklmnopqrstuvwxyz0123456789");
		r = policy_apply_process(&a, out->agent, &process, &dropped, &e);
		cr_expect_eq(r < 0, rows[i].refused != NULL, "%s", rows[i].cap);
		if (rows[i].refused) {
			cr_expect(strstr(e.text, rows[i].refused), "%s", e.text);
			continue;
		}
		cr_expect(process.no_new_privileges);
		cr_expect_eq(process.env.n, 1);
		cr_expect_str_eq(process.env.v[0], "GITHUB_ORG=y");
		cr_expect_eq(dropped.n, 2);
		cr_expect_eq(process.capabilities->bounding.n, i == 0);
		cr_expect_eq(process.capabilities->ambient.n, i == 0);
		cr_expect_eq(process.capabilities->inheritable.n, i == 0);
		cr_expect_eq(caps.bounding.n, 1, "the caller's own set was changed");
	}
}

/* ---- the files beside the table ---- */

Test(policy, shipped_profiles_are_valid_and_built_in)
{
	static const char *const names[] = { "agent", "edit", "inspect", "install" };

	for (size_t i = 0; i < COUNT(names); i++) {
		owned_arena a = ARENA_INIT;
		char *file = arena_printf(&a, "%s.json", names[i]);
		char *path = arena_printf(&a, "profiles/%s", file);
		const char *kind = NULL;
		struct err e = { 0 };
		bool found = false;

		cr_expect_eq(policy_check_file(&a, source_path(&a, path), &kind, &e), 0, "%s", e.text);
		cr_expect(str_equal(kind, "profile"));
		for (const struct builtin_file *b = builtin_files; b->name; b++)
			if (strcmp(b->name, file) == 0) {
				found = true;
				cr_expect_eq(b->size, strlen(b->text));
				cr_expect_str_eq(b->text, read_source(&a, path));
			}
		cr_expect(found, "%s", file);
	}
}

/* `policy check` says what in the file itself would refuse every container. */
Test(policy, files_that_would_refuse_everything)
{
	static const struct { const char *text, *error; } rows[] = {
		{ "{'egress':'none','egress.allow':['203.0.113.1:443 (x)']}",
		  ": egress: \"none\" contradicts egress.allow" },
		{ "{'egress':'open','egress.allow':['203.0.113.1:443 (x)']}", "contradicts egress.allow" },
		{ "{'egress':'allow','egress.allow':['203.0.113.1:443 (x)']}", NULL },
		{ "{'egress.allow':['203.0.113.1:443 (x)']}", NULL },
		{ "{'caps':['NET_ADMIN']}", ": caps: CAP_NET_ADMIN needs \"egress\": \"open\"" },
		{ "{'caps':['CHOWN','NET_RAW'],'egress':'allow'}", "CAP_NET_RAW needs" },
		{ "{'caps':['NET_ADMIN'],'egress':'open'}", NULL },
		{ "{'caps':['CHOWN']}", NULL },
		{ "{'seccomp':'nosuch'}", ": seccomp: there is no nosuch.json in" },
		{ "{'seccomp':'agent-debug'}", NULL },
		{ "{'seccomp':'engine'}", NULL },
		{ "{'credentials':['x']}", ": credentials: granting credentials is not supported yet" },
		{ "{'profile':'agent'}", ": profile: is chosen elsewhere: by the annotation "
		  "io.agentrun.profile, --profile or default_profile" },
		{ "{'default_profile':'nosuch'}", ": default_profile: there is no nosuch.json in" },
		{ "{'default_profile':'none'}", NULL },
		{ "{'default_profile':'inspect','allow':{'profile':['agent']}}",
		  ": default_profile: inspect is not in allow.profile" },
		{ "{'default_profile':'inspect','allow':{'profile':['agent','inspect']}}", NULL },
		{ "{'require':{'profile':'agent'}}", ": profile: is chosen elsewhere" },
		{ "{'require':{'seccomp':'nosuch'}}", ": require: seccomp: there is no nosuch.json in" },
		{ "{'require':{'caps':['NET_ADMIN']}}", NULL },	/* it only takes away */
		{ "{'allow':{'label.task':'x'}}", "has no ceiling" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		owned_arena a = ARENA_INIT;
		char *path = temporary(&a, quoted(&a, rows[i].text));
		const char *kind = NULL;
		struct err e = { 0 };
		int r = policy_check_file(&a, path, &kind, &e);

		unlink(path);
		cr_expect_eq(r < 0, rows[i].error != NULL, "row %zu: %s", i, e.text);
		cr_expect(r >= 0 || !rows[i].error || strstr(e.text, rows[i].error), "row %zu: %s", i,
			  e.text);
	}
}

Test(policy, the_schema_file_is_the_tables)
{
	owned_arena a = ARENA_INIT;
	struct json_writer *w = json_writer_new(true);
	owned_str text = STR_INIT;

	policy_schema(w);
	json_writer_end(w, &text);
	cr_expect_str_eq(text.s, read_source(&a, "profiles/policy.schema.json"),
			 "agentrun policy schema > profiles/policy.schema.json");
}

/* man/agentrun-policy.5: each field's row, as the table has it. */
Test(policy, the_manual_lists_every_field)
{
	owned_arena a = ARENA_INIT;
	const char *page = read_source(&a, "man/agentrun-policy.5");

	for (int i = 0; i < FIELD_COUNT; i++) {
		const char *list = fields[i].list ? fields[i].replaces ? " (list, replaces)" :
							  " (list)" : "";
		char *row = arena_printf(&a, ".TP\n\\fB%s\\fR = \\fI%s\\fR%s\n", fields[i].name,
					 fields[i].syntax, list);
		const char *at = strstr(page, row);

		cr_expect(at, "man/agentrun-policy.5 lacks: %s", row);
		cr_expect(!at || str_has_prefix(at + strlen(row), fields[i].meaning),
			  "man/agentrun-policy.5, %s: should say: %s", fields[i].name,
			  fields[i].meaning);
		if (fields[i].fallback)
			cr_expect(!at || strstr(at, arena_printf(&a, "Default: %s.", fields[i].fallback)),
				  "man/agentrun-policy.5, %s: default %s", fields[i].name,
				  fields[i].fallback);
	}
}

/* ---- facts, from a real directory ---- */

static void bind_socket(const char *path)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(name.sun_path, sizeof name.sun_path, "%s", path);
	cr_assert_eq(bind(fd, (struct sockaddr *)&name, sizeof name), 0);
	cr_assert_eq(listen(fd, 1), 0);	/* stays open: somebody listens */
}

static struct facts gather(struct arena *a, char *const *sources, size_t n)
{
	struct spec *s = make_spec(a, &(struct ask){ 0 });
	struct policy *p;
	struct policy_options o = { .profile = "agent" };
	struct facts f;
	struct err e = { 0 };

	s->mounts.n = 0;
	for (size_t i = 0; i < n; i++)
		add_mount(a, s, arena_printf(a, "%s>/m%zu", sources[i], i));
	cr_assert_eq(policy_load(a, s, &o, &p, &e), 0, "%s", e.text);
	cr_assert_eq(facts_gather(a, s, p, "/tmp", &f, &e), 0, "%s", e.text);
	return f;
}

Test(policy, facts_find_sockets_and_other_names)
{
	static const char *const dirs[] = { "clean", "direct", "deep", "deep/er", "hard", "real" };
	owned_arena a = ARENA_INIT;
	char dir[] = "/tmp/test-facts-XXXXXX";
	owned_fd here = -1;
	struct facts f;

	cr_assert(mkdtemp(dir));
	here = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	cr_assert(here >= 0);
	for (size_t i = 0; i < COUNT(dirs); i++)
		cr_assert_eq(mkdirat(here, dirs[i], 0700), 0);
	bind_socket(arena_printf(&a, "%s/direct/s", dir));
	bind_socket(arena_printf(&a, "%s/deep/er/s", dir));
	cr_assert_eq(linkat(here, "direct/s", here, "hard/innocent", 0), 0);
	cr_assert_eq(symlinkat("direct/s", here, "link"), 0);
	cr_assert_eq(symlinkat("/", here, "root"), 0);
	cr_assert_eq(symlinkat("real/..", here, "up"), 0);
	{
		char *sources[] = {
			arena_printf(&a, "%s/clean", dir), arena_printf(&a, "%s/direct/s", dir),
			arena_printf(&a, "%s/direct", dir), arena_printf(&a, "%s/deep", dir),
			arena_printf(&a, "%s/hard", dir), arena_printf(&a, "%s/link", dir),
			arena_printf(&a, "%s/root", dir), arena_printf(&a, "%s/up", dir),
			arena_printf(&a, "%s/missing", dir),
		};

		f = gather(&a, sources, COUNT(sources));
	}
	cr_expect_eq(f.mounts.v[0].socket, NULL);
	cr_expect(f.mounts.v[0].fd >= 0);
	cr_expect_str_eq(f.mounts.v[1].socket, f.mounts.v[1].resolved);
	cr_expect_str_eq(f.mounts.v[2].socket, arena_printf(&a, "%s/direct/s", dir));
	cr_expect_str_eq(f.mounts.v[3].socket, arena_printf(&a, "%s/deep/er/s", dir));
	cr_expect_str_eq(f.mounts.v[4].socket, arena_printf(&a, "%s/hard/innocent", dir));
	cr_expect_str_eq(f.mounts.v[5].resolved, arena_printf(&a, "%s/direct/s", dir));
	cr_expect(f.mounts.v[5].socket);
	cr_expect_str_eq(f.mounts.v[6].same_as, "/");
	cr_expect_str_eq(f.mounts.v[7].resolved, dir);
	cr_expect_eq(f.mounts.v[8].error, ENOENT);
	cr_expect_eq(f.mounts.v[8].fd, -1);
	facts_close(&f);
	cr_expect_eq(f.mounts.v[0].fd, -1);
	cr_assert_eq(system(arena_printf(&a, "rm -rf %s", dir)), 0);
}

Test(policy, facts_look_at_the_named_namespaces)
{
	owned_arena a = ARENA_INIT;
	struct spec *s = make_spec(&a, &(struct ask){ 0 });
	struct policy_options o = { .profile = "agent" };
	struct policy *p;
	struct facts f;
	struct err e = { 0 };

	for (size_t i = 0; i < s->linux_->namespaces.n; i++)
		if (strcmp(s->linux_->namespaces.v[i].type, "network") == 0)
			s->linux_->namespaces.v[i].path = arena_strdup(&a, "/proc/self/ns/net");
		else if (strcmp(s->linux_->namespaces.v[i].type, "ipc") == 0)
			s->linux_->namespaces.v[i].path = arena_strdup(&a, "/proc/self/ns/nothing");
	s->mounts.n = 0;
	cr_assert_eq(policy_load(&a, s, &o, &p, &e), 0, "%s", e.text);
	cr_assert_eq(facts_gather(&a, s, p, "/tmp", &f, &e), 0, "%s", e.text);
	for (size_t i = 0; i < f.namespaces.n; i++) {
		const char *type = s->linux_->namespaces.v[i].type;

		cr_expect_eq(f.namespaces.v[i].host, strcmp(type, "network") == 0, "%s", type);
		cr_expect_eq(f.namespaces.v[i].error, strcmp(type, "ipc") == 0 ? ENOENT : 0, "%s", type);
	}
}

/* Behind the policy: as the first process of a PID namespace its network is "the host's" to it. */
static int install_at_home(struct err *e)
{
	struct spec_agent agent = { .egress = (char *)"none", .policy_digest = (char *)"x" };
	struct spec_agent open_agent = { .egress = (char *)"open" };
	owned_fd own = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

	return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       egress_install(&agent, own, e) == -EPERM &&
	       mount("proc", "/proc", "proc", 0, NULL) == 0 &&
	       egress_install(&agent, -1, e) == -EPERM &&
	       egress_install(&open_agent, -1, e) == 0 ? 0 : 1;
}

Test(policy, no_egress_table_for_the_host)
{
	int status = -1;
	pid_t pid, inner;

	if (geteuid() != 0)
		cr_skip_test("needs root");
	pid = fork();
	cr_assert(pid >= 0);
	if (pid == 0) {
		struct err e = { 0 };

		if (unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWPID) < 0 || (inner = fork()) < 0)
			_exit(2);
		if (inner == 0)
			_exit(install_at_home(&e));
		_exit(waitpid(inner, &status, 0) == inner && WIFEXITED(status) ?
		      WEXITSTATUS(status) : 3);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_expect_eq(status, 0, "%x", (unsigned)status);
}

/* What was judged is what is mounted: the very descriptor moves to the effective spec. */
Test(policy, judged_objects_move_to_the_effective_spec)
{
	owned_arena a = ARENA_INIT;
	char dir[] = "/tmp/test-facts-XXXXXX";
	struct spec *s = make_spec(&a, &(struct ask){ 0 }), *out;
	struct policy_options o = { .profile = "agent" };
	struct policy *p;
	struct facts f;
	struct err e = { 0 };
	struct stat judged, taken;

	cr_assert(mkdtemp(dir));
	s->mounts.n = 0;
	add_mount(&a, s, arena_printf(&a, "%s>/workspace", dir));
	cr_assert_eq(policy_load(&a, s, &o, &p, &e), 0, "%s", e.text);
	cr_assert_eq(facts_gather(&a, s, p, "/tmp", &f, &e), 0, "%s", e.text);
	judged = f.mounts.v[0].st;
	cr_assert_eq(policy_apply(&a, s, p, &f, &out, &e), 0, "%s", e.text);
	cr_expect_eq(f.mounts.v[0].fd, -1);
	cr_assert_eq(fstat(out->mounts.v[0].source_fd, &taken), 0);
	cr_expect_eq(judged.st_ino, taken.st_ino);
	cr_expect_eq(s->mounts.v[0].source_fd, -1);
	close(out->mounts.v[0].source_fd);
	rmdir(dir);
}
