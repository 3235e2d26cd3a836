/* SPDX-License-Identifier: Apache-2.0 */
/* The process that commands ask (execlog_claims.h). */
#include "sandbox/execlog_claims.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <linux/seccomp.h>

#include "base/fd.h"
#include "base/sys.h"
#include "sandbox/execlog_claims_parts.h"

/* Newer than Debian 12's headers, Linux 6.6: the server is woken on the caller's CPU. */
enum { SYNC_WAKE_UP = 1 };
#define NOTIF_SET_FLAGS _IOW('!', 4, uint64_t)

/* ---- a record ---- */

struct running {
	pid_t pid, asked;	/* its thread that did */
	uint64_t start_time, start_stack;
	uint64_t at;		/* of its command's record; NOWHERE: that was lost */
	bool doubtful;		/* an earlier one may have begun instead, of another thread */
	struct execlog_record record;
	int pidfd;
};

#define NOWHERE UINT64_MAX

struct server {
	int listener, log_fd, epoll_fd;
	struct claims_head *head;
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
static size_t peek_addresses(pid_t tid, uint64_t address, unsigned word, uint64_t ret[PEEK_AT_ONCE], bool *ret_last)
{
	char pointers[PEEK_AT_ONCE * 8];
	const size_t got = peek_bytes(tid, address, pointers, PEEK_AT_ONCE * word) / word;
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
	uint64_t addresses[PEEK_AT_ONCE];
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
	const struct claims_calls *c = claims_calls_of(d->arch);
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
	put_arguments(s, at_fd, nr & CLAIMS_X32 ? 4 : c->word, r, texts + r->path_kept);
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
	if (pwrite(s->log_fd, r, size, (off_t)(CLAIMS_RECORDS + at)) != (ssize_t)size)
		return NOWHERE;
	return at;
}

static void end_record(const struct server *s, struct running *p, enum execlog_end end, int status)
{
	p->record.end = end;
	p->record.status = status;
	p->record.ended = end == EXECLOG_UNSEEN ? 0 : now_ns();
	if (p->at != NOWHERE && pwrite(s->log_fd, &p->record, sizeof p->record, (off_t)(CLAIMS_RECORDS + p->at)) < 0)
		return;	/* the end stays unseen */
}

/* ---- processes ---- */

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
	if (peek_stat(p->pid, &looks) == 0 && looks.start_time == p->start_time && looks.state == 'Z') {
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
		end_record(s, &s->v[i], s->v[i].doubtful ? EXECLOG_ENDED : EXECLOG_EXITED, status);
	close(pidfd);
	s->v[i] = s->v[--s->n];
}

/* ---- a question ---- */

/* NULL: it cannot be awaited. */
static struct running *find_or_await(struct server *s, pid_t pid, const struct looks *looks)
{
	struct running *found = find(s, pid, looks->start_time);

	return found ? found : await_end(s, pid, looks);
}

/* Whether the thread has, or is about to.  Who begins a program goes on as one, but then nobody asks any more. */
static bool has_exited(const struct server *s, pid_t tid)
{
	enum { PF_EXITING = 0x00000004 };
	struct looks looks;
	const int r = peek_stat(tid, &looks);

	return (r < 0 ? r == -ENOENT || r == -ESRCH : looks.flags & PF_EXITING) && is_valid(s);
}

/*
 * What became of the program that the process asked for last, now that it asks again.  Where the kernel places
 * stacks by chance, no other program has the same: if that is the same, it did not begin, unless it is another
 * thread that asks: then it may begin yet.
 */
static enum execlog_end end_of_last(const struct server *s, struct running *process, const struct looks *asks)
{
	enum { PF_RANDOMIZE = 0x00400000 };
	const bool told = asks->flags & PF_RANDOMIZE && asks->start_stack && process->start_stack;
	const bool doubtful = process->doubtful;

	if (told && asks->start_stack != process->start_stack)
		process->doubtful = false;
	else if (told && (process->asked == (pid_t)s->ask->pid || has_exited(s, process->asked)))
		return EXECLOG_FAILED;
	else if (process->asked != (pid_t)s->ask->pid)
		process->doubtful = true;
	return doubtful || process->doubtful ? EXECLOG_UNSEEN : EXECLOG_REPLACED;
}

/* false: the program must not begin. */
static bool log_command(struct server *s)
{
	struct running *process;
	struct looks looks, asks;	/* of the process, of its thread */
	uint64_t at;
	pid_t pid = (pid_t)s->ask->pid, leader;

	if (peek_stat(pid, &looks) < 0) {
		if (!is_valid(s))
			return true;
		/* As of a process that is in no PID namespace of ours. */
		atomic_fetch_add(&s->head->lost, 1);
		atomic_fetch_add(&s->head->unseen, 1);
		return !s->head->required;
	}
	asks = looks;
	process = find_or_await(s, pid, &looks);
	/* Nearly always the only thread. */
	if (!process && (leader = peek_process(pid)) && leader != pid && peek_stat(leader, &looks) == 0) {
		pid = leader;
		process = find_or_await(s, pid, &looks);
	}
	describe(s, pid, &looks);
	if (!is_valid(s))
		return true;
	at = append(s);
	if (process) {
		if (process->asked)
			end_record(s, process, end_of_last(s, process, &asks), 0);
		process->asked = (pid_t)s->ask->pid;
		process->start_stack = asks.start_stack;
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
	s->head = mmap(NULL, CLAIMS_RECORDS, PROT_READ | PROT_WRITE, MAP_SHARED, s->log_fd, 0);
	if (s->epoll_fd < 0 || s->head == MAP_FAILED || memcmp(s->head->magic, CLAIMS_MAGIC, sizeof CLAIMS_MAGIC) != 0)
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
