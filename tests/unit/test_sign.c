/* SPDX-License-Identifier: Apache-2.0 */
/* sign: against the vectors of RFC 8032 and RFC 4648, and what is no key. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/sign.h"

static void unhex(const char *hex, unsigned char *ret)
{
	for (size_t i = 0; hex[2 * i]; i++) {
		unsigned byte;

		cr_assert(sscanf(hex + 2 * i, "%2x", &byte) == 1);
		ret[i] = (unsigned char)byte;
	}
}

/* RFC 8032, 7.1: tests 1 to 3. */
static const struct vector {
	const char *secret, *public, *message, *signature;
} vectors[] = {
	{ "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
	  "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
	  "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
	  "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b" },
	{ "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
	  "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
	  "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
	  "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00" },
	{ "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
	  "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
	  "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
	  "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a" },
};

static void pem_of(const char *secret, struct str *out)
{
	struct sign_key key = { .secret = { 0 } };

	unhex(secret, key.secret);
	sign_put_secret(&key, out);
}

Test(sign, vectors)
{
	for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
		const struct vector *v = &vectors[i];
		unsigned char message[8], expected[SIGNATURE_BYTES], got[SIGNATURE_BYTES];
		owned_str pem = STR_INIT;
		struct sign_key key;
		struct err e;

		pem_of(v->secret, &pem);
		cr_assert(sign_key_parse(pem.s, "key", &key, &e) == 0, "%s", e.text);
		unhex(v->public, expected);
		cr_expect(memcmp(key.public, expected, SIGN_BYTES) == 0, "%zu", i);
		unhex(v->message, message);
		unhex(v->signature, expected);
		sign(&key, message, strlen(v->message) / 2, got);
		cr_expect(memcmp(got, expected, SIGNATURE_BYTES) == 0, "%zu", i);
	}
}

Test(sign, a_key_of_its_own_reads_back)
{
	struct sign_key a, b, read;
	owned_str pem = STR_INIT;
	char id[HASH_HEX], other[HASH_HEX];
	struct err e;

	sign_key_new(&a);
	sign_key_new(&b);
	cr_expect(memcmp(&a, &b, sizeof a) != 0);
	sign_put_secret(&a, &pem);
	cr_assert(sign_key_parse(pem.s, "key", &read, &e) == 0, "%s", e.text);
	cr_expect(memcmp(&a, &read, sizeof a) == 0);
	sign_key_id(&a, id);
	sign_key_id(&b, other);
	cr_expect(strcmp(id, other) != 0);
	sign_key_forget(&a);
	memset(&b.secret, 0, sizeof b.secret);
	cr_expect(memcmp(a.secret, b.secret, sizeof a.secret) == 0);
}

Test(sign, what_is_no_key_is_refused)
{
	owned_str pem = STR_INIT;
	struct sign_key key;
	struct err e;

	pem_of(vectors[0].secret, &pem);
	/* cut anywhere */
	for (size_t n = 0; n < strlen("-----BEGIN PRIVATE KEY-----") + 64; n++) {
		owned_str cut = STR_INIT;

		str_append(&cut, pem.s, n);
		str_puts(&cut, "\n-----END PRIVATE KEY-----\n");
		cr_expect(sign_key_parse(cut.s, "key", &key, &e) == -EINVAL, "%zu", n);
	}
	/* another algorithm, another size, no base64 */
	for (const char *at = strchr(pem.s, '\n') + 1; at < strchr(pem.s, '\n') + 20; at++) {
		char *p = pem.s + (at - pem.s), before = *p;

		*p = before == 'B' ? 'C' : 'B';
		cr_expect(sign_key_parse(pem.s, "key", &key, &e) == -EINVAL, "%zu", (size_t)(at - pem.s));
		*p = '!';
		cr_expect(sign_key_parse(pem.s, "key", &key, &e) == -EINVAL);
		*p = before;
	}
	cr_assert(sign_key_parse(pem.s, "key", &key, &e) == 0);
	cr_expect(sign_key_parse("", "audit.key", &key, &e) == -EINVAL);
	cr_expect(strstr(e.text, "audit.key: no Ed25519 key") == e.text);
}

/* RFC 4648, 10. */
Test(sign, base64)
{
	static const char *const rows[][2] = {
		{ "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" }, { "foo", "Zm9v" }, { "foob", "Zm9vYg==" },
		{ "fooba", "Zm9vYmE=" }, { "foobar", "Zm9vYmFy" },
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		owned_str out = STR_INIT;

		base64_put(&out, rows[i][0], strlen(rows[i][0]));
		cr_expect(eq(str, (char *)str_text(&out), (char *)rows[i][1]));
	}
}
