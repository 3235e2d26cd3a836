/* SPDX-License-Identifier: Apache-2.0 */
#include "base/host.h"

#include <errno.h>

#include "base/fd.h"
#include "base/self.h"

/* The bytes of the dynamic program, put into this one by the build. */
extern const char dynamic_image[], dynamic_image_end[];

int host_check(struct err *e)
{
	return err_say(e, ELIBACC, "this takes the host's shared libraries");
}

int host_become(struct err *e)
{
	owned_fd fd = -1;

	if (self_seal("agentrun", true, dynamic_image, (size_t)(dynamic_image_end - dynamic_image),
		      &fd, e) < 0)
		return -e->code;
	return self_execute(fd, e);
}

int host_open(const char *name, void **ret_library, struct err *e)
{
	(void)name;
	(void)ret_library;
	return host_check(e);
}

int host_function(void *library, const char *name, void *ret_function, struct err *e)
{
	(void)library;
	(void)name;
	(void)ret_function;
	return host_check(e);
}

void host_path(void *library, char *ret, size_t size)
{
	(void)library;
	(void)size;
	*ret = '\0';
}

int host_resolve(struct arena *a, const char *name, struct strv *ret, struct err *e)
{
	(void)a;
	(void)name;
	(void)ret;
	return host_check(e);
}
