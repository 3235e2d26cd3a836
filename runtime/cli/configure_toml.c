/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Podman's drop-in, and containerd's: a drop-in where the engine merges it
 * table by table, else a block at the end of config.toml.
 */
#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "cli/configure.h"
#include "cli/toml.h"

static struct strv path_of(struct arena *a, const char *const *parts)
{
	struct strv path = { 0 };

	for (; *parts; parts++)
		strv_add(a, &path, *parts);
	return path;
}

#define PATH(a, ...) path_of((a), (const char *const[]){ __VA_ARGS__, NULL })

static const char *quote(struct arena *a, const char *text)
{
	owned_str out = STR_INIT;

	str_puts(&out, "\"");
	for (; *text; text++)
		if (*text == '"' || *text == '\\')
			str_printf(&out, "\\%c", *text);
		else if ((unsigned char)*text < ' ' || *text == 0x7f)
			str_printf(&out, "\\u%04x", (unsigned)*text);
		else
			str_append(&out, text, 1);
	str_puts(&out, "\"");
	return arena_strdup(a, out.s);
}

static int scan_file(struct arena *a, const char *path, struct toml *ret, struct err *e)
{
	struct change c;

	if (change_open(a, path, &c, e) < 0)
		return -e->code;
	return toml_scan(a, c.before, c.path, ret, e);
}

/* ---- Podman ---- */

#define DROP_IN "50-agentrun.conf"

/* What Podman takes where no file says otherwise; of all its versions, as they are but names. */
static const char *const podman_json[] = { "crun", "runc", "kata", "runsc", "youki", "krun", NULL };

static int is_conf(const struct dirent *d)
{
	return str_has_suffix(d->d_name, ".conf");
}

/*
 * A list in a later file takes the place of the whole list: what the other
 * files name must stand in the drop-in again.  *ret_later is the file that
 * does the same to the drop-in.
 */
static int podman_names(struct arena *a, const char *dir, struct strv *ret, char **ret_later,
			struct err *e)
{
	const struct strv key = PATH(a, "engine", "runtime_supports_json");
	const char *drop_ins = arena_printf(a, "%s/containers.conf.d", dir);
	struct dirent **entries = NULL;
	int n = scandir(drop_ins, &entries, is_conf, alphasort), r = 0;

	for (int i = -1; (i < 0 || i < n) && r == 0; i++) {
		const char *name = i < 0 ? "containers.conf" : entries[i]->d_name;
		const char *path = arena_printf(a, "%s/%s", i < 0 ? dir : drop_ins, name);
		const struct toml_entry *entry;
		struct toml t;

		if (i >= 0 && strcmp(name, DROP_IN) == 0)
			continue;
		r = scan_file(a, path, &t, e);
		entry = r == 0 ? toml_find(&t, &key) : NULL;
		if (entry && i >= 0 && strcmp(name, DROP_IN) > 0)
			*ret_later = arena_strdup(a, path);
		else if (entry && toml_texts(a, entry, ret) < 0)
			r = err_say(e, EINVAL, "%s: line %zu: runtime_supports_json is no list of names",
				    path, entry->line);
	}
	for (int i = 0; i < n; i++)
		free(entries[i]);
	free(entries);
	return r;
}

int configure_podman(struct arena *a, const struct registration *r, struct change *ret,
		     struct str *say, struct err *e)
{
	const char *dir = arena_printf(a, "%s/containers", r->etc);
	struct strv names = PATH(a, podman_json[0]);
	owned_str text = STR_INIT;
	char *later = NULL;
	struct change c;

	for (size_t i = 1; podman_json[i]; i++)
		strv_add(a, &names, podman_json[i]);
	if (change_open(a, arena_printf(a, "%s/containers.conf.d/" DROP_IN, dir), &c, e) < 0 ||
	    podman_names(a, dir, &names, &later, e) < 0)
		return -e->code;
	if (strv_find(&names, "agentrun") < 0)
		strv_add(a, &names, "agentrun");
	str_puts(&text, "# Written by `agentrun configure podman`.\n[engine]\n"
			"# This list takes the place of others': theirs, and agentrun.\n"
			"runtime_supports_json = [");
	for (size_t i = 0; i < names.n; i++)
		str_printf(&text, "%s%s", i ? ", " : "", quote(a, names.v[i]));
	str_printf(&text, "]\n\n[engine.runtimes]\nagentrun = [%s]\n", quote(a, r->link));
	c.after = r->remove ? NULL : arena_strdup(a, text.s);
	if (later && !r->remove)
		str_printf(say, "Note: %s is read later and replaces runtime_supports_json:\n"
			   "add \"agentrun\" there, or errors of agentrun come without their text.\n",
			   later);
	str_puts(say, "Podman reads it at its next start: there is nothing to reload.\n");
	if (!r->remove)
		str_puts(say, "Then:  podman run --runtime=agentrun ...\n");
	*ret = c;
	return 0;
}

/* ---- containerd ---- */

#define BEGIN "# agentrun: begin (written by `agentrun configure containerd`)\n"
#define END "# agentrun: end\n"

struct containerd {
	struct toml toml;
	const char *others;	/* config.toml without our block */
	const char *base;	/* the same, with a version, to put the block behind */
	const char *plugin;	/* the CRI plugin's runtime part, by the format's version */
	bool cri;		/* not disabled */
	const char *drop_in;	/* NULL: the engine would not read, or not merge, one */
};

static int read_version(struct arena *a, struct containerd *c, const char *path, struct err *e)
{
	const struct strv key = PATH(a, "version");
	const struct toml_entry *entry = toml_find(&c->toml, &key);
	long version = entry ? strtol(entry->value, NULL, 10) : c->toml.n ? 1 : 2;

	c->base = c->toml.n ? c->others : arena_printf(a, "%sversion = 2\n", c->others);
	c->plugin = version >= 3 ? "io.containerd.cri.v1.runtime" : "io.containerd.grpc.v1.cri";
	if (version < 2 && c->cri)
		return err_say(e, ENOTSUP, "%s: is of version 1 of its format, which containerd 2 no "
			       "longer reads: change it to version 2 first", path);
	return 0;
}

static bool cri_enabled(struct arena *a, const struct toml *t)
{
	const struct strv key = PATH(a, "disabled_plugins");
	const struct toml_entry *entry = toml_find(t, &key);
	struct strv names = { 0 };

	if (!entry || toml_texts(a, entry, &names) < 0)
		return true;
	for (size_t i = 0; i < names.n; i++)
		if (strcmp(names.v[i], "cri") == 0 || str_has_suffix(names.v[i], ".cri") ||
		    strcmp(names.v[i], "io.containerd.cri.v1.runtime") == 0)
			return false;
	return true;
}

/*
 * containerd 1 puts an imported plugin table in the place of the whole one,
 * so that a drop-in would take the rest of the CRI plugin's settings away.
 * Only containerd 2 reads version 3.
 */
static const char *drop_in(struct arena *a, const struct containerd *c,
			   const struct registration *r)
{
	const char *path = arena_printf(a, "%s/containerd/conf.d/50-agentrun.toml", r->etc);
	const struct strv key = PATH(a, "imports");
	const struct toml_entry *entry = toml_find(&c->toml, &key);
	struct strv globs = { 0 };

	if (!entry || strcmp(c->plugin, "io.containerd.cri.v1.runtime") != 0 ||
	    toml_texts(a, entry, &globs) < 0)
		return NULL;
	for (size_t i = 0; i < globs.n; i++)
		if (fnmatch(globs.v[i], path, FNM_PATHNAME) == 0)
			return path;
	return NULL;
}

/* The text without our block; the text itself where there is none. */
static int cut_block(struct arena *a, const char *text, const char *path, const char **ret,
		     struct err *e)
{
	const char *begin = strstr(text, BEGIN), *end;

	if (!begin) {
		*ret = text;
		return 0;
	}
	end = strstr(begin, END);
	if (!end)
		return err_say(e, EINVAL, "%s: has \"# agentrun: begin\", but no \"# agentrun: end\"",
			       path);
	/* and the empty line before it */
	if (begin - text >= 2 && begin[-1] == '\n' && begin[-2] == '\n')
		begin--;
	*ret = arena_printf(a, "%.*s%s", (int)(begin - text), text, end + strlen(END));
	return 0;
}

static const char *block(struct arena *a, const struct containerd *c, const struct registration *r)
{
	const struct strv key = PATH(a, "plugins", c->plugin, "containerd", "runtimes", "runc",
				     "options", "SystemdCgroup");
	const struct toml_entry *systemd = toml_find(&c->toml, &key);
	owned_str text = STR_INIT;

	str_printf(&text, BEGIN "[plugins.\"%s\".containerd.runtimes.agentrun]\n", c->plugin);
	str_puts(&text, "  runtime_type = \"io.containerd.runc.v2\"\n"
			"  pod_annotations = [\"io.agentrun.*\"]\n"
			"  container_annotations = [\"io.agentrun.*\"]\n");
	str_printf(&text, "  [plugins.\"%s\".containerd.runtimes.agentrun.options]\n"
		   "    BinaryName = %s\n", c->plugin, quote(a, r->link));
	/* the kubelet has one cgroup driver for all runtimes */
	if (systemd)
		str_printf(&text, "    SystemdCgroup = %.*s\n", (int)systemd->n, systemd->value);
	str_puts(&text, END);
	return arena_strdup(a, text.s);
}

static int read_containerd(struct arena *a, const struct registration *r,
			   const struct change *main_file, struct containerd *ret, struct err *e)
{
	struct containerd c = { 0 };
	const struct toml_entry *other;
	struct strv table;

	if (cut_block(a, main_file->before, main_file->path, &c.others, e) < 0 ||
	    toml_scan(a, c.others, main_file->path, &c.toml, e) < 0)
		return -e->code;
	c.cri = cri_enabled(a, &c.toml);
	if (read_version(a, &c, main_file->path, e) < 0)
		return -e->code;
	c.drop_in = drop_in(a, &c, r);
	table = PATH(a, "plugins", c.plugin, "containerd", "runtimes", "agentrun");
	other = toml_touches(&c.toml, &table);
	if (other && !r->remove)
		return err_say(e, EEXIST, "%s: line %zu: defines agentrun, or the table that it "
			       "belongs to, in a form that configure does not edit: change it by "
			       "hand", main_file->path, other->line);
	*ret = c;
	return 0;
}

int configure_containerd(struct arena *a, const struct registration *r, struct change *ret,
			 struct str *say, struct err *e)
{
	struct change c;
	struct containerd d;
	size_t n;

	if (change_open(a, arena_printf(a, "%s/containerd/config.toml", r->etc), &c, e) < 0 ||
	    read_containerd(a, r, &c, &d, e) < 0)
		return -e->code;
	if (d.drop_in && d.cri && strcmp(d.others, c.before) == 0) {
		if (change_open(a, d.drop_in, &c, e) < 0)
			return -e->code;
		c.after = r->remove ? NULL : arena_printf(a, "version = 3\n\n%s", block(a, &d, r));
	} else if (r->remove || !d.cri) {
		c.after = c.exists ? d.others : NULL;
	} else {
		n = strlen(d.base);
		c.after = arena_printf(a, "%s%s\n%s", d.base, n && d.base[n - 1] != '\n' ? "\n" : "",
				       block(a, &d, r));
	}
	if (!d.cri)
		str_printf(say, "%s disables the CRI plugin: there is nothing to register.\n", c.path);
	else
		str_puts(say, "Have containerd read it:  systemctl restart containerd\n");
	if (!r->remove)
		str_printf(say, "Then, in Kubernetes:      a RuntimeClass with handler: agentrun\n"
			   "ctr needs no registration:\n"
			   "  ctr run --runc-binary %s IMAGE ID ...\n", r->link);
	*ret = c;
	return 0;
}
