/* SPDX-License-Identifier: Apache-2.0 */
/* What can be seen of a process that asks: it is looked at while it waits. */
#include "sandbox/execlog_claims_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/fd.h"

int peek_stat(pid_t pid, struct looks *ret)
{
	enum { FLAGS = 9, START_TIME = 22, START_STACK = 28, EXIT_CODE = 52 };
	char path[32], text[1024], *at;
	owned_fd fd = -1;
	ssize_t n;

	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	fd = openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC);	/* musl's open() is two calls */
	if (fd < 0)
		return -errno;
	n = read(fd, text, sizeof text - 1);
	if (n <= 0)
		return n < 0 ? -errno : -ESRCH;
	text[n] = '\0';
	*ret = (struct looks){ 0 };
	/* The name is the process's choice, brackets and blanks included. */
	at = strrchr(text, ')');
	if (!at || sscanf(at + 1, " %c %d", &ret->state, &ret->parent) != 2)
		return -EPROTO;
	for (int field = 2; at && field <= EXIT_CODE; field++) {
		if (field == FLAGS)
			ret->flags = strtoull(at, NULL, 10);
		else if (field == START_TIME)
			ret->start_time = strtoull(at, NULL, 10);
		else if (field == START_STACK)
			ret->start_stack = strtoull(at, NULL, 10);
		else if (field == EXIT_CODE)
			ret->exit_code = (int)strtol(at, NULL, 10);
		at = strchr(at, ' ');
		at = at ? at + 1 : NULL;
	}
	return 0;
}

pid_t peek_process(pid_t tid)
{
	char path[32];
	owned_str text = STR_INIT;
	const char *line;
	struct err e;

	snprintf(path, sizeof path, "/proc/%d/status", tid);
	if (file_read(AT_FDCWD, path, 64 << 10, &text, &e) < 0)
		return 0;
	line = strstr(text.s, "\nTgid:");
	return line ? (pid_t)strtol(line + strlen("\nTgid:"), NULL, 10) : 0;
}

static struct iovec up_to_page(uint64_t address, size_t room)
{
	enum { PAGE = 4096 };
	const size_t left = PAGE - address % PAGE;

	return (struct iovec){ (void *)(uintptr_t)address, room < left ? room : left };
}

size_t peek_bytes(pid_t pid, uint64_t address, void *buf, size_t room)
{
	const struct iovec from = up_to_page(address, room), to = { buf, from.iov_len };
	ssize_t n = process_vm_readv(pid, &to, 1, &from, 1, 0);

	return n > 0 ? (size_t)n : 0;
}

void peek_beginnings(pid_t pid, const uint64_t *addresses, size_t n, struct beginnings *ret)
{
	struct iovec to[PEEK_AT_ONCE] = { 0 }, from[PEEK_AT_ONCE] = { 0 };
	ssize_t got;

	for (size_t i = 0; i < n; i++) {
		from[i] = up_to_page(addresses[i], PEEK_FIRST);
		to[i] = (struct iovec){ ret->text[i], from[i].iov_len };
	}
	got = process_vm_readv(pid, to, n, from, n, 0);
	for (size_t i = 0; i < n; i++) {
		const ssize_t size = (ssize_t)to[i].iov_len;

		ret->size[i] = got >= size ? (size_t)size : 0;
		got -= size;
	}
}

size_t peek_text(pid_t pid, uint64_t address, char *buf, size_t room)
{
	size_t n = 0;

	while (n < room) {
		const size_t want = n ? room - n : room < PEEK_FIRST ? room : PEEK_FIRST;
		const size_t got = peek_bytes(pid, address + n, buf + n, want);
		const char *end = memchr(buf + n, 0, got);

		if (end)
			return (size_t)(end - buf) + 1;
		if (!got)
			break;
		n += got;
	}
	return n;
}
