/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/change.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"

enum { FILE_MOST = 1 << 20, CONTEXT = 3 };

int change_open(struct arena *a, const char *path, struct change *ret, struct err *e)
{
	char *real = realpath(path, NULL);
	struct change c = { .path = arena_strdup(a, real ? real : path), .exists = real,
			    .before = "" };
	owned_str text = STR_INIT;
	struct stat st;

	free(real);
	if (!c.exists && errno != ENOENT && errno != ENOTDIR)
		return err_set(e, errno, "%s", path);
	if (!c.exists && lstat(path, &st) == 0)
		return err_say(e, ENOENT, "%s: leads nowhere", path);
	if (c.exists) {
		if (stat(c.path, &st) < 0)
			return err_set(e, errno, "%s", c.path);
		if (!S_ISREG(st.st_mode))
			return err_say(e, EINVAL, "%s: is not a regular file", c.path);
		if (file_read(AT_FDCWD, c.path, FILE_MOST, &text, e) < 0)
			return -e->code;
		if (strlen(str_text(&text)) != text.len)
			return err_say(e, EINVAL, "%s: holds a NUL", c.path);
		c.before = arena_strdup(a, str_text(&text));
	}
	*ret = c;
	return 0;
}

bool change_is_none(const struct change *c)
{
	return c->after ? c->exists && strcmp(c->before, c->after) == 0 : !c->exists;
}

/* ---- the difference ---- */

struct lines {
	const char **v;		/* the beginnings; v[n] is the end of the text */
	size_t n;
};

static struct lines split(const char *text)
{
	struct lines l = { must(calloc(strlen(text) + 2, sizeof *l.v)), 0 };

	while (*text) {
		l.v[l.n++] = text;
		text += strcspn(text, "\n");
		text += *text == '\n';
	}
	l.v[l.n] = text;
	return l;
}

static size_t length(const struct lines *l, size_t i)
{
	return (size_t)(l->v[i + 1] - l->v[i]);
}

static bool same(const struct lines *x, size_t i, const struct lines *y, size_t j)
{
	return length(x, i) == length(y, j) && memcmp(x->v[i], y->v[j], length(x, i)) == 0;
}

static void put(const struct lines *l, size_t from, size_t to, char sign, struct str *out)
{
	for (size_t i = from; i < to; i++) {
		str_append(out, &sign, 1);
		str_append(out, l->v[i], length(l, i));
		if (l->v[i + 1][-1] != '\n')
			str_puts(out, "\n\\ No newline at end of file\n");
	}
}

void change_show(const struct change *c, struct str *out)
{
	struct lines old = split(c->before), new = split(c->after ? c->after : "");
	size_t head = 0, tail = 0, from, more, n_old, n_new;

	while (head < old.n && head < new.n && same(&old, head, &new, head))
		head++;
	while (tail < old.n - head && tail < new.n - head &&
	       same(&old, old.n - tail - 1, &new, new.n - tail - 1))
		tail++;
	from = head > CONTEXT ? head - CONTEXT : 0;
	more = tail > CONTEXT ? CONTEXT : tail;
	n_old = old.n - tail + more - from;
	n_new = new.n - tail + more - from;
	str_printf(out, "--- %s\n+++ %s\n", c->exists ? c->path : "/dev/null",
		   c->after ? c->path : "/dev/null");
	/* an empty range is named by the line before it */
	str_printf(out, "@@ -%zu,%zu +%zu,%zu @@\n", from + !!n_old, n_old, from + !!n_new, n_new);
	put(&old, from, head, ' ', out);
	put(&old, head, old.n - tail, '-', out);
	put(&new, head, new.n - tail, '+', out);
	put(&old, old.n - tail, old.n - tail + more, ' ', out);
	free(old.v);
	free(new.v);
}

/* ---- the change ---- */

int make_parents(const char *path, struct err *e)
{
	char *copy = must(strdup(path));
	int r = 0;

	for (char *p = copy + 1; r == 0 && (p = strchr(p, '/')); p++) {
		*p = 0;
		if (mkdir(copy, 0755) < 0 && errno != EEXIST)
			r = err_set(e, errno, "mkdir %s", copy);
		*p = '/';
	}
	free(copy);
	return r;
}

static int back_up(struct arena *a, const struct change *c, const struct stat *st, char **ret,
		   struct err *e)
{
	time_t now = time(NULL);
	owned_fd fd = -1;
	struct tm tm;
	char stamp[32];
	char *path = NULL;

	strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", gmtime_r(&now, &tm));
	for (unsigned i = 0; fd < 0; i++) {
		path = i ? arena_printf(a, "%s.%s-%u.bak", c->path, stamp, i)
			 : arena_printf(a, "%s.%s.bak", c->path, stamp);
		fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (fd < 0 && (errno != EEXIST || i == 99))
			return err_set(e, errno, "create %s", path);
	}
	if (fd_write_all(fd, c->before, strlen(c->before), path, e) < 0)
		return -e->code;
	if (fchown(fd, st->st_uid, st->st_gid) < 0 || fchmod(fd, st->st_mode & 07777) < 0)
		return err_set(e, errno, "owner and mode of %s", path);
	*ret = path;
	return 0;
}

static int replace(struct arena *a, const struct change *c, const struct stat *st, struct err *e)
{
	const char *tmp = arena_printf(a, "%s.%d.tmp", c->path, getpid());
	owned_fd fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int r;

	if (fd < 0)
		return err_set(e, errno, "create %s", tmp);
	if ((r = fd_write_all(fd, c->after, strlen(c->after), tmp, e)) < 0)
		goto undo;
	if (fchown(fd, st->st_uid, st->st_gid) < 0 || fchmod(fd, st->st_mode & 07777) < 0 ||
	    fsync(fd) < 0) {
		r = err_set(e, errno, "owner and mode of %s", tmp);
		goto undo;
	}
	if (rename(tmp, c->path) < 0) {
		r = err_set(e, errno, "rename %s to %s", tmp, c->path);
		goto undo;
	}
	return 0;
undo:
	unlink(tmp);
	return r;
}

int change_make(struct arena *a, const struct change *c, char **ret_backup, struct err *e)
{
	struct stat st = { .st_mode = 0644, .st_uid = geteuid(), .st_gid = getegid() };
	char *backup = NULL;

	if (c->exists) {
		if (stat(c->path, &st) < 0)
			return err_set(e, errno, "%s", c->path);
		if (back_up(a, c, &st, &backup, e) < 0)
			return -e->code;
	} else if (make_parents(c->path, e) < 0) {
		return -e->code;
	}
	if (c->after && replace(a, c, &st, e) < 0)
		return -e->code;
	if (!c->after && unlink(c->path) < 0)
		return err_set(e, errno, "unlink %s", c->path);
	*ret_backup = backup;
	return 0;
}
