/* SPDX-License-Identifier: Apache-2.0 */
/*
 * insider: what a program inside a container can do to its neighbours' keys
 * and to how the host sees it.  Static, so that it runs in any root file system.
 *
 *	insider keyring		prints the id of the session keyring
 *	insider open-keyring	lets everybody search and link it first, and stays
 *	insider hide		its first thread ends, another one stays
 *	insider stop-all	stops every other process, again and again
 */
#include <linux/keyctl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static void *stay(void *nothing)
{
	for (;;)
		pause();
	return nothing;
}

int main(int argc, char **argv)
{
	const char *action = argc == 2 ? argv[1] : "";
	long keyring = syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0);
	pthread_t other;

	if (strcmp(action, "hide") == 0) {
		pthread_create(&other, NULL, stay, NULL);
		syscall(SYS_exit, 0);
	}
	while (strcmp(action, "stop-all") == 0)
		kill(-1, SIGSTOP);
	if (strcmp(action, "open-keyring") == 0 &&
	    syscall(SYS_keyctl, KEYCTL_SETPERM, keyring, 0x3f3f3f3fL) < 0) {
		perror("insider: KEYCTL_SETPERM");
		return 1;
	}
	printf("%lx\n", keyring);
	fflush(stdout);
	if (strcmp(action, "open-keyring") == 0)
		stay(NULL);
	return 0;
}
