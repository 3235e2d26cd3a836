/* SPDX-License-Identifier: Apache-2.0 */
/*
 * key: the key with which a host signs what it says of a session
 * (audit/provenance.h), in two files of one directory:
 *
 *   audit.key	the key: PKCS #8 in PEM, 0600
 *   audit.pub	its public half, for whoever verifies
 *
 * Nobody but its owner may read the first, and it is never written over: what it
 * signed could not be verified any more.
 */
#pragma once

#include <sys/types.h>

#include "base/err.h"
#include "base/sign.h"

#define AUDIT_KEY "audit.key"
#define AUDIT_KEY_PUBLIC "audit.pub"

/* Makes both files, and the directory, with `mode`, where it is missing.  -EEXIST: there is a key. */
int audit_key_make(const char *directory, mode_t mode, struct sign_key *ret, struct err *e);
/* -ENOENT: the host has none; -EPERM: others could have read it.  sign_key_forget() it. */
int audit_key_read(const char *directory, struct sign_key *ret, struct err *e);
