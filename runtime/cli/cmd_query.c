/* SPDX-License-Identifier: Apache-2.0 */
/* state, list, ps, events */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "cli/cli.h"
#include "lifecycle/manage.h"

static int open_container(struct cli *cli, const char *id, struct state_dir *dir,
			  struct state *state, struct err *e)
{
	return lifecycle_open(cli->arena, &cli->runtime, id, STATE_UNLOCKED, dir, state, e);
}

int cmd_state(struct cli *cli, int argc, char **argv, struct err *e)
{
	owned_state_dir dir = STATE_DIR_INIT;
	owned_str text = STR_INIT;
	struct state state;
	const char *id;

	if (cli_parse_id(cli, "state", NULL, argc, argv, &id, e) < 0 ||
	    open_container(cli, id, &dir, &state, e) < 0)
		return -e->code;
	state_write_oci(&state, state_status(&dir, &state), true, &text);
	return cli_print(&text, e);
}

struct format_options {
	const char *format;
	bool quiet;
};

const struct cli_option cmd_list_options[] = {
	{ 'f', "format", CLI_TEXT, offsetof(struct format_options, format), "FORMAT",
	  "table (default) or json" },
	{ 'q', "quiet", CLI_FLAG, offsetof(struct format_options, quiet), NULL, "only the ids" },
	{ 0, NULL, 0, 0, NULL, NULL },
};

static int wants_json(const struct format_options *o, bool *ret, struct err *e)
{
	*ret = o->format && strcmp(o->format, "json") == 0;
	if (o->format && !*ret && strcmp(o->format, "table") != 0)
		return err_say(e, EINVAL, "--format %s: expected table or json", o->format);
	return 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int visible(const struct dirent *d)
{
	return strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0;
}

static void list_row(const struct state *s, enum status status, bool json, struct json_writer *w,
		     struct str *text)
{
	int pid = status == STATUS_STOPPED ? 0 : s->pid;

	if (!json) {
		str_printf(text, "%-27s %-10d %-10s %-32s %-32s %s\n", s->id, pid,
			   status_names[status], s->bundle, s->created, s->owner);
		return;
	}
	json_open(w);
	json_field(w, "ociVersion", s->oci_version);
	json_field(w, "id", s->id);
	json_field_i64(w, "pid", pid);
	json_field(w, "status", status_names[status]);
	json_field(w, "bundle", s->bundle);
	json_field(w, "rootfs", s->rootfs);
	json_field(w, "created", s->created);
	if (s->annotations.n)
		json_field_kvs(w, "annotations", &s->annotations);
	json_field(w, "owner", s->owner);
	json_close(w);
}

int cmd_list(struct cli *cli, int argc, char **argv, struct err *e)
{
	struct format_options o = { 0 };
	struct json_writer *w = NULL;
	owned_str text = STR_INIT;
	struct dirent **entries = NULL;
	char *root;
	bool json;
	int first, n;

	if (cli_parse(cli, cmd_list_options, CLI_ANYWHERE, &o, argc, argv, &first, e) < 0 ||
	    wants_json(&o, &json, e) < 0)
		return err_in(e, "list");
	json &= !o.quiet;
	if (first < argc)
		return err_say(e, EINVAL, "list: takes no operand");
	if (state_root(cli->arena, cli->runtime.root, cli->runtime.rootless, false, &root, e) < 0)
		return -e->code;
	n = scandir(root, &entries, visible, by_name);
	if (n < 0 && errno != ENOENT)
		return err_set(e, errno, "read %s", root);
	if (json) {
		w = json_writer_new(false);
		json_open_array(w);
	} else if (!o.quiet) {
		str_printf(&text, "%-27s %-10s %-10s %-32s %-32s %s\n", "ID", "PID", "STATUS",
			   "BUNDLE", "CREATED", "OWNER");
	}
	for (int i = 0; i < n; i++) {
		owned_state_dir dir = STATE_DIR_INIT;
		owned_arena one = ARENA_INIT;	/* the next container's takes its memory */
		struct state state;
		struct err gone;

		/* Deleted meanwhile, or not yet written: not there. */
		if (lifecycle_open(&one, &cli->runtime, entries[i]->d_name, STATE_UNLOCKED, &dir,
				   &state, &gone) < 0)
			log_debug("list: %s", gone.text);
		else if (o.quiet)
			str_printf(&text, "%s\n", state.id);
		else
			list_row(&state, state_status(&dir, &state), json, w, &text);
		free(entries[i]);
	}
	free(entries);
	if (json) {
		json_close_array(w);
		json_writer_end(w, &text);
	}
	return cli_print(&text, e);
}

/* ---- ps ---- */

const struct cli_option cmd_ps_options[] = {
	{ 'f', "format", CLI_TEXT, offsetof(struct format_options, format), "FORMAT",
	  "table (default) or json" },
	{ 0, NULL, 0, 0, NULL, NULL },
};

static bool is_listed(const char *line, size_t column, const struct pids *pids)
{
	const char *p = line;

	for (size_t i = 0; i < column; i++) {
		p += strspn(p, " ");
		p += strcspn(p, " ");
	}
	for (size_t i = 0; i < pids->n; i++)
		if (atoi(p) == pids->v[i])
			return true;
	return false;
}

/* ps(1) of the host, its lines filtered by what the cgroup holds. */
static int ps_table(struct arena *a, const struct pids *pids, char **options, struct err *e)
{
	struct strv command = { 0 };
	owned_str out = STR_INIT, shown = STR_INIT;
	owned_fd read_end = -1;
	size_t column = 0;
	char *rest, *line;
	int p[2], status;
	pid_t pid;

	strv_add(a, &command, "ps");
	if (!*options)
		strv_add(a, &command, "-ef");
	for (; *options; options++)
		strv_add(a, &command, *options);
	if (pipe2(p, O_CLOEXEC) < 0)
		return err_set(e, errno, "pipe");
	read_end = p[0];
	pid = fork();
	if (pid == 0) {
		dup2(p[1], 1);
		execvp("ps", command.v);
		_exit(127);
	}
	close(p[1]);
	if (pid < 0)
		return err_set(e, errno, "fork");
	if (fd_read_all(read_end, JSON_MOST, "the output of ps", &out, e) < 0)
		return -e->code;
	if (waitpid(pid, &status, 0) < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return err_say(e, ECHILD, "ps failed (is the package procps installed?)");
	rest = out.s;
	line = strsep(&rest, "\n");
	str_printf(&shown, "%s\n", line);
	for (char *word = strtok(line, " "); word && strcmp(word, "PID") != 0; word = strtok(NULL, " "))
		column++;
	while ((line = strsep(&rest, "\n")))
		if (*line && is_listed(line, column, pids))
			str_printf(&shown, "%s\n", line);
	return cli_print(&shown, e);
}

int cmd_ps(struct cli *cli, int argc, char **argv, struct err *e)
{
	struct format_options o = { 0 };
	owned_state_dir dir = STATE_DIR_INIT;
	owned_str text = STR_INIT;
	struct json_writer *w;
	struct pids pids;
	struct state state;
	bool json;
	int first;

	if (cli_parse(cli, cmd_ps_options, CLI_UNTIL_OPERAND, &o, argc, argv, &first, e) < 0 ||
	    wants_json(&o, &json, e) < 0)
		return err_in(e, "ps");
	if (first >= argc)
		return err_say(e, EINVAL, "ps: expected a container id");
	if (open_container(cli, argv[first], &dir, &state, e) < 0)
		return -e->code;
	if (state.pid > 0 && cgroup_is_none(&state.cgroup))
		return err_say(e, EOPNOTSUPP, "ps: container %s has no cgroup to tell its processes",
			       state.id);
	if (cgroup_pids(cli->arena, &state.cgroup, &pids, e) < 0)
		return -e->code;
	if (!json)
		return ps_table(cli->arena, &pids, argv + first + 1, e);
	w = json_writer_new(false);
	json_open_array(w);
	for (size_t i = 0; i < pids.n; i++)
		json_put_i64(w, pids.v[i]);
	json_close_array(w);
	json_writer_end(w, &text);
	return cli_print(&text, e);
}

/* ---- events ---- */

struct events_options {
	bool stats;
	const char *interval;
};

const struct cli_option cmd_events_options[] = {
	{ 0, "stats", CLI_FLAG, offsetof(struct events_options, stats), NULL,
	  "print the statistics once, and end" },
	{ 0, "interval", CLI_TEXT, offsetof(struct events_options, interval), "TIME",
	  "how often: 100ms, 5s (default), 1m30s" },
	{ 0, NULL, 0, 0, NULL, NULL },
};

/* "data" is what `put` writes, if anything. */
static int print_event(const struct state *state, const char *type,
		       int (*put)(const struct cgroup *, struct json_writer *, struct err *),
		       struct err *e)
{
	struct json_writer *w = json_writer_new(false);
	owned_str text = STR_INIT;
	int r = 0;

	json_open(w);
	json_field(w, "type", type);
	json_field(w, "id", state->id);
	if (put) {
		json_key(w, "data");
		r = put(&state->cgroup, w, e);
		if (r < 0)
			json_put_null(w);
	}
	json_close(w);
	json_writer_end(w, &text);
	return r < 0 ? r : cli_print(&text, e);
}

/* "5", "100ms", "1m30s" -> milliseconds */
static int parse_interval(const char *text, int *ret_ms, struct err *e)
{
	static const struct {
		const char *name;
		double ms;
	} units[] = { { "ms", 1 }, { "s", 1e3 }, { "m", 60e3 }, { "h", 3600e3 } };
	const char *p = text;
	double ms = 0;

	do {
		size_t i = 0, n = sizeof units / sizeof *units;
		char *end;
		double v = strtod(p, &end);

		while (i < n && !str_has_prefix(end, units[i].name))
			i++;
		if (end == p || (i == n && (*end || p != text)))
			break;
		ms += v * (i < n ? units[i].ms : 1e3);
		p = end + (i < n ? strlen(units[i].name) : 0);
	} while (*p);
	if (*p || !(ms >= 10 && ms < 1e9))
		return err_say(e, EINVAL, "--interval %s: expected a time, such as 5s", text);
	*ret_ms = (int)ms;
	return 0;
}

int cmd_events(struct cli *cli, int argc, char **argv, struct err *e)
{
	struct events_options o = { 0 };
	owned_state_dir dir = STATE_DIR_INIT;
	owned_fd end = -1, memory = -1;
	struct cgroup_oom oom;
	struct state state;
	const char *id;
	int ms = 5000, r;

	if (cli_parse_id(cli, "events", &o, argc, argv, &id, e) < 0 ||
	    (o.interval && parse_interval(o.interval, &ms, e) < 0) ||
	    open_container(cli, id, &dir, &state, e) < 0)
		return -e->code;
	r = state_pidfd(&state, &end, e);
	if (r == 0 && o.stats)
		r = print_event(&state, "stats", cgroup_stats, e);
	/* no cgroup any more: it is being deleted */
	if (r == -ESRCH || (r == -ENOENT && !cgroup_is_none(&state.cgroup)))
		return err_say(e, EINVAL, "container with id %s is not running", id);
	if (r < 0 || o.stats)
		return r;
	cgroup_oom_watch(&state.cgroup, &oom);
	memory = oom.fd;
	for (int64_t due = 0;;) {
		struct pollfd p[] = { { .fd = end, .events = POLLIN },
				      { .fd = oom.fd, .events = oom.when } };
		struct timespec t;
		int64_t now;

		clock_gettime(CLOCK_MONOTONIC, &t);
		now = t.tv_sec * 1000 + t.tv_nsec / 1000000;
		if (now >= due) {
			r = print_event(&state, "stats", cgroup_stats, e);
			if (r < 0)
				return r == -ENOENT ? 0 : r;
			due = now + ms;
		}
		if (poll(p, 2, (int)(due - now)) < 0 && errno != EINTR)
			return err_set(e, errno, "poll");
		if (oom.fd >= 0 && (p[0].revents || p[1].revents) && cgroup_oom(&oom) &&
		    print_event(&state, "oom", NULL, e) < 0)
			return -e->code;
		if (p[0].revents)
			return 0;
	}
}
