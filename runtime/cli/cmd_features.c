/* SPDX-License-Identifier: Apache-2.0 */
/* features: what this build supports (features.md), printed from the tables that act on it */
#include <errno.h>

#include "config.h"

#include "cli/cli.h"
#include "policy/fields.h"
#include "sandbox/caps.h"
#include "sandbox/mountopt.h"
#include "sandbox/ns.h"
#include "sandbox/seccomp.h"
#include "spec/fields.h"

#ifdef HAVE_SYSTEMD
#define WITH_SYSTEMD true
#else
#define WITH_SYSTEMD false
#endif

static void list(struct json_writer *w, const char *key, const char *const *names)
{
	json_key(w, key);
	json_open_array(w);
	for (; *names; names++)
		json_put_string(w, *names);
	json_close_array(w);
}

static void namespaces(struct json_writer *w)
{
	json_key(w, "namespaces");
	json_open_array(w);
	for (int i = 0; i < NS_KINDS; i++)
		json_put_string(w, ns_kinds[i].oci);
	json_close_array(w);
}

/* Those that libcap has a name for, whatever this kernel knows: of the build, not of the host. */
static void capabilities(struct json_writer *w)
{
	const char *name;

	json_key(w, "capabilities");
	json_open_array(w);
	for (int i = 0; (name = caps_name(i)); i++)
		json_put_string(w, name);
	json_close_array(w);
}

static void cgroup(struct json_writer *w)
{
	json_key(w, "cgroup");
	json_open(w);
	json_field_bool(w, "v1", true);
	json_field_bool(w, "v2", true);
	json_field_bool(w, "systemd", WITH_SYSTEMD);
	json_field_bool(w, "systemdUser", WITH_SYSTEMD);
	json_field_bool(w, "rdma", true);
	json_close(w);
}

static void seccomp(struct json_writer *w)
{
	json_key(w, "seccomp");
	json_open(w);
	json_field_bool(w, "enabled", true);
	list(w, "actions", seccomp_actions);
	list(w, "operators", seccomp_operators);
	list(w, "archs", seccomp_archs);
	list(w, "knownFlags", seccomp_flags);
	list(w, "supportedFlags", seccomp_flags);
	json_close(w);
}

static void enabled(struct json_writer *w, const char *key, bool is)
{
	json_key(w, key);
	json_open(w);
	json_field_bool(w, "enabled", is);
	json_close(w);
}

int cmd_features(struct cli *cli, int argc, char **argv, struct err *e)
{
	struct json_writer *w;
	owned_str text = STR_INIT;

	(void)cli, (void)argv;
	if (argc > 1)
		return err_say(e, EINVAL, "features: takes no operand");
	w = json_writer_new(true);
	json_open(w);
	json_field(w, "ociVersionMin", "1.0.0");
	json_field(w, "ociVersionMax", SPEC_OCI_VERSION);
	list(w, "hooks", spec_hook_kinds);
	list(w, "mountOptions", mountopt_names());
	json_key(w, "linux");
	json_open(w);
	namespaces(w);
	capabilities(w);
	cgroup(w);
	seccomp(w);
	enabled(w, "apparmor", true);
	enabled(w, "selinux", true);
	json_key(w, "intelRdt");
	json_open(w);
	json_field_bool(w, "enabled", true);
	json_field_bool(w, "schemata", true);
	json_field_bool(w, "monitoring", true);
	json_close(w);
	json_key(w, "memoryPolicy");
	json_open(w);
	list(w, "modes", spec_memory_modes);
	list(w, "flags", spec_memory_flags);
	json_close(w);
	json_key(w, "mountExtensions");
	json_open(w);
	enabled(w, "idmap", true);
	json_close(w);
	enabled(w, "netDevices", true);
	json_close(w);
	json_key(w, "annotations");
	json_open(w);
	json_field(w, ANNOTATION_PREFIX "version", PACKAGE_VERSION);
	json_close(w);
	/* An image may not bring these: they would decide over its own confinement. */
	json_key(w, "potentiallyUnsafeConfigAnnotations");
	json_open_array(w);
	json_put_string(w, ANNOTATION_PREFIX);
	json_put_string(w, SPEC_UNIT_PROPERTY);
	json_put_string(w, SPEC_KEEP_GROUPS);
	json_close_array(w);
	json_close(w);
	json_writer_end(w, &text);
	return cli_print(&text, e);
}
