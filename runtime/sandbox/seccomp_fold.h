/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seccomp_fold: an equal, shorter program.
 *
 * libseccomp's tree has a leaf for every system call: some 1,300 instructions
 * for an engine's list, which the kernel checks, converts and compiles at each
 * start of a container (0.4 ms).  Most neighbours have one answer.  So the
 * program is run with every architecture and every range of numbers that it
 * tells apart, and what it answers is written down again as a tree over the
 * ranges; where arguments decide, the instructions that read them are kept.
 *
 * Knows nothing of rules: it is right for any program, or leaves it alone.
 */
#pragma once

#include "base/arena.h"
#include "sandbox/seccomp.h"

/* Replaces p's instructions where that makes them fewer. */
void seccomp_fold(struct arena *a, struct seccomp_program *p);
