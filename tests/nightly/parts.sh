#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Parts of the nightly evaluation that need no cluster: the gate over artificial histories, joining, a
# task, refused configurations, the page. nightly.sh tests the whole on a Slurm cluster.
. "$(dirname "$0")/../e2e/lib.sh"
nightly=$CONFGEN_SOURCE_ROOT/tools/nightly
if ! command -v jq >/dev/null; then
  [ "${SLURM_WANTED:-0}" = 0 ] || { fail 'jq is installed'; finish; }
  skip 'jq is not installed; tools/setup.sh --with-slurm installs it'
fi

# ---- the gate
series='{"input_sha256": "i", "gens": "2k"}'
# night RUN SPEED [JQ-EDIT]: prints a line of the history, a good run on a100 unless edited
night() {
  jq -nc --arg run "$1" --argjson speed "$2" --argjson series "$series" '{run: $run, date: $run,
    partition: "a100", machine: "A100", series: $series, speed_series: {machine: "A100"},
    figures: {cov_r: {mean: 0.6}}, gate: {verdict: "pass", reasons: [], notes: [], checks: []},
    counts: {requested: 2000, conformers: 2000, failures: {wrong_molecule: 0, parse_failure: 0, unfinished: 0}},
    speed: {conformers_per_second: $speed, tokens_per_second: ($speed * 170)}} | '"${3:-.}"
}
# comparison AGAINST METRIC A B LOW HIGH VERDICT: prints a result of --compare, equal in both sets
comparison() {
  jq -nc --arg against "$1" --arg metric "$2" --argjson a "$3" --argjson b "$4" --argjson low "$5" \
    --argjson high "$6" --arg verdict "$7" '{($metric): {molecules: 100, a: $a, b: $b,
      difference: ($b - $a), low: $low, high: $high, verdict: $verdict}} as $set
    | {against: $against, role: "the last good run", result: {verdict: $verdict, settings: {level: 0.95},
       molecules: {common: 100}, all: $set, both: $set}}'
}
conf='{"tolerance_share": 0.005, "speed_runs": 14, "speed_tolerance": 0.05, "speed_sigmas": 3,
  "speed_min_runs": 5, "speed_tolerance_few": 0.25, "speed_figure": "conformers_per_second"}'
# gate LINE: judges a line with ./history and ./compared; writes the verdict to ./out
gate() {
  echo "$1" | jq -c --slurpfile history <(jq -sc 'map(. + {good: (.gate.verdict == "pass")})' history) \
    --slurpfile compared compared --argjson conf "$conf" -f "$nightly/gate.jq" >out 2>err || cat err
}
gives() { verdict "$2" test "$(jq "$1" out)" = true; } # gives JQ-EXPRESSION TEXT

: >history
: >compared
gate "$(night n1 100)"
gives '.verdict == "pass" and (.notes | any(test("first run on this partition")))' 'a first night passes, with a note'

say 'speed against the median of good runs'
for speed in 100 101 99 100.5 99.5 100; do night "n$speed" $speed; done >history
gate "$(night now 96)"
gives '.verdict == "pass"' '4 % slower, quiet history: within the tolerance of 5 %'
gate "$(night now 94)"
gives '.verdict == "fail" and (.reasons | length == 1)' '6 % slower: worse'
gives '.reasons[0] | test("^speed: 100 conformers/s is the median on A100 .6 good runs, noise 0.7 %., now 94 .-6 %; allowed -5 %.$")' \
  'the reason gives median, noise and tolerance'
gate "$(night now 120)"
gives '.verdict == "pass"' 'faster is not worse'
gate "$(night now 1 '.speed.conformers_per_second = null')"
gives '.verdict == "pass" and (.notes | any(test("not measured")))' 'no speed: a note'
for speed in 80 120 90 110 100 95 105; do night "n$speed" $speed; done >history
gate "$(night now 80)"
gives '.verdict == "pass" and (.notes | any(test("noisy: a loss of less than 44.5 %")))' \
  'a noisy history allows its own noise, with a note'
gate "$(night now 50)"
gives '.verdict == "fail"' 'but not more'
{ night a 100; night b 100; } >history
gate "$(night now 80)"
gives '.verdict == "pass"' 'two runs: the noise is unknown, 20 % slower passes'
gate "$(night now 70)"
gives '.verdict == "fail" and (.reasons[0] | test("2 good runs, too few to know the noise"))' '30 % does not'
{
  for i in 1 2 3 4 5 6; do night "n$i" 100; done
  for i in 1 2 3 4 5 6; do night "slow$i" 50 '.gate.verdict = "fail"'; done
  for i in 1 2 3 4 5 6; do night "other$i" 10 '.speed_series.machine = "H100"'; done
  for i in 1 2 3 4 5 6; do night "else$i" 10 '.partition = "h100"'; done
} >history
gate "$(night now 90)"
gives '.verdict == "fail"' 'failed nights, other hardware and other partitions do not count'
for i in $(seq 1 20); do night "n$i" $((200 - i * 5)); done >history
gate "$(night now 125)"
gives '.checks[] | select(.name == "speed") | .from == 132.5' 'the median is of the last 14'

say 'quality, by --compare'
for i in 1 2 3 4 5 6; do night "n$i" 100; done >history
comparison n6 cov_r 0.65 0.6 -0.07 -0.03 worse >compared
gate "$(night now 100)"
gives '.verdict == "fail" and .reasons == ["COV-R: 65 % in n6 (the last good run), now 60 %: -5, 95 % interval -7 to -3"]' \
  'what is worse is a reason, once'
comparison n6 mat_r 0.65 0.6 -0.07 -0.03 better >compared
gate "$(night now 100)"
gives '.verdict == "pass"' 'better is not worse'
comparison n6 mat_r 0.6 0.602 0.001 0.003 within_tolerance >compared
gate "$(night now 100)"
gives '.verdict == "pass"' 'a loss within the tolerance passes'
comparison n6 cov_r 0.6 0.5 null null unknown >compared
gate "$(night now 100)"
gives '.verdict == "pass" and (.notes | any(test("too few molecules")))' 'too few molecules: a note'
{
  comparison n6 cov_r 0.6 0.6 0 0 no_difference
  comparison n1 cov_r 0.7 0.6 -0.12 -0.08 worse | jq -c '.role = "the baseline"'
} >compared
gate "$(night now 100)"
gives '.verdict == "fail" and (.reasons[0] | test("70 % in n1 .the baseline."))' 'slow decline, found by the baseline'
comparison n6 cov_r 0.6 0.6 0 0 no_difference >compared
gate "$(night now 100 '.counts.conformers = 1900 | .counts.failures.unfinished = 100')"
gives '.verdict == "fail" and (.reasons[0] | test("delivered: 100 % in n6 .*, now 95 %: .* unfinished 100"))' \
  'fewer conformers delivered'
gate "$(night now 100 '.counts.conformers = 1995 | .counts.failures.unfinished = 5')"
gives '.verdict == "pass"' 'a loss of 0.25 % passes'

say 'joining outputs and reports'
tiny_model tiny
write_molecules in.smi
common=(--model tiny --geometry count --input in.smi --gens 2 --seed 3 --quiet)
run 0 "${common[@]}" --output want.sdf.zst --report want.json
for n in 1 3 20; do # 20 shards of 12 molecules: some are empty
  parts=()
  for ((i = 0; i < n; i++)); do
    run 0 "${common[@]}" --shard $i/$n --output "p$i-$n.sdf.zst" --report "r$i-$n.json" || true
    parts+=("p$i-$n.sdf.zst")
  done
  verdict "$n parts are joined" "$nightly/merge.sh" got.sdf.zst "${parts[@]}"
  same want.sdf.zst got.sdf.zst 'to the bytes of one run'
done
# join_reports ATTEMPTS: joins the reports of three shards, with three conformers lost
join_reports() {
  echo '{"wrong_molecule": 1, "parse_failure": 0, "unfinished": 0, "invalid_geometry": 2}' >failed
  for i in 0 1 2; do
    jq -c --argjson i $i '{shard: $i, attempt: 0, report: .}' "r$i-3.json"
  done | jq -s --slurpfile attempts <(echo "$1") --slurpfile failed failed -f "$nightly/report.jq" >joined.json
}
join_reports '{"0": 1, "1": 1, "2": 1}'
same <(jq -S .geometry want.json) <(jq -S .geometry joined.json) 'the geometry of three reports is that of the whole run'
verdict 'lost conformers count as requested' \
  test "$(jq '.counts.requested' joined.json)" = $(($(jq '.counts.conformers' want.json) + 3))
join_reports '{"0": 1, "1": 2, "2": 1}'
verdict 'none after a stopped attempt, which leaves no counts' test "$(jq .geometry joined.json)" = null
head -c 2000 want.sdf.zst >cut.sdf.zst
printf '\x09\xff\xff\xff\x7f\x00\xb1\xea\x92\x8f' >huge.sdf.zst
{ head -c 100 /dev/zero; printf '\x01\0\0\0\0\xb1\xea\x92\x8f'; } >wild.sdf.zst
: >empty.sdf.zst
for bad in cut huge wild empty absent; do
  status=0
  "$nightly/merge.sh" no.sdf.zst want.sdf.zst $bad.sdf.zst 2>err || status=$?
  verdict "$bad.sdf.zst is refused by name" test "$status $(grep -c "^merge: '$bad.sdf.zst'" err)" = '1 1'
done
verdict 'and leaves no file' test "$(compgen -G 'no.sdf.zst*' || true)" = ''

say 'a task, with fake Slurm commands and a fake program'
mkdir -p fake run/log run/shards
cat >fake/srun <<'EOS'
#!/bin/sh
while [ "${1#-}" != "$1" ]; do shift; done
exec "$@"
EOS
printf '#!/bin/sh\ncat fake/state\n' >fake/squeue
printf '#!/bin/sh\necho "$@" >>fake/requeued\n' >fake/scontrol
printf '#!/bin/sh\n:\n' >fake/sleep # do not wait for Slurm to end an attempt
# appends fake/molecules to the manifest and exits with fake/status
cat >fake/program <<'EOS'
#!/bin/sh
echo "$@" >fake/arguments
while [ "$1" != --output ]; do shift; done
cat fake/molecules >>"$2.manifest"
exit "$(cat fake/status)"
EOS
chmod +x fake/*
cp -r "$nightly" run/tools
printf '. %s\nstate=%s\nconfgen_options=(--seed 3)\nmax_restarts=5\n' "$nightly/nightly.conf" "$work/state" >run/nightly.conf
jq -n --arg folder "$work" --arg program "$work/fake/program" --arg sum "$(sha256sum <fake/program | cut -d' ' -f1)" \
  '{run: "r", partition: "h100", shards: 4, conf_folder: $folder, program: $program, program_sha256: $sum}' >run/run.json
# task STATUS JOB-STATE MOLECULES WANTED-STATUS TEXT: runs an attempt that writes 0 or 1 molecules
task() {
  local status=0
  echo "$1" >fake/status
  echo "$2" >fake/state
  : >fake/molecules
  (($3 == 0)) || echo '{}' >fake/molecules
  : >fake/requeued
  PATH=$work/fake:$PATH SLURM_ARRAY_TASK_ID=2 SLURM_JOB_ID=77 bash run/tools/shard.sh "$work/run" >out 2>err ||
    status=$?
  verdict "$5" test $status = "$4"
}
requeued() { verdict "$2" test "$(cat fake/requeued)" = "$1"; }
printf '%s\n' '{"fingerprint":{"arithmetic":"batch 512, attention flash, KV cache paged, step tokens 64, prompt step tokens 512"}}' \
  >run/shards/out-2.sdf.zst.manifest
task 130 RUNNING 1 130 'stopped by its time limit'
requeued 'requeue 77' 'it is requeued'
verdict 'it has the options of the first attempt' grep -qF -- '--seed 3 --device cuda --deterministic' fake/arguments
verdict 'and its attention, batch size, cache and steps' grep -qF -- \
  '--attention flash --batch-size 512 --kv-cache paged --step-tokens 64 --shard 2/4' fake/arguments
task 130 COMPLETING 0 130 'stopped because it was cancelled or preempted'
requeued '' 'it is not requeued'
task 130 RUNNING 0 130 'stopped without progress'
requeued 'requeue 77' 'it is requeued'
task 130 RUNNING 0 1 'stopped three times without progress'
requeued '' 'it is given up'
verdict 'and prints the reason' grep -q 'three attempts were stopped before a molecule was complete' err
task 3 RUNNING 0 3 'a failure of the program fails the task'
task 1 RUNNING 0 0 'failed molecules do not fail the task'
task 130 RUNNING 1 1 'started more than max_restarts times'
verdict 'it prints the reason' grep -q 'started 7 times, giving up' err
rm run/shards/attempts-2.tsv
echo '# another build' >>fake/program
task 0 RUNNING 0 1 'a program that changed after the submission'
verdict 'is refused' grep -q 'has changed since the run was submitted' err

say 'the configuration'
# refused TEXT LINE: checks that a configuration with this additional line is refused
refused() {
  printf '. %s\nstate=%s\n%s\n' "$nightly/nightly.conf" "$work/state" "$2" >bad.conf
  status=0
  "$nightly/nightly.sh" --conf bad.conf check >out 2>err || status=$?
  verdict "$2" test "$status $(grep -c -- "$1" err)" = '1 1'
}
verdict 'the shipped one is valid, and its files exist' "$nightly/nightly.sh" check
refused "shards is '0'" 'shards=0'
refused "shards is '4 8'" "shards='4 8'"
refused 'partitions is missing or not a list' 'unset partitions; partitions=a100'
refused 'partitions is empty' 'partitions=()'
refused "partition 'a-b'" "partitions=('a-b')"
refused 'sbatch_c is missing' 'partitions=(c)'
refused "speed_tolerance is '5 %'" "speed_tolerance='5 %'"
refused "speed_figure is 'steps'" 'speed_figure=steps'
refused 'input is not set' 'input='
refused 'nowhere.smi cannot be read' 'input=nowhere.smi'
refused 'reference of h100_ligands: .*nowhere.sdf cannot be read' \
  "input=$work/in.smi reference=$work/in.smi input_a100_ligands=$work/in.smi reference_a100_ligands=$work/in.smi reference_h100_ligands=nowhere.sdf input_h100_ligands=$work/in.smi"
refused "shards is '0', wanted: a number of tasks .partition a100_ligands." "input=$work/in.smi reference=$work/in.smi shards_a100_ligands=0"
status=0
"$nightly/nightly.sh" --conf nowhere.conf check 2>err || status=$?
verdict 'a missing configuration' test "$status $(grep -c 'nowhere.conf: cannot be read' err)" = '1 1'
status=0
"$nightly/nightly.sh" jump 2>err || status=$?
verdict 'an unknown command: usage' test $status = 2

say 'a Slurm cluster that does not answer'
mkdir quiet
printf '#!/bin/sh\nexit 1\n' >quiet/squeue
printf '#!/bin/sh\ntouch submitted\n' | tee quiet/sbatch >quiet/scancel
chmod +x quiet/*
mkdir -p quiet-state/runs/old
echo 1 >quiet-state/runs/old/jobs
printf '. %s\nstate=%s\nprogram=%s\ninput=%s\nreference=%s\npartitions=(a100 h100)\n' "$nightly/nightly.conf" "$work/quiet-state" \
  "$CONFGEN" "$work/in.smi" "$work/in.smi" >quiet.conf
status=0
PATH=$work/quiet:$PATH "$nightly/nightly.sh" --conf quiet.conf submit >out 2>err || status=$?
verdict 'nothing is submitted' test "$status $(grep -c 'squeue does not answer' err)" = '1 1' -a ! -e submitted
verdict 'and no night is given up' test ! -e quiet-state/history.jsonl

say 'experimental references'
check 0 'an evaluation against them' eval --ref "$CONFGEN_SOURCE_ROOT/tests/data/eval/bioactive_ref.sdf.zst" \
  --gen "$CONFGEN_SOURCE_ROOT/tests/data/eval/bioactive_gen.sdf.zst" --bioactive --json bioactive.json
jq -n --arg sum x '{run: "r", date: "d", partition: "a100_ligands", commit: "c", input_sha256: $sum, reference_sha256: $sum,
  gens: "25", shards: 1}' | jq -c --slurpfile eval bioactive.json \
  --slurpfile report joined.json --argjson machines '["cpu"]' --arg now now -f "$nightly/line.jq" >line 2>err || cat err
verdict "a line has the hit rates of all conformers" test "$(jq -c '.bioactive.hit' line)" = \
  "$(jq -c '.summary.bioactive.curve[-1].hit // error("no curve")' bioactive.json)"

say 'the page'
printf '. %s\nstate=%s\n' "$nightly/nightly.conf" "$work/state" >good.conf
mkdir -p state
verdict 'without a history' "$nightly/nightly.sh" --conf good.conf page
{
  for i in 1 2 3 4 5 6 7 8 9; do
    night "2026-01-0$i" $((100 + i)) '. + {commit: "<b>&", figures: {cov_r: {mean: 0.6}, mat_r: {mean: 0.5},
      cov_p: {mean: 0.5}, mat_p: {mean: 0.7}}, restarts: 1}'
  done
  night 2026-01-10 1 '{run, date, partition, gate: {verdict: "broken", reasons: ["<script>alert(1)</script>"],
    notes: [], checks: []}}'
} >state/history.jsonl
verdict 'with nine nights and a broken one' "$nightly/nightly.sh" --conf good.conf page
verdict 'it has four charts' test "$(grep -o '<svg' state/index.html | wc -l)" = 4
verdict 'with nine points per line' test "$(grep -o '<circle' state/index.html | wc -l)" = $((9 * 6))
verdict 'markup in its data is escaped' test "$(grep -c '<script>\|<b>&' state/index.html)" = 0
verdict 'and shown as text' grep -q '&lt;script&gt;alert(1)' state/index.html
verdict 'all numbers are finite' test "$(grep -cE 'NaN|null|Infinity' state/index.html)" = 0
"$nightly/nightly.sh" --conf good.conf accept 2026-01-05 'a new model' >/dev/null
jq -c '. + {run: "l", date: "2026-01-11", gate: {verdict: "pass", reasons: [], notes: [], checks: []}}' line >>state/history.jsonl
verdict 'with a night of experimental references' "$nightly/nightly.sh" --conf good.conf page
verdict 'it shows hit rates and best RMSD' grep -q 'Experimental references: best RMSD [0-9.]* Å, TFD [0-9.]*; found within 0.5 Å [0-9.]* %' state/index.html
verdict 'an accepted run is marked' grep -q 'accepted: a new model' state/index.html
status=0
"$nightly/nightly.sh" --conf good.conf accept 2026-01-10 why 2>err || status=$?
verdict 'a broken run cannot be accepted' test $status = 1
echo '{"run": ' >>state/history.jsonl
status=0
"$nightly/nightly.sh" --conf good.conf page 2>err || status=$?
verdict 'the message names a damaged history' test "$status $(grep -c 'history.jsonl: contains a line that is not JSON' err)" = '1 1'
finish
