/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/record.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

#include "audit/chain.h"
#include "audit/redact.h"
#include "base/json.h"

static void put_safe(struct json_writer *w, const char *key, const char *text)
{
	owned_str redacted = STR_INIT;

	if (text)
		redact_text(text, &redacted);
	json_field(w, key, text ? redacted.s : NULL);
}

static void put_number(struct json_writer *w, const char *key, int64_t v)
{
	json_key(w, key);
	if (v < 0)
		json_put_null(w);
	else
		json_put_i64(w, v);
}

static void put_list(struct json_writer *w, const char *key, const struct strv *v)
{
	static const struct strv none;

	json_field_strv(w, key, v ? v : &none);
}

static void put_time(struct json_writer *w, const char *key, int64_t ns)
{
	const struct timespec t = { .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };
	char text[CHAIN_TIME];

	if (ns > 0)
		chain_time_of(&t, text);
	json_field(w, key, ns > 0 ? text : NULL);
}

static void put_exit(struct json_writer *w, int code, int signal)
{
	put_number(w, "process.exit.code", code);
	put_number(w, "process.exit.signal", signal);
}

static void put_process(struct json_writer *w, const struct audit_process *p)
{
	owned_arena a = ARENA_INIT;
	const struct strv args = redact_args(&a, p->args);

	put_list(w, "process.command_args", &args);
	json_field(w, "process.working_directory", p->cwd);
	put_number(w, "process.user.id", p->uid);
	put_number(w, "process.group.id", p->gid);
	put_number(w, "process.pid", p->pid);
	json_field_bool(w, "process.interactive", p->terminal);
}

static void put_egress(struct json_writer *w, const struct audit_policy *p)
{
	json_key(w, "egress");
	json_open(w);
	json_field(w, "mode", p->egress);
	json_key(w, "rules");
	json_open_array(w);
	for (size_t i = 0; i < p->n_egress_rules; i++) {
		const struct audit_egress_rule *rule = &p->egress_rules[i];

		json_open(w);
		json_field(w, "server.address", rule->host);
		json_field_u64(w, "port_first", rule->port_first);
		json_field_u64(w, "port_last", rule->port_last);
		json_field(w, "network.transport", rule->protocol);
		put_safe(w, "reason", rule->reason);
		put_list(w, "resolved", rule->addresses);
		json_close(w);
	}
	json_close_array(w);
	json_close(w);
}

static void put_workspace(struct json_writer *w, const struct audit_policy *p)
{
	json_key(w, "workspace");
	if (!p->workspace_destination) {
		json_put_null(w);
		return;
	}
	json_open(w);
	json_field(w, "source", p->workspace_source);
	json_field(w, "destination", p->workspace_destination);
	json_field(w, "mode", p->workspace_mode);
	json_field(w, "owner", p->workspace_owner);
	put_list(w, "guard", p->workspace_guard);
	put_list(w, "mask", p->workspace_mask);
	json_close(w);
}

static void put_policy(struct json_writer *w, const struct audit_policy *p)
{
	json_key(w, "policy");
	if (!p) {
		json_put_null(w);
		return;
	}
	json_open(w);
	json_field(w, "profile", p->profile);
	json_field(w, "digest", p->digest);
	json_field(w, "audit_mode", p->audit_mode);
	put_workspace(w, p);
	put_egress(w, p);
	json_key(w, "ingress");
	json_open_array(w);
	for (size_t i = 0; i < p->n_ingress; i++)
		json_put_u64(w, p->ingress[i]);
	json_close_array(w);
	json_key(w, "env");
	json_open(w);
	json_field(w, "mode", p->env);
	put_list(w, "dropped", p->env_dropped);
	json_close(w);
	put_list(w, "credentials", p->credentials);
	put_list(w, "capabilities", p->caps);
	json_field(w, "seccomp", p->seccomp);
	json_field_bool(w, "no_new_privileges", p->no_new_privileges);
	put_list(w, "changes", p->changes);
	json_close(w);
	json_key(w, "claims");
	json_open(w);
	for (size_t i = 0; p->labels && i < p->labels->n; i++)
		put_safe(w, p->labels->v[i].key, p->labels->v[i].value);
	json_close(w);
}

void audit_record_create(const struct audit_create *c, struct str *ret_members)
{
	struct json_writer *w = json_writer_new(false);
	char host[256] = "";

	gethostname(host, sizeof host - 1);
	json_open(w);
	json_field(w, "host.name", host);
	json_field(w, "container.runtime.name", "agentrun");
	json_field(w, "container.runtime.version", c->version);
	json_field(w, "sandbox", AUDIT_SANDBOX);
	json_field(w, "engine", c->engine);
	json_field(w, "container.image.name", c->image);
	json_field(w, "bundle", c->bundle);
	json_field(w, "rootfs", c->rootfs);
	put_number(w, "caller.uid", c->caller_uid);
	put_number(w, "caller.login_uid", c->caller_login_uid);
	put_process(w, &c->process);
	json_key(w, "mounts");
	json_open_array(w);
	for (size_t i = 0; i < c->n_mounts; i++) {
		json_open(w);
		json_field(w, "source", c->mounts[i].source);
		json_field(w, "destination", c->mounts[i].destination);
		json_field_bool(w, "writable", c->mounts[i].writable);
		json_close(w);
	}
	json_close_array(w);
	put_policy(w, c->policy);
	json_close(w);
	json_writer_end(w, ret_members);
}

const char *audit_image_of(const struct kvs *annotations)
{
	static const char *const keys[] = {
		"org.opencontainers.image.ref.name", "io.podman.annotations.image",
		"io.kubernetes.cri.image-name", "io.kubernetes.cri-o.ImageName",
		"org.opencontainers.image.title",
	};

	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		const char *image = kvs_get(annotations, keys[i]);

		if (image && *image)
			return image;
	}
	return NULL;
}

/* A guess from what each engine leaves in a bundle; a claim, no proof. */
const char *audit_engine_of(const struct kvs *annotations, const char *bundle)
{
	static const struct {
		const char *annotation, *path, *engine;
	} signs[] = {
		{ "io.kubernetes.cri-o.ContainerID", "/crio/", "cri-o" },
		{ "io.kubernetes.cri.container-type", "/io.containerd.runtime.v2.task/k8s.io/",
		  "containerd-cri" },
		{ NULL, "/io.containerd.runtime.v2.task/moby/", "docker" },
		{ NULL, "/moby/", "docker" },
		{ NULL, "/docker/", "docker" },
		{ NULL, "/io.containerd.runtime.v2.task/", "containerd" },
		{ "io.podman.annotations.autoremove", "/overlay-containers/", "podman" },
		{ "io.container.manager", "/vfs-containers/", "podman" },
	};

	for (size_t i = 0; i < sizeof signs / sizeof *signs; i++)
		if ((signs[i].annotation && kvs_get(annotations, signs[i].annotation)) ||
		    (bundle && strstr(bundle, signs[i].path)))
			return signs[i].engine;
	return NULL;
}

void audit_record_start(const struct audit_start *s, struct str *ret_members)
{
	struct json_writer *w = json_writer_new(false);

	json_open(w);
	put_number(w, "process.pid", s->pid);
	json_close(w);
	json_writer_end(w, ret_members);
}

void audit_record_exec(const struct audit_exec *x, struct str *ret_members)
{
	struct json_writer *w = json_writer_new(false);

	json_open(w);
	put_process(w, &x->process);
	put_list(w, "env.dropped", x->env_dropped);
	json_close(w);
	json_writer_end(w, ret_members);
}

void audit_record_exit(const struct audit_exit *x, struct str *ret_members)
{
	struct json_writer *w = json_writer_new(false);

	json_open(w);
	put_exit(w, x->exit_code, x->exit_signal);
	put_time(w, "exit_time", x->exit_ns);
	json_field(w, "source", x->source);
	json_field(w, "exit_reason", x->exit_reason);
	json_close(w);
	json_writer_end(w, ret_members);
}

/*
 * An agent decides how many files it changes and how long their names are.  A line has room for some
 * hundreds; the writer stops well before a record that no reader takes (JSON_MOST), which would be lost
 * as a whole, and says how many it left out.
 */
enum { LIST_MOST = 256 << 10 };		/* bytes of such a list */

static size_t put_change(struct json_writer *w, const struct audit_change *c, bool found)
{
	json_open(w);
	put_safe(w, "path", c->path);
	json_field(w, "kind", c->kind);
	json_field(w, "sha256", c->sha256 && *c->sha256 ? c->sha256 : NULL);
	if (found) {
		json_field_u64(w, "size", c->size);
		json_field(w, "runs", c->runs);
	}
	json_close(w);
	return 200 + (c->path ? strlen(c->path) : 0);
}

void audit_record_apply(const struct audit_apply *x, struct str *ret_members)
{
	struct json_writer *w = json_writer_new(false);
	size_t size = 0, n = 0;

	json_open(w);
	json_field(w, "workspace.source", x->source);
	json_field(w, "changes.digest", x->digest);
	put_number(w, "caller.uid", x->caller_uid);
	json_key(w, "applied");
	json_open_array(w);
	for (; n < x->n && size < LIST_MOST; n++)
		size += put_change(w, &x->applied[n], false);
	json_close_array(w);
	json_field_u64(w, "omitted", x->n - n);
	json_close(w);
	json_writer_end(w, ret_members);
}

static void put_commands(struct json_writer *w, const struct audit_commands *c)
{
	json_key(w, "commands");
	if (!c) {
		json_put_null(w);
		return;
	}
	json_open(w);
	json_field(w, "source", c->source);
	json_field_u64(w, "recorded", c->recorded);
	json_field_u64(w, "lost", c->lost);
	json_field(w, "reason", c->reason);
	json_close(w);
}

bool audit_is_git(const char *path)
{
	for (const char *p = path; p && (p = strstr(p, ".git/")); p++)
		if (p == path || p[-1] == '/')
			return true;
	return false;
}

static void put_files(struct json_writer *w, const struct audit_files *f)
{
	static const char *const kinds[] = { "added", "modified", "deleted", "mode", "type" };
	size_t size = 0, written = 0;
	uint64_t git = 0;

	json_key(w, "files");
	if (!f) {
		json_put_null(w);
		return;
	}
	json_open(w);
	json_field(w, "source", f->source);
	json_field(w, "reason", f->reason);
	json_field(w, "digest", f->digest);
	for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
		uint64_t n = 0;

		for (size_t i = 0; i < f->n; i++)
			n += str_equal(f->changes[i].kind, kinds[k]);
		json_field_u64(w, kinds[k], n);
	}
	for (size_t i = 0; i < f->n; i++)
		git += !f->changes[i].runs && audit_is_git(f->changes[i].path);
	json_field_u64(w, "git", git);
	json_key(w, "changes");
	json_open_array(w);
	/* what may run code on the host is not what gets lost, nor is it what git keeps that stays */
	for (int pass = 0; pass < 3; pass++) {
		for (size_t i = 0; i < f->n && size < LIST_MOST; i++) {
			const struct audit_change *c = &f->changes[i];

			if (pass != (c->runs ? 0 : audit_is_git(c->path) ? 2 : 1))
				continue;
			size += put_change(w, &f->changes[i], true);
			written++;
		}
	}
	json_close_array(w);
	json_field_u64(w, "omitted", f->n - written);
	json_close(w);
}

static void put_installs(struct json_writer *w, const struct audit_install *installs, size_t n)
{
	size_t size = 0;

	json_key(w, "installs");
	json_open_array(w);
	for (size_t i = 0; i < n && size < LIST_MOST; i++) {
		owned_arena a = ARENA_INIT;
		const struct strv packages = redact_args(&a, installs[i].packages);

		json_open(w);
		json_field(w, "ecosystem", installs[i].ecosystem);
		json_field(w, "action", installs[i].action);
		put_list(w, "packages", &packages);
		size += 200 * (1 + packages.n);
		json_field(w, "evidence", installs[i].evidence);
		put_safe(w, "path", installs[i].path);
		json_close(w);
	}
	json_close_array(w);
}

/* What this record cannot tell: said in each delete record, so that none is read as more. */
static void put_unseen(struct json_writer *w, const struct audit_delete *d)
{
	const char *commands = d->commands ? d->commands->source : NULL;

	json_key(w, "unseen");
	json_open_array(w);
	if (!commands)
		json_put_string(w, "commands that processes of the container started themselves, shell "
				"built-ins, and forks");
	else
		json_put_string(w, "shell built-ins, and forks that executed nothing");
	if (str_equal(commands, "acct"))
		json_put_string(w, "arguments of commands: the kernel's accounting keeps the beginning of "
				"a program's name");
	if (str_equal(commands, "claimed"))
		json_put_string(w, "whether commands got the arguments that are recorded: these are what "
				"the process showed when it asked");
	json_put_string(w, "what was read or sent within an allowed connection");
	if (!d->files || !d->files->source)
		json_put_string(w, "which files were changed");
	if (d->files && str_equal(d->files->source, "statx"))
		json_put_string(w, "who changed the files: the host's processes may write to the workspace, "
				"too");
	json_close_array(w);
}

static void put_network(struct json_writer *w, const struct audit_network *n)
{
	json_key(w, "network");
	if (!n) {
		json_put_null(w);
		return;
	}
	json_open(w);
	json_key(w, "destinations");
	json_open_array(w);
	for (size_t i = 0; i < n->n; i++) {
		const struct audit_destination *d = &n->destinations[i];

		json_open(w);
		json_field(w, "verdict", d->verdict);
		json_field(w, "server.address", d->address);
		put_number(w, "server.port", d->port ? (int64_t)d->port : -1);
		json_field(w, "network.transport", d->protocol);
		json_field_u64(w, "packets", d->packets);
		json_field_u64(w, "bytes", d->bytes);
		json_close(w);
	}
	json_close_array(w);
	json_field_u64(w, "denied_packets", n->denied_packets);
	json_field_u64(w, "unrecorded_packets", n->unrecorded_packets);
	json_field_u64(w, "forwarded_packets", n->forwarded_packets);
	json_field_u64(w, "inbound_denied_packets", n->inbound_denied_packets);
	json_field_bool(w, "truncated", n->truncated);
	json_close(w);
}

void audit_record_delete(const struct audit_delete *d, struct str *ret_members)
{
	struct json_writer *w = json_writer_new(false);

	json_open(w);
	put_exit(w, d->exit_code, d->exit_signal);
	json_field(w, "exit_reason", d->exit_reason);
	put_number(w, "duration_ns", d->duration_ns);
	json_key(w, "cost");
	json_open(w);
	put_number(w, "cpu_usec", d->cpu_usec);
	put_number(w, "memory_peak_bytes", d->memory_peak);
	put_number(w, "io_read_bytes", d->io_read_bytes);
	put_number(w, "io_write_bytes", d->io_write_bytes);
	put_number(w, "oom_kills", d->oom_kills);
	json_close(w);
	json_field(w, "cost_reason", d->cost_reason);
	put_network(w, d->network);
	json_field(w, "network_reason", d->network_reason);
	put_commands(w, d->commands);
	put_files(w, d->files);
	put_installs(w, d->installs, d->n_installs);
	if (d->unseen)
		json_field_strv(w, "unseen", d->unseen);
	else
		put_unseen(w, d);
	json_close(w);
	json_writer_end(w, ret_members);
}

void audit_record_hook(const struct audit_hook *h, struct str *ret_members)
{
	struct json_writer *w = json_writer_new(false);

	json_open(w);
	json_field(w, "hook.path", h->path);
	json_field(w, "hook.event", h->event);
	json_field(w, "hook.outcome", h->outcome);
	put_safe(w, "hook.detail", h->detail);
	json_field_bool(w, "hook.required", h->required);
	json_close(w);
	json_writer_end(w, ret_members);
}
