/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a process of the container may have, its first one and those that join
 * it later: capabilities, a place before others, environment, descriptors.
 * A later one is held against the stored agent block alone.  Pure.
 */
#include <errno.h>
#include <string.h>

#include "policy/capset.h"
#include "policy/env.h"
#include "policy/internal.h"

/* ---- capabilities ---- */

/* One set cut down to the cap; names that went are added to `gone`, one that was asked for beyond
 * both the cap and the engines' default becomes *ret_asked. */
static void cap_set(struct arena *a, const struct strv *most, struct strv *set, struct strv *gone,
		    const char **ret_asked)
{
	struct strv kept = { 0 };

	for (size_t i = 0; i < set->n; i++) {
		if (strv_find(most, set->v[i]) >= 0) {
			strv_add(a, &kept, set->v[i]);
			continue;
		}
		if (!*ret_asked && !capset_is_engine_default(set->v[i]))
			*ret_asked = set->v[i];
		if (strv_find(gone, set->v[i]) < 0)
			strv_add(a, gone, set->v[i]);
	}
	*set = kept;
}

static const char *cap_process(struct arena *a, const struct strv *most, struct spec_process *p,
			       struct strv *gone)
{
	const char *asked = NULL;
	struct spec_capabilities *c;

	if (!p->capabilities)
		return NULL;
	c = arena_memdup(a, p->capabilities, sizeof *c);
	cap_set(a, most, &c->bounding, gone, &asked);
	cap_set(a, most, &c->effective, gone, &asked);
	cap_set(a, most, &c->inheritable, gone, &asked);
	cap_set(a, most, &c->permitted, gone, &asked);
	cap_set(a, most, &c->ambient, gone, &asked);
	p->capabilities = c;
	return asked;
}

/* The annotation that keeps what may be kept, and that one as well; without blanks, for a shell. */
static char *caps_with(struct arena *a, const struct strv *caps, const char *name)
{
	owned_str text = STR_INIT;

	str_puts(&text, "--annotation " ANNOTATION_PREFIX "caps=");
	for (size_t i = 0; i < caps->n; i++)
		str_printf(&text, "%s,", caps->v[i]);
	str_puts(&text, name);
	return arena_strdup(a, text.s);
}

int apply_caps(struct apply *x, struct err *e)
{
	const struct value *v = &x->p->v[FIELD_CAPS];
	struct strv gone = { 0 };
	const char *asked;

	for (size_t i = 0; i < v->items.n; i++) {
		const struct item *item = &v->items.v[i];

		if (!egress_is_open(x->p) && capset_is_network_escape(item->text))
			return err_say(e, EINVAL, "caps=%s (%s) contradicts egress=%s: it would lead past "
				       "the egress table", item->text, item->from->text,
				       policy_text(x->p, FIELD_EGRESS));
		strv_add(x->a, &x->agent->caps, item->text);
	}
	if (!x->out->process)
		return 0;
	asked = cap_process(x->a, &x->agent->caps, x->out->process, &gone);
	if (asked && !x->p->host.may_be_privileged)
		return refuse(e, policy_say(x->a, x->p, FIELD_CAPS),
			      arena_printf(x->a, "%s%s",
					   capset_is_network_escape(asked) && !egress_is_open(x->p) ?
						   open_egress(x, " ") : "",
					   caps_with(x->a, &x->agent->caps, asked)),
			      "capability %s (--cap-add or --privileged)", asked);
	if (gone.n)
		note(x->a, x->agent, "capabilities dropped: %s", safe_list(x->a, &gone));
	return 0;
}

int apply_no_new_privs(struct apply *x, struct err *e)
{
	(void)e;
	if (x->out->process && !x->out->process->no_new_privileges) {
		x->out->process->no_new_privileges = true;
		note(x->a, x->agent, "no_new_privs set: set-id programs give no privileges");
	}
	return 0;
}

/* ---- scheduling ---- */

/* What puts a process before the host's own, or lets it put itself there; NULL: nothing does.  Lower
 * than usual is everybody's right. */
static const char *rising(struct arena *a, const struct spec_process *p)
{
	/* setrlimit(2): a nice value down to 20 minus the limit, a real-time priority up to it */
	static const struct { const char *type; uint64_t harmless; } rlimits[] = {
		{ "RLIMIT_NICE", 20 }, { "RLIMIT_RTPRIO", 0 },
	};
	static const char *const realtime[] = { "SCHED_FIFO", "SCHED_RR", "SCHED_DEADLINE",
						 NULL };
	const struct spec_scheduler *s = p->scheduler;

	if (s && str_find(realtime, s->policy) >= 0)
		return arena_printf(a, "process.scheduler.policy %s", s->policy);
	if (s && s->nice.v < 0)
		return arena_printf(a, "process.scheduler.nice %lld", (long long)s->nice.v);
	if (p->io_priority && strcmp(p->io_priority->class, "IOPRIO_CLASS_RT") == 0)
		return "process.ioPriority.class IOPRIO_CLASS_RT";
	for (size_t i = 0; i < p->rlimits.n; i++)
		for (size_t k = 0; k < sizeof rlimits / sizeof *rlimits; k++)
			if (strcmp(p->rlimits.v[i].type, rlimits[k].type) == 0 &&
			    p->rlimits.v[i].hard > rlimits[k].harmless)
				return arena_printf(a, "%s %llu", rlimits[k].type,
						    (unsigned long long)p->rlimits.v[i].hard);
	return NULL;
}

/* The kernel's own name for the right is the policy's, too. */
static int check_scheduling(struct arena *a, const struct spec_agent *agent,
			    const struct spec_process *p, const char *remedy, struct err *e)
{
	const char *asked = rising(a, p);

	if (!asked || strv_find(&agent->caps, "CAP_SYS_NICE") >= 0)
		return 0;
	return refuse(e, agent_say(a, agent, "caps", safe_list(a, &agent->caps)), remedy,
		      "%s could keep the host's own programs waiting", asked);
}

int apply_scheduling(struct apply *x, struct err *e)
{
	if (!x->out->process)
		return 0;
	return check_scheduling(x->a, x->agent, x->out->process,
				caps_with(x->a, &x->agent->caps, "CAP_SYS_NICE"), e);
}

/* ---- environment ---- */

int apply_environment(struct apply *x, struct err *e)
{
	const spec_hooks_list *hooks = x->out->hooks ? &x->out->hooks->start_container : NULL;

	(void)e;
	x->agent->env = arena_strdup(x->a, policy_text(x->p, FIELD_ENV));
	x->agent->env_allow = policy_list(x->a, x->p, FIELD_ENV_ALLOW);
	x->agent->env_deny = policy_list(x->a, x->p, FIELD_ENV_DENY);
	if (x->out->process)
		env_scrub(x->a, x->agent, &x->out->process->env, &x->agent->env_dropped,
			  &x->agent->changes);
	/* These hooks are processes of the container: their environments show in its /proc. */
	for (size_t i = 0; hooks && i < hooks->n; i++)
		env_scrub(x->a, x->agent, &hooks->v[i].env, &x->agent->env_dropped,
			  &x->agent->changes);
	return 0;
}

/* ---- what joins later ---- */

int policy_apply_process(struct arena *a, const struct spec_agent *agent,
			 struct spec_process *process, struct strv *dropped, struct err *e)
{
	struct strv gone = { 0 };
	const char *asked;

	env_scrub(a, agent, &process->env, dropped, NULL);
	asked = cap_process(a, &agent->caps, process, &gone);
	if (asked)
		return refuse(e, agent_say(a, agent, "caps", safe_list(a, &agent->caps)),
			      capset_is_network_escape(asked) && !str_equal(agent->egress, "open") ?
				      "create the container with egress=open and caps that name it" :
				      "create the container with caps that name it",
			      "capability %s (exec --cap or --privileged)", asked);
	process->no_new_privileges = true;
	return check_scheduling(a, agent, process,
				"create the container with caps that name CAP_SYS_NICE", e);
}

int policy_refuse_descriptors(struct arena *a, const struct spec_agent *agent, unsigned sockets,
			      unsigned others, struct err *e)
{
	if (!agent)
		return 0;
	if (sockets && !str_equal(agent->egress, "open"))
		return refuse(e, agent_say(a, agent, "egress",
					   agent->egress ? agent->egress : "none"),
			      "have no socket unit start it, or let egress be open",
			      "%u sockets of the host's (LISTEN_FDS)", sockets);
	if (others)
		return refuse(e, always(a, agent),
			      "leave --preserve-fds out; mounts.allow and egress.allow name what it may "
			      "reach", "%u descriptors of the caller's (--preserve-fds)", others);
	return 0;
}
