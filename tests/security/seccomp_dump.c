/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seccomp_dump: compiles a seccomp profile as a container's creation does, and
 * writes its instructions to standard output.
 *
 *	seccomp_dump PROFILE.json
 */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/fd.h"
#include "sandbox/seccomp.h"

static int dump(const char *path, struct err *e)
{
	owned_arena a = ARENA_INIT;
	struct seccomp_program p;
	struct spec_seccomp *s;
	const struct json *tree;
	int r;

	r = json_read_file(&a, AT_FDCWD, path, &tree, e);
	if (r == 0)
		r = spec_parse_seccomp(&a, tree, path, &s, e);
	if (r == 0)
		r = seccomp_compile(&a, s, NULL, &p, e);
	if (r == 0)
		r = fd_write_all(STDOUT_FILENO, p.insns, p.n * sizeof *p.insns, "output", e);
	return r;
}

int main(int argc, char **argv)
{
	struct err e = { 0 };

	if (argc == 2 && dump(argv[1], &e) == 0)
		return 0;
	fprintf(stderr, "seccomp_dump: %s\n", argc == 2 ? e.text : "one argument, please");
	return 1;
}
