/* SPDX-License-Identifier: Apache-2.0 */
/*
 * risk: what a changed path may have the host run, or have an agent on the host
 * believe (DESIGN section 8; THREATS D3, D4): told by its name and mode alone.
 *
 * Names are compared as the most forgiving file system would: without case, without
 * the dots and spaces that Windows drops and the code points that HFS+ skips, since
 * a checkout may live on any of them.
 */
#pragma once

#include <sys/stat.h>

/* Why ("a git hook", "an executable file"), constant; NULL: nothing is known.  Modes are 0 where there
 * is no such entry. */
const char *risk_of(const char *path, mode_t old_mode, mode_t new_mode);
