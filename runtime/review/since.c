/* SPDX-License-Identifier: Apache-2.0 */
#include "review/since.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <linux/openat2.h>

#include "base/fd.h"
#include "base/sys.h"
#include "review/risk.h"
#include "review/tree.h"

struct walk {
	struct arena *a;
	int64_t since;
	struct changes found;
	size_t room, looked_at;
	int64_t until;		/* CLOCK_MONOTONIC, ms */
	const char *over;	/* why the rest is not looked at; NULL: it is */
	uint64_t hashed;
	const char *incomplete;
};

static void hash(struct walk *w, int dir, const char *name, struct change *c)
{
	owned_entry x = ENTRY_INIT;

	if (c->new_size > SINCE_HASHED - w->hashed) {
		w->incomplete = "not every changed file was read: there are too many bytes";
		return;
	}
	w->hashed += c->new_size;
	/* One that cannot be read, or is something else by now, has no hash. */
	if (entry_look(dir, name, &x) < 0 || x.fd < 0 || x.st.st_mode != c->new_mode ||
	    entry_hash(&x, c->new_hash) < 0)
		c->new_hash[0] = '\0';
}

static void add(struct walk *w, int dir, const char *name, const struct sys_entry *st,
		const char *path)
{
	struct change *c;

	if (w->found.n == w->room) {
		struct change *more = arena_array(w->a, struct change, 2 * w->room + 64);

		if (w->room)
			memcpy(more, w->found.v, w->room * sizeof *more);
		w->found.v = more;
		w->room = 2 * w->room + 64;
	}
	c = &w->found.v[w->found.n++];
	*c = (struct change){
		.kind = st->born >= w->since ? CHANGE_ADDED : CHANGE_MODIFIED,
		.path = arena_strdup(w->a, path),
		.new_mode = st->mode,
		.new_size = st->size,
	};
	hash(w, dir, name, c);
	/* Of one that was there before it is not known whether it was executable. */
	c->runs = risk_of(path, c->kind == CHANGE_ADDED ? 0 : st->mode, st->mode);
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

/* Counts one more entry; false: no more are looked at. */
static bool goes_on(struct walk *w)
{
	enum { OFTEN = 256 };

	w->looked_at++;
	if (!w->over && w->looked_at > SINCE_ENTRIES)
		w->over = "it has too many entries";
	else if (!w->over && w->looked_at % OFTEN == 0 && now_ms() > w->until)
		w->over = "looking at all of it takes too long";
	return !w->over;
}

static int walk(struct walk *w, int dir_fd, struct str *path, unsigned depth, struct err *e);

static int visit(struct walk *w, int dir, const char *name, struct str *path, unsigned depth,
		 struct err *e)
{
	struct sys_entry st;
	int below;

	if (sys_entry_of(dir, name, &st) < 0) {
		if (errno == EACCES)
			w->incomplete = "some directories cannot be read";
		return errno == ENOENT || errno == EACCES ? 0 : err_set(e, errno, "stat %s", path->s);
	}
	if (S_ISREG(st.mode) || S_ISLNK(st.mode)) {
		if (st.changed >= w->since)
			add(w, dir, name, &st, path->s);
		return 0;
	}
	if (!S_ISDIR(st.mode))
		return 0;
	if (depth == SINCE_DEEP) {
		w->incomplete = "directories lie too deep";
		return 0;
	}
	below = sys_openat2(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0,
			    RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV);
	if (below < 0 && (errno == ENOENT || errno == EXDEV || errno == ELOOP || errno == ENOTDIR))
		return 0;	/* gone, or another file system, which is not the workspace's */
	if (below < 0 && errno == EACCES) {
		w->incomplete = "some directories cannot be read";
		return 0;
	}
	if (below < 0)
		return err_set(e, errno, "open %s", path->s);
	return walk(w, below, path, depth + 1, e);
}

/* Owns dir_fd. */
static int walk(struct walk *w, int dir_fd, struct str *path, unsigned depth, struct err *e)
{
	DIR *dir = fdopendir(dir_fd);
	const size_t length = path->len;
	struct dirent *d;
	int r = 0;

	if (!dir) {
		r = err_set(e, errno, "read %s", str_text(path));
		close(dir_fd);
		return r;
	}
	while (r == 0 && (errno = 0, d = readdir(dir))) {
		if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
			continue;
		if (!goes_on(w))
			break;
		str_printf(path, "%s%s", length ? "/" : "", d->d_name);
		r = visit(w, dirfd(dir), d->d_name, path, depth, e);
		path->len = length;
		path->s[length] = '\0';
	}
	if (r == 0 && errno)
		r = err_set(e, errno, "read %s", str_text(path));
	closedir(dir);
	return r;
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct change *)a)->path, ((const struct change *)b)->path);
}

int changes_since(struct arena *a, int workspace_fd, int64_t since, struct changes *ret,
		  const char **ret_incomplete, struct err *e)
{
	struct walk w = { .a = a, .since = since, .until = now_ms() + SINCE_MS };
	owned_str path = STR_INIT;
	int top = openat(workspace_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;

	if (top < 0)
		return err_set(e, errno, "open the workspace");
	str_reserve(&path, 1);
	path.s[0] = '\0';
	if ((r = walk(&w, top, &path, 0, e)) < 0)
		return err_in(e, "workspace");
	if (w.found.n)
		qsort(w.found.v, w.found.n, sizeof *w.found.v, by_path);
	*ret = w.found;
	if (w.over || w.incomplete)
		*ret_incomplete = w.over ? w.over : w.incomplete;
	return 0;
}
