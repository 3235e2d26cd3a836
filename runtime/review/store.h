/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store: where the writes of copy-on-write workspaces wait for a person
 * (DESIGN sections 4 and 8).
 *
 * The directory (/var/lib/agentrun/workspaces; rootless:
 * $XDG_DATA_HOME/agentrun/workspaces, else ~/.local/share/...) holds one
 * directory for each session, named by its id, private to whom it belongs:
 *
 *   store.json		what the session is, written once (struct review_store)
 *   upper/, work/	of the overlay, as the kernel left them
 *   changes.json	what was found in upper/ when the container was deleted:
 *			later writes to upper/ are told by it
 *
 * The lock of a store is flock(2) on its directory, also of who makes it; a store whose container still
 * exists is in use besides.  Without store.json, or with an empty one, it is unfinished: its container was
 * never created.  Includes base/ only.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

#define REVIEW_UPPER "upper"
#define REVIEW_WORK "work"
#define REVIEW_CHANGES "changes.json"

struct review_store {
	char *session;		/* its id, and its directory's name */
	char *container;
	char *workspace;	/* host path, resolved */
	char *destination;	/* container path */
	char *state;		/* absolute path of the container's state directory */
	char *created;		/* RFC 3339, UTC */
	/* The host's clock for files (CLOCK_REALTIME_COARSE) when the overlay was made, in ns: what has a later
	 * change time (st_ctim) in the workspace was changed by somebody else meanwhile. */
	int64_t since;
	uint64_t device, inode;	/* of the workspace's top: another directory of that name is not it */
	struct strv mask;	/* patterns of what the container did not see (base/mask.h); none in older stores */
	bool user_xattr;	/* upper/ is marked with user.overlay.*, else trusted.overlay.* */
};

/* One session's directory, opened. */
struct review {
	struct review_store s;
	char *path;		/* of the directory */
	int fd;			/* of the directory; owned */
	bool damaged;		/* store.json can't be read: `s` has the session, and `state` where that is left */
};
#define REVIEW_INIT ((struct review){ .fd = -1 })
#define owned_review __attribute__((cleanup(review_close))) struct review
void review_close(struct review *r);

/* Where the stores are. */
int review_directory(struct arena *a, bool rootless, char **ret, struct err *e);

/*
 * Makes the store of a session at `path`, which is review_directory() and its id: directories (0700),
 * upper/ with the owner, mode and access lists of `workspace` (O_PATH), and store.json.  The caller fills
 * all of *s but `since`, `device` and `inode`.  On failure nothing is left.
 */
int review_make(struct arena *a, const char *path, struct review_store *s, int workspace,
		struct review *ret, struct err *e);

/* The store at that path; -ENOENT, also where it is unfinished; -EPERM where it belongs to somebody else. */
int review_open_path(struct arena *a, const char *path, struct review *ret, struct err *e);
/* `name`: a session id, its container's id (the newest of that id) or an unambiguous beginning of either.
 * -ENOENT, or -EINVAL where it means several. */
int review_open(struct arena *a, const char *directory, const char *name, struct review *ret,
		struct err *e);
/* The same; also one that is unfinished, of which ret->s has the session alone, or damaged: to be removed. */
int review_open_to_remove(struct arena *a, const char *directory, const char *name, struct review *ret,
			  struct err *e);

/* Those that there are, oldest first; none where the directory is missing.  One that cannot be read is in
 * the list with its name alone and `error` set; one that is unfinished, as a host that crashed leaves it, with
 * the time when it was begun, too; of one that belongs to the caller and is damaged, `state` where that is left. */
struct review_entry {
	struct review_store s;
	char *error;
	bool unfinished, damaged;
};
int review_list(struct arena *a, const char *directory, struct review_entry **ret, size_t *ret_n,
		struct err *e);

/* The host's directory that the container had (O_PATH); -ESTALE where another one is there by now. */
int review_open_workspace(const struct review_store *s, int *ret_fd, struct err *e);
/* Whether its container still exists: then it may write. */
bool review_in_use(const struct review_store *s);

/* -EBUSY where one of the containers whose state directories are in `states` writes to the session. */
int review_check_states(const char *session, const char *states, struct err *e);

/* Held until the review is closed.  -EBUSY where another command works on it, or its container still
 * exists; the error says which. */
int review_lock(struct review *r, struct err *e);

/* Removes the store with all in it, over no link and across no mount; interrupted, it can be called again.
 * Locked by the caller. */
int review_remove(struct review *r, struct err *e);
/* The same of what is at the path, be it unfinished; nothing there is no error. */
int review_discard(const char *path, struct err *e);
