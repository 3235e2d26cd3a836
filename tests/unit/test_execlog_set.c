/* SPDX-License-Identifier: Apache-2.0 */
/*
 * execlog: the set of programs and maps, pinned in a bpffs of the test's own; and the kernel's type
 * information, which the programs are made by.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "execlog_box.h"

#include "base/fd.h"
#include "sandbox/execlog_parts.h"

/* ---- the pinned set ---- */

#define ROOM "/sys/fs/bpf/agentrun"

/* The log of a container of which nothing is executed. */
static int watch_one(const char *name, struct err *e)
{
	struct execlog_place place;
	int go = -1, r;

	place.init = begin_box(nothing, &go);
	place.started = started_at(place.init);
	r = execlog_watch(name, &place, EXECLOG_MOST, false, e);
	close(go);
	waitpid(place.init, NULL, 0);
	return r;
}

static void check_no_bpffs(const void *row, struct outcome *o)
{
	struct execlog_total total;
	struct err e = { 0 };

	(void)row;
	WANT(o, mount("test", "/sys/fs/bpf", "tmpfs", 0, NULL) == 0, "mount");
	WANT(o, watch_one(NAME, &e) == -EOPNOTSUPP && strstr(e.text, "no bpf file system"), "%s", e.text);
	WANT(o, access(ROOM, F_OK) < 0, "a directory was made");
	WANT(o, execlog_read(NAME, keep, &seen, &total, &e) == -ENOENT, "read: %s", e.text);
	WANT(o, execlog_free(NAME, &e) == 0, "free: %s", e.text);
}

Test(execlog_set, says_that_there_is_no_bpffs)
{
	expect_sandboxed("no bpffs", check_no_bpffs, NULL, 0, NULL);
}

static void check_room(const void *row, struct outcome *o)
{
	struct err e = { 0 };
	struct stat st;

	(void)row;
	mount_bpffs(o);
	WANT(o, mkdir(ROOM, 0700) == 0 && chmod(ROOM, 0755) == 0, "mkdir: %m");
	WANT(o, watch_one(NAME, &e) == -EPERM, "all may read it: %s", e.text);
	WANT(o, chmod(ROOM, 0700) == 0 && chown(ROOM, 1000, 0) == 0, "chown: %m");
	WANT(o, watch_one(NAME, &e) == -EPERM, "another's: %s", e.text);
	WANT(o, rmdir(ROOM) == 0 && symlink("/tmp", ROOM) == 0, "symlink: %m");
	WANT(o, watch_one(NAME, &e) < 0, "a link");
	WANT(o, unlink(ROOM) == 0 && watch_one(NAME, &e) == 0, "%s", e.text);
	WANT(o, stat(ROOM, &st) == 0 && (st.st_mode & 07777) == 0700, "mode %o", st.st_mode);
	WANT(o, stat(ROOM "/execlog-1", &st) == 0 && (st.st_mode & 07777) == 0700, "mode %o", st.st_mode);
}

Test(execlog_set, keeps_the_set_for_root)
{
	skip_unless_it_works();
	expect_sandboxed("the directory", check_room, NULL, 0, NULL);
}

/* What a version before or after this one may have left: all that is known of it. */
static int pin_old_set(struct outcome *o)
{
	union bpf_attr attr;
	uint64_t key = 1, value = 2;
	int map;

	memset(&attr, 0, sizeof attr);
	attr.map_type = BPF_MAP_TYPE_HASH;
	attr.key_size = 8;
	attr.value_size = 4;
	attr.max_entries = 4;
	map = sys_bpf(BPF_MAP_CREATE, &attr, sizeof attr);
	WANT(o, map >= 0 && execlog_add(map, &key, &value) == 0, "map: %m");
	WANT(o, mkdir(ROOM "/execlog-0", 0700) == 0, "mkdir: %m");
	memset(&attr, 0, sizeof attr);
	attr.bpf_fd = (unsigned)map;
	attr.pathname = (uintptr_t)ROOM "/execlog-0/sessions";
	WANT(o, sys_bpf(BPF_OBJ_PIN, &attr, sizeof attr) == 0, "pin: %m");
	return map;
}

static void check_versions(const void *row, struct outcome *o)
{
	struct err e = { 0 };
	uint64_t key = 1;
	int map;

	(void)row;
	mount_bpffs(o);
	WANT(o, mkdir(ROOM, 0700) == 0 && mkdir(ROOM "/execlog-new", 0700) == 0, "mkdir: %m");
	map = pin_old_set(o);
	WANT(o, watch_one(NAME, &e) == 0, "%s", e.text);
	WANT(o, access(ROOM "/execlog-new", F_OK) < 0, "what was begun is still there");
	WANT(o, access(ROOM "/execlog-0", F_OK) == 0, "a version went whose session runs");
	WANT(o, execlog_free("another", &e) == 0 && access(ROOM "/execlog-0", F_OK) == 0, "free");
	WANT(o, execlog_delete(map, &key) == 0, "delete");
	WANT(o, execlog_free("another", &e) == 0, "%s", e.text);
	WANT(o, access(ROOM "/execlog-0", F_OK) < 0, "a version without sessions is still there");
	WANT(o, access(ROOM "/execlog-1/exec", F_OK) == 0, "this version went");
}

Test(execlog_set, replaces_other_versions)
{
	skip_unless_it_works();
	expect_sandboxed("versions", check_versions, NULL, 0, NULL);
}

/* Somebody removed a part of it, or the machine stopped while it was removed. */
static void check_broken(const void *row, struct outcome *o)
{
	static const char *const parts[] = { "sessions", "logs", "segments", "exit", "exec" };
	struct execlog_total total;
	struct err e = { 0 };

	(void)row;
	mount_bpffs(o);
	for (size_t i = 0; i < ROWS(parts); i++) {
		char path[64];

		snprintf(path, sizeof path, ROOM "/execlog-1/%s", parts[i]);
		WANT(o, watch_one(NAME, &e) == 0, "%s: %s", parts[i], e.text);
		WANT(o, execlog_ready(&e) == 0, "%s", e.text);
		WANT(o, execlog_read(NAME, keep, &seen, &total, &e) == 0, "a whole set was replaced: %s", e.text);
		WANT(o, unlink(path) == 0, "unlink %s: %m", path);
		/* It may lack what came after that. */
		WANT(o, execlog_read(NAME, keep, &seen, &total, &e) == -ENOENT && strstr(e.text, parts[i]),
		     "%s: %s", parts[i], e.text);
		WANT(o, execlog_free(NAME, &e) == 0, "%s: %s", parts[i], e.text);
		WANT(o, execlog_ready(&e) == 0 && access(path, F_OK) == 0, "%s: %s", parts[i], e.text);
		WANT(o, unlink(path) == 0, "unlink %s: %m", path);
	}
	WANT(o, watch_one("another", &e) == 0, "%s", e.text);
	WANT(o, execlog_read(NAME, keep, &seen, &total, &e) == -ENOENT, "a session of the old set: %s", e.text);
	WANT(o, execlog_read("another", keep, &seen, &total, &e) == 0, "%s", e.text);
}

Test(execlog_set, replaces_a_set_that_is_not_whole)
{
	skip_unless_it_works();
	expect_sandboxed("broken", check_broken, NULL, 0, NULL);
}

static void check_at_once(const void *row, struct outcome *o)
{
	enum { TOGETHER = 8 };
	struct execlog_total total;
	struct err e = { 0 };
	int status;

	(void)row;
	mount_bpffs(o);
	for (int i = 0; i < TOGETHER; i++)
		if (fork() == 0) {
			char name[16];

			snprintf(name, sizeof name, "session %d", i);
			_exit(watch_one(name, &e) < 0);
		}
	while (wait(&status) > 0)
		WANT(o, status == 0, "status %x", (unsigned)status);
	for (int i = 0; i < TOGETHER; i++) {
		char name[16];

		snprintf(name, sizeof name, "session %d", i);
		WANT(o, execlog_read(name, keep, &seen, &total, &e) == 0, "%s", e.text);
		WANT(o, execlog_free(name, &e) == 0, "%s", e.text);
	}
}

Test(execlog_set, is_loaded_once_by_all_together)
{
	skip_unless_it_works();
	expect_sandboxed("at once", check_at_once, NULL, 0, NULL);
}

/* ---- the kernel's type information ---- */

Test(execlog_set, believes_no_type_information)
{
	owned_str btf = STR_INIT;
	struct execlog_kernel k;
	struct err e;
	uint32_t header;
	char *longer;
	unsigned seed = 1;

	if (file_read(AT_FDCWD, "/sys/kernel/btf/vmlinux", 64 << 20, &btf, &e) < 0)
		cr_skip_test("%s", e.text);
	cr_assert(eq(int, execlog_kernel_of(btf.s, btf.len, &k, &e), 0), "%s", e.text);
	/* a later kernel's header is longer */
	longer = malloc(btf.len + 8);
	cr_assert(longer != NULL);
	memcpy(&header, btf.s + 4, sizeof header);
	memcpy(longer, btf.s, header);
	memset(longer + header, 0, 8);
	memcpy(longer + header + 8, btf.s + header, btf.len - header);
	header += 8;
	memcpy(longer + 4, &header, sizeof header);
	cr_expect(eq(int, execlog_kernel_of(longer, btf.len + 8, &k, &e), 0), "%s", e.text);
	free(longer);
	for (size_t size = 0; size < btf.len; size = size * 2 + 1)
		cr_expect(eq(int, execlog_kernel_of(btf.s, size, &k, &e), -EOPNOTSUPP));
	/* Anything but a crash will do. */
	for (int i = 0; i < 60; i++) {
		uint32_t word = (uint32_t)rand_r(&seed), old;
		size_t at = i < 24 ? (size_t)i % 6 * 4 : (uint32_t)rand_r(&seed) % (btf.len - 4);

		memcpy(&old, btf.s + at, 4);
		memcpy(btf.s + at, &word, 4);
		execlog_kernel_of(btf.s, btf.len, &k, &e);
		memcpy(btf.s + at, &old, 4);
	}
}
