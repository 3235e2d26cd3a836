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

/* One program that was executed in the container, by whatever process; written when it has ended, or when
 * the container has. */
struct audit_command {
	int64_t pid, parent_pid;	/* on the host */
	const char *executable;
	const struct strv *args;
	const char *cwd;		/* NULL: the source does not tell it; no member then */
	int64_t start_ns;		/* since 1970 */
	int64_t duration_ns;
	int exit_code, exit_signal;	/* -1: not known, or it ended the other way */
	bool failed;			/* the program did not begin, as it seems; no member if it did */
};
/* Records of many of them, of as many each as fit well into a line. */
struct audit_command_records {
	const char *source;		/* "bpf", "acct" (a name, no arguments), "claimed" (the process's word) */
	struct str members;		/* of the record that they are added to; "": none */
	int64_t second;			/* since 1970, and as a record has it: many have the same; "": none yet */
	char second_text[32];
};
/* Adds one.  True: with it the record is whole, and has to be taken (members.len = 0) before the next. */
bool audit_record_command(struct audit_command_records *r, const struct audit_command *c);
/* There are no more.  False: there is no record left to be taken. */
bool audit_record_commands_end(struct audit_command_records *r);

/* The container's first process has ended. */
struct audit_exit {
	int exit_code, exit_signal;	/* as in struct audit_delete */
	int64_t exit_ns;		/* since 1970 */
	const char *source;		/* "wait", "bpf", "acct", "pidfd"; NULL: not known, */
	const char *exit_reason;	/* because: */
};
void audit_record_exit(const struct audit_exit *x, struct str *ret_members);

/* A file that is, or was taken over, as it is in the workspace. */
struct audit_change {
	const char *path;	/* relative to the workspace */
	const char *kind;	/* "added", "modified", "deleted", "mode", "type" */
	uint64_t size;		/* bytes that it has now */
	const char *sha256;	/* of its content, or of a link's target; NULL or "": has none, or not read */
	const char *runs;	/* why it may run code on the host; NULL: it does not seem to */
};

/* A person took changes over into the workspace. */
struct audit_apply {
	const char *source;	/* the workspace, a host path */
	const char *digest;	/* of the changes as they were reviewed */
	int64_t caller_uid;
	const struct audit_change *applied;
	size_t n;
};
void audit_record_apply(const struct audit_apply *x, struct str *ret_members);

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

/* What the session's records of commands hold. */
struct audit_commands {
	const char *source;		/* as in struct audit_command_records; NULL: they were not recorded, */
	uint64_t recorded, lost;	/* commands */
	const char *reason;		/* because; or why some were lost */
};

/* Whether git keeps it: there may be hundreds of such files behind one that a person wrote. */
bool audit_is_git(const char *path);

/* What was changed in the workspace. */
struct audit_files {
	const char *source;		/* "overlay", "statx"; NULL: not known, */
	const char *reason;		/* because: */
	const char *digest;		/* of all changes: what a reviewer applies is what was recorded */
	const struct audit_change *changes;	/* all, in any order: the record counts them, and lists what fits,
					 * those that may run code on the host first, those of git last */
	size_t n;
};

/* Packages that were asked for, as audit/supply.h recognises it. */
struct audit_install {
	const char *ecosystem;
	const char *action;		/* "npm install"; NULL: a lock file was changed */
	const struct strv *packages;	/* as the command line names them; NULL or empty: what a file lists */
	const char *evidence;		/* "command", "lockfile" */
	const char *path;		/* of the lock file; NULL */
};

struct audit_delete {
	int exit_code;			/* -1: not known, or killed by a signal */
	int exit_signal;		/* -1: not known, or exited by itself */
	const char *exit_reason;	/* why neither is known */
	int64_t duration_ns;		/* since start; -1: never started */
	int64_t cpu_usec, memory_peak, io_read_bytes, io_write_bytes, oom_kills;	/* -1: unknown, */
	const char *cost_reason;		/* because: */
	const struct audit_network *network;	/* NULL: was not watched, */
	const char *network_reason;		/* because: */
	const struct audit_commands *commands;	/* NULL: nobody asked for them */
	const struct audit_files *files;	/* NULL: there is no workspace, or nobody looked */
	const struct audit_install *installs;
	size_t n_installs;
	const struct strv *unseen;	/* what this evidence cannot see; NULL: what the rest says */
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
