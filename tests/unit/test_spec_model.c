/* SPDX-License-Identifier: Apache-2.0 */
/* spec: what a configuration becomes; that nothing is lost between reading and writing. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "spec_texts.h"

Test(spec_model, destinations_are_clean)
{
	static const struct { const char *destination, *clean; } rows[] = {
		{ "/a/b", "/a/b" }, { "a", "/a" }, { "/", "/" }, { "///", "/" }, { ".", "/" },
		{ "..", "/" }, { "/../../etc", "/etc" }, { "/a/../b", "/b" }, { "/a/./b/", "/a/b" },
		{ "//a//b", "/a/b" }, { "/a/b/../../..", "/" }, { "/...", "/..." },
		{ "/.a", "/.a" },
		{ "a/..b/c..", "/a/..b/c.." },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		owned_arena a = ARENA_INIT;
		struct spec *s;
		struct err e;
		const char *more = arena_printf(&a, "'mounts':[{'destination':'%s'}]",
						rows[i].destination);

		cr_assert_eq(parse(&a, &(struct config){ .more = more }, SPEC_BUNDLE, &s, &e), 0,
			     "%s", e.text);
		cr_expect_str_eq(s->mounts.v[0].destination, rows[i].clean, "row %zu: %s", i,
				 s->mounts.v[0].destination);
		cr_expect_eq(s->mounts.v[0].source_fd, -1);
	}
}

Test(spec_model, swappiness_of_minus_one_is_unset)
{
	owned_arena a = ARENA_INIT;
	struct spec_resources *r;
	struct err e;

	cr_assert_eq(spec_parse_resources(
			     &a, tree(&a, "{'memory':{'swappiness':18446744073709551615}}"), "-",
			     &r, &e), 0);
	cr_expect_not(r->memory->swappiness.set);
	cr_assert_eq(spec_parse_resources(&a, tree(&a, "{'memory':{'swappiness':0}}"), "-", &r, &e),
		     0);
	cr_expect(r->memory->swappiness.set);
}

Test(spec_model, sysctl_keys_get_dots)
{
	owned_arena a = ARENA_INIT;
	struct spec *s;
	struct err e;

	cr_assert_eq(parse(&a, &(struct config){ .linux_ =
		"{'namespaces':[{'type':'mount'},{'type':'network'}],'sysctl':{"
		"'net/ipv4/conf/eth0.1/x':'1','net.ipv4.conf.eth0/2.x':'2'}}" },
		SPEC_BUNDLE, &s, &e), 0, "%s", e.text);
	cr_expect_str_eq(s->linux_->sysctl.v[0].key, "net.ipv4.conf.eth0/1.x");
	cr_expect_str_eq(s->linux_->sysctl.v[1].key, "net.ipv4.conf.eth0/2.x");
}

Test(spec_model, unit_properties)
{
#define REFUSED(code_, value_, why) \
	{ .value = value_, .code = -(code_), .text = "annotations[\"org.systemd.property.P\"]: " why }
	static const struct {
		const char *value;
		int code;
		const char *text;	/* of the property or of the error */
		enum spec_property_type type;
		uint64_t number;
		const char *texts[3];
	} rows[] = {
		{ .value = "true", .type = PROPERTY_BOOL, .number = 1 },
		{ .value = "false", .type = PROPERTY_BOOL },
		{ .value = "15", .type = PROPERTY_I32, .number = 15 },
		{ .value = "-0x10", .type = PROPERTY_I32, .number = (uint64_t)-16 },
		{ .value = "int32 -2147483648", .type = PROPERTY_I32, .number = (uint64_t)INT32_MIN },
		{ .value = "uint32 4294967295", .type = PROPERTY_U32, .number = UINT32_MAX },
		{ .value = "int64 -9223372036854775808", .type = PROPERTY_I64,
		  .number = (uint64_t)INT64_MIN },
		{ .value = "uint64  18446744073709551615", .type = PROPERTY_U64,
		  .number = UINT64_MAX },
		{ .value = "'a \"b'", .type = PROPERTY_TEXT, .text = "a \"b" },
		{ .value = "\"\"", .type = PROPERTY_TEXT, .text = "" },
		{ .value = "['a']", .type = PROPERTY_TEXTS, .texts = { "a" } },
		{ .value = "[ 'a, b' ,\"]\"]", .type = PROPERTY_TEXTS, .texts = { "a, b", "]" } },
		REFUSED(ERANGE, "2147483648", "2147483648 is out of its type's range"),
		REFUSED(ERANGE, "int32 -2147483649", "int32 -2147483649 is out of"),
		REFUSED(ERANGE, "uint32 -1", "uint32 -1 is out of"),
		REFUSED(ERANGE, "uint32 4294967296", "uint32 4294967296 is out of"),
		REFUSED(ERANGE, "int64 9223372036854775808", "int64 9223372036854775808 is out of"),
		REFUSED(ERANGE, "uint64 -1", "uint64 -1 is out of"),
		REFUSED(ERANGE, "uint64 18446744073709551616", "uint64 18446744073709551616 is out"),
		REFUSED(ENOTSUP, "", " is not of a supported type"),
		REFUSED(ENOTSUP, "uint64 ", "uint64  is not of"),
		REFUSED(ENOTSUP, "uint64 \t-1", "uint64 \\x09-1 is not of"),
		REFUSED(ENOTSUP, "5s", "5s is not of"),
		REFUSED(ENOTSUP, "5.5", "5.5 is not of"),
		REFUSED(ENOTSUP, "byte 5", "byte 5 is not of"),
		REFUSED(ENOTSUP, "True", "True is not of"),
		REFUSED(ENOTSUP, "[]", "[] is not of"),
		REFUSED(ENOTSUP, "['a',]", "['a',] is not of"),
		REFUSED(ENOTSUP, "['a' 'b']", "['a' 'b'] is not of"),
		REFUSED(ENOTSUP, "['a", "['a is not of"),
		REFUSED(ENOTSUP, "['a'", "['a' is not of"),
		REFUSED(ENOTSUP, "['a'] ", "['a']  is not of"),
		REFUSED(ENOTSUP, "['a', 5]", "['a', 5] is not of"),
		REFUSED(ENOTSUP, "'", "' is not of"),
		REFUSED(ENOTSUP, "'a\"", "'a\\x22 is not of"),
		REFUSED(ENOTSUP, "'a'b'", "'a'b' is not of"),
		REFUSED(ENOTSUP, "'a\\n'", "'a\\x5cn' is not of"),
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		owned_arena a = ARENA_INIT;
		struct spec s = { 0 };
		spec_properties got = { 0 };
		struct err e = { 0 };

		kvs_add(&a, &s.annotations, "org.systemd.propertyX", "[]");
		kvs_add(&a, &s.annotations, "org.systemd.property.P", rows[i].value);
		cr_assert_eq(spec_unit_properties(&a, &s, &got, &e), rows[i].code, "%s: %s",
			     rows[i].value, e.text);
		if (rows[i].code < 0) {
			cr_expect(str_has_prefix(e.text, rows[i].text), "%s", e.text);
			cr_expect_eq(got.n, 0);
			continue;
		}
		cr_assert_eq(got.n, 1);
		cr_expect_str_eq(got.v[0].name, "P");
		cr_expect_eq(got.v[0].type, rows[i].type, "%s", rows[i].value);
		cr_expect_eq(got.v[0].number, rows[i].number, "%s", rows[i].value);
		cr_expect(str_equal(got.v[0].text, rows[i].text), "%s", rows[i].value);
		for (size_t k = 0; k < COUNT(rows[i].texts); k++)
			cr_expect(str_equal(k < got.v[0].texts.n ? got.v[0].texts.v[k] : NULL,
					    rows[i].texts[k]), "%s", rows[i].value);
	}
}

Test(spec_model, unit_properties_in_seconds)
{
	static const struct {
		const char *name, *value, *want;
		enum spec_property_type type;
		uint64_t number;
		int code;
	} rows[] = {
		{ "StopSec", "7", "StopUSec", PROPERTY_U64, 7000000, 0 },
		{ "StopSec", "uint64 7", "StopUSec", PROPERTY_U64, 7000000, 0 },
		{ "StopUSec", "7", "StopUSec", PROPERTY_I32, 7, 0 },
		{ "Sec", "7", "Sec", PROPERTY_I32, 7, 0 },
		{ "StopSec", "'infinity'", "StopSec", PROPERTY_TEXT, 0, 0 },
		{ "StopSec", "true", "StopSec", PROPERTY_BOOL, 1, 0 },
		{ "StopSec", "-1", NULL, 0, 0, -ERANGE },
		{ "StopSec", "int64 9223372036855", NULL, 0, 0, -ERANGE },
		{ "StopSec", "uint64 18446744073710", NULL, 0, 0, -ERANGE },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		owned_arena a = ARENA_INIT;
		struct spec s = { 0 };
		spec_properties got = { 0 };
		struct err e = { 0 };

		kvs_add(&a, &s.annotations, arena_printf(&a, "org.systemd.property.%s", rows[i].name),
			rows[i].value);
		cr_assert_eq(spec_unit_properties(&a, &s, &got, &e), rows[i].code, "%s: %s",
			     rows[i].value, e.text);
		if (rows[i].code < 0)
			continue;
		cr_expect_str_eq(got.v[0].name, rows[i].want);
		cr_expect_eq(got.v[0].type, rows[i].type, "%s", rows[i].value);
		cr_expect_eq(got.v[0].number, rows[i].number, "%s", rows[i].value);
	}
}

Test(spec_model, unit_property_without_a_name)
{
	owned_arena a = ARENA_INIT;
	struct spec s = { 0 };
	spec_properties got;
	struct err e;

	kvs_add(&a, &s.annotations, "org.systemd.property.", "1");
	cr_expect_eq(spec_unit_properties(&a, &s, &got, &e), -EINVAL);
	cr_expect_str_eq(e.text, "annotations[\"org.systemd.property.\"]: names no property");
}

/* ---- nothing is lost ---- */

/* Every member that agentrun supports, in the order in which it is written. */
static const char everything[] =
"{'ociVersion':'1.2.0',"
"'process':{'terminal':true,'consoleSize':{'height':25,'width':80},"
 "'user':{'uid':1000,'gid':4294967294,'umask':18,'additionalGids':[5,4294967294],"
  "'username':'u'},"
 "'args':['sh','-c',''],'env':['PATH=/bin','A='],'cwd':'/w',"
 "'capabilities':{'bounding':['CAP_A'],'effective':['CAP_B'],'inheritable':['CAP_C'],"
  "'permitted':['CAP_D','CAP_E'],'ambient':['CAP_F']},"
 "'rlimits':[{'type':'RLIMIT_NOFILE','hard':18446744073709551615,'soft':1},"
  "{'type':'RLIMIT_CORE','hard':0,'soft':0}],"
 "'noNewPrivileges':true,'apparmorProfile':'p','oomScoreAdj':-5},"
"'root':{'path':'rootfs','readonly':true},"
"'hostname':'h','domainname':'d',"
"'mounts':[{'destination':'/proc','type':'proc','source':'proc'},"
 "{'destination':'/x','type':'bind','source':'/y','options':['bind','ro'],"
  "'uidMappings':[{'containerID':0,'hostID':1,'size':2}],"
  "'gidMappings':[{'containerID':3,'hostID':4,'size':5}]}],"
"'hooks':{'prestart':[{'path':'/a','args':['a','b'],'env':['X=1'],'timeout':7},{'path':'/a2'}],"
 "'createRuntime':[{'path':'/b'}],'createContainer':[{'path':'/c'}],"
 "'startContainer':[{'path':'/d'}],'poststart':[{'path':'/e'}],'poststop':[{'path':'/f'}]},"
"'annotations':{'b':'1','a.c':''},"
"'linux':{'uidMappings':[{'containerID':0,'hostID':100000,'size':65536}],"
 "'gidMappings':[{'containerID':0,'hostID':200000,'size':65536}],"
 "'sysctl':{'net.ipv4.ip_forward':'1','kernel.sem':'1 2'},"
 "'resources':{'devices':[{'allow':false},"
   "{'allow':true,'type':'c','major':1,'minor':-1,'access':'rwm'}],"
  "'memory':{'limit':9223372036854775807,'reservation':0,'swap':-1,'kernel':1,'kernelTCP':2,"
   "'swappiness':60,'disableOOMKiller':true,'useHierarchy':false,'checkBeforeUpdate':true},"
  "'cpu':{'shares':1024,'quota':-1,'burst':3,'period':100000,'realtimeRuntime':4,"
   "'realtimePeriod':5,'cpus':'0-1','mems':'0','idle':1},"
  "'pids':{'limit':-1},"
  "'blockIO':{'weight':10,'leafWeight':11,"
   "'weightDevice':[{'major':8,'minor':0,'weight':500,'leafWeight':300}],"
   "'throttleReadBpsDevice':[{'major':8,'minor':1,'rate':1}],"
   "'throttleWriteBpsDevice':[{'major':8,'minor':2,'rate':2}],"
   "'throttleReadIOPSDevice':[{'major':8,'minor':3,'rate':3}],"
   "'throttleWriteIOPSDevice':[{'major':8,'minor':4,'rate':18446744073709551615}]},"
  "'hugepageLimits':[{'pageSize':'2MB','limit':0}],"
  "'network':{'classID':4294967295,'priorities':[{'name':'eth0','priority':3}]},"
  "'rdma':{'mlx5_1':{'hcaHandles':3,'hcaObjects':4},'mlx5_2':{}},"
  "'unified':{'memory.high':'9','pids.max':''}},"
 "'cgroupsPath':'/c/g','namespaces':[{'type':'pid'},{'type':'network','path':'/n'},"
  "{'type':'ipc'},{'type':'uts'},{'type':'mount'},{'type':'user'},{'type':'cgroup'},"
  "{'type':'time'}],"
 "'devices':[{'path':'/dev/fuse','type':'c','major':10,'minor':229,'fileMode':438,'uid':0,"
  "'gid':4294967294},{'path':'/p','type':'p','major':0,'minor':0}],"
 "'seccomp':{'defaultAction':'SCMP_ACT_ERRNO','defaultErrnoRet':38,"
  "'architectures':['SCMP_ARCH_X86_64','SCMP_ARCH_X32'],"
  "'flags':['SECCOMP_FILTER_FLAG_LOG'],"
  "'syscalls':[{'names':['read','write'],'action':'SCMP_ACT_ALLOW'},"
   "{'names':['clone'],'action':'SCMP_ACT_ERRNO','errnoRet':1,'args':["
    "{'index':0,'value':18446744073709551615,'valueTwo':2,'op':'SCMP_CMP_MASKED_EQ'},"
    "{'index':5,'value':0,'valueTwo':0,'op':'SCMP_CMP_NE'}]}]},"
 "'rootfsPropagation':'rslave','maskedPaths':['/proc/kcore'],'readonlyPaths':['/proc/sys'],"
 "'personality':{'domain':'LINUX32'},"
 "'timeOffsets':{'monotonic':{'secs':-5,'nanosecs':999999999},"
  "'boottime':{'secs':0,'nanosecs':0}},"
 "'intelRdt':{'closID':'c','l3CacheSchema':'L3:0=f','memBwSchema':'MB:0=1',"
  "'schemata':['L2:0=1','MB:0=2'],'enableMonitoring':true},"
 "'memoryPolicy':{'mode':'MPOL_BIND','nodes':'0-1','flags':['MPOL_F_STATIC_NODES']},"
 "'netDevices':{'eth1':{'name':'net%d'},'eth2':{}}},"
"'agent':{'profile':'agent','policyDigest':'00ff',"
 "'workspace':{'destination':'/w','source':'/home/u/w','mode':'rw','owner':'keep',"
  "'guard':['.git/hooks'],'mask':['*.key']},"
 "'egress':'allow','egressAllow':[{'host':'a.example','isName':true,'portFirst':443,"
  "'portLast':444,'protocol':'tcp','reason':'r','addresses':['203.0.113.1']},"
  "{'host':'2001:db8::/32','isName':false,'portFirst':1,'portLast':65535,'protocol':'udp'}],"
 "'publishedPorts':[80,65535],'env':'scrub','envAllow':['A*'],'envDeny':['B'],"
 "'envDropped':['TOKEN'],'caps':['CAP_KILL'],'seccomp':'agent',"
 "'timeLimit':60,"
 "'auditMode':'required','auditHooks':[{'path':'/h','args':['x'],'events':['create'],"
  "'timeout':3,'required':true}],'labels':{'task':'t'},'changes':['one']}}";

/* Whether both trees are equal, members in any order; `false` counts as absent. */
static bool same(const struct json *x, const struct json *y)
{
	if (!x || !y) {
		const struct json *there = x ? x : y;

		return there && there->type == JSON_BOOL && !there->boolean;
	}
	if (x->type != y->type)
		return false;
	switch (x->type) {
	case JSON_NULL:
		return true;
	case JSON_BOOL:
		return x->boolean == y->boolean;
	case JSON_NUMBER:
	case JSON_STRING:
		return strcmp(x->text, y->text) == 0;
	case JSON_ARRAY:
		for (size_t i = 0; x->n == y->n && i < x->n; i++)
			if (!same(x->items[i], y->items[i]))
				return false;
		return x->n == y->n;
	case JSON_OBJECT:
		for (size_t i = 0; i < x->n; i++)
			if (!same(x->items[i], json_get(y, x->keys[i])))
				return false;
		for (size_t i = 0; i < y->n; i++)
			if (!same(json_get(x, y->keys[i]), y->items[i]))
				return false;
		return true;
	}
	return false;
}

Test(spec_model, everything_is_read_and_written)
{
	owned_arena a = ARENA_INIT;
	const struct json *source = tree(&a, everything);
	const char *once, *twice;
	struct spec *s;
	struct err e = { 0 };

	cr_assert_eq(spec_parse(&a, source, "f", SPEC_STATE, &s, &e), 0, "%s", e.text);
	once = written(&a, s);
	cr_assert(same(source, tree(&a, once)), "%s", once);
	cr_assert_eq(spec_parse(&a, tree(&a, once), "f", SPEC_STATE, &s, &e), 0, "%s", e.text);
	twice = written(&a, s);
	cr_assert_str_eq(once, twice);

	/* samples, lest reading and writing be wrong alike */
	cr_expect_eq(s->process->user.uid, 1000);
	cr_expect_eq(s->process->user.additional_gids.v[1], 4294967294);
	cr_expect_str_eq(s->process->args.v[2], "");
	cr_expect_null(s->process->args.v[3]);
	cr_expect_str_eq(s->process->capabilities->ambient.v[0], "CAP_F");
	cr_expect(s->process->rlimits.v[0].soft == 1 &&
		  s->process->rlimits.v[0].hard == UINT64_MAX);
	cr_expect_eq(s->mounts.v[1].gid_mappings.v[0].size, 5);
	cr_expect_eq(s->mounts.v[1].source_fd, -1);
	cr_expect_str_eq(s->hooks->poststop.v[0].path, "/f");
	cr_expect_eq(s->linux_->resources->memory->swap.v, -1);
	cr_expect(s->linux_->resources->memory->use_hierarchy.set &&
		  !s->linux_->resources->memory->use_hierarchy.v);
	cr_expect_str_eq(s->linux_->resources->rdma.v[1].name, "mlx5_2");
	cr_expect_eq(s->linux_->resources->block_io->write_iops.v[0].rate, UINT64_MAX);
	cr_expect_eq(s->linux_->time_offsets.v[0].secs, -5);
	cr_expect_str_eq(spec_namespace_find(s, "network")->path, "/n");
	cr_expect_null(spec_namespace_find(s, "pid")->path);
	cr_expect_eq(s->agent->published_ports.v[1], 65535);
	cr_expect_str_eq(s->agent->egress_allow.v[0].addresses.v[0], "203.0.113.1");
}

Test(spec_model, scheduling_is_written)
{
	static struct spec_scheduler scheduler = {
		.policy = (char *)"SCHED_DEADLINE", .nice = { true, -5 }, .priority = { true, 1 },
		.runtime = { true, 1 }, .deadline = { true, 2 }, .period = { true, 3 },
	};
	static struct spec_io_priority io = { (char *)"IOPRIO_CLASS_BE", { true, 3 } };
	static struct spec_cpu_affinity affinity = { (char *)"0", (char *)"1" };
	const struct spec_process p = { .scheduler = &scheduler, .io_priority = &io,
					.exec_cpu_affinity = &affinity };
	struct json_writer *w = json_writer_new(false);
	owned_str out = STR_INIT;

	spec_write_process(&p, w);
	json_writer_end(w, &out);
	cr_assert_str_eq(out.s,
			 "{\"user\":{\"uid\":0,\"gid\":0},\"scheduler\":{\"policy\":"
			 "\"SCHED_DEADLINE\",\"nice\":-5,\"priority\":1,"
			 "\"runtime\":1,\"deadline\":2,"
			 "\"period\":3},"
			 "\"ioPriority\":{\"class\":\"IOPRIO_CLASS_BE\",\"priority\":3},"
			 "\"execCPUAffinity\":{\"initial\":\"0\",\"final\":\"1\"}}\n");
}

/* spec_check() of a model that policy_apply() made: nothing but the model counts. */
Test(spec_model, check_works_on_the_model)
{
	owned_arena a = ARENA_INIT;
	struct spec *s = spec_default(&a, false);
	struct err e;

	cr_assert_eq(spec_check(s, "f", &e), 0);
	s->linux_->namespaces.n = 3;	/* no uts, no mount */
	cr_assert_lt(spec_check(s, "f", &e), 0);
}

Test(spec_model, copies_share_no_structure)
{
	owned_arena a = ARENA_INIT;
	struct spec *s, *copy;
	const char *before;
	struct err e;

	cr_assert_eq(spec_parse(&a, tree(&a, everything), "f", SPEC_STATE, &s, &e), 0);
	before = written(&a, s);
	copy = spec_copy(&a, s);
	cr_assert_str_eq(written(&a, copy), before);

	copy->process->cwd = arena_strdup(&a, "changed");
	copy->process->user.additional_gids.v[0] = 77;
	copy->process->capabilities->bounding.v[0] = arena_strdup(&a, "changed");
	copy->process->rlimits.v[0].soft = 77;
	strv_add(&a, &copy->process->env, "NEW=1");
	copy->root->readonly = false;
	copy->mounts.v[1].options.v[0] = arena_strdup(&a, "changed");
	copy->mounts.v[1].uid_mappings.v[0].size = 77;
	copy->hooks->prestart.v[0].timeout.set = false;
	copy->annotations.v[0].value = arena_strdup(&a, "changed");
	kvs_add(&a, &copy->annotations, "new", "1");
	copy->linux_->resources->memory->limit.v = 77;
	copy->linux_->resources->rdma.v[0].name = arena_strdup(&a, "changed");
	copy->linux_->resources->block_io->read_bps.v[0].rate = 77;
	copy->linux_->seccomp->syscalls.v[1].args.v[0].value = 77;
	copy->linux_->namespaces.v[0].path = arena_strdup(&a, "changed");
	copy->agent->workspace->mask.v[0] = arena_strdup(&a, "changed");
	copy->agent->egress_allow.v[0].port_first = 77;
	copy->agent->published_ports.v[0] = 77;
	cr_assert_str_eq(written(&a, s), before);
	cr_assert_str_neq(written(&a, copy), before);
}

/* ---- parts and files ---- */

Test(spec_model, parts)
{
	owned_arena a = ARENA_INIT;
	struct json_text bad = quoted(&a, "s", "{" ALLOW ",'listenerPath':'x'}");
	struct json_text notifies = quoted(&a, "s", "{" ALLOW ",'listenerPath':'/x','syscalls':["
						    NOTIFY("x") "]}");
	struct json_text cut = quoted(&a, "cut", "{" ALLOW);
	struct json_text good = quoted(&a, "s", "{" ALLOW "}");
	struct spec_process *p = NULL;
	struct spec_seccomp *s = NULL;
	struct spec_resources *r = NULL;
	owned_str out = STR_INIT;
	struct json_writer *w;
	struct err e;

	cr_expect_eq(spec_parse_process(&a, tree(&a, PROCESS), "p.json", &p, &e), 0);
	cr_expect_str_eq(p->args.v[0], "sh");
	p = NULL;
	cr_expect_lt(spec_parse_process(&a, tree(&a, "{'args':['x'],'cwd':'x'}"), "p.json", &p, &e),
		     0);
	cr_expect_str_eq(e.text, "p.json: cwd: not an absolute path");
	cr_expect_null(p);
	cr_expect_lt(spec_parse_resources(&a, tree(&a, "{'unified':{'a/b':''}}"), "-", &r, &e), 0);
	cr_expect_str_eq(e.text, "-: unified[\"a/b\"]: not of the form CONTROLLER.FILE");
	cr_expect_null(r);
	cr_expect_lt(spec_parse_seccomp(&a, &bad, &s, &e), 0);
	cr_expect_str_eq(e.text, "s: listenerPath: not an absolute path");
	cr_expect_null(s);
	cr_expect_lt(spec_parse_seccomp(&a, &notifies, &s, &e), 0);
	cr_expect_str_eq(e.text, "s: a profile cannot use SCMP_ACT_NOTIFY");
	cr_expect_null(s);
	cr_expect_lt(spec_parse_seccomp(&a, &cut, &s, &e), 0);
	cr_expect(strncmp(e.text, "cut:", 4) == 0, "%s", e.text);
	cr_expect_null(s);
	cr_expect_eq(spec_parse_seccomp(&a, &good, &s, &e), 0);
	cr_expect_str_eq(s->default_action, "SCMP_ACT_ALLOW");
	cr_expect_eq(spec_parse_resources(&a, tree(&a, "{'pids':{'limit':3}}"), "-", &r, &e), 0);
	w = json_writer_new(false);
	spec_write_resources(r, w);
	json_writer_end(w, &out);
	cr_expect_str_eq(out.s, "{\"pids\":{\"limit\":3}}\n");
}

/* The last value in the place of the first; a name is all that stands before "=". */
Test(spec_model, variables_that_stand_twice)
{
	static const struct {
		const char *given, *settled;
	} rows[] = {
		{ "", "" },
		{ "A=1", "A=1" },
		{ "A=1 B=2 A=3", "A=3 B=2" },
		{ "B=1 A=1 C=1 A=2 B=2 A=", "B=2 A= C=1" },
		{ "A=1 AB=2 A=x=y AB", "A=x=y AB=2 AB" },
		{ "A A=1 A A=2", "A A=2" },
		{ "Z=1 Y=1 X=1", "Z=1 Y=1 X=1" },
	};
	owned_arena a = ARENA_INIT;

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char given[64], *rest = given;
		struct strv env = { 0 };
		owned_str settled = { 0 };

		strcpy(given, rows[i].given);
		for (char *t; (t = strtok_r(rest, " ", &rest));)
			strv_add(&a, &env, t);
		spec_settle_env(&env);
		for (size_t k = 0; k < env.n; k++)
			str_printf(&settled, "%s%s", k ? " " : "", env.v[k]);
		cr_expect_str_eq(env.n ? settled.s : "", rows[i].settled, "%s", rows[i].given);
	}
}

Test(spec_model, files)
{
	char dir[] = "/tmp/test_spec.XXXXXX";
	owned_arena a = ARENA_INIT;
	struct spec *s = NULL;
	struct err e;
	int dirfd;
	FILE *f;

	cr_assert_not_null(mkdtemp(dir));
	dirfd = open(dir, O_DIRECTORY | O_CLOEXEC);
	cr_expect_eq(spec_read(&a, dirfd, "config.json", SPEC_BUNDLE, &s, &e), -ENOENT);
	f = fdopen(openat(dirfd, "config.json", O_CREAT | O_WRONLY | O_CLOEXEC, 0600), "w");
	fputs(written(&a, spec_default(&a, false)), f);
	fclose(f);
	cr_expect_eq(spec_read(&a, dirfd, "config.json", SPEC_BUNDLE, &s, &e), 0, "%s", e.text);
	cr_expect_str_eq(s->hostname, "agentrun");
	f = fdopen(openat(dirfd, "config.json", O_TRUNC | O_WRONLY | O_CLOEXEC), "w");
	fputs("{\"ociVersion\":\n 1}", f);
	fclose(f);
	cr_expect_lt(spec_read(&a, dirfd, "config.json", SPEC_BUNDLE, &s, &e), 0);
	cr_expect_str_eq(e.text, "config.json: ociVersion: expected a string, found a number");
	unlinkat(dirfd, "config.json", 0);
	close(dirfd);
	rmdir(dir);
}

Test(spec_model, defaults)
{
	for (int rootless = 0; rootless < 2; rootless++) {
		owned_arena a = ARENA_INIT;
		struct spec *s = spec_default(&a, rootless), *again;
		const char *text = written(&a, s);
		struct err e;

		cr_assert_eq(spec_parse(&a, tree(&a, text), "f", SPEC_BUNDLE, &again, &e), 0, "%s",
			     e.text);
		cr_assert_str_eq(written(&a, again), text);
		cr_expect_str_eq(s->process->args.v[0], "sh");
		cr_expect(s->process->terminal && s->process->no_new_privileges);
		cr_expect(s->root->readonly);
		cr_expect_eq(s->mounts.n, 7);
		cr_expect_eq(s->linux_->namespaces.n, 5);
		cr_expect_eq(s->process->capabilities->bounding.n, 3);
		cr_expect_eq(s->process->capabilities->ambient.n, 0);
		cr_expect_eq(!spec_namespace_find(s, "user"), !rootless);
		cr_expect_eq(!spec_namespace_find(s, "network"), rootless);
		cr_expect_eq(s->linux_->uid_mappings.n, (size_t)rootless);
		cr_expect_eq(!s->linux_->resources, rootless);
		cr_expect_eq(strstr(text, "gid=5") == NULL, rootless);
		if (rootless)
			cr_expect_eq(s->linux_->gid_mappings.v[0].host_id, getegid());
	}
}
