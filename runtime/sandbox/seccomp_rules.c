/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program of rules for x86, as libseccomp would make it: the same answer to
 * every call, which a test holds against libseccomp's own.
 *
 * What takes knowing how libseccomp resolves contradictions is left to it:
 * conditions of different actions, or with an order, that one call can meet
 * together.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/seccomp_graph.h"
#include "sandbox/seccomp_numbers.h"
#include "sandbox/seccomp_parts.h"

enum { ARGS = 6, SOCKETCALL = 102, IPC = 117 };
enum { SAYS_MOST = 512 };	/* on one number: each is compared with each */

/* What has numbers and a size of arguments of its own; first the one that is always there. */
struct abi {
	uint32_t token, audit;
	enum syscall_arch column;
	bool wide;		/* 64 bits of an argument count */
};
static const struct abi abis[] = {
#if defined(__x86_64__) && !defined(__ILP32__)
	{ SCMP_ARCH_X86_64, AUDIT_ARCH_X86_64, SYSCALL_X86_64, true },
	{ SCMP_ARCH_X32, AUDIT_ARCH_X86_64, SYSCALL_X32, false },
	{ SCMP_ARCH_X86, AUDIT_ARCH_I386, SYSCALL_X86, false },
#else	/* not held against libseccomp yet */
	{ 0 },
#endif
};
enum { ABIS = sizeof abis / sizeof *abis };

/* One rule's say on one number; several of one number stand in their order. */
struct say {
	uint32_t number;
	unsigned order;
	uint32_t action;
	bool wide;
	struct scmp_arg_cmp args[ARGS];
	unsigned n;
};

struct maker {
	const struct rules *rules;
	struct graph graph;
	struct say *v;
	size_t n, room;
	bool has[ABIS];
	int64_t last[ABIS];	/* above it ENOSYS is the answer, whatever a rule says; -1: nowhere */
	bool contradiction;
};

static int by_name(const void *key, const void *entry)
{
	return strcmp(key, ((const struct syscall_numbers *)entry)->name);
}

static const struct syscall_numbers *numbers_of(const char *name)
{
	return bsearch(name, syscall_numbers, syscall_numbers_n, sizeof *syscall_numbers, by_name);
}

/* ---- who says what of a number ---- */

static void add(struct arena *a, struct maker *m, const struct abi *abi, uint32_t number,
		const struct rule *rule, const struct scmp_arg_cmp *args, unsigned n, int multiplexed)
{
	struct say s = { .number = number, .order = (unsigned)m->n, .action = rule->action,
			 .wide = abi->wide };
	int64_t last = m->last[abi - abis];

	if (last >= 0 && number > last)	/* socketcall(2) and ipc(2), where they are not named */
		return;
	/* The first argument says which call it is; what was asked of the call's own is lost. */
	if (multiplexed)
		s.args[s.n++] = (struct scmp_arg_cmp){ .arg = 0, .op = SCMP_CMP_EQ,
						       .datum_a = (scmp_datum_t)multiplexed };
	for (unsigned i = 0; i < n; i++)
		if (!multiplexed || args[i].arg != 0)
			s.args[s.n++] = args[i];
	if (m->n == m->room) {
		struct say *more = arena_array(a, struct say, m->room ? 2 * m->room : 512);

		if (m->n)
			memcpy(more, m->v, m->n * sizeof *more);
		m->v = more;
		m->room = m->room ? 2 * m->room : 512;
	}
	m->v[m->n++] = s;
}

static void add_call(struct arena *a, struct maker *m, const struct abi *abi, const struct rule *rule,
		     const struct syscall_numbers *call, const struct scmp_arg_cmp *args, unsigned n)
{
	if (abi->column == SYSCALL_X86 && call->socketcall)
		add(a, m, abi, SOCKETCALL, rule, args, n, call->socketcall);
	if (abi->column == SYSCALL_X86 && call->ipc)
		add(a, m, abi, IPC, rule, args, n, call->ipc);
	if (call->number[abi->column] >= 0)
		add(a, m, abi, (uint32_t)call->number[abi->column], rule, args, n, 0);
}

static void add_rule(struct arena *a, struct maker *m, const struct abi *abi, const struct rule *rule)
{
	for (size_t k = 0; k < rule->names->n; k++) {
		const struct syscall_numbers *call = numbers_of(rule->names->v[k]);

		for (unsigned i = 0; call && rule->alternatives && i < rule->n; i++)
			add_call(a, m, abi, rule, call, &rule->args[i], 1);
		if (call && !rule->alternatives)
			add_call(a, m, abi, rule, call, rule->args, rule->n);
	}
}

/* The greatest number that the rules name, -1 if none; what is multiplexed has none of its own there. */
static int64_t newest(const struct rules *rules, const struct abi *abi)
{
	int64_t most = -1;

	for (size_t i = 0; i < rules->n; i++)
		for (size_t k = 0; k < rules->v[i].names->n; k++) {
			const struct syscall_numbers *call = numbers_of(rules->v[i].names->v[k]);

			if (call && !(abi->column == SYSCALL_X86 && (call->socketcall || call->ipc)) &&
			    call->number[abi->column] > most)
				most = call->number[abi->column];
		}
	return most;
}

/* ---- the answer for a number ---- */

/* Compares the half of an argument that is loaded, where the upper one decides alone or leaves it to the
 * lower one. */
static int test_arg(struct graph *g, const struct scmp_arg_cmp *c, bool wide, int yes, int no)
{
	const uint32_t at = (uint32_t)(offsetof(struct seccomp_data, args) + 8 * c->arg);
	const bool little = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;
	const uint32_t low_at = at + (little ? 0 : 4), high_at = at + (little ? 4 : 0);
	bool masked = c->op == SCMP_CMP_MASKED_EQ;
	uint64_t value = masked ? c->datum_b & c->datum_a : c->datum_a;
	uint64_t mask = masked ? c->datum_a : UINT64_MAX;
	uint16_t code = IF_EQUAL;
	int t = yes, f = no, low, high;

	switch (c->op) {
	case SCMP_CMP_NE: t = no; f = yes; break;
	case SCMP_CMP_GT: code = IF_GREATER; break;
	case SCMP_CMP_GE: code = IF_AT_LEAST; break;
	case SCMP_CMP_LE: code = IF_GREATER; t = no; f = yes; break;
	case SCMP_CMP_LT: code = IF_AT_LEAST; t = no; f = yes; break;
	default: break;
	}
	low = graph_node(g, code, (uint32_t)value, t, f);
	if (masked && (uint32_t)mask != UINT32_MAX)
		low = graph_node(g, AND, (uint32_t)mask, low, -1);
	low = (uint32_t)mask ? graph_node(g, LOAD, low_at, low, -1) : t;
	if (!wide || !(mask >> 32))
		return low;
	high = graph_node(g, IF_EQUAL, (uint32_t)(value >> 32), low, f);
	if (code != IF_EQUAL)
		high = graph_node(g, IF_GREATER, (uint32_t)(value >> 32), t, high);
	if (masked && mask >> 32 != UINT32_MAX)
		high = graph_node(g, AND, (uint32_t)(mask >> 32), high, -1);
	return graph_node(g, LOAD, high_at, high, -1);
}

static int answer(struct graph *g, uint32_t action)
{
	return graph_node(g, ANSWER, action, -1, -1);
}

/* Whether no value satisfies both. */
static bool excludes(const struct scmp_arg_cmp *x, const struct scmp_arg_cmp *y, bool wide)
{
	const uint64_t all = wide ? UINT64_MAX : UINT32_MAX;
	uint64_t v = x->datum_a & all, w = y->datum_a & all, mask = x->datum_a & y->datum_a & all;

	if (x->op == SCMP_CMP_MASKED_EQ && y->op == SCMP_CMP_MASKED_EQ)
		return (x->datum_b & mask) != (y->datum_b & mask);
	if (x->op != SCMP_CMP_EQ)
		return y->op == SCMP_CMP_EQ && excludes(y, x, wide);
	switch (y->op) {
	case SCMP_CMP_EQ: return v != w;
	case SCMP_CMP_NE: return v == w;
	case SCMP_CMP_GT: return v <= w;
	case SCMP_CMP_GE: return v < w;
	case SCMP_CMP_LT: return v >= w;
	case SCMP_CMP_LE: return v > w;
	case SCMP_CMP_MASKED_EQ: return (v & w) != (y->datum_b & w);
	default: return false;
	}
}

/* Whether no call fits both: then it does not matter which is asked first. */
static bool disjoint(const struct say *x, const struct say *y)
{
	for (unsigned i = 0; i < x->n; i++)
		for (unsigned k = 0; k < y->n; k++)
			if (x->args[i].arg == y->args[k].arg && excludes(&x->args[i], &y->args[k], x->wide))
				return true;
	return false;
}

/* One test, for a value or not, which libseccomp joins with any other of the same action. */
static bool is_simple(const struct say *s)
{
	return s->n == 1 && (s->args[0].op == SCMP_CMP_EQ || s->args[0].op == SCMP_CMP_NE ||
			     s->args[0].op == SCMP_CMP_MASKED_EQ);
}

static bool clash(const struct say *x, const struct say *y)
{
	return (x->action != y->action || !is_simple(x) || !is_simple(y)) && !disjoint(x, y);
}

static bool has_test(const struct say *s, const struct scmp_arg_cmp *c, unsigned *ret)
{
	for (*ret = 0; *ret < s->n; (*ret)++) {
		const struct scmp_arg_cmp *own = &s->args[*ret];

		if (own->arg == c->arg && own->op == c->op && own->datum_a == c->datum_a &&
		    own->datum_b == c->datum_b)
			return true;
	}
	return false;
}

/* The answer of those says, which do not clash; `otherwise` where none fits.  Those that begin with one
 * and the same test share it.  Changes v. */
static int choose(struct maker *m, struct say *v, size_t n, int otherwise)
{
	struct scmp_arg_cmp c;
	size_t inside = 0;

	if (n == 0)
		return otherwise;
	if (v[0].n == 0)
		return answer(&m->graph, v[0].action);
	c = v[0].args[0];
	for (size_t i = 0; i < n; i++) {
		struct say s = v[i];
		unsigned at;

		if (!has_test(&s, &c, &at))
			continue;
		memmove(&s.args[at], &s.args[at + 1], (--s.n - at) * sizeof *s.args);
		v[i] = v[inside];
		v[inside++] = s;
	}
	otherwise = choose(m, v + inside, n - inside, otherwise);
	return test_arg(&m->graph, &c, v[0].wide, choose(m, v, inside, otherwise), otherwise);
}

/* v: n says on one number, in order; changed. */
static int answer_of(struct maker *m, struct say *v, size_t n)
{
	size_t whole = 0;

	while (whole < n && v[whole].n)
		whole++;
	if (n > SAYS_MOST) {
		m->contradiction = true;
		return answer(&m->graph, m->rules->default_action);
	}
	for (size_t i = 1; i < whole; i++)
		for (size_t k = 0; k < i; k++)
			m->contradiction |= clash(&v[i], &v[k]);
	/* One without conditions decides, whatever those with say; but not against another one. */
	for (size_t i = whole + 1; i < n; i++)
		m->contradiction |= !v[i].n && v[i].action != v[whole].action;
	if (whole < n)
		return answer(&m->graph, v[whole].action);
	return choose(m, v, n, answer(&m->graph, m->rules->default_action));
}

static int by_number(const void *x, const void *y)
{
	const struct say *a = x, *b = y;

	if (a->number != b->number)
		return a->number < b->number ? -1 : 1;
	return a->order < b->order ? -1 : 1;
}

/* ---- the answers of an architecture ---- */

/* What numbers without a rule get, from `first` on. */
struct ground {
	struct graph_range v[8];
	size_t n;
};

static void from(struct ground *g, uint32_t first, int root)
{
	g->v[g->n++] = (struct graph_range){ first, root };
}

static void ground_of(struct maker *m, const struct abi *abi, const struct abi *x32, bool has_x32,
		      struct ground *ret)
{
	int usual = answer(&m->graph, m->rules->default_action);
	int enosys = answer(&m->graph, SECCOMP_RET_ERRNO | ENOSYS);
	int64_t last = m->last[abi - abis], last_x32 = x32 && has_x32 ? m->last[x32 - abis] : -1;

	from(ret, 0, usual);
	if (last >= 0)
		from(ret, (uint32_t)last + 1, enosys);
	if (!x32)
		return;
	from(ret, X32_BIT, has_x32 ? usual : answer(&m->graph, SECCOMP_RET_KILL_THREAD));
	if (last_x32 >= 0)
		from(ret, (uint32_t)last_x32 + 1, enosys);
	if (!has_x32)	/* a tracer's way to skip a call */
		from(ret, UINT32_MAX, usual);
}

static void put_range(struct graph_range *v, size_t *n, uint32_t first, int root)
{
	if (*n == 0 || v[*n - 1].root != root)
		v[(*n)++] = (struct graph_range){ first, root };
}

/* The says of the numbers [begin, end), over the ground. */
static int tree_of(struct arena *a, struct maker *m, size_t begin, size_t end, const struct ground *g)
{
	struct graph_range *v = arena_array(a, struct graph_range, 2 * (end - begin) + 2 * g->n + 2);
	uint64_t at = 0;
	size_t n = 0, on = 0;

	while (at <= UINT32_MAX) {
		uint64_t next = UINT64_C(1) << 32;

		while (on + 1 < g->n && g->v[on + 1].first <= at)
			on++;
		if (on + 1 < g->n)
			next = g->v[on + 1].first;
		if (begin < end && m->v[begin].number == at) {
			size_t same = begin;

			while (same < end && m->v[same].number == at)
				same++;
			put_range(v, &n, (uint32_t)at, answer_of(m, &m->v[begin], same - begin));
			begin = same;
			at++;
			continue;
		}
		put_range(v, &n, (uint32_t)at, g->v[on].root);
		at = begin < end && m->v[begin].number < next ? m->v[begin].number : next;
	}
	return graph_of_numbers(&m->graph, v, n);
}

static bool is_asked(const struct rules *rules, uint32_t token)
{
	for (size_t i = 0; i < rules->n_archs; i++)
		if (rules->archs[i]->token == token)
			return true;
	return false;
}

static int root_of(struct arena *a, struct maker *m, int others)
{
	for (size_t i = ABIS; i-- > 0;) {
		const struct abi *abi = &abis[i];
		bool native = i == 0, split = native && ABIS > 1 && abis[1].audit == abi->audit;
		struct ground ground = { .n = 0 };

		if (!m->has[i] || (!native && abi->audit == abis[0].audit))
			continue;
		m->n = 0;
		for (size_t k = 0; k < m->rules->n; k++) {
			if (m->rules->v[k].action == m->rules->default_action)
				continue;	/* says what is said already */
			add_rule(a, m, abi, &m->rules->v[k]);
			if (split && m->has[1])
				add_rule(a, m, &abis[1], &m->rules->v[k]);
		}
		if (m->n)
			qsort(m->v, m->n, sizeof *m->v, by_number);
		ground_of(m, abi, split ? &abis[1] : NULL, split && m->has[1], &ground);
		others = graph_of_arch(&m->graph, abi->audit, tree_of(a, m, 0, m->n, &ground), others);
	}
	return others;
}

int rules_compile(struct arena *a, const struct rules *rules, struct seccomp_program *ret)
{
	struct maker m = { .rules = rules };
	int root;

	if (!abis[0].token)
		return -ENOTSUP;
	for (size_t i = 0; i < ABIS; i++) {
		m.has[i] = i == 0 || is_asked(rules, abis[i].token);
		m.last[i] = rules_want_enosys(rules) ? newest(rules, &abis[i]) : -1;
	}
	/* The part for x86-64 speaks of x32, too. */
	if (ABIS > 1 && abis[1].audit == abis[0].audit && m.last[0] < 0)
		m.last[1] = -1;
	graph_begin(a, &m.graph);
	/* libseccomp's answer to architectures that were not named */
	root = root_of(a, &m, answer(&m.graph, SECCOMP_RET_KILL_THREAD));
	if (m.contradiction || !graph_write(a, &m.graph, root, BPF_MAXINSNS, ret))
		return -ENOTSUP;
	return 0;
}
