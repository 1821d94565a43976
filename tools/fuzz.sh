#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Fuzzes with libFuzzer under address and undefined behaviour sanitizers: each target from its corpus in
# tests/fuzz/corpus, as many targets at a time as there are processors. Prints the executions of each and
# ends with "N passed, N failed, 0 skipped".
#
#   tools/fuzz.sh [--merge] [SECONDS_PER_TARGET] [TARGET...]      e.g. tools/fuzz.sh 60 smiles manifest
#
# Without a target all run; without seconds, 10. --merge adds to tests/fuzz/corpus what was found and
# reaches new code, up to MERGE_BYTES (4000) per input.
#
# BUILD names the build folder (build-fuzz), configured with clang and built here. FUZZ_OUT (BUILD/fuzzing)
# keeps, by target, the grown corpus, the log, and the inputs of findings (crash-*, leak-*, timeout-*,
# oom-*). A finding fails its target. To run one input again: BUILD/tests/fuzz/fuzz_TARGET INPUT.
set -uo pipefail

cd "$(dirname "$0")/.."
root=$PWD
build=${BUILD:-build-fuzz}
case $build in /*) ;; *) build=$root/$build ;; esac
out=${FUZZ_OUT:-$build/fuzzing}
case $out in /*) ;; *) out=$root/$out ;; esac
merge=
seconds=10
[ "${1-}" != --merge ] || { merge=1; shift; }
if [[ ${1-} =~ ^[0-9]+$ ]]; then
  seconds=$1
  shift
fi
targets=("$@")
if ((!$#)); then
  for source in tests/fuzz/fuzz_*.c; do
    name=${source##*/fuzz_}
    targets+=("${name%.c}")
  done
fi

die() { printf 'fuzz: %s\n' "$*" >&2; exit 1; }

command -v clang >/dev/null || die "clang not found: tools/setup.sh --with-fuzzing installs it"
if [ ! -f "$build/build.ninja" ]; then
  log=$(mktemp)
  CC=${CC:-clang} CXX=${CXX:-clang++} meson setup "$build" -Dfuzzers=true -Dcuda=disabled \
    -Db_sanitize=address,undefined -Dbuildtype=debugoptimized >"$log" 2>&1 ||
    { tail -n 30 "$log" >&2; die "meson setup failed"; }
  rm -f "$log"
fi
ninja -C "$build" --quiet fuzzers || die "the build failed"

# allocator_may_return_null: sizes from hostile files must fail malloc, as without sanitizers
export ASAN_OPTIONS=${ASAN_OPTIONS:-allocator_may_return_null=1}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-halt_on_error=1:print_stacktrace=1}
export LSAN_OPTIONS=suppressions=$root/tests/lsan.supp:print_suppressions=0
# the scratch folders of targets that read files: in memory, and removed even after a crash
TMPDIR=$(mktemp -d "$([ -w /dev/shm ] && echo /dev/shm || echo /tmp)/confgen-fuzz-XXXXXX")
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT

# Options of one target: a dictionary, and for slow ones a bound on the length of inputs.
options_of() {
  case $1 in
    smiles | constraint) printf '%s\n' "-dict=$root/tests/fuzz/smiles.dict" -max_len=200 ;;
    command_line) echo "-dict=$root/tests/fuzz/command_line.dict" ;;
    html) echo -max_len=400 ;;
    text) echo -max_len=1000 ;;
  esac
}

count() { sed -n 's/^stat::number_of_executed_units: *//p' "$1"; }

for target in "${targets[@]}"; do
  [ -x "$build/tests/fuzz/fuzz_$target" ] || die "no target '$target': wanted a NAME of tests/fuzz/fuzz_NAME.c"
done

# fuzz TARGET: runs it, prints its line, and leaves its executions in $out/TARGET/executions. Status not 0 if it failed.
fuzz() {
  local target=$1 status=0 log n options program
  program=$build/tests/fuzz/fuzz_$target
  mkdir -p "$out/$target/corpus" "tests/fuzz/corpus/$target"
  log=$out/$target/log
  mapfile -t options < <(options_of "$target")
  "$program" -max_total_time="$seconds" -timeout=25 -rss_limit_mb=4096 -print_final_stats=1 \
    -artifact_prefix="$out/$target/" "${options[@]}" "$out/$target/corpus" \
    "$root/tests/fuzz/corpus/$target" >"$log" 2>&1 || status=$?
  n=$(count "$log")
  echo "${n:-0}" >"$out/$target/executions"
  if ((status)); then
    printf '%-16s FAILED after %s executions, status %d:\n%s\n' "$target" "${n:-some}" $status "$(
      grep -E 'property violated|failed:|ERROR|runtime error|SUMMARY|^ *#[0-9]+ 0x.*(core|tokenizer|plugins|tools)/|Test unit written' "$log" |
        head -n 20 | cut -c1-300)"
  else
    printf '%-16s %9d executions\n' "$target" "${n:-0}"
  fi
  if [ -n "$merge" ]; then
    find "$out/$target/corpus" -type f -size -"${MERGE_BYTES:-4000}"c >"$out/$target/small"
    mkdir -p "$out/$target/small.d"
    xargs -r -d '\n' cp -t "$out/$target/small.d" <"$out/$target/small"
    "$program" -merge=1 "${options[@]}" "$root/tests/fuzz/corpus/$target" "$out/$target/small.d" \
      >"$out/$target/log.merge" 2>&1 || { printf '%s: merging failed: %s\n' "$target" "$out/$target/log.merge"; status=1; }
    rm -rf "$out/$target/small" "$out/$target/small.d"
  fi
  return $status
}

failed=0
running=0
for target in "${targets[@]}"; do
  if ((running == $(nproc))); then
    wait -n || failed=$((failed + 1))
    running=$((running - 1))
  fi
  fuzz "$target" &
  running=$((running + 1))
done
for ((; running; running--)); do
  wait -n || failed=$((failed + 1))
done
total=0
for target in "${targets[@]}"; do
  n=$(cat "$out/$target/executions" 2>/dev/null)
  total=$((total + ${n:-0}))
done
passed=$((${#targets[@]} - failed))
printf '%d executions in all\n%d passed, %d failed, 0 skipped\n' "$total" "$passed" "$failed"
((failed == 0))
