/* SPDX-License-Identifier: Apache-2.0 */
/* The report for a terminal. */
#include <string.h>

#include "audit/report.h"

/* Without the marks: a terminal needs to know no more than that it is safe. */
static void put(struct str *out, const char *text)
{
	static const char marks[] = REPORT_QUOTE REPORT_UNQUOTE;

	while (*text) {
		size_t n = strcspn(text, marks);

		str_append(out, text, n);
		text += n + strspn(text + n, marks);
	}
}

static void put_lines(struct str *out, const struct report_lines *lines, bool listed)
{
	for (size_t i = 0; i < lines->n; i++) {
		const struct report_line *l = &lines->v[i];

		if (l->name)
			str_printf(out, "  %-13s", l->name);
		else
			str_puts(out, listed ? "  - " : "  ");
		put(out, l->text);
		str_puts(out, "\n");
	}
}

void page_text(const struct report *r, struct str *out)
{
	bool below = false;	/* a sentence, or a list of some */

	put(out, r->title);
	str_puts(out, "\n  ");
	for (size_t i = 0; i < r->facts.n; i++) {
		str_printf(out, "%s%s: ", i ? " | " : "", r->facts.v[i].name);
		put(out, r->facts.v[i].text);
	}
	str_puts(out, "\n");
	put_lines(out, &r->head, false);
	for (size_t i = 0; i < r->n_sections; i++) {
		const struct report_section *s = &r->sections[i];

		if (!s->lines.n)
			continue;
		/* a sentence stands beside its title */
		if (s->lines.n == 1 && !s->lines.v[0].name) {
			str_printf(out, "%s%s: ", below ? "" : "\n", s->title);
			put(out, s->lines.v[0].text);
			str_puts(out, "\n");
			below = true;
			continue;
		}
		str_printf(out, "%s%s\n", below && s->listed ? "" : "\n", s->title);
		put_lines(out, &s->lines, s->listed);
		below = s->listed;
	}
}
