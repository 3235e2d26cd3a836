/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/supply.h"

#include <ctype.h>
#include <fnmatch.h>
#include <stdint.h>
#include <string.h>

#include "base/str.h"

/* ---- what is known of each tool ---- */

enum operands {
	ALL,		/* each is a package */
	FIRST,		/* the others are arguments of what it runs */
	NONE,		/* they are no packages (a directory, a crate of the workspace) */
};

/* Lists are words with blanks between them.  A verb of two words has a '+' between them; "." is the
 * program with nothing behind it, and "-" alone: it has no verbs. */
static const struct tool {
	const char *names;		/* of the program; "3*" stands for digits and dots as well */
	const char *ecosystem;
	const char *action;		/* how it is said; its verb follows unless `verbs` are "-" */
	const char *verbs;
	enum operands operands;
	const char *valued;		/* options with a value that is no package, */
	const char *package;		/* that is one, */
	const char *file;		/* that is a file which lists them */
} tools[] = {
#define NPM_VALUED " -C --prefix --registry --cache --userconfig -w --workspace --omit --include --tag " \
		   "--loglevel --before --install-strategy "
	{ " npm npm-cli.js ", "npm", "npm",
	  " install i in ins inst add ci clean-install ic install-test it update up upgrade ", ALL,
	  NPM_VALUED, "", "" },
	{ " npm npm-cli.js ", "npm", "npm", " exec x ", FIRST, NPM_VALUED " -c --call ",
	  " --package ", "" },
	{ " npx npx-cli.js ", "npm", "npx", "-", FIRST, NPM_VALUED " -c --call ",
	  " -p --package ", "" },
	{ " pnpm pnpm.cjs ", "npm", "pnpm", " install i add update up ", ALL,
	  " -C --dir --filter -F --registry --store-dir ", "", "" },
	{ " pnpm pnpm.cjs ", "npm", "pnpm", " dlx ", FIRST, " -C --dir ", " --package ", "" },
	{ " pnpx ", "npm", "pnpx", "-", FIRST, "", " --package ", "" },
	{ " yarn yarnpkg yarn.js ", "npm", "yarn", " add upgrade up global+add ", ALL,
	  " --cwd --registry --cache-folder --modules-folder ", "", "" },
	{ " yarn yarnpkg yarn.js ", "npm", "yarn", " install . ", NONE,
	  " --cwd --registry --cache-folder --modules-folder ", "", "" },
	{ " yarn yarnpkg yarn.js ", "npm", "yarn", " dlx ", FIRST, " --cwd ", " -p --package ", "" },
	{ " bun ", "npm", "bun", " install i add update ", ALL, " --cwd --registry ", "", "" },
	{ " bun ", "npm", "bun", " x ", FIRST, "", " -p --package ", "" },
	{ " bunx ", "npm", "bunx", "-", FIRST, "", " -p --package ", "" },

#define PIP_VALUED " -c --constraint -i --index-url --extra-index-url -f --find-links -t --target " \
		   "--prefix --root --trusted-host --proxy --timeout --retries --cache-dir --log --cert " \
		   "--python --platform --python-version --implementation --abi --src -d --dest -w " \
		   "--wheel-dir --progress-bar --only-binary --no-binary --upgrade-strategy -p " \
		   "--index --default-index --exclude-newer "
	{ " pip 3* ", "pypi", "pip", " install download wheel ", ALL, PIP_VALUED, " -e --editable ",
	  " -r --requirement " },
	{ " uv ", "pypi", "uv", " add pip+install tool+install ", ALL,
	  PIP_VALUED " --group --extra --package --script --directory --project --with ",
	  " -e --editable ", " -r --requirement --requirements " },
	{ " uv ", "pypi", "uv", " sync ", NONE, PIP_VALUED " --group --extra --package --directory --project ",
	  "", "" },
	{ " uv ", "pypi", "uv", " pip+sync ", NONE, PIP_VALUED, "", "" },
	{ " uv ", "pypi", "uv", " tool+run ", FIRST, PIP_VALUED " --with ", " --from ", "" },
	{ " uvx ", "pypi", "uvx", "-", FIRST, PIP_VALUED " --with ", " --from ", "" },
	{ " pipx ", "pypi", "pipx", " install inject upgrade ", ALL, PIP_VALUED " --pip-args --suffix ", "",
	  "" },
	{ " pipx ", "pypi", "pipx", " run ", FIRST, PIP_VALUED " --pip-args ", " --spec ", "" },
	{ " poetry ", "pypi", "poetry", " add update ", ALL,
	  " -C --directory -P --project -G --group -E --extras --source --python ", "", "" },
	{ " poetry ", "pypi", "poetry", " install sync ", NONE,
	  " -C --directory -P --project --with --without --only -E --extras ", "", "" },
	{ " pipenv ", "pypi", "pipenv", " install sync update ", ALL, " --python -i --index --pypi-mirror ",
	  " -e --editable ", " -r --requirements " },

#define CARGO_VALUED " --manifest-path --config -C --color --registry --index --root --target-dir -j " \
		     "--jobs --profile --target -F --features --rename --path "
	{ " cargo ", "cargo", "cargo", " add install ", ALL,
	  CARGO_VALUED " --version --vers --branch --tag --rev -p --package ", " --git ", "" },
	{ " cargo ", "cargo", "cargo", " fetch update ", NONE, CARGO_VALUED " -p --package ", "", "" },

	{ " go ", "go", "go", " get install mod+download ", ALL,
	  " -C -modfile -overlay -tags -ldflags -gcflags -mod -p -o ", "", "" },
	{ " go ", "go", "go", " mod+tidy ", NONE, " -C -modfile -go -compat ", "", "" },

#define APT_VALUED " -o --option -c --config-file -t --target-release --default-release -a "
	{ " apt apt-get aptitude ", "apt", "apt", " install build-dep reinstall satisfy ", ALL, APT_VALUED, "",
	  "" },
	{ " apt apt-get aptitude ", "apt", "apt", " upgrade dist-upgrade full-upgrade ", ALL, APT_VALUED, "",
	  "" },
	{ " dpkg ", "apt", "dpkg", " -i --install --unpack ", ALL, " --root --admindir --instdir ", "", "" },

	{ " gem ", "gem", "gem", " install i update ", ALL,
	  " -v --version -i --install-dir -n --bindir -P --trust-policy -p --http-proxy -s --source ", "",
	  " -g --file " },
	{ " bundle bundler ", "gem", "bundle", " add ", ALL, " -v --version -g --group -s --source ", "",
	  "" },
	{ " bundle bundler ", "gem", "bundle", " install update . ", NONE,
	  " --path -j --jobs --retry --binstubs --with --without ", "", " --gemfile " },
};

/* Programs that run what their operands say. */
static const struct prefix {
	const char *names, *valued;
	int operands;			/* to pass over: timeout's seconds */
} prefixes[] = {
	{ " env ", " -u --unset -C --chdir ", 0 },
	{ " sudo ", " -u --user -g --group -h --host -p --prompt -C -D -R -r -t ", 0 },
	{ " doas ", " -u -C ", 0 },
	{ " nice ", " -n --adjustment ", 0 },
	{ " ionice ", " -c -n ", 0 },
	{ " stdbuf ", " -i -o -e ", 0 },
	{ " timeout ", " -s --signal -k --kill-after ", 1 },
	{ " nohup setsid time exec command busybox corepack eatmydata fakeroot xvfb-run ", " -f -o ", 0 },
	{ " xargs ", " -n -I -P -L -d -E -a -s --max-args --max-procs --replace --delimiter ", 0 },
	{ " strace ", " -o -e -p -s -u -P ", 0 },
	/* of a script whose name is the tool's: a program with "#!" is recorded as its interpreter's */
	{ " node nodejs 3* ", " -r --require -e --eval --import ", 0 },
	{ " python 3* ", " -X -W ", 0 },
	{ " ruby 3* ", " -r -I -e ", 0 },
};
static const char shells[] = " sh bash dash ash zsh ksh ";

static const struct {
	const char *pattern, *ecosystem;
} lockfiles[] = {
	{ "package-lock.json", "npm" },	     { "npm-shrinkwrap.json", "npm" }, { "pnpm-lock.yaml", "npm" },
	{ "yarn.lock", "npm" },		     { "bun.lock", "npm" },	       { "bun.lockb", "npm" },
	{ "requirements*.txt", "pypi" },     { "poetry.lock", "pypi" },	       { "uv.lock", "pypi" },
	{ "Pipfile.lock", "pypi" },	     { "pdm.lock", "pypi" },	       { "pylock*.toml", "pypi" },
	{ "Cargo.lock", "cargo" },	     { "go.sum", "go" },	       { "Gemfile.lock", "gem" },
	{ "gems.locked", "gem" },
};

/* ---- words ---- */

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* "pip3.11" is pip where the list has "3*". */
static bool is_named(const char *names, const char *path)
{
	const char *name = base_name(path);
	size_t n = strlen(name);

	if (str_has_word(names, name, n))
		return true;
	if (!n || !isdigit((unsigned char)name[n - 1]))
		return false;
	while (n && (isdigit((unsigned char)name[n - 1]) || name[n - 1] == '.'))
		n--;
	return str_has_word(names, "3*", 2) && str_has_word(names, name, n);
}

static bool is_assignment(const char *word)
{
	const char *equals = strchr(word, '=');

	return equals && equals > word && !isdigit((unsigned char)*word) &&
	       strspn(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") ==
	       (size_t)(equals - word);
}

/* ---- one command ---- */

static bool same(const struct supply *x, const struct supply *y)
{
	if (!str_equal(x->action, y->action) || !str_equal(x->path, y->path) ||
	    x->packages.n != y->packages.n)
		return false;
	for (size_t i = 0; i < x->packages.n; i++)
		if (strcmp(x->packages.v[i], y->packages.v[i]) != 0)
			return false;
	return true;
}

static void add(struct arena *a, struct supplies *ret, const struct supply *found)
{
	for (size_t i = 0; i < ret->n; i++)
		if (same(&ret->v[i], found))
			return;
	if (ret->n == SUPPLY_MOST)
		return;
	ret->v[ret->n] = *found;
	if (found->path)
		ret->v[ret->n].path = arena_strdup(a, found->path);
	ret->n++;
}

static void add_package(struct arena *a, struct supply *s, const char *name)
{
	if (s->packages.n < SUPPLY_PACKAGES)
		strv_add(a, &s->packages, name);
}

/* An option at args[i]: its value, in the same word or the next, or NULL; *i is the last word of it. */
static const char *value_of(const struct strv *args, size_t *i, bool valued)
{
	const char *arg = args->v[*i], *value = strchr(arg, '=');

	if (value)
		return value + 1;
	if (!valued || *i + 1 >= args->n)
		return NULL;
	return args->v[++*i];
}

/* Whether the words from args[*i] are the verb's, of which a '+' parts the words; *i is then the last. */
static bool is_verb(const char *verbs, const struct strv *args, size_t *i)
{
	const char *word = args->v[*i];
	owned_str both = STR_INIT;

	if (!strchr(word, '+') && str_has_word(verbs, word, strlen(word)))
		return true;
	if (*i + 1 >= args->n)
		return false;
	str_printf(&both, "%s+%s", word, args->v[*i + 1]);
	if (!str_has_word(verbs, both.s, both.len))
		return false;
	++*i;
	return true;
}

/* `args` begins with the tool's name. */
static bool read_tool(struct arena *a, const struct tool *t, const struct strv *args,
		      struct supplies *ret)
{
	const bool alone = strcmp(t->verbs, "-") == 0;
	struct supply s = { .ecosystem = t->ecosystem, .action = t->action };
	bool begun = alone || (args->n == 1 && str_has_word(t->verbs, ".", 1)), options = true;

	for (size_t i = 1; i < args->n; i++) {
		const char *arg = args->v[i];
		const size_t n = strcspn(arg, "=");
		const size_t first = i;

		if (!begun && is_verb(t->verbs, args, &i)) {
			s.action = arena_printf(a, "%s %s%s%s", t->action, args->v[first],
						i > first ? " " : "", i > first ? args->v[i] : "");
			begun = true;
		} else if (options && strcmp(arg, "--") == 0) {
			options = false;
		} else if (options && *arg == '-') {
			const bool package = str_has_word(t->package, arg, n), file = str_has_word(t->file, arg, n);
			const char *value = value_of(args, &i, package || file ||
						     str_has_word(t->valued, arg, n));

			if (package && value)
				add_package(a, &s, value);
			if (package && t->operands == FIRST)
				begun = true;
			if (file)
				s.path = value;
		} else if (!begun && *arg != '+') {	/* cargo +nightly add */
			return false;			/* another verb */
		} else if (begun && (t->operands == ALL || (t->operands == FIRST && !s.packages.n))) {
			add_package(a, &s, arg);
			if (t->operands == FIRST)
				break;
		} else if (begun) {
			break;
		}
	}
	if (!begun || (alone && !s.packages.n))
		return false;
	add(a, ret, &s);
	return true;
}

static void read_words(struct arena *a, const struct strv *args, int depth, struct supplies *ret);

/* ---- a shell's command line ---- */

/* One word, without its quotes; what a `$` stands for is not known, and stays as it is. */
static size_t read_word(const char *p, struct str *word)
{
	const char *begin = p;
	char quote = 0;

	for (; *p; p++) {
		if (quote) {
			if (*p == quote) {
				quote = 0;
				continue;
			}
			if (quote == '"' && *p == '\\' && p[1])
				p++;
		} else if (*p == '\'' || *p == '"') {
			quote = *p;
			continue;
		} else if (*p == '\\' && p[1]) {
			p++;
		} else if (strchr(" \t\n;&|()<>`", *p)) {
			break;
		}
		str_append(word, p, 1);
	}
	return (size_t)(p - begin);
}

static void read_script(struct arena *a, const char *p, int depth, struct supplies *ret)
{
	static const char keywords[] = " if then elif else do while until ! { } ";
	struct strv args = { 0 };

	while (*p) {
		owned_str word = STR_INIT;

		if (*p == ' ' || *p == '\t') {
			p++;
		} else if (*p == '#') {
			p += strcspn(p, "\n");
		} else if (*p == '<' || *p == '>') {	/* and the file that it names */
			p += strspn(p, "<>&| \t");
			p += read_word(p, &word);
		} else if (strchr("\n;&|()`", *p)) {
			read_words(a, &args, depth, ret);
			args = (struct strv){ 0 };
			p++;
		} else {
			p += read_word(p, &word);
			if (args.n == 0 && str_has_word(keywords, str_text(&word), word.len))
				continue;
			/* "2>&1": the number belongs to what follows */
			if ((*p == '<' || *p == '>') && word.len && strspn(word.s, "0123456789") == word.len)
				continue;
			/* $(command): a command of its own */
			if (*p == '(' && str_equal(word.s, "$"))
				continue;
			strv_add(a, &args, str_text(&word));
		}
	}
	read_words(a, &args, depth, ret);
}

/* The operand of -c, which may stand among other letters (-lc). */
static const char *script_of(const struct strv *args)
{
	for (size_t i = 1; i < args->n; i++) {
		const char *arg = args->v[i];

		if (*arg != '-' && *arg != '+')
			return NULL;
		if (*arg == '-' && arg[1] != '-' && strchr(arg, 'c'))
			return i + 1 < args->n ? args->v[i + 1] : NULL;
		if (strcmp(arg, "-o") == 0 || strcmp(arg, "-O") == 0)
			i++;
	}
	return NULL;
}

/* ---- what a command runs ---- */

static struct strv from(const struct strv *args, size_t i)
{
	return (struct strv){ args->v + i, args->n - i };
}

static void read_prefix(struct arena *a, const struct prefix *p, const struct strv *args, int depth,
			struct supplies *ret)
{
	int pass = p->operands;
	struct strv rest;
	size_t i;

	for (i = 1; i < args->n; i++) {
		const char *arg = args->v[i];

		if (strcmp(arg, "-m") == 0 && i + 1 < args->n && is_named(" python 3* ", args->v[0])) {
			i++;			/* python -m pip */
			break;
		}
		if (*arg == '-')
			value_of(args, &i, str_has_word(p->valued, arg, strlen(arg)));
		else if (!is_assignment(arg) && pass-- <= 0)
			break;
	}
	rest = from(args, i < args->n ? i : args->n);
	read_words(a, &rest, depth, ret);
}

/* Where a program of that name would be noted as one that is no tool. */
static const char **passed_at(struct supplies *s, const char *name)
{
	uint32_t h = 2166136261u;	/* FNV-1a */

	for (; *name; name++)
		h = (h ^ (unsigned char)*name) * 16777619u;
	return &s->passed[(h ^ h >> 16) % (sizeof s->passed / sizeof *s->passed)];
}

static void read_words(struct arena *a, const struct strv *args, int depth, struct supplies *ret)
{
	enum { DEEPEST = 8 };
	struct strv words = *args;
	const char *script, *name, **passed;
	bool is_tool = false;

	while (words.n && is_assignment(words.v[0]))
		words = from(&words, 1);
	if (!words.n || depth > DEEPEST)
		return;
	name = base_name(words.v[0]);
	passed = passed_at(ret, name);
	if (str_equal(*passed, name))
		return;
	if (is_named(shells, words.v[0])) {
		if ((script = script_of(&words)))
			read_script(a, script, depth + 1, ret);
		return;
	}
	for (size_t i = 0; i < sizeof tools / sizeof *tools; i++) {
		if (!is_named(tools[i].names, words.v[0]))
			continue;
		is_tool = true;
		if (read_tool(a, &tools[i], &words, ret))
			return;
	}
	for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
		if (is_named(prefixes[i].names, words.v[0])) {
			read_prefix(a, &prefixes[i], &words, depth + 1, ret);
			return;
		}
	if (!is_tool)
		*passed = arena_strdup(a, name);
}

void supply_of_command(struct arena *a, const struct strv *args, struct supplies *ret)
{
	read_words(a, args, 0, ret);
}

const char *supply_of_path(const char *path)
{
	const char *name = base_name(path);

	if (strstr(path, "node_modules/"))	/* a dependency's own */
		return NULL;
	for (size_t i = 0; i < sizeof lockfiles / sizeof *lockfiles; i++)
		if (fnmatch(lockfiles[i].pattern, name, 0) == 0)
			return lockfiles[i].ecosystem;
	return NULL;
}
