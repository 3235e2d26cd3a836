/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is asked of a model, whoever made it; which members it has is in fields.c,
 * how it is read and written in model.c, what must hold in check.c.
 */
#include "spec/spec.h"

#include <stdlib.h>
#include <string.h>

const struct spec_namespace *spec_namespace_find(const struct spec *s, const char *type)
{
	for (size_t i = 0; s->linux_ && i < s->linux_->namespaces.n; i++)
		if (strcmp(s->linux_->namespaces.v[i].type, type) == 0)
			return &s->linux_->namespaces.v[i];
	return NULL;
}

bool spec_keeps_groups(const struct spec *s)
{
	const char *v = kvs_get(&s->annotations, SPEC_KEEP_GROUPS);

	return v && strcmp(v, "0") != 0;
}

bool spec_mount_is_bind(const struct spec_mount *m)
{
	return strv_find(&m->options, "bind") >= 0 || strv_find(&m->options, "rbind") >= 0;
}

void spec_bind_own(struct arena *a, struct spec *s, struct spec_mount *m, const char *destination,
		   const char *source)
{
	static const char *const options[] = { "bind", "ro", "nosuid", "nodev", "noexec" };
	struct spec_mount *list;

	if (!m) {
		list = arena_array(a, struct spec_mount, s->mounts.n + 1);
		if (s->mounts.n)
			memcpy(list, s->mounts.v, s->mounts.n * sizeof *list);
		s->mounts.v = list;
		m = &list[s->mounts.n++];
	}
	*m = (struct spec_mount){ .destination = arena_strdup(a, destination),
				  .type = arena_strdup(a, "bind"),
				  .source = arena_strdup(a, source),
				  .source_fd = -1 };
	for (size_t i = 0; i < sizeof options / sizeof *options; i++)
		strv_add(a, &m->options, options[i]);
}

const char *spec_net_device_name(const struct spec_net_device *d)
{
	return d->name ? d->name : d->host_name;
}

/* A key that ends with '.' stands for all below it. */
static const struct { const char *key, *namespace; } sysctls[] = {
	{ "fs.mqueue.", "ipc" },
	{ "kernel.domainname", "uts" },
	{ "kernel.msgmax", "ipc" },
	{ "kernel.msgmnb", "ipc" },
	{ "kernel.msgmni", "ipc" },
	{ "kernel.sem", "ipc" },
	{ "kernel.shm_rmid_forced", "ipc" },
	{ "kernel.shmall", "ipc" },
	{ "kernel.shmmax", "ipc" },
	{ "kernel.shmmni", "ipc" },
	{ "net.", "network" },
};

const char *spec_sysctl_namespace(const char *key)
{
	for (size_t i = 0; i < sizeof sysctls / sizeof *sysctls; i++) {
		const char *k = sysctls[i].key;

		if (str_has_suffix(k, ".") ? str_has_prefix(key, k) : strcmp(key, k) == 0)
			return sysctls[i].namespace;
	}
	return NULL;
}

struct variable {
	char *text;
	size_t at;
};

/* By name, and of the same name by place. */
static int compare_names(const char *a, const char *b)
{
	while (*a && *a == *b && *a != '=')
		a++, b++;
	return (unsigned char)*a - (unsigned char)*b;
}

static int compare_variables(const void *a, const void *b)
{
	const struct variable *x = a, *y = b;
	int by_name = compare_names(x->text, y->text);

	return by_name ? by_name : x->at < y->at ? -1 : 1;
}

void spec_settle_env(struct strv *env)
{
	struct variable *sorted = must(calloc(env->n + 1, sizeof *sorted));
	size_t n = 0;

	for (size_t i = 0; i < env->n; i++)
		sorted[i] = (struct variable){ env->v[i], i };
	qsort(sorted, env->n, sizeof *sorted, compare_variables);
	for (size_t i = 0, k; i < env->n; i = k) {
		for (k = i + 1; k < env->n && compare_names(sorted[i].text, sorted[k].text) == 0; k++)
			env->v[sorted[k].at] = NULL;
		env->v[sorted[i].at] = sorted[k - 1].text;
	}
	for (size_t i = 0; i < env->n; i++)
		if (env->v[i])
			env->v[n++] = env->v[i];
	env->n = n;
	free(sorted);
}
