/* SPDX-License-Identifier: Apache-2.0 */
/* json: what is refused and where, what is read, what is written. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"

#define COUNT(rows) (sizeof(rows) / sizeof *(rows))

static int parse(struct arena *a, const char *text, const struct json **ret, struct err *e)
{
	return json_parse(a, text, strlen(text), "f", ret, e);
}

Test(json, refuses_what_is_no_json)
{
	static const struct { const char *text, *error; } rows[] = {
		{ "", "f:1:1: " },
		{ "  \n ", "f:2:2: " },
		{ "{", "f:1:2: " },
		{ "[1,2", "f:1:5: [2]: " },
		{ "{\"a\":{\"b\":[1,}}", "f:1:15: a.b[1]: " },
		{ "{\"a\":1,}", "f:1:" },
		{ "{\"a\" 1}", "f:1:" },
		{ "{a:1}", "f:1:" },
		{ "{1:2}", "f:1:" },
		{ "'a'", "f:1:" },
		{ "[1 2]", "f:1:" },
		{ "[,]", "f:1:" },
		{ "nul", "f:1:" },
		{ "True", "f:1:" },
		{ "[NaN]", "f:1:" },
		{ "[Infinity]", "f:1:" },
		{ "[01]", "f:1:" },
		{ "[+1]", "f:1:" },
		{ "[.5]", "f:1:" },
		{ "[1.]", "f:1:" },
		{ "[1e]", "f:1:" },
		{ "[-]", "f:1:" },
		{ "[0x10]", "f:1:" },
		{ "\"a", "f:1:" },
		{ "\"a\nb\"", "f:1:" },
		{ "\"a\tb\"", "f:1:" },
		{ "\"\\x41\"", "f:1:" },
		{ "\"\\u12g4\"", "f:1:" },
		{ "{} {}", "f:1:" },
		{ "{}x", "f:1:" },
		{ "/* c */{}", "f:1:" },
		{ "{}// c", "f:1:" },
		{ "\xef\xbb\xbf{}", "f:1:" },
		{ "{\n \"a\": [\n  true,\n  fals\n ]\n}", "f:4:7: a[1]: " },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		owned_arena a = ARENA_INIT;
		const struct json *j = NULL;
		struct err e = { 0 };

		cr_expect_eq(parse(&a, rows[i].text, &j, &e), -EINVAL, "row %zu", i);
		cr_expect_eq(e.code, EINVAL, "row %zu", i);
		cr_expect_null(j, "row %zu", i);
		cr_expect(str_has_prefix(e.text, rows[i].error), "row %zu: %s", i, e.text);
		cr_expect(strstr(e.text, "not valid JSON: "), "row %zu: %s", i, e.text);
	}
}

/* Well-formed, but refused: texts that two programs would read differently. */
Test(json, refuses_what_is_ambiguous)
{
	static const struct { const char *text, *error; } rows[] = {
		{ "{\"a\":1,\"a\":2}", "f:1:8: a: the key stands twice in its object" },
		{ "{\"a\":1,\"\\u0061\":2}", "f:1:8: a: the key stands twice in its object" },
		{ "{\"x\":[{\"a\":1},\n{\"k\":0,\"k\":0}]}",
		  "f:2:8: x[1].k: the key stands twice in its object" },
		{ "{\"a.b\":1,\"a.b\":1}",
		  "f:1:10: [\"a.b\"]: the key stands twice in its object" },
		{ "{\"\":1,\"\":1}", "f:1:7: [\"\"]: the key stands twice in its object" },
		{ "[\"a\\u0000b\"]", "f:1:2: [0]: a string with a NUL character" },
		{ "{\"a\\u0000\":1}", "f:1:2: a string with a NUL character" },
		{ "{\"a\":\"\\\"\\\\\\u0000\"}", "f:1:6: a: a string with a NUL character" },
		{ "[\"\xff\"]", "f:1:2: [0]: a string that is not valid UTF-8" },
		{ "[\"12345678\xc3\"]", "f:1:2: [0]: a string that is not valid UTF-8" },
		{ "[\"\xc0\x80\"]", "f:1:2: [0]: a string that is not valid UTF-8" },
		{ "[\"\xe0\x9f\xbf\"]", "f:1:2: [0]: a string that is not valid UTF-8" },
		{ "[\"\xed\xa0\x80\"]", "f:1:2: [0]: a string that is not valid UTF-8" },
		{ "[\"\xf0\x8f\xbf\xbf\"]", "f:1:2: [0]: a string that is not valid UTF-8" },
		{ "[\"\xf4\x90\x80\x80\"]", "f:1:2: [0]: a string that is not valid UTF-8" },
		{ "{\"\xff\":1}", "f:1:2: a string that is not valid UTF-8" },
		{ "[\"\\ud800\"]", "f:1:2: [0]: a string with half a surrogate pair" },
		{ "[\"\\ud800x\\udc00\"]", "f:1:2: [0]: a string that" },
		{ "[\"\\ud800\\u0041\"]", "f:1:2: [0]: a string with half a surrogate pair" },
		{ "[\"\\udc00\"]", "f:1:2: [0]: a string that is not valid UTF-8" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		owned_arena a = ARENA_INIT;
		const struct json *j = NULL;
		struct err e = { 0 };

		cr_expect_lt(parse(&a, rows[i].text, &j, &e), 0, "row %zu", i);
		cr_expect_null(j, "row %zu", i);
		cr_expect(str_has_prefix(e.text, rows[i].error), "row %zu: %s", i, e.text);
	}
	/* an embedded NUL is not the text's end */
	{
		owned_arena a = ARENA_INIT;
		const struct json *j;
		struct err e = { 0 };

		cr_expect_eq(json_parse(&a, "[1]\0[2]", 7, "f", &j, &e), -EINVAL);
		cr_expect(str_has_prefix(e.text, "f:1:5: not valid JSON: "), "%s", e.text);
		cr_expect_eq(json_parse(&a, "[\"a\0b\"]", 7, "f", &j, &e), -EINVAL);
		cr_expect(str_has_prefix(e.text, "f:1:4: [0]: not valid JSON: "), "%s", e.text);
	}
}

Test(json, finds_the_first_duplicate_of_many_keys)
{
	owned_str text = STR_INIT;
	owned_arena a = ARENA_INIT;
	const struct json *j;
	struct err e = { 0 };

	str_puts(&text, "{");
	for (int i = 0; i < 5000; i++)
		str_printf(&text, "%s\"k%d\":%d", i ? ",\n" : "", i, i);
	str_puts(&text, ",\n\"k7\":0,\n\"k3\":0}");
	cr_assert_eq(json_parse(&a, text.s, text.len, "f", &j, &e), -EINVAL);
	cr_assert_str_eq(e.text, "f:5001:1: k7: the key stands twice in its object");
}

static int parse_nested(struct arena *a, size_t deep, const struct json **ret, struct err *e)
{
	owned_str text = STR_INIT;

	for (size_t i = 0; i < deep; i++)
		str_puts(&text, "[");
	for (size_t i = 0; i < deep; i++)
		str_puts(&text, "]");
	return json_parse(a, text.s, text.len, "f", ret, e);
}

Test(json, limits)
{
	owned_arena a = ARENA_INIT;
	owned_str text = STR_INIT;
	owned_str out = STR_INIT;
	struct json_writer *w;
	const struct json *j;
	struct err e = { 0 };

	cr_assert_eq(parse_nested(&a, JSON_DEEP, &j, &e), 0);
	w = json_writer_new(false);
	json_put_tree(w, j);	/* what can be read can be written */
	json_writer_end(w, &out);
	cr_assert_eq(out.len, 2 * JSON_DEEP + 1);

	cr_assert_eq(parse_nested(&a, JSON_DEEP + 1, &j, &e), -E2BIG);
	cr_assert(strstr(e.text, "nested more than 100 deep"), "%s", e.text);
	cr_assert_eq(parse_nested(&a, 100000, &j, &e), -E2BIG);
	cr_assert(strstr(e.text, "nested more than 100 deep"), "%s", e.text);

	str_puts(&text, "[0");
	for (size_t i = 0; i < JSON_MANY; i++)
		str_puts(&text, ",0");
	str_puts(&text, "]");
	cr_assert_eq(json_parse(&a, text.s, text.len, "f", &j, &e), -E2BIG);
	cr_assert(strstr(e.text, "values"), "%s", e.text);

	text.len = 0;
	memset(str_reserve(&text, JSON_MOST + 1), ' ', JSON_MOST + 1);
	str_commit(&text, JSON_MOST + 1);
	text.s[0] = '1';
	cr_assert_eq(json_parse(&a, text.s, JSON_MOST, "f", &j, &e), 0);
	cr_assert_eq(json_parse(&a, text.s, JSON_MOST + 1, "f", &j, &e), -EFBIG);
}

Test(json, reads)
{
	static const char text[] =
		" { \"s\" : \"a\\n\\\"\\\\\\/\\u00e9\\ud83d\\ude00?\", \"n\":-12, \"t\":true,\n"
		"\"f\":false, \"z\":null, \"a\":[1,[],{}], \"o\":{\"x\":\"y\"} } ";
	owned_arena a = ARENA_INIT;
	const struct json *j, *v;
	struct err e = { 0 };

	cr_assert_eq(parse(&a, text, &j, &e), 0, "%s", e.text);
	cr_assert_eq(j->type, JSON_OBJECT);
	cr_assert_eq(j->n, 7);
	cr_assert_str_eq(j->keys[0], "s");
	cr_assert_str_eq(json_get_text(j, "s"), "a\n\"\\/\xc3\xa9\xf0\x9f\x98\x80?");
	v = json_get(j, "n");
	cr_assert_eq(v->type, JSON_NUMBER);
	cr_assert_str_eq(v->text, "-12");
	cr_assert(json_get(j, "t")->type == JSON_BOOL && json_get(j, "t")->boolean);
	cr_assert(json_get(j, "f")->type == JSON_BOOL && !json_get(j, "f")->boolean);
	cr_assert_eq(json_get(j, "z")->type, JSON_NULL);
	v = json_get(j, "a");
	cr_assert(v->type == JSON_ARRAY && v->n == 3 && v->items[1]->type == JSON_ARRAY &&
		  v->items[1]->n == 0 && v->items[2]->type == JSON_OBJECT);
	cr_assert_str_eq(json_get_text(json_get(j, "o"), "x"), "y");
	cr_assert_null(json_get_text(j, "n"));
	cr_assert_null(json_get(j, "absent"));
	cr_assert_null(json_get(v, "x"));
	cr_assert_null(json_get(NULL, "x"));
	cr_assert_eq(parse(&a, "42", &j, &e), 0);
	cr_assert_str_eq(j->text, "42");
}

Test(json, integers)
{
	static const struct {
		const char *text;
		int as_signed, as_unsigned;
		int64_t i;
		uint64_t u;
	} rows[] = {
		{ "0", 0, 0, 0, 0 },
		{ "-0", 0, 0, 0, 0 },
		{ "42", 0, 0, 42, 42 },
		{ "-1", 0, -ERANGE, -1, 0 },
		{ "9223372036854775807", 0, 0, INT64_MAX, INT64_MAX },
		{ "9223372036854775808", -ERANGE, 0, 0, (uint64_t)INT64_MAX + 1 },
		{ "-9223372036854775808", 0, -ERANGE, INT64_MIN, 0 },
		{ "-9223372036854775809", -ERANGE, -ERANGE, 0, 0 },
		{ "18446744073709551615", -ERANGE, 0, 0, UINT64_MAX },
		{ "18446744073709551616", -ERANGE, -ERANGE, 0, 0 },
		{ "-18446744073709551615", -ERANGE, -ERANGE, 0, 0 },
		{ "1e3", -EINVAL, -EINVAL, 0, 0 },
		{ "1E3", -EINVAL, -EINVAL, 0, 0 },
		{ "1.0", -EINVAL, -EINVAL, 0, 0 },
		{ "1.5", -EINVAL, -EINVAL, 0, 0 },
		{ "\"1\"", -EINVAL, -EINVAL, 0, 0 },
		{ "true", -EINVAL, -EINVAL, 0, 0 },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		owned_arena a = ARENA_INIT;
		const struct json *j;
		struct err e;
		int64_t s = 0;
		uint64_t u = 0;

		cr_assert_eq(parse(&a, rows[i].text, &j, &e), 0);
		cr_expect_eq(json_i64(j, &s), rows[i].as_signed, "row %zu", i);
		cr_expect_eq(s, rows[i].i, "row %zu", i);
		cr_expect_eq(json_u64(j, &u), rows[i].as_unsigned, "row %zu", i);
		cr_expect_eq(u, rows[i].u, "row %zu", i);
	}
	cr_expect_eq(json_i64(NULL, &(int64_t){ 0 }), -EINVAL);
}

Test(json, paths)
{
	static const struct json_path process = { NULL, "process", 0 },
		args = { &process, "args", 0 },
				      item = { &args, NULL, 3 },
				      dotted = { &item, "io.agentrun.x", 0 },
				      nasty = { &process, "a\"]\x1b", 0 }, top = { NULL, NULL, 0 };
	static const struct { const struct json_path *path; const char *text; } rows[] = {
		{ NULL, "" },
		{ &process, "process" },
		{ &item, "process.args[3]" },
		{ &dotted, "process.args[3][\"io.agentrun.x\"]" },
		{ &nasty, "process[\"a\\x22]\\x1b\"]" },
		{ &top, "[0]" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		owned_str s = STR_INIT;

		json_path_put(rows[i].path, &s);
		cr_expect_str_eq(str_text(&s), rows[i].text, "row %zu: %s", i, str_text(&s));
	}
}

Test(json, say)
{
	static const struct json_path process = { NULL, "process", 0 };
	struct err e;

	cr_expect_eq(json_say(&e, EINVAL, "f", &process, "%d", 5), -EINVAL);
	cr_expect_str_eq(e.text, "f: process: 5");
	json_say(&e, EINVAL, "f", NULL, "x");
	cr_expect_str_eq(e.text, "f: x");
	json_say(&e, EINVAL, NULL, &process, "x");
	cr_expect_str_eq(e.text, "process: x");
}

Test(json, reads_files)
{
	char dir[] = "/tmp/test_json.XXXXXX";
	owned_arena a = ARENA_INIT;
	const struct json *j;
	struct err e;
	char path[64];
	FILE *f;

	cr_assert_not_null(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/x.json", dir);
	cr_expect_eq(json_read_file(&a, AT_FDCWD, path, &j, &e), -ENOENT);
	f = fopen(path, "w");
	fputs("{\"a\":1}", f);
	fclose(f);
	cr_expect_eq(json_read_file(&a, AT_FDCWD, path, &j, &e), 0);
	f = fopen(path, "w");
	fclose(f);
	cr_expect_eq(json_read_file(&a, AT_FDCWD, path, &j, &e), -EINVAL);
	cr_expect(str_has_prefix(e.text, path), "%s", e.text);
	remove(path);
	remove(dir);
}

Test(json, writes)
{
	const struct strv words = { (char *[]){ (char *)"a", (char *)"b", NULL }, 2 };
	const struct kvs pairs = { (struct kv[]){ { (char *)"k", (char *)"v" } }, 1 };
	owned_str out = STR_INIT;
	struct json_writer *w = json_writer_new(false);

	str_puts(&out, "before ");
	json_open(w);
	json_field(w, "text", "a\"\\\n\x01/\xc3\xa9");
	json_field(w, "none", NULL);
	json_field_i64(w, "least", INT64_MIN);
	json_field_u64(w, "most", UINT64_MAX);
	json_field_bool(w, "yes", true);
	json_field_strv(w, "words", &words);
	json_field_kvs(w, "pairs", &pairs);
	json_key(w, "numbers");
	json_open_array(w);
	json_put_double(w, 0.1);
	json_put_double(w, -2);
	json_put_double(w, 1.0 / 3);
	json_put_double(w, NAN);
	json_put_double(w, INFINITY);
	json_close_array(w);
	json_close(w);
	json_writer_end(w, &out);
	cr_assert_str_eq(out.s,
			 "before {\"text\":\"a\\\"\\\\\\n\\u0001/\xc3\xa9\",\"none\":null,"
			 "\"least\":-9223372036854775808,\"most\":18446744073709551615,"
			 "\"yes\":true,\"words\":[\"a\",\"b\"],\"pairs\":{\"k\":\"v\"},"
			 "\"numbers\":[0.1,-2,0.3333333333333333,null,null]}\n");
}

Test(json, writes_valid_utf8_always)
{
	static const struct { const char *text, *written; } rows[] = {
		{ "\xff", "\xef\xbf\xbd" },
		{ "a\xff" "b", "a\xef\xbf\xbd" "b" },
		{ "\xc0\x80", "\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xe2\x82\xac\xe2", "\xe2\x82\xac\xef\xbf\xbd" },
		{ "\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct json_writer *w = json_writer_new(false);
		owned_arena a = ARENA_INIT;
		owned_str out = STR_INIT;
		const struct json *j;
		struct err e;

		json_open_array(w);
		json_put_string(w, rows[i].text);
		json_close_array(w);
		json_writer_end(w, &out);
		cr_assert_eq(parse(&a, out.s, &j, &e), 0, "row %zu: %s", i, e.text);
		cr_expect_str_eq(j->items[0]->text, rows[i].written, "row %zu", i);
	}
}

Test(json, trees_are_written_as_read)
{
	static const char *const texts[] = {
		"null\n", "true\n", "-1.50e+3\n", "\"x\"\n", "[]\n", "{}\n",
		"{\"b\":[1,{\"c\":null}],\"a\":\"\\u0007\"}\n",
	};

	for (size_t i = 0; i < COUNT(texts); i++) {
		struct json_writer *w = json_writer_new(false);
		owned_arena a = ARENA_INIT;
		owned_str out = STR_INIT;
		const struct json *j;
		struct err e;

		cr_assert_eq(parse(&a, texts[i], &j, &e), 0);
		json_put_tree(w, j);
		json_writer_end(w, &out);
		cr_expect_str_eq(out.s, texts[i]);
	}
}

Test(json, pretty)
{
	struct json_writer *w = json_writer_new(true);
	owned_str out = STR_INIT;

	json_open(w);
	json_field(w, "a", "b");
	json_close(w);
	json_writer_end(w, &out);
	cr_assert_str_eq(out.s, "{\n\t\"a\": \"b\"\n}\n");
}

Test(json, misuse_aborts_value_without_key, .signal = 6)
{
	struct json_writer *w = json_writer_new(false);

	json_open(w);
	json_put_i64(w, 1);
}

Test(json, misuse_aborts_open_at_end, .signal = 6)
{
	struct json_writer *w = json_writer_new(false);
	owned_str out = STR_INIT;

	json_open(w);
	json_writer_end(w, &out);
}
