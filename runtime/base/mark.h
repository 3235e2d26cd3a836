#pragma once
#include <stdio.h>
#include <time.h>
#include <unistd.h>
static inline void mark(const char *side, const char *what)
{
	struct timespec t; char b[200];
	clock_gettime(CLOCK_MONOTONIC, &t);
	int n = snprintf(b, sizeof b, "%ld %s %s\n", t.tv_sec * 1000000000L + t.tv_nsec, side, what);
	if (write(100, b, n)) {}
}
