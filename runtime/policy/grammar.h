/* SPDX-License-Identifier: Apache-2.0 */
/*
 * grammar: the values that fields of a policy may have, from text to a
 * canonical text and to numbers.  The same grammar serves annotations, profile
 * files and the host policy.  Pure: no I/O.
 *
 * Each parser says in e what is wrong with the text, not where the text stands.
 */
#pragma once

#include "base/err.h"
#include "spec/spec.h"

enum grammar_flags {
	GRAMMAR_CEILING = 1,		/* an item of the host policy's `allow`: patterns may be used */
	GRAMMAR_NO_REASON = 2,		/* a destination needs no reason */
};

/* "512m" -> bytes; k, m, g, t are powers of 1024. */
int grammar_size(const char *text, uint64_t *ret, struct err *e);
/* "1h30m" -> seconds; s, m, h, d. */
int grammar_time(const char *text, uint64_t *ret, struct err *e);
/* "1.5" -> thousandths of a processor. */
int grammar_cpu(const char *text, uint64_t *ret, struct err *e);
int grammar_count(const char *text, uint64_t *ret, struct err *e);

int grammar_name(const char *text, struct err *e);		/* a profile, a credential */
int grammar_container_path(const char *text, struct err *e);	/* absolute and normal */
int grammar_relative_path(const char *text, struct err *e);	/* normal, stays beneath */
int grammar_pattern(const char *text, struct err *e);		/* fnmatch, relative */
int grammar_env_name(const char *text, struct err *e);		/* fnmatch over a name */
int grammar_label(const char *key, const char *text, struct err *e);

/* "cap_chown" or "CHOWN" -> "CAP_CHOWN". */
int grammar_cap(struct arena *a, const char *text, char **ret, struct err *e);

/* SOURCE[:DEST][:ro] */
struct allowed_mount {
	char *source;
	char *destination;	/* NULL: anywhere */
	bool read_only;
};
int grammar_mount(struct arena *a, const char *text, struct allowed_mount *ret, struct err *e);

/* HOST-or-CIDR:PORT[-PORT][/udp] (reason) */
int grammar_egress(struct arena *a, const char *text, unsigned flags, struct spec_egress_rule *ret,
		   struct err *e);
/* The canonical text, with the reason where `reason` is true. */
char *grammar_egress_text(struct arena *a, const struct spec_egress_rule *r, bool reason);
/* Whether the ceiling's item lets the rule pass. */
bool grammar_egress_covers(const struct spec_egress_rule *ceiling,
			   const struct spec_egress_rule *rule);

/* "8080" or "8080/udp": a port of the container's own. */
int grammar_port(const char *text, uint64_t *ret, struct err *e);

/* Whether path is `root` or lies beneath it. */
bool path_is_beneath(const char *path, const char *root);
