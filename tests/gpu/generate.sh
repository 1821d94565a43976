#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The program on a GPU: default model, attention and cache pairs, invariance, agreement with the CPU.
. "$(dirname "$0")/../e2e/lib.sh"

if ! "$CONFGEN" --input "$data/geom_drugs_sample.smi" --limit 1 --device cuda --tune never \
  --output probe.sdf >out 2>err; then
  # skipped without driver, module or GPU; any other error is a failure
  if grep -Eq 'no NVIDIA driver|no CUDA module|cannot be read|(serves|supports) CUDA|this machine has|no GPU' err; then
    skip "$(tail -n 1 err)"
  fi
  fail 'a conformer on the GPU'
  finish
fi
pass 'a conformer on the GPU'

common=(--input "$data/geom_drugs_sample.smi" --overwrite --tune never)
gpu=("${common[@]}" --device cuda)

# count FILE KEY: a number of the report's counts, not of its tuning
count() {
  sed -n '/^ *"counts": {/,$p' "$1" >counts.json
  json_number counts.json "$2"
}

say 'counts of a plain run'
check 0 '12 molecules, 16 conformers each' "${gpu[@]}" --gens 16 --output a.sdf --report a.json
verdict '192 records' test "$(count_sdf <a.sdf)" = 192
for pair in conformers:192 wrong_molecule:0 parse_failure:0 unfinished:0; do
  verdict "report: $pair" test "$(count a.json "${pair%:*}")" = "${pair#*:}"
done
verdict 'report: the device' grep -q '"device": "cuda:0"' a.json
verdict 'report: bf16' grep -q '"dtype": "bf16"' a.json

check 0 'in f16' "${gpu[@]}" --gens 16 --dtype f16 --output a.sdf --report a.json
for pair in conformers:192 wrong_molecule:0 parse_failure:0 unfinished:0; do
  verdict "f16: $pair" test "$(count a.json "${pair%:*}")" = "${pair#*:}"
done
verdict 'report: f16, also of the KV cache' test "$(grep -Ec '"(kv_)?dtype": "f16"' a.json)" = 2

say 'prompts are computed in prompt steps'
run 0 "${gpu[@]}" --gens 16 --output a.sdf --report steps.json || true
run 0 "${gpu[@]}" --gens 16 --prompt-step-tokens off --output a.sdf --report mixed.json || true
verdict 'some prompt steps' test "$(json_number steps.json prompt_steps)" -gt 0
verdict 'at most one for each prompt' test "$(json_number steps.json prompt_steps)" -le 12
verdict 'with room for their tokens' \
  test "$(json_number steps.json prompt_step_rows)" -ge "$(json_number steps.json prompt)"
verdict '--prompt-step-tokens off: none' test "$(json_number mixed.json prompt_steps)" = 0
verdict 'as many prompt tokens as without' \
  test "$(json_number steps.json prompt)" = "$(json_number mixed.json prompt)"

say 'pairs of attention and cache plugins'
run 0 plugins matrix --device cuda --batch-size 512 || true
cp out matrix
# pair_result ATTENTION CACHE: "ok", or the reason for the refusal
pair_result() { sed -n "s/^$1  *$2  *//p" matrix; }
attentions=(eager efficient flash cudnn)
if ! grep -q '^cudnn ' matrix || grep -q '^cudnn .*cuDNN 9 not found' matrix; then
  attentions=(eager efficient flash)
  say "cudnn is not tested: $(pair_result cudnn paged | grep . || echo 'it is not in this build')"
fi
for attention in "${attentions[@]}"; do
  for cache in dynamic static paged; do
    result=$(pair_result "$attention" "$cache")
    verdict "$attention over $cache at batch 512: found '${result:-no such pair}', wanted 'ok'" \
      test "$result" = ok
    if run 0 "${gpu[@]}" --limit 6 --gens 8 --attention "$attention" --kv-cache "$cache" \
      --output pair.sdf --report pair.json; then
      verdict "$attention over $cache: 48 conformers, none unfinished" \
        test "$(count pair.json conformers) $(count pair.json unfinished)" = '48 0'
    fi
  done
done

say 'types of the KV cache: the matrix says of each pair what a run of it does'
for type in f32 f16 fp8 int8; do
  run 0 plugins matrix --device cuda --kv-dtype $type || true
  tail -n +2 out | sed 's/  */ /; s/  */ /' >matrix
  verdict "$type: the matrix has pairs" test -s matrix
  while read -r attention cache result; do
    name="$attention over $cache of $type"
    pair=("${gpu[@]}" --limit 3 --gens 8 --batch-size 64 --attention "$attention" --kv-cache "$cache" --kv-dtype "$type"
      --output pair.sdf --report pair.json)
    if [ "$result" != ok ]; then
      run 3 "${pair[@]}" && verdict "$name: $result" test "$(cat err)" = "confgen: $result"
    elif run 0 "${pair[@]}"; then
      verdict "$name: 24 conformers, none unfinished" \
        test "$(count pair.json conformers) $(count pair.json unfinished)" = '24 0'
    fi
  done <matrix
done

say '--deterministic: output bytes do not depend on batch size and tokens of steps'
run 0 "${gpu[@]}" --limit 6 --gens 8 --deterministic --seed 5 --output want.sdf || true
for shape in '--batch-size 1' '--batch-size 7' '--batch-size 64 --step-tokens 96' '--prompt-step-tokens off' \
  '--batch-size 64 --prompt-step-tokens 1024'; do
  # shellcheck disable=SC2086
  if run 0 "${gpu[@]}" --limit 6 --gens 8 --deterministic --seed 5 $shape --output got.sdf; then
    same want.sdf got.sdf "$shape"
  fi
done
run 0 "${gpu[@]}" --limit 6 --gens 8 --deterministic --seed 6 --output other.sdf || true
verdict 'another seed gives other conformers' test "$(diff want.sdf other.sdf | wc -l)" -gt 100

say 'geometry repair'
printf '%s\n' 'C[C@H](N)C(=O)O a' 'CC[C@@H](C)O b' 'C[C@@H](O)[C@H](C)N c' 'C/C=C\[C@H](C)F d' >in.smi
repair=(--input in.smi --gens 16 --seed 3 --overwrite --tune never --device cuda --deterministic
  --geometry repair --check)
run 0 "${repair[@]}" --output fixed.sdf --report fixed.json
verdict '64 conformers' test "$(count_sdf <fixed.sdf)" = 64
verdict 'all conformers are checked' test "$(json_number fixed.json checked)" = 64
verdict 'all conformers pass' \
  test "$(json_number fixed.json passed_all)" = "$(json_number fixed.json checked)"
verdict 'stereocentres failed' test "$(json_number fixed.json centre)" -gt 0
verdict 'atoms were moved' test "$(json_number fixed.json atoms_moved)" -gt 0
for shape in '--batch-size 1' '--batch-size 7' '--batch-size 64 --step-tokens 96'; do
  # shellcheck disable=SC2086
  run 0 "${repair[@]}" --output got.sdf $shape
  same fixed.sdf got.sdf "repaired: $shape"
done

say 'f32: the records of the CPU, except where two tokens are almost equally likely'
plain=(--geometry off --limit 8 --greedy) # a repaired atom may differ in the last decimal
run 0 "${common[@]}" --device cpu "${plain[@]}" --output cpu.smiles3d || true
for cache in dynamic static paged; do
  run 0 "${gpu[@]}" --dtype f32 --attention eager --kv-cache $cache "${plain[@]}" \
    --output gpu.smiles3d || true
  equal=$(comm -12 <(sort cpu.smiles3d) <(sort gpu.smiles3d) | wc -l)
  verdict "eager over $cache: $equal of 8 greedy conformers equal those of the CPU, wanted 7" \
    test "$equal" -ge 7
done

say 'interrupted and resumed'
run 0 "${gpu[@]}" --limit 12 --gens 4 --deterministic --output whole.sdf || true
timeout -s INT 4 "$CONFGEN" "${gpu[@]}" --limit 12 --gens 4 --deterministic --output part.sdf \
  --batch-size 1 >out 2>err || true
check 0 'resumed' --input "$data/geom_drugs_sample.smi" --tune never --device cuda --limit 12 \
  --gens 4 --deterministic --output part.sdf --resume
same whole.sdf part.sdf 'the resumed output equals the uninterrupted one'

say 'invalid devices'
check 2 'a malformed device' "${common[@]}" --device cuda:x --output x.sdf
check 3 'a GPU that does not exist' "${common[@]}" --device cuda:999 --output x.sdf
finish
