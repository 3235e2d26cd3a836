/* SPDX-License-Identifier: Apache-2.0 */
/* scheduling, cpulist: the specification's names and lists as the kernel's numbers. */
#include <criterion/criterion.h>
#include <errno.h>
#include <sched.h>

#include "base/cpulist.h"
#include "sandbox/scheduling.h"

Test(scheduling, policies)
{
	static const struct { const char *name; uint32_t number; } rows[] = {
		{ "SCHED_OTHER", SCHED_OTHER },	{ "SCHED_FIFO", SCHED_FIFO },
		{ "SCHED_RR", SCHED_RR },	{ "SCHED_BATCH", SCHED_BATCH },
		{ "SCHED_IDLE", SCHED_IDLE },	{ "SCHED_DEADLINE", SCHED_DEADLINE },
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct spec_scheduler s = { .policy = (char *)rows[i].name };
		struct sys_sched_attr attr;

		scheduler_attr(&s, &attr);
		cr_expect_eq(attr.policy, rows[i].number, "%s", rows[i].name);
		cr_expect_eq(attr.size, 56);
		cr_expect_eq(attr.flags, 0);
	}
}

Test(scheduling, flags)
{
	/* linux/sched.h, which the C library's header excludes */
	static const struct { const char *name; uint64_t bit; } rows[] = {
		{ "SCHED_FLAG_RESET_ON_FORK", 0x01 }, { "SCHED_FLAG_RECLAIM", 0x02 },
		{ "SCHED_FLAG_DL_OVERRUN", 0x04 },    { "SCHED_FLAG_KEEP_POLICY", 0x08 },
		{ "SCHED_FLAG_KEEP_PARAMS", 0x10 },   { "SCHED_FLAG_UTIL_CLAMP_MIN", 0x20 },
		{ "SCHED_FLAG_UTIL_CLAMP_MAX", 0x40 },
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char *flags[] = { (char *)rows[i].name, (char *)"SCHED_FLAG_RESET_ON_FORK" };
		struct spec_scheduler s = { .policy = (char *)"SCHED_OTHER", .flags = { flags, 2 } };
		struct sys_sched_attr attr;

		scheduler_attr(&s, &attr);
		cr_expect_eq(attr.flags, rows[i].bit | 1, "%s", rows[i].name);
	}
}

Test(scheduling, numbers)
{
	struct spec_scheduler s = {
		.policy = (char *)"SCHED_DEADLINE", .nice = { true, -20 }, .priority = { true, 99 },
		.runtime = { true, 1 }, .deadline = { true, 2 }, .period = { true, UINT64_MAX },
	};
	struct sys_sched_attr attr;

	scheduler_attr(&s, &attr);
	cr_expect_eq(attr.nice, -20);
	cr_expect_eq(attr.priority, 99);
	cr_expect_eq(attr.runtime, 1);
	cr_expect_eq(attr.deadline, 2);
	cr_expect_eq(attr.period, UINT64_MAX);
}

Test(scheduling, io_priorities)
{
	static const struct { const char *class; struct opt_i64 priority; int value; } rows[] = {
		{ "IOPRIO_CLASS_RT", { true, 7 }, 1 << 13 | 7 },
		{ "IOPRIO_CLASS_BE", { true, 3 }, 2 << 13 | 3 },
		{ "IOPRIO_CLASS_BE", { false, 0 }, 2 << 13 },
		{ "IOPRIO_CLASS_IDLE", { true, 0 }, 3 << 13 },
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct spec_io_priority p = { (char *)rows[i].class, rows[i].priority };

		cr_expect_eq(io_priority_value(&p), rows[i].value, "row %zu", i);
	}
}

Test(cpulist, ranges)
{
	static const struct {
		const char *list;
		int end;
		unsigned n, range[6];
	} rows[] = {
		{ "", 0, 0, { 0 } },
		{ " , ,", 0, 0, { 0 } },
		{ "0", 0, 1, { 0, 0 } },
		{ "0-3,7", 0, 2, { 0, 3, 7, 7 } },
		{ ",1 , 2-2,", 0, 2, { 1, 1, 2, 2 } },
		{ "0\n", 0, 1, { 0, 0 } },
		{ "8191", 0, 1, { 8191, 8191 } },
		{ "8192", -ERANGE, 0, { 0 } },
		{ "1-99999999999999999999", -ERANGE, 0, { 0 } },
		{ "3-1", -EINVAL, 0, { 0 } },
		{ "1,x", -EINVAL, 1, { 1, 1 } },
		{ "1-", -EINVAL, 0, { 0 } },
		{ "-1", -EINVAL, 0, { 0 } },
		{ "1-2-3", -EINVAL, 0, { 0 } },
		{ "1 2", -EINVAL, 0, { 0 } },
		{ "0x1", -EINVAL, 0, { 0 } },
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const char *at = rows[i].list;
		unsigned n = 0, first, last;
		int r;

		while ((r = cpulist_next(&at, &first, &last)) > 0) {
			cr_assert_lt(n, 3);
			cr_expect_eq(first, rows[i].range[2 * n], "row %zu", i);
			cr_expect_eq(last, rows[i].range[2 * n + 1], "row %zu", i);
			n++;
		}
		cr_expect_eq(r, rows[i].end, "row %zu: %d", i, r);
		cr_expect_eq(n, rows[i].n, "row %zu", i);
	}
}
