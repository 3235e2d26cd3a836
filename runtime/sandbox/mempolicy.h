/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mempolicy: linux.memoryPolicy (config-linux.md, "Memory policy") as
 * set_mempolicy(2) takes it.  Stage two makes the call.
 */
#pragma once

#include "spec/spec.h"

enum { MEMPOLICY_WORDS = SPEC_MEMORY_NODES / (8 * sizeof(unsigned long)) };

/* The mode with its flags; the nodes as a bit each.  Of a specification that was checked. */
int mempolicy_from_spec(const struct spec_memory_policy *m, unsigned long nodes[MEMPOLICY_WORDS]);
