/* SPDX-License-Identifier: Apache-2.0 */
/*
 * caps: capability names (libcap's) to the kernel's bit masks.
 *
 * Setting them is the work of stage two; this module only computes.
 */
#pragma once

#include <stdint.h>

#include "base/err.h"
#include "spec/spec.h"

struct caps {
	uint64_t bounding, effective, permitted, inheritable, ambient;
};

/*
 * The masks of the specification's five lists.  What this library or this kernel does not know is left out,
 * with one warning.  Inheritable stays empty whatever was asked (CVE-2022-29162) unless an ambient
 * capability needs it (ambient is a subset of it by kernel rule).  NULL: no capabilities at all, as in
 * runc.
 */
int caps_from_spec(const struct spec_capabilities *c, struct caps *ret, struct err *e);
/* "CAP_KILL" or "KILL", any case, -> number; -1 unknown. */
int caps_number(const char *name);
/* The name in the specification's form ("CAP_KILL"), NULL beyond the last one known. */
const char *caps_name(int number);
int caps_last(void);	/* the running kernel's last capability */
