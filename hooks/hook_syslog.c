/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agentrun-hook-syslog: hands the record (or the container's state) on standard input
 * to the host's syslog daemon.
 *
 * It waits for the daemon for a bounded time, and says so when that was not enough.
 */
#include <errno.h>
#include <getopt.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "event.h"
#include "logsocket.h"
#include "program.h"

#define SYSLOG_SOCKET "/dev/log"

enum format { FORMAT_RFC3164, FORMAT_RFC5424 };
static const char *const format_names[] = {
	[FORMAT_RFC3164] = "rfc3164", [FORMAT_RFC5424] = "rfc5424",
};

/* RFC 5424 section 6.2.1 */
static const char *const facility_names[] = {
	[1] = "user", [3] = "daemon", [4] = "auth", [10] = "authpriv", [16] = "local0", "local1",
	"local2", "local3", "local4", "local5", "local6", "local7",
};

struct options {
	struct logsocket socket;
	enum format format;
	unsigned facility;
	unsigned most;		/* bytes of a message's text */
};

static const char usage[] =
	"usage: agentrun-hook-syslog [--format rfc3164|rfc5424] [--socket PATH]\n"
	"       [--facility NAME] [--max-bytes N] [--timeout MS]\n"
	"Sends the audit record (or the OCI state) on standard input to the host's syslog daemon.";

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
			o->socket.path = optarg;
			break;
		case 'F':
			if ((i = NAME_INDEX(facility_names, optarg)) < 0)
				return err_say(e, EINVAL, "--facility %s: unknown", optarg);
			o->facility = (unsigned)i;
			break;
		case 'm':
			r = program_number("--max-bytes", optarg, 1024, 65536, &o->most, e);
			break;
		case 't':
			r = program_number("--timeout", optarg, 1, 60000, &o->socket.timeout, e);
			break;
		default:
			return err_say(e, EINVAL, "%s", usage);
		}
	}
	if (r == 0 && optind < argc)
		return err_say(e, EINVAL, "%s", usage);
	return r;
}

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

	str_printf(out, "<%u>", o->facility * 8 + event_severity(ev)->syslog);
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

static int run(int argc, char **argv, struct err *e)
{
	struct options o = { .format = FORMAT_RFC3164, .facility = 10, .most = 7000,
			     .socket = { .fd = -1, .path = SYSLOG_SOCKET, .timeout = 2000 } };
	owned_arena a = ARENA_INIT;
	owned_str message = STR_INIT;
	struct event ev;
	int r;

	if ((r = parse(argc, argv, &o, e)) < 0 || (r = event_read(&a, STDIN_FILENO, &ev, e)) < 0)
		return r;
	syslog_message(&o, &ev, &message);
	r = logsocket_connect(&o.socket, true, e);
	if (r == 0)
		r = logsocket_send(&o.socket, &message, -1, e);
	fd_close(&o.socket.fd);
	event_free(&ev);
	return r;
}

int main(int argc, char **argv)
{
	return program_main("agentrun-hook-syslog", usage, run, argc, argv);
}
