/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/seccomp_fold.h"

#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum {
	LOAD = BPF_LD | BPF_W | BPF_ABS,
	AND = BPF_ALU | BPF_AND | BPF_K,
	ANSWER = BPF_RET | BPF_K,
	ALWAYS = BPF_JMP | BPF_JA,
	IF_EQUAL = BPF_JMP | BPF_JEQ | BPF_K,
	IF_GREATER = BPF_JMP | BPF_JGT | BPF_K,
	IF_AT_LEAST = BPF_JMP | BPF_JGE | BPF_K,
	IF_SET = BPF_JMP | BPF_JSET | BPF_K,
};
enum { ARCH = offsetof(struct seccomp_data, arch), NR = offsetof(struct seccomp_data, nr) };
enum { ARCHS_MOST = 16, NODES_MOST = 4 * BPF_MAXINSNS };
/* Of a conditional jump; one less, as what its other way needs may come between. */
enum { REACH = UINT8_MAX - 1 };

/*
 * An instruction with what follows it.  Equal ones are one node (node()), so a
 * program is a graph without cycles, and two equal programs have one root.
 */
struct node {
	uint16_t code;		/* not ALWAYS */
	uint32_t k;
	int yes, no;		/* what follows; `yes` alone where there is one way only; -1: none */
	size_t at;		/* its newest copy in the output, counted from the end; 0: none */
};

struct range {
	uint32_t first;		/* up to the next one's */
	int root;
};

struct fold {
	const struct sock_filter *insns;
	size_t n;
	struct node *nodes;
	int n_nodes;
	uint32_t *cuts;		/* numbers at which an answer may change, ascending, 0 first */
	size_t n_cuts;
	uint32_t archs[ARCHS_MOST];	/* those that the program names */
	size_t n_archs;
	int *rest;		/* by instruction: the node of what follows, -1: not known yet */
	struct range *ranges;
	struct sock_filter *out;	/* its last instruction first */
	size_t n_out;
	bool failed;		/* something that is not understood: leave the program as it is */
};

static int fail(struct fold *f)
{
	f->failed = true;
	return 0;
}

static int node(struct fold *f, uint16_t code, uint32_t k, int yes, int no)
{
	if (BPF_CLASS(code) == BPF_JMP && yes == no)
		return yes;
	if (yes >= 0 && no < 0 && (f->nodes[yes].code == ANSWER || f->nodes[yes].code == LOAD))
		return yes;	/* nobody looks at what was loaded */
	for (int i = 0; i < f->n_nodes; i++) {
		const struct node *n = &f->nodes[i];

		if (n->code == code && n->k == k && n->yes == yes && n->no == no)
			return i;
	}
	if (f->n_nodes == NODES_MOST)
		return fail(f);
	f->nodes[f->n_nodes] = (struct node){ .code = code, .k = k, .yes = yes, .no = no };
	return f->n_nodes++;
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
	while (found < 0 && !f->failed) {
		const struct sock_filter *i = &f->insns[pc];
		const bool jump = pc < f->n && BPF_CLASS(i->code) == BPF_JMP;

		if (pc >= f->n)
			return fail(f);
		pc++;
		if (i->code == LOAD && (i->k == ARCH || i->k == NR)) {
			holds = i->k == ARCH ? IS_ARCH : IS_NR;
		} else if (i->code == LOAD || (i->code == AND && holds == UNKNOWN)) {
			found = node(f, i->code, i->k, rest_of(f, pc, arch, nr), -1);
		} else if (i->code == ANSWER) {
			found = node(f, ANSWER, i->k, -1, -1);
		} else if (i->code == ALWAYS) {
			pc += i->k;
		} else if (holds == IS_ARCH && i->code == IF_EQUAL) {
			arch_seen(f, i->k);
			pc += arch == i->k ? i->jt : i->jf;
		} else if (holds == IS_NR && jump && i->code != IF_SET && BPF_SRC(i->code) == BPF_K) {
			pc += compare(i->code, nr, i->k) ? i->jt : i->jf;
		} else if (holds == UNKNOWN && jump && BPF_SRC(i->code) == BPF_K) {
			int yes = rest_of(f, pc + i->jt, arch, nr);

			found = node(f, i->code, i->k, yes, rest_of(f, pc + i->jf, arch, nr));
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

/* ---- The tree ------------------------------------------------------------------------------ */

static int tree(struct fold *f, size_t from, size_t to)
{
	const struct range *r = &f->ranges[from];
	size_t middle = from + (to - from) / 2;
	int above;

	if (to - from == 1)
		return r->root;
	if (to - from == 3 && r[0].root == r[2].root && r[1].first + 1 == r[2].first)
		return node(f, IF_EQUAL, r[1].first, r[1].root, r[0].root);
	above = tree(f, middle, to);
	return node(f, IF_AT_LEAST, f->ranges[middle].first, above, tree(f, from, middle));
}

static int tree_of_arch(struct fold *f, uint32_t arch)
{
	size_t n = 0;

	for (size_t i = 0; i < f->n_cuts && !f->failed; i++) {
		int root;

		memset(f->rest, 0xff, f->n * sizeof *f->rest);
		root = rest_of(f, 0, arch, f->cuts[i]);
		if (n == 0 || f->ranges[n - 1].root != root)
			f->ranges[n++] = (struct range){ f->cuts[i], root };
	}
	if (f->failed)
		return 0;
	return n == 1 ? f->ranges[0].root : node(f, LOAD, NR, tree(f, 0, n), -1);
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
		root = node(f, IF_EQUAL, f->archs[i], tree_of_arch(f, f->archs[i]), root);
	}
	return node(f, LOAD, ARCH, root, -1);
}

/* ---- Writing it down, from the end --------------------------------------------------------- */

static void put(struct fold *f, uint16_t code, uint32_t k, size_t yes, size_t no)
{
	if (f->n_out == f->n) {	/* no shorter than it was */
		fail(f);
		return;
	}
	f->out[f->n_out++] = (struct sock_filter){ code, (uint8_t)yes, (uint8_t)no, k };
}

/* How many instructions lie between the next one that is put and the node. */
static size_t distance(const struct fold *f, int i)
{
	return f->n_out - f->nodes[i].at;
}

/* Beyond the reach the answer is repeated, or jumped to. */
static void bring_near(struct fold *f, int i, size_t most)
{
	struct node *n = &f->nodes[i];

	if (distance(f, i) <= most)
		return;
	if (n->code == ANSWER)
		put(f, ANSWER, n->k, 0, 0);
	else
		put(f, ALWAYS, (uint32_t)distance(f, i), 0, 0);
	n->at = f->n_out;
}

static void write_down(struct fold *f, int i)
{
	struct node *n = &f->nodes[i];

	if (n->at || f->failed)
		return;
	if (n->no >= 0)
		write_down(f, n->no);
	if (n->yes >= 0)
		write_down(f, n->yes);
	if (n->no >= 0) {
		bring_near(f, n->no, REACH);
		bring_near(f, n->yes, REACH);
		put(f, n->code, n->k, distance(f, n->yes), distance(f, n->no));
	} else {
		if (n->yes >= 0)
			bring_near(f, n->yes, 0);
		put(f, n->code, n->k, 0, 0);
	}
	n->at = f->n_out;
}

void seccomp_fold(struct arena *a, struct seccomp_program *p)
{
	struct fold f = {
		.insns = p->insns,
		.n = p->n,
		.nodes = arena_array(a, struct node, NODES_MOST),
		.cuts = arena_array(a, uint32_t, 2 * p->n + 1),
		.rest = arena_array(a, int, p->n),
		.ranges = arena_array(a, struct range, 2 * p->n + 1),
		.out = arena_array(a, struct sock_filter, p->n),
	};
	int root;

	find_cuts(&f);
	root = whole_tree(&f);
	write_down(&f, root);
	if (f.failed)
		return;
	for (size_t i = 0; i < f.n_out; i++)
		p->insns[i] = f.out[f.n_out - 1 - i];
	p->n = f.n_out;
}
