/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: a log of arbitrary bytes.
 *
 * Whatever the log holds, it can be verified, shown in each form and appended to; what is
 * appended is a record, and the pages are safe to print.  The same bytes as a
 * text become an exec record that is one valid bounded line; redacting them again changes nothing; as a
 * shell's command line they are searched for packages.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "audit/audit.h"
#include "audit/chain.h"
#include "audit/record.h"
#include "audit/redact.h"
#include "audit/supply.h"
#include "base/fd.h"
#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char dir[] = "/dev/shm/fuzz-audit-XXXXXX";

static void check(bool true_always, const char *what)
{
	if (true_always)
		return;
	fprintf(stderr, "fuzz_audit: %s\n", what);
	abort();
}
#define CHECK(x) check((x), #x)

static void forget(void)
{
	static const char *const names[] = { AUDIT_LOG, AUDIT_HEAD, "sessions/fuzz" };
	char path[128];

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		snprintf(path, sizeof path, "%s/%s", dir, names[i]);
		unlink(path);
	}
}

static void put_log(const uint8_t *data, size_t size)
{
	char path[128];
	struct err e;
	owned_fd fd = -1;

	forget();
	snprintf(path, sizeof path, "%s/" AUDIT_LOG, dir);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	CHECK(fd >= 0 && fd_write_all(fd, data, size, path, &e) == 0);
}

static void check_page(const struct str *page)
{
	for (size_t i = 0; i < page->len; i++)
		CHECK(page->s[i] == '\n' ||
		      ((unsigned char)page->s[i] >= 0x20 && page->s[i] != 0x7f));
}

static void show(int (*form)(const char *, const char *, audit_profile_of *, struct str *, struct err *))
{
	owned_str page = STR_INIT;
	struct err e;

	if (form(dir, "fuzz", NULL, &page, &e) == 0)
		check_page(&page);
}

static void read_all(void)
{
	struct audit_verdict v;
	owned_str list = STR_INIT;
	owned_str json = STR_INIT;
	struct err e;

	CHECK(audit_verify(dir, NULL, &v, &e) == 0);
	CHECK(!v.bad_seq == !*v.reason);
	CHECK(audit_list(dir, &list, &e) == 0);
	CHECK(audit_list_json(dir, &json, &e) == 0);
	check_page(&list);
	show(audit_show);
	show(audit_show_markdown);
	show(audit_show_html);
}

/* One exec record of the text. */
static void append(const char *text)
{
	static const struct audit_frame frame = { .session = "fuzz", .container = "c", .event = "exec" };
	owned_arena a = ARENA_INIT;
	struct strv args = { 0 };
	owned_str members = STR_INIT;
	owned_str line = STR_INIT;
	const struct json *tree;
	struct err e;

	strv_add(&a, &args, text);
	audit_record_exec(&(struct audit_exec){ .process = { .args = &args } }, &members);
	CHECK(audit_append(dir, &frame, &members, &line, &e) == 0);
	CHECK(line.len > 0 && line.len <= AUDIT_LINE_MOST);
	CHECK(memchr(line.s, '\n', line.len) == line.s + line.len - 1);
	CHECK(json_parse(&a, line.s, line.len, "line", &tree, &e) == 0);
}

static void search(const char *text)
{
	owned_arena a = ARENA_INIT;
	struct supplies found = { 0 };
	struct strv args = { 0 };

	strv_add(&a, &args, "sh");
	strv_add(&a, &args, "-c");
	strv_add(&a, &args, text);
	supply_of_command(&a, &args, &found);
	for (size_t i = 0; i < found.n; i++)
		CHECK(found.v[i].ecosystem && found.v[i].action);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	owned_str text = STR_INIT;
	owned_str once = STR_INIT;
	owned_str twice = STR_INIT;
	struct chain_frame f;

	if (dir[sizeof dir - 2] == 'X')
		CHECK(mkdtemp(dir) != NULL);
	chain_read((const char *)data, size, &f);
	str_append(&text, data, size);
	redact_text(text.s, &once);
	redact_text(once.s, &twice);
	CHECK(strcmp(once.s, twice.s) == 0);
	search(text.s);

	put_log(data, size);
	read_all();
	append(text.s);
	append("again");
	read_all();
	forget();
	return 0;
}
