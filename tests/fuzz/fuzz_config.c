/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: a container's configuration, from bytes to model and back.
 *
 * What is accepted must be written in a form that is accepted again and is
 * then written alike; and a copy must be written as its original.  The first
 * byte chooses the origin, so that the agent block is reached, too.  What
 * systemd is to be told is read from it as well.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "spec/spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void written(const struct spec *s, struct str *out)
{
	struct json_writer *w = json_writer_new(false);

	spec_write(s, w);
	json_writer_end(w, out);
}

/* NULL: refused.  A refusal sets the error, and nothing else does. */
static struct spec *parse(struct arena *a, const char *text, size_t size, enum spec_origin origin)
{
	struct err e = { 0 };
	struct spec *s = NULL;
	const struct json *tree = NULL;
	int r = json_parse(a, text, size, "f", &tree, &e);

	if (r == 0)
		r = spec_parse(a, tree, "f", origin, &s, &e);
	if (r != -e.code || r > 0 || (r == 0) != (s != NULL) || strlen(e.text) >= sizeof e.text)
		abort();
	return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	owned_arena a = ARENA_INIT;
	owned_str first = STR_INIT;
	owned_str second = STR_INIT;
	struct err e = { 0 };
	spec_properties properties;
	struct spec *s;

	if (!size)
		return 0;
	s = parse(&a, (const char *)data + 1, size - 1, data[0] & 1 ? SPEC_STATE : SPEC_BUNDLE);
	if (!s)
		return 0;
	if (spec_unit_properties(&a, s, &properties, &e) != -e.code)
		abort();
	written(s, &first);
	written(spec_copy(&a, s), &second);
	if (strcmp(first.s, second.s) != 0)
		abort();
	s = parse(&a, first.s, first.len, SPEC_STATE);
	if (!s)
		abort();
	second.len = 0;
	written(s, &second);
	if (strcmp(first.s, second.s) != 0)
		abort();
	return 0;
}
