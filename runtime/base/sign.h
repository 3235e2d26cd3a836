/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sign: Ed25519 keys and signatures (RFC 8032; nettle's hogweed), in the forms
 * that public tools read: PKCS #8 and SubjectPublicKeyInfo in PEM (RFC 8410), and
 * base64.
 *
 * Must not do I/O: audit/key.h knows where a key is.
 */
#pragma once

#include <stddef.h>

#include "base/err.h"
#include "base/hash.h"
#include "base/str.h"

enum { SIGN_BYTES = 32, SIGNATURE_BYTES = 64 };

struct sign_key {
	unsigned char secret[SIGN_BYTES], public[SIGN_BYTES];
};

/* A new one, of the kernel's random numbers. */
void sign_key_new(struct sign_key *ret);
/* What `openssl genpkey -algorithm ed25519` writes, and we.  `what` names it in errors. */
int sign_key_parse(const char *pem, const char *what, struct sign_key *ret, struct err *e);
/* Overwrites the secret: before the memory is anyone else's. */
void sign_key_forget(struct sign_key *key);
/* The whole key, and what everybody may have of it, in PEM. */
void sign_put_secret(const struct sign_key *key, struct str *out);
void sign_put_public(const struct sign_key *key, struct str *out);
/* SHA-256 of the SubjectPublicKeyInfo: names the key in what it signs. */
void sign_key_id(const struct sign_key *key, char ret[HASH_HEX]);

void sign(const struct sign_key *key, const void *data, size_t size,
	  unsigned char ret[SIGNATURE_BYTES]);

/* RFC 4648, with padding, on one line. */
void base64_put(struct str *out, const void *data, size_t size);
