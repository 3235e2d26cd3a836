/* SPDX-License-Identifier: Apache-2.0 */
/*
 * record: the content of each record, built from plain values: the members that
 * audit_append() puts behind the frame.  man/agentrun-audit.5 and
 * profiles/audit-record.schema.json describe the shapes.
 *
 * Names are OpenTelemetry's where it has them.  Absent texts are NULL and
 * absent numbers negative; both are written as null, so that "not known" never looks like "none".
 * Texts of the caller (arguments, labels, reasons) lose what looks like a
 * credential here (audit/redact.h): the caller hands them over as they are.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/str.h"

#define AUDIT_SANDBOX "agentrun: OCI namespaces and seccomp"

/* A process as it was asked for. */
struct audit_process {
	const struct strv *args;
	const char *cwd;
	int64_t uid, gid;
	int64_t pid;		/* on the host; -1 before it exists */
	bool terminal;
};

struct audit_mount {
	const char *source, *destination;	/* host path, container path */
	bool writable;
};

struct audit_egress_rule {
	const char *host;	/* as the policy names it: address, prefix or name */
	uint64_t port_first, port_last;
	const char *protocol, *reason;
	const struct strv *addresses;	/* what a name was resolved to; NULL or empty: none */
};

/* What the policy made of the bundle. */
struct audit_policy {
	const char *profile, *digest;
	const char *audit_mode;		/* "best-effort", "required" */
	const char *workspace_source, *workspace_destination;	/* NULL: no workspace */
	const char *workspace_mode, *workspace_owner;
	const struct strv *workspace_guard, *workspace_mask;
	const char *egress;		/* "none", "allow", "open" */
	const struct audit_egress_rule *egress_rules;
	size_t n_egress_rules;
	const uint64_t *ingress;	/* ports that others may open flows to, published ones included */
	size_t n_ingress;
	const char *env;		/* "scrub", "strict", "keep" */
	const struct strv *env_dropped;	/* names, never values */
	const struct strv *credentials;	/* names of the grants */
	const struct strv *caps;	/* the most that a process may keep */
	const char *seccomp;		/* profile name or "engine" */
	bool no_new_privileges;
	const struct strv *changes;	/* one line for each change to the bundle */
	const struct kvs *labels;	/* claims of the caller */
};

struct audit_create {
	const char *version;		/* of agentrun */
	const char *engine;		/* "docker", "podman", "containerd", "cri-o", NULL: unknown */
	const char *image;		/* NULL: the engine does not say */
	const char *bundle, *rootfs;
	struct audit_process process;
	const struct audit_mount *mounts;	/* binds of host paths, the workspace included */
	size_t n_mounts;
	int64_t caller_uid, caller_login_uid;	/* who ran agentrun; /proc/self/loginuid, -1: none */
	const struct audit_policy *policy;	/* NULL: plain OCI, nothing was confined by us */
};
void audit_record_create(const struct audit_create *c, struct str *ret_members);

/* What the annotations of an engine say of the image, and which engine it seems to be. */
const char *audit_image_of(const struct kvs *annotations);
const char *audit_engine_of(const struct kvs *annotations, const char *bundle);

struct audit_start {
	int64_t pid;
};
void audit_record_start(const struct audit_start *s, struct str *ret_members);

struct audit_exec {
	struct audit_process process;
	const struct strv *env_dropped;
};
void audit_record_exec(const struct audit_exec *x, struct str *ret_members);

struct audit_destination {
	const char *verdict;		/* "allowed", "reply", "denied", "inbound", "inbound-reply" */
	const char *address, *protocol;
	unsigned port;			/* 0: the protocol has none */
	uint64_t packets, bytes;
};

struct audit_network {
	const struct audit_destination *destinations;
	size_t n;
	uint64_t denied_packets, unrecorded_packets, forwarded_packets, inbound_denied_packets;
	bool truncated;
};

struct audit_delete {
	int exit_code;			/* -1: not known, or killed by a signal */
	int exit_signal;		/* -1: not known, or exited by itself */
	const char *exit_reason;	/* why neither is known */
	int64_t duration_ns;		/* since start; -1: never started */
	int64_t cpu_usec, memory_peak, io_read_bytes, io_write_bytes, oom_kills;	/* -1: unknown */
	const struct audit_network *network;	/* NULL: was not watched, */
	const char *network_reason;		/* because: */
	const struct strv *unseen;	/* what this evidence cannot see; NULL: the built-in list */
};
void audit_record_delete(const struct audit_delete *d, struct str *ret_members);

/* An audit hook that did not succeed: a record of its own (event "hook"), behind the one that the
 * hook was to get. */
struct audit_hook {
	const char *path, *event;	/* the program; the event of the record that it was given */
	const char *outcome;		/* "failed", "timeout" */
	const char *detail;
	bool required;
};
void audit_record_hook(const struct audit_hook *h, struct str *ret_members);
