/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/redact.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define REDACTED "[redacted]"

/* Beginnings of tokens whose issuers made them recognisable, and how long the rest at least is. */
static const struct token {
	const char *prefix;
	size_t least;
} tokens[] = {
	{ "ghp_", 20 },		{ "gho_", 20 },		{ "ghu_", 20 },
	{ "ghs_", 20 },		{ "ghr_", 20 },		{ "github_pat_", 20 },
	{ "glpat-", 16 },	{ "gldt-", 16 },	{ "glrt-", 16 },
	{ "sk-", 20 },		{ "sk_live_", 16 },	{ "sk_test_", 16 },
	{ "rk_live_", 16 },	{ "xoxb-", 10 },	{ "xoxp-", 10 },
	{ "xoxa-", 10 },	{ "xoxr-", 10 },	{ "xoxs-", 10 },
	{ "xapp-", 10 },	{ "AKIA", 16 },		{ "ASIA", 16 },
	{ "AIza", 30 },		{ "ya29.", 20 },	{ "npm_", 30 },
	{ "pypi-", 30 },	{ "hf_", 20 },		{ "dop_v1_", 20 },
	{ "SG.", 30 },		{ "eyJ", 40 },		{ "hvs.", 20 },
	{ "dckr_pat_", 20 },	{ "AGE-SECRET-KEY-", 20 },
};

/* Parts of names whose value is a secret, in NAME=VALUE, --name=VALUE, "name": "VALUE". */
static const char *const secret_names[] = {
	"password", "passwd", "passphrase", "secret", "token", "apikey", "api_key", "api-key",
	"access_key", "access-key", "private_key", "private-key", "credential", "authorization",
	"auth_key", "_authtoken", "session_key", "client_secret", "x-api-key", "bearer", "pwd",
};

/* Names that hold one of the above and are no secret. */
static const char *const harmless_names[] = { "pwd", "oldpwd" };

static bool is_name_char(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '-';
}

static bool is_token_char(char c)
{
	return is_name_char(c) || c == '.' || c == '+' || c == '/' || c == '=' || c == '~';
}

static bool holds(const char *name, size_t n, const char *part)
{
	size_t m = strlen(part);

	for (size_t i = 0; i + m <= n; i++)
		if (strncasecmp(name + i, part, m) == 0)
			return true;
	return false;
}

static bool is_secret_name(const char *name, size_t n)
{
	while (n > 0 && *name == '-') {
		name++;
		n--;
	}
	for (size_t i = 0; i < sizeof harmless_names / sizeof *harmless_names; i++)
		if (strlen(harmless_names[i]) == n &&
		    strncasecmp(name, harmless_names[i], n) == 0)
			return false;
	for (size_t i = 0; i < sizeof secret_names / sizeof *secret_names; i++)
		if (holds(name, n, secret_names[i]))
			return true;
	return false;
}

/* Bytes of the token that begins at p, 0 if none does. */
static size_t token_length(const char *p)
{
	for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++) {
		size_t n = strlen(tokens[i].prefix), more = 0;

		if (strncmp(p, tokens[i].prefix, n) != 0)
			continue;
		while (is_token_char(p[n + more]))
			more++;
		if (more >= tokens[i].least)
			return n + more;
	}
	return 0;
}

/* A PEM block of a private key that begins at p: to its end, or to the text's. */
static size_t pem_length(const char *p)
{
	const char *label, *end;

	if (strncmp(p, "-----BEGIN ", 11) != 0)
		return 0;
	end = strstr(p + 11, "-----");
	label = strstr(p, "PRIVATE KEY");
	if (!end || !label || label > end)
		return 0;
	end = strstr(end + 5, "-----END ");
	end = end ? strstr(end + 9, "-----") : NULL;
	return end ? (size_t)(end - p) + 5 : strlen(p);
}

/* After "://" : the bytes from the user up to the '@', of them *user to be kept. */
static size_t userinfo_length(const char *p, size_t *user)
{
	size_t n = strcspn(p, "/?# \t\n\"'@"), colon;

	if (p[n] != '@')
		return 0;
	colon = strcspn(p, ":");
	*user = colon < n ? colon + 1 : 0;	/* without a password the user may be a token */
	return n;
}

/* The value behind a name: quoted as a whole, or up to where a shell or a list would end it. */
static size_t value_length(const char *p)
{
	const char *end;

	if (*p == '"' || *p == '\'') {
		end = strchr(p + 1, *p);
		return end ? (size_t)(end - p) + 1 : strlen(p);
	}
	return strcspn(p, " \t\n;&|,\"')}");
}

/* Behind a secret name: '=' or ':' with blanks and quotes around it; bytes up to the value, 0: none. */
static size_t separator_length(const char *p)
{
	size_t n = 0;

	if (p[n] == '"' || p[n] == '\'')
		n++;
	if (p[n] == '=')
		return n + 1;
	while (p[n] == ' ')
		n++;
	if (p[n] != ':' || p[n + 1] == '/')
		return 0;
	n++;
	while (p[n] == ' ')
		n++;
	/* "Authorization: Bearer xyz": the scheme may stay */
	for (size_t i = 0; i < 3; i++) {
		static const char *const schemes[] = { "Bearer ", "Basic ", "token " };

		if (strncasecmp(p + n, schemes[i], strlen(schemes[i])) == 0)
			n += strlen(schemes[i]);
	}
	return n;
}

void redact_text(const char *text, struct str *out)
{
	const char *p = text;

	while (*p) {
		bool at_word = p == text || !is_name_char(p[-1]);
		size_t n = 0, keep = 0;

		if (str_has_prefix(p, "://") && userinfo_length(p + 3, &keep) > 0) {
			n = 3 + userinfo_length(p + 3, &keep);
			keep += 3;
		} else if (*p == '-' && (n = pem_length(p)) > 0) {
			;
		} else if (at_word && is_name_char(*p) && (n = token_length(p)) == 0) {
			size_t name = 0, sep;

			while (is_name_char(p[name]))
				name++;
			sep = is_secret_name(p, name) ? separator_length(p + name) : 0;
			keep = name;
			if (sep && value_length(p + name + sep) > 0) {
				keep += sep;
				n = keep + value_length(p + keep);
			} else if (sep) {
				keep += sep;
			} else if (strncasecmp(p, "bearer ", 7) == 0 && name == 6 &&
				   value_length(p + 7) > 15) {
				keep = 7;
				n = 7 + value_length(p + 7);
			}
		}
		if (n == 0) {
			if (!keep)
				keep = 1;
			str_append(out, p, keep);
			p += keep;
			continue;
		}
		str_append(out, p, keep);
		str_puts(out, REDACTED);
		p += n;
	}
	if (!out->s)
		str_puts(out, "");
}

struct strv redact_args(struct arena *a, const struct strv *args)
{
	struct strv ret = { 0 };
	bool hide_next = false;

	for (size_t i = 0; args && i < args->n; i++) {
		const char *arg = args->v[i];
		owned_str text = STR_INIT;

		if (hide_next && *arg != '-') {
			strv_add(a, &ret, REDACTED);
			hide_next = false;
			continue;
		}
		hide_next = str_has_prefix(arg, "--") && !strpbrk(arg, "= \n") &&
			    is_secret_name(arg, strlen(arg));
		redact_text(arg, &text);
		strv_add(a, &ret, text.s);
	}
	return ret;
}
