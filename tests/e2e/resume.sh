#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A killed run is resumed to the bytes of an undisturbed one. KILLS is the number of random moments
# (default 6), SEED selects them.
. "$(dirname "$0")/lib.sh"

kills=${KILLS:-6}
RANDOM=${SEED:-1}
tiny_model tiny
for i in 1 2 3 4; do
  write_molecules part
  sed "s/\t\([a-z]*\)\t/\t\1_$i\t/" part
  printf 'C1CC\topen_%d\t2\n' $i
done >in.smi
common=(--model tiny --geometry off --input in.smi --gens 1k --seed 3 --batch-size 8 --quiet)

microseconds() { local t=$EPOCHREALTIME; echo $((${t/./})); }
now=$(microseconds)
run 1 "${common[@]}" --output want.sdf.zst --failed want.tsv
length=$(($(microseconds) - now))
say "an undisturbed run takes $((length / 1000)) ms"
verdict 'and its manifest says that it is complete' grep -q '"complete":true' want.sdf.zst.manifest

say "killed at $kills random moments (SIGKILL) and resumed each time"
n_cut=0
n_whole=0
compare() { # after a run that was not killed
  n_whole=$((n_whole + 1))
  verdict "output $n_whole: the same file" cmp -s want.sdf.zst got.sdf.zst
  verdict "output $n_whole: the same failures" cmp -s want.tsv got.tsv
  rm -f got.*
}
for ((k = 0; k < kills;)); do
  "$CONFGEN" "${common[@]}" --output got.sdf.zst --failed got.tsv --resume 2>err &
  pid=$!
  us=$(((RANDOM * 32768 + RANDOM) % length))
  sleep "$((us / 1000000)).$(printf %06d $((us % 1000000)))"
  kill -KILL $pid 2>/dev/null || true
  status=0
  wait $pid 2>/dev/null || status=$?
  if [ $status = 137 ]; then
    k=$((k + 1))
    if [ -s got.sdf.zst ]; then n_cut=$((n_cut + 1)); fi
  elif [ $status = 1 ]; then
    compare
  else
    fail "status $status of a resumed run"
    rm -f got.*
  fi
done
run 1 "${common[@]}" --output got.sdf.zst --failed got.tsv --resume && compare
say "$n_cut of $kills kills interrupted an output in progress; $n_whole outputs were completed"

say 'signals: status 130, a readable file, resumable'
for signal in INT TERM USR1; do
  rm -f got.*
  "$CONFGEN" "${common[@]}" --output got.sdf.zst --failed got.tsv 2>err &
  pid=$!
  # as soon as the first molecules are written
  for ((i = 0; i < 2000; i++)); do
    if [ "$({ wc -l <got.sdf.zst.manifest || echo 0; } 2>/dev/null)" -ge 4 ]; then break; fi
    sleep 0.005
  done
  kill -$signal $pid
  status=0
  wait $pid || status=$?
  verdict "SIG$signal: status 130" test $status = 130
  says 'resume' "SIG$signal: the message names --resume"
  verdict "SIG$signal: the output is readable" zstdcat -q got.sdf.zst -o /dev/null -f
  verdict "SIG$signal: and incomplete" test "$(zstdcat got.sdf.zst | count_sdf)" -lt \
    "$(zstdcat want.sdf.zst | count_sdf)"
  mkdir -p saved
  cp got.* saved
  run 1 "${common[@]}" --output got.sdf.zst --failed got.tsv --resume || continue
  same want.sdf.zst got.sdf.zst "SIG$signal: resumed to the same file"
  same want.tsv got.tsv "SIG$signal: with the same failures"
done

say 'a difference is refused by name; the files are unchanged'
cp saved/got.* .
refused() { # TEXT REGEX ARG...
  local text=$1 regex=$2
  shift 2
  if run 3 "${common[@]}" --output got.sdf.zst --failed got.tsv --resume "$@"; then
    says "$regex" "$text"
    verdict "$text: the output is unchanged" cmp -s saved/got.sdf.zst got.sdf.zst
  fi
}
refused 'another seed' "had seed '3', this one has '4'" --seed 4
refused 'another number of generations' "had gens '1k', this one has '9k'" --gens 9k
refused 'another temperature' 'had sampling ' --temperature 0.5
refused 'another format' "had record 'sdf', this one has 'xyz'" --format xyz
refused 'another constraint' "had constraint 'grammar', this one has 'none'" --constraint none
refused 'another limit of tokens' 'had max_new_tokens' --max-new-tokens 900
refused 'another limit' 'had molecules ' --limit 30
refused 'another attention' "had arithmetic 'batch-invariant, attention flash'" --attention eager
refused 'another maximum length' 'had max_length ' --max-length 100
refused 'another file of failures' 'had file of failures ' --failed other.tsv
sed 's/ethanol_1/Ethanol_1/' in.smi >other.smi
refused 'another input' "had input '[0-9a-f]{16}', this one has '[0-9a-f]{16}'" --input other.smi
cp -r tiny other
printf '\001' | dd of=other/model.safetensors bs=1 seek=100000 conv=notrunc status=none
refused 'another model' "had model '[0-9a-f]{16}', this one has" --model other
check 1 'threads, batch size and cache may differ' "${common[@]}" --output got.sdf.zst \
  --failed got.tsv --resume --batch-size 3 --threads 1 --kv-cache dynamic
same want.sdf.zst got.sdf.zst 'and the file is the same'

say 'resuming a complete, a foreign and a missing output'
before=$(stat -c %Y.%Z want.sdf.zst)
check 1 'complete: nothing to do, and the status still reports the failures' "${common[@]}" \
  --output want.sdf.zst --failed want.tsv --resume
verdict 'complete: the file is untouched' test "$(stat -c %Y.%Z want.sdf.zst)" = "$before"
check 1 'missing: started from the beginning' "${common[@]}" --output new.sdf.zst --failed new.tsv --resume
same want.sdf.zst new.sdf.zst 'and completed'
zstdcat want.sdf.zst | zstd -q >foreign.sdf.zst
check 3 'a file without a manifest is refused' "${common[@]}" --output foreign.sdf.zst --resume
says 'manifest' 'the message names the manifest'
check 2 'standard output cannot be resumed' "${common[@]}" --output - --resume
check 2 'an output that exists is not replaced' "${common[@]}" --output want.sdf.zst
says 'want.sdf.zst.*(--resume|--overwrite)' 'the message names the options'
check 1 'overwrite replaces it' "${common[@]}" --output new.sdf.zst --seed 9 --overwrite
verdict 'with other conformers' test "$(cmp -s new.sdf.zst want.sdf.zst; echo $?)" = 1

say 'damage after a killed run: torn ends are cut off, a flipped byte is regenerated'
for what in 'torn frame' 'torn manifest' 'flipped byte' 'output shorter than its manifest'; do
  run 1 "${common[@]}" --output d.sdf.zst --failed d.tsv --overwrite || true
  lines=$(wc -l <d.sdf.zst.manifest)
  sed -i "$((lines / 2)),\$d" d.sdf.zst.manifest
  case $what in
    'torn frame') truncate -s -1 d.sdf.zst ;;
    'torn manifest') truncate -s -7 d.sdf.zst.manifest ;;
    'flipped byte') printf '\377' | dd of=d.sdf.zst bs=1 seek=900 conv=notrunc status=none ;;
    *) truncate -s 700 d.sdf.zst ;;
  esac
  run 1 "${common[@]}" --output d.sdf.zst --failed d.tsv --resume || continue
  same want.sdf.zst d.sdf.zst "$what: the same file"
  same want.tsv d.tsv "$what: the same failures"
done

say 'two runs cannot write the same output'
"$CONFGEN" "${common[@]}" --gens 40k --output two.sdf.zst 2>err.first &
pid=$!
for ((i = 0; i < 400; i++)); do
  if [ -s two.sdf.zst.manifest ]; then break; fi
  sleep 0.01
done
check 3 'the second is refused' "${common[@]}" --output two.sdf.zst --resume
says 'in use|another run' 'and the message gives the reason'
kill -TERM $pid 2>/dev/null || true
wait $pid 2>/dev/null || true
finish
