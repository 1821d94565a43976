#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Compares the constraints none, template and grammar on the same checkpoint, molecules, sampling and
# seed: one table, and comparisons in pairs. Runs with --geometry off, because only grammar supports
# repair; `-- --geometry repair` overrides it.
#
#   tools/study/constraints.sh --ref REF --input FILE [OPTION...] [-- CONFGEN_OPTION...]
#   tools/study/constraints.sh --ref REF --generated DIR [--out DIR] [--delta D]
#
#   --ref REF            reference conformers, SDF (.zst)
#   --input FILE         molecules: SMILES, name, k
#   --out DIR            directory of outputs and evaluations (constraints)
#   --gens N|Nk          conformers per molecule (2k)
#   --model DIR, --temperature T, --top-p P, --seed S
#                        confgen's options; others follow --
#   --generated DIR      generate nothing, evaluate the outputs and reports of earlier runs:
#                        DIR/none.sdf.zst and DIR/none.json, and so on
#   --delta D            threshold of COV (0.75 Å)
#
# CONFGEN names the program (build/confgen). Needs jq. Exit status: 0; 1 if grammar is worse in a
# comparison, or failed; 2 usage error; 3 another error.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=lib.sh
. "$here/lib.sh"
constraints=(none template grammar)

usage() { sed -n '3,${/^#/!q; s/^# \{0,1\}//p}' "$0" >&2; exit 2; }
die() { printf 'constraints: %s\n' "$*" >&2; exit 3; }

ref='' input='' out=constraints generated='' gens=2k delta=0.75
parse_options 'ref input out gens generated delta' 'model temperature top-p seed' "$@"
if [ -z "$ref" ] || [ -z "$input$generated" ]; then usage; fi
if [ -n "$generated" ] && [ -n "$input${options[*]-}" ]; then usage; fi
command -v jq >/dev/null || die 'jq is not installed'
[ -x "$confgen" ] || die "$confgen: no such program; CONFGEN names it"
mkdir -p "$out" || exit 3

if [ -z "$generated" ]; then
  generated=$out
  for c in "${constraints[@]}"; do
    # exit status 1: some conformers failed, which the table shows
    "$confgen" --input "$input" --gens "$gens" --constraint "$c" --geometry off \
      --output "$out/$c.sdf.zst" --report "$out/$c.json" --failed "$out/$c.failed" \
      ${options[@]+"${options[@]}"} ||
      (($? == 1)) || die "$c: confgen ended with an error"
  done
fi

reports=() results=()
for c in "${constraints[@]}"; do
  for file in "$generated/$c".{sdf.zst,json}; do
    [ -r "$file" ] || die "$file: cannot be read"
  done
  reports+=("$generated/$c.json")
  results+=("$out/$c.eval.json")
done
# Runs that differ in more than the constraint are not comparable
different=$(jq -rs '
  map({constraint: .engine.constraint, molecules: .counts.molecules, retry: .checks.retry,
      geometry: .geometry.mode}
    + (.engine | {fingerprint, seed, sampling, device, dtype, deterministic}))
  | (if map(.constraint) != ["none", "template", "grammar"] then [map(.constraint)] else [] end)
    + [map(del(.constraint) | to_entries) | transpose[]
      | select(map(.value) | unique | length > 1) | {(.[0].key): map(.value)}]
  | .[] | tojson' "${reports[@]}") || die "$generated: a report is not JSON of confgen --report"
[ -z "$different" ] || die "the three runs differ: ${different//$'\n'/, }"

for c in "${constraints[@]}"; do
  "$confgen" eval --ref "$ref" --gen "$generated/$c.sdf.zst" --delta "$delta" \
    --run "$generated/$c.json" --json "$out/$c.eval.json" --overwrite >"$out/$c.eval.txt" || (($? == 1)) ||
    die "$c: confgen eval ended with an error"
done
jq -rsf "$here/table.jq" "${results[@]}"

status=$(jq '.counts.failures
  | if .wrong_molecule + .parse_failure + .unfinished > 0 then 1 else 0 end' \
  "$generated/grammar.json") || die "$generated/grammar.json: has no counts of failures"
# compare A B: compares the evaluations; sets status to 1 if grammar is worse
compare() {
  local ended=0
  printf '\n'
  "$confgen" eval --compare "$out/$1.eval.json" "$out/$2.eval.json" --json "$out/$1-$2.json" --overwrite ||
    ended=$?
  ((ended <= 1)) || die "$1 and $2 cannot be compared"
  [ "$2" != grammar ] || ((ended == 0)) || status=1
}
compare none grammar
compare template grammar
compare none template
exit "$status"
