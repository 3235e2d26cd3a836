/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup: one container's control groups, version 1, hybrid and version 2, by
 * cgroupfs or by systemd.
 *
 * No pid is ever written to cgroup.procs (an RCU grace period of 9 ms, DESIGN
 * section 5): version 2 hands out a descriptor for CLONE_INTO_CGROUP, version
 * 1 has the child write "0" to `tasks`.  sd-bus is loaded with dlopen only when
 * the systemd driver is used.  Must not touch any cgroup but the container's
 * (and, where it has to create them, its parents').
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/json.h"
#include "spec/spec.h"

enum cgroup_layout { CGROUP_NONE, CGROUP_V1, CGROUP_HYBRID, CGROUP_V2 };

struct pids {
	pid_t *v;	/* in the arena */
	size_t n;
};

enum { CGROUP_MOST = 16 };	/* hierarchies of version 1 that a host may mount */

struct cgroup {
	enum cgroup_layout layout;
	bool systemd;			/* driver */
	bool rootless_without;		/* no right to any cgroup: none was made, by permission */
	char *path;			/* below each hierarchy's mount, "/docker/<id>" */
	char *scope, *slice;		/* systemd: the unit, and the slice it is in */
	bool user;			/* systemd: the user's manager, not the system's */
	spec_properties properties;	/* systemd: further ones of the scope; not in the state file */
	size_t n;			/* version 1 and hybrid: hierarchies; version 2: one */
	struct cgroup_hierarchy {
		char *controllers;	/* "cpu,cpuacct", "name=systemd", "" for version 2 */
		char *mount;		/* "/sys/fs/cgroup/cpu" */
		char *root;		/* the cgroup that the mount shows; NULL: not looked up */
		char *dir;		/* the container's directory in it; NULL: not made there */
		bool created;		/* by us: remove it */
	} h[CGROUP_MOST];
};

/* What is mounted on this host. */
int cgroup_detect(struct arena *a, struct cgroup *ret, struct err *e);
/* Which cgroups cgroup_create() is going to make, without making any: saved first, so that
 * cgroup_remove() can undo a create whose process was killed.  linux.cgroupsPath absent: a path made
 * of the id. */
int cgroup_plan(struct arena *a, const struct spec *s, const char *id, bool systemd,
		bool rootless, struct cgroup *ret, struct err *e);
/*
 * Creates the container's cgroups and applies linux.resources but for what
 * cgroup_restrict_devices() does; c is as cgroup_plan() made it.
 * Undoes everything on failure; *c is then empty, so that signalling and removing it touch nobody
 * else's processes.  A directory that holds processes already is refused (-EBUSY).
 */
int cgroup_create(struct arena *a, const struct spec *s, bool rootless, struct cgroup *c,
		  struct err *e);
/*
 * linux.resources.devices by an eBPF program, on version 2, which the kernel takes a third of a millisecond
 * to check.  It is for the container's programs, so that the runtime can see to it while its own child is
 * at work.  (The lists of version 1 are closed while they are written, which the child would notice.)
 */
int cgroup_restrict_devices(const struct cgroup *c, const struct spec *s, struct err *e);
/* Version 2 and hybrid's unified part: descriptor for CLONE_INTO_CGROUP, -1 if there is none. */
int cgroup_clone_fd(const struct cgroup *c, int *ret_fd, struct err *e);
/* For exec --cgroup: that of the path below it (NULL: itself), which must not leave it; each is
 * [CONTROLLER[,CONTROLLER]:]PATH on version 1... */
int cgroup_clone_fd_sub(const struct cgroup *c, const struct strv *subs, int *ret_fd,
			struct err *e);
/* ...or of the cgroup that pid (the init) moved to inside the container's.  For exec where clone3
 * says EBUSY: a container with a service manager keeps no process in its topmost cgroup. */
int cgroup_clone_fd_beside(const struct cgroup *c, pid_t pid, int *ret_fd, struct err *e);
/* Version 1, called by the child (whose pid the files then hold): joins all by writing "0".
 * subs as above.  Does nothing on version 2. */
int cgroup_join_self(const struct cgroup *c, const struct strv *subs, struct err *e);
/* The same in two halves, for a child that no longer sees the host's files: the descriptors to
 * write "0" to.  Returns how many (0 on version 2); the caller closes them. */
int cgroup_join_fds(const struct cgroup *c, const struct strv *subs, int ret_fds[CGROUP_MOST],
		    struct err *e);
/* The systemd driver only: moves pid into a new scope (systemd itself does it), and makes what
 * directories of version 1 systemd does not. */
int cgroup_systemd_attach(struct arena *a, struct cgroup *c, const struct spec *s, pid_t pid,
			  struct err *e);

/* ...after which that process finds where it is, and joins the rest. */
int cgroup_systemd_join(struct arena *a, struct cgroup *c, struct err *e);

int cgroup_update(const struct cgroup *c, const struct spec_resources *r, struct err *e);
int cgroup_freeze(const struct cgroup *c, bool freeze, struct err *e);
int cgroup_frozen(const struct cgroup *c, bool *ret, struct err *e);
/* A user without rights to any: nothing tells the container's processes then. */
bool cgroup_is_none(const struct cgroup *c);
/* Every process in it and below. */
int cgroup_pids(struct arena *a, const struct cgroup *c, struct pids *ret, struct err *e);
/* Signals every process: cgroup.kill where it is SIGKILL and the kernel has it (5.14), else one by
 * one, for SIGKILL repeated until nobody new turns up.  Thaws for SIGKILL.  Does not wait for them
 * to be gone. */
int cgroup_signal(const struct cgroup *c, int sig, struct err *e);
/* Waits for the killed to be gone, a second at most: -EBUSY. */
int cgroup_await_end(const struct cgroup *c, struct err *e);
/* Removes the directories (children first); a missing one is no error.  Waits a second at most for
 * the dying. */
int cgroup_remove(const struct cgroup *c, struct err *e);

/* The "data" object of `events --stats`, in runc's form (ENGINES; runc's types/events.go). */
int cgroup_stats(const struct cgroup *c, struct json_writer *w, struct err *e);
/* At delete, for the record. .set == false where the host does not say. */
struct cgroup_cost {
	struct opt_u64 cpu_usec, memory_peak, io_read_bytes, io_write_bytes, oom_kills;
};
void cgroup_read_cost(const struct cgroup *c, struct cgroup_cost *ret);

/* What `events` waits for: that fd shows `when` (poll(2)), after which cgroup_oom() tells whether
 * memory ran out since the last call.  fd -1: the host has no way to tell. */
struct cgroup_oom {
	int fd;			/* owned by the caller */
	short when;
	const char *dir;	/* as c's */
	bool v2;
	uint64_t kills;
};
void cgroup_oom_watch(const struct cgroup *c, struct cgroup_oom *ret);
bool cgroup_oom(struct cgroup_oom *w);

/* In the state file: one object. */
void cgroup_write(const struct cgroup *c, struct json_writer *w);
int cgroup_parse(struct arena *a, const struct json *tree, struct cgroup *ret, struct err *e);
