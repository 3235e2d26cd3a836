/* SPDX-License-Identifier: Apache-2.0 */
#include "review/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include <linux/openat2.h>

#include "base/dirs.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/members.h"
#include "base/sys.h"

#define STORE_FILE "store.json"

enum { DEEP = 64 };	/* directories that removing holds open at once */

/* ---- where ---- */

int review_directory(struct arena *a, bool rootless, char **ret, struct err *e)
{
	char *own;

	if (!rootless) {
		*ret = arena_strdup(a, "/var/lib/agentrun/workspaces");
		return 0;
	}
	if (dirs_of_user(a, "workspaces", "XDG_DATA_HOME", ".local/share", &own, e) < 0)
		return -e->code;
	*ret = arena_printf(a, "%s/workspaces", own);
	return 0;
}

/* Of the path of a store: what precedes its session. */
static size_t directory_length(const char *path)
{
	return (size_t)(strrchr(path, '/') - path);
}

void review_close(struct review *r)
{
	fd_close(&r->fd);
}

/* ---- store.json: one table reads and writes it ---- */

static const struct member members[] = {
#define M(key, kind, member) { key, MEMBER_##kind, offsetof(struct review_store, member), false }
	M("session", TEXT, session),
	M("container", TEXT, container),
	M("workspace", TEXT, workspace),
	M("destination", TEXT, destination),
	M("state", TEXT, state),
	M("created", TEXT, created),
	M("since", I64, since),
	M("device", U64, device),
	M("inode", U64, inode),
	M("userXattr", BOOL, user_xattr),
#undef M
	{ "mask", MEMBER_LIST, offsetof(struct review_store, mask), true },
	{ NULL, 0, 0, false },
};

static int store_write(int dir, const struct review_store *s, struct err *e)
{
	struct json_writer *w = json_writer_new(true);
	owned_str text = STR_INIT;

	json_open(w);
	members_write(members, s, w);
	json_close(w);
	json_writer_end(w, &text);
	return file_replace(dir, STORE_FILE, text.s, text.len, 0600, e);
}

static int store_read(struct arena *a, int dir, struct review_store *ret, struct err *e)
{
	const struct json *tree;

	if (json_read_file(a, dir, STORE_FILE, &tree, e) < 0 ||
	    members_read(a, members, tree, STORE_FILE, ret, e) < 0)
		return -e->code;
	return ret->session && ret->container && ret->workspace && ret->destination && ret->state &&
	       ret->created ? 0 : err_say(e, EINVAL, STORE_FILE ": a text is null");
}

/* ---- one that is made ---- */

static int copy_xattr(int from, int to, const char *name, struct err *e)
{
	char path[64], value[4096];
	ssize_t n;

	/* An O_PATH descriptor has no attributes of its own to be asked for. */
	snprintf(path, sizeof path, "/proc/self/fd/%d", from);
	n = getxattr(path, name, value, sizeof value);
	if (n < 0)
		return errno == ENODATA || errno == ENOTSUP ? 0 : err_set(e, errno, "read %s of the workspace", name);
	return fsetxattr(to, name, value, (size_t)n, 0) < 0 ?
	       err_set(e, errno, "set %s of " REVIEW_UPPER, name) : 0;
}

/* The top of the merged tree has what upper/ has. */
static int make_upper(int dir, const struct stat *top, int workspace, int64_t *ret_since, struct err *e)
{
	const struct timespec times[2] = { top->st_atim, top->st_mtim };
	owned_fd fd = -1;
	struct stat st;
	int r;

	if (mkdirat(dir, REVIEW_UPPER, 0700) < 0)
		return err_set(e, errno, "create " REVIEW_UPPER);
	fd = openat(dir, REVIEW_UPPER, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_set(e, errno, "open " REVIEW_UPPER);
	if (fchown(fd, top->st_uid, top->st_gid) < 0 || fchmod(fd, top->st_mode & 07777) < 0)
		return err_set(e, errno, "give " REVIEW_UPPER " the workspace's owner and mode");
	if ((r = copy_xattr(workspace, fd, "system.posix_acl_access", e)) < 0 ||
	    (r = copy_xattr(workspace, fd, "system.posix_acl_default", e)) < 0)
		return r;
	if (futimens(fd, times) < 0 || fstat(fd, &st) < 0)
		return err_set(e, errno, "set the times of " REVIEW_UPPER);
	/* From the file system, not from a clock: its times are of the last tick. */
	*ret_since = st.st_ctim.tv_sec * 1000000000LL + st.st_ctim.tv_nsec;
	return 0;
}

static int fill(int dir, struct review_store *s, int workspace, struct err *e)
{
	struct stat top;
	int r;

	if (fstat(workspace, &top) < 0)
		return err_set(e, errno, "stat the workspace");
	s->device = top.st_dev;
	s->inode = top.st_ino;
	if ((r = make_upper(dir, &top, workspace, &s->since, e)) < 0)
		return r;
	/* With ids mapped the kernel works there as that owner. */
	if (mkdirat(dir, REVIEW_WORK, 0700) < 0 ||
	    fchownat(dir, REVIEW_WORK, top.st_uid, top.st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return err_set(e, errno, "create " REVIEW_WORK);
	return store_write(dir, s, e);
}

static int say_full(struct arena *a, struct err *e)
{
	if (e->code != ENOSPC && e->code != EDQUOT)
		return -e->code;
	return err_say(e, e->code, "%s: agentrun workspace list shows what takes the room, discard and prune "
		       "free it", arena_strdup(a, e->text));
}

int review_make(struct arena *a, const char *path, struct review_store *s, int workspace,
		struct review *ret, struct err *e)
{
	owned_review made = REVIEW_INIT;
	owned_fd all = -1;
	struct err second;
	int r;

	made.path = arena_strdup(a, path);
	if (dirs_open(arena_strndup(a, path, directory_length(path)), 0700, &all, e) < 0)
		return say_full(a, e);
	if (mkdir(path, 0700) < 0) {
		err_set(e, errno, "create %s", path);
		return say_full(a, e);
	}
	made.fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	/* Locked: it is not to be taken for one that nobody finishes. */
	r = made.fd < 0 || flock(made.fd, LOCK_EX | LOCK_NB) < 0 ? err_set(e, errno, "open %s", path) :
	    fill(made.fd, s, workspace, e);
	if (r < 0) {
		review_discard(path, &second);
		err_in(e, "%s", path);
		return say_full(a, e);
	}
	made.s = *s;
	*ret = made;
	made.fd = -1;
	return 0;
}

/* ---- those that there are ---- */

static int open_directory(struct arena *a, const char *path, struct review *ret, struct err *e)
{
	struct stat st;

	ret->path = arena_strdup(a, path);
	ret->fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (ret->fd < 0)
		return err_set(e, errno, "%s", path);
	if (fstat(ret->fd, &st) < 0)
		return err_set(e, errno, "stat %s", path);
	/* Without root this process is in a user namespace of its own, where the uid says nothing. */
	if (st.st_uid != geteuid())
		return err_say(e, EPERM, "%s: belongs to another user, who alone can work on it: run the command as "
			       "its owner", path);
	if (st.st_mode & 0077)
		return err_say(e, EPERM, "%s: others can enter it (mode %04o) and may have changed what is there: "
			       "look at it, then chmod 0700 it", path, st.st_mode & 07777);
	return 0;
}

/* An empty store.json is one whose content a crash kept from the disk. */
static bool is_unfinished(int dir)
{
	struct stat st;

	return fstatat(dir, STORE_FILE, &st, AT_SYMLINK_NOFOLLOW) < 0 ? errno == ENOENT : !st.st_size;
}

static int say_damaged(struct arena *a, const char *path, struct err *e)
{
	return err_say(e, e->code, "%s: damaged: %s (what its container wrote is in " REVIEW_UPPER "; agentrun "
		       "workspace discard %s removes it)", path, arena_strdup(a, e->text),
		       path + directory_length(path) + 1);
}

int review_open_path(struct arena *a, const char *path, struct review *ret, struct err *e)
{
	owned_review found = REVIEW_INIT;

	if (open_directory(a, path, &found, e) < 0)
		return -e->code;
	if (is_unfinished(found.fd))
		return err_say(e, ENOENT, "%s: unfinished: its container was never created (agentrun "
			       "workspace discard removes it)", path);
	if (store_read(a, found.fd, &found.s, e) < 0)
		return say_damaged(a, path, e);
	if (strcmp(found.s.session, path + directory_length(path) + 1) != 0) {
		err_say(e, EINVAL, STORE_FILE " is of another session");
		return say_damaged(a, path, e);
	}
	*ret = found;
	found.fd = -1;
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Session ids sort by time. */
static int read_names(struct arena *a, const char *directory, struct strv *ret, struct err *e)
{
	DIR *dir = opendir(directory);
	struct dirent *d;

	if (!dir)
		return errno == ENOENT ? 0 : err_set(e, errno, "%s", directory);
	while ((d = readdir(dir)))
		if (*d->d_name != '.')
			strv_add(a, ret, d->d_name);
	closedir(dir);
	if (ret->n)
		qsort(ret->v, ret->n, sizeof *ret->v, by_name);
	return 0;
}

/* Of what is left of a store.json that was written in part; NULL: it is lost. */
static char *find_state(struct arena *a, int dir)
{
	static const char key[] = "\"state\": \"";
	owned_str text = STR_INIT;
	const char *p;
	struct err e;
	size_t n;

	if (file_read(dir, STORE_FILE, JSON_MOST, &text, &e) < 0)
		return NULL;
	p = strstr(str_text(&text), key);
	p = p ? p + strlen(key) : "";
	n = strcspn(p, "\"\\");
	return *p == '/' && p[n] == '"' ? arena_strndup(a, p, n) : NULL;
}

/* What can be told of one that cannot be read. */
static void look_at(struct arena *a, const char *path, struct review_entry *x)
{
	owned_review r = REVIEW_INIT;
	char when[32];
	struct stat st;
	struct tm tm;
	struct err e;

	if (open_directory(a, path, &r, &e) < 0 || fstat(r.fd, &st) < 0)
		return;
	x->unfinished = is_unfinished(r.fd);
	x->damaged = !x->unfinished;
	if (x->damaged)
		x->s.state = find_state(a, r.fd);
	else if (gmtime_r(&st.st_mtim.tv_sec, &tm) && strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &tm))
		x->s.created = arena_strdup(a, when);
}

int review_list(struct arena *a, const char *directory, struct review_entry **ret, size_t *ret_n,
		struct err *e)
{
	struct review_entry *list;
	struct strv names = { 0 };

	if (read_names(a, directory, &names, e) < 0)
		return -e->code;
	list = arena_array(a, struct review_entry, names.n + 1);
	for (size_t i = 0; i < names.n; i++) {
		const char *path = arena_printf(a, "%s/%s", directory, names.v[i]);
		owned_review one = REVIEW_INIT;
		struct err bad;

		if (review_open_path(a, path, &one, &bad) == 0) {
			list[i].s = one.s;
		} else {
			list[i].s.session = names.v[i];
			list[i].error = arena_strdup(a, bad.text);
			look_at(a, path, &list[i]);
		}
	}
	*ret = list;
	*ret_n = names.n;
	return 0;
}

/* What `name` means: a whole id before a beginning, and of equals the newest. */
static int choose(const struct review_entry *list, size_t n, const char *name,
		  const struct review_entry **ret, struct err *e)
{
	size_t begins = 0;

	for (size_t i = 0; i < n; i++)
		if (strcmp(list[i].s.session, name) == 0 || str_equal(list[i].s.container, name))
			*ret = &list[i];
	for (size_t i = 0; !*ret && i < n; i++)
		if (str_has_prefix(list[i].s.session, name) ||
		    (list[i].s.container && str_has_prefix(list[i].s.container, name)))
			begins++;
	if (!*ret && begins > 1)
		return err_say(e, EINVAL, "workspace \"%s\": %zu begin like that (agentrun workspace "
			       "list)", name, begins);
	for (size_t i = 0; !*ret && begins && i < n; i++)
		if (str_has_prefix(list[i].s.session, name) ||
		    (list[i].s.container && str_has_prefix(list[i].s.container, name)))
			*ret = &list[i];
	return *ret ? 0 : err_say(e, ENOENT, "workspace \"%s\": no such session (agentrun workspace "
				  "list)", name);
}

static int find(struct arena *a, const char *directory, const char *name,
		const struct review_entry **ret, const char **ret_path, struct err *e)
{
	struct review_entry *list;
	size_t n;

	if (review_list(a, directory, &list, &n, e) < 0 || choose(list, n, name, ret, e) < 0)
		return -e->code;
	*ret_path = arena_printf(a, "%s/%s", directory, (*ret)->s.session);
	return 0;
}

int review_open(struct arena *a, const char *directory, const char *name, struct review *ret,
		struct err *e)
{
	const struct review_entry *one = NULL;
	const char *path;
	int r = find(a, directory, name, &one, &path, e);

	return r < 0 ? r : review_open_path(a, path, ret, e);
}

int review_open_to_remove(struct arena *a, const char *directory, const char *name, struct review *ret,
			  struct err *e)
{
	const struct review_entry *one = NULL;
	const char *path;
	int r = find(a, directory, name, &one, &path, e);

	if (r < 0 || (!one->unfinished && !one->damaged))
		return r < 0 ? r : review_open_path(a, path, ret, e);
	ret->s = one->s;
	ret->damaged = one->damaged;
	return open_directory(a, path, ret, e);
}

int review_open_workspace(const struct review_store *s, int *ret_fd, struct err *e)
{
	owned_fd fd = open(s->workspace, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0 && errno != ENOENT && errno != ENOTDIR)
		return err_set(e, errno, "workspace %s", s->workspace);
	if (fd >= 0 && fstat(fd, &st) < 0)
		return err_set(e, errno, "stat %s", s->workspace);
	if (fd < 0 || st.st_dev != s->device || st.st_ino != s->inode)
		return err_say(e, ESTALE, "%s is %s: move that one back there, or take what the container wrote by "
			       "hand from " REVIEW_UPPER " of the session, which agentrun workspace discard %s removes",
			       s->workspace, fd < 0 ? "not there (any more)" :
			       "another directory than the one that the container had", s->session);
	*ret_fd = fd_take(&fd);
	return 0;
}

bool review_in_use(const struct review_store *s)
{
	owned_arena a = ARENA_INIT;
	owned_fd dir = open(s->state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct json *state;
	struct err e;

	if (dir < 0)
		return errno != ENOENT && errno != ENOTDIR;
	/* Another container may have taken the id since. */
	return json_read_file(&a, dir, "state.json", &state, &e) < 0 ?
	       e.code != ENOENT : str_equal(json_get_text(state, "session"), s->session);
}

int review_check_states(const char *session, const char *states, struct err *e)
{
	owned_arena a = ARENA_INIT;
	struct strv names = { 0 };

	if (read_names(&a, states, &names, e) < 0)
		return -e->code;
	for (size_t i = 0; i < names.n; i++)
		if (review_in_use(&(struct review_store){ .session = arena_strdup(&a, session),
							  .state = arena_printf(&a, "%s/%s", states, names.v[i]) }))
			return err_say(e, EBUSY, "workspace %s: container %s still exists, and may write: delete "
				       "it first", session, names.v[i]);
	return 0;
}

int review_lock(struct review *r, struct err *e)
{
	if (flock(r->fd, LOCK_EX | LOCK_NB) < 0)
		return err_set(e, errno == EWOULDBLOCK ? EBUSY : errno, "%s: another command works on "
			       "it", r->path);
	/* It may have been finished before it was locked. */
	if (!r->s.state && r->damaged)
		return 0;
	if (!r->s.state)
		return is_unfinished(r->fd) ? 0 : err_say(e, EBUSY, "workspace %s: its container is "
							   "just being created", r->s.session);
	if (review_in_use(&r->s))
		return err_say(e, EBUSY, "workspace %s: container %s still exists, and may write: delete "
			       "it first", r->s.session, r->s.container ? r->s.container :
			       strrchr(r->s.state, '/') + 1);
	return 0;
}

/* ---- one that goes ---- */

/* What a directory deeper than DEEP is renamed to, at the top; removed from there. */
struct removal {
	int top;
	unsigned moved;
};

static int open_below(int dir, const char *name, int *ret)
{
	const uint64_t resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV;
	const uint64_t flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;

	/* The kernel's own work directory has no permissions at all, and the agent's may have few. */
	if (geteuid() != 0 && fchmodat(dir, name, 0700, 0) < 0)
		return -errno;
	*ret = sys_openat2(dir, name, flags, 0, resolve);
	return *ret < 0 ? -errno : 0;
}

static int empty(struct removal *m, int dir, unsigned depth, struct err *e);

static int remove_entry(struct removal *m, int dir, const char *name, unsigned depth, struct err *e)
{
	char aside[32];
	struct stat st;
	int below = -1, r;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_set(e, errno, "stat");
	if (!S_ISDIR(st.st_mode))
		return unlinkat(dir, name, 0) < 0 && errno != ENOENT ? err_set(e, errno, "remove") : 0;
	if (depth >= DEEP) {
		do
			snprintf(aside, sizeof aside, "removed.%u", m->moved++);
		while (renameat(dir, name, m->top, aside) < 0 &&
		       (errno == EEXIST || errno == ENOTEMPTY || errno == ENOTDIR));
		return faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0 ?
		       err_say(e, EIO, "move a directory aside") : 0;
	}
	if ((r = open_below(dir, name, &below)) < 0)
		return err_set(e, -r, "open");
	if ((r = empty(m, below, depth + 1, e)) < 0)
		return r;
	return unlinkat(dir, name, AT_REMOVEDIR) < 0 && errno != ENOENT ?
	       err_set(e, errno, "remove") : 0;
}

/* Owns `dir`. */
static int empty(struct removal *m, int dir, unsigned depth, struct err *e)
{
	DIR *entries = fdopendir(dir);
	struct dirent *d;
	int r = 0;

	if (!entries) {
		r = err_set(e, errno, "read");
		close(dir);
		return r;
	}
	while (r == 0 && (errno = 0, d = readdir(entries)))
		if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0 &&
		    /* last, so that one that was interrupted is still known */
		    (depth || strcmp(d->d_name, STORE_FILE) != 0))
			r = remove_entry(m, dirfd(entries), d->d_name, depth, e);
	if (r == 0 && errno)
		r = err_set(e, errno, "read");
	closedir(entries);
	return r;
}

int review_remove(struct review *r, struct err *e)
{
	struct removal m = { .top = r->fd };
	unsigned before;
	int x, dir;

	do {
		before = m.moved;
		dir = openat(r->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		x = dir < 0 ? err_set(e, errno, "open") : empty(&m, dir, 0, e);
	} while (x == 0 && m.moved > before);
	if (x == 0 && unlinkat(r->fd, STORE_FILE, 0) < 0 && errno != ENOENT)
		x = err_set(e, errno, "remove " STORE_FILE);
	if (x == 0 && rmdir(r->path) < 0 && errno != ENOENT)
		x = err_set(e, errno, "remove");
	return x < 0 ? err_in(e, "%s", r->path) : 0;
}

int review_discard(const char *path, struct err *e)
{
	owned_review r = REVIEW_INIT;

	r.path = (char *)(uintptr_t)path;
	r.fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (r.fd < 0)
		return errno == ENOENT ? 0 : err_set(e, errno, "%s", path);
	return review_remove(&r, e);
}
