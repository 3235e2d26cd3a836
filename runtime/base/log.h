/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log: where the program reports to: stderr, and the file of --log.
 *
 * The one logger of the program (house rule 9).  Engines read lines of the
 * form {"level":"error","msg":"...","time":"RFC 3339"} from the file and show
 * `msg`.  Must not exit.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"

enum log_format { LOG_TEXT, LOG_JSON };

/* path NULL: stderr alone.  The file is created and appended to. */
int log_open(const char *path, enum log_format format, bool debug, struct err *e);
/* To stderr and to the file. */
void log_error(const char *text);
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Only with --debug; to the file, or to stderr where there is none. */
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

enum { LOG_TIME = 40 };
/* Now, in UTC: 2026-01-31T12:00:00.123456789Z */
void log_time(char ret[LOG_TIME]);
