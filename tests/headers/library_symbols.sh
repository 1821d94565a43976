#!/bin/sh
# SPDX-License-Identifier: MIT
# library_symbols.sh NM LIBRARY: all dynamic symbols of the library begin with cg_.
others=$("$1" -D --defined-only "$2" | awk '{ print $NF }' | grep -v '^cg_\|^__asan_\|^__odr_asan')
if [ -n "$others" ]; then
    echo "$2: exports symbols that do not begin with cg_: $others" >&2
    exit 1
fi
