/* SPDX-License-Identifier: Apache-2.0 */
/*
 * redact: texts without what looks like a credential.
 *
 * For arguments of commands and other texts of a caller that become evidence:
 * secret values appear nowhere in a record (DESIGN section 7).  It errs towards
 * hiding; it cannot find a secret that looks like an ordinary word.
 */
#pragma once

#include "base/arena.h"
#include "base/str.h"

/* Appends text with each secret in it replaced by "[redacted]". */
void redact_text(const char *text, struct str *out);
/* Arguments: also the one after --password, --token and their like.  The result's texts are those of `args`
 * where nothing is hidden. */
struct strv redact_args(struct arena *a, const struct strv *args);
