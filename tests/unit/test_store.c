/* SPDX-License-Identifier: Apache-2.0 */
/* store: where the writes of a session wait, and since: what was changed in a writable workspace. */
#include <errno.h>
#include <time.h>

#include "review/since.h"
#include "review/store.h"
#include "trees.h"

static char here[PATH_MAX];

/* The store of a session of the workspace ws/, which is made if it is not there. */
static int make(struct arena *a, const char *session, const char *container, struct review *ret,
		struct err *e)
{
	struct review_store s = {
		.session = arena_strdup(a, session), .container = arena_strdup(a, container),
		.workspace = arena_printf(a, "%s/ws", here), .destination = (char *)"/w",
		.state = arena_printf(a, "%s/state", here), .created = (char *)"2026-01-01T00:00:00Z",
	};
	owned_fd workspace = -1;

	strv_add(a, &s.mask, ".env");
	strv_add(a, &s.mask, "/a \"b\"");
	mkdir("ws", 0755);
	workspace = open("ws", O_PATH | O_CLOEXEC);
	return review_make(a, arena_printf(a, "%s/stores/%s", here, session), &s, workspace, ret, e);
}

static void check_names(const void *row, struct outcome *o)
{
	static const struct {
		const char *name, *session;	/* NULL: refused */
	} rows[] = {
		{ "01a", "01a" }, { "01b", "01b" }, { "one", "01b" }, { "on", NULL }, { "two", "02" },
		{ "t", "02" }, { "02", "02" }, { "0", NULL }, { "x", NULL },
	};
	static const char *const made[][2] = { { "01a", "one" }, { "01b", "one" }, { "02", "two" } };
	owned_arena a = ARENA_INIT;
	struct review_entry *list;
	size_t n;

	(void)row;
	WANT(o, getcwd(here, sizeof here), "getcwd");
	for (size_t i = 0; i < ROWS(made); i++) {
		owned_review r = REVIEW_INIT;

		WANT(o, make(&a, made[i][0], made[i][1], &r, &o->e) == 0, "%s", o->e.text);
		WANT(o, make(&a, made[i][0], made[i][1], &r, &o->e) == -EEXIST, "twice");
	}
	in(o, "stores", "mkdir 03 && touch 04");
	for (size_t i = 0; i < ROWS(rows); i++) {
		owned_review r = REVIEW_INIT;
		int x = review_open(&a, arena_printf(&a, "%s/stores", here), rows[i].name, &r, &o->e);

		WANT(o, rows[i].session ? x == 0 && str_equal(r.s.session, rows[i].session) : x < 0,
		     "%s: %d %s", rows[i].name, x, o->e.text);
	}
	WANT(o, review_list(&a, arena_printf(&a, "%s/stores", here), &list, &n, &o->e) == 0 && n == 5 &&
	     !list[2].error && list[3].error && list[4].error, "%zu in the list", n);
	WANT(o, list[0].s.mask.n == 2 && str_equal(list[0].s.mask.v[1], "/a \"b\""), "%zu masks", list[0].s.mask.n);
	WANT(o, review_list(&a, "/nowhere", &list, &n, &o->e) == 0 && n == 0, "none");
	o->e = (struct err){ 0 };
}

Test(store, is_found_by_name)
{
	expect_sandboxed("names", check_names, NULL, 0, NULL);
}

static void check_removal(const void *row, struct outcome *o)
{
	owned_arena a = ARENA_INIT;
	owned_review r = REVIEW_INIT;

	(void)row;
	WANT(o, getcwd(here, sizeof here), "getcwd");
	in(o, ".", "mkdir outside && echo x >outside/file");
	WANT(o, make(&a, "01", "c", &r, &o->e) == 0, "%s", o->e.text);
	/* Deeper than there are descriptors; links that lead out; what cannot be entered. */
	in(o, "stores/01/upper", "ln -s ../../../outside l; ln -s / r; mkdir -m 0 none; touch removed.0; "
	   "i=0; while [ $i -lt 1500 ]; do mkdir d && cd d; touch f; i=$((i+1)); done");
	WANT(o, review_remove(&r, &o->e) == 0, "%s", o->e.text);
	WANT(o, access("stores/01", F_OK) < 0 && access("outside/file", F_OK) == 0, "removed");
	WANT(o, review_remove(&r, &o->e) == 0, "again: %s", o->e.text);
	/* What a create that was killed had begun. */
	in(o, "stores", "mkdir -m 700 02 && mkdir -p 02/upper/x");
	WANT(o, review_open_path(&a, "stores/02", &r, &o->e) == -ENOENT, "unfinished: %s", o->e.text);
	WANT(o, review_discard("stores/02", &o->e) == 0 && access("stores/02", F_OK) < 0, "%s", o->e.text);
	WANT(o, review_discard("stores/02", &o->e) == 0, "none: %s", o->e.text);
	o->e = (struct err){ 0 };
}

Test(store, is_removed_whole_and_nothing_else)
{
	expect_sandboxed("removal", check_removal, NULL, 0, NULL);
}

static void check_use(const void *row, struct outcome *o)
{
	owned_arena a = ARENA_INIT;
	owned_review r = REVIEW_INIT, second = REVIEW_INIT;

	(void)row;
	WANT(o, getcwd(here, sizeof here), "getcwd");
	WANT(o, make(&a, "01", "c", &r, &o->e) == 0, "%s", o->e.text);
	in(o, ".", "mkdir state && echo '{\"session\":\"01\"}' >state/state.json");
	WANT(o, review_in_use(&r.s) && review_lock(&r, &o->e) == -EBUSY, "its container is there");
	/* Another container has that id by now. */
	in(o, ".", "echo '{\"session\":\"02\"}' >state/state.json");
	WANT(o, !review_in_use(&r.s) && review_lock(&r, &o->e) == 0, "%s", o->e.text);
	WANT(o, review_open_path(&a, r.path, &second, &o->e) == 0, "%s", o->e.text);
	WANT(o, review_lock(&second, &o->e) == -EBUSY && strstr(o->e.text, "another command"), "%s",
	     o->e.text);
	fd_close(&second.fd);
	in(o, "stores", "chown 1000 01");
	WANT(o, review_open_path(&a, r.path, &second, &o->e) == -EPERM &&
	     strstr(o->e.text, "run the command as its owner"), "another's: %s", o->e.text);
	in(o, "stores", "chown 0 01; chmod 755 01");
	WANT(o, review_open_path(&a, r.path, &second, &o->e) == -EPERM &&
	     strstr(o->e.text, "(mode 0755)") && strstr(o->e.text, "chmod 0700"), "open to all: %s", o->e.text);
	in(o, "stores", "chmod 700 01; sed -i 's#\"container\": \"c\"#\"container\": null#' 01/store.json");
	WANT(o, review_open_path(&a, r.path, &second, &o->e) == -EINVAL, "null: %s", o->e.text);
	/* A damaged one of somebody else's is none of ours; one of our own can be removed. */
	fd_close(&r.fd);
	in(o, "stores", "echo '{\"session\": \"01\"' >01/store.json; chown 1000 01");
	WANT(o, review_open_to_remove(&a, arena_printf(&a, "%s/stores", here), "01", &second, &o->e) == -EPERM,
	     "another's: %s", o->e.text);
	in(o, "stores", "chown 0 01");
	WANT(o, review_open_to_remove(&a, arena_printf(&a, "%s/stores", here), "01", &second, &o->e) == 0 &&
	     second.damaged && !second.s.state && review_lock(&second, &o->e) == 0, "%s", o->e.text);
	WANT(o, review_check_states("01", here, &o->e) == 0, "%s", o->e.text);
	in(o, ".", "echo '{\"session\":\"01\"}' >state/state.json");
	WANT(o, review_check_states("01", here, &o->e) == -EBUSY && strstr(o->e.text, "container state"), "%s",
	     o->e.text);
	o->e = (struct err){ 0 };
}

Test(store, in_use_and_of_others)
{
	expect_sandboxed("use", check_use, NULL, 0, NULL);
}

/* What a host that crashed left of a create: without store.json, or with nothing in it. */
static void check_unfinished(const void *row, struct outcome *o)
{
	static const char *const names[] = { "01", "02" };
	owned_arena a = ARENA_INIT;
	owned_review made = REVIEW_INIT;
	struct review_entry *list;
	const char *stores;
	size_t n;

	(void)row;
	WANT(o, getcwd(here, sizeof here), "getcwd");
	stores = arena_printf(&a, "%s/stores", here);
	in(o, ".", "mkdir -m 700 stores stores/01 stores/02 && mkdir -p stores/01/upper/x && touch -d 2001-02-03 "
	   "stores/01 && >stores/02/store.json");
	WANT(o, review_list(&a, stores, &list, &n, &o->e) == 0 && n == 2, "%zu in the list", n);
	WANT(o, list[0].unfinished && list[1].unfinished && strstr(list[0].error, "unfinished"), "not told");
	WANT(o, str_has_prefix(list[0].s.created, "2001-02-0"), "begun at %s", list[0].s.created);
	for (size_t i = 0; i < ROWS(names); i++) {
		owned_review r = REVIEW_INIT, second = REVIEW_INIT;

		WANT(o, review_open(&a, stores, names[i], &r, &o->e) == -ENOENT, "opened %s", names[i]);
		WANT(o, review_open_to_remove(&a, stores, names[i], &r, &o->e) == 0 &&
		     review_lock(&r, &o->e) == 0, "%s", o->e.text);
		WANT(o, review_open_to_remove(&a, stores, names[i], &second, &o->e) == 0 &&
		     review_lock(&second, &o->e) == -EBUSY, "locked twice");
		WANT(o, review_remove(&r, &o->e) == 0, "%s", o->e.text);
	}
	/* Who makes one has it to itself; it may be finished when it is locked at last. */
	in(o, "stores", "mkdir -m 700 03");
	{
		owned_review r = REVIEW_INIT, second = REVIEW_INIT;

		WANT(o, review_open_to_remove(&a, stores, "03", &r, &o->e) == 0, "%s", o->e.text);
		in(o, "stores", "echo '{}' >03/store.json");
		WANT(o, review_lock(&r, &o->e) == -EBUSY && strstr(o->e.text, "being created"), "%s", o->e.text);
		WANT(o, make(&a, "04", "c", &made, &o->e) == 0, "%s", o->e.text);
		in(o, "stores", ">04/store.json");
		WANT(o, review_open_to_remove(&a, stores, "04", &second, &o->e) == 0 &&
		     review_lock(&second, &o->e) == -EBUSY, "taken from who makes it");
	}
	o->e = (struct err){ 0 };
}

Test(store, unfinished_can_be_removed_and_not_applied)
{
	expect_sandboxed("unfinished", check_unfinished, NULL, 0, NULL);
}

static void check_full(const void *row, struct outcome *o)
{
	owned_arena a = ARENA_INIT;
	owned_review r = REVIEW_INIT;

	(void)row;
	WANT(o, getcwd(here, sizeof here), "getcwd");
	in(o, ".", "mkdir stores && mount -t tmpfs -o mode=700,nr_inodes=4 tmpfs stores");
	WANT(o, make(&a, "01", "c", &r, &o->e) == -ENOSPC && strstr(o->e.text, "discard and prune free it"), "%s",
	     o->e.text);
	WANT(o, access("stores/01", F_OK) < 0, "something is left");
	o->e = (struct err){ 0 };
}

Test(store, leaves_nothing_on_a_full_disk)
{
	expect_sandboxed("full", check_full, NULL, 0, NULL);
}

static void check_since(const void *row, struct outcome *o)
{
	const char *incomplete = NULL;
	owned_arena a = ARENA_INIT;
	owned_fd top = -1;
	struct changes c;
	struct stat st;

	(void)row;
	in(o, ".", "mkdir ws outside && cd ws && echo 1 >old && echo 2 >kept && echo 3 >gone && mkdir d");
	usleep(50000);
	in(o, ".", "touch mark");
	WANT(o, stat("mark", &st) == 0, "stat");
	in(o, "ws", "echo 4 >>old; rm gone; echo 5 >d/new; ln -s old link; mkdir e; mkfifo p; "
	   "mount -t tmpfs tmpfs e; echo 6 >e/other; ln -s ../outside out; echo 7 >../outside/x");
	top = open("ws", O_PATH | O_CLOEXEC);
	o->r = changes_since(&a, top, st.st_ctim.tv_sec * 1000000000LL + st.st_ctim.tv_nsec, NULL,
			     &c, &incomplete, &o->e);
	WANT(o, o->r == 0 && c.n == 4 && !incomplete, "%zu changes, %s", c.n, o->e.text);
	WANT(o, c.n == 4 && strcmp(c.v[0].path, "d/new") == 0 && c.v[0].kind == CHANGE_ADDED, "d/new");
	WANT(o, c.n == 4 && strcmp(c.v[1].path, "link") == 0 && c.v[1].new_hash[0], "link");
	WANT(o, c.n == 4 && strcmp(c.v[2].path, "old") == 0 && c.v[2].kind == CHANGE_MODIFIED, "old");
	WANT(o, c.n == 4 && strcmp(c.v[3].path, "out") == 0, "out");
	in(o, "ws", "i=0; while [ $i -lt 140 ]; do mkdir x && cd x; i=$((i+1)); done");
	o->r = changes_since(&a, top, 0, NULL, &c, &incomplete, &o->e);
	WANT(o, incomplete && strstr(incomplete, "deep"), "deep");
}

Test(since, tells_by_change_times)
{
	expect_sandboxed("since", check_since, NULL, 0, NULL);
}

/* What is done to a workspace between two looks at it; "kind path" of each change. */
static const struct compared {
	const char *what, *before, *after, *told, *incomplete;
} compared[] = {
	{ "nothing", "echo 1 >a; mkdir d; ln -s a l; mkfifo p", "cat a", "", NULL },
	{ "removed", "echo 1 >a; ln -s a l; mkdir -p d/e; echo 2 >d/e/f; echo 3 >d/g",
	  "rm -r a l d", "deleted a; deleted d/e/f; deleted d/g; deleted l", NULL },
	{ "removed from a directory that stays", "mkdir d; echo 1 >d/a; echo 2 >d/b", "rm d/a",
	  "deleted d/a", NULL },
	{ "removed and made anew", "echo 1 >a", "rm a; echo 1 >a", "modified a", NULL },
	{ "made and removed again", "", "echo 1 >a; rm a", "", NULL },
	{ "renamed", "echo 1 >a", "mv a b", "deleted a; added b", NULL },
	{ "replaced by a rename", "echo 1 >a; echo 2 >b", "mv b a", "modified a; deleted b", NULL },
	{ "a link to it more", "echo 1 >a", "ln a b", "modified a; added b", NULL },
	{ "a directory renamed", "mkdir -p d/e; echo 1 >d/e/a", "mv d z", "deleted d/e/a; added z/e/a", NULL },
	{ "a directory renamed over another", "mkdir d z; echo 1 >d/a; echo 2 >z/a; echo 3 >z/b",
	  "rm -r z; mv d z", "deleted d/a; modified z/a; deleted z/b", NULL },
	{ "directories exchanged", "mkdir d e; echo 1 >d/a; echo 2 >e/a", "mv d x; mv e d; mv x e",
	  "modified d/a; modified e/a", NULL },
	{ "a file became a link", "echo 1 >a", "ln -sf b a", "type a", NULL },
	{ "a link became a file", "ln -s b a", "rm a; echo 1 >a", "type a", NULL },
	{ "a directory became a file", "mkdir d; echo 1 >d/a", "rm -r d; echo 1 >d", "type d; deleted d/a", NULL },
	{ "a file became a directory", "echo 1 >a", "rm a; mkdir a; echo 1 >a/b", "deleted a; added a/b", NULL },
	{ "a directory became a link", "mkdir -p o d; echo 1 >d/a; echo 1 >o/a", "rm -r d; ln -s o d",
	  "type d; deleted d/a", NULL },
	{ "a file became a fifo", "echo 1 >a", "rm a; mkfifo a", "deleted a", NULL },
	{ "a hook", "mkdir -p .git/hooks; echo 1 >.git/hooks/x", "rm .git/hooks/x", "deleted! .git/hooks/x", NULL },
	{ "a mount over what was there", "mkdir -p d; echo 1 >d/a", "mount -t tmpfs tmpfs d", "", "mounted over" },
	{ "a mount that was taken away", "mkdir -p d; echo 1 >d/a; mount -t tmpfs tmpfs d; echo 2 >d/b", "umount d",
	  "", "could not be read before" },
	{ "a mount that stays", "mkdir d; mount -t tmpfs tmpfs d; echo 2 >d/b", "rm d/b; echo 3 >d/c", "", NULL },
	{ "too deep, and removed",
	  "mkdir x; cd x; i=0; while [ $i -lt 140 ]; do mkdir x && cd x; i=$((i+1)); done; echo 1 >f",
	  "rm -r x", "", "could not be read before" },
	{ "too deep now", "echo 1 >a",
	  "rm a; mkdir x; cd x; i=0; while [ $i -lt 140 ]; do mkdir x && cd x; i=$((i+1)); done; echo 1 >f",
	  "deleted a", "too deep" },
};

static void check_compared(const void *row, struct outcome *o)
{
	const struct compared *x = row;
	owned_str text = STR_INIT, told = STR_INIT;
	const char *incomplete = NULL;
	owned_arena a = ARENA_INIT;
	struct listing before;
	struct changes c = { 0 };
	owned_fd top = -1;
	struct stat st;

	in(o, ".", "mkdir ws");
	in(o, "ws", x->before);
	usleep(50000);
	in(o, ".", "touch mark");
	WANT(o, stat("mark", &st) == 0, "stat");
	top = open("ws", O_PATH | O_CLOEXEC);
	listing_make(top, &text);
	in(o, "ws", x->after);
	o->r = listing_read(&a, text.s, text.len, &before, &o->e);
	if (o->r == 0)
		o->r = changes_since(&a, top, st.st_ctim.tv_sec * 1000000000LL + st.st_ctim.tv_nsec, &before,
				     &c, &incomplete, &o->e);
	for (size_t i = 0; i < c.n; i++)
		str_printf(&told, "%s%s%s %s", i ? "; " : "", change_kind_names[c.v[i].kind],
			   c.v[i].runs && !S_ISLNK(c.v[i].new_mode) ? "!" : "", c.v[i].path);
	WANT(o, strcmp(str_text(&told), x->told) == 0, "told \"%s\"", str_text(&told));
	WANT(o, x->incomplete ? incomplete && strstr(incomplete, x->incomplete) : !incomplete, "incomplete: %s",
	     incomplete ? incomplete : "no");
}

Test(since, compares_with_what_was_there)
{
	for (size_t i = 0; i < ROWS(compared); i++)
		expect_sandboxed(compared[i].what, check_compared, &compared[i], 0, NULL);
}

/* Of a walk that was ended nothing is told as removed that may be there.  FIFOs are counted, not read. */
static void check_bounds(const void *row, struct outcome *o)
{
	owned_str few = STR_INIT, many = STR_INIT;
	const char *incomplete = NULL;
	owned_arena a = ARENA_INIT;
	struct listing before;
	struct changes c = { 0 };
	owned_fd top = -1;

	(void)row;
	in(o, ".", "mkdir ws && echo 1 >ws/gone && echo 2 >ws/kept && mkdir ws/d ws/e && echo 3 >ws/e/kept");
	top = open("ws", O_PATH | O_CLOEXEC);
	listing_make(top, &few);
	in(o, "ws", "rm gone; cd e; seq 200100 | xargs mkfifo");
	WANT(o, listing_read(&a, few.s, few.len, &before, &o->e) == 0 && before.n == 6, "%s", o->e.text);
	o->r = changes_since(&a, top, INT64_MAX, &before, &c, &incomplete, &o->e);
	WANT(o, o->r == 0 && incomplete && strstr(incomplete, "too many entries"), "%s", o->e.text);
	for (size_t i = 0; i < c.n; i++)
		WANT(o, c.v[i].kind == CHANGE_ADDED, "%s: %s", change_kind_names[c.v[i].kind], c.v[i].path);
	listing_make(top, &many);
	WANT(o, listing_read(&a, many.s, many.len, &before, &o->e) == 0 && before.n == 1 && before.why &&
	     strstr(before.why, "too many entries"), "the list has no bound");
}

Test(since, ends)
{
	expect_sandboxed("bounds", check_bounds, NULL, 0, NULL);
}
