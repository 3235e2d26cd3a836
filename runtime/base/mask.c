/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mask.h"

#include <fnmatch.h>
#include <stddef.h>
#include <string.h>

#include "base/str.h"

const char *mask_trim(struct arena *a, const char *pattern)
{
	bool at_top = false;
	char *p;

	while (*pattern == '/' || (pattern[0] == '.' && pattern[1] == '/')) {
		at_top = true;
		pattern++;
	}
	p = arena_printf(a, "%s%s", at_top ? "/" : "", pattern);
	for (;;) {
		if (str_has_suffix(p, "/**"))
			p[strlen(p) - 3] = '\0';
		else if (str_has_suffix(p, "/"))
			p[strlen(p) - 1] = '\0';
		else
			return p;
	}
}

bool mask_matches(const char *pattern, const char *path)
{
	const char *slash = strrchr(path, '/');

	if (*pattern == '/')
		return fnmatch(pattern + 1, path, FNM_PATHNAME | FNM_CASEFOLD) == 0;
	if (!strchr(pattern, '/'))
		return fnmatch(pattern, slash ? slash + 1 : path, FNM_CASEFOLD) == 0;
	if (strncmp(pattern, "**/", 3) != 0)
		return fnmatch(pattern, path, FNM_PATHNAME | FNM_CASEFOLD) == 0;
	/* "**" stands for any number of directories. */
	while (fnmatch(pattern + 3, path, FNM_PATHNAME | FNM_CASEFOLD) != 0) {
		path = strchr(path, '/');
		if (!path)
			return false;
		path++;
	}
	return true;
}

bool mask_is_plain(const char *pattern)
{
	return strchr(pattern, '/') && !strpbrk(pattern, "*?[\\");
}

bool mask_passes_by(const char *name)
{
	return strcmp(name, ".git") == 0 || strcmp(name, "node_modules") == 0;
}
