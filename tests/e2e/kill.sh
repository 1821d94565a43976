#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Runs that are killed (SIGKILL) again and again, by the clock or at a certain change of a file, with
# other options at each attempt and damage to the files in between. A run that comes to its end has
# the bytes of an undisturbed one; one that is refused says why and changes nothing.
#
#   KILL_POINTS  kills (20)
#   SEED         of the moments, options and damage (1)
#   DIE_AT_LIB   tests/tools/die_at.so; without it all kills are by the clock
#
# In memory if possible: an undisturbed run syncs its files.
if [ -z "${TMPDIR-}" ] && [ -w /dev/shm ]; then export TMPDIR=/dev/shm; fi
. "$(dirname "$0")/lib.sh"

points=${KILL_POINTS:-20}
RANDOM=${SEED:-1}
tiny_model tiny
for i in 1 2 3; do
  write_molecules part
  sed "s/\t\([a-z]*\)\t/\t\1_$i\t/" part
  printf 'C1CC\topen_%d\t2\n' $i
done >in.smi
common=(--model tiny --geometry off --input in.smi --gens 1k --seed 3 --quiet)
endings=(sdf sdf.gz sdf.zst)

draw() { drawn=$((RANDOM * 32768 + RANDOM)); drawn=$((drawn % $1)); } # sets `drawn`: 0 to $1 - 1
pick() { draw $#; shift $drawn; picked=$1; }                          # sets `picked`: one of the words

microseconds() { echo "${EPOCHREALTIME/./}"; }
now=$(microseconds)
for ending in "${endings[@]}"; do
  run 1 "${common[@]}" --output "want.$ending"
done
length=$((($(microseconds) - now) / 3))
run 1 "${common[@]}" --output - --format sdf --failed want.tsv
changes=$((3 * $(wc -l <want.sdf.manifest) + 8)) # of files, by an undisturbed run; about
say "an undisturbed run takes $((length / 1000)) ms"

# damage: cuts, extends or flips a bit of one of the files
damage() {
  local file size # or a byte
  pick got."$ending" got."$ending" got."$ending".manifest got."$ending".manifest got.tsv
  file=$picked
  if [ ! -s "$file" ]; then return; fi
  size=$(stat -c %s "$file")
  pick cut extend flip
  case $picked in
    cut) draw "$size"; truncate -s $drawn "$file" ;;
    extend) draw 300; head -c $((drawn + 1)) /dev/urandom >>"$file" ;;
    flip)
      draw "$size"
      size=$(od -An -tu1 -j $drawn -N 1 "$file")
      printf "\\x$(printf %02x $((size ^ 1 << RANDOM % 8)))" |
        dd of="$file" bs=1 seek=$drawn conv=notrunc status=none
      ;;
  esac
  damaged="$damaged $picked:$file"
}

# attempt: one run with options of its own, killed or not; sets `status`
attempt() {
  local options=() preload=() pid
  pick 1 3 8 16 64
  options+=(--batch-size $picked)
  pick 1 2
  options+=(--threads $picked)
  pick 1 2
  options+=(--template-workers $picked)
  pick dynamic static paged auto
  options+=(--kv-cache $picked)
  pick auto 8 64 300
  options+=(--step-tokens $picked)
  draw 4
  if [ -n "${DIE_AT_LIB-}" ] && [ $drawn != 0 ]; then
    draw $changes
    preload=(LD_PRELOAD="$DIE_AT_LIB" DIE_AT=$((drawn + 1)))
  fi
  env "${preload[@]}" "$CONFGEN" "${common[@]}" "${options[@]}" --output got."$ending" \
    ${failed[@]+"${failed[@]}"} --resume >out 2>err &
  pid=$!
  if [ ${#preload[@]} = 0 ]; then
    draw $length
    sleep "$((drawn / 1000000)).$(printf %06d $((drawn % 1000000)))"
    kill -KILL $pid 2>/dev/null || true
  fi
  status=0
  wait $pid 2>/dev/null || status=$?
}

n_kills=0
n_whole=0
n_refused=0
n_cut=0
while [ $n_kills -lt "$points" ]; do
  rm -rf got.* before
  damaged=
  pick "${endings[@]}"
  ending=$picked
  draw 2
  failed=()
  if [ $drawn = 1 ]; then failed=(--failed got.tsv); fi
  while :; do
    rm -rf before
    mkdir before
    cp got.* before 2>/dev/null || true
    attempt
    case $status in
      137)
        n_kills=$((n_kills + 1))
        if [ -s got."$ending" ]; then n_cut=$((n_cut + 1)); fi
        draw 3
        if [ $drawn = 0 ]; then damage; fi
        if [ $n_kills -lt "$points" ]; then continue; fi
        status=0
        "$CONFGEN" "${common[@]}" --output got."$ending" ${failed[@]+"${failed[@]}"} --resume >out 2>err || status=$?
        ;;
    esac
    break
  done
  what="$ending${failed[0]+, failures}, damage:${damaged:- none}"
  if [ $status = 1 ]; then
    n_whole=$((n_whole + 1))
    verdict "the same output ($what)" cmp -s want."$ending" got."$ending"
    if [ ${#failed[@]} != 0 ]; then verdict "the same failures ($what)" cmp -s want.tsv got.tsv; fi
  elif [ $status = 3 ] && [ -n "$damaged" ] && grep -q '^confgen: .*got\.' err; then
    n_refused=$((n_refused + 1))
    pass "refused ($what): $(cut -c 1-150 err)"
    for file in before/*; do
      if [ -f "$file" ]; then same "$file" "${file#before/}" "and ${file#before/} is unchanged"; fi
    done
  else
    fail "status $status ($what)"
  fi
done
say "$n_kills kills, $n_cut of them left an output; $n_whole outputs were completed, $n_refused refused"
finish
