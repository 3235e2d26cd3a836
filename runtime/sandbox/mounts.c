/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/sys.h"
#include "sandbox/idmap.h"
#include "sandbox/mnt.h"
#include "sandbox/overlay.h"
#include "sandbox/rootfs_parts.h"
#include "sandbox/rootpath.h"
#include "sandbox/selinux.h"

enum { PROC_ROOT_INO = 1 };	/* the inode of every procfs's and every sysfs's root */

const char *const *rootfs_mount_options(void)
{
	return mountopt_names();
}

static bool names(const char *path, const char *expected)
{
	size_t n = strlen(path);

	while (n > 1 && path[n - 1] == '/')
		n--;
	return n == strlen(expected) && strncmp(path, expected, n) == 0;
}

static bool is_fs_root(int fd, unsigned long magic)
{
	struct statfs fs;
	struct stat st;

	return fstatfs(fd, &fs) == 0 && (unsigned long)fs.f_type == magic && fstat(fd, &st) == 0 &&
	       st.st_ino == PROC_ROOT_INO;
}

/* ---- sources of bind mounts ---- */

/*
 * The object that the policy judged.  A descriptor from another mount
 * namespace (the parent's) can't be cloned here; then the name is looked up
 * again and has to lead to the same inode, which can't be reused while the
 * descriptor holds it (THREATS D2).
 */
static int clone_judged(const struct spec_mount *m, bool recursive, int *ret_fd, struct err *e)
{
	struct stat judged, found;
	owned_fd tree = -1;
	int r;

	if (mnt_clone(m->source_fd, "", recursive, ret_fd, e) == 0)
		return 0;
	if (e->code != EINVAL)
		return err_in(e, "source %s", m->source);
	forgive(e);
	if ((r = mnt_clone(AT_FDCWD, m->source, recursive, &tree, e)) < 0)
		return r;
	if (fstat(m->source_fd, &judged) < 0 || fstat(tree, &found) < 0)
		return err_set(e, errno, "stat source %s", m->source);
	if (judged.st_dev != found.st_dev || judged.st_ino != found.st_ino)
		return err_say(e, ESTALE, "source %s was replaced after the policy judged it",
			       m->source);
	*ret_fd = fd_take(&tree);
	return 0;
}

static int clone_source(const struct spec_mount *m, bool recursive, int *ret_fd, struct err *e)
{
	int fd;

	if (m->source_fd >= 0)
		return clone_judged(m, recursive, ret_fd, e);
	if (!m->source || !*m->source)
		return err_say(e, EINVAL, "a bind mount needs a source");
	fd = sys_open_tree(AT_FDCWD, m->source, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC |
			   (recursive ? AT_RECURSIVE : 0));
	if (fd < 0)
		return err_set(e, errno, "source %s", m->source);
	*ret_fd = fd;
	return 0;
}

static bool has_id(int64_t first, const struct spec_id_mapping *m, int64_t id)
{
	return id >= first && id - first < m->size;
}

/* With the host's root, whom the map may leave out: as itself, or as one whom no file belongs to. */
static spec_id_mappings with_root(struct arena *a, const spec_id_mappings *ids)
{
	enum { NOBODY = 0xfffffffd };
	spec_id_mappings more = { arena_array(a, struct spec_id_mapping, ids->n + 1), ids->n };
	int64_t root = 0;

	for (size_t i = 0; i < ids->n; i++) {
		more.v[i] = ids->v[i];
		if (has_id(ids->v[i].host_id, &ids->v[i], 0))
			return *ids;
		if (has_id(ids->v[i].container_id, &ids->v[i], 0))
			root = NOBODY;
	}
	more.v[more.n++] = (struct spec_id_mapping){ root, 0, 1 };
	return more;
}

/* The user namespace of the entry's maps, or with the option alone of those of the container's; -1: none. */
static int map_namespace(const struct spec_mount *m, const struct mountopt *o,
			 const struct spec_linux *l, bool overlay, int *ret_fd, struct err *e)
{
	const spec_id_mappings *uid = &m->uid_mappings, *gid = &m->gid_mappings;
	owned_arena a = ARENA_INIT;
	spec_id_mappings uid_and_root, gid_and_root;

	*ret_fd = -1;
	if (!uid->n && !gid->n && !o->idmap)
		return 0;
	if (!uid->n && !gid->n && l) {
		uid = &l->uid_mappings;
		gid = &l->gid_mappings;
	}
	if (!uid->n || !gid->n)
		return err_say(e, EINVAL, "an id-mapped mount needs uidMappings and gidMappings");
	/* The kernel works in the layers as root does who mounts. */
	if (overlay) {
		uid_and_root = with_root(&a, uid);
		gid_and_root = with_root(&a, gid);
		uid = &uid_and_root;
		gid = &gid_and_root;
	}
	return idmap_userns_fd(uid->v, uid->n, gid->v, gid->n, ret_fd, e);
}

static int map_ids(int tree, const struct spec_mount *m, const struct mountopt *o,
		   const struct spec_linux *l, struct err *e)
{
	owned_fd userns = -1;
	int r = map_namespace(m, o, l, false, &userns, e);

	return r < 0 || userns < 0 ? r : mnt_idmap(tree, o->recursive_idmap, userns, e);
}

/* The view of a copy-on-write workspace; lower_fd: its source, in the caller's mount namespace. */
static int open_overlay(int lower_fd, const struct spec_mount *m, const struct mountopt *o,
			const struct spec_linux *l, int *ret_fd, struct err *e)
{
	owned_fd userns = -1;
	int r = map_namespace(m, o, l, true, &userns, e);

	return r < 0 ? r : overlay_new(lower_fd, m->store, m->store_user_xattr, userns, ret_fd, e);
}

/* The source as a detached tree with its id map. */
static int open_source(const struct spec_mount *m, const struct mountopt *o,
		       const struct spec_linux *l, int *ret_fd, struct err *e)
{
	owned_fd tree = -1;
	int r;

	if ((r = clone_source(m, o->recursive_bind, &tree, e)) < 0 ||
	    (r = map_ids(tree, m, o, l, e)) < 0)
		return r;
	*ret_fd = fd_take(&tree);
	return 0;
}

int rootfs_open_sources(struct arena *a, const struct spec *s, bool has_userns, const int **ret,
			struct err *e)
{
	int *sources = arena_array(a, int, s->mounts.n + 1);

	for (size_t i = 0; i < s->mounts.n; i++)
		sources[i] = -1;
	for (size_t i = 0; i < s->mounts.n; i++) {
		const struct spec_mount *m = &s->mounts.v[i];
		struct mountopt o;
		int r;

		if (!has_userns && !m->store)
			continue;
		if ((r = mountopt_parse(a, &m->options, &o, e)) == 0 && m->store)
			r = open_overlay(m->source_fd, m, &o, s->linux_, &sources[i], e);
		else if (r == 0 && o.bind && !o.remount)
			r = open_source(m, &o, s->linux_, &sources[i], e);
		if (r == -EPERM) {	/* init may have the right that we lack */
			forgive(e);
			continue;
		}
		/* A slave, as everything is that a new user namespace inherits: what is mounted
		 * in the container must not show on the host. */
		if (r == 0 && sources[i] >= 0)
			r = mnt_propagate(sources[i], true, MS_SLAVE, e);
		if (r < 0) {
			rootfs_close_sources(sources, s);
			return err_in(e, "mounts[%zu]", i);
		}
	}
	*ret = sources;
	return 0;
}

void rootfs_close_sources(const int *sources, const struct spec *s)
{
	for (size_t i = 0; sources && i < s->mounts.n; i++)
		if (sources[i] >= 0)
			close(sources[i]);
}

/* ---- targets ---- */

/*
 * Files that may be mounted over in /proc, because LXCFS and engines do so.
 * Anything else there could feed security-relevant reads and writes of the
 * runtime and of the container (CVE-2019-16884, CVE-2025-52881).
 */
static const char *const proc_files[] = {
	"/cpuinfo", "/diskstats", "/meminfo", "/stat", "/swaps", "/uptime", "/loadavg",
	"/slabinfo", "/sys/kernel/ns_last_pid", "/sys/crypto/fips_enabled",
};

/* Where fd is below the root of its procfs; "" if that can't be told. */
static void path_in_proc(int root_fd, int fd, char *ret, size_t size)
{
	char link[64], root[PATH_MAX], path[PATH_MAX];
	ssize_t n, m;

	*ret = '\0';
	snprintf(link, sizeof link, "/proc/self/fd/%d", root_fd);
	n = readlink(link, root, sizeof root - 1);
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	m = readlink(link, path, sizeof path - 1);
	if (n <= 0 || m <= 0)
		return;
	root[n] = path[m] = '\0';
	if (n == 1)
		n = 0;
	if (strncmp(path, root, (size_t)n) == 0 && str_has_prefix(path + n, "/proc/"))
		snprintf(ret, size, "%s", path + n + strlen("/proc"));
}

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Whether st is what the root has at that place. */
static bool is_at(const struct rootfs *r, const char *path, const struct stat *st)
{
	struct err ignored;
	owned_fd fd = -1;
	struct stat there;

	return rootpath_open_plain(r->root_fd, path, O_PATH, &fd, &ignored) == 0 &&
	       fstat(fd, &there) == 0 && is_same(st, &there);
}

/*
 * Whether st is what the root has at that place, by whatever name it was reached.  plain: no link was on
 * the way, and the name tells.
 */
static bool is_place(const struct rootfs *r, const struct spec_mount *m, bool plain,
		     const struct stat *st, const char *place)
{
	return plain && !strstr(m->destination, "//") && !strstr(m->destination, "/.") ?
	       names(m->destination, place) : is_at(r, place, st);
}

/* st: of target; source: the tree that is to be mounted there, -1 for a new file system. */
static int check_target(const struct rootfs *r, const struct spec_mount *m, int target,
			const struct stat *st, bool plain, int source, struct err *e)
{
	static const struct { const char *path, *type; long magic; } specials[] = {
		{ "/proc", "proc", PROC_SUPER_MAGIC },
		{ "/sys", "sysfs", SYSFS_MAGIC },
	};
	struct statfs fs;
	char below[PATH_MAX];

	if (fstatfs(target, &fs) < 0)
		return err_set(e, errno, "stat %s", m->destination);
	if (is_place(r, m, plain, st, "/"))
		return err_say(e, EINVAL, "destination %s is the root itself", m->destination);
	for (size_t i = 0; i < sizeof specials / sizeof *specials; i++) {
		if (!is_place(r, m, plain, st, specials[i].path))
			continue;
		if (source >= 0 ? is_fs_root(source, specials[i].magic) :
		    str_equal(m->type, specials[i].type))
			return 0;
		return err_say(e, EPERM, "%s is %s: only %s itself may be mounted there",
			       m->destination, specials[i].path,
			       i == 0 ? "procfs" : specials[i].type);
	}
	if (fs.f_type != PROC_SUPER_MAGIC)
		return 0;
	path_in_proc(r->root_fd, target, below, sizeof below);
	for (size_t i = 0; i < sizeof proc_files / sizeof *proc_files; i++)
		if (strcmp(below, proc_files[i]) == 0)
			return 0;
	return err_say(e, EPERM, "%s is inside /proc", m->destination);
}

/* In the words that callers of runc look for. */
static int open_plain(const struct rootfs *r, const struct spec_mount *m, int *ret_fd,
		      struct err *e)
{
	int x = rootpath_open_plain(r->root_fd, m->destination, O_PATH, ret_fd, e);

	return x == -ELOOP ? err_in(e, "must be mounted on ordinary directory") : x;
}

/*
 * Resolved once, to a descriptor that everything after uses.  No link may lead
 * to /proc, /sys and /dev: an image whose /dev is a link would have what comes
 * after land elsewhere (CVE-2019-19921, CVE-2026-41579).
 */
static int open_target(const struct rootfs *r, const struct spec_mount *m, int source,
		       int *ret_fd, struct err *e)
{
	static const char *const plain[] = { "/proc", "/sys", "/dev" };
	enum rootpath_kind kind = ROOTPATH_DIRECTORY;
	owned_fd target = -1, ensured = -1;
	bool must_be_plain = str_equal(m->type, "proc") || str_equal(m->type, "sysfs"), told;
	struct stat st;
	int x;

	if (source >= 0) {
		if (fstat(source, &st) < 0)
			return err_set(e, errno, "stat source %s", m->source);
		if (!S_ISDIR(st.st_mode))
			kind = ROOTPATH_FILE;
	}
	for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
		must_be_plain |= names(m->destination, plain[i]);
	x = open_plain(r, m, &target, e);
	if (x < 0 && x != -ENOENT && must_be_plain)
		return x;
	if (x < 0)
		forgive(e);
	else if (fstat(target, &st) < 0 || !S_ISDIR(st.st_mode) != (kind == ROOTPATH_FILE))
		fd_close(&target);	/* the wrong kind: let it be said below */
	told = target >= 0;
	if (target < 0) {
		if ((x = rootpath_ensure(r->root_fd, m->destination, kind, &ensured, e)) < 0)
			return x;
		/* once more: a neighbour may have put a link where nothing was */
		x = open_plain(r, m, &target, e);
		if (x < 0 && must_be_plain)
			return x;
		if (x < 0) {
			forgive(e);
			target = fd_take(&ensured);
		}
		told = x == 0;
		if (fstat(target, &st) < 0)
			return err_set(e, errno, "stat %s", m->destination);
	}
	if ((x = check_target(r, m, target, &st, told, source, e)) < 0)
		return x;
	*ret_fd = fd_take(&target);
	return 0;
}

/* ---- the mounts ---- */

/*
 * File systems that a user namespace may only mount if it also owns the
 * namespace which they show.  The host's, with everything mounted on it, then
 * takes their place, under the attributes that were asked for.
 */
static const struct stand_in {
	const char *type, *host, *namespace;
	bool even_if_own;	/* a network namespace joined by path may belong to a parent */
} stand_ins[] = {
	{ "sysfs", "/sys", "network", true },
	{ "proc", "/proc", "pid", false },
	{ "mqueue", "/dev/mqueue", "ipc", false },
};

static const struct stand_in *stand_in_for(const struct rootfs *r, const struct spec *s,
					   const char *type, int error)
{
	if (!r->in_userns || (error != -EPERM && error != -EBUSY))
		return NULL;
	for (size_t i = 0; i < sizeof stand_ins / sizeof *stand_ins; i++)
		if (strcmp(stand_ins[i].type, type) == 0 &&
		    (stand_ins[i].even_if_own || !spec_namespace_find(s, stand_ins[i].namespace)))
			return &stand_ins[i];
	return NULL;
}

/* Types with one superblock for many mounts (a read-only one would make all of them so), and tmpfs,
 * whose only mount is made read-only. */
static bool read_only_by_mount(const char *type)
{
	static const char *const types[] = {
		"cgroup", "cgroup2", "devpts", "mqueue", "proc", "sysfs", "tmpfs",
	};

	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (strcmp(type, types[i]) == 0)
			return true;
	return false;
}

/* MOUNT_ATTR_* of a new mount as MS_* for mount(2). */
static unsigned long mount_flags(uint64_t attributes)
{
	static const struct { uint64_t attribute; unsigned long flag; } map[] = {
		{ MOUNT_ATTR_RDONLY, MS_RDONLY }, { MOUNT_ATTR_NOSUID, MS_NOSUID },
		{ MOUNT_ATTR_NODEV, MS_NODEV }, { MOUNT_ATTR_NOEXEC, MS_NOEXEC },
		{ MOUNT_ATTR_NOATIME, MS_NOATIME }, { MOUNT_ATTR_STRICTATIME, MS_STRICTATIME },
		{ MOUNT_ATTR_NODIRATIME, MS_NODIRATIME },
		{ MOUNT_ATTR_NOSYMFOLLOW, MS_NOSYMFOLLOW },
	};
	unsigned long flags = 0;

	for (size_t i = 0; i < sizeof map / sizeof *map; i++)
		if (attributes & map[i].attribute)
			flags |= map[i].flag;
	return flags;
}

/*
 * mount(2), for options that are too long for fsconfig(2): an overlay of many
 * layers.  It still mounts onto the target's descriptor; only the new mount's
 * own descriptor has to be looked up by name, and is believed if the directory
 * above it is the one above the target.
 */
static int mount_long(const struct rootfs *r, const struct spec_mount *m, const struct mountopt *o,
		      int target, int *ret_fd, struct err *e)
{
	owned_fd mounted = -1;
	owned_str data = STR_INIT;
	struct stat above, above_new;
	char path[64];
	int x;

	for (size_t i = 0; i < o->data.n; i++) {
		const char *text = o->data.v[i];
		/* "context=...:c1,c2": SELinux takes the quotes away */
		size_t quoted = str_has_prefix(text, "context=") ? strlen("context=") : 0;

		str_printf(&data, quoted ? "%s%.*s\"%s\"" : "%s%.*s%s", i ? "," : "", (int)quoted,
			   text, text + quoted);
	}
	snprintf(path, sizeof path, "/proc/self/fd/%d", target);
	if (mount(m->source ? m->source : "none", path, m->type, mount_flags(o->set),
		  str_text(&data)) < 0)
		return err_set(e, errno, "%s", m->type);
	if ((x = rootpath_open(r->root_fd, m->destination, O_PATH, &mounted, e)) < 0)
		return x;
	if (fstatat(target, "..", &above, 0) < 0 || fstatat(mounted, "..", &above_new, 0) < 0)
		return err_set(e, errno, "stat %s", m->destination);
	if (above.st_dev != above_new.st_dev || above.st_ino != above_new.st_ino)
		return err_say(e, ESTALE, "%s was replaced while it was mounted", m->destination);
	*ret_fd = fd_take(&mounted);
	return 0;
}

/* A new file system, attached; or what stands in for it. */
static int mount_new(const struct rootfs *r, const struct spec *s, const struct spec_mount *m,
		     struct mountopt *o, int target, int *ret_fd, struct err *e)
{
	const struct stand_in *instead;
	owned_fd fd = -1;
	uint64_t at_once = o->set;
	int x;

	if (o->tmpcopyup)
		at_once &= ~(uint64_t)MOUNT_ATTR_RDONLY;
	x = mnt_new(m->type, m->source, &o->data, at_once, &fd, e);
	if (x == -E2BIG) {
		forgive(e);
		return mount_long(r, m, o, target, ret_fd, e);
	}
	if (x < 0 && (instead = stand_in_for(r, s, m->type, x))) {
		forgive(e);
		if ((x = mnt_clone(AT_FDCWD, instead->host, true, &fd, e)) < 0 ||
		    (x = mnt_set(fd, true, o->set, 0, e)) < 0)
			return err_in(e, "the host's %s", instead->host);
	}
	if (x < 0)
		return x;
	if (o->tmpcopyup && ((x = copyup(target, fd, e)) < 0 ||
			     (x = mnt_set(fd, false, o->set, 0, e)) < 0))
		return err_in(e, "tmpcopyup");
	if ((x = map_ids(fd, m, o, s->linux_, e)) < 0 ||
	    (x = mnt_set(fd, true, o->recursive_set, o->recursive_clear, e)) < 0 ||
	    (x = mnt_attach(fd, target, e)) < 0)
		return x;
	*ret_fd = fd_take(&fd);
	return 0;
}

static int mount_bind(const struct mountopt *o, bool exactly, int tree, int target, struct err *e)
{
	int r;

	r = exactly && (o->set || o->clear || o->flags) ? mnt_set_exactly(tree, o->set, o->clear, e) :
		mnt_set(tree, false, o->set, o->clear, e);
	if (r < 0 || (r = mnt_set(tree, true, o->recursive_set, o->recursive_clear, e)) < 0)
		return r;
	return mnt_attach(tree, target, e);
}

/* Where the runtime had no right to: what was just attached is in this mount namespace, as a layer must
 * be.  *tree becomes the overlay on top of it. */
static int cover_by_overlay(const struct spec_mount *m, const struct mountopt *o,
			    const struct spec_linux *l, int *tree, struct err *e)
{
	owned_fd overlay = -1;
	int r;

	/* Whoever takes the overlay off, with the rights of the container's user namespace, finds nothing that
	 * can be written to. */
	if ((r = mnt_set(*tree, true, MOUNT_ATTR_RDONLY, 0, e)) < 0 ||
	    (r = mnt_propagate(*tree, true, MS_PRIVATE, e)) < 0 ||
	    (r = open_overlay(*tree, m, o, l, &overlay, e)) < 0 ||
	    (r = mount_bind(o, false, overlay, *tree, e)) < 0)
		return r;
	fd_close(tree);
	*tree = fd_take(&overlay);
	return 0;
}

static int check_options(const struct spec_mount *m, const struct mountopt *o, struct err *e)
{
	if (o->remount && o->data.n)
		return err_say(e, EINVAL, "option \"%s\" can't be changed by remount",
			       o->data.v[0]);
	if (o->remount)
		return 0;
	if (!o->bind && (!m->type || !*m->type || strcmp(m->type, "none") == 0))
		return err_say(e, EINVAL, "no type, and no option bind or rbind");
	if (!o->bind && strcmp(m->type, "bind") == 0)
		return err_say(e, ENODEV, "type bind needs the option bind or rbind");
	if (o->tmpcopyup && (o->bind || strcmp(m->type, "tmpfs") != 0))
		return err_say(e, EINVAL, "option \"tmpcopyup\" needs type tmpfs");
	/* Options of a file system pass without effect on a bind mount, as with mount(8). */
	return 0;
}

static bool exists(const struct rootfs *r, const char *path)
{
	struct err ignored;
	owned_fd fd = -1;

	return rootpath_open(r->root_fd, path, O_PATH, &fd, &ignored) == 0;
}

/* As under runc: what covers an existing directory has its mode (/tmp 1777, /run 0755). */
static void add_mode_of(struct arena *a, int target, struct mountopt *o)
{
	struct stat st;

	if (fstat(target, &st) == 0)
		mountopt_add_data(a, o, arena_printf(a, "mode=%04o", st.st_mode & 07777));
}

static bool is_cgroup(const struct spec_mount *m)
{
	return m->type && (strcmp(m->type, "cgroup") == 0 || strcmp(m->type, "cgroup2") == 0);
}

static int mount_one(struct arena *a, struct rootfs *r, const struct spec *s, size_t i,
		     struct err *e)
{
	const struct spec_mount *m = &s->mounts.v[i];
	const char *label = s->linux_ ? s->linux_->mount_label : NULL;
	owned_fd tree = -1, target = -1, mounted = -1;
	struct mountopt o;
	bool late;
	int x;

	if ((x = mountopt_parse(a, &m->options, &o, e)) < 0 || (x = check_options(m, &o, e)) < 0)
		return x;
	/* Devices and mount points may still have to be made there; rootfs_finish() closes it. */
	late = !o.bind && !o.remount && (o.set & MOUNT_ATTR_RDONLY) &&
	       (names(m->destination, "/dev") || strcmp(m->type, "tmpfs") == 0);
	if (late)
		o.set &= ~(uint64_t)MOUNT_ATTR_RDONLY;

	if (o.remount) {
		if ((x = rootpath_open(r->root_fd, m->destination, O_PATH, &mounted, e)) < 0 ||
		    (x = mnt_set(mounted, false, o.set, o.clear, e)) < 0 ||
		    (x = mnt_set(mounted, true, o.recursive_set, o.recursive_clear, e)) < 0)
			return x;
	} else if (o.bind) {
		if (r->sources && r->sources[i] >= 0) {
			tree = fcntl(r->sources[i], F_DUPFD_CLOEXEC, 0);
			if (tree < 0)
				return err_set(e, errno, "duplicate source %s", m->source);
		} else if ((x = open_source(m, &o, s->linux_, &tree, e)) < 0) {
			return x;
		}
		if ((x = open_target(r, m, tree, &target, e)) < 0 ||
		    (x = mount_bind(&o, rootfs_sets_exactly(r, s), tree, target, e)) < 0)
			return x;
		if (m->store && (!r->sources || r->sources[i] < 0) &&
		    (x = cover_by_overlay(m, &o, s->linux_, &tree, e)) < 0)
			return x;
		mounted = fd_take(&tree);
	} else {
		bool existed = strcmp(m->type, "tmpfs") == 0 && exists(r, m->destination);

		if ((x = open_target(r, m, -1, &target, e)) < 0)
			return x;
		if ((o.set & MOUNT_ATTR_RDONLY) && !read_only_by_mount(m->type))
			mountopt_add_data(a, &o, "ro");
		if (existed && !mountopt_has_data(&o, "mode"))
			add_mode_of(a, target, &o);
		selinux_mount_option(a, m->type, label, &o);
		if (is_cgroup(m))
			x = cgroupmnt_attach(r, m->type, &o, s->agent, target, &mounted, e);
		else
			x = mount_new(r, s, m, &o, target, &mounted, e);
		if (x < 0 || (x = selinux_label_mount(m->type, label, mounted, e)) < 0)
			return x;
	}
	/* What is bound is a slave of the host's so far.  As under runc and crun the container sees
	 * what the host mounts there later only if that was asked for. */
	if (!o.n_propagation && (o.bind || is_cgroup(m)) &&
	    (x = mnt_propagate(mounted, true, MS_PRIVATE, e)) < 0)
		return x;
	for (size_t k = 0; k < o.n_propagation; k++)
		if ((x = mnt_propagate(mounted, o.propagation[k].recursive, o.propagation[k].how,
				       e)) < 0)
			return x;
	if (late)
		r->late[r->n_late++] = fd_take(&mounted);
	return 0;
}

int rootfs_mount_all(struct rootfs *r, const struct spec *s, struct err *e)
{
	owned_arena a = ARENA_INIT;

	r->late = must(calloc(s->mounts.n + 1, sizeof *r->late));
	for (size_t i = 0; i < s->mounts.n; i++)
		if (mount_one(&a, r, s, i, e) < 0)
			return err_in(e, "mounts[%zu]", i);
	return 0;
}
