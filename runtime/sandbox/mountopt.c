/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/mountopt.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/mount.h>

#define N(array) (sizeof(array) / sizeof((array)[0]))

enum kind {
	ATTR,			/* set and clear are MOUNT_ATTR_* */
	ATTR_BELOW,		/* the same, of the mount and of all below it */
	PROPAGATION,		/* set is MS_SHARED, ...; below: with MS_REC */
	SUPERBLOCK,		/* the kernel's own word, handed to the file system's context */
	BIND, RBIND, REMOUNT, COPYUP, IDMAP, RIDMAP,
	LOGGING,		/* how much the kernel logs */
	NOTHING,		/* "defaults" */
};

struct option {
	const char *name;
	enum kind kind;
	uint64_t set, clear;
	bool below;
};

/* The access time setting is one value of three bits: whoever sets it clears the whole first. */
#define ATIME(how) .set = (how), .clear = MOUNT_ATTR__ATIME

static const struct option table[] = {
	{ "async", .kind = SUPERBLOCK },
	{ "atime", .kind = ATTR, ATIME(MOUNT_ATTR_RELATIME) },
	{ "bind", .kind = BIND },
	{ "defaults", .kind = NOTHING },
	{ "dev", .kind = ATTR, .clear = MOUNT_ATTR_NODEV },
	{ "diratime", .kind = ATTR, .clear = MOUNT_ATTR_NODIRATIME },
	{ "dirsync", .kind = SUPERBLOCK },
	{ "exec", .kind = ATTR, .clear = MOUNT_ATTR_NOEXEC },
	{ "idmap", .kind = IDMAP },
	{ "iversion", .kind = SUPERBLOCK },
	{ "lazytime", .kind = SUPERBLOCK },
	{ "loud", .kind = LOGGING },
	{ "mand", .kind = SUPERBLOCK },
	{ "noatime", .kind = ATTR, ATIME(MOUNT_ATTR_NOATIME) },
	{ "nodev", .kind = ATTR, .set = MOUNT_ATTR_NODEV },
	{ "nodiratime", .kind = ATTR, .set = MOUNT_ATTR_NODIRATIME },
	{ "noexec", .kind = ATTR, .set = MOUNT_ATTR_NOEXEC },
	{ "noiversion", .kind = SUPERBLOCK },
	{ "nolazytime", .kind = SUPERBLOCK },
	{ "nomand", .kind = SUPERBLOCK },
	{ "norelatime", .kind = ATTR, ATIME(MOUNT_ATTR_RELATIME) },
	{ "nostrictatime", .kind = ATTR, ATIME(MOUNT_ATTR_RELATIME) },
	{ "nosuid", .kind = ATTR, .set = MOUNT_ATTR_NOSUID },
	{ "nosymfollow", .kind = ATTR, .set = MOUNT_ATTR_NOSYMFOLLOW },
	{ "private", .kind = PROPAGATION, .set = MS_PRIVATE },
	{ "ratime", .kind = ATTR_BELOW, ATIME(MOUNT_ATTR_RELATIME) },
	{ "rbind", .kind = RBIND },
	{ "rdev", .kind = ATTR_BELOW, .clear = MOUNT_ATTR_NODEV },
	{ "rdiratime", .kind = ATTR_BELOW, .clear = MOUNT_ATTR_NODIRATIME },
	{ "relatime", .kind = ATTR, ATIME(MOUNT_ATTR_RELATIME) },
	{ "remount", .kind = REMOUNT },
	{ "rexec", .kind = ATTR_BELOW, .clear = MOUNT_ATTR_NOEXEC },
	{ "ridmap", .kind = RIDMAP },
	{ "rnoatime", .kind = ATTR_BELOW, ATIME(MOUNT_ATTR_NOATIME) },
	{ "rnodev", .kind = ATTR_BELOW, .set = MOUNT_ATTR_NODEV },
	{ "rnodiratime", .kind = ATTR_BELOW, .set = MOUNT_ATTR_NODIRATIME },
	{ "rnoexec", .kind = ATTR_BELOW, .set = MOUNT_ATTR_NOEXEC },
	{ "rnorelatime", .kind = ATTR_BELOW, ATIME(MOUNT_ATTR_RELATIME) },
	{ "rnostrictatime", .kind = ATTR_BELOW, ATIME(MOUNT_ATTR_RELATIME) },
	{ "rnosuid", .kind = ATTR_BELOW, .set = MOUNT_ATTR_NOSUID },
	{ "rnosymfollow", .kind = ATTR_BELOW, .set = MOUNT_ATTR_NOSYMFOLLOW },
	{ "ro", .kind = ATTR, .set = MOUNT_ATTR_RDONLY },
	{ "rprivate", .kind = PROPAGATION, .set = MS_PRIVATE, .below = true },
	{ "rrelatime", .kind = ATTR_BELOW, ATIME(MOUNT_ATTR_RELATIME) },
	{ "rro", .kind = ATTR_BELOW, .set = MOUNT_ATTR_RDONLY },
	{ "rrw", .kind = ATTR_BELOW, .clear = MOUNT_ATTR_RDONLY },
	{ "rshared", .kind = PROPAGATION, .set = MS_SHARED, .below = true },
	{ "rslave", .kind = PROPAGATION, .set = MS_SLAVE, .below = true },
	{ "rstrictatime", .kind = ATTR_BELOW, ATIME(MOUNT_ATTR_STRICTATIME) },
	{ "rsuid", .kind = ATTR_BELOW, .clear = MOUNT_ATTR_NOSUID },
	{ "rsymfollow", .kind = ATTR_BELOW, .clear = MOUNT_ATTR_NOSYMFOLLOW },
	{ "runbindable", .kind = PROPAGATION, .set = MS_UNBINDABLE, .below = true },
	{ "rw", .kind = ATTR, .clear = MOUNT_ATTR_RDONLY },
	{ "shared", .kind = PROPAGATION, .set = MS_SHARED },
	{ "silent", .kind = LOGGING },
	{ "slave", .kind = PROPAGATION, .set = MS_SLAVE },
	{ "strictatime", .kind = ATTR, ATIME(MOUNT_ATTR_STRICTATIME) },
	{ "suid", .kind = ATTR, .clear = MOUNT_ATTR_NOSUID },
	{ "symfollow", .kind = ATTR, .clear = MOUNT_ATTR_NOSYMFOLLOW },
	{ "sync", .kind = SUPERBLOCK },
	{ "tmpcopyup", .kind = COPYUP },
	{ "unbindable", .kind = PROPAGATION, .set = MS_UNBINDABLE },
};

static_assert(N(table) == 62, "an option was added: say so in the manual's list too");

const char *const *mountopt_names(void)
{
	static const char *names[N(table) + 1];

	for (size_t i = 0; i < N(table); i++)
		names[i] = table[i].name;
	return names;
}

static const struct option *find(const char *name)
{
	for (size_t i = 0; i < N(table); i++)
		if (strcmp(table[i].name, name) == 0)
			return &table[i];
	return NULL;
}

bool mountopt_propagation(const char *name, struct mountopt_propagation *ret)
{
	const struct option *o = find(name);

	if (!o || o->kind != PROPAGATION)
		return false;
	*ret = (struct mountopt_propagation){ (unsigned long)o->set, o->below };
	return true;
}

/* The later option wins: "ro,rw" is rw. */
static void fold(const struct option *o, uint64_t *set, uint64_t *clear)
{
	*set = (*set & ~o->clear) | o->set;
	*clear = (*clear & (~o->set | MOUNT_ATTR__ATIME)) | o->clear;
}

static void add_data(struct arena *a, struct strv *data, const char *text, size_t n)
{
	if (n)
		strv_add(a, data, arena_strndup(a, text, n));
}

/*
 * One text may hold several options, as mount(8) has them.  A comma inside
 * quotes (context="...,c2") and in the list of an NUMA policy is no separator.
 */
static void split_data(struct arena *a, struct strv *data, const char *text)
{
	while (*text) {
		bool whole = strncmp(text, "mpol=", 5) == 0, quoted = false;
		char *unquoted = arena_strdup(a, text), *w = unquoted;

		for (; *text && (quoted || whole || *text != ','); text++) {
			if (*text == '"')
				quoted = !quoted;
			else
				*w++ = *text;
		}
		add_data(a, data, unquoted, (size_t)(w - unquoted));
		text += *text == ',';
	}
}

int mountopt_parse(struct arena *a, const struct strv *options, struct mountopt *ret,
		   struct err *e)
{
	struct mountopt m = { 0 };
	struct strv data = { 0 };

	for (size_t i = 0; i < options->n; i++) {
		const char *text = options->v[i];
		const struct option *o = find(text);

		if (!o) {
			split_data(a, &data, text);
			continue;
		}
		switch (o->kind) {
		case ATTR:
			fold(o, &m.set, &m.clear);
			break;
		case ATTR_BELOW:
			fold(o, &m.recursive_set, &m.recursive_clear);
			break;
		case PROPAGATION:
			if (m.n_propagation == MOUNTOPT_MOST_PROPAGATION)
				return err_say(e, EINVAL, "more than %d propagation options",
					       MOUNTOPT_MOST_PROPAGATION);
			m.propagation[m.n_propagation++] =
				(struct mountopt_propagation){ (unsigned long)o->set, o->below };
			break;
		case SUPERBLOCK:
			strv_add(a, &data, o->name);
			m.flags = true;
			break;
		case LOGGING:
			m.flags = true;
			break;
		case RBIND:
			m.recursive_bind = true;
			m.bind = true;
			break;
		case BIND:
			m.bind = true;
			break;
		case REMOUNT:
			m.remount = true;
			break;
		case COPYUP:
			m.tmpcopyup = true;
			break;
		case RIDMAP:
			m.recursive_idmap = true;
			m.idmap = true;
			break;
		case IDMAP:
			m.idmap = true;
			break;
		case NOTHING:
			break;
		}
	}
	m.data.v = (const char **)data.v;
	m.data.n = data.n;
	*ret = m;
	return 0;
}

void mountopt_add_data(struct arena *a, struct mountopt *o, const char *option)
{
	struct strv old = { (char **)o->data.v, o->data.n }, data = strv_copy(a, &old);

	strv_add(a, &data, option);
	o->data.v = (const char **)data.v;
	o->data.n = data.n;
}

bool mountopt_has_data(const struct mountopt *o, const char *key)
{
	size_t n = strlen(key);

	for (size_t i = 0; i < o->data.n; i++)
		if (strncmp(o->data.v[i], key, n) == 0 &&
		    (o->data.v[i][n] == '=' || !o->data.v[i][n]))
			return true;
	return false;
}
