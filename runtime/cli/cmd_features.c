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
	json_field_list(w, "actions", seccomp_actions);
	json_field_list(w, "operators", seccomp_operators);
	json_field_list(w, "archs", seccomp_archs);
	json_field_list(w, "knownFlags", seccomp_flags);
	json_field_list(w, "supportedFlags", seccomp_flags);
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
	static const char *const unsafe[] = { ANNOTATION_PREFIX, SPEC_UNIT_PROPERTY,
					      SPEC_KEEP_GROUPS, NULL };
	struct json_writer *w;
	owned_str text = STR_INIT;

	(void)cli, (void)argv;
	if (argc > 1)
		return err_say(e, EINVAL, "features: takes no operand");
	w = json_writer_new(true);
	json_open(w);
	json_field(w, "ociVersionMin", "1.0.0");
	json_field(w, "ociVersionMax", SPEC_OCI_VERSION);
	json_field_list(w, "hooks", spec_hook_kinds);
	json_field_list(w, "mountOptions", mountopt_names());
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
	json_field_list(w, "modes", spec_memory_modes);
	json_field_list(w, "flags", spec_memory_flags);
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
	json_field_list(w, "potentiallyUnsafeConfigAnnotations", unsafe);
	json_close(w);
	json_writer_end(w, &text);
	return cli_print(&text, e);
}
