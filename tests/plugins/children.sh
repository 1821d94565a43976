#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# `confgen plugins check` of a plugin that harms the process which checks it, or changes it, or
# allocates where it may not: a FAILED line names the check, and the exit status is 1.
#
#   children.sh CONFGEN CONFORMANCE_ATTENTION MISBEHAVING.so
set -uo pipefail
export LC_ALL=C

confgen=$1 conformance=$2 plugin=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
ulimit -c 0
failures=0
fail() {
  printf 'FAILED: %s\n' "$1"
  sed 's/^/  | /' "$work/out" | head -n 30
  failures=$((failures + 1))
}

# check STATUS FAULT PATTERN [OPTION]...: a plugin with this fault; a line of the output matches the pattern.
# Without options only the checks of these names run.
names=(--only 'values: contiguous' --only 'plan' --only 'invalid problems' --only 'all memory')
check() {
  local status=0
  (($# > 3)) || set -- "$@" "${names[@]}"
  MISBEHAVE=$2 timeout -s KILL 60 "$confgen" plugins check "$plugin" --device cpu --rounds 2 --time-limit 2 \
    "${@:4}" >"$work/out" 2>"$work/err" </dev/null || status=$?
  cat "$work/err" >>"$work/out"
  if [ $status != "$1" ]; then
    fail "$2: found status $status, wanted $1"
  elif ! grep -Eq -- "$3" "$work/out"; then
    fail "$2: no line matches: $3"
  elif [ "$1" = 1 ] && ! grep -Eq ': [0-9]+ checks passed, [1-9][0-9]* failed$' "$work/out"; then
    fail "$2: no count of failed checks"
  fi
}

line='^values: contiguous +FAILED +'
check 0 none ': [0-9]+ checks passed, 0 failed$' --only '' --time-limit 60
check 1 'exit in run' "${line}the process ended with status 0 before the check did"
check 1 'quick exit in run' "${line}the process ended with status 0 before the check did"
check 1 'fork in run' "${line}(the process ended with status 0 before the check did|no end after [0-9]+ s)"
check 1 'null write in run' "${line}the process was killed by signal 11 .* before the check did"
check 1 'abort in run' "${line}the process was killed by signal 6 "
check 1 'user signal in run' "${line}the process was killed by signal 10 "
check 1 'hang in run' "${line}no end after [0-9]+ s"
check 1 'stop in run' "${line}no end after [0-9]+ s"
check 1 'close all in run' "${line}.*descriptors were closed"
check 1 'close output in run' "${line}.*a call leaves the process changed: descriptor 1 is closed"
check 1 'noise in run' "${line}a call wrote to a descriptor that it did not open"
check 1 'write before q' "${line}.*run\(\) (wrote before or after q|accessed memory 4 bytes before q)$"
check 1 'write before slot' "${line}.*run\(\) (wrote before or after slot|accessed memory 4 bytes before slot)$"
check 1 'write after kv_len' "${line}.*run\(\) (wrote before or after kv_len|accessed memory 0 bytes after the end of kv_len)$"
check 1 'write to q' "${line}.*run\(\) wrote to q$"
check 1 'workspace of SIZE_MAX' '^plans are created and destroyed +FAILED .*workspace_size\(\) is 18446744073709551615 bytes'
check 1 'workspace of 32 TiB' "${line}.*workspace_size\(\) is 35184372088832 bytes, wanted at most"
check 1 'hang in destroy' '^plans are created and destroyed +FAILED +no end after [0-9]+ s'
check 1 'quick exit in destroy' '^plans are created and destroyed +FAILED +the process ended with status 0'
check 1 'quick exit in supports' '^loading, and support of the device +FAILED '
check 1 'exit in entry' '^loading, and support of the device +FAILED '
check 1 'hang in entry' '^loading, and support of the device +FAILED +no end after [0-9]+ s'
check 1 'abort in constructor' '^loading, and support of the device +FAILED .*killed by signal 6'
check 1 'abort in destructor' '^the end of: invalid problems are refused +FAILED .*killed by signal 6'

# Faults that leave the process alive: the check fails in which they happen.
fault() { check 1 "$1" "$2.*$3" --only "${2:1:16}"; }
values='^values: contiguous +FAILED '
allocates='it must not allocate$'
fault 'malloc in run' "$values" "run\(\) calls malloc\(\): $allocates"
fault 'lazy calloc in run' "$values" "run\(\) calls calloc\(\): $allocates"
fault 'mmap in run' "$values" "run\(\) calls mmap\(\): $allocates"
fault 'malloc in loop' "$values" "run\(\) calls malloc\(\): $allocates"
fault 'thread in run' "$values" 'run\(\) calls pthread_create\(\): it must not start threads'
fault 'round in run' "$values" 'run\(\) changes the floating-point environment of its thread'
fault 'round in loop' "$values" 'run\(\) changes the floating-point environment of its thread'
fault 'locale in run' "$values" 'run\(\) changes the locale of its thread'
changed='a call leaves the process changed:'
fault 'directory in run' "$values" "$changed the working directory is /"
fault 'umask in run' "$values" "$changed the umask is 777"
fault 'handler in run' "$values" "$changed the handler of signal 12 "
fault 'block in run' "$values" "$changed signal 12 .* is blocked"
fault 'file in run' "$values" "$changed descriptor [0-9]+ \(/dev/null\) is left open"
fault 'variable in run' "$values" "$changed the environment variable A_VARIABLE is set"
fault 'timer in run' "$values" "$changed [0-9]+ threads run, [0-9]+ ran before"
# supports() is called before the first check
refused='^invalid problems are refused +FAILED '
fault 'malloc in supports' "$refused" "supports\(\) calls malloc\(\): $allocates"
fault 'round in supports' "$refused" 'supports\(\) changes the floating-point environment of its thread'
fault 'handler in supports' "$refused" "$changed the handler of signal 12 "
fault 'variable in supports' "$refused" "$changed the environment variable A_VARIABLE is set"
loading='^loading leaves the process as it was +FAILED '
fault 'round in constructor' "$loading" 'floating-point environment .* -ffast-math'
fault 'handler in entry' "$loading" 'the handler of signal 12 '
fault 'variable in constructor' "$loading" 'the environment variable A_VARIABLE'
fault 'worker in constructor' "$loading" '[0-9]+ threads run, [0-9]+ ran before'
fault 'file in entry' "$loading" 'descriptor [0-9]+ \(/dev/null\) is left open'
fault 'ABI 1.99' '^plugin ABI is known +FAILED ' 'built for plugin ABI 1.99, this confgen checks 1.0 to 1.'
bits='^unknown bits are 0 +FAILED .*cg_attention_ops'
fault 'unknown capability' "$bits" '.caps is 0x.*: bit 30 has no meaning'
fault 'unknown feature' "$bits" '.features is 0x100000: bit 20 has no meaning'
fault 'reserved bit' "$bits" '.reserved is 0x2: bit 1 has no meaning'

# The other checks run: a crash in run() leaves those that do not call it.
check 1 'abort in run' '^plan\(\) when out of memory +ok '
check 1 'abort in run' '^all memory is freed +ok '

# What the plugin prints is not part of the result.
MISBEHAVE='print in run' "$confgen" plugins check "$plugin" --device cpu --json --rounds 2 --only values: \
  >"$work/out" 2>"$work/err" || fail 'a plugin that prints: wanted status 0'
grep -q 'text of a plugin' "$work/err" || fail 'a plugin that prints: its text is lost'
python3 -c 'import json, sys; sys.exit(json.load(open(sys.argv[1]))["failed"])' "$work/out" ||
  fail 'a plugin that prints: no JSON without failures'

# The installed program does the same.
status=0
MISBEHAVE='quick exit in run' "$conformance" --device cpu --only values: "$plugin" 1 2 >"$work/out" 2>&1 || status=$?
[ $status = 1 ] || fail "confgen-conformance-attention: found status $status, wanted 1"

echo "$failures failures"
((failures == 0))
