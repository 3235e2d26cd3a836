/* SPDX-License-Identifier: Apache-2.0 */
#include "review/risk.h"

#include <fnmatch.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/str.h"

/*
 * "NAME", "DIRECTORY/NAME": wherever it is; in lower case.  The first that fits is
 * told, so the worse come first.
 */
struct rule {
	const char *names, *why;
};

/* Entries of that name, a directory with all that is in it. */
static const struct rule trees[] = {
	/* What git runs or takes as configuration. */
	{ ".git/hooks", "a git hook" },
	{ ".git/modules", "the repository of a git submodule" },
	{ ".git/worktrees", "git's data of a worktree" },
	{ ".git", "git's configuration and state" },
	{ ".githooks", "a git hook" },
	{ ".husky", "a git hook" },
	{ ".lefthook*", "a git hook" },
	{ ".hg", "Mercurial's configuration and hooks" },
	{ ".svn", "Subversion's state" },
	{ ".jj", "Jujutsu's configuration and state" },

	/* What a shell or an editor runs when somebody goes there. */
	{ ".mise", "tools and environment of the directory" },
	{ ".vscode", "tasks and settings of an editor" },
	{ ".idea", "tasks and settings of an editor" },
	{ ".run", "run configurations of an editor" },
	{ ".fleet", "tasks and settings of an editor" },
	{ ".zed", "tasks and settings of an editor" },
	{ ".vs", "tasks and settings of an editor" },
	{ ".vim", "an editor's start-up file" },
	{ ".devcontainer*", "a development container that an editor starts" },

	/* Continuous integration. */
	{ ".github/workflows", "a workflow that GitHub runs" },
	{ ".github/actions", "a workflow that GitHub runs" },
	{ ".github/copilot*", "instructions of a coding agent" },
	{ ".github/instructions", "instructions of a coding agent" },
	{ ".github/prompts", "instructions of a coding agent" },
	{ ".github", "settings of GitHub" },
	{ ".gitea", "a workflow that Gitea runs" },
	{ ".forgejo", "a workflow that Forgejo runs" },
	{ ".gitlab", "a pipeline that GitLab runs" },
	{ ".circleci", "a continuous integration job" },
	{ ".buildkite", "a continuous integration job" },
	{ ".teamcity", "a continuous integration job" },
	{ ".woodpecker", "a continuous integration job" },
	{ ".builds", "a continuous integration job" },
	{ ".semaphore", "a continuous integration job" },
	{ ".tekton", "a continuous integration job" },

	/* Coding agents: what they run, and what they take for their user's word. */
	{ ".claude", "a coding agent's settings, hooks and commands" },
	{ ".agents", "instructions of a coding agent" },
	{ ".agent", "instructions of a coding agent" },
	{ ".codex", "a coding agent's settings" },
	{ ".cursor", "a coding agent's settings" },
	{ ".gemini", "a coding agent's settings" },
	{ ".qwen", "a coding agent's settings" },
	{ ".opencode", "a coding agent's settings" },
	{ ".windsurf", "a coding agent's settings" },
	{ ".clinerules", "instructions of a coding agent" },
	{ ".roo", "a coding agent's settings" },
	{ ".kiro", "a coding agent's settings" },
	{ ".kilocode", "a coding agent's settings" },
	{ ".junie", "a coding agent's settings" },
	{ ".continue", "a coding agent's settings" },
	{ ".openhands", "a coding agent's settings" },

	/* Builds. */
	{ "gradle", "the program that builds" },
	{ ".mvn", "the program that builds" },

	/* Packages: scripts of their own, and which others are fetched. */
	{ "node_modules", "a package that programs load" },
	{ "vendor", "a package that programs load" },
	{ ".venv", "a package that programs load" },
	{ "venv", "a package that programs load" },
	{ ".yarn", "programs that yarn runs" },
	{ ".cargo", "programs that cargo runs" },
	{ ".bundle", "where packages are fetched from" },
};

/* Files of that name. */
static const struct rule files[] = {
	/* What git runs or takes as configuration. */
	{ "lefthook.y*ml", "git hooks" },
	{ ".lefthook.y*ml", "git hooks" },
	{ ".pre-commit-config.y*ml", "git hooks" },
	{ ".pre-commit-hooks.y*ml", "git hooks" },
	{ ".overcommit.yml", "git hooks" },
	{ ".gitmodules", "repositories that git clones" },
	{ ".gitattributes", "filters and merge drivers that git runs" },
	{ ".gitconfig", "git's configuration" },
	{ "hooks/pre-*", "may be a hook of a bare git repository" },
	{ "hooks/post-*", "may be a hook of a bare git repository" },
	{ "hooks/*-msg", "may be a hook of a bare git repository" },
	{ "head", "may be the head of a bare git repository" },

	/* What a shell or an editor runs when somebody goes there. */
	{ ".envrc", "run by direnv" },
	{ ".env", "environment variables that tools read" },
	{ ".env.*", "environment variables that tools read" },
	{ ".mise.toml", "tools and environment of the directory" },
	{ "mise.toml", "tools and environment of the directory" },
	{ ".tool-versions", "tools of the directory" },
	{ ".autoenv*", "run by autoenv" },
	{ ".bash*", "a shell's start-up file" },
	{ ".profile", "a shell's start-up file" },
	{ ".z*rc", "a shell's start-up file" },
	{ ".zprofile", "a shell's start-up file" },
	{ ".zshenv", "a shell's start-up file" },
	{ "*.code-workspace", "tasks and settings of an editor" },
	{ ".*vimrc", "an editor's start-up file" },
	{ ".nvim.lua", "an editor's start-up file" },
	{ ".dir-locals*.el", "an editor's settings" },
	{ ".sublime-project", "an editor's settings" },
	{ "*.sublime-project", "an editor's settings" },
	{ ".gdbinit", "commands that gdb runs" },
	{ ".lldbinit", "commands that lldb runs" },
	{ ".devcontainer.json", "a development container that an editor starts" },

	/* Continuous integration. */
	{ ".gitlab-ci*.y*ml", "a pipeline that GitLab runs" },
	{ ".woodpecker*", "a continuous integration job" },
	{ ".drone.*", "a continuous integration job" },
	{ ".travis.yml", "a continuous integration job" },
	{ ".cirrus.*", "a continuous integration job" },
	{ ".appveyor.yml", "a continuous integration job" },
	{ "appveyor.yml", "a continuous integration job" },
	{ ".build.yml", "a continuous integration job" },
	{ "azure-pipelines*.y*ml", "a continuous integration job" },
	{ "bitbucket-pipelines.yml", "a continuous integration job" },
	{ "cloudbuild.y*ml", "a continuous integration job" },
	{ "buildspec.y*ml", "a continuous integration job" },
	{ "codemagic.yaml", "a continuous integration job" },
	{ "jenkinsfile*", "a continuous integration job" },
	{ "netlify.toml", "a continuous integration job" },
	{ "vercel.json", "a continuous integration job" },

	/* Coding agents: what they run, and what they take for their user's word. */
	{ ".claude*.json", "a coding agent's settings, hooks and commands" },
	{ "claude*.md", "instructions of a coding agent" },
	{ "agent*.md", "instructions of a coding agent" },
	{ "codex.md", "instructions of a coding agent" },
	{ ".cursorrules", "instructions of a coding agent" },
	{ ".cursorignore", "a coding agent's settings" },
	{ "gemini.md", "instructions of a coding agent" },
	{ "qwen.md", "instructions of a coding agent" },
	{ "opencode.json*", "a coding agent's settings" },
	{ ".aider*", "a coding agent's settings" },
	{ "conventions.md", "instructions of a coding agent" },
	{ ".windsurfrules", "instructions of a coding agent" },
	{ ".roorules*", "instructions of a coding agent" },
	{ ".roomodes", "a coding agent's settings" },
	{ ".continuerc.json", "a coding agent's settings" },
	{ ".augment*", "a coding agent's settings" },
	{ ".goose*", "a coding agent's settings" },
	{ ".crush*", "a coding agent's settings" },
	{ ".rules", "instructions of a coding agent" },
	{ ".mcp.json", "programs that a coding agent runs" },
	{ "mcp.json", "programs that a coding agent runs" },
	{ "mcp_config.json", "programs that a coding agent runs" },

	/* Builds. */
	{ "makefile*", "a build script" },
	{ "gnumakefile*", "a build script" },
	{ "kbuild", "a build script" },
	{ "*.mk", "a build script" },
	{ "*.mak", "a build script" },
	{ "justfile", "a build script" },
	{ ".justfile", "a build script" },
	{ "*.just", "a build script" },
	{ "taskfile*.y*ml", "a build script" },
	{ "cmakelists.txt", "a build script" },
	{ "cmakepresets.json", "a build script" },
	{ "cmakeuserpresets.json", "a build script" },
	{ "*.cmake", "a build script" },
	{ "configure", "a build script" },
	{ "configure.*", "a build script" },
	{ "autogen*", "a build script" },
	{ "*.m4", "a build script" },
	{ "meson.build", "a build script" },
	{ "meson*options*", "a build script" },
	{ "build.ninja", "a build script" },
	{ "sconstruct", "a build script" },
	{ "sconscript", "a build script" },
	{ "wscript", "a build script" },
	{ "build", "a build script" },
	{ "build.bazel", "a build script" },
	{ "workspace", "a build script" },
	{ "workspace.bazel", "a build script" },
	{ "module.bazel", "a build script" },
	{ "*.bzl", "a build script" },
	{ ".bazelrc", "a build's settings" },
	{ ".bazelversion", "the program that builds" },
	{ "buck", "a build script" },
	{ ".buckconfig", "a build's settings" },
	{ "build.rs", "a build script" },
	{ "build.zig*", "a build script" },
	{ "build.xml", "a build script" },
	{ "build.sh", "a build script" },
	{ "build.sbt", "a build script" },
	{ "build.sc", "a build script" },
	{ "*.gradle", "a build script" },
	{ "*.gradle.kts", "a build script" },
	{ "gradle*", "the program that builds" },
	{ "mvnw*", "the program that builds" },
	{ "pom.xml", "a build script" },
	{ "*proj", "a build script" },
	{ "directory.build.*", "a build script" },
	{ "directory.packages.props", "packages that are installed" },
	{ "*.targets", "a build script" },
	{ "*.sln", "a build script" },
	{ "rakefile", "a build script" },
	{ "*.rake", "a build script" },
	{ "dune", "a build script" },
	{ "dune-*", "a build script" },
	{ "*.cabal", "a build script" },
	{ "setup.hs", "a build script" },
	{ "stack.yaml", "packages that are installed" },
	{ "rebar.config", "a build script" },
	{ "mix.exs", "a build script" },
	{ "flake.nix", "a build script" },
	{ "default.nix", "a build script" },
	{ "shell.nix", "a build script" },
	{ "guix.scm", "a build script" },
	{ "dockerfile*", "an image that is built" },
	{ "*.dockerfile", "an image that is built" },
	{ "containerfile*", "an image that is built" },
	{ "docker-compose*.y*ml", "containers that are run" },
	{ "compose*.y*ml", "containers that are run" },
	{ "docker-bake.*", "an image that is built" },
	{ "vagrantfile", "a machine that is run" },
	{ "procfile*", "programs that are run" },
	{ "tiltfile", "a build script" },
	{ "skaffold.y*ml", "a build script" },
	{ "*.tf", "infrastructure that is made" },

	/* Packages: scripts of their own, and which others are fetched. */
	{ "package.json", "scripts and packages" },
	{ "package-lock.json", "packages that are installed" },
	{ "npm-shrinkwrap.json", "packages that are installed" },
	{ ".npmrc", "where packages are fetched from" },
	{ ".yarnrc*", "where packages are fetched from" },
	{ "yarn.lock", "packages that are installed" },
	{ ".pnp.*", "packages that are loaded" },
	{ "pnpm-*.yaml", "packages that are installed" },
	{ ".pnpmfile.*js", "run by pnpm" },
	{ "bun.lock*", "packages that are installed" },
	{ "bunfig.toml", "scripts and packages" },
	{ "deno.json*", "scripts and packages" },
	{ "deno.lock", "packages that are installed" },
	{ "lerna.json", "scripts and packages" },
	{ "nx.json", "scripts and packages" },
	{ "turbo.json", "scripts and packages" },
	{ "*.config.*js", "code that a build loads" },
	{ "*.config.*ts", "code that a build loads" },
	{ ".*rc.*js", "code that a tool loads" },
	{ ".eslintrc*", "code that a tool loads" },
	{ ".prettierrc*", "code that a tool loads" },
	{ ".babelrc*", "code that a tool loads" },
	{ "gulpfile*", "a build script" },
	{ "gruntfile*", "a build script" },
	{ "jakefile*", "a build script" },
	{ "setup.py", "a build script" },
	{ "setup.cfg", "a build script" },
	{ "pyproject.toml", "a build script" },
	{ "conftest.py", "code that tests load" },
	{ "noxfile.py", "a build script" },
	{ "tasks.py", "a build script" },
	{ "fabfile.py", "a build script" },
	{ "tox.ini", "programs that tests run" },
	{ "pytest.ini", "programs that tests run" },
	{ ".pytest.ini", "programs that tests run" },
	{ "sitecustomize.py", "code that Python loads" },
	{ "usercustomize.py", "code that Python loads" },
	{ "*.pth", "code that Python loads" },
	{ ".python-version", "the program that runs" },
	{ ".pypirc", "where packages are fetched from" },
	{ "pip.conf", "where packages are fetched from" },
	{ "uv.toml", "where packages are fetched from" },
	{ "requirements*.txt", "packages that are installed" },
	{ "constraints*.txt", "packages that are installed" },
	{ "pipfile*", "packages that are installed" },
	{ "poetry.lock", "packages that are installed" },
	{ "pdm.lock", "packages that are installed" },
	{ "pixi.*", "packages that are installed" },
	{ "uv.lock", "packages that are installed" },
	{ "environment.y*ml", "packages that are installed" },
	{ "cargo.toml", "scripts and packages" },
	{ "cargo.lock", "packages that are installed" },
	{ "rust-toolchain*", "the program that builds" },
	{ "go.mod", "packages that are installed" },
	{ "go.sum", "packages that are installed" },
	{ "go.work*", "packages that are installed" },
	{ "gemfile*", "code that Bundler loads" },
	{ "*.gemspec", "code that Bundler loads" },
	{ ".ruby-version", "the program that runs" },
	{ ".irbrc", "code that Ruby loads" },
	{ ".nvmrc", "the program that runs" },
	{ ".node-version", "the program that runs" },
	{ "composer.json", "scripts and packages" },
	{ "composer.lock", "packages that are installed" },
	{ ".user.ini", "code that PHP loads" },
	{ ".htaccess", "a web server's settings" },
	{ "package.swift", "a build script" },
	{ "package.resolved", "packages that are installed" },
	{ "podfile*", "code that CocoaPods loads" },
	{ "*.podspec", "code that CocoaPods loads" },
	{ "fastfile", "a build script" },
	{ "project.pbxproj", "a build script" },
	{ "pubspec.*", "packages that are installed" },
	{ "nuget.config", "where packages are fetched from" },
	{ "packages.lock.json", "packages that are installed" },
	{ "packages.config", "packages that are installed" },
	{ "global.json", "the program that builds" },
	{ "flake.lock", "packages that are installed" },
	{ "conanfile.*", "a build script" },
	{ "vcpkg*.json", "packages that are installed" },
	{ ".rprofile", "code that R loads" },
	{ ".renviron", "environment variables that R reads" },
	{ "renv.lock", "packages that are installed" },
	{ ".ocamlinit", "code that OCaml loads" },
	{ ".ghci", "code that GHCi loads" },
	{ ".latexmkrc", "code that latexmk loads" },
	{ "*.desktop", "a program's launcher" },
};

/* Of the workspace's own repository, by these very names: what git reads as data alone. */
static const char *const harmless[] = {
	"objects", "refs", "logs", "HEAD", "ORIG_HEAD", "FETCH_HEAD", "MERGE_HEAD",
	"CHERRY_PICK_HEAD", "REVERT_HEAD", "COMMIT_EDITMSG", "MERGE_MSG", "SQUASH_MSG",
	"MERGE_MODE", "AUTO_MERGE", "index", "packed-refs", "shallow", "description",
	"info/exclude", "info/refs", NULL,
};

static bool is_harmless(const char *path, mode_t mode)
{
	const char *p = path + strlen(".git/");

	/* alternates and http-alternates name other repositories; a link may name anything. */
	if (!str_has_prefix(path, ".git/") || str_has_prefix(p, "objects/info/") || S_ISLNK(mode))
		return false;
	for (const char *const *x = harmless; *x; x++) {
		size_t n = strlen(*x);

		if (strncmp(p, *x, n) == 0 && (!p[n] || p[n] == '/'))
			return true;
	}
	return false;
}

/* HFS+ skips them when it compares names (CVE-2014-9390). */
static bool is_ignored(uint32_t c)
{
	return (c >= 0x200c && c <= 0x200f) || (c >= 0x202a && c <= 0x202e) ||
	       (c >= 0x206a && c <= 0x206f) || c == 0xfeff;
}

/* One character beyond ASCII; what folds to a letter of ASCII (U+017F, U+212A) is written as it. */
static void put_wide(struct str *out, const char *p, size_t n)
{
	uint32_t c = 0;

	if (n == 2)
		c = ((uint32_t)p[0] & 0x1f) << 6 | ((uint32_t)p[1] & 0x3f);
	else if (n == 3)
		c = ((uint32_t)p[0] & 0xf) << 12 | ((uint32_t)p[1] & 0x3f) << 6 |
		    ((uint32_t)p[2] & 0x3f);
	if (c == 0x17f)
		str_puts(out, "s");
	else if (c == 0x212a)
		str_puts(out, "k");
	else if (!is_ignored(c))
		str_append(out, p, n);
}

/* One component as the most forgiving file system compares it, with a final NUL. */
static void put_folded(struct str *out, const char *name, size_t n)
{
	size_t start = out->len, length;

	for (size_t i = 0; i < n; i += length) {
		length = utf8_sequence((const unsigned char *)name + i, n - i);
		/* An alternate data stream of NTFS: ".git::$INDEX_ALLOCATION" is .git. */
		if (name[i] == ':' && i > 0)
			break;
		if (length > 1)
			put_wide(out, name + i, length);
		else if (name[i] >= 'A' && name[i] <= 'Z')
			str_append(out, &(char){ (char)(name[i] - 'A' + 'a') }, 1);
		else
			str_append(out, name + i, 1);
		length = length ? length : 1;
	}
	while (out->len > start && (out->s[out->len - 1] == '.' || out->s[out->len - 1] == ' '))
		out->len--;
	/* Names of eight and three characters, as Windows makes them. */
	if (out->len - start == 5 && memcmp(out->s + start, "git~", 4) == 0) {
		out->len = start;
		str_puts(out, ".git");
	}
	str_append(out, "", 1);
}

/* Whether a name of a rule, which ends at `end`, is this component. */
static bool is_named(const char *name, const char *end, const char *component)
{
	char pattern[64];
	size_t n = (size_t)(end - name);

	if (!memchr(name, '*', n))
		return strncmp(name, component, n) == 0 && !component[n];
	memcpy(pattern, name, n);
	pattern[n] = '\0';
	return fnmatch(pattern, component, 0) == 0;
}

/* Whether the names of a rule begin with this component, of which `more` follow; *ret_left: how many follow
 * then. */
static bool fits(const struct rule *r, const char *c, size_t more, size_t *ret_left)
{
	const char *name = r->names, *end;

	for (;; name = end + 1, c += strlen(c) + 1, more--) {
		end = strchrnul(name, '/');
		if (!is_named(name, end, c) || (*end && !more))
			return false;
		if (!*end)
			break;
	}
	*ret_left = more;
	return true;
}

/* Components of the folded path, n of them. */
static const char *by_tree(const char *c, size_t n)
{
	const struct rule *first = trees + sizeof trees / sizeof *trees;
	const char *why = NULL;
	size_t left;

	for (; n > 0; n--, c += strlen(c) + 1)
		for (const struct rule *r = trees; r < first; r++)
			/* A path may have 2,000 names: most rules are not worth a call. */
			if (*r->names == *c && fits(r, c, n - 1, &left)) {
				why = r->why;
				first = r;
			}
	return why;
}

static const char *by_file(const char *c, size_t n)
{
	enum { NAMES_MOST = 2 };	/* of a rule */
	size_t left;

	for (; n > NAMES_MOST; n--)
		c += strlen(c) + 1;
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		const char *from = c;

		for (size_t more = n; more-- > 0; from += strlen(from) + 1)
			if (fits(&files[i], from, more, &left) && left == 0)
				return files[i].why;
	}
	return NULL;
}

static const char *by_name(const char *path, bool directory)
{
	owned_str folded = STR_INIT;
	const char *why;
	size_t n = 0;

	for (const char *p = path; *p; p += strspn(p, "/"), n++) {
		put_folded(&folded, p, strcspn(p, "/"));
		p += strcspn(p, "/");
	}
	why = by_tree(str_text(&folded), n);
	return why || directory ? why : by_file(str_text(&folded), n);
}

/* In a sticky directory everybody has what is theirs. */
static bool lets_others_write(mode_t mode)
{
	return (mode & 0002) && !S_ISLNK(mode) && !(S_ISDIR(mode) && (mode & S_ISVTX));
}

const char *risk_of(const char *path, mode_t old_mode, mode_t new_mode)
{
	mode_t mode = new_mode ? new_mode : old_mode;
	const char *why = is_harmless(path, mode) ? NULL : by_name(path, S_ISDIR(mode));

	if (why)
		return why;
	if (S_ISLNK(new_mode))
		return "a symbolic link";
	if (lets_others_write(new_mode) && !lets_others_write(old_mode))
		return "anyone on this host may write to it";
	return S_ISREG(new_mode) && (new_mode & 0111) ? "an executable file" : NULL;
}
