/* SPDX-License-Identifier: Apache-2.0 */
/*
 * internal: what the files of policy/ share and nobody else sees: the merged
 * policy, the host policy, refusals, and the built-in copies of profiles/.
 */
#pragma once

#include "policy/fields.h"
#include "policy/policy.h"

#define HOST_POLICY "/etc/agentrun/policy.json"
#define PROFILE_NONE "none"
enum { OVERFLOW_UID = 65534 };	/* what a user namespace shows for ids that it does not map */

struct host_policy {
	const char *path;		/* NULL: there is none, the built-in ceiling holds */
	struct origin origin;
	char *default_profile;
	struct value allow[FIELD_COUNT];	/* ceilings; label is never set */
	struct value require[FIELD_COUNT];
	struct strv engine_roots;	/* besides the built-in ones */
	bool reasons_optional;		/* "egress.reasons": "optional" */
	bool may_be_privileged;		/* exceptions of the list of what is always refused */
	struct strv may_namespaces, may_devices, may_sources;
	VEC(struct spec_audit_hook) audit_hooks;
	struct strv credentials;	/* the names that are defined */
};

struct policy {
	const char *profile;		/* the base profile's name */
	struct origin selected_by;	/* what named it */
	struct origin profile_origin;
	struct value v[FIELD_COUNT];
	struct host_policy host;
	struct strv engine_roots;	/* all of them, as named */
	const struct json_text *seccomp;	/* the filter's content; NULL: the engine's alone */
	bool rootless;
	struct strv changes;		/* what the host policy added */
};

/* The text of a field that is no list, NULL if unset. */
const char *policy_text(const struct policy *p, enum field_id id);
/* "mounts=workspace-only (profile agent)", for the second line of a refusal. */
char *policy_say(struct arena *a, const struct policy *p, enum field_id id);
/* The texts of a list. */
struct strv policy_list(struct arena *a, const struct policy *p, enum field_id id);
/* Where the administrator's exceptions are written. */
const char *policy_host_path(const struct policy *p);

/* The three lines: what, why, what to do.  -EPERM. */
int refuse(struct err *e, const char *policy, const char *remedy, const char *what_fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* Its second line where no field decides: "always refused under a policy (profile agent)". */
char *always(struct arena *a, const struct spec_agent *agent);
/* policy_say() of the stored block, which keeps no origins: "caps=CAP_KILL (profile agent)". */
char *agent_say(struct arena *a, const struct spec_agent *agent, const char *field,
		const char *value);
/* A third line: "the administrator adds ... in /etc/agentrun/policy.json". */
char *exception(struct arena *a, const struct policy *p, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* "A, B"; safe to print. */
char *safe_list(struct arena *a, const struct strv *list);
/* Text from outside, safe to print. */
char *safe_text(struct arena *a, const char *text);
/* One line of agent->changes. */
void note(struct arena *a, struct spec_agent *agent, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* What policy_apply() works on; its steps are in the files that know the matter. */
struct apply {
	struct arena *a;
	const struct spec *in;
	const struct policy *p;
	struct facts *facts;
	struct spec *out;
	struct spec_agent *agent;	/* out's, its profile set before all else */
};
bool egress_is_open(const struct policy *p);
/* The annotation that opens egress, with `more` behind it. */
char *open_egress(const struct apply *x, const char *more);
/* process.c */
int apply_caps(struct apply *x, struct err *e);
int apply_no_new_privs(struct apply *x, struct err *e);
int apply_scheduling(struct apply *x, struct err *e);
int apply_environment(struct apply *x, struct err *e);
/* devices.c */
int apply_privileged(struct apply *x, struct err *e);
int apply_devices(struct apply *x, struct err *e);
bool same_devices(const struct spec_resources *a, const struct spec_resources *b);
/* limits.c */
int apply_limits(struct apply *x, struct err *e);
/* mounts.c: every entry of out->mounts judged, the workspace found, descriptors taken. */
int apply_mounts(struct apply *x, struct err *e);

/* published.c: the ports that the engine publishes, into f->published. */
void find_published(struct arena *a, const struct spec *s, struct facts *f);

/* builtin.c, made from profiles/ by the build. */
struct builtin_file {
	const char *name;		/* "agent.json", "seccomp/agent.json" */
	const char *text;
	unsigned size;
};
extern const struct builtin_file builtin_files[];	/* ends with a NULL name */

extern const char *const builtin_engine_roots[];
/* load.c: a profile, and the host policy's `allow` (GRAMMAR_CEILING) and `require`. */
int parse_profile(struct arena *a, const struct json *tree, const char *what, unsigned flags,
		  const struct origin *from, struct value *ret, struct err *e);
/* What in a profile, or a host policy, would refuse every container that it holds for. */
int check_profile(struct arena *a, const struct value *v, const char *what, bool rootless,
		  struct err *e);
int check_host_policy(struct arena *a, const struct host_policy *h, bool rootless, struct err *e);
/* host.c */
extern const char *const exception_namespaces[], *const audit_events[];	/* each ends with NULL */
int parse_host_policy(struct arena *a, const struct json *tree, const char *what,
		      struct host_policy *ret, struct err *e);
