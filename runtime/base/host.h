/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host: what takes the host's shared libraries: its name service, and libseccomp
 * and libsystemd, which are opened when they are needed.
 *
 * There are two builds of it.  The program is linked statically, with musl, which
 * starts in a third of the time that glibc and a loader take (heap.c, fortified.c:
 * what it lacks for us), and carries itself once more, linked dynamically with the
 * host's glibc: host_dynamic.c does what is asked here, in
 * host_static.c it is -ELIBACC, upon which whoever began the command calls
 * host_become().  Where there are no archives to link with, the dynamic one is
 * the program.
 */
#pragma once

#include <stddef.h>

#include "base/arena.h"
#include "base/err.h"

/* 0, or -ELIBACC. */
int host_check(struct err *e);
/*
 * Executes the dynamic program in our place, with the same arguments: it begins
 * anew, so that the working directory and standard input must be as they came,
 * and nothing done that others see.  Returns only an error.
 */
int host_become(struct err *e);

/* Opens a library, for the rest of the process's life. */
int host_open(const char *name, void **ret_library, struct err *e);
/* A function of it: ret_function is the address of a function pointer. */
int host_function(void *library, const char *name, void *ret_function, struct err *e);
/* The file it came from; "" if that is not known. */
void host_path(void *library, char *ret, size_t size);
/* Adds a name's addresses, each once, as inet_ntop(3) writes them; -EHOSTUNREACH. */
int host_resolve(struct arena *a, const char *name, struct strv *ret, struct err *e);
