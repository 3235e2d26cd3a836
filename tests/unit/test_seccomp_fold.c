/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seccomp_fold: what a folded program answers is what the program answered,
 * for programs that nobody would write, too; and what is not understood stays
 * as it is.  test_seccomp.c tries the folded programs of real profiles.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "sandbox/seccomp_fold.h"

#include "bpf.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define LOAD(offset) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset)
#define ARCH LOAD(offsetof(struct seccomp_data, arch))
#define NR LOAD(offsetof(struct seccomp_data, nr))
#define ARG(i) LOAD(offsetof(struct seccomp_data, args[i]))
#define IF(op, k, yes, no) BPF_JUMP(BPF_JMP | (op) | BPF_K, k, yes, no)
#define ALWAYS(n) BPF_STMT(BPF_JMP | BPF_JA, n)
#define ANSWER(k) BPF_STMT(BPF_RET | BPF_K, k)
#define AND(k) BPF_STMT(BPF_ALU | BPF_AND | BPF_K, k)

struct row {
	const char *what;
	size_t want;		/* how many instructions are left */
	size_t n;
	struct sock_filter v[24];
};
#define PROGRAM(...) .n = COUNT(((struct sock_filter[]){ __VA_ARGS__ })), .v = { __VA_ARGS__ }

static const struct row rows[] = {
	{ "one answer", 1, PROGRAM(ANSWER(7)) },
	{ "a question whose answers are equal", 1, PROGRAM(ARCH, IF(BPF_JEQ, 5, 0, 1), ANSWER(7), ANSWER(7)) },
	{ "neighbours", 5, PROGRAM(NR, IF(BPF_JEQ, 3, 4, 0), IF(BPF_JEQ, 4, 3, 0), IF(BPF_JEQ, 5, 2, 0),
				   ALWAYS(0), ANSWER(1), ANSWER(2)) },
	{ "one number", 4, PROGRAM(NR, IF(BPF_JGT, 8, 3, 0), IF(BPF_JGE, 8, 0, 2), ALWAYS(0), ANSWER(2),
				   ANSWER(1)) },
	{ "an argument's second look at the number", 6,
	  PROGRAM(NR, IF(BPF_JEQ, 3, 0, 4), ARG(1), IF(BPF_JSET, 2, 0, 2), NR, IF(BPF_JEQ, 3, 1, 0),
		  ANSWER(1), ANSWER(2)) },
	{ "an argument in part", 5, PROGRAM(ARG(0), AND(0xff), IF(BPF_JGE, 9, 0, 1), ANSWER(1), ANSWER(2)) },
	/* Left as they are. */
	{ "a number in part", 5, PROGRAM(NR, AND(0xff), IF(BPF_JEQ, 1, 0, 1), ANSWER(1), ANSWER(2)) },
	{ "a bit of the number", 4, PROGRAM(NR, IF(BPF_JSET, 1, 0, 1), ANSWER(1), ANSWER(2)) },
	{ "an architecture above another", 4, PROGRAM(ARCH, IF(BPF_JGT, 1, 0, 1), ANSWER(1), ANSWER(2)) },
	{ "scratch memory", 5, PROGRAM(NR, BPF_STMT(BPF_ST, 0), IF(BPF_JEQ, 1, 0, 1), ANSWER(1), ANSWER(2)) },
	{ "the other register", 5, PROGRAM(NR, BPF_STMT(BPF_MISC | BPF_TAX, 0),
					   BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_X, 0, 0, 1), ANSWER(1),
					   ANSWER(2)) },
	{ "a comparison with what the empty architecture is", 4,
	  PROGRAM(ARCH, IF(BPF_JEQ, 0, 0, 1), ANSWER(1), ANSWER(2)) },
};

/* Values near those that programs compare with. */
static const uint32_t values[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0xff, 0x40000000, 0x40000003, UINT32_MAX };

static void compare(const struct seccomp_program *was, const struct seccomp_program *is, const char *what)
{
	const size_t m = COUNT(values);

	for (size_t i = 0; i < m * m * m; i++) {
		const struct seccomp_data data = {
			.nr = (int)values[i % m],
			.arch = values[i / m % m],
			.args = { values[i / m / m], (uint64_t)values[i % 11] << 32 | values[i % 7] },
		};

		cr_assert(eq(u32, bpf_run(is, &data), bpf_run(was, &data)),
			  "%s: number 0x%x, architecture 0x%x", what, (unsigned)data.nr,
			  (unsigned)data.arch);
	}
}

static struct seccomp_program folded(struct arena *a, const struct seccomp_program *p)
{
	struct seccomp_program copy = { arena_memdup(a, p->insns, p->n * sizeof *p->insns), p->n, p->flags };

	seccomp_fold(a, &copy);
	cr_assert(le(sz, copy.n, p->n));
	return copy;
}

Test(seccomp_fold, programs)
{
	for (size_t i = 0; i < COUNT(rows); i++) {
		owned_arena a = ARENA_INIT;
		struct sock_filter insns[COUNT(rows[0].v)];
		struct seccomp_program was = { insns, rows[i].n, 5 }, is;

		memcpy(insns, rows[i].v, sizeof insns);
		is = folded(&a, &was);
		cr_expect(eq(sz, is.n, rows[i].want), "%s", rows[i].what);
		cr_expect(eq(u32, is.flags, 5));
		compare(&was, &is, rows[i].what);
	}
}

/* ---- Programs by chance -------------------------------------------------------------------- */

static uint32_t chance(uint32_t *seed, uint32_t below)
{
	*seed = *seed * 1664525 + 1013904223;	/* Numerical Recipes */
	return (uint32_t)((uint64_t)(*seed >> 8) * below >> 24);
}

/* Every jump leads on, the last instruction is an answer: what the kernel's check asks. */
static size_t invent(uint32_t *seed, struct sock_filter *v, size_t most)
{
	static const uint16_t ops[] = { BPF_JEQ, BPF_JEQ, BPF_JGT, BPF_JGE };
	static const uint32_t archs[] = { 1, 5, 0xff };
	bool arch = false, argument = false;
	size_t n = 8 + chance(seed, (uint32_t)most - 8);

	for (size_t i = 0; i < n; i++) {
		const uint32_t left = (uint32_t)(n - i - 1), reach = left > 256 ? 256 : left;
		const uint32_t kind = i == 0 ? 0 : chance(seed, 10);

		if (left == 0 || (kind == 9 && left > 1)) {
			v[i] = (struct sock_filter)ANSWER(chance(seed, 4));
		} else if (kind < 3) {
			const struct sock_filter loads[] = { ARCH, NR, ARG(0), ARG(1), LOAD(28) };
			const uint32_t which = chance(seed, COUNT(loads));

			v[i] = loads[which];
			arch = which == 0;
			argument = which > 1;
		} else if (kind == 8 && argument) {
			v[i] = (struct sock_filter)AND(values[chance(seed, COUNT(values))]);
		} else if (kind == 7) {
			v[i] = (struct sock_filter)ALWAYS(chance(seed, left));
		} else {
			const uint16_t op = arch ? BPF_JEQ : argument && kind == 6 ? BPF_JSET :
					    ops[chance(seed, COUNT(ops))];
			const uint32_t k = arch ? archs[chance(seed, COUNT(archs))] :
					   values[chance(seed, COUNT(values))];

			v[i] = (struct sock_filter)IF(op, k, chance(seed, reach), chance(seed, reach));
		}
	}
	return n;
}

Test(seccomp_fold, programs_by_chance)
{
	enum { PROGRAMS = 400, MOST = 700 };
	size_t before = 0, after = 0;
	uint32_t seed = 1;

	for (int i = 0; i < PROGRAMS; i++) {
		struct sock_filter insns[MOST];
		owned_arena a = ARENA_INIT;
		struct seccomp_program was = { insns, invent(&seed, insns, i % 4 ? 40 : MOST), 0 };
		struct seccomp_program is = folded(&a, &was);
		char what[32];

		snprintf(what, sizeof what, "program %d", i);
		compare(&was, &is, what);
		before += was.n;
		after += is.n;
	}
	cr_expect(lt(sz, after, before / 2), "%zu of %zu instructions", after, before);
}

/* Longer than a conditional jump reaches: answers are repeated, the rest is jumped to. */
Test(seccomp_fold, far_jumps)
{
	enum { NUMBERS = 900 };
	struct sock_filter insns[3 * NUMBERS + 8];
	owned_arena a = ARENA_INIT;
	struct seccomp_program was = { insns, 0, 0 }, is;
	size_t n = 0;

	/* Every third number has an argument of its own to look at, the others answers of their own. */
	insns[n++] = (struct sock_filter)NR;
	for (uint32_t i = 0; i < NUMBERS; i++) {
		insns[n++] = (struct sock_filter)IF(BPF_JEQ, 2 * i, 0, i % 3 ? 1 : 2);
		if (i % 3 == 0)
			insns[n++] = (struct sock_filter)ARG(0);
		insns[n++] = (struct sock_filter)ANSWER(i % 5);
	}
	insns[n++] = (struct sock_filter)ANSWER(77);
	was.n = n;
	is = folded(&a, &was);
	for (uint32_t i = 0; i < 2 * NUMBERS + 2; i++) {
		const struct seccomp_data data = { .nr = (int)i };

		cr_assert(eq(u32, bpf_run(&is, &data), bpf_run(&was, &data)), "number %u", i);
	}
}

/* Whoever followed each way through them would be at it for ever. */
Test(seccomp_fold, ways_that_part_and_meet)
{
	enum { TIMES = 60 };
	struct sock_filter insns[3 * TIMES + 4];
	owned_arena a = ARENA_INIT;
	struct seccomp_program was = { insns, 0, 0 }, is;
	size_t n = 0;

	for (uint32_t i = 0; i < TIMES; i++) {
		insns[n++] = (struct sock_filter)ARG(0);
		insns[n++] = (struct sock_filter)IF(BPF_JEQ, i, 0, 1);
		insns[n++] = (struct sock_filter)ARG(1);
	}
	insns[n++] = (struct sock_filter)IF(BPF_JEQ, 1, 0, 1);
	insns[n++] = (struct sock_filter)ANSWER(1);
	insns[n++] = (struct sock_filter)ANSWER(2);
	was.n = n;
	is = folded(&a, &was);
	compare(&was, &is, "ways that meet");
}
