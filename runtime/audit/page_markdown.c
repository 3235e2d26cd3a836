/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The report for a pull request: GitHub's Markdown.
 *
 * What comes from a record stands in a code span, in which nothing has a meaning: no HTML, no link,
 * no mention of a user, no reference to an issue.  Our own words hold no syntax but what is meant.
 */
#include <string.h>

#include "audit/report.h"

/* A backtick is escaped as str_put_safe() escapes: a longer fence around it would do as well, but for the
 * readers that know fences only up to some length. */
static void put_code(struct str *out, const char *text, size_t n)
{
	str_puts(out, "`");
	if (!n)
		str_puts(out, "\"\"");	/* there is no empty code span */
	for (size_t i = 0; i < n; i++) {
		if (text[i] == '`')
			str_puts(out, "\\x60");
		else
			str_append(out, text + i, 1);
	}
	str_puts(out, "`");
}

static void put(struct str *out, const char *text)
{
	while (*text) {
		size_t n = strcspn(text, REPORT_QUOTE);

		str_append(out, text, n);
		text += n;
		if (!*text)
			return;
		n = strcspn(++text, REPORT_UNQUOTE);
		put_code(out, text, n);
		text += n + 1;
	}
}

static void put_toned(struct str *out, const struct report_line *l)
{
	/* a code span is no less bold for the stars around it */
	const char *stars = l->tone == TONE_BAD ? "**" : "";

	str_puts(out, stars);
	put(out, l->text);
	str_puts(out, stars);
}

static void put_lines(struct str *out, const struct report_lines *lines)
{
	for (size_t i = 0; i < lines->n; i++) {
		const struct report_line *l = &lines->v[i];

		if (l->name && !*l->name)
			str_puts(out, "  - ");		/* below the line that it goes on */
		else
			str_puts(out, "- ");
		if (l->name && *l->name)
			str_printf(out, "%s: ", l->name + strspn(l->name, " "));
		put_toned(out, l);
		str_puts(out, "\n");
	}
}

static void put_section(struct str *out, const char *title, const struct report_lines *lines)
{
	str_printf(out, "\n### %s\n\n", title);
	put_lines(out, lines);
}

void page_markdown(const struct report *r, struct str *out)
{
	str_puts(out, "## agentrun: ");
	put(out, r->title);
	str_puts(out, "\n\n");
	for (size_t i = 0; i < r->facts.n; i++) {
		str_printf(out, "%s%s: ", i ? " · " : "", r->facts.v[i].name);
		put_toned(out, &r->facts.v[i]);
	}
	str_puts(out, "\n\n<details><summary>What it was, what it was allowed, did and cost</summary>\n");
	put_section(out, "What it was", &r->head);
	for (size_t i = 0; i < r->n_sections; i++)
		if (r->sections[i].lines.n)
			put_section(out, r->sections[i].title, &r->sections[i].lines);
	str_puts(out, "\n</details>\n");
}
