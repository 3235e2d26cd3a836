/* SPDX-License-Identifier: Apache-2.0 */
/*
 * malloc(3) of the static program, which lives for milliseconds, in one thread.
 *
 * musl's own gives memory back to the kernel as soon as nothing of its kind is
 * in use, and asks for it anew the next time: 150 system calls of a run, and a
 * fault for each page, took more than all that musl saves.  Here a freed block
 * waits for the next of its size; only large ones are the kernel's again.
 *
 * A block's size is one of four between two powers of two, with the head, so that
 * at most a fifth is lost.  What is freed twice or was overrun ends the program.
 */
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
	LEAST = 64,		/* bytes of a block, as all here */
	LARGE = 256 << 10,	/* from here on a mapping of its own */
	REGION = 1 << 20,	/* is asked for at once, and cut into blocks */
	FIRST = 256 << 10,	/* the first region is part of the program */
	SIZES = 4 * 18,
};

static const size_t IN_USE = 0x75736564, FREE = 0x66726565;

struct block {
	size_t size, state;
	union {
		struct block *next;	/* of a free one */
		long double bytes[1];
	};
};
enum { HEAD = offsetof(struct block, bytes) };

static struct block *waiting[SIZES];
static _Alignas(4096) char first[FIRST];
static char *fresh = first, *fresh_end = first + FIRST;

/* Makes it the size of a block; its number, of less than SIZES, is 4 * log2 and the quarter. */
static unsigned round_up(size_t *size)
{
	size_t last = *size <= LEAST ? LEAST - 1 : *size - 1;
	unsigned log = 63 - (unsigned)__builtin_clzll(last), quarter = last >> (log - 2) & 3;

	*size = (size_t)(quarter + 5) << (log - 2);
	return 4 * log + quarter;
}

static void *map(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* A new one, of zeros. */
static struct block *cut(size_t size)
{
	struct block *b;

	if ((size_t)(fresh_end - fresh) < size) {
		char *more = map(REGION);

		if (!more)
			return NULL;
		fresh = more;
		fresh_end = more + REGION;
	}
	b = (struct block *)fresh;
	fresh += size;
	return b;
}

static void *take(size_t n, bool zero)
{
	size_t size = n + HEAD;
	unsigned number;
	struct block *b;

	if (n > PTRDIFF_MAX - REGION) {
		errno = ENOMEM;
		return NULL;
	}
	if (size > LARGE) {
		size = (size + 4095) & ~(size_t)4095;
		b = map(size);
	} else {
		number = round_up(&size);
		b = waiting[number];
		if (b) {
			if (b->state != FREE || b->size != size)
				abort();
			waiting[number] = b->next;
			if (zero)
				memset(b->bytes, 0, n);
		} else {
			b = cut(size);
		}
	}
	if (!b)
		return NULL;
	b->size = size;
	b->state = IN_USE;
	return b->bytes;
}

static struct block *block_of(void *p)
{
	struct block *b = (struct block *)((char *)p - HEAD);

	if (b->state != IN_USE)
		abort();
	return b;
}

void *malloc(size_t n)
{
	return take(n, false);
}

void *calloc(size_t n, size_t each)
{
	size_t size;

	if (__builtin_mul_overflow(n, each, &size)) {
		errno = ENOMEM;
		return NULL;
	}
	return take(size, true);
}

void free(void *p)
{
	struct block *b = p ? block_of(p) : NULL;
	int saved = errno;
	unsigned number;

	if (!b)
		return;
	if (b->size > LARGE) {
		munmap(b, b->size);
		errno = saved;
		return;
	}
	number = round_up(&b->size);
	b->state = FREE;
	b->next = waiting[number];
	waiting[number] = b;
}

void *realloc(void *p, size_t n)
{
	struct block *b = p ? block_of(p) : NULL;
	void *bigger;

	if (b && n <= b->size - HEAD)
		return p;
	bigger = take(n, false);
	if (!b || !bigger)
		return bigger;
	memcpy(bigger, p, b->size - HEAD);
	free(p);
	return bigger;
}
