/* SPDX-License-Identifier: Apache-2.0 */
/* redact: credentials on the command lines of the tools that agents use (THREATS F5). */
#include <criterion/criterion.h>
#include <string.h>

#include "audit/redact.h"

static struct arena arena;

static void tear_down(void)
{
	arena_free(&arena);
}

TestSuite(redact, .fini = tear_down);

/* The words of the line, which are parted by '|', and the same as a shell gets them. */
static struct strv words_of(const char *line)
{
	struct strv words = { 0 };

	for (const char *p = line; p; p = strchr(p, '|') ? strchr(p, '|') + 1 : NULL)
		strv_add(&arena, &words, arena_strndup(&arena, p, strcspn(p, "|")));
	return words;
}

static struct strv shell_of(const char *line)
{
	char *text = arena_strdup(&arena, line);
	struct strv words = { 0 };

	for (char *p = text; (p = strchr(p, '|'));)
		*p = ' ';
	strv_add(&arena, &words, "sh");
	strv_add(&arena, &words, "-c");
	strv_add(&arena, &words, text);
	return words;
}

static void expect_hidden(const char *line, const struct strv *words)
{
	const struct strv shown = redact_args(&arena, words);
	bool hidden = false;

	cr_assert(shown.n == words->n);
	for (size_t i = 0; i < shown.n; i++) {
		cr_expect(!strstr(shown.v[i], "SECRET9"), "%s: %s", line, shown.v[i]);
		hidden = hidden || strstr(shown.v[i], "[redacted]");
	}
	cr_expect(hidden, "%s", line);
}

static void expect_shown(const char *line, const struct strv *words)
{
	const struct strv shown = redact_args(&arena, words);

	for (size_t i = 0; i < words->n; i++)
		cr_expect(strcmp(words->v[i], shown.v[i]) == 0, "%s: %s", line, shown.v[i]);
}

/* As arguments, and as a shell's text. */
static void each(const char *const *lines, size_t n, void (*expect)(const char *line, const struct strv *words))
{
	for (size_t i = 0; i < n; i++) {
		const struct strv words = words_of(lines[i]), shell = shell_of(lines[i]);

		expect(lines[i], &words);
		expect(lines[i], &shell);
	}
}

Test(redact, F5_what_tools_take_as_a_credential)
{
	static const char *const lines[] = {
		"curl|-H|Authorization: Bearer SECRET9|https://h", "curl|-H|X-Api-Key: SECRET9",
		"curl|-H|PRIVATE-TOKEN: SECRET9", "curl|--header|Cookie: a=SECRET9",
		"curl|-u|user:SECRET9|h", "curl|-uuser:SECRET9", "curl|--oauth2-bearer|SECRET9",
		"curl|--pass|SECRET9", "curl|--cert|cert:SECRET9",
		"curl|--proxy-user|u:SECRET9", "curl|-d|{\"password\":\"SECRET9\"}",
		"curl|-d|user=a&password=SECRET9", "curl|--data|api_key=SECRET9",
		"curl|-F|token=SECRET9", "curl|https://u:SECRET9@h/",
		"curl|https://h/?api_key=SECRET9", "curl|https://h/?access_token=SECRET9",
		"git|clone|https://SECRET9@github.com/x",
		"git|-c|http.extraHeader=Authorization: Basic SECRET9|push",
		"docker|login|-u|x|-p|SECRET9", "docker|login|--password|SECRET9",
		"docker|run|-e|DB_PASSWORD=SECRET9|x", "docker|build|--build-arg|NPM_TOKEN=SECRET9|.",
		"podman|login|-p|SECRET9", "npm|config|set|//registry.npmjs.org/:_authToken=SECRET9",
		"npm|config|set|//registry.npmjs.org/:_authToken|SECRET9",
		"npm|config|set|_authToken|SECRET9", "aws|configure|set|aws_secret_access_key|SECRET9",
		"env|API_KEY=SECRET9|cmd", "psql|postgresql://u:SECRET9@h/db",
		"psql|host=h user=u password=SECRET9",
		"kubectl|create|secret|generic|x|--from-literal=password=SECRET9",
		"kubectl|create|secret|generic|x|--from-literal|password=SECRET9",
		"kubectl|--token|SECRET9", "kubectl|config|set-credentials|u|--token=SECRET9",
		"helm|install|x|--set|auth.password=SECRET9",
		"helm|install|x|--set|a=1,auth.rootPassword=SECRET9", "openssl|rsa|-passin|pass:SECRET9", "openssl|enc|-pass|pass:SECRET9",
		"gpg|--passphrase|SECRET9", "gpg|--batch|--passphrase=SECRET9",
		"wget|--password=SECRET9", "wget|--http-password|SECRET9",
		"wget|--header=Authorization: token SECRET9",
		"http|POST|h|Authorization:Bearer SECRET9", "http|-a|u:SECRET9",
		"http|--auth|u:SECRET9", "ssh-keygen|-N|SECRET9", "ssh-keygen|-P|SECRET9",
		"mongo|-u|u|-p|SECRET9", "mongosh|--password|SECRET9",
		"mongosh|mongodb+srv://u:SECRET9@h/", "redis-cli|-a|SECRET9",
		"redis-cli|-u|redis://:SECRET9@h", "redis-cli|--pass|SECRET9",
		"twine|upload|-u|u|-p|SECRET9", "pip|install|--index-url|https://u:SECRET9@h/",
		"cargo|publish|--token|SECRET9", "vault|login|token=SECRET9",
		"vault|kv|put|secret/x|password=SECRET9", "terraform|apply|-var|db_password=SECRET9",
		"terraform|apply|-var=db_password=SECRET9",
		"az|login|--service-principal|-u|app|-p|SECRET9", "java|-Dpassword=SECRET9|x",
		"java|-Djavax.net.ssl.keyStorePassword=SECRET9|x", "keytool|-storepass|SECRET9",
		"keytool|-keypass|SECRET9", "mysql|--password|SECRET9", "mysql|--password=SECRET9",
		"usermod|--password|SECRET9|u",
		"sh|-c|export TOKEN=SECRET9; x", "sh|-c|export TOKEN=\"SECRET9\"; x",
		"ansible|-e|ansible_password=SECRET9",
		"ansible|--extra-vars|{\"ansible_become_pass\": \"SECRET9\"}",
		"heroku|config:set|SECRET_KEY=SECRET9", "sqlcmd|-P|SECRET9",
		"mosquitto_pub|-u|u|-P|SECRET9", "plink|-pw|SECRET9|h", "pscp|-pw|SECRET9",
		"ldapsearch|-D|x|-w|SECRET9", "pg_dump|--dbname=postgresql://u:SECRET9@h",
		"influx|--token|SECRET9", "gh|auth|login|--with-token|SECRET9",
		"fly|secrets|set|API_KEY=SECRET9", "python|-c|import x; x.login(password='SECRET9')",
		"python|-c|os.environ[\"OPENAI_API_KEY\"]=\"SECRET9\"",
		"python|-c|api_key = \"SECRET9\"", "node|-e|const apiKey = 'SECRET9'",
		"node|-e|process.env.SECRET=\"SECRET9\"", "php|-r|$password = 'SECRET9';",
		"ruby|-e|ENV['TOKEN'] = 'SECRET9'", "perl|-e|$ENV{TOKEN}=\"SECRET9\"",
		"tee|.env|DB_PASS=SECRET9", "sed|-i|s/password=.*/password=SECRET9/|x",
		"snowsql|--private-key-passphrase|SECRET9", "7z|a|-pSECRET9|x", "unzip|-P|SECRET9",
		"restic|--password-command|SECRET9", "jfrog|--access-token|SECRET9",
		"hub|api|-H|Authorization: token SECRET9", "sftp|sftp://u:SECRET9@h",
		"svn|--username|u|--password|SECRET9", "hg|--config|auth.x.password=SECRET9",
		"op|signin|--secret-key|SECRET9", "dotnet|nuget|push|-k|SECRET9",
		"dotnet|nuget|push|--api-key|SECRET9", "mvn|-Dgpg.passphrase=SECRET9", "gradle|-PossrhPassword=SECRET9",
		"sbt|-Dtoken=SECRET9", "claude|--api-key|SECRET9", "codex|--api-key=SECRET9",
		"curl|--user|u:SECRET9", "sh|-c|curl --proxy-user u:SECRET9 h",
		"sh|-c|curl --user u:SECRET9 h", "sh|-c|curl --user=u:SECRET9 h",
		"sh|-c|sshpass -p SECRET9 ssh", "sh|-c|mysql --password SECRET9 x",
		"sh|-c|docker login --password SECRET9 x",
		"openssl|enc|-aes-256-cbc|-k|SECRET9|-in|x", "openssl|enc|-d|-K|SECRET9|-iv|0",
		"/usr/bin/openssl|aes-256-cbc|-k|SECRET9", "openssl|enc|-pass|pass:SECRET9|-in|x",
		"openssl|des3|-K|SECRET9", "openssl|pkcs12|-passout|pass:SECRET9",
		"htpasswd|-b|f|user|SECRET9", "htpasswd|-bc|f|user|SECRET9", "htpasswd|-c|-b|f|user|SECRET9",
		"htpasswd|-nb|user|SECRET9", "htpasswd|-nbBC|12|user|SECRET9", "htpasswd|-bB|-C|12|f|user|SECRET9",
		"htpasswd|f|a;|htpasswd|-b|f|user|SECRET9",
	};

	each(lines, sizeof lines / sizeof *lines, expect_hidden);
}

/* What looks alike and is none: a page that hides what ran would be of no use. */
Test(redact, ordinary_words_stay)
{
	static const char *const lines[] = {
		"docker|run|-p|8080:80|-u|1000:1000|nginx", "git|log|--author|me|-p",
		"npm|run|build:key", "curl|-fsSL|-o|x|https://example.com/a:b", "ls|-l|/etc/ssl/certs",
		"tar|-xpf|x", "make|-k|-j2", "ssh|-p|2222|-i|/k/id|h", "gcc|-pipe|-O2|x.c",
		"rg|-e|token|src", "python3|-m|http.server|-b|0.0.0.0",
		"curl|-sO|https://example.com/x;|sed|-E|s/a:b/c/|x", "gem|install|x;|make|-k|all",
		"useradd|-m|dev;|mkdir|-p|/workspace/src",
		"openssl|version;|curl|-k|https://h/install.sh", "cp|-a|a|b", "unzip|-p|x|y",
		"pytest|-k|login", "chmod|u+x|auth.sh", "cargo|add|jwt|secrecy",
		"docker|run|-e|PW_TEST_HTML_REPORT_OPEN=never|x", "useradd|-m|-p|x|dev",
		"htpasswd|-c|f|user|x", "htpasswd|-D|f|user", "htpasswd|-b|f|user", "openssl|req|-keyout|k|-x509",
		"openssl|enc|-kfile|x|-in|y",
	};

	each(lines, sizeof lines / sizeof *lines, expect_shown);
}

/* A program's option begins as the name of another's does: what either takes is hidden. */
Test(redact, F5_options_that_begin_alike)
{
	static const char *const lines[] = {
		"az|login|x|-password|SECRET9", "7z|x|-password|SECRET9", "curl|h|-bearer|SECRET9",
		"docker|login|-p|y;|npx|lego|-private-key|SECRET9", "ngrok|http|80|--auth|SECRET9",
		"http|-A|bearer|--auth|SECRET9", "http|--auth|u:12345SECRET9", "sqlcmd|-Password|SECRET9",
		"mysql|-pSECRET9password", "sshpass|-pSECRET9|ssh|x",
	};

	each(lines, sizeof lines / sizeof *lines, expect_hidden);
}
