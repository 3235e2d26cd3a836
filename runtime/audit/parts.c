/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/parts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/audit.h"
#include "base/fd.h"

enum { ATTEMPTS = 5 };

bool part_is_log(const struct part *p)
{
	return strcmp(p->name, AUDIT_LOG) == 0;
}

static bool is_name(const char *name)
{
	const char *rest = name + strlen(AUDIT_LOG);

	return str_has_prefix(name, AUDIT_LOG) && strlen(name) < sizeof ((struct part *)0)->name &&
	       (!*rest || ((*rest == '.' || *rest == '-') && rest[1] &&
			   !rest[1 + strspn(rest + 1, "0123456789-")]));
}

/* 1: it holds a record, and *ret is its number. */
static int first_record(int fd, off_t size, unsigned long long *ret)
{
	struct chain_lines lines;
	struct chain_frame f;
	const char *line;
	bool terminated, found = false;
	size_t n;
	int r;

	chain_lines_init(&lines, fd, size);
	while (!found && (r = chain_lines_next(&lines, &line, &n, &terminated)) > 0)
		if ((found = chain_read(line, n, &f)))
			*ret = f.seq;
	chain_lines_free(&lines);
	return found ? 1 : r;
}

/* 0: it was renamed meanwhile.  Without a record it is open, but no part. */
static int part_open(int dirfd, const char *name, struct part *ret, struct err *e)
{
	owned_fd fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct part p = { .first = ULLONG_MAX };
	struct stat st;
	int r;

	snprintf(p.name, sizeof p.name, "%s", name);
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return err_set(e, errno, "open %s", name);
	if (fstat(fd, &st) < 0)
		return err_set(e, errno, "stat %s", name);
	if (!S_ISREG(st.st_mode))
		return err_say(e, EINVAL, "%s: not a regular file", name);
	p.size = st.st_size;
	p.inode = st.st_ino;
	p.part = part_is_log(&p);
	if (!p.part) {
		/* there may be hundreds: as a rule one line is enough */
		const off_t start = p.size < AUDIT_LINE_MOST ? p.size : AUDIT_LINE_MOST;

		r = first_record(fd, start, &p.first);
		if (r == 0)
			r = lseek(fd, 0, SEEK_SET) < 0 ? -errno : first_record(fd, p.size, &p.first);
		if (r < 0 || lseek(fd, 0, SEEK_SET) < 0)
			return err_set(e, r < 0 ? -r : errno, "read %s", name);
		p.part = r;
	}
	p.fd = fd_take(&fd);
	*ret = p;
	return 1;
}

/* What an administrator put there under such a name (a link to an archive) is none of ours. */
static bool is_ours(int dirfd, const char *name)
{
	struct stat st;

	return is_name(name) && (strcmp(name, AUDIT_LOG) == 0 ||
				 fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
				 S_ISREG(st.st_mode));
}

/* Calls for each file that may be a part; a result other than 0 ends it. */
static int each_name(int dirfd, int (*visit)(void *ctx, int dirfd, const char *name, struct err *e),
		     void *ctx, struct err *e)
{
	owned_fd fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent *entry;
	DIR *dir;
	int r = 0;

	dir = fd >= 0 ? fdopendir(fd) : NULL;
	if (!dir)
		return err_set(e, errno, "read the directory of the log");
	fd_take(&fd);
	while (r == 0 && (entry = readdir(dir)))
		if (is_ours(dirfd, entry->d_name))
			r = visit(ctx, dirfd, entry->d_name, e);
	closedir(dir);
	return r;
}

static int visit_open(void *ctx, int dirfd, const char *name, struct err *e)
{
	struct parts *all = ctx;
	struct part p;
	int r = part_open(dirfd, name, &p, e);

	if (r <= 0)
		return r;
	all->v = must(realloc(all->v, (all->n + 1) * sizeof *all->v));
	all->v[all->n++] = p;
	return 0;
}

struct seen {
	const struct parts *parts;
	size_t n;
};

/* 1: a file has a name that it did not have when the parts were opened. */
static int visit_check(void *ctx, int dirfd, const char *name, struct err *e)
{
	struct seen *seen = ctx;
	struct stat st;

	(void)e;
	seen->n++;
	for (size_t i = 0; i < seen->parts->n; i++)
		if (strcmp(seen->parts->v[i].name, name) == 0)
			return fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
			       seen->parts->v[i].inode != st.st_ino;
	return 1;
}

static int by_first(const void *a, const void *b)
{
	const struct part *x = a, *y = b;

	if (x->first != y->first)
		return x->first < y->first ? -1 : 1;
	return strcmp(x->name, y->name);
}

/* 1: files were renamed while they were looked for, so that one may be missing, or be there twice. */
static int open_all(int dirfd, struct parts *ret, struct err *e)
{
	struct seen seen = { .parts = ret };
	int r = each_name(dirfd, visit_open, ret, e);

	if (r == 0)
		r = each_name(dirfd, visit_check, &seen, e);
	return r ? r : seen.n != ret->n;
}

int parts_open(int dirfd, struct parts *ret, struct err *e)
{
	struct parts all = { 0 };
	size_t n = 0;
	int r = 1;

	for (int i = 0; i < ATTEMPTS && r > 0; i++) {
		parts_close(&all);
		r = open_all(dirfd, &all, e);
	}
	if (r) {
		parts_close(&all);
		return r < 0 ? r : err_say(e, EAGAIN, "the files of the log are renamed again and again");
	}
	for (size_t i = 0; i < all.n; i++) {
		if (all.v[i].part)
			all.v[n++] = all.v[i];
		else
			fd_close(&all.v[i].fd);
	}
	all.n = n;
	if (n)
		qsort(all.v, n, sizeof *all.v, by_first);
	*ret = all;
	return 0;
}

void parts_close(struct parts *p)
{
	for (size_t i = 0; i < p->n; i++)
		fd_close(&p->v[i].fd);
	free(p->v);
	*p = (struct parts){ 0 };
}

/* ---- lines ---- */

void parts_lines_init(struct parts_lines *l, const struct parts *parts)
{
	*l = (struct parts_lines){ .parts = parts };
}

void parts_lines_free(struct parts_lines *l)
{
	chain_lines_free(&l->lines);
}

int parts_lines_next(struct parts_lines *l, const char **line, size_t *n, bool *terminated)
{
	for (;;) {
		int r = chain_lines_next(&l->lines, line, n, terminated);

		if (r < 0 || (r == 0 && l->next == l->parts->n))
			return r;
		if (r > 0) {
			*terminated |= l->next < l->parts->n;
			return r;
		}
		chain_lines_free(&l->lines);
		chain_lines_init(&l->lines, l->parts->v[l->next].fd, l->parts->v[l->next].size);
		l->next++;
	}
}
