/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spec: the OCI runtime configuration (specification 1.3, config.md and
 * config-linux.md) as C structs.
 *
 * spec/fields.c holds one table per object that both reads and writes it.
 * Everything lives in the arena given to the reader.  Absent strings are
 * NULL, absent objects NULL, absent numbers have .set == false.  The model
 * also carries a typed `agent` block: what OCI cannot express, written by
 * policy_apply(); a bundle's own config.json may not contain one.  Secret
 * values never enter the model.  Must not do I/O beyond reading the file it
 * is given.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"
#include "base/str.h"

/* The version of the specification that agentrun implements and writes; it reads every 1.x. */
#define SPEC_OCI_VERSION "1.3.0"

/* Annotations with a meaning of their own, policies apart. */
#define SPEC_UNIT_PROPERTY "org.systemd.property."	/* a prefix */
#define SPEC_KEEP_GROUPS "run.oci.keep_original_groups"	/* crun's, which Podman relies on */

struct opt_bool { bool set, v; };
struct opt_i64 { bool set; int64_t v; };
struct opt_u64 { bool set; uint64_t v; };

/* Arrays of objects: T *v; size_t n. */
#define VEC(type) struct { type *v; size_t n; }

struct spec_rlimit {
	char *type;		/* "RLIMIT_NOFILE" */
	uint64_t soft, hard;
};

struct spec_capabilities {	/* names, "CAP_KILL" */
	struct strv bounding, effective, inheritable, permitted, ambient;
};

struct spec_user {
	int64_t uid, gid;	/* 0 .. 2^32-2, checked by the reader */
	struct opt_u64 umask;
	VEC(int64_t) additional_gids;
	char *username;		/* not for Linux; kept */
};

struct spec_scheduler {
	char *policy;		/* "SCHED_BATCH" */
	struct opt_i64 nice, priority;
	struct strv flags;
	struct opt_u64 runtime, deadline, period;
};

struct spec_io_priority {
	char *class;		/* "IOPRIO_CLASS_BE" */
	struct opt_i64 priority;
};

struct spec_cpu_affinity {
	char *initial, *final;
};

struct spec_console_size {
	struct opt_u64 height, width;
};

struct spec_process {
	bool terminal;
	struct spec_console_size *console_size;
	struct spec_user user;
	struct strv args, env;
	char *cwd;
	struct spec_capabilities *capabilities;
	VEC(struct spec_rlimit) rlimits;
	bool no_new_privileges;
	char *apparmor_profile, *selinux_label;
	struct opt_i64 oom_score_adj;
	struct spec_scheduler *scheduler;
	struct spec_io_priority *io_priority;
	struct spec_cpu_affinity *exec_cpu_affinity;
};

struct spec_id_mapping {
	int64_t container_id, host_id, size;
};
typedef VEC(struct spec_id_mapping) spec_id_mappings;	/* the one typedef: VEC has no tag */

struct spec_mount {
	char *destination;	/* absolute, without "." and ".." */
	char *type, *source;
	struct strv options;
	spec_id_mappings uid_mappings, gid_mappings;
	/* Not JSON.  The object that the policy judged (O_PATH), -1 if the source is to be
	 * opened by name.  The mount is made from this very object. */
	int source_fd;
	/* Not JSON.  The directory in which the writes stay (sandbox/overlay.h), NULL: they go to the
	 * source; and whether its marks are user.overlay.*. */
	char *store;
	bool store_user_xattr;
};

struct spec_hook {
	char *path;
	struct strv args, env;
	struct opt_i64 timeout;	/* seconds */
};
typedef VEC(struct spec_hook) spec_hooks_list;

struct spec_hooks {
	spec_hooks_list prestart, create_runtime, create_container, start_container, poststart,
		poststop;
};

struct spec_namespace {
	char *type;		/* one of spec_namespace_types: "pid", "network", "mount", ... */
	char *path;		/* NULL: create a new one */
};

struct spec_device {
	char *path, *type;	/* type: "c", "u", "b", "p" */
	int64_t major, minor;
	struct opt_u64 file_mode, uid, gid;
};

struct spec_device_rule {
	bool allow;
	char *type;		/* NULL or "a", "b", "c" */
	struct opt_i64 major, minor;	/* unset or -1: any */
	char *access;
};

struct spec_memory {
	struct opt_i64 limit, reservation, swap, kernel, kernel_tcp;	/* bytes, -1 unlimited */
	struct opt_u64 swappiness;
	struct opt_bool disable_oom_killer, use_hierarchy, check_before_update;
};

struct spec_cpu {
	struct opt_u64 shares, period, realtime_period, burst;	/* microseconds but shares */
	struct opt_i64 quota, realtime_runtime, idle;
	char *cpus, *mems;
};

struct spec_pids {
	struct opt_i64 limit;
};

struct spec_weight_device {
	int64_t major, minor;
	struct opt_u64 weight, leaf_weight;
};

struct spec_throttle_device {
	int64_t major, minor;
	uint64_t rate;
};
typedef VEC(struct spec_throttle_device) spec_throttle_devices;

struct spec_block_io {
	struct opt_u64 weight, leaf_weight;
	VEC(struct spec_weight_device) weight_device;
	spec_throttle_devices read_bps, write_bps, read_iops, write_iops;
};

struct spec_hugepage_limit {
	char *page_size;
	uint64_t limit;
};

struct spec_if_priority {
	char *name;
	uint64_t priority;
};

struct spec_net {
	struct opt_u64 class_id;
	VEC(struct spec_if_priority) priorities;
};

struct spec_rdma {
	char *name;		/* the key of the map */
	struct opt_u64 hca_handles, hca_objects;
};

struct spec_resources {
	VEC(struct spec_device_rule) devices;
	struct spec_memory *memory;
	struct spec_cpu *cpu;
	struct spec_pids *pids;
	struct spec_block_io *block_io;
	VEC(struct spec_hugepage_limit) hugepage_limits;
	struct spec_net *network;
	VEC(struct spec_rdma) rdma;
	struct kvs unified;
};

struct spec_seccomp_arg {
	uint64_t index, value, value_two;
	char *op;		/* "SCMP_CMP_EQ" */
};

struct spec_seccomp_rule {
	struct strv names;
	char *action;		/* "SCMP_ACT_ALLOW" */
	struct opt_u64 errno_ret;
	VEC(struct spec_seccomp_arg) args;
};

struct spec_seccomp {
	char *default_action;
	struct opt_u64 default_errno_ret;
	struct strv architectures, flags;
	char *listener_path, *listener_metadata;	/* in a state's configuration only if a rule notifies */
	VEC(struct spec_seccomp_rule) syscalls;
};
/* Whether a rule asks the listener (SCMP_ACT_NOTIFY); s may be NULL. */
bool spec_seccomp_notifies(const struct spec_seccomp *s);

struct spec_time_offset {
	char *clock;		/* the key: "monotonic", "boottime" */
	int64_t secs;
	int64_t nanosecs;
};

struct spec_personality {
	char *domain;		/* "LINUX", "LINUX32" */
	struct strv flags;
};

struct spec_intel_rdt {
	char *clos_id;		/* "/": the default class; NULL: one of the container's own */
	char *l3_cache_schema, *mem_bw_schema;
	struct strv schemata;
	bool enable_monitoring;
};

enum { SPEC_MEMORY_NODES = 1024 };	/* of the largest kernel that there is (CONFIG_NODES_SHIFT) */

struct spec_memory_policy {
	char *mode;		/* "MPOL_BIND" */
	char *nodes;		/* "0-1,3" */
	struct strv flags;	/* "MPOL_F_STATIC_NODES" */
};

struct spec_net_device {
	char *host_name;	/* the key: its name in the runtime's namespace */
	char *name;		/* in the container's, may have a "%d"; NULL: the same */
};

struct spec_linux {
	spec_id_mappings uid_mappings, gid_mappings;
	struct kvs sysctl;	/* net.ipv4.conf.eth0/1.x: "/" is a dot within a name */
	struct spec_resources *resources;
	char *cgroups_path;
	VEC(struct spec_namespace) namespaces;
	VEC(struct spec_device) devices;
	struct spec_seccomp *seccomp;
	char *rootfs_propagation;
	struct strv masked_paths, readonly_paths;
	char *mount_label;
	struct spec_personality *personality;
	VEC(struct spec_time_offset) time_offsets;
	struct spec_intel_rdt *intel_rdt;
	struct spec_memory_policy *memory_policy;
	VEC(struct spec_net_device) net_devices;
};

/* ---- the agent block: decided by policy/, acted on by sandbox/ and lifecycle/ ---- */

enum egress_mode { EGRESS_OPEN, EGRESS_NONE, EGRESS_ALLOW };

/* One allowed destination.  Either an address with a prefix, or a host name that create
 * resolves on the host into the set and into the container's /etc/hosts. */
struct spec_egress_rule {
	char *host;		/* "203.0.113.10", "2001:db8::/32" or "api.example.com" */
	bool is_name;		/* host must be resolved */
	uint64_t port_first, port_last;
	char *protocol;		/* "tcp" or "udp" */
	char *reason;		/* NULL where the host policy waives it */
	struct strv addresses;	/* of a name: filled by create, recorded */
};

/* The workspace.  What it guards (read-only) and masks (hidden) holds only for what exists. */
struct spec_workspace {
	char *destination;	/* container path of the workspace mount */
	char *source;		/* host path, for the record */
	char *mode;		/* "rw", "ro", "cow" */
	size_t mount;		/* not JSON: which of the mounts it is */
	char *owner;		/* "keep" or "map" */
	struct strv guard, mask;	/* relative paths; mask entries are patterns (fnmatch) */
};

/* A program of the host policy that gets each record on stdin (DESIGN section 7). */
struct spec_audit_hook {
	char *path;
	struct strv args, events;	/* events: "create", "start", "exec", "exit", "delete" */
	struct opt_i64 timeout;	/* seconds */
	bool required;
};

/* How far the host policy lets the container's limits go, for update. */
struct spec_bound {
	char *field;		/* "limits.memory" */
	uint64_t most;		/* bytes, processes, thousandths of a processor */
	char *text, *from;	/* as the host policy has it; its path */
};

struct spec_agent {
	char *profile;		/* the base profile's name */
	char *policy_digest;	/* SHA-256 of the policy that was applied: equal digests may share a
				 * network namespace */
	struct spec_workspace *workspace;
	char *egress;		/* "none", "allow", "open" */
	VEC(struct spec_egress_rule) egress_allow;
	VEC(uint64_t) published_ports;	/* inbound tcp/udp ports, unused while 0 */
	char *env;		/* "scrub", "strict", "keep" */
	struct strv env_allow, env_deny;	/* for exec, which scrubs anew */
	struct strv env_dropped;	/* names that were dropped at create: never values */
	struct strv caps;	/* the most that any process may keep, exec included */
	char *seccomp;		/* the profile's name, "engine" for none of ours */
	const struct json_text *seccomp_text;	/* its content, stacked on the engine's; never written,
						 * NULL in a specification that was read back */
	VEC(struct spec_bound) bounds;
	struct opt_u64 time_limit;	/* seconds, limits.time */
	char *audit_mode;	/* "best-effort" or "required" */
	VEC(struct spec_audit_hook) audit_hooks;
	struct kvs labels;	/* claims of the caller */
	struct strv changes;	/* one line for each change that the policy made: for the record */
};

/* ---- what the engine asks of the container's systemd unit; not JSON ---- */

enum spec_property_type {	/* as D-Bus writes it */
	PROPERTY_BOOL = 'b', PROPERTY_I32 = 'i', PROPERTY_U32 = 'u', PROPERTY_I64 = 'x',
	PROPERTY_U64 = 't', PROPERTY_TEXT = 's',
	PROPERTY_TEXTS = 'a',	/* of texts: "as" */
};

struct spec_property {
	const char *name;	/* "TimeoutStopUSec" */
	enum spec_property_type type;
	uint64_t number;	/* two's complement; of a boolean 0 or 1 */
	const char *text;	/* PROPERTY_TEXT only */
	struct strv texts;	/* PROPERTY_TEXTS only */
};
typedef VEC(struct spec_property) spec_properties;

struct spec_root {
	char *path;
	bool readonly;
};

struct spec {
	char *oci_version;
	struct spec_root *root;
	struct spec_process *process;
	char *hostname, *domainname;
	VEC(struct spec_mount) mounts;
	struct spec_hooks *hooks;
	struct kvs annotations;
	struct spec_linux *linux_;	/* `linux` is a macro of the gnu dialect */
	struct spec_agent *agent;	/* NULL: plain OCI */
	bool no_process;		/* none was given: `process` says the least, and start fails */
};

/* Where a configuration comes from decides whether it may hold an agent block. */
enum spec_origin { SPEC_BUNDLE, SPEC_STATE };

/* Reads path (config.json) below dirfd. */
int spec_read(struct arena *a, int dirfd, const char *path, enum spec_origin origin,
	      struct spec **ret, struct err *e);
int spec_parse(struct arena *a, const struct json *tree, const char *what,
	       enum spec_origin origin, struct spec **ret, struct err *e);
/* The whole model as JSON, the agent block included. */
void spec_write(const struct spec *s, struct json_writer *w);

/* Parts that come as files or messages of their own. */
int spec_parse_process(struct arena *a, const struct json *tree, const char *what,
		       struct spec_process **ret, struct err *e);
int spec_parse_resources(struct arena *a, const struct json *tree, const char *what,
			 struct spec_resources **ret, struct err *e);
int spec_parse_seccomp(struct arena *a, const struct json_text *profile,
		       struct spec_seccomp **ret, struct err *e);
void spec_write_process(const struct spec_process *p, struct json_writer *w);
void spec_write_resources(const struct spec_resources *r, struct json_writer *w);

/* Whether a message begins with a place in a configuration ("mounts[7]: ..."): what is found wrong
 * only when it is acted upon names the place, and whoever read the file adds its name. */
bool spec_is_place(const char *text);

/* Cross-field checks: what config.md says MUST hold, and what agentrun does not support yet, each
 * an error that names the JSON path.  Called by spec_read and spec_parse. */
int spec_check(const struct spec *s, const char *what, struct err *e);

/* A deep enough copy for policy_apply(): structs and vectors are new, texts are shared. */
struct spec *spec_copy(struct arena *a, const struct spec *s);

/* Of a variable that stands twice the last value is in force, at the place of the first, as under
 * runc and crun: getenv(3) would find the first. */
void spec_settle_env(struct strv *env);

/* The entry of that type, NULL if the container shares the runtime's. */
const struct spec_namespace *spec_namespace_find(const struct spec *s, const char *type);

/* Whether the caller's supplementary groups stay (podman run --group-add keep-groups). */
bool spec_keeps_groups(const struct spec *s);

/* The runtime binds something of its own, read-only: in place of m, NULL: as one mount more. */
void spec_bind_own(struct arena *a, struct spec *s, struct spec_mount *m, const char *destination,
		   const char *source);

/* Whatever its type says: the specification's options bind and rbind do. */
bool spec_mount_is_bind(const struct spec_mount *m);

/* Its name in the container; may be a template. */
const char *spec_net_device_name(const struct spec_net_device *d);

/*
 * The type of the namespace that a sysctl belongs to, NULL for one of the host's; key as the model
 * has it.  A container may set those of its own namespaces only (config-linux.md, "Sysctl").  The
 * kernel decides which are a namespace's: network_namespaces(7), ipc_namespaces(7),
 * uts_namespaces(7).
 */
const char *spec_sysctl_namespace(const char *key);

/*
 * The annotations org.systemd.property.NAME.  -ENOTSUP for a value of a type that the enum does
 * not have, -ERANGE for one that its type cannot hold.  NAMESec in seconds becomes NAMEUSec, as
 * under crun and runc.  Only the systemd cgroup driver asks: where
 * they say nothing, no value of theirs is an error.
 */
int spec_unit_properties(struct arena *a, const struct spec *s, spec_properties *ret,
			 struct err *e);

/* `agentrun spec`: the configuration to start from. */
struct spec *spec_default(struct arena *a, bool rootless);
