/* SPDX-License-Identifier: Apache-2.0 */
/*
 * configure: what registering agentrun changes in each engine's configuration.
 *
 * Each engine has one function that computes the change of one file and does
 * not write.  A file that is malformed, or that says something else about
 * agentrun than `configure` would, is refused.  Must not start or signal an
 * engine.
 */
#pragma once

#include "cli/change.h"

struct registration {
	const char *etc;	/* "/etc", or the user's or the caller's directory in its place */
	const char *program;	/* absolute */
	const char *profile;
	/* The same program by the name "agentrun@PROFILE", for engines that pass no arguments. */
	const char *link;
	bool remove;
};

/* Text for people, appended to `say`. */
int configure_docker(struct arena *a, const struct registration *r, struct change *ret,
		     struct str *say, struct err *e);
int configure_podman(struct arena *a, const struct registration *r, struct change *ret,
		     struct str *say, struct err *e);
int configure_containerd(struct arena *a, const struct registration *r, struct change *ret,
			 struct str *say, struct err *e);
