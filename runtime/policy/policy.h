/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy: what the caller asks for (annotations, --profile), what the
 * administrator allows and requires (the host policy), and the effective
 * specification that results (DESIGN section 4).
 *
 * One table of fields (policy/fields.c) drives annotations, profile files, the
 * host policy, explain, the JSON Schema and the manual.  An unknown key, a
 * bad value and a contradiction are three different errors, and each fails
 * create.  policy_apply() is a pure function: no I/O, every input an argument.
 * Annotations are known here and nowhere else.
 */
#pragma once

#include "base/err.h"
#include "policy/facts.h"
#include "spec/spec.h"

struct policy;			/* the merged fields, each with its origin */

struct policy_options {
	const char *profile;	/* the global option --profile, NULL if not given */
	const char *host_policy;	/* path, NULL: /etc/agentrun/policy.json, or built-in where absent */
	bool rootless;
};

/*
 * Reads the host policy and the profile that the annotations, the option or
 * the host policy select, and merges.  *ret is NULL for plain OCI.  Files
 * must be owned by root (rootless: or by the user) and not writable by others.
 */
int policy_load(struct arena *a, const struct spec *s, const struct policy_options *o,
		struct policy **ret, struct err *e);

/* The effective specification, with its agent block.  `in` stays as it is.  What cannot be had within the
 * policy is refused with the three lines of DESIGN section 4. */
int policy_apply(struct arena *a, const struct spec *in, const struct policy *p,
		 struct facts *facts, struct spec **out, struct err *e);

/*
 * A process that joins later (exec): its environment scrubbed, its capabilities
 * capped, no_new_privs forced, user and cwd kept.  Works on the stored agent
 * block alone: a policy is never evaluated again.  Dropped names are added to
 * `dropped`.  A privileged request beyond the cap is narrowed? No: refused only
 * if asked by name; the engine's default set is capped.
 */
int policy_apply_process(struct arena *a, const struct spec_agent *agent,
			 struct spec_process *process, struct strv *dropped, struct err *e);

/* `agentrun policy explain`: the effective specification's differences and reasons, for people. */
void policy_explain(const struct policy *p, const struct spec *in, const struct spec *out,
		    struct str *text);
/* `agentrun policy check FILE`: a profile or a host policy. */
int policy_check_file(struct arena *a, const char *path, struct err *e);
