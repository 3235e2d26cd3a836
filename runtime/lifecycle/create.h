/* SPDX-License-Identifier: Apache-2.0 */
/*
 * create: a container from a bundle, up to the state "created" (start.h goes on).
 *
 * create.c is the runtime's side of the diagram in handshake.h, init.c the
 * container's.  On failure nothing is left behind: no process, cgroup,
 * mount, state directory, and the pid file is as it was.
 */
#pragma once

#include <sys/types.h>

#include "base/err.h"
#include "lifecycle/pidfile.h"
#include "lifecycle/state.h"
#include "sandbox/ns.h"
#include "sandbox/rootfs.h"
#include "sandbox/seccomp.h"
#include "spec/spec.h"
#include "stage2/plan.h"

/* What the global options say. */
struct runtime {
	const char *root;	/* --root, NULL: the default */
	bool rootless;
	bool systemd_cgroup;
	const char *profile;	/* --profile */
	const char *host_policy;	/* NULL: the default place */
};

struct create_options {
	const char *id;
	const char *bundle;		/* directory */
	const char *pid_file;		/* NULL: none */
	const char *console_socket;	/* NULL: none */
	const char *pidfd_socket;	/* NULL: none */
	bool no_pivot;
	bool no_new_keyring;
	unsigned preserve_fds;		/* those of listen_fds included, which come first */
	unsigned listen_fds;		/* see activation.h */
	bool start;			/* `run`: lifecycle_start_created() follows at once */
	bool foreground;		/* and without --detach: the terminal comes back to the caller */
};

/* What run needs of a container that it just created; all of it is owned. */
struct created {
	struct state_dir dir;	/* still locked: nobody comes between create and start */
	struct state state;
	struct spec *spec;
	pid_t pid;
	int pidfd;
	int init;	/* the conversation with its process */
	bool told;	/* MESSAGE_GO was said there; else the process waits for it, and dies with us */
	int notify;	/* see notify.h; -1: none */
	int console;	/* the terminal's master if foreground and process.terminal; else -1 */
	struct pid_file pid_file;	/* for the caller to publish once it runs */
};
#define CREATED_INIT ((struct created){ .dir = STATE_DIR_INIT, .pidfd = -1, .init = -1, \
					    .notify = -1, .console = -1 })
#define owned_created __attribute__((cleanup(created_close))) struct created
void created_close(struct created *c);

/* Sends pidfd to the AF_UNIX socket at that path (NULL: nowhere), with runc's word for its kind. */
int lifecycle_hand_pidfd(const char *path, const char *kind, int pidfd, struct err *e);
int lifecycle_create(struct arena *a, const struct runtime *rt, const struct create_options *o,
		     struct created *ret, struct err *e);
/* What the container's process needs of the runtime's privileges before its ids change; pid 0: of the
 * caller's own. */
int lifecycle_raise_limits(pid_t pid, const struct spec_process *p, struct err *e);
int lifecycle_set_oom_score(pid_t pid, const struct spec_process *p, struct err *e);

/* What the container's first process inherits from the runtime by memory (it is a fork). */
struct init {
	struct arena *arena;
	const struct spec *spec;
	const struct create_options *options;
	struct state state;	/* its pid, as the host sees it, comes with MESSAGE_HOOKED, if at all */
	const struct ns_set *ns;
	struct rootfs rootfs;
	const struct seccomp_program *filter;
	size_t n_filters;
	bool egress_by_runtime;	/* the runtime installs the table */
	bool await_maps, await_hooks;	/* the runtime has something to do that must come first */
	int acct_fd;		/* of commands_make(); -1: none */
	int sync_fd;		/* its end of the handshake */
	int stage2_fd;
	int start_fd;		/* the listening socket on which start is heard; -1: sync_fd it is */
	int console_fd;		/* where the terminal's master goes; -1: no terminal */
};
/* Its steps, in order; the order is part of the defence, and a unit test asserts what matters of it. */
struct stage;
struct init_step {
	const char *name;
	int (*run)(struct stage *s, struct err *e);
};
extern const struct init_step init_steps[];	/* ends with a NULL name */
/* The container's side; never returns. */
_Noreturn void init_run(struct init *in);
