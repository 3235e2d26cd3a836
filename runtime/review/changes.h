/* SPDX-License-Identifier: Apache-2.0 */
/*
 * changes: what the upper directory of an overlay says was changed, entry by
 * entry, against the workspace as it is now.
 *
 * Nothing in upper/ is believed: an agent with root inside made it.  Exactly the
 * xattr namespace that the mount used is read (THREATS D6); names are looked up beneath two
 * descriptors, one component at a time, over no link and across no mount.
 * Reads only.  Costs a walk of upper/ and a stat of the workspace's entries of the same
 * names: never a walk of the workspace, but of directories that were removed or replaced.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/str.h"
#include "review/store.h"

enum change_kind {
	CHANGE_ADDED,
	CHANGE_MODIFIED,	/* content of a file, target of a link; maybe the mode, too */
	CHANGE_MODE,		/* permission bits alone */
	CHANGE_TYPE,		/* a file became a link, a directory a file, ... */
	CHANGE_DELETED,		/* one for each file that was below a directory that is gone */
	CHANGE_KINDS
};
extern const char *const change_kind_names[];	/* "added", "modified", "mode", "type", "deleted" */

struct change {
	enum change_kind kind;
	const char *path;	/* from the workspace's top, which is "."; not safe to print */
	mode_t old_mode, new_mode;	/* type and permissions; 0: not there */
	uint64_t old_size, new_size;
	char old_hash[HASH_HEX], new_hash[HASH_HEX];	/* of a file's content or a link's target; "": none */
	const char *refused;	/* why it can never be applied (a device, a set-id bit, ...); NULL: it can */
	const char *conflict;	/* the host's copy was changed meanwhile: how; NULL: it was not */
	bool overwritable;	/* a conflict that may be decided for the container's: see changes_overwrite() */
	const char *runs;	/* why it may run code on the host ("a git hook", "an executable file"); NULL */
	/* The host's entry that was judged, to be found again: its inode, how many names it has, and the
	 * times of its last change and of the last write in ns; 0: there was none, or it was loaded. */
	uint64_t old_inode, old_links;
	int64_t old_changed, old_written;
};
/* Ends the reading of a tree: an agent can make more than anybody would review. */
enum { CHANGES_MOST = 1 << 20 };

/* In the order of the paths' bytes, a directory before what is in it.  Directories that were only passed
 * through are no change. */
struct changes {
	struct change *v;
	size_t n;
	char digest[HASH_HEX];	/* of all of it: what a reviewer saw is what is applied */
};

/*
 * upper_fd, workspace_fd: O_PATH or read descriptors of the two tops.  hash: read and hash contents
 * (old_hash where there is an old file of the same type); without it there is no digest, and contents are
 * read only where the sizes are equal.
 */
int changes_read(struct arena *a, const struct review_store *s, int upper_fd, int workspace_fd,
		 bool hash, struct changes *ret, struct err *e);

/* Into the order of struct changes. */
void changes_sort(struct changes *c);
/* Puts the digest of what is in it. */
void changes_digest(struct changes *c);
/* What of `all` is at one of the paths or below it, with the directories that are to be made for it;
 * all if there is no path.  -ENOENT names a path where nothing is changed. */
int changes_select(struct arena *a, const struct changes *all, const struct strv *paths,
		   struct changes *ret, struct err *e);
/* Those of exactly these paths, with the directories that are to be made for them, and without the
 * directories to be removed in which something stays. */
void changes_pick(struct arena *a, const struct changes *all, const struct strv *paths,
		  struct changes *ret);
/*
 * Those in conflict because the host's was changed meanwhile are in conflict no more: the container's takes its
 * place, or it is removed as the container removed it.  Not what is on another file system, and nothing of which
 * only the directory was removed or replaced: the container may never have seen it.
 */
void changes_overwrite(struct changes *c);
/* The same of those whose content and permissions on the host are what `recorded` found there, by then not in
 * conflict: written, and as they were. */
void changes_settle(struct changes *now, const struct changes *recorded);
/* Whether there is a change of what is in that directory. */
bool changes_any_below(const struct changes *c, const char *path);
/* The change of that path; NULL: there is none. */
struct change *changes_find(const struct changes *c, const char *path);

/* One as an object of JSON. */
void change_write(const struct change *c, struct json_writer *w);

/* changes.json: a line of JSON with the digest, then one for each change, all of it but what finds
 * the host's entry again. */
void changes_write(const struct changes *c, struct str *out);
/* Reads it back (bounded by the file's size alone: 50,000 entries are usual for a build).  -EBADMSG: it is
 * not what changes_write() wrote. */
int changes_load(struct arena *a, int dir_fd, struct changes *ret, struct err *e);
/* The same of its text. */
int changes_parse(struct arena *a, const char *text, struct changes *ret, struct err *e);
