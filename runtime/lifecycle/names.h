/* SPDX-License-Identifier: Apache-2.0 */
/*
 * names: the host names of egress rules, resolved on the host at create
 * (DESIGN section 6, stage 1): into the rule's addresses, which the egress set
 * holds, and into an /etc/hosts of the container's own, since it has no DNS.
 */
#pragma once

#include "base/err.h"
#include "lifecycle/state.h"
#include "spec/spec.h"

/* Fills addresses of every rule that is a name, in place.  A name without an address that may be a
 * destination is an error: a rule that can never match is a mistake. */
int names_resolve(struct arena *a, struct spec_agent *agent, struct err *e);
/* Writes the hosts file into the container's state directory, beginning with what the engine (or the
 * image) has, and lets the specification mount it.  Does nothing where no rule is a name. */
int names_mount_hosts(struct arena *a, struct spec *s, const struct state_dir *d, struct err *e);
