/* SPDX-License-Identifier: Apache-2.0 */
/* Rotation: the log is renamed, and the oldest files go. */
#include "audit/audit.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/logfile.h"
#include "audit/parts.h"

/* A session in this file that has not ended, whose next record will have to follow what is in it. */
static int find_open_session(const struct log *l, const struct part *p, char ret[CHAIN_NAME],
			     struct err *e)
{
	struct chain_sessions seen = { 0 };
	struct chain_lines lines;
	const char *line;
	bool terminated;
	size_t n;
	int r = 0;

	*ret = 0;
	chain_lines_init(&lines, p->fd, p->size);
	while (!*ret && (r = chain_lines_next(&lines, &line, &n, &terminated)) > 0) {
		struct chain_session *it;
		struct chain_frame f;
		char path[LOGFILE_SESSION];

		if (!chain_read(line, n, &f) || (it = chain_session(&seen, f.session))->last.seq)
			continue;
		it->last.seq = f.seq;
		logfile_session(path, f.session);
		if (faccessat(l->dirfd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			snprintf(ret, CHAIN_NAME, "%s", f.session);
	}
	chain_lines_free(&lines);
	chain_sessions_free(&seen);
	return r < 0 ? err_set(e, -r, "read %s", p->name) : 0;
}

static int part_remove(const struct log *l, const struct part *p, struct err *e)
{
	struct stat st;

	/* another program may be rotating at the same time */
	if (fstatat(l->dirfd, p->name, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_ino != p->inode)
		return err_say(e, EAGAIN, "%s was renamed meanwhile", p->name);
	return unlinkat(l->dirfd, p->name, 0) < 0 ? err_set(e, errno, "remove %s", p->name) : 0;
}

static int remove_oldest(const struct log *l, unsigned keep, struct audit_rotation *ret, struct err *e)
{
	struct parts parts;
	size_t old;
	int r = parts_open(l->dirfd, &parts, e);

	if (r < 0)
		return r;
	old = parts.n && part_is_log(&parts.v[parts.n - 1]) ? parts.n - 1 : parts.n;
	for (size_t i = 0; r == 0 && old - i > keep; i++) {
		if ((r = find_open_session(l, &parts.v[i], ret->held, e)) < 0 || *ret->held)
			break;
		if ((r = part_remove(l, &parts.v[i], e)) == 0)
			ret->removed++;
	}
	ret->files = old - ret->removed;
	parts_close(&parts);
	return r;
}

static int move_away(const struct log *l, struct audit_rotation *ret, struct err *e)
{
	struct tail tail;
	int r = logfile_tail(l, &tail, e);

	if (r < 0)
		return r;
	if (!tail.any)
		return err_say(e, ENODATA, AUDIT_LOG " holds no record: it stays where it is");
	/* twenty digits are no date, and no number that logrotate(8) gives */
	ret->last_seq = tail.last.seq;
	snprintf(ret->name, sizeof ret->name, AUDIT_LOG "-%020llu", tail.last.seq);
	if (faccessat(l->dirfd, ret->name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return err_say(e, EEXIST, "%s exists", ret->name);
	if (renameat(l->dirfd, AUDIT_LOG, l->dirfd, ret->name) < 0)
		return err_set(e, errno, "rename " AUDIT_LOG " to %s", ret->name);
	return 0;
}

int audit_rotate(const char *directory, unsigned keep, struct audit_rotation *ret, struct err *e)
{
	struct audit_rotation done = { .files = 0 };
	struct log l;
	int r = logfile_open(&l, directory, e);

	if (r == 0 && l.size)
		r = move_away(&l, &done, e);
	if (r == 0)
		r = remove_oldest(&l, keep ? keep : UINT_MAX, &done, e);
	if (r == 0) {
		fsync(l.dirfd);
		*ret = done;
	}
	logfile_close(&l);
	return r < 0 ? err_in(e, "audit: %s", directory) : 0;
}
