/* SPDX-License-Identifier: Apache-2.0 */
/* cgroup: device rules, and the program that is made of them. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/bpf.h>

#include "base/sys.h"
#include "sandbox/cgroup_parts.h"

#define N(rows) (sizeof(rows) / sizeof((rows)[0]))

static struct arena a;
static struct err e;

struct access {
	char type;
	unsigned major, minor, access;
};

/* Runs the program as the kernel would: only the instructions that it is made of. */
static int run(const struct bpf_insn *p, size_t n, const struct access *x)
{
	uint32_t context[3] = { x->access << 16 | (x->type == 'b' ? BPF_DEVCG_DEV_BLOCK
								 : BPF_DEVCG_DEV_CHAR),
				x->major, x->minor };
	uint64_t reg[11] = { 0 };

	for (size_t i = 0; i < n; i++) {
		uint64_t *to = &reg[p[i].dst_reg];

		switch (p[i].code) {
		case BPF_LDX | BPF_MEM | BPF_W:
			*to = context[p[i].off / 4];
			break;
		case BPF_ALU | BPF_MOV | BPF_X:
			*to = (uint32_t)reg[p[i].src_reg];
			break;
		case BPF_ALU | BPF_MOV | BPF_K:
			*to = (uint32_t)p[i].imm;
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			*to = (uint32_t)*to & (uint32_t)p[i].imm;
			break;
		case BPF_ALU | BPF_RSH | BPF_K:
			*to = (uint32_t)*to >> p[i].imm;
			break;
		case BPF_JMP | BPF_JNE | BPF_K:
			i += *to != (uint64_t)p[i].imm ? (size_t)p[i].off : 0;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			i += *to == (uint64_t)p[i].imm ? (size_t)p[i].off : 0;
			break;
		case BPF_JMP | BPF_JA:
			i += (size_t)p[i].off;
			break;
		case BPF_JMP | BPF_EXIT:
			return (int)reg[0];
		default:
			cr_fail("instruction %zu: code %#x", i, p[i].code);
		}
	}
	cr_fail("ran off the end");
	return -1;
}

enum { M = BPF_DEVCG_ACC_MKNOD, R = BPF_DEVCG_ACC_READ, W = BPF_DEVCG_ACC_WRITE };
#define NUM(n) { true, n }
#define ANY { false, 0 }

Test(cgroup_devices, device_program)
{
	static const struct {
		const char *name;
		bool plain;
		struct spec_device_rule rules[4];
		size_t n;
		struct {
			struct access access;
			int allowed;
		} tries[8];
	} rows[] = {
		{ "nothing said", false, { { 0 } }, 0, {
			{ { 'c', 1, 3, R | W }, 1 }, { { 'c', 1, 11, R }, 0 }, { { 'b', 8, 0, R }, 0 },
			{ { 'b', 8, 0, M }, 1 }, { { 'c', 136, 7, R | W }, 1 },
			{ { 'b', 1, 3, R }, 0 }, { { 'c', 10, 200, R | W }, 0 },
			{ { 'b', 8, 0, R | M }, 0 } } },
		{ "plain: net/tun", true, { { 0 } }, 0, {
			{ { 'c', 10, 200, R | W }, 1 }, { { 'c', 10, 201, R }, 0 } } },
		{ "deny all, allow one", false, {
			{ false, NULL, ANY, ANY, "rwm" }, { true, "c", NUM(10), NUM(229), "rw" } }, 2, {
			{ { 'c', 10, 229, R | W }, 1 }, { { 'c', 10, 229, R }, 1 },
			{ { 'b', 10, 229, R }, 0 }, { { 'c', 10, 228, R }, 0 },
			{ { 'c', 10, 229, R | W | M }, 1 } } },
		{ "privileged", false, { { true, "a", NUM(-1), NUM(-1), "rwm" } }, 1, {
			{ { 'b', 8, 0, R | W | M }, 1 }, { { 'c', 1, 2, W }, 1 } } },
		{ "all but one's writes", false, {
			{ true, "a", ANY, ANY, "rwm" }, { false, "b", NUM(8), ANY, "w" } }, 2, {
			{ { 'b', 8, 1, R }, 1 }, { { 'b', 8, 1, W }, 0 }, { { 'b', 8, 1, R | W }, 0 },
			{ { 'c', 8, 1, W }, 1 } } },
		{ "of all but one, the devices of every container", true, {
			{ true, "a", ANY, ANY, "rwm" }, { false, "c", ANY, ANY, "rwm" } }, 2, {
			{ { 'c', 1, 3, R | W | M }, 1 }, { { 'c', 136, 7, R | W }, 1 },
			{ { 'c', 1, 11, R }, 0 }, { { 'c', 1, 11, M }, 0 },
			{ { 'c', 10, 200, R }, 0 }, { { 'b', 8, 0, R }, 1 } } },
		{ "accesses of two rules add up", false, {
			{ true, "c", NUM(7), ANY, "r" }, { true, "c", NUM(7), NUM(1), "w" } }, 2, {
			{ { 'c', 7, 1, R | W }, 1 }, { { 'c', 7, 2, R | W }, 0 },
			{ { 'c', 7, 2, R }, 1 } } },
		{ "a later denial takes its part", false, {
			{ true, "c", NUM(7), ANY, "rwm" }, { false, "c", NUM(7), NUM(1), "w" } }, 2, {
			{ { 'c', 7, 1, R }, 1 }, { { 'c', 7, 1, R | W }, 0 }, { { 'c', 7, 2, W }, 1 } } },
		{ "deny all forgets what was before", false, {
			{ true, "c", NUM(7), ANY, "rwm" }, { false, "a", ANY, ANY, "rwm" } }, 2, {
			{ { 'c', 7, 1, R }, 0 } } },
		{ "all kinds, one access", false, { { true, "a", NUM(9), ANY, "r" } }, 1, {
			{ { 'c', 9, 1, R }, 1 }, { { 'b', 9, 1, R }, 1 }, { { 'b', 9, 1, W }, 0 } } },
	};

	for (size_t i = 0; i < N(rows); i++) {
		struct spec_resources r = { 0 };
		struct cgroup_device_rules rules;
		struct bpf_insn *code;
		size_t n;

		r.devices.v = (struct spec_device_rule *)rows[i].rules;
		r.devices.n = rows[i].n;
		cr_assert(eq(int, cgroup_device_rules(&a, &r, rows[i].plain, &rules, &e), 0), "%s",
			  e.text);
		n = cgroup_device_program(&a, &rules, &code);
		for (size_t k = 0; k < N(rows[i].tries) && rows[i].tries[k].access.type; k++)
			cr_expect(eq(int, run(code, n, &rows[i].tries[k].access),
				     rows[i].tries[k].allowed), "%s: try %zu", rows[i].name, k);
	}
}

/* The rules as they are meant: each access by itself, the last rule that fits decides. */
static bool allowed(const struct cgroup_device_rules *rules, const struct access *x)
{
	for (unsigned bit = 1; bit <= (M | R | W); bit <<= 1) {
		bool answer = rules->allow;

		for (size_t i = 0; i < rules->n; i++) {
			const struct cgroup_device_rule *rule = &rules->v[i];

			if (rule->type == x->type && (rule->access & bit) &&
			    (rule->major < 0 || rule->major == x->major) &&
			    (rule->minor < 0 || rule->minor == x->minor))
				answer = rule->allow;
		}
		if ((x->access & bit) && !answer)
			return false;
	}
	return true;
}

/* The kernel takes no program of which a part cannot be reached. */
static void expect_loaded(const struct bpf_insn *code, size_t n)
{
	union bpf_attr attr;
	int fd;

	memset(&attr, 0, sizeof attr);
	attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
	attr.insns = (uintptr_t)code;
	attr.insn_cnt = (unsigned)n;
	attr.license = (uintptr_t)"Apache-2.0";
	fd = sys_bpf(BPF_PROG_LOAD, &attr, sizeof attr);
	cr_expect(fd >= 0 || errno == EPERM || errno == ENOSYS, "not loaded: %s", strerror(errno));
	if (fd >= 0)
		close(fd);
}

Test(cgroup_devices, device_program_does_what_the_rules_say)
{
	enum { ROUNDS = 1500, MOST = 12, NUMBERS = 3 };
	unsigned seed = 1;

	for (int round = 0; round < ROUNDS; round++) {
		struct cgroup_device_rule v[MOST];
		struct cgroup_device_rules rules = { .allow = rand_r(&seed) % 2, .v = v,
						     .n = (size_t)rand_r(&seed) % (MOST + 1) };
		struct bpf_insn *code;
		size_t n;

		for (size_t i = 0; i < rules.n; i++)
			v[i] = (struct cgroup_device_rule){
				.allow = rand_r(&seed) % 2,
				.type = rand_r(&seed) % 2 ? 'b' : 'c',
				.major = rand_r(&seed) % (NUMBERS + 1) - 1,
				.minor = rand_r(&seed) % (NUMBERS + 1) - 1,
				.access = rand_r(&seed) % 2 ? M | R | W : 1 + (unsigned)rand_r(&seed) % 7,
			};
		n = cgroup_device_program(&a, &rules, &code);
		if (round % 50 == 0)
			expect_loaded(code, n);
		for (unsigned k = 0; k < 2 * 7 * NUMBERS * NUMBERS; k++) {
			const struct access x = { k % 2 ? 'b' : 'c', k / 14 % NUMBERS, k / 14 / NUMBERS,
						  1 + k / 2 % 7 };

			cr_assert(eq(int, run(code, n, &x), allowed(&rules, &x)), "round %d: %c %u:%u %u",
				  round, x.type, x.major, x.minor, x.access);
		}
	}
}

Test(cgroup_devices, bad_device_rules)
{
	static const struct {
		struct spec_device_rule rule;
		const char *text;
	} rows[] = {
		{ { true, "x", ANY, ANY, "r" }, "linux.resources.devices[0]: type" },
		{ { true, "c", ANY, ANY, "rx" }, "linux.resources.devices[0]: access" },
		{ { true, "c", ANY, ANY, NULL }, "linux.resources.devices[0]: access" },
		{ { true, "c", NUM(-2), ANY, "r" }, "linux.resources.devices[0]: major" },
		{ { true, "c", NUM(1), NUM(INT64_C(1) << 32), "r" },
		  "linux.resources.devices[0]: minor" },
	};

	for (size_t i = 0; i < N(rows); i++) {
		struct spec_resources r = { 0 };
		struct cgroup_device_rules rules;

		r.devices.v = (struct spec_device_rule *)&rows[i].rule;
		r.devices.n = 1;
		cr_expect(eq(int, cgroup_device_rules(&a, &r, true, &rules, &e), -EINVAL));
		cr_expect(str_has_prefix(e.text, rows[i].text), "%s", e.text);
	}
}
