/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mounts: which entries are the engine's own, which one is the workspace, and
 * whether each of the others may be there (DESIGN section 4).  Pure: what the
 * host looks like comes in the facts.
 */
#include <errno.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "base/fd.h"
#include "policy/internal.h"

enum place {
	PLACE_FILESYSTEM,	/* no bind */
	PLACE_ENGINE,		/* /etc/hosts and the like, the init program */
	PLACE_VOLUME,		/* a volume of the engine's */
	PLACE_HOST,		/* the host's files: to be judged */
};

struct judge {
	struct arena *a;
	const struct policy *p;
	struct facts *facts;
	struct spec *out;
	enum place *places;
	long workspace;		/* index, -1: none */
};

/* ---- what the engine provides ---- */

static bool owned_by_engine(const struct judge *j, const struct stat *st)
{
	const struct spec_linux *l = j->out->linux_;

	if (st->st_uid == 0 || st->st_uid == j->facts->euid)
		return true;
	if (j->facts->rootless && st->st_uid == OVERFLOW_UID)
		return true;
	/* with a user namespace, engines give these files to the container's root */
	for (size_t i = 0; l && i < l->uid_mappings.n; i++)
		if (l->uid_mappings.v[i].container_id == 0 &&
		    l->uid_mappings.v[i].host_id == (int64_t)st->st_uid)
			return true;
	return false;
}

/* The part of the path beneath one of the engine's directories, NULL if it is elsewhere. */
static const char *below_engine_root(const struct judge *j, const char *path)
{
	for (size_t i = 0; i < j->facts->engine_roots.n; i++) {
		const char *root = j->facts->engine_roots.v[i];

		if (path_is_beneath(path, root) && path[strlen(root)] == '/')
			return path + strlen(root) + 1;
	}
	return NULL;
}

static size_t components(const char *relative)
{
	size_t n = 1;

	for (; *relative; relative++)
		n += *relative == '/';
	return n;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Files and directories that engines mount for their own purposes, and what they are called
 * beneath the engine's directories. */
static const struct { const char *destination, *names[3]; bool directory; } engine_mounts[] = {
	{ "/etc/hosts", { "hosts", "etc-hosts" }, false },
	{ "/etc/hostname", { "hostname" }, false },
	{ "/etc/resolv.conf", { "resolv.conf" }, false },
	{ "/etc/passwd", { "passwd" }, false },
	{ "/etc/group", { "group" }, false },
	{ "/run/.containerenv", { ".containerenv" }, false },
	{ "/dev/shm", { "shm" }, true },
	{ "/run/secrets", { "secrets" }, true },
};

static bool is_engine_destination(const char *destination)
{
	for (size_t i = 0; i < sizeof engine_mounts / sizeof *engine_mounts; i++)
		if (strcmp(engine_mounts[i].destination, destination) == 0)
			return true;
	return false;
}

static bool is_engine_mount(const struct spec_mount *m, const struct fact_mount *f,
			    const char *relative)
{
	const char *base = base_name(relative);

	for (size_t i = 0; i < sizeof engine_mounts / sizeof *engine_mounts; i++) {
		if (strcmp(engine_mounts[i].destination, m->destination) != 0 ||
		    (f->error ? false : S_ISDIR(f->st.st_mode) != engine_mounts[i].directory))
			continue;
		for (size_t k = 0; k < 3 && engine_mounts[i].names[k]; k++)
			if (strcmp(engine_mounts[i].names[k], base) == 0)
				return components(relative) >= 2;
	}
	/* single secrets; the kubelet's service account and termination message */
	if (path_is_beneath(m->destination, "/run/secrets") ||
	    path_is_beneath(m->destination, "/var/run/secrets"))
		return strstr(relative, "/secrets/") || str_has_prefix(relative, "pods/");
	return strcmp(m->destination, "/dev/termination-log") == 0 &&
	       str_has_prefix(relative, "pods/");
}

/* "volumes/NAME/_data" and its relatives.  A place where something else is mounted (a volume made
 * with type=none,o=bind) is not the engine's. */
static bool is_volume(const struct fact_mount *f, const char *relative)
{
	size_t n = components(relative);

	if (str_has_prefix(relative, "pods/"))
		return n >= 5 && (strstr(relative, "/volumes/") ||
				  strstr(relative, "/volume-subpaths/"));
	if (f->mount_root)
		return false;
	if (str_has_prefix(relative, "volumes/"))
		return n == 3 && str_has_suffix(relative, "/_data");
	if (str_has_prefix(relative, "io.containerd.grpc.v1.cri/containers/"))
		return n == 5 && strstr(relative, "/volumes/");
	return n == 5 && strstr(relative, "/volumes/") && str_has_suffix(relative, "/_data");
}

/* The init program is the engine's wherever it is installed: one that only root can change. */
static bool is_init(const struct judge *j, const struct spec_mount *m, const struct fact_mount *f)
{
	static const char *const destinations[] = { "/sbin/docker-init", "/dev/init",
						    "/run/podman-init", NULL };

	return str_find(destinations, m->destination) >= 0 && f->error == 0 &&
	       S_ISREG(f->st.st_mode) && (f->st.st_mode & S_IXOTH) &&
	       !(f->st.st_mode & (S_IWGRP | S_IWOTH)) &&
	       (f->st.st_uid == 0 || (j->facts->rootless && f->st.st_uid == OVERFLOW_UID));
}

static enum place place_of(const struct judge *j, size_t i)
{
	const struct spec_mount *m = &j->out->mounts.v[i];
	const struct fact_mount *f = &j->facts->mounts.v[i];
	const char *relative;

	if (!f->is_bind)
		return PLACE_FILESYSTEM;
	if (is_init(j, m, f))
		return PLACE_ENGINE;
	relative = below_engine_root(j, f->resolved);
	if (!relative)
		return PLACE_HOST;
	if (is_engine_mount(m, f, relative) && (f->error || owned_by_engine(j, &f->st)))
		return PLACE_ENGINE;
	if (is_volume(f, relative))
		return PLACE_VOLUME;
	return PLACE_HOST;
}

/* ---- what is never the workspace, and what is never mounted ---- */

/* A directory of one of these names holds credentials: it is mounted where mounts.allow names it,
 * but nobody meant it as the place to work in. */
static const char *const credential_names[] = {
	".ssh", ".gnupg", ".aws", ".azure", ".kube", ".docker", ".password-store", ".netrc",
	".git-credentials", ".npmrc", ".pypirc", ".mozilla", ".thunderbird", "gcloud", "keyrings",
	".gem", ".oci", ".terraform.d", ".vault-token", ".1password", ".op", NULL,
};
/* Beneath these is no workspace either, not even as root's. */
static const char *const system_dirs[] = {
	"/bin", "/boot", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/sbin", "/usr", NULL,
};

static bool has_credential_name(const char *path)
{
	while (*path) {
		size_t n;

		path += strspn(path, "/");
		n = strcspn(path, "/");
		for (size_t i = 0; credential_names[i]; i++)
			if (strlen(credential_names[i]) == n &&
			    strncmp(credential_names[i], path, n) == 0)
				return true;
		path += n;
	}
	return false;
}

static bool is_system_path(const char *path)
{
	for (size_t i = 0; system_dirs[i]; i++)
		if (path_is_beneath(path, system_dirs[i]))
			return true;
	return false;
}

static bool may_be_workspace(const struct judge *j, size_t i)
{
	const struct fact_mount *f = &j->facts->mounts.v[i];

	if (j->places[i] == PLACE_FILESYSTEM || j->places[i] == PLACE_ENGINE)
		return false;
	if (is_engine_destination(j->out->mounts.v[i].destination) ||
	    (!f->error && !S_ISDIR(f->st.st_mode)) || has_credential_name(f->resolved))
		return false;
	return !is_system_path(f->resolved);
}

/* Why no policy lets the source in, NULL if one may. */
static const char *why_never(const struct judge *j, const struct fact_mount *f)
{
	static const char *const exact[] = { "/", "/etc", "/home", "/root", "/run", "/var/run", NULL };
	static const char *const beneath[] = { "/proc", "/sys", "/dev", NULL };
	static const char *const own[] = { "/etc/agentrun", "/run/agentrun", "/var/log/agentrun",
					   "/var/lib/agentrun", NULL };
	const char *path = f->resolved;

	if (f->same_as && strcmp(f->same_as, path) != 0)
		return arena_printf(j->a, "is %s by another name", f->same_as);
	if (str_find(exact, path) >= 0)
		return "is one of the host's own directories";
	for (size_t i = 0; beneath[i]; i++)
		if (path_is_beneath(path, beneath[i]))
			return arena_printf(j->a, "lies in the host's %s", beneath[i]);
	/* people of a directory service are in no file */
	if (str_has_prefix(path, "/home/") && !strchr(path + strlen("/home/"), '/'))
		return "is a home directory";
	for (size_t i = 0; i < j->facts->homes.n; i++) {
		if (strcmp(j->facts->homes.v[i], path) == 0)
			return "is a home directory";
		if (path_is_beneath(j->facts->homes.v[i], path))
			return "holds home directories";
	}
	for (size_t i = 0; i < j->facts->engine_roots.n; i++)
		if (path_is_beneath(path, j->facts->engine_roots.v[i]) ||
		    path_is_beneath(j->facts->engine_roots.v[i], path))
			return "holds the engine's own files";
	for (size_t i = 0; own[i]; i++)
		if (path_is_beneath(path, own[i]) || path_is_beneath(own[i], path))
			return "holds agentrun's own files";
	return NULL;
}

/* ---- refusals ---- */

static char *mount_title(const struct judge *j, size_t i)
{
	const struct spec_mount *m = &j->out->mounts.v[i];
	const struct fact_mount *f = &j->facts->mounts.v[i];
	const char *source = m->source ? m->source : "";
	bool moved = f->is_bind && strcmp(source, f->resolved) != 0;

	return arena_printf(j->a, "mount %s%s%s%s -> %s", safe_text(j->a, source),
			    moved ? " (" : "", moved ? safe_text(j->a, f->resolved) : "",
			    moved ? ")" : "", safe_text(j->a, m->destination));
}

static int refuse_always(const struct judge *j, size_t i, const char *why, const char *name,
			 struct err *e)
{
	return refuse(e, always(j->a, j->out->agent),
		      exception(j->a, j->p, "\"%s\" to exceptions.sources", safe_text(j->a, name)),
		      "%s %s", mount_title(j, i), why);
}

static bool is_excepted(const struct judge *j, const char *path)
{
	return path && strv_find(&j->p->host.may_sources, path) >= 0;
}

/* ---- options ---- */

static bool has_option(const struct spec_mount *m, const char *name)
{
	return strv_find(&m->options, name) >= 0;
}

static bool add_option(const struct judge *j, struct spec_mount *m, const char *name)
{
	if (has_option(m, name))
		return false;
	strv_add(j->a, &m->options, name);
	return true;
}

/* Without the named options; true if one was there. */
static bool remove_options(const struct judge *j, struct spec_mount *m, const char *const *names)
{
	struct strv kept = { 0 };
	bool found = false;

	for (size_t i = 0; i < m->options.n; i++) {
		bool out = str_find(names, m->options.v[i]) >= 0;

		if (!out)
			strv_add(j->a, &kept, m->options.v[i]);
		found |= out;
	}
	m->options = kept;
	return found;
}

/* A directory's recursively, or a file system mounted beneath it would stay writable. */
static void make_read_only(const struct judge *j, struct spec_mount *m, const char *why)
{
	static const char *const writable[] = { "rw", "rrw", NULL };
	const struct fact_mount *f = &j->facts->mounts.v[m - j->out->mounts.v];
	bool was = has_option(m, "ro") || has_option(m, "rro");

	remove_options(j, m, writable);
	add_option(j, m, "ro");
	if (f->is_bind && !S_ISREG(f->st.st_mode))
		add_option(j, m, "rro");
	if (!was)
		note(j->a, j->out->agent, "mount %s made read-only: %s",
		     safe_text(j->a, m->destination), why);
}

/* What a bind of the host's files gets: no devices, no set-id programs, and nothing that the host
 * mounts later. */
static int settle_options(const struct judge *j, size_t i, struct err *e)
{
	static const char *const shared[] = { "shared", "rshared" };
	static const char *const weaker[] = { "dev", "suid", "slave", "rslave", "private", NULL };
	struct spec_mount *m = &j->out->mounts.v[i];
	bool changed;

	for (size_t k = 0; k < 2; k++)
		if (has_option(m, shared[k]))
			return refuse(e, always(j->a, j->out->agent),
				      "mount it without shared propagation",
				      "%s has %s propagation: mounts made inside would appear on the "
				      "host", mount_title(j, i), shared[k]);
	changed = remove_options(j, m, weaker);
	changed |= add_option(j, m, "nosuid");
	changed |= add_option(j, m, "nodev");
	if (!has_option(m, "unbindable") && !has_option(m, "runbindable"))
		changed |= add_option(j, m, "rprivate");
	if (changed)
		note(j->a, j->out->agent, "mount %s made nosuid, nodev and private",
		     safe_text(j->a, m->destination));
	return 0;
}

/* ---- judging ---- */

static int judge_filesystem(const struct judge *j, size_t i, struct err *e)
{
	static const struct { const char *type, *destination; bool read_only; } known[] = {
		/* proc: its dangerous parts are read-only and masked paths, below; all of it
		 * read-only would break programs that set their own oom_score_adj or comm */
		{ "proc", "/proc", false },
		{ "sysfs", "/sys", true },
		{ "cgroup", "/sys/fs/cgroup", true },
		{ "cgroup2", "/sys/fs/cgroup", true },
		{ "devpts", "/dev/pts", false },
		{ "mqueue", "/dev/mqueue", false },
		{ "tmpfs", NULL, false },
		{ "ramfs", NULL, false },
	};
	struct spec_mount *m = &j->out->mounts.v[i];

	for (size_t k = 0; k < sizeof known / sizeof *known; k++) {
		if (!str_equal(m->type, known[k].type))
			continue;
		if (known[k].destination && !path_is_beneath(m->destination, known[k].destination))
			break;
		if (!known[k].destination && (path_is_beneath(m->destination, "/proc") ||
					      path_is_beneath(m->destination, "/sys")))
			break;
		if (known[k].read_only)
			make_read_only(j, m, "it shows the host's kernel");
		return 0;
	}
	return refuse(e, policy_say(j->a, j->p, FIELD_MOUNTS),
		      "leave that mount out; a bind mount can be allowed with mounts.allow",
		      "mount of a %s file system on %s is not one of those that engines provide",
		      m->type ? safe_text(j->a, m->type) : "nameless",
		      safe_text(j->a, m->destination));
}

/* The item of mounts.allow that names the source (or something above it), NULL if none does. */
static const struct item *find_allowed(const struct judge *j, size_t i, bool *ret_read_only)
{
	const struct value *v = &j->p->v[FIELD_MOUNTS_ALLOW];
	const struct spec_mount *m = &j->out->mounts.v[i];
	const struct fact_mount *f = &j->facts->mounts.v[i];

	for (size_t k = 0; k < v->items.n; k++) {
		struct allowed_mount allowed;
		struct err ignored;

		if (grammar_mount(j->a, v->items.v[k].text, &allowed, &ignored) < 0 ||
		    !path_is_beneath(f->resolved, allowed.source) ||
		    (allowed.destination && strcmp(allowed.destination, m->destination) != 0))
			continue;
		*ret_read_only = allowed.read_only;
		return &v->items.v[k];
	}
	return NULL;
}

static int refuse_outside(const struct judge *j, size_t i, struct err *e)
{
	const struct spec_mount *m = &j->out->mounts.v[i];
	const struct fact_mount *f = &j->facts->mounts.v[i];

	if (is_engine_destination(m->destination) && !is_system_path(f->resolved))
		return refuse(e, arena_printf(j->a, "%s; what the engine provides lies in its own "
					      "directories", policy_say(j->a, j->p, FIELD_MOUNTS)),
			      exception(j->a, j->p, "the engine's data directory to engine_roots"),
			      "%s is outside the workspace and not the engine's",
			      mount_title(j, i));
	return refuse(e, policy_say(j->a, j->p, FIELD_MOUNTS),
		      arena_printf(j->a, "--annotation " ANNOTATION_PREFIX "mounts.allow=%s",
				   safe_text(j->a, f->resolved)),
		      "%s is outside the workspace", mount_title(j, i));
}

/* `-v /dev/null:/path` hides a file of the image's: nothing of the host's is seen. */
static bool is_null_device(const struct fact_mount *f)
{
	return !f->error && S_ISCHR(f->st.st_mode) && f->st.st_rdev == makedev(1, 3);
}

/* The engine may have made it read-only already: the stricter of both is the truth. */
static const char *workspace_mode(const struct judge *j)
{
	const struct spec_mount *m = &j->out->mounts.v[j->workspace];

	return has_option(m, "ro") || has_option(m, "rro") ? "ro" :
	       policy_text(j->p, FIELD_WORKSPACE_MODE);
}

/* Whether it becomes an overlay, whose sockets are others than those that lie beneath: nobody listens on them. */
static bool is_overlaid(const struct judge *j, size_t i)
{
	return (long)i == j->workspace && strcmp(workspace_mode(j), "cow") == 0;
}

/* What no field of a policy lets in. */
static int judge_never(const struct judge *j, size_t i, struct err *e)
{
	const struct fact_mount *f = &j->facts->mounts.v[i];
	const char *why;

	if (j->places[i] == PLACE_FILESYSTEM)
		return 0;
	if (f->error && !(j->facts->by_name && f->error == EACCES))
		return err_set(e, f->error, "%s: source", mount_title(j, i));
	if (j->places[i] == PLACE_HOST && !is_null_device(f) && (why = why_never(j, f)) &&
	    !is_excepted(j, f->resolved) && !is_excepted(j, f->same_as))
		return refuse_always(j, i, why, f->same_as ? f->same_as : f->resolved, e);
	if (f->socket && !is_overlaid(j, i) && !is_excepted(j, f->socket) && !is_excepted(j, f->resolved))
		return refuse_always(j, i, strcmp(f->socket, f->resolved) == 0 ? "is a socket" :
				     arena_printf(j->a, "holds the socket %s",
						  safe_text(j->a, f->socket)), f->socket, e);
	return 0;
}

static int judge_host(const struct judge *j, size_t i, struct err *e)
{
	struct spec_mount *m = &j->out->mounts.v[i];
	const struct fact_mount *f = &j->facts->mounts.v[i];
	const struct item *allowed;
	bool read_only = false;
	int r;

	if (is_null_device(f))
		return 0;
	if ((r = settle_options(j, i, e)) < 0)
		return r;
	if ((long)i == j->workspace)
		return 0;
	allowed = find_allowed(j, i, &read_only);
	if (!allowed && strcmp(policy_text(j->p, FIELD_MOUNTS), "any") != 0)
		return refuse_outside(j, i, e);
	if (read_only)
		make_read_only(j, m, "mounts.allow says :ro");
	return 0;
}

static int judge_mount(const struct judge *j, size_t i, struct err *e)
{
	const struct fact_mount *f = &j->facts->mounts.v[i];

	if (j->places[i] == PLACE_FILESYSTEM)
		return judge_filesystem(j, i, e);
	if (j->places[i] == PLACE_HOST)
		return judge_host(j, i, e);
	if (is_init(j, &j->out->mounts.v[i], f))
		make_read_only(j, &j->out->mounts.v[i], "it is the engine's program");
	return 0;
}

/* ---- the workspace ---- */

static int find_workspace(struct judge *j, struct err *e)
{
	const char *named = policy_text(j->p, FIELD_WORKSPACE);
	const char *cwd = j->out->process && j->out->process->cwd ? j->out->process->cwd : "/";
	long only = -1, holds = -1;
	size_t hosts = 0;

	for (size_t i = 0; i < j->out->mounts.n; i++) {
		const char *destination = j->out->mounts.v[i].destination;

		if (j->places[i] == PLACE_HOST && !is_engine_destination(destination)) {
			hosts++;
			only = (long)i;
		}
		if (named && strcmp(destination, named) == 0) {
			if (!may_be_workspace(j, i))
				return refuse(e, policy_say(j->a, j->p, FIELD_WORKSPACE),
					      "mount the directory to work in, and name its destination",
					      "%s cannot be the workspace", mount_title(j, i));
			j->workspace = (long)i;
			return 0;
		}
		if (may_be_workspace(j, i) && path_is_beneath(cwd, destination) &&
		    (holds < 0 || strlen(destination) >=
					  strlen(j->out->mounts.v[holds].destination)))
			holds = (long)i;
	}
	if (named)
		return err_say(e, EINVAL, "%s: no bind mount has that destination",
			       policy_say(j->a, j->p, FIELD_WORKSPACE));
	j->workspace = holds >= 0 ? holds :
		       hosts == 1 && may_be_workspace(j, (size_t)only) ? only : -1;
	return 0;
}

/* An id-mapped mount: what is the owner's on the host is the container user's inside. */
static int map_owner(const struct judge *j, struct spec_mount *m, const struct fact_mount *f,
		     struct err *e)
{
	const struct spec_linux *l = j->out->linux_;
	int64_t uid = j->out->process ? j->out->process->user.uid : 0;
	int64_t gid = j->out->process ? j->out->process->user.gid : 0;

	if (j->facts->rootless)
		return err_say(e, ENOTSUP, "workspace.owner=map: the kernel maps ids of mounts for root "
			       "only");
	for (size_t i = 0; l && i < l->uid_mappings.n; i++)
		if (uid >= l->uid_mappings.v[i].container_id &&
		    uid - l->uid_mappings.v[i].container_id < l->uid_mappings.v[i].size) {
			uid += l->uid_mappings.v[i].host_id - l->uid_mappings.v[i].container_id;
			break;
		}
	for (size_t i = 0; l && i < l->gid_mappings.n; i++)
		if (gid >= l->gid_mappings.v[i].container_id &&
		    gid - l->gid_mappings.v[i].container_id < l->gid_mappings.v[i].size) {
			gid += l->gid_mappings.v[i].host_id - l->gid_mappings.v[i].container_id;
			break;
		}
	m->uid_mappings.v = arena_new(j->a, struct spec_id_mapping);
	m->gid_mappings.v = arena_new(j->a, struct spec_id_mapping);
	m->uid_mappings.n = m->gid_mappings.n = 1;
	m->uid_mappings.v[0] = (struct spec_id_mapping){ f->st.st_uid, uid, 1 };
	m->gid_mappings.v[0] = (struct spec_id_mapping){ f->st.st_gid, gid, 1 };
	note(j->a, j->out->agent, "workspace %s: uid %u and gid %u of the host are %lld and %lld inside",
	     safe_text(j->a, m->destination), (unsigned)f->st.st_uid, (unsigned)f->st.st_gid,
	     (long long)uid, (long long)gid);
	return 0;
}

static int settle_workspace(const struct judge *j, struct err *e)
{
	const char *owner = policy_text(j->p, FIELD_WORKSPACE_OWNER);
	struct spec_workspace *w;
	struct spec_mount *m;
	const struct fact_mount *f;
	int r;

	if (j->workspace < 0)
		return 0;
	m = &j->out->mounts.v[j->workspace];
	f = &j->facts->mounts.v[j->workspace];
	if (strcmp(policy_text(j->p, FIELD_WORKSPACE_MODE), "ro") == 0)
		make_read_only(j, m, policy_say(j->a, j->p, FIELD_WORKSPACE_MODE));
	if (strcmp(owner, "map") == 0 && (r = map_owner(j, m, f, e)) < 0)
		return r;
	w = arena_new(j->a, struct spec_workspace);
	w->mount = (size_t)j->workspace;
	w->destination = m->destination;
	w->source = f->resolved;
	w->mode = arena_strdup(j->a, workspace_mode(j));
	if (strcmp(w->mode, "cow") == 0)
		note(j->a, j->out->agent, "workspace %s: writes stay aside until a person applies them (%s)",
		     safe_text(j->a, m->destination), policy_say(j->a, j->p, FIELD_WORKSPACE_MODE));
	w->owner = arena_strdup(j->a, owner);
	w->guard = policy_list(j->a, j->p, FIELD_WORKSPACE_GUARD);
	w->mask = policy_list(j->a, j->p, FIELD_WORKSPACE_MASK);
	j->out->agent->workspace = w;
	return 0;
}

int apply_mounts(struct apply *x, struct err *e)
{
	struct judge j = { .a = x->a, .p = x->p, .facts = x->facts, .out = x->out, .workspace = -1 };
	size_t n = x->in->mounts.n;
	int r;

	if (x->facts->mounts.n != n)
		return err_say(e, EINVAL, "the facts are not of this specification");
	j.places = arena_array(x->a, enum place, n + 1);
	for (size_t i = 0; i < n; i++)
		j.places[i] = place_of(&j, i);
	if ((r = find_workspace(&j, e)) < 0)
		return r;
	for (size_t i = 0; i < n; i++)
		if ((r = judge_never(&j, i, e)) < 0)
			return r;
	for (size_t i = 0; i < n; i++)
		if ((r = judge_mount(&j, i, e)) < 0)
			return r;
	if ((r = settle_workspace(&j, e)) < 0)
		return r;
	for (size_t i = 0; i < n; i++)
		if (x->facts->mounts.v[i].fd >= 0)
			x->out->mounts.v[i].source_fd = fd_take(&x->facts->mounts.v[i].fd);
	return 0;
}
