#!/bin/sh
# SPDX-License-Identifier: MIT
# one_symbol.sh NM MODULE: the module defines cg_plugin_entry_v1 and no other dynamic symbol.
found=$("$1" -D --defined-only "$2" | awk '{ print $NF }' | grep -v '^__asan_\|^__odr_asan')
if [ "$found" != cg_plugin_entry_v1 ]; then
    echo "$2: exports '$found', wanted only cg_plugin_entry_v1" >&2
    exit 1
fi
