/* SPDX-License-Identifier: Apache-2.0 */
/* resctrl: against a directory in which this file plays the kernel, since few machines have one. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "sandbox/resctrl.h"

#define STRV(...) { (char *[]){ __VA_ARGS__, NULL }, \
	sizeof((char *[]){ __VA_ARGS__ }) / sizeof(char *) }

/* ---- the kernel: a directory comes with its files, and goes with them ---- */

static bool refuses_schemata;	/* the file is not there to be written */
static char top[] = "/tmp/resctrl.XXXXXX";

__attribute__((format(printf, 2, 3)))
static void file(const char *text, const char *fmt, ...)
{
	char path[256];
	va_list ap;
	int fd;

	va_start(ap, fmt);
	vsnprintf(path, sizeof path, fmt, ap);
	va_end(ap);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	cr_assert(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

static void populate(const char *path, const char *schemata)
{
	char more[256];

	file("", "%s/tasks", path);
	if (strstr(path, "/mon_groups/"))
		return;
	if (!refuses_schemata)
		file(schemata, "%s/schemata", path);
	snprintf(more, sizeof more, "%s/mon_groups", path);
	cr_assert_eq(syscall(SYS_mkdirat, AT_FDCWD, more, 0755), 0);
}

/* In place of the C library's, in all of this program. */
int mkdir(const char *path, mode_t mode)
{
	if (syscall(SYS_mkdirat, AT_FDCWD, path, mode) < 0)
		return -1;
	if (strncmp(path, top, strlen(top)) == 0)
		populate(path, "");
	return 0;
}

int rmdir(const char *path)
{
	static const char *const files[] = { "tasks", "schemata", "mon_groups" };
	char more[256];

	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		snprintf(more, sizeof more, "%s/%s", path, files[i]);
		syscall(SYS_unlinkat, AT_FDCWD, more, i == 2 ? AT_REMOVEDIR : 0);
	}
	return (int)syscall(SYS_unlinkat, AT_FDCWD, path, AT_REMOVEDIR);
}

static void begin(void)
{
	char path[256];

	cr_assert_not_null(mkdtemp(top));
	populate(top, "    L3:0=7ff;1=7ff\n    MB:0=100;1=100\n");
	snprintf(path, sizeof path, "%s/info", top);
	cr_assert_eq(syscall(SYS_mkdirat, AT_FDCWD, path, 0755), 0);
	file("ok\n", "%s/info/last_cmd_status", top);
	snprintf(path, sizeof path, "%s/gold", top);	/* a class that the administrator made */
	cr_assert_eq(syscall(SYS_mkdirat, AT_FDCWD, path, 0755), 0);
	populate(path, "    L3:0=07f0;1=001f\n    MB:0=  20;1=  70\n");
}

static void end(void)
{
	char command[300];

	snprintf(command, sizeof command, "rm -rf %s", top);
	cr_assert_eq(system(command), 0);
}

static const char *text_of(const char *path)
{
	static char text[4096];
	char full[256];
	ssize_t n;
	int fd;

	snprintf(full, sizeof full, "%s/%s", top, path);
	fd = open(full, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return "(absent)";
	n = read(fd, text, sizeof text - 1);
	close(fd);
	text[n < 0 ? 0 : n] = '\0';
	return text;
}

static bool is_there(const char *path)
{
	char full[256];

	snprintf(full, sizeof full, "%s/%s", top, path);
	return access(full, F_OK) == 0;
}

TestSuite(resctrl, .init = begin, .fini = end);

/* ---- what is asked of it ---- */

#define L3 "L3:0=7f0;1=1f"
#define MB "MB:0=20;1=70"

Test(resctrl, make)
{
	static char gold[] = "gold", new[] = "new", slash[] = "/", l3[] = L3, mb[] = MB,
		    both[] = "L3:0=3\nMB:0=90", other[] = "L3:0=7f0;1=3f", half[] = "L3:1=1f",
		    no_domain[] = "L3:2=1f", l2[] = "L2:0=f", root_l3[] = "L3:0=7ff;1=7ff",
		    junk[] = "L3:0=7f0;x", whole_mb[] = "MB:0=20;1=70";
	const struct {
		struct spec_intel_rdt rdt;
		const char *error;	/* NULL: it works */
		const char *group;	/* where the container is then */
		const char *schemata;	/* what was written there */
	} rows[] = {
		{ { 0 }, NULL, "box", "" },
		{ { .l3_cache_schema = l3 }, NULL, "box", L3 "\n" },
		{ { .mem_bw_schema = mb }, NULL, "box", MB "\n" },
		{ { .l3_cache_schema = l3, .mem_bw_schema = mb }, NULL, "box", L3 "\n" MB "\n" },
		{ { .l3_cache_schema = both }, NULL, "box", "L3:0=3\nMB:0=90\n" },
		{ { .l3_cache_schema = both, .mem_bw_schema = mb }, NULL, "box", "L3:0=3\n" MB "\n" },
		{ { .schemata = STRV((char *)"L2:0=f", (char *)"L3DATA:0=3") }, NULL, "box",
		  "L2:0=f\nL3DATA:0=3\n" },
		/* in a second write: here over the beginning of the first */
		{ { .l3_cache_schema = l3, .schemata = STRV((char *)"L3:0=f") }, NULL, "box",
		  "L3:0=f\n0;1=1f\n" },
		{ { .clos_id = new, .l3_cache_schema = l3 }, NULL, "new", L3 "\n" },
		{ { .clos_id = new, .schemata = STRV((char *)"L2:0=f") }, NULL, "new", "L2:0=f\n" },
		{ { .clos_id = new }, "linux.intelRdt: closID: TOP/new: No such file or directory", NULL,
		  NULL },
		/* what is there is compared, never written */
		{ { .clos_id = gold }, NULL, "gold", NULL },
		{ { .clos_id = gold, .l3_cache_schema = l3, .mem_bw_schema = whole_mb }, NULL, "gold", NULL },
		{ { .clos_id = gold, .l3_cache_schema = half }, NULL, "gold", NULL },
		{ { .clos_id = gold, .schemata = STRV(l3, mb) }, NULL, "gold", NULL },
		{ { .clos_id = gold, .l3_cache_schema = other, .schemata = STRV(l3) }, NULL, "gold", NULL },
		{ { .clos_id = gold, .l3_cache_schema = other },
		  "linux.intelRdt: TOP/gold is there already, without L3:0=7f0;1=3f", NULL,
		  NULL },
		{ { .clos_id = gold, .l3_cache_schema = l3, .schemata = STRV(other) },
		  "linux.intelRdt: TOP/gold is there already, without L3:0=7f0;1=3f", NULL,
		  NULL },
		{ { .clos_id = gold, .l3_cache_schema = no_domain },
		  "linux.intelRdt: TOP/gold is there already, without L3:2=1f", NULL,
		  NULL },
		{ { .clos_id = gold, .schemata = STRV(l2) },
		  "linux.intelRdt: TOP/gold is there already, without L2:0=f", NULL,
		  NULL },
		{ { .clos_id = gold, .l3_cache_schema = junk },
		  "linux.intelRdt: TOP/gold is there already, without L3:0=7f0;x", NULL,
		  NULL },
		{ { .clos_id = slash }, NULL, ".", NULL },
		{ { .clos_id = slash, .l3_cache_schema = root_l3 }, NULL, ".", NULL },
		{ { .clos_id = slash, .l3_cache_schema = l3 },
		  "linux.intelRdt: TOP is there already, without " L3, NULL,
		  NULL },
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		owned_arena a = ARENA_INIT;
		struct err e = { 0 };
		struct resctrl r;
		char path[64];
		int got;

		resctrl_at(&a, top, &rows[i].rdt, "box", &r);
		got = resctrl_make(&r, &rows[i].rdt, &e);
		cr_expect_eq(got < 0, rows[i].error != NULL, "row %zu: %s", i, e.text);
		if (rows[i].error) {
			const char *at = strstr(e.text, top);
			owned_str said = STR_INIT;

			cr_assert_not_null(at, "row %zu: %s", i, e.text);
			str_printf(&said, "%.*sTOP%s", (int)(at - e.text), e.text, at + strlen(top));
			cr_expect_str_eq(said.s, rows[i].error, "row %zu", i);
		} else {
			cr_expect_eq(resctrl_join(&r, 4711, &e), 0, "row %zu: %s", i, e.text);
			snprintf(path, sizeof path, "%s/tasks", rows[i].group);
			cr_expect_str_eq(text_of(path), "4711", "row %zu", i);
			snprintf(path, sizeof path, "%s/schemata", rows[i].group);
			if (rows[i].schemata)
				cr_expect_str_eq(text_of(path), rows[i].schemata, "row %zu", i);
		}
		cr_expect_str_eq(text_of("gold/schemata"),
				 "    L3:0=07f0;1=001f\n    MB:0=  20;1=  70\n", "row %zu", i);
		if (r.group_made)
			file("", "%s/tasks", r.group);	/* they end */
		cr_expect_eq(resctrl_unmake(&r, &e), 0, "row %zu: %s", i, e.text);
		cr_expect(!is_there("box") && !is_there("new") && is_there("gold"), "row %zu", i);
	}
}

Test(resctrl, monitoring)
{
	static char gold[] = "gold", slash[] = "/";
	const struct {
		char *clos_id;
		const char *group;
		bool stays;	/* the group, after the container */
	} rows[] = { { NULL, "box", false }, { gold, "gold", true }, { slash, ".", true } };

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const struct spec_intel_rdt rdt = { .clos_id = rows[i].clos_id,
						    .enable_monitoring = true };
		owned_arena a = ARENA_INIT;
		struct err e = { 0 };
		struct resctrl r;
		char path[64];

		resctrl_at(&a, top, &rdt, "box", &r);
		cr_assert_eq(resctrl_make(&r, &rdt, &e), 0, "row %zu: %s", i, e.text);
		cr_assert_eq(resctrl_join(&r, 4711, &e), 0, "row %zu: %s", i, e.text);
		snprintf(path, sizeof path, "%s/mon_groups/box/tasks", rows[i].group);
		cr_expect_str_eq(text_of(path), "4711", "row %zu", i);
		snprintf(path, sizeof path, "%s/tasks", rows[i].group);
		cr_expect_str_eq(text_of(path), "4711", "row %zu", i);
		/* as delete, which finds it anew */
		resctrl_at(&a, top, &rdt, "box", &r);
		cr_assert_eq(resctrl_remove(&r, &e), 0, "row %zu: %s", i, e.text);
		snprintf(path, sizeof path, "%s/mon_groups/box", rows[i].group);
		cr_expect(!is_there(path), "row %zu", i);
		cr_expect_eq(is_there(rows[i].group), rows[i].stays, "row %zu", i);
		cr_expect_eq(resctrl_remove(&r, &e), 0, "row %zu, again: %s", i, e.text);
	}
}

Test(resctrl, a_group_of_its_name_is_anothers)
{
	const struct spec_intel_rdt rdt = { 0 };
	owned_arena a = ARENA_INIT;
	struct err e = { 0 };
	struct resctrl r;

	resctrl_at(&a, top, &rdt, "gold", &r);
	cr_expect_eq(resctrl_make(&r, &rdt, &e), -EEXIST, "%s", e.text);
	cr_expect_eq(resctrl_unmake(&r, &e), 0);
	cr_expect(is_there("gold"));
}

Test(resctrl, others_have_joined_what_comes_to_nothing)
{
	static char name[] = "new", l3[] = L3;
	const struct spec_intel_rdt rdt = { .clos_id = name, .l3_cache_schema = l3 };
	owned_arena a = ARENA_INIT;
	struct err e = { 0 };
	struct resctrl r;

	resctrl_at(&a, top, &rdt, "box", &r);
	cr_assert_eq(resctrl_make(&r, &rdt, &e), 0, "%s", e.text);
	file("4712\n", "%s/new/tasks", top);
	cr_expect_eq(resctrl_unmake(&r, &e), 0, "%s", e.text);
	cr_expect(is_there("new"));
}

Test(resctrl, the_kernels_reason_is_told)
{
	static char l3[] = L3;
	const struct spec_intel_rdt rdt = { .l3_cache_schema = l3 };
	owned_arena a = ARENA_INIT;
	struct err e = { 0 };
	struct resctrl r;

	resctrl_at(&a, top, &rdt, "box", &r);
	refuses_schemata = true;
	file("Mask out of range\n", "%s/info/last_cmd_status", top);
	cr_expect_lt(resctrl_make(&r, &rdt, &e), 0);
	cr_expect(strstr(e.text, "box/schemata") && strstr(e.text, ": Mask out of range"), "%s", e.text);
	cr_expect_eq(resctrl_unmake(&r, &e), 0, "%s", e.text);
	cr_expect(!is_there("box"));
}
