/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ns: which namespaces a container gets, which it joins, and in what order.
 *
 * The runtime opens what is joined before it clones, so that a wrong path is
 * an error while nothing exists yet; the container's first process enters.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "spec/spec.h"

enum ns_kind { NS_USER, NS_MOUNT, NS_NETWORK, NS_PID, NS_IPC, NS_UTS, NS_CGROUP, NS_TIME, NS_KINDS };

struct ns_kind_info {
	const char *oci;	/* "network": the specification's name */
	const char *proc;	/* "net": the name in /proc/PID/ns */
	int clone_flag;		/* CLONE_NEWNET */
};
extern const struct ns_kind_info ns_kinds[NS_KINDS];	/* also what `features` lists */

struct ns_set {
	bool fresh[NS_KINDS];	/* a new one is made */
	int join_fd[NS_KINDS];	/* the one to enter, -1: none; owned */
};

#define owned_ns_set __attribute__((cleanup(ns_close))) struct ns_set
void ns_close(struct ns_set *set);
/* What linux.namespaces asks for; opens the paths and checks their kind. */
int ns_from_spec(const struct spec *s, struct ns_set *ret, struct err *e);
/* Those of a running process (exec): all in which it differs from the caller. */
int ns_of_process(pid_t pid, struct ns_set *ret, struct err *e);

/*
 * Flags for clone3 of the first process.  None for a set with a user namespace that is joined, or
 * made after others were joined: what is new must belong to it.
 */
uint64_t ns_clone_flags(const struct ns_set *set);
/* A PID namespace can be joined, and one be made inside such a user namespace, only by a child of the
 * process that joined. */
bool ns_needs_second_clone(const struct ns_set *set);
/* setns into all of join_fd (the PID namespace: its children's), then unshares what ns_clone_flags()
 * left out but the PID namespace. */
int ns_enter(const struct ns_set *set, struct err *e);
/* Moves the caller to a new time namespace with these offsets. */
int ns_new_time(const struct spec *s, struct err *e);
