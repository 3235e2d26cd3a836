/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"

#include <nettle/sha2.h>
#include <stdio.h>
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
	unsigned char digest[SHA256_DIGEST_SIZE];

	sha256_digest(&h->ctx, sizeof digest, digest);
	for (size_t i = 0; i < sizeof digest; i++)
		snprintf(ret + 2 * i, 3, "%02x", digest[i]);
	free(h);
}

void hash_hex(char ret[HASH_HEX], const void *data, size_t size)
{
	struct hash *h = hash_new();

	hash_add(h, data, size);
	hash_end(h, ret);
}
