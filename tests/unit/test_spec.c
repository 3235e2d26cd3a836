/* SPDX-License-Identifier: Apache-2.0 */
/* spec: what is refused and where. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "spec_texts.h"

struct row {
	struct config config;
	const char *error;	/* NULL: accepted */
};

static void check_rows(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct config *c = &rows[i].config;
		const char *hint = c->more ? c->more : c->linux_ ? c->linux_ : c->process;
		owned_arena a = ARENA_INIT;
		struct spec *s = NULL;
		struct err e = { 0 };
		int r = parse(&a, c, SPEC_BUNDLE, &s, &e);

		if (!rows[i].error) {
			cr_expect_eq(r, 0, "row %zu (%s): %s", i, hint, e.text);
			cr_expect_not_null(s, "row %zu", i);
			continue;
		}
		cr_expect_lt(r, 0, "row %zu was accepted: %s", i, hint);
		cr_expect_eq(r, -e.code, "row %zu", i);
		cr_expect_null(s, "row %zu", i);
		cr_expect(str_has_prefix(e.text, "config.json: "), "row %zu: %s", i, e.text);
		cr_expect_str_eq(e.text + strlen("config.json: "), rows[i].error, "row %zu: %s", i,
				 e.text);
	}
}
#define CHECK_ROWS(...)                                                                            \
	do {                                                                                       \
		static const struct row rows[] = { __VA_ARGS__ };                                  \
		check_rows(rows, COUNT(rows));                                                     \
	} while (0)

#define BAD_PROCESS(members, text)                                                                 \
	{ { .process = "{'args':['sh'],'cwd':'/'," members "}" }, text }
#define BAD_SCHEDULER(members, text) \
	{ { .process = "{'args':['sh'],'cwd':'/','scheduler':{" members "}}" }, \
	  "process.scheduler" text }
#define DEADLINE ": SCHED_DEADLINE needs 0 < runtime <= deadline <= period"
#define BAD_LINUX(members, text)                                                                   \
	{ { .linux_ = "{'namespaces':[{'type':'mount'}]," members "}" }, text }
#define BAD_RESOURCES(members, text) BAD_LINUX("'resources':{" members "}", text)
#define BAD_SECCOMP(members, text) BAD_LINUX("'seccomp':{" members "}", text)
#define BAD_MORE(members, text) { { .more = members }, text }

Test(spec, wrong_types)
{
	CHECK_ROWS(
		{ { .version = "1" }, "ociVersion: expected a string, found a number" },
		{ { .root = "'/'" }, "root: expected an object, found a string" },
		{ { .root = "{'path':5}" }, "root.path: expected a string, found a number" },
		{ { .root = "{'path':'/','readonly':'yes'}" },
		  "root.readonly: expected a boolean, found a string" },
		{ { .root = "{'path':'/','readonly':1}" },
		  "root.readonly: expected a boolean, found a number" },
		{ { .process = "[]" }, "process: expected an object, found an array" },
		{ { .process = "{'args':'sh','cwd':'/'}" },
		  "process.args: expected an array, found a string" },
		{ { .process = "{'args':[7],'cwd':'/'}" },
		  "process.args[0]: expected a string, found a number" },
		{ { .process = "{'args':['a','b',null],'cwd':'/'}" },
		  "process.args[2]: expected a string, found null" },
		BAD_PROCESS("'user':0", "process.user: expected an object, found a number"),
		BAD_PROCESS("'user':{'uid':'0'}",
			    "process.user.uid: expected a number, found a string"),
		BAD_PROCESS("'user':{'additionalGids':[1,'2']}",
			    "process.user.additionalGids[1]: expected a number, found a string"),
		BAD_PROCESS("'capabilities':[]",
			    "process.capabilities: expected an object, found an array"),
		BAD_PROCESS("'capabilities':{'bounding':{}}",
			    "process.capabilities.bounding: expected an array, found an object"),
		BAD_PROCESS("'oomScoreAdj':'5'",
			    "process.oomScoreAdj: expected a number, found a string"),
		BAD_PROCESS("'rlimits':{}", "process.rlimits: expected an array, found an object"),
		BAD_PROCESS("'rlimits':['x']",
			    "process.rlimits[0]: expected an object, found a string"),
		BAD_MORE("'mounts':{}", "mounts: expected an array, found an object"),
		BAD_MORE("'mounts':[{'destination':'/x','options':'ro'}]",
			 "mounts[0].options: expected an array, found a string"),
		BAD_MORE("'annotations':[]", "annotations: expected an object, found an array"),
		BAD_MORE("'annotations':{'a.b':1}",
			 "annotations[\"a.b\"]: expected a string, found a number"),
		BAD_MORE("'hooks':{'prestart':{}}",
			 "hooks.prestart: expected an array, found an object"),
		BAD_LINUX("'resources':{'memory':{'useHierarchy':1}}",
			  "linux.resources.memory.useHierarchy: expected a boolean, found a "
			  "number"),
		BAD_LINUX("'timeOffsets':[]",
			 "linux.timeOffsets: expected an object, found an array"),
		BAD_LINUX("'timeOffsets':{'monotonic':5}",
			  "linux.timeOffsets.monotonic: expected an object, found a number"),
		BAD_LINUX("'sysctl':{'net.x':1}",
			  "linux.sysctl[\"net.x\"]: expected a string, found a number"),
	);
}

Test(spec, whole_document_of_a_wrong_type)
{
	owned_arena a = ARENA_INIT;
	struct spec *s;
	struct err e;

	cr_assert_eq(spec_parse(&a, tree(&a, "[]"), "config.json", SPEC_BUNDLE, &s, &e), -EINVAL);
	cr_assert_str_eq(e.text, "config.json: expected an object, found an array");
}

Test(spec, numbers)
{
	CHECK_ROWS(
		BAD_PROCESS("'user':{'uid':-1}",
			    "process.user.uid: -1 is out of range (0 to 4294967294)"),
		BAD_PROCESS("'user':{'uid':4294967295}",
			    "process.user.uid: 4294967295 is out of range (0 to 4294967294)"),
		BAD_PROCESS("'user':{'gid':99999999999999999999}",
			    "process.user.gid: 99999999999999999999 is out of range "
			    "(0 to 4294967294)"),
		BAD_PROCESS("'user':{'uid':4294967294,'gid':4294967294}", NULL),
		BAD_PROCESS("'user':{'uid':1e3}",
			    "process.user.uid: expected an integer, found 1e3"),
		BAD_PROCESS("'user':{'uid':1.5}",
			    "process.user.uid: expected an integer, found 1.5"),
		BAD_PROCESS("'user':{'additionalGids':[4294967295]}",
			    "process.user.additionalGids[0]: 4294967295 is out of range "
			    "(0 to 4294967294)"),
		BAD_PROCESS("'user':{'umask':4294967295}", NULL),
		BAD_PROCESS("'user':{'umask':4294967296}",
			    "process.user.umask: 4294967296 is out of range (0 to 4294967295)"),
		BAD_PROCESS("'oomScoreAdj':1001",
			    "process.oomScoreAdj: 1001 is out of range (-1000 to 1000)"),
		BAD_PROCESS("'oomScoreAdj':-1000", NULL),
		BAD_PROCESS("'terminal':true,'consoleSize':{'height':65536,'width':1}",
			    "process.consoleSize.height: is out of range (0 to 65535)"),
		BAD_PROCESS("'consoleSize':{'height':65536,'width':1}", NULL),
		BAD_PROCESS("'rlimits':[{'type':'RLIMIT_CORE','soft':0,"
			    "'hard':18446744073709551615}]", NULL),
		BAD_PROCESS("'rlimits':[{'type':'RLIMIT_CORE','soft':0,"
			    "'hard':18446744073709551616}]",
			    "process.rlimits[0].hard: 18446744073709551616 is out of range"),
		BAD_PROCESS("'rlimits':[{'type':'RLIMIT_CORE','soft':-1,'hard':1}]",
			    "process.rlimits[0].soft: -1 is out of range"),
		BAD_MORE("'hooks':{'poststop':[{'path':'/x','timeout':0}]}",
			 "hooks.poststop[0].timeout: 0 is out of range (1 to 2147483647)"),
		BAD_LINUX("'devices':[{'path':'/dev/x','type':'c','major':4096,'minor':0}]",
			  "linux.devices[0].major: 4096 is out of range (0 to 4095)"),
		BAD_LINUX("'devices':[{'path':'/dev/x','type':'c','major':1,'minor':1048576}]",
			  "linux.devices[0].minor: 1048576 is out of range (0 to 1048575)"),
		BAD_RESOURCES("'devices':[{'allow':true,'major':-2}]",
			      "linux.resources.devices[0].major: -2 is out of range "
			      "(-1 to 4294967295)"),
		BAD_RESOURCES("'memory':{'limit':-2}",
			      "linux.resources.memory.limit: -2 is out of range "
			      "(-1 to 9223372036854775807)"),
		BAD_RESOURCES("'memory':{'limit':-1,'swap':-1}", NULL),
		BAD_RESOURCES("'cpu':{'shares':-1}",
			      "linux.resources.cpu.shares: -1 is out of range"),
		BAD_RESOURCES("'cpu':{'idle':2}",
			      "linux.resources.cpu.idle: 2 is out of range (0 to 1)"),
		BAD_RESOURCES("'network':{'classID':4294967296}",
			      "linux.resources.network.classID: 4294967296 is out of range "
			      "(0 to 4294967295)"),
		BAD_SECCOMP(ALLOW ",'syscalls':[{'names':['x'],'action':'SCMP_ACT_ALLOW',"
			    "'args':[{'index':6,'value':0,'op':'SCMP_CMP_EQ'}]}]",
			    "linux.seccomp.syscalls[0].args[0].index: 6 is out of range (0 to 5)"),
	);
}

Test(spec, required_members)
{
	CHECK_ROWS(
		{ { .version = "null" }, "ociVersion: required, but absent" },
		{ { .version = "''" }, "ociVersion: must not be empty" },
		{ { .root = "null" }, "root: required, but absent" },
		{ { .root = "{}" }, "root.path: required, but absent" },
		{ { .root = "{'path':''}" }, "root.path: must not be empty" },
		{ { .process = "null" }, NULL },
		{ { .process = "{'cwd':'/'}" }, "process.args: required, but absent or empty" },
		{ { .process = "{'args':[],'cwd':'/'}" },
		  "process.args: required, but absent or empty" },
		{ { .process = "{'args':['x']}" }, "process.cwd: required, but absent or empty" },
		{ { .linux_ = "null" }, "linux: required, but absent" },
		BAD_PROCESS("'rlimits':[{'soft':1,'hard':1}]",
			    "process.rlimits[0].type: required, but absent"),
		BAD_PROCESS("'rlimits':[{'type':'RLIMIT_AS','hard':1}]",
			    "process.rlimits[0].soft: required, but absent"),
		BAD_PROCESS("'consoleSize':{'width':1},'terminal':true",
			    "process.consoleSize.height: required, but absent"),
		BAD_PROCESS("'consoleSize':{'width':1}", NULL),
		BAD_MORE("'mounts':[{'type':'proc'}]",
			 "mounts[0].destination: required, but absent"),
		BAD_MORE("'hooks':{'prestart':[{}]}",
			 "hooks.prestart[0].path: required, but absent"),
		BAD_LINUX("'uidMappings':[{'containerID':0,'hostID':0}]",
			  "linux.uidMappings[0].size: required, but absent"),
		BAD_LINUX("'devices':[{'type':'c'}]",
			 "linux.devices[0].path: required, but absent"),
		BAD_LINUX("'personality':{}", "linux.personality.domain: required, but absent"),
		BAD_RESOURCES("'devices':[{}]",
			      "linux.resources.devices[0].allow: required, but absent"),
		BAD_SECCOMP("", "linux.seccomp.defaultAction: required, but absent"),
		BAD_SECCOMP(ALLOW ",'syscalls':[{'action':'SCMP_ACT_ALLOW'}]",
			    "linux.seccomp.syscalls[0].names: required, but absent"),
		BAD_SECCOMP(ALLOW ",'syscalls':[{'names':[],'action':'SCMP_ACT_ALLOW'}]",
			    "linux.seccomp.syscalls[0].names: must not be empty"),
	);
}

Test(spec, unknown_names)
{
	CHECK_ROWS(
		{ { .linux_ = "{'namespaces':[{'type':'mnt'}]}" },
		  "linux.namespaces[0].type: unknown value \"mnt\"; known are pid, network, mount, "
		  "ipc, uts, user, cgroup, time" },
		BAD_LINUX("'rootfsPropagation':'sharded'",
			  "linux.rootfsPropagation: unknown value \"sharded\"; known are private, "
			  "rprivate, slave, rslave, shared, rshared, unbindable, runbindable"),
		BAD_LINUX("'devices':[{'path':'/x','type':'d'}]",
			  "linux.devices[0].type: unknown value \"d\"; known are c, u, b, p"),
		BAD_LINUX("'personality':{'domain':'BSD'}",
			  "linux.personality.domain: unknown value \"BSD\"; known are LINUX, "
			  "LINUX32"),
		BAD_LINUX("'timeOffsets':{'realtime':{}}",
			  "linux.timeOffsets.realtime: unknown value \"realtime\"; known are "
			  "monotonic, boottime"),
		BAD_RESOURCES("'devices':[{'allow':true,'type':'\\u001b[1m'}]",
			      "linux.resources.devices[0].type: unknown value \"\\x1b[1m\"; known "
			      "are "
			      "a, c, b"),
		BAD_SECCOMP(ALLOW ",'flags':['']",
			    "linux.seccomp.flags[0]: unknown value \"\"; known are "
			    "SECCOMP_FILTER_FLAG_TSYNC, SECCOMP_FILTER_FLAG_LOG, "
			    "SECCOMP_FILTER_FLAG_SPEC_ALLOW, "
			    "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"),
		BAD_SECCOMP(ALLOW ",'syscalls':[{'names':['x'],'action':'SCMP_ACT_ALLOW',"
			    "'args':[{'index':0,'value':0,'op':'=='}]}]",
			    "linux.seccomp.syscalls[0].args[0].op: unknown value \"==\"; known are "
			    "SCMP_CMP_NE, SCMP_CMP_LT, SCMP_CMP_LE, SCMP_CMP_EQ, SCMP_CMP_GE, "
			    "SCMP_CMP_GT, SCMP_CMP_MASKED_EQ"),
	);
	/* long lists: only their beginning */
	static const struct { const char *member, *error; } rows[] = {
		{ "'architectures':['x86_64']",
		  "config.json: linux.seccomp.architectures[0]: unknown value \"x86_64\"; known" },
		{ "'syscalls':[{'names':['x'],'action':'allow'}]",
		  "config.json: linux.seccomp.syscalls[0].action: unknown value \"allow\"; known" },
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		owned_arena a = ARENA_INIT;
		struct spec *s;
		struct err e;
		const char *linux_ = arena_printf(
			&a, "{'namespaces':[{'type':'mount'}],'seccomp':{" ALLOW ",%s}}",
			rows[i].member);

		cr_expect_eq(parse(&a, &(struct config){ .linux_ = linux_ }, SPEC_BUNDLE, &s, &e),
			     -EINVAL);
		cr_expect(str_has_prefix(e.text, rows[i].error), "row %zu: %s", i, e.text);
	}
}

Test(spec, scheduling)
{
	CHECK_ROWS(
		BAD_SCHEDULER("'nice':5", ".policy: required, but absent"),
		BAD_SCHEDULER("'policy':''", ".policy: must not be empty"),
		BAD_SCHEDULER("'policy':'SCHED_NORMAL'", ".policy: unknown value \"SCHED_NORMAL\"; "
			      "known are SCHED_OTHER, SCHED_FIFO, SCHED_RR, SCHED_BATCH, SCHED_ISO, "
			      "SCHED_IDLE, SCHED_DEADLINE"),
		BAD_SCHEDULER("'policy':'SCHED_ISO'", ".policy: SCHED_ISO is reserved: Linux does "
			      "not have it"),
		BAD_SCHEDULER("'policy':'SCHED_OTHER','flags':['SCHED_FLAG_X']",
			      ".flags[0]: unknown value \"SCHED_FLAG_X\"; known are "
			      "SCHED_FLAG_RESET_ON_FORK, SCHED_FLAG_RECLAIM, SCHED_FLAG_DL_OVERRUN, "
			      "SCHED_FLAG_KEEP_POLICY, SCHED_FLAG_KEEP_PARAMS, "
			      "SCHED_FLAG_UTIL_CLAMP_MIN, SCHED_FLAG_UTIL_CLAMP_MAX"),
		BAD_PROCESS("'scheduler':{'policy':'SCHED_OTHER','nice':-20}", NULL),
		BAD_PROCESS("'scheduler':{'policy':'SCHED_BATCH','nice':19,'priority':0,'period':0}", NULL),
		BAD_SCHEDULER("'policy':'SCHED_OTHER','nice':20",
			      ".nice: must be -20 to 19 for SCHED_OTHER"),
		BAD_SCHEDULER("'policy':'SCHED_BATCH','nice':-21",
			      ".nice: must be -20 to 19 for SCHED_BATCH"),
		BAD_SCHEDULER("'policy':'SCHED_IDLE','nice':2147483648",
			      ".nice: 2147483648 is out of range (-2147483648 to 2147483647)"),
		BAD_PROCESS("'scheduler':{'policy':'SCHED_IDLE','nice':20}", NULL),
		BAD_PROCESS("'scheduler':{'policy':'SCHED_FIFO','priority':1}", NULL),
		BAD_PROCESS("'scheduler':{'policy':'SCHED_RR','priority':99}", NULL),
		BAD_SCHEDULER("'policy':'SCHED_FIFO'", ".priority: must be 1 to 99 for SCHED_FIFO"),
		BAD_SCHEDULER("'policy':'SCHED_RR','priority':0",
			      ".priority: must be 1 to 99 for SCHED_RR"),
		BAD_SCHEDULER("'policy':'SCHED_RR','priority':100",
			      ".priority: 100 is out of range (0 to 99)"),
		BAD_SCHEDULER("'policy':'SCHED_BATCH','priority':1",
			      ".priority: is for SCHED_FIFO and SCHED_RR only"),
		BAD_SCHEDULER("'policy':'SCHED_DEADLINE','priority':1,'runtime':1,'deadline':1",
			      ".priority: is for SCHED_FIFO and SCHED_RR only"),
		BAD_PROCESS("'scheduler':{'policy':'SCHED_DEADLINE','runtime':1,'deadline':2,'period':3}", NULL),
		BAD_PROCESS("'scheduler':{'policy':'SCHED_DEADLINE','runtime':2,'deadline':2}", NULL),
		BAD_SCHEDULER("'policy':'SCHED_DEADLINE','deadline':2", DEADLINE),
		BAD_SCHEDULER("'policy':'SCHED_DEADLINE','runtime':2", DEADLINE),
		BAD_SCHEDULER("'policy':'SCHED_DEADLINE','runtime':3,'deadline':2", DEADLINE),
		BAD_SCHEDULER("'policy':'SCHED_DEADLINE','runtime':1,'deadline':3,'period':2",
			      DEADLINE),
		BAD_SCHEDULER("'policy':'SCHED_OTHER','runtime':1",
			      ".runtime: is for SCHED_DEADLINE only"),
		BAD_SCHEDULER("'policy':'SCHED_FIFO','priority':1,'deadline':1",
			      ".deadline: is for SCHED_DEADLINE only"),
		BAD_SCHEDULER("'policy':'SCHED_IDLE','period':1",
			      ".period: is for SCHED_DEADLINE only"),
		BAD_PROCESS("'ioPriority':{'class':'IOPRIO_CLASS_IDLE'}", NULL),
		BAD_PROCESS("'ioPriority':{'class':'IOPRIO_CLASS_RT','priority':7}", NULL),
		BAD_PROCESS("'ioPriority':{'priority':7}",
			    "process.ioPriority.class: required, but absent"),
		BAD_PROCESS("'ioPriority':{'class':'IOPRIO_CLASS_NONE'}",
			    "process.ioPriority.class: unknown value \"IOPRIO_CLASS_NONE\"; known "
			    "are IOPRIO_CLASS_RT, IOPRIO_CLASS_BE, IOPRIO_CLASS_IDLE"),
		BAD_PROCESS("'ioPriority':{'class':'IOPRIO_CLASS_BE','priority':8}",
			    "process.ioPriority.priority: 8 is out of range (0 to 7)"),
		BAD_PROCESS("'execCPUAffinity':{'initial':'0-3, 7','final':''}", NULL),
		BAD_PROCESS("'execCPUAffinity':{'initial':'x'}",
			    "process.execCPUAffinity.initial: not a list of numbers and ranges such "
			    "as 0-3,7"),
		BAD_PROCESS("'execCPUAffinity':{'initial':'0','final':'3-1'}",
			    "process.execCPUAffinity.final: not a list of numbers and ranges such "
			    "as 0-3,7"),
		BAD_PROCESS("'execCPUAffinity':{'final':', ,'}",
			    "process.execCPUAffinity.final: not a list of numbers and ranges such "
			    "as 0-3,7"),
		BAD_PROCESS("'execCPUAffinity':{'final':'0-8192'}",
			    "process.execCPUAffinity.final: names a processor beyond 8191"),
	);
}

Test(spec, absent_and_unknown_members)
{
	CHECK_ROWS(
		BAD_MORE("'x':1,'io.example':{'a':[]}", NULL),
		BAD_PROCESS("'x':{}", NULL),
		/* null is absent, whatever the type */
		BAD_MORE("'hooks':null,'mounts':null,'annotations':null,'hostname':null,"
			 "'windows':null", NULL),
		/* what other platforms are told */
		BAD_MORE("'windows':{},'solaris':{},'vm':{},'zos':{},'freebsd':{}", NULL),
		BAD_PROCESS("'user':null,'capabilities':null,'rlimits':null,'oomScoreAdj':null,"
			    "'terminal':null,'scheduler':null", NULL),
		/* and so is an empty string */
		BAD_MORE("'hostname':''", NULL),
		BAD_LINUX("'rootfsPropagation':'','mountLabel':''", NULL),
	);
}

Test(spec, versions)
{
	CHECK_ROWS(
		{ { .version = "'1.0.0'" }, NULL },
		{ { .version = "'1.0.2-dev'" }, NULL },
		{ { .version = "'1.2.1'" }, NULL },
		{ { .version = "'1.3.0'" }, NULL },
		{ { .version = "'1.17.0-rc.1+x'" }, NULL },
		{ { .version = "'0.5.0-dev'" }, NULL },
		{ { .version = "'1.0.0-rc5'" }, NULL },
		{ { .version = "'2.0.0'" }, "ociVersion: not a version 0.x or 1.x" },
		{ { .version = "'10.0.0'" }, "ociVersion: not a version 0.x or 1.x" },
		{ { .version = "'1'" }, "ociVersion: not a version 0.x or 1.x" },
		{ { .version = "'1.'" }, "ociVersion: not a version 0.x or 1.x" },
		{ { .version = "'1.x'" }, "ociVersion: not a version 0.x or 1.x" },
		{ { .version = "'1.0.0 '" }, "ociVersion: not a version 0.x or 1.x" },
		{ { .version = "'v1.0.0'" }, "ociVersion: not a version 0.x or 1.x" },
	);
}

Test(spec, process)
{
	CHECK_ROWS(
		{ { .process = "{'args':['x'],'cwd':'tmp'}" },
		  "process.cwd: not an absolute path" },
		/* no word of the entry: it may be a credential */
		BAD_PROCESS("'env':['A=1','SECRET']",
			    "process.env[1]: not of the form NAME=VALUE"),
		BAD_PROCESS("'env':['=SECRET']", "process.env[0]: not of the form NAME=VALUE"),
		BAD_PROCESS("'env':['']", "process.env[0]: not of the form NAME=VALUE"),
		BAD_PROCESS("'env':['A=','A=b=c']", NULL),
		BAD_PROCESS("'rlimits':[{'type':'RLIMIT_CPU','soft':1,'hard':1},"
			    "{'type':'RLIMIT_AS','soft':1,'hard':1},"
			    "{'type':'RLIMIT_CPU','soft':2,'hard':2}]",
			    "process.rlimits[2]: RLIMIT_CPU stands twice"),
		BAD_PROCESS("'rlimits':[{'type':'RLIMIT_CPU','soft':2,'hard':1}]",
			    "process.rlimits[0]: the soft limit is above the hard one"),
	);
}

Test(spec, mounts_and_hooks)
{
	CHECK_ROWS(
		BAD_MORE("'mounts':[{'destination':'/x','uidMappings':"
			 "[{'containerID':0,'hostID':0,'size':1}]}]",
			 "mounts[0]: uidMappings and gidMappings need each other"),
		BAD_MORE("'hooks':{'prestart':[{'path':'a'}]}",
			 "hooks.prestart[0].path: not an absolute path"),
		BAD_MORE("'hooks':{'createRuntime':[{'path':'/a'},{'path':'a'}]}",
			 "hooks.createRuntime[1].path: not an absolute path"),
		BAD_MORE("'hooks':{'createContainer':[{'path':'a'}]}",
			 "hooks.createContainer[0].path: not an absolute path"),
		BAD_MORE("'hooks':{'startContainer':[{'path':'a'}]}",
			 "hooks.startContainer[0].path: not an absolute path"),
		BAD_MORE("'hooks':{'poststart':[{'path':'a'}]}",
			 "hooks.poststart[0].path: not an absolute path"),
		BAD_MORE("'hooks':{'poststop':[{'path':'a'}]}",
			 "hooks.poststop[0].path: not an absolute path"),
		BAD_MORE("'annotations':{'':'x'}", NULL),
	);
}

Test(spec, namespaces)
{
#define NAMESPACES(list) { .linux_ = "{'namespaces':[{'type':'mount'}" list "]}" }
#define MAP(first, last, size)                                                                     \
	"[{'containerID':" #first ",'hostID':" #last ",'size':" #size "}]"
	CHECK_ROWS(
		{ NAMESPACES(",{'type':'pid'},{'type':'mount'}"),
		  "linux.namespaces[2]: the type mount stands twice" },
		{ NAMESPACES(",{'type':'network','path':'ns/net'}"),
		  "linux.namespaces[1].path: not an absolute path" },
		{ NAMESPACES(",{'type':'network','path':'/ns/net'}"), NULL },
		{ NAMESPACES(",{'type':'network','path':''}"), NULL },
		BAD_LINUX("'uidMappings':" MAP(0, 0, 1), NULL),
		BAD_LINUX("'gidMappings':" MAP(0, 0, 1), NULL),
		{ NAMESPACES(",{'type':'user'}"),
		  "linux.uidMappings: required for a new user namespace" },
		{ NAMESPACES(",{'type':'user'}],'uidMappings':" MAP(0, 0, 1) ",'x':["),
		  "linux.gidMappings: required for a new user namespace" },
		{ NAMESPACES(",{'type':'user','path':'/x'}"), NULL },
		{ NAMESPACES(",{'type':'user'}],'gidMappings':" MAP(0, 100000, 65536)
			     ",'uidMappings':" MAP(0, 0, 4294967295) ",'x':["), NULL },
		{ NAMESPACES(",{'type':'user'}],'gidMappings':" MAP(0, 1, 4294967295)
			     ",'uidMappings':" MAP(0, 0, 1) ",'x':["),
		  "linux.gidMappings[0]: the range goes beyond the last id" },
		{ NAMESPACES(",{'type':'user'}],'gidMappings':" MAP(1, 0, 4294967295)
			     ",'uidMappings':" MAP(0, 0, 1) ",'x':["),
		  "linux.gidMappings[0]: the range goes beyond the last id" },
		{ NAMESPACES(",{'type':'user'}],'gidMappings':" MAP(0, 0, 0)
			     ",'uidMappings':" MAP(0, 0, 1) ",'x':["),
		  "linux.gidMappings[0].size: 0 is out of range (1 to 4294967295)" },
		{ NAMESPACES(",{'type':'user'}],'gidMappings':" MAP(0, 0, 1) ",'uidMappings':["
			     "{'containerID':0,'hostID':10,'size':10},"
			     "{'containerID':9,'hostID':20,'size':1}],'x':["),
		  "linux.uidMappings[1]: overlaps with the range [0]" },
		{ NAMESPACES(",{'type':'user'}],'gidMappings':" MAP(0, 0, 1) ",'uidMappings':["
			     "{'containerID':0,'hostID':10,'size':10},"
			     "{'containerID':10,'hostID':0,'size':11}],'x':["),
		  "linux.uidMappings[1]: overlaps with the range [0]" },
		{ NAMESPACES(",{'type':'user'}],'gidMappings':" MAP(0, 0, 1) ",'uidMappings':["
			     "{'containerID':0,'hostID':10,'size':10},"
			     "{'containerID':10,'hostID':0,'size':10}],'x':["), NULL },
		BAD_MORE("'hostname':'x'", "hostname: needs a uts namespace"),
		BAD_MORE("'domainname':'x'", "domainname: needs a uts namespace"),
		{ { .linux_ = "{'namespaces':[{'type':'mount'},{'type':'uts'}]}",
		    .more = "'hostname':'x','domainname':'y'" }, NULL },
		{ { .linux_ = "{'namespaces':[{'type':'mount'},{'type':'uts'}]}",
		    .more = "'hostname':'1234567890123456789012345678901234567890"
			    "1234567890123456789012345'" },
		  "hostname: longer than 64 bytes" },
		BAD_LINUX("'timeOffsets':{'monotonic':{'secs':5}}",
			  "linux.timeOffsets: needs a time namespace"),
		{ NAMESPACES(",{'type':'time','path':'/x'}],'timeOffsets':{'boottime':{}},'x':["),
		  "linux.timeOffsets: the offsets of a time namespace that exists are fixed" },
		{ NAMESPACES(",{'type':'time'}],'timeOffsets':{'boottime':{'secs':-5}},'x':["),
		  NULL },
		{ NAMESPACES(",{'type':'time'}],'timeOffsets':{'boottime':{'nanosecs':1000000000}},"
			     "'x':["),
		  "linux.timeOffsets.boottime.nanosecs: 1000000000 is out of range "
		  "(0 to 999999999)" },
	);
}

Test(spec, intel_rdt)
{
#define RDT(members, text) BAD_LINUX("'intelRdt':{" members "}", text)
	CHECK_ROWS(
		RDT("", NULL),
		RDT("'closID':'gold','l3CacheSchema':'L3:0=f','memBwSchema':'MB:0=20'", NULL),
		RDT("'closID':'/','enableMonitoring':true", NULL),
		RDT("'closID':'..'", "linux.intelRdt.closID: not the name of a class of service"),
		RDT("'closID':'a/b'", "linux.intelRdt.closID: not the name of a class of service"),
		RDT("'closID':'/a'", "linux.intelRdt.closID: not the name of a class of service"),
		RDT("'l3CacheSchema':'L3:0=f\\nMB:0=20'", NULL),
		RDT("'memBwSchema':'L3:0=f'",
		    "linux.intelRdt.memBwSchema: not one line that begins with MB:"),
		RDT("'memBwSchema':'MB:0=20\\nL3:0=f'",
		    "linux.intelRdt.memBwSchema: not one line that begins with MB:"),
		RDT("'schemata':['L2:0=f','L3:0=f\\nMB:0=1']",
		    "linux.intelRdt.schemata[1]: not one line"),
		RDT("'schemata':['']", "linux.intelRdt.schemata[0]: not one line"),
	);
}

Test(spec, memory_policy)
{
#define MEMORY(mode, more, text)                                                                   \
	BAD_LINUX("'memoryPolicy':{'mode':'MPOL_" mode "'" more "}", text)
	CHECK_ROWS(
		BAD_LINUX("'memoryPolicy':{}", "linux.memoryPolicy.mode: required, but absent"),
		MEMORY("X", "", "linux.memoryPolicy.mode: unknown value \"MPOL_X\"; known are "
		       "MPOL_DEFAULT, MPOL_PREFERRED, MPOL_BIND, MPOL_INTERLEAVE, MPOL_LOCAL, "
		       "MPOL_PREFERRED_MANY, MPOL_WEIGHTED_INTERLEAVE"),
		MEMORY("BIND", ",'nodes':'0','flags':['MPOL_F_X']",
		       "linux.memoryPolicy.flags[0]: unknown value \"MPOL_F_X\"; known are "
		       "MPOL_F_NUMA_BALANCING, MPOL_F_RELATIVE_NODES, MPOL_F_STATIC_NODES"),
		MEMORY("DEFAULT", ",'nodes':''", NULL),
		MEMORY("DEFAULT", ",'nodes':'0'",
		       "linux.memoryPolicy.nodes: MPOL_DEFAULT takes none"),
		MEMORY("LOCAL", ",'nodes':'0'", "linux.memoryPolicy.nodes: MPOL_LOCAL takes none"),
		MEMORY("PREFERRED", "", NULL),
		MEMORY("PREFERRED", ",'nodes':'1'", NULL),
		MEMORY("BIND", "", "linux.memoryPolicy.nodes: MPOL_BIND needs some"),
		MEMORY("INTERLEAVE", ",'nodes':' '",
		       "linux.memoryPolicy.nodes: not a list of numbers and ranges such as 0-3,7"),
		MEMORY("PREFERRED_MANY", "",
		       "linux.memoryPolicy.nodes: MPOL_PREFERRED_MANY needs some"),
		MEMORY("WEIGHTED_INTERLEAVE", "",
		       "linux.memoryPolicy.nodes: MPOL_WEIGHTED_INTERLEAVE needs some"),
		MEMORY("BIND", ",'nodes':'0-3,1023'", NULL),
		MEMORY("BIND", ",'nodes':'1024'",
		       "linux.memoryPolicy.nodes: names a node beyond 1023"),
		MEMORY("BIND", ",'nodes':'0,4294967296'",
		       "linux.memoryPolicy.nodes: names a node beyond 1023"),
		MEMORY("BIND", ",'nodes':'3-1'", "linux.memoryPolicy.nodes: not a list of numbers "
		       "and ranges such as 0-3,7"),
		MEMORY("BIND", ",'nodes':'all'", "linux.memoryPolicy.nodes: not a list of numbers "
		       "and ranges such as 0-3,7"),
		MEMORY("BIND", ",'nodes':'0','flags':['MPOL_F_STATIC_NODES','MPOL_F_NUMA_BALANCING']",
		       NULL),
		MEMORY("BIND", ",'nodes':'0','flags':['MPOL_F_STATIC_NODES','MPOL_F_RELATIVE_NODES']",
		       "linux.memoryPolicy.flags: MPOL_F_STATIC_NODES and MPOL_F_RELATIVE_NODES "
		       "exclude each other"),
	);
}

Test(spec, net_devices)
{
#define DEVICES(list)                                                                              \
	{ .linux_ = "{'namespaces':[{'type':'mount'},{'type':'network'}],"                         \
		    "'netDevices':{" list "}}" }
	CHECK_ROWS(
		BAD_LINUX("'netDevices':{}", NULL),
		BAD_LINUX("'netDevices':{'eth0':{}}",
			  "linux.netDevices: needs a network namespace"),
		{ { .linux_ = "{'namespaces':[{'type':'mount'},{'type':'network','path':'/n'}],"
			      "'netDevices':{'eth0':{}}}" }, NULL },
		{ DEVICES("'eth0':{'name':''},'eth0.5@x':{'name':'eth0.5'}"), NULL },
		{ DEVICES("'eth0':{'name':'123456789012345'},'a':{'name':'n%dx'},'b':{'name':'n%dx'}"),
		  NULL },
		{ DEVICES("'eth0':{'name':'1234567890123456'}"),
		  "linux.netDevices.eth0.name: not the name of an interface" },
		{ DEVICES("'a b':{}"), "linux.netDevices[\"a b\"]: not the name of an interface" },
		{ DEVICES("'eth%d':{}"), "linux.netDevices[\"eth%d\"]: not the name of an interface" },
		{ DEVICES("'e':{'name':'a:1'}"),
		  "linux.netDevices.e.name: not the name of an interface" },
		{ DEVICES("'e':{'name':'..'}"),
		  "linux.netDevices.e.name: not the name of an interface" },
		{ DEVICES("'e':{'name':'a%s'}"),
		  "linux.netDevices.e.name: not the name of an interface" },
		{ DEVICES("'e':{'name':'a%d%d'}"),
		  "linux.netDevices.e.name: not the name of an interface" },
		{ DEVICES("'a':{'name':'b'},'b':{}"),
		  "linux.netDevices.b: a has the same name in the container" },
		{ DEVICES("'a':{'name':'b'},'b':{'name':'a'}"), NULL },
	);
}

Test(spec, sysctl)
{
#define SYSCTL(namespace, key)                                                                     \
	{ .linux_ = "{'namespaces':[{'type':'mount'},{'type':'" namespace "'}],"                   \
		    "'sysctl':{'" key "':'1'}}" }
	CHECK_ROWS(
		{ SYSCTL("network", "net.ipv4.ip_forward"), NULL },
		{ SYSCTL("network", "net/ipv4/ip_forward"), NULL },
		{ SYSCTL("network", "net/ipv4/conf/eth0.1/forwarding"), NULL },
		{ SYSCTL("network", "net.ipv4.conf.eth0/1.forwarding"), NULL },
		{ SYSCTL("ipc", "kernel.shmmax"), NULL },
		{ SYSCTL("ipc", "kernel.sem"), NULL },
		{ SYSCTL("ipc", "kernel.msgmni"), NULL },
		{ SYSCTL("ipc", "kernel.shm_rmid_forced"), NULL },
		{ SYSCTL("ipc", "fs.mqueue.msg_max"), NULL },
		{ SYSCTL("uts", "kernel.domainname"), NULL },
		{ SYSCTL("ipc", "net.ipv4.ip_forward"),
		  "linux.sysctl[\"net.ipv4.ip_forward\"]: needs a namespace of type network" },
		{ SYSCTL("network", "kernel.shmmax"),
		  "linux.sysctl[\"kernel.shmmax\"]: needs a namespace of type ipc" },
		{ SYSCTL("network", "fs.mqueue.msg_max"),
		  "linux.sysctl[\"fs.mqueue.msg_max\"]: needs a namespace of type ipc" },
		{ SYSCTL("ipc", "kernel.domainname"),
		  "linux.sysctl[\"kernel.domainname\"]: needs a namespace of type uts" },
		{ SYSCTL("uts", "kernel.hostname"),
		  "linux.sysctl[\"kernel.hostname\"]: is set by the member hostname" },
		{ SYSCTL("network", "kernel.core_pattern"),
		  "linux.sysctl[\"kernel.core_pattern\"]: not of a namespace: it would change the "
		  "host" },
		{ SYSCTL("network", "vm.swappiness"),
		  "linux.sysctl[\"vm.swappiness\"]: not of a namespace: it would change the host" },
		{ SYSCTL("network", "net"),
		  "linux.sysctl.net: not of a namespace: it would change the host" },
		{ SYSCTL("ipc", "kernel.shmmaxx"),
		  "linux.sysctl[\"kernel.shmmaxx\"]: not of a namespace: it would "
		  "change the host" },
		/* ways out of /proc/sys/net */
		{ SYSCTL("network", "net/../kernel/core_pattern"),
		  "linux.sysctl[\"net.//.kernel.core_pattern\"]: not the name of a sysctl" },
		{ SYSCTL("network", "net.//.kernel.core_pattern"),
		  "linux.sysctl[\"net.//.kernel.core_pattern\"]: not the name of a sysctl" },
		{ SYSCTL("network", "net.ipv4..x"),
		  "linux.sysctl[\"net.ipv4..x\"]: not the name of a sysctl" },
		{ SYSCTL("network", "net.ipv4."),
		  "linux.sysctl[\"net.ipv4.\"]: not the name of a sysctl" },
		{ SYSCTL("network", "net./"), "linux.sysctl[\"net./\"]: not the name of a sysctl" },
		{ SYSCTL("network", ".net"), "linux.sysctl[\".net\"]: not the name of a sysctl" },
		{ SYSCTL("network", "/net"), "linux.sysctl[\".net\"]: not the name of a sysctl" },
	);
}

Test(spec, linux_block)
{
	CHECK_ROWS(
		BAD_LINUX("'maskedPaths':['/a','b']", "linux.maskedPaths[1]: not an absolute path"),
		{ { .linux_ = "{}" }, NULL },
		{ { .linux_ = "{'maskedPaths':['/a']}" },
		  "linux.maskedPaths: needs a mount namespace" },
		{ { .linux_ = "{'readonlyPaths':['/a']}" },
		  "linux.readonlyPaths: needs a mount namespace" },
		BAD_LINUX("'readonlyPaths':['b']", "linux.readonlyPaths[0]: not an absolute path"),
		BAD_LINUX("'devices':[{'path':'dev/x','type':'p'}]",
			  "linux.devices[0].path: not an absolute path"),
		BAD_LINUX("'personality':{'domain':'LINUX','flags':['x']}",
			  "linux.personality.flags: the specification knows no flag"),
		BAD_RESOURCES("'devices':[{'allow':true,'access':'rx'}]",
			      "linux.resources.devices[0].access: may contain r, w and m only"),
		BAD_RESOURCES("'cpu':{'cpus':'0-3,5'}", NULL),
		BAD_RESOURCES("'cpu':{'cpus':'../x'}",
			      "linux.resources.cpu.cpus: not a list of numbers and ranges"),
		BAD_RESOURCES("'cpu':{'mems':'all'}",
			      "linux.resources.cpu.mems: not a list of numbers and ranges"),
		BAD_RESOURCES("'hugepageLimits':[{'pageSize':'2MB','limit':1},"
			      "{'pageSize':'1GB','limit':1},{'pageSize':'64KB','limit':1}]", NULL),
		BAD_RESOURCES("'hugepageLimits':[{'pageSize':'../x','limit':1}]",
			      "linux.resources.hugepageLimits[0].pageSize: not a size such as 2MB"),
		BAD_RESOURCES("'hugepageLimits':[{'pageSize':'2','limit':1}]",
			      "linux.resources.hugepageLimits[0].pageSize: not a size such as 2MB"),
		BAD_RESOURCES("'network':{'priorities':[{'name':'a b','priority':1}]}",
			      "linux.resources.network.priorities[0]: not the name of an "
			      "interface"),
		BAD_RESOURCES("'rdma':{'mlx5_1':{'hcaHandles':3}}", NULL),
		BAD_RESOURCES("'rdma':{'':{}}", "linux.resources.rdma[\"\"]: the key is empty"),
		BAD_RESOURCES("'rdma':{'a b':{}}",
			      "linux.resources.rdma[\"a b\"]: not the name of a device"),
		BAD_RESOURCES("'unified':{'memory.high':'5'}", NULL),
		BAD_RESOURCES("'unified':{'../x.y':'5'}",
			      "linux.resources.unified[\"../x.y\"]: not of the form "
			      "CONTROLLER.FILE"),
		BAD_RESOURCES("'unified':{'..':'5'}",
			      "linux.resources.unified[\"..\"]: not of the form CONTROLLER.FILE"),
		BAD_RESOURCES("'unified':{'memory':'5'}",
			      "linux.resources.unified.memory: not of the form CONTROLLER.FILE"),
		BAD_SECCOMP(ALLOW ",'listenerMetadata':'x'",
			    "linux.seccomp.listenerMetadata: needs a listenerPath"),
		BAD_SECCOMP(ALLOW ",'listenerPath':'/x','listenerMetadata':'x'", NULL),
		BAD_SECCOMP(ALLOW ",'listenerPath':'x'",
			    "linux.seccomp.listenerPath: not an absolute path"),
		BAD_SECCOMP(ALLOW ",'listenerPath':'/x','syscalls':[" NOTIFY("x") "]", NULL),
		BAD_SECCOMP(ALLOW ",'syscalls':[" NOTIFY("x") "]",
			    "linux.seccomp.listenerPath: required for SCMP_ACT_NOTIFY, but absent"),
		BAD_SECCOMP("'defaultAction':'SCMP_ACT_NOTIFY','listenerPath':'/x'",
			    "linux.seccomp.defaultAction: SCMP_ACT_NOTIFY cannot be used as default "
			    "action: it includes write"),
		BAD_SECCOMP(ALLOW ",'listenerPath':'/x','syscalls':[" NOTIFY("x','write") "]",
			    "linux.seccomp.syscalls[0].names: SCMP_ACT_NOTIFY cannot be used for the "
			    "write syscall"),
		BAD_SECCOMP(ALLOW ",'defaultErrnoRet':1",
			    "linux.seccomp.defaultAction: SCMP_ACT_ALLOW takes no errno"),
		BAD_SECCOMP("'defaultAction':'SCMP_ACT_ERRNO','defaultErrnoRet':38", NULL),
		BAD_SECCOMP(ALLOW ",'syscalls':[{'names':['x'],'action':'SCMP_ACT_KILL',"
			    "'errnoRet':1}]",
			    "linux.seccomp.syscalls[0].action: SCMP_ACT_KILL takes no errno"),
	);
}

Test(spec, too_many)
{
	owned_arena a = ARENA_INIT;
	owned_str text = STR_INIT;
	struct spec *s = spec_default(&a, true);
	struct spec_process *p;
	struct err e;

	str_puts(&text, "{'args':['x'],'cwd':'/','user':{'additionalGids':[0");
	for (int i = 0; i < 65536; i++)
		str_puts(&text, ",1");
	str_puts(&text, "]}}");
	cr_expect_lt(spec_parse_process(&a, tree(&a, text.s), "p", &p, &e), 0);
	cr_expect_str_eq(e.text, "p: user.additionalGids: more than 65536 groups");

	s->linux_->uid_mappings.v = arena_array(&a, struct spec_id_mapping, 341);
	for (int64_t i = 0; i < 341; i++)
		s->linux_->uid_mappings.v[i] = (struct spec_id_mapping){ i, i, 1 };
	s->linux_->uid_mappings.n = 340;
	cr_expect_eq(spec_check(s, "f", &e), 0, "%s", e.text);
	s->linux_->uid_mappings.n = 341;
	cr_expect_lt(spec_check(s, "f", &e), 0);
	cr_expect_str_eq(e.text, "f: linux.uidMappings: more than 340 ranges");
}

/* The block that agentrun writes: from a bundle it would switch off what the host decides. */
Test(spec, agent_block_of_a_bundle)
{
	static const struct config with_agent = { .more = "'agent':{'egress':'open'}" },
				   with_null = { .more = "'agent':null" };
	owned_arena a = ARENA_INIT;
	struct spec *s = NULL;
	struct err e;

	cr_expect_eq(parse(&a, &with_agent, SPEC_BUNDLE, &s, &e), -EPERM);
	cr_expect(str_has_prefix(e.text, "config.json: agent: "), "%s", e.text);
	cr_expect_eq(parse(&a, &with_null, SPEC_BUNDLE, &s, &e), -EPERM);
	cr_expect_null(s);
	cr_assert_eq(parse(&a, &with_agent, SPEC_STATE, &s, &e), 0, "%s", e.text);
	cr_assert_not_null(s->agent);
	cr_expect_str_eq(s->agent->egress, "open");
}
