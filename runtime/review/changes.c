/* SPDX-License-Identifier: Apache-2.0 */
#include "review/changes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "base/fd.h"
#include "review/risk.h"
#include "review/tree.h"

const char *const change_kind_names[] = {
	[CHANGE_ADDED] = "added",	[CHANGE_MODIFIED] = "modified", [CHANGE_MODE] = "mode",
	[CHANGE_TYPE] = "type",		[CHANGE_DELETED] = "deleted",
};
_Static_assert(sizeof change_kind_names / sizeof *change_kind_names == CHANGE_KINDS,
	       "a name for each kind");

struct reader {
	struct arena *a;
	const struct review_store *s;
	int upper, workspace;
	bool hash;
	struct str path;		/* of the entry that is looked at; "": the top */
	struct changes found;
	size_t room;
	struct str names, value, other;	/* of extended attributes */
	struct err *e;
};

/* What an entry inherits of its directory. */
struct above {
	const char *refused, *conflict;	/* of a directory that is to be made: what is in it fares as it does */
	bool opaque;			/* nothing of the host's shows through */
	bool absent;			/* the host has no such directory */
	mode_t mode;
};

static int64_t in_ns(struct timespec t)
{
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static bool same_type(const struct stat *a, const struct stat *b)
{
	return (a->st_mode & S_IFMT) == (b->st_mode & S_IFMT);
}

static uint64_t size_of(const struct stat *st)
{
	return S_ISREG(st->st_mode) || S_ISLNK(st->st_mode) ? (uint64_t)st->st_size : 0;
}

static const char *path_of(const struct reader *r)
{
	return r->path.len ? r->path.s : ".";
}

/* For errors: as it may be shown. */
static int fail(struct reader *r, int code, const char *what)
{
	owned_str safe = STR_INIT;

	str_put_safe(&safe, path_of(r), 400);
	return err_set(r->e, code, "%s %s", what, safe.s);
}

/* The index of the new change. */
static size_t add(struct reader *r, enum change_kind kind, const struct stat *new,
		  const struct stat *old)
{
	struct changes *c = &r->found;

	if (c->n == r->room) {
		r->room = r->room ? 2 * r->room : 64;
		c->v = must(realloc(c->v, r->room * sizeof *c->v));
	}
	c->v[c->n] = (struct change){
		.kind = kind,
		.path = arena_strdup(r->a, path_of(r)),
		.old_mode = old->st_mode, .new_mode = new->st_mode,
		.old_size = size_of(old), .new_size = size_of(new),
		.runs = risk_of(path_of(r), old->st_mode, new->st_mode),
		.old_inode = old->st_ino, .old_links = old->st_nlink,
		.old_changed = in_ns(old->st_ctim), .old_written = in_ns(old->st_mtim),
	};
	return c->n++;
}

/* Of an entry that is no change by itself. */
static void refuse(struct reader *r, const struct stat *st, const char *why)
{
	size_t i = add(r, CHANGE_MODE, st, st);

	r->found.v[i].refused = why;
}

static int check_number(struct reader *r)
{
	return r->found.n <= CHANGES_MOST ? 0 :
	       err_say(r->e, E2BIG, "more than %d changes: too many to review", CHANGES_MOST);
}

/* ---- extended attributes ---- */

struct marks {
	bool opaque;	/* the host's directory of this name is covered */
	bool origin;	/* made by copying the host's up */
	const char *refused;
};

/* Labels that the host's own security modules give to every file. */
static const char *const labels[] = {
	"security.selinux", "security.SMACK64", "security.ima", "security.evm", NULL,
};
static const char acl_access[] = "system.posix_acl_access";
static const char acl_default[] = "system.posix_acl_default";

static const char *refuse_xattr(struct reader *r, const char *fmt, const char *name)
{
	owned_str safe = STR_INIT;

	str_put_safe(&safe, name, 100);
	return arena_printf(r->a, "%s %s", fmt, safe.s);
}

/* One of overlayfs itself, of the mount's namespace; `suffix` is what follows "overlay.". */
static void read_mark(struct reader *r, const struct entry *u, const char *name, const char *suffix,
		      struct marks *m)
{
	bool directory = S_ISDIR(u->st.st_mode);
	int x;

	r->value.len = 0;
	x = entry_xattr(u, name, &r->value);
	if (strcmp(suffix, "origin") == 0)
		m->origin = true;
	else if (strcmp(suffix, "opaque") == 0 && directory && r->path.len && x == 0 &&
		 r->value.len == 1 && *r->value.s == 'y')
		m->opaque = true;
	else if ((strcmp(suffix, "impure") != 0 || !directory) &&
		 (strcmp(suffix, "uuid") != 0 || r->path.len))
		m->refused = refuse_xattr(r, "a mark that agentrun's overlay does not make:", name);
}

/* linux/posix_acl_xattr.h: a version of 4 bytes, then these, little-endian. */
struct acl_entry {
	uint16_t tag, perm;
	uint32_t id;
};
enum { ACL_HEADER = 4, ACL_USER = 0x02, ACL_GROUP = 0x08 };

static const struct acl_entry *acl_find(const struct str *acl, const struct acl_entry *like)
{
	for (size_t at = ACL_HEADER; at + sizeof *like <= acl->len; at += sizeof *like) {
		const struct acl_entry *x = (const void *)(acl->s + at);

		if (x->tag == like->tag && x->id == like->id)
			return x;
	}
	return NULL;
}

/* Whether the list gives somebody named in it what the other does not.  The rest is in the mode. */
static bool acl_gives_more(const struct str *acl, const struct str *than)
{
	for (size_t at = ACL_HEADER; at + sizeof(struct acl_entry) <= acl->len;
	     at += sizeof(struct acl_entry)) {
		const struct acl_entry *x = (const void *)(acl->s + at), *y;

		if (x->tag != ACL_USER && x->tag != ACL_GROUP)
			continue;
		y = acl_find(than, x);
		if (!y || (x->perm & ~y->perm))
			return true;
	}
	return false;
}

/* The default list of the nearest directory that the host has: what is made there inherits it. */
static void inherited_acl(struct reader *r, struct str *ret)
{
	owned_str path = STR_INIT;
	const char *slash;

	str_puts(&path, str_text(&r->path));
	do {
		owned_entry x = ENTRY_INIT;

		slash = strrchr(path.s, '/');
		tree_up(&path, slash ? (size_t)(slash - path.s) : 0);
		if (entry_look(r->workspace, path.s, &x) == 0 && x.fd >= 0) {
			ret->len = 0;
			if (entry_xattr(&x, acl_default, ret) < 0)
				ret->len = 0;
			return;
		}
	} while (path.len);
}

/* One that the host's entry must have as well. */
static bool is_foreign(struct reader *r, const struct entry *u, const struct entry *h,
		       const char *name)
{
	bool acl = strcmp(name, acl_access) == 0 || strcmp(name, acl_default) == 0;

	r->value.len = r->other.len = 0;
	if (entry_xattr(u, name, &r->value) < 0)
		return true;
	if (h->fd >= 0 && entry_xattr(h, name, &r->other) == 0)
		return acl ? acl_gives_more(&r->value, &r->other)
			   : r->value.len != r->other.len ||
				     memcmp(r->value.s, r->other.s, r->value.len) != 0;
	if (!acl)
		return true;
	inherited_acl(r, &r->other);
	return acl_gives_more(&r->value, &r->other);
}

/* h: the host's entry of the same type, if there is one. */
static int read_marks(struct reader *r, const struct entry *u, const struct entry *h,
		      struct marks *m)
{
	const char *ours = r->s->user_xattr ? "user.overlay." : "trusted.overlay.";
	int x;

	r->names.len = 0;
	if ((x = entry_xattrs(u, &r->names)) < 0)
		return fail(r, -x, "list the extended attributes of");
	for (const char *n = r->names.s; n < r->names.s + r->names.len; n += strlen(n) + 1) {
		if (str_has_prefix(n, ours))
			read_mark(r, u, n, n + strlen(ours), m);
		else if (str_find(labels, n) < 0 && is_foreign(r, u, h, n))
			m->refused = refuse_xattr(r, strstr(n, "acl") ? "an access list that gives "
						  "more than the host's:" : "an extended attribute "
						  "that the host's does not have:", n);
	}
	return 0;
}

/* ---- what can never be applied ---- */

/* Where a link leads must be told by its text alone: ".." only at its beginning, since behind a name,
 * which may be a link, it can mean any place. */
static const char *refuse_target(const char *path, const char *target)
{
	size_t up = 0, depth = 0;

	for (const char *p = path; (p = strchr(p, '/')); p++)
		depth++;
	if (*target == '/')
		return "a link with an absolute path";
	while (strncmp(target, "..", 2) == 0 && (!target[2] || target[2] == '/')) {
		up++;
		target += 2 + strspn(target + 2, "/");
		while (target[0] == '.' && target[1] == '/')
			target += 1 + strspn(target + 1, "/");
	}
	if (up > depth)
		return "a link that leads out of the workspace";
	for (const char *p = target; (p = strstr(p, "/..")); p++)
		if (!p[3] || p[3] == '/')
			return "a link with \"..\" behind a name, which may lead out of the workspace";
	return NULL;
}

/* A file of zeros takes no room, but the time to read it. */
static bool is_hollow(const struct stat *st)
{
	enum { LARGE = 256 << 20, HOLLOW = 16 };

	return S_ISREG(st->st_mode) && st->st_size > LARGE &&
	       (uint64_t)st->st_size / HOLLOW > (uint64_t)st->st_blocks * 512;
}

static const char *refuse_type(struct reader *r, const struct entry *u, const struct stat *h,
			       const struct above *above)
{
	mode_t special = u->st.st_mode & 07000;

	switch (u->st.st_mode & S_IFMT) {
	case S_IFREG:
		if (special)
			return "a set-user-id, set-group-id or sticky file";
		return is_hollow(&u->st) ? "a sparse file of more than 256 MiB" : NULL;
	case S_IFDIR:
		/* The group's bit is inherited: on the host, too. */
		special &= ~(S_ISDIR(h->st_mode) ? h->st_mode : above->mode & S_ISGID);
		return special ? "a set-user-id, set-group-id or sticky directory" : NULL;
	case S_IFLNK:
		r->value.len = 0;
		if (entry_target(u, &r->value) < 0)
			return "a link that can't be read";
		return refuse_target(path_of(r), str_text(&r->value));
	case S_IFIFO:
		return "a named pipe";
	case S_IFSOCK:
		return "a socket";
	default:
		return "a device";
	}
}

/* ---- deleted ---- */

static const char meanwhile[] = "the host's was changed meanwhile";
static const char mounted[] = "another file system is mounted there on the host";
static const char changed_below[] = "something in it was changed on the host meanwhile";

/*
 * Whether somebody on the host changed it since the overlay was made.  A directory
 * counts if it was moved or its mode changed, not for what was made or removed in
 * it, which is judged by itself: applying a part of the changes does that, too.
 * Then both of its times are new.
 */
static bool host_changed(const struct reader *r, const struct stat *st)
{
	return in_ns(st->st_ctim) > r->s->since &&
	       !(S_ISDIR(st->st_mode) && in_ns(st->st_mtim) > r->s->since);
}

static int delete_tree(struct reader *r, bool whiteout, const char *conflict, bool *ret_conflict);

/* Those of the host's directory that upper does not have. */
static int delete_below(struct reader *r, struct entry *h, const char *conflict, bool *ret_conflict)
{
	owned_arena names = ARENA_INIT;
	struct strv v = { 0 };
	size_t length = r->path.len;
	int x = entry_names(h, &names, &v);

	if (x < 0)
		return fail(r, -x, "read the host's directory");
	entry_close(h);
	for (size_t i = 0; i < v.n; i++) {
		owned_entry u = ENTRY_INIT;

		if (!tree_down(&r->path, v.v[i])) {
			*ret_conflict = true;
			continue;
		}
		/* A link of upper's may stand where the host has a directory. */
		x = entry_look(r->upper, r->path.s, &u);
		if (x < 0 && x != -ELOOP)
			return fail(r, -x, "open upper's");
		if (u.fd < 0 && (x = delete_tree(r, false, conflict, ret_conflict)) < 0)
			return x;
		tree_up(&r->path, length);
	}
	return 0;
}

/* The host's entry at the path, and all below it.  whiteout: the container removed this one itself. */
static int delete_tree(struct reader *r, bool whiteout, const char *conflict, bool *ret_conflict)
{
	owned_entry h = ENTRY_INIT;
	static const struct stat none;
	bool below = false;
	size_t i;
	int x = entry_look(r->workspace, r->path.s, &h);

	if (x < 0 && x != -EXDEV)
		return fail(r, -x, "open the host's");
	if (x == 0 && h.fd < 0)
		return 0;
	if (x == -EXDEV)
		conflict = mounted;
	else if (host_changed(r, &h.st))
		conflict = meanwhile;
	i = add(r, CHANGE_DELETED, &none, &h.st);
	if (S_ISDIR(h.st.st_mode) && (x = delete_below(r, &h, conflict, &below)) < 0)
		return x;
	if (!conflict && below)
		conflict = changed_below;
	r->found.v[i].conflict = conflict;
	r->found.v[i].overwritable = whiteout && conflict == meanwhile;
	*ret_conflict |= conflict != NULL;
	return check_number(r);
}

/* ---- what upper holds ---- */

static int visit(struct reader *r, const struct above *above);

static int visit_below(struct reader *r, struct entry *u, const struct above *here)
{
	owned_arena names = ARENA_INIT;
	struct strv v = { 0 };
	size_t length = r->path.len;
	bool too_long = false;
	int x = entry_names(u, &names, &v);

	if (x < 0)
		return fail(r, -x, "read upper's directory");
	entry_close(u);
	for (size_t i = 0; i < v.n; i++) {
		if (!tree_down(&r->path, v.v[i])) {
			too_long = true;
			continue;
		}
		if ((x = visit(r, here)) < 0)
			return x;
		tree_up(&r->path, length);
	}
	if (too_long)
		refuse(r, &u->st, "what is in it has a path of more than 4095 bytes");
	return 0;
}

static bool has_content(const struct stat *st)
{
	return S_ISREG(st->st_mode) || S_ISLNK(st->st_mode);
}

/* Of the same type: whether they are alike but for permissions.  Fills the hashes that it needs. */
static bool same_content(struct reader *r, const struct entry *u, const struct entry *h,
			 struct change *c)
{
	if (!has_content(&u->st))
		return u->st.st_rdev == h->st.st_rdev;
	if ((!r->hash && u->st.st_size != h->st.st_size) || is_hollow(&u->st) || is_hollow(&h->st))
		return false;
	if (entry_hash(u, c->new_hash) < 0)
		c->refused = "it can't be read";
	else if (entry_hash(h, c->old_hash) < 0)
		c->refused = "the host's can't be read";
	return !c->refused && strcmp(c->new_hash, c->old_hash) == 0;
}

/* The set-id and sticky bits that a directory of the host has stay: they say who owns what is in it. */
static bool other_mode(const struct stat *new, const struct stat *old)
{
	if (S_ISDIR(new->st_mode))
		return ((new->st_mode ^ old->st_mode) & 0777) || (new->st_mode & ~old->st_mode & 07000);
	return new->st_mode != old->st_mode && !S_ISLNK(new->st_mode);
}

/* What became of the host's entry, in c->kind; false: nothing. */
static bool compare(struct reader *r, const struct entry *u, const struct entry *h, struct change *c)
{
	if (h->fd < 0 || !same_type(&u->st, &h->st)) {
		c->kind = h->fd < 0 ? CHANGE_ADDED : CHANGE_TYPE;
		if (r->hash && has_content(&u->st) && !is_hollow(&u->st) &&
		    entry_hash(u, c->new_hash) < 0)
			c->refused = "it can't be read";
		return true;
	}
	c->kind = same_content(r, u, h, c) ? CHANGE_MODE : CHANGE_MODIFIED;
	return c->kind != CHANGE_MODE || other_mode(&u->st, &h->st);
}

/*
 * Notes what the entry changes.  `here`: for what is in it; *ret_change: index of
 * the change, where there is one.
 */
static int judge(struct reader *r, const struct entry *u, const struct entry *h, const char *conflict,
		 const struct above *above, struct above *here, size_t *ret_change)
{
	static const struct entry none = ENTRY_INIT;
	bool same = h->fd >= 0 && same_type(&u->st, &h->st), changed;
	struct change c = { 0 };
	struct marks m = { 0 };
	struct change *noted;
	int x = read_marks(r, u, same ? h : &none, &m);

	if (x < 0)
		return x;
	changed = compare(r, u, h, &c);
	if (!conflict && h->fd >= 0 && host_changed(r, &h->st))
		conflict = meanwhile;
	/* Only the host's own directories were copied up. */
	if (!conflict && h->fd < 0 && S_ISDIR(u->st.st_mode) && m.origin)
		conflict = "the host's directory was removed meanwhile";
	if (m.refused)
		c.refused = m.refused;
	else if (changed && !c.refused)
		c.refused = refuse_type(r, u, &h->st, above);
	if (!c.refused)
		c.refused = above->refused;

	*here = (struct above){ .opaque = above->opaque || m.opaque, .mode = u->st.st_mode,
				.absent = h->fd < 0 || !S_ISDIR(h->st.st_mode) };
	if (here->absent) {
		here->conflict = conflict;
		here->refused = c.refused ? "it is in a directory that is refused" : NULL;
	}
	if (!changed && !c.refused)
		return 0;
	*ret_change = add(r, c.kind, &u->st, &h->st);
	noted = &r->found.v[*ret_change];
	noted->refused = c.refused;
	noted->conflict = conflict;
	noted->overwritable = conflict && conflict != mounted;
	memcpy(noted->new_hash, c.new_hash, sizeof c.new_hash);
	memcpy(noted->old_hash, c.old_hash, sizeof c.old_hash);
	return check_number(r);
}

static bool is_whiteout(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == makedev(0, 0);
}

/* The entry of upper at the path, and what is below it. */
static int visit(struct reader *r, const struct above *above)
{
	owned_entry u = ENTRY_INIT, h = ENTRY_INIT;
	const char *conflict = above->conflict;
	struct above here;
	bool below = false;
	size_t change = 0;
	int x = entry_look(r->upper, str_text(&r->path), &u);

	if (x < 0)
		return fail(r, -x, "open upper's");
	if (u.fd < 0)
		return 0;
	if (is_whiteout(&u.st))
		return above->absent ? 0 : delete_tree(r, true, NULL, &below);
	x = above->absent ? 0 : entry_look(r->workspace, str_text(&r->path), &h);
	if (x == -EXDEV)
		conflict = mounted;
	else if (x < 0)
		return fail(r, -x, "open the host's");
	if ((x = judge(r, &u, &h, conflict, above, &here, &change)) < 0)
		return x;
	if (S_ISDIR(h.st.st_mode) && (here.opaque || !S_ISDIR(u.st.st_mode)) &&
	    (x = delete_below(r, &h, S_ISDIR(u.st.st_mode) ? NULL : r->found.v[change].conflict, &below)) < 0)
		return x;
	if (below && !S_ISDIR(u.st.st_mode) && !r->found.v[change].conflict)
		r->found.v[change].conflict = changed_below;
	entry_close(&h);
	return S_ISDIR(u.st.st_mode) ? visit_below(r, &u, &here) : 0;
}

/* ---- all of it ---- */

int changes_read(struct arena *a, const struct review_store *s, int upper_fd, int workspace_fd,
		 bool hash, struct changes *ret, struct err *e)
{
	struct reader r = { .a = a, .s = s, .upper = upper_fd, .workspace = workspace_fd,
			    .hash = hash, .e = e };
	static const struct above top;
	int x;

	str_puts(&r.path, "");
	x = visit(&r, &top);
	if (x == 0) {
		*ret = (struct changes){
			arena_memdup(a, r.found.v, r.found.n * sizeof *r.found.v), r.found.n, "",
		};
		changes_sort(ret);
		if (hash)
			changes_digest(ret);
	}
	free(r.found.v);
	str_free(&r.path);
	str_free(&r.names);
	str_free(&r.value);
	str_free(&r.other);
	return x;
}
