/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/redact.h"

#include <string.h>
#include <strings.h>

#include "base/secret.h"

#define REDACTED "[redacted]"

static bool is_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
	       c == '-';
}

static bool is_quote(char c)
{
	return c == '"' || c == '\'';
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

/* A header that is all secret, whatever words it has. */
static bool is_header(const char *name, size_t n)
{
	static const char *const names[] = { "authorization", "cookie" };

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		size_t least = strlen(names[i]);

		if (n >= least && strncasecmp(name + n - least, names[i], least) == 0)
			return true;
	}
	return false;
}

/* A parameter of a URL that grants access, though its name says so nowhere else. */
static bool is_grant(const char *text, const char *name, size_t n)
{
	static const char *const names[] = { "key", "sig", "signature", "X-Amz-Signature",
					     "X-Goog-Signature", "code" };

	if (name == text || !strchr("?&", name[-1]) || name[n] != '=')
		return false;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (strlen(names[i]) == n && strncasecmp(name, names[i], n) == 0)
			return true;
	return false;
}

/* The value behind a name: quoted as a whole, or up to where a shell or a list would end it. */
static size_t value_length(const char *p)
{
	size_t n = 0;
	const char *end;

	if (is_quote(*p)) {
		end = strchr(p + 1, *p);
		if (!end)
			return strlen(p);
		n = (size_t)(end - p) + 1;
	}
	return n + strcspn(p + n, " \t\n;&|,\"')}");
}

/* Behind a secret name: '=', "=>" or ':' with blanks and quotes around it; bytes up to the value, 0: none. */
static size_t separator_length(const char *p)
{
	size_t n = 0;

	n += is_quote(p[n]);
	n += p[n] == ']' || p[n] == '}';	/* environ["TOKEN"] = */
	if (p[n] == '=')	/* what follows a blank then is a shell's next word */
		return n + 1;
	while (p[n] == ' ')
		n++;
	if (p[n] == '=' && p[n + 1] != '=')
		n += p[n + 1] == '>' ? 2 : 1;
	else if (p[n] == ':' && p[n + 1] != '/')
		n++;
	else
		return 0;
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

/* ---- words of a command: an option and what follows it ---- */

enum next {
	NEXT_PLAIN,
	NEXT_SECRET,
	NEXT_USER,		/* name:password, or name%password */
};

/* Of which some options hold a secret. */
enum {
	CURL = 1, SMB = 2, SSHPASS = 4, ATTACHED = 8, LOGIN = 16, REDIS = 32, LDAP = 64, UPPER = 128,
	KEY = 256, HTTP = 512, KEYGEN = 1024, CIPHER = 2048, HTPASSWD = 4096,
};

/* Programs, or verbs; sorted by name. */
static const struct program {
	const char *name;
	unsigned is;
} programs[] = {
	{ "7z", ATTACHED }, { "7za", ATTACHED }, { "aes-128-cbc", CIPHER }, { "aes-192-cbc", CIPHER },
	{ "aes-256-cbc", CIPHER }, { "curl", CURL }, { "des3", CIPHER }, { "enc", CIPHER },
	{ "htpasswd", HTPASSWD }, { "http", HTTP }, { "https", HTTP }, { "ldapadd", LDAP }, { "ldapdelete", LDAP }, { "ldapmodify", LDAP },
	{ "ldapsearch", LDAP }, { "login", LOGIN }, { "mariadb", ATTACHED },
	{ "mariadb-dump", ATTACHED }, { "mongo", LOGIN }, { "mongodump", LOGIN },
	{ "mongorestore", LOGIN }, { "mongosh", LOGIN }, { "mosquitto_pub", UPPER },
	{ "mosquitto_sub", UPPER }, { "mount.cifs", SMB }, { "mysql", ATTACHED },
	{ "mysqladmin", ATTACHED }, { "mysqldump", ATTACHED }, { "nuget", KEY }, { "rar", ATTACHED },
	{ "redis-cli", REDIS }, { "smbclient", SMB }, { "sqlcmd", UPPER }, { "ssh-keygen", KEYGEN },
	{ "sshpass", SSHPASS }, { "twine", LOGIN }, { "unrar", ATTACHED }, { "unzip", UPPER },
	{ "xh", HTTP }, { "zip", UPPER },
};

/* What the n bytes name, 0 if they name none of them. */
static unsigned program_of(const char *name, size_t n)
{
	size_t first = 0, end = sizeof programs / sizeof *programs;

	while (first < end) {
		const size_t middle = (first + end) / 2;
		const char *other = programs[middle].name;
		int r = strncmp(name, other, n);

		if (r == 0 && !other[n])
			return programs[middle].is;
		if (r > 0)
			first = middle + 1;
		else
			end = middle;
	}
	return 0;
}

static const struct secret_option {
	unsigned after;		/* any of these has come before */
	const char *options;	/* words with blanks between them */
	bool attached;		/* -pSECRET is meant, too, or alone */
	bool apart;		/* -p SECRET */
	enum next what;
} secret_options[] = {
	{ CURL, " -u -U --user --proxy-user --cert --proxy-cert ", true, true, NEXT_USER },
	{ CURL, " -b --cookie ", true, true, NEXT_SECRET },
	{ SMB, " -U --user ", true, true, NEXT_USER },
	{ SSHPASS, " -p ", true, true, NEXT_SECRET },
	{ ATTACHED, " -p ", true, false, NEXT_SECRET },
	{ LOGIN, " -p ", true, true, NEXT_SECRET },		/* docker run -p is a port */
	{ REDIS, " -a ", false, true, NEXT_SECRET },
	{ LDAP, " -w ", true, true, NEXT_SECRET },
	{ UPPER, " -P ", true, true, NEXT_SECRET },
	{ KEY, " -k ", false, true, NEXT_SECRET },
	{ HTTP, " -a ", true, true, NEXT_USER },
	{ KEYGEN, " -N -P ", true, true, NEXT_SECRET },
	{ CIPHER, " -k -K ", false, true, NEXT_SECRET },
};
enum { SECRET_OPTIONS = sizeof secret_options / sizeof *secret_options };

/* What the words so far say of the next. */
struct words {
	unsigned after;		/* programs that have come before, by which options are told */
	bool set;		/* the last word was "set": aws configure set NAME VALUE */
	enum next next;
	struct {		/* htpasswd -b FILE USER SECRET, without FILE with -n */
		bool given, no_file, skip;
		unsigned operands;
	} htpasswd;
};

/* Whether the password is the next word. */
static bool is_before_password(struct words *w, const char *word, size_t n)
{
	if (*word == '-') {
		w->htpasswd.given |= memchr(word, 'b', n) != NULL;
		w->htpasswd.no_file |= memchr(word, 'n', n) != NULL;
		w->htpasswd.skip = word[n - 1] == 'C' || word[n - 1] == 'r';	/* they take a number */
		return false;
	}
	if (w->htpasswd.skip) {
		w->htpasswd.skip = false;
		return false;
	}
	return ++w->htpasswd.operands == (w->htpasswd.no_file ? 1 : 2) && w->htpasswd.given;
}

/* A name alone: what holds a value, too, is read as a text. */
static bool is_secret_name(const char *word, size_t n, const char *ends)
{
	return strcspn(word, ends) >= n && secret_name(word, n);
}

/* Reads the n bytes of a word that is no secret itself; from the returned one on it is.  `glued`: a
 * quoted part follows at once. */
static size_t read_word(struct words *w, const char *word, size_t n, bool glued)
{
	const char *slash = memrchr(word, '/', n);
	const char *name = slash ? slash + 1 : word;
	const bool was_set = w->set;
	const unsigned is = program_of(name, n - (size_t)(name - word));

	w->set = n == 3 && memcmp(word, "set", 3) == 0;
	w->next = NEXT_PLAIN;
	if (is & HTPASSWD)
		memset(&w->htpasswd, 0, sizeof w->htpasswd);
	else if (w->after & HTPASSWD && n && is_before_password(w, word, n))
		w->next = NEXT_SECRET;
	w->after |= is;
	for (size_t i = 0; i < SECRET_OPTIONS && w->after && *word == '-'; i++) {
		const struct secret_option *o = &secret_options[i];
		const char *value = memchr(word, '=', n);
		size_t option = n < 3 || word[1] != '-' ? 2 : value ? (size_t)(value - word) : n;

		if (!(w->after & o->after) || n < 2 || option > n || !str_has_word(o->options, word, option))
			continue;
		if (option < n && o->attached) {
			size_t user = o->what == NEXT_USER ? strcspn(word, ":%") + 1 : 0;

			/* another tool's -password SECRET begins alike: both are hidden */
			if (is_secret_name(word, n, ":= \t\n["))
				w->next = NEXT_SECRET;
			option += word[option] == '=';
			return user > n ? n : user > option ? user : option;
		}
		if (option == n && (glued ? o->attached : o->apart)) {
			w->next = o->what;
			return n;
		}
	}
	if ((was_set || *word == '-') && is_secret_name(word, n, was_set ? "= \t\n[" : ":= \t\n["))
		w->next = glued ? NEXT_PLAIN : NEXT_SECRET;
	return n;
}

/* How many bytes of the word behind such an option may be shown: all of them where it holds no secret. */
static size_t shown_length(enum next next, const char *word, size_t n)
{
	size_t user = 0;

	if (next == NEXT_PLAIN)
		return n;
	if (next == NEXT_SECRET)
		return *word == '-' ? n : 0;
	while (user < n && word[user] != ':' && word[user] != '%')
		user++;
	return user == n || strspn(word + user + 1, "0123456789") >= n - user - 1
		? n : user + 1;		/* 1000:1000 are no password */
}

/* ---- texts ---- */

/* The n bytes before a secret, in which there may be others. */
static void put_start(struct str *out, const char *text, size_t n)
{
	owned_str start = STR_INIT;

	str_append(&start, text, n);
	if (n)
		redact_text(start.s, out);
	str_puts(out, REDACTED);
}

/* Quickly, of most texts: without a blank, a '=' or a ':' only a token can be in it. */
static bool is_harmless(const char *text)
{
	static const enum { OTHER, NAME, PARTS } kinds[256] = {
		['a' ... 'z'] = NAME, ['A' ... 'Z'] = NAME, ['0' ... '9'] = NAME, ['_'] = NAME, ['-'] = NAME,
		[' '] = PARTS, ['\t'] = PARTS, ['\n'] = PARTS, ['='] = PARTS, [':'] = PARTS,
	};
	bool in_word = false;

	for (const char *p = text; *p; p++) {
		const bool is_name = kinds[(unsigned char)*p] == NAME;

		if (kinds[(unsigned char)*p] == PARTS || (is_name && !in_word && secret_token(p)))
			return false;
		in_word = is_name;
	}
	return true;
}

void redact_text(const char *text, struct str *out)
{
	static const char ends[] = " \t\n;&|()\"'";
	struct words words = { 0 };
	const char *p = text;
	bool command;

	if (is_harmless(text)) {
		str_puts(out, text);
		return;
	}
	command = strpbrk(text, " \t\n") != NULL;	/* a shell's, maybe: of words */
	while (*p) {
		bool at_word = p == text || !is_name_char(p[-1]);
		size_t n = 0, keep = 0;

		if (str_has_prefix(p, REDACTED)) {	/* once is enough: what is behind it stays */
			str_puts(out, REDACTED);
			words.next = NEXT_PLAIN;
			p += strlen(REDACTED);
			continue;
		}
		if (command && (is_quote(*p) ? words.next != NEXT_PLAIN :
				!strchr(ends, *p) && (p == text || strchr(ends, p[-1])))) {
			const size_t word = is_quote(*p) ? value_length(p) : strcspn(p, ends);
			const bool glued = is_quote(p[word]);
			size_t shown = shown_length(words.next, p, word);

			if (shown == word)
				shown = read_word(&words, p, word, glued);
			else
				words.next = NEXT_PLAIN;
			if (shown < word && !str_has_prefix(p + shown, REDACTED)) {
				const size_t quote = shown && is_quote(*p) ? 1 : 0;

				put_start(out, p + quote, shown - quote);
				p += word;
				continue;
			}
		}
		if (str_has_prefix(p, "://") && userinfo_length(p + 3, &keep) > 0) {
			n = 3 + userinfo_length(p + 3, &keep);
			keep += 3;
		} else if (*p == '-' && (n = pem_length(p)) > 0) {
			;
		} else if (at_word && is_name_char(*p) && (n = secret_token(p)) == 0) {
			size_t name = 0, sep;

			while (is_name_char(p[name]))
				name++;
			/* Most words have no value: whether one is a secret's name is asked last. */
			sep = separator_length(p + name);
			if (sep && !is_grant(text, p, name) && !secret_name(p, name))
				sep = 0;
			keep = name;
			if (sep && !str_has_prefix(p + name + sep, REDACTED) &&
			    value_length(p + name + sep) > 0) {
				keep += sep;
				n = keep + (is_header(p, name) && p[keep] != '"' ?
					    strcspn(p + keep, "\n\"'") : value_length(p + keep));
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
		words.next = NEXT_PLAIN;
		p += n;
	}
	if (!out->s)
		str_puts(out, "");
}

struct strv redact_args(struct arena *a, const struct strv *args)
{
	struct strv ret = { .n = args ? args->n : 0 };
	struct words words = { 0 };

	ret.v = arena_array(a, char *, ret.n + 1);
	for (size_t i = 0; i < ret.n; i++) {
		char *arg = args->v[i];
		const size_t n = strlen(arg);
		size_t shown = shown_length(words.next, arg, n);
		owned_str text = STR_INIT;

		if (shown == n)
			shown = read_word(&words, arg, n, false);
		else
			words.next = NEXT_PLAIN;
		if (shown == n && is_harmless(arg)) {
			ret.v[i] = arg;
			continue;
		}
		if (shown < n)
			put_start(&text, arg, shown);
		else
			redact_text(arg, &text);
		ret.v[i] = arena_strdup(a, text.s);
	}
	return ret;
}
