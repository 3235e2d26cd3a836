/* SPDX-License-Identifier: Apache-2.0 */
#include "review/intent.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "review/tree.h"

/* ---- the file: a line of JSON with who and what was reviewed, then as changes.json ---- */

int intent_write(const struct review *r, const struct intent *x, struct err *e)
{
	struct json_writer *w = json_writer_new(false);
	struct changes c = x->c;
	owned_str text = STR_INIT;
	owned_fd fd = -1;

	json_open(w);
	json_field_u64(w, "caller", x->caller);
	json_field(w, "reviewed", x->reviewed);
	json_close(w);
	json_writer_end(w, &text);
	changes_digest(&c);
	changes_write(&c, &text);
	if (file_replace(r->fd, REVIEW_INTENT, text.s, text.len, 0600, e) < 0)
		return -e->code;
	fd = openat(r->fd, REVIEW_INTENT, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 || fsync(fd) < 0 || fsync(r->fd) < 0 ? err_set(e, errno, "write " REVIEW_INTENT) : 0;
}

void intent_remove(const struct review *r)
{
	unlinkat(r->fd, REVIEW_INTENT, 0);
}

static bool parse(struct arena *a, const char *text, struct intent *ret, struct err *e)
{
	const char *end = strchr(text, '\n'), *reviewed;
	const struct json *j, *caller;
	uint64_t uid;

	if (!end || json_parse(a, text, (size_t)(end - text), REVIEW_INTENT, &j, e) < 0)
		return false;
	caller = json_get(j, "caller");
	reviewed = json_get_text(j, "reviewed");
	if (!caller || caller->type != JSON_NUMBER || json_u64(caller, &uid) < 0 || !reviewed ||
	    strlen(reviewed) >= HASH_HEX)
		return false;
	ret->caller = (uid_t)uid;
	strcpy(ret->reviewed, reviewed);
	return changes_parse(a, end + 1, &ret->c, e) == 0;
}

int intent_read(struct arena *a, const struct review *r, struct intent *ret, struct err *e)
{
	owned_str text = STR_INIT;
	struct intent x = { 0 };
	int n = file_read(r->fd, REVIEW_INTENT, SIZE_MAX, &text, e);

	if (n < 0)
		return n == -ENOENT ? 0 : n;
	if (!parse(a, str_text(&text), &x, e))
		return err_say(e, EBADMSG, REVIEW_INTENT ": damaged");
	*ret = x;
	return 1;
}

/* ---- what came of it ---- */

static bool is_done(const struct change *c, int workspace_fd)
{
	const mode_t compared = S_IFMT | (S_ISLNK(c->new_mode) ? 0 : 0777);
	owned_entry h = ENTRY_INIT;
	char found[HASH_HEX];

	if (entry_look(workspace_fd, strcmp(c->path, ".") == 0 ? "" : c->path, &h) < 0)
		return false;
	if (c->kind == CHANGE_DELETED || h.fd < 0)
		return c->kind == CHANGE_DELETED && h.fd < 0;
	return !((h.st.st_mode ^ c->new_mode) & compared) &&
	       (!*c->new_hash || (entry_hash(&h, found) == 0 && strcmp(found, c->new_hash) == 0));
}

void intent_done(struct arena *a, const struct intent *x, int workspace_fd, struct changes *ret)
{
	*ret = (struct changes){ .v = arena_array(a, struct change, x->c.n) };
	for (size_t i = 0; i < x->c.n; i++)
		if (is_done(&x->c.v[i], workspace_fd))
			ret->v[ret->n++] = x->c.v[i];
}
