/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agentrun-hook-otlp: hands the record (or the container's state) on standard input
 * to an OpenTelemetry collector, by OTLP/HTTP.
 *
 * It talks to the host that it was told and to no other: no proxy of the environment, no
 * redirection.  It sends again what the protocol lets it send again, within a bounded time.
 */
#include <assert.h>
#include <ctype.h>
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "config.h"
#include "otlp.h"
#include "program.h"

#define DEFAULT_ENDPOINT "http://localhost:4318"	/* as the specification has it */
#define LOGS_PATH "/v1/logs"

enum { ANSWER_MOST = 64 << 10, HEADERS_MOST = 64 << 10, FIRST_WAIT = 200 /* ms */ };

/*
 * Options, and the environment's variables (OpenTelemetry, "Protocol Exporter") that stand for
 * them where they are not given: that of logs before that of all signals.
 */
enum { ENDPOINT, HEADERS, CA_FILE, TIMEOUT, SETTINGS };
static const struct { const char *logs, *all; } variables[] = {
	[ENDPOINT] = { "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT" },
	[HEADERS] = { "OTEL_EXPORTER_OTLP_LOGS_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS" },
	[CA_FILE] = { "OTEL_EXPORTER_OTLP_LOGS_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE" },
	[TIMEOUT] = { "OTEL_EXPORTER_OTLP_LOGS_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT" },
};
static_assert(sizeof variables / sizeof *variables == SETTINGS, "variables");

struct options {
	const char *endpoint;		/* LOGS_PATH is appended to it; or */
	const char *logs_endpoint;	/* used as it is */
	const char *headers_file;	/* of lines "NAME: VALUE" */
	const char *ca_file;		/* NULL: the host's authorities */
	unsigned timeout;		/* milliseconds, for all attempts together */
};

static const char usage[] =
	"usage: agentrun-hook-otlp [--endpoint URL | --logs-endpoint URL] [--headers-file FILE]\n"
	"       [--ca-file FILE] [--timeout MS]\n"
	"Sends the audit record (or the OCI state) on standard input to an OpenTelemetry collector.";

/* NULL: none, or an empty one, which OpenTelemetry treats alike. */
static const char *variable(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

static const char *setting(int which)
{
	const char *value = variable(variables[which].logs);

	return value ? value : variable(variables[which].all);
}

static int parse(int argc, char **argv, struct options *o, struct err *e)
{
	static const struct option longs[] = {
		{ "endpoint", 1, NULL, 'e' },	  { "logs-endpoint", 1, NULL, 'l' },
		{ "headers-file", 1, NULL, 'h' }, { "ca-file", 1, NULL, 'c' },
		{ "timeout", 1, NULL, 't' },	  { NULL, 0, NULL, 0 },
	};
	const char *timeout = NULL;
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (c) {
		case 'e':
			o->endpoint = optarg;
			break;
		case 'l':
			o->logs_endpoint = optarg;
			break;
		case 'h':
			o->headers_file = optarg;
			break;
		case 'c':
			o->ca_file = optarg;
			break;
		case 't':
			timeout = optarg;
			break;
		default:
			return err_say(e, EINVAL, "%s", usage);
		}
	}
	if (optind < argc || (o->endpoint && o->logs_endpoint))
		return err_say(e, EINVAL, "%s", usage);
	if (!o->endpoint && !o->logs_endpoint) {
		o->logs_endpoint = variable(variables[ENDPOINT].logs);
		if (!o->logs_endpoint)
			o->endpoint = variable(variables[ENDPOINT].all);
	}
	if (!o->ca_file)
		o->ca_file = setting(CA_FILE);
	if (timeout || (timeout = setting(TIMEOUT)))
		return program_number("timeout", timeout, 1, 60000, &o->timeout, e);
	return 0;
}

/* ---- the address ---- */

static int check_url(CURLU *u, const char *text, bool complete, struct err *e)
{
	char *part = NULL;
	CURLUcode code = curl_url_set(u, CURLUPART_URL, text, 0);

	if (code != CURLUE_OK)
		return err_say(e, EINVAL, "endpoint: %s", curl_url_strerror(code));
	if (curl_url_get(u, CURLUPART_SCHEME, &part, 0) == CURLUE_OK && strcmp(part, "http") != 0 &&
	    strcmp(part, "https") != 0) {
		curl_free(part);
		return err_say(e, EINVAL, "endpoint: expected http:// or https://");
	}
	curl_free(part);
	part = NULL;
	/* the arguments of a process are everybody's to read, and we name the address in errors */
	if (curl_url_get(u, CURLUPART_USER, &part, 0) == CURLUE_OK) {
		curl_free(part);
		return err_say(e, EINVAL, "endpoint: no user and password here: use --headers-file");
	}
	if (complete)
		return 0;
	if (curl_url_get(u, CURLUPART_PATH, &part, 0) == CURLUE_OK) {
		owned_str path = STR_INIT;

		str_puts(&path, part);
		curl_free(part);
		while (path.len && path.s[path.len - 1] == '/')
			path.s[--path.len] = 0;
		str_puts(&path, LOGS_PATH);
		if (curl_url_set(u, CURLUPART_PATH, path.s, 0) != CURLUE_OK)
			return err_say(e, EINVAL, "endpoint: bad path");
	}
	return 0;
}

/* The whole address in *out. */
static int address(const struct options *o, struct str *out, struct err *e)
{
	const char *text = o->logs_endpoint ? o->logs_endpoint :
			   o->endpoint ? o->endpoint : DEFAULT_ENDPOINT;
	CURLU *u = must(curl_url());
	char *whole = NULL;
	int r = check_url(u, text, o->logs_endpoint, e);

	if (r == 0 && curl_url_get(u, CURLUPART_URL, &whole, 0) != CURLUE_OK)
		r = err_say(e, EINVAL, "endpoint: no address");
	if (r == 0)
		str_puts(out, whole);
	curl_free(whole);
	curl_url_cleanup(u);
	return r;
}

/* ---- headers ---- */

/* RFC 9110, section 5.6.2 */
static bool is_token(const char *text, size_t n)
{
	static const char more[] = "!#$%&'*+-.^_`|~";

	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)text[i]) && !memchr(more, text[i], sizeof more - 1))
			return false;
	return n > 0;
}

/* What describes the request itself is ours. */
static bool is_ours(const char *name, size_t n)
{
	return strncasecmp(name, "content-", 8) == 0 ||
	       (n == 17 && strncasecmp(name, "transfer-encoding", n) == 0);
}

/* One header.  Its value is a secret more often than not: no error shows it. */
static int add_header(struct curl_slist **list, const char *name, size_t n, const char *value,
		      const char *where, struct err *e)
{
	owned_str line = STR_INIT;

	value += strspn(value, " \t");
	if (!is_token(name, n) || !*value || is_ours(name, n))
		return err_say(e, EINVAL, "%s: no header that could be added", where);
	for (const char *p = value; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 127)
			return err_say(e, EINVAL, "%s: a control character", where);
	str_append(&line, name, n);
	str_printf(&line, ": %s", value);
	*list = must(curl_slist_append(*list, line.s));
	return 0;
}

/* Secrets are read from a file that is the administrator's and nobody else's. */
static int read_secrets(const char *path, struct str *out, struct err *e)
{
	/* O_NONBLOCK: a FIFO in its place must not hang us */
	owned_fd fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return err_set(e, errno, "open %s", path);
	if (fstat(fd, &st) < 0)
		return err_set(e, errno, "stat %s", path);
	if (!S_ISREG(st.st_mode))
		return err_say(e, EINVAL, "%s: not a regular file", path);
	if ((st.st_uid != 0 && st.st_uid != geteuid()) || (st.st_mode & 0027))
		return err_say(e, EPERM, "%s: others may read or change it (expected root's, mode 0600)",
			       path);
	return fd_read_all(fd, HEADERS_MOST, path, out, e);
}

static int headers_of_file(const char *path, struct curl_slist **list, struct err *e)
{
	owned_str text = STR_INIT;
	char *rest, *line;
	int r = read_secrets(path, &text, e);

	rest = text.s;
	for (int n = 1; r == 0 && (line = strsep(&rest, "\n")); n++) {
		owned_str where = STR_INIT;

		str_printf(&where, "%s: line %d", path, n);
		for (size_t len = strlen(line); len && isspace((unsigned char)line[len - 1]); len--)
			line[len - 1] = 0;
		if (*line && *line != '#')
			r = add_header(list, line, strcspn(line, ":"),
				       line + strcspn(line, ":") + (strchr(line, ':') != NULL),
				       where.s, e);
	}
	return r;
}

/* NAME=VALUE,..., the values percent-encoded (OpenTelemetry: as W3C Baggage). */
static int headers_of_variable(const char *text, struct curl_slist **list, struct err *e)
{
	owned_str copy = STR_INIT;
	char *rest, *item;
	int r = 0;

	str_puts(&copy, text);
	rest = copy.s;
	while (r == 0 && (item = strsep(&rest, ","))) {
		char *value = strchr(item, '='), *decoded;
		int n;

		item += strspn(item, " \t");
		if (!value)
			return err_say(e, EINVAL, "OTEL_EXPORTER_OTLP_HEADERS: expected NAME=VALUE,...");
		decoded = must(curl_easy_unescape(NULL, value + 1, 0, &n));
		for (; n && isspace((unsigned char)decoded[n - 1]); n--)
			decoded[n - 1] = 0;
		for (*value = 0; value > item && isspace((unsigned char)value[-1]);)
			*--value = 0;
		r = add_header(list, item, strlen(item), decoded, "OTEL_EXPORTER_OTLP_HEADERS", e);
		curl_free(decoded);
	}
	return r;
}

static int add_headers(const struct options *o, struct curl_slist **list, struct err *e)
{
	const char *text = setting(HEADERS);

	*list = must(curl_slist_append(*list, "Content-Type: application/json"));
	if (o->headers_file)
		return headers_of_file(o->headers_file, list, e);
	return text ? headers_of_variable(text, list, e) : 0;
}

/* ---- the request ---- */

struct answer {
	struct str body;
	bool too_long;
};

static size_t take_answer(char *data, size_t size, size_t n, void *to)
{
	struct answer *answer = to;

	if (answer->body.len + size * n > ANSWER_MOST) {
		answer->too_long = true;
		return 0;
	}
	str_append(&answer->body, data, size * n);
	return size * n;
}

/* Whether the collector was not reached, or hung up before it answered. */
static bool is_interrupted(CURLcode code)
{
	return code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_CONNECT ||
	       code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR || code == CURLE_GOT_NOTHING;
}

/* One attempt.  *ret_again: another may succeed, after *ret_wait milliseconds if that is not 0. */
static int attempt(CURL *curl, int64_t left, bool *ret_again, int64_t *ret_wait, struct err *e)
{
	char said[CURL_ERROR_SIZE] = "";
	struct answer answer = { 0 };
	owned_str warning = STR_INIT;
	curl_off_t seconds = 0;
	long status = 0;
	CURLcode code;
	int r;

	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, said);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)left);
	code = curl_easy_perform(curl);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, NULL);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &seconds);
	*ret_wait = seconds > 60 ? 60 * 1000 : seconds * 1000;
	if (code == CURLE_OK) {
		r = otlp_answer(status, &answer.body, ret_again, &warning, e);
	} else {
		owned_str words = STR_INIT;

		str_put_safe(&words, *said ? said : curl_easy_strerror(code), CURL_ERROR_SIZE);
		*ret_again = is_interrupted(code);
		r = answer.too_long ? err_say(e, EIO, "answered %ld with more than %d bytes", status,
					      ANSWER_MOST) :
		    err_say(e, code == CURLE_OPERATION_TIMEDOUT ? ETIMEDOUT : EIO, "%s", words.s);
	}
	str_free(&answer.body);
	if (r == 0 && warning.len)
		fprintf(stderr, "agentrun-hook-otlp: the collector says%s\n", warning.s);
	return r;
}

/* A random part of it, so that those who failed together do not come back together. */
static int64_t jitter(int64_t wait)
{
	unsigned random = 0;

	if (getrandom(&random, sizeof random, GRND_NONBLOCK) < 0)
		return wait;
	return wait / 2 + random % (wait / 2 + 1);
}

static int deliver(CURL *curl, const char *url, unsigned timeout, struct err *e)
{
	int64_t deadline = program_clock() + timeout, left = timeout, wait = FIRST_WAIT;
	int attempts = 0;

	for (;;) {
		int64_t asked = 0, pause;
		bool again = false;
		int r = attempt(curl, left, &again, &asked, e);

		attempts++;
		if (r == 0)
			return 0;
		pause = asked ? asked : jitter(wait);
		left = deadline - program_clock() - pause;
		if (!again || left <= 0)
			return attempts == 1 ? err_in(e, "%s", url) :
			       err_in(e, "%s: %d attempts", url, attempts);
		nanosleep(&(struct timespec){ pause / 1000, pause % 1000 * 1000000 }, NULL);
		wait *= 2;
	}
}

static void prepare(CURL *curl, const struct options *o, const char *url,
		    const struct curl_slist *headers, const struct str *body)
{
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");	/* not even http_proxy's */
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "agentrun-hook-otlp/" PACKAGE_VERSION);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body->s);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body->len);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_answer);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	/* a resolver that hangs is left behind: the time is bounded */
	curl_easy_setopt(curl, CURLOPT_QUICK_EXIT, 1L);
	if (o->ca_file)
		curl_easy_setopt(curl, CURLOPT_CAINFO, o->ca_file);
}

static int forward(const struct options *o, const struct event *ev, struct err *e)
{
	struct curl_slist *headers = NULL;
	owned_str url = STR_INIT;
	owned_str body = STR_INIT;
	char host[256] = "";
	CURL *curl = must(curl_easy_init());
	int r;

	gethostname(host, sizeof host - 1);
	otlp_request(ev, host, PACKAGE_VERSION, &body);
	if ((r = address(o, &url, e)) == 0 && (r = add_headers(o, &headers, e)) == 0) {
		prepare(curl, o, url.s, headers, &body);
		r = deliver(curl, url.s, o->timeout, e);
	}
	curl_easy_cleanup(curl);
	curl_slist_free_all(headers);
	return r;
}

static int run(int argc, char **argv, struct err *e)
{
	struct options o = { .timeout = 5000 };
	owned_arena a = ARENA_INIT;
	struct event ev;
	int r;

	signal(SIGPIPE, SIG_IGN);
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return err_say(e, EIO, "libcurl does not start");
	if ((r = parse(argc, argv, &o, e)) < 0 || (r = event_read(&a, STDIN_FILENO, &ev, e)) < 0)
		return r;
	r = forward(&o, &ev, e);
	event_free(&ev);
	return r;
}

int main(int argc, char **argv)
{
	return program_main("agentrun-hook-otlp", usage, run, argc, argv);
}
