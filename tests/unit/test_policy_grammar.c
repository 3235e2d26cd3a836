/* SPDX-License-Identifier: Apache-2.0 */
/* policy's grammar: values of fields, destinations (THREATS C14, C19), credentials by name and by
 * value (E3). */
#include <criterion/criterion.h>
#include <string.h>

#include "policy/env.h"
#include "policy/fields.h"
#include "policy/policy.h"

#define COUNT(rows) (sizeof(rows) / sizeof *(rows))

Test(policy_grammar, destinations)
{
	static const struct { const char *text, *canonical; } rows[] = {
		{ "203.0.113.10:443 (LLM API)", "203.0.113.10:443 (LLM API)" },
		{ "203.0.113.10:443/tcp (x)", "203.0.113.10:443 (x)" },
		{ "203.0.113.0/24:8000-8010/udp (x)", "203.0.113.0/24:8000-8010/udp (x)" },
		{ "[2001:DB8::10]:443(x)", "[2001:db8::10]:443 (x)" },
		{ "[2001:db8::/32]:443 (x)", "[2001:db8::/32]:443 (x)" },
		{ "API.Example.COM:443 (x)", "api.example.com:443 (x)" },
		{ "xn--bcher-kva.example:1 (x)", "xn--bcher-kva.example:1 (x)" },
		{ "git:22 (a host of the company's)", "git:22 (a host of the company's)" },
		{ "10.0.0.0/8:5432 (database, and its replica)",
		  "10.0.0.0/8:5432 (database, and its replica)" },
		{ "1a.example:80 (x)", "1a.example:80 (x)" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		owned_arena a = ARENA_INIT;
		struct spec_egress_rule rule;
		struct err e = { 0 };

		cr_assert_eq(grammar_egress(&a, rows[i].text, 0, &rule, &e), 0, "%s: %s", rows[i].text,
			     e.text);
		cr_expect_str_eq(grammar_egress_text(&a, &rule, true), rows[i].canonical);
	}
}

/* why: part of the error, NULL if there is to be none. */
static void expect_refusal(int r, const struct err *e, const char *text, const char *why)
{
	cr_expect_eq(r < 0, why != NULL, "%s: %s", text, e->text);
	if (why)
		cr_expect(strstr(e->text, why), "%s: %s, expected %s", text, e->text, why);
}

Test(policy_grammar, refused_destinations)
{
	static const struct { const char *text, *why; } rows[] = {
		{ "", "a host is missing" },
		{ ":443 (x)", "a host is missing" },
		{ "api.example.com (x)", "a port is missing" },
		{ "api.example.com:443", "a reason is missing" },
		{ "api.example.com:443 ()", "the reason is empty" },
		{ "api.example.com:443 ( )", "the reason is empty" },
		{ "api.example.com:443 (a) b", "only a (reason) may follow" },
		{ "api.example.com:443 (a (b))", "only a (reason) may follow" },
		{ "api.example.com:443 (\x1b[2J)", "printable" },
		{ "api.example.com:443 (ghp_abcdefghijklmnopqrstuvwxyz0123456789)", "credential" },
		{ "api.example.com:0 (x)", "ports are 1 to 65535" },
		{ "api.example.com:65536 (x)", "too large" },
		{ "api.example.com:080 (x)", "must not begin with 0" },
		{ "api.example.com:+80 (x)", "a number is missing" },
		{ "api.example.com:90-80 (x)", "the lower one first" },
		{ "api.example.com:80-- (x)", "a number is missing" },
		{ "api.example.com:80/sctp (x)", "must be HOST-or-CIDR" },
		{ "api.example.com:http (x)", "a number is missing" },
		/* DNS is the main hole */
		{ "9.9.9.9:53 (x)", "port 53" },
		{ "9.9.9.9:53/udp (x)", "port 53" },
		{ "dns.example:1-1024 (x)", "port 53" },
		/* addresses that are never a destination */
		{ "127.0.0.1:80 (x)", "loopback" },
		{ "127.0.0.11:80 (x)", "loopback" },
		{ "0.0.0.0:80 (x)", "this host" },
		{ "0.0.0.0/0:443 (x)", "egress=open" },
		{ "[::/0]:443 (x)", "egress=open" },
		{ "0.0.0.0/1:443 (x)", "never a destination" },
		{ "128.0.0.0/1:443 (x)", "never a destination" },
		{ "169.254.169.254:80 (x)", "metadata" },
		{ "169.254.0.0/17:80 (x)", "metadata" },
		{ "100.100.100.200:80 (x)", "metadata" },
		{ "168.63.129.16:80 (x)", "metadata" },
		{ "224.0.0.251:5353/udp (x)", "multicast" },
		{ "255.255.255.255:9/udp (x)", "broadcast" },
		{ "[::1]:80 (x)", "loopback" },
		{ "[::]:80 (x)", "loopback or unspecified" },
		{ "[::ffff:203.0.113.1]:80 (x)", "IPv4 address in IPv6" },
		{ "[fe80::1]:80 (x)", "link-local" },
		{ "[fe80::1%eth0]:80 (x)", "not an IPv6 address" },
		{ "[ff02::1]:80 (x)", "multicast" },
		{ "[fd00:ec2::254]:80 (x)", "metadata" },
		{ "[64:ff9b::a9fe:a9fe]:80 (x)", "metadata" },
		/* spellings */
		{ "2001:db8::1:443 (x)", "[brackets]" },
		{ "[203.0.113.1]:443 (x)", "[brackets]" },
		{ "[2001:db8::1:443 (x)", "']' is missing" },
		{ "[api.example.com]:443 (x)", "not an IPv6 address" },
		{ "203.0.113.10/24:443 (x)", "bits set beyond" },
		{ "203.0.113.0/33:443 (x)", "prefix length" },
		{ "203.0.113.0/024:443 (x)", "prefix length" },
		{ "2130706433:80 (x)", "numeric spelling" },
		{ "127.1:80 (x)", "numeric spelling" },
		{ "0x7f.0.0.1:80 (x)", "numeric spelling" },
		{ "0x7f000001:80 (x)", "numeric spelling" },
		{ "017700000001:80 (x)", "numeric spelling" },
		{ "0177.0.0.1:80 (x)", "numeric spelling" },
		{ "203.0.113.010:80 (x)", "numeric spelling" },
		{ "1.2.3.4.:80 (x)", "without a dot at its end" },
		{ "api.example.com.:443 (x)", "without a dot at its end" },
		{ "*.example.com:443 (x)", "no wildcard" },
		{ "b\xc3\xbc" "cher.example:443 (x)", "punycode" },
		{ "api\xe3\x80\x82" "example:443 (x)", "punycode" },
		{ "a_b.example:443 (x)", "neither an address nor a host name" },
		{ "user@api.example.com:443 (x)", "neither an address nor a host name" },
		{ "http://api.example.com:443 (x)", "not a URL" },
		{ "api.example.com/24:443 (x)", "prefix length" },
		{ "-a.example:443 (x)", "not a valid host name" },
		{ "a..example:443 (x)", "not a valid host name" },
		{ "localhost:80 (x)", "this host" },
		{ "LOCALHOST:80 (x)", "this host" },
		{ "x.localhost:80 (x)", "this host" },
		{ "metadata.google.internal:80 (x)", "metadata" },
		{ "api.example.com :443 (x)", "a port is missing" },
		{ "api.example.com:443\n(x)", "must be HOST-or-CIDR" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		owned_arena a = ARENA_INIT;
		struct spec_egress_rule rule;
		struct err e = { 0 };

		expect_refusal(grammar_egress(&a, rows[i].text, 0, &rule, &e), &e, rows[i].text,
			       rows[i].why);
	}
}

Test(policy_grammar, resolved_addresses)
{
	static const struct { const char *address; bool by_address, by_name; } rows[] = {
		{ "203.0.113.1", true, true },
		{ "2001:db8::1", true, true },
		{ "10.0.0.1", true, false },
		{ "192.168.1.1", true, false },
		{ "172.31.0.1", true, false },
		{ "172.32.0.1", true, true },
		{ "100.64.0.1", true, false },
		{ "fd12::1", true, false },
		{ "127.0.0.1", false, false },
		{ "169.254.169.254", false, false },
		{ "::ffff:10.0.0.1", false, false },
		{ "not an address", false, false },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		cr_expect_eq(!policy_address_refused(rows[i].address, false), rows[i].by_address, "%s",
			     rows[i].address);
		cr_expect_eq(!policy_address_refused(rows[i].address, true), rows[i].by_name, "%s",
			     rows[i].address);
	}
}

Test(policy_grammar, numbers)
{
	static const struct {
		enum field_id id;
		const char *text;
		unsigned long long value;
		const char *why;
	} rows[] = {
		{ FIELD_LIMITS_MEMORY, "512m", 536870912, NULL },
		{ FIELD_LIMITS_MEMORY, "2G", 2147483648, NULL },
		{ FIELD_LIMITS_MEMORY, "4096", 4096, NULL },
		{ FIELD_LIMITS_MEMORY, "1.5g", 0, "a size like" },
		{ FIELD_LIMITS_MEMORY, "-1", 0, "a number is missing" },
		{ FIELD_LIMITS_MEMORY, "0", 0, "out of range" },
		{ FIELD_LIMITS_MEMORY, "9999999999g", 0, "out of range" },
		{ FIELD_LIMITS_MEMORY, "1mb", 0, "a size like" },
		{ FIELD_LIMITS_CPU, "2", 2000, NULL },
		{ FIELD_LIMITS_CPU, "1.5", 1500, NULL },
		{ FIELD_LIMITS_CPU, "0.01", 10, NULL },
		{ FIELD_LIMITS_CPU, "0", 0, "at least 0.01" },
		{ FIELD_LIMITS_CPU, "1.", 0, "a digit is missing" },
		{ FIELD_LIMITS_CPU, "1,5", 0, "a number of processors" },
		{ FIELD_LIMITS_TIME, "90", 90, NULL },
		{ FIELD_LIMITS_TIME, "90s", 90, NULL },
		{ FIELD_LIMITS_TIME, "1h30m", 5400, NULL },
		{ FIELD_LIMITS_TIME, "1d", 86400, NULL },
		{ FIELD_LIMITS_TIME, "30m1h", 0, "a duration like" },
		{ FIELD_LIMITS_TIME, "1h30", 0, "a duration like" },
		{ FIELD_LIMITS_TIME, "1w", 0, "a duration like" },
		{ FIELD_LIMITS_TIME, "0s", 0, "out of range" },
		{ FIELD_LIMITS_PIDS, "100", 100, NULL },
		{ FIELD_LIMITS_PIDS, "0100", 0, "not begin with 0" },
		{ FIELD_LIMITS_PIDS, "18446744073709551616", 0, "too large" },
		{ FIELD_INGRESS_ALLOW, "8080", 8080, NULL },
		{ FIELD_INGRESS_ALLOW, "0", 0, "1 to 65535" },
		{ FIELD_INGRESS_ALLOW, "65536", 0, "too large" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		owned_arena a = ARENA_INIT;
		struct err e = { 0 };
		char *text;
		int r = field_parse_item(&a, rows[i].id, NULL, rows[i].text, 0, &text, &e);

		expect_refusal(r, &e, rows[i].text, rows[i].why);
		if (r == 0)
			cr_expect_eq(value_number(rows[i].id, text), rows[i].value, "%s", rows[i].text);
	}
}

Test(policy_grammar, paths_and_names)
{
	static const struct { enum field_id id; const char *text, *why; } rows[] = {
		{ FIELD_WORKSPACE, "/workspace", NULL },
		{ FIELD_WORKSPACE, "workspace", "an absolute path" },
		{ FIELD_WORKSPACE, "/a/../b", "an absolute path" },
		{ FIELD_WORKSPACE, "/a//b", "an absolute path" },
		{ FIELD_WORKSPACE, "/a/", "an absolute path" },
		{ FIELD_WORKSPACE, "/a\nb", "an absolute path" },
		{ FIELD_WORKSPACE_GUARD, ".git/hooks", NULL },
		{ FIELD_WORKSPACE_GUARD, "/etc", "relative to the workspace" },
		{ FIELD_WORKSPACE_GUARD, "../x", "relative to the workspace" },
		{ FIELD_WORKSPACE_GUARD, ".", "relative to the workspace" },
		{ FIELD_WORKSPACE_MASK, "*.pem", NULL },
		{ FIELD_WORKSPACE_MASK, "/*.pem", NULL },
		{ FIELD_WORKSPACE_MASK, "/", "a pattern inside the workspace" },
		{ FIELD_WORKSPACE_MASK, "a/../*.pem", "a pattern inside the workspace" },
		{ FIELD_MOUNTS_ALLOW, "/a", NULL },
		{ FIELD_MOUNTS_ALLOW, "/a:/b:ro", NULL },
		{ FIELD_MOUNTS_ALLOW, "/a:ro", NULL },
		{ FIELD_MOUNTS_ALLOW, "a:/b", "source: must be an absolute path" },
		{ FIELD_MOUNTS_ALLOW, "/a:b", "destination: must be an absolute path" },
		{ FIELD_MOUNTS_ALLOW, "/a:/b:rw", "SOURCE[:DEST][:ro]" },
		{ FIELD_MOUNTS_ALLOW, "/a:/b:ro:x", "SOURCE[:DEST][:ro]" },
		{ FIELD_ENV_ALLOW, "AWS_*", NULL },
		{ FIELD_ENV_ALLOW, "A=B", "a variable's name" },
		{ FIELD_ENV_ALLOW, "A B", "a variable's name" },
		{ FIELD_SECCOMP, "agent-debug", NULL },
		{ FIELD_SECCOMP, "a/b", "never a path" },
		{ FIELD_SECCOMP, ".hidden", "never a path" },
		{ FIELD_CAPS, "chown", NULL },
		{ FIELD_CAPS, "CAP_CHOWN", NULL },
		{ FIELD_CAPS, "ALL", "not a capability" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		owned_arena a = ARENA_INIT;
		struct err e = { 0 };
		char *text;

		expect_refusal(field_parse_item(&a, rows[i].id, NULL, rows[i].text, 0, &text, &e), &e,
			       rows[i].text, rows[i].why);
	}
}

Test(policy_grammar, field_names)
{
	for (int i = 0; i < FIELD_LABEL; i++)
		cr_expect_eq(field_find(fields[i].name), i);
	cr_expect_eq(field_find("label.anything"), FIELD_LABEL);
	cr_expect_eq(field_find("label"), -1);
	cr_expect_eq(field_find(""), -1);
	cr_expect_str_eq(field_nearest("workspce"), "workspace");
	cr_expect_str_eq(field_nearest("audit_mode"), "audit.mode");
	/* longer than any: still the name of one */
	cr_expect_neq(field_find(field_nearest("a name that is a good deal longer than any field's "
					       "could be, and goes on and on")), -1);
}

Test(policy_grammar, credential_names)
{
	static const struct { const char *name; bool credential; } rows[] = {
		{ "GITHUB_TOKEN", true }, { "GH_TOKEN", true }, { "AWS_SECRET_ACCESS_KEY", true },
		{ "AWS_PROFILE", true }, { "SSH_AUTH_SOCK", true }, { "DOCKER_HOST", true },
		{ "KUBECONFIG", true }, { "OPENAI_API_KEY", true }, { "ANTHROPIC_API_KEY", true },
		{ "PGPASSWORD", true }, { "MYSQL_PWD", true }, { "DB_PASS", true },
		{ "npm_config__authToken", true }, { "NPM_CONFIG__AUTH", true },
		{ "my_secret", true }, { "SECRET_BASE", true }, { "SIGNING_KEY", true },
		{ "VAULT_ADDR", true }, { "GOOGLE_APPLICATION_CREDENTIALS", true },
		{ "AZURE_CLIENT_ID", true }, { "XAUTHORITY", true }, { "SLACK_WEBHOOK", true },
		{ "SESSION_COOKIE", true }, { "DBUS_SESSION_BUS_ADDRESS", true },
		{ "PATH", false }, { "HOME", false }, { "TERM", false }, { "LANG", false },
		{ "PWD", false }, { "OLDPWD", false }, { "LC_ALL", false }, { "HOSTNAME", false },
		{ "GIT_AUTHOR_NAME", false }, { "GIT_AUTHOR_EMAIL", false }, { "EDITOR", false },
		{ "KEYBOARD", false }, { "TOKENIZERS_PARALLELISM", false },
		{ "CLAUDE_CODE_MAX_OUTPUT_TOKENS", false }, { "AWS_REGION", false },
		{ "GITHUB_ACTIONS", false }, { "CI", false }, { "NODE_ENV", false },
		{ "PIP_INDEX_URL", false }, { "HTTP_PROXY", false }, { "ANTHROPIC_BASE_URL", false },
		{ "PASSENGER_COUNT", false }, { "COMPASS", false }, { "AUTHORS", false },
		{ "JAVA_HOME", false }, { "GOPATH", false }, { "CARGO_HOME", false },
		{ "APT_KEY_DONT_WARN_ON_DANGEROUS_USAGE", false }, { "LS_COLORS", false },
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		cr_expect_eq(env_name_is_credential(rows[i].name), rows[i].credential, "%s",
			     rows[i].name);
}

/* Made up here, in parts, so that no scanner of repositories takes them for real. */
#define ALNUM36 "abcdefghijklmnopqrstuvwxyz0123456789"

Test(policy_grammar, credential_values)
{
	static const struct { const char *value; bool credential; } rows[] = {
		{ "AKIA" "IOSFODNN7EXAMPLE", true },
		{ "ASIA" "IOSFODNN7EXAMPLE", true },
		{ "ghp_" ALNUM36, true },
		{ "token=ghs_" ALNUM36, true },
		{ "github_pat_" ALNUM36, true },
		{ "glpat-" "abcdefghij0123456789", true },
		{ "xoxb-" "123456789012-abcdefghij", true },
		{ "https://hooks.slack.com/services/T0/B0/x", true },
		{ "sk-ant-" "api03-" ALNUM36, true },
		{ "sk-" "proj-" ALNUM36, true },
		{ "npm_" ALNUM36, true },
		{ "pypi-" "AgEIcHlwaS5vcmc" ALNUM36, true },
		{ "AIza" "SyA-abcdefghijklmnopqrstuvwxyz012345", true },
		{ "hf_" ALNUM36, true },
		{ "dckr_pat_" ALNUM36, true },
		{ "eyJ" "hbGciOiJIUzI1NiJ9.eyJ" "zdWIiOiIxMjM0In0.c2lnbmF0dXJl", true },
		{ "-----BEGIN RSA PRIVATE " "KEY-----\nabc", true },
		{ "-----BEGIN OPENSSH PRIVATE " "KEY-----\nabc", true },
		{ "LS0tLS1CRUdJTi" "BSU0EgUFJJVkFURSBLRVk", true },
		{ "postgres://app:hunter2@db.example/app", true },
		{ "https://oauth2:abc/def@git.example/x.git", true },
		{ "https://" ALNUM36 "@git.example/x.git", true },
		{ "Bearer abcdefghijklmnopqrstuvwxyz", true },
		{ "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin", false },
		{ "ssh://git@git.example/x.git", false },
		{ "https://git.example:8443/x@y", false },
		{ "https://proxy.example:3128", false },
		{ "https://proxy.example:3128/a@b", false },
		{ "user:@", false },
		{ "-----BEGIN CERTIFICATE-----\nabc", false },
		{ "da39a3ee5e6b4b0d3255bfef95601890afd80709", false },
		{ "task-runner-for-something-long", false },
		{ "sk-learn-contrib-some-thing-long", false },
		{ "flask-2.0.1", false },
		{ "ghp_short", false },
		{ "AKIAshort", false },
		{ "eyJust a word", false },
		{ "", false },
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		cr_expect_eq(env_value_is_credential(rows[i].value), rows[i].credential, "%s",
			     rows[i].value);
}
