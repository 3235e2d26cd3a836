/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What archives that were built for glibc ask of the C library, and musl lacks:
 * the forms with a check of the room (_FORTIFY_SOURCE; Linux Standard Base 5,
 * "Interfaces for libc"), the names of the time when files had 32-bit offsets, and
 * those of C23 (glibc 2.38).  configure tries whether it is all that they ask.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#undef open64
#undef fopen64
#undef fstat64

/* No header of musl has them. */
void *__memcpy_chk(void *to, const void *from, size_t n, size_t room);
char *__strcpy_chk(char *to, const char *from, size_t room);
int __snprintf_chk(char *to, size_t n, int flag, size_t room, const char *format, ...);
int __sprintf_chk(char *to, int flag, size_t room, const char *format, ...);
int __asprintf_chk(char **ret, int flag, const char *format, ...);
int __fprintf_chk(FILE *f, int flag, const char *format, ...);
int open64(const char *path, int flags, ...);
FILE *fopen64(const char *path, const char *mode);
int fstat64(int fd, struct stat *ret);
unsigned long __isoc23_strtoul(const char *text, char **end, int base);

void *__memcpy_chk(void *to, const void *from, size_t n, size_t room)
{
	if (n > room)
		abort();
	return memcpy(to, from, n);
}

char *__strcpy_chk(char *to, const char *from, size_t room)
{
	return __memcpy_chk(to, from, strlen(from) + 1, room);
}

int __snprintf_chk(char *to, size_t n, int flag, size_t room, const char *format, ...)
{
	va_list args;
	int r;

	(void)flag;
	if (n > room)
		abort();
	va_start(args, format);
	r = vsnprintf(to, n, format, args);
	va_end(args);
	return r;
}

int __sprintf_chk(char *to, int flag, size_t room, const char *format, ...)
{
	va_list args;
	int r;

	(void)flag;
	va_start(args, format);
	r = vsnprintf(to, room, format, args);
	va_end(args);
	if (r >= 0 && (size_t)r >= room)
		abort();
	return r;
}

int __asprintf_chk(char **ret, int flag, const char *format, ...)
{
	va_list args;
	int r;

	(void)flag;
	va_start(args, format);
	r = vasprintf(ret, format, args);
	va_end(args);
	return r;
}

int __fprintf_chk(FILE *f, int flag, const char *format, ...)
{
	va_list args;
	int r;

	(void)flag;
	va_start(args, format);
	r = vfprintf(f, format, args);
	va_end(args);
	return r;
}

_Static_assert(sizeof(off_t) == 8, "files have 64-bit offsets");

int open64(const char *path, int flags, ...)
{
	va_list args;
	mode_t mode;

	va_start(args, flags);
	mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(args, mode_t) : 0;
	va_end(args);
	return open(path, flags, mode);
}

FILE *fopen64(const char *path, const char *mode)
{
	return fopen(path, mode);
}

int fstat64(int fd, struct stat *ret)
{
	return fstat(fd, ret);
}

/* Binary numbers ("0b1") aside. */
unsigned long __isoc23_strtoul(const char *text, char **end, int base)
{
	return strtoul(text, end, base);
}
