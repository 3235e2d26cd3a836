/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/mempolicy.h"

#include <linux/mempolicy.h>
#include <string.h>

#include "base/cpulist.h"
#include "spec/fields.h"

_Static_assert(MPOL_PREFERRED == 1 && MPOL_BIND == 2 && MPOL_INTERLEAVE == 3 && MPOL_LOCAL == 4,
	       "spec_memory_modes has the kernel's order");
enum { FIRST_FLAG = 1 << 13 };	/* MPOL_F_NUMA_BALANCING, Linux 5.12 */
_Static_assert(MPOL_F_RELATIVE_NODES == FIRST_FLAG << 1 && MPOL_F_STATIC_NODES == FIRST_FLAG << 2,
	       "and so has spec_memory_flags");

int mempolicy_from_spec(const struct spec_memory_policy *m, unsigned long nodes[MEMPOLICY_WORDS])
{
	enum { BITS = 8 * sizeof *nodes };
	const char *list = m->nodes ? m->nodes : "";
	unsigned first, last;
	int mode = 0;

	memset(nodes, 0, MEMPOLICY_WORDS * sizeof *nodes);
	while (cpulist_next(&list, &first, &last) > 0)
		for (unsigned i = first; i <= last && i < SPEC_MEMORY_NODES; i++)
			nodes[i / BITS] |= 1UL << i % BITS;
	while (spec_memory_modes[mode] && strcmp(spec_memory_modes[mode], m->mode) != 0)
		mode++;
	for (int i = 0; spec_memory_flags[i]; i++)
		if (strv_find(&m->flags, spec_memory_flags[i]) >= 0)
			mode |= FIRST_FLAG << i;
	return mode;
}
