/* SPDX-License-Identifier: Apache-2.0 */
#include "lifecycle/workspace.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "review/store.h"
#include "sandbox/overlay.h"

static const struct spec_workspace *copy_on_write(const struct spec *s)
{
	const struct spec_workspace *w = s->agent ? s->agent->workspace : NULL;

	return w && strcmp(w->mode, "cow") == 0 ? w : NULL;
}

int workspace_plan(struct arena *a, const struct spec *s, struct state *state, struct err *e)
{
	char *directory;

	if (!copy_on_write(s))
		return 0;
	if (review_directory(a, state->rootless, &directory, e) < 0)
		return -e->code;
	state->store = arena_printf(a, "%s/%s", directory, state->session);
	return 0;
}

int workspace_make(struct arena *a, struct spec *s, const struct state *state,
		   const struct state_dir *d, struct err *e)
{
	const struct spec_workspace *w = copy_on_write(s);
	owned_review made = REVIEW_INIT;
	struct spec_mount *m;
	struct review_store store;

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
		.user_xattr = state->rootless,
	};
	if (overlay_check_whole(w->source, e) < 0 ||
	    review_make(a, state->store, &store, m->source_fd, &made, e) < 0)
		return err_in(e, "workspace");
	m->store = state->store;
	m->store_user_xattr = store.user_xattr;
	return 0;
}

static int is_empty(int dir, const char *name, struct err *e)
{
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), n = 0;
	DIR *entries = fd < 0 ? NULL : fdopendir(fd);

	if (!entries)
		return err_set(e, errno, "open %s", name);
	while (n < 3 && readdir(entries))
		n++;
	closedir(entries);
	return n < 3;	/* "." and ".." */
}

int workspace_conclude(struct arena *a, const struct state *state, struct workspace_evidence *ret,
		       struct err *e)
{
	owned_review review = REVIEW_INIT;
	int r;

	*ret = (struct workspace_evidence){ 0 };
	if (!state->store)
		return 0;
	r = review_open_path(a, state->store, &review, e);
	if (r == -ENOENT)	/* removed already, or create died before it was made */
		return 0;
	if (r < 0)
		return r;
	r = is_empty(review.fd, REVIEW_UPPER, e);
	return r > 0 ? review_remove(&review, e) : r;
}
