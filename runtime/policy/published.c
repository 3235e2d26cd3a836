/* SPDX-License-Identifier: Apache-2.0 */
/*
 * published: which ports of the container its engine publishes (docker run -p).
 *
 * Docker tells a runtime nothing of them, but keeps its own files about the
 * container beside the hosts file that it mounts: hostconfig.json and, for -P,
 * config.v2.json (dockerd 20.10 to 28).  Other engines keep theirs in
 * databases; there ingress.allow says it.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "policy/internal.h"

enum { FILE_MOST = 4 << 20 };

/* Only the engine's own word counts: a file that nobody else can write. */
static const struct json *read_engine_file(struct arena *a, const char *directory, const char *name,
					   uid_t euid)
{
	owned_fd fd = open(arena_printf(a, "%s/%s", directory, name),
			   O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK);
	owned_str text = STR_INIT;
	const struct json *tree;
	struct stat st;
	struct err e;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_mode & 022 ||
	    (st.st_uid != 0 && st.st_uid != euid))
		return NULL;
	if (fd_read_all(fd, FILE_MOST, name, &text, &e) < 0 ||
	    json_parse(a, str_text(&text), text.len, name, &tree, &e) < 0)
		return NULL;
	return tree;
}

/* The keys of an object like {"80/tcp": ..., "53/udp": ...}; the table's rule holds for both protocols. */
static void add_ports(struct arena *a, const struct json *object, struct strv *ret)
{
	for (size_t i = 0; object && object->type == JSON_OBJECT && i < object->n; i++) {
		char *end;
		unsigned long port = strtoul(object->keys[i], &end, 10);
		char *text;

		if (port < 1 || port > 65535 || (*end && *end != '/'))
			continue;
		text = arena_printf(a, "%lu", port);
		if (strv_find(ret, text) < 0)
			strv_add(a, ret, text);
	}
}

void find_published(struct arena *a, const struct spec *s, struct facts *f)
{
	for (size_t i = 0; i < f->mounts.n; i++) {
		const struct fact_mount *m = &f->mounts.v[i];
		const struct json *host, *all;
		char *directory, *slash;
		bool engines = false;

		if (strcmp(s->mounts.v[i].destination, "/etc/hosts") != 0 || m->fd < 0 || !m->resolved ||
		    !str_has_suffix(m->resolved, "/hosts"))
			continue;
		for (size_t k = 0; k < f->engine_roots.n; k++) {
			const char *root = f->engine_roots.v[k];

			engines |= str_has_prefix(m->resolved, root) && m->resolved[strlen(root)] == '/';
		}
		if (!engines)
			continue;
		directory = arena_strdup(a, m->resolved);
		slash = strrchr(directory, '/');
		*slash = 0;
		host = read_engine_file(a, directory, "hostconfig.json", f->euid);
		if (!host)
			continue;
		add_ports(a, json_get(host, "PortBindings"), &f->published);
		all = json_get(host, "PublishAllPorts");
		if (all && all->type == JSON_BOOL && all->boolean) {
			host = read_engine_file(a, directory, "config.v2.json", f->euid);
			add_ports(a, json_get(json_get(host, "Config"), "ExposedPorts"), &f->published);
		}
	}
}
