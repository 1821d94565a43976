#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The nightly evaluation with a real Slurm on loopback: arrays of four shards, preempted and requeued
# tasks, joined outputs, evaluation, gate, history and page. Uses the default model and twelve small
# molecules with three ETKDG references each.
#
# Nights: a first one; one preempted; one with worse sampling; one slower than before; one whose program
# fails; one cancelled and then completed; one against experimental references. Without Slurm the test is skipped, or fails with
# SLURM_WANTED=1.
. "$(dirname "$0")/../e2e/lib.sh"
. "$CONFGEN_SOURCE_ROOT/tests/nightly/cluster.sh"
nightly=$CONFGEN_SOURCE_ROOT/tools/nightly
inputs=$CONFGEN_SOURCE_ROOT/tests/data/eval

cluster_required

# shellcheck disable=SC2317 # called by the trap
cleanup_more() {
  cluster_stop
  if ((n_failed)); then
    tail -n 30 "$work"/state/runs/*/log/*.log "$work"/cluster/log/slurm* 2>/dev/null || true
  fi
}
trap 'cleanup_more; rm -rf "$work"' EXIT
say "starting munged, slurmctld and slurmd"
CLUSTER_CPUS=2 cluster_start "$work/cluster" || { cat "$work"/cluster/log/*; fail 'a Slurm cluster starts'; finish; }
pass "a Slurm cluster starts: $(sinfo --version)"

state=$work/state
cat >notify.sh <<'EOS'
#!/bin/sh
{ echo "partition $NIGHTLY_PARTITION, run $NIGHTLY_RUN, page $NIGHTLY_PAGE"; cat; } >>"$(dirname "$0")/notified"
EOS
chmod +x notify.sh
cat >nightly.conf <<CONF
. $nightly/nightly.conf
state=$state
program=$CONFGEN
commit=0123456789abcdef
input=$inputs/nightly.smi
reference=$inputs/nightly_ref.sdf.zst
gens=1k
shards=4
confgen_options=(--batch-size 4 --seed 1)
partitions=(a100 h100)
sbatch_a100=(--partition=a100 --cpus-per-task=1 --time=10)
sbatch_h100=(--partition=h100 --cpus-per-task=1 --time=10)
confgen_a100=(--device cpu)
confgen_h100=(--device cpu)
finish_sbatch=(--partition=a100 --cpus-per-task=1 --time=10)
# the speed of a test machine varies
speed_tolerance=0.8
speed_tolerance_few=0.8
notify=($work/notify.sh)
CONF

run_nightly() { "$nightly/nightly.sh" --conf nightly.conf "$@" >"$work/out" 2>"$work/err"; }
# submit PARTITION: submits a night; sets $run (its directory), $array, and $judge (the job after it)
submit() {
  sleep 1 # runs are named by the second
  run_nightly submit "$1" || { fail "submit $1"; return 1; }
  run=$(find "$state/runs" -mindepth 1 -maxdepth 1 -name "*-$1" | sort | tail -n 1)
  { read -r array; read -r judge; } <"$run/jobs"
}
# job_state JOB: the state that a job ended with, which slurmctld remembers for some minutes
job_state() { scontrol show job "$1" | sed -n 's/^ *JobState=\([A-Z_]*\).*/\1/p' | sort -u | paste -sd' '; }
# shellcheck disable=SC2317 # called by cluster_wait
over() { [[ $(job_state "$1") =~ ^(COMPLETED|FAILED|CANCELLED|TIMEOUT)$ ]]; }
wait_judged() { cluster_wait 300 "$1 is judged" over "$judge" || fail "$1: not judged in time"; }
last_line() { tail -n 1 "$state/history.jsonl"; }
line_says() { # JQ-EXPRESSION TEXT
  verdict "$2" test "$(last_line | jq "$1")" = true
}
# Waits until every started, unfinished task has written some but not all molecules. A manifest has a
# line for itself, one for each of the three molecules, and one at the end.
half_done() {
  local task n halves end=$((SECONDS + 120))
  while ((SECONDS < end)); do
    halves=0
    for task in 0 1 2 3; do
      [ -e "$run/shards/attempts-$task.tsv" ] || continue
      n=$({ wc -l <"$run/shards/out-$task.sdf.zst.manifest"; } 2>/dev/null || echo 0)
      case $n in
        2 | 3) halves=$((halves + 1)) ;;
        5) ;;
        *) halves=-9 ;;
      esac
    done
    ((halves < 1)) || return 0
    sleep 0.05
  done
  return 1
}
# Preempts a running task of the array with a job that needs its core
preempt() {
  local urgent
  half_done || { fail 'no task is half done'; return; }
  urgent=$(sbatch --parsable --partition=urgent --cpus-per-task=1 --output=/dev/null --wrap 'sleep 1')
  cluster_wait 60 'the urgent job is over' over "$urgent" || fail 'the urgent job runs'
}

say 'the undisturbed run'
run 0 --input "$inputs/nightly.smi" --gens 1k --batch-size 4 --seed 1 --device cpu --quiet \
  --output want.sdf.zst --report want.json

say 'the first night'
submit a100 && wait_judged 'the first night'
first=$(basename "$run")
verdict 'the judging job completes' test "$(job_state "$judge")" = COMPLETED
verdict 'the joined shards are the undisturbed run, byte for byte' cmp want.sdf.zst "$run/gen.sdf.zst"
line_says '.gate.verdict == "pass"' 'the first night passes'
line_says '.gate.notes | any(test("the first run on this partition"))' 'and is reported as the first'
line_says '.counts.molecules == 12 and .counts.conformers == 36 and .restarts == 0' 'counts'
verdict 'the joined report has the counts of the undisturbed one' test \
  "$(jq -c '.counts | {molecules, requested, conformers, failures, tokens}' want.json)" = \
  "$(jq -c '.counts | {molecules, requested, conformers, failures, tokens}' "$run/report.json")"

say 'the second night: a task is preempted with time to complete its output, and requeued'
if submit a100; then
  preempt
  wait_judged 'the second night'
  line_says '.restarts >= 1' 'a task was restarted'
  verdict 'its log reports the signal' grep -q 'interrupted by signal 15' "$run"/log/shard-*.log
  verdict 'and the resumption' grep -Eq 'an earlier run processed [1-9] molecules? and wrote [1-9][0-9]* conformers' "$run"/log/shard-*.log
  verdict 'the joined shards are the undisturbed run, byte for byte' cmp want.sdf.zst "$run/gen.sdf.zst"
  verdict 'the judging job completes' test "$(job_state "$judge")" = COMPLETED
  line_says '.gate.verdict == "pass"' 'the second night passes'
  line_says ".gate.against == [\"$first\"]" 'compared with the first'
fi
second=$(basename "$run")
verdict 'no notification was sent' test ! -e notified

say 'a night of experimental references, of a partition with values of its own'
# The references are evaluated as experimental ones.
cat >>nightly.conf <<'CONF'
partitions=(a100 h100 a100_ligands)
sbatch_a100_ligands=("${sbatch_a100[@]}")
confgen_a100_ligands=(--device cpu)
input_a100_ligands=$input
reference_a100_ligands=$reference
gens_a100_ligands=2
shards_a100_ligands=1
eval_options_a100_ligands=(--bioactive)
CONF
if submit a100_ligands; then
  wait_judged 'the night of experimental references'
  line_says '.partition == "a100_ligands" and .gate.verdict == "pass" and .counts.conformers == 24' 'it passes, with its own number of conformers'
  line_says '.bioactive.hit["2"] > 0 and .bioactive.best.mean > 0' 'it has hit rates and the best RMSD'
fi

say 'a night with worse sampling'
sed -i 's/^confgen_options=.*/confgen_options=(--batch-size 4 --seed 1 --temperature 4 --top-p 1)/' nightly.conf
submit a100 && wait_judged 'the night with worse sampling'
verdict 'the judging job fails' test "$(job_state "$judge")" = FAILED
line_says '.gate.verdict == "fail"' 'the gate fails'
line_says '.gate.reasons | any(test("^MAT-[RP]: [0-9.]+ Å in '"$second"' .the last good run., now [0-9.]+ Å"))' \
  'the reason gives figure, run and values'
verdict 'the log says so' grep -q 'worse: MAT-[RP]' "$run/log/finish.log"
verdict 'so does gate.txt' grep -q '^worse: MAT-[RP]' "$run/gate.txt"
verdict 'the configured command was called' grep -qx "partition a100, run $run, page $state/index.html" notified
sed 's/^/    /' "$run/gate.txt"

say 'a slower night on the other partition, preempted without grace time'
sed -i -e 's/^confgen_options=.*/confgen_options=(--batch-size 4 --seed 1)/' \
  -e 's/^speed_tolerance=.*/speed_tolerance=0.05/' nightly.conf
# Six good nights on it, ten times as fast as the first night, within 4 %
# shellcheck disable=SC2094 # $planted is only a name
for i in 1 2 3 4 5 6; do
  planted=2026-01-0${i}T000000Z-h100
  mkdir "$state/runs/$planted"
  cp "$state/runs/$first/eval.json" "$state/runs/$planted"
  jq -c --arg planted "$planted" --arg run "$first" --argjson factor "$((980 + i % 3 * 20))" \
    'select(.run == $run) | .run = $planted | .date = $planted[0:10] + "T00:00:00Z" | .partition = "h100"
     | .speed.conformers_per_second *= $factor / 100' "$state/history.jsonl" 
done >planted
cat planted >>"$state/history.jsonl"
if submit h100; then
  preempt
  wait_judged 'the slower night'
  line_says '.restarts >= 1' 'a task was restarted'
  verdict 'the joined shards are the undisturbed run, byte for byte' cmp want.sdf.zst "$run/gen.sdf.zst"
  verdict 'the judging job fails' test "$(job_state "$judge")" = FAILED
  line_says '.gate.reasons | length == 1' 'for one reason'
  line_says '.gate.reasons[0] | test("^speed: .* is the median on .* .6 good runs, noise .* now ")' \
    'the speed, with median and noise'
  sed 's/^/    /' "$run/gate.txt"
  slow=$(basename "$run")
  verdict 'it is accepted' run_nightly accept "$slow" 'a slower machine'
fi

say 'a night whose program fails'
sed -i 's/^confgen_options=.*/confgen_options=(--model nowhere)/' nightly.conf
if submit h100; then
  wait_judged 'the broken night'
  line_says '.gate.verdict == "broken"' 'the night is broken'
  line_says '.gate.reasons[0] | test("shard 0 of 4 was not finished: .*nowhere")' "with the program's message"
  verdict 'the judging job fails' test "$(job_state "$judge")" = FAILED
fi

say 'a cancelled night'
sed -i 's/^confgen_options=.*/confgen_options=(--batch-size 4 --seed 1)/' nightly.conf
if submit a100; then
  half_done || fail 'no task is half done'
  scancel "$array" "$judge"
  cluster_wait 60 'its tasks are cancelled' over "$array" || fail 'the night is cancelled'
  cluster_wait 60 'the judging job is cancelled' over "$judge" || true
  sleep 1
  verdict 'cancelled tasks are not requeued' test "$(job_state "$array")$(cat "$run"/shards/attempts-?.tsv | cut -f3 | sort -u)" = CANCELLED0
  cancelled=$(basename "$run")
  status=0
  run_nightly submit h100 || status=$?
  verdict 'the next submit exits with 1' test $status = 1
  says "$cancelled: its job $judge is gone and left no verdict" 'and names the night'
  line_says '.gate.verdict == "broken"' 'so does the history'
  scancel --user="$(id -un)"
  cluster_wait 60 'the queue is empty' queue_is_empty || fail 'the queue is empty'

  run=$state/runs/$cancelled
  if run_nightly again "$cancelled"; then
    { read -r array; read -r judge; } <"$run/jobs"
    wait_judged 'the rest of the night'
    verdict 'the rest is generated, to the bytes of the undisturbed run' cmp want.sdf.zst "$run/gen.sdf.zst"
    line_says ".run == \"$cancelled\" and .gate.verdict == \"pass\"" 'and the night passes'
  else
    fail 'again completes the night'
  fi
fi
status=0
run_nightly submit nowhere || status=$?
verdict 'a partition that is not configured is refused' test $status = 1

say 'the page'
page=$state/index.html
verdict 'every night is on it' test "$(jq -r '.run // empty' "$state/history.jsonl" | sort -u |
  while read -r name; do grep -qF "$name" "$page" || echo "$name"; done)" = ''
verdict 'it loads nothing' test "$(grep -Ec '(src|href)="?(https?:)?//|@import|url\(|<script' "$page")" = 0
verdict "links lead to the nights' evaluations" test -s "$state/$(grep -o 'href="runs/[^"]*' "$page" | head -n 1 | cut -c7-)"
verdict 'the accepted night is marked' grep -q 'accepted: a slower machine' "$page"
if [ -n "${KEEP_PAGE:-}" ]; then cp -r "$state" "$KEEP_PAGE"; fi
finish
