/* SPDX-License-Identifier: Apache-2.0 */
/*
 * execlog_claims_parts: what these files share:
 *
 *   execlog_claims.c   the filter; the file: made, opened, read
 *   execlog_server.c   the process that commands ask
 *   execlog_peek.c     what it sees of the one that asks
 *
 * Nobody else includes this header.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "sandbox/execlog_parts.h"

/* ---- execlog_claims.c ---- */

/* System calls by their numbers. */
struct claims_calls {
	uint32_t arch;		/* AUDIT_ARCH_* */
	unsigned word;		/* bytes of a pointer; of calls with CLAIMS_X32: 4 */
	struct claims_numbers {
		uint32_t execve, execveat, prctl, seccomp;
	} of[2];
};
enum { CLAIMS_X32 = 0x40000000 };
/* NULL: there is none. */
const struct claims_calls *claims_calls_of(uint32_t arch);

#define CLAIMS_MAGIC "claims1"

/* What the file begins with; all servers have it in memory.  Records follow at CLAIMS_RECORDS. */
struct claims_head {
	char magic[8];
	uint64_t most, required;
	_Atomic uint64_t taken, logged, lost;	/* as in struct execlog_log */
	_Atomic uint64_t unseen;	/* of the lost: who asked could not be looked at */
	_Atomic uint64_t serving;	/* servers that have not come to their end */
};
enum { CLAIMS_RECORDS = 4096 };

/* ---- execlog_peek.c ---- */

/* Of /proc/PID/stat; the kernel's names. */
struct looks {
	char state;
	pid_t parent;
	uint64_t flags, start_time, start_stack;
	int exit_code;
};
/* Negative errno: it is gone, or not to be seen. */
int peek_stat(pid_t pid, struct looks *ret);
/* The process that a thread is of; 0: it is gone. */
pid_t peek_process(pid_t tid);

/* Bytes of its memory, as many as there are up to the end of the page. */
size_t peek_bytes(pid_t pid, uint64_t address, void *buf, size_t room);
/* What was read of a text, its NUL included; less, without one: room, or what can be read, ended. */
size_t peek_text(pid_t pid, uint64_t address, char *buf, size_t room);

enum {
	PEEK_FIRST = 256,	/* of a text; few are longer */
	PEEK_AT_ONCE = 32,
};
/* What texts begin with, in one call; all from the first that cannot be read are of size 0. */
struct beginnings {
	char text[PEEK_AT_ONCE][PEEK_FIRST];
	size_t size[PEEK_AT_ONCE];
};
void peek_beginnings(pid_t pid, const uint64_t *addresses, size_t n, struct beginnings *ret);
