/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is asked of systemd: that it make the scope, change it, stop it.
 *
 * libsystemd is loaded when the driver is used, never at start.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "sandbox/cgroup_parts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifdef HAVE_SYSTEMD

#include "base/host.h"
#include "sandbox/cgroup_bus.h"

/* ---- the library ---- */

/* One conversation with one manager. */
struct manager {
	struct bus_library l;
	sd_bus *bus;
};

#define SYSTEMD "org.freedesktop.systemd1", "/org/freedesktop/systemd1", \
	"org.freedesktop.systemd1.Manager"

static int load_library(struct bus_library *l, struct err *e)
{
	void *library = NULL;

	if (host_open("libsystemd.so.0", &library, e) < 0)
		return err_in(e, "the systemd cgroup driver");
#define LOAD(name) \
	if (host_function(library, #name, &l->name, e) < 0) \
		return err_in(e, "the systemd cgroup driver");
	BUS_SYMBOLS(LOAD)
#undef LOAD
	return 0;
}

static int manager_open(struct manager *m, bool user, struct err *e)
{
	int r = load_library(&m->l, e);

	if (r < 0)
		return r;
	r = user ? m->l.sd_bus_open_user(&m->bus) : m->l.sd_bus_open_system(&m->bus);
	if (r < 0)
		return err_set(e, -r, "connect to systemd's %s manager over D-Bus",
			       user ? "user" : "system");
	return 0;
}

static void manager_close(struct manager *m)
{
	if (m->bus)
		m->l.sd_bus_flush_close_unref(m->bus);
}

#define owned_manager __attribute__((cleanup(manager_close))) struct manager

static int bus_failed(int r, const sd_bus_error *why, const char *what, const char *unit,
		      struct err *e)
{
	if (why && why->message)
		return err_say(e, -r, "systemd: %s %s: %s", what, unit, why->message);
	return err_set(e, -r, "systemd: %s %s", what, unit);
}

/* ---- jobs ---- */

enum { JOB_SECONDS = 30 };

struct job {
	const struct bus_library *l;
	const char *path;
	char result[32];
	bool done;
};

static int on_removed(sd_bus_message *m, void *data, sd_bus_error *ignored)
{
	struct job *job = data;
	const char *path, *unit, *result;
	uint32_t id;

	(void)ignored;
	if (job->l->sd_bus_message_read(m, "uoss", &id, &path, &unit, &result) >= 0 &&
	    job->path && strcmp(path, job->path) == 0) {
		snprintf(job->result, sizeof job->result, "%s", result);
		job->done = true;
	}
	return 0;
}

static int job_watch(struct manager *m, struct job *job, struct err *e)
{
	int r = m->l.sd_bus_match_signal(m->bus, NULL, SYSTEMD, "JobRemoved", on_removed, job);

	job->l = &m->l;
	return r < 0 ? err_set(e, -r, "systemd: watch for finished jobs") : 0;
}

static int job_wait(struct manager *m, struct job *job, const char *unit, struct err *e)
{
	struct timespec now;
	time_t end;

	clock_gettime(CLOCK_MONOTONIC, &now);
	end = now.tv_sec + JOB_SECONDS;
	while (!job->done) {
		int r = m->l.sd_bus_process(m->bus, NULL);

		if (r < 0)
			return err_set(e, -r, "systemd: wait for %s", unit);
		if (r > 0)
			continue;
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec >= end)
			return err_say(e, ETIMEDOUT, "systemd: %s: no answer within %d s", unit,
				       JOB_SECONDS);
		r = m->l.sd_bus_wait(m->bus, 1000000);
		if (r < 0 && r != -EINTR)
			return err_set(e, -r, "systemd: wait for %s", unit);
	}
	if (strcmp(job->result, "done") != 0)
		return err_say(e, EIO, "systemd: %s: %s", unit, job->result);
	return 0;
}

/* ---- the scope ---- */

static int build_start(struct bus_message *m, const struct cgroup *c, const struct spec *s, pid_t pid,
		       struct err *e)
{
	if (m->r < 0 ||
	    (m->r = m->l->sd_bus_message_append(m->m, "ss", c->scope, "replace")) < 0 ||
	    (m->r = m->l->sd_bus_message_open_container(m->m, 'a', "(sv)")) < 0)
		return bus_failed(m->r, NULL, "start", c->scope, e);
	if (cgroup_put_scope(m, c, s, pid, e) < 0)
		return -e->code;
	if (m->r >= 0)
		m->r = m->l->sd_bus_message_close_container(m->m);
	if (m->r >= 0)		/* no further units */
		m->r = m->l->sd_bus_message_append(m->m, "a(sa(sv))", 0);
	return m->r < 0 ? bus_failed(m->r, NULL, "start", c->scope, e) : 0;
}

/* "252.39-1", "v245"; 0: it does not say. */
static unsigned version_of(struct manager *m)
{
	char *text = NULL;
	unsigned version = 0;

	if (m->l.sd_bus_get_property_string(m->bus, SYSTEMD, "Version", NULL, &text) >= 0)
		version = (unsigned)strtoul(text + strcspn(text, "0123456789"), NULL, 10);
	free(text);
	return version;
}

/* A scope of that name that failed earlier stays in memory until it is reset. */
static void reset_failed(struct manager *m, const char *scope)
{
	m->l.sd_bus_call_method(m->bus, SYSTEMD, "ResetFailedUnit", NULL, NULL, "s", scope);
}

static int start_scope(struct manager *m, const struct cgroup *c, const struct spec *s, pid_t pid,
		       struct err *e)
{
	struct job job = { 0 };
	sd_bus_message *reply = NULL;
	sd_bus_error why = SD_BUS_ERROR_NULL;
	int r = job_watch(m, &job, e);

	for (int attempt = 0; r == 0; attempt++) {
		struct bus_message start = { .l = &m->l, .v1 = c->layout != CGROUP_V2 };

		if (start.v1)
			start.version = version_of(m);
		start.r = m->l.sd_bus_message_new_method_call(m->bus, &start.m, SYSTEMD,
							      "StartTransientUnit");
		r = build_start(&start, c, s, pid, e);
		if (r == 0) {
			r = m->l.sd_bus_call(m->bus, start.m, 0, &why, &reply);
			if (r < 0 && attempt == 0 &&
			    m->l.sd_bus_error_has_name(&why, "org.freedesktop.systemd1.UnitExists")) {
				reset_failed(m, c->scope);
				m->l.sd_bus_error_free(&why);
				m->l.sd_bus_message_unref(start.m);
				r = 0;
				continue;
			}
			if (r < 0)
				r = bus_failed(r, &why, "start", c->scope, e);
			else
				r = 0;
		}
		m->l.sd_bus_message_unref(start.m);
		break;
	}
	if (r == 0) {
		r = m->l.sd_bus_message_read(reply, "o", &job.path);
		r = r < 0 ? bus_failed(r, NULL, "start", c->scope, e)
			  : job_wait(m, &job, c->scope, e);
	}
	m->l.sd_bus_message_unref(reply);
	m->l.sd_bus_error_free(&why);
	return r;
}

/* Where systemd put it. */
static int find_scope(struct arena *a, struct manager *m, struct cgroup *c, struct err *e)
{
	sd_bus_message *reply = NULL;
	sd_bus_error why = SD_BUS_ERROR_NULL;
	const char *unit;
	char *path = NULL;
	int r = m->l.sd_bus_call_method(m->bus, SYSTEMD, "GetUnit", &why, &reply, "s", c->scope);

	if (r >= 0)
		r = m->l.sd_bus_message_read(reply, "o", &unit);
	if (r >= 0)
		r = m->l.sd_bus_get_property_string(m->bus, "org.freedesktop.systemd1", unit,
						    "org.freedesktop.systemd1.Scope", "ControlGroup",
						    &why, &path);
	if (r < 0)
		r = bus_failed(r, &why, "find", c->scope, e);
	else if (path[0] != '/' || !path[1] || strstr(path, "/.."))
		r = err_say(e, EIO, "systemd: %s has no cgroup", c->scope);
	else if (c->layout != CGROUP_V2 && !str_equal(path, c->path))
		/* the container's process is about to join what was planned */
		r = err_say(e, EIO, "systemd: %s is in %s, not in %s", c->scope, path, c->path);
	else
		r = 0;
	if (r == 0)
		cgroup_systemd_set_path(a, c, arena_strdup(a, path));
	free(path);
	m->l.sd_bus_message_unref(reply);
	m->l.sd_bus_error_free(&why);
	return r;
}

int cgroup_systemd_attach(struct arena *a, struct cgroup *c, const struct spec *s, pid_t pid,
			  struct err *e)
{
	const struct spec_resources *res = s->linux_ ? s->linux_->resources : NULL;
	owned_manager m = { 0 };
	int r;

	r = manager_open(&m, c->user, e);
	if (r == 0)
		r = start_scope(&m, c, s, pid, e);
	if (r == 0)
		r = find_scope(a, &m, c, e);
	if (r == 0 && c->layout != CGROUP_V2)
		r = cgroup_make_rest(a, c, s, e);
	if (r == 0 && res && cgroup_resources_first(res)) {
		/* systemd hands down only what it has properties for */
		if (c->layout == CGROUP_V2)
			cgroup_enable_controllers(&c->h[0]);
		r = cgroup_resources_apply(c, res, CGROUP_AT_CREATE, e);
	}
	if (r == 0 && cgroup_devices_v1(c))
		r = cgroup_devices_apply(c, res, !s->agent, e);
	if (r == 0)
		r = cgroup_hand_over(c, s, e);
	return r;
}

int cgroup_systemd_update(const struct cgroup *c, const struct spec_resources *r, struct err *e)
{
	owned_manager m = { 0 };
	struct bus_message set = { .l = &m.l, .v1 = c->layout != CGROUP_V2 };
	sd_bus_error why = SD_BUS_ERROR_NULL;
	int result = manager_open(&m, c->user, e);

	if (result < 0)
		return result;
	if (set.v1)
		set.version = version_of(&m);
	set.r = m.l.sd_bus_message_new_method_call(m.bus, &set.m, SYSTEMD, "SetUnitProperties");
	if (set.r >= 0)		/* runtime only: nothing is written to /etc */
		set.r = m.l.sd_bus_message_append(set.m, "sb", c->scope, 1);
	if (set.r >= 0)
		set.r = m.l.sd_bus_message_open_container(set.m, 'a', "(sv)");
	result = cgroup_put_change(&set, c, r, e);
	if (set.r >= 0)
		set.r = m.l.sd_bus_message_close_container(set.m);
	if (set.r >= 0 && result == 0)
		set.r = m.l.sd_bus_call(m.bus, set.m, 0, &why, NULL);
	if (set.r < 0)
		result = bus_failed(set.r, &why, "change", c->scope, e);
	m.l.sd_bus_message_unref(set.m);
	m.l.sd_bus_error_free(&why);
	return result;
}

int cgroup_systemd_stop(const struct cgroup *c, struct err *e)
{
	const struct cgroup_hierarchy *unit = cgroup_hierarchy_of(c, "name=systemd");
	owned_manager m = { 0 };
	struct job job = { 0 };
	sd_bus_message *reply = NULL;
	sd_bus_error why = SD_BUS_ERROR_NULL;
	int r;

	/* A scope ends with its last process. */
	if (unit && access(unit->dir, F_OK) < 0 && errno == ENOENT)
		return 0;
	r = manager_open(&m, c->user, e);
	if (r == 0)
		r = job_watch(&m, &job, e);
	if (r < 0)
		return r;
	r = m.l.sd_bus_call_method(m.bus, SYSTEMD, "StopUnit", &why, &reply, "ss", c->scope,
				   "replace");
	if (r < 0 && m.l.sd_bus_error_has_name(&why, "org.freedesktop.systemd1.NoSuchUnit"))
		r = 0;
	else if (r < 0)
		r = bus_failed(r, &why, "stop", c->scope, e);
	else if ((r = m.l.sd_bus_message_read(reply, "o", &job.path)) < 0)
		r = bus_failed(r, NULL, "stop", c->scope, e);
	else
		r = job_wait(&m, &job, c->scope, e);
	reset_failed(&m, c->scope);
	m.l.sd_bus_message_unref(reply);
	m.l.sd_bus_error_free(&why);
	return r;
}

#else /* !HAVE_SYSTEMD */

static int not_built(struct err *e)
{
	return err_say(e, EOPNOTSUPP, "this agentrun was built without the systemd cgroup driver");
}

int cgroup_systemd_attach(struct arena *a, struct cgroup *c, const struct spec *s, pid_t pid,
			  struct err *e)
{
	(void)a, (void)c, (void)s, (void)pid;
	return not_built(e);
}

int cgroup_systemd_update(const struct cgroup *c, const struct spec_resources *r, struct err *e)
{
	(void)c, (void)r;
	return not_built(e);
}

int cgroup_systemd_stop(const struct cgroup *c, struct err *e)
{
	(void)c;
	return not_built(e);
}

#endif
