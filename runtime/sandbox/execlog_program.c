/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * The two programs of the log of commands, made for the kernel that runs.
 *
 * They are of the kind that knows types (BPF_TRACE_RAW_TP), since the other may not use maps that are
 * allocated as they fill before Linux 6.1.  So they walk from one structure to the next by loads, at
 * the offsets that this kernel tells.  What the verifier makes of such pointers changes with the
 * releases, so there is a second form, in which bpf_probe_read_kernel() reads all and pointers are
 * plain numbers; it is slower by some fifteen calls.  In both a read that fails gives 0, and what is
 * read through that fails too, so that results need no test.
 *
 * The tracepoints run with preemption off: one scratch per CPU does.
 */
#include <signal.h>
#include <string.h>

#include "sandbox/execlog_parts.h"

#define MEMBER(type, member) (int)offsetof(struct type, member)

/* Registers that calls preserve. */
enum { TASK = BPF_REG_6, LOG = BPF_REG_7, RECORD = BPF_REG_8, OTHER = BPF_REG_9 };
enum { FP = BPF_REG_10 };

/* The stack, below FP: eight bytes each but for the keys. */
enum {
	BPRM = -8,
	NUMBER = -16,	/* 32 bits of something */
	POINTER = -24,
	FIRST = -32,
	LAST = -40,
	WHERE = -56,	/* struct execlog_where */
	SPACE = -72,	/* struct execlog_namespace */
	PID = -80,	/* key of EXECLOG_RUNNING */
	PID_STRUCT = -88,
	WITHIN = -96,	/* where in its segment a record is */
	LEVEL = -104,	/* how deep the log's namespace lies */
};

enum { NAMESPACES_MOST = 32 };		/* the kernel's MAX_PID_NS_LEVEL */
enum { TICK = 1000000000 / 100 };	/* nanoseconds; USER_HZ is 100 on all that matters */
enum { GROUP_EXIT = 4 };		/* SIGNAL_GROUP_EXIT of linux/sched/signal.h */

struct code {
	struct bpf_insn *p;
	size_t n, room;
	struct arena *a;
	const int *maps;
	bool typed;
};

static size_t emit(struct code *q, unsigned op, int to, int from, int offset, int value)
{
	if (q->n == q->room) {
		struct bpf_insn *more = arena_array(q->a, struct bpf_insn, q->room + 256);

		if (q->n)
			memcpy(more, q->p, q->n * sizeof *more);
		q->p = more;
		q->room += 256;
	}
	q->p[q->n] = (struct bpf_insn){ .code = (unsigned char)op, .dst_reg = to & 15,
					.src_reg = from & 15, .off = (short)offset, .imm = value };
	return q->n++;
}

static void set(struct code *q, int to, int value)
{
	emit(q, BPF_ALU64 | BPF_MOV | BPF_K, to, 0, 0, value);
}

static void copy(struct code *q, int to, int from)
{
	emit(q, BPF_ALU64 | BPF_MOV | BPF_X, to, from, 0, 0);
}

static void alu(struct code *q, int op, int to, int value)
{
	emit(q, BPF_ALU64 | (unsigned)op | BPF_K, to, 0, 0, value);
}

static void alu_by(struct code *q, int op, int to, int from)
{
	emit(q, BPF_ALU64 | (unsigned)op | BPF_X, to, from, 0, 0);
}

static void load(struct code *q, int size, int to, int base, int offset)
{
	emit(q, BPF_LDX | BPF_MEM | (unsigned)size, to, base, offset, 0);
}

static void store(struct code *q, int size, int base, int offset, int from)
{
	emit(q, BPF_STX | BPF_MEM | (unsigned)size, base, from, offset, 0);
}

static void store_value(struct code *q, int size, int base, int offset, int value)
{
	emit(q, BPF_ST | BPF_MEM | (unsigned)size, base, 0, offset, value);
}

/* A jump that land() leads somewhere. */
static size_t jump(struct code *q, int op, int reg, int value)
{
	return emit(q, BPF_JMP | (unsigned)op | BPF_K, reg, 0, 0, value);
}

static size_t jump_by(struct code *q, int op, int reg, int other)
{
	return emit(q, BPF_JMP | (unsigned)op | BPF_X, reg, other, 0, 0);
}

/* What comes next is where it leads. */
static void land(struct code *q, size_t from)
{
	q->p[from].off = (short)(q->n - from - 1);
}

static void jump_back(struct code *q, int op, int reg, int other, size_t to)
{
	size_t from = jump_by(q, op, reg, other);

	q->p[from].off = (short)((long)to - (long)from - 1);
}

static void leave(struct code *q)
{
	set(q, BPF_REG_0, 0);
	emit(q, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

static void call(struct code *q, int helper)
{
	emit(q, BPF_JMP | BPF_CALL, 0, 0, 0, helper);
}

/* An address on the stack, or in another register's memory. */
static void address(struct code *q, int to, int base, int offset)
{
	copy(q, to, base);
	alu(q, BPF_ADD, to, offset);
}

static void map(struct code *q, enum execlog_map which)
{
	emit(q, BPF_LD | BPF_IMM | BPF_DW, BPF_REG_1, BPF_PSEUDO_MAP_FD, 0, q->maps[which]);
	emit(q, 0, 0, 0, 0, 0);
}

/* R0: its value, or NULL. */
static void lookup(struct code *q, enum execlog_map which, int key)
{
	map(q, which);
	address(q, BPF_REG_2, FP, key);
	call(q, BPF_FUNC_map_lookup_elem);
}

static void drop(struct code *q, enum execlog_map which, int key)
{
	map(q, which);
	address(q, BPF_REG_2, FP, key);
	call(q, BPF_FUNC_map_delete_elem);
}

/* size bytes from the kernel's structure at `from`, which offset is added to, to base[to]. */
static void get(struct code *q, int size, int base, int to, int from, unsigned offset)
{
	copy(q, BPF_REG_3, from);
	alu(q, BPF_ADD, BPF_REG_3, (int)offset);
	address(q, BPF_REG_1, base, to);
	set(q, BPF_REG_2, size);
	call(q, BPF_FUNC_probe_read_kernel);
}

/* The same from where the pointer in that place of the stack leads. */
static void follow(struct code *q, int size, int base, int to, int pointer, unsigned offset)
{
	load(q, BPF_DW, BPF_REG_0, FP, pointer);
	get(q, size, base, to, BPF_REG_0, offset);
}

/* The same as get() from a pointer of which the verifier knows the type, if it is to. */
static void walk(struct code *q, int size, int base, int to, int from, unsigned offset)
{
	int width = size == 8 ? BPF_DW : BPF_W;

	if (!q->typed) {
		get(q, size, base, to, from, offset);
		return;
	}
	load(q, width, BPF_REG_1, from, (int)offset);
	store(q, width, base, to, BPF_REG_1);
}

static void walk_on(struct code *q, int size, int base, int to, int pointer, unsigned offset)
{
	load(q, BPF_DW, BPF_REG_0, FP, pointer);
	walk(q, size, base, to, BPF_REG_0, offset);
}

static void find_task(struct code *q)
{
	call(q, q->typed ? BPF_FUNC_get_current_task_btf : BPF_FUNC_get_current_task);
	copy(q, TASK, BPF_REG_0);
}

/* PID: the process's number on the host, also left in R0. */
static void own_number(struct code *q)
{
	call(q, BPF_FUNC_get_current_pid_tgid);
	alu(q, BPF_RSH, BPF_REG_0, 32);
	store(q, BPF_W, FP, PID, BPF_REG_0);
}

/* WHERE: from a place to the segment that has it; the place in that is left WITHIN. */
static void to_segment(struct code *q)
{
	const int at = WHERE + MEMBER(execlog_where, at);

	load(q, BPF_DW, BPF_REG_1, FP, at);
	copy(q, BPF_REG_2, BPF_REG_1);
	alu(q, BPF_DIV, BPF_REG_1, STARTS);
	alu(q, BPF_MOD, BPF_REG_2, STARTS);
	store(q, BPF_DW, FP, at, BPF_REG_1);
	store(q, BPF_DW, FP, WITHIN, BPF_REG_2);
}

/* The segment in R0: adds the place.  The jump, which the verifier wants, is never taken. */
static size_t go_within(struct code *q)
{
	size_t outside;

	load(q, BPF_DW, BPF_REG_1, FP, WITHIN);
	outside = jump(q, BPF_JGT, BPF_REG_1, STARTS - 1);
	alu_by(q, BPF_ADD, BPF_REG_0, BPF_REG_1);
	return outside;
}

/* Ends the record that EXECLOG_RUNNING's value in R0 leads to, with the status in NUMBER if it exited.
 * WHERE is lost. */
static void end_record(struct code *q, enum execlog_end how)
{
	size_t none, outside;

	for (int i = 0; i < (int)sizeof(struct execlog_where); i += 8) {
		load(q, BPF_DW, BPF_REG_1, BPF_REG_0, i);
		store(q, BPF_DW, FP, WHERE + i, BPF_REG_1);
	}
	to_segment(q);
	lookup(q, EXECLOG_SEGMENTS, WHERE);
	none = jump(q, BPF_JEQ, BPF_REG_0, 0);
	outside = go_within(q);
	copy(q, OTHER, BPF_REG_0);
	if (how == EXECLOG_EXITED) {
		load(q, BPF_W, BPF_REG_1, FP, NUMBER);
		store(q, BPF_W, OTHER, MEMBER(execlog_record, status), BPF_REG_1);
	}
	store_value(q, BPF_W, OTHER, MEMBER(execlog_record, end), how);
	call(q, BPF_FUNC_ktime_get_boot_ns);
	store(q, BPF_DW, OTHER, MEMBER(execlog_record, ended), BPF_REG_0);
	land(q, none);
	land(q, outside);
}

/* PID_STRUCT: the task's.  NUMBER: how many namespaces deep it is.  The jump: in the host's. */
static size_t look_inside(struct code *q, const struct execlog_kernel *k)
{
	walk(q, 8, FP, PID_STRUCT, TASK, k->task_struct_thread_pid);
	walk_on(q, 4, FP, NUMBER, PID_STRUCT, k->pid_level);
	load(q, BPF_W, BPF_REG_1, FP, NUMBER);
	return jump(q, BPF_JEQ, BPF_REG_1, 0);
}

/*
 * LOG: of the namespace that the task is in, or of one above it: the task's struct pid has them all,
 * from the outermost in.  The program ends where there is none.
 */
static void find_log(struct code *q, const struct execlog_kernel *k)
{
	const int level = LOG;	/* not needed yet */
	size_t host = look_inside(q, k), none, found, again;

	store_value(q, BPF_W, FP, SPACE + MEMBER(execlog_namespace, unused), 0);
	set(q, level, 1);
	again = q->n;
	copy(q, BPF_REG_3, level);
	alu(q, BPF_MUL, BPF_REG_3, (int)k->upid_size);
	load(q, BPF_DW, BPF_REG_0, FP, PID_STRUCT);
	alu_by(q, BPF_ADD, BPF_REG_0, BPF_REG_3);
	get(q, 8, FP, FIRST, BPF_REG_0, k->pid_numbers + k->upid_ns);
	follow(q, 4, FP, SPACE + MEMBER(execlog_namespace, inode), FIRST,
	       k->pid_namespace_ns + k->ns_common_inum);
	/* A thread of the first process may stand in for the one that ended. */
	follow(q, 8, FP, POINTER, FIRST, k->pid_namespace_child_reaper);
	follow(q, 8, FP, POINTER, POINTER, k->task_struct_group_leader);
	follow(q, 8, FP, POINTER, POINTER, k->task_struct_start_boottime);
	load(q, BPF_DW, BPF_REG_1, FP, POINTER);
	alu(q, BPF_DIV, BPF_REG_1, TICK);
	store(q, BPF_DW, FP, SPACE + MEMBER(execlog_namespace, started), BPF_REG_1);
	lookup(q, EXECLOG_LOGS, SPACE);
	found = jump(q, BPF_JNE, BPF_REG_0, 0);
	alu(q, BPF_ADD, level, 1);
	none = jump(q, BPF_JGT, level, NAMESPACES_MOST);
	load(q, BPF_W, BPF_REG_1, FP, NUMBER);
	jump_back(q, BPF_JLE, level, BPF_REG_1, again);

	land(q, host);
	land(q, none);
	leave(q);
	land(q, found);
	store(q, BPF_W, FP, LEVEL, level);
	copy(q, LOG, BPF_REG_0);
}

/* All of the record but its texts and its number. */
static void put_facts(struct code *q, const struct execlog_kernel *k)
{
	size_t linked, inside;

	call(q, BPF_FUNC_ktime_get_boot_ns);
	store(q, BPF_DW, RECORD, MEMBER(execlog_record, started), BPF_REG_0);
	store_value(q, BPF_DW, RECORD, MEMBER(execlog_record, ended), 0);
	store_value(q, BPF_W, RECORD, MEMBER(execlog_record, end), EXECLOG_UNSEEN);
	store_value(q, BPF_W, RECORD, MEMBER(execlog_record, status), 0);
	store_value(q, BPF_W, RECORD, MEMBER(execlog_record, unlinked), 0);
	load(q, BPF_W, BPF_REG_1, FP, PID);
	store(q, BPF_W, RECORD, MEMBER(execlog_record, pid), BPF_REG_1);
	walk(q, 8, FP, POINTER, TASK, k->task_struct_real_parent);
	walk_on(q, 4, RECORD, MEMBER(execlog_record, parent), POINTER, k->task_struct_tgid);
	walk_on(q, 8, FP, POINTER, POINTER, k->task_struct_thread_pid);
	walk_on(q, 4, FP, NUMBER, POINTER, k->pid_level);
	store_value(q, BPF_W, RECORD, MEMBER(execlog_record, entered), 0);
	load(q, BPF_W, BPF_REG_1, FP, NUMBER);
	load(q, BPF_W, BPF_REG_2, FP, LEVEL);
	inside = jump_by(q, BPF_JGE, BPF_REG_1, BPF_REG_2);
	store_value(q, BPF_W, RECORD, MEMBER(execlog_record, entered), 1);
	land(q, inside);

	walk_on(q, 8, FP, POINTER, BPRM, k->linux_binprm_file);
	walk_on(q, 8, FP, POINTER, POINTER, k->file_f_inode);
	walk_on(q, 4, FP, NUMBER, POINTER, k->inode_i_nlink);
	load(q, BPF_W, BPF_REG_1, FP, NUMBER);
	linked = jump(q, BPF_JNE, BPF_REG_1, 0);
	store_value(q, BPF_W, RECORD, MEMBER(execlog_record, unlinked), 1);
	land(q, linked);
}

/* The path and, behind it, the arguments.  OTHER: the record's size; the jump: if it can't be had. */
static size_t put_texts(struct code *q, const struct execlog_kernel *k)
{
	const int n = TASK;	/* not needed any more */
	size_t fits, unreadable;

	walk_on(q, 8, FP, POINTER, BPRM, k->linux_binprm_filename);
	walk(q, 8, FP, FIRST, TASK, k->task_struct_mm);
	walk_on(q, 8, FP, LAST, FIRST, k->mm_struct_arg_end);
	walk_on(q, 8, FP, FIRST, FIRST, k->mm_struct_arg_start);

	address(q, BPF_REG_1, RECORD, sizeof(struct execlog_record));
	set(q, BPF_REG_2, EXECLOG_PATH_MOST);
	load(q, BPF_DW, BPF_REG_3, FP, POINTER);
	call(q, BPF_FUNC_probe_read_kernel_str);
	fits = jump(q, BPF_JLE, BPF_REG_0, EXECLOG_PATH_MOST);	/* as unsigned: no error */
	set(q, BPF_REG_0, 0);
	land(q, fits);
	copy(q, OTHER, BPF_REG_0);
	store(q, BPF_W, RECORD, MEMBER(execlog_record, path_kept), OTHER);

	load(q, BPF_DW, n, FP, LAST);
	load(q, BPF_DW, BPF_REG_3, FP, FIRST);
	alu_by(q, BPF_SUB, n, BPF_REG_3);
	store(q, BPF_DW, RECORD, MEMBER(execlog_record, argv_size), n);
	fits = jump(q, BPF_JLE, n, EXECLOG_ARGV_MOST);
	set(q, n, EXECLOG_ARGV_MOST);
	land(q, fits);
	store(q, BPF_W, RECORD, MEMBER(execlog_record, argv_kept), n);
	copy(q, BPF_REG_1, RECORD);
	alu_by(q, BPF_ADD, BPF_REG_1, OTHER);
	alu(q, BPF_ADD, BPF_REG_1, sizeof(struct execlog_record));
	copy(q, BPF_REG_2, n);
	call(q, BPF_FUNC_probe_read_user);
	alu_by(q, BPF_ADD, OTHER, n);
	alu(q, BPF_ADD, OTHER, sizeof(struct execlog_record));
	unreadable = jump(q, BPF_JNE, BPF_REG_0, 0);
	return unreadable;
}

/* WHERE: a place in the log for as many bytes as OTHER says.  The jump: there is none. */
static size_t take_place(struct code *q)
{
	size_t full;

	copy(q, BPF_REG_2, OTHER);
	alu(q, BPF_ADD, BPF_REG_2, 7);
	alu(q, BPF_AND, BPF_REG_2, -8);
	copy(q, BPF_REG_1, BPF_REG_2);
	emit(q, BPF_STX | BPF_ATOMIC | BPF_DW, LOG, BPF_REG_1, MEMBER(execlog_log, taken),
	     BPF_ADD | BPF_FETCH);
	alu_by(q, BPF_ADD, BPF_REG_2, BPF_REG_1);
	load(q, BPF_DW, BPF_REG_3, LOG, MEMBER(execlog_log, most));
	full = jump_by(q, BPF_JGT, BPF_REG_2, BPF_REG_3);
	store(q, BPF_DW, FP, WHERE + MEMBER(execlog_where, at), BPF_REG_1);
	alu(q, BPF_ADD, BPF_REG_1, 1);
	store(q, BPF_DW, RECORD, MEMBER(execlog_record, number), BPF_REG_1);
	load(q, BPF_DW, BPF_REG_1, LOG, MEMBER(execlog_log, session));
	store(q, BPF_DW, FP, WHERE + MEMBER(execlog_where, session), BPF_REG_1);
	return full;
}

/* map[key] = value, both on the stack; the value in R3 if it is 0. */
static void update(struct code *q, enum execlog_map which, int key, int value, int flags)
{
	map(q, which);
	address(q, BPF_REG_2, FP, key);
	if (value)
		address(q, BPF_REG_3, FP, value);
	set(q, BPF_REG_4, flags);
	call(q, BPF_FUNC_map_update_elem);
}

/* R0: the segment that WHERE names, made if it must be.  The jump: there is no memory. */
static size_t have_segment(struct code *q)
{
	size_t there, never, none;

	lookup(q, EXECLOG_SEGMENTS, WHERE);
	there = jump(q, BPF_JNE, BPF_REG_0, 0);
	store_value(q, BPF_W, FP, NUMBER, 0);
	lookup(q, EXECLOG_BLANK, NUMBER);
	never = jump(q, BPF_JEQ, BPF_REG_0, 0);
	copy(q, BPF_REG_3, BPF_REG_0);
	update(q, EXECLOG_SEGMENTS, WHERE, 0, BPF_NOEXIST);	/* another CPU may be faster */
	land(q, never);
	lookup(q, EXECLOG_SEGMENTS, WHERE);
	none = jump(q, BPF_JEQ, BPF_REG_0, 0);
	land(q, there);
	return none;
}

static void count(struct code *q, int member)
{
	set(q, BPF_REG_1, 1);
	emit(q, BPF_STX | BPF_ATOMIC | BPF_DW, LOG, BPF_REG_1, member, BPF_ADD);
}

size_t execlog_at_exec(struct arena *a, const struct execlog_kernel *k, const int maps[EXECLOG_MAPS],
		       bool typed, struct bpf_insn **ret)
{
	struct code q = { .a = a, .maps = maps, .typed = typed };
	size_t never, lost[4], no_memory, first, best_effort;

	load(&q, BPF_DW, OTHER, BPF_REG_1, 2 * 8);	/* the tracepoint's: task, old pid, bprm */
	store(&q, BPF_DW, FP, BPRM, OTHER);
	find_task(&q);
	find_log(&q, k);

	/* What the process ran until now ends here, whatever becomes of the record. */
	own_number(&q);
	lookup(&q, EXECLOG_RUNNING, PID);
	first = jump(&q, BPF_JEQ, BPF_REG_0, 0);
	end_record(&q, EXECLOG_REPLACED);
	drop(&q, EXECLOG_RUNNING, PID);
	land(&q, first);

	store_value(&q, BPF_W, FP, NUMBER, 0);
	lookup(&q, EXECLOG_SCRATCH, NUMBER);
	never = jump(&q, BPF_JEQ, BPF_REG_0, 0);	/* never: it is an array */
	copy(&q, RECORD, BPF_REG_0);
	put_facts(&q, k);
	lost[0] = put_texts(&q, k);

	load(&q, BPF_DW, BPF_REG_1, LOG, MEMBER(execlog_log, full));
	lost[1] = jump(&q, BPF_JNE, BPF_REG_1, 0);
	lost[2] = take_place(&q);
	/* Where there are too many at once, this one's end won't be seen. */
	update(&q, EXECLOG_RUNNING, PID, WHERE, BPF_ANY);
	to_segment(&q);
	no_memory = have_segment(&q);
	lost[3] = go_within(&q);
	copy(&q, BPF_REG_1, BPF_REG_0);
	copy(&q, BPF_REG_2, OTHER);
	copy(&q, BPF_REG_3, RECORD);
	call(&q, BPF_FUNC_probe_read_kernel);
	count(&q, MEMBER(execlog_log, logged));
	land(&q, never);
	leave(&q);

	/* A place that stays empty is the log's end: what is after it would not be found. */
	land(&q, no_memory);
	store_value(&q, BPF_DW, LOG, MEMBER(execlog_log, full), 1);
	drop(&q, EXECLOG_RUNNING, PID);
	for (size_t i = 0; i < sizeof lost / sizeof *lost; i++)
		land(&q, lost[i]);
	count(&q, MEMBER(execlog_log, lost));
	load(&q, BPF_DW, BPF_REG_1, LOG, MEMBER(execlog_log, required));
	best_effort = jump(&q, BPF_JEQ, BPF_REG_1, 0);
	set(&q, BPF_REG_1, SIGKILL);
	call(&q, BPF_FUNC_send_signal);
	land(&q, best_effort);
	leave(&q);
	*ret = q.p;
	return q.n;
}

/*
 * At the end of the last thread.  Where two end at once each may find itself to be it; the first
 * decides, which may be before the other's code is known.
 */
size_t execlog_at_exit(struct arena *a, const struct execlog_kernel *k, const int maps[EXECLOG_MAPS],
		       bool typed, struct bpf_insn **ret)
{
	struct code q = { .a = a, .maps = maps, .typed = typed };
	size_t host, alive, none, alone, both;

	find_task(&q);
	host = look_inside(&q, k);
	walk(&q, 8, FP, POINTER, TASK, k->task_struct_signal);
	walk_on(&q, 4, FP, NUMBER, POINTER, k->signal_struct_live);
	load(&q, BPF_W, BPF_REG_1, FP, NUMBER);
	alive = jump(&q, BPF_JNE, BPF_REG_1, 0);
	own_number(&q);
	lookup(&q, EXECLOG_RUNNING, PID);
	none = jump(&q, BPF_JEQ, BPF_REG_0, 0);
	copy(&q, RECORD, BPF_REG_0);

	/* As wait_task_zombie() has it: the code of exit_group(2) or of a signal, else the first thread's. */
	walk_on(&q, 4, FP, NUMBER, POINTER, k->signal_struct_flags);
	load(&q, BPF_W, BPF_REG_1, FP, NUMBER);
	alu(&q, BPF_AND, BPF_REG_1, GROUP_EXIT);
	alone = jump(&q, BPF_JEQ, BPF_REG_1, 0);
	walk_on(&q, 4, FP, NUMBER, POINTER, k->signal_struct_group_exit_code);
	both = emit(&q, BPF_JMP | BPF_JA, 0, 0, 0, 0);
	land(&q, alone);
	walk(&q, 8, FP, POINTER, TASK, k->task_struct_group_leader);
	walk_on(&q, 4, FP, NUMBER, POINTER, k->task_struct_exit_code);
	land(&q, both);

	copy(&q, BPF_REG_0, RECORD);
	end_record(&q, EXECLOG_EXITED);
	drop(&q, EXECLOG_RUNNING, PID);
	land(&q, host);
	land(&q, alive);
	land(&q, none);
	leave(&q);
	*ret = q.p;
	return q.n;
}
