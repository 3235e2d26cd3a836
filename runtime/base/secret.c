/* SPDX-License-Identifier: Apache-2.0 */
#include "base/secret.h"

#include <ctype.h>
#include <string.h>

#include "base/str.h"

/* ---- names ---- */

/* Words between underscores. */
static const char *const credential_words[] = {
	"TOKEN", "SECRET", "SECRETS", "PASSWORD", "PASSWORDS", "PASSWD", "PASSPHRASE", "PASS",
	"STOREPASS", "KEYPASS", "PWD", "CREDENTIAL", "CREDENTIALS", "CREDS", "CRED", "APIKEY", "APITOKEN",
	"AUTH", "AUTHORIZATION", "AUTHTOKEN", "PAT", "JWT", "BEARER", "COOKIE", "COOKIES", "WEBHOOK", NULL,
};
/* Where no underscore parts the words: PGPASSWORD, npm_config__authToken. */
#define ENDING(text) { text, sizeof text - 1 }
static const struct {
	const char *text;
	size_t n;
} credential_endings[] = {
	ENDING("TOKEN"), ENDING("SECRET"), ENDING("PASSWORD"), ENDING("PASSWD"), ENDING("PASSPHRASE"),
	ENDING("APIKEY"), ENDING("ACCESSKEY"), ENDING("SECRETKEY"), ENDING("PRIVATEKEY"),
	ENDING("CREDENTIALS"),
};

static bool is_word(const char *const *words, const char *p, size_t n)
{
	for (size_t i = 0; words[i]; i++)
		if (*words[i] == *p && strlen(words[i]) == n && memcmp(words[i], p, n) == 0)
			return true;
	return false;
}

bool secret_name(const char *name, size_t n)
{
	static const char *const keys[] = { "KEY", "KEYS", NULL }, *const last[] = { "PW", NULL };
	char upper[256];

	while (n && *name == '-') {	/* an option's */
		name++;
		n--;
	}
	if (n >= sizeof upper)
		return true;		/* nothing ordinary has such a name */
	for (size_t i = 0; i < n; i++)
		upper[i] = (char)toupper((unsigned char)name[i]);
	upper[n] = 0;
	if (strcmp(upper, "PWD") == 0 || strcmp(upper, "OLDPWD") == 0)
		return false;
	for (size_t i = 0; i < sizeof credential_endings / sizeof *credential_endings; i++) {
		const size_t least = credential_endings[i].n;

		if (n >= least && memcmp(upper + n - least, credential_endings[i].text, least) == 0)
			return true;
	}
	for (const char *p = upper; *p;) {
		size_t word = strcspn(p, "_-./:");

		if (is_word(credential_words, p, word) ||
		    (!p[word] && ((p > upper && is_word(keys, p, word)) || is_word(last, p, word))))
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

/* A fixed beginning and at least that many characters of a set after it; sorted by their first byte. */
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

/* Bytes of the token at p, 0 if there is none. */
static size_t token_length(const char *p)
{
	const size_t all = sizeof tokens / sizeof *tokens;
	size_t first = 0, end = all;

	while (first < end) {
		const size_t middle = (first + end) / 2;

		if (tokens[middle].prefix[0] < *p)
			first = middle + 1;
		else
			end = middle;
	}
	for (size_t i = first; i < all && tokens[i].prefix[0] == *p; i++) {
		const struct token *t = &tokens[i];
		unsigned n = 0, digits = 0;

		if (!str_has_prefix(p, t->prefix))
			continue;
		for (const char *q = p + strlen(t->prefix);
		     *q && in_charset(t->rest, (unsigned char)*q); q++, n++)
			digits += isdigit((unsigned char)*q) ? 1 : 0;
		if (n >= t->least && (!t->digit || digits))
			return strlen(t->prefix) + n;
	}
	return 0;
}

/* Three base64url parts, of which the first two are JSON objects ("{\"" is "eyJ"). */
static size_t jwt_length(const char *p)
{
	const char *first = p;
	size_t n;

	for (int part = 0; part < 2; part++) {
		if (!str_has_prefix(p, "eyJ"))
			return 0;
		for (n = 0; in_charset(TOKEN_CHARS, (unsigned char)p[n]); n++)
			;
		if (n < 8 || p[n] != '.')
			return 0;
		p += n + 1;
	}
	while (in_charset(TOKEN_CHARS, (unsigned char)*p))
		p++;
	return (size_t)(p - first);
}

size_t secret_token(const char *p)
{
	enum { SHORTEST = 15 };		/* of all; most words are shorter */
	size_t n;

	for (n = 0; n < SHORTEST; n++)
		if (!p[n])
			return 0;
	n = token_length(p);

	return n ? n : jwt_length(p);
}
