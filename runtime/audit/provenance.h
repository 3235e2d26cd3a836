/* SPDX-License-Identifier: Apache-2.0 */
/*
 * provenance: what a session made, and how, as an in-toto Statement (v1) with a
 * SLSA provenance predicate (v1) in a DSSE envelope (1.0.0).
 *
 * Subjects are the files of the session's "apply" records.  Everything else is
 * told as its other records tell it, so that what they leave out (values of
 * secrets) is not in it either.  man/agentrun-audit.5 describes our part of it.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "base/sign.h"
#include "base/str.h"

/*
 * The Statement of one session (`name`: see audit_show()) without a newline.  `of_user`: of a
 * log that is not root's, whose owner could have written anything.  The caller has verified the log.
 * -ENOENT: no such session; -ENODATA: nothing of it was applied.
 */
int provenance_statement(const char *directory, const char *name, bool of_user, struct str *ret,
			 struct err *e);
/* The Statement, signed, in its envelope. */
void provenance_sign(const struct str *statement, const struct sign_key *key, struct str *ret);
