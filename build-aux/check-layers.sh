#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Includes point one way: cli -> lifecycle -> {sandbox, policy} -> spec -> base;
# audit and review include base only; stage two and hooks stand alone on base;
# yajl has one user, nettle two (hashes, signatures), netlink is spoken in one file.  Run by `make check` in the source directory.
set -eu
cd "${srcdir:-.}"
bad=0

# may ROOM ALLOWED...: files of ROOM include their own room and ALLOWED, nothing else of ours
may() {
	room=$1
	shift
	pattern="base|$room"
	for other; do pattern="$pattern|$other"; done
	if grep -nE '#include "[a-z0-9]+/' "runtime/$room/"*.[ch] | grep -vE "#include \"($pattern)/"; then
		echo "runtime/$room may include only: $pattern"
		bad=1
	fi
}

only() {
	if grep -rnE "#include <$1" runtime hooks --include='*.[ch]' | grep -v "^runtime/base/$2:"; then
		echo "<$1...> is for runtime/base/$2 only"
		bad=1
	fi
}

may base
may spec
may policy spec
may sandbox spec
may audit
may review
may stage2
may lifecycle spec policy sandbox audit review stage2
may cli spec policy sandbox audit review lifecycle
only yajl/ json.c
only linux/netlink.h nl.[ch]
only nettle/ '\(hash\|sign\).c'
# Decide in policy, act in sandbox.
if grep -rniE 'annotation' runtime/sandbox --include='*.[ch]'; then
	echo 'runtime/sandbox knows nothing of annotations'
	bad=1
fi
exit $bad
