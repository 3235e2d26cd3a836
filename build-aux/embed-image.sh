#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# embed-image.sh SYMBOL FILE: assembler source in which SYMBOL and SYMBOL_end enclose the bytes of FILE.
cat <<END
.section .rodata
.global $1, $1_end
.balign 16
$1: .incbin "$2"
$1_end:
.section .note.GNU-stack,"",%progbits
END
