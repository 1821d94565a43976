#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Allocations fail, and memory is limited: a run ends as always or with status 3 and a sentence, no
# molecule's failure is recorded for it, and the output is resumed to the bytes of an undisturbed
# run. POINTS is the number of allocations drawn (default 40), SEED selects them.
. "$(dirname "$0")/lib.sh"
: "${FAIL_ALLOC_LIB:?tests/tools/fail_alloc.so}"

points=${POINTS:-40}
RANDOM=${SEED:-1}
tiny_model tiny
write_molecules in.smi
printf 'C1CC\topen\t2\n' >>in.smi
common=(--model tiny --geometry count --check --input in.smi --gens 1k --batch-size 4 --threads 2
  --template-workers 2 --quiet)
outputs=(--output got.sdf.zst --failed got.tsv)

run 1 "${common[@]}" --output want.sdf.zst --failed want.tsv
# disturbed VARIABLE=N ARG...: runs the program with failing allocations; its status is in $status
disturbed() {
  local setting=$1
  shift
  status=0
  env "$setting" LD_PRELOAD="$FAIL_ALLOC_LIB" "$CONFGEN" "$@" >out 2>err || status=$?
}
disturbed FAIL_ALLOC_COUNT=count "${common[@]}" "${outputs[@]}"
total=$(cat count)
same want.sdf.zst got.sdf.zst "without a failure, $total allocations and the same file"

# judge TEXT [REGEX]: a run that was disturbed ended well, and its output is resumed to the same bytes
judge() {
  local bad=
  case $status in
    1) n_same=$((n_same + 1)) ;;
    3)
      n_refused=$((n_refused + 1))
      # words of libstdc++ about another thread that fails, too, may stand around the sentence
      grep -q "${2:-confgen: .*memory}" err || bad='no sentence about memory'
      ;;
    *) bad="status $status" ;;
  esac
  if [ -z "$bad" ] && [ "$status" = 3 ]; then
    run 1 "${common[@]}" "${outputs[@]}" --resume || bad='the output cannot be resumed'
  fi
  if [ -z "$bad" ] && ! { cmp -s want.sdf.zst got.sdf.zst && cmp -s want.tsv got.tsv; }; then
    bad='the files differ from those of an undisturbed run'
  fi
  if [ -n "$bad" ]; then fail "$1: $bad"; fi
}

say "one of $total allocations fails, $points times"
n_same=0
n_refused=0
before=$n_failed
for ((k = 0; k < points; k++)); do
  rm -f got.*
  n=$(((RANDOM * 32768 + RANDOM) % total + 1))
  disturbed FAIL_ALLOC=$n "${common[@]}" "${outputs[@]}"
  judge "allocation $n"
done
verdict "$n_same runs were not affected, $n_refused ended with status 3 and were resumed" \
  test "$n_failed" = "$before"

say 'all allocations from one on fail'
before=$n_failed
for share in 20 60 85 97; do
  rm -f got.*
  disturbed FAIL_ALLOC_FROM=$((total * share / 100)) "${common[@]}" "${outputs[@]}"
  judge "from $share % on"
done
verdict 'every run ended well' test "$n_failed" = "$before"

say 'a limit on the address space'
before=$n_failed
for kilobytes in 150000 200000 250000 300000 400000; do
  rm -f got.*
  status=0
  (ulimit -v $kilobytes; exec "$CONFGEN" "${common[@]}" "${outputs[@]}" >out 2>err) || status=$?
  judge "$kilobytes KB" 'confgen: '
done
verdict 'every run ended well' test "$n_failed" = "$before"
finish
