/* SPDX-License-Identifier: Apache-2.0 */
#include "base/members.h"

#include <errno.h>
#include <sys/types.h>

static void write_list(struct json_writer *w, const struct strv *list)
{
	json_open_array(w);
	for (size_t i = 0; i < list->n; i++)
		json_put_string(w, list->v[i]);
	json_close_array(w);
}

void members_write(const struct member *table, const void *object, struct json_writer *w)
{
	for (; table->key; table++) {
		const void *p = (const char *)object + table->offset;

		json_key(w, table->key);
		switch (table->kind) {
		case MEMBER_TEXT: json_put_string(w, *(char *const *)p); break;
		case MEMBER_PID: json_put_i64(w, *(const pid_t *)p); break;
		case MEMBER_I64: json_put_i64(w, *(const int64_t *)p); break;
		case MEMBER_U64: json_put_u64(w, *(const uint64_t *)p); break;
		case MEMBER_BOOL: json_put_bool(w, *(const bool *)p); break;
		case MEMBER_LIST: write_list(w, p); break;
		}
	}
}

static bool read_list(struct arena *a, const struct json *value, struct strv *list)
{
	bool texts = value->type == JSON_ARRAY;

	for (size_t i = 0; texts && i < value->n; i++) {
		texts = value->items[i]->type == JSON_STRING;
		if (texts)
			strv_add(a, list, arena_strdup(a, value->items[i]->text));
	}
	return texts;
}

static bool read_one(struct arena *a, enum member_kind kind, const struct json *value, void *p)
{
	int64_t number;

	switch (kind) {
	case MEMBER_TEXT:
		*(char **)p = value->type == JSON_STRING ? arena_strdup(a, value->text) : NULL;
		return value->type == JSON_STRING || value->type == JSON_NULL;
	case MEMBER_PID:
		if (json_i64(value, &number) < 0)
			return false;
		*(pid_t *)p = (pid_t)number;
		return *(pid_t *)p == number;
	case MEMBER_I64:
		return json_i64(value, p) == 0;
	case MEMBER_U64:
		return json_u64(value, p) == 0;
	case MEMBER_BOOL:
		*(bool *)p = value->boolean;
		return value->type == JSON_BOOL;
	case MEMBER_LIST:
		return read_list(a, value, p);
	}
	return false;
}

int members_read(struct arena *a, const struct member *table, const struct json *tree,
		 const char *what, void *ret, struct err *e)
{
	for (; table->key; table++) {
		const struct json *value = json_get(tree, table->key);

		if (!value && table->newer)
			continue;
		if (!value || !read_one(a, table->kind, value, (char *)ret + table->offset))
			return err_say(e, EINVAL, "%s: %s: missing or of the wrong type", what,
				       table->key);
	}
	return 0;
}
