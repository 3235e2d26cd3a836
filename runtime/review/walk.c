/* SPDX-License-Identifier: Apache-2.0 */
#include "review/walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/openat2.h>

#include "base/fd.h"
#include "base/sys.h"
#include "review/tree.h"

enum { CHUNK = 32 << 10 };	/* of a directory, as the C library reads it */

void walk_free(struct walk *w)
{
	str_free(&w->path);
	str_free(&w->names);
}

static void look_at_clock(struct walk *w)
{
	if (!w->over && sys_now_ms() > w->until)
		w->over = "looking at all of it takes too long";
}

/* Counts one more entry; false: no more are looked at. */
static bool goes_on(struct walk *w)
{
	enum { OFTEN = 256 };

	w->looked_at++;
	if (!w->over && w->looked_at > w->most)
		w->over = "it has too many entries";
	else if (w->looked_at % OFTEN == 0)
		look_at_clock(w);
	return !w->over;
}

static int read_directory(struct walk *w, int dir, struct err *e);

static int skip(struct walk *w, const char *name, const char *why)
{
	if (why)
		w->incomplete = why;
	w->to->skip(w, name, !why);
	return 0;
}

static int descend(struct walk *w, int dir, const char *name, struct err *e)
{
	const size_t length = w->path.len;
	owned_fd below = -1;
	int r;

	if (w->depth == WALK_DEEP || !tree_down(&w->path, name))
		return skip(w, name, "directories lie too deep");
	below = sys_openat2(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0,
			    RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV);
	if (below < 0 && (errno == EACCES || errno == EXDEV))
		r = skip(w, name, errno == EACCES ? "some directories cannot be read" : NULL);
	else if (below < 0 && (errno == ENOENT || errno == ELOOP || errno == ENOTDIR))
		r = 0;	/* gone by now, or something else */
	else if (below < 0)
		r = err_set(e, errno, "open %s", w->path.s);
	else {
		w->to->enter(w, name);
		w->depth++;
		r = read_directory(w, below, e);
		w->depth--;
		w->to->leave(w, r == 0 && !w->over);
	}
	tree_up(&w->path, length);
	return r;
}

static int visit(struct walk *w, int dir, const struct sys_dirent *d, struct err *e)
{
	struct walk_entry x = { dir, d->name, DTTOIF(d->type), d->inode };
	struct sys_entry st;

	if (d->type == DT_UNKNOWN) {
		if (sys_entry_of(dir, d->name, &st) < 0) {
			if (errno == EACCES)
				return skip(w, d->name, "some directories cannot be read");
			return errno == ENOENT ? 0 : err_set(e, errno, "stat %s", d->name);
		}
		x.type = st.mode & S_IFMT;
	}
	if (S_ISDIR(x.type) && w->pass && w->pass(w, d->name))
		return 0;
	if (S_ISDIR(x.type))
		return descend(w, dir, d->name, e);
	return S_ISREG(x.type) || S_ISLNK(x.type) ? w->to->found(w, &x, e) : 0;
}

/* The entries stay in w->names while what is below them is read, which comes behind them there. */
static int read_directory(struct walk *w, int dir, struct err *e)
{
	const size_t first = w->names.len;
	ssize_t n = 0;
	int r = 0;

	look_at_clock(w);
	while (r == 0 && !w->over &&
	       (n = sys_getdents(dir, str_reserve(&w->names, CHUNK), CHUNK)) > 0) {
		const size_t end = first + (size_t)n;

		str_commit(&w->names, (size_t)n);
		for (size_t at = first, next; r == 0 && at < end; at = next) {
			const struct sys_dirent *d = (const void *)(w->names.s + at);

			next = at + d->size;
			if (strcmp(d->name, ".") == 0 || strcmp(d->name, "..") == 0)
				continue;
			if (!goes_on(w))
				break;
			r = visit(w, dir, d, e);
		}
		w->names.len = first;
	}
	if (n < 0 && errno != ENOENT)	/* the directory is gone by now */
		return err_set(e, errno, "read %s", *str_text(&w->path) ? w->path.s : "its top");
	return r;
}

int walk_tree(struct walk *w, int top_fd, struct err *e)
{
	owned_fd top = openat(top_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (top < 0)
		return err_set(e, errno, "open its top");
	w->until = sys_now_ms() + w->ms;
	str_reserve(&w->path, 1);
	w->path.s[0] = '\0';
	return read_directory(w, top, e);
}
