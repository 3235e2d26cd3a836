/* SPDX-License-Identifier: Apache-2.0 */
/* seccomp: when the cache of programs is believed. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"
#include "seccomp_profiles.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* The layout of an entry, written down a second time so that tests can forge one. */
struct entry {
	char magic[16];
	uint32_t n, flags;
	struct {
		uint64_t dev, ino, size, mtime_sec, mtime_nsec;
		char path[256];
	} library;
	char hash[HASH_HEX];
	char pad[7];
};

static const struct sock_filter forged_insns[] = { BPF_STMT(BPF_RET | BPF_K, 0x7fff1234) };

struct cache {
	char dir[64], file[512];
	struct arena a;
	struct spec_seccomp *s;
	struct seccomp_program fresh;	/* made without a cache */
};

/* How many entries; the last one's path in path, if that is not NULL. */
static size_t entries(const char *dir, char *path, size_t size)
{
	struct dirent *d;
	size_t n = 0;
	DIR *open_dir = opendir(dir);

	cr_assert(open_dir != NULL);
	while ((d = readdir(open_dir))) {
		if (d->d_name[0] == '.')
			continue;
		if (path)
			snprintf(path, size, "%s/%s", dir, d->d_name);
		n++;
	}
	closedir(open_dir);
	return n;
}

static struct seccomp_program ask_cache(struct cache *c)
{
	struct seccomp_program p;
	struct err e;

	cr_assert(seccomp_compile(&c->a, c->s, c->dir, &p, &e) == 0, "%s", e.text);
	return p;
}

/* Who could write the cache could put this there: a complete, correctly hashed entry. */
static void forge(struct cache *c, const struct sock_filter *insns, size_t n, bool other_library)
{
	owned_str old = STR_INIT;
	const char *name = strrchr(c->file, '/') + 1;
	uint64_t name_length = strlen(name), n_and_flags[2] = { n };
	struct entry head;
	struct hash *h = hash_new();
	struct err e;
	int fd;

	cr_assert(file_read(AT_FDCWD, c->file, 1 << 20, &old, &e) == 0, "%s", e.text);
	cr_assert(gt(sz, old.len, sizeof head));
	memcpy(&head, old.s, sizeof head);
	head.n = (uint32_t)n;
	n_and_flags[1] = head.flags;
	if (other_library)
		head.library.mtime_nsec ^= 1;
	hash_add(h, &name_length, sizeof name_length);
	hash_add(h, name, name_length);
	hash_add(h, &head.library, sizeof head.library);
	hash_add(h, n_and_flags, sizeof n_and_flags);
	hash_add(h, insns, n * sizeof *insns);
	hash_end(h, head.hash);
	fd = open(c->file, O_WRONLY | O_TRUNC | O_CLOEXEC);
	cr_assert(ge(int, fd, 0));
	cr_assert(fd_write_all(fd, &head, sizeof head, c->file, &e) == 0);
	cr_assert(fd_write_all(fd, insns, n * sizeof *insns, c->file, &e) == 0);
	close(fd);
}

/* An engine's, with a rule that takes libseccomp. */
static struct spec_seccomp *library_profile(struct arena *a)
{
	struct spec_seccomp *s = read_profile(a, "tests/data/seccomp-engine.json");
	struct spec_seccomp_rule *v = arena_array(a, struct spec_seccomp_rule, s->syscalls.n + 1);
	struct spec_seccomp_arg *args = arena_array(a, struct spec_seccomp_arg, 2);

	for (size_t i = 0; i < 2; i++)
		args[i] = (struct spec_seccomp_arg){ .index = 1, .value = i, .op = (char *)"SCMP_CMP_GT" };
	memcpy(v, s->syscalls.v, s->syscalls.n * sizeof *v);
	v[s->syscalls.n].action = (char *)"SCMP_ACT_ALLOW";
	v[s->syscalls.n].args.v = args;
	v[s->syscalls.n].args.n = 2;
	strv_add(a, &v[s->syscalls.n].names, "personality");
	s->syscalls.v = v;
	s->syscalls.n++;
	return s;
}

/* A cache with one entry, honest as yet. */
static struct cache cache_new(void)
{
	struct cache c = { .dir = "/tmp/seccomp-cache-XXXXXX" };

	cr_assert(mkdtemp(c.dir) != NULL);
	c.s = library_profile(&c.a);
	c.fresh = compile(&c.a, c.s);
	ask_cache(&c);
	cr_assert(eq(sz, entries(c.dir, c.file, sizeof c.file), 1));
	return c;
}

static void cache_drop(struct cache *c)
{
	while (entries(c->dir, c->file, sizeof c->file) > 0)
		cr_assert(unlink(c->file) == 0);
	rmdir(c->dir);
	arena_free(&c->a);
}

static bool fresh(const struct cache *c, const struct seccomp_program *p)
{
	return p->n == c->fresh.n && memcmp(p->insns, c->fresh.insns, p->n * sizeof *p->insns) == 0;
}

static bool forged(const struct seccomp_program *p)
{
	return p->n == COUNT(forged_insns) &&
	       memcmp(p->insns, forged_insns, sizeof forged_insns) == 0;
}

Test(seccomp_cache, an_entry_is_used)
{
	struct cache c = cache_new();
	struct seccomp_program p = ask_cache(&c);
	struct stat st;

	cr_expect(fresh(&c, &p));
	cr_expect(stat(c.file, &st) == 0);
	cr_expect(eq(u32, st.st_mode & 07777, 0600));
	/* Nothing but the entry can have given this. */
	forge(&c, forged_insns, COUNT(forged_insns), false);
	p = ask_cache(&c);
	cr_expect(forged(&p));
	cr_expect(eq(u32, p.flags, c.fresh.flags));
	cache_drop(&c);
}

Test(seccomp_cache, other_rules_have_another_entry)
{
	struct cache c = cache_new();
	struct seccomp_program p;

	forge(&c, forged_insns, COUNT(forged_insns), false);
	c.s->syscalls.v[2].args.v[0].value++;
	p = ask_cache(&c);
	cr_expect(not(forged(&p)));
	cr_expect(eq(sz, entries(c.dir, NULL, 0), 2));
	c.s->default_errno_ret = (struct opt_u64){ true, 2 };
	p = ask_cache(&c);
	cr_expect(not(forged(&p)));
	strv_add(&c.a, &c.s->syscalls.v[0].names, "mount");
	p = ask_cache(&c);
	cr_expect(not(forged(&p)));
	c.s->architectures.n--;
	p = ask_cache(&c);
	cr_expect(not(forged(&p)));
	strv_add(&c.a, &c.s->flags, "SECCOMP_FILTER_FLAG_LOG");
	p = ask_cache(&c);
	cr_expect(not(forged(&p)));
	cr_expect(eq(u32, p.flags, SECCOMP_FILTER_FLAG_LOG));
	cr_expect(eq(sz, entries(c.dir, NULL, 0), 6));
	cache_drop(&c);
}

/* A text is asked for by its bytes; parsed only when no entry has them. */
Test(seccomp_cache, a_text_has_an_entry_of_its_own)
{
	struct cache c = cache_new();
	struct json_text text = read_text(&c.a, "tests/data/seccomp-engine.json");
	struct json_text other = { text.what, arena_printf(&c.a, "%s\n", text.text), text.size + 1 };
	struct json_text broken = { "broken.json", text.text, text.size - 3 };
	struct cache of_text = { .fresh = compile(&c.a, read_profile(&c.a, "tests/data/seccomp-engine.json")) };
	struct seccomp_program p;
	struct err e;

	cr_assert(unlink(c.file) == 0);	/* that of the rules */
	cr_assert(seccomp_compile_text(&c.a, &text, c.dir, &p, &e) == 0, "%s", e.text);
	cr_expect(fresh(&of_text, &p));
	cr_expect(eq(u32, p.flags, c.fresh.flags));
	cr_assert(eq(sz, entries(c.dir, c.file, sizeof c.file), 1));
	forge(&c, forged_insns, COUNT(forged_insns), false);
	cr_assert(seccomp_compile_text(&c.a, &text, c.dir, &p, &e) == 0, "%s", e.text);
	cr_expect(forged(&p));
	cr_expect(eq(u32, p.flags, c.fresh.flags));
	cr_assert(seccomp_compile_text(&c.a, &other, c.dir, &p, &e) == 0, "%s", e.text);
	cr_expect(fresh(&of_text, &p));
	cr_expect(eq(sz, entries(c.dir, NULL, 0), 2));
	p = ask_cache(&c);
	cr_expect(fresh(&c, &p));
	cr_expect(eq(sz, entries(c.dir, NULL, 0), 3));
	cr_expect(lt(int, seccomp_compile_text(&c.a, &broken, c.dir, &p, &e), 0));
	cr_expect(strncmp(e.text, "broken.json:", 12) == 0, "%s", e.text);
	cr_expect(eq(sz, entries(c.dir, NULL, 0), 3));
	cache_drop(&c);
}

static void by_group(struct cache *c)
{
	cr_assert(chmod(c->file, 0660) == 0);
}

static void by_others(struct cache *c)
{
	cr_assert(chmod(c->file, 0602) == 0);
}

static void by_stranger(struct cache *c)
{
	cr_assert(chown(c->file, 65534, 65534) == 0);
}

static void through_link(struct cache *c)
{
	owned_arena a = ARENA_INIT;
	const char *to = arena_printf(&a, "%s/other", c->dir);

	cr_assert(rename(c->file, to) == 0);
	cr_assert(symlink(to, c->file) == 0);
}

static void fifo_in_place(struct cache *c)
{
	cr_assert(unlink(c->file) == 0);
	cr_assert(mkfifo(c->file, 0600) == 0);
}

static void one_byte_changed(struct cache *c)
{
	int fd = open(c->file, O_WRONLY | O_CLOEXEC);
	struct stat st;
	char byte = 0x55;

	cr_assert(fstat(fd, &st) == 0);
	cr_assert(pwrite(fd, &byte, 1, st.st_size - 3) == 1);
	close(fd);
}

static void cut(struct cache *c)
{
	cr_assert(truncate(c->file, (off_t)sizeof(struct entry) + 4) == 0);
}

static void emptied(struct cache *c)
{
	cr_assert(truncate(c->file, 0) == 0);
}

static void longer(struct cache *c)
{
	struct stat st;

	cr_assert(stat(c->file, &st) == 0);
	cr_assert(truncate(c->file, st.st_size + 8) == 0);
}

static void without_instructions(struct cache *c)
{
	forge(c, forged_insns, 0, false);
}

static void with_too_many(struct cache *c)
{
	static struct sock_filter many[BPF_MAXINSNS + 1];

	forge(c, many, COUNT(many), false);
}

static void of_another_library(struct cache *c)
{
	forge(c, forged_insns, COUNT(forged_insns), true);
}

static void of_other_rules(struct cache *c)
{
	owned_arena a = ARENA_INIT;
	char *aside = arena_printf(&a, "%s/aside", c->dir);
	uint64_t *value = &c->s->syscalls.v[2].args.v[0].value;

	/* A correct entry of other rules, under these rules' name. */
	cr_assert(rename(c->file, aside) == 0);
	(*value)++;
	ask_cache(c);
	(*value)--;
	cr_assert(unlink(aside) == 0);
	char other[sizeof c->file];
	cr_assert(eq(sz, entries(c->dir, other, sizeof other), 1));
	cr_assert(rename(other, c->file) == 0);
}

Test(seccomp_cache, an_entry_that_cannot_be_trusted_is_replaced)
{
	static const struct {
		const char *what;
		void (*spoil)(struct cache *c);
	} rows[] = {
		{ "group may write it", by_group },
		{ "others may write it", by_others },
		{ "somebody else's", by_stranger },
		{ "symbolic link", through_link },
		{ "fifo", fifo_in_place },
		{ "one byte changed", one_byte_changed },
		{ "cut", cut },
		{ "empty", emptied },
		{ "longer", longer },
		{ "no instructions", without_instructions },
		{ "too many instructions", with_too_many },
		{ "made by another libseccomp", of_another_library },
		{ "another's entry under this name", of_other_rules },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct cache c = cache_new();
		struct seccomp_program p;
		struct stat st;

		if (rows[i].spoil == by_stranger && geteuid() != 0) {
			cache_drop(&c);
			continue;
		}
		forge(&c, forged_insns, COUNT(forged_insns), false);
		rows[i].spoil(&c);
		p = ask_cache(&c);
		cr_expect(fresh(&c, &p), "%s: used", rows[i].what);
		cr_assert(lstat(c.file, &st) == 0, "%s", rows[i].what);
		cr_expect(eq(u32, st.st_mode, S_IFREG | 0600), "%s: not replaced", rows[i].what);
		cr_expect(eq(u32, st.st_uid, geteuid()), "%s", rows[i].what);
		forge(&c, forged_insns, COUNT(forged_insns), false);
		p = ask_cache(&c);
		cr_expect(forged(&p), "%s: not used after it was replaced", rows[i].what);
		cache_drop(&c);
	}
}

Test(seccomp_cache, a_directory_that_cannot_be_trusted_is_not_used)
{
	static const struct {
		const char *what;
		mode_t mode;
		uid_t owner;
		bool link;
	} rows[] = {
		{ "group may write it", 0770, 0, false },
		{ "others may write it", 0703, 0, false },
		{ "sticky, as /tmp is", 01777, 0, false },
		{ "somebody else's", 0700, 65534, false },
		{ "symbolic link", 0700, 0, true },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct cache c = cache_new();
		char real[sizeof c.dir + 8];
		struct seccomp_program p;

		if (geteuid() != 0 && rows[i].owner)
			continue;
		forge(&c, forged_insns, COUNT(forged_insns), false);
		snprintf(real, sizeof real, "%s-real", c.dir);
		cr_assert(chmod(c.dir, rows[i].mode) == 0);
		if (rows[i].owner)
			cr_assert(chown(c.dir, rows[i].owner, rows[i].owner) == 0);
		if (rows[i].link)
			cr_assert(rename(c.dir, real) == 0 && symlink(real, c.dir) == 0);
		p = ask_cache(&c);
		cr_expect(fresh(&c, &p), "%s: read", rows[i].what);
		cr_assert(unlink(c.file) == 0);
		p = ask_cache(&c);
		cr_expect(fresh(&c, &p), "%s", rows[i].what);
		cr_expect(eq(sz, entries(c.dir, NULL, 0), 0), "%s: written", rows[i].what);
		if (rows[i].link)
			cr_assert(unlink(c.dir) == 0 && rename(real, c.dir) == 0);
		cache_drop(&c);
	}
}

Test(seccomp_cache, it_is_made_and_its_failure_costs_nothing)
{
	struct cache c = cache_new();
	struct seccomp_program p;
	struct stat st;

	cache_drop(&c);
	c.s = library_profile(&c.a);
	c.fresh = compile(&c.a, c.s);
	p = ask_cache(&c);	/* makes the directory */
	cr_expect(fresh(&c, &p));
	cr_expect(stat(c.dir, &st) == 0 && (st.st_mode & 07777) == 0700);
	cr_expect(eq(sz, entries(c.dir, NULL, 0), 1));
	while (entries(c.dir, c.file, sizeof c.file) > 0)
		cr_assert(unlink(c.file) == 0);
	rmdir(c.dir);
	snprintf(c.dir, sizeof c.dir, "/proc/none/of/these");
	p = ask_cache(&c);
	cr_expect(fresh(&c, &p));
	arena_free(&c.a);
}
