/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/env.h"

#include <ctype.h>
#include <fnmatch.h>
#include <string.h>

#include "base/secret.h"

/* ---- names ---- */

/* Upper case; matched against the whole name, in upper case. A '*' stands for anything. */
static const char *const innocent_names[] = {
	"AWS_REGION", "AWS_DEFAULT_REGION", "GITHUB_ACTIONS", "GITHUB_REF", "GITHUB_REF_NAME",
	"GITHUB_REPOSITORY", "GITHUB_RUN_ID", "GITHUB_SHA", "GITHUB_WORKSPACE", "*_PUBLIC_KEY",
	"CLOUDSDK_PYTHON", "GOOGLE_API_USE_*", "*_SSH_COMMAND_TIMEOUT", NULL,
};
static const char *const credential_families[] = {
	"AWS_*", "AZURE_*", "ARM_CLIENT_*", "GITHUB_*", "GH_*", "GITLAB_*", "GL_*", "CI_JOB_*",
	"CI_REGISTRY_*", "GOOGLE_APPLICATION_*", "GOOGLE_API_*", "GCP_*", "GCLOUD_*", "CLOUDSDK_*",
	"DOCKER_*", "CONTAINER_HOST", "PODMAN_*", "KUBE*", "SSH_*", "GPG_*", "GNUPGHOME",
	"XAUTHORITY", "DBUS_*_BUS_ADDRESS", "KRB5CCNAME", "VAULT_*", "CONSUL_HTTP_*", "NOMAD_*",
	"HEROKU_*", "CLOUDFLARE_*", "DIGITALOCEAN_*", "NETRC", "PGPASSFILE", "ACTIONS_ID_*",
	"ACTIONS_RUNTIME_*", "BUNDLE_*__*", "TF_VAR_*PASS*", "SENTRY_DSN", "*_CONNECTION_STRING",
	NULL,
};
static const char *const basic_names[] = {
	"PATH", "HOME", "HOSTNAME", "USER", "LOGNAME", "SHELL", "PWD", "OLDPWD", "TERM", "COLORTERM",
	"LANG", "LANGUAGE", "LC_*", "TZ", "TMPDIR", "LINES", "COLUMNS", "NO_COLOR", "container",
	"DEBIAN_FRONTEND", NULL,
};

static bool matches(const char *const *patterns, const char *name)
{
	for (size_t i = 0; patterns[i]; i++)
		if (fnmatch(patterns[i], name, 0) == 0)
			return true;
	return false;
}

bool env_name_is_basic(const char *name)
{
	return matches(basic_names, name);
}

bool env_name_is_credential(const char *name)
{
	char upper[256];
	size_t n = strlen(name);

	if (n >= sizeof upper)
		return true;		/* nothing ordinary has such a name */
	for (size_t i = 0; i <= n; i++)
		upper[i] = (char)toupper((unsigned char)name[i]);
	if (strcmp(upper, "PWD") == 0 || strcmp(upper, "OLDPWD") == 0 ||
	    matches(innocent_names, upper))
		return false;
	if (matches(credential_families, upper))
		return true;
	return secret_name(name, n);
}

/* ---- values ---- */

/* scheme://user:password@host, or a long user name alone, which is then a token. */
static bool has_url_password(const char *value)
{
	for (const char *p = value; (p = strstr(p, "://")); p += 3) {
		size_t n = strcspn(p + 3, "@/?#\"' \t\r\n");
		const char *colon = memchr(p + 3, ':', n);

		/* a '/' inside a password would have to be escaped, but many tools do not care */
		if (p[3 + n] == '/' && colon) {
			size_t m = strcspn(p + 3, "@\"' \t\r\n?#");

			if (p[3 + m] == '@' && !isdigit((unsigned char)colon[1]))
				return true;
		}
		if (p[3 + n] != '@')
			continue;
		if (colon ? colon + 1 < p + 3 + n : n >= 20)
			return true;
	}
	return false;
}

bool env_value_is_credential(const char *value)
{
	const char *pem = strstr(value, "-----BEGIN ");

	if (pem && strstr(pem, "PRIVATE KEY"))
		return true;
	if (strstr(value, "hooks.slack.com/services/") || has_url_password(value))
		return true;
	for (const char *p = value; *p; p++) {
		if (p > value && (isalnum((unsigned char)p[-1]) || p[-1] == '_'))
			continue;
		if (secret_token(p))
			return true;
	}
	return false;
}

/* ---- the environment of a process ---- */

static bool is_named(const struct strv *patterns, const char *name)
{
	for (size_t i = 0; i < patterns->n; i++)
		if (fnmatch(patterns->v[i], name, 0) == 0)
			return true;
	return false;
}

/* Why the variable goes, NULL if it stays. */
static const char *why_dropped(const struct spec_agent *agent, const char *name, const char *value)
{
	bool strict = str_equal(agent->env, "strict");

	if (is_named(&agent->env_deny, name))
		return "env.deny names it";
	if (str_equal(agent->env, "keep") || is_named(&agent->env_allow, name))
		return NULL;
	if (strict && !env_name_is_basic(name))
		return "env=strict keeps only what env.allow names";
	if (env_name_is_credential(name))
		return "its name looks like a credential's";
	if (env_value_is_credential(value))
		return "its value looks like a credential";
	return NULL;
}

void env_scrub(struct arena *a, const struct spec_agent *agent, struct strv *env,
	       struct strv *dropped, struct strv *why)
{
	struct strv kept = { 0 };

	for (size_t i = 0; i < env->n; i++) {
		const char *entry = env->v[i], *equals = strchr(entry, '=');
		char *name = equals ? arena_strndup(a, entry, (size_t)(equals - entry)) : env->v[i];
		const char *reason = why_dropped(agent, name, equals ? equals + 1 : "");

		if (!reason) {
			strv_add(a, &kept, entry);
			continue;
		}
		if (strv_find(dropped, name) >= 0)
			continue;
		strv_add(a, dropped, name);
		if (why) {
			owned_str line = STR_INIT;

			str_puts(&line, "environment: ");
			str_put_safe(&line, name, 80);
			str_printf(&line, " dropped: %s", reason);
			strv_add(a, why, line.s);
		}
	}
	*env = kept;
}
