/* SPDX-License-Identifier: Apache-2.0 */
/* The static program's malloc(3), under names that leave the test its own. */
#define malloc heap_malloc
#define calloc heap_calloc
#define realloc heap_realloc
#define free heap_free
#include "../../runtime/base/heap.c"
#undef malloc
#undef calloc
#undef realloc
#undef free

#include <criterion/criterion.h>
#include <signal.h>

static bool is_all(const unsigned char *p, size_t n, unsigned char value)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != value)
			return false;
	return true;
}

/* Of any size, in any order: nobody's bytes are anybody else's, and what should be zero is. */
Test(heap, blocks_do_not_touch_each_other)
{
	static struct { unsigned char *p, value; size_t n; } held[200];
	unsigned seed = 1;

	for (size_t round = 0; round < 200000; round++) {
		size_t i = (size_t)rand_r(&seed) % 200, most = (size_t)1 << rand_r(&seed) % 20;
		size_t n = (size_t)rand_r(&seed) % most;
		int how = rand_r(&seed) % 3;

		cr_assert(is_all(held[i].p, held[i].n, held[i].value), "round %zu", round);
		if (how == 0 && held[i].p) {
			size_t kept = n < held[i].n ? n : held[i].n;

			held[i].p = heap_realloc(held[i].p, n);
			cr_assert(is_all(held[i].p, kept, held[i].value), "round %zu", round);
		} else {
			heap_free(held[i].p);
			held[i].p = how == 1 ? heap_calloc(n, 1) : heap_malloc(n);
			cr_assert(how != 1 || is_all(held[i].p, n, 0), "round %zu", round);
		}
		cr_assert_not_null(held[i].p);
		cr_assert_eq((uintptr_t)held[i].p % 16, 0);
		held[i].n = n;
		held[i].value = (unsigned char)round;
		memset(held[i].p, held[i].value, n);
	}
}

Test(heap, a_freed_block_is_the_next_of_its_size)
{
	void *p = heap_malloc(1000);

	heap_free(p);
	cr_expect_neq(heap_malloc(100), p);
	cr_expect_eq(heap_malloc(1001), p);
}

Test(heap, what_is_more_than_there_can_be_is_refused)
{
	cr_expect_null(heap_malloc(SIZE_MAX));
	cr_expect_eq(errno, ENOMEM);
	errno = 0;
	cr_expect_null(heap_calloc(SIZE_MAX / 2, 3));
	cr_expect_eq(errno, ENOMEM);
	heap_free(NULL);
}

Test(heap, freed_twice, .signal = SIGABRT)
{
	void *p = heap_malloc(10);

	heap_free(p);
	heap_free(p);
}

Test(heap, overrun, .signal = SIGABRT)
{
	char *p = heap_malloc(48), *next = heap_malloc(48);

	memset(p, 0, 64);
	heap_free(next);
}
