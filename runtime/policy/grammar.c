/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/grammar.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "policy/capset.h"
#include "policy/env.h"
#include "policy/policy.h"

/* ---- numbers ---- */

/* Digits only: no sign, no blank, no leading zero that another reader takes for octal. */
static int take_digits(const char **p, uint64_t most, uint64_t *ret, struct err *e)
{
	uint64_t v = 0;
	const char *start = *p;

	for (; **p >= '0' && **p <= '9'; (*p)++) {
		unsigned digit = (unsigned)(**p - '0');

		if (v > (most - digit) / 10)
			return err_say(e, ERANGE, "the number is too large");
		v = v * 10 + digit;
	}
	if (*p == start)
		return err_say(e, EINVAL, "a number is missing");
	if (*start == '0' && *p - start > 1)
		return err_say(e, EINVAL, "a number must not begin with 0");
	*ret = v;
	return 0;
}

int grammar_count(const char *text, uint64_t *ret, struct err *e)
{
	const char *p = text;
	uint64_t v;
	int r;

	if ((r = take_digits(&p, INT64_MAX, &v, e)) < 0)
		return r;
	if (*p || !v)
		return err_say(e, EINVAL, "must be a whole number above 0");
	*ret = v;
	return 0;
}

int grammar_size(const char *text, uint64_t *ret, struct err *e)
{
	static const char units[] = "bkmgt";
	const char *p = text, *unit;
	uint64_t v;
	unsigned shift = 0;
	int r;

	if ((r = take_digits(&p, INT64_MAX, &v, e)) < 0)
		return r;
	if (*p) {
		unit = strchr(units, tolower((unsigned char)*p));
		if (!unit || p[1])
			return err_say(e, EINVAL, "must be a size like 512m (b, k, m, g or t)");
		shift = 10 * (unsigned)(unit - units);
	}
	if (!v || v > (uint64_t)INT64_MAX >> shift)
		return err_say(e, ERANGE, "is out of range");
	*ret = v << shift;
	return 0;
}

int grammar_time(const char *text, uint64_t *ret, struct err *e)
{
	static const struct { char unit; uint32_t seconds; } units[] = {
		{ 'd', 86400 }, { 'h', 3600 }, { 'm', 60 }, { 's', 1 },
	};
	const char *p = text;
	uint64_t total = 0, v;
	size_t next = 0, i;
	int r;

	do {
		if ((r = take_digits(&p, 1000000000, &v, e)) < 0)
			return r;
		if (!*p && p != text && next == 0)
			i = 3;		/* a number alone: seconds */
		else
			for (i = next; i < 4 && units[i].unit != *p; i++)
				;
		if (i == 4)
			return err_say(e, EINVAL, "must be a duration like 90s, 30m or 1h30m");
		total += v * units[i].seconds;
		next = i + 1;
		p += *p ? 1 : 0;
	} while (*p);
	if (!total || total > INT32_MAX)
		return err_say(e, ERANGE, "is out of range");
	*ret = total;
	return 0;
}

int grammar_cpu(const char *text, uint64_t *ret, struct err *e)
{
	const char *p = text;
	uint64_t v, part = 0;
	unsigned unit = 100;
	int r;

	if ((r = take_digits(&p, 100000, &v, e)) < 0)
		return r;
	if (*p == '.') {
		for (p++; isdigit((unsigned char)*p) && unit; p++, unit /= 10)
			part += (unsigned)(*p - '0') * unit;
		if (p[-1] == '.')
			return err_say(e, EINVAL, "a digit is missing after the point");
	}
	if (*p)
		return err_say(e, EINVAL, "must be a number of processors like 2 or 1.5");
	/* below one hundredth the kernel's smallest quota, 1 ms, is missed */
	if (v * 1000 + part < 10)
		return err_say(e, ERANGE, "must be at least 0.01");
	*ret = v * 1000 + part;
	return 0;
}

int grammar_port(const char *text, uint64_t *ret, struct err *e)
{
	const char *p = text;
	uint64_t v;
	int r;

	if ((r = take_digits(&p, 65535, &v, e)) < 0)
		return r;
	if (*p || !v)
		return err_say(e, EINVAL, "must be a port, 1 to 65535");
	*ret = v;
	return 0;
}

/* ---- names and paths ---- */

static bool is_printable(const char *text)
{
	owned_str safe = STR_INIT;

	/* what had to be escaped is longer than before; quotes and backslashes are fine */
	str_put_safe(&safe, text, SIZE_MAX);
	for (const char *p = text, *q = safe.s; *p; p++, q++)
		if (*p != *q) {
			if ((*p != '"' && *p != '\\') || strncmp(q, "\\x", 2) != 0)
				return false;
			q += 3;
		}
	return true;
}

int grammar_name(const char *text, struct err *e)
{
	size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-_.");

	if (!n || text[n] || n > 63 || !isalnum((unsigned char)*text))
		return err_say(e, EINVAL, "must be a name of a-z, 0-9, '-', '_' and '.', never a path");
	return 0;
}

/* No empty, "." or ".." component. */
static bool is_normal(const char *path)
{
	while (*path) {
		size_t n = strcspn(path, "/");

		if (n == 0 || (n == 1 && path[0] == '.') ||
		    (n == 2 && path[0] == '.' && path[1] == '.'))
			return false;
		path += n;
		if (*path == '/' && !*++path)
			return false;
	}
	return true;
}

int grammar_container_path(const char *text, struct err *e)
{
	if (text[0] != '/' || strlen(text) >= 4096 || !is_printable(text) ||
	    (text[1] && !is_normal(text + 1)))
		return err_say(e, EINVAL, "must be an absolute path without '.', '..' or '//'");
	return 0;
}

int grammar_relative_path(const char *text, struct err *e)
{
	if (!*text || *text == '/' || strlen(text) >= 4096 || !is_printable(text) ||
	    !is_normal(text))
		return err_say(e, EINVAL,
			       "must be a path relative to the workspace, without '.', '..' or '//'");
	return 0;
}

int grammar_pattern(const char *text, struct err *e)
{
	const char *below = text + (*text == '/');	/* "/x": at the workspace's top only */

	if (!*below || strlen(text) >= 256 || !is_printable(text) || !is_normal(below) ||
	    strchr(text, '\\'))
		return err_say(e, EINVAL, "must be a pattern inside the workspace, like .env, /*.pem or "
			       "config/*.key");
	return 0;
}

int grammar_env_name(const char *text, struct err *e)
{
	for (const char *p = text; *p; p++)
		if (*p <= ' ' || *p >= 0x7f || strchr("=\"\\/", *p))
			return err_say(e, EINVAL, "must be a variable's name or a pattern like FOO_*");
	if (!*text || strlen(text) > 255)
		return err_say(e, EINVAL, "must be a variable's name or a pattern like FOO_*");
	return 0;
}

int grammar_label(const char *key, const char *text, struct err *e)
{
	size_t n = strspn(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.");

	if (!n || key[n] || n > 63)
		return err_say(e, EINVAL, "a label's key is 1 to 63 of a-z, A-Z, 0-9, '-', '_' and '.'");
	if (strlen(text) > 1024 || !is_printable(text))
		return err_say(e, EINVAL, "a label is at most 1024 bytes of printable text");
	/* labels go to the record, where no secret may be */
	if (env_value_is_credential(text))
		return err_say(e, EINVAL, "a label must not hold what looks like a credential");
	return 0;
}

int grammar_cap(struct arena *a, const char *text, char **ret, struct err *e)
{
	char *name = arena_printf(a, "%s%s", strncasecmp(text, "CAP_", 4) == 0 ? "" : "CAP_", text);

	for (char *p = name; *p; p++) {
		if (!isalnum((unsigned char)*p) && *p != '_')
			return err_say(e, EINVAL, "is not a capability's name");
		*p = (char)toupper((unsigned char)*p);
	}
	if (!capset_is_known(name))
		return err_say(e, EINVAL, "is not a capability that agentrun knows");
	*ret = name;
	return 0;
}

bool path_is_beneath(const char *path, const char *root)
{
	size_t n = strlen(root);

	if (n == 1)
		return *path == '/';
	return strncmp(path, root, n) == 0 && (path[n] == 0 || path[n] == '/');
}

int grammar_mount(struct arena *a, const char *text, struct allowed_mount *ret, struct err *e)
{
	struct allowed_mount m = { 0 };
	char *rest = arena_strdup(a, text), *part;
	int n = 0, r;

	while ((part = strsep(&rest, ":"))) {
		if (n == 0)
			m.source = part;
		else if (strcmp(part, "ro") == 0 && !rest)
			m.read_only = true;
		else if (n == 1)
			m.destination = part;
		else
			return err_say(e, EINVAL, "must be SOURCE[:DEST][:ro]");
		n++;
	}
	if ((r = grammar_container_path(m.source, e)) < 0)
		return err_in(e, "source");
	if (m.destination && (r = grammar_container_path(m.destination, e)) < 0)
		return err_in(e, "destination");
	*ret = m;
	return 0;
}

/* ---- destinations ---- */

struct address {
	int family;
	unsigned char bytes[16];
	unsigned bits;		/* the prefix's length */
};

static unsigned family_bits(int family)
{
	return family == AF_INET ? 32 : 128;
}

static bool prefix_equal(const unsigned char *x, const unsigned char *y, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;

	if (memcmp(x, y, whole) != 0)
		return false;
	return !rest || !((x[whole] ^ y[whole]) >> (8 - rest));
}

static bool address_covers(const struct address *outer, const struct address *inner)
{
	return outer->family == inner->family && outer->bits <= inner->bits &&
	       prefix_equal(outer->bytes, inner->bytes, outer->bits);
}

/* "203.0.113.0/24", "2001:db8::1"; -1: it is no address. */
static int address_parse(const char *text, struct address *ret)
{
	struct address x = { 0 };
	char host[INET6_ADDRSTRLEN + 1];
	const char *slash = strchr(text, '/');
	size_t n = slash ? (size_t)(slash - text) : strlen(text);
	struct err ignored;
	uint64_t bits;

	if (n >= sizeof host)
		return -1;
	memcpy(host, text, n);
	host[n] = 0;
	if (inet_pton(AF_INET, host, x.bytes) == 1)
		x.family = AF_INET;
	else if (inet_pton(AF_INET6, host, x.bytes) == 1)
		x.family = AF_INET6;
	else
		return -1;
	x.bits = family_bits(x.family);
	if (slash) {
		const char *p = slash + 1;

		if (take_digits(&p, x.bits, &bits, &ignored) < 0 || *p)
			return -1;
		x.bits = (unsigned)bits;
	}
	*ret = x;
	return 0;
}

/* What is never a destination.  `whole`: a wider rule that contains the range is refused too;
 * single addresses are refused only where the rule is about as narrow as they are. */
static const struct {
	const char *range, *why;
	bool whole, names_only;
} refused_ranges[] = {
	{ "0.0.0.0/8", "it means this host", true, false },
	{ "127.0.0.0/8", "it is loopback", true, false },
	{ "169.254.0.0/16", "it is link-local, where cloud metadata services are", true, false },
	{ "224.0.0.0/4", "it is multicast", true, false },
	{ "240.0.0.0/4", "it is reserved or broadcast", true, false },
	{ "100.100.100.200/32", "it is a cloud metadata service", false, false },
	{ "168.63.129.16/32", "it is a cloud metadata service", false, false },
	{ "192.0.0.192/32", "it is a cloud metadata service", false, false },
	{ "::/127", "it is loopback or unspecified", true, false },
	{ "::ffff:0:0/96", "it is an IPv4 address in IPv6 spelling", true, false },
	{ "64:ff9b::7f00:0/104", "it is loopback behind NAT64", false, false },
	{ "64:ff9b::a9fe:0/112", "it is a cloud metadata service behind NAT64", false, false },
	{ "fd00:ec2::/32", "it is a cloud metadata service", false, false },
	{ "fe80::/10", "it is link-local", true, false },
	{ "ff00::/8", "it is multicast", true, false },
	{ "10.0.0.0/8", "it is private: a name must not lead there", false, true },
	{ "172.16.0.0/12", "it is private: a name must not lead there", false, true },
	{ "192.168.0.0/16", "it is private: a name must not lead there", false, true },
	{ "100.64.0.0/10", "it is private: a name must not lead there", false, true },
	{ "fc00::/7", "it is private: a name must not lead there", false, true },
};

static const char *why_refused(const struct address *x, bool name_rule)
{
	for (size_t i = 0; i < sizeof refused_ranges / sizeof *refused_ranges; i++) {
		struct address range;

		if (refused_ranges[i].names_only && !name_rule)
			continue;
		if (address_parse(refused_ranges[i].range, &range) < 0)
			abort();
		if (address_covers(&range, x))
			return refused_ranges[i].why;
		if (refused_ranges[i].whole && address_covers(x, &range) && x->bits > 0)
			return refused_ranges[i].why;
		if (!refused_ranges[i].whole && address_covers(x, &range) && x->bits + 8 >= range.bits)
			return refused_ranges[i].why;
	}
	return NULL;
}

const char *policy_address_refused(const char *address, bool name_rule)
{
	struct address x;

	if (address_parse(address, &x) < 0)
		return "it is no address";
	return why_refused(&x, name_rule);
}

static int check_name(char *host, bool ceiling, struct err *e)
{
	static const char *const local[] = { "localhost", "localhost.localdomain", "ip6-localhost",
					     "ip6-loopback", "metadata", NULL };
	const char *p = host, *last;

	if (ceiling && str_has_prefix(host, "*."))
		p += 2;
	if (!*p || strlen(host) > 253)
		return err_say(e, EINVAL, "a host name has 1 to 253 characters");
	if (p[strlen(p) - 1] == '.')
		return err_say(e, EINVAL, "a host name is written without a dot at its end");
	for (char *c = host; *c; c++) {
		if ((unsigned char)*c >= 0x80)
			return err_say(e, EINVAL, "a host name is ASCII: write its punycode (xn--...)");
		*c = (char)tolower((unsigned char)*c);
	}
	if (strchr(p, '*') || strchr(p, '?'))
		return err_say(e, EINVAL, "a rule names one host, no wildcard");
	for (last = p; *p; p++) {
		size_t n = strspn(p, "abcdefghijklmnopqrstuvwxyz0123456789-");

		if (p[n] && p[n] != '.')
			return err_say(e, EINVAL, "is neither an address nor a host name");
		if (!n || n > 63 || p[0] == '-' || p[n - 1] == '-')
			return err_say(e, EINVAL, "is not a valid host name");
		last = p;
		p += n;
		if (!*p)
			break;
	}
	/* "127.1", "0x7f.1", "017700000001", "2130706433": resolvers take them for addresses */
	if (!last[strspn(last, "0123456789")] || str_has_prefix(last, "0x"))
		return err_say(e, EINVAL, "is a numeric spelling that is not a plain dotted address");
	if (str_find(local, host) >= 0)
		return err_say(e, EINVAL, "names this host or its metadata service");
	if (str_has_suffix(host, ".localhost") || str_has_suffix(host, ".local") ||
	    strcmp(host, "metadata.google.internal") == 0)
		return err_say(e, EINVAL, "names this host, its link or its metadata service");
	return 0;
}

static int check_host(struct arena *a, char *host, bool bracketed, unsigned flags,
		      struct spec_egress_rule *ret, struct err *e)
{
	struct address x;
	char canonical[INET6_ADDRSTRLEN];
	unsigned char net[16] = { 0 };
	const char *why;

	if (address_parse(host, &x) < 0) {
		if (bracketed)
			return err_say(e, EINVAL, "is not an IPv6 address");
		if (strchr(host, '/'))
			return err_say(e, EINVAL, "is not an address with a prefix length");
		ret->host = host;
		ret->is_name = true;
		return check_name(host, flags & GRAMMAR_CEILING, e);
	}
	if (bracketed != (x.family == AF_INET6))
		return err_say(e, EINVAL, "IPv6 addresses, and only they, stand in [brackets]");
	for (unsigned i = 0; i < x.bits; i++)
		net[i / 8] |= x.bytes[i / 8] & (unsigned char)(0x80 >> i % 8);
	if (memcmp(net, x.bytes, family_bits(x.family) / 8) != 0)
		return err_say(e, EINVAL, "has bits set beyond its prefix length");
	/* the host policy's ceiling may name the whole internet: rules beneath it may not */
	if (!(flags & GRAMMAR_CEILING)) {
		if (x.bits == 0)
			return err_say(e, EINVAL, "names everything: that is egress=open");
		if ((why = why_refused(&x, false)))
			return err_say(e, EINVAL, "is never a destination: %s", why);
	}
	inet_ntop(x.family, x.bytes, canonical, sizeof canonical);
	ret->host = x.bits == family_bits(x.family) ? arena_strdup(a, canonical) :
						     arena_printf(a, "%s/%u", canonical, x.bits);
	ret->is_name = false;
	return 0;
}

static int take_ports(const char **p, struct spec_egress_rule *ret, struct err *e)
{
	int r;

	if (**p != ':')
		return err_say(e, EINVAL, "a port is missing: HOST:PORT");
	++*p;
	if ((r = take_digits(p, 65535, &ret->port_first, e)) < 0)
		return err_in(e, "port");
	ret->port_last = ret->port_first;
	if (**p == '-') {
		++*p;
		if ((r = take_digits(p, 65535, &ret->port_last, e)) < 0)
			return err_in(e, "port");
	}
	if (!ret->port_first || ret->port_last < ret->port_first)
		return err_say(e, EINVAL, "ports are 1 to 65535, the lower one first");
	return 0;
}

/* Where HOST ends: at the bracket, or at the last colon before the blank. */
static int take_host(struct arena *a, const char **p, char **ret, bool *ret_bracketed,
		     struct err *e)
{
	const char *end;

	*ret_bracketed = **p == '[';
	if (*ret_bracketed) {
		end = strchr(++*p, ']');
		if (!end)
			return err_say(e, EINVAL, "']' is missing");
		*ret = arena_strndup(a, *p, (size_t)(end - *p));
		*p = end + 1;
		return 0;
	}
	end = *p + strcspn(*p, ": \t(");
	if (str_has_prefix(end, "://"))
		return err_say(e, EINVAL, "must be a host, not a URL: HOST:PORT");
	*ret = arena_strndup(a, *p, (size_t)(end - *p));
	*p = end;
	if (!**ret)
		return err_say(e, EINVAL, "a host is missing");
	if (*end == ':' && strchr(end + 1, ':') &&
	    strcspn(end, " \t(") > (size_t)(strchr(end + 1, ':') - end))
		return err_say(e, EINVAL, "IPv6 addresses, and only they, stand in [brackets]");
	return 0;
}

static int take_reason(struct arena *a, const char *p, unsigned flags, char **ret, struct err *e)
{
	size_t n;

	p += strspn(p, " \t");
	if (!*p) {
		if (!(flags & (GRAMMAR_NO_REASON | GRAMMAR_CEILING)))
			return err_say(e, EINVAL, "a reason is missing: HOST:PORT (why it is needed)");
		*ret = NULL;
		return 0;
	}
	n = strlen(p);
	if (*p != '(' || p[n - 1] != ')' || strcspn(p + 1, "()") != n - 2)
		return err_say(e, EINVAL, "after the port only a (reason) may follow");
	*ret = arena_strndup(a, p + 1, n - 2);
	if (n == 2 || strspn(*ret, " \t") == n - 2)
		return err_say(e, EINVAL, "the reason is empty");
	if (n > 202 || !is_printable(*ret))
		return err_say(e, EINVAL, "a reason is at most 200 bytes of printable text");
	if (env_value_is_credential(*ret))
		return err_say(e, EINVAL, "a reason must not hold what looks like a credential");
	return 0;
}

int grammar_egress(struct arena *a, const char *text, unsigned flags, struct spec_egress_rule *ret,
		   struct err *e)
{
	struct spec_egress_rule rule = { .protocol = "tcp" };
	const char *p = text;
	char *host = NULL;
	bool bracketed = false;
	int r;

	if ((r = take_host(a, &p, &host, &bracketed, e)) < 0 ||
	    (r = check_host(a, host, bracketed, flags, &rule, e)) < 0 ||
	    (r = take_ports(&p, &rule, e)) < 0)
		return r;
	if (str_has_prefix(p, "/udp") || str_has_prefix(p, "/tcp")) {
		rule.protocol = p[1] == 'u' ? "udp" : "tcp";
		p += 4;
	}
	if (*p && !strchr(" \t(", *p))
		return err_say(e, EINVAL, "must be HOST-or-CIDR:PORT[-PORT][/udp] (reason)");
	/* names would leak through whatever answers there (DESIGN section 6) */
	if (rule.port_first <= 53 && rule.port_last >= 53 && !(flags & GRAMMAR_CEILING))
		return err_say(e, EINVAL, "port 53 is never allowed: names are resolved outside");
	if ((r = take_reason(a, p, flags, &rule.reason, e)) < 0)
		return r;
	*ret = rule;
	return 0;
}

char *grammar_egress_text(struct arena *a, const struct spec_egress_rule *r, bool reason)
{
	bool six = !r->is_name && strchr(r->host, ':');
	char *ports = r->port_first == r->port_last ?
		arena_printf(a, "%u", (unsigned)r->port_first) :
		arena_printf(a, "%u-%u", (unsigned)r->port_first, (unsigned)r->port_last);
	char *text = arena_printf(a, "%s%s%s:%s%s", six ? "[" : "", r->host, six ? "]" : "", ports,
				  strcmp(r->protocol, "udp") == 0 ? "/udp" : "");

	return reason && r->reason ? arena_printf(a, "%s (%s)", text, r->reason) : text;
}

bool grammar_egress_covers(const struct spec_egress_rule *ceiling,
			   const struct spec_egress_rule *rule)
{
	struct address outer, inner;

	if (strcmp(ceiling->protocol, rule->protocol) != 0 ||
	    ceiling->port_first > rule->port_first || ceiling->port_last < rule->port_last ||
	    ceiling->is_name != rule->is_name)
		return false;
	if (rule->is_name)
		return strcmp(ceiling->host, rule->host) == 0 ||
		       (str_has_prefix(ceiling->host, "*.") &&
			str_has_suffix(rule->host, ceiling->host + 1));
	return address_parse(ceiling->host, &outer) == 0 &&
	       address_parse(rule->host, &inner) == 0 && address_covers(&outer, &inner);
}
