/* SPDX-License-Identifier: Apache-2.0 */
#include "review/diff.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "review/masked.h"
#include "review/tree.h"

enum {
	BINARY_PROBE = 8000,		/* bytes in which git looks for a NUL */
	TEXT_MOST = 64 << 20,		/* of a file whose lines are compared */
	LISTED_MOST = 20,		/* of one reason, in the summary */
	NAME_MOST = 400,
};

/* ---- names ---- */

/* As git does with core.quotePath: what is not printable ASCII as octal, the whole in quotes. */
static void put_name(struct str *out, const char *prefix, const char *path)
{
	static const char letters[] = "abtnvfr";	/* from 7 on */
	bool plain = true;

	for (const unsigned char *p = (const unsigned char *)path; *p; p++)
		if (*p < 0x20 || *p >= 0x7f || *p == '"' || *p == '\\')
			plain = false;
	if (plain) {
		str_printf(out, "%s%s", prefix, path);
		return;
	}
	str_printf(out, "\"%s", prefix);
	for (const unsigned char *p = (const unsigned char *)path; *p; p++)
		if (*p == '"' || *p == '\\')
			str_printf(out, "\\%c", *p);
		else if (*p >= 7 && *p <= 13)
			str_printf(out, "\\%c", letters[*p - 7]);
		else if (*p < 0x20 || *p >= 0x7f)
			str_printf(out, "\\%03o", *p);
		else
			str_append(out, p, 1);
	str_puts(out, "\"");
}

static bool is_plain(char c)
{
	return (c >= 0x20 && c < 0x7f) || c == '\t';
}

/* Contents for a terminal: nothing that it acts on but tab and newline. */
static void put_visible(struct str *out, const char *text, size_t n)
{
	owned_str odd = STR_INIT;

	for (size_t i = 0; i < n;) {
		size_t start = i;

		while (i < n && is_plain(text[i]))
			i++;
		str_append(out, text + start, i - start);
		start = i;
		while (i < n && text[i] && !is_plain(text[i]))
			i++;
		odd.len = 0;
		str_append(&odd, text + start, i - start);
		str_put_safe(out, odd.s, SIZE_MAX);
		for (; i < n && !text[i]; i++)
			str_puts(out, "\\x00");
	}
}

/* ---- the two sides of a change ---- */

struct side {
	int fd;			/* to read the content; owned; -1: there is none */
	mode_t mode;		/* 0: nothing, or a directory, which is nothing to git */
	uint64_t size;
	bool binary;
};
#define SIDE_INIT ((struct side){ .fd = -1 })
#define owned_side __attribute__((cleanup(side_close))) struct side

static void side_close(struct side *s)
{
	fd_close(&s->fd);
}

/* A link's content is its target. */
static int open_target(const struct entry *x, struct err *e)
{
	owned_fd fd = memfd_create("link", MFD_CLOEXEC);
	owned_str target = STR_INIT;
	int r = entry_target(x, &target);

	if (fd < 0 || r < 0)
		return err_set(e, fd < 0 ? errno : -r, "read a link");
	if (fd_write_all(fd, target.s, target.len, "a link's target", e) < 0)
		return -e->code;
	return fd_take(&fd);
}

static int side_open(int top, const char *path, mode_t mode, struct side *ret, struct err *e)
{
	owned_entry x = ENTRY_INIT;
	char start[BINARY_PROBE];
	ssize_t n;
	int r;

	*ret = SIDE_INIT;
	if (!S_ISREG(mode) && !S_ISLNK(mode))
		return 0;
	r = entry_look(top, path, &x);
	if (r < 0 || (x.st.st_mode & S_IFMT) != (mode & S_IFMT))
		return err_say(e, r < 0 ? -r : ESTALE, "it is another one by now");
	ret->fd = S_ISLNK(mode) ? open_target(&x, e) : entry_open(&x, O_RDONLY);
	if (ret->fd < 0)
		return S_ISLNK(mode) ? ret->fd : err_set(e, -ret->fd, "open");
	ret->mode = mode;
	ret->size = (uint64_t)x.st.st_size;
	n = pread(ret->fd, start, sizeof start, 0);
	ret->binary = S_ISREG(mode) && ((n > 0 && memchr(start, 0, (size_t)n)) || ret->size > TEXT_MOST);
	return 0;
}

/* What can't be applied is not shown either: a device's content is none. */
static bool is_shown(const struct change *c)
{
	mode_t mode = c->new_mode ? c->new_mode : c->old_mode;

	return !c->refused || S_ISREG(mode) || S_ISLNK(mode) || S_ISDIR(mode);
}

static int sides_open(const struct diff_view *v, const struct change *c, struct side *old,
		      struct side *new, struct err *e)
{
	owned_str safe = STR_INIT;

	if (side_open(v->workspace, c->path, c->old_mode, old, e) == 0 &&
	    side_open(v->upper, c->path, c->new_mode, new, e) == 0)
		return 0;
	put_name(&safe, "", c->path);
	return err_in(e, "%s", safe.s);
}

/* ---- diff(1) ---- */

static _Noreturn void become_diff(const struct side *old, const struct side *new, int out)
{
	static const char *const programs[] = {
		"/usr/bin/diff", "/bin/diff", "/usr/local/bin/diff",
		"/run/current-system/sw/bin/diff",
	};
	char paths[2][40];
	char *const argv[] = { "diff", "--text", "--unified", "--", paths[0], paths[1], NULL };
	char *const envp[] = { "LC_ALL=C", NULL };
	const struct side *sides[2] = { old, new };
	sigset_t none;

	for (int i = 0; i < 2; i++) {
		if (sides[i]->fd >= 0)
			fcntl(sides[i]->fd, F_SETFD, 0);
		snprintf(paths[i], sizeof paths[i], sides[i]->fd < 0 ? "/dev/null" :
			 "/proc/self/fd/%d", sides[i]->fd);
	}
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (dup2(out, 1) < 0)
		_exit(2);
	for (size_t i = 0; i < sizeof programs / sizeof *programs; i++)
		execve(programs[i], argv, envp);
	_exit(errno == ENOENT ? 127 : 126);
}

/* The hunks: what diff prints after its two lines of names. */
static int run_diff(const struct side *old, const struct side *new, struct str *hunks, struct err *e)
{
	owned_fd in = -1, out = -1;
	owned_str text = STR_INIT;
	int ends[2], status, r;
	const char *p;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_set(e, errno, "pipe");
	in = ends[0];
	out = ends[1];
	pid = fork();
	if (pid < 0)
		return err_set(e, errno, "fork");
	if (pid == 0)
		become_diff(old, new, out);
	fd_close(&out);
	r = fd_read_all(in, SIZE_MAX, "what diff prints", &text, e);
	fd_close(&in);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (r < 0)
		return r;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return err_say(e, ENOENT, "diff is not installed (package diffutils); --stat and the "
			       "patch of modified files need it, --name-only and --json don't");
	if (!WIFEXITED(status) || WEXITSTATUS(status) > 1)
		return err_say(e, EIO, "diff failed (status %#x)", (unsigned)status);
	p = str_text(&text);
	for (int line = 0; line < 2 && *p; line++)
		p = memchr(p, '\n', text.len - (size_t)(p - text.s)) + 1;
	if (*p)
		str_append(hunks, p, text.len - (size_t)(p - text.s));
	return 0;
}

/* One that is new or gone, as diff(1) has it: a process for each of thousands would take minutes. */
static int put_whole(const struct side *s, bool is_new, struct str *hunks, struct err *e)
{
	owned_str text = STR_INIT;
	const char *p, *next, *end;
	size_t lines = 0;

	if (lseek(s->fd, 0, SEEK_SET) < 0)
		return err_set(e, errno, "seek");
	if (fd_read_all(s->fd, SIZE_MAX, "a file", &text, e) < 0)
		return -e->code;
	if (!text.len)
		return 0;
	end = text.s + text.len;
	for (p = text.s; p < end; lines++)
		p = (p = memchr(p, '\n', (size_t)(end - p))) ? p + 1 : end;
	str_puts(hunks, is_new ? "@@ -0,0 +1" : "@@ -1");
	if (lines != 1)
		str_printf(hunks, ",%zu", lines);
	str_puts(hunks, is_new ? " @@\n" : " +0,0 @@\n");
	for (p = text.s; p < end; p = next) {
		next = (next = memchr(p, '\n', (size_t)(end - p))) ? next + 1 : end;
		str_puts(hunks, is_new ? "+" : "-");
		str_append(hunks, p, (size_t)(next - p));
	}
	if (end[-1] != '\n')
		str_puts(hunks, "\n\\ No newline at end of file\n");
	return 0;
}

static int compare_lines(const struct side *old, const struct side *new, struct str *hunks, struct err *e)
{
	if (old->fd < 0 && new->fd >= 0)
		return put_whole(new, true, hunks, e);
	if (old->fd >= 0 && new->fd < 0)
		return put_whole(old, false, hunks, e);
	return run_diff(old, new, hunks, e);
}

/* ---- a patch ---- */

enum colour { PLAIN, BOLD, CYAN, GREEN, RED };

static void put_line(const struct diff_view *v, enum colour colour, const char *line, size_t n,
		     struct str *out)
{
	static const char *const codes[] = {
		[PLAIN] = "", [BOLD] = "\033[1m", [CYAN] = "\033[36m", [GREEN] = "\033[32m",
		[RED] = "\033[31m",
	};

	if (!v->terminal) {
		str_append(out, line, n);
		str_puts(out, "\n");
		return;
	}
	str_puts(out, codes[colour]);
	put_visible(out, line, n);
	str_puts(out, colour == PLAIN ? "\n" : "\033[m\n");
}

static void put_hunks(const struct diff_view *v, const struct str *hunks, struct str *out)
{
	const char *p = str_text(hunks), *end = p + hunks->len, *next;

	for (; p < end; p = next + 1) {
		next = memchr(p, '\n', (size_t)(end - p));
		if (!next)
			next = end;
		put_line(v, *p == '+' ? GREEN : *p == '-' ? RED : *p == '@' ? CYAN : PLAIN, p,
			 (size_t)(next - p), out);
	}
}

__attribute__((format(printf, 3, 4)))
static void put_header(const struct diff_view *v, struct str *out, const char *fmt, ...)
{
	owned_str line = STR_INIT;
	va_list ap;

	va_start(ap, fmt);
	str_vprintf(&line, fmt, ap);
	va_end(ap);
	put_line(v, BOLD, line.s, line.len, out);
}

/* Git keeps no other. */
static unsigned git_mode(mode_t mode)
{
	return S_ISLNK(mode) ? 0120000 : mode & 0100 ? 0100755 : 0100644;
}

/* What an umask of 022 or of 002 leaves. */
static bool is_usual(mode_t mode)
{
	const mode_t bits = mode & 07777 & ~0020U;

	return S_ISLNK(mode) || bits == 0755 || (bits == 0644 && !S_ISDIR(mode));
}

/* Permissions that were changed, or that are unusual where the entry is new; "" if they are neither. */
struct permissions {
	char s[32];
};

static struct permissions permissions_of(const struct change *c)
{
	struct permissions p = { "" };

	if (c->old_mode && (c->old_mode & S_IFMT) == (c->new_mode & S_IFMT)) {
		if (((c->old_mode ^ c->new_mode) & 07777) && !S_ISLNK(c->new_mode))
			snprintf(p.s, sizeof p.s, "mode %04o -> %04o", c->old_mode & 07777, c->new_mode & 07777);
	} else if (c->new_mode && !is_usual(c->new_mode)) {
		snprintf(p.s, sizeof p.s, "mode %04o", c->new_mode & 07777);
	}
	return p;
}

/* Unless git's lines have all of it.  git takes this line for a comment. */
static void put_permissions(const struct diff_view *v, const struct change *c, struct str *out)
{
	const struct permissions p = permissions_of(c);
	owned_str name = STR_INIT;

	if (!*p.s || (c->old_mode == git_mode(c->old_mode) && c->new_mode == git_mode(c->new_mode)))
		return;
	put_name(&name, "", c->path);
	put_header(v, out, "Permissions of %s%s: %s", !S_ISDIR(c->new_mode) ? "" : c->old_mode ?
		   "the directory " : "the new directory ", name.s, p.s);
}

/* Names with a space end with a tab in these two lines, so that git knows where. */
static void put_name_line(const struct diff_view *v, const char *mark, const char *prefix,
			  const char *path, const struct side *s, struct str *out)
{
	owned_str name = STR_INIT;

	put_name(&name, prefix, path);
	put_header(v, out, "%s %s%s", mark, s->mode ? name.s : "/dev/null",
		   s->mode && strchr(path, ' ') && *name.s != '"' ? "\t" : "");
}

static int put_patch(const struct diff_view *v, const char *path, const struct side *old,
		     const struct side *new, struct str *out, struct err *e)
{
	owned_str a = STR_INIT, b = STR_INIT, hunks = STR_INIT;
	bool binary = old->binary || new->binary, modes;
	int r;

	modes = old->mode && new->mode && git_mode(old->mode) != git_mode(new->mode);
	if (!binary && (r = compare_lines(old, new, &hunks, e)) < 0)
		return r;
	if (old->mode && new->mode && !modes && !binary && !hunks.len)
		return 0;
	put_name(&a, "a/", path);
	put_name(&b, "b/", path);
	put_header(v, out, "diff --git %s %s", a.s, b.s);
	if (modes) {
		put_header(v, out, "old mode %o", git_mode(old->mode));
		put_header(v, out, "new mode %o", git_mode(new->mode));
	}
	if (!old->mode)
		put_header(v, out, "new file mode %o", git_mode(new->mode));
	else if (!new->mode)
		put_header(v, out, "deleted file mode %o", git_mode(old->mode));
	if (binary)
		put_header(v, out, "Binary files %s and %s differ", old->mode ? a.s : "/dev/null",
			   new->mode ? b.s : "/dev/null");
	if (!hunks.len)
		return 0;
	put_name_line(v, "---", "a/", path, old, out);
	put_name_line(v, "+++", "b/", path, new, out);
	put_hunks(v, &hunks, out);
	return 0;
}

/* A file that became a link, or the other way round, is two patches to git. */
static int put_change(const struct diff_view *v, const struct change *c, struct str *out,
		      struct err *e)
{
	static const struct side none = SIDE_INIT;
	owned_side old = SIDE_INIT, new = SIDE_INIT;
	int r = sides_open(v, c, &old, &new, e);

	if (r < 0 || (!old.mode && !new.mode))
		return r;
	if (!old.mode || !new.mode || (old.mode & S_IFMT) == (new.mode & S_IFMT))
		return put_patch(v, c->path, &old, &new, out, e);
	if ((r = put_patch(v, c->path, &old, &none, out, e)) < 0)
		return r;
	return put_patch(v, c->path, &none, &new, out, e);
}

int diff_patch(const struct diff_view *v, int out, struct err *e)
{
	for (size_t i = 0; i < v->c->n; i++) {
		owned_str text = STR_INIT;
		int r = 0;

		if (is_shown(&v->c->v[i])) {
			put_permissions(v, &v->c->v[i], &text);
			r = put_change(v, &v->c->v[i], &text, e);
		}
		if (r < 0 || (r = fd_write_all(out, str_text(&text), text.len, "the patch", e)) < 0)
			return r;
	}
	return 0;
}

/* ---- other forms ---- */

int diff_stat(const struct diff_view *v, struct str *out, struct err *e)
{
	size_t files = 0, all_added = 0, all_removed = 0;

	for (size_t i = 0; i < v->c->n; i++) {
		owned_side old = SIDE_INIT, new = SIDE_INIT;
		owned_str hunks = STR_INIT;
		const struct permissions modes = permissions_of(&v->c->v[i]);
		size_t added = 0, removed = 0;

		if (!is_shown(&v->c->v[i]))
			continue;
		if (sides_open(v, &v->c->v[i], &old, &new, e) < 0)
			return -e->code;
		if (!old.mode && !new.mode && !*modes.s)
			continue;
		str_puts(out, " ");
		put_name(out, "", v->c->v[i].path);
		if (!old.mode && !new.mode) {
			str_printf(out, " | directory, %s\n", modes.s);
			continue;
		}
		files++;
		if (old.binary || new.binary) {
			str_printf(out, " | binary, %llu -> %llu bytes%s%s\n",
				   (unsigned long long)old.size, (unsigned long long)new.size,
				   *modes.s ? ", " : "", modes.s);
			continue;
		}
		if (compare_lines(&old, &new, &hunks, e) < 0)
			return -e->code;
		for (const char *p = str_text(&hunks), *end = p + hunks.len; p < end; p++) {
			added += *p == '+';
			removed += *p == '-';
			p = memchr(p, '\n', (size_t)(end - p));
			if (!p)
				break;
		}
		str_printf(out, " | +%zu -%zu%s%s\n", added, removed, *modes.s ? ", " : "", modes.s);
		all_added += added;
		all_removed += removed;
	}
	str_printf(out, " %zu files changed, %zu insertions(+), %zu deletions(-)\n", files, all_added,
		   all_removed);
	return 0;
}

void diff_names(const struct changes *c, bool nul, struct str *out)
{
	for (size_t i = 0; i < c->n; i++) {
		if (nul) {
			str_append(out, c->v[i].path, strlen(c->v[i].path) + 1);
		} else {
			put_name(out, "", c->v[i].path);
			str_puts(out, "\n");
		}
	}
}

void diff_json(const struct diff_view *v, struct str *out)
{
	struct json_writer *w = json_writer_new(false);

	json_open(w);
	json_field(w, "session", v->s->session);
	json_field(w, "container", v->s->container);
	json_field(w, "workspace", v->s->workspace);
	json_field(w, "digest", v->c->digest);
	json_key(w, "changes");
	json_open_array(w);
	for (size_t i = 0; i < v->c->n; i++)
		change_write(&v->c->v[i], w);
	json_close_array(w);
	json_close(w);
	json_writer_end(w, out);
}

/* ---- the summary ---- */

void diff_line(const struct change *c, const char *why, struct str *out)
{
	const struct permissions p = permissions_of(c);
	owned_str name = STR_INIT;

	put_name(&name, "", c->path);
	str_printf(out, "  %-8s  %.*s%s%s%s%s%s\n", change_kind_names[c->kind], NAME_MOST, name.s,
		   why ? " (" : "", why ? why : "", why ? ")" : "", *p.s ? ", " : "", p.s);
}

struct reason {
	const char *why;
	size_t change;		/* its index */
	size_t at, n;		/* of those of one reason: where they begin, and how many they are */
};

static int by_change(const void *a, const void *b)
{
	const struct reason *x = a, *y = b;

	return x->change < y->change ? -1 : 1;
}

static int by_reason(const void *a, const void *b)
{
	const int r = strcmp(((const struct reason *)a)->why, ((const struct reason *)b)->why);

	return r ? r : by_change(a, b);
}

/* Those of one reason together, so that one that matters is not lost among thousands that don't. */
static void put_reasons(const struct changes *c, size_t member, const char *title, struct str *out)
{
	owned_arena a = ARENA_INIT;
	struct reason *v = arena_array(&a, struct reason, c->n + 1);
	struct reason *reasons = arena_array(&a, struct reason, c->n + 1);
	size_t n = 0, groups = 0;

	for (size_t i = 0; i < c->n; i++) {
		const char *why = *(const char *const *)((const char *)&c->v[i] + member);

		if (why)
			v[n++] = (struct reason){ .why = why, .change = i };
	}
	if (!n)
		return;
	qsort(v, n, sizeof *v, by_reason);
	for (size_t i = 0; i < n; i++) {
		if (i == 0 || strcmp(v[i].why, v[i - 1].why) != 0)
			reasons[groups++] = (struct reason){ v[i].why, v[i].change, i, 0 };
		reasons[groups - 1].n++;
	}
	qsort(reasons, groups, sizeof *reasons, by_change);
	str_printf(out, "%s:\n", title);
	for (const struct reason *r = reasons; r < reasons + groups; r++) {
		for (size_t i = 0; i < r->n && i < LISTED_MOST; i++)
			diff_line(&c->v[v[r->at + i].change], r->why, out);
		if (r->n > LISTED_MOST)
			str_printf(out, "  ... and %zu more: %s\n", r->n - LISTED_MOST, r->why);
	}
}

static void put_all_permissions(const struct changes *c, struct str *out)
{
	size_t n = 0;

	for (size_t i = 0; i < c->n; i++) {
		if (!*permissions_of(&c->v[i]).s)
			continue;
		if (!n++)
			str_puts(out, "Permissions that were changed, or are unusual:\n");
		if (n <= LISTED_MOST)
			diff_line(&c->v[i], NULL, out);
	}
	if (n > LISTED_MOST)
		str_printf(out, "  ... and %zu more: --stat and the patch have them\n", n - LISTED_MOST);
}

void diff_summary(const struct diff_view *v, struct str *out)
{
	static const char *const words[] = {
		[CHANGE_ADDED] = "added", [CHANGE_MODIFIED] = "modified",
		[CHANGE_MODE] = "with other permissions", [CHANGE_TYPE] = "of another type",
		[CHANGE_DELETED] = "deleted",
	};
	_Static_assert(sizeof words / sizeof *words == CHANGE_KINDS, "a word for each kind");
	size_t counts[CHANGE_KINDS] = { 0 }, links = 0, binary = 0;
	owned_str safe = STR_INIT;

	for (size_t i = 0; i < v->c->n; i++) {
		const struct change *c = &v->c->v[i];
		owned_side new = SIDE_INIT;
		struct err e;

		counts[c->kind]++;
		links += S_ISLNK(c->new_mode);
		if (S_ISREG(c->new_mode) && side_open(v->upper, c->path, c->new_mode, &new, &e) == 0)
			binary += new.binary;
	}
	str_put_safe(&safe, v->s->workspace, NAME_MOST);
	str_printf(out, "Session %s: %zu changes of %s\n ", v->s->session, v->c->n, safe.s);
	for (size_t k = 0; k < CHANGE_KINDS; k++)
		if (counts[k])
			str_printf(out, " %zu %s,", counts[k], words[k]);
	str_printf(out, " %zu binary, %zu links\n", binary, links);
	masked_put(v->s, v->c, v->workspace, out);
	put_reasons(v->c, offsetof(struct change, runs), "May run code on this host", out);
	put_reasons(v->c, offsetof(struct change, refused), "Refused, and never applied", out);
	put_reasons(v->c, offsetof(struct change, conflict), "In conflict with the host", out);
	put_all_permissions(v->c, out);
	if (*v->c->digest)
		str_printf(out, "Digest: %s\n", v->c->digest);
}
