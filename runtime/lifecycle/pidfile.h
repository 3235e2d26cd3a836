/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pidfile: what --pid-file asks for.
 *
 * Written beside its place while the process gets ready, which takes a while on a disk, and renamed to it
 * when nothing can fail any more: what fails leaves the place as it was.
 */
#pragma once

#include <sys/types.h>

#include "base/err.h"
#include "base/str.h"

struct pid_file {
	const char *path;	/* the caller's */
	struct str beside;	/* the file that waits; empty: none does */
};
#define PID_FILE_INIT ((struct pid_file){ 0 })

/* path NULL: nothing, and nothing to publish. */
int pid_file_prepare(struct pid_file *f, const char *path, pid_t pid, struct err *e);
int pid_file_publish(struct pid_file *f, struct err *e);
/* Removes what was not published. */
void pid_file_close(struct pid_file *f);
