/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/env.h"

#include <ctype.h>
#include <fnmatch.h>
#include <string.h>

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
/* Words between underscores. */
static const char *const credential_words[] = {
	"TOKEN", "SECRET", "SECRETS", "PASSWORD", "PASSWORDS", "PASSWD", "PASSPHRASE", "PASS",
	"PASSWD", "PWD", "CREDENTIAL", "CREDENTIALS", "CREDS", "CRED", "APIKEY", "APITOKEN", "AUTH",
	"AUTHORIZATION", "AUTHTOKEN", "PAT", "JWT", "BEARER", "COOKIE", "COOKIES", "WEBHOOK", NULL,
};
/* Where no underscore parts the words: PGPASSWORD, npm_config__authToken. */
static const char *const credential_endings[] = {
	"TOKEN", "SECRET", "PASSWORD", "PASSWD", "PASSPHRASE", "APIKEY", "ACCESSKEY", "SECRETKEY",
	"PRIVATEKEY", "CREDENTIALS", NULL,
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

static bool is_word(const char *const *words, const char *p, size_t n)
{
	for (size_t i = 0; words[i]; i++)
		if (strlen(words[i]) == n && memcmp(words[i], p, n) == 0)
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
	for (size_t i = 0; credential_endings[i]; i++)
		if (str_has_suffix(upper, credential_endings[i]))
			return true;
	for (const char *p = upper; *p;) {
		size_t word = strcspn(p, "_-./:");

		if (is_word(credential_words, p, word) ||
		    (!p[word] && p > upper && is_word((const char *const[]){ "KEY", "KEYS", NULL }, p,
						      word)))
			return true;
		p += word;
		p += *p ? 1 : 0;
	}
	return false;
}

/* ---- values ---- */

enum charset { ALNUM, TOKEN_CHARS, UPPER, BASE64 };

static bool in_charset(enum charset set, unsigned char c)
{
	switch (set) {
	case UPPER:
		return isupper(c) || isdigit(c);
	case ALNUM:
		return isalnum(c);
	case TOKEN_CHARS:
		return isalnum(c) || c == '_' || c == '-';
	case BASE64:
		return isalnum(c) || strchr("+/=_-.", c);
	}
	return false;
}

/* A fixed beginning and at least that many characters of a set after it. */
static const struct token {
	const char *prefix;
	enum charset rest;
	unsigned least;
	bool digit;		/* one of them is a digit: tells sk-... from hyphenated words */
} tokens[] = {
	{ "AGE-SECRET-KEY-1", UPPER, 20, false },
	{ "AIza", TOKEN_CHARS, 35, false },			/* Google */
	{ "AKIA", UPPER, 16, false },				/* AWS */
	{ "ASIA", UPPER, 16, false },
	{ "ATATT3", TOKEN_CHARS, 20, false },			/* Atlassian */
	{ "Basic ", BASE64, 16, false },
	{ "Bearer ", BASE64, 16, false },
	{ "LS0tLS1CRUdJTi", BASE64, 8, false },		/* "-----BEGIN" in base64 */
	{ "SG.", BASE64, 40, false },				/* SendGrid */
	{ "ctx7sk-", TOKEN_CHARS, 16, true },
	{ "dckr_pat_", TOKEN_CHARS, 20, false },
	{ "dop_v1_", ALNUM, 32, false },			/* DigitalOcean */
	{ "gho_", ALNUM, 20, false },				/* GitHub */
	{ "ghp_", ALNUM, 20, false },
	{ "ghr_", ALNUM, 20, false },
	{ "ghs_", ALNUM, 20, false },
	{ "ghu_", ALNUM, 20, false },
	{ "github_pat_", TOKEN_CHARS, 20, false },
	{ "glcbt-", TOKEN_CHARS, 16, false },			/* GitLab */
	{ "gldt-", TOKEN_CHARS, 16, false },
	{ "glpat-", TOKEN_CHARS, 16, false },
	{ "glptt-", TOKEN_CHARS, 16, false },
	{ "glrt-", TOKEN_CHARS, 16, false },
	{ "gsk_", ALNUM, 32, false },				/* Groq */
	{ "hf_", ALNUM, 30, false },				/* Hugging Face */
	{ "hvb.", TOKEN_CHARS, 20, false },			/* Vault */
	{ "hvs.", TOKEN_CHARS, 20, false },
	{ "lin_api_", ALNUM, 20, false },			/* Linear */
	{ "npm_", ALNUM, 30, false },
	{ "pplx-", ALNUM, 32, false },
	{ "pypi-", TOKEN_CHARS, 40, false },
	{ "rk_live_", ALNUM, 16, false },			/* Stripe */
	{ "secret_", ALNUM, 40, false },			/* Notion */
	{ "shpat_", ALNUM, 32, false },				/* Shopify */
	{ "sk-", TOKEN_CHARS, 20, true },			/* OpenAI, Anthropic */
	{ "sk_live_", ALNUM, 16, false },
	{ "sk_test_", ALNUM, 16, false },
	{ "xapp-", TOKEN_CHARS, 20, true },			/* Slack */
	{ "xoxa-", TOKEN_CHARS, 10, true },
	{ "xoxb-", TOKEN_CHARS, 10, true },
	{ "xoxe-", TOKEN_CHARS, 10, true },
	{ "xoxp-", TOKEN_CHARS, 10, true },
	{ "xoxr-", TOKEN_CHARS, 10, true },
	{ "xoxs-", TOKEN_CHARS, 10, true },
	{ "ya29.", BASE64, 20, false },				/* Google OAuth */
};

static bool is_token_here(const char *p)
{
	for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++) {
		const struct token *t = &tokens[i];
		unsigned n = 0, digits = 0;

		if (t->prefix[0] != *p || !str_has_prefix(p, t->prefix))
			continue;
		for (const char *q = p + strlen(t->prefix);
		     n < 100 && *q && in_charset(t->rest, (unsigned char)*q); q++, n++)
			digits += isdigit((unsigned char)*q) ? 1 : 0;
		if (n >= t->least && (!t->digit || digits))
			return true;
	}
	return false;
}

/* Three base64url parts, of which the first two are JSON objects ("{\"" is "eyJ"). */
static bool is_jwt_here(const char *p)
{
	size_t n;

	for (int part = 0; part < 2; part++) {
		if (!str_has_prefix(p, "eyJ"))
			return false;
		for (n = 0; in_charset(TOKEN_CHARS, (unsigned char)p[n]); n++)
			;
		if (n < 8 || p[n] != '.')
			return false;
		p += n + 1;
	}
	return true;
}

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
		if (is_token_here(p) || (*p == 'e' && is_jwt_here(p)))
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
