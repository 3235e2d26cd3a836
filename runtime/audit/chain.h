/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chain: the frame at the start of every record, shared by the writer
 * (audit.c) and the readers (verify.c, sessions.c).
 *
 * The frame is written in one canonical form and read by a scanner that accepts
 * nothing else, so that checking a chain needs no JSON parser.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <time.h>

#include "base/hash.h"
#include "base/str.h"

enum { CHAIN_NAME = 64 };	/* room for a session id or an event, final NUL included */
enum { CHAIN_TIME = 31 };	/* "2026-01-02T03:04:05.000000000Z" and the final NUL */

enum { CHAIN_FRAME = 512 };	/* room for a whole frame */

#define CHAIN_HOST "host"	/* the session of the log's own records ("recovered") */

/* A place in a chain; before the first record seq is 0 and the hash all zeros. */
struct chain_link {
	unsigned long long seq;
	char hash[HASH_HEX];
};
extern const struct chain_link chain_start;

struct chain_frame {
	char time[CHAIN_TIME];
	unsigned long long seq, session_seq;
	char prev[HASH_HEX], session_prev[HASH_HEX];
	char session[CHAIN_NAME], event[CHAIN_NAME];
};

/* Session ids and events are [0-9a-z_-], and short. */
bool chain_is_name(const char *text);
/* The present time as a frame has it, RFC 3339 in UTC. */
void chain_time(char ret[CHAIN_TIME]);	/* now */
void chain_time_of(const struct timespec *t, char ret[CHAIN_TIME]);
/* Appends the frame up to the event, without a comma: the record's members follow. */
void chain_put(struct str *line, const struct chain_frame *f);
/* `line` without its newline.  False if it is not a whole record. */
bool chain_read(const char *line, size_t n, struct chain_frame *ret);

/* Reads a file's lines from its end towards its start. */
struct chain_back {
	int fd;
	off_t at;		/* where in the file `block` begins */
	struct str block;
	size_t left;		/* bytes of the block not yet given out */
};
void chain_back_init(struct chain_back *b, int fd, off_t size);
void chain_back_free(struct chain_back *b);
/* The next line towards the start, without its newline; *terminated: it had one.  1, 0 at the
 * start of the file, or a negative errno.  A line longer than a megabyte comes in pieces. */
int chain_back_next(struct chain_back *b, const char **line, size_t *n, bool *terminated);

/* Where the last `what` before `end` begins in the file: far faster than line by line.  1, 0 if there is
 * none, or a negative errno. */
int chain_find_back(int fd, off_t end, const struct str *what, off_t *ret);

/* Reads a file's lines from its start. */
struct chain_lines {
	int fd;
	off_t left;		/* bytes of the file not yet read */
	struct str block;
	size_t used;		/* bytes of the block given out */
};
void chain_lines_init(struct chain_lines *l, int fd, off_t size);
void chain_lines_free(struct chain_lines *l);
/* As chain_back_next(), towards the end. */
int chain_lines_next(struct chain_lines *l, const char **line, size_t *n, bool *terminated);

/* Sessions by their ids: a hash table, at most half full. */
struct chain_sessions {
	struct chain_session {
		char id[CHAIN_NAME];		/* "": free */
		struct chain_link last;		/* for the reader's use, as is: */
		void *more;
	} *v;
	size_t n, room;				/* room: a power of two */
};
void chain_sessions_free(struct chain_sessions *s);
/* The session's entry, valid until the next call; a new one has seq 0 and `more` NULL. */
struct chain_session *chain_session(struct chain_sessions *s, const char *id);
