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
 *
 * The order of calls: policy_load, facts_gather, policy_apply, facts_close.
 * A refusal's text has three lines and begins with "refused: "; nothing may
 * be put before it but the program's name.
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

/* The text of a profile, from where policy_load() takes it. */
int policy_profile(struct arena *a, const char *name, bool rootless, const struct json **ret,
		   struct err *e);

/*
 * The effective specification, with its agent block.  `in` stays as it is.
 * Descriptors of judged mounts move from the facts to *out.  What cannot be
 * had within the policy is refused with the three lines of DESIGN section 4.
 */
int policy_apply(struct arena *a, const struct spec *in, const struct policy *p,
		 struct facts *facts, struct spec **out, struct err *e);

/*
 * A process that joins later (exec): its environment scrubbed, its capabilities
 * capped, no_new_privs forced, user and cwd kept; how it is scheduled must not
 * need a capability that the container may not have.  Works on the stored agent
 * block alone: a policy is never evaluated again.  Dropped names are added to
 * `dropped`.  Capabilities of the engines' default set are capped; one beyond
 * both that set and the cap was asked for by name (or by --privileged), and is
 * refused.
 */
int policy_apply_process(struct arena *a, const struct spec_agent *agent,
			 struct spec_process *process, struct strv *dropped, struct err *e);

/*
 * Limits that are changed later (update): within what the host policy bounds, as the agent block of
 * the effective specification has it; the rules of devices stay as they are, and leave r.
 */
int policy_apply_resources(struct arena *a, const struct spec *s, struct spec_resources *r,
			   struct err *e);

/*
 * What a caller's descriptor opens (a directory of the host's, a connected socket) is known to nobody:
 * under a policy none is handed over, at create and at exec; of systemd's sockets none while egress is
 * not open, as connect(2) turns a listening socket into one that calls out, from the host's network.
 * agent NULL: no policy.
 */
int policy_refuse_descriptors(struct arena *a, const struct spec_agent *agent, unsigned sockets,
			      unsigned others, struct err *e);

/*
 * Why a numeric address is never a destination (loopback, link-local with the
 * metadata services, multicast, ...), NULL if it may be one.  For addresses
 * that a name resolved to, too (THREATS C14).  `name_rule`: the address came
 * from resolving a name, where private addresses are refused as well, since
 * whoever owns the name could point it at the host's own network.
 */
const char *policy_address_refused(const char *address, bool name_rule);

/* `agentrun policy explain`: the effective specification's differences and reasons, for people. */
void policy_explain(const struct policy *p, const struct spec *in, const struct spec *out,
		    struct str *text);
void policy_explain_json(const struct policy *p, const struct spec *out, struct json_writer *w);
/* `agentrun policy check FILE`: a profile or a host policy; *ret_kind says which. */
int policy_check_file(struct arena *a, const char *path, const char **ret_kind, struct err *e);
/* `agentrun policy schema`: JSON Schema of both kinds of file. */
void policy_schema(struct json_writer *w);
