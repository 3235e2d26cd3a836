/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/shrink.h"

#include <string.h>

#include "base/json.h"

struct cut {
	struct json_writer *w;
	size_t most;		/* bytes of a string; a sixteenth of it: items of an array */
	struct strv *notes;
	struct arena *a;
};

static void note_cut(struct cut *c, const struct json_path *at, size_t more, const char *unit)
{
	enum { NOTES = 16 };
	owned_str where = STR_INIT;

	if (c->notes->n >= NOTES)
		return;
	json_path_put(at, &where);
	strv_add(c->a, c->notes, arena_printf(c->a, "%s: %zu more %s", str_text(&where), more, unit));
}

static void put_cut(struct cut *c, const struct json *j, const struct json_path *at)
{
	const size_t many = c->most / 16;

	if (j->type == JSON_STRING) {
		size_t n = strlen(j->text), keep = c->most;

		if (n <= c->most) {
			json_put_string(c->w, j->text);
			return;
		}
		while (keep > 0 && ((unsigned char)j->text[keep] & 0xc0) == 0x80)
			keep--;			/* not inside a character */
		json_put_string(c->w, arena_printf(c->a, "%.*s...", (int)keep, j->text));
		note_cut(c, at, n - keep, "bytes");
	} else if (j->type == JSON_ARRAY) {
		json_open_array(c->w);
		for (size_t i = 0; i < j->n && i < many; i++) {
			const struct json_path item = { .up = at, .index = i };

			put_cut(c, j->items[i], &item);
		}
		json_close_array(c->w);
		if (j->n > many)
			note_cut(c, at, j->n - many, "items");
	} else if (j->type == JSON_OBJECT) {
		json_open(c->w);
		for (size_t i = 0; i < j->n && i < many; i++) {
			const struct json_path member = { .up = at, .key = j->keys[i] };

			if (strlen(j->keys[i]) > c->most) {
				note_cut(c, at, 1, "members");
				continue;
			}
			json_key(c->w, j->keys[i]);
			put_cut(c, j->items[i], &member);
		}
		json_close(c->w);
		if (j->n > many)
			note_cut(c, at, j->n - many, "members");
	} else {
		json_put_tree(c->w, j);
	}
}

void shrink(const struct str *members, size_t room, struct str *out)
{
	owned_arena a = ARENA_INIT;
	const struct json *tree;
	struct err ignored;

	if (json_parse(&a, members->s, members->len, "record", &tree, &ignored) < 0)
		goto lost;
	for (size_t most = 16384; most >= 16; most /= 2) {
		struct strv notes = { 0 };
		struct cut c = { json_writer_new(false), most, &notes, &a };

		json_open(c.w);
		for (size_t i = 0; i < tree->n && i < 1024; i++) {
			const struct json_path at = { .key = tree->keys[i] };

			if (strlen(tree->keys[i]) > most)
				continue;
			json_key(c.w, tree->keys[i]);
			put_cut(&c, tree->items[i], &at);
		}
		json_field_strv(c.w, "truncated", &notes);
		json_close(c.w);
		out->len = 0;
		json_writer_end(c.w, out);
		if (out->len <= room)
			return;
	}
lost:
	out->len = 0;
	str_printf(out, "{\"truncated\":[\"all: %zu more bytes\"]}\n", members->len);
}
