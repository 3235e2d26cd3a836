/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup_parts: what the cgroup_*.c files and their unit tests share.
 *
 *   cgroup.c            plan, create, hand over
 *   cgroup_join.c       join, for create and exec
 *   cgroup_state.c      the state file
 *   cgroup_layout.c     what the host mounts, paths, single files
 *   cgroup_procs.c      what is done to the processes: pids, signal, freeze, remove
 *   cgroup_resources.c  linux.resources -> files
 *   cgroup_devices.c    device rules
 *   cgroup_stats.c      events --stats, cost
 *   cgroup_systemd.c    the systemd driver: names and places
 *   cgroup_scope.c      the systemd driver: what systemd is asked for
 *   cgroup_properties.c linux.resources -> properties of a unit
 *
 * Nobody else includes this header.
 */
#pragma once

#include "base/str.h"
#include "sandbox/cgroup.h"

/* ---- cgroup_layout.c ---- */

/* The hierarchy with that controller ("memory", "name=systemd", "" for the unified one); on version
 * 2 the only one.  NULL: not mounted, or the container has no directory there. */
const struct cgroup_hierarchy *cgroup_hierarchy_of(const struct cgroup *c, const char *controller);
/* Adds the hierarchies that /proc/self/mountinfo's text tells of. */
void cgroup_parse_mountinfo(struct arena *a, const char *text, struct cgroup *ret);
/* The process's own path in the hierarchy, from the text of /proc/PID/cgroup; NULL if absent. */
char *cgroup_parse_own(struct arena *a, const char *text, const char *controllers);
/* Is `name` one of the comma-separated `list`?  "" is in "" only. */
bool cgroup_listed(const char *list, const char *name);
/* The container's path below h's mount, from linux.cgroupsPath. */
int cgroup_container_path(struct arena *a, const struct cgroup *c,
			  const struct cgroup_hierarchy *h, const char *wanted, char **ret,
			  struct err *e);

/* One read or write of DIR/FILE. */
int cgroup_get(const char *dir, const char *file, struct str *out, struct err *e);
int cgroup_put(const char *dir, const char *file, const char *text, struct err *e);
bool cgroup_has(const char *dir, const char *file);
/* Is `word` among the words of text, which spaces and newlines part? */
bool cgroup_has_word(const char *text, const char *word);
/* The file's number; "max" is UINT64_MAX.  false: no such file or no number. */
bool cgroup_get_u64(const char *dir, const char *file, uint64_t *ret);
/* The number after KEY in a file of lines "key value". */
bool cgroup_get_key(const char *dir, const char *file, const char *key, uint64_t *ret);

/* This process's own path below h's mount. */
int cgroup_own_path(struct arena *a, const struct cgroup_hierarchy *h, char **ret, struct err *e);

/* ---- cgroup.c ---- */

/* For a unit that systemd made: its directories in the hierarchies that systemd does not manage. */
int cgroup_make_rest(struct arena *a, const struct cgroup *c, const struct spec *s, struct err *e);

/* Hands the controllers that the kernel has down from the mount to h->dir, as far as it may. */
void cgroup_enable_controllers(const struct cgroup_hierarchy *h);

/* Gives the container's user its cgroup where the specification says so. */
int cgroup_hand_over(const struct cgroup *c, const struct spec *s, struct err *e);

/* ---- cgroup_procs.c ---- */

/* How many processes are in dir and below; a missing one has none. */
int cgroup_count(const char *dir, size_t *ret, struct err *e);
/* Removes dir and what is below it; waits briefly for the dying. */
int cgroup_remove_tree(const char *dir, struct err *e);

/* ---- cgroup_resources.c ---- */

enum cgroup_when { CGROUP_AT_CREATE, CGROUP_AT_UPDATE };
int cgroup_resources_apply(const struct cgroup *c, const struct spec_resources *r,
			   enum cgroup_when when, struct err *e);
/* The JSON path below linux.resources of the first limit in r ("memory.limit"), NULL for none.
 * Device rules are no limit. */
const char *cgroup_resources_first(const struct spec_resources *r);
/* Conversions from version 1's units to version 2's. */
uint64_t cgroup_cpu_weight(uint64_t shares);
uint64_t cgroup_io_weight(uint64_t blkio_weight);
/* memory.swap.max from memory+swap; -1 is "max".  -EINVAL with e set where it makes no sense. */
int cgroup_swap_v2(int64_t swap, int64_t limit, int64_t *ret, struct err *e);

/* ---- cgroup_devices.c ---- */

struct cgroup_device_rule {
	bool allow;
	char type;		/* 'b' or 'c' */
	int64_t major, minor;	/* -1: any */
	unsigned access;	/* BPF_DEVCG_ACC_* */
};
struct cgroup_device_rules {
	bool allow;		/* what no rule speaks of */
	struct cgroup_device_rule *v;	/* the last that fits decides */
	size_t n, own;		/* from v[own] on: the runtime's defaults */
};
struct bpf_insn;

/* plain: no agent policy (the defaults then hold what runc's do). */
int cgroup_device_rules(struct arena *a, const struct spec_resources *r, bool plain,
			struct cgroup_device_rules *ret, struct err *e);
/* "rwm" or a part of it. */
void cgroup_device_access(unsigned access, char ret[4]);
size_t cgroup_device_program(struct arena *a, const struct cgroup_device_rules *rules,
			     struct bpf_insn **ret);
/* The devices controller's lists, else a program. */
const struct cgroup_hierarchy *cgroup_devices_v1(const struct cgroup *c);
/* Replaces what was applied before. */
int cgroup_devices_apply(const struct cgroup *c, const struct spec_resources *r, bool plain,
			 struct err *e);

/* ---- cgroup_systemd.c ---- */

/* Fills in scope, slice, path, properties; nothing is created before a pid is there. */
int cgroup_systemd_plan(struct arena *a, const struct spec *s, const char *id, bool user,
			struct cgroup *c, struct err *e);
/* Every hierarchy's directory is where the unit's is. */
void cgroup_systemd_set_path(struct arena *a, struct cgroup *c, char *path);
/* Does systemd make that hierarchy's directories itself? */
bool cgroup_systemd_manages(const struct cgroup_hierarchy *h);
/* "slice:prefix:name" -> slice and unit name; -EINVAL with e set. */
int cgroup_systemd_parse(struct arena *a, const char *cgroups_path, const char *id, bool user,
			 char **ret_slice, char **ret_scope, struct err *e);
/* "a-b.slice" -> "/a.slice/a-b.slice"; "-.slice" -> "". */
int cgroup_systemd_slice_path(struct arena *a, const char *slice, char **ret, struct err *e);

/* ---- cgroup_scope.c ---- */

int cgroup_systemd_update(const struct cgroup *c, const struct spec_resources *r, struct err *e);
int cgroup_systemd_stop(const struct cgroup *c, struct err *e);
