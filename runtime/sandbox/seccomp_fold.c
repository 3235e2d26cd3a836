/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/seccomp_fold.h"

#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/seccomp_graph.h"

enum { ARCH = offsetof(struct seccomp_data, arch), NR = offsetof(struct seccomp_data, nr) };
enum { ARCHS_MOST = 16 };

struct fold {
	const struct sock_filter *insns;
	size_t n;
	struct graph graph;
	uint32_t *cuts;		/* numbers at which an answer may change, ascending, 0 first */
	size_t n_cuts;
	uint32_t archs[ARCHS_MOST];	/* those that the program names */
	size_t n_archs;
	int *rest;		/* by instruction: the node of what follows, -1: not known yet */
	struct graph_range *ranges;
	bool failed;		/* something that is not understood: leave the program as it is */
};

static int fail(struct fold *f)
{
	f->failed = true;
	return 0;
}

/* ---- Running the program with an architecture and a number --------------------------------- */

static bool compare(uint16_t code, uint32_t a, uint32_t k)
{
	return code == IF_EQUAL ? a == k : code == IF_GREATER ? a > k : a >= k;
}

static void arch_seen(struct fold *f, uint32_t arch)
{
	for (size_t i = 0; i < f->n_archs; i++)
		if (f->archs[i] == arch)
			return;
	if (f->n_archs == ARCHS_MOST)
		fail(f);
	else
		f->archs[f->n_archs++] = arch;
}

/*
 * What is left of the program from pc on when both are known.  The
 * accumulator holds something unknown at first: nothing before the first
 * load, and after a comparison of an argument that argument's part.
 */
static int rest_of(struct fold *f, size_t pc, uint32_t arch, uint32_t nr)
{
	enum { UNKNOWN, IS_ARCH, IS_NR } holds = UNKNOWN;
	const size_t start = pc;
	int found = -1;

	if (pc < f->n && f->rest[pc] >= 0)
		return f->rest[pc];
	while (found < 0 && !f->failed && !f->graph.failed) {
		const struct sock_filter *i = &f->insns[pc];
		const bool jump = pc < f->n && BPF_CLASS(i->code) == BPF_JMP;

		if (pc >= f->n)
			return fail(f);
		pc++;
		if (i->code == LOAD && (i->k == ARCH || i->k == NR)) {
			holds = i->k == ARCH ? IS_ARCH : IS_NR;
		} else if (i->code == LOAD || (i->code == AND && holds == UNKNOWN)) {
			found = graph_node(&f->graph, i->code, i->k, rest_of(f, pc, arch, nr), -1);
		} else if (i->code == ANSWER) {
			found = graph_node(&f->graph, ANSWER, i->k, -1, -1);
		} else if (i->code == ALWAYS) {
			pc += i->k;
		} else if (holds == IS_ARCH && i->code == IF_EQUAL) {
			arch_seen(f, i->k);
			pc += arch == i->k ? i->jt : i->jf;
		} else if (holds == IS_NR && jump && i->code != IF_SET && BPF_SRC(i->code) == BPF_K) {
			pc += compare(i->code, nr, i->k) ? i->jt : i->jf;
		} else if (holds == UNKNOWN && jump && BPF_SRC(i->code) == BPF_K) {
			int yes = rest_of(f, pc + i->jt, arch, nr);

			found = graph_node(&f->graph, i->code, i->k, yes, rest_of(f, pc + i->jf, arch, nr));
		} else {
			return fail(f);
		}
	}
	f->rest[start] = found;
	return found;
}

static int by_value(const void *x, const void *y)
{
	const uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;

	return a < b ? -1 : a > b;
}

/* Between two neighbouring cuts no comparison with a number changes its outcome. */
static void find_cuts(struct fold *f)
{
	size_t n = 0, unique = 0;

	f->cuts[n++] = 0;
	for (size_t i = 0; i < f->n; i++)
		if (BPF_CLASS(f->insns[i].code) == BPF_JMP && f->insns[i].code != ALWAYS) {
			f->cuts[n++] = f->insns[i].k;
			if (f->insns[i].k != UINT32_MAX)
				f->cuts[n++] = f->insns[i].k + 1;
		}
	qsort(f->cuts, n, sizeof *f->cuts, by_value);
	for (size_t i = 0; i < n; i++)
		if (i == 0 || f->cuts[i] != f->cuts[i - 1])
			f->cuts[unique++] = f->cuts[i];
	f->n_cuts = unique;
}

static int tree_of_arch(struct fold *f, uint32_t arch)
{
	size_t n = 0;

	for (size_t i = 0; i < f->n_cuts && !f->failed; i++) {
		int root;

		memset(f->rest, 0xff, f->n * sizeof *f->rest);
		root = rest_of(f, 0, arch, f->cuts[i]);
		if (n == 0 || f->ranges[n - 1].root != root)
			f->ranges[n++] = (struct graph_range){ f->cuts[i], root };
	}
	if (f->failed)
		return 0;
	return graph_of_numbers(&f->graph, f->ranges, n);
}

/* An architecture that the program does not name stands for all of those. */
static int whole_tree(struct fold *f)
{
	const uint32_t unnamed = 0;
	int root = tree_of_arch(f, unnamed);
	const size_t n = f->n_archs;

	for (size_t i = 0; i < n; i++) {
		if (f->archs[i] == unnamed)
			return fail(f);
		root = graph_of_arch(&f->graph, f->archs[i], tree_of_arch(f, f->archs[i]), root);
	}
	return root;
}

void seccomp_fold(struct arena *a, struct seccomp_program *p)
{
	struct fold f = {
		.insns = p->insns,
		.n = p->n,
		.cuts = arena_array(a, uint32_t, 2 * p->n + 1),
		.rest = arena_array(a, int, p->n),
		.ranges = arena_array(a, struct graph_range, 2 * p->n + 1),
	};
	int root;

	graph_begin(a, &f.graph);
	find_cuts(&f);
	root = whole_tree(&f);
	if (!f.failed)
		graph_write(a, &f.graph, root, p->n, p);	/* or leaves it: no shorter than it was */
}
