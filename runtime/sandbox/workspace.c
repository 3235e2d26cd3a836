/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mask.h"
#include "base/str.h"
#include "base/sys.h"
#include "sandbox/mnt.h"
#include "sandbox/rootfs_parts.h"
#include "sandbox/rootpath.h"

/* Beneath the workspace, over no link: errno is ELOOP where there is one. */
static int open_beneath(int dir, const char *path, int flags)
{
	return sys_openat2(dir, path, (uint64_t)(unsigned)(flags | O_CLOEXEC), 0,
			   RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
}

/* ---- guards ---- */

/* The next component of *path ("." and empty ones left out) in `name`; false at the end. */
static bool next_component(const char **path, struct str *name)
{
	for (;;) {
		size_t n;

		*path += strspn(*path, "/");
		n = strcspn(*path, "/");
		if (n == 0)
			return false;
		name->len = 0;
		str_append(name, *path, n);
		*path += n;
		if (strcmp(name->s, ".") != 0)
			return true;
	}
}

static bool is_mount_point(int fd, int dir)
{
	struct sys_mount a, b;

	return sys_mount_of(fd, "", AT_EMPTY_PATH, &a) == 0 &&
	       sys_mount_of(dir, "", AT_EMPTY_PATH, &b) == 0 &&
	       a.id != b.id;
}

/*
 * Binds each directory on the way onto itself: a mount point can't be renamed,
 * else `mv .git x; mkdir -p .git/hooks` would give hooks that nobody guards
 * (THREATS D3).
 */
static int guard(int workspace, const char *guarded, struct err *e)
{
	owned_fd passed = -1;
	owned_str name = STR_INIT, next_name = STR_INIT;
	const char *rest = guarded;
	bool more = next_component(&rest, &name);
	int here = workspace, r;

	if (!more)
		return err_say(e, EINVAL, "guard \"%s\" names the workspace itself", guarded);
	while (more) {
		owned_fd next = open_beneath(here, name.s, O_PATH);
		struct stat st;
		bool last;

		if (next < 0 && (errno == ENOENT || errno == ENOTDIR))
			return 0;
		if (next < 0 && errno == ELOOP)
			return err_say(e, ELOOP, "guard %s: %s is a symbolic link: what it points "
				       "to can't be guarded", guarded, name.s);
		if (next < 0)
			return err_set(e, errno, "guard %s: open %s", guarded, name.s);
		if (fstat(next, &st) < 0)
			return err_set(e, errno, "guard %s: stat %s", guarded, name.s);
		more = next_component(&rest, &next_name);
		last = !more || !S_ISDIR(st.st_mode);
		if (last) {
			if ((r = mnt_bind_over(next, true, MOUNT_ATTR_RDONLY, e)) < 0)
				return err_in(e, "guard %s", guarded);
			return 0;
		}
		if (!is_mount_point(next, here)) {
			if ((r = mnt_bind_over(next, true, 0, e)) < 0)
				return err_in(e, "guard %s: %s", guarded, name.s);
			/* The rest is to be found in the mount, not under it. */
			fd_close(&next);
			next = open_beneath(here, name.s, O_PATH);
			if (next < 0)
				return err_set(e, errno, "guard %s: open %s", guarded, name.s);
		}
		fd_close(&passed);
		here = passed = fd_take(&next);
		name.len = 0;
		str_append(&name, next_name.s, next_name.len);
	}
	return 0;
}

/* ---- masks ---- */

struct inode {
	ino_t ino;
	dev_t dev;		/* 0: any */
};

struct masks {
	int workspace;		/* O_PATH, its top */
	struct strv patterns;	/* trimmed */
	/* What is masked and has another name, which may be in the workspace, too (THREATS D7): sorted for the
	 * second walk, which looks for those. */
	struct { struct inode *v; size_t n, room; } linked;
	bool by_inode;		/* the second walk */
	int covers;		/* a tmpfs with an empty file and an empty directory; -1: not yet */
	dev_t cover_dev;
	bool attached;		/* on top of the workspace, for old kernels */
};

static const char cover_file[] = "file", cover_directory[] = "directory";

static int make_covers(struct masks *m, struct err *e)
{
	static const char *options[] = { "nr_blocks=1", "nr_inodes=4", "mode=0755" };
	const struct mnt_options o = { options, 3 };
	owned_fd fd = -1, file = -1;
	struct stat st;
	mode_t mask;
	int r;

	if ((r = mnt_new("tmpfs", "tmpfs", &o,
			 MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, &fd, e)) < 0)
		return r;
	mask = umask(0);
	/* Readable: a tool that comes across the file finds nothing in it, and goes on. */
	file = openat(fd, cover_file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
	r = file < 0 || mkdirat(fd, cover_directory, 0555) < 0 ? errno : 0;
	umask(mask);
	fd_close(&file);	/* a file open for writing keeps the mount writable */
	if (r)
		return err_set(e, r, "make the covers of masked files");
	if (fstat(fd, &st) < 0)
		return err_set(e, errno, "stat the covers of masked files");
	if ((r = mnt_set(fd, false, MOUNT_ATTR_RDONLY, 0, e)) < 0)
		return r;
	m->cover_dev = st.st_dev;
	m->covers = fd_take(&fd);
	return 0;
}

static int remove_covers(struct masks *m, struct err *e)
{
	if (m->attached &&
	    (fchdir(m->covers) < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0))
		return err_set(e, errno, "unmount the covers of masked files");
	fd_close(&m->covers);
	return 0;
}

static int by_inode(const void *a, const void *b)
{
	const struct inode *x = a, *y = b;

	if (x->ino != y->ino)
		return x->ino < y->ino ? -1 : 1;
	return !x->dev || !y->dev || x->dev == y->dev ? 0 : x->dev < y->dev ? -1 : 1;
}

static bool is_linked(const struct masks *m, dev_t dev, ino_t ino)
{
	const struct inode key = { ino, dev };

	return bsearch(&key, m->linked.v, m->linked.n, sizeof key, by_inode);
}

static void note_link(struct masks *m, const struct stat *st)
{
	if (!S_ISREG(st->st_mode) || st->st_nlink < 2)
		return;
	if (m->linked.n == m->linked.room) {
		m->linked.room = m->linked.room ? 2 * m->linked.room : 16;
		m->linked.v = must(reallocarray(m->linked.v, m->linked.room, sizeof *m->linked.v));
	}
	m->linked.v[m->linked.n++] = (struct inode){ st->st_ino, st->st_dev };
}

/* What lies in a masked directory.  One that cannot be read here cannot be read in the container, either. */
static void note_links_in(struct masks *m, int directory, unsigned depth)
{
	int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *d;
	struct stat st;

	if (!dir)
		return;
	while ((d = readdir(dir))) {
		owned_fd below = -1;

		if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0 ||
		    fstatat(fd, d->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		note_link(m, &st);
		if (S_ISDIR(st.st_mode) && depth < WORKSPACE_DEEP)
			below = open_beneath(fd, d->d_name, O_PATH | O_DIRECTORY);
		if (below >= 0)
			note_links_in(m, below, depth + 1);
	}
	closedir(dir);
}

static int cover(struct masks *m, int target, struct err *e)
{
	owned_fd copy = -1;
	const char *name;
	struct stat st;
	int r;

	if (fstat(target, &st) < 0)
		return err_set(e, errno, "stat");
	if (m->covers < 0 && (r = make_covers(m, e)) < 0)
		return r;
	name = S_ISDIR(st.st_mode) ? cover_directory : cover_file;
	r = mnt_clone(m->covers, name, false, &copy, e);
	if (r == -EINVAL && !m->attached) {
		/* Before Linux 6.15 copies could be made of an attached mount only.  All else here works
		 * on descriptors from before, beneath it. */
		if ((r = mnt_attach(m->covers, m->workspace, e)) < 0)
			return r;
		m->attached = true;
		r = mnt_clone(m->covers, name, false, &copy, e);
	}
	if (r < 0)
		return r;
	return mnt_attach(copy, target, e);
}

/*
 * What the entry is, or what it points to inside the workspace.  A link that
 * leads out or nowhere shows nothing that is inside.
 */
static int mask_entry(struct masks *m, const char *path, struct err *e)
{
	owned_fd target = sys_openat2(m->workspace, path, O_PATH | O_CLOEXEC, 0,
				      RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS);
	struct stat st, top;

	if (target < 0 && (errno == ENOENT || errno == ENOTDIR || errno == EXDEV ||
			   errno == ELOOP))
		return 0;
	if (target < 0)
		return err_set(e, errno, "mask %s", path);
	if (fstat(target, &st) < 0 || fstat(m->workspace, &top) < 0)
		return err_set(e, errno, "mask %s: stat", path);
	if (st.st_dev == top.st_dev && st.st_ino == top.st_ino)
		return err_say(e, EINVAL, "mask %s: that is the workspace itself", path);
	if ((m->covers >= 0 && st.st_dev == m->cover_dev) ||	/* another pattern matched, too */
	    (m->by_inode && !is_linked(m, st.st_dev, st.st_ino)))
		return 0;
	if (S_ISDIR(st.st_mode))
		note_links_in(m, target, 1);
	else if (!m->by_inode)
		note_link(m, &st);
	if (cover(m, target, e) < 0)
		return err_in(e, "mask %s", path);
	return 0;
}

static bool any_matches(const struct masks *m, const char *path)
{
	for (size_t i = 0; i < m->patterns.n; i++)
		if (mask_matches(m->patterns.v[i], path))
			return true;
	return false;
}

static int walk(struct masks *m, int dir_fd, struct str *path, unsigned depth, struct err *e);

static int visit(struct masks *m, int dir_fd, const struct dirent *d, struct str *path,
		 unsigned depth, struct err *e)
{
	owned_fd below = -1;

	if (m->by_inode ? is_linked(m, 0, d->d_ino) : any_matches(m, path->s))
		return mask_entry(m, path->s, e);
	if ((d->d_type != DT_DIR && d->d_type != DT_UNKNOWN) || depth >= WORKSPACE_DEEP ||
	    (!m->by_inode && mask_passes_by(d->d_name)))
		return 0;
	below = open_beneath(dir_fd, d->d_name, O_RDONLY | O_DIRECTORY);
	if (below < 0 && (errno == ENOTDIR || errno == ELOOP || errno == ENOENT))
		return 0;
	if (below < 0)
		return err_set(e, errno, "look for masked files in %s", path->s);
	return walk(m, fd_take(&below), path, depth + 1, e);
}

/* Owns dir_fd. */
static int walk(struct masks *m, int dir_fd, struct str *path, unsigned depth, struct err *e)
{
	DIR *dir = fdopendir(dir_fd);
	size_t length = path->len;
	struct dirent *d;
	int r = 0;

	if (!dir) {
		r = err_set(e, errno, "open directory %s", str_text(path));
		close(dir_fd);
		return r;
	}
	while (r == 0 && (errno = 0, d = readdir(dir))) {
		if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
			continue;
		str_printf(path, "%s%s", length ? "/" : "", d->d_name);
		r = visit(m, dirfd(dir), d, path, depth, e);
		path->len = length;
		path->s[length] = '\0';
	}
	if (r == 0 && errno)
		r = err_set(e, errno, "read directory %s", str_text(path));
	closedir(dir);
	return r;
}

static int walk_all(struct masks *m, struct err *e)
{
	owned_str path = STR_INIT;
	int top = open_beneath(m->workspace, ".", O_RDONLY | O_DIRECTORY);

	if (top < 0)
		return err_set(e, errno, "open the workspace");
	return walk(m, top, &path, 1, e);
}

static int mask_all(struct masks *m, struct err *e)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < m->patterns.n; i++)
		if (mask_is_plain(m->patterns.v[i]))
			r = mask_entry(m, m->patterns.v[i] + (*m->patterns.v[i] == '/'), e);
	/* Those, too, match without case. */
	if (r == 0 && m->patterns.n)
		r = walk_all(m, e);
	if (r < 0 || !m->linked.n)
		return r;
	qsort(m->linked.v, m->linked.n, sizeof *m->linked.v, by_inode);
	m->by_inode = true;
	return walk_all(m, e);
}

/* ---- both ---- */

int workspace_protect(int root_fd, const struct spec_workspace *w, struct err *e)
{
	struct masks m = { .workspace = -1, .covers = -1 };
	owned_arena a = ARENA_INIT;
	owned_fd top = -1;
	struct stat st;
	struct err second;
	int r;

	if (!w->destination || (!w->guard.n && !w->mask.n))
		return 0;
	if ((r = rootpath_open(root_fd, w->destination, O_PATH, &top, e)) < 0)
		return r;
	if (fstat(top, &st) < 0)
		return err_set(e, errno, "stat %s", w->destination);
	if (!S_ISDIR(st.st_mode))
		return 0;	/* a single file has nothing inside */
	/* What is mounted inside must not show on the host, where the mount came from. EINVAL: it is
	 * no mount of its own, and as private as the root. */
	r = mnt_propagate(top, true, MS_SLAVE, e);
	if (r < 0 && r != -EINVAL)
		return err_in(e, "%s", w->destination);
	forgive(e);

	m.workspace = top;
	for (size_t i = 0; i < w->mask.n; i++) {
		const char *pattern = mask_trim(&a, w->mask.v[i]);

		if (*pattern)
			strv_add(&a, &m.patterns, pattern);
	}
	r = mask_all(&m, e);
	free(m.linked.v);
	if (remove_covers(&m, r < 0 ? &second : e) < 0 && r == 0)
		r = -e->code;
	if (r < 0)
		return r;
	for (size_t i = 0; i < w->guard.n; i++)
		if ((r = guard(top, w->guard.v[i], e)) < 0)
			return r;
	return 0;
}
