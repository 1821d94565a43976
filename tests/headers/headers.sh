#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Every public header compiles alone, in C11 and in C++17.
#
#   headers.sh CC INCLUDE_DIR
set -euo pipefail

cc=$1 include=$2
warn=(-Wall -Wextra -Wpedantic -Werror -fsyntax-only "-I$include")
for header in "$include"/confgen/*.h; do
  name=confgen/$(basename "$header")
  echo "$name"
  "$cc" -std=c11 "${warn[@]}" -x c - <<<"#include <$name>"
  "$cc" -std=c++17 "${warn[@]}" -x c++ - <<<"#include <$name>"
done
