#!/bin/sh
# SPDX-License-Identifier: MIT
# alone.sh HEADER INCLUDEDIR COMPILER...: a file that includes the header twice and nothing else
# compiles.
header=$1
include=$2
shift 2
printf '#include <%s>\n#include <%s>\n' "$header" "$header" |
    "$@" -I"$include" -fsyntax-only -
