/* SPDX-License-Identifier: Apache-2.0 */
/* idmap: maps are exactly what was asked for (THREATS A12). Needs root for all but the first. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "sandbox/idmap.h"
#include "sandboxed.h"

#define MAPS(...) { (struct spec_id_mapping[]){ __VA_ARGS__ }, \
	sizeof((struct spec_id_mapping[]){ __VA_ARGS__ }) / sizeof(struct spec_id_mapping) }
enum { NOBODY = 65534 };

Test(idmap, host_id)
{
	static const struct spec_id_mapping maps[] = { { 0, 1000, 1 }, { 1, 100000, 65536 } };
	static const struct { size_t n; int64_t container, host; } rows[] = {
		{ 0, 0, 0 },
		{ 0, 4294967294, 4294967294 },
		{ 2, 0, 1000 },
		{ 2, 1, 100000 },
		{ 2, 65536, 165535 },
		{ 2, 65537, -1 },
		{ 1, 1, -1 },
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		cr_expect(eq(i64, idmap_host_id(maps, rows[i].n, rows[i].container), rows[i].host));
}

/* A process in a new user namespace, waiting to be killed; -1 on failure.  No assertion here: it is
 * called in processes that Criterion knows nothing of. */
static pid_t spawn(void)
{
	int ends[2];
	pid_t pid;
	char c = 0;

	if (pipe(ends) < 0 || (pid = fork()) < 0)
		return -1;
	if (pid == 0) {
		c = unshare(CLONE_NEWUSER) < 0 ? 'n' : 'y';
		if (write(ends[1], &c, 1) == 1)
			pause();
		_exit(1);
	}
	close(ends[1]);
	if (read(ends[0], &c, 1) != 1 || c != 'y')
		return -1;
	close(ends[0]);
	return pid;
}

static void end(pid_t pid)
{
	if (pid > 0 && kill(pid, SIGKILL) == 0)
		waitpid(pid, NULL, 0);
}

/* The file with runs of blanks as one, without the last newline. */
static const char *proc_text(pid_t pid, const char *name)
{
	static char text[400];
	owned_str raw = STR_INIT;
	struct err e = { 0 };
	char path[64], *w = text;

	snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
	if (file_read(AT_FDCWD, path, sizeof text - 1, &raw, &e) < 0)
		return "unreadable";
	for (const char *c = str_text(&raw); *c; c++) {
		bool gap = *c == ' ';

		if (gap && (w == text || w[-1] == ' ' || w[-1] == '\n'))
			continue;
		*w++ = *c;
	}
	if (w > text && w[-1] == '\n')
		w--;
	*w = '\0';
	return text;
}

/* Runs as that user in a process of its own, since ids can't be had back. */
static int as_user(uid_t uid, int (*what)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 ||
		    setresuid(uid, uid, uid) < 0)
			_exit(99);
		/* else /proc/<pid> of its children is root's */
		prctl(PR_SET_DUMPABLE, 1);
		_exit(what());
	}
	cr_assert(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	return WEXITSTATUS(status);
}

Test(idmap, root_writes_ranges)
{
	struct spec_linux l = {
		.uid_mappings = MAPS({ 0, 100000, 65536 }, { 65536, 1000, 1 }),
		.gid_mappings = MAPS({ 0, 200000, 1000 }),
	};
	struct err e = { 0 };
	pid_t pid;

	if (geteuid() != 0)
		cr_skip_test("needs root");
	pid = spawn();
	cr_expect(eq(int, idmap_write(pid, &l, &e), 0), "%s", e.text);
	cr_expect(eq(str, (char *)proc_text(pid, "uid_map"), "0 100000 65536\n65536 1000 1"));
	cr_expect(eq(str, (char *)proc_text(pid, "gid_map"), "0 200000 1000"));
	cr_expect(eq(str, (char *)proc_text(pid, "setgroups"), "allow"));
	end(pid);
}

#define BOTH "linux.uidMappings and linux.gidMappings: both are needed"
#define UIDS "linux.uidMappings: write /proc/"

Test(idmap, refusals)
{
	const struct {
		const char *what;
		spec_id_mappings uid, gid;
		const char *why;	/* begins the error */
	} rows[] = {
		{ "none", { NULL, 0 }, { NULL, 0 }, BOTH },
		{ "no gids", MAPS({ 0, 0, 1 }), { NULL, 0 }, BOTH },
		{ "overlap", MAPS({ 0, 0, 10 }, { 5, 100, 10 }), MAPS({ 0, 0, 10 }), UIDS },
		{ "size 0", MAPS({ 0, 0, 0 }), MAPS({ 0, 0, 1 }), UIDS },
		{ "wraps", MAPS({ 0, 4294967290, 100 }), MAPS({ 0, 0, 1 }), UIDS },
		{ "negative", MAPS({ 0, -1, 1 }), MAPS({ 0, 0, 1 }), UIDS },
		{ "size 0 of gids", MAPS({ 0, 0, 1 }), MAPS({ 0, 0, 0 }), "linux.gidMappings: write" },
	};

	if (geteuid() != 0)
		cr_skip_test("needs root");
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct spec_linux l = { .uid_mappings = rows[i].uid, .gid_mappings = rows[i].gid };
		struct err e = { 0 };
		pid_t pid = spawn();

		cr_expect(lt(int, idmap_write(pid, &l, &e), 0), "%s", rows[i].what);
		cr_expect(str_has_prefix(e.text, rows[i].why), "%s: %s", rows[i].what, e.text);
		cr_expect(eq(str, (char *)proc_text(pid, "uid_map"), ""), "%s", rows[i].what);
		end(pid);
	}
}

/* Without privilege: one's own id only, and then no setgroups (CVE-2014-8989). */
static int map_self(void)
{
	struct spec_linux l = {
		.uid_mappings = MAPS({ 0, NOBODY, 1 }),
		.gid_mappings = MAPS({ 0, NOBODY, 1 }),
	};
	struct err e = { 0 };
	pid_t pid = spawn();
	int r = pid < 0 ? 50 :
		idmap_write(pid, &l, &e) < 0 ? 1 :
		strcmp(proc_text(pid, "uid_map"), "0 65534 1") != 0 ? 2 :
		strcmp(proc_text(pid, "gid_map"), "0 65534 1") != 0 ? 3 :
		strcmp(proc_text(pid, "setgroups"), "deny") != 0 ? 4 : 0;

	end(pid);
	return r;
}

/* More ids than /etc/subuid gives this user (none). */
static int map_stolen(void)
{
	const struct spec_linux rows[] = {
		{ .uid_mappings = MAPS({ 0, 0, 1 }), .gid_mappings = MAPS({ 0, NOBODY, 1 }) },
		{ .uid_mappings = MAPS({ 0, NOBODY, 1 }), .gid_mappings = MAPS({ 0, 0, 1 }) },
		{ .uid_mappings = MAPS({ 0, NOBODY, 1 }, { 1, 100000, 65536 }),
		  .gid_mappings = MAPS({ 0, NOBODY, 1 }, { 1, 100000, 65536 }) },
		{ .uid_mappings = MAPS({ 0, NOBODY, 2 }), .gid_mappings = MAPS({ 0, NOBODY, 2 }) },
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct err e = { 0 };
		pid_t pid = spawn();
		bool refused = pid > 0 && idmap_write(pid, &rows[i], &e) < 0 && e.code;
		bool stolen = strcmp(proc_text(pid, "uid_map"), "") != 0 &&
			      strcmp(proc_text(pid, "gid_map"), "") != 0;

		end(pid);
		if (!refused || stolen)
			return (int)i + (pid < 0 ? 50 : refused ? 20 : 10);
	}
	return 0;
}

Test(idmap, a12_user_maps_self_and_loses_setgroups)
{
	if (geteuid() != 0)
		cr_skip_test("needs root");
	cr_expect(eq(int, as_user(NOBODY, map_self), 0));
}

Test(idmap, a12_user_gets_no_more_ids)
{
	if (geteuid() != 0)
		cr_skip_test("needs root");
	cr_expect(eq(int, as_user(NOBODY, map_stolen), 0));
}

/* Without an entry in /etc/subuid: the user alone, as root. */
static int enter_own(void)
{
	struct err e = { 0 };

	return idmap_enter_own(&e) < 0 ? 1 :
	       strcmp(proc_text(getpid(), "uid_map"), "0 65534 1") != 0 ? 2 :
	       strcmp(proc_text(getpid(), "gid_map"), "0 65534 1") != 0 ? 3 :
	       geteuid() != 0 || getegid() != 0 ? 4 : 0;
}

Test(idmap, a12_user_enters_its_own_ids)
{
	if (geteuid() != 0)
		cr_skip_test("needs root");
	cr_expect(eq(int, as_user(NOBODY, enter_own), 0));
}

Test(idmap, userns_for_mounts_has_the_maps)
{
	static const struct spec_id_mapping uid[] = { { 0, 1000, 1 }, { 1, 100000, 10 } };
	static const struct spec_id_mapping gid[] = { { 0, 2000, 5 } };
	struct err e = { 0 };
	owned_fd fd = -1;
	int status;
	pid_t pid;

	if (geteuid() != 0)
		cr_skip_test("needs root");
	cr_assert(eq(int, idmap_userns_fd(uid, 2, gid, 1, &fd, &e), 0), "%s", e.text);
	cr_expect(fcntl(fd, F_GETFD) == FD_CLOEXEC);
	pid = fork();
	if (pid == 0) {
		/* read in the namespace itself the second column would be all 0 */
		if (setns(fd, CLONE_NEWUSER) < 0)
			_exit(1);
		pause();
	}
	for (int i = 0; i < 200 && strlen(proc_text(pid, "gid_map")) > 12; i++)
		usleep(10000);
	cr_expect(eq(str, (char *)proc_text(pid, "uid_map"), "0 1000 1\n1 100000 10"));
	cr_expect(eq(str, (char *)proc_text(pid, "gid_map"), "0 2000 5"));
	end(pid);
	/* no child is left */
	cr_expect(waitpid(-1, &status, WNOHANG) < 0 && errno == ECHILD);
}

/* The process that is to hold the namespace is killed before it says a word. */
static int namespace_killed(void)
{
	static const struct spec_id_mapping own[] = { { 0, NOBODY, 1 } };
	struct err e = { 0 };
	int fd = -1;

	alarm(20);	/* not for ever */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    !fail_calls(SYS_prctl, PR_SET_PDEATHSIG, SECCOMP_RET_KILL_PROCESS))
		return 98;
	return idmap_userns_fd(own, 1, own, 1, &fd, &e) != -EIO ? 1 :
	       !strstr(e.text, "was killed") ? 2 : waitpid(-1, NULL, WNOHANG) >= 0 ? 3 : 0;
}

Test(idmap, a_killed_namespace_is_not_waited_for)
{
	if (geteuid() != 0)
		cr_skip_test("needs root");
	cr_expect(eq(int, as_user(NOBODY, namespace_killed), 0));
}

Test(idmap, userns_refuses_bad_maps)
{
	static const struct spec_id_mapping bad[] = { { 0, 0, 0 } };
	struct err e = { 0 };
	int fd = -1;

	if (geteuid() != 0)
		cr_skip_test("needs root");
	cr_expect(lt(int, idmap_userns_fd(bad, 1, bad, 1, &fd, &e), 0));
	cr_expect(str_has_prefix(e.text, "write the uid map of an id-mapped mount: "), "%s", e.text);
	cr_expect(eq(int, fd, -1));
	cr_expect(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
}
