/* SPDX-License-Identifier: Apache-2.0 */
#include "lifecycle/activation.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum { SOCKETS_MOST = 1 << 20 };

static bool number(const char *text, long *ret)
{
	char *end;

	if (!text || *text < '0' || *text > '9')
		return false;
	errno = 0;
	*ret = strtol(text, &end, 10);
	return !errno && !*end;
}

int activation_sockets(unsigned *ret, struct err *e)
{
	long pid, n;

	*ret = 0;
	if (!number(getenv("LISTEN_PID"), &pid) || pid != getpid())
		return 0;
	if (!number(getenv("LISTEN_FDS"), &n) || n > SOCKETS_MOST)
		return err_say(e, EINVAL, "LISTEN_FDS: expected a number");
	*ret = (unsigned)n;
	return 0;
}

void activation_tell(struct arena *a, unsigned n, pid_t pid, struct strv *env)
{
	const char *names = getenv("LISTEN_FDNAMES");

	if (n == 0)
		return;
	strv_add(a, env, arena_printf(a, "LISTEN_FDS=%u", n));
	strv_add(a, env, arena_printf(a, "LISTEN_PID=%d", pid));
	if (names)
		strv_add(a, env, arena_printf(a, "LISTEN_FDNAMES=%s", names));
}
