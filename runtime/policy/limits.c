/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Limits: what the policy makes of the engine's at create, and what of it an
 * update may change.  Pure.
 */
#include <string.h>

#include "policy/internal.h"

static bool is_unlimited(const struct opt_i64 *n)
{
	return !n->set || n->v <= 0;	/* engines write 0 and -1 where nobody asked */
}

static const struct limit {
	enum field_id id;
	const char *scale, *unit;	/* the scale: of a number in the field's own unit */
	const char *option;		/* Docker's and Podman's */
	const char *file;		/* which linux.resources.unified could set behind it */
} limits[] = {
	{ FIELD_LIMITS_PIDS, "", "processes and threads", "--pids-limit", "pids.max" },
	{ FIELD_LIMITS_MEMORY, " bytes", "of memory", "--memory", "memory.max" },
	{ FIELD_LIMITS_CPU, " thousandths of", "processors", "--cpus", "cpu.max" },
};

/* What the engine set, in the field's own unit; 0: nothing. */
static uint64_t limit_of(const struct spec_resources *r, enum field_id id)
{
	uint64_t period, quota;

	if (id == FIELD_LIMITS_PIDS)
		return r->pids && !is_unlimited(&r->pids->limit) ? (uint64_t)r->pids->limit.v : 0;
	if (id == FIELD_LIMITS_MEMORY)
		return r->memory && !is_unlimited(&r->memory->limit) ? (uint64_t)r->memory->limit.v : 0;
	if (!r->cpu || is_unlimited(&r->cpu->quota))
		return 0;
	period = r->cpu->period.set && r->cpu->period.v ? r->cpu->period.v : 100000;
	quota = (uint64_t)r->cpu->quota.v;
	if (quota > UINT64_MAX / 1000)
		return UINT64_MAX;
	return quota * 1000 / period + (quota * 1000 % period != 0);
}

/* memory.swap counts both together: as much swap as before remains. */
static void put_memory(struct spec_memory *m, int64_t limit)
{
	if (!is_unlimited(&m->limit) && m->swap.set && m->swap.v > limit)
		m->swap.v -= m->limit.v - limit;
	if (m->reservation.set && m->reservation.v > limit)
		m->reservation.v = limit;
	m->limit = (struct opt_i64){ true, limit };
}

static void put_limit(struct apply *x, enum field_id id, uint64_t n)
{
	struct spec_resources *r = x->out->linux_->resources;

	if (id == FIELD_LIMITS_PIDS) {
		if (!r->pids)
			r->pids = arena_new(x->a, struct spec_pids);
		r->pids->limit = (struct opt_i64){ true, (int64_t)n };
	} else if (id == FIELD_LIMITS_MEMORY) {
		if (!r->memory)
			r->memory = arena_new(x->a, struct spec_memory);
		put_memory(r->memory, (int64_t)n);
	} else {
		if (!r->cpu)
			r->cpu = arena_new(x->a, struct spec_cpu);
		r->cpu->period = (struct opt_u64){ true, 100000 };
		r->cpu->quota = (struct opt_i64){ true, (int64_t)n * 100 };
		if (r->cpu->burst.set && r->cpu->burst.v > n * 100)
			r->cpu->burst.v = n * 100;
	}
}

/* The specification that is stored holds it: a policy is never evaluated again. */
static void keep_bound(struct apply *x, enum field_id id, const struct value *most)
{
	struct spec_agent *agent = x->agent;
	const char *text = most->items.v[0].text;

	if (!agent->bounds.v)
		agent->bounds.v = arena_array(x->a, struct spec_bound,
					      sizeof limits / sizeof *limits);
	agent->bounds.v[agent->bounds.n++] = (struct spec_bound){
		.field = arena_strdup(x->a, fields[id].name), .most = value_number(id, text),
		.text = arena_strdup(x->a, text),
		.from = arena_strdup(x->a, x->p->host.origin.text),
	};
}

/* A profile's and an annotation's limit is for where the engine set none; the host policy's holds
 * against the engine's as well: what is required is made of it, what is beyond a ceiling is refused. */
static int apply_limit(struct apply *x, const struct limit *l, struct err *e)
{
	const struct value *most = &x->p->host.allow[l->id], *need = &x->p->host.require[l->id];
	const char *name = fields[l->id].name, *text = policy_text(x->p, l->id);
	struct spec_resources *r;
	uint64_t have;

	if (!text)
		return 0;
	if (!x->out->linux_->resources)
		x->out->linux_->resources = arena_new(x->a, struct spec_resources);
	r = x->out->linux_->resources;
	have = limit_of(r, l->id);
	if (most->set || need->set)
		keep_bound(x, l->id, need->set ? need : most);
	if ((most->set || need->set) && kvs_get(&r->unified, l->file))
		return refuse(e, policy_say(x->a, x->p, l->id),
			      arena_printf(x->a, "leave it out; %s sets that limit", l->option),
			      "linux.resources.unified: %s would take back %s", l->file, name);
	if (!have) {
		put_limit(x, l->id, value_number(l->id, text));
		note(x->a, x->agent, "limit set: %s %s", text, l->unit);
	} else if (need->set && have > value_number(l->id, need->items.v[0].text)) {
		put_limit(x, l->id, value_number(l->id, text));
		note(x->a, x->agent, "limit lowered: %s %s, where the engine set more", text, l->unit);
	} else if (most->set && have > value_number(l->id, most->items.v[0].text)) {
		return refuse(e, arena_printf(x->a, "%s at most %s (%s)", name, most->items.v[0].text,
					      x->p->host.origin.text),
			      arena_printf(x->a, "%s %s, or the administrator raises allow[\"%s\"] in %s",
					   l->option, most->items.v[0].text, name, x->p->host.path),
			      "the engine's limit, %llu%s %s, is more than this host allows",
			      (unsigned long long)have, l->scale, l->unit);
	}
	return 0;
}

int apply_limits(struct apply *x, struct err *e)
{
	const char *seconds = policy_text(x->p, FIELD_LIMITS_TIME);
	int r;

	if (seconds) {
		x->agent->time_limit.set = true;
		x->agent->time_limit.v = value_number(FIELD_LIMITS_TIME, seconds);
	}
	for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
		if ((r = apply_limit(x, &limits[i], e)) < 0)
			return r;
	return 0;
}

/* ---- changed later ---- */

static const struct spec_bound *bound_of(const struct spec_agent *agent, enum field_id id)
{
	for (size_t i = 0; i < agent->bounds.n; i++)
		if (strcmp(agent->bounds.v[i].field, fields[id].name) == 0)
			return &agent->bounds.v[i];
	return NULL;
}

/* Whether the change says nothing of the limit, so that it stays. */
static bool leaves(const struct spec_resources *r, enum field_id id)
{
	if (id == FIELD_LIMITS_PIDS)
		return !r->pids || !r->pids->limit.set || !r->pids->limit.v;
	if (id == FIELD_LIMITS_MEMORY)
		return !r->memory || !r->memory->limit.set || !r->memory->limit.v;
	return !r->cpu || ((!r->cpu->quota.set || !r->cpu->quota.v) &&
			   (!r->cpu->period.set || !r->cpu->period.v));
}

static int check_bound(struct arena *a, const struct limit *l, const struct spec_bound *b,
		       const struct spec_resources *r, struct err *e)
{
	const bool cpu = l->id == FIELD_LIMITS_CPU;
	uint64_t asked = limit_of(r, l->id);
	char *policy, *remedy;

	if (leaves(r, l->id) && !kvs_get(&r->unified, l->file))
		return 0;
	/* The kernel has a period of before, which nobody knows here. */
	if (cpu && !(r->cpu && r->cpu->period.set && r->cpu->period.v))
		asked = 0;
	policy = arena_printf(a, "%s at most %s (%s)", b->field, b->text, b->from);
	remedy = arena_printf(a, "%s %s%s", l->option, b->text,
			      cpu ? " (a quota with its period)" : "");
	if (kvs_get(&r->unified, l->file))
		return refuse(e, policy, remedy, "linux.resources.unified: %s would take back %s",
			      l->file, b->field);
	if (!asked)
		return refuse(e, policy, remedy, "an update that takes back %s", b->field);
	if (asked > b->most)
		return refuse(e, policy, remedy, "an update to %llu%s %s, more than this host allows",
			      (unsigned long long)asked, l->scale, l->unit);
	return 0;
}

int policy_apply_resources(struct arena *a, const struct spec *s, struct spec_resources *r,
			   struct err *e)
{
	int result;

	for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
		const struct spec_bound *b = bound_of(s->agent, limits[i].id);

		if (b && (result = check_bound(a, &limits[i], b, r, e)) < 0)
			return result;
	}
	/* Podman sends those of create along. */
	if (r->devices.n && !same_devices(r, s->linux_->resources))
		return refuse(e, always(a, s->agent), "create the container with these rules",
			      "an update of linux.resources.devices");
	r->devices.n = 0;
	return 0;
}
