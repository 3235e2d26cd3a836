/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/head.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "audit/audit.h"
#include "base/fd.h"

enum { HEAD_MOST = 4096 };

int head_read(int fd, struct head *ret)
{
	char text[HEAD_MOST + 1];
	ssize_t n = pread(fd, text, HEAD_MOST, 0);
	struct head h = { 0 };
	int64_t at;
	int ended, next_ended, used = 0;
	size_t name;

	if (n < 0)
		return -errno;
	text[n] = 0;
	if (sscanf(text,
		   "agentrun-head 1 %32[0-9a-z-] %36[0-9a-f-] %d\n%llu %64[0-9a-f]\n%" SCNd64
		   " %llu %64[0-9a-f] %d\n%n",
		   h.machine, h.boot, &ended, &h.last.seq, h.last.hash, &at, &h.next.seq,
		   h.next.hash, &next_ended, &used) != 9 || !used ||
	    strlen(h.last.hash) != HASH_HEX - 1 || strlen(h.next.hash) != HASH_HEX - 1)
		return -EINVAL;
	h.ended = ended;
	h.next_at = at;
	h.next_ended = next_ended;
	name = strcspn(text + used, "\n");
	snprintf(h.container, sizeof h.container, "%.*s", (int)name, text + used);
	/* The first had none. */
	if (sscanf(text + used + name, "\n%llu %llu\n", &h.mark, &h.next_mark) != 2)
		h.mark = h.next_mark = 0;
	*ret = h;
	return 0;
}

int head_write(int fd, const struct head *h, const char *name, struct err *e)
{
	char text[HEAD_MOST];
	int n = snprintf(text, sizeof text,
			 "agentrun-head 1 %s %s %d\n%020llu %s\n%020" PRId64 " %020llu %s %d\n%s\n%020llu %020llu\n",
			 h->machine, h->boot, h->ended, h->last.seq, h->last.hash,
			 (int64_t)h->next_at, h->next.seq, h->next.hash, h->next_ended,
			 h->container, h->mark, h->next_mark);

	if (pwrite(fd, text, (size_t)n, 0) != n)
		return err_set(e, errno ? errno : ENOSPC, "write %s", name);
	return 0;
}

void head_intend(struct head *h, off_t at, unsigned long long seq, const char *hash, bool ends)
{
	h->next_at = at;
	h->next.seq = seq;
	memcpy(h->next.hash, hash, HASH_HEX);
	h->next_ended = h->ended || ends;
}

void head_settle(struct head *h, bool written)
{
	if (written) {
		h->last = h->next;
		h->ended = h->next_ended;
		h->mark = h->next_mark;
	}
	h->next_at = -1;
	h->next = chain_start;
}

void head_init(struct head *ret)
{
	owned_str machine = STR_INIT;
	owned_str boot = STR_INIT;
	struct err ignored;

	*ret = (struct head){ .last = chain_start, .next = chain_start, .next_at = -1 };
	file_read(AT_FDCWD, "/etc/machine-id", 4096, &machine, &ignored);
	file_read(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 4096, &boot, &ignored);
	if (sscanf(str_text(&machine), "%32[0-9a-f]", ret->machine) != 1)
		strcpy(ret->machine, "-");
	if (sscanf(str_text(&boot), "%36[0-9a-f-]", ret->boot) != 1)
		strcpy(ret->boot, "-");
}

int head_view_open(const char *directory, struct head_view *ret, struct err *e)
{
	owned_fd dirfd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	owned_fd lock = -1;
	struct head_view view = { .has_head = false };

	if (dirfd < 0)
		return err_set(e, errno, "open %s", directory);
	lock = openat(dirfd, AUDIT_HEAD, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	while (lock >= 0 && flock(lock, LOCK_SH) < 0)
		if (errno != EINTR)
			return err_set(e, errno, "lock %s/" AUDIT_HEAD, directory);
	if (parts_open(dirfd, &view.parts, e) < 0)
		return err_in(e, "%s", directory);
	if (!view.parts.n)
		return err_set(e, ENOENT, "open %s/" AUDIT_LOG, directory);
	view.has_head = lock >= 0 && head_read(lock, &view.head) == 0;
	*ret = view;
	return 0;
}
