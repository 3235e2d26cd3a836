/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/facts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/sys.h"
#include "policy/internal.h"

/* How far the search for sockets beneath a source goes: what is deeper is found only where
 * somebody listens (/proc/net/unix). */
enum { SEARCH_DIRS = 48, SEARCH_ENTRIES = 8192 };

/* ---- paths ---- */

/* The real path of what fd refers to; NULL where the kernel does not tell. */
static char *path_of(struct arena *a, int fd)
{
	char link[64], path[PATH_MAX];
	ssize_t n;

	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof path - 1);
	if (n <= 0 || path[0] != '/')
		return NULL;
	return arena_strndup(a, path, (size_t)n);
}

static char *absolute(struct arena *a, const char *base, const char *path)
{
	return *path == '/' ? arena_strdup(a, path) : arena_printf(a, "%s/%s", base, path);
}

/* ---- namespaces ---- */

static bool same_namespace(const struct stat *st, const char *of, const char *type)
{
	char path[64];
	struct stat host;

	snprintf(path, sizeof path, "/proc/%s/ns/%s", of, type);
	return stat(path, &host) == 0 && host.st_dev == st->st_dev && host.st_ino == st->st_ino;
}

static void look_at_namespace(const struct spec_namespace *n, struct fact_namespace *ret)
{
	static const struct { const char *type, *file; } files[] = {
		{ "network", "net" }, { "mount", "mnt" }, { "pid", "pid" }, { "ipc", "ipc" },
		{ "uts", "uts" }, { "user", "user" }, { "cgroup", "cgroup" }, { "time", "time" },
	};
	struct stat st;

	if (!n->path)
		return;
	if (stat(n->path, &st) < 0) {
		ret->error = errno;
		return;
	}
	for (size_t i = 0; i < sizeof files / sizeof *files; i++)
		if (strcmp(files[i].type, n->type) == 0)
			/* pid 1's may be unreadable; then the runtime's own is the host's best image */
			ret->host = same_namespace(&st, "self", files[i].file) ||
				    same_namespace(&st, "1", files[i].file);
}

/* ---- sockets ---- */

struct socket_list {
	struct strv paths;	/* of listening sockets, resolved as far as their directory */
	bool read;
};

/*
 * Listening sockets of the runtime's network namespace.  A socket's name is what
 * bind(2) was given: its directory may be reached through symbolic links.  In one of
 * /proc/self (our own start sockets are bound by it) "self" was another process: it says
 * nothing of the place.
 */
static void read_sockets(struct arena *a, struct socket_list *ret)
{
	owned_str text = STR_INIT;
	struct err ignored;
	char *line, *rest, *parent = NULL, *parent_real = NULL;

	ret->read = true;
	/* where it cannot be read, the search of the directories remains */
	if (file_read(AT_FDCWD, "/proc/net/unix", 16 << 20, &text, &ignored) < 0 || !text.s)
		return;
	rest = text.s;
	while ((line = strsep(&rest, "\n"))) {
		char *path = strchr(line, '/'), *slash;
		char real[PATH_MAX];
		unsigned flags;

		/* Num: RefCount Protocol Flags Type St Inode Path; 0x10000: it listens */
		if (!path || sscanf(line, "%*s %*x %*x %x", &flags) != 1 || !(flags & 0x10000) ||
		    path_is_beneath(path, "/proc/self") || path_is_beneath(path, "/proc/thread-self"))
			continue;
		slash = strrchr(path, '/');
		*slash = 0;
		if (!parent || strcmp(parent, path) != 0) {
			parent = arena_strdup(a, path);
			parent_real = realpath(*path ? path : "/", real) ? arena_strdup(a, real) : parent;
		}
		strv_add(a, &ret->paths, arena_printf(a, "%s/%s", strcmp(parent_real, "/") == 0 ? "" :
						      parent_real, slash + 1));
	}
}

struct queue {
	struct strv dirs;	/* relative to the source */
	size_t entries;
};

/* One directory: a socket in it, or its subdirectories put into the queue. */
static char *search_dir(struct arena *a, int source, const char *relative, struct queue *q)
{
	owned_fd fd = openat(source, *relative ? relative : ".",
			     O_RDONLY | O_DIRECTORY | O_CLOEXEC | (*relative ? O_NOFOLLOW : 0));
	char buffer[4096] __attribute__((aligned(8)));
	ssize_t n;

	if (fd < 0)
		return NULL;
	while ((n = sys_getdents(fd, buffer, sizeof buffer)) > 0)
		for (ssize_t at = 0; at < n;) {
			const struct sys_dirent *d = (const void *)(buffer + at);
			unsigned char type = d->type;
			struct stat st;

			at += d->size;
			if (++q->entries > SEARCH_ENTRIES)
				return NULL;
			if (strcmp(d->name, ".") == 0 || strcmp(d->name, "..") == 0)
				continue;
			if (type == DT_UNKNOWN &&
			    fstatat(fd, d->name, &st, AT_SYMLINK_NOFOLLOW) == 0)
				type = (unsigned char)IFTODT(st.st_mode);
			if (type == DT_SOCK)
				return arena_printf(a, "%s%s%s", relative, *relative ? "/" : "",
						    d->name);
			if (type == DT_DIR && q->dirs.n < SEARCH_DIRS)
				strv_add(a, &q->dirs, arena_printf(a, "%s%s%s", relative,
								   *relative ? "/" : "", d->name));
		}
	return NULL;
}

static char *find_socket(struct arena *a, const struct fact_mount *f, struct socket_list *sockets)
{
	struct queue q = { 0 };
	char *found;

	if (S_ISSOCK(f->st.st_mode))
		return f->resolved;
	if (!S_ISDIR(f->st.st_mode))
		return NULL;
	if (!sockets->read)
		read_sockets(a, sockets);
	for (size_t i = 0; i < sockets->paths.n; i++)
		if (path_is_beneath(sockets->paths.v[i], f->resolved))
			return sockets->paths.v[i];
	strv_add(a, &q.dirs, "");
	for (size_t i = 0; i < q.dirs.n; i++)
		if ((found = search_dir(a, f->fd, q.dirs.v[i], &q)))
			return arena_printf(a, "%s/%s", strcmp(f->resolved, "/") == 0 ? "" : f->resolved,
					    found);
	return NULL;
}

/* ---- people ---- */

static void add_home(struct arena *a, struct strv *homes, const char *path)
{
	char real[PATH_MAX];

	if (*path != '/' || !path[1])
		return;
	if (strv_find(homes, path) < 0)
		strv_add(a, homes, path);
	if (realpath(path, real) && strv_find(homes, real) < 0)
		strv_add(a, homes, real);
}

/* People, not daemons: those have homes such as /var or /usr/sbin.  Read from the file, since
 * the C library's lookup may ask the network. */
static void read_homes(struct arena *a, struct strv *homes)
{
	owned_str text = STR_INIT;
	struct err ignored;
	const char *home = getenv("HOME");
	char *line, *rest;

	if (home)
		add_home(a, homes, home);
	add_home(a, homes, "/root");
	if (file_read(AT_FDCWD, "/etc/passwd", 16 << 20, &text, &ignored) < 0 || !text.s)
		return;
	rest = text.s;
	while ((line = strsep(&rest, "\n"))) {
		char *field[6] = { 0 };
		unsigned long uid;

		for (int i = 0; i < 6 && line; i++)
			field[i] = strsep(&line, ":");
		if (!field[5])
			continue;
		uid = strtoul(field[2], NULL, 10);
		if (uid == 0 || (uid >= 1000 && uid < 65534))
			add_home(a, homes, field[5]);
	}
}

/* ---- protected places by another name ---- */

static const char *const protected_paths[] = {
	"/", "/etc", "/proc", "/sys", "/dev", "/home", "/root", "/run", NULL,
};

static void find_aliases(struct facts *f)
{
	for (size_t i = 0; protected_paths[i]; i++) {
		struct stat st;

		if (stat(protected_paths[i], &st) < 0)
			continue;
		for (size_t j = 0; j < f->mounts.n; j++)
			if (f->mounts.v[j].fd >= 0 && f->mounts.v[j].st.st_dev == st.st_dev &&
			    f->mounts.v[j].st.st_ino == st.st_ino)
				f->mounts.v[j].same_as = protected_paths[i];
	}
}

/* ---- mounts ---- */

static void look_at_mount(struct arena *a, const struct spec_mount *m, const char *bundle,
			  struct fact_mount *f)
{
	const char *source = absolute(a, bundle, m->source ? m->source : "");
	struct sys_mount mount;

	f->resolved = arena_clean_path(a, source);	/* for what may not be opened */
	f->fd = open(source, O_PATH | O_CLOEXEC);
	if (f->fd < 0 || fstat(f->fd, &f->st) < 0) {
		f->error = errno;
		fd_close(&f->fd);
		return;
	}
	f->resolved = path_of(a, f->fd);
	if (!f->resolved) {
		f->error = ENOENT;
		f->resolved = arena_clean_path(a, source);
		return;
	}
	f->mount_root = sys_mount_of(f->fd, "", AT_EMPTY_PATH, &mount) == 0 && mount.root;
}

static void resolve_roots(struct arena *a, const struct policy *p, struct strv *ret)
{
	for (size_t i = 0; i < p->engine_roots.n; i++) {
		char real[PATH_MAX];

		/* Few hosts have more than one engine; realpath looks at each directory above. */
		if (access(p->engine_roots.v[i], F_OK) == 0 &&
		    realpath(p->engine_roots.v[i], real) && strv_find(ret, real) < 0)
			strv_add(a, ret, real);
	}
}

int facts_gather(struct arena *a, const struct spec *s, const struct policy *p, const char *bundle,
		 struct facts *ret, struct err *e)
{
	struct facts f = { .rootless = p->rootless, .euid = geteuid() };
	struct socket_list sockets = { 0 };
	const struct spec_linux *l = s->linux_;
	char real[PATH_MAX];
	bool binds = false;

	if (!realpath(bundle, real))
		return err_set(e, errno, "bundle %s", bundle);
	f.bundle = arena_strdup(a, real);
	f.rootfs = arena_clean_path(a, absolute(a, f.bundle, s->root && s->root->path ? s->root->path : ""));
	f.mounts.n = s->mounts.n;
	f.mounts.v = arena_array(a, struct fact_mount, s->mounts.n + 1);
	for (size_t i = 0; i < s->mounts.n; i++) {
		f.mounts.v[i].fd = -1;
		f.mounts.v[i].is_bind = spec_mount_is_bind(&s->mounts.v[i]);
		if (!f.mounts.v[i].is_bind)
			continue;
		binds = true;
		look_at_mount(a, &s->mounts.v[i], f.bundle, &f.mounts.v[i]);
		if (f.mounts.v[i].fd >= 0)
			f.mounts.v[i].socket = find_socket(a, &f.mounts.v[i], &sockets);
	}
	f.namespaces.n = l ? l->namespaces.n : 0;
	f.namespaces.v = arena_array(a, struct fact_namespace, f.namespaces.n + 1);
	for (size_t i = 0; i < f.namespaces.n; i++)
		look_at_namespace(&l->namespaces.v[i], &f.namespaces.v[i]);
	if (binds) {
		resolve_roots(a, p, &f.engine_roots);
		read_homes(a, &f.homes);
		find_aliases(&f);
		find_published(a, s, &f);
	}
	*ret = f;
	return 0;
}

void facts_close(struct facts *f)
{
	for (size_t i = 0; i < f->mounts.n; i++)
		fd_close(&f->mounts.v[i].fd);
}
