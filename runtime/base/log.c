/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/json.h"
#include "base/str.h"

static struct {
	int fd;		/* -1: no file */
	enum log_format format;
	bool debug;
} logger = { .fd = -1 };

void log_time(char ret[LOG_TIME])
{
	struct timespec now;
	struct tm tm;
	size_t n;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	n = strftime(ret, LOG_TIME, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(ret + n, LOG_TIME - n, ".%09ldZ", now.tv_nsec);
}

int log_open(const char *path, enum log_format format, bool debug, struct err *e)
{
	logger.format = format;
	logger.debug = debug;
	if (!path)
		return 0;
	logger.fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0644);
	if (logger.fd < 0)
		return err_set(e, errno, "--log %s", path);
	return 0;
}

static void to_file(const char *level, const char *text)
{
	owned_str line = STR_INIT;
	char now[LOG_TIME];
	ssize_t n;

	if (logger.fd < 0)
		return;
	log_time(now);
	if (logger.format == LOG_JSON) {
		struct json_writer *w = json_writer_new(false);

		json_open(w);
		json_field(w, "level", level);
		json_field(w, "msg", text);
		json_field(w, "time", now);
		json_close(w);
		json_writer_end(w, &line);
	} else {
		str_printf(&line, "time=\"%s\" level=%s msg=\"", now, level);
		str_put_safe(&line, text, 8192);
		str_puts(&line, "\"\n");
	}
	n = write(logger.fd, line.s, line.len);
	(void)n;	/* there is nowhere left to report it */
}

static void report(const char *level, const char *text, bool to_stderr)
{
	to_file(level, text);
	if (to_stderr)
		dprintf(2, "agentrun: %s%s\n", level[0] == 'w' ? "warning: " : "", text);
}

void log_error(const char *text)
{
	report("error", text, true);
}

void log_warn(const char *fmt, ...)
{
	owned_str text = STR_INIT;
	va_list ap;

	va_start(ap, fmt);
	str_vprintf(&text, fmt, ap);
	va_end(ap);
	report("warning", text.s, true);
}

void log_debug(const char *fmt, ...)
{
	owned_str text = STR_INIT;
	va_list ap;

	if (!logger.debug)
		return;
	va_start(ap, fmt);
	str_vprintf(&text, fmt, ap);
	va_end(ap);
	report("debug", text.s, logger.fd < 0);
}
