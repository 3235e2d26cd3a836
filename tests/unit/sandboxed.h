/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sandboxed: runs a test's body in a process and mount namespace of its own,
 * in an empty tmpfs, since mounts and roots can't be had back.
 *
 * Criterion knows nothing of that process: its body asserts nothing, but
 * notes what is wrong in the outcome, which the test looks at.
 */
#pragma once

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/str.h"
#include "sandbox/rootfs.h"

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))

#define STRV(...) { (char *[]){ __VA_ARGS__, NULL }, \
	sizeof((char *[]){ __VA_ARGS__ }) / sizeof(char *) }
#define NEW(type_, where, ...) { .type = type_, .source = type_, .destination = where, \
	.options = STRV(__VA_ARGS__), .source_fd = -1 }
#define BIND(from, where, ...) { .type = "bind", .source = from, .destination = where, \
	.options = STRV(__VA_ARGS__), .source_fd = -1 }

struct outcome {
	int r;			/* of what is tested */
	struct err e;
	char wrong[3000];	/* "" if all is well */
};

__attribute__((format(printf, 2, 3)))
static inline void wrong(struct outcome *o, const char *fmt, ...)
{
	size_t n = strlen(o->wrong);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(o->wrong + n, sizeof o->wrong - n, fmt, ap);
	va_end(ap);
	strncat(o->wrong, "; ", sizeof o->wrong - strlen(o->wrong) - 1);
}

#define WANT(o, condition, ...) do { if (!(condition)) wrong((o), __VA_ARGS__); } while (0)

/* One thing of an image: 'd' directory, 'f' file with that text, 'l' link to text, 'm' tmpfs with
 * these options, 'p' the mode (octal text), 't' the node of a terminal (devices.txt: 136:0). */
struct thing {
	char kind;
	const char *path, *text;
};

static inline void build(struct outcome *o, const struct thing *things)
{
	for (const struct thing *t = things; t->kind; t++) {
		int r = -1, fd;

		switch (t->kind) {
		case 'd':
			r = mkdir(t->path, 0755);
			break;
		case 'f':
			fd = open(t->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
			if (fd >= 0) {
				r = write(fd, t->text, strlen(t->text)) < 0 ? -1 : 0;
				close(fd);
			}
			break;
		case 'l':
			r = symlink(t->text, t->path);
			break;
		case 'm':
			r = mount("test", t->path, "tmpfs",
				  strstr(t->text, "nosuid") ? MS_NOSUID : 0, "mode=755");
			if (r == 0 && strstr(t->text, "ro"))
				r = mount(NULL, t->path, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY |
					  (strstr(t->text, "nosuid") ? MS_NOSUID : 0), NULL);
			break;
		case 't':
			r = mknod(t->path, S_IFCHR | 0666, makedev(136, 0));
			break;
		case 'p':
			r = chmod(t->path, (mode_t)strtoul(t->text, NULL, 8));
			break;
		}
		WANT(o, r == 0, "can't build %s", t->path);
	}
}

/* The first bytes of a file, "?" if it can't be read. */
static inline const char *text_of(const char *path)
{
	static char text[4096];
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);

	if (fd >= 0)
		close(fd);
	if (n < 0)
		return "?";
	text[n] = '\0';
	return text;
}

/* Prepares ./root as the container's and makes the mounts; r->path stays valid. */
static inline void prepare_root(struct rootfs *r, const struct spec *s, struct outcome *o)
{
	static char path[PATH_MAX];

	WANT(o, getcwd(path, sizeof path - 8) != NULL, "getcwd");
	strcat(path, "/root");
	r->path = path;
	r->root_fd = -1;
	o->r = rootfs_prepare(r, s, &o->e);
	if (o->r == 0)
		o->r = rootfs_mount_all(r, s, &o->e);
}

/* From now on this process's calls of that number with that first argument (-1: any) end as `action` of
 * seccomp(2) says. */
static inline bool fail_calls(unsigned number, int first, unsigned action)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)first, 0, first < 0 ? 0 : 1),
		BPF_STMT(BPF_RET | BPF_K, action),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof code / sizeof *code, code };

	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

typedef void sandboxed_body(const void *row, struct outcome *o);

/* Runs body in an empty tmpfs as working directory, in namespaces of its own. */
static inline struct outcome sandboxed(sandboxed_body *body, const void *row, int more_namespaces)
{
	char top[] = "/tmp/sandboxed.XXXXXX";
	static struct outcome o;
	size_t got = 0;
	int ends[2], status;
	pid_t pid;

	if (geteuid() != 0)
		cr_skip_test("needs root");
	memset(&o, 0, sizeof o);
	cr_assert(mkdtemp(top) != NULL && pipe2(ends, O_CLOEXEC) == 0);
	fflush(NULL);
	pid = fork();
	cr_assert(pid >= 0);
	if (pid == 0) {
		close(ends[0]);
		alarm(60);	/* a body that hangs is a failure */
		if (unshare(CLONE_NEWNS | more_namespaces) < 0 ||
		    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		    mount("test", top, "tmpfs", 0, "mode=755") < 0 || chdir(top) < 0)
			wrong(&o, "no sandbox");
		else
			body(row, &o);
		_exit(write(ends[1], &o, sizeof o) == sizeof o ? 0 : 1);
	}
	close(ends[1]);
	while (got < sizeof o) {
		ssize_t n = read(ends[0], (char *)&o + got, sizeof o - got);

		if (n <= 0)
			break;
		got += (size_t)n;
	}
	close(ends[0]);
	waitpid(pid, &status, 0);
	rmdir(top);
	if (got < sizeof o || status != 0)
		wrong(&o, "the body ended early (status %x)", (unsigned)status);
	return o;
}

/* The same, and all must be well, or the error must have `refused` as a part. */
static inline struct outcome expect_sandboxed(const char *what, sandboxed_body *body,
					      const void *row, int more_namespaces,
					      const char *refused)
{
	struct outcome o = sandboxed(body, row, more_namespaces);

	cr_expect(eq(str, o.wrong, ""), "%s", what);
	cr_expect(eq(int, o.r < 0, refused != NULL), "%s: %s", what, o.e.text);
	cr_expect(eq(int, o.r < 0, o.e.code != 0), "%s", what);
	if (refused)
		cr_expect(strstr(o.e.text, refused) != NULL, "%s: %s", what, o.e.text);
	return o;
}
