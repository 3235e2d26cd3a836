/* SPDX-License-Identifier: Apache-2.0 */
/* listing: the file with what was in a workspace, and what is made of one that is damaged. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <string.h>

#include "review/listing.h"

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))
#define TOP "\1\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0"
#define INODE "\7\0\0\0"
/* Bytes with NULs among them; the last one is the literal's own. */
#define BYTES(literal) literal, sizeof(literal) - 1

/* What follows the magic. */
static const struct row {
	const char *what, *bytes;
	size_t size;
	const char *paths;	/* "path path"; NULL: it is damaged */
} rows[] = {
	{ "nothing", BYTES(TOP "\0" "e"), "" },
	{ "a file and a link", BYTES(TOP "\0" "f" INODE "a\0" "l" INODE "b\0" "e"), "f:a l:b" },
	{ "what is below", BYTES(TOP "\0" "da\0" "f" INODE "b\0" "dc\0" "f" INODE "d\0" "." "." "f" INODE "e\0" "e"),
	  "d:a f:a/b d:a/c f:a/c/d f:e" },
	{ "one that was not read", BYTES(TOP "\0" "ua\0" "e"), "u:a" },
	{ "the same names elsewhere", BYTES(TOP "\0" "f" INODE "x\0" "dy\0" "f" INODE "x\0" "." "e"), "f:x d:y f:y/x" },
	{ "a name that was told twice", BYTES(TOP "\0" "f" INODE "x\0" "f" INODE "x\0" "e"), "f:x" },
	{ "a directory that was told twice",
	  BYTES(TOP "\0" "dx\0" "f" INODE "y\0" "." "dx\0" "f" INODE "y\0" "f" INODE "z\0" "." "e"),
	  "d:x f:x/y f:x/z" },
	{ "a name with all that a name can have", BYTES(TOP "\0" "f" INODE "\1 \n\xff..\0" "e"), "f:\1 \n\xff.." },

	{ "empty", BYTES(""), NULL },
	{ "cut in the top", BYTES("\1\0\0"), NULL },
	{ "cut after the top", BYTES(TOP), NULL },
	{ "cut in the reason", BYTES(TOP "why"), NULL },
	{ "without an end", BYTES(TOP "\0" "f" INODE "a\0"), NULL },
	{ "cut after the kind", BYTES(TOP "\0" "f"), NULL },
	{ "cut in the inode", BYTES(TOP "\0" "f" "\7\0"), NULL },
	{ "cut before the name", BYTES(TOP "\0" "f" INODE), NULL },
	{ "cut in the name", BYTES(TOP "\0" "f" INODE "abc"), NULL },
	{ "cut in a directory's name", BYTES(TOP "\0" "dabc"), NULL },
	{ "cut in a directory", BYTES(TOP "\0" "da\0" "e"), NULL },
	{ "bytes after the end", BYTES(TOP "\0" "e" "e"), NULL },
	{ "another kind", BYTES(TOP "\0" "xa\0" "e"), NULL },
	{ "a NUL for a kind", BYTES(TOP "\0" "\0" "e"), NULL },
	{ "out of the top", BYTES(TOP "\0" "." "e"), NULL },
	{ "no name", BYTES(TOP "\0" "f" INODE "\0" "e"), NULL },
	{ "the directory itself", BYTES(TOP "\0" "d.\0" "." "e"), NULL },
	{ "the directory above", BYTES(TOP "\0" "f" INODE "..\0" "e"), NULL },
	{ "a path for a name", BYTES(TOP "\0" "f" INODE "a/b\0" "e"), NULL },
	{ "two of one name", BYTES(TOP "\0" "f" INODE "a\0" "l" INODE "a\0" "e"), NULL },
	{ "entries and a reason", BYTES(TOP "why\0" "f" INODE "a\0" "e"), NULL },
};

static struct arena arena;

static void tear_down(void)
{
	arena_free(&arena);
}

TestSuite(listing, .fini = tear_down);

static int read_back(const struct str *text, struct listing *ret)
{
	struct err e = { 0 };
	int r = listing_read(&arena, str_text(text), text->len, ret, &e);

	cr_expect(eq(int, r, -e.code));
	cr_expect(r == 0 || r == -EBADMSG, "%d", r);
	return r;
}

static void put_paths(const struct listing *l, struct str *out)
{
	for (size_t i = LISTING_TOP + 1; i < l->n; i++) {
		str_printf(out, "%s%c:", out->len ? " " : "", l->v[i].kind);
		listing_path(l, &l->v[i], out);
		cr_expect(listing_find(l, l->v[i].in, l->v[i].name) == &l->v[i]);
	}
}

Test(listing, is_read_or_refused)
{
	for (size_t i = 0; i < ROWS(rows); i++) {
		owned_str text = STR_INIT, found = STR_INIT;
		struct listing l = { 0 };
		int r;

		str_puts(&text, LISTING_MAGIC);
		str_append(&text, rows[i].bytes, rows[i].size);
		r = read_back(&text, &l);
		cr_expect(eq(int, r < 0, !rows[i].paths), "%s", rows[i].what);
		if (r < 0)
			continue;
		put_paths(&l, &found);
		cr_expect(eq(str, (char *)str_text(&found), (char *)rows[i].paths), "%s", rows[i].what);
		cr_expect(l.top.device == 1 && l.top.inode == 2 && !l.why, "%s", rows[i].what);
	}
}

/* Of one that is whole, however much is missing or wrong. */
Test(listing, that_is_cut_or_changed_is_never_trusted_blindly)
{
	static const char good[] = LISTING_MAGIC TOP "\0" "da\0" "f" INODE "b\0" "." "uc\0" "l" INODE "d\0" "e";

	for (size_t n = 0; n < sizeof good - 1; n++) {
		owned_str text = STR_INIT;
		struct listing l;

		str_append(&text, good, n);
		cr_expect(read_back(&text, &l) < 0, "the first %zu bytes", n);
	}
	for (size_t at = 0; at < sizeof good - 1; at++)
		for (int bit = 0; bit < 8; bit++) {
			owned_str text = STR_INIT, ignored = STR_INIT;
			struct listing l;

			str_append(&text, good, sizeof good - 1);
			text.s[at] = (char)(text.s[at] ^ 1 << bit);
			if (read_back(&text, &l) == 0)
				put_paths(&l, &ignored);
		}
}

Test(listing, of_another_version_or_too_large)
{
	owned_str text = STR_INIT, deep = STR_INIT, many = STR_INIT;
	struct listing l;

	str_append(&text, BYTES("agentrun list 2\n" TOP "\0" "e"));
	cr_expect(read_back(&text, &l) < 0);
	str_append(&deep, BYTES(LISTING_MAGIC TOP "\0"));
	for (int i = 0; i < 1000; i++)
		str_append(&deep, BYTES("da\0"));
	for (int i = 0; i < 1000; i++)
		str_puts(&deep, ".");
	str_puts(&deep, "e");
	cr_expect(read_back(&deep, &l) < 0, "deeper than a walk goes");
	str_append(&many, BYTES(LISTING_MAGIC TOP "\0"));
	for (int i = 0; i <= LISTING_ENTRIES; i++) {
		str_puts(&many, "u");
		str_printf(&many, "%d", i);
		str_append(&many, "", 1);
	}
	str_puts(&many, "e");
	cr_expect(read_back(&many, &l) < 0, "more than are listed");
}

Test(listing, says_why_there_is_none)
{
	owned_str text = STR_INIT;
	struct listing l;

	listing_make(-1, &text);
	cr_assert(read_back(&text, &l) == 0);
	cr_expect(l.why && strstr(l.why, "Bad file descriptor") && l.n == LISTING_TOP + 1);
}
