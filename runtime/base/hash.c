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

static void finish(struct sha256_ctx *ctx, char ret[HASH_HEX])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char digest[SHA256_DIGEST_SIZE];

	sha256_digest(ctx, sizeof digest, digest);
	for (size_t i = 0; i < sizeof digest; i++) {
		ret[2 * i] = digits[digest[i] >> 4];
		ret[2 * i + 1] = digits[digest[i] & 15];
	}
	ret[HASH_HEX - 1] = 0;
}

void hash_end(struct hash *h, char ret[HASH_HEX])
{
	finish(&h->ctx, ret);
	free(h);
}

void hash_hex(char ret[HASH_HEX], const void *data, size_t size)
{
	struct sha256_ctx ctx;

	sha256_init(&ctx);
	sha256_update(&ctx, size, data);
	finish(&ctx, ret);
}
