/* SPDX-License-Identifier: Apache-2.0 */
/* risk: what runs code on the host is told, in whatever way it is spelled (THREATS D3, D4). */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "review/risk.h"

enum {
	FILE_ = S_IFREG | 0644,
	EXECUTABLE = S_IFREG | 0755,
	LINK = S_IFLNK | 0777,
	DIR_ = S_IFDIR | 0755,
};

struct row {
	const char *path;
	mode_t old_mode, new_mode;
	const char *part;	/* of the reason; NULL: none */
};

static void check(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const char *why = risk_of(rows[i].path, rows[i].old_mode, rows[i].new_mode);

		cr_expect(eq(int, why != NULL, rows[i].part != NULL), "%s: %s", rows[i].path,
			  why ? why : "none");
		if (why && rows[i].part)
			cr_expect(strstr(why, rows[i].part) != NULL, "%s: %s", rows[i].path, why);
	}
}
#define CHECK(rows) check(rows, sizeof rows / sizeof *rows)

Test(risk, d4_names)
{
	const struct row rows[] = {
		{ "src/main.c", FILE_, FILE_, NULL },
		{ "README.md", 0, FILE_, NULL },
		{ ".git/hooks/pre-commit", 0, FILE_, "a git hook" },
		{ ".git/config", FILE_, FILE_, "git's" },
		{ ".git/config.worktree", 0, FILE_, "git's" },
		{ ".git/info/attributes", 0, FILE_, "git's" },
		{ ".git/modules/x/hooks/post-checkout", 0, FILE_, "submodule" },
		{ ".githooks/x", 0, FILE_, "hook" },
		{ ".husky/_/h", 0, FILE_, "hook" },
		{ ".gitmodules", 0, FILE_, "clones" },
		{ "sub/.gitattributes", 0, FILE_, "filters" },
		{ ".envrc", 0, FILE_, "direnv" },
		{ "a/b/.envrc", FILE_, 0, "direnv" },
		{ ".vscode/tasks.json", 0, FILE_, "editor" },
		{ ".idea/workspace.xml", 0, FILE_, "editor" },
		{ ".devcontainer/devcontainer.json", 0, FILE_, "container" },
		{ ".devcontainer.json", 0, FILE_, "container" },
		{ ".github/workflows/ci.yml", 0, FILE_, "workflow" },
		{ ".gitlab-ci.yml", 0, FILE_, "pipeline" },
		{ "Jenkinsfile", 0, FILE_, "integration" },
		{ ".claude/settings.json", 0, FILE_, "agent" },
		{ "CLAUDE.md", FILE_, FILE_, "instructions" },
		{ "pkg/AGENTS.md", FILE_, FILE_, "instructions" },
		{ ".codex/config.toml", 0, FILE_, "agent" },
		{ ".cursor/mcp.json", 0, FILE_, "agent" },
		{ ".mcp.json", 0, FILE_, "programs" },
		{ "Makefile", FILE_, FILE_, "build" },
		{ "build/rules.mk", FILE_, FILE_, "build" },
		{ "build/readme", FILE_, FILE_, NULL },
		{ "a/CMakeLists.txt", FILE_, FILE_, "build" },
		{ "configure", FILE_, FILE_, "build" },
		{ "package.json", FILE_, FILE_, "scripts" },
		{ "setup.py", FILE_, FILE_, "build" },
		{ "crates/x/build.rs", FILE_, FILE_, "build" },
		{ "yarn.lock", FILE_, FILE_, "packages" },
		{ ".npmrc", 0, FILE_, "fetched" },
		{ "Dockerfile.dev", FILE_, FILE_, "image" },
		{ ".pre-commit-config.yaml", 0, FILE_, "hooks" },
		{ "src/hooks/useThing.ts", 0, FILE_, NULL },
	};

	CHECK(rows);
}

Test(risk, d3_git)
{
	const struct row rows[] = {
		{ ".git/objects/aa/bb", 0, FILE_, NULL },
		{ ".git/refs/heads/main", FILE_, FILE_, NULL },
		{ ".git/HEAD", FILE_, FILE_, NULL },
		{ ".git/index", FILE_, FILE_, NULL },
		{ ".git/indexes", 0, FILE_, "git's" },
		{ ".git/objects", 0, DIR_, NULL },
		{ ".git/objects/info/alternates", 0, FILE_, "git's" },
		{ ".git/objects", DIR_, LINK, "git's" },
		{ ".git/commondir", 0, FILE_, "git's" },
		{ ".git/gitdir", 0, FILE_, "git's" },
		{ ".git", DIR_, FILE_, "git's" },
		{ ".git", DIR_, LINK, "git's" },
		{ ".git", 0, DIR_, "git's" },
		{ "sub/.git", 0, FILE_, "git's" },
		{ "sub/.git/objects/aa/bb", 0, FILE_, "git's" },
		{ "bare/HEAD", 0, FILE_, "bare" },
		{ "bare/hooks/post-checkout", 0, FILE_, "bare" },
	};

	CHECK(rows);
}

Test(risk, other_spellings)
{
	const struct row rows[] = {
		{ ".GIT/objects/x", 0, FILE_, "git's" },
		{ ".Git/hooks/x", 0, FILE_, "hook" },
		{ ".git./config", 0, FILE_, "git's" },
		{ ".git ./ config", 0, FILE_, "git's" },
		{ "git~1/config", 0, FILE_, "git's" },
		{ ".git::$INDEX_ALLOCATION/config", 0, FILE_, "git's" },
		{ ".g\xe2\x80\x8cit/config", 0, FILE_, "git's" },
		{ ".git\xef\xbb\xbf/config", 0, FILE_, "git's" },
		{ ".v\xc5\xbf" "code/tasks.json", 0, FILE_, "editor" },
		{ "ma\xe2\x84\xaa" "efile", 0, FILE_, "build" },
		{ "MAKEFILE.", 0, FILE_, "build" },
		{ ".ENVRC...", 0, FILE_, "direnv" },
		{ "x\xff/.git/config", 0, FILE_, "git's" },
		{ "\xff\xfe", 0, FILE_, NULL },
		{ ".", DIR_, DIR_, NULL },
	};

	CHECK(rows);
}

Test(risk, modes)
{
	const struct row rows[] = {
		{ "x", 0, EXECUTABLE, "executable" },
		{ "x", EXECUTABLE, EXECUTABLE, "executable" },
		{ "x", EXECUTABLE, 0, NULL },
		{ "x", EXECUTABLE, FILE_, NULL },
		{ "x", 0, DIR_, NULL },
		{ "x", 0, LINK, "link" },
		{ "x", LINK, FILE_, NULL },
		{ "x", FILE_, S_IFREG | 0666, "anyone" },
		{ "x", 0, S_IFREG | 0666, "anyone" },
		{ "x", LINK, S_IFREG | 0666, "anyone" },
		{ "x", FILE_, S_IFREG | 0777, "anyone" },
		{ "x", S_IFREG | 0666, S_IFREG | 0666, NULL },
		{ "x", S_IFREG | 0666, S_IFREG | 0777, "executable" },
		{ "x", S_IFREG | 0666, 0, NULL },
		{ "x", FILE_, S_IFREG | 0660, NULL },
		{ "x", DIR_, S_IFDIR | 0777, "anyone" },
		{ "x", 0, S_IFDIR | 01777, NULL },
		{ "x", S_IFDIR | 01777, S_IFDIR | 0777, "anyone" },
		{ ".", DIR_, S_IFDIR | 0777, "anyone" },
		{ ".git/objects", DIR_, S_IFDIR | 0777, "anyone" },
		{ "Makefile", 0, DIR_, NULL },
		{ "node_modules", 0, DIR_, "package" },
	};

	CHECK(rows);
}
