/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a policy speaks: refusals in three lines, fields with their origins,
 * and lines of what was changed.
 */
#include <errno.h>
#include <stdarg.h>

#include "policy/internal.h"

int refuse(struct err *e, const char *policy, const char *remedy, const char *what_fmt, ...)
{
	owned_str what = STR_INIT;
	va_list ap;

	va_start(ap, what_fmt);
	str_vprintf(&what, what_fmt, ap);
	va_end(ap);
	return err_say(e, EPERM, "refused: %s\n  policy: %s\n  to allow it: %s", what.s, policy,
		       remedy);
}

static const char *profile_of(const struct spec_agent *agent)
{
	return agent->profile ? agent->profile : "?";
}

char *always(struct arena *a, const struct spec_agent *agent)
{
	return arena_printf(a, "always refused under a policy (profile %s)", profile_of(agent));
}

char *agent_say(struct arena *a, const struct spec_agent *agent, const char *field,
		const char *value)
{
	return arena_printf(a, "%s=%s (profile %s)", field, value, profile_of(agent));
}

char *exception(struct arena *a, const struct policy *p, const char *fmt, ...)
{
	owned_str what = STR_INIT;
	va_list ap;

	va_start(ap, fmt);
	str_vprintf(&what, fmt, ap);
	va_end(ap);
	return arena_printf(a, "the administrator adds %s in %s", what.s, policy_host_path(p));
}

char *safe_list(struct arena *a, const struct strv *list)
{
	owned_str text = STR_INIT;

	for (size_t i = 0; i < list->n; i++) {
		if (i)
			str_puts(&text, ", ");
		str_put_safe(&text, list->v[i], 100);
	}
	return arena_strdup(a, str_text(&text));
}

char *safe_text(struct arena *a, const char *text)
{
	owned_str safe = STR_INIT;

	str_put_safe(&safe, text, 300);
	return arena_strdup(a, str_text(&safe));
}

const char *policy_text(const struct policy *p, enum field_id id)
{
	return p->v[id].items.n ? p->v[id].items.v[0].text : NULL;
}

struct strv policy_list(struct arena *a, const struct policy *p, enum field_id id)
{
	struct strv list = { 0 };

	for (size_t i = 0; i < p->v[id].items.n; i++)
		strv_add(a, &list, p->v[id].items.v[i].text);
	return list;
}

char *policy_say(struct arena *a, const struct policy *p, enum field_id id)
{
	owned_str text = STR_INIT;
	const struct origin *from = p->v[id].from;

	str_printf(&text, "%s=", fields[id].name);
	value_put(&p->v[id], &text);
	if (!from || from->layer == LAYER_FALLBACK)
		str_printf(&text, " (profile %s)", p->profile);
	else
		str_printf(&text, " (%s)", from->text);
	return arena_strdup(a, text.s);
}

const char *policy_host_path(const struct policy *p)
{
	return p->host.path ? p->host.path : HOST_POLICY;
}

void note(struct arena *a, struct spec_agent *agent, const char *fmt, ...)
{
	owned_str line = STR_INIT;
	va_list ap;

	va_start(ap, fmt);
	str_vprintf(&line, fmt, ap);
	va_end(ap);
	strv_add(a, &agent->changes, line.s);
}
