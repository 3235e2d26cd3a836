/* SPDX-License-Identifier: Apache-2.0 */
#include "review/listing.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "review/walk.h"

/* ---- made ---- */

struct making {
	struct str *out;
	bool inodes;
};

static void put(struct making *m, enum listing_kind kind, const char *name)
{
	char *room = str_reserve(m->out, 1 + strlen(name) + 1);

	*room = (char)kind;
	strcpy(room + 1, name);
	str_commit(m->out, 1 + strlen(name) + 1);
}

static void bound(struct walk *w)
{
	const struct making *m = w->context;

	if (m->out->len > LISTING_BYTES && !w->over)
		w->over = "it has too many names, or too long ones";
}

static int put_found(struct walk *w, const struct walk_entry *x, struct err *e)
{
	struct making *m = w->context;
	const uint32_t inode = m->inodes ? (uint32_t)x->inode : 0;
	const char kind = S_ISLNK(x->type) ? LISTING_LINK : LISTING_FILE;

	(void)e;
	str_append(m->out, &kind, 1);
	str_append(m->out, &inode, sizeof inode);
	str_append(m->out, x->name, strlen(x->name) + 1);
	bound(w);
	return 0;
}

static void put_enter(struct walk *w, const char *name)
{
	put(w->context, LISTING_DIRECTORY, name);
	bound(w);
}

static void put_leave(struct walk *w, bool whole)
{
	const struct making *m = w->context;
	const char kind = LISTING_UP;

	(void)whole;
	str_append(m->out, &kind, 1);
}

static void put_skip(struct walk *w, const char *name, bool elsewhere)
{
	(void)elsewhere;
	put(w->context, LISTING_UNREAD, name);
	bound(w);
}

static void begin(struct str *out, const struct listing_top *top, const char *why)
{
	out->len = 0;
	str_puts(out, LISTING_MAGIC);
	str_append(out, top, sizeof *top);
	str_append(out, why, strlen(why) + 1);
}

/* Where a file keeps its inode for life, and directories tell it.  FAT and many a FUSE make one up
 * each time that they are asked. */
static bool keeps_inodes(int fd)
{
	enum { XFS = 0x58465342, ZFS = 0x2fc12fc1 };
	struct statfs st;

	if (fstatfs(fd, &st) < 0)
		return false;
	switch ((unsigned)st.f_type) {
	case EXT4_SUPER_MAGIC:
	case BTRFS_SUPER_MAGIC:
	case F2FS_SUPER_MAGIC:
	case TMPFS_MAGIC:
	case XFS:
	case ZFS:
		return true;
	default:
		return false;
	}
}

static int list(int top_fd, struct listing_top *top, const char **ret_over, struct str *ret,
		struct err *e)
{
	static const struct walk_visitor to = { put_found, put_enter, put_leave, put_skip };
	struct making m = { .out = ret };
	owned_walk w = { .to = &to, .context = &m, .most = LISTING_ENTRIES, .ms = LISTING_MS };
	struct stat st;
	int r;

	if (fstat(top_fd, &st) < 0)
		return err_set(e, errno, "stat its top");
	*top = (struct listing_top){ st.st_dev, st.st_ino };
	m.inodes = keeps_inodes(top_fd);
	begin(ret, top, "");
	r = walk_tree(&w, top_fd, e);
	*ret_over = w.over;
	return r;
}

void listing_make(int top_fd, struct str *ret)
{
	const char end = LISTING_END, *over = NULL;
	struct listing_top top = { 0 };
	struct err e;

	if (list(top_fd, &top, &over, ret, &e) < 0)
		begin(ret, &top, e.text);
	else if (over)
		begin(ret, &top, over);
	str_append(ret, &end, 1);
}

/* ---- read ---- */

static bool same(const struct listing *l, const struct listing_entry *x, uint32_t directory,
		 const char *name)
{
	return x->in == directory && x != &l->v[LISTING_TOP] && strcmp(x->name, name) == 0;
}

/* Where it is in the table, or would be (FNV-1a). */
static uint32_t *slot(const struct listing *l, uint32_t directory, const char *name)
{
	uint32_t h = (2166136261U ^ directory) * 16777619U;

	for (const char *p = name; *p; p++)
		h = (h ^ (unsigned char)*p) * 16777619U;
	for (size_t i = h ^ h >> 15;; i++) {
		uint32_t *at = &l->table[i & (l->slots - 1)];

		if (!*at || same(l, &l->v[*at], directory, name))
			return at;
	}
}

struct listing_entry *listing_find(const struct listing *l, uint32_t directory, const char *name)
{
	const uint32_t *at = slot(l, directory, name);

	return *at ? &l->v[*at] : NULL;
}

struct cursor {
	const char *p, *end;
};

static bool take(struct cursor *c, void *to, size_t size)
{
	if ((size_t)(c->end - c->p) < size)
		return false;
	memcpy(to, c->p, size);
	c->p += size;
	return true;
}

static const char *take_text(struct cursor *c)
{
	const char *text = c->p, *nul = memchr(text, '\0', (size_t)(c->end - text));

	if (nul)
		c->p = nul + 1;
	return nul ? text : NULL;
}

static bool is_name(const char *name)
{
	return name && *name && !strchr(name, '/') && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

/* One entry; the index of what the next ones are in.  A directory that changes while it is read may
 * tell a name twice: that is one entry. */
static int read_entry(struct listing *l, struct cursor *c, char kind, uint32_t *in)
{
	struct listing_entry x = { .in = *in, .kind = (enum listing_kind)kind };
	uint32_t *at;

	if ((kind == LISTING_FILE || kind == LISTING_LINK) && !take(c, &x.inode, sizeof x.inode))
		return -EBADMSG;
	x.name = take_text(c);
	if (!is_name(x.name))
		return -EBADMSG;
	at = slot(l, *in, x.name);
	if (!*at) {
		if (l->n > LISTING_ENTRIES)
			return -EBADMSG;
		*at = (uint32_t)l->n;
		l->v[l->n++] = x;
	} else if (l->v[*at].kind != x.kind) {
		return -EBADMSG;
	}
	if (kind == LISTING_DIRECTORY)
		*in = *at;
	return 0;
}

static int read_entries(struct listing *l, struct cursor *c)
{
	uint32_t in = LISTING_TOP;
	unsigned depth = 0;
	char kind;

	while (take(c, &kind, 1))
		switch (kind) {
		case LISTING_FILE:
		case LISTING_LINK:
		case LISTING_DIRECTORY:
		case LISTING_UNREAD:
			depth += kind == LISTING_DIRECTORY;
			if (depth > WALK_DEEP || read_entry(l, c, kind, &in) < 0)
				return -EBADMSG;
			break;
		case LISTING_UP:
			if (depth-- == 0)
				return -EBADMSG;
			in = l->v[in].in;
			break;
		case LISTING_END:
			return depth == 0 && c->p == c->end ? 0 : -EBADMSG;
		default:
			return -EBADMSG;
		}
	return -EBADMSG;
}

int listing_read(struct arena *a, const char *text, size_t size, struct listing *ret, struct err *e)
{
	struct cursor c = { text, text + size };
	char magic[sizeof LISTING_MAGIC - 1];
	struct listing l = { .slots = 2 };

	if (!take(&c, magic, sizeof magic) || memcmp(magic, LISTING_MAGIC, sizeof magic) != 0)
		return err_say(e, EBADMSG, "it is not a list of this version");
	if (!take(&c, &l.top, sizeof l.top) || !(l.why = take_text(&c)))
		return err_say(e, EBADMSG, "the list is damaged");
	/* An entry has three bytes at least. */
	while (l.slots < 2 * size / 3 && l.slots < 4 * LISTING_ENTRIES)
		l.slots *= 2;
	l.table = arena_array(a, uint32_t, l.slots);
	l.v = arena_array(a, struct listing_entry, l.slots / 2 + 1);
	l.v[l.n++] = (struct listing_entry){ .name = "", .kind = LISTING_DIRECTORY };
	if (read_entries(&l, &c) < 0 || (*l.why && l.n > 1))
		return err_say(e, EBADMSG, "the list is damaged");
	l.why = *l.why ? l.why : NULL;
	*ret = l;
	return 0;
}

void listing_path(const struct listing *l, const struct listing_entry *x, struct str *out)
{
	if (x->in != LISTING_TOP) {
		listing_path(l, &l->v[x->in], out);
		str_puts(out, "/");
	}
	str_puts(out, x->name);
}
