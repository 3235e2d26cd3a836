/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shrink: a record that is too long for its line.  What is long in it is cut, and
 * its member "truncated" says what was.  Pure.
 */
#pragma once

#include "base/str.h"

/* The text of an object (of a json_writer that is not pretty) in at most `room` bytes. */
void shrink(const struct str *members, size_t room, struct str *out);
