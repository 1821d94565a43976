# SPDX-License-Identifier: MIT
# Sourced by tests of the command line, which set confgen, work and failures.

# expect STATUS PATTERN ARGUMENT...: runs confgen; fails unless it exits with STATUS and a line of its
# output matches PATTERN.
expect() {
  local want=$1 pattern=$2 got
  shift 2
  "$confgen" "$@" >"$work/out" 2>&1
  got=$?
  if [ $got != "$want" ] || ! grep -Eq -- "$pattern" "$work/out"; then
    printf 'FAILED: confgen %s\n  found status %d, wanted %d and a line matching: %s\n' "$*" $got "$want" \
      "$pattern"
    sed 's/^/  | /' "$work/out" | head -n 20
    failures=$((failures + 1))
  fi
}
