/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One session in the form that was asked for: a page for people, and its lines as
 * they stand in the log for programs.
 */
#include "audit/audit.h"

#include <string.h>

#include "audit/report.h"

/* ---- the page ---- */

static int show(const char *directory, const char *name, audit_profile_of *profile_of,
		void (*print)(const struct report *r, struct str *out), struct str *text, struct err *e)
{
	struct report report;
	int r = report_read(directory, name, profile_of, &report, e);

	if (r == 0)
		print(&report, text);
	report_free(&report);
	return r;
}

int audit_show(const char *directory, const char *name, audit_profile_of *profile_of, struct str *text,
	       struct err *e)
{
	return name ? show(directory, name, profile_of, page_text, text, e) :
		      audit_list(directory, text, e);
}

int audit_show_markdown(const char *directory, const char *name, audit_profile_of *profile_of,
			struct str *text, struct err *e)
{
	return show(directory, name, profile_of, page_markdown, text, e);
}

int audit_show_html(const char *directory, const char *name, audit_profile_of *profile_of,
		    struct str *text, struct err *e)
{
	return show(directory, name, profile_of, page_html, text, e);
}

/* ---- the lines ---- */

struct collect {
	const char *session;	/* NULL: every one */
	struct str *text;
};

static void visit_collect(void *ctx, const struct chain_frame *f, const char *line, size_t n)
{
	const struct collect *c = ctx;

	if (c->session && strcmp(c->session, f->session) != 0)
		return;
	str_append(c->text, line, n);
	str_puts(c->text, "\n");
}

int audit_show_json(const char *directory, const char *name, struct str *text, struct err *e)
{
	struct collect c = { .text = text };
	struct sessions all = { 0 };
	const struct session *it = NULL;
	int r = 0;

	if (name && (r = sessions_read(directory, false, &all, e)) == 0)
		r = sessions_find(&all, name, &it, e);
	if (r == 0) {
		c.session = it ? it->id : NULL;
		r = each_record(directory, visit_collect, &c, e);
	}
	sessions_free(&all);
	return r;
}
