/* SPDX-License-Identifier: Apache-2.0 */
#include "program.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int program_main(const char *name, const char *usage, int (*run)(int argc, char **argv, struct err *e),
		 int argc, char **argv)
{
	struct err e;

	if (argc == 2 && strcmp(argv[1], "--help") == 0)
		return puts(usage) == EOF || fflush(stdout) == EOF;
	if (run(argc, argv, &e) == 0)
		return 0;
	fprintf(stderr, "%s: %s\n", name, e.text);
	return 1;
}

int program_number(const char *what, const char *text, unsigned least, unsigned most,
		   unsigned *ret, struct err *e)
{
	char *end;
	unsigned long v = strtoul(text, &end, 10);

	if (*end || end == text || *text == '-' || v < least || v > most)
		return err_say(e, EINVAL, "%s %s: expected %u to %u", what, text, least, most);
	*ret = (unsigned)v;
	return 0;
}

int64_t program_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}
