/* SPDX-License-Identifier: Apache-2.0 */
#include "base/sign.h"

#include <errno.h>
#include <nettle/base64.h>
#include <nettle/eddsa.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/*
 * The whole of both encodings but for the 32 bytes at their ends: RFC 8410 leaves an Ed25519 key no
 * parameters, and DER has one way to write each.
 */
static const unsigned char secret_der[] = {	/* PrivateKeyInfo, version 0, 1.3.101.112 */
	0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
};
static const unsigned char public_der[] = {	/* SubjectPublicKeyInfo, 1.3.101.112 */
	0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
};
static const char secret_begin[] = "-----BEGIN PRIVATE KEY-----";
static const char secret_end[] = "-----END PRIVATE KEY-----";

void sign_key_new(struct sign_key *ret)
{
	if (getrandom(ret->secret, sizeof ret->secret, 0) != sizeof ret->secret)
		abort();
	ed25519_sha512_public_key(ret->public, ret->secret);
}

void sign_key_forget(struct sign_key *key)
{
	explicit_bzero(key->secret, sizeof key->secret);
}

int sign_key_parse(const char *pem, const char *what, struct sign_key *ret, struct err *e)
{
	const char *text = strstr(pem, secret_begin);
	const char *end = text ? strstr(text, secret_end) : NULL;
	/* room for blanks, which the decoder counts before it drops them */
	unsigned char der[sizeof secret_der + SIGN_BYTES + 8];
	struct base64_decode_ctx decoder;
	size_t n = 0;

	text = text ? text + sizeof secret_begin - 1 : NULL;
	base64_decode_init(&decoder);
	if (!end || BASE64_DECODE_LENGTH((size_t)(end - text)) > sizeof der ||
	    !base64_decode_update(&decoder, &n, der, (size_t)(end - text), text) ||
	    !base64_decode_final(&decoder) || n != sizeof secret_der + SIGN_BYTES ||
	    memcmp(der, secret_der, sizeof secret_der) != 0) {
		explicit_bzero(der, sizeof der);
		return err_say(e, EINVAL, "%s: no Ed25519 key as `openssl genpkey -algorithm ed25519` "
			       "writes it (PKCS #8, PEM, not encrypted)", what);
	}
	memcpy(ret->secret, der + sizeof secret_der, SIGN_BYTES);
	explicit_bzero(der, sizeof der);
	ed25519_sha512_public_key(ret->public, ret->secret);
	return 0;
}

void base64_put(struct str *out, const void *data, size_t size)
{
	size_t n = BASE64_ENCODE_RAW_LENGTH(size);

	base64_encode_raw(str_reserve(out, n), size, data);
	str_commit(out, n);
}

void sign_put_secret(const struct sign_key *key, struct str *out)
{
	unsigned char der[sizeof secret_der + SIGN_BYTES];

	memcpy(der, secret_der, sizeof secret_der);
	memcpy(der + sizeof secret_der, key->secret, SIGN_BYTES);
	str_printf(out, "%s\n", secret_begin);
	base64_put(out, der, sizeof der);
	str_printf(out, "\n%s\n", secret_end);
	explicit_bzero(der, sizeof der);
}

static void put_public_der(const struct sign_key *key, struct str *out)
{
	str_append(out, public_der, sizeof public_der);
	str_append(out, key->public, SIGN_BYTES);
}

void sign_put_public(const struct sign_key *key, struct str *out)
{
	owned_str der = STR_INIT;

	put_public_der(key, &der);
	str_puts(out, "-----BEGIN PUBLIC KEY-----\n");
	base64_put(out, der.s, der.len);
	str_puts(out, "\n-----END PUBLIC KEY-----\n");
}

void sign_key_id(const struct sign_key *key, char ret[HASH_HEX])
{
	owned_str der = STR_INIT;

	put_public_der(key, &der);
	hash_hex(ret, der.s, der.len);
}

void sign(const struct sign_key *key, const void *data, size_t size,
	  unsigned char ret[SIGNATURE_BYTES])
{
	ed25519_sha512_sign(key->public, key->secret, size, data, ret);
}
