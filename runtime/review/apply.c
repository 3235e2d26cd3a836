/* SPDX-License-Identifier: Apache-2.0 */
#include "review/apply.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/sys.h"
#include "review/diff.h"
#include "review/tree.h"

enum {
	COPY_CHUNK = 1 << 16,
	NAMED_MOST = 6, NAMED_BYTES = 300,
	/* Files that are written to disk together: no fewer, no more, and no more bytes. */
	BATCH_LEAST = 16, BATCH_MOST = 1024, BATCH_BYTES = 64 << 20,
};

/* ---- what keeps a change from being applied ---- */

enum obstacle { REFUSED, CONFLICT, ENTANGLED, UNREVIEWED, RUNS, OBSTACLES };

static const struct {
	const char *what, *remedy;
} obstacles[OBSTACLES] = {
	[REFUSED] = { "can never be applied", "--skip leaves these out" },
	[CONFLICT] = { "in conflict with the host", "--skip keeps the host's, --overwrite takes the "
		       "container's" },
	[ENTANGLED] = { "in conflict with the host by more than their own content",
			"--skip keeps the host's; what is there can be moved away by hand" },
	[UNREVIEWED] = { "not as recorded when the container was deleted", "look at `agentrun "
			 "workspace diff` again, and give its digest with --reviewed" },
	[RUNS] = { "may run code on this host", "look at them; then --allow-exec applies them, or "
		   "--interactive asks for each" },
};

static bool as_reviewed(const struct changes *reviewed, const struct change *c)
{
	const struct change *then = reviewed ? changes_find(reviewed, c->path) : c;

	return then && then->new_mode == c->new_mode && strcmp(then->new_hash, c->new_hash) == 0 &&
	       (!then->old_mode || c->old_mode || S_ISDIR(c->new_mode));
}

/* What hinders it: an obstacle, or OBSTACLES; *ret_why says more. */
static enum obstacle obstacle_of(const struct change *c, const struct changes *reviewed,
				 bool allow_exec, const char **ret_why)
{
	*ret_why = c->refused;
	if (*ret_why)
		return REFUSED;
	*ret_why = c->conflict;
	if (*ret_why)
		return c->overwritable ? CONFLICT : ENTANGLED;
	*ret_why = "changed since";
	if (!as_reviewed(reviewed, c))
		return UNREVIEWED;
	*ret_why = c->runs;
	return c->runs && !allow_exec ? RUNS : OBSTACLES;
}

const char *apply_hindrance(const struct change *c, const struct changes *reviewed)
{
	const char *why;

	return obstacle_of(c, reviewed, true, &why) < OBSTACLES ? why : NULL;
}

/* Of those that have it: how many, and the first of them, with what to do. */
static size_t name_them(const struct changes *c, const struct changes *reviewed, bool allow_exec,
			enum obstacle by, struct str *out)
{
	owned_str names = STR_INIT;
	size_t n = 0, named = 0;

	for (size_t i = 0; i < c->n; i++) {
		const char *why;

		if (obstacle_of(&c->v[i], reviewed, allow_exec, &why) != by)
			continue;
		if (n++ == named && named < NAMED_MOST && names.len < NAMED_BYTES) {
			diff_line(&c->v[i], why, &names);
			named++;
		}
	}
	if (!n)
		return 0;
	str_printf(out, "%s%zu of %zu changes %s:\n%s", out->len ? "\n" : "", n, c->n, obstacles[by].what,
		   names.s);
	if (n > named)
		str_printf(out, "  ... and %zu more\n", n - named);
	str_puts(out, obstacles[by].remedy);
	return n;
}

int apply_check(const struct changes *c, const struct changes *reviewed, bool allow_exec,
		struct err *e)
{
	owned_str text = STR_INIT;
	enum obstacle last = OBSTACLES;

	for (enum obstacle by = 0; by < OBSTACLES; by++)
		if (name_them(c, reviewed, allow_exec, by, &text))
			last = by;
	return text.len ? err_say(e, last == RUNS ? EPERM : EINVAL, "nothing was applied: %s", text.s) : 0;
}

/* ---- one entry ---- */

struct applier {
	bool rootless;
	int upper, workspace;
	const char *prefix;	/* of the names of what is not finished */
	struct changes *done;
	/* Files that are made, and wait to be on disk before they get their places; NULL: none does. */
	const struct change **made;
	size_t n_made;
	uint64_t bytes;
	int disk;		/* for syncfs(2) */
	struct err *e;
};

/* Where an entry is: its directory, opened, and its name there. */
struct place {
	int dir;		/* owned */
	struct stat st;		/* of the directory */
	const char *name;
	char temporary[NAME_MAX];	/* its name while it is not finished, the same whenever it is run again */
};
#define owned_place __attribute__((cleanup(place_close))) struct place

static void place_close(struct place *p)
{
	fd_close(&p->dir);
}

static int place_open(const struct applier *x, const char *path, struct place *ret)
{
	const char *slash = strrchr(path, '/');
	owned_entry above = ENTRY_INIT;
	owned_str directory = STR_INIT;
	char name[HASH_HEX];
	int r;

	str_append(&directory, path, slash ? (size_t)(slash - path) : 0);
	if ((r = entry_look(x->workspace, directory.s, &above)) < 0)
		return err_set(x->e, -r, "open its directory");
	if (above.fd < 0 || !S_ISDIR(above.st.st_mode))
		return err_say(x->e, ENOTDIR, "its directory is not there (any more)");
	*ret = (struct place){ fd_take(&above.fd), above.st, slash ? slash + 1 : path, "" };
	hash_hex(name, ret->name, strlen(ret->name));
	snprintf(ret->temporary, sizeof ret->temporary, "%s.%s", x->prefix, name);
	return 0;
}

static int64_t in_ns(struct timespec t)
{
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Whether what is there is still what was judged.  A directory's times, and the change time of a
 * file with several names, are changed by what is applied, too. */
static int check_judged(const struct applier *x, const struct place *p, const struct change *c)
{
	struct stat st;

	if (fstatat(p->dir, p->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno != ENOENT ? err_set(x->e, errno, "stat") :
		       c->old_mode ? err_say(x->e, ESTALE, "the host's was just removed") : 0;
	if (!c->old_mode)
		return err_say(x->e, EEXIST, "somebody just made it on the host");
	if (st.st_ino == c->old_inode && st.st_mode == c->old_mode &&
	    (S_ISDIR(st.st_mode) || in_ns(st.st_ctim) == c->old_changed ||
	     (c->old_links > 1 && in_ns(st.st_mtim) == c->old_written)))
		return 0;
	return err_say(x->e, ESTALE, "the host's was changed just now");
}

/* The host's file keeps its owner; what is new gets that of its directory. */
static int give_owner(const struct applier *x, int dir, const char *name, const struct stat *owner,
		      bool kept)
{
	enum { NOT_MAPPED = 65534 };	/* what the kernel shows of an id that the user namespace has not */
	struct stat st;

	if (x->rootless && (owner->st_uid == NOT_MAPPED || owner->st_gid == NOT_MAPPED)) {
		/* A directory's set-group-id bit may have done it. */
		if (!kept || (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
			      st.st_uid == owner->st_uid && st.st_gid == owner->st_gid))
			return 0;
		return err_say(x->e, EPERM, "its owner or group can't be kept without root");
	}
	if (fchownat(dir, name, owner->st_uid, owner->st_gid, AT_SYMLINK_NOFOLLOW) == 0 ||
	    (!kept && errno == EPERM))
		return 0;
	return err_set(x->e, errno, "give it to %u:%u", owner->st_uid, owner->st_gid);
}

/* Those that belong to the host's file and not to what is in it. */
static int copy_xattrs(const struct applier *x, const struct entry *from, int to)
{
	owned_str names = STR_INIT, value = STR_INIT;
	int r = entry_xattrs(from, &names);

	if (r < 0)
		return err_set(x->e, -r, "list the extended attributes of the host's");
	for (const char *n = str_text(&names); n < names.s + names.len; n += strlen(n) + 1) {
		if (!str_has_prefix(n, "user.") && strcmp(n, "system.posix_acl_access") != 0)
			continue;
		value.len = 0;
		if ((r = entry_xattr(from, n, &value)) < 0 ||
		    fsetxattr(to, n, str_text(&value), value.len, 0) < 0)
			return err_set(x->e, r < 0 ? -r : errno, "copy the host's %s", n);
	}
	return 0;
}

static bool is_zero(const char *p, size_t n)
{
	return n > 0 && *p == 0 && memcmp(p, p + 1, n - 1) == 0;
}

/* With its holes; the content must be the one that was reviewed. */
static int copy_content(const struct applier *x, const struct change *c, int from, int to)
{
	owned_str buffer = STR_INIT;
	char *chunk = str_reserve(&buffer, COPY_CHUNK), found[HASH_HEX];
	struct hash *h = hash_new();
	off_t size = 0;
	ssize_t n;
	int r = 0;

	while (r == 0 && ((n = read(from, chunk, COPY_CHUNK)) > 0 || (n < 0 && errno == EINTR))) {
		if (n < 0)
			continue;
		hash_add(h, chunk, (size_t)n);
		if (!is_zero(chunk, (size_t)n))
			r = fd_write_all(to, chunk, (size_t)n, "it", x->e);
		else if (lseek(to, n, SEEK_CUR) < 0)
			r = err_set(x->e, errno, "write it");
		size += n;
	}
	if (r == 0 && n < 0)
		r = err_set(x->e, errno, "read it");
	hash_end(h, found);
	if (r == 0 && strcmp(found, c->new_hash) != 0)
		r = err_say(x->e, ESTALE, "it is not what was reviewed: it changed while it was copied");
	if (r == 0 && ftruncate(to, size) < 0)
		r = err_set(x->e, errno, "write it");
	return r;
}

/* Makes the temporary file complete; the caller removes it where this fails. */
static int fill_file(const struct applier *x, const struct change *c, const struct place *p,
		     const struct entry *u, const struct entry *old, int fd)
{
	const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, u->st.st_mtim };
	bool kept = S_ISREG(old->st.st_mode);
	owned_fd from = entry_open(u, O_RDONLY);
	int r;

	if (from < 0)
		return err_set(x->e, -from, "open it");
	if ((r = copy_content(x, c, from, fd)) < 0 ||
	    (r = give_owner(x, p->dir, p->temporary, kept ? &old->st : &p->st, kept)) < 0 ||
	    (kept && (r = copy_xattrs(x, old, fd)) < 0))
		return r;
	if (fchmod(fd, c->new_mode & 0777) < 0 || futimens(fd, times) < 0 || (!x->made && fsync(fd) < 0))
		return err_set(x->e, errno, "write it");
	return 0;
}

static int make_file(const struct applier *x, const struct change *c, const struct place *p,
		     const struct entry *u)
{
	owned_entry old = ENTRY_INIT;
	owned_fd fd = -1;
	int r = entry_look(x->workspace, c->path, &old);

	if (r < 0)
		return err_set(x->e, -r, "open the host's");
	fd = openat(p->dir, p->temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_set(x->e, errno, "create a temporary file beside it");
	return fill_file(x, c, p, u, &old, fd);
}

static int make_link(const struct applier *x, const struct change *c, const struct place *p,
		     const struct entry *u)
{
	const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, u->st.st_mtim };
	owned_str target = STR_INIT;
	char found[HASH_HEX];
	int r = entry_target(u, &target);

	if (r < 0)
		return err_set(x->e, -r, "read the link");
	hash_hex(found, target.s, target.len);
	if (strcmp(found, c->new_hash) != 0)
		return err_say(x->e, ESTALE, "it is not what was reviewed");
	if (symlinkat(target.s, p->dir, p->temporary) < 0)
		return err_set(x->e, errno, "create it");
	if ((r = give_owner(x, p->dir, p->temporary, &p->st, false)) < 0)
		return r;
	if (utimensat(p->dir, p->temporary, times, AT_SYMLINK_NOFOLLOW) < 0)
		return err_set(x->e, errno, "set its time");
	return 0;
}

/* Its own mode may keep us from filling it: that comes last. */
static int make_directory(const struct applier *x, const struct place *p, const char *name)
{
	if (mkdirat(p->dir, name, 0700) < 0)
		return err_set(x->e, errno, "create it");
	return give_owner(x, p->dir, name, &p->st, false);
}

/* ---- its place ---- */

static int remove_temporary(const struct place *p)
{
	return unlinkat(p->dir, p->temporary, 0) == 0 || errno == ENOENT ||
	       (errno == EISDIR && unlinkat(p->dir, p->temporary, AT_REMOVEDIR) == 0) ? 0 : -errno;
}

/* It is empty by now, so that it can be made again. */
static int replace_directory(const struct applier *x, const struct place *p)
{
	struct stat st;
	int r;

	if (fstatat(p->dir, p->name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    unlinkat(p->dir, p->name, AT_REMOVEDIR) < 0)
		return err_set(x->e, errno, "remove the directory in its place");
	if (renameat(p->dir, p->temporary, p->dir, p->name) == 0)
		return 0;
	r = err_set(x->e, errno, "rename it to its place");
	if (mkdirat(p->dir, p->name, 0700) < 0 ||
	    fchownat(p->dir, p->name, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) < 0 ||
	    fchmodat(p->dir, p->name, st.st_mode & 07777, 0) < 0)
		return err_in(x->e, "the empty directory in its place is lost");
	return r;
}

/* Where what is in its place waits for the directory: by a name of its own, so that nothing else is taken for
 * it. */
static void put_aside(const struct place *p, struct str *ret)
{
	str_printf(ret, "%s.old", p->temporary);
}

static int replace_by_directory(const struct applier *x, const struct place *p)
{
	owned_str aside = STR_INIT;
	int r;

	put_aside(p, &aside);
	if (renameat(p->dir, p->name, p->dir, aside.s) < 0)
		return err_set(x->e, errno, "rename what is in its place");
	if (renameat(p->dir, p->temporary, p->dir, p->name) < 0) {
		r = err_set(x->e, errno, "rename it to its place");
		return renameat(p->dir, aside.s, p->dir, p->name) < 0 ?
		       err_in(x->e, "the file in its place is now %s", aside.s) : r;
	}
	return unlinkat(p->dir, aside.s, 0) < 0 ? err_set(x->e, errno, "remove what was in its place") : 0;
}

static int exchange(const struct place *p)
{
	return sys_renameat2(p->dir, p->temporary, p->dir, p->name, RENAME_EXCHANGE);
}

/*
 * Gives what was made beside it its place.  No rename puts a directory in the place of something else, or the
 * other way round: the two change places, so that one of them is there at every moment.  Not every file
 * system can (NFS; overlayfs with a directory of its lower layer): there it takes two steps, the first of
 * which is undone where the second fails.
 */
static int put_in_place(const struct applier *x, const struct change *c, const struct place *p)
{
	const bool directory = S_ISDIR(c->old_mode);
	int r;

	if (!c->old_mode || directory == !!S_ISDIR(c->new_mode))
		return renameat(p->dir, p->temporary, p->dir, p->name) < 0 ?
		       err_set(x->e, errno, "rename it to its place") : 0;
	if (exchange(p) < 0)
		return errno != EINVAL && errno != ENOSYS && errno != EXDEV ?
		       err_set(x->e, errno, "rename it to its place") :
		       directory ? replace_directory(x, p) : replace_by_directory(x, p);
	if ((r = remove_temporary(p)) == 0)
		return 0;
	exchange(p);
	return err_set(x->e, -r, "remove what is in its place");
}

static int finish_entry(const struct applier *x, const struct change *c, const struct place *p)
{
	int r = check_judged(x, p, c);

	if (r == 0)
		r = put_in_place(x, c, p);
	if (r < 0)
		remove_temporary(p);
	return r;
}

/* Made beside, then renamed.  1: the latter has to wait. */
static int put_entry(struct applier *x, const struct change *c, const struct place *p, const struct entry *u)
{
	/* One that an apply left which was killed. */
	int r = remove_temporary(p);

	if (r < 0)
		return err_set(x->e, -r, "write in its directory");
	r = S_ISDIR(c->new_mode) ? make_directory(x, p, p->temporary) :
	    S_ISLNK(c->new_mode) ? make_link(x, c, p, u) : make_file(x, c, p, u);
	if (r < 0) {
		remove_temporary(p);
		return r;
	}
	if (!x->made || !S_ISREG(c->new_mode))
		return finish_entry(x, c, p);
	x->made[x->n_made++] = c;
	x->bytes += c->new_size;
	return 1;
}

static int set_mode(const struct applier *x, const struct change *c)
{
	owned_entry h = ENTRY_INIT;
	int r = entry_look(x->workspace, strcmp(c->path, ".") == 0 ? "" : c->path, &h);

	if (r < 0)
		return err_set(x->e, -r, "open the host's");
	if (h.fd < 0 || (h.st.st_mode & S_IFMT) != (c->new_mode & S_IFMT) ||
	    (c->kind == CHANGE_MODE && (h.st.st_ino != c->old_inode || (!S_ISDIR(h.st.st_mode) &&
	     c->old_links == 1 && in_ns(h.st.st_ctim) != c->old_changed))))
		return err_say(x->e, ESTALE, "the host's was changed just now");
	r = entry_chmod(&h, (c->new_mode & 0777) | (S_ISDIR(h.st.st_mode) ? h.st.st_mode & 07000 : 0));
	return r < 0 ? err_set(x->e, -r, "change its mode") : 0;
}

/* As long as it has not its mode it is a change: by that a run again finds what was left by one that was killed
 * before it had removed what was in the directory's place. */
static int finish_directory(const struct applier *x, const struct change *c)
{
	owned_place p = { .dir = -1 };
	owned_str aside = STR_INIT;
	int r;

	if (strcmp(c->path, ".") != 0) {
		if ((r = place_open(x, c->path, &p)) < 0)
			return r;
		put_aside(&p, &aside);
		unlinkat(p.dir, aside.s, 0);
		remove_temporary(&p);
	}
	return set_mode(x, c);
}

static int remove_old(const struct applier *x, const struct change *c, const struct place *p)
{
	int r = check_judged(x, p, c);

	if (r < 0)
		return r;
	return unlinkat(p->dir, p->name, S_ISDIR(c->old_mode) ? AT_REMOVEDIR : 0) < 0 ?
	       err_set(x->e, errno, "remove it") : 0;
}

/* ---- all of them ---- */

/* Deletions come first, from the bottom; then what is made, from the top; then the modes of
 * directories, from the bottom, since they may forbid what is done in them. */
enum pass { PASS_DELETE, PASS_MAKE, PASS_DIRECTORY_MODE, PASSES };

static bool is_of_pass(const struct change *c, enum pass pass)
{
	switch (pass) {
	case PASS_DELETE:
		return c->kind == CHANGE_DELETED;
	case PASS_MAKE:
		return c->kind != CHANGE_DELETED &&
		       !(c->kind == CHANGE_MODE && S_ISDIR(c->new_mode));
	default:
		return S_ISDIR(c->new_mode);
	}
}

/* 1: it waits. */
static int apply_one(struct applier *x, const struct change *c, enum pass pass)
{
	owned_entry u = ENTRY_INIT;
	owned_place p = { .dir = -1 };
	int r;

	if (pass == PASS_DIRECTORY_MODE)
		return finish_directory(x, c);
	if (c->kind == CHANGE_MODE)
		return set_mode(x, c);
	if ((r = place_open(x, c->path, &p)) < 0)
		return r;
	if (pass == PASS_DELETE)
		return remove_old(x, c, &p);
	if (S_ISDIR(c->new_mode) && !c->old_mode)
		return check_judged(x, &p, c) < 0 ? -x->e->code : make_directory(x, &p, p.name);
	r = entry_look(x->upper, c->path, &u);
	if (r < 0 || (u.st.st_mode != c->new_mode && !S_ISDIR(c->new_mode)))
		return err_say(x->e, ESTALE, "it is not what was reviewed");
	return put_entry(x, c, &p, &u);
}

static const char *temporary_prefix(struct arena *a, const struct review_store *s)
{
	return arena_printf(a, ".agentrun-apply-%.64s", s->session);
}

/* Between two entries: a signal that would end the program has waited for that. */
static bool interrupted(void)
{
	sigset_t waiting;

	return sigpending(&waiting) == 0 && (sigismember(&waiting, SIGINT) == 1 ||
					     sigismember(&waiting, SIGTERM) == 1 ||
					     sigismember(&waiting, SIGHUP) == 1);
}

static int name_it(const struct applier *x, const struct change *c)
{
	owned_str name = STR_INIT;

	str_put_safe(&name, c->path, 400);
	return err_in(x->e, "%s", name.s);
}

/* Those that wait are brought to disk together, and then to their places; or none of them is left. */
static int settle(struct applier *x)
{
	int r = 0;

	if (x->n_made && syncfs(x->disk) < 0)
		r = err_set(x->e, errno, "write the files to disk");
	for (size_t i = 0; i < x->n_made; i++) {
		owned_place p = { .dir = -1 };
		struct err ignored;
		struct applier to = *x;

		if (r < 0)
			to.e = &ignored;
		if (place_open(&to, x->made[i]->path, &p) < 0 ||
		    (r == 0 && finish_entry(x, x->made[i], &p) < 0))
			r = r < 0 ? r : name_it(x, x->made[i]);
		else if (r < 0)
			remove_temporary(&p);
		else
			x->done->v[x->done->n++] = *x->made[i];
	}
	x->n_made = 0;
	x->bytes = 0;
	return r;
}

static int apply_whole(struct applier *x, const struct change *c, enum pass pass)
{
	int r;

	if (interrupted())
		return err_say(x->e, EINTR, "interrupted");
	r = apply_one(x, c, pass);
	/* The old ones of those that wait take room. */
	if ((r == -ENOSPC || r == -EDQUOT) && x->n_made) {
		if ((r = settle(x)) < 0)
			return r;
		*x->e = (struct err){ 0 };
		r = apply_one(x, c, pass);
	}
	if (r < 0)
		return name_it(x, c);
	if (r == 0 && (pass != PASS_DIRECTORY_MODE || c->kind == CHANGE_MODE))
		x->done->v[x->done->n++] = *c;
	return x->n_made == BATCH_MOST || x->bytes >= BATCH_BYTES ? settle(x) : 0;
}

/*
 * fsync(2) of each file makes a journal be written as often, and takes most of the time where there are many.
 * What syncfs(2) brings to disk on these it does not on every file system (FUSE, 9p); and of a few files it would
 * bring what others wrote as well.
 */
static bool is_batched(const struct changes *c, int disk)
{
	static const unsigned long known[] = { EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC, BTRFS_SUPER_MAGIC,
					       F2FS_SUPER_MAGIC, TMPFS_MAGIC };
	struct statfs fs;
	size_t files = 0;

	for (size_t i = 0; i < c->n; i++)
		files += S_ISREG(c->v[i].new_mode);
	if (files < BATCH_LEAST || disk < 0 || fstatfs(disk, &fs) < 0)
		return false;
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if ((unsigned long)fs.f_type == known[i])
			return true;
	return false;
}

static int apply_pass(struct applier *x, const struct changes *c, enum pass pass)
{
	struct err first;
	int r = 0;

	for (size_t i = 0; r == 0 && i < c->n; i++) {
		const struct change *one = &c->v[pass == PASS_MAKE ? i : c->n - 1 - i];

		if (is_of_pass(one, pass))
			r = apply_whole(x, one, pass);
	}
	if (r == 0)
		return settle(x);
	first = *x->e;
	settle(x);
	*x->e = first;
	return r;
}

int apply_changes(struct arena *a, const struct review_store *s, const struct changes *c, int upper_fd,
		  int workspace_fd, struct changes *ret_done, struct err *e)
{
	owned_fd disk = openat(workspace_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct applier x = { .rootless = s->user_xattr, .upper = upper_fd, .workspace = workspace_fd,
			     .prefix = temporary_prefix(a, s), .done = ret_done, .disk = disk, .e = e };
	sigset_t ending;
	int r = 0;

	/* They stay blocked: the caller has something to say of what was applied before it ends. */
	sigemptyset(&ending);
	sigaddset(&ending, SIGINT);
	sigaddset(&ending, SIGTERM);
	sigaddset(&ending, SIGHUP);
	sigprocmask(SIG_BLOCK, &ending, NULL);
	*ret_done = (struct changes){ .v = arena_array(a, struct change, c->n) };
	if (is_batched(c, disk))
		x.made = arena_array(a, const struct change *, BATCH_MOST);
	for (enum pass pass = 0; r == 0 && pass < PASSES; pass++)
		r = apply_pass(&x, c, pass);
	return r;
}

void apply_clean(struct arena *a, const struct review_store *s, const struct changes *c, int workspace_fd)
{
	struct err ignored;
	const struct applier x = { .workspace = workspace_fd, .prefix = temporary_prefix(a, s), .e = &ignored };

	for (size_t i = 0; i < c->n; i++) {
		owned_place p = { .dir = -1 };

		if (place_open(&x, c->v[i].path, &p) == 0)
			remove_temporary(&p);
	}
}
