/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/redact.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/secret.h"

#define REDACTED "[redacted]"

static bool is_name_char(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '-';
}

/* A PEM block of a private key that begins at p: to its end, or to the text's. */
static size_t pem_length(const char *p)
{
	static const char label[] = "PRIVATE KEY";
	const char *end;

	if (strncmp(p, "-----BEGIN ", 11) != 0)
		return 0;
	end = strstr(p + 11, "-----");
	if (!end || !memmem(p, (size_t)(end - p), label, sizeof label - 1))
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
		} else if (at_word && is_name_char(*p) && (n = secret_token(p)) == 0) {
			size_t name = 0, sep;

			while (is_name_char(p[name]))
				name++;
			sep = secret_name(p, name) ? separator_length(p + name) : 0;
			keep = name;
			if (sep && value_length(p + name + sep) > 0) {
				keep += sep;
				n = keep + value_length(p + keep);
			} else if (sep) {
				keep += sep;
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
			    secret_name(arg, strlen(arg));
		redact_text(arg, &text);
		strv_add(a, &ret, text.s);
	}
	return ret;
}
