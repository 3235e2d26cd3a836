/* SPDX-License-Identifier: Apache-2.0 */
#include "review/since.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/sys.h"
#include "review/risk.h"
#include "review/tree.h"
#include "review/walk.h"

/* Indices of the list, of what has none: a directory that was not there, and one in which nobody looked. */
static const uint32_t NOT_THERE = UINT32_MAX, NOT_KNOWN = UINT32_MAX - 1;

static const char UNREADABLE[] = "some directories cannot be read";
static const char UNREAD_BEFORE[] = "some directories could not be read before";

struct since {
	struct arena *a;
	int64_t since;
	struct listing *before;
	size_t next;	/* in the list, after what was found there */
	struct changes found;
	size_t room;
	uint64_t hashed;
	uint32_t in[WALK_DEEP + 1];	/* the directories that are read, in the list */
	unsigned depth;
};

static void hash(struct walk *w, const struct walk_entry *x, struct change *c)
{
	struct since *s = w->context;
	owned_entry file = ENTRY_INIT;

	if (c->new_size > SINCE_HASHED - s->hashed) {
		w->incomplete = "not every changed file was read: there are too many bytes";
		return;
	}
	s->hashed += c->new_size;
	/* One that cannot be read, or is something else by now, has no hash. */
	if (entry_look(x->dir, x->name, &file) < 0 || file.fd < 0 || file.st.st_mode != c->new_mode ||
	    entry_hash(&file, c->new_hash) < 0)
		c->new_hash[0] = '\0';
}

static struct change *add(struct since *s, enum change_kind kind, const char *path)
{
	struct change *c;

	if (s->found.n == s->room) {
		struct change *more = arena_array(s->a, struct change, 2 * s->room + 64);

		if (s->room)
			memcpy(more, s->found.v, s->room * sizeof *more);
		s->found.v = more;
		s->room = 2 * s->room + 64;
	}
	c = &s->found.v[s->found.n++];
	c->kind = kind;
	c->path = path;
	return c;
}

static struct listing_entry *listed(struct since *s, const char *name)
{
	const uint32_t in = s->in[s->depth];
	struct listing_entry *x;

	if (in == NOT_THERE || in == NOT_KNOWN)
		return NULL;
	/* As a rule a directory tells its names in the same order again. */
	x = s->next < s->before->n ? &s->before->v[s->next] : NULL;
	if (!x || x->in != in || strcmp(x->name, name) != 0)
		x = listing_find(s->before, in, name);
	if (x)
		s->next = (size_t)(x - s->before->v) + 1;
	return x;
}

/* The kind of change; CHANGE_KINDS: none.  old: what was there; NULL: nothing, as far as is known. */
static enum change_kind compare(const struct since *s, const struct listing_entry *old,
				const struct walk_entry *x, const struct sys_entry *st)
{
	const bool changed = st->changed >= s->since;

	if (s->in[s->depth] == NOT_KNOWN)
		return !changed ? CHANGE_KINDS : st->born >= s->since ? CHANGE_ADDED : CHANGE_MODIFIED;
	if (!old)
		return CHANGE_ADDED;
	if (old->kind != (S_ISLNK(st->mode) ? LISTING_LINK : LISTING_FILE))
		return CHANGE_TYPE;
	/* A directory that was moved brings along files that changed long ago. */
	return changed || (old->inode && old->inode != (uint32_t)x->inode) ? CHANGE_MODIFIED : CHANGE_KINDS;
}

static void skip(struct walk *w, const char *name, bool elsewhere)
{
	struct listing_entry *old = listed(w->context, name);

	if (!old)
		return;
	if (elsewhere && old->kind == LISTING_DIRECTORY)
		w->incomplete = "a file system was mounted over some directories";
	old->now = LISTING_SEEN;
}

static int found(struct walk *w, const struct walk_entry *x, struct err *e)
{
	struct since *s = w->context;
	struct listing_entry *old = listed(s, x->name);
	enum change_kind kind;
	struct sys_entry st;
	struct change *c;

	if (sys_entry_of(x->dir, x->name, &st) < 0) {
		if (errno == ENOENT)
			return 0;
		if (errno != EACCES)
			return err_set(e, errno, "stat %s", x->name);
		w->incomplete = UNREADABLE;
		skip(w, x->name, false);
		return 0;
	}
	if (!S_ISREG(st.mode) && !S_ISLNK(st.mode))
		return 0;
	/* What was in a directory that became a file is gone. */
	if (old && (old->kind == LISTING_FILE || old->kind == LISTING_LINK))
		old->now = LISTING_SEEN;
	kind = compare(s, old, x, &st);
	if (kind == CHANGE_KINDS)
		return 0;
	c = add(s, kind, arena_printf(s->a, "%s%s%s", w->path.s, *w->path.s ? "/" : "", x->name));
	c->new_mode = st.mode;
	c->new_size = st.size;
	hash(w, x, c);
	/* Of one that was there before it is not known whether it was executable. */
	c->runs = risk_of(c->path, kind == CHANGE_ADDED ? 0 : st.mode, st.mode);
	return 0;
}

static void enter(struct walk *w, const char *name)
{
	struct since *s = w->context;
	struct listing_entry *old = listed(s, name);
	uint32_t in = s->in[s->depth] == NOT_KNOWN ? NOT_KNOWN : NOT_THERE;

	if (old && old->kind == LISTING_DIRECTORY) {
		old->now = LISTING_SEEN;
		in = (uint32_t)(old - s->before->v);
	} else if (old && old->kind == LISTING_UNREAD) {
		w->incomplete = UNREAD_BEFORE;
		in = NOT_KNOWN;
	}
	s->in[++s->depth] = in;
}

static void leave(struct walk *w, bool whole)
{
	struct since *s = w->context;
	const uint32_t in = s->in[s->depth--];

	if (whole && in != NOT_THERE && in != NOT_KNOWN)
		s->before->v[in].now = LISTING_WHOLE;
}

/* Of what was not seen, that is gone which was in a directory that is gone, or that was read whole:
 * who reads no more than a part of one misses what is there.  A directory comes before what is in it. */
static void add_gone(struct walk *w)
{
	struct since *s = w->context;

	for (size_t i = LISTING_TOP + 1; s->before && i < s->before->n; i++) {
		struct listing_entry *x = &s->before->v[i];
		const struct listing_entry *in = &s->before->v[x->in];
		owned_str path = STR_INIT;
		struct change *c;

		if (x->now != LISTING_UNSEEN || (in->now != LISTING_WHOLE && in->now != LISTING_GONE))
			continue;
		x->now = LISTING_GONE;
		if (x->kind == LISTING_UNREAD)
			w->incomplete = UNREAD_BEFORE;
		if (x->kind != LISTING_FILE && x->kind != LISTING_LINK)
			continue;
		listing_path(s->before, x, &path);
		c = add(s, CHANGE_DELETED, arena_strdup(s->a, path.s));
		c->old_mode = x->kind == LISTING_LINK ? S_IFLNK : S_IFREG;
		c->runs = risk_of(c->path, c->old_mode, 0);
	}
}

int changes_since(struct arena *a, int workspace_fd, int64_t since, struct listing *before,
		  struct changes *ret, const char **ret_incomplete, struct err *e)
{
	static const struct walk_visitor to = { found, enter, leave, skip };
	struct since s = { .a = a, .since = since, .before = before, .next = LISTING_TOP + 1,
			   .in = { before ? LISTING_TOP : NOT_KNOWN } };
	owned_walk w = { .to = &to, .context = &s, .most = SINCE_ENTRIES, .ms = SINCE_MS };

	if (walk_tree(&w, workspace_fd, e) < 0)
		return err_in(e, "workspace");
	if (before && !w.over)
		before->v[LISTING_TOP].now = LISTING_WHOLE;
	add_gone(&w);
	changes_sort(&s.found);
	*ret = s.found;
	if (w.over || w.incomplete)
		*ret_incomplete = w.over ? w.over : w.incomplete;
	return 0;
}
