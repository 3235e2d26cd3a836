/* SPDX-License-Identifier: Apache-2.0 */
/* Where this kernel keeps what, from its own type information (Documentation/bpf/btf.rst). */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include <linux/btf.h>

#include "base/str.h"
#include "base/fd.h"
#include "sandbox/execlog_parts.h"

#define BTF_FILE "/sys/kernel/btf/vmlinux"

enum { BTF_MOST = 64 << 20 };	/* some 5 MiB today */

struct types {
	const char *strings;
	size_t strings_size;
	const struct btf_type **v;	/* by number; 0 is void */
	size_t n;
};

static const char *name_of(const struct types *t, unsigned offset)
{
	return offset < t->strings_size ? t->strings + offset : "";
}

/* Bytes that follow the type itself; SIZE_MAX for a kind that is not known. */
static size_t more_of(const struct btf_type *type)
{
	size_t n = BTF_INFO_VLEN(type->info);

	switch (BTF_INFO_KIND(type->info)) {
	case BTF_KIND_PTR:
	case BTF_KIND_FWD:
	case BTF_KIND_TYPEDEF:
	case BTF_KIND_VOLATILE:
	case BTF_KIND_CONST:
	case BTF_KIND_RESTRICT:
	case BTF_KIND_FUNC:
	case BTF_KIND_FLOAT:
	case BTF_KIND_TYPE_TAG:
		return 0;
	case BTF_KIND_INT:
	case BTF_KIND_VAR:
	case BTF_KIND_DECL_TAG:
		return 4;
	case BTF_KIND_ARRAY:
		return sizeof(struct btf_array);
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
		return n * sizeof(struct btf_member);
	case BTF_KIND_ENUM:
		return n * sizeof(struct btf_enum);
	case BTF_KIND_ENUM64:
		return n * sizeof(struct btf_enum64);
	case BTF_KIND_FUNC_PROTO:
		return n * sizeof(struct btf_param);
	case BTF_KIND_DATASEC:
		return n * sizeof(struct btf_var_secinfo);
	}
	return SIZE_MAX;
}

static int types_read(struct arena *a, const char *btf, size_t size, struct types *ret, struct err *e)
{
	/* What later headers have behind it (layouts, Linux 7) an older kernel has not. */
	enum { LEAST = offsetof(struct btf_header, str_len) + sizeof(__u32) };
	const struct btf_header *h = (const struct btf_header *)btf;
	struct types t = { .n = 1 };
	size_t room = 1;
	const char *end;

	if (size < LEAST || h->magic != BTF_MAGIC || h->hdr_len < LEAST ||
	    h->hdr_len > size || h->type_off % 4 || h->hdr_len % 4 ||
	    (uint64_t)h->hdr_len + h->type_off + h->type_len > size ||
	    (uint64_t)h->hdr_len + h->str_off + h->str_len > size || !h->str_len ||
	    btf[h->hdr_len + h->str_off + h->str_len - 1] != '\0')
		return err_say(e, EOPNOTSUPP, "the kernel's type information can't be read");
	t.strings = btf + h->hdr_len + h->str_off;
	t.strings_size = h->str_len;
	end = btf + h->hdr_len + h->type_off + h->type_len;
	/* No type takes less than struct btf_type. */
	room += h->type_len / sizeof(struct btf_type);
	t.v = arena_array(a, const struct btf_type *, room);
	for (const char *p = btf + h->hdr_len + h->type_off; p < end; t.n++) {
		const struct btf_type *type = (const struct btf_type *)p;
		size_t left = (size_t)(end - p), more;

		more = left < sizeof *type ? 0 : more_of(type);
		if (left < sizeof *type || more > left - sizeof *type)
			return err_say(e, EOPNOTSUPP, "the kernel's type information has at type "
				       "%zu what is not known here", t.n);
		t.v[t.n] = type;
		p += sizeof *type + more;
	}
	*ret = t;
	return 0;
}

static size_t find_type(const struct types *t, unsigned kind, const char *name)
{
	for (size_t i = 1; i < t->n; i++)
		if (BTF_INFO_KIND(t->v[i]->info) == kind &&
		    strcmp(name_of(t, t->v[i]->name_off), name) == 0)
			return i;
	return 0;
}

/* In bits; also of a member of an unnamed structure or union within. */
static bool find_member(const struct types *t, const struct btf_type *type, const char *name,
			unsigned depth, unsigned *ret)
{
	const struct btf_member *m = (const struct btf_member *)(type + 1);

	for (unsigned i = 0; i < BTF_INFO_VLEN(type->info); i++, m++) {
		unsigned at = BTF_INFO_KFLAG(type->info) ? BTF_MEMBER_BIT_OFFSET(m->offset) : m->offset;
		const char *own = name_of(t, m->name_off);
		const struct btf_type *inner = m->type < t->n ? t->v[m->type] : NULL;
		unsigned kind = inner ? BTF_INFO_KIND(inner->info) : BTF_KIND_UNKN;

		if (strcmp(own, name) == 0) {
			*ret = at;
			return true;
		}
		if (!*own && depth && (kind == BTF_KIND_STRUCT || kind == BTF_KIND_UNION) &&
		    find_member(t, inner, name, depth - 1, ret)) {
			*ret += at;
			return true;
		}
	}
	return false;
}

int execlog_kernel_of(const void *btf, size_t size, struct execlog_kernel *ret, struct err *e)
{
	enum { DEEPEST = 8 };
	struct execlog_kernel k;
	const struct {
		const char *type, *member;
		unsigned *to;
	} fields[] = {
#define ROW(type, field) { #type, #field, &k.type##_##field },
		EXECLOG_FIELDS(ROW)
#undef ROW
	};
	owned_arena a = ARENA_INIT;
	struct types t;
	size_t id = 0;

	if (types_read(&a, btf, size, &t, e) < 0)
		return -e->code;
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
		if (!i || strcmp(fields[i].type, fields[i - 1].type) != 0)
			id = find_type(&t, BTF_KIND_STRUCT, fields[i].type);
		if (!id || !find_member(&t, t.v[id], fields[i].member, DEEPEST, fields[i].to) ||
		    *fields[i].to % 8)
			return err_say(e, EOPNOTSUPP, "the kernel's type information has no %s.%s",
				       fields[i].type, fields[i].member);
		*fields[i].to /= 8;
	}
	k.upid_size = t.v[find_type(&t, BTF_KIND_STRUCT, "upid")]->size;
	k.exec_id = (unsigned)find_type(&t, BTF_KIND_TYPEDEF, "btf_trace_sched_process_exec");
	k.exit_id = (unsigned)find_type(&t, BTF_KIND_TYPEDEF, "btf_trace_sched_process_exit");
	if (!k.exec_id || !k.exit_id)
		return err_say(e, EOPNOTSUPP, "the kernel lacks the tracepoints of exec and exit");
	*ret = k;
	return 0;
}

int execlog_kernel(struct execlog_kernel *ret, struct err *e)
{
	owned_str btf = STR_INIT;

	if (file_read(AT_FDCWD, BTF_FILE, BTF_MOST, &btf, e) < 0)
		return e->code == ENOENT ?
			       err_say(e, EOPNOTSUPP, "the kernel tells no types (" BTF_FILE ")") :
			       -e->code;
	return execlog_kernel_of(btf.s, btf.len, ret, e);
}
