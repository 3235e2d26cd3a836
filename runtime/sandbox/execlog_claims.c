/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/execlog_claims.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <linux/audit.h>
#include <linux/seccomp.h>

#include "base/fd.h"
#include "base/sys.h"
#include "sandbox/execlog_parts.h"

/* ---- the filter ---- */

/* Newer than Debian 12's headers. */
enum {
	WAIT_KILLABLE_RECV = 1 << 5,	/* Linux 5.19: no signal makes the caller ask twice */
	SYNC_WAKE_UP = 1,		/* Linux 6.6: the server is woken on the caller's CPU */
	EXECVE_CHECK = 1 << 16,		/* AT_EXECVE_CHECK, Linux 6.14; before, EINVAL */
};
#define NOTIF_SET_FLAGS _IOW('!', 4, uint64_t)

enum { X32 = 0x40000000 };

#define ROWS(table) (sizeof(table) / sizeof *(table))

/* As the tables of the kernel have them; 32-bit programs run beside others. */
static const struct calls {
	uint32_t arch;
	unsigned word;		/* bytes of a pointer; of calls with X32: 4 */
	struct numbers {
		uint32_t execve, execveat, prctl, seccomp;
	} of[2];
} calls[] = {
#if defined __x86_64__
	{ AUDIT_ARCH_X86_64, 8, { { 59, 322, 157, 317 }, { X32 | 520, X32 | 545, X32 | 157, X32 | 317 } } },
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
			const struct numbers *of = &calls[i].of[k];

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

/* ---- the file ---- */

static const char magic[8] = "claims1";

/* What it begins with; all servers have it in memory.  Records follow at RECORDS. */
struct head {
	char magic[8];
	uint64_t most, required;
	_Atomic uint64_t taken, logged, lost;	/* as in struct execlog_log */
	_Atomic uint64_t serving;	/* servers that have not come to their end */
};

enum { RECORDS = 4096 };

int execlog_claims_make(int dirfd, const char *name, size_t most, bool required, struct err *e)
{
	struct head head = { .most = most, .required = required };
	owned_fd fd = openat(dirfd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	char page[RECORDS] = { 0 };

	if (fd < 0)
		return err_set(e, errno, "create %s", name);
	memcpy(head.magic, magic, sizeof magic);
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

/* ---- the server: what it sees of a process ---- */

/* Of /proc/PID/stat; the kernel's names. */
struct looks {
	char state;
	pid_t parent;
	uint64_t flags, start_time, start_stack;
	int exit_code;
};

static int look_at(pid_t pid, struct looks *ret)
{
	enum { FLAGS = 9, START_TIME = 22, START_STACK = 28, EXIT_CODE = 52 };
	char path[32], text[1024], *at;
	owned_fd fd = -1;
	ssize_t n;

	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	fd = openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC);	/* musl's open() is two calls */
	n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	if (n <= 0)
		return -ESRCH;
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

/* The process that a thread is of; 0: it is gone. */
static pid_t process_of(pid_t tid)
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

enum {
	FIRST = 256,	/* of a text; few are longer */
	AT_ONCE = 32,
};

static struct iovec up_to_page(uint64_t address, size_t room)
{
	enum { PAGE = 4096 };
	const size_t left = PAGE - address % PAGE;

	return (struct iovec){ (void *)(uintptr_t)address, room < left ? room : left };
}

/* Bytes of its memory, as many as there are up to the end of the page. */
static size_t peek(pid_t pid, uint64_t address, void *buf, size_t room)
{
	const struct iovec from = up_to_page(address, room), to = { buf, from.iov_len };
	ssize_t n = process_vm_readv(pid, &to, 1, &from, 1, 0);

	return n > 0 ? (size_t)n : 0;
}

/* What texts begin with, in one call; all from the first that cannot be read are of size 0. */
struct beginnings {
	char text[AT_ONCE][FIRST];
	size_t size[AT_ONCE];
};

static void peek_beginnings(pid_t pid, const uint64_t *addresses, size_t n, struct beginnings *ret)
{
	struct iovec to[AT_ONCE], from[AT_ONCE];
	ssize_t got;

	for (size_t i = 0; i < n; i++) {
		from[i] = up_to_page(addresses[i], FIRST);
		to[i] = (struct iovec){ ret->text[i], from[i].iov_len };
	}
	got = process_vm_readv(pid, to, n, from, n, 0);
	for (size_t i = 0; i < n; i++) {
		const ssize_t size = (ssize_t)to[i].iov_len;

		ret->size[i] = got >= size ? (size_t)size : 0;
		got -= size;
	}
}

/* What was read of a text, its NUL included; less, without one: room, or what can be read, ended. */
static size_t peek_text(pid_t pid, uint64_t address, char *buf, size_t room)
{
	size_t n = 0;

	while (n < room) {
		const size_t want = n ? room - n : room < FIRST ? room : FIRST;
		const size_t got = peek(pid, address + n, buf + n, want);
		const char *end = memchr(buf + n, 0, got);

		if (end)
			return (size_t)(end - buf) + 1;
		if (!got)
			break;
		n += got;
	}
	return n;
}

/* ---- the server: a record ---- */

struct running {
	pid_t pid, asked;	/* its thread that did */
	uint64_t start_time, start_stack;
	uint64_t at;		/* of its command's record; NOWHERE: that was lost */
	struct execlog_record record;
	int pidfd;
};

#define NOWHERE UINT64_MAX

struct server {
	int listener, log_fd, epoll_fd;
	struct head *head;
	struct seccomp_notif *ask;
	struct seccomp_notif_resp *answer;
	struct seccomp_notif_sizes sizes;
	struct running *v;	/* processes whose end is awaited */
	size_t n, room, most;
	_Alignas(struct execlog_record) char bytes[RECORD_MOST];
	struct beginnings beginnings;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* Whether who asked is still there; else what was read of it may be another's. */
static bool is_valid(const struct server *s)
{
	return ioctl(s->listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &s->ask->id) == 0;
}

static const struct calls *calls_of(uint32_t arch)
{
	for (size_t i = 0; i < ROWS(calls); i++)
		if (calls[i].arch == arch)
			return &calls[i];
	return NULL;
}

/* As the kernel names it where a descriptor is part of it. */
static void put_path(const struct server *s, bool at_fd, struct execlog_record *r, char *texts)
{
	const struct seccomp_data *d = &s->ask->data;
	const pid_t tid = (pid_t)s->ask->pid;
	const int fd = (int)d->args[0];
	char path[EXECLOG_PATH_MOST];
	size_t n = peek_text(tid, d->args[at_fd], path, sizeof path);
	int before = 0;

	if (at_fd && fd != AT_FDCWD && n && path[0] != '/')
		before = snprintf(texts, EXECLOG_PATH_MOST, "/dev/fd/%d%s", fd, n > 1 ? "/" : "");
	if (n > EXECLOG_PATH_MOST - (size_t)before)
		n = EXECLOG_PATH_MOST - (size_t)before;
	memcpy(texts + before, path, n);
	r->path_kept = (uint32_t)before + (uint32_t)n;
	if (r->path_kept)
		texts[r->path_kept - 1] = '\0';
}

/* The addresses of so many texts; their number, up to the NULL or what cannot be read.  *ret_last: up to that. */
static size_t peek_addresses(pid_t tid, uint64_t address, unsigned word, uint64_t ret[AT_ONCE], bool *ret_last)
{
	char pointers[AT_ONCE * 8];
	const size_t got = peek(tid, address, pointers, AT_ONCE * word) / word;
	size_t n = 0;

	for (; n < got; n++) {
		ret[n] = 0;
		memcpy(&ret[n], pointers + n * word, word);
		if (!ret[n])
			break;
	}
	*ret_last = n < got;
	return n;
}

/* argv_size stays 0 where there is more than is kept: how much, only the kernel would tell. */
static void put_arguments(struct server *s, bool at_fd, unsigned word, struct execlog_record *r,
			  char *texts)
{
	const pid_t tid = (pid_t)s->ask->pid;
	uint64_t address = s->ask->data.args[at_fd + 1];
	uint64_t addresses[AT_ONCE];
	size_t n = 0, found;
	bool last = false;

	do {
		found = peek_addresses(tid, address, word, addresses, &last);
		peek_beginnings(tid, addresses, found, &s->beginnings);
		for (size_t i = 0; i < found; i++, address += word) {
			const char *begin = s->beginnings.text[i];
			const char *end = memchr(begin, 0, s->beginnings.size[i]);
			const size_t room = EXECLOG_ARGV_MOST - n;
			size_t kept = end ? (size_t)(end - begin) + 1 : 0;

			if (kept && kept <= room)
				memcpy(texts + n, begin, kept);
			else
				kept = peek_text(tid, addresses[i], texts + n, room);
			n += kept;
			r->argv_kept = (uint32_t)n;
			if (!kept || texts[n - 1])
				return;
		}
	} while (found && !last);	/* not one more, nor an end: the call is going to fail */
	if (last)
		r->argv_size = n;
}

/* Into s->bytes. */
static void describe(struct server *s, pid_t pid, const struct looks *looks)
{
	const struct seccomp_data *d = &s->ask->data;
	const struct calls *c = calls_of(d->arch);
	struct execlog_record *r = (struct execlog_record *)s->bytes;
	const uint32_t nr = (uint32_t)d->nr;
	bool at_fd;
	char *texts;

	*r = (struct execlog_record){ .started = now_ns(), .pid = (uint32_t)pid,
				      .parent = (uint32_t)looks->parent, .end = EXECLOG_UNSEEN };
	if (!c)	/* the filter asks for no others */
		return;
	at_fd = nr == c->of[0].execveat || nr == c->of[1].execveat;
	texts = (char *)(r + 1);
	put_path(s, at_fd, r, texts);
	put_arguments(s, at_fd, nr & X32 ? 4 : c->word, r, texts + r->path_kept);
}

/* What is in s->bytes; where.  NOWHERE: it is lost. */
static uint64_t append(struct server *s)
{
	struct execlog_record *r = (struct execlog_record *)s->bytes;
	const uint64_t size = execlog_record_size(r);
	const uint64_t at = atomic_fetch_add(&s->head->taken, size);

	if (at > s->head->most || size > s->head->most - at) {
		atomic_fetch_add(&s->head->lost, 1);
		return NOWHERE;
	}
	r->number = at + 1;
	atomic_fetch_add(&s->head->logged, 1);
	/* What lacks here is found lacking by who reads, with all that follows it. */
	if (pwrite(s->log_fd, r, size, (off_t)(RECORDS + at)) != (ssize_t)size)
		return NOWHERE;
	return at;
}

static void end_record(const struct server *s, struct running *p, enum execlog_end end, int status)
{
	p->record.end = end;
	p->record.status = status;
	p->record.ended = now_ns();
	if (p->at != NOWHERE && pwrite(s->log_fd, &p->record, sizeof p->record, (off_t)(RECORDS + p->at)) < 0)
		return;	/* the end stays unseen */
}

/* ---- the server: processes ---- */

static struct running *find(struct server *s, pid_t pid, uint64_t start_time)
{
	for (size_t i = s->n; i-- > 0;)
		if (s->v[i].pid == pid && s->v[i].start_time == start_time)
			return &s->v[i];
	return NULL;
}

/* NULL: its end will not be seen. */
static struct running *await_end(struct server *s, pid_t pid, const struct looks *looks)
{
	struct epoll_event event = { .events = EPOLLIN };
	owned_fd pidfd = s->n < s->most ? sys_pidfd_open(pid, 0) : -1;

	event.data.fd = pidfd;
	/* Who asks no longer may be another by now, whose end is not ours to wait for. */
	if (pidfd < 0 || !is_valid(s) || epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, pidfd, &event) < 0)
		return NULL;
	if (s->n == s->room) {
		s->room = 2 * s->room + 16;
		s->v = must(realloc(s->v, s->room * sizeof *s->v));
	}
	s->v[s->n] = (struct running){ .pid = pid, .start_time = looks->start_time, .at = NOWHERE,
				       .pidfd = fd_take(&pidfd) };
	return &s->v[s->n++];
}

/* struct pidfd_info of Linux 6.13, and the bit of 6.15. */
struct info {
	uint64_t mask, cgroup_id;
	uint32_t ids[11];
	int32_t exit_code;
};
enum { INFO_EXIT = 1 << 3 };
#define GET_INFO _IOWR(0xff, 11, struct info)

/* By its pidfd: once its parent has reaped it. */
static bool status_by_pidfd(const struct running *p, int *ret)
{
	struct info info = { .mask = INFO_EXIT };

	if (ioctl(p->pidfd, GET_INFO, &info) < 0 || !(info.mask & INFO_EXIT))
		return false;
	*ret = info.exit_code;
	return true;
}

static bool status_of(const struct running *p, int *ret)
{
	struct looks looks;

	if (status_by_pidfd(p, ret))
		return true;
	if (look_at(p->pid, &looks) == 0 && looks.start_time == p->start_time && looks.state == 'Z') {
		*ret = looks.exit_code;
		return true;
	}
	return status_by_pidfd(p, ret);		/* reaped in between */
}

static void see_end(struct server *s, int pidfd)
{
	size_t i = 0;
	int status;

	while (i < s->n && s->v[i].pidfd != pidfd)
		i++;
	if (i == s->n)
		return;
	if (status_of(&s->v[i], &status))
		end_record(s, &s->v[i], EXECLOG_EXITED, status);
	close(pidfd);
	s->v[i] = s->v[--s->n];
}

/* ---- the server: a question ---- */

/* NULL: it cannot be awaited. */
static struct running *find_or_await(struct server *s, pid_t pid, const struct looks *looks)
{
	struct running *found = find(s, pid, looks->start_time);

	return found ? found : await_end(s, pid, looks);
}

/*
 * Whether the program that the process asked for last did not begin: the same thread is back, on the same stack.
 * Where the kernel places it by chance, no other program has that.  Of two threads either may have failed.
 */
static bool has_failed(const struct server *s, const struct running *process, const struct looks *looks)
{
	enum { PF_RANDOMIZE = 0x00400000 };

	return process->asked == (pid_t)s->ask->pid && looks->flags & PF_RANDOMIZE && looks->start_stack &&
	       looks->start_stack == process->start_stack;
}

/* false: the program must not begin. */
static bool log_command(struct server *s)
{
	struct running *process;
	struct looks looks;
	uint64_t at;
	pid_t pid = (pid_t)s->ask->pid, leader;

	if (look_at(pid, &looks) < 0) {
		if (!is_valid(s))
			return true;
		/* As of a process that is in no PID namespace of ours. */
		atomic_fetch_add(&s->head->lost, 1);
		return !s->head->required;
	}
	process = find_or_await(s, pid, &looks);
	/* Nearly always the only thread. */
	if (!process && (leader = process_of(pid)) && leader != pid && look_at(leader, &looks) == 0) {
		pid = leader;
		process = find_or_await(s, pid, &looks);
	}
	describe(s, pid, &looks);
	if (!is_valid(s))
		return true;
	at = append(s);
	if (process) {
		end_record(s, process,
			   has_failed(s, process, &looks) ? EXECLOG_FAILED : EXECLOG_REPLACED, 0);
		process->asked = (pid_t)s->ask->pid;
		process->start_stack = looks.start_stack;
		process->at = at;
		process->record = *(const struct execlog_record *)s->bytes;
	}
	if (at != NOWHERE || !s->head->required)
		return true;
	if (process)
		sys_pidfd_send_signal(process->pidfd, SIGKILL);
	return false;
}

static void answer(struct server *s)
{
	memset(s->ask, 0, s->sizes.seccomp_notif);
	if (ioctl(s->listener, SECCOMP_IOCTL_NOTIF_RECV, s->ask) < 0)
		return;	/* it was killed meanwhile */
	memset(s->answer, 0, s->sizes.seccomp_notif_resp);
	s->answer->id = s->ask->id;
	if (log_command(s))
		s->answer->flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	else
		s->answer->error = -EPERM;
	ioctl(s->listener, SECCOMP_IOCTL_NOTIF_SEND, s->answer);
}

static bool begin(struct server *s)
{
	enum { OTHERS = 10 };	/* descriptors: those of this struct, and what a process is looked at by */
	const uint64_t flags = SYNC_WAKE_UP;
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return false;
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	/* A command is logged all the same whose process is one too many to be awaited. */
	s->most = files.rlim_cur > OTHERS ? files.rlim_cur - OTHERS : 0;
	/* It ends by itself, after the container, be it that both are asked to. */
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	/* Limits of the user's shell: what the file lacks then is found lacking. */
	signal(SIGXFSZ, SIG_IGN);
	signal(SIGXCPU, SIG_IGN);
	/* A container in the caller's PID namespace may run as the caller. */
	prctl(PR_SET_DUMPABLE, 0);
	if (syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &s->sizes) < 0)
		return false;
	s->ask = must(calloc(1, s->sizes.seccomp_notif + sizeof *s->ask));
	s->answer = must(calloc(1, s->sizes.seccomp_notif_resp + sizeof *s->answer));
	s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	s->head = mmap(NULL, RECORDS, PROT_READ | PROT_WRITE, MAP_SHARED, s->log_fd, 0);
	if (s->epoll_fd < 0 || s->head == MAP_FAILED || memcmp(s->head->magic, magic, sizeof magic) != 0)
		return false;
	ioctl(s->listener, NOTIF_SET_FLAGS, flags);	/* only faster, and that with poll(2), not by an epoll */
	atomic_fetch_add(&s->head->serving, 1);
	return true;
}

int execlog_claims_serve(int listener, int log_fd)
{
	static struct server s;

	s = (struct server){ .listener = listener, .log_fd = log_fd, .epoll_fd = -1 };
	if (!begin(&s))
		return 1;
	/* All that have the filter are gone, and all whose end is awaited had it. */
	while (s.listener >= 0 || s.n) {
		struct pollfd p[2] = { { .fd = s.listener, .events = POLLIN },
				       { .fd = s.epoll_fd, .events = POLLIN } };
		struct epoll_event event;

		if (poll(p, 2, -1) < 0) {
			if (errno != EINTR)
				return 1;
			continue;
		}
		if (p[0].revents & POLLIN)
			answer(&s);
		else if (p[0].revents)
			fd_close(&s.listener);
		if (p[1].revents && epoll_wait(s.epoll_fd, &event, 1, 0) == 1)
			see_end(&s, event.data.fd);
	}
	atomic_fetch_sub(&s.head->serving, 1);
	return 0;
}

/* ---- the reader ---- */

static int await_servers(int fd, struct err *e)
{
	enum { TRIES = 500 };
	const struct timespec pause = { 0, 2000000 };

	for (int i = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; i++) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return err_set(e, errno, "lock the log of commands");
		if (i == TRIES)
			return err_say(e, ETIMEDOUT, "the process that logs commands has not ended");
		nanosleep(&pause, NULL);
	}
	return 0;
}

/* NULL: there is no whole record at that place. */
static const struct execlog_record *record_at(const struct str *file, uint64_t at)
{
	const struct execlog_record *r = (const struct execlog_record *)(file->s + at);
	const uint64_t left = file->len - at;

	if (left < sizeof *r || r->number != at - RECORDS + 1 || r->path_kept > EXECLOG_PATH_MOST ||
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
	const struct head *head;
	int awaited, r;

	if (fd < 0)
		return err_set(e, errno, "open the log of commands %s", name);
	awaited = await_servers(fd, e);
	if (awaited < 0 && awaited != -ETIMEDOUT)
		return awaited;
	if ((r = fd_read_all(fd, RECORDS + 2 * EXECLOG_MOST, name, &file, e)) < 0)
		return r;
	head = (const struct head *)file.s;
	if (file.len < RECORDS || memcmp(head->magic, magic, sizeof magic) != 0)
		return err_say(e, EINVAL, "%s: not a log of commands", name);
	for (uint64_t at = RECORDS; (record = record_at(&file, at)); at += execlog_record_size(record)) {
		const struct execlog_command c = execlog_command_of(record);

		if ((r = each(arg, &c, e)) < 0)
			return r;
		total.commands++;
	}
	total.lost = head->lost + (head->logged > total.commands ? head->logged - total.commands : 0);
	*ret = total;
	if (awaited == 0 && head->serving)
		return err_say(e, ECONNRESET, "the process that logs commands was killed");
	return awaited;
}
