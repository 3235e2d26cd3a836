/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/execlog_claims.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include <linux/audit.h>
#include <linux/seccomp.h>

#include "base/fd.h"
#include "base/sys.h"
#include "sandbox/execlog_claims_parts.h"

/* ---- the filter ---- */

/* Newer than Debian 12's headers. */
enum {
	WAIT_KILLABLE_RECV = 1 << 5,	/* Linux 5.19: no signal makes the caller ask twice */
	EXECVE_CHECK = 1 << 16,		/* AT_EXECVE_CHECK, Linux 6.14; before, EINVAL */
};

#define ROWS(table) (sizeof(table) / sizeof *(table))

/* As the tables of the kernel have them; 32-bit programs run beside others. */
static const struct claims_calls calls[] = {
#if defined __x86_64__
	{ AUDIT_ARCH_X86_64, 8, { { 59, 322, 157, 317 },
				  { CLAIMS_X32 | 520, CLAIMS_X32 | 545, CLAIMS_X32 | 157, CLAIMS_X32 | 317 } } },
	{ AUDIT_ARCH_I386, 4, { { 11, 358, 172, 354 }, { 11, 358, 172, 354 } } },
#elif defined __aarch64__
	{ AUDIT_ARCH_AARCH64, 8, { { 221, 281, 167, 277 }, { 221, 281, 167, 277 } } },
	{ AUDIT_ARCH_ARM, 4, { { 11, 387, 172, 383 }, { 11, 387, 172, 383 } } },
#endif
};

/* Of a little-endian argument of 32 bits. */
#define ARGUMENT(i) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, args[i]))
#define RETURN(action) BPF_STMT(BPF_RET | BPF_K, (action))
#define IF(operator, value) BPF_JUMP(BPF_JMP | (operator) | BPF_K, (value), 0, 1)

static const struct sock_filter notify[] = { RETURN(SECCOMP_RET_USER_NOTIF) };
/* Whether a file could be executed, as an interpreter wants to know of a script: nothing is. */
static const struct sock_filter notify_at[] = {
	ARGUMENT(4), IF(BPF_JSET, EXECVE_CHECK), RETURN(SECCOMP_RET_ALLOW), RETURN(SECCOMP_RET_USER_NOTIF),
};
/* No process chooses the stack by which it is seen to have asked twice (log_command). */
static const struct sock_filter set_mm[] = {
	ARGUMENT(0), IF(BPF_JEQ, PR_SET_MM), RETURN(SECCOMP_RET_ERRNO | EPERM), RETURN(SECCOMP_RET_ALLOW),
};
/* What the kernel answers as long as there is the server; after that another could be asked. */
static const struct sock_filter new_listener[] = {
	ARGUMENT(1), IF(BPF_JSET, SECCOMP_FILTER_FLAG_NEW_LISTENER), RETURN(SECCOMP_RET_ERRNO | EBUSY),
	RETURN(SECCOMP_RET_ALLOW),
};

enum {
	ANSWERS = 1 + ROWS(notify) + 1 + ROWS(notify_at) + 1 + ROWS(set_mm) + 1 + ROWS(new_listener),
	EACH = 2 + 2 * ANSWERS + 1,
};

static void put_answer(struct sock_filter **at, uint32_t nr, const struct sock_filter *answer, size_t n)
{
	*(*at)++ = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, (uint8_t)n);
	memcpy(*at, answer, n * sizeof *answer);
	*at += n;
}

int execlog_claims_filter(struct arena *a, struct seccomp_program *ret, struct err *e)
{
	const size_t n = ROWS(calls);
	struct sock_filter *p = arena_array(a, struct sock_filter, 2 + EACH * n), *at = p;
	/* Whether programs are to go slower against speculation, the other filters say. */
	unsigned flags = SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_SPEC_ALLOW;

	if (!n)
		return err_say(e, EOPNOTSUPP, "a log of commands is not made for this architecture");
	*at++ = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
	for (size_t i = 0; i < n; i++) {
		*at++ = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, calls[i].arch, 0, EACH - 1);
		*at++ = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
						     offsetof(struct seccomp_data, nr));
		for (size_t k = 0; k < ROWS(calls[i].of); k++) {
			const struct claims_numbers *of = &calls[i].of[k];

			put_answer(&at, of->execve, notify, ROWS(notify));
			put_answer(&at, of->execveat, notify_at, ROWS(notify_at));
			put_answer(&at, of->prctl, set_mm, ROWS(set_mm));
			put_answer(&at, of->seccomp, new_listener, ROWS(new_listener));
		}
		*at++ = (struct sock_filter)RETURN(SECCOMP_RET_ALLOW);
	}
	*at++ = (struct sock_filter)RETURN(SECCOMP_RET_ALLOW);
	/* The kernel looks at the flags before it looks for a program, which there is none. */
	if (sys_seccomp(SECCOMP_SET_MODE_FILTER, flags | WAIT_KILLABLE_RECV, NULL) < 0 && errno == EFAULT)
		flags |= WAIT_KILLABLE_RECV;
	*ret = (struct seccomp_program){ p, (size_t)(at - p), flags };
	return 0;
}

const struct claims_calls *claims_calls_of(uint32_t arch)
{
	for (size_t i = 0; i < ROWS(calls); i++)
		if (calls[i].arch == arch)
			return &calls[i];
	return NULL;
}

/* ---- the file ---- */

int execlog_claims_make(int dirfd, const char *name, size_t most, bool required, struct err *e)
{
	struct claims_head head = { .most = most, .required = required };
	owned_fd fd = openat(dirfd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	char page[CLAIMS_RECORDS] = { 0 };

	if (fd < 0)
		return err_set(e, errno, "create %s", name);
	memcpy(head.magic, CLAIMS_MAGIC, sizeof CLAIMS_MAGIC);
	memcpy(page, &head, sizeof head);
	/* All of the page: a mapped one that cannot be allocated later would be a SIGBUS. */
	return fd_write_all(fd, page, sizeof page, name, e);
}

int execlog_claims_open(int dirfd, const char *name, int *ret_fd, struct err *e)
{
	owned_fd fd = openat(dirfd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0 || flock(fd, LOCK_SH | LOCK_NB) < 0)
		return err_set(e, errno, "open the log of commands %s", name);
	*ret_fd = fd_take(&fd);
	return 0;
}

/* ---- the reader ---- */

/* Servers hold a shared lock. */
static bool have_ended(int fd)
{
	return flock(fd, LOCK_EX | LOCK_NB) == 0;
}

void execlog_claims_await(int dirfd, const char *name)
{
	enum { TRIES = 500 };
	owned_fd fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	const struct timespec pause = { 0, 2000000 };

	for (int i = 0; fd >= 0 && !have_ended(fd) && i < TRIES; i++)
		nanosleep(&pause, NULL);
}

/* NULL: there is no whole record at that place. */
static const struct execlog_record *record_at(const struct str *file, uint64_t at)
{
	const struct execlog_record *r = (const struct execlog_record *)(file->s + at);
	const uint64_t left = file->len - at;

	if (left < sizeof *r || r->number != at - CLAIMS_RECORDS + 1 || r->path_kept > EXECLOG_PATH_MOST ||
	    r->argv_kept > EXECLOG_ARGV_MOST || execlog_record_size(r) > left)
		return NULL;
	return r;
}

int execlog_claims_read(int dirfd, const char *name,
			int (*each)(void *arg, const struct execlog_command *c, struct err *e), void *arg,
			struct execlog_total *ret, struct err *e)
{
	owned_fd fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct execlog_total total = { 0 };
	const struct execlog_record *record;
	owned_str file = STR_INIT;
	const struct claims_head *head;
	bool ended;
	int r;

	if (fd < 0)
		return err_set(e, errno, "open the log of commands %s", name);
	ended = have_ended(fd);
	if ((r = fd_read_all(fd, CLAIMS_RECORDS + 2 * EXECLOG_MOST, name, &file, e)) < 0)
		return r;
	head = (const struct claims_head *)file.s;
	if (file.len < CLAIMS_RECORDS || memcmp(head->magic, CLAIMS_MAGIC, sizeof CLAIMS_MAGIC) != 0)
		return err_say(e, EINVAL, "%s: not a log of commands", name);
	for (uint64_t at = CLAIMS_RECORDS; (record = record_at(&file, at)); at += execlog_record_size(record)) {
		const struct execlog_command c = execlog_command_of(record);

		if ((r = each(arg, &c, e)) < 0)
			return r;
		total.commands++;
	}
	total.lost = head->lost + (head->logged > total.commands ? head->logged - total.commands : 0);
	total.unseen = head->unseen;
	*ret = total;
	if (!ended)
		return err_say(e, ETIMEDOUT, "the process that logs commands has not ended");
	if (head->serving)
		return err_say(e, ECONNRESET, "the process that logs commands was killed");
	return 0;
}
