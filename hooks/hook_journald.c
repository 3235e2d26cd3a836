/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agentrun-hook-journald: hands the record (or the container's state) on standard input
 * to systemd-journald, with its fields apart, in journald's own protocol
 * (https://systemd.io/JOURNAL_NATIVE_PROTOCOL/).
 *
 * It waits for journald for a bounded time, and says so when that was not enough.
 */
#include <ctype.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "event.h"
#include "logsocket.h"
#include "program.h"

#define JOURNAL_SOCKET "/run/systemd/journal/socket"

static const char usage[] =
	"usage: agentrun-hook-journald [--socket PATH] [--timeout MS]\n"
	"Sends the audit record (or the OCI state) on standard input to journald.";

static int parse(int argc, char **argv, struct logsocket *s, struct err *e)
{
	static const struct option longs[] = {
		{ "socket", 1, NULL, 's' }, { "timeout", 1, NULL, 't' }, { NULL, 0, NULL, 0 },
	};
	int c, r = 0;

	opterr = 0;
	while (r == 0 && (c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c == 's')
			s->path = optarg;
		else if (c == 't')
			r = program_number("--timeout", optarg, 1, 60000, &s->timeout, e);
		else
			return err_say(e, EINVAL, "%s", usage);
	}
	if (r == 0 && optind < argc)
		return err_say(e, EINVAL, "%s", usage);
	return r;
}

/* In the form with a length, so that no value can pose as a field. */
static void put_field(struct str *out, const char *name, const char *value)
{
	uint64_t n = htole64(strlen(value));

	str_printf(out, "%s\n", name);
	str_append(out, &n, sizeof n);
	str_puts(out, value);
	str_puts(out, "\n");
}

/* A field's name is its attribute's in journald's letters: CONTAINER_ID for container.id. */
static void put_attribute(struct str *out, const struct event_field *f, const struct json *value)
{
	owned_str name = STR_INIT;
	owned_str text = STR_INIT;

	str_puts(&name, f->attribute);
	for (char *p = name.s; *p; p++)
		*p = *p == '.' ? '_' : (char)toupper((unsigned char)*p);
	event_text(value, &text);
	put_field(out, name.s, str_text(&text));
}

static void journal_message(const struct event *ev, struct str *out)
{
	owned_str priority = STR_INIT;
	owned_str text = STR_INIT;

	str_printf(&priority, "%u", event_severity(ev)->syslog);
	str_puts(&text, "container ");
	str_put_safe(&text, ev->container ? ev->container : "-", 128);
	str_puts(&text, ": ");
	str_put_safe(&text, ev->event, 64);
	put_field(out, "MESSAGE", text.s);
	put_field(out, "PRIORITY", priority.s);
	put_field(out, "SYSLOG_IDENTIFIER", "agentrun");
	put_field(out, "SYSLOG_FACILITY", "10");	/* authpriv */
	for (size_t i = 0; i < EVENT_FIELDS; i++) {
		const struct json *value = event_value(ev, &event_fields[i]);

		if (value)
			put_attribute(out, &event_fields[i], value);
	}
	put_field(out, "AGENTRUN_SHA256", ev->hash);
	put_field(out, "AGENTRUN_RECORD", ev->line.s);
}

/* A message that is too long for a datagram, as a sealed file: journald takes no other. */
static int send_file(const struct logsocket *s, const struct str *message, struct err *e)
{
	owned_fd fd = memfd_create("agentrun-record", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct str nothing = STR_INIT;
	int r;

	if (fd < 0)
		return err_set(e, errno, "memfd_create");
	if ((r = fd_write_all(fd, message->s, message->len, "a memory file", e)) < 0)
		return r;
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0)
		return err_set(e, errno, "seal a memory file");
	return logsocket_send(s, &nothing, fd, e);
}

static int run(int argc, char **argv, struct err *e)
{
	struct logsocket s = { .fd = -1, .path = JOURNAL_SOCKET, .timeout = 2000 };
	owned_arena a = ARENA_INIT;
	owned_str message = STR_INIT;
	struct event ev;
	int r;

	if ((r = parse(argc, argv, &s, e)) < 0 || (r = event_read(&a, STDIN_FILENO, &ev, e)) < 0)
		return r;
	journal_message(&ev, &message);
	r = logsocket_connect(&s, false, e);
	if (r == 0)
		r = logsocket_send(&s, &message, -1, e);
	if (r == -EMSGSIZE)
		r = send_file(&s, &message, e);
	fd_close(&s.fd);
	event_free(&ev);
	return r;
}

int main(int argc, char **argv)
{
	return program_main("agentrun-hook-journald", usage, run, argc, argv);
}
