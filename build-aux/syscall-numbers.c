/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Run by the build: prints a C file with the number of every system call that
 * libseccomp knows, for the architectures of sandbox/seccomp_rules.c, sorted
 * by name; and which call socketcall(2) and ipc(2) make of it on x86.
 */
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const uint32_t archs[] = { SCMP_ARCH_X86_64, SCMP_ARCH_X86, SCMP_ARCH_X32 };
/* libseccomp's numbers for what goes through them: -100 less socketcall's, -200 less ipc's. */
enum { MULTIPLEXED = 30, MOST = 2000 };

static struct call {
	char *name;
	int number[COUNT(archs)];	/* -1: none */
	int socketcall, ipc;
} calls[MOST];
static size_t n_calls;

static struct call *find(const char *name)
{
	for (size_t i = 0; i < n_calls; i++)
		if (strcmp(calls[i].name, name) == 0)
			return &calls[i];
	if (n_calls == MOST)
		abort();
	calls[n_calls].name = strdup(name);
	for (size_t i = 0; i < COUNT(archs); i++)
		calls[n_calls].number[i] = -1;
	return &calls[n_calls++];
}

static struct call *named(uint32_t arch, int number)
{
	char *name = seccomp_syscall_resolve_num_arch(arch, number);
	struct call *call = name ? find(name) : NULL;

	free(name);
	return call;
}

static void add(size_t arch, int number)
{
	struct call *call = named(archs[arch], number);

	if (call)
		call->number[arch] = number;
}

static int by_name(const void *x, const void *y)
{
	return strcmp(((const struct call *)x)->name, ((const struct call *)y)->name);
}

int main(void)
{
	for (size_t i = 0; i < COUNT(archs); i++) {
		const int base = archs[i] == SCMP_ARCH_X32 ? 0x40000000 : 0;

		for (int n = 0; n < 1024; n++)
			add(i, base + n);
	}
	for (int i = 1; i < MULTIPLEXED; i++) {
		struct call *socket = named(SCMP_ARCH_X86, -100 - i), *ipc = named(SCMP_ARCH_X86, -200 - i);

		if (socket)
			socket->socketcall = i;
		if (ipc)
			ipc->ipc = i;
	}
	qsort(calls, n_calls, sizeof *calls, by_name);
	const struct scmp_version *v = seccomp_version();

	puts("#include \"sandbox/seccomp_numbers.h\"\n\nconst struct syscall_numbers syscall_numbers[] = {");
	for (size_t i = 0; i < n_calls; i++) {
		printf("\t{ \"%s\", {", calls[i].name);
		for (size_t k = 0; k < COUNT(archs); k++)
			printf(" %d,", calls[i].number[k]);
		printf(" }, %d, %d },\n", calls[i].socketcall, calls[i].ipc);
	}
	puts("};\nconst size_t syscall_numbers_n = sizeof syscall_numbers / sizeof *syscall_numbers;");
	printf("const char syscall_numbers_of[] = \"libseccomp %u.%u.%u\";\n", v->major, v->minor, v->micro);
	return 0;
}
