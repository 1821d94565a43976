#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Makes the reference of the public headers, HTML, in the folder OUT/reference. Every public struct,
# member, function and constant must be described: each warning of Doxygen is a failure.
#
#   make_reference.sh OUT
#
# Exit status: 0 made, 1 warnings, 77 without Doxygen (Debian's package doxygen).
set -euo pipefail

out=$(mkdir -p "$1" && cd "$1" && pwd)
command -v doxygen >/dev/null || { echo 'skipped: no doxygen; Debian has the package doxygen'; exit 77; }
cd "$(dirname "$0")/../.."
{
  cat tools/docs/Doxyfile
  echo "OUTPUT_DIRECTORY = \"$out\""
  echo 'HTML_OUTPUT = reference'
} | doxygen - || { echo 'FAILED: the headers lack descriptions, see above' >&2; exit 1; }
[ -s "$out/reference/index.html" ] || { echo "FAILED: no reference in $out" >&2; exit 1; }
