#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Runs the test suites of a build and ends with the line "N passed, N failed, N skipped".
#
#   tools/test.sh [MESON_TEST_OPTION...]     e.g. tools/test.sh --suite unit
#
# `-t N` multiplies the time limits, those of the test cases of Check too. BUILD names the build folder (build). Exit status 1 if a test failed, or none was run.
set -uo pipefail

cd "$(dirname "$0")/.."
build=${BUILD:-build}
log=$(mktemp)
trap 'rm -f "$log"' EXIT

for ((i = 1; i < $#; i++)); do
  next=$((i + 1))
  [ "${!i}" != -t ] || export CK_TIMEOUT_MULTIPLIER=${!next}
done
meson test -C "$build" --print-errorlogs "$@" 2>&1 | tee "$log"
status=${PIPESTATUS[0]}

count() { sed -n "s/^$1: *\([0-9][0-9]*\).*/\1/p" "$log" | tail -n 1; }
passed=$(( $(count Ok) + $(count 'Expected Fail') + 0 ))
failed=$(( $(count Fail) + $(count 'Unexpected Pass') + $(count Timeout) + 0 ))
skipped=$(( $(count Skipped) + 0 ))
if ((passed + failed == 0)); then
  echo "no test was run, $skipped skipped" >&2
  failed=1
fi
if ((status != 0 && failed == 0)); then
  echo "meson test ended with status $status" >&2
  failed=1
fi
echo "$passed passed, $failed failed, $skipped skipped"
((failed == 0))
