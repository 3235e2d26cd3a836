/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fd: file descriptors with one owner each, whole-file reads and writes, and
 * descriptors sent over sockets.
 *
 * Every descriptor is close-on-exec at birth and owned by one variable
 * (house rule 6); ownership moves only through fd_take().  close() is never
 * retried.  Must not resolve a path that a container controls: that is
 * sandbox/rootpath.h.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/str.h"

#define owned_fd __attribute__((cleanup(fd_cleanup))) int
void fd_cleanup(int *fd);
/* The descriptor; *fd becomes -1. */
int fd_take(int *fd);
/* Closes it if it is open; *fd becomes -1. */
void fd_close(int *fd);

/* Appends all that fd has left to *out; -EFBIG beyond `most` bytes. `what` names it in errors. */
int fd_read_all(int fd, size_t most, const char *what, struct str *out, struct err *e);
/* Writes all of it, or fails. */
int fd_write_all(int fd, const void *data, size_t size, const char *what, struct err *e);

/* dirfd may be AT_FDCWD in all of these. */
int file_read(int dirfd, const char *path, size_t most, struct str *out, struct err *e);
/* One write() to an existing file (cgroup and /proc files want exactly one). */
int file_put(int dirfd, const char *path, const char *text, struct err *e);
/* Replaces path atomically: temporary file in the same directory, then rename. */
int file_replace(int dirfd, const char *path, const void *data, size_t size, mode_t mode,
		 struct err *e);
/* Only the temporary file, whose name is *ret: the caller renames or removes it. */
int file_beside(int dirfd, const char *path, const void *data, size_t size, mode_t mode,
		struct str *ret, struct err *e);

/* Connects to a stream socket at a path of any length; `what` names it in errors. */
int fd_connect(const char *path, const char *what, int *ret_fd, struct err *e);
/* Sends all of the data, and with its first byte a copy of fd (SCM_RIGHTS). */
int fd_send(int socket_fd, const void *data, size_t size, int fd, struct err *e);
/* Receives one descriptor that came with data, which is dropped. */
int fd_receive(int socket_fd, int *ret_fd, struct err *e);
