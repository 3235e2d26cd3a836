/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state: what agentrun keeps of a container between its commands.
 *
 * One directory a container, `<root>/<id>/`, root being /run/agentrun or
 * $XDG_RUNTIME_DIR/agentrun or --root.  It holds:
 *   state.json   this struct, replaced atomically
 *   config.json  the effective specification; exec reads it, no policy is evaluated again
 *   filters      its seccomp rules, compiled (plan.h); config.json is without them
 *   start        the socket on which a created container waits; gone once it was started
 *   deadline     only if limits.time ended it
 *   acct/        a small file system with the kernel's accounting, where that is what tells of commands
 *   listing      what was in a workspace that the container can write to (review/listing.h)
 *   netns        the network namespace, pinned for the evidence (only under a policy)
 *   hosts        /etc/hosts with the allowed names (only under a policy)
 *   notify       directory of the socket for sd_notify(3) (only if systemd wants to hear; notify.h)
 *   hostroot     what is mounted at the root (only without a mount namespace; hostroot.h)
 * Whoever changes a container holds a lock on its directory (flock), so that
 * every command is safe against every other; a create that was killed leaves
 * a directory that `delete --force` can always take away, because what can
 * outlive the runtime (cgroup paths, pid) is written before it is made.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "sandbox/cgroup.h"
#include "spec/spec.h"

#define STATE_FILE "state.json"
#define STATE_CONFIG "config.json"
#define STATE_FILTERS "filters"
#define STATE_START "start"
#define STATE_NETNS "netns"
#define STATE_HOSTS "hosts"
#define STATE_HOSTROOT "hostroot"
#define STATE_NOTIFY "notify"
#define STATE_LISTING "listing"
#define STATE_ACCT "acct"
#define STATE_CLAIMS "claims"

enum status { STATUS_CREATING, STATUS_CREATED, STATUS_RUNNING, STATUS_PAUSED, STATUS_STOPPED };
extern const char *const status_names[];

struct state {
	char *id;
	char *oci_version;
	char *bundle, *rootfs;	/* absolute */
	char *created;		/* RFC 3339 */
	char *owner;
	char *session;		/* of the audit log; NULL where there is no policy */
	char *audit;		/* directory of that log: later commands may lack the environment to find it */
	uint64_t since;		/* ns: what a file system says was changed later, the container changed; 0: not noted */
	char *store;		/* of a copy-on-write workspace (workspace.h); NULL: none */
	char *unwatched;	/* why what is executed is not logged (commands.h); NULL: it is */
	bool acct;		/* it is told by process accounting */
	bool claims;		/* the container's processes are asked */
	pid_t pid;		/* 0: not there yet */
	uint64_t pid_start;	/* start time of pid, clock ticks since boot: tells pid reuse */
	bool ready;		/* create came to its end */
	bool rootless;
	bool new_keyring;
	struct cgroup cgroup;
	struct kvs annotations;
};

/* The directory that holds all containers; created (0700) if `make`. */
int state_root(struct arena *a, const char *option, bool rootless, bool make, char **ret,
	       struct err *e);
/* An id is 1 to 1024 of [A-Za-z0-9_+-.], neither "." nor "..", and does not begin with "-". */
int state_check_id(const char *id, struct err *e);

/* A locked container directory. */
struct state_dir {
	int fd;			/* the directory, with the lock; owned */
	char *path;		/* in the arena */
};
#define owned_state_dir __attribute__((cleanup(state_dir_close))) struct state_dir
#define STATE_DIR_INIT ((struct state_dir){ .fd = -1 })
void state_dir_close(struct state_dir *d);

/* Creates and locks it; -EEXIST if there is such a container. */
int state_reserve(struct arena *a, const char *root, const char *id, struct state_dir *ret,
		  struct err *e);
/* STATE_TRY: exclusive, but -EBUSY at once where somebody holds it. */
enum state_lock { STATE_UNLOCKED, STATE_SHARED, STATE_EXCLUSIVE, STATE_TRY };
/* -ENOENT "container ID does not exist".  Waits for the lock. */
int state_open(struct arena *a, const char *root, const char *id, enum state_lock lock,
	       struct state_dir *ret, struct err *e);
int state_save(const struct state_dir *d, const struct state *s, struct err *e);
int state_load(struct arena *a, const struct state_dir *d, struct state *ret, struct err *e);
/* What is kept of a specification: all but the seccomp rules, which STATE_FILTERS has; linux.seccomp is
 * there only where they have a listener, and names it. */
struct spec *state_spec(struct arena *a, const struct spec *s);
int state_save_spec(const struct state_dir *d, const struct spec *s, struct err *e);
int state_load_spec(struct arena *a, const struct state_dir *d, struct spec **ret, struct err *e);
/* Whoever has the lock and misses a file found what a create that was killed, or a delete, left. */
int state_torn(const char *id, struct err *e);
/* Deletes the files and the directory. */
int state_forget(const struct state_dir *d, struct err *e);

enum status state_status(const struct state_dir *d, const struct state *s);
/* Stopped, or about to be: a process gives up its namespaces before it is a zombie, and the first one of
 * a PID namespace waits in between for all others.  One that was killed may not have come to run since. */
bool state_ending(const struct state *s);
int state_not_running(const struct state *s, struct err *e);
/* A pidfd of the container's first process, after checking that it is still the same one; -ESRCH
 * if it is gone. */
int state_pidfd(const struct state *s, int *ret_fd, struct err *e);
int state_start_time(pid_t pid, uint64_t *ret);	/* negative errno, no err */

/* The OCI state (specification: runtime.md, State), what `state` prints and hooks read.  `people`
 * adds what runc's state has beyond it (rootfs, created, owner) and is pretty. */
void state_write_oci(const struct state *s, enum status status, bool people, struct str *out);
/* The container process state (specification: config-linux.md), with a seccomp listener's descriptor. */
void state_write_process(const struct state *s, enum status status, pid_t pid, const char *metadata,
			 struct str *out);
