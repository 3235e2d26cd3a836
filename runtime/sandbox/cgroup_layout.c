/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which hierarchies the host mounts and where the container's directories in
 * them are; and reads and writes of single files.
 */
#include "sandbox/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>

#include "base/fd.h"
#include "sandbox/cgroup_parts.h"

enum { FILE_MOST = 4 << 20 };

/* ---- files ---- */

int cgroup_get(const char *dir, const char *file, struct str *out, struct err *e)
{
	owned_str path = STR_INIT;

	str_printf(&path, "%s/%s", dir, file);
	return file_read(AT_FDCWD, path.s, FILE_MOST, out, e);
}

int cgroup_put(const char *dir, const char *file, const char *text, struct err *e)
{
	owned_str path = STR_INIT;

	str_printf(&path, "%s/%s", dir, file);
	return file_put(AT_FDCWD, path.s, text, e);
}

bool cgroup_has(const char *dir, const char *file)
{
	owned_str path = STR_INIT;

	str_printf(&path, "%s/%s", dir, file);
	return access(path.s, F_OK) == 0;
}

static bool number(const char *text, uint64_t *ret)
{
	char *end;

	if (str_has_prefix(text, "max")) {
		*ret = UINT64_MAX;
		return true;
	}
	errno = 0;
	*ret = strtoull(text, &end, 10);
	return end != text && !errno;
}

bool cgroup_get_u64(const char *dir, const char *file, uint64_t *ret)
{
	owned_str text = STR_INIT;
	struct err ignored;

	return cgroup_get(dir, file, &text, &ignored) == 0 && number(str_text(&text), ret);
}

bool cgroup_get_key(const char *dir, const char *file, const char *key, uint64_t *ret)
{
	owned_str text = STR_INIT;
	struct err ignored;
	size_t n = strlen(key);

	if (cgroup_get(dir, file, &text, &ignored) < 0)
		return false;
	for (const char *p = str_text(&text); p; p = strchr(p, '\n')) {
		p += *p == '\n';
		if (strncmp(p, key, n) == 0 && p[n] == ' ')
			return number(p + n + 1, ret);
	}
	return false;
}

bool cgroup_has_word(const char *text, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = text; (p = strstr(p, word)); p += n)
		if ((p == text || strchr(" \n", p[-1])) && strchr(" \n", p[n]))
			return true;
	return false;
}

/* ---- the layout of the host ---- */

static const char *const known_controllers[] = {
	"cpuset", "cpu", "cpuacct", "blkio", "memory", "devices", "freezer", "net_cls",
	"perf_event", "net_prio", "hugetlb", "pids", "rdma", "misc", "dmem", "debug", NULL,
};

static bool is_controller(const char *name)
{
	return str_has_prefix(name, "name=") || str_find(known_controllers, name) >= 0;
}

/* Is `name` one of the comma-separated `list`? */
bool cgroup_listed(const char *list, const char *name)
{
	size_t n = strlen(name);

	if (!*name)
		return !*list;
	for (const char *p = list; *p; p += strcspn(p, ","), p += *p == ',')
		if (strcspn(p, ",") == n && strncmp(p, name, n) == 0)
			return true;
	return false;
}

/* A mount's path as mountinfo writes it: space, tab, newline and backslash are octal. */
static char *unescape(struct arena *a, const char *text)
{
	char *out = arena_strdup(a, text), *q = out;

	for (const char *p = text; *p; p++) {
		if (p[0] == '\\' && p[1] >= '0' && p[1] <= '3' && p[2] && p[3]) {
			*q++ = (char)((p[1] - '0') << 6 | (p[2] - '0') << 3 | (p[3] - '0'));
			p += 3;
		} else {
			*q++ = *p;
		}
	}
	*q = '\0';
	return out;
}

/* Containers leave mounts of the host's hierarchies about: the host's own is the better one. */
static int rank(const struct cgroup_hierarchy *h)
{
	return 2 * str_has_prefix(h->mount, "/sys/fs/cgroup") + str_equal(h->root, "/");
}

static void add_mount(struct cgroup *c, const struct cgroup_hierarchy *new)
{
	for (size_t i = 0; i < c->n; i++) {
		struct cgroup_hierarchy *old = &c->h[i];

		if (strcmp(old->controllers, new->controllers) != 0)
			continue;
		/* the later one hides the earlier at the same place */
		if (rank(new) > rank(old) || str_equal(new->mount, old->mount))
			*old = *new;
		return;
	}
	if (c->n < CGROUP_MOST)
		c->h[c->n++] = *new;
}

/* "ID PARENT MAJ:MIN ROOT MOUNT OPTIONS... - TYPE SOURCE SUPEROPTIONS" */
static void parse_mount(struct arena *a, char *line, struct cgroup *ret)
{
	struct cgroup_hierarchy h = { 0 };
	char *dash = strstr(line, " - "), *field[5], *type, *super, *more = NULL;
	owned_str list = STR_INIT;

	if (!dash || !str_has_prefix(dash + 3, "cgroup"))
		return;
	*dash = '\0';
	type = strtok_r(dash + 3, " ", &more);
	strtok_r(NULL, " ", &more);
	super = strtok_r(NULL, " ", &more);
	for (int i = 0; i < 5; i++) {
		field[i] = strtok_r(i ? NULL : line, " ", &more);
		if (!field[i])
			return;
	}
	h.root = unescape(a, field[3]);
	h.mount = unescape(a, field[4]);
	if (str_equal(type, "cgroup2")) {
		h.controllers = arena_strdup(a, "");
		add_mount(ret, &h);
		return;
	}
	if (!str_equal(type, "cgroup") || !super)
		return;
	for (char *o = strtok_r(super, ",", &more); o; o = strtok_r(NULL, ",", &more))
		if (is_controller(o))
			str_printf(&list, "%s%s", list.len ? "," : "", o);
	if (!list.len)
		return;
	h.controllers = arena_strdup(a, list.s);
	add_mount(ret, &h);
}

void cgroup_parse_mountinfo(struct arena *a, const char *text, struct cgroup *ret)
{
	char *copy = arena_strdup(a, text), *more = NULL;
	bool v1 = false, v2 = false;

	memset(ret, 0, sizeof *ret);
	for (char *line = strtok_r(copy, "\n", &more); line; line = strtok_r(NULL, "\n", &more))
		parse_mount(a, line, ret);
	for (size_t i = 0; i < ret->n; i++) {
		v1 |= *ret->h[i].controllers != '\0';
		v2 |= *ret->h[i].controllers == '\0';
	}
	ret->layout = v1 && v2 ? CGROUP_HYBRID : v1 ? CGROUP_V1 : v2 ? CGROUP_V2 : CGROUP_NONE;
}

int cgroup_detect(struct arena *a, struct cgroup *ret, struct err *e)
{
	owned_str text = STR_INIT;
	struct statfs fs;
	int r;

	/* The usual case needs no walk through what may be thousands of mounts. */
	if (statfs("/sys/fs/cgroup", &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC) {
		*ret = (struct cgroup){
			.layout = CGROUP_V2,
			.n = 1,
			.h[0] = {
				.controllers = arena_strdup(a, ""),
				.mount = arena_strdup(a, "/sys/fs/cgroup"),
			},
		};
		return 0;
	}
	r = file_read(AT_FDCWD, "/proc/self/mountinfo", 64 << 20, &text, e);
	if (r < 0)
		return r;
	cgroup_parse_mountinfo(a, str_text(&text), ret);
	return 0;
}

const struct cgroup_hierarchy *cgroup_hierarchy_of(const struct cgroup *c, const char *controller)
{
	for (size_t i = 0; i < c->n; i++) {
		if (!c->h[i].dir)
			continue;
		if (c->layout == CGROUP_V2 || cgroup_listed(c->h[i].controllers, controller))
			return &c->h[i];
	}
	return NULL;
}

/* ---- paths ---- */

/* Lines are "N:controllers:path"; version 2's is "0::path". */
char *cgroup_parse_own(struct arena *a, const char *text, const char *controllers)
{
	const char *first = controllers;
	size_t n = strcspn(first, ",");

	for (const char *p = text; *p; p += strcspn(p, "\n"), p += *p == '\n') {
		const char *list = memchr(p, ':', strcspn(p, "\n")), *path;

		if (!list)
			continue;
		path = memchr(list + 1, ':', strcspn(list + 1, "\n"));
		if (!path)
			continue;
		if (n) {
			/* co-mounted ones may be named in another order: one name tells */
			char *names = arena_strndup(a, list + 1, (size_t)(path - list - 1));
			char *name = arena_strndup(a, first, n);

			if (!cgroup_listed(names, name))
				continue;
		} else if (path != list + 1) {
			continue;
		}
		return arena_strndup(a, path + 1, strcspn(path + 1, "\n"));
	}
	return NULL;
}

int cgroup_own_path(struct arena *a, const struct cgroup_hierarchy *h, char **ret, struct err *e)
{
	owned_str text = STR_INIT;
	struct cgroup all;
	const char *root = h->root;
	char *own;
	int r;

	if (!root) {	/* cgroup_detect() took the short way */
		r = file_read(AT_FDCWD, "/proc/self/mountinfo", 64 << 20, &text, e);
		if (r < 0)
			return r;
		cgroup_parse_mountinfo(a, str_text(&text), &all);
		for (size_t i = 0; i < all.n; i++)
			if (str_equal(all.h[i].mount, h->mount))
				root = all.h[i].root;
		str_free(&text);
	}
	r = file_read(AT_FDCWD, "/proc/self/cgroup", FILE_MOST, &text, e);
	if (r < 0)
		return r;
	own = cgroup_parse_own(a, str_text(&text), h->controllers);
	if (!own)
		return err_say(e, ENOENT, "/proc/self/cgroup does not name hierarchy \"%s\"",
			       h->controllers);
	if (strstr(own, "/.."))
		return err_say(e, ENOENT, "this process's cgroup %s is outside its cgroup "
			       "namespace", own);
	if (root && strcmp(root, "/") != 0) {
		/* a container without a cgroup namespace: the mount shows a part only */
		size_t n = strlen(root);

		if (strncmp(own, root, n) != 0 || (own[n] && own[n] != '/'))
			return err_say(e, ENOENT,
				       "this process's cgroup %s is not below %s, which %s shows",
				       own, root, h->mount);
		own += n;
	}
	*ret = own;
	return 0;
}

/*
 * The container's path below h's mount.  Absolute ones are taken as they are; relative ones lie
 * beneath the runtime's own cgroup, on version 2 beside it (a cgroup with processes cannot hand
 * controllers to children): as with runc.
 */
int cgroup_container_path(struct arena *a, const struct cgroup *c,
			  const struct cgroup_hierarchy *h, const char *wanted, char **ret,
			  struct err *e)
{
	char *own = NULL, *clean = arena_clean_path(a, wanted);
	int r;

	if (strcmp(clean, "/") == 0)
		return err_say(e, EINVAL, "linux.cgroupsPath: \"%s\" is the root cgroup", wanted);
	if (wanted[0] == '/') {
		*ret = clean;
		return 0;
	}
	r = cgroup_own_path(a, h, &own, e);
	if (r < 0)
		return err_in(e, "linux.cgroupsPath: \"%s\" is relative", wanted);
	if (c->layout == CGROUP_V2 && strrchr(own, '/'))
		own = arena_strndup(a, own, (size_t)(strrchr(own, '/') - own));
	*ret = arena_clean_path(a, arena_printf(a, "%s%s", own, clean));
	return 0;
}
