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

int err_set(struct err *e, int code, const char *fmt, ...)
{
	va_list ap;
	size_t n;

	e->code = normal(code);
	va_start(ap, fmt);
	vsnprintf(e->text, sizeof e->text, fmt, ap);
	va_end(ap);
	n = strlen(e->text);
	snprintf(e->text + n, sizeof e->text - n, ": %s", strerror(e->code));
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
