/* SPDX-License-Identifier: Apache-2.0 */
#include "spec/fields.h"

#include <assert.h>
#include <string.h>

#include "spec/object.h"

/* ---- names ---- */

const char *const spec_namespace_types[] = {
	"pid", "network", "mount", "ipc", "uts", "user", "cgroup", "time", NULL,
};
const char *const spec_rlimit_types[] = {
	"RLIMIT_AS",	"RLIMIT_CORE",	  "RLIMIT_CPU",	     "RLIMIT_DATA",
	"RLIMIT_FSIZE", "RLIMIT_LOCKS",	  "RLIMIT_MEMLOCK",  "RLIMIT_MSGQUEUE",
	"RLIMIT_NICE",	"RLIMIT_NOFILE",  "RLIMIT_NPROC",    "RLIMIT_RSS",
	"RLIMIT_RTPRIO", "RLIMIT_RTTIME", "RLIMIT_SIGPENDING", "RLIMIT_STACK",
	NULL,
};
const char *const spec_rootfs_propagations[] = {
	"private", "rprivate", "slave", "rslave", "shared", "rshared", "unbindable", "runbindable",
	NULL,
};
const char *const spec_seccomp_actions[] = {
	"SCMP_ACT_KILL",  "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD", "SCMP_ACT_TRAP",
	"SCMP_ACT_ERRNO", "SCMP_ACT_TRACE",	   "SCMP_ACT_ALLOW",	   "SCMP_ACT_LOG",
	"SCMP_ACT_NOTIFY", NULL,
};
const char *const spec_seccomp_operators[] = {
	"SCMP_CMP_NE", "SCMP_CMP_LT", "SCMP_CMP_LE", "SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT",
	"SCMP_CMP_MASKED_EQ", NULL,
};
const char *const spec_seccomp_archs[] = {
	"SCMP_ARCH_X86",      "SCMP_ARCH_X86_64",   "SCMP_ARCH_X32",	 "SCMP_ARCH_ARM",
	"SCMP_ARCH_AARCH64",  "SCMP_ARCH_LOONGARCH64", "SCMP_ARCH_M68K", "SCMP_ARCH_MIPS",
	"SCMP_ARCH_MIPS64",   "SCMP_ARCH_MIPS64N32", "SCMP_ARCH_MIPSEL", "SCMP_ARCH_MIPSEL64",
	"SCMP_ARCH_MIPSEL64N32", "SCMP_ARCH_PPC",   "SCMP_ARCH_PPC64",	 "SCMP_ARCH_PPC64LE",
	"SCMP_ARCH_S390",     "SCMP_ARCH_S390X",    "SCMP_ARCH_PARISC",	 "SCMP_ARCH_PARISC64",
	"SCMP_ARCH_RISCV64",  "SCMP_ARCH_SH",	    "SCMP_ARCH_SHEB",	 NULL,
};
const char *const spec_seccomp_flags[] = {
	"SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
	"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", NULL,
};
const char *const spec_hook_kinds[] = {
	"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop",
	NULL,
};
/* The three in the kernel's order: sched(7), sched_setattr(2), ioprio_set(2). */
const char *const spec_scheduler_policies[] = {
	"SCHED_OTHER", "SCHED_FIFO", "SCHED_RR", "SCHED_BATCH", "SCHED_ISO", "SCHED_IDLE",
	"SCHED_DEADLINE", NULL,
};
const char *const spec_scheduler_flags[] = {
	"SCHED_FLAG_RESET_ON_FORK", "SCHED_FLAG_RECLAIM",     "SCHED_FLAG_DL_OVERRUN",
	"SCHED_FLAG_KEEP_POLICY",   "SCHED_FLAG_KEEP_PARAMS", "SCHED_FLAG_UTIL_CLAMP_MIN",
	"SCHED_FLAG_UTIL_CLAMP_MAX", NULL,
};
const char *const spec_io_classes[] = {
	"IOPRIO_CLASS_RT", "IOPRIO_CLASS_BE", "IOPRIO_CLASS_IDLE", NULL,
};
/* In the order of linux/mempolicy.h, too; flags from the lowest. */
const char *const spec_memory_modes[] = {
	"MPOL_DEFAULT", "MPOL_PREFERRED",      "MPOL_BIND",		   "MPOL_INTERLEAVE",
	"MPOL_LOCAL",	"MPOL_PREFERRED_MANY", "MPOL_WEIGHTED_INTERLEAVE", NULL,
};
const char *const spec_memory_flags[] = {
	"MPOL_F_NUMA_BALANCING", "MPOL_F_RELATIVE_NODES", "MPOL_F_STATIC_NODES", NULL,
};
static const char *const device_types[] = { "c", "u", "b", "p", NULL };
static const char *const device_rule_types[] = { "a", "c", "b", NULL };
static const char *const clocks[] = { "monotonic", "boottime", NULL };
static const char *const domains[] = { "LINUX", "LINUX32", NULL };

/* ---- what needs more than a row ---- */

static void finish_mount(struct arena *a, void *object)
{
	struct spec_mount *m = object;

	m->source_fd = -1;
	/* below the container's root however it is written; runc accepts relative ones, too */
	m->destination = arena_clean_path(a, m->destination);
}

static void finish_device(struct arena *a, void *object)
{
	struct spec_device *d = object;

	if (*d->path == '/')	/* else check.c will say so */
		d->path = arena_clean_path(a, d->path);
}

static void finish_process(struct arena *a, void *object)
{
	struct spec_process *p = object;

	(void)a;
	spec_settle_env(&p->env);
	if (!p->terminal)
		p->console_size = NULL;	/* config.md: MUST be ignored */
}

static void finish_memory(struct arena *a, void *object)
{
	struct spec_memory *m = object;

	(void)a;
	/* what engines make of their own "-1: unset" */
	if (m->swappiness.v == UINT64_MAX)
		m->swappiness = (struct opt_u64){ 0 };
}

/* sysctl(8) takes net/ipv4/x and net.ipv4.x; after the first form a dot is part of a name, after
 * the second a slash stands for it.  The model has the second form only. */
static void finish_linux(struct arena *a, void *object)
{
	struct spec_linux *l = object;
	bool user = false;

	(void)a;
	for (size_t i = 0; i < l->namespaces.n; i++)
		user |= strcmp(l->namespaces.v[i].type, "user") == 0;
	if (!user) {	/* nobody's, then: as under runc and crun */
		l->uid_mappings.n = 0;
		l->gid_mappings.n = 0;
	}
	for (size_t i = 0; i < l->sysctl.n; i++) {
		char *key = l->sysctl.v[i].key;

		if (key[strcspn(key, "./")] != '/')
			continue;
		for (; *key; key++)
			*key = *key == '/' ? '.' : *key == '.' ? '/' : *key;
	}
}

/* Ids: 2^32-1 means "leave unchanged" to the kernel. */
#define ID RANGE(0, UINT32_MAX - 1)
#define U32 RANGE(0, UINT32_MAX)
/* Beyond 12 and 20 bits mknod(2) takes the number modulo, that is: another device's. */
#define MAJOR RANGE(0, 4095)
#define MINOR RANGE(0, 1048575)
#define LIMIT RANGE(-1, INT64_MAX)
/* Any negative number is none: runc and crun take each. */
#define ANY_LIMIT RANGE(INT64_MIN, INT64_MAX)

/* ---- the tables ---- */

static const struct field rlimit_fields[] = {
	FIELD_STRING(struct spec_rlimit, "type", type, REQUIRED, ONE_OF(spec_rlimit_types)),
	FIELD_U64(struct spec_rlimit, "hard", hard, REQUIRED),
	FIELD_U64(struct spec_rlimit, "soft", soft, REQUIRED),
};
static OBJECT_OF(rlimit);

static const struct field capabilities_fields[] = {
	FIELD_STRINGS(struct spec_capabilities, "bounding", bounding),
	FIELD_STRINGS(struct spec_capabilities, "effective", effective),
	FIELD_STRINGS(struct spec_capabilities, "inheritable", inheritable),
	FIELD_STRINGS(struct spec_capabilities, "permitted", permitted),
	FIELD_STRINGS(struct spec_capabilities, "ambient", ambient),
};
static OBJECT_OF(capabilities);

static const struct field user_fields[] = {
	/* without them the user is root, as everywhere; they are always written */
	FIELD_I64(struct spec_user, "uid", uid, ID),
	FIELD_I64(struct spec_user, "gid", gid, ID),
	/* umask(2) takes the nine bits that it knows */
	FIELD_OPT_U64(struct spec_user, "umask", umask, U32),
	FIELD_I64S(struct spec_user, "additionalGids", additional_gids, ID),
	FIELD_STRING(struct spec_user, "username", username),
};
static OBJECT_OF(user);

static const struct field scheduler_fields[] = {
	FIELD_STRING(struct spec_scheduler, "policy", policy, REQUIRED,
		     ONE_OF(spec_scheduler_policies)),
	FIELD_OPT_I64(struct spec_scheduler, "nice", nice, RANGE(INT32_MIN, INT32_MAX)),
	FIELD_OPT_I64(struct spec_scheduler, "priority", priority, RANGE(0, 99)),
	FIELD_STRINGS(struct spec_scheduler, "flags", flags, ONE_OF(spec_scheduler_flags)),
	FIELD_OPT_U64(struct spec_scheduler, "runtime", runtime),
	FIELD_OPT_U64(struct spec_scheduler, "deadline", deadline),
	FIELD_OPT_U64(struct spec_scheduler, "period", period),
};
static OBJECT_OF(scheduler);

static const struct field io_priority_fields[] = {
	FIELD_STRING(struct spec_io_priority, "class", class, REQUIRED, ONE_OF(spec_io_classes)),
	FIELD_OPT_I64(struct spec_io_priority, "priority", priority, RANGE(0, 7)),
};
static OBJECT_OF(io_priority);

static const struct field cpu_affinity_fields[] = {
	FIELD_STRING(struct spec_cpu_affinity, "initial", initial),
	FIELD_STRING(struct spec_cpu_affinity, "final", final),
};
static OBJECT_OF(cpu_affinity);

static const struct field console_size_fields[] = {
	/* what they have to be, check.c asks where there is a terminal */
	FIELD_OPT_U64(struct spec_console_size, "height", height),
	FIELD_OPT_U64(struct spec_console_size, "width", width),
};
static OBJECT_OF(console_size);

static const struct field process_fields[] = {
	FIELD_BOOL(struct spec_process, "terminal", terminal),
	FIELD_OBJECT(struct spec_process, "consoleSize", console_size, console_size),
	FIELD_INLINE(struct spec_process, "user", user, user),
	FIELD_STRINGS(struct spec_process, "args", args),
	FIELD_STRINGS(struct spec_process, "env", env),
	FIELD_STRING(struct spec_process, "cwd", cwd),
	FIELD_OBJECT(struct spec_process, "capabilities", capabilities, capabilities),
	FIELD_OBJECTS(struct spec_process, "rlimits", rlimits, rlimit),
	FIELD_BOOL(struct spec_process, "noNewPrivileges", no_new_privileges),
	FIELD_STRING(struct spec_process, "apparmorProfile", apparmor_profile),
	FIELD_STRING(struct spec_process, "selinuxLabel", selinux_label),
	FIELD_OPT_I64(struct spec_process, "oomScoreAdj", oom_score_adj, RANGE(-1000, 1000)),
	FIELD_OBJECT(struct spec_process, "scheduler", scheduler, scheduler),
	FIELD_OBJECT(struct spec_process, "ioPriority", io_priority, io_priority),
	FIELD_OBJECT(struct spec_process, "execCPUAffinity", exec_cpu_affinity, cpu_affinity),
};
OBJECT_OF(process, .finish = finish_process);

static const struct field id_mapping_fields[] = {
	FIELD_I64(struct spec_id_mapping, "containerID", container_id, REQUIRED, ID),
	FIELD_I64(struct spec_id_mapping, "hostID", host_id, REQUIRED, ID),
	FIELD_I64(struct spec_id_mapping, "size", size, REQUIRED, RANGE(1, UINT32_MAX)),
};
static OBJECT_OF(id_mapping);

static const struct field mount_fields[] = {
	FIELD_STRING(struct spec_mount, "destination", destination, REQUIRED),
	FIELD_STRING(struct spec_mount, "type", type),
	FIELD_STRING(struct spec_mount, "source", source),
	FIELD_STRINGS(struct spec_mount, "options", options),
	FIELD_OBJECTS(struct spec_mount, "uidMappings", uid_mappings, id_mapping),
	FIELD_OBJECTS(struct spec_mount, "gidMappings", gid_mappings, id_mapping),
};
static OBJECT_OF(mount, .finish = finish_mount);

static const struct field hook_fields[] = {
	FIELD_STRING(struct spec_hook, "path", path, REQUIRED),
	FIELD_STRINGS(struct spec_hook, "args", args),
	FIELD_STRINGS(struct spec_hook, "env", env),
	FIELD_OPT_I64(struct spec_hook, "timeout", timeout, RANGE(1, INT32_MAX)),
};
static OBJECT_OF(hook);

static const struct field hooks_fields[] = {
	FIELD_OBJECTS(struct spec_hooks, "prestart", prestart, hook),
	FIELD_OBJECTS(struct spec_hooks, "createRuntime", create_runtime, hook),
	FIELD_OBJECTS(struct spec_hooks, "createContainer", create_container, hook),
	FIELD_OBJECTS(struct spec_hooks, "startContainer", start_container, hook),
	FIELD_OBJECTS(struct spec_hooks, "poststart", poststart, hook),
	FIELD_OBJECTS(struct spec_hooks, "poststop", poststop, hook),
};
static OBJECT_OF(hooks);
static_assert(sizeof hooks_fields / sizeof *hooks_fields + 1 ==
		      sizeof spec_hook_kinds / sizeof *spec_hook_kinds,
	      "a row for each kind of hook");

static const struct field namespace_fields[] = {
	FIELD_STRING(struct spec_namespace, "type", type, REQUIRED, ONE_OF(spec_namespace_types)),
	FIELD_STRING(struct spec_namespace, "path", path),
};
static OBJECT_OF(namespace);

static const struct field device_fields[] = {
	FIELD_STRING(struct spec_device, "path", path, REQUIRED),
	FIELD_STRING(struct spec_device, "type", type, REQUIRED, ONE_OF(device_types)),
	FIELD_I64(struct spec_device, "major", major, MAJOR),
	FIELD_I64(struct spec_device, "minor", minor, MINOR),
	/* engines leave the bits of the file's type in */
	FIELD_OPT_U64(struct spec_device, "fileMode", file_mode, RANGE(0, 0177777)),
	FIELD_OPT_U64(struct spec_device, "uid", uid, ID),
	FIELD_OPT_U64(struct spec_device, "gid", gid, ID),
};
static OBJECT_OF(device, .finish = finish_device);

static const struct field device_rule_fields[] = {
	FIELD_BOOL(struct spec_device_rule, "allow", allow, REQUIRED),
	FIELD_STRING(struct spec_device_rule, "type", type, ONE_OF(device_rule_types)),
	FIELD_OPT_I64(struct spec_device_rule, "major", major, RANGE(-1, UINT32_MAX)),
	FIELD_OPT_I64(struct spec_device_rule, "minor", minor, RANGE(-1, UINT32_MAX)),
	FIELD_STRING(struct spec_device_rule, "access", access),
};
static OBJECT_OF(device_rule);

static const struct field memory_fields[] = {
	FIELD_OPT_I64(struct spec_memory, "limit", limit, LIMIT),
	FIELD_OPT_I64(struct spec_memory, "reservation", reservation, LIMIT),
	FIELD_OPT_I64(struct spec_memory, "swap", swap, LIMIT),
	FIELD_OPT_I64(struct spec_memory, "kernel", kernel, LIMIT),
	FIELD_OPT_I64(struct spec_memory, "kernelTCP", kernel_tcp, LIMIT),
	FIELD_OPT_U64(struct spec_memory, "swappiness", swappiness),
	FIELD_OPT_BOOL(struct spec_memory, "disableOOMKiller", disable_oom_killer),
	FIELD_OPT_BOOL(struct spec_memory, "useHierarchy", use_hierarchy),
	FIELD_OPT_BOOL(struct spec_memory, "checkBeforeUpdate", check_before_update),
};
static OBJECT_OF(memory, .finish = finish_memory);

static const struct field cpu_fields[] = {
	FIELD_OPT_U64(struct spec_cpu, "shares", shares),
	FIELD_OPT_I64(struct spec_cpu, "quota", quota, ANY_LIMIT),
	FIELD_OPT_U64(struct spec_cpu, "burst", burst),
	FIELD_OPT_U64(struct spec_cpu, "period", period),
	FIELD_OPT_I64(struct spec_cpu, "realtimeRuntime", realtime_runtime, LIMIT),
	FIELD_OPT_U64(struct spec_cpu, "realtimePeriod", realtime_period),
	FIELD_STRING(struct spec_cpu, "cpus", cpus),
	FIELD_STRING(struct spec_cpu, "mems", mems),
	FIELD_OPT_I64(struct spec_cpu, "idle", idle, RANGE(0, 1)),
};
static OBJECT_OF(cpu);

static const struct field pids_fields[] = {
	FIELD_OPT_I64(struct spec_pids, "limit", limit, ANY_LIMIT),
};
static OBJECT_OF(pids);

static const struct field weight_device_fields[] = {
	FIELD_I64(struct spec_weight_device, "major", major, REQUIRED, MAJOR),
	FIELD_I64(struct spec_weight_device, "minor", minor, REQUIRED, MINOR),
	FIELD_OPT_U64(struct spec_weight_device, "weight", weight, RANGE(0, 1000)),
	FIELD_OPT_U64(struct spec_weight_device, "leafWeight", leaf_weight, RANGE(0, 1000)),
};
static OBJECT_OF(weight_device);

static const struct field throttle_device_fields[] = {
	FIELD_I64(struct spec_throttle_device, "major", major, REQUIRED, MAJOR),
	FIELD_I64(struct spec_throttle_device, "minor", minor, REQUIRED, MINOR),
	FIELD_U64(struct spec_throttle_device, "rate", rate, REQUIRED),
};
static OBJECT_OF(throttle_device);

static const struct field block_io_fields[] = {
	FIELD_OPT_U64(struct spec_block_io, "weight", weight, RANGE(0, 1000)),
	FIELD_OPT_U64(struct spec_block_io, "leafWeight", leaf_weight, RANGE(0, 1000)),
	FIELD_OBJECTS(struct spec_block_io, "weightDevice", weight_device, weight_device),
	FIELD_OBJECTS(struct spec_block_io, "throttleReadBpsDevice", read_bps, throttle_device),
	FIELD_OBJECTS(struct spec_block_io, "throttleWriteBpsDevice", write_bps, throttle_device),
	FIELD_OBJECTS(struct spec_block_io, "throttleReadIOPSDevice", read_iops, throttle_device),
	FIELD_OBJECTS(struct spec_block_io, "throttleWriteIOPSDevice", write_iops, throttle_device),
};
static OBJECT_OF(block_io);

static const struct field hugepage_limit_fields[] = {
	FIELD_STRING(struct spec_hugepage_limit, "pageSize", page_size, REQUIRED),
	FIELD_U64(struct spec_hugepage_limit, "limit", limit, REQUIRED),
};
static OBJECT_OF(hugepage_limit);

static const struct field if_priority_fields[] = {
	FIELD_STRING(struct spec_if_priority, "name", name, REQUIRED),
	FIELD_U64(struct spec_if_priority, "priority", priority, REQUIRED, U32),
};
static OBJECT_OF(if_priority);

static const struct field net_fields[] = {
	FIELD_OPT_U64(struct spec_net, "classID", class_id, U32),
	FIELD_OBJECTS(struct spec_net, "priorities", priorities, if_priority),
};
static OBJECT_OF(net);

static const struct field rdma_fields[] = {
	FIELD_OPT_U64(struct spec_rdma, "hcaHandles", hca_handles, U32),
	FIELD_OPT_U64(struct spec_rdma, "hcaObjects", hca_objects, U32),
};
static OBJECT_OF(rdma);
static_assert(offsetof(struct spec_rdma, name) == 0, "the key of a map");

static const struct field resources_fields[] = {
	FIELD_OBJECTS(struct spec_resources, "devices", devices, device_rule),
	FIELD_OBJECT(struct spec_resources, "memory", memory, memory),
	FIELD_OBJECT(struct spec_resources, "cpu", cpu, cpu),
	FIELD_OBJECT(struct spec_resources, "pids", pids, pids),
	FIELD_OBJECT(struct spec_resources, "blockIO", block_io, block_io),
	FIELD_OBJECTS(struct spec_resources, "hugepageLimits", hugepage_limits, hugepage_limit),
	FIELD_OBJECT(struct spec_resources, "network", network, net),
	FIELD_MAP(struct spec_resources, "rdma", rdma, rdma),
	FIELD_PAIRS(struct spec_resources, "unified", unified),
};
OBJECT_OF(resources);

static const struct field seccomp_arg_fields[] = {
	FIELD_U64(struct spec_seccomp_arg, "index", index, REQUIRED, RANGE(0, 5)),
	FIELD_U64(struct spec_seccomp_arg, "value", value, REQUIRED),
	FIELD_U64(struct spec_seccomp_arg, "valueTwo", value_two),
	FIELD_STRING(struct spec_seccomp_arg, "op", op, REQUIRED, ONE_OF(spec_seccomp_operators)),
};
static OBJECT_OF(seccomp_arg);

static const struct field seccomp_rule_fields[] = {
	FIELD_STRINGS(struct spec_seccomp_rule, "names", names, REQUIRED),
	FIELD_STRING(struct spec_seccomp_rule, "action", action, REQUIRED,
		     ONE_OF(spec_seccomp_actions)),
	FIELD_OPT_U64(struct spec_seccomp_rule, "errnoRet", errno_ret, RANGE(0, UINT16_MAX)),
	FIELD_OBJECTS(struct spec_seccomp_rule, "args", args, seccomp_arg),
};
static OBJECT_OF(seccomp_rule);

static const struct field seccomp_fields[] = {
	FIELD_STRING(struct spec_seccomp, "defaultAction", default_action, REQUIRED,
		     ONE_OF(spec_seccomp_actions)),
	FIELD_OPT_U64(struct spec_seccomp, "defaultErrnoRet", default_errno_ret,
		      RANGE(0, UINT16_MAX)),
	FIELD_STRINGS(struct spec_seccomp, "architectures", architectures,
		      ONE_OF(spec_seccomp_archs)),
	FIELD_STRINGS(struct spec_seccomp, "flags", flags, ONE_OF(spec_seccomp_flags)),
	FIELD_STRING(struct spec_seccomp, "listenerPath", listener_path),
	FIELD_STRING(struct spec_seccomp, "listenerMetadata", listener_metadata),
	FIELD_OBJECTS(struct spec_seccomp, "syscalls", syscalls, seccomp_rule),
};
OBJECT_OF(seccomp);

static const struct field time_offset_fields[] = {
	FIELD_I64(struct spec_time_offset, "secs", secs),
	FIELD_I64(struct spec_time_offset, "nanosecs", nanosecs, RANGE(0, 999999999)),
};
static OBJECT_OF(time_offset);
static_assert(offsetof(struct spec_time_offset, clock) == 0, "the key of a map");

static const struct field personality_fields[] = {
	FIELD_STRING(struct spec_personality, "domain", domain, REQUIRED, ONE_OF(domains)),
	FIELD_STRINGS(struct spec_personality, "flags", flags),
};
static OBJECT_OF(personality);

static const struct field intel_rdt_fields[] = {
	FIELD_STRING(struct spec_intel_rdt, "closID", clos_id),
	FIELD_STRING(struct spec_intel_rdt, "l3CacheSchema", l3_cache_schema),
	FIELD_STRING(struct spec_intel_rdt, "memBwSchema", mem_bw_schema),
	FIELD_STRINGS(struct spec_intel_rdt, "schemata", schemata),
	FIELD_BOOL(struct spec_intel_rdt, "enableMonitoring", enable_monitoring),
};
static OBJECT_OF(intel_rdt);

static const struct field memory_policy_fields[] = {
	FIELD_STRING(struct spec_memory_policy, "mode", mode, REQUIRED, ONE_OF(spec_memory_modes)),
	FIELD_STRING(struct spec_memory_policy, "nodes", nodes),
	FIELD_STRINGS(struct spec_memory_policy, "flags", flags, ONE_OF(spec_memory_flags)),
};
static OBJECT_OF(memory_policy);

static const struct field net_device_fields[] = {
	FIELD_STRING(struct spec_net_device, "name", name),
};
static OBJECT_OF(net_device);
static_assert(offsetof(struct spec_net_device, host_name) == 0, "the key of a map");

static const struct field linux_fields[] = {
	FIELD_OBJECTS(struct spec_linux, "uidMappings", uid_mappings, id_mapping),
	FIELD_OBJECTS(struct spec_linux, "gidMappings", gid_mappings, id_mapping),
	FIELD_PAIRS(struct spec_linux, "sysctl", sysctl),
	FIELD_OBJECT(struct spec_linux, "resources", resources, resources),
	FIELD_STRING(struct spec_linux, "cgroupsPath", cgroups_path),
	FIELD_OBJECTS(struct spec_linux, "namespaces", namespaces, namespace),
	FIELD_OBJECTS(struct spec_linux, "devices", devices, device),
	FIELD_OBJECT(struct spec_linux, "seccomp", seccomp, seccomp),
	FIELD_STRING(struct spec_linux, "rootfsPropagation", rootfs_propagation,
		     ONE_OF(spec_rootfs_propagations)),
	FIELD_STRINGS(struct spec_linux, "maskedPaths", masked_paths),
	FIELD_STRINGS(struct spec_linux, "readonlyPaths", readonly_paths),
	FIELD_STRING(struct spec_linux, "mountLabel", mount_label),
	FIELD_OBJECT(struct spec_linux, "personality", personality, personality),
	{ .name = "timeOffsets", .kind = MAP, .object = &object_time_offset, .names = clocks,
	  .offset = OFFSET_VEC(struct spec_linux, time_offsets) },
	FIELD_OBJECT(struct spec_linux, "intelRdt", intel_rdt, intel_rdt),
	FIELD_OBJECT(struct spec_linux, "memoryPolicy", memory_policy, memory_policy),
	FIELD_MAP(struct spec_linux, "netDevices", net_devices, net_device),
};
static OBJECT_OF(linux, .finish = finish_linux);

static const struct field egress_rule_fields[] = {
	FIELD_STRING(struct spec_egress_rule, "host", host, REQUIRED),
	FIELD_BOOL(struct spec_egress_rule, "isName", is_name),
	FIELD_U64(struct spec_egress_rule, "portFirst", port_first, REQUIRED, RANGE(1, 65535)),
	FIELD_U64(struct spec_egress_rule, "portLast", port_last, REQUIRED, RANGE(1, 65535)),
	FIELD_STRING(struct spec_egress_rule, "protocol", protocol, REQUIRED),
	FIELD_STRING(struct spec_egress_rule, "reason", reason),
	FIELD_STRINGS(struct spec_egress_rule, "addresses", addresses),
};
static OBJECT_OF(egress_rule);

static const struct field workspace_fields[] = {
	FIELD_STRING(struct spec_workspace, "destination", destination, REQUIRED),
	FIELD_STRING(struct spec_workspace, "source", source),
	FIELD_STRING(struct spec_workspace, "mode", mode),
	FIELD_STRING(struct spec_workspace, "owner", owner),
	FIELD_STRINGS(struct spec_workspace, "guard", guard),
	FIELD_STRINGS(struct spec_workspace, "mask", mask),
};
static OBJECT_OF(workspace);

static const struct field audit_hook_fields[] = {
	FIELD_STRING(struct spec_audit_hook, "path", path, REQUIRED),
	FIELD_STRINGS(struct spec_audit_hook, "args", args),
	FIELD_STRINGS(struct spec_audit_hook, "events", events),
	FIELD_OPT_I64(struct spec_audit_hook, "timeout", timeout, RANGE(1, INT32_MAX)),
	FIELD_BOOL(struct spec_audit_hook, "required", required),
};
static OBJECT_OF(audit_hook);

static const struct field bound_fields[] = {
	FIELD_STRING(struct spec_bound, "field", field, REQUIRED),
	FIELD_U64(struct spec_bound, "most", most, REQUIRED),
	FIELD_STRING(struct spec_bound, "text", text, REQUIRED),
	FIELD_STRING(struct spec_bound, "from", from, REQUIRED),
};
static OBJECT_OF(bound);

static const struct field agent_fields[] = {
	FIELD_STRING(struct spec_agent, "profile", profile),
	FIELD_STRING(struct spec_agent, "policyDigest", policy_digest),
	FIELD_OBJECT(struct spec_agent, "workspace", workspace, workspace),
	FIELD_STRING(struct spec_agent, "egress", egress),
	FIELD_OBJECTS(struct spec_agent, "egressAllow", egress_allow, egress_rule),
	FIELD_U64S(struct spec_agent, "publishedPorts", published_ports, RANGE(1, 65535)),
	FIELD_STRING(struct spec_agent, "env", env),
	FIELD_STRINGS(struct spec_agent, "envAllow", env_allow),
	FIELD_STRINGS(struct spec_agent, "envDeny", env_deny),
	FIELD_STRINGS(struct spec_agent, "envDropped", env_dropped),
	FIELD_STRINGS(struct spec_agent, "caps", caps),
	FIELD_STRING(struct spec_agent, "seccomp", seccomp),
	FIELD_OBJECTS(struct spec_agent, "bounds", bounds, bound),
	FIELD_OPT_U64(struct spec_agent, "timeLimit", time_limit),
	FIELD_STRING(struct spec_agent, "auditMode", audit_mode),
	FIELD_OBJECTS(struct spec_agent, "auditHooks", audit_hooks, audit_hook),
	FIELD_PAIRS(struct spec_agent, "labels", labels),
	FIELD_STRINGS(struct spec_agent, "changes", changes),
};
static OBJECT_OF(agent);

static const struct field root_fields[] = {
	FIELD_STRING(struct spec_root, "path", path, REQUIRED),
	FIELD_BOOL(struct spec_root, "readonly", readonly),
};
static OBJECT_OF(root);

static const struct field config_fields[] = {
	FIELD_STRING(struct spec, "ociVersion", oci_version, REQUIRED),
	FIELD_OBJECT(struct spec, "process", process, process),
	FIELD_OBJECT(struct spec, "root", root, root),
	FIELD_STRING(struct spec, "hostname", hostname),
	FIELD_STRING(struct spec, "domainname", domainname),
	FIELD_OBJECTS(struct spec, "mounts", mounts, mount),
	FIELD_OBJECT(struct spec, "hooks", hooks, hooks),
	FIELD_PAIRS(struct spec, "annotations", annotations),
	FIELD_OBJECT(struct spec, "linux", linux_, linux),
	FIELD_OBJECT(struct spec, "agent", agent, agent),
};
const struct object object_config = {
	.size = sizeof(struct spec),
	.fields = config_fields,
	.n = sizeof config_fields / sizeof *config_fields,
};

bool spec_is_place(const char *text)
{
	for (size_t i = 0; i < object_config.n; i++) {
		size_t n = strlen(config_fields[i].name);

		if (strncmp(text, config_fields[i].name, n) == 0 && text[n] && strchr(".[: ", text[n]))
			return true;
	}
	return false;
}
