/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seccomp_graph: a filter as a graph of decisions, written down as a program.
 *
 * Equal nodes are one node, so the graph has no cycles, and two equal filters
 * have one root.  For each architecture the ranges of numbers with one answer
 * become a tree over their bounds: it takes the kernel less to check, convert
 * and compile at each start than a leaf for every call.
 */
#pragma once

#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "sandbox/seccomp.h"

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

struct graph_node;

struct graph {
	struct graph_node *nodes;
	int n;
	int *table;			/* of nodes by what they are, plus one; 0: free */
	struct sock_filter *out;	/* its last instruction first */
	size_t n_out, most;
	bool failed;			/* more than there is room for */
};

void graph_begin(struct arena *a, struct graph *g);
/*
 * An instruction with what follows it: `yes` alone where there is one way only, -1: none.  What follows a
 * node must not look at what was loaded before, but for a comparison.
 */
int graph_node(struct graph *g, uint16_t code, uint32_t k, int yes, int no);

struct graph_range {
	uint32_t first;		/* up to the next one's */
	int root;
};
/* Ascending, the first from 0 on; neighbours differ. */
int graph_of_numbers(struct graph *g, const struct graph_range *ranges, size_t n);
/* The architecture `audit`, else what follows for the others. */
int graph_of_arch(struct graph *g, uint32_t audit, int root, int others);
/* Writes the program that begins at the architectures' root; false: it would have more than `most`. */
bool graph_write(struct arena *a, struct graph *g, int archs, size_t most, struct seccomp_program *ret);
