/* SPDX-License-Identifier: Apache-2.0 */
/* seccomp_numbers: the table that the build makes (build-aux/syscall-numbers.c). */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum syscall_arch { SYSCALL_X86_64, SYSCALL_X86, SYSCALL_X32, SYSCALL_ARCHS };

struct syscall_numbers {
	const char *name;
	int32_t number[SYSCALL_ARCHS];		/* -1: none */
	uint8_t socketcall, ipc;		/* what it is to these calls of x86; 0: nothing */
};
extern const struct syscall_numbers syscall_numbers[];	/* sorted by name */
extern const size_t syscall_numbers_n;
extern const char syscall_numbers_of[];		/* which libseccomp they are from */
