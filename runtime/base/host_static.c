/* SPDX-License-Identifier: Apache-2.0 */
#include "base/host.h"

#include <elf.h>
#include <errno.h>
#include <link.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/mman.h>

#include "base/fd.h"
#include "base/self.h"

/* The bytes of the dynamic program, put into this one by the build. */
extern const char dynamic_image[], dynamic_image_end[];

/* What only the start of the program writes becomes read-only (PT_GNU_RELRO): a loader does so, musl's
 * start of a static program does not. */
__attribute__((constructor)) static void protect_relocated(void)
{
	extern const ElfW(Ehdr) __ehdr_start;
	const char *base = (const char *)&__ehdr_start;
	const ElfW(Phdr) *p = (const ElfW(Phdr) *)(base + __ehdr_start.e_phoff);
	const uintptr_t page = getauxval(AT_PAGESZ);

	for (size_t i = 0; i < __ehdr_start.e_phnum; i++) {
		uintptr_t begin = ((uintptr_t)base + p[i].p_vaddr) & -page;
		uintptr_t end = ((uintptr_t)base + p[i].p_vaddr + p[i].p_memsz) & -page;

		if (p[i].p_type == PT_GNU_RELRO && mprotect((void *)begin, end - begin, PROT_READ) < 0)
			abort();
	}
}

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
