/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup_bus: what the two files that speak to systemd share: the library, and
 * a message that is being written.
 */
#pragma once

#include <systemd/sd-bus.h>

#include "sandbox/cgroup_parts.h"

#define BUS_SYMBOLS(X) \
	X(sd_bus_call) \
	X(sd_bus_call_method) \
	X(sd_bus_error_free) \
	X(sd_bus_error_has_name) \
	X(sd_bus_flush_close_unref) \
	X(sd_bus_get_property_string) \
	X(sd_bus_match_signal) \
	X(sd_bus_message_append) \
	X(sd_bus_message_append_array) \
	X(sd_bus_message_close_container) \
	X(sd_bus_message_new_method_call) \
	X(sd_bus_message_open_container) \
	X(sd_bus_message_read) \
	X(sd_bus_message_unref) \
	X(sd_bus_open_system) \
	X(sd_bus_open_user) \
	X(sd_bus_process) \
	X(sd_bus_wait)

struct bus_library {
#define MEMBER(name) __typeof__(name) *name;
	BUS_SYMBOLS(MEMBER)
#undef MEMBER
};

/* Collects the first failure of sd-bus, as its own functions do. */
struct bus_message {
	const struct bus_library *l;
	sd_bus_message *m;
	int r;
	bool v1;		/* has names of its own */
	unsigned version;	/* of a systemd with version 1, which may be an old one */
};

/* ---- cgroup_properties.c: what goes into an open a(sv) ---- */

/* Of a new scope around the process. */
int cgroup_put_scope(struct bus_message *m, const struct cgroup *c, const struct spec *s, pid_t pid,
		     struct err *e);
/* Of one whose limits change. */
int cgroup_put_change(struct bus_message *m, const struct cgroup *c, const struct spec_resources *r,
		      struct err *e);
