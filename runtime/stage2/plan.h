/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan: what the parent hands to stage two.
 *
 * Stage two (runtime/stage2/main.c, "agentrun-init") is the only program of
 * ours that runs where the container's processes can see it.  It is static, a
 * few tens of KiB, runs from a sealed memfd (CVE-2019-5736: there is nothing on
 * disk that /proc/<pid>/exe could lead to), and parses nothing: the plan is
 * one flat block in another sealed memfd, all references are offsets from its
 * start, and 0 means "absent".
 *
 * The order of its steps is the table in main.c.
 */
#pragma once

#include <stdint.h>

#include "base/err.h"
#include "base/sys.h"

/* ---- messages on the sync socket (SOCK_SEQPACKET), both stages to the parent and back ---- */

enum message_kind {
	MESSAGE_FAILED,		/* child -> parent: err says why; the child is gone */
	MESSAGE_CGROUP,		/* parent -> child: systemd has moved you into your scope */
	MESSAGE_NAMESPACES,	/* child -> parent: write my id maps */
	MESSAGE_MAPPED,		/* parent -> child: maps are written; exec: I know your pid */
	MESSAGE_NETWORK,	/* child -> parent: network namespace armed, run createRuntime hooks */
	MESSAGE_HOOKED,		/* parent -> child: hooks are done, build the root */
	MESSAGE_ROOT,		/* child -> parent: entered my root, record me */
	MESSAGE_PID,		/* stage two -> parent: pid of the process that joined (exec) */
	MESSAGE_READY,		/* stage two -> parent: all set up, waiting for start */
	MESSAGE_LISTENER,	/* stage two -> parent: the filter's listener is my descriptor `pid` */
	MESSAGE_GO,		/* parent -> stage two: recorded; wait for start (create) or run (exec, start);
				 * or: the listener has its descriptor */
};

struct message {
	uint32_t kind;
	int32_t pid;
	uint32_t undone;	/* READY: PLAN_SCHEDULER, PLAN_IO_PRIORITY: what stage two may not set */
	struct err err;
};

/* ---- the plan ---- */

struct plan_caps {
	uint64_t bounding, effective, permitted, inheritable, ambient;
};

struct plan_rlimit {
	uint32_t resource;	/* RLIMIT_* */
	uint32_t reserved;
	uint64_t soft, hard;
};

struct plan_filter {
	uint32_t insns;		/* offset of struct sock_filter[] */
	uint32_t n;
	uint32_t flags;		/* SECCOMP_FILTER_FLAG_*; NEW_LISTENER in one at most */
};

struct plan_hook {
	uint32_t path;
	uint32_t argv, envp;	/* offsets of uint32_t[] of offsets, ended by 0; envp 0: the process's */
	uint32_t timeout;	/* seconds, 0: none */
};

enum {
	PLAN_NO_NEW_PRIVS = 1,
	PLAN_TERMINAL = 2,	/* make tty_fd the controlling terminal and the stdio */
	PLAN_NEW_KEYRING = 4,
	PLAN_CLONE = 8,		/* go on in a child: what was joined is the children's PID namespace */
	PLAN_NO_SETGROUPS = 16,	/* setgroups(2) may be denied by the map: the caller's then stay */
	PLAN_SCHEDULER = 32,
	PLAN_IO_PRIORITY = 64,
	PLAN_KEEP_GROUPS = 128,	/* the caller's, whatever n_groups says */
};

enum { PLAN_FILTERS = 3, PLAN_MAGIC = 0x616e7031 };

struct plan {
	uint32_t magic;
	uint32_t size;		/* of the whole block */
	uint32_t flags;
	int32_t sync_fd;
	int32_t start_fd;	/* listening socket on which `start` says GO; -1: do not wait */
	int32_t tty_fd;		/* -1: none */
	uint32_t keep_fds;	/* descriptors 3 .. 3 + keep_fds - 1 stay open in the container */

	uint32_t argv, envp;	/* offsets of uint32_t[] of offsets, ended by 0 */
	uint32_t cwd;
	uint32_t path;		/* $PATH of the environment, for the look-up of argv[0] */

	uint32_t uid, gid;
	uint32_t groups, n_groups;	/* offset of uint32_t[] */
	uint32_t umask;
	int32_t personality;	/* -1: leave */
	uint32_t pdeathsig;	/* 0: none */
	int32_t memory_policy;	/* MPOL_* with MPOL_F_*; -1: leave */
	uint32_t memory_nodes, n_memory_nodes;	/* offset of unsigned long[]; how many bits it has */
	struct plan_caps caps;
	uint32_t last_cap;

	uint32_t rlimits, n_rlimits;	/* offset of struct plan_rlimit[]; the parent raised hard limits */
	struct sys_sched_attr scheduler;	/* PLAN_SCHEDULER */
	int32_t io_priority;	/* PLAN_IO_PRIORITY */
	uint32_t apparmor;	/* profile for the exec, 0: none */
	uint32_t selinux;	/* label for the exec and for the keyring, 0: none */

	uint32_t n_filters;	/* that of the log of commands, the engine's, the policy's */
	struct plan_filter filter[PLAN_FILTERS];

	uint32_t hooks, n_hooks;	/* startContainer: offset of struct plan_hook[] */
	uint32_t hook_state, hook_state_size;	/* the state JSON for their stdin */
};
