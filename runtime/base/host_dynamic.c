/* SPDX-License-Identifier: Apache-2.0 */
#include "base/host.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

int host_check(struct err *e)
{
	(void)e;
	return 0;
}

int host_become(struct err *e)
{
	return err_say(e, EALREADY, "this is the dynamic program");
}

int host_open(const char *name, void **ret_library, struct err *e)
{
	*ret_library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
	return *ret_library ? 0 : err_say(e, ENOENT, "%s", dlerror());
}

int host_function(void *library, const char *name, void *ret_function, struct err *e)
{
	void *symbol = dlsym(library, name);

	if (!symbol)
		return err_say(e, ENOENT, "%s", dlerror());
	memcpy(ret_function, &symbol, sizeof symbol);
	return 0;
}

void host_path(void *library, char *ret, size_t size)
{
	struct link_map *map = NULL;

	*ret = '\0';
	if (dlinfo(library, RTLD_DI_LINKMAP, &map) == 0 && map && strlen(map->l_name) < size)
		strcpy(ret, map->l_name);
}

int host_resolve(struct arena *a, const char *name, struct strv *ret, struct err *e)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM }, *list;
	int r = getaddrinfo(name, NULL, &hints, &list);

	if (r != 0)
		return err_say(e, EHOSTUNREACH, "%s",
			       r == EAI_SYSTEM ? strerror(errno) : gai_strerror(r));
	for (struct addrinfo *i = list; i; i = i->ai_next) {
		const void *raw = i->ai_family == AF_INET
					  ? (const void *)&((struct sockaddr_in *)i->ai_addr)->sin_addr
					  : (const void *)&((struct sockaddr_in6 *)i->ai_addr)->sin6_addr;
		char text[INET6_ADDRSTRLEN];

		if (inet_ntop(i->ai_family, raw, text, sizeof text) && strv_find(ret, text) < 0)
			strv_add(a, ret, text);
	}
	freeaddrinfo(list);
	return 0;
}
