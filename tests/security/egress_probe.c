/* SPDX-License-Identifier: Apache-2.0 */
/*
 * egress_probe: calls sandbox/egress in the caller's network namespace, with
 * the agent block taken from the command line, so that the table can be
 * attacked without the rest of the runtime.
 *
 *	egress_probe install [OPTION...] [-- COMMAND...]
 *	egress_probe read [NETNS-PATH]		evidence as JSON lines
 *	egress_probe time [OPTION...]		microseconds of each of 20 installations
 *
 *	--mode none|allow|open  --digest TEXT  --profile NAME  --publish PORT
 *	--allow "HOST PROTOCOL FIRST LAST REASON..."
 *	--name "NAME ADDRESS PROTOCOL FIRST LAST REASON..."	a resolved name
 *	--no-log		fails the first log rule as a kernel without nft_log does
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/nl.h"
#include "sandbox/egress.h"

/* Linked with --wrap=nl_commit. */
int __real_nl_commit(struct nl *n, const struct nl_batch *b, unsigned subsystem, size_t *ret_failed,
		     struct err *e);
int __wrap_nl_commit(struct nl *n, const struct nl_batch *b, unsigned subsystem, size_t *ret_failed,
		     struct err *e);

static bool without_log;

int __wrap_nl_commit(struct nl *n, const struct nl_batch *b, unsigned subsystem, size_t *ret_failed,
		     struct err *e)
{
	for (size_t i = 0; without_log && i < b->n; i++)
		if (strstr(b->what[i], "log group")) {
			*ret_failed = i + 1;
			return err_set(e, ENOENT, "%s", b->what[i]);
		}
	return __real_nl_commit(n, b, subsystem, ret_failed, e);
}

static void die(const char *text)
{
	fprintf(stderr, "egress_probe: %s\n", text);
	exit(2);
}

static char *word(char **rest)
{
	char *w = strsep(rest, " ");

	if (!w)
		die("too few words in a rule");
	return w;
}

static void add_rule(struct arena *a, struct spec_agent *agent, const char *text, bool is_name)
{
	struct spec_egress_rule *v =
		arena_array(a, struct spec_egress_rule, agent->egress_allow.n + 1);
	struct spec_egress_rule *r = &v[agent->egress_allow.n];
	char *rest = arena_strdup(a, text);

	if (agent->egress_allow.n)
		memcpy(v, agent->egress_allow.v, agent->egress_allow.n * sizeof *v);
	r->host = word(&rest);
	r->is_name = is_name;
	if (is_name)
		strv_add(a, &r->addresses, word(&rest));
	r->protocol = word(&rest);
	r->port_first = strtoull(word(&rest), NULL, 10);
	r->port_last = strtoull(word(&rest), NULL, 10);
	r->reason = rest;
	agent->egress_allow.v = v;
	agent->egress_allow.n++;
}

static void add_port(struct arena *a, struct spec_agent *agent, const char *text)
{
	uint64_t *v = arena_array(a, uint64_t, agent->published_ports.n + 1);

	if (agent->published_ports.n)
		memcpy(v, agent->published_ports.v, agent->published_ports.n * sizeof *v);
	v[agent->published_ports.n++] = strtoull(text, NULL, 10);
	agent->published_ports.v = v;
}

/* Returns where the command after "--" starts. */
static char **parse(struct arena *a, struct spec_agent *agent, char **argv)
{
	for (; *argv && strcmp(*argv, "--"); argv++) {
		if (!strcmp(*argv, "--no-log")) {
			without_log = true;
			continue;
		}
		if (!argv[1])
			die("option without value");
		if (!strcmp(*argv, "--mode"))
			agent->egress = *++argv;
		else if (!strcmp(*argv, "--digest"))
			agent->policy_digest = *++argv;
		else if (!strcmp(*argv, "--profile"))
			agent->profile = *++argv;
		else if (!strcmp(*argv, "--publish"))
			add_port(a, agent, *++argv);
		else if (!strcmp(*argv, "--allow"))
			add_rule(a, agent, *++argv, false);
		else if (!strcmp(*argv, "--name"))
			add_rule(a, agent, *++argv, true);
		else
			die("unknown option");
	}
	return *argv ? argv + 1 : argv;
}

static int read_evidence(struct arena *a, const char *path, struct err *e)
{
	owned_fd netns = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	struct egress_evidence v;
	int r;

	if (path && netns < 0)
		return err_set(e, errno, "open %s", path);
	r = egress_read(a, netns, &v, e);
	if (r < 0)
		return r;
	printf("{\"denied\": %llu, \"unrecorded\": %llu, \"forwarded\": %llu, "
	       "\"inbound_denied\": %llu, \"truncated\": %s}\n",
	       v.denied_packets, v.unrecorded_packets, v.forwarded_packets,
	       v.inbound_denied_packets, v.truncated ? "true" : "false");
	for (size_t i = 0; i < v.destinations.n; i++) {
		struct egress_count *c = &v.destinations.v[i];

		printf("{\"verdict\": \"%s\", \"address\": \"%s\", \"protocol\": \"%s\", "
		       "\"port\": %u, \"packets\": %llu, \"bytes\": %llu}\n",
		       egress_verdict_names[c->verdict], c->address, c->protocol, c->port,
		       c->packets, c->bytes);
	}
	return 0;
}

/* Each in a network namespace of its own, as in a container that starts. */
static int time_installs(const struct spec_agent *agent, struct err *e)
{
	for (int i = 0; i < 20; i++) {
		struct timespec from, to;
		int r;

		if (unshare(CLONE_NEWNET) < 0)
			return err_set(e, errno, "unshare");
		clock_gettime(CLOCK_MONOTONIC, &from);
		r = egress_install(agent, -1, e);
		clock_gettime(CLOCK_MONOTONIC, &to);
		if (r < 0)
			return r;
		printf("%ld\n", (to.tv_sec - from.tv_sec) * 1000000 +
				(to.tv_nsec - from.tv_nsec) / 1000);
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct spec_agent agent = { .egress = "allow",
				    .policy_digest = "sha256:test",
				    .profile = "agent" };
	owned_arena a = ARENA_INIT;
	struct err e = { 0 };
	char **command;
	int r;

	if (argc < 2)
		die("install, read or time?");
	if (!strcmp(argv[1], "read")) {
		r = read_evidence(&a, argv[2], &e);
		goto out;
	}
	command = parse(&a, &agent, argv + 2);
	r = !strcmp(argv[1], "time") ? time_installs(&agent, &e) : egress_install(&agent, -1, &e);
	if (r >= 0)
		r = egress_loopback_up(&e);
	if (r >= 0 && *command) {
		execvp(*command, command);
		r = err_set(&e, errno, "run %s", *command);
	}
out:
	if (r < 0)
		fprintf(stderr, "%s\n", e.text);
	return r < 0 ? 1 : 0;
}
