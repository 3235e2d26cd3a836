/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/resctrl.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "sandbox/mnt.h"

enum { MOST_SCHEMATA = 1 << 20, MOST_TASKS = 64 << 20 };

void resctrl_at(struct arena *a, const char *root, const struct spec_intel_rdt *rdt, const char *id,
		struct resctrl *ret)
{
	const char *name = rdt->clos_id ? rdt->clos_id : id;

	*ret = (struct resctrl){ .root = arena_strdup(a, root), .own = !rdt->clos_id };
	ret->group = strcmp(name, "/") == 0 ? ret->root : arena_printf(a, "%s/%s", root, name);
	if (rdt->enable_monitoring)
		ret->monitor = arena_printf(a, "%s/mon_groups/%s", ret->group, id);
}

int resctrl_find(struct arena *a, const struct spec_intel_rdt *rdt, const char *id,
		 struct resctrl *ret, struct err *e)
{
	owned_str table = STR_INIT;
	struct mnt_line line;
	char *rest;

	if (mnt_table(&table, e) < 0)
		return -e->code;
	for (rest = table.s; mnt_next(&rest, &line);)
		if (strcmp(line.type, "resctrl") == 0) {
			resctrl_at(a, line.point, rdt, id, ret);
			return 0;
		}
	return err_say(e, ENOENT, "linux.intelRdt: no resctrl file system is mounted");
}

/* ---- schemata: lines of RESOURCE:DOMAIN=VALUE;DOMAIN=VALUE ---- */

static void put_lines(struct str *out, const char *text, const char *but)
{
	for (size_t n; *text; text += n + (text[n] == '\n')) {
		n = strcspn(text, "\n");
		if (n && !(but && str_has_prefix(text, but)))
			str_printf(out, "%.*s\n", (int)n, text);
	}
}

/* What the older members ask for; of memory bandwidth memBwSchema has the last word. */
static void put_old_schemata(const struct spec_intel_rdt *rdt, struct str *out)
{
	if (rdt->l3_cache_schema)
		put_lines(out, rdt->l3_cache_schema, rdt->mem_bw_schema ? "MB:" : NULL);
	if (rdt->mem_bw_schema)
		put_lines(out, rdt->mem_bw_schema, NULL);
}

/* The next DOMAIN=VALUE of a line.  Values are compared only, so one base does for all resources. */
static bool next_domain(const char **at, unsigned long long *ret_domain,
			unsigned long long *ret_value)
{
	char *end;

	*at += strspn(*at, "; \t");
	if (!isdigit((unsigned char)**at))
		return false;
	*ret_domain = strtoull(*at, &end, 10);
	if (*end != '=')
		return false;
	end += 1 + strspn(end + 1, " ");
	if (!isxdigit((unsigned char)*end))
		return false;
	*ret_value = strtoull(end, &end, 16);
	*at = end;
	return true;
}

static bool has_domain(const char *line, unsigned long long domain, unsigned long long value)
{
	unsigned long long d, v;

	while (next_domain(&line, &d, &v))
		if (d == domain)
			return v == value;
	return false;
}

/* What stands behind RESOURCE: in the kernel's text, which is indented; NULL: nothing. */
static const char *find_resource(const char *have, const char *name, size_t n)
{
	while (have) {
		have += strspn(have, " \t\n");
		if (strncmp(have, name, n) == 0 && have[n] == ':')
			return have + n + 1;
		have = strchr(have, '\n');
	}
	return NULL;
}

static bool is_in(const char *have, const char *line)
{
	size_t n = strcspn(line, ":");
	const char *found = line[n] ? find_resource(have, line, n) : NULL;
	unsigned long long domain, value;

	if (!found)
		return false;
	for (line += n + 1; next_domain(&line, &domain, &value);)
		if (!has_domain(found, domain, value))
			return false;
	return *line == '\0';
}

/* Of lines of one resource the last one counts: it overrules. */
static bool is_overruled(const struct strv *lines, size_t i)
{
	size_t n = strcspn(lines->v[i], ":");

	for (size_t k = i + 1; k < lines->n; k++)
		if (strncmp(lines->v[i], lines->v[k], n) == 0 && lines->v[k][n] == ':')
			return true;
	return false;
}

static int compare(const struct resctrl *r, char *wanted, const char *file, struct err *e)
{
	owned_str have = STR_INIT;
	owned_arena a = ARENA_INIT;
	struct strv lines = { 0 };
	char *line;

	if (file_read(AT_FDCWD, file, MOST_SCHEMATA, &have, e) < 0)
		return -e->code;
	while ((line = strsep(&wanted, "\n")))
		if (*line)
			strv_add(&a, &lines, line);
	for (size_t i = 0; i < lines.n; i++)
		if (!is_overruled(&lines, i) && !is_in(str_text(&have), lines.v[i]))
			return err_say(e, EINVAL, "%s is there already, without %s", r->group,
				       lines.v[i]);
	return 0;
}

/* The kernel says more than an errno, in a file of its own. */
static int write_schemata(const struct resctrl *r, const char *file, const struct str *text,
			  struct err *e)
{
	owned_str status = STR_INIT, path = STR_INIT, why = STR_INIT;
	struct err said = { 0 }, none;

	if (!text->len || file_put(AT_FDCWD, file, text->s, &said) == 0)
		return 0;
	str_printf(&path, "%s/info/last_cmd_status", r->root);
	if (file_read(AT_FDCWD, path.s, MOST_SCHEMATA, &status, &none) == 0)
		str_put_safe(&why, str_text(&status), strcspn(str_text(&status), "\n"));
	return err_say(e, said.code, "%s%s%s", said.text, why.len ? ": " : "", str_text(&why));
}

static int settle_schemata(const struct resctrl *r, const struct spec_intel_rdt *rdt, struct err *e)
{
	owned_str old = STR_INIT, new = STR_INIT, file = STR_INIT;

	str_printf(&file, "%s/schemata", r->group);
	put_old_schemata(rdt, &old);
	for (size_t i = 0; i < rdt->schemata.n; i++)
		put_lines(&new, rdt->schemata.v[i], NULL);
	/* two writes: one may name a domain but once */
	if (r->group_made)
		return write_schemata(r, file.s, &old, e) < 0 ? -e->code
							      : write_schemata(r, file.s, &new, e);
	str_puts(&old, str_text(&new));
	return old.len ? compare(r, old.s, file.s, e) : 0;
}

int resctrl_change(const struct resctrl *r, const struct spec_intel_rdt *rdt, struct err *e)
{
	owned_str text = STR_INIT, file = STR_INIT;

	str_printf(&file, "%s/schemata", r->group);
	put_old_schemata(rdt, &text);
	return write_schemata(r, file.s, &text, e) < 0 ? err_in(e, "linux.intelRdt") : 0;
}

/* ---- groups ---- */

static int make_group(struct resctrl *r, const struct spec_intel_rdt *rdt, struct err *e)
{
	bool says = rdt->l3_cache_schema || rdt->mem_bw_schema || rdt->schemata.n;
	struct stat st;

	/* a class that is but named must be there: nothing says what it is to be */
	if (!r->own && (r->group == r->root || !says)) {
		if (stat(r->group, &st) < 0)
			return err_set(e, errno, "closID: %s", r->group);
		return 0;
	}
	if (mkdir(r->group, 0755) == 0)
		r->group_made = true;
	else if (errno != EEXIST || r->own)
		return err_set(e, errno, "make %s", r->group);
	return 0;
}

int resctrl_make(struct resctrl *r, const struct spec_intel_rdt *rdt, struct err *e)
{
	if (make_group(r, rdt, e) < 0 || settle_schemata(r, rdt, e) < 0)
		return err_in(e, "linux.intelRdt");
	if (!r->monitor)
		return 0;
	if (mkdir(r->monitor, 0755) < 0)
		return err_set(e, errno, "linux.intelRdt.enableMonitoring: make %s", r->monitor);
	r->monitor_made = true;
	return 0;
}

static int remove_group(const char *path, struct err *e)
{
	if (rmdir(path) < 0 && errno != ENOENT)
		return err_set(e, errno, "linux.intelRdt: remove %s", path);
	return 0;
}

/* From the inside out. */
static int remove_groups(const struct resctrl *r, bool group, bool monitor, struct err *e)
{
	if (monitor && remove_group(r->monitor, e) < 0)
		return -e->code;
	return group ? remove_group(r->group, e) : 0;
}

/* The kernel would remove it all the same, and its tasks would fall back to the default class. */
static bool is_empty(const char *group)
{
	owned_str file = STR_INIT, tasks = STR_INIT;
	struct err none;

	str_printf(&file, "%s/tasks", group);
	return file_read(AT_FDCWD, file.s, MOST_TASKS, &tasks, &none) == 0 && !tasks.len;
}

int resctrl_unmake(struct resctrl *r, struct err *e)
{
	/* who named the class, too, may have joined it by now */
	bool group = r->group_made && (r->own || is_empty(r->group));
	int result = remove_groups(r, group, r->monitor_made, e);

	r->group_made = r->monitor_made = false;
	return result;
}

int resctrl_remove(const struct resctrl *r, struct err *e)
{
	return remove_groups(r, r->own, r->monitor, e);
}

static int put_task(const char *directory, pid_t pid, struct err *e)
{
	owned_str file = STR_INIT;
	char number[16];

	str_printf(&file, "%s/tasks", directory);
	snprintf(number, sizeof number, "%d", pid);
	if (file_put(AT_FDCWD, file.s, number, e) < 0)
		return err_in(e, "linux.intelRdt");
	return 0;
}

int resctrl_join(const struct resctrl *r, pid_t pid, struct err *e)
{
	/* the kernel takes into a monitoring group only what is in its class */
	if (put_task(r->group, pid, e) < 0)
		return -e->code;
	return r->monitor ? put_task(r->monitor, pid, e) : 0;
}
