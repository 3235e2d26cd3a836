/* SPDX-License-Identifier: Apache-2.0 */
/* supply: what asks for packages, and what only looks like it. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "audit/supply.h"
#include "base/str.h"

static struct arena arena;

static void tear_down(void)
{
	arena_free(&arena);
}

TestSuite(supply, .fini = tear_down);

/* "npm install: a, b; pip install < requirements.txt" */
static const char *told(const struct supplies *found)
{
	owned_str text = STR_INIT;

	for (size_t i = 0; i < found->n; i++) {
		const struct supply *s = &found->v[i];

		str_printf(&text, "%s%s", i ? "; " : "", s->action);
		for (size_t k = 0; k < s->packages.n; k++)
			str_printf(&text, "%s%s", k ? ", " : ": ", s->packages.v[k]);
		if (s->path)
			str_printf(&text, " < %s", s->path);
	}
	return arena_strdup(&arena, str_text(&text));
}

/* The words of a line; what stands between '~' is one word. */
static struct strv words(const char *line)
{
	struct strv args = { 0 };

	while (*line) {
		const char *stop = *line == '~' ? "~" : " ";
		size_t n;

		line += *line == '~';
		n = strcspn(line, stop);
		strv_add(&arena, &args, arena_strndup(&arena, line, n));
		line += n;
		line += strspn(line, *stop == '~' ? "~ " : " ");
	}
	return args;
}

static const struct {
	const char *line, *told;
} asked[] = {
	{ "npm install", "npm install" },
	{ "npm install left-pad", "npm install: left-pad" },
	{ "npm i -D left-pad@1.3.0 @scope/x", "npm i: left-pad@1.3.0, @scope/x" },
	{ "npm --prefix tools install x", "npm install: x" },
	{ "npm --prefix=tools install x", "npm install: x" },
	{ "npm install --registry https://r.example x", "npm install: x" },
	{ "npm install -- -x", "npm install: -x" },
	{ "npm ci --ignore-scripts", "npm ci" },
	{ "npm exec --package=cowsay -- cowsay hi", "npm exec: cowsay" },
	{ "npm exec cowsay hi", "npm exec: cowsay" },
	{ "/usr/bin/npm add x", "npm add: x" },
	{ "npx -y create-react-app my-app", "npx: create-react-app" },
	{ "npx -p typescript tsc --init", "npx: typescript" },
	{ "pnpm add x", "pnpm add: x" },
	{ "pnpm --filter web add x", "pnpm add: x" },
	{ "pnpm dlx cowsay hi", "pnpm dlx: cowsay" },
	{ "yarn", "yarn" },
	{ "yarn install --immutable", "yarn install" },
	{ "yarn add x y", "yarn add: x, y" },
	{ "yarn global add x", "yarn global add: x" },
	{ "bun add x", "bun add: x" },
	{ "bunx cowsay hi", "bunx: cowsay" },
	{ "node /usr/lib/node_modules/npm/bin/npm-cli.js install x", "npm install: x" },
	{ "/usr/bin/env node /usr/bin/npm ci", "npm ci" },

	{ "pip install requests==2.31", "pip install: requests==2.31" },
	{ "pip3 install -U pip wheel", "pip install: pip, wheel" },
	{ "pip3.11 install x", "pip install: x" },
	{ "pip install -r requirements.txt", "pip install < requirements.txt" },
	{ "pip install --requirement=dev.txt x", "pip install: x < dev.txt" },
	{ "pip install -i https://pypi.example/simple x", "pip install: x" },
	{ "pip --no-cache-dir install x", "pip install: x" },
	{ "pip install -e .", "pip install: ." },
	{ "pip install git+https://git.example/x", "pip install: git+https://git.example/x" },
	{ "python -m pip install x", "pip install: x" },
	{ "python3.11 -I -X utf8 -m pip install x", "pip install: x" },
	{ "/venv/bin/python3 /venv/bin/pip install x", "pip install: x" },
	{ "uv add x", "uv add: x" },
	{ "uv pip install x", "uv pip install: x" },
	{ "uv pip install -r r.txt", "uv pip install < r.txt" },
	{ "uv sync --frozen", "uv sync" },
	{ "uvx ruff check .", "uvx: ruff" },
	{ "uv tool run --from x y z", "uv tool run: x" },
	{ "poetry add --group dev x", "poetry add: x" },
	{ "poetry install", "poetry install" },
	{ "pipx run cowsay hi", "pipx run: cowsay" },
	{ "pipx install x", "pipx install: x" },
	{ "pipenv install -r r.txt", "pipenv install < r.txt" },

	{ "cargo add serde -F derive", "cargo add: serde" },
	{ "cargo +nightly install ripgrep --version 14", "cargo install: ripgrep" },
	{ "cargo install --git https://git.example/x", "cargo install: https://git.example/x" },
	{ "cargo fetch --locked", "cargo fetch" },
	{ "go get -u example.com/x@v1", "go get: example.com/x@v1" },
	{ "go -C tools install example.com/x@latest", "go install: example.com/x@latest" },
	{ "go mod download", "go mod download" },
	{ "go mod download example.com/x", "go mod download: example.com/x" },
	{ "go mod tidy", "go mod tidy" },

	{ "apt install -y git", "apt install: git" },
	{ "apt-get -y -o Dpkg::Use-Pty=0 install git curl=8", "apt install: git, curl=8" },
	{ "dpkg -i ./x.deb", "dpkg -i: ./x.deb" },
	{ "gem install rails -v 7.1", "gem install: rails" },
	{ "bundle", "bundle" },
	{ "bundle install --jobs 4", "bundle install" },
	{ "bundle add rails", "bundle add: rails" },

	{ "sudo -u root apt install git", "apt install: git" },
	{ "sudo -E env DEBIAN_FRONTEND=noninteractive apt-get install git", "apt install: git" },
	{ "env -i A=1 B=2 npm ci", "npm ci" },
	{ "A=1 npm ci", "npm ci" },
	{ "timeout -k 5 60 npm ci", "npm ci" },
	{ "nice -n 10 ionice -c 3 npm ci", "npm ci" },
	{ "xargs -n 1 pip install", "pip install" },
	{ "corepack pnpm add x", "pnpm add: x" },

	{ "sh -c ~npm i x~", "npm i: x" },
	{ "/bin/bash -lc ~cd a && npm i x~", "npm i: x" },
	{ "bash -o pipefail -ec ~npm ci; pip install y~", "npm ci; pip install: y" },
	{ "sh -c ~if true; then npm i x; fi~", "npm i: x" },
	{ "sh -c ~A=1 npm i 'x' \"y z\" >out 2>&1~", "npm i: x, y z" },
	{ "sh -c ~npm i x 2>/dev/null # npm i z~", "npm i: x" },
	{ "sh -c ~(npm i x)~", "npm i: x" },
	{ "sh -c ~X=$(npm i x)~", "npm i: x" },
	{ "sh -c ~curl -s https://x.example | sh; npm i x~", "npm i: x" },
	{ "sh -c ~sh -c 'sudo npm i x'~", "npm i: x" },
	{ "sh -c ~npm i x; npm i x; npm i y~", "npm i: x; npm i: y" },

	/* not these */
	{ "npm", "" },
	{ "npm run install-all", "" },
	{ "npm test", "" },
	{ "npm view install", "" },
	{ "npx", "" },
	{ "npx --version", "" },
	{ "yarn build", "" },
	{ "yarn --version", "" },
	{ "pip", "" },
	{ "pip --version", "" },
	{ "pip list", "" },
	{ "pip uninstall x", "" },
	{ "python -c ~pip install x~", "" },
	{ "python install.py", "" },
	{ "node install.js install", "" },
	{ "cargo build", "" },
	{ "go build ./...", "" },
	{ "go mod init x", "" },
	{ "apt-get update", "" },
	{ "apt list --installed", "" },
	{ "dpkg -l", "" },
	{ "gem list", "" },
	{ "make install", "" },
	{ "install -m 755 a b", "" },
	{ "echo npm install x", "" },
	{ "git commit -m ~npm install x~", "" },
	{ "sh -c ~echo 'npm install x'~", "" },
	{ "sh -c", "" },
	{ "sh npm install x", "" },
	{ "sh -c ~'~", "" },
	{ "env", "" },
	{ "sudo", "" },
	{ "timeout 5", "" },
	{ "~npm install~ x", "" },
	{ "npm ~install i~ x", "" },
	{ "~~", "" },
	{ "", "" },
};

Test(supply, what_asks_for_packages)
{
	for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
		struct supplies found = { 0 };
		struct strv args = words(asked[i].line);

		supply_of_command(&arena, &args, &found);
		cr_expect(eq(str, (char *)told(&found), (char *)asked[i].told), "%s", asked[i].line);
	}
}

Test(supply, an_ecosystem_for_each)
{
	static const struct {
		const char *line, *ecosystem;
	} rows[] = {
		{ "npm ci", "npm" },	  { "yarn", "npm" },	  { "pip install x", "pypi" },
		{ "uvx x", "pypi" },	  { "cargo fetch", "cargo" }, { "go mod tidy", "go" },
		{ "apt install x", "apt" }, { "gem install x", "gem" },
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct supplies found = { 0 };
		struct strv args = words(rows[i].line);

		supply_of_command(&arena, &args, &found);
		cr_assert(found.n == 1, "%s", rows[i].line);
		cr_expect(eq(str, (char *)found.v[0].ecosystem, (char *)rows[i].ecosystem));
	}
}

/* An agent decides what its commands look like. */
Test(supply, what_is_without_end_has_one)
{
	struct supplies found = { 0 };
	struct strv args = { 0 };
	owned_str script = STR_INIT;

	for (int i = 0; i < 1000; i++)
		strv_add(&arena, &args, "sudo");
	strv_add(&arena, &args, "npm");
	strv_add(&arena, &args, "ci");
	supply_of_command(&arena, &args, &found);
	cr_expect(found.n == 0);

	args = words("npm i");
	for (int i = 0; i < 1000; i++)
		strv_add(&arena, &args, "x");
	supply_of_command(&arena, &args, &found);
	cr_expect(found.n == 1 && found.v[0].packages.n == SUPPLY_PACKAGES);

	for (int i = 0; i < 1000; i++)
		str_printf(&script, "npm i x%d;", i);
	args = words("sh -c");
	strv_add(&arena, &args, script.s);
	supply_of_command(&arena, &args, &found);
	cr_expect(found.n == SUPPLY_MOST);
}

Test(supply, lock_files)
{
	static const struct {
		const char *path, *ecosystem;
	} rows[] = {
		{ "package-lock.json", "npm" },	  { "web/package-lock.json", "npm" },
		{ "pnpm-lock.yaml", "npm" },	  { "yarn.lock", "npm" },
		{ "bun.lock", "npm" },		  { "requirements.txt", "pypi" },
		{ "requirements-dev.txt", "pypi" }, { "poetry.lock", "pypi" },
		{ "uv.lock", "pypi" },		  { "Cargo.lock", "cargo" },
		{ "a/b/go.sum", "go" },		  { "Gemfile.lock", "gem" },
		{ "node_modules/x/yarn.lock", NULL }, { "package.json", NULL },
		{ "yarn.lock.orig", NULL },	  { "my-yarn.lock", NULL },
		{ "Cargo.lock/x", NULL },	  { "", NULL },
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		cr_expect(str_equal(supply_of_path(rows[i].path) ?: "none", rows[i].ecosystem ?: "none"),
			  "%s", rows[i].path);
}
