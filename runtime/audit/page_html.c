/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The report for a browser: one file without a script, which may load nothing (its policy in
 * `head` forbids all but its own styles), so that what an agent wrote into it can do nothing.
 */
#include <string.h>

#include "audit/report.h"

static const char head[] =
	"<!DOCTYPE html>\n"
	"<html lang=\"en\">\n"
	"<head>\n"
	"<meta charset=\"utf-8\">\n"
	"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
	"style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">\n"
	"<meta name=\"referrer\" content=\"no-referrer\">\n"
	"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n";

static const char style[] =
	"<style>\n"
	":root { color-scheme: light dark; --page: #f5f6f8; --card: #fff; --ink: #1c2330;\n"
	"  --soft: #5d6778; --rule: #dde1e8; --code: #eef1f5; --mark: #3b6fd4; --good: #16794a;\n"
	"  --good-bg: #e2f4ea; --note: #8a5a00; --note-bg: #fdf1d6; --bad: #b3261e; --bad-bg: #fce6e4; }\n"
	"@media (prefers-color-scheme: dark) { :root { --page: #12151b; --card: #1b2029; --ink: #e4e8ef;\n"
	"  --soft: #98a2b3; --rule: #2c333f; --code: #262d38; --mark: #7ba4f4; --good: #6fd6a1;\n"
	"  --good-bg: #14321f; --note: #f0c05e; --note-bg: #35290f; --bad: #ff9b93; --bad-bg: #401a18; } }\n"
	"* { box-sizing: border-box; }\n"
	"body { margin: 0 auto; max-width: 84rem; padding: 1.5rem; background: var(--page);\n"
	"  color: var(--ink); font: 15px/1.5 system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif; }\n"
	"h1 { margin: 0 0 1rem; font-size: 1.35rem; overflow-wrap: anywhere; }\n"
	"h2 { margin: 0 0 .6rem; font-size: 1.02rem; }\n"
	"code { padding: .08em .3em; border-radius: .25em; background: var(--code);\n"
	"  font: .88em/1.45 ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace;\n"
	"  overflow-wrap: anywhere; white-space: pre-wrap; }\n"
	"section { margin: 0 0 1rem; padding: .9rem 1.1rem; border: 1px solid var(--rule);\n"
	"  border-radius: .6rem; background: var(--card); break-inside: avoid; }\n"
	".facts { display: flex; flex-wrap: wrap; gap: .6rem; margin: 0 0 1rem; }\n"
	".facts div { padding: .45rem .9rem; border: 1px solid var(--rule); border-radius: .6rem;\n"
	"  background: var(--card); }\n"
	".facts dt { color: var(--soft); font-size: .78rem; }\n"
	".facts dd { margin: 0; font-size: 1.08rem; font-weight: 600; }\n"
	".facts .good { background: var(--good-bg); } .facts .good dd { color: var(--good); }\n"
	".facts .note { background: var(--note-bg); } .facts .note dd { color: var(--note); }\n"
	".facts .bad { background: var(--bad-bg); } .facts .bad dd { color: var(--bad); }\n"
	".cards { columns: 2 30rem; column-gap: 1rem; }\n"
	".rows { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1rem; margin: 0; }\n"
	".rows dt { color: var(--soft); } .rows dt.sub { padding-left: 1rem; }\n"
	".rows dd { margin: 0; min-width: 0; overflow-wrap: anywhere; } .rows dd.wide { grid-column: 1 / -1; }\n"
	"dd.note { color: var(--note); } dd.bad { color: var(--bad); }\n"
	"ul.list { margin: 0; padding-left: 1.2rem; }\n"
	".lane { display: grid; grid-template-columns: 6.5rem 1fr; align-items: center; margin: .3rem 0; }\n"
	".lane > span { color: var(--soft); font-size: .88rem; }\n"
	".track { position: relative; height: 1.3rem; margin: 0; padding: 0; list-style: none;\n"
	"  border-radius: .3rem; background: var(--code); overflow: hidden; }\n"
	".track li { position: absolute; top: 0; bottom: 0; min-width: 4px; border-radius: 2px;\n"
	"  background: var(--mark); }\n"
	".track .span { opacity: .45; } .track .bad { background: var(--bad); opacity: 1; z-index: 1; }\n"
	".track .note { background: var(--note); }\n"
	".track .vague { background: repeating-linear-gradient(-45deg, var(--bad) 0 3px, transparent 3px 9px);\n"
	"  opacity: .6; }\n"
	".track li:hover { outline: 2px solid var(--ink); z-index: 2; }\n"
	".axis { display: flex; justify-content: space-between; margin: .3rem 0 0 6.5rem;\n"
	"  color: var(--soft); font-size: .8rem; font-variant-numeric: tabular-nums; }\n"
	".legend { margin: .3rem 0 0 6.5rem; color: var(--soft); font-size: .8rem; }\n"
	"@media (max-width: 40rem) { body { padding: .7rem; } .rows { display: block; }\n"
	"  .rows dd { margin-bottom: .4rem; } }\n"
	"@media print { body { background: none; } }\n"
	"</style>\n";

/* ---- texts ---- */

static void escape(struct str *out, const char *text, size_t n)
{
	static const char *const entities[] = {
		['&'] = "&amp;", ['<'] = "&lt;", ['>'] = "&gt;", ['"'] = "&quot;", ['\''] = "&#39;",
	};

	for (size_t i = 0; i < n; i++) {
		const unsigned char c = (unsigned char)text[i];

		if (c < sizeof entities / sizeof *entities && entities[c])
			str_puts(out, entities[c]);
		else
			str_append(out, text + i, 1);
	}
}

/* With what comes from a record between `open` and `close`. */
static void put(struct str *out, const char *text, const char *open, const char *close)
{
	while (*text) {
		size_t n = strcspn(text, REPORT_QUOTE REPORT_UNQUOTE);

		escape(out, text, n);
		text += n;
		if (*text)
			str_puts(out, *text++ == *REPORT_QUOTE ? open : close);
	}
}

static void put_text_only(struct str *out, const char *text)
{
	put(out, text, "", "");
}

static void put_marked(struct str *out, const char *text)
{
	put(out, text, "<code>", "</code>");
}

static const char *class_of(enum report_tone tone)
{
	static const char *const classes[] = {
		[TONE_PLAIN] = "plain", [TONE_GOOD] = "good", [TONE_NOTE] = "note", [TONE_BAD] = "bad",
	};

	return classes[tone];
}

/* ---- sections ---- */

static void put_list(struct str *out, const struct report_lines *lines)
{
	str_puts(out, "<ul class=\"list\">\n");
	for (size_t i = 0; i < lines->n; i++) {
		str_puts(out, "<li>");
		put_text_only(out, lines->v[i].text);	/* sentences */
		str_puts(out, "</li>\n");
	}
	str_puts(out, "</ul>\n");
}

static void put_rows(struct str *out, const struct report_lines *lines)
{
	str_puts(out, "<dl class=\"rows\">\n");
	for (size_t i = 0; i < lines->n; i++) {
		const struct report_line *l = &lines->v[i];

		if (l->name) {
			str_puts(out, *l->name == ' ' ? "<dt class=\"sub\">" : "<dt>");
			put_text_only(out, l->name + strspn(l->name, " "));
			str_puts(out, "</dt>");
		}
		str_printf(out, "<dd class=\"%s%s\">", class_of(l->tone), l->name ? "" : " wide");
		put_marked(out, l->text);
		str_puts(out, "</dd>\n");
	}
	str_puts(out, "</dl>\n");
}

static void put_section(struct str *out, const char *title, bool listed,
			const struct report_lines *lines)
{
	if (!lines->n)
		return;
	str_puts(out, "<section>\n<h2>");
	put_text_only(out, title);
	str_puts(out, "</h2>\n");
	if (listed)
		put_list(out, lines);
	else
		put_rows(out, lines);
	str_puts(out, "</section>\n");
}

static void put_facts(struct str *out, const struct report_lines *facts)
{
	str_puts(out, "<dl class=\"facts\">\n");
	for (size_t i = 0; i < facts->n; i++) {
		str_printf(out, "<div class=\"%s\"><dt>", class_of(facts->v[i].tone));
		put_text_only(out, facts->v[i].name);
		str_puts(out, "</dt><dd>");
		put_text_only(out, facts->v[i].text);
		str_puts(out, "</dd></div>\n");
	}
	str_puts(out, "</dl>\n");
}

/* ---- the timeline ---- */

enum { SLOTS = 400 };	/* more marks than that in a lane are drawn together */

struct slot {
	struct report_mark mark;
	size_t n, bad;
};

static double percent(const struct report *r, int64_t at)
{
	return 100.0 * (double)(at - r->began) / (double)(r->ended - r->began);
}

static void put_mark(struct str *out, const struct report *r, const struct slot *s)
{
	const struct report_mark *m = &s->mark;
	const bool vague = m->lane == LANE_DENIED || m->lane == LANE_LOST;
	double left = percent(r, m->from), width = percent(r, m->to) - left;

	/* a moment at the end would be drawn beyond it */
	str_printf(out, "<li class=\"%s%s\" style=\"left:min(%.3f%%,100%% - 4px);width:%.3f%%\" title=\"",
		   vague ? "vague " : m->to > m->from ? "span " : "",
		   class_of(vague ? TONE_PLAIN : s->bad ? TONE_BAD : m->tone), left,
		   width);
	put_text_only(out, m->text ? m->text : "");
	if (s->n > 1)
		str_printf(out, "%s%zu in all, %zu of them failed", m->text ? " ... " : "", s->n, s->bad);
	str_puts(out, "\"></li>\n");
}

static void put_lane(struct str *out, const struct report *r, enum report_lane lane)
{
	struct slot slots[SLOTS] = { 0 };
	size_t n = 0;

	for (size_t i = 0; i < r->n_marks; i++)
		n += r->marks[i].lane == lane;
	for (size_t i = 0; i < r->n_marks; i++) {
		const struct report_mark *m = &r->marks[i];
		const bool bad = m->tone == TONE_BAD;
		struct slot *s;

		if (m->lane != lane)
			continue;
		if (n <= SLOTS) {
			put_mark(out, r, &(struct slot){ *m, 1, bad });
			continue;
		}
		s = &slots[(size_t)(percent(r, m->from) * (SLOTS - 1) / 100)];
		if (!s->n++)
			s->mark = *m;
		else if (m->to > s->mark.to)
			s->mark.to = m->to;
		s->bad += bad;
	}
	for (size_t i = 0; i < SLOTS; i++)
		if (slots[i].n)
			put_mark(out, r, &slots[i]);
}

static void put_timeline(struct str *out, const struct report *r)
{
	static const char *const lanes[] = {
		[LANE_CONTAINER] = "container", [LANE_EXEC] = "exec", [LANE_COMMAND] = "commands",
		[LANE_LOST] = "unrecorded",
		[LANE_PACKAGE] = "packages", [LANE_DENIED] = "denied",
	};
	bool any[LANES] = { false };

	_Static_assert(sizeof lanes / sizeof *lanes == LANES, "a name for each lane");
	if (r->ended <= r->began)
		return;
	for (size_t i = 0; i < r->n_marks; i++)
		any[r->marks[i].lane] = true;
	str_puts(out, "<section>\n<h2>When</h2>\n");
	for (size_t i = 0; i < LANES; i++) {
		if (!any[i])
			continue;
		str_printf(out, "<div class=\"lane\"><span>%s</span><ul class=\"track\">\n", lanes[i]);
		put_lane(out, r, i);
		str_puts(out, "</ul></div>\n");
	}
	str_puts(out, "<div class=\"axis\">");
	for (int i = 0; i <= 4; i++) {
		str_puts(out, "<span>+");
		put_span(out, (uint64_t)(r->ended - r->began) / 4 * (unsigned)i);
		str_puts(out, "</span>");
	}
	str_puts(out, "</div>\n<p class=\"legend\">Since the first record.  Red: failed; hatched: when it "
		 "was is not known.</p>\n</section>\n");
}

void page_html(const struct report *r, struct str *out)
{
	str_puts(out, head);
	str_puts(out, "<title>agentrun: ");
	put_text_only(out, r->title);
	str_puts(out, "</title>\n");
	str_puts(out, style);
	str_puts(out, "</head>\n<body>\n<h1>");
	put_marked(out, r->title);
	str_puts(out, "</h1>\n");
	put_facts(out, &r->facts);
	put_timeline(out, r);
	str_puts(out, "<div class=\"cards\">\n");
	put_section(out, "What it was", false, &r->head);
	for (size_t i = 0; i < r->n_sections; i++)
		put_section(out, r->sections[i].title, r->sections[i].listed, &r->sections[i].lines);
	str_puts(out, "</div>\n</body>\n</html>\n");
}
