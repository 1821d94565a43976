#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What shared objects show: the library names that begin with cg_, each plugin its one entry.
#
#   symbols.sh LIBRARY PLUGIN...
set -euo pipefail

exported() { nm -D --defined-only "$1" | awk '{ print $3 }'; }

failed=0
library=$1
shift
others=$(exported "$library" | grep -v '^cg_' || true)
if [ -n "$others" ]; then
  printf '%s exports names that do not begin with cg_:\n%s\n' "$library" "$others"
  failed=1
fi
for plugin; do
  names=$(exported "$plugin")
  if [ "$names" != cg_plugin_entry_v1 ]; then
    printf '%s exports, wanted cg_plugin_entry_v1 alone:\n%s\n' "$plugin" "$names"
    failed=1
  fi
done
exit $failed
