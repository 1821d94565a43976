#!/bin/sh
# SPDX-License-Identifier: MIT
# alone.sh HEADER INCLUDEDIR COMPILER...: a file that only includes the header, twice, compiles.
header=$1
include=$2
shift 2
printf '#include <%s>\n#include <%s>\n' "$header" "$header" |
    "$@" -I"$include" -fsyntax-only -
