/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secret: what credentials look like: the tables that scrubbing an environment
 * (policy/env.c) and keeping evidence free of secrets (audit/redact.c) share.
 *
 * They find what is recognisable; they cannot find a password that looks like
 * an ordinary word.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Whether the n bytes of a name (of a variable, an option, a member) say that its value is secret:
 * GITHUB_TOKEN, --api-key, dbPassword; not PWD and OLDPWD. */
bool secret_name(const char *name, size_t n);
/* The length of the recognisable token that begins at p, 0 if none does. */
size_t secret_token(const char *p);
