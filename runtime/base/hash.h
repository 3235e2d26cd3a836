/* SPDX-License-Identifier: Apache-2.0 */
/* hash: SHA-256 (nettle); the only user of that library. */
#pragma once

#include <stddef.h>

enum { HASH_HEX = 65 };	/* 64 digits and the final NUL */

/* SHA-256 of the parts one after the other, as lower-case hexadecimal. */
void hash_hex(char ret[HASH_HEX], const void *data, size_t size);

struct hash;
struct hash *hash_new(void);
void hash_add(struct hash *h, const void *data, size_t size);
void hash_end(struct hash *h, char ret[HASH_HEX]);	/* frees h */
