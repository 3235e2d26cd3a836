/* SPDX-License-Identifier: Apache-2.0 */
/*
 * capset: which capabilities there are, which the engines give, and which
 * would lead past the egress table.  Pure.
 */
#pragma once

#include <stdbool.h>

/* All names are in the specification's form: "CAP_KILL". */
bool capset_is_known(const char *name);
/* What Docker, Podman and containerd give unless told otherwise. */
bool capset_is_engine_default(const char *name);
/* Never while egress is not open, whatever a policy says (DESIGN section 4). */
bool capset_is_network_escape(const char *name);
