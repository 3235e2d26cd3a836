/* SPDX-License-Identifier: Apache-2.0 */
/* Changes as JSON: what `diff --json` prints, and changes.json, which is written and read back. */
#include "review/changes.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/json.h"

/* JSON has no other bytes than UTF-8: a path with them is there a second time, in hexadecimal. */
static void write_path(struct json_writer *w, const char *path)
{
	owned_str hex = STR_INIT;
	size_t n = strlen(path), length = 1;

	json_field(w, "path", path);
	for (size_t i = 0; i < n && length; i += length)
		length = utf8_sequence((const unsigned char *)path + i, n - i);
	if (length)
		return;
	for (size_t i = 0; i < n; i++)
		str_printf(&hex, "%02x", (unsigned char)path[i]);
	json_field(w, "path_bytes", hex.s);
}

void change_write(const struct change *c, struct json_writer *w)
{
	json_open(w);
	json_field(w, "kind", change_kind_names[c->kind]);
	write_path(w, c->path);
	json_field_u64(w, "old_mode", c->old_mode);
	json_field_u64(w, "new_mode", c->new_mode);
	json_field_u64(w, "old_size", c->old_size);
	json_field_u64(w, "new_size", c->new_size);
	json_field(w, "old_hash", c->old_hash);
	json_field(w, "new_hash", c->new_hash);
	json_field(w, "refused", c->refused);
	json_field(w, "conflict", c->conflict);
	json_field(w, "runs", c->runs);
	json_close(w);
}

void changes_write(const struct changes *c, struct str *out)
{
	struct json_writer *w = json_writer_new(false);

	json_open(w);
	json_field(w, "digest", c->digest);
	json_field_u64(w, "changes", c->n);
	json_close(w);
	json_writer_end(w, out);
	for (size_t i = 0; i < c->n; i++) {
		w = json_writer_new(false);
		change_write(&c->v[i], w);
		json_writer_end(w, out);
	}
}

static bool load_number(const struct json *j, const char *key, uint64_t most, uint64_t *ret)
{
	const struct json *n = json_get(j, key);

	return n && n->type == JSON_NUMBER && json_u64(n, ret) == 0 && *ret <= most;
}

static bool load_hash(const struct json *j, const char *key, char ret[HASH_HEX])
{
	const char *text = json_get_text(j, key);

	if (!text || strlen(text) >= HASH_HEX)
		return false;
	strcpy(ret, text);
	return true;
}

static const char *load_path(struct arena *a, const struct json *j)
{
	const char *bytes = json_get_text(j, "path_bytes"), *path = json_get_text(j, "path");
	owned_str decoded = STR_INIT;
	unsigned c;

	if (!bytes)
		return path ? arena_strdup(a, path) : NULL;
	for (; sscanf(bytes, "%2x", &c) == 1; bytes += 2)
		str_append(&decoded, &(char){ (char)c }, 1);
	return *bytes ? NULL : arena_strdup(a, str_text(&decoded));
}

static const char *load_text(struct arena *a, const struct json *j, const char *key)
{
	const char *text = json_get_text(j, key);

	return text ? arena_strdup(a, text) : NULL;
}

static bool load_change(struct arena *a, const struct json *j, struct change *c)
{
	const char *kind = json_get_text(j, "kind");
	uint64_t old_mode, new_mode;
	size_t k = 0;

	while (k < CHANGE_KINDS && !str_equal(kind, change_kind_names[k]))
		k++;
	if (k == CHANGE_KINDS || !load_number(j, "old_mode", UINT32_MAX, &old_mode) ||
	    !load_number(j, "new_mode", UINT32_MAX, &new_mode) ||
	    !load_number(j, "old_size", UINT64_MAX, &c->old_size) ||
	    !load_number(j, "new_size", UINT64_MAX, &c->new_size) ||
	    !load_hash(j, "old_hash", c->old_hash) || !load_hash(j, "new_hash", c->new_hash))
		return false;
	c->kind = (enum change_kind)k;
	c->old_mode = (mode_t)old_mode;
	c->new_mode = (mode_t)new_mode;
	c->path = load_path(a, j);
	c->refused = load_text(a, j, "refused");
	c->conflict = load_text(a, j, "conflict");
	c->runs = load_text(a, j, "runs");
	return c->path != NULL;
}

/* The next line's tree, which lives in `line`; NULL at the end, or where it is bad. */
static const struct json *next_line(struct arena *line, const char **text, struct err *e)
{
	const char *start = *text, *end = strchr(start, '\n');
	const struct json *j;

	if (!end || json_parse(line, start, (size_t)(end - start), REVIEW_CHANGES, &j, e) < 0)
		return NULL;
	*text = end + 1;
	return j;
}

static bool load(struct arena *a, const char *text, struct changes *c, struct err *e)
{
	char digest[HASH_HEX];
	owned_arena first = ARENA_INIT;
	const struct json *j = next_line(&first, &text, e);
	uint64_t n;

	if (!j || !load_hash(j, "digest", digest) || !load_number(j, "changes", CHANGES_MOST, &n))
		return false;
	c->v = arena_array(a, struct change, n);
	for (c->n = 0; c->n < n; c->n++) {
		owned_arena line = ARENA_INIT;

		j = next_line(&line, &text, e);
		if (!j || !load_change(a, j, &c->v[c->n]))
			return false;
	}
	changes_digest(c);
	return strcmp(digest, c->digest) == 0 && !*text;
}

int changes_parse(struct arena *a, const char *text, struct changes *ret, struct err *e)
{
	struct changes c = { 0 };

	if (!load(a, text, &c, e))
		return err_say(e, EBADMSG, REVIEW_CHANGES ": damaged: not what was written when the "
			       "container was deleted");
	*ret = c;
	return 0;
}

int changes_load(struct arena *a, int dir_fd, struct changes *ret, struct err *e)
{
	owned_str text = STR_INIT;

	if (file_read(dir_fd, REVIEW_CHANGES, SIZE_MAX, &text, e) < 0)
		return -e->code;
	return changes_parse(a, str_text(&text), ret, e);
}
