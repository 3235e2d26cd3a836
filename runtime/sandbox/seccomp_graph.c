/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/seccomp_graph.h"

#include <linux/seccomp.h>

enum { ARCH = offsetof(struct seccomp_data, arch), NR = offsetof(struct seccomp_data, nr) };
enum { NODES_MOST = 4 * BPF_MAXINSNS, TABLE = 2 * NODES_MOST };
/* Of a conditional jump; one less, as what its other way needs may come between. */
enum { REACH = UINT8_MAX - 1 };

struct graph_node {
	uint16_t code;		/* not ALWAYS */
	uint32_t k;
	int yes, no;
	size_t at;		/* its newest copy in the output, counted from the end; 0: none */
};

void graph_begin(struct arena *a, struct graph *g)
{
	*g = (struct graph){ .nodes = arena_array(a, struct graph_node, NODES_MOST),
			     .table = arena_array(a, int, TABLE) };
}

static int fail(struct graph *g)
{
	g->failed = true;
	return 0;
}

int graph_node(struct graph *g, uint16_t code, uint32_t k, int yes, int no)
{
	uint32_t at;

	if (BPF_CLASS(code) == BPF_JMP && yes == no)
		return yes;
	if (yes >= 0 && no < 0 && (g->nodes[yes].code == ANSWER || g->nodes[yes].code == LOAD))
		return yes;	/* nobody looks at what was loaded */
	at = (code * 31u + k) * 31u + (uint32_t)yes;
	at = ((at * 31u + (uint32_t)no) * 2654435761u) % TABLE;
	for (; g->table[at]; at = (at + 1) % TABLE) {
		const struct graph_node *n = &g->nodes[g->table[at] - 1];

		if (n->code == code && n->k == k && n->yes == yes && n->no == no)
			return g->table[at] - 1;
	}
	if (g->n == NODES_MOST)
		return fail(g);
	g->nodes[g->n] = (struct graph_node){ .code = code, .k = k, .yes = yes, .no = no };
	g->table[at] = ++g->n;
	return g->n - 1;
}

/* ---- The trees ----------------------------------------------------------------------------- */

static int tree(struct graph *g, const struct graph_range *ranges, size_t from, size_t to)
{
	const struct graph_range *r = &ranges[from];
	size_t middle = from + (to - from) / 2;
	int above;

	if (to - from == 1)
		return r->root;
	if (to - from == 3 && r[0].root == r[2].root && r[1].first + 1 == r[2].first)
		return graph_node(g, IF_EQUAL, r[1].first, r[1].root, r[0].root);
	above = tree(g, ranges, middle, to);
	return graph_node(g, IF_AT_LEAST, ranges[middle].first, above, tree(g, ranges, from, middle));
}

int graph_of_numbers(struct graph *g, const struct graph_range *ranges, size_t n)
{
	return n == 1 ? ranges[0].root : graph_node(g, LOAD, NR, tree(g, ranges, 0, n), -1);
}

int graph_of_arch(struct graph *g, uint32_t audit, int root, int others)
{
	return graph_node(g, IF_EQUAL, audit, root, others);
}

/* ---- Writing it down, from the end --------------------------------------------------------- */

static void put(struct graph *g, uint16_t code, uint32_t k, size_t yes, size_t no)
{
	if (g->n_out == g->most) {	/* no room */
		fail(g);
		return;
	}
	g->out[g->n_out++] = (struct sock_filter){ code, (uint8_t)yes, (uint8_t)no, k };
}

/* How many instructions lie between the next one that is put and the node. */
static size_t distance(const struct graph *g, int i)
{
	return g->n_out - g->nodes[i].at;
}

/* Beyond the reach the answer is repeated, or jumped to. */
static void bring_near(struct graph *g, int i, size_t most)
{
	struct graph_node *n = &g->nodes[i];

	if (distance(g, i) <= most)
		return;
	if (n->code == ANSWER)
		put(g, ANSWER, n->k, 0, 0);
	else
		put(g, ALWAYS, (uint32_t)distance(g, i), 0, 0);
	n->at = g->n_out;
}

static void write_down(struct graph *g, int i)
{
	struct graph_node *n = &g->nodes[i];

	if (n->at || g->failed)
		return;
	if (n->no >= 0)
		write_down(g, n->no);
	if (n->yes >= 0)
		write_down(g, n->yes);
	if (n->no >= 0) {
		bring_near(g, n->no, REACH);
		bring_near(g, n->yes, REACH);
		put(g, n->code, n->k, distance(g, n->yes), distance(g, n->no));
	} else {
		if (n->yes >= 0)
			bring_near(g, n->yes, 0);
		put(g, n->code, n->k, 0, 0);
	}
	n->at = g->n_out;
}

bool graph_write(struct arena *a, struct graph *g, int archs, size_t most, struct seccomp_program *ret)
{
	struct sock_filter *insns = arena_array(a, struct sock_filter, most);

	g->out = arena_array(a, struct sock_filter, most);
	g->most = most;
	write_down(g, graph_node(g, LOAD, ARCH, archs, -1));
	if (g->failed)
		return false;
	for (size_t i = 0; i < g->n_out; i++)
		insns[i] = g->out[g->n_out - 1 - i];
	ret->insns = insns;
	ret->n = g->n_out;
	return true;
}
