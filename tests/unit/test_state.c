/* SPDX-License-Identifier: Apache-2.0 */
/* Ids, the state directory, the state file, signals' names. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "lifecycle/manage.h"
#include "lifecycle/plan.h"
#include "lifecycle/state.h"

static const struct {
	const char *id;
	bool good;
} ids[] = {
	{ "a", true },	       { "A-z_0.9+", true }, { "..x", true },	{ "", false },
	{ ".", false },	       { "..", false },	     { "a/b", false },	{ "../x", false },
	{ "/", false },	       { "a b", false },     { "a\n", false },	{ "-a", false },
	{ "\xc3\xa4", false }, { "a\x1b[0m", false },
};

Test(state, ids)
{
	struct err e;
	char many[1026];

	for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
		cr_expect_eq(state_check_id(ids[i].id, &e), ids[i].good ? 0 : -EINVAL, "\"%s\"",
			     ids[i].id);
	memset(many, 'x', sizeof many);
	many[1025] = 0;
	cr_expect_eq(state_check_id(many, &e), -EINVAL);
	cr_expect_lt(strlen(e.text), 300);
	many[1024] = 0;
	cr_expect_eq(state_check_id(many, &e), 0);
}

static char *scratch(struct arena *a)
{
	char *path = arena_strdup(a, "/tmp/agentrun-unit.XXXXXX");

	cr_assert(mkdtemp(path));
	return path;
}

Test(state, saves_and_loads)
{
	owned_arena a = ARENA_INIT;
	owned_state_dir d = STATE_DIR_INIT;
	struct state s = { .id = (char *)"c", .oci_version = (char *)"1.2.0", .bundle = (char *)"/b",
			   .rootfs = (char *)"/b/r", .created = (char *)"now", .owner = (char *)"root",
			   .pid = 12, .pid_start = 1ULL << 40, .ready = true, .new_keyring = true };
	struct state back;
	struct err e;
	char *root = scratch(&a);

	kvs_add(&a, &s.annotations, "k", "v \"quoted\"");
	cr_assert_eq(state_reserve(&a, root, "c", &d, &e), 0, "%s", e.text);
	cr_assert_eq(state_save(&d, &s, &e), 0, "%s", e.text);
	cr_assert_eq(state_load(&a, &d, &back, &e), 0, "%s", e.text);
	cr_expect_str_eq(back.rootfs, "/b/r");
	cr_expect_eq(back.pid, 12);
	cr_expect_eq(back.pid_start, 1ULL << 40);
	cr_expect(back.ready && back.new_keyring && !back.rootless);
	cr_expect_null(back.session);
	cr_expect_str_eq(kvs_get(&back.annotations, "k"), "v \"quoted\"");
	cr_assert_eq(state_forget(&d, &e), 0, "%s", e.text);
	cr_expect_eq(rmdir(root), 0);
}

/* A container that an earlier version created can be deleted after an upgrade. */
Test(state, loads_what_an_earlier_version_wrote)
{
	static const char text[] = "{\"id\":\"c\",\"ociVersion\":\"1.2.0\",\"bundle\":\"/b\",\"rootfs\":\"/b/r\","
		"\"created\":\"now\",\"owner\":\"root\",\"session\":\"s\",\"audit\":null,\"pid\":12,"
		"\"pidStart\":5,\"ready\":true,\"rootless\":false,\"newKeyring\":true,\"annotations\":{},"
		"\"cgroup\":{\"layout\":\"none\",\"systemd\":false,\"user\":false,\"rootlessWithout\":false,"
		"\"hierarchies\":[]}}";
	owned_arena a = ARENA_INIT;
	owned_state_dir d = STATE_DIR_INIT;
	struct state s;
	struct err e;
	char *root = scratch(&a);

	cr_assert_eq(state_reserve(&a, root, "c", &d, &e), 0, "%s", e.text);
	cr_assert_eq(file_replace(d.fd, STATE_FILE, text, strlen(text), 0600, &e), 0, "%s", e.text);
	cr_assert_eq(state_load(&a, &d, &s, &e), 0, "%s", e.text);
	cr_expect(s.pid == 12 && s.ready && !s.since && !s.store && !s.acct && !s.claims);
	cr_expect_not_null(s.unwatched, "no log was begun");
	cr_assert_eq(state_forget(&d, &e), 0, "%s", e.text);
	cr_expect_eq(rmdir(root), 0);
}

Test(state, one_id_one_container)
{
	owned_arena a = ARENA_INIT;
	owned_state_dir first = STATE_DIR_INIT, second = STATE_DIR_INIT;
	struct err e;
	char *root = scratch(&a);

	cr_assert_eq(state_reserve(&a, root, "c", &first, &e), 0);
	cr_expect_eq(state_reserve(&a, root, "c", &second, &e), -EEXIST);
	cr_assert_eq(state_forget(&first, &e), 0);
	cr_expect_eq(state_open(&a, root, "c", STATE_SHARED, &second, &e), -ENOENT);
	rmdir(root);
}

Test(state, nothing_is_left_of_one_that_cannot_be_opened)
{
	owned_arena a = ARENA_INIT;
	owned_state_dir d = STATE_DIR_INIT;
	struct rlimit before, none;
	struct err e;
	char *root = scratch(&a);

	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = (struct rlimit){ 0, before.rlim_max };
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	cr_expect_eq(state_reserve(&a, root, "c", &d, &e), -EMFILE);
	cr_expect(strstr(e.text, "open "), "%s", e.text);
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
	cr_expect_eq(rmdir(root), 0, "it is not empty");
}

Test(state, a_directory_that_others_may_write_is_refused)
{
	owned_arena a = ARENA_INIT;
	struct err e;
	char *root = scratch(&a), *ret;

	cr_assert_eq(chmod(root, 0777), 0);
	cr_expect_eq(state_root(&a, root, false, true, &ret, &e), -EPERM);
	rmdir(root);
}

Test(state, damaged_file_is_an_error)
{
	static const struct {
		const char *text, *error;	/* a part of it */
	} rows[] = {
		{ "", STATE_FILE ":1:1: not valid JSON: " },
		{ "{", STATE_FILE ":1:2: not valid JSON: " },
		{ "[]", STATE_FILE ": id: missing or of the wrong type" },
		{ "{}", STATE_FILE ": id: missing or of the wrong type" },
		{ "{\"id\":1}", STATE_FILE ": id: missing or of the wrong type" },
		{ "{\"id\":\"x\"}", STATE_FILE ": ociVersion: missing or of the wrong type" },
	};
	owned_arena a = ARENA_INIT;
	owned_state_dir d = STATE_DIR_INIT;
	struct state back;
	struct err e;
	char *root = scratch(&a);

	cr_assert_eq(state_reserve(&a, root, "c", &d, &e), 0);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		cr_assert_eq(file_replace(d.fd, STATE_FILE, rows[i].text, strlen(rows[i].text), 0600,
					  &e), 0);
		cr_expect_eq(state_load(&a, &d, &back, &e), -EINVAL, "%s", rows[i].text);
		cr_expect(strstr(e.text, rows[i].error), "%s: %s", rows[i].text, e.text);
	}
	cr_assert_eq(state_forget(&d, &e), 0);
	rmdir(root);
}

/* A pid that another process has by now is not the container's. */
Test(state, pid_reuse)
{
	owned_arena a = ARENA_INIT;
	owned_state_dir d = STATE_DIR_INIT;
	struct state s = { .id = (char *)"c", .pid = getpid(), .ready = true };
	struct err e;
	int fd;
	char *root = scratch(&a);

	cr_assert_eq(state_reserve(&a, root, "c", &d, &e), 0);
	cr_assert_eq(state_start_time(getpid(), &s.pid_start), 0);
	cr_expect_eq(state_status(&d, &s), STATUS_RUNNING);
	s.pid_start++;
	cr_expect_eq(state_status(&d, &s), STATUS_STOPPED);
	cr_expect_eq(state_pidfd(&s, &fd, &e), -ESRCH);
	cr_assert_eq(state_forget(&d, &e), 0);
	rmdir(root);
}

static const struct {
	const char *text;
	int number;
} signals[] = {
	{ "9", 9 },	   { "KILL", 9 },      { "SIGKILL", 9 }, { "sigterm", 15 }, { "TERM", 15 },
	{ "IOT", SIGABRT }, { "CLD", SIGCHLD }, { "RTMIN+1", -2 }, { "0", 0 },	    { "65", -1 },
	{ "-1", -1 },	   { "", -1 },	       { "NOPE", -1 },	 { "9x", -1 },	    { "SIG", -1 },
	{ "RTMIN+", -1 },  { "RTMIN+99", -1 }, { "RTMIN-1", -1 }, { "RTMIN1", -1 }, { "RTMAX+1", -1 },
	{ "SIGRTMIN", -3 }, { "rtmax", -4 },   { "RTMAX-0", -4 },
};

Test(signal, numbers)
{
	const int real_time[] = { SIGRTMIN + 1, SIGRTMIN, SIGRTMAX };	/* -2, -3, -4 */

	for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
		int n = signals[i].number;

		cr_expect_eq(signal_number(signals[i].text), n < -1 ? real_time[-2 - n] : n, "%s",
			     signals[i].text);
	}
}

Test(plan, rlimits)
{
	cr_expect_eq(plan_rlimit("RLIMIT_NOFILE"), 7);
	cr_expect_eq(plan_rlimit("RLIMIT_NOPE"), -1);
	cr_expect_eq(plan_rlimit("NOFILE"), -1);
}
