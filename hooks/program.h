/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program: what every hook program does alike: its main(), its numbers, its clock.
 */
#pragma once

#include <stdint.h>

#include "base/err.h"

/* run() of a program, or its usage if that is asked for; prints its error as "NAME: ...".  The program's
 * exit code. */
int program_main(const char *name, const char *usage, int (*run)(int argc, char **argv, struct err *e),
		 int argc, char **argv);
/* The number that an option or a variable has for its value; `what` names it in errors. */
int program_number(const char *what, const char *text, unsigned least, unsigned most,
		   unsigned *ret, struct err *e);
/* The monotonic clock, in milliseconds. */
int64_t program_clock(void);
