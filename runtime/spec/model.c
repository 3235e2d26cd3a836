/* SPDX-License-Identifier: Apache-2.0 */
/* The model, whole or a part, made of a text or a file by the tables of fields.c, and written by them. */
#include "spec/fields.h"

#include <errno.h>
#include <sys/stat.h>

#include "spec/object.h"

int spec_parse(struct arena *a, const struct json *tree, const char *what,
	       enum spec_origin origin, struct spec **ret, struct err *e)
{
	struct spec *s = arena_new(a, struct spec);
	int error;

	if (origin == SPEC_BUNDLE && json_get(tree, "agent"))
		return json_say(e, EPERM, what, &(struct json_path){ NULL, "agent", 0 },
				"only agentrun itself writes this block; a bundle asks for a "
				"policy by annotations (io.agentrun.*)");
	error = object_read(a, &object_config, tree, what, s, e);
	if (!error && !s->process) {	/* config.md: required only when start is called */
		s->no_process = true;
		s->process = arena_new(a, struct spec_process);
		s->process->cwd = arena_strdup(a, "/");
	}
	if (!error)
		error = spec_check(s, what, e);
	if (error < 0)
		return error;
	*ret = s;
	return 0;
}

int spec_read(struct arena *a, int dirfd, const char *path, enum spec_origin origin,
	      struct spec **ret, struct err *e)
{
	owned_arena trees = ARENA_INIT;
	const struct json *tree;
	struct stat st;
	int r;

	if (fstatat(dirfd, path, &st, 0) == 0 && !S_ISREG(st.st_mode))
		return err_say(e, EINVAL, "%s: is not a regular file", path);	/* a FIFO would wait */
	r = json_read_file(&trees, dirfd, path, &tree, e);
	if (r < 0)
		return r;
	return spec_parse(a, tree, path, origin, ret, e);
}

struct spec *spec_copy(struct arena *a, const struct spec *s)
{
	struct spec *copy = arena_memdup(a, s, sizeof *s);

	object_own_parts(a, &object_config, copy);
	return copy;
}

void spec_write(const struct spec *s, struct json_writer *w)
{
	struct spec copy = *s;

	if (s->no_process)
		copy.process = NULL;
	object_write(&object_config, &copy, w);
}

int spec_parse_process(struct arena *a, const struct json *tree, const char *what,
		       struct spec_process **ret, struct err *e)
{
	struct spec_process *p = arena_new(a, struct spec_process);
	int error = object_read(a, &object_process, tree, what, p, e);

	if (!error)
		error = check_process(p, what, NULL, e);
	if (error < 0)
		return error;
	*ret = p;
	return 0;
}

int spec_parse_resources(struct arena *a, const struct json *tree, const char *what,
			 struct spec_resources **ret, struct err *e)
{
	struct spec_resources *resources = arena_new(a, struct spec_resources);
	int error = object_read(a, &object_resources, tree, what, resources, e);

	if (!error)
		error = check_resources(resources, what, NULL, e);
	if (error < 0)
		return error;
	*ret = resources;
	return 0;
}

int spec_parse_seccomp(struct arena *a, const struct json_text *profile,
		       struct spec_seccomp **ret, struct err *e)
{
	struct spec_seccomp *s = arena_new(a, struct spec_seccomp);
	const struct json *tree;
	int error = json_parse(a, profile->text, profile->size, profile->what, &tree, e);

	if (!error)
		error = object_read(a, &object_seccomp, tree, profile->what, s, e);
	if (!error)
		error = check_seccomp(s, profile->what, NULL, e);
	/* The kernel takes one listener, which is the engine's to name. */
	if (!error && spec_seccomp_notifies(s))
		error = err_say(e, EINVAL, "%s: a profile cannot use SCMP_ACT_NOTIFY", profile->what);
	if (error < 0)
		return error;
	*ret = s;
	return 0;
}

void spec_write_process(const struct spec_process *p, struct json_writer *w)
{
	object_write(&object_process, p, w);
}

void spec_write_resources(const struct spec_resources *r, struct json_writer *w)
{
	object_write(&object_resources, r, w);
}
