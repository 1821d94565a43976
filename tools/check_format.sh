#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Checks the layout of all C, C++ and CUDA sources against .clang-format.
#
#   tools/check_format.sh [FILE...]
#
# Versions of clang-format lay out some lines differently; the sources follow version 14. Where
# another version or none is installed, the check is skipped: exit status 77.
set -euo pipefail

cd "$(dirname "$0")/.."
wanted=14
for program in clang-format-$wanted clang-format; do
  found=$(command -v "$program") && break
done || { echo "skipped: no clang-format; Debian's package clang-format has it"; exit 77; }
version=$("$found" --version | sed -n 's/.*version \([0-9]*\)\..*/\1/p')
if [ "$version" != $wanted ]; then
  echo "skipped: clang-format is version $version, wanted $wanted"
  exit 77
fi
if (($#)); then
  files=("$@")
else
  mapfile -t files < <(find core data plugins tests tokenizer tools -type f \
    \( -name '*.[ch]' -o -name '*.cu' -o -name '*.cuh' -o -name '*.cpp' \) | LC_ALL=C sort)
fi
"$found" --dry-run -Werror "${files[@]}" || { echo "run $(basename "$found") -i on these files" >&2; exit 1; }
echo "${#files[@]} files have the layout of .clang-format"
