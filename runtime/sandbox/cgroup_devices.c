/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linux.resources.devices: which device nodes the container may open or make.
 *
 * The rules are first brought into one form: a default and a list of rules of
 * which the last that fits decides, for each kind of access by itself.
 * Version 1 has them written to devices.allow and devices.deny; elsewhere they
 * become an eBPF program.  Nothing is allowed that no rule allows, whether the
 * rules begin with "deny all" or not.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <linux/bpf.h>

#include "base/fd.h"
#include "base/sys.h"
#include "sandbox/cgroup_parts.h"

#define ALL_ACCESS (BPF_DEVCG_ACC_MKNOD | BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE)
#define PROGRAM_NAME "agentrun_dev"

/* What every container may use: the nodes that config-linux.md wants in /dev, and making nodes,
 * which is not using them. */
static const struct {
	struct cgroup_device_rule rule;
	bool plain_only;
} defaults[] = {
	{ { true, 'c', -1, -1, BPF_DEVCG_ACC_MKNOD }, false },
	{ { true, 'b', -1, -1, BPF_DEVCG_ACC_MKNOD }, false },
	{ { true, 'c', 1, 3, ALL_ACCESS }, false },	/* null */
	{ { true, 'c', 1, 5, ALL_ACCESS }, false },	/* zero */
	{ { true, 'c', 1, 7, ALL_ACCESS }, false },	/* full */
	{ { true, 'c', 1, 8, ALL_ACCESS }, false },	/* random */
	{ { true, 'c', 1, 9, ALL_ACCESS }, false },	/* urandom */
	{ { true, 'c', 5, 0, ALL_ACCESS }, false },	/* tty */
	{ { true, 'c', 5, 1, ALL_ACCESS }, false },	/* console */
	{ { true, 'c', 5, 2, ALL_ACCESS }, false },	/* ptmx */
	{ { true, 'c', 136, -1, ALL_ACCESS }, false },	/* pts */
	/* net/tun: a way around the egress table (THREATS C7), so only where there is no policy */
	{ { true, 'c', 10, 200, ALL_ACCESS }, true },
};

/* ---- one form ---- */

static int parse_access(const char *text, bool allow, unsigned *ret, struct err *e)
{
	unsigned bits = 0;

	if (!text || !*text) {
		if (allow)
			return err_say(e, EINVAL, "access: missing");
		*ret = ALL_ACCESS;
		return 0;
	}
	for (; *text; text++) {
		unsigned bit = *text == 'r' ? BPF_DEVCG_ACC_READ :
			       *text == 'w' ? BPF_DEVCG_ACC_WRITE :
			       *text == 'm' ? BPF_DEVCG_ACC_MKNOD : 0;

		if (!bit)
			return err_say(e, EINVAL, "access: '%c' is none of r, w, m", *text);
		bits |= bit;
	}
	*ret = bits;
	return 0;
}

static int parse_number(const char *name, struct opt_i64 v, int64_t *ret, struct err *e)
{
	if (v.set && (v.v < -1 || v.v > INT32_MAX))
		return err_say(e, EINVAL, "%s: %" PRId64 " is no device number", name, v.v);
	*ret = v.set ? v.v : -1;
	return 0;
}

static int add_spec_rule(struct cgroup_device_rules *out, const struct spec_device_rule *in,
			 struct err *e)
{
	const char *type = in->type && *in->type ? in->type : "a";
	struct cgroup_device_rule rule = { .allow = in->allow };
	int r;

	if (strlen(type) != 1 || !strchr("abcu", *type))
		return err_say(e, EINVAL, "type: \"%s\" is none of a, b, c", type);
	if ((r = parse_access(in->access, in->allow, &rule.access, e)) < 0 ||
	    (r = parse_number("major", in->major, &rule.major, e)) < 0 ||
	    (r = parse_number("minor", in->minor, &rule.minor, e)) < 0)
		return r;
	if (*type == 'a' && rule.major < 0 && rule.minor < 0 && rule.access == ALL_ACCESS) {
		out->allow = in->allow;
		out->n = 0;
		return 0;
	}
	if (*type != 'b') {
		rule.type = 'c';
		out->v[out->n++] = rule;
	}
	if (*type == 'a' || *type == 'b') {
		rule.type = 'b';
		out->v[out->n++] = rule;
	}
	return 0;
}

static bool overlap(const struct cgroup_device_rule *x, const struct cgroup_device_rule *y)
{
	return x->type == y->type && (x->access & y->access) &&
	       (x->major < 0 || y->major < 0 || x->major == y->major) &&
	       (x->minor < 0 || y->minor < 0 || x->minor == y->minor);
}

/* A device that the specification denies among all that it allows.  It stays, as under runc and crun. */
static bool is_taken(const struct cgroup_device_rules *rules, const struct cgroup_device_rule *device)
{
	for (size_t i = 0; i < rules->own && device->major >= 0; i++)
		if (!rules->v[i].allow && overlap(&rules->v[i], device))
			return true;
	return false;
}

int cgroup_device_rules(struct arena *a, const struct spec_resources *r, bool plain,
			struct cgroup_device_rules *ret, struct err *e)
{
	size_t n = r ? r->devices.n : 0, own = sizeof defaults / sizeof *defaults;
	struct cgroup_device_rules out = { 0 };

	out.v = arena_array(a, struct cgroup_device_rule, 2 * n + own);
	for (size_t i = 0; i < n; i++)
		if (add_spec_rule(&out, &r->devices.v[i], e) < 0)
			return err_in(e, "linux.resources.devices[%zu]", i);
	out.own = out.n;
	for (size_t i = 0; i < own; i++)
		if (out.allow ? !defaults[i].plain_only && is_taken(&out, &defaults[i].rule) :
		    plain || !defaults[i].plain_only)
			out.v[out.n++] = defaults[i].rule;
	*ret = out;
	return 0;
}

/* ---- version 1 ---- */

void cgroup_device_access(unsigned access, char ret[4])
{
	snprintf(ret, 4, "%s%s%s", access & BPF_DEVCG_ACC_READ ? "r" : "",
		 access & BPF_DEVCG_ACC_WRITE ? "w" : "", access & BPF_DEVCG_ACC_MKNOD ? "m" : "");
}

static void print_rule(const struct cgroup_device_rule *rule, char *ret, size_t size)
{
	char major[24] = "*", minor[24] = "*", access[4];

	if (rule->major >= 0)
		snprintf(major, sizeof major, "%" PRId64, rule->major);
	if (rule->minor >= 0)
		snprintf(minor, sizeof minor, "%" PRId64, rule->minor);
	cgroup_device_access(rule->access, access);
	snprintf(ret, size, "%c %s:%s %s", rule->type, major, minor, access);
}

/*
 * The controller keeps exceptions from its default and takes one back only where it was written
 * with the same numbers: a rule that would cut a piece out of a wider one has no effect, and so is
 * refused.
 */
static int check_v1(const struct cgroup_device_rules *rules, size_t i, struct err *e)
{
	const struct cgroup_device_rule *rule = &rules->v[i];
	char text[80], wider[80];

	for (size_t k = 0; k < i; k++) {
		const struct cgroup_device_rule *old = &rules->v[k];

		if (old->allow == rule->allow || !overlap(old, rule) ||
		    (old->major == rule->major && old->minor == rule->minor))
			continue;
		print_rule(rule, text, sizeof text);
		print_rule(old, wider, sizeof wider);
		return err_say(e, EOPNOTSUPP,
			       "linux.resources.devices: version 1 of cgroups cannot except \"%s\" "
			       "from \"%s\"", text, wider);
	}
	return 0;
}

static int open_list(const char *dir, const char *name, int *ret_fd, struct err *e)
{
	owned_str path = STR_INIT;

	str_printf(&path, "%s/%s", dir, name);
	*ret_fd = open(path.s, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	return *ret_fd < 0 ? err_set(e, errno, "open %s", path.s) : 0;
}

static int add_to(int list, const char *dir, const char *rule, struct err *e)
{
	return write(list, rule, strlen(rule)) < 0 ?
		       err_set(e, errno, "write \"%s\" to %s", rule, dir) : 0;
}

/* Both lists stay open: opening one costs ten times a write. */
static int apply_v1(const char *dir, const struct cgroup_device_rules *rules, struct err *e)
{
	owned_fd allow = -1, deny = -1;
	int r;

	if ((r = open_list(dir, "devices.allow", &allow, e)) < 0 ||
	    (r = open_list(dir, "devices.deny", &deny, e)) < 0)
		return r;
	r = add_to(rules->allow ? allow : deny, dir, "a", e);
	for (size_t i = 0; i < rules->n && r == 0; i++) {
		const struct cgroup_device_rule *rule = &rules->v[i];
		char text[80];

		if (rule->allow == rules->allow && i < rules->own && (r = check_v1(rules, i, e)) < 0)
			return r;
		print_rule(rule, text, sizeof text);
		r = add_to(rule->allow ? allow : deny, dir, text, e);
		/* Beneath a cgroup that lacks one of the defaults, the container does too. */
		if (r == -EPERM && i >= rules->own)
			r = 0;
	}
	return r < 0 ? err_in(e, "linux.resources.devices") : 0;
}

/* ---- the program ---- */

/*
 * Most of what loading costs is the verifier's walk: it follows each branch on its own as long as the
 * registers differ.  So nothing is compared twice of which one branch knows the outcome: rules of one
 * type, and of one major number, share that test, and a number is read anew for each comparison.
 */
enum { ANSWER = BPF_REG_0, READ = BPF_REG_2, LEFT = BPF_REG_3 };
enum { TO_ALLOW = -1, TO_DENY = -2 };	/* jumps to the ends, which come last */

struct program {
	struct bpf_insn *p;
	size_t n;
};

static struct bpf_insn *emit(struct program *q, unsigned code, int to, int from, int offset, int value)
{
	q->p[q->n] = (struct bpf_insn){ .code = (unsigned char)code, .dst_reg = to & 15,
					.src_reg = from & 15, .off = (short)offset, .imm = value };
	return &q->p[q->n++];
}

static void load(struct program *q, size_t offset)
{
	emit(q, BPF_LDX | BPF_MEM | BPF_W, READ, BPF_REG_1, (int)offset, 0);
}

static void alu(struct program *q, int op, int reg, int value)
{
	emit(q, BPF_ALU | (unsigned)op | BPF_K, reg, 0, 0, value);
}

static struct bpf_insn *jump(struct program *q, int op, int reg, int value, int where)
{
	return emit(q, BPF_JMP | (unsigned)op | BPF_K, reg, 0, where, value);
}

/* What comes next is where the jump leads. */
static void land(const struct program *q, struct bpf_insn *from)
{
	if (from)
		from->off = (short)(&q->p[q->n] - from - 1);
}

static struct bpf_insn *skip_unless_type(struct program *q, char type)
{
	load(q, offsetof(struct bpf_cgroup_dev_ctx, access_type));
	alu(q, BPF_AND, READ, 0xffff);
	return jump(q, BPF_JNE, READ, type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR, 0);
}

static struct bpf_insn *skip_unless_major(struct program *q, int64_t major)
{
	if (major < 0)
		return NULL;
	load(q, offsetof(struct bpf_cgroup_dev_ctx, major));
	return jump(q, BPF_JNE, READ, (int)major, 0);
}

/*
 * Where it fits and denies one of the accesses that are still open: no.  Where it fits and allows, those
 * are settled; if none is left, yes.  Says whether anything gets past it.
 */
static bool emit_rule(struct program *q, const struct cgroup_device_rule *rule)
{
	bool whole = rule->access == ALL_ACCESS;
	int end = rule->allow ? TO_ALLOW : TO_DENY;
	struct bpf_insn *other = NULL;

	if (rule->minor < 0 && whole) {
		emit(q, BPF_JMP | BPF_JA, 0, 0, end, 0);
		return false;
	}
	if (rule->minor >= 0) {
		load(q, offsetof(struct bpf_cgroup_dev_ctx, minor));
		other = jump(q, whole ? BPF_JEQ : BPF_JNE, READ, (int)rule->minor, end);
	}
	if (whole)
		return true;
	if (rule->allow) {
		alu(q, BPF_AND, LEFT, (int)(ALL_ACCESS & ~rule->access));
		jump(q, BPF_JEQ, LEFT, 0, TO_ALLOW);
	} else {
		emit(q, BPF_ALU | BPF_MOV | BPF_X, ANSWER, LEFT, 0, 0);
		alu(q, BPF_AND, ANSWER, (int)rule->access);
		jump(q, BPF_JNE, ANSWER, 0, TO_DENY);
	}
	land(q, other);
	return true;
}

/* A later rule settles all that this one could. */
static bool is_covered(const struct cgroup_device_rules *rules, size_t i)
{
	const struct cgroup_device_rule *rule = &rules->v[i];

	for (size_t k = i + 1; k < rules->n; k++) {
		const struct cgroup_device_rule *later = &rules->v[k];

		if (later->type == rule->type && !(rule->access & ~later->access) &&
		    (later->major < 0 || later->major == rule->major) &&
		    (later->minor < 0 || later->minor == rule->minor))
			return true;
	}
	return false;
}

/* The rules before v[i], from the last on, that share its major number; how many are left. */
static size_t emit_major(struct program *q, const struct cgroup_device_rules *rules, size_t i,
			 bool *open)
{
	const struct cgroup_device_rule *first = &rules->v[i - 1];
	struct bpf_insn *other = skip_unless_major(q, first->major);
	bool passes = true;

	for (; i > 0 && rules->v[i - 1].type == first->type && rules->v[i - 1].major == first->major; i--)
		if (passes && !is_covered(rules, i - 1))
			passes = emit_rule(q, &rules->v[i - 1]);
	land(q, other);
	*open = passes || other;
	return i;
}

static void answer(struct program *q, int end, int value)
{
	size_t here = q->n;
	bool used = !end;

	for (size_t i = 0; end && i < here; i++)
		if (BPF_CLASS(q->p[i].code) == BPF_JMP && q->p[i].off == end) {
			land(q, &q->p[i]);
			used = true;
		}
	if (!used)	/* what cannot be reached is refused */
		return;
	alu(q, BPF_MOV, ANSWER, value);
	emit(q, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

size_t cgroup_device_program(struct arena *a, const struct cgroup_device_rules *rules,
			     struct bpf_insn **ret)
{
	enum { ENDS = 16, PER_RULE = 10 };
	struct program q = { arena_array(a, struct bpf_insn, ENDS + PER_RULE * rules->n), 0 };

	load(&q, offsetof(struct bpf_cgroup_dev_ctx, access_type));
	emit(&q, BPF_ALU | BPF_MOV | BPF_X, LEFT, READ, 0, 0);
	alu(&q, BPF_RSH, LEFT, 16);
	for (size_t i = rules->n; i > 0;) {
		char type = rules->v[i - 1].type;
		struct bpf_insn *other = skip_unless_type(&q, type);
		bool open = true;

		while (i > 0 && rules->v[i - 1].type == type)
			if (open)
				i = emit_major(&q, rules, i, &open);
			else
				i--;	/* nothing of this type gets here */
		land(&q, other);
	}
	answer(&q, 0, rules->allow);
	answer(&q, TO_ALLOW, 1);
	answer(&q, TO_DENY, 0);
	*ret = q.p;
	return q.n;
}

/* ---- loading and attaching ---- */

static int load_program(const struct bpf_insn *code, size_t n, int *ret_fd, struct err *e)
{
	struct rlimit old, most = { RLIM_INFINITY, RLIM_INFINITY };
	union bpf_attr attr;
	int fd, error;

	memset(&attr, 0, sizeof attr);
	attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
	attr.insns = (uintptr_t)code;
	attr.insn_cnt = (unsigned)n;
	attr.license = (uintptr_t)"Apache-2.0";
	strcpy(attr.prog_name, PROGRAM_NAME);
	fd = sys_bpf(BPF_PROG_LOAD, &attr, sizeof attr);
	error = errno;
	/* Before Linux 5.11 programs count as locked memory, and the limit is small. */
	if (fd < 0 && error == EPERM && getrlimit(RLIMIT_MEMLOCK, &old) == 0 &&
	    setrlimit(RLIMIT_MEMLOCK, &most) == 0) {
		fd = sys_bpf(BPF_PROG_LOAD, &attr, sizeof attr);
		error = errno;
		setrlimit(RLIMIT_MEMLOCK, &old);
	}
	if (fd < 0)
		return err_set(e, error, "load the program of the device rules");
	*ret_fd = fd;
	return 0;
}

/* Our program on this very cgroup, -1 if there is none. Others (systemd's) stay. */
static int find_program(int cgroup)
{
	enum { MOST = 64 };	/* the kernel's own limit */
	unsigned ids[MOST];
	union bpf_attr query, ask;

	memset(&query, 0, sizeof query);
	query.query.target_fd = (unsigned)cgroup;
	query.query.attach_type = BPF_CGROUP_DEVICE;
	query.query.prog_ids = (uintptr_t)ids;
	query.query.prog_cnt = MOST;
	if (sys_bpf(BPF_PROG_QUERY, &query, sizeof query) < 0)
		return -1;
	for (unsigned i = 0; i < query.query.prog_cnt; i++) {
		struct bpf_prog_info info = { 0 };
		owned_fd fd = -1;

		memset(&ask, 0, sizeof ask);
		ask.prog_id = ids[i];
		fd = sys_bpf(BPF_PROG_GET_FD_BY_ID, &ask, sizeof ask);
		if (fd < 0)
			continue;
		memset(&ask, 0, sizeof ask);
		ask.info.bpf_fd = (unsigned)fd;
		ask.info.info_len = sizeof info;
		ask.info.info = (uintptr_t)&info;
		if (sys_bpf(BPF_OBJ_GET_INFO_BY_FD, &ask, sizeof ask) == 0 &&
		    strcmp(info.name, PROGRAM_NAME) == 0)
			return fd_take(&fd);
	}
	return -1;
}

static int apply_bpf(struct arena *a, const char *dir, const struct cgroup_device_rules *rules,
		     struct err *e)
{
	owned_fd cgroup = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), program = -1, old = -1;
	struct bpf_insn *code;
	size_t n = cgroup_device_program(a, rules, &code);
	union bpf_attr attr;
	int r;

	if (cgroup < 0)
		return err_set(e, errno, "open cgroup %s", dir);
	old = find_program(cgroup);
	if (rules->allow && !rules->n && old < 0)
		return 0;
	r = load_program(code, n, &program, e);
	if (r < 0)
		return r;
	memset(&attr, 0, sizeof attr);
	attr.target_fd = (unsigned)cgroup;
	attr.attach_bpf_fd = (unsigned)program;
	attr.attach_type = BPF_CGROUP_DEVICE;
	attr.attach_flags = BPF_F_ALLOW_MULTI;
	if (old >= 0) {		/* in one step: at no moment is there none */
		attr.attach_flags |= BPF_F_REPLACE;
		attr.replace_bpf_fd = (unsigned)old;
	}
	if (sys_bpf(BPF_PROG_ATTACH, &attr, sizeof attr) < 0)
		return err_set(e, errno, "attach the program of the device rules to %s", dir);
	return 0;
}

/* Inside a user namespace no device node can be made, nor one on a file system mounted there be
 * opened: the rules are then a second lock, which needs rights that the namespace may lack. */
static bool in_user_namespace(void)
{
	owned_str map = STR_INIT;
	struct err ignored;
	unsigned long first, outer, n;

	if (geteuid() != 0)
		return true;
	return file_read(AT_FDCWD, "/proc/self/uid_map", 1 << 16, &map, &ignored) == 0 &&
	       (sscanf(str_text(&map), "%lu %lu %lu", &first, &outer, &n) != 3 || first || outer ||
		n != 4294967295ul);
}

const struct cgroup_hierarchy *cgroup_devices_v1(const struct cgroup *c)
{
	return c->layout == CGROUP_V2 ? NULL : cgroup_hierarchy_of(c, "devices");
}

int cgroup_devices_apply(const struct cgroup *c, const struct spec_resources *r, bool plain,
			 struct err *e)
{
	const struct cgroup_hierarchy *v1 = cgroup_devices_v1(c);
	const struct cgroup_hierarchy *h = v1 ? v1 : cgroup_hierarchy_of(c, "");
	struct cgroup_device_rules rules;
	owned_arena a = ARENA_INIT;
	int result;

	result = cgroup_device_rules(&a, r, plain, &rules, e);
	if (result < 0)
		return result;
	if (!h) {
		if (in_user_namespace())
			return 0;
		return err_say(e, ENOENT, "linux.resources.devices: the controller \"devices\" is "
			       "not mounted on this host");
	}
	result = v1 ? apply_v1(h->dir, &rules, e) : apply_bpf(&a, h->dir, &rules, e);
	if ((result == -EPERM || result == -EACCES) && in_user_namespace())
		return 0;
	return result;
}
