/* SPDX-License-Identifier: Apache-2.0 */
#include "spec/fields.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

enum kind {
	STRING, BOOL, I64, U64,			/* char *, bool, int64_t, uint64_t */
	OPT_BOOL, OPT_I64, OPT_U64,		/* struct opt_* */
	STRINGS, PAIRS,				/* struct strv, struct kvs */
	I64S, U64S,				/* VEC(int64_t), VEC(uint64_t) */
	OBJECT, INLINE,				/* struct *, struct */
	OBJECTS, MAP,				/* VEC(struct); of a map, the key is the first member */
	UNSUPPORTED,				/* known to OCI; not to agentrun yet */
};

struct object;

struct field {
	const char *name;
	enum kind kind;
	bool required;			/* must be there; is written even if false or 0 */
	size_t offset;
	int64_t min;			/* range of a number; none while both are 0 */
	uint64_t max;
	const char *const *names;	/* what a string may be */
	const struct object *object;
};

struct object {
	size_t size, n;
	const struct field *fields;
	void (*finish)(struct arena *a, void *object);	/* after its members were read */
};

/* The offset of a member; fails to compile if its type is not what the kind wants. */
#define OFFSET(type, member, want)                                                                 \
	(offsetof(type, member) +                                                                  \
	 sizeof(char[__builtin_types_compatible_p(__typeof__(((type *)0)->member), want) ? 1       \
											  : -1]) - \
	 1)
/* Any VEC: its first member points to items, its second counts them. */
#define OFFSET_VEC(type, member)                                                                   \
	(OFFSET(type, member.n, size_t) +                                                          \
	 sizeof(char[offsetof(type, member.n) == offsetof(type, member.v) + sizeof(void *) ? 1     \
											   : -1]) -\
	 1 - sizeof(void *))

#define FIELD_STRING(t, json, m, ...)                                                              \
	{ .name = json, .kind = STRING, .offset = OFFSET(t, m, char *), __VA_ARGS__ }
#define FIELD_BOOL(t, json, m, ...)                                                                \
	{ .name = json, .kind = BOOL, .offset = OFFSET(t, m, bool), __VA_ARGS__ }
#define FIELD_I64(t, json, m, ...)                                                                 \
	{ .name = json, .kind = I64, .offset = OFFSET(t, m, int64_t), __VA_ARGS__ }
#define FIELD_U64(t, json, m, ...)                                                                 \
	{ .name = json, .kind = U64, .offset = OFFSET(t, m, uint64_t), __VA_ARGS__ }
#define FIELD_OPT_BOOL(t, json, m)                                                                 \
	{ .name = json, .kind = OPT_BOOL, .offset = OFFSET(t, m, struct opt_bool) }
#define FIELD_OPT_I64(t, json, m, ...)                                                             \
	{ .name = json, .kind = OPT_I64, .offset = OFFSET(t, m, struct opt_i64), __VA_ARGS__ }
#define FIELD_OPT_U64(t, json, m, ...)                                                             \
	{ .name = json, .kind = OPT_U64, .offset = OFFSET(t, m, struct opt_u64), __VA_ARGS__ }
#define FIELD_STRINGS(t, json, m, ...)                                                             \
	{ .name = json, .kind = STRINGS, .offset = OFFSET(t, m, struct strv), __VA_ARGS__ }
#define FIELD_PAIRS(t, json, m)                                                                    \
	{ .name = json, .kind = PAIRS, .offset = OFFSET(t, m, struct kvs) }
#define FIELD_I64S(t, json, m, ...)                                                                \
	{ .name = json, .kind = I64S, .offset = OFFSET_VEC(t, m), __VA_ARGS__ }
#define FIELD_U64S(t, json, m, ...)                                                                \
	{ .name = json, .kind = U64S, .offset = OFFSET_VEC(t, m), __VA_ARGS__ }
#define FIELD_OBJECT(t, json, m, type, ...)                                                        \
	{ .name = json, .kind = OBJECT, .offset = OFFSET(t, m, struct spec_##type *),              \
	  .object = &object_##type, __VA_ARGS__ }
#define FIELD_INLINE(t, json, m, type)                                                             \
	{ .name = json, .kind = INLINE, .offset = OFFSET(t, m, struct spec_##type),                \
	  .object = &object_##type }
#define FIELD_OBJECTS(t, json, m, type)                                                            \
	{ .name = json, .kind = OBJECTS, .object = &object_##type,                                 \
	  .offset = OFFSET_VEC(t, m) + 0 * OFFSET(t, m.v, struct spec_##type *) }
#define FIELD_MAP(t, json, m, type)                                                                \
	{ .name = json, .kind = MAP, .object = &object_##type,                                     \
	  .offset = OFFSET_VEC(t, m) + 0 * OFFSET(t, m.v, struct spec_##type *) }
#define FIELD_UNSUPPORTED(json) { .name = json, .kind = UNSUPPORTED }

#define REQUIRED .required = true
#define RANGE(least, most) .min = (least), .max = (most)
#define ONE_OF(list) .names = (list)

#define OBJECT_OF(type, ...)                                                                       \
	static const struct object object_##type = {                                               \
		.size = sizeof(struct spec_##type),                                                \
		.fields = type##_fields,                                                           \
		.n = sizeof type##_fields / sizeof *type##_fields,                                 \
		__VA_ARGS__                                                                        \
	}

/* Ids: 2^32-1 means "leave unchanged" to the kernel. */
#define ID RANGE(0, UINT32_MAX - 1)
#define U32 RANGE(0, UINT32_MAX)
/* Beyond 12 and 20 bits mknod(2) takes the number modulo, that is: another device's. */
#define MAJOR RANGE(0, 4095)
#define MINOR RANGE(0, 1048575)
#define LIMIT RANGE(-1, INT64_MAX)

/* ---- names ---- */

const char *const spec_namespace_types[] = {
	"pid", "network", "mount", "ipc", "uts", "user", "cgroup", "time", NULL,
};
const char *const spec_rlimit_types[] = {
	"RLIMIT_AS",	 "RLIMIT_CORE",	   "RLIMIT_CPU",    "RLIMIT_DATA",	 "RLIMIT_FSIZE",
	"RLIMIT_LOCKS",	 "RLIMIT_MEMLOCK", "RLIMIT_MSGQUEUE", "RLIMIT_NICE",	 "RLIMIT_NOFILE",
	"RLIMIT_NPROC",	 "RLIMIT_RSS",	   "RLIMIT_RTPRIO", "RLIMIT_RTTIME",	 "RLIMIT_SIGPENDING",
	"RLIMIT_STACK",	 NULL,
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
static const char *const device_types[] = { "c", "u", "b", "p", NULL };
static const char *const device_rule_types[] = { "a", "c", "b", NULL };
static const char *const clocks[] = { "monotonic", "boottime", NULL };
static const char *const domains[] = { "LINUX", "LINUX32", NULL };

/* ---- what needs more than a row ---- */

/* Absolute, without "//", "." and "..": a destination is below the container's root however it
 * is written (runc accepts relative ones, too). */
static char *clean_path(struct arena *a, const char *path)
{
	char *clean = arena_alloc(a, strlen(path) + 2), *end = clean;

	while (*path) {
		size_t n = strcspn(path, "/");

		if (n == 2 && path[0] == '.' && path[1] == '.') {
			while (end > clean && *--end != '/')
				;
		} else if (n > 0 && !(n == 1 && path[0] == '.')) {
			*end++ = '/';
			memcpy(end, path, n);
			end += n;
		}
		path += n + (path[n] == '/');
	}
	if (end == clean)
		*end++ = '/';
	*end = 0;
	return clean;
}

static void finish_mount(struct arena *a, void *object)
{
	struct spec_mount *m = object;

	m->source_fd = -1;
	m->destination = clean_path(a, m->destination);
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

	(void)a;
	for (size_t i = 0; i < l->sysctl.n; i++) {
		char *key = l->sysctl.v[i].key;

		if (key[strcspn(key, "./")] != '/')
			continue;
		for (; *key; key++)
			*key = *key == '/' ? '.' : *key == '.' ? '/' : *key;
	}
}

/* ---- the tables ---- */

static const struct field rlimit_fields[] = {
	FIELD_STRING(struct spec_rlimit, "type", type, REQUIRED, ONE_OF(spec_rlimit_types)),
	FIELD_U64(struct spec_rlimit, "hard", hard, REQUIRED),
	FIELD_U64(struct spec_rlimit, "soft", soft, REQUIRED),
};
OBJECT_OF(rlimit);

static const struct field capabilities_fields[] = {
	FIELD_STRINGS(struct spec_capabilities, "bounding", bounding),
	FIELD_STRINGS(struct spec_capabilities, "effective", effective),
	FIELD_STRINGS(struct spec_capabilities, "inheritable", inheritable),
	FIELD_STRINGS(struct spec_capabilities, "permitted", permitted),
	FIELD_STRINGS(struct spec_capabilities, "ambient", ambient),
};
OBJECT_OF(capabilities);

static const struct field user_fields[] = {
	/* without them the user is root, as everywhere; they are always written */
	FIELD_I64(struct spec_user, "uid", uid, ID),
	FIELD_I64(struct spec_user, "gid", gid, ID),
	FIELD_OPT_U64(struct spec_user, "umask", umask, RANGE(0, 0777)),
	FIELD_I64S(struct spec_user, "additionalGids", additional_gids, ID),
	FIELD_STRING(struct spec_user, "username", username),
};
OBJECT_OF(user);

static const struct field scheduler_fields[] = {
	FIELD_STRING(struct spec_scheduler, "policy", policy, REQUIRED),
	FIELD_OPT_I64(struct spec_scheduler, "nice", nice, RANGE(-20, 19)),
	FIELD_OPT_I64(struct spec_scheduler, "priority", priority, RANGE(0, 99)),
	FIELD_STRINGS(struct spec_scheduler, "flags", flags),
	FIELD_OPT_U64(struct spec_scheduler, "runtime", runtime),
	FIELD_OPT_U64(struct spec_scheduler, "deadline", deadline),
	FIELD_OPT_U64(struct spec_scheduler, "period", period),
};
OBJECT_OF(scheduler);

static const struct field io_priority_fields[] = {
	FIELD_STRING(struct spec_io_priority, "class", class, REQUIRED),
	FIELD_OPT_I64(struct spec_io_priority, "priority", priority, RANGE(0, 7)),
};
OBJECT_OF(io_priority);

static const struct field cpu_affinity_fields[] = {
	FIELD_STRING(struct spec_cpu_affinity, "initial", initial),
	FIELD_STRING(struct spec_cpu_affinity, "final", final),
};
OBJECT_OF(cpu_affinity);

static const struct field console_size_fields[] = {
	FIELD_U64(struct spec_console_size, "height", height, REQUIRED, RANGE(0, UINT16_MAX)),
	FIELD_U64(struct spec_console_size, "width", width, REQUIRED, RANGE(0, UINT16_MAX)),
};
OBJECT_OF(console_size);

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
OBJECT_OF(process);

static const struct field id_mapping_fields[] = {
	FIELD_I64(struct spec_id_mapping, "containerID", container_id, REQUIRED, ID),
	FIELD_I64(struct spec_id_mapping, "hostID", host_id, REQUIRED, ID),
	FIELD_I64(struct spec_id_mapping, "size", size, REQUIRED, RANGE(1, UINT32_MAX)),
};
OBJECT_OF(id_mapping);

static const struct field mount_fields[] = {
	FIELD_STRING(struct spec_mount, "destination", destination, REQUIRED),
	FIELD_STRING(struct spec_mount, "type", type),
	FIELD_STRING(struct spec_mount, "source", source),
	FIELD_STRINGS(struct spec_mount, "options", options),
	FIELD_OBJECTS(struct spec_mount, "uidMappings", uid_mappings, id_mapping),
	FIELD_OBJECTS(struct spec_mount, "gidMappings", gid_mappings, id_mapping),
};
OBJECT_OF(mount, .finish = finish_mount);

static const struct field hook_fields[] = {
	FIELD_STRING(struct spec_hook, "path", path, REQUIRED),
	FIELD_STRINGS(struct spec_hook, "args", args),
	FIELD_STRINGS(struct spec_hook, "env", env),
	FIELD_OPT_I64(struct spec_hook, "timeout", timeout, RANGE(1, INT32_MAX)),
};
OBJECT_OF(hook);

static const struct field hooks_fields[] = {
	FIELD_OBJECTS(struct spec_hooks, "prestart", prestart, hook),
	FIELD_OBJECTS(struct spec_hooks, "createRuntime", create_runtime, hook),
	FIELD_OBJECTS(struct spec_hooks, "createContainer", create_container, hook),
	FIELD_OBJECTS(struct spec_hooks, "startContainer", start_container, hook),
	FIELD_OBJECTS(struct spec_hooks, "poststart", poststart, hook),
	FIELD_OBJECTS(struct spec_hooks, "poststop", poststop, hook),
};
OBJECT_OF(hooks);
static_assert(sizeof hooks_fields / sizeof *hooks_fields + 1 ==
		      sizeof spec_hook_kinds / sizeof *spec_hook_kinds,
	      "a row for each kind of hook");

static const struct field namespace_fields[] = {
	FIELD_STRING(struct spec_namespace, "type", type, REQUIRED, ONE_OF(spec_namespace_types)),
	FIELD_STRING(struct spec_namespace, "path", path),
};
OBJECT_OF(namespace);

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
OBJECT_OF(device);

static const struct field device_rule_fields[] = {
	FIELD_BOOL(struct spec_device_rule, "allow", allow, REQUIRED),
	FIELD_STRING(struct spec_device_rule, "type", type, ONE_OF(device_rule_types)),
	FIELD_OPT_I64(struct spec_device_rule, "major", major, RANGE(-1, UINT32_MAX)),
	FIELD_OPT_I64(struct spec_device_rule, "minor", minor, RANGE(-1, UINT32_MAX)),
	FIELD_STRING(struct spec_device_rule, "access", access),
};
OBJECT_OF(device_rule);

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
OBJECT_OF(memory, .finish = finish_memory);

static const struct field cpu_fields[] = {
	FIELD_OPT_U64(struct spec_cpu, "shares", shares),
	FIELD_OPT_I64(struct spec_cpu, "quota", quota, LIMIT),
	FIELD_OPT_U64(struct spec_cpu, "burst", burst),
	FIELD_OPT_U64(struct spec_cpu, "period", period),
	FIELD_OPT_I64(struct spec_cpu, "realtimeRuntime", realtime_runtime, LIMIT),
	FIELD_OPT_U64(struct spec_cpu, "realtimePeriod", realtime_period),
	FIELD_STRING(struct spec_cpu, "cpus", cpus),
	FIELD_STRING(struct spec_cpu, "mems", mems),
	FIELD_OPT_I64(struct spec_cpu, "idle", idle, RANGE(0, 1)),
};
OBJECT_OF(cpu);

static const struct field pids_fields[] = {
	FIELD_OPT_I64(struct spec_pids, "limit", limit, LIMIT),
};
OBJECT_OF(pids);

static const struct field weight_device_fields[] = {
	FIELD_I64(struct spec_weight_device, "major", major, REQUIRED, MAJOR),
	FIELD_I64(struct spec_weight_device, "minor", minor, REQUIRED, MINOR),
	FIELD_OPT_U64(struct spec_weight_device, "weight", weight, RANGE(0, 1000)),
	FIELD_OPT_U64(struct spec_weight_device, "leafWeight", leaf_weight, RANGE(0, 1000)),
};
OBJECT_OF(weight_device);

static const struct field throttle_device_fields[] = {
	FIELD_I64(struct spec_throttle_device, "major", major, REQUIRED, MAJOR),
	FIELD_I64(struct spec_throttle_device, "minor", minor, REQUIRED, MINOR),
	FIELD_U64(struct spec_throttle_device, "rate", rate, REQUIRED),
};
OBJECT_OF(throttle_device);

static const struct field block_io_fields[] = {
	FIELD_OPT_U64(struct spec_block_io, "weight", weight, RANGE(0, 1000)),
	FIELD_OPT_U64(struct spec_block_io, "leafWeight", leaf_weight, RANGE(0, 1000)),
	FIELD_OBJECTS(struct spec_block_io, "weightDevice", weight_device, weight_device),
	FIELD_OBJECTS(struct spec_block_io, "throttleReadBpsDevice", read_bps, throttle_device),
	FIELD_OBJECTS(struct spec_block_io, "throttleWriteBpsDevice", write_bps, throttle_device),
	FIELD_OBJECTS(struct spec_block_io, "throttleReadIOPSDevice", read_iops, throttle_device),
	FIELD_OBJECTS(struct spec_block_io, "throttleWriteIOPSDevice", write_iops, throttle_device),
};
OBJECT_OF(block_io);

static const struct field hugepage_limit_fields[] = {
	FIELD_STRING(struct spec_hugepage_limit, "pageSize", page_size, REQUIRED),
	FIELD_U64(struct spec_hugepage_limit, "limit", limit, REQUIRED),
};
OBJECT_OF(hugepage_limit);

static const struct field if_priority_fields[] = {
	FIELD_STRING(struct spec_if_priority, "name", name, REQUIRED),
	FIELD_U64(struct spec_if_priority, "priority", priority, REQUIRED, U32),
};
OBJECT_OF(if_priority);

static const struct field net_fields[] = {
	FIELD_OPT_U64(struct spec_net, "classID", class_id, U32),
	FIELD_OBJECTS(struct spec_net, "priorities", priorities, if_priority),
};
OBJECT_OF(net);

static const struct field rdma_fields[] = {
	FIELD_OPT_U64(struct spec_rdma, "hcaHandles", hca_handles, U32),
	FIELD_OPT_U64(struct spec_rdma, "hcaObjects", hca_objects, U32),
};
OBJECT_OF(rdma);
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
OBJECT_OF(seccomp_arg);

static const struct field seccomp_rule_fields[] = {
	FIELD_STRINGS(struct spec_seccomp_rule, "names", names, REQUIRED),
	FIELD_STRING(struct spec_seccomp_rule, "action", action, REQUIRED,
		     ONE_OF(spec_seccomp_actions)),
	FIELD_OPT_U64(struct spec_seccomp_rule, "errnoRet", errno_ret, RANGE(0, UINT16_MAX)),
	FIELD_OBJECTS(struct spec_seccomp_rule, "args", args, seccomp_arg),
};
OBJECT_OF(seccomp_rule);

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
OBJECT_OF(time_offset);
static_assert(offsetof(struct spec_time_offset, clock) == 0, "the key of a map");

static const struct field personality_fields[] = {
	FIELD_STRING(struct spec_personality, "domain", domain, REQUIRED, ONE_OF(domains)),
	FIELD_STRINGS(struct spec_personality, "flags", flags),
};
OBJECT_OF(personality);

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
	FIELD_UNSUPPORTED("intelRdt"),
	FIELD_UNSUPPORTED("memoryPolicy"),
	FIELD_UNSUPPORTED("netDevices"),
};
OBJECT_OF(linux, .finish = finish_linux);

static const struct field egress_rule_fields[] = {
	FIELD_STRING(struct spec_egress_rule, "host", host, REQUIRED),
	FIELD_BOOL(struct spec_egress_rule, "isName", is_name),
	FIELD_U64(struct spec_egress_rule, "portFirst", port_first, REQUIRED, RANGE(1, 65535)),
	FIELD_U64(struct spec_egress_rule, "portLast", port_last, REQUIRED, RANGE(1, 65535)),
	FIELD_STRING(struct spec_egress_rule, "protocol", protocol, REQUIRED),
	FIELD_STRING(struct spec_egress_rule, "reason", reason),
	FIELD_STRINGS(struct spec_egress_rule, "addresses", addresses),
};
OBJECT_OF(egress_rule);

static const struct field workspace_fields[] = {
	FIELD_STRING(struct spec_workspace, "destination", destination, REQUIRED),
	FIELD_STRING(struct spec_workspace, "source", source),
	FIELD_STRING(struct spec_workspace, "mode", mode),
	FIELD_STRING(struct spec_workspace, "owner", owner),
	FIELD_STRINGS(struct spec_workspace, "guard", guard),
	FIELD_STRINGS(struct spec_workspace, "mask", mask),
};
OBJECT_OF(workspace);

static const struct field audit_hook_fields[] = {
	FIELD_STRING(struct spec_audit_hook, "path", path, REQUIRED),
	FIELD_STRINGS(struct spec_audit_hook, "args", args),
	FIELD_STRINGS(struct spec_audit_hook, "events", events),
	FIELD_OPT_I64(struct spec_audit_hook, "timeout", timeout, RANGE(1, INT32_MAX)),
	FIELD_BOOL(struct spec_audit_hook, "required", required),
};
OBJECT_OF(audit_hook);

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
	FIELD_OBJECT(struct spec_agent, "seccompFilter", seccomp_filter, seccomp),
	FIELD_OPT_U64(struct spec_agent, "timeLimit", time_limit),
	FIELD_STRING(struct spec_agent, "auditMode", audit_mode),
	FIELD_OBJECTS(struct spec_agent, "auditHooks", audit_hooks, audit_hook),
	FIELD_PAIRS(struct spec_agent, "labels", labels),
	FIELD_STRINGS(struct spec_agent, "changes", changes),
};
OBJECT_OF(agent);

static const struct field root_fields[] = {
	FIELD_STRING(struct spec_root, "path", path, REQUIRED),
	FIELD_BOOL(struct spec_root, "readonly", readonly),
};
OBJECT_OF(root);

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
	FIELD_UNSUPPORTED("freebsd"),
	FIELD_UNSUPPORTED("solaris"),
	FIELD_UNSUPPORTED("vm"),
	FIELD_UNSUPPORTED("windows"),
	FIELD_UNSUPPORTED("zos"),
};
static const struct object object_config = {
	.size = sizeof(struct spec),
	.fields = config_fields,
	.n = sizeof config_fields / sizeof *config_fields,
};

/* ---- members of any type ---- */

struct vec {
	void *v;
	size_t n;
};

/* memcpy: the member's own type is another one than struct vec or void * */
#define LOAD(type, from) ({ type value_; memcpy(&value_, (from), sizeof value_); value_; })

static struct vec load_vec(const void *member)
{
	return LOAD(struct vec, member);
}

static void store(void *member, const void *value, size_t size)
{
	memcpy(member, value, size);
}

/* ---- reading ---- */

struct reader {
	struct arena *a;
	const char *what;
	struct err *e;
};

static int read_object(const struct reader *r, const struct object *o, const struct json_path *at,
		       const struct json *j, void *base);

static int expect(const struct reader *r, const struct json_path *at, const struct json *j,
		  enum json_type type)
{
	if (j->type == type)
		return 0;
	return json_say(r->e, EINVAL, r->what, at, "expected %s, found %s", json_type_names[type],
			json_type_names[j->type]);
}

static int unknown_name(const struct reader *r, const struct json_path *at, const char *text,
			const char *const *names)
{
	owned_str list = STR_INIT;

	str_puts(&list, "unknown value \"");
	str_put_safe(&list, text, 64);
	str_puts(&list, "\"; known are ");
	for (size_t i = 0; names[i]; i++)
		str_printf(&list, "%s%s", i ? ", " : "", names[i]);
	return json_say(r->e, EINVAL, r->what, at, "%s", list.s);
}

static bool has_name(const char *const *names, const char *text)
{
	for (; *names; names++)
		if (strcmp(*names, text) == 0)
			return true;
	return false;
}

static int read_string(const struct reader *r, const struct field *f, const struct json_path *at,
		       const struct json *j, const char **ret)
{
	int error = expect(r, at, j, JSON_STRING);

	if (error < 0)
		return error;
	if (f->names && j->text[0] && !has_name(f->names, j->text))
		return unknown_name(r, at, j->text, f->names);
	*ret = j->text;
	return 0;
}

static int bad_number(const struct reader *r, const struct field *f, const struct json_path *at,
		      const struct json *j, int error)
{
	owned_str found = STR_INIT;

	str_put_safe(&found, j->text, 40);
	if (error == -EINVAL)
		return json_say(r->e, EINVAL, r->what, at, "expected an integer, found %s", found.s);
	if (!f->max)
		return json_say(r->e, ERANGE, r->what, at, "%s is out of range", found.s);
	return json_say(r->e, ERANGE, r->what, at, "%s is out of range (%lld to %llu)", found.s,
			(long long)f->min, (unsigned long long)f->max);
}

static int read_i64(const struct reader *r, const struct field *f, const struct json_path *at,
		    const struct json *j, int64_t *ret)
{
	int64_t v = 0;
	int error = expect(r, at, j, JSON_NUMBER);

	if (error < 0)
		return error;
	error = json_i64(j, &v);
	if (!error && f->max && (v < f->min || (v > 0 && (uint64_t)v > f->max)))
		error = -ERANGE;
	if (error < 0)
		return bad_number(r, f, at, j, error);
	*ret = v;
	return 0;
}

static int read_u64(const struct reader *r, const struct field *f, const struct json_path *at,
		    const struct json *j, uint64_t *ret)
{
	uint64_t v = 0;
	int error = expect(r, at, j, JSON_NUMBER);

	if (error < 0)
		return error;
	error = json_u64(j, &v);
	if (!error && f->max && (v < (uint64_t)f->min || v > f->max))
		error = -ERANGE;
	if (error < 0)
		return bad_number(r, f, at, j, error);
	*ret = v;
	return 0;
}

static int read_strings(const struct reader *r, const struct field *f, const struct json_path *at,
			const struct json *j, struct strv *ret)
{
	struct strv v = { 0 };

	for (size_t i = 0; i < j->n; i++) {
		struct json_path item = { at, NULL, i };
		const char *text;
		int error = read_string(r, f, &item, j->items[i], &text);

		if (error < 0)
			return error;
		if (f->names && !text[0])
			return unknown_name(r, &item, text, f->names);
		strv_add(r->a, &v, text);
	}
	*ret = v;
	return 0;
}

static int read_pairs(const struct reader *r, const struct field *f, const struct json_path *at,
		      const struct json *j, struct kvs *ret)
{
	struct kvs pairs = { 0 };

	for (size_t i = 0; i < j->n; i++) {
		struct json_path member = { at, j->keys[i], 0 };
		const char *text;
		int error;

		if (!j->keys[i][0])
			return json_say(r->e, EINVAL, r->what, &member, "the key is empty");
		error = read_string(r, f, &member, j->items[i], &text);
		if (error < 0)
			return error;
		kvs_add(r->a, &pairs, j->keys[i], text);
	}
	*ret = pairs;
	return 0;
}

static int read_numbers(const struct reader *r, const struct field *f, const struct json_path *at,
			const struct json *j, struct vec *ret)
{
	int64_t *i64s = arena_array(r->a, int64_t, j->n);
	uint64_t *u64s = (uint64_t *)i64s;	/* the signed and unsigned type may alias */

	for (size_t i = 0; i < j->n; i++) {
		struct json_path item = { at, NULL, i };
		int error = f->kind == I64S ? read_i64(r, f, &item, j->items[i], &i64s[i])
					    : read_u64(r, f, &item, j->items[i], &u64s[i]);

		if (error < 0)
			return error;
	}
	*ret = (struct vec){ i64s, j->n };
	return 0;
}

static int read_objects(const struct reader *r, const struct field *f, const struct json_path *at,
			const struct json *j, struct vec *ret)
{
	const struct object *o = f->object;
	char *items = arena_alloc(r->a, o->size * j->n);

	for (size_t i = 0; i < j->n; i++) {
		struct json_path item = { at, f->kind == MAP ? j->keys[i] : NULL, i };
		char *base = items + i * o->size;
		int error = read_object(r, o, &item, j->items[i], base);

		if (error < 0)
			return error;
		if (f->kind == MAP) {
			char *key = arena_strdup(r->a, j->keys[i]);

			if (f->names && !has_name(f->names, key))
				return unknown_name(r, &item, key, f->names);
			if (!key[0])
				return json_say(r->e, EINVAL, r->what, &item, "the key is empty");
			store(base, &key, sizeof key);
		}
	}
	*ret = (struct vec){ items, j->n };
	return 0;
}

static const enum json_type json_type_of[] = {
	[STRING] = JSON_STRING,	  [BOOL] = JSON_BOOL,	    [I64] = JSON_NUMBER,
	[U64] = JSON_NUMBER,	  [OPT_BOOL] = JSON_BOOL,   [OPT_I64] = JSON_NUMBER,
	[OPT_U64] = JSON_NUMBER,  [STRINGS] = JSON_ARRAY,   [PAIRS] = JSON_OBJECT,
	[I64S] = JSON_ARRAY,	  [U64S] = JSON_ARRAY,	    [OBJECT] = JSON_OBJECT,
	[INLINE] = JSON_OBJECT,	  [OBJECTS] = JSON_ARRAY,   [MAP] = JSON_OBJECT,
};
static_assert(sizeof json_type_of / sizeof *json_type_of == UNSUPPORTED, "a type for each kind");

static int read_member(const struct reader *r, const struct field *f, const struct json_path *at,
		       const struct json *j, char *member)
{
	struct opt_bool opt_bool = { .set = true };
	struct opt_i64 opt_i64 = { .set = true };
	struct opt_u64 opt_u64 = { .set = true };
	const char *text;
	struct vec vec;
	void *p;
	int error;

	if (f->kind == UNSUPPORTED)
		return json_say(r->e, ENOTSUP, r->what, at, "not supported yet");
	error = expect(r, at, j, json_type_of[f->kind]);
	if (error < 0)
		return error;
	switch (f->kind) {
	case STRING:
		error = read_string(r, f, at, j, &text);
		if (error < 0)
			return error;
		/* empty is absent, as it is to programs that leave empty strings out */
		p = text[0] ? arena_strdup(r->a, text) : NULL;
		if (!p && f->required)
			return json_say(r->e, EINVAL, r->what, at, "must not be empty");
		store(member, &p, sizeof p);
		return 0;
	case BOOL:
		*(bool *)member = j->boolean;
		return 0;
	case I64:
		return read_i64(r, f, at, j, (int64_t *)member);
	case U64:
		return read_u64(r, f, at, j, (uint64_t *)member);
	case OPT_BOOL:
		opt_bool.v = j->boolean;
		store(member, &opt_bool, sizeof opt_bool);
		return 0;
	case OPT_I64:
		error = read_i64(r, f, at, j, &opt_i64.v);
		store(member, &opt_i64, sizeof opt_i64);
		return error;
	case OPT_U64:
		error = read_u64(r, f, at, j, &opt_u64.v);
		store(member, &opt_u64, sizeof opt_u64);
		return error;
	case STRINGS:
		return read_strings(r, f, at, j, (struct strv *)member);
	case PAIRS:
		return read_pairs(r, f, at, j, (struct kvs *)member);
	case I64S:
	case U64S:
		error = read_numbers(r, f, at, j, &vec);
		if (!error)
			store(member, &vec, sizeof vec);
		return error;
	case OBJECT:
		p = arena_alloc(r->a, f->object->size);
		error = read_object(r, f->object, at, j, p);
		store(member, &p, sizeof p);
		return error;
	case INLINE:
		return read_object(r, f->object, at, j, member);
	case OBJECTS:
	case MAP:
		error = read_objects(r, f, at, j, &vec);
		if (!error)
			store(member, &vec, sizeof vec);
		return error;
	case UNSUPPORTED:
		break;
	}
	return 0;
}

static int read_object(const struct reader *r, const struct object *o, const struct json_path *at,
		       const struct json *j, void *base)
{
	uint64_t seen = 0;
	int error = expect(r, at, j, JSON_OBJECT);

	if (error < 0)
		return error;
	for (size_t i = 0; i < j->n; i++) {
		struct json_path member = { at, j->keys[i], 0 };
		const struct field *f;
		size_t k = 0;

		while (k < o->n && strcmp(o->fields[k].name, j->keys[i]) != 0)
			k++;
		/* OCI, "Extensibility": unknown members are ignored; null is absent as in Go */
		if (k == o->n || j->items[i]->type == JSON_NULL)
			continue;
		f = &o->fields[k];
		seen |= (uint64_t)1 << k;
		error = read_member(r, f, &member, j->items[i], (char *)base + f->offset);
		if (error < 0)
			return error;
	}
	for (size_t k = 0; k < o->n; k++) {
		struct json_path member = { at, o->fields[k].name, 0 };

		if (o->fields[k].required && !(seen >> k & 1))
			return json_say(r->e, EINVAL, r->what, &member, "required, but absent");
	}
	if (o->finish)
		o->finish(r->a, base);
	return 0;
}

/* ---- writing ---- */

static void write_object(const struct object *o, const void *base, struct json_writer *w);

static void write_objects(const struct field *f, struct vec vec, struct json_writer *w)
{
	const char *base = vec.v;

	for (size_t i = 0; i < vec.n; i++, base += f->object->size) {
		if (f->kind == MAP)
			json_key(w, LOAD(char *, base));
		write_object(f->object, base, w);
	}
}

static void write_member(const struct field *f, const char *member, struct json_writer *w)
{
	const struct opt_bool *opt_bool = (const void *)member;
	const struct opt_i64 *opt_i64 = (const void *)member;
	const struct opt_u64 *opt_u64 = (const void *)member;
	const void *p;
	struct vec vec;

	switch (f->kind) {
	case STRING:
		p = LOAD(char *, member);
		if (p)
			json_field(w, f->name, p);
		break;
	case BOOL:
		if (*(const bool *)member || f->required)
			json_field_bool(w, f->name, *(const bool *)member);
		break;
	case I64:
		json_field_i64(w, f->name, *(const int64_t *)member);
		break;
	case U64:
		json_field_u64(w, f->name, *(const uint64_t *)member);
		break;
	case OPT_BOOL:
		if (opt_bool->set)
			json_field_bool(w, f->name, opt_bool->v);
		break;
	case OPT_I64:
		if (opt_i64->set)
			json_field_i64(w, f->name, opt_i64->v);
		break;
	case OPT_U64:
		if (opt_u64->set)
			json_field_u64(w, f->name, opt_u64->v);
		break;
	case STRINGS:
		if (((const struct strv *)member)->n || f->required)
			json_field_strv(w, f->name, (const struct strv *)member);
		break;
	case PAIRS:
		if (((const struct kvs *)member)->n)
			json_field_kvs(w, f->name, (const struct kvs *)member);
		break;
	case OBJECT:
		p = LOAD(void *, member);
		if (p) {
			json_key(w, f->name);
			write_object(f->object, p, w);
		}
		break;
	case INLINE:
		json_key(w, f->name);
		write_object(f->object, member, w);
		break;
	case I64S:
	case U64S:
		vec = load_vec(member);
		if (!vec.n)
			break;
		json_key(w, f->name);
		json_open_array(w);
		for (size_t i = 0; i < vec.n; i++)
			if (f->kind == I64S)
				json_put_i64(w, ((const int64_t *)vec.v)[i]);
			else
				json_put_u64(w, ((const uint64_t *)vec.v)[i]);
		json_close_array(w);
		break;
	case OBJECTS:
	case MAP:
		vec = load_vec(member);
		if (!vec.n)
			break;
		json_key(w, f->name);
		if (f->kind == MAP)
			json_open(w);
		else
			json_open_array(w);
		write_objects(f, vec, w);
		if (f->kind == MAP)
			json_close(w);
		else
			json_close_array(w);
		break;
	case UNSUPPORTED:
		break;
	}
}

static void write_object(const struct object *o, const void *base, struct json_writer *w)
{
	json_open(w);
	for (size_t i = 0; i < o->n; i++)
		write_member(&o->fields[i], (const char *)base + o->fields[i].offset, w);
	json_close(w);
}

/* ---- copying ---- */

/* `base` holds a plain copy of the original's bytes; its parts become new ones. */
static void renew_parts(struct arena *a, const struct object *o, char *base)
{
	for (size_t i = 0; i < o->n; i++) {
		const struct field *f = &o->fields[i];
		char *member = base + f->offset;
		struct kvs pairs = { 0 };
		struct strv strings;
		struct vec vec;
		void *p;

		switch (f->kind) {
		case STRINGS:
			strings = strv_copy(a, (const struct strv *)member);
			store(member, &strings, sizeof strings);
			break;
		case PAIRS:
			for (size_t k = 0; k < ((const struct kvs *)member)->n; k++) {
				const struct kv *kv = &((const struct kvs *)member)->v[k];

				kvs_add(a, &pairs, kv->key, kv->value);
			}
			store(member, &pairs, sizeof pairs);
			break;
		case I64S:
		case U64S:
			vec = load_vec(member);
			vec.v = arena_memdup(a, vec.v, vec.n * sizeof(int64_t));
			store(member, &vec, sizeof vec);
			break;
		case OBJECT:
			p = LOAD(void *, member);
			if (!p)
				break;
			p = arena_memdup(a, p, f->object->size);
			renew_parts(a, f->object, p);
			store(member, &p, sizeof p);
			break;
		case INLINE:
			renew_parts(a, f->object, member);
			break;
		case OBJECTS:
		case MAP:
			vec = load_vec(member);
			vec.v = arena_memdup(a, vec.v, vec.n * f->object->size);
			store(member, &vec, sizeof vec);
			for (size_t k = 0; k < vec.n; k++)
				renew_parts(a, f->object, (char *)vec.v + k * f->object->size);
			break;
		case STRING:
		case BOOL:
		case I64:
		case U64:
		case OPT_BOOL:
		case OPT_I64:
		case OPT_U64:
		case UNSUPPORTED:
			break;
		}
	}
}

struct spec *spec_copy(struct arena *a, const struct spec *s)
{
	struct spec *copy = arena_memdup(a, s, sizeof *s);

	renew_parts(a, &object_config, (char *)copy);
	return copy;
}

/* ---- the model and its parts ---- */

int spec_parse(struct arena *a, const struct json *tree, const char *what,
	       enum spec_origin origin, struct spec **ret, struct err *e)
{
	struct reader r = { a, what, e };
	struct spec *s = arena_new(a, struct spec);
	int error;

	if (origin == SPEC_BUNDLE && json_get(tree, "agent"))
		return json_say(e, EPERM, what, &(struct json_path){ NULL, "agent", 0 },
				"only agentrun itself writes this block; a bundle asks for a "
				"policy by annotations (io.agentrun.*)");
	error = read_object(&r, &object_config, NULL, tree, s);
	if (!error)
		error = spec_check(s, what, e);
	if (error < 0)
		return error;
	*ret = s;
	return 0;
}

int spec_read(struct arena *a, int dirfd, const char *path, enum spec_origin origin,
	      struct spec **ret, struct err *e)
{
	owned_arena trees = ARENA_INIT;
	const struct json *tree;
	int r = json_read_file(&trees, dirfd, path, &tree, e);

	if (r < 0)
		return r;
	return spec_parse(a, tree, path, origin, ret, e);
}

void spec_write(const struct spec *s, struct json_writer *w)
{
	write_object(&object_config, s, w);
}

int spec_parse_process(struct arena *a, const struct json *tree, const char *what,
		       struct spec_process **ret, struct err *e)
{
	struct reader r = { a, what, e };
	struct spec_process *p = arena_new(a, struct spec_process);
	int error = read_object(&r, &object_process, NULL, tree, p);

	if (!error)
		error = check_process(p, what, NULL, e);
	if (error < 0)
		return error;
	*ret = p;
	return 0;
}

int spec_parse_resources(struct arena *a, const struct json *tree, const char *what,
			 struct spec_resources **ret, struct err *e)
{
	struct reader r = { a, what, e };
	struct spec_resources *resources = arena_new(a, struct spec_resources);
	int error = read_object(&r, &object_resources, NULL, tree, resources);

	if (!error)
		error = check_resources(resources, what, NULL, e);
	if (error < 0)
		return error;
	*ret = resources;
	return 0;
}

int spec_parse_seccomp(struct arena *a, const struct json *tree, const char *what,
		       struct spec_seccomp **ret, struct err *e)
{
	struct reader r = { a, what, e };
	struct spec_seccomp *s = arena_new(a, struct spec_seccomp);
	int error = read_object(&r, &object_seccomp, NULL, tree, s);

	if (!error)
		error = check_seccomp(s, what, NULL, e);
	if (error < 0)
		return error;
	*ret = s;
	return 0;
}

void spec_write_process(const struct spec_process *p, struct json_writer *w)
{
	write_object(&object_process, p, w);
}

void spec_write_resources(const struct spec_resources *r, struct json_writer *w)
{
	write_object(&object_resources, r, w);
}

void spec_write_seccomp(const struct spec_seccomp *s, struct json_writer *w)
{
	write_object(&object_seccomp, s, w);
}

const struct spec_namespace *spec_namespace_find(const struct spec *s, const char *type)
{
	for (size_t i = 0; s->linux_ && i < s->linux_->namespaces.n; i++)
		if (strcmp(s->linux_->namespaces.v[i].type, type) == 0)
			return &s->linux_->namespaces.v[i];
	return NULL;
}
