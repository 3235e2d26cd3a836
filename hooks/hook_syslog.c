/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agentrun-hook-syslog: hands the record (or the container's state) on standard input
 * to the host's log: to journald with its fields apart, or to a syslog daemon.
 *
 * It waits for the daemon for a bounded time, and says so when that was not enough.
 */
#include <endian.h>
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "event.h"

#define JOURNAL_SOCKET "/run/systemd/journal/socket"
#define SYSLOG_SOCKET "/dev/log"

enum format { FORMAT_AUTO, FORMAT_JOURNAL, FORMAT_RFC3164, FORMAT_RFC5424 };
static const char *const format_names[] = {
	[FORMAT_AUTO] = "auto", [FORMAT_JOURNAL] = "journal", [FORMAT_RFC3164] = "rfc3164",
	[FORMAT_RFC5424] = "rfc5424",
};

/* RFC 5424 section 6.2.1 */
static const char *const facility_names[] = {
	[1] = "user", [3] = "daemon", [4] = "auth", [10] = "authpriv", [16] = "local0", "local1",
	"local2", "local3", "local4", "local5", "local6", "local7",
};
enum { NOTICE = 5, INFO = 6 };	/* severities */

struct options {
	const char *socket;
	enum format format;
	unsigned facility;
	unsigned most;		/* bytes of a message's text */
	unsigned timeout;	/* milliseconds */
};

static const char usage[] =
	"usage: agentrun-hook-syslog [--format auto|journal|rfc3164|rfc5424] [--socket PATH]\n"
	"       [--facility NAME] [--max-bytes N] [--timeout MS]\n"
	"Sends the audit record (or the OCI state) on standard input to the host's log.";

static int number(const char *option, const char *text, unsigned least, unsigned most,
		  unsigned *ret, struct err *e)
{
	char *end;
	unsigned long v = strtoul(text, &end, 10);

	if (*end || end == text || *text == '-' || v < least || v > most)
		return err_say(e, EINVAL, "--%s %s: expected %u to %u", option, text, least, most);
	*ret = (unsigned)v;
	return 0;
}

/* The index of text among names, some of which may be NULL; -1. */
static int name_index(const char *const *names, size_t n, const char *text)
{
	for (size_t i = 0; i < n; i++)
		if (names[i] && strcmp(names[i], text) == 0)
			return (int)i;
	return -1;
}
#define NAME_INDEX(names, text) name_index((names), sizeof(names) / sizeof *(names), (text))

static int parse(int argc, char **argv, struct options *o, struct err *e)
{
	static const struct option longs[] = {
		{ "format", 1, NULL, 'f' },	{ "socket", 1, NULL, 's' },
		{ "facility", 1, NULL, 'F' },	{ "max-bytes", 1, NULL, 'm' },
		{ "timeout", 1, NULL, 't' },	{ NULL, 0, NULL, 0 },
	};
	int c, i, r = 0;

	opterr = 0;
	while (r == 0 && (c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (c) {
		case 'f':
			if ((i = NAME_INDEX(format_names, optarg)) < 0)
				return err_say(e, EINVAL, "--format %s: unknown\n%s", optarg, usage);
			o->format = (enum format)i;
			break;
		case 's':
			o->socket = optarg;
			break;
		case 'F':
			if ((i = NAME_INDEX(facility_names, optarg)) < 0)
				return err_say(e, EINVAL, "--facility %s: unknown", optarg);
			o->facility = (unsigned)i;
			break;
		case 'm':
			r = number("max-bytes", optarg, 1024, 65536, &o->most, e);
			break;
		case 't':
			r = number("timeout", optarg, 1, 60000, &o->timeout, e);
			break;
		default:
			return err_say(e, EINVAL, "%s", usage);
		}
	}
	if (r == 0 && optind < argc)
		return err_say(e, EINVAL, "%s", usage);
	return r;
}

/* Where the log is, if nothing was said: journald's own protocol keeps fields and length. */
static int choose(struct options *o, struct err *e)
{
	if (o->format == FORMAT_AUTO && !o->socket)
		o->format = access(JOURNAL_SOCKET, F_OK) == 0 ? FORMAT_JOURNAL : FORMAT_RFC3164;
	else if (o->format == FORMAT_AUTO)
		o->format = strcmp(o->socket, JOURNAL_SOCKET) == 0 ? FORMAT_JOURNAL : FORMAT_RFC3164;
	if (!o->socket)
		o->socket = o->format == FORMAT_JOURNAL ? JOURNAL_SOCKET : SYSLOG_SOCKET;
	if (strlen(o->socket) >= sizeof((struct sockaddr_un *)0)->sun_path)
		return err_say(e, ENAMETOOLONG, "--socket: path too long");
	return 0;
}

/* ---- messages ---- */

static void put_time(struct str *out, enum format format)
{
	struct timespec now;
	struct tm tm;
	char date[64];

	clock_gettime(CLOCK_REALTIME, &now);
	if (format == FORMAT_RFC5424) {
		gmtime_r(&now.tv_sec, &tm);
		strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &tm);
		str_printf(out, "%s.%06ldZ", date, now.tv_nsec / 1000);
	} else {
		/* RFC 3164 knows local time only, in English */
		static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
						      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };

		localtime_r(&now.tv_sec, &tm);
		str_printf(out, "%s %2d %02d:%02d:%02d", months[tm.tm_mon], tm.tm_mday, tm.tm_hour,
			   tm.tm_min, tm.tm_sec);
	}
}

/* Only what RFC 5424 section 6 lets a header have: printable ASCII without blanks. */
static void put_word(struct str *out, const char *text, size_t most)
{
	size_t n = strspn(text, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ._-");

	if (!n)
		str_puts(out, "-");
	else
		str_append(out, text, n < most ? n : most);
}

static void syslog_message(const struct options *o, const struct event *ev, struct str *out)
{
	char host[256] = "";

	str_printf(out, "<%u>", o->facility * 8 + (ev->noteworthy ? NOTICE : INFO));
	if (o->format == FORMAT_RFC5424) {
		gethostname(host, sizeof host - 1);
		str_puts(out, "1 ");
		put_time(out, o->format);
		str_puts(out, " ");
		put_word(out, host, 255);
		str_printf(out, " agentrun %d ", getpid());
		put_word(out, ev->event, 32);
		str_puts(out, " - ");
	} else {
		put_time(out, o->format);
		str_printf(out, " agentrun[%d]: ", getpid());
	}
	event_summary(ev, o->most, out);
}

/* Journald's own protocol; the form with a length, so that no value can pose as a field. */
static void put_field(struct str *out, const char *name, const char *value)
{
	uint64_t n;

	if (!value)
		return;
	n = htole64(strlen(value));
	str_printf(out, "%s\n", name);
	str_append(out, &n, sizeof n);
	str_puts(out, value);
	str_puts(out, "\n");
}

static void journal_message(const struct options *o, const struct event *ev, bool whole,
			    struct str *out)
{
	owned_str record = STR_INIT;
	owned_str facility = STR_INIT;
	owned_str text = STR_INIT;

	event_summary(ev, whole ? ev->line.len : o->most, &record);
	str_printf(&facility, "%u", o->facility);
	str_puts(&text, "container ");
	str_put_safe(&text, ev->container ? ev->container : "-", 128);
	str_puts(&text, ": ");
	str_put_safe(&text, ev->event, 64);
	put_field(out, "MESSAGE", text.s);
	put_field(out, "PRIORITY", ev->noteworthy ? "5" : "6");
	put_field(out, "SYSLOG_IDENTIFIER", "agentrun");
	put_field(out, "SYSLOG_FACILITY", facility.s);
	put_field(out, "AGENTRUN_EVENT", ev->event);
	put_field(out, "AGENTRUN_CONTAINER", ev->container);
	put_field(out, "AGENTRUN_SESSION", ev->session);
	put_field(out, "AGENTRUN_SEQ", ev->seq);
	put_field(out, "AGENTRUN_SHA256", ev->hash);
	put_field(out, "AGENTRUN_RECORD", record.s);
}

/* ---- sending ---- */

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* Until the socket takes more, or the time is up.  A full datagram queue of the peer does not wake
 * poll() on every kernel: it is looked at again every few milliseconds. */
static int await_room(int fd, int64_t deadline, const struct options *o, struct err *e)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	int64_t left = deadline - now_ms();

	if (left <= 0)
		return err_say(e, ETIMEDOUT, "%s: nothing was taken for %u ms", o->socket, o->timeout);
	poll(&p, 1, left < 10 ? (int)left : 10);
	if (p.revents & POLLOUT)
		usleep(1000);
	return 0;
}

static int send_all(int fd, bool stream, const struct str *message, const struct options *o,
		    struct err *e)
{
	int64_t deadline = now_ms() + o->timeout;
	/* a stream's messages end with a NUL, as syslog(3) does it */
	size_t size = message->len + stream, done = 0;
	int r;

	while (done < size) {
		ssize_t n = send(fd, message->s + done, size - done, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n >= 0)
			done += (size_t)n;
		else if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS)
			if ((r = await_room(fd, deadline, o, e)) < 0)
				return r;
			else
				continue;
		else if (errno != EINTR)
			return err_set(e, errno, "send to %s", o->socket);
		if (!stream && n >= 0)
			break;
	}
	return 0;
}

static int connect_to(const struct options *o, int *ret_fd, bool *stream, struct err *e)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };

	strcpy(to.sun_path, o->socket);
	for (int type = 0; type < 2; type++) {
		owned_fd fd = socket(AF_UNIX, (type ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC |
				     SOCK_NONBLOCK, 0);

		if (fd < 0)
			return err_set(e, errno, "socket");
		if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0) {
			*ret_fd = fd_take(&fd);
			*stream = type;
			return 0;
		}
		if (errno != EPROTOTYPE || type || o->format == FORMAT_JOURNAL)
			return err_set(e, errno, "connect to %s", o->socket);
	}
	return err_say(e, EPROTOTYPE, "%s is no log socket", o->socket);
}

static int run(int argc, char **argv, struct err *e)
{
	struct options o = { .facility = 10, .most = 7000, .timeout = 2000 };
	owned_arena a = ARENA_INIT;
	owned_str message = STR_INIT;
	owned_fd fd = -1;
	struct event ev;
	bool stream = false;
	int r;

	if ((r = parse(argc, argv, &o, e)) < 0 || (r = choose(&o, e)) < 0 ||
	    (r = event_read(&a, STDIN_FILENO, &ev, e)) < 0)
		return r;
	if ((r = connect_to(&o, &fd, &stream, e)) < 0)
		goto out;
	if (o.format != FORMAT_JOURNAL) {
		syslog_message(&o, &ev, &message);
		r = send_all(fd, stream, &message, &o, e);
		goto out;
	}
	journal_message(&o, &ev, true, &message);
	r = send_all(fd, stream, &message, &o, e);
	if (r == -EMSGSIZE) {
		message.len = 0;
		journal_message(&o, &ev, false, &message);
		r = send_all(fd, stream, &message, &o, e);
	}
out:
	event_free(&ev);
	return r;
}

int main(int argc, char **argv)
{
	struct err e;

	if (run(argc, argv, &e) == 0)
		return 0;
	fprintf(stderr, "agentrun-hook-syslog: %s\n", e.text);
	return 1;
}
