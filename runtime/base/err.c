/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int normal(int code)
{
	return code > 0 ? code : code < 0 ? -code : EINVAL;
}

const char *err_text(int code)
{
	static const struct { int code; const char *text; } others[] = {
		{ EIO, "Input/output error" },
		{ ECHILD, "No child processes" },
		{ ENOMEM, "Cannot allocate memory" },
		{ EBUSY, "Device or resource busy" },
		{ EXDEV, "Invalid cross-device link" },
		{ EMFILE, "Too many open files" },
		{ ENOTTY, "Inappropriate ioctl for device" },
		{ ERANGE, "Numerical result out of range" },
		{ ENAMETOOLONG, "File name too long" },
		{ ELOOP, "Too many levels of symbolic links" },
		{ EOVERFLOW, "Value too large for defined data type" },
		{ EOPNOTSUPP, "Operation not supported" },
		{ ENETUNREACH, "Network is unreachable" },
		{ ENOTCONN, "Transport endpoint is not connected" },
		{ ETIMEDOUT, "Connection timed out" },
		{ EHOSTUNREACH, "No route to host" },
		{ EUCLEAN, "Structure needs cleaning" },
		{ EDQUOT, "Disk quota exceeded" },
	};

	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		if (others[i].code == code)
			return others[i].text;
	return strerror(code);
}

int err_set(struct err *e, int code, const char *fmt, ...)
{
	va_list ap;
	size_t n;

	e->code = normal(code);
	va_start(ap, fmt);
	vsnprintf(e->text, sizeof e->text, fmt, ap);
	va_end(ap);
	n = strlen(e->text);
	snprintf(e->text + n, sizeof e->text - n, ": %s", err_text(e->code));
	return -e->code;
}

int err_say(struct err *e, int code, const char *fmt, ...)
{
	va_list ap;

	e->code = normal(code);
	va_start(ap, fmt);
	vsnprintf(e->text, sizeof e->text, fmt, ap);
	va_end(ap);
	return -e->code;
}

int err_in(struct err *e, const char *fmt, ...)
{
	char inner[sizeof e->text];
	va_list ap;
	size_t n;

	memcpy(inner, e->text, sizeof inner);
	va_start(ap, fmt);
	vsnprintf(e->text, sizeof e->text, fmt, ap);
	va_end(ap);
	n = strlen(e->text);
	snprintf(e->text + n, sizeof e->text - n, ": %s", inner);
	return -e->code;
}

void *must(void *allocated)
{
	if (!allocated)
		abort();
	return allocated;
}
