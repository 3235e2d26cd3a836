#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# embed.sh DIR FILE...: a C file that holds the files (named relative to DIR) as
# struct builtin_file of policy/internal.h.  Portable: od and awk only.
set -eu
dir=$1
shift
echo '/* made by build-aux/embed.sh from profiles/: do not edit */'
echo '#include "policy/internal.h"'
n=0
for file in "$@"; do
	echo "static const unsigned char file_$n[] = {"
	od -An -v -tu1 "$dir/$file" | awk '{ gsub(/[ \t]+/, ","); sub(/^,/, ""); print $0 "," }'
	echo "0};"
	n=$((n + 1))
done
echo 'const struct builtin_file builtin_files[] = {'
n=0
for file in "$@"; do
	echo "{ \"$file\", (const char *)file_$n, sizeof file_$n - 1 },"
	n=$((n + 1))
done
echo '{ NULL, NULL, 0 },'
echo '};'
