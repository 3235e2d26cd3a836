/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"

#include <nettle/sha2.h>
#include <stdlib.h>

#include "base/err.h"

struct hash {
	struct sha256_ctx ctx;
};

struct hash *hash_new(void)
{
	struct hash *h = must(malloc(sizeof *h));

	sha256_init(&h->ctx);
	return h;
}

void hash_add(struct hash *h, const void *data, size_t size)
{
	sha256_update(&h->ctx, size, data);
}

void hash_end(struct hash *h, char ret[HASH_HEX])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char digest[SHA256_DIGEST_SIZE];

	sha256_digest(&h->ctx, sizeof digest, digest);
	for (size_t i = 0; i < sizeof digest; i++) {
		ret[2 * i] = digits[digest[i] >> 4];
		ret[2 * i + 1] = digits[digest[i] & 15];
	}
	ret[HASH_HEX - 1] = 0;
	free(h);
}

void hash_hex(char ret[HASH_HEX], const void *data, size_t size)
{
	struct hash *h = hash_new();

	hash_add(h, data, size);
	hash_end(h, ret);
}
