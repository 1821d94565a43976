#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The program on a GPU: default model, pairs of attention and cache, invariance, records of the CPU.
. "$(dirname "$0")/../e2e/lib.sh"

if ! "$CONFGEN" --input "$data/geom_drugs_sample.smi" --limit 1 --device cuda --tune never \
  --output probe.sdf >out 2>err; then
  # what is not there is skipped; what is there and fails is a failure
  if grep -Eq 'no NVIDIA driver|no CUDA module|cannot be read|(serves|supports) CUDA|this machine has|no GPU' err; then
    skip "$(tail -n 1 err)"
  fi
  fail 'a conformer on the GPU'
  finish
fi
pass 'a conformer on the GPU'

common=(--input "$data/geom_drugs_sample.smi" --overwrite --tune never)
gpu=("${common[@]}" --device cuda)

say 'counts of a run as users start it'
check 0 '12 molecules, 16 conformers each' "${gpu[@]}" --gens 16 --output a.sdf --report a.json
verdict '192 records' test "$(count_sdf <a.sdf)" = 192
for pair in conformers:192 wrong_molecule:0 parse_failure:0 unfinished:0; do
  verdict "report: $pair" test "$(json_number a.json "${pair%:*}")" = "${pair#*:}"
done
verdict 'report: the device' grep -q '"device": "cuda:0"' a.json
verdict 'report: bf16' grep -q '"dtype": "bf16"' a.json

say 'every pair that the matrix allows'
run 0 plugins matrix --device cuda || true
awk '$3 == "ok" { print $1, $2 }' out >pairs
verdict 'six pairs or more' test "$(wc -l <pairs)" -ge 6
while read -r attention cache; do
  if run 0 "${gpu[@]}" --limit 6 --gens 8 --attention "$attention" --kv-cache "$cache" \
    --output pair.sdf --report pair.json; then
    verdict "$attention over $cache: 48 conformers, none unfinished" \
      test "$(json_number pair.json conformers) $(json_number pair.json unfinished)" = '48 0'
  fi
done <pairs

say '--deterministic: the same bytes whatever the batch and the steps'
run 0 "${gpu[@]}" --limit 6 --gens 8 --deterministic --seed 5 --output want.sdf || true
for shape in '--batch-size 1' '--batch-size 7' '--batch-size 64 --step-tokens 96'; do
  # shellcheck disable=SC2086
  if run 0 "${gpu[@]}" --limit 6 --gens 8 --deterministic --seed 5 $shape --output got.sdf; then
    same want.sdf got.sdf "$shape"
  fi
done
run 0 "${gpu[@]}" --limit 6 --gens 8 --deterministic --seed 6 --output other.sdf || true
verdict 'another seed, other conformers' test "$(diff want.sdf other.sdf | wc -l)" -gt 100

say 'geometry repaired in the step'
printf '%s\n' 'C[C@H](N)C(=O)O a' 'CC[C@@H](C)O b' 'C[C@@H](O)[C@H](C)N c' 'C/C=C\[C@H](C)F d' >in.smi
repair=(--input in.smi --gens 16 --seed 3 --overwrite --tune never --device cuda --deterministic
  --geometry repair --check)
run 0 "${repair[@]}" --output fixed.sdf --report fixed.json
verdict '64 conformers' test "$(count_sdf <fixed.sdf)" = 64
verdict 'all are checked' test "$(json_number fixed.json checked)" = 64
verdict 'and pass' \
  test "$(json_number fixed.json passed_all)" = "$(json_number fixed.json checked)"
verdict 'a wrong hand was met' test "$(json_number fixed.json centre)" -gt 0
verdict 'and mended' test "$(json_number fixed.json atoms_moved)" -gt 0
for shape in '--batch-size 1' '--batch-size 7' '--batch-size 64 --step-tokens 96'; do
  # shellcheck disable=SC2086
  run 0 "${repair[@]}" --output got.sdf $shape
  same fixed.sdf got.sdf "repaired: $shape"
done

say 'f32: the records of the CPU, but for choices that are as good as even'
plain=(--geometry off --limit 8 --greedy) # an atom that is moved may differ in the last decimal
run 0 "${common[@]}" --device cpu "${plain[@]}" --output cpu.smiles3d || true
for cache in dynamic static paged; do
  run 0 "${gpu[@]}" --dtype f32 --attention eager --kv-cache $cache "${plain[@]}" \
    --output gpu.smiles3d || true
  equal=$(comm -12 <(sort cpu.smiles3d) <(sort gpu.smiles3d) | wc -l)
  verdict "eager over $cache: $equal of 8 greedy conformers are the CPU's, wanted 7 or more" \
    test "$equal" -ge 7
done

say 'interrupted and resumed'
run 0 "${gpu[@]}" --limit 12 --gens 4 --deterministic --output whole.sdf || true
timeout -s INT 4 "$CONFGEN" "${gpu[@]}" --limit 12 --gens 4 --deterministic --output part.sdf \
  --batch-size 1 >out 2>err || true
check 0 'resumed' --input "$data/geom_drugs_sample.smi" --tune never --device cuda --limit 12 \
  --gens 4 --deterministic --output part.sdf --resume
same whole.sdf part.sdf 'the resumed output is the whole one'

say 'what a GPU is not asked for'
check 2 'a device that is none' "${common[@]}" --device cuda:x --output x.sdf
check 3 'a GPU that is not there' "${common[@]}" --device cuda:999 --output x.sdf
finish
