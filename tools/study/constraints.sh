#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What a constraint costs and what it buys: none, template and grammar on the same checkpoint,
# molecules, sampling and seed, in one table, and compared in pairs. Geometry is left as it is drawn,
# since only under grammar it could be mended; `-- --geometry repair` is for other questions.
#
#   tools/study/constraints.sh --ref REF --input FILE [OPTION...] [-- CONFGEN_OPTION...]
#   tools/study/constraints.sh --ref REF --generated FOLDER [--out FOLDER] [--delta D]
#
#   --ref REF            reference conformers, SDF (.zst)
#   --input FILE         molecules: SMILES, name, k
#   --out FOLDER         for what is generated and evaluated (constraints)
#   --gens N|Nk          conformers a molecule (2k)
#   --model DIR, --temperature T, --top-p P, --seed S
#                        as confgen's; behind --, any other of its options
#   --generated FOLDER   generate nothing: take none.sdf.zst and none.json (confgen's --output and
#                        --report), and so on, that were made elsewhere
#   --delta D            threshold of COV (0.75 Å)
#
# CONFGEN names the program (build/confgen). Needs jq. Exit status: 0; 1 where grammar is worse by a
# comparison, or failed; 2 wrong usage; 3 where something could not be done.
set -euo pipefail
export LC_ALL=C.UTF-8
here=$(cd "$(dirname "$0")" && pwd)
confgen=${CONFGEN:-$here/../../build/confgen}
constraints=(none template grammar)

usage() { sed -n '3,23s/^# \{0,1\}//p' "$0" >&2; exit 2; }
die() { printf 'constraints: %s\n' "$*" >&2; exit 3; }

ref='' input='' out=constraints generated='' gens=2k delta=0.75 options=()
while (($#)); do
  if [ "$1" = -- ]; then
    shift
    options+=("$@")
    break
  fi
  (($# >= 2)) || usage
  case $1 in
    --ref) ref=$2 ;;
    --input) input=$2 ;;
    --out) out=$2 ;;
    --gens) gens=$2 ;;
    --generated) generated=$2 ;;
    --delta) delta=$2 ;;
    --model | --temperature | --top-p | --seed) options+=("$1" "$2") ;;
    *) usage ;;
  esac
  shift 2
done
if [ -z "$ref" ] || [ -z "$input$generated" ]; then usage; fi
if [ -n "$generated" ] && [ -n "$input${options[*]-}" ]; then usage; fi
command -v jq >/dev/null || die 'jq is not installed here'
[ -x "$confgen" ] || die "$confgen: no such program; CONFGEN names it"
mkdir -p "$out" || exit 3

if [ -z "$generated" ]; then
  generated=$out
  for c in "${constraints[@]}"; do
    # 1: some failed, which is what is looked at
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
# Runs that differ in more than the constraint say nothing about it
different=$(jq -rs '
  map({constraint: .engine.constraint, molecules: .counts.molecules, retry: .checks.retry,
      geometry: .geometry.mode}
    + (.engine | {fingerprint, seed, sampling, device, dtype, deterministic}))
  | (if map(.constraint) != ["none", "template", "grammar"] then [map(.constraint)] else [] end)
    + [map(del(.constraint) | to_entries) | transpose[]
      | select(map(.value) | unique | length > 1) | {(.[0].key): map(.value)}]
  | .[] | tojson' "${reports[@]}") || die "$generated: a report is no JSON of confgen --report"
[ -z "$different" ] || die "the three runs differ: ${different//$'\n'/, }"

for c in "${constraints[@]}"; do
  "$confgen" eval --ref "$ref" --gen "$generated/$c.sdf.zst" --delta "$delta" \
    --run "$generated/$c.json" --json "$out/$c.eval.json" --overwrite >"$out/$c.eval.txt" ||
    die "$c: confgen eval ended with an error"
done
jq -rsf "$here/table.jq" "${results[@]}"

status=$(jq '.counts.failures
  | if .wrong_molecule + .parse_failure + .unfinished > 0 then 1 else 0 end' \
  "$generated/grammar.json") || die "$generated/grammar.json: counts no failures"
# compare A B: is B better than A?
compare() {
  local ended=0
  printf '\n'
  "$confgen" eval --compare "$out/$1.eval.json" "$out/$2.eval.json" --json "$out/$1-$2.json" ||
    ended=$?
  ((ended <= 1)) || die "$1 and $2 could not be compared"
  [ "$2" != grammar ] || ((ended == 0)) || status=1
}
compare none grammar
compare template grammar
compare none template
exit "$status"
