#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The job after the array: joins the shards, evaluates, judges, writes history and page. Submitted by
# nightly.sh with --dependency=afterany; can be run again: finish.sh RUN
#
# Exit status 0 if the night is no worse than the nights before. Otherwise the job fails, prints the
# reasons on standard error and into RUN/gate.txt, and calls the configured command.
set -Euo pipefail
here=$1/tools
# shellcheck source=lib.sh
. "$here/lib.sh"
need jq flock sha256sum
run_read "$1"
work=$(mktemp -d)
step=''

# broken REASON...: ends a night that cannot be judged, which counts as failed
broken() {
  trap - ERR
  conclude broken "$(printf 'broken: %s\n' "$@")" "$(broken_line "$run" "$@")"
}

# conclude VERDICT TEXT LINE: writes verdict and history, reports them and exits
conclude() {
  local verdict=$1 text=$2 status=0
  {
    printf '%s: %s\n' "$name" "$verdict"
    printf '%s\n' "$text"
  } >"$run/gate.txt" || status=1
  history_add "$3" || { warn "$history or $page: cannot be written"; status=1; }
  if [ "$verdict" = pass ]; then
    cat "$run/gate.txt"
    prune || warn "$state/runs: cannot remove old outputs"
  else
    status=1
    sed 's/^/nightly: /' "$run/gate.txt" >&2
    notify_all "$partition" "$run" "$(cat "$run/gate.txt")"
  fi
  rm -rf "$work"
  exit $status
}

# Removes the outputs of all but the last `keep` runs of this partition; keeps evaluations and reports
prune() {
  local old
  find "$state/runs" -mindepth 1 -maxdepth 1 -type d -name "*-$partition" | sort -r |
    tail -n +$((keep + 1)) | while read -r old; do
    rm -f "$old"/shards/out-*.sdf.zst* "$old"/shards/failed-*.tsv "$old"/gen.sdf.zst
  done
}

# The last messages in a task's log: the program's, if there are any
last_messages() {
  local log=$run/log/shard-$1.log
  { grep -a '^confgen: ' "$log" || tail -n 3 "$log" || echo 'no log'; } 2>/dev/null | tail -n 3 |
    paste -sd' ' | cut -c1-300
}

trap 'broken "$step failed: $(tail -n 3 "$work/err" 2>/dev/null | tr "\n" " " | cut -c1-400)"' ERR
step='preparing'
at=$run/shards

missing=()
for ((task = 0; task < shards; task++)); do
  tail -n 1 "$at/out-$task.sdf.zst.manifest" 2>/dev/null | grep -q '^{"complete":true' ||
    missing+=("shard $task of $shards was not finished: $(last_messages $task)")
done
if ((${#missing[@]} > 5)); then missing=("${missing[@]:0:5}" "and $((${#missing[@]} - 5)) more"); fi
((${#missing[@]} == 0)) || broken "${missing[@]}"

step='joining the shards'
parts=()
for ((task = 0; task < shards; task++)); do parts+=("$at/out-$task.sdf.zst"); done
"$here/merge.sh" "$run/gen.sdf.zst" "${parts[@]}" 2>"$work/err"
head -n 1 "$at/failed-0.tsv" >"$run/failed.tsv"
for ((task = 0; task < shards; task++)); do
  tail -n +2 "$at/failed-$task.tsv"
done >>"$run/failed.tsv"

step='joining the reports'
# A report that its killed task left incomplete is ignored
for file in "$at"/report-*.json; do
  task=${file##*/report-}
  jq -c --arg task "${task%-*}" --arg attempt "$(basename "${task#*-}" .json)" \
    '{shard: ($task | tonumber), attempt: ($attempt | tonumber), report: .}' "$file" \
    2>>"$work/torn" || true
done >"$work/reports"
wc -l "$at"/attempts-*.tsv | sed -n 's/^ *\([0-9]*\) .*attempts-\([0-9]*\)\.tsv$/\2 \1/p' |
  jq -Rn '[inputs | split(" ") | {(.[0]): (.[1] | tonumber)}] | add' >"$work/attempts"
awk -F'\t' 'NR > 1 && $4 != "-" { n[substr($5, 1, index($5, ":") - 1)]++ }
  END { printf "{\"wrong_molecule\": %d, \"parse_failure\": %d, \"unfinished\": %d, ",
      n["wrong molecule"], n["parse failure"], n["unfinished"]
    printf "\"invalid_geometry\": %d}\n", n["invalid geometry"] }' "$run/failed.tsv" >"$work/failed"
jq -s --slurpfile attempts "$work/attempts" --slurpfile failed "$work/failed" \
  -f "$here/report.jq" "$work/reports" >"$run/report.json" 2>"$work/err"

step='the evaluation'
status=0 # 1: some records could not be read or checked; they are counted
"$program" eval --ref "$reference" --gen "$run/gen.sdf.zst" --run "$run/report.json" \
  --json "$run/eval.json" --html "$run/eval.html" --csv "$run/eval.csv" --overwrite \
  --threads "${SLURM_CPUS_PER_TASK:-1}" ${eval_options[@]+"${eval_options[@]}"} \
  >"$run/eval.txt" 2>"$work/err" || status=$?
((status <= 1))

step='judging'
cut -f5 "$at"/attempts-*.tsv | sort -u | jq -R . | jq -sc . >"$work/machines"
jq -c --slurpfile eval "$run/eval.json" --slurpfile report "$run/report.json" \
  --argjson machines "$(cat "$work/machines")" --arg now "$(date -u +%FT%TZ)" \
  -f "$here/line.jq" "$run/run.json" >"$work/line" 2>"$work/err"
history_read 2>"$work/err" | jq -c --arg run "$name" 'map(select(.run != $run))' >"$work/history"
last=$(jq -r --slurpfile line "$work/line" '$line[0] as $line | map(select(.good
  and .partition == $line.partition and .series == $line.series)) | last | .run // ""' "$work/history")
declare -n pinned=baseline_$partition
: >"$work/compared"
# compare RUN ROLE: compares with an earlier run and adds a line to $work/compared
compare() {
  local status=0 old=$state/runs/$1/eval.json
  jq -e --arg run "$1" 'any(.[]; .run == $run and .figures)' "$work/history" >/dev/null || {
    echo "'$1' is not an evaluated run in the history" >"$work/err"
    return 1
  }
  "$program" eval --compare "$old" "$run/eval.json" --json "$work/compare.json" --overwrite \
    --tolerance "$tolerance_share,$tolerance_rmsd" >"$run/compare-$1.txt" 2>"$work/err" || status=$?
  ((status <= 1)) || return 1
  jq -c --arg against "$1" --arg role "$2" '{against: $against, role: $role, result: .}' \
    "$work/compare.json" >>"$work/compared"
}
if [ -n "$last" ]; then
  step="comparing with $last"
  compare "$last" 'the last good run'
fi
if [ -n "${pinned-}" ] && [ "$pinned" != "$last" ]; then
  step="comparing with the baseline $pinned"
  compare "$pinned" 'the baseline'
fi
step='judging'
conf_json=$(jq -nc --arg figure "$speed_figure" '$ARGS.named | del(.figure)
  | with_entries(.value |= tonumber) + {speed_figure: $figure}' \
  --arg tolerance_share "$tolerance_share" --arg speed_runs "$speed_runs" \
  --arg speed_tolerance "$speed_tolerance" --arg speed_sigmas "$speed_sigmas" \
  --arg speed_min_runs "$speed_min_runs" --arg speed_tolerance_few "$speed_tolerance_few")
jq -c --slurpfile history "$work/history" --slurpfile compared "$work/compared" \
  --argjson conf "$conf_json" -f "$here/gate.jq" "$work/line" >"$work/gate" 2>"$work/err"
line=$(jq -c --slurpfile gate "$work/gate" '. + {gate: $gate[0]}' "$work/line")
conclude "$(jq -r .verdict "$work/gate")" \
  "$(jq -r '(.reasons[] | "worse: " + .), (.notes[] | "note: " + .),
    (.checks[] | select(.worse | not) | "ok: " + .text)' "$work/gate")" \
  "$line"
