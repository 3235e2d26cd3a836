/* SPDX-License-Identifier: Apache-2.0 */
/* Searches for a program as execvp(3) does: asks for it at each place until it is there. */
#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	char *const again[] = { "search", NULL };

	if (argc < 2)
		return 0;
	execv("/none/search", again);
	execv("/none/either/search", again);
	execv(argv[0], again);
	perror(argv[0]);
	return 1;
}
