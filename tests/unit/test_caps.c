/* SPDX-License-Identifier: Apache-2.0 */
/* caps: names to numbers and lists to masks (THREATS A10). */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "sandbox/caps.h"

#define BIT(cap) (UINT64_C(1) << (cap))

Test(caps, number_of_a_name)
{
	static const struct {
		const char *name;
		int number;
	} rows[] = {
		{ "CAP_KILL", CAP_KILL },
		{ "KILL", CAP_KILL },
		{ "kill", CAP_KILL },
		{ "cap_Net_Bind_Service", CAP_NET_BIND_SERVICE },
		{ "CAP_CHECKPOINT_RESTORE", CAP_CHECKPOINT_RESTORE },
		{ "", -1 },
		{ "CAP_", -1 },
		{ "CAP_CAP_KILL", -1 },
		{ "CAP_KILLER", -1 },
		{ "CAP_KILL ", -1 },
		{ " KILL", -1 },
		{ "CAP_KILL,CAP_CHOWN", -1 },
		{ "5", -1 },
		{ "CAP_5", -1 },
		{ "ALL", -1 },
		{ "cap_chown=ep", -1 },
		{ "0123456789012345678901234567890123456789", -1 },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		cr_expect(eq(int, caps_number(rows[i].name), rows[i].number), "\"%s\"",
			  rows[i].name);
}

Test(caps, every_name_round_trips)
{
	for (int i = 0; i <= CAP_LAST_CAP; i++) {
		const char *name = caps_name(i);

		cr_assert(name != NULL, "%d", i);
		cr_expect(strncmp(name, "CAP_", 4) == 0, "%s", name);
		cr_expect(eq(int, caps_number(name), i));
	}
	cr_expect(eq(str, (char *)caps_name(CAP_SYS_ADMIN), "CAP_SYS_ADMIN"));
	cr_expect(caps_name(-1) == NULL);
	cr_expect(caps_name(63) == NULL);
	cr_expect(caps_name(64) == NULL);
	cr_expect(caps_name(1000000) == NULL);
}

Test(caps, last_is_the_kernels)
{
	FILE *f = fopen("/proc/sys/kernel/cap_last_cap", "re");
	int last = -1;

	cr_assert(f != NULL);
	cr_assert(eq(int, fscanf(f, "%d", &last), 1));
	fclose(f);
	cr_expect(eq(int, caps_last(), last));
}

/* One row: five lists, each its names separated by spaces. */
struct row {
	const char *what;
	const char *bounding, *effective, *permitted, *inheritable, *ambient;
	struct caps want;
	const char *error;	/* NULL: none */
};

static struct strv list(struct arena *a, const char *names)
{
	struct strv v = { 0 };
	char *copy, *save = NULL;

	if (!names)
		return v;
	copy = arena_strdup(a, names);
	for (char *t = strtok_r(copy, " ", &save); t; t = strtok_r(NULL, " ", &save))
		strv_add(a, &v, t);
	return v;
}

Test(caps, lists_to_masks)
{
	static const struct row rows[] = {
		{ .what = "empty lists" },
		{ .what = "the usual",
		  .bounding = "CAP_CHOWN CAP_KILL", .effective = "CAP_CHOWN CAP_KILL",
		  .permitted = "CAP_CHOWN CAP_KILL",
		  .want = { .bounding = BIT(CAP_CHOWN) | BIT(CAP_KILL),
			    .effective = BIT(CAP_CHOWN) | BIT(CAP_KILL),
			    .permitted = BIT(CAP_CHOWN) | BIT(CAP_KILL) } },
		{ .what = "the highest bits", .bounding = "CAP_BPF CAP_CHECKPOINT_RESTORE",
		  .want = { .bounding = BIT(CAP_BPF) | BIT(CAP_CHECKPOINT_RESTORE) } },
		{ .what = "A10: inheritable is emptied", .bounding = "CAP_CHOWN",
		  .effective = "CAP_CHOWN", .permitted = "CAP_CHOWN", .inheritable = "CAP_CHOWN",
		  .want = { .bounding = BIT(CAP_CHOWN), .effective = BIT(CAP_CHOWN),
			    .permitted = BIT(CAP_CHOWN) } },
		{ .what = "ambient keeps exactly what it needs inheritable",
		  .permitted = "CAP_CHOWN CAP_KILL", .inheritable = "CAP_CHOWN CAP_KILL",
		  .ambient = "CAP_KILL",
		  .want = { .permitted = BIT(CAP_CHOWN) | BIT(CAP_KILL),
			    .inheritable = BIT(CAP_KILL), .ambient = BIT(CAP_KILL) } },
		{ .what = "ambient without permitted", .inheritable = "CAP_KILL",
		  .ambient = "CAP_KILL" },
		{ .what = "ambient without inheritable", .permitted = "CAP_KILL",
		  .ambient = "CAP_KILL", .want = { .permitted = BIT(CAP_KILL) } },
		{ .what = "a name twice", .bounding = "CAP_KILL KILL",
		  .want = { .bounding = BIT(CAP_KILL) } },
		{ .what = "unknown names are left out", .bounding = "CAP_FLY CAP_KILL",
		  .permitted = "21 CAP_KILL", .want = { .bounding = BIT(CAP_KILL),
							.permitted = BIT(CAP_KILL) } },
		{ .what = "effective beyond permitted", .effective = "CAP_CHOWN CAP_KILL",
		  .permitted = "CAP_CHOWN",
		  .error = "process.capabilities.effective: CAP_KILL is not in permitted" },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const struct row *row = &rows[i];
		owned_arena a = ARENA_INIT;
		const struct spec_capabilities c = {
			.bounding = list(&a, row->bounding),
			.effective = list(&a, row->effective),
			.permitted = list(&a, row->permitted),
			.inheritable = list(&a, row->inheritable),
			.ambient = list(&a, row->ambient),
		};
		const struct caps untouched = { 1, 2, 3, 4, 5 };
		struct caps got = untouched;
		struct err e = { 0 };
		int r = caps_from_spec(&c, &got, &e);

		if (row->error) {
			cr_expect(eq(int, r, -EINVAL), "%s", row->what);
			cr_expect(eq(str, e.text, (char *)row->error), "%s", row->what);
			cr_expect(memcmp(&got, &untouched, sizeof got) == 0, "%s", row->what);
			continue;
		}
		cr_expect(eq(int, r, 0), "%s: %s", row->what, e.text);
		cr_expect(eq(u64, got.bounding, row->want.bounding), "%s", row->what);
		cr_expect(eq(u64, got.effective, row->want.effective), "%s", row->what);
		cr_expect(eq(u64, got.permitted, row->want.permitted), "%s", row->what);
		cr_expect(eq(u64, got.inheritable, row->want.inheritable), "%s", row->what);
		cr_expect(eq(u64, got.ambient, row->want.ambient), "%s", row->what);
	}
}

Test(caps, no_capabilities_object_means_none)
{
	struct caps got = { 1, 2, 3, 4, 5 };
	struct err e = { 0 };

	cr_expect(eq(int, caps_from_spec(NULL, &got, &e), 0));
	cr_expect(memcmp(&got, &(struct caps){ 0 }, sizeof got) == 0);
}
