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
	owned_str text = STR_INIT;
	struct seccomp_program p;
	struct spec_seccomp *s;
	int r;

	r = file_read(AT_FDCWD, path, 1 << 20, &text, e);
	if (r == 0)
		r = spec_parse_seccomp(&a, &(struct json_text){ path, str_text(&text), text.len },
				       &s, e);
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
