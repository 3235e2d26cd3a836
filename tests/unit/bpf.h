/* SPDX-License-Identifier: Apache-2.0 */
/* bpf: what a system call filter answers, by a small interpreter of classic BPF. */
#pragma once

#include <criterion/criterion.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <string.h>

#include "sandbox/seccomp.h"

static inline uint32_t bpf_run(const struct seccomp_program *p, const struct seccomp_data *data)
{
	uint32_t a = 0, x = 0, mem[BPF_MEMWORDS] = { 0 };

	for (size_t pc = 0; pc < p->n; pc++) {
		const struct sock_filter *i = &p->insns[pc];
		uint32_t operand = BPF_SRC(i->code) == BPF_X ? x : i->k;
		bool yes;

		switch (i->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			cr_assert(i->k % 4 == 0 && i->k + 4 <= sizeof *data, "load at %u", i->k);
			memcpy(&a, (const char *)data + i->k, 4);
			continue;
		case BPF_LD | BPF_IMM:
			a = i->k;
			continue;
		case BPF_LD | BPF_MEM:
			a = mem[i->k];
			continue;
		case BPF_ST:
			mem[i->k] = a;
			continue;
		case BPF_MISC | BPF_TAX:
			x = a;
			continue;
		case BPF_MISC | BPF_TXA:
			a = x;
			continue;
		case BPF_ALU | BPF_AND | BPF_K:
		case BPF_ALU | BPF_AND | BPF_X:
			a &= operand;
			continue;
		case BPF_RET | BPF_K:
			return i->k;
		case BPF_RET | BPF_A:
			return a;
		case BPF_JMP | BPF_JA:
			pc += i->k;
			continue;
		}
		yes = BPF_CLASS(i->code) == BPF_JMP;
		cr_assert(yes, "instruction 0x%x at %zu", i->code, pc);
		switch (BPF_OP(i->code)) {
		case BPF_JEQ:
			yes = a == operand;
			break;
		case BPF_JGT:
			yes = a > operand;
			break;
		case BPF_JGE:
			yes = a >= operand;
			break;
		case BPF_JSET:
			yes = a & operand;
			break;
		default:
			cr_fatal("jump 0x%x at %zu", i->code, pc);
		}
		pc += yes ? i->jt : i->jf;
	}
	cr_fatal("the program ends without an answer");
}
