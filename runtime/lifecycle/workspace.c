/* SPDX-License-Identifier: Apache-2.0 */
#include "lifecycle/workspace.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "review/listing.h"
#include "review/since.h"
#include "review/store.h"
#include "sandbox/idmap.h"
#include "sandbox/overlay.h"

/* The workspace if it has that mode. */
static const struct spec_workspace *of_mode(const struct spec *s, const char *mode)
{
	const struct spec_workspace *w = s && s->agent ? s->agent->workspace : NULL;

	return w && strcmp(w->mode, mode) == 0 ? w : NULL;
}

int workspace_check_end(const struct spec *s, const struct state *state, struct err *e)
{
	const struct spec_namespace *pid = spec_namespace_find(s, "pid");

	if (!of_mode(s, "cow") || (pid && !pid->path) || !state->cgroup.rootless_without)
		return 0;
	return err_say(e, EOPNOTSUPP, "workspace.mode=cow: the container shares a PID namespace and has no "
		       "cgroup, so nothing tells when the last of its processes is gone: give it a PID "
		       "namespace of its own, or a user session with delegated cgroups");
}

int workspace_plan(struct arena *a, const struct spec *s, struct state *state, struct err *e)
{
	char *directory;

	if (!of_mode(s, "cow"))
		return 0;
	if (review_directory(a, state->rootless, &directory, e) < 0)
		return -e->code;
	state->store = arena_printf(a, "%s/%s", directory, state->session);
	return 0;
}

int workspace_make(struct arena *a, struct spec *s, struct state *state, const struct state_dir *d,
		   struct err *e)
{
	const struct spec_workspace *w = of_mode(s, "cow");
	owned_review made = REVIEW_INIT;
	struct spec_mount *m;
	struct review_store store;
	struct stat st;

	/* From a file system, whose clock is not the one that clock_gettime(2) reads. */
	if (fstat(d->fd, &st) < 0)
		return err_set(e, errno, "stat %s", d->path);
	state->since = (uint64_t)st.st_ctim.tv_sec * 1000000000 + (uint64_t)st.st_ctim.tv_nsec;
	if (!w)
		return 0;
	m = &s->mounts.v[w->mount];
	store = (struct review_store){
		.session = state->session,
		.container = state->id,
		.workspace = w->source,
		.destination = w->destination,
		.state = d->path,
		.created = state->created,
		.mask = w->mask,
		.user_xattr = state->rootless,
	};
	if (overlay_check_whole(w->source, e) < 0 ||
	    review_make(a, state->store, &store, m->source_fd, &made, e) < 0)
		return err_in(e, "workspace");
	m->store = state->store;
	m->store_user_xattr = store.user_xattr;
	return 0;
}

void workspace_list(const struct spec *s, const struct state *state, const struct state_dir *d)
{
	const struct spec_workspace *w = of_mode(s, "rw");
	owned_str list = STR_INIT;
	struct err e;

	if (!w)
		return;
	listing_make(s->mounts.v[w->mount].source_fd, &list);
	if (file_replace(d->fd, STATE_LISTING, list.s, list.len, 0600, &e) < 0)
		log_warn("container %s: list of the workspace: %s", state->id, e.text);
}

int workspace_discard(const struct state *state, struct err *e)
{
	return state->store ? review_discard(state->store, e) : 0;
}

static int is_empty(int dir, const char *name, struct err *e)
{
	owned_fd fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *entries = fd < 0 ? NULL : fdopendir(fd);
	int n = 0, error;

	if (!entries)
		return err_set(e, errno, "open %s", name);
	fd_take(&fd);
	while (errno = 0, n < 3 && readdir(entries))
		n++;
	error = n < 3 ? errno : 0;
	closedir(entries);
	return error ? err_set(e, error, "read %s", name) : n < 3;	/* "." and ".." */
}

static int read_store(struct arena *a, struct review *review, struct changes *ret, struct err *e)
{
	owned_fd upper = openat(review->fd, REVIEW_UPPER,
				O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	owned_fd workspace = -1;
	owned_str text = STR_INIT;

	if (upper < 0)
		return err_set(e, errno, "open " REVIEW_UPPER);
	if (review_open_workspace(&review->s, &workspace, e) < 0 ||
	    changes_read(a, &review->s, upper, workspace, true, ret, e) < 0)
		return -e->code;
	changes_write(ret, &text);
	return file_replace(review->fd, REVIEW_CHANGES, text.s, text.len, 0600, e);
}

/* The agent's writes are in the store, and what was found is then, too. */
static int conclude_aside(struct arena *a, const struct state *state, struct changes *ret, struct err *e)
{
	owned_review review = REVIEW_INIT;
	int r = review_open_path(a, state->store, &review, e);

	if (r == -ENOENT)	/* removed already, or what a create that was killed had begun */
		return workspace_discard(state, e);
	if (r == 0)
		r = is_empty(review.fd, REVIEW_UPPER, e);
	if (r > 0)
		return review_remove(&review, e);
	return r < 0 ? r : read_store(a, &review, ret, e);
}

/* text: keeps it.  Why there is none that can be compared with; NULL: there is one. */
static const char *read_list(struct arena *a, const struct state_dir *d, int top, struct str *text,
			     struct listing *ret)
{
	/* Its last entry ends beyond the bound that stops it. */
	const size_t most = LISTING_BYTES + 4096;
	struct stat st;
	struct err e;

	if (file_read(d->fd, STATE_LISTING, most, text, &e) < 0 ||
	    listing_read(a, str_text(text), text->len, ret, &e) < 0)
		return e.code == ENOENT ? "there is no list of what was there" : arena_strdup(a, e.text);
	if (ret->why)
		return arena_printf(a, "the workspace was not listed before it ran: %s", ret->why);
	if (fstat(top, &st) < 0 || st.st_dev != ret->top.device || st.st_ino != ret->top.inode)
		return "it is another directory than the one that was listed";
	return NULL;
}

/* They are in the workspace. */
static int conclude_writable(struct arena *a, const struct state_dir *d, const struct state *state,
			     const char *source, struct workspace_changes *w, struct err *e)
{
	owned_fd top = open(source, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	const char *unlisted, *incomplete = NULL;
	struct listing before;
	owned_str text = STR_INIT;
	int r;

	if (!state->since)
		return err_say(e, ENODATA, "a version of agentrun that did not look for them created the "
			       "container");
	if (top < 0)
		return err_set(e, errno, "%s", source);
	unlisted = read_list(a, d, top, &text, &before);
	r = changes_since(a, top, (int64_t)state->since, unlisted ? NULL : &before, &w->changes,
			  &incomplete, e);
	w->reason = incomplete;
	if (unlisted)
		w->reason = arena_printf(a, "the names of what was removed are not known: %s%s%s", unlisted,
					 incomplete ? "; " : "", incomplete ? incomplete : "");
	return r;
}

struct conclusion {
	struct arena *a;
	const struct state_dir *d;
	const struct state *state;
	const struct spec_workspace *writable;
	struct workspace_changes *w;
};

static int conclude(const struct conclusion *c, struct err *e)
{
	return c->state->store ? conclude_aside(c->a, c->state, &c->w->changes, e) :
	       conclude_writable(c->a, c->d, c->state, c->writable->source, c->w, e);
}

/* The reason, then the changes. */
static int conclude_in_child(void *conclusion, struct str *out, struct err *e)
{
	const struct conclusion *c = conclusion;
	struct workspace_changes *w = c->w;

	if (conclude(c, e) < 0)
		return -e->code;
	if (w->reason)
		str_puts(out, w->reason);
	str_append(out, "", 1);
	changes_digest(&w->changes);
	changes_write(&w->changes, out);
	return 0;
}

/* What a user without privilege had written belongs to subordinate ids, which a child has; this process
 * has yet to be what it was. */
static int conclude_for_user(struct conclusion *c, struct err *e)
{
	struct workspace_changes *w = c->w;
	owned_str text = STR_INIT;
	size_t n;

	if (idmap_call_own(conclude_in_child, c, &text, e) < 0)
		return -e->code;
	n = strlen(text.s);
	w->reason = n ? arena_strdup(c->a, text.s) : NULL;
	return changes_parse(c->a, text.s + n + 1, &w->changes, e);
}

const struct workspace_changes *workspace_conclude(struct arena *a, const struct state_dir *d,
						   const struct state *state, const struct spec *s)
{
	const struct spec_workspace *writable = of_mode(s, "rw");
	struct workspace_changes *w = arena_new(a, struct workspace_changes);
	struct conclusion c = { a, d, state, writable, w };
	struct err e;
	int r;

	if (!state->store && !writable)
		return NULL;
	r = geteuid() == 0 ? conclude(&c, &e) : conclude_for_user(&c, &e);
	w->source = state->store ? "overlay" : "statx";
	if (!state->store)
		*w->changes.digest = '\0';	/* nobody can apply them by it */
	if (r < 0) {
		log_warn("container %s: changes of the workspace: %s", state->id, e.text);
		*w = (struct workspace_changes){ .reason = arena_strdup(a, e.text) };
	}
	return w;
}
