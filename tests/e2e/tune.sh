#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# `--tune always` on the CPU: it measures every pair of attention and KV cache that works and names the others with their
# reasons; it selects what its figures say; the conformers are those of a run with the selected settings. No other run
# measures.
. "$(dirname "$0")/lib.sh"

write_molecules mols.smi
tiny_model plain
export CONFGEN_CACHE_DIR=$work/cache
run_of() { # OUTPUT ARG...
  local output=$1
  shift
  run 0 --model plain --tokenizer plain/tokenizer.json --device cpu --geometry off --input mols.smi --limit 3 --seed 3 \
    --overwrite --quiet --output "$output" --report "$output.json" "$@"
}
reported() { sed -n "s/^ *\"$2\": \"\(.*\)\",\{0,1\}\$/\1/p" "$1.json" | head -n 1; }

# figures FILE: a line for each attempt: attention, cache, batch, conformers of its job, tokens/s, or `refused` and why
figures() {
  python3 - "$1" <<'PY'
import json, sys
for a in json.load(open(sys.argv[1]))["engine"]["tuning"]["figures"]:
    print(a["attention"], a["kv_cache"], a["batch_size"],
          *(["refused", a["refused"]] if "refused" in a else [a["conformers"], a["tokens_per_second"]]))
PY
}
# selected FILE: what the jobs among these lines select: the smallest batch within 3 % of the best, the best pair at it
# or one before it in order of preference within 3 % of it
selected() {
  python3 - "$1" <<'PY'
import sys
lines = [l.split() for l in open(sys.argv[1])]
pairs = list(dict.fromkeys((l[0], l[1]) for l in lines))
jobs = [(l[0], l[1], int(l[2]), float(l[4])) for l in lines if l[3] != "refused" and int(l[3])]
best = max(j[3] for j in jobs)
batch = min(j[2] for j in jobs if j[3] >= 0.97 * best)
at = [j for j in jobs if j[2] == batch]
good = [j for j in at if 1.03 * j[3] >= max(k[3] for k in at)]
print(*min(good, key=lambda j: pairs.index(j[:2]))[:3])
PY
}

say 'with it'
run_of tuned.sdf --tune always --batch-size 8
figures tuned.sdf.json >figures
"$CONFGEN" plugins matrix --model plain | tail -n +2 | awk '$3 == "ok" { print $1, $2 }' | sort >works
awk '$4 != "refused" || /left out: its job/ { print $1, $2 }' figures | sort -u >measured
verdict 'every pair that works is measured' cmp works measured
"$CONFGEN" plugins matrix --model plain | tail -n +2 | awk '$3 != "ok" { print $1, $2 }' | sort >fails
awk '$4 == "refused" && !/left out: its job/ { print $1, $2 }' figures | sort -u >refused
verdict 'the others are named with a reason' cmp fails refused
verdict 'whole jobs are measured' awk '$4 == 16 { n++ } END { exit n < 1 || n > 3 }' figures
verdict 'the figures explain the selection' test "$(selected figures)" = \
  "$(reported tuned.sdf attention) $(reported tuned.sdf kv_cache) 8"
verdict 'the reason names the job' grep -q 'auto: measured: .*: [0-9,]* tokens/s of 16 conformers' tuned.sdf.json
run_of same.sdf --batch-size 8 --attention "$(reported tuned.sdf attention)" --kv-cache "$(reported tuned.sdf kv_cache)"
same tuned.sdf same.sdf 'the conformers of a run with these settings'

say 'without it'
for tune in auto never; do
  run_of rule.sdf --tune $tune
  verdict "--tune $tune: a rule" grep -q '"attention_reason": "auto: vectorised' rule.sdf.json
  verdict "--tune $tune: nothing is measured" test -z "$(figures rule.sdf.json)"
done
verdict 'nothing is remembered' test ! -e cache
finish
