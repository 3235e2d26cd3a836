/* SPDX-License-Identifier: Apache-2.0 */
/* What a report is made of: lines, sections and marks; and how texts, sizes and times are put into them. */
#include "audit/report_parts.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* ---- the model ---- */

void *report_grow(struct arena *a, void *v, size_t n, size_t *room, size_t size)
{
	void *more;

	if (n < *room)
		return v;
	*room = *room ? 2 * *room : 16;
	more = arena_alloc(a, *room * size);
	if (n)
		memcpy(more, v, n * size);
	return more;
}

void report_add(struct report *r, struct report_lines *to, enum report_tone tone, const char *name,
		const char *text)
{
	to->v = report_grow(&r->a, to->v, to->n, &to->room, sizeof *to->v);
	to->v[to->n++] = (struct report_line){
		.name = name ? arena_strdup(&r->a, name) : NULL,
		.text = arena_strdup(&r->a, text), .tone = tone,
	};
}

void report_more(struct report *r, struct report_lines *to, const char *name, uint64_t of, uint64_t shown)
{
	owned_str text = STR_INIT;

	if (of <= shown)
		return;
	str_printf(&text, "and %llu more", (unsigned long long)(of - shown));
	report_add(r, to, TONE_NOTE, name, text.s);
}

struct report_section *report_section(struct report *r, const char *title, bool listed)
{
	r->sections = report_grow(&r->a, r->sections, r->n_sections, &r->room_sections,
				  sizeof *r->sections);
	r->sections[r->n_sections] = (struct report_section){ .title = title, .listed = listed };
	return &r->sections[r->n_sections++];
}

void report_mark(struct report *r, enum report_lane lane, enum report_tone tone, int64_t from,
		 int64_t to, const char *text)
{
	if (!from)
		return;
	r->marks = report_grow(&r->a, r->marks, r->n_marks, &r->room_marks, sizeof *r->marks);
	r->marks[r->n_marks++] = (struct report_mark){
		lane, tone, from, to > from ? to : from, text ? arena_strdup(&r->a, text) : NULL,
	};
	if (!r->began || from < r->began)
		r->began = from;
	if (to > r->ended)
		r->ended = to;
}

void report_free(struct report *r)
{
	arena_free(&r->a);
}

/* ---- how things are said ---- */

void quote_text(struct str *out, const char *text)
{
	str_puts(out, text ? REPORT_QUOTE : "");
	put_text(out, text);
	str_puts(out, text ? REPORT_UNQUOTE : "");
}

void quote_command(struct str *out, const struct json *args)
{
	str_puts(out, REPORT_QUOTE);
	put_command(out, args, 0);
	str_puts(out, REPORT_UNQUOTE);
}

void put_short(struct str *out, const char *text, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	owned_str shorter = STR_INIT;

	n = n < strlen(text) ? n : strlen(text);
	for (const char *end = text + n; text < end;) {
		const size_t number = strspn(text, digits);
		const size_t word = number ? number : strcspn(text, digits);
		const size_t kept = number >= 64 ? 12 : word;

		str_append(&shorter, text, kept < (size_t)(end - text) ? kept : (size_t)(end - text));
		str_puts(&shorter, number >= 64 ? "..." : "");
		text += word;
	}
	put_text(out, str_text(&shorter));
}

void put_count(struct str *out, uint64_t n, const char *what)
{
	str_printf(out, "%llu %s%s", (unsigned long long)n, what, n == 1 ? "" : "s");
}

void quote_form(struct str *out, const struct json *object, const char *form)
{
	for (;;) {
		size_t n = strcspn(form, "{");
		const struct json *j;
		char key[64];

		str_append(out, form, n);
		if (!form[n])
			return;
		form += n + 1;
		n = strcspn(form, "}");
		snprintf(key, sizeof key, "%.*s", (int)n, form);
		form += n + 1;
		j = json_get(object, key);
		if (j && j->type == JSON_NUMBER)
			put_text(out, j->text);
		else
			quote_text(out, j && j->type == JSON_STRING ? j->text : NULL);
	}
}

void put_size(struct str *out, uint64_t bytes)
{
	static const char *const units[] = { "byte", "KiB", "MiB", "GiB", "TiB" };
	double v = (double)bytes;
	size_t i = 0;

	for (; v >= 1024 && i < 4; i++)
		v /= 1024;
	if (i)
		str_printf(out, "%.1f %s", v, units[i]);
	else
		put_count(out, bytes, units[0]);
}

void put_span(struct str *out, uint64_t ns)
{
	uint64_t s = ns / 1000000000;

	if (s < 60)
		str_printf(out, "%.3f s", (double)ns / 1e9);
	else
		str_printf(out, "%llu h %02llu min %02llu s", (unsigned long long)s / 3600,
			   (unsigned long long)s / 60 % 60, (unsigned long long)s % 60);
}

int64_t time_ns(const char *time)
{
	struct tm t = { 0 };
	long ns;

	if (!time || sscanf(time, "%4d-%2d-%2dT%2d:%2d:%2d.%9ldZ", &t.tm_year, &t.tm_mon, &t.tm_mday,
			    &t.tm_hour, &t.tm_min, &t.tm_sec, &ns) != 7 ||
	    t.tm_year < 1970 || t.tm_year > 2200)
		return 0;
	t.tm_year -= 1900;
	t.tm_mon--;
	return timegm(&t) * 1000000000LL + ns;
}

void put_clock(struct str *out, int64_t ns)
{
	const time_t s = ns / 1000000000;
	struct tm t;
	char text[16];

	gmtime_r(&s, &t);
	strftime(text, sizeof text, "%H:%M:%S", &t);
	str_puts(out, text);
}
