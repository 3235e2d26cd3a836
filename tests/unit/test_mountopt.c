/* SPDX-License-Identifier: Apache-2.0 */
/* mountopt: the table of mount options. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "base/arena.h"
#include "base/str.h"
#include "sandbox/mountopt.h"
#include "sandbox/rootfs.h"

#define COUNT(rows) (sizeof(rows) / sizeof *(rows))

Test(mountopt, every_option_is_known_once_and_parses)
{
	const char *const *names = rootfs_mount_options();
	size_t n = 0;

	for (; names[n]; n++) {
		owned_arena a = ARENA_INIT;
		struct strv one = { 0 };
		struct mountopt m;
		struct err e = { 0 };

		strv_add(&a, &one, names[n]);
		cr_expect(eq(int, mountopt_parse(&a, &one, &m, &e), 0), "%s", names[n]);
		/* what the table knows never reaches a file system as data, unless it is a word
		 * of the kernel for superblocks */
		cr_expect(m.data.n == 0 || strcmp(m.data.v[0], names[n]) == 0, "%s", names[n]);
		for (size_t i = 0; i < n; i++)
			cr_expect(strcmp(names[i], names[n]) != 0, "%s twice", names[n]);
	}
	cr_expect(gt(sz, n, 55));
}

Test(mountopt, data)
{
	static const struct { const char *text, *data; } rows[] = {
		{ "mode=755", "mode=755" },
		{ "size=1m,mode=755,,", "size=1m|mode=755" },
		{ "mpol=bind:0,2", "mpol=bind:0,2" },
		{ "context=\"a:b:c1,c2\",x", "context=a:b:c1,c2|x" },
		{ "nosuid", "" },
		{ "sync", "sync" },
		{ "", "" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		owned_arena a = ARENA_INIT;
		owned_str got = STR_INIT;
		struct strv one = { 0 };
		struct mountopt m;
		struct err e = { 0 };

		strv_add(&a, &one, rows[i].text);
		cr_assert(eq(int, mountopt_parse(&a, &one, &m, &e), 0));
		for (size_t k = 0; k < m.data.n; k++)
			str_printf(&got, "%s%s", k ? "|" : "", m.data.v[k]);
		cr_expect(eq(str, (char *)str_text(&got), (char *)rows[i].data), "%s",
			  rows[i].text);
	}
}
