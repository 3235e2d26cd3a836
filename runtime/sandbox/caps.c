/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/caps.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/capability.h>

#include "base/arena.h"
#include "base/log.h"
#include "base/str.h"

/* The kernel's masks have 64 bits; no number beyond can ever be a capability. */
enum { CAPS_MOST = 64, NAME_MOST = 32 };

int caps_number(const char *name)
{
	char lower[sizeof "cap_" + NAME_MOST];
	cap_value_t number;
	size_t n;

	if (strncasecmp(name, "CAP_", 4) == 0)
		name += 4;
	n = strlen(name);
	/* cap_from_name() also takes numbers, and text that merely begins with a name. */
	if (n == 0 || n > NAME_MOST || !isalpha((unsigned char)name[0]))
		return -1;
	memcpy(lower, "cap_", 4);
	for (size_t i = 0; i <= n; i++)
		lower[4 + i] = (char)tolower((unsigned char)name[i]);
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)name[i]) && name[i] != '_')
			return -1;
	if (cap_from_name(lower, &number) < 0)
		return -1;
	return number;
}

const char *caps_name(int number)
{
	/* The specification's spelling. Filled on first use: libcap gives allocated lower-case
	 * names, and a name once filled never changes. */
	static char names[CAPS_MOST][sizeof "CAP_" + NAME_MOST];
	char *known;

	if (number < 0 || number >= CAPS_MOST)
		return NULL;
	if (names[number][0])
		return names[number];
	known = cap_to_name(number);
	if (!known)
		return NULL;
	/* For a number without a name cap_to_name() gives digits. */
	if (isalpha((unsigned char)known[0]) && strlen(known) < sizeof names[number])
		for (size_t i = 0; known[i]; i++)
			names[number][i] = (char)toupper((unsigned char)known[i]);
	cap_free(known);
	return names[number][0] ? names[number] : NULL;
}

/* What libcap asked the kernel, one bit after the other, as the program began. */
int caps_last(void)
{
	int last = cap_max_bits() - 1;

	return last < CAPS_MOST ? last : CAPS_MOST - 1;
}

/* config.md, "Linux Process": what cannot be granted is for a warning, and should be no failure. */
static uint64_t mask_of(const struct strv *names, int last, struct strv *ignored, struct arena *a)
{
	uint64_t mask = 0;

	for (size_t i = 0; i < names->n; i++) {
		/* "CHOWN" is for people (exec --cap): to the specification, runc and crun it is
		 * not the name of a capability. */
		int number = strncasecmp(names->v[i], "CAP_", 4) == 0 ?
			caps_number(names->v[i]) : -1;

		/* Beyond the last: an older kernel than the engine thought of. */
		if (number >= 0 && number <= last)
			mask |= UINT64_C(1) << number;
		else if (strv_find(ignored, names->v[i]) < 0)
			strv_add(a, ignored, names->v[i]);
	}
	return mask;
}

static void warn_of(const struct strv *ignored)
{
	owned_str text = STR_INIT;

	for (size_t i = 0; i < ignored->n; i++) {
		str_puts(&text, i ? " " : "");
		str_put_safe(&text, ignored->v[i], 64);
	}
	if (ignored->n)
		log_warn("process.capabilities: ignoring unknown or unavailable capabilities: [%s]",
			 text.s);
}

int caps_from_spec(const struct spec_capabilities *c, struct caps *ret, struct err *e)
{
	struct caps caps = { 0 };
	owned_arena a = ARENA_INIT;
	struct strv ignored = { 0 };
	int last;

	if (!c) {
		*ret = caps;
		return 0;
	}
	last = caps_last();
	const struct {
		const struct strv *names;
		uint64_t *mask;
	} sets[] = {
		{ &c->bounding, &caps.bounding },
		{ &c->effective, &caps.effective },
		{ &c->permitted, &caps.permitted },
		{ &c->inheritable, &caps.inheritable },
		{ &c->ambient, &caps.ambient },
	};

	for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++)
		*sets[i].mask = mask_of(sets[i].names, last, &ignored, &a);
	warn_of(&ignored);
	/* capset(2) would say EPERM, and not which. */
	if (caps.effective & ~caps.permitted)
		return err_say(e, EINVAL,
			       "process.capabilities.effective: %s is not in permitted",
			       caps_name(__builtin_ctzll(caps.effective & ~caps.permitted)));
	/* The kernel raises an ambient capability only if it is permitted and inheritable. */
	for (uint64_t not = caps.ambient & ~(caps.permitted & caps.inheritable); not;
	     not &= not - 1)
		log_warn("process.capabilities: can't raise ambient capability %s: it is not permitted and inheritable",
			 caps_name(__builtin_ctzll(not)));
	caps.ambient &= caps.permitted & caps.inheritable;
	/* CVE-2022-29162: what is inheritable for no ambient capability's sake would only serve a
	 * file with inheritable capabilities. */
	caps.inheritable = caps.ambient;
	*ret = caps;
	return 0;
}
